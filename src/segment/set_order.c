// set_order: which question refers to which, and an order in which no answer is asked for before it is there.
//
// References go by id: of a live version to the live one; of a version that is being built to the one of that id that
// is being built too, where there is one, because they go live together, else to the live one. The order is made of
// ids, not of questions: whatever any version of an id refers to comes before all versions of that id. A way round
// through versions that are not live together is refused too, because nobody knows which of them goes live first. The
// order is Kahn's, ready ids first come first served, so that equal definitions give equal orders. Places are those of
// the questions sorted by id and version; a group is a run of one id.
#include <string.h>

#include "base/nearest.h"
#include "segment/set_private.h"

struct group {
  uint16_t first, end; // places of its versions
  uint16_t live;       // the place of its live version; SEGMENT_NOWHERE: none
  uint16_t building;   // of the newest one that is being built
  uint32_t waits;      // references to groups that are not in the order yet, each counted as often as it is there
  bool placed;
};

struct ordering {
  struct segment_set *set;
  struct arena scratch;
  struct diag *diag;
  struct group *groups;
  size_t group_count;
  uint16_t *group_of;                   // by place
  uint32_t *referred;                   // by place: the last question that refers to it, its place + 1
  struct segment_reference *references; // places: from the question, to a version of another
  size_t reference_count, reference_room;
  uint16_t *order; // groups
};

static struct bytes id_of(const struct ordering *ordering, const struct group *group) {
  return ordering->set->questions[group->first].definition.id;
}

static enum err make_groups(struct ordering *ordering) {
  struct segment_set *set = ordering->set;
  ordering->groups = arena_take_zero(&ordering->scratch, set->count + 1, sizeof *ordering->groups);
  ordering->group_of = arena_take_zero(&ordering->scratch, set->count + 1, sizeof *ordering->group_of);
  ordering->referred = arena_take_zero(&ordering->scratch, set->count + 1, sizeof *ordering->referred);
  if (ordering->groups == NULL || ordering->group_of == NULL || ordering->referred == NULL)
    return diag_no_memory(ordering->diag);
  for (size_t i = 0; i < set->count; i++) {
    const struct segment_definition *definition = &set->questions[i].definition;
    bool begins = i == 0 || !bytes_equal(definition->id, set->questions[i - 1].definition.id);
    if (begins)
      ordering->groups[ordering->group_count++] =
          (struct group){.first = (uint16_t)i, .live = SEGMENT_NOWHERE, .building = SEGMENT_NOWHERE};
    struct group *group = &ordering->groups[ordering->group_count - 1];
    group->end = (uint16_t)(i + 1);
    ordering->group_of[i] = (uint16_t)(ordering->group_count - 1);
    if (definition->status == SEGMENT_BUILDING) group->building = (uint16_t)i;
    if (definition->status != SEGMENT_LIVE) continue;
    if (group->live != SEGMENT_NOWHERE)
      return diag_set(ordering->diag, ERR_INVALID, "repeated", "two versions of \"%.*s\" are live",
                      BYTES_ARG(definition->id));
    group->live = (uint16_t)i;
  }
  return ERR_OK;
}

