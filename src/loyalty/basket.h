// basket: what somebody buys, what is taken off, and what is given back later.
//
// Layer 5. Pure. A basket is read from the properties of an "Order Completed" (Segment's e-commerce names) or from the
// cart of an evaluation, which has the same form. Discounts are laid over it one after another; each is shared out over
// the lines it is for, so that the shares add up to it (largest remainder, ties to the earlier line). An order is a
// basket that was paid: its shares are frozen, and returns are computed from it so that parts add up to the whole.
// Money is in cents of the programme's currency; quantities are in thousandths (goods by weight).
// Memory: everything lives in the arena given.
#pragma once

#include "loyalty/ledger.h"

enum {
  LOYALTY_LINES_MAX = 1000,
  LOYALTY_CODES_MAX = 32,
  LOYALTY_TENDERS_MAX = 64, // of an order
  LOYALTY_QUANTITY_UNIT = 1000,
};

struct loyalty_line {
  struct bytes id;    // "line_id"; else its number, from 1
  struct bytes sku;   // "sku", else "product_id"
  int64_t quantity;   // of LOYALTY_QUANTITY_UNIT; 1000 when the line has none
  int64_t amount;     // price * quantity, half-even; before discounts
  int64_t discount;   // what discounts take off, all in all
  struct value value; // the product as it was sent
};

struct loyalty_basket {
  struct bytes order;    // "order_id"; empty in an evaluation without one
  struct bytes currency; // as sent; empty: the programme's
  struct loyalty_line *lines;
  size_t line_count;
  int64_t amount;   // of the lines, before discounts
  int64_t shipping; // before discounts
  int64_t shipping_discount;
  int64_t tax;        // that is in it, as sent; never changed: a tender is no discount
  int64_t discount;   // of the lines
  struct value value; // the document it was read from
};

// ERR_INVALID with the field: bad_amount (negative, more than two digits after the point of a price that is money),
// bad_quantity (not above zero, more than three digits after the point), missing_member, wrong_type, duplicate_line
// (two with one "line_id"); "currency_mismatch"; ERR_LIMIT too_many, too_long, overflow. A basket without products is
// one line of its "total", less the shipping that is in it, or of its "revenue"; with an empty list of products and no
// sum it has no lines. `value` stays in use.
enum err loyalty_basket_read(struct value value, const struct names *names, struct bytes currency, struct arena *arena,
                             struct loyalty_basket *basket, struct diag *diag);

// What is to be paid: lines and shipping less discounts.
int64_t loyalty_basket_due(const struct loyalty_basket *basket);

// Shares `amount` over `weights` (>= 0) in proportion, by largest remainder, ties to the earlier. With all weights 0
// every share is 0.
void loyalty_share_out(int64_t amount, const int64_t *weights, size_t count, int64_t *shares);

// --- discounts (discount.c) ----------------------------------------------------------------------------------

struct loyalty_offer {
  const struct loyalty_discount *discount; // not of kind CREDIT
  const bool *lines;                       // which lines it is for; NULL: all
  int64_t minimum_cents;                   // of the basket before discounts; 0: none
  struct bytes group;                      // of one group only one is taken; empty: none
  bool exclusive;                          // of codes: no other code beside it; of rules: no other rule
  bool is_code;                            // else a rule's: those come first, and `codes` policies do not concern it
  int64_t room_cents;                      // of its budget; INT64_MAX: enough
  enum loyalty_over over;                  // when the room is less than what it takes off
  // out:
  int64_t cents;          // taken off
  int64_t *shares;        // of it, by line
  int64_t shipping_cents; // taken off the shipping
  const char *refusal;    // code of docs/loyalty.md; NULL: it was taken
};
// Lays the offers over the basket (lines[i].discount, shipping_discount and discount grow) in the order of the
// stacking. Refusals, the first of this order: "minimum_not_reached", "group_taken", "exclusive", "product_missing"
// (FREE), "over_basket" (nothing was left to take off; under `force` a code is taken with 0), "BUDGET_EXHAUSTED"; and
// of all other codes "not_all_valid" when one is refused and codes are all or nothing. A code that is over_basket is
// good and only of no use now: it does not spoil the others. `refused`: some code was refused before this.
enum err loyalty_discount(struct loyalty_basket *basket, struct loyalty_offer *offers, size_t count,
                          const struct loyalty_stacking *stacking, bool refused, struct arena *arena,
                          struct diag *diag);

// --- orders (order.c) ----------------------------------------------------------------------------------------

enum loyalty_order_state { LOYALTY_ORDER_PLACED, LOYALTY_ORDER_CANCELLED };

