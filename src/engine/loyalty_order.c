// loyalty_order.c: a basket is priced, paid and booked.
//
// One way for an evaluation, an order of the API and an order that a shop tells by event. In this order: discounts of
// rules and codes are laid over the basket (not for a shop's own event, which says what was paid); points, holds and
// cards pay their part; what is left is money; rules earn on what was paid by money or card. The order is kept as one
// row under the customer ("o", its id), with every share frozen, so that a return needs nothing else; ORDERS leads from
// its id to whoever has it. An id that is there already is the same order: the first reply is given again.
#include "engine/loyalty.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"

enum { OFFERS_MAX = 1000, REJECTED_MAX = 256, OWNERS_MAX = 16, LOOKS_MAX = 4 * OFFERS_MAX };

struct rejection {
  struct bytes code, rule; // of one of the two
  const char *reason;
};

// A code or a rule that offers something, beside what loyalty_discount sees of it.
struct source {
  struct loyalty_held_code *code; // NULL: a rule
  const struct loyalty_voucher *voucher;
  const struct loyalty_live_rule *rule;
};

struct booking {
  struct loyalty_kit *kit;
  struct work *work;
  const struct work_event *event;
  const struct loyalty_event *in_hand;
  const struct loyalty_request *request; // NULL: a shop's own event
  struct loyalty_basket *basket;
  struct loyalty_offer *offers;
  struct source *sources;
  size_t offer_count;
  struct rejection *rejected;
  size_t rejected_count;
  struct loyalty_order order;
  struct loyalty_look *looks; // at rules whose discount was not offered; NULL: nobody asks
  size_t look_count;
  int64_t due, money; // cents
  struct loyalty_outcomes outcomes;
  const struct loyalty_order *again; // it was booked, and less of it is priced again; NULL
};

// --- rows ----------------------------------------------------------------------------------------------------

static void order_key(struct key *key, uint64_t customer, struct bytes id) {
  loyalty_row_key(key, customer, 'o', id);
}

