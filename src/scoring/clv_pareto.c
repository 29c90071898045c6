// clv_pareto: Pareto/NBD (Schmittlein, Morrison and Colombo 1987; Fader and Hardie 2005).
//
// The likelihood of (x, t_x, T) is
//   S(r, x) α^r β^s [ (α + T)^-(r+x) (β + T)^-s  +  s / (r + s + x) A0 ],   A0 = f(t_x) - f(T),
// f being a hypergeometric function over a power of the larger of α + t and β + t. By Euler's transformation
//   α >= β:  f(t) = (α + t)^-(r+x) (β + t)^-s  2F1(1, r + x; r + s + x + 1; (α - β) / (α + t))
//   α <  β:  f(t) = (α + t)^-(r+x-1) (β + t)^-(s+1)  2F1(1, s + 1; r + s + x + 1; (β - α) / (β + t))
// whose 2F1 lies between 1 and (r + s + x) / s or (r + s + x) / (r + x - 1) and never overflows, however often she
// bought.
#include <math.h>

#include "scoring/clv_private.h"
#include "scoring/special.h"

enum { R, ALPHA, S, BETA };

// 2F1(1, b; c; z) with b < c, 0 <= z < 1: its terms are at most those of 1 / (1 - z), and those at z = 1, where it is
// (c - 1) / (c - 1 - b) if that is positive. Far out, where parameters have run away, rounding may leave those bounds.
static double bounded_hypergeometric(double b, double c, double z) {
  double value = special_hypergeometric(1, b, c, z), most = 1 / (1 - z);
  if (c - 1 > b) most = fmin(most, (c - 1) / (c - 1 - b));
  return value >= 1 ? fmin(value, most) : value < 1 ? 1 : most;
}

static double log_f(const double *parameters, double x, double time) {
  double r = parameters[R], s = parameters[S], alpha = parameters[ALPHA], beta = parameters[BETA];
  double of_alpha = log(alpha + time), of_beta = log(beta + time);
  if (alpha >= beta)
    return log(bounded_hypergeometric(r + x, r + s + x + 1, (alpha - beta) / (alpha + time))) - (r + x) * of_alpha -
           s * of_beta;
  return log(bounded_hypergeometric(s + 1, r + s + x + 1, (beta - alpha) / (beta + time))) - (r + x - 1) * of_alpha -
         (s + 1) * of_beta;
}

// ln of the two terms in the brackets: she is still here, she has left.
static void brackets(const double *parameters, const struct clv_history *history, double *here, double *gone) {
  double x = history->frequency, r = parameters[R], s = parameters[S];
  *here = -(r + x) * log(parameters[ALPHA] + history->age) - s * log(parameters[BETA] + history->age);
  *gone = history->recency >= history->age
              ? -INFINITY
              : log(s / (r + s + x)) +
                    special_log_subtract(log_f(parameters, x, history->recency), log_f(parameters, x, history->age));
}

double clv_pareto_likelihood(const double *parameters, const struct clv_history *history) {
  double here, gone;
  brackets(parameters, history, &here, &gone);
  double value = special_log_rising(parameters[R], history->frequency) + parameters[R] * log(parameters[ALPHA]) +
                 parameters[S] * log(parameters[BETA]) + special_log_add(here, gone);
  return isfinite(value) ? value : -INFINITY;
}

double clv_pareto_objective(const void *data, const double *at, double *slope) {
  const struct clv_groups *groups = data;
  double parameters[CLV_PARAMETERS] = {exp(at[R]), groups->age_scale * exp(at[ALPHA]), exp(at[S]),
                                       groups->age_scale * exp(at[BETA])};
  struct special_sum sum = {0};
  (void)slope;
  for (size_t row = 0; row < groups->count; row++) {
    struct clv_history history = clv_groups_row(groups, row);
    special_sum_add(&sum, history.weight * clv_pareto_likelihood(parameters, &history));
  }
  return -special_sum_total(&sum) / groups->customers;
}

double clv_pareto_alive(const double *parameters, const struct clv_history *history) {
  double here, gone;
  brackets(parameters, history, &here, &gone);
  return 1 / (1 + exp(gone - here));
}

// (r / α) (β + t') / (s - 1) [1 - ((β + t') / (β + t' + t))^(s-1)] of the customer as she is known now; the quotient
// with s - 1 is a mean of a decay, which has a value at s = 1 too.
double clv_pareto_orders(const double *parameters, const struct clv_history *history, double horizon) {
  double r = parameters[R] + history->frequency, alpha = parameters[ALPHA] + history->age;
  double beta = parameters[BETA] + history->age;
  if (!(horizon > 0)) return 0;
  double growth = log1p(horizon / beta);
  double lived = beta * growth * special_decay_mean((parameters[S] - 1) * growth);
  return clv_pareto_alive(parameters, history) * r / alpha * lived;
}
