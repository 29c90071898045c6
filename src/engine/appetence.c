// appetence.c: a customer's signals live as long as the look at her; what is kept of her is a row of features for each
// cut-off and one as of now, in the part she is in. Parts are put behind one another in their order.
//
// Where there are many customers a stable share of them is learned from: which ones, depends on their ids alone.
#include "engine/appetence.h"

#include <stdlib.h>
#include <string.h>

#include "engine/read.h"
#include "engine/trade.h"
#include "scoring/roster.h"
#include "segment/definition.h"

enum { KINDS = 4, NAMES_EACH = 3, NAMES_MAX = KINDS * NAMES_EACH + 2, RANGES_MAX = 1000, RANGES_TOLD = 12 };
enum { MODEL_SHARES = 1 << 20 };

static const char *const events[KINDS][NAMES_EACH] = {
    [APPETENCE_VIEW] = {"Product Viewed", "Product Clicked", "Product List Viewed"},
    [APPETENCE_ADD] = {"Product Added", "Product Added to Wishlist", NULL},
    [APPETENCE_SEARCH] = {"Products Searched", NULL, NULL},
    [APPETENCE_CLICK] = {"Email Clicked", "Email Link Clicked", NULL},
};

struct part {
  struct appetence_rows rows;
  size_t row_room;
  struct appetence_customer *customers;
  double *features; // of customers, as of now
  size_t count, room;
  struct roster ranges; // that somebody bought in
};

struct gathering {
  struct engine_view *view;
  struct trade *trade;
  struct bytes range;
  int64_t at_us, horizon_us;
  int64_t day_us; // the beginning of today: what is learned is the same all day long
  bool learns;
  uint32_t share;            // of MODEL_SHARES: who is learned from
  uint32_t names[NAMES_MAX]; // sorted: of signals, and of orders
  size_t name_count;
  uint32_t online[KINDS * NAMES_EACH]; // by kind; 0: the workspace has never seen it
  uint32_t category, query;
  struct part parts[WALK_PARTS];
};

struct signals {
  struct appetence_signal *items;
  size_t count, orders; // orders: in the range
};

// --- signals -------------------------------------------------------------------------------------------------

