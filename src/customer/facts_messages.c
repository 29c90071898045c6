// facts_messages: the messages of events, as runs ask for them.
//
// A run that wants one message mostly wants those of the next events of that name, upwards or downwards: some more are
// read with each, twice as many each time, so that a run that is content with the first has not read many in vain.
// Few customers: keys are asked for, in one round. Many in ascending order (a scan): the rows of PAYLOAD lie in the
// order of (customer, time, event id), which is that of items, so a cursor goes along with the scan, by steps to a row
// that is near and by a jump to one that is not. The rows of TIMELINE, which have the event ids, come the same way. A
// walk over a whole keyspace costs the store something to begin, so the first messages are asked for by their keys.
#include "base/alloc.h"
#include "customer/facts_events.h"

enum {
  WALK_AFTER = 512,  // messages
  NEAR_ROWS = 12,    // a jump costs about as much as so many steps
  AHEAD_FIRST = 2,   // messages, of those asked for by their keys
  AHEAD_WALKING = 8, // the same in a walk, which reads most of them on its way
  AHEAD_MAX = 64,
};

struct walk {
  struct store_cursor *cursor; // NULL: not begun
  bool on;                     // a row, which is this:
  struct bytes key, row;
};

struct facts_walks {
  struct walk timeline, payload;
};

bool facts_messages_walks(const struct facts *facts) {
  return facts->ascending && facts->reader.txn == NULL && facts->message_count >= WALK_AFTER;
}

// From the present customer to the last.
static enum err open_walks(struct facts *facts) {
  struct key from;
  struct bytes end = {NULL, 0};
  key_init(&from);
  key_put_u64(&from, facts->id);
  if (facts->walks != NULL) return ERR_OK;
  struct facts_walks *walks = alloc_zero(1, sizeof *walks);
  if (walks == NULL) return ERR_NO_MEMORY;
  facts->walks = walks;
  struct store_snapshot *snapshot = facts->reader.snapshot;
  enum err err = store_snapshot_scan(snapshot, STORE_TIMELINE, key_view(&from), end, &walks->timeline.cursor);
  if (err == ERR_OK) err = store_snapshot_scan(snapshot, STORE_PAYLOAD, key_view(&from), end, &walks->payload.cursor);
  if (err != ERR_OK) facts_release(facts);
  return err;
}

void facts_release(struct facts *facts) {
  if (facts->walks == NULL) return;
  store_cursor_close(facts->walks->timeline.cursor);
  store_cursor_close(facts->walks->payload.cursor);
  alloc_free(facts->walks);
  facts->walks = NULL;
}

static bool step(struct walk *walk) {
  walk->on = store_cursor_next(walk->cursor, &walk->key, &walk->row);
  return walk->on;
}

// On the first row at or after `key`, or at the end.
static enum err walk_to(struct walk *walk, struct bytes key) {
  int order = walk->on ? bytes_compare(walk->key, key) : 1;
  bool forward = order < 0;
  for (unsigned steps = 0; order < 0 && steps < NEAR_ROWS; steps++) {
    if (!step(walk)) return store_cursor_error(walk->cursor);
    order = bytes_compare(walk->key, key);
  }
  if (order == 0 || (forward && order > 0)) return ERR_OK;
  store_cursor_seek(walk->cursor, key);
  return step(walk) ? ERR_OK : store_cursor_error(walk->cursor);
}

// --- items ---------------------------------------------------------------------------------------------------

// The customer's rows one after another: segments of all of them are one row's.
static enum err read_rows(struct facts *facts, struct buffer *rows) {
  struct key from;
  struct walk *walk = &facts->walks->timeline;
  key_init(&from);
  key_put_u64(&from, facts->id);
  enum err err = walk_to(walk, key_view(&from));
  while (err == ERR_OK && walk->on && key_read_u64(walk->key.data) == facts->id) {
    buffer_append_bytes(rows, walk->row);
    if (rows->failed) return ERR_NO_MEMORY;
    if (!step(walk)) err = store_cursor_error(walk->cursor);
  }
  return err;
}

