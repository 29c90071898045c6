// engine.c: opening a workspace: its dictionary, secret, counters and number sequences.
//
// META rows: "hash_key" (32 random bytes), "next/customers", "next/decisions" and "next/parts" (the first number not
// yet reserved, big endian), "count/N" (one stripe of the counters), "message_floor" and "message_base" (microseconds,
// upkeep.c), "receipts" (present once somebody was erased). Numbers are reserved in blocks: after a crash the rest of a
// block is skipped, never given twice.
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "engine/live.h"
#include "engine/loyalty.h"
#include "engine/open.h"
#include "engine/projection.h"
#include "engine/rerun.h"
#include "engine/segments.h"
#include "engine/work.h"
#include "segment/audience.h"

enum { CUSTOMERS_BLOCK = 4096, DECISIONS_BLOCK = 65536, PARTS_BLOCK = 256 };

void engine_text_key(struct key *key, const char *name) {
  key_init(key);
  key_put_raw(key, bytes_from_text(name));
}

void engine_number_key(struct key *key, const char *name, uint64_t number) {
  key_init(key);
  key_put_text(key, bytes_from_text(name));
  key_put_u64(key, number);
}

enum err engine_explain_failure(enum err err, struct diag *diag) {
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  return diag_set(diag, err, err_name(err),
                  "the store could not read what this needs; look for disk errors in the system's log");
}

// --- the dictionary ------------------------------------------------------------------------------------------

struct name_row {
  uint32_t id;
  struct bytes name;
};

static enum err put_name(struct store_txn *txn, void *context, struct diag *diag) {
  const struct name_row *row = context;
  struct key key;
  (void)diag;
  key_init(&key);
  key_put_u32(&key, row->id);
  return store_put(txn, STORE_NAME, key_view(&key), row->name);
}

// Written before the id is handed out: the log keeps that order, so no document outlives its names.
static enum err persist_name(void *context, uint32_t id, struct bytes name, struct diag *diag) {
  struct engine *engine = context;
  struct name_row row = {id, name};
  struct store_mark mark;
  if (engine->read_only)
    return diag_set(diag, ERR_DENIED, "read_only", "this command only looks at the workspace and cannot add names");
  return store_run(engine->store, put_name, &row, &mark, diag);
}

