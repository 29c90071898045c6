// loyalty_join.c: somebody becomes a member because it was asked for, at a till or on a page.
//
// An identifier that nobody has makes a customer first, by an event "Identified" of its own, so that identity decides
// who she is. Joining again changes nothing. Who referred her is told in the same transaction.
#include <stdio.h>
#include <string.h>

#include "engine/loyalty_points.h"
#include "engine/parts.h"

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
  points_write_balance(call->writer, ledger);
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
    err = member_call_run(&call, POINTS_CUSTOMER, 1, join, &number, commit, diag);
  }
  member_call_close(&call);
  return err;
}
