// report_sales.c: what was sold in a period, beside the period before it.
//
// One walk over the customers. Each part adds up whole numbers (cents, pieces, orders) of its own, which are then added
// up over the parts, so that no figure depends on who counted what. A customer's orders of both periods are read at
// once; whether she bought before both is told by the times alone.
//   new        her first order ever lies in the period
//   returning  she bought in the period and before it
//   identified she has an identifier of a person, not of devices alone
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/cells.h"
#include "engine/read.h"
#include "engine/report.h"
#include "engine/sums.h"
#include "engine/trade.h"
#include "rule/duration.h"

enum { NOW, BEFORE, PERIODS };
enum { DEFAULT_DAYS = 28, DAYS_BY_DAY = 31, DAYS_BY_WEEK = 182, SPANS_MAX = 20000 };

enum total {
  REVENUE,
  ORDERS,
  UNITS,
  RETURNED, // cents
  RETURNS,
  UNITS_BACK,
  CUSTOMERS,
  NEW_CUSTOMERS,
  NEW_REVENUE,
  IDENTIFIED_ORDERS,
  IDENTIFIED_REVENUE,
  ODD_AMOUNTS, // no amounts of money: trade_cents
  TOTALS
};

// Numbers of a row of a channel, a store or a range: of each period.
enum { ROW_REVENUE, ROW_ORDERS, ROW_UNITS, ROW_RETURNED, ROW_NUMBERS };
enum { ROW_WIDTH = PERIODS * ROW_NUMBERS };
static size_t row_at(size_t period, size_t number) {
  return period * ROW_NUMBERS + number;
}

// A day, week or month of the period.
struct span {
  int64_t revenue, orders, customers, returned;
};

struct tally {
  bool used;
  int64_t totals[PERIODS][TOTALS];
  struct sums channels, stores, ranges;
  struct span *spans;
};

struct run {
  struct engine_view *view;
  const struct identity_rules *rules;
  struct trade *trade;
  struct engine_report_period period;
  enum rule_unit unit;
  int64_t *starts; // of the spans
  size_t span_count;
  struct tally parts[WALK_PARTS];
};

// --- one tally -----------------------------------------------------------------------------------------------

static enum err use(const struct run *run, struct tally *tally, struct diag *diag) {
  if (tally->used) return ERR_OK;
  tally->used = true;
  sums_init(&tally->channels, ROW_WIDTH);
  sums_init(&tally->stores, ROW_WIDTH);
  sums_init(&tally->ranges, ROW_WIDTH);
  tally->spans = alloc_zero(run->span_count, sizeof *tally->spans);
  return tally->spans == NULL ? diag_no_memory(diag) : ERR_OK;
}

static void release(struct tally *tally) {
  if (!tally->used) return;
  sums_release(&tally->channels);
  sums_release(&tally->stores);
  sums_release(&tally->ranges);
  alloc_free(tally->spans);
}

static enum err add_spans(struct span *to, const struct span *from, size_t count, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    err = sums_count(&to[i].revenue, from[i].revenue, diag);
    if (err == ERR_OK) err = sums_count(&to[i].returned, from[i].returned, diag);
    to[i].orders += from[i].orders;
    to[i].customers += from[i].customers;
  }
  return err;
}

static enum err add_tally(const struct run *run, struct tally *to, const struct tally *from, struct diag *diag) {
  enum err err = use(run, to, diag);
  for (size_t i = 0; err == ERR_OK && i < PERIODS * TOTALS; i++)
    err = sums_count(&to->totals[i / TOTALS][i % TOTALS], from->totals[i / TOTALS][i % TOTALS], diag);
  if (err == ERR_OK) err = sums_add(&to->channels, &from->channels, diag);
  if (err == ERR_OK) err = sums_add(&to->stores, &from->stores, diag);
  if (err == ERR_OK) err = sums_add(&to->ranges, &from->ranges, diag);
  return err == ERR_OK ? add_spans(to->spans, from->spans, run->span_count, diag) : err;
}

// --- one customer --------------------------------------------------------------------------------------------

struct customer_orders {
  const struct trade_order *orders;
  size_t count;
  bool earlier; // she bought before both periods
  bool bought[PERIODS];
  bool identified;
};

static size_t period_of(const struct run *run, const struct trade_order *order) {
  return order->time_us >= run->period.from_us ? NOW : BEFORE;
}

static bool is_identified(const struct run *run, const struct customer *record) {
  for (size_t i = 0; record != NULL && i < record->identifier_count; i++) {
    const struct identity_type *type = identity_type_by_id(run->rules, record->identifiers[i].member.identifier.type);
    if (type != NULL && type->class == IDENTITY_PERSON) return true;
  }
  return false;
}

