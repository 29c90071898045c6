// Lift, its interval, CUPED and sample sizes, against values worked out by hand and against simulated campaigns.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scoring/lift.h"

static void near_to(double found, double expected, double most, int line) {
  if (fabs(found - expected) <= most) return;
  print_message("line %d: %.15g is not %.15g\n", line, found, expected);
  fail();
}
#define NEAR(found, expected, most) near_to(found, expected, most, __LINE__)

static void normal_quantiles(void **state) {
  (void)state;
  NEAR(lift_normal_quantile(0.975), 1.959963984540054, 1e-14);
  NEAR(lift_normal_quantile(0.8), 0.8416212335729143, 1e-14);
  NEAR(lift_normal_quantile(0.5), 0, 1e-15);
  NEAR(lift_normal_quantile(0.001), -3.090232306167813, 1e-13);
  NEAR(lift_normal_quantile(1 - 1e-9), 5.997807, 1e-5);
  assert_true(isnan(lift_normal_quantile(1)));
}

// 60 of 1,000 bought, and 40 of 1,000 in control: a difference of 0.02, its error sqrt(.06 .94 / 999 + .04 .96 / 999).
static void shares_of_buyers(void **state) {
  (void)state;
  struct lift_group treated = {0}, control = {0};
  struct lift lift;
  for (int i = 0; i < 1000; i++) {
    lift_add(&treated, i < 60, 0);
    lift_add(&control, i % 25 == 0, 0);
  }
  assert_int_equal(lift_compare(&treated, &control, 0.95, true, &lift, NULL), ERR_OK);
  NEAR(lift.difference, 0.02, 1e-12);
  NEAR(lift.relative, 0.5, 1e-12);
  NEAR(lift.incremental, 20, 1e-9);
  NEAR(lift.standard_error, sqrt((0.06 * 0.94 + 0.04 * 0.96) / 999), 1e-12);
  NEAR(lift.low, 0.02 - 1.959963984540054 * lift.standard_error, 1e-12);
  NEAR(lift.p_value, erfc(0.02 / lift.standard_error / sqrt(2)), 1e-12);
  NEAR(lift.theta, 0, 0); // nothing is known of before
  struct lift_group counted;
  lift_take_share(&counted, 1000, 60);
  NEAR(counted.mean, treated.mean, 1e-15);
  NEAR(counted.squares, treated.squares, 1e-10);
}

static uint64_t random_state = 88172645463325252u;

static double random_share(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return ((double)(random_state * UINT64_C(2685821657736338717) >> 11) + 0.5) / 9007199254740992.0;
}

// Of 400 campaigns with a true difference of 2, about 95 in 100 intervals hold it; what was spent before explains most.
static void intervals_hold_what_they_say(void **state) {
  (void)state;
  int held = 0, held_plain = 0;
  double explained = 0;
  for (int campaign = 0; campaign < 400; campaign++) {
    struct lift_group groups[2] = {{0}};
    struct lift lift, plain;
    for (int i = 0; i < 1000; i++) {
      double before = 100 * random_share();
      lift_add(&groups[i % 2], before + 20 * random_share() + (i % 2 == 0 ? 2 : 0), before);
    }
    assert_int_equal(lift_compare(&groups[0], &groups[1], 0.95, true, &lift, NULL), ERR_OK);
    assert_int_equal(lift_compare(&groups[0], &groups[1], 0.95, false, &plain, NULL), ERR_OK);
    held += lift.low <= 2 && lift.high >= 2;
    held_plain += plain.low <= 2 && plain.high >= 2;
    explained += lift.explained / 400;
    NEAR(lift.theta, 1, 0.1);
    assert_true(lift.standard_error < plain.standard_error);
  }
  assert_in_range(held, 365, 393);
  assert_in_range(held_plain, 365, 393);
  NEAR(explained, 1 - 400.0 / 12 / ((10000 + 400) / 12.0), 0.01);
}

// Amounts far from 0 keep their differences.
static void large_amounts_keep_their_digits(void **state) {
  (void)state;
  struct lift_group group = {0};
  for (int i = 0; i < 1000; i++) lift_add(&group, 1e12 + i % 2, 1e12 + i % 2);
  NEAR(group.squares, 250, 1e-3);
  NEAR(group.cross, 250, 1e-3);
}

// 16 sigma squared over delta squared, as the rule of thumb says for 80 % of power.
static void sample_sizes(void **state) {
  (void)state;
  double customers;
  assert_int_equal(lift_sample(1, 0.1, 1, 0.95, 0.8, &customers, NULL), ERR_OK);
  NEAR(customers, 1570, 0);
  assert_int_equal(lift_sample(1, 0.1, 0.25, 0.95, 0.8, &customers, NULL), ERR_OK);
  NEAR(customers, 3925, 0);
  assert_int_equal(lift_sample(1, 0, 1, 0.95, 0.8, &customers, NULL), ERR_INVALID);
  assert_int_equal(lift_sample(1, 1, 1, 1, 0.8, &customers, NULL), ERR_INVALID);
}

static void too_little_is_refused(void **state) {
  (void)state;
  struct lift_group one = {0}, two = {0};
  struct lift lift;
  lift_add(&one, 1, 0);
  assert_int_equal(lift_compare(&one, &two, 0.95, false, &lift, NULL), ERR_INVALID);
  lift_add(&one, 1, 0);
  lift_add(&two, 1, 0);
  lift_add(&two, 1, 0);
  assert_int_equal(lift_compare(&one, &two, 1.5, false, &lift, NULL), ERR_INVALID);
  assert_int_equal(lift_compare(&one, &two, 0.95, true, &lift, NULL), ERR_OK);
  NEAR(lift.p_value, 1, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(normal_quantiles),
      cmocka_unit_test(shares_of_buyers),
      cmocka_unit_test(intervals_hold_what_they_say),
      cmocka_unit_test(large_amounts_keep_their_digits),
      cmocka_unit_test(sample_sizes),
      cmocka_unit_test(too_little_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
