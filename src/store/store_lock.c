// Lock words: one 32-bit futex each.
//
// A word is FREE, HELD, or CONTENDED (held, and somebody may sleep on it): taking a free word and giving back an
// uncontended one is one atomic instruction, no system call. The table is zeroed memory of the operating system, so
// only the pages of words that were ever locked cost memory: at most 4 MiB a class.
// The hash is keyed at random, so that nobody outside can aim many keys at one word.
//
// Invariants: 1. a transaction's words are ascending and distinct; 2. a word above all it holds is waited for only
// after those below are held, hence no cycle.
#include "store/store_lock.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "store/store_futex.h"

enum { FREE, HELD, CONTENDED };

struct store_lock_table {
  uint8_t hash_key[crypto_shorthash_KEYBYTES];
  _Atomic uint32_t words[STORE_LOCK_CLASS_COUNT * LIMIT_LOCK_WORDS];
};

enum err store_lock_table_open(struct store_lock_table **table) {
  struct store_lock_table *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  randombytes_buf(made->hash_key, sizeof made->hash_key);
  *table = made;
  return ERR_OK;
}

void store_lock_table_close(struct store_lock_table *table) {
  alloc_free(table);
}

void store_lock_held_release(struct store_lock_held *held) {
  assert(held->count == 0);
  alloc_free(held->words);
  *held = (struct store_lock_held){0};
}

static void word_lock(_Atomic uint32_t *word) {
  uint32_t expected = FREE;
  if (atomic_compare_exchange_strong_explicit(word, &expected, HELD, memory_order_acquire, memory_order_relaxed)) {
    return;
  }
  while (atomic_exchange_explicit(word, CONTENDED, memory_order_acquire) != FREE) store_futex_wait(word, CONTENDED, 0);
}

static void word_unlock(_Atomic uint32_t *word) {
  if (atomic_exchange_explicit(word, FREE, memory_order_release) == CONTENDED) store_futex_wake(word, 1);
}

static uint32_t word_of(const struct store_lock_table *table, enum store_lock_class lock_class, struct bytes key) {
  uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES, "one 64-bit hash");
  crypto_shorthash((uint8_t *)&hash, key.data, key.size_bytes, table->hash_key);
  return (uint32_t)lock_class * LIMIT_LOCK_WORDS + (uint32_t)(hash % LIMIT_LOCK_WORDS);
}

static int compare_words(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a;
  uint32_t right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static enum err reserve(struct store_lock_held *held, size_t extra_count) {
  size_t needed = held->count + extra_count;
  if (needed <= held->capacity_count) return ERR_OK;
  size_t capacity = needed < 64 ? 64 : needed * 2;
  uint32_t *words = alloc_resize(held->words, capacity * sizeof *words);
  if (!words) return ERR_NO_MEMORY;
  held->words = words;
  held->capacity_count = capacity;
  return ERR_OK;
}

// Sorts `words` and drops doubles; returns how many are left.
static size_t sort_distinct(uint32_t *words, size_t count) {
  if (count < 2) return count;
  qsort(words, count, sizeof *words, compare_words);
  size_t kept = 1;
  for (size_t i = 1; i < count; i++) {
    if (words[i] != words[kept - 1]) words[kept++] = words[i];
  }
  return kept;
}

enum err store_lock_take(struct store_lock_table *table, struct store_lock_held *held, enum store_lock_class lock_class,
                         const struct bytes *keys, size_t count) {
  assert((int)lock_class >= held->class_next && lock_class < STORE_LOCK_CLASS_COUNT);
  if (count == 0) return ERR_OK;
  if (reserve(held, count) != ERR_OK) return ERR_NO_MEMORY;
  uint32_t *words = held->words + held->count;
  for (size_t i = 0; i < count; i++) words[i] = word_of(table, lock_class, keys[i]);
  size_t distinct = sort_distinct(words, count);
  assert(lock_class != STORE_LOCK_CUSTOMER || distinct <= LIMIT_TXN_CUSTOMERS);
  for (size_t i = 0; i < distinct; i++) word_lock(&table->words[words[i]]);
  held->count += distinct;
  held->class_next = (int)lock_class + 1;
  return ERR_OK;
}

void store_lock_give_back(struct store_lock_table *table, struct store_lock_held *held) {
  for (size_t i = 0; i < held->count; i++) word_unlock(&table->words[held->words[i]]);
  held->count = 0;
  held->class_next = 0;
}
