// compile: an expression as instructions.
//
// Each node leaves one value on the stack. A chain of operators leans to the left and may be as long as a tree has
// nodes, so it is walked in a loop; only what stands in parentheses is a call inside a call (RULE_DEPTH_MAX).
// The main part comes first. Conditions and values of events are parts of their own behind it, compiled once the main
// part is done; a part ends with RETURN and holds no aggregate.
#include "rule/compile_private.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "rule/duration.h"

// --- emitting ------------------------------------------------------------------------------------------------

void compile_fail(struct compiler *compiler, enum err err, const char *code, const char *message) {
  if (compiler->err == ERR_OK) compiler->err = diag_set(compiler->diag, err, code, "%s", message);
}

bool compile_grow(struct compiler *compiler, void **items, uint32_t count, size_t size_bytes) {
  if (compiler->err != ERR_OK) return false;
  if (count != 0 && (count & (count - 1)) != 0) return true;
  void *larger = arena_take(compiler->arena, (count == 0 ? 1 : (size_t)count * 2) * size_bytes);
  if (larger == NULL) {
    compiler->err = diag_no_memory(compiler->diag);
    return false;
  }
  if (count > 0) memcpy(larger, *items, count * size_bytes);
  *items = larger;
  return true;
}

enum { VARIES = 255, V = VARIES };
static const struct {
  uint8_t takes, gives;
} effects[RULE_CODE_COUNT] = {
#define OPCODE(name, takes, gives, argument, what) [RULE_CODE_##name] = {takes, gives},
#include "rule/opcodes.def"
#undef OPCODE
};

uint32_t compile_emit(struct compiler *compiler, enum rule_opcode opcode, uint8_t small, uint32_t arg) {
  struct rule_program *program = compiler->program;
  void *code = program->code;
  if (program->code_count == RULE_CODE_MAX)
    compile_fail(compiler, ERR_LIMIT, "too_large",
                 "the expression needs more than 65535 instructions: make it smaller");
  if (!compile_grow(compiler, &code, program->code_count, sizeof *program->code)) return 0;
  program->code = code;
  uint32_t takes = effects[opcode].takes == VARIES ? small : effects[opcode].takes;
  assert(compiler->depth >= takes);
  compiler->depth += effects[opcode].gives - takes;
  if (compiler->depth > compiler->deepest) compiler->deepest = compiler->depth;
  program->code[program->code_count] = (struct rule_code){(uint8_t)opcode, small, arg};
  return program->code_count++;
}

void compile_land(struct compiler *compiler, uint32_t place) {
  if (compiler->err == ERR_OK) compiler->program->code[place].arg = compiler->program->code_count;
}

struct bytes compile_copy(struct compiler *compiler, struct bytes text) {
  struct bytes copy = {NULL, 0};
  if (compiler->err != ERR_OK) return copy;
  copy = arena_copy(compiler->arena, text);
  if (copy.data == NULL) compiler->err = diag_no_memory(compiler->diag);
  return copy;
}

uint32_t compile_name(struct compiler *compiler, struct bytes name) {
  uint32_t id = 0;
  if (compiler->err != ERR_OK) return 0;
  enum err err = compiler->with->name_id(compiler->with->context, name, &id);
  if (err != ERR_OK) compile_fail(compiler, err, "name_id", "the names of this workspace could not be read");
  return id;
}

uint32_t compile_constant(struct compiler *compiler, struct rule_value value) {
  struct rule_program *program = compiler->program;
  void *constants = program->constants;
  if (value.type == RULE_TYPE_TEXT) value.text = compile_copy(compiler, value.text);
  if (!compile_grow(compiler, &constants, program->constant_count, sizeof value)) return 0;
  program->constants = constants;
  program->constants[program->constant_count] = value;
  return program->constant_count++;
}

// --- literals ------------------------------------------------------------------------------------------------

bool compile_instant(const struct compiler *compiler, const struct rule_node *node, int64_t *time_us) {
  *time_us = node->time_us;
  if (node->kind == RULE_NODE_TIME && node->has_offset) return true;
  return rule_time_from_wall(compiler->with->zone, node->time_us, time_us) == ERR_OK;
}

