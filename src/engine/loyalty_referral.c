// loyalty_referral.c: a member brings a friend, and gets something when the friend buys.
//
// Row "r" programme of LEDGER, under the friend: varints state, advocate, when it was made, the minimum of the friend's
// order, what the advocate was given (currency, amount, lot and its dates), the customer who was referred, the size of
// the id of the order that earned it, that id, and the identifier by which she was named: a split goes by it. Whoever
// the advocate is by now is found through her old ids. The reward is given in the commit of the order that earns it,
// and taken back in the commit that gives that order back: both ask for the advocate, and begin again with her locked.
// Invariant: a referral that was rewarded or reversed is never rewarded by another order.
#include "engine/loyalty_request.h"

#include "engine/read.h"

enum referral_state { REFERRAL_PENDING = 1, REFERRAL_REWARDED, REFERRAL_REVERSED };

struct referral {
  enum referral_state state; // 0: there is none
  uint32_t programme;
  uint64_t advocate;
  int64_t made_us, minimum_cents;
  struct loyalty_lot lot; // amount 0: nothing was given
  uint64_t origin;        // the friend as she was then
  struct bytes order, identifier;
};

static const char *state_name(enum referral_state state) {
  return state == REFERRAL_PENDING ? "PENDING" : state == REFERRAL_REWARDED ? "REWARDED" : "REVERSED";
}

// --- rows ----------------------------------------------------------------------------------------------------

static void referral_key(struct key *key, uint64_t customer, uint32_t programme) {
  loyalty_row_key(key, customer, 'r', BYTES(""));
  key_put_u32(key, programme);
}

static enum err write(struct work *work, uint64_t customer, const struct referral *referral) {
  uint8_t head[6 * VARINT_BYTES_MAX + LOYALTY_LOT_ROW_BYTES], *at = varint_put(head, (uint64_t)referral->state);
  struct key key;
  at = varint_put(at, referral->advocate);
  at = varint_put_signed(at, referral->made_us);
  at = varint_put_signed(at, referral->minimum_cents);
  at = loyalty_lot_row_put(at, &referral->lot);
  at = varint_put(at, referral->origin);
  at = varint_put(at, referral->order.size_bytes);
  referral_key(&key, customer, referral->programme);
  buffer_clear(work->buffer);
  buffer_append(work->buffer, head, (size_t)(at - head));
  buffer_append_bytes(work->buffer, referral->order);
  buffer_append_bytes(work->buffer, referral->identifier);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), buffer_view(work->buffer));
}

// False: it cannot be read.
static bool decode(struct bytes row, uint32_t programme, struct referral *referral) {
  struct varint_reader reader = varint_reader_of(row);
  *referral = (struct referral){.state = (enum referral_state)varint_read_up_to(&reader, REFERRAL_REVERSED),
                                .programme = programme};
  referral->advocate = varint_read(&reader);
  referral->made_us = varint_read_signed(&reader);
  referral->minimum_cents = varint_read_signed(&reader);
  loyalty_lot_row_read(&reader, &referral->lot);
  referral->origin = varint_read(&reader);
  size_t order_bytes = (size_t)varint_read_up_to(&reader, LIMIT_NAME_BYTES), rest = varint_rest_bytes(&reader);
  if (reader.failed || referral->state == 0 || rest < order_bytes) return false;
  const uint8_t *order = row.data + (row.size_bytes - rest);
  referral->order = bytes_of(order, order_bytes);
  referral->identifier = bytes_of(order + order_bytes, rest - order_bytes);
  return true;
}

static enum err unreadable(struct diag *diag) {
  return diag_set(diag, ERR_CORRUPT, "corrupt", "a referral cannot be read; run `rapport check`");
}

