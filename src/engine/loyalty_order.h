// loyalty_order: a basket on its way to an order, which the files of orders share.
//
// Private to engine/loyalty_order*.c. A booking lives in the arena of the work, as long as one attempt.
#pragma once

#include "engine/loyalty.h"

struct loyalty_rejection {
  struct bytes code, rule; // of one of the two
  const char *reason;
};

// A code or a rule that offers something, beside what loyalty_discount sees of it.
struct loyalty_offer_of {
  struct loyalty_held_code *code; // NULL: a rule
  const struct loyalty_voucher *voucher;
  const struct loyalty_live_rule *rule;
};

struct loyalty_booking {
  struct loyalty_kit *kit;
  struct work *work;
  const struct work_event *event;
  const struct loyalty_event *in_hand;
  const struct loyalty_request *request; // NULL: a shop's own event
  struct loyalty_basket *basket;
  struct loyalty_offer *offers;
  struct loyalty_offer_of *sources; // as many
  size_t offer_count;
  struct loyalty_rejection *rejected;
  size_t rejected_count;
  struct loyalty_order order;
  struct loyalty_look *looks; // at rules whose discount was not offered; NULL: nobody asks
  size_t look_count;
  int64_t due, money; // cents
  struct loyalty_outcomes outcomes;
  const struct loyalty_order *again; // it was booked, and less of it is priced again; NULL
};

// --- loyalty_order_price.c ---

// Lays the discounts over the basket: `offers`, `rejected`, `looks` if somebody asks, and `due`. ERR_LIMIT code
// "too_many".
enum err loyalty_order_price(struct loyalty_booking *booking);
// The same of a shop's own event, which says what was paid.
enum err loyalty_order_take_as_told(struct loyalty_booking *booking);

// --- loyalty_order_pay.c ---

// Uses the codes and budgets of the offers that were taken: `used` of the order.
enum err loyalty_order_use(struct loyalty_booking *booking);
// Pays what is due: `tenders` of the order, and `money` that is left. ERR_DENIED with the reason.
enum err loyalty_order_pay(struct loyalty_booking *booking);
// What was paid by money or card: points earn no points. Cents.
int64_t loyalty_order_paid_by_money(const struct loyalty_booking *booking);
// The lines of the order, and what was posted on it, when it was paid and earned on.
enum err loyalty_order_keep_lines(struct loyalty_booking *booking);
enum err loyalty_order_keep_posted(struct loyalty_booking *booking);
