// report_cross_sell.c: who bought much in one range of products and never in another, and who of them is likely to.
//
// A customer's score in the first range is the mean of her R, F and M of it, by thresholds over all its buyers
// (quantiles, five bins): a phone is bought every two years and a case every three months, and each is measured by its
// own. How likely she is to buy in the other range is said by the appetence for it (appetence.h), where that can be
// learned.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "customer/record.h"
#include "engine/appetence.h"
#include "engine/read.h"
#include "engine/report.h"
#include "engine/trade.h"
#include "scoring/rfm.h"

enum { LISTED = 20 };

static const double DAY_US = 86400e6, LEAST_SCORE = 3.5;

struct buyer {
  uint64_t id;
  struct rfm_summary summary; // of the first range
  double score, probability;  // NaN: not known
  bool other;                 // bought in the other range
};

struct part {
  struct buyer *buyers;
  size_t count, room;
};

struct run {
  struct engine_view *view;
  struct trade *trade;
  struct bytes from, to;
  double days, least, listed;
  int64_t at_us;
  int32_t today;
  struct part parts[WALK_PARTS];
  struct buyer *buyers; // in order of ids
  size_t count;
};

// --- the walk ------------------------------------------------------------------------------------------------

static enum err add_buyer(struct part *part, const struct buyer *buyer) {
  if (part->count == part->room) {
    size_t room = part->room == 0 ? 256 : 2 * part->room;
    struct buyer *grown = alloc_resize(part->buyers, room * sizeof *grown);
    if (grown == NULL) return ERR_NO_MEMORY;
    part->buyers = grown;
    part->room = room;
  }
  part->buyers[part->count++] = *buyer;
  return ERR_OK;
}

static void add_order(const struct run *run, const struct trade_order *order, struct buyer *buyer) {
  bool counted = false;
  for (size_t i = 0; i < order->item_count; i++) {
    const struct trade_item *item = &order->items[i];
    buyer->other |= bytes_equal(item->range, run->to);
    if (!bytes_equal(item->range, run->from)) continue;
    buyer->summary.orders += !counted;
    counted = true;
    buyer->summary.recency_days = run->today - worth_day(run->view, order->time_us); // orders ascend
    if (decimal_add(buyer->summary.amount, item->amount, &buyer->summary.amount) != ERR_OK) continue;
  }
}