static enum err read(struct work *work, uint64_t customer, uint32_t programme, struct referral *referral) {
  struct bytes row;
  struct key key;
  *referral = (struct referral){0};
  referral_key(&key, customer, programme);
  enum err err = store_get(work->txn, STORE_LEDGER, key_view(&key), work->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  return decode(row, programme, referral) ? ERR_OK : unreadable(work->diag);
}

// All of a friend, in the arena.
static enum err read_all(struct work *work, uint64_t customer, struct referral **referrals, size_t *count) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  size_t capacity = 0;
  *count = 0;
  *referrals = NULL;
  loyalty_row_key(&from, customer, 'r', BYTES(""));
  loyalty_row_key(&to, customer, 's', BYTES(""));
  enum err err = store_scan(work->txn, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    struct bytes kept = arena_copy(work->arena, row);
    struct referral *larger = arena_grow(work->arena, *referrals, *count, &capacity, 4, sizeof *larger);
    if (larger == NULL || kept.data == NULL) {
      err = diag_no_memory(work->diag);
      break;
    }
    *referrals = larger;
    uint32_t programme = key_read_u32(key.data + key.size_bytes - sizeof(uint32_t));
    if (!decode(kept, programme, &larger[(*count)++])) err = unreadable(work->diag);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// --- who the advocate is ---------------------------------------------------------------------------------------

// Whom an id leads to by now, without locking her; *now 0: nobody.
static enum err lead(struct work *work, uint64_t id, uint64_t *now) {
  *now = 0;
  for (int hops = 0; hops < READ_HOPS_MAX; hops++) {
    const struct work_customer *held = work_held_customer(work, id);
    struct customer record;
    struct bytes row;
    struct key key;
    if (held != NULL && !held->head_only) {
      record = held->record;
    } else {
      customer_key(id, CUSTOMER_ROW_RECORD, &key);
      enum err err = store_get(work->txn, STORE_CUSTOMER, key_view(&key), work->arena, &row);
      if (err != ERR_OK || row.data == NULL) return err;
      err = customer_decode(row, id, work->arena, &record);
      if (err == ERR_NO_MEMORY) return diag_no_memory(work->diag);
      if (err != ERR_OK) return diag_set(work->diag, err, "corrupt", "a customer cannot be read; run `rapport check`");
    }
    if (record.merged_into == 0) {
      if (record.identifier_count > 0) *now = id;
      return ERR_OK;
    }
    id = record.merged_into;
  }
  return ERR_OK;
}

// Locked; *advocate NULL: she is gone. ERR_CONFLICT: she was asked for.
static enum err hold_advocate(struct work *work, uint64_t id, struct work_customer **advocate) {
  uint64_t now;
  *advocate = NULL;
  enum err err = lead(work, id, &now);
  if (err != ERR_OK || now == 0) return err;
  *advocate = work_customer(work, now);
  if (*advocate == NULL) return ERR_CONFLICT;
  return (*advocate)->record.merged_into == 0 ? ERR_OK : hold_advocate(work, now, advocate);
}

// --- telling ---------------------------------------------------------------------------------------------------

struct told {
  const struct loyalty_programme *programme;
  const struct referral *referral;
  const char *other; // "friend" or "advocate"
  uint64_t customer; // the other one; 0: gone
};

static void put_text(struct value_builder *builder, const char *name, struct bytes text) {
  value_put_name(builder, bytes_from_text(name));
  value_put_text(builder, text);
}

static void put_referral(struct value_builder *builder, void *context) {
  const struct told *told = context;
  const struct referral *referral = told->referral;
  char customer[CUSTOMER_ID_TEXT_BYTES];
  if (told->programme != NULL) put_text(builder, "programme", told->programme->id);
  if (told->customer != 0) {
    customer_id_format(told->customer, customer);
    put_text(builder, told->other, bytes_from_text(customer));
  }
  if (referral->order.size_bytes > 0) put_text(builder, "order_id", referral->order);
  const struct loyalty_currency *currency =
      told->programme == NULL ? NULL : loyalty_currency_at(told->programme, referral->lot.currency);
  if (currency == NULL || referral->lot.amount == 0) return;
  struct decimal amount = decimal_from_i64(referral->lot.amount);
  amount.exponent = (int16_t)-currency->scale;
  value_put_name(builder, BYTES("amount"));
  value_put_number(builder, amount);
  put_text(builder, "currency", currency->id);
}

// On both timelines; `advocate` NULL: she is gone, or is the friend herself.
static enum err tell_both(struct work *work, struct work_customer *friend, struct work_customer *advocate,
                          const struct referral *referral, const char *name) {
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, referral->programme);
  struct told told = {programme, referral, "advocate", advocate == NULL ? 0 : advocate->record.id};
  enum err err = loyalty_tell(work, friend, name, work->now_us, put_referral, &told);
  if (err != ERR_OK || advocate == NULL) return err;
  told = (struct told){programme, referral, "friend", friend->record.id};
  return loyalty_tell(work, advocate, name, work->now_us, put_referral, &told);
}

// --- the reward ------------------------------------------------------------------------------------------------

static enum err give(struct work *work, struct work_customer *advocate, struct referral *referral, int64_t at_us) {
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, referral->programme);
  struct loyalty_ledger *ledger;
  uint64_t lot;
  const char *refusal;
  enum err err = loyalty_enrol(work, advocate, programme->number, LOYALTY_BY_EVENT, &ledger, &refusal);
  if (err != ERR_OK || refusal != NULL || ledger->wallet->blocked || programme->referral.reward == 0) return err;
  struct loyalty_cause cause = {.reference = referral->order,
                                .reason = BYTES("REFERRAL"),
                                .effective_us = at_us < ledger->now_us ? at_us : ledger->now_us};
  uint8_t currency = programme->referral.currency;
  int64_t amount = programme->referral.reward;
  err = loyalty_earn(ledger, &cause, currency, amount, &lot);
  if (err != ERR_OK) return err;
  referral->lot = (struct loyalty_lot){.id = lot, .currency = currency, .amount = amount};
  for (size_t i = 0; i < ledger->wallet->lot_count; i++)
    if (ledger->wallet->lots[i].id == lot) referral->lot = ledger->wallet->lots[i];
  return loyalty_advance(ledger, ledger->now_us);
}

