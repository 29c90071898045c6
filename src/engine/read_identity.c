// read_identity.c: the graph behind a customer: who was joined with whom, by what, when.
//
// Rows of EDGE are packed documents and are shown as they are, with their number as an id in front: "e12" an accepted
// pair (what engine_split_customer takes), "r…" a refused one, "h13" a line of history.
#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"
#include "engine/read.h"

enum { EDGE_KEY_BYTES = 17, EDGE_ID_BYTES = 24 };

// --- rows of EDGE --------------------------------------------------------------------------------------------

// The rows of one id, looked at one ahead.
struct edge_rows {
  struct store_cursor *cursor;
  struct bytes row;
  uint64_t number;
  bool there;
};

static enum err edge_rows_next(struct edge_rows *rows) {
  struct bytes key;
  rows->there = store_cursor_next(rows->cursor, &key, &rows->row);
  if (!rows->there) return store_cursor_error(rows->cursor);
  if (key.size_bytes != EDGE_KEY_BYTES) return ERR_CORRUPT;
  rows->number = key_read_u64(key.data + EDGE_KEY_BYTES - sizeof rows->number);
  return ERR_OK;
}

static enum err edge_rows_open(struct engine_view *view, uint64_t customer, enum engine_edge_kind kind,
                               struct edge_rows *rows) {
  struct key from, to;
  engine_edge_key(customer, kind, 0, &from);
  engine_edge_key(customer, (enum engine_edge_kind)(kind + 1), 0, &to);
  enum err err = store_snapshot_scan(view->snapshot, STORE_EDGE, key_view(&from), key_view(&to), &rows->cursor);
  return err == ERR_OK ? edge_rows_next(rows) : err;
}

// Gives the row of the lowest number, of equal ones the first id's, and moves on all that have this number.
static enum err give_lowest(struct edge_rows *rows, size_t count, read_edge_fn *each, void *context, bool *any) {
  const struct edge_rows *lowest = NULL;
  for (size_t i = 0; i < count; i++)
    if (rows[i].there && (lowest == NULL || rows[i].number < lowest->number)) lowest = &rows[i];
  *any = lowest != NULL;
  if (!*any) return ERR_OK;
  uint64_t number = lowest->number;
  enum err err = each(context, number, (struct value){lowest->row});
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (rows[i].there && rows[i].number == number) err = edge_rows_next(&rows[i]);
  return err;
}

enum err read_edges(struct engine_view *view, const struct customer *record, enum engine_edge_kind kind,
                    read_edge_fn *each, void *context) {
  // Of what lies under other ids yet, only refusals are in EDGE (moves.c).
  size_t count = 1 + (kind == ENGINE_EDGE_REFUSED ? record->pending_count : 0);
  struct edge_rows *rows = alloc_zero(count, sizeof *rows);
  enum err err = rows == NULL ? ERR_NO_MEMORY : edge_rows_open(view, record->id, kind, &rows[0]);
  for (size_t i = 1; err == ERR_OK && i < count; i++)
    err = edge_rows_open(view, record->pending[i - 1], kind, &rows[i]);
  bool any = true;
  while (err == ERR_OK && any) err = give_lowest(rows, count, each, context, &any);
  for (size_t i = 0; rows != NULL && i < count; i++)
    if (rows[i].cursor != NULL) store_cursor_close(rows[i].cursor);
  alloc_free(rows);
  return err;
}

void read_write_edge(struct json_writer *writer, const struct engine *engine, enum engine_edge_kind kind,
                     uint64_t number, struct value document) {
  static const char letters[] = {[ENGINE_EDGE_LINK] = 'e', [ENGINE_EDGE_REFUSED] = 'r', [ENGINE_EDGE_HISTORY] = 'h'};
  struct value_iter iter = value_iterate(document);
  char id[EDGE_ID_BYTES];
  snprintf(id, sizeof id, "%c%" PRIu64, letters[kind], number);
  json_object_begin(writer);
  json_member_text(writer, "id", id);
  while (value_next(&iter)) {
    json_name_bytes(writer, value_iter_name(&iter, engine->names));
    value_to_json(writer, iter.item, engine->names);
  }
  json_object_end(writer);
}

struct edge_list {
  struct json_writer *writer;
  const struct engine *engine;
  enum engine_edge_kind kind;
  size_t rows, rows_max;
  bool cut;
};

static enum err list_edge(void *context, uint64_t number, struct value document) {
  struct edge_list *list = context;
  if (list->rows_max != 0 && list->rows == list->rows_max) {
    list->cut = true;
    return ERR_STOPPED;
  }
  list->rows++;
  read_write_edge(list->writer, list->engine, list->kind, number, document);
  return list->writer->out->failed ? ERR_NO_MEMORY : ERR_OK;
}

static enum err write_edges(struct engine_view *view, const struct customer *record, const char *name,
                            enum engine_edge_kind kind, size_t rows_max, struct json_writer *writer, bool *cut) {
  struct edge_list list = {.writer = writer, .engine = view->engine, .kind = kind, .rows_max = rows_max};
  json_name(writer, name);
  json_array_begin(writer);
  enum err err = read_edges(view, record, kind, list_edge, &list);
  if (err == ERR_STOPPED) err = ERR_OK;
  if (err == ERR_OK) json_array_end(writer);
  *cut = *cut || list.cut;
  return err;
}

