// attribution_tables: one function a table, in the order in which they are read.
//
// The first table has the columns of the file mode (comparison_write_csv), so that the two can be laid side by side.
#include "engine/attribution_tables.h"

#include <stdio.h>
#include <string.h>

#include "attribution/pairs.h"
#include "attribution/paths_text.h"
#include "base/alloc.h"

enum { COLUMNS_MAX = 2 * COMPARISON_MODEL_COUNT + 6, TEXT_BYTES = 64, LENGTHS_MAX = 100 };

struct columns {
  struct report_column items[COLUMNS_MAX];
  char keys[COLUMNS_MAX][TEXT_BYTES], labels[COLUMNS_MAX][TEXT_BYTES];
  const double *numbers[COLUMNS_MAX]; // by channel; NULL: of the first columns
  size_t count;
};

static void add_column(struct columns *columns, const char *key, const char *label, enum report_kind kind,
                       const double *numbers) {
  size_t at = columns->count++;
  snprintf(columns->keys[at], TEXT_BYTES, "%s", key);
  snprintf(columns->labels[at], TEXT_BYTES, "%s", label);
  columns->items[at] = (struct report_column){columns->keys[at], columns->labels[at], kind};
  columns->numbers[at] = numbers;
}

// "last_touch_conversions", "Last touch"; "last_touch_value", "Last touch value": many stand side by side.
static void add_figure(struct columns *columns, const char *name, const char *end, const char *label_end,
                       const double *numbers) {
  char key[TEXT_BYTES], label[TEXT_BYTES];
  snprintf(key, sizeof key, "%s_%s", name, end);
  snprintf(label, sizeof label, "%s%s", name, label_end);
  for (char *at = label; *at != '\0'; at++)
    if (*at == '_') *at = ' ';
  if (label[0] >= 'a' && label[0] <= 'z') label[0] = (char)(label[0] - 'a' + 'A');
  add_column(columns, key, label, REPORT_NUMBER, numbers);
}

static bool wants(const struct comparison *comparison, unsigned model) {
  return comparison->models >> model & 1;
}

// --- models ----------------------------------------------------------------------------------------------------

static void add_models(const struct comparison *comparison, bool alone, struct columns *columns) {
  for (unsigned i = 0; i < COMPARISON_MODEL_COUNT; i++) {
    if (!wants(comparison, i)) continue;
    const char *name = alone ? "total" : comparison_column_name(i);
    add_figure(columns, name, "conversions", "", comparison->conversions[i]);
    add_figure(columns, name, alone ? "conversion_value" : "value", " value", comparison->value[i]);
    if (i != COMPARISON_MARKOV || comparison->markov.removal_conversion == NULL) continue;
    add_column(columns, "removal_effects_conversion", "Removal effect", REPORT_SHARE,
               comparison->markov.removal_conversion);
    add_column(columns, "removal_effects_conversion_value", "On value", REPORT_SHARE, comparison->markov.removal_value);
  }
}

static void write_channels(struct report *report, const struct paths *paths, struct bytes group,
                           const struct columns *columns) {
  for (size_t channel = 0; channel < paths->channels.count; channel++) {
    if (group.data != NULL) report_text(report, group);
    report_text(report, paths->channels.names[channel]);
    for (size_t i = 0; i < columns->count; i++)
      if (columns->numbers[i] != NULL) report_number(report, columns->numbers[i][channel]);
  }
}

static void write_models(const struct attribution_tables *tables) {
  struct columns columns = {.count = 0};
  const struct comparison *comparison = &tables->comparison;
  add_column(&columns, "channel_name", "Channel", REPORT_TEXT, NULL);
  add_models(comparison, comparison->models == 1u << COMPARISON_MARKOV, &columns);
  report_table(tables->report, "models", "What each channel brought, by model", columns.items, columns.count);
  write_channels(tables->report, &tables->journeys->all.paths, (struct bytes){0}, &columns);
}

// --- groups ----------------------------------------------------------------------------------------------------

