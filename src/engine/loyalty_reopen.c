// loyalty_reopen.c: a cancelled order is booked again as it was.
//
// What its cancellation gave back is taken again, by the order's row alone: its returns before the cancellation are
// computed once more on a copy that nothing came back of, which tells what the order had when it was cancelled (returns
// are a function of what went before them). Points come as new lots, earned at the order's own time; codes and budgets
// are used again if they still can be. Whatever is missing by now refuses the whole: the order is to be priced anew.
// Invariant: the cancellation is the last return of a cancelled order.
#include "engine/loyalty.h"

struct reopening {
  struct loyalty_kit *kit;
  struct work *work;
  struct loyalty_order *order;
  struct loyalty_order before; // the cancellation: what came back by then
  bool anything;               // was left of it
};

static enum err conflict(struct reopening *reopening, struct bytes what) {
  struct diag *diag = reopening->work->diag;
  diag_set(diag, ERR_DENIED, "REDEMPTION_CONFLICT", "%s", loyalty_refusal_words("REDEMPTION_CONFLICT"));
  diag_in_field(diag, "%.*s", BYTES_ARG(what));
  return ERR_DENIED;
}

static struct loyalty_cause cause_of(const struct reopening *reopening, const struct loyalty_ledger *ledger) {
  const struct loyalty_order *order = reopening->order;
  return (struct loyalty_cause){.reference = order->id,
                                .identifier = order->identifier,
                                .effective_us = order->time_us < ledger->now_us ? order->time_us : ledger->now_us};
}

// --- as it was ---------------------------------------------------------------------------------------------------

static enum err copy_unreturned(struct reopening *reopening) {
  struct arena *arena = reopening->work->arena;
  struct loyalty_order *before = &reopening->before;
  const struct loyalty_order *order = reopening->order;
  *before = *order;
  before->state = LOYALTY_ORDER_PLACED;
  before->return_count = 0; // those that are done again count
  before->lines = arena_take(arena, (order->line_count + 1) * sizeof *before->lines);
  before->tenders = arena_take(arena, (order->tender_count + 1) * sizeof *before->tenders);
  before->posted = arena_take(arena, (order->posted_count + 1) * sizeof *before->posted);
  if (before->lines == NULL || before->tenders == NULL || before->posted == NULL)
    return diag_no_memory(reopening->work->diag);
  for (size_t i = 0; i < order->line_count; i++) before->lines[i] = order->lines[i], before->lines[i].returned = 0;
  for (size_t i = 0; i < order->tender_count; i++) {
    before->tenders[i] = order->tenders[i];
    before->tenders[i].restored = before->tenders[i].restored_amount = 0;
  }
  for (size_t i = 0; i < order->posted_count; i++)
    before->posted[i] = order->posted[i], before->posted[i].taken_back = 0;
  return ERR_OK;
}

static enum err return_again(struct reopening *reopening, const struct loyalty_return *done) {
  struct loyalty_order *before = &reopening->before;
  struct loyalty_returned plan;
  enum err err = loyalty_order_return_plan(reopening->kit, before, done->quantities, &plan);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < before->line_count; i++) before->lines[i].returned += plan.quantities[i];
  for (size_t i = 0; i < before->posted_count; i++) before->posted[i].taken_back += plan.take_back[i];
  for (size_t i = 0; i < before->tender_count; i++) {
    before->tenders[i].restored += plan.tender_cents[i];
    before->tenders[i].restored_amount += plan.tender_amounts[i];
  }
  before->return_count++;
  return ERR_OK;
}

static enum err look_back(struct reopening *reopening) {
  const struct loyalty_order *order = reopening->order;
  enum err err = copy_unreturned(reopening);
  for (size_t i = 0; err == ERR_OK && i + 1 < order->return_count; i++)
    err = return_again(reopening, &order->returns[i]);
  for (size_t i = 0; err == ERR_OK && i < order->line_count; i++)
    reopening->anything |= reopening->before.lines[i].returned < order->lines[i].quantity;
  return err;
}

// --- codes and budgets ---------------------------------------------------------------------------------------------

// Is there room for that much more below a limit (0: none), in a counter that this transaction holds?
static bool has_room(struct work *work, enum loyalty_counter_kind kind, uint32_t number, int64_t limit, int64_t more) {
  struct loyalty_counter_key key = {.kind = kind, .number = number};
  return limit == 0 || !loyalty_counter_is_held(work, &key) || limit - *loyalty_counter_of(work, &key) >= more;
}

static void count(struct work *work, enum loyalty_counter_kind kind, uint32_t number, int64_t more) {
  struct loyalty_counter_key key = {.kind = kind, .number = number};
  if (loyalty_counter_is_held(work, &key)) *loyalty_counter_of(work, &key) += more;
}

