// One function per construct of ast.h, in its order. A scope is the event (and item) that `where` and `of` speak of.
#include "rule_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>

#include "base/clock.h"
#include "rule/civil.h"
#include "rule/duration.h"

enum { LIST_MAX = 1000, MATCH_LIMIT = 1000000 };

struct reference {
  const struct sample *sample;
  int64_t now_us;
  struct arena *arena;
  bool unknown;
};

struct scope {
  const struct sample_event *event; // NULL: outside of events
  bool has_item;
  struct value item;
};

static const struct rule_value NOTHING = {.type = RULE_TYPE_NULL};

static struct rule_value evaluate(struct reference *reference, const struct scope *scope, const struct rule_node *node);

// --- making and reading values -------------------------------------------------------------------------------

static struct rule_value boolean_of(bool boolean) {
  return (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = boolean};
}
static struct rule_value number_of(struct decimal number) {
  return (struct rule_value){.type = RULE_TYPE_NUMBER, .number = number};
}
static struct rule_value whole_of(int64_t number) {
  return number_of(decimal_from_i64(number));
}
static struct rule_value text_of(struct bytes text) {
  return (struct rule_value){.type = RULE_TYPE_TEXT, .text = text};
}
static struct rule_value time_of(enum err err, int64_t time_us) {
  return err == ERR_OK ? (struct rule_value){.type = RULE_TYPE_TIME, .time_us = time_us} : NOTHING;
}
static struct rule_value duration_of(int64_t length_us) {
  return (struct rule_value){.type = RULE_TYPE_DURATION, .time_us = length_us};
}

static bool is_true(struct rule_value value) {
  return value.type == RULE_TYPE_BOOL && value.boolean;
}

// A time, or a text that reads as one.
static bool as_time(const struct reference *reference, struct rule_value value, int64_t *time_us) {
  if (value.type == RULE_TYPE_TIME) *time_us = value.time_us;
  if (value.type == RULE_TYPE_TEXT) return sample_time(reference->sample->zone, value.text, time_us);
  return value.type == RULE_TYPE_TIME;
}

// A date or a time of the text: `2026-01-31` is the beginning of that day.
static struct rule_value moment(const struct reference *reference, const struct rule_node *node) {
  int64_t time_us = node->time_us;
  if (node->kind == RULE_NODE_TIME && node->has_offset) return time_of(ERR_OK, time_us);
  enum err err = rule_time_from_wall(reference->sample->zone, node->time_us, &time_us);
  return time_of(err, time_us);
}

static bool is_calendar(struct rule_duration duration) {
  return duration.unit >= RULE_MONTH;
}

static struct rule_value length_of(struct rule_duration duration) {
  static const int64_t seconds[] = {1, 60, 3600, 86400, 7 * 86400};
  int64_t length_us;
  if (is_calendar(duration)) return (struct rule_value){.type = RULE_TYPE_CALENDAR, .calendar = duration};
  if (__builtin_mul_overflow(duration.count, seconds[duration.unit] * CLOCK_SECOND_US, &length_us)) return NOTHING;
  return duration_of(length_us);
}

// --- paths ---------------------------------------------------------------------------------------------------

static struct value members(const struct reference *reference, struct value value, const struct bytes *path,
                            uint32_t count) {
  for (uint32_t i = 0; i < count; i++) value = value_member(value, reference->sample->names, path[i]);
  return value;
}

// In the message: from its root, or in its properties.
static struct value in_message(const struct reference *reference, const struct sample_event *event,
                               const struct bytes *path, uint32_t count) {
  const struct bytes properties = BYTES("properties");
  if (bytes_equal(path[0], properties) || bytes_equal(path[0], BYTES("context")))
    return members(reference, event->message, path, count);
  return members(reference, members(reference, event->message, &properties, 1), path, count);
}

// `item` is the item itself, unless that is a document: then it is a member like any other.
static struct value in_item(const struct reference *reference, struct value item, const struct bytes *path,
                            uint32_t count) {
  bool whole = count == 1 && bytes_equal(path[0], BYTES("item")) && value_type(item) != VALUE_DOCUMENT;
  return whole ? item : members(reference, item, path, count);
}

