// feed: who entered and who left which segment, and what moved members' points, tiers and vouchers, in order of
// commits.
//
// A commit writes its changes as one row of CHANGE (feed_row.h), and now and then says in which stretch of the feed a
// segment has changes. Numbers are taken just before a commit and given back after it, so that a reader, who goes no
// further than the lowest number in use, never passes one that is still to come.
#pragma once

#include "engine/work.h"

// What changed for a member (feed_loyalty.c).
enum feed_loyalty_kind { FEED_POINTS = 1, FEED_TIER, FEED_VOUCHER };
struct feed_loyalty {
  enum feed_loyalty_kind kind;
  uint8_t change; // index into the words of its kind
  uint32_t programme;
  uint8_t currency, level, before;
  int64_t amount;
  uint64_t posting;  // 0: none
  struct bytes code; // of a voucher
};

// One change of one customer.
struct live_change {
  uint64_t customer;
  const struct segment_definition *segment; // NULL: of loyalty
  const struct feed_loyalty *loyalty;
  bool entered;
  bool backfill; // of the first population of a version
  int64_t at_us; // when it became so
};

enum { FEED_DAYS = 30 }; // for which changes are kept

struct feed;

// A segment of which a commit says that it has changes in a block.
struct feed_told {
  const struct segment_definition *segment;
  uint64_t block;
};

// Numbers taken by one transaction; a link of the list of those in use.
struct feed_claim {
  uint64_t first;
  size_t count; // 0: none
  struct feed_claim *previous, *next;
  struct feed_told *told; // in the work's arena
  size_t told_count, told_capacity;
  uint32_t generation; // of the store (store_generation), when `told` was made out
};

enum err feed_open(struct feed **feed, struct store_snapshot *snapshot);
void feed_close(struct feed *feed);

// Adds a change to those of the transaction; in the arena what it points to.
enum err feed_note(struct work *work, const struct live_change *change);
// What loyalty did, in its order: a posting, what followed from it, what became of a code.
struct loyalty_posting;
struct loyalty_news;
enum err feed_note_posting(struct work *work, uint64_t customer, const struct loyalty_posting *posting);
enum err feed_note_news(struct work *work, uint64_t customer, uint32_t programme, const struct loyalty_news *news);
enum err feed_note_code(struct work *work, uint64_t customer, uint32_t programme, const char *event, struct bytes code,
                        int64_t at_us);

// Writes the changes of the transaction, as its last step but what rides. feed_release is called in every case, after
// the commit, while the work's arena and set are still there.
enum err feed_write(struct work *work, struct feed_claim *claim);
void feed_release(struct engine *engine, struct feed_claim *claim, bool committed);

// Deletes changes that are too old, some a call; whoever calls holds upkeep_mutex.
enum err feed_sweep(struct engine *engine, bool *more, struct diag *diag);

// The first number that may still be missing.
uint64_t feed_horizon(struct engine *engine);
// The number of the last change a snapshot has; 0: it has none.
enum err feed_last(struct store_snapshot *snapshot, uint64_t *last);
// All changes up to this number may be gone; 0: none is.
uint64_t feed_floor(const struct engine *engine);
