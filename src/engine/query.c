// query.c: from a text to a program, and how many customers it is true for.
//
// A count divides the ids into ranges of about equal work, many more than threads, and each thread takes the next range
// that nobody has: one that is slow keeps nobody waiting. Invariants:
//   1. An expression that asks only for events is run over the timelines alone. Customers without events all have one
//      answer, which is found once, over nobody; how many they are the snapshot's own counters tell.
//   2. The asking thread alone tells the progress.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/catalog.h"
#include "engine/query_private.h"

enum { RANGES_EACH = 16, RANGES_MAX = QUERY_THREADS_MAX * RANGES_EACH, TELL_EVERY = 128 };

// --- compiling -----------------------------------------------------------------------------------------------

static enum err refuse(const struct rule_diag *why, enum err err, struct rule_diag *refusal, struct diag *diag) {
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (refusal != NULL) *refusal = *why;
  return diag_set(diag, ERR_INVALID, why->code, "%s", why->message);
}

static void keep_warnings(struct engine_query *query, const struct rule_check *check) {
  for (size_t i = 0; i < check->warning_count && query->warning_count < RULE_WARNINGS_MAX; i++)
    query->warnings[query->warning_count++] = check->warnings[i];
}

// Names that the dictionary lacks match nothing: a question adds none.
static enum err find_name(void *context, struct bytes name, uint32_t *id) {
  const struct engine *engine = context;
  *id = names_find(engine->names, name);
  return ERR_OK;
}

