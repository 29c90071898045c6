// strips: what scans want of TIMELINE, side by side in a file, so that a count is a walk over bytes that lie together.
//
// Layer 4. A strip holds the packed rows of STRIPS_CUSTOMERS neighbouring ids, without event ids: a copy that a scan
// makes in passing and the next ones read. Walking the store costs 0.4 us a customer, a strip a quarter of that. It is
// a cache: the file has no name, belongs to this process and is empty when it starts; nothing depends on what is in it.
//
// Coherence is exact and asks nothing of readers. The store tells of every change of a TIMELINE row (store_watch):
// before a commit is seen the id is marked as changing, and after it, before its lock is given back, with the number of
// the present epoch. A scan begins an epoch, then opens its snapshot. What a strip says of an id holds for a scan when
// the id's mark is below the epoch of the scan that made the strip and below its own: no commit lies between the two
// snapshots. Other ids are read from the store.
//
// Memory: 4 bytes an id, and little else. Threads: all calls by any thread, except open and close.
#pragma once

#include "store/store.h"

enum { STRIPS_CUSTOMERS = 256 };

struct strips;

// `directory` gets the file. One cache a store; closed before the store is. ERR_IO, ERR_NO_MEMORY.
enum err strips_open(struct strips **strips, struct store *store, const char *directory);
void strips_close(struct strips *strips);

// Begins an epoch: before the snapshot of a scan is opened.
uint32_t strips_begin(struct strips *strips);

// The strip with `id` in it, appended to `out`; *good gets a bit for each id of it for which the strip holds. False:
// there is none, or most of it does not hold: read the store. Never fails otherwise.
struct strips_good {
  uint64_t bits[STRIPS_CUSTOMERS / 64];
};
bool strips_read(struct strips *strips, uint64_t id, uint32_t epoch, struct buffer *out, struct strips_good *good);

// Keeps a strip made from a snapshot of `epoch`. A failure means that it is not kept.
void strips_keep(struct strips *strips, uint64_t id, uint32_t epoch, struct bytes strip);
