// bench_ingest: how fast events get in, through the whole program.
//
// Makes a workspace in a directory of its own, starts the program on it, sends events of a shop and says how many a
// second were durable and fully processed, what that cost, and whether the product's targets hold. bench/README.md
// explains the figures.
//
//   bench_ingest full     batches of 500 over a few connections (the default)
//   bench_ingest single   one event a request over many connections
//   bench_ingest import   NDJSON through a pipe into `rapport import -`
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "parts/feed.h"
#include "parts/load.h"
#include "parts/program.h"
#include "parts/report.h"
#include "parts/stop.h"

enum { BATCH_EVENTS = 500, LINES_AT_ONCE = 512, STOP_S = 60, CUSTOMERS_MAX = 10000000, DAY_S = 86400 };

static const double YEAR_US = 365.0 * 86400e6;

struct options {
  const char *mode, *program, *directory;
  uint64_t events, customers, connections, seconds; // 0: the mode's own number
  uint64_t seed;
  bool quick, keep;
  struct options_words program_flags;
};

// --- what every mode measures --------------------------------------------------------------------------------

static void add_disk(struct report *report, const struct program *program, double events) {
  double bytes = (double)measure_disk_bytes(program->data);
  report_add(report, "disk_mib", bytes / 1048576, 1);
  report_add(report, "disk_bytes_per_event", bytes / events, 1);
}

static struct population make_population(const struct options *options) {
  uint64_t customers = options->customers;
  if (customers == 0) customers = options->quick ? 10000 : 1000000;
  return (struct population){.random = options->seed * 0x9e3779b97f4a7c15, .customers = customers};
}

static uint64_t events_of(const struct options *options, uint64_t quick, uint64_t full) {
  if (options->events > 0) return options->events;
  return options->quick ? quick : full;
}

// --- over HTTP -----------------------------------------------------------------------------------------------

static void add_load(struct report *report, const struct load *load, bool batches) {
  double elapsed_s = (double)load->elapsed_us / 1e6;
  report_add(report, "events", (double)load->taken, 0);
  report_add(report, "elapsed_s", elapsed_s, 2);
  report_add(report, batches ? "events_per_s" : "requests_per_s", (double)load->taken / elapsed_s, 0);
  report_aim(report, '>', batches ? 40000 : 8000);
  report_add(report, "request_p50_ms", (double)latency_share_us(&load->latency, 0.50) / 1e3, 2);
  report_add(report, "request_p99_ms", (double)latency_share_us(&load->latency, 0.99) / 1e3, 2);
  if (!batches) report_aim(report, '<', 25);
  report_add(report, "request_max_ms", (double)load->latency.max_us / 1e3, 2);
  report_add(report, "requests_failed", (double)load->failed, 0);
  report_aim(report, '<', 0);
  report_add(report, "events_not_taken", (double)(load->answered * load->events_each - load->taken - load->duplicates),
             0);
  report_aim(report, '<', 0);
  report_add(report, "duplicates", (double)load->duplicates, 0);
  report_add(report, "connections", (double)load->connections, 0);
  report_add(report, "customers", (double)load->population.customers, 0);
  report_add(report, "bytes_per_request", (double)load->body_bytes, 0);
}

static bool run_load(struct load *load, struct program *program, struct report *report) {
  if (!program_serve(program)) return false;
  load->port = program->port;
  load->key = program->write_key;
  load->stop = &stop_asked;
  struct report_processor before = report_processor_now(program->pid);
  bool ok = load_run(load);
  struct report_processor after = report_processor_now(program->pid);
  if (!ok || load->taken == 0) return false;
  add_load(report, load, load->kind == BODY_BATCH);
  report_add_processor(report, before, after, (double)load->elapsed_us / 1e6, (double)load->taken);
  report_add_memory(report, program->pid);
  report_add(report, "memory_end_mib", measure_memory_mib(program->pid, "VmRSS"), 1);
  struct rusage usage;
  int64_t stop_us = measure_now_us();
  if (!program_wait(program, true, STOP_S, &usage))
    fprintf(stderr, "bench_ingest: the server did not stop by itself\n");
  report_add(report, "stop_ms", (double)(measure_now_us() - stop_us) / 1e3, 0);
  add_disk(report, program, (double)load->taken);
  return true;
}

static bool run_full(const struct options *options, struct program *program, struct report *report) {
  uint64_t events = events_of(options, 50000, 3000000);
  static struct load load;
  load = (struct load){.path = "/v1/batch",
                       .kind = BODY_BATCH,
                       .events_each = BATCH_EVENTS,
                       .connections = options->connections > 0 ? options->connections : 4,
                       .requests = (events + BATCH_EVENTS - 1) / BATCH_EVENTS,
                       .seconds = options->seconds > 0 ? (int64_t)options->seconds : 600,
                       .population = make_population(options)};
  return run_load(&load, program, report);
}

