// projection_build.c: blocks that are due are built, by several threads; those of the erased are cleared.
//
// A block is due when it has no directory, or many notes, and little of it changed for a while. Blocks are built in
// batches: one wait for the attempts under way and one snapshot a batch, one commit a block. A failure leaves the block
// noted on its new side, which costs a little and harms nothing.
#include <string.h>

#include "customer/projection.h"
#include "engine/crew.h"
#include "engine/projection.h"

enum {
  BATCH_BLOCKS = 256,
  LOOKS_MAX = 65536,  // blocks looked at in one tick
  CHANGES_QUIET = 16, // in a block, in the time after which it is due
  NOTED_MANY = 64,
};

struct batch {
  struct engine *engine;
  struct store_snapshot *snapshot;
  size_t count;
  uint64_t blocks[BATCH_BLOCKS]; // ascending
};

// --- one block -----------------------------------------------------------------------------------------------

// What one thread does of a batch.
struct share {
  const struct batch *batch;
  size_t from, to;             // of its blocks
  struct store_txn *txn;       // of the present block; NULL: none
  struct store_cursor *cursor; // of PROJECTION, for names
  struct arena arena;
  uint32_t *older; // names of rows of the block; those written again are 0
  size_t older_count;
  enum err err;
  struct diag diag;
};

static struct projection_slot *slot_of(const struct batch *batch, uint64_t block) {
  return projection_slot(batch->engine->projections, block, false);
}

static uint8_t side_of(const struct batch *batch, uint64_t block) {
  return (atomic_load(&slot_of(batch, block)->state) & PROJECTION_TURNED) != 0;
}

static enum err begin_block(struct share *share, uint64_t block) {
  arena_clear(&share->arena);
  enum err err = projection_names(share->cursor, block, &share->arena, &share->older, &share->older_count);
  return err == ERR_OK ? store_begin(share->batch->engine->store, &share->txn) : err;
}

static enum err delete_row(struct store_txn *txn, uint64_t block, uint32_t name) {
  struct key key;
  projection_key(block, name, &key);
  return store_delete(txn, STORE_PROJECTION, key_view(&key));
}

// The directory is the last row of its block.
static enum err end_block(struct share *share, uint64_t block) {
  struct store_mark mark;
  struct projection_slot *slot = slot_of(share->batch, block);
  enum err err = delete_row(share->txn, block, PROJECTION_SIDE(1 - side_of(share->batch, block)));
  for (size_t i = 0; err == ERR_OK && i < share->older_count; i++)
    if (share->older[i] != 0) err = delete_row(share->txn, block, share->older[i]);
  if (err != ERR_OK) return err;
  err = store_commit(share->txn, &mark, &share->diag);
  share->txn = NULL;
  if (err != ERR_OK) return err;
  atomic_fetch_or(&slot->state, PROJECTION_STORED);
  atomic_fetch_and(&slot->state, ~(uint32_t)PROJECTION_BUILDING);
  return ERR_OK;
}

static enum err put_row(void *context, uint64_t block, uint32_t name, struct bytes row) {
  struct share *share = context;
  struct key key;
  enum err err = share->txn == NULL ? begin_block(share, block) : ERR_OK;
  projection_key(block, name, &key);
  if (err == ERR_OK) err = store_put(share->txn, STORE_PROJECTION, key_view(&key), row);
  for (size_t i = 0; err == ERR_OK && i < share->older_count; i++)
    if (share->older[i] == name) share->older[i] = 0;
  return err == ERR_OK && name == PROJECTION_DIRECTORY ? end_block(share, block) : err;
}

// --- a batch -------------------------------------------------------------------------------------------------