static uint8_t lower(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

// Whether the range's name stands in what was searched for, whatever the case of ASCII letters.
static bool is_named(struct bytes text, struct bytes range) {
  for (size_t from = 0; from + range.size_bytes <= text.size_bytes; from++) {
    size_t same = 0;
    while (same < range.size_bytes && lower(text.data[from + same]) == lower(range.data[same])) same++;
    if (same == range.size_bytes) return true;
  }
  return false;
}

static bool find_kind(const struct gathering *gathering, uint32_t name, enum appetence_kind *kind) {
  for (size_t i = 0; i < KINDS * NAMES_EACH; i++) {
    if (gathering->online[i] != name) continue;
    *kind = (enum appetence_kind)(i / NAMES_EACH);
    return true;
  }
  return false;
}

static enum err read_in_range(const struct gathering *gathering, struct facts *facts, size_t index,
                              enum appetence_kind kind, bool *in_range) {
  struct value message = {0};
  struct bytes text;
  *in_range = false;
  if (kind == APPETENCE_CLICK) return ERR_OK;
  enum err err = facts->customer.message(facts->customer.context, index, &message);
  if (err != ERR_OK) return err;
  uint32_t member = kind == APPETENCE_SEARCH ? gathering->query : gathering->category;
  struct value properties = value_member_id(message, gathering->view->engine->id.properties);
  if (member == 0 || !value_as_text(value_member_id(properties, member), &text)) return ERR_OK;
  *in_range = kind == APPETENCE_SEARCH ? is_named(text, gathering->range) : bytes_equal(text, gathering->range);
  return ERR_OK;
}

static enum err read_online(const struct gathering *gathering, struct facts *facts, struct arena *arena,
                            struct signals *signals) {
  struct rule_columns columns;
  enum err err = walk_events(facts, gathering->names, gathering->name_count, INT64_MIN, gathering->at_us + 1, &columns);
  if (err != ERR_OK) return err;
  // An event that is an order gives two signals at most.
  signals->items = arena_take(arena, (2 * columns.count + 1) * sizeof *signals->items);
  if (signals->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < columns.count && err == ERR_OK; i++) {
    struct appetence_signal *signal = &signals->items[signals->count];
    if (columns.time_us[i] > gathering->at_us || !find_kind(gathering, columns.name[i], &signal->kind)) continue;
    signal->time_us = columns.time_us[i];
    err = read_in_range(gathering, facts, i, signal->kind, &signal->in_range);
    signals->count++;
  }
  return err;
}

static enum err read_order(const struct gathering *gathering, struct part *part, const struct trade_order *order,
                           struct signals *signals) {
  bool in = false, out = order->item_count == 0;
  uint32_t number;
  for (size_t i = 0; i < order->item_count; i++) {
    struct bytes range = order->items[i].range;
    bool hers = bytes_equal(range, gathering->range);
    in |= hers;
    out |= !hers;
    if (range.size_bytes > 0 && part->ranges.count < RANGES_MAX &&
        roster_number(&part->ranges, range, &number) != ERR_OK)
      return ERR_NO_MEMORY;
  }
  signals->orders += in;
  if (in) signals->items[signals->count++] = (struct appetence_signal){order->time_us, APPETENCE_PURCHASE, true};
  if (out) signals->items[signals->count++] = (struct appetence_signal){order->time_us, APPETENCE_PURCHASE, false};
  return ERR_OK;
}

static enum err read_signals(const struct gathering *gathering, struct part *part, struct facts *facts,
                             struct arena *arena, struct signals *signals, struct diag *diag) {
  const struct trade_order *orders;
  size_t count;
  enum err err = read_online(gathering, facts, arena, signals);
  if (err == ERR_OK)
    err = trade_orders(gathering->trade, facts, INT64_MIN, gathering->at_us + 1, true, arena, &orders, &count, diag);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (!orders[i].returned) err = read_order(gathering, part, &orders[i], signals);
  return err;
}

// --- rows ----------------------------------------------------------------------------------------------------

static bool grow_rows(struct appetence_rows *rows, size_t room) {
  double *features = alloc_resize(rows->features, room * APPETENCE_FEATURES * sizeof *features);
  if (features != NULL) rows->features = features;
  uint8_t *labels = alloc_resize(rows->labels, room);
  if (labels != NULL) rows->labels = labels;
  uint8_t *groups = alloc_resize(rows->groups, room);
  if (groups != NULL) rows->groups = groups;
  return features != NULL && labels != NULL && groups != NULL;
}

static bool grow_customers(struct part *part, size_t room) {
  struct appetence_customer *customers = alloc_resize(part->customers, room * sizeof *customers);
  if (customers != NULL) part->customers = customers;
  double *features = alloc_resize(part->features, room * APPETENCE_FEATURES * sizeof *features);
  if (features != NULL) part->features = features;
  return customers != NULL && features != NULL;
}

static enum err add_row(struct part *part, const double *features, bool label, uint8_t group) {
  struct appetence_rows *rows = &part->rows;
  if (rows->count == part->row_room) {
    size_t room = part->row_room == 0 ? 256 : 2 * part->row_room;
    if (!grow_rows(rows, room)) return ERR_NO_MEMORY;
    part->row_room = room;
  }
  memcpy(rows->features + rows->count * APPETENCE_FEATURES, features, APPETENCE_FEATURES * sizeof *features);
  rows->labels[rows->count] = label;
  rows->groups[rows->count++] = group;
  return ERR_OK;
}

static enum err add_customer(struct part *part, const struct appetence_customer *customer, const double *features) {
  if (part->count == part->room) {
    size_t room = part->room == 0 ? 256 : 2 * part->room;
    if (!grow_customers(part, room)) return ERR_NO_MEMORY;
    part->room = room;
  }
  memcpy(part->features + part->count * APPETENCE_FEATURES, features, APPETENCE_FEATURES * sizeof *features);
  part->customers[part->count++] = *customer;
  return ERR_OK;
}

static enum err add_past(const struct gathering *gathering, struct part *part, uint64_t id,
                         const struct signals *signals) {
  double features[APPETENCE_FEATURES];
  uint64_t hash = segment_random_of(BYTES("appetence"), id);
  enum err err = ERR_OK;
  if ((hash >> 32) % MODEL_SHARES >= gathering->share) return ERR_OK;
  for (int k = APPETENCE_CUTS; k > 0 && err == ERR_OK; k--) {
    int64_t cut_us = gathering->day_us - k * gathering->horizon_us;
    if (!appetence_features(signals->items, signals->count, cut_us, features)) continue;
    bool bought = appetence_bought(signals->items, signals->count, cut_us, cut_us + gathering->horizon_us);
    err = add_row(part, features, bought, (uint8_t)(hash % APPETENCE_GROUPS));
  }
  return err;
}

static enum err look(void *state, size_t number, struct facts *facts, struct arena *arena, struct diag *diag) {
  const struct gathering *gathering = state;
  struct part *part = &((struct gathering *)state)->parts[number];
  struct signals signals = {.items = NULL};
  double features[APPETENCE_FEATURES];
  enum err err = read_signals(gathering, part, facts, arena, &signals, diag);
  if (err == ERR_OK && gathering->learns) err = add_past(gathering, part, facts->id, &signals);
  if (err == ERR_OK && appetence_features(signals.items, signals.count, gathering->at_us + 1, features))
    err =
        add_customer(part, &(struct appetence_customer){.id = facts->id, .orders = (uint32_t)signals.orders}, features);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// --- the walk ------------------------------------------------------------------------------------------------

static int by_number(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static void find_names(struct gathering *gathering) {
  const struct names *names = gathering->view->engine->names;
  const uint32_t *of_orders;
  size_t count = trade_names(gathering->trade, &of_orders);
  for (size_t i = 0; i < KINDS * NAMES_EACH; i++) {
    const char *event = events[i / NAMES_EACH][i % NAMES_EACH];
    uint32_t name = event == NULL ? 0 : names_find(names, bytes_from_text(event));
    gathering->online[i] = name == 0 ? UINT32_MAX : name;
    if (name != 0) gathering->names[gathering->name_count++] = name;
  }
  for (size_t i = 0; i < count; i++) gathering->names[gathering->name_count++] = of_orders[i];
  qsort(gathering->names, gathering->name_count, sizeof *gathering->names, by_number);
  size_t kept = 0;
  for (size_t i = 0; i < gathering->name_count; i++)
    if (kept == 0 || gathering->names[i] != gathering->names[kept - 1]) gathering->names[kept++] = gathering->names[i];
  gathering->name_count = kept;
  gathering->category = names_find(names, BYTES("category"));
  gathering->query = names_find(names, BYTES("query"));
}

static enum err choose_share(struct gathering *gathering, struct diag *diag) {
  struct engine_counts counts;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = engine_counts_at(gathering->view->snapshot, &arena, &counts);
  arena_release(&arena);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  uint64_t rows = counts.customers * APPETENCE_CUTS;
  gathering->share =
      rows <= APPETENCE_ROWS_MAX ? MODEL_SHARES : (uint32_t)((uint64_t)APPETENCE_ROWS_MAX * MODEL_SHARES / rows);
  return ERR_OK;
}

static enum err walk(struct gathering *gathering, const struct worth_how *how, struct diag *diag) {
  enum err err = trade_open(gathering->view, &gathering->trade, diag);
  if (err == ERR_OK) err = choose_share(gathering, diag);
  if (err != ERR_OK) return err;
  find_names(gathering);
  struct walk_options options = {.view = gathering->view,
                                 .names = gathering->names,
                                 .name_count = gathering->name_count,
                                 .threads = how->threads,
                                 .progress = how->progress,
                                 .context = how->context};
  return gathering->name_count == 0 ? ERR_OK : walk_customers(&options, look, gathering, diag);
}

// --- putting parts together ----------------------------------------------------------------------------------

static enum err join_rows(struct gathering *gathering, struct appetence_rows *rows) {
  struct part all = {.rows = {.columns = APPETENCE_FEATURES}};
  enum err err = ERR_OK;
  for (size_t i = 0; i < WALK_PARTS && err == ERR_OK; i++) {
    const struct appetence_rows *part = &gathering->parts[i].rows;
    for (size_t k = 0; k < part->count && err == ERR_OK; k++)
      err = add_row(&all, part->features + k * APPETENCE_FEATURES, part->labels[k], part->groups[k]);
  }
  *rows = all.rows;
  return err;
}

static enum err score(struct gathering *gathering, struct appetence *appetence) {
  size_t all = 0;
  for (size_t i = 0; i < WALK_PARTS; i++) all += gathering->parts[i].count;
  appetence->customers = alloc_zero(all + 1, sizeof *appetence->customers);
  if (appetence->customers == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < WALK_PARTS; i++)
    for (size_t k = 0; k < gathering->parts[i].count; k++) {
      struct appetence_customer *customer = &appetence->customers[appetence->count++];
      *customer = gathering->parts[i].customers[k];
      customer->probability =
          logistic_probability(&appetence->model.logistic, gathering->parts[i].features + k * APPETENCE_FEATURES);
      appetence->buyers += customer->orders > 0;
    }
  return ERR_OK;
}

static int by_probability(const void *left, const void *right) {
  const struct appetence_customer *a = left, *b = right;
  int order = (a->probability < b->probability) - (a->probability > b->probability);
  return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static int by_id(const void *left, const void *right) {
  const struct appetence_customer *a = left, *b = right;
  return (a->id > b->id) - (a->id < b->id);
}

static void rank(struct appetence *appetence) {
  if (appetence->count == 0) return;
  qsort(appetence->customers, appetence->count, sizeof *appetence->customers, by_probability);
  for (size_t i = 0; i < appetence->count; i++)
    appetence->customers[i].decile = (uint8_t)(1 + i * APPETENCE_DECILES / appetence->count);
  qsort(appetence->customers, appetence->count, sizeof *appetence->customers, by_id);
}

// --- what is wrong -------------------------------------------------------------------------------------------

static int by_text(const void *left, const void *right) {
  return bytes_compare(*(const struct bytes *)left, *(const struct bytes *)right);
}

// The ranges of all parts, each once, in order of their names.
static enum err known_ranges(struct gathering *gathering, struct roster *all) {
  uint32_t number;
  for (size_t i = 0; i < WALK_PARTS; i++)
    for (size_t k = 0; k < gathering->parts[i].ranges.count && all->count < RANGES_MAX; k++)
      if (roster_number(all, gathering->parts[i].ranges.items[k], &number) != ERR_OK) return ERR_NO_MEMORY;
  return ERR_OK;
}

static enum err refuse_range(struct gathering *gathering, struct diag *diag) {
  struct roster all;
  struct buffer list;
  roster_init(&all);
  buffer_init(&list);
  enum err err = known_ranges(gathering, &all);
  if (err == ERR_OK && all.count > 0) qsort(all.items, all.count, sizeof *all.items, by_text);
  for (size_t i = 0; i < all.count && i < RANGES_TOLD; i++)
    buffer_append_format(&list, "%s%.*s", i == 0 ? "" : ", ", (int)all.items[i].size_bytes,
                         (const char *)all.items[i].data);
  if (err != ERR_OK || list.failed)
    err = diag_no_memory(diag);
  else if (all.count == 0)
    err = diag_set(diag, ERR_NOT_FOUND, "no_range",
                   "no order says which ranges its lines are of; the settings of reports say where that stands");
  else
    err = diag_set(diag, ERR_NOT_FOUND, "no_range", "nobody ever bought in the range \"%.*s\"; there are: %.*s%s",
                   (int)gathering->range.size_bytes, (const char *)gathering->range.data, (int)list.size_bytes,
                   (const char *)list.data, all.count > RANGES_TOLD ? " …" : "");
  roster_release(&all);
  buffer_release(&list);
  return err;
}

static bool range_is_known(struct gathering *gathering) {
  uint32_t number;
  for (size_t i = 0; i < WALK_PARTS; i++)
    if (roster_find(&gathering->parts[i].ranges, gathering->range, &number)) return true;
  return false;
}

// --- all of it -----------------------------------------------------------------------------------------------

struct watch {
  const struct worth_how *how;
  uint64_t count;
};

static bool go_on(void *context) {
  const struct watch *watch = context;
  return watch->how->progress == NULL || watch->how->progress(watch->how->context, watch->count, watch->count);
}

static enum err learn(struct gathering *gathering, const struct worth_how *how, struct appetence *appetence,
                      struct diag *diag) {
  struct appetence_rows rows = {.columns = APPETENCE_FEATURES};
  struct watch watch = {how, 0};
  for (size_t i = 0; i < WALK_PARTS; i++) watch.count += gathering->parts[i].count;
  enum err err = range_is_known(gathering) ? join_rows(gathering, &rows) : refuse_range(gathering, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  if (err == ERR_OK && rows.count == 0)
    err = diag_set(diag, ERR_INVALID, "too_young",
                   "nobody was known %lld days ago: a shorter horizon can be learned from what there is",
                   (long long)(gathering->horizon_us / INT64_C(86400000000)));
  if (err == ERR_OK) err = appetence_learn(&rows, go_on, &watch, &appetence->model, diag);
  alloc_free(rows.features);
  alloc_free(rows.labels);
  alloc_free(rows.groups);
  return err;
}

static void release_part(struct part *part) {
  alloc_free(part->rows.features);
  alloc_free(part->rows.labels);
  alloc_free(part->rows.groups);
  alloc_free(part->customers);
  alloc_free(part->features);
  roster_release(&part->ranges);
}

static enum err compute(struct gathering *gathering, const struct worth_how *how, struct appetence *appetence,
                        bool learns, struct diag *diag) {
  enum err err = walk(gathering, how, diag);
  if (err == ERR_OK && learns) err = learn(gathering, how, appetence, diag);
  if (err == ERR_OK && score(gathering, appetence) != ERR_OK) err = diag_no_memory(diag);
  if (err == ERR_OK) rank(appetence);
  return err;
}

static enum err run(struct engine_view *view, const struct worth_how *how, struct appetence *appetence, bool learns,
                    struct diag *diag) {
  struct gathering *gathering = alloc_zero(1, sizeof *gathering);
  if (gathering == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < WALK_PARTS; i++) roster_init(&gathering->parts[i].ranges);
  gathering->view = view;
  gathering->learns = learns;
  gathering->range = bytes_from_text(appetence->range);
  gathering->at_us = appetence->at_us = clock_now_us(view->engine->clock);
  gathering->horizon_us = appetence->horizon_us;
  gathering->day_us = worth_day_begin(view, worth_day(view, gathering->at_us));
  enum err err = compute(gathering, how, appetence, learns, diag);
  for (size_t i = 0; i < WALK_PARTS; i++) release_part(&gathering->parts[i]);
  trade_close(gathering->trade);
  alloc_free(gathering);
  return err;
}

enum err appetence_score(struct engine_view *view, const struct worth_how *how, struct appetence *appetence,
                         struct diag *diag) {
  return run(view, how, appetence, false, diag);
}

enum err engine_appetence_open(struct engine_view *view, struct bytes range, int64_t horizon_us,
                               const struct worth_how *how, struct appetence **appetence, struct diag *diag) {
  *appetence = NULL;
  if (range.size_bytes == 0 || range.size_bytes > APPETENCE_RANGE_BYTES)
    return diag_set(diag, ERR_INVALID, "bad_range", "a range is a text of 1 to %d bytes", (int)APPETENCE_RANGE_BYTES);
  struct appetence *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  memcpy(made->range, range.data, range.size_bytes);
  made->horizon_us = horizon_us;
  enum err err = run(view, how, made, true, diag);
  if (err == ERR_OK)
    *appetence = made;
  else
    engine_appetence_close(made);
  return err;
}

void engine_appetence_close(struct appetence *appetence) {
  if (appetence == NULL) return;
  alloc_free(appetence->customers);
  alloc_free(appetence);
}
