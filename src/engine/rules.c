// rules.c: the identity rules in force, and every version there was.
//
// DOCUMENT rows "rules\0<version>" hold {"changed_at","author","decision","rules":{…}}, where decisions from that
// number on were made under these rules; versions are dense from 1. The first one is the default rules, written when a
// workspace is opened for writing and has none, so that a person always finds a document to start from. Invariants:
//   1. The head of engine->rules is the newest stored version (or version 1, the default, in a workspace nobody wrote).
//   2. A version is in force only after its row was committed; replaced rules stay until close, because readers hold
//      them without a lock.
#include "base/limits.h"
#include "engine/audit.h"
#include "engine/open.h"
#include "engine/rerun.h"

static const char FIRST_AUTHOR[] = "default", DECISION[] = "decision";

const struct identity_rules *engine_rules(struct engine *engine) {
  const struct engine_rules_list *newest = atomic_load(&engine->rules);
  return newest == NULL ? NULL : newest->rules;
}

// Puts rules in force. The caller holds rules_mutex, or nobody else runs yet.
static void put_in_force(struct engine *engine, struct engine_rules_list *item) {
  item->older = atomic_load(&engine->rules);
  atomic_store(&engine->rules, item);
}

// Parses a document into an item of the list that is not in force yet.
static enum err make_item(struct engine *engine, struct value document, uint64_t version,
                          struct engine_rules_list **item, struct diag *diag) {
  struct engine_rules_list *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  enum err err = identity_rules_open(&made->rules, document, version, engine->names, diag);
  if (err != ERR_OK) {
    alloc_free(made);
    return err;
  }
  *item = made;
  return ERR_OK;
}

static void free_item(struct engine_rules_list *item) {
  if (item == NULL) return;
  identity_rules_close(item->rules);
  alloc_free(item);
}

void close_rules(struct engine *engine) {
  struct engine_rules_list *item = atomic_load(&engine->rules);
  atomic_store(&engine->rules, NULL);
  while (item != NULL) {
    struct engine_rules_list *older = item->older;
    free_item(item);
    item = older;
  }
}

// --- rows ----------------------------------------------------------------------------------------------------

struct rules_row {
  struct key key;
  struct buffer document;
};

static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  const struct rules_row *row = context;
  (void)diag;
  return store_put(txn, STORE_DOCUMENT, key_view(&row->key), buffer_view(&row->document));
}

static void write_side(struct buffer *out, uint64_t version, struct value rules, const struct engine *engine) {
  struct json_writer writer;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_member_u64(&writer, "version", version);
  json_name(&writer, "rules");
  value_to_json(&writer, rules, engine->names);
  json_object_end(&writer);
}

// The first version is the workspace's own.
static enum err put_noted(struct engine *engine, struct rules_row *row, uint64_t version, struct value rules,
                          struct bytes author, struct engine_commit *commit, struct diag *diag) {
  struct audit_entry entry = {.action = "rules.put", .author = author, .subject = BYTES("identity")};
  struct json_writer writer;
  struct buffer before, after;
  if (version == 1) return engine_run(engine, put_row, row, commit, diag);
  buffer_init(&before);
  buffer_init(&after);
  json_writer_init(&writer, &before);
  enum err err = engine_rules_json(engine, version - 1, &writer, diag);
  write_side(&after, version, rules, engine);
  entry.before = buffer_view(&before);
  entry.after = buffer_view(&after);
  if (err == ERR_OK && after.failed) err = ERR_NO_MEMORY;
  if (err == ERR_OK) err = audit_run(engine, put_row, row, &entry, commit, diag);
  buffer_release(&before);
  buffer_release(&after);
  return err;
}

