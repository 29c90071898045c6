// Rows of any length in a fixed piece of memory.
//
// Positions are counted from the beginning of time: a row that begins at `at` is gone once `head` has passed
// `at + size_bytes`, so what the index says about overwritten rows needs no care. No row goes across the end of the
// memory. The index is an array of sets of eight; within a set a new row takes the place of one that is gone, else of
// the oldest.
//
// Invariants: 1. `head` is at least `size_bytes`, so position 0 is always gone; 2. positions are multiples of eight;
// 3. a fingerprint is in at most one place of its set.
#include "store/store_ring.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum {
  WAYS = 8,
  BYTES_PER_WAY = 256, // rows shorter than that on average leave some of the memory unused
  SLACK_PART = 8,      // of the row
  SLACK_BYTES = 52,    // an event more on a timeline
  ROWS_PER_RING = 8,   // of the longest
};

struct store_ring_set {
  _Alignas(64) uint64_t fingerprints[WAYS]; // 0: free
  uint64_t at[WAYS];
};

struct row {
  uint32_t size_bytes, capacity_bytes;
  uint8_t bytes[];
};

static struct store_ring_set *set_of(const struct store_ring *ring, struct store_ring_name name) {
  return &ring->sets[(uint64_t)name.slot * ring->set_count >> 32];
}

static struct row *row_at(const struct store_ring *ring, uint64_t at) {
  return (struct row *)(void *)(ring->bytes + at % ring->size_bytes);
}

static bool is_gone(const struct store_ring *ring, uint64_t at) {
  return at + ring->size_bytes < ring->head;
}

void store_ring_init(struct store_ring *ring, void *memory, size_t size_bytes) {
  size_t per_set = sizeof(struct store_ring_set) + WAYS * BYTES_PER_WAY;
  assert(size_bytes >= STORE_RING_BYTES_MIN && size_bytes <= UINT32_MAX);
  assert((uintptr_t)memory % _Alignof(struct store_ring_set) == 0);
  ring->set_count = (uint32_t)(size_bytes / per_set > 0 ? size_bytes / per_set : 1);
  ring->sets = memory;
  ring->bytes = (uint8_t *)(ring->sets + ring->set_count);
  ring->size_bytes = (uint32_t)(size_bytes - ring->set_count * sizeof *ring->sets) / 8 * 8;
  ring->head = ring->size_bytes;
}

void store_ring_clear(struct store_ring *ring) {
  memset(ring->sets, 0, ring->set_count * sizeof *ring->sets);
}

void store_ring_prefetch(const struct store_ring *ring, struct store_ring_name name) {
  const struct store_ring_set *set = set_of(ring, name);
  __builtin_prefetch(set->fingerprints);
  __builtin_prefetch(set->at);
}

// --- places --------------------------------------------------------------------------------------------------

// Where the row's position stands, or NULL when it is not there.
static uint64_t *place_of(const struct store_ring *ring, struct store_ring_name name) {
  struct store_ring_set *set = set_of(ring, name);
  for (int way = 0; way < WAYS; way++)
    if (set->fingerprints[way] == name.fingerprint) return is_gone(ring, set->at[way]) ? NULL : &set->at[way];
  return NULL;
}

// A place for a row that may stand in one already.
static uint64_t *take_place(const struct store_ring *ring, struct store_ring_name name) {
  struct store_ring_set *set = set_of(ring, name);
  int oldest = 0;
  for (int way = 0; way < WAYS; way++) {
    if (set->fingerprints[way] == name.fingerprint) return &set->at[way];
    if (set->at[way] < set->at[oldest]) oldest = way;
  }
  set->fingerprints[oldest] = name.fingerprint;
  return &set->at[oldest];
}

static size_t row_bytes_max(const struct store_ring *ring) {
  size_t part = ring->size_bytes / ROWS_PER_RING;
  return part < STORE_RING_ROW_BYTES_MAX ? part : STORE_RING_ROW_BYTES_MAX;
}

// Room for a row at the end. Its header is not written yet: the room may begin within the row that is moved to it.
static uint64_t take_room(struct store_ring *ring, size_t capacity_bytes) {
  uint64_t bytes = sizeof(struct row) + capacity_bytes, left = ring->size_bytes - ring->head % ring->size_bytes;
  if (left < bytes) ring->head += left;
  uint64_t at = ring->head;
  ring->head += bytes;
  return at;
}

static size_t capacity_for(size_t size_bytes) {
  return (size_bytes + size_bytes / SLACK_PART + SLACK_BYTES + 7) / 8 * 8;
}

// Writes `first` and `second` at the end; `first` may be what stands at the row's old place.
static void write_row(struct store_ring *ring, uint64_t *place, struct bytes first, struct bytes second) {
  size_t size_bytes = first.size_bytes + second.size_bytes, capacity_bytes = capacity_for(size_bytes);
  *place = take_room(ring, capacity_bytes);
  struct row *row = row_at(ring, *place);
  if (first.size_bytes > 0) memmove(row->bytes, first.data, first.size_bytes);
  if (second.size_bytes > 0) memcpy(row->bytes + first.size_bytes, second.data, second.size_bytes);
  row->size_bytes = (uint32_t)size_bytes;
  row->capacity_bytes = (uint32_t)capacity_bytes;
}

// --- rows ----------------------------------------------------------------------------------------------------

enum err store_ring_find(struct store_ring *ring, struct store_ring_name name, struct arena *arena,
                         struct bytes *value) {
  uint64_t *place = place_of(ring, name);
  *value = (struct bytes){0};
  if (!place) return ERR_OK;
  const struct row *row = row_at(ring, *place);
  *value = arena_copy(arena, bytes_of(row->bytes, row->size_bytes));
  if (!value->data) return ERR_NO_MEMORY;
  if (ring->head - *place > ring->size_bytes / 4 * 3) write_row(ring, place, *value, (struct bytes){0});
  return ERR_OK;
}

void store_ring_put(struct store_ring *ring, struct store_ring_name name, struct bytes value) {
  if (value.size_bytes > row_bytes_max(ring)) {
    store_ring_drop(ring, name);
    return;
  }
  uint64_t *place = take_place(ring, name);
  struct row *row = is_gone(ring, *place) ? NULL : row_at(ring, *place);
  if (!row || value.size_bytes > row->capacity_bytes) {
    write_row(ring, place, value, (struct bytes){0});
    return;
  }
  if (value.size_bytes > 0) memcpy(row->bytes, value.data, value.size_bytes);
  row->size_bytes = (uint32_t)value.size_bytes;
}

bool store_ring_append(struct store_ring *ring, struct store_ring_name name, struct bytes more) {
  uint64_t *place = place_of(ring, name);
  if (!place) return false;
  struct row *row = row_at(ring, *place);
  if (row->size_bytes + more.size_bytes > row_bytes_max(ring)) {
    store_ring_drop(ring, name);
  } else if (row->size_bytes + more.size_bytes > row->capacity_bytes) {
    write_row(ring, place, bytes_of(row->bytes, row->size_bytes), more);
  } else {
    if (more.size_bytes > 0) memcpy(row->bytes + row->size_bytes, more.data, more.size_bytes);
    row->size_bytes += (uint32_t)more.size_bytes;
  }
  return true;
}

void store_ring_drop(struct store_ring *ring, struct store_ring_name name) {
  uint64_t *place = place_of(ring, name);
  if (!place) return;
  struct store_ring_set *set = set_of(ring, name);
  set->fingerprints[place - set->at] = 0;
  *place = 0;
}
