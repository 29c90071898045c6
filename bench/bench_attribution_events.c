// bench_attribution_events: from the raw events of a shop's customers to credit, beside DuckDB making only the paths.
//
// The data is bench_segment's, made once in a directory that is kept. Touches are pages, products, mails and baskets;
// the channel is said by the event's name and by context.channel, conversions are orders with their total; the lookback
// is 30 days and the period all of it. Rapport makes the journeys and runs every model with Markov of order 1 exactly;
// DuckDB puts each order's touches in a row and counts equal rows, and its count of conversions, of those with a touch
// and of different paths must be the same. One round to warm up, then five, of which the median counts.
// The peer: bench/segment.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attribution/comparison.h"
#include "engine/attribution_walk.h"
#include "engine/engine.h"
#include "parts/measure.h"
#include "parts/options.h"
#include "parts/shop.h"
#include "rule/zone.h"

enum { RUNS = 5, PATH_BYTES = 512, QUICK_SHARE = 20, CHANNEL_ID = 100, CHANNELS = 3 };

static const char SETTINGS[] =
    "{\"order_id\":null,"
    "\"touchpoints\":[{\"event\":\"Page Viewed\"},{\"event\":\"Product Viewed\"},{\"event\":\"Email Opened\"},"
    "{\"event\":\"Email Clicked\"},{\"event\":\"Cart Viewed\"}],"
    "\"channels\":[{\"channel\":\"email\",\"event\":\"Email Clicked\"},{\"channel\":\"email\",\"event\":\"Email "
    "Opened\"},"
    "{\"channel\":\"app\",\"when\":\"context.channel = \\\"app\\\"\"},"
    "{\"channel\":\"store\",\"when\":\"context.channel = \\\"store\\\"\"},{\"channel\":\"web\"}],"
    "\"direct\":[],\"paid\":[\"email\"],\"milestones\":{\"lead\":[],\"opportunity\":[]},\"transforms\":[\"exposure\"]}";

struct options {
  const char *directory, *scripts;
  uint64_t customers, threads;
  bool quick;
};

struct outcome {
  uint64_t conversions, touched, paths, rows;
  double seconds, cpu_seconds, walk_seconds;
};

static void fail(const char *what, const char *why) {
  fprintf(stderr, "bench_attribution_events: %s: %s\n", what, why);
  exit(1);
}

// --- the settings ----------------------------------------------------------------------------------------------

// The dictionary that the shop's events were written with: names 1 to 8, channels from CHANNEL_ID on.
static struct names *open_names(void) {
  static const char *const channels[CHANNELS] = {"web", "app", "store"};
  struct names *names;
  if (names_open(&names, NULL, NULL) != ERR_OK) fail("names", "no memory");
  for (uint32_t i = 0; i < SHOP_NAMES; i++)
    if (names_load(names, i + 1, bytes_from_text(shop_names[i])) != ERR_OK) fail("names", "one is not taken");
  for (uint32_t id = SHOP_NAMES + 1; id < CHANNEL_ID + CHANNELS; id++) {
    char text[32];
    snprintf(text, sizeof text, "name %u", id);
    const char *name = id >= CHANNEL_ID ? channels[id - CHANNEL_ID] : text;
    if (names_load(names, id, bytes_from_text(name)) != ERR_OK) fail("names", "one is not taken");
  }
  return names;
}

static struct value parse(struct names *names, struct bytes json, struct buffer *packed) {
  struct value_parser *parser;
  struct diag diag;
  buffer_init(packed);
  if (value_parser_open(&parser) != ERR_OK) fail("parser", "no memory");
  if (value_parse_json(parser, json, names, packed, &diag) != ERR_OK) fail("settings", diag.message);
  value_parser_close(parser);
  return (struct value){buffer_view(packed)};
}

