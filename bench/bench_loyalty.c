// bench_loyalty: a shop's tills and web site at a loyalty programme of a million members, through the whole program.
//
// Makes a workspace with a programme, imports the members' orders, which earn, starts the program, defines 10,000 rules
// over HTTP, and measures what was asked for, one after the other. bench/README.md explains the figures.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "loyalty/shop.h"
#include "parts/feed.h"
#include "parts/load.h"
#include "parts/program.h"
#include "parts/report.h"
#include "parts/server.h"
#include "parts/stop.h"

enum {
  ORDERS_EACH = 3, // lots of a member
  FEW_CONNECTIONS = 4,
  CONNECTIONS = 64,
  CODES_AT_ONCE = 10000,
  CODES_A_SECOND = 15000, // it ends early when all are used
  SHARED_USES = 800000,   // the rest of the million are used while points expire
  RIVAL_CAMPAIGNS = 5,    // 1,000 rules
  RIVAL_BASKETS = 1000,
  IMPORT_S = 7200,
  EXPIRE_S = 1200,
  POLL_US = 100000,
  SETTLED_US = 2000000,
  SETTLE_S = 300, // for compactions of what was written before
  DAY_S = 86400,
  NUMBER_MAX = 9999500, // that can be asked for
  CLOCK_FLAGS = 2       // more, when points expire
};

static const int64_t SECOND_US = 1000000;
static const double IDLE_S = 0.03; // of processor time in a second

struct options {
  const char *mode, *program, *directory, *scripts, *again;
  uint64_t customers, campaigns, seconds, seed;
  bool quick, keep;
  struct options_words program_flags;
};

struct bench {
  const struct options *options;
  struct program program;
  struct server server;
  struct report report;
  struct shop shop;
  char (*codes)[SHOP_CODE_BYTES];
  int64_t imported_us; // of all orders that were imported
  size_t campaigns;    // that are defined
};

// --- the workspace -------------------------------------------------------------------------------------------

static bool serve(struct bench *bench) {
  if (bench->server.http) server_close(&bench->server);
  bench->server.http = NULL;
  if (!program_serve(&bench->program)) return false;
  return server_open(&bench->server, bench->program.port, bench->program.secret_key);
}

// Until it has nothing left to do: what was written before is compacted while nobody is measured.
static void settle(const struct bench *bench) {
  double before_s = measure_cpu_of_s(bench->program.pid);
  for (int waited_s = 0; waited_s < SETTLE_S && !stop_asked; waited_s++) {
    usleep(1000000);
    double now_s = measure_cpu_of_s(bench->program.pid);
    if (now_s - before_s < IDLE_S) break;
    before_s = now_s;
  }
}

static bool stop_serving(struct bench *bench) {
  struct rusage usage;
  return program_wait(&bench->program, true, IMPORT_S, &usage);
}

// All at one time, so that all that is earned expires at one time.
static bool import_orders(struct bench *bench) {
  struct population population = {
      .random = bench->options->seed, .customers = bench->options->customers, .in_turn = ORDERS_EACH};
  uint64_t events = bench->options->customers * ORDERS_EACH;
  struct rusage usage;
  int64_t start_us = measure_now_us();
  bench->imported_us = measure_wall_us();
  if (!program_import(&bench->program)) return false;
  bool ok = feed_events(bench->program.input, &population, MIX_ORDER, events, bench->imported_us);
  close(bench->program.input);
  ok = program_wait(&bench->program, false, IMPORT_S, &usage) && ok;
  double elapsed_s = (double)(measure_now_us() - start_us) / 1e6;
  double cpu_s = measure_cpu_of_usage_s(&usage);
  report_add(&bench->report, "customers", (double)bench->options->customers, 0);
  report_add(&bench->report, "import_orders_per_s", (double)events / elapsed_s, 0);
  report_add(&bench->report, "import_cpu_us_per_order", cpu_s * 1e6 / (double)events, 1);
  fprintf(stderr, "imported %llu orders in %.1f s\n", (unsigned long long)events, elapsed_s);
  return ok;
}

// What is not in the workspace itself, for who measures on it again.
static bool write_state(const struct bench *bench) {
  char path[PROGRAM_PATH_BYTES + 16];
  snprintf(path, sizeof path, "%s/state", bench->program.directory);
  FILE *file = fopen(path, "we");
  if (!file) return false;
  fprintf(file, "%lld %zu\n", (long long)bench->imported_us, bench->campaigns);
  return fclose(file) == 0;
}

