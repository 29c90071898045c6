// Events in. Whatever the address and the client, a body goes through source_body_apply; the reply says what became of
// each item that was not simply taken.
#include <stdio.h>

#include "api/handlers.h"
#include "api/server.h"

// A key that is not shown to the public: a secret key, or the write key of a server or a till.
static bool is_trusted(const struct request *request) {
  const struct engine_source *source = engine_source(request->api->engine, request->key.source);
  if (request->key.secret) return true;
  return source && (source->kind == ENGINE_SOURCE_SERVER || source->kind == ENGINE_SOURCE_TILL);
}

static void write_items(struct json_writer *writer, const char *name, const struct source_report *report, int outcome) {
  json_name(writer, name);
  json_array_begin(writer);
  for (size_t i = 0; i < report->count; i++) {
    const struct source_item *item = &report->items[i];
    if ((int)item->outcome != outcome || (outcome == SOURCE_TAKEN && !item->code)) continue;
    json_object_begin(writer);
    json_member_u64(writer, "index", i);
    json_member_text(writer, "code", item->code ? item->code : "");
    json_member_text(writer, "message", item->message ? item->message : "");
    json_object_end(writer);
  }
  json_array_end(writer);
}

// Told only when there are some: most replies say the same few words, and many clients know these alone.
static bool has_refused(const struct source_report *report) {
  for (size_t i = 0; i < report->count; i++)
    if (report->items[i].outcome == SOURCE_TAKEN && report->items[i].code) return true;
  return false;
}

static void write_report(struct request *request, const struct source_report *report) {
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_bool(&writer, "success", true);
  json_member_u64(&writer, "taken", report->taken);
  json_member_u64(&writer, "duplicates", report->duplicates);
  write_items(&writer, "rejected", report, SOURCE_REJECTED);
  write_items(&writer, "aside", report, SOURCE_ASIDE);
  if (has_refused(report)) write_items(&writer, "refused", report, SOURCE_TAKEN);
  json_object_end(&writer);
}

static enum err apply(struct request *request, struct worker *worker, struct bytes type, bool replay,
                      struct source_report *report, struct diag *diag) {
  struct api *api = request->api;
  struct source_envelope envelope = {.source = request->key.source,
                                     .trusted = is_trusted(request),
                                     .replay = replay,
                                     .received_us = clock_now_us(engine_clock(api->engine)),
                                     .sent_us = INT64_MIN,
                                     .type = type};
  enum err err =
      source_body_apply(worker->reader, &envelope, request->json, &request->arena, report, &request->commit.mark, diag);
  if (err) return err;
  request->marked = true;
  metrics_count_events(api->metrics, report->taken, report->duplicates, report->rejected, report->aside);
  // One event was paid for by being admitted only when it is charged here too.
  limiter_charge(api->limiter, request->key.id, report->count ? report->count : 1, clock_monotonic_us());
  return ERR_OK;
}

static enum err take(struct request *request, struct worker *worker, struct bytes type, bool replay,
                     struct diag *diag) {
  struct source_report report = {0};
  enum err err = apply(request, worker, type, replay, &report, diag);
  if (!err) write_report(request, &report);
  return err;
}

enum err collect_message(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes type = bytes_from_text(request->route->detail);
  return take(request, worker, type.size_bytes ? type : request->parameters[0], false, diag);
}

enum err collect_batch(struct request *request, struct worker *worker, struct diag *diag) {
  return take(request, worker, BYTES(""), false, diag);
}

enum err collect_import(struct request *request, struct worker *worker, struct diag *diag) {
  if (!is_trusted(request)) {
    return diag_set(diag, ERR_DENIED, "server_key_needed",
                    "History can be imported only with a secret key or the key of a server or a till.");
  }
  return take(request, worker, BYTES(""), true, diag);
}

// The type of the message in a pixel's `data`: the parser of single messages wants to know it beforehand.
static enum err message_type(struct request *request, struct worker *worker, struct bytes *type, struct diag *diag) {
  struct value message;
  enum err err = request_document(request, worker, &message, diag);
  if (!err) err = request_member_text(request, message, "type", type, diag);
  if (err) return err;
  if (type->size_bytes == 0) *type = BYTES("track");
  *type = arena_copy(&request->arena, *type);
  return type->data ? ERR_OK : diag_no_memory(diag);
}

enum err collect_pixel(struct request *request, struct worker *worker, struct diag *diag) {
  // One transparent point.
  static const uint8_t gif[43] = {0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0xf0,
                                  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0xf9, 0x04,
                                  0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x01,
                                  0x00, 0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b};
  struct source_report report = {0};
  struct bytes type;
  enum err err = message_type(request, worker, &type, diag);
  if (!err) err = apply(request, worker, type, false, &report, diag);
  if (err) return err;
  request->status = 200;
  request->content_type = "image/gif";
  buffer_append(&request->reply, gif, sizeof gif);
  return ERR_OK;
}
