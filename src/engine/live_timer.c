// live_timer.c: answers that the clock alone changes.
//
// A row of TIMER for each customer that has such an answer: when (i64), customer (u64), in the order in which they fall
// due (due.h). Each transaction reads the clock under the locks, evaluates what is due at each instant in turn, and
// sets the next timer (live.c).
#include "engine/live.h"

static enum err work_off(struct engine *engine, const struct due *items, size_t count, struct diag *diag) {
  uint64_t customers[LIMIT_TXN_CUSTOMERS];
  int64_t due_us[LIMIT_TXN_CUSTOMERS];
  struct live_request request = {.timers_us = due_us};
  struct work_plan plan = {.customers = customers, .customer_count = count, .live = &request};
  struct store_mark mark;
  for (size_t i = 0; i < count; i++) {
    customers[i] = items[i].customer;
    due_us[i] = items[i].due_us;
  }
  return work_run(engine, &plan, live_nothing, NULL, &mark, diag);
}

enum err engine_timer_tick(struct engine *engine, bool *more, struct diag *diag) {
  struct live *live = engine->live;
  int64_t late_us = 0;
  *more = false;
  bool idle = live_hold(engine) == NULL;
  live_release(engine);
  if (idle) return ERR_OK;
  pthread_mutex_lock(&live->timers_lock);
  enum err err = due_tick(engine, STORE_TIMER, &live->timers_walk, work_off, more, &late_us, &live->timers, diag);
  atomic_store(&live->lag_us, late_us);
  pthread_mutex_unlock(&live->timers_lock);
  return err;
}
