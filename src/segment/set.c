// set: definitions copied and compiled, held and let go.
//
// A set is made in four steps: the definitions are copied and sorted by id, compiled (or their programs taken over from
// the older set, where question, zone and text are the same), put in order (set_order.c), indexed (set_index.c), and
// asked what they say of nobody in particular (fresh.c). A set under way is one that can be closed, however far it
// came. Invariants: of an id at most one version is live; a question is in the set once; positions are final once
// segment_set_order returned.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "segment/set_private.h"

// --- programs ------------------------------------------------------------------------------------------------

static void program_release(struct segment_program *program) {
  if (program == NULL || atomic_fetch_sub(&program->holders, 1) > 1) return;
  if (program->rule != NULL) rule_program_close(program->rule);
  if (program->score != NULL) program->score->close(program->score);
  alloc_free(program);
}

static struct segment_program *program_hold(struct segment_program *program) {
  atomic_fetch_add(&program->holders, 1);
  return program;
}

struct making {
  struct segment_set *set;
  const struct segment_compile *with;
  struct arena scratch; // of one expression
  struct diag *diag;
};

static enum err intern(void *context, struct bytes name, uint32_t *id) {
  return names_intern(context, name, id, NULL);
}

static enum err refuse_text(struct making *making, enum err err, const struct rule_diag *wrong) {
  if (err == ERR_NO_MEMORY) return diag_no_memory(making->diag);
  return diag_set(making->diag, err, wrong->code, "%s", wrong->message);
}

static enum err compile_text(struct making *making, struct bytes text, bool condition, struct rule_program **rule) {
  struct rule_node *tree;
  struct rule_diag wrong;
  struct rule_check check = {.condition = condition};
  arena_clear(&making->scratch);
  enum err err = rule_parse(text, &making->scratch, &tree, &wrong);
  if (err == ERR_OK) err = rule_check(tree, &check, &wrong);
  if (err != ERR_OK) return refuse_text(making, err, &wrong);
  struct rule_compile with = {.zone = making->with->zone, .name_id = intern, .context = making->with->names};
  diag_init(making->diag);
  err = rule_compile(tree, &with, rule, making->diag);
  if (err == ERR_NO_MEMORY) return diag_no_memory(making->diag);
  if (err != ERR_OK && making->diag->err == ERR_OK)
    return diag_set(making->diag, err, "not_compiled", "the expression's names could not be kept: %s", err_name(err));
  return err;
}

// Segments write these events; a segment over them would feed itself.
static bool reads_own_events(const struct segment_set *set, const struct rule_program *rule) {
  const struct bytes own[] = {BYTES_INIT("Segment Entered"), BYTES_INIT("Segment Left")};
  const struct rule_needs *needs = rule_program_needs(rule);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    uint32_t id = names_find(set->names, own[i]);
    for (size_t k = 0; id != 0 && k < needs->event_count; k++)
      if (needs->events[k] == id) return true;
  }
  return false;
}

static enum err compile(struct making *making, struct bytes text, bool condition, struct segment_program **program) {
  struct rule_program *rule = NULL;
  enum err err = compile_text(making, text, condition, &rule);
  if (err != ERR_OK) return err;
  if (reads_own_events(making->set, rule)) {
    rule_program_close(rule);
    return diag_set(making->diag, ERR_INVALID, "segment_event",
                    "\"Segment Entered\" and \"Segment Left\" are written by segments: ask in_segment(\"id\") instead");
  }
  struct segment_program *made = alloc_zero(1, sizeof *made);
  if (made == NULL) {
    rule_program_close(rule);
    return diag_no_memory(making->diag);
  }
  atomic_init(&made->holders, 1);
  made->rule = rule;
  *program = made;
  return ERR_OK;
}

static enum err open_score(struct making *making, struct bytes document, struct segment_program **program) {
  struct segment_program *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(making->diag);
  enum err err = making->with->open_score == NULL
                     ? diag_set(making->diag, ERR_INVALID, "no_scores", "there is nobody who computes scores")
                     : making->with->open_score(making->with->context, document, &made->score, making->diag);
  atomic_init(&made->holders, 1);
  if (err == ERR_OK)
    *program = made;
  else
    alloc_free(made);
  return err;
}

// The program that an older set has of the same text, else a new one.
static enum err take_program(struct making *making, struct bytes text, bool condition, struct bytes older_text,
                             struct segment_program *older, struct segment_program **program) {
  if (older == NULL || !bytes_equal(text, older_text)) return compile(making, text, condition, program);
  *program = program_hold(older);
  return ERR_OK;
}

static const struct segment_question *older_question(const struct making *making, uint32_t question) {
  const struct segment_set *older = making->with->older;
  if (older == NULL || older->zone != making->with->zone || older->names != making->with->names) return NULL;
  uint16_t position = segment_set_position(older, question);
  return position == SEGMENT_NOWHERE ? NULL : &older->questions[position];
}