static enum err add_word(struct sums *sums, struct bytes word, size_t period, const int64_t numbers[ROW_NUMBERS],
                         struct diag *diag) {
  int64_t *row;
  enum err err = sums_row(sums, word, &row, diag);
  for (size_t i = 0; err == ERR_OK && i < ROW_NUMBERS; i++) err = sums_count(&row[row_at(period, i)], numbers[i], diag);
  return err;
}

static bool is_first_of_range(const struct trade_order *order, size_t index) {
  for (size_t i = 0; i < index; i++)
    if (bytes_equal(order->items[i].range, order->items[index].range)) return false;
  return true;
}

static enum err add_items(struct tally *tally, const struct trade_order *order, size_t period, struct diag *diag) {
  enum err err = ERR_OK;
  int64_t *totals = tally->totals[period];
  for (size_t i = 0; err == ERR_OK && i < order->item_count; i++) {
    const struct trade_item *item = &order->items[i];
    int64_t cents;
    totals[ODD_AMOUNTS] += !trade_cents(item->amount, &cents);
    int64_t numbers[ROW_NUMBERS] = {0};
    numbers[order->returned ? ROW_RETURNED : ROW_REVENUE] = cents;
    numbers[ROW_ORDERS] = !order->returned && is_first_of_range(order, i);
    numbers[ROW_UNITS] = order->returned ? 0 : item->quantity;
    err = add_word(&tally->ranges, item->range, period, numbers, diag);
    if (err == ERR_OK) err = sums_count(&totals[order->returned ? UNITS_BACK : UNITS], item->quantity, diag);
  }
  return err;
}

