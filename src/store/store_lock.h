// store_lock: the lock words of a store, and the ones a transaction holds.
//
// Layer 2, private to this folder. Keys are hashed to LIMIT_LOCK_WORDS words a class; two keys on one word only wait
// for each other. The words of one call are taken in ascending order and each once, the classes in ascending order by
// the caller: no cycle of waiters can form. Threads: the table is shared, a held set is its transaction's.
#pragma once

#include "store/store.h"

struct store_lock_table;

enum err store_lock_table_open(struct store_lock_table **table);
void store_lock_table_close(struct store_lock_table *table);

// The words one transaction holds. All zero is empty.
struct store_lock_held {
  uint32_t *words; // class * LIMIT_LOCK_WORDS + word, ascending
  size_t count;
  size_t capacity_count;
  int class_next; // the lowest class that may still be locked
};

void store_lock_held_release(struct store_lock_held *held);

// Waits for all of `keys`. Fails only for memory, before anything is taken.
enum err store_lock_take(struct store_lock_table *table, struct store_lock_held *held, enum store_lock_class lock_class,
                         const struct bytes *keys, size_t count);

// Gives everything back; `held` is empty and keeps its memory.
void store_lock_give_back(struct store_lock_table *table, struct store_lock_held *held);
