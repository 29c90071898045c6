// clock: the time, injected, so that every time-driven behaviour can be tried from outside.
//
// Layer 0. Instants are signed 64-bit microseconds since 1970-01-01T00:00:00Z, without leap seconds (`_us`).
// A program opens one clock and passes it down; nothing below cli/ asks the operating system for the date.
// Threads: reading is safe from any thread; a held clock is moved atomically.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
  CLOCK_MS_US = 1000,
  CLOCK_SECOND_US = 1000000,
};
#define CLOCK_MINUTE_US (60 * (int64_t)CLOCK_SECOND_US)
#define CLOCK_HOUR_US (60 * CLOCK_MINUTE_US)
#define CLOCK_DAY_US (24 * CLOCK_HOUR_US)

struct clock {
  _Atomic int64_t held_us; // meaningful when held
  _Atomic bool held;
};

// A clock that follows the machine's.
void clock_init(struct clock *clock);

// Holds the clock still at `now_us`; calling it again moves it (also backwards: tests do).
void clock_hold(struct clock *clock, int64_t now_us);

// The time now, by this clock.
int64_t clock_now_us(const struct clock *clock);

// Monotonic microseconds for measuring durations; unrelated to any date and never held.
int64_t clock_monotonic_us(void);

enum { CLOCK_TEXT_BYTES = 32 };

// Writes RFC 3339 in UTC with milliseconds ("2026-11-22T00:16:39.018Z"), or microseconds when they are not
// zero. `out` has CLOCK_TEXT_BYTES; NUL-terminated. Years outside 0000..9999 are clamped.
void clock_format(int64_t time_us, char *out);

// Reads RFC 3339 / ISO 8601: "2026-11-22", "2026-11-22T00:16:39Z", fractions of any length (cut at
// microseconds), offsets "+01:00" "+0100" "+01", a space for the T, lower-case t and z. A date alone is its
// midnight in UTC, a time without an offset is UTC. Leap second 60 reads as 59.999999. ERR_INVALID otherwise.
enum err clock_parse(struct bytes text, int64_t *time_us);