static bool read_state(struct bench *bench) {
  char path[PROGRAM_PATH_BYTES + 16];
  long long imported_us = 0;
  snprintf(path, sizeof path, "%s/state", bench->program.directory);
  FILE *file = fopen(path, "re");
  bool ok = file && fscanf(file, "%lld %zu", &imported_us, &bench->campaigns) == 2;
  if (file) fclose(file);
  bench->imported_us = imported_us;
  if (!ok) fprintf(stderr, "bench: %s was not kept whole\n", bench->program.directory);
  return ok;
}

static bool define_campaigns(struct bench *bench, size_t wanted) {
  bool ok = true;
  while (ok && bench->campaigns < wanted) {
    char *document = shop_campaign(bench->campaigns);
    ok = document && server_put(&bench->server, "/v1/loyalty/campaigns", document);
    if (ok) bench->campaigns++;
    free(document);
  }
  return write_state(bench) && ok;
}

static bool set_up(struct bench *bench) {
  bench->shop = (struct shop){.random = bench->options->seed,
                              .customers = bench->options->customers,
                              .run = (uint64_t)(measure_wall_us() / SECOND_US)};
  if (bench->options->again) return read_state(bench) && serve(bench);
  return serve(bench) && server_put(&bench->server, "/v1/loyalty/programmes", shop_programme) &&
         server_put(&bench->server, "/v1/loyalty/vouchers", shop_single) &&
         server_put(&bench->server, "/v1/loyalty/vouchers", shop_shared) && stop_serving(bench) &&
         import_orders(bench) && write_state(bench) && serve(bench);
}

// --- one load ------------------------------------------------------------------------------------------------

struct outcome {
  double per_s, cpu_us, p50_ms, p99_ms, max_ms, failed;
  double alone_per_s, queue_ms;             // if nothing ever waited but for a processor; at that many connections
  double generator_percent, others_percent; // of all processors
  double per_sync, sync_ms;                 // requests; how long one took, if they went on without a pause
};

static bool run_load(struct bench *bench, const char *path, load_fill_fn *fill, size_t connections, uint64_t requests,
                     struct outcome *outcome) {
  static struct load load;
  load = (struct load){.fill = fill,
                       .context = &bench->shop,
                       .path = path,
                       .key = bench->program.secret_key,
                       .port = bench->program.port,
                       .connections = connections,
                       .requests = requests,
                       .seconds = (int64_t)bench->options->seconds,
                       .stop = &stop_asked};
  double syncs = server_metric(&bench->server, "store_syncs_total");
  fprintf(stderr, "sending\n");
  struct report_processor from = report_processor_now(bench->program.pid);
  if (!load_run(&load) || load.answered == 0) return false;
  struct report_processor to = report_processor_now(bench->program.pid);
  syncs = server_metric(&bench->server, "store_syncs_total") - syncs;
  double program_s = to.program_s - from.program_s, generator_s = to.generator_s - from.generator_s;
  double cores = (double)sysconf(_SC_NPROCESSORS_ONLN), cores_s = cores * (double)load.elapsed_us / 1e6;
  double others_s = to.machine_s - from.machine_s - program_s - generator_s, answered = (double)load.answered;
  *outcome = (struct outcome){
      .per_s = answered * 1e6 / (double)load.elapsed_us,
      .cpu_us = program_s * 1e6 / answered,
      .alone_per_s = cores * answered / (program_s + generator_s),
      .queue_ms = (double)connections * (program_s + generator_s) * 1e3 / (cores * answered),
      .generator_percent = generator_s * 100 / cores_s,
      .others_percent = (others_s > 0 ? others_s : 0) * 100 / cores_s,
      .per_sync = syncs > 0 ? answered / syncs : 0,
      .sync_ms = syncs > 0 ? (double)load.elapsed_us / 1e3 / syncs : 0,
      .p50_ms = (double)latency_share_us(&load.latency, 0.50) / 1e3,
      .p99_ms = (double)latency_share_us(&load.latency, 0.99) / 1e3,
      .max_ms = (double)load.latency.max_us / 1e3,
      .failed = (double)load.failed,
  };
  return true;
}

