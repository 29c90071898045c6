// The embedded store: RocksDB with one column family a keyspace.
//
// Writes go through rocksdb_write without a sync; store_sync asks for the sync of the log. RocksDB itself decides when
// memtables are flushed.
//
// Full disk. A commit is refused before the disk is full, by the watch of store_disk.h. Others may fill it in the
// moment between; this library ends the process when its log meets that, so the log files are ours (store_log.h): they
// keep what has no room, the sync fails instead, and commits are refused until the rest is written. A flush or a
// compaction can meet a full disk too: RocksDB then refuses writes, and tries to go on by itself. `recover`, called by
// the sync thread, waits until there is space, tries the log and a write, and when they fail it closes the database and
// opens it again in place.
//
// Invariants: 1. `db` is used under the read lock, or while counted in `users`; 2. it is closed and opened only under
// the write lock with no users; 3. long work (ranges, views, copies, compactions) is counted and holds no lock, so
// that a waiting reopen stops nobody.
#include <assert.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/store_backend.h"
#include "store/store_disk.h"
#include "store/store_log.h"
#include "store/store_rocksdb_tune.h"
#include "store/store_rows.h"

#define MIB ((uint64_t)1024 * 1024)
#define RESERVE_MIN_BYTES (256 * MIB)

enum {
  IDLE_BATCHES = 16,
  IDLE_BATCH_BYTES_MAX = 1024 * 1024, // larger ones are freed
  GET_CHUNK = 64,                     // keys asked at once
  ROW_LOG_BYTES = 24,                 // what the log adds to a row, rounded up
  CHECKS_PER_LIMIT = 16,              // looks at the memtables while their limit is written once
  STALL_STEP_MS = 2,                  //
  STALL_STEPS_MAX = 2500,             // a flush that does not come is reported by the write itself
  FORCE_BOTTOMMOST = 2,               // rewrite the last level too, or deleted bytes stay there
};

struct rocks {
  pthread_rwlock_t lock;
  rocksdb_t *db; // NULL after a failed reopen
  rocksdb_column_family_handle_t *handles[STORE_FAMILY_COUNT];
  rocksdb_readoptions_t *read;
  rocksdb_writeoptions_t *write;
  rocksdb_writeoptions_t *probe; // does not wait when RocksDB holds writers back
  struct store_rocksdb_tune tune;
  struct store_space space;
  struct store_log *log;
  struct store_rows *rows;
  char db_path[STORE_PATH_BYTES];
  _Atomic uint64_t users;
  _Atomic uint64_t unchecked_bytes; // written since the last look at the memtables
  _Atomic bool broken;              // RocksDB refuses writes, or a sync failed
  _Atomic bool log_broken;          // a sync failed: only opening the files again helps
  _Atomic(rocksdb_writebatch_t *) idle[IDLE_BATCHES];
};

struct view {
  const rocksdb_snapshot_t *snapshot;
  rocksdb_readoptions_t *read;
};

static const char *chars(const uint8_t *data) {
  return (const char *)data;
}

static rocksdb_column_family_handle_t *handle_of(const struct rocks *rocks, enum store_keyspace keyspace) {
  return rocks->handles[keyspace + 1];
}

// Turns a message of RocksDB into a code, and frees it.
static enum err take_error(struct rocks *rocks, char *message, struct diag *diag) {
  enum err err;
  if (strstr(message, "No space left")) {
    err = store_space_diag(&rocks->space, 0, diag);
  } else if (strstr(message, "Corruption")) {
    err = diag_set(diag, ERR_CORRUPT, "corrupt",
                   "The files in %s are damaged: restore the workspace from its last copy. (%s)", rocks->db_path,
                   message);
  } else {
    err = diag_set(diag, ERR_IO, "store_io",
                   "The files in %s cannot be used: look for disk errors in the system's log. (%s)", rocks->db_path,
                   message);
  }
  rocksdb_free(message);
  return err;
}

static enum err diag_closed(struct diag *diag) {
  return diag_set(diag, ERR_IO, "store_io", "The store's files could not be opened again; it tries by itself.");
}

