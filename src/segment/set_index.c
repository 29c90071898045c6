// set_index: from a name, an id or a number to the questions that it concerns.
//
// Everything here is made once, with the set, and then only read: open addressing over powers of two at most half full,
// so that a look is a multiplication and mostly one cache line. Names of events and traits are dictionary ids; 0, the
// id of a name that found no place in the dictionary, marks free slots: nothing ever matches it.
#include <stdlib.h>
#include <string.h>

#include "segment/set_private.h"

enum { DIRECT_SPARE = 4096, DIRECT_SPARE_EACH = 16 }; // unused numbers in a table by number

// The least power of two that is twice `count`, less one.
static uint32_t mask_for(size_t count) {
  uint32_t size = 4;
  while (size < 2 * count) size *= 2;
  return size - 1;
}

static uint32_t spread(uint32_t number) {
  uint32_t mixed = number * UINT32_C(2654435769);
  return mixed ^ mixed >> 15;
}

static uint32_t id_hash(struct bytes id) {
  uint32_t hash = UINT32_C(2166136261);
  for (size_t i = 0; i < id.size_bytes; i++) hash = (hash ^ id.data[i]) * UINT32_C(16777619);
  return hash ^ hash >> 15;
}

// --- by number and id ----------------------------------------------------------------------------------------

uint16_t segment_set_search(const struct segment_set *set, uint32_t question) {
  if (set->numbers == NULL || question == 0) return SEGMENT_NOWHERE;
  for (uint32_t at = spread(question) & set->numbers_mask;; at = (at + 1) & set->numbers_mask) {
    const struct segment_number_slot *slot = &set->numbers[at];
    if (slot->question == question) return slot->position;
    if (slot->question == 0) return SEGMENT_NOWHERE;
  }
}

uint16_t segment_set_live_position(const struct segment_set *set, struct bytes id) {
  if (set->live == NULL) return SEGMENT_NOWHERE;
  for (uint32_t at = id_hash(id) & set->live_mask; set->live[at] != 0; at = (at + 1) & set->live_mask) {
    uint16_t position = (uint16_t)(set->live[at] - 1);
    if (bytes_equal(set->questions[position].definition.id, id)) return position;
  }
  return SEGMENT_NOWHERE;
}

static enum err index_turns(struct segment_set *set, struct diag *diag) {
  set->turns = arena_take_zero(&set->arena, set->count + 1, sizeof *set->turns);
  if (set->turns == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < set->count; i++) {
    const struct segment_question *question = &set->questions[i];
    set->turns[i] = (struct segment_turn){.include = question->include == NULL ? NULL : question->include->rule,
                                          .question = question->definition.question,
                                          .kind = (uint8_t)question->definition.kind,
                                          .excludes = question->definition.exclusion_count > 0};
  }
  return ERR_OK;
}

// A table of all numbers up to the highest, unless most of it would be empty: then the hash does.
static enum err index_direct(struct segment_set *set, struct diag *diag) {
  uint32_t highest = 0;
  for (size_t i = 0; i < set->count; i++)
    if (set->questions[i].definition.question > highest) highest = set->questions[i].definition.question;
  if (highest > DIRECT_SPARE + DIRECT_SPARE_EACH * set->count) return ERR_OK;
  set->direct = arena_take(&set->arena, ((size_t)highest + 1) * sizeof *set->direct);
  if (set->direct == NULL) return diag_no_memory(diag);
  memset(set->direct, 0xff, ((size_t)highest + 1) * sizeof *set->direct); // SEGMENT_NOWHERE
  for (size_t i = 0; i < set->count; i++) set->direct[set->questions[i].definition.question] = (uint16_t)i;
  set->direct_count = highest + 1;
  return ERR_OK;
}

static enum err index_numbers(struct segment_set *set, struct diag *diag) {
  set->numbers_mask = mask_for(set->count);
  set->numbers = arena_take_zero(&set->arena, (size_t)set->numbers_mask + 1, sizeof *set->numbers);
  if (set->numbers == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < set->count; i++) {
    uint32_t question = set->questions[i].definition.question;
    if (question == 0 || segment_set_position(set, question) != SEGMENT_NOWHERE)
      return diag_set(diag, ERR_INVALID, "repeated", "question %u is there twice, or is none", (unsigned)question);
    uint32_t at = spread(question) & set->numbers_mask;
    while (set->numbers[at].question != 0) at = (at + 1) & set->numbers_mask;
    set->numbers[at] = (struct segment_number_slot){question, (uint16_t)i};
  }
  return index_direct(set, diag);
}

static enum err index_live(struct segment_set *set, struct diag *diag) {
  set->live_mask = mask_for(set->count);
  set->live = arena_take_zero(&set->arena, (size_t)set->live_mask + 1, sizeof *set->live);
  if (set->live == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < set->count; i++) {
    const struct segment_definition *definition = &set->questions[i].definition;
    if (definition->status != SEGMENT_LIVE) continue;
    uint32_t at = id_hash(definition->id) & set->live_mask;
    while (set->live[at] != 0) at = (at + 1) & set->live_mask;
    set->live[at] = (uint16_t)(i + 1);
  }
  return ERR_OK;
}

