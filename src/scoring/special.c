// special: each function by the formula that keeps its digits.
//
// 2F1. For z in [0, 0.998] the series itself, some 20,000 terms at most; a negative z goes to z / (z - 1) in [0, 1)
// (Abramowitz and Stegun 15.3.4), with the larger of a and b kept out of the transformed pair, so that the terms stay
// small. Between 0.998 and 1 the function is continued: value and slope at a point give all Taylor coefficients there
// by the recurrence of z (1 - z) y'' + (c - (a + b + 1) z) y' = a b y, and a step goes half of the way to 1, which is
// half of the radius of convergence. That needs no case distinctions of c - a - b, where the textbook formula of 1 - z
// has poles. Continuing from further below would magnify the other solution, z^(1-c), by the c-th power of a step.
#include "scoring/special.h"

#include <float.h>

enum { SERIES_TERMS = 40000, STEPS = 1200 };

static const double SERIES_END = 0.998;
static const double FAST = 20; // from such a c - a - b on terms fall by its power, and the series is short at 1 too

double special_log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

// Up by the recurrence to 10, then the asymptotic series; its first left out term is below 1e-16 there.
double special_digamma(double x) {
  double below = 0;
  if (!(x > 0)) return NAN;
  while (x < 10) {
    below += 1 / x;
    x += 1;
  }
  double square = 1 / (x * x);
  double series =
      square * (1.0 / 12 -
                square * (1.0 / 120 -
                          square * (1.0 / 252 - square * (1.0 / 240 - square * (1.0 / 132 - square * 691.0 / 32760)))));
  return log(x) - 0.5 / x - series - below;
}

// From 1e5 on Stirling's series is as good as the library, and its differences can be taken term by term.
static const double LARGE = 1e5;

double special_log_rising(double a, double by) {
  if (by == 0) return 0;
  if (a < LARGE) return special_log_gamma(a + by) - special_log_gamma(a);
  return by * log(a + by) + (a - 0.5) * log1p(by / a) - by + (1 / (a + by) - 1 / a) / 12;
}

double special_digamma_rise(double a, double by) {
  if (by == 0) return 0;
  if (a < LARGE) return special_digamma(a + by) - special_digamma(a);
  double product = a * (a + by);
  return log1p(by / a) + by / (2 * product) + by / product * ((2 * a + by) / product) / 12;
}

double special_log_beta(double a, double b) {
  double large = a > b ? a : b, small = a > b ? b : a;
  return special_log_gamma(small) - special_log_rising(large, small);
}

double special_log_add(double x, double y) {
  double large = x > y ? x : y, small = x > y ? y : x;
  return small == -INFINITY ? large : large + log1p(exp(small - large));
}

double special_log_subtract(double x, double y) {
  return x > y ? x + log(-expm1(y - x)) : -INFINITY;
}

double special_decay_mean(double y) {
  return fabs(y) < DBL_MIN ? 1 : -expm1(-y) / y;
}

// --- 2F1 -----------------------------------------------------------------------------------------------------

static double series(double a, double b, double c, double z) {
  double term = 1, sum = 1;
  for (int n = 0; n < SERIES_TERMS; n++) {
    term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z;
    sum += term;
    if (term == 0 || (fabs(term) < DBL_EPSILON / 8 * fabs(sum) && n > 2)) return sum;
  }
  return NAN;
}

// From value and slope at `z` to those at `z + by`.
static void step(double a, double b, double c, double z, double by, double *value, double *slope) {
  double here = *value, next = *slope * by; // terms of the value: coefficient times by^n
  double sum = here + next, slopes = next;
  for (int n = 0; n < SERIES_TERMS; n++) {
    double second =
        ((n + a) * (n + b) * here * by * by - (n + 1) * ((1 - 2 * z) * n + c - (a + b + 1) * z) * next * by) /
        (z * (1 - z) * (n + 1) * (n + 2));
    sum += second;
    slopes += (n + 2) * second;
    here = next;
    next = second;
    if (n > 4 && fabs(here) + fabs(next) < DBL_EPSILON / 8 * fabs(sum) &&
        (n + 2) * (fabs(here) + fabs(next)) < DBL_EPSILON / 8 * fabs(slopes))
      break;
  }
  *value = sum;
  *slope = slopes / by;
}

static double continued(double a, double b, double c, double z) {
  double at = SERIES_END, value = series(a, b, c, at), slope = a * b / c * series(a + 1, b + 1, c + 1, at);
  for (int i = 0; i < STEPS && at < z; i++) {
    double by = (1 - at) / 2;
    if (at + by >= z) by = z - at;
    step(a, b, c, at, by, &value, &slope);
    at = by == z - at ? z : at + by;
  }
  return value;
}

double special_hypergeometric(double a, double b, double c, double z) {
  if (!(z < 1) || (c <= 0 && c == floor(c))) return NAN;
  if (z == 0 || a == 0 || b == 0) return 1;
  if (z < 0) {
    double small = fabs(a) < fabs(b) ? a : b, large = fabs(a) < fabs(b) ? b : a;
    return pow(1 - z, -small) * special_hypergeometric(small, c - large, c, z / (z - 1));
  }
  return z <= SERIES_END || c - a - b > FAST ? series(a, b, c, z) : continued(a, b, c, z);
}

// --- sums ----------------------------------------------------------------------------------------------------

void special_sum_close_block(struct special_sum *sum) {
  double carried = sum->block;
  size_t level = 0;
  for (size_t bits = sum->blocks; (bits & 1) != 0; bits >>= 1) carried += sum->levels[level++];
  sum->levels[level] = carried;
  sum->blocks++;
  sum->block = 0;
  sum->in_block = 0;
}

double special_sum_total(const struct special_sum *sum) {
  double total = sum->block;
  for (size_t level = 0; level < SPECIAL_LEVELS && sum->blocks >> level != 0; level++)
    if ((sum->blocks >> level & 1) != 0) total += sum->levels[level];
  return total;
}
