// names: an open-addressing table of 64-bit words that readers probe without a lock.
//
// A word is the upper half of the name's hash and its id; 0 is empty. Invariants:
//   1. A record is complete before its pointer, and its pointer before its table word, is published (release);
//      who sees the word (acquire) sees all of it.
//   2. A word never changes once set, and a table is at most half full, so that every probe ends.
//   3. Growth copies into a new table and publishes that; old tables live until names_close, because a reader may
//      still be in one. A reader in an old table can miss a new name: it then asks again under the lock.
// The hash is keyed with random seeds: names come from clients, who must not be able to choose collisions.
#include "value/names.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "base/limits.h"

enum { TABLE_FIRST_SLOTS = 256 };
__extension__ typedef unsigned __int128 product;

struct record {
  uint32_t size_bytes;
  uint8_t data[];
};

struct table {
  struct table *older;
  size_t mask; // slots - 1
  _Atomic uint64_t slots[];
};

struct names {
  _Atomic(struct table *) table;
  uint64_t seeds[2];
  _Atomic uint32_t count;    // the highest id in use
  uint32_t used;             // names present; under the lock
  pthread_mutex_t lock;      // taken to add
  names_persist_fn *persist; // may be NULL
  void *context;
  _Atomic(struct record *) records[LIMIT_NAMES + 1]; // by id; NULL: none
};

static uint64_t load64(const uint8_t *data) {
  uint64_t word;
  memcpy(&word, data, sizeof word);
  return word;
}

static uint32_t load32(const uint8_t *data) {
  uint32_t word;
  memcpy(&word, data, sizeof word);
  return word;
}

static uint64_t fold(uint64_t a, uint64_t b) {
  product wide = (product)a * b;
  return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

// Multiply and fold, 16 bytes a step; the last step overlaps the one before instead of padding.
uint64_t names_hash(const struct names *names, struct bytes name) {
  const uint8_t *data = name.data;
  size_t size = name.size_bytes;
  uint64_t low = 0, high = 0, hash = names->seeds[1] ^ size;
  for (size_t rest = size; rest > 16; rest -= 16, data += 16)
    hash = fold(load64(data) ^ names->seeds[0], load64(data + 8) ^ hash);
  const uint8_t *end = name.data + size;
  if (size >= 16) {
    low = load64(end - 16);
    high = load64(end - 8);
  } else if (size >= 8) {
    low = load64(data);
    high = load64(end - 8);
  } else if (size >= 4) {
    low = load32(data);
    high = load32(end - 4);
  } else if (size > 0) {
    low = (uint64_t)data[0] << 16 | (uint64_t)data[size / 2] << 8 | end[-1];
  }
  return fold(fold(low ^ names->seeds[0], high ^ hash), names->seeds[1] ^ 0x9e3779b97f4a7c15u);
}

static struct table *new_table(size_t slots, struct table *older) {
  struct table *table = alloc_zero(1, sizeof *table + slots * sizeof table->slots[0]);
  if (table == NULL) return NULL;
  table->older = older;
  table->mask = slots - 1;
  return table;
}

static void seed(struct names *names) {
  if (getrandom(names->seeds, sizeof names->seeds, 0) == (ssize_t)sizeof names->seeds) return;
  // No random source: addresses and time are still not the client's to choose.
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  names->seeds[0] = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u;
  names->seeds[1] = (uint64_t)(uintptr_t)names * 0xc2b2ae3d27d4eb4fu;
}

enum err names_open(struct names **out, names_persist_fn *persist, void *context) {
  struct names *names = alloc_zero(1, sizeof *names);
  if (names == NULL) return ERR_NO_MEMORY;
  struct table *table = new_table(TABLE_FIRST_SLOTS, NULL);
  if (table == NULL) {
    alloc_free(names);
    return ERR_NO_MEMORY;
  }
  atomic_init(&names->table, table);
  pthread_mutex_init(&names->lock, NULL);
  names->persist = persist;
  names->context = context;
  seed(names);
  *out = names;
  return ERR_OK;
}

void names_close(struct names *names) {
  if (names == NULL) return;
  uint32_t count = names_count(names);
  for (uint32_t id = 1; id <= count; id++) alloc_free(atomic_load_explicit(&names->records[id], memory_order_relaxed));
  struct table *table = atomic_load(&names->table);
  while (table != NULL) {
    struct table *older = table->older;
    alloc_free(table);
    table = older;
  }
  pthread_mutex_destroy(&names->lock);
  alloc_free(names);
}

static struct bytes record_view(const struct record *record) {
  return bytes_of(record->data, record->size_bytes);
}

// memcmp for names, which are short: two loads that overlap instead of a call.
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t size) {
  if (size > 16) return memcmp(a, b, size) == 0;
  if (size >= 8) return ((load64(a) ^ load64(b)) | (load64(a + size - 8) ^ load64(b + size - 8))) == 0;
  if (size >= 4) return ((load32(a) ^ load32(b)) | (load32(a + size - 4) ^ load32(b + size - 4))) == 0;
  return size == 0 || (a[0] == b[0] && a[size / 2] == b[size / 2] && a[size - 1] == b[size - 1]);
}

