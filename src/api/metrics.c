// Counters live in one table a route. Lines of routes that were never asked are left out, so that the text stays short.
#include "api/metrics.h"

#include <stdatomic.h>

#include "api/route.h"
#include "base/alloc.h"

static const int statuses[] = {200, 201, 204, 400, 401, 403, 404, 405, 409, 422, 429, 500, 501, 503, 507};
static const int64_t bounds_us[] = {500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 5000000};
enum {
  STATUS_COUNT = sizeof statuses / sizeof *statuses,
  BOUND_COUNT = sizeof bounds_us / sizeof *bounds_us,
  OUTCOME_COUNT = 4
};

struct route_counters {
  _Atomic uint64_t by_status[STATUS_COUNT + 1]; // the last: any other
  _Atomic uint64_t by_duration[BOUND_COUNT + 1];
  _Atomic uint64_t total_us;
};

struct metrics {
  _Atomic uint64_t events[OUTCOME_COUNT];
  size_t route_count;
  struct route_counters routes[]; // route_count + 1: the last is "no route"
};

static const char *const outcome_names[OUTCOME_COUNT] = {"taken", "duplicate", "rejected", "aside"};

static uint64_t read_counter(const _Atomic uint64_t *counter) {
  return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t number) {
  atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

enum err metrics_open(struct metrics **metrics) {
  size_t count;
  route_table(&count);
  struct metrics *made = alloc_zero(1, sizeof *made + (count + 1) * sizeof(struct route_counters));
  if (!made) return ERR_NO_MEMORY;
  made->route_count = count;
  *metrics = made;
  return ERR_OK;
}

void metrics_close(struct metrics *metrics) {
  alloc_free(metrics);
}

void metrics_count_request(struct metrics *metrics, size_t route_index, int status, int64_t duration_us) {
  struct route_counters *counters = &metrics->routes[route_index];
  size_t s = 0, b = 0;
  while (s < STATUS_COUNT && statuses[s] != status) s++;
  while (b < BOUND_COUNT && duration_us > bounds_us[b]) b++;
  add(&counters->by_status[s], 1);
  add(&counters->by_duration[b], 1);
  add(&counters->total_us, duration_us > 0 ? (uint64_t)duration_us : 0);
}

void metrics_count_events(struct metrics *metrics, uint64_t taken, uint64_t duplicates, uint64_t rejected,
                          uint64_t aside) {
  const uint64_t numbers[OUTCOME_COUNT] = {taken, duplicates, rejected, aside};
  for (size_t i = 0; i < OUTCOME_COUNT; i++) {
    if (numbers[i]) add(&metrics->events[i], numbers[i]);
  }
}

static void write_labels(struct buffer *out, const struct metrics *metrics, size_t index) {
  size_t count;
  const struct route *table = route_table(&count);
  bool known = index < metrics->route_count;
  buffer_append_format(out, "method=\"%s\",route=\"%s\"", known ? http_method_name(table[index].method) : "",
                       known ? table[index].pattern : "none");
}

static void write_requests(const struct metrics *metrics, struct buffer *out) {
  buffer_append_text(out, "# TYPE rapport_http_requests_total counter\n");
  for (size_t i = 0; i <= metrics->route_count; i++) {
    for (size_t s = 0; s <= STATUS_COUNT; s++) {
      uint64_t number = read_counter(&metrics->routes[i].by_status[s]);
      if (number == 0) continue;
      buffer_append_text(out, "rapport_http_requests_total{");
      write_labels(out, metrics, i);
      if (s < STATUS_COUNT)
        buffer_append_format(out, ",status=\"%d\"} %llu\n", statuses[s], (unsigned long long)number);
      if (s == STATUS_COUNT) buffer_append_format(out, ",status=\"other\"} %llu\n", (unsigned long long)number);
    }
  }
}

static void write_histogram(const struct metrics *metrics, size_t index, struct buffer *out) {
  const struct route_counters *counters = &metrics->routes[index];
  uint64_t total = 0;
  for (size_t b = 0; b <= BOUND_COUNT; b++) total += read_counter(&counters->by_duration[b]);
  if (total == 0) return;
  uint64_t running = 0;
  for (size_t b = 0; b <= BOUND_COUNT; b++) {
    running += read_counter(&counters->by_duration[b]);
    buffer_append_text(out, "rapport_http_request_seconds_bucket{");
    write_labels(out, metrics, index);
    if (b < BOUND_COUNT)
      buffer_append_format(out, ",le=\"%g\"} %llu\n", (double)bounds_us[b] / 1e6, (unsigned long long)running);
    if (b == BOUND_COUNT) buffer_append_format(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)running);
  }
  buffer_append_text(out, "rapport_http_request_seconds_sum{");
  write_labels(out, metrics, index);
  buffer_append_format(out, "} %.6f\n", (double)read_counter(&counters->total_us) / 1e6);
  buffer_append_text(out, "rapport_http_request_seconds_count{");
  write_labels(out, metrics, index);
  buffer_append_format(out, "} %llu\n", (unsigned long long)running);
}

void metrics_write(const struct metrics *metrics, struct buffer *out) {
  write_requests(metrics, out);
  buffer_append_text(out, "# TYPE rapport_http_request_seconds histogram\n");
  for (size_t i = 0; i <= metrics->route_count; i++) write_histogram(metrics, i, out);
  buffer_append_text(out, "# TYPE rapport_events_total counter\n");
  for (size_t i = 0; i < OUTCOME_COUNT; i++) {
    buffer_append_format(out, "rapport_events_total{outcome=\"%s\"} %llu\n", outcome_names[i],
                         (unsigned long long)read_counter(&metrics->events[i]));
  }
}

void metrics_write_value(struct buffer *out, const char *name, const char *type, uint64_t value) {
  buffer_append_format(out, "# TYPE rapport_%s %s\nrapport_%s %llu\n", name, type, name, (unsigned long long)value);
}
