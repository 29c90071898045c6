// loyalty_batch.c: what a till that was away booked meanwhile.
//
// Each item is the request it would have been, in a transaction of its own and idempotent by its own id, so a batch
// that is sent again books nothing twice. What the rules refuse is told and the rest goes on; what fails for want of
// memory, disk or quiet fails the batch, which is to be sent again.
#include "engine/members.h"

#include "engine/internal.h"

enum { ITEMS_MAX = 1000 };

struct batch {
  struct engine *engine;
  const struct engine_caller *caller;
  struct buffer reply; // of one item
  struct store_mark *mark;
};

static struct value member_of(const struct engine *engine, struct value document, const char *name) {
  if (value_is_absent(document) || value_type(document) != VALUE_DOCUMENT) return (struct value){{NULL, 0}};
  return value_member(document, engine->names, bytes_from_text(name));
}

static enum err return_one(struct batch *batch, struct value request, struct json_writer *writer,
                           struct engine_commit *commit, struct diag *diag) {
  struct bytes order;
  if (!value_as_text(member_of(batch->engine, request, "order"), &order) || order.size_bytes == 0) {
    diag_set(diag, ERR_INVALID, "missing_member", "the member \"order\" must be said");
    diag_in_field(diag, "order");
    return ERR_INVALID;
  }
  return engine_order_return(batch->engine, batch->caller, order, request, writer, commit, diag);
}

static enum err run_one(struct batch *batch, struct value item, struct diag *diag) {
  struct value order = member_of(batch->engine, item, "order"), back = member_of(batch->engine, item, "return");
  struct engine_commit commit = {0};
  struct json_writer writer;
  buffer_clear(&batch->reply);
  json_writer_init(&writer, &batch->reply);
  enum err err;
  if (!value_is_absent(order))
    err = engine_order(batch->engine, batch->caller, order, &writer, &commit, diag);
  else if (!value_is_absent(back))
    err = return_one(batch, back, &writer, &commit, diag);
  else
    return diag_set(diag, ERR_INVALID, "missing_member", "an item is {\"order\":{…}} or {\"return\":{…}}");
  if (err == ERR_OK && batch->reply.failed) return diag_no_memory(diag);
  if (err == ERR_OK) *batch->mark = commit.mark;
  return err;
}

static bool is_refusal(enum err err) {
  return err == ERR_DENIED || err == ERR_INVALID || err == ERR_LIMIT || err == ERR_NOT_FOUND;
}

static void write_one(struct batch *batch, enum err err, const struct diag *diag, struct json_writer *writer) {
  static const char replayed[] = "{\"replayed\":true";
  struct bytes reply = buffer_view(&batch->reply);
  bool again = reply.size_bytes >= sizeof replayed && memcmp(reply.data, replayed, sizeof replayed - 1) == 0;
  json_object_begin(writer);
  json_member_text(writer, "status", err != ERR_OK ? "refused" : again ? "replayed" : "booked");
  if (err == ERR_OK) {
    json_name(writer, "reply");
    json_raw(writer, reply);
  } else {
    json_member_text(writer, "code", diag->code);
    json_member_text(writer, "message", diag->message);
    if (diag->field[0] != 0) json_member_text(writer, "field", diag->field);
  }
  json_object_end(writer);
}

static enum err run_all(struct batch *batch, struct value list, struct json_writer *writer, struct diag *diag) {
  struct value_iter iter = value_iterate(list);
  enum err err = ERR_OK;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  while (err == ERR_OK && value_next(&iter)) {
    struct diag own;
    diag_init(&own);
    err = run_one(batch, iter.item, &own);
    if (err != ERR_OK && !is_refusal(err)) {
      *diag = own;
      break;
    }
    write_one(batch, err, &own, writer);
    err = ERR_OK;
  }
  json_array_end(writer);
  json_object_end(writer);
  return err;
}

enum err engine_till_batch(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct store_mark *mark, struct diag *diag) {
  struct batch batch = {.engine = engine, .caller = caller, .mark = mark};
  struct value list = member_of(engine, request, "items");
  size_t count = 0;
  if (value_is_absent(list) || value_type(list) != VALUE_LIST) {
    diag_set(diag, ERR_INVALID, "missing_member", "the member \"items\" must be a list of orders and returns");
    diag_in_field(diag, "items");
    return ERR_INVALID;
  }
  struct value_iter iter = value_iterate(list);
  while (value_next(&iter)) count++;
  if (count > ITEMS_MAX) return diag_set(diag, ERR_LIMIT, "too_many", "a batch has at most %d items", ITEMS_MAX);
  *mark = store_mark_now(engine->store);
  buffer_init(&batch.reply);
  enum err err = run_all(&batch, list, writer, diag);
  buffer_release(&batch.reply);
  return err;
}
