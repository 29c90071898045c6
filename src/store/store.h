// store: the narrow waist between Rapport and whatever keeps its bytes.
//
// Layer 2. Ordered keys to values in named keyspaces; transactions; snapshots; checkpoints. Everything above is
// written once and knows no backend. Backends: RocksDB (embedded), memory (tests), later PostgreSQL/Citus; two
// wrappers with the same table inject faults and record calls. One workspace per store.
//
// Transactions. begin, lock, read, write, then commit or abort. Reads see the transaction's own writes. Writes
// are kept in the transaction and reach the backend as one atomic batch at commit. Locks are taken class by class
// in the order of enum store_lock_class, each class once, all its keys in one call; the store sorts them. So two
// transactions never deadlock. A transaction locks at most LIMIT_TXN_CUSTOMERS customers.
// What another engine will ask and this waist therefore keeps: a transaction reads by key, many keys a call
// (one statement), or by a range inside ONE customer; ranges across customers are for snapshots only, and a
// snapshot promises consistency inside each customer, not across them. A commit can fail with ERR_CONFLICT:
// store_run repeats the body.
//
// Durability. Commit writes under the locks, unsynced, and releases them; the returned `struct store_mark` says
// what must be on disk before anybody is told. store_wait blocks for it, store_notify calls back. A reader waits
// for store_mark_now taken after its reads: nothing is told that a crash could take back.
//
// Disk. Before a commit the free space is compared with the reserve: below it ERR_FULL, code "disk_full", and
// nothing was changed. Reads go on; writes work again by themselves when there is space.
//
// Memory. Bytes given out by reads live in the arena passed in. Threads: a store is shared; a transaction, a
// snapshot cursor belong to one thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

// One line per keyspace: name, the class of its key, and how it is tuned.
//   customer  the key begins with the customer id (8 bytes, big endian; shorter ones are a bug, asserted); a
//             distributed engine places by it
//   lookup    the key is placed by itself and only ever read by whole key, except by a snapshot
//   small     workspace documents: few rows, cached
#define STORE_KEYSPACES(X)                                                                                             \
  X(META, meta, small)                /* format version, counters */                                                   \
  X(DOCUMENT, document, small)        /* identity rules, sources, keys, jobs: versioned documents */                   \
  X(NAME, name, small)                /* the dictionary of names */                                                    \
  X(CUSTOMER, customer, customer)     /* the record, the timeline head, the memberships */                             \
  X(TIMELINE, timeline, customer)     /* hot columns, in chunks; appended */                                           \
  X(PROJECTION, projection, lookup)   /* copies of hot columns, by name, for counts; appended */                       \
  X(PAYLOAD, payload, customer)       /* everything else of an event, packed */                                        \
  X(EDGE, edge, customer)             /* who was joined with whom, by what, when */                                    \
  X(IDENTIFIER, identifier, lookup)   /* identifier to customer; devices with their owners */                          \
  X(MESSAGE, message, lookup)         /* deduplication: keyed hash of (source, message id) */                          \
  X(SEARCH, search, lookup)           /* folded name tokens to customers */                                            \
  X(AUDIENCE, audience, lookup)       /* members of segments as bitmaps, in blocks; appended */                        \
  X(LEDGER, ledger, customer)         /* loyalty: postings, holds, orders of a member */                               \
  X(VOUCHER, voucher, lookup)         /* codes and cards, and their redemptions */                                     \
  X(COUNTER, counter, lookup)         /* budgets and uses that many members share */                                   \
  X(ORDERS, orders, lookup)           /* an order's id to the customers that have it */                                \
  X(DUE, due, lookup)                 /* when the clock alone changes what a member has */                             \
  X(TIMER, timer, lookup)             /* when the clock alone changes an answer about a customer */                    \
  X(CHANGE, change, lookup)           /* the feed: who entered and left which segment, in order of commits */          \
  X(ASIDE, aside, lookup)             /* rejected and set-aside events, kept for correction */                         \
  X(RECEIPT, receipt, lookup)         /* erasure receipts and suppressed keyed hashes */                               \
  X(IDEMPOTENCY, idempotency, lookup) /* Idempotency-Key to the stored response */

