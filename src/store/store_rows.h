// store_rows: rows of the newest state, in bounded memory.
//
// Layer 2, private to this folder. Most rows that are read before a write are short: who has an identifier, the head of
// a timeline. Live segments read long ones too: what a customer's memberships are, her record, her timeline. RocksDB
// finds one in 2 to 8 us, through filters, indexes and blocks; here it takes a tenth of that. A short row takes what it
// needs and some 20 bytes, a long one (up to STORE_RING_ROW_BYTES_MAX) an eighth more and some 80; a block cache keeps
// the neighbours too, which nobody asked for.
//
// Rows are found by a keyed 128-bit hash of their key; the key itself is not kept: 64 bits and the bits that chose the
// place must be equal, so one look-up in 2^70 could take another key's row.
//
// Coherence. Whoever commits writes here after the database and before its locks are given back. A reader notes the
// state of its row's lock (struct store_rows_place) before it reads the database, and what it read is kept only when
// nobody wrote there since. An append is not the same twice: from before it is given to the database until it is here,
// nothing that was read is kept, because it may have it already. Two commits that write the same row are ordered by a
// lock of the store that both hold (a customer's, of all her rows), so they come here in the order in which they came
// to the database. What is appended to a row that is here is appended here; the row may differ in form from the
// database's (store_set_tidy), not in meaning. Snapshots never look here. Threads: all calls but open and close by any
// thread.
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "store/store_backend.h"
#include "store/store_ring.h"

struct store_rows;

// `short_bytes` of memory for rows of up to 48 bytes, `long_bytes` for longer ones and those that are appended to.
enum err store_rows_open(struct store_rows **rows, size_t short_bytes, size_t long_bytes);
void store_rows_close(struct store_rows *rows);

// True for the keyspaces whose rows are kept.
bool store_rows_covers(enum store_keyspace keyspace);

// Where a row would be, and what had been written there when it was looked for.
struct store_rows_place {
  uint64_t fingerprint, index;
  uint32_t writes;
};

// Looks for many rows. values[i].data is NULL for those that are not here; their places[i] is for store_rows_keep.
enum err store_rows_find(struct store_rows *rows, enum store_keyspace keyspace, const struct bytes *keys, size_t count,
                         struct arena *arena, struct bytes *values, struct store_rows_place *places);

// Keeps what the database had there, unless it is too long or somebody wrote since.
void store_rows_keep(struct store_rows *rows, enum store_keyspace keyspace, const struct store_rows_place *place,
                     struct bytes value);

// Before what follows is given to the database, and store_rows_write after it, by the same thread.
void store_rows_begin(struct store_rows *rows, const struct store_batch *batch);

// What was committed. `known` false: the commit failed, and nobody can say what is there.
void store_rows_write(struct store_rows *rows, const struct store_batch *batch, bool known);

// Forgets everything.
void store_rows_clear(struct store_rows *rows);
