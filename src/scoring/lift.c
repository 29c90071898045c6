// lift: Welford's running means, so that a million equal amounts do not lose the differences; Welch's standard error.
#include "scoring/lift.h"

#include <math.h>

void lift_add(struct lift_group *group, double value, double before) {
  group->customers++;
  double away = value - group->mean, before_away = before - group->before_mean;
  group->mean += away / group->customers;
  group->before_mean += before_away / group->customers;
  group->squares += away * (value - group->mean);
  group->before_squares += before_away * (before - group->before_mean);
  group->cross += away * (before - group->before_mean);
}

void lift_take_share(struct lift_group *group, double customers, double chosen) {
  double share = chosen / customers;
  *group = (struct lift_group){.customers = customers, .mean = share, .squares = chosen * (1 - share)};
}

static double normal_above(double x) {
  return erfc(x / sqrt(2)) / 2;
}

// Newton's steps on the tail from a start by its logarithm; the tail is smooth and falling, and the start is close.
double lift_normal_quantile(double probability) {
  enum { STEPS = 60 };
  if (!(probability > 0 && probability < 1)) return NAN;
  if (probability < 0.5) return -lift_normal_quantile(1 - probability);
  double tail = 1 - probability, x = probability == 0.5 ? 0 : sqrt(-2 * log(2 * tail)) * 0.8;
  for (int i = 0; i < STEPS; i++) {
    double density = exp(-x * x / 2) / sqrt(2 * M_PI), by = (normal_above(x) - tail) / density;
    if (fabs(by) > 1) by = by > 0 ? 1 : -1;
    x += by;
    if (fabs(by) < 1e-15 * (1 + x)) break;
  }
  return x;
}

// Variance of the mean of value - theta * before.
static double mean_variance(const struct lift_group *group, double theta) {
  double squares = group->squares - 2 * theta * group->cross + theta * theta * group->before_squares;
  return fmax(squares, 0) / (group->customers - 1) / group->customers;
}

enum err lift_compare(const struct lift_group *treated, const struct lift_group *control, double confidence, bool cuped,
                      struct lift *lift, struct diag *diag) {
  if (!(confidence > 0 && confidence < 1))
    return diag_set(diag, ERR_INVALID, "bad_confidence", "the confidence lies between 0 and 1, such as 0.95");
  if (treated->customers < 2 || control->customers < 2)
    return diag_set(diag, ERR_INVALID, "too_few", "each of the groups needs two customers or more");
  double before = treated->before_squares + control->before_squares;
  double theta = cuped && before > 0 ? (treated->cross + control->cross) / before : 0;
  double plain = mean_variance(treated, 0) + mean_variance(control, 0);
  double variance = mean_variance(treated, theta) + mean_variance(control, theta);
  *lift = (struct lift){.treated_mean = treated->mean, .control_mean = control->mean, .theta = theta};
  lift->difference = treated->mean - control->mean - theta * (treated->before_mean - control->before_mean);
  lift->standard_error = sqrt(variance);
  double reach = lift_normal_quantile((1 + confidence) / 2) * lift->standard_error;
  lift->low = lift->difference - reach;
  lift->high = lift->difference + reach;
  lift->relative = control->mean != 0 ? lift->difference / control->mean : NAN;
  lift->incremental = lift->difference * treated->customers;
  lift->explained = plain > 0 ? 1 - variance / plain : 0;
  if (variance > 0)
    lift->p_value = 2 * normal_above(fabs(lift->difference) / lift->standard_error);
  else
    lift->p_value = lift->difference == 0 ? 1 : 0;
  return ERR_OK;
}

enum err lift_sample(double variance, double difference, double ratio, double confidence, double power,
                     double *customers, struct diag *diag) {
  if (!(variance >= 0 && isfinite(variance)) || !(fabs(difference) > 0) || !(ratio > 0) ||
      !(confidence > 0 && confidence < 1) || !(power > 0 && power < 1))
    return diag_set(
        diag, ERR_INVALID, "bad_plan",
        "the variance is 0 or more, the difference is not 0, the ratio is above 0, confidence and power lie "
        "between 0 and 1");
  double reach = lift_normal_quantile((1 + confidence) / 2) + lift_normal_quantile(power);
  *customers = ceil(reach * reach * variance * (1 + 1 / ratio) / (difference * difference));
  return ERR_OK;
}
