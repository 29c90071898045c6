// projection_read: the events of some names, block by block, out of rows that are decoded whole.
//
// Events of one name are given where they lie. Those of several names are put together in order of time for each
// request, which is few events; equal times are in order of the names.
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "customer/projection_row.h"

enum { FIXED_ROWS = 3 }; // the directory and the sides

struct projection_reader {
  struct store_snapshot *snapshot;
  bool times_only;
  struct arena arena; // of the present block's bytes
  uint64_t block;
  uint64_t apart[PROJECTION_BITS], there[PROJECTION_BITS];
  struct projection_row merged; // of one customer and several names
  size_t count;
  struct projection_row rows[]; // by name
};

enum err projection_reader_open(struct projection_reader **reader, struct store_snapshot *snapshot,
                                const uint32_t *names, size_t count, bool times_only) {
  assert(count <= PROJECTION_NAMES_MAX);
  struct projection_reader *made = alloc_zero(1, sizeof *made + count * sizeof(struct projection_row));
  *reader = made;
  if (made == NULL) return ERR_NO_MEMORY;
  made->snapshot = snapshot;
  made->times_only = times_only;
  arena_init(&made->arena, 0);
  projection_row_init(&made->merged, 0);
  for (size_t i = 0; i < count; i++) // 0 is the name that the dictionary lacks
    if (names[i] != 0) projection_row_init(&made->rows[made->count++], names[i]);
  return ERR_OK;
}

void projection_reader_close(struct projection_reader *reader) {
  if (reader == NULL) return;
  for (size_t i = 0; i < reader->count; i++) projection_row_release(&reader->rows[i]);
  projection_row_release(&reader->merged);
  arena_release(&reader->arena);
  alloc_free(reader);
}

// --- a block -------------------------------------------------------------------------------------------------

static enum err read_rows(struct projection_reader *reader, const struct projection_directory *directory,
                          const struct bytes *rows) {
  enum err err = ERR_OK;
  memset(reader->there, 0, sizeof reader->there);
  for (size_t i = 0; err == ERR_OK && i < reader->count; i++) {
    struct projection_row *row = &reader->rows[i];
    if ((rows[i].data != NULL) != projection_directory_has(directory, row->name)) return ERR_CORRUPT;
    if (rows[i].data == NULL) {
      projection_row_clear(row, row->name);
      continue;
    }
    err = projection_row_read(rows[i], row->name, reader->times_only, row);
    for (size_t j = 0; err == ERR_OK && j < PROJECTION_CUSTOMERS; j++)
      reader->there[j / 64] |= (uint64_t)(row->from[j + 1] > row->from[j]) << j % 64;
  }
  return err;
}

enum err projection_reader_go(struct projection_reader *reader, uint64_t block, bool *built) {
  struct key keys[FIXED_ROWS + PROJECTION_NAMES_MAX];
  struct bytes views[FIXED_ROWS + PROJECTION_NAMES_MAX], rows[FIXED_ROWS + PROJECTION_NAMES_MAX];
  struct projection_directory directory;
  size_t count = FIXED_ROWS + reader->count;
  *built = false;
  reader->block = block;
  projection_key(block, PROJECTION_DIRECTORY, &keys[0]);
  projection_key(block, PROJECTION_SIDE(0), &keys[1]);
  projection_key(block, PROJECTION_SIDE(1), &keys[2]);
  for (size_t i = 0; i < reader->count; i++) projection_key(block, reader->rows[i].name, &keys[FIXED_ROWS + i]);
  for (size_t i = 0; i < count; i++) views[i] = key_view(&keys[i]);
  arena_clear(&reader->arena);
  enum err err = store_snapshot_get_many(reader->snapshot, STORE_PROJECTION, views, count, &reader->arena, rows);
  if (err != ERR_OK || rows[0].data == NULL) return err;
  *built = true;
  err = projection_directory_read(rows[0], &directory);
  if (err != ERR_OK) return err;
  memcpy(reader->apart, directory.beside, sizeof reader->apart);
  projection_side_read(rows[1], reader->apart);
  projection_side_read(rows[2], reader->apart);
  return read_rows(reader, &directory, rows + FIXED_ROWS);
}

uint64_t projection_reader_next(const struct projection_reader *reader, uint64_t from, bool *apart) {
  uint64_t first = reader->block * PROJECTION_CUSTOMERS, at = from <= first ? 0 : from - first;
  while (at < PROJECTION_CUSTOMERS) {
    uint64_t left = (reader->there[at / 64] | reader->apart[at / 64]) >> at % 64;
    if (left != 0) {
      at += (uint64_t)__builtin_ctzll(left);
      *apart = reader->apart[at / 64] >> at % 64 & 1;
      return first + at;
    }
    at = (at / 64 + 1) * 64;
  }
  return UINT64_MAX;
}

// --- columns -------------------------------------------------------------------------------------------------

static const struct projection_row *row_of(const struct projection_reader *reader, uint32_t name) {
  for (size_t i = 0; i < reader->count; i++)
    if (reader->rows[i].name == name) return &reader->rows[i];
  assert(name == 0);
  return NULL;
}

