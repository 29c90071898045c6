// erase.c: a person is erased, and nothing brings her back.
//
// Gone in one commit: record, head, timeline, payloads, edges, identifiers, search entries, and the ids that led to
// her. What stays is a receipt without personal data. RECEIPT rows: "h" and a keyed hash of each identifier, with when
// and whether later events are refused too; "r" and a number, the receipt itself. Deduplication keys stay until their
// time, so a retry is still a duplicate; an import or a restore is looked up against the hashes. Deleted bytes leave
// the disk when the key ranges are compacted, which upkeep does soon after (DOCUMENT "compact\0<customer>").
#include <string.h>

#include "engine/loyalty.h"
#include "engine/parts.h"

enum { HASH_BYTES = 32, HASH_ROW_BYTES = 9, ERASE_TRIES_MAX = 16 };

static void hash_key(const struct engine *engine, struct identifier identifier, struct key *key) {
  uint8_t hash[HASH_BYTES];
  engine_identifier_hash(engine, identifier, hash);
  key_init(key);
  key_put_u8(key, 'h');
  key_put_raw(key, bytes_of(hash, sizeof hash));
}

struct erasure_mark {
  int64_t erased_us;
  bool suppressed;
};

static bool read_mark(struct bytes row, struct erasure_mark *mark) {
  if (row.size_bytes != HASH_ROW_BYTES) return false;
  mark->erased_us = key_read_i64(row.data);
  mark->suppressed = row.data[8] == 1;
  return true;
}

enum err receipts_read(struct work *work) {
  struct bytes *keys = arena_take(work->arena, (work->target_count + 1) * sizeof *keys);
  struct bytes *rows = arena_take(work->arena, (work->target_count + 1) * sizeof *rows);
  if (keys == NULL || rows == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < work->target_count; i++) {
    struct key key;
    hash_key(work->engine, work->targets[i].identifier, &key);
    keys[i] = arena_copy(work->arena, key_view(&key));
    if (keys[i].data == NULL) return diag_no_memory(work->diag);
  }
  enum err err = store_get_many(work->txn, STORE_RECEIPT, keys, work->target_count, work->arena, rows);
  for (size_t i = 0; err == ERR_OK && i < work->target_count; i++) {
    struct erasure_mark mark = {0};
    work->targets[i].erased = read_mark(rows[i], &mark);
    work->targets[i].suppressed = mark.suppressed;
    work->targets[i].erased_us = mark.erased_us;
  }
  return err;
}

bool receipt_refuses(struct work *work, struct identifier identifier, const struct engine_event *event) {
  const struct work_target *target = work_target(work, identifier);
  if (target == NULL || !target->erased) return false;
  return target->suppressed || (event->replay && event->time_us <= target->erased_us);
}

// --- what goes -----------------------------------------------------------------------------------------------

struct erasure {
  uint64_t customer;
  bool suppress;
  struct json_writer *writer; // NULL: nobody asks for the receipt
};

static void forget_owner(struct identity_device *device, uint64_t customer, const struct identity_rules *rules) {
  size_t kept = 0;
  for (size_t i = 0; i < device->run_count; i++)
    if (device->runs[i].customer != customer) device->runs[kept++] = device->runs[i];
  device->run_count = kept;
  if (device->own == customer) device->own = 0;
  identity_device_normalise(device, rules);
}

static enum err forget_identifier(struct work *work, const struct erasure *erasure, struct identifier identifier) {
  struct work_target *target = work_target(work, identifier);
  struct key key, mark;
  key_init(&mark);
  key_put_i64(&mark, work->now_us);
  key_put_u8(&mark, erasure->suppress);
  hash_key(work->engine, identifier, &key);
  if (target != NULL && target->device != NULL) {
    bool was_shared = target->device->shared;
    forget_owner(target->device, erasure->customer, work->rules);
    target->dirty = true;
    target->gone = target->device->run_count == 0 && target->device->own == 0;
    // Others use this device: it is no name of hers. One person less, and it may be shared no longer.
    if (!target->gone) return was_shared == target->device->shared ? ERR_OK : device_rehome(work, target);
  } else if (target != NULL) {
    target->dirty = target->gone = target->person.customer == erasure->customer;
  }
  return store_put(work->txn, STORE_RECEIPT, key_view(&key), key_view(&mark));
}

