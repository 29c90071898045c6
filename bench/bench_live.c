// bench_live: a thousand live segments over a million customers, through the whole program.
//
// Makes a workspace, imports a history, starts the program, defines the segments over HTTP, waits until they are
// computed, and then measures one thing. bench/README.md explains the figures.
//
//   bench_live events     single events, then batches: events a second, and how long until memberships are committed
//   bench_live exits      customers whose windows end within one second: how late they leave
//   bench_live midnight   all customers due at one instant: how fast that is worked off, and whether reads are exact
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parts/feed.h"
#include "parts/load.h"
#include "parts/program.h"
#include "parts/report.h"
#include "parts/segments.h"
#include "parts/server.h"
#include "parts/stop.h"

enum {
  BATCH_EVENTS = 500,
  HISTORY_EVENTS = 10, // of a customer
  VISITORS = 20000,    // customers who are there at a time
  EXIT_WINDOW_S = 30,
  BUILD_S = 3600,
  IMPORT_S = 3600,
  NUMBER_MAX = 10000000 // that can be asked for
};

static const int64_t HISTORY_US = INT64_C(90) * 86400 * 1000000, SECOND_US = 1000000;

struct options {
  const char *mode, *program, *directory, *again;
  uint64_t customers, events, seconds, lead_s; // 0: the mode's own number
  uint64_t segments, seed;
  bool quick, keep;
  struct options_words program_flags;
};

struct bench {
  const struct options *options;
  struct program program;
  struct server server;
  struct report report;
};

static void sleep_until_us(int64_t time_us) {
  while (!stop_asked && measure_wall_us() < time_us) usleep(10000);
}

static struct population everybody(const struct options *options) {
  return (struct population){.random = options->seed * 0x9e3779b97f4a7c15, .customers = options->customers};
}

// --- the workspace -------------------------------------------------------------------------------------------

static bool import(struct bench *bench, struct population *population, enum body_mix mix, uint64_t events,
                   int64_t time_us) {
  struct rusage usage;
  int64_t start_us = measure_now_us();
  if (!program_import(&bench->program)) return false;
  bool ok = feed_events(bench->program.input, population, mix, events, time_us);
  close(bench->program.input);
  ok = program_wait(&bench->program, false, IMPORT_S, &usage) && ok;
  fprintf(stderr, "imported %llu events in %.1f s\n", (unsigned long long)events,
          (double)(measure_now_us() - start_us) / 1e6);
  return ok;
}

// Who they are and what they did in the last 90 days.
static bool import_history(struct bench *bench) {
  if (bench->options->again) return true;
  struct population population = everybody(bench->options);
  population.in_turn = HISTORY_EVENTS;
  population.spread_us = HISTORY_US;
  return import(bench, &population, MIX_HISTORY, bench->options->customers * HISTORY_EVENTS, measure_wall_us());
}

static bool define_segments(struct bench *bench) {
  char document[SEGMENTS_DOCUMENT_BYTES];
  int64_t start_us = measure_now_us();
  for (size_t i = 0; i < bench->options->segments; i++) {
    segments_document(i, document);
    if (!server_post(&bench->server, "/v1/segments", document)) return false;
  }
  fprintf(stderr, "defined %llu segments in %.1f s\n", (unsigned long long)bench->options->segments,
          (double)(measure_now_us() - start_us) / 1e6);
  if (!server_wait_built(&bench->server, BUILD_S)) return false;
  report_add(&bench->report, "segments", (double)bench->options->segments, 0);
  report_add(&bench->report, "customers", (double)bench->options->customers, 0);
  report_add(&bench->report, "build_s", (double)(measure_now_us() - start_us) / 1e6, 1);
  return true;
}

static bool serve(struct bench *bench) {
  if (!program_serve(&bench->program)) return false;
  return server_open(&bench->server, bench->program.port, bench->program.secret_key) &&
         (bench->options->again || define_segments(bench));
}

// --- events --------------------------------------------------------------------------------------------------

struct live_counts {
  double evaluations, transitions;
};

static struct live_counts live_counts(struct bench *bench) {
  return (struct live_counts){server_metric(&bench->server, "segment_evaluations_total"),
                              server_metric(&bench->server, "segment_transitions_total")};
}

