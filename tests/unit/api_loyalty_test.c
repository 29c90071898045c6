// The contracts of api/guesses.h, and of api/problem.h for what the rules of loyalty refuse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/guesses.h"
#include "api/problem.h"
#include "loyalty/code.h"

static const int64_t SECOND_US = 1000000;

static int status_of(enum err err, const char *code) {
  struct diag diag;
  diag_init(&diag);
  diag_set(&diag, err, code, "words");
  return problem_status(&diag);
}

static void every_refusal_of_the_rules_is_unprocessable(void **state) {
  size_t count;
  const struct loyalty_refusal *refusals = loyalty_refusals(&count);
  (void)state;
  assert_true(count > 0);
  for (size_t i = 0; i < count; i++) assert_int_equal(status_of(ERR_DENIED, refusals[i].code), PROBLEM_UNPROCESSABLE);
}

static void the_kind_tells_what_else_has_the_same_code(void **state) {
  (void)state;
  assert_int_equal(status_of(ERR_INVALID, "bad_amount"), 400);
  assert_int_equal(status_of(ERR_LIMIT, "overflow"), 400);
  assert_int_equal(status_of(ERR_NOT_FOUND, "CouponNotFound"), 404);
  assert_int_equal(status_of(ERR_NOT_FOUND, "no_order"), 404);
}

static void keys_are_still_keys(void **state) {
  (void)state;
  assert_int_equal(status_of(ERR_DENIED, "bad_key"), 401);
  assert_int_equal(status_of(ERR_DENIED, "missing_scope"), 403);
  assert_int_equal(status_of(ERR_DENIED, "read_only"), 403);
  assert_int_equal(status_of(ERR_BUSY, "rate_limited"), 429);
  assert_int_equal(status_of(ERR_BUSY, "idempotency_in_flight"), 409);
}

static struct guesses *guesses;

static void note(uint64_t key, size_t times, int64_t now_us) {
  for (size_t i = 0; i < times; i++) guesses_note(guesses, key, 1, now_us);
}

static void a_key_that_guesses_waits_a_minute(void **state) {
  unsigned wait_s = 99;
  (void)state;
  note(1, GUESSES_MAX, SECOND_US);
  assert_true(guesses_admit(guesses, 1, SECOND_US, &wait_s));
  assert_int_equal(wait_s, 0);
  note(1, 1, 2 * SECOND_US);
  assert_false(guesses_admit(guesses, 1, 2 * SECOND_US, &wait_s));
  assert_int_equal(wait_s, GUESSES_PERIOD_S);
  assert_true(guesses_admit(guesses, 2, 2 * SECOND_US, &wait_s));
  assert_false(guesses_admit(guesses, 1, (2 + GUESSES_PERIOD_S) * SECOND_US - 1, &wait_s));
  assert_int_equal(wait_s, 1);
  assert_true(guesses_admit(guesses, 1, (2 + GUESSES_PERIOD_S) * SECOND_US, &wait_s));
}

static void slips_that_are_far_apart_are_no_guesses(void **state) {
  unsigned wait_s;
  (void)state;
  for (int64_t minute = 0; minute < 10; minute++) {
    note(3, GUESSES_MAX, minute * GUESSES_PERIOD_S * SECOND_US);
    assert_true(guesses_admit(guesses, 3, minute * GUESSES_PERIOD_S * SECOND_US, &wait_s));
  }
}

static void many_at_once_count_as_many(void **state) {
  unsigned wait_s;
  (void)state;
  guesses_note(guesses, 4, 0, SECOND_US);
  assert_true(guesses_admit(guesses, 4, SECOND_US, &wait_s));
  guesses_note(guesses, 4, GUESSES_MAX + 1, SECOND_US);
  assert_false(guesses_admit(guesses, 4, SECOND_US, &wait_s));
}

static int setup(void **state) {
  (void)state;
  return guesses_open(&guesses);
}

static int teardown(void **state) {
  (void)state;
  guesses_close(guesses);
  guesses = NULL;
  guesses_close(NULL);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_refusal_of_the_rules_is_unprocessable),
      cmocka_unit_test(the_kind_tells_what_else_has_the_same_code),
      cmocka_unit_test(keys_are_still_keys),
      cmocka_unit_test_setup_teardown(a_key_that_guesses_waits_a_minute, setup, teardown),
      cmocka_unit_test_setup_teardown(slips_that_are_far_apart_are_no_guesses, setup, teardown),
      cmocka_unit_test_setup_teardown(many_at_once_count_as_many, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
