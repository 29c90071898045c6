// Functions and lookups.
#include "rule_reference_private.h"

#include <utf8proc.h>

#include "base/clock.h"
#include "rule/civil.h"
#include "rule/duration.h"

static struct rule_value with_case(struct reference *reference, struct bytes text, bool upper) {
  struct buffer out;
  buffer_init(&out);
  for (size_t at = 0; at < text.size_bytes;) {
    utf8proc_int32_t code;
    utf8proc_uint8_t encoded[4];
    at += (size_t)utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &code);
    code = upper ? utf8proc_toupper(code) : utf8proc_tolower(code);
    buffer_append(&out, encoded, (size_t)utf8proc_encode_char(code, encoded));
  }
  struct rule_value value = text_of(arena_copy(reference->arena, buffer_view(&out)));
  buffer_release(&out);
  return value;
}

// By taking away what is not the host, from both ends of a text with a NUL behind it.
static struct rule_value host(struct reference *reference, struct bytes url) {
  char *text = (char *)(uintptr_t)arena_copy(reference->arena, url).data;
  char *from = strstr(text, "://");
  if (from == NULL) return NOTHING;
  from += strlen("://");
  from[strcspn(from, "/?#\\")] = '\0';
  if (strrchr(from, '@') != NULL) from = strrchr(from, '@') + 1;
  char *port = strrchr(from, ':');
  if (port != NULL && strchr(port, ']') == NULL) *port = '\0';
  size_t size = strlen(from);
  if (size > 0 && from[size - 1] == '.') from[--size] = '\0';
  for (char *at = from; *at != '\0'; at++)
    if (*at >= 'A' && *at <= 'Z') *at = (char)(*at - 'A' + 'a');
  if (size > 4 && strncmp(from, "www.", 4) == 0) from += 4;
  return *from == '\0' ? NOTHING : text_of(bytes_from_text(from));
}

static struct rule_value length(struct rule_value value) {
  int64_t count = 0;
  if (value.type == RULE_TYPE_TEXT) {
    for (size_t i = 0; i < value.text.size_bytes; i++) count += (value.text.data[i] & 0xc0) != 0x80;
    return whole_of(count);
  }
  if (value.type != RULE_TYPE_LIST) return NOTHING;
  for (struct value_iter iter = value_iterate(value.packed); value_next(&iter);) count++;
  return whole_of(count);
}

static struct rule_value number(struct rule_value value) {
  struct decimal read;
  struct diag diag;
  if (value.type == RULE_TYPE_NUMBER) return value;
  if (value.type != RULE_TYPE_TEXT) return NOTHING;
  return decimal_parse(bytes_trim(value.text), &read, &diag) == ERR_OK ? number_of(read) : NOTHING;
}

static void print_time(int64_t time_us, char out[64]) {
  int64_t day = rule_floor_div(time_us, CLOCK_DAY_US), rest_us = time_us - day * CLOCK_DAY_US;
  struct rule_date date = rule_date_of_days(day);
  int second = (int)(rest_us / CLOCK_SECOND_US), fraction = (int)(rest_us % CLOCK_SECOND_US);
  int size = snprintf(out, 64, "%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month, date.day, second / 3600,
                      second / 60 % 60, second % 60);
  snprintf(out + size, 64 - (size_t)size, fraction == 0 ? "Z" : ".%06dZ", fraction);
}

static void print_duration(int64_t length_us, struct buffer *out) {
  uint64_t rest = length_us < 0 ? 0 - (uint64_t)length_us : (uint64_t)length_us;
  uint64_t days = rest / (uint64_t)CLOCK_DAY_US, fraction = rest % CLOCK_SECOND_US;
  unsigned seconds = (unsigned)(rest / CLOCK_SECOND_US % 86400);
  char digits[8];
  buffer_append_text(out, length_us < 0 ? "-P" : "P");
  if (days > 0) buffer_append_format(out, "%lluD", (unsigned long long)days);
  if (rest % (uint64_t)CLOCK_DAY_US == 0 && days > 0) return;
  buffer_append_text(out, "T");
  if (seconds / 3600 > 0) buffer_append_format(out, "%uH", seconds / 3600);
  if (seconds / 60 % 60 > 0) buffer_append_format(out, "%uM", seconds / 60 % 60);
  if (seconds % 60 == 0 && fraction == 0 && rest > 0) return;
  buffer_append_format(out, "%u", seconds % 60);
  snprintf(digits, sizeof digits, "%06u", (unsigned)fraction);
  for (size_t i = 6; i > 0 && digits[i - 1] == '0'; i--) digits[i - 1] = '\0';
  if (fraction > 0) buffer_append_format(out, ".%s", digits);
  buffer_append_text(out, "S");
}