static enum err take_back(struct work *work, struct work_customer *advocate, struct referral *referral,
                          struct bytes reason) {
  struct loyalty_ledger *ledger;
  int64_t uncollected;
  if (referral->lot.amount == 0) return ERR_OK;
  enum err err = loyalty_ledger_open(work, advocate, referral->programme, false, &ledger);
  if (err != ERR_OK || ledger == NULL) return err;
  struct loyalty_cause cause = {.reference = referral->order, .reason = reason, .effective_us = ledger->now_us};
  err = loyalty_take_back_given(work, ledger, &cause, referral->lot.currency, referral->lot.amount, &referral->lot, 1,
                                &uncollected, NULL);
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

static enum err reward(struct work *work, struct work_customer *friend, struct referral *referral, struct bytes order,
                       int64_t at_us) {
  struct work_customer *advocate;
  enum err err = hold_advocate(work, referral->advocate, &advocate);
  if (err != ERR_OK || advocate == NULL || advocate == friend) return err;
  referral->order = order;
  referral->state = REFERRAL_REWARDED;
  referral->lot = (struct loyalty_lot){0};
  err = give(work, advocate, referral, at_us);
  if (err == ERR_OK) err = write(work, friend->record.id, referral);
  return err == ERR_OK ? tell_both(work, friend, advocate, referral, "Referral Rewarded") : err;
}

enum err loyalty_referral_order(struct work *work, struct work_customer *friend, struct bytes order, int64_t cents,
                                int64_t at_us, bool again) {
  struct referral *referrals;
  size_t count;
  if (order.size_bytes == 0) return ERR_OK;
  enum err err = read_all(work, friend->record.id, &referrals, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct referral *referral = &referrals[i];
    const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, referral->programme);
    bool waits = again ? referral->state == REFERRAL_REVERSED && bytes_equal(referral->order, order)
                       : referral->state == REFERRAL_PENDING;
    if (!waits || programme == NULL || programme->archived || cents < referral->minimum_cents) continue;
    err = reward(work, friend, referral, order, at_us);
  }
  return err;
}

