// printer: a tree in canonical text.
//
// A child is put in parentheses only when it binds less than its place needs, so they are the fewest. Numbers keep
// their digits, texts are in double quotes, instants in UTC, units in the plural unless there is one.
#include <string.h>

#include "base/clock.h"
#include "rule/lexer.h"
#include "rule/parse.h"

// How tightly a node binds, and what its place needs at least.
enum level { OR = 1, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY, POSTFIX, MEMBER };

static const struct {
  const char *text;
  enum level level;
} operators[] = {
    [RULE_OR] = {" or ", OR},
    [RULE_AND] = {" and ", AND},
    [RULE_EQUAL] = {" = ", COMPARISON},
    [RULE_UNEQUAL] = {" != ", COMPARISON},
    [RULE_LESS] = {" < ", COMPARISON},
    [RULE_LESS_EQUAL] = {" <= ", COMPARISON},
    [RULE_GREATER] = {" > ", COMPARISON},
    [RULE_GREATER_EQUAL] = {" >= ", COMPARISON},
    [RULE_CONTAINS] = {" contains ", COMPARISON},
    [RULE_STARTS_WITH] = {" starts with ", COMPARISON},
    [RULE_ENDS_WITH] = {" ends with ", COMPARISON},
    [RULE_ADD] = {" + ", SUM},
    [RULE_SUBTRACT] = {" - ", SUM},
    [RULE_MULTIPLY] = {" * ", PRODUCT},
    [RULE_DIVIDE] = {" / ", PRODUCT},
    [RULE_REMAINDER] = {" % ", PRODUCT},
};

static enum level level_of(const struct rule_node *node) {
  switch (node->kind) {
  case RULE_NODE_BINARY:
    return operators[node->op].level;
  case RULE_NODE_NOT:
    return NOT;
  case RULE_NODE_IN:
  case RULE_NODE_IS_NULL:
  case RULE_NODE_MATCHES:
    return COMPARISON;
  case RULE_NODE_NEGATE:
    return UNARY;
  case RULE_NODE_CALL:
  case RULE_NODE_AGGREGATE:
  case RULE_NODE_SEQUENCE:
  case RULE_NODE_MEMBER:
    return MEMBER;
  default:
    return POSTFIX; // literals and paths, which take a member only in parentheses
  }
}

static void print(const struct rule_node *node, enum level least, struct buffer *out);

static void print_text(struct bytes text, struct buffer *out) {
  buffer_append_byte(out, '"');
  for (size_t i = 0; i < text.size_bytes; i++) {
    uint8_t byte = text.data[i];
    if (byte == '"' || byte == '\\') buffer_append_byte(out, '\\');
    if (byte == '\n')
      buffer_append_text(out, "\\n");
    else if (byte == '\t')
      buffer_append_text(out, "\\t");
    else if (byte < 0x20 || byte == 0x7f)
      buffer_append_format(out, "\\u{%X}", byte);
    else
      buffer_append_byte(out, byte);
  }
  buffer_append_byte(out, '"');
}

static void print_name(struct bytes name, bool quoted, struct buffer *out) {
  if (quoted || !rule_lexer_is_name(name))
    print_text(name, out);
  else
    buffer_append_bytes(out, name);
}

static void print_path(const struct bytes *names, uint32_t count, struct buffer *out) {
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) buffer_append_byte(out, '.');
    print_name(names[i], false, out);
  }
}

static void print_duration(struct rule_duration duration, struct buffer *out) {
  buffer_append_format(out, "%lld %s%s", (long long)duration.count, rule_unit_name(duration.unit),
                       duration.count == 1 ? "" : "s");
}

// clock_format's text without a fraction of zero, and without the Z of a wall clock.
static void print_time(const struct rule_node *node, struct buffer *out) {
  char text[CLOCK_TEXT_BYTES];
  clock_format(node->time_us, text);
  size_t size = strlen(text) - 1;
  if (node->kind == RULE_NODE_DATE) size = 10;
  if (size == 23 && memcmp(text + 19, ".000", 4) == 0) size = 19;
  buffer_append(out, text, size);
  if (node->kind == RULE_NODE_TIME && node->has_offset) buffer_append_byte(out, 'Z');
}

static void print_items(const struct rule_node *node, enum level least, struct buffer *out) {
  buffer_append_byte(out, '(');
  for (uint32_t i = 0; i < node->item_count; i++) {
    if (i > 0) buffer_append_text(out, ", ");
    print(node->items[i], least, out);
  }
  buffer_append_byte(out, ')');
}

// --- events --------------------------------------------------------------------------------------------------

static void print_window(const struct rule_window *window, struct buffer *out) {
  switch (window->kind) {
  case RULE_WINDOW_NONE:
    return;
  case RULE_WINDOW_LAST:
  case RULE_WINDOW_LAST_DAYS:
  case RULE_WINDOW_PREVIOUS:
    buffer_append_text(out, window->kind == RULE_WINDOW_PREVIOUS ? " in previous " : " in last ");
    print_duration(window->length, out);
    if (window->kind == RULE_WINDOW_LAST_DAYS) buffer_append_text(out, " by day");
    return;
  case RULE_WINDOW_SINCE:
    buffer_append_text(out, " since ");
    break;
  case RULE_WINDOW_BEFORE:
    buffer_append_text(out, " before ");
    break;
  case RULE_WINDOW_BETWEEN:
    buffer_append_text(out, " between ");
    break;
  }
  if (window->from != NULL) print_time(window->from, out);
  if (window->kind == RULE_WINDOW_BETWEEN) buffer_append_text(out, " and ");
  if (window->to != NULL) print_time(window->to, out);
}

