// Everything is done on two lines: the instants, and the wall clock of a zone (as if it were UTC). From an instant to
// the wall there is one way; from the wall back there are none (a gap), one, or two (an overlap), and instant_of_wall
// is the one place that chooses. Months are counted from year 0, so that adding them is one addition.
//
// Calendar results stay far inside 64 bits: counts are cut at COUNT_MAX, times at the years 1 and 9999, before they
// are multiplied.
#include "rule/duration.h"

#include "base/clock.h"
#include "rule/civil.h"

enum {
  MONTHS_A_YEAR = 12,
  COUNT_MAX = 20000 * MONTHS_A_YEAR, // months: more than lie between the first and the last year
};
#define TIME_MIN_US (-719162 * CLOCK_DAY_US)     // 0001-01-01T00:00:00Z
#define TIME_MAX_US (2932897 * CLOCK_DAY_US - 1) // 9999-12-31T23:59:59.999999Z

// How long a unit is: exactly, or in months.
static const struct {
  int64_t us; // 0 when it is a matter of the calendar
  int months;
} UNITS[] = {
    [RULE_SECOND] = {CLOCK_SECOND_US, 0},
    [RULE_MINUTE] = {CLOCK_MINUTE_US, 0},
    [RULE_HOUR] = {CLOCK_HOUR_US, 0},
    [RULE_DAY] = {CLOCK_DAY_US, 0},
    [RULE_WEEK] = {7 * CLOCK_DAY_US, 0},
    [RULE_MONTH] = {0, 1},
    [RULE_QUARTER] = {0, 3},
    [RULE_YEAR] = {0, MONTHS_A_YEAR},
};

static bool is_in_range(int64_t time_us) {
  return time_us >= TIME_MIN_US && time_us <= TIME_MAX_US;
}

static enum err give(int64_t time_us, int64_t *out) {
  if (!is_in_range(time_us)) return ERR_LIMIT;
  *out = time_us;
  return ERR_OK;
}

static int64_t wall_of_instant(const struct rule_zone *zone, int64_t time_us) {
  return time_us + rule_zone_offset(zone, time_us) * (int64_t)CLOCK_SECOND_US;
}

// In an overlap the second instant when its offset is `preferred_s`, else the first. INT32_MAX prefers none.
static int64_t instant_of_wall(const struct rule_zone *zone, int64_t wall_us, int32_t preferred_s) {
  int32_t offsets[2];
  int64_t gap_end_us = 0;
  int count = rule_zone_offsets_of_wall(zone, wall_us, offsets, &gap_end_us);
  if (count == 0) return gap_end_us;
  int chosen = count == 2 && offsets[1] == preferred_s;
  return wall_us - offsets[chosen] * (int64_t)CLOCK_SECOND_US;
}

static int64_t day_of_wall(int64_t wall_us) {
  return rule_floor_div(wall_us, CLOCK_DAY_US);
}

static int64_t months_of_date(struct rule_date date) {
  return (int64_t)date.year * MONTHS_A_YEAR + date.month - 1;
}

// The day before the first of the month `months`, plus `day`.
static int64_t day_in_month(int64_t months, int day) {
  int64_t year = rule_floor_div(months, MONTHS_A_YEAR);
  return rule_days_of_date(year, (int)(months - year * MONTHS_A_YEAR) + 1, day);
}

// 24:00 of the last day of a month is 00:00 of the next month's first.
static int64_t wall_plus_months(int64_t wall_us, int64_t months) {
  int64_t day = day_of_wall(wall_us);
  struct rule_date date = rule_date_of_days(day);
  int64_t target = months_of_date(date) + months;
  int64_t next_first = day_in_month(target + 1, 1);
  int64_t target_day = day_in_month(target, date.day);
  if (target_day >= next_first) return next_first * CLOCK_DAY_US;
  return target_day * CLOCK_DAY_US + (wall_us - day * CLOCK_DAY_US);
}

