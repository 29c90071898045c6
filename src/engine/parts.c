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

// Copies the members of a document but the named ones.
static void copy_members(struct work *work, struct value row, struct value_builder *builder, const char *const *but,
                         size_t but_count) {
  struct value_iter iter = value_iterate(row);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, work->engine->names);
    bool left_out = false;
    for (size_t i = 0; i < but_count; i++) left_out = left_out || bytes_equal(name, bytes_from_text(but[i]));
    if (left_out) continue;
    value_put_name(builder, name);
    value_put_value(builder, iter.item);
  }
}

// The same document with another state, and who changed it.
static enum err disabled_copy(struct work *work, struct value row, const struct parts_cause *cause,
                              struct buffer *out) {
  static const char *const but[] = {"state"};
  struct value_builder builder;
  char now[CLOCK_TEXT_BYTES];
  value_builder_init(&builder, out, work->engine->names);
  value_document_begin(&builder);
  copy_members(work, row, &builder, but, 1);
  clock_format(work->now_us, now);
  engine_put_text(&builder, "state", BYTES("disabled"));
  engine_put_text(&builder, "disabled_at", bytes_from_text(now));
  engine_put_text(&builder, "author", cause->author);
  engine_put_text(&builder, "reason", cause->reason);
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

// A pair as a refused one, with its place among the decisions. `edge` is an edge's number, which is its place, unless
// it was a refusal at first: then it is that refusal again. 0: it is a refusal.
static enum err refused_copy(struct work *work, struct value row, uint64_t edge, const char *reason, uint64_t rules,
                             struct buffer *out) {
  static const char *const but[] = {"state", "rules", "reason", "different", "rule"};
  const char *shared = identity_reason_name(IDENTITY_DIFFERENT_PERSON);
  struct value_builder builder;
  bool different = bytes_equal(bytes_from_text(reason), bytes_from_text(shared)) ||
                   bytes_equal(engine_member_text(work->engine, row, "reason"), bytes_from_text(shared)) ||
                   engine_member_i64(work->engine, row, "different") != 0;
  bool was_refused = bytes_equal(engine_member_text(work->engine, row, "rule"), BYTES("rules"));
  value_builder_init(&builder, out, work->engine->names);
  value_document_begin(&builder);
  copy_members(work, row, &builder, but, was_refused ? 5 : 4);
  engine_put_text(&builder, "reason", bytes_from_text(reason));
  if (edge != 0 && !was_refused) engine_put_i64(&builder, "sequence", (int64_t)edge);
  if (different) engine_put_i64(&builder, "different", 1); // found once, and so again wherever the guard holds
  engine_put_i64(&builder, "rules", (int64_t)rules);
  value_document_end(&builder);
  return value_builder_finish(&builder);
}

// Of rows of one number that lie under several ids, the first is the newest (moves.c).
enum err parts_find_refusal(struct work *work, const struct customer *record, uint64_t number, size_t *place,
                            struct key *key, struct bytes *row) {
  enum err err = ERR_OK;
  *row = (struct bytes){NULL, 0};
  for (; err == ERR_OK && row->data == NULL && *place <= record->pending_count; ++*place) {
    engine_edge_key(*place == 0 ? record->id : record->pending[*place - 1], ENGINE_EDGE_REFUSED, number, key);
    err = store_get(work->txn, STORE_EDGE, key_view(key), work->arena, row);
  }
  return err;
}

enum err parts_restate(struct work *work, uint64_t customer, uint64_t number, const char *reason, uint64_t rules) {
  const struct work_customer *holder = work_customer(work, customer);
  struct buffer changed;
  struct key key;
  struct bytes row;
  size_t place = 0;
  if (holder == NULL) return ERR_CONFLICT;
  enum err err = parts_find_refusal(work, &holder->record, number, &place, &key, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  buffer_init(&changed);
  err = refused_copy(work, (struct value){row}, 0, reason, rules, &changed);
  if (err == ERR_OK && changed.failed) err = diag_no_memory(work->diag);
  if (err == ERR_OK) err = store_put(work->txn, STORE_EDGE, key_view(&key), buffer_view(&changed));
  buffer_release(&changed);
  return err;
}

// The number a cut edge's refusal has: the decision's, or, as any refusal's, the pair's.
static uint64_t refusal_number(const struct work *work, struct value row, uint64_t number) {
  struct identifier a, b;
  if (!bytes_equal(engine_member_text(work->engine, row, "rule"), BYTES("rules"))) return number;
  if (!engine_identifier_read(work->engine, engine_member_text(work->engine, row, "a"), &a)) return number;
  if (!engine_identifier_read(work->engine, engine_member_text(work->engine, row, "b"), &b)) return number;
  return resolve_pair_number(work->engine, a, b);
}

static bool is_cut(const struct identity_edge *edges, size_t count, const bool *cut, uint64_t sequence) {
  for (size_t i = 0; i < count; i++)
    if (edges[i].sequence == sequence) return cut[i];
  return false;
}

const struct parts_cut *parts_cut_of(const struct parts_cause *cause, uint64_t number) {
  for (size_t i = 0; i < cause->cut_count; i++)
    if (cause->cuts[i].number == number) return &cause->cuts[i];
  return NULL;
}

struct edge_move {
  struct work *work;
  uint64_t whole;
  struct work_customer *const *customers;
  size_t count;
  const struct identity_edge *edges;
  size_t edge_count;
  const bool *cut;
  const struct parts_cause *cause;
};

static enum err put_moved(const struct edge_move *move, const struct key *key, struct value row, bool cut,
                          uint64_t number) {
  const struct parts_cause *cause = move->cause;
  struct buffer changed;
  enum err err = ERR_OK;
  buffer_init(&changed);
  if (cut && cause->rules != 0)
    err = refused_copy(move->work, row, number, parts_cut_of(cause, number)->reason, cause->rules, &changed);
  else if (cut)
    err = disabled_copy(move->work, row, cause, &changed);
  else
    buffer_append_bytes(&changed, row.packed);
  if (err == ERR_OK && changed.failed) err = diag_no_memory(move->work->diag);
  if (err == ERR_OK) err = store_put(move->work->txn, STORE_EDGE, key_view(key), buffer_view(&changed));
  buffer_release(&changed);
  return err;
}

static enum err move_row(const struct edge_move *move, struct bytes key, struct value row) {
  struct work *work = move->work;
  uint8_t kind = key.data[sizeof(uint64_t)];
  uint64_t number = key_read_u64(key.data + sizeof(uint64_t) + 1), moved_number = number;
  if (kind == ENGINE_EDGE_HISTORY) return ERR_OK;
  bool cut = kind == ENGINE_EDGE_LINK && is_cut(move->edges, move->edge_count, move->cut, number);
  struct work_customer *to = row_holder(work, row, move->customers, move->count);
  uint64_t id = to == NULL ? move->whole : to->record.id;
  if (!cut && id == move->whole) return ERR_OK;
  bool refused = cut && move->cause->rules != 0;
  bool dropped = refused && engine_member_i64(work->engine, row, "stands_for") != 0; // it never was a decision
  struct key moved;
  struct bytes old = arena_copy(work->arena, key);
  if (old.data == NULL) return diag_no_memory(work->diag);
  if (refused) moved_number = refusal_number(work, row, number);
  engine_edge_key(id, refused ? ENGINE_EDGE_REFUSED : (enum engine_edge_kind)kind, moved_number, &moved);
  enum err err = dropped ? ERR_OK : put_moved(move, &moved, row, cut, number);
  if (err == ERR_OK && (dropped || !bytes_equal(old, key_view(&moved)))) err = store_delete(work->txn, STORE_EDGE, old);
  if (err == ERR_OK && cut) work->delta.edges--;
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
                                  .rules = move->cause->rules,
                                  .author = move->cause->author,
                                  .reason = move->cause->reason};
    err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
    if (err == ERR_OK)
      err = engine_edge_put(work->engine, work->txn, move->customers[i]->record.id, ENGINE_EDGE_HISTORY, sequence, &row,
                            work->arena);
  }
  return err;
}

