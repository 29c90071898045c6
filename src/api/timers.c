// What falls due by the clock: one thread asks the engine ten times a second, and again at once while there is more.
//
// The tick itself works in several threads. A failure (a full disk) is no reason to stop asking; it is logged once a
// minute.
#include <time.h>

#include "api/server.h"
#include "base/log.h"
#include "engine/members.h"

enum { TICK_NS = 100000000, LOG_EVERY_S = 60 };

static void report(enum err err, const struct diag *diag, int64_t *logged_us) {
  int64_t now_us = clock_monotonic_us();
  if (*logged_us && now_us - *logged_us < LOG_EVERY_S * (int64_t)CLOCK_SECOND_US) return;
  *logged_us = now_us;
  log_write(LOG_WARN, "timers failed", "err=%s code=%s", err_name(err), diag->code);
}

// Members first: what falls due for them is what segments look at. A failure of one does not keep the other waiting.
static enum err tick(struct engine *engine, bool *more, struct diag *diag) {
  bool more_members = false, more_timers = false;
  struct diag own;
  diag_init(&own);
  enum err err = engine_loyalty_tick(engine, &more_members, diag),
           second = engine_timer_tick(engine, &more_timers, &own);
  *more = more_members || more_timers;
  if (err == ERR_OK && second != ERR_OK) *diag = own;
  return err == ERR_OK ? second : err;
}

static void *run(void *context) {
  const struct timespec pause = {0, TICK_NS};
  struct api *api = context;
  int64_t logged_us = 0;
  while (!api->timers_end) {
    struct diag diag;
    bool more = false;
    diag_init(&diag);
    enum err err = tick(api->engine, &more, &diag);
    if (err) report(err, &diag, &logged_us);
    if (err || !more) nanosleep(&pause, NULL);
  }
  return NULL;
}

enum err timers_start(struct api *api) {
  return pthread_create(&api->timers, NULL, run, api) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

void timers_stop(struct api *api) {
  api->timers_end = true;
  pthread_join(api->timers, NULL);
}
