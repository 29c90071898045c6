// Features by hand, labels at the edges of the horizon, and a model that finds what made customers buy.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "scoring/appetence.h"

static const int64_t DAY = INT64_C(86400000000);

static double feature(const double *features, const char *name) {
  for (size_t i = 0; i < APPETENCE_FEATURES; i++)
    if (strcmp(appetence_feature_name(i), name) == 0) return features[i];
  fail();
  return 0;
}

static void near_to(double found, double expected, int line) {
  if (fabs(found - expected) <= 1e-12) return;
  print_message("line %d: %.15g is not %.15g\n", line, found, expected);
  fail();
}
#define NEAR(found, expected) near_to(found, expected, __LINE__)

static void features_by_hand(void **state) {
  (void)state;
  const int64_t cut = 1000 * DAY;
  const struct appetence_signal signals[] = {
      {cut - 14 * DAY, APPETENCE_VIEW, true},
      {cut - 28 * DAY, APPETENCE_VIEW, true},
      {cut - 14 * DAY, APPETENCE_VIEW, false},
      {cut - 14 * DAY, APPETENCE_ADD, true},
      {cut - 14 * DAY, APPETENCE_SEARCH, true},
      {cut - 300 * DAY, APPETENCE_SEARCH, false},
      {cut - 14 * DAY, APPETENCE_CLICK, false},
      {cut - 30 * DAY, APPETENCE_PURCHASE, true},
      {cut - 60 * DAY, APPETENCE_PURCHASE, true},
      {cut - 90 * DAY, APPETENCE_PURCHASE, false},
      {cut, APPETENCE_VIEW, true},
      {cut + DAY, APPETENCE_PURCHASE, true},
  };
  const size_t count = sizeof signals / sizeof *signals;
  double features[APPETENCE_FEATURES];
  assert_true(appetence_features(signals, count, cut, features));
  NEAR(feature(features, "range_views"), log1p(0.75));
  NEAR(feature(features, "other_views"), log1p(0.5));
  NEAR(feature(features, "range_adds"), log1p(0.5));
  NEAR(feature(features, "range_searches"), log1p(0.5));
  NEAR(feature(features, "email_clicks"), log1p(0.5));
  NEAR(feature(features, "other_adds"), 0);
  NEAR(feature(features, "range_orders"), log(3));
  NEAR(feature(features, "other_orders"), log(2));
  NEAR(feature(features, "range_last_order_30_days"), 0.5);
  NEAR(feature(features, "range_last_order_365_days"), exp2(-30.0 / 365));
  NEAR(feature(features, "other_last_order_30_days"), 0.125);
  NEAR(feature(features, "known_for"), log1p(90));
  // Nothing before the cut-off, or only a search for something else: nobody yet.
  assert_false(appetence_features(signals, count, cut - 90 * DAY, features));
  assert_false(appetence_features(NULL, 0, cut, features));
}

static void labels_at_the_edges(void **state) {
  (void)state;
  const struct appetence_signal in = {10 * DAY, APPETENCE_PURCHASE, true}, out = {10 * DAY, APPETENCE_PURCHASE, false};
  assert_true(appetence_bought(&in, 1, 10 * DAY, 11 * DAY));
  assert_false(appetence_bought(&in, 1, 9 * DAY, 10 * DAY));
  assert_false(appetence_bought(&in, 1, 10 * DAY + 1, 11 * DAY));
  assert_false(appetence_bought(&out, 1, 0, 20 * DAY));
}

static uint64_t random_state = 88172645463325252u;

static double random_share(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return ((double)(random_state * UINT64_C(2685821657736338717) >> 11) + 0.5) / 9007199254740992.0;
}

static struct appetence_rows make_rows(size_t count, double always) {
  struct appetence_rows rows = {APPETENCE_FEATURES, alloc_zero(count + 1, APPETENCE_FEATURES * sizeof(double)),
                                alloc_zero(count + 1, 1), alloc_zero(count + 1, 1), count};
  assert_true(rows.features != NULL && rows.labels != NULL && rows.groups != NULL);
  for (size_t i = 0; i < count; i++) {
    double *row = rows.features + i * APPETENCE_FEATURES;
    for (size_t k = 0; k + 1 < APPETENCE_FEATURES; k++) row[k] = random_share();
    rows.labels[i] = random_share() < always || random_share() < 1 / (1 + exp(3 - 4 * row[0]));
    rows.groups[i] = (uint8_t)(i % APPETENCE_GROUPS);
  }
  return rows;
}

static void free_rows(struct appetence_rows *rows) {
  alloc_free(rows->features);
  alloc_free(rows->labels);
  alloc_free(rows->groups);
}

static void it_finds_what_matters(void **state) {
  (void)state;
  struct appetence_rows rows = make_rows(20000, 0);
  struct appetence_model model;
  assert_int_equal(appetence_learn(&rows, NULL, NULL, &model, NULL), ERR_OK);
  assert_int_equal(model.learned, 12000);
  assert_int_equal(model.calibrated, 4000);
  assert_int_equal(model.tested, 4000);
  assert_true(model.is_calibrated);
  assert_true(fabs(model.logistic.coefficients[0] / model.logistic.scale[0] - 4) < 0.3);
  for (size_t k = 1; k < APPETENCE_FEATURES; k++) assert_true(fabs(model.logistic.coefficients[k]) < 0.15);
  assert_true(model.quality.auc > 0.7 && model.quality.log_loss < model.quality.base_log_loss);
  for (size_t i = 0; i < LOGISTIC_BINS; i++) {
    const struct logistic_bin *bin = &model.quality.bins[i];
    assert_true(fabs(bin->probability - bin->yes / bin->rows) < 0.08);
  }
  free_rows(&rows);
}

static void too_little(void **state) {
  (void)state;
  struct appetence_model model;
  struct appetence_rows rows = make_rows(1, 1);
  rows.groups[0] = 9; // the only one would be of the test
  assert_int_equal(appetence_learn(&rows, NULL, NULL, &model, NULL), ERR_OK);
  assert_int_equal(model.learned, 1);
  assert_int_equal(model.tested, 0);
  assert_true(logistic_probability(&model.logistic, rows.features) > 0.5);
  free_rows(&rows);
  rows = make_rows(100, 1); // all bought
  assert_int_equal(appetence_learn(&rows, NULL, NULL, &model, NULL), ERR_OK);
  assert_int_equal(model.logistic.outcome, LOGISTIC_ONE_LABEL);
  assert_false(model.is_calibrated);
  assert_true(isfinite(model.quality.log_loss));
  free_rows(&rows);
  rows = make_rows(0, 0);
  assert_int_equal(appetence_learn(&rows, NULL, NULL, &model, NULL), ERR_INVALID);
  free_rows(&rows);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(features_by_hand),
      cmocka_unit_test(labels_at_the_edges),
      cmocka_unit_test(it_finds_what_matters),
      cmocka_unit_test(too_little),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