// --- what programs need --------------------------------------------------------------------------------------

// The programs whose answers make the question's, one after another from *place 0 on; NULL at the end.
static const struct rule_needs *next_needs(const struct segment_question *question, size_t *place) {
  if (question->include == NULL || question->include->rule == NULL || *place > question->definition.exclusion_count)
    return NULL;
  size_t at = (*place)++;
  return rule_program_needs((at == 0 ? question->include : question->exclusions[at - 1])->rule);
}

// From the last to the first: whatever depends on a question comes after it.
static void find_readers(struct segment_set *set) {
  for (size_t i = set->count; i-- > 0;) {
    struct segment_question *question = &set->questions[i];
    const struct rule_needs *needs;
    for (size_t place = 0; (needs = next_needs(question, &place)) != NULL;)
      question->reads_record |= needs->trait_count > 0;
    for (uint32_t k = set->dependents.first[i]; k < set->dependents.first[i + 1]; k++)
      question->reads_record |= set->questions[set->dependents.positions[k]].reads_record;
    set->reads_record |= question->reads_record;
  }
}

// --- names ---------------------------------------------------------------------------------------------------

struct use {
  uint32_t name;
  uint16_t position;
};

static int by_name(const void *left, const void *right) {
  const struct use *a = left, *b = right;
  if (a->name != b->name) return a->name < b->name ? -1 : 1;
  return (a->position > b->position) - (a->position < b->position);
}

enum use_kind { USE_EVENTS, USE_TRAITS };

static size_t collect_uses_of_score(const struct segment_score *score, uint16_t position, struct use *uses) {
  for (size_t i = 0; uses != NULL && i < score->event_count; i++) uses[i] = (struct use){score->events[i], position};
  return score->event_count;
}

// All (name, position) with repeats; `uses` NULL: only how many.
static size_t collect_uses(const struct segment_set *set, enum use_kind kind, struct use *uses) {
  size_t count = 0;
  for (size_t i = 0; i < set->count; i++) {
    const struct rule_needs *needs;
    const struct segment_program *include = set->questions[i].include;
    if (kind == USE_EVENTS && include != NULL && include->score != NULL)
      count += collect_uses_of_score(include->score, (uint16_t)i, uses == NULL ? NULL : uses + count);
    for (size_t place = 0; (needs = next_needs(&set->questions[i], &place)) != NULL;) {
      const uint32_t *names = kind == USE_EVENTS ? needs->events : needs->traits;
      size_t name_count = kind == USE_EVENTS ? needs->event_count : needs->trait_count;
      for (size_t k = 0; k < name_count; k++, count++)
        if (uses != NULL) uses[count] = (struct use){names[k], (uint16_t)i};
    }
  }
  return count;
}

// Sorts, and takes out repeats and nameless ones. *names: how many different names are left.
static size_t tidy_uses(struct use *uses, size_t count, size_t *names) {
  if (count > 1) qsort(uses, count, sizeof *uses, by_name);
  size_t kept = 0;
  *names = 0;
  for (size_t i = 0; i < count; i++) {
    if (uses[i].name == 0 || (kept > 0 && by_name(&uses[kept - 1], &uses[i]) == 0)) continue;
    *names += kept == 0 || uses[kept - 1].name != uses[i].name;
    uses[kept++] = uses[i];
  }
  return kept;
}

static struct segment_name_slot *slot_of(const struct segment_name_index *index, uint32_t name) {
  uint32_t at = spread(name) & index->mask;
  while (index->slots[at].name != 0 && index->slots[at].name != name) at = (at + 1) & index->mask;
  return &index->slots[at];
}

const struct segment_name_slot *segment_name_find(const struct segment_name_index *index, uint32_t name) {
  if (index->slots == NULL || name == 0) return NULL;
  const struct segment_name_slot *slot = slot_of(index, name);
  return slot->name == 0 ? NULL : slot;
}

static bool fill_index(struct segment_set *set, const struct use *uses, size_t count, size_t names,
                       struct segment_name_index *index) {
  index->mask = mask_for(names);
  index->slots = arena_take_zero(&set->arena, (size_t)index->mask + 1, sizeof *index->slots);
  index->positions = arena_take_zero(&set->arena, count + 1, sizeof *index->positions);
  if (index->slots == NULL || index->positions == NULL) return false;
  for (size_t i = 0; i < count; i++) {
    struct segment_name_slot *slot = slot_of(index, uses[i].name);
    if (slot->count == 0) *slot = (struct segment_name_slot){.name = uses[i].name, .first = (uint32_t)i};
    slot->count++;
    slot->reads_record |= set->questions[uses[i].position].reads_record;
    index->positions[i] = uses[i].position;
  }
  return true;
}

