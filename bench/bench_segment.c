// bench_segment: how long it takes to count an unseen segment over a shop's customers, beside DuckDB on the same data.
//
// Makes both stores once, in a directory that is kept, and asks both the same questions with the same number of
// threads: each once to warm up, then five times, of which the median counts. The answers must be equal. Processor time
// is told too: on a machine that does other things it is the steadier figure.
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "customer/scan.h"
#include "engine/engine.h"
#include "parts/measure.h"
#include "parts/options.h"
#include "parts/shop.h"
#include "rule/check.h"

enum { RUNS = 5, THREADS_MAX = 16, RANGES = 32, PATH_BYTES = 512, QUICK_SHARE = 20 };

struct question {
  const char *name, *expression;
};
// bench/segment/duckdb.mjs asks the same in SQL.
static const struct question questions[] = {
    {"count", "count(\"Order Completed\" where total >= 50 in last 90 days) >= 3"},
    {"sum", "sum(total of \"Order Completed\") >= 500"},
    {"funnel",
     "sequence(\"Product Viewed\" then \"Product Added\" within 7 days then \"Order Completed\" within 7 days)"},
    {"abandoned", "sequence(\"Product Added\" then not \"Order Completed\")"},
};
enum { QUESTIONS = sizeof questions / sizeof *questions };

struct options {
  const char *directory, *scripts;
  const char *source; // what is counted from
  uint64_t customers, threads;
  bool quick;
};

struct outcome {
  uint64_t answer;
  double seconds, cpu_seconds; // medians
};

static void fail(const char *what, const char *why) {
  fprintf(stderr, "bench_segment: %s: %s\n", what, why);
  exit(1);
}

// --- Rapport -------------------------------------------------------------------------------------------------

static enum err name_id(void *context, struct bytes name, uint32_t *id) {
  (void)context;
  *id = 0;
  for (uint32_t i = 0; i < SHOP_NAMES; i++)
    if (bytes_equal(name, bytes_from_text(shop_names[i]))) *id = i + 1;
  if (bytes_equal(name, BYTES("total"))) *id = SHOP_NAMES + 1;
  return ERR_OK;
}

static struct rule_program *compile(const char *text, const struct rule_zone *zone, struct arena *arena) {
  struct rule_node *tree;
  struct rule_diag why;
  struct rule_check check = {.condition = true};
  struct rule_compile with = {.zone = zone, .name_id = name_id};
  struct rule_program *program;
  if (rule_parse(bytes_from_text(text), arena, &tree, &why) != ERR_OK) fail(text, why.message);
  if (rule_check(tree, &check, &why) != ERR_OK) fail(text, why.message);
  if (rule_compile(tree, &with, &program, NULL) != ERR_OK) fail(text, "it cannot be compiled");
  return program;
}

struct count {
  struct store_snapshot *snapshot;
  const struct rule_program *program;
  bool projections;
  uint64_t from[RANGES];
  size_t range_count;
  _Atomic size_t next_range;
  _Atomic uint64_t members;
  _Atomic int failed;
};

