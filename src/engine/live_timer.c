// live_timer.c: answers that the clock alone changes.
//
// A row of TIMER for each customer that has such an answer: when (i64), customer (u64), in the order in which they fall
// due. A call takes up to TIMERS_MAX of them, oldest first, cuts them in transactions of LIMIT_TXN_CUSTOMERS customers,
// and works on those in several threads when they are many. Each transaction reads the clock under the locks, evaluates
// what is due at each instant in turn, and sets the next timer (live.c).
//
// A transaction that set a timer for `now + 1` may commit a while after the clock has passed it; rows are looked for
// from LATE_US before the last round on. A round is one walk over all that is due, in as many calls as that takes.
#include "engine/due.h"
#include "engine/live.h"

enum { TIMERS_MAX = 8192, LATE_US = 60 * CLOCK_SECOND_US };

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

// The rows that are due, oldest first. *more: there are more, and the next call goes on behind the last of these: those
// before are deleted, and a store steps over what was deleted one by one.
static enum err read_due(struct engine *engine, int64_t now_us, struct due *items, size_t *count, bool *more) {
  struct live *live = engine->live;
  if (live->timers_from_us > now_us) { // the clock was put back
    live->timers_from_us = INT64_MIN;
    live->timers_go_on = false;
  }
  struct due from = {live->timers_from_us, 0};
  if (live->timers_go_on) from = (struct due){live->timers_last_us, live->timers_last_customer + 1};
  enum err err = due_read(engine, STORE_TIMER, &from, now_us, items, TIMERS_MAX, count);
  *more = *count == TIMERS_MAX;
  return err;
}

static enum err tick(struct engine *engine, struct due *items, bool *more, struct diag *diag) {
  struct live *live = engine->live;
  int64_t now_us = clock_now_us(engine->clock);
  size_t count;
  if (!live->timers_go_on) live->timers_round_us = now_us;
  enum err err = read_due(engine, now_us, items, &count, more);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  atomic_store(&live->lag_us, count == 0 ? 0 : now_us - items[0].due_us);
  live->timers_go_on = false; // until this is done: else it is begun again
  struct due last = count > 0 ? items[count - 1] : (struct due){0};
  size_t kept = due_drop_repeats(items, count);
  if (kept > 0) err = due_work_off(engine, items, kept, work_off, diag);
  if (err != ERR_OK) return err;
  atomic_fetch_add(&live->timers, kept);
  live->timers_repeat = live->timers_repeat || kept < count;
  live->timers_go_on = *more;
  live->timers_last_us = last.due_us;
  live->timers_last_customer = last.customer;
  if (*more) return ERR_OK;
  if (!live->timers_repeat) live->timers_from_us = live->timers_round_us - LATE_US;
  *more = live->timers_repeat;
  live->timers_repeat = false;
  return ERR_OK;
}

enum err engine_timer_tick(struct engine *engine, bool *more, struct diag *diag) {
  *more = false;
  bool idle = live_hold(engine) == NULL;
  live_release(engine);
  if (idle) return ERR_OK;
  struct due *items = alloc_get(TIMERS_MAX * sizeof *items);
  pthread_mutex_lock(&engine->live->timers_lock);
  enum err err = items == NULL ? diag_no_memory(diag) : tick(engine, items, more, diag);
  pthread_mutex_unlock(&engine->live->timers_lock);
  alloc_free(items);
  return err;
}
