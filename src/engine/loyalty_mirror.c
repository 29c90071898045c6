// loyalty_mirror.c: what other programmes, which go on issuing, did meanwhile.
//
// Each item is a transaction of its own. What was done over there cannot be refused here, and may come in any order:
//   1. more than is there is owed, and the next lot pays it (loyalty_follow_less);
//   2. a lot that comes late pays what was owed of it before its last day;
//   3. lots expire here by the clock, so that an expiry over there takes only what it takes beyond that: what was
//      announced so far is a counter of the wallet, what expired here is in the postings;
//   4. what expired here though it had been spent over there before pays the debt which that spending left.
// What is carried out over there because it was done here names it ("caused_by"), and moves nothing.
#include "engine/loyalty_external.h"

enum { MIRROR_ITEMS_MAX = 1000, ANNOUNCED = 128 }; // the cap of its counter, and the currency's number beyond

enum movement_type { EARN, BURN, EXPIRE, ADJUST, VOUCHER_ISSUED, VOUCHER_USED, VOUCHER_CANCELLED, TYPE_COUNT };
static const char *const TYPES[TYPE_COUNT] = {"earn",           "burn",         "expire",           "adjust",
                                              "voucher_issued", "voucher_used", "voucher_cancelled"};

struct movement {
  struct external external;
  enum movement_type type;
  uint8_t currency;
  int64_t amount;
  int64_t effective_us, expires_us;
  struct bytes code, voucher, caused_by;
  struct loyalty_span span;
};

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static bool is_of_voucher(enum movement_type type) {
  return type >= VOUCHER_ISSUED;
}

// --- reading -----------------------------------------------------------------------------------------------------

static enum err read_type(struct member_call *call, enum movement_type *type, struct diag *diag) {
  struct bytes text;
  enum err err = member_call_text(call, "type", true, &text, diag);
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (bytes_equal(text, bytes_from_text(TYPES[i]))) {
      *type = (enum movement_type)i;
      return ERR_OK;
    }
  return bad("type", "unknown_type",
             "one of earn, burn, expire, adjust, voucher_issued, voucher_used and voucher_cancelled", diag);
}

static enum err read_voucher(struct member_call *call, const struct loyalty_set *set, struct movement *movement,
                             struct diag *diag) {
  enum err err = external_code(call, &movement->code, diag);
  if (err == ERR_OK) err = member_call_text(call, "voucher", true, &movement->voucher, diag);
  if (err != ERR_OK) return err;
  if (movement->code.size_bytes == 0) return bad("code", "missing_member", "said", diag);
  const struct loyalty_voucher *voucher = loyalty_set_voucher_find(set, movement->voucher);
  if (voucher != NULL && voucher->programme == movement->external.programme) return ERR_OK;
  diag_set(diag, ERR_NOT_FOUND, "no_voucher", "the programme has no voucher \"%.*s\"", BYTES_ARG(movement->voucher));
  diag_in_field(diag, "voucher");
  return ERR_NOT_FOUND;
}

static enum err read_points(struct member_call *call, const struct loyalty_programme *programme,
                            struct movement *movement, struct diag *diag) {
  const struct loyalty_currency *currency = NULL;
  enum err err = member_call_currency(call, programme, &currency, diag);
  if (err != ERR_OK) return err;
  movement->currency = currency->number;
  return member_call_amount(call, "amount", currency->scale, movement->type == ADJUST, &movement->amount, diag);
}

static enum err read_movement(struct member_call *call, const struct loyalty_set *set, struct movement *movement,
                              struct diag *diag) {
  const struct loyalty_programme *programme = NULL;
  int64_t now_us = clock_now_us(call->engine->clock);
  enum err err = external_read(call, set, 't', &movement->external, &programme, diag);
  if (err == ERR_OK) err = read_type(call, &movement->type, diag);
  if (err != ERR_OK) return err;
  const struct rule_zone *zone = loyalty_set_zone(set, programme->number);
  err = external_date(call, "effective_at", zone, false, now_us, &movement->effective_us, diag);
  if (err == ERR_OK) err = external_date(call, "expires_on", zone, true, INT64_MAX, &movement->expires_us, diag);
  if (err == ERR_OK) err = member_call_text(call, "caused_by", false, &movement->caused_by, diag);
  if (err != ERR_OK) return err;
  if (movement->effective_us > now_us) movement->effective_us = now_us; // its clock is ahead of ours
  if (movement->expires_us != INT64_MAX) movement->span = (struct loyalty_span){INT64_MIN, movement->expires_us};
  return is_of_voucher(movement->type) ? read_voucher(call, set, movement, diag)
                                       : read_points(call, programme, movement, diag);
}

