// logistic: Newton's method with halved steps; the Hessian is positive definite by the penalty, or by a ridge so small
// that it only breaks ties.
//
// Invariants: the objective never rises by more than rounding; every quantity is finite. Sums go block by block of 256
// rows in the order of the rows, so they depend on the rows alone and lose few digits.
#include "scoring/logistic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SIDES_MAX = LOGISTIC_COLUMNS_MAX + 1, BLOCK = 256, STEPS_MAX = 60, HALVINGS = 30 };

static const double CONSTANT = 1e-12;   // a deviation so small against the mean is rounding
static const double FLAT = 1e-9;        // slope of the mean objective
static const double FLAT_ENOUGH = 1e-6; // where rounding ends it
static const double ROUNDING = 1e-13;
static const double TIE = 1e-10; // added to the Hessian's diagonal, against what it has

// ln(1 + e^x) without overflow.
static double log_one_plus(double x) {
  return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double weight_of(const struct logistic_rows *rows, size_t row) {
  return rows->weights == NULL ? 1 : rows->weights[row];
}

// --- standardising -------------------------------------------------------------------------------------------

static enum err check_rows(const struct logistic_rows *rows, double penalty, struct diag *diag) {
  if (rows->columns > LOGISTIC_COLUMNS_MAX)
    return diag_set(diag, ERR_INVALID, "too_many_columns", "at most %d columns", (int)LOGISTIC_COLUMNS_MAX);
  if (!(penalty >= 0 && isfinite(penalty)))
    return diag_set(diag, ERR_INVALID, "bad_penalty", "the penalty is 0 or more");
  if (rows->count == 0) return diag_set(diag, ERR_INVALID, "no_rows", "there is nobody to learn from");
  for (size_t i = 0; i < rows->count * rows->columns; i++)
    if (!isfinite(rows->values[i]))
      return diag_set(diag, ERR_INVALID, "bad_row", "row %zu has a value that is no number", i / rows->columns + 1);
  for (size_t i = 0; i < rows->count; i++)
    if (!(weight_of(rows, i) > 0 && isfinite(weight_of(rows, i))))
      return diag_set(diag, ERR_INVALID, "bad_row", "row %zu has a weight that is not above 0", i + 1);
  return ERR_OK;
}

// Two passes: means, then distances to them. Values are divided by the column's largest, so that no square overflows.
static void standardise(const struct logistic_rows *rows, struct logistic *model) {
  double largest[LOGISTIC_COLUMNS_MAX] = {0}, squares[LOGISTIC_COLUMNS_MAX] = {0};
  size_t columns = rows->columns;
  for (size_t i = 0; i < rows->count; i++) {
    double weight = weight_of(rows, i);
    model->rows += weight;
    model->yes += rows->labels[i] ? weight : 0;
    for (size_t k = 0; k < columns; k++) {
      double value = rows->values[i * columns + k];
      model->mean[k] += (value - model->mean[k]) * (weight / model->rows);
      largest[k] = fmax(largest[k], fabs(value));
    }
  }
  for (size_t i = 0; i < rows->count; i++)
    for (size_t k = 0; k < columns && columns > 0; k++) {
      double away = largest[k] > 0 ? (rows->values[i * columns + k] - model->mean[k]) / largest[k] : 0;
      squares[k] += weight_of(rows, i) * away * away;
    }
  for (size_t k = 0; k < columns; k++) {
    double deviation = sqrt(squares[k] / model->rows);
    model->scale[k] = deviation > CONSTANT && isfinite(model->mean[k]) ? deviation * largest[k] : 0;
    if (!isfinite(model->scale[k])) model->scale[k] = 0;
  }
}

// 1 and the standardised columns.
static void read_row(const struct logistic *model, const double *values, double *row) {
  row[0] = 1;
  for (size_t k = 0; k < model->columns; k++)
    row[k + 1] = model->scale[k] > 0 ? (values[k] - model->mean[k]) / model->scale[k] : 0;
}

// --- the objective -------------------------------------------------------------------------------------------

struct newton {
  const struct logistic_rows *rows;
  const struct logistic *model;
  double penalty;
  size_t size;                                          // columns and the intercept
  double slope[SIDES_MAX], curve[SIDES_MAX][SIDES_MAX]; // lower triangle
};

static double dot(const double *a, const double *b, size_t size) {
  double sum = 0;
  for (size_t k = 0; k < size; k++) sum += a[k] * b[k];
  return sum;
}

// Minus the log likelihood, without the penalty.
static double loss_at(const struct newton *newton, const double *at) {
  double total = 0, block = 0, row[SIDES_MAX];
  const struct logistic_rows *rows = newton->rows;
  for (size_t i = 0; i < rows->count; i++) {
    read_row(newton->model, rows->values + i * rows->columns, row);
    double score = dot(at, row, newton->size);
    block += weight_of(rows, i) * log_one_plus(rows->labels[i] ? -score : score);
    if (i % BLOCK == BLOCK - 1) {
      total += block;
      block = 0;
    }
  }
  return total + block;
}

static double penalty_at(const struct newton *newton, const double *at) {
  double squares = 0;
  for (size_t k = 1; k < newton->size; k++) squares += at[k] * at[k];
  return newton->penalty / 2 * squares;
}

static double objective_at(const struct newton *newton, const double *at) {
  return loss_at(newton, at) + penalty_at(newton, at);
}

struct block {
  double slope[SIDES_MAX], curve[SIDES_MAX][SIDES_MAX];
};

static void close_block(struct newton *newton, struct block *block) {
  for (size_t k = 0; k < newton->size; k++) {
    newton->slope[k] += block->slope[k];
    for (size_t j = 0; j <= k; j++) newton->curve[k][j] += block->curve[k][j];
  }
  memset(block, 0, sizeof *block);
}

static void differentiate(struct newton *newton, const double *at) {
  const struct logistic_rows *rows = newton->rows;
  struct block block;
  double row[SIDES_MAX];
  memset(&block, 0, sizeof block);
  memset(newton->slope, 0, sizeof newton->slope);
  memset(newton->curve, 0, sizeof newton->curve);
  for (size_t i = 0; i < rows->count; i++) {
    read_row(newton->model, rows->values + i * rows->columns, row);
    double share = sigmoid(dot(at, row, newton->size)), weight = weight_of(rows, i);
    double away = weight * (share - (rows->labels[i] ? 1 : 0)), bend = weight * share * (1 - share);
    for (size_t k = 0; k < newton->size; k++) {
      block.slope[k] += away * row[k];
      for (size_t j = 0; j <= k; j++) block.curve[k][j] += bend * row[k] * row[j];
    }
    if (i % BLOCK == BLOCK - 1) close_block(newton, &block);
  }
  close_block(newton, &block);
  for (size_t k = 1; k < newton->size; k++) {
    newton->slope[k] += newton->penalty * at[k];
    newton->curve[k][k] += newton->penalty;
  }
}

// --- Newton's step -------------------------------------------------------------------------------------------

// Cholesky in place, then both triangles. What has no curve at all (a column that never changes) keeps still: its pivot
// is made 1, and its slope is 0.
static void solve(struct newton *newton, double *step) {
  size_t size = newton->size;
  double most = 0;
  for (size_t k = 0; k < size; k++) most = fmax(most, newton->curve[k][k]);
  for (size_t k = 0; k < size; k++) newton->curve[k][k] += TIE * newton->curve[k][k];
  for (size_t k = 0; k < size; k++) {
    for (size_t j = 0; j <= k; j++) {
      double sum = newton->curve[k][j];
      for (size_t i = 0; i < j; i++) sum -= newton->curve[k][i] * newton->curve[j][i];
      if (j < k)
        newton->curve[k][j] = sum / newton->curve[j][j];
      else
        newton->curve[k][k] = sum > 1e-300 && sum > 1e-16 * most ? sqrt(sum) : sqrt(fmax(most, 1));
    }
  }
  for (size_t k = 0; k < size; k++) {
    double sum = newton->slope[k];
    for (size_t j = 0; j < k; j++) sum -= newton->curve[k][j] * step[j];
    step[k] = sum / newton->curve[k][k];
  }
  for (size_t k = size; k-- > 0;) {
    double sum = step[k];
    for (size_t j = k + 1; j < size; j++) sum -= newton->curve[j][k] * step[j];
    step[k] = sum / newton->curve[k][k];
  }
}

static bool is_flat(const struct newton *newton, double most) {
  for (size_t k = 0; k < newton->size; k++)
    if (fabs(newton->slope[k]) > most * newton->model->rows) return false;
  return true;
}

// Goes along the step, halved until the objective falls. Next to the optimum a step changes it by less than rounding
// shows; the whole step counts there. False where nothing falls any more.
static bool go(const struct newton *newton, const double *step, double *at, double *objective) {
  double tried[SIDES_MAX], by = 1;
  for (int i = 0; i < HALVINGS; i++) {
    for (size_t k = 0; k < newton->size; k++) tried[k] = at[k] - by * step[k];
    by /= 2;
    double found = objective_at(newton, tried);
    if (!(found < *objective) && !(i == 0 && found - *objective <= ROUNDING * *objective)) continue;
    memcpy(at, tried, newton->size * sizeof *at);
    *objective = found;
    return true;
  }
  return false;
}

static enum err descend(struct newton *newton, struct logistic *model, double *at, logistic_go_on_fn *go_on,
                        void *context, struct diag *diag) {
  double objective = objective_at(newton, at), step[SIDES_MAX];
  model->outcome = LOGISTIC_STOPPED;
  for (model->steps = 0; model->steps < STEPS_MAX; model->steps++) {
    if (go_on != NULL && !go_on(context)) return diag_set(diag, ERR_STOPPED, "stopped", "stopped while learning");
    differentiate(newton, at);
    bool flat = is_flat(newton, FLAT);
    solve(newton, step);
    // Where it is flat one step more costs little and gives the digits that are left.
    bool moved = go(newton, step, at, &objective);
    if (!flat && moved) continue;
    if (flat || is_flat(newton, FLAT_ENOUGH)) model->outcome = LOGISTIC_CONVERGED;
    break;
  }
  return ERR_OK;
}

enum err logistic_fit(const struct logistic_rows *rows, double penalty, logistic_go_on_fn *go_on, void *context,
                      struct logistic *model, struct diag *diag) {
  double at[SIDES_MAX] = {0};
  *model = (struct logistic){.columns = rows->columns, .calibration_slope = 1};
  enum err err = check_rows(rows, penalty, diag);
  if (err != ERR_OK) return err;
  standardise(rows, model);
  double no = model->rows - model->yes;
  at[0] = log((model->yes + 0.5) / (no + 0.5));
  model->outcome = LOGISTIC_ONE_LABEL;
  struct newton *newton = alloc_zero(1, sizeof *newton);
  if (newton == NULL) return diag_no_memory(diag);
  newton->rows = rows;
  newton->model = model;
  newton->penalty = penalty;
  newton->size = rows->columns + 1;
  if (model->yes > 0 && no > 0) err = descend(newton, model, at, go_on, context, diag);
  model->intercept = at[0];
  memcpy(model->coefficients, at + 1, rows->columns * sizeof *at);
  model->log_likelihood = -loss_at(newton, at);
  alloc_free(newton);
  return err;
}

// --- scores --------------------------------------------------------------------------------------------------

double logistic_score(const struct logistic *model, const double *values) {
  double row[SIDES_MAX];
  read_row(model, values, row);
  return model->intercept + dot(model->coefficients, row + 1, model->columns);
}

static double clamp(double share) {
  static const double least = 1e-12;
  return share < least ? least : share > 1 - least ? 1 - least : share;
}

double logistic_probability(const struct logistic *model, const double *values) {
  double score = logistic_score(model, values);
  return clamp(sigmoid(model->calibration_intercept + model->calibration_slope * score));
}

enum err logistic_calibrate(struct logistic *model, const struct logistic_rows *rows, double least, struct diag *diag) {
  struct logistic second;
  double yes = 0, all = 0;
  for (size_t i = 0; i < rows->count; i++) {
    all += weight_of(rows, i);
    yes += rows->labels[i] ? weight_of(rows, i) : 0;
  }
  if (model->outcome == LOGISTIC_ONE_LABEL || yes < least || all - yes < least) return ERR_OK;
  double *scores = alloc_zero(rows->count, sizeof *scores);
  if (scores == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < rows->count; i++) scores[i] = logistic_score(model, rows->values + i * rows->columns);
  struct logistic_rows of_scores = {scores, rows->labels, rows->weights, rows->count, 1};
  enum err err = logistic_fit(&of_scores, 1e-3, NULL, NULL, &second, diag);
  alloc_free(scores);
  if (err != ERR_OK || second.scale[0] == 0 || second.coefficients[0] <= 0) return err;
  model->calibration_slope = second.coefficients[0] / second.scale[0];
  model->calibration_intercept = second.intercept - model->calibration_slope * second.mean[0];
  return ERR_OK;
}

// --- quality -------------------------------------------------------------------------------------------------

struct said {
  double probability, weight;
  uint8_t label;
};

static int by_probability(const void *left, const void *right) {
  const struct said *a = left, *b = right;
  int order = (a->probability > b->probability) - (a->probability < b->probability);
  if (order == 0) order = (a->label > b->label) - (a->label < b->label);
  return order != 0 ? order : (a->weight > b->weight) - (a->weight < b->weight);
}

// Mann and Whitney: each yes is above the noes before it, and above half of those that are told the same.
static double area(const struct said *said, size_t count) {
  double noes = 0, yeses = 0, above = 0;
  for (size_t begin = 0, end = 0; begin < count; begin = end) {
    double no = 0, yes = 0;
    for (; end < count && said[end].probability == said[begin].probability; end++)
      *(said[end].label ? &yes : &no) += said[end].weight;
    above += yes * (noes + no / 2);
    noes += no;
    yeses += yes;
  }
  return noes > 0 && yeses > 0 ? above / noes / yeses : NAN;
}

static void fill_bins(const struct said *said, size_t count, struct logistic_quality *quality) {
  for (size_t i = 0; i < count; i++) {
    struct logistic_bin *bin = &quality->bins[i * LOGISTIC_BINS / count];
    bin->rows += said[i].weight;
    bin->yes += said[i].label ? said[i].weight : 0;
    bin->probability += (said[i].probability - bin->probability) * (said[i].weight / bin->rows);
  }
}

static void sum_losses(const struct said *said, size_t count, struct logistic_quality *quality) {
  double loss = 0, brier = 0;
  for (size_t i = 0; i < count; i++) {
    double away = said[i].probability - said[i].label;
    loss -= said[i].weight * log(said[i].label ? said[i].probability : 1 - said[i].probability);
    brier += said[i].weight * away * away;
    quality->rows += said[i].weight;
    quality->yes += said[i].label ? said[i].weight : 0;
  }
  double share = quality->yes / quality->rows;
  quality->log_loss = loss / quality->rows;
  quality->brier = brier / quality->rows;
  quality->base_log_loss = share > 0 && share < 1 ? -share * log(share) - (1 - share) * log(1 - share) : 0;
}

enum err logistic_assess(const struct logistic *model, const struct logistic_rows *rows,
                         struct logistic_quality *quality, struct diag *diag) {
  *quality = (struct logistic_quality){.auc = NAN, .log_loss = NAN, .brier = NAN, .base_log_loss = NAN};
  if (rows->count == 0) return ERR_OK;
  struct said *said = alloc_zero(rows->count, sizeof *said);
  if (said == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < rows->count; i++)
    said[i] = (struct said){logistic_probability(model, rows->values + i * rows->columns), weight_of(rows, i),
                            rows->labels[i]};
  qsort(said, rows->count, sizeof *said, by_probability);
  sum_losses(said, rows->count, quality);
  quality->auc = area(said, rows->count);
  fill_bins(said, rows->count, quality);
  alloc_free(said);
  return ERR_OK;
}
