// decimal: coefficient and exponent, kept as they were written.
//
// Reading has two speeds: up to FAST_DIGITS digits are gathered in 64 bits, which is nearly every number there is;
// the rest goes on in 128 bits. Invariant: a coefficient is below 10^34, so that scaling one number to the exponent
// of another of the same magnitude (decimal_compare) never overflows 128 bits.
#include "value/decimal.h"

#include <string.h>

#include "base/limits.h"

enum {
  FAST_DIGITS = 18,           // the most digits that always fit 64 bits with room for a sign
  COEFFICIENT_TEXT_BYTES = 40 // digits of 2^128
};
// An exponent is not followed beyond this: texts are far shorter, so no run of zeros can bring it back into range.
static const int64_t exponent_cap = (int64_t)1 << 40;

const uint64_t decimal_powers_of_ten[DECIMAL_POWERS] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

decimal_coefficient decimal_power(int power) {
  enum { LAST = DECIMAL_POWERS - 1 };
  if (power <= LAST) return decimal_powers_of_ten[power];
  return (decimal_coefficient)decimal_powers_of_ten[LAST] * decimal_powers_of_ten[power - LAST];
}

// Every number has one or two counts of digits that its count of bits allows: 1233 / 4096 is log10(2), near enough
// for 128 bits, and one comparison decides.
int decimal_digit_count(decimal_coefficient coefficient) {
  coefficient |= 1; // a zero is one digit; no other count changes
  uint64_t high = (uint64_t)(coefficient >> 64);
  int bits = high != 0 ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)coefficient);
  int count = bits * 1233 >> 12;
  return count + (coefficient >= decimal_power(count));
}

struct decimal decimal_from_i64(int64_t number) {
  uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  return (struct decimal){.coefficient = magnitude, .exponent = 0, .negative = number < 0};
}

// Digits gathered so far. `digits` counts from the first one that is not zero.
struct gather {
  const uint8_t *at, *end;
  uint64_t low;                    // the coefficient while digits <= FAST_DIGITS
  decimal_coefficient coefficient; // the coefficient after that
  int digits;
  bool too_long;
};

static void take_slow_digit(struct gather *gather, uint8_t digit) {
  if (gather->digits == FAST_DIGITS) gather->coefficient = gather->low;
  if (gather->digits >= LIMIT_DECIMAL_DIGITS) {
    gather->too_long = true;
    return;
  }
  gather->coefficient = gather->coefficient * 10 + digit;
  gather->digits++;
}

// Takes a run of digits. Returns how many there were.
static size_t take_digits(struct gather *gather) {
  const uint8_t *first = gather->at;
  while (gather->at < gather->end) {
    uint8_t digit = (uint8_t)(*gather->at - '0');
    if (digit > 9) break;
    gather->at++;
    if (gather->digits < FAST_DIGITS) {
      gather->low = gather->low * 10 + digit;
      gather->digits += gather->low != 0;
    } else {
      take_slow_digit(gather, digit);
    }
  }
  return (size_t)(gather->at - first);
}

static bool take_byte(struct gather *gather, uint8_t byte) {
  if (gather->at == gather->end || *gather->at != byte) return false;
  gather->at++;
  return true;
}

// What follows an e or E. False when there is no digit.
static bool take_exponent(struct gather *gather, int64_t *exponent) {
  bool negative = take_byte(gather, '-');
  if (!negative) take_byte(gather, '+');
  const uint8_t *first = gather->at;
  int64_t written = 0;
  while (gather->at < gather->end && *gather->at >= '0' && *gather->at <= '9') {
    if (written < exponent_cap) written = written * 10 + (*gather->at - '0');
    gather->at++;
  }
  *exponent += negative ? -written : written;
  return gather->at > first;
}

// The grammar of RFC 8259: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
static bool take_number(struct gather *gather, bool *negative, int64_t *exponent) {
  *exponent = 0;
  *negative = take_byte(gather, '-');
  bool zero_first = gather->at < gather->end && *gather->at == '0';
  size_t whole = take_digits(gather);
  if (whole == 0 || (zero_first && whole > 1)) return false;
  if (take_byte(gather, '.')) {
    size_t fraction = take_digits(gather);
    if (fraction == 0) return false;
    *exponent = -(int64_t)fraction;
  }
  if (take_byte(gather, 'e') || take_byte(gather, 'E')) {
    if (!take_exponent(gather, exponent)) return false;
  }
  return gather->at == gather->end;
}

enum err decimal_parse(struct bytes text, struct decimal *number, struct diag *diag) {
  struct gather gather = {.at = text.data, .end = text.data + text.size_bytes};
  int64_t exponent;
  bool negative;
  if (!take_number(&gather, &negative, &exponent))
    return diag_set(diag, ERR_INVALID, "invalid_number", "not a number as JSON writes it (-12.5 or 1E+6)");
  if (gather.too_long)
    return diag_set(diag, ERR_LIMIT, "number_too_long", "a number may have at most %d significant digits",
                    LIMIT_DECIMAL_DIGITS);
  if (exponent < DECIMAL_EXPONENT_MIN || exponent > DECIMAL_EXPONENT_MAX)
    return diag_set(diag, ERR_LIMIT, "number_out_of_range", "a number's exponent must lie between %d and %d",
                    DECIMAL_EXPONENT_MIN, DECIMAL_EXPONENT_MAX);
  number->coefficient = gather.digits <= FAST_DIGITS ? gather.low : gather.coefficient;
  number->exponent = (int16_t)exponent;
  number->negative = negative;
  return ERR_OK;
}

