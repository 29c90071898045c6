// loyalty_request.c: see loyalty_request.h.
#include "engine/loyalty_request.h"

#include <stdio.h>

#include "engine/parts.h"

enum { FIND_TRIES_MAX = 4 };

void member_call_open(struct member_call *call, struct engine *engine, const struct engine_caller *caller,
                      struct value request, struct json_writer *writer) {
  *call = (struct member_call){.engine = engine, .caller = caller, .request = request, .writer = writer};
  arena_init(&call->arena, 0);
}

void member_call_close(struct member_call *call) {
  arena_release(&call->arena);
}

static struct value member_of(const struct member_call *call, const char *name) {
  if (value_is_absent(call->request) || value_type(call->request) != VALUE_DOCUMENT) return (struct value){{NULL, 0}};
  return value_member(call->request, call->engine->names, bytes_from_text(name));
}

static enum err bad_member(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

enum err member_call_text(struct member_call *call, const char *name, bool needed, struct bytes *text,
                          struct diag *diag) {
  struct value member = member_of(call, name);
  *text = BYTES("");
  bool absent = value_is_absent(member) || value_type(member) == VALUE_NULL;
  if (absent) return needed ? bad_member(name, "missing_member", "said", diag) : ERR_OK;
  if (!value_as_text(member, text) || text->size_bytes == 0 || text->size_bytes > LIMIT_NAME_BYTES ||
      memchr(text->data, 0, text->size_bytes) != NULL)
    return bad_member(name, "wrong_type", "a text of 1 to 256 bytes", diag);
  return ERR_OK;
}

enum err member_call_time(struct member_call *call, const char *name, int64_t fallback_us, int64_t *time_us,
                          struct diag *diag) {
  struct bytes text;
  enum err err = member_call_text(call, name, false, &text, diag);
  *time_us = fallback_us;
  if (err != ERR_OK || text.size_bytes == 0) return err;
  if (clock_parse(text, time_us) != ERR_OK)
    return bad_member(name, "bad_time", "a time such as 2026-05-31T22:10:00+02:00", diag);
  return ERR_OK;
}

enum err member_call_programme(struct member_call *call, const struct loyalty_set *set,
                               const struct loyalty_programme **programme, struct diag *diag) {
  struct bytes id;
  enum err err = member_call_text(call, "programme", false, &id, diag);
  if (err != ERR_OK) return err;
  if (set == NULL || loyalty_set_programmes(set) == 0)
    return diag_set(diag, ERR_NOT_FOUND, "no_programme", "this workspace has no loyalty programme yet");
  *programme = id.size_bytes > 0 ? loyalty_set_programme_find(set, id) : loyalty_set_programme_at(set, 0);
  if (*programme == NULL) {
    diag_set(diag, ERR_NOT_FOUND, "no_programme", "there is no programme \"%.*s\"", BYTES_ARG(id));
    diag_in_field(diag, "programme");
    return ERR_NOT_FOUND;
  }
  if (id.size_bytes == 0 && loyalty_set_programmes(set) > 1)
    return bad_member("programme", "missing_programme", "said, since there are several programmes", diag);
  return ERR_OK;
}

enum err member_call_currency(struct member_call *call, const struct loyalty_programme *programme,
                              const struct loyalty_currency **currency, struct diag *diag) {
  struct bytes id;
  enum err err = member_call_text(call, "currency", false, &id, diag);
  if (err != ERR_OK) return err;
  *currency = id.size_bytes == 0 ? &programme->currencies[0] : loyalty_currency_find(programme, id);
  return *currency == NULL ? bad_member("currency", "unknown_currency", "a currency of the programme", diag) : ERR_OK;
}

enum err member_call_amount(struct member_call *call, const char *name, int scale, bool either, int64_t *amount,
                            struct diag *diag) {
  struct value member = member_of(call, name);
  struct decimal number;
  *amount = 0;
  if (value_is_absent(member)) return bad_member(name, "missing_member", "said", diag);
  if (value_as_number(member, &number) && decimal_to_scaled_i64(number, scale, amount) == ERR_OK && *amount != 0 &&
      *amount <= LOYALTY_AMOUNT_MAX && *amount >= (either ? -LOYALTY_AMOUNT_MAX : 1))
    return ERR_OK;
  char expected[128];
  snprintf(expected, sizeof expected, "%s %s%s, at most 10^%d", scale == 0 ? "a whole number" : "an amount",
           either ? "above or below 0" : "above 0", scale == 0 ? "" : " with at most two digits after the point",
           15 - scale);
  return bad_member(name, "bad_amount", expected, diag);
}

// --- customers -------------------------------------------------------------------------------------------------

static enum err find_customers(struct member_call *call, const char *const *names, size_t count, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(call->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  call->customer_count = count;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    err = member_call_text(call, names[i], true, &call->identifiers[i], diag);
    if (err != ERR_OK) break;
    err = engine_find(view, call->identifiers[i], &call->customers[i], diag);
    if (err == ERR_INVALID || err == ERR_NOT_FOUND) diag_in_field(diag, "%s", names[i]);
  }
  engine_view_close(view);
  return err;
}

struct running {
  struct member_call *call;
  member_fn *body;
  void *context;
  bool gone; // a customer became another one since she was found
};

static enum err run_body(struct work *work, void *context) {
  struct running *running = context;
  struct member_call *call = running->call;
  call->work = work;
  work->cashier = call->cashier;
  running->gone = false;
  for (size_t i = 0; i < call->customer_count; i++) {
    call->members[i] = work_customer(work, call->customers[i]);
    if (call->members[i] == NULL) return ERR_CONFLICT;
    enum err err = parts_check_live(work, call->members[i]);
    running->gone = err == ERR_NOT_FOUND;
    if (err != ERR_OK) return err;
  }
  if (call->writer != NULL) {
    buffer_clear(call->writer->out);
    json_writer_init(call->writer, call->writer->out);
  }
  return running->body(call, running->context);
}

static enum err run_once(struct running *running, struct engine_commit *commit, struct diag *diag) {
  struct member_call *call = running->call;
  struct work_plan plan = {.customers = call->customers,
                           .customer_count = call->customer_count,
                           .commit = call->dry_run ? NULL : commit,
                           .dry_run = call->dry_run};
  if (call->customer_count == 2 && call->customers[0] == call->customers[1]) plan.customer_count = 1;
  enum err err = member_call_text(call, "cashier", false, &call->cashier, diag);
  if (err != ERR_OK) return err;
  return work_run(call->engine, &plan, run_body, running, &commit->mark, diag);
}

enum err member_call_run_ids(struct member_call *call, member_fn *body, void *context, struct engine_commit *commit,
                             struct diag *diag) {
  struct running running = {.call = call, .body = body, .context = context};
  return run_once(&running, commit, diag);
}

enum err member_call_run(struct member_call *call, const char *const *names, size_t count, member_fn *body,
                         void *context, struct engine_commit *commit, struct diag *diag) {
  struct running running = {.call = call, .body = body, .context = context};
  enum err err = ERR_NOT_FOUND;
  for (int tries = 0; tries < FIND_TRIES_MAX; tries++) {
    running.gone = false;
    err = find_customers(call, names, count, diag);
    if (err == ERR_OK) err = run_once(&running, commit, diag);
    if (!running.gone) break;
  }
  return err;
}

// --- what is kept of a change --------------------------------------------------------------------------------------

enum err member_call_audit(struct member_call *call, const struct member_change *change) {
  struct work *work = call->work;
  struct audit_entry entry = {.action = change->action,
                              .author = call->caller->author,
                              .customer = call->customer_count > 0 ? call->members[0]->record.id : 0,
                              .programme = change->programme,
                              .subject = change->subject,
                              .reason = change->reason,
                              .before = change->before,
                              .after = change->after};
  return audit_put(call->engine, work->txn, work->now_us, &entry, work->diag);
}

// --- natural keys ------------------------------------------------------------------------------------------------

static void reply_key(const struct member_call *call, char kind, struct bytes reference, struct key *key) {
  loyalty_row_key(key, call->members[0]->record.id, 'n', BYTES(""));
  key_put_u8(key, (uint8_t)kind);
  key_put_raw(key, reference);
}

enum err member_call_replay(struct member_call *call, char kind, struct bytes reference, bool *replayed) {
  struct bytes row;
  struct key key;
  *replayed = false;
  if (reference.size_bytes == 0) return ERR_OK;
  reply_key(call, kind, reference, &key);
  enum err err = store_get(call->work->txn, STORE_LEDGER, key_view(&key), call->work->arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  *replayed = true;
  json_object_begin(call->writer);
  json_member_bool(call->writer, "replayed", true);
  json_name(call->writer, "reply");
  json_raw(call->writer, row);
  json_object_end(call->writer);
  return ERR_OK;
}

enum err member_call_keep(struct member_call *call, char kind, struct bytes reference) {
  struct key key;
  if (reference.size_bytes == 0) return ERR_OK;
  if (call->writer->out->failed) return diag_no_memory(call->work->diag);
  reply_key(call, kind, reference, &key);
  return store_put(call->work->txn, STORE_LEDGER, key_view(&key), buffer_view(call->writer->out));
}
