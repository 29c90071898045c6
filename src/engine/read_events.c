// read_events.c: a customer's events as people see them, newest first, page by page.
//
// An event is written as the engine's members, then the message's own ones as they were sent. A message is foreign: a
// member of it that would stand twice in the answer (its "name", its "time") is written as "sent_name"; so is one that
// begins with "sent_" already, which keeps the renaming free of clashes. Left out are the members the engine's
// own say better or that are the sender's secret: type, event, messageId, writeKey, sentAt.
// A cursor is the instant (time, event id) of the last event of the page in hexadecimal: it stays right while events
// are added, because the order of events never changes.
#include <string.h>

#include "base/limits.h"
#include "engine/read.h"

enum { CURSOR_BYTES = sizeof(int64_t) + IDENTITY_EVENT_ID_BYTES };

static const char *const type_names[] = {
    [ENGINE_IDENTIFY] = "identify",    [ENGINE_TRACK] = "track", [ENGINE_PAGE] = "page",
    [ENGINE_SCREEN] = "screen",        [ENGINE_GROUP] = "group", [ENGINE_ALIAS] = "alias",
    [ENGINE_CORRECTION] = "correction"};

static const char *type_name(uint8_t flags) {
  size_t type = flags >> 4;
  return type < sizeof type_names / sizeof *type_names ? type_names[type] : "unknown";
}

// --- one event -----------------------------------------------------------------------------------------------

static bool is_one_of(struct bytes name, const char *const *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (bytes_equal(name, bytes_from_text(list[i]))) return true;
  return false;
}

static bool is_left_out(struct bytes name) {
  static const char *const names[] = {"type", "event", "messageId", "writeKey", "sentAt"};
  return is_one_of(name, names, sizeof names / sizeof *names);
}

static bool would_clash(struct bytes name) {
  static const char *const names[] = {"id", "name", "time", "received_at", "source", "identifiers", "message_id"};
  return bytes_starts_with(name, BYTES("sent_")) || is_one_of(name, names, sizeof names / sizeof *names);
}

// A member name is at most LIMIT_NAME_BYTES, so the prefix fits.
static void write_name(struct json_writer *writer, struct bytes name) {
  uint8_t renamed[sizeof "sent_" + LIMIT_NAME_BYTES];
  const size_t prefix_bytes = sizeof "sent_" - 1;
  if (!would_clash(name) || name.size_bytes > LIMIT_NAME_BYTES) {
    json_name_bytes(writer, name);
    return;
  }
  memcpy(renamed, "sent_", prefix_bytes);
  memcpy(renamed + prefix_bytes, name.data, name.size_bytes);
  json_name_bytes(writer, bytes_of(renamed, prefix_bytes + name.size_bytes));
}

static void write_message(struct json_writer *writer, const struct engine *engine, struct value message) {
  struct value_iter iter = value_iterate(message);
  struct bytes message_id;
  if (value_as_text(value_member(message, engine->names, BYTES("messageId")), &message_id))
    json_member_bytes(writer, "message_id", message_id);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, engine->names);
    if (is_left_out(name)) continue;
    write_name(writer, name);
    value_to_json(writer, iter.item, engine->names);
  }
}

static void write_event(struct json_writer *writer, struct engine *engine, const struct timeline_item *item) {
  char id[2 * IDENTITY_EVENT_ID_BYTES + 1];
  bytes_to_hex(bytes_of(item->event.at.event, IDENTITY_EVENT_ID_BYTES), id);
  json_object_begin(writer);
  json_member_text(writer, "id", id);
  json_member_bytes(writer, "name", names_text(engine->names, item->event.name));
  json_member_text(writer, "type", type_name(item->payload.flags));
  json_member_time(writer, "time", item->event.at.time_us);
  json_member_time(writer, "received_at", item->payload.received_us);
  json_member_bytes(writer, "source", read_source_name(engine, item->payload.source));
  json_name(writer, "identifiers");
  json_array_begin(writer);
  for (size_t i = 0; i < item->payload.identifier_count; i++)
    read_write_identifier(writer, engine, item->payload.identifiers[i]);
  json_array_end(writer);
  write_message(writer, engine, item->payload.message);
  json_object_end(writer);
}

