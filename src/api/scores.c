// Scores: definitions, thresholds found anew. Every answer is a document the engine writes.
#include "engine/scores.h"

#include "api/handlers.h"
#include "api/server.h"

enum err scores_list(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_scores_json(request->api->engine, &writer, diag);
}

enum err scores_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_score_json(request->api->engine, request->parameters[0], &writer, diag);
}

enum err scores_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  if (request->json.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "missing_body", "This address takes a score as its body, and there is none.");
  enum err err = request_document(request, worker, &document, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_score_put(request->api->engine, document, request_key_name(request), request_goes_on, request, &writer,
                          request_commit(request, 200, NULL, NULL), diag);
}

enum err scores_refresh(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_score_refresh(request->api->engine, request->parameters[0], request_goes_on, request, &writer,
                              request_commit(request, 200, NULL, NULL), diag);
}

enum err scores_archive(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_score_archive(request->api->engine, request->parameters[0], &writer,
                              request_commit(request, 200, NULL, NULL), diag);
}

// A day as "2026-11-22"; other times have no place here.
static enum err read_day(const struct request *request, struct engine_score_asked *asked, struct diag *diag) {
  enum { DAY_TEXT = 10 };
  struct bytes text;
  int64_t time_us;
  enum err err = uri_find(&request->uri, "at", &text, diag);
  if (err || text.size_bytes == 0) return err;
  if (text.size_bytes != DAY_TEXT || clock_parse(text, &time_us) != ERR_OK || time_us < 0)
    return diag_set(diag, ERR_INVALID, "bad_parameter", "The parameter \"at\" must be a day, such as 2026-11-22.");
  asked->has_day = true;
  asked->day = time_us / CLOCK_DAY_US;
  return ERR_OK;
}

enum err scores_summaries(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_score_asked asked = {.progress = request_goes_on, .context = request};
  struct engine_view *view;
  (void)worker;
  enum err err = request_parameters(request, "at range", diag);
  if (!err) err = read_day(request, &asked, diag);
  if (!err) err = uri_find(&request->uri, "range", &asked.range, diag);
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_score_summaries(view, &asked, writer.out, diag);
  engine_view_close(view);
  if (!err) request->content_type = "text/csv; charset=utf-8";
  return err;
}
