// report_base.c: who the customers are at a date: how many are active, came, came back and went, whether those who came
// in a month bought again, and how much of the revenue is whose.
//
// With T the date, W the days within which a customer counts as active, and P the days looked at:
//   active at t  she bought in the W days before t
//   new          her first order ever lies in the P days before T
//   reactivated  she bought in the P days before T, before that, too, and was not active at their beginning
//   lost         active at the beginning, and not at T
// So active at the beginning + new + reactivated - lost = active at T, as long as P <= W. The same is counted over the
// P days before. All days are whole local ones. Counts and cents are whole numbers per part, added up over the parts;
// what each customer spent is kept for the concentration, and sorted.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/cells.h"
#include "engine/read.h"
#include "engine/report.h"
#include "engine/sums.h"
#include "engine/trade.h"
#include "rule/duration.h"
#include "rule/zone.h"
#include "value/given.h"

enum {
  ACTIVE_DAYS = 365, // defaults
  MOVE_DAYS = 30,
  COHORTS = 24,
  DAYS_MAX = 3660, // of the options
  COHORTS_MAX = 120,
  AGAIN_MONTHS = 12,
  RECENCIES = 6,
  FREQUENCIES = 6,
};

enum { NOW, BEFORE, PERIODS };
enum move { ACTIVE_BEGIN, NEW, REACTIVATED, LOST, ACTIVE_END, BUYERS, MOVES };

struct group {
  int64_t customers, cents;
};

struct cohort {
  int64_t customers, cents;
  int64_t again[AGAIN_MONTHS]; // bought in the month so many after the first one
};

struct tally {
  bool used;
  int64_t moves[PERIODS][MOVES], odd_amounts, all_cents;
  struct group recencies[RECENCIES], frequencies[FREQUENCIES];
  struct cohort *cohorts;
  int64_t *spent; // of each active customer, cents
  size_t spent_count, spent_capacity;
};

struct run {
  struct engine_view *view;
  struct trade *trade;
  int64_t at_us;
  int64_t active_days, days, cohort_count;
  int64_t begins[PERIODS + 1];      // of the P days: T, T - P, T - 2P
  int64_t active_from[PERIODS + 1]; // W days before each of them
  int64_t recency_from[RECENCIES];  // the last one has no bound
  int64_t months[COHORTS_MAX + 1];  // ascending: the first of each month, then T
  struct tally parts[WALK_PARTS];
};

// The last group goes on without end.
static const int RECENCY_DAYS[RECENCIES] = {30, 90, 180, 365, 730, 0};
static const int FREQUENCY_FROM[FREQUENCIES] = {1, 2, 3, 4, 6, 11};

// --- tallies -------------------------------------------------------------------------------------------------

static enum err use(const struct run *run, struct tally *tally, struct diag *diag) {
  if (tally->used) return ERR_OK;
  tally->used = true;
  tally->cohorts = alloc_zero((size_t)run->cohort_count, sizeof *tally->cohorts);
  return tally->cohorts == NULL ? diag_no_memory(diag) : ERR_OK;
}

static void release(struct tally *tally) {
  alloc_free(tally->cohorts);
  alloc_free(tally->spent);
}

static enum err add_spent(struct tally *tally, int64_t cents, struct diag *diag) {
  if (tally->spent_count == tally->spent_capacity) {
    size_t capacity = tally->spent_capacity == 0 ? 256 : 2 * tally->spent_capacity;
    int64_t *grown = alloc_resize(tally->spent, capacity * sizeof *grown);
    if (grown == NULL) return diag_no_memory(diag);
    tally->spent = grown;
    tally->spent_capacity = capacity;
  }
  tally->spent[tally->spent_count++] = cents;
  return ERR_OK;
}

static enum err add_group(struct group *to, int64_t customers, int64_t cents, struct diag *diag) {
  to->customers += customers;
  return sums_count(&to->cents, cents, diag);
}