// The span that an instant of the period lies in.
static size_t span_of(const struct run *run, int64_t time_us) {
  size_t low = 0, high = run->span_count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (run->starts[middle] <= time_us)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static enum err add_order(const struct run *run, struct tally *tally, const struct customer_orders *hers, size_t index,
                          struct diag *diag) {
  const struct trade_order *order = &hers->orders[index];
  size_t period = period_of(run, order);
  int64_t *totals = tally->totals[period], cents;
  bool first = !hers->earlier && (period == BEFORE || !hers->bought[BEFORE]), returned = order->returned;
  totals[ODD_AMOUNTS] += !trade_cents(order->amount, &cents);
  int64_t numbers[ROW_NUMBERS] = {returned ? 0 : cents, !returned, 0, returned ? cents : 0};
  enum err err = sums_count(&totals[returned ? RETURNED : REVENUE], cents, diag);
  totals[returned ? RETURNS : ORDERS]++;
  if (err == ERR_OK && !returned && first) err = sums_count(&totals[NEW_REVENUE], cents, diag);
  if (err == ERR_OK && !returned && hers->identified) err = sums_count(&totals[IDENTIFIED_REVENUE], cents, diag);
  totals[IDENTIFIED_ORDERS] += !returned && hers->identified;
  if (err == ERR_OK) err = add_word(&tally->channels, order->channel, period, numbers, diag);
  if (err == ERR_OK) err = add_word(&tally->stores, order->store, period, numbers, diag);
  if (err == ERR_OK) err = add_items(tally, order, period, diag);
  if (err != ERR_OK || period != NOW) return err;
  struct span *span = &tally->spans[span_of(run, order->time_us)];
  span->orders += !returned;
  return sums_count(returned ? &span->returned : &span->revenue, cents, diag);
}

static void add_customer(const struct run *run, struct tally *tally, const struct customer_orders *hers) {
  size_t last = SIZE_MAX;
  for (size_t i = 0; i < PERIODS; i++) tally->totals[i][CUSTOMERS] += hers->bought[i];
  tally->totals[BEFORE][NEW_CUSTOMERS] += hers->bought[BEFORE] && !hers->earlier;
  tally->totals[NOW][NEW_CUSTOMERS] += hers->bought[NOW] && !hers->earlier && !hers->bought[BEFORE];
  for (size_t i = 0; i < hers->count; i++) {
    const struct trade_order *order = &hers->orders[i];
    if (order->returned || period_of(run, order) != NOW) continue;
    size_t span = span_of(run, order->time_us);
    if (span != last) tally->spans[span].customers++; // orders ascend
    last = span;
  }
}

static enum err bought_earlier(const struct run *run, struct facts *facts, bool *earlier) {
  struct rule_columns columns;
  uint32_t name = trade_order_name(run->trade);
  enum err err = walk_events(facts, &name, 1, INT64_MIN, run->period.previous_us, &columns);
  *earlier = err == ERR_OK && columns.count > 0;
  return err;
}

static enum err look(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct tally *tally = &run->parts[part];
  struct customer_orders hers = {.count = 0};
  enum err err = trade_orders(run->trade, facts, run->period.previous_us, run->period.to_us, true, arena, &hers.orders,
                              &hers.count, diag);
  if (err != ERR_OK || hers.count == 0) return err;
  for (size_t i = 0; i < hers.count; i++)
    if (!hers.orders[i].returned) hers.bought[period_of(run, &hers.orders[i])] = true;
  err = bought_earlier(run, facts, &hers.earlier);
  if (err == ERR_OK) err = use(run, tally, diag);
  hers.identified = is_identified(run, facts->record);
  if (err == ERR_OK) add_customer(run, tally, &hers);
  for (size_t i = 0; err == ERR_OK && i < hers.count; i++) err = add_order(run, tally, &hers, i, diag);
  return err;
}

// --- spans ---------------------------------------------------------------------------------------------------

static enum err read_unit(struct run *run, struct value options, struct diag *diag) {
  static const char *const words[] = {"day", "week", "month"};
  static const enum rule_unit units[] = {RULE_DAY, RULE_WEEK, RULE_MONTH};
  int64_t days = (run->period.to_us - run->period.from_us) / CLOCK_DAY_US;
  size_t word, fallback = days <= DAYS_BY_DAY ? 0 : days <= DAYS_BY_WEEK ? 1 : 2;
  enum err err = engine_report_word(run->view, options, "by", words, 3, fallback, &word, diag);
  if (err == ERR_OK) run->unit = units[word];
  return err;
}

static enum err too_many(struct diag *diag) {
  diag_set(diag, ERR_INVALID, "out_of_range",
           "the period has more than %d of them; ask by week or by month, or for a shorter period", SPANS_MAX);
  diag_in_field(diag, "by");
  return ERR_INVALID;
}

// The first span begins with the period, and may be the rest of a week or a month.
static enum err make_spans(struct run *run, struct arena *arena, struct diag *diag) {
  const struct rule_zone *zone = engine_zone(run->view->engine);
  size_t capacity = 0;
  int64_t at = run->period.from_us;
  while (at < run->period.to_us) {
    if (run->span_count == SPANS_MAX) return too_many(diag);
    int64_t *grown = arena_grow(arena, run->starts, run->span_count, &capacity, 64, sizeof *grown);
    if (grown == NULL) return diag_no_memory(diag);
    run->starts = grown;
    grown[run->span_count++] = at;
    if (rule_time_start(zone, at, run->unit, 1, &at) != ERR_OK) break; // the end of all years
  }
  return ERR_OK;
}

// --- telling it ----------------------------------------------------------------------------------------------

static void tell_money(struct report *report, const struct tally *all) {
  static const struct report_column columns[] = {{"figure", "Figure", REPORT_TEXT},
                                                 {"amount", "Amount", REPORT_MONEY},
                                                 {"before", "Period before", REPORT_MONEY},
                                                 {"change", "Change", REPORT_SHARE}};
  const int64_t *now = all->totals[NOW], *before = all->totals[BEFORE];
  const struct {
    const char *label;
    int64_t now, before;
  } rows[] = {
      {"Revenue", now[REVENUE], before[REVENUE]},
      {"Returned", now[RETURNED], before[RETURNED]},
      {"Revenue less returned", now[REVENUE] - now[RETURNED], before[REVENUE] - before[RETURNED]},
      {"Revenue of new customers", now[NEW_REVENUE], before[NEW_REVENUE]},
      {"Revenue of returning customers", now[REVENUE] - now[NEW_REVENUE], before[REVENUE] - before[NEW_REVENUE]}};
  report_table(report, "money", "Money", columns, 4);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cells_label(report, rows[i].label);
    cells_money(report, rows[i].now);
    cells_money(report, rows[i].before);
    cells_change(report, rows[i].now, rows[i].before);
  }
  cells_label(report, "Average basket");
  cells_average(report, now[REVENUE], now[ORDERS]);
  cells_average(report, before[REVENUE], before[ORDERS]);
  if (now[ORDERS] > 0 && before[ORDERS] > 0 && before[REVENUE] != 0)
    report_number(report,
                  (double)now[REVENUE] / (double)now[ORDERS] / ((double)before[REVENUE] / (double)before[ORDERS]) - 1);
  else
    report_none(report);
}

