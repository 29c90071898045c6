// The jobs are a ring; the newest is at `count - 1`. Only the newest can run. Everything is guarded by `lock`, which
// the job's thread takes to tell how far it is; a breach's words are kept as one JSON string each, with commas between.
#include "api/job.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "api/backup.h"
#include "base/alloc.h"
#include "base/log.h"

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED };

struct job {
  char id[JOB_ID_BYTES];
  enum job_kind kind;
  enum job_state state;
  int64_t started_us, ended_us;
  uint64_t done, total;
  struct backup backup;
  uint64_t breaches;
  struct buffer first;                  // the first breaches; of a simulation its report
  struct engine_simulation *simulation; // until it has run
  bool stops;                           // somebody asked for it
  struct diag diag;
};

static const char *const KIND_NAMES[] = {
    [JOB_BACKUP] = "backup", [JOB_CHECK] = "check", [JOB_SIMULATION] = "simulation"};

struct job_board {
  struct engine *engine;
  const char *backup_dir;
  pthread_mutex_t lock;
  struct job jobs[JOBS_KEPT];
  uint64_t count; // started so far
  bool threaded;  // `thread` is to be joined
  pthread_t thread;
  _Atomic bool ends;
};

static struct job *newest(struct job_board *board) {
  return &board->jobs[(board->count - 1) % JOBS_KEPT];
}

enum err job_board_open(struct job_board **board, struct engine *engine, const char *backup_dir) {
  struct job_board *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  made->engine = engine;
  made->backup_dir = backup_dir;
  pthread_mutex_init(&made->lock, NULL);
  for (size_t i = 0; i < JOBS_KEPT; i++) buffer_init(&made->jobs[i].first);
  *board = made;
  return ERR_OK;
}

void job_board_close(struct job_board *board) {
  if (!board) return;
  board->ends = true;
  if (board->threaded) pthread_join(board->thread, NULL);
  for (size_t i = 0; i < JOBS_KEPT; i++) buffer_release(&board->jobs[i].first);
  pthread_mutex_destroy(&board->lock);
  alloc_free(board);
}

// --- running -------------------------------------------------------------------------------------------------

static void keep_breach(void *context, const char *what) {
  struct job_board *board = context;
  pthread_mutex_lock(&board->lock);
  struct job *job = newest(board);
  if (job->breaches++ < JOB_BREACHES_KEPT) {
    struct json_writer writer;
    json_writer_init(&writer, &job->first);
    if (job->first.size_bytes > 0) buffer_append_byte(&job->first, ',');
    json_text(&writer, what);
  }
  pthread_mutex_unlock(&board->lock);
}

static bool keep_progress(void *context, uint64_t rows, uint64_t total) {
  struct job_board *board = context;
  pthread_mutex_lock(&board->lock);
  newest(board)->done = rows;
  newest(board)->total = rows > total ? rows : total;
  bool goes_on = !board->ends && !newest(board)->stops;
  pthread_mutex_unlock(&board->lock);
  return goes_on;
}

static enum err run_simulation(struct job_board *board, struct job *job, struct diag *diag) {
  struct json_writer writer;
  struct buffer report;
  buffer_init(&report);
  json_writer_init(&writer, &report);
  enum err err = engine_simulation_run(job->simulation, keep_progress, board, &writer, diag);
  engine_simulation_close(job->simulation);
  pthread_mutex_lock(&board->lock);
  job->simulation = NULL;
  buffer_release(&job->first);
  job->first = report;
  if (err) buffer_clear(&job->first);
  pthread_mutex_unlock(&board->lock);
  return err;
}

static enum err run_check(struct job_board *board, struct diag *diag) {
  struct engine_check_watch watch = {.breach = keep_breach, .progress = keep_progress, .context = board};
  uint64_t breaches;
  return engine_check_watched(board->engine, &watch, &breaches, diag);
}

static void finish(struct job_board *board, struct job *job, enum err err, const struct diag *diag) {
  uint64_t bytes = err == ERR_OK && job->kind == JOB_BACKUP ? backup_bytes(job->backup.path) : 0;
  pthread_mutex_lock(&board->lock);
  if (job->kind == JOB_BACKUP) job->done = bytes;
  if (err == ERR_OK) job->total = job->done;
  job->ended_us = clock_now_us(engine_clock(board->engine));
  job->diag = *diag;
  job->state = err == ERR_OK ? JOB_DONE : JOB_FAILED;
  pthread_mutex_unlock(&board->lock);
}

