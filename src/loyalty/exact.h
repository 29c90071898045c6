// exact: a * b / c without losing a digit on the way.
//
// Layer 5, private to loyalty/. All are 64-bit numbers that are not below zero, c is above; the product has 128 bits.
// The results are asserted to fit: callers divide by at least one of the factors.
#pragma once

#include <assert.h>

#include "value/decimal.h"

typedef decimal_coefficient exact_wide; // unsigned, 128 bits

static inline int64_t exact_floor(int64_t a, int64_t b, int64_t c) {
  assert(a >= 0 && b >= 0 && c > 0);
  exact_wide quotient = (exact_wide)a * (exact_wide)b / (exact_wide)c;
  assert(quotient <= INT64_MAX);
  return (int64_t)quotient;
}

static inline int64_t exact_ceil(int64_t a, int64_t b, int64_t c) {
  int64_t floor = exact_floor(a, b, c);
  bool exact = (exact_wide)floor * (exact_wide)c == (exact_wide)a * (exact_wide)b;
  assert(exact || floor < INT64_MAX);
  return exact ? floor : floor + 1;
}

// Half-even; false when the result passes 64 bits.
static inline bool exact_round(int64_t a, int64_t b, int64_t c, int64_t *out) {
  assert(a >= 0 && b >= 0 && c > 0);
  exact_wide product = (exact_wide)a * (exact_wide)b, divisor = (uint64_t)c, whole = product / divisor;
  exact_wide twice = (product - whole * divisor) * 2U;
  if (twice > divisor || (twice == divisor && (whole & 1U) == 1U)) whole++;
  if (whole > INT64_MAX) return false;
  *out = (int64_t)whole;
  return true;
}
