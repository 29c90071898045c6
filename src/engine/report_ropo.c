// report_ropo: research online, purchase offline, and its reverse.
//
// One pass; docs/methods.md ("Research online, purchase offline") has the definitions. Of each customer the orders come
// from trade.h and the online events, visits and touches from the settings of attribution. Invariants:
//   1. Orders are read before the events: a message is asked for by its place in the columns that were made last.
//   2. Every sum is of whole cents, so the parts add up to the same in any order.
//   3. What is counted of an order counts it once: products and ranges that it has several times are gathered first.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/attribution.h"
#include "engine/attribution_hand.h"
#include "engine/read.h"
#include "engine/report.h"
#include "engine/sums.h"
#include "engine/trade.h"
#include "value/given.h"

enum { DAYS_DEFAULT = 90, WITHIN_DEFAULT = 30, WITHIN_MAX = 3660, PRODUCTS_DEFAULT = 50 };

// Numbers of a row of stores and ranges, and of the whole.
enum figure { ORDERS, REVENUE, IDENTIFIED_ORDERS, IDENTIFIED_REVENUE, AFTER_ORDERS, AFTER_REVENUE, FIGURES };
// Numbers of a row of channels, lags and products: orders that came after, their revenue, those with this product.
enum part_figure { PART_ORDERS, PART_REVENUE, PART_BOUGHT, PART_FIGURES };

static const struct {
  int64_t below_days;
  const char *label;
} LAGS[] = {{1, "under 1 day"},
            {2, "1 day"},
            {4, "2 to 3 days"},
            {8, "4 to 7 days"},
            {15, "8 to 14 days"},
            {31, "15 to 30 days"},
            {INT64_MAX, "31 days or more"}};
enum { LAG_COUNT = sizeof LAGS / sizeof *LAGS };

// What comes after what: sales of one kind, and what was looked for before them.
struct side {
  int64_t all[FIGURES];
  int64_t lags[LAG_COUNT][PART_FIGURES];
};

struct tally {
  struct rule_machine *machine; // NULL: nobody was looked at
  struct side stores, online;   // store sales after research online; online orders after a visit
  int64_t after_visit[PART_FIGURES], after_purchase[PART_FIGURES];
  struct sums by_store, by_range, by_channel, by_product;
};

struct run {
  struct engine_view *view;
  struct attribution_settings *settings;
  struct trade *trade;
  struct engine_report_period period;
  const struct identity_rules *rules;
  int64_t within_us, products;
  uint32_t names[ATTRIBUTION_NAMES_MAX];
  size_t name_count;
  bool looks_back;
  struct tally tallies[WALK_PARTS];
};

// --- tallies ---------------------------------------------------------------------------------------------------

static enum err tally_open(struct tally *tally, struct diag *diag) {
  sums_init(&tally->by_store, FIGURES);
  sums_init(&tally->by_range, FIGURES);
  sums_init(&tally->by_channel, PART_FIGURES);
  sums_init(&tally->by_product, PART_FIGURES);
  return rule_machine_open(&tally->machine, NULL) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

static void tally_release(struct tally *tally) {
  if (tally->machine != NULL) rule_machine_close(tally->machine);
  sums_release(&tally->by_store);
  sums_release(&tally->by_range);
  sums_release(&tally->by_channel);
  sums_release(&tally->by_product);
}

static enum err add_numbers(int64_t *to, const int64_t *from, size_t count, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < count && err == ERR_OK; i++) err = sums_count(&to[i], from[i], diag);
  return err;
}

static enum err side_add(struct side *to, const struct side *from, struct diag *diag) {
  enum err err = add_numbers(to->all, from->all, FIGURES, diag);
  for (size_t i = 0; i < LAG_COUNT && err == ERR_OK; i++)
    err = add_numbers(to->lags[i], from->lags[i], PART_FIGURES, diag);
  return err;
}

