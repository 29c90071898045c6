// attribution_settings: versions of the settings of attribution.
//
// DOCUMENT rows "attribution\0<version>" hold {"changed_at","author","settings":{…}} as it was given; versions are
// dense from 1, and none means the default. One change at a time, under rules_mutex; the audit has each, as
// "settings.put" of "attribution".
// Documents are read under names of their own: the default need not be in a workspace's dictionary to be read, and a
// workspace that is only looked at takes no new names.
#include "base/limits.h"
#include "engine/attribution.h"
#include "engine/audit.h"
#include "engine/catalog.h"
#include "engine/read.h"

static const char ROWS[] = "attribution";

// The default, and what was given over it, under their own names.
struct documents {
  struct names *names;
  struct value_parser *parser;
  struct buffer base_packed, given_packed;
  struct value base, given;
};

// `given` with `costs` instead of its own, or as it is without any.
static void write_given(const struct engine *engine, struct value given, struct value costs, struct buffer *json) {
  struct json_writer writer;
  struct value_iter iter = value_iterate(given);
  json_writer_init(&writer, json);
  if (value_is_absent(costs)) {
    if (!value_is_absent(given)) value_to_json(&writer, given, engine->names);
    return;
  }
  json_object_begin(&writer);
  while (value_next(&iter)) {
    if (bytes_equal(value_iter_name(&iter, engine->names), BYTES("costs"))) continue;
    json_name_bytes(&writer, value_iter_name(&iter, engine->names));
    value_to_json(&writer, iter.item, engine->names);
  }
  json_name(&writer, "costs");
  value_to_json(&writer, costs, engine->names);
  json_object_end(&writer);
}

static enum err parse(struct documents *documents, const struct buffer *json, struct buffer *packed,
                      struct diag *diag) {
  if (json->failed) return diag_no_memory(diag);
  if (json->size_bytes == 0) return ERR_OK;
  return value_parse_json(documents->parser, buffer_view(json), documents->names, packed, diag);
}

static enum err documents_open(struct documents *documents, const struct engine *engine, struct value given,
                               struct value costs, struct diag *diag) {
  struct buffer json;
  *documents = (struct documents){0};
  buffer_init(&json);
  buffer_init(&documents->base_packed);
  buffer_init(&documents->given_packed);
  write_given(engine, given, costs, &json);
  enum err err = names_open(&documents->names, NULL, NULL);
  if (err == ERR_OK) err = value_parser_open(&documents->parser);
  if (err != ERR_OK) err = diag_no_memory(diag);
  if (err == ERR_OK) err = parse(documents, &json, &documents->given_packed, diag);
  buffer_clear(&json);
  attribution_settings_default(&json);
  if (err == ERR_OK) err = parse(documents, &json, &documents->base_packed, diag);
  buffer_release(&json);
  documents->base.packed = buffer_view(&documents->base_packed);
  documents->given.packed = buffer_view(&documents->given_packed);
  return err;
}

static void documents_close(struct documents *documents) {
  buffer_release(&documents->base_packed);
  buffer_release(&documents->given_packed);
  value_parser_close(documents->parser);
  names_close(documents->names);
}

// --- rows ----------------------------------------------------------------------------------------------------