enum err loyalty_order_read(struct work *work, uint64_t customer, struct bytes id, struct loyalty_order **order) {
  struct bytes row;
  struct key key;
  *order = NULL;
  order_key(&key, customer, id);
  enum err err = store_get(work->txn, STORE_LEDGER, key_view(&key), work->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  struct loyalty_order *read = arena_take_zero(work->arena, 1, sizeof *read);
  if (read == NULL) return diag_no_memory(work->diag);
  err = loyalty_order_decode(row, work->arena, read);
  if (err == ERR_CORRUPT)
    return diag_set(work->diag, err, "corrupt", "an order of customer c%" PRIu64 " cannot be read; run `rapport check`",
                    customer);
  *order = read;
  return err == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

enum err loyalty_order_write(struct work *work, uint64_t customer, const struct loyalty_order *order) {
  struct key key;
  order_key(&key, customer, order->id);
  buffer_clear(work->buffer);
  loyalty_order_encode(order, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), buffer_view(work->buffer));
}

// ORDERS: the customers, a varint each. Two who book the same id at once write it under its lock (class CODE).
enum err loyalty_order_owners(struct work *work, struct bytes id, uint64_t **customers, size_t *count) {
  struct bytes row;
  *count = 0;
  enum err err = store_get(work->txn, STORE_ORDERS, id, work->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  *customers = arena_take(work->arena, (row.size_bytes + 1) * sizeof **customers);
  if (*customers == NULL) return diag_no_memory(work->diag);
  struct varint_reader reader = varint_reader_of(row);
  while (varint_rest_bytes(&reader) > 0) (*customers)[(*count)++] = varint_read(&reader);
  return reader.failed ? diag_set(work->diag, ERR_CORRUPT, "corrupt", "the owners of an order cannot be read") : ERR_OK;
}

static enum err add_owner(struct work *work, struct bytes id, uint64_t customer) {
  uint64_t *customers;
  size_t count;
  enum err err = loyalty_order_owners(work, id, &customers, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (customers[i] == customer) return ERR_OK;
  if (err != ERR_OK || count == OWNERS_MAX) return err;
  uint8_t row[(OWNERS_MAX + 1) * VARINT_BYTES_MAX], *at = row;
  for (size_t i = 0; i < count; i++) at = varint_put(at, customers[i]);
  at = varint_put(at, customer);
  return store_put(work->txn, STORE_ORDERS, id, bytes_of(row, (size_t)(at - row)));
}

enum err loyalty_order_hand_over(struct work *work, struct bytes id, uint64_t from, uint64_t to) {
  uint64_t *customers;
  size_t count;
  bool there = false;
  enum err err = loyalty_order_owners(work, id, &customers, &count);
  if (err != ERR_OK) return err;
  uint8_t *row = arena_take(work->arena, (count + 1) * VARINT_BYTES_MAX), *at = row;
  if (row == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) {
    if (customers[i] == from || customers[i] == to) {
      there = true;
      continue;
    }
    at = varint_put(at, customers[i]);
  }
  if (there) at = varint_put(at, to); // of OWNERS_MAX that have it more may exist, of whom it says nothing
  return there ? store_put(work->txn, STORE_ORDERS, id, bytes_of(row, (size_t)(at - row))) : ERR_OK;
}

// --- what is offered -------------------------------------------------------------------------------------------

static void reject(struct booking *booking, struct bytes code, struct bytes rule, const char *reason) {
  if (booking->rejected_count < REJECTED_MAX)
    booking->rejected[booking->rejected_count++] = (struct rejection){code, rule, reason};
}

static enum err add_offer(struct booking *booking, const struct loyalty_offer *offer, struct source source) {
  if (booking->offer_count == OFFERS_MAX)
    return diag_set(booking->work->diag, ERR_LIMIT, "too_many", "a basket takes at most %d discounts", OFFERS_MAX);
  booking->sources[booking->offer_count] = source;
  booking->offers[booking->offer_count++] = *offer;
  return ERR_OK;
}

static void note_look(struct booking *booking, const struct loyalty_live_rule *rule, const char *reason,
                      int64_t cents) {
  if (booking->looks != NULL && booking->look_count < LOOKS_MAX)
    booking->looks[booking->look_count++] = (struct loyalty_look){rule, reason, cents};
}

// What a rule took off when it was booked.
static int64_t taken_off(const struct loyalty_order *order, struct loyalty_rule_ref rule) {
  int64_t cents = 0;
  for (size_t i = 0; i < order->used_count; i++) {
    const struct loyalty_used *used = &order->used[i];
    if (used->code.size_bytes == 0 && used->rule.campaign == rule.campaign && used->rule.rule == rule.rule)
      cents += used->cents + used->shipping_cents;
  }
  return cents;
}

// Others may have used up the budget since: what it gave this order stays this order's.
static enum err offer_rule_again(struct booking *booking, const struct loyalty_live_rule *rule,
                                 struct loyalty_offer *offer) {
  const struct loyalty_campaign *campaign = rule->campaign;
  if (campaign != NULL && (campaign->budget.cents > 0 || campaign->budget.uses > 0))
    offer->room_cents = taken_off(booking->again, rule->ref);
  return offer->room_cents == 0 ? ERR_OK : add_offer(booking, offer, (struct source){.rule = rule});
}

static enum err offer_rule(struct booking *booking, const struct loyalty_live_rule *rule) {
  struct work *work = booking->work;
  struct loyalty_judgement judgement;
  enum err err = loyalty_judge(rule, booking->in_hand, booking->kit->machine, &booking->kit->facts, work->now_us,
                               work->arena, &judgement);
  if (err != ERR_OK) return err;
  if (!judgement.discounts) {
    note_look(booking, rule, judgement.skipped == NULL ? "condition_false" : judgement.skipped, 0);
    return ERR_OK;
  }
  struct loyalty_offer offer = {.discount = &rule->rule->discount,
                                .lines = judgement.discount_lines,
                                .room_cents = INT64_MAX,
                                .over = LOYALTY_TRIM};
  if (booking->again != NULL) return offer_rule_again(booking, rule, &offer);
  if (rule->campaign != NULL) {
    offer.room_cents = loyalty_budget_room(work, rule->campaign, LOYALTY_COUNT_CENTS);
    offer.over = rule->campaign->budget.over;
    if (loyalty_budget_room(work, rule->campaign, LOYALTY_COUNT_USES) <= 0) {
      reject(booking, BYTES(""), rule->rule->id, "CAMPAIGN_LIMIT_REACHED");
      note_look(booking, rule, "CAMPAIGN_LIMIT_REACHED", 0);
      return ERR_OK;
    }
  }
  return add_offer(booking, &offer, (struct source){.rule = rule});
}

static enum err offer_rules(struct booking *booking) {
  const struct loyalty_live_rule *const *rules;
  size_t count;
  enum err err = loyalty_set_find(booking->work->loyalty, booking->in_hand->name, booking->in_hand->message,
                                  booking->in_hand->at_us, booking->work->arena, &rules, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++)
    if (rules[i]->rule->discount.kind != LOYALTY_NO_DISCOUNT) err = offer_rule(booking, rules[i]);
  return err;
}

// Why a code may not be used here and now; NULL: it may.
enum err loyalty_code_judge(struct loyalty_kit *kit, const struct loyalty_event *event,
                            const struct loyalty_held_code *held, const struct loyalty_voucher *voucher,
                            const char **refusal) {
  struct work *work = kit->work;
  struct loyalty_code_try attempt = {.voucher = voucher,
                                     .code = held->there ? &held->code : NULL,
                                     .customer = kit->nobody ? 0 : kit->customer->record.id,
                                     .at_us = event->at_us};
  struct loyalty_ledger *ledger;
  struct loyalty_counter_key key = {.kind = LOYALTY_COUNT_VOUCHER_USES,
                                    .number = voucher == NULL ? 0 : voucher->number};
  enum err err = ERR_OK;
  if (attempt.code != NULL && voucher != NULL) {
    err = loyalty_ledger_open(work, kit->customer, voucher->programme, false, &ledger);
    if (err == ERR_OK && ledger != NULL) attempt.customer_uses = loyalty_voucher_uses(ledger->wallet, voucher->number);
    if (voucher->uses_total > 0) attempt.voucher_uses = *loyalty_counter_of(work, &key);
    if (err == ERR_OK)
      err = loyalty_is_true(loyalty_set_recipients(work->loyalty, voucher->number), NULL, kit->machine, &kit->facts,
                            work->now_us, &attempt.recipient);
    if (err == ERR_OK)
      err = loyalty_is_true(loyalty_set_condition(work->loyalty, voucher->number), event, kit->machine, &kit->facts,
                            work->now_us, &attempt.condition);
  }
  if (err == ERR_OK) *refusal = loyalty_code_refusal(&attempt);
  return err;
}

static enum err offer_code(struct booking *booking, struct bytes text) {
  struct work *work = booking->work;
  struct loyalty_held_code *held = loyalty_code_of(work, text);
  const struct loyalty_voucher *voucher = held->there ? loyalty_set_voucher(work->loyalty, held->code.voucher) : NULL;
  const char *refusal = voucher == NULL ? "CouponNotFound" : NULL;
  bool *lines = NULL;
  enum err err = ERR_OK;
  if (booking->kit->simulated == NULL)
    err = loyalty_code_judge(booking->kit, booking->in_hand, held, voucher, &refusal);
  if (err != ERR_OK) return err;
  if (refusal != NULL) {
    reject(booking, text, BYTES(""), refusal);
    return ERR_OK;
  }
  if (voucher->discount.kind == LOYALTY_CREDIT) return ERR_OK; // a card pays
  const struct rule_program *where = loyalty_set_voucher_lines(work->loyalty, voucher->number);
  if (where != NULL)
    err = loyalty_lines_where(where, booking->in_hand, booking->kit->machine, &booking->kit->facts, work->now_us,
                              work->arena, &lines);
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = voucher->number};
  struct loyalty_offer offer = {.discount = &voucher->discount,
                                .lines = lines,
                                .minimum_cents = voucher->minimum_cents,
                                .group = voucher->group,
                                .exclusive = voucher->exclusive,
                                .is_code = true,
                                .room_cents = INT64_MAX,
                                .over = voucher->over};
  if (err == ERR_OK && voucher->budget_cents > 0)
    offer.room_cents = voucher->budget_cents - *loyalty_counter_of(work, &money);
  return err == ERR_OK ? add_offer(booking, &offer, (struct source){.code = held, .voucher = voucher}) : err;
}

// A code that the order used, whose condition is asked of what is left of it.
static enum err offer_code_again(struct booking *booking, const struct loyalty_used *used) {
  struct work *work = booking->work;
  struct loyalty_kit *kit = booking->kit;
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, used->voucher);
  bool *lines = NULL, is_good;
  if (voucher == NULL) return ERR_OK;
  enum err err = loyalty_is_true(loyalty_set_condition(work->loyalty, voucher->number), booking->in_hand, kit->machine,
                                 &kit->facts, work->now_us, &is_good);
  if (err != ERR_OK || !is_good) return err;
  const struct rule_program *where = loyalty_set_voucher_lines(work->loyalty, voucher->number);
  if (where != NULL)
    err = loyalty_lines_where(where, booking->in_hand, kit->machine, &kit->facts, work->now_us, work->arena, &lines);
  struct loyalty_offer offer = {.discount = &voucher->discount,
                                .lines = lines,
                                .minimum_cents = voucher->minimum_cents,
                                .group = voucher->group,
                                .exclusive = voucher->exclusive,
                                .is_code = true,
                                .room_cents = INT64_MAX,
                                .over = LOYALTY_TRIM};
  if (voucher->budget_cents > 0) offer.room_cents = used->cents + used->shipping_cents;
  if (err != ERR_OK || offer.room_cents == 0) return err;
  return add_offer(booking, &offer, (struct source){.voucher = voucher});
}

static const struct loyalty_stacking *stacking_of(const struct booking *booking) {
  static const struct loyalty_stacking plain;
  for (size_t i = 0; i < booking->offer_count; i++)
    if (booking->sources[i].voucher != NULL)
      return &loyalty_set_programme(booking->work->loyalty, booking->sources[i].voucher->programme)->stacking;
  for (size_t i = 0; i < booking->offer_count; i++) return &booking->sources[i].rule->programme->stacking;
  return loyalty_set_programmes(booking->work->loyalty) > 0
             ? &loyalty_set_programme_at(booking->work->loyalty, 0)->stacking
             : &plain;
}

// The rules' refusals are no codes' concern.
static bool is_code_rejected(const struct booking *booking) {
  for (size_t i = 0; i < booking->rejected_count; i++)
    if (booking->rejected[i].code.size_bytes > 0) return true;
  return false;
}

static enum err take_room(struct booking *booking) {
  struct work *work = booking->work;
  booking->offers = arena_take_zero(work->arena, OFFERS_MAX, sizeof *booking->offers);
  booking->sources = arena_take_zero(work->arena, OFFERS_MAX, sizeof *booking->sources);
  booking->rejected = arena_take_zero(work->arena, REJECTED_MAX, sizeof *booking->rejected);
  return booking->offers == NULL || booking->sources == NULL || booking->rejected == NULL ? diag_no_memory(work->diag)
                                                                                          : ERR_OK;
}

// With the rest alone she would have left out the codes that are not good for it: the others are taken without them.
enum err loyalty_order_price_again(struct loyalty_kit *kit, const struct loyalty_order *order,
                                   const struct loyalty_event *event, struct loyalty_basket *basket) {
  struct booking booking = {.kit = kit, .work = kit->work, .in_hand = event, .basket = basket, .again = order};
  enum err err = take_room(&booking);
  if (err == ERR_OK) err = offer_rules(&booking);
  for (size_t i = 0; err == ERR_OK && i < order->used_count; i++)
    if (order->used[i].code.size_bytes > 0) err = offer_code_again(&booking, &order->used[i]);
  if (err != ERR_OK) return err;
  struct loyalty_stacking stacking = *stacking_of(&booking);
  stacking.partial = true;
  return loyalty_discount(basket, booking.offers, booking.offer_count, &stacking, false, kit->work->arena,
                          kit->work->diag);
}

static enum err price(struct booking *booking) {
  struct work *work = booking->work;
  if (take_room(booking) != ERR_OK) return ERR_NO_MEMORY;
  if (booking->request->explain) {
    booking->looks = arena_take_zero(work->arena, LOOKS_MAX, sizeof *booking->looks);
    if (booking->looks == NULL) return diag_no_memory(work->diag);
  }
  enum err err = offer_rules(booking);
  for (size_t i = 0; err == ERR_OK && i < booking->request->code_count; i++)
    err = offer_code(booking, booking->request->codes[i]);
  if (err == ERR_OK)
    err = loyalty_discount(booking->basket, booking->offers, booking->offer_count, stacking_of(booking),
                           is_code_rejected(booking), work->arena, work->diag);
  for (size_t i = 0; err == ERR_OK && i < booking->offer_count; i++) {
    const struct source *source = &booking->sources[i];
    if (source->rule != NULL)
      note_look(booking, source->rule, booking->offers[i].refusal,
                booking->offers[i].cents + booking->offers[i].shipping_cents);
    if (booking->offers[i].refusal != NULL)
      reject(booking, source->code != NULL ? source->code->text : BYTES(""),
             source->rule != NULL ? source->rule->rule->id : BYTES(""), booking->offers[i].refusal);
  }
  booking->due = loyalty_basket_due(booking->basket);
  return err;
}

// A shop that tells of an order says what was paid: what the lines and the shipping come to beside that was taken off,
// or was something else that was paid for.
static enum err take_as_told(struct booking *booking) {
  struct loyalty_basket *basket = booking->basket;
  struct work *work = booking->work;
  struct value total = value_member(basket->value, work->engine->names, BYTES("total"));
  struct decimal number;
  int64_t told, due = loyalty_basket_due(basket);
  booking->due = due;
  if (!value_as_number(total, &number) || decimal_to_scaled_i64(number, 2, &told) != ERR_OK || told < 0) return ERR_OK;
  booking->due = told;
  if (told >= due) {
    basket->shipping += told - due;
    return ERR_OK;
  }
  int64_t *weights = arena_take(work->arena, (basket->line_count + 1) * sizeof *weights);
  int64_t *shares = arena_take(work->arena, (basket->line_count + 1) * sizeof *shares);
  if (weights == NULL || shares == NULL) return diag_no_memory(work->diag);
  int64_t off = due - told < basket->amount ? due - told : basket->amount;
  for (size_t i = 0; i < basket->line_count; i++) weights[i] = basket->lines[i].amount;
  loyalty_share_out(off, weights, basket->line_count, shares);
  for (size_t i = 0; i < basket->line_count; i++) basket->lines[i].discount = shares[i];
  basket->discount = off;
  basket->shipping_discount = due - told - off;
  return ERR_OK;
}

// --- paying --------------------------------------------------------------------------------------------------

static enum err add_tender(struct booking *booking, const struct loyalty_tender *tender) {
  struct loyalty_order *order = &booking->order;
  struct loyalty_tender *tenders = arena_take(booking->work->arena, (order->tender_count + 1) * sizeof *tenders);
  if (tenders == NULL) return diag_no_memory(booking->work->diag);
  if (order->tender_count > 0) memcpy(tenders, order->tenders, order->tender_count * sizeof *tenders);
  tenders[order->tender_count++] = *tender;
  order->tenders = tenders;
  booking->money -= tender->cents;
  return ERR_OK;
}

static struct loyalty_cause cause_of(const struct booking *booking, const struct loyalty_ledger *ledger) {
  int64_t at_us = booking->in_hand->at_us;
  return (struct loyalty_cause){.reference = booking->order.id,
                                .identifier = booking->order.identifier,
                                .effective_us = at_us < ledger->now_us ? at_us : ledger->now_us};
}

static struct loyalty_move move_of(const struct booking *booking, uint32_t programme, enum loyalty_limit_what what,
                                   uint8_t currency, int64_t points) {
  return (struct loyalty_move){.programme = programme,
                               .what = what,
                               .currency = currency,
                               .cashier = booking->order.cashier,
                               .count = 1,
                               .points = points,
                               .at_us = booking->order.time_us};
}

// A use of a code; loyalty_redeem counts it.
static enum err guard_use(const struct booking *booking, const struct loyalty_voucher *voucher) {
  struct loyalty_ledger *ledger;
  struct loyalty_move move = move_of(booking, voucher->programme, LOYALTY_MOVE_REDEEM, 0, 0);
  enum err err = loyalty_ledger_open(booking->work, booking->kit->customer, voucher->programme, false, &ledger);
  return err == ERR_OK ? loyalty_guard(booking->work, booking->kit->customer, ledger, &move) : err;
}

// No more points than are due, and no fraction of one is given away.
static enum err pay_points(struct booking *booking, const struct loyalty_pay *wanted) {
  struct work *work = booking->work;
  struct loyalty_pay held = *wanted, *pay = &held;
  struct loyalty_ledger *ledger;
  uint64_t customer = booking->kit->customer->record.id;
  if (wanted->kind == LOYALTY_PAY_HOLD) {
    enum err found = loyalty_hold_find(work, customer, &held);
    if (found != ERR_OK) return found;
  }
  enum err err = loyalty_ledger_open(work, booking->kit->customer, pay->programme, false, &ledger);
  if (err != ERR_OK) return err;
  if (ledger == NULL)
    return diag_set(work->diag, ERR_DENIED, "INSUFFICIENT_POINTS", "this customer is no member of the programme");
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, pay->currency);
  if (currency == NULL || currency->worth_micros == 0)
    return diag_set(work->diag, ERR_INVALID, "not_a_tender", "nothing can be paid with this currency: it has no worth");
  int64_t amount = pay->amount, most, cents;
  if (!loyalty_worth_amount(currency, booking->money, &most))
    return diag_set(work->diag, ERR_LIMIT, "overflow", "this basket is too large to be paid with points");
  if (amount > most) amount = most;
  if (amount == 0) return ERR_OK;
  if (!loyalty_worth_cents(currency, amount, &cents))
    return diag_set(work->diag, ERR_LIMIT, "overflow", "this is too large an amount of points");
  struct loyalty_tender tender = {.kind = LOYALTY_TENDER_POINTS,
                                  .programme = pay->programme,
                                  .currency = pay->currency,
                                  .amount = amount,
                                  .cents = cents < booking->money ? cents : booking->money};
  struct loyalty_cause cause = cause_of(booking, ledger);
  struct loyalty_move move = move_of(booking, pay->programme, LOYALTY_MOVE_BURN, pay->currency, amount);
  err = loyalty_guard(work, booking->kit->customer, ledger, &move);
  if (err == ERR_OK) err = loyalty_guard_count(work, ledger, &move);
  if (err != ERR_OK) return err;
  if (pay->kind == LOYALTY_PAY_HOLD)
    err = loyalty_hold_capture(ledger, &cause, pay->hold, amount, &tender.parts, &tender.part_count);
  else
    err = loyalty_spend(ledger, &cause, pay->currency, amount, &tender.parts, &tender.part_count);
  if (err == ERR_OK && pay->kind == LOYALTY_PAY_HOLD) err = loyalty_hold_taken(work, customer, pay, amount);
  return err == ERR_OK ? add_tender(booking, &tender) : err;
}

