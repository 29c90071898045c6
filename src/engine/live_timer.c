// live_timer.c: answers that the clock alone changes.
//
// A row of TIMER for each customer that has such an answer: when (i64), customer (u64), in the order in which they fall
// due. A call takes up to TIMERS_MAX of them, oldest first, cuts them in transactions of LIMIT_TXN_CUSTOMERS customers,
// and works on those in several threads when they are many. Each transaction reads the clock under the locks, evaluates
// what is due at each instant in turn, and sets the next timer (live.c).
//
// A transaction that set a timer for `now + 1` may commit a while after the clock has passed it; rows are looked for
// from LATE_US before the last round on. A round is one walk over all that is due, in as many calls as that takes.
#include "engine/crew.h"
#include "engine/live.h"

#include <stdlib.h>

enum { TIMERS_MAX = 8192, LATE_US = 60 * CLOCK_SECOND_US };

void live_timer_key(struct key *key, int64_t due_us, uint64_t customer) {
  key_init(key);
  key_put_i64(key, due_us);
  key_put_u64(key, customer);
}

struct timer {
  int64_t due_us;
  uint64_t customer;
};

// What one thread works on.
struct timers {
  struct engine *engine;
  const struct timer *items;
  size_t count;
  enum err err;
  struct diag diag;
};

static enum err work_off_some(struct timers *timers, const struct timer *items, size_t count) {
  uint64_t customers[LIMIT_TXN_CUSTOMERS];
  int64_t due_us[LIMIT_TXN_CUSTOMERS];
  struct live_request request = {.timers_us = due_us};
  struct work_plan plan = {.customers = customers, .customer_count = count, .live = &request};
  struct store_mark mark;
  for (size_t i = 0; i < count; i++) {
    customers[i] = items[i].customer;
    due_us[i] = items[i].due_us;
  }
  return work_run(timers->engine, &plan, live_nothing, NULL, &mark, &timers->diag);
}

static void work_off(void *item) {
  struct timers *timers = item;
  for (size_t i = 0; timers->err == ERR_OK && i < timers->count; i += LIMIT_TXN_CUSTOMERS) {
    size_t rest = timers->count - i;
    size_t count = rest < LIMIT_TXN_CUSTOMERS ? rest : LIMIT_TXN_CUSTOMERS;
    timers->err = work_off_some(timers, timers->items + i, count);
  }
}

// The rows that are due, oldest first. *more: there are more, and the next call goes on behind the last of these: those
// before are deleted, and a store steps over what was deleted one by one.
static enum err read_due(struct engine *engine, int64_t now_us, struct timer *items, size_t *count, bool *more) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  if (engine->live->timers_from_us > now_us) { // the clock was put back
    engine->live->timers_from_us = INT64_MIN;
    engine->live->timers_go_on = false;
  }
  struct live *live = engine->live;
  live_timer_key(&from, live->timers_go_on ? live->timers_last_us : live->timers_from_us,
                 live->timers_go_on ? live->timers_last_customer + 1 : 0);
  live_timer_key(&to, now_us, UINT64_MAX);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_TIMER, key_view(&from), key_view(&to), &cursor);
  for (*count = 0; err == ERR_OK && *count < TIMERS_MAX && store_cursor_next(cursor, &key, &row); (*count)++)
    items[*count] = (struct timer){key_read_i64(key.data), key_read_u64(key.data + sizeof(int64_t))};
  *more = *count == TIMERS_MAX;
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err;
}

static int by_customer(const void *a, const void *b) {
  const struct timer *left = a, *right = b;
  if (left->customer != right->customer) return left->customer < right->customer ? -1 : 1;
  return left->due_us < right->due_us ? -1 : left->due_us > right->due_us;
}

// Of a customer with several rows the first stays; the others wait for the next call. A transaction locks neighbours.
static size_t drop_repeats(struct timer *items, size_t count) {
  size_t kept = 0;
  qsort(items, count, sizeof *items, by_customer);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || items[kept - 1].customer != items[i].customer) items[kept++] = items[i];
  return kept;
}

static enum err run_crew(struct engine *engine, const struct timer *items, size_t count, struct diag *diag) {
  struct timers shares[CREW_MAX];
  size_t batches = (count + LIMIT_TXN_CUSTOMERS - 1) / LIMIT_TXN_CUSTOMERS;
  size_t crew = crew_size() < batches ? crew_size() : batches, done = 0;
  for (size_t i = 0; i < crew; i++) {
    size_t end = (i + 1) * batches / crew * LIMIT_TXN_CUSTOMERS;
    if (end > count) end = count;
    shares[i] = (struct timers){.engine = engine, .items = items + done, .count = end - done};
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

static enum err tick(struct engine *engine, struct timer *items, bool *more, struct diag *diag) {
  struct live *live = engine->live;
  int64_t now_us = clock_now_us(engine->clock);
  size_t count;
  if (!live->timers_go_on) live->timers_round_us = now_us;
  enum err err = read_due(engine, now_us, items, &count, more);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  atomic_store(&live->lag_us, count == 0 ? 0 : now_us - items[0].due_us);
  live->timers_go_on = false; // until this is done: else it is begun again
  struct timer last = count > 0 ? items[count - 1] : (struct timer){0};
  size_t kept = drop_repeats(items, count);
  if (kept > 0) err = run_crew(engine, items, kept, diag);
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
  struct timer *items = alloc_get(TIMERS_MAX * sizeof *items);
  pthread_mutex_lock(&engine->live->timers_lock);
  enum err err = items == NULL ? diag_no_memory(diag) : tick(engine, items, more, diag);
  pthread_mutex_unlock(&engine->live->timers_lock);
  alloc_free(items);
  return err;
}
