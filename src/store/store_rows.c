// Rows of the newest state, in bounded memory.
//
// Two tables, for rows of up to 16 and up to 48 bytes. A table is an array of sets of eight rows; the fingerprints of a
// set fill one line of the processor's cache. Within a set the first row that was not used since it was looked over
// last makes room. Longer rows, and all rows of the timeline, are in rings (store_ring.h); a row in a table that is
// appended to after all is forgotten. Sets and rings are
// dealt to stripes by the low bits of the hash; a stripe has one lock and one count of writes for all three.
//
// Invariant: a row is in one place at most, and only where a row of its keyspace and length belongs.
#include "store/store_rows.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/alloc.h"

enum {
  WAYS = 8,
  SHORT_BYTES = 16,  // a person's identifier has 10
  MEDIUM_BYTES = 48, // a device with one owner, a timeline's head of a few names
  TABLES = 2,
  IN_RING = TABLES, // where a row belongs: a table's number, or this, or
  NOWHERE,
  STRIPES = 1024,
  CACHE_LINE_BYTES = 64,
};

struct set_head {
  uint64_t fingerprints[WAYS]; // 0: free
  uint8_t sizes[WAYS];
  uint8_t used[WAYS];
};

struct table {
  uint8_t *sets;
  size_t set_bytes, row_bytes;
  uint64_t stripe_sets; // how many sets share a stripe
};

struct stripe {
  _Alignas(CACHE_LINE_BYTES) pthread_mutex_t mutex;
  uint32_t writes;
  uint32_t hand;
  uint32_t appending; // appends that are with the database now
  struct store_ring ring;
};

struct store_rows {
  uint8_t hash_keys[STORE_KEYSPACE_COUNT][crypto_shorthash_siphashx24_KEYBYTES];
  struct table tables[TABLES];
  struct stripe stripes[STRIPES];
  void *block, *rings; // what was allocated: this structure and the rings are aligned within
};

// --- tables --------------------------------------------------------------------------------------------------

static struct set_head *set_at(const struct table *table, uint64_t index) {
  uint64_t set = index % STRIPES * table->stripe_sets + ((index >> 32) * table->stripe_sets >> 32);
  return (struct set_head *)(void *)(table->sets + set * table->set_bytes);
}

static uint8_t *row_at(const struct table *table, struct set_head *set, int way) {
  return (uint8_t *)(set + 1) + (size_t)way * table->row_bytes;
}

static int way_of(const struct set_head *set, uint64_t fingerprint) {
  for (int way = 0; way < WAYS; way++)
    if (set->fingerprints[way] == fingerprint) return way;
  return -1;
}

static enum err table_init(struct table *table, size_t row_bytes, size_t bytes) {
  table->row_bytes = row_bytes;
  table->set_bytes = sizeof(struct set_head) + WAYS * row_bytes;
  table->stripe_sets = bytes / table->set_bytes / STRIPES;
  if (table->stripe_sets == 0) table->stripe_sets = 1;
  table->sets = alloc_zero(STRIPES * table->stripe_sets, table->set_bytes);
  return table->sets ? ERR_OK : ERR_NO_MEMORY;
}

static int way_to_replace(struct set_head *set, struct stripe *stripe) {
  int way = way_of(set, 0);
  if (way >= 0) return way;
  for (int tries = 0; tries <= WAYS; tries++) {
    way = (int)(stripe->hand++ % WAYS);
    if (!set->used[way]) break;
    set->used[way] = 0;
  }
  return way;
}

static void table_put(const struct table *table, struct stripe *stripe, uint64_t index, uint64_t fingerprint,
                      struct bytes value) {
  struct set_head *set = set_at(table, index);
  int way = way_of(set, fingerprint);
  if (way < 0) {
    way = way_to_replace(set, stripe);
    set->used[way] = 0; // rows that pass by once push out each other, not those in use
  }
  set->fingerprints[way] = fingerprint;
  set->sizes[way] = (uint8_t)value.size_bytes;
  memcpy(row_at(table, set, way), value.data, value.size_bytes);
}

static void table_drop(const struct table *table, uint64_t index, uint64_t fingerprint) {
  struct set_head *set = set_at(table, index);
  int way = way_of(set, fingerprint);
  if (way >= 0) set->fingerprints[way] = 0;
}

// --- the whole -----------------------------------------------------------------------------------------------

bool store_rows_covers(enum store_keyspace keyspace) {
  return keyspace == STORE_IDENTIFIER || keyspace == STORE_CUSTOMER || keyspace == STORE_TIMELINE;
}

