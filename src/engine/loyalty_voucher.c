// loyalty_voucher.c: codes as callers ask for them: made, looked at, tried, used, given back, cancelled.
//
// A code that is nobody's is used under its own lock, and by whoever has it, also by nobody known: then a customer
// without a number stands in for her, who is never stored, and what asks for a person refuses. A code that is
// somebody's is found through her: her lock is taken first, whoever names the code. To validate is to redeem without
// the commit.
// A code is priced as in a basket of its own; several in one basket are an order's business (loyalty_order.c).
#include "engine/loyalty_request.h"

#include <inttypes.h>
#include <stdio.h>

#include "rule/literal.h"

enum { CODES_AT_ONCE = 10000, REDEMPTIONS_TOLD = 100, ID_BYTES = 24, DATE_BYTES = sizeof "2026-05-31" - 1 };

static enum err refuse(struct work *work, const char *code, const char *field) {
  diag_set(work->diag, ERR_DENIED, code, "%s", loyalty_refusal_words(code));
  diag_in_field(work->diag, "%s", field);
  return ERR_DENIED;
}

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err not_found(struct diag *diag) {
  diag_set(diag, ERR_NOT_FOUND, "CouponNotFound", "%s", loyalty_refusal_words("CouponNotFound"));
  diag_in_field(diag, "code");
  return ERR_NOT_FOUND;
}

static struct value member_of(const struct member_call *call, const char *name) {
  struct value nothing = {{NULL, 0}};
  if (value_is_absent(call->request) || value_type(call->request) != VALUE_DOCUMENT) return nothing;
  return value_member(call->request, call->engine->names, bytes_from_text(name));
}

// --- making ------------------------------------------------------------------------------------------------------

struct making {
  struct bytes voucher, code, to; // `code` normalised; empty: drawn
  int64_t count, value;
};

static enum err read_count(struct member_call *call, struct making *making, struct diag *diag) {
  struct value member = member_of(call, "count");
  struct decimal number;
  making->count = 1;
  if (value_is_absent(member)) return ERR_OK;
  if (!value_as_number(member, &number) || decimal_to_scaled_i64(number, 0, &making->count) != ERR_OK ||
      making->count < 1 || making->count > CODES_AT_ONCE)
    return bad("count", "out_of_range", "a number from 1 to 10000", diag);
  return ERR_OK;
}

static enum err read_making(struct member_call *call, struct making *making, struct diag *diag) {
  struct bytes code, customer;
  char text[LOYALTY_CODE_BYTES + 1];
  enum err err = member_call_text(call, "voucher", true, &making->voucher, diag);
  if (err == ERR_OK) err = member_call_text(call, "code", false, &code, diag);
  if (err == ERR_OK) err = member_call_text(call, "customer", false, &customer, diag);
  if (err == ERR_OK) err = member_call_text(call, "valid_to", false, &making->to, diag);
  if (err == ERR_OK) err = read_count(call, making, diag);
  if (err == ERR_OK && !value_is_absent(member_of(call, "value")))
    err = member_call_amount(call, "value", 2, false, &making->value, diag);
  if (err != ERR_OK) return err;
  if (making->count > 1 && code.size_bytes > 0)
    return bad("count", "conflict", "left out when the code is chosen", diag);
  if (code.size_bytes == 0) return ERR_OK;
  err = loyalty_code_normalise(code, text, diag);
  if (err == ERR_OK) making->code = arena_copy(&call->arena, bytes_from_text(text));
  if (err == ERR_OK && making->code.data == NULL) return diag_no_memory(diag);
  return err;
}

enum err loyalty_code_end_read(const struct loyalty_set *set, const struct loyalty_voucher *voucher, struct bytes text,
                               struct loyalty_span *span, struct diag *diag) {
  struct rule_problem problem;
  bool has_offset;
  int64_t instant_us;
  *span = (struct loyalty_span){0};
  if (text.size_bytes == 0) return ERR_OK;
  enum err err = rule_literal_time(text, &instant_us, &has_offset, &problem);
  if (err == ERR_OK && text.size_bytes == DATE_BYTES) instant_us += CLOCK_DAY_US;
  if (err == ERR_OK && !has_offset)
    err = rule_time_from_wall(loyalty_set_zone(set, voucher->programme), instant_us, &instant_us);
  if (err != ERR_OK) return bad("valid_to", "bad_date", "a date or a time, such as 2026-05-31", diag);
  *span = (struct loyalty_span){INT64_MIN, instant_us};
  return ERR_OK;
}

