// Expressions over HTTP: how many customers, which ones, and what an expression is made of. A text that is refused
// gives 422 with its place. A count or a list takes as long as its walk over the customers; a server that stops ends
// it.
#include "api/handlers.h"
#include "api/server.h"
#include "base/limits.h"
#include "customer/record.h"
#include "engine/query.h"

enum { DEFAULT_ROWS = 100 };

struct asked {
  struct engine_query_options options;
  struct bytes customer, after;
  uint64_t limit;
  struct value fields;
};

static struct value member_of(const struct request *request, struct value document, const char *name) {
  return value_member(document, engine_names(request->api->engine), bytes_from_text(name));
}

static enum err read_at(struct request *request, struct value document, struct engine_query_options *options,
                        struct diag *diag) {
  struct bytes text;
  enum err err = request_member_text(request, document, "at", &text, diag);
  if (err || !text.data) return err;
  if (clock_parse(text, &options->at_us)) return request_bad_member("at", "a time such as 2026-11-22T00:16:39Z", diag);
  options->has_at = true;
  return ERR_OK;
}

static enum err read_strict(struct request *request, struct value document, bool *strict, struct diag *diag) {
  struct value member = member_of(request, document, "strict");
  if (value_is_absent(member) || value_as_bool(member, strict)) return ERR_OK;
  return request_bad_member("strict", "true or false", diag);
}

static enum err read_limit(struct request *request, struct value document, uint64_t *limit, struct diag *diag) {
  struct value member = member_of(request, document, "limit");
  struct decimal number;
  int64_t whole = 0;
  *limit = DEFAULT_ROWS;
  if (value_is_absent(member)) return ERR_OK;
  bool is_whole = value_as_number(member, &number) && decimal_to_scaled_i64(number, 0, &whole) == ERR_OK;
  if (!is_whole || whole < 1 || whole > LIMIT_PAGE_ROWS)
    return request_bad_member("limit", "a whole number from 1 to 1000", diag);
  *limit = (uint64_t)whole;
  return ERR_OK;
}

static enum err read_asked(struct request *request, struct worker *worker, const char *known, struct asked *asked,
                           struct diag *diag) {
  struct value document;
  *asked = (struct asked){.options = {.threads = request->api->options.query_threads}};
  enum err err = request_body(request, worker, known, &document, diag);
  if (!err) err = request_member_text(request, document, "expression", &asked->options.text, diag);
  if (!err && !asked->options.text.data) err = request_bad_member("expression", "the text of an expression", diag);
  if (!err) err = read_at(request, document, &asked->options, diag);
  if (!err) err = read_strict(request, document, &asked->options.strict, diag);
  if (!err) err = request_member_text(request, document, "customer", &asked->customer, diag);
  if (!err) err = request_member_text(request, document, "after", &asked->after, diag);
  if (!err) err = read_limit(request, document, &asked->limit, diag);
  if (!err) asked->fields = member_of(request, document, "fields");
  return err;
}

// What a handler does with an open query.
typedef enum err answer_fn(struct request *request, const struct asked *asked, struct engine_view *view,
                           struct engine_query *query, struct diag *diag);

static enum err answer_query(struct request *request, const struct asked *asked, answer_fn *answer, struct diag *diag) {
  struct engine_query *query;
  struct engine_view *view;
  enum err err = request_refusal(request, diag);
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  err = engine_query_open(view, &asked->options, &query, request->refusal, diag);
  if (!err) {
    err = answer(request, asked, view, query, diag);
    engine_query_close(query);
  }
  engine_view_close(view);
  return err;
}

// --- counts --------------------------------------------------------------------------------------------------

static enum err answer_count(struct request *request, const struct asked *asked, struct engine_view *view,
                             struct engine_query *query, struct diag *diag) {
  (void)asked, (void)view;
  struct json_writer writer = request_answer(request, 200);
  return engine_query_count_json(query, request_goes_on, request, &writer, diag);
}

enum err queries_count(struct request *request, struct worker *worker, struct diag *diag) {
  struct asked asked;
  enum err err = read_asked(request, worker, "expression at strict", &asked, diag);
  return err ? err : answer_query(request, &asked, answer_count, diag);
}

