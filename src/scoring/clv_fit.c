// clv_fit: a model's maximum likelihood, and the one door to the four models.
//
// The likelihoods of these models have one top, most often, and long ridges leading to it; a start on the wrong side of
// a ridge costs hundreds of steps. So several starts go down on a thinned set, every k-th of the different histories,
// and only the best goes on over all. Variables are logarithms in units of the data's own time, inside a box of e^-12
// to e^12: what comes near its sides runs away, which is said and not hidden.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "scoring/clv_private.h"
#include "scoring/special.h"

enum { STEPS_MAX = 400, FEW_ROWS = 10000 };

static const double SIDE = 12;          // of the box
static const double RUNAWAY = 9.2;      // e^9.2 is about 10,000
static const double FLAT = 1e-8;        // slope of the mean log likelihood along the logarithm of a parameter
static const double FLAT_ENOUGH = 1e-6; // with central differences, and where rounding ends it
static const double SAME = 1e-6;        // of log likelihoods of a mean customer

struct model {
  const char *name;
  const char *parameters[CLV_PARAMETERS];
  bool is_time[CLV_PARAMETERS]; // in units of time
  optimum_fn *objective;
  bool has_slope, modified;
};

static const struct model models[CLV_MODELS] = {
    [CLV_BGNBD] = {"bgnbd", {"r", "alpha", "a", "b"}, {false, true}, clv_bgnbd_objective, true, false},
    [CLV_MBGNBD] = {"mbgnbd", {"r", "alpha", "a", "b"}, {false, true}, clv_bgnbd_objective, true, true},
    [CLV_PARETO_NBD] =
        {"pareto_nbd", {"r", "alpha", "s", "beta"}, {false, true, false, true}, clv_pareto_objective, false, false},
    [CLV_BGBB] = {"bgbb", {"alpha", "beta", "gamma", "delta"}, {false}, clv_bgbb_objective, false, false},
};

const char *clv_model_name(enum clv_model model) {
  return models[model].name;
}

const char *clv_parameter_name(enum clv_model model, int index) {
  return models[model].parameters[index];
}

// --- what may be fitted --------------------------------------------------------------------------------------

enum err clv_check(enum clv_model model, const struct clv_history *history, struct diag *diag) {
  double x = history->frequency, recency = history->recency, age = history->age;
  const char *wrong = NULL;
  if (!isfinite(x) || x < 0 || x != floor(x))
    wrong = "the frequency is a whole number of orders, 0 or more";
  else if (x > 1e9)
    wrong = "the frequency is at most 1,000,000,000";
  else if (!isfinite(age) || age < 0 || age > 1e9)
    wrong = "the age, T, is 0 or more and at most 1,000,000,000";
  else if (!isfinite(recency) || recency < 0 || recency > age)
    wrong = "the recency lies between 0 and the age, T: it is the time from the first order to the last";
  else if (x == 0 && recency != 0)
    wrong = "without a repeated order the recency is 0";
  else if (!isfinite(history->weight) || history->weight <= 0)
    wrong = "the weight is above 0";
  else if (model == CLV_BGBB && (age != floor(age) || recency != floor(recency) || age > CLV_OCCASIONS_MAX))
    wrong = "of BG/BB recency and age are whole numbers of occasions, 10,000 at most";
  else if (model == CLV_BGBB && (x > recency || (x > 0) != (recency > 0)))
    wrong = "of BG/BB the frequency is at most the last occasion that was taken";
  return wrong == NULL ? ERR_OK : diag_set(diag, ERR_INVALID, "bad_history", "%s", wrong);
}

static enum err check_all(enum clv_model model, const struct clv_history *histories, size_t count, struct diag *diag) {
  if (count == 0) return diag_set(diag, ERR_INVALID, "no_customers", "there is no customer to fit a model to");
  for (size_t i = 0; i < count; i++) {
    enum err err = clv_check(model, &histories[i], diag);
    if (err == ERR_OK) continue;
    diag_in_field(diag, "customer %zu", i + 1);
    return err;
  }
  return ERR_OK;
}

// --- the search ----------------------------------------------------------------------------------------------

static void try_starts(const struct clv_search *search, struct optimum *best, int *agreeing) {
  struct optimum_task task = search->task;
  struct optimum found;
  if (search->few != NULL) task.data = search->few;
  *best = (struct optimum){.value = INFINITY};
  *agreeing = 0;
  for (int i = 0; i < search->start_count; i++) {
    optimum_find(&task, search->starts[i], &found);
    if (!isfinite(found.value)) continue;
    if (fabs(found.value - best->value) <= SAME)
      ++*agreeing;
    else if (found.value < best->value)
      *agreeing = 1;
    if (found.value < best->value) *best = found;
  }
}

