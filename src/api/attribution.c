// The settings of attribution over HTTP: which events are touches and conversions, and what each channel is.
#include "engine/attribution.h"

#include "api/handlers.h"
#include "api/server.h"

enum err attribution_settings_get(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  uint64_t version = 0;
  struct bytes text = {NULL, 0};
  (void)worker;
  enum err err = request_parameters(request, "version", diag);
  if (!err) err = uri_find(&request->uri, "version", &text, diag);
  if (!err && text.data && bytes_to_u64(text, &version) != ERR_OK) {
    diag_set(diag, ERR_INVALID, "bad_parameter", "The parameter \"version\" must be a whole number from 1.");
    diag_in_field(diag, "version");
    return ERR_INVALID;
  }
  if (!err) err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_attribution_settings_json(view, version, &writer, diag);
  engine_view_close(view);
  return err;
}

enum err attribution_settings_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  struct bytes author;
  enum err err = request_settings(request, worker, &document, &author, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_attribution_settings_put(request->api->engine, document, author, &writer,
                                         request_commit(request, 200, NULL, NULL), request->refusal, diag);
}
