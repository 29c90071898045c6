// store_backend: what a keeper of bytes must offer, and what the front does with it.
//
// Layer 2, private to this folder. The front (store.c) does overlay, locks, marks and cursors once for everybody; a
// backend only reads, applies one batch, syncs and walks a range. A wrapper is a backend that calls another one.
// Threads: every function but close may be called by many threads at once; one range belongs to one thread.
#pragma once

#include "store/store.h"

// One key that a transaction changes. A transaction holds at most one for a key: later writes are folded into it.
enum store_write_kind { STORE_WRITE_PUT, STORE_WRITE_DELETE, STORE_WRITE_APPEND };

struct store_write {
  struct store_write *next; // in the order of first writing
  struct store_write *same_slot;
  uint64_t hash;
  const uint8_t *key;
  uint8_t *value;
  uint32_t key_bytes;
  uint32_t value_bytes;
  uint32_t value_capacity_bytes;
  uint8_t keyspace;
  uint8_t kind;
};

struct store_batch {
  struct store_write *first;
  size_t count;
  uint64_t bytes; // keys and values together
};

static inline struct bytes store_write_key(const struct store_write *write) {
  return bytes_of(write->key, write->key_bytes);
}
static inline struct bytes store_write_value(const struct store_write *write) {
  return bytes_of(write->value, write->value_bytes);
}

// Where a range goes next. AT_OR_AFTER takes a key, which the range itself clamps to its bounds.
enum store_move {
  STORE_MOVE_FIRST,
  STORE_MOVE_LAST,
  STORE_MOVE_NEXT,     // only when standing on a row
  STORE_MOVE_PREVIOUS, // only when standing on a row
  STORE_MOVE_AT_OR_AFTER,
};

struct store_row {
  struct bytes key;
  struct bytes value;
};

struct store_range;
struct store_range_ops {
  // False when there is no such row or on a failure; then only a move that needs no row may follow. The row's
  // views are valid until the next move.
  bool (*move)(struct store_range *range, enum store_move move, struct bytes key, struct store_row *row);
  enum err (*error)(const struct store_range *range);
  void (*close)(struct store_range *range);
};

// The head of every backend's own range.
struct store_range {
  const struct store_range_ops *ops;
};

// `view` is a snapshot of this backend, or NULL for the newest state.
struct store_backend_ops {
  void (*close)(void *self);
  enum err (*get)(void *self, void *view, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                  struct bytes *value);
  enum err (*get_many)(void *self, void *view, enum store_keyspace keyspace, const struct bytes *keys, size_t count,
                       struct arena *arena, struct bytes *values);
  enum err (*scan)(void *self, void *view, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                   struct store_range **range);
  enum err (*view_open)(void *self, void **view);
  void (*view_close)(void *self, void *view);
  // All of the batch or nothing. Visible on return, not yet durable.
  enum err (*commit)(void *self, const struct store_batch *batch, struct diag *diag);
  // Makes every write that was visible when the call began survive a crash. ERR_FULL for want of room on the disk.
  enum err (*sync)(void *self);
  // True when writes fail until `recover` has succeeded. NULL: never.
  bool (*broken)(void *self);
  // Makes a failed backend writable again; *lost when writes that were not synced may be gone. NULL: cannot.
  enum err (*recover)(void *self, bool *lost);
  enum err (*checkpoint)(void *self, const char *path, struct diag *diag);
  enum err (*compact)(void *self, enum store_keyspace keyspace, struct bytes from, struct bytes to, struct diag *diag);
  enum err (*get_stats)(void *self, struct store_stats *stats); // all but commits, syncs, conflicts
  void (*set_tidy)(void *self, enum store_keyspace keyspace, store_tidy_fn *tidy);
  // Told after the keys of one class were locked. NULL: not interested.
  void (*locked)(void *self);
};

struct store_backend {
  const struct store_backend_ops *ops;
  void *self;
};

// Puts a front before `backend`, which it owns from then on: also on failure, when it is closed.
enum err store_front_open(struct store **store, struct store_backend backend);

// The backend behind a front. It stays the front's.
struct store_backend store_front_backend(struct store *store);

// How `keyspace` is tuned: the third column of STORE_KEYSPACES.
enum store_key_class { STORE_KEY_customer, STORE_KEY_lookup, STORE_KEY_small };
enum store_key_class store_keyspace_class(enum store_keyspace keyspace);

// Ranges of this keyspace mostly lie among keys that begin with the same so many bytes: a customer, a question. 0: they
// do not.
static inline size_t store_keyspace_prefix_bytes(enum store_keyspace keyspace) {
  if (keyspace == STORE_AUDIENCE) return sizeof(uint32_t);
  return store_keyspace_class(keyspace) == STORE_KEY_customer ? sizeof(uint64_t) : 0;
}

// May rows be appended to without being read?
static inline bool store_keyspace_is_appended(enum store_keyspace keyspace) {
  return keyspace == STORE_CUSTOMER || keyspace == STORE_TIMELINE || keyspace == STORE_PROJECTION ||
         keyspace == STORE_AUDIENCE;
}