static enum err ask_compaction(struct work *work, uint64_t customer) {
  struct key key;
  engine_number_key(&key, "compact", customer);
  enum err err = store_put(work->txn, STORE_DOCUMENT, key_view(&key), BYTES("1"));
  engine_text_key(&key, "receipts");
  return err == ERR_OK ? store_put(work->txn, STORE_META, key_view(&key), BYTES("1")) : err;
}

static enum err forget_aliases(struct work *work, const struct customer *record) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < record->identifier_count; i++) {
    struct key key;
    uint64_t founded = record->identifiers[i].founded;
    if (founded == 0 || founded == record->id) continue;
    customer_key(founded, CUSTOMER_ROW_RECORD, &key);
    err = store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
    if (err == ERR_OK) err = ask_compaction(work, founded); // rows of hers were there before the merge
  }
  return err;
}

// Rows of hers under an id that led to her.
static enum err forget_pending(struct work *work, uint64_t id) {
  struct key key;
  customer_key(id, CUSTOMER_ROW_HEAD, &key);
  enum err err = store_delete(work->txn, STORE_CUSTOMER, key_view(&key));
  if (err == ERR_OK) err = ask_compaction(work, id);
  return err == ERR_OK ? parts_delete_range(work, STORE_EDGE, id) : err;
}

static enum err put_receipt(struct work *work, const struct erasure *erasure, uint64_t number, uint64_t identifiers,
                            uint64_t events) {
  struct json_writer writer;
  struct buffer json;
  struct key key;
  char id[CUSTOMER_ID_TEXT_BYTES];
  buffer_init(&json);
  json_writer_init(&writer, &json);
  customer_id_format(erasure->customer, id);
  json_object_begin(&writer);
  json_member_u64(&writer, "receipt", number);
  json_member_text(&writer, "customer", id);
  json_member_time(&writer, "erased_at", work->now_us);
  json_member_u64(&writer, "identifiers", identifiers);
  json_member_u64(&writer, "events", events);
  json_member_bool(&writer, "suppressed", erasure->suppress);
  json_object_end(&writer);
  key_init(&key);
  key_put_u8(&key, 'r');
  key_put_u64(&key, number);
  enum err err = json.failed ? diag_no_memory(work->diag)
                             : store_put(work->txn, STORE_RECEIPT, key_view(&key), buffer_view(&json));
  if (err == ERR_OK && erasure->writer != NULL) {
    buffer_clear(erasure->writer->out);
    json_writer_init(erasure->writer, erasure->writer->out);
    json_raw(erasure->writer, buffer_view(&json));
  }
  buffer_release(&json);
  return err;
}

static enum err erase_body(struct work *work, void *context) {
  const struct erasure *erasure = context;
  struct work_customer *customer = work_customer(work, erasure->customer);
  uint64_t number;
  if (customer == NULL) return ERR_CONFLICT;
  enum err err = parts_check_live(work, customer);
  if (err == ERR_OK && !work_hold_identifiers(work, &customer->record)) err = ERR_CONFLICT;
  if (err == ERR_OK) err = work_take_tokens(work, customer);
  if (err == ERR_OK) err = loyalty_forget(work, customer);
  if (err == ERR_OK) err = engine_next(work->engine, &work->engine->decisions, &number, work->diag);
  if (err != ERR_OK) return err;
  uint64_t events = timeline_count(&customer->head), identifiers = customer->record.identifier_count;
  for (size_t i = 0; err == ERR_OK && i < identifiers; i++)
    err = forget_identifier(work, erasure, customer->record.identifiers[i].member.identifier);
  if (err == ERR_OK) err = forget_aliases(work, &customer->record);
  if (err == ERR_OK) err = timeline_erase(work->txn, erasure->customer, &customer->head);
  if (err == ERR_OK) err = parts_delete_range(work, STORE_EDGE, erasure->customer);
  for (size_t i = 0; err == ERR_OK && i < customer->record.pending_count; i++)
    err = forget_pending(work, customer->record.pending[i]);
  if (err == ERR_OK) err = put_receipt(work, erasure, number, identifiers, events);
  if (err == ERR_OK) err = ask_compaction(work, erasure->customer);
  work->delta.edges -= customer->record.edge_count;
  work->delta.events -= events;
  work->delta.customers--;
  work->delta.erased++;
  customer->erased = customer->record_dirty = customer->head_dirty = true;
  customer->head = (struct timeline_head){0};
  return err;
}

