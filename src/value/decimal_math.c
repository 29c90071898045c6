// decimal: arithmetic.
//
// Two speeds. Coefficients below 2^63 whose exponents differ by no more than 18, which is nearly every number there
// is, are computed in 128 bits and need one comparison with 10^34 to be known as exact. Everything else becomes a
// 256-bit coefficient that `finish` rounds to 34 digits.
//
// Invariants:
// 1. `finish` is the only place where a computed result is rounded, so that nothing is rounded twice. A digit lost
//    earlier is remembered (`sticky`, or a last digit of 1 in place of a far smaller addend), and is always followed by
//    a drop of at least one digit.
// 2. A wide coefficient has at most 70 digits, and what is left after a drop has at most 34: a quotient always fits 128
//    bits, and a divisor is at most 10^36.
#include "value/decimal.h"

#include "base/limits.h"

enum {
  DIGITS = LIMIT_DECIMAL_DIGITS,
  FAST_SHIFT = 18,        // 2^63 * 10^18 is below 2^123
  GUARD = 2,              // digits that an addition keeps beyond the 34
  LIMB_BITS = 64,         // half a coefficient
  COEFFICIENT_BITS = 128, // half a wide coefficient
};
static const uint64_t fast_most = INT64_MAX;

// 10^34: one more than the largest coefficient.
static decimal_coefficient coefficient_end(void) {
  return (decimal_coefficient)10000000000000000000u * 1000000000000000u;
}

struct wide {
  decimal_coefficient high, low;
};

static struct wide wide_product(decimal_coefficient a, decimal_coefficient b) {
  uint64_t a_high = (uint64_t)(a >> LIMB_BITS), a_low = (uint64_t)a;
  uint64_t b_high = (uint64_t)(b >> LIMB_BITS), b_low = (uint64_t)b;
  decimal_coefficient low = (decimal_coefficient)a_low * b_low;
  decimal_coefficient first = (decimal_coefficient)a_high * b_low + (low >> LIMB_BITS);
  decimal_coefficient second = (decimal_coefficient)a_low * b_high + (uint64_t)first;
  return (struct wide){
      .high = (decimal_coefficient)a_high * b_high + (first >> LIMB_BITS) + (second >> LIMB_BITS),
      .low = second << LIMB_BITS | (uint64_t)low,
  };
}

// One limb of a long division: (rest * 2^64 + limb) / divisor, where rest < divisor and the divisor's highest bit is
// set. The estimate by the divisor's upper half is at most two too large (Knuth, volume 2, 4.3.1, theorem B).
static uint64_t divide_limb(decimal_coefficient *rest, uint64_t limb, decimal_coefficient divisor) {
  uint64_t upper = (uint64_t)(divisor >> LIMB_BITS), lower = (uint64_t)divisor;
  decimal_coefficient quotient = *rest / upper, left = *rest % upper;
  while (quotient >> LIMB_BITS != 0 || quotient * lower > (left << LIMB_BITS | limb)) {
    quotient--;
    left += upper;
    if (left >> LIMB_BITS != 0) break;
  }
  *rest = (*rest << LIMB_BITS | limb) - quotient * divisor; // modulo 2^128: the true rest is below the divisor
  return (uint64_t)quotient;
}

// number / divisor, where number.high < divisor: the quotient fits.
static decimal_coefficient divide_wide(struct wide number, decimal_coefficient divisor, decimal_coefficient *rest) {
  if (number.high == 0) {
    *rest = number.low % divisor;
    return number.low / divisor;
  }
  // The divisor exceeds number.high, which is at least 1; shifting by less than all its bits is well defined.
  uint64_t upper = (uint64_t)(divisor >> LIMB_BITS);
  int shift = upper != 0 ? __builtin_clzll(upper) : LIMB_BITS + __builtin_clzll((uint64_t)divisor);
  divisor <<= shift;
  *rest = number.high << shift;
  if (shift > 0) *rest |= number.low >> (COEFFICIENT_BITS - shift);
  number.low <<= shift;
  uint64_t first = divide_limb(rest, (uint64_t)(number.low >> LIMB_BITS), divisor);
  uint64_t second = divide_limb(rest, (uint64_t)number.low, divisor);
  *rest >>= shift;
  return (decimal_coefficient)first << LIMB_BITS | second;
}

