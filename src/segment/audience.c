// audience: a set of customers in memory, as blocks of bits.
//
// Ids are dense, so the bits of ten million customers are 1.2 MiB, whoever is in; there is one form and no conversion.
// Invariants: 1. a block that is there may be empty (somebody was to be added, and memory was short); one that is not
// there has nobody; 2. only what adds customers allocates, and does it before it changes anything.
#include "segment/audience.h"

#include <string.h>

#include "base/alloc.h"
#include "segment/audience_block.h"

enum { FIRST_BLOCKS = 16 };

struct audience {
  struct audience_block **blocks; // by number
  size_t capacity;                // numbers from there on are not there
};

static struct audience_block *block_at(const struct audience *audience, size_t number) {
  return number < audience->capacity ? audience->blocks[number] : NULL;
}

static bool grow(struct audience *audience, size_t least) {
  size_t capacity = audience->capacity > 0 ? audience->capacity : FIRST_BLOCKS;
  while (capacity < least) capacity *= 2;
  if (capacity == audience->capacity) return true;
  struct audience_block **blocks = alloc_resize(audience->blocks, capacity * sizeof *blocks);
  if (blocks == NULL) return false;
  for (size_t i = audience->capacity; i < capacity; i++) blocks[i] = NULL;
  audience->blocks = blocks;
  audience->capacity = capacity;
  return true;
}

// The block, made when it is not there. NULL: memory is short.
static struct audience_block *need_block(struct audience *audience, size_t number) {
  if (!grow(audience, number + 1)) return NULL;
  if (audience->blocks[number] == NULL) audience->blocks[number] = alloc_zero(1, sizeof(struct audience_block));
  return audience->blocks[number];
}

static void drop_block(struct audience *audience, size_t number) {
  alloc_free(audience->blocks[number]);
  audience->blocks[number] = NULL;
}

enum err audience_open(struct audience **audience) {
  *audience = alloc_zero(1, sizeof **audience);
  return *audience == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void audience_close(struct audience *audience) {
  if (audience == NULL) return;
  for (size_t i = 0; i < audience->capacity; i++) alloc_free(audience->blocks[i]);
  alloc_free(audience->blocks);
  alloc_free(audience);
}

enum err audience_take_block(struct audience *audience, uint32_t number, const struct audience_block *block) {
  struct audience_block *own = need_block(audience, number);
  if (own == NULL) return ERR_NO_MEMORY;
  *own = *block;
  return ERR_OK;
}

enum err audience_add(struct audience *audience, uint64_t customer) {
  if (customer > UINT32_MAX) return ERR_LIMIT;
  struct audience_block *block = need_block(audience, customer / AUDIENCE_BLOCK_IDS);
  if (block == NULL) return ERR_NO_MEMORY;
  audience_block_set(block, (uint16_t)customer, true);
  return ERR_OK;
}

bool audience_has(const struct audience *audience, uint64_t customer) {
  const struct audience_block *block = block_at(audience, customer / AUDIENCE_BLOCK_IDS);
  return block != NULL && audience_block_has(block, (uint16_t)customer);
}

uint64_t audience_count(const struct audience *audience) {
  uint64_t count = 0;
  for (size_t i = 0; i < audience->capacity; i++)
    if (audience->blocks[i] != NULL) count += audience->blocks[i]->count;
  return count;
}

void audience_and(struct audience *a, const struct audience *b) {
  for (size_t i = 0; i < a->capacity; i++) {
    const struct audience_block *other = block_at(b, i);
    if (a->blocks[i] == NULL) continue;
    if (other == NULL) {
      drop_block(a, i);
    } else {
      audience_block_and(a->blocks[i], other);
    }
  }
}

uint64_t audience_and_count(const struct audience *a, const struct audience *b) {
  uint64_t count = 0;
  for (size_t i = 0; i < a->capacity; i++) {
    const struct audience_block *other = block_at(b, i);
    if (a->blocks[i] != NULL && other != NULL) count += audience_block_and_count(a->blocks[i], other);
  }
  return count;
}

// Those of one block from its id `low` on.
static size_t list_block(const struct audience_block *block, uint64_t base, uint32_t low, uint64_t *ids, size_t count) {
  size_t written = 0;
  uint64_t mask = UINT64_MAX << (low & 63);
  for (uint32_t i = low >> 6; i < AUDIENCE_BLOCK_WORDS && written < count; i++, mask = UINT64_MAX)
    for (uint64_t bits = block->words[i] & mask; bits != 0 && written < count; bits &= bits - 1)
      ids[written++] = base + i * 64 + (uint64_t)__builtin_ctzll(bits);
  return written;
}

size_t audience_list(const struct audience *audience, uint64_t from, uint64_t *ids, size_t count) {
  size_t written = 0;
  uint32_t low = (uint16_t)from;
  for (uint64_t i = from / AUDIENCE_BLOCK_IDS; i < audience->capacity && written < count; i++, low = 0)
    if (audience->blocks[i] != NULL)
      written += list_block(audience->blocks[i], i * AUDIENCE_BLOCK_IDS, low, ids + written, count - written);
  return written;
}
