// machine: the loop over instructions.
//
// A run asks for nothing before an instruction needs it. Invariants:
// 1. The stack is large enough for the program: the compiler counted (stack_depth), no instruction checks.
// 2. `until_us` only falls during a run. Every instruction that looked at the clock, at a window or at another's answer
//    has lowered it to the first instant at which what it saw may change; what was jumped over has not.
// 3. What is kept from run to run (spans, the stack's memory, slots of traits and messages) is valid for one program
//    (`serial`) at one `now`, or for one run (`run`).
#include "rule/machine_private.h"

#include <sodium.h>

#include "base/alloc.h"

const struct rule_limits RULE_LIMITS_DEFAULT = {4000000, (size_t)16 << 20};

enum {
  PATTERN_MATCH_LIMIT = 1000000, // backtracks
  PATTERN_DEPTH_LIMIT = 100000,
  PATTERN_HEAP_KIB = 4096, // when a pattern is interpreted
};

bool machine_unknown(struct rule_machine *machine) {
  machine->stop = MACHINE_UNKNOWN;
  return false;
}

bool machine_failed(struct rule_machine *machine, enum err err) {
  machine->stop = MACHINE_FAILED;
  machine->err = err;
  return false;
}

void *machine_take(struct rule_machine *machine, size_t size_bytes) {
  struct arena *arena = &machine->arena;
  if (size_bytes > arena->limit_bytes || arena->used_bytes > arena->limit_bytes - size_bytes) {
    machine_unknown(machine);
    return NULL;
  }
  void *block = arena_take(arena, size_bytes);
  if (block == NULL) {
    // Rounded up to its alignment the last piece may be past the limit, which is the limit too.
    if (arena->limit_bytes - arena->used_bytes < size_bytes + 64)
      machine_unknown(machine);
    else
      machine_failed(machine, ERR_NO_MEMORY);
  }
  return block;
}

// --- instructions --------------------------------------------------------------------------------------------

// Those that need a call that may stop the run; `top` is the first free place.
static bool execute_data(struct rule_machine *machine, struct rule_code code, struct rule_value *top) {
  const struct rule_program *program = machine->program;
  const struct rule_path *path = &program->paths[code.arg];
  bool is;
  switch (code.opcode) {
  case RULE_CODE_TRAIT:
    return machine_trait(machine, path, top);
  case RULE_CODE_ATTRIBUTE:
    return machine_attribute(machine, path, top);
  case RULE_CODE_PROPERTY:
    return machine_property(machine, path, top);
  case RULE_CODE_ITEM:
    return machine_item(machine, path, top);
  case RULE_CODE_EVENT_AMOUNT:
    return machine_amount(machine, (enum rule_amount)code.small, path, top);
  default:
    if (!machine_channel_in(machine, &program->channels[code.arg], &is)) return false;
    machine_set_bool(top, is);
    return true;
  }
}