// The conditions over customer and basket were met when it was booked; what others used meanwhile counts.
static enum err code_is_free(struct reopening *reopening, const struct loyalty_used *used,
                             const struct loyalty_held_code *held, const struct loyalty_voucher *voucher) {
  struct work *work = reopening->work;
  struct loyalty_counter_key uses = {.kind = LOYALTY_COUNT_VOUCHER_USES, .number = used->voucher};
  struct loyalty_code_try attempt = {.voucher = voucher,
                                     .code = held->there ? &held->code : NULL,
                                     .customer = reopening->kit->customer->record.id,
                                     .at_us = reopening->order->time_us,
                                     .recipient = true,
                                     .condition = true};
  struct loyalty_ledger *ledger = NULL;
  enum err err = ERR_OK;
  if (voucher == NULL) return conflict(reopening, used->code);
  err = loyalty_ledger_open(work, reopening->kit->customer, voucher->programme, false, &ledger);
  if (err != ERR_OK) return err;
  if (ledger != NULL) attempt.customer_uses = loyalty_voucher_uses(ledger->wallet, voucher->number);
  if (loyalty_counter_is_held(work, &uses)) attempt.voucher_uses = *loyalty_counter_of(work, &uses);
  bool room = has_room(work, LOYALTY_COUNT_VOUCHER_CENTS, used->voucher, voucher->budget_cents,
                       used->cents + used->shipping_cents);
  return loyalty_code_refusal(&attempt) == NULL && room ? ERR_OK : conflict(reopening, used->code);
}

static enum err use_code(struct reopening *reopening, struct loyalty_used *used) {
  struct work *work = reopening->work;
  struct loyalty_held_code *held = loyalty_code_of(work, used->code);
  const struct loyalty_voucher *voucher = loyalty_set_voucher(work->loyalty, used->voucher);
  const struct loyalty_order *order = reopening->order;
  struct loyalty_redemption redemption = {.code = used->code,
                                          .order = order->id,
                                          .identifier = order->identifier,
                                          .voucher = used->voucher,
                                          .cents = used->cents + used->shipping_cents,
                                          .time_us = order->time_us,
                                          .source = order->source,
                                          .cashier = order->cashier};
  enum err err = code_is_free(reopening, used, held, voucher);
  if (err == ERR_OK) err = loyalty_redeem(work, reopening->kit->customer, held, &redemption);
  used->redemption = redemption.id;
  return err;
}

static enum err use_rule(struct reopening *reopening, const struct loyalty_used *used) {
  struct work *work = reopening->work;
  const struct loyalty_campaign *campaign = loyalty_set_campaign(work->loyalty, used->rule.campaign);
  int64_t cents = used->cents + used->shipping_cents;
  if (campaign == NULL) return ERR_OK;
  if (!has_room(work, LOYALTY_COUNT_CENTS, campaign->number, campaign->budget.cents, cents) ||
      !has_room(work, LOYALTY_COUNT_USES, campaign->number, campaign->budget.uses, 1))
    return conflict(reopening, campaign->id);
  count(work, LOYALTY_COUNT_CENTS, campaign->number, cents);
  count(work, LOYALTY_COUNT_USES, campaign->number, 1);
  return ERR_OK;
}

static enum err use_again(struct reopening *reopening, struct loyalty_used *used) {
  if (!used->rolled_back) return ERR_OK;
  used->rolled_back = false;
  return used->code.size_bytes > 0 ? use_code(reopening, used) : use_rule(reopening, used);
}

// What the cancellation gave back to limits is counted again: it was within them when it was booked.
static enum err count_again(struct reopening *reopening, struct loyalty_ledger *ledger, enum loyalty_limit_what what,
                            uint8_t currency, int64_t amount, bool whole) {
  struct loyalty_move move = {.programme = ledger->programme->number,
                              .what = what,
                              .currency = currency,
                              .cashier = reopening->order->cashier,
                              .count = whole ? 1 : 0,
                              .points = amount,
                              .at_us = reopening->order->time_us};
  return loyalty_guard_count(reopening->work, ledger, &move);
}

// --- tenders -------------------------------------------------------------------------------------------------------

static enum err pay_card(struct reopening *reopening, const struct loyalty_tender *tender, int64_t cents) {
  struct loyalty_held_code *held = loyalty_code_of(reopening->work, tender->code);
  if (cents == 0) return ERR_OK;
  if (!held->there || held->code.state != LOYALTY_CODE_ACTIVE || held->code.balance < cents)
    return conflict(reopening, tender->code);
  held->code.balance -= cents;
  held->dirty = true;
  return ERR_OK;
}

static enum err pay_points(struct reopening *reopening, struct loyalty_tender *tender, int64_t amount) {
  struct loyalty_ledger *ledger;
  if (amount == 0) return ERR_OK;
  enum err err = loyalty_ledger_open(reopening->work, reopening->kit->customer, tender->programme, false, &ledger);
  if (err != ERR_OK) return err;
  if (ledger == NULL) return conflict(reopening, tender->code);
  struct loyalty_cause cause = cause_of(reopening, ledger);
  cause.effective_us = ledger->now_us;
  err = count_again(reopening, ledger, LOYALTY_MOVE_BURN, tender->currency, amount,
                    tender->restored_amount + amount == tender->amount);
  if (err != ERR_OK) return err;
  return loyalty_spend(ledger, &cause, tender->currency, amount, &tender->parts, &tender->part_count);
}