static struct attribution_settings *open_settings(struct names *dictionary, const struct rule_zone *zone) {
  struct attribution_settings *settings;
  struct names *names;
  struct buffer text, base, given;
  struct diag diag;
  if (names_open(&names, NULL, NULL) != ERR_OK) fail("names", "no memory");
  buffer_init(&text);
  attribution_settings_default(&text);
  const struct attribution_settings_with with = {.names = names, .dictionary = dictionary, .zone = zone};
  struct value under = parse(names, buffer_view(&text), &base);
  if (attribution_settings_open(&settings, parse(names, bytes_from_text(SETTINGS), &given), under, &with, &diag) !=
      ERR_OK)
    fail(diag.field, diag.message);
  buffer_release(&text);
  buffer_release(&base);
  buffer_release(&given);
  names_close(names);
  return settings;
}

// --- Rapport ---------------------------------------------------------------------------------------------------

static void run(struct engine_view *view, const struct attribution_settings *settings, unsigned threads,
                struct outcome *outcome) {
  const struct attribution_walk walk = {
      .view = view, .settings = settings, .from_us = 0, .to_us = SHOP_NOW_US + 1, .threads = threads};
  struct attribution_journeys journeys;
  struct comparison comparison;
  struct comparison_options what = {.markov = {.order = 1, .threads = threads}};
  struct diag diag;
  bool paid[PATHS_CHANNELS_MAX] = {false};
  double before_s = measure_clock_s(CLOCK_MONOTONIC);
  if (attribution_walk(&walk, &journeys, &diag) != ERR_OK) fail("journeys", diag.message);
  outcome->walk_seconds = measure_clock_s(CLOCK_MONOTONIC) - before_s;
  const struct paths *paths = &journeys.all.paths;
  heuristics_defaults(&what.heuristics);
  what.heuristics.threads = threads;
  what.heuristics.paid = paid;
  what.models = comparison_models_find(BYTES("all"), paths, &what.heuristics);
  comparison_init(&comparison);
  if (comparison_run(paths, &what, &comparison, &diag) != ERR_OK) fail("models", diag.message);
  outcome->conversions = paths->conversions;
  outcome->touched = paths->conversions - paths->empty.conversions;
  outcome->rows = paths->row_count;
  outcome->paths = 0;
  for (size_t i = 0; i < paths->row_count; i++) outcome->paths += paths->rows[i].conversions > 0;
  comparison_release(&comparison);
  attribution_journeys_release(&journeys);
}

static void ask_rapport(const struct options *options, const char *path, struct outcome *outcome) {
  struct store_options store_options = {.path = path};
  struct clock clock;
  struct engine *engine = NULL;
  struct engine_view *view;
  struct rule_zone *zone;
  struct store *store;
  struct diag diag;
  double seconds[RUNS], cpu_seconds[RUNS], walk_seconds[RUNS];
  diag_init(&diag);
  clock_init(&clock);
  if (store_open_rocksdb(&store, &store_options, &diag) != ERR_OK) fail(path, diag.message);
  const struct engine_options engine_options = {.store = store, .clock = &clock};
  enum err err = engine_open(&engine, &engine_options, &diag);
  if (err == ERR_NOT_FOUND) err = engine_create_workspace(store, &clock, &diag);
  if (err == ERR_OK && engine == NULL) err = engine_open(&engine, &engine_options, &diag);
  if (err == ERR_OK) err = engine_project_now(engine, &diag);
  if (err != ERR_OK) fail("engine", diag.message);
  if (rule_zone_open_utc(&zone) != ERR_OK || engine_view_open(engine, &view) != ERR_OK) fail("engine", "no memory");
  struct names *names = open_names();
  struct attribution_settings *settings = open_settings(names, zone);
  for (int i = -1; i < RUNS; i++) {
    double before_s = measure_clock_s(CLOCK_MONOTONIC), cpu_before_s = measure_clock_s(CLOCK_PROCESS_CPUTIME_ID);
    run(view, settings, (unsigned)options->threads, outcome);
    if (i < 0) continue;
    seconds[i] = measure_clock_s(CLOCK_MONOTONIC) - before_s;
    cpu_seconds[i] = measure_clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_before_s;
    walk_seconds[i] = outcome->walk_seconds;
  }
  outcome->seconds = measure_median(seconds, RUNS);
  outcome->cpu_seconds = measure_median(cpu_seconds, RUNS);
  outcome->walk_seconds = measure_median(walk_seconds, RUNS);
  attribution_settings_close(settings);
  names_close(names);
  engine_view_close(view);
  engine_close(engine);
  store_close(store);
  rule_zone_close(zone);
}

