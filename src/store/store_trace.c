// A store that counts rounds: what a distributed engine would be asked over the network.
//
// A read that the transaction answers from its own writes never comes here, so it is not counted.
#include <stdatomic.h>

#include "base/alloc.h"
#include "store/store_backend.h"
#include "store/store_wrap.h"

// One line a counter of struct store_trace.
// clang-format off
#define COUNTERS(X)                                                                                                    \
  X(gets) X(get_manys) X(scans) X(locks) X(commits) X(snapshots)                                                       \
  X(keys_read) X(keys_written) X(bytes_read) X(bytes_written)
// clang-format on

struct trace {
  struct store *inner_store;
  struct store_backend inner;
#define X(name) _Atomic uint64_t name;
  COUNTERS(X)
#undef X
};

static void count(_Atomic uint64_t *counter, uint64_t more) {
  atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static void trace_close(void *self) {
  struct trace *trace = self;
  store_close(trace->inner_store);
  alloc_free(trace);
}

static enum err trace_get(void *self, void *view, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                          struct bytes *value) {
  struct trace *trace = self;
  enum err err = trace->inner.ops->get(trace->inner.self, view, keyspace, key, arena, value);
  count(&trace->gets, 1);
  count(&trace->keys_read, 1);
  if (err == ERR_OK) count(&trace->bytes_read, value->size_bytes);
  return err;
}

static enum err trace_get_many(void *self, void *view, enum store_keyspace keyspace, const struct bytes *keys,
                               size_t key_count, struct arena *arena, struct bytes *values) {
  struct trace *trace = self;
  enum err err = trace->inner.ops->get_many(trace->inner.self, view, keyspace, keys, key_count, arena, values);
  count(&trace->get_manys, 1);
  count(&trace->keys_read, key_count);
  for (size_t i = 0; i < key_count && err == ERR_OK; i++) count(&trace->bytes_read, values[i].size_bytes);
  return err;
}

struct trace_range {
  struct store_range head;
  struct store_range *inner;
  struct trace *trace;
};

static bool trace_range_move(struct store_range *head, enum store_move move, struct bytes key, struct store_row *row) {
  struct trace_range *range = (struct trace_range *)head;
  if (!range->inner->ops->move(range->inner, move, key, row)) return false;
  count(&range->trace->keys_read, 1);
  count(&range->trace->bytes_read, row->value.size_bytes);
  return true;
}

static enum err trace_range_error(const struct store_range *head) {
  const struct trace_range *range = (const struct trace_range *)head;
  return range->inner->ops->error(range->inner);
}

static void trace_range_close(struct store_range *head) {
  struct trace_range *range = (struct trace_range *)head;
  range->inner->ops->close(range->inner);
  alloc_free(range);
}

static const struct store_range_ops trace_range_ops = {trace_range_move, trace_range_error, trace_range_close};

static enum err trace_scan(void *self, void *view, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                           struct store_range **range) {
  struct trace *trace = self;
  struct trace_range *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  count(&trace->scans, 1);
  made->head.ops = &trace_range_ops;
  made->trace = trace;
  enum err err = trace->inner.ops->scan(trace->inner.self, view, keyspace, from, to, &made->inner);
  if (err == ERR_OK)
    *range = &made->head;
  else
    alloc_free(made);
  return err;
}

static enum err trace_view_open(void *self, void **view) {
  struct trace *trace = self;
  count(&trace->snapshots, 1);
  return trace->inner.ops->view_open(trace->inner.self, view);
}

static void trace_view_close(void *self, void *view) {
  struct trace *trace = self;
  trace->inner.ops->view_close(trace->inner.self, view);
}

static enum err trace_commit(void *self, const struct store_batch *batch, struct diag *diag) {
  struct trace *trace = self;
  count(&trace->commits, 1);
  count(&trace->keys_written, batch->count);
  count(&trace->bytes_written, batch->bytes);
  return trace->inner.ops->commit(trace->inner.self, batch, diag);
}

static enum err trace_sync(void *self) {
  struct trace *trace = self;
  return trace->inner.ops->sync(trace->inner.self);
}

static bool trace_broken(void *self) {
  const struct store_backend *inner = &((struct trace *)self)->inner;
  return inner->ops->broken && inner->ops->broken(inner->self);
}

static enum err trace_recover(void *self, bool *lost) {
  const struct store_backend *inner = &((struct trace *)self)->inner;
  return inner->ops->recover ? inner->ops->recover(inner->self, lost) : ERR_UNSUPPORTED;
}

static enum err trace_checkpoint(void *self, const char *path, struct diag *diag) {
  struct trace *trace = self;
  return trace->inner.ops->checkpoint(trace->inner.self, path, diag);
}

static void trace_set_tidy(void *self, enum store_keyspace keyspace, store_tidy_fn *tidy) {
  const struct trace *trace = self;
  trace->inner.ops->set_tidy(trace->inner.self, keyspace, tidy);
}

static enum err trace_compact(void *self, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                              struct diag *diag) {
  struct trace *trace = self;
  return trace->inner.ops->compact(trace->inner.self, keyspace, from, to, diag);
}

static enum err trace_get_stats(void *self, struct store_stats *stats) {
  struct trace *trace = self;
  return trace->inner.ops->get_stats(trace->inner.self, stats);
}

static void trace_locked(void *self) {
  count(&((struct trace *)self)->locks, 1);
}

static const struct store_backend_ops trace_ops = {
    .close = trace_close,
    .get = trace_get,
    .get_many = trace_get_many,
    .scan = trace_scan,
    .view_open = trace_view_open,
    .view_close = trace_view_close,
    .commit = trace_commit,
    .sync = trace_sync,
    .broken = trace_broken,
    .recover = trace_recover,
    .checkpoint = trace_checkpoint,
    .compact = trace_compact,
    .set_tidy = trace_set_tidy,
    .get_stats = trace_get_stats,
    .locked = trace_locked,
};

enum err store_open_trace(struct store **store, struct store *inner) {
  struct trace *trace = alloc_zero(1, sizeof *trace);
  if (!trace) {
    store_close(inner);
    return ERR_NO_MEMORY;
  }
  trace->inner_store = inner;
  trace->inner = store_front_backend(inner);
  return store_front_open(store, (struct store_backend){&trace_ops, trace});
}

struct store_trace store_trace_read(struct store *store) {
  struct trace *trace = store_front_backend(store).self;
  struct store_trace counts;
#define X(name) counts.name = atomic_load(&trace->name);
  COUNTERS(X)
#undef X
  return counts;
}

void store_trace_reset(struct store *store) {
  struct trace *trace = store_front_backend(store).self;
#define X(name) atomic_store(&trace->name, 0);
  COUNTERS(X)
#undef X
}