static bool run_load(struct bench *bench, struct load *load) {
  load->population.visitors = VISITORS;
  load->path = "/v1/batch";
  load->kind = BODY_BATCH;
  load->mix = MIX_RETAIL;
  load->port = bench->program.port;
  load->key = bench->program.write_key;
  load->stop = &stop_asked;
  return load_run(load) && load->taken > 0;
}

// The reply is sent when what the event changed is committed, memberships with it: the time of a request bounds it.
static bool run_singles(struct bench *bench, struct load *load) {
  struct report *report = &bench->report;
  *load = (struct load){.events_each = 1,
                        .connections = 20,
                        .requests = UINT64_MAX,
                        .seconds = (int64_t)bench->options->seconds,
                        .population = everybody(bench->options)};
  load->population.random++;
  load->population.messages = (uint64_t)measure_now_us() << 8; // none is sent again
  if (!run_load(bench, load)) return false;
  report_add(report, "single_events_per_s", (double)load->taken * 1e6 / (double)load->elapsed_us, 0);
  report_add(report, "single_p50_ms", (double)latency_share_us(&load->latency, 0.50) / 1e3, 2);
  report_add(report, "single_p99_ms", (double)latency_share_us(&load->latency, 0.99) / 1e3, 2);
  report_aim(report, '<', 50);
  report_add(report, "single_max_ms", (double)load->latency.max_us / 1e3, 2);
  return true;
}

static bool run_batches(struct bench *bench, struct load *load) {
  struct report *report = &bench->report;
  *load = (struct load){.events_each = BATCH_EVENTS,
                        .connections = 4,
                        .requests = bench->options->events / BATCH_EVENTS,
                        .seconds = 600,
                        .population = everybody(bench->options)};
  load->population.random += 2;
  load->population.messages = (uint64_t)measure_now_us() << 8;
  struct live_counts counts = live_counts(bench);
  struct report_processor before = report_processor_now(bench->program.pid);
  if (!run_load(bench, load)) return false;
  struct report_processor after = report_processor_now(bench->program.pid);
  double events = (double)load->taken, elapsed_s = (double)load->elapsed_us / 1e6;
  report_add(report, "batch_events", events, 0);
  report_add(report, "batch_events_per_s", events / elapsed_s, 0);
  report_aim(report, '>', 20000);
  report_add(report, "batch_p50_ms", (double)latency_share_us(&load->latency, 0.50) / 1e3, 2);
  report_add(report, "batch_p99_ms", (double)latency_share_us(&load->latency, 0.99) / 1e3, 2);
  report_add(report, "batch_max_ms", (double)load->latency.max_us / 1e3, 2);
  report_add(report, "requests_failed", (double)load->failed, 0);
  report_aim(report, '<', 0);
  report_add_processor(report, before, after, elapsed_s, events);
  struct live_counts now = live_counts(bench);
  report_add(report, "evaluations_per_event", (now.evaluations - counts.evaluations) / events, 2);
  report_add(report, "transitions_per_event", (now.transitions - counts.transitions) / events, 2);
  return true;
}

static bool run_events(struct bench *bench) {
  static struct load singles, batches;
  return import_history(bench) && serve(bench) && run_singles(bench, &singles) && run_batches(bench, &batches);
}

// --- exits ---------------------------------------------------------------------------------------------------

struct exits {
  uint64_t entered, left;
  struct latency late;
};

static void take_change(void *context, bool entered, int64_t late_us) {
  struct exits *exits = context;
  if (entered) {
    exits->entered++;
  } else {
    exits->left++;
    latency_add(&exits->late, late_us);
  }
}

static bool define_offer(struct bench *bench, int64_t window_s) {
  char document[SEGMENTS_DOCUMENT_BYTES];
  snprintf(document, sizeof document, "{\"id\":\"offer\",\"include\":\"exists('Offer Opened' in last %lld seconds)\"}",
           (long long)window_s);
  return server_post(&bench->server, "/v1/segments", document) && server_wait_built(&bench->server, BUILD_S);
}

static bool add_exits(struct bench *bench, struct exits *exits, double customers) {
  struct report *report = &bench->report;
  if (!server_changes(&bench->server, "offer", take_change, exits)) return false;
  report_add(report, "exits_wanted", customers, 0);
  report_add(report, "exits", (double)exits->left, 0);
  report_aim(report, '>', customers);
  report_add(report, "exit_late_p50_ms", (double)latency_share_us(&exits->late, 0.50) / 1e3, 1);
  report_add(report, "exit_late_p99_ms", (double)latency_share_us(&exits->late, 0.99) / 1e3, 1);
  report_add(report, "exit_late_max_ms", (double)exits->late.max_us / 1e3, 1);
  return true;
}