enum err query_compile_node(struct engine_query *query, const struct rule_node *node, struct rule_program **program,
                            struct diag *diag) {
  struct engine *engine = query->view->engine;
  struct rule_compile with = {.zone = engine_zone(engine), .name_id = find_name, .context = engine};
  enum err err = rule_compile(node, &with, program, diag);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

enum err query_compile(struct engine_query *query, struct bytes text, bool condition, struct rule_node **tree,
                       struct rule_program **program, struct rule_diag *refusal, struct diag *diag) {
  struct catalog catalog;
  struct rule_diag why = {.code = ""};
  struct rule_check *check = arena_take_zero(&query->arena, 1, sizeof *check);
  if (check == NULL) return diag_no_memory(diag);
  catalog_open(&catalog, query->view->engine);
  check->catalog = &catalog.names;
  check->condition = condition;
  enum err err = rule_parse(text, &query->arena, tree, &why);
  if (err == ERR_OK) err = rule_check(*tree, check, &why);
  catalog_close(&catalog);
  if (err != ERR_OK) return refuse(&why, err, refusal, diag);
  keep_warnings(query, check);
  return query_compile_node(query, *tree, program, diag);
}

// --- what an earlier instant cannot give ---------------------------------------------------------------------

void query_note(struct engine_query *query, const char *first, struct bytes name, const char *last) {
  const char *words = arena_format(&query->arena, "%s%.*s%s", first, BYTES_ARG(name), last);
  struct buffer *out = &query->not_as_of;
  if (words == NULL) out->failed = true;
  if (words == NULL || (out->size_bytes > 0 && memmem(out->data, out->size_bytes, words, strlen(words)) != NULL))
    return;
  if (out->size_bytes > 0) buffer_append_text(out, ", ");
  buffer_append_text(out, words);
}

static void note_lookup(struct engine_query *query, const struct rule_need_lookup *lookup) {
  char first[64];
  if (lookup->function == RULE_FUNCTION_NONE) {
    query_note(query, "attributes.", lookup->name, "");
    return;
  }
  bool is_named = lookup->name.size_bytes > 0;
  snprintf(first, sizeof first, "%s(%s", rule_function_info(lookup->function)->name, is_named ? "\"" : "");
  query_note(query, first, lookup->name, is_named ? "\")" : "…)");
}

enum err query_put_into_words(struct engine_query *query, struct diag *diag) {
  if (query->not_as_of.failed) return diag_no_memory(diag);
  if (query->not_as_of.size_bytes == 0) return ERR_OK;
  if (query->options.strict)
    return diag_set(diag, ERR_INVALID, "not_as_of",
                    "only events are known as of an earlier time; these are known as of now: %.*s",
                    BYTES_ARG(buffer_view(&query->not_as_of)));
  query->not_as_of_words =
      arena_format(&query->arena, "only events are as of the time asked for; these are as of now: %.*s",
                   BYTES_ARG(buffer_view(&query->not_as_of)));
  return query->not_as_of_words == NULL ? diag_no_memory(diag) : ERR_OK;
}

enum err query_note_needs(struct engine_query *query, const struct rule_program *program, struct diag *diag) {
  const struct rule_needs *needs = rule_program_needs(program);
  query->records = query->records || needs->trait_count > 0 || needs->lookup_count > 0;
  query->events = query->events || needs->event_count > 0;
  if (!query->options.has_at) return ERR_OK;
  for (size_t i = 0; i < needs->trait_count; i++)
    query_note(query, "traits.", names_text(query->view->engine->names, needs->traits[i]), "");
  for (size_t i = 0; i < needs->lookup_count; i++) note_lookup(query, &needs->lookups[i]);
  return query_put_into_words(query, diag);
}

// --- opening -------------------------------------------------------------------------------------------------

enum err engine_query_open(struct engine_view *view, const struct engine_query_options *options,
                           struct engine_query **query, struct rule_diag *refusal, struct diag *diag) {
  if (refusal != NULL) refusal->code[0] = '\0';
  struct engine_query *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  made->view = view;
  made->options = *options;
  made->at_us = options->has_at ? options->at_us : clock_now_us(view->engine->clock);
  arena_init(&made->arena, 0);
  buffer_init(&made->not_as_of);
  enum err err = query_compile(made, options->text, !options->any_value, &made->tree, &made->program, refusal, diag);
  if (err == ERR_OK) err = query_note_needs(made, made->program, diag);
  if (err == ERR_OK)
    *query = made;
  else
    engine_query_close(made);
  return err;
}

void engine_query_close(struct engine_query *query) {
  if (query == NULL) return;
  if (query->program != NULL) rule_program_close(query->program);
  for (size_t i = 0; i < query->field_count; i++)
    if (query->fields[i].program != NULL) rule_program_close(query->fields[i].program);
  buffer_release(&query->not_as_of);
  arena_release(&query->arena);
  alloc_free(query);
}

struct engine_query_notes engine_query_notes(const struct engine_query *query) {
  return (struct engine_query_notes){query->warnings, query->warning_count, query->not_as_of_words, query->at_us};
}

void engine_query_print(const struct engine_query *query, struct buffer *out) {
  rule_print(query->tree, out);
}

bool engine_query_is_condition(const struct engine_query *query) {
  rule_types types = query->tree->types;
  return (types & 1U << RULE_TYPE_BOOL) != 0 || types == 1U << RULE_TYPE_NULL;
}

// --- counting ------------------------------------------------------------------------------------------------

struct count_run {
  struct engine_query *query;
  engine_query_progress_fn *progress;
  void *context;
  uint64_t total; // customers, as the counters of the snapshot say
  uint64_t from[RANGES_MAX + 1];
  size_t range_count;
  const uint32_t *names; // whoever has no events of these has one answer (invariant 1); NULL: nobody may be left out
  size_t name_count;
  bool times_only;
  _Atomic size_t next_range;
  _Atomic uint64_t members, unknown, customers;
  _Atomic int err;       // the first failure
  _Atomic bool stopping; // a failure, or the progress said so
};

struct count_worker {
  struct count_run *run;
  struct query_asker *asker;
  bool asks; // the thread that asked
  pthread_t thread;
};

static void tell(struct count_worker *worker) {
  struct count_run *run = worker->run;
  if (!worker->asks || run->progress == NULL) return;
  if (run->progress(run->context, atomic_load(&run->customers), run->total)) return;
  int none = ERR_OK;
  atomic_compare_exchange_strong(&run->err, &none, ERR_STOPPED);
  atomic_store(&run->stopping, true);
}

static enum err count_range(struct count_worker *worker, struct scan *scan) {
  struct count_run *run = worker->run;
  const struct engine_query *query = run->query;
  struct rule_answer answer;
  struct facts *facts;
  uint64_t members = 0, unknown = 0, seen = 0;
  enum err err = ERR_OK;
  while (!atomic_load_explicit(&run->stopping, memory_order_relaxed)) {
    err = scan_next(scan, &facts);
    if (err == ERR_OK) err = query_asker_run(worker->asker, query->program, facts, false, &answer);
    if (err != ERR_OK) break;
    members += rule_is_true(&answer);
    unknown += answer.status == RULE_UNKNOWN;
    if (++seen % TELL_EVERY != 0) continue;
    atomic_fetch_add(&run->customers, TELL_EVERY);
    tell(worker);
  }
  atomic_fetch_add(&run->members, members);
  atomic_fetch_add(&run->unknown, unknown);
  atomic_fetch_add(&run->customers, seen % TELL_EVERY);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err count_ranges(struct count_worker *worker) {
  struct count_run *run = worker->run;
  enum err err = ERR_OK;
  for (tell(worker); err == ERR_OK && !atomic_load(&run->stopping); tell(worker)) {
    size_t range = atomic_fetch_add(&run->next_range, 1);
    struct scan *scan;
    if (range >= run->range_count) break;
    struct scan_options options = query_asker_scan(worker->asker, run->from[range], run->from[range + 1]);
    options.names = run->names;
    options.name_count = run->name_count;
    options.times_only = run->times_only;
    err = scan_open(&scan, &options);
    if (err != ERR_OK) break;
    err = count_range(worker, scan);
    scan_close(scan);
  }
  return err;
}

static void *work(void *context) {
  struct count_worker *worker = context;
  int none = ERR_OK;
  enum err err = count_ranges(worker);
  if (err == ERR_OK) return NULL;
  atomic_compare_exchange_strong(&worker->run->err, &none, err);
  atomic_store(&worker->run->stopping, true);
  return NULL;
}

static unsigned thread_count(const struct engine_query *query) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = query->options.threads != 0 ? query->options.threads : cores > 0 ? (unsigned)cores : 1;
  return wanted < QUERY_THREADS_MAX ? wanted : QUERY_THREADS_MAX;
}

// Fewer threads than wanted do the same work, as long as there is the one that asked.
static enum err run_workers(struct count_run *run) {
  struct count_worker workers[QUERY_THREADS_MAX];
  unsigned wanted = thread_count(run->query), count = 0;
  enum err err = ERR_OK;
  for (; err == ERR_OK && count < wanted; count++) {
    workers[count] = (struct count_worker){.run = run, .asks = count == 0};
    err = query_asker_open(run->query, &workers[count].asker);
    if (err != ERR_OK) break;
    if (count == 0 || pthread_create(&workers[count].thread, NULL, work, &workers[count]) == 0) continue;
    query_asker_close(workers[count].asker);
    break;
  }
  if (count == 0) return err;
  work(&workers[0]);
  for (unsigned i = 1; i < count; i++) pthread_join(workers[i].thread, NULL);
  for (unsigned i = 0; i < count; i++) query_asker_close(workers[i].asker);
  return (enum err)atomic_load(&run->err);
}

static enum err no_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  (void)context, (void)wanted;
  *columns = (struct rule_columns){0};
  return ERR_OK;
}