static enum err pay_card(struct booking *booking, struct bytes code, int64_t amount) {
  struct work *work = booking->work;
  struct loyalty_held_code *held = loyalty_code_of(work, code);
  const struct loyalty_voucher *voucher = held->there ? loyalty_set_voucher(work->loyalty, held->code.voucher) : NULL;
  const char *refusal;
  enum err err = loyalty_code_judge(booking->kit, booking->in_hand, held, voucher, &refusal);
  if (err != ERR_OK) return err;
  if (refusal != NULL) {
    diag_set(work->diag, ERR_DENIED, refusal, "%s", loyalty_refusal_words(refusal));
    diag_in_field(work->diag, "pay.card");
    return ERR_DENIED;
  }
  if (voucher->discount.kind != LOYALTY_CREDIT)
    return diag_set(work->diag, ERR_INVALID, "not_a_card", "this code takes something off; only a card pays");
  if (amount > held->code.balance)
    return diag_set(work->diag, ERR_DENIED, "INSUFFICIENT_BALANCE", "the card holds less than that");
  if (amount == 0 || amount > booking->money)
    amount = held->code.balance < booking->money ? held->code.balance : booking->money;
  if (amount == 0) return ERR_OK;
  struct loyalty_redemption redemption = {.code = held->text,
                                          .order = booking->order.id,
                                          .identifier = booking->order.identifier,
                                          .voucher = voucher->number,
                                          .cents = amount,
                                          .time_us = booking->in_hand->at_us,
                                          .source = booking->order.source,
                                          .cashier = booking->order.cashier};
  err = guard_use(booking, voucher);
  if (err == ERR_OK) err = loyalty_redeem(work, booking->kit->customer, held, &redemption);
  struct loyalty_tender tender = {.kind = LOYALTY_TENDER_CARD,
                                  .programme = voucher->programme,
                                  .code = held->text,
                                  .amount = amount,
                                  .cents = amount,
                                  .redemption = redemption.id};
  return err == ERR_OK ? add_tender(booking, &tender) : err;
}

