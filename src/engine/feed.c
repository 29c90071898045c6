// feed.c: numbers for changes, their rows, and reading them.
//
// Value of a row: varints: version of the format (1), flags (1 entered, 2 backfill), question, version of the segment,
// customer, when it became so (signed), when it was committed (signed); then the segment's id. A cursor is the number
// of the last change read, in hexadecimal; whoever writes one by hand reads from there on.
#include "engine/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/varint.h"
#include "engine/live.h"

enum { FEED_DAYS = 30, SWEEP_ROWS = 1000, SWEEP_EVERY_S = 60 };
enum { FEED_FORMAT = 1, FEED_ENTERED = 1, FEED_BACKFILL = 2, FEED_ROW_BYTES = 96 + SEGMENT_ID_BYTES };

struct feed {
  pthread_mutex_t mutex;
  uint64_t next;
  struct feed_claim in_use; // head of a ring, in order of their numbers
  _Atomic uint64_t floor;   // all up to it may be gone
  int64_t swept_us;         // when the sweep last found nothing; of whoever ticks
};

static void all_key(struct key *key, uint64_t number) {
  key_init(key);
  key_put_u8(key, 'a');
  key_put_u64(key, number);
}

static void segment_key(struct key *key, struct bytes id, uint64_t number) {
  key_init(key);
  key_put_u8(key, 's');
  key_put_text(key, id);
  key_put_u64(key, number);
}

// --- numbers -------------------------------------------------------------------------------------------------

