// paths: two open hash tables, of names and of rows; a row's table holds its number, its steps lie in one long list.
//
// Invariants: 1. slot_count is 0 or a power of two, at least 4/3 of what it holds. 2. No two rows have the same steps.
// 3. The sums of all conversions and nulls, rows and empty, are at most PATHS_WEIGHT_MAX.
#include "attribution/paths.h"

#include <string.h>

#include "attribution/paths_hash.h"
#include "base/alloc.h"

enum { FIRST_SLOTS = 64 };

void paths_init(struct paths *paths) {
  *paths = (struct paths){.row_count = 0};
}

void paths_release(struct paths *paths) {
  for (size_t i = 0; i < paths->channels.count; i++) alloc_free((void *)(uintptr_t)paths->channels.names[i].data);
  alloc_free(paths->channels.names);
  alloc_free(paths->channels.slots);
  alloc_free(paths->steps);
  alloc_free(paths->rows);
  alloc_free(paths->slots);
  paths_init(paths);
}

// Room for `wanted` items in *items, which has *capacity. False when memory is short.
static bool grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes) {
  if (wanted <= *capacity) return true;
  size_t more = *capacity * 2 > wanted ? *capacity * 2 : wanted + FIRST_SLOTS;
  if (more > SIZE_MAX / item_bytes) return false;
  void *larger = alloc_resize(*items, more * item_bytes);
  if (larger == NULL) return false;
  *items = larger;
  *capacity = more;
  return true;
}

// --- names ---------------------------------------------------------------------------------------------------

// The slot of `name`: its own, or the free one where it belongs.
static uint32_t *name_slot(const struct paths_names *names, struct bytes name) {
  size_t mask = names->slot_count - 1, at = paths_hash(name.data, name.size_bytes) & mask;
  while (names->slots[at] != 0 && !bytes_equal(names->names[names->slots[at] - 1], name)) at = (at + 1) & mask;
  return &names->slots[at];
}

static bool more_name_slots(struct paths_names *names) {
  if (names->count * 4 < names->slot_count * 3) return true;
  size_t count = names->slot_count == 0 ? FIRST_SLOTS : names->slot_count * 2;
  uint32_t *slots = alloc_zero(count, sizeof *slots);
  if (slots == NULL) return false;
  alloc_free(names->slots);
  names->slots = slots;
  names->slot_count = count;
  for (size_t i = 0; i < names->count; i++) *name_slot(names, names->names[i]) = (uint32_t)i + 1;
  return true;
}

int64_t paths_channel_find(const struct paths *paths, struct bytes name) {
  return paths->channels.slot_count == 0 ? -1 : (int64_t)*name_slot(&paths->channels, name) - 1;
}

