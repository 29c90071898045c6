// The sync thread.
//
// Time is counted in rounds; one round is one sync of the backend's log. `started` is the newest round begun, `done`
// the newest that succeeded. A write that is visible before a round begins is covered by it, so the mark of a write
// or of a read is started + 1, taken after it: no matter which writers were still under way, a round that starts later
// covers all that could be seen. `begun` and `finished` count writes; when they are equal as a round starts, the round
// covers every write so far (`covered`), and a reader with nothing newer to have seen gets a mark that is already done:
// reading alone never causes a sync.
//
// Failure. When a round fails nobody knows what reached the disk: all marks above `done` fail, and every write is
// refused, until the backend recovers. Then the marks given out so far and not done are the lost ones; new rounds are
// numbered above them. A write that was under way meanwhile sees another `generation` and fails too; a transaction that
// had only read so far conflicts, for what it read may be gone.
//
// Invariants: 1. only the thread moves started, done, covered, failed and generation; 2. done and the lost range change
// together, under the mutex; 3. a callback is called once, without the mutex.
#include "store/store_sync.h"

#include <assert.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/store_futex.h"

enum { RECOVER_PAUSE_MIN_MS = 250, RECOVER_PAUSE_MAX_MS = 16000 };

struct notice {
  struct notice *next;
  store_done_fn *done;
  void *context;
  uint64_t sequence;
};

struct store_sync {
  struct store_backend backend;
  pthread_t thread;
  _Atomic uint64_t begun;
  _Atomic uint64_t finished;
  _Atomic uint64_t covered; // writes numbered up to this are durable
  _Atomic uint64_t started;
  _Atomic uint64_t done;
  _Atomic uint64_t wanted; // the highest round anybody asked for
  _Atomic uint64_t rounds; // that succeeded, for the statistics
  _Atomic uint32_t generation;
  _Atomic uint32_t kick;       // changes when the thread has something to look at
  _Atomic uint32_t settled[2]; // by parity of the round: changes when its waiters have something to look at
  _Atomic bool asleep;
  _Atomic bool failed;
  _Atomic bool full; // why the last round failed
  _Atomic bool stop;
  _Atomic bool ever_lost;
  uint32_t pause_ms; // of the thread: until the next attempt to recover
  int64_t recover_at_us;
  pthread_mutex_t mutex; // done with lost_*, and notices
  uint64_t lost_after;   // marks above this
  uint64_t lost_through; // and up to this can no longer be promised
  struct notice *notices;
};

static void kick(struct store_sync *sync) {
  atomic_fetch_add(&sync->kick, 1);
  if (atomic_load(&sync->asleep)) store_futex_wake(&sync->kick, 1);
}

// True when the fate of `sequence` is known, and then *err is it.
static bool answer(struct store_sync *sync, uint64_t sequence, enum err *err) {
  *err = ERR_OK;
  if (sequence <= atomic_load(&sync->done) && !atomic_load(&sync->ever_lost)) return true; // in this order
  pthread_mutex_lock(&sync->mutex);
  bool lost = sequence > sync->lost_after && sequence <= sync->lost_through;
  bool durable = !lost && sequence <= atomic_load(&sync->done);
  bool failed = lost || (!durable && atomic_load(&sync->failed));
  pthread_mutex_unlock(&sync->mutex);
  if (failed) *err = ERR_IO;
  return failed || durable;
}

static enum err diag_log_failed(struct diag *diag) {
  return diag_set(diag, ERR_IO, "log_failed",
                  "The disk refused to store the log: it is full, or damaged (look for disk errors in the system's "
                  "log). What was just written may be kept or lost: send it again. The store recovers by itself.");
}

// Nothing was written, so the caller need not wonder.
static enum err diag_refused(const struct store_sync *sync, struct diag *diag) {
  if (!atomic_load(&sync->full)) return diag_log_failed(diag);
  return diag_set(diag, ERR_FULL, "disk_full",
                  "The disk is full. Make room there; reading goes on, and writing resumes by itself.");
}

// --- the thread ----------------------------------------------------------------------------------------------

static struct notice *take_settled(struct store_sync *sync) {
  struct notice *waiting = NULL;
  struct notice *settled = NULL;
  pthread_mutex_lock(&sync->mutex);
  struct notice *all = sync->notices;
  sync->notices = NULL;
  pthread_mutex_unlock(&sync->mutex);
  while (all) {
    struct notice *notice = all;
    enum err err;
    all = notice->next;
    struct notice **list = answer(sync, notice->sequence, &err) ? &settled : &waiting;
    notice->next = *list;
    *list = notice;
  }
  pthread_mutex_lock(&sync->mutex);
  while (waiting) {
    struct notice *notice = waiting;
    waiting = notice->next;
    notice->next = sync->notices;
    sync->notices = notice;
  }
  pthread_mutex_unlock(&sync->mutex);
  return settled; // newest first became oldest first
}