static enum err pay_again(struct reopening *reopening, size_t index) {
  struct loyalty_tender *tender = &reopening->order->tenders[index];
  const struct loyalty_tender *before = &reopening->before.tenders[index];
  int64_t cents = tender->restored - before->restored, amount = tender->restored_amount - before->restored_amount;
  tender->restored = before->restored;
  tender->restored_amount = before->restored_amount;
  return tender->kind == LOYALTY_TENDER_CARD ? pay_card(reopening, tender, cents)
                                             : pay_points(reopening, tender, amount);
}

// --- points --------------------------------------------------------------------------------------------------------

static enum err earn_one(struct reopening *reopening, struct loyalty_ledger *ledger, const struct loyalty_lot *like,
                         int64_t amount, struct loyalty_lot *lot) {
  struct work *work = reopening->work;
  struct loyalty_cause cause = cause_of(reopening, ledger);
  uint64_t id;
  if (!loyalty_earned_has_room(work, ledger, like->rule, like->earned_us, amount))
    return conflict(reopening, BYTES("points"));
  cause.rule = like->rule;
  enum err err = loyalty_earn(ledger, &cause, like->currency, amount, &id);
  if (err == ERR_OK)
    err = loyalty_count_earned(work, ledger, ledger->programme->number, like->rule, like->earned_us, amount);
  *lot = *like;
  lot->id = id;
  lot->amount = amount;
  for (size_t i = 0; err == ERR_OK && i < ledger->wallet->lot_count; i++)
    if (ledger->wallet->lots[i].id == id) *lot = ledger->wallet->lots[i];
  return err;
}

// As much as the cancellation took, in the order of the lots.
static enum err earn_again(struct reopening *reopening, size_t index) {
  struct loyalty_posted *posted = &reopening->order->posted[index];
  int64_t before = reopening->before.posted[index].taken_back, left = posted->taken_back - before;
  struct loyalty_ledger *ledger;
  struct loyalty_lot *lots = arena_take(reopening->work->arena, (posted->lot_count + 1) * sizeof *lots);
  size_t lot_count = 0;
  posted->taken_back = before;
  if (lots == NULL) return diag_no_memory(reopening->work->diag);
  if (left <= 0) return ERR_OK;
  enum err err = loyalty_ledger_open(reopening->work, reopening->kit->customer, posted->programme, true, &ledger);
  if (err == ERR_OK && ledger != NULL)
    err = count_again(reopening, ledger, LOYALTY_MOVE_EARN, posted->currency, left, before + left == posted->amount);
  for (size_t i = 0; err == ERR_OK && ledger != NULL && i < posted->lot_count && left > 0; i++) {
    const struct loyalty_lot *like = &posted->lots[i];
    int64_t amount = left < like->amount ? left : like->amount;
    err = earn_one(reopening, ledger, like, amount, &lots[lot_count++]);
    left -= amount;
  }
  if (err != ERR_OK || ledger == NULL) return err;
  posted->lots = lots;
  posted->lot_count = lot_count;
  return loyalty_advance(ledger, ledger->now_us);
}

// --- all of it -----------------------------------------------------------------------------------------------------

static enum err carry_out(struct reopening *reopening) {
  struct loyalty_order *order = reopening->order;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && reopening->anything && i < order->used_count; i++)
    err = use_again(reopening, &order->used[i]);
  for (size_t i = 0; err == ERR_OK && i < order->tender_count; i++) err = pay_again(reopening, i);
  for (size_t i = 0; err == ERR_OK && i < order->posted_count; i++) err = earn_again(reopening, i);
  for (size_t i = 0; err == ERR_OK && i < order->line_count; i++)
    order->lines[i].returned = reopening->before.lines[i].returned;
  return err;
}

enum err loyalty_order_reopen(struct loyalty_kit *kit, struct loyalty_order *order, struct json_writer *writer) {
  struct reopening reopening = {.kit = kit, .work = kit->work, .order = order};
  if (order->state != LOYALTY_ORDER_CANCELLED || order->return_count == 0)
    return diag_set(kit->work->diag, ERR_DENIED, "ORDER_NOT_CANCELLED", "%s",
                    loyalty_refusal_words("ORDER_NOT_CANCELLED"));
  enum err err = look_back(&reopening);
  if (err == ERR_OK) err = carry_out(&reopening);
  if (err != ERR_OK) return err;
  order->state = LOYALTY_ORDER_PLACED;
  order->return_count--;
  int64_t cents = 0;
  for (size_t i = 0; i < order->line_count; i++) cents += order->lines[i].amount;
  err = loyalty_referral_order(kit->work, kit->customer, order->id, cents, order->time_us, true);
  if (err != ERR_OK) return err;
  loyalty_order_json(order, kit->work->loyalty, writer);
  json_object_end(writer);
  return loyalty_order_write(kit->work, kit->customer->record.id, order);
}
