// projection_verify: a stored block held against one that is built from the same snapshot.
//
// Customers on a side, and those whom either leaves out, may differ. Words name places and counts, never what a
// customer did.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "customer/projection_row.h"

enum { BREACH_BYTES = 160 };

struct verify {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor; // of PROJECTION, for names
  uint64_t block;
  bool begun, there; // with the present block; it has a directory
  projection_breach_fn *breach;
  void *context;
  struct projection_directory directory;
  uint64_t apart[PROJECTION_BITS]; // on a side, or beside
  struct arena arena;
  uint32_t *names; // stored; those that were compared are 0
  size_t name_count;
  struct projection_row stored, fresh;
};

static void tell(const struct verify *verify, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(const struct verify *verify, const char *format, ...) {
  char text[BREACH_BYTES];
  int length = snprintf(text, sizeof text, "projection of block %llu: ", (unsigned long long)verify->block);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
  va_end(arguments);
  verify->breach(verify->context, text);
}

static enum err get_row(struct verify *verify, uint32_t name, struct bytes *row) {
  struct key key;
  projection_key(verify->block, name, &key);
  return store_snapshot_get(verify->snapshot, STORE_PROJECTION, key_view(&key), &verify->arena, row);
}

static bool same_slice(const struct projection_row *a, const struct projection_row *b, size_t place) {
  uint32_t count = a->from[place + 1] - a->from[place], i = a->from[place], j = b->from[place];
  if (b->from[place + 1] - j != count) return false;
  for (uint32_t end = i + count; i < end; i++, j++)
    if (a->columns.time_us[i] != b->columns.time_us[j] || a->columns.amount[i] != b->columns.amount[j] ||
        a->columns.amount_code[i] != b->columns.amount_code[j] || a->columns.channel[i] != b->columns.channel[j])
      return false;
  return true;
}

static void compare(const struct verify *verify, uint32_t name) {
  for (size_t place = 0; place < PROJECTION_CUSTOMERS; place++) {
    bool apart = verify->apart[place / 64] >> place % 64 & 1;
    uint64_t id = verify->block * PROJECTION_CUSTOMERS + place;
    if (!apart && !same_slice(&verify->stored, &verify->fresh, place))
      tell(verify, "events of name %u of customer c%" PRIu64 " are not those of her timeline", name, id);
  }
}

// Reads the stored row, or an empty one.
static enum err read_stored(struct verify *verify, uint32_t name) {
  struct bytes row;
  projection_row_clear(&verify->stored, name);
  for (size_t i = 0; i < verify->name_count; i++)
    if (verify->names[i] == name) verify->names[i] = 0;
  enum err err = get_row(verify, name, &row);
  if (err != ERR_OK) return err;
  if ((row.data != NULL) != projection_directory_has(&verify->directory, name))
    tell(verify, "the row of name %u and the directory disagree", name);
  if (row.data == NULL) return ERR_OK;
  err = projection_row_read(row, name, false, &verify->stored);
  if (err != ERR_CORRUPT) return err;
  tell(verify, "the row of name %u cannot be read", name);
  projection_row_clear(&verify->stored, name);
  return ERR_OK;
}

// The last row of its block.
static enum err verify_directory(struct verify *verify, struct bytes row) {
  struct projection_directory fresh;
  enum err err = projection_directory_read(row, &fresh);
  for (size_t i = 0; err == ERR_OK && i < PROJECTION_CUSTOMERS; i++) {
    uint64_t bit = (uint64_t)1 << i % 64;
    bool apart = verify->apart[i / 64] & bit;
    uint64_t id = verify->block * PROJECTION_CUSTOMERS + i;
    if (!apart && (fresh.beside[i / 64] & bit) != 0)
      tell(verify, "customer c%" PRIu64 " has too many events and is not left out", id);
  }
  for (size_t i = 0; err == ERR_OK && i < verify->name_count; i++) { // what is stored and no timeline has
    uint32_t name = verify->names[i];
    if (name == 0) continue;
    projection_row_clear(&verify->fresh, name);
    err = read_stored(verify, name);
    if (err == ERR_OK) compare(verify, name);
  }
  return err;
}

static enum err begin_block(struct verify *verify, uint64_t block) {
  struct bytes row;
  verify->block = block;
  verify->begun = true;
  arena_clear(&verify->arena);
  enum err err = get_row(verify, PROJECTION_DIRECTORY, &row);
  verify->there = err == ERR_OK && row.data != NULL;
  if (!verify->there) return err;
  err = projection_directory_read(row, &verify->directory);
  if (err == ERR_OK) memcpy(verify->apart, verify->directory.beside, sizeof verify->apart);
  for (int side = 0; err == ERR_OK && side < 2; side++) {
    err = get_row(verify, PROJECTION_SIDE(side), &row);
    if (err == ERR_OK) projection_side_read(row, verify->apart);
  }
  if (err != ERR_OK) return err;
  return projection_names(verify->cursor, block, &verify->arena, &verify->names, &verify->name_count);
}

static enum err verify_row(void *context, uint64_t block, uint32_t name, struct bytes row) {
  struct verify *verify = context;
  enum err err = verify->begun ? ERR_OK : begin_block(verify, block);
  verify->begun = name != PROJECTION_DIRECTORY;
  if (err != ERR_OK || !verify->there) return err;
  if (name == PROJECTION_DIRECTORY) return verify_directory(verify, row);
  err = projection_row_read(row, name, false, &verify->fresh);
  if (err == ERR_OK) err = read_stored(verify, name);
  if (err == ERR_OK) compare(verify, name);
  return err;
}

enum err projection_verify(struct store_snapshot *snapshot, uint64_t from, uint64_t to, projection_breach_fn *breach,
                           void *context) {
  struct verify verify = {.snapshot = snapshot, .breach = breach, .context = context};
  struct projection_build build = {.snapshot = snapshot, .from = from, .to = to, .put = verify_row, .context = &verify};
  struct bytes all = {NULL, 0};
  enum err err = store_snapshot_scan(snapshot, STORE_PROJECTION, all, all, &verify.cursor);
  if (err != ERR_OK) return err;
  arena_init(&verify.arena, 0);
  projection_row_init(&verify.stored, 0);
  projection_row_init(&verify.fresh, 0);
  err = projection_build(&build);
  projection_row_release(&verify.stored);
  projection_row_release(&verify.fresh);
  arena_release(&verify.arena);
  store_cursor_close(verify.cursor);
  return err;
}