// --- points --------------------------------------------------------------------------------------------------------

// What expired here of the lots of one programme.
struct expired {
  int64_t all, since; // since an instant
};

static enum err add_expired(struct work *work, const struct loyalty_posting *posting, const struct movement *movement,
                            struct expired *expired) {
  for (size_t i = 0; i < posting->entry_count; i++) {
    const struct loyalty_entry *entry = &posting->entries[i];
    bool into = entry->to == LOYALTY_EXPIRED, out = entry->from == LOYALTY_EXPIRED;
    if (entry->currency != movement->currency || (!into && !out) || entry->rule.campaign != LOYALTY_EXTERNAL ||
        entry->rule.rule != movement->external.rule.rule)
      continue;
    int64_t amount = into ? entry->amount : -entry->amount;
    bool later = out || posting->effective_us > movement->effective_us;
    if (__builtin_add_overflow(expired->all, amount, &expired->all) ||
        (later && __builtin_add_overflow(expired->since, amount, &expired->since)))
      return diag_set(work->diag, ERR_LIMIT, "overflow", "what expired is more than 2^63 - 1");
  }
  return ERR_OK;
}

static enum err sum_expired(struct member_call *call, const struct movement *movement, struct expired *expired) {
  struct work *work = call->work;
  struct loyalty_row *rows;
  size_t count;
  *expired = (struct expired){0, 0};
  enum err err = loyalty_flush(work, call->members[0]);
  if (err == ERR_OK) err = loyalty_rows_of(work, call->members[0]->record.id, &rows, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_posting posting;
    if (rows[i].kind != 'p' || rows[i].rest.size_bytes != sizeof(uint64_t)) continue;
    err = loyalty_posting_decode(rows[i].value, key_read_u64(rows[i].rest.data), work->arena, &posting);
    if (err == ERR_CORRUPT) return diag_set(work->diag, err, "corrupt", "a posting cannot be read");
    if (err == ERR_OK && posting.programme == movement->external.programme)
      err = add_expired(work, &posting, movement, expired);
  }
  return err;
}

static uint8_t counter_of(const struct movement *movement) {
  return (uint8_t)(ANNOUNCED + movement->currency);
}