// The version asked for, or the newest (0), into the arena. *version is 0 when there is none.
static enum err read_version(struct store_snapshot *snapshot, struct arena *arena, uint64_t *version,
                             struct value *row) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, bytes;
  engine_number_key(&from, ROWS, *version);
  engine_number_key(&to, ROWS, *version == 0 ? UINT64_MAX : *version + 1);
  *row = (struct value){0};
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  *version = 0;
  if (store_cursor_previous(cursor, &key, &bytes)) {
    *version = key_read_u64(key.data + key.size_bytes - sizeof *version);
    row->packed = arena_copy(arena, bytes);
    if (row->packed.data == NULL) err = ERR_NO_MEMORY;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static struct value settings_of(const struct engine *engine, struct value row) {
  return value_member(row, engine->names, BYTES("settings"));
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err open_settings(struct engine *engine, struct value given, struct value costs,
                              const struct rule_catalog *catalog, struct rule_check *warnings,
                              struct attribution_settings **settings, struct rule_diag *refusal, struct diag *diag) {
  struct documents documents;
  enum err err = documents_open(&documents, engine, given, costs, diag);
  struct attribution_settings_with with = {.names = documents.names,
                                           .dictionary = engine->names,
                                           .catalog = catalog,
                                           .zone = engine_zone(engine),
                                           .warnings = warnings,
                                           .where = refusal};
  if (err == ERR_OK) err = attribution_settings_open(settings, documents.given, documents.base, &with, diag);
  documents_close(&documents);
  return err;
}

enum err attribution_settings_find(struct engine_view *view, struct value given, struct value costs,
                                   struct attribution_settings **settings, struct rule_diag *refusal,
                                   struct diag *diag) {
  struct arena arena;
  struct value row;
  uint64_t version = 0;
  if (!value_is_absent(given)) return open_settings(view->engine, given, costs, NULL, NULL, settings, refusal, diag);
  arena_init(&arena, 0);
  enum err err = read_version(view->snapshot, &arena, &version, &row);
  if (err != ERR_OK)
    err = engine_explain_failure(err, diag);
  else
    err = open_settings(view->engine, settings_of(view->engine, row), costs, NULL, NULL, settings, refusal, diag);
  arena_release(&arena);
  return err;
}

// --- telling -------------------------------------------------------------------------------------------------

struct telling {
  uint64_t version;
  struct bytes changed_at, author;
  struct value given;
};

static enum err tell(const struct engine *engine, const struct telling *telling, const struct rule_check *warnings,
                     struct json_writer *writer, struct diag *diag) {
  struct documents documents;
  enum err err = documents_open(&documents, engine, telling->given, (struct value){0}, diag);
  if (err == ERR_OK) {
    json_object_begin(writer);
    json_member_u64(writer, "version", telling->version);
    json_name(writer, "changed_at");
    if (telling->changed_at.size_bytes > 0)
      json_bytes(writer, telling->changed_at);
    else
      json_null(writer);
    json_member_bytes(writer, "author", telling->author);
    attribution_settings_json(writer, documents.given, documents.base, documents.names);
    if (warnings != NULL) engine_warnings_json(warnings, writer);
    json_object_end(writer);
  }
  documents_close(&documents);
  if (err == ERR_OK && writer->out->failed) err = diag_no_memory(diag);
  return err;
}

static struct telling telling_of(const struct engine *engine, uint64_t version, struct value row) {
  struct telling telling = {version, {0}, BYTES("default"), settings_of(engine, row)};
  if (version != 0) telling.changed_at = engine_member_text(engine, row, "changed_at");
  if (version != 0) telling.author = engine_member_text(engine, row, "author");
  return telling;
}

enum err engine_attribution_settings_json(struct engine_view *view, uint64_t version, struct json_writer *writer,
                                          struct diag *diag) {
  const struct engine *engine = view->engine;
  struct arena arena;
  struct value row;
  uint64_t found = version;
  arena_init(&arena, 0);
  enum err err = read_version(view->snapshot, &arena, &found, &row);
  if (err != ERR_OK) {
    err = engine_explain_failure(err, diag);
  } else if (version != 0 && found == 0) {
    err = diag_set(diag, ERR_NOT_FOUND, "no_settings", "there is no version %llu of the settings of attribution",
                   (unsigned long long)version);
  } else {
    struct telling telling = telling_of(engine, found, row);
    err = tell(engine, &telling, NULL, writer, diag);
  }
  arena_release(&arena);
  return err;
}

// --- changing ------------------------------------------------------------------------------------------------

struct change {
  struct key key;
  struct buffer row;
};

static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  const struct change *change = context;
  (void)diag;
  return store_put(txn, STORE_DOCUMENT, key_view(&change->key), buffer_view(&change->row));
}

// Both sides whole, with the defaults of the program: of the first that is put, before is the default.
static enum err run_noted(struct engine *engine, struct change *change, const struct telling *before,
                          const struct telling *after, struct engine_commit *commit, struct diag *diag) {
  struct audit_entry entry = {.action = "settings.put", .author = after->author, .subject = BYTES("attribution")};
  struct json_writer writers[2];
  struct buffer sides[2];
  for (size_t i = 0; i < 2; i++) {
    buffer_init(&sides[i]);
    json_writer_init(&writers[i], &sides[i]);
  }
  enum err err = tell(engine, before, NULL, &writers[0], diag);
  if (err == ERR_OK) err = tell(engine, after, NULL, &writers[1], diag);
  entry.before = buffer_view(&sides[0]);
  entry.after = buffer_view(&sides[1]);
  if (err == ERR_OK) err = audit_run(engine, put_row, change, &entry, commit, diag);
  for (size_t i = 0; i < 2; i++) buffer_release(&sides[i]);
  return err;
}

static enum err write_version(struct engine *engine, const struct telling *before, const struct telling *telling,
                              struct engine_commit *commit, struct diag *diag) {
  struct change change;
  struct value_builder builder;
  engine_number_key(&change.key, ROWS, telling->version);
  buffer_init(&change.row);
  value_builder_init(&builder, &change.row, engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "changed_at", telling->changed_at);
  engine_put_text(&builder, "author", telling->author);
  value_put_name(&builder, BYTES("settings"));
  value_put_value(&builder, telling->given);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) err = run_noted(engine, &change, before, telling, commit, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  buffer_release(&change.row);
  return err;
}

// Of the newest version, in the arena.
static enum err read_newest(struct engine *engine, struct arena *arena, struct telling *newest, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct value row;
  uint64_t version = 0;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = read_version(snapshot, arena, &version, &row);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  *newest = telling_of(engine, version, row);
  return ERR_OK;
}

static enum err check_document(struct engine *engine, struct value document, struct rule_check *warnings,
                               struct rule_diag *refusal, struct diag *diag) {
  struct attribution_settings *settings;
  struct catalog catalog;
  catalog_open(&catalog, engine);
  enum err err = open_settings(engine, document, (struct value){0}, &catalog.names, warnings, &settings, refusal, diag);
  catalog_close(&catalog);
  if (err == ERR_OK) attribution_settings_close(settings);
  return err;
}

enum err engine_attribution_settings_put(struct engine *engine, struct value document, struct bytes author,
                                         struct json_writer *writer, struct engine_commit *commit,
                                         struct rule_diag *refusal, struct diag *diag) {
  char now[CLOCK_TEXT_BYTES];
  struct arena arena;
  if (engine->read_only)
    return diag_set(diag, ERR_DENIED, "read_only", "this command only looks at the workspace and cannot change it");
  struct rule_check *warnings = alloc_zero(1, sizeof *warnings);
  if (warnings == NULL) return diag_no_memory(diag);
  enum err err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err == ERR_OK) err = check_document(engine, document, warnings, refusal, diag);
  clock_format(clock_now_us(engine->clock), now);
  arena_init(&arena, 0);
  pthread_mutex_lock(&engine->rules_mutex);
  struct telling before = {0}, telling = {0, bytes_from_text(now), author, document};
  if (err == ERR_OK) err = read_newest(engine, &arena, &before, diag);
  telling.version = before.version + 1;
  if (err == ERR_OK) err = tell(engine, &telling, warnings, writer, diag);
  if (err == ERR_OK) err = write_version(engine, &before, &telling, commit, diag);
  pthread_mutex_unlock(&engine->rules_mutex);
  arena_release(&arena);
  alloc_free(warnings);
  return err;
}
