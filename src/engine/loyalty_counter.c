// loyalty_counter.c: numbers that members share, changed under one lock each.
//
// A counter is a row of COUNTER; no row is 0. Its lock (class COUNTER) is the last that a transaction takes, held while
// it decides and until its commit is written, not until it is on disk: a hot budget is as fast as the processor. Counts
// are changed in memory and written once. Invariant: a counter is what the transactions that committed added to it,
// and never more than what it is compared with, because nobody compares without holding it.
#include "engine/loyalty.h"

#include <assert.h>
#include <stdlib.h>

#include "base/varint.h"

enum { FORGOTTEN_MAX = 8 }; // at once

struct counter {
  struct loyalty_counter_key key;
  struct bytes row_key;
  int64_t before, now;
};

struct loyalty_counters {
  size_t count;
  struct counter items[];
};

static void row_key(const struct loyalty_counter_key *counter, struct key *key) {
  key_init(key);
  key_put_u8(key, (uint8_t)counter->kind);
  key_put_u32(key, counter->number);
  if (counter->kind != LOYALTY_COUNT_CAP && counter->kind != LOYALTY_COUNT_CASHIER) return;
  key_put_u32(key, counter->rule.campaign);
  key_put_u32(key, counter->rule.rule);
  key_put_u8(key, counter->cap);
  if (counter->kind == LOYALTY_COUNT_CASHIER) key_put_raw(key, bytes_of(counter->cashier, sizeof counter->cashier));
  key_put_u32(key, (uint32_t)counter->start_day ^ UINT32_C(0x80000000));
}

static int by_row_key(const void *a, const void *b) {
  return bytes_compare(((const struct counter *)a)->row_key, ((const struct counter *)b)->row_key);
}

static enum err fill(struct work *work, struct loyalty_counters *counters, const struct loyalty_counter_key *keys,
                     size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct counter *counter = &counters->items[counters->count];
    struct key key;
    row_key(&keys[i], &key);
    *counter = (struct counter){.key = keys[i], .row_key = arena_copy(work->arena, key_view(&key))};
    if (counter->row_key.data == NULL) return diag_no_memory(work->diag);
    counters->count++;
  }
  qsort(counters->items, counters->count, sizeof *counters->items, by_row_key);
  size_t kept = 0;
  for (size_t i = 0; i < counters->count; i++)
    if (kept == 0 || by_row_key(&counters->items[kept - 1], &counters->items[i]) != 0)
      counters->items[kept++] = counters->items[i];
  counters->count = kept;
  return ERR_OK;
}

static enum err read_rows(struct work *work, struct loyalty_counters *counters, const struct bytes *keys) {
  struct bytes *rows = arena_take(work->arena, counters->count * sizeof *rows);
  if (rows == NULL) return diag_no_memory(work->diag);
  enum err err = store_get_many(work->txn, STORE_COUNTER, keys, counters->count, work->arena, rows);
  for (size_t i = 0; err == ERR_OK && i < counters->count; i++) {
    struct varint_reader reader = varint_reader_of(rows[i]);
    if (rows[i].size_bytes > 0) counters->items[i].before = varint_read_signed(&reader);
    counters->items[i].now = counters->items[i].before;
    if (reader.failed) err = diag_set(work->diag, ERR_CORRUPT, "corrupt", "a counter cannot be read");
  }
  return err;
}

enum err loyalty_counters_lock(struct work *work, const struct loyalty_counter_key *keys, size_t count) {
  assert(work->counters == NULL);
  if (count == 0) return ERR_OK;
  struct loyalty_counters *counters =
      arena_take_zero(work->arena, 1, sizeof *counters + count * sizeof(struct counter));
  struct bytes *row_keys = arena_take(work->arena, count * sizeof *row_keys);
  if (counters == NULL || row_keys == NULL) return diag_no_memory(work->diag);
  enum err err = fill(work, counters, keys, count);
  for (size_t i = 0; i < counters->count; i++) row_keys[i] = counters->items[i].row_key;
  if (err == ERR_OK) err = store_lock_many(work->txn, STORE_LOCK_COUNTER, row_keys, counters->count);
  if (err == ERR_OK) err = read_rows(work, counters, row_keys);
  if (err == ERR_OK) work->counters = counters;
  return err;
}

int64_t *loyalty_counter_of(struct work *work, const struct loyalty_counter_key *key) {
  struct key bytes;
  row_key(key, &bytes);
  struct counter wanted = {.row_key = key_view(&bytes)};
  struct counter *found = work->counters == NULL ? NULL
                                                 : bsearch(&wanted, work->counters->items, work->counters->count,
                                                           sizeof wanted, by_row_key);
  assert(found != NULL);
  return &found->now;
}

bool loyalty_counter_is_held(const struct work *work, const struct loyalty_counter_key *key) {
  struct key bytes;
  row_key(key, &bytes);
  struct counter wanted = {.row_key = key_view(&bytes)};
  return work->counters != NULL &&
         bsearch(&wanted, work->counters->items, work->counters->count, sizeof wanted, by_row_key) != NULL;
}

// How many days, or hours, a cashier's counter is kept after its period began: late sales and returns reach no farther.
static int32_t kept_periods(uint32_t limit) {
  static const int32_t DAYS[] = {[LOYALTY_DAY] = 35, [LOYALTY_WEEK] = 42, [LOYALTY_MONTH] = 70, [LOYALTY_YEAR] = 800};
  enum loyalty_period period = (enum loyalty_period)(limit >> 8 & 0xff);
  return period == LOYALTY_HOUR ? 24 * DAYS[LOYALTY_DAY] : DAYS[period];
}

// The first row of a period takes those of long ago with it.
static enum err forget_old(struct work *work, const struct counter *counter) {
  struct loyalty_counter_key oldest = counter->key;
  struct store_cursor *cursor;
  struct bytes row_key_bytes, row;
  struct key from, to;
  oldest.start_day = INT32_MIN;
  row_key(&oldest, &from);
  oldest.start_day = counter->key.start_day - kept_periods(counter->key.rule.rule);
  row_key(&oldest, &to);
  enum err err = store_scan(work->txn, STORE_COUNTER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  struct key old[FORGOTTEN_MAX];
  size_t count = 0;
  while (count < FORGOTTEN_MAX && store_cursor_next(cursor, &row_key_bytes, &row)) {
    key_init(&old[count]);
    key_put_raw(&old[count++], row_key_bytes);
  }
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = store_delete(work->txn, STORE_COUNTER, key_view(&old[i]));
  return err;
}

enum err loyalty_counters_emit(struct work *work) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && work->counters != NULL && i < work->counters->count; i++) {
    const struct counter *counter = &work->counters->items[i];
    uint8_t row[VARINT_BYTES_MAX];
    if (counter->now == counter->before) continue;
    uint8_t *end = varint_put_signed(row, counter->now);
    err = store_put(work->txn, STORE_COUNTER, counter->row_key, bytes_of(row, (size_t)(end - row)));
    if (err == ERR_OK && counter->before == 0 && counter->key.kind == LOYALTY_COUNT_CASHIER)
      err = forget_old(work, counter);
  }
  return err;
}
