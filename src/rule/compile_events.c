// compile_events: aggregates, sequences and their windows.
//
// Their descriptors are made with the main part; conditions and values are put aside as parts. Windows that say the
// same share one span, so that a machine works each out once for a `now`.
#include "rule/compile_private.h"

#include "base/clock.h"
#include "rule/duration.h"

// --- windows -------------------------------------------------------------------------------------------------

static int64_t instant_or(const struct compiler *compiler, const struct rule_node *node, int64_t otherwise) {
  int64_t time_us;
  return node != NULL && compile_instant(compiler, node, &time_us) ? time_us : otherwise;
}

// `between` holds all of its last day.
static int64_t end_of(const struct compiler *compiler, const struct rule_node *node, bool whole_day) {
  int64_t time_us;
  if (node == NULL) return INT64_MAX;
  if (!whole_day || node->kind != RULE_NODE_DATE) return instant_or(compiler, node, INT64_MAX);
  enum err err = rule_time_from_wall(compiler->with->zone, node->time_us + CLOCK_DAY_US, &time_us);
  return err == ERR_OK ? time_us : INT64_MAX;
}

static bool same_span(const struct rule_span *a, const struct rule_span *b) {
  return a->kind == b->kind && a->length.count == b->length.count && a->length.unit == b->length.unit &&
         a->from_us == b->from_us && a->to_us == b->to_us;
}