static void deliver(struct store_sync *sync) {
  struct notice *settled = take_settled(sync);
  while (settled) {
    struct notice *notice = settled;
    enum err err;
    settled = notice->next;
    bool known = answer(sync, notice->sequence, &err);
    assert(known);
    notice->done(notice->context, err);
    alloc_free(notice);
  }
}

static void wake_waiters(struct store_sync *sync, uint64_t sequence) {
  _Atomic uint32_t *settled = &sync->settled[sequence & 1];
  atomic_fetch_add(settled, 1);
  store_futex_wake_all(settled);
}

static void run_round(struct store_sync *sync) {
  uint64_t finished = atomic_load(&sync->finished); // before begun: equal then means none was under way
  uint64_t begun = atomic_load(&sync->begun);
  uint64_t round = atomic_fetch_add(&sync->started, 1) + 1;
  enum err err = sync->backend.ops->sync(sync->backend.self);
  pthread_mutex_lock(&sync->mutex);
  if (err == ERR_OK) {
    if (begun == finished) atomic_store(&sync->covered, begun);
    atomic_store(&sync->done, round);
    atomic_fetch_add(&sync->rounds, 1);
  } else {
    atomic_store(&sync->full, err == ERR_FULL); // in this order: who sees `failed` asks why
    atomic_store(&sync->failed, true);
  }
  pthread_mutex_unlock(&sync->mutex);
  wake_waiters(sync, round);
  if (err != ERR_OK) {
    wake_waiters(sync, round + 1);
    log_write(LOG_ERROR, "log sync failed", "err=%s", err_name(err));
  }
  deliver(sync);
}

// Gives up the marks that are not done: they fail from now on, and new ones are numbered above them.
static void lose_marks(struct store_sync *sync) {
  pthread_mutex_lock(&sync->mutex);
  uint64_t last_given = atomic_load(&sync->started) + 1;
  if (!atomic_load(&sync->ever_lost)) sync->lost_after = atomic_load(&sync->done);
  sync->lost_through = last_given;
  atomic_store(&sync->ever_lost, true);
  atomic_fetch_add(&sync->generation, 1);
  atomic_store(&sync->started, last_given);
  atomic_store(&sync->done, last_given);
  atomic_store(&sync->failed, false);
  pthread_mutex_unlock(&sync->mutex);
  wake_waiters(sync, last_given);
  wake_waiters(sync, last_given + 1);
  deliver(sync);
}

static bool needs_recovery(struct store_sync *sync) {
  const struct store_backend *backend = &sync->backend;
  return atomic_load(&sync->failed) || (backend->ops->broken && backend->ops->broken(backend->self));
}

static void recover(struct store_sync *sync) {
  const struct store_backend *backend = &sync->backend;
  bool lost = false;
  enum err err = backend->ops->recover ? backend->ops->recover(backend->self, &lost) : ERR_UNSUPPORTED;
  if (err == ERR_OK) {
    if (lost || atomic_load(&sync->failed)) lose_marks(sync);
    sync->pause_ms = 0;
    sync->recover_at_us = 0;
    return;
  }
  uint32_t longer_ms = sync->pause_ms == 0 ? RECOVER_PAUSE_MIN_MS : sync->pause_ms * 2;
  sync->pause_ms = longer_ms > RECOVER_PAUSE_MAX_MS ? RECOVER_PAUSE_MAX_MS : longer_ms;
  // A full disk and open ranges are looked at often: whoever made room wants to see writes go on.
  if (err == ERR_FULL || err == ERR_BUSY) sync->pause_ms = RECOVER_PAUSE_MIN_MS;
  sync->recover_at_us = clock_monotonic_us() + (int64_t)sync->pause_ms * CLOCK_MS_US;
}

static void last_round(struct store_sync *sync) {
  bool all_durable = atomic_load(&sync->begun) == atomic_load(&sync->covered);
  bool is_awaited = atomic_load(&sync->wanted) > atomic_load(&sync->done); // a mark may lie above all writes
  if (!atomic_load(&sync->failed) && (!all_durable || is_awaited)) run_round(sync);
  deliver(sync);
}

