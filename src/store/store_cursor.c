// Cursors.
//
// A range (store_backend.h) only knows rows; the cursor knows where it stands between them, so that next and previous
// mean the same on every backend:
//   FRESH  nothing was asked: next is the first row, previous the last
//   ON     the row given last
//   GAP    before the row that a seek found: next gives that row, previous the one before it
//   START, END   before the first row, after the last
//
// A range with a transaction's own writes over it is rare and inside one customer, therefore simply read into memory.
#include "store/store_cursor.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum place { FRESH, ON, GAP, START, END };

struct store_cursor {
  struct store_range *range;
  enum place place;
  bool found;           // in a GAP: the seek found a row
  struct store_row row; // in a GAP: that row
};

enum err store_cursor_open(struct store_cursor **cursor, struct store_range *range) {
  struct store_cursor *made = alloc_zero(1, sizeof *made);
  if (!made) {
    range->ops->close(range);
    return ERR_NO_MEMORY;
  }
  made->range = range;
  made->place = FRESH;
  *cursor = made;
  return ERR_OK;
}

void store_cursor_close(struct store_cursor *cursor) {
  if (!cursor) return;
  cursor->range->ops->close(cursor->range);
  alloc_free(cursor);
}

enum err store_cursor_error(struct store_cursor *cursor) {
  return cursor->range->ops->error(cursor->range);
}

static bool move(struct store_cursor *cursor, enum store_move move, enum place otherwise, struct store_row *row) {
  bool found = cursor->range->ops->move(cursor->range, move, (struct bytes){0}, row);
  cursor->place = found ? ON : otherwise;
  return found;
}

bool store_cursor_next(struct store_cursor *cursor, struct bytes *key, struct bytes *value) {
  struct store_row row = cursor->row;
  bool found = false;
  switch (cursor->place) {
  case FRESH:
  case START:
    found = move(cursor, STORE_MOVE_FIRST, END, &row);
    break;
  case ON:
    found = move(cursor, STORE_MOVE_NEXT, END, &row);
    break;
  case GAP:
    found = cursor->found;
    cursor->place = found ? ON : END;
    break;
  case END:
    break;
  }
  if (!found) return false;
  *key = row.key;
  *value = row.value;
  return true;
}

bool store_cursor_previous(struct store_cursor *cursor, struct bytes *key, struct bytes *value) {
  struct store_row row;
  bool found = false;
  switch (cursor->place) {
  case FRESH:
  case END:
    found = move(cursor, STORE_MOVE_LAST, START, &row);
    break;
  case ON:
    found = move(cursor, STORE_MOVE_PREVIOUS, START, &row);
    break;
  case GAP:
    found = move(cursor, cursor->found ? STORE_MOVE_PREVIOUS : STORE_MOVE_LAST, START, &row);
    break;
  case START:
    break;
  }
  if (!found) return false;
  *key = row.key;
  *value = row.value;
  return true;
}

void store_cursor_seek(struct store_cursor *cursor, struct bytes key) {
  cursor->found = cursor->range->ops->move(cursor->range, STORE_MOVE_AT_OR_AFTER, key, &cursor->row);
  cursor->place = GAP;
}

// --- a range in memory ---------------------------------------------------------------------------------------

struct memory_range {
  struct store_range head;
  struct arena arena;
  struct store_row *rows;
  size_t count;
  size_t capacity_count;
  size_t at;
};

