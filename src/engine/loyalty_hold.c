// loyalty_hold.c: points are held, captured, given back.
//
// A hold's id is "h<customer>-<number>": it leads to its member, whoever she became. Row "h" number of LEDGER: varints
// programme, state, currency, amount, expires. Its parts lie in the wallet while it is open (loyalty/ledger.h); whether
// it ran out is told by the clock, so a crashed checkout never needs anybody.
// Invariant: a hold ends once, captured or voided, and its row stays to say how.
#include <string.h>

#include "base/varint.h"
#include "engine/loyalty_points.h"

enum { HOLD_TTL_S = 900, HOLD_TTL_MAX_S = 86400 };
enum hold_state { HOLD_OPEN = 1, HOLD_CAPTURED, HOLD_VOIDED };

struct hold_row {
  uint32_t programme;
  uint8_t currency;
  enum hold_state state;
  int64_t amount, expires_us;
};

static enum err write_hold(struct work *work, uint64_t customer, uint64_t number, const struct hold_row *hold) {
  uint8_t row[5 * VARINT_BYTES_MAX], *at = varint_put(row, hold->programme);
  struct key key;
  at = varint_put(at, (uint64_t)hold->state);
  at = varint_put(at, hold->currency);
  at = varint_put_signed(at, hold->amount);
  at = varint_put_signed(at, hold->expires_us);
  loyalty_number_row_key(&key, customer, 'h', number);
  return store_put(work->txn, STORE_LEDGER, key_view(&key), bytes_of(row, (size_t)(at - row)));
}

static enum err no_hold(struct diag *diag) {
  return diag_set(diag, ERR_NOT_FOUND, "no_hold", "%s", loyalty_refusal_words("no_hold"));
}

static enum err read_hold(struct work *work, uint64_t customer, uint64_t number, struct hold_row *hold) {
  struct bytes row;
  struct key key;
  loyalty_number_row_key(&key, customer, 'h', number);
  enum err err = store_get(work->txn, STORE_LEDGER, key_view(&key), work->arena, &row);
  if (err != ERR_OK) return err;
  if (row.data == NULL) return no_hold(work->diag);
  struct varint_reader reader = varint_reader_of(row);
  hold->programme = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
  hold->state = (enum hold_state)varint_read_up_to(&reader, HOLD_VOIDED);
  hold->currency = (uint8_t)varint_read_up_to(&reader, UINT8_MAX);
  hold->amount = varint_read_signed(&reader);
  hold->expires_us = varint_read_signed(&reader);
  return reader.failed ? diag_set(work->diag, ERR_CORRUPT, "corrupt", "a hold cannot be read") : ERR_OK;
}

enum err loyalty_hold_row_void(struct work *work, uint64_t customer, uint64_t number) {
  struct hold_row hold;
  enum err err = read_hold(work, customer, number, &hold);
  if (err == ERR_NOT_FOUND) return ERR_OK; // of an order that is being paid
  hold.state = HOLD_VOIDED;
  return err == ERR_OK ? write_hold(work, customer, number, &hold) : err;
}

static void write_held(struct member_call *call, const struct loyalty_ledger *ledger, uint64_t number,
                       const struct hold_row *hold, const char *status) {
  char id[LOYALTY_HOLD_TEXT_BYTES];
  loyalty_hold_format(call->members[0]->record.id, number, id);
  json_object_begin(call->writer);
  json_member_text(call->writer, "hold", id);
  json_member_text(call->writer, "status", status);
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, hold->currency);
  json_member_scaled(call->writer, "amount", hold->amount, currency->scale);
  json_member_time(call->writer, "expires_at", hold->expires_us);
  points_write_balance(call->writer, ledger);
  json_object_end(call->writer);
}

