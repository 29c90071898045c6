// report_clv.c: what customers are worth within a horizon, by tenths: BG/NBD and Gamma-Gamma over the workspace's
// orders.
//
// The figures of a customer are those of `rapport score clv` (scoring/clv_book.h). Customers are ranked by their value,
// or by expected orders where no amounts say what one is worth; equal ones in order of their ids.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "customer/record.h"
#include "engine/read.h"
#include "engine/report.h"
#include "engine/worth.h"

enum { DECILES = 10, LISTED = 20, LISTED_MAX = REPORT_ROWS_MAX };

static const double WEEK = 7, YEAR = 365.25; // days

struct ranked {
  const struct clv_person *person;
  struct clv_line line;
  double rank; // by which customers are ordered
};

struct run {
  struct engine_view *view;
  struct clv_book book;
  uint64_t *ids;
  size_t id_count;
  double listed;
  bool ends;             // an end of calibration was given; else the last order's day is it
  struct ranked *ranked; // highest first
};

// --- options -------------------------------------------------------------------------------------------------

static enum err read_calibration_end(struct run *run, struct value options, struct diag *diag) {
  struct value end = engine_report_option(run->view, options, "calibration_end");
  int64_t end_us;
  if (value_is_absent(end)) return ERR_OK;
  run->ends = true;
  enum err err = engine_report_instant(run->view, end, "calibration_end", true, &end_us, NULL, diag);
  if (err == ERR_OK) run->book.end_day = worth_day(run->view, end_us - 1);
  return err;
}

static enum err read_options(struct run *run, struct value options, struct diag *diag) {
  double days, rate;
  run->book.model = CLV_BGNBD;
  run->book.has_amounts = true;
  run->book.unit = WEEK;
  enum err err = read_calibration_end(run, options, diag);
  if (err == ERR_OK) err = worth_days_option(run->view, options, "horizon", 52 * WEEK, &days, diag);
  if (err == ERR_OK) err = worth_number_option(run->view, options, "discount", 0, 0, 10, &rate, diag);
  if (err == ERR_OK)
    err = worth_number_option(run->view, options, "customers", LISTED, 0, LISTED_MAX, &run->listed, diag);
  if (err != ERR_OK) return err;
  run->book.horizon = days / WEEK;
  run->book.rate = expm1(log1p(rate) * WEEK / YEAR);
  return ERR_OK;
}

// --- ranking -------------------------------------------------------------------------------------------------

static int by_rank(const void *left, const void *right) {
  const struct ranked *a = left, *b = right;
  int order = (a->rank < b->rank) - (a->rank > b->rank);
  return order != 0 ? order : (a->person->customer > b->person->customer) - (a->person->customer < b->person->customer);
}

static enum err rank(struct run *run, struct diag *diag) {
  size_t count = run->book.person_count;
  run->ranked = alloc_zero(count + 1, sizeof *run->ranked);
  if (run->ranked == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < count; i++) {
    struct ranked *ranked = &run->ranked[i];
    ranked->person = &run->book.people[i];
    ranked->line = clv_book_line(&run->book, ranked->person);
    ranked->rank = isnan(ranked->line.value) ? ranked->line.orders : ranked->line.value;
  }
  qsort(run->ranked, count, sizeof *run->ranked, by_rank);
  return ERR_OK;
}

// --- telling it ----------------------------------------------------------------------------------------------

struct sums {
  double customers, alive, orders, value, after;
};

static struct sums sum(const struct run *run, size_t from, size_t to) {
  struct sums sums = {0};
  for (size_t i = from; i < to; i++) {
    const struct ranked *ranked = &run->ranked[i];
    sums.customers++;
    sums.alive += ranked->line.alive;
    sums.orders += ranked->line.orders;
    sums.value += isnan(ranked->line.value) ? 0 : ranked->line.value;
    sums.after += ranked->person->after;
  }
  return sums;
}

static void tell_facts(const struct run *run, struct report *report) {
  char text[96], day[ENGINE_REPORT_TIME_BYTES];
  engine_report_time(run->view, worth_day_begin(run->view, run->book.end_day), day);
  report_fact(report, "calibration_end", "Orders up to", bytes_from_text(day));
  snprintf(text, sizeof text, "%g weeks", run->book.horizon);
  report_fact(report, "horizon", "Horizon", bytes_from_text(text));
  report_fact(report, "time_zone", "Time zone", bytes_from_text(rule_zone_name(engine_zone(run->view->engine))));
}

static void tell_totals(const struct run *run, struct report *report) {
  static const struct report_column columns[] = {
      {"customers", "Customers", REPORT_COUNT}, {"alive", "Expected to be still there", REPORT_NUMBER},
      {"churn", "Churn", REPORT_SHARE},         {"expected_orders", "Expected orders", REPORT_NUMBER},
      {"value", "Value", REPORT_NUMBER},        {"orders_after", "Orders seen after", REPORT_COUNT}};
  struct sums all = sum(run, 0, run->book.person_count);
  report_table(report, "totals", "All customers", columns, 6);
  report_count(report, run->book.person_count);
  report_number(report, all.alive);
  report_number(report, 1 - all.alive / all.customers);
  report_number(report, all.orders);
  report_number(report, run->book.has_spend ? all.value : NAN);
  if (run->book.has_holdout)
    report_count(report, (uint64_t)all.after);
  else
    report_none(report);
}

