// The functions of scoring/special.h and the search of scoring/optimum.h against known values and identities.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scoring/optimum.h"
#include "scoring/special.h"

static void near_to(double found, double expected, double share, int line) {
  double away = fabs(found - expected), most = share * fmax(fabs(expected), 1e-300);
  if (away <= most) return;
  print_message("line %d: %.17g is not %.17g\n", line, found, expected);
  fail();
}
#define NEAR(found, expected, share) near_to(found, expected, share, __LINE__)

// Abramowitz and Stegun, tables 6.1 to 6.4; ψ(1) is minus Euler's constant.
static void gamma_functions(void **state) {
  (void)state;
  NEAR(special_log_gamma(0.5), 0.57236494292470008707, 1e-15);
  NEAR(special_log_gamma(101), 363.73937555556349014, 1e-15);
  NEAR(special_digamma(1), -0.57721566490153286061, 1e-14);
  NEAR(special_digamma(0.5), -1.9635100260214234794, 1e-14);
  NEAR(special_digamma(0.25), -4.2274535333762654081, 1e-14);
  NEAR(special_digamma(100), 4.6001618527380874002, 1e-14);
  assert_true(isnan(special_digamma(-1)));
  for (int power = 0; power < 16; power++) {
    double x = 0.01 * pow(3.7, power);
    NEAR(special_digamma(x + 1) - 1 / x, special_digamma(x), 1e-11);
  }
  NEAR(special_log_beta(2, 3), log(1.0 / 12), 1e-14);
  NEAR(special_log_beta(0.5, 0.5), log(3.14159265358979323846), 1e-14);
}

// Where the difference of two values of the library has lost its digits: Γ(a + 3) / Γ(a) = a (a + 1) (a + 2).
static void rising_of_large_numbers(void **state) {
  (void)state;
  for (int power = -3; power < 13; power++) {
    double a = pow(10, power);
    NEAR(special_log_rising(a, 3), log(a) + log(a + 1) + log(a + 2), a < 1e5 && a > 1e3 ? 1e-10 : 1e-11);
    NEAR(special_digamma_rise(a, 3), 1 / a + 1 / (a + 1) + 1 / (a + 2), a < 1e5 ? 1e-9 : 1e-11);
  }
  NEAR(special_log_rising(1e9, 1000), 20723.266336446244739, 1e-11); // sum of ln(1e9 + k), k = 0..999, in 50 digits
  assert_true(special_log_rising(5, 0) == 0);
}

static void logarithms_of_sums(void **state) {
  (void)state;
  NEAR(special_log_add(-1000, -1000), -1000 + log(2), 1e-15);
  assert_true(special_log_add(-INFINITY, 3) == 3);
  assert_true(special_log_add(-INFINITY, -INFINITY) == -INFINITY);
  NEAR(special_log_subtract(1000, 999), 1000 + log(1 - exp(-1)), 1e-15);
  assert_true(special_log_subtract(1, 1) == -INFINITY);
  assert_true(special_decay_mean(0) == 1);
  NEAR(special_decay_mean(1e-9), 1 - 0.5e-9, 1e-15);
}

// 2F1 in closed form: Abramowitz and Stegun 15.1.
static void hypergeometric_closed_forms(void **state) {
  (void)state;
  static const double places[] = {-50,  -3,  -0.9, -0.1,  1e-9,   0.1,    0.5,     0.74,
                                  0.76, 0.9, 0.99, 0.997, 0.9981, 0.9999, 0.999999};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    double z = places[i];
    NEAR(special_hypergeometric(1, 1, 2, z), -log1p(-z) / z, 1e-11);
    NEAR(special_hypergeometric(2.5, 3, 3, z), pow(1 - z, -2.5), 1e-9);
    NEAR(special_hypergeometric(0.5, 1, 1.5, z),
         z > 0 ? (log1p(sqrt(z)) - log1p(-z) / 2) / sqrt(z) : atan(sqrt(-z)) / sqrt(-z), 1e-11);
    if (z > 0) NEAR(special_hypergeometric(0.5, 0.5, 1.5, z), asin(sqrt(z)) / sqrt(z), 1e-11);
  }
  assert_true(special_hypergeometric(3, 4, 5, 0) == 1);
  assert_true(isnan(special_hypergeometric(1, 1, 2, 1)));
  assert_true(isnan(special_hypergeometric(1, 1, -2, 0.5)));
}

