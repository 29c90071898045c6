// loyalty_return.c: an order is given back, in part or whole, or cancelled.
//
// Everything is computed from the order's row: shares were frozen when it was booked. A return's id is its natural key:
// the second one with it gets the first one's reply. A cancellation gives back all that is left, and the codes that the
// order used; a return gives codes back only when nothing of the order is left.
#include "engine/loyalty.h"

#include <stdio.h>

struct giving_back {
  struct loyalty_kit *kit;
  struct work *work;
  struct loyalty_order *order;
  struct bytes id; // of the return
  int64_t time_us;
  bool cancel;
  struct loyalty_returned plan;
  int64_t *uncollected, *expired; // by posted
};

static bool is_left(const struct loyalty_order *order) {
  for (size_t i = 0; i < order->line_count; i++)
    if (order->lines[i].returned < order->lines[i].quantity) return true;
  return false;
}

static const struct loyalty_return *find_return(const struct loyalty_order *order, struct bytes id) {
  for (size_t i = 0; i < order->return_count; i++)
    if (bytes_equal(order->returns[i].id, id)) return &order->returns[i];
  return NULL;
}

bool loyalty_order_was_returned(const struct loyalty_order *order, struct bytes id) {
  return find_return(order, id) != NULL;
}

static struct loyalty_cause cause_of(const struct giving_back *giving, const struct loyalty_ledger *ledger) {
  return (struct loyalty_cause){.reference = giving->order->id,
                                .identifier = giving->order->identifier,
                                .reason = giving->kit->reason,
                                .effective_us = giving->time_us < ledger->now_us ? giving->time_us : ledger->now_us};
}

// --- points, tenders, codes ----------------------------------------------------------------------------------

static bool is_written(const struct loyalty_ledger *ledger, uint64_t posting) {
  for (size_t i = 0; i < ledger->posting_count; i++)
    if (ledger->postings[i].id == posting) return false;
  return true;
}

static void add_expired(const struct loyalty_posting *posting, const struct loyalty_lot *lots, size_t lot_count,
                        int64_t *expired) {
  for (size_t i = 0; i < lot_count; i++) expired[i] += loyalty_posting_expired(posting, lots[i].id);
}

// What of each lot has expired, less what returns were let off: her postings tell, also those of this transaction.
static enum err find_expired(struct work *work, const struct loyalty_ledger *ledger, const struct loyalty_lot *lots,
                             size_t lot_count, int64_t *expired) {
  struct loyalty_row *rows;
  size_t count;
  enum err err = loyalty_rows_of(work, ledger->customer, &rows, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_posting posting;
    if (rows[i].kind != 'p' || rows[i].rest.size_bytes != sizeof(uint64_t)) continue;
    err = loyalty_posting_decode(rows[i].value, key_read_u64(rows[i].rest.data), work->arena, &posting);
    if (err == ERR_OK && is_written(ledger, posting.id)) add_expired(&posting, lots, lot_count, expired);
  }
  for (size_t i = 0; err == ERR_OK && i < ledger->posting_count; i++)
    add_expired(&ledger->postings[i], lots, lot_count, expired);
  return err;
}

enum err loyalty_take_back_given(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_cause *cause,
                                 uint8_t currency, int64_t amount, const struct loyalty_lot *lots, size_t lot_count,
                                 int64_t *uncollected, int64_t *expired) {
  int64_t *gone = arena_take_zero(work->arena, lot_count + 1, sizeof *gone), sum = 0;
  bool can_be = false;
  enum err err = gone == NULL ? diag_no_memory(work->diag) : ERR_OK;
  for (size_t i = 0; i < lot_count; i++) can_be = can_be || lots[i].expires_us <= ledger->now_us;
  if (err == ERR_OK && can_be) err = find_expired(work, ledger, lots, lot_count, gone);
  if (err == ERR_OK) err = loyalty_take_back(ledger, cause, currency, amount, lots, lot_count, gone, uncollected);
  for (size_t i = 0; err == ERR_OK && i < lot_count; i++) sum += gone[i];
  if (expired != NULL) *expired = sum;
  return err;
}

