// roster: open addressing, half full at most. A number is found by its text, and a text by its number in an array. Of
// equal texts with several numbers one stands in a slot.
#include "scoring/roster.h"

#include <string.h>

#include "base/alloc.h"

enum { SLOTS_FIRST = 64 };

void roster_init(struct roster *roster) {
  *roster = (struct roster){.count = 0};
  arena_init(&roster->texts, 0);
}

void roster_release(struct roster *roster) {
  arena_release(&roster->texts);
  alloc_free(roster->items);
  alloc_free(roster->slots);
}

// Eight bytes a step, multiplied and folded; the last step takes what is left.
static uint64_t hash_of(struct bytes text) {
  uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ text.size_bytes;
  for (size_t at = 0; at < text.size_bytes; at += sizeof hash) {
    uint64_t word = 0;
    size_t size = text.size_bytes - at < sizeof word ? text.size_bytes - at : sizeof word;
    memcpy(&word, text.data + at, size);
    hash = (hash ^ word) * UINT64_C(0xd6e8feb86659fd93);
    hash ^= hash >> 32;
  }
  return hash * UINT64_C(0xd6e8feb86659fd93) >> 16;
}

// The slot where the text is, or the free one where it would be.
static size_t slot_of(const struct roster *roster, struct bytes text) {
  size_t mask = roster->slot_count - 1, slot = hash_of(text) & mask;
  while (roster->slots[slot] != 0 && !bytes_equal(roster->items[roster->slots[slot] - 1], text))
    slot = (slot + 1) & mask;
  return slot;
}

static bool grow_slots(struct roster *roster) {
  size_t wanted = roster->slot_count == 0 ? SLOTS_FIRST : 2 * roster->slot_count;
  uint32_t *slots = alloc_zero(wanted, sizeof *slots);
  if (slots == NULL) return false;
  alloc_free(roster->slots);
  roster->slots = slots;
  roster->slot_count = wanted;
  for (size_t i = 0; i < roster->count; i++) roster->slots[slot_of(roster, roster->items[i])] = (uint32_t)i + 1;
  return true;
}

static bool grow_items(struct roster *roster) {
  size_t wanted = roster->room == 0 ? SLOTS_FIRST : 2 * roster->room;
  struct bytes *items = alloc_resize(roster->items, wanted * sizeof *items);
  if (items == NULL) return false;
  roster->items = items;
  roster->room = wanted;
  return true;
}

bool roster_find(const struct roster *roster, struct bytes text, uint32_t *number) {
  if (roster->slot_count == 0) return false;
  size_t slot = slot_of(roster, text);
  if (roster->slots[slot] == 0) return false;
  *number = roster->slots[slot] - 1;
  return true;
}

static enum err append(struct roster *roster, struct bytes text, uint32_t *number) {
  if (roster->count == ROSTER_MAX) return ERR_LIMIT;
  if (2 * (roster->count + 1) > roster->slot_count && !grow_slots(roster)) return ERR_NO_MEMORY;
  if (roster->count == roster->room && !grow_items(roster)) return ERR_NO_MEMORY;
  struct bytes copy = arena_copy(&roster->texts, text);
  if (copy.data == NULL) return ERR_NO_MEMORY;
  *number = (uint32_t)roster->count;
  roster->slots[slot_of(roster, text)] = *number + 1;
  roster->items[roster->count++] = copy;
  return ERR_OK;
}

enum err roster_number(struct roster *roster, struct bytes text, uint32_t *number) {
  return roster_find(roster, text, number) ? ERR_OK : append(roster, text, number);
}

enum err roster_again(struct roster *roster, struct bytes text, uint32_t *number) {
  return append(roster, text, number);
}
