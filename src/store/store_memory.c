// A store in memory: one skip list a keyspace, every row a chain of versions.
//
// A commit gets the next sequence number and puts one version in front of each row it changes. A reader (a view, or
// a range without one) sees for each row the newest version not above the sequence it was opened at. One read-write
// lock guards everything; a range holds it only while it moves, finds its place again by key and copies the row out.
// Correct and simple first: this backend is for tests.
//
// Invariants: 1. versions of a row are newest first; 2. a version that no open reader can see is dropped when its row
// is written again; 3. all memory of a commit is taken before anything is changed, so a failed one changes nothing.
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "store/store_backend.h"

enum { HEIGHT_MAX = 20 };

struct version {
  struct version *older;
  uint64_t sequence;
  bool deleted;
  size_t size_bytes;
  uint8_t data[];
};

struct node {
  struct version *newest;
  size_t key_bytes;
  int height;
  struct node *next[]; // `height` links, then the key
};

// Somebody who still needs the versions of `sequence`.
struct reader {
  struct reader *next;
  struct reader *previous;
  uint64_t sequence;
};

struct table {
  struct node *head; // of HEIGHT_MAX, without a key
  uint64_t live_count;
  uint64_t live_bytes;
  store_tidy_fn *tidy; // may be NULL
};

struct memory {
  pthread_rwlock_t lock;
  struct table tables[STORE_KEYSPACE_COUNT];
  struct reader *readers;
  uint64_t sequence;
  uint64_t random;
};

static struct bytes node_key(const struct node *node) {
  return bytes_of((const uint8_t *)&node->next[node->height], node->key_bytes);
}

static struct node *node_new(int height, struct bytes key) {
  struct node *node = alloc_zero(1, sizeof *node + (size_t)height * sizeof(struct node *) + key.size_bytes);
  if (!node) return NULL;
  node->height = height;
  node->key_bytes = key.size_bytes;
  if (key.size_bytes > 0) memcpy(&node->next[height], key.data, key.size_bytes);
  return node;
}

static void node_free(struct node *node) {
  while (node->newest) {
    struct version *version = node->newest;
    node->newest = version->older;
    alloc_free(version);
  }
  alloc_free(node);
}

// The first node at or after `key`; `before` (may be NULL) gets the last node before it on every level.
static struct node *find_node(const struct table *table, struct bytes key, struct node **before) {
  struct node *node = table->head;
  for (int level = HEIGHT_MAX - 1; level >= 0; level--) {
    while (node->next[level] && bytes_compare(node_key(node->next[level]), key) < 0) node = node->next[level];
    if (before) before[level] = node;
  }
  return node->next[0];
}

// The version of a row that a reader at `sequence` sees; NULL when it sees none.
static const struct version *visible(const struct node *node, uint64_t sequence) {
  const struct version *version = node->newest;
  while (version && version->sequence > sequence) version = version->older;
  return version && !version->deleted ? version : NULL;
}

// --- readers -------------------------------------------------------------------------------------------------

static void reader_add(struct memory *memory, struct reader *reader, const struct reader *like) {
  pthread_rwlock_wrlock(&memory->lock);
  reader->sequence = like ? like->sequence : memory->sequence;
  reader->previous = NULL;
  reader->next = memory->readers;
  if (reader->next) reader->next->previous = reader;
  memory->readers = reader;
  pthread_rwlock_unlock(&memory->lock);
}

static void reader_remove(struct memory *memory, struct reader *reader) {
  pthread_rwlock_wrlock(&memory->lock);
  if (reader->previous)
    reader->previous->next = reader->next;
  else
    memory->readers = reader->next;
  if (reader->next) reader->next->previous = reader->previous;
  pthread_rwlock_unlock(&memory->lock);
}

static uint64_t oldest_reader(const struct memory *memory) {
  uint64_t oldest = memory->sequence;
  for (const struct reader *reader = memory->readers; reader; reader = reader->next) {
    if (reader->sequence < oldest) oldest = reader->sequence;
  }
  return oldest;
}

static enum err memory_view_open(void *self, void **view) {
  struct reader *reader = alloc_get(sizeof *reader);
  if (!reader) return ERR_NO_MEMORY;
  reader_add(self, reader, NULL);
  *view = reader;
  return ERR_OK;
}

static void memory_view_close(void *self, void *view) {
  reader_remove(self, view);
  alloc_free(view);
}

// --- reading -------------------------------------------------------------------------------------------------

