// feed: who entered and who left which segment, in order of commits.
//
// Rows of CHANGE: "a" number (u64): a change; "s" segment id, 0, number: the same by segment, without value. Numbers
// are taken just before a commit and given back after it, so that a reader, who goes no further than the lowest number
// in use, never passes one that is still to come.
#pragma once

#include "engine/work.h"

// One change of one customer.
struct live_change {
  uint64_t customer;
  const struct segment_definition *segment;
  bool entered;
  bool backfill; // of the first population of a version
  int64_t at_us; // when it became so
};

struct feed;

// Numbers taken by one transaction; a link of the list of those in use.
struct feed_claim {
  uint64_t first;
  size_t count; // 0: none
  struct feed_claim *previous, *next;
};

enum err feed_open(struct feed **feed, struct store_snapshot *snapshot);
void feed_close(struct feed *feed);

// Writes the changes of the transaction, as its last step but what rides. feed_release is called in every case, after
// the commit.
enum err feed_write(struct work *work, struct feed_claim *claim);
void feed_release(struct engine *engine, struct feed_claim *claim);

// Deletes changes that are too old, some a call; whoever calls holds upkeep_mutex.
enum err feed_sweep(struct engine *engine, bool *more, struct diag *diag);

// The first number that may still be missing.
uint64_t feed_horizon(struct engine *engine);