// --- devices -------------------------------------------------------------------------------------------------

// Before the first sign-in a device belongs to the first who signed in: that interval has no beginning.
static void write_owner(struct json_writer *writer, const struct engine *engine, const struct identity_run *run,
                        bool first) {
  json_object_begin(writer);
  json_name(writer, "from");
  if (first)
    json_null(writer);
  else
    json_time(writer, run->start.time_us);
  json_member_time(writer, "signed_in_at", run->start.time_us);
  read_write_id(writer, "customer", run->customer);
  json_name(writer, "identifier");
  read_write_identifier(writer, engine, run->person);
  json_object_end(writer);
}

static void write_device(struct json_writer *writer, const struct engine *engine, struct identifier identifier,
                         const struct identity_device *device) {
  json_object_begin(writer);
  json_member_bytes(writer, "type", names_text(engine->names, identifier.type));
  json_member_bytes(writer, "value", identifier.value);
  json_member_bool(writer, "shared", device->shared);
  json_name(writer, "anonymous_customer");
  if (device->own == 0) {
    json_null(writer);
  } else {
    char text[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(device->own, text);
    json_text(writer, text);
  }
  json_name(writer, "owners");
  json_array_begin(writer);
  for (size_t i = 0; i < device->run_count; i++) write_owner(writer, engine, &device->runs[i], i == 0);
  json_array_end(writer);
  json_object_end(writer);
}

// A person's identifier has no device's row and is skipped.
static enum err write_device_of(struct engine_view *view, struct identifier identifier, struct json_writer *writer,
                                struct identity_device *device, struct arena *arena) {
  struct key key;
  struct bytes row;
  identifier_key(identifier, view->engine->names, &key);
  enum err err = store_snapshot_get(view->snapshot, STORE_IDENTIFIER, key_view(&key), arena, &row);
  if (err != ERR_OK || row.size_bytes == 0 || row.data[0] != ENGINE_ROW_DEVICE) return err;
  err = identity_device_decode(bytes_of(row.data + 1, row.size_bytes - 1), device);
  if (err == ERR_OK) write_device(writer, view->engine, identifier, device);
  return err;
}

static enum err write_devices(struct engine_view *view, const struct customer *record, struct json_writer *writer,
                              struct arena *arena) {
  struct identity_device *device = arena_take(arena, sizeof *device);
  enum err err = device == NULL ? ERR_NO_MEMORY : ERR_OK;
  json_name(writer, "devices");
  json_array_begin(writer);
  for (size_t i = 0; err == ERR_OK && i < record->identifier_count; i++)
    err = write_device_of(view, record->identifiers[i].member.identifier, writer, device, arena);
  if (err == ERR_OK) json_array_end(writer);
  return err;
}

// --- the document --------------------------------------------------------------------------------------------

static void write_identifiers(struct engine *engine, const struct customer *record, struct json_writer *writer) {
  json_name(writer, "identifiers");
  json_array_begin(writer);
  for (size_t i = 0; i < record->identifier_count; i++) {
    const struct customer_identifier *own = &record->identifiers[i];
    json_object_begin(writer);
    json_member_bytes(writer, "type", names_text(engine->names, own->member.identifier.type));
    json_member_bytes(writer, "value", own->member.identifier.value);
    json_member_time(writer, "first_seen_at", own->member.seen_us);
    json_member_bytes(writer, "source", read_source_name(engine, own->source));
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void write_cannots(const struct engine *engine, const struct customer *record, struct json_writer *writer) {
  json_name(writer, "cannot_links");
  json_array_begin(writer);
  for (size_t i = 0; i < record->cannot_count; i++) {
    json_object_begin(writer);
    json_name(writer, "own");
    read_write_identifier(writer, engine, record->cannots[i].pair.own);
    json_name(writer, "other");
    read_write_identifier(writer, engine, record->cannots[i].pair.other);
    json_object_end(writer);
  }
  json_array_end(writer);
}

enum err read_write_identity(struct engine_view *view, const struct customer *record, size_t rows_max,
                             struct json_writer *writer, struct arena *arena) {
  bool cut = false;
  json_object_begin(writer);
  read_write_id(writer, "customer", record->id);
  write_identifiers(view->engine, record, writer);
  enum err err = write_edges(view, record, "edges", ENGINE_EDGE_LINK, rows_max, writer, &cut);
  if (err == ERR_OK) err = write_devices(view, record, writer, arena);
  if (err == ERR_OK) err = write_edges(view, record, "refused", ENGINE_EDGE_REFUSED, rows_max, writer, &cut);
  if (err != ERR_OK) return err;
  write_cannots(view->engine, record, writer);
  err = write_edges(view, record, "history", ENGINE_EDGE_HISTORY, rows_max, writer, &cut);
  if (err != ERR_OK) return err;
  json_member_bool(writer, "truncated", cut);
  json_object_end(writer);
  return ERR_OK;
}

enum err engine_identity_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                              struct diag *diag) {
  struct customer record;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = read_customer(view, customer, &arena, &record, NULL, diag);
  if (err == ERR_OK) err = read_write_identity(view, &record, LIMIT_PAGE_ROWS, writer, &arena);
  arena_release(&arena);
  return read_end(err, writer, diag);
}
