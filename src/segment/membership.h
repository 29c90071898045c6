// membership: what is known of one customer's answers: the segments she is in, since when and until when that is sure,
// and her computed attributes.
//
// Layer 5. One row beside her record (CUSTOMER_ROW_MEMBERSHIP), read with it in one round. An entry that is not there
// says: not a member, attribute null, and time alone does not change it. Memory: entries in the arena, values views
// into the row or the arena.
//
// Row: a base, which is what a membership is written as, and pieces behind it, each what one commit changed of it: an
// event changes ten entries of hundreds, and a row of hundreds is not written again for them. Whoever reads takes base
// and pieces in their order; who writes says by membership_encode_change which of both it is to be.
//
// Base: format (1), then varints: the armed timer's time, zigzag, + 1 (0: none), count, and by question ascending:
// difference to the question before (the first: the question), flags (1 member, 2 unknown, 4 valid until, 8 excluded,
// 16 value), then what they announce: [since], [valid until], [excluded], [size and bytes of the value]. An instant is
// k, for the k-th that was written in full, of the first 511; or 0, and in full: zigzag, what it is later than the one
// before it that was written in full. One event opens the windows of many questions, so most are one byte. A membership
// is always written in the same way, and one that says nothing has no row.
//
// Piece: 2, or 3 and the timer as above, when it changed; then count and entries as in a base, with instants of its
// own; flags 0: this entry is no more.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "value/value.h"

#define MEMBERSHIP_FOREVER INT64_MAX

struct membership_entry {
  uint32_t question;
  bool member;
  bool unknown;           // a limit was met: no member, and excluded where this excludes
  uint16_t excluded;      // bit k: the include is true, and so is exclusion k
  int64_t since_us;       // of a member: when she entered
  int64_t valid_until_us; // time alone may change it then; MEMBERSHIP_FOREVER
  struct value value;     // of an attribute; absent: null
};

// The row that a membership was read from, and what was done to it since.
enum { MEMBERSHIP_CHANGES_MAX = 64 };
struct membership_since {
  size_t base_bytes, pieces_bytes; // both 0: there was none
  int64_t timer_us;
  uint32_t changed[MEMBERSHIP_CHANGES_MAX]; // questions, in any order, repeats do not matter
  size_t count;                             // above MEMBERSHIP_CHANGES_MAX: more than are told
};

struct membership {
  int64_t timer_us;                 // what is armed in TIMER; MEMBERSHIP_FOREVER: nothing
  struct membership_entry *entries; // by question
  size_t count, capacity;
  struct membership_since since;
};

// The audiences she is in by an entry (audience.h), a bit each: 0 a member, k + 1 removed by exclusion k, then
// MEMBERSHIP_SIDE_UNKNOWN.
enum { MEMBERSHIP_SIDE_MEMBER = 0, MEMBERSHIP_SIDE_UNKNOWN = 17, MEMBERSHIP_SIDES };
static inline uint32_t membership_sides(const struct membership_entry *entry) {
  return (uint32_t)entry->member | (uint32_t)entry->excluded << 1 | (uint32_t)entry->unknown << MEMBERSHIP_SIDE_UNKNOWN;
}

// An absent row is an empty membership. ERR_CORRUPT, ERR_NO_MEMORY. Values are not looked into: value_check does that.
enum err membership_decode(struct bytes row, struct arena *arena, struct membership *membership);
void membership_encode(const struct membership *membership, struct buffer *out); // nothing when it says nothing

// What makes the row that it was read from say what it says now. True: `out` is a piece, to be appended to that row.
// False: `out` is the row anew, as membership_encode gives it: where there was none, where much changed, and where
// pieces have come to be half as long as their base. Whoever changes an entry in place notes it before.
bool membership_encode_change(struct membership *membership, struct buffer *out);
static inline void membership_note(struct membership *membership, uint32_t question) {
  struct membership_since *since = &membership->since;
  if (since->count < MEMBERSHIP_CHANGES_MAX) since->changed[since->count] = question;
  if (since->count <= MEMBERSHIP_CHANGES_MAX) since->count++;
}

// NULL: none.
struct membership_entry *membership_find(const struct membership *membership, uint32_t question);
// Sets an entry; one that says nothing is taken out. The value's bytes must outlive the membership.
enum err membership_set(struct membership *membership, struct arena *arena, const struct membership_entry *entry);
// The earliest valid_until of all entries.
int64_t membership_due_us(const struct membership *membership);
