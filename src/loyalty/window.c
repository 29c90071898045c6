// window: local days, and until when they count.
//
// What is out of the calendar is never: INT64_MAX.
#include "base/clock.h"
#include "loyalty/ledger_private.h"
#include "rule/duration.h"

enum { DAYS_MAX = 4000000 }; // more than lie between the years 1 and 9999

// Instants at the ends of 64 bits, which no clock shows, stay there.
static int64_t local_wall(const struct rule_zone *zone, int64_t time_us) {
  int64_t offset_us = rule_zone_offset(zone, time_us) * (int64_t)CLOCK_SECOND_US, wall_us;
  return __builtin_add_overflow(time_us, offset_us, &wall_us) ? time_us : wall_us;
}

static int64_t floor_day(int64_t wall_us) {
  return wall_us / CLOCK_DAY_US - (wall_us % CLOCK_DAY_US < 0);
}

int32_t ledger_day(const struct rule_zone *zone, int64_t time_us) {
  return (int32_t)floor_day(local_wall(zone, time_us));
}

int64_t ledger_day_start(const struct rule_zone *zone, int32_t day) {
  int64_t start_us;
  if (day > DAYS_MAX || day < -DAYS_MAX) return INT64_MAX;
  return rule_time_from_wall(zone, day * CLOCK_DAY_US, &start_us) == ERR_OK ? start_us : INT64_MAX;
}

int64_t ledger_wall_add(const struct rule_zone *zone, int64_t time_us, struct rule_duration length) {
  int64_t days = length.unit == RULE_WEEK ? 7 : 1, wall_us, moved_us;
  if (time_us == INT64_MAX || length.count == 0) return time_us;
  if (length.unit != RULE_DAY && length.unit != RULE_WEEK)
    return rule_time_add(zone, time_us, length, &moved_us) == ERR_OK ? moved_us : INT64_MAX;
  if (__builtin_mul_overflow(days * CLOCK_DAY_US, length.count, &wall_us)) return INT64_MAX;
  if (__builtin_add_overflow(wall_us, local_wall(zone, time_us), &wall_us)) return INT64_MAX;
  return rule_time_from_wall(zone, wall_us, &moved_us) == ERR_OK ? moved_us : INT64_MAX;
}

int64_t ledger_wall_before(const struct rule_zone *zone, int64_t time_us, struct rule_duration length) {
  return ledger_wall_add(zone, time_us, (struct rule_duration){-length.count, length.unit});
}

// The first return of the day she joined after the day that begins at `start_us`.
static int64_t anniversary_after(const struct rule_zone *zone, int64_t joined_us, int64_t start_us) {
  int64_t first_us = ledger_day_start(zone, ledger_day(zone, joined_us));
  if (first_us == INT64_MAX) return INT64_MAX;
  int64_t years = rule_months_between(zone, first_us, start_us) / 12 - 1, end_us;
  // Two years more at most: whole months were counted, and the day may be one that shorter months lack.
  for (int i = 0; i < 4; i++) {
    end_us = ledger_wall_add(zone, first_us, (struct rule_duration){years + i, RULE_YEAR});
    if (end_us > start_us) return end_us;
  }
  return INT64_MAX;
}

int64_t ledger_window_end(const struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers,
                          const struct rule_zone *zone, int32_t day) {
  int64_t start_us = ledger_day_start(zone, day), end_us;
  if (start_us == INT64_MAX) return INT64_MAX;
  switch (tiers->window) {
  case LOYALTY_WINDOW_CALENDAR:
    return rule_time_start(zone, start_us, RULE_YEAR, 1, &end_us) == ERR_OK ? end_us : INT64_MAX;
  case LOYALTY_WINDOW_ANNIVERSARY:
    return anniversary_after(zone, wallet->joined_us, start_us);
  case LOYALTY_WINDOW_ROLLING:
    break;
  }
  return ledger_wall_add(zone, start_us, tiers->window_length);
}
