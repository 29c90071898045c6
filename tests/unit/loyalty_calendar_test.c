// When amounts become usable and when they cease to be: days of 23 and 25 hours, ends of months, leap days, the ends of
// the calendar. Local times of Europe/Paris unless a case says another zone.
#include "base/clock.h"
#include "loyalty/programme.h"
#include "rule_zoneinfo.h"

static int64_t time_of(const char *text) {
  int64_t time_us;
  if (strcmp(text, "never") == 0) return INT64_MAX;
  if (clock_parse(bytes_from_text(text), &time_us) != ERR_OK) fail_msg("%s is no time", text);
  return time_us;
}

static void assert_time(int64_t got_us, const char *expected, const char *what) {
  char text[CLOCK_TEXT_BYTES];
  if (got_us == time_of(expected)) return;
  clock_format(got_us, text);
  fail_msg("%s: expected %s, got %s", what, expected, text);
}

struct pending_case {
  const char *earned, *active;
  struct rule_duration after;
};

static void test_activation(void **state) {
  static const struct pending_case CASES[] = {
      {"2026-03-01T10:00:00+01:00", "2026-03-15T10:00:00+01:00", {14, RULE_DAY}},
      {"2026-01-31T12:00:00+01:00", "2026-02-14T12:00:00+01:00", {14, RULE_DAY}},
      // Over the night to summer time: days keep the wall clock, hours are exact.
      {"2026-03-20T10:00:00+01:00", "2026-04-03T10:00:00+02:00", {14, RULE_DAY}},
      {"2026-03-20T10:00:00+01:00", "2026-04-03T11:00:00+02:00", {14 * 24, RULE_HOUR}},
      {"2026-03-28T10:00:00+01:00", "2026-03-29T10:00:00+02:00", {1, RULE_DAY}},
      {"2026-03-22T10:00:00+01:00", "2026-03-29T10:00:00+02:00", {1, RULE_WEEK}},
      // 02:30 is in the gap, which ends at 03:00.
      {"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", {1, RULE_DAY}},
      // 02:30 is there twice: the one with the offset it had.
      {"2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", {1, RULE_DAY}},
      {"2026-10-24T10:00:00+02:00", "2026-10-25T10:00:00+01:00", {1, RULE_DAY}},
      {"2026-10-24T10:00:00+02:00", "2026-10-25T09:00:00+01:00", {24, RULE_HOUR}},
      {"2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+01:00", {2, RULE_HOUR}},
      {"2026-01-31T10:00:00+01:00", "2026-03-01T00:00:00+01:00", {1, RULE_MONTH}}, // 24:00 of 28 February
      {"2026-01-15T10:00:00+01:00", "2026-04-15T10:00:00+02:00", {1, RULE_QUARTER}},
  };
  struct rule_zone *zone = zoneinfo_open("Europe/Paris");
  (void)state;
  if (zone == NULL) skip();
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct loyalty_currency currency = {.pending = LOYALTY_PENDING_AFTER, .pending_after = CASES[i].after};
    int64_t active_us;
    assert_int_equal(loyalty_activation(&currency, zone, time_of(CASES[i].earned), &active_us), ERR_OK);
    assert_time(active_us, CASES[i].active, CASES[i].earned);
  }
  rule_zone_close(zone);
}

// At once, by an event, and beyond the calendar.
static void test_activation_kinds(void **state) {
  struct rule_zone *zone;
  int64_t active_us;
  (void)state;
  assert_int_equal(rule_zone_open_utc(&zone), ERR_OK);
  struct loyalty_currency currency = {.pending = LOYALTY_PENDING_NONE};
  assert_int_equal(loyalty_activation(&currency, zone, 77, &active_us), ERR_OK);
  assert_int_equal(active_us, 77);
  currency.pending = LOYALTY_PENDING_ON_EVENT;
  assert_int_equal(loyalty_activation(&currency, zone, 77, &active_us), ERR_OK);
  assert_int_equal(active_us, INT64_MAX);
  currency.pending = LOYALTY_PENDING_AFTER;
  static const struct rule_duration FAR[] = {{INT64_MAX, RULE_DAY},  {INT64_MAX, RULE_WEEK}, {INT64_MAX, RULE_SECOND},
                                             {INT64_MAX, RULE_YEAR}, {9000, RULE_YEAR},      {3000000, RULE_DAY},
                                             {120000, RULE_MONTH}};
  for (size_t i = 0; i < sizeof FAR / sizeof *FAR; i++) {
    currency.pending_after = FAR[i];
    assert_int_equal(loyalty_activation(&currency, zone, time_of("2026-01-01"), &active_us), ERR_LIMIT);
  }
  currency.pending_after = (struct rule_duration){1, RULE_DAY};
  assert_int_equal(loyalty_activation(&currency, zone, INT64_MAX, &active_us), ERR_LIMIT);
  assert_int_equal(loyalty_activation(&currency, zone, INT64_MIN, &active_us), ERR_LIMIT);
  rule_zone_close(zone);
}

struct validity_case {
  const char *zone, *active, *expires;
  enum loyalty_validity_kind kind;
  struct rule_duration length;
};