static enum err reverse(struct work *work, struct work_customer *friend, struct work_customer *advocate,
                        struct referral *referral, struct bytes reason) {
  enum err err = ERR_OK;
  if (advocate != NULL && referral->state == REFERRAL_REWARDED) err = take_back(work, advocate, referral, reason);
  referral->state = REFERRAL_REVERSED;
  if (err == ERR_OK) err = write(work, friend->record.id, referral);
  return err == ERR_OK ? tell_both(work, friend, advocate == friend ? NULL : advocate, referral, "Referral Reversed")
                       : err;
}

// What of an order is not given back, before discounts.
static int64_t cents_left(const struct loyalty_order *order) {
  int64_t cents = 0;
  for (size_t i = 0; i < order->line_count; i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    int64_t back;
    if (line->quantity <= 0) continue;
    if (__builtin_mul_overflow(line->amount, line->returned, &back))
      back = line->amount / line->quantity * line->returned;
    else
      back /= line->quantity;
    cents += line->amount - back;
  }
  return cents;
}

enum err loyalty_referral_return(struct work *work, struct work_customer *friend, const struct loyalty_order *order) {
  struct referral *referrals;
  size_t count;
  enum err err = read_all(work, friend->record.id, &referrals, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct referral *referral = &referrals[i];
    struct work_customer *advocate;
    bool enough = order->state != LOYALTY_ORDER_CANCELLED && cents_left(order) >= referral->minimum_cents &&
                  cents_left(order) > 0;
    if (referral->state != REFERRAL_REWARDED || enough || !bytes_equal(referral->order, order->id)) continue;
    err = hold_advocate(work, referral->advocate, &advocate);
    if (err == ERR_OK) err = reverse(work, friend, advocate, referral, BYTES("REFERRAL_REVERSED"));
  }
  return err;
}

// --- who becomes whom ----------------------------------------------------------------------------------------------

struct bytes loyalty_referral_unite(struct bytes mine, struct bytes theirs) {
  struct referral own, other;
  if (!decode(mine, 0, &own) || !decode(theirs, 0, &other)) return mine;
  if ((own.state == REFERRAL_PENDING) != (other.state == REFERRAL_PENDING))
    return own.state == REFERRAL_PENDING ? theirs : mine;
  return other.made_us < own.made_us ? theirs : mine;
}

enum err loyalty_referral_origin(struct work *work, struct bytes row, struct bytes *identifier, uint64_t *origin) {
  struct referral referral;
  if (!decode(row, 0, &referral)) return unreadable(work->diag);
  *identifier = referral.identifier;
  *origin = referral.origin;
  return ERR_OK;
}

enum err loyalty_referrals_merge(struct work *work, struct work_customer *survivor, uint64_t loser) {
  struct referral *referrals;
  size_t count;
  enum err err = read_all(work, survivor->record.id, &referrals, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    uint64_t advocate;
    if (referrals[i].state == REFERRAL_REVERSED) continue;
    err = lead(work, referrals[i].advocate, &advocate);
    if (err == ERR_OK && (advocate == survivor->record.id || advocate == loser))
      err = reverse(work, survivor, survivor, &referrals[i], BYTES("REFERRAL_OF_HERSELF"));
  }
  return err;
}

// --- asked for ---------------------------------------------------------------------------------------------------

static enum err refuse(struct work *work, const char *code, const char *field) {
  diag_set(work->diag, ERR_DENIED, code, "%s", loyalty_refusal_words(code));
  diag_in_field(work->diag, "%s", field);
  return ERR_DENIED;
}

