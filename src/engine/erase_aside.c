// erase_aside.c: what was set aside of an erased person goes too.
//
// An event that was set aside is on no timeline, so nothing leads from the person to it. Before she is erased her
// identifiers are noted, and every row of ASIDE whose text holds one of them, without regard to case, is deleted:
// first, so that an erasure that failed half way can be asked for again. Values shorter than NAME_BYTES_MIN stand in
// too many texts that are not hers.
#include <ctype.h>

#include "engine/parts.h"
#include "engine/read.h"

enum { NAME_BYTES_MIN = 5 };

static enum err explain(enum err err, struct diag *diag) {
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}

enum err erase_note_names(struct engine *engine, uint64_t customer, struct arena *arena, struct erase_names *names,
                          struct diag *diag) {
  struct engine_view *view;
  struct customer record;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return explain(err, diag);
  err = read_customer(view, customer, arena, &record, NULL, diag);
  if (err == ERR_OK && record.id != customer) // merged: whoever she is now is not to be erased under this id
    err = diag_set(diag, ERR_NOT_FOUND, "no_customer", "there is no customer c%llu any more",
                   (unsigned long long)customer);
  names->count = 0;
  names->values = err == ERR_OK ? arena_take(arena, (record.identifier_count + 1) * sizeof *names->values) : NULL;
  if (err == ERR_OK && names->values == NULL) err = diag_no_memory(diag);
  for (size_t i = 0; err == ERR_OK && i < record.identifier_count; i++) {
    struct bytes value = record.identifiers[i].member.identifier.value;
    if (value.size_bytes >= NAME_BYTES_MIN) names->values[names->count++] = value;
  }
  engine_view_close(view);
  return explain(err, diag);
}

static bool holds(struct bytes text, struct bytes value) {
  for (size_t at = 0; at + value.size_bytes <= text.size_bytes; at++)
    if (tolower(text.data[at]) == tolower(value.data[0]) &&
        bytes_equal_ascii_case(bytes_of(text.data + at, value.size_bytes), value))
      return true;
  return false;
}

static bool holds_any(struct bytes row, const struct erase_names *names) {
  for (size_t i = 0; i < names->count; i++)
    if (holds(row, names->values[i])) return true;
  return false;
}

static enum err forget_row(struct engine *engine, struct bytes key, struct store_mark *mark, struct diag *diag) {
  char id[2 * KEY_BYTES_MAX + 1];
  struct engine_commit commit = {0};
  bytes_to_hex(key, id);
  enum err err = engine_aside_delete(engine, bytes_from_text(id), &commit, diag);
  if (err == ERR_OK) *mark = commit.mark;
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err erase_forget_asides(struct engine *engine, const struct erase_names *names, struct store_mark *mark,
                             struct diag *diag) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return explain(err, diag);
  err = store_snapshot_scan(snapshot, STORE_ASIDE, BYTES(""), BYTES(""), &cursor);
  if (err == ERR_OK) {
    while (err == ERR_OK && store_cursor_next(cursor, &key, &row))
      if (holds_any(row, names)) err = forget_row(engine, key, mark, diag);
    if (err == ERR_OK) err = store_cursor_error(cursor);
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  return explain(err, diag);
}