static enum err add_cohort(struct cohort *to, const struct cohort *from, struct diag *diag) {
  to->customers += from->customers;
  for (size_t i = 0; i < AGAIN_MONTHS; i++) to->again[i] += from->again[i];
  return sums_count(&to->cents, from->cents, diag);
}

static enum err add_tally(const struct run *run, struct tally *to, const struct tally *from, struct diag *diag) {
  enum err err = sums_count(&to->all_cents, from->all_cents, diag);
  to->odd_amounts += from->odd_amounts;
  for (size_t i = 0; i < PERIODS * MOVES; i++) to->moves[i / MOVES][i % MOVES] += from->moves[i / MOVES][i % MOVES];
  for (size_t i = 0; err == ERR_OK && i < RECENCIES; i++)
    err = add_group(&to->recencies[i], from->recencies[i].customers, from->recencies[i].cents, diag);
  for (size_t i = 0; err == ERR_OK && i < FREQUENCIES; i++)
    err = add_group(&to->frequencies[i], from->frequencies[i].customers, from->frequencies[i].cents, diag);
  for (int64_t i = 0; err == ERR_OK && i < run->cohort_count; i++)
    err = add_cohort(&to->cohorts[i], &from->cohorts[i], diag);
  for (size_t i = 0; err == ERR_OK && i < from->spent_count; i++) err = add_spent(to, from->spent[i], diag);
  return err;
}

// --- one customer --------------------------------------------------------------------------------------------

// When she bought (returns aside), ascending, and what she spent less what she got back.
struct history {
  const int64_t *times;
  int64_t count;
  int64_t cents, active_cents; // ever; in the W days before T
};

static enum err read_history(struct run *run, struct tally *tally, struct facts *facts, struct arena *arena,
                             struct history *history, struct diag *diag) {
  const struct trade_order *orders;
  size_t count;
  enum err err = trade_orders(run->trade, facts, INT64_MIN, run->at_us, false, arena, &orders, &count, diag);
  int64_t *times = err == ERR_OK ? arena_take(arena, (count + 1) * sizeof *times) : NULL;
  if (err == ERR_OK && times == NULL) return diag_no_memory(diag);
  *history = (struct history){.times = times};
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    int64_t cents;
    tally->odd_amounts += !trade_cents(orders[i].amount, &cents);
    if (orders[i].returned) cents = -cents;
    if (!orders[i].returned) times[history->count++] = orders[i].time_us;
    err = sums_count(&history->cents, cents, diag);
    if (err == ERR_OK && orders[i].time_us >= run->active_from[0])
      err = sums_count(&history->active_cents, cents, diag);
  }
  return err;
}

static bool bought_between(const struct history *history, int64_t from_us, int64_t to_us) {
  for (int64_t i = history->count; i > 0; i--)
    if (history->times[i - 1] < to_us) return history->times[i - 1] >= from_us;
  return false;
}

static void add_moves(const struct run *run, struct tally *tally, const struct history *history) {
  for (size_t i = 0; i < PERIODS; i++) {
    int64_t *moves = tally->moves[i], end = run->begins[i], begin = run->begins[i + 1];
    bool first = history->times[0] >= begin && history->times[0] < end;
    bool bought = bought_between(history, begin, end);
    bool active_begin = bought_between(history, run->active_from[i + 1], begin);
    bool active_end = bought_between(history, run->active_from[i], end);
    moves[ACTIVE_BEGIN] += active_begin;
    moves[ACTIVE_END] += active_end;
    moves[NEW] += first;
    moves[REACTIVATED] += bought && !first && !active_begin;
    moves[LOST] += active_begin && !active_end;
    moves[BUYERS] += history->times[0] < end;
  }
}

