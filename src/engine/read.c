// read.c: one consistent view of the workspace, and the answers that need little more than a record.
//
// A customer's row is its record, or a redirect to the customer it was merged into. Invariant: a redirect leads to a
// record in at most READ_HOPS_MAX steps (merges rewrite older redirects, so it is nearly always one); more is reported
// as corruption, never followed for ever.
#include "engine/read.h"
#include "engine/segments.h"

enum err engine_view_open(struct engine *engine, struct engine_view **view) {
  struct engine_view *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return ERR_NO_MEMORY;
  made->engine = engine;
  made->sources = engine_sources(engine);
  enum err err = store_snapshot_open(engine->store, &made->snapshot);
  if (err != ERR_OK) {
    alloc_free(made);
    return err;
  }
  *view = made;
  return ERR_OK;
}

void engine_view_close(struct engine_view *view) {
  if (view == NULL) return;
  if (view->phones != NULL) quality_phones_close(view->phones);
  store_snapshot_close(view->snapshot);
  alloc_free(view);
}

// --- small parts ---------------------------------------------------------------------------------------------

enum err read_end(enum err err, const struct json_writer *writer, struct diag *diag) {
  if (err == ERR_OK && writer->out->failed) err = ERR_NO_MEMORY;
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}

void read_write_id(struct json_writer *writer, const char *name, uint64_t customer) {
  char text[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(customer, text);
  json_member_text(writer, name, text);
}

void read_write_identifier(struct json_writer *writer, const struct engine *engine, struct identifier identifier) {
  json_object_begin(writer);
  json_member_bytes(writer, "type", names_text(engine->names, identifier.type));
  json_member_bytes(writer, "value", identifier.value);
  json_object_end(writer);
}

struct bytes read_source_name(struct engine *engine, uint32_t source) {
  const struct engine_source *known = engine_source(engine, source);
  return known == NULL ? BYTES("") : known->name;
}

struct bytes read_text(struct value document, uint32_t name) {
  struct bytes text = BYTES("");
  value_as_text(value_member_id(document, name), &text);
  return text;
}

// --- records -------------------------------------------------------------------------------------------------

static enum err read_row(struct engine_view *view, uint64_t id, enum customer_row which, struct arena *arena,
                         struct bytes *row) {
  struct key key;
  customer_key(id, which, &key);
  return store_snapshot_get(view->snapshot, STORE_CUSTOMER, key_view(&key), arena, row);
}

// The head, and those of rows that are the customer's and lie under other ids.
static enum err read_heads(struct engine_view *view, const struct customer *record, struct arena *arena,
                           struct timeline_head *head) {
  struct bytes row;
  enum err err = read_row(view, record->id, CUSTOMER_ROW_HEAD, arena, &row);
  if (err == ERR_OK) err = timeline_head_decode(row, arena, head);
  if (err != ERR_OK || record->pending_count == 0) return err;
  struct timeline_part *parts = arena_take_zero(arena, record->pending_count, sizeof *parts);
  if (parts == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; err == ERR_OK && i < record->pending_count; i++) {
    parts[i].customer = record->pending[i];
    err = read_row(view, parts[i].customer, CUSTOMER_ROW_HEAD, arena, &row);
    if (err == ERR_OK) err = timeline_head_decode(row, arena, &parts[i].head);
  }
  head->parts = parts;
  head->part_count = record->pending_count;
  return err;
}

enum err read_customer_if_there(struct engine_view *view, uint64_t id, struct arena *arena, struct customer *record,
                                struct timeline_head *head, bool *found) {
  enum err err = ERR_OK;
  struct bytes row;
  *found = false;
  for (int hops = 0; !*found; hops++) {
    err = hops > READ_HOPS_MAX ? ERR_CORRUPT : read_row(view, id, CUSTOMER_ROW_RECORD, arena, &row);
    if (err != ERR_OK || row.data == NULL) return err;
    err = customer_decode(row, id, arena, record);
    if (err != ERR_OK) return err;
    *found = record->merged_into == 0;
    id = record->merged_into;
  }
  return head == NULL ? ERR_OK : read_heads(view, record, arena, head);
}

enum err read_customer(struct engine_view *view, uint64_t id, struct arena *arena, struct customer *record,
                       struct timeline_head *head, struct diag *diag) {
  bool found;
  enum err err = read_customer_if_there(view, id, arena, record, head, &found);
  if (err == ERR_CORRUPT) diag_set(diag, err, "corrupt", "a stored customer cannot be read; run `rapport check`");
  if (err == ERR_OK && !found)
    err = diag_set(diag, ERR_NOT_FOUND, "no_customer", "there is no customer with this id or identifier");
  return err;
}

// The summaries of one part.
static void trace_rows(const struct timeline_head *head, struct customer_trace *trace, bool *any) {
  for (uint32_t i = 0; i < head->chunk_count; i++) {
    const struct timeline_chunk *chunk = &head->chunks[i];
    if (!*any || chunk->first_us < trace->first_event_us) trace->first_event_us = chunk->first_us;
    if (!*any || chunk->last_us > trace->last_event_us) trace->last_event_us = chunk->last_us;
    *any = true;
  }
}

static struct customer_trace trace_of(const struct timeline_head *head) {
  struct customer_trace trace = {.event_count = timeline_count(head)};
  bool any = false;
  trace.heavy = trace.event_count > LIMIT_HEAVY_EVENTS;
  trace_rows(head, &trace, &any);
  for (size_t i = 0; i < head->part_count; i++) trace_rows(&head->parts[i].head, &trace, &any);
  return trace;
}

enum err read_write_state(struct engine *engine, const struct customer_sources *sources, const struct customer *record,
                          const struct timeline_head *head, struct json_writer *writer, struct arena *arena) {
  struct customer_trace trace = trace_of(head);
  return customer_to_json(writer, record, &trace, engine->names, sources, arena);
}

enum err read_write_record(struct engine_view *view, const struct customer *record, const struct timeline_head *head,
                           struct json_writer *writer, struct arena *arena) {
  return read_write_state(view->engine, &view->sources, record, head, writer, arena);
}

typedef enum err write_fn(struct engine_view *view, const struct customer *record, const struct timeline_head *head,
                          struct json_writer *writer, struct arena *arena);

static enum err write_customer(struct engine_view *view, uint64_t customer, write_fn *write, struct json_writer *writer,
                               struct diag *diag) {
  struct timeline_head head;
  struct customer record;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = read_customer(view, customer, &arena, &record, &head, diag);
  if (err == ERR_OK) err = write(view, &record, &head, writer, &arena);
  arena_release(&arena);
  return read_end(err, writer, diag);
}

enum err engine_customer_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                              struct diag *diag) {
  return write_customer(view, customer, read_write_record, writer, diag);
}

