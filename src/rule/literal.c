// literal: decoding. The lexer has found where a literal ends; here is what it may not say.
#include "rule/literal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

#define YEAR_1_US (-719162 * CLOCK_DAY_US) // 0001-01-01
#define YEAR_9999_US (2932897 * CLOCK_DAY_US - 1)

static enum err fail(struct rule_problem *problem, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum err fail(struct rule_problem *problem, const char *code, const char *format, ...) {
  va_list arguments;
  problem->code = code;
  va_start(arguments, format);
  vsnprintf(problem->message, sizeof problem->message, format, arguments);
  va_end(arguments);
  return ERR_INVALID;
}

// --- texts ---------------------------------------------------------------------------------------------------

static size_t encode(uint32_t code, uint8_t *out) {
  if (code < 0x80) {
    out[0] = (uint8_t)code;
    return 1;
  }
  size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; i--, code >>= 6) out[i] = (uint8_t)(0x80 | (code & 0x3f));
  out[0] = (uint8_t)((size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0) | code);
  return size;
}

// {1F600} at *at. False when it is no character.
static bool read_code(struct bytes text, size_t *at, uint32_t *code) {
  if (*at == text.size_bytes || text.data[(*at)++] != '{') return false;
  size_t first = *at;
  for (*code = 0; *at < text.size_bytes && *at - first < 7; ++*at) {
    uint8_t byte = text.data[*at], lower = byte | 0x20;
    if (byte >= '0' && byte <= '9')
      *code = *code * 16 + (uint32_t)(byte - '0');
    else if (lower >= 'a' && lower <= 'f')
      *code = *code * 16 + (uint32_t)(lower - 'a' + 10);
    else
      break;
  }
  if (*at == first || *at == text.size_bytes || text.data[(*at)++] != '}') return false;
  return *code <= 0x10ffff && !(*code >= 0xd800 && *code < 0xe000);
}

// What follows a backslash at *at, written to out; 0 bytes: it means nothing. Never longer than it was.
static size_t read_escape(struct bytes text, size_t *at, uint8_t *out) {
  uint8_t byte = text.data[(*at)++];
  uint32_t code;
  switch (byte) {
  case 'n':
    *out = '\n';
    return 1;
  case 't':
    *out = '\t';
    return 1;
  case '\\':
  case '"':
  case '\'':
    *out = byte;
    return 1;
  case 'u':
    return read_code(text, at, &code) ? encode(code, out) : 0;
  default:
    return 0;
  }
}

enum err rule_literal_text(struct bytes quoted, struct arena *arena, struct bytes *text, struct rule_problem *problem) {
  struct bytes inner = bytes_of(quoted.data + 1, quoted.size_bytes - 2);
  bool plain = true;
  for (size_t i = 0; i < inner.size_bytes; i++) {
    uint8_t byte = inner.data[i];
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
      return fail(problem, "bad_character", "a control character in a text is written \\u{%X}", byte);
    plain = plain && byte != '\\' && byte != quoted.data[0];
  }
  *text = inner;
  if (plain) return ERR_OK;
  uint8_t *out = arena_take(arena, inner.size_bytes);
  if (out == NULL) return ERR_NO_MEMORY;
  *text = bytes_of(out, 0);
  for (size_t at = 0; at < inner.size_bytes;) {
    uint8_t byte = inner.data[at++];
    size_t size = 1;
    out[text->size_bytes] = byte;
    if (byte == quoted.data[0]) at++;
    if (byte == '\\') size = read_escape(inner, &at, out + text->size_bytes);
    if (size == 0)
      return fail(problem, "bad_escape", "after a backslash stands a quote, \\, n, t or u{1F600}; write \\\\ for one");
    text->size_bytes += size;
  }
  return ERR_OK;
}

// --- numbers -------------------------------------------------------------------------------------------------

enum err rule_literal_number(struct bytes digits, struct decimal *number, struct rule_problem *problem) {
  struct diag diag;
  diag_init(&diag);
  if (decimal_parse(digits, number, &diag) == ERR_OK) return ERR_OK;
  if (strcmp(diag.code, "number_too_long") == 0)
    return fail(problem, "bad_number", "a number has at most %d digits", LIMIT_DECIMAL_DIGITS);
  if (strcmp(diag.code, "number_out_of_range") == 0)
    return fail(problem, "bad_number", "the number is out of range: its power of ten is too large or too small");
  return fail(problem, "bad_number", "a number does not begin with a zero: write 7, not 007");
}

// --- dates and times -----------------------------------------------------------------------------------------

static int two(const uint8_t *data) {
  return (data[0] - '0') * 10 + data[1] - '0';
}

// The day at the beginning of `text`; what is no such day says so.
static enum err check_day(struct bytes text, struct rule_problem *problem) {
  static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
  static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const uint8_t *data = text.data;
  if (text.size_bytes < 10 || data[7] != '-' || data[5] == '-' || data[9] < '0' || data[9] > '9')
    return fail(problem, "bad_date", "month and day have two digits: 2026-01-05");
  int year = two(data) * 100 + two(data + 2), month = two(data + 5), day = two(data + 8);
  if (year == 0) return fail(problem, "bad_date", "years begin at 0001");
  if (month < 1 || month > 12) return fail(problem, "bad_date", "there is no month %02d: months are 01 to 12", month);
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  int length = month == 2 && leap ? 29 : lengths[month - 1];
  if (day < 1 || day > length)
    return fail(problem, "bad_date", "there is no day %02d: %s %d has %d days", day, months[month - 1], year, length);
  return ERR_OK;
}

// Whether the time of day is of the form 10:00:00, and no leap second.
static bool check_clock(struct bytes clock) {
  return clock.size_bytes >= 8 && clock.data[2] == ':' && clock.data[5] == ':' && clock.data[6] != '6';
}

enum err rule_literal_time(struct bytes text, int64_t *time_us, bool *has_offset, struct rule_problem *problem) {
  enum err err = check_day(text, problem);
  if (err != ERR_OK) return err;
  *has_offset = false;
  if (text.size_bytes > 10) {
    struct bytes clock = bytes_of(text.data + 11, text.size_bytes - 11);
    for (size_t i = 0; i < clock.size_bytes; i++)
      if (strchr("Zz+-", clock.data[i]) != NULL) *has_offset = true;
    if (!check_clock(clock) || clock_parse(text, time_us) != ERR_OK)
      return fail(problem, "bad_date",
                  "there is no such time; one is written 2026-01-31T23:59:59, Z or +01:00 behind it");
  } else if (clock_parse(text, time_us) != ERR_OK) {
    return fail(problem, "bad_date", "a date is written 2026-01-31");
  }
  if (*time_us < YEAR_1_US || *time_us > YEAR_9999_US)
    return fail(problem, "bad_date", "times are from year 1 to year 9999, in UTC");
  return ERR_OK;
}
