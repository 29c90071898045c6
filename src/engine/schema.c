// schema.c: the catalogue of what there is to ask about: traits, events and their properties, from a sample.
//
// Customers are sampled evenly over the range of ids by seeking, so that a catalogue of ten million takes as long as
// one of a thousand, and the same workspace gives the same catalogue. Of each one the record, the head (which events,
// how often) and the newest SAMPLE_EVENTS payloads are read. "count" of an event is that of the sampled customers'
// whole timelines; fill rates of its properties are over the payloads read.
#include <stdlib.h>
#include <string.h>

#include "engine/read.h"
#include "engine/schema.h"

enum { SAMPLE_EVENTS = 50, SAMPLE_MAX = 10000, RECORD_KEY_BYTES = 9 };

struct schema_event {
  uint32_t name;
  uint64_t customers, count, read;
  uint64_t seen_by; // the customer counted last, so that each counts once
  struct schema_fields properties;
};

struct schema {
  struct engine_view *view;
  struct arena kept, passing; // of the whole answer; of one customer
  uint64_t sampled;
  struct schema_fields traits;
  struct schema_event **events;
  size_t event_count;
  bool truncated;
};

// --- counting ------------------------------------------------------------------------------------------------

static enum err count_traits(struct schema *schema, const struct customer *record) {
  const struct names *names = schema->view->engine->names;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < record->trait_count;) {
    size_t first = i;
    const struct customer_trait *trait = &record->traits[i];
    const struct customer_trait *winner = customer_trait_winner(record, first, &schema->view->sources, &i);
    struct bytes name = trait->name == 0 ? trait->inline_name : names_text(names, trait->name);
    struct schema_field *field = schema_field(&schema->traits, name, &schema->kept, &err);
    if (field == NULL || winner == NULL) continue;
    err = schema_count(field, winner->value, names, &schema->kept);
    for (size_t j = first; j < i; j++) schema_add_source(field, record->traits[j].source);
  }
  return err;
}

static struct schema_event *event_of(struct schema *schema, uint32_t name, enum err *err) {
  for (size_t i = 0; i < schema->event_count; i++)
    if (schema->events[i]->name == name) return schema->events[i];
  if (schema->event_count == SCHEMA_EVENTS_MAX) {
    schema->truncated = true;
    return NULL;
  }
  struct schema_event *event = arena_take_zero(&schema->kept, 1, sizeof *event);
  if (event == NULL) {
    *err = ERR_NO_MEMORY;
    return NULL;
  }
  event->name = name;
  event->properties.limit = SCHEMA_PROPERTIES_MAX;
  schema->events[schema->event_count++] = event;
  return event;
}

static enum err count_summaries(struct schema *schema, uint64_t customer, const struct timeline_head *head) {
  enum err err = ERR_OK;
  for (uint32_t i = 0; err == ERR_OK && i < head->chunk_count; i++) {
    const struct timeline_chunk *chunk = &head->chunks[i];
    for (uint32_t j = 0; err == ERR_OK && j < chunk->name_count; j++) {
      struct schema_event *event = event_of(schema, chunk->names[j].name, &err);
      if (event == NULL) continue;
      event->count += chunk->names[j].count;
      if (event->seen_by != customer) event->customers++;
      event->seen_by = customer;
    }
  }
  return err;
}

static enum err count_properties(struct schema *schema, const struct timeline_item *item) {
  const struct engine *engine = schema->view->engine;
  struct value_iter iter = value_iterate(value_member_id(item->payload.message, engine->id.properties));
  enum err err = ERR_OK;
  struct schema_event *event = event_of(schema, item->event.name, &err);
  if (event == NULL) return err;
  event->read++;
  while (err == ERR_OK && value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, engine->names);
    struct schema_field *field = schema_field(&event->properties, name, &schema->kept, &err);
    if (field != NULL) err = schema_count(field, iter.item, engine->names, &schema->kept);
  }
  return err;
}

