// projection_build: blocks made from the timelines; what of them is stored.
//
// A walk over TIMELINE gives customers in order of their ids; each event goes to the row of its name, and rows are
// written when the walk leaves their block.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "customer/projection_row.h"
#include "customer/scan_private.h"

enum { HINTS = 1024 };

struct builder {
  const struct projection_build *build;
  struct projection_row *rows; // of the block, in order of appearance; those behind row_count keep their memory
  size_t row_count, row_capacity, made_count;
  uint32_t hints[HINTS]; // by name: index + 1, or nothing useful
  uint64_t block;
  struct projection_directory directory;
  struct buffer out;
};

// --- one block -----------------------------------------------------------------------------------------------

static enum err add_row(struct builder *builder, uint32_t name, struct projection_row **row) {
  if (builder->row_count == builder->row_capacity) {
    size_t capacity = builder->row_capacity * 2 + 16;
    struct projection_row *grown = alloc_resize(builder->rows, capacity * sizeof *grown);
    if (grown == NULL) return ERR_NO_MEMORY;
    builder->rows = grown;
    builder->row_capacity = capacity;
  }
  *row = &builder->rows[builder->row_count];
  if (builder->row_count == builder->made_count) {
    projection_row_init(*row, name);
    builder->made_count++;
  }
  projection_row_clear(*row, name);
  builder->row_count++;
  builder->hints[name % HINTS] = (uint32_t)builder->row_count;
  return ERR_OK;
}

static enum err find_row(struct builder *builder, uint32_t name, struct projection_row **row) {
  uint32_t hint = builder->hints[name % HINTS];
  if (hint > 0 && hint <= builder->row_count && builder->rows[hint - 1].name == name) {
    *row = &builder->rows[hint - 1];
    return ERR_OK;
  }
  for (size_t i = 0; i < builder->row_count; i++) {
    if (builder->rows[i].name != name) continue;
    *row = &builder->rows[i];
    builder->hints[name % HINTS] = (uint32_t)i + 1;
    return ERR_OK;
  }
  return add_row(builder, name, row);
}

// from[i + 1] counts the i-th customer's events until the block is complete.
static enum err add_customer(struct builder *builder, uint64_t id, const struct timeline_columns *from) {
  size_t place = id % PROJECTION_CUSTOMERS;
  if (from->count > PROJECTION_EVENTS_MAX) {
    builder->directory.beside[place / 64] |= (uint64_t)1 << place % 64;
    return ERR_OK;
  }
  for (size_t i = 0; i < from->count; i++) {
    struct projection_row *row;
    enum err err = find_row(builder, from->name[i], &row);
    if (err != ERR_OK || !projection_row_reserve(row, 1)) return ERR_NO_MEMORY;
    struct timeline_columns *to = &row->columns;
    size_t at = to->count++;
    to->time_us[at] = from->time_us[i];
    to->amount[at] = from->amount[i];
    to->name[at] = from->name[i];
    to->channel[at] = from->channel[i];
    to->amount_code[at] = from->amount_code[i];
    row->from[place + 1]++;
  }
  return ERR_OK;
}

static int by_name(const void *a, const void *b) {
  uint32_t left = ((const struct projection_row *)a)->name, right = ((const struct projection_row *)b)->name;
  return (left > right) - (left < right);
}

static enum err put_rows(struct builder *builder) {
  const struct projection_build *build = builder->build;
  uint32_t *names = alloc_get((builder->row_count + 1) * sizeof *names);
  enum err err = names == NULL ? ERR_NO_MEMORY : ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < builder->row_count; i++) {
    struct projection_row *row = &builder->rows[i];
    names[i] = row->name;
    for (size_t j = 0; j < PROJECTION_CUSTOMERS; j++) row->from[j + 1] += row->from[j];
    buffer_clear(&builder->out);
    projection_row_put(row, &builder->out);
    err = builder->out.failed ? ERR_NO_MEMORY
                              : build->put(build->context, builder->block, row->name, buffer_view(&builder->out));
  }
  buffer_clear(&builder->out);
  if (err == ERR_OK) projection_directory_put(&builder->directory, names, builder->row_count, &builder->out);
  if (builder->out.failed) err = ERR_NO_MEMORY;
  if (err == ERR_OK) err = build->put(build->context, builder->block, PROJECTION_DIRECTORY, buffer_view(&builder->out));
  alloc_free(names);
  return err;
}

static void begin_block(struct builder *builder, uint64_t block) {
  builder->block = block;
  builder->row_count = 0;
  builder->directory = (struct projection_directory){.side = builder->build->side};
}

