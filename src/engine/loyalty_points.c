// loyalty_points.c: points are burned, held, captured, given back, corrected by a person, passed on.
//
// A hold's id is "h<customer>-<number>": it leads to its member, whoever she became. Row "h" number of LEDGER: varints
// programme, state, currency, amount, expires. Its parts lie in the wallet while it is open (loyalty/ledger.h); whether
// it ran out is told by the clock, so a crashed checkout never needs anybody.
// What a caller names by a "reference" is done once: the same reference again gets the first reply (loyalty_request.h).
#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"
#include "engine/loyalty_request.h"
#include "engine/parts.h"

#define APPROVALS "loyalty_approval"
enum { HOLD_TTL_S = 900, HOLD_TTL_MAX_S = 86400, APPROVALS_AT_ONCE = 8 };
enum hold_state { HOLD_OPEN = 1, HOLD_CAPTURED, HOLD_VOIDED };

// What a request asks for; documents by their numbers, since others may be in force when it is done.
struct points {
  uint32_t programme;
  uint8_t currency;
  int64_t amount, approval_above, approval_until_us;
  struct bytes reference, reason;
  int64_t ttl_us;
  uint64_t hold;
};

static enum err read_points(struct member_call *call, struct points *points, bool either, struct diag *diag) {
  const struct loyalty_set *set = loyalty_hold(call->engine);
  const struct loyalty_programme *programme = NULL;
  const struct loyalty_currency *currency = NULL;
  enum err err = member_call_programme(call, set, &programme, diag);
  if (err == ERR_OK) err = member_call_currency(call, programme, &currency, diag);
  if (err == ERR_OK) err = member_call_amount(call, "amount", currency->scale, either, &points->amount, diag);
  if (err == ERR_OK) err = member_call_text(call, "reference", false, &points->reference, diag);
  if (err == ERR_OK) err = member_call_text(call, "reason", false, &points->reason, diag);
  if (err == ERR_OK) {
    points->programme = programme->number;
    points->currency = currency->number;
    points->approval_above = programme->approval_above;
    if (rule_time_add(loyalty_set_zone(set, programme->number), clock_now_us(call->engine->clock),
                      programme->approval_expires, &points->approval_until_us) != ERR_OK)
      points->approval_until_us = INT64_MAX;
  }
  if (set != NULL) loyalty_set_close(set);
  return err;
}

static struct loyalty_cause cause_of(const struct member_call *call, const struct points *points) {
  return (struct loyalty_cause){.reference = points->reference,
                                .identifier = call->identifiers[0],
                                .author = call->caller->author,
                                .reason = points->reason,
                                .effective_us = call->work->now_us};
}

static enum err no_member(struct work *work) {
  return diag_set(work->diag, ERR_DENIED, "NOT_A_MEMBER", "%s", loyalty_refusal_words("NOT_A_MEMBER"));
}

// Her ledger; she has to be a member, and not blocked.
static enum err open_ledger(struct member_call *call, int index, uint32_t programme, bool join,
                            struct loyalty_ledger **ledger) {
  const char *refusal = NULL;
  enum err err = join ? loyalty_enrol(call->work, call->members[index], programme, LOYALTY_BY_EVENT, ledger, &refusal)
                      : loyalty_ledger_open(call->work, call->members[index], programme, false, ledger);
  if (err != ERR_OK) return err;
  if (refusal != NULL) return diag_set(call->work->diag, ERR_DENIED, refusal, "%s", loyalty_refusal_words(refusal));
  if (*ledger == NULL || (*ledger)->wallet->guest) return no_member(call->work);
  if ((*ledger)->wallet->blocked)
    return diag_set(call->work->diag, ERR_DENIED, "MEMBER_BLOCKED", "%s", loyalty_refusal_words("MEMBER_BLOCKED"));
  return ERR_OK;
}

// Limits are asked before anything moves; what counts is counted then. `points`: of one movement.
static enum err guard(struct member_call *call, struct loyalty_ledger *ledger, enum loyalty_limit_what what,
                      uint8_t currency, int64_t points, bool counts) {
  struct loyalty_move move = {.programme = ledger->programme->number,
                              .what = what,
                              .currency = currency,
                              .cashier = call->cashier,
                              .count = 1,
                              .points = points,
                              .at_us = call->work->now_us};
  enum err err = loyalty_cashier_lock(call->work);
  if (err == ERR_OK) err = loyalty_guard(call->work, call->members[0], ledger, &move);
  return err == ERR_OK && counts ? loyalty_guard_count(call->work, ledger, &move) : err;
}