static void *thread_main(void *argument) {
  struct store_sync *sync = argument;
  for (;;) {
    uint32_t seen = atomic_load(&sync->kick);
    bool broken = needs_recovery(sync);
    if (atomic_load(&sync->stop)) break;
    if (broken && clock_monotonic_us() >= sync->recover_at_us) {
      recover(sync);
    } else if (!atomic_load(&sync->failed) && atomic_load(&sync->wanted) > atomic_load(&sync->done)) {
      run_round(sync);
    } else {
      deliver(sync); // orders whose round ended while they were placed
      atomic_store(&sync->asleep, true);
      store_futex_wait(&sync->kick, seen, broken ? RECOVER_PAUSE_MIN_MS : 0);
      atomic_store(&sync->asleep, false);
    }
  }
  last_round(sync);
  return NULL;
}

// --- open and close ------------------------------------------------------------------------------------------

enum err store_sync_open(struct store_sync **sync, struct store_backend backend) {
  struct store_sync *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  made->backend = backend;
  pthread_mutex_init(&made->mutex, NULL);
  if (pthread_create(&made->thread, NULL, thread_main, made) != 0) {
    pthread_mutex_destroy(&made->mutex);
    alloc_free(made);
    return ERR_NO_MEMORY;
  }
  *sync = made;
  return ERR_OK;
}

void store_sync_close(struct store_sync *sync) {
  atomic_store(&sync->stop, true);
  kick(sync);
  pthread_join(sync->thread, NULL);
  assert(!sync->notices);
  pthread_mutex_destroy(&sync->mutex);
  alloc_free(sync);
}

// --- marks ---------------------------------------------------------------------------------------------------

enum err store_sync_begin(struct store_sync *sync, uint32_t generation, struct diag *diag) {
  if (atomic_load(&sync->failed)) return diag_refused(sync, diag);
  if (generation != atomic_load(&sync->generation)) return ERR_CONFLICT;
  atomic_fetch_add(&sync->begun, 1);
  return ERR_OK;
}

enum err store_sync_end(struct store_sync *sync, uint32_t generation, enum err err, struct store_mark *mark,
                        struct diag *diag) {
  atomic_fetch_add(&sync->finished, 1);
  mark->sequence = atomic_load(&sync->started) + 1;
  if (err != ERR_OK && sync->backend.ops->broken && sync->backend.ops->broken(sync->backend.self)) kick(sync);
  if (err == ERR_OK && generation != atomic_load(&sync->generation)) return diag_log_failed(diag);
  return err;
}

struct store_mark store_sync_mark(struct store_sync *sync) {
  uint64_t covered = atomic_load(&sync->covered);
  if (atomic_load(&sync->begun) == covered) return (struct store_mark){0};
  return (struct store_mark){atomic_load(&sync->started) + 1};
}

static void want(struct store_sync *sync, uint64_t sequence) {
  uint64_t wanted = atomic_load(&sync->wanted);
  while (wanted < sequence && !atomic_compare_exchange_weak(&sync->wanted, &wanted, sequence)) continue;
  kick(sync);
}

enum err store_sync_wait(struct store_sync *sync, struct store_mark mark, struct diag *diag) {
  _Atomic uint32_t *settled = &sync->settled[mark.sequence & 1];
  enum err err;
  if (!answer(sync, mark.sequence, &err)) want(sync, mark.sequence);
  for (;;) {
    uint32_t seen = atomic_load(settled);
    if (answer(sync, mark.sequence, &err)) break;
    store_futex_wait(settled, seen, 0);
  }
  return err == ERR_OK ? ERR_OK : diag_log_failed(diag);
}

void store_sync_notify(struct store_sync *sync, struct store_mark mark, store_done_fn *done, void *context) {
  enum err err;
  if (answer(sync, mark.sequence, &err)) {
    done(context, err);
    return;
  }
  struct notice *notice = alloc_get(sizeof *notice);
  if (!notice) { // without memory for the order, wait here
    done(context, store_sync_wait(sync, mark, NULL));
    return;
  }
  *notice = (struct notice){NULL, done, context, mark.sequence};
  pthread_mutex_lock(&sync->mutex);
  notice->next = sync->notices;
  sync->notices = notice;
  pthread_mutex_unlock(&sync->mutex);
  want(sync, mark.sequence);
}

bool store_sync_writable(struct store_sync *sync) {
  return !needs_recovery(sync);
}

uint64_t store_sync_rounds(struct store_sync *sync) {
  return atomic_load(&sync->rounds);
}

uint32_t store_sync_generation(struct store_sync *sync) {
  return atomic_load(&sync->generation);
}
