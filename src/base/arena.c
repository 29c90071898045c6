// arena: a chain of blocks, the newest in front, filled from its low end.
//
// Blocks double from BLOCK_FIRST_BYTES (SMALL_FIRST_BYTES) to BLOCK_LAST_BYTES, so that a small request costs one
// malloc and a large one few. These are powers of two with their heads, as malloc has them: with a head more, each
// would take a quarter more. An item larger than the next block gets a block of its own, put behind the newest one,
// whose free room is then not lost. Invariants: every item begins on ARENA_ALIGN; `used_bytes` is the sum of the sizes
// asked for. Under AddressSanitizer every item is a block of its own and nothing is reused.
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SPLIT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SPLIT 1
#endif
#endif
#ifndef ARENA_SPLIT
#define ARENA_SPLIT 0
#endif

enum {
  ARENA_ALIGN = 16,
  BLOCK_FIRST_BYTES = 4 * 1024,
  SMALL_FIRST_BYTES = 512,
  BLOCK_LAST_BYTES = 1024 * 1024,
};

struct arena_block {
  struct arena_block *older;
  size_t capacity_bytes;
  size_t filled_bytes;
  _Alignas(ARENA_ALIGN) uint8_t data[];
};

void arena_init(struct arena *arena, size_t limit_bytes) {
  *arena = (struct arena){.limit_bytes = limit_bytes};
}

void arena_init_small(struct arena *arena) {
  *arena = (struct arena){.small = true};
}

static void free_chain(struct arena_block *block) {
  while (block != NULL) {
    struct arena_block *older = block->older;
    alloc_free(block);
    block = older;
  }
}

void arena_release(struct arena *arena) {
  free_chain(arena->newest);
  *arena = (struct arena){.limit_bytes = arena->limit_bytes, .small = arena->small};
}

void arena_clear(struct arena *arena) {
  struct arena_block *kept = arena->newest;
  if (ARENA_SPLIT || kept == NULL || kept->capacity_bytes > BLOCK_LAST_BYTES) {
    arena_release(arena);
    return;
  }
  free_chain(kept->older);
  kept->older = NULL;
  kept->filled_bytes = 0;
  arena->used_bytes = 0;
}

// Without its head.
static size_t next_block_bytes(const struct arena *arena) {
  size_t head = sizeof(struct arena_block);
  if (arena->newest == NULL) return (arena->small ? SMALL_FIRST_BYTES : BLOCK_FIRST_BYTES) - head;
  size_t doubled = (arena->newest->capacity_bytes + head) * 2;
  return (doubled < BLOCK_LAST_BYTES ? doubled : BLOCK_LAST_BYTES) - head;
}

// An item of `rounded_bytes` in a new block; `exact_bytes` is what AddressSanitizer is to guard.
static void *take_from_new_block(struct arena *arena, size_t rounded_bytes, size_t exact_bytes) {
  size_t capacity = next_block_bytes(arena);
  bool alone = rounded_bytes > capacity;
  if (alone) capacity = rounded_bytes;
  if (ARENA_SPLIT) capacity = exact_bytes;
  struct arena_block *block = alloc_get(sizeof *block + capacity);
  if (block == NULL) return NULL;
  block->capacity_bytes = capacity;
  block->filled_bytes = rounded_bytes;
  if (alone && arena->newest != NULL) {
    block->older = arena->newest->older;
    arena->newest->older = block;
  } else {
    block->older = arena->newest;
    arena->newest = block;
  }
  return block->data;
}

void *arena_take(struct arena *arena, size_t size_bytes) {
  if (size_bytes > SIZE_MAX / 2) return NULL;
  if (arena->limit_bytes != 0 && size_bytes > arena->limit_bytes - arena->used_bytes) return NULL;
  size_t rounded = (size_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
  struct arena_block *block = arena->newest;
  void *item;
  if (!ARENA_SPLIT && block != NULL && rounded <= block->capacity_bytes - block->filled_bytes) {
    item = block->data + block->filled_bytes;
    block->filled_bytes += rounded;
  } else {
    item = take_from_new_block(arena, rounded, size_bytes);
    if (item == NULL) return NULL;
  }
  arena->used_bytes += size_bytes;
  return item;
}

void *arena_take_zero(struct arena *arena, size_t count, size_t size_bytes) {
  size_t total;
  if (__builtin_mul_overflow(count, size_bytes, &total)) return NULL;
  void *items = arena_take(arena, total);
  if (items != NULL) memset(items, 0, total);
  return items;
}

void *arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t first, size_t item_bytes) {
  size_t wanted = *capacity < first ? first : *capacity * 2, total;
  if (count < *capacity) return items;
  if (__builtin_mul_overflow(wanted, item_bytes, &total)) return NULL;
  void *grown = arena_take(arena, total);
  if (grown == NULL) return NULL;
  if (count > 0) memcpy(grown, items, count * item_bytes);
  *capacity = wanted;
  return grown;
}

struct bytes arena_copy(struct arena *arena, struct bytes view) {
  uint8_t *copy = arena_take(arena, view.size_bytes + 1);
  if (copy == NULL) return (struct bytes){NULL, 0};
  if (view.size_bytes > 0) memcpy(copy, view.data, view.size_bytes);
  copy[view.size_bytes] = 0;
  return (struct bytes){copy, view.size_bytes};
}

char *arena_format(struct arena *arena, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = length < 0 ? NULL : arena_take(arena, (size_t)length + 1);
  if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}
