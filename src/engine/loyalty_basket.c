// loyalty_basket.c: baskets and orders as the API asks for them.
//
// An order is an event, "Order Completed", and takes the way of every event (apply.c), with what the caller asks for
// beside it: codes, points and cards to pay with. What it comes to is not known before it was priced, and it stands on
// the timeline: without a total in the cart it is priced once without writing, then booked with that total, which must
// come out again. An evaluation is the first half alone.
#include <sodium.h>
#include <stdio.h>

#include "base/varint.h"
#include "engine/loyalty_request.h"
#include "engine/parts.h"

enum { AMOUNT_IN_MESSAGE = 255 }; // timeline.h: to be looked up there
enum { PRICE_TRIES_MAX = 4, MESSAGE_ID_BYTES = LIMIT_NAME_BYTES + 16, RANDOM_BYTES = 16 };

struct basket_call {
  struct engine *engine;
  const struct engine_caller *caller;
  struct arena arena;
  struct value request, cart;
  struct bytes order;
  struct identifier identifier;
  struct loyalty_request wanted;
  int64_t at_us;
  bool has_total;
  struct buffer message, seen;
};

static struct value member_of(const struct basket_call *call, struct value document, const char *name) {
  if (value_is_absent(document) || value_type(document) != VALUE_DOCUMENT) return (struct value){{NULL, 0}};
  return value_member(document, call->engine->names, bytes_from_text(name));
}

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

// --- reading the request -----------------------------------------------------------------------------------------

static enum err read_cart(struct basket_call *call, bool order, struct diag *diag) {
  call->cart = member_of(call, call->request, "cart");
  if (value_is_absent(call->cart) || value_type(call->cart) != VALUE_DOCUMENT)
    return bad("cart", "missing_member", "an object as the properties of an \"Order Completed\"", diag);
  struct value id = member_of(call, call->cart, "order_id");
  if (!value_is_absent(id) &&
      (!value_as_text(id, &call->order) || call->order.size_bytes == 0 || call->order.size_bytes > LIMIT_NAME_BYTES ||
       memchr(call->order.data, 0, call->order.size_bytes) != NULL))
    return bad("cart.order_id", "wrong_type", "a text of 1 to 256 bytes", diag);
  if (order && call->order.size_bytes == 0)
    return bad("cart.order_id", "missing_member", "said: an order is booked once by its id", diag);
  call->has_total = !value_is_absent(member_of(call, call->cart, "total"));
  return ERR_OK;
}

static enum err read_codes(struct basket_call *call, struct diag *diag) {
  struct value list = member_of(call, call->request, "codes");
  if (value_is_absent(list)) return ERR_OK;
  if (value_type(list) != VALUE_LIST) return bad("codes", "wrong_type", "a list of texts", diag);
  struct bytes *codes = arena_take(&call->arena, LOYALTY_CODES_MAX * sizeof *codes);
  if (codes == NULL) return diag_no_memory(diag);
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    char text[LOYALTY_CODE_BYTES + 1];
    struct bytes raw;
    if (call->wanted.code_count == LOYALTY_CODES_MAX)
      return diag_set(diag, ERR_LIMIT, "too_many", "a basket takes at most %d codes", LOYALTY_CODES_MAX);
    if (!value_as_text(iter.item, &raw)) return bad("codes", "wrong_type", "a list of texts", diag);
    // What no code can be is a code that is not there.
    if (loyalty_code_normalise(raw, text, NULL) != ERR_OK) snprintf(text, sizeof text, "-");
    codes[call->wanted.code_count] = arena_copy(&call->arena, bytes_from_text(text));
    if (codes[call->wanted.code_count++].data == NULL) return diag_no_memory(diag);
  }
  call->wanted.codes = codes;
  return ERR_OK;
}

static enum err read_pay_points(struct basket_call *call, struct value one, struct loyalty_pay *pay,
                                struct diag *diag) {
  struct member_call like = {.engine = call->engine, .request = one};
  const struct loyalty_set *set = loyalty_hold(call->engine);
  const struct loyalty_programme *programme = NULL;
  const struct loyalty_currency *currency = NULL;
  enum err err = member_call_programme(&like, set, &programme, diag);
  if (err == ERR_OK) err = member_call_currency(&like, programme, &currency, diag);
  if (err == ERR_OK) err = member_call_amount(&like, "amount", currency->scale, false, &pay->amount, diag);
  if (err == ERR_OK) pay->programme = programme->number;
  if (err == ERR_OK) pay->currency = currency->number;
  if (set != NULL) loyalty_set_close(set);
  return err;
}

