// attribution: the report, from what was asked for to its tables.
#include "engine/attribution.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/attribution_orders.h"
#include "engine/attribution_tables.h"
#include "engine/catalog.h"
#include "engine/read.h"
#include "engine/report.h"
#include "value/given.h"

enum { DAYS_DEFAULT = 90, PATHS_DEFAULT = 20, MODELS_TEXT_BYTES = 512 };

static const char *const BY_WORDS[ATTRIBUTION_BY_COUNT] = {"channel", "campaign", "creative", "store",
                                                           "range",   "customer", "segment"};

struct asked {
  struct bytes models; // words with commas between
  unsigned order;
  enum attribution_by by;
  struct bytes segment;
  size_t paths;
  bool orders;
  struct value settings, costs;
  struct engine_report_period period;
  struct attribution_settings *read;
};

// --- options ---------------------------------------------------------------------------------------------------

static enum err wrong(struct diag *diag, const char *name) {
  diag_in_field(diag, "%s", name);
  return diag->err;
}

static struct value option(const struct engine *engine, struct value options, const char *name) {
  struct value value = value_member(options, engine->names, bytes_from_text(name));
  if (value_type(value) == VALUE_NULL) value = (struct value){0};
  return value;
}

static enum err read_number(const struct engine *engine, struct value options, const char *name, int64_t least,
                            int64_t most, int64_t *number, struct diag *diag) {
  struct value value = option(engine, options, name);
  if (value_is_absent(value)) return ERR_OK;
  return given_whole(value, least, most, number, diag) == ERR_OK ? ERR_OK : wrong(diag, name);
}

// "segment:vip", or one of the other words.
static enum err read_by(const struct engine *engine, struct value options, struct asked *asked, struct diag *diag) {
  struct value value = option(engine, options, "by");
  struct bytes text;
  size_t found;
  if (value_is_absent(value)) return ERR_OK;
  if (given_text(value, LIMIT_NAME_BYTES, &text, diag) != ERR_OK) return wrong(diag, "by");
  const uint8_t *colon = memchr(text.data, ':', text.size_bytes);
  struct bytes word = bytes_of(text.data, colon != NULL ? (size_t)(colon - text.data) : text.size_bytes);
  if (colon != NULL) asked->segment = bytes_of(colon + 1, text.size_bytes - word.size_bytes - 1);
  bool known = given_word_find(word, BY_WORDS, ATTRIBUTION_BY_COUNT, &found);
  if (known) asked->by = (enum attribution_by)found;
  if (known && (asked->by == ATTRIBUTION_BY_SEGMENT) == (asked->segment.size_bytes > 0)) return ERR_OK;
  const char *near = nearest_slip(word, BY_WORDS, ATTRIBUTION_BY_COUNT);
  diag_set(diag, ERR_INVALID, "unknown_word",
           "expected channel, campaign, creative, store, range, customer, or segment:ID%s%s%s",
           near != NULL && !known ? "; did you mean " : "", near != NULL && !known ? near : "",
           near != NULL && !known ? "?" : "");
  return wrong(diag, "by");
}

// Whether the Markov model is among these words; what is no model is refused later, with the journeys in hand.
static bool asks_markov(struct bytes rest) {
  struct heuristics_options options;
  struct paths none;
  unsigned models = 0;
  heuristics_defaults(&options);
  paths_init(&none);
  while (rest.size_bytes > 0) {
    const uint8_t *comma = memchr(rest.data, ',', rest.size_bytes);
    size_t size = comma != NULL ? (size_t)(comma - rest.data) : rest.size_bytes;
    models |= comparison_models_find(bytes_trim(bytes_of(rest.data, size)), &none, &options);
    rest = comma != NULL ? bytes_of(comma + 1, rest.size_bytes - size - 1) : BYTES("");
  }
  paths_release(&none);
  return models >> COMPARISON_MARKOV & 1;
}

static enum err read_orders(const struct engine *engine, struct value options, struct asked *asked, struct diag *diag) {
  struct value value = option(engine, options, "orders");
  if (value_is_absent(value)) return ERR_OK;
  if (!value_as_bool(value, &asked->orders))
    diag_set(diag, ERR_INVALID, "wrong_type", "expected true or false");
  else if (asked->orders && !asks_markov(asked->models))
    diag_set(diag, ERR_INVALID, "missing_member",
             "\"orders\" shares each order out by the Markov model: add markov to \"models\"");
  else
    return ERR_OK;
  return wrong(diag, "orders");
}

