// score_summaries.c: how recently, how often and for how much everybody bought, as of the end of a day.
//
// Each part of the walk writes its own lines; put one after another they are in the order of customers.
#include "base/clock.h"
#include "engine/score.h"
#include "engine/scores.h"

struct summarising {
  const struct trade *trade;
  const struct rule_zone *zone;
  struct roster range; // the one asked for; empty: all products
  int64_t at_us, today;
  struct buffer parts[WALK_PARTS];
};

static enum err look(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct summarising *summarising = state;
  struct buffer *out = &summarising->parts[part];
  struct score_tally tally = {.zone = summarising->zone, .ranges = &summarising->range};
  struct score_slot slots[2] = {{0}, {0}};
  const struct trade_order *orders;
  size_t count;
  char amount[DECIMAL_TEXT_BYTES];
  enum err err = trade_orders(summarising->trade, facts, INT64_MIN, summarising->at_us + 1,
                              summarising->range.count > 0, arena, &orders, &count, diag);
  if (err != ERR_OK || count == 0) return err;
  if (score_add_up(&tally, orders, count, summarising->at_us, slots, NULL) != ERR_OK) {
    char id[CUSTOMER_ID_TEXT_BYTES];
    customer_id_format(facts->id, id);
    return diag_set(diag, ERR_LIMIT, "amount_too_large", "the orders of %s add up to more than 34 digits", id);
  }
  const struct score_slot *slot = &slots[summarising->range.count];
  if (slot->orders == 0) return ERR_OK;
  struct rfm_summary summary = score_summary(summarising->zone, slot, summarising->today);
  decimal_format(summary.amount, amount);
  char id[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(facts->id, id);
  buffer_append_format(out, "%s,%lld,%llu,%s\n", id, (long long)summary.recency_days,
                       (unsigned long long)summary.orders, amount);
  return out->failed ? diag_no_memory(diag) : ERR_OK;
}

// The last moment of the day asked for, else now.
static enum err find_instant(struct summarising *summarising, const struct engine_score_asked *asked, int64_t now_us,
                             struct diag *diag) {
  summarising->at_us = now_us;
  if (asked->has_day) {
    int64_t end_us;
    if (rule_time_from_wall(summarising->zone, (asked->day + 1) * CLOCK_DAY_US, &end_us) != ERR_OK)
      return diag_set(diag, ERR_INVALID, "bad_date", "the day is beyond what a calendar has");
    summarising->at_us = end_us - 1;
  }
  summarising->today = score_day(summarising->zone, summarising->at_us);
  return ERR_OK;
}

enum err engine_score_summaries(struct engine_view *view, const struct engine_score_asked *asked, struct buffer *out,
                                struct diag *diag) {
  struct summarising summarising = {.zone = engine_zone(view->engine)};
  struct walk_options walk = {.view = view, .progress = asked->progress, .context = asked->context};
  struct trade *trade = NULL;
  uint32_t number;
  roster_init(&summarising.range);
  for (size_t i = 0; i < WALK_PARTS; i++) buffer_init(&summarising.parts[i]);
  enum err err = trade_open(view, &trade, diag);
  summarising.trade = trade;
  if (err == ERR_OK) err = find_instant(&summarising, asked, clock_now_us(view->engine->clock), diag);
  if (err == ERR_OK && asked->range.size_bytes > 0 &&
      roster_number(&summarising.range, asked->range, &number) != ERR_OK)
    err = diag_no_memory(diag);
  if (err == ERR_OK) walk.name_count = trade_names(trade, &walk.names);
  if (err == ERR_OK) err = walk_customers(&walk, look, &summarising, diag);
  buffer_append_text(out, "customer_id,recency_days,transaction_count,amount\n");
  for (size_t i = 0; i < WALK_PARTS; i++) {
    if (err == ERR_OK) buffer_append_bytes(out, buffer_view(&summarising.parts[i]));
    buffer_release(&summarising.parts[i]);
  }
  roster_release(&summarising.range);
  trade_close(trade);
  return err == ERR_OK && out->failed ? diag_no_memory(diag) : err;
}