static void overwrite_timed(const struct attribution_pool *pool, struct comparison *comparison) {
  for (size_t i = 0; i < pool->paths.channels.count; i++) {
    const struct attribution_timed *timed = &pool->timed[i];
    if (wants(comparison, HEURISTIC_TIME_DECAY)) {
      comparison->conversions[HEURISTIC_TIME_DECAY][i] = timed->decay_conversions.sum + timed->decay_conversions.rest;
      comparison->value[HEURISTIC_TIME_DECAY][i] = timed->decay_value.sum + timed->decay_value.rest;
    }
    if (wants(comparison, HEURISTIC_W_SHAPED)) {
      comparison->conversions[HEURISTIC_W_SHAPED][i] = timed->w_conversions.sum + timed->w_conversions.rest;
      comparison->value[HEURISTIC_W_SHAPED][i] = timed->w_value.sum + timed->w_value.rest;
    }
  }
}

enum err attribution_compare(const struct attribution_pool *pool, const struct comparison_options *what,
                             struct comparison *comparison, struct diag *diag) {
  enum err err = comparison_run(&pool->paths, what, comparison, diag);
  if (err == ERR_OK) overwrite_timed(pool, comparison);
  return err;
}

// What the removal effects of all journeys give those of one group.
static enum err share_markov(const struct comparison *all, const struct paths *paths, double *conversions,
                             double *value, struct diag *diag) {
  size_t count = paths->channels.count + 1;
  double *shares = alloc_get(count * sizeof *shares), *rests = alloc_zero(2 * count, sizeof *rests);
  paths_step *channels = alloc_get(count * sizeof *channels);
  enum err err = shares == NULL || rests == NULL || channels == NULL ? diag_no_memory(diag) : ERR_OK;
  for (size_t i = 0; i < paths->row_count && err == ERR_OK; i++) {
    const struct paths_row *row = &paths->rows[i];
    size_t found = markov_path_shares(&all->markov, paths_steps(paths, row), row->count, channels, shares);
    for (size_t j = 0; j < found; j++) {
      paths_sum(&conversions[channels[j]], &rests[channels[j]], (double)row->conversions * shares[j]);
      paths_sum(&value[channels[j]], &rests[count + channels[j]], paths_value(row) * shares[j]);
    }
  }
  for (size_t i = 0; i + 1 < count && err == ERR_OK; i++) {
    conversions[i] += rests[i];
    value[i] += rests[count + i];
  }
  alloc_free(shares);
  alloc_free(rests);
  alloc_free(channels);
  return err;
}

// The models of a group of journeys, Markov's by the removal effects of all.
struct group_credit {
  struct comparison comparison;
  double *markov_conversions, *markov_value;
};

static enum err group_credit_open(const struct attribution_tables *tables, const struct attribution_pool *pool,
                                  struct group_credit *credit, struct diag *diag) {
  struct comparison_options what = tables->what;
  size_t count = pool->paths.channels.count + 1;
  what.models &= ~(1u << COMPARISON_MARKOV);
  comparison_init(&credit->comparison);
  credit->markov_conversions = alloc_zero(count, sizeof(double));
  credit->markov_value = alloc_zero(count, sizeof(double));
  if (credit->markov_conversions == NULL || credit->markov_value == NULL) return diag_no_memory(diag);
  enum err err = attribution_compare(pool, &what, &credit->comparison, diag);
  if (err != ERR_OK || !wants(&tables->comparison, COMPARISON_MARKOV)) return err;
  credit->comparison.models |= 1u << COMPARISON_MARKOV;
  credit->comparison.conversions[COMPARISON_MARKOV] = credit->markov_conversions;
  credit->comparison.value[COMPARISON_MARKOV] = credit->markov_value;
  return share_markov(&tables->comparison, &pool->paths, credit->markov_conversions, credit->markov_value, diag);
}

static void group_credit_close(struct group_credit *credit) {
  comparison_release(&credit->comparison);
  alloc_free(credit->markov_conversions);
  alloc_free(credit->markov_value);
}