// More than are wanted, so that some may be there already.
static enum err draw(struct work *work, const struct loyalty_voucher *voucher, size_t count, struct bytes *codes) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = loyalty_code_draw(work, voucher, &codes[i]);
  return err == ERR_OK ? loyalty_codes_lock(work, codes, count, NULL, 0) : err;
}

static enum err issue(struct member_call *call, const struct making *making, const struct loyalty_voucher *voucher,
                      const struct bytes *codes, size_t drawn) {
  struct work *work = call->work;
  struct work_customer *customer = call->customer_count > 0 ? call->members[0] : NULL;
  struct loyalty_span span;
  int64_t made = 0;
  enum err err = loyalty_code_end_read(work->loyalty, voucher, making->to, &span, work->diag);
  for (size_t i = 0; err == ERR_OK && i < drawn && made < making->count; i++) {
    struct loyalty_held_code *held = loyalty_code_of(work, codes[i]);
    if (held->there && making->code.size_bytes > 0) return refuse(work, "code_taken", "code");
    if (held->there) continue;
    struct loyalty_code code = {.code = codes[i],
                                .customer = customer == NULL ? 0 : customer->record.id,
                                .span = span,
                                .balance = making->value,
                                .value = making->value,
                                .paid = making->value > 0};
    err = loyalty_code_issue(work, customer, voucher, &code);
    if (err != ERR_OK) return err;
    held->there = true; // drawn twice, it is one
    loyalty_code_json(&code, voucher, call->writer);
    json_object_end(call->writer);
    made++;
  }
  if (err != ERR_OK || made == making->count) return err;
  return diag_set(work->diag, ERR_LIMIT, "too_many", "nearly all codes of this length were given: make them longer");
}

// How many, and what they are worth; not which.
static enum err note_making(struct member_call *call, const struct making *making,
                            const struct loyalty_voucher *voucher) {
  const struct loyalty_programme *programme = loyalty_set_programme(call->work->loyalty, voucher->programme);
  struct member_change change = {.action = "codes.made", .subject = voucher->id};
  struct audit_side side;
  struct json_writer *writer = audit_side_begin(&side);
  if (programme != NULL) change.programme = programme->id;
  json_member_i64(writer, "count", making->count);
  if (making->value > 0) json_member_scaled(writer, "value", making->value, 2);
  if (audit_side_end(&side, call->work->arena, &change.after) != ERR_OK) return diag_no_memory(call->work->diag);
  return member_call_audit(call, &change);
}

static enum err make(struct member_call *call, void *context) {
  const struct making *making = context;
  struct work *work = call->work;
  const struct loyalty_voucher *voucher =
      work->loyalty == NULL ? NULL : loyalty_set_voucher_find(work->loyalty, making->voucher);
  if (voucher == NULL) {
    diag_set(work->diag, ERR_NOT_FOUND, "no_voucher", "there is no voucher \"%.*s\"", BYTES_ARG(making->voucher));
    diag_in_field(work->diag, "voucher");
    return ERR_NOT_FOUND;
  }
  if (voucher->archived) return refuse(work, "CouponPartOfNotRunningCampaign", "voucher");
  if (making->value > 0 && voucher->discount.kind != LOYALTY_CREDIT) return refuse(work, "not_a_card", "value");
  size_t count = making->code.size_bytes > 0 ? 1 : (size_t)making->count + (size_t)making->count / 8 + 8;
  struct bytes *codes = arena_take(work->arena, count * sizeof *codes);
  if (codes == NULL) return diag_no_memory(work->diag);
  codes[0] = making->code;
  enum err err =
      making->code.size_bytes > 0 ? loyalty_codes_lock(work, codes, 1, NULL, 0) : draw(work, voucher, count, codes);
  if (err != ERR_OK) return err;
  json_object_begin(call->writer);
  json_name(call->writer, "codes");
  json_array_begin(call->writer);
  err = issue(call, making, voucher, codes, count);
  json_array_end(call->writer);
  json_object_end(call->writer);
  return err == ERR_OK ? note_making(call, making, voucher) : err;
}

static const char *const CUSTOMER[] = {"customer"};

