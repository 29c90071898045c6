// Row: version, state, end of life (i64 big endian), request hash; of a reply also status (u16), nonce, sealed body.
#include "api/idempotency.h"

#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "value/key.h"

enum { ROW_VERSION = 1, STATE_CLAIM = 0, STATE_REPLY = 1, SWEEP_BATCH = 256 };
enum { AT_STATE = 1, AT_END = 2, AT_HASH = 10, AT_STATUS = AT_HASH + IDEMPOTENCY_HASH_BYTES, AT_NONCE = AT_STATUS + 2 };
enum { AT_SEALED = AT_NONCE + crypto_secretbox_NONCEBYTES, CLAIM_BYTES = AT_STATUS };

// Each part goes in with its size, so that no two different requests give the same bytes.
static void hash_part(crypto_generichash_state *state, struct bytes part) {
  uint64_t size = part.size_bytes;
  crypto_generichash_update(state, (const uint8_t *)&size, sizeof size);
  if (part.size_bytes) crypto_generichash_update(state, part.data, part.size_bytes);
}

static void hash(uint8_t out[IDEMPOTENCY_HASH_BYTES], struct bytes purpose, const struct bytes *parts, size_t count) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, NULL, 0, IDEMPOTENCY_HASH_BYTES);
  hash_part(&state, purpose);
  for (size_t i = 0; i < count; i++) hash_part(&state, parts[i]);
  crypto_generichash_final(&state, out, IDEMPOTENCY_HASH_BYTES);
}

void idempotency_key_make(struct idempotency_key *key, const struct idempotency_request *request) {
  struct key row;
  uint8_t header[IDEMPOTENCY_HASH_BYTES];
  hash(header, BYTES("header"), &request->header, 1);
  key_init(&row);
  key_put_u64(&row, request->key_id);
  key_put_raw(&row, bytes_of(header, sizeof header));
  memcpy(key->row, row.data, sizeof key->row);
  hash(key->request, BYTES("request"), (const struct bytes[]){request->method, request->target, request->body}, 3);
  hash(key->seal, BYTES("seal"), (const struct bytes[]){request->key_text, request->header}, 2);
}

struct bytes idempotency_lock(const struct idempotency_key *key) {
  return bytes_of(key->row, sizeof key->row);
}

static void row_begin(struct key *row, uint8_t state, int64_t end_us, const uint8_t *request) {
  key_init(row);
  key_put_u8(row, ROW_VERSION);
  key_put_u8(row, state);
  key_put_i64(row, end_us);
  key_put_raw(row, bytes_of(request, IDEMPOTENCY_HASH_BYTES));
}

// A row that is absent, over or of another version counts as free.
static bool row_is_live(struct bytes row, int64_t now_us) {
  return row.size_bytes >= CLAIM_BYTES && row.data[0] == ROW_VERSION && key_read_i64(row.data + AT_END) > now_us;
}

struct claim {
  struct idempotency_key *key;
  int64_t now_us;
  struct arena *arena;
  enum idempotency_outcome outcome;
  int status;
  struct bytes reply;
};

static enum err open_reply(struct claim *claim, struct bytes row, struct diag *diag) {
  if (row.size_bytes < AT_SEALED + crypto_secretbox_MACBYTES) {
    return diag_set(diag, ERR_CORRUPT, "corrupt", "A stored reply is too short.");
  }
  size_t sealed_size = row.size_bytes - AT_SEALED;
  uint8_t *plain = arena_take(claim->arena, sealed_size);
  if (!plain) return diag_no_memory(diag);
  if (crypto_secretbox_open_easy(plain, row.data + AT_SEALED, sealed_size, row.data + AT_NONCE, claim->key->seal)) {
    return diag_set(diag, ERR_CORRUPT, "corrupt", "A stored reply cannot be opened.");
  }
  claim->outcome = IDEMPOTENCY_REPLAY;
  claim->status = row.data[AT_STATUS] << 8 | row.data[AT_STATUS + 1];
  claim->reply = bytes_of(plain, sealed_size - crypto_secretbox_MACBYTES);
  return ERR_OK;
}

