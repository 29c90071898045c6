// timeline_write: events put in, moved and erased, and the head that follows.
//
// Invariants between calls:
//   1. chunk 0 is `first`, its bound is minus infinity; the bounds of the others ascend strictly;
//   2. every event of chunk i lies in [bound of i, bound of i + 1);
//   3. a chunk has 1 to LIMIT_CHUNK_EVENTS events, and its summary is exact;
//   4. each event has one PAYLOAD row under the same customer and instant;
//   5. an event lies in one part. A new one goes to the customer's own rows.
// The head in memory is ahead of the head row until its owner writes it, in the same transaction.
#include <assert.h>

#include "customer/timeline_row.h"

enum { ARRAY_FIRST_COUNT = 4 };

// --- the head ------------------------------------------------------------------------------------------------

static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t item_bytes, struct arena *arena) {
  if (count < *capacity) return items;
  uint32_t wanted = *capacity < ARRAY_FIRST_COUNT ? ARRAY_FIRST_COUNT : *capacity * 2;
  void *grown = arena_take(arena, wanted * item_bytes);
  if (grown == NULL) return NULL;
  if (count > 0) memcpy(grown, items, count * item_bytes);
  *capacity = wanted;
  return grown;
}

static enum err count_name(struct timeline_chunk *chunk, struct arena *arena, uint32_t name) {
  uint32_t from = 0, to = chunk->name_count;
  while (from < to) {
    uint32_t middle = from + (to - from) / 2;
    if (chunk->names[middle].name < name) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  if (from < chunk->name_count && chunk->names[from].name == name) {
    chunk->names[from].count++;
    return ERR_OK;
  }
  struct timeline_name_count *names =
      grow(chunk->names, chunk->name_count, &chunk->name_capacity, sizeof *names, arena);
  if (names == NULL) return ERR_NO_MEMORY;
  chunk->names = names;
  memmove(&names[from + 1], &names[from], (chunk->name_count - from) * sizeof *names);
  names[from] = (struct timeline_name_count){name, 1};
  chunk->name_count++;
  return ERR_OK;
}

static enum err count_event(struct timeline_chunk *chunk, struct arena *arena, const struct timeline_event *event) {
  enum err err = count_name(chunk, arena, event->name);
  if (err != ERR_OK) return err;
  int64_t time_us = event->at.time_us;
  if (chunk->count == 0 || time_us < chunk->first_us) chunk->first_us = time_us;
  if (chunk->count == 0 || time_us > chunk->last_us) chunk->last_us = time_us;
  chunk->count++;
  return ERR_OK;
}

uint64_t timeline_count(const struct timeline_head *head) {
  uint64_t count = head->count;
  for (size_t i = 0; i < head->part_count; i++) count += head->parts[i].head.count;
  return count;
}

// The summary anew, of these events and no others.
static enum err summarise(struct timeline_chunk *chunk, struct arena *arena, const struct timeline_event *events,
                          size_t count) {
  chunk->count = 0;
  chunk->name_count = 0;
  for (size_t i = 0; i < count; i++) {
    enum err err = count_event(chunk, arena, &events[i]);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// A new empty chunk at `position`, which becomes the first one when that is 0.
static enum err insert_chunk(struct timeline_head *head, struct arena *arena, uint32_t position,
                             const struct identity_instant *bound) {
  struct timeline_chunk *chunks = grow(head->chunks, head->chunk_count, &head->chunk_capacity, sizeof *chunks, arena);
  if (chunks == NULL) return ERR_NO_MEMORY;
  head->chunks = chunks;
  memmove(&chunks[position + 1], &chunks[position], (head->chunk_count - position) * sizeof *chunks);
  chunks[position] = (struct timeline_chunk){.first = position == 0};
  if (position > 0) chunks[position].bound = *bound;
  head->chunk_count++;
  return ERR_OK;
}

// The last chunk whose bound is not after `at`.
static uint32_t chunk_for(const struct timeline_head *head, const struct identity_instant *at) {
  uint32_t from = 1, to = head->chunk_count;
  while (from < to) {
    uint32_t middle = from + (to - from) / 2;
    if (identity_instant_compare(&head->chunks[middle].bound, at) <= 0) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from - 1;
}

// --- rows ----------------------------------------------------------------------------------------------------

// Fewer events than the summary says are repeats, dropped by reading: whoever rewrites the chunk counts anew.
static enum err read_chunk(struct store_txn *txn, uint64_t customer, const struct timeline_chunk *chunk,
                           struct arena *arena, struct timeline_event **events, size_t *count) {
  struct key key;
  struct bytes row;
  timeline_row_chunk_key(customer, chunk, &key);
  enum err err = store_get(txn, STORE_TIMELINE, key_view(&key), arena, &row);
  if (err != ERR_OK) return err;
  err = timeline_row_read_chunk(row, arena, events, count);
  return err == ERR_OK && (*count == 0 || *count > chunk->count) ? ERR_CORRUPT : err;
}

// Replaces a chunk's row, and its summary. The events are sorted and without repeats.
static enum err write_chunk(struct store_txn *txn, uint64_t customer, struct timeline_chunk *chunk, struct arena *arena,
                            const struct timeline_event *events, size_t count) {
  assert(count > 0 && count <= LIMIT_CHUNK_EVENTS);
  uint8_t *row = arena_take(arena, timeline_row_bytes_max(count));
  if (row == NULL) return ERR_NO_MEMORY;
  size_t size = (size_t)(timeline_row_put(events, count, row) - row);
  struct key key;
  timeline_row_chunk_key(customer, chunk, &key);
  enum err err = store_put(txn, STORE_TIMELINE, key_view(&key), bytes_of(row, size));
  return err == ERR_OK ? summarise(chunk, arena, events, count) : err;
}

static enum err append_event(struct store_txn *txn, uint64_t customer, struct timeline_chunk *chunk,
                             struct arena *arena, const struct timeline_event *event) {
  uint8_t segment[TIMELINE_ROW_SEGMENT_BYTES + TIMELINE_ROW_EVENT_BYTES];
  timeline_row_put_segment(event, 1, segment);
  struct key key;
  timeline_row_chunk_key(customer, chunk, &key);
  enum err err = store_append(txn, STORE_TIMELINE, key_view(&key), bytes_of(segment, sizeof segment));
  return err == ERR_OK ? count_event(chunk, arena, event) : err;
}

// --- one event -----------------------------------------------------------------------------------------------

// Parts a full chunk at its median; both halves are written. One that was full of repeats is only written anew.
static enum err split_chunk(struct store_txn *txn, uint64_t customer, struct timeline_head *head, struct arena *arena,
                            uint32_t position) {
  struct timeline_event *events;
  size_t count;
  enum err err = read_chunk(txn, customer, &head->chunks[position], arena, &events, &count);
  if (err != ERR_OK) return err;
  head->count -= head->chunks[position].count - count;
  if (count < LIMIT_CHUNK_EVENTS) return write_chunk(txn, customer, &head->chunks[position], arena, events, count);
  size_t median = count / 2;
  err = insert_chunk(head, arena, position + 1, &events[median].at);
  if (err == ERR_OK) err = write_chunk(txn, customer, &head->chunks[position], arena, events, median);
  if (err != ERR_OK) return err;
  return write_chunk(txn, customer, &head->chunks[position + 1], arena, events + median, count - median);
}

// Puts the hot columns of an event into the chunk where it belongs, making room first.
static enum err place_event(struct store_txn *txn, uint64_t customer, struct timeline_head *head, struct arena *arena,
                            const struct timeline_event *event) {
  enum err err = ERR_OK;
  if (head->chunk_count == 0) err = insert_chunk(head, arena, 0, NULL);
  if (err != ERR_OK) return err;
  uint32_t position = chunk_for(head, &event->at);
  const struct timeline_chunk *chunk = &head->chunks[position];
  if (chunk->count >= LIMIT_CHUNK_EVENTS) {
    bool is_later = position + 1 == head->chunk_count && event->at.time_us > chunk->last_us;
    err = is_later ? insert_chunk(head, arena, position + 1, &event->at)
                   : split_chunk(txn, customer, head, arena, position);
    if (err != ERR_OK) return err;
    position = chunk_for(head, &event->at);
  }
  err = append_event(txn, customer, &head->chunks[position], arena, event);
  if (err == ERR_OK) head->count++;
  return err;
}

// Looks for the event's id in the chunk where the event belongs.
static enum err find_repeat(struct store_txn *txn, uint64_t customer, const struct timeline_head *head,
                            struct arena *arena, const struct timeline_event *event, bool *found) {
  *found = false;
  if (head->chunk_count == 0) return ERR_OK;
  const struct timeline_chunk *chunk = &head->chunks[chunk_for(head, &event->at)];
  struct timeline_event *events;
  size_t count;
  enum err err = read_chunk(txn, customer, chunk, arena, &events, &count);
  for (size_t i = 0; err == ERR_OK && i < count && !*found; i++)
    *found = memcmp(events[i].at.event, event->at.event, IDENTITY_EVENT_ID_BYTES) == 0;
  return err;
}

enum err timeline_add(struct store_txn *txn, uint64_t customer, struct timeline_head *head, struct arena *arena,
                      const struct timeline_event *event, const struct timeline_payload *payload, bool check_repeat,
                      bool *added) {
  *added = false;
  bool found = false;
  enum err err = check_repeat ? find_repeat(txn, customer, head, arena, event, &found) : ERR_OK;
  for (size_t i = 0; check_repeat && err == ERR_OK && !found && i < head->part_count; i++)
    err = find_repeat(txn, head->parts[i].customer, &head->parts[i].head, arena, event, &found);
  if (err != ERR_OK || found) return err;
  uint8_t *row = arena_take(arena, timeline_row_payload_bytes_max(payload));
  if (row == NULL) return ERR_NO_MEMORY;
  size_t row_bytes = (size_t)(timeline_row_put_payload(payload, row) - row);
  struct key key;
  timeline_row_key(customer, &event->at, &key);
  err = store_put(txn, STORE_PAYLOAD, key_view(&key), bytes_of(row, row_bytes));
  if (err == ERR_OK) err = place_event(txn, customer, head, arena, event);
  *added = err == ERR_OK;
  return err;
}

// --- moves ---------------------------------------------------------------------------------------------------

struct move {
  struct store_txn *txn;
  uint64_t from, to;
  struct timeline_head *from_head, *to_head;
  struct arena *arena;  // grows the heads
  struct arena scratch; // one chunk at a time
  const struct timeline_choice *choice;
  uint64_t *moved;
};

static bool is_done(const struct move *move) {
  return move->choice->events_max != 0 && *move->moved >= move->choice->events_max;
}

static bool in_range(const struct timeline_choice *choice, const struct identity_instant *at) {
  return (!choice->has_from || identity_instant_compare(at, &choice->from) >= 0) &&
         (!choice->has_to || identity_instant_compare(at, &choice->to) < 0);
}

static bool may_hold(const struct timeline_choice *choice, const struct timeline_chunk *chunk) {
  return (!choice->has_from || chunk->last_us >= choice->from.time_us) &&
         (!choice->has_to || chunk->first_us <= choice->to.time_us);
}

// The payload rows of a chunk's events, in one round.
static enum err read_payloads(struct move *move, const struct timeline_event *events, size_t count,
                              struct bytes **rows) {
  struct bytes *views = arena_take(&move->scratch, count * sizeof *views);
  *rows = arena_take(&move->scratch, count * sizeof **rows);
  if (views == NULL || *rows == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    struct key key;
    timeline_row_key(move->from, &events[i].at, &key);
    views[i] = arena_copy(&move->scratch, key_view(&key));
    if (views[i].data == NULL) return ERR_NO_MEMORY;
  }
  enum err err = store_get_many(move->txn, STORE_PAYLOAD, views, count, &move->scratch, *rows);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if ((*rows)[i].data == NULL) err = ERR_CORRUPT;
  return err;
}

static enum err is_picked(struct move *move, const struct timeline_event *event, struct bytes row, bool *picked) {
  *picked = !is_done(move) && in_range(move->choice, &event->at);
  if (!*picked || move->choice->pick == NULL) return ERR_OK;
  struct timeline_item item = {.event = *event};
  enum err err = timeline_payload_decode(row, &move->scratch, &item.payload);
  if (err == ERR_OK) *picked = move->choice->pick(move->choice->context, &item);
  return err;
}

static enum err move_event(struct move *move, const struct timeline_event *event, struct bytes row) {
  struct key key;
  timeline_row_key(move->from, &event->at, &key);
  enum err err = store_delete(move->txn, STORE_PAYLOAD, key_view(&key));
  if (err != ERR_OK) return err;
  timeline_row_key(move->to, &event->at, &key);
  err = store_put(move->txn, STORE_PAYLOAD, key_view(&key), row);
  if (err == ERR_OK) err = place_event(move->txn, move->to, move->to_head, move->arena, event);
  ++*move->moved;
  return err;
}

// Moves what is picked of one chunk; the rest is at the front of `events` then.
static enum err move_picked(struct move *move, struct timeline_event *events, size_t count, size_t *kept) {
  struct bytes *rows;
  *kept = 0;
  enum err err = read_payloads(move, events, count, &rows);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    bool picked;
    err = is_picked(move, &events[i], rows[i], &picked);
    if (err != ERR_OK) break;
    if (picked) {
      err = move_event(move, &events[i], rows[i]);
    } else {
      events[(*kept)++] = events[i];
    }
  }
  return err;
}

// One chunk of the old owner: `*position` chunks before it are kept. The first kept one takes the first bound.
static enum err move_chunk(struct move *move, uint32_t index, uint32_t *position) {
  struct timeline_chunk chunk = move->from_head->chunks[index];
  struct timeline_event *events;
  size_t count, kept;
  bool becomes_first = *position == 0 && !chunk.first;
  if (!becomes_first && (is_done(move) || !may_hold(move->choice, &chunk))) {
    move->from_head->chunks[(*position)++] = chunk;
    return ERR_OK;
  }
  arena_clear(&move->scratch);
  enum err err = read_chunk(move->txn, move->from, &chunk, &move->scratch, &events, &count);
  if (err == ERR_OK) err = move_picked(move, events, count, &kept);
  if (err != ERR_OK) return err;
  move->from_head->count -= chunk.count - kept;
  if (kept == 0 || becomes_first) {
    struct key key;
    timeline_row_chunk_key(move->from, &chunk, &key);
    err = store_delete(move->txn, STORE_TIMELINE, key_view(&key));
    if (err != ERR_OK || kept == 0) return err;
  }
  if (becomes_first) {
    chunk.first = true;
    chunk.bound = (struct identity_instant){0};
  }
  if (kept < chunk.count || becomes_first) err = write_chunk(move->txn, move->from, &chunk, move->arena, events, kept);
  move->from_head->chunks[(*position)++] = chunk;
  return err;
}

// The rows under one id.
static enum err move_rows(struct move *move, uint64_t from, struct timeline_head *from_head) {
  uint32_t kept_chunks = 0;
  enum err err = ERR_OK;
  move->from = from;
  move->from_head = from_head;
  for (uint32_t i = 0; err == ERR_OK && i < from_head->chunk_count; i++) err = move_chunk(move, i, &kept_chunks);
  if (err == ERR_OK) from_head->chunk_count = kept_chunks;
  return err;
}

enum err timeline_move(struct store_txn *txn, uint64_t from, struct timeline_head *from_head, uint64_t to,
                       struct timeline_head *to_head, struct arena *arena, const struct timeline_choice *choice,
                       uint64_t *moved) {
  static const struct timeline_choice all;
  assert(from != to);
  struct move move = {.txn = txn,
                      .to = to,
                      .to_head = to_head,
                      .arena = arena,
                      .choice = choice == NULL ? &all : choice,
                      .moved = moved};
  *moved = 0;
  arena_init(&move.scratch, 0);
  enum err err = move_rows(&move, from, from_head);
  for (size_t i = 0; err == ERR_OK && i < from_head->part_count; i++) {
    struct timeline_part *part = &from_head->parts[i];
    uint64_t before = *moved;
    assert(part->customer != to);
    err = move_rows(&move, part->customer, &part->head);
    if (*moved != before) part->dirty = true;
  }
  arena_release(&move.scratch);
  return err;
}

// --- erasure -------------------------------------------------------------------------------------------------

// The keys of a range, gathered before any is deleted: a cursor sees the transaction's own writes.
static enum err gather_keys(struct store_txn *txn, enum store_keyspace keyspace, uint64_t customer,
                            struct buffer *keys) {
  struct key from, to;
  timeline_row_range(customer, &from, &to);
  struct store_cursor *cursor;
  enum err err = store_scan(txn, keyspace, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  struct bytes key, value;
  struct identity_instant instant;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value)) {
    if (!timeline_row_key_read(key, &instant)) err = ERR_CORRUPT;
    buffer_append_bytes(keys, key);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err == ERR_OK && keys->failed ? ERR_NO_MEMORY : err;
}

static enum err erase_keyspace(struct store_txn *txn, enum store_keyspace keyspace, uint64_t customer) {
  struct buffer keys;
  buffer_init(&keys);
  enum err err = gather_keys(txn, keyspace, customer, &keys);
  for (size_t at = 0; err == ERR_OK && at < keys.size_bytes; at += TIMELINE_ROW_KEY_BYTES)
    err = store_delete(txn, keyspace, bytes_of(keys.data + at, TIMELINE_ROW_KEY_BYTES));
  buffer_release(&keys);
  return err;
}

static enum err erase_rows(struct store_txn *txn, uint64_t customer) {
  enum err err = erase_keyspace(txn, STORE_TIMELINE, customer);
  return err == ERR_OK ? erase_keyspace(txn, STORE_PAYLOAD, customer) : err;
}

enum err timeline_erase(struct store_txn *txn, uint64_t customer, struct timeline_head *head) {
  enum err err = erase_rows(txn, customer);
  for (size_t i = 0; err == ERR_OK && i < head->part_count; i++) err = erase_rows(txn, head->parts[i].customer);
  if (err == ERR_OK) *head = (struct timeline_head){0};
  return err;
}
