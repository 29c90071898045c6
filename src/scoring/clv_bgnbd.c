// clv_bgnbd: BG/NBD (Fader, Hardie and Lee 2005) and MBG/NBD (Batislam, Denizel and Filiztekin 2007).
//
// With k = 0 for the first and 1 for the second, and S(c, n) = Γ(c + n) / Γ(c), the likelihood of (x, t_x, T) is
//   S(r, x) α^r  S(b, x + k) / S(a + b, x + k)  [ (α + T)^-(r+x)  +  d  a / (b + x - 1 + k)  (α + t_x)^-(r+x) ]
// where d is 1 when x > 0 or k = 1. What depends on x alone is computed once a value of x, logarithms once a value of
// t_x and T, so that a row costs an exponential and a logarithm.
//
// Orders to come: alive, her rate is Gamma(r + x, α + T) and her chance to leave Beta(a, b + x + k). For such a
// customer the orders within t are, with z = t / (α + t),
//   (a + b - 1) / (a - 1) [1 - (1 - z)^r 2F1(r, b; a + b - 1; z)]
// or, by Euler's transformation of 2F1,
//   (a + b - 1) / (a - 1) [1 - (1 - z)^(a-1) 2F1(a + b - 1 - r, a - 1; a + b - 1; z)].
// Terms of the first are positive, so it is good as long as it does not grow: up to e^50, or as far as doubles reach
// where the second would grow more. The second has small parameters however often she ordered. Singularities at a = 1
// and a + b = 1 can be removed: near them a cubic through four points beside is taken. Where a and b have run away and
// neither form holds, everybody leaves with one chance p = a / (a + b): [1 - (1 + p t / α)^-r] / p.
#include <math.h>

#include "scoring/clv_private.h"
#include "scoring/special.h"

enum { R, ALPHA, A, B };

// What a row has of its frequency alone.
struct part {
  double power;          // r + x
  double left, log_left; // b + x - 1 + k, and ln a less its logarithm
  bool may_have_left;
};

static struct part part_of(const double *parameters, bool modified, double x) {
  struct part part = {.power = parameters[R] + x,
                      .left = parameters[B] + x - 1 + (modified ? 1 : 0),
                      .may_have_left = modified || x > 0};
  part.log_left = part.may_have_left ? log(parameters[A]) - log(part.left) : -INFINITY;
  return part;
}

// The factor in front of the brackets.
static double front(const double *parameters, bool modified, double x) {
  double steps = x + (modified ? 1 : 0);
  return special_log_rising(parameters[R], x) + parameters[R] * log(parameters[ALPHA]) +
         special_log_rising(parameters[B], steps) - special_log_rising(parameters[A] + parameters[B], steps);
}

static void front_slope(const double *parameters, bool modified, double x, double *slope) {
  double steps = x + (modified ? 1 : 0);
  double both = special_digamma_rise(parameters[A] + parameters[B], steps);
  slope[R] = special_digamma_rise(parameters[R], x) + log(parameters[ALPHA]);
  slope[ALPHA] = parameters[R] / parameters[ALPHA];
  slope[A] = -both;
  slope[B] = special_digamma_rise(parameters[B], steps) - both;
}

static void prepare_axis(const struct clv_axis *axis, double alpha) {
  for (size_t i = 0; i < axis->count; i++) {
    axis->logs[i] = log(alpha + axis->values[i]);
    axis->inverses[i] = 1 / (alpha + axis->values[i]);
  }
}

struct sums {
  struct special_sum value, slope[CLV_PARAMETERS];
};

// Adds one row's brackets.
static inline void add_row(const struct clv_groups *groups, size_t row, const struct part *part, struct sums *sums) {
  double weight = groups->weight[row];
  double age_log = groups->ages.logs[groups->age[row]], age_inverse = groups->ages.inverses[groups->age[row]];
  double here = -part->power * age_log, gone = 0, recency_log = 0, recency_inverse = 0;
  if (part->may_have_left) {
    recency_log = groups->recencies.logs[groups->recency[row]];
    recency_inverse = groups->recencies.inverses[groups->recency[row]];
    double odds = part->log_left + part->power * (age_log - recency_log); // ln of gone against here
    double small = exp(-fabs(odds));
    here += (odds > 0 ? odds : 0) + log(1 + small); // log1p takes four times as long for digits that the sum loses
    gone = (odds > 0 ? 1 : small) / (1 + small);
  }
  special_sum_add(&sums->value, weight * here);
  special_sum_add(&sums->slope[R], -weight * ((1 - gone) * age_log + gone * recency_log));
  special_sum_add(&sums->slope[ALPHA], -weight * part->power * ((1 - gone) * age_inverse + gone * recency_inverse));
  special_sum_add(&sums->slope[A], weight * gone);
  special_sum_add(&sums->slope[B], part->may_have_left ? -weight * gone / part->left : 0);
}