static enum err read_options(const struct engine *engine, struct value options, struct asked *asked,
                             struct diag *diag) {
  int64_t order = 1, paths = PATHS_DEFAULT;
  struct value models = option(engine, options, "models");
  asked->models = BYTES("first,last,linear,time_decay,markov");
  if (!value_is_absent(models) && given_text(models, MODELS_TEXT_BYTES, &asked->models, diag) != ERR_OK)
    return wrong(diag, "models");
  enum err err = read_number(engine, options, "order", 1, MARKOV_ORDER_MAX, &order, diag);
  if (err == ERR_OK) err = read_number(engine, options, "paths", 0, REPORT_ROWS_MAX, &paths, diag);
  if (err == ERR_OK) err = read_by(engine, options, asked, diag);
  if (err == ERR_OK) err = read_orders(engine, options, asked, diag);
  asked->order = (unsigned)order;
  asked->paths = (size_t)paths;
  asked->settings = option(engine, options, "settings");
  asked->costs = option(engine, options, "costs");
  return err;
}

// --- models ----------------------------------------------------------------------------------------------------

static enum err no_model(struct bytes word, struct diag *diag) {
  const char *names[COMPARISON_MODEL_COUNT + 2] = {"heuristics", "all"};
  for (unsigned i = 0; i < COMPARISON_MODEL_COUNT; i++) names[i + 2] = comparison_model_name(i);
  const char *near = nearest_slip(word, names, COMPARISON_MODEL_COUNT + 2);
  diag_set(diag, ERR_INVALID, "unknown_word", "there is no model \"%.*s\"%s%s%s",
           (int)(word.size_bytes < 60 ? word.size_bytes : 60), (const char *)word.data,
           near != NULL ? "; did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "");
  return wrong(diag, "models");
}

static enum err find_models(struct bytes rest, const struct paths *paths, struct comparison_options *what,
                            struct diag *diag) {
  while (rest.size_bytes > 0) {
    const uint8_t *comma = memchr(rest.data, ',', rest.size_bytes);
    size_t size = comma != NULL ? (size_t)(comma - rest.data) : rest.size_bytes;
    struct bytes word = bytes_trim(bytes_of(rest.data, size));
    unsigned found = comparison_models_find(word, paths, &what->heuristics);
    if (found == 0) return no_model(word, diag);
    what->models |= found;
    if (what->heuristics.paid == NULL && what->models >> HEURISTIC_LAST_PAID & 1) {
      diag_set(diag, ERR_INVALID, "unknown_word", "the model last_paid goes by channel, and not by campaign");
      return wrong(diag, "models");
    }
    rest = comma != NULL ? bytes_of(comma + 1, rest.size_bytes - size - 1) : BYTES("");
  }
  return ERR_OK;
}

// Of the final numbers of steps. A step that stands for a channel without campaign has its name in brackets.
static bool *flags_of(const struct paths *paths, const struct attribution_settings *settings, const bool *flags,
                      struct arena *arena) {
  bool *found = arena_take_zero(arena, paths->channels.count + 1, sizeof *found);
  for (size_t i = 0; i < settings->name_count && found != NULL; i++) {
    if (!flags[i]) continue;
    int64_t plain = paths_channel_find(paths, settings->names[i]);
    const char *text = arena_format(arena, "(%.*s)", BYTES_ARG(settings->names[i]));
    if (text == NULL) return NULL;
    int64_t bracketed = paths_channel_find(paths, bytes_from_text(text));
    if (plain >= 0) found[plain] = true;
    if (bracketed >= 0) found[bracketed] = true;
  }
  return found;
}

static enum err choose(const struct asked *asked, unsigned threads, const struct attribution_journeys *journeys,
                       struct arena *arena, struct comparison_options *what, struct diag *diag) {
  const struct attribution_settings *settings = asked->read;
  const struct paths *paths = &journeys->all.paths;
  bool by_label = asked->by == ATTRIBUTION_BY_CAMPAIGN || asked->by == ATTRIBUTION_BY_CREATIVE;
  *what = (struct comparison_options){.markov = {asked->order, false, threads}};
  heuristics_defaults(&what->heuristics);
  what->heuristics.threads = threads;
  what->heuristics.first_weight = settings->first_weight;
  what->heuristics.last_weight = settings->last_weight;
  what->heuristics.direct = flags_of(paths, settings, settings->direct, arena);
  bool *paid = flags_of(paths, settings, settings->paid, arena);
  if (what->heuristics.direct == NULL || paid == NULL) return diag_no_memory(diag);
  if (!by_label) what->heuristics.paid = paid;
  return find_models(asked->models, paths, what, diag);
}

// --- facts -----------------------------------------------------------------------------------------------------

static double all_value(const struct paths *paths) {
  double sum = paths_value(&paths->empty), rest = 0;
  for (size_t i = 0; i < paths->row_count; i++) paths_sum(&sum, &rest, paths_value(&paths->rows[i]));
  return sum + rest;
}

static void fact_format(struct report *report, const char *key, const char *label, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void fact_format(struct report *report, const char *key, const char *label, const char *format, ...) {
  char text[256];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  report_fact(report, key, label, bytes_from_text(text));
}

static void tell_facts(const struct asked *asked, const struct attribution_journeys *journeys,
                       const struct comparison *comparison, struct report *report) {
  const struct paths *paths = &journeys->all.paths;
  const struct attribution_settings *settings = asked->read;
  fact_format(report, "journeys", "Journeys", "%llu with a conversion (value %.2f), %llu without",
              (unsigned long long)paths->conversions, all_value(paths), (unsigned long long)paths->nulls);
  fact_format(report, "touches", "Touches", "%llu, on %zu different paths", (unsigned long long)journeys->touches,
              paths->row_count);
  fact_format(report, "lookback", "Looked back", "%.6g days before a conversion%s",
              (double)settings->lookback_us / (double)CLOCK_DAY_US,
              settings->split ? ", at most to the conversion before" : "");
  if (comparison->models >> COMPARISON_MARKOV & 1)
    fact_format(report, "markov", "Markov chain",
                "order %u, %zu states; a journey converts with a probability of %.2f %%; solved %s", asked->order,
                comparison->markov.state_count, 100 * comparison->markov.conversion,
                comparison->markov.iterated ? "by iteration" : "exactly");
  if (paths->conversions == 0) report_note(report, "No conversion lies in this period: there is nothing to share out.");
  if (paths->empty.conversions > 0) {
    char text[160];
    snprintf(text, sizeof text, "%llu conversion%s came without a touch before; no channel has credit for that.",
             (unsigned long long)paths->empty.conversions, paths->empty.conversions == 1 ? "" : "s");
    report_note(report, text);
  }
  if (asked->by == ATTRIBUTION_BY_RANGE)
    report_note(report, "By product range an order counts once in each range that it has, with the value of its lines "
                        "there.");
}

// --- the report ------------------------------------------------------------------------------------------------

static int32_t local_day(struct engine_view *view, int64_t time_us) {
  int64_t wall_us = time_us + (int64_t)rule_zone_offset(engine_zone(view->engine), time_us) * CLOCK_SECOND_US;
  return (int32_t)(wall_us / CLOCK_DAY_US - (wall_us % CLOCK_DAY_US < 0));
}

// A walk that is one of two tells half of the way.
struct half {
  engine_query_progress_fn *progress;
  void *context;
  bool is_second;
};

static bool tell_half(void *context, uint64_t done, uint64_t total) {
  const struct half *half = context;
  return half->progress(half->context, done + (half->is_second ? total : 0), 2 * total);
}

static enum err write_orders(const struct attribution_walk *walk, const struct attribution_tables *tables,
                             struct diag *diag) {
  const struct paths *paths = &tables->journeys->all.paths;
  struct attribution_orders orders;
  enum err err = attribution_orders_fit(paths, (int64_t)tables->to_day - tables->from_day + 1, diag);
  if (err != ERR_OK) return err;
  attribution_orders_init(&orders, paths, &tables->comparison.markov);
  err = attribution_walk_orders(walk, &orders, diag);
  if (err == ERR_OK) err = attribution_orders_write(&orders, tables->report, diag);
  attribution_orders_release(&orders);
  return err;
}

// `second`: the walk that tells the orders, when they are asked for.
static enum err write_tables(struct engine_view *view, const struct asked *asked, unsigned threads,
                             const struct attribution_journeys *journeys, const struct attribution_walk *second,
                             struct report *report, struct diag *diag) {
  struct attribution_tables tables = {.settings = asked->read,
                                      .journeys = journeys,
                                      .by = asked->by,
                                      .path_rows = asked->paths,
                                      .from_day = local_day(view, asked->period.from_us),
                                      .to_day = local_day(view, asked->period.to_us - 1),
                                      .report = report};
  struct arena arena;
  arena_init(&arena, 0);
  comparison_init(&tables.comparison);
  enum err err = choose(asked, threads, journeys, &arena, &tables.what, diag);
  if (err == ERR_OK) err = attribution_compare(&journeys->all, &tables.what, &tables.comparison, diag);
  if (err == ERR_OK) {
    tell_facts(asked, journeys, &tables.comparison, report);
    err = attribution_tables_write(&tables, diag);
  }
  if (err == ERR_OK && asked->orders) err = write_orders(second, &tables, diag);
  comparison_release(&tables.comparison);
  arena_release(&arena);
  return err == ERR_OK ? report_failed(report, diag) : err;
}

static enum err find_name(void *context, struct bytes name, uint32_t *id) {
  *id = names_find(context, name);
  return ERR_OK;
}

// The question whether a customer is in the segment, checked as any other expression.
static enum err open_segment(struct engine_view *view, const struct asked *asked, struct rule_program **program,
                             struct diag *diag) {
  struct catalog catalog;
  struct rule_check check = {.condition = true};
  struct rule_compile with = {.zone = engine_zone(view->engine), .name_id = find_name, .context = view->engine->names};
  struct rule_node *tree;
  struct rule_diag why = {.code = ""};
  struct arena arena;
  arena_init(&arena, 0);
  catalog_open(&catalog, view->engine);
  check.catalog = &catalog.names;
  struct buffer text;
  struct json_writer quoted;
  buffer_init(&text);
  buffer_append_text(&text, "in_segment(");
  json_writer_init(&quoted, &text);
  json_bytes(&quoted, asked->segment);
  buffer_append_text(&text, ")");
  enum err err = text.failed ? ERR_NO_MEMORY : rule_parse(buffer_view(&text), &arena, &tree, &why);
  if (err == ERR_OK) err = rule_check(tree, &check, &why);
  if (err == ERR_OK) err = rule_compile(tree, &with, program, diag);
  catalog_close(&catalog);
  buffer_release(&text);
  arena_release(&arena);
  if (err == ERR_OK) return ERR_OK;
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  diag_set(diag, err, why.code, "%s", why.message);
  return wrong(diag, "by");
}

static enum err run(struct engine_view *view, const struct engine_report_request *request, const struct asked *asked,
                    struct report *report, struct diag *diag) {
  struct attribution_journeys journeys;
  struct attribution_walk walk = {.view = view,
                                  .settings = asked->read,
                                  .from_us = asked->period.from_us,
                                  .to_us = asked->period.to_us,
                                  .by = asked->by,
                                  .fresh = asked->read->cost_count > 0,
                                  .threads = request->threads,
                                  .progress = request->progress,
                                  .context = request->context};
  enum err err = asked->by == ATTRIBUTION_BY_SEGMENT ? open_segment(view, asked, &walk.segment, diag) : ERR_OK;
  if (err != ERR_OK) return err;
  struct half half = {request->progress, request->context, false};
  if (asked->orders && request->progress != NULL) {
    walk.progress = tell_half;
    walk.context = &half;
  }
  err = attribution_walk(&walk, &journeys, diag);
  half.is_second = true;
  unsigned threads = request->threads != 0 ? request->threads : 1;
  if (err == ERR_OK) err = write_tables(view, asked, threads, &journeys, &walk, report, diag);
  attribution_journeys_release(&journeys);
  if (walk.segment != NULL) rule_program_close(walk.segment);
  return err;
}

enum err engine_report_attribution(struct engine_view *view, const struct engine_report_request *request,
                                   struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct asked asked = {.models = {0}};
  enum err err = read_options(view->engine, request->options, &asked, diag);
  if (err == ERR_OK) err = engine_report_period(view, request->options, DAYS_DEFAULT, report, &asked.period, diag);
  if (err == ERR_OK) err = attribution_settings_find(view, asked.settings, asked.costs, &asked.read, refusal, diag);
  if (err != ERR_OK) return err;
  err = run(view, request, &asked, report, diag);
  attribution_settings_close(asked.read);
  return err;
}