// An exact duration too long for a value is null: no time could be reached with it.
static void duration_value(struct rule_duration duration, struct rule_value *value) {
  static const int64_t units_us[] = {
      [RULE_SECOND] = CLOCK_SECOND_US, [RULE_MINUTE] = CLOCK_MINUTE_US, [RULE_HOUR] = CLOCK_HOUR_US,
      [RULE_DAY] = CLOCK_DAY_US,       [RULE_WEEK] = 7 * CLOCK_DAY_US,
  };
  if (duration.unit >= RULE_MONTH) {
    value->type = RULE_TYPE_CALENDAR;
    value->calendar = duration;
  } else if (!__builtin_mul_overflow(duration.count, units_us[duration.unit], &value->time_us)) {
    value->type = RULE_TYPE_DURATION;
  }
}

bool compile_literal(const struct compiler *compiler, const struct rule_node *node, struct rule_value *value) {
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  switch (node->kind) {
  case RULE_NODE_NULL:
    return true;
  case RULE_NODE_BOOL:
    value->type = RULE_TYPE_BOOL;
    value->boolean = node->boolean;
    return true;
  case RULE_NODE_NUMBER:
    value->type = RULE_TYPE_NUMBER;
    value->number = node->number;
    return true;
  case RULE_NODE_TEXT:
    value->type = RULE_TYPE_TEXT;
    value->text = node->text;
    return true;
  case RULE_NODE_DATE:
  case RULE_NODE_TIME:
    if (compile_instant(compiler, node, &value->time_us)) value->type = RULE_TYPE_TIME;
    return true;
  case RULE_NODE_DURATION:
    duration_value(node->duration, value);
    return true;
  case RULE_NODE_NEGATE:
    if (node->left->kind != RULE_NODE_NUMBER) return false;
    value->type = RULE_TYPE_NUMBER;
    value->number = decimal_negate(node->left->number);
    return true;
  default:
    return false;
  }
}

static void compile_null(struct compiler *compiler) {
  compile_emit(compiler, RULE_CODE_CONSTANT, 0,
               compile_constant(compiler, (struct rule_value){.type = RULE_TYPE_NULL}));
}

// --- chains --------------------------------------------------------------------------------------------------

const struct rule_node **compile_operands(struct compiler *compiler, const struct rule_node *node, enum rule_op op,
                                          uint32_t *count) {
  uint32_t joints = 0;
  const struct rule_node *at = node;
  *count = 0;
  for (; at->kind == RULE_NODE_BINARY && at->op == op; at = at->left) joints++;
  const struct rule_node **operands = arena_take_zero(compiler->arena, joints + 1, sizeof *operands);
  if (operands == NULL) {
    if (compiler->err == ERR_OK) compiler->err = diag_no_memory(compiler->diag);
    return NULL;
  }
  *count = joints + 1;
  for (at = node; joints > 0; at = at->left) operands[joints--] = at->right;
  operands[0] = at;
  return operands;
}

void compile_chain(struct compiler *compiler, const struct rule_node *const *nodes, uint32_t count,
                   enum rule_opcode joined) {
  uint32_t last = RULE_NONE; // a jump to the end keeps in `arg` the one before it, until the end is known
  for (uint32_t i = 0; i < count; i++) {
    compile_node(compiler, nodes[i]);
    if (i + 1 < count) last = compile_emit(compiler, joined, 0, last);
  }
  compile_emit(compiler, RULE_CODE_IS_TRUE, 0, 0);
  while (compiler->err == ERR_OK && last != RULE_NONE) {
    uint32_t before = compiler->program->code[last].arg;
    compile_land(compiler, last);
    last = before;
  }
}

static bool is_ordering(enum rule_op op) {
  return op >= RULE_LESS && op <= RULE_GREATER_EQUAL;
}

// now, now - D, now + D: what T is moved by to stand beside now itself.
static bool is_now(const struct rule_node *node, struct rule_duration *shift) {
  *shift = (struct rule_duration){0, RULE_SECOND};
  if (node->kind == RULE_NODE_NOW) return true;
  if (node->kind != RULE_NODE_BINARY || (node->op != RULE_ADD && node->op != RULE_SUBTRACT)) return false;
  const struct rule_node *left = node->left, *right = node->right;
  if (node->op == RULE_ADD && right->kind == RULE_NODE_NOW) {
    left = node->right;
    right = node->left;
  }
  if (left->kind != RULE_NODE_NOW || right->kind != RULE_NODE_DURATION) return false;
  *shift = right->duration;
  if (node->op == RULE_ADD) shift->count = -shift->count;
  return true;
}