enum err engine_codes_make(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct making making = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = read_making(&call, &making, diag);
  bool given = !value_is_absent(member_of(&call, "customer"));
  if (err == ERR_OK) err = member_call_run(&call, CUSTOMER, given ? 1 : 0, make, &making, commit, diag);
  member_call_close(&call);
  return err;
}

// --- what is known without locks -----------------------------------------------------------------------------------

// Whoever had this number may have become another; *now 0: she is gone.
static enum err find_now(struct engine *engine, uint64_t customer, uint64_t *now, struct diag *diag) {
  struct engine_view *view;
  char reference[CUSTOMER_ID_TEXT_BYTES];
  *now = 0;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  customer_id_format(customer, reference);
  err = engine_find(view, bytes_from_text(reference), now, diag);
  engine_view_close(view);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err peek(struct engine *engine, struct bytes text, struct arena *arena, struct loyalty_code *code,
                     bool *there, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct bytes row;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = store_snapshot_get(snapshot, STORE_VOUCHER, text, arena, &row);
  store_snapshot_close(snapshot);
  *there = err == ERR_OK && row.data != NULL;
  if (*there) err = loyalty_code_decode(row, text, arena, code);
  if (err == ERR_CORRUPT) return diag_set(diag, err, "corrupt", "a code cannot be read; run `rapport check`");
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

// --- a code in hand --------------------------------------------------------------------------------------------------

struct using {
  struct bytes code, order; // normalised
  struct value cart;
  bool has_cart, has_amount;
  int64_t amount; // asked of a card, in cents
  bool dry_run;
  uint64_t redemption; // to be rolled back
  struct bytes reason;
  // In an attempt:
  struct loyalty_held_code *held;
  const struct loyalty_voucher *voucher;
  struct work_customer *customer; // NULL: nobody known
  struct loyalty_basket basket;
  const char *refusal;
  int64_t cents, shipping_cents;
};

// The cashier's counters with those of the voucher: of a redemption that is given back, who took it, and when.
static enum err lock_counters(struct work *work, const struct using *using, const struct loyalty_counter_key *own,
                              size_t own_count) {
  struct loyalty_redemption redemption = {.cashier = work->cashier, .time_us = work->now_us};
  bool there;
  enum err err = ERR_OK;
  if (using->redemption != 0) err = loyalty_redemption_read(work, using->code, using->redemption, &redemption, &there);
  if (err != ERR_OK) return err;
  size_t more = loyalty_cashier_counters(work->loyalty, redemption.cashier, redemption.time_us, NULL, 0);
  struct loyalty_counter_key *keys = arena_take(work->arena, (own_count + more + 1) * sizeof *keys);
  if (keys == NULL) return diag_no_memory(work->diag);
  if (own_count > 0) memcpy(keys, own, own_count * sizeof *keys);
  loyalty_cashier_counters(work->loyalty, redemption.cashier, redemption.time_us, keys + own_count, more);
  return loyalty_counters_lock(work, keys, own_count + more);
}

static enum err lock_code(struct work *work, struct using *using) {
  struct loyalty_counter_key keys[2];
  size_t count = 0;
  if (work->loyalty == NULL) return not_found(work->diag);
  enum err err = loyalty_codes_lock(work, &using->code, 1, NULL, 0);
  if (err != ERR_OK) return err;
  using->held = loyalty_code_of(work, using->code);
  using->voucher = using->held->there ? loyalty_set_voucher(work->loyalty, using->held->code.voucher) : NULL;
  if (using->voucher == NULL) return ERR_OK;
  uint32_t number = using->voucher->number;
  if (using->voucher->uses_total > 0)
    keys[count++] = (struct loyalty_counter_key){.kind = LOYALTY_COUNT_VOUCHER_USES, .number = number};
  if (using->voucher->budget_cents > 0)
    keys[count++] = (struct loyalty_counter_key){.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = number};
  return lock_counters(work, using, keys, count);
}

static enum err pack_cart(struct member_call *call, const struct using *using, struct value *message) {
  struct names *names = call->engine->names;
  struct value_builder builder;
  struct buffer buffer;
  buffer_init(&buffer);
  value_builder_init(&builder, &buffer, names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("properties"));
  value_document_begin(&builder);
  struct value_iter iter = value_iterate(using->cart);
  while (using->has_cart && value_next(&iter)) {
    value_put_name(&builder, value_iter_name(&iter, names));
    value_put_value(&builder, iter.item);
  }
  value_document_end(&builder);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) message->packed = arena_copy(call->work->arena, buffer_view(&buffer));
  if (err == ERR_OK && message->packed.data == NULL) err = ERR_NO_MEMORY;
  buffer_release(&buffer);
  return err == ERR_NO_MEMORY ? diag_no_memory(call->work->diag) : err;
}

// What it takes off a basket of which it is the only code.
static enum err price(struct loyalty_kit *kit, const struct loyalty_event *event, struct using *using) {
  struct work *work = kit->work;
  const struct loyalty_voucher *voucher = using->voucher;
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, voucher->programme);
  const struct rule_program *where = loyalty_set_voucher_lines(work->loyalty, voucher->number);
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = voucher->number};
  bool *lines = NULL;
  enum err err = ERR_OK;
  if (where != NULL)
    err = loyalty_lines_where(where, event, kit->machine, &kit->facts, work->now_us, work->arena, &lines);
  struct loyalty_offer offer = {.discount = &voucher->discount,
                                .lines = lines,
                                .minimum_cents = voucher->minimum_cents,
                                .is_code = true,
                                .room_cents = INT64_MAX,
                                .over = voucher->over};
  if (voucher->budget_cents > 0) offer.room_cents = voucher->budget_cents - *loyalty_counter_of(work, &money);
  if (err == ERR_OK)
    err = loyalty_discount(&using->basket, &offer, 1, &programme->stacking, false, work->arena, work->diag);
  using->refusal = offer.refusal;
  using->cents = offer.cents;
  using->shipping_cents = offer.shipping_cents;
  return err;
}