static enum err compile_question(struct making *making, struct segment_question *question) {
  static const struct segment_question NOTHING;
  const struct segment_definition *definition = &question->definition;
  if (definition->kind == SEGMENT_LIST) return ERR_OK;
  const struct segment_question *older = older_question(making, definition->question);
  if (older == NULL) older = &NOTHING;
  if (definition->kind == SEGMENT_SCORE) {
    if (older->include == NULL || !bytes_equal(definition->include, older->definition.include))
      return open_score(making, definition->include, &question->include);
    question->include = program_hold(older->include);
    return ERR_OK;
  }
  bool condition = definition->kind == SEGMENT_EXPRESSION;
  enum err err = take_program(making, definition->include, condition, older->definition.include, older->include,
                              &question->include);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < definition->exclusion_count; i++) {
    bool had = i < older->definition.exclusion_count;
    err = take_program(making, definition->exclusions[i].when, true,
                       had ? older->definition.exclusions[i].when : BYTES(""), had ? older->exclusions[i] : NULL,
                       &question->exclusions[i]);
    if (err != ERR_OK) return err;
  }
  if (definition->limit_by.size_bytes == 0) return ERR_OK;
  return take_program(making, definition->limit_by, false, older->definition.limit_by, older->limit, &question->limit);
}

// --- definitions ---------------------------------------------------------------------------------------------

static bool copy_text(struct arena *arena, struct bytes *text) {
  *text = arena_copy(arena, *text);
  return text->data != NULL;
}

static bool copy_exclusions(struct arena *arena, struct segment_definition *definition) {
  size_t count = definition->exclusion_count;
  struct segment_exclusion *copies = arena_take_zero(arena, count, sizeof *copies);
  if (copies == NULL) return count == 0;
  for (size_t i = 0; i < count; i++) {
    copies[i] = definition->exclusions[i];
    if (!copy_text(arena, &copies[i].name) || !copy_text(arena, &copies[i].when)) return false;
  }
  definition->exclusions = copies;
  return true;
}

static bool copy_variants(struct arena *arena, struct segment_definition *definition) {
  size_t count = definition->variant_count;
  struct segment_variant *copies = arena_take_zero(arena, count, sizeof *copies);
  if (copies == NULL) return count == 0;
  for (size_t i = 0; i < count; i++) {
    copies[i] = definition->variants[i];
    if (!copy_text(arena, &copies[i].name)) return false;
  }
  definition->variants = copies;
  return true;
}

static bool copy_question(struct arena *arena, const struct segment_definition *definition,
                          struct segment_question *question) {
  struct segment_definition *copy = &question->definition;
  *copy = *definition;
  question->exclusions = arena_take_zero(arena, copy->exclusion_count + 1, sizeof *question->exclusions);
  return question->exclusions != NULL && copy_text(arena, &copy->id) && copy_text(arena, &copy->name) &&
         copy_text(arena, &copy->description) && copy_text(arena, &copy->include) &&
         copy_text(arena, &copy->limit_by) && copy_text(arena, &copy->author) && copy_exclusions(arena, copy) &&
         copy_variants(arena, copy);
}

static int by_id(const void *left, const void *right) {
  const struct segment_definition *a = &((const struct segment_question *)left)->definition;
  const struct segment_definition *b = &((const struct segment_question *)right)->definition;
  int order = bytes_compare(a->id, b->id);
  if (order != 0) return order;
  if (a->version != b->version) return a->version < b->version ? -1 : 1;
  return (a->question > b->question) - (a->question < b->question);
}

static enum err copy_definitions(struct making *making, const struct segment_definition *definitions, size_t count) {
  struct segment_set *set = making->set;
  set->questions = arena_take_zero(&set->arena, count + 1, sizeof *set->questions);
  if (set->questions == NULL) return diag_no_memory(making->diag);
  for (size_t i = 0; i < count; i++)
    if (!copy_question(&set->arena, &definitions[i], &set->questions[i])) return diag_no_memory(making->diag);
  set->count = count;
  if (count > 1) qsort(set->questions, count, sizeof *set->questions, by_id);
  return ERR_OK;
}

// --- the set -------------------------------------------------------------------------------------------------

static enum err make(struct making *making, const struct segment_definition *definitions, size_t count) {
  struct segment_set *set = making->set;
  enum err err = copy_definitions(making, definitions, count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    err = compile_question(making, &set->questions[i]);
    if (err != ERR_OK) diag_in_field(making->diag, "%.*s", BYTES_ARG(set->questions[i].definition.id));
  }
  if (err == ERR_OK) err = segment_set_order(set, making->diag);
  if (err == ERR_OK) err = segment_set_index(set, making->diag);
  if (err == ERR_OK) err = segment_set_find_fresh(set, making->diag);
  return err;
}

