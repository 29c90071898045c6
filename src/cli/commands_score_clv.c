// commands_score_clv: `rapport score clv`: histories of a file, the models fitted to them, and what they say of each
// customer.
//
// Orders come from a file, or from a workspace; a book (scoring/clv_book.h) makes histories of them and fits the
// models.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/real.h"
#include "cli/ask.h"
#include "cli/progress.h"
#include "cli/score.h"
#include "cli/stop.h"
#include "cli/table.h"
#include "cli/target.h"
#include "customer/record.h"
#include "engine/worth.h"

enum { FREQUENCY, RECENCY, AGE, MONETARY, TAKEN_MAX = 6, STEPS_MAX = 100000, NUMBER_BYTES = 32, DAY_TEXT = 16 };

static const double unit_days[] = {1, 7, 365.25 / 12, 365.25}; // by --unit
static const char *const unit_names[] = {"day", "week", "month", "year"};

struct clv {
  struct cli *cli;
  struct roster customers;
  struct clv_book book;
  struct table_columns columns;
  int worth_column, weight_column, id_column; // -1: none
  bool has_orders, has_workspace;             // neither: a summary
};

// --- options -------------------------------------------------------------------------------------------------

enum err score_horizon(const char *text, double unit, double *horizon, struct diag *diag) {
  char *rest;
  double count = strtod(text, &rest);
  while (*rest == ' ') rest++;
  for (size_t i = 0; i < sizeof unit_names / sizeof *unit_names; i++) {
    size_t size = strlen(unit_names[i]);
    bool whole =
        strncmp(rest, unit_names[i], size) == 0 && (strcmp(rest + size, "") == 0 || strcmp(rest + size, "s") == 0);
    bool letter = rest[0] == unit_names[i][0] && rest[1] == '\0';
    if (rest == text || !(whole || letter) || !(count > 0) || count > 1e6) continue;
    *horizon = count * unit_days[i] / unit;
    return *horizon <= STEPS_MAX
               ? ERR_OK
               : diag_set(diag, ERR_INVALID, "usage", "--horizon is more than %d times --unit", STEPS_MAX);
  }
  return diag_set(diag, ERR_INVALID, "usage",
                  "--horizon is \"%.40s\"; expected a time such as 39weeks, 12months or 90days", text);
}

// "10%" or 0.1 a year, as the share of a unit.
static enum err read_rate(const char *text, double unit, double *rate, struct diag *diag) {
  char *rest;
  double year = strtod(text, &rest);
  if (*rest == '%') {
    year /= 100;
    rest++;
  }
  if (rest == text || *rest != '\0' || !(year >= 0) || year > 10)
    return diag_set(diag, ERR_INVALID, "usage",
                    "--discount is \"%.40s\"; expected the rate of a year, such as 10%% or 0.1", text);
  *rate = expm1(log1p(year) * unit / unit_days[3]);
  return ERR_OK;
}

static enum err read_columns(struct clv *clv, struct diag *diag) {
  const struct options *options = &clv->cli->options;
  const char *columns = options_text(options, OPTION_COLUMNS, NULL);
  const char *weights = options_text(options, OPTION_WEIGHTS, NULL), *id = options_text(options, OPTION_ID, NULL);
  const char *expected =
      clv->has_orders ? "CUSTOMER,DATE or CUSTOMER,DATE,AMOUNT" : "FREQUENCY,RECENCY,T or FREQUENCY,RECENCY,T,MONETARY";
  if (columns == NULL) return diag_set(diag, ERR_INVALID, "usage", "--columns is needed: %s", expected);
  size_t least = clv->has_orders ? 2 : 3;
  enum err err = table_columns_read(&clv->columns, columns, least, least + 1, expected, diag);
  if (err != ERR_OK) return err;
  clv->worth_column = clv->columns.count > least ? (int)least : -1;
  clv->book.has_amounts = clv->worth_column >= 0;
  if (clv->has_orders && (weights != NULL || id != NULL))
    return diag_set(diag, ERR_INVALID, "usage", "--weights and --id are of --summary");
  if (weights != NULL) {
    clv->weight_column = (int)clv->columns.count;
    err = table_columns_add(&clv->columns, weights, diag);
  }
  if (id == NULL || err != ERR_OK) return err;
  clv->id_column = (int)clv->columns.count;
  return table_columns_add(&clv->columns, id, diag);
}

