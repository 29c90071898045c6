// order: what of an order was paid, and what of it remains.
//
// Everything is computed from how much of each line was given back: a line has given floor(paid * returned / quantity)
// of what was paid for it, all in all, so that parts in whatever order add up to the whole. The shipping is given back
// with the last line, and not before: a parcel of which something was kept was sent.
// Where promotions are computed again on a return that does not tell what was given back so far: its returns do.
#include "loyalty/order_private.h"

#include "loyalty/exact.h"

static int64_t returned_of(const struct loyalty_order *order, const int64_t *returned, size_t line) {
  return returned != NULL ? returned[line] : order->lines[line].returned;
}

int64_t order_price(const struct loyalty_order *order) {
  int64_t price = order->shipping - order->shipping_discount;
  for (size_t i = 0; i < order->line_count; i++) price += order->lines[i].amount - order->lines[i].discount;
  return price;
}

bool order_is_all_back(const struct loyalty_order *order, const int64_t *returned) {
  for (size_t i = 0; i < order->line_count; i++)
    if (returned_of(order, returned, i) < order->lines[i].quantity) return false;
  return order->line_count > 0 || returned != NULL || order->return_count > 0;
}

int64_t order_given(const struct loyalty_order *order, const int64_t *returned) {
  int64_t cents = order_is_all_back(order, returned) ? order->shipping - order->shipping_discount : 0;
  for (size_t i = 0; i < order->line_count; i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    if (line->quantity > 0)
      cents += exact_floor(line->amount - line->discount, returned_of(order, returned, i), line->quantity);
  }
  return cents;
}

int64_t order_given_so_far(const struct loyalty_order *order) {
  int64_t cents = 0;
  if (order->asked.size_bytes == 0) return order_given(order, NULL);
  for (size_t i = 0; i < order->return_count; i++) cents += order->returns[i].cents;
  return cents;
}

int64_t loyalty_order_paid(const struct loyalty_order *order) {
  int64_t cents = order_price(order);
  for (size_t i = 0; i < order->tender_count; i++)
    if (order->tenders[i].kind == LOYALTY_TENDER_POINTS) cents -= order->tenders[i].cents;
  return cents;
}

int64_t loyalty_order_remaining(const struct loyalty_order *order) {
  int64_t cents = loyalty_order_paid(order) - order_given_so_far(order);
  for (size_t i = 0; i < order->tender_count; i++)
    if (order->tenders[i].kind == LOYALTY_TENDER_POINTS) cents += order->tenders[i].restored;
  return cents;
}