static void put_counts(struct report *report, const char *label, int64_t now, int64_t before) {
  cells_label(report, label);
  cells_count(report, now);
  cells_count(report, before);
  cells_change(report, now, before);
}

static void tell_counts(struct report *report, const struct tally *all) {
  static const struct report_column columns[] = {{"figure", "Figure", REPORT_TEXT},
                                                 {"count", "Count", REPORT_COUNT},
                                                 {"before", "Period before", REPORT_COUNT},
                                                 {"change", "Change", REPORT_SHARE}};
  static const struct {
    const char *label;
    enum total total;
  } rows[] = {{"Orders", ORDERS},       {"Units", UNITS},
              {"Returns", RETURNS},     {"Units returned", UNITS_BACK},
              {"Customers", CUSTOMERS}, {"New customers", NEW_CUSTOMERS}};
  const int64_t *now = all->totals[NOW], *before = all->totals[BEFORE];
  report_table(report, "counts", "Counts", columns, 4);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    put_counts(report, rows[i].label, now[rows[i].total], before[rows[i].total]);
  put_counts(report, "Returning customers", now[CUSTOMERS] - now[NEW_CUSTOMERS],
             before[CUSTOMERS] - before[NEW_CUSTOMERS]);
}

static void tell_shares(struct report *report, const struct tally *all) {
  static const struct report_column columns[] = {
      {"figure", "Figure", REPORT_TEXT}, {"share", "Share", REPORT_SHARE}, {"before", "Period before", REPORT_SHARE}};
  static const struct {
    const char *label;
    enum total part, whole;
  } rows[] = {{"Orders of identified customers", IDENTIFIED_ORDERS, ORDERS},
              {"Revenue of identified customers", IDENTIFIED_REVENUE, REVENUE},
              {"Revenue of new customers", NEW_REVENUE, REVENUE},
              {"Returned, of the revenue", RETURNED, REVENUE}};
  report_table(report, "shares", "Shares", columns, 3);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cells_label(report, rows[i].label);
    for (size_t period = 0; period < PERIODS; period++)
      cells_share(report, all->totals[period][rows[i].part], all->totals[period][rows[i].whole]);
  }
}

// `units`: pieces are told, of places it is the average basket.
static void tell_rows(struct report *report, const struct sums *sums, int64_t revenue, bool units) {
  for (size_t i = 0; i < sums->count; i++) {
    const int64_t *now = sums->rows[i].numbers, *before = now + row_at(BEFORE, 0);
    cells_name(report, sums->rows[i].name);
    cells_money(report, now[ROW_REVENUE]);
    cells_share(report, now[ROW_REVENUE], revenue);
    cells_count(report, now[ROW_ORDERS]);
    if (units)
      cells_count(report, now[ROW_UNITS]);
    else
      cells_average(report, now[ROW_REVENUE], now[ROW_ORDERS]);
    cells_money(report, now[ROW_RETURNED]);
    cells_money(report, before[ROW_REVENUE]);
    cells_change(report, now[ROW_REVENUE], before[ROW_REVENUE]);
  }
}

// By channel or by store.
static void tell_places(struct report *report, const char *id, const char *title, const char *label, struct sums *sums,
                        int64_t revenue) {
  const struct report_column columns[] = {
      {id, label, REPORT_TEXT},
      {"revenue", "Revenue", REPORT_MONEY},
      {"share", "Share", REPORT_SHARE},
      {"orders", "Orders", REPORT_COUNT},
      {"average_basket", "Average basket", REPORT_MONEY},
      {"returned", "Returned", REPORT_MONEY},
      {"revenue_before", "Revenue before", REPORT_MONEY},
      {"change", "Change", REPORT_SHARE},
  };
  char table[32];
  snprintf(table, sizeof table, "%ss", id);
  sums_sort(sums, row_at(NOW, ROW_REVENUE));
  report_table(report, table, title, columns, sizeof columns / sizeof *columns);
  tell_rows(report, sums, revenue, false);
}

static void tell_ranges(struct report *report, struct sums *sums) {
  static const struct report_column columns[] = {
      {"range", "Range", REPORT_TEXT},
      {"revenue", "Revenue", REPORT_MONEY},
      {"share", "Share", REPORT_SHARE},
      {"orders", "Orders", REPORT_COUNT},
      {"units", "Units", REPORT_COUNT},
      {"returned", "Returned", REPORT_MONEY},
      {"revenue_before", "Revenue before", REPORT_MONEY},
      {"change", "Change", REPORT_SHARE},
  };
  int64_t revenue = 0;
  sums_sort(sums, row_at(NOW, ROW_REVENUE));
  for (size_t i = 0; i < sums->count; i++) revenue += sums->rows[i].numbers[ROW_REVENUE];
  report_table(report, "ranges", "By product range", columns, sizeof columns / sizeof *columns);
  tell_rows(report, sums, revenue, true);
}