static bool is_card(const struct booking *booking, struct bytes code) {
  const struct loyalty_held_code *held = loyalty_code_of(booking->work, code);
  const struct loyalty_voucher *voucher =
      held->there ? loyalty_set_voucher(booking->work->loyalty, held->code.voucher) : NULL;
  return voucher != NULL && voucher->discount.kind == LOYALTY_CREDIT;
}

static bool is_rejected(const struct booking *booking, struct bytes code) {
  for (size_t i = 0; i < booking->rejected_count; i++)
    if (bytes_equal(booking->rejected[i].code, code)) return true;
  return false;
}

// A card among the codes pays as much as it can.
// What a till took while it was away, against what its programme lets it take.
static enum err check_floor(const struct booking *booking) {
  struct work *work = booking->work;
  for (size_t i = 0; i < loyalty_set_programmes(work->loyalty); i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(work->loyalty, i);
    int64_t cents = 0;
    for (size_t j = 0; j < booking->order.tender_count; j++)
      if (booking->order.tenders[j].programme == programme->number) cents += booking->order.tenders[j].cents;
    if (!programme->offline.earn_only && cents > programme->offline.floor_cents)
      return diag_set(work->diag, ERR_DENIED, "OFFLINE_FLOOR_LIMIT", "%s",
                      loyalty_refusal_words("OFFLINE_FLOOR_LIMIT"));
  }
  return ERR_OK;
}

