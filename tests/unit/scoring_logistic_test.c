// Logistic regression against published coefficients, closed forms and the conditions that only the optimum meets; rows
// that hold nothing; probabilities and how their quality is told.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "scoring/logistic.h"

static void near_to(double found, double expected, double most, int line) {
  if (fabs(found - expected) <= most) return;
  print_message("line %d: %.15g is not %.15g\n", line, found, expected);
  fail();
}
#define NEAR(found, expected, most) near_to(found, expected, most, __LINE__)

static uint64_t random_state = 88172645463325252u;

static double random_share(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return ((double)(random_state * UINT64_C(2685821657736338717) >> 11) + 0.5) / 9007199254740992.0;
}

// In the columns' own units.
static double slope_of(const struct logistic *model, size_t column) {
  return model->scale[column] > 0 ? model->coefficients[column] / model->scale[column] : 0;
}
static double intercept_of(const struct logistic *model) {
  double intercept = model->intercept;
  for (size_t k = 0; k < model->columns; k++) intercept -= slope_of(model, k) * model->mean[k];
  return intercept;
}

static struct logistic fitted(const struct logistic_rows *rows, double penalty) {
  struct logistic model;
  assert_int_equal(logistic_fit(rows, penalty, NULL, NULL, &model, NULL), ERR_OK);
  assert_true(isfinite(model.intercept));
  for (size_t k = 0; k < model.columns; k++) assert_true(isfinite(model.coefficients[k]));
  return model;
}

// Twenty students, hours of study and whether they passed: -4.07771 and 1.50465 in the textbooks.
static void students(void **state) {
  (void)state;
  static const double hours[] = {0.50, 0.75, 1.00, 1.25, 1.50, 1.75, 1.75, 2.00, 2.25, 2.50,
                                 2.75, 3.00, 3.25, 3.50, 4.00, 4.25, 4.50, 4.75, 5.00, 5.50};
  static const uint8_t passed[] = {0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1};
  const struct logistic_rows rows = {hours, passed, NULL, 20, 1};
  struct logistic model = fitted(&rows, 0);
  assert_int_equal(model.outcome, LOGISTIC_CONVERGED);
  NEAR(intercept_of(&model), -4.07771, 1e-5);
  NEAR(slope_of(&model, 0), 1.50465, 1e-5);
  NEAR(model.log_likelihood, -8.02988, 1e-5);
  NEAR(logistic_probability(&model, (double[]){2}), 0.25570, 1e-5);
}

// The space shuttle's O-rings: temperature at 23 launches and whether one was damaged: 15.0429 and -0.2322.
static void launches(void **state) {
  (void)state;
  static const double degrees[] = {66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78,
                                   67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58};
  static const uint8_t damaged[] = {0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1};
  const struct logistic_rows rows = {degrees, damaged, NULL, 23, 1};
  struct logistic model = fitted(&rows, 0);
  NEAR(intercept_of(&model), 15.0429, 1e-4);
  NEAR(slope_of(&model, 0), -0.2322, 1e-4);
}

// A table of two by two has a closed form: the intercept is the odds' logarithm of the one group, the slope that of the
// ratio. Weights are as good as repeated rows.
static void odds_of_a_table(void **state) {
  (void)state;
  static const double group[] = {0, 0, 1, 1}, counts[] = {30, 70, 45, 15};
  static const uint8_t labels[] = {1, 0, 1, 0};
  const struct logistic_rows rows = {group, labels, counts, 4, 1};
  struct logistic model = fitted(&rows, 0), repeated;
  NEAR(intercept_of(&model), log(30.0 / 70), 1e-9);
  NEAR(slope_of(&model, 0), log(45.0 / 15 / (30.0 / 70)), 1e-9);
  double values[160];
  uint8_t yes[160];
  size_t count = 0;
  for (size_t i = 0; i < 4; i++)
    for (int n = 0; n < (int)counts[i]; n++, count++) {
      values[count] = group[i];
      yes[count] = labels[i];
    }
  repeated = fitted(&(struct logistic_rows){values, yes, NULL, count, 1}, 3.5);
  model = fitted(&rows, 3.5);
  NEAR(model.intercept, repeated.intercept, 1e-10);
  NEAR(model.coefficients[0], repeated.coefficients[0], 1e-10);
}

enum { MANY = 2000, COLUMNS = 5 };
static double many[MANY * COLUMNS], weights[MANY];
static uint8_t bought[MANY];