void clv_search_run(const struct clv_search *search, struct clv_found *found) {
  struct optimum best;
  *found = (struct clv_found){.outcome = CLV_STOPPED, .runaway = -1};
  try_starts(search, &best, &found->agreeing);
  found->best = best;
  if (search->few != NULL && isfinite(best.value)) optimum_find(&search->task, best.at, &found->best);
  if (found->best.steepest <= (search->task.has_slope ? FLAT_ENOUGH : 10 * FLAT_ENOUGH)) found->outcome = CLV_CONVERGED;
  double furthest = RUNAWAY;
  for (int i = 0; i < search->task.variables; i++) {
    if (fabs(found->best.at[i]) <= furthest) continue;
    furthest = fabs(found->best.at[i]);
    found->outcome = CLV_RUNAWAY;
    found->runaway = i;
  }
}

// Every k-th row, so that some FEW_ROWS are left.
static enum err thin(const struct clv_groups *all, struct clv_groups *few, struct diag *diag) {
  size_t every = (all->count + FEW_ROWS - 1) / FEW_ROWS, count = 0;
  struct clv_history *rows = alloc_zero(all->count / every + 1, sizeof *rows);
  if (rows == NULL) return diag_no_memory(diag);
  for (size_t i = every / 2; i < all->count; i += every) rows[count++] = clv_groups_row(all, i);
  enum err err = clv_groups_init(few, rows, count, diag);
  few->modified = all->modified;
  // The unit of time is one, so that a place found on a few is the same place on all.
  few->age_scale = all->age_scale;
  alloc_free(rows);
  return err;
}

// Rates about that of the data, sure to stay or sure to leave.
static void make_starts(const struct model *model, const struct clv_groups *groups, double starts[4][CLV_PARAMETERS]) {
  static const double plain[4][CLV_PARAMETERS] = {{0.5, 0.5, 1, 2.5}, {1, 1, 1, 1}, {3, 3, 0.3, 3}, {0.25, 0.25, 3, 8}};
  static const double pareto[4][CLV_PARAMETERS] = {
      {0.5, 0.5, 0.5, 0.5}, {1, 1, 1, 1}, {3, 3, 0.3, 3}, {0.25, 0.25, 1, 4}};
  static const double occasions[4][CLV_PARAMETERS] = {{1, 1, 1, 3}, {0.5, 0.5, 0.5, 2}, {3, 1, 1, 9}, {1, 3, 0.3, 3}};
  struct special_sum orders = {0};
  for (size_t i = 0; i < groups->frequencies.count; i++)
    special_sum_add(&orders, groups->frequencies.values[i] * groups->frequency_weight[i]);
  double mean = special_sum_total(&orders) / groups->customers; // repeated orders in the mean age
  const double(*table)[CLV_PARAMETERS] = model == &models[CLV_BGBB]         ? occasions
                                         : model == &models[CLV_PARETO_NBD] ? pareto
                                                                            : plain;
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < CLV_PARAMETERS; j++) starts[i][j] = log(table[i][j]);
    if (model->is_time[1]) starts[i][1] -= log(fmin(fmax(mean, 1e-3), 1e3));
  }
}

static void report(const struct clv_groups *groups, const struct model *model, const struct clv_found *found,
                   struct clv_fit *fit) {
  for (int i = 0; i < CLV_PARAMETERS; i++)
    fit->parameters[i] = exp(found->best.at[i]) * (model->is_time[i] ? groups->age_scale : 1);
  fit->log_likelihood = -found->best.value * groups->customers;
  fit->outcome = found->outcome;
  fit->runaway = found->runaway;
  fit->agreeing = found->agreeing;
  fit->steps = found->best.steps;
  fit->groups = groups->count;
  fit->customers = groups->customers;
}