static enum err run_job(struct job_board *board, struct job *job, struct diag *diag) {
  if (job->kind == JOB_CHECK) return run_check(board, diag);
  if (job->kind == JOB_SIMULATION) return run_simulation(board, job, diag);
  return backup_make(&job->backup, engine_store(board->engine), engine_clock(board->engine), diag);
}

static void *run(void *context) {
  struct job_board *board = context;
  struct job *job = newest(board); // nobody starts another one before this one's end
  struct diag diag;
  diag_init(&diag);
  int64_t started_us = clock_monotonic_us();
  log_write(LOG_INFO, "job started", "kind=%s id=%s", KIND_NAMES[job->kind], job->id);
  enum err err = run_job(board, job, &diag);
  log_write(err ? LOG_WARN : LOG_INFO, "job ended", "kind=%s id=%s us=%lld code=%s breaches=%llu",
            KIND_NAMES[job->kind], job->id, (long long)(clock_monotonic_us() - started_us), err ? diag.code : "ok",
            (unsigned long long)job->breaches);
  finish(board, job, err, &diag);
  return NULL;
}

static uint64_t bytes_of_store(struct store *store) {
  struct store_stats stats = {0};
  if (store_get_stats(store, &stats) != ERR_OK) return 0;
  uint64_t total = stats.log_bytes;
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) total += stats.bytes[i];
  return total;
}

static void take_place(struct job_board *board, const struct job *wanted, char *id) {
  uint8_t random[(JOB_ID_BYTES - 1) / 2];
  board->count++;
  struct job *job = newest(board);
  struct buffer first = job->first;
  buffer_clear(&first);
  *job = *wanted;
  job->first = first;
  randombytes_buf(random, sizeof random);
  bytes_to_hex(bytes_of(random, sizeof random), job->id);
  memcpy(id, job->id, JOB_ID_BYTES);
}

static enum err start(struct job_board *board, const struct job *wanted, char *id, struct diag *diag) {
  if (board->count > 0 && newest(board)->state == JOB_RUNNING) {
    return diag_set(diag, ERR_BUSY, "job_running",
                    "One job runs at a time, and %s %s is running; ask GET /v1/jobs/%s when it ends.",
                    KIND_NAMES[newest(board)->kind], newest(board)->id, newest(board)->id);
  }
  if (board->threaded) pthread_join(board->thread, NULL); // it has told its end, so this takes no time
  take_place(board, wanted, id);
  board->threaded = pthread_create(&board->thread, NULL, run, board) == 0;
  if (board->threaded) return ERR_OK;
  newest(board)->state = JOB_FAILED;
  newest(board)->simulation = NULL; // the caller's again
  board->count--;
  return diag_set(diag, ERR_NO_MEMORY, "no_memory", "No thread could be started for the job; try again later.");
}

enum err job_start(struct job_board *board, enum job_kind kind, struct bytes name, char *id, struct diag *diag) {
  struct job wanted = {.kind = kind, .started_us = clock_now_us(engine_clock(board->engine))};
  enum err err = kind == JOB_BACKUP ? backup_prepare(&wanted.backup, board->backup_dir, name, diag) : ERR_OK;
  if (err) return err;
  if (kind == JOB_BACKUP) wanted.total = bytes_of_store(engine_store(board->engine));
  pthread_mutex_lock(&board->lock);
  err = start(board, &wanted, id, diag);
  pthread_mutex_unlock(&board->lock);
  return err;
}

enum err job_start_simulation(struct job_board *board, struct engine_simulation *simulation, char *id,
                              struct diag *diag) {
  const struct job wanted = {
      .kind = JOB_SIMULATION, .started_us = clock_now_us(engine_clock(board->engine)), .simulation = simulation};
  pthread_mutex_lock(&board->lock);
  enum err err = start(board, &wanted, id, diag);
  pthread_mutex_unlock(&board->lock);
  if (err) engine_simulation_close(simulation);
  return err;
}

// --- documents -----------------------------------------------------------------------------------------------

