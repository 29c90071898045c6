// loyalty_order.c: a basket is priced, paid and booked.
//
// One way for an evaluation, an order of the API and an order that a shop tells by event. In this order: discounts of
// rules and codes are laid over the basket (not for a shop's own event, which says what was paid); points, holds and
// cards pay their part; what is left is money; rules earn on what was paid by money or card. The order is kept as one
// row under the customer ("o", its id), with every share frozen, so that a return needs nothing else; ORDERS leads from
// its id to whoever has it. An id that is there already is the same order: the first reply is given again.
//
// loyalty_order_price.c says what it comes to, loyalty_order_pay.c pays and fills the order; here are its rows, its
// reply, and the way from one to the next.
#include "engine/loyalty_order.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"

enum { OWNERS_MAX = 16 };

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

// --- telling -------------------------------------------------------------------------------------------------

static void put_cents(struct json_writer *writer, const char *name, int64_t cents) {
  json_member_scaled(writer, name, cents, 2);
}

static void write_discount(const struct loyalty_booking *booking, size_t index, struct json_writer *writer) {
  const struct loyalty_offer *offer = &booking->offers[index];
  const struct loyalty_offer_of *source = &booking->sources[index];
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

static void write_points(const struct loyalty_booking *booking, const struct loyalty_outcome *outcome,
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

static void write_tender(const struct loyalty_booking *booking, const struct loyalty_tender *tender,
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

static void write_effects(const struct loyalty_booking *booking, struct json_writer *writer) {
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

static void write_rejected(const struct loyalty_booking *booking, struct json_writer *writer) {
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

static void write_totals(const struct loyalty_booking *booking, struct json_writer *writer) {
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
static enum err write_missing(const struct loyalty_booking *booking, struct json_writer *writer) {
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

static enum err write_reply(const struct loyalty_booking *booking, struct json_writer *writer) {
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

static enum err keep_reply(struct loyalty_booking *booking) {
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
static enum err compare_due(struct loyalty_booking *booking) {
  const struct loyalty_request *request = booking->request;
  if (request->due != NULL) *request->due = booking->due;
  if (request->expected == NULL || *request->expected == booking->due) return ERR_OK;
  *request->differs = true;
  return diag_set(booking->work->diag, ERR_BUSY, "basket_changed", "what the basket comes to has changed");
}

// Its event says what it came to then, of what this shop has priced.
static enum err message_of(struct loyalty_booking *booking, struct value *message) {
  *message = booking->event->event->message;
  if (booking->kit->simulated == NULL || booking->request == NULL) return ERR_OK;
  return loyalty_with_total(booking->work, *message, booking->due, message);
}

static void tell_simulated(const struct loyalty_booking *booking, struct loyalty_simulated *simulated) {
  simulated->order = booking->order;
  simulated->outcomes = booking->outcomes;
}

// Paid, earned on, and told.
static enum err settle(struct loyalty_booking *booking) {
  struct work *work = booking->work;
  struct loyalty_event with_paid = *booking->in_hand;
  struct value message;
  with_paid.basket = booking->basket;
  enum err err = loyalty_order_use(booking);
  if (err == ERR_OK) err = loyalty_order_pay(booking);
  if (err == ERR_OK) err = message_of(booking, &message);
  if (err == ERR_OK)
    err = loyalty_with_paid(message, booking->basket, loyalty_order_paid_by_money(booking), work->engine->names,
                            work->arena, &with_paid.message);
  if (err == ERR_OK)
    err =
        loyalty_earn_rules(booking->kit, &with_paid, booking->order.id, booking->order.identifier, &booking->outcomes);
  if (err == ERR_OK) err = loyalty_order_keep_lines(booking);
  if (err == ERR_OK) err = loyalty_order_keep_posted(booking);
  if (err != ERR_OK) return err;
  if (booking->kit->simulated == NULL) {
    if (booking->kit->answers != NULL) err = loyalty_asked_row(booking->kit, &booking->order.asked);
    return err == ERR_OK ? keep_reply(booking) : err;
  }
  tell_simulated(booking, booking->kit->simulated);
  return ERR_OK;
}

static enum err book(struct loyalty_booking *booking) {
  struct work *work = booking->work;
  bool due_alone = booking->request != NULL && booking->request->due != NULL; // it will be booked in a second look
  enum err err = booking->request != NULL ? loyalty_order_price(booking) : loyalty_order_take_as_told(booking);
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
  struct loyalty_booking booking = {.kit = kit,
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