static void begin_groups(const struct attribution_tables *tables, const struct comparison *comparison,
                         struct columns *columns, bool begins) {
  static const char *const TITLES[ATTRIBUTION_BY_COUNT] = {[ATTRIBUTION_BY_STORE] = "By store of the sale",
                                                           [ATTRIBUTION_BY_RANGE] = "By product range",
                                                           [ATTRIBUTION_BY_CUSTOMER] = "By new and returning customers",
                                                           [ATTRIBUTION_BY_SEGMENT] = "By segment"};
  columns->count = 0;
  add_column(columns, "group", "Group", REPORT_TEXT, NULL);
  add_column(columns, "channel_name", "Channel", REPORT_TEXT, NULL);
  add_models(comparison, false, columns);
  if (begins) report_table(tables->report, "groups", TITLES[tables->by], columns->items, columns->count);
}

static enum err write_groups(const struct attribution_tables *tables, struct diag *diag) {
  const struct attribution_journeys *journeys = tables->journeys;
  struct columns *columns = alloc_zero(1, sizeof *columns);
  enum err err = columns == NULL ? diag_no_memory(diag) : ERR_OK;
  for (size_t i = 0; i < journeys->group_count && err == ERR_OK; i++) {
    struct group_credit credit = {0};
    err = group_credit_open(tables, &journeys->groups[i], &credit, diag);
    if (err == ERR_OK) begin_groups(tables, &credit.comparison, columns, i == 0);
    if (err == ERR_OK) write_channels(tables->report, &journeys->groups[i].paths, journeys->group_names[i], columns);
    group_credit_close(&credit);
  }
  alloc_free(columns);
  return err;
}

// --- costs -----------------------------------------------------------------------------------------------------

// What a channel cost in the period: of each cost the part of its days that lie in it.
static double cost_of(const struct attribution_tables *tables, struct bytes channel) {
  const struct attribution_settings *settings = tables->settings;
  double sum = 0, rest = 0;
  for (size_t i = 0; i < settings->cost_count; i++) {
    const struct attribution_cost *cost = &settings->costs[i];
    int32_t from = cost->from_day > tables->from_day ? cost->from_day : tables->from_day;
    int32_t to = cost->to_day < tables->to_day ? cost->to_day : tables->to_day;
    if (from > to || !bytes_equal(cost->channel, channel)) continue;
    double days = (double)cost->to_day - cost->from_day + 1;
    paths_sum(&sum, &rest, cost->amount * ((double)to - from + 1) / days);
  }
  return sum + rest;
}

static void ratio(struct report *report, double over, double under) {
  if (under > 0)
    report_number(report, over / under);
  else
    report_none(report);
}

static void write_cost(struct report *report, struct bytes channel, unsigned model, double cost, double conversions,
                       double value, double fresh) {
  report_text(report, channel);
  report_text(report, bytes_from_text(comparison_model_name(model)));
  report_number(report, cost);
  report_number(report, conversions);
  report_number(report, value);
  ratio(report, value, cost);
  ratio(report, cost, conversions);
  report_number(report, fresh);
  ratio(report, cost, fresh);
}

// Channels that cost something, also those that no journey has.
static void write_cost_rows(const struct attribution_tables *tables, const struct comparison *fresh) {
  const struct comparison *all = &tables->comparison;
  for (size_t i = 0; i < tables->settings->name_count; i++) {
    struct bytes channel = tables->settings->names[i];
    double cost = cost_of(tables, channel);
    int64_t at = paths_channel_find(&tables->journeys->all.paths, channel);
    if (!(cost > 0)) continue;
    for (unsigned model = 0; model < COMPARISON_MODEL_COUNT; model++)
      if (wants(all, model))
        write_cost(tables->report, channel, model, cost, at < 0 ? 0 : all->conversions[model][at],
                   at < 0 ? 0 : all->value[model][at], at < 0 ? 0 : fresh->conversions[model][at]);
  }
}

