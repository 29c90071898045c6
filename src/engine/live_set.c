// live_set.c: the definitions of a workspace: read from DOCUMENT when it is opened, put in force when they change.
//
// DOCUMENT rows "segment\0<question>" hold one version each (segment/definition.h). Only those that are being built or
// live are in the set; older ones are read when somebody asks for them. Of an id one version has a status: when a
// commit was lost to its caller and repeated, the store may have two, and the newer counts.
#include "engine/live.h"

#include "engine/score.h"

void live_definition_key(struct key *key, uint32_t question) {
  engine_number_key(key, "segment", question);
}

struct definitions {
  struct segment_definition *items;
  size_t count, capacity;
  bool ever; // there were definitions: customers may have rows of questions that are gone
};

static bool is_evaluated(const struct segment_definition *definition) {
  return definition->status == SEGMENT_BUILDING || definition->status == SEGMENT_LIVE;
}

static bool same_place(const struct segment_definition *a, const struct segment_definition *b) {
  return a->status == b->status && bytes_equal(a->id, b->id);
}

// Takes the place of an older version of the same status.
static enum err add_definition(struct definitions *all, struct arena *arena,
                               const struct segment_definition *definition) {
  for (size_t i = 0; i < all->count; i++) {
    if (!same_place(&all->items[i], definition)) continue;
    all->items[i] = *definition;
    return ERR_OK;
  }
  struct segment_definition *items = arena_grow(arena, all->items, all->count, &all->capacity, 64, sizeof *items);
  if (items == NULL) return ERR_NO_MEMORY;
  all->items = items;
  all->items[all->count++] = *definition;
  return ERR_OK;
}

// From its stored form, by ascending question.
static enum err add_row(struct engine *engine, struct definitions *all, struct arena *arena, struct bytes row) {
  struct segment_definition definition;
  struct bytes copy = arena_copy(arena, row);
  if (copy.data == NULL) return ERR_NO_MEMORY;
  enum err err = segment_definition_unpack((struct value){copy}, engine->names, arena, &definition);
  return err == ERR_OK && is_evaluated(&definition) ? add_definition(all, arena, &definition) : err;
}

static enum err read_definitions(struct engine *engine, struct store_snapshot *snapshot, struct arena *arena,
                                 struct definitions *all) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  live_definition_key(&from, 0);
  live_definition_key(&to, UINT32_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    all->ever = true;
    err = add_row(engine, all, arena, row);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err live_set_make(struct engine *engine, const struct segment_definition *definitions, size_t count,
                       const struct segment_set **set, struct diag *diag) {
  struct segment_compile with = {.names = engine->names,
                                 .zone = engine_zone(engine),
                                 .older = engine->live->set,
                                 .open_score = score_open,
                                 .context = engine};
  struct segment_set *made;
  enum err err = segment_set_open(&made, definitions, count, &with, diag);
  if (err == ERR_OK) *set = made;
  return err;
}

enum err live_set_read(struct engine *engine, struct store_snapshot *snapshot, const struct segment_set **set,
                       struct diag *diag) {
  struct definitions all = {0};
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = read_definitions(engine, snapshot, &arena, &all);
  if (err == ERR_OK && all.ever) err = live_set_make(engine, all.items, all.count, set, diag);
  arena_release(&arena);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

void live_set_put(struct engine *engine, const struct segment_set *set) {
  struct live *live = engine->live;
  const struct segment_set *before = live->set;
  pthread_rwlock_wrlock(&live->lock);
  live->set = set;
  pthread_rwlock_unlock(&live->lock);
  if (before != NULL) segment_set_close(before);
}