struct figures {
  const char *per_s, *cpu_us, *p50_ms, *p99_ms, *max_ms, *failed; // names
  const char *alone_per_s, *queue_ms, *generator, *others, *per_sync, *sync_ms;
  double least_per_s, most_p99_ms; // targets; 0: none
};

#define FIGURES(name)                                                                                                  \
  name "_per_s", name "_cpu_us", name "_p50_ms", name "_p99_ms", name "_max_ms", name "_failed",                       \
      name "_per_s_at_most", name "_queue_ms", name "_generator_percent", name "_others_percent",                      \
      name "_requests_a_sync", name "_sync_ms"

static void add_outcome(struct report *report, const struct figures *figures, const struct outcome *outcome) {
  report_add(report, figures->per_s, outcome->per_s, 0);
  if (figures->least_per_s > 0) report_aim(report, '>', figures->least_per_s);
  report_add(report, figures->cpu_us, outcome->cpu_us, 1);
  report_add(report, figures->p50_ms, outcome->p50_ms, 2);
  report_add(report, figures->p99_ms, outcome->p99_ms, 2);
  if (figures->most_p99_ms > 0) report_aim(report, '<', figures->most_p99_ms);
  report_add(report, figures->max_ms, outcome->max_ms, 2);
  report_add(report, figures->alone_per_s, outcome->alone_per_s, 0);
  report_add(report, figures->queue_ms, outcome->queue_ms, 2);
  report_add(report, figures->generator, outcome->generator_percent, 1);
  report_add(report, figures->others, outcome->others_percent, 1);
  if (outcome->per_sync > 0) report_add(report, figures->per_sync, outcome->per_sync, 1);
  if (outcome->per_sync > 0) report_add(report, figures->sync_ms, outcome->sync_ms, 2);
  if (outcome->failed > 0) {
    report_add(report, figures->failed, outcome->failed, 0);
    report_aim(report, '<', 0);
  }
}

static bool measure(struct bench *bench, const char *path, load_fill_fn *fill, size_t connections, uint64_t requests,
                    const struct figures *figures) {
  struct outcome outcome;
  if (!run_load(bench, path, fill, connections, requests, &outcome)) return false;
  add_outcome(&bench->report, figures, &outcome);
  return true;
}

// --- beside json-rules-engine ----------------------------------------------------------------------------------

static bool write_rules(struct bench *bench, const char *path) {
  FILE *file = fopen(path, "we");
  if (!file) return false;
  for (size_t i = 0; i < RIVAL_CAMPAIGNS; i++) {
    char *document = shop_campaign(i);
    if (document) fprintf(file, "%s\n", document);
    free(document);
  }
  (void)bench;
  return fclose(file) == 0;
}

static bool write_baskets(struct bench *bench, const char *path) {
  struct shop shop = {.random = bench->options->seed, .customers = bench->options->customers};
  FILE *file = fopen(path, "we");
  if (!file) return false;
  for (size_t i = 0; i < RIVAL_BASKETS; i++) {
    char body[LOAD_FILL_BYTES];
    fprintf(file, "%.*s\n", (int)shop_evaluate(&shop, body), body);
  }
  return fclose(file) == 0;
}

// The same rules and baskets; ours over HTTP with everything else an evaluation does, theirs in a loop.
static bool run_rules(struct bench *bench) {
  char rules[PROGRAM_PATH_BYTES + 16], baskets[PROGRAM_PATH_BYTES + 16], command[4 * PROGRAM_PATH_BYTES];
  double per_s = 0, held = 0, cpu_us = 0;
  struct outcome ours;
  if (!run_load(bench, "/v1/loyalty/evaluate", shop_evaluate, CONNECTIONS, UINT64_MAX, &ours)) return false;
  snprintf(rules, sizeof rules, "%s/rules", bench->program.directory);
  snprintf(baskets, sizeof baskets, "%s/baskets", bench->program.directory);
  if (!write_rules(bench, rules) || !write_baskets(bench, baskets)) return false;
  snprintf(command, sizeof command, "node '%s/rules.mjs' '%s' '%s' %lld", bench->options->scripts, rules, baskets,
           (long long)bench->options->seconds);
  FILE *pipe = popen(command, "r");
  bool ok = pipe && fscanf(pipe, "%lf %lf %lf", &per_s, &held, &cpu_us) == 3;
  if (!pipe || pclose(pipe) != 0 || !ok || per_s <= 0) {
    fprintf(stderr, "bench: json-rules-engine did not run: %s\n", command);
    return false;
  }
  report_add(&bench->report, "rules_1000_per_s", ours.per_s, 0);
  report_add(&bench->report, "rules_1000_cpu_us", ours.cpu_us, 1);
  report_add(&bench->report, "json_rules_engine_per_s", per_s, 0);
  report_add(&bench->report, "json_rules_engine_cpu_us", cpu_us, 1);
  report_add(&bench->report, "rules_held", held, 2);
  report_add(&bench->report, "times_as_fast", ours.per_s / per_s, 1);
  report_add(&bench->report, "times_as_fast_on_one_core", cpu_us / ours.cpu_us, 1);
  return true;
}