static size_t put_u64(uint64_t number, char *end) {
  char *at = end;
  do {
    *--at = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return (size_t)(end - at);
}

// The digits of a coefficient, right-aligned before `end`. Returns how many.
static size_t put_coefficient(decimal_coefficient coefficient, char *end) {
  size_t digits = 0;
  while (coefficient > UINT64_MAX) {
    uint64_t low = (uint64_t)(coefficient % decimal_powers_of_ten[FAST_DIGITS]);
    coefficient /= decimal_powers_of_ten[FAST_DIGITS];
    size_t put = put_u64(low, end - digits);
    memset(end - digits - FAST_DIGITS, '0', FAST_DIGITS - put);
    digits += FAST_DIGITS;
  }
  return digits + put_u64((uint64_t)coefficient, end - digits);
}

static char *put_bytes(char *out, const char *data, size_t size_bytes) {
  memcpy(out, data, size_bytes);
  return out + size_bytes;
}

// Plain notation: `point` digits stand before the decimal point (none or fewer: leading zeros are written).
static char *put_plain(char *out, const char *digits, size_t count, long point) {
  if (point <= 0) {
    *out++ = '0';
    *out++ = '.';
    for (long i = point; i < 0; i++) *out++ = '0';
    return put_bytes(out, digits, count);
  }
  out = put_bytes(out, digits, (size_t)point);
  if ((size_t)point == count) return out;
  *out++ = '.';
  return put_bytes(out, digits + point, count - (size_t)point);
}

static char *put_scientific(char *out, const char *digits, size_t count, long adjusted) {
  *out++ = digits[0];
  if (count > 1) {
    *out++ = '.';
    out = put_bytes(out, digits + 1, count - 1);
  }
  *out++ = 'E';
  *out++ = adjusted < 0 ? '-' : '+';
  char written[8];
  size_t size = put_u64((uint64_t)(adjusted < 0 ? -adjusted : adjusted), written + sizeof written);
  return put_bytes(out, written + sizeof written - size, size);
}

size_t decimal_format(struct decimal number, char *out) {
  char text[COEFFICIENT_TEXT_BYTES + FAST_DIGITS];
  size_t count = put_coefficient(number.coefficient, text + sizeof text);
  const char *digits = text + sizeof text - count;
  long adjusted = number.exponent + (long)count - 1; // the exponent of the first digit
  char *at = out;
  if (number.negative) *at++ = '-';
  if (number.exponent <= 0 && adjusted >= -6) {
    at = put_plain(at, digits, count, adjusted + 1);
  } else {
    at = put_scientific(at, digits, count, adjusted);
  }
  *at = '\0';
  return (size_t)(at - out);
}

static int compare_magnitudes(struct decimal a, struct decimal b) {
  int a_first = decimal_digit_count(a.coefficient) + a.exponent,
      b_first = decimal_digit_count(b.coefficient) + b.exponent;
  if (a_first != b_first) return a_first < b_first ? -1 : 1;
  // The same magnitude: the exponents differ by less than 34 and the scaled coefficient stays below 10^34.
  if (a.exponent > b.exponent) a.coefficient *= decimal_power(a.exponent - b.exponent);
  if (b.exponent > a.exponent) b.coefficient *= decimal_power(b.exponent - a.exponent);
  return (a.coefficient > b.coefficient) - (a.coefficient < b.coefficient);
}

int decimal_compare(struct decimal a, struct decimal b) {
  int a_sign = a.coefficient == 0 ? 0 : a.negative ? -1 : 1;
  int b_sign = b.coefficient == 0 ? 0 : b.negative ? -1 : 1;
  if (a_sign != b_sign) return a_sign < b_sign ? -1 : 1;
  if (a_sign == 0) return 0;
  if (a.exponent == b.exponent) return a_sign * ((a.coefficient > b.coefficient) - (a.coefficient < b.coefficient));
  return a_sign * compare_magnitudes(a, b);
}

enum err decimal_to_scaled_i64(struct decimal number, int scale, int64_t *out) {
  decimal_coefficient magnitude = number.coefficient;
  int64_t shift = (int64_t)number.exponent + scale;
  if (magnitude != 0 && shift < 0) {
    if (shift < -LIMIT_DECIMAL_DIGITS) return ERR_INVALID;
    decimal_coefficient divisor = decimal_power((int)-shift);
    if (magnitude % divisor != 0) return ERR_INVALID;
    magnitude /= divisor;
  }
  uint64_t most = (uint64_t)INT64_MAX + number.negative;
  if (magnitude != 0 && shift > 0) {
    if (shift > FAST_DIGITS || magnitude > most / decimal_powers_of_ten[shift]) return ERR_LIMIT;
    magnitude *= decimal_powers_of_ten[shift];
  }
  if (magnitude > most) return ERR_LIMIT;
  *out = (int64_t)(number.negative ? 0 - (uint64_t)magnitude : (uint64_t)magnitude);
  return ERR_OK;
}
