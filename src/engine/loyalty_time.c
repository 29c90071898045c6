// loyalty_time.c: what falls due for members by the clock alone.
//
// A row of DUE for each member with something to come, worked off oldest first (due.h). Each transaction reads the
// clock under the locks, works off what is due of all her wallets (loyalty_advance), and sets the next timer. A member
// whose row is gone, or who has become another, loses the timer.
//
// Nobody waits for a reply here, so nothing would hold these transactions back: they would fill the log far ahead of
// the disk, and whoever buys something meanwhile would wait until all of it was written (a million members on one day:
// 50 to 190 ms at the 99th percentile). So every other transaction waits for the disk itself; that leaves twice the
// speed that a million members in a minute need, and 20 ms.
#include "engine/loyalty.h"

enum { BATCHES_A_SYNC = 2 };

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

static enum err keep_pace(struct engine *engine, struct store_mark mark, struct diag *diag) {
  unsigned batches = atomic_fetch_add(&engine->loyalty->batches, 1) + 1;
  return batches % BATCHES_A_SYNC == 0 ? store_wait(engine->store, mark, diag) : ERR_OK;
}

static enum err work_off(struct engine *engine, const struct due *items, size_t count, struct diag *diag) {
  uint64_t customers[LIMIT_TXN_CUSTOMERS];
  struct batch batch = {items, count};
  struct work_plan plan = {.customers = customers, .customer_count = count};
  struct store_mark mark;
  for (size_t i = 0; i < count; i++) customers[i] = items[i].customer;
  enum err err = work_run(engine, &plan, batch_body, &batch, &mark, diag);
  return err == ERR_OK ? keep_pace(engine, mark, diag) : err;
}

enum err engine_loyalty_tick(struct engine *engine, bool *more, struct diag *diag) {
  struct loyalty *loyalty = engine->loyalty;
  int64_t late_us;
  *more = false;
  pthread_mutex_lock(&loyalty->lock);
  bool idle = loyalty->set == NULL;
  pthread_mutex_unlock(&loyalty->lock);
  if (idle || engine->read_only) return ERR_OK;
  pthread_mutex_lock(&loyalty->ticking);
  enum err err = due_tick(engine, STORE_DUE, &loyalty->walk, work_off, more, &late_us, &loyalty->timers, diag);
  pthread_mutex_unlock(&loyalty->ticking);
  return err;
}

uint64_t engine_loyalty_timers(const struct engine *engine) {
  return atomic_load(&engine->loyalty->timers);
}
