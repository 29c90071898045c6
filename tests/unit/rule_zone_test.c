// Time zones: the machine's files against its own localtime_r, hand-made files against the RFC, broken ones against
// ASan.
#include "rule_zoneinfo.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

static const char *const ZONES[] = {"Europe/Paris",      "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
                                    "Africa/Casablanca", "America/St_Johns", "Pacific/Apia",        "UTC"};
enum { ZONE_COUNT = sizeof ZONES / sizeof *ZONES };

static const int64_t YEAR_1900_S = -2208988800;
static const int64_t YEAR_2100_S = 4102444800;

static void set_zone(const char *name) {
  setenv("TZ", name, 1);
  tzset();
}

static void assert_like_libc(const struct rule_zone *zone, int64_t time_s) {
  time_t time = (time_t)time_s;
  struct tm local;
  assert_non_null(localtime_r(&time, &local));
  int32_t offset_s = rule_zone_offset(zone, time_s * CLOCK_SECOND_US);
  if (offset_s != local.tm_gmtoff)
    fail_msg("%s at %lld: %d, not %ld", rule_zone_name(zone), (long long)time_s, offset_s, local.tm_gmtoff);
}

// Steps of a prime number of seconds meet every hour of the day and day of the year.
static void agrees_with_libc_at_many_instants(void **state) {
  (void)state;
  for (size_t i = 0; i < ZONE_COUNT; i++) {
    struct rule_zone *zone = zoneinfo_open(ZONES[i]);
    if (zone == NULL) continue;
    assert_string_equal(rule_zone_name(zone), ZONES[i]);
    set_zone(ZONES[i]);
    for (int64_t time_s = YEAR_1900_S; time_s < YEAR_2100_S; time_s += 100003) assert_like_libc(zone, time_s);
    rule_zone_close(zone);
  }
}

static void agrees_with_libc_around_every_change(void **state) {
  (void)state;
  for (size_t i = 0; i < ZONE_COUNT; i++) {
    struct rule_zone *zone = zoneinfo_open(ZONES[i]);
    if (zone == NULL) continue;
    set_zone(ZONES[i]);
    int changes = 0;
    int64_t at_us = rule_zone_next_change(zone, INT64_MIN);
    for (; at_us < YEAR_2100_S * CLOCK_SECOND_US; at_us = rule_zone_next_change(zone, at_us), changes++) {
      static const int AROUND_S[] = {-7200, -3600, -1, 0, 1, 3599, 3600, 7200};
      assert_int_equal(at_us % CLOCK_SECOND_US, 0);
      for (size_t k = 0; k < sizeof AROUND_S / sizeof *AROUND_S; k++)
        assert_like_libc(zone, at_us / CLOCK_SECOND_US + AROUND_S[k]);
      assert_int_not_equal(rule_zone_offset(zone, at_us), rule_zone_offset(zone, at_us - 1));
    }
    assert_true(strcmp(ZONES[i], "Europe/Paris") != 0 || changes > 300);
    assert_true(strcmp(ZONES[i], "UTC") != 0 || changes == 0);
    rule_zone_close(zone);
  }
}

