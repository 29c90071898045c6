// compile_paths: names as dictionary ids, and what a program depends on.
//
// A path in an event begins in message.properties, unless its first name is context or properties; inside items it
// begins in the item. `time` alone is the event's time. Of the event in hand (in parts of `this`, and in the main part)
// it is the same, from other roots; it comes as a message alone. What a column may hold (compile_amount,
// compile_is_channel) is told by the path alone.
#include "rule/compile_private.h"

#include <stdlib.h>

// --- paths ---------------------------------------------------------------------------------------------------

uint32_t compile_path(struct compiler *compiler, enum rule_root root, struct bytes extra, const struct bytes *names,
                      uint32_t count) {
  struct rule_program *program = compiler->program;
  struct rule_path path = {.root = root, .slot = RULE_NONE, .count = count + (extra.size_bytes > 0)};
  uint32_t *ids = arena_take_zero(compiler->arena, path.count + 1, sizeof *ids);
  struct bytes *texts = arena_take_zero(compiler->arena, path.count + 1, sizeof *texts);
  void *paths = program->paths;
  if (ids == NULL || texts == NULL) {
    if (compiler->err == ERR_OK) compiler->err = diag_no_memory(compiler->diag);
    return 0;
  }
  for (uint32_t i = 0; i < path.count; i++) {
    struct bytes name = extra.size_bytes == 0 ? names[i] : i == 0 ? extra : names[i - 1];
    ids[i] = compile_name(compiler, name);
    texts[i] = compile_copy(compiler, name);
  }
  path.ids = ids;
  path.names = texts;
  if (!compile_grow(compiler, &paths, program->path_count, sizeof path)) return 0;
  program->paths = paths;
  program->paths[program->path_count] = path;
  return program->path_count++;
}

static bool is_from_root(struct bytes first) {
  return bytes_equal(first, BYTES("context")) || bytes_equal(first, BYTES("properties"));
}

uint32_t compile_event_path(struct compiler *compiler, enum rule_root root, const struct bytes *names, uint32_t count) {
  return compile_path(compiler, root, is_from_root(names[0]) ? bytes_of(NULL, 0) : BYTES("properties"), names, count);
}

static bool is_path(const struct rule_node *node, uint32_t count) {
  return node->kind == RULE_NODE_PATH && node->name_count == count;
}

static bool has_columns(const struct compiler *compiler) {
  return compiler->in_events && !compiler->of_subject;
}

bool compile_is_time(const struct compiler *compiler, const struct rule_node *node) {
  bool of_event = compiler->in_events || node->subject != RULE_SUBJECT_NONE;
  return of_event && is_path(node, 1) && bytes_equal(node->names[0], BYTES("time"));
}

bool compile_is_channel(const struct compiler *compiler, const struct rule_node *node) {
  return has_columns(compiler) && is_path(node, 2) && bytes_equal(node->names[0], BYTES("context")) &&
         bytes_equal(node->names[1], BYTES("channel"));
}

enum rule_amount compile_amount(const struct compiler *compiler, const struct rule_node *node) {
  bool long_form = is_path(node, 2) && bytes_equal(node->names[0], BYTES("properties"));
  if (!has_columns(compiler) || !(long_form || (is_path(node, 1) && !compiler->in_items))) return 0;
  struct bytes name = node->names[node->name_count - 1];
  return bytes_equal(name, BYTES("total"))     ? RULE_AMOUNT_TOTAL
         : bytes_equal(name, BYTES("revenue")) ? RULE_AMOUNT_REVENUE
         : bytes_equal(name, BYTES("value"))   ? RULE_AMOUNT_VALUE
         : bytes_equal(name, BYTES("price"))   ? RULE_AMOUNT_PRICE
                                               : 0;
}

static uint32_t trait_slot(struct compiler *compiler, uint32_t id) {
  void *traits = compiler->traits;
  if (id == 0) return RULE_NONE;
  for (uint32_t i = 0; i < compiler->trait_count; i++)
    if (compiler->traits[i] == id) return i;
  if (!compile_grow(compiler, &traits, compiler->trait_count, sizeof id)) return RULE_NONE;
  compiler->traits = traits;
  compiler->traits[compiler->trait_count] = id;
  return compiler->trait_count++;
}

