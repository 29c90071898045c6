// score_tally.c: see score.h.
//
// One pass over the orders of a customer serves all ranges: an order counts once in each range that it has an item of,
// with the amounts of these items, and once for all products, with its own.
#include "base/clock.h"
#include "engine/score.h"

int64_t score_day(const struct rule_zone *zone, int64_t time_us) {
  int64_t local_us = time_us + (int64_t)rule_zone_offset(zone, time_us) * CLOCK_SECOND_US;
  int64_t day = local_us / CLOCK_DAY_US;
  return local_us % CLOCK_DAY_US < 0 ? day - 1 : day;
}

struct rfm_summary score_summary(const struct rule_zone *zone, const struct score_slot *slot, int64_t today) {
  if (slot->orders == 0) return (struct rfm_summary){.orders = 0};
  return (struct rfm_summary){
      .recency_days = today - score_day(zone, slot->last_us), .orders = slot->orders, .amount = slot->amount};
}

// An order that counts now, and until when; false: it does not.
static bool counts(const struct score_tally *tally, const struct trade_order *order, int64_t now_us,
                   int64_t *until_us) {
  int64_t end_us;
  if (order->returned) return false;
  if (order->time_us > now_us) {
    if (until_us != NULL && order->time_us < *until_us) *until_us = order->time_us;
    return false;
  }
  if (tally->window.count == 0 || rule_time_add(tally->zone, order->time_us, tally->window, &end_us) != ERR_OK)
    return true;
  if (end_us <= now_us) return false;
  if (until_us != NULL && end_us < *until_us) *until_us = end_us;
  return true;
}

static enum err add(struct score_slot *slot, struct decimal amount, const struct trade_order *order, size_t number) {
  if (slot->counted != number) {
    slot->orders++;
    slot->counted = number;
    slot->last_us = order->time_us; // they come in order of time
  }
  return decimal_add(slot->amount, amount, &slot->amount);
}

enum err score_add_up(const struct score_tally *tally, const struct trade_order *orders, size_t count, int64_t now_us,
                      struct score_slot *slots, int64_t *until_us) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct trade_order *order = &orders[i];
    uint32_t range;
    if (!counts(tally, order, now_us, until_us)) continue;
    err = add(&slots[0], order->amount, order, i + 1);
    for (size_t k = 0; err == ERR_OK && tally->ranges->count > 0 && k < order->item_count; k++)
      if (roster_find(tally->ranges, order->items[k].range, &range))
        err = add(&slots[range + 1], order->items[k].amount, order, i + 1);
  }
  return err;
}
