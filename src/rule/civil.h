// civil: dates and days since 1970-01-01, for the files of rule/ only.
//
// The arithmetic is Howard Hinnant's days_from_civil and civil_from_days ("chrono-Compatible Low-Level Date
// Algorithms", https://howardhinnant.github.io/date_algorithms.html): a year begins on 1 March, so that the leap day is
// its last; an era is 400 years, which is 146,097 days. The calendar is the proleptic Gregorian one; years may be
// negative. Good for every day that an int64_t of microseconds can hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RULE_ERA_DAYS = 146097, RULE_EPOCH_DAYS = 719468 }; // the latter from 0000-03-01 to 1970-01-01

struct rule_date {
  int year, month, day; // 1..12, 1..31
};

static inline int64_t rule_floor_div(int64_t number, int64_t divisor) {
  return number / divisor - (number % divisor < 0);
}

// `day` may lie outside the month: the days are counted on.
static inline int64_t rule_days_of_date(int64_t year, int month, int day) {
  int64_t from_march = month > 2 ? year : year - 1;
  int64_t era = rule_floor_div(from_march, 400);
  int64_t year_of_era = from_march - era * 400;
  int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * RULE_ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - RULE_EPOCH_DAYS;
}

static inline struct rule_date rule_date_of_days(int64_t days) {
  int64_t era = rule_floor_div(days + RULE_EPOCH_DAYS, RULE_ERA_DAYS);
  int day_of_era = (int)(days + RULE_EPOCH_DAYS - era * RULE_ERA_DAYS);
  int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int from_march = (5 * day_of_year + 2) / 153;
  int month = from_march < 10 ? from_march + 3 : from_march - 9;
  return (struct rule_date){(int)(era * 400) + year_of_era + (month <= 2), month,
                            day_of_year - (153 * from_march + 2) / 5 + 1};
}

// 1 Monday .. 7 Sunday.
static inline int rule_weekday_of_days(int64_t days) {
  int64_t from_monday = days + 3; // 1970-01-01 was a Thursday
  return (int)(from_monday - rule_floor_div(from_monday, 7) * 7) + 1;
}

static inline bool rule_year_is_leap(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static inline int rule_days_of_month(int64_t year, int month) {
  static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return DAYS[month - 1] + (month == 2 && rule_year_is_leap(year));
}