enum store_keyspace {
#define X(upper, lower, key_class) STORE_##upper,
  STORE_KEYSPACES(X)
#undef X
      STORE_KEYSPACE_COUNT
};

// The order in which a transaction takes its locks.
enum store_lock_class {
  STORE_LOCK_IDEMPOTENCY,
  STORE_LOCK_IDENTIFIER,
  STORE_LOCK_CUSTOMER,
  STORE_LOCK_CODE,
  STORE_LOCK_COUNTER,
  STORE_LOCK_CLASS_COUNT
};

struct store;
struct store_txn;
struct store_snapshot;
struct store_cursor;

// How far the log must be synced for a write (or what a read saw) to survive a crash.
struct store_mark {
  uint64_t sequence;
};

struct store_options {
  const char *path;          // the data directory; created when `create`
  bool create;               // make a new workspace; ERR_BUSY with code "exists" when there is one
  size_t cache_bytes;        // block cache, indexes and filters included (0: 160 MiB)
  size_t write_buffer_bytes; // all memtables together (0: 96 MiB)
  uint64_t reserve_bytes;    // free space below which writes are refused (0: 256 MiB and what is computed)
  bool bulk;                 // an import owns the directory: fewer, larger flushes; durability unchanged
};

// Opens the embedded store. ERR_BUSY code "in_use" when another process has it, ERR_NOT_FOUND code
// "no_workspace", ERR_UNSUPPORTED code "format_too_new" for a directory written by a newer version.
enum err store_open_rocksdb(struct store **store, const struct store_options *options, struct diag *diag);

// A store in memory: for tests, and the only one under ThreadSanitizer.
enum err store_open_memory(struct store **store);

// Stops syncing after a last sync and closes. No transaction, snapshot or cursor may be open.
void store_close(struct store *store);

// --- transactions --------------------------------------------------------------------------------------------

enum err store_begin(struct store *store, struct store_txn **txn);

// Locks `keys` of one class: sorted and deduplicated inside, waited for without limit. A class lower than or equal
// to one already locked in this transaction is a bug (asserted), as are more than LIMIT_TXN_CUSTOMERS customers.
enum err store_lock_many(struct store_txn *txn, enum store_lock_class lock_class, const struct bytes *keys,
                         size_t count);

// Gives back every lock, keeps nothing written: for "the targets changed, lock again". Asserted: no writes yet.
void store_unlock_all(struct store_txn *txn);

// Reads one key. *value has data NULL when there is no such key. Bytes live in `arena`.
enum err store_get(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                   struct bytes *value);

// Reads many keys of one keyspace in one round; values[i] answers keys[i].
enum err store_get_many(struct store_txn *txn, enum store_keyspace keyspace, const struct bytes *keys, size_t count,
                        struct arena *arena, struct bytes *values);

// A range [from, to) inside one customer, in key order, through the transaction's own writes. The first eight
// bytes of both bounds are the same customer (asserted).
enum err store_scan(struct store_txn *txn, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                    struct store_cursor **cursor);

// Writes are copied into the transaction. They fail only for memory, and that is reported by commit too.
enum err store_put(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key, struct bytes value);
enum err store_delete(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key);

// Appends `value` to what the key holds (concatenation), without reading it. Only keys of TIMELINE, PROJECTION
// and AUDIENCE.
enum err store_append(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key, struct bytes value);

// Applies all writes at once, releases the locks and ends the transaction, whatever the outcome. ERR_CONFLICT: since it
// began commits may have been lost (store_generation), so what it read may never have been.
enum err store_commit(struct store_txn *txn, struct store_mark *mark, struct diag *diag);

// Drops the writes, releases the locks and ends the transaction.
void store_abort(struct store_txn *txn);