static int wide_digit_count(struct wide number) {
  if (number.high == 0) return decimal_digit_count(number.low);
  decimal_coefficient rest;
  return DIGITS + decimal_digit_count(divide_wide(number, coefficient_end(), &rest));
}

// The number without its last `drop` digits (1 to the number of its digits, at most 34 left), rounded half-even.
// `sticky`: something other than zero was cut off below.
static decimal_coefficient drop_digits(struct wide number, int drop, bool sticky) {
  decimal_coefficient rest;
  if (drop > DIGITS) { // twice the rest must stay below 2^128
    decimal_coefficient divisor = decimal_power(drop - DIGITS);
    struct wide kept = {.high = number.high / divisor};
    kept.low = divide_wide((struct wide){number.high % divisor, number.low}, divisor, &rest);
    sticky = sticky || rest != 0;
    number = kept;
    drop = DIGITS;
  }
  decimal_coefficient divisor = decimal_power(drop);
  decimal_coefficient quotient = divide_wide(number, divisor, &rest);
  if (rest * 2 == divisor) return quotient + (sticky || (quotient & 1) != 0);
  return quotient + (rest * 2 > divisor);
}

// A coefficient below 10^34 whose exponent is at least DECIMAL_EXPONENT_MIN. One above the range comes back into it
// by zeros after the digits, where there is room.
static enum err store_number(decimal_coefficient coefficient, int exponent, bool negative, struct decimal *out) {
  int excess = exponent - DECIMAL_EXPONENT_MAX;
  if (excess > 0) {
    if (coefficient != 0 && excess > DIGITS - decimal_digit_count(coefficient)) return ERR_LIMIT;
    if (coefficient != 0) coefficient *= decimal_power(excess);
    exponent = DECIMAL_EXPONENT_MAX;
  }
  *out = (struct decimal){.coefficient = coefficient, .exponent = (int16_t)exponent, .negative = negative};
  return ERR_OK;
}

static enum err finish(struct wide number, int exponent, bool negative, bool sticky, struct decimal *out) {
  int digits = wide_digit_count(number), drop = digits > DIGITS ? digits - DIGITS : 0;
  if (drop < DECIMAL_EXPONENT_MIN - exponent) drop = DECIMAL_EXPONENT_MIN - exponent;
  decimal_coefficient coefficient = number.low;
  if (drop > digits)
    coefficient = 0; // below a tenth of the last digit
  else if (drop > 0)
    coefficient = drop_digits(number, drop, sticky);
  exponent += drop;
  if (coefficient == coefficient_end()) { // 9.99 was rounded up to 10.0
    coefficient /= 10;
    exponent++;
  }
  return store_number(coefficient, exponent, negative, out);
}

// A sum of numbers of one exponent. Coefficients are below 2^127: neither the sum nor the difference overflows.
static enum err add_aligned(struct decimal a, struct decimal b, struct decimal *out) {
  struct decimal sum = a;
  if (a.negative == b.negative) {
    sum.coefficient += b.coefficient;
  } else if (a.coefficient > b.coefficient) {
    sum.coefficient -= b.coefficient;
  } else {
    sum.coefficient = b.coefficient - a.coefficient;
    sum.negative = b.negative && sum.coefficient != 0;
  }
  if (sum.coefficient >= coefficient_end())
    return finish((struct wide){0, sum.coefficient}, sum.exponent, sum.negative, false, out);
  *out = sum;
  return ERR_OK;
}

static int lesser(int a, int b) {
  return a < b ? a : b;
}