static enum err read_locked(const struct memory *memory, const struct reader *view, enum store_keyspace keyspace,
                            struct bytes key, struct arena *arena, struct bytes *value) {
  uint64_t sequence = view ? view->sequence : memory->sequence;
  const struct node *node = find_node(&memory->tables[keyspace], key, NULL);
  const struct version *version = node && bytes_equal(node_key(node), key) ? visible(node, sequence) : NULL;
  *value = (struct bytes){0};
  if (!version) return ERR_OK;
  *value = arena_copy(arena, bytes_of(version->data, version->size_bytes));
  return value->data ? ERR_OK : ERR_NO_MEMORY;
}

static enum err memory_get(void *self, void *view, enum store_keyspace keyspace, struct bytes key, struct arena *arena,
                           struct bytes *value) {
  struct memory *memory = self;
  pthread_rwlock_rdlock(&memory->lock);
  enum err err = read_locked(memory, view, keyspace, key, arena, value);
  pthread_rwlock_unlock(&memory->lock);
  return err;
}

static enum err memory_get_many(void *self, void *view, enum store_keyspace keyspace, const struct bytes *keys,
                                size_t count, struct arena *arena, struct bytes *values) {
  struct memory *memory = self;
  enum err err = ERR_OK;
  pthread_rwlock_rdlock(&memory->lock);
  for (size_t i = 0; i < count && err == ERR_OK; i++) {
    err = read_locked(memory, view, keyspace, keys[i], arena, &values[i]);
  }
  pthread_rwlock_unlock(&memory->lock);
  return err;
}

// --- ranges --------------------------------------------------------------------------------------------------

struct memory_range {
  struct store_range head;
  struct memory *memory;
  struct reader reader;
  enum store_keyspace keyspace;
  enum err err;
  bool unbounded;
  struct buffer from;
  struct buffer to;
  struct buffer key;   // of the present row
  struct buffer value; // of the present row
};

// The first visible row from `node` on, inside the range.
static const struct node *forward(const struct memory_range *range, const struct node *node) {
  while (node && !visible(node, range->reader.sequence)) node = node->next[0];
  if (!node || range->unbounded) return node;
  return bytes_compare(node_key(node), buffer_view(&range->to)) < 0 ? node : NULL;
}

// The last node before `key`, or of the whole table; its head when there is none.
static const struct node *node_before(const struct table *table, struct bytes key, bool from_end) {
  struct node *before[HEIGHT_MAX];
  if (!from_end) {
    find_node(table, key, before);
    return before[0];
  }
  const struct node *node = table->head;
  for (int level = HEIGHT_MAX - 1; level >= 0; level--) {
    while (node->next[level]) node = node->next[level];
  }
  return node;
}

// The last visible row before `key` (or before the end of the keyspace), inside the range.
static const struct node *backward(const struct memory_range *range, struct bytes key, bool from_end) {
  const struct table *table = &range->memory->tables[range->keyspace];
  const struct node *node = node_before(table, key, from_end);
  while (node != table->head && bytes_compare(node_key(node), buffer_view(&range->from)) >= 0) {
    if (visible(node, range->reader.sequence)) return node;
    node = node_before(table, node_key(node), false);
  }
  return NULL;
}

static const struct node *find_row(const struct memory_range *range, enum store_move move, struct bytes key) {
  const struct table *table = &range->memory->tables[range->keyspace];
  struct bytes from = buffer_view(&range->from);
  struct bytes here = buffer_view(&range->key);
  const struct node *node = NULL;
  switch (move) {
  case STORE_MOVE_FIRST:
    return forward(range, find_node(table, from, NULL));
  case STORE_MOVE_LAST:
    return backward(range, buffer_view(&range->to), range->unbounded);
  case STORE_MOVE_PREVIOUS:
    return backward(range, here, false);
  case STORE_MOVE_AT_OR_AFTER:
    return forward(range, find_node(table, bytes_compare(key, from) < 0 ? from : key, NULL));
  case STORE_MOVE_NEXT:
    node = find_node(table, here, NULL);
    if (node && bytes_equal(node_key(node), here)) node = node->next[0];
    break;
  }
  return forward(range, node);
}

static bool memory_range_move(struct store_range *head, enum store_move move, struct bytes key, struct store_row *row) {
  struct memory_range *range = (struct memory_range *)head;
  pthread_rwlock_rdlock(&range->memory->lock);
  const struct node *node = find_row(range, move, key);
  if (node) {
    const struct version *version = visible(node, range->reader.sequence);
    buffer_clear(&range->key);
    buffer_clear(&range->value);
    buffer_append_bytes(&range->key, node_key(node));
    buffer_append(&range->value, version->data, version->size_bytes);
  }
  pthread_rwlock_unlock(&range->memory->lock);
  if (!node) return false;
  if (range->key.failed || range->value.failed) {
    range->err = ERR_NO_MEMORY;
    return false;
  }
  *row = (struct store_row){buffer_view(&range->key), buffer_view(&range->value)};
  return true;
}