static struct rule_value path_value(const struct reference *reference, const struct scope *scope,
                                    const struct rule_node *node) {
  const struct bytes *path = node->names;
  uint32_t count = node->name_count;
  if (bytes_equal(path[0], BYTES("traits")))
    return rule_value_of(members(reference, reference->sample->traits, path + 1, count - 1));
  if (bytes_equal(path[0], BYTES("attributes"))) {
    int64_t until_us;
    if (count == 1) return NOTHING;
    struct value found =
        sample_lookup(reference->sample, RULE_FUNCTION_NONE, path + 1, 1, reference->now_us, &until_us);
    return rule_value_of(members(reference, found, path + 2, count - 2));
  }
  if (scope->event == NULL) return NOTHING;
  if (count == 1 && bytes_equal(path[0], BYTES("time"))) return time_of(ERR_OK, scope->event->time_us);
  bool from_root = bytes_equal(path[0], BYTES("properties")) || bytes_equal(path[0], BYTES("context"));
  if (scope->has_item && !from_root) return rule_value_of(in_item(reference, scope->item, path, count));
  return rule_value_of(in_message(reference, scope->event, path, count));
}

// --- comparisons ---------------------------------------------------------------------------------------------

// A text beside a time becomes a time, or null when it is none.
static void make_times(const struct reference *reference, struct rule_value *a, struct rule_value *b) {
  int64_t time_us = 0;
  if (a->type == RULE_TYPE_TIME && b->type == RULE_TYPE_TEXT)
    *b = as_time(reference, *b, &time_us) ? time_of(ERR_OK, time_us) : NOTHING;
  else if (b->type == RULE_TYPE_TIME && a->type == RULE_TYPE_TEXT)
    *a = as_time(reference, *a, &time_us) ? time_of(ERR_OK, time_us) : NOTHING;
}

bool rule_reference_same(const struct rule_value *a, const struct rule_value *b) {
  if (a->type != b->type) return false;
  switch (a->type) {
  case RULE_TYPE_NULL:
    return true;
  case RULE_TYPE_BOOL:
    return a->boolean == b->boolean;
  case RULE_TYPE_NUMBER:
    return decimal_compare(a->number, b->number) == 0;
  case RULE_TYPE_TEXT:
    return bytes_equal(a->text, b->text);
  case RULE_TYPE_TIME:
  case RULE_TYPE_DURATION:
    return a->time_us == b->time_us;
  case RULE_TYPE_CALENDAR:
    return a->calendar.count == b->calendar.count && a->calendar.unit == b->calendar.unit;
  default:
    return value_equal(a->packed, b->packed);
  }
}

static bool is_equal(const struct reference *reference, struct rule_value a, struct rule_value b) {
  make_times(reference, &a, &b);
  return a.type != RULE_TYPE_NULL && rule_reference_same(&a, &b);
}

static bool is_unequal(const struct reference *reference, struct rule_value a, struct rule_value b) {
  make_times(reference, &a, &b);
  return a.type != RULE_TYPE_NULL && b.type != RULE_TYPE_NULL && !rule_reference_same(&a, &b);
}

// Which comes first: negative, 0, positive. False when they have no order.
static bool in_order(const struct reference *reference, struct rule_value a, struct rule_value b, int *order) {
  make_times(reference, &a, &b);
  if (a.type != b.type) return false;
  if (a.type == RULE_TYPE_NUMBER) *order = decimal_compare(a.number, b.number);
  if (a.type == RULE_TYPE_TEXT) *order = bytes_compare(a.text, b.text);
  if (a.type == RULE_TYPE_TIME || a.type == RULE_TYPE_DURATION)
    *order = a.time_us < b.time_us ? -1 : a.time_us > b.time_us;
  return a.type == RULE_TYPE_NUMBER || a.type == RULE_TYPE_TEXT || a.type == RULE_TYPE_TIME ||
         a.type == RULE_TYPE_DURATION;
}

static bool holds(enum rule_op op, int order) {
  switch (op) {
  case RULE_LESS:
    return order < 0;
  case RULE_LESS_EQUAL:
    return order <= 0;
  case RULE_GREATER:
    return order > 0;
  default:
    return order >= 0;
  }
}

// now, now - D or now + D; *shift is what is added to the other side instead.
static bool is_now(const struct rule_node *node, struct rule_duration *shift) {
  *shift = (struct rule_duration){0, RULE_SECOND};
  if (node->kind == RULE_NODE_NOW) return true;
  bool moved = node->kind == RULE_NODE_BINARY && (node->op == RULE_ADD || node->op == RULE_SUBTRACT);
  if (!moved || node->left->kind != RULE_NODE_NOW || node->right->kind != RULE_NODE_DURATION) return false;
  *shift = node->right->duration;
  if (node->op == RULE_ADD) shift->count = -shift->count;
  return true;
}

static struct rule_value shifted(const struct reference *reference, struct rule_value value,
                                 struct rule_duration shift) {
  int64_t time_us = 0;
  if (!as_time(reference, value, &time_us)) return NOTHING;
  enum err err = rule_time_add(reference->sample->zone, time_us, shift, &time_us);
  return time_of(err, time_us);
}