static enum err claim_body(struct store_txn *txn, void *context, struct diag *diag) {
  struct claim *claim = context;
  struct bytes key = idempotency_lock(claim->key), row;
  enum err err = store_lock_many(txn, STORE_LOCK_IDEMPOTENCY, &key, 1);
  if (!err) err = store_get(txn, STORE_IDEMPOTENCY, key, claim->arena, &row);
  if (err) return err;
  if (row_is_live(row, claim->now_us)) {
    if (memcmp(row.data + AT_HASH, claim->key->request, IDEMPOTENCY_HASH_BYTES) != 0) {
      claim->outcome = IDEMPOTENCY_MISMATCH;
      return ERR_OK;
    }
    if (row.data[AT_STATE] == STATE_REPLY) return open_reply(claim, row, diag);
    claim->outcome = IDEMPOTENCY_IN_FLIGHT;
    return ERR_OK;
  }
  struct key value;
  claim->outcome = IDEMPOTENCY_RUN;
  claim->key->claim_end_us = claim->now_us + IDEMPOTENCY_CLAIM_S * (int64_t)CLOCK_SECOND_US;
  row_begin(&value, STATE_CLAIM, claim->key->claim_end_us, claim->key->request);
  return store_put(txn, STORE_IDEMPOTENCY, key, key_view(&value));
}

enum err idempotency_claim(struct store *store, struct idempotency_key *key, int64_t now_us, struct arena *arena,
                           enum idempotency_outcome *outcome, int *status, struct bytes *reply, struct diag *diag) {
  struct claim claim = {.key = key, .now_us = now_us, .arena = arena};
  struct store_mark mark;
  enum err err = store_run(store, claim_body, &claim, &mark, diag);
  if (err) return err;
  *outcome = claim.outcome;
  *status = claim.status;
  *reply = claim.reply;
  return ERR_OK;
}

// A later claim of the row ends later, so its end tells whose it is. One that was swept away after its end was nobody
// else's: whoever had claimed the row since would have left a claim or a reply there, or has changed nothing.
static bool is_ours(const struct idempotency_key *key, struct bytes row) {
  if (row.size_bytes < CLAIM_BYTES) return true;
  return row.data[AT_STATE] == STATE_CLAIM && key_read_i64(row.data + AT_END) == key->claim_end_us;
}

// The row of a reply, into an empty buffer.
static enum err seal_reply(const struct idempotency_key *key, int64_t now_us, int status, struct bytes reply,
                           struct buffer *row, struct diag *diag) {
  struct key head;
  uint8_t nonce[crypto_secretbox_NONCEBYTES];
  row_begin(&head, STATE_REPLY, now_us + IDEMPOTENCY_REPLY_S * (int64_t)CLOCK_SECOND_US, key->request);
  buffer_append_bytes(row, key_view(&head));
  buffer_append_byte(row, (uint8_t)(status >> 8));
  buffer_append_byte(row, (uint8_t)status);
  randombytes_buf(nonce, sizeof nonce);
  buffer_append(row, nonce, sizeof nonce);
  if (!buffer_reserve(row, reply.size_bytes + crypto_secretbox_MACBYTES) || row->failed) return diag_no_memory(diag);
  const uint8_t *plain = reply.size_bytes ? reply.data : nonce;
  crypto_secretbox_easy(row->data + row->size_bytes, plain, reply.size_bytes, nonce, key->seal);
  row->size_bytes += reply.size_bytes + crypto_secretbox_MACBYTES;
  return ERR_OK;
}

enum err idempotency_ride(struct store_txn *txn, const struct idempotency_key *key, int64_t now_us, int status,
                          struct bytes reply, struct arena *arena, struct diag *diag) {
  struct bytes there;
  struct buffer row;
  enum err err = store_get(txn, STORE_IDEMPOTENCY, idempotency_lock(key), arena, &there);
  if (err) return err;
  if (!is_ours(key, there)) {
    return diag_set(diag, ERR_BUSY, "idempotency_in_flight",
                    "This request took longer than %d seconds and was repeated meanwhile; ask again in a moment.",
                    IDEMPOTENCY_CLAIM_S);
  }
  buffer_init(&row);
  err = seal_reply(key, now_us, status, reply, &row, diag);
  if (!err) err = store_put(txn, STORE_IDEMPOTENCY, idempotency_lock(key), buffer_view(&row));
  buffer_release(&row);
  return err;
}