// ∫ over [0, 1] of t^(b-1) (1-t)^(c-b-1) (1-zt)^-a, b and c - b above 3, by Simpson's rule, over B(b, c - b).
static double euler_integral(double a, double b, double c, double z) {
  enum { STEPS = 20000 };
  double sum = 0;
  for (int i = 1; i < STEPS; i++) {
    double t = i * (1.0 / STEPS);
    sum += (i % 2 == 1 ? 4 : 2) *
           exp((b - 1) * log(t) + (c - b - 1) * log1p(-t) - a * log1p(-z * t) - special_log_beta(b, c - b));
  }
  return sum / (3 * STEPS);
}

static void hypergeometric_large_arguments(void **state) {
  (void)state;
  static const double cases[][4] = {{26.5, 27.6, 60, 0.5},   {300.2, 5, 9.5, 0.3}, {1, 30, 45, 0.97},
                                    {0.2, 100, 1000, 0.999}, {3, 4.5, 8.25, 0.9},  {10, 200, 230, -4}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const double *at = cases[i];
    NEAR(special_hypergeometric(at[0], at[1], at[2], at[3]), euler_integral(at[0], at[1], at[2], at[3]), 1e-9);
  }
}

// The sum of blocks is that of the numbers, and does not drift: ten million times 0.1.
static void sums_keep_their_digits(void **state) {
  (void)state;
  enum { TIMES = 10000000 };
  struct special_sum sum = {0};
  for (int i = 0; i < TIMES; i++) special_sum_add(&sum, 0.1);
  NEAR(special_sum_total(&sum), 1e6, 1e-14);
  struct special_sum empty = {0};
  assert_true(special_sum_total(&empty) == 0);
}

// --- the search ----------------------------------------------------------------------------------------------

static double rosenbrock(const void *data, const double *at, double *slope) {
  (void)data;
  double a = 1 - at[0], b = at[1] - at[0] * at[0];
  if (slope != NULL) {
    slope[0] = -2 * a - 400 * at[0] * b;
    slope[1] = 200 * b;
  }
  return a * a + 100 * b * b;
}

// A corner that no slope leads round.
static double corner(const void *data, const double *at, double *slope) {
  (void)data, (void)slope;
  return fabs(at[0] - 1) + fabs(at[1] + 2) + 3;
}

static double endless(const void *data, const double *at, double *slope) {
  (void)data;
  if (slope != NULL) slope[0] = -exp(-at[0]);
  return exp(-at[0]);
}

static double nowhere(const void *data, const double *at, double *slope) {
  (void)data, (void)at, (void)slope;
  return NAN;
}

static void finds_the_least_value(void **state) {
  (void)state;
  struct optimum found;
  struct optimum_task task = {.function = rosenbrock,
                              .variables = 2,
                              .has_slope = true,
                              .least = -10,
                              .most = 10,
                              .flat = 1e-9,
                              .steps_max = 500};
  const double start[] = {-1.2, 1}, far[] = {8, 8};
  optimum_find(&task, start, &found);
  assert_true(found.converged);
  NEAR(found.at[0], 1, 1e-8);
  NEAR(found.at[1], 1, 1e-8);
  task.has_slope = false;
  task.flat = 1e-6;
  optimum_find(&task, far, &found);
  NEAR(found.at[0], 1, 1e-4);
  task.function = corner;
  optimum_find(&task, start, &found);
  NEAR(found.value, 3, 1e-6);
}

static void ends_where_there_is_no_end(void **state) {
  (void)state;
  struct optimum found;
  const double start[] = {0};
  struct optimum_task task = {.function = endless,
                              .variables = 1,
                              .has_slope = true,
                              .least = -12,
                              .most = 12,
                              .flat = 1e-12,
                              .steps_max = 500};
  optimum_find(&task, start, &found);
  assert_true(found.at[0] == 12);
  task.function = nowhere;
  optimum_find(&task, start, &found);
  assert_false(found.converged);
  assert_true(isinf(found.value));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gamma_functions),
      cmocka_unit_test(rising_of_large_numbers),
      cmocka_unit_test(logarithms_of_sums),
      cmocka_unit_test(hypergeometric_closed_forms),
      cmocka_unit_test(hypergeometric_large_arguments),
      cmocka_unit_test(sums_keep_their_digits),
      cmocka_unit_test(finds_the_least_value),
      cmocka_unit_test(ends_where_there_is_no_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
