// Calendar arithmetic: the lines of tests/golden/rule/duration.txt, and what a line cannot say.
#include "rule_zoneinfo.h"

#include <stdlib.h>

#include "base/clock.h"
#include "rule/duration.h"

enum { ZONES_MAX = 16, LINE_BYTES = 256 };

// The zones opened so far, by name; NULL where this machine has no file.
static struct {
  char name[64];
  struct rule_zone *zone;
} zones[ZONES_MAX];
static size_t zone_count;

static const struct rule_zone *zone_of(const char *name) {
  for (size_t i = 0; i < zone_count; i++) {
    if (strcmp(zones[i].name, name) == 0) return zones[i].zone;
  }
  assert_true(zone_count < ZONES_MAX);
  snprintf(zones[zone_count].name, sizeof zones->name, "%s", name);
  struct rule_zone **zone = &zones[zone_count++].zone;
  *zone = NULL;
  if (strcmp(name, "UTC") == 0)
    assert_int_equal(rule_zone_open_utc(zone), ERR_OK);
  else
    *zone = zoneinfo_open(name);
  return *zone;
}

static int close_zones(void **state) {
  (void)state;
  for (size_t i = 0; i < zone_count; i++) rule_zone_close(zones[i].zone);
  zone_count = 0;
  return 0;
}

static int64_t time_of(const char *text) {
  int64_t time_us = 0;
  if (clock_parse(bytes_from_text(text), &time_us) != ERR_OK) fail_msg("no time: %s", text);
  return time_us;
}

static void write_time(const struct rule_zone *zone, enum err err, int64_t time_us, char out[LINE_BYTES]) {
  struct rule_civil civil;
  if (err != ERR_OK) {
    assert_int_equal(err, ERR_LIMIT);
    snprintf(out, LINE_BYTES, "limit");
    return;
  }
  rule_time_civil(zone, time_us, &civil);
  int offset_s = abs(civil.offset_s);
  int size = snprintf(out, LINE_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", civil.year, civil.month, civil.day,
                      civil.hour, civil.minute, civil.second, civil.offset_s < 0 ? '-' : '+', offset_s / 3600,
                      offset_s / 60 % 60);
  if (offset_s % 60 != 0) snprintf(out + size, LINE_BYTES - (size_t)size, ":%02d", offset_s % 60);
}

static enum rule_unit unit_of(const char *word) {
  enum rule_unit unit = RULE_SECOND;
  if (!rule_unit_parse(bytes_from_text(word), &unit)) fail_msg("no unit: %s", word);
  return unit;
}

// What the question `asked` of a line gives, as text.
static void answer(const struct rule_zone *zone, const char *asked, char out[LINE_BYTES]) {
  char time[64];
  char word[64];
  char sign = 0;
  long long count = 0;
  int end = 0;
  int64_t result_us = 0;
  enum err err = ERR_OK;
  if (sscanf(asked, "%63s start of %63s %lld%n", time, word, &count, &end) == 3 && asked[end] == 0) {
    err = rule_time_start(zone, time_of(time), unit_of(word), count, &result_us);
  } else if (sscanf(asked, "%63s months to %63s%n", time, word, &end) == 2 && asked[end] == 0) {
    snprintf(out, LINE_BYTES, "%lld", (long long)rule_months_between(zone, time_of(time), time_of(word)));
    return;
  } else if (sscanf(asked, "%63s on the wal%1[l]%n", time, word, &end) == 2 && asked[end] == 0) {
    err = rule_time_from_wall(zone, time_of(time), &result_us);
  } else if (sscanf(asked, "%63s %c %lld %63s%n", time, &sign, &count, word, &end) == 4 && asked[end] == 0) {
    assert_true(sign == '+' || sign == '-');
    struct rule_duration duration = {sign == '-' ? -count : count, unit_of(word)};
    err = rule_time_add(zone, time_of(time), duration, &result_us);
  } else {
    fail_msg("not understood: %s", asked);
  }
  write_time(zone, err, result_us, out);
}

// False when the line's zone is not on this machine.
static bool check_line(char *line, int number) {
  char got[LINE_BYTES];
  char *equals = strstr(line, " = ");
  char *space = strchr(line, ' ');
  assert_true(equals != NULL && space != NULL && space < equals);
  *equals = 0;
  *space = 0;
  const struct rule_zone *zone = zone_of(line);
  if (zone == NULL) return false;
  answer(zone, space + 1, got);
  if (strcmp(got, equals + 3) != 0)
    fail_msg("line %d: %s %s gives %s, not %s", number, line, space + 1, got, equals + 3);
  return true;
}

static void answers_every_golden_line(void **state) {
  (void)state;
  char path[512];
  char line[LINE_BYTES];
  int number = 0;
  int checked = 0;
  const char *slash = strrchr(__FILE__, '/');
  assert_non_null(slash);
  snprintf(path, sizeof path, "%.*s/../golden/rule/duration.txt", (int)(slash - __FILE__), __FILE__);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail_msg("cannot read %s", path);
  while (fgets(line, sizeof line, file) != NULL) {
    number++;
    line[strcspn(line, "\n")] = 0;
    if (line[0] != 0 && line[0] != '#') checked += check_line(line, number);
  }
  fclose(file);
  assert_true(checked >= 30); // those of UTC at least
}

