// timeline_read: events walked in order, either way.
//
// One chunk at a time: its summary decides whether it is read at all, then its events are filtered into an array, and
// the payloads of those come in one round. Nothing outlives the chunk it came from: one arena, cleared between chunks.
// A timeline in parts is one such walk a part; the next event is the least of their next ones (or the greatest). Of
// events with one instant, which are one event, the first part's is given.
#include "base/alloc.h"
#include "customer/timeline_row.h"

struct walk {
  struct timeline_reader reader;
  uint64_t customer;
  const struct timeline_head *head;
  struct timeline_query query;
  uint32_t chunks_done; // of the head's, in the direction of the walk
  struct arena arena;   // of the present chunk
  struct timeline_event *events;
  struct bytes *payloads; // rows, by event; NULL when they are not asked for
  size_t count, done;     // of the present chunk, in the direction of the walk
  struct timeline_item item;
  bool has_item, ended; // `item` is the next one, or there is none
};

struct timeline_cursor {
  size_t walk_count;
  struct walk walks[]; // the own rows, then those of each part
};

static void walk_init(struct walk *walk, struct timeline_reader reader, uint64_t customer,
                      const struct timeline_head *head, const struct timeline_query *query) {
  *walk = (struct walk){.reader = reader, .customer = customer, .head = head, .query = *query};
  arena_init(&walk->arena, 0);
}

enum err timeline_open(struct timeline_cursor **cursor, struct timeline_reader reader, uint64_t customer,
                       const struct timeline_head *head, const struct timeline_query *query) {
  struct timeline_cursor *made = alloc_zero(1, sizeof *made + (head->part_count + 1) * sizeof(struct walk));
  *cursor = made;
  if (made == NULL) return ERR_NO_MEMORY;
  made->walk_count = head->part_count + 1;
  walk_init(&made->walks[0], reader, customer, head, query);
  for (size_t i = 0; i < head->part_count; i++)
    walk_init(&made->walks[i + 1], reader, head->parts[i].customer, &head->parts[i].head, query);
  return ERR_OK;
}

void timeline_close(struct timeline_cursor *cursor) {
  if (cursor == NULL) return;
  for (size_t i = 0; i < cursor->walk_count; i++) arena_release(&cursor->walks[i].arena);
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

static enum err get_row(struct walk *walk, struct bytes key, struct bytes *row) {
  if (walk->reader.txn != NULL) return store_get(walk->reader.txn, STORE_TIMELINE, key, &walk->arena, row);
  return store_snapshot_get(walk->reader.snapshot, STORE_TIMELINE, key, &walk->arena, row);
}

static enum err get_payloads(struct walk *walk) {
  size_t count = walk->count;
  struct bytes *keys = arena_take(&walk->arena, count * sizeof *keys);
  uint8_t *texts = arena_take(&walk->arena, count * TIMELINE_ROW_KEY_BYTES);
  walk->payloads = arena_take(&walk->arena, count * sizeof *walk->payloads);
  if (keys == NULL || texts == NULL || walk->payloads == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    struct key key;
    timeline_row_key(walk->customer, &walk->events[i].at, &key);
    keys[i] =
        bytes_of(memcpy(texts + i * TIMELINE_ROW_KEY_BYTES, key.data, TIMELINE_ROW_KEY_BYTES), TIMELINE_ROW_KEY_BYTES);
  }
  if (walk->reader.txn != NULL)
    return store_get_many(walk->reader.txn, STORE_PAYLOAD, keys, count, &walk->arena, walk->payloads);
  return store_snapshot_get_many(walk->reader.snapshot, STORE_PAYLOAD, keys, count, &walk->arena, walk->payloads);
}

static enum err load_chunk(struct walk *walk, const struct timeline_chunk *chunk) {
  struct key key;
  struct bytes row;
  timeline_row_chunk_key(walk->customer, chunk, &key);
  enum err err = get_row(walk, key_view(&key), &row);
  if (err != ERR_OK) return err;
  if (row.data == NULL) return ERR_CORRUPT;
  size_t count, matching = 0;
  err = timeline_row_read_chunk(row, &walk->arena, &walk->events, &count);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < count; i++)
    if (does_match(&walk->query, &walk->events[i])) walk->events[matching++] = walk->events[i];
  walk->count = matching;
  return walk->query.payloads && matching > 0 ? get_payloads(walk) : ERR_OK;
}

// The next chunk that may hold something. ERR_NOT_FOUND after the last.
static enum err next_chunk(struct walk *walk) {
  uint32_t chunk_count = walk->head->chunk_count;
  walk->count = walk->done = 0;
  while (walk->chunks_done < chunk_count) {
    uint32_t position = walk->query.newest_first ? chunk_count - 1 - walk->chunks_done : walk->chunks_done;
    walk->chunks_done++;
    const struct timeline_chunk *chunk = &walk->head->chunks[position];
    if (!may_match(&walk->query, chunk)) continue;
    arena_clear(&walk->arena);
    return load_chunk(walk, chunk);
  }
  return ERR_NOT_FOUND;
}

static enum err walk_next(struct walk *walk, struct timeline_item *item) {
  while (walk->done == walk->count) {
    enum err err = next_chunk(walk);
    if (err != ERR_OK) return err;
  }
  size_t position = walk->query.newest_first ? walk->count - 1 - walk->done : walk->done;
  walk->done++;
  *item = (struct timeline_item){.event = walk->events[position]};
  if (!walk->query.payloads) return ERR_OK;
  if (walk->payloads[position].data == NULL) return ERR_CORRUPT;
  return timeline_payload_decode(walk->payloads[position], &walk->arena, &item->payload);
}

// --- all parts in one order ----------------------------------------------------------------------------------

static enum err look_ahead(struct walk *walk) {
  if (walk->has_item || walk->ended) return ERR_OK;
  enum err err = walk_next(walk, &walk->item);
  walk->has_item = err == ERR_OK;
  walk->ended = err == ERR_NOT_FOUND;
  return walk->ended ? ERR_OK : err;
}

// Is a's next event to come before b's? An event that both have is a's.
static bool comes_first(const struct walk *a, struct walk *b) {
  int order = identity_instant_compare(&a->item.event.at, &b->item.event.at);
  if (order == 0) b->has_item = false;
  return a->query.newest_first ? order >= 0 : order <= 0;
}

// True when every walk looks at its next event and *next, NULL at the end, is the one to give. False when a walk has
// lost an event that another has too and must look further.
static bool choose(struct timeline_cursor *cursor, struct walk **next) {
  *next = NULL;
  for (size_t i = 0; i < cursor->walk_count; i++) {
    struct walk *walk = &cursor->walks[i];
    if (!walk->has_item) continue;
    if (*next == NULL || !comes_first(*next, walk)) *next = walk;
    if (!walk->has_item) return false;
  }
  return true;
}

enum err timeline_next(struct timeline_cursor *cursor, struct timeline_item *item) {
  struct walk *next = NULL;
  do {
    for (size_t i = 0; i < cursor->walk_count; i++) {
      enum err err = look_ahead(&cursor->walks[i]);
      if (err != ERR_OK) return err;
    }
  } while (!choose(cursor, &next));
  if (next == NULL) return ERR_NOT_FOUND;
  next->has_item = false;
  *item = next->item;
  return ERR_OK;
}