static enum err count_range(struct count *count, size_t range, struct rule_machine *machine, uint64_t *members) {
  struct scan_options options = {.snapshot = count->snapshot,
                                 .from = count->from[range],
                                 .to = range + 1 < count->range_count ? count->from[range + 1] : 0,
                                 .events = true};
  if (count->projections) {
    const struct rule_needs *needs = rule_program_needs(count->program);
    options.names = needs->events;
    options.name_count = needs->event_count;
    options.times_only = !needs->details;
  }
  struct scan *scan;
  struct facts *facts;
  struct rule_answer answer;
  enum err err = scan_open(&scan, &options);
  while (err == ERR_OK) {
    err = scan_next(scan, &facts);
    if (err == ERR_OK) err = rule_run(machine, count->program, &facts->customer, SHOP_NOW_US, false, &answer);
    if (err == ERR_OK) *members += rule_is_true(&answer);
  }
  scan_close(scan);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void *count_ranges(void *context) {
  struct count *count = context;
  struct rule_machine *machine;
  uint64_t members = 0;
  enum err err = rule_machine_open(&machine, NULL);
  for (size_t range; err == ERR_OK && (range = atomic_fetch_add(&count->next_range, 1)) < count->range_count;)
    err = count_range(count, range, machine, &members);
  atomic_fetch_add(&count->members, members);
  if (err != ERR_OK) atomic_store(&count->failed, err);
  rule_machine_close(machine);
  return NULL;
}

struct workspace {
  struct store *store;
  bool projections;
  size_t threads;
};

static uint64_t count_members(const struct workspace *workspace, const struct rule_program *program) {
  pthread_t handles[THREADS_MAX];
  struct count count = {.program = program, .projections = workspace->projections};
  size_t threads = workspace->threads;
  if (store_snapshot_open(workspace->store, &count.snapshot) != ERR_OK) fail("snapshot", "it cannot be opened");
  if (scan_ranges(count.snapshot, RANGES, count.from, &count.range_count) != ERR_OK) fail("scan", "no ranges");
  for (size_t i = 0; i < threads; i++) pthread_create(&handles[i], NULL, count_ranges, &count);
  for (size_t i = 0; i < threads; i++) pthread_join(handles[i], NULL);
  store_snapshot_close(count.snapshot);
  if (atomic_load(&count.failed) != ERR_OK) fail("scan", err_name((enum err)atomic_load(&count.failed)));
  return atomic_load(&count.members);
}

static void measure(const struct workspace *workspace, const struct rule_program *program, struct outcome *outcome) {
  double seconds[RUNS], cpu_seconds[RUNS];
  outcome->answer = count_members(workspace, program);
  for (int i = 0; i < RUNS; i++) {
    double before_s = measure_clock_s(CLOCK_MONOTONIC), cpu_before_s = measure_clock_s(CLOCK_PROCESS_CPUTIME_ID);
    count_members(workspace, program);
    seconds[i] = measure_clock_s(CLOCK_MONOTONIC) - before_s;
    cpu_seconds[i] = measure_clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_before_s;
  }
  outcome->seconds = measure_median(seconds, RUNS);
  outcome->cpu_seconds = measure_median(cpu_seconds, RUNS);
}

// The events need no engine; projections are built by one, which finds a workspace without rules, names or sources.
static void build_projections(struct store *store) {
  struct clock clock;
  struct engine_options options = {.store = store, .clock = &clock};
  struct store_stats stats;
  struct engine *engine;
  struct diag diag;
  diag_init(&diag);
  clock_init(&clock);
  enum err err = engine_open(&engine, &options, &diag);
  if (err == ERR_NOT_FOUND) err = engine_create_workspace(store, options.clock, &diag);
  if (err == ERR_OK && engine == NULL) err = engine_open(&engine, &options, &diag);
  if (err != ERR_OK) fail("engine", diag.message);
  double before_s = measure_clock_s(CLOCK_MONOTONIC), cpu_before_s = measure_clock_s(CLOCK_PROCESS_CPUTIME_ID);
  if (engine_project_now(engine, &diag) != ERR_OK) fail("projections", diag.message);
  double seconds = measure_clock_s(CLOCK_MONOTONIC) - before_s,
         cpu_seconds = measure_clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_before_s;
  engine_close(engine);
  if (store_compact(store, STORE_PROJECTION, BYTES(""), BYTES(""), &diag) != ERR_OK) fail("projections", diag.message);
  if (store_get_stats(store, &stats) != ERR_OK) fail("statistics", "the store gives none");
  printf("projections: built in %.1f s (%.1f s of processor time), %.0f MB\n\n", seconds, cpu_seconds,
         (double)stats.bytes[STORE_PROJECTION] / 1e6);
}

static void open_source(const struct options *options, struct workspace *workspace) {
  workspace->projections = strcmp(options->source, "projections") == 0;
  if (workspace->projections) build_projections(workspace->store);
}

static void ask_rapport(const struct options *options, const char *path, struct outcome *outcomes) {
  struct store_options store_options = {.path = path};
  struct workspace workspace = {.threads = options->threads};
  struct rule_zone *zone;
  struct arena arena;
  struct diag diag;
  diag_init(&diag);
  arena_init(&arena, 0);
  if (store_open_rocksdb(&workspace.store, &store_options, &diag) != ERR_OK) fail(path, diag.message);
  store_set_tidy(workspace.store, STORE_TIMELINE, timeline_tidy);
  open_source(options, &workspace);
  if (rule_zone_open_utc(&zone) != ERR_OK) fail("zone", "no memory");
  for (size_t i = 0; i < QUESTIONS; i++) {
    struct rule_program *program = compile(questions[i].expression, zone, &arena);
    measure(&workspace, program, &outcomes[i]);
    rule_program_close(program);
  }
  rule_zone_close(zone);
  arena_release(&arena);
  store_close(workspace.store);
}

// --- DuckDB --------------------------------------------------------------------------------------------------

static FILE *run_script(const struct options *options, const char *mode, const char *database, const char *file) {
  char command[3 * PATH_BYTES];
  snprintf(command, sizeof command, "node '%s/duckdb.mjs' %s '%s' %" PRIu64 " '%s'", options->scripts, mode, database,
           options->threads, file);
  FILE *pipe = popen(command, "r");
  if (pipe == NULL) fail(command, strerror(errno));
  return pipe;
}

static void make_duckdb(const struct options *options, const char *database) {
  char csv[PATH_BYTES], draft[PATH_BYTES];
  snprintf(csv, sizeof csv, "%s.csv", database);
  snprintf(draft, sizeof draft, "%s.new", database);
  FILE *file = fopen(csv, "w");
  if (file == NULL || shop_write_csv(file, options->customers) != ERR_OK || fclose(file) != 0)
    fail(csv, strerror(errno));
  unlink(draft);
  if (pclose(run_script(options, "load", draft, csv)) != 0) fail("DuckDB", "it did not take the events");
  unlink(csv);
  if (rename(draft, database) != 0) fail(database, strerror(errno));
}

// Lines "name answer seconds cpu_seconds seconds cpu_seconds …", in the order of the questions.
static void ask_duckdb(const struct options *options, const char *database, struct outcome *outcomes) {
  FILE *pipe = run_script(options, "ask", database, "");
  for (size_t i = 0; i < QUESTIONS; i++) {
    char name[32];
    double seconds[RUNS], cpu_seconds[RUNS];
    bool read = fscanf(pipe, "%31s %" SCNu64, name, &outcomes[i].answer) == 2;
    for (int j = 0; read && j < RUNS; j++) read = fscanf(pipe, "%lf %lf", &seconds[j], &cpu_seconds[j]) == 2;
    if (!read || strcmp(name, questions[i].name) != 0) fail("DuckDB", "no answer");
    outcomes[i].seconds = measure_median(seconds, RUNS);
    outcomes[i].cpu_seconds = measure_median(cpu_seconds, RUNS);
  }
  if (pclose(pipe) != 0) fail("DuckDB", "it failed");
}

// --- the whole -----------------------------------------------------------------------------------------------

static bool report(const struct outcome *ours, const struct outcome *theirs) {
  bool equal = true;
  printf("%-10s %10s %12s %12s %12s %12s %8s\n", "question", "answer", "rapport_s", "cpu_s", "duckdb_s", "cpu_s",
         "ratio");
  for (size_t i = 0; i < QUESTIONS; i++) {
    printf("%-10s %10" PRIu64 " %12.3f %12.3f %12.3f %12.3f %8.2f\n", questions[i].name, ours[i].answer,
           ours[i].seconds, ours[i].cpu_seconds, theirs[i].seconds, theirs[i].cpu_seconds,
           theirs[i].seconds / ours[i].seconds);
    if (ours[i].answer == theirs[i].answer) continue;
    printf("  DuckDB says %" PRIu64 "\n", theirs[i].answer);
    equal = false;
  }
  return equal;
}

int main(int count, char **arguments) {
  struct diag diag;
  diag_init(&diag);
  struct options options = {.directory = "build/bench-segment",
                            .scripts = "bench/segment",
                            .source = "projections",
                            .customers = 1000000,
                            .threads = 2};
  const struct options_row rows[] = {
      {"--quick", .help = "a twentieth of the customers", .flag = &options.quick},
      {"--from", "projections|timelines", "what is counted from (projections)", .text = &options.source},
      {"--customers", "N", "1000000", .number = &options.customers},
      {"--threads", "N", "2", .number = &options.threads, .most = THREADS_MAX},
      {"--directory", "DIR", "where the data is kept (build/bench-segment)", .text = &options.directory},
      {"--scripts", "DIR", "where duckdb.mjs is (bench/segment)", .text = &options.scripts},
  };
  char path[PATH_BYTES / 2], database[PATH_BYTES / 2], format[PATH_BYTES];
  struct outcome ours[QUESTIONS], theirs[QUESTIONS];
  options_take(rows, OPTIONS_COUNT(rows), count, arguments);
  if (options.quick) options.customers /= QUICK_SHARE;
  mkdir(options.directory, 0777);
  snprintf(path, sizeof path, "%s/rapport-%" PRIu64, options.directory, options.customers);
  snprintf(database, sizeof database, "%s/events-%" PRIu64 ".duckdb", options.directory, options.customers);
  snprintf(format, sizeof format, "%s/FORMAT", path);
  if (access(format, F_OK) != 0 && shop_make(path, options.customers, &diag) != ERR_OK) fail(path, diag.message);
  if (access(database, F_OK) != 0) make_duckdb(&options, database);
  ask_rapport(&options, path, ours);
  ask_duckdb(&options, database, theirs);
  return report(ours, theirs) ? 0 : 1;
}