static void tell_spans(struct report *report, const struct run *run, const struct tally *all) {
  const char *title = run->unit == RULE_DAY ? "By day" : run->unit == RULE_WEEK ? "By week" : "By month";
  static const struct report_column columns[] = {
      {"first_day", "From", REPORT_DAY},        {"revenue", "Revenue", REPORT_MONEY},
      {"share", "Share", REPORT_SHARE},         {"orders", "Orders", REPORT_COUNT},
      {"customers", "Customers", REPORT_COUNT}, {"returned", "Returned", REPORT_MONEY}};
  const struct rule_zone *zone = engine_zone(run->view->engine);
  report_table(report, "time", title, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < run->span_count; i++) {
    const struct span *span = &all->spans[i];
    int64_t wall_us = run->starts[i] + rule_zone_offset(zone, run->starts[i]) * (int64_t)CLOCK_SECOND_US;
    report_day(report, (int32_t)((wall_us - (wall_us % CLOCK_DAY_US + CLOCK_DAY_US) % CLOCK_DAY_US) / CLOCK_DAY_US));
    cells_money(report, span->revenue);
    cells_share(report, span->revenue, all->totals[NOW][REVENUE]);
    cells_count(report, span->orders);
    cells_count(report, span->customers);
    cells_money(report, span->returned);
  }
}

static void tell(struct report *report, const struct run *run, struct tally *all) {
  engine_report_previous(run->view, &run->period, report);
  trade_fact(run->trade, report);
  tell_money(report, all);
  tell_counts(report, all);
  tell_shares(report, all);
  tell_spans(report, run, all);
  tell_places(report, "channel", "By channel", "Channel", &all->channels, all->totals[NOW][REVENUE]);
  tell_places(report, "store", "By store", "Store", &all->stores, all->totals[NOW][REVENUE]);
  tell_ranges(report, &all->ranges);
  report_note(report, "New customers: their first order ever lies in the period.");
  report_note(report, "Identified: known by more than devices.");
  report_note(report, "Ranges add up lines, before what is taken off the order as a whole.");
  int64_t odd = all->totals[NOW][ODD_AMOUNTS] + all->totals[BEFORE][ODD_AMOUNTS];
  char sentence[128];
  snprintf(sentence, sizeof sentence, "%lld amounts of 10^13 and more were taken for mistakes and counted as 0.",
           (long long)odd);
  if (odd > 0) report_note(report, sentence);
}

// --- making it -----------------------------------------------------------------------------------------------

static enum err count(struct run *run, const struct engine_report_request *request, struct tally *all,
                      struct diag *diag) {
  const struct walk_options options = {.view = run->view,
                                       .records = true,
                                       .threads = request->threads,
                                       .progress = request->progress,
                                       .context = request->context};
  enum err err = walk_customers(&options, look, run, diag);
  if (err == ERR_OK) err = use(run, all, diag);
  for (size_t i = 0; err == ERR_OK && i < WALK_PARTS; i++)
    if (run->parts[i].used) err = add_tally(run, all, &run->parts[i], diag);
  for (size_t i = 0; i < WALK_PARTS; i++) release(&run->parts[i]);
  return err;
}

static enum err make(struct run *run, const struct engine_report_request *request, struct report *report,
                     struct arena *arena, struct diag *diag) {
  struct tally all = {.used = false};
  enum err err = engine_report_period(run->view, request->options, DEFAULT_DAYS, report, &run->period, diag);
  if (err == ERR_OK) err = read_unit(run, request->options, diag);
  if (err == ERR_OK) err = make_spans(run, arena, diag);
  if (err == ERR_OK) err = trade_open(run->view, &run->trade, diag);
  if (err == ERR_OK) err = count(run, request, &all, diag);
  if (err == ERR_OK) tell(report, run, &all);
  trade_close(run->trade);
  release(&all);
  return err;
}

enum err engine_report_sales(struct engine_view *view, const struct engine_report_request *request,
                             struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct run *run = alloc_zero(1, sizeof *run);
  struct arena arena;
  (void)refusal;
  if (run == NULL) return diag_no_memory(diag);
  run->view = view;
  run->rules = engine_rules(view->engine);
  arena_init(&arena, 0);
  enum err err = make(run, request, report, &arena, diag);
  arena_release(&arena);
  alloc_free(run);
  return err;
}
