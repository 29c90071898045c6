// timeline_read: events walked in order, either way.
//
// One chunk at a time: its summary decides whether it is read at all, then its events are filtered into an array, and
// the payloads of those come in one round. Nothing outlives the chunk it came from: one arena, cleared between chunks.
#include "base/alloc.h"
#include "customer/timeline_row.h"

struct timeline_cursor {
  struct timeline_reader reader;
  uint64_t customer;
  const struct timeline_head *head;
  struct timeline_query query;
  uint32_t chunks_done; // of the head's, in the direction of the walk
  struct arena arena;   // of the present chunk
  struct timeline_event *events;
  struct bytes *payloads; // rows, by event; NULL when they are not asked for
  size_t count, done;     // of the present chunk, in the direction of the walk
};

enum err timeline_open(struct timeline_cursor **cursor, struct timeline_reader reader, uint64_t customer,
                       const struct timeline_head *head, const struct timeline_query *query) {
  *cursor = alloc_zero(1, sizeof **cursor);
  if (*cursor == NULL) return ERR_NO_MEMORY;
  **cursor = (struct timeline_cursor){.reader = reader, .customer = customer, .head = head, .query = *query};
  arena_init(&(*cursor)->arena, 0);
  return ERR_OK;
}

void timeline_close(struct timeline_cursor *cursor) {
  if (cursor == NULL) return;
  arena_release(&cursor->arena);
  alloc_free(cursor);
}

static bool has_name(const struct timeline_chunk *chunk, uint32_t name) {
  for (uint32_t i = 0; i < chunk->name_count; i++)
    if (chunk->names[i].name == name) return true;
  return false;
}

static bool may_match(const struct timeline_query *query, const struct timeline_chunk *chunk) {
  if (query->has_from && chunk->last_us < query->from.time_us) return false;
  if (query->has_to && chunk->first_us > query->to.time_us) return false;
  return query->name == 0 || has_name(chunk, query->name);
}

static bool does_match(const struct timeline_query *query, const struct timeline_event *event) {
  if (query->has_from && identity_instant_compare(&event->at, &query->from) < 0) return false;
  if (query->has_to && identity_instant_compare(&event->at, &query->to) >= 0) return false;
  return query->name == 0 || event->name == query->name;
}

static enum err get_row(struct timeline_cursor *cursor, struct bytes key, struct bytes *row) {
  if (cursor->reader.txn != NULL) return store_get(cursor->reader.txn, STORE_TIMELINE, key, &cursor->arena, row);
  return store_snapshot_get(cursor->reader.snapshot, STORE_TIMELINE, key, &cursor->arena, row);
}

static enum err get_payloads(struct timeline_cursor *cursor) {
  size_t count = cursor->count;
  struct bytes *keys = arena_take(&cursor->arena, count * sizeof *keys);
  uint8_t *texts = arena_take(&cursor->arena, count * TIMELINE_ROW_KEY_BYTES);
  cursor->payloads = arena_take(&cursor->arena, count * sizeof *cursor->payloads);
  if (keys == NULL || texts == NULL || cursor->payloads == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    struct key key;
    timeline_row_key(cursor->customer, &cursor->events[i].at, &key);
    keys[i] =
        bytes_of(memcpy(texts + i * TIMELINE_ROW_KEY_BYTES, key.data, TIMELINE_ROW_KEY_BYTES), TIMELINE_ROW_KEY_BYTES);
  }
  if (cursor->reader.txn != NULL)
    return store_get_many(cursor->reader.txn, STORE_PAYLOAD, keys, count, &cursor->arena, cursor->payloads);
  return store_snapshot_get_many(cursor->reader.snapshot, STORE_PAYLOAD, keys, count, &cursor->arena, cursor->payloads);
}

static enum err load_chunk(struct timeline_cursor *cursor, const struct timeline_chunk *chunk) {
  struct key key;
  struct bytes row;
  timeline_row_chunk_key(cursor->customer, chunk, &key);
  enum err err = get_row(cursor, key_view(&key), &row);
  if (err != ERR_OK) return err;
  if (row.data == NULL) return ERR_CORRUPT;
  size_t count, matching = 0;
  err = timeline_row_read_chunk(row, &cursor->arena, &cursor->events, &count);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < count; i++)
    if (does_match(&cursor->query, &cursor->events[i])) cursor->events[matching++] = cursor->events[i];
  cursor->count = matching;
  return cursor->query.payloads && matching > 0 ? get_payloads(cursor) : ERR_OK;
}

// The next chunk that may hold something. ERR_NOT_FOUND after the last.
static enum err next_chunk(struct timeline_cursor *cursor) {
  uint32_t chunk_count = cursor->head->chunk_count;
  cursor->count = cursor->done = 0;
  while (cursor->chunks_done < chunk_count) {
    uint32_t position = cursor->query.newest_first ? chunk_count - 1 - cursor->chunks_done : cursor->chunks_done;
    cursor->chunks_done++;
    const struct timeline_chunk *chunk = &cursor->head->chunks[position];
    if (!may_match(&cursor->query, chunk)) continue;
    arena_clear(&cursor->arena);
    return load_chunk(cursor, chunk);
  }
  return ERR_NOT_FOUND;
}

enum err timeline_next(struct timeline_cursor *cursor, struct timeline_item *item) {
  while (cursor->done == cursor->count) {
    enum err err = next_chunk(cursor);
    if (err != ERR_OK) return err;
  }
  size_t position = cursor->query.newest_first ? cursor->count - 1 - cursor->done : cursor->done;
  cursor->done++;
  *item = (struct timeline_item){.event = cursor->events[position]};
  if (!cursor->query.payloads) return ERR_OK;
  if (cursor->payloads[position].data == NULL) return ERR_CORRUPT;
  return timeline_payload_decode(cursor->payloads[position], &cursor->arena, &item->payload);
}
