// What scores are made of, over HTTP.
#include "engine/worth.h"
#include "api/handlers.h"
#include "api/server.h"

static bool goes_on(void *context, uint64_t done, uint64_t total) {
  struct request *request = context;
  (void)done, (void)total;
  return !request->api->stopping;
}

enum err scores_orders(struct request *request, struct worker *worker, struct diag *diag) {
  const struct worth_how how = {request->api->options.query_threads, goes_on, request};
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
