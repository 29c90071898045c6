#include "engine/parts.h"

#include "engine/read.h"

enum err parts_identifier(struct engine *engine, struct bytes text, struct arena *arena, struct identifier *identifier,
                          struct diag *diag) {
  struct engine_view *view;
  struct read_target target;
  if (text.size_bytes == 0 || memchr(text.data, ':', text.size_bytes) == NULL)
    return diag_set(diag, ERR_INVALID, "bad_reference",
                    "write an identifier as type:value, such as email:zoe@exemple.fr; a customer's id is none");
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = read_target(view, text, arena, &target, diag);
  engine_view_close(view);
  if (err == ERR_OK) *identifier = target.identifier;
  return err;
}

enum err parts_check_live(struct work *work, const struct work_customer *customer) {
  if (customer->record.identifier_count > 0 && customer->record.merged_into == 0) return ERR_OK;
  return diag_set(work->diag, ERR_NOT_FOUND, "no_customer", "there is no customer c%llu any more",
                  (unsigned long long)customer->record.id);
}

enum err merge_redirect(struct work *work, uint64_t id, uint64_t to) {
  struct work_customer *held = work_held_customer(work, id);
  struct customer redirect;
  struct key key;
  if (held != NULL) { // it is written with the rest, at the end
    customer_init(&held->record, id);
    held->record.merged_into = to;
    held->record_dirty = true;
    return ERR_OK;
  }
  customer_init(&redirect, id);
  redirect.merged_into = to;
  customer_key(id, CUSTOMER_ROW_RECORD, &key);
  buffer_clear(work->buffer);
  customer_encode(&redirect, work->buffer);
  if (work->buffer->failed) return diag_no_memory(work->diag);
  return store_put(work->txn, STORE_CUSTOMER, key_view(&key), buffer_view(work->buffer));
}

// --- rows of one customer ------------------------------------------------------------------------------------

static enum err scan_customer(struct work *work, enum store_keyspace keyspace, uint64_t customer,
                              struct store_cursor **cursor) {
  struct key first, end;
  key_init(&first);
  key_put_u64(&first, customer);
  end = first;
  for (int i = 0; i < 32; i++) key_put_u8(&end, 0xff);
  return store_scan(work->txn, keyspace, key_view(&first), key_view(&end), cursor);
}

enum err parts_delete_range(struct work *work, enum store_keyspace keyspace, uint64_t customer) {
  struct store_cursor *cursor;
  struct bytes key, value;
  enum err err = scan_customer(work, keyspace, customer, &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value)) err = store_delete(work->txn, keyspace, key);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// --- edges after a split -------------------------------------------------------------------------------------

// Which part holds this identifier: NULL when none does.
static struct work_customer *holder_of(const struct work *work, struct value text,
                                       struct work_customer *const *customers, size_t count) {
  struct identifier identifier;
  struct bytes bytes;
  if (!value_as_text(text, &bytes) || !engine_identifier_read(work->engine, bytes, &identifier)) return NULL;
  for (size_t i = 0; i < count; i++)
    if (customer_find_identifier(&customers[i]->record, identifier) >= 0) return customers[i];
  return NULL;
}

// An edge stays with the part that holds both ends; a refusal with the one that holds its first.
static struct work_customer *row_holder(const struct work *work, struct value row,
                                        struct work_customer *const *customers, size_t count) {
  struct identifier a, b;
  struct bytes a_text, b_text;
  bool both = value_as_text(value_member_id(row, work->engine->id.a), &a_text) &&
              value_as_text(value_member_id(row, work->engine->id.b), &b_text) &&
              engine_identifier_read(work->engine, a_text, &a) && engine_identifier_read(work->engine, b_text, &b);
  for (size_t i = 0; both && i < count; i++)
    if (customer_find_identifier(&customers[i]->record, a) >= 0 &&
        customer_find_identifier(&customers[i]->record, b) >= 0)
      return customers[i];
  return holder_of(work, value_member_id(row, work->engine->id.a), customers, count);
}

