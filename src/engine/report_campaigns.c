// report_campaigns.c: what became of each campaign: whom its messages reached, who opened, clicked and bought.
//
// The messages are the events of three lists of names; which campaign one belongs to, an expression over it says. An
// order belongs to the last click before it, if that was at most `days` days of 24 hours earlier, so that revenue adds
// up over campaigns. Clicks after the period are looked at as far as they take orders from those in it. Customers are
// counted once for each campaign and step, whatever number of messages there were.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/catalog.h"
#include "engine/cells.h"
#include "engine/read.h"
#include "engine/report.h"
#include "engine/sums.h"
#include "engine/trade.h"
#include "rule/check.h"
#include "rule/machine.h"
#include "value/given.h"

enum { DEFAULT_DAYS = 90, WITHIN_DAYS = 7, WITHIN_DAYS_MAX = 366, NAMES_MAX = 8, EVENT_BYTES_MAX = 512 };

enum step { SENT, OPENED, CLICKED, STEPS };
enum number { MESSAGES, REACHED, OPENERS, CLICKERS, BUYERS, ORDERS, CENTS, NUMBERS };

static const char *const STEP_OPTIONS[STEPS] = {"sent", "opened", "clicked"};
static const char *const STEP_EVENTS[STEPS][2] = {
    {"Email Delivered", "Email Sent"}, {"Email Opened", NULL}, {"Email Clicked", "Email Link Clicked"}};
static const char CAMPAIGN[] = "coalesce(campaign, campaign_name, campaign_id, context.campaign.name)";

struct event_name {
  uint32_t name; // dictionary id
  enum step step;
};

struct tally {
  bool used;
  struct sums campaigns;
  struct rule_machine *machine; // of the thread whose part it is
};

struct run {
  struct engine_view *view;
  struct trade *trade;
  struct rule_program *campaign;
  struct engine_report_period period;
  int64_t within_days, within_us, end_us; // clicks and orders are looked at up to the last
  struct event_name events[STEPS * NAMES_MAX];
  size_t event_count;
  uint32_t names[STEPS * NAMES_MAX + 2]; // of these events, sorted; the walk's have orders among them
  size_t name_count;
  uint32_t walked[STEPS * NAMES_MAX + 2];
  size_t walked_count;
  struct tally parts[WALK_PARTS];
};

// --- one customer --------------------------------------------------------------------------------------------

struct touch {
  int64_t time_us;
  enum step step;
  struct bytes campaign; // in the arena of the call
};

