// worth.c: orders are gathered by part, each part's in order of its customers, and put behind one another in order of
// parts.
#include "engine/worth.h"

#include <string.h>

#include "base/real.h"
#include "customer/record.h"
#include "engine/read.h"
#include "engine/trade.h"
#include "rule/civil.h"
#include "rule/zone.h"
#include "scoring/rfm.h"

static const int64_t DAY_US = INT64_C(86400000000), SECOND_US = 1000000;

int32_t worth_day(struct engine_view *view, int64_t time_us) {
  int64_t wall = time_us + rule_zone_offset(engine_zone(view->engine), time_us) * SECOND_US;
  return (int32_t)rule_floor_div(wall, DAY_US);
}

int32_t worth_today(struct engine_view *view) {
  return worth_day(view, clock_now_us(view->engine->clock));
}

int64_t worth_day_begin(struct engine_view *view, int32_t day) {
  int32_t offsets[2];
  int64_t wall = day * DAY_US, gap_end;
  if (rule_zone_offsets_of_wall(engine_zone(view->engine), wall, offsets, &gap_end) == 0) return gap_end;
  return wall - offsets[0] * SECOND_US;
}

// --- orders --------------------------------------------------------------------------------------------------

struct order {
  uint64_t customer;
  int32_t day;
  double amount;
};

struct part {
  struct order *orders;
  size_t count, room;
};

struct gathering {
  struct engine_view *view;
  struct trade *trade;
  struct part parts[WALK_PARTS];
};

static enum err add_order(struct part *part, const struct order *order) {
  if (part->count == part->room) {
    size_t room = part->room == 0 ? 256 : 2 * part->room;
    struct order *grown = alloc_resize(part->orders, room * sizeof *grown);
    if (grown == NULL) return ERR_NO_MEMORY;
    part->orders = grown;
    part->room = room;
  }
  part->orders[part->count++] = *order;
  return ERR_OK;
}

static enum err look(void *state, size_t number, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct gathering *gathering = state;
  const struct trade_order *orders;
  size_t count;
  enum err err = trade_orders(gathering->trade, facts, INT64_MIN, INT64_MAX, false, arena, &orders, &count, diag);
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    if (orders[i].returned) continue;
    struct order order = {facts->id, worth_day(gathering->view, orders[i].time_us), rfm_double(orders[i].amount)};
    err = add_order(&gathering->parts[number], &order);
  }
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

static enum err put_together(struct gathering *gathering, struct clv_book *book, uint64_t **ids, size_t *count) {
  size_t all = 0, known = 0;
  for (size_t i = 0; i < WALK_PARTS; i++) all += gathering->parts[i].count;
  uint64_t *found = alloc_zero(all + 1, sizeof *found);
  if (found == NULL) return ERR_NO_MEMORY;
  enum err err = ERR_OK;
  for (size_t i = 0; i < WALK_PARTS && err == ERR_OK; i++) {
    const struct part *part = &gathering->parts[i];
    for (size_t k = 0; k < part->count && err == ERR_OK; k++) {
      if (known == 0 || found[known - 1] != part->orders[k].customer) found[known++] = part->orders[k].customer;
      err =
          clv_book_order(book, &(struct clv_order){(uint32_t)(known - 1), part->orders[k].day, part->orders[k].amount});
    }
  }
  *ids = found;
  *count = known;
  return err;
}

enum err engine_clv_orders(struct engine_view *view, const struct worth_how *how, struct clv_book *book, uint64_t **ids,
                           size_t *count, struct diag *diag) {
  struct gathering *gathering = alloc_zero(1, sizeof *gathering);
  *ids = NULL;
  *count = 0;
  if (gathering == NULL) return diag_no_memory(diag);
  gathering->view = view;
  struct walk_options walk = {
      .view = view, .threads = how->threads, .progress = how->progress, .context = how->context};
  enum err err = trade_open(view, &gathering->trade, diag);
  if (err == ERR_OK) {
    walk.name_count = trade_names(gathering->trade, &walk.names);
    // Without a name that the workspace has seen there is nobody to walk over.
    if (walk.name_count > 0) err = walk_customers(&walk, look, gathering, diag);
  }
  if (err == ERR_OK && put_together(gathering, book, ids, count) != ERR_OK) err = diag_no_memory(diag);
  for (size_t i = 0; i < WALK_PARTS; i++) alloc_free(gathering->parts[i].orders);
  trade_close(gathering->trade);
  alloc_free(gathering);
  return err;
}

enum err engine_orders_csv(struct engine_view *view, const struct worth_how *how, struct buffer *out,
                           struct diag *diag) {
  struct clv_book book = {.orders = NULL};
  uint64_t *ids;
  size_t count;
  enum err err = engine_clv_orders(view, how, &book, &ids, &count, diag);
  buffer_append_text(out, "customer_id,day,amount\n");
  for (size_t i = 0; i < book.order_count && err == ERR_OK; i++) {
    const struct clv_order *order = &book.orders[i];
    char id[CUSTOMER_ID_TEXT_BYTES];
    struct rule_date date = rule_date_of_days(order->day);
    customer_id_format(ids[order->customer], id);
    buffer_append_format(out, "%s,%04d-%02d-%02d,", id, date.year % 10000, date.month, date.day);
    real_append(out, order->amount);
    buffer_append_byte(out, '\n');
  }
  clv_book_release(&book);
  alloc_free(ids);
  return err == ERR_OK && out->failed ? diag_no_memory(diag) : err;
}

enum err engine_clv_explain(enum err err, struct diag *diag) {
  if (err != ERR_INVALID || diag == NULL) return err;
  if (strcmp(diag->code, "no_customers") == 0)
    return diag_set(diag, ERR_INVALID, "no_customers",
                    "nobody ordered up to the end of calibration; if there are orders, the settings of reports say "
                    "which event is one");
  if (strcmp(diag->code, "no_repeats") == 0)
    return diag_set(diag, ERR_INVALID, "no_repeats",
                    "nobody ordered on two days up to the end of calibration: nothing says how often anybody will");
  return err;
}
