// Values, paths, operators and the walk over the tree: one function per construct of ast.h, in its order.
#include "rule_reference_private.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/clock.h"
#include "rule/duration.h"

enum { MATCH_LIMIT = 1000000 };

// --- making and reading values -------------------------------------------------------------------------------

bool reference_time(const struct reference *reference, struct rule_value value, int64_t *time_us) {
  if (value.type == RULE_TYPE_TIME) *time_us = value.time_us;
  if (value.type == RULE_TYPE_TEXT) return sample_time(reference->sample->zone, value.text, time_us);
  return value.type == RULE_TYPE_TIME;
}

struct rule_value reference_moment(const struct reference *reference, const struct rule_node *node) {
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

const struct sample_event *reference_in_hand(const struct reference *reference) {
  const struct sample_event *event = &reference->sample->in_hand;
  return value_is_absent(event->message) ? NULL : event;
}

struct value reference_in_message(const struct reference *reference, const struct sample_event *event,
                                  const struct bytes *path, uint32_t count) {
  const struct bytes properties = BYTES("properties");
  if (event == NULL) return (struct value){{NULL, 0}};
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
  if (count == 1 && bytes_equal(path[0], BYTES("time")))
    return scope->event == NULL ? NOTHING : time_of(ERR_OK, scope->event->time_us);
  bool from_root = bytes_equal(path[0], BYTES("properties")) || bytes_equal(path[0], BYTES("context"));
  if (scope->has_item && !from_root) return rule_value_of(in_item(reference, scope->item, path, count));
  return rule_value_of(reference_in_message(reference, scope->event, path, count));
}

// --- comparisons ---------------------------------------------------------------------------------------------

// A text beside a time becomes a time, or null when it is none.
static void make_times(const struct reference *reference, struct rule_value *a, struct rule_value *b) {
  int64_t time_us = 0;
  if (a->type == RULE_TYPE_TIME && b->type == RULE_TYPE_TEXT)
    *b = reference_time(reference, *b, &time_us) ? time_of(ERR_OK, time_us) : NOTHING;
  else if (b->type == RULE_TYPE_TIME && a->type == RULE_TYPE_TEXT)
    *a = reference_time(reference, *a, &time_us) ? time_of(ERR_OK, time_us) : NOTHING;
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

bool reference_equal(const struct reference *reference, struct rule_value a, struct rule_value b) {
  make_times(reference, &a, &b);
  return a.type != RULE_TYPE_NULL && rule_reference_same(&a, &b);
}

static bool is_unequal(const struct reference *reference, struct rule_value a, struct rule_value b) {
  make_times(reference, &a, &b);
  return a.type != RULE_TYPE_NULL && b.type != RULE_TYPE_NULL && !rule_reference_same(&a, &b);
}

bool reference_order(const struct reference *reference, struct rule_value a, struct rule_value b, int *order) {
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
  if (!reference_time(reference, value, &time_us)) return NOTHING;
  enum err err = rule_time_add(reference->sample->zone, time_us, shift, &time_us);
  return time_of(err, time_us);
}

static struct rule_value compare(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  struct rule_duration shift;
  struct rule_value now = time_of(ERR_OK, reference->now_us), left, right;
  int order = 0;
  if (is_now(node->right, &shift)) {
    left = shifted(reference, reference_evaluate(reference, scope, node->left), shift);
    right = now;
  } else if (is_now(node->left, &shift)) {
    left = now;
    right = shifted(reference, reference_evaluate(reference, scope, node->right), shift);
  } else {
    left = reference_evaluate(reference, scope, node->left);
    right = reference_evaluate(reference, scope, node->right);
  }
  return boolean_of(reference_order(reference, left, right, &order) && holds(node->op, order));
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
    if (reference_equal(reference, rule_value_of(iter.item), b)) return true;
  return false;
}

static bool ends_with(struct bytes text, struct bytes end) {
  if (end.size_bytes > text.size_bytes) return false;
  return bytes_equal(bytes_of(text.data + text.size_bytes - end.size_bytes, end.size_bytes), end);
}

static struct rule_value in_list(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  struct rule_value value = reference_evaluate(reference, scope, node->left);
  bool found = false;
  if (value.type == RULE_TYPE_NULL) return boolean_of(false);
  for (uint32_t i = 0; i < node->item_count && !found; i++)
    found = reference_equal(reference, value, reference_evaluate(reference, scope, node->items[i]));
  return boolean_of(found != node->negated);
}

static struct rule_value matches(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  struct rule_value value = reference_evaluate(reference, scope, node->left);
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

struct rule_value reference_calculate(enum rule_op op, struct decimal a, struct decimal b) {
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
  if (!reference_time(reference, from, &time_us)) return NOTHING;
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
  if (a.type == RULE_TYPE_NUMBER && b.type == RULE_TYPE_NUMBER) return reference_calculate(op, a.number, b.number);
  if (op == RULE_ADD) return add(reference, a, b);
  if (op == RULE_SUBTRACT) return subtract(reference, a, b);
  return NOTHING;
}

static struct rule_value binary(struct reference *reference, const struct scope *scope, const struct rule_node *node) {
  if (node->op == RULE_AND || node->op == RULE_OR) {
    bool left = is_true(reference_evaluate(reference, scope, node->left));
    if (left == (node->op == RULE_OR)) return boolean_of(left);
    return boolean_of(is_true(reference_evaluate(reference, scope, node->right)));
  }
  if (node->op >= RULE_LESS && node->op <= RULE_GREATER_EQUAL) return compare(reference, scope, node);
  struct rule_value a = reference_evaluate(reference, scope, node->left),
                    b = reference_evaluate(reference, scope, node->right);
  bool texts = a.type == RULE_TYPE_TEXT && b.type == RULE_TYPE_TEXT;
  switch (node->op) {
  case RULE_EQUAL:
    return boolean_of(reference_equal(reference, a, b));
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
    return reference_moment(reference, node);
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

struct rule_value reference_evaluate(struct reference *reference, const struct scope *scope,
                                     const struct rule_node *node) {
  struct rule_value value;
  switch (node->kind) {
  case RULE_NODE_PATH:
    return path_value(reference, scope, node);
  case RULE_NODE_MEMBER:
    return member_of(reference, reference_evaluate(reference, scope, node->left), node->text);
  case RULE_NODE_CALL:
    return reference_call(reference, scope, node);
  case RULE_NODE_NOT:
    return boolean_of(!is_true(reference_evaluate(reference, scope, node->left)));
  case RULE_NODE_NEGATE:
    value = reference_evaluate(reference, scope, node->left);
    return value.type == RULE_TYPE_NUMBER ? number_of(decimal_negate(value.number)) : NOTHING;
  case RULE_NODE_BINARY:
    return binary(reference, scope, node);
  case RULE_NODE_IN:
    return in_list(reference, scope, node);
  case RULE_NODE_IS_NULL:
    return boolean_of((reference_evaluate(reference, scope, node->left).type == RULE_TYPE_NULL) != node->negated);
  case RULE_NODE_MATCHES:
    return matches(reference, scope, node);
  case RULE_NODE_AGGREGATE:
    return reference_aggregate(reference, node);
  case RULE_NODE_SEQUENCE:
    return reference_sequence(reference, node);
  default:
    return literal(reference, node);
  }
}

struct reference_answer rule_reference_run(const struct rule_node *tree, const struct sample *sample, int64_t now_us,
                                           struct arena *arena) {
  struct reference reference = {sample, now_us, arena, false};
  struct scope outside = {reference_in_hand(&reference), sample->subject == RULE_SUBJECT_ITEM, sample->item};
  struct rule_value value = reference_evaluate(&reference, &outside, tree);
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
    json_raw(&writer, reference_text(&reference, *value).text);
  else if (value->type == RULE_TYPE_LIST || value->type == RULE_TYPE_DOCUMENT)
    value_to_json(&writer, value->packed, names);
  else
    json_bytes(&writer, reference_text(&reference, *value).text);
  arena_release(&arena);
}
