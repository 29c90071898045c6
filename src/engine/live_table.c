// live_table.c: the definitions of a workspace: read from DOCUMENT or made of what they are to be, compiled, put in
// force.
//
// DOCUMENT rows "segment\0<question>" hold one version each (segment/definition.h). Only those that are being built or
// live are in the table; older ones are read when somebody asks for them. A table is made whole before the change that
// it is for is committed, so that putting it in force afterwards cannot fail. Of an id one version has a status: when a
// commit was lost to its caller and repeated, the store may have two, and the newer counts.
#include "engine/live.h"

void live_definition_key(struct key *key, uint32_t question) {
  engine_number_key(key, "segment", question);
}

static bool is_evaluated(const struct segment_definition *definition) {
  return definition->status == SEGMENT_BUILDING || definition->status == SEGMENT_LIVE;
}

static bool same_place(const struct segment_definition *a, const struct segment_definition *b) {
  return a->status == b->status && bytes_equal(a->id, b->id);
}

// Takes the place of an older version of the same status.
static enum err add_definition(struct live_table *table, size_t *capacity,
                               const struct segment_definition *definition) {
  for (size_t i = 0; i < table->count; i++) {
    if (!same_place(&table->definitions[i], definition)) continue;
    table->definitions[i] = *definition;
    return ERR_OK;
  }
  if (table->count == *capacity) {
    size_t larger = *capacity * 2 + 64;
    struct segment_definition *definitions = arena_take(&table->arena, larger * sizeof *definitions);
    if (definitions == NULL) return ERR_NO_MEMORY;
    if (table->count > 0) memcpy(definitions, table->definitions, table->count * sizeof *definitions);
    table->definitions = definitions;
    *capacity = larger;
  }
  table->definitions[table->count++] = *definition;
  return ERR_OK;
}

// From its stored form, by ascending question.
static enum err add_packed(struct engine *engine, struct live_table *table, size_t *capacity, struct bytes row) {
  struct segment_definition definition;
  struct bytes copy = arena_copy(&table->arena, row);
  if (copy.data == NULL) return ERR_NO_MEMORY;
  enum err err = segment_definition_unpack((struct value){copy}, engine->names, &table->arena, &definition);
  return err == ERR_OK && is_evaluated(&definition) ? add_definition(table, capacity, &definition) : err;
}

static enum err read_definitions(struct engine *engine, struct store_snapshot *snapshot, struct live_table *table) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  size_t capacity = 0;
  live_definition_key(&from, 0);
  live_definition_key(&to, UINT32_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    table->ever = true;
    err = add_packed(engine, table, &capacity, row);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// Compiles what `made` holds; it is the caller's only when that goes well.
static enum err finish_table(struct engine *engine, struct live_table *made, const struct segment_set *older,
                             enum err err, struct live_table **table, struct diag *diag) {
  struct segment_compile with = {.names = engine->names, .zone = engine_zone(engine), .older = older};
  struct segment_set *set;
  if (err == ERR_OK && made->ever) {
    err = segment_set_open(&set, made->definitions, made->count, &with, diag);
    if (err == ERR_OK) made->set = set;
  }
  if (err == ERR_OK) {
    *table = made;
    return ERR_OK;
  }
  live_table_close(made);
  return diag != NULL && diag->err == err ? err : engine_explain_failure(err, diag);
}

enum err live_table_read(struct engine *engine, struct store_snapshot *snapshot, struct live_table **table,
                         struct diag *diag) {
  struct live_table *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  arena_init(&made->arena, 0);
  return finish_table(engine, made, NULL, read_definitions(engine, snapshot, made), table, diag);
}

static enum err copy_definition(struct engine *engine, struct live_table *table, size_t *capacity,
                                const struct segment_definition *definition) {
  struct value_builder builder;
  struct buffer packed;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, engine->names);
  segment_definition_pack(definition, &builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) err = add_packed(engine, table, capacity, buffer_view(&packed));
  buffer_release(&packed);
  return err;
}

enum err live_table_make(struct engine *engine, const struct segment_definition *definitions, size_t count,
                         struct live_table **table, struct diag *diag) {
  struct live_table *made = alloc_zero(1, sizeof *made);
  size_t capacity = 0;
  enum err err = ERR_OK;
  if (made == NULL) return diag_no_memory(diag);
  arena_init(&made->arena, 0);
  made->ever = true;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = copy_definition(engine, made, &capacity, &definitions[i]);
  return finish_table(engine, made, engine->live->table->set, err, table, diag);
}

void live_table_close(struct live_table *table) {
  if (table == NULL) return;
  if (table->set != NULL) segment_set_close(table->set);
  arena_release(&table->arena);
  alloc_free(table);
}

void live_table_put(struct engine *engine, struct live_table *table) {
  struct live *live = engine->live;
  struct live_table *before = live->table;
  pthread_rwlock_wrlock(&live->lock);
  live->table = table;
  pthread_rwlock_unlock(&live->lock);
  live_table_close(before);
}
