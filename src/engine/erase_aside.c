// erase_aside.c: what was set aside of an erased person goes too.
//
// An event that was set aside is on no timeline, so nothing leads from the person to it. Before she is erased
// every row of ASIDE whose text holds one of her identifiers, without regard to case, is deleted.
// Values shorter than NAME_BYTES_MIN stand in too many texts that are not hers.
#include <ctype.h>

#include "engine/parts.h"
#include "engine/read.h"

enum { NAME_BYTES_MIN = 5 };

enum err erase_note_names(struct engine *engine, uint64_t customer, struct arena *arena, struct erase_names *names,
                          struct diag *diag) {
  struct engine_view *view;
  struct customer record;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = read_customer(view, customer, arena, &record, NULL, diag);
  if (err == ERR_OK && record.id != customer) // merged: whoever she is now is not to be erased under this id
    err = diag_set(diag, ERR_NOT_FOUND, "no_customer", "there is no customer c%llu any more",
                   (unsigned long long)customer);
  if (err == ERR_NO_MEMORY || err == ERR_IO) engine_explain_failure(err, diag);
  names->count = 0;
  names->values = err == ERR_OK ? arena_take(arena, (record.identifier_count + 1) * sizeof *names->values) : NULL;
  if (err == ERR_OK && names->values == NULL) err = diag_no_memory(diag);
  for (size_t i = 0; err == ERR_OK && i < record.identifier_count; i++) {
    struct bytes value = record.identifiers[i].member.identifier.value;
    if (value.size_bytes >= NAME_BYTES_MIN) names->values[names->count++] = value;
  }
  engine_view_close(view);
  return err;
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

static enum err delete_row(struct store_txn *txn, void *context, struct diag *diag) {
  const struct bytes *key = context;
  enum err err = store_delete(txn, STORE_ASIDE, *key);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

enum err erase_forget_asides(struct engine *engine, const struct erase_names *names, struct store_mark *mark,
                             struct diag *diag) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = store_snapshot_scan(snapshot, STORE_ASIDE, BYTES(""), BYTES(""), &cursor);
  enum err read = err;
  if (err == ERR_OK) {
    while (err == ERR_OK && store_cursor_next(cursor, &key, &row))
      if (holds_any(row, names)) err = store_run(engine->store, delete_row, &key, mark, diag);
    read = store_cursor_error(cursor);
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  return read == ERR_OK ? err : engine_explain_failure(read, diag);
}