static void write_backup(struct json_writer *writer, const struct job *job) {
  json_name(writer, "backup");
  json_object_begin(writer);
  json_member_text(writer, "name", strrchr(job->backup.path, '/') + 1);
  json_member_text(writer, "path", job->backup.path);
  json_name(writer, "bytes");
  if (job->state == JOB_DONE) json_u64(writer, job->done);
  if (job->state != JOB_DONE) json_null(writer);
  json_object_end(writer);
}

static void write_check(struct json_writer *writer, const struct job *job) {
  json_name(writer, "check");
  json_object_begin(writer);
  json_member_u64(writer, "breaches", job->breaches);
  json_name(writer, "first");
  json_array_begin(writer);
  if (job->first.size_bytes > 0 && !job->first.failed) json_raw(writer, buffer_view(&job->first));
  json_array_end(writer);
  json_object_end(writer);
}

static void write_report(struct json_writer *writer, const struct job *job) {
  json_name(writer, "simulation");
  if (job->state == JOB_DONE)
    json_raw(writer, buffer_view(&job->first));
  else
    json_null(writer);
}

static void write_progress(struct json_writer *writer, const struct job *job) {
  bool copying = job->kind == JOB_BACKUP && job->state == JOB_RUNNING;
  uint64_t done = copying ? backup_bytes(job->backup.partial) : job->done;
  json_name(writer, "progress");
  json_object_begin(writer);
  json_member_u64(writer, "done", done);
  json_member_u64(writer, "total", done > job->total ? done : job->total);
  json_object_end(writer);
}

static void write_job(struct json_writer *writer, const struct job *job) {
  static const char *const states[] = {[JOB_RUNNING] = "running", [JOB_DONE] = "done", [JOB_FAILED] = "failed"};
  json_object_begin(writer);
  json_member_text(writer, "id", job->id);
  json_member_text(writer, "kind", KIND_NAMES[job->kind]);
  json_member_text(writer, "state", states[job->state]);
  json_member_time(writer, "started_at", job->started_us);
  json_name(writer, "ended_at");
  if (job->state == JOB_RUNNING) json_null(writer);
  if (job->state != JOB_RUNNING) json_time(writer, job->ended_us);
  write_progress(writer, job);
  if (job->kind == JOB_BACKUP) write_backup(writer, job);
  if (job->kind == JOB_CHECK) write_check(writer, job);
  if (job->kind == JOB_SIMULATION) write_report(writer, job);
  json_name(writer, "error");
  if (job->state == JOB_FAILED) {
    json_object_begin(writer);
    json_member_text(writer, "code", job->diag.code);
    json_member_text(writer, "detail", job->diag.message);
    json_object_end(writer);
  } else {
    json_null(writer);
  }
  json_object_end(writer);
}

static size_t kept(const struct job_board *board) {
  return board->count < JOBS_KEPT ? (size_t)board->count : JOBS_KEPT;
}

static struct job *find(struct job_board *board, struct bytes id) {
  for (size_t i = 0; i < kept(board); i++)
    if (bytes_equal(id, bytes_from_text(board->jobs[i].id))) return &board->jobs[i];
  return NULL;
}

static enum err no_job(struct diag *diag) {
  return diag_set(diag, ERR_NOT_FOUND, "no_job",
                  "There is no job with this id; a server remembers its last %d, and none of before it was started.",
                  JOBS_KEPT);
}

enum err job_json(struct job_board *board, struct bytes id, struct json_writer *writer, struct diag *diag) {
  pthread_mutex_lock(&board->lock);
  const struct job *found = find(board, id);
  if (found) write_job(writer, found);
  pthread_mutex_unlock(&board->lock);
  return found ? ERR_OK : no_job(diag);
}

enum err job_simulation_json(struct job_board *board, struct bytes id, bool stop, struct json_writer *writer,
                             struct diag *diag) {
  pthread_mutex_lock(&board->lock);
  struct job *found = find(board, id);
  if (found && found->kind != JOB_SIMULATION) found = NULL;
  if (found && stop) found->stops = true;
  if (found) write_job(writer, found);
  pthread_mutex_unlock(&board->lock);
  return found ? ERR_OK : no_job(diag);
}

void job_list_json(struct job_board *board, struct json_writer *writer) {
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  pthread_mutex_lock(&board->lock);
  for (size_t i = 0; i < kept(board); i++) write_job(writer, &board->jobs[(board->count - 1 - i) % JOBS_KEPT]);
  pthread_mutex_unlock(&board->lock);
  json_array_end(writer);
  json_object_end(writer);
}