static enum err hold(struct member_call *call, void *context) {
  const struct points *points = context;
  struct loyalty_ledger *ledger;
  uint64_t number;
  bool replayed;
  enum err err = member_call_replay(call, 'h', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = points_open_ledger(call, 0, points->programme, false, &ledger);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = points_cause(call, points);
  struct hold_row row = {.programme = points->programme,
                         .currency = points->currency,
                         .state = HOLD_OPEN,
                         .amount = points->amount,
                         .expires_us = call->work->now_us + points->ttl_us};
  err = points_guard(call, ledger, LOYALTY_MOVE_BURN, points->currency, points->amount,
                     false); // counted when it is captured
  if (err == ERR_OK) err = loyalty_hold_open(ledger, &cause, points->currency, points->amount, row.expires_us, &number);
  if (err == ERR_OK) err = write_hold(call->work, call->members[0]->record.id, number, &row);
  if (err != ERR_OK) return err;
  write_held(call, ledger, number, &row, "held");
  return member_call_keep(call, 'h', points->reference);
}

static enum err read_ttl(struct member_call *call, int64_t *ttl_us, struct diag *diag) {
  struct value member =
      value_is_absent(call->request) ? call->request : value_member(call->request, call->engine->names, BYTES("ttl_s"));
  struct decimal number;
  int64_t seconds = HOLD_TTL_S;
  if (!value_is_absent(member) &&
      (!value_as_number(member, &number) || decimal_to_scaled_i64(number, 0, &seconds) != ERR_OK || seconds < 1 ||
       seconds > HOLD_TTL_MAX_S)) {
    diag_set(diag, ERR_INVALID, "out_of_range", "expected a number of seconds from 1 to %d", HOLD_TTL_MAX_S);
    diag_in_field(diag, "ttl_s");
    return ERR_INVALID;
  }
  *ttl_us = seconds * CLOCK_SECOND_US;
  return ERR_OK;
}

enum err engine_points_hold(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = points_read(&call, &points, false, diag);
  if (err == ERR_OK) err = read_ttl(&call, &points.ttl_us, diag);
  if (err == ERR_OK) err = member_call_run(&call, POINTS_CUSTOMER, 1, hold, &points, commit, diag);
  member_call_close(&call);
  return err;
}

bool loyalty_hold_parse(struct bytes text, uint64_t *customer, uint64_t *number) {
  const uint8_t *dash = text.size_bytes < 4 ? NULL : memchr(text.data, '-', text.size_bytes);
  if (dash == NULL || text.data[0] != 'h') return false;
  struct bytes first = bytes_of(text.data + 1, (size_t)(dash - text.data) - 1);
  struct bytes second = bytes_of(dash + 1, text.size_bytes - first.size_bytes - 2);
  return bytes_to_u64(first, customer) == ERR_OK && bytes_to_u64(second, number) == ERR_OK;
}

static enum err check_open(struct work *work, const struct hold_row *row) {
  if (row->state == HOLD_CAPTURED) return points_refuse(work, "ALREADY_CAPTURED");
  if (row->state == HOLD_VOIDED) return points_refuse(work, "ALREADY_VOIDED");
  return work->now_us >= row->expires_us ? points_refuse(work, "HOLD_EXPIRED") : ERR_OK;
}

enum err loyalty_hold_find(struct work *work, uint64_t customer, struct loyalty_pay *pay) {
  struct hold_row row;
  enum err err = read_hold(work, customer, pay->hold, &row);
  if (err == ERR_OK) err = check_open(work, &row);
  if (err != ERR_OK) return err;
  pay->programme = row.programme;
  pay->currency = row.currency;
  pay->amount = row.amount;
  return ERR_OK;
}

enum err loyalty_hold_taken(struct work *work, uint64_t customer, const struct loyalty_pay *pay, int64_t amount) {
  struct hold_row row;
  enum err err = read_hold(work, customer, pay->hold, &row);
  row.state = HOLD_CAPTURED;
  row.amount = amount;
  return err == ERR_OK ? write_hold(work, customer, pay->hold, &row) : err;
}

static enum err hold_side(const struct work *work, const struct loyalty_ledger *ledger, const struct hold_row *row,
                          const char *status, struct bytes *text) {
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, row->currency);
  struct audit_side side;
  struct json_writer *writer = audit_side_begin(&side);
  json_member_text(writer, "status", status);
  json_member_bytes(writer, "currency", currency->id);
  json_member_scaled(writer, "amount", row->amount, currency->scale);
  return audit_side_end(&side, work->arena, text) == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

static enum err note_void(struct member_call *call, const struct loyalty_ledger *ledger, uint64_t number,
                          const struct hold_row *row) {
  struct member_change change = {.action = "hold.voided", .programme = ledger->programme->id};
  char id[LOYALTY_HOLD_TEXT_BYTES];
  loyalty_hold_format(call->members[0]->record.id, number, id);
  change.subject = bytes_from_text(id);
  enum err err = hold_side(call->work, ledger, row, "held", &change.before);
  if (err == ERR_OK) err = hold_side(call->work, ledger, row, "voided", &change.after);
  return err == ERR_OK ? member_call_audit(call, &change) : err;
}

static enum err end_hold(struct member_call *call, struct points *points, bool capture) {
  const struct loyalty_part *parts;
  struct loyalty_ledger *ledger;
  struct hold_row row;
  size_t count;
  enum err err = read_hold(call->work, call->members[0]->record.id, points->hold, &row);
  if (err == ERR_OK) err = check_open(call->work, &row);
  if (err == ERR_OK) err = points_open_ledger(call, 0, row.programme, false, &ledger);
  if (err != ERR_OK) return err;
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, row.currency);
  int64_t amount = 0;
  struct value said = value_is_absent(call->request)
                          ? call->request
                          : value_member(call->request, call->engine->names, BYTES("amount"));
  if (!value_is_absent(said))
    err = member_call_amount(call, "amount", currency->scale, false, &amount, call->work->diag);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = points_cause(call, points);
  if (capture)
    err = points_guard(call, ledger, LOYALTY_MOVE_BURN, row.currency, amount > 0 ? amount : row.amount, true);
  if (err != ERR_OK) return err;
  if (capture)
    err = loyalty_hold_capture(ledger, &cause, points->hold, amount, &parts, &count);
  else
    err = loyalty_hold_void(ledger, &cause, points->hold);
  row.state = capture ? HOLD_CAPTURED : HOLD_VOIDED;
  if (capture && amount > 0) row.amount = amount;
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err == ERR_OK) err = write_hold(call->work, call->members[0]->record.id, points->hold, &row);
  if (err == ERR_OK && !capture) err = note_void(call, ledger, points->hold, &row);
  if (err == ERR_OK) write_held(call, ledger, points->hold, &row, capture ? "captured" : "voided");
  return err;
}