static enum err load_names(struct engine *engine, struct store_snapshot *snapshot) {
  struct store_cursor *cursor;
  struct bytes key, value;
  enum err err = store_snapshot_scan(snapshot, STORE_NAME, BYTES(""), BYTES(""), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &value))
    err = key.size_bytes == sizeof(uint32_t) ? names_load(engine->names, key_read_u32(key.data), value) : ERR_CORRUPT;
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err intern_own_names(struct engine *engine, struct diag *diag) {
  const struct {
    struct bytes text;
    uint32_t *id;
  } own[] = {
#define X(name) {BYTES_INIT(#name), &engine->id.name},
      ENGINE_NAMES(X)
#undef X
          {BYTES_INIT("Identified"), &engine->id.identified},
      {BYTES_INIT("Corrected"), &engine->id.corrected},
  };
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    enum err err = names_intern(engine->names, own[i].text, own[i].id, diag);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// --- numbers -------------------------------------------------------------------------------------------------

struct reservation {
  struct engine_sequence *sequence;
  uint64_t first;
};

static void sequence_key(const struct engine_sequence *sequence, struct key *key) {
  engine_text_key(key, sequence->name);
}

static enum err reserve_block(struct store_txn *txn, void *context, struct diag *diag) {
  struct reservation *reservation = context;
  struct arena arena;
  struct key key;
  struct bytes lock, value;
  uint8_t next[8];
  sequence_key(reservation->sequence, &key);
  lock = key_view(&key);
  arena_init(&arena, 0);
  enum err err = store_lock_many(txn, STORE_LOCK_COUNTER, &lock, 1);
  if (err == ERR_OK) err = store_get(txn, STORE_META, lock, &arena, &value);
  if (err == ERR_OK) {
    reservation->first = value.size_bytes == sizeof next ? key_read_u64(value.data) : 1;
    struct key number;
    key_init(&number);
    key_put_u64(&number, reservation->first + reservation->sequence->block);
    err = store_put(txn, STORE_META, lock, key_view(&number));
  }
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  arena_release(&arena);
  return err;
}

enum err engine_next(struct engine *engine, struct engine_sequence *sequence, uint64_t *number, struct diag *diag) {
  enum err err = ERR_OK;
  pthread_mutex_lock(&sequence->mutex);
  if (sequence->next == sequence->limit) {
    struct reservation reservation = {.sequence = sequence};
    struct store_mark mark;
    err = store_run(engine->store, reserve_block, &reservation, &mark, diag);
    if (err == ERR_OK) {
      sequence->next = reservation.first;
      sequence->limit = reservation.first + sequence->block;
    }
  }
  if (err == ERR_OK) *number = sequence->next++;
  pthread_mutex_unlock(&sequence->mutex);
  return err;
}

// Stores the first number of the block that was not given out, unless somebody reserved more since.
static enum err return_block(struct store_txn *txn, void *context, struct diag *diag) {
  const struct engine_sequence *sequence = context;
  struct arena arena;
  struct key key, number;
  struct bytes value;
  (void)diag;
  sequence_key(sequence, &key);
  struct bytes lock = key_view(&key);
  arena_init(&arena, 0);
  enum err err = store_lock_many(txn, STORE_LOCK_COUNTER, &lock, 1);
  if (err == ERR_OK) err = store_get(txn, STORE_META, lock, &arena, &value);
  key_init(&number);
  key_put_u64(&number, sequence->next);
  if (err == ERR_OK && value.size_bytes == sizeof(uint64_t) && key_read_u64(value.data) == sequence->limit)
    err = store_put(txn, STORE_META, lock, key_view(&number));
  arena_release(&arena);
  return err;
}

// On a clean close the rest of each block is given back, so that ids do not jump. Failing to is harmless.
static void give_back(struct engine *engine, struct engine_sequence *sequence) {
  struct store_mark mark;
  if (engine->read_only || sequence->next == sequence->limit) return;
  store_run(engine->store, return_block, sequence, &mark, NULL);
}

// --- hashes --------------------------------------------------------------------------------------------------

void engine_event_id(const struct engine *engine, uint32_t source, struct bytes message_id,
                     uint8_t out[IDENTITY_EVENT_ID_BYTES]) {
  uint8_t text[sizeof source + LIMIT_MESSAGE_ID_BYTES];
  static_assert(IDENTITY_EVENT_ID_BYTES == crypto_shorthash_siphashx24_BYTES, "an event id is a 128-bit SipHash");
  assert(message_id.size_bytes <= LIMIT_MESSAGE_ID_BYTES);
  memcpy(text, &source, sizeof source);
  memcpy(text + sizeof source, message_id.data, message_id.size_bytes);
  crypto_shorthash_siphashx24(out, text, sizeof source + message_id.size_bytes, engine->hash_key);
}

void engine_identifier_hash(const struct engine *engine, struct identifier identifier, uint8_t out[32]) {
  struct key key;
  identifier_key(identifier, engine->names, &key);
  crypto_generichash(out, 32, key.data, key.size_bytes, engine->hash_key, sizeof engine->hash_key);
}

// --- counters ------------------------------------------------------------------------------------------------

enum { COUNTS = sizeof(struct engine_counts) / sizeof(uint64_t) };

static void add_counts(struct engine_counts *sum, const struct engine_counts *delta) {
  uint64_t *to = (uint64_t *)sum;
  const uint64_t *from = (const uint64_t *)delta;
  for (size_t i = 0; i < COUNTS; i++) to[i] += from[i]; // what is taken away wraps around
}

static enum err read_stripe(struct store_snapshot *snapshot, size_t index, struct arena *arena,
                            struct engine_counts *stripe) {
  uint64_t *counts = (uint64_t *)stripe;
  struct key key;
  struct bytes row;
  *stripe = (struct engine_counts){0};
  engine_number_key(&key, "count", index);
  enum err err = store_snapshot_get(snapshot, STORE_META, key_view(&key), arena, &row);
  for (size_t i = 0; err == ERR_OK && i < COUNTS && (i + 1) * sizeof(uint64_t) <= row.size_bytes; i++)
    counts[i] = key_read_u64(row.data + i * sizeof(uint64_t));
  return err;
}

static enum err load_stripe(struct engine *engine, struct store_snapshot *snapshot, size_t index, struct arena *arena) {
  struct engine_counts loaded;
  enum err err = read_stripe(snapshot, index, arena, &loaded);
  pthread_mutex_lock(&engine->stripes_mutex);
  if (err == ERR_OK) engine->stripes[index].counts = loaded;
  pthread_mutex_unlock(&engine->stripes_mutex);
  return err;
}

// Reads a stripe's row again when some commit failed since it was known. The stripe is held.
static enum err refresh_stripe(struct engine *engine, size_t index) {
  struct engine_stripe *stripe = &engine->stripes[index];
  uint64_t epoch = atomic_load(&engine->counts_epoch);
  struct store_snapshot *snapshot;
  struct arena arena;
  if (atomic_load(&stripe->epoch) == epoch) return ERR_OK;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  err = load_stripe(engine, snapshot, index, &arena);
  if (err == ERR_OK) atomic_store(&stripe->epoch, epoch);
  arena_release(&arena);
  store_snapshot_close(snapshot);
  return err;
}

// Holds a stripe that nobody has, or the next one when all are taken.
static size_t take_stripe(struct engine *engine) {
  size_t first = atomic_fetch_add(&engine->next_stripe, 1) % ENGINE_STRIPES;
  for (size_t i = 0; i < ENGINE_STRIPES; i++)
    if (pthread_mutex_trylock(&engine->stripes[(first + i) % ENGINE_STRIPES].busy) == 0)
      return (first + i) % ENGINE_STRIPES;
  pthread_mutex_lock(&engine->stripes[first].busy);
  return first;
}

enum err engine_count(struct engine *engine, struct store_txn *txn, const struct engine_counts *delta,
                      struct engine_count *count) {
  static const struct engine_counts none;
  struct key key, row;
  *count = (struct engine_count){0};
  if (memcmp(delta, &none, sizeof none) == 0) return ERR_OK;
  size_t index = take_stripe(engine);
  count->stripe = &engine->stripes[index];
  enum err err = refresh_stripe(engine, index);
  if (err != ERR_OK) return err;
  count->after = count->stripe->counts;
  add_counts(&count->after, delta);
  engine_number_key(&key, "count", index);
  key_init(&row);
  for (size_t i = 0; i < COUNTS; i++) key_put_u64(&row, ((const uint64_t *)&count->after)[i]);
  return store_put(txn, STORE_META, key_view(&key), key_view(&row));
}

void engine_count_end(struct engine *engine, const struct engine_count *count, enum err outcome) {
  if (outcome != ERR_OK && outcome != ERR_CONFLICT) atomic_fetch_add(&engine->counts_epoch, 1);
  if (count->stripe == NULL) return;
  pthread_mutex_lock(&engine->stripes_mutex);
  if (outcome == ERR_OK) count->stripe->counts = count->after;
  pthread_mutex_unlock(&engine->stripes_mutex);
  pthread_mutex_unlock(&count->stripe->busy);
}

enum err engine_get_counts(struct engine *engine, struct engine_counts *counts) {
  enum err err = ERR_OK;
  *counts = (struct engine_counts){0};
  for (size_t i = 0; err == ERR_OK && i < ENGINE_STRIPES; i++) {
    if (atomic_load(&engine->stripes[i].epoch) == atomic_load(&engine->counts_epoch)) continue;
    pthread_mutex_lock(&engine->stripes[i].busy);
    err = refresh_stripe(engine, i);
    pthread_mutex_unlock(&engine->stripes[i].busy);
  }
  pthread_mutex_lock(&engine->stripes_mutex);
  for (size_t i = 0; i < ENGINE_STRIPES; i++) add_counts(counts, &engine->stripes[i].counts);
  pthread_mutex_unlock(&engine->stripes_mutex);
  return err;
}

static enum err load_counts(struct engine *engine, struct store_snapshot *snapshot, struct arena *arena) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < ENGINE_STRIPES; i++) err = load_stripe(engine, snapshot, i, arena);
  return err;
}

