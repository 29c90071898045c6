// For whoever runs the program: is it alive, can it write, what does it count; and the clock of tests.
#include <stdio.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/runners.h"
#include "api/server.h"
#include "api/stream.h"
#include "engine/members.h"

// For a person who opens the address in a browser. Numbers only: nothing here needs a key.
enum err operations_welcome(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_counts counts = {0};
  (void)worker, (void)diag;
  engine_get_counts(request->api->engine, &counts);
  buffer_append_format(
      &request->reply,
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
      "<title>Rapport</title><style>body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:4rem auto;"
      "padding:0 1rem;color-scheme:light dark}code{font-size:.9em}</style><h1>Rapport is running</h1>"
      "<p>Version " RAPPORT_VERSION ": %llu customers with %llu events, %llu set aside.</p>"
      "<p>Send events to <code>POST /v1/batch</code> with a write key; look at customers with "
      "<code>GET /v1/customers/email:…</code> and a secret key. On this machine, "
      "<code>rapport help</code> says what else there is.</p>"
      "<p><a href=\"/healthz\">healthz</a> · <a href=\"/readyz\">readyz</a> · <a "
      "href=\"/metrics\">metrics</a></p></html>\n",
      (unsigned long long)counts.customers, (unsigned long long)counts.events, (unsigned long long)counts.set_aside);
  request->status = 200;
  request->content_type = "text/html; charset=utf-8";
  return request->reply.failed ? diag_no_memory(diag) : ERR_OK;
}

enum err operations_health(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_text(&writer, "status", "ok");
  json_object_end(&writer);
  return ERR_OK;
}

enum err operations_ready(struct request *request, struct worker *worker, struct diag *diag) {
  struct store_stats stats = {0};
  (void)worker;
  if (request->api->stopping) return diag_set(diag, ERR_STOPPED, "stopping", "The server is shutting down.");
  enum err err = store_get_stats(request->api->store, &stats);
  if (err) return diag_set(diag, ERR_IO, "store_failed", "The store does not answer (%s).", err_name(err));
  if (!stats.writable) {
    return diag_set(diag, ERR_BUSY, "not_writable", "The store cannot be written: %llu bytes are free on its disk.",
                    (unsigned long long)stats.free_bytes);
  }
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_text(&writer, "status", "ready");
  json_member_u64(&writer, "free_bytes", stats.free_bytes);
  json_object_end(&writer);
  return ERR_OK;
}

