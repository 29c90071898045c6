// audience_block: sets of 65,536 as bits.
//
// Invariants: 1. `count` is the number of bits set; 2. every operation is a straight run over 1,024 words, so that its
// cost does not depend on who is in (half a microsecond for the count of an intersection).
//
// The plain x86-64 that we compile for has no instruction that counts bits; every processor of the last fifteen years
// does. So the loop is compiled twice, and which one runs is asked for at run time.
#include "segment/audience_block.h"

#include <string.h>

static inline __attribute__((always_inline)) uint32_t count_both(const uint64_t *a, const uint64_t *b) {
  uint64_t count = 0;
  for (size_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++) count += (unsigned)__builtin_popcountll(a[i] & b[i]);
  return (uint32_t)count;
}

static uint32_t count_anywhere(const uint64_t *a, const uint64_t *b) {
  return count_both(a, b);
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) static uint32_t count_by_instruction(const uint64_t *a, const uint64_t *b) {
  return count_both(a, b);
}

static uint32_t count_words(const uint64_t *a, const uint64_t *b) {
  return __builtin_cpu_supports("popcnt") ? count_by_instruction(a, b) : count_anywhere(a, b);
}
#else
static uint32_t count_words(const uint64_t *a, const uint64_t *b) {
  return count_anywhere(a, b);
}
#endif

void audience_block_clear(struct audience_block *block) {
  memset(block, 0, sizeof *block);
}

void audience_block_set(struct audience_block *block, uint16_t low, bool in) {
  uint64_t *word = &block->words[low >> 6], bit = UINT64_C(1) << (low & 63);
  bool was_in = (*word & bit) != 0;
  if (was_in == in) return;
  *word ^= bit;
  block->count = in ? block->count + 1 : block->count - 1;
}

void audience_block_and(struct audience_block *a, const struct audience_block *b) {
  for (size_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++) a->words[i] &= b->words[i];
  a->count = count_words(a->words, a->words);
}

void audience_block_or(struct audience_block *a, const struct audience_block *b) {
  for (size_t i = 0; i < AUDIENCE_BLOCK_WORDS; i++) a->words[i] |= b->words[i];
  a->count = count_words(a->words, a->words);
}

uint32_t audience_block_and_count(const struct audience_block *a, const struct audience_block *b) {
  return count_words(a->words, b->words);
}
