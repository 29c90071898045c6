// A store that fails on demand.
//
// Every call that can fail in production first asks `due`. A failed sync is remembered as a real log's is: from then
// on commits and syncs fail until the store is closed, or store_fault_heal. Calls are counted across threads; only a
// single-threaded test knows which one fails.
#include <stdatomic.h>

#include "base/alloc.h"
#include "store/store_backend.h"
#include "store/store_wrap.h"

struct fault {
  struct store *inner_store;
  struct store_backend inner;
  _Atomic int64_t left; // calls that still succeed, when armed
  _Atomic bool armed;
  _Atomic bool sticky;
  _Atomic bool delivered;
  _Atomic bool log_failed;
  _Atomic bool healed; // the failed log was replaced, and what was not synced is lost
  _Atomic int err;
};

// The failure of this call, or ERR_OK.
static enum err due(struct fault *fault) {
  if (!atomic_load(&fault->armed)) return ERR_OK;
  int64_t left = atomic_fetch_sub(&fault->left, 1);
  if (left > 0 || (left < 0 && !atomic_load(&fault->sticky))) return ERR_OK;
  atomic_store(&fault->delivered, true);
  return (enum err)atomic_load(&fault->err);
}

static enum err diag_fault(struct diag *diag, enum err err) {
  return diag_set(diag, err, err == ERR_FULL ? "disk_full" : err_name(err), "A failure was injected for a test.");
}

static void fault_close(void *self) {
  struct fault *fault = self;
  store_close(fault->inner_store);
  alloc_free(fault);
}

static enum err fault_get(void *self, void *view, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                          struct bytes *value) {
  struct fault *fault = self;
  enum err err = due(fault);
  return err == ERR_OK ? fault->inner.ops->get(fault->inner.self, view, keyspace, key, arena, value) : err;
}

static enum err fault_get_many(void *self, void *view, enum store_keyspace keyspace, const struct bytes *keys,
                               size_t count, struct arena *arena, struct bytes *values) {
  struct fault *fault = self;
  enum err err = due(fault);
  if (err != ERR_OK) return err;
  return fault->inner.ops->get_many(fault->inner.self, view, keyspace, keys, count, arena, values);
}

static enum err fault_scan(void *self, void *view, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                           struct store_range **range) {
  struct fault *fault = self;
  enum err err = due(fault);
  return err == ERR_OK ? fault->inner.ops->scan(fault->inner.self, view, keyspace, from, to, range) : err;
}

static enum err fault_view_open(void *self, void **view) {
  struct fault *fault = self;
  enum err err = due(fault);
  return err == ERR_OK ? fault->inner.ops->view_open(fault->inner.self, view) : err;
}

static void fault_view_close(void *self, void *view) {
  struct fault *fault = self;
  fault->inner.ops->view_close(fault->inner.self, view);
}

static enum err fault_commit(void *self, const struct store_batch *batch, struct diag *diag) {
  struct fault *fault = self;
  enum err err = atomic_load(&fault->log_failed) ? ERR_IO : due(fault);
  return err == ERR_OK ? fault->inner.ops->commit(fault->inner.self, batch, diag) : diag_fault(diag, err);
}

static enum err fault_sync(void *self) {
  struct fault *fault = self;
  enum err err = atomic_load(&fault->log_failed) ? ERR_IO : due(fault);
  if (err == ERR_OK) err = fault->inner.ops->sync(fault->inner.self);
  if (err != ERR_OK) atomic_store(&fault->log_failed, true);
  return err;
}

static bool fault_broken(void *self) {
  const struct store_backend *inner = &((struct fault *)self)->inner;
  return inner->ops->broken && inner->ops->broken(inner->self);
}

static enum err fault_recover(void *self, bool *lost) {
  struct fault *fault = self;
  if (atomic_exchange(&fault->healed, false)) {
    atomic_store(&fault->log_failed, false);
    *lost = true;
    return ERR_OK;
  }
  if (atomic_load(&fault->log_failed) || !fault->inner.ops->recover) return ERR_UNSUPPORTED;
  return fault->inner.ops->recover(fault->inner.self, lost);
}

static enum err fault_checkpoint(void *self, const char *path, struct diag *diag) {
  struct fault *fault = self;
  enum err err = due(fault);
  return err == ERR_OK ? fault->inner.ops->checkpoint(fault->inner.self, path, diag) : diag_fault(diag, err);
}

static void fault_set_tidy(void *self, enum store_keyspace keyspace, store_tidy_fn *tidy) {
  const struct fault *fault = self;
  fault->inner.ops->set_tidy(fault->inner.self, keyspace, tidy);
}

static enum err fault_compact(void *self, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                              struct diag *diag) {
  struct fault *fault = self;
  return fault->inner.ops->compact(fault->inner.self, keyspace, from, to, diag);
}

static enum err fault_get_stats(void *self, struct store_stats *stats) {
  struct fault *fault = self;
  return fault->inner.ops->get_stats(fault->inner.self, stats);
}

static const struct store_backend_ops fault_ops = {
    .close = fault_close,
    .get = fault_get,
    .get_many = fault_get_many,
    .scan = fault_scan,
    .view_open = fault_view_open,
    .view_close = fault_view_close,
    .commit = fault_commit,
    .sync = fault_sync,
    .broken = fault_broken,
    .recover = fault_recover,
    .checkpoint = fault_checkpoint,
    .compact = fault_compact,
    .set_tidy = fault_set_tidy,
    .get_stats = fault_get_stats,
};

enum err store_open_fault(struct store **store, struct store *inner) {
  struct fault *fault = alloc_zero(1, sizeof *fault);
  if (!fault) {
    store_close(inner);
    return ERR_NO_MEMORY;
  }
  fault->inner_store = inner;
  fault->inner = store_front_backend(inner);
  return store_front_open(store, (struct store_backend){&fault_ops, fault});
}

void store_fault_after(struct store *store, uint64_t calls_allowed, enum err err, bool sticky) {
  struct fault *fault = store_front_backend(store).self;
  atomic_store(&fault->delivered, false);
  atomic_store(&fault->err, (int)err);
  atomic_store(&fault->sticky, sticky);
  atomic_store(&fault->left, (int64_t)calls_allowed);
  atomic_store(&fault->armed, true);
}

void store_fault_heal(struct store *store) {
  struct fault *fault = store_front_backend(store).self;
  atomic_store(&fault->healed, true);
}

bool store_fault_disarm(struct store *store) {
  struct fault *fault = store_front_backend(store).self;
  atomic_store(&fault->armed, false);
  return atomic_exchange(&fault->delivered, false);
}