static enum err tally_add(struct tally *to, const struct tally *from, struct diag *diag) {
  enum err err = side_add(&to->stores, &from->stores, diag);
  if (err == ERR_OK) err = side_add(&to->online, &from->online, diag);
  if (err == ERR_OK) err = add_numbers(to->after_visit, from->after_visit, PART_FIGURES, diag);
  if (err == ERR_OK) err = add_numbers(to->after_purchase, from->after_purchase, PART_FIGURES, diag);
  if (err == ERR_OK) err = sums_add(&to->by_store, &from->by_store, diag);
  if (err == ERR_OK) err = sums_add(&to->by_range, &from->by_range, diag);
  if (err == ERR_OK) err = sums_add(&to->by_channel, &from->by_channel, diag);
  return err == ERR_OK ? sums_add(&to->by_product, &from->by_product, diag) : err;
}

// --- one customer ----------------------------------------------------------------------------------------------

// An event that is online, a visit, or a touch with its channel.
struct mark {
  int64_t time_us;
  bool online, visit;
  int32_t channel;      // of a touch that is no visit; -1: none
  struct bytes product; // of an online event; empty: none
};

struct looking {
  const struct run *run;
  struct tally *tally;
  struct attribution_hand hand;
  const struct trade_order *orders;
  size_t order_count, mark_count;
  struct mark *marks;
  bool identified;
  struct arena *arena;
  struct diag *diag;
};

static bool is_identified(const struct run *run, const struct customer *record) {
  for (size_t i = 0; record != NULL && i < record->identifier_count; i++) {
    const struct identity_type *type = identity_type_by_id(run->rules, record->identifiers[i].member.identifier.type);
    if (type != NULL && type->class == IDENTITY_PERSON) return true;
  }
  return false;
}

