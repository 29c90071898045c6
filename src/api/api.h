// api: the HTTP server.
//
// Layer 8. Serves the collect protocol of the usual SDKs, the management routes and the operations routes of one
// engine, over HTTP/1.1 on libmicrohttpd. docs/openapi.yaml describes every route; routes.def is the one table behind
// dispatch, 404, 405, OPTIONS and the metrics.
//
// Durability. A reply leaves after everything it tells is on the disk. No thread waits for that: the connection is
// suspended, and resumed by the store's sync thread, so one sync covers many replies.
//
// Threads of its own. Two read and write HTTP for all connections; `threads` runners run what was asked, first come,
// first served, but leave one of them to what is quick; see runners.h. The operations routes wait for no runner.
//
// Keys. Collect routes take any key with the scope "collect"; management routes take a secret key with the scope named
// in routes.def. /healthz and /readyz are open. /metrics is open to a loopback peer whose request carries no
// X-Forwarded-For, and asks for the scope "read" otherwise. /v1/clock exists only with a test clock and asks for no
// key.
//
// Idempotency-Key. On every management write: the first request stores a claim, runs, then stores its reply (sealed
// under the caller's own key, so that the row is unreadable without it) for 24 hours. The reply is written in the
// commit of the change, so a crash leaves both or neither; where it leaves the claim alone, a retry gets 409 until the
// claim ends (60 seconds after it was made), and after that runs the request. Replies that ask to be repeated
// (Retry-After, 5xx) are not stored.
//
// Limits. Bodies, headers, paths, parameters, connections and the time a request may take are bounded; each bound has
// an answer of its own.
//
// Jobs. A backup or a check of the workspace runs in a thread of its own, one at a time; see job.h.
//
// Streams. /v1/stream sends the change feed as server-sent events, to 64 readers at most; see stream.h.
//
// Timers. A thread of the server has the engine work off what falls due by the clock, ten times a second.
//
// Upkeep. A thread of the server calls engine_tick once a second, ends connections that dawdle and deletes idempotency
// rows whose time has passed. The caller needs to run nothing.
//
// Memory: the server owns what it allocates. The engine and the clock are the caller's and outlive the server.
// Threads: open and close from one thread; api_port from any.
#pragma once

#include <stdint.h>

#include "base/clock.h"
#include "base/diag.h"
#include "engine/engine.h"

struct api;

enum { API_THREADS_MAX = 16, API_CONNECTIONS_MAX = 65536 };

// Zero (or NULL) means the default of each.
struct api_options {
  const char *listen;     // "127.0.0.1:8080" (the default), "[::1]:0", "localhost:8080"; port 0 takes a free one
  unsigned threads;       // that run requests; 2 a core, at most API_THREADS_MAX
  unsigned query_threads; // of one count; one a core
  // The clock the engine was opened with, when tests may hold it through /v1/clock; NULL: the route does not exist.
  struct clock *test_clock;
  const char *backup_dir;     // where POST /v1/backups may write; NULL: nowhere
  const char *cors_origins;   // origins that browsers may send from: "*" (the default) or "https://a.fr,https://b.fr"
  uint64_t rate_events_per_s; // events a second for each key; none by default: a default must not drop a shop's events
  uint64_t rate_burst_events; // what a key may send at once; ten seconds of the rate
  size_t body_bytes_max;      // of a body after gunzip; LIMIT_BODY_BYTES, which it cannot exceed
  unsigned connections_max;   // 4096
  unsigned idle_timeout_s;    // a connection without traffic; 75
  unsigned request_timeout_s; // from the request line to the end of the body; 60
  unsigned stop_timeout_s;    // within which api_close lets replies be taken; 10
};

// Listens and starts to serve. ERR_INVALID code "bad_address", ERR_BUSY code "address_in_use", ERR_IO code
// "cannot_listen", ERR_NO_MEMORY; nothing is left behind then.
enum err api_open(struct api **api, struct engine *engine, const struct api_options *options, struct diag *diag);

// The port in use.
uint16_t api_port(const struct api *api);

// Stops accepting, answers 503 to further requests on open connections and to those that no runner has taken yet, lets
// the others end and their replies be taken until `stop_timeout_s` are over, then closes all connections. A handler
// that runs, a pending sync and a running backup are waited for however long they take. The store must still be open.
void api_close(struct api *api);
