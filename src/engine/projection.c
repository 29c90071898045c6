// projection.c: what is known of each block, and the notes of those who write.
//
// Invariants:
//   1. A block that has a directory, or that is being built, is known as such to every attempt, from before its
//   snapshot
//      can be taken until after its directory is gone: so the change is noted in the commit that makes it.
//   2. A side is deleted only by the commit of a build, or after the directory is gone, when no attempt is left that
//      would note on it.
// Attempts are counted in two numbers, by whether the epoch they began in is odd; to wait is to begin an epoch and see
// the number of the one before go to 0. Commits can be lost when a log fails (store_generation): a deleted directory
// may be there again. Until that is looked after, everything is noted.
#include "engine/projection.h"

#include <time.h>

#include "customer/projection.h"
#include "engine/work.h"

enum {
  PAGE_BLOCKS = 4096,
  PAGES = 4096,    // four thousand million customers; later ones are never projected
  NOTED_MAX = 192, // on one side, before the block is given up
  WAIT_NS = 100000,
};

struct projections {
  _Atomic(struct projection_slot *) pages[PAGES];
  _Atomic uint64_t epoch;
  _Atomic uint64_t running[2];
  _Atomic uint32_t generation; // of the store, when what is stored was learnt
  _Atomic uint64_t end;        // of the blocks that customers are in
  int64_t quiet_us;
  uint64_t turn;
};

// --- slots ---------------------------------------------------------------------------------------------------

struct projection_slot *projection_slot(struct projections *projections, uint64_t block, bool make) {
  if (block / PAGE_BLOCKS >= PAGES) return NULL;
  _Atomic(struct projection_slot *) *place = &projections->pages[block / PAGE_BLOCKS];
  struct projection_slot *page = atomic_load(place), *expected = NULL;
  if (page == NULL && make) {
    page = alloc_zero(PAGE_BLOCKS, sizeof *page);
    if (page != NULL && !atomic_compare_exchange_strong(place, &expected, page)) {
      alloc_free(page);
      page = expected;
    }
  }
  return page == NULL ? NULL : &page[block % PAGE_BLOCKS];
}

static enum err learn_block(void *context, uint64_t block, const struct projection_directory *directory) {
  struct projection_slot *slot = projection_slot(context, block, true);
  if (slot == NULL) return block / PAGE_BLOCKS >= PAGES ? ERR_CORRUPT : ERR_NO_MEMORY;
  atomic_store(&slot->state, PROJECTION_STORED | (directory->side == 1 ? PROJECTION_TURNED : 0));
  return ERR_OK;
}

enum err projections_learn(struct engine *engine, struct store_snapshot *snapshot) {
  uint32_t generation = store_generation(engine->store);
  enum err err = projection_directories(snapshot, learn_block, engine->projections);
  if (err == ERR_OK) atomic_store(&engine->projections->generation, generation);
  return err;
}

// Once: a walk backwards makes the store sort what it has in memory.
static enum err find_end(struct store_snapshot *snapshot, uint64_t *end) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key to;
  *end = 0;
  key_init(&to);
  key_put_u64(&to, ENGINE_PART_BIT);
  enum err err = store_snapshot_scan(snapshot, STORE_CUSTOMER, BYTES(""), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_previous(cursor, &key, &row)) *end = projection_block(key_read_u64(key.data)) + 1;
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

uint64_t projections_end(const struct projections *projections) {
  return atomic_load(&projections->end);
}

enum err projections_open(struct engine *engine, struct store_snapshot *snapshot) {
  engine->projections = alloc_zero(1, sizeof *engine->projections);
  if (engine->projections == NULL) return ERR_NO_MEMORY;
  engine->projections->quiet_us = engine->projection_quiet_us;
  uint64_t end;
  enum err err = find_end(snapshot, &end);
  if (err != ERR_OK) return err;
  atomic_store(&engine->projections->end, end);
  return projections_learn(engine, snapshot);
}

void projections_close(struct engine *engine) {
  if (engine->projections == NULL) return;
  for (size_t i = 0; i < PAGES; i++) alloc_free(engine->projections->pages[i]);
  alloc_free(engine->projections);
}

bool projections_are_known(const struct engine *engine) {
  return store_generation(engine->store) == atomic_load(&engine->projections->generation);
}

