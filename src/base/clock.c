// clock: civil dates by integer arithmetic.
//
// The calendar is the proleptic Gregorian one. A year is counted from 1 March, so that the leap day is its last
// and the lengths of the months before it follow one formula; 400 years (an era) have 146,097 days. Both directions
// are a handful of divisions by constants: every event's timestamp passes here.
#include "base/clock.h"

#include <time.h>

enum {
  ERA_DAYS = 146097,
  EPOCH_DAYS = 719468, // from 0000-03-01 to 1970-01-01
};
#define TIME_MIN_US (-719528 * CLOCK_DAY_US)     // 0000-01-01T00:00:00Z
#define TIME_MAX_US (2932897 * CLOCK_DAY_US - 1) // 9999-12-31T23:59:59.999999Z

struct date {
  int year, month, day;
};

void clock_init(struct clock *clock) {
  atomic_init(&clock->held_us, 0);
  atomic_init(&clock->held, false);
}

void clock_hold(struct clock *clock, int64_t now_us) {
  atomic_store(&clock->held_us, now_us);
  atomic_store(&clock->held, true);
}

static int64_t machine_us(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * CLOCK_SECOND_US + now.tv_nsec / 1000;
}

int64_t clock_now_us(const struct clock *clock) {
  return atomic_load(&clock->held) ? atomic_load(&clock->held_us) : machine_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void) {
  return machine_us(CLOCK_MONOTONIC);
}

static int64_t days_of_date(struct date date) {
  int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t month_from_march = date.month > 2 ? date.month - 3 : date.month + 9;
  int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

// `days` at or after 0000-01-01, which is before EPOCH_DAYS by 60 days: hence the era is at least -1.
static struct date date_of_days(int64_t days) {
  days += EPOCH_DAYS;
  int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
  int day_of_era = (int)(days - era * ERA_DAYS);
  int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int month_from_march = (5 * day_of_year + 2) / 153;
  int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return (struct date){.year = (int)(era * 400) + year_of_era + (month <= 2),
                       .month = month,
                       .day = day_of_year - (153 * month_from_march + 2) / 5 + 1};
}

static char *put_digits(char *out, int number, int digits) {
  for (int i = digits - 1; i >= 0; i--) {
    out[i] = (char)('0' + number % 10);
    number /= 10;
  }
  return out + digits;
}

void clock_format(int64_t time_us, char *out) {
  if (time_us < TIME_MIN_US) time_us = TIME_MIN_US;
  if (time_us > TIME_MAX_US) time_us = TIME_MAX_US;
  int64_t days = (time_us - TIME_MIN_US) / CLOCK_DAY_US + TIME_MIN_US / CLOCK_DAY_US;
  int64_t in_day_us = time_us - days * CLOCK_DAY_US;
  int second_of_day = (int)(in_day_us / CLOCK_SECOND_US), micros = (int)(in_day_us % CLOCK_SECOND_US);
  struct date date = date_of_days(days);
  out = put_digits(out, date.year, 4);
  *out++ = '-';
  out = put_digits(out, date.month, 2);
  *out++ = '-';
  out = put_digits(out, date.day, 2);
  *out++ = 'T';
  out = put_digits(out, second_of_day / 3600, 2);
  *out++ = ':';
  out = put_digits(out, second_of_day / 60 % 60, 2);
  *out++ = ':';
  out = put_digits(out, second_of_day % 60, 2);
  *out++ = '.';
  out = micros % 1000 == 0 ? put_digits(out, micros / 1000, 3) : put_digits(out, micros, 6);
  *out++ = 'Z';
  *out = '\0';
}

// Text read from the left. A step that does not fit returns false and the whole text is refused.
struct reader {
  const uint8_t *at, *end;
};

static bool read_digits(struct reader *reader, int digits, int most, int *number) {
  if (reader->end - reader->at < digits) return false;
  int sum = 0;
  for (int i = 0; i < digits; i++) {
    uint8_t digit = (uint8_t)(*reader->at++ - '0');
    if (digit > 9) return false;
    sum = sum * 10 + digit;
  }
  *number = sum;
  return sum <= most;
}

static bool read_byte(struct reader *reader, uint8_t byte) {
  if (reader->at == reader->end || *reader->at != byte) return false;
  reader->at++;
  return true;
}

static int days_of_month(int year, int month) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : days[month - 1];
}

static bool read_date(struct reader *reader, struct date *date) {
  return read_digits(reader, 4, 9999, &date->year) && read_byte(reader, '-') &&
         read_digits(reader, 2, 12, &date->month) && date->month >= 1 && read_byte(reader, '-') &&
         read_digits(reader, 2, days_of_month(date->year, date->month), &date->day) && date->day >= 1;
}

// A fraction is optional; digits past the microsecond are checked and cut.
static bool read_fraction(struct reader *reader, int *micros) {
  *micros = 0;
  if (!read_byte(reader, '.') && !read_byte(reader, ',')) return true;
  const uint8_t *first = reader->at;
  int weight = CLOCK_SECOND_US / 10;
  while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
    *micros += (*reader->at++ - '0') * weight;
    weight /= 10;
  }
  return reader->at > first;
}

static bool read_time_of_day(struct reader *reader, int64_t *in_day_us) {
  int hour, minute, second, micros;
  if (!read_digits(reader, 2, 23, &hour) || !read_byte(reader, ':') || !read_digits(reader, 2, 59, &minute) ||
      !read_byte(reader, ':') || !read_digits(reader, 2, 60, &second) || !read_fraction(reader, &micros))
    return false;
  if (second == 60) {
    second = 59;
    micros = CLOCK_SECOND_US - 1;
  }
  *in_day_us = (int64_t)(hour * 3600 + minute * 60 + second) * CLOCK_SECOND_US + micros;
  return true;
}

// Z, +01:00, +0100, +01 or nothing (UTC).
static bool read_offset(struct reader *reader, int64_t *offset_us) {
  *offset_us = 0;
  if (reader->at == reader->end || read_byte(reader, 'Z') || read_byte(reader, 'z')) return true;
  bool west = *reader->at == '-';
  int hours, minutes = 0;
  if (!west && *reader->at != '+') return false;
  reader->at++;
  if (!read_digits(reader, 2, 23, &hours)) return false;
  if (read_byte(reader, ':') || reader->at < reader->end) {
    if (!read_digits(reader, 2, 59, &minutes)) return false;
  }
  *offset_us = (hours * 60 + minutes) * CLOCK_MINUTE_US * (west ? -1 : 1);
  return true;
}

enum err clock_parse(struct bytes text, int64_t *time_us) {
  struct reader reader = {text.data, text.data + text.size_bytes};
  struct date date;
  int64_t in_day_us = 0, offset_us = 0;
  if (text.size_bytes == 0 || !read_date(&reader, &date)) return ERR_INVALID;
  if (reader.at < reader.end) {
    if (!read_byte(&reader, 'T') && !read_byte(&reader, 't') && !read_byte(&reader, ' ')) return ERR_INVALID;
    if (!read_time_of_day(&reader, &in_day_us) || !read_offset(&reader, &offset_us)) return ERR_INVALID;
  }
  if (reader.at != reader.end) return ERR_INVALID;
  *time_us = days_of_date(date) * CLOCK_DAY_US + in_day_us - offset_us;
  return ERR_OK;
}