static enum err memory_range_error(const struct store_range *head) {
  return ((const struct memory_range *)head)->err;
}

static void memory_range_close(struct store_range *head) {
  struct memory_range *range = (struct memory_range *)head;
  reader_remove(range->memory, &range->reader);
  buffer_release(&range->from);
  buffer_release(&range->to);
  buffer_release(&range->key);
  buffer_release(&range->value);
  alloc_free(range);
}

static const struct store_range_ops memory_range_ops = {memory_range_move, memory_range_error, memory_range_close};

static enum err memory_scan(void *self, void *view, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                            struct store_range **range) {
  struct memory_range *made = alloc_zero(1, sizeof *made);
  if (!made) return ERR_NO_MEMORY;
  made->head.ops = &memory_range_ops;
  made->memory = self;
  made->keyspace = keyspace;
  made->unbounded = to.size_bytes == 0;
  buffer_init(&made->from);
  buffer_init(&made->to);
  buffer_init(&made->key);
  buffer_init(&made->value);
  buffer_append_bytes(&made->from, from);
  buffer_append_bytes(&made->to, to);
  reader_add(self, &made->reader, view);
  if (made->from.failed || made->to.failed) {
    memory_range_close(&made->head);
    return ERR_NO_MEMORY;
  }
  *range = &made->head;
  return ERR_OK;
}

// --- writing -------------------------------------------------------------------------------------------------

// What one write of a commit needs, taken before anything is changed.
struct prepared {
  struct node *node;    // the row, when there is one
  struct node *created; // the row to be linked, when there is none
  struct version *version;
};

static int random_height(struct memory *memory) {
  memory->random ^= memory->random << 13;
  memory->random ^= memory->random >> 7;
  memory->random ^= memory->random << 17;
  int height = 1;
  for (uint64_t bits = memory->random; (bits & 3) == 0 && height < HEIGHT_MAX; bits >>= 2) height++;
  return height;
}

// Every other commit, so that rows of all forms are met.
static void tidy(const struct table *table, struct version *version) {
  struct buffer shorter;
  if (!table->tidy || version->sequence % 2 == 0) return;
  buffer_init(&shorter);
  if (table->tidy(bytes_of(version->data, version->size_bytes), &shorter) &&
      shorter.size_bytes <= version->size_bytes) {
    memcpy(version->data, shorter.data, shorter.size_bytes);
    version->size_bytes = shorter.size_bytes;
  }
  buffer_release(&shorter);
}

static struct version *version_new(const struct store_write *write, const struct version *base, uint64_t sequence) {
  bool appends = write->kind == STORE_WRITE_APPEND && base && !base->deleted;
  size_t base_bytes = appends ? base->size_bytes : 0;
  struct version *version = alloc_get(sizeof *version + base_bytes + write->value_bytes);
  if (!version) return NULL;
  version->older = NULL;
  version->sequence = sequence;
  version->deleted = write->kind == STORE_WRITE_DELETE;
  version->size_bytes = base_bytes + write->value_bytes;
  if (base_bytes > 0) memcpy(version->data, base->data, base_bytes);
  if (write->value_bytes > 0) memcpy(version->data + base_bytes, write->value, write->value_bytes);
  return version;
}

static bool prepare(struct memory *memory, const struct store_write *write, struct prepared *prepared) {
  struct bytes key = store_write_key(write);
  struct node *node = find_node(&memory->tables[write->keyspace], key, NULL);
  if (node && bytes_equal(node_key(node), key))
    prepared->node = node;
  else
    prepared->created = node_new(random_height(memory), key);
  if (!prepared->node && !prepared->created) return false;
  prepared->version = version_new(write, prepared->node ? prepared->node->newest : NULL, memory->sequence + 1);
  if (!prepared->version) return false;
  if (write->kind == STORE_WRITE_APPEND) tidy(&memory->tables[write->keyspace], prepared->version);
  return true;
}

static void link_node(struct table *table, struct node *node) {
  struct node *before[HEIGHT_MAX];
  find_node(table, node_key(node), before);
  for (int level = 0; level < node->height; level++) {
    node->next[level] = before[level]->next[level];
    before[level]->next[level] = node;
  }
}

static void unlink_node(struct table *table, struct node *node) {
  struct node *before[HEIGHT_MAX];
  find_node(table, node_key(node), before);
  for (int level = 0; level < node->height; level++) before[level]->next[level] = node->next[level];
}

// Drops the versions nobody can see any more, and the row with the last of them.
static void prune(struct table *table, struct node *node, uint64_t oldest) {
  struct version *kept = node->newest;
  while (kept->older && kept->sequence > oldest) kept = kept->older;
  while (kept->older) {
    struct version *dropped = kept->older;
    kept->older = dropped->older;
    alloc_free(dropped);
  }
  if (node->newest == kept && kept->deleted && kept->sequence <= oldest) {
    unlink_node(table, node);
    node_free(node);
  }
}

