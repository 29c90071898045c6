// store_ring: rows of any length in a fixed piece of memory, the newest of them.
//
// Layer 2, private to this folder. Rows are written one after the other and over the oldest ones, so making room costs
// nothing and leaves no gaps. A row has some slack behind it: rewritten or appended to it stays where it is as long as
// it fits, else it goes to the end. A row that is read when it is soon to be overwritten goes to the end too.
//
// A row is named by two halves of a keyed hash, as in store_rows.h. Threads: none; the caller holds a lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum { STORE_RING_ROW_BYTES_MAX = 8192 }; // of a ring that has at least eight times that

struct store_ring_set;
struct store_ring {
  struct store_ring_set *sets;
  uint8_t *bytes;
  uint64_t head; // where the next row begins, counted from the beginning of time
  uint32_t set_count, size_bytes;
};

struct store_ring_name {
  uint64_t fingerprint; // not 0
  uint32_t slot;        // any number, the same each time
};

// Uses `memory`, which is zero, aligned to a line of the processor's cache and stays the caller's. `size_bytes` is at
// least STORE_RING_BYTES_MIN and below 4 GiB.
enum { STORE_RING_BYTES_MIN = 1024 };
void store_ring_init(struct store_ring *ring, void *memory, size_t size_bytes);

// Forgets all rows.
void store_ring_clear(struct store_ring *ring);

// Asks the processor to have at hand what says where the row is.
void store_ring_prefetch(const struct store_ring *ring, struct store_ring_name name);

// A copy of the row; its data is NULL when the row is not there, or (ERR_NO_MEMORY) for want of memory.
enum err store_ring_find(struct store_ring *ring, struct store_ring_name name, struct arena *arena,
                         struct bytes *value);

// The row is this now. One that is too long is not there afterwards.
void store_ring_put(struct store_ring *ring, struct store_ring_name name, struct bytes value);

// What is there gets longer; what is not there stays away, and false is returned.
bool store_ring_append(struct store_ring *ring, struct store_ring_name name, struct bytes more);

void store_ring_drop(struct store_ring *ring, struct store_ring_name name);