// Without a basket an amount is what the voucher says; what depends on a basket is not known.
static enum err price_alone(struct work *work, struct using *using) {
  const struct loyalty_voucher *voucher = using->voucher;
  struct loyalty_counter_key money = {.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = voucher->number};
  using->cents = voucher->discount.kind == LOYALTY_AMOUNT ? voucher->discount.cents : 0;
  if (voucher->budget_cents == 0) return ERR_OK;
  int64_t room = voucher->budget_cents - *loyalty_counter_of(work, &money);
  if (room > 0 && voucher->over == LOYALTY_TRIM && using->cents > room) using->cents = room;
  if (room <= 0 || using->cents > room) using->refusal = "BUDGET_EXHAUSTED";
  return ERR_OK;
}

static enum err price_card(struct using *using) {
  int64_t balance = using->held->code.balance;
  using->cents = using->has_amount ? using->amount : balance;
  if (!using->has_amount && using->has_cart && loyalty_basket_due(&using->basket) < balance)
    using->cents = loyalty_basket_due(&using->basket);
  if (using->cents > balance) using->refusal = "INSUFFICIENT_BALANCE";
  return ERR_OK;
}

static enum err judge_in(struct loyalty_kit *kit, struct member_call *call, struct using *using) {
  struct work *work = call->work;
  struct loyalty_event event = {.at_us = work->now_us};
  const struct loyalty_programme *programme =
      using->voucher == NULL ? NULL : loyalty_set_programme(work->loyalty, using->voucher->programme);
  enum err err = names_intern(call->engine->names, BYTES("Order Completed"), &event.name, work->diag);
  if (err == ERR_OK) err = pack_cart(call, using, &event.message);
  if (err == ERR_OK && using->has_cart) {
    struct value properties = value_member_id(event.message, call->engine->id.properties);
    err = loyalty_basket_read(properties, call->engine->names, programme == NULL ? BYTES("") : programme->money,
                              work->arena, &using->basket, work->diag);
    event.basket = &using->basket;
  }
  if (err == ERR_OK) err = loyalty_code_judge(kit, &event, using->held, using->voucher, &using->refusal);
  if (err != ERR_OK || using->refusal != NULL) return err;
  if (using->voucher->discount.kind == LOYALTY_CREDIT) return price_card(using);
  return using->has_cart ? price(kit, &event, using) : price_alone(work, using);
}

