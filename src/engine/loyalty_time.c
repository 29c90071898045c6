// loyalty_time.c: what falls due for members by the clock alone.
//
// A row of DUE for each member with something to come. A call takes up to DUE_MAX of them, oldest first, in
// transactions of LIMIT_TXN_CUSTOMERS members (due.h). Each transaction reads the clock under the locks, works off what
// is due of all her wallets (loyalty_advance), and sets the next timer. A member whose row is gone, or who has become
// another, loses the timer.
#include "engine/due.h"
#include "engine/loyalty.h"

enum { DUE_MAX = 8192 };

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

static enum err work_off(struct engine *engine, const struct due *items, size_t count, struct diag *diag) {
  uint64_t customers[LIMIT_TXN_CUSTOMERS];
  struct batch batch = {items, count};
  struct work_plan plan = {.customers = customers, .customer_count = count};
  struct store_mark mark;
  for (size_t i = 0; i < count; i++) customers[i] = items[i].customer;
  return work_run(engine, &plan, batch_body, &batch, &mark, diag);
}

enum err engine_loyalty_tick(struct engine *engine, bool *more, struct diag *diag) {
  static const struct due FIRST = {INT64_MIN, 0};
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
  enum err err = due_read(engine, STORE_DUE, &FIRST, clock_now_us(engine->clock), items, DUE_MAX, &count);
  if (err != ERR_OK) engine_explain_failure(err, diag);
  *more = err == ERR_OK && count == DUE_MAX;
  if (err == ERR_OK && count > 0) err = due_work_off(engine, items, due_drop_repeats(items, count), work_off, diag);
  pthread_mutex_unlock(&loyalty->ticking);
  alloc_free(items);
  return err;
}
