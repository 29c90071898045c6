// machine_compare: what is equal, what comes first, and what lies in a text.
//
// A text beside a time is read as a time, by the rules of the literals. Null, and types that never meet, give false.
#include "rule/machine_private.h"

#include "rule/duration.h"
#include "rule/literal.h"

// The text is one date or time token, nothing around it.
static bool read_time(const struct rule_machine *machine, struct bytes text, int64_t *time_us) {
  struct rule_problem problem;
  struct rule_lexer lexer;
  bool has_offset;
  int64_t read_us;
  if (text.size_bytes < 10 || text.data[4] != '-' || text.data[0] < '0' || text.data[0] > '9') return false;
  rule_lexer_init(&lexer, text);
  struct rule_token token = rule_lexer_next(&lexer);
  if (token.kind != RULE_TOKEN_DATE && token.kind != RULE_TOKEN_TIME) return false;
  if (token.text.size_bytes != text.size_bytes) return false;
  if (rule_literal_time(text, &read_us, &has_offset, &problem) != ERR_OK) return false;
  *time_us = read_us;
  return has_offset || rule_time_from_wall(machine->program->zone, read_us, time_us) == ERR_OK;
}

bool machine_as_time(const struct rule_machine *machine, const struct rule_value *value, int64_t *time_us) {
  if (value->type == RULE_TYPE_TEXT) return read_time(machine, value->text, time_us);
  if (value->type != RULE_TYPE_TIME) return false;
  *time_us = value->time_us;
  return true;
}

// Most numbers are small and of scales near to each other.
static int compare_numbers(struct decimal a, struct decimal b) {
  int apart = a.exponent - b.exponent;
  if (a.coefficient > INT64_MAX || b.coefficient > INT64_MAX || apart > 18 || apart < -18) return decimal_compare(a, b);
  __int128_t left = (int64_t)a.coefficient, right = (int64_t)b.coefficient;
  if (apart > 0) left *= (int64_t)decimal_powers_of_ten[apart];
  if (apart < 0) right *= (int64_t)decimal_powers_of_ten[-apart];
  left = a.negative ? -left : left;
  right = b.negative ? -right : right;
  return (left > right) - (left < right);
}

static bool both_times(const struct rule_machine *machine, const struct rule_value *a, const struct rule_value *b,
                       int64_t *left_us, int64_t *right_us) {
  if (a->type != RULE_TYPE_TIME && b->type != RULE_TYPE_TIME) return false;
  return machine_as_time(machine, a, left_us) && machine_as_time(machine, b, right_us);
}

bool machine_equal(const struct rule_machine *machine, const struct rule_value *a, const struct rule_value *b) {
  int64_t left_us, right_us;
  if (a->type != b->type) return both_times(machine, a, b, &left_us, &right_us) && left_us == right_us;
  switch (a->type) {
  case RULE_TYPE_BOOL:
    return a->boolean == b->boolean;
  case RULE_TYPE_NUMBER:
    return compare_numbers(a->number, b->number) == 0;
  case RULE_TYPE_TEXT:
    return bytes_equal(a->text, b->text);
  case RULE_TYPE_TIME:
  case RULE_TYPE_DURATION:
    return a->time_us == b->time_us;
  case RULE_TYPE_LIST:
  case RULE_TYPE_DOCUMENT:
    return value_equal(a->packed, b->packed);
  default:
    return false;
  }
}

bool machine_order(const struct rule_machine *machine, const struct rule_value *a, const struct rule_value *b,
                   int *order) {
  int64_t left_us, right_us;
  if (a->type == RULE_TYPE_DURATION && b->type == RULE_TYPE_DURATION) {
    *order = (a->time_us > b->time_us) - (a->time_us < b->time_us);
    return true;
  }
  if (a->type == RULE_TYPE_NUMBER && b->type == RULE_TYPE_NUMBER) {
    *order = compare_numbers(a->number, b->number);
    return true;
  }
  if (a->type == RULE_TYPE_TEXT && b->type == RULE_TYPE_TEXT) {
    *order = bytes_compare(a->text, b->text);
    return true;
  }
  if (!both_times(machine, a, b, &left_us, &right_us)) return false;
  *order = (left_us > right_us) - (left_us < right_us);
  return true;
}