static enum err judge(struct member_call *call, struct using *using) {
  struct work *work = call->work;
  struct loyalty_kit kit;
  using->cents = using->shipping_cents = 0;
  using->refusal = NULL;
  using->customer = call->customer_count > 0 ? call->members[0] : NULL;
  enum err err = lock_code(work, using);
  if (err != ERR_OK) return err;
  struct work_customer *asked = using->customer;
  if (asked == NULL) {
    asked = arena_take_zero(work->arena, 1, sizeof *asked);
    if (asked == NULL) return diag_no_memory(work->diag);
    customer_init(&asked->record, 0);
  }
  err = loyalty_kit_open(&kit, work, asked);
  if (err == ERR_OK) err = judge_in(&kit, call, using);
  loyalty_kit_close(&kit);
  return err;
}

// --- trying and using ------------------------------------------------------------------------------------------------

static void write_worth(struct json_writer *writer, const struct using *using) {
  bool card = using->voucher->discount.kind == LOYALTY_CREDIT;
  json_member_bytes(writer, "voucher", using->voucher->id);
  json_member_scaled(writer, "amount", using->cents + using->shipping_cents, 2);
  if (using->shipping_cents > 0) json_member_scaled(writer, "shipping", using->shipping_cents, 2);
  if (card) json_member_scaled(writer, "balance", using->held->code.balance, 2);
  json_member_i64(writer, "uses", using->held->code.uses);
}

static enum err validate(struct member_call *call, void *context) {
  struct using *using = context;
  enum err err = judge(call, using);
  if (err != ERR_OK) return err;
  json_object_begin(call->writer);
  json_member_bool(call->writer, "valid", using->refusal == NULL);
  json_member_bytes(call->writer, "code", using->code);
  if (using->refusal == NULL) {
    write_worth(call->writer, using);
  } else {
    json_member_text(call->writer, "reason", using->refusal);
    json_member_text(call->writer, "message", loyalty_refusal_words(using->refusal));
  }
  json_object_end(call->writer);
  return ERR_OK;
}

static enum err guard_use(struct member_call *call, const struct using *using) {
  struct loyalty_ledger *ledger = NULL;
  struct loyalty_move move = {.programme = using->voucher->programme,
                              .what = LOYALTY_MOVE_REDEEM,
                              .cashier = call->cashier,
                              .count = 1,
                              .at_us = call->work->now_us};
  enum err err = using->customer == NULL
                     ? ERR_OK
                     : loyalty_ledger_open(call->work, using->customer, move.programme, false, &ledger);
  return err == ERR_OK ? loyalty_guard(call->work, using->customer, ledger, &move) : err;
}

static enum err redeem(struct member_call *call, void *context) {
  struct using *using = context;
  struct work *work = call->work;
  char id[ID_BYTES];
  enum err err = judge(call, using);
  if (err != ERR_OK) return err;
  if (using->refusal != NULL) return refuse(work, using->refusal, "code");
  struct loyalty_redemption redemption = {.code = using->code,
                                          .order = using->order,
                                          .identifier = call->customer_count > 0 ? call->identifiers[0] : BYTES(""),
                                          .voucher = using->voucher->number,
                                          .cents = using->cents + using->shipping_cents,
                                          .time_us = work->now_us,
                                          .source = call->caller->source,
                                          .cashier = call->cashier};
  err = guard_use(call, using);
  if (err == ERR_OK) err = loyalty_redeem(work, using->customer, using->held, &redemption);
  if (err != ERR_OK) return err;
  snprintf(id, sizeof id, "r%" PRIu64, redemption.id);
  json_object_begin(call->writer);
  json_member_text(call->writer, "redemption", id);
  json_member_bytes(call->writer, "code", using->code);
  if (using->order.size_bytes > 0) json_member_bytes(call->writer, "order", using->order);
  write_worth(call->writer, using);
  json_object_end(call->writer);
  return ERR_OK;
}

static enum err read_code(struct member_call *call, struct bytes text, struct using *using, struct diag *diag) {
  char code[LOYALTY_CODE_BYTES + 1];
  // What no code can be is a code that is not there.
  if (loyalty_code_normalise(text, code, NULL) != ERR_OK) snprintf(code, sizeof code, "-");
  using->code = arena_copy(&call->arena, bytes_from_text(code));
  return using->code.data == NULL ? diag_no_memory(diag) : ERR_OK;
}