// As it was paid, as far as there is something to pay.
static enum err pay_as_before(struct booking *booking) {
  const struct loyalty_order *was = booking->kit->simulated->was;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < was->tender_count; i++) {
    struct loyalty_tender tender = was->tenders[i];
    if (tender.cents > booking->money) tender.cents = booking->money;
    err = add_tender(booking, &tender);
  }
  return err;
}

static enum err pay(struct booking *booking) {
  const struct loyalty_request *request = booking->request;
  enum err err = ERR_OK;
  booking->money = booking->due;
  if (booking->kit->simulated != NULL) return pay_as_before(booking);
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->pay_count; i++)
    err = request->pay[i].kind == LOYALTY_PAY_CARD ? pay_card(booking, request->pay[i].code, request->pay[i].amount)
                                                   : pay_points(booking, &request->pay[i]);
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->code_count; i++)
    if (!is_rejected(booking, request->codes[i]) && is_card(booking, request->codes[i]))
      err = pay_card(booking, request->codes[i], 0);
  return err == ERR_OK && request != NULL && request->business_us != 0 ? check_floor(booking) : err;
}

// What was paid by money or card: points earn no points.
static int64_t paid_of(const struct booking *booking) {
  int64_t paid = booking->due;
  for (size_t i = 0; i < booking->order.tender_count; i++)
    if (booking->order.tenders[i].kind == LOYALTY_TENDER_POINTS) paid -= booking->order.tenders[i].cents;
  return paid;
}

// --- what was used ---------------------------------------------------------------------------------------------

static enum err use_code(struct booking *booking, const struct source *source, const struct loyalty_offer *offer,
                         struct loyalty_used *used) {
  struct loyalty_redemption redemption = {.code = source->code->text,
                                          .order = booking->order.id,
                                          .identifier = booking->order.identifier,
                                          .voucher = source->voucher->number,
                                          .cents = offer->cents,
                                          .time_us = booking->in_hand->at_us,
                                          .source = booking->order.source,
                                          .cashier = booking->order.cashier};
  enum err err = guard_use(booking, source->voucher);
  if (err == ERR_OK) err = loyalty_redeem(booking->work, booking->kit->customer, source->code, &redemption);
  used->code = source->code->text;
  used->voucher = source->voucher->number;
  used->redemption = redemption.id;
  return err;
}

static void count_rule(struct work *work, const struct loyalty_live_rule *rule, int64_t cents) {
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_CENTS, .number = rule->ref.campaign};
  struct loyalty_counter_key uses = {.kind = LOYALTY_COUNT_USES, .number = rule->ref.campaign};
  if (rule->campaign == NULL) return;
  if (rule->campaign->budget.cents > 0) *loyalty_counter_of(work, &money) += cents;
  if (rule->campaign->budget.uses > 0) *loyalty_counter_of(work, &uses) += 1;
}