// Neighbours on one side are one walk.
static void build_share(void *item) {
  struct share *share = item;
  const struct batch *batch = share->batch;
  struct bytes all = {NULL, 0};
  arena_init(&share->arena, 0);
  diag_init(&share->diag);
  share->err = store_snapshot_scan(batch->snapshot, STORE_PROJECTION, all, all, &share->cursor);
  for (size_t i = share->from; share->err == ERR_OK && i < share->to;) {
    struct projection_build build = {.snapshot = batch->snapshot,
                                     .from = batch->blocks[i],
                                     .side = side_of(batch, batch->blocks[i]),
                                     .put = put_row,
                                     .context = share};
    size_t end = i + 1;
    while (end < share->to && batch->blocks[end] == batch->blocks[end - 1] + 1 &&
           side_of(batch, batch->blocks[end]) == build.side)
      end++;
    build.to = batch->blocks[end - 1] + 1;
    share->err = projection_build(&build);
    i = end;
  }
  if (share->txn != NULL) store_abort(share->txn);
  store_cursor_close(share->cursor);
  arena_release(&share->arena);
}

static enum err run_shares(struct batch *batch, struct diag *diag) {
  struct share shares[CREW_MAX];
  size_t count = crew_size() < batch->count ? crew_size() : batch->count;
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++)
    shares[i] = (struct share){.batch = batch, .from = batch->count * i / count, .to = batch->count * (i + 1) / count};
  crew_run(build_share, shares, sizeof *shares, count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    err = shares[i].err;
    if (err != ERR_OK && diag != NULL) *diag = shares[i].diag;
  }
  return err;
}

static void turn_sides(const struct batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    struct projection_slot *slot = slot_of(batch, batch->blocks[i]);
    uint32_t state = atomic_load(&slot->state);
    uint32_t turned;
    atomic_store(&slot->noted, 0);
    do {
      turned = (state ^ PROJECTION_TURNED) | PROJECTION_BUILDING;
    } while (!atomic_compare_exchange_weak(&slot->state, &state, turned));
  }
}

static enum err build_batch(struct batch *batch, struct diag *diag) {
  turn_sides(batch);
  projections_wait(batch->engine->projections);
  enum err err = store_snapshot_open(batch->engine->store, &batch->snapshot);
  if (err == ERR_OK) {
    err = run_shares(batch, diag);
    store_snapshot_close(batch->snapshot);
  }
  for (size_t i = 0; i < batch->count; i++)
    atomic_fetch_and(&slot_of(batch, batch->blocks[i])->state, ~(uint32_t)PROJECTION_BUILDING);
  return err;
}

// --- what is due ---------------------------------------------------------------------------------------------

static bool is_due(struct projection_slot *slot, int64_t now_us, int64_t quiet_us) {
  uint32_t changes = atomic_load(&slot->changes);
  if (now_us < slot->seen_us) slot->seen_us = now_us; // the clock was set back
  if (now_us - slot->seen_us < quiet_us) return false;
  bool quiet = changes - slot->seen <= CHANGES_QUIET;
  slot->seen = changes;
  slot->seen_us = now_us;
  if (!quiet) return false;
  return (atomic_load(&slot->state) & PROJECTION_STORED) == 0 || atomic_load(&slot->noted) > NOTED_MANY;
}

// The next blocks that are due, from where the last call stopped. *more: not all were looked at.
static enum err choose(struct batch *batch, uint64_t block_count, bool *more) {
  struct projections *projections = batch->engine->projections;
  uint64_t *turn = projections_turn(projections);
  int64_t now_us = clock_now_us(batch->engine->clock), quiet_us = projections_quiet_us(projections);
  if (*turn >= block_count) *turn = 0;
  for (size_t looks = 0; looks < LOOKS_MAX && *turn < block_count && batch->count < BATCH_BLOCKS; looks++) {
    uint64_t block = (*turn)++;
    struct projection_slot *slot = projection_slot(projections, block, true);
    if (slot == NULL) return ERR_NO_MEMORY;
    if (is_due(slot, now_us, quiet_us)) batch->blocks[batch->count++] = block;
  }
  *more = *turn < block_count;
  return ERR_OK;
}

static enum err learn_again(struct engine *engine) {
  struct store_snapshot *snapshot;
  if (projections_are_known(engine)) return ERR_OK;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = projections_learn(engine, snapshot);
  store_snapshot_close(snapshot);
  return err;
}

