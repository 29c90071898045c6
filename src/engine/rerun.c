// rerun.c: the job that runs stored decisions again after the identity rules changed.
//
// It makes the passes of rules_try.c, in steps: rows of EDGE, to find who is tied to whom; customers that are tied to
// nobody, in order of their ids; groups of the others. What a group's replay finds different is carried out at once
// (rerun_apply.c). The DOCUMENT row "rerun" keeps how far it is:
//   - the customer up to which the second pass is done; who is tied is found out anew after a restart, and groups that
//     are done already differ in nothing;
//   - the group that is being carried out, by one of its customers: its outcome is counted already, so that a stop
//     amid it counts nothing twice.
// Invariants: at most one job, for the version in force; when that changes, it begins again. The row is written before
// the first change of a group. The walk is memory only, under upkeep_mutex.
#include "engine/rerun.h"

#include <string.h>

#include "engine/ties.h"

enum { TIES_ROWS = 5000, CUSTOMERS_ROWS = 256, RECORD_KEY_BYTES = 9, SAVE_EVERY_US = 500000 };

enum status { NEVER, RUNNING, STOPPED, DONE };
static const char *const status_names[] = {"never", "running", "stopped", "done"};

struct job {
  enum status status;
  uint64_t version, position, open; // `open`: a customer of the group that is counted and being carried out
  uint64_t total, done, merged, parted, skipped;
  int64_t started_us, ended_us;
  char author[LIMIT_NAME_BYTES + 1];
};

enum pass { PASS_TIES, PASS_UNTIED, PASS_TIED };

struct engine_rerun {
  struct job job;
  bool walking; // what follows is open
  enum pass pass;
  const struct identity_rules *rules;
  struct replay_rules replay;
  struct rerun_eras eras;
  struct ties ties;
  struct key next; // row of EDGE
  size_t group;
  struct arena arena;
  int64_t saved_us; // monotonic
  int64_t until_us; // the end of this piece of work
};

// --- its row -------------------------------------------------------------------------------------------------

struct number {
  const char *name;
  size_t offset;
};
static const struct number numbers[] = {
    {"version", offsetof(struct job, version)},
    {"position", offsetof(struct job, position)},
    {"open", offsetof(struct job, open)},
    {"total", offsetof(struct job, total)},
    {"done", offsetof(struct job, done)},
    {"merged", offsetof(struct job, merged)},
    {"parted", offsetof(struct job, parted)},
    {"skipped", offsetof(struct job, skipped)},
    {"started_us", offsetof(struct job, started_us)},
    {"ended_us", offsetof(struct job, ended_us)},
};
enum { NUMBER_COUNT = sizeof numbers / sizeof *numbers };

static enum err pack(struct engine *engine, const struct job *job, struct buffer *row) {
  struct value_builder builder;
  value_builder_init(&builder, row, engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "status", bytes_from_text(status_names[job->status]));
  engine_put_text(&builder, "author", bytes_from_text(job->author));
  for (int i = 0; i < NUMBER_COUNT; i++) {
    int64_t number;
    memcpy(&number, (const char *)job + numbers[i].offset, sizeof number);
    engine_put_i64(&builder, numbers[i].name, number);
  }
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  struct key key;
  (void)diag;
  engine_text_key(&key, "rerun");
  return store_put(txn, STORE_DOCUMENT, key_view(&key), *(const struct bytes *)context);
}