static uint32_t find_hashed(const struct names *names, struct bytes name, uint64_t hash) {
  const struct table *table = atomic_load_explicit(&names->table, memory_order_acquire);
  for (size_t slot = hash & table->mask;; slot = (slot + 1) & table->mask) {
    uint64_t word = atomic_load_explicit(&table->slots[slot], memory_order_acquire);
    if (word == 0) return 0;
    if (word >> 32 != hash >> 32) continue;
    uint32_t id = (uint32_t)word;
    const struct record *record = atomic_load_explicit(&names->records[id], memory_order_relaxed);
    if (record->size_bytes == name.size_bytes && same_bytes(record->data, name.data, name.size_bytes)) return id;
  }
}

uint32_t names_find(const struct names *names, struct bytes name) {
  if (name.data == NULL) name = BYTES("");
  return find_hashed(names, name, names_hash(names, name));
}

static void place(struct table *table, uint64_t hash, uint32_t id) {
  size_t slot = hash & table->mask;
  while (atomic_load_explicit(&table->slots[slot], memory_order_relaxed) != 0) slot = (slot + 1) & table->mask;
  atomic_store_explicit(&table->slots[slot], (hash & 0xffffffff00000000u) | id, memory_order_release);
}

// Room for one more name in the current table. Under the lock (or while opening).
static bool make_room(struct names *names) {
  struct table *table = atomic_load_explicit(&names->table, memory_order_relaxed);
  if ((size_t)names->used + 1 <= (table->mask + 1) / 2) return true;
  struct table *larger = new_table((table->mask + 1) * 2, table);
  if (larger == NULL) return false;
  uint32_t count = names_count(names);
  for (uint32_t id = 1; id <= count; id++) {
    const struct record *record = atomic_load_explicit(&names->records[id], memory_order_relaxed);
    if (record != NULL) place(larger, names_hash(names, record_view(record)), id);
  }
  atomic_store_explicit(&names->table, larger, memory_order_release);
  return true;
}

static struct record *new_record(struct bytes name) {
  struct record *record = alloc_get(sizeof *record + name.size_bytes);
  if (record == NULL) return NULL;
  record->size_bytes = (uint32_t)name.size_bytes;
  memcpy(record->data, name.data, name.size_bytes);
  return record;
}

static void publish(struct names *names, struct record *record, uint64_t hash, uint32_t id) {
  atomic_store_explicit(&names->records[id], record, memory_order_release);
  if (id > names_count(names)) atomic_store_explicit(&names->count, id, memory_order_release);
  names->used++;
  place(atomic_load_explicit(&names->table, memory_order_relaxed), hash, id);
}

enum err names_load(struct names *names, uint32_t id, struct bytes name) {
  if (name.data == NULL) name = BYTES("");
  uint64_t hash = names_hash(names, name);
  if (id == 0 || id > LIMIT_NAMES || atomic_load(&names->records[id]) != NULL) return ERR_CORRUPT;
  if (find_hashed(names, name, hash) != 0) return ERR_CORRUPT;
  struct record *record = make_room(names) ? new_record(name) : NULL;
  if (record == NULL) return ERR_NO_MEMORY;
  publish(names, record, hash, id);
  return ERR_OK;
}

// Under the lock: everything that can fail comes before the name is known to anybody.
static enum err add(struct names *names, struct bytes name, uint64_t hash, uint32_t *id, struct diag *diag) {
  uint32_t next = names_count(names) + 1;
  if (next > LIMIT_NAMES) {
    *id = 0;
    return ERR_OK;
  }
  struct record *record = make_room(names) ? new_record(name) : NULL;
  if (record == NULL) return diag_no_memory(diag);
  enum err err = names->persist == NULL ? ERR_OK : names->persist(names->context, next, name, diag);
  if (err != ERR_OK) {
    alloc_free(record);
    return err;
  }
  publish(names, record, hash, next);
  *id = next;
  return ERR_OK;
}

enum err names_intern(struct names *names, struct bytes name, uint32_t *id, struct diag *diag) {
  if (name.data == NULL) name = BYTES("");
  uint64_t hash = names_hash(names, name);
  *id = find_hashed(names, name, hash);
  // A full dictionary never changes again: unknown names must not queue at the lock.
  if (*id != 0 || names_count(names) >= LIMIT_NAMES) return ERR_OK;
  pthread_mutex_lock(&names->lock);
  enum err err = ERR_OK;
  *id = find_hashed(names, name, hash);
  if (*id == 0) err = add(names, name, hash, id, diag);
  pthread_mutex_unlock(&names->lock);
  return err;
}

struct bytes names_text(const struct names *names, uint32_t id) {
  if (id > LIMIT_NAMES) return (struct bytes){NULL, 0};
  const struct record *record = atomic_load_explicit(&names->records[id], memory_order_acquire);
  return record == NULL ? (struct bytes){NULL, 0} : record_view(record);
}

uint32_t names_count(const struct names *names) {
  return atomic_load_explicit(&names->count, memory_order_acquire);
}