static bool beside_now(struct compiler *compiler, const struct rule_node *node) {
  struct rule_program *program = compiler->program;
  struct rule_duration shift;
  if (!is_ordering(node->op)) return false;
  bool right = is_now(node->right, &shift);
  if (!right && !is_now(node->left, &shift)) return false;
  compile_node(compiler, right ? node->left : node->right);
  void *shifts = program->shifts;
  if (!compile_grow(compiler, &shifts, program->shift_count, sizeof shift)) return true;
  program->shifts = shifts;
  program->shifts[program->shift_count] = shift;
  enum rule_op op = right ? node->op : rule_op_mirror(node->op);
  compile_emit(compiler, RULE_CODE_BESIDE_NOW, (uint8_t)op, program->shift_count++);
  return true;
}

// count(...) beside a number: how many are enough, and whether it is true with or without them.
static bool enough(const struct rule_node *node, enum rule_op op, struct decimal number, struct rule_gather *gather) {
  struct decimal whole = op == RULE_GREATER || op == RULE_LESS_EQUAL ? decimal_floor(number) : decimal_ceil(number);
  int64_t least;
  if (!bytes_equal(node->text, BYTES("count")) || decimal_to_scaled_i64(whole, 0, &least) != ERR_OK) return false;
  if (least > INT32_MAX || least < -1) return false;
  if ((op == RULE_EQUAL || op == RULE_UNEQUAL) && (least != 0 || number.coefficient != 0)) return false;
  if (op == RULE_GREATER || op == RULE_LESS_EQUAL || op == RULE_EQUAL || op == RULE_UNEQUAL) least++;
  gather->tested = true;
  gather->at_least = least;
  gather->test_negated = op == RULE_LESS || op == RULE_LESS_EQUAL || op == RULE_EQUAL;
  return true;
}

static bool count_beside_number(struct compiler *compiler, const struct rule_node *node) {
  struct rule_gather tested;
  bool mirrored = node->right->kind == RULE_NODE_AGGREGATE;
  const struct rule_node *aggregate = mirrored ? node->right : node->left;
  const struct rule_node *literal = mirrored ? node->left : node->right;
  enum rule_op op = mirrored ? rule_op_mirror(node->op) : node->op;
  struct rule_value number;
  if (aggregate->kind != RULE_NODE_AGGREGATE || op < RULE_EQUAL || op > RULE_GREATER_EQUAL) return false;
  if (!compile_literal(compiler, literal, &number) || number.type != RULE_TYPE_NUMBER) return false;
  if (!enough(aggregate, op, number.number, &tested)) return false;
  uint32_t index = compile_gather(compiler, aggregate);
  if (compiler->err == ERR_OK) {
    struct rule_gather *gather = &compiler->program->gathers[index];
    gather->tested = true;
    gather->at_least = tested.at_least;
    gather->test_negated = tested.test_negated;
  }
  compile_emit(compiler, RULE_CODE_AGGREGATE, 0, index);
  return true;
}

static bool channel_beside_text(struct compiler *compiler, const struct rule_node *node) {
  uint32_t channels = compiler->in_events ? compile_channels(compiler, node) : RULE_NONE;
  if (channels == RULE_NONE) return false;
  compile_emit(compiler, RULE_CODE_CHANNEL_IN, 0, channels);
  return true;
}

static bool compile_special(struct compiler *compiler, const struct rule_node *node) {
  return beside_now(compiler, node) || channel_beside_text(compiler, node) || count_beside_number(compiler, node);
}