enum err parts_move_edges(struct work *work, uint64_t whole, struct work_customer *const *customers, size_t count,
                          const struct identity_edge *edges, size_t edge_count, const bool *cut,
                          const struct parts_cause *cause) {
  struct edge_move move = {work, whole, customers, count, edges, edge_count, cut, cause};
  struct store_cursor *cursor;
  struct bytes key, value;
  enum err err = scan_customer(work, STORE_EDGE, whole, &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value)) err = move_row(&move, key, (struct value){value});
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err == ERR_OK ? write_history(&move) : err;
}

// --- by whom an event is bound to a customer ---------------------------------------------------------------------

struct anchor_request {
  uint64_t customer;
  struct arena *arena; // the caller's: the answer outlives the transaction
  struct identifier *identifier;
};

// The identifier of highest rank that leads to this customer: the event is bound to it, also through later splits.
static enum err find_anchor(struct work *work, void *context) {
  const struct anchor_request *request = context;
  struct work_customer *customer = work_customer(work, request->customer);
  if (customer == NULL) return ERR_CONFLICT;
  enum err err = parts_check_live(work, customer);
  if (err != ERR_OK) return err;
  size_t count = customer->record.identifier_count;
  struct identifier *sorted = arena_take(work->arena, count * sizeof *sorted);
  if (sorted == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) sorted[i] = customer->record.identifiers[i].member.identifier;
  identity_sort(work->rules, sorted, count);
  for (size_t i = 0; i < count; i++) {
    const struct work_target *target = work_target(work, sorted[i]);
    if (target == NULL) return ERR_CONFLICT;
    bool leads = target->device == NULL ? target->person.customer == request->customer && !target->person.shared
                                        : target->device->own == request->customer;
    if (!leads) continue;
    *request->identifier = sorted[i];
    request->identifier->value = arena_copy(request->arena, sorted[i].value);
    return request->identifier->value.data == NULL ? diag_no_memory(work->diag) : ERR_OK;
  }
  return diag_set(work->diag, ERR_INVALID, "no_identifier",
                  "no identifier leads to this customer alone, so nothing could be kept with it");
}

enum err parts_anchor(struct engine *engine, uint64_t customer, struct arena *arena, struct identifier *identifier,
                      struct diag *diag) {
  struct anchor_request request = {customer, arena, identifier};
  struct work_plan plan = {.customers = &customer, .customer_count = 1};
  struct store_mark mark;
  return work_run(engine, &plan, find_anchor, &request, &mark, diag);
}