static enum err read_last(struct store_snapshot *snapshot, uint64_t *last) {
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  *last = 0;
  all_key(&from, 0);
  all_key(&to, UINT64_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_previous(cursor, &key, &row)) *last = key_read_u64(key.data + 1);
  err = store_cursor_error(cursor);
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

enum err feed_open(struct feed **feed, struct store_snapshot *snapshot) {
  uint64_t last, floor;
  enum err err = read_last(snapshot, &last);
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
  alloc_free(feed);
}

static void take(struct feed *feed, size_t count, struct feed_claim *claim) {
  pthread_mutex_lock(&feed->mutex);
  *claim = (struct feed_claim){feed->next, count, feed->in_use.previous, &feed->in_use};
  claim->previous->next = claim->next->previous = claim;
  feed->next += count;
  pthread_mutex_unlock(&feed->mutex);
}

void feed_release(struct engine *engine, struct feed_claim *claim) {
  if (claim->count == 0) return;
  pthread_mutex_lock(&engine->feed->mutex);
  claim->previous->next = claim->next;
  claim->next->previous = claim->previous;
  pthread_mutex_unlock(&engine->feed->mutex);
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

static size_t encode(const struct live_change *change, int64_t now_us, uint8_t row[FEED_ROW_BYTES]) {
  uint8_t *at = varint_put(row, FEED_FORMAT);
  at = varint_put(at, (change->entered ? FEED_ENTERED : 0) | (change->backfill ? FEED_BACKFILL : 0));
  at = varint_put(at, change->segment->question);
  at = varint_put(at, change->segment->version);
  at = varint_put(at, change->customer);
  at = varint_put_signed(at, change->at_us);
  at = varint_put_signed(at, now_us);
  at = varint_put_bytes(at, change->segment->id);
  return (size_t)(at - row);
}

enum err feed_write(struct work *work, struct feed_claim *claim) {
  enum err err = ERR_OK;
  if (work->change_count == 0) return ERR_OK;
  take(work->engine->feed, work->change_count, claim);
  for (size_t i = 0; err == ERR_OK && i < work->change_count; i++) {
    uint8_t row[FEED_ROW_BYTES];
    struct key key;
    size_t size = encode(&work->changes[i], work->now_us, row);
    all_key(&key, claim->first + i);
    err = store_put(work->txn, STORE_CHANGE, key_view(&key), bytes_of(row, size));
    segment_key(&key, work->changes[i].segment->id, claim->first + i);
    if (err == ERR_OK) err = store_put(work->txn, STORE_CHANGE, key_view(&key), BYTES(""));
  }
  return err;
}

// --- reading -------------------------------------------------------------------------------------------------

static bool read_cursor(struct bytes text, uint64_t *number) {
  *number = 0;
  if (text.size_bytes > 16) return false;
  for (size_t i = 0; i < text.size_bytes; i++) {
    const char *digits = "0123456789abcdef";
    const char *digit = text.data[i] == 0 ? NULL : strchr(digits, text.data[i]);
    if (digit == NULL) return false;
    *number = *number << 4 | (uint64_t)(digit - digits);
  }
  return true;
}

static bool write_change(struct json_writer *writer, uint64_t number, struct bytes row) {
  struct varint_reader reader = varint_reader_of(row);
  char text[CUSTOMER_ID_TEXT_BYTES];
  if (varint_read(&reader) != FEED_FORMAT) return false;
  uint64_t flags = varint_read(&reader);
  varint_read(&reader);
  uint64_t version = varint_read(&reader), customer = varint_read(&reader);
  int64_t at_us = varint_read_signed(&reader), recorded_us = varint_read_signed(&reader);
  struct bytes segment = varint_read_bytes(&reader);
  if (reader.failed) return false;
  json_object_begin(writer);
  snprintf(text, sizeof text, "%" PRIx64, number);
  json_member_text(writer, "cursor", text);
  json_member_bytes(writer, "segment", segment);
  json_member_u64(writer, "version", version);
  customer_id_format(customer, text);
  json_member_text(writer, "customer", text);
  json_member_text(writer, "change", flags & FEED_ENTERED ? "entered" : "left");
  json_member_time(writer, "at", at_us);
  json_member_time(writer, "recorded_at", recorded_us);
  json_member_bool(writer, "backfill", (flags & FEED_BACKFILL) != 0);
  json_object_end(writer);
  return true;
}

// --- sweeping ------------------------------------------------------------------------------------------------

struct feed_sweep {
  struct arena arena;
  struct bytes keys[2 * SWEEP_ROWS];
  size_t count;
  uint64_t last; // number
};

static enum err delete_swept(struct store_txn *txn, void *context, struct diag *diag) {
  const struct feed_sweep *sweep = context;
  struct key key, value;
  enum err err = ERR_OK;
  (void)diag;
  for (size_t i = 0; err == ERR_OK && i < sweep->count; i++) err = store_delete(txn, STORE_CHANGE, sweep->keys[i]);
  engine_text_key(&key, "feed_floor");
  key_init(&value);
  key_put_u64(&value, sweep->last);
  return err == ERR_OK ? store_put(txn, STORE_META, key_view(&key), key_view(&value)) : err;
}

// Both rows of a change that is old enough; *old is false when it is not.
static enum err add_swept(struct feed_sweep *sweep, struct bytes key, struct bytes row, int64_t before_us, bool *old) {
  struct varint_reader reader = varint_reader_of(row);
  struct key other;
  for (int i = 0; i < 5; i++) varint_read(&reader);
  varint_read_signed(&reader);
  *old = varint_read_signed(&reader) < before_us;
  struct bytes segment = varint_read_bytes(&reader);
  if (reader.failed) return ERR_CORRUPT;
  if (!*old) return ERR_OK;
  sweep->last = key_read_u64(key.data + 1);
  segment_key(&other, segment, sweep->last);
  sweep->keys[sweep->count] = arena_copy(&sweep->arena, key);
  sweep->keys[sweep->count + 1] = arena_copy(&sweep->arena, key_view(&other));
  bool ok = sweep->keys[sweep->count].data != NULL && sweep->keys[sweep->count + 1].data != NULL;
  sweep->count += 2;
  return ok ? ERR_OK : ERR_NO_MEMORY;
}

static enum err find_swept(struct engine *engine, struct feed_sweep *sweep) {
  int64_t before_us = clock_now_us(engine->clock) - FEED_DAYS * CLOCK_DAY_US;
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  bool old = true;
  all_key(&from, atomic_load(&engine->feed->floor) + 1);
  all_key(&to, feed_horizon(engine));
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  while (err == ERR_OK && old && sweep->count < 2 * SWEEP_ROWS && store_cursor_next(cursor, &key, &row))
    err = add_swept(sweep, key, row, before_us, &old);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err;
}

enum err feed_sweep(struct engine *engine, bool *more, struct diag *diag) {
  struct feed *feed = engine->feed;
  struct store_mark mark;
  *more = false;
  if (clock_now_us(engine->clock) - feed->swept_us < SWEEP_EVERY_S * (int64_t)CLOCK_SECOND_US) return ERR_OK;
  struct feed_sweep *sweep = alloc_zero(1, sizeof *sweep);
  if (sweep == NULL) return diag_no_memory(diag);
  arena_init(&sweep->arena, 0);
  enum err err = find_swept(engine, sweep);
  if (err == ERR_OK && sweep->count > 0) err = store_run(engine->store, delete_swept, sweep, &mark, diag);
  if (err == ERR_OK && sweep->count > 0) atomic_store(&feed->floor, sweep->last);
  if (err == ERR_OK && sweep->count == 0) feed->swept_us = clock_now_us(engine->clock);
  *more = err == ERR_OK && sweep->count > 0;
  arena_release(&sweep->arena);
  alloc_free(sweep);
  return err;
}

// --- pages ---------------------------------------------------------------------------------------------------

struct reading {
  struct store_snapshot *snapshot;
  struct bytes segment; // empty: all
  uint64_t from, end;   // numbers: [from, end)
  size_t limit;
  uint64_t last; // out
  engine_change_fn *each;
  void *context;
};

static void number_key(const struct reading *reading, uint64_t number, struct key *key) {
  if (reading->segment.size_bytes == 0)
    all_key(key, number);
  else
    segment_key(key, reading->segment, number);
}

static enum err tell_change(const struct reading *reading, uint64_t number, struct bytes row, struct buffer *document) {
  struct json_writer writer;
  char cursor[ENGINE_CURSOR_BYTES];
  buffer_clear(document);
  json_writer_init(&writer, document);
  if (!write_change(&writer, number, row)) return ERR_CORRUPT;
  if (document->failed) return ERR_NO_MEMORY;
  snprintf(cursor, sizeof cursor, "%" PRIx64, number);
  return reading->each(reading->context, bytes_from_text(cursor), buffer_view(document));
}

static enum err tell_changes(struct reading *reading, struct arena *arena, struct buffer *document) {
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  number_key(reading, reading->from, &from);
  number_key(reading, reading->end, &to);
  enum err err = store_snapshot_scan(reading->snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  for (size_t i = 0; err == ERR_OK && i < reading->limit && store_cursor_next(cursor, &key, &row); i++) {
    uint64_t number = key_read_u64(key.data + key.size_bytes - sizeof number);
    if (reading->segment.size_bytes > 0) {
      struct key whole;
      arena_clear(arena);
      all_key(&whole, number);
      err = store_snapshot_get(reading->snapshot, STORE_CHANGE, key_view(&whole), arena, &row);
    }
    if (err == ERR_OK) err = tell_change(reading, number, row, document);
    reading->last = number;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err read_changes(struct engine *engine, struct reading *reading, struct bytes after, struct diag *diag) {
  struct arena arena;
  struct buffer document;
  if (!read_cursor(after, &reading->last))
    return diag_set(diag, ERR_INVALID, "bad_cursor", "this is no cursor of the feed: give back one it gave, or none");
  if (reading->limit == 0 || reading->limit > LIMIT_PAGE_ROWS)
    return diag_set(diag, ERR_INVALID, "bad_limit", "a page has 1 to %d rows", LIMIT_PAGE_ROWS);
  reading->from = reading->last + 1;
  reading->end = feed_horizon(engine); // before the snapshot: all below it are committed, or never will be
  if (reading->from == 0 || reading->from >= reading->end) return ERR_OK;
  enum err err = store_snapshot_open(engine->store, &reading->snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  arena_init(&arena, 0);
  buffer_init(&document);
  err = tell_changes(reading, &arena, &document);
  buffer_release(&document);
  arena_release(&arena);
  store_snapshot_close(reading->snapshot);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

enum err engine_changes_each(struct engine *engine, struct bytes segment, struct bytes after, size_t limit,
                             engine_change_fn *each, void *context, struct diag *diag) {
  struct reading reading = {.segment = segment, .limit = limit, .each = each, .context = context};
  return read_changes(engine, &reading, after, diag);
}

static enum err append_item(void *context, struct bytes cursor, struct bytes document) {
  (void)cursor;
  json_raw(context, document);
  return ERR_OK;
}

enum err engine_changes_json(struct engine *engine, struct bytes segment, struct bytes after, size_t limit,
                             struct json_writer *writer, struct diag *diag) {
  struct reading reading = {.segment = segment, .limit = limit, .each = append_item, .context = writer};
  char next[ENGINE_CURSOR_BYTES];
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  enum err err = read_changes(engine, &reading, after, diag);
  json_array_end(writer);
  snprintf(next, sizeof next, "%" PRIx64, reading.last);
  json_member_text(writer, "next", next);
  json_object_end(writer);
  return err;
}

// The last row that is there, not the last number given: one that was given to a commit that failed is given again
// after a restart.
enum err engine_changes_present(struct engine *engine, char cursor[ENGINE_CURSOR_BYTES], struct diag *diag) {
  struct store_snapshot *snapshot;
  uint64_t last, horizon = feed_horizon(engine);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = read_last(snapshot, &last);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  snprintf(cursor, ENGINE_CURSOR_BYTES, "%" PRIx64, last < horizon ? last : horizon - 1);
  return ERR_OK;
}