static void make_many(void) {
  for (size_t i = 0; i < MANY; i++) {
    double *row = many + i * COLUMNS, score = -1;
    for (size_t k = 0; k < COLUMNS; k++) row[k] = random_share() * pow(10, (double)k);
    row[3] = 7; // never changes
    score += 2 * row[0] - 0.1 * row[1] + 0.01 * row[2];
    bought[i] = random_share() < 1 / (1 + exp(-score));
    weights[i] = 0.5 + random_share();
  }
}

// The objective is convex: where its slope is 0 is its only optimum.
static void the_slope_is_gone(void **state) {
  (void)state;
  make_many();
  static const double penalties[] = {0, 0.1, 10, 1e6};
  const struct logistic_rows rows = {many, bought, weights, MANY, COLUMNS};
  for (size_t p = 0; p < sizeof penalties / sizeof *penalties; p++) {
    struct logistic model = fitted(&rows, penalties[p]);
    assert_int_equal(model.outcome, LOGISTIC_CONVERGED);
    double at_intercept = 0, at[COLUMNS] = {0};
    for (size_t i = 0; i < MANY; i++) {
      double away = weights[i] * (logistic_probability(&model, many + i * COLUMNS) - bought[i]);
      at_intercept += away;
      for (size_t k = 0; k < COLUMNS; k++)
        if (model.scale[k] > 0) at[k] += away * (many[i * COLUMNS + k] - model.mean[k]) / model.scale[k];
    }
    NEAR(at_intercept, 0, 1e-6);
    for (size_t k = 0; k < COLUMNS; k++) NEAR(at[k] + penalties[p] * model.coefficients[k], 0, 1e-6);
    assert_true(model.coefficients[3] == 0);
  }
}

static void the_same_bits(void **state) {
  (void)state;
  const struct logistic_rows rows = {many, bought, weights, MANY, COLUMNS};
  struct logistic a, b;
  memset(&a, 0, sizeof a);
  memset(&b, 1, sizeof b);
  assert_int_equal(logistic_fit(&rows, 1, NULL, NULL, &a, NULL), ERR_OK);
  assert_int_equal(logistic_fit(&rows, 1, NULL, NULL, &b, NULL), ERR_OK);
  assert_memory_equal(a.coefficients, b.coefficients, COLUMNS * sizeof *a.coefficients);
  assert_true(a.intercept == b.intercept);
}

static void rows_that_hold_little(void **state) {
  (void)state;
  static const double line[] = {1, 2, 3, 4}, huge[] = {1e300, -1e300, 1e-300, 1e308}, same[] = {5, 5, 5, 5};
  static const uint8_t apart[] = {0, 0, 1, 1}, all[] = {1, 1, 1, 1}, none[] = {0, 0, 0, 0};
  struct logistic model = fitted(&(struct logistic_rows){line, apart, NULL, 4, 1}, 1); // separable
  assert_int_equal(model.outcome, LOGISTIC_CONVERGED);
  assert_true(logistic_probability(&model, (double[]){4}) > 0.6);
  fitted(&(struct logistic_rows){line, apart, NULL, 4, 1}, 0);
  fitted(&(struct logistic_rows){huge, apart, NULL, 4, 1}, 1);
  model = fitted(&(struct logistic_rows){same, apart, NULL, 4, 1}, 1);
  NEAR(logistic_probability(&model, (double[]){9}), 0.5, 1e-9);
  model = fitted(&(struct logistic_rows){line, all, NULL, 4, 1}, 1);
  assert_int_equal(model.outcome, LOGISTIC_ONE_LABEL);
  NEAR(logistic_probability(&model, (double[]){9}), 4.5 / 5, 1e-9);
  model = fitted(&(struct logistic_rows){line, none, NULL, 4, 1}, 1);
  NEAR(logistic_probability(&model, (double[]){-9}), 0.5 / 5, 1e-9);
  model = fitted(&(struct logistic_rows){line, all, NULL, 1, 1}, 1);
  model = fitted(&(struct logistic_rows){NULL, apart, NULL, 4, 0}, 1);
  NEAR(logistic_probability(&model, NULL), 0.5, 1e-9);
}

static bool never(void *context) {
  (void)context;
  return false;
}