static void write_referral(struct json_writer *writer, const struct loyalty_programme *programme,
                           const struct referral *referral, uint64_t friend, uint64_t advocate) {
  char customer[CUSTOMER_ID_TEXT_BYTES];
  json_member_bytes(writer, "programme", programme->id);
  if (friend != 0) {
    customer_id_format(friend, customer);
    json_member_text(writer, "friend", customer);
  }
  if (advocate != 0) {
    customer_id_format(advocate, customer);
    json_member_text(writer, "advocate", customer);
  }
  json_member_text(writer, "state", state_name(referral->state));
  json_member_time(writer, "made_at", referral->made_us);
  if (referral->order.size_bytes > 0) json_member_bytes(writer, "order", referral->order);
  const struct loyalty_currency *currency = loyalty_currency_at(programme, referral->lot.currency);
  if (currency == NULL || referral->lot.amount == 0) return;
  json_member_bytes(writer, "currency", currency->id);
  json_member_scaled(writer, "reward", referral->lot.amount, currency->scale);
}

static enum err make(struct member_call *call, const struct loyalty_programme *programme, const struct referral *known,
                     struct referral *referral, struct loyalty_code *given, bool *replayed) {
  struct work *work = call->work;
  uint64_t friend = call->members[0]->record.id, advocate = call->members[1]->record.id, before = 0;
  *replayed = false;
  if (friend == advocate) return refuse(work, "ReferralRecipientIdSameAsAdvocate", "advocate");
  enum err err = known->state == 0 ? ERR_OK : lead(work, known->advocate, &before);
  if (err != ERR_OK) return err;
  if (known->state != 0) {
    *referral = *known;
    *replayed = before == advocate;
    return *replayed ? ERR_OK : refuse(work, "ReferralCustomerAlreadyReferred", "friend");
  }
  *referral = (struct referral){.state = REFERRAL_PENDING,
                                .programme = programme->number,
                                .advocate = advocate,
                                .made_us = work->now_us,
                                .origin = friend,
                                .identifier = call->identifiers[0],
                                .minimum_cents = programme->referral.minimum_cents};
  err = write(work, friend, referral);
  struct bytes voucher = programme->referral.friend_voucher;
  const struct loyalty_voucher *gift =
      voucher.size_bytes == 0 ? NULL : loyalty_set_voucher_find(work->loyalty, voucher);
  if (err != ERR_OK || voucher.size_bytes == 0) return err;
  if (gift == NULL) return loyalty_skip(work, call->members[0], programme, voucher, "referral", programme->id);
  return loyalty_give(work, call->members[0], gift->number, 0, false, given);
}

enum err loyalty_refer(struct member_call *call, uint32_t number) {
  struct work *work = call->work;
  const struct loyalty_programme *programme = loyalty_set_programme(work->loyalty, number);
  struct loyalty_code given = {0};
  struct loyalty_ledger *ledger;
  struct referral known, referral;
  bool replayed;
  if (programme == NULL || (programme->referral.reward == 0 && programme->referral.friend_voucher.size_bytes == 0))
    return diag_set(work->diag, ERR_INVALID, "no_referral", "the programme has no \"referral\"");
  const char *refusal;
  enum err err = loyalty_enrol(work, call->members[0], number, LOYALTY_BY_REQUEST, &ledger, &refusal);
  // Whoever becomes a member with her first order can be referred before it.
  if (err == ERR_OK && refusal != NULL && strcmp(refusal, "FIRST_PURCHASE_NEEDED") != 0)
    return diag_set(work->diag, ERR_DENIED, refusal, "%s", loyalty_refusal_words(refusal));
  if (err == ERR_OK) err = read(work, call->members[0]->record.id, number, &known);
  if (err == ERR_OK) err = make(call, programme, &known, &referral, &given, &replayed);
  if (err != ERR_OK) return err;
  if (replayed) json_member_bool(call->writer, "replayed", true);
  write_referral(call->writer, programme, &referral, call->members[0]->record.id, call->members[1]->record.id);
  if (given.code.size_bytes > 0) json_member_bytes(call->writer, "voucher", given.code);
  return ERR_OK;
}

static enum err refer(struct member_call *call, void *context) {
  json_object_begin(call->writer);
  enum err err = loyalty_refer(call, *(const uint32_t *)context);
  json_object_end(call->writer);
  return err;
}