// The first row at or after `key`.
static size_t lower_bound(const struct memory_range *range, struct bytes key) {
  size_t low = 0;
  size_t high = range->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (bytes_compare(range->rows[middle].key, key) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool memory_range_move(struct store_range *head, enum store_move move, struct bytes key, struct store_row *row) {
  struct memory_range *range = (struct memory_range *)head;
  size_t at = range->at;
  switch (move) {
  case STORE_MOVE_FIRST:
    at = 0;
    break;
  case STORE_MOVE_LAST:
    at = range->count - 1;
    break; // of an empty range: past every row
  case STORE_MOVE_NEXT:
    at++;
    break;
  case STORE_MOVE_PREVIOUS:
    at--;
    break;
  case STORE_MOVE_AT_OR_AFTER:
    at = lower_bound(range, key);
    break;
  }
  range->at = at;
  if (at >= range->count) return false;
  *row = range->rows[at];
  return true;
}

static enum err memory_range_error(const struct store_range *head) {
  (void)head;
  return ERR_OK;
}

static void memory_range_close(struct store_range *head) {
  struct memory_range *range = (struct memory_range *)head;
  arena_release(&range->arena);
  alloc_free(range->rows);
  alloc_free(range);
}

static const struct store_range_ops memory_range_ops = {memory_range_move, memory_range_error, memory_range_close};

// Adds base followed by value; without a base its data is NULL.
static enum err add_row(struct memory_range *range, struct bytes key, struct bytes base, struct bytes value) {
  if (range->count == range->capacity_count) {
    size_t capacity = range->capacity_count ? range->capacity_count * 2 : 32;
    struct store_row *rows = alloc_resize(range->rows, capacity * sizeof *rows);
    if (!rows) return ERR_NO_MEMORY;
    range->rows = rows;
    range->capacity_count = capacity;
  }
  uint8_t *copy = arena_take(&range->arena, key.size_bytes + base.size_bytes + value.size_bytes + 1);
  if (!copy) return ERR_NO_MEMORY;
  uint8_t *content = copy + key.size_bytes;
  if (key.size_bytes) memcpy(copy, key.data, key.size_bytes);
  if (base.size_bytes) memcpy(content, base.data, base.size_bytes);
  if (value.size_bytes) memcpy(content + base.size_bytes, value.data, value.size_bytes);
  range->rows[range->count++] =
      (struct store_row){bytes_of(copy, key.size_bytes), bytes_of(content, base.size_bytes + value.size_bytes)};
  return ERR_OK;
}

static int compare_writes(const void *a, const void *b) {
  const struct store_write *left = *(const struct store_write *const *)a;
  const struct store_write *right = *(const struct store_write *const *)b;
  return bytes_compare(store_write_key(left), store_write_key(right));
}

static enum err add_write(struct memory_range *range, const struct store_write *write, struct bytes base) {
  if (write->kind == STORE_WRITE_DELETE) return ERR_OK;
  if (write->kind == STORE_WRITE_PUT) base = (struct bytes){0};
  return add_row(range, store_write_key(write), base, store_write_value(write));
}

static enum err merge_rows(struct memory_range *range, struct store_range *inner, const struct store_write **writes,
                           size_t count) {
  struct store_row row;
  size_t next = 0;
  bool found = inner->ops->move(inner, STORE_MOVE_FIRST, (struct bytes){0}, &row);
  while (found || next < count) {
    int order = !found ? 1 : next == count ? -1 : bytes_compare(row.key, store_write_key(writes[next]));
    enum err err = order < 0 ? add_row(range, row.key, (struct bytes){0}, row.value)
                             : add_write(range, writes[next], order == 0 ? row.value : (struct bytes){0});
    if (err != ERR_OK) return err;
    if (order >= 0) next++;
    if (order <= 0) found = inner->ops->move(inner, STORE_MOVE_NEXT, (struct bytes){0}, &row);
  }
  return inner->ops->error(inner);
}

enum err store_range_overlay(struct store_range **range, const struct store_write **writes, size_t count) {
  struct store_range *inner = *range;
  struct memory_range *made = alloc_zero(1, sizeof *made);
  enum err err = ERR_NO_MEMORY;
  *range = NULL;
  if (!made) goto out;
  made->head.ops = &memory_range_ops;
  arena_init(&made->arena, 0);
  qsort(writes, count, sizeof *writes, compare_writes);
  err = merge_rows(made, inner, writes, count);
  if (err == ERR_OK)
    *range = &made->head;
  else
    memory_range_close(&made->head);
out:
  inner->ops->close(inner);
  return err;
}