static enum err read_using(struct member_call *call, struct using *using, struct diag *diag) {
  struct bytes text;
  enum err err = member_call_text(call, "code", true, &text, diag);
  if (err == ERR_OK) err = read_code(call, text, using, diag);
  if (err == ERR_OK) err = member_call_text(call, "order_id", false, &using->order, diag);
  using->cart = member_of(call, "cart");
  using->has_cart = err == ERR_OK && !value_is_absent(using->cart) && value_type(using->cart) != VALUE_NULL;
  if (using->has_cart && value_type(using->cart) != VALUE_DOCUMENT)
    return bad("cart", "wrong_type", "an object as the properties of an \"Order Completed\"", diag);
  using->has_amount = err == ERR_OK && !value_is_absent(member_of(call, "amount"));
  return using->has_amount ? member_call_amount(call, "amount", 2, false, &using->amount, diag) : err;
}

// A customer's own code is found through her.
static enum err find_owner(struct member_call *call, struct using *using, struct diag *diag) {
  struct loyalty_code code;
  bool there = false;
  call->customer_count = 0;
  enum err err = peek(call->engine, using->code, &call->arena, &code, &there, diag);
  if (err != ERR_OK || !there || code.customer == 0) return err;
  err = find_now(call->engine, code.customer, &call->customers[0], diag);
  call->customer_count = err == ERR_OK && call->customers[0] != 0 ? 1 : 0;
  return err;
}

static enum err run_using(struct engine *engine, const struct engine_caller *caller, struct value request,
                          member_fn *body, bool dry_run, struct json_writer *writer, struct engine_commit *commit,
                          struct diag *diag) {
  struct using using = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  call.dry_run = dry_run;
  enum err err = read_using(&call, &using, diag);
  bool named = !value_is_absent(member_of(&call, "customer"));
  if (err == ERR_OK && named) {
    err = member_call_run(&call, CUSTOMER, 1, body, &using, commit, diag);
  } else if (err == ERR_OK) {
    err = find_owner(&call, &using, diag);
    if (err == ERR_OK) err = member_call_run_ids(&call, body, &using, commit, diag);
  }
  member_call_close(&call);
  return err;
}

enum err engine_code_validate(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct diag *diag) {
  struct engine_commit commit = {0};
  return run_using(engine, caller, request, validate, true, writer, &commit, diag);
}

enum err engine_code_redeem(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  return run_using(engine, caller, request, redeem, false, writer, commit, diag);
}

// --- what is kept of a change
// -------------------------------------------------------------------------------------------------------