// --- opening and closing the database ------------------------------------------------------------------------

static enum err database_open(struct rocks *rocks, struct diag *diag) {
  char *message = NULL;
  rocks->db =
      rocksdb_open_column_families(rocks->tune.families[0], rocks->db_path, STORE_FAMILY_COUNT, rocks->tune.names,
                                   (const rocksdb_options_t *const *)rocks->tune.families, rocks->handles, &message);
  if (!message) return ERR_OK;
  rocks->db = NULL;
  bool in_use = strstr(message, "While lock file: ") || strstr(message, "lock hold by current process");
  if (!in_use) return take_error(rocks, message, diag);
  rocksdb_free(message);
  return diag_set(diag, ERR_BUSY, "in_use",
                  "Another process has the workspace in %s open: stop that one first, or use another directory.",
                  rocks->space.path);
}

static void database_close(struct rocks *rocks) {
  if (!rocks->db) return;
  rocksdb_cancel_all_background_work(rocks->db, 1);
  for (int i = 0; i < STORE_FAMILY_COUNT; i++) rocksdb_column_family_handle_destroy(rocks->handles[i]);
  rocksdb_close(rocks->db);
  rocks->db = NULL;
}

// Counts a long use of the database; false when it is closed.
static bool use_begin(struct rocks *rocks) {
  pthread_rwlock_rdlock(&rocks->lock);
  bool open = rocks->db != NULL;
  if (open) atomic_fetch_add(&rocks->users, 1);
  pthread_rwlock_unlock(&rocks->lock);
  return open;
}

static void use_end(struct rocks *rocks) {
  atomic_fetch_sub(&rocks->users, 1);
}

