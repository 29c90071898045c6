// Customers by reference: "c42" or "email:zoe@exemple.fr". Every answer is a document the engine writes; this file
// finds the customer, reads parameters and bodies, and passes them on.
#include "api/handlers.h"
#include "api/server.h"
#include "base/limits.h"
#include "customer/record.h"

enum { DEFAULT_EVENTS = 100, DEFAULT_SEARCH = 20 };

static enum err find_customer(struct request *request, uint64_t *customer, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  err = request_find(request, view, customer, diag);
  engine_view_close(view);
  return err;
}

static enum err answer_record(struct request *request, struct engine_view *view, uint64_t customer,
                              struct json_writer *writer, struct diag *diag) {
  (void)request;
  return engine_customer_json(view, customer, writer, diag);
}

enum err customers_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_record, diag);
}

static enum err read_query(struct request *request, struct engine_events_query *query, struct diag *diag) {
  uint64_t limit;
  *query = (struct engine_events_query){0};
  enum err err = uri_find(&request->uri, "name", &query->name, diag);
  if (!err) err = request_time(request, "from", &query->has_from, &query->from_us, diag);
  if (!err) err = request_time(request, "to", &query->has_to, &query->to_us, diag);
  if (!err) err = uri_find(&request->uri, "after", &query->after, diag);
  if (!err) err = request_number(request, "limit", DEFAULT_EVENTS, 1, LIMIT_PAGE_ROWS, &limit, diag);
  if (!err) query->limit = (size_t)limit;
  return err;
}

static enum err answer_events(struct request *request, struct engine_view *view, uint64_t customer,
                              struct json_writer *writer, struct diag *diag) {
  struct engine_events_query query;
  enum err err = read_query(request, &query, diag);
  return err ? err : engine_events_json(view, customer, &query, writer, diag);
}

enum err customers_events(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_events, diag);
}

static enum err answer_identity(struct request *request, struct engine_view *view, uint64_t customer,
                                struct json_writer *writer, struct diag *diag) {
  (void)request;
  return engine_identity_json(view, customer, writer, diag);
}

enum err customers_identity(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_identity, diag);
}

static enum err answer_export(struct request *request, struct engine_view *view, uint64_t customer,
                              struct json_writer *writer, struct diag *diag) {
  (void)request;
  return engine_export_json(view, customer, writer, diag);
}

enum err customers_export(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  return request_customer(request, answer_export, diag);
}

enum err customers_search(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  struct bytes query;
  uint64_t limit;
  (void)worker;
  enum err err = request_required(request, "q", &query, diag);
  if (!err) err = request_number(request, "limit", DEFAULT_SEARCH, 1, LIMIT_PAGE_ROWS, &limit, diag);
  if (err) return err;
  err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_search_json(view, query, (size_t)limit, &writer, diag);
  engine_view_close(view);
  return err;
}

// --- changes -------------------------------------------------------------------------------------------------

// "e12", as the identity document shows edges; a bare number too.
static enum err read_edge(struct bytes text, uint64_t *edge, struct diag *diag) {
  if (text.size_bytes && text.data[0] == 'e') text = bytes_of(text.data + 1, text.size_bytes - 1);
  if (bytes_to_u64(text, edge) == ERR_OK && *edge > 0) return ERR_OK;
  return request_bad_member("edge", "the id of an edge, such as \"e12\"; GET /v1/customers/{ref}/identity shows them",
                            diag);
}

static enum err read_apart(struct value list, struct bytes apart[2], struct diag *diag) {
  struct value_iter iter = value_iterate(list);
  size_t count = 0;
  bool texts = value_type(list) == VALUE_LIST;
  while (texts && value_next(&iter)) {
    if (count < 2) texts = value_as_text(iter.item, &apart[count]);
    count++;
  }
  if (texts && count == 2) return ERR_OK;
  return request_bad_member("apart", "a list of two identifiers \"type:value\"", diag);
}

static enum err read_split(struct request *request, struct value document, struct engine_split *split,
                           struct diag *diag) {
  struct names *names = engine_names(request->api->engine);
  struct bytes edge;
  struct value apart = value_member(document, names, BYTES("apart"));
  *split = (struct engine_split){0};
  enum err err = request_member_text(request, document, "edge", &edge, diag);
  if (!err) err = request_member_text(request, document, "identifier", &split->identifier, diag);
  if (!err) err = request_member_text(request, document, "reason", &split->reason, diag);
  if (!err) err = request_author(request, document, &split->author, diag);
  if (err) return err;
  int given = (edge.data != NULL) + (split->identifier.data != NULL) + !value_is_absent(apart);
  if (given != 1) {
    return diag_set(diag, ERR_INVALID, "bad_split",
                    "Say what to part with exactly one of \"edge\", \"identifier\" and \"apart\"; %d are given.",
                    given);
  }
  if (edge.data) return read_edge(edge, &split->edge, diag);
  return value_is_absent(apart) ? ERR_OK : read_apart(apart, split->apart, diag);
}

enum err customers_split(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_split split;
  struct value document;
  uint64_t customer;
  enum err err = request_body(request, worker, "edge identifier apart author reason", &document, diag);
  if (!err) err = read_split(request, document, &split, diag);
  if (!err) err = find_customer(request, &customer, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_split_customer(request->api->engine, customer, &split, &writer,
                               request_commit(request, 200, NULL, NULL), diag);
}

enum err customers_correct(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine *engine = request->api->engine;
  struct value document, traits;
  struct bytes author;
  uint64_t customer;
  enum err err = request_body(request, worker, "traits author", &document, diag);
  if (!err) err = request_author(request, document, &author, diag);
  if (err) return err;
  traits = value_member(document, engine_names(engine), BYTES("traits"));
  if (value_is_absent(traits) || value_type(traits) != VALUE_DOCUMENT)
    return request_bad_member("traits", "an object", diag);
  err = find_customer(request, &customer, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_correct(engine, customer, traits, author, &writer, request_commit(request, 200, NULL, NULL), diag);
}

enum err customers_erase(struct request *request, struct worker *worker, struct diag *diag) {
  uint64_t customer;
  bool suppress;
  (void)worker;
  enum err err = request_flag(request, "suppress", &suppress, diag);
  if (!err) err = find_customer(request, &customer, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_erase(request->api->engine, customer, suppress, &writer, request_commit(request, 200, NULL, NULL),
                      diag);
}