bool machine_execute(struct rule_machine *machine, uint32_t entry, struct rule_value *base) {
  const struct rule_program *program = machine->program;
  const struct rule_code *code = program->code + entry;
  struct rule_value *top = base; // the first free place
  for (;; code++) {
    if (++machine->steps > machine->limits.steps) return machine_unknown(machine);
    switch ((enum rule_opcode)code->opcode) {
    case RULE_CODE_CONSTANT:
      *top++ = program->constants[code->arg];
      break;
    case RULE_CODE_TRAIT:
    case RULE_CODE_ATTRIBUTE:
    case RULE_CODE_PROPERTY:
    case RULE_CODE_ITEM:
    case RULE_CODE_EVENT_AMOUNT:
    case RULE_CODE_CHANNEL_IN:
      if (!execute_data(machine, *code, top)) return false;
      top++;
      break;
    case RULE_CODE_EVENT_TIME:
      *top++ = machine_time(machine->columns.time_us[machine->event]);
      break;
    case RULE_CODE_SUBJECT_TIME:
      *top++ = machine_subject_time(machine);
      break;
    case RULE_CODE_MEMBER:
      top[-1] = machine_member(&program->paths[code->arg], &top[-1]);
      break;
    case RULE_CODE_JUMP:
      code = program->code + code->arg - 1;
      break;
    case RULE_CODE_AND:
      if (machine_is_true(&top[-1])) {
        top--;
      } else {
        machine_set_bool(&top[-1], false);
        code = program->code + code->arg - 1;
      }
      break;
    case RULE_CODE_OR:
      if (machine_is_true(&top[-1]))
        code = program->code + code->arg - 1;
      else
        top--;
      break;
    case RULE_CODE_UNLESS:
      top--;
      if (!machine_is_true(top)) code = program->code + code->arg - 1;
      break;
    case RULE_CODE_COALESCE:
      if (top[-1].type != RULE_TYPE_NULL)
        code = program->code + code->arg - 1;
      else
        top--;
      break;
    case RULE_CODE_IN_ITEM:
      top--;
      if (!machine_count_value(machine, &top[-1])) return false;
      if (machine_equal(machine, &top[-1], top)) {
        machine_set_bool(&top[-1], code->small == 0);
        code = program->code + code->arg - 1;
      }
      break;
    case RULE_CODE_RETURN:
      return true;
    case RULE_CODE_IS_TRUE:
      machine_set_bool(&top[-1], machine_is_true(&top[-1]));
      break;
    case RULE_CODE_NOT:
      machine_set_bool(&top[-1], !machine_is_true(&top[-1]));
      break;
    case RULE_CODE_IS_NULL:
      machine_set_bool(&top[-1], (top[-1].type == RULE_TYPE_NULL) != (code->small == 1));
      break;
    case RULE_CODE_IN_NONE:
      machine_set_bool(&top[-1], code->small == 1 && top[-1].type != RULE_TYPE_NULL);
      break;
    case RULE_CODE_IN_LIST:
      if (!machine_count(machine, program->literals[code->arg].count)) return false;
      machine_set_bool(&top[-1], machine_in(machine, &program->literals[code->arg], &top[-1], code->small == 1));
      break;
    case RULE_CODE_MATCHES:
      if (!machine_matches(machine, code->arg, &top[-1])) return false;
      break;
    case RULE_CODE_EQUAL:
    case RULE_CODE_UNEQUAL:
    case RULE_CODE_LESS:
    case RULE_CODE_LESS_EQUAL:
    case RULE_CODE_GREATER:
    case RULE_CODE_GREATER_EQUAL:
      top--;
      if (!machine_count_value(machine, &top[-1])) return false;
      machine_set_bool(&top[-1], machine_compare(machine, (enum rule_opcode)code->opcode, &top[-1], top));
      break;
    case RULE_CODE_CONTAINS:
    case RULE_CODE_STARTS_WITH:
    case RULE_CODE_ENDS_WITH:
      top--;
      if (!machine_count_value(machine, &top[-1])) return false;
      machine_set_bool(&top[-1], machine_texts(machine, (enum rule_opcode)code->opcode, &top[-1], top));
      break;
    case RULE_CODE_BESIDE_NOW:
      machine_beside_now(machine, (enum rule_op)code->small, program->shifts[code->arg], &top[-1]);
      break;
    case RULE_CODE_ADD:
    case RULE_CODE_SUBTRACT:
    case RULE_CODE_MULTIPLY:
    case RULE_CODE_DIVIDE:
    case RULE_CODE_REMAINDER:
      top--;
      machine_arithmetic(machine, (enum rule_opcode)code->opcode, &top[-1], top);
      break;
    case RULE_CODE_NEGATE:
      machine_negate(machine, &top[-1]);
      break;
    case RULE_CODE_CALL:
    case RULE_CODE_LOOKUP:
      top -= code->small;
      if (!(code->opcode == RULE_CODE_CALL ? machine_call : machine_lookup)(machine, (enum rule_function)code->arg, top,
                                                                            code->small))
        return false;
      top++;
      break;
    case RULE_CODE_AGGREGATE:
      if (!machine_gather(machine, &program->gathers[code->arg], top)) return false;
      top++;
      break;
    case RULE_CODE_SEQUENCE:
      if (!machine_sequence(machine, &program->sequences[code->arg], top)) return false;
      top++;
      break;
    case RULE_CODE_COUNT:
      return true;
    }
  }
}

// --- runs ----------------------------------------------------------------------------------------------------

// Room for `count` items; what was there is forgotten. False: no memory.
static bool make_room(void **items, uint32_t *capacity, uint32_t count, size_t size_bytes) {
  if (count <= *capacity) return true;
  void *larger = alloc_zero(count, size_bytes);
  if (larger == NULL) return false;
  alloc_free(*items);
  *items = larger;
  *capacity = count;
  return true;
}