enum err projections_tick(struct engine *engine, bool *more, struct diag *diag) {
  struct batch batch = {.engine = engine};
  *more = false;
  enum err err = learn_again(engine);
  if (err == ERR_OK) err = choose(&batch, projections_end(engine->projections), more);
  return err == ERR_OK && batch.count > 0 ? build_batch(&batch, diag) : err;
}

enum err engine_project_now(struct engine *engine, struct diag *diag) {
  uint64_t count = projections_end(engine->projections), block = 0;
  pthread_mutex_lock(&engine->upkeep_mutex);
  enum err err = learn_again(engine);
  while (err == ERR_OK && block < count) {
    struct batch batch = {.engine = engine};
    for (; block < count && batch.count < BATCH_BLOCKS; block++) {
      struct projection_slot *slot = projection_slot(engine->projections, block, true);
      if (slot == NULL) err = ERR_NO_MEMORY;
      if (err != ERR_OK) break;
      bool stored = (atomic_load(&slot->state) & PROJECTION_STORED) != 0;
      if (!stored || atomic_load(&slot->noted) > 0) batch.blocks[batch.count++] = block;
    }
    if (err == ERR_OK && batch.count > 0) err = build_batch(&batch, diag);
  }
  pthread_mutex_unlock(&engine->upkeep_mutex);
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}

// --- erasure -------------------------------------------------------------------------------------------------

struct clearing {
  uint64_t block;
  bool all; // else the directory only
  const uint32_t *names;
  size_t count;
};

static enum err clear_block(struct store_txn *txn, void *context, struct diag *diag) {
  const struct clearing *clearing = context;
  (void)diag;
  enum err err = delete_row(txn, clearing->block, PROJECTION_DIRECTORY);
  for (int side = 0; err == ERR_OK && clearing->all && side < 2; side++)
    err = delete_row(txn, clearing->block, PROJECTION_SIDE(side));
  for (size_t i = 0; err == ERR_OK && i < clearing->count; i++)
    err = delete_row(txn, clearing->block, clearing->names[i]);
  return err;
}

static enum err clear_rows(struct engine *engine, struct clearing *clearing, struct arena *arena, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct store_mark mark;
  struct bytes all = {NULL, 0};
  uint32_t *names = NULL;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_PROJECTION, all, all, &cursor);
  if (err == ERR_OK) {
    err = projection_names(cursor, clearing->block, arena, &names, &clearing->count);
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  clearing->names = names;
  clearing->all = true;
  return err == ERR_OK ? store_run(engine->store, clear_block, clearing, &mark, diag) : err;
}

// First the directory, so that the rest means nothing; then whatever is left of the block.
enum err projections_forget(struct engine *engine, uint64_t customer, struct diag *diag) {
  struct clearing clearing = {.block = projection_block(customer)};
  struct projection_slot *slot = projection_slot(engine->projections, clearing.block, false);
  struct store_mark mark;
  struct arena arena;
  struct key from, to;
  if (slot == NULL) return ERR_OK; // it never had a row
  enum err err = store_run(engine->store, clear_block, &clearing, &mark, diag);
  if (err != ERR_OK) return err;
  atomic_fetch_and(&slot->state, ~(uint32_t)PROJECTION_STORED);
  projections_wait(engine->projections);
  arena_init(&arena, 0);
  err = clear_rows(engine, &clearing, &arena, diag);
  arena_release(&arena);
  projection_group_range(clearing.block, &from, &to);
  return err == ERR_OK ? store_compact(engine->store, STORE_PROJECTION, key_view(&from), key_view(&to), diag) : err;
}

// --- checking ------------------------------------------------------------------------------------------------

static enum err note_end(void *context, uint64_t block, const struct projection_directory *directory) {
  (void)directory;
  *(uint64_t *)context = block + 1;
  return ERR_OK;
}

enum err projections_check(struct store_snapshot *snapshot, void (*tell)(void *context, const char *words),
                           void *context) {
  uint64_t end = 0;
  enum err err = projection_directories(snapshot, note_end, &end);
  if (err == ERR_OK && end > 0) err = projection_verify(snapshot, 0, end, tell, context);
  if (err != ERR_CORRUPT) return err;
  tell(context, "a row of keyspace projection cannot be read");
  return ERR_OK;
}
