// server: what a benchmark asks of the server beside its load.
//
// Requests one after another over one connection; a reply that is no 2xx is told of on standard error.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/http.h"

struct server {
  struct http *http;
  struct http_reply reply; // of the last request; its body ends with a 0 that is not counted
};

bool server_open(struct server *server, int port, const char *key);
void server_close(struct server *server);

bool server_get(struct server *server, const char *path);
bool server_post(struct server *server, const char *path, const char *body);
bool server_put(struct server *server, const char *path, const char *body);
const char *server_text(const struct server *server);

// One of /metrics, without "rapport_"; -1 when it is not there.
double server_metric(struct server *server, const char *name);
// Waits until no segment is being built.
bool server_wait_built(struct server *server, int seconds);

// Goes through the changes of a segment, oldest first: for each that is no backfill, by how many microseconds it was
// recorded after the instant at which it became so.
typedef void server_change_fn(void *context, bool entered, int64_t late_us);
bool server_changes(struct server *server, const char *segment, server_change_fn *each, void *context);
