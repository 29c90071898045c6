// metrics: what the server counts about itself.
//
// Layer 8. Requests by route and status, their time in a histogram by route, events by outcome. Written out in the
// Prometheus text format; routes are named by their pattern, so that no identifier ever becomes a label.
// Threads: safe; every counter is atomic.
#pragma once

#include <stdint.h>

#include "base/bytes.h"

struct metrics;

enum err metrics_open(struct metrics **metrics);
void metrics_close(struct metrics *metrics);

// `route_index` is the place in route_table, or its count for a request that matched none.
void metrics_count_request(struct metrics *metrics, size_t route_index, int status, int64_t duration_us);

void metrics_count_events(struct metrics *metrics, uint64_t taken, uint64_t duplicates, uint64_t rejected,
                          uint64_t aside);

// Appends the counters.
void metrics_write(const struct metrics *metrics, struct buffer *out);

// Appends one value of its own: "# TYPE rapport_… gauge" and the line. `name` is without the prefix.
void metrics_write_value(struct buffer *out, const char *name, const char *type, uint64_t value);
