// loyalty_order_price.c: what a basket comes to: what rules and codes offer for it, and what is taken off.
//
// Each rule of the moment and each code that was shown is judged, and becomes an offer or a refusal with its reason;
// loyalty_discount (loyalty/basket.h) picks among the offers and lays them over the lines. Nothing is spent here: an
// offer that was taken is used when the order is paid. Two others come to an amount in another way: a shop's own event
// says what was paid, and an order of which something came back is priced again with what it had then.
// Invariant: offers[i] and sources[i] are of one rule or code; OFFERS_MAX bounds them, LOOKS_MAX what is explained.
#include "engine/loyalty_order.h"

enum { OFFERS_MAX = 1000, REJECTED_MAX = 256, LOOKS_MAX = 4 * OFFERS_MAX };

// --- what is offered -------------------------------------------------------------------------------------------

static void reject(struct loyalty_booking *booking, struct bytes code, struct bytes rule, const char *reason) {
  if (booking->rejected_count < REJECTED_MAX)
    booking->rejected[booking->rejected_count++] = (struct loyalty_rejection){code, rule, reason};
}

static enum err add_offer(struct loyalty_booking *booking, const struct loyalty_offer *offer,
                          struct loyalty_offer_of source) {
  if (booking->offer_count == OFFERS_MAX)
    return diag_set(booking->work->diag, ERR_LIMIT, "too_many", "a basket takes at most %d discounts", OFFERS_MAX);
  booking->sources[booking->offer_count] = source;
  booking->offers[booking->offer_count++] = *offer;
  return ERR_OK;
}

static void note_look(struct loyalty_booking *booking, const struct loyalty_live_rule *rule, const char *reason,
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
static enum err offer_rule_again(struct loyalty_booking *booking, const struct loyalty_live_rule *rule,
                                 struct loyalty_offer *offer) {
  const struct loyalty_campaign *campaign = rule->campaign;
  if (campaign != NULL && (campaign->budget.cents > 0 || campaign->budget.uses > 0))
    offer->room_cents = taken_off(booking->again, rule->ref);
  return offer->room_cents == 0 ? ERR_OK : add_offer(booking, offer, (struct loyalty_offer_of){.rule = rule});
}

static enum err offer_rule(struct loyalty_booking *booking, const struct loyalty_live_rule *rule) {
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
  return add_offer(booking, &offer, (struct loyalty_offer_of){.rule = rule});
}

static enum err offer_rules(struct loyalty_booking *booking) {
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

// What a code of this voucher offers to the lines that it may take something off, whatever is left of its budget.
static enum err offer_of(struct loyalty_booking *booking, const struct loyalty_voucher *voucher,
                         struct loyalty_offer *offer) {
  struct work *work = booking->work;
  const struct rule_program *where = loyalty_set_voucher_lines(work->loyalty, voucher->number);
  bool *lines = NULL;
  enum err err = ERR_OK;
  if (where != NULL)
    err = loyalty_lines_where(where, booking->in_hand, booking->kit->machine, &booking->kit->facts, work->now_us,
                              work->arena, &lines);
  *offer = (struct loyalty_offer){.discount = &voucher->discount,
                                  .lines = lines,
                                  .minimum_cents = voucher->minimum_cents,
                                  .group = voucher->group,
                                  .exclusive = voucher->exclusive,
                                  .is_code = true,
                                  .room_cents = INT64_MAX,
                                  .over = voucher->over};
  return err;
}

static enum err offer_code(struct loyalty_booking *booking, struct bytes text) {
  struct work *work = booking->work;
  struct loyalty_held_code *held = loyalty_code_of(work, text);
  const struct loyalty_voucher *voucher = held->there ? loyalty_set_voucher(work->loyalty, held->code.voucher) : NULL;
  const char *refusal = voucher == NULL ? "CouponNotFound" : NULL;
  enum err err = ERR_OK;
  if (booking->kit->simulated == NULL)
    err = loyalty_code_judge(booking->kit, booking->in_hand, held, voucher, &refusal);
  if (err != ERR_OK) return err;
  if (refusal != NULL) {
    reject(booking, text, BYTES(""), refusal);
    return ERR_OK;
  }
  if (voucher->discount.kind == LOYALTY_CREDIT) return ERR_OK; // a card pays
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = voucher->number};
  struct loyalty_offer offer;
  err = offer_of(booking, voucher, &offer);
  if (err == ERR_OK && voucher->budget_cents > 0)
    offer.room_cents = voucher->budget_cents - *loyalty_counter_of(work, &money);
  return err == ERR_OK ? add_offer(booking, &offer, (struct loyalty_offer_of){.code = held, .voucher = voucher}) : err;
}

// A code that the order used, whose condition is asked of what is left of it.
static enum err offer_code_again(struct loyalty_booking *booking, const struct loyalty_used *used) {
  struct work *work = booking->work;
  struct loyalty_kit *kit = booking->kit;
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, used->voucher);
  bool is_good;
  if (voucher == NULL) return ERR_OK;
  enum err err = loyalty_is_true(loyalty_set_condition(work->loyalty, voucher->number), booking->in_hand, kit->machine,
                                 &kit->facts, work->now_us, &is_good);
  if (err != ERR_OK || !is_good) return err;
  struct loyalty_offer offer;
  err = offer_of(booking, voucher, &offer);
  offer.over = LOYALTY_TRIM;
  if (voucher->budget_cents > 0) offer.room_cents = used->cents + used->shipping_cents;
  if (err != ERR_OK || offer.room_cents == 0) return err;
  return add_offer(booking, &offer, (struct loyalty_offer_of){.voucher = voucher});
}

static const struct loyalty_stacking *stacking_of(const struct loyalty_booking *booking) {
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
static bool is_code_rejected(const struct loyalty_booking *booking) {
  for (size_t i = 0; i < booking->rejected_count; i++)
    if (booking->rejected[i].code.size_bytes > 0) return true;
  return false;
}

static enum err take_room(struct loyalty_booking *booking) {
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
  struct loyalty_booking booking = {.kit = kit, .work = kit->work, .in_hand = event, .basket = basket, .again = order};
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

enum err loyalty_order_price(struct loyalty_booking *booking) {
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
    const struct loyalty_offer_of *source = &booking->sources[i];
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
enum err loyalty_order_take_as_told(struct loyalty_booking *booking) {
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