enum err engine_counts_at(struct store_snapshot *snapshot, struct arena *arena, struct engine_counts *counts) {
  enum err err = ERR_OK;
  *counts = (struct engine_counts){0};
  for (size_t i = 0; err == ERR_OK && i < ENGINE_STRIPES; i++) {
    struct engine_counts stripe;
    err = read_stripe(snapshot, i, arena, &stripe);
    add_counts(counts, &stripe);
  }
  return err;
}

// --- a workspace ---------------------------------------------------------------------------------------------

static enum err put_workspace(struct store_txn *txn, void *context, struct diag *diag) {
  uint8_t hash_key[ENGINE_HASH_KEY_BYTES];
  struct key key;
  (void)context;
  (void)diag;
  randombytes_buf(hash_key, sizeof hash_key);
  engine_text_key(&key, "hash_key");
  return store_put(txn, STORE_META, key_view(&key), bytes_of(hash_key, sizeof hash_key));
}

// Opening once writes the dictionary, the rules and the sources that every workspace has, so that it can be opened to
// be looked at only.
static enum err write_first_documents(struct store *store, const struct clock *clock, struct diag *diag) {
  struct engine *engine;
  struct engine_options options = {.store = store, .clock = clock};
  enum err err = engine_open(&engine, &options, diag);
  if (err != ERR_OK) return err;
  engine_close(engine);
  return store_wait(store, store_mark_now(store), diag);
}

