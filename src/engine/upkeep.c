// upkeep.c: work that falls due by the clock, was left to be done later, or was started by somebody.
//
// Eight kinds. Deduplication keys older than message_days are swept once a day, as soon as any can be that old: first
// the floor is written ("keys received before this may be gone", so that the timeline itself is asked about older
// events), then the keys go, SWEEP_ROWS looked at a call. A walk over these keys sorts what the store holds of them in
// memory, so few long steps cost less than many short ones. After an erasure the customer's key ranges are compacted,
// so that deleted bytes leave the disk. What merges left is moved, a step a call (moves.c). A re-run of identity rules
// goes on, RERUN_US a call (rerun.c), and so do versions of segments that are being computed (live_build.c). Old
// changes of the feed are deleted (feed.c). Projections that are due are built, a batch a call (projection_build.c).
// Batches of codes are made, CODES_US a call (loyalty_codes_job.c). Thresholds of scores are found anew when their day,
// week or month has begun (scores.c): that walk is not cut into pieces, but ends when the caller wants to stop.
// All can stop at any row and begin again.
//
// META rows: "message_floor", and "message_base": when the workspace was first looked after; nothing was received
// before.
#include <string.h>

#include "engine/live.h"
#include "engine/loyalty.h"
#include "engine/parts.h"
#include "engine/projection.h"
#include "engine/rerun.h"
#include "engine/score.h"

enum { SWEEP_ROWS = 20000, DEFAULT_MESSAGE_DAYS = 30, RERUN_US = 20000, CODES_US = 50000, BUILD_US = 200000 };

// --- deduplication keys --------------------------------------------------------------------------------------

struct instant_row {
  const char *name;
  int64_t time_us;
};

static enum err put_instant(struct store_txn *txn, void *context, struct diag *diag) {
  const struct instant_row *row = context;
  struct key key, value;
  (void)diag;
  engine_text_key(&key, row->name);
  key_init(&value);
  key_put_u64(&value, (uint64_t)row->time_us);
  return store_put(txn, STORE_META, key_view(&key), key_view(&value));
}

static enum err note_base(struct engine *engine, struct diag *diag) {
  struct instant_row row = {"message_base", clock_now_us(engine->clock)};
  struct store_mark mark;
  enum err err = store_run(engine->store, put_instant, &row, &mark, diag);
  if (err == ERR_OK) engine->message_base_us = row.time_us;
  return err;
}

// A pass begins when a day's keys have grown too old: what is older than the floor is about to go.
static enum err begin_pass(struct engine *engine, bool *due, struct diag *diag) {
  int64_t days = engine->message_days == 0 ? DEFAULT_MESSAGE_DAYS : engine->message_days;
  int64_t last_us = atomic_load(&engine->message_floor_us);
  struct instant_row row = {"message_floor", clock_now_us(engine->clock) - days * CLOCK_DAY_US};
  struct store_mark mark;
  *due = false;
  if (engine->message_base_us == 0) return note_base(engine, diag);
  if (last_us == 0) last_us = engine->message_base_us;
  if (row.time_us < last_us + CLOCK_DAY_US) return ERR_OK;
  enum err err = store_run(engine->store, put_instant, &row, &mark, diag);
  if (err == ERR_OK) atomic_store(&engine->message_floor_us, row.time_us);
  *due = err == ERR_OK;
  return err;
}

struct sweep {
  struct bytes *keys;
  size_t count;
};

static enum err delete_keys(struct store_txn *txn, void *context, struct diag *diag) {
  const struct sweep *sweep = context;
  enum err err = ERR_OK;
  (void)diag;
  for (size_t i = 0; err == ERR_OK && i < sweep->count; i++) err = store_delete(txn, STORE_MESSAGE, sweep->keys[i]);
  return err;
}

// Looks at the next rows after the position, notes the expired ones and moves the position. *more is false at the end.
static enum err next_expired(struct engine *engine, struct arena *arena, struct sweep *sweep, bool *more) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  uint32_t floor_s = (uint32_t)(atomic_load(&engine->message_floor_us) / CLOCK_SECOND_US);
  sweep->keys = arena_take(arena, SWEEP_ROWS * sizeof *sweep->keys);
  if (sweep->keys == NULL) return ERR_NO_MEMORY;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  struct bytes from = bytes_of(engine->sweep_from, engine->sweep_from_bytes);
  err = store_snapshot_scan(snapshot, STORE_MESSAGE, from, BYTES(""), &cursor);
  size_t seen = 0;
  while (err == ERR_OK && seen < SWEEP_ROWS && store_cursor_next(cursor, &key, &row)) {
    seen++;
    memcpy(engine->sweep_from, key.data, IDENTITY_EVENT_ID_BYTES);
    if (row.size_bytes >= sizeof(uint32_t) && key_read_u32(row.data) >= floor_s) continue;
    sweep->keys[sweep->count] = arena_copy(arena, key);
    if (sweep->keys[sweep->count++].data == NULL) err = ERR_NO_MEMORY;
  }
  *more = seen == SWEEP_ROWS;
  engine->sweep_from[IDENTITY_EVENT_ID_BYTES] = 0; // the first key after this one
  engine->sweep_from_bytes = *more ? IDENTITY_EVENT_ID_BYTES + 1 : 0;
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err;
}