static void add_fronts(const struct clv_groups *groups, const double *parameters, struct sums *sums) {
  double slope[CLV_PARAMETERS];
  for (size_t i = 0; i < groups->frequencies.count; i++) {
    double x = groups->frequencies.values[i], weight = groups->frequency_weight[i];
    special_sum_add(&sums->value, weight * front(parameters, groups->modified, x));
    front_slope(parameters, groups->modified, x, slope);
    for (int j = 0; j < CLV_PARAMETERS; j++) special_sum_add(&sums->slope[j], weight * slope[j]);
  }
}

double clv_bgnbd_objective(const void *data, const double *at, double *slope) {
  const struct clv_groups *groups = data;
  double parameters[CLV_PARAMETERS] = {exp(at[R]), groups->age_scale * exp(at[ALPHA]), exp(at[A]), exp(at[B])};
  struct sums sums = {.value = {0}};
  struct part part = {0};
  prepare_axis(&groups->ages, parameters[ALPHA]);
  prepare_axis(&groups->recencies, parameters[ALPHA]);
  for (size_t row = 0; row < groups->count; row++) {
    if (row == 0 || groups->frequency[row] != groups->frequency[row - 1])
      part = part_of(parameters, groups->modified, groups->frequencies.values[groups->frequency[row]]);
    add_row(groups, row, &part, &sums);
  }
  // The sum over rows left the division by a to here.
  double gone = special_sum_total(&sums.slope[A]);
  sums.slope[A] = (struct special_sum){.block = gone / parameters[A]};
  add_fronts(groups, parameters, &sums);
  for (int i = 0; i < CLV_PARAMETERS && slope != NULL; i++)
    slope[i] = -special_sum_total(&sums.slope[i]) * parameters[i] / groups->customers;
  return -special_sum_total(&sums.value) / groups->customers;
}

double clv_bgnbd_likelihood(const double *parameters, bool modified, const struct clv_history *history) {
  struct part part = part_of(parameters, modified, history->frequency);
  double here = -part.power * log(parameters[ALPHA] + history->age);
  double gone = part.may_have_left ? part.log_left - part.power * log(parameters[ALPHA] + history->recency) : -INFINITY;
  return front(parameters, modified, history->frequency) + special_log_add(here, gone);
}

// --- what follows --------------------------------------------------------------------------------------------

double clv_bgnbd_alive(const double *parameters, bool modified, const struct clv_history *history) {
  struct part part = part_of(parameters, modified, history->frequency);
  if (!part.may_have_left) return 1;
  double odds =
      part.log_left + part.power * log((parameters[ALPHA] + history->age) / (parameters[ALPHA] + history->recency));
  return 1 / (1 + exp(odds));
}

// --- orders of a customer of whom Gamma(r, alpha) and Beta(a, b) are known -----------------------------------

struct shape {
  double r, alpha, a, b;
};

static const double NEAR = 2e-3; // how far from a pole the points of the cubic lie

// The value at `x` of the cubic through four points about `pole`.
static double cubic(const double values[4], double pole, double x) {
  static const double places[4] = {-2, -1, 1, 2};
  double at = (x - pole) / NEAR, sum = 0;
  for (int i = 0; i < 4; i++) {
    double share = 1;
    for (int j = 0; j < 4; j++)
      if (j != i) share *= (at - places[j]) / (places[i] - places[j]);
    sum += share * values[i];
  }
  return sum;
}

