// load: sends bodies to a server over many connections from one thread, and times each reply.
//
// A connection is kept alive and has one request under way: the next goes out when the reply is there. So the number
// of connections is the number of requests the server sees at once.
#pragma once

#include <signal.h>

#include "event.h"
#include "measure.h"

enum { LOAD_CONNECTIONS_MAX = 1024, LOAD_FILL_BYTES = 4096 };

// Writes the body of the next request, at most LOAD_FILL_BYTES; how long it is.
typedef size_t load_fill_fn(void *context, char *body);

struct load {
  // What to send.
  load_fill_fn *fill; // NULL: events, as `kind` and `mix` say
  void *context;      // its
  const char *path;   // "/v1/batch"
  const char *key;    // a write key
  int port;
  enum body_kind kind;
  enum body_mix mix;
  size_t events_each; // events of one request
  size_t connections;
  uint64_t requests; // how many; no limit other than the time when UINT64_MAX
  int64_t seconds;   // for how long at most
  struct population population;
  int64_t first_us, step_us; // when the first event happened, and from one to the next; 0: they happen as they are sent
  const volatile sig_atomic_t *stop; // becomes not 0 on Ctrl-C
  // What came of it.
  uint64_t sent, answered, failed; // requests; a failed one was refused, or its connection broke
  uint64_t taken, duplicates;      // events, as the replies say
  int64_t elapsed_us;              // from the first request to the last reply
  size_t body_bytes;               // of one request
  struct latency latency;
};

// False when the server cannot be reached or stops answering; then it has said why.
bool load_run(struct load *load);