static enum err sweep_messages(struct engine *engine, bool *more, struct diag *diag) {
  struct sweep sweep = {0};
  struct store_mark mark;
  struct arena arena;
  *more = engine->sweep_from_bytes != 0; // a pass is under way
  enum err err = *more ? ERR_OK : begin_pass(engine, more, diag);
  if (err != ERR_OK || !*more) return err;
  arena_init(&arena, 0);
  err = next_expired(engine, &arena, &sweep, more);
  if (err == ERR_OK && sweep.count > 0) err = store_run(engine->store, delete_keys, &sweep, &mark, diag);
  arena_release(&arena);
  return err;
}

// --- after an erasure ----------------------------------------------------------------------------------------

static enum err compact_customer(struct engine *engine, uint64_t customer, struct diag *diag) {
  static const enum store_keyspace owned[] = {STORE_CUSTOMER, STORE_TIMELINE, STORE_PAYLOAD, STORE_EDGE};
  struct key from, to;
  key_init(&from);
  key_put_u64(&from, customer);
  key_init(&to);
  key_put_u64(&to, customer + 1);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < sizeof owned / sizeof *owned; i++)
    err = store_compact(engine->store, owned[i], key_view(&from), key_view(&to), diag);
  return err;
}

static enum err delete_request(struct store_txn *txn, void *context, struct diag *diag) {
  const uint64_t *customer = context;
  struct key key;
  (void)diag;
  engine_number_key(&key, "compact", *customer);
  return store_delete(txn, STORE_DOCUMENT, key_view(&key));
}

static enum err next_request(struct engine *engine, uint64_t *customer) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  engine_number_key(&from, "compact", 0);
  engine_number_key(&to, "compact", UINT64_MAX);
  *customer = 0;
  err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err == ERR_OK) {
    if (store_cursor_next(cursor, &key, &row)) *customer = key_read_u64(key.data + key.size_bytes - sizeof *customer);
    err = store_cursor_error(cursor);
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  return err;
}

static enum err compact_erased(struct engine *engine, bool *more, struct diag *diag) {
  uint64_t customer;
  struct store_mark mark;
  enum err err = next_request(engine, &customer);
  *more = err == ERR_OK && customer != 0;
  if (!*more) return err;
  err = compact_customer(engine, customer, diag);
  if (err == ERR_OK) err = projections_forget(engine, customer, diag);
  return err == ERR_OK ? store_run(engine->store, delete_request, &customer, &mark, diag) : err;
}

void engine_set_wake(struct engine *engine, engine_wake_fn *wake, void *context) {
  engine->wake = wake;
  engine->wake_context = context;
}

void engine_set_goes_on(struct engine *engine, engine_goes_on_fn *goes_on, void *context) {
  engine->goes_on = goes_on;
  engine->goes_on_context = context;
}

enum err engine_tick(struct engine *engine, bool *idle, struct diag *diag) {
  bool more_messages = false, more_erased = false, more_moves = false, more_rerun = false;
  bool more_build = false, more_changes = false, more_projections = false, more_codes = false;
  bool more_scores = false;
  pthread_mutex_lock(&engine->upkeep_mutex);
  enum err err = moves_tick(engine, &more_moves, diag);
  if (err == ERR_OK) err = sweep_messages(engine, &more_messages, diag);
  if (err == ERR_OK) err = compact_erased(engine, &more_erased, diag);
  if (err == ERR_OK) err = rerun_tick(engine, RERUN_US, &more_rerun, diag);
  if (err == ERR_OK) err = feed_sweep(engine, &more_changes, diag);
  if (err == ERR_OK) err = live_build_tick(engine, BUILD_US, &more_build, diag);
  if (err == ERR_OK) err = projections_tick(engine, &more_projections, diag);
  if (err == ERR_OK) err = codes_job_tick(engine, CODES_US, &more_codes, diag);
  if (err == ERR_OK) err = scores_tick(engine, &more_scores, diag);
  pthread_mutex_unlock(&engine->upkeep_mutex);
  *idle = !more_messages && !more_erased && !more_moves && !more_rerun && !more_build && !more_changes &&
          !more_projections && !more_codes && !more_scores;
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}