enum err segment_set_open(struct segment_set **set, const struct segment_definition *definitions, size_t count,
                          const struct segment_compile *with, struct diag *diag) {
  struct diag unwanted;
  if (diag == NULL) diag = &unwanted;
  if (count > SEGMENT_QUESTIONS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "a workspace has at most %d segments, lists and attributes at a time",
                    SEGMENT_QUESTIONS_MAX);
  struct segment_set *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  atomic_init(&made->holders, 1);
  arena_init(&made->arena, 0);
  made->names = with->names;
  made->zone = with->zone;
  struct making making = {.set = made, .with = with, .diag = diag};
  arena_init(&making.scratch, 0);
  enum err err = make(&making, definitions, count);
  arena_release(&making.scratch);
  if (err == ERR_OK) {
    *set = made;
    return ERR_OK;
  }
  segment_set_close(made);
  return err;
}

// Holding and letting go change nothing that a reader of the set can see.
static struct segment_set *own(const struct segment_set *set) {
  return (struct segment_set *)(uintptr_t)set;
}

void segment_set_hold(const struct segment_set *set) {
  atomic_fetch_add(&own(set)->holders, 1);
}

void segment_set_close(const struct segment_set *set) {
  if (set == NULL || atomic_fetch_sub(&own(set)->holders, 1) > 1) return;
  for (size_t i = 0; i < set->count; i++) {
    const struct segment_question *question = &set->questions[i];
    program_release(question->include);
    program_release(question->limit);
    for (size_t k = 0; k < question->definition.exclusion_count; k++) program_release(question->exclusions[k]);
  }
  arena_release(&own(set)->arena);
  alloc_free(own(set));
}

// --- asked ---------------------------------------------------------------------------------------------------

size_t segment_set_count(const struct segment_set *set) {
  return set->count;
}

const struct segment_definition *segment_set_at(const struct segment_set *set, size_t index) {
  return index < set->count ? &set->questions[index].definition : NULL;
}

enum segment_kind segment_set_kind(const struct segment_set *set, size_t index) {
  return (enum segment_kind)set->turns[index].kind;
}

size_t segment_set_place(const struct segment_set *set, uint32_t question) {
  uint16_t position = segment_set_position(set, question);
  return position == SEGMENT_NOWHERE ? SIZE_MAX : position;
}

const struct segment_definition *segment_set_question(const struct segment_set *set, uint32_t question) {
  return segment_set_at(set, segment_set_position(set, question));
}

const struct segment_definition *segment_set_live(const struct segment_set *set, struct bytes id) {
  return segment_set_at(set, segment_set_live_position(set, id));
}

const struct segment_score *segment_set_score(const struct segment_set *set, uint32_t question) {
  uint16_t position = segment_set_position(set, question);
  if (position == SEGMENT_NOWHERE || set->questions[position].include == NULL) return NULL;
  return set->questions[position].include->score;
}

bool segment_is_asked(enum rule_function function) {
  return function == RULE_FUNCTION_NONE || function == RULE_FUNCTION_in_segment || function == RULE_FUNCTION_score;
}

bool segment_kind_answers(enum segment_kind kind, enum rule_function function) {
  if (function == RULE_FUNCTION_NONE) return kind == SEGMENT_ATTRIBUTE;
  if (function == RULE_FUNCTION_score) return kind == SEGMENT_SCORE;
  return function == RULE_FUNCTION_in_segment && (kind == SEGMENT_EXPRESSION || kind == SEGMENT_LIST);
}

enum err segment_set_say(const struct segment_set *set, const struct membership_entry *entry,
                         enum rule_function function, const struct bytes *arguments, size_t count, struct arena *arena,
                         struct rule_value *value) {
  uint16_t position = segment_set_position(set, entry->question);
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (position == SEGMENT_NOWHERE || entry->unknown) return ERR_OK;
  const struct segment_question *question = &set->questions[position];
  if (!segment_kind_answers(question->definition.kind, function)) return ERR_OK;
  if (function == RULE_FUNCTION_in_segment)
    *value = (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = entry->member};
  else if (function == RULE_FUNCTION_NONE)
    *value = rule_value_of(entry->value);
  else if (!value_is_absent(entry->value))
    return question->include->score->tell(question->include->score, entry->value, count > 1 ? &arguments[1] : NULL,
                                          arena, value);
  return ERR_OK;
}

const struct rule_program *segment_set_limit_by(const struct segment_set *set, uint32_t question) {
  uint16_t position = segment_set_position(set, question);
  if (position == SEGMENT_NOWHERE || set->questions[position].limit == NULL) return NULL;
  return set->questions[position].limit->rule;
}