static void keeps_microseconds(void **state) {
  (void)state;
  const struct rule_zone *utc = zone_of("UTC");
  int64_t out = 0;
  assert_int_equal(
      rule_time_add(utc, time_of("2026-01-15T10:00:00.123456Z"), (struct rule_duration){1, RULE_MONTH}, &out), ERR_OK);
  assert_int_equal(out, time_of("2026-02-15T10:00:00.123456Z"));
  assert_int_equal(rule_time_add(utc, -1, (struct rule_duration){-1, RULE_YEAR}, &out), ERR_OK);
  assert_int_equal(out, time_of("1968-12-31T23:59:59.999999Z"));
  assert_int_equal(rule_time_start(utc, -1, RULE_SECOND, 0, &out), ERR_OK);
  assert_int_equal(out, -1000000);
}

static void refuses_what_begins_beyond_the_range(void **state) {
  (void)state;
  const struct rule_zone *utc = zone_of("UTC");
  int64_t out = 7;
  int64_t first = time_of("0001-01-01");
  int64_t last = time_of("9999-12-31T23:59:59.999999Z");
  assert_int_equal(rule_time_add(utc, first - 1, (struct rule_duration){1, RULE_DAY}, &out), ERR_LIMIT);
  assert_int_equal(rule_time_add(utc, last + 1, (struct rule_duration){-1, RULE_MONTH}, &out), ERR_LIMIT);
  assert_int_equal(rule_time_add(utc, INT64_MIN, (struct rule_duration){INT64_MIN, RULE_YEAR}, &out), ERR_LIMIT);
  assert_int_equal(rule_time_add(utc, 0, (struct rule_duration){INT64_MIN, RULE_YEAR}, &out), ERR_LIMIT);
  assert_int_equal(rule_time_start(utc, INT64_MAX, RULE_WEEK, 0, &out), ERR_LIMIT);
  assert_int_equal(rule_time_start(utc, 0, RULE_MINUTE, INT64_MIN, &out), ERR_LIMIT);
  assert_int_equal(rule_time_from_wall(utc, last + 1, &out), ERR_LIMIT);
  assert_int_equal(rule_time_from_wall(utc, INT64_MIN, &out), ERR_LIMIT);
  assert_int_equal(out, 7);
  const struct rule_zone *paris = zone_of("Europe/Paris");
  if (paris == NULL) return;
  assert_int_equal(rule_time_from_wall(paris, last + 1, &out), ERR_OK); // its first hour of the year 10000
  assert_int_equal(out, last + 1 - CLOCK_HOUR_US);
  assert_int_equal(rule_time_from_wall(paris, last + 1 + CLOCK_HOUR_US, &out), ERR_LIMIT);
}

// A civil day after the other, over two eras, against counting.
static void counts_days_as_a_calendar_does(void **state) {
  (void)state;
  static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  struct rule_civil civil;
  int year = 1;
  int month = 1;
  int day = 1;
  int weekday = 1; // 0001-01-01 was a Monday
  for (int64_t time_us = time_of("0001-01-01"); year <= 900; time_us += CLOCK_DAY_US, weekday = weekday % 7 + 1) {
    rule_time_civil(zone_of("UTC"), time_us, &civil);
    assert_true(civil.year == year && civil.month == month && civil.day == day && civil.weekday == weekday);
    bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    if (++day <= DAYS[month - 1] + (month == 2 && leap)) continue;
    day = 1;
    if (++month <= 12) continue;
    month = 1;
    year++;
  }
}

static void names_units(void **state) {
  (void)state;
  static const char *const NAMES[] = {"second", "minute", "hour", "day", "week", "month", "quarter", "year"};
  static const char *const OTHERS[] = {"", "Day", "dayss", "da", "days ", "fortnight"};
  char plural[16];
  enum rule_unit unit = RULE_SECOND;
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    snprintf(plural, sizeof plural, "%ss", NAMES[i]);
    assert_true(rule_unit_parse(bytes_from_text(NAMES[i]), &unit) && unit == (enum rule_unit)i);
    assert_true(rule_unit_parse(bytes_from_text(plural), &unit) && unit == (enum rule_unit)i);
    assert_string_equal(rule_unit_name((enum rule_unit)i), NAMES[i]);
  }
  for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
    assert_false(rule_unit_parse(bytes_from_text(OTHERS[i]), &unit));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_every_golden_line),
      cmocka_unit_test(keeps_microseconds),
      cmocka_unit_test(refuses_what_begins_beyond_the_range),
      cmocka_unit_test(counts_days_as_a_calendar_does),
      cmocka_unit_test(names_units),
  };
  return cmocka_run_group_tests(tests, NULL, close_zones);
}