static enum rule_opcode opcode_of(enum rule_op op) {
  static const uint8_t opcodes[] = {
      [RULE_EQUAL] = RULE_CODE_EQUAL,         [RULE_UNEQUAL] = RULE_CODE_UNEQUAL,
      [RULE_LESS] = RULE_CODE_LESS,           [RULE_LESS_EQUAL] = RULE_CODE_LESS_EQUAL,
      [RULE_GREATER] = RULE_CODE_GREATER,     [RULE_GREATER_EQUAL] = RULE_CODE_GREATER_EQUAL,
      [RULE_CONTAINS] = RULE_CODE_CONTAINS,   [RULE_STARTS_WITH] = RULE_CODE_STARTS_WITH,
      [RULE_ENDS_WITH] = RULE_CODE_ENDS_WITH, [RULE_ADD] = RULE_CODE_ADD,
      [RULE_SUBTRACT] = RULE_CODE_SUBTRACT,   [RULE_MULTIPLY] = RULE_CODE_MULTIPLY,
      [RULE_DIVIDE] = RULE_CODE_DIVIDE,       [RULE_REMAINDER] = RULE_CODE_REMAINDER,
  };
  return (enum rule_opcode)opcodes[op];
}

static bool is_joint(const struct rule_node *node) {
  return node->kind == RULE_NODE_BINARY && node->op != RULE_AND && node->op != RULE_OR;
}

// Down the left side to the first operand, then up again.
static void compile_binary(struct compiler *compiler, const struct rule_node *node) {
  uint32_t count = 0, at = 0;
  const struct rule_node *left = node;
  for (; is_joint(left); left = left->left) count++;
  const struct rule_node **joints = arena_take_zero(compiler->arena, count, sizeof *joints);
  if (joints == NULL) {
    if (compiler->err == ERR_OK) compiler->err = diag_no_memory(compiler->diag);
    return;
  }
  for (left = node; is_joint(left); left = left->left) {
    if (at == 0 || left->op < RULE_ADD) {
      if (compile_special(compiler, left)) break;
    }
    joints[at++] = left;
  }
  if (!is_joint(left)) compile_node(compiler, left);
  while (at > 0) {
    const struct rule_node *joint = joints[--at];
    compile_node(compiler, joint->right);
    compile_emit(compiler, opcode_of(joint->op), 0, 0);
  }
}

// --- in ------------------------------------------------------------------------------------------------------

static bool compile_in_literals(struct compiler *compiler, const struct rule_node *node) {
  struct rule_program *program = compiler->program;
  struct rule_value value;
  struct rule_literals literals = {program->constant_count, node->item_count};
  for (uint32_t i = 0; i < node->item_count; i++)
    if (!compile_literal(compiler, node->items[i], &value)) return false;
  for (uint32_t i = 0; i < node->item_count; i++) {
    compile_literal(compiler, node->items[i], &value);
    compile_constant(compiler, value);
  }
  compile_node(compiler, node->left);
  void *all = program->literals;
  if (!compile_grow(compiler, &all, program->literals_count, sizeof literals)) return true;
  program->literals = all;
  program->literals[program->literals_count] = literals;
  compile_emit(compiler, RULE_CODE_IN_LIST, node->negated, program->literals_count++);
  return true;
}

static void compile_in(struct compiler *compiler, const struct rule_node *node) {
  uint32_t last = RULE_NONE;
  if (channel_beside_text(compiler, node) || compile_in_literals(compiler, node)) return;
  compile_node(compiler, node->left);
  for (uint32_t i = 0; i < node->item_count; i++) {
    compile_node(compiler, node->items[i]);
    last = compile_emit(compiler, RULE_CODE_IN_ITEM, node->negated, last);
  }
  compile_emit(compiler, RULE_CODE_IN_NONE, node->negated, 0);
  while (compiler->err == ERR_OK && last != RULE_NONE) {
    uint32_t before = compiler->program->code[last].arg;
    compile_land(compiler, last);
    last = before;
  }
}

// --- nodes ---------------------------------------------------------------------------------------------------

static void compile_events_node(struct compiler *compiler, const struct rule_node *node) {
  if (compiler->in_events) {
    compile_fail(compiler, ERR_INVALID, "misplaced", "events are not gathered inside the condition of other events");
    return;
  }
  if (node->kind == RULE_NODE_AGGREGATE)
    compile_emit(compiler, RULE_CODE_AGGREGATE, 0, compile_gather(compiler, node));
  else
    compile_emit(compiler, RULE_CODE_SEQUENCE, 0, compile_sequence(compiler, node));
}

static void compile_joined(struct compiler *compiler, const struct rule_node *node) {
  uint32_t count;
  const struct rule_node **operands = compile_operands(compiler, node, node->op, &count);
  if (operands == NULL) return;
  if (node->op == RULE_AND) compile_order(compiler, operands, count);
  compile_chain(compiler, operands, count, node->op == RULE_AND ? RULE_CODE_AND : RULE_CODE_OR);
}