static enum err add_groups(const struct run *run, struct tally *tally, const struct history *history,
                           struct diag *diag) {
  size_t recency = 0, frequency = FREQUENCIES - 1;
  int64_t last_us = history->times[history->count - 1];
  while (recency < RECENCIES - 1 && last_us < run->recency_from[recency]) recency++;
  while (history->count < FREQUENCY_FROM[frequency]) frequency--;
  enum err err = add_group(&tally->recencies[recency], 1, history->cents, diag);
  return err == ERR_OK ? add_group(&tally->frequencies[frequency], 1, history->cents, diag) : err;
}

// The month of an instant; -1: before all of them.
static int64_t month_of(const struct run *run, int64_t time_us) {
  int64_t low = -1, high = run->cohort_count;
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (run->months[middle] <= time_us)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static enum err add_to_cohort(const struct run *run, struct tally *tally, const struct history *history,
                              struct diag *diag) {
  int64_t first = month_of(run, history->times[0]), last = first;
  if (first < 0) return ERR_OK;
  struct cohort *cohort = &tally->cohorts[first];
  cohort->customers++;
  for (int64_t i = 1; i < history->count; i++) {
    int64_t month = month_of(run, history->times[i]);
    if (month > last && month - first <= AGAIN_MONTHS) cohort->again[month - first - 1]++;
    last = month;
  }
  return sums_count(&cohort->cents, history->cents, diag);
}

static enum err look(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct tally *tally = &run->parts[part];
  struct history history;
  enum err err = use(run, tally, diag);
  if (err == ERR_OK) err = read_history(run, tally, facts, arena, &history, diag);
  if (err != ERR_OK || history.count == 0) return err;
  add_moves(run, tally, &history);
  err = sums_count(&tally->all_cents, history.cents, diag);
  if (err == ERR_OK) err = add_groups(run, tally, &history, diag);
  if (err == ERR_OK) err = add_to_cohort(run, tally, &history, diag);
  bool active = history.times[history.count - 1] >= run->active_from[0];
  return err == ERR_OK && active ? add_spent(tally, history.active_cents, diag) : err;
}

// --- what is asked for ---------------------------------------------------------------------------------------

static enum err read_whole(struct run *run, struct value options, const char *name, int64_t most, int64_t *number,
                           struct diag *diag) {
  struct value option = engine_report_option(run->view, options, name);
  if (value_is_absent(option)) return ERR_OK;
  enum err err = given_whole(option, 1, most, number, diag);
  if (err != ERR_OK) diag_in_field(diag, "%s", name);
  return err;
}

// The beginning of the day, or the month, that is so many back from the one that ends at `end_us`.
static enum err back(const struct run *run, int64_t end_us, enum rule_unit unit, int64_t count, int64_t *out,
                     struct diag *diag) {
  if (rule_time_start(engine_zone(run->view->engine), end_us - 1, unit, 1 - count, out) == ERR_OK) return ERR_OK;
  diag_set(diag, ERR_INVALID, "out_of_range", "the years before 1 are not counted; choose a later date");
  diag_in_field(diag, "at");
  return ERR_INVALID;
}

static enum err find_days(struct run *run, struct diag *diag) {
  enum err err = ERR_OK;
  run->begins[0] = run->at_us;
  for (size_t i = 0; err == ERR_OK && i < PERIODS; i++)
    err = back(run, run->at_us, RULE_DAY, (int64_t)(i + 1) * run->days, &run->begins[i + 1], diag);
  for (size_t i = 0; err == ERR_OK && i <= PERIODS; i++)
    err = back(run, run->begins[i], RULE_DAY, run->active_days, &run->active_from[i], diag);
  for (size_t i = 0; err == ERR_OK && i < RECENCIES - 1; i++)
    err = back(run, run->at_us, RULE_DAY, RECENCY_DAYS[i], &run->recency_from[i], diag);
  for (int64_t i = 0; err == ERR_OK && i < run->cohort_count; i++)
    err = back(run, run->at_us, RULE_MONTH, run->cohort_count - i, &run->months[i], diag);
  run->months[run->cohort_count] = run->at_us;
  return err;
}

static enum err read_options(struct run *run, struct value options, struct report *report, struct diag *diag) {
  int64_t today_us = 0;
  run->active_days = ACTIVE_DAYS, run->days = MOVE_DAYS, run->cohort_count = COHORTS;
  enum err err = read_whole(run, options, "active_days", DAYS_MAX, &run->active_days, diag);
  if (err == ERR_OK) err = read_whole(run, options, "days", DAYS_MAX, &run->days, diag);
  if (err == ERR_OK) err = read_whole(run, options, "months", COHORTS_MAX, &run->cohort_count, diag);
  if (err != ERR_OK) return err;
  if (run->days > run->active_days) {
    diag_set(diag, ERR_INVALID, "out_of_range",
             "expected at most \"active_days\" (%lld): who came and went again within would be counted nowhere",
             (long long)run->active_days);
    diag_in_field(diag, "days");
    return ERR_INVALID;
  }
  int64_t now_us = clock_now_us(run->view->engine->clock);
  if (rule_time_start(engine_zone(run->view->engine), now_us, RULE_DAY, 0, &today_us) != ERR_OK) today_us = now_us;
  err = engine_report_at(run->view, options, today_us, report, &run->at_us, diag);
  return err == ERR_OK ? find_days(run, diag) : err;
}

// --- telling it ----------------------------------------------------------------------------------------------

static void tell_facts(struct report *report, const struct run *run) {
  char text[128];
  snprintf(text, sizeof text, "bought in the %lld days before", (long long)run->active_days);
  report_fact(report, "active", "Active", bytes_from_text(text));
  snprintf(text, sizeof text, "of the %lld days before, beside the %lld days before those", (long long)run->days,
           (long long)run->days);
  report_fact(report, "moves", "Moves", bytes_from_text(text));
  trade_fact(run->trade, report);
}

static void tell_moves(struct report *report, const struct tally *all) {
  static const struct report_column columns[] = {{"figure", "Figure", REPORT_TEXT},
                                                 {"customers", "Customers", REPORT_COUNT},
                                                 {"before", "Days before", REPORT_COUNT},
                                                 {"change", "Change", REPORT_SHARE}};
  static const char *const labels[MOVES] = {"Active at the beginning", "New",        "Reactivated", "Lost",
                                            "Active at the end",       "Ever bought"};
  const int64_t *now = all->moves[NOW], *before = all->moves[BEFORE];
  report_table(report, "moves", "Active customers", columns, 4);
  for (size_t i = 0; i < MOVES; i++) {
    cells_label(report, labels[i]);
    cells_count(report, now[i]);
    cells_count(report, before[i]);
    cells_change(report, now[i], before[i]);
  }
  cells_label(report, "Not active any more");
  cells_count(report, now[BUYERS] - now[ACTIVE_END]);
  cells_count(report, before[BUYERS] - before[ACTIVE_END]);
  cells_change(report, now[BUYERS] - now[ACTIVE_END], before[BUYERS] - before[ACTIVE_END]);
}

static void tell_groups(struct report *report, const char *id, const char *title, const char *label,
                        const struct group *groups, size_t count, void (*name)(size_t group, char out[64]),
                        const struct tally *all) {
  const struct report_column columns[] = {{id, label, REPORT_TEXT},
                                          {"customers", "Customers", REPORT_COUNT},
                                          {"share", "Share", REPORT_SHARE},
                                          {"revenue", "Revenue ever", REPORT_MONEY},
                                          {"revenue_share", "Of revenue", REPORT_SHARE}};
  char text[64];
  report_table(report, id, title, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < count; i++) {
    name(i, text);
    cells_label(report, text);
    cells_count(report, groups[i].customers);
    cells_share(report, groups[i].customers, all->moves[NOW][BUYERS]);
    cells_money(report, groups[i].cents);
    cells_share(report, groups[i].cents, all->all_cents);
  }
}

static void name_recency(size_t group, char out[64]) {
  int from = group == 0 ? 0 : RECENCY_DAYS[group - 1];
  if (group == RECENCIES - 1)
    snprintf(out, 64, "more than %d days ago", from);
  else
    snprintf(out, 64, "%d to %d days ago", from == 0 ? 0 : from + 1, RECENCY_DAYS[group]);
}

static void name_frequency(size_t group, char out[64]) {
  int from = FREQUENCY_FROM[group], to = group + 1 < FREQUENCIES ? FREQUENCY_FROM[group + 1] - 1 : 0;
  if (to == 0)
    snprintf(out, 64, "%d and more", from);
  else if (to == from)
    snprintf(out, 64, "%d", from);
  else
    snprintf(out, 64, "%d to %d", from, to);
}

// The local date of an instant, as days.
static int32_t day_of(const struct run *run, int64_t time_us) {
  int64_t wall_us = time_us + rule_zone_offset(engine_zone(run->view->engine), time_us) * (int64_t)CLOCK_SECOND_US;
  return (int32_t)((wall_us - (wall_us % CLOCK_DAY_US + CLOCK_DAY_US) % CLOCK_DAY_US) / CLOCK_DAY_US);
}

// A month that has not ended at T is not told: it would look like a loss.
static bool has_ended(const struct run *run, int64_t month) {
  int64_t end_us;
  if (month + 1 < run->cohort_count) return true;
  if (month + 1 > run->cohort_count) return false;
  const struct rule_zone *zone = engine_zone(run->view->engine);
  return rule_time_start(zone, run->months[month], RULE_MONTH, 1, &end_us) == ERR_OK && end_us <= run->at_us;
}

static void tell_cohorts(struct report *report, const struct run *run, const struct tally *all) {
  struct report_column columns[3 + AGAIN_MONTHS] = {{"month", "First order in", REPORT_DAY},
                                                    {"customers", "Customers", REPORT_COUNT},
                                                    {"revenue", "Revenue ever", REPORT_MONEY}};
  char keys[AGAIN_MONTHS][16], labels[AGAIN_MONTHS][16];
  for (int i = 0; i < AGAIN_MONTHS; i++) {
    snprintf(keys[i], sizeof keys[i], "month_%d", i + 1);
    snprintf(labels[i], sizeof labels[i], "+%d", i + 1);
    columns[3 + i] = (struct report_column){keys[i], labels[i], REPORT_SHARE};
  }
  report_table(report, "cohorts", "Bought again, so many months after the month of the first order", columns,
               3 + AGAIN_MONTHS);
  for (int64_t month = 0; month < run->cohort_count; month++) {
    const struct cohort *cohort = &all->cohorts[month];
    report_day(report, day_of(run, run->months[month]));
    cells_count(report, cohort->customers);
    cells_money(report, cohort->cents);
    for (int64_t i = 0; i < AGAIN_MONTHS; i++) {
      if (has_ended(run, month + 1 + i))
        cells_share(report, cohort->again[i], cohort->customers);
      else
        report_none(report);
    }
  }
}

// --- concentration -------------------------------------------------------------------------------------------

static int descending(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left < right) - (left > right);
}