enum err engine_create_workspace(struct store *store, const struct clock *clock, struct diag *diag) {
  struct store_mark mark;
  if (sodium_init() < 0) return diag_set(diag, ERR_IO, "no_randomness", "the system gives no random numbers");
  enum err err = store_run(store, put_workspace, NULL, &mark, diag);
  return err == ERR_OK ? write_first_documents(store, clock, diag) : err;
}

static enum err load_hash_key(struct engine *engine, struct store_snapshot *snapshot, struct arena *arena,
                              struct diag *diag) {
  struct key key;
  struct bytes row;
  engine_text_key(&key, "hash_key");
  enum err err = store_snapshot_get(snapshot, STORE_META, key_view(&key), arena, &row);
  if (err != ERR_OK) return err;
  if (row.size_bytes != ENGINE_HASH_KEY_BYTES)
    return diag_set(diag, ERR_NOT_FOUND, "no_workspace",
                    "this directory holds no workspace; make one with `rapport init`");
  memcpy(engine->hash_key, row.data, ENGINE_HASH_KEY_BYTES);
  return ERR_OK;
}

static enum err load_marks(struct engine *engine, struct store_snapshot *snapshot, struct arena *arena) {
  struct key key;
  struct bytes row;
  engine_text_key(&key, "message_floor");
  enum err err = store_snapshot_get(snapshot, STORE_META, key_view(&key), arena, &row);
  if (err == ERR_OK && row.size_bytes == sizeof(uint64_t))
    atomic_store(&engine->message_floor_us, (int64_t)key_read_u64(row.data));
  engine_text_key(&key, "message_base");
  if (err == ERR_OK) err = store_snapshot_get(snapshot, STORE_META, key_view(&key), arena, &row);
  if (err == ERR_OK && row.size_bytes == sizeof(uint64_t)) engine->message_base_us = (int64_t)key_read_u64(row.data);
  engine_text_key(&key, "receipts");
  if (err == ERR_OK) err = store_snapshot_get(snapshot, STORE_META, key_view(&key), arena, &row);
  if (err == ERR_OK) atomic_store(&engine->has_receipts, row.data != NULL);
  return err;
}

static enum err load_workspace(struct engine *engine, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct arena arena;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  err = load_hash_key(engine, snapshot, &arena, diag);
  if (err == ERR_OK) err = load_names(engine, snapshot);
  if (err == ERR_OK) err = load_counts(engine, snapshot, &arena);
  if (err == ERR_OK) err = load_marks(engine, snapshot, &arena);
  if (err == ERR_OK) err = intern_own_names(engine, diag);
  if (err == ERR_OK) err = open_rules(engine, snapshot, diag);
  if (err == ERR_OK) err = open_zone(engine, snapshot, diag);
  if (err == ERR_OK) err = open_access(engine, snapshot, diag);
  if (err == ERR_OK) err = projections_open(engine, snapshot);
  if (err == ERR_OK) err = live_open(engine, snapshot, diag);
  if (err == ERR_OK) err = loyalty_open(engine, snapshot, diag);
  arena_release(&arena);
  store_snapshot_close(snapshot);
  return err;
}

