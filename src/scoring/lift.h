// lift: what a campaign did beyond what would have happened, by a control group that was left alone.
//
// Layer 5. Pure. Customers are compared by the group they were assigned to, whether or not they were reached. Groups
// are gathered value by value in one pass, in the order given. Intervals are of the normal distribution: groups of some
// hundreds and more. docs/methods.md has the formulas. Threads: one group, one thread.
#pragma once

#include <stdbool.h>

#include "base/diag.h"

struct lift_group {
  double customers;
  double mean, squares;               // of the values; sum of squared distances to the mean
  double before_mean, before_squares; // of what each had before the campaign
  double cross;                       // sum of products of both distances
};

// One customer more. `value`: revenue, or 1 and 0 for whether she bought; `before`: the same before the campaign, 0
// when it is not known.
void lift_add(struct lift_group *group, double value, double before);

// A group of which only is known that `chosen` of `customers` bought: as of lift_add with so many 1, and 0 for the
// rest.
void lift_take_share(struct lift_group *group, double customers, double chosen);

struct lift {
  double treated_mean, control_mean;
  double difference, standard_error; // of the means; adjusted with CUPED
  double low, high;                  // the interval of the difference
  double relative;                   // difference over the control's mean; NaN where that is 0
  double incremental;                // difference times the treated customers
  double p_value;                    // of no difference, two-sided
  double theta;                      // of CUPED: how much a unit before counts; 0 without
  double explained;                  // the share of the variance that CUPED takes away
};

// Compares at `confidence`, such as 0.95. `cuped`: what differed already before is taken off (Deng, Xu, Kohavi and
// Walker 2013). ERR_INVALID codes "bad_confidence", "too_few" (less than 2 in a group).
enum err lift_compare(const struct lift_group *treated, const struct lift_group *control, double confidence, bool cuped,
                      struct lift *lift, struct diag *diag);

// How many treated customers show a difference of `difference` with probability `power`, at `confidence`, when values
// vary by `variance` and there are `ratio` customers in control for each. ERR_INVALID code "bad_plan".
enum err lift_sample(double variance, double difference, double ratio, double confidence, double power,
                     double *customers, struct diag *diag);

// The number below which a standard normal variable stays with `probability`, in (0, 1).
double lift_normal_quantile(double probability);
