// A thin layer over the command line's client. Replies are searched as text: the server writes them, in one form.
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

enum { POLL_US = 200000, PATH_BYTES = 256 };

bool server_open(struct server *server, int port, const char *key) {
  char url[64];
  struct diag diag;
  diag_init(&diag);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
  http_reply_init(&server->reply);
  return http_open(&server->http, url, key, &diag) == ERR_OK;
}

void server_close(struct server *server) {
  http_close(server->http);
  http_reply_release(&server->reply);
}

const char *server_text(const struct server *server) {
  return (const char *)server->reply.body.data;
}

static bool ask(struct server *server, const char *method, const char *path, const char *body) {
  struct diag diag;
  diag_init(&diag);
  bool sent = http_send(server->http, method, path, bytes_from_text(body), &server->reply, &diag) == ERR_OK;
  buffer_append_byte(&server->reply.body, 0);
  sent = sent && !server->reply.body.failed;
  if (sent && server->reply.status / 100 == 2) return true;
  fprintf(stderr, "bench: %s %s: %s %.400s\n", method, path, sent ? "" : diag.message, sent ? server_text(server) : "");
  return false;
}

bool server_get(struct server *server, const char *path) {
  return ask(server, "GET", path, "");
}

bool server_post(struct server *server, const char *path, const char *body) {
  return ask(server, "POST", path, body);
}

bool server_put(struct server *server, const char *path, const char *body) {
  return ask(server, "PUT", path, body);
}

double server_metric(struct server *server, const char *name) {
  char line[128];
  if (!server_get(server, "/metrics")) return -1;
  snprintf(line, sizeof line, "\nrapport_%s ", name);
  const char *at = strstr(server_text(server), line);
  return at ? strtod(at + strlen(line), NULL) : -1;
}

bool server_wait_built(struct server *server, int seconds) {
  int64_t until_us = measure_now_us() + (int64_t)seconds * 1000000, told_us = 0;
  double building;
  while ((building = server_metric(server, "segments_building")) > 0 && measure_now_us() < until_us) {
    if (measure_now_us() - told_us > 10000000) {
      fprintf(stderr, "building %.0f segments: %.0f of %.0f customers\n", building,
              server_metric(server, "segment_building_customers_done"),
              server_metric(server, "segment_building_customers"));
      told_us = measure_now_us();
    }
    usleep(POLL_US);
  }
  return building == 0;
}

// --- changes -------------------------------------------------------------------------------------------------

// "2026-05-20T15:00:00.250000Z", after `member` and before `end`; microseconds of the Unix era.
static int64_t read_time_us(const char *from, const char *member) {
  struct tm parts = {0};
  const char *at = strstr(from, member);
  if (!at) return 0;
  const char *rest = strptime(at + strlen(member), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!rest) return 0;
  double fraction = *rest == '.' ? strtod(rest, NULL) : 0;
  return (int64_t)timegm(&parts) * 1000000 + (int64_t)(fraction * 1e6 + 0.5);
}

static size_t tell_page(const char *page, server_change_fn *each, void *context) {
  size_t count = 0;
  for (const char *at = page; (at = strstr(at, "{\"cursor\"")); count++) {
    const char *end = strchr(at, '}');
    const char *backfill = strstr(at, "\"backfill\":true");
    const char *entered = strstr(at, "\"change\":\"entered\"");
    int64_t became_us = read_time_us(at, "\"at\":\""), recorded_us = read_time_us(at, "\"recorded_at\":\"");
    if (!backfill || backfill > end) each(context, entered && entered < end, recorded_us - became_us);
    at = end;
  }
  return count;
}

bool server_changes(struct server *server, const char *segment, server_change_fn *each, void *context) {
  char path[PATH_BYTES], after[32] = "";
  size_t count;
  do {
    snprintf(path, sizeof path, "/v1/segments/%s/changes?limit=1000%s%s", segment, after[0] ? "&after=" : "", after);
    if (!server_get(server, path)) return false;
    const char *next = strstr(server_text(server), "\"next\":\"");
    if (!next) return false;
    snprintf(after, sizeof after, "%.*s", (int)strcspn(next + 8, "\""), next + 8);
    count = tell_page(server_text(server), each, context);
  } while (count > 0);
  return true;
}