static void init_engine(struct engine *engine, const struct engine_options *options) {
  engine->store = options->store;
  engine->clock = options->clock;
  engine->read_only = options->read_only;
  engine->customers =
      (struct engine_sequence){.name = "next/customers", .next = 1, .limit = 1, .block = CUSTOMERS_BLOCK};
  engine->decisions =
      (struct engine_sequence){.name = "next/decisions", .next = 1, .limit = 1, .block = DECISIONS_BLOCK};
  engine->parts = (struct engine_sequence){.name = "next/parts", .next = 1, .limit = 1, .block = PARTS_BLOCK};
  pthread_mutex_init(&engine->customers.mutex, NULL);
  pthread_mutex_init(&engine->decisions.mutex, NULL);
  pthread_mutex_init(&engine->parts.mutex, NULL);
  pthread_mutex_init(&engine->rules_mutex, NULL);
  pthread_mutex_init(&engine->zone_mutex, NULL);
  pthread_mutex_init(&engine->access_mutex, NULL);
  engine->message_days = options->message_days;
  engine->projection_quiet_us = options->projection_quiet_us == 0 ? PROJECTION_QUIET_US : options->projection_quiet_us;
  engine->merge_events = options->merge_events == 0 ? LIMIT_MERGE_EVENTS : options->merge_events;
  pthread_mutex_init(&engine->stripes_mutex, NULL);
  for (size_t i = 0; i < ENGINE_STRIPES; i++) pthread_mutex_init(&engine->stripes[i].busy, NULL);
  pthread_mutex_init(&engine->upkeep_mutex, NULL);
  pthread_rwlock_init(&engine->keys_lock, NULL);
}

enum err engine_open(struct engine **opened, const struct engine_options *options, struct diag *diag) {
  *opened = NULL;
  if (sodium_init() < 0) return diag_set(diag, ERR_IO, "no_randomness", "the system gives no random numbers");
  struct engine *engine = alloc_zero(1, sizeof *engine);
  if (engine == NULL) return diag_no_memory(diag);
  init_engine(engine, options);
  store_set_tidy(engine->store, STORE_TIMELINE, timeline_tidy);
  store_set_tidy(engine->store, STORE_AUDIENCE, audience_tidy);
  enum err err = names_open(&engine->names, persist_name, engine);
  if (err == ERR_OK) err = load_workspace(engine, diag);
  if (err == ERR_OK && !engine->read_only) err = segments_follow_zone(engine, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  if (err == ERR_OK)
    *opened = engine;
  else
    engine_close(engine);
  return err;
}

void engine_close(struct engine *engine) {
  if (engine == NULL) return;
  give_back(engine, &engine->customers);
  give_back(engine, &engine->decisions);
  give_back(engine, &engine->parts);
  live_close(engine);
  loyalty_close(engine);
  projections_close(engine);
  rerun_close(engine);
  close_rules(engine);
  close_zone(engine);
  close_access(engine);
  if (engine->names != NULL) names_close(engine->names);
  pthread_mutex_destroy(&engine->customers.mutex);
  pthread_mutex_destroy(&engine->decisions.mutex);
  pthread_mutex_destroy(&engine->parts.mutex);
  pthread_mutex_destroy(&engine->rules_mutex);
  pthread_mutex_destroy(&engine->zone_mutex);
  pthread_mutex_destroy(&engine->access_mutex);
  pthread_mutex_destroy(&engine->stripes_mutex);
  for (size_t i = 0; i < ENGINE_STRIPES; i++) pthread_mutex_destroy(&engine->stripes[i].busy);
  pthread_mutex_destroy(&engine->upkeep_mutex);
  pthread_rwlock_destroy(&engine->keys_lock);
  sodium_memzero(engine->hash_key, sizeof engine->hash_key);
  alloc_free(engine);
}

struct names *engine_names(struct engine *engine) {
  return engine->names;
}

struct store *engine_store(struct engine *engine) {
  return engine->store;
}

const struct clock *engine_clock(struct engine *engine) {
  return engine->clock;
}