static enum err save(struct engine *engine, const struct job *job, struct store_mark *mark, struct diag *diag) {
  struct buffer row;
  buffer_init(&row);
  enum err err = pack(engine, job, &row);
  struct bytes view = buffer_view(&row);
  if (err == ERR_OK) err = store_run(engine->store, put_row, &view, mark, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  buffer_release(&row);
  return err;
}

static void read_row(const struct engine *engine, struct value row, struct job *job) {
  struct bytes status = engine_member_text(engine, row, "status"), author = engine_member_text(engine, row, "author");
  for (int i = NEVER; i <= DONE; i++)
    if (bytes_equal(status, bytes_from_text(status_names[i]))) job->status = (enum status)i;
  if (author.size_bytes < sizeof job->author) memcpy(job->author, author.data, author.size_bytes);
  for (int i = 0; i < NUMBER_COUNT; i++) {
    int64_t number = engine_member_i64(engine, row, numbers[i].name);
    memcpy((char *)job + numbers[i].offset, &number, sizeof number);
  }
}

static enum err load(struct engine *engine, struct job *job) {
  struct store_snapshot *snapshot;
  struct arena arena;
  struct bytes row;
  struct key key;
  *job = (struct job){0};
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  engine_text_key(&key, "rerun");
  err = store_snapshot_get(snapshot, STORE_DOCUMENT, key_view(&key), &arena, &row);
  if (err == ERR_OK && row.data != NULL) read_row(engine, (struct value){row}, job);
  arena_release(&arena);
  store_snapshot_close(snapshot);
  return err;
}

// --- the walk ------------------------------------------------------------------------------------------------

static void end_walk(struct engine_rerun *rerun) {
  if (!rerun->walking) return;
  rerun_eras_close(&rerun->eras);
  ties_release(&rerun->ties);
  arena_release(&rerun->arena);
  rerun->walking = false;
}

static enum err begin_walk(struct engine *engine, struct engine_rerun *rerun, struct diag *diag) {
  struct engine_view *view;
  rerun->rules = engine_rules(engine);
  rerun->pass = PASS_TIES;
  rerun->group = 0;
  key_init(&rerun->next);
  arena_init(&rerun->arena, 0);
  rerun->walking = true;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return err;
  err = rerun_eras_open(&rerun->eras, view, rerun->rules, &rerun->replay, diag);
  engine_view_close(view);
  return err;
}

static void begin_job(struct engine *engine, struct job *job, struct bytes author) {
  struct engine_counts counts;
  engine_get_counts(engine, &counts);
  *job = (struct job){.status = RUNNING,
                      .version = identity_rules_version(engine_rules(engine)),
                      .total = counts.customers,
                      .started_us = clock_now_us(engine->clock)};
  if (author.size_bytes < sizeof job->author) memcpy(job->author, author.data, author.size_bytes);
}

static enum err end_job(struct engine *engine, struct engine_rerun *rerun, struct diag *diag) {
  struct store_mark mark;
  rerun->job.status = DONE;
  rerun->job.ended_us = clock_now_us(engine->clock);
  rerun->job.done = rerun->job.total;
  end_walk(rerun);
  return save(engine, &rerun->job, &mark, diag);
}

// --- one group -----------------------------------------------------------------------------------------------

static bool is_open(const struct job *job, const uint64_t *customers, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (customers[i] == job->open) return true;
  return false;
}

// A customer of the group that keeps its id whatever comes next: one that is parted, else the oldest.
static uint64_t anchor_of(const struct replay_plan *plan, const uint64_t *customers) {
  return plan->cut_count > 0 ? plan->cuts[0].customer : customers[0];
}

static enum err carry_out(struct engine *engine, struct engine_rerun *rerun, const struct replay_plan *plan,
                          const struct replay_counts *counts, const uint64_t *customers, size_t count,
                          struct diag *diag) {
  struct job *job = &rerun->job;
  struct store_mark mark;
  if (!is_open(job, customers, count)) {
    job->merged += counts->would_merge;
    job->parted += counts->would_part;
  }
  job->open = anchor_of(plan, customers);
  enum err err = save(engine, job, &mark, diag);
  if (err == ERR_OK) err = rerun_apply(engine, plan, job->version, diag);
  return err;
}

// The parts of a customer belong together still, by the pairs that were cut: they are looked at with the tied ones, and
// not one by one when the walk comes to their ids.
static enum err tie_parts(struct engine *engine, struct engine_rerun *rerun, const struct replay_plan *plan,
                          struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return err;
  for (size_t i = 0; err == ERR_OK && i < plan->cut_count; i++)
    err = ties_add(&rerun->ties, view, plan->cuts[i].a, plan->cuts[i].b, &rerun->arena, diag);
  engine_view_close(view);
  return err;
}

// Left as they are, and counted: a group that is too large to be run, or to be changed in one commit, and one that
// cannot be read, which `rapport check` names.
static enum err skip(struct job *job, size_t customers, enum err err) {
  if (err != ERR_LIMIT && err != ERR_CORRUPT) return err;
  job->skipped += customers;
  return ERR_OK;
}

static enum err run_group(struct engine *engine, struct engine_rerun *rerun, struct engine_view *view,
                          const uint64_t *customers, size_t count, bool tied, struct diag *diag) {
  struct replay_counts counts = {0};
  struct replay_plan plan = {0};
  enum err err = replay_group(view, &rerun->replay, customers, count, tied, &rerun->arena, &counts, &plan, diag);
  bool differs = plan.cut_count + plan.accept_count + plan.share_count + plan.restate_count > 0;
  if (err == ERR_OK && differs) err = carry_out(engine, rerun, &plan, &counts, customers, count, diag);
  if (err == ERR_OK && !tied) err = tie_parts(engine, rerun, &plan, diag);
  rerun->job.done += count;
  return skip(&rerun->job, count, err);
}

// --- passes --------------------------------------------------------------------------------------------------

static enum err step_ties(struct engine_rerun *rerun, struct engine_view *view, struct diag *diag) {
  struct key from = rerun->next;
  enum err err =
      ties_scan(&rerun->ties, view, rerun->rules, key_view(&from), TIES_ROWS, &rerun->next, &rerun->arena, diag);
  if (err == ERR_OK && key_view(&rerun->next).size_bytes == 0) rerun->pass = PASS_UNTIED;
  return err;
}

static bool names_record(struct bytes key) {
  return key.size_bytes == RECORD_KEY_BYTES && key.data[RECORD_KEY_BYTES - 1] == CUSTOMER_ROW_RECORD;
}

static enum err step_customer(struct engine *engine, struct engine_rerun *rerun, struct engine_view *view, uint64_t id,
                              struct bytes row, struct diag *diag) {
  struct customer record;
  if (ties_hold(&rerun->ties, id)) return ERR_OK;
  arena_clear(&rerun->arena);
  enum err err = customer_decode(row, id, &rerun->arena, &record);
  if (err != ERR_OK) return skip(&rerun->job, 1, err);
  if (record.merged_into != 0) return ERR_OK;
  return run_group(engine, rerun, view, &id, 1, false, diag);
}

static enum err step_untied(struct engine *engine, struct engine_rerun *rerun, struct engine_view *view,
                            struct diag *diag) {
  struct store_cursor *cursor;
  struct key from;
  struct bytes key, row;
  size_t rows = 0;
  key_init(&from);
  key_put_u64(&from, rerun->job.position + 1);
  enum err err = store_snapshot_scan(view->snapshot, STORE_CUSTOMER, key_view(&from), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  bool more = true, in_time = true;
  while (err == ERR_OK && in_time && (more = rows < CUSTOMERS_ROWS && store_cursor_next(cursor, &key, &row))) {
    rows++;
    if (!names_record(key)) continue;
    uint64_t id = key_read_u64(key.data);
    err = step_customer(engine, rerun, view, id, row, diag);
    if (err == ERR_OK) rerun->job.position = id;
    in_time = clock_monotonic_us() < rerun->until_us;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  if (err != ERR_OK || more || rows == CUSTOMERS_ROWS) return err;
  ties_sort(&rerun->ties);
  rerun->pass = PASS_TIED;
  return ERR_OK;
}

static enum err step_tied(struct engine *engine, struct engine_rerun *rerun, struct engine_view *view,
                          struct diag *diag) {
  uint64_t *customers;
  size_t count, next = rerun->group;
  if (rerun->group >= rerun->ties.count) return end_job(engine, rerun, diag);
  arena_clear(&rerun->arena);
  enum err err = ties_next(&rerun->ties, &next, &rerun->arena, &customers, &count);
  if (err == ERR_OK && count > 0) err = run_group(engine, rerun, view, customers, count, true, diag);
  if (err == ERR_OK) rerun->group = next;
  return err;
}

static enum err step(struct engine *engine, struct engine_rerun *rerun, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return err;
  if (rerun->pass == PASS_TIES)
    err = step_ties(rerun, view, diag);
  else if (rerun->pass == PASS_UNTIED)
    err = step_untied(engine, rerun, view, diag);
  else
    err = step_tied(engine, rerun, view, diag);
  engine_view_close(view);
  return err;
}

// --- the job -------------------------------------------------------------------------------------------------

// The job as it stands: read once, then kept.
static enum err get_rerun(struct engine *engine, struct engine_rerun **rerun) {
  *rerun = engine->rerun;
  if (*rerun != NULL) return ERR_OK;
  struct engine_rerun *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return ERR_NO_MEMORY;
  enum err err = load(engine, &made->job);
  if (err != ERR_OK) {
    alloc_free(made);
    return err;
  }
  *rerun = engine->rerun = made;
  return ERR_OK;
}

void rerun_close(struct engine *engine) {
  if (engine->rerun == NULL) return;
  end_walk(engine->rerun);
  alloc_free(engine->rerun);
  engine->rerun = NULL;
}

// Changed rules: what was done counts for nothing.
static enum err begin_again(struct engine *engine, struct engine_rerun *rerun, struct diag *diag) {
  char author[sizeof rerun->job.author];
  struct store_mark mark;
  memcpy(author, rerun->job.author, sizeof author);
  end_walk(rerun);
  begin_job(engine, &rerun->job, bytes_from_text(author));
  return save(engine, &rerun->job, &mark, diag);
}

// More is tied together than memory is spent on: it would not end otherwise the next time. The error tells.
static void give_up(struct engine *engine, struct engine_rerun *rerun) {
  struct store_mark mark;
  struct diag ignored;
  diag_init(&ignored);
  rerun->job.status = STOPPED;
  save(engine, &rerun->job, &mark, &ignored);
}

static enum err go_on(struct engine *engine, struct engine_rerun *rerun, int64_t budget_us, struct diag *diag) {
  int64_t now_us = clock_monotonic_us();
  struct store_mark mark;
  enum err err = ERR_OK;
  rerun->until_us = now_us + budget_us;
  if (!rerun->walking) err = begin_walk(engine, rerun, diag);
  while (err == ERR_OK && rerun->job.status == RUNNING && now_us < rerun->until_us) {
    err = step(engine, rerun, diag);
    now_us = clock_monotonic_us();
  }
  if (err == ERR_OK && rerun->job.status == RUNNING && now_us - rerun->saved_us >= SAVE_EVERY_US) {
    err = save(engine, &rerun->job, &mark, diag);
    rerun->saved_us = now_us;
  }
  if (err != ERR_OK) end_walk(rerun); // it goes on from what is stored
  if (err == ERR_LIMIT) give_up(engine, rerun);
  return err;
}

enum err rerun_tick(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag) {
  struct engine_rerun *rerun;
  *more = false;
  enum err err = get_rerun(engine, &rerun);
  if (err != ERR_OK || rerun->job.status != RUNNING) return err;
  if (rerun->job.version != identity_rules_version(engine_rules(engine))) err = begin_again(engine, rerun, diag);
  if (err == ERR_OK) err = go_on(engine, rerun, budget_us, diag);
  *more = rerun->job.status == RUNNING;
  return err;
}

// --- what people ask -----------------------------------------------------------------------------------------

static void write_instant(struct json_writer *writer, const char *name, int64_t time_us) {
  json_name(writer, name);
  if (time_us == 0)
    json_null(writer);
  else
    json_time(writer, time_us);
}

static void write_job(struct engine *engine, const struct job *job, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "status", status_names[job->status]);
  json_member_u64(writer, "version", job->version);
  json_member_u64(writer, "in_force", identity_rules_version(engine_rules(engine)));
  json_member_text(writer, "author", job->author);
  write_instant(writer, "started_at", job->started_us);
  write_instant(writer, "ended_at", job->ended_us);
  json_member_u64(writer, "customers", job->total);
  json_member_u64(writer, "done", job->done < job->total ? job->done : job->total);
  json_member_u64(writer, "merged", job->merged);
  json_member_u64(writer, "parted", job->parted);
  json_member_u64(writer, "skipped", job->skipped);
  json_object_end(writer);
}

// A change of the job that somebody asks for.
struct asking {
  struct engine *engine;
  struct job job;
  struct bytes row; // empty: nothing changes, and the answer says so
  struct json_writer *writer;
};

static enum err ask_body(struct store_txn *txn, void *context, struct diag *diag) {
  struct asking *asking = context;
  struct buffer *out = asking->writer->out;
  buffer_clear(out);
  json_writer_init(asking->writer, out);
  write_job(asking->engine, &asking->job, asking->writer);
  if (out->failed) return diag_no_memory(diag);
  return asking->row.size_bytes == 0 ? ERR_OK : put_row(txn, &asking->row, diag);
}

static enum err carry_on(struct engine *engine, struct engine_rerun *rerun, const struct job *job, bool changed,
                         struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct asking asking = {.engine = engine, .job = *job, .writer = writer};
  struct buffer row;
  buffer_init(&row);
  enum err err = changed ? pack(engine, job, &row) : ERR_OK;
  asking.row = buffer_view(&row);
  if (err == ERR_OK) err = engine_run(engine, ask_body, &asking, commit, diag);
  buffer_release(&row);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err != ERR_OK || !changed) return err;
  end_walk(rerun);
  rerun->job = *job;
  return ERR_OK;
}

static enum err start(struct engine *engine, struct bytes author, struct json_writer *writer,
                      struct engine_commit *commit, struct diag *diag) {
  struct engine_rerun *rerun;
  enum err err = get_rerun(engine, &rerun);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  struct job job = rerun->job;
  bool same = job.version == identity_rules_version(engine_rules(engine));
  bool runs = job.status == RUNNING && same;
  if (job.status == STOPPED && same)
    job.status = RUNNING;
  else if (!runs)
    begin_job(engine, &job, author);
  return carry_on(engine, rerun, &job, !runs, writer, commit, diag);
}

static enum err stop(struct engine *engine, struct json_writer *writer, struct engine_commit *commit,
                     struct diag *diag) {
  struct engine_rerun *rerun;
  enum err err = get_rerun(engine, &rerun);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  struct job job = rerun->job;
  bool runs = job.status == RUNNING;
  if (runs) job.status = STOPPED;
  return carry_on(engine, rerun, &job, runs, writer, commit, diag);
}

static enum err refuse_to_look(struct diag *diag) {
  return diag_set(diag, ERR_DENIED, "read_only",
                  "this command only looks at the workspace and cannot change customers");
}

enum err engine_rerun_start(struct engine *engine, struct bytes author, struct json_writer *writer,
                            struct engine_commit *commit, struct diag *diag) {
  if (engine->read_only) return refuse_to_look(diag);
  enum err err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  pthread_mutex_lock(&engine->upkeep_mutex);
  err = start(engine, author, writer, commit, diag);
  pthread_mutex_unlock(&engine->upkeep_mutex);
  if (err == ERR_OK && engine->wake != NULL) engine->wake(engine->wake_context);
  return err;
}

enum err engine_rerun_stop(struct engine *engine, struct json_writer *writer, struct engine_commit *commit,
                           struct diag *diag) {
  if (engine->read_only) return refuse_to_look(diag);
  pthread_mutex_lock(&engine->upkeep_mutex);
  enum err err = stop(engine, writer, commit, diag);
  pthread_mutex_unlock(&engine->upkeep_mutex);
  return err;
}

enum err engine_rerun_work(struct engine *engine, int64_t budget_us, struct engine_rerun_progress *progress,
                           struct diag *diag) {
  if (engine->read_only) return refuse_to_look(diag);
  pthread_mutex_lock(&engine->upkeep_mutex);
  enum err err = rerun_tick(engine, budget_us, &progress->running, diag);
  if (engine->rerun != NULL) {
    progress->total = engine->rerun->job.total;
    progress->done = engine->rerun->job.done;
    progress->changed = engine->rerun->job.merged + engine->rerun->job.parted;
  }
  pthread_mutex_unlock(&engine->upkeep_mutex);
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}

enum err engine_rerun_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  struct job job;
  enum err err = load(engine, &job);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  write_job(engine, &job, writer);
  return writer->out->failed ? diag_no_memory(diag) : ERR_OK;
}
