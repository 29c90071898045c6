// Reports over HTTP: which there are, one of them in a form that a program, a spreadsheet or a person reads, and the
// settings that say what an order is. A report walks over all customers; a server that stops ends it.
#include "api/handlers.h"
#include "api/server.h"
#include "engine/report.h"
#include "engine/trade.h"
#include "value/given.h"

enum err reports_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  engine_reports_json(&writer);
  return ERR_OK;
}

// --- one report ----------------------------------------------------------------------------------------------

static enum err read_form(const struct request *request, enum report_form *form, struct bytes *table,
                          struct diag *diag) {
  struct bytes name = {NULL, 0};
  size_t position = REPORT_FORM_JSON;
  enum err err = request_parameters(request, "format table", diag);
  if (!err) err = uri_find(&request->uri, "format", &name, diag);
  if (!err) err = uri_find(&request->uri, "table", table, diag);
  if (err) return err;
  if (name.data && !given_word_find(name, report_form_names, REPORT_FORM_COUNT, &position)) {
    diag_set(diag, ERR_INVALID, "bad_parameter", "The parameter \"format\" must be json, csv, xlsx or text.");
    diag_in_field(diag, "format");
    return ERR_INVALID;
  }
  *form = (enum report_form)position;
  return ERR_OK;
}

// The options; a request without a body has all defaults.
static enum err read_options(struct request *request, struct worker *worker, struct value *options, struct diag *diag) {
  *options = (struct value){{NULL, 0}};
  return bytes_trim(request->json).size_bytes == 0 ? ERR_OK : request_document(request, worker, options, diag);
}

static enum err answer_report(struct request *request, const struct engine_report_request *asked, enum report_form form,
                              struct bytes table, struct diag *diag) {
  struct engine_view *view;
  struct report *report = NULL;
  enum err err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  err = engine_report(view, request->parameters[0], asked, &report, request->refusal, diag);
  engine_view_close(view);
  if (!err) {
    request_answer(request, 200);
    err = report_write(report, form, table, &request->reply, diag);
  }
  if (!err) request->content_type = report_form_types[form];
  report_close(report);
  return err;
}

enum err reports_make(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_report_request asked = {
      .threads = request->api->options.query_threads, .progress = request_goes_on, .context = request};
  enum report_form form = REPORT_FORM_JSON;
  struct bytes table = {NULL, 0};
  enum err err = read_form(request, &form, &table, diag);
  if (!err) err = read_options(request, worker, &asked.options, diag);
  if (!err) err = request_refusal(request, diag);
  if (err) return err;
  return answer_report(request, &asked, form, table, diag);
}

// --- settings ------------------------------------------------------------------------------------------------

enum err reports_settings_get(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  (void)worker;
  enum err err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = trade_json(view, &writer, diag);
  engine_view_close(view);
  return err;
}

enum err reports_settings_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  struct bytes author;
  enum err err = request_settings(request, worker, &document, &author, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return trade_put(request->api->engine, document, author, &writer, request_commit(request, 200, NULL, NULL),
                   request->refusal, diag);
}