// --- export --------------------------------------------------------------------------------------------------

static enum err write_export(struct engine_view *view, const struct customer *record, const struct timeline_head *head,
                             struct json_writer *writer, struct arena *arena) {
  struct timeline_query query = {.payloads = true};
  struct identity_instant last;
  bool more;
  json_object_begin(writer);
  json_member_time(writer, "exported_at", clock_now_us(view->engine->clock));
  json_name(writer, "customer");
  enum err err = read_write_record(view, record, head, writer, arena);
  if (err != ERR_OK) return err;
  json_name(writer, "identity");
  err = read_write_identity(view, record, 0, writer, arena);
  if (err == ERR_OK) err = segments_write_customer(view, record->id, writer);
  if (err != ERR_OK) return err;
  json_name(writer, "events");
  json_array_begin(writer);
  err = read_write_events(view, record->id, head, &query, 0, writer, &more, &last);
  if (err != ERR_OK) return err;
  json_array_end(writer);
  json_object_end(writer);
  return ERR_OK;
}

enum err engine_export_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                            struct diag *diag) {
  return write_customer(view, customer, write_export, writer, diag);
}

// --- statistics ----------------------------------------------------------------------------------------------

static void write_bytes(struct json_writer *writer, const struct store_stats *stats) {
  uint64_t total = stats->log_bytes;
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) total += stats->bytes[i];
  json_name(writer, "bytes");
  json_object_begin(writer);
  json_member_u64(writer, "total", total);
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++)
    json_member_u64(writer, store_keyspace_name((enum store_keyspace)i), stats->bytes[i]);
  json_member_u64(writer, "log", stats->log_bytes);
  json_object_end(writer);
}

static enum err count_documents(struct store_snapshot *snapshot, const char *name, uint64_t *count) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  engine_number_key(&from, name, 0);
  engine_number_key(&to, name, UINT64_MAX);
  *count = 0;
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (store_cursor_next(cursor, &key, &row)) ++*count;
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err engine_get_loads(struct engine *engine, struct engine_loads *loads) {
  struct store_snapshot *snapshot;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = count_documents(snapshot, "heavy", &loads->heavy);
  if (err == ERR_OK) err = count_documents(snapshot, "move", &loads->moving);
  store_snapshot_close(snapshot);
  return err;
}

enum err engine_stats_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  struct engine_counts counts;
  struct engine_loads loads;
  struct store_stats stats;
  enum err err = engine_get_counts(engine, &counts);
  if (err == ERR_OK) err = engine_get_loads(engine, &loads);
  if (err == ERR_OK) err = store_get_stats(engine->store, &stats);
  if (err != ERR_OK) return read_end(err, writer, diag);
  json_object_begin(writer);
  json_member_u64(writer, "customers", counts.customers);
  json_member_u64(writer, "events", counts.events);
  json_member_u64(writer, "identifiers", counts.identifiers);
  json_member_u64(writer, "merges", counts.merges);
  json_member_u64(writer, "splits", counts.splits);
  json_member_u64(writer, "set_aside", counts.set_aside);
  json_member_u64(writer, "duplicates", counts.duplicates);
  json_member_u64(writer, "erased", counts.erased);
  json_member_u64(writer, "heavy", loads.heavy);
  json_member_u64(writer, "moving", loads.moving);
  write_bytes(writer, &stats);
  json_object_end(writer);
  return read_end(ERR_OK, writer, diag);
}
