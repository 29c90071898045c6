// audience: the members of a segment as bitmaps.
//
// Layer 5. Customers stand in a bitmap by their id; ids are dense. The bitmap of a question is stored in blocks of
// 65,536 ids, keyspace AUDIENCE, changed in the commit that changes the membership: a change is appended unread, and
// whoever reads folds. Key: question (u32), side (u8), block (u32), big endian. Side 0: members; side k + 1: those whom
// exclusion k removes; side 17: those of whom the answer is not known. Row: pieces one after another, the later the
// stronger; numbers little endian:
//   'R' size (u32) and a portable Roaring bitmap of the low 16 bits: everything before is void
//   '+' u16: this one is in      '-' u16: this one is out
// ids above UINT32_MAX have no place: ERR_LIMIT. In memory a block is 8 KiB, whoever is in; a block without anybody
// takes none. Errors of reading: the store's, ERR_CORRUPT (a row or a key is damaged), ERR_NO_MEMORY.
// Threads: an audience belongs to one at a time; those that only read it may be many.
#pragma once

#include "store/store.h"

enum { AUDIENCE_BLOCK_IDS = 65536, AUDIENCE_ID_MAX_BITS = 32 };

// Appends a change of one customer.
enum err audience_change(struct store_txn *txn, uint32_t question, uint32_t side, uint64_t customer, bool in);

// Changes of several, in their order: those of neighbours that stand together are appended together.
struct audience_move {
  uint64_t customer;
  bool in;
};
enum err audience_change_many(struct store_txn *txn, uint32_t question, uint32_t side,
                              const struct audience_move *moves, size_t count);

// Appends the row folded to one 'R' piece (nothing when the block is empty); also what the store calls when it tidies
// rows. Only ever the beginning of a row or all of it: an 'R' voids what stands before. Equal sets give equal bytes.
// Pure, without allocation but that of `out`. ERR_CORRUPT and ERR_NO_MEMORY leave what `out` holds as it was.
enum err audience_fold(struct bytes row, struct buffer *out);

// For store_set_tidy: a whole row with changes in it becomes one 'R' piece, where that is shorter.
bool audience_tidy(struct bytes row, struct buffer *out);

// A set of customers, wholly in memory; the caller's until audience_close.
struct audience;
enum err audience_open(struct audience **audience); // empty
// One side of a question as a snapshot has it.
enum err audience_read(struct audience **audience, struct store_snapshot *snapshot, uint32_t question, uint32_t side);
void audience_close(struct audience *audience);
enum err audience_add(struct audience *audience, uint64_t customer);
bool audience_has(const struct audience *audience, uint64_t customer);
uint64_t audience_count(const struct audience *audience);
void audience_and(struct audience *a, const struct audience *b); // in place: a = a and b
uint64_t audience_and_count(const struct audience *a, const struct audience *b);
// The ids from `from` on, ascending, at most `count`; how many are written.
size_t audience_list(const struct audience *audience, uint64_t from, uint64_t *ids, size_t count);

// Without holding whole bitmaps, block by block (8 KiB a question): members of a question; and for `count` questions
// the matrix of how many are in both (cells[i * count + j], the diagonal: members).
enum err audience_stored_count(struct store_snapshot *snapshot, uint32_t question, uint32_t side, uint64_t *count);
enum err audience_overlap(struct store_snapshot *snapshot, const uint32_t *questions, size_t count, uint64_t *cells);
// How many are in any, and how many in all, of `count` questions.
enum err audience_union_count(struct store_snapshot *snapshot, const uint32_t *questions, size_t count, uint64_t *any,
                              uint64_t *all);