static enum err search_groups(const struct model *model, const struct clv_groups *groups, struct clv_fit *fit,
                              struct diag *diag) {
  struct clv_groups few = {0};
  struct clv_found found;
  double starts[4][CLV_PARAMETERS];
  bool thinned = groups->count > 2 * FEW_ROWS;
  enum err err = thinned ? thin(groups, &few, diag) : ERR_OK;
  struct clv_search search = {.task = {.function = model->objective,
                                       .data = groups,
                                       .variables = CLV_PARAMETERS,
                                       .has_slope = model->has_slope,
                                       .least = -SIDE,
                                       .most = SIDE,
                                       .flat = FLAT,
                                       .steps_max = STEPS_MAX},
                              .few = thinned ? &few : NULL,
                              .starts = (const double(*)[CLV_PARAMETERS])starts,
                              .start_count = 4};
  if (!model->has_slope) search.task.flat = FLAT_ENOUGH;
  if (err == ERR_OK) {
    make_starts(model, groups, starts);
    clv_search_run(&search, &found);
    fit->starts = search.start_count;
    report(groups, model, &found, fit);
    if (!isfinite(fit->log_likelihood))
      err = diag_set(diag, ERR_INVALID, "bad_history", "the model gives these customers no finite likelihood");
  }
  clv_groups_release(&few);
  return err;
}

enum err clv_fit(enum clv_model model, const struct clv_history *histories, size_t count, struct clv_fit *fit,
                 struct diag *diag) {
  struct clv_groups groups;
  *fit = (struct clv_fit){.model = model};
  enum err err = check_all(model, histories, count, diag);
  if (err != ERR_OK) return err;
  err = clv_groups_init(&groups, histories, count, diag);
  groups.modified = models[model].modified;
  if (err == ERR_OK && groups.frequencies.count == 1 && groups.frequencies.values[0] == 0)
    err = diag_set(diag, ERR_INVALID, "no_repeats", "nobody has ordered a second time: there is nothing to fit to");
  else if (err == ERR_OK && !(groups.age_scale > 0))
    err =
        diag_set(diag, ERR_INVALID, "no_customers", "no time has passed for any customer: there is nothing to fit to");
  if (err == ERR_OK) err = search_groups(&models[model], &groups, fit, diag);
  clv_groups_release(&groups);
  return err;
}

// --- what a fit says -----------------------------------------------------------------------------------------

// Rounding may bring what cannot be below 0 there, and where no digit is left there is no number.
static double positive(double number) {
  return number > 0 && isfinite(number) ? number : 0;
}

double clv_log_likelihood(const struct clv_fit *fit, const struct clv_history *history) {
  if (fit->model == CLV_PARETO_NBD) return clv_pareto_likelihood(fit->parameters, history);
  if (fit->model == CLV_BGBB) return clv_bgbb_likelihood(fit->parameters, history);
  return clv_bgnbd_likelihood(fit->parameters, models[fit->model].modified, history);
}

double clv_alive(const struct clv_fit *fit, const struct clv_history *history) {
  double alive = fit->model == CLV_PARETO_NBD ? clv_pareto_alive(fit->parameters, history)
                 : fit->model == CLV_BGBB     ? clv_bgbb_alive(fit->parameters, history)
                                              : clv_bgnbd_alive(fit->parameters, models[fit->model].modified, history);
  return fmin(positive(alive), 1);
}

double clv_orders(const struct clv_fit *fit, const struct clv_history *history, double horizon) {
  double orders = fit->model == CLV_PARETO_NBD ? clv_pareto_orders(fit->parameters, history, horizon)
                  : fit->model == CLV_BGBB
                      ? clv_bgbb_orders(fit->parameters, history, horizon)
                      : clv_bgnbd_orders(fit->parameters, models[fit->model].modified, history, horizon);
  return positive(orders);
}

double clv_orders_of_new(const struct clv_fit *fit, double time) {
  static const struct clv_history nothing = {.weight = 1};
  if (fit->model == CLV_BGBB) return positive(clv_bgbb_orders_of_new(fit->parameters, time));
  if (fit->model == CLV_PARETO_NBD) return positive(clv_pareto_orders(fit->parameters, &nothing, time));
  return positive(clv_bgnbd_orders_of_new(fit->parameters, models[fit->model].modified, time));
}

double clv_probability(const struct clv_fit *fit, double time, unsigned count) {
  if (fit->model != CLV_BGNBD && fit->model != CLV_MBGNBD) return NAN;
  return fmin(positive(clv_bgnbd_probability(fit->parameters, models[fit->model].modified, time, count)), 1);
}

double clv_value(const struct clv_fit *fit, const struct clv_history *history, double worth, double horizon,
                 double step, double rate) {
  enum { VALUE_STEPS_MAX = 1000000 };
  double value = 0, before = 0;
  if (rate == 0 || !(step > 0)) return positive(clv_orders(fit, history, horizon) * worth);
  for (int i = 1; i <= VALUE_STEPS_MAX && (i - 1) * step < horizon; i++) {
    double until = fmin(i * step, horizon), orders = clv_orders(fit, history, until);
    value += (orders - before) * worth / pow(1 + rate, until / step);
    before = orders;
  }
  return positive(value);
}