static struct rule_value compare(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  struct rule_duration shift;
  struct rule_value now = time_of(ERR_OK, reference->now_us), left, right;
  int order = 0;
  if (is_now(node->right, &shift)) {
    left = shifted(reference, evaluate(reference, scope, node->left), shift);
    right = now;
  } else if (is_now(node->left, &shift)) {
    left = now;
    right = shifted(reference, evaluate(reference, scope, node->right), shift);
  } else {
    left = evaluate(reference, scope, node->left);
    right = evaluate(reference, scope, node->right);
  }
  return boolean_of(in_order(reference, left, right, &order) && holds(node->op, order));
}

static bool contains_text(struct bytes text, struct bytes part) {
  for (size_t i = 0; i + part.size_bytes <= text.size_bytes; i++)
    if (bytes_starts_with(bytes_of(text.data + i, text.size_bytes - i), part)) return true;
  return false;
}

static bool contains(const struct reference *reference, struct rule_value a, struct rule_value b) {
  if (a.type == RULE_TYPE_TEXT && b.type == RULE_TYPE_TEXT) return contains_text(a.text, b.text);
  if (a.type != RULE_TYPE_LIST) return false;
  for (struct value_iter iter = value_iterate(a.packed); value_next(&iter);)
    if (is_equal(reference, rule_value_of(iter.item), b)) return true;
  return false;
}

static bool ends_with(struct bytes text, struct bytes end) {
  if (end.size_bytes > text.size_bytes) return false;
  return bytes_equal(bytes_of(text.data + text.size_bytes - end.size_bytes, end.size_bytes), end);
}

static struct rule_value in_list(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  struct rule_value value = evaluate(reference, scope, node->left);
  bool found = false;
  if (value.type == RULE_TYPE_NULL) return boolean_of(false);
  for (uint32_t i = 0; i < node->item_count && !found; i++)
    found = is_equal(reference, value, evaluate(reference, scope, node->items[i]));
  return boolean_of(found != node->negated);
}

static struct rule_value matches(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  struct rule_value value = evaluate(reference, scope, node->left);
  int problem;
  PCRE2_SIZE place;
  if (value.type != RULE_TYPE_TEXT) return boolean_of(false);
  pcre2_code *code = pcre2_compile(node->text.data, node->text.size_bytes, PCRE2_UTF, &problem, &place, NULL);
  if (code == NULL) return boolean_of(false);
  pcre2_match_context *context = pcre2_match_context_create(NULL);
  pcre2_match_data *data = pcre2_match_data_create(1, NULL);
  assert_true(context != NULL && data != NULL);
  pcre2_set_match_limit(context, MATCH_LIMIT);
  PCRE2_SPTR text = value.text.size_bytes == 0 ? (PCRE2_SPTR) "" : value.text.data;
  int found = pcre2_match(code, text, value.text.size_bytes, 0, 0, data, context);
  if (found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_DEPTHLIMIT || found == PCRE2_ERROR_HEAPLIMIT)
    reference->unknown = true;
  pcre2_match_data_free(data);
  pcre2_match_context_free(context);
  pcre2_code_free(code);
  return boolean_of(found >= 0);
}

// --- arithmetic ----------------------------------------------------------------------------------------------

static struct rule_value calculate(enum rule_op op, struct decimal a, struct decimal b) {
  struct decimal out;
  enum err err = ERR_INVALID;
  if (op == RULE_ADD) err = decimal_add(a, b, &out);
  if (op == RULE_SUBTRACT) err = decimal_subtract(a, b, &out);
  if (op == RULE_MULTIPLY) err = decimal_multiply(a, b, &out);
  if (op == RULE_DIVIDE) err = decimal_divide(a, b, &out);
  if (op == RULE_REMAINDER) err = decimal_remainder(a, b, &out);
  return err == ERR_OK ? number_of(out) : NOTHING;
}

// time + length, whichever kind of length it is.
static struct rule_value later(const struct reference *reference, struct rule_value from, struct rule_value length,
                               bool back) {
  int64_t time_us = 0;
  if (!as_time(reference, from, &time_us)) return NOTHING;
  struct rule_duration shift = {0, RULE_SECOND}; // only its range is checked
  if (length.type == RULE_TYPE_CALENDAR) {
    shift = length.calendar;
    if (back) shift.count = -shift.count;
  } else if (back ? __builtin_sub_overflow(time_us, length.time_us, &time_us)
                  : __builtin_add_overflow(time_us, length.time_us, &time_us)) {
    return NOTHING;
  }
  enum err err = rule_time_add(reference->sample->zone, time_us, shift, &time_us);
  return time_of(err, time_us);
}

