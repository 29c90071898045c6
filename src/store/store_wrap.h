// store_wrap: two stores that stand in front of another one.
//
// Layer 2. Both own the inner store and close it with themselves.
#pragma once

#include "store/store.h"

// Fails the n-th call that could fail in production (get, scan, commit, sync, checkpoint). A failed commit has
// changed nothing; a failed sync leaves the store refusing every further write, as a real log does.
enum err store_open_fault(struct store **store, struct store *inner);
void store_fault_after(struct store *store, uint64_t calls_allowed, enum err err, bool sticky);
// Returns true when a failure was delivered since it was armed; disarms.
bool store_fault_disarm(struct store *store);
// The next attempt to recover finds a new log, and says that what was not synced may be lost.
void store_fault_heal(struct store *store);

// Counts rounds: a get, a get_many, a scan or a commit is one round trip of a distributed engine.
struct store_trace {
  uint64_t gets, get_manys, scans, locks, commits, snapshots;
  uint64_t keys_read, keys_written, bytes_read, bytes_written;
};
enum err store_open_trace(struct store **store, struct store *inner);
// The counts since the last reset.
struct store_trace store_trace_read(struct store *store);
void store_trace_reset(struct store *store);