struct row_write {
  const struct idempotency_key *key;
  struct bytes value; // data NULL: delete
  struct arena *arena;
};

static enum err write_body(struct store_txn *txn, void *context, struct diag *diag) {
  const struct row_write *write = context;
  struct bytes key = idempotency_lock(write->key), there = {0};
  (void)diag;
  enum err err = store_lock_many(txn, STORE_LOCK_IDEMPOTENCY, &key, 1);
  if (!err) err = store_get(txn, STORE_IDEMPOTENCY, key, write->arena, &there);
  if (err || !is_ours(write->key, there)) return err;
  if (!write->value.data) return store_delete(txn, STORE_IDEMPOTENCY, key);
  return store_put(txn, STORE_IDEMPOTENCY, key, write->value);
}

static enum err write_row(struct store *store, const struct idempotency_key *key, struct bytes value,
                          struct store_mark *mark, struct diag *diag) {
  struct arena arena;
  arena_init(&arena, 0);
  struct row_write write = {key, value, &arena};
  enum err err = store_run(store, write_body, &write, mark, diag);
  arena_release(&arena);
  return err;
}

enum err idempotency_finish(struct store *store, const struct idempotency_key *key, int64_t now_us, int status,
                            struct bytes reply, struct store_mark *mark, struct diag *diag) {
  struct buffer row;
  buffer_init(&row);
  enum err err = seal_reply(key, now_us, status, reply, &row, diag);
  if (!err) err = write_row(store, key, buffer_view(&row), mark, diag);
  buffer_release(&row);
  return err;
}

enum err idempotency_forget(struct store *store, const struct idempotency_key *key, struct diag *diag) {
  struct store_mark mark;
  return write_row(store, key, (struct bytes){NULL, 0}, &mark, diag);
}

struct sweep {
  struct bytes keys[SWEEP_BATCH];
  size_t count;
  int64_t now_us;
  struct arena *arena;
  size_t deleted;
};

// Rows are looked at again under their locks: one may have been claimed anew since the scan.
static enum err sweep_body(struct store_txn *txn, void *context, struct diag *diag) {
  struct sweep *sweep = context;
  struct bytes rows[SWEEP_BATCH];
  (void)diag;
  sweep->deleted = 0;
  enum err err = store_lock_many(txn, STORE_LOCK_IDEMPOTENCY, sweep->keys, sweep->count);
  if (!err) err = store_get_many(txn, STORE_IDEMPOTENCY, sweep->keys, sweep->count, sweep->arena, rows);
  for (size_t i = 0; i < sweep->count && !err; i++) {
    if (!rows[i].data || row_is_live(rows[i], sweep->now_us)) continue;
    err = store_delete(txn, STORE_IDEMPOTENCY, sweep->keys[i]);
    sweep->deleted++;
  }
  return err;
}

// Collects keys of rows that are over.
static enum err sweep_find(struct store_snapshot *snapshot, struct sweep *sweep, size_t most) {
  struct store_cursor *cursor;
  enum err err = store_snapshot_scan(snapshot, STORE_IDEMPOTENCY, BYTES(""), BYTES(""), &cursor);
  if (err) return err;
  struct bytes key, row;
  while (sweep->count < most && store_cursor_next(cursor, &key, &row)) {
    if (row_is_live(row, sweep->now_us)) continue;
    struct bytes copy = arena_copy(sweep->arena, key);
    if (!copy.data) {
      err = ERR_NO_MEMORY;
      break;
    }
    sweep->keys[sweep->count++] = copy;
  }
  if (!err) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

enum err idempotency_sweep(struct store *store, int64_t now_us, size_t most, size_t *deleted, struct diag *diag) {
  struct arena arena;
  struct store_snapshot *snapshot;
  struct sweep sweep = {.now_us = now_us, .arena = &arena};
  struct store_mark mark;
  *deleted = 0;
  enum err err = store_snapshot_open(store, &snapshot);
  if (err) return err;
  arena_init(&arena, 0);
  err = sweep_find(snapshot, &sweep, most < SWEEP_BATCH ? most : SWEEP_BATCH);
  store_snapshot_close(snapshot);
  if (!err && sweep.count) err = store_run(store, sweep_body, &sweep, &mark, diag);
  if (!err) *deleted = sweep.deleted;
  arena_release(&arena);
  return err;
}