static enum err look(void *state, size_t number, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct buyer buyer = {.id = facts->id, .score = NAN, .probability = NAN};
  const struct trade_order *orders;
  size_t count;
  enum err err = trade_orders(run->trade, facts, INT64_MIN, run->at_us + 1, true, arena, &orders, &count, diag);
  for (size_t i = 0; i < count && err == ERR_OK; i++)
    if (!orders[i].returned) add_order(run, &orders[i], &buyer);
  if (err == ERR_OK && buyer.summary.orders > 0) err = add_buyer(&run->parts[number], &buyer);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

static enum err walk(struct run *run, const struct worth_how *how, struct diag *diag) {
  struct walk_options options = {
      .view = run->view, .threads = how->threads, .progress = how->progress, .context = how->context};
  enum err err = trade_open(run->view, &run->trade, diag);
  if (err != ERR_OK) return err;
  options.name_count = trade_names(run->trade, &options.names);
  if (options.name_count > 0) err = walk_customers(&options, look, run, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) run->count += run->parts[i].count;
  run->buyers = err == ERR_OK ? alloc_zero(run->count + 1, sizeof *run->buyers) : NULL;
  if (run->buyers == NULL) return err == ERR_OK ? diag_no_memory(diag) : err;
  size_t at = 0;
  for (size_t i = 0; i < WALK_PARTS; i++) {
    if (run->parts[i].count > 0)
      memcpy(run->buyers + at, run->parts[i].buyers, run->parts[i].count * sizeof *run->buyers);
    at += run->parts[i].count;
  }
  return ERR_OK;
}

// --- scores --------------------------------------------------------------------------------------------------

static enum err score(struct run *run, struct diag *diag) {
  struct rfm_thresholds thresholds;
  struct rfm_summary *summaries = alloc_zero(run->count + 1, sizeof *summaries);
  if (summaries == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < run->count; i++) summaries[i] = run->buyers[i].summary;
  enum err err = rfm_thresholds_find(RFM_QUANTILE, RFM_BINS, summaries, run->count, &thresholds, diag);
  for (size_t i = 0; i < run->count && err == ERR_OK; i++) {
    struct rfm_scores scores = rfm_scores_of(&summaries[i], &thresholds);
    run->buyers[i].score = (scores.recency + scores.frequency + scores.monetary) / 3.0;
  }
  alloc_free(summaries);
  return err;
}

static bool is_wanted(const struct run *run, const struct buyer *buyer) {
  return !buyer->other && buyer->score >= run->least;
}

// Both lists are in order of ids. Nobody who bought is missing among those of the appetence.
static void join(struct run *run, const struct appetence *appetence) {
  size_t at = 0;
  for (size_t i = 0; i < run->count; i++) {
    while (at < appetence->count && appetence->customers[at].id < run->buyers[i].id) at++;
    if (at < appetence->count && appetence->customers[at].id == run->buyers[i].id)
      run->buyers[i].probability = appetence->customers[at].probability;
  }
}

// A range that nobody bought in, or a workspace too young to learn from: the list is told without probabilities.
static enum err expect(struct run *run, const struct worth_how *how, struct report *report, struct diag *diag) {
  struct appetence *appetence = NULL;
  struct diag why;
  diag_init(&why);
  enum err err = engine_appetence_open(run->view, run->to, (int64_t)(run->days * DAY_US), how, &appetence, &why);
  if (err == ERR_OK) join(run, appetence);
  engine_appetence_close(appetence);
  if (err == ERR_OK) return ERR_OK;
  if (err == ERR_INVALID && strcmp(why.code, "too_young") == 0) {
    report_note(report, "The workspace is too young to say how likely they are to buy; a shorter horizon helps.");
    return ERR_OK;
  }
  diag_set(diag, err, why.code, "%s", why.message);
  return err;
}

// --- telling it ----------------------------------------------------------------------------------------------

static int by_promise(const void *left, const void *right) {
  const struct buyer *a = left, *b = right;
  double mine = isnan(a->probability) ? -1 : a->probability, other = isnan(b->probability) ? -1 : b->probability;
  int order = (mine < other) - (mine > other);
  if (order == 0) order = (a->score < b->score) - (a->score > b->score);
  return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static void tell_summary(const struct run *run, struct report *report) {
  static const struct report_column columns[] = {
      {"buyers", "Bought the first", REPORT_COUNT},      {"both", "Bought both", REPORT_COUNT},
      {"high", "High score in the first", REPORT_COUNT}, {"potential", "Of these without the other", REPORT_COUNT},
      {"expected", "Expected to buy it", REPORT_NUMBER}, {"rate", "Of the potential", REPORT_SHARE}};
  uint64_t both = 0, high = 0, potential = 0;
  double expected = 0;
  for (size_t i = 0; i < run->count; i++) {
    const struct buyer *buyer = &run->buyers[i];
    both += buyer->other;
    high += buyer->score >= run->least;
    if (!is_wanted(run, buyer)) continue;
    potential++;
    expected += buyer->probability;
  }
  report_table(report, "summary", "Potential", columns, 6);
  report_count(report, run->count);
  report_count(report, both);
  report_count(report, high);
  report_count(report, potential);
  report_number(report, expected);
  report_number(report, potential > 0 ? expected / (double)potential : NAN);
}

static void tell_customers(struct run *run, struct report *report) {
  static const struct report_column columns[] = {
      {"customer_id", "Customer", REPORT_TEXT},       {"probability", "Probability", REPORT_SHARE},
      {"score", "Score in the first", REPORT_NUMBER}, {"orders", "Orders in it", REPORT_COUNT},
      {"amount", "Amount in it", REPORT_NUMBER},      {"days", "Days since the last", REPORT_DAYS}};
  double told = 0;
  if (run->count > 0) qsort(run->buyers, run->count, sizeof *run->buyers, by_promise);
  report_table(report, "customers", "Whom to tell first", columns, 6);
  for (size_t i = 0; i < run->count && told < run->listed; i++) {
    const struct buyer *buyer = &run->buyers[i];
    char id[CUSTOMER_ID_TEXT_BYTES];
    if (!is_wanted(run, buyer)) continue;
    customer_id_format(buyer->id, id);
    report_text(report, bytes_from_text(id));
    report_number(report, buyer->probability);
    report_number(report, buyer->score);
    report_count(report, buyer->summary.orders);
    report_number(report, rfm_double(buyer->summary.amount));
    report_count(report, (uint64_t)buyer->summary.recency_days);
    told++;
  }
}

static void tell(struct run *run, struct report *report) {
  char text[96];
  report_fact(report, "from", "Bought", run->from);
  report_fact(report, "to", "Never bought", run->to);
  snprintf(text, sizeof text, "At least %g of 5, the mean of recency, frequency and amount in the first range",
           run->least);
  report_fact(report, "score", "High score", bytes_from_text(text));
  snprintf(text, sizeof text, "%g days", run->days);
  report_fact(report, "horizon", "Expected within", bytes_from_text(text));
  tell_summary(run, report);
  tell_customers(run, report);
}

// --- the report ----------------------------------------------------------------------------------------------

static enum err read_options(struct run *run, struct value options, struct diag *diag) {
  enum err err = worth_text_option(run->view, options, "from", (struct bytes){0}, &run->from, diag);
  if (err == ERR_OK) err = worth_text_option(run->view, options, "to", (struct bytes){0}, &run->to, diag);
  if (err == ERR_OK) err = worth_days_option(run->view, options, "horizon", 30, &run->days, diag);
  if (err == ERR_OK)
    err = worth_number_option(run->view, options, "score", LEAST_SCORE, 1, RFM_BINS, &run->least, diag);
  if (err == ERR_OK)
    err = worth_number_option(run->view, options, "customers", LISTED, 0, REPORT_ROWS_MAX, &run->listed, diag);
  if (err != ERR_OK || !bytes_equal(run->from, run->to)) return err;
  diag_set(diag, ERR_INVALID, "out_of_range", "both are the same range");
  diag_in_field(diag, "to");
  return ERR_INVALID;
}

static enum err compute(struct run *run, const struct worth_how *how, struct report *report, struct diag *diag) {
  enum err err = walk(run, how, diag);
  if (err == ERR_OK && run->count == 0)
    return diag_set(diag, ERR_NOT_FOUND, "no_range",
                    "nobody ever bought in the range \"%.*s\"; `rapport report sales` lists the ranges there are",
                    (int)run->from.size_bytes, (const char *)run->from.data);
  if (err == ERR_OK) err = score(run, diag);
  if (err == ERR_OK) err = expect(run, how, report, diag);
  if (err == ERR_OK) tell(run, report);
  return err;
}

enum err engine_report_cross_sell(struct engine_view *view, const struct engine_report_request *request,
                                  struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct worth_how how = worth_how_of(request);
  struct run *run = alloc_zero(1, sizeof *run);
  (void)refusal;
  if (run == NULL) return diag_no_memory(diag);
  run->view = view;
  run->at_us = clock_now_us(view->engine->clock);
  run->today = worth_today(view);
  enum err err = read_options(run, request->options, diag);
  if (err == ERR_OK) err = compute(run, &how, report, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) alloc_free(run->parts[i].buyers);
  trade_close(run->trade);
  alloc_free(run->buyers);
  alloc_free(run);
  return err;
}