// The mean difference of two customers' revenues by twice their mean: 0 when all are equal, near 1 when one has it all.
// With x sorted descending and ranks from 1: (n + 1 - 2 * sum(rank * x) / sum(x)) / n. The sums are exact.
static void tell_gini(struct report *report, const int64_t *spent, size_t count, int64_t sum) {
  char text[64] = "none: nobody spent anything";
  __extension__ typedef __int128 wide;
  wide ranked = 0;
  for (size_t i = 0; i < count; i++) ranked += (wide)spent[i] * (int64_t)(i + 1);
  if (sum > 0) {
    wide over = (wide)sum * (int64_t)(count + 1) - 2 * ranked, under = (wide)sum * (int64_t)count;
    snprintf(text, sizeof text, "%.4f", (double)over / (double)under);
  }
  report_fact(report, "gini", "Gini coefficient", bytes_from_text(text));
}

static enum err tell_concentration(struct report *report, const struct tally *all, struct diag *diag) {
  static const struct report_column columns[] = {{"top", "Best customers", REPORT_TEXT},
                                                 {"customers", "Customers", REPORT_COUNT},
                                                 {"revenue", "Revenue", REPORT_MONEY},
                                                 {"share", "Of revenue", REPORT_SHARE},
                                                 {"least", "Each at least", REPORT_MONEY}};
  static const unsigned percents[] = {1, 5, 10, 20, 50, 100};
  size_t count = all->spent_count, taken = 0;
  int64_t sum = 0, part = 0;
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++)
    if (all->spent[i] < 0) all->spent[i] = 0; // what came back of orders from before the window
  if (count > 0) qsort(all->spent, count, sizeof *all->spent, descending);
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = sums_count(&sum, all->spent[i], diag);
  if (err != ERR_OK) return err;
  tell_gini(report, all->spent, count, sum);
  report_table(report, "concentration", "Concentration of the revenue of active customers", columns,
               sizeof columns / sizeof *columns);
  for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
    char text[32];
    size_t wanted = (count * percents[i] + 99) / 100;
    while (taken < wanted) part += all->spent[taken++];
    snprintf(text, sizeof text, "%u %%", percents[i]);
    cells_label(report, text);
    cells_count(report, (int64_t)taken);
    cells_money(report, part);
    cells_share(report, part, sum);
    if (taken == 0)
      report_none(report);
    else
      cells_money(report, all->spent[taken - 1]);
  }
  return ERR_OK;
}

