// clv_bgbb: BG/BB (Fader, Hardie and Shang 2010): occasions that are taken or not, counted.
//
// With S(c, n) = Γ(c + n) / Γ(c), the likelihood of x of n occasions taken, the last at m, is
//   S(α, x) S(β, n - x) / S(α + β, n)  S(δ, n) / S(γ + δ, n)
//   + sum over i = 0 .. n - m - 1 of  S(α, x) S(β, m - x + i) / S(α + β, m + i)  γ S(δ, m + i) / S(γ + δ, m + i + 1)
// and a term of the sum follows from the one before it by two fractions.
#include <math.h>

#include "scoring/clv_private.h"
#include "scoring/special.h"

enum { ALPHA, BETA, GAMMA, DELTA };

static double log_here(const double *parameters, const struct clv_history *history) {
  double x = history->frequency, n = history->age;
  return special_log_rising(parameters[ALPHA], x) + special_log_rising(parameters[BETA], n - x) -
         special_log_rising(parameters[ALPHA] + parameters[BETA], n) + special_log_rising(parameters[DELTA], n) -
         special_log_rising(parameters[GAMMA] + parameters[DELTA], n);
}

static double log_gone(const double *parameters, const struct clv_history *history) {
  double x = history->frequency, m = history->recency, sum = 0, term = 1;
  double both = parameters[ALPHA] + parameters[BETA], leave = parameters[GAMMA] + parameters[DELTA];
  int rest = (int)(history->age - m);
  for (int i = 0; i < rest; i++) {
    sum += term;
    term *= (parameters[BETA] + m - x + i) / (both + m + i) * ((parameters[DELTA] + m + i) / (leave + m + i + 1));
  }
  if (sum == 0) return -INFINITY;
  return log(sum) + special_log_rising(parameters[ALPHA], x) + special_log_rising(parameters[BETA], m - x) -
         special_log_rising(both, m) + log(parameters[GAMMA]) + special_log_rising(parameters[DELTA], m) -
         special_log_rising(leave, m + 1);
}

double clv_bgbb_likelihood(const double *parameters, const struct clv_history *history) {
  return special_log_add(log_here(parameters, history), log_gone(parameters, history));
}

double clv_bgbb_objective(const void *data, const double *at, double *slope) {
  const struct clv_groups *groups = data;
  double parameters[CLV_PARAMETERS] = {exp(at[ALPHA]), exp(at[BETA]), exp(at[GAMMA]), exp(at[DELTA])};
  struct special_sum sum = {0};
  (void)slope;
  for (size_t row = 0; row < groups->count; row++) {
    struct clv_history history = clv_groups_row(groups, row);
    special_sum_add(&sum, history.weight * clv_bgbb_likelihood(parameters, &history));
  }
  return -special_sum_total(&sum) / groups->customers;
}

double clv_bgbb_alive(const double *parameters, const struct clv_history *history) {
  double n = history->age;
  // Here at the last occasion; and not gone before the next.
  double next = (parameters[DELTA] + n) / (parameters[GAMMA] + parameters[DELTA] + n);
  return next * exp(log_here(parameters, history) - clv_bgbb_likelihood(parameters, history));
}

// The occasions still lived to among the next `count` ones, of somebody who lived to the n-th; the last in part. After
// CLV_OCCASIONS_MAX more nothing is added.
static double lived_occasions(const double *parameters, double n, double count) {
  double lives = 1, sum = 0;
  for (int j = 0; j < count && j < CLV_OCCASIONS_MAX; j++) {
    lives *= (parameters[DELTA] + n + j) / (parameters[GAMMA] + parameters[DELTA] + n + j);
    sum += count - j < 1 ? lives * (count - j) : lives;
  }
  return sum;
}

double clv_bgbb_orders(const double *parameters, const struct clv_history *history, double horizon) {
  double lived = exp(log_here(parameters, history) - clv_bgbb_likelihood(parameters, history));
  double takes = (parameters[ALPHA] + history->frequency) / (parameters[ALPHA] + parameters[BETA] + history->age);
  return lived * takes * lived_occasions(parameters, history->age, horizon);
}

double clv_bgbb_orders_of_new(const double *parameters, double occasions) {
  return parameters[ALPHA] / (parameters[ALPHA] + parameters[BETA]) * lived_occasions(parameters, 0, occasions);
}