static enum err use_offers(struct booking *booking) {
  struct work *work = booking->work;
  booking->order.used = arena_take_zero(work->arena, booking->offer_count + 1, sizeof *booking->order.used);
  if (booking->order.used == NULL) return diag_no_memory(work->diag);
  struct loyalty_simulated *simulated = booking->kit->simulated;
  if (simulated != NULL)
    simulated->rules = arena_take_zero(work->arena, booking->offer_count + 1, sizeof *simulated->rules);
  if (simulated != NULL && simulated->rules == NULL) return diag_no_memory(work->diag);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < booking->offer_count; i++) {
    const struct loyalty_offer *offer = &booking->offers[i];
    const struct source *source = &booking->sources[i];
    if (offer->refusal != NULL) continue;
    struct loyalty_used *used = &booking->order.used[booking->order.used_count++];
    *used = (struct loyalty_used){.cents = offer->cents, .shipping_cents = offer->shipping_cents};
    if (simulated != NULL) simulated->rules[booking->order.used_count - 1] = source->rule;
    if (source->rule != NULL) used->rule = source->rule->ref;
    if (source->rule != NULL)
      count_rule(work, source->rule, offer->cents + offer->shipping_cents);
    else if (simulated == NULL)
      err = use_code(booking, source, offer, used);
  }
  return err;
}

// --- the order -------------------------------------------------------------------------------------------------

static enum err keep_lines(struct booking *booking) {
  const struct loyalty_basket *basket = booking->basket;
  struct loyalty_order *order = &booking->order;
  order->lines = arena_take_zero(booking->work->arena, basket->line_count + 1, sizeof *order->lines);
  if (order->lines == NULL) return diag_no_memory(booking->work->diag);
  for (size_t i = 0; i < basket->line_count; i++)
    order->lines[i] = (struct loyalty_order_line){.id = basket->lines[i].id,
                                                  .sku = basket->lines[i].sku,
                                                  .quantity = basket->lines[i].quantity,
                                                  .amount = basket->lines[i].amount,
                                                  .discount = basket->lines[i].discount};
  order->line_count = basket->line_count;
  order->shipping = basket->shipping;
  order->shipping_discount = basket->shipping_discount;
  order->tax = basket->tax;
  return ERR_OK;
}

// One amount for each programme and currency, of however many rules.
static enum err keep_posted(struct booking *booking) {
  struct loyalty_order *order = &booking->order;
  const struct loyalty_outcomes *outcomes = &booking->outcomes;
  order->posted = arena_take_zero(booking->work->arena, outcomes->count + 1, sizeof *order->posted);
  struct loyalty_lot *lots = arena_take_zero(booking->work->arena, outcomes->count + 1, sizeof *lots);
  if (order->posted == NULL || lots == NULL) return diag_no_memory(booking->work->diag);
  for (size_t i = 0; i < outcomes->count; i++) {
    const struct loyalty_outcome *outcome = &outcomes->items[i];
    if (outcome->amount == 0 || outcome->lot.id == 0) continue;
    uint32_t programme = outcome->rule->programme->number;
    struct loyalty_posted *posted = NULL;
    for (size_t j = 0; j < order->posted_count; j++)
      if (order->posted[j].programme == programme && order->posted[j].currency == outcome->lot.currency)
        posted = &order->posted[j];
    if (posted != NULL) continue;
    posted = &order->posted[order->posted_count++];
    *posted = (struct loyalty_posted){.programme = programme, .currency = outcome->lot.currency, .lots = lots};
    for (size_t j = i; j < outcomes->count; j++) {
      const struct loyalty_outcome *same = &outcomes->items[j];
      if (same->amount == 0 || same->rule->programme->number != programme || same->lot.currency != posted->currency)
        continue;
      posted->amount += same->amount;
      *lots++ = same->lot;
      posted->lot_count++;
    }
  }
  return ERR_OK;
}

// --- telling -------------------------------------------------------------------------------------------------

static void put_cents(struct json_writer *writer, const char *name, int64_t cents) {
  json_member_scaled(writer, name, cents, 2);
}

static void write_discount(const struct booking *booking, size_t index, struct json_writer *writer) {
  const struct loyalty_offer *offer = &booking->offers[index];
  const struct source *source = &booking->sources[index];
  json_object_begin(writer);
  json_member_text(writer, "type", "discount");
  if (source->code != NULL) json_member_bytes(writer, "code", source->code->text);
  if (source->voucher != NULL) json_member_bytes(writer, "voucher", source->voucher->id);
  if (source->rule != NULL) json_member_bytes(writer, "rule", source->rule->rule->id);
  if (source->rule != NULL && source->rule->campaign != NULL)
    json_member_bytes(writer, "campaign", source->rule->campaign->id);
  put_cents(writer, "amount", offer->cents);
  if (offer->shipping_cents > 0) put_cents(writer, "shipping", offer->shipping_cents);
  json_name(writer, "lines");
  json_array_begin(writer);
  for (size_t i = 0; offer->shares != NULL && i < booking->basket->line_count; i++) {
    if (offer->shares[i] == 0) continue;
    json_object_begin(writer);
    json_member_bytes(writer, "line_id", booking->basket->lines[i].id);
    put_cents(writer, "amount", offer->shares[i]);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

static void write_rule(const struct loyalty_live_rule *rule, struct json_writer *writer) {
  json_member_bytes(writer, "programme", rule->programme->id);
  json_member_bytes(writer, "rule", rule->rule->id);
  if (rule->campaign != NULL) json_member_bytes(writer, "campaign", rule->campaign->id);
}

static void write_points(const struct booking *booking, const struct loyalty_outcome *outcome,
                         struct json_writer *writer) {
  const struct loyalty_currency *currency =
      loyalty_currency_at(outcome->rule->programme, outcome->rule->rule->currency);
  const struct rule_zone *zone = loyalty_set_zone(booking->work->loyalty, outcome->rule->programme->number);
  json_object_begin(writer);
  json_member_text(writer, "type", "points");
  write_rule(outcome->rule, writer);
  json_member_bytes(writer, "currency", currency->id);
  json_member_scaled(writer, "amount", outcome->amount, currency->scale);
  if (outcome->lot.active_us != INT64_MAX) json_member_time(writer, "active_at", outcome->lot.active_us);
  loyalty_last_day_json(writer, "expires_on", outcome->lot.expires_us, zone);
  if (outcome->trimmed) json_member_text(writer, "trimmed_by", outcome->refusal);
  json_object_end(writer);
}

static void write_given(const struct loyalty_outcome *outcome, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "type", "voucher");
  write_rule(outcome->rule, writer);
  json_member_bytes(writer, "code", outcome->given.code);
  json_object_end(writer);
}

static void write_tender(const struct booking *booking, const struct loyalty_tender *tender,
                         struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "type", "pay");
  if (tender->kind == LOYALTY_TENDER_CARD) json_member_bytes(writer, "card", tender->code);
  if (tender->kind == LOYALTY_TENDER_POINTS)
    json_member_scaled(writer, "points", tender->amount,
                       loyalty_set_scale(booking->work->loyalty, tender->programme, tender->currency));
  put_cents(writer, "amount", tender->cents);
  json_object_end(writer);
}