static void print_events(const struct rule_events *events, struct buffer *out) {
  if (events->subject)
    buffer_append_text(out, "this");
  else
    print_text(events->name, out);
  if (events->item_count > 0) buffer_append_byte(out, '.');
  print_path(events->items, events->item_count, out);
  if (events->where != NULL) {
    buffer_append_text(out, " where ");
    print(events->where, OR, out);
  }
  print_window(&events->window, out);
}

static void print_aggregate(const struct rule_node *node, struct buffer *out) {
  buffer_append_bytes(out, node->text);
  buffer_append_byte(out, '(');
  if (node->left != NULL) {
    print(node->left, OR, out);
    buffer_append_text(out, " of ");
  }
  print_events(node->events, out);
  buffer_append_byte(out, ')');
}

static void print_sequence(const struct rule_node *node, struct buffer *out) {
  buffer_append_text(out, "sequence(");
  for (uint32_t i = 0; i < node->step_count; i++) {
    const struct rule_step *step = &node->steps[i];
    if (i > 0) buffer_append_text(out, step->negated ? " then not " : " then ");
    print_events(&step->events, out);
    if (!step->has_within) continue;
    buffer_append_text(out, " within ");
    print_duration(step->within, out);
  }
  print_window(&node->events->window, out);
  if (node->name_count > 0) {
    struct bytes first = node->names[0];
    buffer_append_text(out, " by ");
    print_name(first, rule_lexer_is_reserved(first) || bytes_equal(first, BYTES("day")), out);
    if (node->name_count > 1) buffer_append_byte(out, '.');
    print_path(node->names + 1, node->name_count - 1, out);
  }
  buffer_append_byte(out, ')');
}

// --- operators -----------------------------------------------------------------------------------------------

static void print_binary(const struct rule_node *node, struct buffer *out) {
  enum level level = operators[node->op].level;
  print(node->left, level == COMPARISON ? SUM : level, out);
  buffer_append_text(out, operators[node->op].text);
  print(node->right, level + 1, out);
}

// An operand, the comparison's words, and what follows them.
static void print_tested(const struct rule_node *node, struct buffer *out) {
  print(node->left, SUM, out);
  if (node->kind == RULE_NODE_IS_NULL) {
    buffer_append_text(out, node->negated ? " is not null" : " is null");
  } else if (node->kind == RULE_NODE_MATCHES) {
    buffer_append_text(out, " matches ");
    print_text(node->text, out);
  } else {
    buffer_append_text(out, node->negated ? " not in " : " in ");
    print_items(node, SUM, out);
  }
}

// Two minus signs in a row would begin a comment.
static void print_negate(const struct rule_node *node, struct buffer *out) {
  buffer_append_text(out, node->left->kind == RULE_NODE_NEGATE ? "- " : "-");
  print(node->left, UNARY, out);
}

static void print_number(struct decimal number, struct buffer *out) {
  char text[DECIMAL_TEXT_BYTES];
  buffer_append(out, text, decimal_format(number, text));
}

static void print_bare(const struct rule_node *node, struct buffer *out) {
  switch (node->kind) {
  case RULE_NODE_NULL:
    buffer_append_text(out, "null");
    break;
  case RULE_NODE_BOOL:
    buffer_append_text(out, node->boolean ? "true" : "false");
    break;
  case RULE_NODE_NUMBER:
    print_number(node->number, out);
    break;
  case RULE_NODE_TEXT:
    print_text(node->text, out);
    break;
  case RULE_NODE_DATE:
  case RULE_NODE_TIME:
    print_time(node, out);
    break;
  case RULE_NODE_DURATION:
    print_duration(node->duration, out);
    break;
  case RULE_NODE_NOW:
    buffer_append_text(out, "now");
    break;
  case RULE_NODE_PATH:
    print_path(node->names, node->name_count, out);
    break;
  case RULE_NODE_MEMBER:
    print(node->left, MEMBER, out);
    buffer_append_byte(out, '.');
    print_name(node->text, false, out);
    break;
  case RULE_NODE_CALL:
    buffer_append_bytes(out, node->text);
    print_items(node, OR, out);
    break;
  case RULE_NODE_NOT:
    buffer_append_text(out, "not ");
    print(node->left, NOT, out);
    break;
  case RULE_NODE_NEGATE:
    print_negate(node, out);
    break;
  case RULE_NODE_BINARY:
    print_binary(node, out);
    break;
  case RULE_NODE_IN:
  case RULE_NODE_IS_NULL:
  case RULE_NODE_MATCHES:
    print_tested(node, out);
    break;
  case RULE_NODE_AGGREGATE:
    print_aggregate(node, out);
    break;
  case RULE_NODE_SEQUENCE:
    print_sequence(node, out);
    break;
  }
}

static void print(const struct rule_node *node, enum level least, struct buffer *out) {
  bool grouped = level_of(node) < least;
  if (grouped) buffer_append_byte(out, '(');
  print_bare(node, out);
  if (grouped) buffer_append_byte(out, ')');
}

void rule_print(const struct rule_node *tree, struct buffer *out) {
  print(tree, OR, out);
}