static void compile_trait(struct compiler *compiler, const struct rule_node *node) {
  uint32_t id = compile_name(compiler, node->names[1]);
  uint32_t index = compile_path(compiler, RULE_ROOT_CUSTOMER, bytes_of(NULL, 0), node->names + 1, node->name_count - 1);
  uint32_t slot = trait_slot(compiler, id);
  if (compiler->err == ERR_OK) compiler->program->paths[index].slot = slot;
  compile_emit(compiler, RULE_CODE_TRAIT, 0, index);
}

static void compile_attribute(struct compiler *compiler, const struct rule_node *node) {
  uint32_t index = compile_path(compiler, RULE_ROOT_CUSTOMER, bytes_of(NULL, 0), node->names + 1, node->name_count - 1);
  compile_need_lookup(compiler, RULE_FUNCTION_NONE, node->names[1]);
  compile_emit(compiler, RULE_CODE_ATTRIBUTE, 0, index);
}

static void compile_property(struct compiler *compiler, const struct rule_node *node) {
  struct bytes first = node->names[0];
  bool outside = !compiler->in_events, items = outside ? node->subject == RULE_SUBJECT_ITEM : compiler->in_items;
  enum rule_root of_event = has_columns(compiler) ? RULE_ROOT_MESSAGE : RULE_ROOT_SUBJECT;
  enum rule_root of_item = outside ? RULE_ROOT_SUBJECT_ITEM : RULE_ROOT_ITEM;
  if (has_columns(compiler)) compiler->program->needs.payloads = true;
  uint32_t path = items && !is_from_root(first)
                      ? compile_path(compiler, of_item, bytes_of(NULL, 0), node->names, node->name_count)
                      : compile_event_path(compiler, of_event, node->names, node->name_count);
  bool item = items && node->name_count == 1 && bytes_equal(first, BYTES("item"));
  compile_emit(compiler, item ? RULE_CODE_ITEM : RULE_CODE_PROPERTY, 0, path);
}

void compile_path_node(struct compiler *compiler, const struct rule_node *node) {
  struct bytes first = node->names[0];
  bool customer = bytes_equal(first, BYTES("traits")) || bytes_equal(first, BYTES("attributes"));
  enum rule_amount amount = compile_amount(compiler, node);
  if (customer && node->name_count < 2) {
    compile_fail(compiler, ERR_INVALID, "wrong_path", "`traits` and `attributes` stand before a name");
  } else if (customer && first.data[0] == 't') {
    compile_trait(compiler, node);
  } else if (customer) {
    compile_attribute(compiler, node);
  } else if (!compiler->in_events && node->subject == RULE_SUBJECT_NONE) {
    compile_fail(compiler, ERR_INVALID, "wrong_path", "outside events a path begins with traits or attributes");
  } else if (compile_is_time(compiler, node)) {
    compile_emit(compiler, has_columns(compiler) ? RULE_CODE_EVENT_TIME : RULE_CODE_SUBJECT_TIME, 0, 0);
  } else if (amount != 0) {
    uint32_t path = compile_event_path(compiler, RULE_ROOT_MESSAGE, node->names, node->name_count);
    compile_emit(compiler, RULE_CODE_EVENT_AMOUNT, (uint8_t)amount, path);
  } else {
    compile_property(compiler, node);
  }
}

// --- what is needed ------------------------------------------------------------------------------------------

void compile_need_event(struct compiler *compiler, uint32_t name) {
  void *events = compiler->events;
  if (!compile_grow(compiler, &events, compiler->event_count, sizeof name)) return;
  compiler->events = events;
  compiler->events[compiler->event_count++] = name;
}

