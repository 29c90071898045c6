// Birth dates: three shapes, tried in turn; anything after the date must look like a time of day.
//
//   1990-02-28  1990/2/28  1990.02.28      year first, one separator, the same twice
//   28/02/1990  28.2.1990  28-02-1990      day first
//   19900228                               no separator
#include "quality/quality.h"

#include <ctype.h>
#include <string.h>

enum { YEAR_MIN = 1800, YEAR_MAX = 2199 };

// Takes the digits that `rest` begins with: how many, and their value by *number. More than 8 count as none.
static int take_digits(struct bytes *rest, int *number) {
  int count = 0;
  *number = 0;
  while (rest->size_bytes > 0 && isdigit(rest->data[0])) {
    if (++count > 8) return 0;
    *number = *number * 10 + (rest->data[0] - '0');
    *rest = bytes_of(rest->data + 1, rest->size_bytes - 1);
  }
  return count;
}

static bool take_byte(struct bytes *rest, uint8_t byte) {
  if (rest->size_bytes == 0 || rest->data[0] != byte) return false;
  *rest = bytes_of(rest->data + 1, rest->size_bytes - 1);
  return true;
}

// True for nothing, or "T00:00:00.000Z", " 12:30 +01:00" and the like.
static bool is_time_tail(struct bytes rest) {
  if (rest.size_bytes == 0) return true;
  if (rest.data[0] != 'T' && rest.data[0] != 't' && rest.data[0] != ' ') return false;
  if (rest.size_bytes < 2 || !isdigit(rest.data[1])) return false;
  for (size_t i = 1; i < rest.size_bytes; i++) {
    if (!isdigit(rest.data[i]) && (rest.data[i] == 0 || !strchr(":.,+- Zz", rest.data[i]))) return false;
  }
  return true;
}

static int date_or_zero(int year, int month, int day) {
  static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1) return 0;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day > DAYS[month - 1] + (month == 2 && leap)) return 0;
  return year * 10000 + month * 100 + day;
}

int quality_birth_date(struct bytes raw) {
  struct bytes rest = bytes_trim(raw);
  int first = 0;
  int second = 0;
  int third = 0;
  int first_digits = take_digits(&rest, &first);
  if (first_digits == 8 && is_time_tail(rest)) return date_or_zero(first / 10000, first / 100 % 100, first % 100);
  uint8_t separator = rest.size_bytes > 0 ? rest.data[0] : 0;
  if (separator != '-' && separator != '/' && separator != '.') return 0;
  take_byte(&rest, separator);
  int second_digits = take_digits(&rest, &second);
  if (second_digits < 1 || second_digits > 2 || !take_byte(&rest, separator)) return 0;
  int third_digits = take_digits(&rest, &third);
  if (!is_time_tail(rest)) return 0;
  if (first_digits == 4 && (third_digits == 1 || third_digits == 2)) return date_or_zero(first, second, third);
  if ((first_digits == 1 || first_digits == 2) && third_digits == 4) return date_or_zero(third, second, first);
  return 0;
}
