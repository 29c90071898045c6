// facts: what rules ask of one customer, read when it is asked for.
//
// Chunks are read once; which ones, their summaries decide. What was read of all of them is one run of items in order
// of (time, event id), and columns are made of that run anew whenever a request brought further chunks, so an index
// into columns is an index into items until then. A scan has passed by the rows and kept no event ids: it gives columns
// (`whole`), or, of the many customers with one packed row, that row, of which columns are made of what a request wants
// and no more; or it has them in a projection. Only when a message is asked for are the chunks read again, with ids
// (many: facts_messages.c).
// Parts: the least instant comes first; an event that two parts have is the first one's.
#include "customer/facts.h"

#include <assert.h>
#include <stdlib.h>

#include "customer/facts_events.h"

struct facts_chunk {
  const struct timeline_chunk *summary;
  uint64_t customer;
  uint32_t part;
  bool wanted, read;
  struct facts_item *items;
  size_t count;
};

// --- rows ----------------------------------------------------------------------------------------------------

enum err facts_get_many(struct facts *facts, enum store_keyspace keyspace, const struct key *keys, size_t count,
                        struct bytes *rows) {
  struct bytes *views = arena_take(facts->arena, count * sizeof *views);
  if (views == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) views[i] = key_view(&keys[i]);
  if (facts->reader.txn != NULL) return store_get_many(facts->reader.txn, keyspace, views, count, facts->arena, rows);
  return store_snapshot_get_many(facts->reader.snapshot, keyspace, views, count, facts->arena, rows);
}

static enum err decode_record(struct facts *facts, struct bytes row) {
  struct customer *record = arena_take(facts->arena, sizeof *record);
  if (record == NULL) return ERR_NO_MEMORY;
  customer_init(record, facts->id);
  enum err err = row.data == NULL ? ERR_OK : customer_decode(row, facts->id, facts->arena, record);
  if (err == ERR_OK) facts->record = record;
  return err;
}

static enum err read_record(struct facts *facts) {
  struct key key;
  struct bytes row;
  customer_key(facts->id, CUSTOMER_ROW_RECORD, &key);
  enum err err = facts_get_many(facts, STORE_CUSTOMER, &key, 1, &row);
  return err == ERR_OK ? decode_record(facts, row) : err;
}

// The heads of the rows that the record names as pending.
static enum err read_parts(struct facts *facts, struct timeline_head *head) {
  size_t count = facts->record->pending_count;
  if (count == 0) return ERR_OK;
  struct key *keys = arena_take(facts->arena, count * sizeof *keys);
  struct bytes *rows = arena_take(facts->arena, count * sizeof *rows);
  head->parts = arena_take_zero(facts->arena, count, sizeof *head->parts);
  if (keys == NULL || rows == NULL || head->parts == NULL) return ERR_NO_MEMORY;
  head->part_count = count;
  for (size_t i = 0; i < count; i++) {
    head->parts[i].customer = facts->record->pending[i];
    customer_key(head->parts[i].customer, CUSTOMER_ROW_HEAD, &keys[i]);
  }
  enum err err = facts_get_many(facts, STORE_CUSTOMER, keys, count, rows);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    err = timeline_head_decode(rows[i], facts->arena, &head->parts[i].head);
  return err;
}

// The head, with its parts, and the record that names them: one round, and a second one for the few who have parts.
static enum err read_head(struct facts *facts) {
  struct key keys[2];
  struct bytes rows[2];
  size_t count = facts->record == NULL ? 2 : 1;
  struct timeline_head *head = arena_take(facts->arena, sizeof *head);
  if (head == NULL) return ERR_NO_MEMORY;
  customer_key(facts->id, CUSTOMER_ROW_HEAD, &keys[0]);
  customer_key(facts->id, CUSTOMER_ROW_RECORD, &keys[1]);
  enum err err = facts_get_many(facts, STORE_CUSTOMER, keys, count, rows);
  if (err == ERR_OK && count == 2) err = decode_record(facts, rows[1]);
  if (err == ERR_OK) err = timeline_head_decode(rows[0], facts->arena, head);
  if (err == ERR_OK) err = read_parts(facts, head);
  if (err == ERR_OK) facts->head = head;
  return err;
}

// --- chunks --------------------------------------------------------------------------------------------------

