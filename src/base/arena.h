// arena: memory for one request or one batch, given back all at once.
//
// Layer 0. Nothing taken from an arena is freed singly; arena_clear or arena_release ends every pointer at
// once. Under AddressSanitizer each allocation is its own malloc, so that a read past its end is seen.
// Threads: one arena belongs to one thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct arena_block;

struct arena {
  struct arena_block *newest;
  size_t used_bytes;  // handed out since the last clear
  size_t limit_bytes; // 0: none; past it arena_take returns NULL
  bool small;         // the first block is
};

// An empty arena; takes no memory until the first arena_take. `limit_bytes` 0 means no limit.
void arena_init(struct arena *arena, size_t limit_bytes);

// As arena_init without a limit, for what is kept by the thousand and is mostly a few hundred bytes: a compiled rule.
void arena_init_small(struct arena *arena);

void arena_release(struct arena *arena);

// Ends every pointer taken so far; keeps one block for reuse.
void arena_clear(struct arena *arena);

// `size_bytes` uninitialised bytes aligned for any type, or NULL when memory or the limit is short.
// Valid until arena_clear or arena_release.
void *arena_take(struct arena *arena, size_t size_bytes);

// `count` zeroed items, or NULL. Checks the product for overflow.
void *arena_take_zero(struct arena *arena, size_t count, size_t size_bytes);

// Room for one more item behind `count` of them: `items`, or, when *capacity is used up, a copy with twice the room
// (`first` to begin with). What is behind them is uninitialised. NULL when memory or the limit is short: nothing
// changed.
void *arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t first, size_t item_bytes);

// A copy of `view` in the arena; its `data` is NULL only when memory is short. A NUL follows the copy, so
// that text can be handed to C interfaces.
struct bytes arena_copy(struct arena *arena, struct bytes view);

// printf into the arena, NUL-terminated. NULL when memory is short.
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
