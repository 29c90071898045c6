// target_loyalty: the calls of loyalty on an engine opened here.
#include "cli/target_answer.h"
#include "engine/members.h"
#include "loyalty/code.h"

// A person at the command line stands where a program's key does.
static struct engine_caller caller_of(const struct answer *answer) {
  const struct engine_source *source = engine_source_find(answer->engine, BYTES("api"));
  return (struct engine_caller){.source = source == NULL ? 0 : source->id, .author = answer_author(answer)};
}

// --- documents -----------------------------------------------------------------------------------------------

#define DOCUMENT(kind, name)                                                                                           \
  enum err local_##name##s(struct answer *answer) {                                                                    \
    return engine_loyalty_documents_json(answer->engine, kind, answer->writer, answer->diag);                          \
  }                                                                                                                    \
  enum err local_##name(struct answer *answer) {                                                                       \
    return engine_loyalty_document_json(answer->engine, kind, answer_arg(answer, TARGET_ARG_ID), answer->writer,       \
                                        answer->diag);                                                                 \
  }                                                                                                                    \
  enum err local_##name##_put(struct answer *answer) {                                                                 \
    return engine_loyalty_put(answer->engine, kind, answer->body, BYTES("command line"), answer->writer,               \
                              &answer->commit, NULL, answer->diag);                                                    \
  }                                                                                                                    \
  enum err local_##name##_archive(struct answer *answer) {                                                             \
    return engine_loyalty_archive(answer->engine, kind, answer_arg(answer, TARGET_ARG_ID), BYTES("command line"),      \
                                  answer->writer, &answer->commit, answer->diag);                                      \
  }

DOCUMENT(ENGINE_PROGRAMME, programme)
DOCUMENT(ENGINE_CAMPAIGN, campaign)
DOCUMENT(ENGINE_VOUCHER, voucher)

// --- members -------------------------------------------------------------------------------------------------

enum err local_member(struct answer *answer) {
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  return err == ERR_OK ? engine_member_json(answer->view, customer, answer->writer, answer->diag) : err;
}

enum err local_statement(struct answer *answer) {
  uint64_t customer;
  enum err err = answer_find(answer, &customer);
  if (err != ERR_OK) return err;
  return engine_statement_json(answer->view, customer, answer_arg(answer, TARGET_ARG_PROGRAMME),
                               answer_arg(answer, TARGET_ARG_AFTER),
                               answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS), answer->writer, answer->diag);
}

