// clv_private: what the models give to the fit. Private to scoring/.
#pragma once

#include <stdint.h>

#include "scoring/clv.h"
#include "scoring/optimum.h"

// The different values of one of the three numbers, ascending, and room for functions of them.
struct clv_axis {
  double *values;
  size_t count;
  double *logs, *inverses; // of value + a parameter
};

// Different histories: row i is (frequencies.values[frequency[i]], …) and stands for weight[i] customers.
struct clv_groups {
  size_t count;
  uint32_t *frequency, *recency, *age;
  double *weight;
  struct clv_axis frequencies, recencies, ages;
  double *frequency_weight; // by frequency
  double customers, age_scale;
  bool modified; // MBG/NBD
};

enum err clv_groups_init(struct clv_groups *groups, const struct clv_history *histories, size_t count,
                         struct diag *diag);
void clv_groups_release(struct clv_groups *groups);

// Row `index` as a history.
struct clv_history clv_groups_row(const struct clv_groups *groups, size_t index);

// The mean of minus the log likelihood, over struct clv_groups. Variables are the logarithms of the parameters, those
// of a time in units of age_scale.
optimum_fn clv_bgnbd_objective, clv_pareto_objective, clv_bgbb_objective;

// Minus infinity where it has no finite value.
double clv_bgnbd_likelihood(const double *parameters, bool modified, const struct clv_history *history);
double clv_pareto_likelihood(const double *parameters, const struct clv_history *history);
double clv_bgbb_likelihood(const double *parameters, const struct clv_history *history);

double clv_bgnbd_alive(const double *parameters, bool modified, const struct clv_history *history);
double clv_bgnbd_orders(const double *parameters, bool modified, const struct clv_history *history, double horizon);
double clv_bgnbd_orders_of_new(const double *parameters, bool modified, double time);
double clv_bgnbd_probability(const double *parameters, bool modified, double time, unsigned count);
double clv_pareto_alive(const double *parameters, const struct clv_history *history);
double clv_pareto_orders(const double *parameters, const struct clv_history *history, double horizon);
double clv_bgbb_alive(const double *parameters, const struct clv_history *history);
double clv_bgbb_orders(const double *parameters, const struct clv_history *history, double horizon);
double clv_bgbb_orders_of_new(const double *parameters, double occasions);

// One search from several starts: on `few` first where it is not NULL, the best then on `all`.
struct clv_search {
  struct optimum_task task; // data: all
  const void *few;
  const double (*starts)[CLV_PARAMETERS];
  int start_count;
};
struct clv_found {
  struct optimum best;
  enum clv_outcome outcome;
  int runaway, agreeing;
};
void clv_search_run(const struct clv_search *search, struct clv_found *found);
