// loyalty_order_pay.c: a priced basket is paid, and what was used, paid and earned is put into its order.
//
// First points, holds and cards pay, in the order of the request, then the cards among the codes, as much as each can;
// what they leave is money. Every spending passes the guards of its programme and moves its ledger here. Then the codes
// and budgets of the offers that were taken are used. The order keeps all of it as it was: lines with their shares,
// tenders, uses, lots, so that a return needs nothing else.
// Invariants: the cents of the tenders and `money` add up to `due`; of a simulation nothing is spent, it is paid as it
// was.
#include "engine/loyalty_order.h"

// --- paying --------------------------------------------------------------------------------------------------

static enum err add_tender(struct loyalty_booking *booking, const struct loyalty_tender *tender) {
  struct loyalty_order *order = &booking->order;
  struct loyalty_tender *tenders = arena_take(booking->work->arena, (order->tender_count + 1) * sizeof *tenders);
  if (tenders == NULL) return diag_no_memory(booking->work->diag);
  if (order->tender_count > 0) memcpy(tenders, order->tenders, order->tender_count * sizeof *tenders);
  tenders[order->tender_count++] = *tender;
  order->tenders = tenders;
  booking->money -= tender->cents;
  return ERR_OK;
}

static struct loyalty_cause cause_of(const struct loyalty_booking *booking, const struct loyalty_ledger *ledger) {
  int64_t at_us = booking->in_hand->at_us;
  return (struct loyalty_cause){.reference = booking->order.id,
                                .identifier = booking->order.identifier,
                                .effective_us = at_us < ledger->now_us ? at_us : ledger->now_us};
}

static struct loyalty_move move_of(const struct loyalty_booking *booking, uint32_t programme,
                                   enum loyalty_limit_what what, uint8_t currency, int64_t points) {
  return (struct loyalty_move){.programme = programme,
                               .what = what,
                               .currency = currency,
                               .cashier = booking->order.cashier,
                               .count = 1,
                               .points = points,
                               .at_us = booking->order.time_us};
}

// A use of a code; loyalty_redeem counts it.
static enum err guard_use(const struct loyalty_booking *booking, const struct loyalty_voucher *voucher) {
  struct loyalty_ledger *ledger;
  struct loyalty_move move = move_of(booking, voucher->programme, LOYALTY_MOVE_REDEEM, 0, 0);
  enum err err = loyalty_ledger_open(booking->work, booking->kit->customer, voucher->programme, false, &ledger);
  return err == ERR_OK ? loyalty_guard(booking->work, booking->kit->customer, ledger, &move) : err;
}

// No more points than are due, and no fraction of one is given away.
static enum err pay_points(struct loyalty_booking *booking, const struct loyalty_pay *wanted) {
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

static enum err pay_card(struct loyalty_booking *booking, struct bytes code, int64_t amount) {
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

static bool is_card(const struct loyalty_booking *booking, struct bytes code) {
  const struct loyalty_held_code *held = loyalty_code_of(booking->work, code);
  const struct loyalty_voucher *voucher =
      held->there ? loyalty_set_voucher(booking->work->loyalty, held->code.voucher) : NULL;
  return voucher != NULL && voucher->discount.kind == LOYALTY_CREDIT;
}

static bool is_rejected(const struct loyalty_booking *booking, struct bytes code) {
  for (size_t i = 0; i < booking->rejected_count; i++)
    if (bytes_equal(booking->rejected[i].code, code)) return true;
  return false;
}

// What a till took while it was away, against what its programme lets it take.
static enum err check_floor(const struct loyalty_booking *booking) {
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
static enum err pay_as_before(struct loyalty_booking *booking) {
  const struct loyalty_order *was = booking->kit->simulated->was;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < was->tender_count; i++) {
    struct loyalty_tender tender = was->tenders[i];
    if (tender.cents > booking->money) tender.cents = booking->money;
    err = add_tender(booking, &tender);
  }
  return err;
}

enum err loyalty_order_pay(struct loyalty_booking *booking) {
  const struct loyalty_request *request = booking->request;
  enum err err = ERR_OK;
  booking->money = booking->due;
  if (booking->kit->simulated != NULL) return pay_as_before(booking);
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->pay_count; i++)
    err = request->pay[i].kind == LOYALTY_PAY_CARD ? pay_card(booking, request->pay[i].code, request->pay[i].amount)
                                                   : pay_points(booking, &request->pay[i]);
  // A card among the codes pays as much as it can.
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->code_count; i++)
    if (!is_rejected(booking, request->codes[i]) && is_card(booking, request->codes[i]))
      err = pay_card(booking, request->codes[i], 0);
  return err == ERR_OK && request != NULL && request->business_us != 0 ? check_floor(booking) : err;
}

// What was paid by money or card: points earn no points.
int64_t loyalty_order_paid_by_money(const struct loyalty_booking *booking) {
  int64_t paid = booking->due;
  for (size_t i = 0; i < booking->order.tender_count; i++)
    if (booking->order.tenders[i].kind == LOYALTY_TENDER_POINTS) paid -= booking->order.tenders[i].cents;
  return paid;
}

// --- what was used ---------------------------------------------------------------------------------------------

static enum err use_code(struct loyalty_booking *booking, const struct loyalty_offer_of *source,
                         const struct loyalty_offer *offer, struct loyalty_used *used) {
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

enum err loyalty_order_use(struct loyalty_booking *booking) {
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
    const struct loyalty_offer_of *source = &booking->sources[i];
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

enum err loyalty_order_keep_lines(struct loyalty_booking *booking) {
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
enum err loyalty_order_keep_posted(struct loyalty_booking *booking) {
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
