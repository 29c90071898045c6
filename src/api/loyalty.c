// Loyalty: programmes, campaigns and vouchers; baskets, orders and returns; points, holds and members. Every answer is
// a document the engine writes; codes have a file of their own (codes.c).
#include <string.h>

#include "api/handlers.h"
#include "api/member.h"
#include "api/server.h"
#include "base/limits.h"
#include "loyalty/code.h"

enum { DEFAULT_POSTINGS = 100 };

#define CART_MEMBERS "customer cart codes time pay cashier"

// --- what the routes share -----------------------------------------------------------------------------------

struct engine_caller member_caller(const struct request *request) {
  return (struct engine_caller){.source = request->key.source, .author = request_key_name(request)};
}

enum err member_write(struct request *request, struct worker *worker, const char *known, member_write_fn *write,
                      struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, known, &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return write(request->api->engine, &caller, document, &writer, request_commit(request, 200, NULL, NULL), diag);
}

enum err member_body(struct request *request, struct worker *worker, const char *known, struct value *document,
                     struct diag *diag) {
  *document = (struct value){{NULL, 0}};
  return request->json.size_bytes == 0 ? ERR_OK : request_body(request, worker, known, document, diag);
}

enum err member_admit_codes(struct request *request, struct diag *diag) {
  if (guesses_admit(request->api->guesses, request->key.id, clock_monotonic_us(), &request->retry_after_s))
    return ERR_OK;
  return diag_set(diag, ERR_BUSY, "rate_limited",
                  "This key asked for more than %d codes that are not there; try again in %u s.", GUESSES_MAX,
                  request->retry_after_s);
}

static size_t occurrences(struct bytes text, const char *word) {
  size_t count = 0, size = strlen(word);
  const uint8_t *at = text.data, *end = at + text.size_bytes;
  while (text.size_bytes > 0 && (at = memmem(at, (size_t)(end - at), word, size)) != NULL) {
    count++;
    at += size;
  }
  return count;
}

enum err member_count_guesses(struct request *request, enum err err, const struct diag *diag) {
  static const char missing[] = "\"reason\":\"CouponNotFound\"";
  size_t count = err ? strcmp(diag->code, "CouponNotFound") == 0 : occurrences(buffer_view(&request->reply), missing);
  guesses_note(request->api->guesses, request->key.id, count, clock_monotonic_us());
  return err;
}

// --- documents -----------------------------------------------------------------------------------------------

// "/v1/loyalty/campaigns/may"
static enum engine_loyalty_kind kind_of(const struct request *request) {
  struct bytes word = request->uri.segments[2];
  return bytes_equal(word, BYTES("programmes"))  ? ENGINE_PROGRAMME
         : bytes_equal(word, BYTES("campaigns")) ? ENGINE_CAMPAIGN
                                                 : ENGINE_VOUCHER;
}

enum err loyalty_documents_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_loyalty_documents_json(request->api->engine, kind_of(request), &writer, diag);
}

enum err loyalty_documents_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_loyalty_document_json(request->api->engine, kind_of(request), request->parameters[0], &writer, diag);
}

enum err loyalty_documents_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  enum err err = request_definition(request, worker, &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_loyalty_put(request->api->engine, kind_of(request), document, request_key_name(request), &writer,
                            request_commit(request, 200, NULL, NULL), request->refusal, diag);
}

enum err loyalty_documents_archive(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_loyalty_archive(request->api->engine, kind_of(request), request->parameters[0],
                                request_key_name(request), &writer, request_commit(request, 200, NULL, NULL), diag);
}

// --- baskets and orders --------------------------------------------------------------------------------------

// A sale without codes goes on while the key waits.
static enum err admit_basket(struct request *request, struct value document, struct diag *diag) {
  const struct names *names = engine_names(request->api->engine);
  bool codes = !value_is_absent(value_member(document, names, BYTES("codes"))) ||
               !value_is_absent(value_member(document, names, BYTES("pay")));
  return codes ? member_admit_codes(request, diag) : ERR_OK;
}