// --- baskets and codes -----------------------------------------------------------------------------------------

static bool run_evaluate(struct bench *bench) {
  static const struct figures few = {FIGURES("evaluate_4"), .least_per_s = 0, .most_p99_ms = 5};
  static const struct figures many = {FIGURES("evaluate_64"), .least_per_s = 0, .most_p99_ms = 0};
  return measure(bench, "/v1/loyalty/evaluate", shop_evaluate, FEW_CONNECTIONS, UINT64_MAX, &few) &&
         measure(bench, "/v1/loyalty/evaluate", shop_evaluate, CONNECTIONS, UINT64_MAX, &many);
}

static bool run_order(struct bench *bench) {
  static const struct figures figures = {FIGURES("order"), .least_per_s = 0, .most_p99_ms = 0};
  return measure(bench, "/v1/loyalty/orders", shop_evaluate, CONNECTIONS, UINT64_MAX, &figures);
}

// Those of a reply: {"codes":[{"code":"…",…},…]}
static size_t take_codes(const char *text, char (*codes)[SHOP_CODE_BYTES], size_t room) {
  size_t count = 0;
  while (count < room && (text = strstr(text, "\"code\":\"")) != NULL) {
    text += strlen("\"code\":\"");
    snprintf(codes[count++], SHOP_CODE_BYTES, "%.*s", (int)strcspn(text, "\""), text);
  }
  return count;
}

static bool make_codes(struct bench *bench, size_t wanted) {
  size_t count = 0;
  int64_t start_us = measure_now_us();
  char body[64];
  snprintf(body, sizeof body, "{\"voucher\":\"SINGLE\",\"count\":%d}", CODES_AT_ONCE);
  bench->codes = malloc(wanted * sizeof *bench->codes);
  while (bench->codes && count < wanted) {
    if (!server_post(&bench->server, "/v1/loyalty/codes", body)) return false;
    size_t got = take_codes(server_text(&bench->server), bench->codes + count, wanted - count);
    if (got == 0) return false;
    count += got;
  }
  bench->shop.codes = (const char(*)[SHOP_CODE_BYTES])bench->codes;
  bench->shop.code_count = count;
  report_add(&bench->report, "codes_made_per_s", (double)count * 1e6 / (double)(measure_now_us() - start_us), 0);
  return bench->codes != NULL;
}

static bool run_redeem(struct bench *bench) {
  static const struct figures figures = {FIGURES("redeem"), .least_per_s = 5000, .most_p99_ms = 20};
  if (!make_codes(bench, (size_t)bench->options->seconds * CODES_A_SECOND)) return false;
  bench->shop.sent = 0;
  settle(bench);
  return measure(bench, "/v1/loyalty/codes/redeem", shop_redeem, CONNECTIONS, bench->shop.code_count, &figures);
}

static bool run_burn(struct bench *bench) {
  static const struct figures figures = {FIGURES("burn"), .least_per_s = 5000, .most_p99_ms = 20};
  return measure(bench, "/v1/loyalty/points/burn", shop_burn, CONNECTIONS, UINT64_MAX, &figures);
}

// One that nobody has used, whatever was measured on this workspace before.
static bool make_shared(struct bench *bench, const char *name) {
  static char code[1][SHOP_CODE_BYTES];
  char body[128];
  snprintf(code[0], sizeof code[0], "%s%llX", name, (unsigned long long)bench->shop.run);
  snprintf(body, sizeof body, "{\"voucher\":\"SHARED\",\"code\":\"%s\"}", code[0]);
  bench->shop.codes = (const char(*)[SHOP_CODE_BYTES])code;
  bench->shop.code_count = 1;
  return server_post(&bench->server, "/v1/loyalty/codes", body);
}

