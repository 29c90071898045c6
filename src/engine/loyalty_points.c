// loyalty_points.c: points are burned and passed on; and what all requests about points share.
//
// A request is read once, with the documents of then; its body opens her ledger, asks the limits, moves points and says
// what she has. Holds are in loyalty_hold.c, corrections by a person in loyalty_approval.c, joining in loyalty_join.c.
// What a caller names by a "reference" is done once: the same reference again gets the first reply (loyalty_request.h).
#include "engine/loyalty_points.h"

#include <inttypes.h>
#include <stdio.h>

// --- shared ----------------------------------------------------------------------------------------------------

enum err points_refuse(struct work *work, const char *code) {
  return diag_set(work->diag, ERR_DENIED, code, "%s", loyalty_refusal_words(code));
}

enum err points_read(struct member_call *call, struct points *points, bool either, struct diag *diag) {
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

struct loyalty_cause points_cause(const struct member_call *call, const struct points *points) {
  return (struct loyalty_cause){.reference = points->reference,
                                .identifier = call->identifiers[0],
                                .author = call->caller->author,
                                .reason = points->reason,
                                .effective_us = call->work->now_us};
}

enum err points_open_ledger(struct member_call *call, int index, uint32_t programme, bool join,
                            struct loyalty_ledger **ledger) {
  const char *refusal = NULL;
  enum err err = join ? loyalty_enrol(call->work, call->members[index], programme, LOYALTY_BY_EVENT, ledger, &refusal)
                      : loyalty_ledger_open(call->work, call->members[index], programme, false, ledger);
  if (err != ERR_OK) return err;
  if (refusal != NULL) return diag_set(call->work->diag, ERR_DENIED, refusal, "%s", loyalty_refusal_words(refusal));
  if (*ledger == NULL || (*ledger)->wallet->guest) return points_refuse(call->work, "NOT_A_MEMBER");
  if ((*ledger)->wallet->blocked)
    return diag_set(call->work->diag, ERR_DENIED, "MEMBER_BLOCKED", "%s", loyalty_refusal_words("MEMBER_BLOCKED"));
  return ERR_OK;
}

enum err points_guard(struct member_call *call, struct loyalty_ledger *ledger, enum loyalty_limit_what what,
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

void points_write_balance(struct json_writer *writer, const struct loyalty_ledger *ledger) {
  json_name(writer, "balance");
  loyalty_wallet_json(ledger->wallet, ledger->customer, ledger->programme, ledger->zone, writer);
}

enum err points_balance_side(const struct work *work, const struct loyalty_ledger *ledger, uint8_t number,
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

void points_write_done(struct member_call *call, const struct loyalty_ledger *ledger) {
  char id[32];
  snprintf(id, sizeof id, "p%" PRIu64, last_posting(ledger));
  json_object_begin(call->writer);
  json_member_text(call->writer, "id", id);
  points_write_balance(call->writer, ledger);
  json_object_end(call->writer);
}

enum err points_note(struct member_call *call, const struct loyalty_ledger *ledger, const char *action,
                     const struct points *points, struct bytes before) {
  struct member_change change = {
      .action = action, .programme = ledger->programme->id, .reason = points->reason, .before = before};
  char id[32];
  int size = snprintf(id, sizeof id, "p%" PRIu64, last_posting(ledger));
  change.subject = bytes_of(id, (size_t)size);
  enum err err = points_balance_side(call->work, ledger, points->currency, &change.after);
  return err == ERR_OK ? member_call_audit(call, &change) : err;
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
  err = points_open_ledger(call, 0, points->programme, false, &ledger);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = points_cause(call, points);
  err = points_guard(call, ledger, LOYALTY_MOVE_BURN, points->currency, points->amount, true);
  if (err == ERR_OK) err = loyalty_spend(ledger, &cause, points->currency, points->amount, &parts, &count);
  if (err != ERR_OK) return err;
  points_write_done(call, ledger);
  return member_call_keep(call, 'b', points->reference);
}

static enum err run_points(struct engine *engine, const struct engine_caller *caller, struct value request, bool either,
                           member_fn *body, struct json_writer *writer, struct engine_commit *commit,
                           struct diag *diag) {
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = points_read(&call, &points, either, diag);
  if (err == ERR_OK) err = member_call_run(&call, POINTS_CUSTOMER, 1, body, &points, commit, diag);
  member_call_close(&call);
  return err;
}

enum err engine_points_burn(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  return run_points(engine, caller, request, false, burn, writer, commit, diag);
}

// --- passing on ------------------------------------------------------------------------------------------------

static enum err transfer(struct member_call *call, void *context) {
  const struct points *points = context;
  struct loyalty_ledger *from, *to;
  struct bytes before;
  bool replayed;
  if (call->customers[0] == call->customers[1])
    return diag_set(call->work->diag, ERR_INVALID, "same_customer", "these are one customer already");
  enum err err = member_call_replay(call, 't', points->reference, &replayed);
  if (err != ERR_OK || replayed) return err;
  err = points_open_ledger(call, 0, points->programme, false, &from);
  if (err == ERR_OK) err = points_open_ledger(call, 1, points->programme, true, &to);
  if (err != ERR_OK) return err;
  struct loyalty_cause cause = points_cause(call, points);
  err = points_balance_side(call->work, from, points->currency, &before);
  if (err == ERR_OK) err = loyalty_transfer(from, to, &cause, points->currency, points->amount);
  if (err == ERR_OK) err = points_note(call, from, "points.transferred", points, before);
  if (err == ERR_OK) err = loyalty_advance(to, to->now_us);
  if (err != ERR_OK) return err;
  points_write_done(call, from);
  return member_call_keep(call, 't', points->reference);
}

enum err engine_points_transfer(struct engine *engine, const struct engine_caller *caller, struct value request,
                                struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  static const char *const names[] = {"from", "to"};
  struct points points = {0};
  struct member_call call;
  member_call_open(&call, engine, caller, request, writer);
  enum err err = points_read(&call, &points, false, diag);
  if (err == ERR_OK) err = member_call_run(&call, names, 2, transfer, &points, commit, diag);
  member_call_close(&call);
  return err;
}