static enum err write_costs(const struct attribution_tables *tables, struct diag *diag) {
  static const struct report_column COLUMNS[] = {
      {"channel_name", "Channel", REPORT_TEXT},
      {"model", "Model", REPORT_TEXT},
      {"cost", "Cost", REPORT_NUMBER},
      {"conversions", "Conversions", REPORT_NUMBER},
      {"value", "Value", REPORT_NUMBER},
      {"roas", "Value for 1 of cost", REPORT_NUMBER},
      {"cost_per_conversion", "Cost of a conversion", REPORT_NUMBER},
      {"new_customers", "New customers", REPORT_NUMBER},
      {"cost_per_new_customer", "Cost of a new customer", REPORT_NUMBER},
  };
  struct group_credit fresh = {0};
  if (tables->settings->cost_count == 0 || tables->by != ATTRIBUTION_BY_CHANNEL) return ERR_OK;
  enum err err = group_credit_open(tables, &tables->journeys->fresh, &fresh, diag);
  if (err == ERR_OK) {
    report_table(tables->report, "costs", "What it cost", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    write_cost_rows(tables, &fresh.comparison);
  }
  group_credit_close(&fresh);
  return err;
}

// --- paths -----------------------------------------------------------------------------------------------------

static void write_path(struct report *report, struct bytes path, const struct paths_row *row) {
  report_text(report, path);
  report_count(report, row->conversions);
  report_number(report, paths_value(row));
  report_count(report, row->nulls);
}

static enum err write_paths(const struct attribution_tables *tables, struct diag *diag) {
  static const struct report_column COLUMNS[] = {{"path", "Path", REPORT_TEXT},
                                                 {"total_conversions", "Conversions", REPORT_COUNT},
                                                 {"total_conversion_value", "Value", REPORT_NUMBER},
                                                 {"total_null", "Without conversion", REPORT_COUNT}};
  const struct paths *paths = &tables->journeys->all.paths;
  size_t shown = tables->path_rows == 0 || tables->path_rows > paths->row_count ? paths->row_count : tables->path_rows;
  struct buffer text;
  buffer_init(&text);
  report_table(tables->report, "paths", "Paths that brought most", COLUMNS, 4);
  for (size_t i = 0; i < shown; i++) {
    buffer_clear(&text);
    paths_text_write(&text, paths, paths_steps(paths, &paths->rows[i]), paths->rows[i].count, BYTES(" > "));
    write_path(tables->report, buffer_view(&text), &paths->rows[i]);
  }
  if (tables->path_rows == 0 && paths->empty.conversions > 0) write_path(tables->report, BYTES(""), &paths->empty);
  bool failed = text.failed;
  buffer_release(&text);
  return failed ? diag_no_memory(diag) : ERR_OK;
}

// --- lengths and lags ------------------------------------------------------------------------------------------

static void write_lengths(const struct attribution_tables *tables) {
  static const struct report_column COLUMNS[] = {{"touches", "Touches", REPORT_TEXT},
                                                 {"conversions", "Conversions", REPORT_COUNT},
                                                 {"conversion_value", "Value", REPORT_NUMBER},
                                                 {"without_conversion", "Without conversion", REPORT_COUNT}};
  struct length {
    uint64_t conversions, nulls;
    double value, rest;
  } lengths[LENGTHS_MAX + 1] = {0};
  const struct paths *paths = &tables->journeys->all.paths;
  lengths[0] = (struct length){paths->empty.conversions, paths->empty.nulls, paths_value(&paths->empty), 0};
  for (size_t i = 0; i < paths->row_count; i++) {
    const struct paths_row *row = &paths->rows[i];
    struct length *length = &lengths[row->count < LENGTHS_MAX ? row->count : LENGTHS_MAX];
    length->conversions += row->conversions;
    length->nulls += row->nulls;
    paths_sum(&length->value, &length->rest, paths_value(row));
  }
  report_table(tables->report, "path_length", "How many touches it took", COLUMNS, 4);
  for (size_t i = 0; i <= LENGTHS_MAX; i++) {
    char text[TEXT_BYTES];
    if (lengths[i].conversions + lengths[i].nulls == 0) continue;
    snprintf(text, sizeof text, i < LENGTHS_MAX ? "%zu" : "%zu and more", i);
    report_text(tables->report, bytes_from_text(text));
    report_count(tables->report, lengths[i].conversions);
    report_number(tables->report, lengths[i].value + lengths[i].rest);
    report_count(tables->report, lengths[i].nulls);
  }
}

static void write_lags(const struct attribution_tables *tables) {
  static const struct report_column COLUMNS[] = {{"days", "Days from the first touch", REPORT_DAYS},
                                                 {"conversions", "Conversions", REPORT_COUNT},
                                                 {"conversion_value", "Value", REPORT_NUMBER},
                                                 {"share", "Share", REPORT_SHARE}};
  const struct attribution_journeys *journeys = tables->journeys;
  uint64_t all = 0;
  for (size_t i = 0; i < journeys->lag_count; i++) all += journeys->lags[i].conversions;
  report_table(tables->report, "time_lag", "How long it took", COLUMNS, 4);
  for (size_t i = 0; i < journeys->lag_count; i++) {
    const struct attribution_lag *lag = &journeys->lags[i];
    if (lag->conversions == 0) continue;
    report_count(tables->report, i);
    report_count(tables->report, lag->conversions);
    report_number(tables->report, lag->value.sum + lag->value.rest);
    report_number(tables->report, (double)lag->conversions / (double)all);
  }
}

// --- assisted --------------------------------------------------------------------------------------------------

struct assists {
  uint64_t first, last, alone, assisted;
};

static void count_assists(const struct paths *paths, const struct paths_row *row, struct assists *assists,
                          size_t *seen_in, size_t index) {
  const paths_step *steps = paths_steps(paths, row);
  paths_step last = steps[row->count - 1];
  assists[steps[0]].first += row->conversions;
  assists[last].last += row->conversions;
  bool alone = true;
  for (size_t i = 0; i < row->count; i++) {
    alone = alone && steps[i] == last;
    if (steps[i] == last || seen_in[steps[i]] == index + 1) continue;
    seen_in[steps[i]] = index + 1;
    assists[steps[i]].assisted += row->conversions;
  }
  if (alone) assists[last].alone += row->conversions;
}

static enum err write_assisted(const struct attribution_tables *tables, struct diag *diag) {
  static const struct report_column COLUMNS[] = {
      {"channel_name", "Channel", REPORT_TEXT}, {"first", "Began", REPORT_COUNT},
      {"last", "Ended", REPORT_COUNT},          {"alone", "Alone", REPORT_COUNT},
      {"assisted", "Assisted", REPORT_COUNT},   {"assisted_per_last", "Assisted for 1 ended", REPORT_NUMBER},
  };
  const struct paths *paths = &tables->journeys->all.paths;
  size_t count = paths->channels.count;
  struct assists *assists = alloc_zero(count + 1, sizeof *assists);
  size_t *seen_in = alloc_zero(count + 1, sizeof *seen_in);
  enum err err = assists == NULL || seen_in == NULL ? diag_no_memory(diag) : ERR_OK;
  for (size_t i = 0; i < paths->row_count && err == ERR_OK; i++)
    if (paths->rows[i].conversions > 0) count_assists(paths, &paths->rows[i], assists, seen_in, i);
  report_table(tables->report, "assisted", "Which channels begin, help and end", COLUMNS, 6);
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    report_text(tables->report, paths->channels.names[i]);
    report_count(tables->report, assists[i].first);
    report_count(tables->report, assists[i].last);
    report_count(tables->report, assists[i].alone);
    report_count(tables->report, assists[i].assisted);
    ratio(tables->report, (double)assists[i].assisted, (double)assists[i].last);
  }
  alloc_free(assists);
  alloc_free(seen_in);
  return err;
}

