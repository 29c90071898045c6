// aside.c: what could not be taken is kept, listed, corrected and sent again.
//
// ASIDE rows: key = receipt time and a decision number (oldest first, never the same twice); value = packed document
// {"code","message","source","received_us","text"|absent,"bytes"}. Its id, as people see it, is the key in hexadecimal.
#include <string.h>

#include "base/limits.h"
#include "engine/work.h"

enum { ASIDE_KEY_BYTES = 16, ASIDE_ID_BYTES = 2 * ASIDE_KEY_BYTES };

// The text that is kept: JSON as it came, when it is text at all and not too long.
static bool keepable(struct bytes text) {
  return text.size_bytes > 0 && text.size_bytes <= LIMIT_ASIDE_BYTES && bytes_is_utf8(text);
}

static enum err put_row(struct engine *engine, struct store_txn *txn, uint32_t source, const char *code,
                        const char *message, struct bytes text, int64_t received_us, struct diag *diag) {
  struct value_builder builder;
  struct buffer buffer;
  struct key key;
  uint64_t number;
  enum err err = engine_next(engine, &engine->decisions, &number, diag);
  if (err != ERR_OK) return err;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "code", bytes_from_text(code));
  engine_put_text(&builder, "message", bytes_from_text(message));
  engine_put_i64(&builder, "source", source);
  engine_put_i64(&builder, "received_us", received_us);
  engine_put_i64(&builder, "bytes", (int64_t)text.size_bytes);
  if (keepable(text)) engine_put_text(&builder, "text", text);
  value_document_end(&builder);
  err = value_builder_finish(&builder);
  key_init(&key);
  key_put_i64(&key, received_us);
  key_put_u64(&key, number);
  if (err == ERR_OK) err = store_put(txn, STORE_ASIDE, key_view(&key), buffer_view(&buffer));
  buffer_release(&buffer);
  return err;
}

enum err aside_put(struct work *work, uint32_t source, const char *code, const char *message, struct bytes text,
                   struct value packed, int64_t received_us) {
  struct buffer json;
  struct json_writer writer;
  if (text.size_bytes > 0)
    return put_row(work->engine, work->txn, source, code, message, text, received_us, work->diag);
  buffer_init(&json);
  json_writer_init(&writer, &json);
  value_to_json(&writer, packed, work->engine->names);
  enum err err = json.failed ? diag_no_memory(work->diag)
                             : put_row(work->engine, work->txn, source, code, message, buffer_view(&json), received_us,
                                       work->diag);
  buffer_release(&json);
  return err;
}

struct refused {
  uint32_t source;
  const char *code, *message;
  struct bytes text;
};

static enum err set_aside_body(struct work *work, void *context) {
  const struct refused *refused = context;
  work->delta.set_aside++;
  return put_row(work->engine, work->txn, refused->source, refused->code, refused->message, refused->text, work->now_us,
                 work->diag);
}

enum err engine_set_aside(struct engine *engine, uint32_t source, const char *code, const char *message,
                          struct bytes text, struct store_mark *mark, struct diag *diag) {
  struct refused refused = {source, code, message, text};
  struct work_plan plan = {0};
  return work_run(engine, &plan, set_aside_body, &refused, mark, diag);
}

// --- reading -------------------------------------------------------------------------------------------------

static bool read_id(struct bytes id, uint8_t key[ASIDE_KEY_BYTES]) {
  return bytes_from_hex(id, key, ASIDE_KEY_BYTES) == ERR_OK;
}

static enum err bad_id(struct diag *diag) {
  return diag_set(diag, ERR_NOT_FOUND, "no_such_event",
                  "nothing with this id was set aside; `rapport aside list` shows what was");
}

static void write_item(struct engine *engine, const char *id, struct value row, struct value_parser *parser,
                       struct json_writer *writer) {
  const struct engine_source *source = engine_source(engine, (uint32_t)engine_member_i64(engine, row, "source"));
  struct bytes text = engine_member_text(engine, row, "text");
  struct buffer packed;
  json_object_begin(writer);
  json_member_text(writer, "id", id);
  json_member_bytes(writer, "code", engine_member_text(engine, row, "code"));
  json_member_bytes(writer, "message", engine_member_text(engine, row, "message"));
  json_member_bytes(writer, "source", source == NULL ? BYTES("") : source->name);
  json_member_time(writer, "received_at", engine_member_i64(engine, row, "received_us"));
  json_member_i64(writer, "event_bytes", engine_member_i64(engine, row, "bytes"));
  json_name(writer, "event");
  buffer_init(&packed);
  if (text.size_bytes == 0)
    json_null(writer);
  else if (value_parse_json(parser, text, engine->names, &packed, NULL) == ERR_OK)
    json_raw(writer, text); // it is one JSON value as it stands
  else
    json_bytes(writer, text);
  buffer_release(&packed);
  json_object_end(writer);
}