static bool bind(struct rule_machine *machine, const struct rule_program *program, int64_t now_us) {
  void *spans = machine->spans, *stack = machine->stack, *traits = machine->traits;
  machine->serial = 0;
  bool room = make_room(&spans, &machine->span_capacity, program->span_count, sizeof *machine->spans);
  machine->spans = spans;
  room = room && make_room(&stack, &machine->stack_capacity, program->stack_depth, sizeof *machine->stack);
  machine->stack = stack;
  uint32_t trait_count = (uint32_t)program->needs.trait_count;
  room = room && make_room(&traits, &machine->trait_capacity, trait_count, sizeof *machine->traits);
  machine->traits = traits;
  if (!room) return false;
  machine->program = program;
  machine->now_us = now_us;
  machine_set_spans(machine);
  machine->serial = program->serial;
  machine->spans_now_us = now_us;
  return true;
}

static void begin(struct rule_machine *machine, const struct rule_program *program,
                  const struct rule_customer *customer, int64_t now_us, bool want_until) {
  machine->run++;
  machine->program = program;
  machine->customer = customer;
  machine->now_us = now_us;
  machine->until_us = INT64_MAX;
  machine->want_until = want_until;
  machine->stop = MACHINE_GOES_ON;
  machine->err = ERR_OK;
  machine->steps = 0;
  machine->faults = 0;
  machine->has_columns = false;
  machine->asked_count = 0;
  if (machine->arena.used_bytes > 0) arena_clear(&machine->arena);
}

enum err rule_run(struct rule_machine *machine, const struct rule_program *program,
                  const struct rule_customer *customer, int64_t now_us, bool want_until, struct rule_answer *answer) {
  answer->status = RULE_UNKNOWN;
  answer->value.type = RULE_TYPE_NULL;
  answer->valid_until_us = now_us;
  answer->steps = 0;
  answer->faults = 0;
  if (machine->serial != program->serial || machine->spans_now_us != now_us)
    if (!bind(machine, program, now_us)) return ERR_NO_MEMORY;
  begin(machine, program, customer, now_us, want_until);
  bool done = machine_execute(machine, 0, machine->stack);
  if (machine->stop == MACHINE_FAILED) return machine->err;
  answer->steps = machine->steps;
  answer->faults = machine->faults;
  // Of what is unknown: until something changes that was looked at before the limit.
  answer->valid_until_us = want_until ? machine->until_us : now_us + 1;
  if (!done) return ERR_OK;
  answer->status = RULE_KNOWN;
  if (machine->stack[0].type == RULE_TYPE_BOOL)
    machine_set_bool(&answer->value, machine->stack[0].boolean);
  else
    answer->value = machine->stack[0];
  return ERR_OK;
}

// --- machines ------------------------------------------------------------------------------------------------

enum err rule_machine_open(struct rule_machine **machine, const struct rule_limits *limits) {
  *machine = NULL;
  if (sodium_init() < 0) return ERR_IO;
  struct rule_machine *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return ERR_NO_MEMORY;
  made->limits = limits == NULL ? RULE_LIMITS_DEFAULT : *limits;
  arena_init(&made->arena, made->limits.bytes == 0 ? 1 : made->limits.bytes);
  randombytes_buf(made->hash_key, sizeof made->hash_key);
  made->pattern_memory = rule_pattern_memory();
  if (made->pattern_memory != NULL) {
    made->pattern_limits = pcre2_match_context_create(made->pattern_memory);
    made->pattern_data = pcre2_match_data_create(1, made->pattern_memory);
  }
  if (made->pattern_limits == NULL || made->pattern_data == NULL) {
    rule_machine_close(made);
    return ERR_NO_MEMORY;
  }
  pcre2_set_match_limit(made->pattern_limits, PATTERN_MATCH_LIMIT);
  pcre2_set_depth_limit(made->pattern_limits, PATTERN_DEPTH_LIMIT);
  pcre2_set_heap_limit(made->pattern_limits, PATTERN_HEAP_KIB);
  *machine = made;
  return ERR_OK;
}

void rule_machine_close(struct rule_machine *machine) {
  if (machine == NULL) return;
  pcre2_match_data_free(machine->pattern_data);
  pcre2_match_context_free(machine->pattern_limits);
  pcre2_general_context_free(machine->pattern_memory);
  alloc_free(machine->asked);
  alloc_free(machine->messages);
  alloc_free(machine->traits);
  alloc_free(machine->stack);
  alloc_free(machine->spans);
  arena_release(&machine->arena);
  alloc_free(machine);
}
