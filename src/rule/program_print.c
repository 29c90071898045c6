// program_print: a program in words, for explain.
//
// One instruction a line: its place, its name, what it is about. Then each pass over events: which columns it reads,
// what of its condition they decide, and where the code for the rest is.
#include "rule/program_private.h"

#include <assert.h>

enum argument {
  ABOUT_NONE,
  CONSTANT,
  PATH,
  LIST,
  PATTERN,
  SHIFT,
  AGGREGATE,
  SEQUENCE,
  CHANNEL,
  JUMP,
  FUNCTION,
  AMOUNT
};
#define NONE ABOUT_NONE
enum { V = 255 };

static const struct {
  const char *name;
  enum argument argument;
} opcodes[RULE_CODE_COUNT] = {
#define OPCODE(name, takes, gives, argument, what) [RULE_CODE_##name] = {#name, argument},
#include "rule/opcodes.def"
#undef OPCODE
};
#undef NONE

const char *rule_opcode_name(enum rule_opcode opcode) {
  assert(opcode < RULE_CODE_COUNT);
  return opcodes[opcode].name;
}

static const char *sign_of(enum rule_op op) {
  static const char *const signs[] = {[RULE_EQUAL] = "=",       [RULE_UNEQUAL] = "!=", [RULE_LESS] = "<",
                                      [RULE_LESS_EQUAL] = "<=", [RULE_GREATER] = ">",  [RULE_GREATER_EQUAL] = ">="};
  assert(op >= RULE_EQUAL && op <= RULE_GREATER_EQUAL);
  return signs[op];
}

static const char *amount_name(enum rule_amount amount) {
  static const char *const names[] = {"total", "revenue", "value", "price"};
  return names[amount - RULE_AMOUNT_TOTAL];
}

static void print_value(const struct rule_value *value, struct buffer *out) {
  struct json_writer writer;
  if (value->type == RULE_TYPE_CALENDAR) {
    buffer_append_format(out, "%lld %s", (long long)value->calendar.count, rule_unit_name(value->calendar.unit));
    return;
  }
  json_writer_init(&writer, out);
  rule_value_to_json(&writer, value, NULL);
}

static void print_path(const struct rule_path *path, struct buffer *out) {
  static const char *const roots[] = {
      [RULE_ROOT_ITEM] = "item.", [RULE_ROOT_SUBJECT] = "this.", [RULE_ROOT_SUBJECT_ITEM] = "this item."};
  if (path->root != RULE_ROOT_MESSAGE && path->root != RULE_ROOT_CUSTOMER) buffer_append_text(out, roots[path->root]);
  for (uint32_t i = 0; i < path->count; i++) {
    if (i > 0) buffer_append_byte(out, '.');
    buffer_append_bytes(out, path->names[i]);
  }
}

static void print_channels(const struct rule_channels *channels, struct buffer *out) {
  buffer_append_text(out, channels->negated ? "context.channel not in (" : "context.channel in (");
  for (uint32_t i = 0; i < channels->count; i++)
    buffer_append_format(out, "%s\"%.*s\"", i == 0 ? "" : ", ", BYTES_ARG(channels->texts[i]));
  buffer_append_byte(out, ')');
}

// --- instructions --------------------------------------------------------------------------------------------

static void print_literals(const struct rule_program *program, const struct rule_literals *literals,
                           struct buffer *out) {
  for (uint32_t i = 0; i < literals->count; i++) {
    if (i > 0) buffer_append_text(out, ", ");
    print_value(&program->constants[literals->first + i], out);
  }
}

static void print_argument(const struct rule_program *program, struct rule_code code, struct buffer *out) {
  switch (opcodes[code.opcode].argument) {
  case CONSTANT:
    print_value(&program->constants[code.arg], out);
    break;
  case PATH:
  case AMOUNT:
    print_path(&program->paths[code.arg], out);
    break;
  case LIST:
    print_literals(program, &program->literals[code.arg], out);
    break;
  case CHANNEL:
    print_channels(&program->channels[code.arg], out);
    break;
  case JUMP:
    buffer_append_format(out, "to %04u", code.arg);
    break;
  case FUNCTION:
    buffer_append_format(out, "%s of %u", rule_function_info((enum rule_function)code.arg)->name, code.small);
    break;
  case SHIFT:
    buffer_append_format(out, "+ %lld %s %s now", (long long)program->shifts[code.arg].count,
                         rule_unit_name(program->shifts[code.arg].unit), sign_of((enum rule_op)code.small));
    break;
  case PATTERN:
  case AGGREGATE:
  case SEQUENCE:
    buffer_append_format(out, "#%u", code.arg);
    break;
  case ABOUT_NONE:
    break;
  }
}

// --- passes --------------------------------------------------------------------------------------------------

