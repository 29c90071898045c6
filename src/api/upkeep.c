// One thread, once a second, and when the engine asks for it: connections past their deadline, work that is due in the
// engine, old idempotency rows.
//
// A connection is ended by shutting its socket down: MHD then sees the end of the stream and cleans up by itself. The
// socket cannot have been closed meanwhile, because its link is taken out of the ring, under the same lock, before.
#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "api/idempotency.h"
#include "api/server.h"
#include "base/log.h"

enum { SWEEP_EVERY_S = 60, SWEEP_ROWS = 256 };

static void end_dawdlers(struct api *api) {
  int64_t now_us = clock_monotonic_us();
  pthread_mutex_lock(&api->lock);
  for (struct link *link = api->links.next; link != &api->links; link = link->next) {
    int64_t deadline_us = link->deadline_us;
    if (deadline_us && deadline_us < now_us) shutdown(link->fd, SHUT_RDWR);
  }
  pthread_mutex_unlock(&api->lock);
}

static void sweep(struct api *api) {
  struct diag diag;
  size_t deleted = 0;
  diag_init(&diag);
  enum err err = idempotency_sweep(api->store, clock_now_us(engine_clock(api->engine)), SWEEP_ROWS, &deleted, &diag);
  if (err) log_write(LOG_WARN, "idempotency rows not deleted", "err=%s", err_name(err));
}

// At most a second of it, so that a stop is never waited for.
static void tick(struct api *api) {
  int64_t until_us = clock_monotonic_us() + CLOCK_SECOND_US;
  bool idle = false;
  struct diag diag;
  while (!idle && !api->stopping && clock_monotonic_us() < until_us) {
    diag_init(&diag);
    enum err err = engine_tick(api->engine, &idle, &diag);
    if (!err) continue;
    log_write(LOG_WARN, "upkeep failed", "err=%s code=%s", err_name(err), diag.code);
    return;
  }
}

static void wake(void *context) {
  struct api *api = context;
  pthread_mutex_lock(&api->lock);
  api->upkeep_due = true;
  pthread_cond_broadcast(&api->changed);
  pthread_mutex_unlock(&api->lock);
}

// At a stop, and when the server could not be opened.
static bool goes_on(void *context) {
  struct api *api = context;
  return !api->stopping && !api->upkeep_ends;
}

static bool sleep_a_second(struct api *api) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec++;
  pthread_mutex_lock(&api->lock);
  int result = 0;
  while (!api->upkeep_ends && !api->upkeep_due && result != ETIMEDOUT)
    result = pthread_cond_timedwait(&api->changed, &api->lock, &until);
  bool ends = api->upkeep_ends;
  api->upkeep_due = false;
  pthread_mutex_unlock(&api->lock);
  return !ends;
}

static void *run(void *context) {
  struct api *api = context;
  for (unsigned second = 1; sleep_a_second(api); second++) {
    end_dawdlers(api);
    if (api->stopping) continue;
    tick(api);
    if (second % SWEEP_EVERY_S == 0) sweep(api);
  }
  return NULL;
}

enum err upkeep_start(struct api *api) {
  engine_set_wake(api->engine, wake, api);
  engine_set_goes_on(api->engine, goes_on, api);
  if (pthread_create(&api->upkeep, NULL, run, api) == 0) return ERR_OK;
  engine_set_wake(api->engine, NULL, NULL);
  engine_set_goes_on(api->engine, NULL, NULL);
  return ERR_NO_MEMORY;
}

void upkeep_stop(struct api *api) {
  engine_set_wake(api->engine, NULL, NULL);
  pthread_mutex_lock(&api->lock);
  api->upkeep_ends = true;
  pthread_cond_broadcast(&api->changed);
  pthread_mutex_unlock(&api->lock);
  pthread_join(api->upkeep, NULL);
  engine_set_goes_on(api->engine, NULL, NULL);
}
