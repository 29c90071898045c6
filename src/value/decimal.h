// decimal: exact decimal numbers of up to 34 significant digits.
//
// Layer 1. The value is (-1)^negative * coefficient * 10^exponent. The exponent is kept as it came in, so
// 27.50 stays 27.50 and 1E+5 stays 1E+5 (IEEE 754-2008 decimal128: the "cohort" is preserved). Comparison is by
// value. No binary floating point anywhere.
//
// Arithmetic is that of IEEE 754-2008 and of General Decimal Arithmetic: a result is exact when 34 digits hold it, else
// rounded half-even, once. The exponent of an exact result is the preferred one, or the nearest that 34 digits
// allow: 1.20 + 1.3 is 2.50, 1.20 * 3 is 3.60, 2.40 / 2 is 1.20, 1 / 4 is 0.25. What lies below 10^-6176 is rounded to
// a multiple of it, most often zero. Nothing allocates, and no function steps through digits or exponents one by one.
// On failure *out is left alone; there is no diag, the caller knows what was computed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/diag.h"

__extension__ typedef unsigned __int128 decimal_coefficient;

enum {
  DECIMAL_EXPONENT_MIN = -6176, // decimal128's range for a 34-digit coefficient
  DECIMAL_EXPONENT_MAX = 6111,
  DECIMAL_TEXT_BYTES = 48, // longest text of decimal_format, with the NUL
  DECIMAL_POWERS = 20,     // powers of ten that fit 64 bits
};

struct decimal {
  decimal_coefficient coefficient; // below 10^34
  int16_t exponent;
  bool negative; // also for -0
};

// A whole number.
struct decimal decimal_from_i64(int64_t number);

// Reads a JSON number (RFC 8259 grammar: no plus sign, no leading zero, no hexadecimal, no NaN). More than 34
// significant digits, trailing zeros counted, or an exponent out of range: ERR_LIMIT with code
// "number_too_long" or "number_out_of_range". Anything else: ERR_INVALID, "invalid_number".
enum err decimal_parse(struct bytes text, struct decimal *number, struct diag *diag);

// Writes the shortest text that reads back to the same coefficient and exponent: plain digits while
// exponent <= 0 and the number has at most six zeros after the point (General Decimal Arithmetic's
// to-scientific-string), else "1E+5". Always valid JSON. Returns the length; `out` has DECIMAL_TEXT_BYTES.
size_t decimal_format(struct decimal number, char *out);

// By value: negative, 0 or positive. 2.50 equals 2.5; -0 equals 0.
int decimal_compare(struct decimal a, struct decimal b);

// The number as a whole i64 of `scale` digits after the point (27.5, scale 2: 2750). ERR_INVALID when digits
// would be lost, ERR_LIMIT on overflow.
enum err decimal_to_scaled_i64(struct decimal number, int scale, int64_t *out);

// a + b, a - b: the smaller exponent is preferred. Opposite numbers give 0, never -0. ERR_LIMIT: the result does not
// fit the range of exponents.
enum err decimal_add(struct decimal a, struct decimal b, struct decimal *out);
enum err decimal_subtract(struct decimal a, struct decimal b, struct decimal *out);

// a * b: the sum of the exponents is preferred. ERR_LIMIT as above.
enum err decimal_multiply(struct decimal a, struct decimal b, struct decimal *out);

// a / b: the difference of the exponents is preferred; an exact quotient loses trailing zeros to come near it, an
// inexact one has 34 digits. ERR_INVALID: b is zero (0 / 0 too). ERR_LIMIT as above.
enum err decimal_divide(struct decimal a, struct decimal b, struct decimal *out);

// What is left of a once b was taken away a whole number of times, rounded towards zero: a - b * trunc(a / b). Always
// exact, however large the quotient; the sign is a's, also of a zero; the smaller exponent. ERR_INVALID: b is zero.
enum err decimal_remainder(struct decimal a, struct decimal b, struct decimal *out);

// 0 - number: a zero becomes 0, not -0.
struct decimal decimal_negate(struct decimal number);

struct decimal decimal_abs(struct decimal number);

// Half-even, to so many digits after the point; -2 rounds to hundreds (1250 becomes 1.2E+3). A number without more
// digits comes back as it is: no zeros are added. ERR_LIMIT: the number was rounded up past the range of exponents.
enum err decimal_round(struct decimal number, int digits, struct decimal *out);

// The nearest whole number that is not above (not below) the number; the exponent becomes 0 where it was negative. A
// negative number above -1 has -0 as its ceiling.
struct decimal decimal_floor(struct decimal number);
struct decimal decimal_ceil(struct decimal number);

// 10^0 to 10^19.
extern const uint64_t decimal_powers_of_ten[DECIMAL_POWERS];

// 10^power, power 0 to 38.
decimal_coefficient decimal_power(int power);

// How many digits a number has; a zero has one.
int decimal_digit_count(decimal_coefficient coefficient);
