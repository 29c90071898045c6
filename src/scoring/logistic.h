// logistic: the probability of a yes or no from a few numbers, fitted and checked.
//
// Layer 5. Pure and deterministic: the same rows in the same order give the same bits. L2-regularised logistic
// regression by Newton's method over standardised columns. Results are finite whatever is given: columns that never
// change have the coefficient 0, separable rows are held by the penalty, and rows that all have one label give
// everybody the same probability. docs/methods.md has the formulas. Threads: one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

enum { LOGISTIC_COLUMNS_MAX = 32, LOGISTIC_BINS = 10 };

struct logistic_rows {
  const double *values;  // row after row, `columns` each; finite
  const uint8_t *labels; // 0 or 1
  const double *weights; // above 0; NULL: 1 each
  size_t count, columns;
};

enum logistic_outcome {
  LOGISTIC_CONVERGED,
  LOGISTIC_ONE_LABEL, // all rows are yes, or all are no: nothing tells customers apart
  LOGISTIC_STOPPED,   // steps ran out
};

struct logistic {
  size_t columns;
  // Of a standardised column, (value - mean) / scale. Scale 0: the column never changes and counts for nothing.
  double mean[LOGISTIC_COLUMNS_MAX], scale[LOGISTIC_COLUMNS_MAX];
  double intercept, coefficients[LOGISTIC_COLUMNS_MAX];
  double calibration_intercept, calibration_slope; // 0 and 1: as fitted
  double log_likelihood;                           // without the penalty
  enum logistic_outcome outcome;
  int steps;
  double rows, yes; // weights
};

// Asked before every step; false ends the fit with ERR_STOPPED code "stopped".
typedef bool logistic_go_on_fn(void *context);

// Maximises the log likelihood less penalty / 2 times the sum of the squares of the coefficients, the intercept's left
// out. `go_on` may be NULL. ERR_INVALID codes "no_rows", "bad_row" (what is not finite, or a weight not above 0),
// "too_many_columns", "bad_penalty" (below 0); ERR_NO_MEMORY.
enum err logistic_fit(const struct logistic_rows *rows, double penalty, logistic_go_on_fn *go_on, void *context,
                      struct logistic *model, struct diag *diag);

// The logarithm of the odds as fitted; the probability by it, calibrated, in (0, 1).
double logistic_score(const struct logistic *model, const double *values);
double logistic_probability(const struct logistic *model, const double *values);

// Platt 1999: a second regression with the score as its only column, over rows that the model has not seen. Slopes that
// would turn the order around, and rows with too few of one label (`least`), leave it as fitted.
enum err logistic_calibrate(struct logistic *model, const struct logistic_rows *rows, double least, struct diag *diag);

// --- how good probabilities are ------------------------------------------------------------------------------

struct logistic_bin {
  double rows, yes;
  double probability; // mean of what was said
};

struct logistic_quality {
  double rows, yes;
  double auc;                              // that a yes is above a no, ties half; NaN with one label only
  double log_loss, brier;                  // mean; NaN without rows
  double base_log_loss;                    // of saying the share of yes of everybody
  struct logistic_bin bins[LOGISTIC_BINS]; // tenths of the rows, lowest probabilities first; empty ones have no rows
};

// Over rows that the model has not seen. ERR_NO_MEMORY.
enum err logistic_assess(const struct logistic *model, const struct logistic_rows *rows,
                         struct logistic_quality *quality, struct diag *diag);