// Every wall clock around every change: as many offsets as instants of the neighbourhood show it.
static void finds_every_offset_of_a_wall_clock(void **state) {
  (void)state;
  for (size_t i = 0; i < ZONE_COUNT; i++) {
    struct rule_zone *zone = zoneinfo_open(ZONES[i]);
    if (zone == NULL) continue;
    int64_t at_us = rule_zone_next_change(zone, INT64_MIN);
    for (; at_us < YEAR_2100_S * CLOCK_SECOND_US; at_us = rule_zone_next_change(zone, at_us)) {
      int64_t before_us = rule_zone_offset(zone, at_us - 1) * (int64_t)CLOCK_SECOND_US;
      int64_t after_us = rule_zone_offset(zone, at_us) * (int64_t)CLOCK_SECOND_US;
      int64_t low = at_us + (before_us < after_us ? before_us : after_us);
      int64_t high = at_us + (before_us < after_us ? after_us : before_us);
      int32_t offsets[2];
      int64_t gap_end_us = 0;
      int inside = before_us < after_us ? 0 : 2;
      assert_int_equal(rule_zone_offsets_of_wall(zone, low - 1, offsets, &gap_end_us), 1);
      assert_int_equal(offsets[0] * (int64_t)CLOCK_SECOND_US, before_us);
      assert_int_equal(rule_zone_offsets_of_wall(zone, high, offsets, &gap_end_us), 1);
      assert_int_equal(offsets[0] * (int64_t)CLOCK_SECOND_US, after_us);
      for (int64_t wall = low; wall < high; wall = wall < high - 1 ? high - 1 : high) {
        assert_int_equal(rule_zone_offsets_of_wall(zone, wall, offsets, &gap_end_us), inside);
        if (inside == 0) assert_int_equal(gap_end_us, at_us);
        if (inside == 2) assert_int_equal(offsets[0] * (int64_t)CLOCK_SECOND_US, before_us);
        if (inside == 2) assert_int_equal(offsets[1] * (int64_t)CLOCK_SECOND_US, after_us);
      }
    }
    rule_zone_close(zone);
  }
}

static void knows_utc_without_a_file(void **state) {
  (void)state;
  struct rule_zone *zone;
  int32_t offsets[2] = {7, 7};
  int64_t gap_end_us = 0;
  assert_int_equal(rule_zone_open_utc(&zone), ERR_OK);
  assert_string_equal(rule_zone_name(zone), "UTC");
  assert_int_equal(rule_zone_offset(zone, INT64_MIN), 0);
  assert_int_equal(rule_zone_offset(zone, INT64_MAX), 0);
  assert_true(rule_zone_next_change(zone, INT64_MIN) == INT64_MAX);
  assert_int_equal(rule_zone_offsets_of_wall(zone, 0, offsets, &gap_end_us), 1);
  assert_int_equal(offsets[0], 0);
  rule_zone_close(zone);
}

// A file of version 3 with one type of `offset_s`, one transition to it at `at_s` when `transitions` is 1, and a
// footer.
static struct bytes make_file(uint8_t *file, int transitions, int64_t at_s, int32_t offset_s, const char *footer) {
  uint8_t header[44] = {'T', 'Z', 'i', 'f', '3'};
  uint8_t type[6] = {0};
  uint8_t *out = file;
  memcpy(out, header, sizeof header); // no 32-bit data at all
  out += sizeof header;
  header[35] = (uint8_t)transitions;
  header[39] = 1;
  header[43] = 4;
  memcpy(out, header, sizeof header);
  out += sizeof header;
  for (int i = 0; i < 8 && transitions > 0; i++) *out++ = (uint8_t)((uint64_t)at_s >> (56 - 8 * i));
  if (transitions > 0) *out++ = 0;
  for (int i = 0; i < 4; i++) type[i] = (uint8_t)((uint32_t)offset_s >> (24 - 8 * i));
  memcpy(out, type, sizeof type);
  memcpy(out + 6, "XXX", 4);
  out += 10;
  int size = sprintf((char *)out, "\n%s\n", footer);
  return bytes_of(file, (size_t)(out - file) + (size_t)size);
}

static enum err open_made(struct rule_zone **zone, int32_t offset_s, const char *footer) {
  uint8_t file[512];
  struct diag diag;
  diag_init(&diag);
  enum err err = rule_zone_open(zone, "Made", make_file(file, 0, 0, offset_s, footer), &diag);
  if (err == ERR_OK) return err;
  assert_string_equal(diag.code, "bad_zone");
  assert_non_null(strstr(diag.message, "Made"));
  return err;
}

static int64_t instant(const char *text) {
  int64_t time_us = 0;
  assert_int_equal(clock_parse(bytes_from_text(text), &time_us), ERR_OK);
  return time_us;
}

struct footer_case {
  const char *footer, *change; // an instant at which it changes
  int32_t before_s, after_s;
};