static int64_t announced(const struct loyalty_ledger *ledger, const struct movement *movement) {
  return INT64_MAX - loyalty_cap_room(ledger->wallet, ledger->zone, movement->external.rule, counter_of(movement),
                                      LOYALTY_EVER, INT64_MAX, ledger->now_us);
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static enum err mirror_expiry(struct member_call *call, struct loyalty_ledger *ledger,
                              const struct loyalty_cause *cause, const struct movement *movement, uint64_t *posting) {
  struct expired expired;
  enum err err = loyalty_count(ledger, movement->external.rule, 0, counter_of(movement), LOYALTY_EVER, ledger->now_us,
                               movement->amount);
  if (err == ERR_OK) err = sum_expired(call, movement, &expired);
  if (err != ERR_OK) return err;
  int64_t missing = least(announced(ledger, movement) - expired.all, movement->amount);
  return missing > 0 ? loyalty_follow_less(ledger, cause, movement->currency, missing, LOYALTY_EXPIRE, posting)
                     : ERR_OK;
}

static enum err mirror_less(struct member_call *call, struct loyalty_ledger *ledger, const struct loyalty_cause *cause,
                            const struct movement *movement, uint64_t *posting) {
  struct expired expired;
  int64_t amount = movement->type == ADJUST ? -movement->amount : movement->amount;
  enum err err = loyalty_follow_less(ledger, cause, movement->currency, amount,
                                     movement->type == BURN ? LOYALTY_SPEND : LOYALTY_ADJUST, posting);
  if (err != ERR_OK || loyalty_amount(ledger->wallet, movement->currency, LOYALTY_DEBT) == 0) return err;
  err = sum_expired(call, movement, &expired);
  if (err != ERR_OK) return err;
  int64_t vain = least(amount, least(expired.since, expired.all - announced(ledger, movement)));
  return vain > 0 ? loyalty_expired_in_vain(ledger, cause, movement->currency, vain) : ERR_OK;
}

static enum err mirror_points(struct member_call *call, const struct movement *movement, uint64_t *posting) {
  struct loyalty_ledger *ledger;
  uint64_t lot;
  enum err err = loyalty_ledger_open(call->work, call->members[0], movement->external.programme, true, &ledger);
  if (err != ERR_OK) return err;
  if (ledger == NULL) return diag_set(call->work->diag, ERR_NOT_FOUND, "no_programme", "the programme is gone");
  struct loyalty_cause cause = {.reference = movement->external.reference,
                                .identifier = call->identifiers[0],
                                .author = call->caller->author,
                                .rule = movement->external.rule,
                                .effective_us = movement->effective_us};
  if (movement->type == EXPIRE) {
    err = mirror_expiry(call, ledger, &cause, movement, posting);
  } else if (movement->type == BURN || movement->amount < 0) {
    err = mirror_less(call, ledger, &cause, movement, posting);
  } else {
    err = loyalty_import(ledger, &cause, movement->currency, movement->amount, movement->effective_us,
                         movement->expires_us, &lot);
    if (err == ERR_OK) *posting = lot >> 8;
  }
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

// --- vouchers ------------------------------------------------------------------------------------------------------

static enum err mirror_voucher(struct member_call *call, const struct movement *movement) {
  struct work *work = call->work;
  struct work_customer *customer = call->members[0];
  struct loyalty_held_code *held = loyalty_code_of(work, movement->code);
  const struct loyalty_voucher *voucher = loyalty_set_voucher_find(work->loyalty, movement->voucher);
  enum err err = ERR_OK;
  if (voucher == NULL) return diag_set(work->diag, ERR_NOT_FOUND, "no_voucher", "the voucher is gone");
  if (held->there && (held->code.customer != customer->record.id || held->code.voucher != voucher->number)) {
    diag_set(work->diag, ERR_DENIED, "code_taken", "%s", loyalty_refusal_words("code_taken"));
    diag_in_field(work->diag, "code");
    return ERR_DENIED;
  }
  if (!held->there) {
    struct loyalty_code code = {.code = movement->code, .customer = customer->record.id, .span = movement->span};
    err = loyalty_code_issue(work, customer, voucher, &code);
    held->code = code;
    held->there = true;
  }
  if (err == ERR_OK && movement->type == VOUCHER_USED)
    err = external_redeem(work, customer, held, call->identifiers[0], call->caller->source, movement->effective_us);
  if (err == ERR_OK && movement->type == VOUCHER_CANCELLED && held->code.state == LOYALTY_CODE_ACTIVE)
    err = loyalty_code_void(work, customer, held, BYTES("EXTERNAL"));
  return err == ERR_OK ? external_unite_codes(work, customer) : err;
}

// --- one -----------------------------------------------------------------------------------------------------------

static enum err is_own(struct member_call *call, const struct movement *movement, bool *own) {
  struct bytes id = bytes_of(movement->caused_by.data + 1, movement->caused_by.size_bytes - 1), row;
  struct loyalty_redemption redemption;
  uint64_t number;
  struct key key;
  *own = false;
  if (bytes_to_u64(id, &number) != ERR_OK) return ERR_OK;
  if (movement->caused_by.data[0] == 'r' && is_of_voucher(movement->type))
    return loyalty_redemption_read(call->work, movement->code, number, &redemption, own);
  loyalty_number_row_key(&key, call->members[0]->record.id, 'p', number);
  enum err err = store_get(call->work->txn, STORE_LEDGER, key_view(&key), call->work->arena, &row);
  *own = err == ERR_OK && row.data != NULL && movement->caused_by.data[0] == 'p';
  return err;
}

static void write_status(struct member_call *call, const struct movement *movement, const char *status,
                         uint64_t posting) {
  json_object_begin(call->writer);
  json_member_bytes(call->writer, "external_id", movement->external.id);
  json_member_text(call->writer, "status", status);
  if (posting != 0) {
    const char *id = arena_format(call->work->arena, "p%llu", (unsigned long long)posting);
    json_member_text(call->writer, "posting", id == NULL ? "" : id);
  }
  json_object_end(call->writer);
}

static enum err mirror(struct member_call *call, void *context) {
  const struct movement *movement = context;
  struct work *work = call->work;
  uint64_t posting = 0;
  struct bytes row;
  bool own = false;
  if (work->loyalty == NULL) return diag_set(work->diag, ERR_NOT_FOUND, "no_programme", "the programme is gone");
  enum err err = loyalty_codes_lock(work, &movement->code, movement->code.size_bytes > 0 ? 1 : 0,
                                    &movement->external.reference, 1);
  if (err == ERR_OK) err = external_get(work, &movement->external, &row);
  if (err != ERR_OK) return err;
  if (row.data != NULL) {
    write_status(call, movement, "replayed", 0);
    return ERR_OK;
  }
  if (movement->caused_by.size_bytes > 0) {
    err = is_own(call, movement, &own);
    if (err == ERR_OK && !own)
      return bad("caused_by", "no_posting", "a posting or redemption of hers here", work->diag);
  }
  if (err == ERR_OK && !own)
    err = is_of_voucher(movement->type) ? mirror_voucher(call, movement) : mirror_points(call, movement, &posting);
  if (err == ERR_OK) err = external_put(work, &movement->external, BYTES("m"));
  if (err == ERR_OK) write_status(call, movement, own ? "own" : "mirrored", posting);
  return err;
}

static enum err run_one(struct engine *engine, const struct engine_caller *caller, struct value request,
                        struct buffer *reply, struct store_mark *mark, struct diag *diag) {
  static const char *const names[] = {"customer"};
  const struct loyalty_set *set = loyalty_hold(engine);
  struct movement movement = {.amount = 0};
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct member_call call;
  buffer_clear(reply);
  json_writer_init(&writer, reply);
  member_call_open(&call, engine, caller, request, &writer);
  enum err err = read_movement(&call, set, &movement, diag);
  if (set != NULL) loyalty_set_close(set);
  if (err == ERR_OK) err = member_call_find_or_make(&call, "customer", diag);
  if (err == ERR_OK) err = member_call_run(&call, names, 1, mirror, &movement, &commit, diag);
  member_call_close(&call);
  if (err == ERR_OK && reply->failed) return diag_no_memory(diag);
  if (err == ERR_OK) *mark = commit.mark;
  return err;
}

static void write_refusal(struct engine *engine, struct value item, const struct diag *diag,
                          struct json_writer *writer) {
  struct bytes id;
  json_object_begin(writer);
  if (value_type(item) == VALUE_DOCUMENT && value_as_text(value_member(item, engine->names, BYTES("external_id")), &id))
    json_member_bytes(writer, "external_id", id);
  json_member_text(writer, "status", "refused");
  json_member_text(writer, "code", diag->code);
  json_member_text(writer, "message", diag->message);
  if (diag->field[0] != 0) json_member_text(writer, "field", diag->field);
  json_object_end(writer);
}

enum err engine_loyalty_mirror(struct engine *engine, const struct engine_caller *caller, struct value request,
                               struct json_writer *writer, struct store_mark *mark, struct diag *diag) {
  struct buffer reply;
  struct value list;
  size_t count;
  enum err err = external_list(engine, request, "items", &list, &count, diag);
  if (err != ERR_OK) return err;
  if (count > MIRROR_ITEMS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "at most %d movements come at once", MIRROR_ITEMS_MAX);
  buffer_init(&reply);
  *mark = store_mark_now(engine->store);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  struct external_iter iter = external_iterate(list);
  while (err == ERR_OK && external_next(&iter)) {
    struct diag own;
    diag_init(&own);
    err = run_one(engine, caller, iter.item, &reply, mark, &own);
    if (err != ERR_OK && !external_is_refusal(err)) {
      *diag = own;
      break;
    }
    if (err == ERR_OK)
      json_raw(writer, buffer_view(&reply));
    else
      write_refusal(engine, iter.item, &own, writer);
    err = ERR_OK;
  }
  json_array_end(writer);
  json_object_end(writer);
  buffer_release(&reply);
  return err;
}