static enum err end_block(struct builder *builder) {
  if (builder->row_count > 0) qsort(builder->rows, builder->row_count, sizeof *builder->rows, by_name);
  enum err err = put_rows(builder);
  begin_block(builder, builder->block + 1);
  return err;
}

// --- the walk ------------------------------------------------------------------------------------------------

static enum err build_blocks(struct builder *builder, struct scan *scan) {
  const struct timeline_columns *columns;
  struct facts *facts;
  enum err err = ERR_OK;
  begin_block(builder, builder->build->from);
  while (err == ERR_OK) {
    err = scan_next(scan, &facts);
    if (err != ERR_OK) break;
    while (err == ERR_OK && builder->block < projection_block(facts->id)) err = end_block(builder);
    if (err == ERR_OK && scan_columns(scan, &columns)) err = add_customer(builder, facts->id, columns);
  }
  if (err == ERR_NOT_FOUND) err = ERR_OK;
  while (err == ERR_OK && builder->block < builder->build->to) err = end_block(builder);
  return err;
}

enum err projection_build(const struct projection_build *build) {
  struct builder *builder = alloc_zero(1, sizeof *builder);
  struct scan *scan;
  if (builder == NULL) return ERR_NO_MEMORY;
  builder->build = build;
  buffer_init(&builder->out);
  struct scan_options options = {.snapshot = build->snapshot,
                                 .from = build->from * PROJECTION_CUSTOMERS,
                                 .to = build->to * PROJECTION_CUSTOMERS,
                                 .events = true};
  enum err err = scan_open(&scan, &options);
  if (err == ERR_OK) {
    err = build_blocks(builder, scan);
    scan_close(scan);
  }
  for (size_t i = 0; i < builder->made_count; i++) projection_row_release(&builder->rows[i]);
  alloc_free(builder->rows);
  buffer_release(&builder->out);
  alloc_free(builder);
  return err;
}

// --- what is there -------------------------------------------------------------------------------------------

struct name_list {
  struct arena *arena;
  uint32_t *names;
  size_t count, capacity;
};

static enum err note_name(struct name_list *list, uint32_t name) {
  uint32_t *names = arena_grow(list->arena, list->names, list->count, &list->capacity, 16, sizeof *names);
  if (names == NULL) return ERR_NO_MEMORY;
  list->names = names;
  list->names[list->count++] = name;
  return ERR_OK;
}

// From name to name of the group, and of each to the block's row.
static enum err list_names(struct store_cursor *cursor, uint64_t block, struct name_list *list) {
  uint32_t name = PROJECTION_DIRECTORY + 1, found_name;
  uint64_t found;
  struct bytes key, row;
  enum err err = ERR_OK;
  while (err == ERR_OK && name < PROJECTION_SIDE(1)) {
    struct key wanted;
    projection_key(block, name, &wanted);
    store_cursor_seek(cursor, key_view(&wanted));
    if (!store_cursor_next(cursor, &key, &row)) return store_cursor_error(cursor);
    if (!projection_key_read(key, &found, &found_name)) return ERR_CORRUPT;
    if (found / PROJECTION_GROUP != block / PROJECTION_GROUP) return ERR_OK;
    if (found_name != name) {
      name = found_name; // its row of this block may stand before the one found
      continue;
    }
    if (found == block) err = note_name(list, name);
    name++;
  }
  return err;
}

enum err projection_names(struct store_cursor *cursor, uint64_t block, struct arena *arena, uint32_t **names,
                          size_t *count) {
  struct name_list list = {.arena = arena};
  enum err err = list_names(cursor, block, &list);
  *names = list.names;
  *count = list.count;
  return err;
}

// Directories are the first rows of their group.
enum err projection_directories(struct store_snapshot *snapshot, projection_block_fn *each, void *context) {
  struct store_cursor *cursor;
  struct bytes key, row, all = {NULL, 0};
  struct key next, end;
  uint64_t block;
  uint32_t name;
  enum err err = store_snapshot_scan(snapshot, STORE_PROJECTION, all, all, &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    struct projection_directory directory;
    if (!projection_key_read(key, &block, &name)) {
      err = ERR_CORRUPT;
    } else if (name == PROJECTION_DIRECTORY) {
      err = projection_directory_read(row, &directory);
      if (err == ERR_OK) err = each(context, block, &directory);
    } else {
      projection_group_range(block, &next, &end);
      store_cursor_seek(cursor, key_view(&end));
    }
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}