enum err facts_messages_items(struct facts *facts, struct facts_events **events) {
  struct timeline_event *found = NULL;
  struct buffer rows;
  size_t count = 0;
  struct facts_events *made = arena_take_zero(facts->arena, 1, sizeof *made);
  enum err err = made == NULL ? ERR_NO_MEMORY : open_walks(facts);
  if (err != ERR_OK) return err;
  buffer_init(&rows);
  err = read_rows(facts, &rows);
  if (err == ERR_OK) err = timeline_row_read_chunk(buffer_view(&rows), facts->arena, &found, &count);
  buffer_release(&rows);
  if (err != ERR_OK) return err;
  struct facts_item *items = arena_take_zero(facts->arena, count, sizeof *items);
  made->items = arena_take(facts->arena, count * sizeof(struct facts_item *));
  if (items == NULL || made->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    items[i].event = found[i];
    items[i].customer = facts->id;
    made->items[i] = &items[i];
  }
  made->item_count = count;
  *events = made;
  return ERR_OK;
}

// --- messages ------------------------------------------------------------------------------------------------

struct batch {
  struct facts_item *items[AHEAD_MAX]; // ascending
  size_t count;
};

// The item asked for, and others of its name in the direction in which the run goes.
static void choose(struct facts *facts, size_t index, struct batch *batch) {
  struct facts_events *events = facts->events;
  bool first = events->ahead == 0, up = first ? index < events->item_count / 2 : index > events->asked;
  size_t wanted = first ? (facts_messages_walks(facts) ? AHEAD_WALKING : AHEAD_FIRST) : 2 * events->ahead;
  uint32_t name = events->items[index]->event.name;
  events->asked = index;
  events->ahead = wanted > AHEAD_MAX ? AHEAD_MAX : wanted;
  batch->count = 0;
  for (size_t i = index; i < events->item_count && batch->count < events->ahead; up ? i++ : i--)
    if (events->items[i]->event.name == name && !events->items[i]->has_message)
      batch->items[batch->count++] = events->items[i];
  for (size_t i = 0; !up && i < batch->count / 2; i++) {
    struct facts_item *item = batch->items[i];
    batch->items[i] = batch->items[batch->count - 1 - i];
    batch->items[batch->count - 1 - i] = item;
  }
}

static enum err get_messages(struct facts *facts, struct facts_item *const *items, size_t count) {
  struct bytes rows[AHEAD_MAX];
  if (count == 0) return ERR_OK;
  struct key *keys = arena_take(facts->arena, count * sizeof *keys);
  if (keys == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) timeline_row_key(items[i]->customer, &items[i]->event.at, &keys[i]);
  enum err err = facts_get_many(facts, STORE_PAYLOAD, keys, count, rows);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    if (rows[i].data != NULL) err = timeline_payload_message(rows[i], &items[i]->message);
    items[i]->has_message = err == ERR_OK;
  }
  return err;
}

// The row lives until the next step, its message as long as the arena.
static enum err copy_message(struct facts *facts, struct bytes row, struct facts_item *item) {
  struct value message;
  enum err err = timeline_payload_message(row, &message);
  if (err != ERR_OK) return err;
  item->message.packed = arena_copy(facts->arena, message.packed);
  return item->message.packed.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err walk_to_message(struct facts *facts, struct facts_item *item) {
  struct key key;
  struct walk *walk = &facts->walks->payload;
  timeline_row_key(item->customer, &item->event.at, &key);
  enum err err = walk_to(walk, key_view(&key));
  if (err == ERR_OK && walk->on && bytes_equal(walk->key, key_view(&key))) err = copy_message(facts, walk->row, item);
  item->has_message = err == ERR_OK;
  return err;
}

// Parts lie elsewhere.
static enum err walk_messages(struct facts *facts, struct batch *batch) {
  size_t elsewhere = 0;
  enum err err = open_walks(facts);
  for (size_t i = 0; err == ERR_OK && i < batch->count; i++) {
    if (batch->items[i]->customer == facts->id)
      err = walk_to_message(facts, batch->items[i]);
    else
      batch->items[elsewhere++] = batch->items[i];
  }
  return err == ERR_OK ? get_messages(facts, batch->items, elsewhere) : err;
}

enum err facts_messages_need(struct facts *facts, size_t index) {
  struct batch batch;
  choose(facts, index, &batch);
  facts->message_count += batch.count;
  return facts_messages_walks(facts) ? walk_messages(facts, &batch) : get_messages(facts, batch.items, batch.count);
}
