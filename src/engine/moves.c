// moves.c: what a merge leaves to be moved later, and the job that moves it.
//
// A merge moves at most `merge_events` events (LIMIT_MERGE_EVENTS) in its commit, all merges of a transaction together.
// The rows of a longer timeline stay under the loser's id, which the survivor's record names as pending: from that
// commit on they are hers, and every reader of her timeline walks through them too. Then steps, a transaction each,
// move them to her own rows. Invariants, at the end of every transaction:
//   1. A head, and rows of TIMELINE, PAYLOAD and EDGE, lie under the id of a live customer, or under one that exactly
//      one live customer's record names as pending. That id leads to her, or was never a customer's (sort.c).
//   2. Whoever changes rows under a pending id holds the lock of the customer whose record names it. An id comes back
//      to life only by a split of that customer, which begins when nothing of hers is pending.
//   3. A customer with something pending has a row "move" in DOCUMENT, by which the job finds her.
// So a step changes where rows lie and nothing that anybody reads, and it does not matter after which one a process
// ends. Links and history go with the merge, as their number is bounded by what people and identifiers do; of refusals,
// one for each pair that came together, as many go as there is room for.
#include "engine/parts.h"

enum { SETTLE_STEPS_MAX = 1 << 20 };

// --- rows of EDGE --------------------------------------------------------------------------------------------

// A refusal of the survivor's is newer than one of the loser's for the same pair: it stays.
static enum err move_edge(struct work *work, struct bytes key, struct bytes row, uint64_t to) {
  struct key moved;
  struct bytes known = {NULL, 0};
  key_init(&moved);
  key_put_u64(&moved, to);
  key_put_raw(&moved, bytes_of(key.data + sizeof to, key.size_bytes - sizeof to));
  struct bytes old = arena_copy(work->arena, key);
  if (old.data == NULL) return diag_no_memory(work->diag);
  enum err err = ERR_OK;
  if (key.data[sizeof to] == ENGINE_EDGE_REFUSED)
    err = store_get(work->txn, STORE_EDGE, key_view(&moved), work->arena, &known);
  if (err == ERR_OK && known.data == NULL) err = store_put(work->txn, STORE_EDGE, key_view(&moved), row);
  return err == ERR_OK ? store_delete(work->txn, STORE_EDGE, old) : err;
}