static bool run_share(struct bench *bench) {
  static const struct figures figures = {FIGURES("share"), .least_per_s = 5000, .most_p99_ms = 0};
  return make_shared(bench, "EVERYBODY") &&
         measure(bench, "/v1/loyalty/codes/redeem", shop_share, CONNECTIONS, SHARED_USES, &figures);
}

// --- all points expire -----------------------------------------------------------------------------------------

static void put_time(char *out, size_t room, int64_t time_us) {
  time_t second = (time_t)(time_us / SECOND_US);
  struct tm parts;
  gmtime_r(&second, &parts);
  strftime(out, room, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

// Serves at a time that stands still, two days before the points expire.
static bool serve_next_year(struct bench *bench) {
  static char now[32];
  put_time(now, sizeof now, bench->imported_us + INT64_C(363) * DAY_S * SECOND_US);
  bench->program.flags[bench->program.flag_count++] = "--test-clock";
  bench->program.flags[bench->program.flag_count++] = now;
  return stop_serving(bench) && serve(bench);
}

static bool move_clock(struct bench *bench) {
  char now[32], body[64];
  put_time(now, sizeof now, bench->imported_us + INT64_C(370) * DAY_S * SECOND_US);
  snprintf(body, sizeof body, "{\"now\":\"%s\"}", now);
  return server_post(&bench->server, "/v1/clock", body);
}

// Uses of a shared code until nothing is worked off any more. A member who uses it is worked up to now by that, and no
// timer of hers is left. When the last one was.
static int64_t work_off(struct bench *bench, double wanted, struct latency *latency) {
  int64_t from_us = measure_now_us(), changed_us = from_us, now_us = from_us;
  double done = 0;
  while (!stop_asked && now_us - from_us < EXPIRE_S * SECOND_US) {
    char body[LOAD_FILL_BYTES];
    body[shop_share(&bench->shop, body)] = '\0';
    int64_t before_us = measure_now_us();
    if (!server_post(&bench->server, "/v1/loyalty/codes/redeem", body)) return 0;
    latency_add(latency, measure_now_us() - before_us);
    if (before_us - now_us < POLL_US) continue;
    now_us = before_us;
    double count = server_metric(&bench->server, "loyalty_timers_total");
    if (count > done) changed_us = now_us;
    done = count;
    if (done >= wanted || (done + (double)latency->count >= wanted && now_us - changed_us > SETTLED_US))
      return changed_us;
  }
  return 0;
}

static bool run_expire(struct bench *bench) {
  static struct latency latency;
  double members = (double)bench->options->customers;
  if (!serve_next_year(bench) || !make_shared(bench, "MEANWHILE")) return false;
  double wanted = server_metric(&bench->server, "loyalty_timers_total") + members;
  settle(bench);
  fprintf(stderr, "moving the clock\n");
  double cpu_s = measure_cpu_of_s(bench->program.pid);
  int64_t start_us = measure_now_us();
  int64_t end_us = move_clock(bench) ? work_off(bench, wanted, &latency) : 0;
  if (end_us == 0) return false;
  double elapsed_s = (double)(end_us - start_us) / 1e6;
  report_add(&bench->report, "expired_lots", members * ORDERS_EACH, 0);
  report_add(&bench->report, "expire_s", elapsed_s, 1);
  report_add(&bench->report, "expire_members_per_s", members / elapsed_s, 0);
  report_aim(&bench->report, '>', 1000000.0 / 60);
  report_add(&bench->report, "expire_cpu_us_per_member", (measure_cpu_of_s(bench->program.pid) - cpu_s) * 1e6 / members,
             1);
  report_add(&bench->report, "expire_redeemed", (double)latency.count, 0);
  report_add(&bench->report, "expire_redeem_p99_ms", (double)latency_share_us(&latency, 0.99) / 1e3, 2);
  return true;
}

// --- the command line ----------------------------------------------------------------------------------------

struct mode {
  const char *name;
  size_t campaigns; // of these rules only; 0: of all
  bool (*run)(struct bench *bench);
};

static bool run_nothing(struct bench *bench) {
  (void)bench;
  return true;
}

// In this order: an expiry is the end of what members have.
static const struct mode modes[] = {{"fill", 0, run_nothing},      {"rules", RIVAL_CAMPAIGNS, run_rules},
                                    {"evaluate", 0, run_evaluate}, {"order", 0, run_order},
                                    {"redeem", 0, run_redeem},     {"share", 0, run_share},
                                    {"burn", 0, run_burn},         {"expire", 0, run_expire}};
enum { MODES = sizeof modes / sizeof modes[0] };

static bool is_wanted(const struct options *options, const struct mode *mode) {
  return strcmp(options->mode, "all") == 0 || strcmp(options->mode, mode->name) == 0;
}

static bool run_modes(struct bench *bench) {
  bool ok = set_up(bench);
  for (size_t i = 0; ok && i < MODES; i++) {
    if (!is_wanted(bench->options, &modes[i])) continue;
    size_t campaigns = modes[i].campaigns ? modes[i].campaigns : (size_t)bench->options->campaigns;
    if (modes[i].run == run_nothing) {
      settle(bench);
      continue;
    }
    if (modes[i].campaigns > 0 && bench->campaigns > modes[i].campaigns) {
      fprintf(stderr, "bench: %s wants a workspace with fewer rules\n", modes[i].name);
      return false;
    }
    ok = define_campaigns(bench, campaigns);
    settle(bench);
    fprintf(stderr, "%s\n", modes[i].name);
    ok = ok && modes[i].run(bench);
  }
  return ok;
}

static bool run(struct options *options) {
  static struct bench bench;
  if (options->customers == 0) options->customers = options->quick ? 5000 : 1000000;
  options->customers = (options->customers + FEED_LINES - 1) / FEED_LINES * FEED_LINES;
  if (options->seconds == 0) options->seconds = options->quick ? 2 : 20;
  bench.options = options;
  program_use(&bench.program, options->program, options->program_flags);
  options->keep = options->keep || options->again;
  bool ok =
      options->again ? program_again(&bench.program, options->again) : program_init(&bench.program, options->directory);
  if (ok) {
    report_add(&bench.report, "disk_syncs_per_s", measure_syncs_per_s(bench.program.directory), 0);
    ok = run_modes(&bench);
    if (bench.program.pid > 0) report_add_memory(&bench.report, bench.program.pid);
    if (!ok) program_show_log(&bench.program);
  }
  if (bench.server.http) server_close(&bench.server);
  program_release(&bench.program, options->keep);
  free(bench.codes);
  report_print(&bench.report, "loyalty", options->mode, options->quick);
  return ok;
}

int main(int argc, char **argv) {
  struct options options = {.mode = "all",
                            .program = "build/rapport",
                            .directory = "build/bench",
                            .scripts = "bench/loyalty",
                            .campaigns = 50,
                            .seed = 1};
  const struct options_row rows[] = {
      {.value = "all|fill|rules|evaluate|order|redeem|share|burn|expire",
       .help = "what is measured (all)",
       .text = &options.mode},
      {"--quick", .help = "small and short: does it work", .flag = &options.quick},
      {"--customers", "N", "1000000", .number = &options.customers, .most = NUMBER_MAX},
      {"--campaigns", "N", "50, each of 200 rules", .number = &options.campaigns, .most = NUMBER_MAX},
      {"--seconds", "N", "how long each load is sent (20)", .number = &options.seconds, .most = NUMBER_MAX},
      {"--seed", "N", "other baskets", .number = &options.seed, .most = NUMBER_MAX},
      {"--program", "PATH", "what is measured (build/rapport)", .text = &options.program},
      {"--dir", "DIR", "where its data goes for the time (build/bench)", .text = &options.directory},
      {"--scripts", "DIR", "where rules.mjs is (bench/loyalty)", .text = &options.scripts},
      {"--keep", .help = "leave the data there", .flag = &options.keep},
      {"--again", "DIR", "go on with data that was left, of as many customers", .text = &options.again},
      {"--", "FLAGS", "more flags for serve and import", .words = &options.program_flags,
       .most = PROGRAM_FLAGS_MAX - CLOCK_FLAGS},
  };
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  stop_on_signals();
  return run(&options) ? 0 : 1;
}