static void write_balance(struct json_writer *writer, const struct loyalty_ledger *ledger) {
  json_name(writer, "balance");
  loyalty_wallet_json(ledger->wallet, ledger->customer, ledger->programme, ledger->zone, writer);
}

// What she has of a currency, for the audit.
static enum err balance_side(const struct work *work, const struct loyalty_ledger *ledger, uint8_t number,
                             struct bytes *text) {
  static const enum loyalty_account accounts[] = {LOYALTY_ACTIVE, LOYALTY_PENDING, LOYALTY_HELD, LOYALTY_DEBT};
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, number);
  struct audit_side side;
  struct json_writer *writer = audit_side_begin(&side);
  json_member_bytes(writer, "currency", currency->id);
  for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++)
    json_member_scaled(writer, loyalty_account_name(accounts[i]), loyalty_amount(ledger->wallet, number, accounts[i]),
                       currency->scale);
  enum err err = audit_side_end(&side, work->arena, text);
  return err == ERR_OK ? ERR_OK : diag_no_memory(work->diag);
}

static uint64_t last_posting(const struct loyalty_ledger *ledger) {
  return ledger->posting_count == 0 ? 0 : ledger->postings[ledger->posting_count - 1].id;
}

static void write_done(struct member_call *call, const struct loyalty_ledger *ledger) {
  char id[32];
  snprintf(id, sizeof id, "p%" PRIu64, last_posting(ledger));
  json_object_begin(call->writer);
  json_member_text(call->writer, "id", id);
  write_balance(call->writer, ledger);
  json_object_end(call->writer);
}

// --- burning ---------------------------------------------------------------------------------------------------

static enum err burn(struct member_call *call, void *context) {
  const struct points *points = context;
  const struct loyalty_part *parts;
  struct loyalty_ledger *ledger;
  size_t count;
  bool replayed;
  enum err err = member_call_replay(call, 'b', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = open_ledger(call, 0, points->programme, false, &ledger);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = cause_of(call, points);
  err = guard(call, ledger, LOYALTY_MOVE_BURN, points->currency, points->amount, true);
  if (err == ERR_OK) err = loyalty_spend(ledger, &cause, points->currency, points->amount, &parts, &count);
  if (err != ERR_OK) return err;
  write_done(call, ledger);
  return member_call_keep(call, 'b', points->reference);
}

static const char *const CUSTOMER[] = {"customer"};

static enum err run_points(struct engine *engine, const struct engine_caller *caller, struct value request, bool either,
                           member_fn *body, struct json_writer *writer, struct engine_commit *commit,
                           struct diag *diag) {
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = read_points(&call, &points, either, diag);
  if (err == ERR_OK) err = member_call_run(&call, CUSTOMER, 1, body, &points, commit, diag);
  member_call_close(&call);
  return err;
}

enum err engine_points_burn(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  return run_points(engine, caller, request, false, burn, writer, commit, diag);
}

// --- holds -----------------------------------------------------------------------------------------------------

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
  write_balance(call->writer, ledger);
  json_object_end(call->writer);
}