static bool run_single(const struct options *options, struct program *program, struct report *report) {
  static struct load load;
  load = (struct load){.path = "/v1/track",
                       .kind = BODY_SINGLE,
                       .events_each = 1,
                       .connections = options->connections > 0 ? options->connections : 64,
                       .requests = options->events > 0 ? options->events : UINT64_MAX,
                       .seconds = options->seconds > 0 ? (int64_t)options->seconds : (options->quick ? 2 : 20),
                       .population = make_population(options)};
  return run_load(&load, program, report);
}

// --- from a file ---------------------------------------------------------------------------------------------

// A year of events in the order of their time, as an export has them. Returns how many were written.
static uint64_t feed(int fd, const struct options *options, uint64_t events, int64_t until_us) {
  struct population population = make_population(options);
  struct body lines;
  int64_t step_us = (int64_t)(YEAR_US / (double)events);
  int64_t time_us = (int64_t)time(NULL) * 1000000 - (int64_t)events * step_us;
  uint64_t written = 0;
  if (!body_init(&lines, BODY_LINES, MIX_SHOP, 0, LINES_AT_ONCE)) return 0;
  while (written < events && measure_now_us() < until_us) {
    body_fill(&lines, &population, time_us + (int64_t)written * step_us, step_us, 0);
    if (!feed_write(fd, lines.text, lines.size_bytes)) break;
    written += LINES_AT_ONCE;
  }
  body_release(&lines);
  return written;
}

static bool run_import(const struct options *options, struct program *program, struct report *report) {
  uint64_t events = events_of(options, 200000, 10000000) / LINES_AT_ONCE * LINES_AT_ONCE;
  int64_t start_us = measure_now_us();
  int64_t seconds = options->seconds > 0 ? (int64_t)options->seconds : 900;
  struct report_processor before = {0, measure_cpu_own_s(), measure_cpu_machine_s()};
  if (!program_import(program)) return false;
  fprintf(stderr, "importing, pid %d\n", (int)program->pid);
  uint64_t fed = feed(program->input, options, events, start_us + seconds * 1000000);
  close(program->input);
  struct rusage usage;
  bool ok = program_wait(program, false, (int)seconds, &usage);
  double elapsed_s = (double)(measure_now_us() - start_us) / 1e6;
  struct report_processor after = {measure_cpu_of_usage_s(&usage), measure_cpu_own_s(), measure_cpu_machine_s()};
  program_show_log(program);
  if (!ok || fed == 0) return false;
  report_add(report, "events", (double)fed, 0);
  report_add(report, "elapsed_s", elapsed_s, 2);
  report_add(report, "events_per_s", (double)fed / elapsed_s, 0);
  report_aim(report, '>', 80000);
  report_add_processor(report, before, after, elapsed_s, (double)fed);
  report_add(report, "memory_peak_mib", (double)usage.ru_maxrss / 1024, 1);
  report_aim(report, '<', 512);
  add_disk(report, program, (double)fed);
  return true;
}

// --- the command line ----------------------------------------------------------------------------------------

struct mode {
  const char *name;
  bool (*run)(const struct options *options, struct program *program, struct report *report);
};

static const struct mode modes[] = {{"full", run_full}, {"single", run_single}, {"import", run_import}};

static bool run(const struct mode *mode, const struct options *options) {
  static struct program program;
  struct report report = {.count = 0};
  program_use(&program, options->program, options->program_flags);
  bool ok = program_init(&program, options->directory);
  if (ok) {
    report_add(&report, "disk_syncs_per_s", measure_syncs_per_s(program.directory), 0);
    ok = mode->run(options, &program, &report);
    if (!ok) program_show_log(&program);
  }
  program_release(&program, options->keep);
  if (!ok) return false;
  report_print(&report, "ingest", options->mode, options->quick);
  return true;
}

int main(int argc, char **argv) {
  struct options options = {.mode = "full", .program = "build/rapport", .directory = "build/bench", .seed = 1};
  const struct options_row rows[] = {
      {.value = "full|single|import", .help = "what is sent (full)", .text = &options.mode},
      {"--quick", .help = "small and short: does it work", .flag = &options.quick},
      {"--events", "N", "full: 3000000; import: 10000000; single: as many as the time allows",
       .number = &options.events, .most = UINT32_MAX},
      {"--customers", "N", "1000000", .number = &options.customers, .most = CUSTOMERS_MAX},
      {"--connections", "N", "full: 4; single: 64", .number = &options.connections, .most = LOAD_CONNECTIONS_MAX},
      {"--seconds", "N", "stop sending then; full: 600; single: 20; import: 900", .number = &options.seconds,
       .most = DAY_S},
      {"--seed", "N", "another seed, other events", .number = &options.seed, .most = UINT32_MAX},
      {"--program", "PATH", "what is measured (build/rapport)", .text = &options.program},
      {"--dir", "DIR", "where its data goes for the time (build/bench)", .text = &options.directory},
      {"--keep", .help = "leave the data there", .flag = &options.keep},
      {"--", "FLAGS", "more flags for serve or import", .words = &options.program_flags, .most = PROGRAM_FLAGS_MAX},
  };
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  stop_on_signals();
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(options.mode, modes[i].name) == 0) return run(&modes[i], &options) ? 0 : 1;
  return 2;
}