bool machine_order_holds(enum rule_opcode opcode, int order) {
  switch (opcode) {
  case RULE_CODE_LESS:
    return order < 0;
  case RULE_CODE_LESS_EQUAL:
    return order <= 0;
  case RULE_CODE_GREATER:
    return order > 0;
  default:
    return order >= 0;
  }
}

// `!=` is as false as `=` beside null, and a text beside a time that is none counts as null.
static bool unequal(const struct rule_machine *machine, const struct rule_value *a, const struct rule_value *b) {
  int64_t left_us, right_us;
  if (a->type == RULE_TYPE_NULL || b->type == RULE_TYPE_NULL) return false;
  bool coerced = (a->type == RULE_TYPE_TIME && b->type == RULE_TYPE_TEXT) ||
                 (a->type == RULE_TYPE_TEXT && b->type == RULE_TYPE_TIME);
  if (coerced) return both_times(machine, a, b, &left_us, &right_us) && left_us != right_us;
  return !machine_equal(machine, a, b);
}

bool machine_compare(const struct rule_machine *machine, enum rule_opcode opcode, const struct rule_value *a,
                     const struct rule_value *b) {
  int order;
  if (opcode == RULE_CODE_EQUAL) return machine_equal(machine, a, b);
  if (opcode == RULE_CODE_UNEQUAL) return unequal(machine, a, b);
  return machine_order(machine, a, b, &order) && machine_order_holds(opcode, order);
}

static bool holds_item(const struct rule_machine *machine, struct value list, const struct rule_value *wanted) {
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    struct rule_value item = rule_value_of(iter.item);
    if (machine_equal(machine, &item, wanted)) return true;
  }
  return false;
}

bool machine_texts(const struct rule_machine *machine, enum rule_opcode opcode, const struct rule_value *a,
                   const struct rule_value *b) {
  if (opcode == RULE_CODE_CONTAINS && a->type == RULE_TYPE_LIST) return holds_item(machine, a->packed, b);
  if (a->type != RULE_TYPE_TEXT || b->type != RULE_TYPE_TEXT) return false;
  struct bytes text = a->text, part = b->text;
  if (part.size_bytes == 0) return true;
  if (part.size_bytes > text.size_bytes) return false;
  if (opcode == RULE_CODE_CONTAINS) return memmem(text.data, text.size_bytes, part.data, part.size_bytes) != NULL;
  if (opcode == RULE_CODE_STARTS_WITH) return bytes_starts_with(text, part);
  return memcmp(text.data + text.size_bytes - part.size_bytes, part.data, part.size_bytes) == 0;
}

bool machine_in(const struct rule_machine *machine, const struct rule_literals *literals,
                const struct rule_value *value, bool negated) {
  const struct rule_value *items = machine->program->constants + literals->first;
  if (value->type == RULE_TYPE_NULL) return false;
  for (uint32_t i = 0; i < literals->count; i++)
    if (machine_equal(machine, value, &items[i])) return !negated;
  return negated;
}

// Any failure but "not found" is a limit: of backtracks, of depth, of memory.
bool machine_matches(struct rule_machine *machine, uint32_t pattern, struct rule_value *value) {
  if (value->type != RULE_TYPE_TEXT) {
    *value = machine_bool(false);
    return true;
  }
  struct bytes text = value->text.size_bytes == 0 ? BYTES("") : value->text;
  int found = pcre2_match(machine->program->patterns[pattern], text.data, text.size_bytes, 0, PCRE2_NO_UTF_CHECK,
                          machine->pattern_data, machine->pattern_limits);
  if (found < 0 && found != PCRE2_ERROR_NOMATCH) return machine_unknown(machine);
  *value = machine_bool(found >= 0);
  return machine_count(machine, 1 + text.size_bytes / 64);
}