static enum err erase_once(struct engine *engine, struct erasure *erasure, struct engine_commit *commit,
                           struct diag *diag) {
  struct work_plan plan = {.customers = &erasure->customer, .customer_count = 1, .commit = commit};
  struct erase_names names;
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = erase_note_names(engine, erasure->customer, &arena, &names, diag);
  // From here on events look for receipts: the flag is set first, so that none slips by between commit and flag.
  if (err == ERR_OK) atomic_store(&engine->has_receipts, true);
  // What was set aside goes before she does: were it after and failed, nobody could ask for it again.
  if (err == ERR_OK) err = erase_forget_asides(engine, &names, &commit->mark, diag);
  if (err == ERR_OK) err = work_run(engine, &plan, erase_body, erasure, &commit->mark, diag);
  arena_release(&arena);
  return err;
}

// Reading for what was set aside may meet another writer too.
static enum err erase_customer(struct engine *engine, struct erasure *erasure, struct engine_commit *commit,
                               struct diag *diag) {
  enum err err = ERR_CONFLICT;
  for (int tries = 0; err == ERR_CONFLICT && tries < ERASE_TRIES_MAX; tries++)
    err = erase_once(engine, erasure, commit, diag);
  return err;
}

enum err engine_erase(struct engine *engine, uint64_t customer, bool suppress, struct json_writer *writer,
                      struct engine_commit *commit, struct diag *diag) {
  struct erasure erasure = {customer, suppress, writer};
  return erase_customer(engine, &erasure, commit, diag);
}

// --- after a restore -----------------------------------------------------------------------------------------

// The hashes only match within workspaces of one origin: a backup keeps the secret of its workspace.
static enum err same_origin(struct engine *engine, struct store_snapshot *from, struct arena *arena,
                            struct diag *diag) {
  struct key key;
  struct bytes row;
  engine_text_key(&key, "hash_key");
  enum err err = store_snapshot_get(from, STORE_META, key_view(&key), arena, &row);
  if (err != ERR_OK) return err;
  if (row.size_bytes == ENGINE_HASH_KEY_BYTES && memcmp(row.data, engine->hash_key, ENGINE_HASH_KEY_BYTES) == 0)
    return ERR_OK;
  return diag_set(diag, ERR_INVALID, "other_origin",
                  "the two workspaces do not come from the same one, so the erasures of one mean nothing in the other");
}

static enum err erase_named(struct engine *engine, struct bytes row, bool suppress, uint64_t *erased,
                            struct diag *diag) {
  struct engine_person_row person;
  struct engine_commit commit = {0};
  if (!engine_person_decode(row, &person) || person.customer == 0) return ERR_OK;
  struct erasure erasure = {person.customer, suppress, NULL};
  enum err err = erase_customer(engine, &erasure, &commit, diag);
  if (err == ERR_NOT_FOUND) return ERR_OK; // gone already, by another of her identifiers
  if (err == ERR_OK) ++*erased;
  return err == ERR_OK ? store_wait(engine->store, commit.mark, diag) : err;
}

static enum err look_up_all(struct engine *engine, struct store_snapshot *here, struct store_snapshot *from,
                            uint64_t *erased, struct diag *diag) {
  struct store_cursor *cursor;
  struct bytes key, row, found;
  struct arena arena;
  enum err err = store_snapshot_scan(here, STORE_IDENTIFIER, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    struct identifier identifier;
    struct erasure_mark mark;
    struct key hashed;
    if (!identifier_from_key(key, engine->names, &identifier)) continue;
    arena_clear(&arena);
    hash_key(engine, identifier, &hashed);
    err = store_snapshot_get(from, STORE_RECEIPT, key_view(&hashed), &arena, &found);
    if (err == ERR_OK && read_mark(found, &mark)) err = erase_named(engine, row, mark.suppressed, erased, diag);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  arena_release(&arena);
  return err;
}

enum err engine_apply_receipts(struct engine *engine, struct store *from, uint64_t *erased, struct diag *diag) {
  struct store_snapshot *theirs = NULL, *ours = NULL;
  struct arena arena;
  *erased = 0;
  arena_init(&arena, 0);
  enum err err = store_snapshot_open(from, &theirs);
  if (err == ERR_OK) err = store_snapshot_open(engine->store, &ours);
  if (err == ERR_OK) err = same_origin(engine, theirs, &arena, diag);
  if (err == ERR_OK) err = look_up_all(engine, ours, theirs, erased, diag);
  if (theirs != NULL) store_snapshot_close(theirs);
  if (ours != NULL) store_snapshot_close(ours);
  arena_release(&arena);
  return err;
}