enum err read_write_events(struct engine_view *view, uint64_t customer, const struct timeline_head *head,
                           const struct timeline_query *query, size_t limit, struct json_writer *writer, bool *more,
                           struct identity_instant *last) {
  struct timeline_cursor *cursor;
  struct timeline_item item;
  size_t written = 0;
  *more = false;
  enum err err = timeline_open(&cursor, (struct timeline_reader){.snapshot = view->snapshot}, customer, head, query);
  if (err != ERR_OK) return err;
  while (!*more && (err = timeline_next(cursor, &item)) == ERR_OK) {
    *more = limit != 0 && written == limit;
    if (*more) break;
    write_event(writer, view->engine, &item);
    *last = item.event.at;
    written++;
    if (writer->out->failed) err = ERR_NO_MEMORY;
    if (err != ERR_OK) break;
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// --- a page --------------------------------------------------------------------------------------------------

static void write_cursor(struct json_writer *writer, const struct identity_instant *at) {
  char text[2 * CURSOR_BYTES + 1];
  struct key key;
  key_init(&key);
  key_put_i64(&key, at->time_us);
  key_put_raw(&key, bytes_of(at->event, IDENTITY_EVENT_ID_BYTES));
  bytes_to_hex(key_view(&key), text);
  json_text(writer, text);
}

static bool read_cursor(struct bytes text, struct identity_instant *at) {
  uint8_t key[CURSOR_BYTES];
  if (bytes_from_hex(text, key, sizeof key) != ERR_OK) return false;
  at->time_us = key_read_i64(key);
  memcpy(at->event, key + sizeof at->time_us, IDENTITY_EVENT_ID_BYTES);
  return true;
}

// What the caller asks for as the timeline wants it. *nothing: events of that name cannot exist.
static enum err read_query(const struct engine *engine, const struct engine_events_query *asked,
                           struct timeline_query *query, bool *nothing, struct diag *diag) {
  struct identity_instant after;
  *query = (struct timeline_query){.newest_first = true,
                                   .payloads = true,
                                   .has_from = asked->has_from,
                                   .has_to = asked->has_to,
                                   .from = {.time_us = asked->from_us},
                                   .to = {.time_us = asked->to_us}};
  if (asked->limit == 0 || asked->limit > LIMIT_PAGE_ROWS)
    return diag_set(diag, ERR_INVALID, "bad_limit", "a page has 1 to %d rows", LIMIT_PAGE_ROWS);
  if (asked->after.size_bytes > 0) {
    if (!read_cursor(asked->after, &after))
      return diag_set(diag, ERR_INVALID, "bad_cursor", "this cursor is not one that a list gave; start without it");
    if (!query->has_to || identity_instant_compare(&after, &query->to) < 0) query->to = after;
    query->has_to = true;
  }
  if (asked->name.size_bytes > 0) query->name = names_find(engine->names, asked->name);
  *nothing = asked->name.size_bytes > 0 && query->name == 0;
  return ERR_OK;
}

static enum err write_page(struct engine_view *view, uint64_t customer, const struct timeline_head *head,
                           const struct timeline_query *query, size_t limit, struct json_writer *writer) {
  struct identity_instant last = {0};
  bool more = false;
  enum err err = ERR_OK;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  if (head != NULL) err = read_write_events(view, customer, head, query, limit, writer, &more, &last);
  if (err != ERR_OK) return err;
  json_array_end(writer);
  json_name(writer, "next");
  if (more)
    write_cursor(writer, &last);
  else
    json_null(writer);
  json_object_end(writer);
  return ERR_OK;
}

enum err engine_events_json(struct engine_view *view, uint64_t customer, const struct engine_events_query *query,
                            struct json_writer *writer, struct diag *diag) {
  struct timeline_query wanted;
  struct timeline_head head;
  struct customer record;
  struct arena arena;
  bool nothing = false;
  arena_init(&arena, 0);
  enum err err = read_query(view->engine, query, &wanted, &nothing, diag);
  if (err == ERR_OK) err = read_customer(view, customer, &arena, &record, &head, diag);
  if (err == ERR_OK) err = write_page(view, record.id, nothing ? NULL : &head, &wanted, query->limit, writer);
  arena_release(&arena);
  return read_end(err, writer, diag);
}
