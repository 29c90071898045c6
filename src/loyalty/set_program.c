// set_program: compiled once, held by as many sets as have it.
//
// Invariant: a program in a set's table is held by it. A program is one block: what it is made of, its text and what
// it asks lie behind it, for a set may have ten thousands of them.
#include "loyalty/set_program.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "rule/parse.h"

// --- the table -----------------------------------------------------------------------------------------------

static uint64_t text_hash(const struct loyalty_set *set, const struct loyalty_text *text) {
  uint64_t about = (uint64_t)(uintptr_t)text->zone ^ (uint64_t)text->subject << 60 ^ (uint64_t)text->condition << 63;
  return names_hash(set->names, text->text) ^ about * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_same(const struct loyalty_text *a, const struct loyalty_text *b) {
  return a->zone == b->zone && a->subject == b->subject && a->condition == b->condition &&
         bytes_equal(a->text, b->text);
}

// Where it is, or where it would be.
static struct loyalty_program **slot_of(const struct loyalty_set *set, const struct loyalty_text *text) {
  uint64_t at = text_hash(set, text) & set->program_mask;
  while (set->programs[at] != NULL && !is_same(&set->programs[at]->text, text)) at = (at + 1) & set->program_mask;
  return &set->programs[at];
}

bool loyalty_programs_open(struct loyalty_set *set, size_t count) {
  size_t size = 4;
  while (size < 2 * count) size *= 2;
  set->programs = arena_take_zero(&set->arena, size, sizeof *set->programs);
  set->program_mask = size - 1;
  return set->programs != NULL;
}

static void program_release(struct loyalty_program *program) {
  if (program == NULL || atomic_fetch_sub(&program->holders, 1) > 1) return;
  rule_program_close(program->rule);
  alloc_free(program);
}

void loyalty_programs_close(struct loyalty_set *set) {
  for (uint64_t i = 0; set->programs != NULL && i <= set->program_mask; i++) program_release(set->programs[i]);
}

// --- compiling -----------------------------------------------------------------------------------------------

static enum err intern(void *context, struct bytes name, uint32_t *id) {
  return names_intern(context, name, id, NULL);
}

static enum err compile_tree(struct loyalty_making *making, const struct rule_node *tree, const struct rule_zone *zone,
                             struct rule_program **rule) {
  struct rule_compile with = {.zone = zone, .name_id = intern, .context = making->with->names};
  diag_init(making->diag);
  enum err err = rule_compile(tree, &with, rule, making->diag);
  if (err == ERR_NO_MEMORY) return diag_no_memory(making->diag);
  if (err != ERR_OK && making->diag->err == ERR_OK)
    return diag_set(making->diag, err, "not_compiled", "the expression's names could not be kept: %s", err_name(err));
  return err;
}

static void *carve(char **at, const void *from, size_t size_bytes) {
  void *copy = *at;
  if (size_bytes > 0) memcpy(copy, from, size_bytes);
  *at += size_bytes;
  return copy;
}

static size_t asks_bytes(const struct loyalty_ask *asks, size_t count) {
  size_t bytes = count * sizeof *asks;
  for (size_t i = 0; i < count; i++)
    bytes += asks[i].value_count * sizeof *asks[i].values + asks[i].name_count * sizeof *asks[i].names;
  return bytes;
}

// What is wider comes first, so that everything is aligned.
static void copy_asks(struct loyalty_program *program, const struct loyalty_ask *asks, size_t count, char **at) {
  struct loyalty_ask *copies = carve(at, asks, count * sizeof *asks);
  for (size_t i = 0; i < count; i++)
    copies[i].values = carve(at, asks[i].values, asks[i].value_count * sizeof(uint64_t));
  for (size_t i = 0; i < count; i++) copies[i].names = carve(at, asks[i].names, asks[i].name_count * sizeof(uint32_t));
  program->asks = copies;
  program->ask_count = count;
}

static struct loyalty_program *program_make(struct loyalty_making *making, const struct loyalty_text *text,
                                            const struct rule_node *tree) {
  struct loyalty_ask asks[LOYALTY_ASKS_MAX];
  size_t count;
  if (!loyalty_asks_of(tree, making->with->names, &making->scratch, asks, &count)) return NULL;
  struct loyalty_program *made = alloc_get(sizeof *made + asks_bytes(asks, count) + text->text.size_bytes);
  if (made == NULL) return NULL;
  char *at = (char *)(made + 1);
  *made = (struct loyalty_program){.text = *text};
  atomic_init(&made->holders, 1);
  copy_asks(made, asks, count, &at);
  made->text.text = bytes_of(carve(&at, text->text.data, text->text.size_bytes), text->text.size_bytes);
  return made;
}

static enum err compile(struct loyalty_making *making, const struct loyalty_text *text,
                        struct loyalty_program **program) {
  struct rule_node *tree;
  struct rule_diag wrong;
  struct rule_program *rule;
  struct rule_check check = {.subject = text->subject, .condition = text->condition};
  arena_clear(&making->scratch);
  enum err err = rule_parse(text->text, &making->scratch, &tree, &wrong);
  if (err == ERR_OK) err = rule_check(tree, &check, &wrong);
  if (err == ERR_NO_MEMORY) return diag_no_memory(making->diag);
  if (err != ERR_OK) return diag_set(making->diag, err, wrong.code, "%s", wrong.message);
  err = compile_tree(making, tree, text->zone, &rule);
  if (err != ERR_OK) return err;
  *program = program_make(making, text, tree);
  if (*program == NULL) {
    rule_program_close(rule);
    return diag_no_memory(making->diag);
  }
  (*program)->rule = rule;
  return ERR_OK;
}

// --- taking --------------------------------------------------------------------------------------------------

static const struct member *member_at(const struct table *table, size_t at) {
  const struct member *found = NULL;
  for (size_t i = 0; i < table->member_count && found == NULL; i++) {
    enum form form = table->members[i].form;
    bool is_expression = form == FORM_CONDITION || form == FORM_FORMULA || form == FORM_KEY;
    if (is_expression && table->members[i].at == at) found = &table->members[i];
  }
  assert(found != NULL);
  return found;
}

static struct loyalty_program *of_older(const struct loyalty_making *making, const struct loyalty_text *text) {
  const struct loyalty_set *older = making->with->older;
  if (older == NULL || older->names != making->with->names) return NULL;
  struct loyalty_program *program = *slot_of(older, text);
  if (program != NULL) atomic_fetch_add(&program->holders, 1);
  return program;
}

enum err loyalty_program_take(struct loyalty_making *making, const struct table *table, size_t at, const void *item,
                              const struct rule_zone *zone, const struct loyalty_program **program) {
  const struct member *member = member_at(table, at);
  struct loyalty_text text = {
      .zone = zone, .subject = form_subject(member, item), .condition = member->form == FORM_CONDITION};
  memcpy(&text.text, (const char *)item + at, sizeof text.text);
  *program = NULL;
  if (text.text.size_bytes == 0) return ERR_OK;
  struct loyalty_program **slot = slot_of(making->set, &text);
  if (*slot == NULL) *slot = of_older(making, &text);
  enum err err = *slot == NULL ? compile(making, &text, slot) : ERR_OK;
  if (err != ERR_OK) diag_in_field(making->diag, "%s", member->name);
  *program = *slot;
  return err;
}