static void print_span(const struct rule_span *span, struct buffer *out) {
  static const char *const words[] = {"", " in last", " in last", " in previous", " since", " before", " between"};
  if (span->kind == RULE_WINDOW_NONE) return;
  buffer_append_text(out, words[span->kind]);
  if (span->kind >= RULE_WINDOW_SINCE) {
    struct rule_value from = {.type = RULE_TYPE_TIME, .time_us = span->from_us}, to = from;
    to.time_us = span->to_us;
    if (span->from_us != INT64_MIN) buffer_append_byte(out, ' '), print_value(&from, out);
    if (span->kind == RULE_WINDOW_BETWEEN) buffer_append_text(out, " and");
    if (span->to_us != INT64_MAX) buffer_append_byte(out, ' '), print_value(&to, out);
    return;
  }
  buffer_append_format(out, " %lld %s%s%s", (long long)span->length.count, rule_unit_name(span->length.unit),
                       span->length.count == 1 ? "" : "s", span->kind == RULE_WINDOW_LAST_DAYS ? " by day" : "");
}

static void print_time_bound(const char *sign, int64_t time_us, struct buffer *out) {
  struct rule_value value = {.type = RULE_TYPE_TIME, .time_us = time_us};
  buffer_append_format(out, ", column time %s ", sign);
  print_value(&value, out);
}

static void print_where(const struct rule_program *program, const struct rule_where *where, struct buffer *out) {
  if (where->from_us != INT64_MIN) print_time_bound(">=", where->from_us, out);
  if (where->to_us != INT64_MAX) print_time_bound("<", where->to_us, out);
  for (uint32_t i = 0; where->cells != NULL && i < where->cells->bound_count; i++) {
    char text[DECIMAL_TEXT_BYTES];
    decimal_format(where->cells->bounds[i], text);
    buffer_append_format(out, ", column amount: %s %s %s", amount_name(where->cells->amount),
                         sign_of(where->cells->ops[i]), text);
  }
  if (where->channels != RULE_NONE) {
    buffer_append_text(out, ", column channel: ");
    print_channels(&program->channels[where->channels], out);
  }
  if (where->code != RULE_NONE) buffer_append_format(out, ", where at %04u", where->code);
}

static void print_gather(const struct rule_program *program, uint32_t index, struct buffer *out) {
  const struct rule_gather *gather = &program->gathers[index];
  buffer_append_format(out, "aggregate #%u: %s ", index, rule_aggregator_name(gather->aggregator));
  if (gather->subject)
    buffer_append_text(out, "this");
  else
    buffer_append_format(out, "\"%.*s\"", BYTES_ARG(gather->name_text));
  if (gather->items != RULE_NONE) {
    buffer_append_text(out, ", items ");
    print_path(&program->paths[gather->items], out);
  }
  if (!gather->subject) print_span(&program->spans[gather->window], out);
  if (gather->tested)
    buffer_append_format(out, ", %s %lld", gather->test_negated ? "fewer than" : "at least",
                         (long long)gather->at_least);
  if (gather->gathered == RULE_GATHER_AMOUNT)
    buffer_append_format(out, ", of column amount: %s", amount_name(gather->amount));
  if (gather->gathered == RULE_GATHER_TIME) buffer_append_text(out, ", of column time");
  if (gather->gathered == RULE_GATHER_CODE) buffer_append_format(out, ", of the value at %04u", gather->value);
  print_where(program, &gather->where, out);
  buffer_append_byte(out, '\n');
}

static void print_duration(struct rule_duration duration, struct buffer *out) {
  if (duration.count == 0) return;
  buffer_append_format(out, ", within %lld %s", (long long)duration.count, rule_unit_name(duration.unit));
}

static void print_sequence(const struct rule_program *program, uint32_t index, struct buffer *out) {
  const struct rule_sequence *sequence = &program->sequences[index];
  buffer_append_format(out, "sequence #%u:%s", index, sequence->key == RULE_NONE ? "" : " by ");
  if (sequence->key != RULE_NONE) print_path(&program->paths[sequence->key], out);
  print_span(&program->spans[sequence->window], out);
  buffer_append_byte(out, '\n');
  for (uint32_t i = 0; i < sequence->step_count; i++) {
    const struct rule_sequence_step *step = &sequence->steps[i];
    buffer_append_format(out, "  %s\"%.*s\"", step->negated ? "not " : "", BYTES_ARG(step->name_text));
    if (!step->negated) print_duration(sequence->within[step->index], out);
    if (step->negated && i + 1 == sequence->step_count) print_duration(sequence->trailing, out);
    print_where(program, &step->where, out);
    buffer_append_byte(out, '\n');
  }
}

void rule_program_print(const struct rule_program *program, struct buffer *out) {
  for (uint32_t i = 0; i < program->code_count; i++) {
    struct rule_code code = program->code[i];
    buffer_append_format(out, "%04u  ", i);
    for (const char *at = opcodes[code.opcode].name; *at != '\0'; at++)
      buffer_append_byte(out, (uint8_t)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at));
    if (opcodes[code.opcode].argument != ABOUT_NONE) buffer_append_text(out, "  ");
    print_argument(program, code, out);
    buffer_append_byte(out, '\n');
  }
  for (uint32_t i = 0; i < program->gather_count; i++) print_gather(program, i, out);
  for (uint32_t i = 0; i < program->sequence_count; i++) print_sequence(program, i, out);
  size_t passes = program->sequence_count;
  for (uint32_t i = 0; i < program->gather_count; i++) passes += !program->gathers[i].subject;
  buffer_append_format(out, "passes over the events: %zu; messages: %s\n", passes,
                       program->needs.payloads ? "read" : "only where a column does not know");
}