static enum err write_row(struct engine *engine, uint64_t version, uint64_t decision, struct value rules,
                          struct bytes author, struct engine_commit *commit, struct diag *diag) {
  struct rules_row row;
  struct value_builder builder;
  char now[CLOCK_TEXT_BYTES];
  clock_format(clock_now_us(engine->clock), now);
  engine_number_key(&row.key, "rules", version);
  buffer_init(&row.document);
  value_builder_init(&builder, &row.document, engine->names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("changed_at"));
  value_put_text(&builder, bytes_from_text(now));
  value_put_name(&builder, BYTES("author"));
  value_put_text(&builder, author);
  engine_put_i64(&builder, DECISION, (int64_t)decision);
  value_put_name(&builder, BYTES("rules"));
  value_put_value(&builder, rules);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) err = put_noted(engine, &row, version, rules, author, commit, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  buffer_release(&row.document);
  return err;
}

// The newest stored version into the arena; *version is 0 when there is none.
static enum err read_newest(struct store_snapshot *snapshot, struct arena *arena, uint64_t *version,
                            struct value *document) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  engine_number_key(&from, "rules", 0);
  engine_number_key(&to, "rules", UINT64_MAX);
  *version = 0;
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_previous(cursor, &key, &row)) {
    *version = key_read_u64(key.data + key.size_bytes - sizeof *version);
    document->packed = arena_copy(arena, row);
    if (document->packed.data == NULL) err = ERR_NO_MEMORY;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// --- opening -------------------------------------------------------------------------------------------------

// The default rules as a packed document.
static enum err pack_default(struct engine *engine, struct buffer *packed, struct diag *diag) {
  struct value_parser *parser;
  enum err err = value_parser_open(&parser);
  if (err != ERR_OK) return diag_no_memory(diag);
  err = value_parse_json(parser, identity_rules_default(), engine->names, packed, diag);
  value_parser_close(parser);
  return err;
}

static enum err open_default(struct engine *engine, struct engine_rules_list **item, struct diag *diag) {
  struct buffer packed;
  struct engine_commit commit = {0};
  if (engine->read_only) return make_item(engine, (struct value){0}, 1, item, diag);
  buffer_init(&packed);
  enum err err = pack_default(engine, &packed, diag);
  struct value document = {buffer_view(&packed)};
  if (err == ERR_OK) err = make_item(engine, document, 1, item, diag);
  if (err == ERR_OK) err = write_row(engine, 1, 0, document, bytes_from_text(FIRST_AUTHOR), &commit, diag);
  buffer_release(&packed);
  return err;
}

enum err open_rules(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag) {
  struct engine_rules_list *item = NULL;
  struct arena arena;
  struct value document = {0};
  uint64_t version;
  arena_init(&arena, 0);
  enum err err = read_newest(snapshot, &arena, &version, &document);
  if (err == ERR_OK && version != 0) err = value_check(document.packed, engine->names, diag);
  if (err == ERR_OK && version != 0)
    err = make_item(engine, value_member(document, engine->names, BYTES("rules")), version, &item, diag);
  else if (err == ERR_OK)
    err = open_default(engine, &item, diag);
  arena_release(&arena);
  if (err == ERR_OK)
    put_in_force(engine, item);
  else
    free_item(item);
  return err;
}

// --- showing ---------------------------------------------------------------------------------------------------

static void write_document(const struct engine *engine, uint64_t version, struct value document,
                           struct json_writer *writer) {
  struct value_iter iter = value_iterate(document);
  json_object_begin(writer);
  json_member_u64(writer, "version", version);
  while (value_next(&iter)) {
    if (bytes_equal(value_iter_name(&iter, engine->names), bytes_from_text(DECISION))) continue;
    json_name_bytes(writer, value_iter_name(&iter, engine->names));
    value_to_json(writer, iter.item, engine->names);
  }
  json_object_end(writer);
}

// Version 1 of a workspace that was only looked at so far: the default rules, stored nowhere.
static void write_default(struct json_writer *writer) {
  json_object_begin(writer);
  json_member_u64(writer, "version", 1);
  json_name(writer, "changed_at");
  json_null(writer);
  json_member_text(writer, "author", FIRST_AUTHOR);
  json_name(writer, "rules");
  json_raw(writer, identity_rules_default());
  json_object_end(writer);
}

enum err engine_rules_json(struct engine *engine, uint64_t version, struct json_writer *writer, struct diag *diag) {
  uint64_t newest = identity_rules_version(engine_rules(engine));
  struct store_snapshot *snapshot;
  struct arena arena;
  struct key key;
  struct bytes row;
  if (version == 0) version = newest;
  if (version > newest)
    return diag_set(diag, ERR_NOT_FOUND, "no_rules",
                    "there is no version %llu of the identity rules; the newest is %llu", (unsigned long long)version,
                    (unsigned long long)newest);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
  arena_init(&arena, 0);
  engine_number_key(&key, "rules", version);
  err = store_snapshot_get(snapshot, STORE_DOCUMENT, key_view(&key), &arena, &row);
  if (err == ERR_OK && row.data != NULL)
    write_document(engine, version, (struct value){row}, writer);
  else if (err == ERR_OK && version == 1)
    write_default(writer);
  else if (err == ERR_OK)
    err = diag_set(diag, ERR_CORRUPT, "corrupt", "a version of the identity rules is missing from the store");
  if (err == ERR_NO_MEMORY || (err == ERR_OK && writer->out->failed)) err = diag_no_memory(diag);
  arena_release(&arena);
  store_snapshot_close(snapshot);
  return err;
}

// --- classes -------------------------------------------------------------------------------------------------

static enum err class_changed(const struct identity_type *type, struct diag *diag) {
  diag_set(diag, ERR_INVALID, "class_changed", "a type keeps its class; make another type for what is %s",
           type->class == IDENTITY_DEVICE ? "a device" : "a person");
  diag_in_field(diag, "types.%.*s.class", BYTES_ARG(type->text));
  return ERR_INVALID;
}

// Rows of IDENTIFIER are those of the class that their type had: the first row of a type tells.
static enum err stored_class(struct store_snapshot *snapshot, const struct engine *engine,
                             const struct identity_type *type, bool *other) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  char kind = type->class == IDENTITY_DEVICE ? ENGINE_ROW_DEVICE : ENGINE_ROW_PERSON;
  identifier_key((struct identifier){type->name, BYTES("")}, engine->names, &from);
  to = from;
  if (!key_to_range_end(&to)) key_init(&to);
  *other = false;
  enum err err = store_snapshot_scan(snapshot, STORE_IDENTIFIER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_next(cursor, &key, &row)) *other = row.size_bytes > 0 && row.data[0] != kind;
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err rules_check_classes(struct engine *engine, const struct identity_rules *rules, struct diag *diag) {
  struct store_snapshot *snapshot;
  size_t count;
  const struct identity_type *types = identity_types(rules, &count);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct identity_type *now = identity_type_by_id(engine_rules(engine), types[i].name);
    bool other = now != NULL && now->class != types[i].class;
    if (!other) err = stored_class(snapshot, engine, &types[i], &other);
    if (err == ERR_OK && other) err = class_changed(&types[i], diag);
  }
  store_snapshot_close(snapshot);
  return err == ERR_INVALID || err == ERR_OK ? err : engine_explain_failure(err, diag);
}

// --- changing ------------------------------------------------------------------------------------------------

enum err engine_rules_put(struct engine *engine, struct value document, struct bytes author, uint64_t *version,
                          struct engine_commit *commit, struct diag *diag) {
  struct engine_rules_list *item = NULL;
  if (engine->read_only)
    return diag_set(diag, ERR_DENIED, "read_only", "this command only looks at the workspace and cannot change rules");
  enum err err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  pthread_mutex_lock(&engine->rules_mutex);
  uint64_t next = *version = identity_rules_version(engine_rules(engine)) + 1;
  uint64_t decision = 0;
  err = make_item(engine, document, next, &item, diag);
  if (err == ERR_OK) err = rules_check_classes(engine, item->rules, diag);
  if (err == ERR_OK) err = engine_next(engine, &engine->decisions, &decision, diag);
  if (err == ERR_OK) err = write_row(engine, next, decision, document, author, commit, diag);
  if (err == ERR_OK)
    put_in_force(engine, item);
  else
    free_item(item);
  pthread_mutex_unlock(&engine->rules_mutex);
  return err;
}
