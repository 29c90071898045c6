// feed.c: numbers for changes, their rows, and the end of old ones. Reading: feed_read.c.
//
// Which blocks of the feed have changes of a segment is told by one row a segment and block, written by the first
// commit that has such a change. What was told is kept in memory, by question, from the end of that commit on: of two
// commits at the same time both may tell it, and after a start it is told again. Invariant: a commit leaves the row out
// only when one that succeeded wrote it. When the store has lost commits (store_generation) all is forgotten.
#include <string.h>

#include "engine/feed_row.h"
#include "engine/live.h"

enum { SWEEP_ROWS = 1000, SWEEP_EVERY_S = 60 };

// What is known of a question.
struct told_slot {
  uint64_t block;     // the last one told, + 1; 0: none
  uint64_t looked_at; // first number of the row that looked at it last
};

struct feed {
  pthread_mutex_t mutex;
  uint64_t next;
  struct feed_claim in_use; // head of a ring, in order of their numbers
  struct told_slot *slots;  // by question
  size_t slot_count;
  uint32_t generation;    // of the store, of what the slots say
  _Atomic uint64_t floor; // all up to it may be gone
  int64_t swept_us;       // when the sweep last found nothing; of whoever ticks
  uint64_t swept_block;   // what tells of blocks before it is gone; of whoever ticks
};

// --- numbers -------------------------------------------------------------------------------------------------

