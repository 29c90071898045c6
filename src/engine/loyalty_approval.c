// loyalty_approval.c: points are corrected by a person, with the consent of a second one where it is much.
//
// Row of DOCUMENT "loyalty_approval", number: {"author","at","expires" (µs),"customer" (her number),"request"}: an
// adjustment that waits for a second person. Nobody decides on one that expired; the next request takes it away.
// Invariant: whoever decides takes the row away in the transaction of the decision, so it is carried out once.
#include <inttypes.h>
#include <stdio.h>

#include "engine/loyalty_points.h"

#define APPROVALS "loyalty_approval"
enum { APPROVALS_AT_ONCE = 8 };

// --- by a person -------------------------------------------------------------------------------------------------

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

static enum err adjust(struct member_call *call, void *context) {
  const struct points *points = context;
  struct loyalty_ledger *ledger;
  struct bytes before;
  bool replayed, more = points->amount > 0;
  enum err err = member_call_replay(call, 'a', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = points_open_ledger(call, 0, points->programme, more, &ledger);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = points_cause(call, points);
  int64_t size = more ? points->amount : -points->amount;
  err = points_guard(call, ledger, LOYALTY_MOVE_ADJUST, points->currency, size, true);
  if (err == ERR_OK) err = points_balance_side(call->work, ledger, points->currency, &before);
  if (err == ERR_OK) err = loyalty_adjust(ledger, &cause, points->currency, size, more);
  if (err == ERR_OK) err = points_note(call, ledger, "points.adjusted", points, before);
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err != ERR_OK) return err;
  points_write_done(call, ledger);
  return member_call_keep(call, 'a', points->reference);
}

enum err engine_points_adjust(struct engine *engine, const struct engine_caller *caller, struct value request,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = points_read(&call, &points, true, diag);
  if (err == ERR_OK && points.reason.size_bytes == 0) {
    err = diag_set(diag, ERR_INVALID, "missing_member", "say why: an adjustment is kept with its reason");
    diag_in_field(diag, "reason");
  }
  int64_t size = points.amount < 0 ? -points.amount : points.amount;
  bool waits = points.approval_above > 0 && size > points.approval_above;
  if (err == ERR_OK)
    err = member_call_run(&call, POINTS_CUSTOMER, 1, waits ? keep_waiting : adjust, &points, commit, diag);
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
  if (err == ERR_OK && is_over(work, (struct value){row}, NULL, 0)) return points_refuse(work, "APPROVAL_EXPIRED");
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
  if (err == ERR_OK) err = points_read(&call, &found.points, true, diag);
  if (err == ERR_OK) err = member_call_run(&call, POINTS_CUSTOMER, 1, body, &found, commit, diag);
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
