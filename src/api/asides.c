// What was set aside: looked at, corrected and sent again, or thrown away.
#include "api/handlers.h"
#include "api/server.h"
#include "base/limits.h"

enum { DEFAULT_PAGE = 100 };

enum err asides_list(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes after, code;
  uint64_t limit;
  (void)worker;
  enum err err = uri_find(&request->uri, "after", &after, diag);
  if (!err) err = uri_find(&request->uri, "code", &code, diag);
  if (!err) err = request_number(request, "limit", DEFAULT_PAGE, 1, LIMIT_PAGE_ROWS, &limit, diag);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  return engine_aside_json(request->api->engine, after, (size_t)limit, code, &writer, diag);
}

struct aside {
  struct bytes text;
  uint32_t source;
  int64_t received_us;
};

static enum err find(struct request *request, struct aside *aside, struct diag *diag) {
  return engine_aside_get(request->api->engine, request->parameters[0], &request->arena, &aside->text, &aside->source,
                          &aside->received_us, diag);
}

enum err asides_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_aside_item_json(request->api->engine, request->parameters[0], &writer, diag);
}

enum err asides_delete(struct request *request, struct worker *worker, struct diag *diag) {
  struct aside aside;
  (void)worker;
  enum err err = find(request, &aside, diag);
  if (err) return err;
  return engine_aside_delete(request->api->engine, request->parameters[0], request_commit(request, 204, NULL, NULL),
                             diag);
}

// --- sending again -------------------------------------------------------------------------------------------

static struct source_envelope envelope_of(const struct request *request, const struct aside *aside) {
  const struct engine_source *source = engine_source(request->api->engine, aside->source);
  bool trusted = source && (source->kind == ENGINE_SOURCE_SERVER || source->kind == ENGINE_SOURCE_TILL);
  return (struct source_envelope){.source = aside->source,
                                  .trusted = trusted,
                                  .received_us = aside->received_us,
                                  .sent_us = INT64_MIN,
                                  .resent = true};
}

// Tries the event without applying it: one that would only be set aside again stays where it is. A correction that is
// not even JSON is the caller's mistake and not the event's.
static enum err try_event(struct request *request, struct worker *worker, const struct aside *aside, struct bytes text,
                          bool corrected, struct diag *diag) {
  struct source_envelope envelope = envelope_of(request, aside);
  struct value message;
  struct engine_event *event = arena_take(&request->arena, sizeof *event);
  if (!event) return diag_no_memory(diag);
  request->json = text;
  enum err err = request_document(request, worker, &message, diag);
  if (err && corrected) return err;
  if (!err) err = source_message_read(worker->reader, &envelope, message, text, 0, &request->arena, event, diag);
  if (err != ERR_INVALID && err != ERR_LIMIT) return err;
  struct diag why = *diag;
  diag_set(diag, ERR_INVALID, "still_refused", "The event is still refused (%s): %.300s", why.code, why.message);
  if (why.field[0]) diag_in_field(diag, "%s", why.field);
  return ERR_INVALID;
}

// A batch of one, so that the message's own type counts.
static enum err apply_event(struct request *request, struct worker *worker, const struct aside *aside,
                            struct bytes text, struct source_report *report, struct diag *diag) {
  struct source_envelope envelope = envelope_of(request, aside);
  struct buffer body;
  buffer_init(&body);
  buffer_append_text(&body, "{\"batch\":[");
  buffer_append_bytes(&body, text);
  buffer_append_text(&body, "]}");
  enum err err = body.failed ? diag_no_memory(diag)
                             : source_body_apply(worker->reader, &envelope, buffer_view(&body), &request->arena, report,
                                                 &request->commit.mark, diag);
  buffer_release(&body);
  return err;
}

static void answer_outcome(struct request *request, const void *results) {
  const struct source_item *item = results;
  static const char *const names[] = {[SOURCE_TAKEN] = "taken",
                                      [SOURCE_DUPLICATE] = "duplicate",
                                      [SOURCE_REJECTED] = "rejected",
                                      [SOURCE_ASIDE] = "aside"};
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_bytes(&writer, "id", request->parameters[0]);
  json_member_text(&writer, "outcome", names[item->outcome]);
  json_name(&writer, "code");
  if (item->code) json_text(&writer, item->code);
  if (!item->code) json_null(&writer);
  json_name(&writer, "message");
  if (item->message) json_text(&writer, item->message);
  if (!item->message) json_null(&writer);
  json_object_end(&writer);
}

// An event that is set aside once more waits under a new id, so the old row goes in every case. It goes after the event
// is applied, and the reply with it: a crash between the two leaves the row, and sending it again then is a duplicate.
enum err asides_resend(struct request *request, struct worker *worker, struct diag *diag) {
  struct aside aside;
  struct source_report report = {0};
  enum err err = find(request, &aside, diag);
  if (err) return err;
  bool corrected = request->json.size_bytes > 0;
  struct bytes text = corrected ? request->json : aside.text;
  if (text.size_bytes == 0) {
    return diag_set(diag, ERR_INVALID, "missing_event", "The event was too large to be kept; send it as the body.");
  }
  err = try_event(request, worker, &aside, text, corrected, diag);
  if (!err) err = apply_event(request, worker, &aside, text, &report, diag);
  if (err) return err;
  request->marked = true;
  if (report.count != 1) return diag_set(diag, ERR_INVALID, "not_an_object", "The body must be one event.");
  return engine_aside_delete(request->api->engine, request->parameters[0],
                             request_commit(request, 200, answer_outcome, &report.items[0]), diag);
}