static void list_chunks(struct facts_events *events, uint64_t customer, uint32_t part,
                        const struct timeline_head *head) {
  for (uint32_t i = 0; i < head->chunk_count; i++)
    events->chunks[events->chunk_count++] =
        (struct facts_chunk){.summary = &head->chunks[i], .customer = customer, .part = part};
}

// Events of which nothing is read yet.
static enum err begin_events(struct facts *facts) {
  enum err err = facts->head == NULL ? read_head(facts) : ERR_OK;
  if (err != ERR_OK) return err;
  const struct timeline_head *head = facts->head;
  size_t count = head->chunk_count;
  for (size_t i = 0; i < head->part_count; i++) count += head->parts[i].head.chunk_count;
  struct facts_events *events = arena_take_zero(facts->arena, 1, sizeof *events);
  if (events == NULL) return ERR_NO_MEMORY;
  events->chunks = arena_take(facts->arena, count * sizeof *events->chunks);
  if (events->chunks == NULL) return ERR_NO_MEMORY;
  list_chunks(events, facts->id, 0, head);
  for (size_t i = 0; i < head->part_count; i++)
    list_chunks(events, head->parts[i].customer, (uint32_t)(i + 1), &head->parts[i].head);
  events->has_parts = head->part_count > 0;
  facts->events = events;
  return ERR_OK;
}

// Both are sorted.
static bool share_name(const struct timeline_chunk *chunk, const struct rule_events_wanted *wanted) {
  size_t i = 0, j = 0;
  while (i < chunk->name_count && j < wanted->name_count) {
    if (chunk->names[i].name == wanted->names[j]) return true;
    if (chunk->names[i].name < wanted->names[j]) {
      i++;
    } else {
      j++;
    }
  }
  return false;
}

// Without `wanted` all that is left.
static size_t choose_chunks(struct facts_events *events, const struct rule_events_wanted *wanted) {
  size_t count = 0;
  for (size_t i = 0; i < events->chunk_count; i++) {
    struct facts_chunk *chunk = &events->chunks[i];
    const struct timeline_chunk *summary = chunk->summary;
    chunk->wanted =
        !chunk->read && (wanted == NULL || (summary->last_us >= wanted->from_us && summary->first_us < wanted->to_us &&
                                            share_name(summary, wanted)));
    count += chunk->wanted;
  }
  return count;
}

static enum err decode_chunk(struct facts *facts, struct facts_chunk *chunk, struct bytes row) {
  struct timeline_event *found;
  if (row.data == NULL) return ERR_CORRUPT;
  enum err err = timeline_row_read_chunk(row, facts->arena, &found, &chunk->count);
  if (err != ERR_OK) return err;
  chunk->items = arena_take(facts->arena, chunk->count * sizeof *chunk->items);
  if (chunk->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < chunk->count; i++)
    chunk->items[i] = (struct facts_item){.event = found[i], .customer = chunk->customer, .part = chunk->part};
  chunk->read = true;
  return ERR_OK;
}

// Those whose rows are there already; how many are left.
static enum err take_given(struct facts *facts, size_t *count) {
  struct facts_events *events = facts->events;
  for (size_t i = 0; facts->rows != NULL && i < facts->head->chunk_count; i++) {
    struct facts_chunk *chunk = &events->chunks[i];
    if (!chunk->wanted) continue;
    enum err err = decode_chunk(facts, chunk, facts->rows[i]);
    if (err != ERR_OK) return err;
    chunk->wanted = false;
    --*count;
  }
  return ERR_OK;
}

// `count` chunks are wanted: their rows, in one round.
static enum err read_chunks(struct facts *facts, size_t count) {
  struct facts_events *events = facts->events;
  enum err err = take_given(facts, &count);
  if (err != ERR_OK || count == 0) return err;
  struct key *keys = arena_take(facts->arena, count * sizeof *keys);
  struct bytes *rows = arena_take(facts->arena, count * sizeof *rows);
  if (keys == NULL || rows == NULL) return ERR_NO_MEMORY;
  size_t at = 0;
  for (size_t i = 0; i < events->chunk_count; i++)
    if (events->chunks[i].wanted)
      timeline_row_chunk_key(events->chunks[i].customer, events->chunks[i].summary, &keys[at++]);
  err = facts_get_many(facts, STORE_TIMELINE, keys, count, rows);
  at = 0;
  for (size_t i = 0; err == ERR_OK && i < events->chunk_count; i++)
    if (events->chunks[i].wanted) err = decode_chunk(facts, &events->chunks[i], rows[at++]);
  return err;
}

