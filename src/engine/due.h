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

// A walk over all that is due, in as many calls as that takes: what was worked off is deleted, and a store steps over
// what was deleted one by one, so a call goes on behind the last of the call before. A transaction that set a timer for
// `now + 1` may commit a while after the clock has passed it: the next walk looks from a minute before this one on.
struct due_walk {
  int64_t from_us;  // every row before it was worked off; INT64_MIN at the beginning
  bool goes_on;     // the last call found more than it took
  int64_t round_us; // when this walk began
  bool repeats;     // calls of this walk left some
  struct due last;
};

// One call: up to 8192 rows. *more: call again at once. *late_us: of the oldest row. How many were worked off is added
// to *done. One call at a time.
enum err due_tick(struct engine *engine, enum store_keyspace keyspace, struct due_walk *walk, due_work_fn *work,
                  bool *more, int64_t *late_us, _Atomic uint64_t *done, struct diag *diag);
