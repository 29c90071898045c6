// fresh: which questions have something to say of a customer of whom nothing is known.
//
// Every question is evaluated over an empty customer at the beginning of 1970, before any clock that a workspace may
// have. An answer of "no" (or null) that is good for ever from there on is so for every new customer at every time:
// such a question needs not be asked. What is left, and whatever asks for consent, tiers, points or scores (which this
// empty customer does not have, and a new one may), is fresh; and so is what refers to one that is: its "no" was given
// while that one said something, and of a new customer it may say nothing from the start, which is no change.
#include <string.h>

#include "segment/set_private.h"

static enum err no_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  (void)context, (void)wanted;
  *columns = (struct rule_columns){0};
  return ERR_OK;
}

static enum err no_message(void *context, size_t index, struct value *message) {
  (void)context, (void)index;
  *message = (struct value){{NULL, 0}};
  return ERR_OK;
}

static enum err no_trait(void *context, uint32_t name, struct value *value) {
  (void)context, (void)name;
  *value = (struct value){{NULL, 0}};
  return ERR_OK;
}

static enum err pass_lookup(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                            int64_t now_us, struct rule_value *value, int64_t *until_us) {
  const struct facts *facts = context;
  value->type = RULE_TYPE_NULL;
  if (facts->lookup == NULL) return ERR_OK;
  return facts->lookup(facts->lookup_context, facts->id, function, arguments, count, now_us, value, until_us);
}

static enum err answer_all(struct segment_set *set, struct rule_machine *machine, struct arena *arena,
                           struct membership *membership) {
  struct facts facts = {.arena = arena};
  facts.customer = (struct rule_customer){
      .context = &facts, .columns = no_columns, .message = no_message, .trait = no_trait, .lookup = pass_lookup};
  struct segment_evaluation evaluation = {
      .set = set, .machine = machine, .facts = &facts, .arena = arena, .membership = membership};
  return segment_evaluate(&evaluation, &(struct segment_triggers){.everything = true});
}

static enum err keep_fresh(struct segment_set *set, const struct membership *membership) {
  bool fresh[SEGMENT_QUESTIONS_MAX] = {false};
  for (size_t i = 0; i < membership->count; i++)
    fresh[segment_set_position(set, membership->entries[i].question)] = true;
  for (size_t i = 0; i < set->lookup_count; i++) fresh[set->lookups[i].position] = true;
  for (size_t i = 0; i < set->count; i++) // what it refers to comes before it
    for (uint32_t k = set->references.first[i]; k < set->references.first[i + 1]; k++)
      fresh[i] |= fresh[set->references.positions[k]];
  for (size_t i = 0; i < set->count; i++) set->fresh_count += fresh[i];
  set->fresh = arena_take_zero(&set->arena, set->fresh_count + 1, sizeof *set->fresh);
  if (set->fresh == NULL) return ERR_NO_MEMORY;
  size_t kept = 0;
  for (size_t i = 0; i < set->count; i++) {
    if (!fresh[i]) continue;
    set->fresh[kept++] = (uint16_t)i;
    set->fresh_reads_record |= set->questions[i].reads_record;
  }
  return ERR_OK;
}

enum err segment_set_find_fresh(struct segment_set *set, struct diag *diag) {
  if (set->count == 0) return ERR_OK;
  struct rule_machine *machine = NULL;
  struct arena arena;
  arena_init(&arena, 0);
  struct membership membership = {.timer_us = MEMBERSHIP_FOREVER};
  enum err err = rule_machine_open(&machine, NULL);
  if (err == ERR_OK) err = answer_all(set, machine, &arena, &membership);
  if (err == ERR_OK) err = keep_fresh(set, &membership);
  rule_machine_close(machine);
  arena_release(&arena);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  return err == ERR_OK ? ERR_OK : diag_set(diag, err, "not_evaluated", "the questions could not be tried out");
}
