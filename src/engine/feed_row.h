// feed_row: how the feed lies in CHANGE.
//
// "a", number of its first change (u64): the changes of a commit, or FEED_ROW_CHANGES of them; the others of the row
// have the numbers that follow. "s", segment id, 0, block (u64) -> empty: the segment has changes in rows whose first
// number is of that block (number / FEED_BLOCK). No id: it is loyalty that has changes there.
//
// A row, varints: version of the format (2; 3: with changes of loyalty, feed_loyalty.c), how many changes, when they
// were committed (signed); of each change its question times 16 plus flags, the difference of the customer to the one
// before (signed) unless SAME says there is none, and how long before the commit it became so (signed) unless NOW says
// at once. Segment and version are found by the question: a definition's row stays.
#pragma once

#include "base/err.h"
#include "base/varint.h"
#include "engine/feed.h"

enum { FEED_ROW_CHANGES = 4096, FEED_BLOCK = 65536 };

struct feed_row {
  uint64_t first;
  size_t count;
  int64_t recorded_us;
  struct varint_reader reader; // behind the changes that were read
  size_t read;
  uint64_t customer; // of the last one read
};

struct feed_change {
  uint64_t number, customer;
  uint32_t question;
  bool entered, backfill;
  int64_t at_us;
  struct feed_loyalty loyalty; // where the question is 0; its code is a view into the row
};

static inline uint64_t feed_block(uint64_t number) {
  return number / FEED_BLOCK;
}

void feed_row_key(struct key *key, uint64_t first);
void feed_segment_key(struct key *key, struct bytes id, uint64_t block);

// Appends the row of 1 to FEED_ROW_CHANGES changes; out->failed tells.
void feed_row_encode(const struct live_change *changes, size_t count, int64_t recorded_us, struct buffer *out);

// The key and the value of a row, which must stay while it is read. ERR_CORRUPT, also for rows of another format.
enum err feed_row_open(struct feed_row *row, struct bytes key, struct bytes value);
// The next change. ERR_NOT_FOUND: there are no more. ERR_CORRUPT.
enum err feed_row_next(struct feed_row *row, struct feed_change *change);

void feed_loyalty_encode(const struct feed_loyalty *change, struct buffer *out);
enum err feed_loyalty_decode(struct varint_reader *reader, struct feed_loyalty *change);
// Members of an open object; `set` NULL: names are left out.
struct loyalty_set;
void feed_loyalty_json(const struct feed_loyalty *change, const struct loyalty_set *set, struct json_writer *writer);
