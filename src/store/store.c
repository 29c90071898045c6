// The front of every store: transactions with their overlay, and the way to backend, locks and marks.
//
// A transaction keeps at most one write for a key. A later write to the same key is folded into it, so the backend
// gets one batch without repetitions and a read of an own write is one look-up in a small hash table:
//   then:     put        delete     append
//   nothing   PUT        DELETE     APPEND
//   PUT       PUT        DELETE     PUT, longer
//   DELETE    PUT        DELETE     PUT
//   APPEND    PUT        DELETE     APPEND, longer
// Keys and values are copied into the transaction's arena. Ended transactions are kept with their memory in a few
// slots of the store, each taken and given back with one atomic exchange.
//
// Order of a commit: backend write, mark, locks. A mark taken before the locks are free cannot miss the write.
#include "store/store.h"

#include <assert.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "store/store_backend.h"
#include "store/store_cursor.h"
#include "store/store_lock.h"
#include "store/store_sync.h"

enum {
  IDLE_SLOTS = 32,          // ended transactions kept for reuse
  SLOTS_MIN = 128,          // of the overlay's table
  RUN_ATTEMPTS = 17,        // store_run: once and 16 times again
  RUN_PAUSE_MIN_US = 50,    // doubled each time
  RUN_PAUSE_MAX_US = 20000, //
};

struct store_txn {
  struct store *store;
  struct arena arena; // writes, and lists for the length of one call
  struct store_lock_held held;
  struct store_batch batch;
  struct store_write **last_next; // where the next write is linked
  struct store_write **slots;     // hash table of the writes, chained
  size_t slot_count;              // power of two
  uint32_t generation;            // of the store, before its first read
  bool failed;                    // a write ran out of memory: commit refuses
};

struct store {
  struct store_backend backend;
  struct store_lock_table *locks;
  struct store_sync *sync;
  uint8_t hash_key[crypto_shorthash_KEYBYTES];
  _Atomic(struct store_txn *) idle[IDLE_SLOTS];
  _Atomic uint64_t commits;
  _Atomic uint64_t conflicts;
};

static_assert(STORE_KEYSPACE_COUNT <= UINT8_MAX, "a keyspace fits store_write.keyspace");

// --- open and close ------------------------------------------------------------------------------------------

enum err store_front_open(struct store **store, struct store_backend backend) {
  enum err err = ERR_NO_MEMORY;
  struct store *made = alloc_zero(1, sizeof *made);
  if (!made || sodium_init() < 0) goto out;
  made->backend = backend;
  randombytes_buf(made->hash_key, sizeof made->hash_key);
  err = store_lock_table_open(&made->locks);
  if (err == ERR_OK) err = store_sync_open(&made->sync, backend);
out:
  if (err == ERR_OK) {
    *store = made;
    return ERR_OK;
  }
  if (made && made->locks) store_lock_table_close(made->locks);
  alloc_free(made);
  backend.ops->close(backend.self);
  return err;
}

struct store_backend store_front_backend(struct store *store) {
  return store->backend;
}

static void txn_free(struct store_txn *txn) {
  store_lock_held_release(&txn->held);
  arena_release(&txn->arena);
  alloc_free(txn->slots);
  alloc_free(txn);
}

void store_close(struct store *store) {
  if (!store) return;
  store_sync_close(store->sync);
  store->backend.ops->close(store->backend.self);
  for (size_t i = 0; i < IDLE_SLOTS; i++) {
    struct store_txn *txn = atomic_load(&store->idle[i]);
    if (txn) txn_free(txn);
  }
  store_lock_table_close(store->locks);
  alloc_free(store);
}

static const char *const keyspace_names[] = {
#define X(upper, lower, key_class) #lower,
    STORE_KEYSPACES(X)
#undef X
};

static const enum store_key_class keyspace_classes[] = {
#define X(upper, lower, key_class) STORE_KEY_##key_class,
    STORE_KEYSPACES(X)
#undef X
};

const char *store_keyspace_name(enum store_keyspace keyspace) {
  return keyspace_names[keyspace];
}

enum store_key_class store_keyspace_class(enum store_keyspace keyspace) {
  return keyspace_classes[keyspace];
}

// --- begin and end -------------------------------------------------------------------------------------------

// Each thread begins its search for an idle transaction at a slot of its own.
static size_t home_slot(void) {
  static _Atomic size_t threads;
  static _Thread_local size_t home = SIZE_MAX;
  if (home == SIZE_MAX) home = atomic_fetch_add(&threads, 1) % IDLE_SLOTS;
  return home;
}

