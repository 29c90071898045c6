// merge.c: two customers become one, in one commit.
//
// The older id (the lower) survives; the other becomes a redirect, as do the ids that led to it. Everything of the
// loser's is the survivor's from then on: identifiers with their rows, edges and history, and events, of which a long
// timeline stays where it is for a while (moves.c). A device's row names customers too: those are
// rewritten, and when the merge changes whether a device is shared, its anonymous events move as well.
// The locks of all the loser's identifiers are needed: when they are not held, the transaction starts again with them.
#include "engine/loyalty.h"
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

// Was one of the two ever split? Cannot-links say so until they are lifted, the history for good.
static enum err was_parted(struct work *work, const struct customer *record, bool *parted) {
  struct store_cursor *cursor;
  struct bytes key, row, what;
  struct key first, end;
  *parted = record->cannot_count > 0;
  if (*parted) return ERR_OK;
  engine_edge_key(record->id, ENGINE_EDGE_HISTORY, 0, &first);
  engine_edge_key(record->id, ENGINE_EDGE_HISTORY, UINT64_MAX, &end);
  enum err err = store_scan(work->txn, STORE_EDGE, key_view(&first), key_view(&end), &cursor);
  if (err != ERR_OK) return err;
  while (!*parted && store_cursor_next(cursor, &key, &row)) {
    struct value member = value_member_id((struct value){row}, work->engine->id.what);
    *parted = value_as_text(member, &what) && bytes_equal(what, BYTES("split"));
  }
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err merge_customers(struct work *work, const struct work_event *event, struct work_customer *a,
                         struct work_customer *b, struct work_customer **survivor) {
  struct work_customer *kept = a->record.id < b->record.id ? a : b;
  struct work_customer *loser = kept == a ? b : a;
  uint64_t from = loser->record.id, to = kept->record.id;
  *survivor = kept;
  if (!work_hold_identifiers(work, &loser->record)) return ERR_CONFLICT;
  enum err err = work_take_tokens(work, kept);
  if (err == ERR_OK) err = work_take_tokens(work, loser);
  if (err == ERR_OK) err = loyalty_merge(work, kept, loser);
  if (err == ERR_OK) err = redirect_aliases(work, loser, to);
  struct customer before = loser->record;
  if (err == ERR_OK) err = customer_absorb(&kept->record, &loser->record, work->arena);
  if (err == ERR_OK) err = moves_hand_over(work, kept, loser, from);
  if (err == ERR_OK) err = merge_redirect(work, from, to);
  if (err != ERR_OK) return err;
  // Events that named both sides of an old split gave traits to neither; now all they named may be one customer again.
  bool parted;
  err = was_parted(work, &kept->record, &parted);
  if (err == ERR_OK && parted) err = fold_again(work, kept);
  if (err != ERR_OK) return err;
  work_touch(kept, event->event->received_us);
  work->delta.merges++;
  work->delta.customers--;
  err = write_history(work, event, to, from);
  return err == ERR_OK ? move_targets(work, &before, to) : err;
}