static enum err index_names(struct segment_set *set, enum use_kind kind, struct segment_name_index *index,
                            struct diag *diag) {
  size_t count = collect_uses(set, kind, NULL), names;
  if (count == 0) return ERR_OK;
  struct arena scratch;
  arena_init(&scratch, 0);
  struct use *uses = arena_take_zero(&scratch, count, sizeof *uses);
  bool done = false;
  if (uses != NULL) {
    collect_uses(set, kind, uses);
    count = tidy_uses(uses, count, &names);
    done = fill_index(set, uses, count, names, index);
  }
  arena_release(&scratch);
  return done ? ERR_OK : diag_no_memory(diag);
}

// --- lookups -------------------------------------------------------------------------------------------------

// `uses` NULL: only how many. Repeats do no harm.
static size_t collect_lookups(const struct segment_set *set, struct segment_lookup_use *uses) {
  size_t count = 0;
  for (size_t i = 0; i < set->count; i++) {
    const struct rule_needs *needs;
    for (size_t place = 0; (needs = next_needs(&set->questions[i], &place)) != NULL;)
      for (size_t k = 0; k < needs->lookup_count; k++) {
        enum rule_function function = needs->lookups[k].function;
        if (segment_is_asked(function)) continue;
        if (uses != NULL) uses[count] = (struct segment_lookup_use){function, needs->lookups[k].name, (uint16_t)i};
        count++;
      }
  }
  return count;
}

static enum err index_lookups(struct segment_set *set, struct diag *diag) {
  set->lookup_count = collect_lookups(set, NULL);
  set->lookups = arena_take_zero(&set->arena, set->lookup_count + 1, sizeof *set->lookups);
  if (set->lookups == NULL) return diag_no_memory(diag);
  collect_lookups(set, set->lookups);
  return ERR_OK;
}

enum err segment_set_index(struct segment_set *set, struct diag *diag) {
  find_readers(set);
  enum err err = index_turns(set, diag);
  if (err == ERR_OK) err = index_numbers(set, diag);
  if (err == ERR_OK) err = index_live(set, diag);
  if (err == ERR_OK) err = index_names(set, USE_EVENTS, &set->events, diag);
  if (err == ERR_OK) err = index_names(set, USE_TRAITS, &set->traits, diag);
  if (err == ERR_OK) err = index_lookups(set, diag);
  return err;
}

// --- does it concern anything? -------------------------------------------------------------------------------

bool segment_lookup_matches(const struct segment_lookup_use *use, const struct rule_need_lookup *lookup) {
  bool any = use->name.size_bytes == 0 || lookup->name.size_bytes == 0;
  return use->function == lookup->function && (any || bytes_equal(use->name, lookup->name));
}

static bool names_concern(const struct segment_name_index *index, const uint32_t *names, size_t count,
                          bool *reads_record) {
  bool some = false;
  for (size_t i = 0; i < count; i++) {
    const struct segment_name_slot *slot = segment_name_find(index, names[i]);
    if (slot == NULL) continue;
    some = true;
    *reads_record |= slot->reads_record;
  }
  return some;
}

static bool lookups_concern(const struct segment_set *set, const struct segment_triggers *triggers,
                            bool *reads_record) {
  bool some = false;
  for (size_t i = 0; i < triggers->lookup_count; i++)
    for (size_t k = 0; k < set->lookup_count; k++) {
      if (!segment_lookup_matches(&set->lookups[k], &triggers->lookups[i])) continue;
      some = true;
      *reads_record |= set->questions[set->lookups[k].position].reads_record;
    }
  return some;
}

static bool questions_concern(const struct segment_set *set, const struct segment_triggers *triggers,
                              bool *reads_record) {
  bool some = false;
  for (size_t i = 0; i < triggers->question_count; i++) {
    uint16_t position = segment_set_position(set, triggers->questions[i]);
    if (position == SEGMENT_NOWHERE) continue;
    some = true;
    *reads_record |= set->questions[position].reads_record;
  }
  return some;
}

bool segment_set_concerns(const struct segment_set *set, const struct segment_triggers *triggers, bool *reads_record) {
  *reads_record = false;
  bool some = names_concern(&set->events, triggers->events, triggers->event_count, reads_record);
  some |= names_concern(&set->traits, triggers->traits, triggers->trait_count, reads_record);
  some |= triggers->lookup_count > 0 && lookups_concern(set, triggers, reads_record);
  some |= triggers->question_count > 0 && questions_concern(set, triggers, reads_record);
  if (triggers->fresh && set->fresh_count > 0) {
    some = true;
    *reads_record |= set->fresh_reads_record;
  }
  if (triggers->everything && set->count > 0) {
    some = true;
    *reads_record |= set->reads_record;
  }
  return some;
}

bool segment_set_refers(const struct segment_set *set, uint32_t question, struct bytes id) {
  uint16_t from = segment_set_position(set, question);
  if (from == SEGMENT_NOWHERE) return false;
  for (uint32_t i = set->references.first[from]; i < set->references.first[from + 1]; i++)
    if (bytes_equal(set->questions[set->references.positions[i]].definition.id, id)) return true;
  return false;
}