static void what_is_refused(void **state) {
  (void)state;
  static const double bad[] = {1, NAN}, fine[] = {1, 2}, lost[] = {1, 0};
  static const uint8_t labels[] = {0, 1};
  struct logistic model;
  struct diag diag;
  diag_init(&diag);
  struct logistic_rows rows = {bad, labels, NULL, 2, 1};
  assert_int_equal(logistic_fit(&rows, 1, NULL, NULL, &model, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "bad_row");
  rows = (struct logistic_rows){fine, labels, lost, 2, 1};
  assert_int_equal(logistic_fit(&rows, 1, NULL, NULL, &model, &diag), ERR_INVALID);
  rows = (struct logistic_rows){fine, labels, NULL, 0, 1};
  assert_int_equal(logistic_fit(&rows, 1, NULL, NULL, &model, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "no_rows");
  rows = (struct logistic_rows){fine, labels, NULL, 2, 1};
  assert_int_equal(logistic_fit(&rows, -1, NULL, NULL, &model, &diag), ERR_INVALID);
  rows.columns = LOGISTIC_COLUMNS_MAX + 1;
  assert_int_equal(logistic_fit(&rows, 1, NULL, NULL, &model, &diag), ERR_INVALID);
  rows.columns = 1;
  assert_int_equal(logistic_fit(&rows, 1, never, NULL, &model, &diag), ERR_STOPPED);
}

// Scores that are told twice too sure are put right.
static void calibration(void **state) {
  (void)state;
  make_many();
  const struct logistic_rows rows = {many, bought, NULL, MANY, COLUMNS};
  struct logistic model = fitted(&rows, 0.1), sure;
  struct logistic_quality plain, right;
  sure = model;
  for (size_t k = 0; k < COLUMNS; k++) sure.coefficients[k] *= 3;
  sure.intercept = 3 * model.intercept + 1;
  assert_int_equal(logistic_assess(&model, &rows, &plain, NULL), ERR_OK);
  assert_int_equal(logistic_calibrate(&sure, &rows, 10, NULL), ERR_OK);
  assert_int_equal(logistic_assess(&sure, &rows, &right, NULL), ERR_OK);
  NEAR(sure.calibration_slope, 1.0 / 3, 0.01);
  NEAR(right.log_loss, plain.log_loss, 1e-4);
  NEAR(right.auc, plain.auc, 1e-9);
  assert_true(plain.log_loss < plain.base_log_loss);
  for (int i = 0; i < LOGISTIC_BINS; i++) {
    assert_true(plain.bins[i].rows == (double)MANY / LOGISTIC_BINS);
    NEAR(plain.bins[i].probability, plain.bins[i].yes / plain.bins[i].rows, 0.12);
  }
  // Too few to learn from: left as it was.
  sure = model;
  const struct logistic_rows few = {many, bought, NULL, 5, COLUMNS};
  assert_int_equal(logistic_calibrate(&sure, &few, 10, NULL), ERR_OK);
  assert_true(sure.calibration_slope == 1 && sure.calibration_intercept == 0);
}

// Of 2 yeses and 3 noes: of 6 pairs 4 in order and 1 tied.
static void quality_by_hand(void **state) {
  (void)state;
  static const double scores[] = {-2, -1, 0, 0, 2};
  static const uint8_t labels[] = {0, 1, 0, 1, 0};
  struct logistic model = {.columns = 1, .scale = {1}, .coefficients = {1}, .calibration_slope = 1};
  struct logistic_quality quality;
  const struct logistic_rows rows = {scores, labels, NULL, 5, 1};
  assert_int_equal(logistic_assess(&model, &rows, &quality, NULL), ERR_OK);
  NEAR(quality.auc, (1 + 1.5) / 6, 1e-12);
  double p1 = 1 / (1 + exp(2.0)), p2 = 1 / (1 + exp(1.0)), p5 = 1 / (1 + exp(-2.0));
  NEAR(quality.log_loss, -(log(1 - p1) + log(p2) + 2 * log(0.5) + log(1 - p5)) / 5, 1e-12);
  NEAR(quality.brier, (p1 * p1 + (1 - p2) * (1 - p2) + 0.5 + p5 * p5) / 5, 1e-12);
  NEAR(quality.base_log_loss, -(0.4 * log(0.4) + 0.6 * log(0.6)), 1e-12);
  const struct logistic_rows nobody = {scores, labels, NULL, 0, 1}, one = {scores, labels, NULL, 1, 1};
  assert_int_equal(logistic_assess(&model, &nobody, &quality, NULL), ERR_OK);
  assert_true(isnan(quality.auc) && quality.rows == 0);
  assert_int_equal(logistic_assess(&model, &one, &quality, NULL), ERR_OK);
  assert_true(isnan(quality.auc) && quality.rows == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(students),          cmocka_unit_test(launches),      cmocka_unit_test(odds_of_a_table),
      cmocka_unit_test(the_slope_is_gone), cmocka_unit_test(the_same_bits), cmocka_unit_test(rows_that_hold_little),
      cmocka_unit_test(what_is_refused),   cmocka_unit_test(calibration),   cmocka_unit_test(quality_by_hand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