static bool run_exits(struct bench *bench) {
  static struct load load;
  static struct exits exits;
  uint64_t customers =
      bench->options->events < bench->options->customers ? bench->options->events : bench->options->customers;
  if (!import_history(bench) || !serve(bench) || !define_offer(bench, EXIT_WINDOW_S)) return false;
  load = (struct load){.path = "/v1/batch",
                       .kind = BODY_BATCH,
                       .mix = MIX_OFFER,
                       .port = bench->program.port,
                       .key = bench->program.write_key,
                       .stop = &stop_asked,
                       .events_each = BATCH_EVENTS,
                       .connections = 4,
                       .requests = customers / BATCH_EVENTS,
                       .seconds = EXIT_WINDOW_S / 2,
                       .population = everybody(bench->options),
                       .first_us = measure_wall_us() - 2 * SECOND_US,
                       .step_us = SECOND_US / (int64_t)customers};
  load.population.in_turn = 1;
  struct report_processor before = report_processor_now(bench->program.pid);
  if (!load_run(&load) || load.taken != customers) return false;
  report_add(&bench->report, "entries_s", (double)load.elapsed_us / 1e6, 2);
  sleep_until_us(load.first_us + (EXIT_WINDOW_S + 6) * SECOND_US);
  struct report_processor after = report_processor_now(bench->program.pid);
  report_add(&bench->report, "program_cpu_us_per_customer",
             (after.program_s - before.program_s) * 1e6 / (double)customers, 1);
  if (!add_exits(bench, &exits, (double)customers)) return false;
  report_aim(&bench->report, '<', 1000);
  return true;
}

// --- midnight ------------------------------------------------------------------------------------------------

struct reads {
  uint64_t random, count, wrong, failed;
  struct latency latency;
};

// One customer, drawn at random: is she a member, and is that right?
static void read_one(struct bench *bench, struct reads *reads, int64_t due_us) {
  char path[128];
  reads->random = reads->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  snprintf(path, sizeof path, "/v1/customers/user_id:u%07llu/segments",
           (unsigned long long)((reads->random >> 20) % bench->options->customers));
  int64_t before_us = measure_wall_us();
  bool got = server_get(&bench->server, path);
  int64_t after_us = measure_wall_us();
  reads->failed += !got;
  if (!got) return;
  bool member = strstr(server_text(&bench->server), "\"offer\"") != NULL;
  reads->count++;
  reads->wrong += (member && before_us >= due_us) || (!member && after_us < due_us);
  latency_add(&reads->latency, after_us - before_us);
}

// Reads until all timers are worked off, and looks for that every 50 ms. When that was.
static int64_t work_off(struct bench *bench, struct reads *reads, int64_t due_us, double wanted) {
  int64_t until_us = due_us + 300 * SECOND_US, looked_us = 0, told_us = 0;
  for (;;) {
    read_one(bench, reads, due_us);
    int64_t now_us = measure_wall_us();
    if (now_us - looked_us < 50000) continue;
    double timers = server_metric(&bench->server, "timers_total");
    looked_us = measure_wall_us();
    if (timers >= wanted || now_us > until_us || stop_asked) return now_us;
    if (now_us > due_us && now_us - told_us > 2 * SECOND_US) {
      fprintf(stderr, "%.0f to go\n", wanted - timers);
      told_us = now_us;
    }
  }
}

