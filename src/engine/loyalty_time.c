// loyalty_time.c: what falls due for members by the clock alone.
//
// A row of DUE for each member with something to come: when (i64), customer (u64). A call takes up to DUE_MAX of them,
// oldest first, in transactions of LIMIT_TXN_CUSTOMERS members, in several threads when they are many. Each transaction
// reads the clock under the locks, works off what is due of all her wallets (loyalty_advance), and sets the next timer.
// A member whose row is gone, or who has become another, loses the timer.
#include <stdlib.h>

#include "engine/crew.h"
#include "engine/loyalty.h"

enum { DUE_MAX = 8192 };

struct due {
  int64_t due_us;
  uint64_t customer;
};

struct share { // what one thread works on
  struct engine *engine;
  const struct due *items;
  size_t count;
  enum err err;
  struct diag diag;
};

struct batch {
  const struct due *items;
  size_t count;
};

static enum err work_off_one(struct work *work, const struct due *due) {
  struct work_customer *customer = work_held_customer(work, due->customer);
  enum err err = loyalty_take_timer(work, customer, due->due_us);
  return err == ERR_OK ? loyalty_advance_all(work, customer) : err;
}

static enum err batch_body(struct work *work, void *context) {
  const struct batch *batch = context;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < batch->count; i++) err = work_off_one(work, &batch->items[i]);
  return err;
}

static void work_off(void *item) {
  struct share *share = item;
  for (size_t i = 0; share->err == ERR_OK && i < share->count; i += LIMIT_TXN_CUSTOMERS) {
    size_t rest = share->count - i;
    struct batch batch = {share->items + i, rest < LIMIT_TXN_CUSTOMERS ? rest : LIMIT_TXN_CUSTOMERS};
    uint64_t customers[LIMIT_TXN_CUSTOMERS];
    struct work_plan plan = {.customers = customers, .customer_count = batch.count};
    struct store_mark mark;
    for (size_t j = 0; j < batch.count; j++) customers[j] = batch.items[j].customer;
    share->err = work_run(share->engine, &plan, batch_body, &batch, &mark, &share->diag);
  }
}

static enum err read_due(struct engine *engine, struct due *items, size_t *count) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  loyalty_due_key(&from, INT64_MIN, 0);
  loyalty_due_key(&to, clock_now_us(engine->clock), UINT64_MAX);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_DUE, key_view(&from), key_view(&to), &cursor);
  for (*count = 0; err == ERR_OK && *count < DUE_MAX && store_cursor_next(cursor, &key, &row); (*count)++)
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

// Of a member with several rows the first stays; the others wait for the next call.
static size_t drop_repeats(struct due *items, size_t count) {
  size_t kept = 0;
  qsort(items, count, sizeof *items, by_customer);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || items[kept - 1].customer != items[i].customer) items[kept++] = items[i];
  return kept;
}

static enum err run_crew(struct engine *engine, const struct due *items, size_t count, struct diag *diag) {
  struct share shares[CREW_MAX];
  size_t batches = (count + LIMIT_TXN_CUSTOMERS - 1) / LIMIT_TXN_CUSTOMERS;
  size_t crew = crew_size() < batches ? crew_size() : batches, done = 0;
  for (size_t i = 0; i < crew; i++) {
    size_t end = (i + 1) * batches / crew * LIMIT_TXN_CUSTOMERS;
    if (end > count) end = count;
    shares[i] = (struct share){.engine = engine, .items = items + done, .count = end - done};
    diag_init(&shares[i].diag);
    done = end;
  }
  crew_run(work_off, shares, sizeof *shares, crew);
  for (size_t i = 0; i < crew; i++) {
    if (shares[i].err == ERR_OK) continue;
    if (diag != NULL) *diag = shares[i].diag;
    return shares[i].err;
  }
  return ERR_OK;
}

enum err engine_loyalty_tick(struct engine *engine, bool *more, struct diag *diag) {
  struct loyalty *loyalty = engine->loyalty;
  size_t count = 0;
  *more = false;
  pthread_mutex_lock(&loyalty->lock);
  bool idle = loyalty->set == NULL;
  pthread_mutex_unlock(&loyalty->lock);
  if (idle || engine->read_only) return ERR_OK;
  struct due *items = alloc_get(DUE_MAX * sizeof *items);
  if (items == NULL) return diag_no_memory(diag);
  pthread_mutex_lock(&loyalty->ticking);
  enum err err = read_due(engine, items, &count);
  if (err != ERR_OK) engine_explain_failure(err, diag);
  if (err == ERR_OK && count > 0) err = run_crew(engine, items, drop_repeats(items, count), diag);
  pthread_mutex_unlock(&loyalty->ticking);
  *more = err == ERR_OK && count == DUE_MAX;
  alloc_free(items);
  return err;
}