// --- all parts in one order ----------------------------------------------------------------------------------

static int by_instant(const void *a, const void *b) {
  const struct facts_item *left = *(struct facts_item *const *)a, *right = *(struct facts_item *const *)b;
  int order = identity_instant_compare(&left->event.at, &right->event.at);
  return order != 0 ? order : (left->part > right->part) - (left->part < right->part);
}

static void sort_items(struct facts_events *events) {
  size_t kept = 0;
  qsort(events->items, events->item_count, sizeof(struct facts_item *), by_instant);
  for (size_t i = 0; i < events->item_count; i++) {
    struct facts_item *item = events->items[i];
    if (kept > 0 && identity_instant_compare(&events->items[kept - 1]->event.at, &item->event.at) == 0) continue;
    events->items[kept++] = item;
  }
  events->item_count = kept;
}

static enum err gather(struct facts *facts) {
  struct facts_events *events = facts->events;
  size_t count = 0;
  for (size_t i = 0; i < events->chunk_count; i++) count += events->chunks[i].count;
  events->items = arena_take(facts->arena, count * sizeof(struct facts_item *));
  void *memory = arena_take(facts->arena, timeline_columns_bytes(count));
  if (events->items == NULL || memory == NULL) return ERR_NO_MEMORY;
  events->item_count = events->ahead = 0;
  for (size_t i = 0; i < events->chunk_count; i++)
    for (size_t j = 0; j < events->chunks[i].count; j++)
      events->items[events->item_count++] = &events->chunks[i].items[j];
  if (events->has_parts) sort_items(events);
  timeline_columns_lay(memory, count, &events->columns);
  for (size_t i = 0; i < events->item_count; i++) timeline_columns_put(&events->columns, &events->items[i]->event);
  return ERR_OK;
}

static void choose(struct facts_events *events, const struct rule_events_wanted *wanted) {
  events->columns.count = 0;
  events->chosen = *wanted;
  events->items = NULL;
  timeline_pack_choose(&events->pack, wanted, &events->columns);
}

static void note_whether_all(struct facts_events *events) {
  for (size_t i = 0; i < events->chunk_count; i++)
    if (!events->chunks[i].read) return;
  events->read_all = events->items != NULL;
  events->all_items = events->items;
  events->all_count = events->item_count;
}

// Without `wanted` everything.
static enum err need_events(struct facts *facts, const struct rule_events_wanted *wanted) {
  enum err err = facts->events == NULL ? begin_events(facts) : ERR_OK;
  if (err != ERR_OK || facts->events->whole || facts->events->read_all) return err;
  if (facts->events->packed) {
    choose(facts->events, wanted);
    return ERR_OK;
  }
  size_t count = choose_chunks(facts->events, wanted);
  if (count > 0) err = read_chunks(facts, count);
  if (err == ERR_OK && count > 0) err = gather(facts);
  if (err == ERR_OK) note_whether_all(facts->events);
  return err;
}

static bool is_chosen(const struct rule_events_wanted *chosen, const struct timeline_event *event) {
  bool named = false;
  for (size_t i = 0; i < chosen->name_count && !named; i++) named = chosen->names[i] == event->name;
  return named && event->at.time_us >= chosen->from_us &&
         (chosen->to_us == INT64_MAX || event->at.time_us < chosen->to_us);
}

// The k-th event of a name in what a projection has given is the k-th item of that name.
static enum err place_items(struct facts_events *events, struct facts_item **items) {
  const struct facts_events *all = events->all;
  const struct rule_columns *given = &events->given;
  events->item_count = 0;
  for (size_t i = 0; i < events->chosen.name_count; i++) {
    uint32_t name = events->chosen.names[i];
    size_t from = 0;
    for (size_t at = 0; at < given->count; at++) {
      if (given->name[at] != name) continue;
      while (from < all->item_count && all->items[from]->event.name != name) from++;
      if (from == all->item_count || all->items[from]->event.at.time_us != given->time_us[at]) return ERR_CORRUPT;
      items[at] = all->items[from++];
      events->item_count++;
    }
  }
  events->items = items;
  return events->item_count == given->count ? ERR_OK : ERR_CORRUPT;
}