static enum err read_pay_card(struct basket_call *call, struct value one, struct loyalty_pay *pay, struct diag *diag) {
  struct member_call like = {.engine = call->engine, .request = one};
  char text[LOYALTY_CODE_BYTES + 1];
  struct bytes code;
  pay->kind = LOYALTY_PAY_CARD;
  enum err err = member_call_text(&like, "code", true, &code, diag);
  if (err == ERR_OK) err = loyalty_code_normalise(code, text, diag);
  if (err == ERR_OK) pay->code = arena_copy(&call->arena, bytes_from_text(text));
  if (err == ERR_OK && pay->code.data == NULL) return diag_no_memory(diag);
  if (err == ERR_OK && !value_is_absent(member_of(call, one, "amount")))
    err = member_call_amount(&like, "amount", 2, false, &pay->amount, diag);
  return err;
}

static enum err read_pay_hold(struct basket_call *call, struct value one, struct loyalty_pay *pay, struct diag *diag) {
  struct member_call like = {.engine = call->engine, .request = one};
  struct bytes id;
  uint64_t customer;
  pay->kind = LOYALTY_PAY_HOLD;
  enum err err = member_call_text(&like, "id", true, &id, diag);
  if (err != ERR_OK || loyalty_hold_parse(id, &customer, &pay->hold)) return err;
  return diag_set(diag, ERR_NOT_FOUND, "no_hold", "%s", loyalty_refusal_words("no_hold"));
}

static enum err read_pay_one(struct basket_call *call, struct value one, struct loyalty_pay *pay, struct diag *diag) {
  struct value points = member_of(call, one, "points"), card = member_of(call, one, "card");
  struct value hold = member_of(call, one, "hold");
  if (!value_is_absent(hold)) return read_pay_hold(call, hold, pay, diag);
  if (!value_is_absent(points)) return read_pay_points(call, points, pay, diag);
  if (!value_is_absent(card)) return read_pay_card(call, card, pay, diag);
  return bad("pay", "unknown_member", "a list of {\"points\":{…}}, {\"card\":{…}} and {\"hold\":{…}}", diag);
}

static enum err read_pay(struct basket_call *call, struct diag *diag) {
  struct value list = member_of(call, call->request, "pay");
  if (value_is_absent(list)) return ERR_OK;
  if (value_type(list) != VALUE_LIST) return bad("pay", "wrong_type", "a list", diag);
  struct loyalty_pay *pay = arena_take_zero(&call->arena, LOYALTY_CODES_MAX, sizeof *pay);
  if (pay == NULL) return diag_no_memory(diag);
  call->wanted.pay = pay;
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) {
    if (call->wanted.pay_count == LOYALTY_CODES_MAX)
      return diag_set(diag, ERR_LIMIT, "too_many", "a basket is paid in at most %d ways", LOYALTY_CODES_MAX);
    enum err err = read_pay_one(call, iter.item, &pay[call->wanted.pay_count++], diag);
    if (err == ERR_OK) continue;
    if (diag != NULL && diag->field[0] != 0) diag_in_field(diag, "pay[%zu]", call->wanted.pay_count - 1);
    return err;
  }
  return ERR_OK;
}