enum err loyalty_evaluate(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, CART_MEMBERS " explain", &document, diag);
  if (!err) err = admit_basket(request, document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_evaluate(request->api->engine, &caller, document, &writer, diag);
  return member_count_guesses(request, err, diag);
}

enum err loyalty_order_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, CART_MEMBERS " business_time", &document, diag);
  if (!err) err = admit_basket(request, document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_order(request->api->engine, &caller, document, &writer, request_commit(request, 200, NULL, NULL), diag);
  return member_count_guesses(request, err, diag);
}

enum err loyalty_order_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_order_json(request->api->engine, request->parameters[0], &writer, diag);
}

enum err loyalty_order_back(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, "return_id lines time", &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_order_return(request->api->engine, &caller, request->parameters[0], document, &writer,
                             request_commit(request, 200, NULL, NULL), diag);
}

typedef enum err order_change_fn(struct engine *engine, const struct engine_caller *caller, struct bytes order,
                                 struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// Of what is named by the address alone.
static enum err change(struct request *request, order_change_fn *change_it, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct json_writer writer = request_answer(request, 200);
  return change_it(request->api->engine, &caller, request->parameters[0], &writer,
                   request_commit(request, 200, NULL, NULL), diag);
}

enum err loyalty_order_cancelled(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return change(request, engine_order_cancel, diag);
}

enum err loyalty_order_open(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return change(request, engine_order_reopen, diag);
}

enum err loyalty_order_released(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return change(request, engine_order_release, diag);
}

// Each item is a commit of its own: the reply is stored after them.
enum err loyalty_till_batch(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, "items", &document, diag);
  if (!err) err = member_admit_codes(request, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_till_batch(request->api->engine, &caller, document, &writer, &request->commit.mark, diag);
  if (!err) request->marked = true;
  return member_count_guesses(request, err, diag);
}

// --- points --------------------------------------------------------------------------------------------------

enum err loyalty_points_burn(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "customer programme currency amount reference cashier", engine_points_burn,
                      diag);
}

enum err loyalty_points_hold(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "customer programme currency amount reference cashier ttl_s", engine_points_hold,
                      diag);
}

enum err loyalty_points_adjust(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "customer programme currency amount reference reason cashier",
                      engine_points_adjust, diag);
}

enum err loyalty_points_transfer(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "from to programme currency amount reference reason", engine_points_transfer,
                      diag);
}

enum err loyalty_holds_capture(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = member_body(request, worker, "amount cashier", &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_hold_capture(request->api->engine, &caller, request->parameters[0], document, &writer,
                             request_commit(request, 200, NULL, NULL), diag);
}

enum err loyalty_holds_void(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return change(request, engine_hold_void, diag);
}

enum err loyalty_approvals_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_approvals_json(request->api->engine, &writer, diag);
}

enum err loyalty_approvals_agree(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return change(request, engine_approve, diag);
}

enum err loyalty_approvals_refuse(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return change(request, engine_approval_refuse, diag);
}

// --- members -------------------------------------------------------------------------------------------------

enum err loyalty_members_join(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "customer programme referred_by", engine_member_join, diag);
}

enum err loyalty_rewards_buy(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "customer programme reward reference cashier", engine_reward_buy, diag);
}

enum err loyalty_referrals_make(struct request *request, struct worker *worker, struct diag *diag) {
  return member_write(request, worker, "advocate friend programme", engine_referral_make, diag);
}

typedef enum err member_batch_fn(struct engine *engine, const struct engine_caller *caller, struct value request,
                                 struct json_writer *writer, struct store_mark *mark, struct diag *diag);

