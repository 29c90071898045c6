// scan_rows: strips and the store as one run of rows.
//
// Ids are taken strip by strip. Where a strip holds, its entries are the rows, but for ids for which it does not hold,
// and those whose entry is empty: they have several rows, or one that cannot be packed, and are read from the store.
// Where none holds, all rows come from the store, and make a new strip when the scan sees all of its ids. An entry: the
// id less the strip's first (u8), 0, size (u16), a kept pack. The cursor only moves forward: when it stands behind an
// id, that id has no rows.
#include "customer/scan_rows.h"

#include "customer/timeline_row.h"

enum { ENTRY_BYTES = 4, NARROW_IDS = 1 << 20 };

// --- the store -----------------------------------------------------------------------------------------------

static enum err step(struct scan_rows *rows) {
  struct bytes key;
  rows->ahead.moved = true;
  rows->ahead.has = store_cursor_next(rows->cursor, &key, &rows->ahead.row);
  if (!rows->ahead.has) return store_cursor_error(rows->cursor);
  if (key.size_bytes != TIMELINE_ROW_KEY_BYTES) return ERR_CORRUPT;
  rows->ahead.id = key_read_u64(key.data);
  return ERR_OK;
}

static enum err seek(struct scan_rows *rows, uint64_t id) {
  struct key key;
  if (rows->ahead.moved && (!rows->ahead.has || rows->ahead.id >= id)) return ERR_OK;
  key_init(&key);
  key_put_u64(&key, id);
  store_cursor_seek(rows->cursor, key_view(&key));
  return step(rows);
}

static void take_ahead(struct scan_rows *rows) {
  rows->has = true;
  rows->in_strip = false;
  rows->id = rows->ahead.id;
  rows->row = rows->ahead.row;
}

// --- making a strip ------------------------------------------------------------------------------------------

static void put_entry(struct scan_rows *rows, const struct timeline_pack *pack) {
  size_t size = pack == NULL ? 0 : timeline_pack_kept_bytes(pack);
  if (!buffer_reserve(&rows->strip, ENTRY_BYTES + size)) return;
  struct timeline_pack kept;
  uint8_t *entry = rows->strip.data + rows->strip.size_bytes;
  entry[0] = (uint8_t)(rows->ahead.id - rows->first);
  entry[1] = 0;
  entry[2] = (uint8_t)size;
  entry[3] = (uint8_t)(size >> 8);
  if (pack != NULL) timeline_pack_keep(pack, entry + ENTRY_BYTES, &kept);
  rows->last = rows->strip.size_bytes;
  rows->strip.size_bytes += ENTRY_BYTES + size;
}

// Any row but one of too many events can be packed as a whole: a single event, or appends that were not merged yet.
static bool pack_row(struct scan_rows *rows, struct timeline_pack *pack) {
  struct timeline_event *events;
  size_t count;
  arena_clear(&rows->arena);
  if (timeline_row_read_chunk(rows->ahead.row, &rows->arena, &events, &count) != ERR_OK) return false;
  if (count == 0 || count > TIMELINE_PACK_EVENTS_MAX) return false;
  uint8_t *row = arena_take(&rows->arena, timeline_pack_bytes_max(count));
  if (row == NULL) return false;
  size_t size = (size_t)(timeline_pack_put(events, count, row) - row);
  return timeline_pack_open(bytes_of(row, size), pack) == ERR_OK;
}

static void note(struct scan_rows *rows) {
  struct timeline_pack pack;
  if (!rows->covered) return;
  if (rows->strip.size_bytes > 0 && rows->strip.data[rows->last] == rows->ahead.id - rows->first) {
    rows->strip.data[rows->last + 2] = rows->strip.data[rows->last + 3] = 0;
    rows->strip.size_bytes = rows->last + ENTRY_BYTES;
    return;
  }
  bool packed = timeline_pack_is(rows->ahead.row) && timeline_pack_open(rows->ahead.row, &pack) == ERR_OK &&
                pack.size_bytes == rows->ahead.row.size_bytes;
  if (!packed) packed = pack_row(rows, &pack);
  put_entry(rows, packed ? &pack : NULL);
}

// --- from strip to strip -------------------------------------------------------------------------------------

static enum err open_strip(struct scan_rows *rows, uint64_t first) {
  rows->first = first;
  rows->next = first < rows->from ? rows->from : first;
  rows->at = rows->last = 0;
  buffer_clear(&rows->strip);
  rows->strip_holds = strips_read(rows->strips, first, rows->epoch, &rows->strip, &rows->good);
  if (rows->strip_holds) return ERR_OK;
  buffer_clear(&rows->strip);
  rows->covered = first >= rows->from && (rows->to == 0 || first + STRIPS_CUSTOMERS <= rows->to);
  return seek(rows, rows->next);
}

static uint64_t next_bad(const struct scan_rows *rows) {
  uint64_t at = rows->next - rows->first;
  while (at < STRIPS_CUSTOMERS) {
    uint64_t bad = ~rows->good.bits[at / 64] >> at % 64;
    if (bad != 0) return rows->first + at + (uint64_t)__builtin_ctzll(bad);
    at = (at / 64 + 1) * 64;
  }
  return UINT64_MAX;
}