struct loyalty_order_line {
  struct bytes id, sku;
  int64_t quantity, amount, discount;
  int64_t returned; // quantity given back so far
};
struct loyalty_tender { // what the order was paid with beside money
  enum { LOYALTY_TENDER_POINTS, LOYALTY_TENDER_CARD } kind;
  uint32_t programme;
  uint8_t currency;
  struct bytes code; // of a card
  int64_t amount;    // points; of a card cents
  int64_t cents;
  int64_t restored;                 // of `cents`, by returns
  int64_t restored_amount;          // of `amount`
  const struct loyalty_part *parts; // of points
  size_t part_count;
  uint64_t redemption; // of a card
};
struct loyalty_posted { // what the order earned
  uint32_t programme;
  uint8_t currency;
  int64_t amount;
  int64_t taken_back;             // of it, by returns; what could not be collected included
  const struct loyalty_lot *lots; // as they were earned
  size_t lot_count;
};
struct loyalty_used { // a code or a rule that took something off
  struct bytes code;  // empty: a rule
  uint32_t voucher;
  struct loyalty_rule_ref rule;
  int64_t cents, shipping_cents;
  uint64_t redemption;
  bool rolled_back;
};
struct loyalty_return {
  struct bytes id;
  int64_t time_us;
  int64_t cents;             // given back, all tenders together
  int64_t points;            // taken back
  const int64_t *quantities; // by line of the order
  struct bytes reply;        // what was answered, told again to whoever repeats it
};

struct loyalty_order {
  struct bytes id;
  uint64_t posting; // the first one, which orders them
  uint64_t origin;  // the customer it was booked on first
  struct bytes identifier;
  int64_t time_us, recorded_us;
  enum loyalty_order_state state;
  uint32_t source;
  struct loyalty_order_line *lines;
  size_t line_count;
  int64_t shipping, shipping_discount, tax;
  struct loyalty_tender *tenders;
  size_t tender_count;
  struct loyalty_posted *posted;
  size_t posted_count;
  struct loyalty_used *used;
  size_t used_count;
  struct loyalty_return *returns;
  size_t return_count;
  struct bytes reply;   // what was answered when it was placed
  struct bytes cashier; // who booked it; empty: nobody was named
  // Of an order whose promotions are computed again on a return (`promotions_on_return: reevaluate` when it was
  // booked): what its rules asked of the customer, for engine/loyalty_asked.c. Empty: promotions stay as they were.
  struct bytes asked;
};

// What was paid by money or card (points aside), and what of it remains after the returns so far.
int64_t loyalty_order_paid(const struct loyalty_order *order);
int64_t loyalty_order_remaining(const struct loyalty_order *order);

// What a return of these quantities (by line of the order; NULL: everything that is left) gives and takes.
struct loyalty_returned {
  int64_t *quantities;
  int64_t cents;         // to be given back, all in all
  int64_t *tender_cents; // by tender of the order: points and cards
  int64_t *tender_amounts;
  int64_t money_cents; // the rest
  int64_t *take_back;  // by `posted` of the order: so much less than before is kept
};
// Cumulative, so that returns one by one are the same as all at once: a line of n units has given floor(paid * returned
// / n), the shipping goes with the last line only, and of each posted amount P the order keeps floor(P * remaining paid
// / paid). Tenders in proportion are restored by Webster's method (return.c says why). ERR_DENIED code
// "RETURN_EXCEEDS_SOLD", "ORDER_CANCELLED"; ERR_INVALID code "unknown_line", "bad_quantity".
// `left_cents` (NULL: in proportion): what is left would cost so much if it had been bought alone; all in all the price
// less that is given back, but never less than was given back before. Of what came back whole it means nothing.
enum err loyalty_return_plan(const struct loyalty_order *order, const int64_t *quantities, bool tender_first,
                             const int64_t *left_cents, struct arena *arena, struct loyalty_returned *returned,
                             struct diag *diag);
// Whatever is left would have earned `kept` (by `posted`): what is above that is taken back instead, of what the order
// still has, and nothing is given.
void loyalty_return_keep(const struct loyalty_order *order, const int64_t *kept, struct loyalty_returned *returned);
// What was paid by money or card of what is left after it.
int64_t loyalty_return_paid(const struct loyalty_order *order, const struct loyalty_returned *returned);
// Does it leave nothing?
bool loyalty_return_is_last(const struct loyalty_order *order, const struct loyalty_returned *returned);
// A basket of what is left, by line of the order: amounts, discounts and shipping are what is left of those of the
// order. `basket` was read from the message without what came back: it has one line for each that has something left,
// in their order. False: it has not.
bool loyalty_return_basket(const struct loyalty_order *order, const struct loyalty_returned *returned,
                           struct loyalty_basket *basket);
// The same of a document: {"lines":[{"line_id"|"sku","quantity"}]}, or Segment's "products"; without either: all
// (*quantities is NULL). A line without quantity gives all that is left of it; of several lines with one sku the
// earlier give first. ERR_INVALID wrong_type, missing_member, bad_quantity, unknown_line; ERR_DENIED
// RETURN_EXCEEDS_SOLD.
enum err loyalty_return_read(struct value value, const struct names *names, const struct loyalty_order *order,
                             struct arena *arena, int64_t **quantities, struct diag *diag);

void loyalty_order_encode(const struct loyalty_order *order, struct buffer *out);
// Texts are views into the row. ERR_CORRUPT, ERR_NO_MEMORY.
enum err loyalty_order_decode(struct bytes row, struct arena *arena, struct loyalty_order *order);
// The object stays open. Programmes and currencies by their ids in `set`.
struct loyalty_set;
void loyalty_order_json(const struct loyalty_order *order, const struct loyalty_set *set, struct json_writer *writer);