enum err rule_time_add(const struct rule_zone *zone, int64_t time_us, struct rule_duration duration, int64_t *out) {
  int64_t length_us = 0;
  int64_t sum_us = 0;
  if (!is_in_range(time_us)) return ERR_LIMIT;
  if (UNITS[duration.unit].us != 0) {
    if (__builtin_mul_overflow(duration.count, UNITS[duration.unit].us, &length_us)) return ERR_LIMIT;
    if (__builtin_add_overflow(time_us, length_us, &sum_us)) return ERR_LIMIT;
    return give(sum_us, out);
  }
  if (duration.count > COUNT_MAX || duration.count < -COUNT_MAX) return ERR_LIMIT;
  int64_t wall_us = wall_plus_months(wall_of_instant(zone, time_us), duration.count * UNITS[duration.unit].months);
  return give(instant_of_wall(zone, wall_us, rule_zone_offset(zone, time_us)), out);
}

// The local day on which the unit of `day`, moved by `units`, begins.
static int64_t first_day(int64_t day, enum rule_unit unit, int64_t units) {
  if (unit == RULE_DAY) return day + units;
  if (unit == RULE_WEEK) return day - (rule_weekday_of_days(day) - 1) + 7 * units;
  int64_t months = months_of_date(rule_date_of_days(day));
  int64_t length = UNITS[unit].months;
  return day_in_month((rule_floor_div(months, length) + units) * length, 1);
}

enum err rule_time_start(const struct rule_zone *zone, int64_t time_us, enum rule_unit unit, int64_t units,
                         int64_t *out) {
  const int64_t days_max = 2 * (TIME_MAX_US / CLOCK_DAY_US); // more than the range has
  if (!is_in_range(time_us)) return ERR_LIMIT;
  if (unit < RULE_DAY) {
    int64_t moved = rule_floor_div(time_us, UNITS[unit].us);
    if (__builtin_add_overflow(moved, units, &moved)) return ERR_LIMIT;
    if (__builtin_mul_overflow(moved, UNITS[unit].us, &moved)) return ERR_LIMIT;
    return give(moved, out);
  }
  if (units > (unit == RULE_DAY ? days_max : COUNT_MAX * (int64_t)4)) return ERR_LIMIT;
  if (units < -(unit == RULE_DAY ? days_max : COUNT_MAX * (int64_t)4)) return ERR_LIMIT;
  int64_t day = first_day(day_of_wall(wall_of_instant(zone, time_us)), unit, units);
  if (day > days_max || day < -days_max) return ERR_LIMIT;
  return give(instant_of_wall(zone, day * CLOCK_DAY_US, INT32_MAX), out);
}

enum err rule_time_from_wall(const struct rule_zone *zone, int64_t wall_us, int64_t *out) {
  // The wall clock of an instant within the range can be beyond it, by the offset: a little over a day.
  if (wall_us < TIME_MIN_US - 2 * CLOCK_DAY_US || wall_us > TIME_MAX_US + 2 * CLOCK_DAY_US) return ERR_LIMIT;
  return give(instant_of_wall(zone, wall_us, INT32_MAX), out);
}

void rule_time_civil(const struct rule_zone *zone, int64_t time_us, struct rule_civil *civil) {
  int32_t offset_s = rule_zone_offset(zone, time_us);
  int64_t wall_s = rule_floor_div(time_us, CLOCK_SECOND_US) + offset_s;
  int64_t day = rule_floor_div(wall_s, CLOCK_DAY_US / CLOCK_SECOND_US);
  int second_of_day = (int)(wall_s - day * (CLOCK_DAY_US / CLOCK_SECOND_US));
  struct rule_date date = rule_date_of_days(day);
  *civil = (struct rule_civil){.year = date.year,
                               .month = date.month,
                               .day = date.day,
                               .hour = second_of_day / 3600,
                               .minute = second_of_day / 60 % 60,
                               .second = second_of_day % 60,
                               .weekday = rule_weekday_of_days(day),
                               .offset_s = offset_s};
}

// A month is complete on the same day of the month. Where there is none, on the first of the month after, which is
// the 24:00 of the last day: comparing the days of the month says just that.
static int64_t months_between_days(int64_t from_day, int64_t to_day) {
  struct rule_date from = rule_date_of_days(from_day);
  struct rule_date to = rule_date_of_days(to_day);
  return months_of_date(to) - months_of_date(from) - (to.day < from.day);
}

int64_t rule_months_between(const struct rule_zone *zone, int64_t from_us, int64_t to_us) {
  int64_t from_day = day_of_wall(wall_of_instant(zone, from_us));
  int64_t to_day = day_of_wall(wall_of_instant(zone, to_us));
  if (to_day < from_day) return -months_between_days(to_day, from_day);
  return months_between_days(from_day, to_day);
}
