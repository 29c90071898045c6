// http: a client for Rapport's own server, on libcurl.
//
// Layer 8. One connection, kept open. Requests that a busy or restarting server refuses (429, 502, 503, 504, or no
// connection at all) are sent again with growing pauses, as long as Retry-After says at least; every write carries an
// Idempotency-Key, so that a repetition changes nothing twice.
// Threads: one client, one thread.
#pragma once

#include "base/bytes.h"
#include "base/diag.h"

struct http;

struct http_reply {
  unsigned status;
  struct buffer body;
};
void http_reply_init(struct http_reply *reply);
void http_reply_release(struct http_reply *reply);

// `url` is the server's, without a path of its own. `key` is copied; empty: none is sent.
enum err http_open(struct http **http, const char *url, const char *key, struct diag *diag);
void http_close(struct http *http);

// Sends `body` as JSON, gzipped when large. ERR_OK whatever the status; ERR_IO code "unreachable".
enum err http_send(struct http *http, const char *method, const char *path, struct bytes body, struct http_reply *reply,
                   struct diag *diag);