static enum err hold(struct member_call *call, void *context) {
  const struct points *points = context;
  struct loyalty_ledger *ledger;
  uint64_t number;
  bool replayed;
  enum err err = member_call_replay(call, 'h', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = open_ledger(call, 0, points->programme, false, &ledger);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = cause_of(call, points);
  struct hold_row row = {.programme = points->programme,
                         .currency = points->currency,
                         .state = HOLD_OPEN,
                         .amount = points->amount,
                         .expires_us = call->work->now_us + points->ttl_us};
  err = guard(call, ledger, LOYALTY_MOVE_BURN, points->currency, points->amount, false); // counted when it is captured
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
  enum err err = read_points(&call, &points, false, diag);
  if (err == ERR_OK) err = read_ttl(&call, &points.ttl_us, diag);
  if (err == ERR_OK) err = member_call_run(&call, CUSTOMER, 1, hold, &points, commit, diag);
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

static enum err refuse(struct work *work, const char *code) {
  return diag_set(work->diag, ERR_DENIED, code, "%s", loyalty_refusal_words(code));
}

static enum err check_open(struct work *work, const struct hold_row *row) {
  if (row->state == HOLD_CAPTURED) return refuse(work, "ALREADY_CAPTURED");
  if (row->state == HOLD_VOIDED) return refuse(work, "ALREADY_VOIDED");
  return work->now_us >= row->expires_us ? refuse(work, "HOLD_EXPIRED") : ERR_OK;
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
  if (err == ERR_OK) err = open_ledger(call, 0, row.programme, false, &ledger);
  if (err != ERR_OK) return err;
  const struct loyalty_currency *currency = loyalty_currency_at(ledger->programme, row.currency);
  int64_t amount = 0;
  struct value said = value_is_absent(call->request)
                          ? call->request
                          : value_member(call->request, call->engine->names, BYTES("amount"));
  if (!value_is_absent(said))
    err = member_call_amount(call, "amount", currency->scale, false, &amount, call->work->diag);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = cause_of(call, points);
  if (capture) err = guard(call, ledger, LOYALTY_MOVE_BURN, row.currency, amount > 0 ? amount : row.amount, true);
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

// --- by a person -------------------------------------------------------------------------------------------------

// Row of DOCUMENT "loyalty_approval", number: {"author","at","expires" (µs),"customer" (her number),"request"}: an
// adjustment that waits for a second person. Nobody decides on one that expired; the next request takes it away.
static void put_number(struct value_builder *builder, const char *name, int64_t number) {
  value_put_name(builder, bytes_from_text(name));
  value_put_number(builder, decimal_from_i64(number));
}

static int64_t number_of(const struct engine *engine, struct value row, const char *name, int64_t fallback) {
  struct decimal number;
  int64_t whole;
  bool good = value_as_number(value_member(row, engine->names, bytes_from_text(name)), &number) &&
              decimal_to_scaled_i64(number, 0, &whole) == ERR_OK;
  return good ? whole : fallback;
}

struct waiting { // rows to be taken away
  struct key keys[APPROVALS_AT_ONCE];
  size_t count;
};

// Rows that expired, or are of one of these customers.
static bool is_over(const struct work *work, struct value row, const uint64_t *customers, size_t count) {
  const struct engine *engine = work->engine;
  if (customers == NULL) return number_of(engine, row, "expires", INT64_MAX) <= work->now_us;
  uint64_t customer = (uint64_t)number_of(engine, row, "customer", 0);
  for (size_t i = 0; i < count; i++)
    if (customers[i] == customer) return true;
  return false;
}

static enum err find_over(struct work *work, const uint64_t *customers, size_t count, struct waiting *waiting) {
  struct store_cursor *cursor;
  struct bytes key, bytes;
  struct key from, to;
  waiting->count = 0;
  engine_number_key(&from, APPROVALS, 0);
  engine_number_key(&to, APPROVALS, UINT64_MAX);
  enum err err = store_scan(work->txn, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (waiting->count < APPROVALS_AT_ONCE && store_cursor_next(cursor, &key, &bytes)) {
    if (!is_over(work, (struct value){bytes}, customers, count)) continue;
    key_init(&waiting->keys[waiting->count]);
    key_put_raw(&waiting->keys[waiting->count++], key);
  }
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// `customers` NULL: what expired, some of it at least.
static enum err take_away(struct work *work, const uint64_t *customers, size_t count) {
  struct waiting waiting;
  enum err err;
  do {
    err = find_over(work, customers, count, &waiting);
    for (size_t i = 0; err == ERR_OK && i < waiting.count; i++)
      err = store_delete(work->txn, STORE_DOCUMENT, key_view(&waiting.keys[i]));
  } while (err == ERR_OK && customers != NULL && waiting.count == APPROVALS_AT_ONCE);
  return err;
}

enum err loyalty_approvals_forget(struct work *work, const uint64_t *customers, size_t count) {
  return take_away(work, customers, count);
}

static enum err keep_request(struct member_call *call, const struct points *points, uint64_t number) {
  struct work *work = call->work;
  struct value_builder builder;
  struct key key;
  buffer_clear(work->buffer);
  value_builder_init(&builder, work->buffer, call->engine->names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("author"));
  value_put_text(&builder, call->caller->author);
  put_number(&builder, "at", work->now_us);
  put_number(&builder, "expires", points->approval_until_us);
  put_number(&builder, "customer", (int64_t)call->members[0]->record.id);
  value_put_name(&builder, BYTES("request"));
  value_put_value(&builder, call->request);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_NO_MEMORY) return diag_no_memory(work->diag);
  engine_number_key(&key, APPROVALS, number);
  return err == ERR_OK ? store_put(work->txn, STORE_DOCUMENT, key_view(&key), buffer_view(work->buffer)) : err;
}

static enum err approval_side(struct member_call *call, const struct points *points, const char *status,
                              struct bytes *text) {
  const struct loyalty_programme *programme = loyalty_set_programme(call->work->loyalty, points->programme);
  const struct loyalty_currency *currency = programme == NULL ? NULL : loyalty_currency_at(programme, points->currency);
  struct audit_side side;
  struct json_writer *writer = audit_side_begin(&side);
  json_member_text(writer, "status", status);
  if (currency != NULL) json_member_bytes(writer, "currency", currency->id);
  if (currency != NULL) json_member_scaled(writer, "amount", points->amount, currency->scale);
  return audit_side_end(&side, call->work->arena, text) == ERR_OK ? ERR_OK : diag_no_memory(call->work->diag);
}

// `before` NULL: it is asked for now.
static enum err note_approval(struct member_call *call, const struct points *points, uint64_t number,
                              const char *action, const char *before, const char *after) {
  const struct loyalty_programme *programme = loyalty_set_programme(call->work->loyalty, points->programme);
  struct member_change change = {.action = action, .reason = points->reason};
  char id[32];
  int size = snprintf(id, sizeof id, "a%" PRIu64, number);
  change.subject = bytes_of(id, (size_t)size);
  if (programme != NULL) change.programme = programme->id;
  enum err err = before == NULL ? ERR_OK : approval_side(call, points, before, &change.before);
  if (err == ERR_OK) err = approval_side(call, points, after, &change.after);
  return err == ERR_OK ? member_call_audit(call, &change) : err;
}

static void write_approval_status(struct member_call *call, uint64_t number, const char *status) {
  char id[32];
  snprintf(id, sizeof id, "a%" PRIu64, number);
  json_object_begin(call->writer);
  json_member_text(call->writer, "approval", id);
  json_member_text(call->writer, "status", status);
  json_object_end(call->writer);
}

// What a reference asked for before is told again: that it was done, or that it waits.
static enum err keep_waiting(struct member_call *call, void *context) {
  const struct points *points = context;
  uint64_t number;
  bool replayed;
  enum err err = member_call_replay(call, 'a', points->reference, &replayed);
  if (err == ERR_OK && !replayed) err = member_call_replay(call, 'A', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = engine_next(call->engine, &call->engine->decisions, &number, call->work->diag);
  if (err == ERR_OK) err = take_away(call->work, NULL, 0);
  if (err == ERR_OK) err = keep_request(call, points, number);
  if (err == ERR_OK) err = note_approval(call, points, number, "approval.requested", NULL, "waiting");
  if (err != ERR_OK) return err;
  write_approval_status(call, number, "waiting");
  return member_call_keep(call, 'A', points->reference);
}

// The movement, and what she had before and has now.
static enum err note_movement(struct member_call *call, const struct loyalty_ledger *ledger, const char *action,
                              const struct points *points, struct bytes before) {
  struct member_change change = {
      .action = action, .programme = ledger->programme->id, .reason = points->reason, .before = before};
  char id[32];
  int size = snprintf(id, sizeof id, "p%" PRIu64, last_posting(ledger));
  change.subject = bytes_of(id, (size_t)size);
  enum err err = balance_side(call->work, ledger, points->currency, &change.after);
  return err == ERR_OK ? member_call_audit(call, &change) : err;
}

static enum err adjust(struct member_call *call, void *context) {
  const struct points *points = context;
  struct loyalty_ledger *ledger;
  struct bytes before;
  bool replayed, more = points->amount > 0;
  enum err err = member_call_replay(call, 'a', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = open_ledger(call, 0, points->programme, more, &ledger);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = cause_of(call, points);
  int64_t size = more ? points->amount : -points->amount;
  err = guard(call, ledger, LOYALTY_MOVE_ADJUST, points->currency, size, true);
  if (err == ERR_OK) err = balance_side(call->work, ledger, points->currency, &before);
  if (err == ERR_OK) err = loyalty_adjust(ledger, &cause, points->currency, size, more);
  if (err == ERR_OK) err = note_movement(call, ledger, "points.adjusted", points, before);
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err != ERR_OK) return err;
  write_done(call, ledger);
  return member_call_keep(call, 'a', points->reference);
}

enum err engine_points_adjust(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = read_points(&call, &points, true, diag);
  if (err == ERR_OK && points.reason.size_bytes == 0) {
    err = diag_set(diag, ERR_INVALID, "missing_member", "say why: an adjustment is kept with its reason");
    diag_in_field(diag, "reason");
  }
  int64_t size = points.amount < 0 ? -points.amount : points.amount;
  bool waits = points.approval_above > 0 && size > points.approval_above;
  if (err == ERR_OK) err = member_call_run(&call, CUSTOMER, 1, waits ? keep_waiting : adjust, &points, commit, diag);
  member_call_close(&call);
  return err;
}

// --- a second person -----------------------------------------------------------------------------------------------

struct approval {
  uint64_t number;
  struct value row;
  struct bytes author; // who asked
  struct value request;
  struct bytes authors; // of the posting: both
  struct points points;
};

static enum err no_approval(struct diag *diag) {
  return diag_set(diag, ERR_NOT_FOUND, "no_approval", "%s", loyalty_refusal_words("no_approval"));
}

static void read_approval(const struct engine *engine, struct approval *approval) {
  value_as_text(value_member(approval->row, engine->names, BYTES("author")), &approval->author);
  approval->request = value_member(approval->row, engine->names, BYTES("request"));
}

static enum err find_approval(struct engine *engine, struct bytes id, struct arena *arena, struct approval *approval,
                              struct diag *diag) {
  struct store_snapshot *snapshot;
  struct key key;
  if (id.size_bytes < 2 || id.data[0] != 'a' ||
      bytes_to_u64(bytes_of(id.data + 1, id.size_bytes - 1), &approval->number) != ERR_OK)
    return no_approval(diag);
  engine_number_key(&key, APPROVALS, approval->number);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = store_snapshot_get(snapshot, STORE_DOCUMENT, key_view(&key), arena, &approval->row.packed);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  if (approval->row.packed.data == NULL) return no_approval(diag);
  read_approval(engine, approval);
  return ERR_OK;
}

static enum err check_person(struct approval *approval, const struct engine_caller *caller, struct arena *arena,
                             struct diag *diag) {
  char text[2 * LIMIT_NAME_BYTES + 32];
  if (bytes_equal(approval->author, caller->author))
    return diag_set(diag, ERR_DENIED, "SAME_PERSON", "%s", loyalty_refusal_words("SAME_PERSON"));
  snprintf(text, sizeof text, "%.*s, agreed by %.*s", BYTES_ARG(approval->author), BYTES_ARG(caller->author));
  approval->authors = arena_copy(arena, bytes_from_text(text));
  return approval->authors.data == NULL ? diag_no_memory(diag) : ERR_OK;
}

// Two who decide at once wait for each other at the customer's lock.
static enum err take_request(struct member_call *call, const struct approval *approval) {
  struct work *work = call->work;
  struct bytes row;
  struct key key;
  engine_number_key(&key, APPROVALS, approval->number);
  enum err err = store_get(work->txn, STORE_DOCUMENT, key_view(&key), work->arena, &row);
  if (err == ERR_OK && row.data == NULL) return no_approval(work->diag);
  if (err == ERR_OK && is_over(work, (struct value){row}, NULL, 0)) return refuse(work, "APPROVAL_EXPIRED");
  return err == ERR_OK ? store_delete(work->txn, STORE_DOCUMENT, key_view(&key)) : err;
}

static enum err carry_out(struct member_call *call, void *context) {
  struct approval *approval = context;
  struct engine_caller both = *call->caller;
  const struct engine_caller *caller = call->caller;
  enum err err = take_request(call, approval);
  if (err == ERR_OK)
    err = note_approval(call, &approval->points, approval->number, "approval.agreed", "waiting", "agreed");
  both.author = approval->authors;
  call->caller = &both;
  if (err == ERR_OK) err = adjust(call, &approval->points);
  call->caller = caller;
  return err;
}

static enum err turn_down(struct member_call *call, void *context) {
  struct approval *approval = context;
  enum err err = take_request(call, approval);
  if (err == ERR_OK)
    err = note_approval(call, &approval->points, approval->number, "approval.refused", "waiting", "refused");
  if (err == ERR_OK) write_approval_status(call, approval->number, "refused");
  return err;
}

static enum err decide(struct engine *engine, const struct engine_caller *caller, struct bytes approval,
                       member_fn *body, struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct approval found = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, (struct value){{NULL, 0}}, writer);
  enum err err = find_approval(engine, approval, &call.arena, &found, diag);
  if (err == ERR_OK) err = check_person(&found, caller, &call.arena, diag);
  call.request = found.request;
  if (err == ERR_OK) err = read_points(&call, &found.points, true, diag);
  if (err == ERR_OK) err = member_call_run(&call, CUSTOMER, 1, body, &found, commit, diag);
  member_call_close(&call);
  return err;
}

enum err engine_approve(struct engine *engine, const struct engine_caller *caller, struct bytes approval,
                        struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  return decide(engine, caller, approval, carry_out, writer, commit, diag);
}

enum err engine_approval_refuse(struct engine *engine, const struct engine_caller *caller, struct bytes approval,
                                struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  return decide(engine, caller, approval, turn_down, writer, commit, diag);
}

static void write_approval(const struct engine *engine, uint64_t number, struct approval *approval,
                           struct json_writer *writer) {
  int64_t expires_us = number_of(engine, approval->row, "expires", INT64_MAX);
  char id[32];
  if (expires_us <= clock_now_us(engine->clock)) return;
  read_approval(engine, approval);
  snprintf(id, sizeof id, "a%" PRIu64, number);
  json_object_begin(writer);
  json_member_text(writer, "approval", id);
  json_member_bytes(writer, "author", approval->author);
  json_member_time(writer, "at", number_of(engine, approval->row, "at", 0));
  if (expires_us != INT64_MAX) json_member_time(writer, "expires_at", expires_us);
  json_name(writer, "request");
  value_to_json(writer, approval->request, engine->names);
  json_object_end(writer);
}

enum err engine_approvals_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key_bytes;
  struct key from, to;
  engine_number_key(&from, APPROVALS, 0);
  engine_number_key(&to, APPROVALS, UINT64_MAX);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  if (err == ERR_OK) {
    struct approval approval = {0};
    while (store_cursor_next(cursor, &key_bytes, &approval.row.packed))
      write_approval(engine, key_read_u64(key_bytes.data + key_bytes.size_bytes - sizeof(uint64_t)), &approval, writer);
    err = store_cursor_error(cursor);
    store_cursor_close(cursor);
  }
  json_array_end(writer);
  json_object_end(writer);
  store_snapshot_close(snapshot);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

static enum err transfer(struct member_call *call, void *context) {
  const struct points *points = context;
  struct loyalty_ledger *from, *to;
  struct bytes before;
  bool replayed;
  if (call->customers[0] == call->customers[1])
    return diag_set(call->work->diag, ERR_INVALID, "same_customer", "these are one customer already");
  enum err err = member_call_replay(call, 't', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = open_ledger(call, 0, points->programme, false, &from);
  if (err == ERR_OK) err = open_ledger(call, 1, points->programme, true, &to);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = cause_of(call, points);
  err = balance_side(call->work, from, points->currency, &before);
  if (err == ERR_OK) err = loyalty_transfer(from, to, &cause, points->currency, points->amount);
  if (err == ERR_OK) err = note_movement(call, from, "points.transferred", points, before);
  if (err == ERR_OK) err = loyalty_advance(to, to->now_us);
  if (err != ERR_OK) return err;
  write_done(call, from);
  return member_call_keep(call, 't', points->reference);
}

enum err engine_points_transfer(struct engine *engine, const struct engine_caller *caller, struct value request,
                                struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  static const char *const names[] = {"from", "to"};
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = read_points(&call, &points, false, diag);
  if (err == ERR_OK) err = member_call_run(&call, names, 2, transfer, &points, commit, diag);
  member_call_close(&call);
  return err;
}

// --- joining -------------------------------------------------------------------------------------------------------

static enum err note_join(struct member_call *call, const struct loyalty_ledger *ledger) {
  struct member_change change = {.action = "member.joined", .programme = ledger->programme->id};
  struct audit_side side;
  json_member_time(audit_side_begin(&side), "joined_at", ledger->wallet->joined_us);
  if (audit_side_end(&side, call->work->arena, &change.after) != ERR_OK) return diag_no_memory(call->work->diag);
  return member_call_audit(call, &change);
}

static enum err join(struct member_call *call, void *context) {
  const uint32_t *programme = context;
  struct loyalty_ledger *ledger;
  const char *refusal = NULL;
  enum err err = loyalty_ledger_open(call->work, call->members[0], *programme, false, &ledger);
  bool joins = err == ERR_OK && (ledger == NULL || ledger->wallet->guest);
  if (joins) err = loyalty_enrol(call->work, call->members[0], *programme, LOYALTY_BY_REQUEST, &ledger, &refusal);
  if (refusal != NULL) return diag_set(call->work->diag, ERR_DENIED, refusal, "%s", loyalty_refusal_words(refusal));
  if (err == ERR_OK && joins) err = note_join(call, ledger);
  if (err != ERR_OK) return err;
  char customer[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(call->members[0]->record.id, customer);
  json_object_begin(call->writer);
  json_member_text(call->writer, "customer", customer);
  write_balance(call->writer, ledger);
  if (call->customer_count > 1) {
    json_name(call->writer, "referral");
    json_object_begin(call->writer);
    err = loyalty_refer(call, *programme);
    json_object_end(call->writer);
  }
  json_object_end(call->writer);
  return err;
}

// "Identified" by an identifier that nobody has: a card that is handed out at a till.
static enum err make_customer(struct member_call *call, struct bytes reference, struct diag *diag) {
  struct engine *engine = call->engine;
  int64_t now_us = clock_now_us(engine->clock);
  struct engine_event event = {.type = ENGINE_IDENTIFY,
                               .source = call->caller->source,
                               .trusted = true,
                               .time_us = now_us,
                               .received_us = now_us,
                               .identifier_count = 1,
                               .amount_code = RULE_AMOUNT_NONE,
                               .name = engine->id.identified};
  struct engine_commit commit = {0};
  struct value_builder builder;
  struct buffer message;
  char id[LIMIT_NAME_BYTES + 16];
  int size = snprintf(id, sizeof id, "join:%.*s", BYTES_ARG(reference));
  event.message_id = bytes_of(id, (size_t)size);
  enum err err = parts_identifier(engine, reference, &call->arena, &event.identifiers[0].identifier, diag);
  if (err != ERR_OK) return err;
  buffer_init(&message);
  value_builder_init(&builder, &message, engine->names);
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("type"));
  value_put_text(&builder, BYTES("identify"));
  value_put_name(&builder, BYTES("messageId"));
  value_put_text(&builder, event.message_id);
  value_document_end(&builder);
  err = value_builder_finish(&builder);
  event.message = (struct value){buffer_view(&message)};
  err = err == ERR_OK ? apply_alone(engine, &event, NULL, &commit, diag) : diag_no_memory(diag);
  buffer_release(&message);
  return err;
}

enum err member_call_find_or_make(struct member_call *call, const char *name, struct diag *diag) {
  struct engine_view *view;
  struct bytes reference;
  uint64_t customer;
  enum err err = member_call_text(call, name, true, &reference, diag);
  if (err != ERR_OK || memchr(reference.data, ':', reference.size_bytes) == NULL) return err;
  err = engine_view_open(call->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = engine_find(view, reference, &customer, NULL);
  engine_view_close(view);
  return err == ERR_NOT_FOUND ? make_customer(call, reference, diag) : ERR_OK;
}

enum err engine_member_join(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  const struct loyalty_programme *programme = NULL;
  const struct loyalty_set *set = loyalty_hold(engine);
  struct bytes referred_by = BYTES("");
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = member_call_programme(&call, set, &programme, diag);
  uint32_t number = err == ERR_OK ? programme->number : 0;
  if (set != NULL) loyalty_set_close(set);
  if (err == ERR_OK) err = member_call_text(&call, "referred_by", false, &referred_by, diag);
  if (err == ERR_OK) err = member_call_find_or_make(&call, "customer", diag);
  if (err == ERR_OK && referred_by.size_bytes > 0) {
    err = loyalty_referral_find(&call, "customer", "referred_by", diag);
    if (err == ERR_OK) err = member_call_run_ids(&call, join, &number, commit, diag);
  } else if (err == ERR_OK) {
    err = member_call_run(&call, CUSTOMER, 1, join, &number, commit, diag);
  }
  member_call_close(&call);
  return err;
}
