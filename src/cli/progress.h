// progress: one line on standard error that says how far a long command is, only where a person looks on.
//
// Layer 8. Threads: called from one thread at a time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool shown;         // standard error is a terminal
  const char *unit;   // what is counted: "events"
  int64_t started_us; // monotonic
  int64_t drawn_us;
};

void progress_begin(struct progress *progress);
// `total` 0: unknown. `count` is of the unit. Draws at most ten times a second.
void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t count);
// Takes the line away.
void progress_end(struct progress *progress);

// Seconds since progress_begin, at least a thousandth.
double progress_seconds(const struct progress *progress);