static struct store_txn *take_idle(struct store *store) {
  size_t home = home_slot();
  for (size_t i = 0; i < IDLE_SLOTS; i++) {
    _Atomic(struct store_txn *) *slot = &store->idle[(home + i) % IDLE_SLOTS];
    if (!atomic_load_explicit(slot, memory_order_relaxed)) continue;
    struct store_txn *txn = atomic_exchange(slot, NULL);
    if (txn) return txn;
  }
  return NULL;
}

static struct store_txn *txn_new(struct store *store) {
  struct store_txn *txn = alloc_zero(1, sizeof *txn);
  if (!txn) return NULL;
  txn->slots = alloc_zero(SLOTS_MIN, sizeof(struct store_write *));
  if (!txn->slots) {
    alloc_free(txn);
    return NULL;
  }
  txn->slot_count = SLOTS_MIN;
  txn->store = store;
  arena_init(&txn->arena, 0);
  return txn;
}

enum err store_begin(struct store *store, struct store_txn **txn) {
  struct store_txn *taken = take_idle(store);
  if (!taken) taken = txn_new(store);
  if (!taken) return ERR_NO_MEMORY;
  taken->last_next = &taken->batch.first;
  taken->generation = store_sync_generation(store->sync);
  *txn = taken;
  return ERR_OK;
}

// The end of a transaction: gives back its locks, keeps its memory for another one.
static void txn_end(struct store_txn *txn) {
  struct store *store = txn->store;
  store_lock_give_back(store->locks, &txn->held);
  if (txn->batch.count > 0) memset(txn->slots, 0, txn->slot_count * sizeof(struct store_write *));
  txn->batch = (struct store_batch){0};
  txn->failed = false;
  arena_clear(&txn->arena);
  size_t home = home_slot();
  for (size_t i = 0; i < IDLE_SLOTS; i++) {
    struct store_txn *expected = NULL;
    if (atomic_compare_exchange_strong(&store->idle[(home + i) % IDLE_SLOTS], &expected, txn)) return;
  }
  txn_free(txn);
}

void store_abort(struct store_txn *txn) {
  if (txn) txn_end(txn);
}

enum err store_lock_many(struct store_txn *txn, enum store_lock_class lock_class, const struct bytes *keys,
                         size_t count) {
  const struct store_backend *backend = &txn->store->backend;
  enum err err = store_lock_take(txn->store->locks, &txn->held, lock_class, keys, count);
  if (err == ERR_OK && backend->ops->locked) backend->ops->locked(backend->self);
  return err;
}

void store_unlock_all(struct store_txn *txn) {
  assert(txn->batch.count == 0 && !txn->failed);
  store_lock_give_back(txn->store->locks, &txn->held);
}

uint32_t store_generation(struct store *store) {
  return store_sync_generation(store->sync);
}

enum err store_commit(struct store_txn *txn, struct store_mark *mark, struct diag *diag) {
  struct store *store = txn->store;
  enum err err = ERR_OK;
  *mark = (struct store_mark){0};
  if (txn->failed) {
    err = diag_no_memory(diag);
  } else if (txn->batch.count == 0) {
    *mark = store_sync_mark(store->sync); // of what it read
  } else {
    err = store_sync_begin(store->sync, txn->generation, diag);
    if (err == ERR_OK) {
      err = store->backend.ops->commit(store->backend.self, &txn->batch, diag);
      err = store_sync_end(store->sync, txn->generation, err, mark, diag);
    }
  }
  if (err == ERR_OK) atomic_fetch_add_explicit(&store->commits, 1, memory_order_relaxed);
  txn_end(txn);
  return err;
}

// Sleeps between half of the attempt's pause and all of it, so that two that collided part.
static void pause_before(int attempt) {
  uint32_t pause_us = RUN_PAUSE_MIN_US;
  for (int i = 1; i < attempt && pause_us < RUN_PAUSE_MAX_US; i++) pause_us *= 2;
  if (pause_us > RUN_PAUSE_MAX_US) pause_us = RUN_PAUSE_MAX_US;
  pause_us = pause_us / 2 + randombytes_uniform(pause_us / 2);
  struct timespec pause = {0, (long)pause_us * 1000};
  nanosleep(&pause, NULL);
}