static enum err use(struct tally *tally, struct diag *diag) {
  if (tally->used) return ERR_OK;
  tally->used = true;
  sums_init(&tally->campaigns, NUMBERS);
  return rule_machine_open(&tally->machine, NULL) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

static void release(struct tally *tally) {
  if (!tally->used) return;
  sums_release(&tally->campaigns);
  if (tally->machine != NULL) rule_machine_close(tally->machine);
}

static enum err read_campaign(const struct run *run, struct tally *tally, struct facts *facts, size_t index,
                              int64_t time_us, struct arena *arena, struct bytes *campaign) {
  struct rule_customer customer = facts->customer;
  struct rule_answer answer;
  char number[DECIMAL_TEXT_BYTES];
  *campaign = (struct bytes){0};
  enum err err = facts->customer.message(facts->customer.context, index, &customer.subject);
  customer.subject_time_us = time_us;
  if (err == ERR_OK) err = rule_run(tally->machine, run->campaign, &customer, time_us, false, &answer);
  if (err != ERR_OK || answer.status != RULE_KNOWN) return err;
  const struct rule_value *value = &answer.value;
  struct bytes found = {0};
  if (value->type == RULE_TYPE_TEXT) found = value->text;
  if (value->type == RULE_TYPE_NUMBER) found = bytes_of(number, decimal_format(value->number, number));
  if (found.size_bytes == 0) return ERR_OK;
  *campaign = arena_copy(arena, found);
  return campaign->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum step step_of(const struct run *run, uint32_t name) {
  for (size_t i = 0; i < run->event_count; i++)
    if (run->events[i].name == name) return run->events[i].step;
  return STEPS;
}

static enum err read_touches(const struct run *run, struct tally *tally, struct facts *facts, struct arena *arena,
                             struct touch **touches, size_t *count) {
  struct rule_columns columns;
  *count = 0;
  enum err err = walk_events(facts, run->names, run->name_count, run->period.from_us, run->end_us, &columns);
  if (err != ERR_OK || columns.count == 0) return err;
  *touches = arena_take(arena, columns.count * sizeof **touches);
  if (*touches == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; err == ERR_OK && i < columns.count; i++) {
    struct touch touch = {.time_us = columns.time_us[i], .step = step_of(run, columns.name[i])};
    err = read_campaign(run, tally, facts, i, touch.time_us, arena, &touch.campaign);
    (*touches)[(*count)++] = touch;
  }
  return err;
}

static int by_campaign(const void *a, const void *b) {
  const struct touch *left = *(const struct touch *const *)a, *right = *(const struct touch *const *)b;
  int order = bytes_compare(left->campaign, right->campaign);
  return order != 0 ? order : (left->step > right->step) - (left->step < right->step);
}

// Messages, and for each step whoever got there: the first of her touches of one campaign and step counts.
static enum err add_touches(const struct run *run, struct tally *tally, const struct touch *touches, size_t count,
                            struct arena *arena, struct diag *diag) {
  size_t kept = 0;
  enum err err = ERR_OK;
  const struct touch **sorted = arena_take(arena, (count + 1) * sizeof *sorted);
  if (sorted == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < count; i++)
    if (touches[i].time_us < run->period.to_us) sorted[kept++] = &touches[i];
  if (kept > 0) qsort(sorted, kept, sizeof *sorted, by_campaign);
  for (size_t i = 0; err == ERR_OK && i < kept; i++) {
    int64_t *row;
    err = sums_row(&tally->campaigns, sorted[i]->campaign, &row, diag);
    if (err != ERR_OK) break;
    row[MESSAGES] += sorted[i]->step == SENT;
    row[REACHED + (int)sorted[i]->step] += i == 0 || by_campaign(&sorted[i - 1], &sorted[i]) != 0;
  }
  return err;
}

// The last click at or before an order, within the days; NULL: none.
static const struct touch *last_click(const struct run *run, const struct touch *touches, size_t count,
                                      int64_t time_us) {
  for (size_t i = count; i > 0; i--) {
    const struct touch *touch = &touches[i - 1];
    if (touch->time_us > time_us || touch->step != CLICKED) continue;
    return time_us - touch->time_us < run->within_us ? touch : NULL;
  }
  return NULL;
}

static enum err add_orders(const struct run *run, struct tally *tally, struct facts *facts, const struct touch *touches,
                           size_t count, struct arena *arena, struct diag *diag) {
  const struct trade_order *orders;
  size_t order_count, taken = 0;
  enum err err =
      trade_orders(run->trade, facts, run->period.from_us, run->end_us, false, arena, &orders, &order_count, diag);
  if (err != ERR_OK) return err;
  const struct touch **clicks = arena_take(arena, (order_count + 1) * sizeof *clicks);
  if (clicks == NULL) return diag_no_memory(diag);
  for (size_t i = 0; err == ERR_OK && i < order_count; i++) {
    const struct touch *click = orders[i].returned ? NULL : last_click(run, touches, count, orders[i].time_us);
    int64_t *row, cents;
    if (click == NULL || click->time_us >= run->period.to_us) continue;
    err = sums_row(&tally->campaigns, click->campaign, &row, diag);
    if (err != ERR_OK) break;
    bool first = true;
    for (size_t k = 0; k < taken && first; k++) first = !bytes_equal(clicks[k]->campaign, click->campaign);
    if (first) clicks[taken++] = click; // once for each campaign, of which there are few
    trade_cents(orders[i].amount, &cents);
    row[BUYERS] += first;
    row[ORDERS]++;
    err = sums_count(&row[CENTS], cents, diag);
  }
  return err;
}

static enum err look(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct tally *tally = &run->parts[part];
  struct touch *touches = NULL;
  size_t count;
  enum err err = use(tally, diag);
  if (err == ERR_OK) err = read_touches(run, tally, facts, arena, &touches, &count);
  if (err != ERR_OK) return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
  if (count == 0) return ERR_OK;
  err = add_touches(run, tally, touches, count, arena, diag);
  return err == ERR_OK ? add_orders(run, tally, facts, touches, count, arena, diag) : err;
}

// --- what is asked for ---------------------------------------------------------------------------------------

static enum err in_option(const char *name, enum err err, struct diag *diag) {
  diag_in_field(diag, "%s", name);
  return err;
}

// A name that never came is nobody's. False: it stands for another step already.
static bool add_event(struct run *run, enum step step, struct bytes name) {
  uint32_t id = names_find(run->view->engine->names, name);
  if (id == 0 || step_of(run, id) == step) return true;
  if (step_of(run, id) != STEPS) return false;
  run->events[run->event_count++] = (struct event_name){id, step};
  return true;
}

static enum err read_names(struct run *run, struct value list, enum step step, struct diag *diag) {
  struct value_iter iter = value_iterate(list);
  struct bytes text;
  if (value_type(list) != VALUE_LIST)
    return diag_set(diag, ERR_INVALID, "wrong_type", "expected a list of names of events");
  if (given_item_count(list) > NAMES_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "expected at most %d names", NAMES_MAX);
  while (value_next(&iter)) {
    enum err err = given_text(iter.item, EVENT_BYTES_MAX, &text, diag);
    if (err != ERR_OK) return err;
    if (!add_event(run, step, text))
      return diag_set(diag, ERR_INVALID, "repeated", "an event of this list stands in that of an earlier step, too");
  }
  return ERR_OK;
}

// What is named counts for the step it is named for, and for no other one by default.
static enum err read_steps(struct run *run, struct value options, struct diag *diag) {
  for (enum step step = SENT; step < STEPS; step++) {
    struct value option = engine_report_option(run->view, options, STEP_OPTIONS[step]);
    enum err err = value_is_absent(option) ? ERR_OK : read_names(run, option, step, diag);
    if (err != ERR_OK) return in_option(STEP_OPTIONS[step], err, diag);
  }
  for (enum step step = SENT; step < STEPS; step++) {
    bool given = !value_is_absent(engine_report_option(run->view, options, STEP_OPTIONS[step]));
    for (size_t i = 0; !given && i < 2 && STEP_EVENTS[step][i] != NULL; i++)
      add_event(run, step, bytes_from_text(STEP_EVENTS[step][i]));
  }
  return ERR_OK;
}

static int by_id(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static void sort_names(struct run *run) {
  const uint32_t *orders;
  size_t order_count = trade_names(run->trade, &orders);
  for (size_t i = 0; i < run->event_count; i++) run->names[run->name_count++] = run->events[i].name;
  qsort(run->names, run->name_count, sizeof *run->names, by_id);
  memcpy(run->walked, run->names, sizeof run->walked);
  run->walked_count = run->name_count;
  for (size_t i = 0; i < order_count; i++) {
    bool there = bsearch(&orders[i], run->names, run->name_count, sizeof *orders, by_id) != NULL;
    if (!there) run->walked[run->walked_count++] = orders[i];
  }
  qsort(run->walked, run->walked_count, sizeof *run->walked, by_id);
}

static enum err find_name(void *context, struct bytes name, uint32_t *id) {
  const struct engine *engine = context;
  *id = names_find(engine->names, name);
  return ERR_OK;
}

static enum err compile(struct run *run, struct bytes text, struct rule_diag *refusal, struct diag *diag) {
  struct engine *engine = run->view->engine;
  struct rule_diag why = {.code = ""};
  struct catalog catalog;
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_compile with = {.zone = engine_zone(engine), .name_id = find_name, .context = engine};
  arena_init(&arena, 0);
  catalog_open(&catalog, engine);
  struct rule_check check = {.catalog = &catalog.names, .subject = RULE_SUBJECT_EVENT};
  enum err err = rule_parse(text, &arena, &tree, &why);
  if (err == ERR_OK) err = rule_check(tree, &check, &why);
  if (err != ERR_OK && err != ERR_NO_MEMORY) {
    if (refusal != NULL) *refusal = why;
    diag_set(diag, err, why.code, "%s", why.message);
  }
  if (err == ERR_OK) err = rule_compile(tree, &with, &run->campaign, diag);
  catalog_close(&catalog);
  arena_release(&arena);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  const struct rule_needs *needs = err == ERR_OK ? rule_program_needs(run->campaign) : NULL;
  if (needs != NULL && needs->event_count + needs->lookup_count > 0)
    err = diag_set(diag, ERR_INVALID, "wrong_path", "expected what the message itself says, such as \"campaign_id\"");
  return err;
}

static enum err read_options(struct run *run, struct value options, struct rule_diag *refusal, struct diag *diag) {
  struct value days = engine_report_option(run->view, options, "days");
  struct value campaign = engine_report_option(run->view, options, "campaign");
  struct bytes text = bytes_from_text(CAMPAIGN);
  enum err err = ERR_OK;
  run->within_days = WITHIN_DAYS;
  if (!value_is_absent(days)) err = given_whole(days, 1, WITHIN_DAYS_MAX, &run->within_days, diag);
  if (err != ERR_OK) return in_option("days", err, diag);
  run->within_us = run->within_days * CLOCK_DAY_US;
  if (__builtin_add_overflow(run->period.to_us, run->within_us, &run->end_us)) run->end_us = INT64_MAX;
  err = read_steps(run, options, diag);
  if (err != ERR_OK) return err;
  if (!value_is_absent(campaign)) err = given_text(campaign, RULE_TEXT_BYTES_MAX, &text, diag);
  if (err == ERR_OK) err = compile(run, text, refusal, diag);
  return err == ERR_OK ? ERR_OK : in_option("campaign", err, diag);
}

// --- telling it ----------------------------------------------------------------------------------------------

static void tell(struct report *report, const struct run *run, struct sums *campaigns) {
  static const struct report_column columns[] = {{"campaign", "Campaign", REPORT_TEXT},
                                                 {"messages", "Messages", REPORT_COUNT},
                                                 {"reached", "Reached", REPORT_COUNT},
                                                 {"opened", "Opened", REPORT_COUNT},
                                                 {"open_rate", "Of reached", REPORT_SHARE},
                                                 {"clicked", "Clicked", REPORT_COUNT},
                                                 {"click_rate", "Of reached", REPORT_SHARE},
                                                 {"buyers", "Bought", REPORT_COUNT},
                                                 {"orders", "Orders", REPORT_COUNT},
                                                 {"revenue", "Revenue", REPORT_MONEY},
                                                 {"revenue_per_reached", "Per reached", REPORT_MONEY}};
  char text[128];
  snprintf(text, sizeof text, "at most %lld days after the last click", (long long)run->within_days);
  report_fact(report, "bought", "Bought", bytes_from_text(text));
  trade_fact(run->trade, report);
  sums_sort(campaigns, CENTS);
  report_table(report, "campaigns", "Campaigns", columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < campaigns->count; i++) {
    const int64_t *row = campaigns->rows[i].numbers;
    cells_name(report, campaigns->rows[i].name);
    cells_count(report, row[MESSAGES]);
    cells_count(report, row[REACHED]);
    cells_count(report, row[OPENERS]);
    cells_share(report, row[OPENERS], row[REACHED]);
    cells_count(report, row[CLICKERS]);
    cells_share(report, row[CLICKERS], row[REACHED]);
    cells_count(report, row[BUYERS]);
    cells_count(report, row[ORDERS]);
    cells_money(report, row[CENTS]);
    cells_average(report, row[CENTS], row[REACHED]);
  }
  report_note(report, "Customers are counted once for each campaign; an order belongs to the last click before it.");
}

static enum err count(struct run *run, const struct engine_report_request *request, struct sums *campaigns,
                      struct diag *diag) {
  const struct walk_options options = {.view = run->view,
                                       .names = run->walked,
                                       .name_count = run->walked_count,
                                       .threads = request->threads,
                                       .progress = request->progress,
                                       .context = request->context};
  enum err err = walk_customers(&options, look, run, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) {
    if (err == ERR_OK && run->parts[i].used) err = sums_add(campaigns, &run->parts[i].campaigns, diag);
    release(&run->parts[i]);
  }
  return err;
}

static enum err make(struct run *run, const struct engine_report_request *request, struct report *report,
                     struct rule_diag *refusal, struct diag *diag) {
  struct sums campaigns;
  enum err err = engine_report_period(run->view, request->options, DEFAULT_DAYS, report, &run->period, diag);
  if (err == ERR_OK) err = read_options(run, request->options, refusal, diag);
  if (err == ERR_OK) err = trade_open(run->view, &run->trade, diag);
  if (err != ERR_OK) return err;
  sort_names(run);
  sums_init(&campaigns, NUMBERS);
  err = count(run, request, &campaigns, diag);
  if (err == ERR_OK) tell(report, run, &campaigns);
  sums_release(&campaigns);
  return err;
}

enum err engine_report_campaigns(struct engine_view *view, const struct engine_report_request *request,
                                 struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct run *run = alloc_zero(1, sizeof *run);
  if (run == NULL) return diag_no_memory(diag);
  run->view = view;
  enum err err = make(run, request, report, refusal, diag);
  trade_close(run->trade);
  if (run->campaign != NULL) rule_program_close(run->campaign);
  alloc_free(run);
  return err;
}
