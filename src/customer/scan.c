// scan: customers one after another, by walks over TIMELINE and CUSTOMER side by side.
//
// The rows of TIMELINE lead when records are not wanted: each run of rows under one id is one customer, unless the rows
// are pending for another (see record.h). Those few ids, and the customers they belong to, are gathered at the
// beginning, by their rows in DOCUMENT. The records lead when they are wanted, or when nothing but ids is; they say
// themselves who is a redirect and who has something pending, and rows under any other id are passed by.
// The events of a customer without pending rows are taken from the rows in passing: a single packed row is kept as it
// is, without event ids, of several columns are made, in arrays that are used again for the next one. A customer with
// pending rows is read by her head and parts (facts.c).
// With names, ids are taken block by block: of a block that is projected, its customers come out of the projection, but
// for those that it is not good for, who are looked for in TIMELINE one by one; any other is walked through.
#include "customer/scan.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "customer/facts_events.h"
#include "customer/scan_private.h"
#include "customer/scan_rows.h"

struct scan {
  struct scan_options options;
  struct arena arena; // of the present customer
  struct facts facts;
  struct facts_events events;
  struct scan_rows rows;        // of TIMELINE, when events are wanted: the present one is the next customer's first
  struct store_cursor *records; // NULL: not walked
  bool taken;                   // the present row was given; the next call steps over it
  struct customer record;
  // Of a walk led by TIMELINE, ascending: customers with something pending, and the ids it lies under.
  uint64_t *owners, *pending;
  size_t owner_count, owner_at, pending_count, pending_at;
  struct projection_reader *projection; // NULL: rows are all there is
  bool built;                           // the present block is projected
  uint64_t next_block, next_id;         // block: the one to be opened next; id: those before are done in a built one
  uint64_t end;                         // of the present block, of an ordinary walk: rows from here on are not its
  void *memory;                         // of events.columns
  struct buffer kept;                   // of events.pack
};

// --- what is pending -----------------------------------------------------------------------------------------

static int by_number(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return (left > right) - (left < right);
}

static bool in_range(const struct scan_options *options, uint64_t id) {
  return id >= options->from && (options->to == 0 || id < options->to);
}

static enum err append(uint64_t **numbers, size_t *count, uint64_t number) {
  if ((*count & (*count - 1)) == 0) {
    uint64_t *grown = alloc_resize(*numbers, (*count == 0 ? 1 : 2 * *count) * sizeof *grown);
    if (grown == NULL) return ERR_NO_MEMORY;
    *numbers = grown;
  }
  (*numbers)[(*count)++] = number;
  return ERR_OK;
}

static enum err note_owner(struct scan *scan, uint64_t id) {
  struct key key;
  struct bytes row;
  struct customer record;
  arena_clear(&scan->arena);
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  enum err err = store_snapshot_get(scan->options.snapshot, STORE_CUSTOMER, key_view(&key), &scan->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  err = customer_decode(row, id, &scan->arena, &record);
  if (err != ERR_OK || record.pending_count == 0) return err;
  if (in_range(&scan->options, id)) err = append(&scan->owners, &scan->owner_count, id);
  for (size_t i = 0; err == ERR_OK && i < record.pending_count; i++)
    err = append(&scan->pending, &scan->pending_count, record.pending[i]);
  return err;
}

static enum err gather_pending(struct scan *scan) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  customer_pending_key(0, &from);
  customer_pending_key(UINT64_MAX, &to);
  enum err err = store_snapshot_scan(scan->options.snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row))
    err = note_owner(scan, key_read_u64(key.data + key.size_bytes - sizeof(uint64_t)));
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  if (scan->owner_count > 0) qsort(scan->owners, scan->owner_count, sizeof *scan->owners, by_number);
  if (scan->pending_count > 0) qsort(scan->pending, scan->pending_count, sizeof *scan->pending, by_number);
  return err;
}

// --- opening -------------------------------------------------------------------------------------------------

static enum err open_records(const struct scan_options *options, struct store_cursor **cursor) {
  struct key from, to;
  key_init(&from);
  key_init(&to);
  key_put_u64(&from, options->from);
  if (options->to != 0) key_put_u64(&to, options->to);
  return store_snapshot_scan(options->snapshot, STORE_CUSTOMER, key_view(&from), key_view(&to), cursor);
}