enum err store_run(struct store *store, store_body_fn *body, void *context, struct store_mark *mark,
                   struct diag *diag) {
  for (int attempt = 0; attempt < RUN_ATTEMPTS; attempt++) {
    struct store_txn *txn;
    if (attempt > 0) pause_before(attempt);
    if (store_begin(store, &txn) != ERR_OK) return diag_no_memory(diag);
    enum err err = body(txn, context, diag);
    if (err == ERR_OK)
      err = store_commit(txn, mark, diag);
    else
      store_abort(txn);
    if (err != ERR_CONFLICT) return err;
    atomic_fetch_add_explicit(&store->conflicts, 1, memory_order_relaxed);
  }
  return diag_set(diag, ERR_CONFLICT, "conflict",
                  "Other writers changed the same data %d times in a row: send the request again.", RUN_ATTEMPTS);
}

// --- the overlay ---------------------------------------------------------------------------------------------

static uint64_t hash_of(const struct store *store, enum store_keyspace keyspace, struct bytes key) {
  uint64_t hash = 0;
  crypto_shorthash((uint8_t *)&hash, key.data, key.size_bytes, store->hash_key);
  return hash + (uint64_t)keyspace;
}

static struct store_write *find_hashed(const struct store_txn *txn, enum store_keyspace keyspace, struct bytes key,
                                       uint64_t hash) {
  struct store_write *write = txn->slots[hash & (txn->slot_count - 1)];
  for (; write; write = write->same_slot) {
    if (write->hash == hash && write->keyspace == keyspace && bytes_equal(store_write_key(write), key)) break;
  }
  return write;
}

// The transaction's own write to a key, or NULL.
static struct store_write *find_write(const struct store_txn *txn, enum store_keyspace keyspace, struct bytes key) {
  if (txn->batch.count == 0) return NULL;
  return find_hashed(txn, keyspace, key, hash_of(txn->store, keyspace, key));
}

static void link_in_slot(struct store_txn *txn, struct store_write *write) {
  struct store_write **slot = &txn->slots[write->hash & (txn->slot_count - 1)];
  write->same_slot = *slot;
  *slot = write;
}

// Twice the slots. Without memory the chains get longer, nothing else.
static void grow_slots(struct store_txn *txn) {
  struct store_write **slots = alloc_zero(txn->slot_count * 2, sizeof(struct store_write *));
  if (!slots) return;
  alloc_free(txn->slots);
  txn->slots = slots;
  txn->slot_count *= 2;
  for (struct store_write *write = txn->batch.first; write; write = write->next) link_in_slot(txn, write);
}

static struct store_write *add_write(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key,
                                     uint64_t hash) {
  struct store_write *write = arena_take_zero(&txn->arena, 1, sizeof *write);
  if (!write) return NULL;
  struct bytes copy = arena_copy(&txn->arena, key);
  if (!copy.data) return NULL;
  write->key = copy.data;
  write->key_bytes = (uint32_t)key.size_bytes;
  write->hash = hash;
  write->keyspace = (uint8_t)keyspace;
  *txn->last_next = write;
  txn->last_next = &write->next;
  txn->batch.count++;
  txn->batch.bytes += key.size_bytes;
  if (txn->batch.count > txn->slot_count)
    grow_slots(txn); // places all that are linked, this one too
  else
    link_in_slot(txn, write);
  return write;
}

// Lets `write` hold `kept_bytes` of its present value followed by `value`.
static bool extend_value(struct store_txn *txn, struct store_write *write, size_t kept_bytes, struct bytes value) {
  size_t needed = kept_bytes + value.size_bytes;
  if (needed > UINT32_MAX / 2) return false;
  if (needed > write->value_capacity_bytes || !write->value) {
    size_t capacity = kept_bytes > 0 ? needed * 2 : needed;
    uint8_t *place = arena_take(&txn->arena, capacity + 1);
    if (!place) return false;
    if (kept_bytes > 0) memcpy(place, write->value, kept_bytes);
    write->value = place;
    write->value_capacity_bytes = (uint32_t)capacity;
  }
  if (value.size_bytes > 0) memcpy(write->value + kept_bytes, value.data, value.size_bytes);
  txn->batch.bytes += needed;
  txn->batch.bytes -= write->value_bytes;
  write->value_bytes = (uint32_t)needed;
  return true;
}

static enum err write_key(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key,
                          enum store_write_kind kind, struct bytes value) {
  assert(store_keyspace_class(keyspace) != STORE_KEY_customer || key.size_bytes >= sizeof(uint64_t));
  uint64_t hash = hash_of(txn->store, keyspace, key);
  struct store_write *write = txn->batch.count == 0 ? NULL : find_hashed(txn, keyspace, key, hash);
  bool is_new = write == NULL;
  if (key.size_bytes > UINT32_MAX) goto failed;
  if (is_new) write = add_write(txn, keyspace, key, hash);
  if (!write) goto failed;
  if (is_new) write->kind = (uint8_t)kind;
  bool appends = kind == STORE_WRITE_APPEND;
  if (!extend_value(txn, write, appends ? write->value_bytes : 0, value)) goto failed;
  if (appends && write->kind == STORE_WRITE_DELETE)
    write->kind = STORE_WRITE_PUT;
  else if (!appends)
    write->kind = (uint8_t)kind;
  return ERR_OK;
failed:
  txn->failed = true;
  return ERR_NO_MEMORY;
}