// The entry of the first id from `next` on; NULL at the end.
static const uint8_t *peek_entry(struct scan_rows *rows) {
  while (rows->at < rows->strip.size_bytes) {
    const uint8_t *entry = rows->strip.data + rows->at;
    if (rows->first + entry[0] >= rows->next) return entry;
    rows->at += ENTRY_BYTES + (size_t)(entry[2] | entry[3] << 8);
  }
  return NULL;
}

// The next row of a strip that holds; *found says whether there was one.
static enum err next_in_strip(struct scan_rows *rows, bool *found) {
  enum err err = ERR_OK;
  for (*found = false; err == ERR_OK && !*found;) {
    const uint8_t *entry = peek_entry(rows);
    uint64_t bad = next_bad(rows), kept = entry == NULL ? UINT64_MAX : rows->first + entry[0];
    uint64_t id = bad < kept ? bad : kept;
    if (id >= rows->end) return ERR_OK;
    rows->next = id + 1;
    if (kept < bad && (entry[2] | entry[3]) != 0) {
      rows->has = rows->in_strip = *found = true;
      rows->id = id;
      timeline_pack_reopen(entry + ENTRY_BYTES, &rows->pack);
      return ERR_OK;
    }
    err = seek(rows, id);
    *found = err == ERR_OK && rows->ahead.has && rows->ahead.id == id;
    if (*found) take_ahead(rows);
  }
  return err;
}

static enum err next_in_store(struct scan_rows *rows, bool *found) {
  *found = rows->ahead.has && rows->ahead.id < rows->end && rows->ahead.id < rows->first + STRIPS_CUSTOMERS;
  if (*found) {
    note(rows);
    take_ahead(rows);
  } else if (rows->covered && !rows->strip.failed) {
    strips_keep(rows->strips, rows->first, rows->epoch, buffer_view(&rows->strip));
  }
  return ERR_OK;
}

static enum err next_row(struct scan_rows *rows) {
  bool found = false;
  enum err err = ERR_OK;
  rows->has = false;
  while (err == ERR_OK && rows->first < rows->end) {
    err = rows->strip_holds ? next_in_strip(rows, &found) : next_in_store(rows, &found);
    if (err != ERR_OK || found) return err;
    if (UINT64_MAX - rows->first < STRIPS_CUSTOMERS) return ERR_OK;
    uint64_t first = rows->first + STRIPS_CUSTOMERS;
    rows->first = first;
    if (first < rows->end) err = open_strip(rows, first);
  }
  return err;
}

// --- the whole -----------------------------------------------------------------------------------------------

enum err scan_rows_next(struct scan_rows *rows) {
  enum err err = ERR_OK;
  if (rows->strips == NULL) {
    err = step(rows);
    rows->has = false;
    if (err == ERR_OK && rows->ahead.has) take_ahead(rows);
    return err;
  }
  if (rows->has && !rows->in_strip) {
    uint64_t id = rows->id;
    err = step(rows);
    if (err == ERR_OK && rows->strip_holds && rows->ahead.has && rows->ahead.id == id) { // another one of the same id
      take_ahead(rows);
      return ERR_OK;
    }
  }
  return err == ERR_OK ? next_row(rows) : err;
}

enum err scan_rows_go(struct scan_rows *rows, uint64_t id) {
  enum err err = seek(rows, id);
  rows->has = false;
  if (err == ERR_OK && rows->ahead.has) take_ahead(rows);
  return err;
}

// Past the last id that has rows, and no further than the scan goes. A narrow range is gone through as it is.
static enum err find_end(const struct scan_options *options, uint64_t *end) {
  struct store_cursor *cursor;
  struct bytes key, row, all = {NULL, 0};
  *end = options->to;
  if (options->to != 0 && options->to - options->from <= NARROW_IDS) return ERR_OK;
  *end = 0;
  enum err err = store_snapshot_scan(options->snapshot, STORE_TIMELINE, all, all, &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_previous(cursor, &key, &row)) *end = key_read_u64(key.data) + 1;
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  if (options->to != 0 && options->to < *end) *end = options->to;
  return err;
}

enum err scan_rows_open(struct scan_rows *rows, const struct scan_options *options) {
  struct key from, to;
  buffer_init(&rows->strip);
  arena_init(&rows->arena, 0);
  rows->strips = options->strips;
  rows->epoch = options->epoch;
  rows->from = options->from;
  rows->to = options->to;
  key_init(&from);
  key_init(&to);
  key_put_u64(&from, options->from);
  if (options->to != 0) key_put_u64(&to, options->to);
  enum err err = store_snapshot_scan(options->snapshot, STORE_TIMELINE, key_view(&from), key_view(&to), &rows->cursor);
  if (err != ERR_OK || rows->strips == NULL) return err == ERR_OK ? scan_rows_next(rows) : err;
  err = find_end(options, &rows->end);
  uint64_t first = options->from / STRIPS_CUSTOMERS * STRIPS_CUSTOMERS;
  if (err == ERR_OK) err = open_strip(rows, first);
  return err == ERR_OK ? next_row(rows) : err;
}

void scan_rows_release(struct scan_rows *rows) {
  store_cursor_close(rows->cursor);
  buffer_release(&rows->strip);
  arena_release(&rows->arena);
}