static enum err capture(struct member_call *call, void *context) {
  return end_hold(call, context, true);
}

static enum err void_hold(struct member_call *call, void *context) {
  return end_hold(call, context, false);
}

// Whoever had the id when the hold was made may have become another.
static enum err find_holder(struct member_call *call, struct bytes hold, struct points *points, struct diag *diag) {
  struct engine_view *view;
  char reference[CUSTOMER_ID_TEXT_BYTES];
  uint64_t customer;
  if (!loyalty_hold_parse(hold, &customer, &points->hold)) return no_hold(diag);
  enum err err = engine_view_open(call->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  customer_id_format(customer, reference);
  err = engine_find(view, bytes_from_text(reference), &call->customers[0], diag);
  call->customer_count = 1;
  engine_view_close(view);
  return err == ERR_NOT_FOUND || err == ERR_INVALID ? no_hold(diag) : err;
}

static enum err run_hold(struct engine *engine, const struct engine_caller *caller, struct bytes hold,
                         struct value request, member_fn *body, struct json_writer *writer,
                         struct engine_commit *commit, struct diag *diag) {
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  points.reference = hold;
  enum err err = find_holder(&call, hold, &points, diag);
  if (err == ERR_OK) err = member_call_run_ids(&call, body, &points, commit, diag);
  member_call_close(&call);
  return err;
}

enum err engine_hold_capture(struct engine *engine, const struct engine_caller *caller, struct bytes hold,
                             struct value request, struct json_writer *writer, struct engine_commit *commit,
                             struct diag *diag) {
  return run_hold(engine, caller, hold, request, capture, writer, commit, diag);
}

enum err engine_hold_void(struct engine *engine, const struct engine_caller *caller, struct bytes hold,
                          struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  return run_hold(engine, caller, hold, (struct value){{NULL, 0}}, void_hold, writer, commit, diag);
}