// At a block that is not there: the first one is opened by the first call of scan_next.
static enum err open_projection(struct scan *scan) {
  const struct scan_options *options = &scan->options;
  scan->next_block = projection_block(options->from);
  scan->end = 0;
  return projection_reader_open(&scan->projection, options->snapshot, options->names, options->name_count,
                                options->times_only);
}

enum err scan_open(struct scan **scan, const struct scan_options *options) {
  struct scan *made = alloc_zero(1, sizeof *made);
  *scan = made;
  if (made == NULL) return ERR_NO_MEMORY;
  made->options = *options;
  arena_init(&made->arena, 0);
  buffer_init(&made->kept);
  facts_init(&made->facts, (struct timeline_reader){.snapshot = options->snapshot}, &made->arena, options->sources);
  made->facts.ascending = true;
  made->facts.lookup = options->lookup;
  made->facts.lookup_context = options->lookup_context;
  bool records_lead = options->records || !options->events;
  enum err err = records_lead ? open_records(options, &made->records) : gather_pending(made);
  bool projected = !records_lead && options->names != NULL && options->name_count <= PROJECTION_NAMES_MAX;
  made->end = UINT64_MAX;
  if (err == ERR_OK && projected) err = open_projection(made);
  if (err == ERR_OK && options->events) err = scan_rows_open(&made->rows, &made->options);
  if (err != ERR_OK) {
    scan_close(made);
    *scan = NULL;
  }
  return err;
}

void scan_close(struct scan *scan) {
  if (scan == NULL) return;
  facts_release(&scan->facts);
  scan_rows_release(&scan->rows);
  projection_reader_close(scan->projection);
  store_cursor_close(scan->records);
  arena_release(&scan->arena);
  alloc_free(scan->owners);
  alloc_free(scan->pending);
  alloc_free(scan->memory);
  buffer_release(&scan->kept);
  alloc_free(scan);
}

// --- one customer --------------------------------------------------------------------------------------------

static enum err make_room(struct scan *scan, size_t extra) {
  struct timeline_columns *columns = &scan->events.columns, grown;
  size_t needed = columns->count + extra, capacity = columns->capacity == 0 ? LIMIT_CHUNK_EVENTS : columns->capacity;
  if (needed <= columns->capacity) return ERR_OK;
  while (capacity < needed) capacity *= 2;
  void *memory = alloc_get(timeline_columns_bytes(capacity));
  if (memory == NULL) return ERR_NO_MEMORY;
  timeline_columns_lay(memory, capacity, &grown);
  timeline_columns_copy(columns, &grown);
  alloc_free(scan->memory);
  scan->memory = memory;
  *columns = grown;
  return ERR_OK;
}

static enum err pass_by(struct scan *scan, uint64_t id) {
  enum err err = ERR_OK;
  while (err == ERR_OK && scan->rows.has && scan->rows.id <= id) err = scan_rows_next(&scan->rows);
  return err;
}

// A row that is packed as a whole is kept, and the next one becomes the present one.
static enum err keep_row(struct scan *scan, bool *packed) {
  struct scan_rows *rows = &scan->rows;
  struct timeline_pack pack;
  *packed = timeline_pack_is(rows->row);
  if (!*packed) return ERR_OK;
  enum err err = timeline_pack_open(rows->row, &pack);
  *packed = err == ERR_OK && pack.size_bytes == rows->row.size_bytes;
  if (!*packed) return err;
  buffer_clear(&scan->kept);
  if (!buffer_reserve(&scan->kept, timeline_pack_kept_bytes(&pack))) return ERR_NO_MEMORY;
  timeline_pack_keep(&pack, scan->kept.data, &scan->events.pack);
  err = make_room(scan, pack.count);
  return err == ERR_OK ? scan_rows_next(rows) : err;
}

static void begin_events(struct scan *scan, struct projection_reader *projection) {
  struct facts_events *events = &scan->events;
  events->packed = events->whole = false;
  events->projection = projection;
  events->items = NULL;
  events->all = NULL;
  events->ahead = 0;
  events->columns.count = 0;
  scan->facts.events = events;
}