static uint8_t slot_of(const struct rule_span *span) {
  uint64_t length = (uint64_t)span->length.count << 5 | (uint64_t)span->length.unit << 2 | (uint64_t)span->kind;
  return (uint8_t)(length * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static uint32_t compile_window(struct compiler *compiler, const struct rule_window *window) {
  struct rule_program *program = compiler->program;
  struct rule_span span = {.kind = window->kind, .from_us = INT64_MIN, .to_us = INT64_MAX};
  void *spans = program->spans;
  if (window->kind >= RULE_WINDOW_SINCE) {
    span.from_us = instant_or(compiler, window->from, INT64_MIN);
    span.to_us = end_of(compiler, window->to, window->kind == RULE_WINDOW_BETWEEN);
  } else if (window->kind != RULE_WINDOW_NONE) {
    span.length = window->length;
    span.moves = true;
    span.slot = slot_of(&span);
    program->needs.time = true;
  }
  for (uint32_t i = 0; i < program->span_count; i++)
    if (same_span(&program->spans[i], &span)) return i;
  if (!compile_grow(compiler, &spans, program->span_count, sizeof span)) return 0;
  program->spans = spans;
  program->spans[program->span_count] = span;
  return program->span_count++;
}

// --- parts ---------------------------------------------------------------------------------------------------

static struct rule_where all_events(void) {
  return (struct rule_where){.from_us = INT64_MIN, .to_us = INT64_MAX, .channels = RULE_NONE, .code = RULE_NONE};
}

static void put_aside(struct compiler *compiler, struct compile_part part) {
  void *parts = compiler->parts;
  if (part.where == NULL && part.value == NULL) return;
  if (!compile_grow(compiler, &parts, compiler->part_count, sizeof part)) return;
  compiler->parts = parts;
  compiler->parts[compiler->part_count++] = part;
}

static void compile_value(struct compiler *compiler, const struct rule_node *node, struct rule_gather *gather) {
  gather->amount = compile_amount(compiler, node);
  if (gather->amount != 0) {
    gather->gathered = RULE_GATHER_AMOUNT;
    gather->value = compile_event_path(compiler, RULE_ROOT_MESSAGE, node->names, node->name_count);
  } else if (compile_is_time(compiler, node)) {
    gather->gathered = RULE_GATHER_TIME;
  } else {
    gather->gathered = RULE_GATHER_CODE;
    gather->value = compiler->program->code_count;
    compile_node(compiler, node);
    compile_emit(compiler, RULE_CODE_RETURN, 0, 0);
  }
}

void compile_part(struct compiler *compiler, const struct compile_part *part) {
  if (compiler->err != ERR_OK) return;
  compiler->in_items = part->items;
  compiler->of_subject = part->of_subject;
  struct rule_where where = all_events();
  if (part->where != NULL) compile_where(compiler, part->where, &where);
  compiler->depth = 0;
  if (part->gather == RULE_NONE) {
    *part->into_where = where;
    return;
  }
  struct rule_gather gather = compiler->program->gathers[part->gather];
  gather.where = where;
  if (part->value != NULL) compile_value(compiler, part->value, &gather);
  compiler->program->gathers[part->gather] = gather;
}

// --- aggregates ----------------------------------------------------------------------------------------------

// Of `this` nothing is asked of the customer: neither a name nor a window.
static void compile_source(struct compiler *compiler, const struct rule_events *events, struct rule_gather *gather) {
  struct rule_program *program = compiler->program;
  enum rule_root root = events->subject ? RULE_ROOT_SUBJECT : RULE_ROOT_MESSAGE;
  gather->subject = events->subject;
  if (!events->subject) {
    gather->name = compile_name(compiler, events->name);
    gather->name_text = compile_copy(compiler, events->name);
    gather->window = compile_window(compiler, &events->window);
    compile_need_event(compiler, gather->name);
  }
  if (events->item_count == 0) return;
  gather->items = compile_event_path(compiler, root, events->items, events->item_count);
  if (!events->subject) program->needs.payloads = true;
}

uint32_t compile_gather(struct compiler *compiler, const struct rule_node *node) {
  struct rule_program *program = compiler->program;
  const struct rule_events *events = node->events;
  struct rule_gather gather = {.where = all_events(), .window = RULE_NONE, .items = RULE_NONE};
  void *gathers = program->gathers;
  if (!rule_aggregator_find(node->text, &gather.aggregator))
    compile_fail(compiler, ERR_INVALID, "unknown_word", "what gathers events is not known");
  compile_source(compiler, events, &gather);
  if (!compile_grow(compiler, &gathers, program->gather_count, sizeof gather)) return 0;
  program->gathers = gathers;
  program->gathers[program->gather_count] = gather;
  put_aside(compiler, (struct compile_part){.where = events->where,
                                            .value = node->left,
                                            .gather = program->gather_count,
                                            .items = events->item_count > 0,
                                            .of_subject = events->subject});
  return program->gather_count++;
}

// --- sequences -----------------------------------------------------------------------------------------------

static void add_step(struct compiler *compiler, struct rule_sequence *sequence, struct rule_sequence_step *into,
                     const struct rule_step *step) {
  static const int64_t units_us[] = {CLOCK_SECOND_US, 60LL * CLOCK_SECOND_US, 3600LL * CLOCK_SECOND_US,
                                     86400LL * CLOCK_SECOND_US, 604800LL * CLOCK_SECOND_US};
  into->negated = step->negated;
  into->name = compile_name(compiler, step->events.name);
  into->name_text = compile_copy(compiler, step->events.name);
  into->where = all_events();
  compile_need_event(compiler, into->name);
  put_aside(compiler,
            (struct compile_part){.where = step->events.where, .into_where = &into->where, .gather = RULE_NONE});
  sequence->has_trailing = step->negated;
  if (step->negated) {
    into->index = (uint8_t)(sequence->positive_count - 1);
    if (!step->has_within) return;
    sequence->trailing = step->within;
    compiler->program->needs.time = true;
    return;
  }
  into->index = (uint8_t)sequence->positive_count++;
  sequence->within_us[into->index] = -1;
  if (!step->has_within) return;
  int64_t length_us;
  sequence->within[into->index] = step->within;
  if (step->within.unit < RULE_MONTH &&
      !__builtin_mul_overflow(step->within.count, units_us[step->within.unit], &length_us))
    sequence->within_us[into->index] = length_us;
}

uint32_t compile_sequence(struct compiler *compiler, const struct rule_node *node) {
  struct rule_program *program = compiler->program;
  struct rule_sequence sequence = {.key = RULE_NONE, .step_count = node->step_count};
  struct rule_sequence_step *steps = arena_take_zero(compiler->arena, node->step_count, sizeof *steps);
  void *sequences = program->sequences;
  if (steps == NULL || node->steps[0].negated) {
    compile_fail(compiler, steps == NULL ? ERR_NO_MEMORY : ERR_INVALID, "misplaced", "a sequence begins with an event");
    return 0;
  }
  sequence.steps = steps;
  sequence.window = compile_window(compiler, &node->events->window);
  for (uint32_t i = 0; i < node->step_count; i++) add_step(compiler, &sequence, &steps[i], &node->steps[i]);
  if (node->name_count > 0) {
    sequence.key = compile_event_path(compiler, RULE_ROOT_MESSAGE, node->names, node->name_count);
    program->needs.payloads = true;
  }
  if (!compile_grow(compiler, &sequences, program->sequence_count, sizeof sequence)) return 0;
  program->sequences = sequences;
  program->sequences[program->sequence_count] = sequence;
  return program->sequence_count++;
}

// --- funnels -------------------------------------------------------------------------------------------------

static bool is_all(const struct rule_where *where) {
  return where->cells == NULL && where->channels == RULE_NONE && where->code == RULE_NONE &&
         where->from_us == INT64_MIN && where->to_us == INT64_MAX;
}

static uint32_t name_or_none(uint32_t name) {
  return name == 0 ? RULE_NONE : name;
}

// False: it is none.
static bool add_to_funnel(const struct rule_sequence *sequence, const struct rule_sequence_step *step,
                          struct rule_funnel *funnel) {
  const int64_t any_us = (int64_t)1 << 61; // longer than all times there are
  uint32_t index = step->index;
  if (!is_all(&step->where) || index >= RULE_FUNNEL_STEPS) return false;
  if (step->negated) {
    if (funnel->nots[index] != RULE_NONE) return false;
    funnel->nots[index] = name_or_none(step->name);
    funnel->has_nots = true;
    return true;
  }
  bool none = sequence->within[index].count == 0;
  if (!none && sequence->within_us[index] < 0) return false;
  funnel->within_us[index] = none || sequence->within_us[index] > any_us ? any_us : sequence->within_us[index];
  funnel->names[index] = name_or_none(step->name);
  return true;
}

void compile_funnels(struct compiler *compiler) {
  struct rule_program *program = compiler->program;
  for (uint32_t i = 0; compiler->err == ERR_OK && i < program->sequence_count; i++) {
    struct rule_sequence *sequence = &program->sequences[i];
    struct rule_funnel funnel = {.nots = {RULE_NONE, RULE_NONE, RULE_NONE, RULE_NONE}};
    bool is = sequence->key == RULE_NONE && sequence->trailing.count == 0;
    for (uint32_t k = 0; is && k < sequence->step_count; k++)
      is = add_to_funnel(sequence, &sequence->steps[k], &funnel);
    if (!is) continue;
    funnel.steps = sequence->positive_count;
    sequence->funnel = funnel;
  }
}

// --- the newest event alone ----------------------------------------------------------------------------------

// A window that the newest event up to now is in whenever any is, and that no calendar makes ragged.
static bool is_open(const struct rule_span *span) {
  if (span->kind == RULE_WINDOW_LAST) return span->length.unit < RULE_MONTH;
  return span->kind != RULE_WINDOW_LAST_DAYS && span->kind != RULE_WINDOW_PREVIOUS && span->to_us == INT64_MAX;
}

// Whether there is one, and no more than that.
static bool asks_newest(const struct rule_program *program, const struct rule_gather *gather) {
  bool is_one = gather->aggregator == RULE_EXISTS || (gather->tested && gather->at_least <= 1);
  return gather->subject || (is_one && gather->items == RULE_NONE && gather->gathered == RULE_GATHER_NOTHING &&
                             is_all(&gather->where) && is_open(&program->spans[gather->window]));
}

void compile_newest(struct compiler *compiler) {
  struct rule_program *program = compiler->program;
  bool is = true;
  for (uint32_t i = 0; is && i < program->gather_count; i++) is = asks_newest(program, &program->gathers[i]);
  for (uint32_t i = 0; is && i < program->sequence_count; i++)
    is = program->sequences[i].funnel.steps == 1 && is_open(&program->spans[program->sequences[i].window]);
  program->newest_only = compiler->err == ERR_OK && is;
}