int64_t projections_quiet_us(const struct projections *projections) {
  return projections->quiet_us;
}

uint64_t *projections_turn(struct projections *projections) {
  return &projections->turn;
}

// --- attempts ------------------------------------------------------------------------------------------------

unsigned projections_enter(struct engine *engine) {
  struct projections *projections = engine->projections;
  while (true) {
    uint64_t epoch = atomic_load(&projections->epoch);
    atomic_fetch_add(&projections->running[epoch & 1], 1);
    if (atomic_load(&projections->epoch) == epoch) return epoch & 1;
    atomic_fetch_sub(&projections->running[epoch & 1], 1);
  }
}

void projections_leave(struct engine *engine, unsigned ticket) {
  atomic_fetch_sub(&engine->projections->running[ticket], 1);
}

// One at a time (upkeep_mutex).
void projections_wait(struct projections *projections) {
  uint64_t epoch = atomic_fetch_add(&projections->epoch, 1);
  const struct timespec pause = {.tv_nsec = WAIT_NS};
  while (atomic_load(&projections->running[epoch & 1]) > 0) nanosleep(&pause, NULL);
}

// --- notes ---------------------------------------------------------------------------------------------------

// Did this transaction change which events are hers, or whether she is anybody?
static bool is_concerned(const struct work_customer *customer) {
  if (customer->head_dirty || customer->erased) return true;
  if (!customer->record_dirty) return false;
  return customer->was_apart || customer->record.merged_into != 0 || customer->record.pending_count > 0;
}

static enum err note_on(struct work *work, uint64_t id, uint32_t name) {
  struct key key;
  uint8_t place = (uint8_t)(id % PROJECTION_CUSTOMERS);
  projection_key(projection_block(id), name, &key);
  return store_append(work->txn, STORE_PROJECTION, key_view(&key), bytes_of(&place, 1));
}

static enum err give_up(struct work *work, uint64_t block) {
  struct key key;
  projection_key(block, PROJECTION_DIRECTORY, &key);
  return store_delete(work->txn, STORE_PROJECTION, key_view(&key));
}

static void reach(struct projections *projections, uint64_t block) {
  uint64_t end = atomic_load_explicit(&projections->end, memory_order_relaxed);
  while (block >= end && !atomic_compare_exchange_weak(&projections->end, &end, block + 1)) {
  }
}

static enum err note_customer(struct work *work, struct work_customer *customer, bool known) {
  uint64_t id = customer->record.id, block = projection_block(id);
  struct projection_slot *slot = projection_slot(work->engine->projections, block, true);
  if (slot == NULL) return ERR_OK; // what has no slot has no directory: a build makes it first
  uint32_t state = atomic_load(&slot->state);
  reach(work->engine->projections, block);
  atomic_fetch_add_explicit(&slot->changes, 1, memory_order_relaxed);
  if (known && (state & (PROJECTION_STORED | PROJECTION_BUILDING)) == 0) return ERR_OK;
  enum err err = note_on(work, id, PROJECTION_SIDE((state & PROJECTION_TURNED) != 0));
  uint32_t noted = atomic_fetch_add(&slot->noted, 1);
  if (err != ERR_OK || !known || noted < NOTED_MAX || (state & PROJECTION_BUILDING) != 0) return err;
  customer->given_up = state;
  return give_up(work, block);
}

enum err projections_note(struct work *work) {
  enum err err = ERR_OK;
  bool known = projections_are_known(work->engine);
  for (size_t i = 0; err == ERR_OK && i < work->customer_count; i++) {
    struct work_customer *customer = work->customers[i];
    customer->given_up = 0;
    if (is_concerned(customer)) err = note_customer(work, customer, known);
  }
  return err;
}

// A build that has begun meanwhile keeps its state: it waits for this attempt, and writes a new directory.
void projections_committed(struct work *work) {
  for (size_t i = 0; i < work->customer_count; i++) {
    const struct work_customer *customer = work->customers[i];
    uint32_t state = customer->given_up;
    if (state == 0) continue;
    struct projection_slot *slot =
        projection_slot(work->engine->projections, projection_block(customer->record.id), false);
    atomic_compare_exchange_strong(&slot->state, &state, state & ~(uint32_t)PROJECTION_STORED);
  }
}
