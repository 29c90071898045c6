// clv_spend: Gamma-Gamma (Fader and Hardie 2013): an order's value varies about a mean that varies between customers.
//
// The log likelihood of a mean m of x orders is
//   ln Γ(px + q) - ln Γ(px) - ln Γ(q) + q ln v + (px - 1) ln m + px ln x - (px + q) ln(x m + v)
// A customer's expected order is (v + x m) p / (px + q - 1): between her mean and everybody's, p v / (q - 1).
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "scoring/clv_private.h"
#include "scoring/special.h"

enum { P, Q, V, STEPS_MAX = 400, FEW_ROWS = 10000 };

// Different means: sorted by frequency, so that what depends on it is computed once.
struct rows {
  const struct clv_spend *items;
  const double *logs; // of each mean
  size_t count;
  double customers, scale; // v is in units of the mean of means
};

const char *clv_spend_parameter_name(int index) {
  static const char *const names[CLV_SPEND_PARAMETERS] = {"p", "q", "v"};
  return names[index];
}

static int by_spend(const void *left, const void *right) {
  const struct clv_spend *a = left, *b = right;
  int order = (a->frequency > b->frequency) - (a->frequency < b->frequency);
  if (order == 0) order = (a->mean > b->mean) - (a->mean < b->mean);
  return order != 0 ? order : (a->weight > b->weight) - (a->weight < b->weight);
}

static size_t merge_equal(struct clv_spend *sorted, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (kept > 0 && sorted[kept - 1].frequency == sorted[i].frequency && sorted[kept - 1].mean == sorted[i].mean)
      sorted[kept - 1].weight += sorted[i].weight;
    else
      sorted[kept++] = sorted[i];
  }
  return kept;
}

// What depends on the frequency alone.
struct part {
  double x, log_x, px, front, rise_by_p, rise_by_q;
};

static struct part part_of(double x, double p, double q) {
  struct part part = {.x = x, .log_x = log(x), .px = p * x};
  part.front = special_log_rising(part.px, q) + part.px * part.log_x;
  part.rise_by_p = special_digamma_rise(part.px, q);
  part.rise_by_q = special_digamma(part.px + q);
  return part;
}

static double objective(const void *data, const double *at, double *slope) {
  const struct rows *rows = data;
  double p = exp(at[P]), q = exp(at[Q]), v = rows->scale * exp(at[V]), log_v = log(v);
  double fixed = q * log_v - special_log_gamma(q), fixed_by_q = log_v - special_digamma(q);
  struct special_sum value = {0}, by_p = {0}, by_q = {0}, by_v = {0};
  struct part part = {0};
  for (size_t i = 0; i < rows->count; i++) {
    const struct clv_spend *row = &rows->items[i];
    if (row->frequency != part.x) part = part_of(row->frequency, p, q);
    double all = part.x * row->mean + v, log_all = log(all), log_mean = rows->logs[i];
    special_sum_add(&value, row->weight * (part.front + fixed + (part.px - 1) * log_mean - (part.px + q) * log_all));
    special_sum_add(&by_p, row->weight * part.x * (part.rise_by_p + part.log_x + log_mean - log_all));
    special_sum_add(&by_q, row->weight * (part.rise_by_q + fixed_by_q - log_all));
    special_sum_add(&by_v, row->weight * (q / v - (part.px + q) / all));
  }
  if (slope != NULL) {
    slope[P] = -special_sum_total(&by_p) * p / rows->customers;
    slope[Q] = -special_sum_total(&by_q) * q / rows->customers;
    slope[V] = -special_sum_total(&by_v) * v / rows->customers;
  }
  return -special_sum_total(&value) / rows->customers;
}

// Pearson's, of weighted customers.
static double correlation(const struct rows *rows) {
  struct special_sum xs = {0}, ms = {0}, xx = {0}, mm = {0}, xm = {0};
  for (size_t i = 0; i < rows->count; i++) {
    special_sum_add(&xs, rows->items[i].weight * rows->items[i].frequency);
    special_sum_add(&ms, rows->items[i].weight * rows->items[i].mean);
  }
  double x_mean = special_sum_total(&xs) / rows->customers, m_mean = special_sum_total(&ms) / rows->customers;
  for (size_t i = 0; i < rows->count; i++) {
    double x = rows->items[i].frequency - x_mean, m = rows->items[i].mean - m_mean, weight = rows->items[i].weight;
    special_sum_add(&xx, weight * x * x);
    special_sum_add(&mm, weight * m * m);
    special_sum_add(&xm, weight * x * m);
  }
  double both = sqrt(special_sum_total(&xx) * special_sum_total(&mm));
  return both > 0 ? special_sum_total(&xm) / both : 0;
}