// Runs `body` in a transaction and commits when it returns ERR_OK; aborts otherwise. ERR_CONFLICT from the body
// or the commit runs it again, up to 16 times with growing pauses, then code "conflict".
typedef enum err store_body_fn(struct store_txn *txn, void *context, struct diag *diag);
enum err store_run(struct store *store, store_body_fn *body, void *context, struct store_mark *mark, struct diag *diag);

// Appended rows are concatenations; whoever knows what they mean can have them rewritten in a shorter form when the
// store touches them anyway, at times of its choosing, and never elsewhere: a reader meets both forms, and more may be
// appended to either. `tidy` appends the new form to `out`, or leaves the row as it is and returns false; it is pure,
// may run in any thread, and is kept until the store is closed. Of TIMELINE it is given parts of rows too: a run of
// what was appended, without what stands before; of AUDIENCE only rows from their beginning.
typedef bool store_tidy_fn(struct bytes row, struct buffer *out);
void store_set_tidy(struct store *store, enum store_keyspace keyspace, store_tidy_fn *tidy);

// Another number whenever commits that could be seen may have been lost since: after a failed log was recovered from.
uint32_t store_generation(struct store *store);

// --- durability ----------------------------------------------------------------------------------------------

// The mark of everything written so far.
struct store_mark store_mark_now(struct store *store);

// Blocks until `mark` is on disk (many waiters share one sync). ERR_IO when the log cannot be synced any more.
enum err store_wait(struct store *store, struct store_mark mark, struct diag *diag);

// Calls `done` once, from the sync thread (or at once when the mark is already durable), with ERR_OK or ERR_IO.
// `done` must be short and must not call the store.
typedef void store_done_fn(void *context, enum err err);
void store_notify(struct store *store, struct store_mark mark, store_done_fn *done, void *context);

// --- snapshots and ranges ------------------------------------------------------------------------------------

enum err store_snapshot_open(struct store *store, struct store_snapshot **snapshot);
void store_snapshot_close(struct store_snapshot *snapshot);
enum err store_snapshot_get(struct store_snapshot *snapshot, enum store_keyspace keyspace, struct bytes key,
                            struct arena *arena, struct bytes *value);
enum err store_snapshot_get_many(struct store_snapshot *snapshot, enum store_keyspace keyspace,
                                 const struct bytes *keys, size_t count, struct arena *arena, struct bytes *values);

// A range [from, to); an empty `to` runs to the end of the keyspace.
enum err store_snapshot_scan(struct store_snapshot *snapshot, enum store_keyspace keyspace, struct bytes from,
                             struct bytes to, struct store_cursor **cursor);

// Moves to the next row. False at the end or on a failure (store_cursor_error tells which). The views are valid
// until the next call on the cursor.
bool store_cursor_next(struct store_cursor *cursor, struct bytes *key, struct bytes *value);
// Jumps to the first row at or after `key`; the next store_cursor_next gives it.
void store_cursor_seek(struct store_cursor *cursor, struct bytes key);
// The row before: a cursor opened by a scan can be walked backwards from its end.
bool store_cursor_previous(struct store_cursor *cursor, struct bytes *key, struct bytes *value);
enum err store_cursor_error(struct store_cursor *cursor);
void store_cursor_close(struct store_cursor *cursor);

// --- the whole workspace -------------------------------------------------------------------------------------

// A consistent copy in a new directory `path`, made while writes go on (hard links where the file system can).
enum err store_checkpoint(struct store *store, const char *path, struct diag *diag);

// Rewrites the keys of [from, to) of one keyspace so that deleted bytes leave the disk (erasure).
enum err store_compact(struct store *store, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                       struct diag *diag);

struct store_stats {
  uint64_t keys_estimate[STORE_KEYSPACE_COUNT];
  uint64_t bytes[STORE_KEYSPACE_COUNT]; // on disk
  uint64_t log_bytes;
  uint64_t free_bytes; // of the file system
  uint64_t commits, syncs, conflicts;
  bool writable;
};
enum err store_get_stats(struct store *store, struct store_stats *stats);

// "customer", "timeline"… Static storage.
const char *store_keyspace_name(enum store_keyspace keyspace);