static void count_live(struct table *table, const struct node *node, bool add) {
  if (!node->newest || node->newest->deleted) return;
  uint64_t bytes = node->key_bytes + node->newest->size_bytes;
  table->live_count += add ? 1 : UINT64_MAX;
  table->live_bytes += add ? bytes : ~bytes + 1;
}

static void apply(struct memory *memory, const struct store_batch *batch, const struct prepared *prepared) {
  memory->sequence++;
  uint64_t oldest = oldest_reader(memory);
  for (const struct store_write *write = batch->first; write; write = write->next, prepared++) {
    struct table *table = &memory->tables[write->keyspace];
    struct node *node = prepared->node;
    if (!node) link_node(table, node = prepared->created);
    count_live(table, node, false);
    prepared->version->older = node->newest;
    node->newest = prepared->version;
    count_live(table, node, true);
    prune(table, node, oldest);
  }
}

static enum err memory_commit(void *self, const struct store_batch *batch, struct diag *diag) {
  struct memory *memory = self;
  struct prepared *prepared = alloc_zero(batch->count, sizeof *prepared);
  if (!prepared) return diag_no_memory(diag);
  size_t done = 0;
  bool complete = true;
  pthread_rwlock_wrlock(&memory->lock);
  for (const struct store_write *write = batch->first; write && complete; write = write->next) {
    complete = prepare(memory, write, &prepared[done++]);
  }
  if (complete) apply(memory, batch, prepared);
  pthread_rwlock_unlock(&memory->lock);
  for (size_t i = 0; i < done && !complete; i++) {
    alloc_free(prepared[i].version);
    if (prepared[i].created) node_free(prepared[i].created);
  }
  alloc_free(prepared);
  return complete ? ERR_OK : diag_no_memory(diag);
}

static enum err memory_sync(void *self) {
  (void)self;
  return ERR_OK;
}

// --- the whole store -----------------------------------------------------------------------------------------

static enum err memory_checkpoint(void *self, const char *path, struct diag *diag) {
  (void)self;
  (void)path;
  return diag_set(diag, ERR_UNSUPPORTED, "unsupported", "A store in memory has no files: open one on disk to copy it.");
}

static enum err memory_compact(void *self, enum store_keyspace keyspace, struct bytes from, struct bytes to,
                               struct diag *diag) {
  (void)self;
  (void)keyspace;
  (void)from;
  (void)to;
  (void)diag;
  return ERR_OK;
}

static void memory_set_tidy(void *self, enum store_keyspace keyspace, store_tidy_fn *function) {
  struct memory *memory = self;
  pthread_rwlock_wrlock(&memory->lock);
  memory->tables[keyspace].tidy = function;
  pthread_rwlock_unlock(&memory->lock);
}

static enum err memory_get_stats(void *self, struct store_stats *stats) {
  struct memory *memory = self;
  pthread_rwlock_rdlock(&memory->lock);
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) {
    stats->keys_estimate[i] = memory->tables[i].live_count;
    stats->bytes[i] = memory->tables[i].live_bytes;
  }
  pthread_rwlock_unlock(&memory->lock);
  return ERR_OK;
}

static void memory_close(void *self) {
  struct memory *memory = self;
  assert(!memory->readers);
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) {
    struct node *node = memory->tables[i].head;
    while (node) {
      struct node *next = node->next[0];
      node_free(node);
      node = next;
    }
  }
  pthread_rwlock_destroy(&memory->lock);
  alloc_free(memory);
}

static const struct store_backend_ops memory_ops = {
    .close = memory_close,
    .get = memory_get,
    .get_many = memory_get_many,
    .scan = memory_scan,
    .view_open = memory_view_open,
    .view_close = memory_view_close,
    .commit = memory_commit,
    .sync = memory_sync,
    .checkpoint = memory_checkpoint,
    .compact = memory_compact,
    .set_tidy = memory_set_tidy,
    .get_stats = memory_get_stats,
};

enum err store_open_memory(struct store **store) {
  struct memory *memory = alloc_zero(1, sizeof *memory);
  if (!memory) return ERR_NO_MEMORY;
  pthread_rwlock_init(&memory->lock, NULL);
  memory->random = 0x9e3779b97f4a7c15;
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) {
    memory->tables[i].head = node_new(HEIGHT_MAX, (struct bytes){0});
    if (!memory->tables[i].head) {
      memory_close(memory);
      return ERR_NO_MEMORY;
    }
  }
  return store_front_open(store, (struct store_backend){&memory_ops, memory});
}