static void reads_every_kind_of_rule(void **state) {
  (void)state;
  static const struct footer_case CASES[] = {
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 3600, 7200},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "9998-10-25T01:00:00Z", 7200, 3600},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "0004-03-28T01:00:00Z", 3600, 7200},
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -7200, -3600},
      {"AAA-2BBB-4:30:15,J60/0,J300/0", "2024-02-29T22:00:00Z", 7200, 16215}, // J60 is 1 March, leap year or not
      {"AAA-2BBB-4:30:15,J60/0,J300/0", "2025-02-28T22:00:00Z", 7200, 16215},
      {"AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 0, 3600}, // the 60th day
      {"AAA0BBB,59/0,300/0", "2025-03-01T00:00:00Z", 0, 3600},
      {"AAA+3BBB,M10.1.0/167,M3.1.0/-167", "2026-10-11T02:00:00Z", -10800, -7200}, // Sunday the 4th, and 167 hours
      {"AAA+3BBB,M10.1.0/167,M3.1.0/-167", "2026-02-22T03:00:00Z", -7200, -10800}, // Sunday the 1st, less 167 hours
      {"IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29T01:00:00Z", 0, 3600},             // a "summer" that is behind
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct rule_zone *zone;
    int64_t at_us = instant(CASES[i].change);
    assert_int_equal(open_made(&zone, 0, CASES[i].footer), ERR_OK);
    if (rule_zone_next_change(zone, at_us - 1) != at_us) fail_msg("%s: no %s", CASES[i].footer, CASES[i].change);
    assert_int_equal(rule_zone_offset(zone, at_us - 1), CASES[i].before_s);
    assert_int_equal(rule_zone_offset(zone, at_us), CASES[i].after_s);
    rule_zone_close(zone);
  }
}

static void takes_summer_all_year_for_one_offset(void **state) {
  (void)state;
  struct rule_zone *zone;
  assert_int_equal(open_made(&zone, 0, "XXX3EDT4,0/0,J365/23"), ERR_OK); // the example of RFC 8536, 3.3.1
  assert_int_equal(rule_zone_offset(zone, instant("2026-01-01T03:30:00Z")), -4 * 3600);
  assert_true(rule_zone_next_change(zone, instant("2024-02-01")) > instant("9999-12-31"));
  rule_zone_close(zone);
}

static void refuses_what_is_no_rule(void **state) {
  (void)state;
  static const char *const FOOTERS[] = {"CE-1",
                                        "CET",
                                        "CET-25",
                                        "CET-1:60",
                                        "<CET-1",
                                        "CET-1CEST",
                                        "CET-1CEST,",
                                        "CET-1CEST,M3.5.0",
                                        "CET-1CEST,M13.5.0,M10.5.0",
                                        "CET-1CEST,M3.6.0,M10.5.0",
                                        "CET-1CEST,M3.5.7,M10.5.0",
                                        "CET-1CEST,J0,J5",
                                        "CET-1CEST,J366,J5",
                                        "CET-1CEST,366,5",
                                        "CET-1CEST,M3.5.0/168,M10.5.0",
                                        "CET-1CEST,M3.5.0,M10.5.0/3 ",
                                        ":Europe/Paris",
                                        "CET-0001",
                                        "<>-1",
                                        "C3T-1"};
  for (size_t i = 0; i < sizeof FOOTERS / sizeof *FOOTERS; i++) {
    struct rule_zone *zone;
    if (open_made(&zone, 3600, FOOTERS[i]) != ERR_CORRUPT) fail_msg("taken: %s", FOOTERS[i]);
    assert_null(zone);
  }
}

