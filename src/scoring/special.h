// special: the functions of statistics that the C library does not have.
//
// Layer 5. Pure, IEEE doubles, positive arguments where a gamma function is meant. Everything that can be large is
// given as its logarithm. Threads: safe (no use of the library's `signgam`).
#pragma once

#include <math.h>
#include <stddef.h>

// ln Γ(x), x > 0.
double special_log_gamma(double x);

// ψ(x) = d/dx ln Γ(x), x > 0; to about 14 digits.
double special_digamma(double x);

// ln Γ(a + by) - ln Γ(a) and ψ(a + by) - ψ(a) for by >= 0: also where both are so large that their difference would be
// lost, which is when `a` grows without an end during a fit.
double special_log_rising(double a, double by);
double special_digamma_rise(double a, double by);

// ln B(a, b), a and b > 0.
double special_log_beta(double a, double b);

// ln(e^x + e^y), without overflow; either may be minus infinity.
double special_log_add(double x, double y);

// ln(e^x - e^y); minus infinity unless x > y.
double special_log_subtract(double x, double y);

// (1 - e^-y) / y, which is 1 at 0.
double special_decay_mean(double y);

// Gauss's hypergeometric function 2F1(a, b; c; z) for real z < 1 and a `c` that is not 0, -1, -2 …: the power series,
// Pfaff's transformation below 0, and next to 1 steps of Taylor series along its differential equation. NaN outside,
// and where a double has no room for it.
double special_hypergeometric(double a, double b, double c, double z);

// A sum whose result does not depend on who adds what: terms are added in order inside blocks of a fixed size, blocks
// are added pairwise like the carries of a binary counter. Rounding errors grow with the logarithm of the count.
enum { SPECIAL_BLOCK = 256, SPECIAL_LEVELS = 64 };
struct special_sum {
  double block, levels[SPECIAL_LEVELS];
  size_t in_block, blocks;
};
void special_sum_close_block(struct special_sum *sum);
static inline void special_sum_add(struct special_sum *sum, double term) {
  sum->block += term;
  if (++sum->in_block == SPECIAL_BLOCK) special_sum_close_block(sum);
}
double special_sum_total(const struct special_sum *sum);
