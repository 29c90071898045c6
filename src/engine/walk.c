// walk.c: parts of about equal width, handed out in their order to whichever thread is free.
//
// Invariants:
//   1. Parts are handed out ascending. Once a part has failed, those after it are not begun, or left where they are;
//      those before it go on to their end. So the failure that is told is that of the lowest part that fails.
//   2. The asking thread alone tells the progress. When that says stop, nothing else is told.
#include "engine/walk.h"

#include <stdatomic.h>
#include <unistd.h>

#include "engine/answers.h"
#include "engine/read.h"

enum { TELL_EVERY = 128 };

struct run {
  const struct walk_options *options;
  walk_customer_fn *look;
  void *state;
  uint64_t total; // customers, as the counters of the snapshot say
  uint64_t from[WALK_PARTS + 1];
  size_t part_count;
  _Atomic size_t next_part, failed_part; // parts from the latter on are not wanted any more
  _Atomic uint64_t customers;
  pthread_mutex_t mutex; // of what follows
  enum err err;
  struct diag diag; // of failed_part
};

struct worker {
  struct run *run;
  struct answers *answers;
  struct arena arena;
  struct diag diag;
  bool asks; // the thread that asked
  pthread_t thread;
};

static void fail(struct worker *worker, size_t part, enum err err) {
  struct run *run = worker->run;
  pthread_mutex_lock(&run->mutex);
  if (run->err == ERR_OK || part < atomic_load(&run->failed_part)) {
    run->err = err;
    run->diag = worker->diag;
    atomic_store(&run->failed_part, part);
  }
  pthread_mutex_unlock(&run->mutex);
}

// False: the walk is to stop.
static bool tell(struct worker *worker) {
  struct run *run = worker->run;
  const struct walk_options *options = run->options;
  if (!worker->asks || options->progress == NULL) return true;
  if (options->progress(options->context, atomic_load(&run->customers), run->total)) return true;
  pthread_mutex_lock(&run->mutex);
  run->err = diag_set(&run->diag, ERR_STOPPED, "stopped", "it was stopped");
  atomic_store(&run->failed_part, 0);
  pthread_mutex_unlock(&run->mutex);
  return false;
}

static bool is_wanted(struct run *run, size_t part) {
  return part < atomic_load_explicit(&run->failed_part, memory_order_relaxed);
}

static enum err look_at_part(struct worker *worker, size_t part, struct scan *scan) {
  struct run *run = worker->run;
  struct facts *facts;
  uint64_t seen = 0;
  enum err err = ERR_OK;
  while (is_wanted(run, part)) {
    err = scan_next(scan, &facts);
    if (err == ERR_OK) err = run->look(run->state, part, facts, &worker->arena, &worker->diag);
    arena_clear(&worker->arena);
    if (err != ERR_OK) break;
    if (++seen % TELL_EVERY != 0) continue;
    atomic_fetch_add(&run->customers, TELL_EVERY);
    if (!tell(worker)) break;
  }
  atomic_fetch_add(&run->customers, seen % TELL_EVERY);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err walk_part(struct worker *worker, size_t part) {
  struct run *run = worker->run;
  const struct walk_options *options = run->options;
  struct scan *scan;
  struct scan_options asked = {.snapshot = options->view->snapshot,
                               .sources = &options->view->sources,
                               .from = run->from[part],
                               .to = run->from[part + 1],
                               .records = options->records,
                               .events = true,
                               .lookup = answers_lookup,
                               .lookup_context = worker->answers};
  if (!options->records) {
    asked.names = options->names;
    asked.name_count = options->name_count;
    asked.times_only = options->times_only;
  }
  enum err err = scan_open(&scan, &asked);
  if (err != ERR_OK) return err;
  err = look_at_part(worker, part, scan);
  scan_close(scan);
  return err;
}

static void *work(void *context) {
  struct worker *worker = context;
  struct run *run = worker->run;
  while (tell(worker)) {
    size_t part = atomic_fetch_add(&run->next_part, 1);
    if (part >= run->part_count || !is_wanted(run, part)) break;
    worker->diag = (struct diag){0};
    enum err err = walk_part(worker, part);
    if (err != ERR_OK) fail(worker, part, err);
  }
  return NULL;
}

// --- threads -------------------------------------------------------------------------------------------------

static enum err open_worker(struct run *run, bool asks, struct worker *worker) {
  struct engine_view *view = run->options->view;
  *worker = (struct worker){.run = run, .asks = asks};
  arena_init(&worker->arena, 0);
  return answers_open(&worker->answers, view->engine, view->snapshot);
}

static void close_worker(struct worker *worker) {
  answers_close(worker->answers);
  arena_release(&worker->arena);
}

static unsigned thread_count(const struct walk_options *options) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = options->threads != 0 ? options->threads : cores > 0 ? (unsigned)cores : 1;
  return wanted < QUERY_THREADS_MAX ? wanted : QUERY_THREADS_MAX;
}

// Fewer threads than wanted do the same work, as long as there is the one that asked.
static enum err run_workers(struct run *run) {
  struct worker workers[QUERY_THREADS_MAX];
  unsigned wanted = thread_count(run->options), count = 0;
  enum err err = ERR_OK;
  for (; count < wanted; count++) {
    err = open_worker(run, count == 0, &workers[count]);
    if (err == ERR_OK && (count == 0 || pthread_create(&workers[count].thread, NULL, work, &workers[count]) == 0))
      continue;
    close_worker(&workers[count]);
    break;
  }
  if (count == 0) return err;
  work(&workers[0]);
  for (unsigned i = 1; i < count; i++) pthread_join(workers[i].thread, NULL);
  for (unsigned i = 0; i < count; i++) close_worker(&workers[i]);
  return ERR_OK;
}

static enum err prepare(struct run *run) {
  struct engine_counts counts;
  struct arena arena;
  struct store_snapshot *snapshot = run->options->view->snapshot;
  arena_init(&arena, 0);
  enum err err = engine_counts_at(snapshot, &arena, &counts);
  arena_release(&arena);
  if (err == ERR_OK) err = scan_ranges(snapshot, WALK_PARTS, run->from, &run->part_count);
  if (err != ERR_OK) return err;
  run->total = counts.customers;
  run->from[run->part_count] = 0; // the last one goes on to the end
  return ERR_OK;
}

enum err walk_customers(const struct walk_options *options, walk_customer_fn *look, void *state, struct diag *diag) {
  if (!options->records && options->names != NULL && options->name_count == 0) return ERR_OK; // nobody has any
  struct run run = {.options = options, .look = look, .state = state, .failed_part = WALK_PARTS};
  enum err err = prepare(&run);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  pthread_mutex_init(&run.mutex, NULL);
  err = run_workers(&run);
  pthread_mutex_destroy(&run.mutex);
  if (err != ERR_OK || run.err == ERR_OK) return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
  if (run.diag.err != run.err) return engine_explain_failure(run.err, diag);
  if (diag != NULL) *diag = run.diag;
  return run.err;
}

enum err walk_events(struct facts *facts, const uint32_t *names, size_t name_count, int64_t from_us, int64_t to_us,
                     struct rule_columns *columns) {
  const struct rule_events_wanted wanted = {
      .names = names, .name_count = name_count, .from_us = from_us, .to_us = to_us};
  return facts_columns(facts, &wanted, columns);
}
