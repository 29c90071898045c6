// merge.c: two customers become one, in one commit.
//
// The older id (the lower) survives; the other becomes a redirect, as do the ids that led to it. Everything of the
// loser's moves: identifiers with their rows, edges and history, events. A device's row names customers too: those are
// rewritten, and when the merge changes whether a device is shared, its anonymous events move as well.
// The locks of all the loser's identifiers are needed: when they are not held, the transaction starts again with them.
#include "engine/parts.h"

// Ids that led to the loser lead to the survivor.
static enum err redirect_aliases(struct work *work, const struct work_customer *loser, uint64_t survivor) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < loser->record.identifier_count; i++) {
    uint64_t founded = loser->record.identifiers[i].founded;
    if (founded != 0 && founded != loser->record.id && founded != survivor)
      err = merge_redirect(work, founded, survivor);
  }
  return err;
}

// Moves the rows of EDGE from one customer to another.
static enum err move_edges(struct work *work, uint64_t from, uint64_t to) {
  struct key first, end;
  struct store_cursor *cursor;
  struct bytes key, value;
  key_init(&first);
  key_put_u64(&first, from);
  end = first;
  key_put_u8(&end, 0xff);
  enum err err = store_scan(work->txn, STORE_EDGE, key_view(&first), key_view(&end), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value)) {
    struct key moved;
    key_init(&moved);
    key_put_u64(&moved, to);
    key_put_raw(&moved, bytes_of(key.data + sizeof to, key.size_bytes - sizeof to));
    struct bytes old = arena_copy(work->arena, key);
    if (old.data == NULL) err = diag_no_memory(work->diag);
    if (err == ERR_OK) err = store_put(work->txn, STORE_EDGE, key_view(&moved), value);
    if (err == ERR_OK) err = store_delete(work->txn, STORE_EDGE, old);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// Rows of the loser's identifiers lead to the survivor. *rehome is set for a device whose sharing changed.
static enum err move_target(struct work *work, struct work_target *target, uint64_t from, uint64_t to, bool *rehome) {
  *rehome = false;
  target->dirty = true;
  if (target->device == NULL) {
    if (target->person.customer == from) target->person.customer = to;
    return ERR_OK;
  }
  bool was_shared = target->device->shared;
  if (target->device->own == from) target->device->own = 0; // an ownerless device's customer is taken over whole
  for (size_t i = 0; i < target->device->run_count; i++)
    if (target->device->runs[i].customer == from) target->device->runs[i].customer = to;
  identity_device_normalise(target->device, work->rules);
  *rehome = was_shared != target->device->shared;
  return ERR_OK;
}

static enum err move_targets(struct work *work, const struct customer *loser, uint64_t to) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < loser->identifier_count; i++) {
    struct work_target *target = work_target(work, loser->identifiers[i].member.identifier);
    bool rehome;
    if (target == NULL) continue;
    err = move_target(work, target, loser->id, to, &rehome);
    if (err == ERR_OK && rehome) err = device_rehome(work, target);
  }
  return err;
}

static enum err write_history(struct work *work, const struct work_event *event, uint64_t survivor, uint64_t loser) {
  uint64_t sequence;
  enum err err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  struct engine_edge_row row = {.rule = "merge",
                                .customer = loser,
                                .rules = event->rules,
                                .source = event->event->source,
                                .message_id = event->event->message_id,
                                .time_us = event->event->time_us,
                                .received_us = event->event->received_us};
  return engine_edge_put(work->engine, work->txn, survivor, ENGINE_EDGE_HISTORY, sequence, &row, work->arena);
}

enum err merge_customers(struct work *work, const struct work_event *event, struct work_customer *a,
                         struct work_customer *b, struct work_customer **survivor) {
  struct work_customer *kept = a->record.id < b->record.id ? a : b;
  struct work_customer *loser = kept == a ? b : a;
  uint64_t from = loser->record.id, to = kept->record.id, moved = 0;
  *survivor = kept;
  if (!work_hold_identifiers(work, &loser->record)) return ERR_CONFLICT;
  enum err err = work_take_tokens(work, kept);
  if (err == ERR_OK) err = work_take_tokens(work, loser);
  if (err == ERR_OK) err = redirect_aliases(work, loser, to);
  if (err == ERR_OK) err = move_edges(work, from, to);
  if (err == ERR_OK)
    err = timeline_move(work->txn, from, &loser->head, to, &kept->head, work->arena, NULL, NULL, &moved);
  struct customer before = loser->record;
  if (err == ERR_OK) err = customer_absorb(&kept->record, &loser->record, work->arena);
  if (err != ERR_OK) return err;
  err = merge_redirect(work, from, to);
  if (err != ERR_OK) return err;
  loser->head_dirty = kept->head_dirty = true;
  // Events that named both sides of an old split gave traits to neither; now all they named may be one customer again.
  if (kept->record.cannot_count > 0) err = fold_again(work, kept);
  if (err != ERR_OK) return err;
  work_touch(kept, event->event->received_us);
  work->delta.merges++;
  work->delta.customers--;
  err = write_history(work, event, to, from);
  return err == ERR_OK ? move_targets(work, &before, to) : err;
}