static const struct group *find_group(const struct ordering *ordering, struct bytes id) {
  size_t low = 0, high = ordering->group_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = bytes_compare(id_of(ordering, &ordering->groups[middle]), id);
    if (order == 0) return &ordering->groups[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

// --- references ----------------------------------------------------------------------------------------------

// The place of the version that the question at `from` means by the id of a group; SEGMENT_NOWHERE: none.
static uint16_t target_of(const struct ordering *ordering, uint16_t from, const struct group *group) {
  if (group == NULL) return SEGMENT_NOWHERE;
  bool building = ordering->set->questions[from].definition.status == SEGMENT_BUILDING;
  return building && group->building != SEGMENT_NOWHERE ? group->building : group->live;
}

static bool is_wanted(const struct ordering *ordering, uint16_t from, const struct group *group,
                      enum rule_function function) {
  uint16_t target = target_of(ordering, from, group);
  return target != SEGMENT_NOWHERE && segment_kind_answers(ordering->set->questions[target].definition.kind, function);
}

static enum err refuse_name(struct ordering *ordering, uint16_t from, enum rule_function function, struct bytes name) {
  bool attribute = function == RULE_FUNCTION_NONE;
  const char *code = attribute ? "unknown_attribute" : "unknown_segment";
  const struct group *group = find_group(ordering, name);
  if (group != NULL && target_of(ordering, from, group) == SEGMENT_NOWHERE)
    return diag_set(ordering->diag, ERR_INVALID, code, "\"%.*s\" is still being computed: refer to it once it is live",
                    BYTES_ARG(name));
  if (group != NULL && ordering->set->questions[group->first].definition.kind == SEGMENT_SCORE)
    return diag_set(ordering->diag, ERR_INVALID, code, "\"%.*s\" is a score: ask score(\"%.*s\")", BYTES_ARG(name),
                    BYTES_ARG(name));
  if (group != NULL)
    return diag_set(ordering->diag, ERR_INVALID, code,
                    attribute ? "\"%.*s\" is a segment: ask in_segment(\"%.*s\")"
                              : "\"%.*s\" is an attribute: ask attributes.%.*s",
                    BYTES_ARG(name), BYTES_ARG(name));
  const char **known = arena_take_zero(&ordering->scratch, ordering->group_count + 1, sizeof *known);
  size_t count = 0;
  for (size_t i = 0; known != NULL && i < ordering->group_count; i++)
    if (is_wanted(ordering, from, &ordering->groups[i], function))
      known[count++] = (const char *)id_of(ordering, &ordering->groups[i]).data;
  const char *near = count == 0 ? NULL : nearest_slip(name, known, count);
  const char *what = attribute ? "computed attribute" : "segment";
  if (near == NULL)
    return diag_set(ordering->diag, ERR_INVALID, code, "there is no %s \"%.*s\"", what, BYTES_ARG(name));
  return diag_set(ordering->diag, ERR_INVALID, code, "there is no %s \"%.*s\"; did you mean \"%s\"?", what,
                  BYTES_ARG(name), near);
}

static enum err add_reference(struct ordering *ordering, uint16_t from, uint16_t to) {
  if (ordering->referred[to] == (uint32_t)from + 1) return ERR_OK;
  ordering->referred[to] = (uint32_t)from + 1;
  struct segment_reference *more = arena_grow(&ordering->scratch, ordering->references, ordering->reference_count,
                                              &ordering->reference_room, 64, sizeof *more);
  if (more == NULL) return diag_no_memory(ordering->diag);
  ordering->references = more;
  ordering->references[ordering->reference_count++] = (struct segment_reference){from, to};
  return ERR_OK;
}

// `counts`: its answer is part of the question's own; what a limit orders by is only to exist.
static enum err refer(struct ordering *ordering, uint16_t from, const struct segment_program *program, bool counts) {
  if (program == NULL || program->rule == NULL) return ERR_OK; // a score refers to nothing
  const struct rule_needs *needs = rule_program_needs(program->rule);
  for (size_t i = 0; i < needs->lookup_count; i++) {
    const struct rule_need_lookup *lookup = &needs->lookups[i];
    enum rule_function function = lookup->function;
    if (!segment_is_asked(function)) continue;
    if (lookup->name.size_bytes == 0)
      return diag_set(ordering->diag, ERR_INVALID, "wrong_arguments",
                      function == RULE_FUNCTION_score ? "score wants the id itself, as in score(\"rfm\")"
                                                      : "in_segment wants the id itself, as in in_segment(\"vip\")");
    const struct group *group = find_group(ordering, lookup->name);
    bool wanted = is_wanted(ordering, from, group, function);
    // Null, as it was before there were scores: what was defined then is still read.
    if (!wanted && function == RULE_FUNCTION_score) continue;
    if (!wanted) return refuse_name(ordering, from, function, lookup->name);
    uint16_t target = target_of(ordering, from, group);
    if (ordering->set->questions[target].definition.limit > 0)
      return diag_set(ordering->diag, ERR_INVALID, "limited",
                      "\"%.*s\" is a limited audience: who is in it depends on everybody, so nothing can refer to it",
                      BYTES_ARG(lookup->name));
    enum err err = counts ? add_reference(ordering, from, target) : ERR_OK;
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

static enum err find_references(struct ordering *ordering) {
  struct segment_set *set = ordering->set;
  for (size_t i = 0; i < set->count; i++) {
    const struct segment_question *question = &set->questions[i];
    enum err err = refer(ordering, (uint16_t)i, question->include, true);
    for (size_t k = 0; err == ERR_OK && k < question->definition.exclusion_count; k++)
      err = refer(ordering, (uint16_t)i, question->exclusions[k], true);
    if (err == ERR_OK) err = refer(ordering, (uint16_t)i, question->limit, false);
    if (err == ERR_OK) continue;
    diag_in_field(ordering->diag, "%.*s", BYTES_ARG(question->definition.id));
    return err;
  }
  return ERR_OK;
}

// --- lists by row --------------------------------------------------------------------------------------------

// `pairs` grouped by `from`; within a row in the order of the pairs.
static bool make_lists(struct arena *arena, size_t rows, const struct segment_reference *pairs, size_t count,
                       struct segment_lists *lists) {
  lists->first = arena_take_zero(arena, rows + 2, sizeof *lists->first);
  lists->positions = arena_take_zero(arena, count + 1, sizeof *lists->positions);
  if (lists->first == NULL || lists->positions == NULL) return false;
  for (size_t i = 0; i < count; i++) lists->first[pairs[i].from + 2]++;
  for (size_t row = 2; row < rows + 2; row++) lists->first[row] += lists->first[row - 1];
  // first[row + 1] is where the row's next one goes; when all are in, it is the row's end.
  for (size_t i = 0; i < count; i++) lists->positions[lists->first[pairs[i].from + 1]++] = pairs[i].to;
  return true;
}

// --- order ---------------------------------------------------------------------------------------------------

// A group that is not in the order and that `from` waits for; there is one, else `from` would be in the order.
static uint16_t waits_for(const struct ordering *ordering, const struct segment_lists *asked, uint16_t from) {
  uint32_t i = asked->first[from];
  while (ordering->groups[asked->positions[i]].placed) i++;
  return asked->positions[i];
}

static enum err say_cycle(struct ordering *ordering, const struct segment_lists *asked, uint16_t at) {
  struct buffer words;
  buffer_init(&words);
  buffer_append_bytes(&words, id_of(ordering, &ordering->groups[at]));
  uint16_t next = at;
  do {
    next = waits_for(ordering, asked, next);
    buffer_append_text(&words, " -> ");
    buffer_append_bytes(&words, id_of(ordering, &ordering->groups[next]));
  } while (next != at && words.size_bytes < DIAG_MESSAGE_BYTES);
  struct diag *diag = ordering->diag;
  enum err err = words.failed ? diag_no_memory(diag)
                              : diag_set(diag, ERR_INVALID, "cycle", "these refer to each other in a circle: %.*s",
                                         (int)words.size_bytes, (const char *)words.data);
  buffer_release(&words);
  return err;
}

// From a group that waits, to what it waits for, and on: the first that is met again is on the way round.
static enum err refuse_cycle(struct ordering *ordering) {
  struct arena *scratch = &ordering->scratch;
  size_t count = ordering->reference_count;
  struct segment_reference *pairs = arena_take_zero(scratch, count + 1, sizeof *pairs);
  bool *met = arena_take_zero(scratch, ordering->group_count, sizeof *met);
  struct segment_lists asked; // by group: those it refers to
  if (pairs == NULL || met == NULL) return diag_no_memory(ordering->diag);
  for (size_t i = 0; i < count; i++) {
    const struct segment_reference *reference = &ordering->references[i];
    pairs[i] = (struct segment_reference){ordering->group_of[reference->from], ordering->group_of[reference->to]};
  }
  if (!make_lists(scratch, ordering->group_count, pairs, count, &asked)) return diag_no_memory(ordering->diag);
  uint16_t at = 0;
  while (ordering->groups[at].placed) at++;
  for (; !met[at]; at = waits_for(ordering, &asked, at)) met[at] = true;
  return say_cycle(ordering, &asked, at);
}

static enum err order_groups(struct ordering *ordering) {
  size_t count = ordering->group_count;
  struct arena *scratch = &ordering->scratch;
  struct segment_reference *back = arena_take_zero(scratch, ordering->reference_count + 1, sizeof *back);
  ordering->order = arena_take_zero(scratch, count + 1, sizeof *ordering->order);
  struct segment_lists waiting;
  if (back == NULL || ordering->order == NULL) return diag_no_memory(ordering->diag);
  for (size_t i = 0; i < ordering->reference_count; i++) {
    const struct segment_reference *reference = &ordering->references[i];
    uint16_t from = ordering->group_of[reference->from];
    back[i] = (struct segment_reference){ordering->group_of[reference->to], from};
    ordering->groups[from].waits++;
  }
  if (!make_lists(scratch, count, back, ordering->reference_count, &waiting)) return diag_no_memory(ordering->diag);
  size_t ready = 0, done = 0;
  for (size_t i = 0; i < count; i++)
    if (ordering->groups[i].waits == 0) ordering->order[ready++] = (uint16_t)i;
  for (; done < ready; done++) {
    uint16_t at = ordering->order[done];
    ordering->groups[at].placed = true;
    for (uint32_t i = waiting.first[at]; i < waiting.first[at + 1]; i++)
      if (--ordering->groups[waiting.positions[i]].waits == 0) ordering->order[ready++] = waiting.positions[i];
  }
  return done == count ? ERR_OK : refuse_cycle(ordering);
}

// Places become positions. References are listed by ascending `from`, and so are dependents.
static enum err move_questions(struct ordering *ordering) {
  struct segment_set *set = ordering->set;
  struct arena *scratch = &ordering->scratch;
  struct segment_question *moved = arena_take_zero(scratch, set->count + 1, sizeof *moved);
  uint16_t *position_of = arena_take_zero(scratch, set->count + 1, sizeof *position_of);
  struct segment_reference *back = arena_take_zero(scratch, ordering->reference_count + 1, sizeof *back);
  if (moved == NULL || position_of == NULL || back == NULL) return diag_no_memory(ordering->diag);
  uint16_t position = 0;
  for (size_t i = 0; i < ordering->group_count; i++) {
    const struct group *group = &ordering->groups[ordering->order[i]];
    for (uint16_t place = group->first; place < group->end; place++) {
      position_of[place] = position;
      moved[position++] = set->questions[place];
    }
  }
  for (size_t i = 0; i < ordering->reference_count; i++) {
    struct segment_reference *reference = &ordering->references[i];
    *reference = (struct segment_reference){position_of[reference->from], position_of[reference->to]};
    back[i] = (struct segment_reference){reference->to, reference->from};
  }
  if (!make_lists(&set->arena, set->count, ordering->references, ordering->reference_count, &set->references) ||
      !make_lists(&set->arena, set->count, back, ordering->reference_count, &set->dependents))
    return diag_no_memory(ordering->diag);
  memcpy(set->questions, moved, set->count * sizeof *moved);
  return ERR_OK;
}

enum err segment_set_order(struct segment_set *set, struct diag *diag) {
  struct ordering ordering = {.set = set, .diag = diag};
  arena_init(&ordering.scratch, 0);
  enum err err = make_groups(&ordering);
  if (err == ERR_OK) err = find_references(&ordering);
  if (err == ERR_OK) err = order_groups(&ordering);
  if (err == ERR_OK) err = move_questions(&ordering);
  arena_release(&ordering.scratch);
  return err;
}