// A sum of numbers that differ from zero, the first with the larger exponent.
static enum err add_apart(struct decimal high, struct decimal low, struct decimal *out) {
  int high_digits = decimal_digit_count(high.coefficient);
  // A number wholly below the guard digits of the other decides no more than which side of a tie it is.
  int guard = high.exponent + high_digits - DIGITS - GUARD;
  if (low.exponent + decimal_digit_count(low.coefficient) - 1 < guard) {
    low.coefficient = 1;
    low.exponent = (int16_t)guard;
  }
  // Now high_digits + shift <= 69: a power of at most 35 is left once the coefficient has its 34 digits.
  int shift = high.exponent - low.exponent, room = lesser(shift, DIGITS - high_digits);
  struct wide sum = wide_product(high.coefficient * decimal_power(room), decimal_power(shift - room));
  if (sum.high == 0 && sum.low >> (COEFFICIENT_BITS - 1) == 0) {
    high.coefficient = sum.low;
    high.exponent = low.exponent;
    return add_aligned(high, low, out);
  }
  // From 2^127 on it is the larger of the two.
  if (high.negative == low.negative) {
    sum.low += low.coefficient;
    sum.high += sum.low < low.coefficient;
  } else {
    sum.high -= sum.low < low.coefficient;
    sum.low -= low.coefficient;
  }
  return finish(sum, low.exponent, high.negative, false, out);
}

enum err decimal_add(struct decimal a, struct decimal b, struct decimal *out) {
  if (a.exponent == b.exponent) return add_aligned(a, b, out);
  struct decimal high = a.exponent > b.exponent ? a : b, low = a.exponent > b.exponent ? b : a;
  int shift = high.exponent - low.exponent;
  if (high.coefficient == 0 || (high.coefficient <= fast_most && shift <= FAST_SHIFT)) {
    if (high.coefficient != 0) high.coefficient *= decimal_powers_of_ten[shift];
    high.exponent = low.exponent;
    return add_aligned(high, low, out);
  }
  if (low.coefficient != 0) return add_apart(high, low, out);
  int room = lesser(shift, DIGITS - decimal_digit_count(high.coefficient));
  high.coefficient *= decimal_power(room);
  high.exponent = (int16_t)(high.exponent - room);
  *out = high;
  return ERR_OK;
}

enum err decimal_subtract(struct decimal a, struct decimal b, struct decimal *out) {
  b.negative = !b.negative;
  return decimal_add(a, b, out);
}

enum err decimal_multiply(struct decimal a, struct decimal b, struct decimal *out) {
  int exponent = a.exponent + b.exponent;
  bool negative = a.negative != b.negative;
  if (a.coefficient > fast_most || b.coefficient > fast_most)
    return finish(wide_product(a.coefficient, b.coefficient), exponent, negative, false, out);
  decimal_coefficient product = (decimal_coefficient)(uint64_t)a.coefficient * (uint64_t)b.coefficient;
  if (product >= coefficient_end() || exponent < DECIMAL_EXPONENT_MIN || exponent > DECIMAL_EXPONENT_MAX)
    return finish((struct wide){0, product}, exponent, negative, false, out);
  *out = (struct decimal){.coefficient = product, .exponent = (int16_t)exponent, .negative = negative};
  return ERR_OK;
}

// Takes zeros off the end until the exponent is the preferred one. The coefficient has at most 36 digits.
static decimal_coefficient strip_zeros(decimal_coefficient coefficient, int *exponent, int preferred) {
  for (int zeros = 32; zeros > 0; zeros /= 2) {
    if (zeros > preferred - *exponent) continue;
    decimal_coefficient divisor = decimal_power(zeros), quotient = coefficient / divisor;
    if (quotient * divisor != coefficient) continue;
    coefficient = quotient;
    *exponent += zeros;
  }
  return coefficient;
}

// A quotient of 35 or 36 digits: enough to round, with what is left of the division as the sticky rest.
static enum err divide_long(struct decimal a, struct decimal b, struct decimal *out) {
  int a_digits = decimal_digit_count(a.coefficient);
  int shift = decimal_digit_count(b.coefficient) - a_digits + DIGITS + 1;
  int room = lesser(shift, DIGITS - a_digits); // as in add_apart: a power of at most 35 is left
  struct wide dividend = wide_product(a.coefficient * decimal_power(room), decimal_power(shift - room));
  decimal_coefficient rest, quotient = divide_wide(dividend, b.coefficient, &rest);
  int preferred = a.exponent - b.exponent, exponent = preferred - shift;
  if (rest == 0) quotient = strip_zeros(quotient, &exponent, preferred);
  return finish((struct wide){0, quotient}, exponent, a.negative != b.negative, rest != 0, out);
}