enum err query_run_over_nobody(const struct engine_query *query, struct rule_answer *answer) {
  const struct rule_customer nobody = {.columns = no_columns};
  struct rule_machine *machine;
  enum err err = rule_machine_open(&machine, NULL);
  if (err != ERR_OK) return err;
  err = rule_run(machine, query->program, &nobody, query->at_us, false, answer);
  bool is_true = err == ERR_OK && rule_is_true(answer);
  rule_machine_close(machine);
  answer->value = (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = is_true};
  return err;
}

static enum err add_without_events(struct count_run *run, struct engine_query_count *count) {
  struct rule_answer answer;
  if (run->query->records || !run->query->events || run->total <= count->customers) return ERR_OK;
  enum err err = query_run_over_nobody(run->query, &answer);
  uint64_t others = run->total - count->customers;
  if (err == ERR_OK && rule_is_true(&answer)) count->members += others;
  if (err == ERR_OK && answer.status == RULE_UNKNOWN) count->unknown += others;
  count->customers = run->total;
  return err;
}

enum err query_total(const struct engine_query *query, uint64_t *total) {
  struct engine_counts counts;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = engine_counts_at(query->view->snapshot, &arena, &counts);
  arena_release(&arena);
  if (err == ERR_OK) *total = counts.customers;
  return err;
}

static enum err prepare(struct count_run *run) {
  size_t wanted = (size_t)thread_count(run->query) * RANGES_EACH;
  enum err err = query_total(run->query, &run->total);
  if (err == ERR_OK) err = scan_ranges(run->query->view->snapshot, wanted, run->from, &run->range_count);
  if (err == ERR_OK) run->from[run->range_count] = 0; // the last one goes on to the end
  const struct rule_needs *needs = rule_program_needs(run->query->program);
  if (run->query->records || !run->query->events) return err;
  run->names = needs->events;
  run->name_count = needs->event_count;
  run->times_only = !needs->details;
  return err;
}

enum err engine_query_count(struct engine_query *query, engine_query_progress_fn *progress, void *context,
                            struct engine_query_count *count, struct diag *diag) {
  struct count_run run = {.query = query, .progress = progress, .context = context};
  *count = (struct engine_query_count){0};
  enum err err = prepare(&run);
  if (err == ERR_OK) err = run_workers(&run);
  *count =
      (struct engine_query_count){atomic_load(&run.members), atomic_load(&run.unknown), atomic_load(&run.customers)};
  if (err == ERR_OK) err = add_without_events(&run, count);
  if (err == ERR_STOPPED) return diag_set(diag, err, "stopped", "the count was stopped");
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

enum err engine_query_count_json(struct engine_query *query, engine_query_progress_fn *progress, void *context,
                                 struct json_writer *writer, struct diag *diag) {
  struct engine_query_count count;
  enum err err = engine_query_count(query, progress, context, &count, diag);
  if (err != ERR_OK) return err;
  json_object_begin(writer);
  json_member_u64(writer, "count", count.members);
  json_member_u64(writer, "unknown", count.unknown);
  json_member_u64(writer, "customers", count.customers);
  json_member_time(writer, "at", query->at_us);
  engine_query_write_warnings(query, writer);
  json_object_end(writer);
  return read_end(ERR_OK, writer, diag);
}