// --- channels together -----------------------------------------------------------------------------------------

static enum err write_affinity(const struct attribution_tables *tables, struct diag *diag) {
  static const struct report_column COLUMNS[] = {
      {"channel_a", "Channel", REPORT_TEXT},
      {"channel_b", "And channel", REPORT_TEXT},
      {"paths_with_both", "Paths with both", REPORT_COUNT},
      {"root_log_likelihood_ratio", "More (less) than by chance", REPORT_NUMBER},
  };
  const struct paths *paths = &tables->journeys->all.paths;
  struct pairs pairs;
  if (paths->channels.count > PAIRS_CHANNELS_MAX) return ERR_OK;
  pairs_init(&pairs);
  enum err err = pairs_count(paths, &pairs, diag);
  if (err == ERR_OK) report_table(tables->report, "affinity", "Channels on the same paths", COLUMNS, 4);
  for (size_t a = 0; err == ERR_OK && a < pairs.channel_count; a++) {
    for (size_t b = a + 1; b < pairs.channel_count; b++) {
      const struct pairs_count *both = &pairs.of[pairs_place(a, b)];
      if (both->conversions + both->nulls == 0) continue;
      report_text(tables->report, paths->channels.names[a]);
      report_text(tables->report, paths->channels.names[b]);
      report_count(tables->report, both->conversions + both->nulls);
      report_number(tables->report, pairs_affinity(&pairs, a, b));
    }
  }
  pairs_release(&pairs);
  return err;
}