enum err feed_last(struct store_snapshot *snapshot, uint64_t *last) {
  struct store_cursor *cursor = NULL;
  struct bytes key, value;
  struct feed_row row;
  struct key from, to;
  *last = 0;
  feed_row_key(&from, 0);
  feed_row_key(&to, UINT64_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_previous(cursor, &key, &value)) {
    err = feed_row_open(&row, key, value);
    if (err == ERR_OK) *last = row.first + row.count - 1;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err read_floor(struct store_snapshot *snapshot, uint64_t *floor) {
  struct arena arena;
  struct bytes row;
  struct key key;
  engine_text_key(&key, "feed_floor");
  arena_init(&arena, 0);
  enum err err = store_snapshot_get(snapshot, STORE_META, key_view(&key), &arena, &row);
  *floor = err == ERR_OK && row.size_bytes == sizeof *floor ? key_read_u64(row.data) : 0;
  arena_release(&arena);
  return err;
}

uint64_t feed_floor(const struct engine *engine) {
  return atomic_load(&engine->feed->floor);
}

enum err feed_open(struct feed **feed, struct store_snapshot *snapshot) {
  uint64_t last, floor;
  enum err err = feed_last(snapshot, &last);
  if (err == ERR_OK) err = read_floor(snapshot, &floor);
  if (err != ERR_OK) return err;
  if (last < floor) last = floor;
  struct feed *made = alloc_zero(1, sizeof *made);
  *feed = made;
  if (made == NULL) return ERR_NO_MEMORY;
  pthread_mutex_init(&made->mutex, NULL);
  made->next = last + 1;
  atomic_init(&made->floor, floor);
  made->in_use.next = made->in_use.previous = &made->in_use;
  return ERR_OK;
}

void feed_close(struct feed *feed) {
  if (feed == NULL) return;
  pthread_mutex_destroy(&feed->mutex);
  alloc_free(feed->slots);
  alloc_free(feed);
}

static void take(struct feed *feed, size_t count, struct feed_claim *claim) {
  pthread_mutex_lock(&feed->mutex);
  *claim = (struct feed_claim){.first = feed->next, .count = count, .previous = feed->in_use.previous};
  claim->next = &feed->in_use;
  claim->previous->next = claim->next->previous = claim;
  feed->next += count;
  pthread_mutex_unlock(&feed->mutex);
}

// Loyalty is told as question 0.
static uint32_t question_of(const struct segment_definition *segment) {
  return segment == NULL ? 0 : segment->question;
}

// With the lock held: what the claim told is told, now that it is committed.
static void remember(struct feed *feed, const struct feed_claim *claim) {
  if (claim->generation != feed->generation) return;
  for (size_t i = 0; i < claim->told_count; i++)
    feed->slots[question_of(claim->told[i].segment)].block = claim->told[i].block + 1;
}

void feed_release(struct engine *engine, struct feed_claim *claim, bool committed) {
  struct feed *feed = engine->feed;
  if (claim->count == 0) return;
  pthread_mutex_lock(&feed->mutex);
  claim->previous->next = claim->next;
  claim->next->previous = claim->previous;
  if (committed) remember(feed, claim);
  pthread_mutex_unlock(&feed->mutex);
  live_changed(engine);
}

uint64_t feed_horizon(struct engine *engine) {
  struct feed *feed = engine->feed;
  pthread_mutex_lock(&feed->mutex);
  uint64_t horizon = feed->in_use.next == &feed->in_use ? feed->next : feed->in_use.next->first;
  pthread_mutex_unlock(&feed->mutex);
  return horizon;
}

// --- writing -------------------------------------------------------------------------------------------------

// With the lock held.
static struct told_slot *slot_of(struct feed *feed, uint32_t question) {
  if (question >= feed->slot_count) {
    size_t count = question + 1 + question / 2;
    struct told_slot *slots = alloc_zero(count, sizeof *slots);
    if (slots == NULL) return NULL;
    if (feed->slot_count > 0) memcpy(slots, feed->slots, feed->slot_count * sizeof *slots);
    alloc_free(feed->slots);
    feed->slots = slots;
    feed->slot_count = count;
  }
  return &feed->slots[question];
}

// With the lock held.
static void forget_if_lost(struct feed *feed, uint32_t generation) {
  if (feed->generation >= generation) return;
  for (size_t i = 0; i < feed->slot_count; i++) feed->slots[i].block = 0;
  feed->generation = generation;
}

static enum err add_told(struct feed_claim *claim, struct arena *arena, const struct segment_definition *segment,
                         uint64_t block) {
  struct feed_told *told = arena_grow(arena, claim->told, claim->told_count, &claim->told_capacity, 16, sizeof *told);
  if (told == NULL) return ERR_NO_MEMORY;
  claim->told = told;
  claim->told[claim->told_count++] = (struct feed_told){segment, block};
  return ERR_OK;
}

// Adds to claim->told the segments of a row of which nobody told that they are in its block, each once.
static enum err find_untold(struct work *work, struct feed_claim *claim, const struct live_change *changes,
                            size_t count, uint64_t first) {
  struct feed *feed = work->engine->feed;
  enum err err = ERR_OK;
  pthread_mutex_lock(&feed->mutex);
  forget_if_lost(feed, claim->generation);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct told_slot *slot = slot_of(feed, question_of(changes[i].segment));
    if (slot == NULL) err = ERR_NO_MEMORY;
    if (slot == NULL || slot->block == feed_block(first) + 1 || slot->looked_at == first) continue;
    slot->looked_at = first;
    err = add_told(claim, work->arena, changes[i].segment, feed_block(first));
  }
  pthread_mutex_unlock(&feed->mutex);
  return err;
}

static enum err write_row(struct work *work, struct feed_claim *claim, const struct live_change *changes, size_t count,
                          uint64_t first) {
  struct key key;
  size_t told = claim->told_count;
  enum err err = find_untold(work, claim, changes, count, first);
  feed_row_key(&key, first);
  buffer_clear(work->buffer);
  feed_row_encode(changes, count, work->now_us, work->buffer);
  if (work->buffer->failed) err = ERR_NO_MEMORY;
  if (err == ERR_OK) err = store_put(work->txn, STORE_CHANGE, key_view(&key), buffer_view(work->buffer));
  for (; err == ERR_OK && told < claim->told_count; told++) {
    const struct segment_definition *segment = claim->told[told].segment;
    feed_segment_key(&key, segment == NULL ? BYTES("") : segment->id, claim->told[told].block);
    err = store_put(work->txn, STORE_CHANGE, key_view(&key), BYTES(""));
  }
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}

enum err feed_note(struct work *work, const struct live_change *change) {
  struct live_change *changes =
      arena_grow(work->arena, work->changes, work->change_count, &work->change_capacity, 16, sizeof *changes);
  if (changes == NULL) return diag_no_memory(work->diag);
  work->changes = changes;
  work->changes[work->change_count++] = *change;
  return ERR_OK;
}

enum err feed_write(struct work *work, struct feed_claim *claim) {
  enum err err = ERR_OK;
  if (work->change_count == 0) return ERR_OK;
  take(work->engine->feed, work->change_count, claim);
  claim->generation = store_generation(work->engine->store);
  for (size_t i = 0; err == ERR_OK && i < work->change_count; i += FEED_ROW_CHANGES) {
    size_t rest = work->change_count - i;
    size_t count = rest < FEED_ROW_CHANGES ? rest : FEED_ROW_CHANGES;
    err = write_row(work, claim, work->changes + i, count, claim->first + i);
  }
  return err;
}

// --- sweeping ------------------------------------------------------------------------------------------------

struct feed_sweep {
  struct arena arena;
  struct bytes keys[SWEEP_ROWS];
  size_t count;
  uint64_t last; // number of the last change among them; 0: they are no changes
};

static enum err delete_swept(struct store_txn *txn, void *context, struct diag *diag) {
  const struct feed_sweep *sweep = context;
  struct key key, value;
  enum err err = ERR_OK;
  (void)diag;
  for (size_t i = 0; err == ERR_OK && i < sweep->count; i++) err = store_delete(txn, STORE_CHANGE, sweep->keys[i]);
  if (err != ERR_OK || sweep->last == 0) return err;
  engine_text_key(&key, "feed_floor");
  key_init(&value);
  key_put_u64(&value, sweep->last);
  return store_put(txn, STORE_META, key_view(&key), key_view(&value));
}

static enum err add_swept(struct feed_sweep *sweep, struct bytes key) {
  struct bytes copy = arena_copy(&sweep->arena, key);
  if (copy.data == NULL) return ERR_NO_MEMORY;
  sweep->keys[sweep->count++] = copy;
  return ERR_OK;
}

// Rows that are old enough.
static enum err find_old(struct engine *engine, struct store_snapshot *snapshot, struct feed_sweep *sweep) {
  int64_t before_us = clock_now_us(engine->clock) - FEED_DAYS * CLOCK_DAY_US;
  struct store_cursor *cursor = NULL;
  struct bytes key, value;
  struct key from, to;
  feed_row_key(&from, atomic_load(&engine->feed->floor) + 1);
  feed_row_key(&to, feed_horizon(engine));
  enum err err = store_snapshot_scan(snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  while (err == ERR_OK && sweep->count < SWEEP_ROWS && store_cursor_next(cursor, &key, &value)) {
    struct feed_row row;
    err = feed_row_open(&row, key, value);
    if (err != ERR_OK || row.recorded_us >= before_us) break;
    sweep->last = row.first + row.count - 1;
    err = add_swept(sweep, key);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// What tells of blocks before `block`, of all segments: of each the first rows, and then on to the next segment.
static enum err find_told(struct store_snapshot *snapshot, uint64_t block, struct feed_sweep *sweep) {
  struct store_cursor *cursor = NULL;
  struct bytes key, value;
  struct key at;
  key_init(&at);
  key_put_u8(&at, 's');
  enum err err = store_snapshot_scan(snapshot, STORE_CHANGE, key_view(&at), BYTES(""), &cursor);
  while (err == ERR_OK && sweep->count < SWEEP_ROWS && store_cursor_next(cursor, &key, &value)) {
    size_t before_bytes = key.size_bytes - sizeof block;
    if (key.size_bytes <= sizeof block || before_bytes > 2 + SEGMENT_ID_BYTES) err = ERR_CORRUPT;
    if (err != ERR_OK) break;
    if (key_read_u64(key.data + before_bytes) < block) {
      err = add_swept(sweep, key);
      continue;
    }
    key_init(&at);
    key_put_raw(&at, bytes_of(key.data, before_bytes));
    key_put_u64(&at, UINT64_MAX);
    store_cursor_seek(cursor, key_view(&at));
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// Old changes; when there are none, what told of blocks that have none any more: later changes have higher numbers.
static enum err sweep_some(struct engine *engine, struct feed_sweep *sweep, struct diag *diag) {
  struct feed *feed = engine->feed;
  struct store_snapshot *snapshot;
  struct store_mark mark;
  uint64_t block = feed_block(atomic_load(&feed->floor) + 1);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = find_old(engine, snapshot, sweep);
  if (err == ERR_OK && sweep->count == 0 && feed->swept_block < block) err = find_told(snapshot, block, sweep);
  store_snapshot_close(snapshot);
  if (err == ERR_OK && sweep->count > 0) err = store_run(engine->store, delete_swept, sweep, &mark, diag);
  if (err != ERR_OK) return err;
  if (sweep->last > 0) atomic_store(&feed->floor, sweep->last);
  if (sweep->count == 0) feed->swept_block = block;
  return ERR_OK;
}

enum err feed_sweep(struct engine *engine, bool *more, struct diag *diag) {
  struct feed *feed = engine->feed;
  *more = false;
  if (clock_now_us(engine->clock) - feed->swept_us < SWEEP_EVERY_S * (int64_t)CLOCK_SECOND_US) return ERR_OK;
  struct feed_sweep *sweep = alloc_zero(1, sizeof *sweep);
  if (sweep == NULL) return diag_no_memory(diag);
  arena_init(&sweep->arena, 0);
  enum err err = sweep_some(engine, sweep, diag);
  if (err == ERR_OK && sweep->count == 0) feed->swept_us = clock_now_us(engine->clock);
  *more = err == ERR_OK && sweep->count > 0;
  arena_release(&sweep->arena);
  alloc_free(sweep);
  return err;
}