static bool is_length(struct rule_value value) {
  return value.type == RULE_TYPE_DURATION || value.type == RULE_TYPE_CALENDAR;
}

static struct rule_value add(const struct reference *reference, struct rule_value a, struct rule_value b) {
  int64_t sum_us;
  if (a.type == RULE_TYPE_DURATION && b.type == RULE_TYPE_DURATION)
    return __builtin_add_overflow(a.time_us, b.time_us, &sum_us) ? NOTHING : duration_of(sum_us);
  if (is_length(a) && is_length(b)) return NOTHING;
  if (is_length(b)) return later(reference, a, b, false);
  if (is_length(a)) return later(reference, b, a, false);
  return NOTHING;
}

static struct rule_value subtract(const struct reference *reference, struct rule_value a, struct rule_value b) {
  int64_t difference_us;
  if (a.type == RULE_TYPE_DURATION && b.type == RULE_TYPE_DURATION)
    return __builtin_sub_overflow(a.time_us, b.time_us, &difference_us) ? NOTHING : duration_of(difference_us);
  if (is_length(a)) return NOTHING;
  if (is_length(b)) return later(reference, a, b, true);
  make_times(reference, &a, &b);
  if (a.type == RULE_TYPE_TIME && b.type == RULE_TYPE_TIME) return duration_of(a.time_us - b.time_us);
  return NOTHING;
}

static struct rule_value arithmetic(const struct reference *reference, enum rule_op op, struct rule_value a,
                                    struct rule_value b) {
  if (a.type == RULE_TYPE_NUMBER && b.type == RULE_TYPE_NUMBER) return calculate(op, a.number, b.number);
  if (op == RULE_ADD) return add(reference, a, b);
  if (op == RULE_SUBTRACT) return subtract(reference, a, b);
  return NOTHING;
}

static struct rule_value binary(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  if (node->op == RULE_AND || node->op == RULE_OR) {
    bool left = is_true(evaluate(reference, scope, node->left));
    if (left == (node->op == RULE_OR)) return boolean_of(left);
    return boolean_of(is_true(evaluate(reference, scope, node->right)));
  }
  if (node->op >= RULE_LESS && node->op <= RULE_GREATER_EQUAL) return compare(reference, scope, node);
  struct rule_value a = evaluate(reference, scope, node->left), b = evaluate(reference, scope, node->right);
  bool texts = a.type == RULE_TYPE_TEXT && b.type == RULE_TYPE_TEXT;
  switch (node->op) {
  case RULE_EQUAL:
    return boolean_of(is_equal(reference, a, b));
  case RULE_UNEQUAL:
    return boolean_of(is_unequal(reference, a, b));
  case RULE_CONTAINS:
    return boolean_of(contains(reference, a, b));
  case RULE_STARTS_WITH:
    return boolean_of(texts && bytes_starts_with(a.text, b.text));
  case RULE_ENDS_WITH:
    return boolean_of(texts && ends_with(a.text, b.text));
  default:
    return arithmetic(reference, node->op, a, b);
  }
}

// --- functions -----------------------------------------------------------------------------------------------

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

static struct rule_value text(struct reference *reference, struct rule_value value) {
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
    if (in_order(reference, given[i], best, &order) && order * sign > 0) best = given[i];
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
  if (!as_time(reference, since, &since_us) || since_us > now_us) return NOTHING;
  if (function == RULE_FUNCTION_days_since)
    return whole_of(local_day(reference, now_us) - local_day(reference, since_us));
  int64_t months = rule_months_between(reference->sample->zone, since_us, now_us);
  return whole_of(function == RULE_FUNCTION_age ? months / 12 : months);
}