static void write_effects(const struct booking *booking, struct json_writer *writer) {
  json_name(writer, "effects");
  json_array_begin(writer);
  for (size_t i = 0; i < booking->offer_count; i++)
    if (booking->offers[i].refusal == NULL) write_discount(booking, i, writer);
  for (size_t i = 0; i < booking->outcomes.count; i++) {
    const struct loyalty_outcome *outcome = &booking->outcomes.items[i];
    if (outcome->amount > 0) write_points(booking, outcome, writer);
    if (outcome->given.code.size_bytes > 0) write_given(outcome, writer);
  }
  for (size_t i = 0; i < booking->order.tender_count; i++) write_tender(booking, &booking->order.tenders[i], writer);
  json_array_end(writer);
}

static void write_rejection(struct json_writer *writer, struct bytes code, struct bytes rule, const char *reason) {
  json_object_begin(writer);
  if (code.size_bytes > 0) json_member_bytes(writer, "code", code);
  if (rule.size_bytes > 0) json_member_bytes(writer, "rule", rule);
  json_member_text(writer, "reason", reason);
  json_member_text(writer, "message", loyalty_reason_words(reason));
  json_object_end(writer);
}

static void write_rejected(const struct booking *booking, struct json_writer *writer) {
  json_name(writer, "rejected");
  json_array_begin(writer);
  for (size_t i = 0; i < booking->rejected_count; i++)
    write_rejection(writer, booking->rejected[i].code, booking->rejected[i].rule, booking->rejected[i].reason);
  for (size_t i = 0; i < booking->outcomes.count; i++) {
    const struct loyalty_outcome *outcome = &booking->outcomes.items[i];
    if (outcome->refusal != NULL && !outcome->trimmed)
      write_rejection(writer, BYTES(""), outcome->rule->rule->id, outcome->refusal);
  }
  json_array_end(writer);
}

static void write_totals(const struct booking *booking, struct json_writer *writer) {
  const struct loyalty_basket *basket = booking->basket;
  int64_t points = 0, cards = 0;
  for (size_t i = 0; i < booking->order.tender_count; i++)
    *(booking->order.tenders[i].kind == LOYALTY_TENDER_POINTS ? &points : &cards) += booking->order.tenders[i].cents;
  json_name(writer, "totals");
  json_object_begin(writer);
  put_cents(writer, "amount", basket->amount);
  put_cents(writer, "discount", basket->discount);
  put_cents(writer, "shipping", basket->shipping - basket->shipping_discount);
  put_cents(writer, "tax", basket->tax);
  put_cents(writer, "due", booking->due);
  put_cents(writer, "paid_with_points", points);
  put_cents(writer, "paid_with_cards", cards);
  put_cents(writer, "to_pay", booking->money);
  json_object_end(writer);
}

// What is missing to the next tier, and to each reward.
static enum err write_missing(const struct booking *booking, struct json_writer *writer) {
  struct loyalty_wallet *wallets;
  size_t count;
  enum err err = loyalty_wallets(booking->work, booking->kit->customer, &wallets, &count);
  json_name(writer, "missing");
  json_array_begin(writer);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(booking->work->loyalty, wallets[i].programme);
    const struct loyalty_level *next = NULL;
    if (programme == NULL) continue;
    int64_t missing = loyalty_to_next_level(&wallets[i], programme, &next);
    if (next != NULL) {
      json_object_begin(writer);
      json_member_bytes(writer, "programme", programme->id);
      json_member_bytes(writer, "tier", next->id);
      json_member_i64(writer, "amount", missing);
      json_object_end(writer);
    }
    for (size_t j = 0; j < programme->reward_count; j++) {
      const struct loyalty_reward *reward = &programme->rewards[j];
      int64_t has = loyalty_amount(&wallets[i], reward->currency, LOYALTY_ACTIVE);
      json_object_begin(writer);
      json_member_bytes(writer, "programme", programme->id);
      json_member_bytes(writer, "reward", reward->id);
      json_member_i64(writer, "amount", reward->cost > has ? reward->cost - has : 0);
      json_object_end(writer);
    }
  }
  json_array_end(writer);
  return err;
}

static enum err write_reply(const struct booking *booking, struct json_writer *writer) {
  char customer[CUSTOMER_ID_TEXT_BYTES];
  json_object_begin(writer);
  customer_id_format(booking->kit->customer->record.id, customer);
  json_member_text(writer, "customer", customer);
  if (booking->order.id.size_bytes > 0) json_member_bytes(writer, "order", booking->order.id);
  write_effects(booking, writer);
  write_rejected(booking, writer);
  write_totals(booking, writer);
  enum err err = write_missing(booking, writer);
  struct loyalty_explanation explanation = {booking->in_hand, &booking->outcomes, booking->looks, booking->look_count};
  if (err == ERR_OK && booking->looks != NULL) err = loyalty_explain(booking->kit, &explanation, writer);
  json_object_end(writer);
  return err;
}

// The first reply again, with a word that it is.
static void write_replay(const struct loyalty_order *order, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bool(writer, "replayed", true);
  json_name(writer, "reply");
  if (order->reply.size_bytes > 0)
    json_raw(writer, order->reply);
  else
    json_null(writer);
  json_object_end(writer);
}

static enum err keep_reply(struct booking *booking) {
  struct work *work = booking->work;
  struct json_writer writer;
  struct buffer reply;
  buffer_init(&reply);
  json_writer_init(&writer, &reply);
  enum err err = write_reply(booking, &writer);
  if (err == ERR_OK && !reply.failed) booking->order.reply = arena_copy(work->arena, buffer_view(&reply));
  if (err == ERR_OK && booking->order.reply.data == NULL) err = diag_no_memory(work->diag);
  buffer_release(&reply);
  if (err == ERR_OK && booking->request != NULL) json_raw(booking->request->writer, booking->order.reply);
  return err;
}