static void rocks_close(void *self) {
  struct rocks *rocks = self;
  assert(atomic_load(&rocks->users) == 0);
  database_close(rocks);
  for (int i = 0; i < IDLE_BATCHES; i++) {
    rocksdb_writebatch_t *batch = atomic_load(&rocks->idle[i]);
    if (batch) rocksdb_writebatch_destroy(batch);
  }
  if (rocks->log) { // prepared
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_writeoptions_destroy(rocks->write);
    rocksdb_writeoptions_destroy(rocks->probe);
    store_rocksdb_tune_release(&rocks->tune);
    store_log_close(rocks->log);
  }
  store_rows_close(rocks->rows);
  pthread_rwlock_destroy(&rocks->lock);
  alloc_free(rocks);
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err take_value(rocksdb_pinnableslice_t *slice, struct arena *arena, struct bytes *value) {
  *value = (struct bytes){0};
  if (!slice) return ERR_OK;
  size_t size = 0;
  const char *data = rocksdb_pinnableslice_value(slice, &size);
  *value = arena_copy(arena, bytes_of(data, size));
  rocksdb_pinnableslice_destroy(slice);
  return value->data ? ERR_OK : ERR_NO_MEMORY;
}

static const rocksdb_readoptions_t *read_options(const struct rocks *rocks, const struct view *view) {
  return view ? view->read : rocks->read;
}

static enum err get_locked(struct rocks *rocks, const struct view *view, enum store_keyspace keyspace, struct bytes key,
                           struct arena *arena, struct bytes *value) {
  char *message = NULL;
  if (!rocks->db) return ERR_IO;
  rocksdb_pinnableslice_t *slice = rocksdb_get_pinned_cf(
      rocks->db, read_options(rocks, view), handle_of(rocks, keyspace), chars(key.data), key.size_bytes, &message);
  if (message) return take_error(rocks, message, NULL);
  return take_value(slice, arena, value);
}

// RocksDB counts its every comparison for each thread, and nobody reads these counts: 6 % of all processor time.
static void count_nothing(void) {
  static _Thread_local bool done;
  if (done) return;
  rocksdb_set_perf_level(rocksdb_disable);
  done = true;
}

// At most GET_CHUNK keys; RocksDB sorts them and reads block by block.
static enum err get_chunk(struct rocks *rocks, const struct view *view, enum store_keyspace keyspace,
                          const struct bytes *keys, size_t count, struct arena *arena, struct bytes *values) {
  const char *datas[GET_CHUNK];
  size_t sizes[GET_CHUNK];
  rocksdb_pinnableslice_t *slices[GET_CHUNK];
  char *messages[GET_CHUNK];
  enum err err = ERR_OK;
  if (!rocks->db) return ERR_IO;
  count_nothing();
  for (size_t i = 0; i < count; i++) {
    datas[i] = chars(keys[i].data);
    sizes[i] = keys[i].size_bytes;
  }
  rocksdb_batched_multi_get_cf(rocks->db, read_options(rocks, view), handle_of(rocks, keyspace), count, datas, sizes,
                               slices, messages, false);
  for (size_t i = 0; i < count; i++) {
    enum err one = messages[i] ? take_error(rocks, messages[i], NULL) : take_value(slices[i], arena, &values[i]);
    if (one != ERR_OK) err = one;
  }
  return err;
}

// The same, asking RocksDB only for rows that are not kept in memory.
static enum err get_chunk_kept(struct rocks *rocks, enum store_keyspace keyspace, const struct bytes *keys,
                               size_t count, struct arena *arena, struct bytes *values) {
  struct store_rows_place places[GET_CHUNK];
  struct bytes missing_keys[GET_CHUNK], missing[GET_CHUNK];
  size_t positions[GET_CHUNK], missing_count = 0;
  enum err err = store_rows_find(rocks->rows, keyspace, keys, count, arena, values, places);
  for (size_t i = 0; i < count; i++) {
    if (values[i].data) continue;
    missing_keys[missing_count] = keys[i];
    positions[missing_count++] = i;
  }
  if (err != ERR_OK || missing_count == 0) return err;
  err = get_chunk(rocks, NULL, keyspace, missing_keys, missing_count, arena, missing);
  for (size_t i = 0; i < missing_count && err == ERR_OK; i++) {
    values[positions[i]] = missing[i];
    if (missing[i].data) store_rows_keep(rocks->rows, keyspace, &places[positions[i]], missing[i]);
  }
  return err;
}

static enum err rocks_get_many(void *self, void *view, enum store_keyspace keyspace, const struct bytes *keys,
                               size_t count, struct arena *arena, struct bytes *values) {
  struct rocks *rocks = self;
  bool kept = !view && store_rows_covers(keyspace);
  enum err err = ERR_OK;
  pthread_rwlock_rdlock(&rocks->lock);
  for (size_t at = 0; at < count && err == ERR_OK; at += GET_CHUNK) {
    size_t chunk = count - at < GET_CHUNK ? count - at : GET_CHUNK;
    err = kept ? get_chunk_kept(rocks, keyspace, keys + at, chunk, arena, values + at)
               : get_chunk(rocks, view, keyspace, keys + at, chunk, arena, values + at);
  }
  pthread_rwlock_unlock(&rocks->lock);
  return err;
}

static enum err rocks_get(void *self, void *view, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                          struct bytes *value) {
  struct rocks *rocks = self;
  if (!view && store_rows_covers(keyspace)) return rocks_get_many(self, view, keyspace, &key, 1, arena, value);
  pthread_rwlock_rdlock(&rocks->lock);
  enum err err = get_locked(rocks, view, keyspace, key, arena, value);
  pthread_rwlock_unlock(&rocks->lock);
  return err;
}

static enum err rocks_view_open(void *self, void **view) {
  struct rocks *rocks = self;
  struct view *made = alloc_get(sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  if (!use_begin(rocks)) {
    alloc_free(made);
    return ERR_IO;
  }
  made->snapshot = rocksdb_create_snapshot(rocks->db);
  made->read = rocksdb_readoptions_create();
  rocksdb_readoptions_set_snapshot(made->read, made->snapshot);
  *view = made;
  return ERR_OK;
}

static void rocks_view_close(void *self, void *opaque) {
  struct rocks *rocks = self;
  struct view *view = opaque;
  rocksdb_readoptions_destroy(view->read);
  rocksdb_release_snapshot(rocks->db, view->snapshot);
  alloc_free(view);
  use_end(rocks);
}

// --- ranges --------------------------------------------------------------------------------------------------

struct rocks_range {
  struct store_range head;
  struct rocks *rocks;
  rocksdb_readoptions_t *read;
  rocksdb_iterator_t *iterator;
  size_t from_bytes;
  size_t to_bytes;
  uint8_t bounds[]; // from, then to: RocksDB reads them in place
};

static bool rocks_range_move(struct store_range *head, enum store_move move, struct bytes key, struct store_row *row) {
  struct rocks_range *range = (struct rocks_range *)head;
  rocksdb_iterator_t *iterator = range->iterator;
  struct bytes from = bytes_of(range->bounds, range->from_bytes);
  struct bytes to = bytes_of(range->bounds + range->from_bytes, range->to_bytes);
  struct bytes target = move == STORE_MOVE_AT_OR_AFTER && bytes_compare(key, from) > 0 ? key : from;
  if (to.size_bytes > 0 && bytes_compare(target, to) > 0) target = to;
  switch (move) {
  case STORE_MOVE_FIRST:
  case STORE_MOVE_AT_OR_AFTER:
    rocksdb_iter_seek(iterator, chars(target.data), target.size_bytes);
    break;
  case STORE_MOVE_LAST:
    rocksdb_iter_seek_to_last(iterator);
    break;
  case STORE_MOVE_NEXT:
    rocksdb_iter_next(iterator);
    break;
  case STORE_MOVE_PREVIOUS:
    rocksdb_iter_prev(iterator);
    break;
  }
  if (!rocksdb_iter_valid(iterator)) return false;
  size_t size = 0;
  const char *data = rocksdb_iter_key(iterator, &size);
  row->key = bytes_of(data, size);
  data = rocksdb_iter_value(iterator, &size);
  row->value = bytes_of(data, size);
  return true;
}

static enum err rocks_range_error(const struct store_range *head) {
  const struct rocks_range *range = (const struct rocks_range *)head;
  char *message = NULL;
  rocksdb_iter_get_error(range->iterator, &message);
  return message ? take_error(range->rocks, message, NULL) : ERR_OK;
}

static void rocks_range_close(struct store_range *head) {
  struct rocks_range *range = (struct rocks_range *)head;
  rocksdb_iter_destroy(range->iterator);
  rocksdb_readoptions_destroy(range->read);
  use_end(range->rocks);
  alloc_free(range);
}

static const struct store_range_ops rocks_range_ops = {rocks_range_move, rocks_range_error, rocks_range_close};

// Inside one customer, or one question, the prefix filters spare most files; across them order is complete, and a long
// walk does not push the working set out of the cache.
static bool has_one_prefix(enum store_keyspace keyspace, struct bytes from, struct bytes to) {
  size_t prefix_bytes = store_keyspace_prefix_bytes(keyspace);
  return prefix_bytes > 0 && from.size_bytes >= prefix_bytes && to.size_bytes >= prefix_bytes &&
         memcmp(from.data, to.data, prefix_bytes) == 0;
}

static enum err rocks_scan(void *self, void *opaque, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                           struct store_range **range) {
  struct rocks *rocks = self;
  const struct view *view = opaque;
  struct rocks_range *made = alloc_zero(1, sizeof *made + from.size_bytes + to.size_bytes);
  if (!made) return ERR_NO_MEMORY;
  if (!use_begin(rocks)) {
    alloc_free(made);
    return ERR_IO;
  }
  made->head.ops = &rocks_range_ops;
  made->rocks = rocks;
  made->from_bytes = from.size_bytes;
  made->to_bytes = to.size_bytes;
  if (from.size_bytes > 0) memcpy(made->bounds, from.data, from.size_bytes);
  if (to.size_bytes > 0) memcpy(made->bounds + from.size_bytes, to.data, to.size_bytes);
  bool one_prefix = has_one_prefix(keyspace, from, to);
  count_nothing();
  made->read = rocksdb_readoptions_create();
  rocksdb_readoptions_set_iterate_lower_bound(made->read, chars(made->bounds), from.size_bytes);
  if (to.size_bytes > 0) {
    rocksdb_readoptions_set_iterate_upper_bound(made->read, chars(made->bounds) + from.size_bytes, to.size_bytes);
  }
  rocksdb_readoptions_set_total_order_seek(made->read, !one_prefix);
  rocksdb_readoptions_set_fill_cache(made->read, one_prefix);
  if (view) rocksdb_readoptions_set_snapshot(made->read, view->snapshot);
  made->iterator = rocksdb_create_iterator_cf(rocks->db, made->read, handle_of(rocks, keyspace));
  *range = &made->head;
  return ERR_OK;
}

// --- writing -------------------------------------------------------------------------------------------------

static rocksdb_writebatch_t *batch_take(struct rocks *rocks) {
  for (int i = 0; i < IDLE_BATCHES; i++) {
    if (!atomic_load_explicit(&rocks->idle[i], memory_order_relaxed)) continue;
    rocksdb_writebatch_t *batch = atomic_exchange(&rocks->idle[i], NULL);
    if (batch) return batch;
  }
  return rocksdb_writebatch_create();
}

static void batch_give_back(struct rocks *rocks, rocksdb_writebatch_t *batch) {
  size_t size = 0;
  rocksdb_writebatch_data(batch, &size);
  rocksdb_writebatch_clear(batch);
  for (int i = 0; i < IDLE_BATCHES && size <= IDLE_BATCH_BYTES_MAX; i++) {
    rocksdb_writebatch_t *expected = NULL;
    if (atomic_compare_exchange_strong(&rocks->idle[i], &expected, batch)) return;
  }
  rocksdb_writebatch_destroy(batch);
}

static void batch_fill(const struct rocks *rocks, rocksdb_writebatch_t *batch, const struct store_write *write) {
  for (; write; write = write->next) {
    rocksdb_column_family_handle_t *handle = handle_of(rocks, write->keyspace);
    const char *key = chars(write->key);
    const char *value = chars(write->value);
    switch (write->kind) {
    case STORE_WRITE_PUT:
      rocksdb_writebatch_put_cf(batch, handle, key, write->key_bytes, value, write->value_bytes);
      break;
    case STORE_WRITE_APPEND:
      rocksdb_writebatch_merge_cf(batch, handle, key, write->key_bytes, value, write->value_bytes);
      break;
    default:
      rocksdb_writebatch_delete_cf(batch, handle, key, write->key_bytes);
      break;
    }
  }
}

static enum err commit_locked(struct rocks *rocks, const struct store_batch *writes, struct diag *diag) {
  char *message = NULL;
  if (!rocks->db) return diag_closed(diag);
  rocksdb_writebatch_t *batch = batch_take(rocks);
  batch_fill(rocks, batch, writes->first);
  store_rows_begin(rocks->rows, writes);
  rocksdb_write(rocks->db, rocks->write, batch, &message);
  store_rows_write(rocks->rows, writes, message == NULL);
  batch_give_back(rocks, batch);
  if (!message) return ERR_OK;
  atomic_store(&rocks->broken, true);
  return take_error(rocks, message, diag);
}

static uint64_t property(const struct rocks *rocks, int keyspace, const char *name) {
  uint64_t number = 0;
  rocksdb_property_int_cf(rocks->db, rocks->handles[keyspace + 1], name, &number);
  return number;
}

static bool memtables_are_over(struct rocks *rocks) {
  uint64_t bytes = 0;
  pthread_rwlock_rdlock(&rocks->lock);
  for (int i = 0; i < STORE_KEYSPACE_COUNT && rocks->db; i++) {
    bytes += property(rocks, i, "rocksdb.cur-size-all-mem-tables");
  }
  pthread_rwlock_unlock(&rocks->lock);
  return bytes > rocks->tune.memtable_limit_bytes / 4 * 5;
}

// RocksDB begins to flush at the limit of the memtables and lets writers run on, past any bound when they are faster
// than the disk. Here they wait.
static void stall(struct rocks *rocks, uint64_t bytes) {
  uint64_t step = rocks->tune.memtable_limit_bytes / CHECKS_PER_LIMIT;
  uint64_t before = atomic_fetch_add_explicit(&rocks->unchecked_bytes, bytes, memory_order_relaxed);
  if (before / step == (before + bytes) / step) return;
  struct timespec pause = {0, STALL_STEP_MS * 1000000L};
  for (int i = 0; i < STALL_STEPS_MAX && !atomic_load(&rocks->broken) && memtables_are_over(rocks); i++) {
    nanosleep(&pause, NULL);
  }
}

static enum err rocks_commit(void *self, const struct store_batch *batch, struct diag *diag) {
  struct rocks *rocks = self;
  uint64_t bytes = batch->bytes + batch->count * ROW_LOG_BYTES;
  if (store_log_is_waiting(rocks->log)) return store_space_diag(&rocks->space, bytes, diag);
  enum err err = store_space_take(&rocks->space, bytes, diag);
  if (err != ERR_OK) return err;
  stall(rocks, batch->bytes);
  pthread_rwlock_rdlock(&rocks->lock);
  err = commit_locked(rocks, batch, diag);
  pthread_rwlock_unlock(&rocks->lock);
  return err;
}

static enum err sync_locked(struct rocks *rocks) {
  if (!rocks->db || atomic_load(&rocks->log_broken)) return ERR_IO;
  enum err err = store_log_sync(rocks->log);
  if (err == ERR_IO) {
    atomic_store(&rocks->log_broken, true);
    atomic_store(&rocks->broken, true);
  }
  return err;
}

static enum err rocks_sync(void *self) {
  struct rocks *rocks = self;
  pthread_rwlock_rdlock(&rocks->lock);
  enum err err = sync_locked(rocks);
  pthread_rwlock_unlock(&rocks->lock);
  return err;
}

static bool rocks_broken(void *self) {
  const struct rocks *rocks = self;
  return atomic_load(&rocks->broken) || store_log_is_waiting(rocks->log);
}

// ERR_OK when the log has all and RocksDB takes writes: there was room again, or it has recovered by itself. ERR_FULL
// when the log still waits.
static enum err resume(struct rocks *rocks) {
  char *message = NULL;
  enum err err = sync_locked(rocks);
  if (err != ERR_OK) return err;
  rocksdb_put(rocks->db, rocks->probe, "probe", 5, "", 0, &message);
  bool is_taken = !message || strstr(message, "Result incomplete"); // later, that is
  rocksdb_free(message);
  return is_taken ? sync_locked(rocks) : ERR_IO;
}

// Opens the database again; RocksDB brings the log's content into files as it opens, so all it has is durable then.
static enum err reopen(struct rocks *rocks, bool *lost) {
  if (atomic_load(&rocks->users) > 0) return ERR_BUSY;
  enum err err = sync_locked(rocks);
  if (err == ERR_FULL) return err;
  *lost = err != ERR_OK;
  database_close(rocks);
  store_rows_clear(rocks->rows);
  err = database_open(rocks, NULL);
  if (err == ERR_OK) atomic_store(&rocks->log_broken, false);
  log_write(err == ERR_OK ? LOG_WARN : LOG_ERROR, "store files opened again", "result=%s", err_name(err));
  return err;
}

// Trying holds the lock as a commit does, so reads go on; only opening again keeps them waiting.
static enum err rocks_recover(void *self, bool *lost) {
  struct rocks *rocks = self;
  *lost = false;
  if (!store_space_is_enough(&rocks->space)) return ERR_FULL;
  pthread_rwlock_rdlock(&rocks->lock);
  enum err err = resume(rocks);
  pthread_rwlock_unlock(&rocks->lock);
  if (err == ERR_IO) {
    pthread_rwlock_wrlock(&rocks->lock);
    err = reopen(rocks, lost);
    pthread_rwlock_unlock(&rocks->lock);
  }
  if (err == ERR_OK) atomic_store(&rocks->broken, false);
  return err;
}

// --- the whole store -----------------------------------------------------------------------------------------

static enum err copy_database(struct rocks *rocks, const char *path, struct diag *diag) {
  char *message = NULL;
  rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(rocks->db, &message);
  if (message) return take_error(rocks, message, diag);
  rocksdb_checkpoint_create(checkpoint, path, 0, &message); // 0: flush first, so that no log need be copied
  rocksdb_checkpoint_object_destroy(checkpoint);
  return message ? take_error(rocks, message, diag) : ERR_OK;
}

static enum err rocks_checkpoint(void *self, const char *path, struct diag *diag) {
  struct rocks *rocks = self;
  char db_path[STORE_PATH_BYTES];
  enum err err = store_disk_path(db_path, path, "db", diag);
  if (err == ERR_OK) err = store_space_take(&rocks->space, 0, diag);
  if (err == ERR_OK) err = store_disk_create(path, diag);
  if (err != ERR_OK) return err;
  if (!use_begin(rocks)) return diag_closed(diag);
  err = copy_database(rocks, db_path, diag);
  use_end(rocks);
  return err == ERR_OK ? store_disk_finish(path, diag) : err;
}

// Flushes every keyspace: the log holds the bytes that are to go, and is kept as long as one keyspace needs it.
static enum err flush_all(struct rocks *rocks, struct diag *diag) {
  enum err err = ERR_OK;
  rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
  for (int i = 0; i < STORE_FAMILY_COUNT && err == ERR_OK; i++) {
    char *message = NULL;
    rocksdb_flush_cf(rocks->db, options, rocks->handles[i], &message);
    if (message) err = take_error(rocks, message, diag);
  }
  rocksdb_flushoptions_destroy(options);
  return err;
}

// Counted for the whole database at its default family.
static uint64_t background_errors(const struct rocks *rocks) {
  uint64_t count = 0;
  rocksdb_property_int_cf(rocks->db, rocks->handles[0], "rocksdb.background-errors", &count);
  return count;
}

// RocksDB's C interface does not say how a compaction of a range ended; it counts the failures.
static enum err compact_family(struct rocks *rocks, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                               struct diag *diag) {
  uint64_t errors_before = background_errors(rocks);
  rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
  rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
  rocksdb_compactoptions_set_bottommost_level_compaction(options, FORCE_BOTTOMMOST);
  rocksdb_compact_range_cf_opt(rocks->db, handle_of(rocks, keyspace), options, chars(from.data), from.size_bytes,
                               to.size_bytes > 0 ? chars(to.data) : NULL, to.size_bytes);
  rocksdb_compactoptions_destroy(options);
  if (background_errors(rocks) == errors_before) return ERR_OK;
  atomic_store(&rocks->broken, true);
  if (!store_space_is_enough(&rocks->space)) return store_space_diag(&rocks->space, 0, diag);
  return diag_set(diag, ERR_IO, "store_io", "Deleted bytes may still be in the files of %s: try again.",
                  rocks->db_path);
}

static enum err rocks_compact(void *self, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                              struct diag *diag) {
  struct rocks *rocks = self;
  enum err err = store_space_take(&rocks->space, 0, diag);
  if (err != ERR_OK) return err;
  if (!use_begin(rocks)) return diag_closed(diag);
  err = flush_all(rocks, diag);
  if (err == ERR_OK) err = compact_family(rocks, keyspace, from, to, diag);
  use_end(rocks);
  return err;
}

static void rocks_set_tidy(void *self, enum store_keyspace keyspace, store_tidy_fn *tidy) {
  struct rocks *rocks = self;
  atomic_store(&rocks->tune.tidy[keyspace].tidy, tidy);
}

static enum err rocks_get_stats(void *self, struct store_stats *stats) {
  struct rocks *rocks = self;
  stats->log_bytes = store_disk_bytes(rocks->db_path, ".log");
  stats->free_bytes = store_space_free(&rocks->space);
  stats->writable = stats->free_bytes >= rocks->space.reserve_bytes;
  if (!use_begin(rocks)) return ERR_IO;
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) {
    stats->keys_estimate[i] = property(rocks, i, "rocksdb.estimate-num-keys");
    stats->bytes[i] = property(rocks, i, "rocksdb.total-sst-files-size");
  }
  use_end(rocks);
  return ERR_OK;
}

static const struct store_backend_ops rocks_ops = {
    .close = rocks_close,
    .get = rocks_get,
    .get_many = rocks_get_many,
    .scan = rocks_scan,
    .view_open = rocks_view_open,
    .view_close = rocks_view_close,
    .commit = rocks_commit,
    .sync = rocks_sync,
    .broken = rocks_broken,
    .recover = rocks_recover,
    .checkpoint = rocks_checkpoint,
    .compact = rocks_compact,
    .set_tidy = rocks_set_tidy,
    .get_stats = rocks_get_stats,
};

// What must stay free: the log at its limit, two rounds of memtables as files.
static uint64_t reserve_bytes(const struct rocks *rocks, const struct store_options *options) {
  uint64_t computed = rocks->tune.log_limit_bytes + 2 * rocks->tune.memtable_limit_bytes;
  if (options->reserve_bytes > 0) return options->reserve_bytes;
  return computed > RESERVE_MIN_BYTES ? computed : RESERVE_MIN_BYTES;
}

static struct rocks *rocks_new(void) {
  pthread_rwlockattr_t attributes;
  struct rocks *rocks = alloc_zero(1, sizeof *rocks);
  if (!rocks) return NULL;
  pthread_rwlockattr_init(&attributes);
  // A waiting reopen goes before new readers; no reader takes the lock twice.
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&rocks->lock, &attributes);
  pthread_rwlockattr_destroy(&attributes);
  return rocks;
}

