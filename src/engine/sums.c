// sums.c: rows in the order in which they came, found through a table of open addressing that is at most half full.
#include "engine/sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { FIRST_SLOTS = 64 };

void sums_init(struct sums *sums, size_t width) {
  *sums = (struct sums){.width = width};
  arena_init(&sums->arena, 0);
}

void sums_release(struct sums *sums) {
  alloc_free(sums->rows);
  alloc_free(sums->slots);
  arena_release(&sums->arena);
}

// FNV-1a.
static uint64_t hash_of(struct bytes name) {
  uint64_t hash = 14695981039346656037U;
  for (size_t i = 0; i < name.size_bytes; i++) hash = (hash ^ name.data[i]) * 1099511628211U;
  return hash ^ hash >> 32;
}

// The slot of the name, or the free one where it belongs.
static uint32_t *slot_of(const struct sums *sums, struct bytes name) {
  size_t mask = sums->slot_count - 1, at = hash_of(name) & mask;
  while (sums->slots[at] != 0 && !bytes_equal(sums->rows[sums->slots[at] - 1].name, name)) at = (at + 1) & mask;
  return &sums->slots[at];
}

static enum err grow_slots(struct sums *sums) {
  if (sums->slot_count > 2 * sums->count) return ERR_OK;
  size_t count = sums->slot_count == 0 ? FIRST_SLOTS : 2 * sums->slot_count;
  uint32_t *slots = alloc_zero(count, sizeof *slots);
  if (slots == NULL) return ERR_NO_MEMORY;
  alloc_free(sums->slots);
  sums->slots = slots;
  sums->slot_count = count;
  for (size_t i = 0; i < sums->count; i++) *slot_of(sums, sums->rows[i].name) = (uint32_t)(i + 1);
  return ERR_OK;
}

static enum err add_row(struct sums *sums, struct bytes name) {
  if (sums->count == sums->capacity) {
    size_t capacity = sums->capacity == 0 ? FIRST_SLOTS / 2 : 2 * sums->capacity;
    struct sums_row *rows = alloc_resize(sums->rows, capacity * sizeof *rows);
    if (rows == NULL) return ERR_NO_MEMORY;
    sums->rows = rows;
    sums->capacity = capacity;
  }
  struct sums_row row = {arena_copy(&sums->arena, name),
                         arena_take_zero(&sums->arena, sums->width, sizeof *row.numbers)};
  if (row.name.data == NULL || row.numbers == NULL) return ERR_NO_MEMORY;
  sums->rows[sums->count++] = row;
  return ERR_OK;
}

enum err sums_row(struct sums *sums, struct bytes name, int64_t **numbers, struct diag *diag) {
  enum err err = grow_slots(sums);
  if (err != ERR_OK) return diag_no_memory(diag);
  uint32_t *slot = slot_of(sums, name);
  if (*slot == 0) {
    if (sums->count == SUMS_NAMES_MAX)
      return diag_set(diag, ERR_LIMIT, "too_large", "there are more than %d different names to tell apart",
                      SUMS_NAMES_MAX);
    if (add_row(sums, name) != ERR_OK) return diag_no_memory(diag);
    *slot = (uint32_t)sums->count;
  }
  *numbers = sums->rows[*slot - 1].numbers;
  return ERR_OK;
}

enum err sums_count(int64_t *to, int64_t number, struct diag *diag) {
  if (!__builtin_add_overflow(*to, number, to)) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "overflow", "a sum is larger than 64 bits hold; ask for a shorter period");
}

enum err sums_add(struct sums *sums, const struct sums *from, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < from->count; i++) {
    int64_t *numbers;
    err = sums_row(sums, from->rows[i].name, &numbers, diag);
    for (size_t k = 0; err == ERR_OK && k < sums->width; k++)
      err = sums_count(&numbers[k], from->rows[i].numbers[k], diag);
  }
  return err;
}

static int compare(const void *a, const void *b, void *context) {
  const struct sums_row *left = a, *right = b;
  size_t by = *(const size_t *)context;
  if (left->numbers[by] != right->numbers[by]) return left->numbers[by] > right->numbers[by] ? -1 : 1;
  return bytes_compare(left->name, right->name);
}

void sums_sort(struct sums *sums, size_t by) {
  if (sums->count > 0) qsort_r(sums->rows, sums->count, sizeof *sums->rows, compare, &by);
}