static void compile_unary(struct compiler *compiler, const struct rule_node *node, enum rule_opcode opcode) {
  compile_node(compiler, node->left);
  compile_emit(compiler, opcode, node->negated, 0);
}

void compile_node(struct compiler *compiler, const struct rule_node *node) {
  struct rule_value literal;
  if (compiler->err != ERR_OK) return;
  if (compile_literal(compiler, node, &literal)) {
    compile_emit(compiler, RULE_CODE_CONSTANT, 0, compile_constant(compiler, literal));
    return;
  }
  switch (node->kind) {
  case RULE_NODE_PATH:
    compile_path_node(compiler, node);
    break;
  case RULE_NODE_MEMBER:
    compile_member(compiler, node);
    break;
  case RULE_NODE_CALL:
    compile_call(compiler, node);
    break;
  case RULE_NODE_NOT:
    compile_unary(compiler, node, RULE_CODE_NOT);
    break;
  case RULE_NODE_NEGATE:
    compile_unary(compiler, node, RULE_CODE_NEGATE);
    break;
  case RULE_NODE_IS_NULL:
    compile_unary(compiler, node, RULE_CODE_IS_NULL);
    break;
  case RULE_NODE_BINARY:
    if (is_joint(node))
      compile_binary(compiler, node);
    else
      compile_joined(compiler, node);
    break;
  case RULE_NODE_IN:
    compile_in(compiler, node);
    break;
  case RULE_NODE_MATCHES:
    compile_matches(compiler, node);
    break;
  case RULE_NODE_AGGREGATE:
  case RULE_NODE_SEQUENCE:
    compile_events_node(compiler, node);
    break;
  default:
    compile_null(compiler); // `now` where the checker lets it stand alone: nowhere
    break;
  }
}

// --- programs ------------------------------------------------------------------------------------------------

static void compile_all(struct compiler *compiler, const struct rule_node *tree) {
  struct rule_program *program = compiler->program;
  uint32_t main_deepest, part_deepest = 0;
  compile_node(compiler, tree);
  compile_emit(compiler, RULE_CODE_RETURN, 0, 0);
  main_deepest = compiler->deepest;
  compiler->in_events = true;
  for (uint32_t i = 0; i < compiler->part_count; i++) {
    compiler->depth = compiler->deepest = 0;
    compile_part(compiler, &compiler->parts[i]);
    if (compiler->deepest > part_deepest) part_deepest = compiler->deepest;
  }
  program->stack_depth = main_deepest + part_deepest + 1;
  compile_funnels(compiler);
  compile_newest(compiler);
  compile_finish_needs(compiler);
}

enum err rule_compile(const struct rule_node *tree, const struct rule_compile *with, struct rule_program **program,
                      struct diag *diag) {
  static _Atomic uint64_t serials;
  struct rule_program *made = alloc_zero(1, sizeof *made);
  *program = NULL;
  if (made == NULL) return diag_no_memory(diag);
  arena_init_small(&made->arena);
  made->serial = atomic_fetch_add(&serials, 1) + 1;
  made->zone = with->zone;
  made->zone_serial = rule_zone_serial(with->zone);
  struct compiler compiler = {.with = with, .program = made, .arena = &made->arena, .diag = diag};
  compile_all(&compiler, tree);
  if (compiler.err != ERR_OK) {
    rule_program_close(made);
    return compiler.err;
  }
  *program = made;
  return ERR_OK;
}

void rule_program_close(struct rule_program *program) {
  if (program == NULL) return;
  for (uint32_t i = 0; i < program->pattern_count; i++) pcre2_code_free(program->patterns[i]);
  pcre2_general_context_free(program->pattern_memory);
  arena_release(&program->arena);
  alloc_free(program);
}

const struct rule_needs *rule_program_needs(const struct rule_program *program) {
  return &program->needs;
}

void rule_program_fetch_code(const struct rule_program *program) {
  __builtin_prefetch(program->code);
  __builtin_prefetch(program->spans);
  if (program->gathers == NULL) return;
  __builtin_prefetch(program->gathers);
  __builtin_prefetch((const char *)program->gathers + 64);
}