static bool run_midnight(struct bench *bench) {
  static struct reads reads;
  static struct exits exits;
  struct report *report = &bench->report;
  double customers = (double)bench->options->customers;
  struct population population = everybody(bench->options);
  population.in_turn = 1;
  population.messages = bench->options->customers << 8; // other messages, and the first customer first
  if (!import_history(bench)) return false;
  int64_t opened_us = measure_wall_us() / SECOND_US * SECOND_US;
  if (!import(bench, &population, MIX_OFFER, bench->options->customers, opened_us) || !serve(bench)) return false;
  int64_t due_us = measure_wall_us() / SECOND_US * SECOND_US + (int64_t)bench->options->lead_s * SECOND_US;
  if (!define_offer(bench, (due_us - opened_us) / SECOND_US)) return false;
  if (measure_wall_us() >= due_us) {
    fprintf(stderr, "bench: the segment was computed after its time: raise --lead\n");
    return false;
  }
  sleep_until_us(due_us - SECOND_US);
  double timers = server_metric(&bench->server, "timers_total");
  struct report_processor before = report_processor_now(bench->program.pid);
  int64_t end_us = work_off(bench, &reads, due_us, timers + customers);
  struct report_processor after = report_processor_now(bench->program.pid);
  double elapsed_s = (double)(end_us - due_us) / 1e6;
  report_add(report, "due_at_once", customers, 0);
  report_add(report, "worked_off_s", elapsed_s, 2);
  report_add(report, "worked_off_per_s", customers / elapsed_s, 0);
  report_aim(report, '>', 50000);
  report_add(report, "program_cpu_us_per_customer", (after.program_s - before.program_s) * 1e6 / customers, 2);
  report_add(report, "reads", (double)reads.count, 0);
  report_add(report, "reads_wrong", (double)(reads.wrong + reads.failed), 0);
  report_aim(report, '<', 0);
  report_add(report, "read_p99_ms", (double)latency_share_us(&reads.latency, 0.99) / 1e3, 2);
  return add_exits(bench, &exits, customers);
}

// --- the command line ----------------------------------------------------------------------------------------

struct mode {
  const char *name;
  bool (*run)(struct bench *bench);
  uint64_t events, quick_events;
};

static const struct mode modes[] = {
    {"events", run_events, 1000000, 50000}, {"exits", run_exits, 20000, 2000}, {"midnight", run_midnight, 0, 0}};

static void take_defaults(struct options *options, const struct mode *mode) {
  if (options->customers == 0) options->customers = options->quick ? 5000 : 1000000;
  if (options->events == 0) options->events = options->quick ? mode->quick_events : mode->events;
  if (options->seconds == 0) options->seconds = options->quick ? 2 : 20;
  if (options->lead_s == 0) options->lead_s = options->quick ? 10 : 120;
}

static bool run(const struct mode *mode, struct options *options) {
  static struct bench bench;
  take_defaults(options, mode);
  bench.options = options;
  program_use(&bench.program, options->program, options->program_flags);
  bool ok =
      options->again ? program_again(&bench.program, options->again) : program_init(&bench.program, options->directory);
  if (ok) {
    ok = mode->run(&bench);
    if (bench.program.pid > 0) report_add_memory(&bench.report, bench.program.pid);
    if (!ok) program_show_log(&bench.program);
  }
  if (bench.server.http) server_close(&bench.server);
  program_release(&bench.program, options->keep);
  if (ok) report_print(&bench.report, "live", mode->name, options->quick);
  return ok;
}

int main(int argc, char **argv) {
  struct options options = {
      .mode = "events", .program = "build/rapport", .directory = "build/bench", .segments = 1000, .seed = 1};
  const struct options_row rows[] = {
      {.value = "events|exits|midnight", .help = "what is measured (events)", .text = &options.mode},
      {"--quick", .help = "small and short: does it work", .flag = &options.quick},
      {"--customers", "N", "1000000, a multiple of 500", .number = &options.customers, .most = NUMBER_MAX},
      {"--segments", "N", "1000", .number = &options.segments, .most = NUMBER_MAX},
      {"--events", "N", "events: 1000000 in batches; exits: 20000", .number = &options.events, .most = NUMBER_MAX},
      {"--seconds", "N", "events: how long single ones are sent (20)", .number = &options.seconds, .most = NUMBER_MAX},
      {"--lead", "N", "midnight: seconds to compute the segment before all fall due (120)", .number = &options.lead_s,
       .most = NUMBER_MAX},
      {"--seed", "N", "another seed, other events", .number = &options.seed, .most = NUMBER_MAX},
      {"--program", "PATH", "what is measured (build/rapport)", .text = &options.program},
      {"--dir", "DIR", "where its data goes for the time (build/bench)", .text = &options.directory},
      {"--keep", .help = "leave the data there", .flag = &options.keep},
      {"--again", "DIR", "go on with data that was left, of as many customers and segments", .text = &options.again},
      {"--", "FLAGS", "more flags for serve and import", .words = &options.program_flags, .most = PROGRAM_FLAGS_MAX},
  };
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  stop_on_signals();
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(options.mode, modes[i].name) == 0) return run(&modes[i], &options) ? 0 : 1;
  return 2;
}