static enum err take_back(struct giving_back *giving, size_t index) {
  struct loyalty_posted *posted = &giving->order->posted[index];
  int64_t amount = giving->plan.take_back[index];
  struct loyalty_ledger *ledger;
  if (amount == 0) return ERR_OK;
  enum err err = loyalty_ledger_open(giving->work, giving->kit->customer, posted->programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  struct loyalty_cause cause = cause_of(giving, ledger);
  err = loyalty_take_back_given(giving->work, ledger, &cause, posted->currency, amount, posted->lots, posted->lot_count,
                                &giving->uncollected[index], &giving->expired[index]);
  // A cancelled order keeps what was really taken: that much is earned again when it is opened again.
  posted->taken_back += giving->cancel ? amount - giving->uncollected[index] : amount;
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

// What earlier returns put back were the last parts: those are gone.
static size_t parts_left(const struct loyalty_tender *tender, struct loyalty_part *left) {
  int64_t amount = tender->amount - tender->restored_amount;
  size_t count = 0;
  for (size_t i = 0; i < tender->part_count && amount > 0; i++) {
    left[count] = tender->parts[i];
    if (left[count].amount > amount) left[count].amount = amount;
    amount -= left[count++].amount;
  }
  return count;
}

// What an order did is given back to the limits of the time it was booked at; of a whole part also that it was done.
static struct loyalty_move move_of(const struct loyalty_order *order, uint32_t programme, enum loyalty_limit_what what,
                                   uint8_t currency, int64_t amount, bool whole) {
  return (struct loyalty_move){.programme = programme,
                               .what = what,
                               .currency = currency,
                               .cashier = order->cashier,
                               .count = whole ? -1 : 0,
                               .points = -amount,
                               .at_us = order->time_us};
}

static enum err restore_points(struct giving_back *giving, struct loyalty_tender *tender, int64_t amount) {
  struct loyalty_part *parts = arena_take(giving->work->arena, (tender->part_count + 1) * sizeof *parts);
  struct loyalty_ledger *ledger;
  if (parts == NULL) return diag_no_memory(giving->work->diag);
  enum err err = loyalty_ledger_open(giving->work, giving->kit->customer, tender->programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL || amount == 0) return err;
  struct loyalty_cause cause = cause_of(giving, ledger);
  struct loyalty_move move = move_of(giving->order, tender->programme, LOYALTY_MOVE_BURN, tender->currency, amount,
                                     tender->restored_amount + amount == tender->amount);
  err = loyalty_guard_count(giving->work, ledger, &move);
  if (err == ERR_OK)
    err = loyalty_roll_back(ledger, &cause, tender->currency, amount, parts, parts_left(tender, parts));
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

static enum err restore_tender(struct giving_back *giving, size_t index) {
  struct loyalty_tender *tender = &giving->order->tenders[index];
  int64_t cents = giving->plan.tender_cents[index], amount = giving->plan.tender_amounts[index];
  enum err err = ERR_OK;
  if (tender->kind == LOYALTY_TENDER_POINTS) {
    err = restore_points(giving, tender, amount);
  } else if (cents > 0) {
    struct loyalty_held_code *held = loyalty_code_of(giving->work, tender->code);
    if (held->there && held->code.state == LOYALTY_CODE_ACTIVE) {
      held->code.balance += cents;
      held->dirty = true;
    } else { // what was left on it was paid out when it ended, and so is what it paid for
      giving->plan.money_cents += cents;
      giving->plan.tender_cents[index] = 0;
    }
  }
  tender->restored += cents;
  tender->restored_amount += amount;
  return err;
}

static enum err unuse(struct giving_back *giving, struct loyalty_used *used) {
  struct work *work = giving->work;
  if (used->rolled_back) return ERR_OK;
  used->rolled_back = true;
  if (used->code.size_bytes > 0) {
    struct loyalty_redemption redemption = {.id = used->redemption,
                                            .code = used->code,
                                            .voucher = used->voucher,
                                            .cents = used->cents + used->shipping_cents};
    return loyalty_unredeem(work, giving->kit->customer, loyalty_code_of(work, used->code), &redemption);
  }
  const struct loyalty_campaign *campaign = loyalty_set_campaign(work->loyalty, used->rule.campaign);
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_CENTS, .number = used->rule.campaign};
  struct loyalty_counter_key uses = {.kind = LOYALTY_COUNT_USES, .number = used->rule.campaign};
  if (campaign != NULL && loyalty_counter_is_held(work, &money))
    *loyalty_counter_of(work, &money) -= used->cents + used->shipping_cents;
  if (campaign != NULL && loyalty_counter_is_held(work, &uses)) *loyalty_counter_of(work, &uses) -= 1;
  return ERR_OK;
}

// What an earning counted against caps and budgets is free again. Returns take from the lots in their order: what
// earlier ones took is over.
static enum err free_posted(struct giving_back *giving, const struct loyalty_posted *posted, int64_t amount) {
  int64_t before = posted->taken_back;
  struct loyalty_ledger *ledger;
  if (amount == 0) return ERR_OK;
  enum err err = loyalty_ledger_open(giving->work, giving->kit->customer, posted->programme, false, &ledger);
  struct loyalty_move move = move_of(giving->order, posted->programme, LOYALTY_MOVE_EARN, posted->currency, amount,
                                     before + amount == posted->amount);
  if (err == ERR_OK) err = loyalty_guard_count(giving->work, ledger, &move);
  for (size_t i = 0; err == ERR_OK && i < posted->lot_count && amount > 0; i++) {
    const struct loyalty_lot *lot = &posted->lots[i];
    int64_t gone = before < lot->amount ? before : lot->amount;
    int64_t share = lot->amount - gone < amount ? lot->amount - gone : amount;
    before -= gone;
    amount -= share;
    if (share > 0)
      err = loyalty_count_earned(giving->work, ledger, posted->programme, lot->rule, lot->earned_us, -share);
  }
  return err;
}

static enum err free_budgets(struct giving_back *giving) {
  const struct loyalty_order *order = giving->order;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < order->posted_count; i++)
    err = free_posted(giving, &order->posted[i], giving->plan.take_back[i]);
  return err;
}

size_t loyalty_order_counters(const struct loyalty_order *order, const struct loyalty_set *set,
                              struct loyalty_counter_key *keys, size_t room) {
  size_t count = 0;
#define ADD(kind_, number_)                                                                                            \
  do {                                                                                                                 \
    if (count < room) keys[count] = (struct loyalty_counter_key){.kind = (kind_), .number = (number_)};                \
    count++;                                                                                                           \
  } while (0)
  for (size_t i = 0; i < order->used_count; i++) {
    const struct loyalty_used *used = &order->used[i];
    const struct loyalty_campaign *campaign = loyalty_set_campaign(set, used->rule.campaign);
    if (campaign != NULL && campaign->budget.cents > 0) ADD(LOYALTY_COUNT_CENTS, campaign->number);
    if (campaign != NULL && campaign->budget.uses > 0) ADD(LOYALTY_COUNT_USES, campaign->number);
    const struct loyalty_voucher *voucher = used->voucher == 0 ? NULL : loyalty_set_voucher(set, used->voucher);
    if (voucher != NULL && voucher->uses_total > 0) ADD(LOYALTY_COUNT_VOUCHER_USES, voucher->number);
    if (voucher != NULL && voucher->budget_cents > 0) ADD(LOYALTY_COUNT_VOUCHER_CENTS, voucher->number);
  }
  for (size_t i = 0; i < order->posted_count; i++) {
    for (size_t j = 0; j < order->posted[i].lot_count; j++) {
      const struct loyalty_lot *lot = &order->posted[i].lots[j];
      const struct loyalty_campaign *campaign = loyalty_set_campaign(set, lot->rule.campaign);
      const struct loyalty_live_rule *rule =
          lot->rule.rule == 0 ? NULL : loyalty_set_rule(set, order->posted[i].programme, lot->rule);
      if (campaign != NULL && campaign->budget.points > 0) ADD(LOYALTY_COUNT_POINTS, campaign->number);
      if (rule != NULL && count < room)
        count += loyalty_rule_counters(set, rule, lot->earned_us, keys + count, room - count);
      else if (rule != NULL)
        count += loyalty_rule_counters(set, rule, lot->earned_us, NULL, 0);
    }
  }
#undef ADD
  size_t left = count < room ? room - count : 0;
  return count + loyalty_cashier_counters(set, order->cashier, order->time_us, left > 0 ? keys + count : NULL, left);
}

// --- the return's row and reply --------------------------------------------------------------------------------

static void write_reply(const struct giving_back *giving, struct json_writer *writer) {
  const struct loyalty_order *order = giving->order;
  json_object_begin(writer);
  json_member_bytes(writer, "order", order->id);
  json_member_bytes(writer, "return_id", giving->id);
  json_name(writer, "refund");
  json_object_begin(writer);
  json_member_scaled(writer, "amount", giving->plan.cents, 2);
  json_member_scaled(writer, "money", giving->plan.money_cents, 2);
  json_name(writer, "tenders");
  json_array_begin(writer);
  for (size_t i = 0; i < order->tender_count; i++) {
    const struct loyalty_tender *tender = &order->tenders[i];
    json_object_begin(writer);
    if (tender->kind == LOYALTY_TENDER_CARD) json_member_bytes(writer, "card", tender->code);
    if (tender->kind == LOYALTY_TENDER_POINTS)
      json_member_scaled(writer, "points", giving->plan.tender_amounts[i],
                         loyalty_set_scale(giving->work->loyalty, tender->programme, tender->currency));
    json_member_scaled(writer, "amount", giving->plan.tender_cents[i], 2);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
  json_name(writer, "points");
  json_array_begin(writer);
  for (size_t i = 0; i < order->posted_count; i++) {
    const struct loyalty_programme *programme =
        loyalty_set_programme(giving->work->loyalty, order->posted[i].programme);
    const struct loyalty_currency *currency =
        programme == NULL ? NULL : loyalty_currency_at(programme, order->posted[i].currency);
    if (currency == NULL) continue;
    json_object_begin(writer);
    json_member_bytes(writer, "programme", programme->id);
    json_member_bytes(writer, "currency", currency->id);
    json_member_scaled(writer, "taken_back", giving->plan.take_back[i] - giving->uncollected[i], currency->scale);
    json_member_scaled(writer, "uncollected", giving->uncollected[i], currency->scale);
    if (giving->expired[i] > 0) json_member_scaled(writer, "expired", giving->expired[i], currency->scale);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

static enum err keep_return(struct giving_back *giving, struct json_writer *writer) {
  struct loyalty_order *order = giving->order;
  struct work *work = giving->work;
  struct loyalty_return *returns = arena_take(work->arena, (order->return_count + 1) * sizeof *returns);
  struct json_writer own;
  struct buffer reply;
  if (returns == NULL) return diag_no_memory(work->diag);
  if (order->return_count > 0) memcpy(returns, order->returns, order->return_count * sizeof *returns);
  buffer_init(&reply);
  json_writer_init(&own, &reply);
  write_reply(giving, &own);
  struct bytes kept = {0};
  if (!reply.failed) kept = arena_copy(work->arena, buffer_view(&reply));
  buffer_release(&reply);
  if (kept.data == NULL) return diag_no_memory(work->diag);
  int64_t points = 0;
  for (size_t i = 0; i < order->posted_count; i++) points += giving->plan.take_back[i];
  returns[order->return_count++] = (struct loyalty_return){.id = giving->id,
                                                           .time_us = giving->time_us,
                                                           .cents = giving->plan.cents,
                                                           .points = points,
                                                           .quantities = giving->plan.quantities,
                                                           .reply = kept};
  order->returns = returns;
  if (writer != NULL) json_raw(writer, kept);
  return ERR_OK;
}

static enum err carry_out(struct giving_back *giving, bool codes_too) {
  struct loyalty_order *order = giving->order;
  for (size_t i = 0; i < order->line_count; i++) order->lines[i].returned += giving->plan.quantities[i];
  enum err err = free_budgets(giving);
  for (size_t i = 0; err == ERR_OK && i < order->posted_count; i++) err = take_back(giving, i);
  for (size_t i = 0; err == ERR_OK && i < order->tender_count; i++) err = restore_tender(giving, i);
  bool whole = codes_too || !is_left(order);
  for (size_t i = 0; err == ERR_OK && whole && i < order->used_count; i++) err = unuse(giving, &order->used[i]);
  return err;
}

bool loyalty_order_is_tender_first(const struct work *work, const struct loyalty_order *order) {
  for (size_t i = 0; i < order->tender_count; i++) {
    const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, order->tenders[i].programme);
    if (programme != NULL && programme->tender_first) return true;
  }
  return false;
}

static void write_replay(struct bytes reply, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bool(writer, "replayed", true);
  json_name(writer, "reply");
  json_raw(writer, reply);
  json_object_end(writer);
}

enum err loyalty_order_give_back(struct loyalty_kit *kit, struct loyalty_order *order, struct bytes return_id,
                                 const int64_t *quantities, int64_t time_us, bool cancel, struct json_writer *writer) {
  struct work *work = kit->work;
  const struct loyalty_return *known = find_return(order, return_id);
  if (known != NULL) {
    if (writer != NULL) write_replay(known->reply, writer);
    return ERR_OK;
  }
  struct giving_back giving = {
      .kit = kit, .work = work, .order = order, .id = return_id, .time_us = time_us, .cancel = cancel};
  giving.uncollected = arena_take_zero(work->arena, order->posted_count + 1, sizeof *giving.uncollected);
  giving.expired = arena_take_zero(work->arena, order->posted_count + 1, sizeof *giving.expired);
  if (giving.uncollected == NULL || giving.expired == NULL) return diag_no_memory(work->diag);
  enum err err = loyalty_order_return_plan(kit, order, quantities, &giving.plan);
  if (err == ERR_OK) err = carry_out(&giving, cancel);
  if (err == ERR_OK && cancel) order->state = LOYALTY_ORDER_CANCELLED;
  if (err == ERR_OK) err = keep_return(&giving, writer);
  // The other booking of a receipt stays.
  if (err == ERR_OK && !bytes_equal(kit->reason, BYTES(LOYALTY_DOUBLE)))
    err = loyalty_referral_return(work, kit->customer, order);
  return err == ERR_OK ? loyalty_order_write(work, kit->customer->record.id, order) : err;
}

// --- by event --------------------------------------------------------------------------------------------------

// "Order Refunded" with "return_id" or "refund_id"; without either the message is the return.
static struct bytes return_id_of(struct work *work, const struct work_event *event, struct value properties) {
  struct bytes id;
  struct value member = value_member(properties, work->engine->names, BYTES("return_id"));
  if (value_as_text(member, &id) && id.size_bytes > 0) return id;
  member = value_member(properties, work->engine->names, BYTES("refund_id"));
  if (value_as_text(member, &id) && id.size_bytes > 0) return id;
  return event->event->message_id;
}

enum err loyalty_order_event(struct loyalty_kit *kit, const struct work_event *event,
                             const struct loyalty_event *in_hand, bool cancelled, const char **refusal) {
  struct work *work = kit->work;
  struct value properties = value_member_id(event->event->message, work->engine->id.properties);
  struct loyalty_order *order = NULL;
  struct bytes id;
  int64_t *quantities = NULL;
  if (!value_as_text(value_member(properties, work->engine->names, BYTES("order_id")), &id)) return ERR_OK;
  enum err err = loyalty_order_read(work, kit->customer->record.id, id, &order);
  if (err == ERR_OK && order == NULL) *refusal = "no_order";
  if (err != ERR_OK || order == NULL || order->state == LOYALTY_ORDER_CANCELLED) return err;
  struct bytes return_id = return_id_of(work, event, properties);
  if (!cancelled && !loyalty_order_was_returned(order, return_id))
    err = loyalty_return_read(properties, work->engine->names, order, work->arena, &quantities, work->diag);
  if (err == ERR_OK) err = loyalty_order_give_back(kit, order, return_id, quantities, in_hand->at_us, cancelled, NULL);
  // What a shop tells that cannot be (more than was sold) changes nothing; it stands on the timeline.
  if (err != ERR_DENIED && err != ERR_INVALID) return err;
  *refusal = loyalty_refusal_code(work->diag->code);
  return ERR_OK;
}