// --- lists ---------------------------------------------------------------------------------------------------

static enum err add_fields(struct request *request, struct engine_query *query, struct value fields,
                           struct diag *diag) {
  static const char expected[] = "a list of texts, such as [\"id\", \"email\", \"spent=sum(total of \\\"Order\\\")\"]";
  struct value_iter iter = value_iterate(fields);
  struct bytes text;
  enum err err = ERR_OK;
  if (value_is_absent(fields)) return ERR_OK;
  if (value_type(fields) != VALUE_LIST) return request_bad_member("fields", expected, diag);
  while (!err && value_next(&iter)) {
    if (!value_as_text(iter.item, &text)) return request_bad_member("fields", expected, diag);
    err = engine_query_add_field(query, text, request->refusal, diag);
  }
  return err;
}

static enum err append(void *context, struct bytes text, struct diag *diag) {
  struct request *request = context;
  buffer_append_bytes(&request->reply, text);
  return request->reply.failed ? diag_no_memory(diag) : ERR_OK;
}

static enum err answer_list(struct request *request, const struct asked *asked, struct engine_view *view,
                            struct engine_query *query, struct diag *diag) {
  struct engine_query_list list = {.format = ENGINE_QUERY_ITEMS,
                                   .limit = asked->limit,
                                   .write = append,
                                   .progress = request_goes_on,
                                   .context = request};
  char next[CUSTOMER_ID_TEXT_BYTES];
  (void)view;
  if (asked->after.data && !customer_id_parse(asked->after, &list.after))
    return diag_set(diag, ERR_INVALID, "bad_cursor", "\"after\" is the \"next\" of the page before, such as c42.");
  enum err err = add_fields(request, query, asked->fields, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_name(&writer, "items");
  json_array_begin(&writer);
  err = engine_query_list(query, &list, diag);
  if (err) return err;
  json_array_end(&writer);
  json_name(&writer, "fields");
  engine_query_write_fields(query, &writer);
  customer_id_format(list.last, next);
  json_name(&writer, "next");
  if (list.more)
    json_text(&writer, next);
  else
    json_null(&writer);
  json_member_u64(&writer, "unknown", list.unknown);
  json_member_time(&writer, "at", engine_query_notes(query).at_us);
  engine_query_write_warnings(query, &writer);
  json_object_end(&writer);
  return ERR_OK;
}

enum err queries_list(struct request *request, struct worker *worker, struct diag *diag) {
  struct asked asked;
  enum err err = read_asked(request, worker, "expression at strict fields after limit", &asked, diag);
  return err ? err : answer_query(request, &asked, answer_list, diag);
}

// --- explanations --------------------------------------------------------------------------------------------

static enum err answer_explanation(struct request *request, const struct asked *asked, struct engine_view *view,
                                   struct engine_query *query, struct diag *diag) {
  uint64_t customer = 0;
  enum err err = asked->customer.data ? engine_find(view, asked->customer, &customer, diag) : ERR_OK;
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_query_explain(query, customer, &writer, diag);
}

static enum err answer_check(struct request *request, const struct asked *asked, struct engine_view *view,
                             struct engine_query *query, struct diag *diag) {
  (void)asked, (void)view, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  struct buffer text;
  buffer_init(&text);
  engine_query_print(query, &text);
  json_object_begin(&writer);
  json_member_bytes(&writer, "expression", buffer_view(&text));
  json_member_bool(&writer, "condition", engine_query_is_condition(query));
  engine_query_write_warnings(query, &writer);
  json_object_end(&writer);
  request->reply.failed = request->reply.failed || text.failed;
  buffer_release(&text);
  return ERR_OK;
}

enum err queries_check(struct request *request, struct worker *worker, struct diag *diag) {
  struct asked asked;
  enum err err = read_asked(request, worker, "expression", &asked, diag);
  asked.options.any_value = true;
  return err ? err : answer_query(request, &asked, answer_check, diag);
}

enum err queries_explain(struct request *request, struct worker *worker, struct diag *diag) {
  struct asked asked;
  enum err err = read_asked(request, worker, "expression at strict customer", &asked, diag);
  asked.options.any_value = true;
  return err ? err : answer_query(request, &asked, answer_explanation, diag);
}