// The items of a scan's columns, read anew with their ids: both come from one snapshot.
static enum err need_items(struct facts *facts) {
  struct facts_events *events = facts->events;
  if (events->all == NULL) {
    facts->events = NULL;
    enum err err = facts_messages_walks(facts) ? facts_messages_items(facts, &facts->events) : need_events(facts, NULL);
    if (err == ERR_OK) events->all = facts->events;
    facts->events = events;
    if (err != ERR_OK) return err;
  }
  const struct facts_events *all = events->all;
  struct facts_item **items = arena_take(facts->arena, all->item_count * sizeof(struct facts_item *));
  if (items == NULL) return ERR_NO_MEMORY;
  if (events->projection != NULL)
    return events->given.count > all->item_count ? ERR_CORRUPT : place_items(events, items);
  events->item_count = 0;
  for (size_t i = 0; i < all->item_count; i++)
    if (events->whole || is_chosen(&events->chosen, &all->items[i]->event)) items[events->item_count++] = all->items[i];
  events->items = items;
  events->ahead = 0;
  return events->item_count == events->columns.count ? ERR_OK : ERR_CORRUPT;
}

// --- what a run asks for -------------------------------------------------------------------------------------

static enum err give_projected(struct facts_events *events, uint64_t id, const struct rule_events_wanted *wanted,
                               struct rule_columns *columns) {
  enum err err = projection_reader_columns(events->projection, id, wanted, columns);
  events->given = *columns;
  events->chosen = *wanted;
  events->items = NULL;
  return err;
}

static struct rule_columns columns_of(const struct timeline_columns *read) {
  return (struct rule_columns){.count = read->count,
                               .time_us = read->time_us,
                               .name = read->name,
                               .amount = read->amount,
                               .amount_code = read->amount_code,
                               .channel = read->channel};
}

// The next runs ask for what lies at these indexes.
static void use_items(struct facts_events *events, struct facts_item **items, size_t count) {
  if (events->items == items) return;
  events->items = items;
  events->item_count = count;
  events->ahead = 0;
}

static enum err make_named(struct facts *facts, uint32_t name, struct facts_named *named) {
  struct facts_events *events = facts->events;
  struct timeline_columns columns;
  size_t count = 0;
  for (size_t i = 0; i < events->all_count; i++) count += events->columns.name[i] == name;
  // Its own address, also without items, tells it from others.
  named->items = arena_take(facts->arena, (count + 1) * sizeof(struct facts_item *));
  void *memory = arena_take(facts->arena, timeline_columns_bytes(count));
  if (named->items == NULL || memory == NULL) return ERR_NO_MEMORY;
  timeline_columns_lay(memory, count, &columns);
  for (size_t i = 0; i < events->all_count; i++) {
    if (events->columns.name[i] != name) continue;
    named->items[columns.count] = events->all_items[i];
    timeline_columns_put(&columns, &events->all_items[i]->event);
  }
  named->name = name;
  named->columns = columns_of(&columns);
  return ERR_OK;
}

// Her events of one name. What happened concerns many questions about that name, and each goes over all that it is
// given: a fifth of the events instead of all of them. *named NULL: there are too many names already.
static enum err find_named(struct facts *facts, uint32_t name, const struct facts_named **named) {
  struct facts_events *events = facts->events;
  *named = NULL;
  for (size_t i = 0; i < events->named_count; i++)
    if (events->named[i].name == name) *named = &events->named[i];
  if (*named != NULL || events->named_count == FACTS_NAMED_MAX) return ERR_OK;
  enum err err = make_named(facts, name, &events->named[events->named_count]);
  if (err == ERR_OK) *named = &events->named[events->named_count++];
  return err;
}

static enum err give_some(struct facts *facts, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  struct facts_events *events = facts->events;
  const struct facts_named *named = NULL;
  enum err err = wanted->name_count == 1 ? find_named(facts, wanted->names[0], &named) : ERR_OK;
  if (named != NULL) {
    use_items(events, named->items, named->columns.count);
    *columns = named->columns;
  } else {
    use_items(events, events->all_items, events->all_count);
    *columns = columns_of(&events->columns);
  }
  return err;
}

static enum err give_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  struct facts *facts = context;
  facts->shown = NULL;
  if (facts->events != NULL && facts->events->projection != NULL)
    return give_projected(facts->events, facts->id, wanted, columns);
  bool had_all = facts->events != NULL && facts->events->read_all; // the run that reads the rest may be the only one
  enum err err = need_events(facts, wanted);
  if (err != ERR_OK) return err;
  if (had_all) return give_some(facts, wanted, columns);
  *columns = columns_of(&facts->events->columns);
  return ERR_OK;
}