void compile_need_lookup(struct compiler *compiler, enum rule_function function, struct bytes name) {
  void *lookups = compiler->lookups;
  struct rule_need_lookup lookup = {function, name.size_bytes == 0 ? name : compile_copy(compiler, name)};
  compiler->program->needs.time = true; // what others know ends when they say so
  if (!compile_grow(compiler, &lookups, compiler->lookup_count, sizeof lookup)) return;
  compiler->lookups = lookups;
  compiler->lookups[compiler->lookup_count++] = lookup;
}

static int compare_ids(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static int compare_lookups(const void *a, const void *b) {
  const struct rule_need_lookup *left = a, *right = b;
  if (left->function != right->function) return left->function < right->function ? -1 : 1;
  return bytes_compare(left->name, right->name);
}

static void finish_events(struct compiler *compiler) {
  uint32_t kept = 0;
  if (compiler->event_count == 0) return;
  qsort(compiler->events, compiler->event_count, sizeof *compiler->events, compare_ids);
  for (uint32_t i = 0; i < compiler->event_count; i++) {
    uint32_t id = compiler->events[i];
    if (id != 0 && (kept == 0 || compiler->events[kept - 1] != id)) compiler->events[kept++] = id;
  }
  compiler->program->needs.events = compiler->events;
  compiler->program->needs.event_count = kept;
}

static void finish_lookups(struct compiler *compiler) {
  uint32_t kept = 0;
  if (compiler->lookup_count == 0) return;
  qsort(compiler->lookups, compiler->lookup_count, sizeof *compiler->lookups, compare_lookups);
  for (uint32_t i = 0; i < compiler->lookup_count; i++)
    if (kept == 0 || compare_lookups(&compiler->lookups[kept - 1], &compiler->lookups[i]) != 0)
      compiler->lookups[kept++] = compiler->lookups[i];
  compiler->program->needs.lookups = compiler->lookups;
  compiler->program->needs.lookup_count = kept;
}

// Slots were given in the order of the text.
static void finish_traits(struct compiler *compiler) {
  struct rule_program *program = compiler->program;
  if (compiler->trait_count == 0) return;
  uint32_t *sorted = arena_take_zero(compiler->arena, compiler->trait_count, sizeof *sorted);
  if (sorted == NULL) {
    compiler->err = diag_no_memory(compiler->diag);
    return;
  }
  for (uint32_t i = 0; i < compiler->trait_count; i++) sorted[i] = compiler->traits[i];
  qsort(sorted, compiler->trait_count, sizeof *sorted, compare_ids);
  for (uint32_t i = 0; i < program->path_count; i++) {
    struct rule_path *path = &program->paths[i];
    if (path->slot == RULE_NONE) continue;
    const uint32_t *found =
        bsearch(&compiler->traits[path->slot], sorted, compiler->trait_count, sizeof *sorted, compare_ids);
    path->slot = (uint32_t)(found - sorted);
  }
  program->needs.traits = sorted;
  program->needs.trait_count = compiler->trait_count;
}

// Whether a condition or a value looks at an amount or a channel of the columns.
static bool reads_details(const struct rule_program *program) {
  bool reads = program->needs.payloads || program->channels_count > 0;
  for (uint32_t i = 0; i < program->code_count; i++) reads = reads || program->code[i].opcode == RULE_CODE_EVENT_AMOUNT;
  for (uint32_t i = 0; i < program->gather_count; i++) {
    const struct rule_gather *gather = &program->gathers[i];
    reads = reads || gather->where.cells != NULL || gather->gathered == RULE_GATHER_AMOUNT;
  }
  for (uint32_t i = 0; i < program->sequence_count; i++)
    for (uint32_t k = 0; k < program->sequences[i].step_count; k++)
      reads = reads || program->sequences[i].steps[k].where.cells != NULL;
  return reads;
}

void compile_finish_needs(struct compiler *compiler) {
  struct rule_needs *needs = &compiler->program->needs;
  if (compiler->err != ERR_OK) return;
  finish_events(compiler);
  finish_lookups(compiler);
  finish_traits(compiler);
  needs->details = reads_details(compiler->program);
  needs->future_only = needs->event_count > 0 && !needs->time;
  needs->time = needs->time || needs->event_count > 0;
}
