// Who is joined with whom, and by which rules.
#include "api/handlers.h"
#include "api/server.h"

static enum err required_member(struct request *request, struct value document, const char *name, struct bytes *text,
                                struct diag *diag) {
  enum err err = request_member_text(request, document, name, text, diag);
  if (err || text->size_bytes) return err;
  diag_set(diag, ERR_INVALID, "missing_member", "The member \"%s\" is missing: an identifier, \"type:value\".", name);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

enum err linkage_explain(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  struct bytes a, b;
  (void)worker;
  enum err err = request_required(request, "a", &a, diag);
  if (!err) err = request_required(request, "b", &b, diag);
  if (err) return err;
  err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_explain_json(view, a, b, &writer, diag);
  engine_view_close(view);
  return err;
}

static void answer_allowed(struct request *request, const void *results) {
  const struct bytes *pair = results;
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_bytes(&writer, "a", pair[0]);
  json_member_bytes(&writer, "b", pair[1]);
  json_member_bool(&writer, "allowed", true);
  json_object_end(&writer);
}

enum err linkage_allow(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document;
  struct bytes pair[2];
  enum err err = request_body(request, worker, "a b", &document, diag);
  if (!err) err = required_member(request, document, "a", &pair[0], diag);
  if (!err) err = required_member(request, document, "b", &pair[1], diag);
  if (err) return err;
  return engine_allow_link(request->api->engine, pair[0], pair[1], request_commit(request, 200, answer_allowed, pair),
                           diag);
}

enum err linkage_rules_get(struct request *request, struct worker *worker, struct diag *diag) {
  uint64_t version;
  (void)worker;
  enum err err = request_number(request, "version", 0, 0, UINT64_MAX, &version, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_rules_json(request->api->engine, version, &writer, diag);
}

// What GET answers can be edited and sent back: the rules are its member "rules".
static enum err read_rules(struct request *request, struct value document, struct value *rules, struct diag *diag) {
  *rules = value_member(document, engine_names(request->api->engine), BYTES("rules"));
  if (!value_is_absent(*rules) && value_type(*rules) == VALUE_DOCUMENT) return ERR_OK;
  diag_set(diag, ERR_INVALID, "missing_member", "The member \"rules\" must hold the rules, an object.");
  diag_in_field(diag, "rules");
  return ERR_INVALID;
}

static void answer_version(struct request *request, const void *results) {
  const uint64_t *version = results;
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_u64(&writer, "version", *version);
  json_object_end(&writer);
}

enum err linkage_rules_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine *engine = request->api->engine;
  struct value document, rules;
  struct bytes author;
  uint64_t version;
  bool dry_run;
  enum err err = request_flag(request, "dry_run", &dry_run, diag);
  if (!err) err = request_body(request, worker, "rules author version changed_at", &document, diag);
  if (!err) err = read_rules(request, document, &rules, diag);
  if (!err) err = request_author(request, document, &author, diag);
  if (err) return err;
  if (dry_run) {
    struct json_writer writer = request_answer(request, 200);
    return engine_rules_try(engine, rules, &writer, diag);
  }
  return engine_rules_put(engine, rules, author, &version, request_commit(request, 200, answer_version, &version),
                          diag);
}

// --- the re-run ----------------------------------------------------------------------------------------------

enum err linkage_rerun_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_rerun_json(request->api->engine, &writer, diag);
}

// A body is not needed: it only names who asks.
enum err linkage_rerun_start(struct request *request, struct worker *worker, struct diag *diag) {
  struct value document = {{NULL, 0}};
  struct bytes author;
  enum err err = ERR_OK;
  if (bytes_trim(request->json).size_bytes > 0) err = request_body(request, worker, "author", &document, diag);
  if (!err) err = request_author(request, document, &author, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 202);
  return engine_rerun_start(request->api->engine, author, &writer, request_commit(request, 202, NULL, NULL), diag);
}

enum err linkage_rerun_stop(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_rerun_stop(request->api->engine, &writer, request_commit(request, 200, NULL, NULL), diag);
}