static void give(const struct projection_reader *reader, const struct timeline_columns *from, size_t at, size_t count,
                 struct rule_columns *columns) {
  *columns = (struct rule_columns){.count = count, .time_us = from->time_us + at, .name = from->name + at};
  if (reader->times_only) return;
  columns->amount = from->amount + at;
  columns->amount_code = from->amount_code + at;
  columns->channel = from->channel + at;
}

// The events of one name that are left.
struct slice {
  const struct timeline_columns *columns;
  uint32_t at, end;
};

static inline int64_t next_time(const struct slice *slice) {
  return slice->columns->time_us[slice->at];
}

static inline void put(const struct timeline_columns *from, size_t at, bool times_only, struct timeline_columns *to) {
  size_t i = to->count++;
  to->time_us[i] = from->time_us[at];
  to->name[i] = from->name[at];
  if (times_only) return;
  to->amount[i] = from->amount[at];
  to->channel[i] = from->channel[at];
  to->amount_code[i] = from->amount_code[at];
}

// Which one comes next is as good as random, so nothing here branches on it.
static void merge_two(const struct slice *slices, struct timeline_columns *to) {
  struct slice a = slices[0], b = slices[1];
  while (a.at < a.end && b.at < b.end) {
    bool second = next_time(&b) < next_time(&a);
    put(second ? b.columns : a.columns, second ? b.at : a.at, false, to);
    a.at += !second;
    b.at += second;
  }
  for (; a.at < a.end; a.at++) put(a.columns, a.at, false, to);
  for (; b.at < b.end; b.at++) put(b.columns, b.at, false, to);
}

// The same of times and names, which are a third of the work. When one of the few runs out nobody can foresee either:
// of one that has, the last event is looked at and never taken.
static void merge_two_times(const struct slice *slices, struct timeline_columns *to) {
  const int64_t *of_a = slices[0].columns->time_us, *of_b = slices[1].columns->time_us;
  uint32_t a = slices[0].at, b = slices[1].at, last_a = slices[0].end - 1, last_b = slices[1].end - 1;
  uint32_t name_a = slices[0].columns->name[a], name_b = slices[1].columns->name[b];
  for (size_t left = (size_t)last_a - a + last_b - b + 2; left > 0; left--) {
    int64_t time_a = of_a[a < last_a ? a : last_a], time_b = of_b[b < last_b ? b : last_b];
    time_a = a > last_a ? INT64_MAX : time_a;
    time_b = b > last_b ? INT64_MAX : time_b;
    bool second = time_b < time_a;
    to->time_us[to->count] = second ? time_b : time_a;
    to->name[to->count++] = second ? name_b : name_a;
    a += !second;
    b += second;
  }
}

// Leaves out what lies before the newest event up to now.
static void keep_newest(const struct rule_events_wanted *wanted, struct slice *slice) {
  const int64_t *times = slice->columns->time_us;
  uint32_t past = slice->end;
  while (past > slice->at && times[past - 1] > wanted->now_us) past--;
  if (past > slice->at) slice->at = past - 1;
}

// At least two slices, none of them empty.
static void merge(struct slice *slices, size_t count, bool times_only, struct timeline_columns *to) {
  while (count > 2) {
    size_t least = 0;
    int64_t least_us = next_time(&slices[0]);
    for (size_t i = 1; i < count; i++) {
      int64_t time_us = next_time(&slices[i]);
      least = time_us < least_us ? i : least;
      least_us = time_us < least_us ? time_us : least_us;
    }
    struct slice *slice = &slices[least];
    put(slice->columns, slice->at++, times_only, to);
    if (slice->at < slice->end) continue;
    count--;
    memmove(slice, slice + 1, (count - least) * sizeof *slice);
  }
  (times_only ? merge_two_times : merge_two)(slices, to);
}

enum err projection_reader_columns(struct projection_reader *reader, uint64_t id,
                                   const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  size_t place = id % PROJECTION_CUSTOMERS, count = 0, events = 0;
  struct slice slices[PROJECTION_NAMES_MAX];
  assert(wanted->name_count <= PROJECTION_NAMES_MAX);
  for (size_t i = 0; i < wanted->name_count; i++) {
    const struct projection_row *row = row_of(reader, wanted->names[i]);
    if (row == NULL) continue;
    slices[count] = (struct slice){&row->columns, row->from[place], row->from[place + 1]};
    if (wanted->newest_only) keep_newest(wanted, &slices[count]);
    events += slices[count].end - slices[count].at;
    count += slices[count].end > slices[count].at;
  }
  *columns = (struct rule_columns){.count = 0};
  if (count == 1) give(reader, slices[0].columns, slices[0].at, events, columns);
  if (count <= 1) return ERR_OK;
  reader->merged.columns.count = 0;
  if (!projection_row_reserve(&reader->merged, events)) return ERR_NO_MEMORY;
  merge(slices, count, reader->times_only, &reader->merged.columns);
  give(reader, &reader->merged.columns, 0, events, columns);
  return ERR_OK;
}