static enum err read_product(struct looking *looking, struct mark *mark) {
  struct bytes product;
  enum err err = hand_label(&looking->hand, looking->run->settings->product, looking->arena, &product);
  if (err != ERR_OK || product.size_bytes == 0) return err;
  mark->product = arena_copy(looking->arena, product);
  return mark->product.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err read_mark(struct looking *looking, size_t index, struct mark *mark) {
  const struct attribution_settings *settings = looking->run->settings;
  const struct attribution_event *online, *visit, *touch;
  uint16_t channel = 0;
  hand_take(&looking->hand, index);
  *mark = (struct mark){.time_us = looking->hand.columns.time_us[index], .channel = -1};
  enum err err = hand_find(&looking->hand, &settings->online, &online);
  if (err == ERR_OK) err = hand_find(&looking->hand, &settings->visits, &visit);
  if (err != ERR_OK) return err;
  mark->online = online != NULL;
  mark->visit = visit != NULL;
  err = mark->visit ? ERR_OK : hand_find(&looking->hand, &settings->touchpoints, &touch);
  if (err == ERR_OK && !mark->visit && touch != NULL) {
    err = hand_channel(&looking->hand, &channel);
    mark->channel = channel;
  }
  return err == ERR_OK && mark->online ? read_product(looking, mark) : err;
}

static enum err read_marks(struct looking *looking, struct facts *facts) {
  const struct run *run = looking->run;
  int64_t from_us = run->period.from_us - run->within_us;
  hand_begin(&looking->hand, facts);
  enum err err = walk_events(facts, run->names, run->name_count, from_us, run->period.to_us, &looking->hand.columns);
  if (err == ERR_OK && run->looks_back) err = hand_keep_messages(&looking->hand, looking->arena);
  if (err != ERR_OK) return err;
  size_t count = looking->hand.columns.count;
  looking->marks = arena_take(looking->arena, (count + 1) * sizeof *looking->marks);
  if (looking->marks == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    err = read_mark(looking, i, &looking->marks[looking->mark_count]);
    const struct mark *mark = &looking->marks[looking->mark_count];
    looking->mark_count += mark->online || mark->visit || mark->channel >= 0;
  }
  return err;
}

// --- one order -------------------------------------------------------------------------------------------------

static bool is_before(const struct run *run, int64_t time_us, int64_t order_us) {
  return time_us <= order_us && time_us > order_us - run->within_us;
}

static enum err count_lag(struct side *side, int64_t lag_us, int64_t cents, struct diag *diag) {
  size_t at = 0;
  while (lag_us / CLOCK_DAY_US >= LAGS[at].below_days) at++;
  side->lags[at][PART_ORDERS]++;
  return sums_count(&side->lags[at][PART_REVENUE], cents, diag);
}

// An order into a row of figures. `after`: it came after what was looked for.
static enum err count_order(const struct looking *looking, int64_t *row, bool after, int64_t cents) {
  row[ORDERS]++;
  enum err err = sums_count(&row[REVENUE], cents, looking->diag);
  if (err != ERR_OK || !looking->identified) return err;
  row[IDENTIFIED_ORDERS]++;
  err = sums_count(&row[IDENTIFIED_REVENUE], cents, looking->diag);
  if (err != ERR_OK || !after) return err;
  row[AFTER_ORDERS]++;
  return sums_count(&row[AFTER_REVENUE], cents, looking->diag);
}

// Lines of one range, or pages of one product, put together.
struct share {
  struct bytes name;
  int64_t cents;
  bool bought;
};

struct shares {
  struct share *items;
  size_t count, capacity;
};

static struct share *share_of(struct looking *looking, struct shares *shares, struct bytes name) {
  for (size_t i = 0; i < shares->count; i++)
    if (bytes_equal(shares->items[i].name, name)) return &shares->items[i];
  struct share *grown = arena_grow(looking->arena, shares->items, shares->count, &shares->capacity, 8, sizeof *grown);
  if (grown == NULL) return NULL;
  shares->items = grown;
  shares->items[shares->count] = (struct share){.name = name};
  return &shares->items[shares->count++];
}

static enum err count_ranges(struct looking *looking, const struct trade_order *order, bool after) {
  struct shares ranges = {0};
  enum err err = ERR_OK;
  for (size_t i = 0; i < order->item_count && err == ERR_OK; i++) {
    int64_t cents;
    struct share *range = share_of(looking, &ranges, order->items[i].range);
    if (range == NULL) return diag_no_memory(looking->diag);
    trade_cents(order->items[i].amount, &cents);
    err = sums_count(&range->cents, cents, looking->diag);
  }
  for (size_t i = 0; i < ranges.count && err == ERR_OK; i++) {
    int64_t *row;
    err = sums_row(&looking->tally->by_range, ranges.items[i].name, &row, looking->diag);
    if (err == ERR_OK) err = count_order(looking, row, after, ranges.items[i].cents);
  }
  return err;
}

static enum err count_part(struct looking *looking, struct sums *sums, struct bytes name, int64_t cents, bool bought) {
  int64_t *row;
  enum err err = sums_row(sums, name, &row, looking->diag);
  if (err != ERR_OK) return err;
  row[PART_ORDERS]++;
  row[PART_BOUGHT] += bought;
  return sums_count(&row[PART_REVENUE], cents, looking->diag);
}

static enum err count_products(struct looking *looking, const struct trade_order *order, int64_t cents) {
  struct shares products = {0};
  for (size_t i = 0; i < looking->mark_count; i++) {
    const struct mark *mark = &looking->marks[i];
    if (mark->product.size_bytes == 0 || !is_before(looking->run, mark->time_us, order->time_us)) continue;
    if (share_of(looking, &products, mark->product) == NULL) return diag_no_memory(looking->diag);
  }
  enum err err = ERR_OK;
  for (size_t i = 0; i < products.count && err == ERR_OK; i++) {
    bool bought = false;
    for (size_t k = 0; k < order->item_count && !bought; k++)
      bought = bytes_equal(order->items[k].sku, products.items[i].name);
    err = count_part(looking, &looking->tally->by_product, products.items[i].name, cents, bought);
  }
  return err;
}

// The last mark before the order that is online; the channel of the last touch before it.
static const struct mark *last_online(const struct looking *looking, int64_t order_us, int32_t *channel) {
  const struct mark *online = NULL;
  *channel = -1;
  for (size_t i = 0; i < looking->mark_count; i++) {
    const struct mark *mark = &looking->marks[i];
    if (!is_before(looking->run, mark->time_us, order_us)) continue;
    if (mark->online) online = mark;
    if (mark->channel >= 0) *channel = mark->channel;
  }
  return online;
}

static enum err count_store_order(struct looking *looking, const struct trade_order *order, int64_t cents) {
  struct tally *tally = looking->tally;
  int32_t channel;
  int64_t *row;
  const struct mark *online = last_online(looking, order->time_us, &channel);
  bool after = online != NULL && looking->identified;
  enum err err = count_order(looking, tally->stores.all, after, cents);
  if (err == ERR_OK) err = sums_row(&tally->by_store, order->store, &row, looking->diag);
  if (err == ERR_OK) err = count_order(looking, row, after, cents);
  if (err == ERR_OK) err = count_ranges(looking, order, after);
  if (err != ERR_OK || !after) return err;
  struct bytes name = channel < 0 ? BYTES("") : looking->run->settings->names[channel];
  err = count_lag(&tally->stores, order->time_us - online->time_us, cents, looking->diag);
  if (err == ERR_OK) err = count_part(looking, &tally->by_channel, name, cents, false);
  return err == ERR_OK ? count_products(looking, order, cents) : err;
}

static enum err count_plain(int64_t row[PART_FIGURES], int64_t cents, struct diag *diag) {
  row[PART_ORDERS]++;
  return sums_count(&row[PART_REVENUE], cents, diag);
}

static enum err count_online_order(struct looking *looking, const struct trade_order *order, int64_t cents) {
  struct tally *tally = looking->tally;
  int64_t visit_us = INT64_MIN, purchase_us = INT64_MIN;
  for (size_t i = 0; i < looking->mark_count; i++)
    if (looking->marks[i].visit && is_before(looking->run, looking->marks[i].time_us, order->time_us))
      visit_us = looking->marks[i].time_us;
  for (size_t i = 0; i < looking->order_count; i++) {
    const struct trade_order *other = &looking->orders[i];
    if (other->in_store && !other->returned && is_before(looking->run, other->time_us, order->time_us))
      purchase_us = other->time_us;
  }
  int64_t last_us = visit_us > purchase_us ? visit_us : purchase_us;
  bool after = last_us != INT64_MIN && looking->identified;
  enum err err = count_order(looking, tally->online.all, after, cents);
  if (err != ERR_OK || !after) return err;
  err = count_lag(&tally->online, order->time_us - last_us, cents, looking->diag);
  if (err == ERR_OK && visit_us != INT64_MIN) err = count_plain(tally->after_visit, cents, looking->diag);
  if (err == ERR_OK && purchase_us != INT64_MIN) err = count_plain(tally->after_purchase, cents, looking->diag);
  return err;
}

static enum err is_excluded(const struct looking *looking, struct facts *facts, bool *excluded) {
  const struct rule_program *program = looking->run->settings->exclude;
  struct rule_answer answer;
  *excluded = false;
  if (program == NULL) return ERR_OK;
  enum err err = rule_run(looking->hand.machine, program, &facts->customer, looking->hand.now_us, false, &answer);
  *excluded = err == ERR_OK && rule_is_true(&answer);
  return err;
}

static bool has_sale(const struct looking *looking) {
  for (size_t i = 0; i < looking->order_count; i++)
    if (!looking->orders[i].returned && looking->orders[i].time_us >= looking->run->period.from_us) return true;
  return false;
}

static enum err look(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct run *run = state;
  struct tally *tally = &run->tallies[part];
  struct looking looking = {.run = run, .tally = tally, .arena = arena, .diag = diag};
  int64_t from_us = run->period.from_us - run->within_us;
  bool excluded = false;
  enum err err = tally->machine == NULL ? tally_open(tally, diag) : ERR_OK;
  looking.hand =
      (struct attribution_hand){.settings = run->settings, .machine = tally->machine, .now_us = run->period.to_us - 1};
  if (err == ERR_OK) err = is_excluded(&looking, facts, &excluded);
  if (err == ERR_OK && !excluded)
    err = trade_orders(run->trade, facts, from_us, run->period.to_us, true, arena, &looking.orders,
                       &looking.order_count, diag);
  if (err != ERR_OK || !has_sale(&looking)) return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
  looking.identified = is_identified(run, facts->record);
  err = read_marks(&looking, facts);
  for (size_t i = 0; i < looking.order_count && err == ERR_OK; i++) {
    const struct trade_order *order = &looking.orders[i];
    int64_t cents;
    if (order->returned || order->time_us < run->period.from_us) continue;
    trade_cents(order->amount, &cents);
    err = order->in_store ? count_store_order(&looking, order, cents) : count_online_order(&looking, order, cents);
  }
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// --- tables ----------------------------------------------------------------------------------------------------

static void put_share(struct report *report, int64_t part, int64_t whole) {
  if (whole > 0)
    report_number(report, (double)part / (double)whole);
  else
    report_none(report);
}

static void put_name(struct report *report, struct bytes name) {
  report_text(report, name.size_bytes > 0 ? name : BYTES("(none)"));
}

static void put_figures(struct report *report, const int64_t row[FIGURES]) {
  report_count(report, (uint64_t)row[ORDERS]);
  report_decimal(report, row[REVENUE], 2);
  report_count(report, (uint64_t)row[IDENTIFIED_ORDERS]);
  report_decimal(report, row[IDENTIFIED_REVENUE], 2);
  put_share(report, row[IDENTIFIED_REVENUE], row[REVENUE]);
  report_count(report, (uint64_t)row[AFTER_ORDERS]);
  report_decimal(report, row[AFTER_REVENUE], 2);
  put_share(report, row[AFTER_REVENUE], row[IDENTIFIED_REVENUE]);
}

#define FIGURE_COLUMNS(after, rate)                                                                                    \
  {"orders", "Orders", REPORT_COUNT}, {"revenue", "Revenue", REPORT_MONEY},                                            \
      {"identified_orders", "Identified orders", REPORT_COUNT},                                                        \
      {"identified_revenue", "Identified revenue", REPORT_MONEY}, {"identified_share", "Identified", REPORT_SHARE},    \
      {after "_orders", "Orders after", REPORT_COUNT}, {after "_revenue", "Revenue after", REPORT_MONEY}, {            \
    after "_rate", rate, REPORT_SHARE                                                                                  \
  }
enum { FIGURE_COLUMN_COUNT = 8 };

static void write_all(struct report *report, const char *id, const char *title, const int64_t row[FIGURES]) {
  static const struct report_column COLUMNS[] = {FIGURE_COLUMNS("ropo", "ROPO rate")},
                                    REVERSE[] = {FIGURE_COLUMNS("reverse", "Rate")};
  report_table(report, id, title, strcmp(id, "ropo") == 0 ? COLUMNS : REVERSE, FIGURE_COLUMN_COUNT);
  put_figures(report, row);
}

static void write_rows(struct report *report, const char *id, const char *title, const char *what, struct sums *sums) {
  const struct report_column columns[] = {{what, what[0] == 's' ? "Store" : "Range", REPORT_TEXT},
                                          FIGURE_COLUMNS("ropo", "ROPO rate")};
  sums_sort(sums, AFTER_REVENUE);
  report_table(report, id, title, columns, 1 + FIGURE_COLUMN_COUNT);
  for (size_t i = 0; i < sums->count; i++) {
    put_name(report, sums->rows[i].name);
    put_figures(report, sums->rows[i].numbers);
  }
}

static void put_part(struct report *report, const int64_t row[PART_FIGURES], int64_t whole) {
  report_count(report, (uint64_t)row[PART_ORDERS]);
  report_decimal(report, row[PART_REVENUE], 2);
  put_share(report, row[PART_REVENUE], whole);
}

static void write_lags(struct report *report, const char *id, const char *title, const struct side *side) {
  static const struct report_column COLUMNS[] = {{"lag", "Time before", REPORT_TEXT},
                                                 {"orders", "Orders", REPORT_COUNT},
                                                 {"revenue", "Revenue", REPORT_MONEY},
                                                 {"share", "Share", REPORT_SHARE}};
  report_table(report, id, title, COLUMNS, 4);
  for (size_t i = 0; i < LAG_COUNT; i++) {
    report_text(report, bytes_from_text(LAGS[i].label));
    put_part(report, side->lags[i], side->all[AFTER_REVENUE]);
  }
}

static void write_channels(struct report *report, struct tally *all) {
  static const struct report_column COLUMNS[] = {{"channel", "Last channel before", REPORT_TEXT},
                                                 {"orders", "Orders", REPORT_COUNT},
                                                 {"revenue", "Revenue", REPORT_MONEY},
                                                 {"share", "Share", REPORT_SHARE}};
  sums_sort(&all->by_channel, PART_REVENUE);
  report_table(report, "channels", "Store sales after research online, by channel", COLUMNS, 4);
  for (size_t i = 0; i < all->by_channel.count; i++) {
    put_name(report, all->by_channel.rows[i].name);
    put_part(report, all->by_channel.rows[i].numbers, all->stores.all[AFTER_REVENUE]);
  }
}

static void write_products(struct report *report, struct tally *all, size_t most) {
  static const struct report_column COLUMNS[] = {{"product", "Product seen online", REPORT_TEXT},
                                                 {"orders", "Store orders after", REPORT_COUNT},
                                                 {"revenue", "Their revenue", REPORT_MONEY},
                                                 {"bought", "With this product", REPORT_COUNT},
                                                 {"bought_share", "Share", REPORT_SHARE}};
  sums_sort(&all->by_product, PART_ORDERS);
  report_table(report, "products", "Products seen online before a purchase in a store", COLUMNS, 5);
  for (size_t i = 0; i < all->by_product.count && (most == 0 || i < most); i++) {
    const int64_t *row = all->by_product.rows[i].numbers;
    put_name(report, all->by_product.rows[i].name);
    report_count(report, (uint64_t)row[PART_ORDERS]);
    report_decimal(report, row[PART_REVENUE], 2);
    report_count(report, (uint64_t)row[PART_BOUGHT]);
    put_share(report, row[PART_BOUGHT], row[PART_ORDERS]);
  }
}

static void write_reverse_kinds(struct report *report, const struct tally *all) {
  static const struct report_column COLUMNS[] = {{"before", "Before the online order", REPORT_TEXT},
                                                 {"orders", "Orders", REPORT_COUNT},
                                                 {"revenue", "Revenue", REPORT_MONEY},
                                                 {"share", "Share", REPORT_SHARE}};
  report_table(report, "reverse_by", "Online orders after a visit or a purchase in a store", COLUMNS, 4);
  report_text(report, BYTES("visit"));
  put_part(report, all->after_visit, all->online.all[AFTER_REVENUE]);
  report_text(report, BYTES("purchase"));
  put_part(report, all->after_purchase, all->online.all[AFTER_REVENUE]);
}

// The answer in a sentence, above all tables.
static void tell_rate(struct report *report, const int64_t row[FIGURES]) {
  char text[192] = "none: no identified customer bought in a store";
  int64_t after = row[AFTER_REVENUE], all = row[IDENTIFIED_REVENUE];
  if (all > 0 && after >= 0)
    snprintf(text, sizeof text, "%.1f %% of the store revenue of identified customers: %lld.%02lld of %lld.%02lld",
             100.0 * (double)after / (double)all, (long long)(after / 100), (long long)(after % 100),
             (long long)(all / 100), (long long)(all % 100));
  report_fact(report, "rate", "ROPO rate", bytes_from_text(text));
}

static enum err write_tables(struct run *run, struct report *report, struct diag *diag) {
  struct tally *all = alloc_zero(1, sizeof *all);
  enum err err = all == NULL ? diag_no_memory(diag) : tally_open(all, diag);
  for (size_t i = 0; i < WALK_PARTS && err == ERR_OK; i++)
    if (run->tallies[i].machine != NULL) err = tally_add(all, &run->tallies[i], diag);
  if (err == ERR_OK) {
    tell_rate(report, all->stores.all);
    write_all(report, "ropo", "Store sales after research online", all->stores.all);
    write_rows(report, "stores", "By store", "store", &all->by_store);
    write_rows(report, "ranges", "By product range", "range", &all->by_range);
    write_channels(report, all);
    write_lags(report, "lags", "Time from the last online event to the purchase in a store", &all->stores);
    write_products(report, all, (size_t)run->products);
    write_all(report, "reverse", "Online orders after a store", all->online.all);
    write_reverse_kinds(report, all);
    write_lags(report, "reverse_lags", "Time from the store to the online order", &all->online);
  }
  if (all != NULL) tally_release(all);
  alloc_free(all);
  return err;
}

// --- the report ------------------------------------------------------------------------------------------------

static enum err read_whole(struct run *run, struct value options, const char *name, int64_t least, int64_t most,
                           int64_t *number, struct diag *diag) {
  struct value value = engine_report_option(run->view, options, name);
  if (value_is_absent(value) || given_whole(value, least, most, number, diag) == ERR_OK) return ERR_OK;
  diag_in_field(diag, "%s", name);
  return diag->err;
}

static enum err read_options(struct run *run, struct value options, struct report *report, struct rule_diag *refusal,
                             struct diag *diag) {
  int64_t days = WITHIN_DEFAULT;
  run->products = PRODUCTS_DEFAULT;
  enum err err = read_whole(run, options, "within_days", 1, WITHIN_MAX, &days, diag);
  if (err == ERR_OK) err = read_whole(run, options, "products", 0, REPORT_ROWS_MAX, &run->products, diag);
  if (err == ERR_OK) err = engine_report_period(run->view, options, DAYS_DEFAULT, report, &run->period, diag);
  if (err != ERR_OK) return err;
  run->within_us = days * CLOCK_DAY_US;
  char text[96];
  snprintf(text, sizeof text, "at most %lld days before the purchase", (long long)days);
  report_fact(report, "within", "Looked back", bytes_from_text(text));
  return attribution_settings_find(run->view, engine_report_option(run->view, options, "settings"), (struct value){0},
                                   &run->settings, refusal, diag);
}

// Records are wanted for identifiers, and with them come all events.
static enum err walk(struct run *run, const struct engine_report_request *request, struct diag *diag) {
  const struct walk_options options = {.view = run->view,
                                       .records = true,
                                       .threads = request->threads,
                                       .progress = request->progress,
                                       .context = request->context};
  run->name_count = attribution_settings_research_names(run->settings, run->names);
  for (size_t i = 0; i < run->settings->program_count; i++)
    run->looks_back = run->looks_back || rule_program_needs(run->settings->programs[i])->event_count > 0;
  return walk_customers(&options, look, run, diag);
}

enum err engine_report_ropo(struct engine_view *view, const struct engine_report_request *request,
                            struct report *report, struct rule_diag *refusal, struct diag *diag) {
  struct run *run = alloc_zero(1, sizeof *run);
  if (run == NULL) return diag_no_memory(diag);
  run->view = view;
  run->rules = engine_rules(view->engine);
  enum err err = read_options(run, request->options, report, refusal, diag);
  if (err == ERR_OK) err = trade_open(view, &run->trade, diag);
  if (err == ERR_OK) trade_fact(run->trade, report);
  if (err == ERR_OK) err = walk(run, request, diag);
  if (err == ERR_OK) err = write_tables(run, report, diag);
  report_note(report, "Returns are not taken off. Sales at a till without any identifier are no customer's and are in "
                      "no figure here.");
  for (size_t i = 0; i < WALK_PARTS; i++) tally_release(&run->tallies[i]);
  trade_close(run->trade);
  attribution_settings_close(run->settings);
  alloc_free(run);
  return err;
}