static enum err check_all(const struct clv_spend *spends, size_t count, struct diag *diag) {
  if (count == 0)
    return diag_set(diag, ERR_INVALID, "no_customers", "nobody has ordered twice: there are no means to fit to");
  for (size_t i = 0; i < count; i++) {
    const struct clv_spend *spend = &spends[i];
    if (isfinite(spend->frequency) && spend->frequency > 0 && isfinite(spend->mean) && spend->mean > 0 &&
        isfinite(spend->weight) && spend->weight > 0)
      continue;
    diag_set(diag, ERR_INVALID, "bad_history", "frequency, mean and weight are above 0");
    diag_in_field(diag, "customer %zu", i + 1);
    return ERR_INVALID;
  }
  return ERR_OK;
}

static void sum_up(struct rows *rows) {
  struct special_sum customers = {0}, means = {0};
  for (size_t i = 0; i < rows->count; i++) {
    special_sum_add(&customers, rows->items[i].weight);
    special_sum_add(&means, rows->items[i].weight * rows->items[i].mean);
  }
  rows->customers = special_sum_total(&customers);
  rows->scale = special_sum_total(&means) / rows->customers;
}

// Every k-th row into `few`, whose arrays have room for them.
static void thin(const struct rows *all, struct clv_spend *items, double *logs, struct rows *few) {
  size_t every = (all->count + FEW_ROWS - 1) / FEW_ROWS;
  *few = (struct rows){.items = items, .logs = logs};
  for (size_t i = every / 2; i < all->count; i += every) {
    items[few->count] = all->items[i];
    logs[few->count++] = all->logs[i];
  }
  sum_up(few);
  few->scale = all->scale;
}

static void search_rows(const struct rows *rows, const struct rows *few, struct clv_spend_fit *fit) {
  // v makes the mean of the model that of the data: p v / (q - 1) = 1 in units of the scale.
  static const double plain[4][CLV_SPEND_PARAMETERS] = {{6, 4, 0.5}, {1, 3, 2}, {2, 2, 0.5}, {20, 10, 0.45}};
  double starts[4][CLV_PARAMETERS] = {{0}};
  struct clv_found found;
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < CLV_SPEND_PARAMETERS; j++) starts[i][j] = log(plain[i][j]);
  struct clv_search search = {.task = {.function = objective,
                                       .data = rows,
                                       .variables = CLV_SPEND_PARAMETERS,
                                       .has_slope = true,
                                       .least = -12,
                                       .most = 12,
                                       .flat = 1e-8,
                                       .steps_max = STEPS_MAX},
                              .few = few,
                              .starts = (const double(*)[CLV_PARAMETERS])starts,
                              .start_count = 4};
  clv_search_run(&search, &found);
  *fit = (struct clv_spend_fit){.p = exp(found.best.at[P]),
                                .q = exp(found.best.at[Q]),
                                .v = rows->scale * exp(found.best.at[V]),
                                .log_likelihood = -found.best.value * rows->customers,
                                .outcome = found.outcome,
                                .runaway = found.runaway,
                                .starts = 4,
                                .agreeing = found.agreeing,
                                .steps = found.best.steps,
                                .groups = rows->count,
                                .customers = rows->customers,
                                .correlation = correlation(rows)};
}

enum err clv_spend_fit(const struct clv_spend *spends, size_t count, struct clv_spend_fit *fit, struct diag *diag) {
  *fit = (struct clv_spend_fit){0};
  enum err err = check_all(spends, count, diag);
  if (err != ERR_OK) return err;
  struct clv_spend *items = alloc_zero(count, sizeof *items), *few_items = alloc_zero(FEW_ROWS + 1, sizeof *few_items);
  double *logs = alloc_zero(count, sizeof *logs), *few_logs = alloc_zero(FEW_ROWS + 1, sizeof *few_logs);
  if (items == NULL || few_items == NULL || logs == NULL || few_logs == NULL) {
    err = diag_no_memory(diag);
  } else {
    struct rows rows = {.items = items, .logs = logs}, few;
    memcpy(items, spends, count * sizeof *items);
    qsort(items, count, sizeof *items, by_spend);
    rows.count = merge_equal(items, count);
    for (size_t i = 0; i < rows.count; i++) logs[i] = log(items[i].mean);
    sum_up(&rows);
    bool thinned = rows.count > 2 * FEW_ROWS;
    if (thinned) thin(&rows, few_items, few_logs, &few);
    search_rows(&rows, thinned ? &few : NULL, fit);
    if (!isfinite(fit->log_likelihood))
      err = diag_set(diag, ERR_INVALID, "bad_history", "the model gives these means no finite likelihood");
  }
  alloc_free(items);
  alloc_free(few_items);
  alloc_free(logs);
  alloc_free(few_logs);
  return err;
}

double clv_spend_expected(const struct clv_spend_fit *fit, double frequency, double mean) {
  double below = fit->p * frequency + fit->q - 1;
  if (!(below > 0)) return NAN;
  double expected = fit->p * (fit->v + frequency * mean) / below;
  return isfinite(expected) ? expected : NAN;
}
