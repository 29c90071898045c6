// preview_tally.c: picks by insertion into a short sorted array; values in a table with open addressing that never
// fills up, because no more than PREVIEW_VALUES_MAX are put into it.
#include "engine/preview_tally.h"

#include <string.h>

#include "base/alloc.h"

enum err preview_tally_init(struct preview_tally *tally, size_t pick_limit, size_t trait_count) {
  *tally = (struct preview_tally){.pick_limit = pick_limit, .trait_count = trait_count};
  arena_init(&tally->arena, 0);
  if (trait_count == 0) return ERR_OK;
  tally->values = alloc_zero(trait_count, sizeof *tally->values);
  return tally->values == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void preview_tally_release(struct preview_tally *tally) {
  arena_release(&tally->arena);
  alloc_free(tally->values);
}

// The finaliser of splitmix64.
uint64_t preview_random(uint64_t number) {
  uint64_t mixed = number + 0x9e3779b97f4a7c15U;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebU;
  return mixed ^ mixed >> 31;
}

static void insert(struct preview_tally *tally, struct preview_pick pick) {
  size_t at = tally->pick_count;
  if (at == tally->pick_limit && (at == 0 || tally->picks[at - 1].random <= pick.random)) return;
  if (at == tally->pick_limit) at--;
  for (; at > 0 && tally->picks[at - 1].random > pick.random; at--) tally->picks[at] = tally->picks[at - 1];
  tally->picks[at] = pick;
  if (tally->pick_count < tally->pick_limit) tally->pick_count++;
}

void preview_tally_pick(struct preview_tally *tally, uint64_t customer) {
  insert(tally, (struct preview_pick){preview_random(customer), customer});
}

static size_t slot_of(struct bytes packed) {
  uint64_t hash = 0xcbf29ce484222325U; // FNV-1a
  for (size_t i = 0; i < packed.size_bytes; i++) hash = (hash ^ packed.data[i]) * 0x100000001b3U;
  return (size_t)(preview_random(hash) % PREVIEW_SLOTS);
}

static enum err count_value(struct preview_tally *tally, struct preview_values *values, struct bytes packed,
                            uint64_t members) {
  size_t at = slot_of(packed);
  while (values->slots[at].members > 0 && !bytes_equal(values->slots[at].packed, packed)) at = (at + 1) % PREVIEW_SLOTS;
  struct preview_value *slot = &values->slots[at];
  if (slot->members == 0 && values->count == PREVIEW_VALUES_MAX) {
    values->other += members;
    return ERR_OK;
  }
  if (slot->members == 0) {
    slot->packed = arena_copy(&tally->arena, packed);
    if (slot->packed.data == NULL) return ERR_NO_MEMORY;
    values->count++;
  }
  slot->members += members;
  return ERR_OK;
}

enum err preview_tally_value(struct preview_tally *tally, size_t trait, struct value value) {
  struct preview_values *values = &tally->values[trait];
  if (!value_is_absent(value) && value_type(value) != VALUE_NULL) return count_value(tally, values, value.packed, 1);
  values->missing++;
  return ERR_OK;
}

static enum err add_values(struct preview_tally *sum, struct preview_values *to, const struct preview_values *from) {
  enum err err = ERR_OK;
  to->other += from->other;
  to->missing += from->missing;
  for (size_t i = 0; err == ERR_OK && i < PREVIEW_SLOTS; i++) {
    const struct preview_value *slot = &from->slots[i];
    if (slot->members > 0) err = count_value(sum, to, slot->packed, slot->members);
  }
  return err;
}

enum err preview_tally_add(struct preview_tally *sum, const struct preview_tally *part) {
  enum err err = ERR_OK;
  sum->looked_at += part->looked_at;
  sum->members += part->members;
  sum->unknown += part->unknown;
  for (size_t i = 0; i < SEGMENT_EXCLUSIONS_MAX; i++) sum->removed[i] += part->removed[i];
  for (size_t i = 0; i < part->pick_count; i++) insert(sum, part->picks[i]);
  for (size_t i = 0; err == ERR_OK && i < sum->trait_count; i++)
    err = add_values(sum, &sum->values[i], &part->values[i]);
  return err;
}

static bool comes_before(const struct preview_value *a, const struct preview_value *b) {
  if (a->members != b->members) return a->members > b->members;
  return bytes_compare(a->packed, b->packed) < 0;
}

size_t preview_tally_top(const struct preview_values *values, const struct preview_value *top[PREVIEW_VALUES_SHOWN]) {
  size_t count = 0;
  for (size_t i = 0; i < PREVIEW_SLOTS; i++) {
    const struct preview_value *slot = &values->slots[i];
    size_t at = count;
    if (slot->members == 0) continue;
    if (at == PREVIEW_VALUES_SHOWN && !comes_before(slot, top[at - 1])) continue;
    if (at == PREVIEW_VALUES_SHOWN) at--;
    for (; at > 0 && comes_before(slot, top[at - 1]); at--) top[at] = top[at - 1];
    top[at] = slot;
    if (count < PREVIEW_VALUES_SHOWN) count++;
  }
  return count;
}