static struct rule_value part_of_time(const struct reference *reference, enum rule_function function,
                                      struct rule_value value) {
  struct rule_civil civil;
  int64_t time_us = 0;
  if (!as_time(reference, value, &time_us)) return NOTHING;
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
  case RULE_FUNCTION_length:
    return length(given[0]);
  case RULE_FUNCTION_number:
    return number(given[0]);
  case RULE_FUNCTION_text:
    return text(reference, given[0]);
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

static struct rule_value call(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  enum rule_function function = node->function;
  struct rule_value given[16];
  if (function == RULE_FUNCTION_NONE) function = rule_function_find(node->text);
  assert_true(function != RULE_FUNCTION_NONE && node->item_count <= 16);
  if (function == RULE_FUNCTION_if) {
    bool first = is_true(evaluate(reference, scope, node->items[0]));
    return evaluate(reference, scope, node->items[first ? 1 : 2]);
  }
  for (uint32_t i = 0; i < node->item_count; i++) {
    given[i] = evaluate(reference, scope, node->items[i]);
    if (function == RULE_FUNCTION_coalesce && given[i].type != RULE_TYPE_NULL) return given[i];
  }
  if (function == RULE_FUNCTION_coalesce) return NOTHING;
  return call_with(reference, function, given, node->item_count);
}

// --- windows -------------------------------------------------------------------------------------------------

// now < end, where an end past the last year is never reached.
static bool is_before(int64_t now_us, enum err err, int64_t end_us) {
  return err != ERR_OK || now_us < end_us;
}

static bool in_last_days(const struct reference *reference, struct rule_duration length_units, int64_t time_us) {
  const struct rule_zone *zone = reference->sample->zone;
  int64_t start_us = 0, end_us = 0;
  enum err err;
  if (length_units.unit == RULE_DAY || length_units.unit == RULE_WEEK) {
    int64_t days = length_units.count * (length_units.unit == RULE_WEEK ? 7 : 1);
    err = rule_time_start(zone, time_us, RULE_DAY, days, &end_us);
  } else {
    err = rule_time_start(zone, time_us, RULE_DAY, 0, &start_us);
    if (err == ERR_OK) err = rule_time_add(zone, start_us, length_units, &end_us);
  }
  return is_before(reference->now_us, err, end_us);
}

static bool in_previous(const struct reference *reference, struct rule_duration length_units, int64_t time_us) {
  const struct rule_zone *zone = reference->sample->zone;
  int64_t from_us = 0, to_us = 0;
  if (rule_time_start(zone, reference->now_us, length_units.unit, 0, &to_us) != ERR_OK) return false;
  if (rule_time_start(zone, reference->now_us, length_units.unit, -length_units.count, &from_us) != ERR_OK)
    from_us = INT64_MIN;
  return from_us <= time_us && time_us < to_us;
}

static bool before_end(const struct reference *reference, const struct rule_node *to, int64_t time_us) {
  struct rule_value end = moment(reference, to);
  if (end.type == RULE_TYPE_NULL) return false;
  if (to->kind == RULE_NODE_TIME) return time_us < end.time_us;
  int64_t next_us = 0;
  enum err err = rule_time_start(reference->sample->zone, end.time_us, RULE_DAY, 1, &next_us);
  return is_before(time_us, err, next_us);
}

// Whether an event at `time_us` lies in the window, at now.
static bool in_window(const struct reference *reference, const struct rule_window *window, int64_t time_us) {
  struct rule_value from = NOTHING;
  int64_t end_us = 0;
  enum err err;
  if (time_us > reference->now_us) return false;
  switch (window->kind) {
  case RULE_WINDOW_NONE:
    return true;
  case RULE_WINDOW_LAST:
    err = rule_time_add(reference->sample->zone, time_us, window->length, &end_us);
    return is_before(reference->now_us, err, end_us);
  case RULE_WINDOW_LAST_DAYS:
    return in_last_days(reference, window->length, time_us);
  case RULE_WINDOW_PREVIOUS:
    return in_previous(reference, window->length, time_us);
  case RULE_WINDOW_BEFORE:
    from = moment(reference, window->to);
    return from.type == RULE_TYPE_TIME && time_us < from.time_us;
  default:
    from = moment(reference, window->from);
    if (from.type == RULE_TYPE_NULL || time_us < from.time_us) return false;
    return window->kind == RULE_WINDOW_SINCE || before_end(reference, window->to, time_us);
  }
}

// --- aggregates ----------------------------------------------------------------------------------------------

struct values {
  struct rule_value *items;
  size_t count, capacity;
};

static void push(struct reference *reference, struct values *values, struct rule_value value) {
  if (values->count == values->capacity) {
    size_t capacity = values->capacity == 0 ? 8 : 2 * values->capacity;
    struct rule_value *items = arena_take_zero(reference->arena, capacity, sizeof *items);
    assert_non_null(items);
    if (values->count > 0) memcpy(items, values->items, values->count * sizeof *items);
    *values = (struct values){items, values->count, capacity};
  }
  values->items[values->count++] = value;
}

// The value of one event or item, when its `where` holds; true for count and exists.
static void gather_one(struct reference *reference, const struct rule_node *node, const struct scope *scope,
                       struct values *values) {
  const struct rule_node *where = node->events->where;
  if (where != NULL && !is_true(evaluate(reference, scope, where))) return;
  push(reference, values, node->left == NULL ? boolean_of(true) : evaluate(reference, scope, node->left));
}

static void gather_event(struct reference *reference, const struct rule_node *node, const struct sample_event *event,
                         struct values *values) {
  const struct rule_events *events = node->events;
  struct scope scope = {event, false, {{NULL, 0}}};
  if (events->item_count == 0) {
    gather_one(reference, node, &scope, values);
    return;
  }
  struct value items = in_message(reference, event, events->items, events->item_count);
  scope.has_item = true;
  scope.item = items;
  if (value_type(items) == VALUE_NULL) return;
  if (value_type(items) != VALUE_LIST) {
    gather_one(reference, node, &scope, values);
    return;
  }
  for (struct value_iter iter = value_iterate(items); value_next(&iter);) {
    scope.item = iter.item;
    gather_one(reference, node, &scope, values);
  }
}

static struct values gather(struct reference *reference, const struct rule_node *node) {
  struct values values = {NULL, 0, 0};
  for (size_t i = 0; i < reference->sample->event_count; i++) {
    const struct sample_event *event = &reference->sample->events[i];
    if (bytes_equal(event->name, node->events->name) && in_window(reference, &node->events->window, event->time_us))
      gather_event(reference, node, event, &values);
  }
  return values;
}

static struct rule_value sum(const struct values *values, bool average) {
  struct rule_value total = whole_of(0);
  int64_t count = 0;
  for (size_t i = 0; i < values->count; i++) {
    if (values->items[i].type != RULE_TYPE_NUMBER) continue;
    count++;
    total = calculate(RULE_ADD, total.number, values->items[i].number);
    if (total.type == RULE_TYPE_NULL) return total;
  }
  if (!average) return total;
  return count == 0 ? NOTHING : calculate(RULE_DIVIDE, total.number, decimal_from_i64(count));
}

static int rank(enum rule_type type) {
  return type == RULE_TYPE_NUMBER ? 1 : type == RULE_TYPE_TIME ? 2 : type == RULE_TYPE_TEXT ? 3 : 0;
}

// The smallest or the largest: numbers, then times, then texts.
static struct rule_value outermost(const struct reference *reference, const struct values *values, int sign) {
  struct rule_value best = NOTHING;
  for (size_t i = 0; i < values->count; i++) {
    struct rule_value value = values->items[i];
    int order = rank(value.type) - rank(best.type);
    if (rank(value.type) == 0) continue;
    if (order == 0) in_order(reference, value, best, &order);
    if (best.type == RULE_TYPE_NULL || order * sign > 0) best = value;
  }
  return best;
}

static size_t occurrences(const struct reference *reference, const struct values *values, size_t index, size_t end) {
  size_t count = 0;
  for (size_t i = 0; i < end; i++) count += is_equal(reference, values->items[i], values->items[index]);
  return count;
}

static struct rule_value distinct(const struct reference *reference, const struct values *values) {
  int64_t count = 0;
  for (size_t i = 0; i < values->count; i++)
    count += values->items[i].type != RULE_TYPE_NULL && occurrences(reference, values, i, i) == 0;
  return whole_of(count);
}

// Of equally frequent ones the later wins, so walking forwards the last best is the answer.
static struct rule_value most_frequent(const struct reference *reference, const struct values *values) {
  struct rule_value best = NOTHING;
  size_t most = 0;
  for (size_t i = 0; i < values->count; i++) {
    size_t count = occurrences(reference, values, i, values->count);
    if (count == 0 || count < most) continue;
    most = count;
    best = values->items[i];
  }
  return best;
}

static void put(struct value_builder *builder, struct reference *reference, struct rule_value value) {
  if (value.type == RULE_TYPE_BOOL) value_put_bool(builder, value.boolean);
  if (value.type == RULE_TYPE_NUMBER) value_put_number(builder, value.number);
  if (value.type == RULE_TYPE_LIST || value.type == RULE_TYPE_DOCUMENT) value_put_value(builder, value.packed);
  if (value.type == RULE_TYPE_TEXT || value.type == RULE_TYPE_TIME || value.type == RULE_TYPE_DURATION)
    value_put_text(builder, text(reference, value).text);
}

// Times and durations stand in lists as their texts.
static struct rule_value list(struct reference *reference, const struct values *values) {
  struct buffer out;
  struct value_builder builder;
  size_t found = 0, seen = 0;
  for (size_t i = 0; i < values->count; i++) found += values->items[i].type != RULE_TYPE_NULL;
  buffer_init(&out);
  value_builder_init(&builder, &out, reference->sample->names);
  value_list_begin(&builder);
  for (size_t i = 0; i < values->count; i++) {
    if (values->items[i].type == RULE_TYPE_NULL) continue;
    if (found - seen++ <= LIST_MAX) put(&builder, reference, values->items[i]);
  }
  value_list_end(&builder);
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  struct value packed = {arena_copy(reference->arena, buffer_view(&out))};
  buffer_release(&out);
  return rule_value_of(packed);
}

static struct rule_value end_of(const struct values *values, bool last) {
  struct rule_value found = NOTHING;
  for (size_t i = 0; i < values->count; i++) {
    struct rule_value value = values->items[last ? values->count - 1 - i : i];
    if (found.type == RULE_TYPE_NULL) found = value;
  }
  return found;
}

static struct rule_value aggregate(struct reference *reference, const struct rule_node *node) {
  enum rule_aggregator aggregator;
  struct values values = gather(reference, node);
  assert_true(rule_aggregator_find(node->text, &aggregator));
  switch (aggregator) {
  case RULE_COUNT:
    return whole_of((int64_t)values.count);
  case RULE_EXISTS:
    return boolean_of(values.count > 0);
  case RULE_SUM:
  case RULE_AVG:
    return sum(&values, aggregator == RULE_AVG);
  case RULE_MIN:
  case RULE_MAX:
    return outermost(reference, &values, aggregator == RULE_MAX ? 1 : -1);
  case RULE_FIRST:
  case RULE_LAST:
    return end_of(&values, aggregator == RULE_LAST);
  case RULE_DISTINCT:
    return distinct(reference, &values);
  case RULE_MOST_FREQUENT:
    return most_frequent(reference, &values);
  default:
    return list(reference, &values);
  }
}

// --- sequences -----------------------------------------------------------------------------------------------

struct sequence {
  struct reference *reference;
  const struct rule_node *node;
  struct rule_value key; // of the first step's event
};

static struct rule_value key_of(const struct sequence *sequence, const struct sample_event *event) {
  const struct rule_node *node = sequence->node;
  return rule_value_of(in_message(sequence->reference, event, node->names, node->name_count));
}

// An event of the step: its name, its `where`, and the key of the others.
static bool fits(const struct sequence *sequence, const struct rule_step *step, const struct sample_event *event,
                 bool first) {
  struct scope scope = {event, false, {{NULL, 0}}};
  const struct rule_node *where = step->events.where;
  if (!bytes_equal(event->name, step->events.name)) return false;
  if (where != NULL && !is_true(evaluate(sequence->reference, &scope, where))) return false;
  if (sequence->node->name_count == 0 || first) return true;
  return is_equal(sequence->reference, key_of(sequence, event), sequence->key);
}

// Whether an event of a `then not` lies after `from_us` and up to `to_us`.
static bool is_disturbed(const struct sequence *sequence, uint32_t first, uint32_t end, int64_t from_us,
                         int64_t to_us) {
  const struct sample *sample = sequence->reference->sample;
  for (uint32_t step = first; step < end; step++)
    for (size_t i = 0; i < sample->event_count; i++) {
      int64_t time_us = sample->events[i].time_us;
      if (time_us > from_us && time_us <= to_us &&
          fits(sequence, &sequence->node->steps[step], &sample->events[i], false))
        return true;
    }
  return false;
}

// Nothing but `then not` from step `first` on; the last positive step was at `from_us`.
static bool ends_undisturbed(const struct sequence *sequence, uint32_t first, int64_t from_us) {
  const struct rule_node *node = sequence->node;
  const struct reference *reference = sequence->reference;
  int64_t to_us = reference->now_us;
  if (first == node->step_count) return true;
  const struct rule_step *last = &node->steps[node->step_count - 1];
  if (last->has_within) {
    if (rule_time_add(reference->sample->zone, from_us, last->within, &to_us) != ERR_OK) return false;
    if (to_us > reference->now_us) return false;
  }
  return !is_disturbed(sequence, first, node->step_count, from_us, to_us);
}

// Whether steps `first` and on can be found after the positive step at `from_us`.
static bool goes_on(struct sequence *sequence, uint32_t first, int64_t from_us) {
  const struct rule_node *node = sequence->node;
  const struct sample *sample = sequence->reference->sample;
  uint32_t next = first;
  while (next < node->step_count && node->steps[next].negated) next++;
  if (next == node->step_count) return ends_undisturbed(sequence, first, from_us);
  const struct rule_step *step = &node->steps[next];
  for (size_t i = 0; i < sample->event_count; i++) {
    const struct sample_event *event = &sample->events[i];
    int64_t latest_us = 0;
    if (event->time_us <= from_us || !in_window(sequence->reference, &node->events->window, event->time_us)) continue;
    if (step->has_within && rule_time_add(sample->zone, from_us, step->within, &latest_us) == ERR_OK &&
        event->time_us > latest_us)
      continue;
    if (fits(sequence, step, event, false) && !is_disturbed(sequence, first, next, from_us, event->time_us - 1) &&
        goes_on(sequence, next + 1, event->time_us))
      return true;
  }
  return false;
}

static struct rule_value run_sequence(struct reference *reference, const struct rule_node *node) {
  struct sequence sequence = {reference, node, NOTHING};
  for (size_t i = 0; i < reference->sample->event_count; i++) {
    const struct sample_event *event = &reference->sample->events[i];
    if (!in_window(reference, &node->events->window, event->time_us)) continue;
    if (!fits(&sequence, &node->steps[0], event, true)) continue;
    if (node->name_count > 0) {
      sequence.key = key_of(&sequence, event);
      if (sequence.key.type == RULE_TYPE_NULL) continue;
    }
    if (goes_on(&sequence, 1, event->time_us)) return boolean_of(true);
  }
  return boolean_of(false);
}

// --- the walk ------------------------------------------------------------------------------------------------

static struct rule_value literal(const struct reference *reference, const struct rule_node *node) {
  switch (node->kind) {
  case RULE_NODE_BOOL:
    return boolean_of(node->boolean);
  case RULE_NODE_NUMBER:
    return number_of(node->number);
  case RULE_NODE_TEXT:
    return text_of(node->text);
  case RULE_NODE_DURATION:
    return length_of(node->duration);
  case RULE_NODE_DATE:
  case RULE_NODE_TIME:
    return moment(reference, node);
  case RULE_NODE_NOW:
    return time_of(ERR_OK, reference->now_us);
  default:
    return NOTHING;
  }
}

static struct rule_value member_of(struct reference *reference, struct rule_value value, struct bytes name) {
  if (value.type != RULE_TYPE_DOCUMENT) return NOTHING;
  return rule_value_of(value_member(value.packed, reference->sample->names, name));
}

static struct rule_value evaluate(struct reference *reference, const struct scope *scope,
                                  const struct rule_node *node) {
  struct rule_value value;
  switch (node->kind) {
  case RULE_NODE_PATH:
    return path_value(reference, scope, node);
  case RULE_NODE_MEMBER:
    return member_of(reference, evaluate(reference, scope, node->left), node->text);
  case RULE_NODE_CALL:
    return call(reference, scope, node);
  case RULE_NODE_NOT:
    return boolean_of(!is_true(evaluate(reference, scope, node->left)));
  case RULE_NODE_NEGATE:
    value = evaluate(reference, scope, node->left);
    return value.type == RULE_TYPE_NUMBER ? number_of(decimal_negate(value.number)) : NOTHING;
  case RULE_NODE_BINARY:
    return binary(reference, scope, node);
  case RULE_NODE_IN:
    return in_list(reference, scope, node);
  case RULE_NODE_IS_NULL:
    return boolean_of((evaluate(reference, scope, node->left).type == RULE_TYPE_NULL) != node->negated);
  case RULE_NODE_MATCHES:
    return matches(reference, scope, node);
  case RULE_NODE_AGGREGATE:
    return aggregate(reference, node);
  case RULE_NODE_SEQUENCE:
    return run_sequence(reference, node);
  default:
    return literal(reference, node);
  }
}

struct reference_answer rule_reference_run(const struct rule_node *tree, const struct sample *sample, int64_t now_us,
                                           struct arena *arena) {
  struct reference reference = {sample, now_us, arena, false};
  struct scope outside = {NULL, false, {{NULL, 0}}};
  struct rule_value value = evaluate(&reference, &outside, tree);
  if (reference.unknown) return (struct reference_answer){RULE_UNKNOWN, NOTHING};
  return (struct reference_answer){RULE_KNOWN, value};
}

void rule_reference_print(const struct rule_value *value, const struct names *names, struct buffer *out) {
  struct json_writer writer;
  struct arena arena;
  struct reference reference = {.arena = &arena};
  arena_init(&arena, 0);
  json_writer_init(&writer, out);
  if (value->type == RULE_TYPE_NULL)
    json_null(&writer);
  else if (value->type == RULE_TYPE_BOOL)
    json_bool(&writer, value->boolean);
  else if (value->type == RULE_TYPE_NUMBER)
    json_raw(&writer, text(&reference, *value).text);
  else if (value->type == RULE_TYPE_LIST || value->type == RULE_TYPE_DOCUMENT)
    value_to_json(&writer, value->packed, names);
  else
    json_bytes(&writer, text(&reference, *value).text);
  arena_release(&arena);
}