// The same document with another state, and who changed it.
static enum err disabled_copy(struct work *work, struct value row, const struct engine_split *split,
                              struct buffer *out) {
  struct value_builder builder;
  char now[CLOCK_TEXT_BYTES];
  struct value_iter iter = value_iterate(row);
  value_builder_init(&builder, out, work->engine->names);
  value_document_begin(&builder);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, work->engine->names);
    if (bytes_equal(name, BYTES("state"))) continue;
    value_put_name(&builder, name);
    value_put_value(&builder, iter.item);
  }
  clock_format(work->now_us, now);
  value_put_name(&builder, BYTES("state"));
  value_put_text(&builder, BYTES("disabled"));
  value_put_name(&builder, BYTES("disabled_at"));
  value_put_text(&builder, bytes_from_text(now));
  value_put_name(&builder, BYTES("author"));
  value_put_text(&builder, split->author);
  value_put_name(&builder, BYTES("reason"));
  value_put_text(&builder, split->reason);
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

static bool is_cut(const struct identity_edge *edges, size_t count, const bool *cut, uint64_t sequence) {
  for (size_t i = 0; i < count; i++)
    if (edges[i].sequence == sequence) return cut[i];
  return false;
}

struct edge_move {
  struct work *work;
  uint64_t whole;
  struct work_customer *const *customers;
  size_t count;
  const struct identity_edge *edges;
  size_t edge_count;
  const bool *cut;
  const struct engine_split *split;
};

static enum err move_row(const struct edge_move *move, struct bytes key, struct value row) {
  struct work *work = move->work;
  uint8_t kind = key.data[sizeof(uint64_t)];
  uint64_t number = key_read_u64(key.data + sizeof(uint64_t) + 1);
  if (kind == ENGINE_EDGE_HISTORY) return ERR_OK;
  bool disable = kind == ENGINE_EDGE_LINK && is_cut(move->edges, move->edge_count, move->cut, number);
  struct work_customer *to = row_holder(work, row, move->customers, move->count);
  uint64_t id = to == NULL ? move->whole : to->record.id;
  if (!disable && id == move->whole) return ERR_OK;
  struct buffer changed;
  struct key moved;
  struct bytes old = arena_copy(work->arena, key);
  if (old.data == NULL) return diag_no_memory(work->diag);
  buffer_init(&changed);
  enum err err = ERR_OK;
  if (disable)
    err = disabled_copy(work, row, move->split, &changed);
  else
    buffer_append_bytes(&changed, row.packed);
  engine_edge_key(id, (enum engine_edge_kind)kind, number, &moved);
  if (err == ERR_OK && changed.failed) err = diag_no_memory(work->diag);
  if (err == ERR_OK && id != move->whole) err = store_delete(work->txn, STORE_EDGE, old);
  if (err == ERR_OK) err = store_put(work->txn, STORE_EDGE, key_view(&moved), buffer_view(&changed));
  if (err == ERR_OK && disable) work->delta.edges--;
  buffer_release(&changed);
  return err;
}

static enum err write_history(const struct edge_move *move) {
  struct work *work = move->work;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < move->count; i++) {
    uint64_t sequence;
    struct engine_edge_row row = {.rule = "split",
                                  .customer = move->customers[i]->record.id == move->whole ? 0 : move->whole,
                                  .time_us = work->now_us,
                                  .author = move->split->author,
                                  .reason = move->split->reason};
    err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
    if (err == ERR_OK)
      err = engine_edge_put(work->engine, work->txn, move->customers[i]->record.id, ENGINE_EDGE_HISTORY, sequence, &row,
                            work->arena);
  }
  return err;
}

enum err parts_move_edges(struct work *work, uint64_t whole, struct work_customer *const *customers, size_t count,
                          const struct identity_edge *edges, size_t edge_count, const bool *cut,
                          const struct engine_split *split) {
  struct edge_move move = {work, whole, customers, count, edges, edge_count, cut, split};
  struct store_cursor *cursor;
  struct bytes key, value;
  enum err err = scan_customer(work, STORE_EDGE, whole, &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value)) err = move_row(&move, key, (struct value){value});
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err == ERR_OK ? write_history(&move) : err;
}