// The rows under `id`, which come next if there are any.
static enum err take_rows(struct scan *scan, uint64_t id) {
  const struct scan_rows *rows = &scan->rows;
  struct facts_events *events = &scan->events;
  enum err err = ERR_OK;
  size_t count;
  begin_events(scan, NULL);
  if (rows->has && rows->id == id) err = keep_row(scan, &events->packed);
  if (err != ERR_OK || scan->taken || (events->packed && !(rows->has && rows->id == id))) return err;
  if (events->packed) timeline_pack_columns(&events->pack, &events->columns);
  events->packed = false;
  events->whole = true;
  while (err == ERR_OK && rows->has && rows->id == id) {
    err = timeline_row_count(rows->row, &count);
    if (err == ERR_OK) err = make_room(scan, count);
    if (err == ERR_OK) err = timeline_row_read_columns(rows->row, &scan->arena, &events->columns);
    if (err == ERR_OK) err = scan_rows_next(&scan->rows);
  }
  return err;
}

// --- walks ---------------------------------------------------------------------------------------------------

static enum err next_record(struct scan *scan) {
  struct bytes key, row;
  enum err err = ERR_OK;
  do {
    if (!store_cursor_next(scan->records, &key, &row)) {
      err = store_cursor_error(scan->records);
      return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    if (key.size_bytes != sizeof(uint64_t) + 1) return ERR_CORRUPT;
    if (key.data[sizeof(uint64_t)] != CUSTOMER_ROW_RECORD) continue;
    arena_clear(&scan->arena);
    err = customer_decode(row, key_read_u64(key.data), &scan->arena, &scan->record); // views into the cursor's row
    if (err != ERR_OK) return err;
    if (scan->record.merged_into == 0) break;
  } while (true);
  facts_reset(&scan->facts, scan->record.id, &scan->record, NULL);
  return ERR_OK;
}

static enum err next_by_record(struct scan *scan) {
  enum err err = next_record(scan);
  if (err != ERR_OK || !scan->options.events) return err;
  uint64_t id = scan->record.id;
  if (id > 0) err = pass_by(scan, id - 1);
  if (err != ERR_OK || scan->record.pending_count > 0) return err;
  return take_rows(scan, id);
}

static bool is_pending(struct scan *scan, uint64_t id) {
  while (scan->pending_at < scan->pending_count && scan->pending[scan->pending_at] < id) scan->pending_at++;
  return scan->pending_at < scan->pending_count && scan->pending[scan->pending_at] == id;
}

static uint64_t next_row_id(const struct scan *scan) {
  return scan->rows.has ? scan->rows.id : UINT64_MAX;
}

static uint64_t next_owner(const struct scan *scan) {
  return scan->owner_at < scan->owner_count ? scan->owners[scan->owner_at] : UINT64_MAX;
}

static void give_owner(struct scan *scan) {
  facts_reset(&scan->facts, scan->owners[scan->owner_at++], NULL, NULL);
}

static enum err next_by_rows(struct scan *scan) {
  enum err err = ERR_OK;
  while (err == ERR_OK && next_row_id(scan) < scan->end && is_pending(scan, scan->rows.id))
    err = pass_by(scan, scan->rows.id);
  uint64_t owner = next_owner(scan), id = next_row_id(scan);
  if (err != ERR_OK) return err;
  if (owner >= scan->end && id >= scan->end) return ERR_NOT_FOUND;
  arena_clear(&scan->arena);
  if (owner <= id) {
    give_owner(scan);
    return pass_by(scan, owner);
  }
  facts_reset(&scan->facts, id, NULL, NULL);
  return take_rows(scan, id);
}

// --- walks by block ------------------------------------------------------------------------------------------

// One whom the projection is not good for, if she has rows of her own.
static enum err take_apart(struct scan *scan, uint64_t id, bool *found) {
  *found = false;
  if (is_pending(scan, id)) return ERR_OK;
  enum err err = scan_rows_go(&scan->rows, id);
  *found = err == ERR_OK && next_row_id(scan) == id;
  if (!*found) return err;
  facts_reset(&scan->facts, id, NULL, NULL);
  return take_rows(scan, id);
}

static enum err next_built(struct scan *scan) {
  enum err err = ERR_OK;
  bool found = false;
  while (err == ERR_OK && !found) {
    bool apart = false;
    uint64_t owner = next_owner(scan), id = projection_reader_next(scan->projection, scan->next_id, &apart);
    if (owner >= scan->end && id >= scan->end) return ERR_NOT_FOUND;
    arena_clear(&scan->arena);
    scan->next_id = (owner < id ? owner : id) + 1;
    found = true;
    if (owner <= id) {
      give_owner(scan);
    } else if (apart) {
      err = take_apart(scan, id, &found);
    } else {
      facts_reset(&scan->facts, id, NULL, NULL);
      begin_events(scan, scan->projection);
    }
  }
  return err;
}

// Opens the next block that may have somebody. ERR_NOT_FOUND: there is none.
static enum err next_block(struct scan *scan) {
  const struct scan_options *options = &scan->options;
  while (true) {
    uint64_t block = scan->next_block, first = block * PROJECTION_CUSTOMERS;
    if ((options->to != 0 && first >= options->to) || block > projection_block(UINT64_MAX)) return ERR_NOT_FOUND;
    enum err err = projection_reader_go(scan->projection, block, &scan->built);
    if (err != ERR_OK) return err;
    scan->next_id = first < options->from ? options->from : first;
    scan->end = block == projection_block(UINT64_MAX) ? UINT64_MAX : first + PROJECTION_CUSTOMERS;
    if (options->to != 0 && options->to < scan->end) scan->end = options->to;
    scan->next_block = block + 1;
    if (scan->built) return ERR_OK;
    err = scan_rows_go(&scan->rows, scan->next_id);
    uint64_t row = next_row_id(scan), owner = next_owner(scan), least = row < owner ? row : owner;
    if (err != ERR_OK || least < scan->end) return err;
    if (least == UINT64_MAX) return ERR_NOT_FOUND;
    scan->next_block = projection_block(least);
  }
}

static enum err next_by_block(struct scan *scan) {
  enum err err = ERR_OK;
  while (err == ERR_OK) {
    err = scan->built ? next_built(scan) : next_by_rows(scan);
    if (err != ERR_NOT_FOUND) return err;
    err = next_block(scan);
  }
  return err;
}

enum err scan_next(struct scan *scan, struct facts **facts) {
  *facts = &scan->facts;
  enum err err = scan->taken ? scan_rows_next(&scan->rows) : ERR_OK;
  scan->taken = false;
  if (err != ERR_OK) return err;
  if (scan->projection != NULL) return next_by_block(scan);
  return scan->records != NULL ? next_by_record(scan) : next_by_rows(scan);
}

bool scan_columns(struct scan *scan, const struct timeline_columns **columns) {
  struct facts_events *events = &scan->events;
  if (scan->facts.events == NULL) return false;
  if (events->packed) {
    events->columns.count = 0;
    timeline_pack_columns(&events->pack, &events->columns);
  }
  *columns = &events->columns;
  return true;
}

// --- ranges --------------------------------------------------------------------------------------------------

// The first or last id that has a row of CUSTOMER; 0 when there is none.
static enum err end_id(struct store_snapshot *snapshot, bool last, uint64_t *id) {
  struct store_cursor *cursor;
  struct bytes key, row, all = {NULL, 0};
  *id = 0;
  enum err err = store_snapshot_scan(snapshot, STORE_CUSTOMER, all, all, &cursor);
  if (err != ERR_OK) return err;
  bool found = last ? store_cursor_previous(cursor, &key, &row) : store_cursor_next(cursor, &key, &row);
  if (found) *id = key_read_u64(key.data);
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// Ids are given out one after another, so ranges of equal width hold about equally many customers.
enum err scan_ranges(struct store_snapshot *snapshot, size_t count, uint64_t *from, size_t *found) {
  uint64_t first, last;
  *found = 0;
  enum err err = end_id(snapshot, false, &first);
  if (err == ERR_OK) err = end_id(snapshot, true, &last);
  if (err != ERR_OK || count == 0) return err;
  uint64_t width = (last - first) / count + 1;
  from[(*found)++] = 0;
  while (*found < count && last - first >= width * *found) {
    from[*found] = first + width * *found;
    ++*found;
  }
  return ERR_OK;
}