static enum err check_name(const struct paths_names *names, struct bytes name, struct diag *diag) {
  if (!bytes_is_utf8(name)) return diag_set(diag, ERR_INVALID, "invalid_utf8", "a channel's name is not UTF-8");
  if (name.size_bytes > PATHS_NAME_BYTES)
    return diag_set(diag, ERR_LIMIT, "too_large", "a channel's name has %zu bytes; at most %d are taken",
                    name.size_bytes, PATHS_NAME_BYTES);
  if (names->count == PATHS_CHANNELS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_channels", "there are more than %d channels", PATHS_CHANNELS_MAX);
  return ERR_OK;
}

enum err paths_channel(struct paths *paths, struct bytes name, paths_step *channel, struct diag *diag) {
  struct paths_names *names = &paths->channels;
  if (!more_name_slots(names)) return diag_no_memory(diag);
  uint32_t *slot = name_slot(names, name);
  if (*slot == 0) {
    enum err err = check_name(names, name, diag);
    if (err != ERR_OK) return err;
    uint8_t *copy = alloc_get(name.size_bytes + 1);
    void *list = names->names;
    bool grown = copy != NULL && grow(&list, &names->capacity, names->count + 1, sizeof *names->names);
    names->names = list;
    if (!grown) {
      alloc_free(copy);
      return diag_no_memory(diag);
    }
    if (name.size_bytes > 0) memcpy(copy, name.data, name.size_bytes);
    names->names[names->count++] = bytes_of(copy, name.size_bytes);
    *slot = (uint32_t)names->count;
  }
  *channel = (paths_step)(*slot - 1);
  return ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

// The slot of these steps: their own, or the free one where they belong. A row is looked at only when its hash, which
// the slot has, is the same: rows lie far apart.
static uint64_t *row_slot(const struct paths *paths, const paths_step *steps, size_t count, uint32_t hash) {
  size_t mask = paths->slot_count - 1, at = hash & mask;
  for (; paths->slots[at] != 0; at = (at + 1) & mask) {
    if (paths->slots[at] >> 32 != hash) continue;
    const struct paths_row *row = &paths->rows[(uint32_t)paths->slots[at] - 1];
    if (row->count == count && memcmp(paths_steps(paths, row), steps, count * sizeof *steps) == 0) break;
  }
  return &paths->slots[at];
}

static bool more_row_slots(struct paths *paths) {
  if (paths->row_count * 4 < paths->slot_count * 3) return true;
  size_t count = paths->slot_count == 0 ? FIRST_SLOTS : paths->slot_count * 4;
  uint64_t *slots = alloc_zero(count, sizeof *slots);
  if (slots == NULL) return false;
  for (size_t i = 0; i < paths->slot_count; i++) {
    size_t at = paths->slots[i] >> 32 & (count - 1);
    if (paths->slots[i] == 0) continue;
    while (slots[at] != 0) at = (at + 1) & (count - 1);
    slots[at] = paths->slots[i];
  }
  alloc_free(paths->slots);
  paths->slots = slots;
  paths->slot_count = count;
  return true;
}

static void add_figures(struct paths_row *row, const struct paths_figures *figures) {
  row->conversions += figures->conversions;
  row->nulls += figures->nulls;
  paths_sum(&row->value, &row->value_rest, figures->value);
  row->value_rest += figures->value_rest;
}

static bool new_row(struct paths *paths, const paths_step *steps, size_t count, uint32_t hash) {
  void *list = paths->steps, *rows = paths->rows;
  bool grown = paths->row_count < UINT32_MAX - 1 &&
               grow(&list, &paths->step_capacity, paths->step_count + count, sizeof *paths->steps);
  paths->steps = list;
  grown = grown && grow(&rows, &paths->row_capacity, paths->row_count + 1, sizeof *paths->rows);
  paths->rows = rows;
  if (!grown) return false;
  memcpy(paths->steps + paths->step_count, steps, count * sizeof *steps);
  paths->rows[paths->row_count++] =
      (struct paths_row){.begin = paths->step_count, .count = (uint32_t)count, .hash = hash};
  paths->step_count += count;
  return true;
}

size_t paths_find(const struct paths *paths, const paths_step *steps, size_t count) {
  if (count == 0 || paths->slot_count == 0) return SIZE_MAX;
  uint64_t slot = *row_slot(paths, steps, count, (uint32_t)paths_hash(steps, count * sizeof *steps));
  return slot == 0 ? SIZE_MAX : (uint32_t)slot - 1;
}

enum err paths_add_to(struct paths *paths, size_t row, const struct paths_figures *figures, struct diag *diag) {
  uint64_t room = PATHS_WEIGHT_MAX - paths->conversions - paths->nulls;
  if (figures->conversions > room || figures->nulls > room - figures->conversions)
    return diag_set(diag, ERR_LIMIT, "too_large", "all counts together are more than %llu",
                    (unsigned long long)PATHS_WEIGHT_MAX);
  paths->conversions += figures->conversions;
  paths->nulls += figures->nulls;
  paths->rows_read++;
  add_figures(row == SIZE_MAX ? &paths->empty : &paths->rows[row], figures);
  return ERR_OK;
}

enum err paths_add(struct paths *paths, const paths_step *steps, size_t count, const struct paths_figures *figures,
                   struct diag *diag) {
  if (count > PATHS_STEPS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_large", "a path has %zu steps; at most %d are taken", count, PATHS_STEPS_MAX);
  if (count == 0) return paths_add_to(paths, SIZE_MAX, figures, diag);
  if (!more_row_slots(paths)) return diag_no_memory(diag);
  uint32_t hash = (uint32_t)paths_hash(steps, count * sizeof *steps);
  uint64_t *slot = row_slot(paths, steps, count, hash);
  if (*slot == 0) {
    if (!new_row(paths, steps, count, hash)) return diag_no_memory(diag);
    *slot = (uint64_t)hash << 32 | paths->row_count;
  }
  return paths_add_to(paths, (uint32_t)*slot - 1, figures, diag);
}
