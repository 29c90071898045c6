// real: most numbers of files have few digits, and are one exact integer times or over one exact power of ten: a single
// rounding (Clinger, "How to read floating point numbers accurately", 1990). The rest is the C library's strtod, which
// rounds correctly; no part of the program changes the locale's decimal point.
#include "base/real.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POWERS = 23, DIGITS_MAX = 19 };

static const double powers_of_ten[POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// digits * 10^exponent, as far as 19 digits say it.
struct parts {
  uint64_t digits;
  int64_t exponent;
  bool negative, exact;
};

static bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

// Takes the digits from `at` on; those behind the point count in the exponent.
static size_t read_digits(struct bytes text, size_t at, bool fraction, struct parts *parts, unsigned *significant) {
  for (; at < text.size_bytes && is_digit(text.data[at]); at++) {
    unsigned digit = text.data[at] - (unsigned)'0';
    if (*significant == DIGITS_MAX) {
      parts->exact &= digit == 0;
      parts->exponent += !fraction;
      continue;
    }
    parts->digits = parts->digits * 10 + digit;
    *significant += parts->digits != 0;
    parts->exponent -= fraction;
  }
  return at;
}

static size_t read_exponent(struct bytes text, size_t at, struct parts *parts) {
  bool negative = false;
  int64_t exponent = 0;
  if (at < text.size_bytes && (text.data[at] == '-' || text.data[at] == '+')) negative = text.data[at++] == '-';
  size_t begin = at;
  for (; at < text.size_bytes && is_digit(text.data[at]); at++)
    if (exponent < 100000) exponent = exponent * 10 + (text.data[at] - '0');
  parts->exponent += negative ? -exponent : exponent;
  return at > begin ? at : text.size_bytes + 1; // no digits: behind any end
}

static bool read_parts(struct bytes text, struct parts *parts) {
  *parts = (struct parts){.exact = true};
  unsigned significant = 0;
  size_t at = 0;
  if (text.size_bytes > 0 && (text.data[0] == '-' || text.data[0] == '+')) parts->negative = text.data[at++] == '-';
  size_t begin = at;
  at = read_digits(text, at, false, parts, &significant);
  size_t count = at - begin;
  if (at < text.size_bytes && text.data[at] == '.') {
    begin = at + 1;
    at = read_digits(text, begin, true, parts, &significant);
    count += at - begin;
  }
  if (count == 0) return false;
  if (at < text.size_bytes && (text.data[at] == 'e' || text.data[at] == 'E')) at = read_exponent(text, at + 1, parts);
  return at == text.size_bytes;
}

static enum err read_slowly(struct bytes text, double *number) {
  char copy[REAL_READ_BYTES + 1];
  if (text.size_bytes > REAL_READ_BYTES) return ERR_INVALID;
  memcpy(copy, text.data, text.size_bytes);
  copy[text.size_bytes] = '\0';
  *number = strtod(copy, NULL);
  return isfinite(*number) ? ERR_OK : ERR_LIMIT;
}

enum err real_read(struct bytes text, double *number) {
  struct parts parts;
  if (!read_parts(text, &parts)) return ERR_INVALID;
  bool few = parts.exact && parts.digits <= UINT64_C(1) << 53 && parts.exponent > -POWERS && parts.exponent < POWERS;
  if (!few) return read_slowly(text, number);
  double digits = (double)parts.digits;
  digits = parts.exponent < 0 ? digits / powers_of_ten[-parts.exponent] : digits * powers_of_ten[parts.exponent];
  *number = parts.negative ? -digits : digits;
  return ERR_OK;
}

enum err real_read_count(struct bytes text, uint64_t *count) {
  struct parts parts;
  if (bytes_to_u64(text, count) == ERR_OK) return ERR_OK;
  if (!read_parts(text, &parts) || (parts.negative && parts.digits != 0)) return ERR_INVALID;
  *count = parts.digits;
  for (; parts.exponent < 0 && *count != 0; parts.exponent++) {
    if (*count % 10 != 0 || !parts.exact) return ERR_INVALID;
    *count /= 10;
  }
  if (!parts.exact && parts.exponent <= 0) return ERR_INVALID;
  for (; parts.exponent > 0 && *count != 0; parts.exponent--)
    if (__builtin_mul_overflow(*count, UINT64_C(10), count)) return ERR_LIMIT;
  return parts.exact ? ERR_OK : ERR_LIMIT;
}

size_t real_write(char out[REAL_TEXT_BYTES], double number) {
  assert(isfinite(number));
  if (fabs(number) < 0x1p64 && number == trunc(number))
    return (size_t)snprintf(out, REAL_TEXT_BYTES, "%.0f", number == 0 ? 0.0 : number);
  int size = 0;
  for (int digits = 15; digits <= 17; digits++) {
    size = snprintf(out, REAL_TEXT_BYTES, "%.*g", digits, number);
    if (strtod(out, NULL) == number) break;
  }
  return (size_t)size;
}

void real_append(struct buffer *out, double number) {
  char text[REAL_TEXT_BYTES];
  buffer_append(out, text, real_write(text, number));
}
