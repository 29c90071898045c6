// set_index: from an event to the rules that it may concern.
//
// First by the event's name. Of a name's rules each that asks something of the event (set_ask.c) is found through one
// of its asks alone: the one on the path on which this name's rules ask for the most different values, for there the
// fewest are found with one value. The others are found always. An event is looked at once for each path that is asked
// of it, and the items of a list once for each path within them; a value leads by its hash to the rules that ask for it
// there. Two values of one hash only find too many: the rules themselves are run afterwards.
// Found rules are bits by their place among the name's, so that they come in the order of the documents, each once.
#include <stdlib.h>
#include <string.h>

#include "loyalty/set_private.h"

static uint64_t mask_for(size_t count) {
  uint64_t size = 4;
  while (size < 2 * (uint64_t)count) size *= 2;
  return size - 1;
}

static uint64_t slot_hash(uint32_t path, uint64_t value) {
  uint64_t hash = (value ^ (uint64_t)path * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
  return hash ^ hash >> 32;
}

// --- by name -------------------------------------------------------------------------------------------------

static uint32_t name_at(const struct loyalty_index *index, uint32_t name) {
  uint32_t at = (name * UINT32_C(2654435769) >> 8) & index->name_mask;
  while (index->names[at].name != 0 && index->names[at].name != name) at = (at + 1) & index->name_mask;
  return at;
}

static const struct loyalty_index_name *find_name(const struct loyalty_set *set, uint32_t name) {
  if (name == 0) return NULL;
  const struct loyalty_index_name *found = &set->index.names[name_at(&set->index, name)];
  return found->name == 0 ? NULL : found;
}

// --- making: what is asked -----------------------------------------------------------------------------------

// One ask of one rule of the name in hand.
struct use {
  const struct loyalty_ask *ask;
  uint32_t place;  // of the rule
  uint32_t path;   // among the name's
  size_t distinct; // values that this name's rules ask for there
};

struct entry {
  uint64_t hash;
  uint32_t place;
};

struct indexing {
  struct loyalty_set *set;
  struct arena scratch;
  struct entry *entries; // of all names
  size_t entry_count;
  uint32_t path_count; // of all names
  struct use *uses;    // of the name in hand
  size_t use_count;
  uint64_t *values; // room for those of the name in hand
};

static int compare_ids(const uint32_t *a, uint32_t a_count, const uint32_t *b, uint32_t b_count) {
  for (uint32_t i = 0; i < a_count && i < b_count; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return (a_count > b_count) - (a_count < b_count);
}

static int compare_lists(const struct loyalty_ask *a, const struct loyalty_ask *b) {
  return compare_ids(a->names, a->list_count, b->names, b->list_count);
}

static int compare_paths(const struct loyalty_ask *a, const struct loyalty_ask *b) {
  int order = compare_lists(a, b);
  if (order != 0) return order;
  return compare_ids(a->names + a->list_count, a->name_count - a->list_count, b->names + b->list_count,
                     b->name_count - b->list_count);
}

static int by_path(const void *left, const void *right) {
  const struct use *a = left, *b = right;
  int order = compare_paths(a->ask, b->ask);
  return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static int by_value(const void *left, const void *right) {
  const uint64_t *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

static int by_hash(const void *left, const void *right) {
  const struct entry *a = left, *b = right;
  if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
  return (a->place > b->place) - (a->place < b->place);
}

// A condition over lines counts when nothing comes of a rule that is true of no line.
static size_t programs_of(const struct loyalty_set *set, uint32_t rule, const struct loyalty_program *programs[2]) {
  const struct loyalty_rule_programs *all = &set->rule_programs[rule];
  const struct loyalty_rule *document = set->rules[rule].rule;
  bool earns = document->earn.size_bytes > 0, discounts = document->discount.kind != LOYALTY_NO_DISCOUNT;
  size_t count = 0;
  if (all->when != NULL) programs[count++] = all->when;
  if (earns && !discounts && all->lines != NULL) programs[count++] = all->lines;
  if (!earns && document->give.size_bytes == 0 && all->discount_lines != NULL) programs[count++] = all->discount_lines;
  return count;
}

// `uses` and `values` NULL: only how many.
static void collect_uses(struct indexing *indexing, const struct loyalty_index_name *name, size_t *value_count) {
  const struct loyalty_program *programs[2];
  indexing->use_count = *value_count = 0;
  for (uint32_t place = 0; place < name->rule_count; place++) {
    size_t count = programs_of(indexing->set, name->rules[place], programs);
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < programs[i]->ask_count; k++) {
        const struct loyalty_ask *ask = &programs[i]->asks[k];
        if (indexing->uses != NULL) indexing->uses[indexing->use_count] = (struct use){.ask = ask, .place = place};
        indexing->use_count++;
        *value_count += ask->value_count;
      }
  }
}

static size_t distinct_values(struct indexing *indexing, size_t from, size_t to) {
  size_t count = 0, kept = 0;
  for (size_t i = from; i < to; i++) {
    const struct loyalty_ask *ask = indexing->uses[i].ask;
    for (uint32_t k = 0; k < ask->value_count; k++) indexing->values[count++] = ask->values[k];
  }
  qsort(indexing->values, count, sizeof *indexing->values, by_value);
  for (size_t i = 0; i < count; i++) kept += i == 0 || indexing->values[i] != indexing->values[i - 1];
  return kept;
}

// Sorts the uses by path, and numbers and weighs the paths.
static void weigh_paths(struct indexing *indexing) {
  struct use *uses = indexing->uses;
  uint32_t path = 0;
  qsort(uses, indexing->use_count, sizeof *uses, by_path);
  for (size_t from = 0, to; from < indexing->use_count; from = to, path++) {
    for (to = from; to < indexing->use_count && compare_paths(uses[from].ask, uses[to].ask) == 0; to++) {
    }
    size_t distinct = distinct_values(indexing, from, to);
    for (size_t i = from; i < to; i++) {
      uses[i].path = path;
      uses[i].distinct = distinct;
    }
  }
}

static bool is_better(const struct use *use, const struct use *than) {
  return than == NULL || use->distinct > than->distinct ||
         (use->distinct == than->distinct && use->ask->value_count < than->ask->value_count);
}

// Keeps of each rule the use through which it is found, in the order of paths; the other rules are found always.
static bool choose_uses(struct indexing *indexing, struct loyalty_index_name *name) {
  const struct use **best = arena_take_zero(&indexing->scratch, name->rule_count, sizeof *best);
  uint64_t *always = arena_take_zero(&indexing->set->arena, name->rule_count / 64 + 1, sizeof *always);
  size_t kept = 0;
  if (best == NULL || always == NULL) return false;
  for (size_t i = 0; i < indexing->use_count; i++) {
    const struct use *use = &indexing->uses[i];
    if (is_better(use, best[use->place])) best[use->place] = use;
  }
  for (uint32_t place = 0; place < name->rule_count; place++)
    if (best[place] == NULL) always[place / 64] |= UINT64_C(1) << place % 64;
  name->always = always;
  // A use moves only to where those before it were looked at already.
  for (size_t i = 0; i < indexing->use_count; i++)
    if (best[indexing->uses[i].place] == &indexing->uses[i]) indexing->uses[kept++] = indexing->uses[i];
  indexing->use_count = kept;
  return true;
}

// --- making: paths -------------------------------------------------------------------------------------------

static bool add_path(struct indexing *indexing, const struct loyalty_ask *ask, struct loyalty_index_path *path) {
  uint32_t count = ask->name_count - ask->list_count;
  uint32_t *names = arena_take_zero(&indexing->set->arena, count, sizeof *names);
  if (names == NULL) return false;
  memcpy(names, ask->names + ask->list_count, count * sizeof *names);
  *path = (struct loyalty_index_path){names, count, indexing->path_count++};
  return true;
}

static bool add_list(struct indexing *indexing, const struct loyalty_ask *ask, struct loyalty_index_list *list,
                     const struct loyalty_index_path *paths) {
  uint32_t *names = arena_take_zero(&indexing->set->arena, (size_t)ask->list_count + 1, sizeof *names);
  if (names == NULL) return false;
  memcpy(names, ask->names, ask->list_count * sizeof *names);
  *list = (struct loyalty_index_list){names, ask->list_count, paths, 0};
  return true;
}

static void add_entries(struct indexing *indexing, const struct use *use, uint32_t path) {
  for (uint32_t i = 0; i < use->ask->value_count; i++)
    indexing->entries[indexing->entry_count++] = (struct entry){slot_hash(path, use->ask->values[i]), use->place};
}

// Lists and paths are copies: programs may go with another set. The uses are in the order of lists and paths.
static bool add_lists(struct indexing *indexing, struct loyalty_index_name *name) {
  struct arena *arena = &indexing->set->arena;
  const struct use *uses = indexing->uses;
  size_t path_count = 0, list_count = 0;
  for (size_t i = 0; i < indexing->use_count; i++) {
    path_count += i == 0 || uses[i].path != uses[i - 1].path;
    list_count += i == 0 || compare_lists(uses[i].ask, uses[i - 1].ask) != 0;
  }
  struct loyalty_index_path *paths = arena_take_zero(arena, path_count + 1, sizeof *paths);
  struct loyalty_index_list *lists = arena_take_zero(arena, list_count + 1, sizeof *lists);
  if (paths == NULL || lists == NULL) return false;
  name->lists = lists;
  size_t at = 0;
  for (size_t i = 0; i < indexing->use_count; i++) {
    if (i == 0 || compare_lists(uses[i].ask, uses[i - 1].ask) != 0)
      if (!add_list(indexing, uses[i].ask, &lists[name->list_count++], &paths[at])) return false;
    if (i == 0 || uses[i].path != uses[i - 1].path) {
      if (!add_path(indexing, uses[i].ask, &paths[at++])) return false;
      lists[name->list_count - 1].path_count++;
    }
    add_entries(indexing, &uses[i], indexing->path_count - 1);
  }
  return true;
}

static bool index_rules(struct indexing *indexing, struct loyalty_index_name *name) {
  size_t value_count;
  indexing->uses = NULL;
  collect_uses(indexing, name, &value_count);
  indexing->uses = arena_take_zero(&indexing->scratch, indexing->use_count + 1, sizeof *indexing->uses);
  indexing->values = arena_take_zero(&indexing->scratch, value_count + 1, sizeof *indexing->values);
  if (indexing->uses == NULL || indexing->values == NULL) return false;
  collect_uses(indexing, name, &value_count);
  if (indexing->use_count > 0) weigh_paths(indexing);
  return choose_uses(indexing, name) && add_lists(indexing, name);
}

// --- making: the tables --------------------------------------------------------------------------------------

static bool index_values(struct indexing *indexing) {
  struct loyalty_set *set = indexing->set;
  struct loyalty_index *index = &set->index;
  const struct entry *entries = indexing->entries;
  size_t count = indexing->entry_count;
  if (count == 0) return true;
  qsort(indexing->entries, count, sizeof *indexing->entries, by_hash);
  uint32_t *places = arena_take_zero(&set->arena, count, sizeof *places);
  index->slot_mask = mask_for(count);
  index->slots = arena_take_zero(&set->arena, (size_t)index->slot_mask + 1, sizeof *index->slots);
  if (places == NULL || index->slots == NULL) return false;
  for (size_t from = 0, to; from < count; from = to) {
    uint64_t at = entries[from].hash & index->slot_mask;
    for (to = from; to < count && entries[to].hash == entries[from].hash; to++) places[to] = entries[to].place;
    while (index->slots[at].count != 0) at = (at + 1) & index->slot_mask;
    index->slots[at] = (struct loyalty_index_slot){entries[from].hash, (uint32_t)from, (uint32_t)(to - from)};
  }
  index->places = places;
  return true;
}

struct named {
  uint32_t name, rule;
};

static int by_name(const void *left, const void *right) {
  const struct named *a = left, *b = right;
  if (a->name != b->name) return a->name < b->name ? -1 : 1;
  return (a->rule > b->rule) - (a->rule < b->rule);
}

static struct loyalty_index_name *take_name(struct loyalty_index *index, uint32_t name) {
  struct loyalty_index_name *found = &index->names[name_at(index, name)];
  found->name = name;
  return found;
}

static uint32_t id_of(const struct loyalty_set *set, struct bytes name) {
  return name.size_bytes == 0 ? 0 : names_find(set->names, name);
}

static bool is_in_force(const struct loyalty_set *set, size_t rule) {
  return set->spans[rule].from_us < set->spans[rule].to_us;
}

// The rules on each name, without those that are never in force.
static bool name_rules(struct indexing *indexing, struct named *named) {
  struct loyalty_set *set = indexing->set;
  uint32_t *rules = arena_take_zero(&set->arena, set->rule_count + 1, sizeof *rules);
  size_t count = 0;
  if (rules == NULL) return false;
  for (size_t i = 0; i < set->rule_count; i++) {
    uint32_t name = is_in_force(set, i) ? id_of(set, set->rules[i].rule->on) : 0;
    if (name != 0) named[count++] = (struct named){name, (uint32_t)i};
  }
  qsort(named, count, sizeof *named, by_name);
  for (size_t i = 0; i < count; i++) {
    struct loyalty_index_name *name = take_name(&set->index, named[i].name);
    rules[i] = named[i].rule;
    if (name->rule_count++ == 0) name->rules = &rules[i];
  }
  for (size_t i = 0; i < count; i += set->index.names[name_at(&set->index, named[i].name)].rule_count)
    if (!index_rules(indexing, take_name(&set->index, named[i].name))) return false;
  return true;
}

// Of archived ones too: what was earned is taken back as long as anybody has it.
static bool name_withdrawn(struct loyalty_set *set, struct named *named) {
  const struct loyalty_live_rule **withdrawn = arena_take_zero(&set->arena, set->rule_count + 1, sizeof *withdrawn);
  size_t count = 0;
  if (withdrawn == NULL) return false;
  for (size_t i = 0; i < set->rule_count; i++) {
    uint32_t name = id_of(set, set->rules[i].rule->withdrawn_by);
    if (name != 0) named[count++] = (struct named){name, (uint32_t)i};
  }
  qsort(named, count, sizeof *named, by_name);
  for (size_t i = 0; i < count; i++) {
    struct loyalty_index_name *name = take_name(&set->index, named[i].name);
    withdrawn[i] = &set->rules[named[i].rule];
    if (name->withdrawn_count++ == 0) name->withdrawn = &withdrawn[i];
  }
  return true;
}

// Orders, and what pending amounts wait for: events that concern something without any rule.
static void name_others(struct loyalty_set *set) {
  const struct bytes orders[] = {BYTES("Order Completed"), BYTES("Order Refunded"), BYTES("Order Cancelled")};
  for (size_t i = 0; i < sizeof orders / sizeof *orders && set->programmes.count > 0; i++)
    if (id_of(set, orders[i]) != 0) take_name(&set->index, id_of(set, orders[i]));
  for (size_t i = 0; i < set->programmes.count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(set, i);
    for (size_t k = 0; k < programme->currency_count; k++) {
      const struct loyalty_currency *currency = &programme->currencies[k];
      uint32_t name = currency->pending == LOYALTY_PENDING_ON_EVENT ? id_of(set, currency->pending_event) : 0;
      if (name != 0) take_name(&set->index, name);
    }
  }
}

// Room for all values of all asks: of a rule one ask at most is taken.
static bool take_entries(struct indexing *indexing) {
  const struct loyalty_program *programs[2];
  size_t room = 1;
  for (uint32_t rule = 0; rule < indexing->set->rule_count; rule++) {
    size_t count = programs_of(indexing->set, rule, programs);
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < programs[i]->ask_count; k++) room += programs[i]->asks[k].value_count;
  }
  indexing->entries = arena_take_zero(&indexing->scratch, room, sizeof *indexing->entries);
  return indexing->entries != NULL;
}

static bool index_all(struct indexing *indexing) {
  struct loyalty_set *set = indexing->set;
  size_t name_count = 2 * set->rule_count + 3 + set->programmes.count * LOYALTY_CURRENCIES_MAX;
  struct named *named = arena_take_zero(&indexing->scratch, set->rule_count + 1, sizeof *named);
  set->index.name_mask = (uint32_t)mask_for(name_count);
  set->index.names = arena_take_zero(&set->arena, (size_t)set->index.name_mask + 1, sizeof *set->index.names);
  if (named == NULL || set->index.names == NULL || !take_entries(indexing)) return false;
  name_others(set);
  return name_withdrawn(set, named) && name_rules(indexing, named) && index_values(indexing);
}

enum err loyalty_set_index(struct loyalty_set *set, struct diag *diag) {
  struct indexing indexing = {.set = set};
  arena_init(&indexing.scratch, 0);
  bool done = index_all(&indexing);
  arena_release(&indexing.scratch);
  return done ? ERR_OK : diag_no_memory(diag);
}

// --- asked ---------------------------------------------------------------------------------------------------

bool loyalty_set_concerns(const struct loyalty_set *set, uint32_t name) {
  return find_name(set, name) != NULL;
}

bool loyalty_set_releases(const struct loyalty_set *set, uint32_t programme, uint32_t name, uint8_t *currency) {
  const struct loyalty_programme *document = loyalty_set_programme(set, programme);
  struct bytes text = names_text(set->names, name);
  for (size_t i = 0; document != NULL && name != 0 && i < document->currency_count; i++) {
    const struct loyalty_currency *one = &document->currencies[i];
    if (one->pending != LOYALTY_PENDING_ON_EVENT || !bytes_equal(one->pending_event, text)) continue;
    if (*currency != 0 && *currency != one->number) continue;
    *currency = one->number;
    return true;
  }
  return false;
}

enum err loyalty_set_find_withdrawn(const struct loyalty_set *set, uint32_t name, struct arena *arena,
                                    const struct loyalty_live_rule *const **rules, size_t *count) {
  const struct loyalty_index_name *found = find_name(set, name);
  (void)arena;
  *rules = found == NULL ? NULL : found->withdrawn;
  *count = found == NULL ? 0 : found->withdrawn_count;
  return ERR_OK;
}

static struct value follow(struct value value, const uint32_t *names, uint32_t count) {
  for (uint32_t i = 0; i < count && !value_is_absent(value); i++) value = value_member_id(value, names[i]);
  return value;
}

static void find_by_value(const struct loyalty_index *index, uint32_t path, uint64_t value, uint64_t *found) {
  uint64_t hash = slot_hash(path, value);
  for (uint64_t at = hash & index->slot_mask; index->slots[at].count != 0; at = (at + 1) & index->slot_mask) {
    const struct loyalty_index_slot *slot = &index->slots[at];
    if (slot->hash != hash) continue;
    for (uint32_t i = slot->first; i < slot->first + slot->count; i++)
      found[index->places[i] / 64] |= UINT64_C(1) << index->places[i] % 64;
    return;
  }
}

static void find_by_item(const struct loyalty_set *set, const struct loyalty_index_list *list, struct value item,
                         uint64_t *found) {
  uint64_t value;
  for (uint32_t i = 0; i < list->path_count; i++) {
    const struct loyalty_index_path *path = &list->paths[i];
    if (loyalty_value_hash(set->names, follow(item, path->names, path->name_count), &value))
      find_by_value(&set->index, path->number, value, found);
  }
}

// What is no list is its only item, as it is in expressions.
static void find_by_list(const struct loyalty_set *set, const struct loyalty_index_list *list, struct value message,
                         uint64_t *found) {
  struct value items = follow(message, list->names, list->name_count);
  if (list->name_count == 0 || value_type(items) != VALUE_LIST) {
    find_by_item(set, list, items, found);
    return;
  }
  struct value_iter iter = value_iterate(items);
  while (value_next(&iter)) find_by_item(set, list, iter.item, found);
}

enum err loyalty_set_find(const struct loyalty_set *set, uint32_t name, struct value message, int64_t at_us,
                          struct arena *arena, const struct loyalty_live_rule *const **rules, size_t *count) {
  const struct loyalty_index_name *on = find_name(set, name);
  size_t room = 0, kept = 0;
  *rules = NULL;
  *count = 0;
  if (on == NULL || on->rule_count == 0) return ERR_OK;
  size_t words = on->rule_count / 64 + 1;
  uint64_t *found = arena_take(arena, words * sizeof *found);
  if (found == NULL) return ERR_NO_MEMORY;
  memcpy(found, on->always, words * sizeof *found);
  for (uint32_t i = 0; i < on->list_count; i++) find_by_list(set, &on->lists[i], message, found);
  for (size_t i = 0; i < words; i++) room += (size_t)__builtin_popcountll(found[i]);
  const struct loyalty_live_rule **list = arena_take(arena, (room + 1) * sizeof *list);
  if (list == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < words; i++)
    for (uint64_t bits = found[i]; bits != 0; bits &= bits - 1) {
      uint32_t rule = on->rules[i * 64 + (size_t)__builtin_ctzll(bits)];
      if (at_us >= set->spans[rule].from_us && at_us < set->spans[rule].to_us) list[kept++] = &set->rules[rule];
    }
  *rules = list;
  *count = kept;
  return ERR_OK;
}
