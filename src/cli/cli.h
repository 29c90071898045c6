// cli: the program's face on a terminal.
//
// Layer 8. main.c hands it the words of the command line and the HTTP server, which lives in a sibling folder, as a
// table of two calls. Everything a command prints as data goes to standard output; progress, questions and failures
// go to standard error.
#pragma once

#include <stdint.h>

#include "base/diag.h"
#include "engine/engine.h"

// Zero (or NULL) means the server's own default.
struct cli_server_options {
  struct engine *engine;    // open until close has returned
  const char *listen;       // "127.0.0.1:8080"
  struct clock *test_clock; // NULL: the machine's clock
  const char *backup_dir;   // where the server may write backups; NULL: nowhere
  const char *cors_origins;
  uint64_t rate_events_per_s;
  size_t body_bytes_max;
  unsigned threads, query_threads, connections_max;
  unsigned idle_timeout_s, request_timeout_s, stop_timeout_s;
};

// The HTTP server. `open` returns when it answers and tells its port; `close` finishes what is under way.
struct cli_server {
  enum err (*open)(void **handle, const struct cli_server_options *options, uint16_t *port, struct diag *diag);
  void (*close)(void *handle);
};

// Runs one command; returns the exit status: 0, 1 for a failure, 2 for a wrong command line or setting.
int cli_main(int argc, char **argv, const struct cli_server *server);