enum err store_put(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key, struct bytes value) {
  return write_key(txn, keyspace, key, STORE_WRITE_PUT, value);
}

enum err store_delete(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key) {
  return write_key(txn, keyspace, key, STORE_WRITE_DELETE, (struct bytes){0});
}

enum err store_append(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key, struct bytes value) {
  assert(store_keyspace_is_appended(keyspace));
  return write_key(txn, keyspace, key, STORE_WRITE_APPEND, value);
}

// --- reading in a transaction --------------------------------------------------------------------------------

// What a key holds after `write`, where *value is what it held before (needed for an append only).
static enum err apply_write(const struct store_write *write, struct arena *arena, struct bytes *value) {
  struct bytes written = store_write_value(write);
  if (write->kind == STORE_WRITE_DELETE) {
    *value = (struct bytes){0};
    return ERR_OK;
  }
  size_t base_bytes = write->kind == STORE_WRITE_APPEND ? value->size_bytes : 0;
  uint8_t *joined = arena_take(arena, base_bytes + written.size_bytes + 1);
  if (!joined) return ERR_NO_MEMORY;
  if (base_bytes > 0) memcpy(joined, value->data, base_bytes);
  if (written.size_bytes > 0) memcpy(joined + base_bytes, written.data, written.size_bytes);
  *value = bytes_of(joined, base_bytes + written.size_bytes);
  return ERR_OK;
}

enum err store_get(struct store_txn *txn, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                   struct bytes *value) {
  const struct store_backend *backend = &txn->store->backend;
  const struct store_write *write = find_write(txn, keyspace, key);
  enum err err = ERR_OK;
  if (!write || write->kind == STORE_WRITE_APPEND) {
    err = backend->ops->get(backend->self, NULL, keyspace, key, arena, value);
  }
  return err == ERR_OK && write ? apply_write(write, arena, value) : err;
}

// The keys of a get_many that the backend must be asked for.
struct ask {
  struct bytes *keys;
  struct bytes *values;
  size_t *places; // in the caller's array
  size_t count;
};

static bool ask_init(struct ask *ask, struct arena *arena, size_t count) {
  ask->keys = arena_take_zero(arena, count, sizeof *ask->keys);
  ask->values = arena_take_zero(arena, count, sizeof *ask->values);
  ask->places = arena_take_zero(arena, count, sizeof *ask->places);
  ask->count = 0;
  return ask->keys && ask->values && ask->places;
}

enum err store_get_many(struct store_txn *txn, enum store_keyspace keyspace, const struct bytes *keys, size_t count,
                        struct arena *arena, struct bytes *values) {
  const struct store_backend *backend = &txn->store->backend;
  struct ask ask;
  if (count == 0) return ERR_OK;
  if (txn->batch.count == 0) {
    return backend->ops->get_many(backend->self, NULL, keyspace, keys, count, arena, values);
  }
  if (!ask_init(&ask, &txn->arena, count)) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const struct store_write *write = find_write(txn, keyspace, keys[i]);
    if (write && write->kind != STORE_WRITE_APPEND) continue;
    ask.keys[ask.count] = keys[i];
    ask.places[ask.count++] = i;
  }
  enum err err = ERR_OK;
  if (ask.count > 0) {
    err = backend->ops->get_many(backend->self, NULL, keyspace, ask.keys, ask.count, arena, ask.values);
  }
  for (size_t i = 0; i < ask.count; i++) values[ask.places[i]] = ask.values[i];
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    const struct store_write *write = find_write(txn, keyspace, keys[i]);
    if (write) err = apply_write(write, arena, &values[i]);
  }
  return err;
}

static bool is_inside(const struct store_write *write, enum store_keyspace keyspace, struct bytes from,
                      struct bytes to) {
  struct bytes key = store_write_key(write);
  return write->keyspace == keyspace && bytes_compare(key, from) >= 0 && bytes_compare(key, to) < 0;
}