enum err decimal_divide(struct decimal a, struct decimal b, struct decimal *out) {
  if (b.coefficient == 0) return ERR_INVALID;
  if (a.coefficient > fast_most || b.coefficient > fast_most) {
    if (a.coefficient != 0) return divide_long(a, b, out);
  } else if ((uint64_t)a.coefficient % (uint64_t)b.coefficient != 0) {
    return divide_long(a, b, out);
  }
  // A whole quotient (of a zero too) has the preferred exponent as it is.
  decimal_coefficient quotient = a.coefficient == 0 ? 0 : (uint64_t)a.coefficient / (uint64_t)b.coefficient;
  return finish((struct wide){0, quotient}, a.exponent - b.exponent, a.negative != b.negative, false, out);
}

// (coefficient * 10^power) % divisor by repeated squaring: the power may be 12287.
static decimal_coefficient scaled_remainder(decimal_coefficient coefficient, int power, decimal_coefficient divisor) {
  decimal_coefficient rest = coefficient % divisor, square = 10 % divisor;
  for (; power > 0 && rest != 0; power /= 2) {
    if (power % 2 != 0) divide_wide(wide_product(rest, square), divisor, &rest);
    divide_wide(wide_product(square, square), divisor, &square);
  }
  return rest;
}

enum err decimal_remainder(struct decimal a, struct decimal b, struct decimal *out) {
  if (b.coefficient == 0) return ERR_INVALID;
  int shift = a.exponent - b.exponent;
  struct decimal rest = a;
  if (shift >= 0 && shift <= FAST_SHIFT && a.coefficient <= fast_most) {
    rest.coefficient = a.coefficient * decimal_powers_of_ten[shift] % b.coefficient;
  } else if (shift >= 0) {
    rest.coefficient = scaled_remainder(a.coefficient, shift, b.coefficient);
  } else if (shift > -DIGITS && a.coefficient / decimal_power(-shift) >= b.coefficient) {
    rest.coefficient = a.coefficient % (b.coefficient * decimal_power(-shift)); // the divisor is at most a
  }
  if (shift > 0) rest.exponent = b.exponent;
  *out = rest;
  return ERR_OK;
}

struct decimal decimal_negate(struct decimal number) {
  number.negative = !number.negative && number.coefficient != 0;
  return number;
}

struct decimal decimal_abs(struct decimal number) {
  number.negative = false;
  return number;
}

enum err decimal_round(struct decimal number, int digits, struct decimal *out) {
  int64_t exponent = -(int64_t)digits, drop = exponent - number.exponent;
  if (drop <= 0) {
    *out = number;
    return ERR_OK;
  }
  decimal_coefficient coefficient = 0; // also when less than a tenth of the last digit is left
  if (drop <= decimal_digit_count(number.coefficient))
    coefficient = drop_digits((struct wide){0, number.coefficient}, (int)drop, false);
  if (coefficient == 0 && exponent > DECIMAL_EXPONENT_MAX) exponent = DECIMAL_EXPONENT_MAX;
  return store_number(coefficient, (int)exponent, number.negative, out);
}

// Cuts the digits after the point; away from zero by one if `outward` and something was cut.
static struct decimal whole(struct decimal number, bool outward) {
  if (number.exponent >= 0) return number;
  decimal_coefficient kept = 0, cut = number.coefficient;
  if (-number.exponent < DIGITS) {
    decimal_coefficient divisor = decimal_power(-number.exponent);
    kept = number.coefficient / divisor;
    cut = number.coefficient % divisor;
  }
  return (struct decimal){.coefficient = kept + (outward && cut != 0), .exponent = 0, .negative = number.negative};
}

struct decimal decimal_floor(struct decimal number) {
  return whole(number, number.negative);
}

struct decimal decimal_ceil(struct decimal number) {
  return whole(number, !number.negative);
}
