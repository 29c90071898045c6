// occurrences: an open-addressing table of 48 bits of the hash and a count of 16.
//
// Eight bytes a message, so that ten million lines without ids cost 128 MiB and no more. Two contents that share their
// 48 bits are numbered together: the second begins at 1 in place of 0, which is as good a number as any. A hash is
// never stored as zero bits, which mean a free slot. At most three quarters of the slots are used.
#include "source/occurrences.h"

#include <string.h>

#include "base/alloc.h"

enum { CAPACITY_MIN = 256, CAPACITY_MAX = 1 << 24 };

void source_occurrences_init(struct source_occurrences *occurrences) {
  *occurrences = (struct source_occurrences){0};
}

void source_occurrences_release(struct source_occurrences *occurrences) {
  alloc_free(occurrences->slots);
  source_occurrences_init(occurrences);
}

static uint64_t *find(uint64_t *slots, size_t capacity, uint64_t mark) {
  size_t at = (size_t)(mark >> 16) & (capacity - 1);
  while (slots[at] != 0 && slots[at] >> 16 != mark >> 16) {
    at = (at + 1) & (capacity - 1);
  }
  return &slots[at];
}

static enum err make_room(struct source_occurrences *occurrences) {
  size_t capacity = occurrences->capacity == 0 ? CAPACITY_MIN : occurrences->capacity * 2;
  if (occurrences->used * 4 < occurrences->capacity * 3) {
    return ERR_OK;
  }
  if (capacity > CAPACITY_MAX) {
    return ERR_LIMIT;
  }
  uint64_t *slots = alloc_zero(capacity, sizeof *slots);
  if (slots == NULL) {
    return ERR_NO_MEMORY;
  }
  for (size_t i = 0; i < occurrences->capacity; i++) {
    if (occurrences->slots[i] != 0) {
      *find(slots, capacity, occurrences->slots[i]) = occurrences->slots[i];
    }
  }
  alloc_free(occurrences->slots);
  occurrences->slots = slots;
  occurrences->capacity = capacity;
  return ERR_OK;
}

enum err source_occurrences_next(struct source_occurrences *occurrences, const uint8_t hash[16], uint64_t *occurrence) {
  uint64_t mark;
  enum err err = make_room(occurrences);
  if (err == ERR_NO_MEMORY) {
    return err;
  }
  memcpy(&mark, hash, sizeof mark);
  mark = (mark | UINT64_C(1) << 63) & ~UINT64_C(0xFFFF);
  uint64_t *slot = find(occurrences->slots, occurrences->capacity, mark);
  if ((*slot == 0 && err == ERR_LIMIT) || (*slot & 0xFFFF) == 0xFFFF) {
    return ERR_LIMIT;
  }
  occurrences->used += *slot == 0;
  *slot = *slot == 0 ? mark : *slot;
  *occurrence = (*slot)++ & 0xFFFF;
  return ERR_OK;
}