static void refuses_a_rule_that_contradicts_the_transitions(void **state) {
  (void)state;
  uint8_t file[512];
  struct rule_zone *zone;
  struct diag diag;
  diag_init(&diag);
  assert_int_equal(rule_zone_open(&zone, "Made", make_file(file, 1, 0, 3600, "AAA-2"), &diag), ERR_CORRUPT);
  assert_non_null(strstr(diag.message, "contradicts"));
  assert_int_equal(rule_zone_open(&zone, "Made", make_file(file, 1, 0, 3600, "AAA-1"), NULL), ERR_OK);
  assert_int_equal(rule_zone_offset(zone, 0), 3600);
  rule_zone_close(zone);
  assert_int_equal(rule_zone_open(&zone, "Made", make_file(file, 1, 0, 95000, ""), &diag), ERR_CORRUPT);
  assert_int_equal(rule_zone_open(&zone, "Made", make_file(file, 1, INT64_MAX, 60, "AAA0"), NULL), ERR_OK);
  rule_zone_close(zone);
  assert_int_equal(rule_zone_open(&zone, "Made", make_file(file, 1, INT64_MIN, 60, "AAA0"), NULL), ERR_OK);
  assert_int_equal(rule_zone_offset(zone, 0), 0);
  rule_zone_close(zone);
}

// A copy of exactly its size, so that ASan sees a read past the end.
static void open_broken(const uint8_t *file, size_t size, bool must_fail) {
  uint8_t *copy = malloc(size > 0 ? size : 1);
  struct rule_zone *zone = NULL;
  struct diag diag;
  diag_init(&diag);
  assert_non_null(copy);
  memcpy(copy, file, size);
  enum err err = rule_zone_open(&zone, "Broken", bytes_of(copy, size), &diag);
  free(copy);
  if (err != ERR_OK) {
    assert_int_equal(err, ERR_CORRUPT);
    assert_string_equal(diag.code, "bad_zone");
    assert_null(zone);
    return;
  }
  assert_false(must_fail);
  int64_t time_us = INT64_MIN;
  for (int i = 0; i < 40 && time_us != INT64_MAX; i++) {
    int64_t next_us = rule_zone_next_change(zone, time_us);
    int32_t offset_s = rule_zone_offset(zone, time_us);
    assert_true(next_us > time_us && offset_s >= -89999 && offset_s <= 93599);
    time_us = next_us;
  }
  rule_zone_close(zone);
}

static void survives_broken_files(void **state) {
  (void)state;
  static uint8_t file[ZONEINFO_FILE_BYTES];
  for (size_t i = 0; i < ZONE_COUNT; i++) {
    struct bytes tzif = zoneinfo_read(ZONES[i], file);
    for (size_t size = 0; size < tzif.size_bytes; size++) open_broken(file, size, true);
    for (size_t bit = 0; bit<tzif.size_bytes * 8; bit += ZONE_COUNT> i + 2 ? 5 : 1) {
      file[bit / 8] ^= (uint8_t)(1 << bit % 8);
      open_broken(file, tzif.size_bytes, false);
      file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
  }
}

static void leaks_nothing_when_memory_runs_out(void **state) {
  (void)state;
  uint8_t file[512];
  struct bytes tzif = make_file(file, 0, 0, 0, "CET-1CEST,M3.5.0,M10.5.0/3");
  struct rule_zone *zone = NULL;
  uint64_t allowed = 0;
  for (enum err err = ERR_NO_MEMORY; err != ERR_OK; allowed++) {
    alloc_fail_after(allowed, false);
    err = rule_zone_open(&zone, "Made", tzif, NULL);
    assert_int_equal(alloc_fail_disarm(), err == ERR_NO_MEMORY);
    assert_true(err == ERR_OK || zone == NULL);
  }
  assert_true(allowed > 1);
  rule_zone_close(zone);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_libc_at_many_instants),
      cmocka_unit_test(agrees_with_libc_around_every_change),
      cmocka_unit_test(finds_every_offset_of_a_wall_clock),
      cmocka_unit_test(knows_utc_without_a_file),
      cmocka_unit_test(reads_every_kind_of_rule),
      cmocka_unit_test(takes_summer_all_year_for_one_offset),
      cmocka_unit_test(refuses_what_is_no_rule),
      cmocka_unit_test(refuses_a_rule_that_contradicts_the_transitions),
      cmocka_unit_test(survives_broken_files),
      cmocka_unit_test(leaks_nothing_when_memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