struct rule_value reference_text(struct reference *reference, struct rule_value value) {
  char out[64];
  struct buffer buffer;
  switch (value.type) {
  case RULE_TYPE_TEXT:
    return value;
  case RULE_TYPE_BOOL:
    return text_of(bytes_from_text(value.boolean ? "true" : "false"));
  case RULE_TYPE_NUMBER:
    decimal_format(value.number, out);
    break;
  case RULE_TYPE_TIME:
    print_time(value.time_us, out);
    break;
  case RULE_TYPE_DURATION:
    buffer_init(&buffer);
    print_duration(value.time_us, &buffer);
    struct bytes copy = arena_copy(reference->arena, buffer_view(&buffer));
    buffer_release(&buffer);
    return text_of(copy);
  default:
    return NOTHING;
  }
  return text_of(arena_copy(reference->arena, bytes_from_text(out)));
}

static struct rule_value rounded(const struct rule_value *given, uint32_t count) {
  int64_t digits = 0;
  struct decimal out;
  if (given[0].type != RULE_TYPE_NUMBER) return NOTHING;
  if (count > 1) {
    if (given[1].type != RULE_TYPE_NUMBER) return NOTHING;
    if (decimal_to_scaled_i64(given[1].number, 0, &digits) != ERR_OK || digits < -34 || digits > 34) return NOTHING;
  }
  return decimal_round(given[0].number, (int)digits, &out) == ERR_OK ? number_of(out) : NOTHING;
}

static struct rule_value extreme(const struct reference *reference, const struct rule_value *given, uint32_t count,
                                 int sign) {
  struct rule_value best = given[0];
  for (uint32_t i = 0; i < count; i++) {
    int order = 0;
    bool fits = given[i].type == RULE_TYPE_NUMBER || given[i].type == RULE_TYPE_TEXT || given[i].type == RULE_TYPE_TIME;
    if (!fits || given[i].type != given[0].type) return NOTHING;
    if (reference_order(reference, given[i], best, &order) && order * sign > 0) best = given[i];
  }
  return best;
}

static int64_t local_day(const struct reference *reference, int64_t time_us) {
  struct rule_civil civil;
  rule_time_civil(reference->sample->zone, time_us, &civil);
  return rule_days_of_date(civil.year, civil.month, civil.day);
}

// age, days_since, months_since
static struct rule_value elapsed(const struct reference *reference, enum rule_function function,
                                 struct rule_value since) {
  int64_t since_us = 0, now_us = reference->now_us;
  if (!reference_time(reference, since, &since_us) || since_us > now_us) return NOTHING;
  if (function == RULE_FUNCTION_days_since)
    return whole_of(local_day(reference, now_us) - local_day(reference, since_us));
  int64_t months = rule_months_between(reference->sample->zone, since_us, now_us);
  return whole_of(function == RULE_FUNCTION_age ? months / 12 : months);
}

static struct rule_value part_of_time(const struct reference *reference, enum rule_function function,
                                      struct rule_value value) {
  struct rule_civil civil;
  int64_t time_us = 0;
  if (!reference_time(reference, value, &time_us)) return NOTHING;
  rule_time_civil(reference->sample->zone, time_us, &civil);
  switch (function) {
  case RULE_FUNCTION_year:
    return whole_of(civil.year);
  case RULE_FUNCTION_month:
    return whole_of(civil.month);
  case RULE_FUNCTION_day:
    return whole_of(civil.day);
  case RULE_FUNCTION_weekday:
    return whole_of(civil.weekday);
  default:
    return whole_of(civil.hour);
  }
}