// Each item is a commit of its own, as of a till's batch.
static enum err write_batch(struct request *request, struct worker *worker, const char *known, member_batch_fn *write,
                            struct diag *diag) {
  struct engine_caller caller = member_caller(request);
  struct value document;
  enum err err = request_body(request, worker, known, &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = write(request->api->engine, &caller, document, &writer, &request->commit.mark, diag);
  if (!err) request->marked = true;
  return err;
}

enum err loyalty_import_members(struct request *request, struct worker *worker, struct diag *diag) {
  return write_batch(request, worker, "items dry_run", engine_loyalty_import, diag);
}

enum err loyalty_mirror_items(struct request *request, struct worker *worker, struct diag *diag) {
  return write_batch(request, worker, "items", engine_loyalty_mirror, diag);
}

enum err loyalty_reconcile(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  enum err err = request_body(request, worker, "programme into balances", &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_loyalty_reconcile(request->api->engine, document, &writer, diag);
}

static enum err answer_member(struct request *request, struct engine_view *view, uint64_t customer,
                              struct json_writer *writer, struct diag *diag) {
  (void)request;
  return engine_member_json(view, customer, writer, diag);
}

enum err loyalty_member_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_member, diag);
}

static enum err answer_statement(struct request *request, struct engine_view *view, uint64_t customer,
                                 struct json_writer *writer, struct diag *diag) {
  struct bytes programme, after;
  uint64_t limit;
  enum err err = request_parameters(request, "programme after limit", diag);
  if (!err) err = uri_find(&request->uri, "programme", &programme, diag);
  if (!err) err = uri_find(&request->uri, "after", &after, diag);
  if (!err) err = request_number(request, "limit", DEFAULT_POSTINGS, 1, LIMIT_PAGE_ROWS, &limit, diag);
  return err ? err : engine_statement_json(view, customer, programme, after, (size_t)limit, writer, diag);
}

enum err loyalty_statement_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_statement, diag);
}

enum err loyalty_liability_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_liability_json(request->api->engine, request->parameters[0], &writer, diag);
}

enum err loyalty_changes(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes after;
  uint64_t limit;
  (void)worker;
  enum err err = request_page(request, &after, &limit, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_loyalty_changes_json(request->api->engine, after, (size_t)limit, &writer, diag);
}

static enum err answer_audit(struct request *request, struct engine_view *view, struct engine_audit_query *query,
                             struct diag *diag) {
  struct bytes reference;
  enum err err = uri_find(&request->uri, "customer", &reference, diag);
  if (!err && reference.size_bytes > 0) {
    err = engine_find(view, reference, &query->customer, diag);
    if (err == ERR_INVALID || err == ERR_NOT_FOUND) diag_in_field(diag, "customer");
  }
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_audit_json(view, query, &writer, diag);
}

static enum err tell_audit(struct request *request, bool loyalty, struct diag *diag) {
  struct engine_audit_query query = {.loyalty = loyalty};
  struct engine_view *view;
  uint64_t limit;
  enum err err = request_parameters(request, "customer author action subject after limit", diag);
  if (!err) err = uri_find(&request->uri, "subject", &query.subject, diag);
  if (!err) err = uri_find(&request->uri, "author", &query.author, diag);
  if (!err) err = uri_find(&request->uri, "action", &query.action, diag);
  if (!err) err = uri_find(&request->uri, "after", &query.after, diag);
  if (!err) err = request_number(request, "limit", DEFAULT_POSTINGS, 1, LIMIT_PAGE_ROWS, &limit, diag);
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  query.limit = (size_t)limit;
  err = answer_audit(request, view, &query, diag);
  engine_view_close(view);
  return err;
}

enum err loyalty_audit(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return tell_audit(request, true, diag);
}

enum err workspace_audit(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return tell_audit(request, false, diag);
}

enum err loyalty_refusals_list(struct request *request, struct worker *worker, struct diag *diag) {
  size_t count;
  const struct loyalty_refusal *refusals = loyalty_refusals(&count);
  struct json_writer writer = request_answer(request, 200);
  (void)worker, (void)diag;
  json_object_begin(&writer);
  json_name(&writer, "items");
  json_array_begin(&writer);
  for (size_t i = 0; i < count; i++) {
    json_object_begin(&writer);
    json_member_text(&writer, "code", refusals[i].code);
    json_member_text(&writer, "message", refusals[i].words);
    json_object_end(&writer);
  }
  json_array_end(&writer);
  json_object_end(&writer);
  return ERR_OK;
}