static void tell_deciles(const struct run *run, struct report *report) {
  static const struct report_column columns[] = {{"decile", "Tenth", REPORT_COUNT},
                                                 {"customers", "Customers", REPORT_COUNT},
                                                 {"churn", "Churn", REPORT_SHARE},
                                                 {"expected_orders", "Expected orders", REPORT_NUMBER},
                                                 {"value", "Value", REPORT_NUMBER},
                                                 {"share", "Share of value", REPORT_SHARE},
                                                 {"share_to_here", "Up to here", REPORT_SHARE}};
  size_t count = run->book.person_count, from = 0;
  struct sums all = sum(run, 0, count);
  double to_here = 0;
  report_table(report, "deciles", "By value, the highest tenth first", columns, 7);
  for (size_t decile = 1; decile <= DECILES; decile++) {
    size_t to = decile * count / DECILES;
    struct sums tenth = sum(run, from, to);
    to_here += tenth.value;
    report_count(report, decile);
    report_count(report, to - from);
    report_number(report, to > from ? 1 - tenth.alive / tenth.customers : NAN);
    report_number(report, tenth.orders);
    report_number(report, run->book.has_spend ? tenth.value : NAN);
    report_number(report, all.value > 0 ? tenth.value / all.value : NAN);
    report_number(report, all.value > 0 ? to_here / all.value : NAN);
    from = to;
  }
}

static void tell_parameter(struct report *report, const char *model, const char *name, double value) {
  report_text(report, bytes_from_text(model));
  report_text(report, bytes_from_text(name));
  report_number(report, value);
}

static void tell_models(const struct run *run, struct report *report) {
  static const struct report_column columns[] = {
      {"model", "Model", REPORT_TEXT}, {"parameter", "Parameter", REPORT_TEXT}, {"value", "Value", REPORT_NUMBER}};
  const struct clv_spend_fit *spend = &run->book.spend;
  const char *model = clv_model_name(run->book.model);
  report_table(report, "models", "Models", columns, 3);
  for (int i = 0; i < CLV_PARAMETERS; i++)
    tell_parameter(report, model, clv_parameter_name(run->book.model, i), run->book.fit.parameters[i]);
  tell_parameter(report, model, "log_likelihood", run->book.fit.log_likelihood);
  if (!run->book.has_spend) return;
  tell_parameter(report, "gamma_gamma", "p", spend->p);
  tell_parameter(report, "gamma_gamma", "q", spend->q);
  tell_parameter(report, "gamma_gamma", "v", spend->v);
  tell_parameter(report, "gamma_gamma", "log_likelihood", spend->log_likelihood);
}

static void tell_customers(const struct run *run, struct report *report) {
  static const struct report_column columns[] = {{"customer_id", "Customer", REPORT_TEXT},
                                                 {"frequency", "Orders after the first", REPORT_COUNT},
                                                 {"recency", "First to last, weeks", REPORT_NUMBER},
                                                 {"t", "First to end, weeks", REPORT_NUMBER},
                                                 {"monetary", "Mean order", REPORT_NUMBER},
                                                 {"p_alive", "Still there", REPORT_SHARE},
                                                 {"churn", "Churn", REPORT_SHARE},
                                                 {"expected_orders", "Expected orders", REPORT_NUMBER},
                                                 {"expected_value", "Expected order", REPORT_NUMBER},
                                                 {"clv", "Value", REPORT_NUMBER}};
  report_table(report, "customers", "The most valuable customers", columns, 10);
  for (size_t i = 0; i < run->book.person_count && (double)i < run->listed; i++) {
    const struct clv_person *person = run->ranked[i].person;
    const struct clv_line *line = &run->ranked[i].line;
    char id[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(run->ids[person->customer], id);
    report_text(report, bytes_from_text(id));
    report_count(report, (uint64_t)person->history.frequency);
    report_number(report, person->history.recency);
    report_number(report, person->history.age);
    report_number(report, person->worth);
    report_number(report, line->alive);
    report_number(report, 1 - line->alive);
    report_number(report, line->orders);
    report_number(report, line->worth);
    report_number(report, line->value);
  }
}

static void tell_notes(const struct run *run, struct report *report) {
  if (run->book.newcomers > 0)
    report_note(report, "Customers with a first order after the end of calibration are left out.");
  if (run->book.fit.outcome != CLV_CONVERGED || (run->book.has_spend && run->book.spend.outcome != CLV_CONVERGED))
    report_note(
        report,
        "The customers do not hold all parameters of the models: what is told rests on little. A longer history "
        "helps.");
  if (!run->book.has_spend) report_note(report, "Nobody ordered again for an amount above 0: there is no value.");
}

// --- the report ----------------------------------------------------------------------------------------------

static enum err compute(struct run *run, const struct engine_report_request *request, struct diag *diag) {
  struct worth_how how = worth_how_of(request);
  enum err err = engine_clv_orders(run->view, &how, &run->book, &run->ids, &run->id_count, diag);
  if (err == ERR_OK && !run->ends) run->book.end_day = clv_book_last_day(&run->book);
  if (err == ERR_OK && clv_book_gather(&run->book) != ERR_OK) err = diag_no_memory(diag);
  if (err == ERR_OK) err = engine_clv_explain(clv_book_fit(&run->book, diag), diag);
  return err == ERR_OK ? rank(run, diag) : err;
}

enum err engine_report_clv(struct engine_view *view, const struct engine_report_request *request, struct report *report,
                           struct rule_diag *refusal, struct diag *diag) {
  struct run run = {.view = view};
  (void)refusal;
  enum err err = read_options(&run, request->options, diag);
  if (err == ERR_OK) err = compute(&run, request, diag);
  if (err == ERR_OK) {
    tell_facts(&run, report);
    tell_totals(&run, report);
    tell_deciles(&run, report);
    tell_models(&run, report);
    tell_customers(&run, report);
    tell_notes(&run, report);
  }
  clv_book_release(&run.book);
  alloc_free(run.ids);
  alloc_free(run.ranked);
  return err;
}