static struct rule_value lookup(const struct reference *reference, enum rule_function function,
                                const struct rule_value *given, uint32_t count) {
  struct bytes arguments[16];
  int64_t until_us;
  for (uint32_t i = 0; i < count; i++) {
    if (given[i].type != RULE_TYPE_TEXT) return NOTHING;
    arguments[i] = given[i].text;
  }
  return rule_value_of(sample_lookup(reference->sample, function, arguments, count, reference->now_us, &until_us));
}

static struct rule_value of_numbers(enum rule_function function, struct rule_value value) {
  if (value.type != RULE_TYPE_NUMBER) return NOTHING;
  if (function == RULE_FUNCTION_floor) return number_of(decimal_floor(value.number));
  if (function == RULE_FUNCTION_ceil) return number_of(decimal_ceil(value.number));
  return number_of(decimal_abs(value.number));
}

static struct rule_value call_with(struct reference *reference, enum rule_function function,
                                   const struct rule_value *given, uint32_t count) {
  struct rule_value now = time_of(ERR_OK, reference->now_us);
  int64_t time_us = 0;
  enum err err;
  switch (function) {
  case RULE_FUNCTION_lower:
  case RULE_FUNCTION_upper:
    if (given[0].type != RULE_TYPE_TEXT) return NOTHING;
    return with_case(reference, given[0].text, function == RULE_FUNCTION_upper);
  case RULE_FUNCTION_trim:
    return given[0].type == RULE_TYPE_TEXT ? text_of(bytes_trim(given[0].text)) : NOTHING;
  case RULE_FUNCTION_host:
    return given[0].type == RULE_TYPE_TEXT ? host(reference, given[0].text) : NOTHING;
  case RULE_FUNCTION_length:
    return length(given[0]);
  case RULE_FUNCTION_number:
    return number(given[0]);
  case RULE_FUNCTION_text:
    return reference_text(reference, given[0]);
  case RULE_FUNCTION_floor:
  case RULE_FUNCTION_ceil:
  case RULE_FUNCTION_abs:
    return of_numbers(function, given[0]);
  case RULE_FUNCTION_round:
    return rounded(given, count);
  case RULE_FUNCTION_min:
  case RULE_FUNCTION_max:
    return extreme(reference, given, count, function == RULE_FUNCTION_max ? 1 : -1);
  case RULE_FUNCTION_today:
    err = rule_time_start(reference->sample->zone, reference->now_us, RULE_DAY, 0, &time_us);
    return time_of(err, time_us);
  case RULE_FUNCTION_age:
  case RULE_FUNCTION_days_since:
  case RULE_FUNCTION_months_since:
    return elapsed(reference, function, given[0]);
  case RULE_FUNCTION_year:
  case RULE_FUNCTION_month:
  case RULE_FUNCTION_day:
  case RULE_FUNCTION_weekday:
  case RULE_FUNCTION_hour:
    return part_of_time(reference, function, count > 0 ? given[0] : now);
  default:
    return lookup(reference, function, given, count);
  }
}

struct rule_value reference_call(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  enum rule_function function = node->function;
  struct rule_value given[16];
  if (function == RULE_FUNCTION_NONE) function = rule_function_find(node->text);
  assert_true(function != RULE_FUNCTION_NONE && node->item_count <= 16);
  if (function == RULE_FUNCTION_if) {
    bool first = is_true(reference_evaluate(reference, scope, node->items[0]));
    return reference_evaluate(reference, scope, node->items[first ? 1 : 2]);
  }
  for (uint32_t i = 0; i < node->item_count; i++) {
    given[i] = reference_evaluate(reference, scope, node->items[i]);
    if (function == RULE_FUNCTION_coalesce && given[i].type != RULE_TYPE_NULL) return given[i];
  }
  if (function == RULE_FUNCTION_coalesce) return NOTHING;
  return call_with(reference, function, given, node->item_count);
}
