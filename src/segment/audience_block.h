// audience_block: 65,536 customers as one bit each, and the row that keeps them.
//
// Layer 5, private to audience. A block is plain memory of 8 KiB: nothing here allocates but the row that is written.
// The rows are portable Roaring bitmaps, as audience.h says, read and written here: docs/adr/0011 has the reasons.
#pragma once

#include "segment/audience.h"

enum { AUDIENCE_BLOCK_WORDS = AUDIENCE_BLOCK_IDS / 64 };

struct audience_block {
  uint32_t count; // how many are in
  uint64_t words[AUDIENCE_BLOCK_WORDS];
};

void audience_block_clear(struct audience_block *block);
void audience_block_set(struct audience_block *block, uint16_t low, bool in);
static inline bool audience_block_has(const struct audience_block *block, uint16_t low) {
  return (block->words[low >> 6] >> (low & 63) & 1) != 0;
}

// in place; both may be the same block
void audience_block_and(struct audience_block *a, const struct audience_block *b);
void audience_block_or(struct audience_block *a, const struct audience_block *b);
uint32_t audience_block_and_count(const struct audience_block *a, const struct audience_block *b);

// What the pieces of a row say. ERR_CORRUPT: the block holds anything.
enum err audience_row_read(struct bytes row, struct audience_block *block);
// One 'R' piece in the smallest of the three forms; equal blocks give equal bytes. Nothing when nobody is in.
void audience_row_write(const struct audience_block *block, struct buffer *out);

// Puts a block, of which nothing is there yet, into a set. ERR_NO_MEMORY.
enum err audience_take_block(struct audience *audience, uint32_t number, const struct audience_block *block);