// "c42", or an identifier as events carry it.
static enum err read_customer(struct basket_call *call, bool order, struct diag *diag) {
  struct member_call like = {.engine = call->engine, .request = call->request};
  struct bytes reference;
  enum err err = member_call_text(&like, "customer", false, &reference, diag);
  if (err != ERR_OK) return err;
  if (reference.size_bytes == 0 && order)
    return diag_set(diag, ERR_DENIED, "ProfileRequired", "%s", loyalty_refusal_words("ProfileRequired"));
  if (reference.size_bytes == 0) { // nobody known: somebody who is nobody, for the time of the evaluation
    uint8_t random[RANDOM_BYTES];
    char text[2 * RANDOM_BYTES + 1];
    randombytes_buf(random, sizeof random);
    bytes_to_hex(bytes_of(random, sizeof random), text);
    call->wanted.nobody = true;
    call->identifier =
        (struct identifier){call->engine->id.anonymous_id, arena_copy(&call->arena, bytes_from_text(text))};
    return call->identifier.value.data == NULL ? diag_no_memory(diag) : ERR_OK;
  }
  struct engine_view *view;
  uint64_t customer;
  if (memchr(reference.data, ':', reference.size_bytes) != NULL) {
    err = parts_identifier(call->engine, reference, &call->arena, &call->identifier, diag);
  } else {
    err = engine_view_open(call->engine, &view);
    if (err != ERR_OK) return engine_explain_failure(err, diag);
    err = engine_find(view, reference, &customer, diag);
    engine_view_close(view);
    if (err == ERR_OK) err = parts_anchor(call->engine, customer, &call->arena, &call->identifier, diag);
  }
  if (err == ERR_INVALID || err == ERR_NOT_FOUND) diag_in_field(diag, "customer");
  return err;
}

// --- sales of tills that were away -----------------------------------------------------------------------------

// Row of DOCUMENT "loyalty_late", 0, the order's id: the sale was kept for a person; there for ever, as an order that
// was booked is, so that it is kept once however often the till sends it and whatever the person made of it.
static void late_key(struct key *key, struct bytes order) {
  key_init(key);
  key_put_text(key, BYTES("loyalty_late"));
  key_put_raw(key, order);
}

static enum err keep_late(struct work *work, void *context) {
  const struct basket_call *call = context;
  struct bytes row;
  struct key key;
  late_key(&key, call->order);
  enum err err = loyalty_codes_lock(work, NULL, 0, &call->order, 1);
  if (err == ERR_OK) err = store_get(work->txn, STORE_DOCUMENT, key_view(&key), work->arena, &row);
  if (err != ERR_OK || row.data != NULL) return err;
  err = store_put(work->txn, STORE_DOCUMENT, key_view(&key), BYTES("1"));
  if (err != ERR_OK) return err;
  work->delta.set_aside++;
  return aside_put(work, call->caller->source, "TOO_LATE", loyalty_refusal_words("TOO_LATE"), BYTES(""), call->request,
                   work->now_us);
}

// What is only tried is not kept.
static enum err too_late(struct basket_call *call, bool order, struct diag *diag) {
  struct work_plan plan = {0};
  struct store_mark mark;
  enum err err = order ? work_run(call->engine, &plan, keep_late, call, &mark, diag) : ERR_OK;
  return err == ERR_OK ? diag_set(diag, ERR_DENIED, "TOO_LATE", "%s", loyalty_refusal_words("TOO_LATE")) : err;
}

