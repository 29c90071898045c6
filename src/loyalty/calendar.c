// calendar: when amounts become usable and when they cease to be.
//
// A pending period of days or longer keeps the wall clock of the programme's time zone, of hours or shorter it is
// exact. Validity ends with a day: it is counted in local days, and its end is the first moment of the day after the
// last. So a day of 23 or 25 hours is one day, and "one month after 31 January" is the last day of February, through
// its end.
#include "base/clock.h"
#include "loyalty/programme.h"

enum { DAYS_MAX = 4000000 }; // more than lie between the years 1 and 9999

static int64_t floor_div(int64_t number, int64_t divisor) {
  return number / divisor - (number % divisor < 0);
}

static int64_t wall_of(const struct rule_zone *zone, int64_t time_us) {
  return time_us + rule_zone_offset(zone, time_us) * (int64_t)CLOCK_SECOND_US;
}

static int64_t day_of(const struct rule_zone *zone, int64_t time_us) {
  return floor_div(wall_of(zone, time_us), CLOCK_DAY_US);
}

static enum err start_of_day(const struct rule_zone *zone, int64_t day, int64_t *time_us) {
  if (day > DAYS_MAX || day < -DAYS_MAX) return ERR_LIMIT;
  return rule_time_from_wall(zone, day * CLOCK_DAY_US, time_us);
}

// --- pending -------------------------------------------------------------------------------------------------

// The same wall clock so many days later; in an overlap with the offset it has now, if it is one of the two.
static enum err add_days(const struct rule_zone *zone, int64_t time_us, int64_t days, int64_t *out) {
  int32_t offsets[2];
  int64_t gap_end_us;
  if (days > DAYS_MAX || days < -DAYS_MAX) return ERR_LIMIT;
  int64_t wall_us = wall_of(zone, time_us) + days * CLOCK_DAY_US;
  enum err err = rule_time_from_wall(zone, wall_us, out);
  if (err != ERR_OK) return err;
  int count = rule_zone_offsets_of_wall(zone, wall_us, offsets, &gap_end_us);
  if (count == 2 && offsets[1] == rule_zone_offset(zone, time_us))
    *out = wall_us - offsets[1] * (int64_t)CLOCK_SECOND_US;
  return ERR_OK;
}

enum err loyalty_activation(const struct loyalty_currency *currency, const struct rule_zone *zone, int64_t earned_us,
                            int64_t *active_us) {
  struct rule_duration after = currency->pending_after;
  int64_t checked_us;
  *active_us = currency->pending == LOYALTY_PENDING_ON_EVENT ? INT64_MAX : earned_us;
  if (currency->pending != LOYALTY_PENDING_AFTER) return ERR_OK;
  enum err err = rule_time_add(zone, earned_us, (struct rule_duration){0, RULE_SECOND}, &checked_us);
  if (err != ERR_OK) return err;
  if (after.unit != RULE_DAY && after.unit != RULE_WEEK) return rule_time_add(zone, earned_us, after, active_us);
  int64_t days;
  if (__builtin_mul_overflow(after.count, after.unit == RULE_WEEK ? 7 : 1, &days)) return ERR_LIMIT;
  return add_days(zone, earned_us, days, active_us);
}

// --- validity ------------------------------------------------------------------------------------------------

// The local day that is so many months after the one of `time_us`; in a month without such a day its last.
static enum err day_after_months(const struct rule_zone *zone, int64_t time_us, int64_t months, int64_t *day) {
  struct rule_civil civil;
  int64_t first_us, next_us;
  enum err err = rule_time_start(zone, time_us, RULE_MONTH, months, &first_us);
  if (err == ERR_OK) err = rule_time_start(zone, time_us, RULE_MONTH, months + 1, &next_us);
  if (err != ERR_OK) return err;
  rule_time_civil(zone, time_us, &civil);
  int64_t last = day_of(zone, next_us) - 1;
  *day = day_of(zone, first_us) + civil.day - 1;
  if (*day > last) *day = last;
  return ERR_OK;
}

static enum err day_after(const struct rule_zone *zone, int64_t time_us, struct rule_duration length, int64_t *day) {
  static const int64_t MONTHS[] = {[RULE_MONTH] = 1, [RULE_QUARTER] = 3, [RULE_YEAR] = 12};
  int64_t count;
  if (length.unit >= RULE_MONTH) {
    if (__builtin_mul_overflow(length.count, MONTHS[length.unit], &count) || count == INT64_MAX) return ERR_LIMIT;
    return day_after_months(zone, time_us, count, day);
  }
  if (length.unit >= RULE_DAY) {
    if (__builtin_mul_overflow(length.count, length.unit == RULE_WEEK ? 7 : 1, &count)) return ERR_LIMIT;
    return __builtin_add_overflow(day_of(zone, time_us), count, day) ? ERR_LIMIT : ERR_OK;
  }
  int64_t moved_us;
  enum err err = rule_time_add(zone, time_us, length, &moved_us);
  if (err == ERR_OK) *day = day_of(zone, moved_us);
  return err;
}

enum err loyalty_expiry(const struct loyalty_currency *currency, const struct rule_zone *zone, int64_t active_us,
                        int64_t *expires_us) {
  int64_t last_day, last_us;
  *expires_us = INT64_MAX;
  if (currency->validity == LOYALTY_VALID_FOREVER || active_us == INT64_MAX) return ERR_OK;
  enum err err = rule_time_add(zone, active_us, (struct rule_duration){0, RULE_SECOND}, &last_us); // in the calendar?
  if (err == ERR_OK) err = day_after(zone, active_us, currency->validity_length, &last_day);
  if (err != ERR_OK) return err;
  bool by_day = currency->validity == LOYALTY_VALID_AFTER || currency->validity == LOYALTY_VALID_SLIDING;
  if (by_day) return start_of_day(zone, last_day + 1, expires_us);
  if ((err = start_of_day(zone, last_day, &last_us)) != ERR_OK) return err;
  enum rule_unit unit = currency->validity == LOYALTY_VALID_END_OF_MONTH ? RULE_MONTH : RULE_YEAR;
  return rule_time_start(zone, last_us, unit, 1, expires_us);
}