static void write_state(const struct attribution_tables *tables, const struct markov_graph *graph, uint32_t state) {
  paths_step channels[MARKOV_ORDER_MAX];
  if (state == MARKOV_START || state == MARKOV_NULL || state == MARKOV_CONVERSION) {
    report_text(tables->report, state == MARKOV_START  ? BYTES("(start)")
                                : state == MARKOV_NULL ? BYTES("(null)")
                                                       : BYTES("(conversion)"));
    return;
  }
  markov_channels(graph->keys[state], channels);
  report_text(tables->report, tables->journeys->all.paths.channels.names[channels[0]]);
}

static enum err write_transitions(const struct attribution_tables *tables, struct diag *diag) {
  static const struct report_column COLUMNS[] = {
      {"channel_from", "From", REPORT_TEXT},
      {"channel_to", "To", REPORT_TEXT},
      {"transition_probability", "Probability", REPORT_SHARE},
  };
  struct markov_graph graph;
  const struct markov_options first_order = {1, false, tables->what.markov.threads};
  markov_graph_init(&graph);
  enum err err = markov_graph_build(&tables->journeys->all.paths, &first_order, &graph, diag);
  if (err == ERR_OK) report_table(tables->report, "transitions", "Which channel follows which", COLUMNS, 3);
  for (size_t begin = 0, end; err == ERR_OK && begin < graph.edge_count; begin = end) {
    double whole = 0;
    for (end = begin; end < graph.edge_count && graph.edges[end].from == graph.edges[begin].from; end++)
      whole += graph.edges[end].weight;
    for (size_t e = begin; e < end; e++) {
      write_state(tables, &graph, graph.edges[e].from);
      write_state(tables, &graph, graph.edges[e].to);
      report_number(tables->report, graph.edges[e].weight / whole);
    }
  }
  markov_graph_release(&graph);
  return err;
}

// --- all -------------------------------------------------------------------------------------------------------

enum err attribution_tables_write(struct attribution_tables *tables, struct diag *diag) {
  write_models(tables);
  enum err err = write_groups(tables, diag);
  if (err == ERR_OK) err = write_costs(tables, diag);
  if (err == ERR_OK) err = write_paths(tables, diag);
  if (err != ERR_OK) return err;
  write_lengths(tables);
  write_lags(tables);
  err = write_assisted(tables, diag);
  if (err == ERR_OK) err = write_affinity(tables, diag);
  return err == ERR_OK ? write_transitions(tables, diag) : err;
}