static const struct validity_case VALIDITY[] = {
    {"Europe/Paris", "2026-02-14T10:00:00+01:00", "2027-02-15T00:00:00+01:00", LOYALTY_VALID_AFTER, {12, RULE_MONTH}},
    {"Europe/Paris", "2026-01-31T10:00:00+01:00", "2026-03-01T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    {"Europe/Paris", "2028-01-31T10:00:00+01:00", "2028-03-01T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    {"Europe/Paris", "2028-01-29T10:00:00+01:00", "2028-03-01T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    {"Europe/Paris", "2028-02-29T10:00:00+01:00", "2029-03-01T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_YEAR}},
    {"Europe/Paris", "2028-02-29T10:00:00+01:00", "2032-03-01T00:00:00+01:00", LOYALTY_VALID_AFTER, {4, RULE_YEAR}},
    {"Europe/Paris", "2026-03-31T10:00:00+02:00", "2026-07-01T00:00:00+02:00", LOYALTY_VALID_AFTER, {1, RULE_QUARTER}},
    {"Europe/Paris", "2026-02-28T10:00:00+01:00", "2026-03-29T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    // Through the end of a day of 25 hours, and of one of 23.
    {"Europe/Paris", "2026-09-25T10:00:00+02:00", "2026-10-26T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    {"Europe/Paris", "2026-10-24T23:59:59+02:00", "2026-10-26T00:00:00+01:00", LOYALTY_VALID_AFTER, {1, RULE_DAY}},
    {"Europe/Paris", "2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00", LOYALTY_VALID_AFTER, {1, RULE_DAY}},
    {"Europe/Paris", "2026-03-22T00:00:00+01:00", "2026-03-30T00:00:00+02:00", LOYALTY_VALID_AFTER, {1, RULE_WEEK}},
    // The local day counts, not that of UTC.
    {"Europe/Paris", "2026-05-31T23:30:00Z", "2026-07-02T00:00:00+02:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    {"Indian/Reunion", "2026-05-31T20:30:00Z", "2026-07-02T00:00:00+04:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    {"America/New_York", "2026-06-01T02:30:00Z", "2026-07-01T00:00:00-04:00", LOYALTY_VALID_AFTER, {1, RULE_MONTH}},
    // A day that begins at 01:00, for there was no midnight.
    {"America/Sao_Paulo", "2018-11-02T10:00:00-03:00", "2018-11-04T01:00:00-02:00", LOYALTY_VALID_AFTER, {1, RULE_DAY}},
    {"Europe/Paris",
     "2026-02-14T10:00:00+01:00",
     "2026-03-01T00:00:00+01:00",
     LOYALTY_VALID_END_OF_MONTH,
     {0, RULE_SECOND}},
    {"Europe/Paris",
     "2026-01-31T10:00:00+01:00",
     "2026-03-01T00:00:00+01:00",
     LOYALTY_VALID_END_OF_MONTH,
     {1, RULE_MONTH}},
    {"Europe/Paris",
     "2026-02-14T10:00:00+01:00",
     "2026-04-01T00:00:00+02:00",
     LOYALTY_VALID_END_OF_MONTH,
     {30, RULE_DAY}},
    {"Europe/Paris",
     "2026-12-31T23:59:59+01:00",
     "2027-01-01T00:00:00+01:00",
     LOYALTY_VALID_END_OF_YEAR,
     {0, RULE_DAY}},
    {"Europe/Paris",
     "2026-12-31T23:59:59+01:00",
     "2028-01-01T00:00:00+01:00",
     LOYALTY_VALID_END_OF_YEAR,
     {12, RULE_MONTH}},
    {"Europe/Paris", "2026-12-31T23:30:00Z", "2028-01-01T00:00:00+01:00", LOYALTY_VALID_END_OF_YEAR, {0, RULE_DAY}},
    {"Europe/Paris", "2026-06-10T10:00:00+02:00", "2026-12-11T00:00:00+01:00", LOYALTY_VALID_SLIDING, {6, RULE_MONTH}},
    {"Europe/Paris", "2026-06-10T10:00:00+02:00", "never", LOYALTY_VALID_FOREVER, {0, RULE_DAY}},
};

static void test_expiry(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof VALIDITY / sizeof *VALIDITY; i++) {
    struct rule_zone *zone = zoneinfo_open(VALIDITY[i].zone);
    if (zone == NULL) continue;
    struct loyalty_currency currency = {.validity = VALIDITY[i].kind, .validity_length = VALIDITY[i].length};
    int64_t expires_us;
    assert_int_equal(loyalty_expiry(&currency, zone, time_of(VALIDITY[i].active), &expires_us), ERR_OK);
    assert_time(expires_us, VALIDITY[i].expires, VALIDITY[i].active);
    rule_zone_close(zone);
  }
}

static void test_expiry_ends(void **state) {
  static const struct rule_duration FAR[] = {{INT64_MAX, RULE_DAY},  {INT64_MAX, RULE_WEEK},  {INT64_MAX, RULE_HOUR},
                                             {INT64_MAX, RULE_YEAR}, {INT64_MAX, RULE_MONTH}, {7974, RULE_YEAR},
                                             {3000000, RULE_DAY}};
  struct rule_zone *zone;
  struct loyalty_currency currency = {.validity = LOYALTY_VALID_AFTER};
  int64_t expires_us;
  (void)state;
  assert_int_equal(rule_zone_open_utc(&zone), ERR_OK);
  for (size_t i = 0; i < sizeof FAR / sizeof *FAR; i++) {
    currency.validity_length = FAR[i];
    assert_int_equal(loyalty_expiry(&currency, zone, time_of("2026-12-31"), &expires_us), ERR_LIMIT);
  }
  currency.validity_length = (struct rule_duration){1, RULE_DAY};
  assert_int_equal(loyalty_expiry(&currency, zone, INT64_MIN, &expires_us), ERR_LIMIT);
  assert_int_equal(loyalty_expiry(&currency, zone, INT64_MAX, &expires_us), ERR_OK);
  assert_int_equal(expires_us, INT64_MAX); // what is not active does not expire
  rule_zone_close(zone);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_activation), cmocka_unit_test(test_activation_kinds),
                                     cmocka_unit_test(test_expiry), cmocka_unit_test(test_expiry_ends)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
