// What scores are made of, over HTTP.
#include "api/handlers.h"
#include "api/server.h"
#include "engine/appetence.h"

enum err scores_orders(struct request *request, struct worker *worker, struct diag *diag) {
  const struct worth_how how = {request->api->options.query_threads, request_goes_on, request};
  struct engine_view *view;
  (void)worker;
  enum err err = request_parameters(request, "", diag);
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_orders_csv(view, &how, writer.out, diag);
  engine_view_close(view);
  if (!err) request->content_type = "text/csv; charset=utf-8";
  return err;
}

enum err appetence_models(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  (void)worker;
  enum err err = request_parameters(request, "", diag);
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_appetence_models_json(view, &writer, diag);
  engine_view_close(view);
  return err;
}

static enum err read_horizon(struct request *request, struct value document, double *days, struct diag *diag) {
  struct engine_view *view;
  enum err err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  err = worth_days_option(view, document, "horizon", 30, days, diag);
  engine_view_close(view);
  return err;
}

enum err appetence_put(struct request *request, struct worker *worker, struct diag *diag) {
  const struct worth_how how = {request->api->options.query_threads, request_goes_on, request};
  struct value document;
  struct bytes range, author;
  double days;
  enum err err = request_body(request, worker, "range horizon author", &document, diag);
  if (!err) err = request_member_text(request, document, "range", &range, diag);
  if (!err) err = request_author(request, document, &author, diag);
  if (!err) err = read_horizon(request, document, &days, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 201);
  return engine_appetence_put(request->api->engine, range, (int64_t)(days * 86400e6), &how, author, &writer,
                              request_commit(request, 201, NULL, NULL), diag);
}