static enum err list_rows(struct engine *engine, struct store_cursor *cursor, size_t limit, struct bytes code,
                          struct value_parser *parser, struct json_writer *writer) {
  char id[ASIDE_ID_BYTES + 1] = "";
  struct bytes key, row;
  size_t written = 0;
  bool more = false;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  while (!more && store_cursor_next(cursor, &key, &row)) {
    struct value document = {row};
    if (code.size_bytes > 0 && !bytes_equal(engine_member_text(engine, document, "code"), code)) continue;
    more = written == limit;
    if (more) break;
    bytes_to_hex(key, id);
    write_item(engine, id, document, parser, writer);
    written++;
  }
  json_array_end(writer);
  json_name(writer, "next");
  if (more)
    json_text(writer, id);
  else
    json_null(writer);
  json_object_end(writer);
  return store_cursor_error(cursor);
}

enum err engine_aside_json(struct engine *engine, struct bytes after, size_t limit, struct bytes code,
                           struct json_writer *writer, struct diag *diag) {
  uint8_t from[ASIDE_KEY_BYTES + 1] = {0};
  struct store_snapshot *snapshot = NULL;
  struct store_cursor *cursor = NULL;
  struct value_parser *parser = NULL;
  if (after.size_bytes > 0 && !read_id(after, from))
    return diag_set(diag, ERR_INVALID, "bad_cursor", "this cursor is not one that a list gave; start without it");
  enum err err = value_parser_open(&parser);
  if (err == ERR_OK) err = store_snapshot_open(engine->store, &snapshot);
  // A 0 byte more is the first key after the cursor's.
  size_t from_bytes = after.size_bytes > 0 ? sizeof from : 0;
  if (err == ERR_OK) err = store_snapshot_scan(snapshot, STORE_ASIDE, bytes_of(from, from_bytes), BYTES(""), &cursor);
  if (err == ERR_OK) err = list_rows(engine, cursor, limit, code, parser, writer);
  if (cursor != NULL) store_cursor_close(cursor);
  if (snapshot != NULL) store_snapshot_close(snapshot);
  value_parser_close(parser);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

enum err engine_aside_get(struct engine *engine, struct bytes id, struct arena *arena, struct bytes *text,
                          uint32_t *source, int64_t *received_us, struct diag *diag) {
  uint8_t key[ASIDE_KEY_BYTES];
  struct store_snapshot *snapshot;
  struct bytes row;
  if (!read_id(id, key)) return bad_id(diag);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_get(snapshot, STORE_ASIDE, bytes_of(key, sizeof key), arena, &row);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return err;
  if (row.data == NULL) return bad_id(diag);
  *text = engine_member_text(engine, (struct value){row}, "text");
  *source = (uint32_t)engine_member_i64(engine, (struct value){row}, "source");
  *received_us = engine_member_i64(engine, (struct value){row}, "received_us");
  return ERR_OK;
}

enum err engine_aside_item_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag) {
  uint8_t key[ASIDE_KEY_BYTES];
  char text[ASIDE_ID_BYTES + 1];
  struct store_snapshot *snapshot = NULL;
  struct value_parser *parser = NULL;
  struct arena arena;
  struct bytes row;
  if (!read_id(id, key)) return bad_id(diag);
  bytes_to_hex(bytes_of(key, sizeof key), text);
  arena_init(&arena, 0);
  enum err err = value_parser_open(&parser);
  if (err == ERR_OK) err = store_snapshot_open(engine->store, &snapshot);
  if (err == ERR_OK) err = store_snapshot_get(snapshot, STORE_ASIDE, bytes_of(key, sizeof key), &arena, &row);
  if (err == ERR_OK && row.data == NULL) err = bad_id(diag);
  if (err == ERR_OK) write_item(engine, text, (struct value){row}, parser, writer);
  if (snapshot != NULL) store_snapshot_close(snapshot);
  value_parser_close(parser);
  arena_release(&arena);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

static enum err delete_row(struct work *work, void *context) {
  struct bytes key = bytes_of(context, ASIDE_KEY_BYTES), row;
  enum err err = store_get(work->txn, STORE_ASIDE, key, work->arena, &row);
  if (err == ERR_OK && row.data == NULL) return bad_id(work->diag);
  work->delta.set_aside--;
  return err == ERR_OK ? store_delete(work->txn, STORE_ASIDE, key) : err;
}

enum err engine_aside_delete(struct engine *engine, struct bytes id, struct engine_commit *commit, struct diag *diag) {
  uint8_t key[ASIDE_KEY_BYTES];
  struct work_plan plan = {.commit = commit};
  if (!read_id(id, key)) return bad_id(diag);
  struct bytes lock = bytes_of(key, sizeof key); // two who delete the same row count it once
  plan.message_keys = &lock;
  plan.message_count = 1;
  return work_run(engine, &plan, delete_row, key, &commit->mark, diag);
}
