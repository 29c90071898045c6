// machine_text: values in writing, for text() and as JSON.
#include "rule/machine_private.h"

#include <stdio.h>

#include "base/clock.h"
#include "rule/civil.h"

// ".25", nothing when it is 0.
static size_t put_fraction(char *out, int64_t us, bool all_digits) {
  if (us == 0) return 0;
  int size = snprintf(out, 8, ".%06d", (int)us);
  while (!all_digits && out[size - 1] == '0') size--;
  out[size] = '\0';
  return (size_t)size;
}

// 2026-01-31T10:00:00Z, with microseconds when there are any.
static size_t put_time(int64_t time_us, char *out) {
  int64_t day = rule_floor_div(time_us, CLOCK_DAY_US), rest_us = time_us - day * CLOCK_DAY_US;
  struct rule_date date = rule_date_of_days(day);
  int second = (int)(rest_us / CLOCK_SECOND_US);
  size_t size = (size_t)snprintf(out, MACHINE_TEXT_BYTES - 16, "%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month,
                                 date.day, second / 3600, second / 60 % 60, second % 60);
  size += put_fraction(out + size, rest_us % CLOCK_SECOND_US, true);
  out[size++] = 'Z';
  out[size] = '\0';
  return size;
}

static size_t put_part(char *out, int64_t count, char unit) {
  return count == 0 ? 0 : (size_t)snprintf(out, 24, "%lld%c", (long long)count, unit);
}

// P1DT2H, PT0.5S, -PT5S, PT0S.
static size_t put_duration(int64_t length_us, char *out) {
  uint64_t rest_us = length_us < 0 ? 0 - (uint64_t)length_us : (uint64_t)length_us;
  size_t size = (size_t)snprintf(out, 4, "%sP", length_us < 0 ? "-" : "");
  size += put_part(out + size, (int64_t)(rest_us / (uint64_t)CLOCK_DAY_US), 'D');
  rest_us %= (uint64_t)CLOCK_DAY_US;
  if (rest_us == 0 && length_us != 0) return size;
  out[size++] = 'T';
  size += put_part(out + size, (int64_t)(rest_us / (uint64_t)CLOCK_HOUR_US), 'H');
  size += put_part(out + size, (int64_t)(rest_us / (uint64_t)CLOCK_MINUTE_US % 60), 'M');
  uint64_t second_us = rest_us % (uint64_t)CLOCK_MINUTE_US;
  if (second_us != 0 || length_us == 0) {
    size += (size_t)snprintf(out + size, 4, "%d", (int)(second_us / CLOCK_SECOND_US));
    size += put_fraction(out + size, (int64_t)(second_us % CLOCK_SECOND_US), false);
    out[size++] = 'S';
  }
  out[size] = '\0';
  return size;
}

size_t machine_text(const struct rule_value *value, char out[MACHINE_TEXT_BYTES]) {
  switch (value->type) {
  case RULE_TYPE_BOOL:
    return (size_t)snprintf(out, MACHINE_TEXT_BYTES, "%s", value->boolean ? "true" : "false");
  case RULE_TYPE_NUMBER:
    return decimal_format(value->number, out);
  case RULE_TYPE_TIME:
    return put_time(value->time_us, out);
  case RULE_TYPE_DURATION:
    return put_duration(value->time_us, out);
  default:
    return 0;
  }
}

void rule_value_to_json(struct json_writer *writer, const struct rule_value *value, const struct names *names) {
  char text[MACHINE_TEXT_BYTES];
  switch (value->type) {
  case RULE_TYPE_BOOL:
    json_bool(writer, value->boolean);
    break;
  case RULE_TYPE_NUMBER:
    json_raw(writer, bytes_of(text, machine_text(value, text)));
    break;
  case RULE_TYPE_TEXT:
    json_bytes(writer, value->text);
    break;
  case RULE_TYPE_TIME:
  case RULE_TYPE_DURATION:
    json_bytes(writer, bytes_of(text, machine_text(value, text)));
    break;
  case RULE_TYPE_LIST:
  case RULE_TYPE_DOCUMENT:
    value_to_json(writer, value->packed, names);
    break;
  default:
    json_null(writer);
    break;
  }
}
