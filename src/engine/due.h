// due: customers for whom something falls due by the clock, oldest first, worked off in several threads.
//
// Rows of a keyspace, one for each customer with something to come: when (i64), customer (u64); no value.
#pragma once

#include "engine/internal.h"

struct due {
  int64_t due_us;
  uint64_t customer;
};

void due_key(struct key *key, int64_t due_us, uint64_t customer);

// Rows from (from->due_us, from->customer) on up to `to_us`, at most `room`.
enum err due_read(struct engine *engine, enum store_keyspace keyspace, const struct due *from, int64_t to_us,
                  struct due *items, size_t room, size_t *count);

// By customer; of one with several rows the first stays. How many are left.
size_t due_drop_repeats(struct due *items, size_t count);

// Calls `work` for up to LIMIT_TXN_CUSTOMERS of them at a time, in as many threads as are worth it. Whoever is ready
// takes the next ones, so that a thread that shares its processor holds nobody up. The first failure ends it.
typedef enum err due_work_fn(struct engine *engine, const struct due *items, size_t count, struct diag *diag);
enum err due_work_off(struct engine *engine, const struct due *items, size_t count, due_work_fn *work,
                      struct diag *diag);