enum err local_liability(struct answer *answer) {
  return engine_liability_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

enum err local_refusals(struct answer *answer) {
  size_t count;
  const struct loyalty_refusal *refusals = loyalty_refusals(&count);
  json_object_begin(answer->writer);
  json_name(answer->writer, "items");
  json_array_begin(answer->writer);
  for (size_t i = 0; i < count; i++) {
    json_object_begin(answer->writer);
    json_member_text(answer->writer, "code", refusals[i].code);
    json_member_text(answer->writer, "message", refusals[i].words);
    json_object_end(answer->writer);
  }
  json_array_end(answer->writer);
  json_object_end(answer->writer);
  return ERR_OK;
}

// --- requests ------------------------------------------------------------------------------------------------

enum err local_evaluate(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_evaluate(answer->engine, &caller, answer->body, answer->writer, answer->diag);
}

enum err local_code_validate(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_code_validate(answer->engine, &caller, answer->body, answer->writer, answer->diag);
}

enum err local_order_show(struct answer *answer) {
  return engine_order_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

static enum err list_changes(struct answer *answer, bool loyalty) {
  struct engine_audit_query query = {.after = answer_arg(answer, TARGET_ARG_AFTER),
                                     .author = answer_arg(answer, TARGET_ARG_AUTHOR),
                                     .loyalty = loyalty,
                                     .limit = answer_number(answer, TARGET_ARG_LIMIT, TARGET_ROWS)};
  struct bytes customer = answer_arg(answer, TARGET_ARG_CUSTOMER);
  enum err err = ERR_OK;
  if (customer.size_bytes > 0) err = engine_find(answer->view, customer, &query.customer, answer->diag);
  return err == ERR_OK ? engine_audit_json(answer->view, &query, answer->writer, answer->diag) : err;
}

enum err local_loyalty_audit(struct answer *answer) {
  return list_changes(answer, true);
}

enum err local_audit(struct answer *answer) {
  return list_changes(answer, false);
}

enum err local_approvals(struct answer *answer) {
  return engine_approvals_json(answer->engine, answer->writer, answer->diag);
}

// Each item is a commit of its own.
enum err local_till_batch(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_till_batch(answer->engine, &caller, answer->body, answer->writer, &answer->commit.mark, answer->diag);
}

enum err local_loyalty_import(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_loyalty_import(answer->engine, &caller, answer->body, answer->writer, &answer->commit.mark,
                               answer->diag);
}

enum err local_loyalty_mirror(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_loyalty_mirror(answer->engine, &caller, answer->body, answer->writer, &answer->commit.mark,
                               answer->diag);
}

enum err local_loyalty_reconcile(struct answer *answer) {
  return engine_loyalty_reconcile(answer->engine, answer->body, answer->writer, answer->diag);
}

// What a request alone says.
#define REQUEST(name, function)                                                                                        \
  enum err local_##name(struct answer *answer) {                                                                       \
    struct engine_caller caller = caller_of(answer);                                                                   \
    return function(answer->engine, &caller, answer->body, answer->writer, &answer->commit, answer->diag);             \
  }

REQUEST(order, engine_order)
REQUEST(member_join, engine_member_join)
REQUEST(points_burn, engine_points_burn)
REQUEST(points_hold, engine_points_hold)
REQUEST(points_adjust, engine_points_adjust)
REQUEST(points_transfer, engine_points_transfer)
REQUEST(codes_make, engine_codes_make)
REQUEST(code_redeem, engine_code_redeem)
REQUEST(batch_start, engine_batch_start)

// What is done to one thing, of its id.
#define REQUEST_OF_ID(name, function)                                                                                  \
  enum err local_##name(struct answer *answer) {                                                                       \
    struct engine_caller caller = caller_of(answer);                                                                   \
    return function(answer->engine, &caller, answer_arg(answer, TARGET_ARG_ID), answer->body, answer->writer,          \
                    &answer->commit, answer->diag);                                                                    \
  }
#define CHANGE_OF_ID(name, function)                                                                                   \
  enum err local_##name(struct answer *answer) {                                                                       \
    struct engine_caller caller = caller_of(answer);                                                                   \
    return function(answer->engine, &caller, answer_arg(answer, TARGET_ARG_ID), answer->writer, &answer->commit,       \
                    answer->diag);                                                                                     \
  }

REQUEST_OF_ID(order_return, engine_order_return)
REQUEST_OF_ID(hold_capture, engine_hold_capture)
CHANGE_OF_ID(order_cancel, engine_order_cancel)
CHANGE_OF_ID(order_reopen, engine_order_reopen)
CHANGE_OF_ID(order_release, engine_order_release)
CHANGE_OF_ID(hold_void, engine_hold_void)
CHANGE_OF_ID(approve, engine_approve)
CHANGE_OF_ID(approval_refuse, engine_approval_refuse)

// --- codes ---------------------------------------------------------------------------------------------------

enum err local_code(struct answer *answer) {
  return engine_code_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

enum err local_code_roll_back(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_code_roll_back(answer->engine, &caller, answer_arg(answer, TARGET_ARG_ID),
                               answer_arg(answer, TARGET_ARG_NAME), answer->writer, &answer->commit, answer->diag);
}

enum err local_code_cancel(struct answer *answer) {
  struct engine_caller caller = caller_of(answer);
  return engine_code_cancel(answer->engine, &caller, answer_arg(answer, TARGET_ARG_ID), answer_text(answer, "reason"),
                            answer->writer, &answer->commit, answer->diag);
}

enum err local_batches(struct answer *answer) {
  return engine_batches_json(answer->engine, answer->writer, answer->diag);
}

enum err local_batch(struct answer *answer) {
  return engine_batch_json(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, answer->diag);
}

enum err local_batch_resume(struct answer *answer) {
  return engine_batch_resume(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, &answer->commit,
                             answer->diag);
}

enum err local_batch_stop(struct answer *answer) {
  return engine_batch_stop(answer->engine, answer_arg(answer, TARGET_ARG_ID), answer->writer, &answer->commit,
                           answer->diag);
}