static double plain_orders(const struct shape *shape, double time) {
  double r = shape->r, a = shape->a, b = shape->b, c = a + b - 1;
  double z = time / (shape->alpha + time), growth = r * log1p(time / shape->alpha), left;
  if (growth < 50 || (a - 1 > r && growth < 600))
    left = exp(-growth) * special_hypergeometric(r, b, c, z);
  else
    left = pow(1 - z, a - 1) * special_hypergeometric(c - r, a - 1, c, z);
  double orders = c / (a - 1) * (1 - left), leaves = a / (a + b);
  if (isfinite(orders) && orders >= 0) return orders;
  return -expm1(-r * log1p(leaves * time / shape->alpha)) / leaves;
}

static double orders_beside_b(struct shape shape, double time) {
  double pole = 1 - shape.a, b = shape.b, values[4];
  if (fabs(b - pole) >= NEAR) return plain_orders(&shape, time);
  for (int i = 0; i < 4; i++) {
    shape.b = pole + (i < 2 ? i - 2 : i - 1) * NEAR;
    values[i] = plain_orders(&shape, time);
  }
  return cubic(values, pole, b);
}

static double shape_orders(struct shape shape, double time) {
  double a = shape.a, values[4];
  if (!(time > 0)) return 0;
  if (fabs(a - 1) < NEAR) {
    for (int i = 0; i < 4; i++) {
      shape.a = 1 + (i < 2 ? i - 2 : i - 1) * NEAR;
      values[i] = orders_beside_b(shape, time);
    }
    return cubic(values, 1, a);
  }
  return orders_beside_b(shape, time);
}

double clv_bgnbd_orders(const double *parameters, bool modified, const struct clv_history *history, double horizon) {
  struct shape shape = {parameters[R] + history->frequency, parameters[ALPHA] + history->age, parameters[A],
                        parameters[B] + history->frequency + (modified ? 1 : 0)};
  return clv_bgnbd_alive(parameters, modified, history) * shape_orders(shape, horizon);
}

double clv_bgnbd_orders_of_new(const double *parameters, bool modified, double time) {
  struct shape shape = {parameters[R], parameters[ALPHA], parameters[A], parameters[B] + (modified ? 1 : 0)};
  double stayed = modified ? parameters[B] / (parameters[A] + parameters[B]) : 1;
  return stayed * shape_orders(shape, time);
}

// --- how many have ordered so often --------------------------------------------------------------------------

// ln of the negative binomial probability of `count` orders within time: S(r, n) / n! (α / (α + t))^r (t / (α + t))^n.
static double log_negative_binomial(const double *parameters, double time, double count) {
  double all = log(parameters[ALPHA] + time);
  return special_log_rising(parameters[R], count) - special_log_gamma(count + 1) +
         parameters[R] * (log(parameters[ALPHA]) - all) + (count == 0 ? 0 : count * (log(time) - all));
}

// The probability of at least `count` orders of somebody who stays: the smaller side is summed.
static double at_least(const double *parameters, double time, unsigned count) {
  enum { TERMS = 100000 };
  double share = time / (parameters[ALPHA] + time), sum = 0;
  if (count == 0) return 1;
  if (count <= parameters[R] * time / parameters[ALPHA]) {
    for (unsigned n = 0; n < count; n++) sum += exp(log_negative_binomial(parameters, time, n));
    return 1 - sum;
  }
  double term = exp(log_negative_binomial(parameters, time, count));
  for (unsigned n = count; n < count + TERMS && term > 1e-18 * sum; n++) {
    sum += term;
    term *= (parameters[R] + n) / (n + 1) * share;
  }
  return sum;
}

double clv_bgnbd_probability(const double *parameters, bool modified, double time, unsigned count) {
  double steps = count + (modified ? 1 : 0), both = parameters[A] + parameters[B];
  if (!(time > 0)) return count == 0 ? 1 : 0;
  double stays = special_log_rising(parameters[B], steps) - special_log_rising(both, steps);
  double probability = exp(stays + log_negative_binomial(parameters, time, count));
  if (count == 0 && !modified) return probability;
  // She left at her last order: B(a + 1, b + steps - 1) / B(a, b).
  double leaves = log(parameters[A]) + special_log_rising(parameters[B], steps - 1) - special_log_rising(both, steps);
  return probability + exp(leaves) * at_least(parameters, time, count);
}
