// due.c: see due.h.
#include "engine/due.h"

#include <stdlib.h>

#include "base/limits.h"
#include "engine/crew.h"

enum { DUE_MAX = 8192, LATE_US = 60 * CLOCK_SECOND_US };

void due_key(struct key *key, int64_t due_us, uint64_t customer) {
  key_init(key);
  key_put_i64(key, due_us);
  key_put_u64(key, customer);
}

enum err due_read(struct engine *engine, enum store_keyspace keyspace, const struct due *from, int64_t to_us,
                  struct due *items, size_t room, size_t *count) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key first, end;
  due_key(&first, from->due_us, from->customer);
  due_key(&end, to_us, UINT64_MAX);
  *count = 0;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, keyspace, key_view(&first), key_view(&end), &cursor);
  for (; err == ERR_OK && *count < room && store_cursor_next(cursor, &key, &row); (*count)++)
    items[*count] = (struct due){key_read_i64(key.data), key_read_u64(key.data + sizeof(int64_t))};
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err;
}

static int by_customer(const void *a, const void *b) {
  const struct due *left = a, *right = b;
  if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
  return left->due_us < right->due_us ? -1 : left->due_us > right->due_us;
}

size_t due_drop_repeats(struct due *items, size_t count) {
  size_t kept = 0;
  qsort(items, count, sizeof *items, by_customer);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || items[kept - 1].customer != items[i].customer) items[kept++] = items[i];
  return kept;
}

// --- in several threads ------------------------------------------------------------------------------------------

struct load {
  struct engine *engine;
  const struct due *items;
  size_t count;
  due_work_fn *work;
  _Atomic size_t next; // the first that nobody took
  _Atomic bool failed;
};

struct hand { // one thread
  struct load *load;
  enum err err;
  struct diag diag;
};

static void work_off(void *item) {
  struct hand *hand = item;
  struct load *load = hand->load;
  while (!atomic_load(&load->failed)) {
    size_t at = atomic_fetch_add(&load->next, LIMIT_TXN_CUSTOMERS);
    if (at >= load->count) return;
    size_t rest = load->count - at;
    hand->err = load->work(load->engine, load->items + at, rest < LIMIT_TXN_CUSTOMERS ? rest : LIMIT_TXN_CUSTOMERS,
                           &hand->diag);
    if (hand->err == ERR_OK) continue;
    atomic_store(&load->failed, true);
    return;
  }
}

enum err due_work_off(struct engine *engine, const struct due *items, size_t count, due_work_fn *work,
                      struct diag *diag) {
  struct load load = {.engine = engine, .items = items, .count = count, .work = work};
  struct hand hands[CREW_MAX];
  size_t batches = (count + LIMIT_TXN_CUSTOMERS - 1) / LIMIT_TXN_CUSTOMERS;
  size_t crew = crew_size() < batches ? crew_size() : batches;
  for (size_t i = 0; i < crew; i++) {
    hands[i] = (struct hand){.load = &load};
    diag_init(&hands[i].diag);
  }
  crew_run(work_off, hands, sizeof *hands, crew);
  for (size_t i = 0; i < crew; i++) {
    if (hands[i].err == ERR_OK) continue;
    if (diag != NULL) *diag = hands[i].diag;
    return hands[i].err;
  }
  return ERR_OK;
}

// --- a walk --------------------------------------------------------------------------------------------------------

static enum err read_next(struct engine *engine, enum store_keyspace keyspace, struct due_walk *walk, int64_t now_us,
                          struct due *items, size_t *count) {
  if (walk->from_us > now_us) { // the clock was put back
    walk->from_us = INT64_MIN;
    walk->goes_on = false;
  }
  if (!walk->goes_on) walk->round_us = now_us;
  struct due from = {walk->from_us, 0};
  if (walk->goes_on) from = (struct due){walk->last.due_us, walk->last.customer + 1};
  walk->goes_on = false; // until this call is done: else it is begun again
  return due_read(engine, keyspace, &from, now_us, items, DUE_MAX, count);
}

static void step(struct due_walk *walk, bool full, struct due last, bool repeats, bool *more) {
  walk->repeats = walk->repeats || repeats;
  walk->goes_on = *more = full;
  walk->last = last;
  if (full) return;
  if (!walk->repeats) walk->from_us = walk->round_us - LATE_US;
  *more = walk->repeats;
  walk->repeats = false;
}

enum err due_tick(struct engine *engine, enum store_keyspace keyspace, struct due_walk *walk, due_work_fn *work,
                  bool *more, int64_t *late_us, _Atomic uint64_t *done, struct diag *diag) {
  struct due *items = alloc_get(DUE_MAX * sizeof *items), last = {0};
  int64_t now_us = clock_now_us(engine->clock);
  size_t count = 0, kept = 0;
  *more = false;
  if (items == NULL) return diag_no_memory(diag);
  enum err err = read_next(engine, keyspace, walk, now_us, items, &count);
  if (err != ERR_OK) {
    engine_explain_failure(err, diag);
  } else {
    *late_us = count == 0 ? 0 : now_us - items[0].due_us;
    if (count > 0) last = items[count - 1];
    kept = due_drop_repeats(items, count);
    if (kept > 0) err = due_work_off(engine, items, kept, work, diag);
  }
  alloc_free(items);
  if (err != ERR_OK) return err;
  atomic_fetch_add(done, kept);
  step(walk, count == DUE_MAX, last, kept < count, more);
  return ERR_OK;
}