static enum err check_workspace(const struct options *options, struct diag *diag) {
  if (options_text(options, OPTION_DATA, NULL) == NULL && options_text(options, OPTION_URL, NULL) == NULL)
    return diag_set(diag, ERR_INVALID, "usage",
                    "give --orders FILE or --summary FILE, with --columns; or --data DIR for a workspace's orders");
  if (options_text(options, OPTION_COLUMNS, NULL) != NULL)
    return diag_set(diag, ERR_INVALID, "usage", "--columns is of a file: give --orders FILE or --summary FILE, too");
  return ERR_OK;
}

static enum err read_options(struct clv *clv, struct diag *diag) {
  const struct options *options = &clv->cli->options;
  bool ends = options_text(options, OPTION_CALIBRATION_END, NULL) != NULL;
  clv->book.unit = unit_days[options_number(options, OPTION_UNIT, 1)];
  clv->book.model = (enum clv_model)options_number(options, OPTION_SCORE_MODEL, CLV_BGNBD);
  clv->has_workspace =
      options_text(options, OPTION_ORDERS, NULL) == NULL && options_text(options, OPTION_SUMMARY, NULL) == NULL;
  enum err err = clv->has_workspace ? check_workspace(options, diag)
                                    : score_one_file(options, OPTION_ORDERS, OPTION_SUMMARY, &clv->has_orders, diag);
  if (err == ERR_OK && ends && !clv->has_orders && !clv->has_workspace)
    return diag_set(diag, ERR_INVALID, "usage", "--calibration-end is of --orders: a summary has ended already");
  if (err == ERR_OK && (clv->has_orders || clv->has_workspace) && clv->book.model == CLV_BGBB)
    return diag_set(
        diag, ERR_INVALID, "usage",
        "bgbb counts occasions: it needs --summary, with how many were taken, the last and how many there were");
  if (err == ERR_OK)
    err = score_horizon(options_text(options, OPTION_HORIZON, "52weeks"), clv->book.unit, &clv->book.horizon, diag);
  if (err == ERR_OK)
    err = read_rate(options_text(options, OPTION_DISCOUNT, "0"), clv->book.unit, &clv->book.rate, diag);
  if (err == ERR_OK && ends)
    err = table_day(bytes_from_text(options_text(options, OPTION_CALIBRATION_END, "")), &clv->book.end_day, diag);
  return err == ERR_OK && !clv->has_workspace ? read_columns(clv, diag) : err;
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err take_order(void *context, uint64_t line, const struct bytes *cells, struct diag *diag) {
  struct clv *clv = context;
  struct clv_order order = {.amount = 0};
  (void)line;
  if (cells[0].size_bytes == 0) return diag_set(diag, ERR_INVALID, "no_customer", "the customer is empty");
  enum err err = table_day(cells[1], &order.day, diag);
  if (err == ERR_OK && clv->worth_column >= 0) err = table_number(cells[2], "amount", &order.amount, diag);
  if (err != ERR_OK) return err;
  if (roster_number(&clv->customers, cells[0], &order.customer) != ERR_OK ||
      clv_book_order(&clv->book, &order) != ERR_OK)
    return diag_no_memory(diag);
  return ERR_OK;
}

static enum err take_history(void *context, uint64_t line, const struct bytes *cells, struct diag *diag) {
  struct clv *clv = context;
  struct clv_person *person = clv_book_person(&clv->book);
  char position[NUMBER_BYTES];
  (void)line;
  if (person == NULL) return diag_no_memory(diag);
  enum err err = table_number(cells[FREQUENCY], "frequency", &person->history.frequency, diag);
  if (err == ERR_OK) err = table_number(cells[RECENCY], "recency", &person->history.recency, diag);
  if (err == ERR_OK) err = table_number(cells[AGE], "T", &person->history.age, diag);
  if (err == ERR_OK && clv->weight_column >= 0)
    err = table_number(cells[clv->weight_column], "weight", &person->history.weight, diag);
  if (err == ERR_OK && clv->worth_column >= 0) err = table_number(cells[MONETARY], "monetary", &person->worth, diag);
  if (err == ERR_OK) err = clv_check(clv->book.model, &person->history, diag);
  if (err != ERR_OK) return err;
  person->has_worth = clv->worth_column >= 0 && person->history.frequency > 0 && person->worth > 0;
  clv->book.worthless += clv->worth_column >= 0 && person->history.frequency > 0 && !person->has_worth;
  snprintf(position, sizeof position, "%zu", clv->book.person_count);
  struct bytes name = clv->id_column >= 0 ? cells[clv->id_column] : bytes_from_text(position);
  return roster_number(&clv->customers, name, &person->customer) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

static enum err gather(struct clv *clv, struct diag *diag) {
  if (options_text(&clv->cli->options, OPTION_CALIBRATION_END, NULL) == NULL)
    clv->book.end_day = clv_book_last_day(&clv->book);
  return clv_book_gather(&clv->book) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

// --- a workspace ---------------------------------------------------------------------------------------------

static bool show_progress(void *context, uint64_t done, uint64_t total) {
  progress_show(context, done, total, done);
  return !stop_is_asked();
}

// Customers by the names that the API has for them, in order of their ids.
static enum err name_customers(struct clv *clv, const uint64_t *ids, size_t count, struct diag *diag) {
  char name[CUSTOMER_ID_TEXT_BYTES];
  uint32_t number;
  for (size_t i = 0; i < count; i++) {
    customer_id_format(ids[i], name);
    if (roster_number(&clv->customers, bytes_from_text(name), &number) != ERR_OK) return diag_no_memory(diag);
  }
  return ERR_OK;
}

static enum err read_view(struct clv *clv, struct engine_view *view, struct diag *diag) {
  struct progress progress = {.unit = "customers"};
  struct worth_how how = {(unsigned)options_number(&clv->cli->options, OPTION_QUERY_THREADS, 0), show_progress,
                          &progress};
  uint64_t *ids = NULL;
  size_t count = 0;
  if (options_text(&clv->cli->options, OPTION_CALIBRATION_END, NULL) == NULL) clv->book.end_day = worth_today(view);
  clv->book.has_amounts = true;
  progress_begin(&progress);
  progress.unit = "customers";
  stop_listen(false);
  enum err err = engine_clv_orders(view, &how, &clv->book, &ids, &count, diag);
  progress_end(&progress);
  if (err == ERR_OK) err = name_customers(clv, ids, count, diag);
  alloc_free(ids);
  return err;
}

static enum err read_here(struct clv *clv, struct diag *diag) {
  struct target_local local;
  struct engine_view *view = NULL;
  enum err err = target_local_open(&local, &clv->cli->options, TARGET_READ_ONLY, diag);
  if (err != ERR_OK) return err;
  err = engine_view_open(local.engine, &view);
  if (err == ERR_OK) err = read_view(clv, view, diag);
  engine_view_close(view);
  target_local_close(&local);
  return err;
}

// The next line of an answer, taken apart at its commas. False at the end.
static bool next_cells(struct bytes *rest, struct bytes cells[3]) {
  const uint8_t *end = rest->size_bytes == 0 ? NULL : memchr(rest->data, '\n', rest->size_bytes);
  struct bytes line = bytes_of(rest->data, end == NULL ? rest->size_bytes : (size_t)(end - rest->data));
  if (rest->size_bytes == 0) return false;
  size_t taken = line.size_bytes + (end != NULL); // the last line may have lost its end on the way
  *rest = bytes_of(rest->data + taken, rest->size_bytes - taken);
  for (size_t i = 0; i < 3; i++) {
    const uint8_t *comma = i < 2 && line.size_bytes > 0 ? memchr(line.data, ',', line.size_bytes) : NULL;
    size_t size = comma == NULL ? line.size_bytes : (size_t)(comma - line.data), used = size + (comma != NULL);
    cells[i] = bytes_of(line.data, size);
    line = bytes_of(line.data + used, line.size_bytes - used);
  }
  return true;
}

static enum err read_there(struct clv *clv, struct diag *diag) {
  const struct target_call call = {.op = TARGET_SCORE_ORDERS};
  struct bytes rest, cells[3];
  struct buffer csv;
  buffer_init(&csv);
  enum err err = ask_call(clv->cli, &call, false, &csv, diag);
  rest = buffer_view(&csv);
  bool named = err == ERR_OK && next_cells(&rest, cells);
  while (named && err == ERR_OK && next_cells(&rest, cells)) err = take_order(clv, 0, cells, diag);
  buffer_release(&csv);
  return err;
}

static enum err read_workspace(struct clv *clv, struct diag *diag) {
  clv->worth_column = 2; // of an order's cells
  clv->book.has_amounts = true;
  return target_is_remote(&clv->cli->options) ? read_there(clv, diag) : read_here(clv, diag);
}

// --- what is told of a customer ------------------------------------------------------------------------------

void score_put_real(struct json_writer *writer, const char *name, double number, int digits) {
  char text[NUMBER_BYTES * 12];
  json_name(writer, name);
  if (!isfinite(number)) {
    json_null(writer);
    return;
  }
  snprintf(text, sizeof text, "%.*f", digits, number);
  json_raw(writer, bytes_from_text(text));
}

static void put_parameter(struct json_writer *writer, const char *name, double number) {
  char text[REAL_TEXT_BYTES];
  snprintf(text, sizeof text, "%.10g", number);
  json_name(writer, name);
  json_raw(writer, bytes_from_text(text));
}

static const char *outcome_word(enum clv_outcome outcome) {
  return outcome == CLV_CONVERGED ? "converged" : outcome == CLV_RUNAWAY ? "runaway" : "stopped";
}

static void write_outcome(struct json_writer *writer, enum clv_outcome outcome, const char *runaway, int starts,
                          int agreeing, double customers, size_t groups) {
  json_member_text(writer, "outcome", outcome_word(outcome));
  if (outcome == CLV_RUNAWAY) json_member_text(writer, "runaway", runaway);
  json_member_i64(writer, "starts", starts);
  json_member_i64(writer, "agreeing", agreeing);
  put_parameter(writer, "customers", customers);
  json_member_u64(writer, "different", groups);
}

static void write_models(const struct clv *clv, struct buffer *out) {
  struct json_writer writer;
  const struct clv_fit *found = &clv->book.fit;
  json_writer_init(&writer, out);
  json_object_begin(&writer);
  json_name(&writer, clv_model_name(clv->book.model));
  json_object_begin(&writer);
  for (int i = 0; i < CLV_PARAMETERS; i++)
    put_parameter(&writer, clv_parameter_name(clv->book.model, i), found->parameters[i]);
  put_parameter(&writer, "log_likelihood", found->log_likelihood);
  write_outcome(&writer, found->outcome, found->runaway < 0 ? "" : clv_parameter_name(clv->book.model, found->runaway),
                found->starts, found->agreeing, found->customers, found->groups);
  json_object_end(&writer);
  if (clv->book.has_spend) {
    json_name(&writer, "gamma_gamma");
    json_object_begin(&writer);
    put_parameter(&writer, "p", clv->book.spend.p);
    put_parameter(&writer, "q", clv->book.spend.q);
    put_parameter(&writer, "v", clv->book.spend.v);
    put_parameter(&writer, "log_likelihood", clv->book.spend.log_likelihood);
    write_outcome(&writer, clv->book.spend.outcome,
                  clv->book.spend.runaway < 0 ? "" : clv_spend_parameter_name(clv->book.spend.runaway),
                  clv->book.spend.starts, clv->book.spend.agreeing, clv->book.spend.customers, clv->book.spend.groups);
    score_put_real(&writer, "correlation", clv->book.spend.correlation, 6);
    json_object_end(&writer);
  }
  json_member_text(&writer, "unit", unit_names[options_number(&clv->cli->options, OPTION_UNIT, 1)]);
  score_put_real(&writer, "horizon", clv->book.horizon, 6);
  json_object_end(&writer);
  buffer_append_byte(out, '\n');
}

static void put_csv(const struct clv *clv, const struct clv_person *person, const struct clv_line *line) {
  struct buffer *out = &clv->cli->out;
  const struct clv_history *history = &person->history;
  csv_put_cell(out, clv->customers.items[person->customer]);
  buffer_append_format(out, ",%.0f,%.6f,%.6f", history->frequency, history->recency, history->age);
  if (clv->book.has_amounts) buffer_append_format(out, ",%.6f", person->worth);
  buffer_append_format(out, ",%.6f,%.6f,%.6f", line->alive, 1 - line->alive, line->orders);
  if (clv->book.has_amounts) {
    buffer_append_byte(out, ',');
    if (!isnan(line->worth)) buffer_append_format(out, "%.6f", line->worth);
    buffer_append_byte(out, ',');
    if (!isnan(line->value)) buffer_append_format(out, "%.6f", line->value);
  }
  if (clv->book.has_holdout) buffer_append_format(out, ",%.0f", person->after);
  buffer_append_byte(out, '\n');
}

static void put_json(const struct clv *clv, const struct clv_person *person, const struct clv_line *line) {
  struct json_writer writer;
  json_writer_init(&writer, &clv->cli->out);
  json_object_begin(&writer);
  json_name(&writer, "customer_id");
  json_bytes(&writer, clv->customers.items[person->customer]);
  score_put_real(&writer, "frequency", person->history.frequency, 0);
  score_put_real(&writer, "recency", person->history.recency, 6);
  score_put_real(&writer, "t", person->history.age, 6);
  if (clv->book.has_amounts) score_put_real(&writer, "monetary", person->worth, 6);
  score_put_real(&writer, "p_alive", line->alive, 6);
  score_put_real(&writer, "churn", 1 - line->alive, 6);
  score_put_real(&writer, "expected_orders", line->orders, 6);
  if (clv->book.has_amounts) score_put_real(&writer, "expected_value", line->worth, 6);
  if (clv->book.has_amounts) score_put_real(&writer, "clv", line->value, 6);
  if (clv->book.has_holdout) score_put_real(&writer, "orders_after", person->after, 0);
  json_object_end(&writer);
  buffer_append_byte(&clv->cli->out, '\n');
}

static enum err write_lines(struct clv *clv, enum score_format format, struct diag *diag) {
  enum err err = ERR_OK;
  struct buffer *out = &clv->cli->out;
  if (format != SCORE_CSV) write_models(clv, out);
  if (format == SCORE_CSV)
    buffer_append_format(out, "customer_id,frequency,recency,t%s,p_alive,churn,expected_orders%s%s\n",
                         clv->book.has_amounts ? ",monetary" : "", clv->book.has_amounts ? ",expected_value,clv" : "",
                         clv->book.has_holdout ? ",orders_after" : "");
  for (size_t i = 0; i < clv->book.person_count && err == ERR_OK; i++) {
    struct clv_line line = clv_book_line(&clv->book, &clv->book.people[i]);
    if (format == SCORE_CSV)
      put_csv(clv, &clv->book.people[i], &line);
    else
      put_json(clv, &clv->book.people[i], &line);
    err = score_flush(clv->cli, diag);
  }
  if (err != ERR_OK || format != SCORE_CSV) return err;
  struct buffer models;
  buffer_init(&models);
  write_models(clv, &models);
  if (!models.failed) fprintf(stderr, "%.*s", (int)models.size_bytes, (const char *)models.data);
  buffer_release(&models);
  return ERR_OK;
}

// --- the picture ---------------------------------------------------------------------------------------------

static int by_age(const void *left, const void *right) {
  double a = ((const struct clv_history *)left)->age, b = ((const struct clv_history *)right)->age;
  return (a > b) - (a < b);
}

// How many are expected to have ordered again so often: a sum of probabilities, once for each age.
static enum err expect_frequencies(const struct clv *clv, struct score_clv_picture *picture, struct diag *diag) {
  struct clv_history *sorted = alloc_zero(clv->book.person_count + 1, sizeof *sorted);
  if (sorted == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < clv->book.person_count; i++) sorted[i] = clv->book.people[i].history;
  qsort(sorted, clv->book.person_count, sizeof *sorted, by_age);
  for (size_t begin = 0, end = 0; begin < clv->book.person_count; begin = end) {
    double weight = 0, rest = 1;
    for (; end < clv->book.person_count && sorted[end].age == sorted[begin].age; end++) weight += sorted[end].weight;
    for (unsigned n = 0; n + 1 < SCORE_CLV_GROUPS; n++) {
      double share = clv_probability(&clv->book.fit, sorted[begin].age, n);
      picture->expected[n] += weight * share;
      rest -= share;
    }
    picture->expected[SCORE_CLV_GROUPS - 1] += weight * fmax(rest, 0);
  }
  alloc_free(sorted);
  return ERR_OK;
}

static enum err draw(struct clv *clv, struct diag *diag) {
  struct score_clv_picture picture = {.fit = &clv->book.fit,
                                      .spend = clv->book.has_spend ? &clv->book.spend : NULL,
                                      .has_holdout = clv->book.has_holdout,
                                      .has_expected = clv->book.model == CLV_BGNBD || clv->book.model == CLV_MBGNBD,
                                      .horizon = clv->book.horizon,
                                      .unit = unit_names[options_number(&clv->cli->options, OPTION_UNIT, 1)]};
  for (size_t i = 0; i < clv->book.person_count; i++) {
    const struct clv_person *person = &clv->book.people[i];
    struct clv_line line = clv_book_line(&clv->book, person);
    double weight = person->history.weight;
    size_t group = (size_t)fmin(person->history.frequency, SCORE_CLV_GROUPS - 1);
    picture.customers[group] += weight;
    picture.seen_after[group] += weight * person->after;
    picture.expected_after[group] += weight * line.orders;
    picture.orders += weight * line.orders;
    picture.alive += weight * line.alive;
    if (!isnan(line.value)) picture.value += weight * line.value;
  }
  enum err err = picture.has_expected ? expect_frequencies(clv, &picture, diag) : ERR_OK;
  if (err == ERR_OK) score_clv_print(&picture, &clv->cli->out);
  return err;
}

// --- the command ---------------------------------------------------------------------------------------------

// What a reader of the figures must know.
static void print_notes(const struct clv *clv) {
  if (clv->book.newcomers > 0)
    fprintf(stderr, "rapport: %llu customer%s with a first order after the end of calibration left out\n",
            (unsigned long long)clv->book.newcomers, clv->book.newcomers == 1 ? "" : "s");
  if (clv->book.worthless > 0)
    fprintf(stderr, "rapport: %llu customer%s with repeated orders of 0 or less in the mean: not in Gamma-Gamma\n",
            (unsigned long long)clv->book.worthless, clv->book.worthless == 1 ? "" : "s");
  if (clv->book.has_amounts && !clv->book.has_spend)
    fprintf(stderr, "rapport: nobody ordered again for an amount above 0: there is no Gamma-Gamma model\n");
  if (clv->book.fit.outcome == CLV_RUNAWAY)
    fprintf(stderr,
            "rapport: warning: these customers do not hold %s of %s: it grows or shrinks without an end, and "
            "what is told rests on little\n",
            clv_parameter_name(clv->book.model, clv->book.fit.runaway), clv_model_name(clv->book.model));
  if (clv->book.fit.outcome == CLV_STOPPED)
    fprintf(stderr, "rapport: warning: the search for %s stopped before it was done\n",
            clv_model_name(clv->book.model));
  if (clv->book.has_spend && clv->book.spend.outcome != CLV_CONVERGED)
    fprintf(stderr, "rapport: warning: Gamma-Gamma did not settle: the amounts do not hold its parameters\n");
  if (clv->book.has_spend && clv->book.spend.q <= 1)
    fprintf(stderr, "rapport: warning: Gamma-Gamma has no mean at q <= 1: nothing is said of who ordered once\n");
}

static enum err read_file(struct clv *clv, struct diag *diag) {
  const char *path = options_text(&clv->cli->options, clv->has_orders ? OPTION_ORDERS : OPTION_SUMMARY, NULL);
  return table_read(path, &clv->columns, clv->has_orders ? take_order : take_history, clv, diag);
}

static enum err run(struct clv *clv, struct diag *diag) {
  enum err err = read_options(clv, diag);
  if (err != ERR_OK) return err;
  err = clv->has_workspace ? read_workspace(clv, diag) : read_file(clv, diag);
  // What follows is arithmetic alone: Ctrl-C may end it anywhere.
  stop_at_once();
  if (err == ERR_OK && (clv->has_orders || clv->has_workspace)) err = gather(clv, diag);
  if (err == ERR_OK) err = clv_book_fit(&clv->book, diag);
  if (err != ERR_OK) return clv->has_workspace ? engine_clv_explain(err, diag) : err;
  print_notes(clv);
  enum score_format format = score_format_of(clv->cli, SCORE_NDJSON);
  return format == SCORE_TEXT ? draw(clv, diag) : write_lines(clv, format, diag);
}

enum err command_score_clv(struct cli *cli, struct diag *diag) {
  struct clv clv = {.cli = cli, .worth_column = -1, .weight_column = -1, .id_column = -1};
  roster_init(&clv.customers);
  enum err err = run(&clv, diag);
  roster_release(&clv.customers);
  clv_book_release(&clv.book);
  return err;
}
