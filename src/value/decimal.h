// decimal: exact decimal numbers of up to 34 significant digits.
//
// Layer 1. The value is (-1)^negative * coefficient * 10^exponent. The exponent is kept as it came in, so
// 27.50 stays 27.50 and 1E+5 stays 1E+5 (IEEE 754-2008 decimal128: the "cohort" is preserved). Comparison is by
// value. No binary floating point anywhere.
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