// Moves all links and lines of history, and at most `most` refusals; *left says whether there are more.
static enum err move_edges(struct work *work, uint64_t from, uint64_t to, uint64_t most, bool *left) {
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key first, end;
  uint64_t refusals = 0;
  *left = false;
  engine_edge_key(from, ENGINE_EDGE_LINK, 0, &first);
  engine_edge_key(from, (enum engine_edge_kind)(ENGINE_EDGE_HISTORY + 1), 0, &end);
  enum err err = store_scan(work->txn, STORE_EDGE, key_view(&first), key_view(&end), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    bool refused = key.data[sizeof from] == ENGINE_EDGE_REFUSED;
    if (refused && refusals == most && !*left) { // the others stay; history comes after them
      *left = true;
      engine_edge_key(from, ENGINE_EDGE_HISTORY, 0, &first);
      store_cursor_seek(cursor, key_view(&first));
      continue;
    }
    refusals += refused;
    err = move_edge(work, key, row, to);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  work->moved += refusals;
  return err;
}

// --- at the merge --------------------------------------------------------------------------------------------

static struct timeline_part *find_part(const struct timeline_head *head, uint64_t id) {
  for (size_t i = 0; i < head->part_count; i++)
    if (head->parts[i].customer == id) return &head->parts[i];
  return NULL;
}

// The survivor's parts as her record names them: her own, the loser's, and the loser herself.
static enum err unite_parts(struct work *work, struct work_customer *survivor, const struct work_customer *loser,
                            uint64_t loser_id) {
  size_t count = survivor->record.pending_count;
  struct timeline_part *parts = arena_take_zero(work->arena, count, sizeof *parts);
  if (parts == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count; i++) {
    uint64_t id = survivor->record.pending[i];
    const struct timeline_part *known = find_part(&survivor->head, id);
    if (known == NULL) known = find_part(&loser->head, id);
    if (known != NULL) {
      parts[i] = *known;
      continue;
    }
    parts[i] = (struct timeline_part){.customer = loser_id, .head = loser->head, .dirty = loser->head_dirty};
    parts[i].head.parts = NULL;
    parts[i].head.part_count = 0;
  }
  survivor->head.parts = parts;
  survivor->head.part_count = count;
  survivor->head_dirty = true;
  return ERR_OK;
}

enum err moves_note(struct work *work, uint64_t customer) {
  struct key key;
  customer_pending_key(customer, &key);
  work->moves_wait = true;
  return store_put(work->txn, STORE_DOCUMENT, key_view(&key), BYTES("1"));
}

static enum err forget_move(struct work *work, uint64_t customer) {
  struct key key;
  customer_pending_key(customer, &key);
  return store_delete(work->txn, STORE_DOCUMENT, key_view(&key));
}

enum err moves_hand_over(struct work *work, struct work_customer *survivor, struct work_customer *loser,
                         uint64_t loser_id) {
  uint64_t limit = work->engine->merge_events, room = limit > work->moved ? limit - work->moved : 0;
  uint64_t to = survivor->record.id, moved = 0;
  bool now = loser->head.count <= room, left = false, had_parts = loser->head.part_count > 0;
  struct timeline_head own = loser->head;
  own.parts = NULL;
  own.part_count = 0;
  enum err err = ERR_OK;
  if (now) err = timeline_move(work->txn, loser_id, &own, to, &survivor->head, work->arena, NULL, &moved);
  if (now) loser->head_dirty = true;
  work->moved += moved;
  if (err == ERR_OK) err = move_edges(work, loser_id, to, now ? room - moved : 0, &left);
  bool pending = !now || left;
  own.parts = loser->head.parts;
  own.part_count = loser->head.part_count;
  loser->head = own;
  if (err == ERR_OK && pending && customer_add_pending(&survivor->record, work->arena, loser_id) != ERR_OK)
    err = diag_no_memory(work->diag);
  if (err == ERR_OK && survivor->record.pending_count > 0) err = unite_parts(work, survivor, loser, loser_id);
  if (err == ERR_OK && had_parts) err = forget_move(work, loser_id);
  if (err == ERR_OK && (pending || had_parts)) err = moves_note(work, to);
  loser->head = (struct timeline_head){0};
  loser->head_dirty = !pending; // else its row is the part's
  survivor->head_dirty = survivor->changed_hands = loser->changed_hands = true;
  return err;
}

// --- steps ---------------------------------------------------------------------------------------------------

struct step {
  uint64_t customer;
  bool more; // something of hers is pending yet
};

// The part has nothing left: the id is an alias like any other.
static enum err drop_part(struct work *work, struct work_customer *customer) {
  uint64_t id = customer->head.parts[0].customer;
  struct key key;
  customer_drop_pending(&customer->record, id);
  customer->record_dirty = true;
  customer->head.parts++;
  customer->head.part_count--;
  customer_key(id, CUSTOMER_ROW_HEAD, &key);
  return store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
}

static enum err move_some(struct work *work, struct work_customer *customer) {
  struct timeline_part *part = &customer->head.parts[0];
  struct timeline_choice choice = {.events_max = work->engine->merge_events};
  uint64_t to = customer->record.id, moved;
  bool left;
  enum err err =
      timeline_move(work->txn, part->customer, &part->head, to, &customer->head, work->arena, &choice, &moved);
  part->dirty = customer->head_dirty = true;
  left = part->head.chunk_count > 0;
  if (err == ERR_OK && !left) err = move_edges(work, part->customer, to, choice.events_max, &left);
  return err == ERR_OK && !left ? drop_part(work, customer) : err;
}

static enum err step_body(struct work *work, void *context) {
  struct step *step = context;
  struct work_customer *customer = work_customer(work, step->customer);
  if (customer == NULL) return ERR_CONFLICT;
  enum err err = customer->head.part_count > 0 ? move_some(work, customer) : ERR_OK;
  step->more = customer->head.part_count > 0;
  return err != ERR_OK || step->more ? err : forget_move(work, step->customer); // done, or she is gone
}

static enum err run_step(struct engine *engine, struct step *step, struct diag *diag) {
  struct work_plan plan = {.customers = &step->customer, .customer_count = 1};
  struct store_mark mark;
  return work_run(engine, &plan, step_body, step, &mark, diag);
}

enum err moves_settle(struct engine *engine, uint64_t customer, struct diag *diag) {
  struct step step = {.customer = customer, .more = true};
  enum err err = ERR_OK;
  for (int i = 0; err == ERR_OK && step.more && i < SETTLE_STEPS_MAX; i++) err = run_step(engine, &step, diag);
  return err;
}

// --- the job -------------------------------------------------------------------------------------------------

// The first customer after `after` who has something pending, else the first of all; 0 for none.
static enum err next_move(struct engine *engine, uint64_t after, uint64_t *customer) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  struct key from, to;
  customer_pending_key(0, &from);
  customer_pending_key(UINT64_MAX, &to);
  *customer = 0;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err == ERR_OK) {
    while (*customer <= after && store_cursor_next(cursor, &key, &row)) {
      uint64_t id = key_read_u64(key.data + key.size_bytes - sizeof id);
      if (*customer == 0 || id > after) *customer = id;
    }
    err = store_cursor_error(cursor);
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  return err;
}

// They take turns, so that one whose rows cannot be read holds up nobody else.
enum err moves_tick(struct engine *engine, bool *more, struct diag *diag) {
  struct step step = {0};
  *more = false;
  if (atomic_load(&engine->sortings) > 0) return ERR_OK;
  enum err err = next_move(engine, engine->moves_after, &step.customer);
  *more = err == ERR_OK && step.customer != 0;
  if (!*more) return err;
  engine->moves_after = step.customer;
  return run_step(engine, &step, diag);
}