static uint64_t resident_bytes(void) {
  unsigned long long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%llu %llu", &size, &resident) != 2) resident = 0;
  fclose(file);
  return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_loads(struct api *api, struct buffer *out) {
  struct engine_loads loads;
  if (engine_get_loads(api->engine, &loads)) return;
  metrics_write_value(out, "customers_heavy", "gauge", loads.heavy);
  metrics_write_value(out, "customers_moving", "gauge", loads.moving);
}

static void write_counts(struct api *api, struct buffer *out) {
  struct engine_counts counts;
  if (engine_get_counts(api->engine, &counts)) return;
  metrics_write_value(out, "customers", "gauge", counts.customers);
  metrics_write_value(out, "events", "gauge", counts.events);
  metrics_write_value(out, "identifiers", "gauge", counts.identifiers);
  metrics_write_value(out, "set_aside", "gauge", counts.set_aside);
  metrics_write_value(out, "merges_total", "counter", counts.merges);
  metrics_write_value(out, "splits_total", "counter", counts.splits);
  metrics_write_value(out, "duplicates_total", "counter", counts.duplicates);
  metrics_write_value(out, "erased_total", "counter", counts.erased);
}

static void write_seconds(struct buffer *out, const char *name, int64_t time_us) {
  buffer_append_format(out, "# TYPE rapport_%s gauge\nrapport_%s %.6f\n", name, name, (double)time_us / 1e6);
}

static void write_live(struct api *api, struct buffer *out) {
  struct engine_live_stats stats;
  engine_live_stats(api->engine, &stats);
  metrics_write_value(out, "segments", "gauge", stats.questions);
  metrics_write_value(out, "segments_building", "gauge", stats.building);
  metrics_write_value(out, "segment_building_customers_done", "gauge", stats.building_done);
  metrics_write_value(out, "segment_building_customers", "gauge", stats.building_all);
  metrics_write_value(out, "segment_evaluations_total", "counter", stats.evaluations);
  metrics_write_value(out, "segment_transitions_total", "counter", stats.transitions);
  metrics_write_value(out, "timers_total", "counter", stats.timers);
  metrics_write_value(out, "loyalty_timers_total", "counter", engine_loyalty_timers(api->engine));
  write_seconds(out, "timer_lag_seconds", stats.timer_lag_us);
  metrics_write_value(out, "streams", "gauge", stream_board_count(api->streams));
}

static void write_store(struct api *api, struct buffer *out) {
  struct store_stats stats;
  if (store_get_stats(api->store, &stats)) return;
  metrics_write_value(out, "store_commits_total", "counter", stats.commits);
  metrics_write_value(out, "store_syncs_total", "counter", stats.syncs);
  metrics_write_value(out, "store_conflicts_total", "counter", stats.conflicts);
  metrics_write_value(out, "store_log_bytes", "gauge", stats.log_bytes);
  metrics_write_value(out, "store_free_bytes", "gauge", stats.free_bytes);
  metrics_write_value(out, "store_writable", "gauge", stats.writable);
  buffer_append_text(out, "# TYPE rapport_store_bytes gauge\n");
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) {
    buffer_append_format(out, "rapport_store_bytes{keyspace=\"%s\"} %llu\n",
                         store_keyspace_name((enum store_keyspace)i), (unsigned long long)stats.bytes[i]);
  }
}

enum err operations_metrics(struct request *request, struct worker *worker, struct diag *diag) {
  struct api *api = request->api;
  struct buffer *out = &request->reply;
  struct runners_counts runners = runners_get_counts(api->runners);
  (void)worker, (void)diag;
  pthread_mutex_lock(&api->lock);
  size_t connections = api->link_count, syncing = api->syncing;
  pthread_mutex_unlock(&api->lock);
  metrics_write(api->metrics, out);
  metrics_write_value(out, "http_connections", "gauge", connections);
  metrics_write_value(out, "http_requests_queued", "gauge", runners.queued);
  metrics_write_value(out, "http_requests_running", "gauge", runners.running);
  metrics_write_value(out, "http_requests_awaiting_sync", "gauge", syncing);
  metrics_write_value(out, "resident_memory_bytes", "gauge", resident_bytes());
  write_counts(api, out);
  write_loads(api, out);
  write_live(api, out);
  write_store(api, out);
  request->status = 200;
  request->content_type = "text/plain; version=0.0.4; charset=utf-8";
  return ERR_OK;
}

// --- the clock of tests --------------------------------------------------------------------------------------

static enum err answer_clock(struct request *request) {
  struct clock *clock = request->api->options.test_clock;
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_time(&writer, "now", clock_now_us(clock));
  json_member_bool(&writer, "held", clock->held);
  json_object_end(&writer);
  return ERR_OK;
}

enum err operations_clock_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  return answer_clock(request);
}

enum err operations_clock_hold(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  struct bytes text;
  int64_t now_us;
  enum err err = request_document(request, worker, &document, diag);
  if (!err) err = request_member_text(request, document, "now", &text, diag);
  if (err) return err;
  if (!text.data || clock_parse(text, &now_us)) {
    diag_set(diag, ERR_INVALID, "bad_member", "The member \"now\" must be a time such as 2026-11-22T00:16:39Z.");
    diag_in_field(diag, "now");
    return ERR_INVALID;
  }
  clock_hold(request->api->options.test_clock, now_us);
  return answer_clock(request);
}
