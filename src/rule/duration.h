// duration: lengths of time as people say them, and what they mean on a calendar.
//
// Layer 2, inside rule/; pure. Seconds to weeks are exact (a day is 24 h). Months, quarters and years are calendar
// lengths: adding them keeps the local wall clock. What there is no such day for gives the end (24:00) of that month's
// last day; a wall clock inside a spring gap moves to the gap's end; of the two instants of an autumn overlap it is the
// one with the offset that the start had, else the first.
// Times are microseconds since 1970 UTC, from 0001-01-01 to 9999-12-31; a result beyond is ERR_LIMIT.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "rule/unit.h"
#include "rule/zone.h"

// time + duration (count may be negative).
enum err rule_time_add(const struct rule_zone *zone, int64_t time_us, struct rule_duration duration, int64_t *out);

// The first moment of the local unit that holds `time_us`, `units` units away: 0 this one, -1 the one before, 1 the
// next. Weeks begin on Monday, quarters in January, April, July, October. Of seconds to hours: of the UTC clock.
// A day that begins in a gap begins at its end.
enum err rule_time_start(const struct rule_zone *zone, int64_t time_us, enum rule_unit unit, int64_t units,
                         int64_t *out);

// A wall clock (microseconds as if it were UTC) as an instant, by the rules above; of an overlap the first.
enum err rule_time_from_wall(const struct rule_zone *zone, int64_t wall_us, int64_t *out);

struct rule_civil {
  int year, month, day;     // 1..12, 1..31
  int hour, minute, second; // 0..59; leap seconds are not known
  int weekday;              // 1 Monday .. 7 Sunday
  int32_t offset_s;         // east of Greenwich
};
void rule_time_civil(const struct rule_zone *zone, int64_t time_us, struct rule_civil *civil);

// Whole months from `from` to `to` by local dates: the 31st is complete on the last day of a shorter month's end
// (24:00). Negative when `to` is earlier. age() and months_since() count with it.
int64_t rule_months_between(const struct rule_zone *zone, int64_t from_us, int64_t to_us);