// --- booking -------------------------------------------------------------------------------------------------

static struct bytes identifier_of(struct work *work, const struct work_event *event) {
  return event->accepted_count == 0 ? BYTES("") : engine_identifier_text(work->engine, event->accepted[0], work->arena);
}

// The order's event says what it comes to, and was made before it was priced.
static enum err compare_due(struct booking *booking) {
  const struct loyalty_request *request = booking->request;
  if (request->due != NULL) *request->due = booking->due;
  if (request->expected == NULL || *request->expected == booking->due) return ERR_OK;
  *request->differs = true;
  return diag_set(booking->work->diag, ERR_BUSY, "basket_changed", "what the basket comes to has changed");
}

// Its event says what it came to then, of what this shop has priced.
static enum err message_of(struct booking *booking, struct value *message) {
  *message = booking->event->event->message;
  if (booking->kit->simulated == NULL || booking->request == NULL) return ERR_OK;
  return loyalty_with_total(booking->work, *message, booking->due, message);
}

static void tell_simulated(const struct booking *booking, struct loyalty_simulated *simulated) {
  simulated->order = booking->order;
  simulated->outcomes = booking->outcomes;
}

// Paid, earned on, and told.
static enum err settle(struct booking *booking) {
  struct work *work = booking->work;
  struct loyalty_event with_paid = *booking->in_hand;
  struct value message;
  with_paid.basket = booking->basket;
  enum err err = use_offers(booking);
  if (err == ERR_OK) err = pay(booking);
  if (err == ERR_OK) err = message_of(booking, &message);
  if (err == ERR_OK)
    err = loyalty_with_paid(message, booking->basket, paid_of(booking), work->engine->names, work->arena,
                            &with_paid.message);
  if (err == ERR_OK)
    err =
        loyalty_earn_rules(booking->kit, &with_paid, booking->order.id, booking->order.identifier, &booking->outcomes);
  if (err == ERR_OK) err = keep_lines(booking);
  if (err == ERR_OK) err = keep_posted(booking);
  if (err != ERR_OK) return err;
  if (booking->kit->simulated == NULL) {
    if (booking->kit->answers != NULL) err = loyalty_asked_row(booking->kit, &booking->order.asked);
    return err == ERR_OK ? keep_reply(booking) : err;
  }
  tell_simulated(booking, booking->kit->simulated);
  return ERR_OK;
}

static enum err book(struct booking *booking) {
  struct work *work = booking->work;
  bool due_alone = booking->request != NULL && booking->request->due != NULL; // it will be booked in a second look
  enum err err = booking->request != NULL ? price(booking) : take_as_told(booking);
  if (err == ERR_OK && booking->request != NULL) err = compare_due(booking);
  if (err == ERR_OK && !due_alone) err = settle(booking);
  if (err != ERR_OK || due_alone || booking->order.id.size_bytes == 0)
    return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
  err = loyalty_order_write(work, booking->kit->customer->record.id, &booking->order);
  if (err == ERR_OK) err = add_owner(work, booking->order.id, booking->kit->customer->record.id);
  if (booking->kit->simulated != NULL) return err;
  return err == ERR_OK ? loyalty_referral_order(work, booking->kit->customer, booking->order.id,
                                                booking->basket->amount, booking->in_hand->at_us, false)
                       : err;
}

// Are the promotions of what is bought now computed again on a return?
static bool is_reevaluated(const struct loyalty_set *set) {
  for (size_t i = 0; i < loyalty_set_programmes(set); i++)
    if (loyalty_set_programme_at(set, i)->reevaluate_returns && !loyalty_set_programme_at(set, i)->archived)
      return true;
  return false;
}

enum err loyalty_order_book(struct loyalty_kit *kit, const struct work_event *event,
                            const struct loyalty_event *in_hand, const struct loyalty_request *request) {
  struct work *work = kit->work;
  struct loyalty_basket basket = *in_hand->basket;
  struct loyalty_order *known = NULL;
  enum err err = ERR_OK;
  if (basket.order.size_bytes > 0) err = loyalty_order_read(work, kit->customer->record.id, basket.order, &known);
  if (err != ERR_OK) return err;
  if (known != NULL) {
    if (request != NULL) write_replay(known, request->writer);
    return ERR_OK;
  }
  struct booking booking = {.kit = kit,
                            .work = work,
                            .event = event,
                            .in_hand = in_hand,
                            .request = request,
                            .basket = &basket,
                            .order = {.id = basket.order,
                                      .posting = event->sequence,
                                      .origin = kit->customer->record.id,
                                      .identifier = identifier_of(work, event),
                                      .time_us = in_hand->at_us,
                                      .recorded_us = work->now_us,
                                      .source = event->event->source,
                                      .cashier = work->cashier}};
  err = loyalty_guard_basket(work, kit->customer);
  if (err == ERR_OK && kit->simulated == NULL && !kit->nobody) err = loyalty_enrol_buyer(work, kit->customer);
  if (err == ERR_OK && kit->simulated == NULL && is_reevaluated(work->loyalty)) err = loyalty_asked_keep(kit);
  return err == ERR_OK ? book(&booking) : err;
}

enum err loyalty_order_replay(struct work *work, const struct engine_event *event,
                              const struct loyalty_request *request) {
  struct value properties = value_member_id(event->message, work->engine->id.properties);
  uint64_t *customers;
  struct bytes id;
  size_t count = 0;
  enum err err = ERR_OK;
  if (value_as_text(value_member(properties, work->engine->names, BYTES("order_id")), &id))
    err = loyalty_order_owners(work, id, &customers, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_order *order;
    err = loyalty_order_read(work, customers[i], id, &order);
    if (err != ERR_OK || order == NULL) continue;
    write_replay(order, request->writer);
    return ERR_OK;
  }
  return err == ERR_OK ? diag_set(work->diag, ERR_DENIED, "duplicate", "%s", loyalty_refusal_words("duplicate")) : err;
}