// Lays the transaction's own writes over `range` when there are any inside it.
static enum err overlay_range(struct store_txn *txn, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                              struct store_range **range) {
  size_t count = 0;
  for (struct store_write *write = txn->batch.first; write; write = write->next) {
    if (is_inside(write, keyspace, from, to)) count++;
  }
  if (count == 0) return ERR_OK;
  const struct store_write **writes = arena_take_zero(&txn->arena, count, sizeof(struct store_write *));
  if (!writes) {
    (*range)->ops->close(*range);
    return ERR_NO_MEMORY;
  }
  count = 0;
  for (struct store_write *write = txn->batch.first; write; write = write->next) {
    if (is_inside(write, keyspace, from, to)) writes[count++] = write;
  }
  return store_range_overlay(range, writes, count);
}

enum err store_scan(struct store_txn *txn, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                    struct store_cursor **cursor) {
  const struct store_backend *backend = &txn->store->backend;
  struct store_range *range;
  assert(from.size_bytes >= 8 && to.size_bytes >= 8 && memcmp(from.data, to.data, 8) == 0);
  enum err err = backend->ops->scan(backend->self, NULL, keyspace, from, to, &range);
  if (err == ERR_OK) err = overlay_range(txn, keyspace, from, to, &range);
  return err == ERR_OK ? store_cursor_open(cursor, range) : err;
}

// --- durability ----------------------------------------------------------------------------------------------

struct store_mark store_mark_now(struct store *store) {
  return store_sync_mark(store->sync);
}

enum err store_wait(struct store *store, struct store_mark mark, struct diag *diag) {
  return store_sync_wait(store->sync, mark, diag);
}

void store_notify(struct store *store, struct store_mark mark, store_done_fn *done, void *context) {
  store_sync_notify(store->sync, mark, done, context);
}

// --- snapshots -----------------------------------------------------------------------------------------------

struct store_snapshot {
  struct store_backend backend;
  void *view;
};

enum err store_snapshot_open(struct store *store, struct store_snapshot **snapshot) {
  struct store_snapshot *made = alloc_get(sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  made->backend = store->backend;
  enum err err = store->backend.ops->view_open(store->backend.self, &made->view);
  if (err == ERR_OK)
    *snapshot = made;
  else
    alloc_free(made);
  return err;
}

void store_snapshot_close(struct store_snapshot *snapshot) {
  if (!snapshot) return;
  snapshot->backend.ops->view_close(snapshot->backend.self, snapshot->view);
  alloc_free(snapshot);
}

enum err store_snapshot_get(struct store_snapshot *snapshot, enum store_keyspace keyspace, struct bytes key,
                            struct arena *arena, struct bytes *value) {
  const struct store_backend *backend = &snapshot->backend;
  return backend->ops->get(backend->self, snapshot->view, keyspace, key, arena, value);
}

enum err store_snapshot_get_many(struct store_snapshot *snapshot, enum store_keyspace keyspace,
                                 const struct bytes *keys, size_t count, struct arena *arena, struct bytes *values) {
  const struct store_backend *backend = &snapshot->backend;
  if (count == 0) return ERR_OK;
  return backend->ops->get_many(backend->self, snapshot->view, keyspace, keys, count, arena, values);
}

enum err store_snapshot_scan(struct store_snapshot *snapshot, enum store_keyspace keyspace, struct bytes from,
                             struct bytes to, struct store_cursor **cursor) {
  const struct store_backend *backend = &snapshot->backend;
  struct store_range *range;
  enum err err = backend->ops->scan(backend->self, snapshot->view, keyspace, from, to, &range);
  return err == ERR_OK ? store_cursor_open(cursor, range) : err;
}

// --- the whole workspace -------------------------------------------------------------------------------------

enum err store_checkpoint(struct store *store, const char *path, struct diag *diag) {
  return store->backend.ops->checkpoint(store->backend.self, path, diag);
}

void store_set_tidy(struct store *store, enum store_keyspace keyspace, store_tidy_fn *tidy) {
  store->backend.ops->set_tidy(store->backend.self, keyspace, tidy);
}

enum err store_compact(struct store *store, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                       struct diag *diag) {
  return store->backend.ops->compact(store->backend.self, keyspace, from, to, diag);
}

enum err store_get_stats(struct store *store, struct store_stats *stats) {
  *stats = (struct store_stats){.writable = true};
  enum err err = store->backend.ops->get_stats(store->backend.self, stats);
  stats->commits = atomic_load(&store->commits);
  stats->conflicts = atomic_load(&store->conflicts);
  stats->syncs = store_sync_rounds(store->sync);
  stats->writable = stats->writable && store_sync_writable(store->sync);
  return err;
}