// By one of her codes.
static enum err owner_of(struct member_call *call, struct engine_view *view, struct bytes text, struct diag *diag) {
  char code[LOYALTY_CODE_BYTES + 1], reference[CUSTOMER_ID_TEXT_BYTES];
  struct loyalty_code read_code = {0};
  struct bytes row = {0};
  enum err err = loyalty_code_normalise(text, code, diag);
  if (err == ERR_OK) err = store_snapshot_get(view->snapshot, STORE_VOUCHER, bytes_from_text(code), &call->arena, &row);
  if (err == ERR_OK && row.data != NULL) err = loyalty_code_decode(row, BYTES(""), &call->arena, &read_code);
  if (err != ERR_OK) return err == ERR_INVALID ? err : engine_explain_failure(err, diag);
  if (read_code.customer == 0)
    return diag_set(diag, ERR_NOT_FOUND, "CouponNotFound", "%s", loyalty_refusal_words("CouponNotFound"));
  customer_id_format(read_code.customer, reference);
  return engine_find(view, bytes_from_text(reference), &call->customers[1], diag);
}

enum err loyalty_referral_find(struct member_call *call, const char *friend, const char *advocate, struct diag *diag) {
  struct bytes texts[2];
  struct engine_view *view;
  enum err err = member_call_text(call, friend, true, &texts[0], diag);
  if (err == ERR_OK) err = member_call_text(call, advocate, true, &texts[1], diag);
  if (err == ERR_OK) err = engine_view_open(call->engine, &view);
  if (err != ERR_OK) return err;
  err = engine_find(view, texts[0], &call->customers[0], diag);
  if (err != ERR_OK) diag_in_field(diag, "%s", friend);
  if (err == ERR_OK) {
    err = engine_find(view, texts[1], &call->customers[1], diag);
    bool is_code = err == ERR_INVALID && memchr(texts[1].data, ':', texts[1].size_bytes) == NULL;
    if (is_code) err = owner_of(call, view, texts[1], diag);
    if (err != ERR_OK) diag_in_field(diag, "%s", advocate);
  }
  engine_view_close(view);
  call->customer_count = 2;
  call->identifiers[0] = texts[0];
  return err;
}

enum err engine_referral_make(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  const struct loyalty_programme *programme = NULL;
  const struct loyalty_set *set = loyalty_hold(engine);
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = member_call_programme(&call, set, &programme, diag);
  uint32_t number = err == ERR_OK ? programme->number : 0;
  if (set != NULL) loyalty_set_close(set);
  if (err == ERR_OK) err = member_call_find_or_make(&call, "friend", diag);
  if (err == ERR_OK) err = loyalty_referral_find(&call, "friend", "advocate", diag);
  if (err == ERR_OK) err = member_call_run_ids(&call, refer, &number, commit, diag);
  member_call_close(&call);
  return err;
}

// --- told ----------------------------------------------------------------------------------------------------------

enum err loyalty_referrals_json(struct engine_view *view, uint64_t customer, const struct loyalty_set *set,
                                struct json_writer *writer, struct diag *diag) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  bool any = false;
  loyalty_row_key(&from, customer, 'r', BYTES(""));
  loyalty_row_key(&to, customer, 's', BYTES(""));
  enum err err = store_snapshot_scan(view->snapshot, STORE_LEDGER, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    struct referral referral;
    uint32_t number = key_read_u32(key.data + key.size_bytes - sizeof(uint32_t));
    const struct loyalty_programme *programme = loyalty_set_programme(set, number);
    if (!decode(row, number, &referral)) err = unreadable(diag);
    if (err != ERR_OK || programme == NULL) continue;
    if (!any) json_name(writer, "referrals"), json_array_begin(writer);
    any = true;
    json_object_begin(writer);
    write_referral(writer, programme, &referral, 0, referral.advocate);
    json_object_end(writer);
  }
  if (any) json_array_end(writer);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}
