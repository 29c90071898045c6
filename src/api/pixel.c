// Two openings of one mail are two events: a message without an id gets a random one, because the content of such
// messages is the same each time and would pass for a repetition.
#include "api/pixel.h"

#include <sodium.h>

#include "api/server.h"

static const char *const message_members[] = {"anonymousId", "event",     "groupId", "messageId", "name",
                                              "previousId",  "timestamp", "sentAt",  "userId"};
enum { RANDOM_BYTES = 16, MEMBER_COUNT = sizeof message_members / sizeof *message_members };

static bool is_message_member(struct bytes name) {
  if (bytes_equal(name, BYTES("writeKey")) || bytes_equal(name, BYTES("type"))) return true;
  for (size_t i = 0; i < MEMBER_COUNT; i++) {
    if (bytes_equal(name, bytes_from_text(message_members[i]))) return true;
  }
  return false;
}

static enum err from_data(struct request *request, struct bytes data, struct diag *diag) {
  // A '+' of standard base64 arrives as a space.
  struct bytes copy = arena_copy(&request->arena, data), decoded;
  if (!copy.data) return diag_no_memory(diag);
  uint8_t *text = (uint8_t *)(uintptr_t)copy.data;
  for (size_t i = 0; i < copy.size_bytes; i++) {
    if (text[i] == ' ') text[i] = '+';
  }
  if (!credential_base64(copy, &request->arena, &decoded)) {
    diag_set(diag, ERR_INVALID, "bad_data", "The parameter \"data\" is not base64.");
    diag_in_field(diag, "data");
    return ERR_INVALID;
  }
  if (!decoded.data) return diag_no_memory(diag);
  request->json = decoded;
  return ERR_OK;
}

static enum err write_members(struct request *request, struct json_writer *writer, bool *has_id, struct diag *diag) {
  for (size_t i = 0; i < MEMBER_COUNT; i++) {
    struct bytes text;
    enum err err = uri_find(&request->uri, message_members[i], &text, diag);
    if (err) return err;
    if (!text.size_bytes) continue;
    json_member_bytes(writer, message_members[i], text);
    if (message_members[i][0] == 'm') *has_id = true;
  }
  return ERR_OK;
}

static enum err write_properties(struct request *request, struct json_writer *writer, struct diag *diag) {
  json_name(writer, "properties");
  json_object_begin(writer);
  for (size_t i = 0; i < request->uri.parameter_count; i++) {
    const struct uri_parameter *parameter = &request->uri.parameters[i];
    if (is_message_member(parameter->name)) continue;
    for (size_t j = 0; j < i; j++) {
      if (!bytes_equal(request->uri.parameters[j].name, parameter->name)) continue;
      return diag_set(diag, ERR_INVALID, "duplicate_parameter", "A parameter is given twice.");
    }
    json_name_bytes(writer, parameter->name);
    json_bytes(writer, parameter->value);
  }
  json_object_end(writer);
  return ERR_OK;
}

static enum err write_message(struct request *request, struct json_writer *writer, struct diag *diag) {
  struct bytes type, event;
  bool has_id = false;
  enum err err = uri_find(&request->uri, "type", &type, diag);
  if (!err) err = uri_find(&request->uri, "event", &event, diag);
  if (err) return err;
  json_object_begin(writer);
  if (type.size_bytes) json_member_bytes(writer, "type", type);
  if (!type.size_bytes) json_member_text(writer, "type", event.size_bytes ? "track" : "page");
  err = write_members(request, writer, &has_id, diag);
  if (err) return err;
  if (!has_id) {
    uint8_t random[RANDOM_BYTES];
    char text[2 * RANDOM_BYTES + 1];
    randombytes_buf(random, sizeof random);
    bytes_to_hex(bytes_of(random, sizeof random), text);
    json_member_text(writer, "messageId", text);
  }
  err = write_properties(request, writer, diag);
  if (!err) json_object_end(writer);
  return err;
}

enum err pixel_message(struct request *request, struct diag *diag) {
  struct bytes data;
  struct buffer text;
  struct json_writer writer;
  enum err err = uri_find(&request->uri, "data", &data, diag);
  if (err) return err;
  if (data.data) return from_data(request, data, diag);
  buffer_init(&text);
  json_writer_init(&writer, &text);
  err = write_message(request, &writer, diag);
  if (!err && text.failed) err = diag_no_memory(diag);
  if (!err) {
    request->json = arena_copy(&request->arena, buffer_view(&text));
    if (!request->json.data) err = diag_no_memory(diag);
  }
  buffer_release(&text);
  return err;
}