static enum err count_payloads(struct schema *schema, uint64_t customer, const struct timeline_head *head) {
  struct timeline_query query = {.newest_first = true, .payloads = true};
  struct timeline_cursor *cursor;
  struct timeline_item item;
  enum err err =
      timeline_open(&cursor, (struct timeline_reader){.snapshot = schema->view->snapshot}, customer, head, &query);
  if (err != ERR_OK) return err;
  for (size_t i = 0; err == ERR_OK && i < SAMPLE_EVENTS; i++) {
    err = timeline_next(cursor, &item);
    if (err == ERR_OK) err = count_properties(schema, &item);
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err count_customer(struct schema *schema, uint64_t id) {
  struct customer record;
  struct timeline_head head;
  bool found;
  arena_clear(&schema->passing);
  enum err err = read_customer_if_there(schema->view, id, &schema->passing, &record, &head, &found);
  if (err != ERR_OK || !found) return err;
  schema->sampled++;
  err = count_traits(schema, &record);
  if (err == ERR_OK) err = count_summaries(schema, record.id, &head);
  for (size_t i = 0; err == ERR_OK && i < head.part_count; i++)
    err = count_summaries(schema, record.id, &head.parts[i].head);
  return err == ERR_OK ? count_payloads(schema, record.id, &head) : err;
}

// --- sampling ------------------------------------------------------------------------------------------------

static bool is_record(struct bytes key) {
  return key.size_bytes == RECORD_KEY_BYTES && key.data[RECORD_KEY_BYTES - 1] == CUSTOMER_ROW_RECORD;
}

// The next customer that is no redirect, from where the cursor stands. 0: none.
static enum err next_customer(struct schema *schema, struct store_cursor *cursor, uint64_t *id) {
  struct bytes key, row;
  struct customer record;
  *id = 0;
  while (*id == 0 && store_cursor_next(cursor, &key, &row)) {
    if (!is_record(key)) continue;
    arena_clear(&schema->passing);
    enum err err = customer_decode(row, key_read_u64(key.data), &schema->passing, &record);
    if (err != ERR_OK) return err;
    if (record.merged_into == 0) *id = record.id;
  }
  return store_cursor_error(cursor);
}

static enum err id_range(struct store_cursor *cursor, uint64_t *first, uint64_t *last) {
  struct bytes key, row;
  *first = *last = 0;
  if (store_cursor_previous(cursor, &key, &row)) *last = key_read_u64(key.data);
  store_cursor_seek(cursor, BYTES(""));
  if (store_cursor_next(cursor, &key, &row)) *first = key_read_u64(key.data);
  return store_cursor_error(cursor);
}

// Seeks to `sample` places of equal distance and takes the next customer at each.
static enum err read_spread(struct schema *schema, struct store_cursor *cursor, uint64_t sample) {
  uint64_t first, last, done = 0, id = 0;
  enum err err = id_range(cursor, &first, &last);
  if (err != ERR_OK || last == 0) return err;
  uint64_t step = (last - first) / sample + 1;
  for (uint64_t i = 0; err == ERR_OK && i < sample && first + i * step <= last; i++) {
    struct key key;
    if (first + i * step <= done) continue;
    customer_key(first + i * step, CUSTOMER_ROW_RECORD, &key);
    store_cursor_seek(cursor, key_view(&key));
    err = next_customer(schema, cursor, &id);
    if (err != ERR_OK || id == 0) break;
    done = id;
    err = count_customer(schema, id);
  }
  return err;
}

// Few customers: all of them. Their ids may be far apart (numbers are reserved in blocks), and seeking would miss some.
static enum err read_all(struct schema *schema, struct store_cursor *cursor, uint64_t sample) {
  enum err err = ERR_OK;
  uint64_t id = 1;
  while (err == ERR_OK && id != 0 && schema->sampled < sample) {
    err = next_customer(schema, cursor, &id);
    if (err == ERR_OK && id != 0) err = count_customer(schema, id);
  }
  return err;
}

// --- the answer ----------------------------------------------------------------------------------------------

static int by_count(const void *a, const void *b) {
  const struct schema_event *const *x = a, *const *y = b;
  if ((*x)->count != (*y)->count) return (*x)->count > (*y)->count ? -1 : 1;
  return ((*x)->name > (*y)->name) - ((*x)->name < (*y)->name);
}

static void write_schema(struct schema *schema, const struct engine_counts *counts, struct json_writer *writer) {
  struct engine *engine = schema->view->engine;
  bool truncated = schema->truncated || schema->traits.truncated;
  json_object_begin(writer);
  json_member_u64(writer, "customers", counts->customers);
  json_member_u64(writer, "sampled", schema->sampled);
  json_name(writer, "traits");
  schema_write(&schema->traits, schema->sampled, engine, true, writer);
  json_name(writer, "events");
  json_array_begin(writer);
  if (schema->event_count > 1) qsort(schema->events, schema->event_count, sizeof(struct schema_event *), by_count);
  for (size_t i = 0; i < schema->event_count; i++) {
    struct schema_event *event = schema->events[i];
    json_object_begin(writer);
    json_member_bytes(writer, "name", names_text(engine->names, event->name));
    json_member_u64(writer, "customers", event->customers);
    json_member_u64(writer, "count", event->count);
    json_name(writer, "properties");
    schema_write(&event->properties, event->read, engine, false, writer);
    json_object_end(writer);
    truncated = truncated || event->properties.truncated;
  }
  json_array_end(writer);
  json_member_bool(writer, "truncated", truncated);
  json_object_end(writer);
}

enum err engine_schema_json(struct engine_view *view, size_t sample, struct json_writer *writer, struct diag *diag) {
  struct schema schema = {.view = view, .traits = {.limit = SCHEMA_TRAITS_MAX}};
  struct store_cursor *cursor = NULL;
  struct engine_counts counts;
  if (sample == 0 || sample > SAMPLE_MAX)
    return diag_set(diag, ERR_INVALID, "bad_sample", "a sample is 1 to %d customers", SAMPLE_MAX);
  arena_init(&schema.kept, 0);
  arena_init(&schema.passing, 0);
  schema.events = arena_take(&schema.kept, SCHEMA_EVENTS_MAX * sizeof(struct schema_event *));
  enum err err = schema.events == NULL ? ERR_NO_MEMORY : engine_get_counts(view->engine, &counts);
  if (err == ERR_OK) err = store_snapshot_scan(view->snapshot, STORE_CUSTOMER, BYTES(""), BYTES(""), &cursor);
  if (err == ERR_OK)
    err = counts.customers > sample ? read_spread(&schema, cursor, sample) : read_all(&schema, cursor, sample);
  if (err == ERR_OK) write_schema(&schema, &counts, writer);
  if (cursor != NULL) store_cursor_close(cursor);
  arena_release(&schema.kept);
  arena_release(&schema.passing);
  return read_end(err, writer, diag);
}
