// trade.c: the settings of reports as a document of the workspace.
//
// DOCUMENT rows "trade\0<version>" hold {"changed_at","author","trade":{…}}; versions are dense from 1, the highest is
// in force, and a workspace without any has the default. A document is read and compiled before it is stored: what
// stands there can be read. Changes come one at a time, under rules_mutex, so that no two have one version; the audit
// has each, as "settings.put" of "reports".
#include "base/alloc.h"
#include "engine/audit.h"
#include "engine/open.h"
#include "engine/read.h"
#include "engine/trade_private.h"

static const char ROWS[] = "trade";

// What stands in force: version 0 is the default, which is stored nowhere.
struct stored {
  uint64_t version;
  struct value row; // absent: the default
};

static enum err read_newest(struct engine *engine, struct store_snapshot *snapshot, struct arena *arena,
                            struct stored *stored, struct diag *diag) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  engine_number_key(&from, ROWS, 0);
  engine_number_key(&to, ROWS, UINT64_MAX);
  *stored = (struct stored){0};
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  if (store_cursor_previous(cursor, &key, &row)) {
    stored->version = key_read_u64(key.data + key.size_bytes - sizeof stored->version);
    stored->row.packed = arena_copy(arena, row);
    if (stored->row.packed.data == NULL) err = ERR_NO_MEMORY;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  return stored->version == 0 ? ERR_OK : value_check(stored->row.packed, engine->names, diag);
}

static struct value document_of(const struct engine *engine, const struct stored *stored) {
  return value_member(stored->row, engine->names, BYTES("trade"));
}

enum err trade_open(struct engine_view *view, struct trade **trade, struct diag *diag) {
  struct stored stored;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = read_newest(view->engine, view->snapshot, &arena, &stored, diag);
  if (err == ERR_OK) err = trade_make(view->engine, document_of(view->engine, &stored), NULL, trade, NULL, diag);
  arena_release(&arena);
  return err;
}

// --- telling it ----------------------------------------------------------------------------------------------

static void write_stored(const struct engine *engine, const struct trade *trade, const struct stored *stored,
                         struct json_writer *writer) {
  trade_write(trade, writer);
  json_member_u64(writer, "version", stored->version);
  json_name(writer, "changed_at");
  if (stored->version == 0)
    json_null(writer);
  else
    json_bytes(writer, engine_member_text(engine, stored->row, "changed_at"));
  json_member_bytes(writer, "author",
                    stored->version == 0 ? BYTES("default") : engine_member_text(engine, stored->row, "author"));
}

enum err trade_json(struct engine_view *view, struct json_writer *writer, struct diag *diag) {
  struct trade *trade = NULL;
  struct stored stored;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = read_newest(view->engine, view->snapshot, &arena, &stored, diag);
  if (err == ERR_OK) err = trade_make(view->engine, document_of(view->engine, &stored), NULL, &trade, NULL, diag);
  if (err == ERR_OK) {
    json_object_begin(writer);
    write_stored(view->engine, trade, &stored, writer);
    json_object_end(writer);
  }
  trade_close(trade);
  arena_release(&arena);
  if (err == ERR_OK && writer->out->failed) return diag_no_memory(diag);
  return err;
}

// --- a new one -----------------------------------------------------------------------------------------------

struct change {
  struct engine *engine;
  struct trade *trade; // read and compiled
  struct rule_check *check;
  struct stored stored;
  struct buffer row;
  struct json_writer *writer;
  struct engine_commit *commit;
};

static enum err pack(struct change *change, struct value document, struct bytes author, struct diag *diag) {
  struct engine *engine = change->engine;
  struct value_builder builder;
  char now[CLOCK_TEXT_BYTES];
  clock_format(clock_now_us(engine->clock), now);
  value_builder_init(&builder, &change->row, engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "changed_at", bytes_from_text(now));
  engine_put_text(&builder, "author", author);
  value_put_name(&builder, BYTES("trade"));
  value_put_value(&builder, document);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  change->stored.row = (struct value){buffer_view(&change->row)};
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// The answer is written here, so that what rides finds it.
static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  struct change *change = context;
  struct key key;
  (void)diag;
  engine_number_key(&key, ROWS, change->stored.version);
  return store_put(txn, STORE_DOCUMENT, key_view(&key), buffer_view(&change->row));
}

static enum err next_version(struct change *change, struct arena *arena, struct stored *newest, struct diag *diag) {
  struct store_snapshot *snapshot;
  enum err err = store_snapshot_open(change->engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = read_newest(change->engine, snapshot, arena, newest, diag);
  store_snapshot_close(snapshot);
  change->stored.version = newest->version + 1;
  return err;
}

static enum err write_side(const struct change *change, const struct trade *trade, const struct stored *stored,
                           struct arena *arena, struct bytes *text) {
  struct audit_side side;
  write_stored(change->engine, trade, stored, audit_side_begin(&side));
  return audit_side_end(&side, arena, text);
}

// Both sides whole, with the defaults of the program: of the first that is put, before is the default.
static enum err run_noted(struct change *change, const struct stored *before, struct bytes author, struct arena *arena,
                          struct diag *diag) {
  struct engine *engine = change->engine;
  struct audit_entry entry = {.action = "settings.put", .author = author, .subject = BYTES("reports")};
  struct trade *trade = NULL;
  enum err err = trade_make(engine, document_of(engine, before), NULL, &trade, NULL, diag);
  if (err == ERR_OK) err = write_side(change, trade, before, arena, &entry.before);
  if (err == ERR_OK) err = write_side(change, change->trade, &change->stored, arena, &entry.after);
  trade_close(trade);
  return err == ERR_OK ? audit_run(engine, put_row, change, &entry, change->commit, diag) : err;
}

static enum err put_changed(struct change *change, struct bytes author, struct diag *diag) {
  struct json_writer *writer = change->writer;
  struct stored before;
  struct arena arena;
  arena_init(&arena, 0);
  pthread_mutex_lock(&change->engine->rules_mutex);
  enum err err = next_version(change, &arena, &before, diag);
  if (err == ERR_OK) {
    json_object_begin(writer);
    write_stored(change->engine, change->trade, &change->stored, writer);
    engine_warnings_json(change->check, writer);
    json_object_end(writer);
    err = writer->out->failed ? diag_no_memory(diag) : run_noted(change, &before, author, &arena, diag);
  }
  pthread_mutex_unlock(&change->engine->rules_mutex);
  arena_release(&arena);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

enum err trade_put(struct engine *engine, struct value document, struct bytes author, struct json_writer *writer,
                   struct engine_commit *commit, struct rule_diag *refusal, struct diag *diag) {
  struct rule_check *check = alloc_zero(1, sizeof *check);
  struct change change = {.engine = engine, .check = check, .writer = writer, .commit = commit};
  if (refusal != NULL) refusal->code[0] = '\0';
  if (check == NULL) return diag_no_memory(diag);
  buffer_init(&change.row);
  enum err err = value_type(document) == VALUE_DOCUMENT
                     ? trade_make(engine, document, check, &change.trade, refusal, diag)
                     : diag_set(diag, ERR_INVALID, "wrong_type", "expected an object");
  if (err == ERR_OK) err = pack(&change, document, author, diag);
  if (err == ERR_OK) err = put_changed(&change, author, diag);
  trade_close(change.trade);
  buffer_release(&change.row);
  alloc_free(check);
  return err;
}