static enum err code_side(const struct work *work, const struct using *using, struct bytes *text) {
  const struct loyalty_code *code = &using->held->code;
  struct audit_side side;
  struct json_writer *writer = audit_side_begin(&side);
  json_member_bytes(writer, "voucher", using->voucher->id);
  json_member_text(writer, "state", code->state == LOYALTY_CODE_CANCELLED ? "cancelled" : "active");
  json_member_i64(writer, "uses", code->uses);
  if (using->voucher->discount.kind == LOYALTY_CREDIT) json_member_scaled(writer, "balance", code->balance, 2);
  return audit_side_end(&side, work->arena, text) == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

// Whoever reads the audit cannot use the code.
static enum err note_code(struct member_call *call, const struct using *using, const char *action,
                          struct bytes before) {
  const struct loyalty_programme *programme = loyalty_set_programme(call->work->loyalty, using->voucher->programme);
  char masked[AUDIT_CODE_BYTES];
  struct member_change change = {.action = action,
                                 .programme = programme == NULL ? BYTES("") : programme->id,
                                 .subject = audit_code(using->code, masked),
                                 .reason = using->reason,
                                 .before = before};
  enum err err = code_side(call->work, using, &change.after);
  return err == ERR_OK ? member_call_audit(call, &change) : err;
}

// --- giving back
// -------------------------------------------------------------------------------------------------------

static enum err no_redemption(struct diag *diag) {
  return diag_set(diag, ERR_NOT_FOUND, "no_redemption", "the code has no such redemption");
}

// What an order used goes back with the order, or it would go back twice.
static enum err check_free(struct member_call *call, const struct loyalty_redemption *redemption) {
  struct loyalty_order *order = NULL;
  bool used = false;
  if (redemption->order.size_bytes == 0 || call->customer_count == 0) return ERR_OK;
  enum err err = loyalty_order_read(call->work, call->members[0]->record.id, redemption->order, &order);
  if (err != ERR_OK || order == NULL) return err;
  for (size_t i = 0; i < order->used_count; i++) used |= order->used[i].redemption == redemption->id;
  for (size_t i = 0; i < order->tender_count; i++) used |= order->tenders[i].redemption == redemption->id;
  return used ? refuse(call->work, "REDEMPTION_OF_ORDER", "redemption") : ERR_OK;
}

static enum err roll_back(struct member_call *call, void *context) {
  struct using *using = context;
  struct work *work = call->work;
  struct loyalty_redemption redemption;
  char id[ID_BYTES];
  bool there;
  enum err err = lock_code(work, using);
  if (err != ERR_OK) return err;
  if (!using->held->there || using->voucher == NULL) return not_found(work->diag);
  err = loyalty_redemption_read(work, using->code, using->redemption, &redemption, &there);
  if (err == ERR_OK && !there) return no_redemption(work->diag);
  if (err == ERR_OK) err = check_free(call, &redemption);
  bool replayed = err == ERR_OK && redemption.rolled_back;
  struct bytes before = {NULL, 0};
  if (err == ERR_OK && !replayed) err = code_side(work, using, &before);
  if (err == ERR_OK && !replayed)
    err = loyalty_unredeem(work, call->customer_count > 0 ? call->members[0] : NULL, using->held, &redemption);
  if (err == ERR_OK && !replayed) err = note_code(call, using, "redemption.rolled_back", before);
  if (err != ERR_OK) return err;
  snprintf(id, sizeof id, "r%" PRIu64, redemption.id);
  using->cents = redemption.cents;
  json_object_begin(call->writer);
  if (replayed) json_member_bool(call->writer, "replayed", true);
  json_member_text(call->writer, "redemption", id);
  json_member_text(call->writer, "status", "rolled_back");
  json_member_bytes(call->writer, "code", using->code);
  write_worth(call->writer, using);
  json_object_end(call->writer);
  return ERR_OK;
}

// Who used it, and else whose it is.
static enum err find_user(struct member_call *call, struct using *using, struct diag *diag) {
  struct loyalty_redemption redemption;
  struct store_snapshot *snapshot;
  struct bytes row;
  struct key key;
  enum err err = find_owner(call, using, diag);
  if (err == ERR_OK) err = store_snapshot_open(call->engine->store, &snapshot);
  if (err != ERR_OK) return err;
  key_init(&key);
  key_put_text(&key, using->code);
  key_put_u64(&key, using->redemption);
  err = store_snapshot_get(snapshot, STORE_VOUCHER, key_view(&key), &call->arena, &row);
  store_snapshot_close(snapshot);
  if (err == ERR_OK && row.data != NULL) err = loyalty_redemption_decode(row, &call->arena, &redemption);
  if (err != ERR_OK || row.data == NULL || redemption.customer == 0) return err;
  err = find_now(call->engine, redemption.customer, &call->customers[0], diag);
  call->customer_count = err == ERR_OK && call->customers[0] != 0 ? 1 : 0;
  return err;
}

enum err engine_code_roll_back(struct engine *engine, const struct engine_caller *caller, struct bytes code,
                               struct bytes redemption, struct json_writer *writer, struct engine_commit *commit,
                               struct diag *diag) {
  struct using using = {0};
  struct member_call call;
  if (redemption.size_bytes < 2 || redemption.data[0] != 'r' ||
      bytes_to_u64(bytes_of(redemption.data + 1, redemption.size_bytes - 1), &using.redemption) != ERR_OK)
    return no_redemption(diag);
  member_call_open(&call, engine, caller, (struct value){{NULL, 0}}, writer);
  enum err err = read_code(&call, code, &using, diag);
  if (err == ERR_OK) err = find_user(&call, &using, diag);
  if (err == ERR_OK) err = member_call_run_ids(&call, roll_back, &using, commit, diag);
  member_call_close(&call);
  return err;
}

// --- ending
// ------------------------------------------------------------------------------------------------------------

static enum err cancel(struct member_call *call, void *context) {
  struct using *using = context;
  struct work *work = call->work;
  enum err err = lock_code(work, using);
  if (err != ERR_OK) return err;
  struct loyalty_held_code *held = using->held;
  if (!held->there || using->voucher == NULL) return not_found(work->diag);
  bool card = using->voucher->discount.kind == LOYALTY_CREDIT;
  if (held->code.state == LOYALTY_CODE_CANCELLED)
    return refuse(work, card ? "CARD_CANCELLED" : "CouponCancelled", "code");
  int64_t refund = held->code.balance;
  struct bytes before;
  err = code_side(work, using, &before);
  if (err == ERR_OK)
    err = loyalty_code_void(work, call->customer_count > 0 ? call->members[0] : NULL, held, using->reason);
  if (err == ERR_OK) err = note_code(call, using, "code.cancelled", before);
  if (err != ERR_OK) return err;
  loyalty_code_json(&held->code, using->voucher, call->writer);
  if (call->customer_count > 0) err = loyalty_reward_cancel(work, call->members[0], &held->code, call->writer);
  if (err != ERR_OK) return err;
  if (card) json_member_scaled(call->writer, "refund", refund, 2);
  json_object_end(call->writer);
  return ERR_OK;
}

enum err engine_code_cancel(struct engine *engine, const struct engine_caller *caller, struct bytes code,
                            struct bytes reason, struct json_writer *writer, struct engine_commit *commit,
                            struct diag *diag) {
  struct using using = {.reason = reason.size_bytes > 0 ? reason : BYTES("CANCELLED")};
  struct member_call call;
  enum err err = engine_check_words("reason", using.reason, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  member_call_open(&call, engine, caller, (struct value){{NULL, 0}}, writer);
  err = read_code(&call, code, &using, diag);
  if (err == ERR_OK) err = find_owner(&call, &using, diag);
  if (err == ERR_OK) err = member_call_run_ids(&call, cancel, &using, commit, diag);
  member_call_close(&call);
  return err;
}

// --- telling
// -----------------------------------------------------------------------------------------------------------

// The latest, newest first.
static enum err write_redemptions(struct store_snapshot *snapshot, struct bytes code, struct arena *arena,
                                  struct json_writer *writer) {
  struct store_cursor *cursor;
  struct bytes key_bytes, row;
  struct key from, to;
  key_init(&from);
  key_put_text(&from, code);
  key_init(&to);
  key_put_text(&to, code);
  key_put_u64(&to, UINT64_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_VOUCHER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  for (int i = 0; err == ERR_OK && i < REDEMPTIONS_TOLD && store_cursor_previous(cursor, &key_bytes, &row); i++) {
    struct loyalty_redemption redemption;
    struct bytes kept = arena_copy(arena, row);
    if (kept.data == NULL) err = ERR_NO_MEMORY;
    if (err == ERR_OK) err = loyalty_redemption_decode(kept, arena, &redemption);
    if (err != ERR_OK) break;
    redemption.id = key_read_u64(key_bytes.data + code.size_bytes + 1);
    redemption.code = code;
    loyalty_redemption_json(&redemption, writer);
    json_object_end(writer);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err tell_code(struct member_call *call, const struct loyalty_set *set, const struct loyalty_code *code,
                          struct diag *diag) {
  const struct loyalty_voucher *voucher = set == NULL ? NULL : loyalty_set_voucher(set, code->voucher);
  struct store_snapshot *snapshot;
  if (voucher == NULL) return not_found(diag);
  enum err err = store_snapshot_open(call->engine->store, &snapshot);
  if (err != ERR_OK) return err;
  loyalty_code_json(code, voucher, call->writer);
  json_name(call->writer, "redemptions");
  json_array_begin(call->writer);
  err = write_redemptions(snapshot, code->code, &call->arena, call->writer);
  json_array_end(call->writer);
  json_object_end(call->writer);
  store_snapshot_close(snapshot);
  return err;
}

enum err engine_code_json(struct engine *engine, struct bytes text, struct json_writer *writer, struct diag *diag) {
  struct using using = {0};
  struct loyalty_code code;
  struct member_call call;
  bool there;
  member_call_open(&call, engine, NULL, (struct value){{NULL, 0}}, writer);
  enum err err = read_code(&call, text, &using, diag);
  if (err == ERR_OK) err = peek(engine, using.code, &call.arena, &code, &there, diag);
  if (err == ERR_OK && !there) err = not_found(diag);
  const struct loyalty_set *set = loyalty_hold(engine);
  if (err == ERR_OK) err = tell_code(&call, set, &code, diag);
  if (set != NULL) loyalty_set_close(set);
  member_call_close(&call);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}