// Everything but the database itself.
static enum err rocks_prepare(struct rocks *rocks, const struct store_options *options, struct diag *diag) {
  enum err err = store_disk_path(rocks->db_path, options->path, "db", diag);
  if (err != ERR_OK) return err;
  struct store_rocksdb_memory memory = store_rocksdb_memory(options);
  if (store_rows_open(&rocks->rows, memory.short_rows_bytes, memory.long_rows_bytes) != ERR_OK)
    return diag_no_memory(diag);
  if (store_log_open(&rocks->log, rocks->db_path) != ERR_OK) return diag_no_memory(diag);
  memcpy(rocks->space.path, options->path, strlen(options->path) + 1); // shorter than db_path, which fits
  rocks->read = rocksdb_readoptions_create();
  rocks->write = rocksdb_writeoptions_create();
  rocks->probe = rocksdb_writeoptions_create();
  rocksdb_writeoptions_set_no_slowdown(rocks->probe, 1);
  store_rocksdb_tune_init(&rocks->tune, options, store_log_env(rocks->log));
  rocks->space.reserve_bytes = reserve_bytes(rocks, options);
  store_space_free(&rocks->space);
  return ERR_OK;
}

enum err store_open_rocksdb(struct store **store, const struct store_options *options, struct diag *diag) {
  bool older = false;
  enum err err =
      options->create ? store_disk_create(options->path, diag) : store_disk_check(options->path, &older, diag);
  if (err != ERR_OK) return err;
  struct rocks *rocks = rocks_new();
  if (!rocks) return diag_no_memory(diag);
  err = rocks_prepare(rocks, options, diag);
  if (err == ERR_OK) err = database_open(rocks, diag);
  if (err == ERR_OK && (options->create || older)) err = store_disk_finish(options->path, diag);
  if (err != ERR_OK) {
    rocks_close(rocks);
    return err;
  }
  err = store_front_open(store, (struct store_backend){&rocks_ops, rocks});
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}