// --- DuckDB ----------------------------------------------------------------------------------------------------

// A line "journeys conversions touched paths seconds cpu_seconds seconds cpu_seconds …".
static bool ask_duckdb(const struct options *options, const char *database, struct outcome *outcome) {
  char command[3 * PATH_BYTES], name[32];
  double seconds[RUNS], cpu_seconds[RUNS];
  snprintf(command, sizeof command, "node '%s/duckdb.mjs' journeys '%s' %" PRIu64, options->scripts, database,
           options->threads);
  FILE *pipe = popen(command, "r");
  if (pipe == NULL) fail(command, strerror(errno));
  bool read = fscanf(pipe, "%31s %" SCNu64 " %" SCNu64 " %" SCNu64, name, &outcome->conversions, &outcome->touched,
                     &outcome->paths) == 4;
  for (int i = 0; read && i < RUNS; i++) read = fscanf(pipe, "%lf %lf", &seconds[i], &cpu_seconds[i]) == 2;
  if (pclose(pipe) != 0 || !read) return false;
  outcome->seconds = measure_median(seconds, RUNS);
  outcome->cpu_seconds = measure_median(cpu_seconds, RUNS);
  return true;
}

int main(int count, char **arguments) {
  struct diag diag;
  diag_init(&diag);
  struct options options = {
      .directory = "build/bench-segment", .scripts = "bench/segment", .customers = 1000000, .threads = 2};
  const struct options_row rows[] = {
      {"--quick", .help = "a twentieth of the customers", .flag = &options.quick},
      {"--customers", "N", "1000000", .number = &options.customers},
      {"--threads", "N", "2", .number = &options.threads, .most = 8},
      {"--directory", "DIR", "where the data is kept (build/bench-segment)", .text = &options.directory},
      {"--scripts", "DIR", "where duckdb.mjs is (bench/segment)", .text = &options.scripts},
  };
  char path[PATH_BYTES / 2], database[PATH_BYTES / 2], format[PATH_BYTES];
  struct outcome ours = {0}, theirs = {0};
  options_take(rows, OPTIONS_COUNT(rows), count, arguments);
  if (options.quick) options.customers /= QUICK_SHARE;
  mkdir(options.directory, 0777);
  snprintf(path, sizeof path, "%s/rapport-%" PRIu64, options.directory, options.customers);
  snprintf(database, sizeof database, "%s/events-%" PRIu64 ".duckdb", options.directory, options.customers);
  snprintf(format, sizeof format, "%s/FORMAT", path);
  if (access(format, F_OK) != 0 && shop_make(path, options.customers, &diag) != ERR_OK) fail(path, diag.message);
  ask_rapport(&options, path, &ours);
  printf("rapport    %" PRIu64 " conversions, %" PRIu64 " with a touch, %" PRIu64 " paths (%" PRIu64
         " with those that did not convert): journeys_s %.3f journeys_and_models_s %.3f cpu_s %.3f\n",
         ours.conversions, ours.touched, ours.paths, ours.rows, ours.walk_seconds, ours.seconds, ours.cpu_seconds);
  if (access(database, F_OK) != 0 || !ask_duckdb(&options, database, &theirs)) {
    printf("duckdb     left out: bench_segment makes its data (%s)\n", database);
    return 0;
  }
  printf("duckdb     %" PRIu64 " conversions, %" PRIu64 " with a touch, %" PRIu64
         " paths: journeys_s %.3f cpu_s %.3f\n",
         theirs.conversions, theirs.touched, theirs.paths, theirs.seconds, theirs.cpu_seconds);
  bool equal = ours.conversions == theirs.conversions && ours.touched == theirs.touched && ours.paths == theirs.paths;
  if (!equal) printf("the two differ\n");
  return equal ? 0 : 1;
}
