// live_table.c: the definitions of a workspace: read from DOCUMENT, compiled, put in force.
//
// DOCUMENT rows "segment\0<question>" hold one version each (segment/definition.h). Only those that are being built or
// live are in the table; older ones are read when somebody asks for them.
#include "engine/live.h"

void live_definition_key(struct key *key, uint32_t question) {
  engine_number_key(key, "segment", question);
}

static bool is_evaluated(const struct segment_definition *definition) {
  return definition->status == SEGMENT_BUILDING || definition->status == SEGMENT_LIVE;
}

static enum err add_definition(struct engine *engine, struct live_table *table, size_t *capacity, struct bytes row) {
  table->ever = true;
  struct bytes copy = arena_copy(&table->arena, row);
  if (copy.data == NULL) return ERR_NO_MEMORY;
  if (table->count == *capacity) {
    size_t larger = *capacity * 2 + 64;
    struct segment_definition *definitions = arena_take(&table->arena, larger * sizeof *definitions);
    if (definitions == NULL) return ERR_NO_MEMORY;
    if (table->count > 0) memcpy(definitions, table->definitions, table->count * sizeof *definitions);
    table->definitions = definitions;
    *capacity = larger;
  }
  struct segment_definition *definition = &table->definitions[table->count];
  enum err err = segment_definition_unpack((struct value){copy}, engine->names, &table->arena, definition);
  if (err == ERR_OK && is_evaluated(definition)) table->count++;
  return err;
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
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) err = add_definition(engine, table, &capacity, row);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err live_table_read(struct engine *engine, struct store_snapshot *snapshot, const struct segment_set *older,
                         struct live_table **table, struct diag *diag) {
  struct segment_compile with = {.names = engine->names, .zone = engine_zone(engine), .older = older};
  struct segment_set *set;
  struct live_table *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  arena_init(&made->arena, 0);
  enum err err = read_definitions(engine, snapshot, made);
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

void live_table_close(struct live_table *table) {
  if (table == NULL) return;
  if (table->set != NULL) segment_set_close(table->set);
  arena_release(&table->arena);
  alloc_free(table);
}

// The caller holds `changing`. Waits for every transaction that was begun under the table before.
enum err live_reload(struct engine *engine, struct diag *diag) {
  struct live *live = engine->live;
  struct store_snapshot *snapshot;
  struct live_table *table, *before = live->table;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = live_table_read(engine, snapshot, before == NULL ? NULL : before->set, &table, diag);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return err;
  pthread_rwlock_wrlock(&live->lock);
  live->table = table;
  pthread_rwlock_unlock(&live->lock);
  live_table_close(before);
  return ERR_OK;
}