// Of CUSTOMER only long rows are appended to (memberships); short ones are in tables like others.
static bool is_always_appended(enum store_keyspace keyspace) {
  return keyspace == STORE_TIMELINE;
}

static void *at_line(void *block) {
  return (void *)(((uintptr_t)block + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES);
}

// The memory is touched only as rows fill it.
static enum err rings_init(struct store_rows *rows, size_t bytes) {
  size_t ring_bytes = bytes / STRIPES / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
  if (ring_bytes < STORE_RING_BYTES_MIN) ring_bytes = STORE_RING_BYTES_MIN;
  rows->rings = alloc_zero(1, STRIPES * ring_bytes + CACHE_LINE_BYTES);
  if (!rows->rings) return ERR_NO_MEMORY;
  uint8_t *memory = at_line(rows->rings);
  for (size_t i = 0; i < STRIPES; i++) store_ring_init(&rows->stripes[i].ring, memory + i * ring_bytes, ring_bytes);
  return ERR_OK;
}

enum err store_rows_open(struct store_rows **rows, size_t short_bytes, size_t long_bytes) {
  void *block = alloc_zero(1, sizeof **rows + CACHE_LINE_BYTES);
  if (!block) return ERR_NO_MEMORY;
  struct store_rows *made = at_line(block);
  made->block = block;
  for (size_t i = 0; i < STRIPES; i++) pthread_mutex_init(&made->stripes[i].mutex, NULL);
  randombytes_buf(made->hash_keys, sizeof made->hash_keys);
  enum err err = table_init(&made->tables[0], SHORT_BYTES, short_bytes / 4);
  if (err == ERR_OK) err = table_init(&made->tables[1], MEDIUM_BYTES, short_bytes / 4 * 3);
  if (err == ERR_OK) err = rings_init(made, long_bytes);
  if (err == ERR_OK) {
    *rows = made;
    return ERR_OK;
  }
  store_rows_close(made);
  return err;
}

void store_rows_close(struct store_rows *rows) {
  if (!rows) return;
  for (size_t i = 0; i < STRIPES; i++) pthread_mutex_destroy(&rows->stripes[i].mutex);
  for (int i = 0; i < TABLES; i++) alloc_free(rows->tables[i].sets);
  alloc_free(rows->rings);
  alloc_free(rows->block);
}

static struct store_rows_place place_of(const struct store_rows *rows, enum store_keyspace keyspace, struct bytes key) {
  uint64_t hash[2];
  static_assert(sizeof hash == crypto_shorthash_siphashx24_BYTES, "a 128-bit SipHash");
  crypto_shorthash_siphashx24((uint8_t *)hash, key.data, key.size_bytes, rows->hash_keys[keyspace]);
  return (struct store_rows_place){.fingerprint = hash[0] | 1, .index = hash[1]}; // 0 is a free place
}

static struct store_ring_name name_of(const struct store_rows_place *place) {
  return (struct store_ring_name){place->fingerprint, (uint32_t)(place->index >> 32)};
}

static struct stripe *stripe_of(struct store_rows *rows, uint64_t index) {
  return &rows->stripes[index % STRIPES];
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err find_in_table(const struct table *table, const struct store_rows_place *place, struct arena *arena,
                              struct bytes *value) {
  struct set_head *set = set_at(table, place->index);
  int way = way_of(set, place->fingerprint);
  if (way < 0) return ERR_OK;
  set->used[way] = 1;
  *value = arena_copy(arena, bytes_of(row_at(table, set, way), set->sizes[way]));
  return value->data ? ERR_OK : ERR_NO_MEMORY;
}

static enum err find_one(struct store_rows *rows, bool appended, struct store_rows_place *place, struct arena *arena,
                         struct bytes *value) {
  struct stripe *stripe = stripe_of(rows, place->index);
  enum err err = ERR_OK;
  *value = (struct bytes){0};
  pthread_mutex_lock(&stripe->mutex);
  place->writes = stripe->writes;
  for (int i = 0; i < TABLES && !appended && !value->data && err == ERR_OK; i++)
    err = find_in_table(&rows->tables[i], place, arena, value);
  if (!value->data && err == ERR_OK) err = store_ring_find(&stripe->ring, name_of(place), arena, value);
  pthread_mutex_unlock(&stripe->mutex);
  return err;
}

enum err store_rows_find(struct store_rows *rows, enum store_keyspace keyspace, const struct bytes *keys, size_t count,
                         struct arena *arena, struct bytes *values, struct store_rows_place *places) {
  bool appended = is_always_appended(keyspace);
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++) {
    places[i] = place_of(rows, keyspace, keys[i]);
    for (int j = 0; j < TABLES && !appended; j++) __builtin_prefetch(set_at(&rows->tables[j], places[i].index));
    store_ring_prefetch(&stripe_of(rows, places[i].index)->ring, name_of(&places[i]));
  }
  for (size_t i = 0; i < count && err == ERR_OK; i++) err = find_one(rows, appended, &places[i], arena, &values[i]);
  return err;
}

// --- writing -------------------------------------------------------------------------------------------------

static int belongs(bool appended, struct bytes value) {
  if (!value.data) return NOWHERE;
  if (appended || value.size_bytes > MEDIUM_BYTES) return IN_RING;
  return value.size_bytes <= SHORT_BYTES ? 0 : 1;
}

// The row has this value now, or (data NULL) an unknown one.
static void replace(struct store_rows *rows, struct stripe *stripe, bool appended, const struct store_rows_place *place,
                    struct bytes value) {
  int where = belongs(appended, value);
  for (int i = 0; i < TABLES && !appended; i++) {
    if (i == where)
      table_put(&rows->tables[i], stripe, place->index, place->fingerprint, value);
    else
      table_drop(&rows->tables[i], place->index, place->fingerprint);
  }
  if (where == IN_RING)
    store_ring_put(&stripe->ring, name_of(place), value);
  else
    store_ring_drop(&stripe->ring, name_of(place));
}

void store_rows_keep(struct store_rows *rows, enum store_keyspace keyspace, const struct store_rows_place *place,
                     struct bytes value) {
  struct stripe *stripe = stripe_of(rows, place->index);
  pthread_mutex_lock(&stripe->mutex);
  if (stripe->writes == place->writes && stripe->appending == 0)
    replace(rows, stripe, is_always_appended(keyspace), place, value);
  pthread_mutex_unlock(&stripe->mutex);
}

static void write_one(struct store_rows *rows, struct stripe *stripe, const struct store_rows_place *place,
                      const struct store_write *write, bool known) {
  bool appended = is_always_appended((enum store_keyspace)write->keyspace);
  struct bytes value = store_write_value(write);
  bool grown = known && write->kind == STORE_WRITE_APPEND && store_ring_append(&stripe->ring, name_of(place), value);
  if (grown) return; // it was in the ring, so in no table
  replace(rows, stripe, appended, place, known && write->kind == STORE_WRITE_PUT ? value : (struct bytes){0});
}

static bool is_append(const struct store_write *write) {
  return write->kind == STORE_WRITE_APPEND && store_rows_covers((enum store_keyspace)write->keyspace);
}

void store_rows_begin(struct store_rows *rows, const struct store_batch *batch) {
  for (const struct store_write *write = batch->first; write; write = write->next) {
    if (!is_append(write)) continue;
    struct store_rows_place place = place_of(rows, (enum store_keyspace)write->keyspace, store_write_key(write));
    struct stripe *stripe = stripe_of(rows, place.index);
    pthread_mutex_lock(&stripe->mutex);
    stripe->appending++;
    pthread_mutex_unlock(&stripe->mutex);
  }
}

void store_rows_write(struct store_rows *rows, const struct store_batch *batch, bool known) {
  for (const struct store_write *write = batch->first; write; write = write->next) {
    if (!store_rows_covers((enum store_keyspace)write->keyspace)) continue;
    struct store_rows_place place = place_of(rows, (enum store_keyspace)write->keyspace, store_write_key(write));
    struct stripe *stripe = stripe_of(rows, place.index);
    pthread_mutex_lock(&stripe->mutex);
    stripe->writes++;
    if (is_append(write)) stripe->appending--;
    write_one(rows, stripe, &place, write, known);
    pthread_mutex_unlock(&stripe->mutex);
  }
}

void store_rows_clear(struct store_rows *rows) {
  for (size_t i = 0; i < STRIPES; i++) {
    struct stripe *stripe = &rows->stripes[i];
    pthread_mutex_lock(&stripe->mutex);
    stripe->writes++;
    for (int j = 0; j < TABLES; j++) {
      struct table *table = &rows->tables[j];
      memset(table->sets + i * table->stripe_sets * table->set_bytes, 0, table->stripe_sets * table->set_bytes);
    }
    store_ring_clear(&stripe->ring);
    pthread_mutex_unlock(&stripe->mutex);
  }
}
