// The contract of base/clock.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"

static int64_t parsed(const char *text) {
  int64_t time_us = INT64_MIN;
  if (clock_parse(bytes_from_text(text), &time_us) != ERR_OK) fail_msg("refused: %s", text);
  return time_us;
}

static void assert_formats(int64_t time_us, const char *expected) {
  char text[CLOCK_TEXT_BYTES];
  clock_format(time_us, text);
  assert_string_equal(text, expected);
}

static void reads_every_writing_of_one_instant(void **state) {
  (void)state;
  static const char *const same[] = {"2026-11-22T00:16:39.018Z",        "2026-11-22t00:16:39.018z",
                                     "2026-11-22 00:16:39.018Z",        "2026-11-22T00:16:39.018",
                                     "2026-11-22T01:16:39.018+01:00",   "2026-11-22T01:16:39.018+0100",
                                     "2026-11-22T01:16:39.018+01",      "2026-11-21T19:46:39.018-04:30",
                                     "2026-11-22T00:16:39,0180000009Z", "2026-11-22T00:16:39.018000-00:00"};
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) assert_int_equal(parsed(same[i]), 1795306599018000);
  assert_int_equal(parsed("2026-11-22"), parsed("2026-11-22T00:00:00Z"));
  assert_int_equal(parsed("2026-11-22T00:16:39.1234567Z") % 1000000, 123456);
  assert_int_equal(parsed("2016-12-31T23:59:60Z"), parsed("2016-12-31T23:59:59.999999Z"));
  assert_int_equal(parsed("1969-12-31T23:59:59.5Z"), -500000);
}

static void refuses_what_is_no_date(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "2026",
                                    "2026-11",
                                    "2026-1-22",
                                    "2026-00-10",
                                    "2026-13-01",
                                    "2026-04-31",
                                    "2026-02-29",
                                    "1900-02-29",
                                    "2100-02-29",
                                    "2026-11-00",
                                    "2026-11-22T",
                                    "2026-11-22T00:16",
                                    "2026-11-22T24:00:00Z",
                                    "2026-11-22T00:60:00Z",
                                    "2026-11-22T00:00:61Z",
                                    "2026-11-22T00:16:39.Z",
                                    "2026-11-22T00:16:39Zx",
                                    "2026-11-22T00:16:39+1",
                                    "2026-11-22T00:16:39+24:00",
                                    "2026-11-22T00:16:39+01:60",
                                    "2026-11-22T00:16:39+01:",
                                    "2026-11-22T00:16:39+010",
                                    "2026-11-22T00:16:39 Z",
                                    " 2026-11-22",
                                    "2026-11-22 ",
                                    "-026-11-22",
                                    "22/11/2026",
                                    "2026\xc3\xa9-11-22"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t time_us = 42;
    if (clock_parse(bytes_from_text(bad[i]), &time_us) != ERR_INVALID) fail_msg("accepted: %s", bad[i]);
    assert_int_equal(time_us, 42);
  }
}

static void writes_milliseconds_or_microseconds(void **state) {
  (void)state;
  assert_formats(0, "1970-01-01T00:00:00.000Z");
  assert_formats(-1, "1969-12-31T23:59:59.999999Z");
  assert_formats(1795306599018000, "2026-11-22T00:16:39.018Z");
  assert_formats(1795306599018001, "2026-11-22T00:16:39.018001Z");
}

static void ends_of_the_calendar(void **state) {
  (void)state;
  static const char *const ends[] = {"0000-01-01T00:00:00.000Z", "0000-02-29T00:00:00.000Z",
                                     "0000-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z",
                                     "1600-02-29T12:00:00.000Z", "2000-02-29T12:00:00.000Z",
                                     "2024-02-29T23:59:59.999Z", "9999-12-31T23:59:59.999999Z"};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) assert_formats(parsed(ends[i]), ends[i]);
  assert_int_equal(parsed("0001-01-01"), -62135596800 * CLOCK_SECOND_US);
  assert_formats(INT64_MIN, "0000-01-01T00:00:00.000Z");
  assert_formats(INT64_MAX, "9999-12-31T23:59:59.999999Z");
  assert_formats(parsed("0000-01-01T00:00:00+01:00"), "0000-01-01T00:00:00.000Z");
  assert_formats(parsed("9999-12-31T23:59:59-01:00"), "9999-12-31T23:59:59.999999Z");
}

// Against the C library, a day and some odd seconds at a time, over the whole calendar.
static void agrees_with_gmtime(void **state) {
  (void)state;
  for (int64_t second = -62167219200; second < 253402300800; second += 86400 + 3607) {
    struct tm broken;
    time_t machine = second;
    char expected[64], text[CLOCK_TEXT_BYTES];
    assert_non_null(gmtime_r(&machine, &broken));
    snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.000Z", broken.tm_year + 1900, broken.tm_mon + 1,
             broken.tm_mday, broken.tm_hour, broken.tm_min, broken.tm_sec);
    clock_format(second * CLOCK_SECOND_US, text);
    if (strcmp(text, expected) != 0) fail_msg("%s, expected %s", text, expected);
    if (parsed(text) != second * CLOCK_SECOND_US) fail_msg("%s is not read back", text);
  }
}

static void a_held_clock_stands_still(void **state) {
  (void)state;
  struct clock clock;
  clock_init(&clock);
  assert_true(clock_now_us(&clock) > parsed("2020-01-01"));
  clock_hold(&clock, 5);
  assert_int_equal(clock_now_us(&clock), 5);
  clock_hold(&clock, 3);
  assert_int_equal(clock_now_us(&clock), 3);
  int64_t before_us = clock_monotonic_us();
  assert_true(clock_monotonic_us() >= before_us);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_every_writing_of_one_instant),
      cmocka_unit_test(refuses_what_is_no_date),
      cmocka_unit_test(writes_milliseconds_or_microseconds),
      cmocka_unit_test(ends_of_the_calendar),
      cmocka_unit_test(agrees_with_gmtime),
      cmocka_unit_test(a_held_clock_stands_still),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