static enum err tell(struct report *report, const struct run *run, const struct tally *all, struct diag *diag) {
  char sentence[128];
  tell_facts(report, run);
  tell_moves(report, all);
  tell_groups(report, "last_order", "Last order", "Last order", all->recencies, RECENCIES, name_recency, all);
  tell_groups(report, "orders_ever", "Orders ever", "Orders", all->frequencies, FREQUENCIES, name_frequency, all);
  tell_cohorts(report, run, all);
  enum err err = tell_concentration(report, all, diag);
  report_note(report, "Revenue is what was paid less what was paid back.");
  report_note(report, "A month is told once it has ended.");
  snprintf(sentence, sizeof sentence, "%lld amounts of 10^13 and more were taken for mistakes and counted as 0.",
           (long long)all->odd_amounts);
  if (all->odd_amounts > 0) report_note(report, sentence);
  return err;
}

// --- making it -----------------------------------------------------------------------------------------------

static enum err count(struct run *run, const struct engine_report_request *request, struct tally *all,
                      struct diag *diag) {
  struct walk_options options = {
      .view = run->view, .threads = request->threads, .progress = request->progress, .context = request->context};
  options.name_count = trade_names(run->trade, &options.names);
  enum err err = walk_customers(&options, look, run, diag);
  if (err == ERR_OK) err = use(run, all, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) {
    if (err == ERR_OK && run->parts[i].used) err = add_tally(run, all, &run->parts[i], diag);
    release(&run->parts[i]);
  }
  return err;
}

enum err engine_report_base(struct engine_view *view, const struct engine_report_request *request,
                            struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct run *run = alloc_zero(1, sizeof *run);
  struct tally all = {.used = false};
  (void)refusal;
  if (run == NULL) return diag_no_memory(diag);
  run->view = view;
  enum err err = read_options(run, request->options, report, diag);
  if (err == ERR_OK) err = trade_open(view, &run->trade, diag);
  if (err == ERR_OK) err = count(run, request, &all, diag);
  if (err == ERR_OK) err = tell(report, run, &all, diag);
  trade_close(run->trade);
  release(&all);
  alloc_free(run);
  return err;
}
