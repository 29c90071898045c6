// scan_rows: a cursor that only moves forward: when it stands behind an id, that id has no rows.
#include "customer/scan_rows.h"

#include "customer/timeline_row.h"

enum err scan_rows_next(struct scan_rows *rows) {
  struct bytes key;
  rows->moved = true;
  rows->has = store_cursor_next(rows->cursor, &key, &rows->row);
  if (!rows->has) return store_cursor_error(rows->cursor);
  if (key.size_bytes != TIMELINE_ROW_KEY_BYTES) return ERR_CORRUPT;
  rows->id = key_read_u64(key.data);
  return ERR_OK;
}

enum err scan_rows_go(struct scan_rows *rows, uint64_t id) {
  struct key key;
  if (rows->moved && (!rows->has || rows->id >= id)) return ERR_OK;
  key_init(&key);
  key_put_u64(&key, id);
  store_cursor_seek(rows->cursor, key_view(&key));
  return scan_rows_next(rows);
}

enum err scan_rows_open(struct scan_rows *rows, const struct scan_options *options) {
  struct key from, to;
  key_init(&from);
  key_init(&to);
  key_put_u64(&from, options->from);
  if (options->to != 0) key_put_u64(&to, options->to);
  enum err err = store_snapshot_scan(options->snapshot, STORE_TIMELINE, key_view(&from), key_view(&to), &rows->cursor);
  return err == ERR_OK ? scan_rows_next(rows) : err;
}

void scan_rows_release(struct scan_rows *rows) {
  store_cursor_close(rows->cursor);
}
