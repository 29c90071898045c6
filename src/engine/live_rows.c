// live_rows.c: gathered in the arena, sorted once, written. Of one key the last change counts, as it came.
#include "engine/live_rows.h"

#include <stdlib.h>
#include <string.h>

#include "engine/due.h"
#include "engine/live.h"
#include "segment/audience.h"

enum { FIRST = 64, MOVES = 64, SIDE_BITS = 8 };

// Room for one more.
static enum err grow(struct work *work, void **items, size_t count, size_t *capacity, size_t item_bytes) {
  if (count < *capacity) return ERR_OK;
  size_t larger = *capacity == 0 ? FIRST : 2 * *capacity;
  void *grown = arena_take(work->arena, larger * item_bytes);
  if (grown == NULL) return diag_no_memory(work->diag);
  if (count > 0) memcpy(grown, *items, count * item_bytes);
  *items = grown;
  *capacity = larger;
  return ERR_OK;
}

enum err live_rows_side(struct work *work, uint32_t question, uint32_t side, uint64_t customer, bool in) {
  struct live_rows *rows = work->rows;
  uint32_t number = (uint32_t)rows->side_count;
  enum err err = grow(work, (void **)&rows->sides, number, &rows->side_capacity, sizeof *rows->sides);
  if (err != ERR_OK) return err;
  rows->sides[rows->side_count++] = (struct live_side){(uint64_t)question << SIDE_BITS | side, customer, number, in};
  return ERR_OK;
}

enum err live_rows_timer(struct work *work, uint64_t customer, int64_t due_us, bool set) {
  struct live_rows *rows = work->rows;
  uint32_t number = (uint32_t)rows->timer_count;
  enum err err = grow(work, (void **)&rows->timers, number, &rows->timer_capacity, sizeof *rows->timers);
  if (err != ERR_OK) return err;
  rows->timers[rows->timer_count++] = (struct live_timer){due_us, customer, number, set};
  return ERR_OK;
}

static int by_audience(const void *a, const void *b) {
  const struct live_side *left = a, *right = b;
  if (left->audience != right->audience) return left->audience < right->audience ? -1 : 1;
  if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
  return left->number < right->number ? -1 : left->number > right->number;
}

static enum err write_sides(struct work *work) {
  struct live_rows *rows = work->rows;
  enum err err = ERR_OK;
  if (rows->side_count > 1) qsort(rows->sides, rows->side_count, sizeof *rows->sides, by_audience);
  for (size_t i = 0; err == ERR_OK && i < rows->side_count;) {
    struct audience_move moves[MOVES];
    uint64_t audience = rows->sides[i].audience;
    size_t count = 0;
    for (; count < MOVES && i < rows->side_count && rows->sides[i].audience == audience; i++)
      moves[count++] = (struct audience_move){rows->sides[i].customer, rows->sides[i].in};
    err = audience_change_many(work->txn, (uint32_t)(audience >> SIDE_BITS), (uint8_t)audience, moves, count);
  }
  return err;
}

static int by_due(const void *a, const void *b) {
  const struct live_timer *left = a, *right = b;
  if (left->due_us != right->due_us) return left->due_us < right->due_us ? -1 : 1;
  if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
  return left->number < right->number ? -1 : left->number > right->number;
}

static enum err write_timers(struct work *work) {
  struct live_rows *rows = work->rows;
  enum err err = ERR_OK;
  if (rows->timer_count > 1) qsort(rows->timers, rows->timer_count, sizeof *rows->timers, by_due);
  for (size_t i = 0; err == ERR_OK && i < rows->timer_count; i++) {
    const struct live_timer *timer = &rows->timers[i];
    struct key key;
    due_key(&key, timer->due_us, timer->customer);
    err = timer->set ? store_put(work->txn, STORE_TIMER, key_view(&key), BYTES(""))
                     : store_delete(work->txn, STORE_TIMER, key_view(&key));
  }
  return err;
}

enum err live_rows_write(struct work *work) {
  enum err err = write_sides(work);
  return err == ERR_OK ? write_timers(work) : err;
}
