// feed: lines of events into an import that reads from a pipe. Ends early, with false, on Ctrl-C.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

enum { FEED_LINES = 500 }; // of one write

bool feed_write(int fd, const char *data, size_t size_bytes);
// So many events, a multiple of FEED_LINES, all of one time (or as the population spreads them).
bool feed_events(int fd, struct population *population, enum body_mix mix, uint64_t events, int64_t time_us);