static enum err give_message(void *context, size_t index, struct value *message) {
  struct facts *facts = context;
  enum err err = facts->events->items == NULL ? need_items(facts) : ERR_OK;
  if (err != ERR_OK) return err;
  if (facts->shown != NULL) index = facts->shown[index];
  assert(index < facts->events->item_count);
  const struct facts_item *item = facts->events->items[index];
  if (!item->has_message) err = facts_messages_need(facts, index);
  *message = item->message;
  return err;
}

static enum err give_trait(void *context, uint32_t name, struct value *value) {
  struct facts *facts = context;
  for (size_t i = 0; i < facts->trait_count; i++) {
    if (facts->traits[i].name != name) continue;
    *value = facts->traits[i].value;
    return ERR_OK;
  }
  enum err err = facts->record == NULL ? read_record(facts) : ERR_OK;
  if (err != ERR_OK) return err;
  *value = customer_trait_value_of(facts->record, name, facts->sources);
  if (facts->trait_count == FACTS_TRAITS_KEPT) return ERR_OK;
  facts->traits[facts->trait_count].name = name;
  facts->traits[facts->trait_count++].value = *value;
  return ERR_OK;
}

static enum err give_lookup(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                            int64_t now_us, struct rule_value *value, int64_t *until_us) {
  const struct facts *facts = context;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (facts->lookup == NULL) return ERR_OK;
  return facts->lookup(facts->lookup_context, facts->id, function, arguments, count, now_us, value, until_us);
}

void facts_init(struct facts *facts, struct timeline_reader reader, struct arena *arena,
                const struct customer_sources *sources) {
  *facts = (struct facts){.reader = reader, .arena = arena, .sources = sources};
  facts->customer = (struct rule_customer){
      .context = facts, .columns = give_columns, .message = give_message, .trait = give_trait, .lookup = give_lookup};
}

void facts_reset(struct facts *facts, uint64_t id, const struct customer *record, const struct timeline_head *head) {
  facts->id = id;
  facts->record = record;
  facts->head = head;
  facts->rows = NULL;
  facts->events = NULL;
  facts->trait_count = 0;
  facts->shown = NULL;
}

// --- exactly what is wanted ----------------------------------------------------------------------------------

static bool is_wanted(const struct rule_events_wanted *wanted, const struct rule_columns *given, size_t index) {
  if (given->time_us[index] < wanted->from_us || given->time_us[index] >= wanted->to_us) return false;
  for (size_t i = 0; i < wanted->name_count; i++)
    if (wanted->names[i] == given->name[index]) return true;
  return false;
}

// The `count` events of `given` that are wanted, and where they lay.
static enum err take_wanted(struct facts *facts, const struct rule_events_wanted *wanted,
                            const struct rule_columns *given, size_t count, struct rule_columns *columns) {
  struct timeline_columns taken;
  size_t *shown = arena_take(facts->arena, (count + 1) * sizeof *shown);
  void *memory = arena_take(facts->arena, timeline_columns_bytes(count));
  if (shown == NULL || memory == NULL) return ERR_NO_MEMORY;
  timeline_columns_lay(memory, count, &taken);
  for (size_t i = 0; i < given->count; i++) {
    if (!is_wanted(wanted, given, i)) continue;
    size_t at = taken.count++;
    shown[at] = i;
    taken.time_us[at] = given->time_us[i];
    taken.name[at] = given->name[i];
    if (given->amount == NULL) continue; // times only
    taken.amount[at] = given->amount[i];
    taken.amount_code[at] = given->amount_code[i];
    taken.channel[at] = given->channel[i];
  }
  *columns = columns_of(&taken);
  if (given->amount == NULL) columns->amount = NULL, columns->amount_code = NULL, columns->channel = NULL;
  facts->shown = shown;
  return ERR_OK;
}

enum err facts_columns(struct facts *facts, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  struct rule_columns given;
  enum err err = give_columns(facts, wanted, &given);
  if (err != ERR_OK) return err;
  size_t count = 0;
  for (size_t i = 0; i < given.count; i++) count += is_wanted(wanted, &given, i);
  *columns = given;
  return count == given.count ? ERR_OK : take_wanted(facts, wanted, &given, count, columns);
}

void facts_chunk_key(uint64_t id, const struct timeline_head *head, size_t chunk, struct key *key) {
  timeline_row_chunk_key(id, &head->chunks[chunk], key);
}