// Was this order booked before? Then its reply is told again, whenever and wherever it is sent.
static enum err find_booked(const struct basket_call *call, bool *booked, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct arena arena;
  struct bytes row;
  *booked = false;
  if (call->order.size_bytes == 0) return ERR_OK;
  enum err err = store_snapshot_open(call->engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  arena_init(&arena, 0);
  err = store_snapshot_get(snapshot, STORE_ORDERS, call->order, &arena, &row);
  *booked = err == ERR_OK && row.data != NULL;
  arena_release(&arena);
  store_snapshot_close(snapshot);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

// Why a till that was away cannot have booked this; NULL: it can.
static const char *refusal_of_away(const struct basket_call *call, int64_t now_us) {
  const struct loyalty_set *set = loyalty_hold(call->engine);
  bool burns = call->wanted.pay_count > 0 || call->wanted.code_count > 0, late = false, earn_only = false;
  for (size_t i = 0; set != NULL && i < loyalty_set_programmes(set); i++) {
    const struct loyalty_programme *programme = loyalty_set_programme_at(set, i);
    const struct rule_zone *zone = loyalty_set_zone(set, programme->number);
    int64_t until_us;
    earn_only |= programme->offline.earn_only;
    late |= programme->offline.lateness.count > 0 &&
            rule_time_add(zone, call->at_us, programme->offline.lateness, &until_us) == ERR_OK && now_us > until_us;
  }
  if (set != NULL) loyalty_set_close(set);
  return burns && earn_only ? "OFFLINE_EARN_ONLY" : late ? "TOO_LATE" : NULL;
}

static enum err check_lateness(struct basket_call *call, bool order, struct diag *diag) {
  struct member_call like = {.engine = call->engine, .request = call->request};
  int64_t now_us = clock_now_us(call->engine->clock);
  bool booked;
  enum err err = member_call_time(&like, "time", now_us, &call->at_us, diag);
  if (err == ERR_OK) err = member_call_time(&like, "business_time", 0, &call->wanted.business_us, diag);
  if (err != ERR_OK || call->wanted.business_us == 0) return err;
  call->at_us = call->wanted.business_us;
  const char *refusal = refusal_of_away(call, now_us);
  if (refusal == NULL) return ERR_OK;
  err = find_booked(call, &booked, diag);
  if (err != ERR_OK || booked) return err;
  if (strcmp(refusal, "TOO_LATE") == 0) return too_late(call, order, diag);
  return diag_set(diag, ERR_DENIED, refusal, "%s", loyalty_refusal_words(refusal));
}

// --- the event ---------------------------------------------------------------------------------------------------

static void put_text(struct value_builder *builder, const char *name, struct bytes text) {
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

static void put_properties(const struct basket_call *call, struct value_builder *builder, const int64_t *total) {
  value_put_name(builder, BYTES("properties"));
  value_document_begin(builder);
  struct value_iter iter = value_iterate(call->cart);
  while (value_next(&iter)) {
    value_put_name(builder, value_iter_name(&iter, call->engine->names));
    value_put_value(builder, iter.item);
  }
  if (total != NULL) {
    struct decimal number = decimal_from_i64(*total);
    number.exponent = -2;
    value_put_name(builder, BYTES("total"));
    value_put_number(builder, number);
  }
  value_document_end(builder);
}

// `total` NULL: as the cart says.
static enum err build_message(const struct basket_call *call, struct bytes message_id, const int64_t *total,
                              struct buffer *message) {
  struct value_builder builder;
  buffer_clear(message);
  value_builder_init(&builder, message, call->engine->names);
  value_document_begin(&builder);
  put_text(&builder, "type", BYTES("track"));
  put_text(&builder, "event", BYTES("Order Completed"));
  put_text(&builder, "messageId", message_id);
  put_properties(call, &builder, total);
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

// Discounts decide what a basket comes to, so they cannot look at it: a cart without a total has for them the one
// before discounts, when it is evaluated and when it is booked.
static enum err see(struct basket_call *call, struct bytes message_id) {
  const struct loyalty_set *set = loyalty_hold(call->engine);
  struct loyalty_basket basket;
  enum err err = ERR_INVALID;
  if (set != NULL && loyalty_set_programmes(set) > 0)
    err = loyalty_basket_read(call->cart, call->engine->names, loyalty_set_programme_at(set, 0)->money, &call->arena,
                              &basket, NULL);
  if (set != NULL) loyalty_set_close(set);
  if (err == ERR_INVALID || err == ERR_LIMIT) return ERR_OK; // whoever prices it says why
  if (err != ERR_OK) return err;
  int64_t total = loyalty_basket_due(&basket);
  err = build_message(call, message_id, &total, &call->seen);
  call->wanted.seen = (struct value){buffer_view(&call->seen)};
  return err;
}

static enum err apply(struct basket_call *call, bool dry_run, const int64_t *total, struct engine_commit *commit,
                      struct diag *diag) {
  char id[MESSAGE_ID_BYTES];
  int size = snprintf(id, sizeof id, "order:%.*s", BYTES_ARG(call->order));
  struct engine_event event = {.type = ENGINE_TRACK,
                               .source = call->caller->source,
                               .trusted = true,
                               .time_us = call->at_us,
                               .received_us = clock_now_us(call->engine->clock),
                               .message_id = bytes_of(id, (size_t)size),
                               .identifiers = {{call->identifier, IDENTITY_OK}},
                               .identifier_count = 1,
                               .amount_code = AMOUNT_IN_MESSAGE};
  enum err err = names_intern(call->engine->names, BYTES("Order Completed"), &event.name, diag);
  if (err == ERR_OK) err = build_message(call, event.message_id, total, &call->message);
  if (err == ERR_OK && !call->has_total && call->seen.size_bytes == 0) err = see(call, event.message_id);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err != ERR_OK) return err;
  event.message = (struct value){buffer_view(&call->message)};
  if (total != NULL) {
    event.amount = *total;
    event.amount_code = RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | 2;
  }
  return apply_basket(call->engine, &event, &call->wanted, dry_run, commit, diag);
}

static enum err open_call(struct basket_call *call, struct engine *engine, const struct engine_caller *caller,
                          struct value request, bool order, struct json_writer *writer, struct diag *diag) {
  *call = (struct basket_call){.engine = engine, .caller = caller, .request = request};
  arena_init(&call->arena, 0);
  buffer_init(&call->message);
  buffer_init(&call->seen);
  call->wanted.writer = writer;
  enum err err = read_cart(call, order, diag);
  if (err == ERR_OK) err = read_customer(call, order, diag);
  struct member_call like = {.engine = engine, .request = request};
  if (err == ERR_OK) err = member_call_text(&like, "cashier", false, &call->wanted.cashier, diag);
  if (err == ERR_OK) err = read_codes(call, diag);
  if (err == ERR_OK) err = read_pay(call, diag);
  return err == ERR_OK ? check_lateness(call, order, diag) : err;
}

static void close_call(struct basket_call *call) {
  buffer_release(&call->message);
  buffer_release(&call->seen);
  arena_release(&call->arena);
}

static enum err read_explain(struct basket_call *call, struct diag *diag) {
  struct value explain = member_of(call, call->request, "explain");
  if (value_is_absent(explain)) return ERR_OK;
  return value_as_bool(explain, &call->wanted.explain) ? ERR_OK : bad("explain", "wrong_type", "true or false", diag);
}

enum err engine_evaluate(struct engine *engine, const struct engine_caller *caller, struct value request,
                         struct json_writer *writer, struct diag *diag) {
  struct engine_commit commit = {0};
  struct basket_call call;
  enum err err = open_call(&call, engine, caller, request, false, writer, diag);
  if (err == ERR_OK) err = read_explain(&call, diag);
  if (err == ERR_OK) err = apply(&call, true, NULL, &commit, diag);
  close_call(&call);
  return err;
}

enum err engine_order(struct engine *engine, const struct engine_caller *caller, struct value request,
                      struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct basket_call call;
  int64_t due = 0; // of an order that is there already nothing is priced
  bool differs = true;
  enum err err = open_call(&call, engine, caller, request, true, writer, diag);
  for (int tries = 0; err == ERR_OK && differs && tries < PRICE_TRIES_MAX; tries++) {
    call.wanted.due = &due;
    call.wanted.expected = NULL;
    if (!call.has_total) err = apply(&call, true, NULL, commit, diag);
    if (err != ERR_OK) break;
    call.wanted.due = NULL;
    call.wanted.expected = call.has_total ? NULL : &due;
    call.wanted.differs = &differs;
    differs = false;
    err = apply(&call, false, call.has_total ? NULL : &due, commit, diag);
    if (differs) err = ERR_OK; // budgets or points changed in between: priced again
  }
  close_call(&call);
  if (err == ERR_OK && differs)
    return diag_set(diag, ERR_CONFLICT, "conflict", "what this basket comes to kept changing; send it again");
  return err;
}

// --- orders that are there -------------------------------------------------------------------------------------

struct order_call {
  struct bytes order, return_id;
  bool cancel;
  int64_t time_us;
};

// Who has the order now, as far as a look without locks can tell.
static enum err find_owner(struct member_call *call, struct bytes order, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct engine_view *view;
  struct bytes row;
  enum err err = store_snapshot_open(call->engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = store_snapshot_get(snapshot, STORE_ORDERS, order, &call->arena, &row);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  struct varint_reader reader = varint_reader_of(row);
  if (row.data == NULL) return diag_set(diag, ERR_NOT_FOUND, "no_order", "there is no order of this id");
  char reference[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(varint_read(&reader), reference);
  err = engine_view_open(call->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = engine_find(view, bytes_from_text(reference), &call->customers[0], diag);
  call->customer_count = 1;
  engine_view_close(view);
  return err;
}

static enum err lock_order(struct work *work, const struct loyalty_order *order) {
  size_t count = order->used_count + order->tender_count, code_count = 0;
  struct bytes *codes = arena_take(work->arena, (count + 1) * sizeof *codes);
  if (codes == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < order->used_count; i++)
    if (order->used[i].code.size_bytes > 0) codes[code_count++] = order->used[i].code;
  for (size_t i = 0; i < order->tender_count; i++)
    if (order->tenders[i].kind == LOYALTY_TENDER_CARD) codes[code_count++] = order->tenders[i].code;
  enum err err = loyalty_codes_lock(work, codes, code_count, NULL, 0);
  if (err != ERR_OK) return err;
  size_t room = loyalty_order_counters(order, work->loyalty, NULL, 0);
  struct loyalty_counter_key *keys = arena_take(work->arena, (room + 1) * sizeof *keys);
  if (keys == NULL) return diag_no_memory(work->diag);
  loyalty_order_counters(order, work->loyalty, keys, room);
  return loyalty_counters_lock(work, keys, room);
}

static enum err no_order(struct work *work) {
  return diag_set(work->diag, ERR_NOT_FOUND, "no_order", "there is no order of this id");
}

static const char *state_word(const struct loyalty_order *order) {
  return order->state == LOYALTY_ORDER_CANCELLED ? "cancelled" : "placed";
}

static enum err order_side(const struct work *work, const struct loyalty_order *order, struct bytes *text) {
  struct audit_side side;
  struct json_writer *writer = audit_side_begin(&side);
  json_member_text(writer, "state", state_word(order));
  json_member_scaled(writer, "paid", loyalty_order_paid(order), 2);
  json_member_scaled(writer, "remaining", loyalty_order_remaining(order), 2);
  return audit_side_end(&side, work->arena, text) == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

// A cancellation, or its end; what is told again changed nothing.
static enum err note_order(struct member_call *call, const struct loyalty_order *order, const char *action,
                           struct bytes before) {
  struct member_change change = {.action = action, .subject = order->id, .before = before};
  enum err err = order_side(call->work, order, &change.after);
  if (err != ERR_OK || bytes_equal(change.before, change.after)) return err;
  return member_call_audit(call, &change);
}

static enum err give_back(struct member_call *call, void *context) {
  const struct order_call *asked = context;
  struct work *work = call->work;
  struct loyalty_order *order = NULL;
  struct loyalty_kit kit;
  int64_t *quantities = NULL;
  struct bytes before;
  enum err err = ERR_OK;
  if (work->loyalty == NULL) return no_order(work);
  err = loyalty_order_read(work, call->members[0]->record.id, asked->order, &order);
  if (err == ERR_OK && order == NULL) return no_order(work);
  if (err == ERR_OK) err = lock_order(work, order);
  bool again = order != NULL && loyalty_order_was_returned(order, asked->return_id);
  if (err == ERR_OK && !asked->cancel && !again && !value_is_absent(call->request))
    err = loyalty_return_read(call->request, call->engine->names, order, work->arena, &quantities, work->diag);
  if (err == ERR_OK) err = order_side(work, order, &before);
  if (err != ERR_OK) return err;
  err = loyalty_kit_open(&kit, work, call->members[0]);
  if (err == ERR_OK)
    err =
        loyalty_order_give_back(&kit, order, asked->return_id, quantities, asked->time_us, asked->cancel, call->writer);
  loyalty_kit_close(&kit);
  return err == ERR_OK && asked->cancel ? note_order(call, order, "order.cancelled", before) : err;
}

static enum err run_order(struct member_call *call, struct order_call *asked, member_fn *body,
                          struct engine_commit *commit, struct diag *diag) {
  enum err err = find_owner(call, asked->order, diag);
  return err == ERR_OK ? member_call_run_ids(call, body, asked, commit, diag) : err;
}

enum err engine_order_return(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                             struct value request, struct json_writer *writer, struct engine_commit *commit,
                             struct diag *diag) {
  struct order_call asked = {.order = order};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = member_call_text(&call, "return_id", true, &asked.return_id, diag);
  if (err == ERR_OK) err = member_call_time(&call, "time", clock_now_us(engine->clock), &asked.time_us, diag);
  if (err == ERR_OK) err = run_order(&call, &asked, give_back, commit, diag);
  member_call_close(&call);
  return err;
}

enum err engine_order_cancel(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                             struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct order_call asked = {
      .order = order, .return_id = BYTES("cancel"), .cancel = true, .time_us = clock_now_us(engine->clock)};
  struct member_call call;
  member_call_open(&call, engine, caller, (struct value){{NULL, 0}}, writer);
  enum err err = run_order(&call, &asked, give_back, commit, diag);
  member_call_close(&call);
  return err;
}

static enum err reopen(struct member_call *call, void *context) {
  const struct order_call *asked = context;
  struct work *work = call->work;
  struct loyalty_order *order = NULL;
  struct loyalty_kit kit;
  struct bytes before;
  if (work->loyalty == NULL) return no_order(work);
  enum err err = loyalty_order_read(work, call->members[0]->record.id, asked->order, &order);
  if (err == ERR_OK && order == NULL) return no_order(work);
  if (err == ERR_OK) err = lock_order(work, order);
  if (err == ERR_OK) err = order_side(work, order, &before);
  if (err != ERR_OK) return err;
  err = loyalty_kit_open(&kit, work, call->members[0]);
  if (err == ERR_OK) err = loyalty_order_reopen(&kit, order, call->writer);
  loyalty_kit_close(&kit);
  return err == ERR_OK ? note_order(call, order, "order.reopened", before) : err;
}

enum err engine_order_reopen(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                             struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct order_call asked = {.order = order};
  struct member_call call;
  member_call_open(&call, engine, caller, (struct value){{NULL, 0}}, writer);
  enum err err = run_order(&call, &asked, reopen, commit, diag);
  member_call_close(&call);
  return err;
}

static enum err release(struct member_call *call, void *context) {
  const struct order_call *asked = context;
  struct work *work = call->work;
  struct loyalty_order *order = NULL;
  struct loyalty_kit kit;
  if (work->loyalty == NULL) return no_order(work);
  enum err err = loyalty_order_read(work, call->members[0]->record.id, asked->order, &order);
  if (err == ERR_OK && order == NULL) return no_order(work);
  if (err != ERR_OK) return err;
  json_object_begin(call->writer);
  json_member_bytes(call->writer, "order", order->id);
  json_name(call->writer, "released");
  json_array_begin(call->writer);
  err = loyalty_kit_open(&kit, work, call->members[0]);
  if (err == ERR_OK) err = loyalty_order_release(&kit, order, 0, asked->time_us, call->writer);
  loyalty_kit_close(&kit);
  json_array_end(call->writer);
  json_object_end(call->writer);
  return err;
}

enum err engine_order_release(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct order_call asked = {.order = order, .time_us = clock_now_us(engine->clock)};
  struct member_call call;
  member_call_open(&call, engine, caller, (struct value){{NULL, 0}}, writer);
  enum err err = run_order(&call, &asked, release, commit, diag);
  member_call_close(&call);
  return err;
}

static enum err tell_order(struct member_call *call, void *context) {
  const struct order_call *asked = context;
  struct loyalty_order *order = NULL;
  enum err err = loyalty_order_read(call->work, call->members[0]->record.id, asked->order, &order);
  if (err == ERR_OK && order == NULL) return no_order(call->work);
  if (err != ERR_OK) return err;
  char customer[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(call->members[0]->record.id, customer);
  loyalty_order_json(order, call->work->loyalty, call->writer);
  json_member_text(call->writer, "owner", customer);
  json_object_end(call->writer);
  return ERR_OK;
}

enum err engine_order_json(struct engine *engine, struct bytes order, struct json_writer *writer, struct diag *diag) {
  struct order_call asked = {.order = order};
  struct engine_commit commit = {0};
  struct member_call call;
  member_call_open(&call, engine, NULL, (struct value){{NULL, 0}}, writer);
  call.dry_run = true;
  enum err err = run_order(&call, &asked, tell_order, &commit, diag);
  member_call_close(&call);
  return err;
}
