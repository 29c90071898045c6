// The store on disk does what the store in memory does: the same random writes go into both, and they are read back by
// every way there is. The memtables are small, so rows lie in several of them and in files. Of the rows kept in memory
// (store_rows.h) there are fewer than keys, and no long ones; or all.
#include "store_test_kit.h"

enum {
  ROUNDS = 400,
  WRITES = 40,
  CUSTOMERS = 24,
  KEYS = 4000,
  VALUE_BYTES_MAX = 900,
  SNAPSHOTS = 3,
};

struct pair {
  struct store *disk, *memory;
  struct store_snapshot *snapshots[SNAPSHOTS][2];
  uint64_t random;
  char path[256];
};

static uint64_t next(struct pair *pair, uint64_t below) {
  pair->random = pair->random * 6364136223846793005u + 1442695040888963407u;
  return (pair->random >> 33) % below;
}

// What the keys of a range have in common: a customer, or a question.
static size_t prefix_bytes(enum store_keyspace keyspace) {
  return keyspace == STORE_AUDIENCE ? 4 : 8;
}

// Keys that share their beginnings, hold zeros, and are prefixes of one another; of questions all have one length.
static struct bytes random_key(struct pair *pair, enum store_keyspace keyspace, char out[64]) {
  memset(out, 0, 64);
  if (keyspace == STORE_IDENTIFIER || keyspace == STORE_MESSAGE) {
    size_t size = (size_t)snprintf(out, 64, "anonymous_id-%llu", (unsigned long long)next(pair, KEYS));
    return bytes_of(out, size + next(pair, 2));
  }
  out[prefix_bytes(keyspace) - 1] = (char)next(pair, CUSTOMERS);
  if (keyspace == STORE_AUDIENCE) {
    out[4] = (char)next(pair, 2);
    out[8] = (char)(next(pair, 4) * 60);
    return bytes_of(out, 9);
  }
  size_t size = 8 + next(pair, 3) * 8;
  for (size_t i = 8; i < size; i++) out[i] = (char)(next(pair, 8) ? 0 : next(pair, 3) * 120);
  return bytes_of(out, size + next(pair, 2));
}

static enum store_keyspace random_keyspace(struct pair *pair) {
  static const enum store_keyspace keyspaces[] = {STORE_CUSTOMER, STORE_TIMELINE, STORE_PAYLOAD, STORE_IDENTIFIER,
                                                  STORE_MESSAGE,  STORE_SEARCH,   STORE_AUDIENCE};
  return keyspaces[next(pair, sizeof keyspaces / sizeof keyspaces[0])];
}

static void write_both(struct pair *pair) {
  struct store_txn *txns[2] = {kit_begin(pair->disk), kit_begin(pair->memory)};
  uint64_t count = 1 + next(pair, WRITES);
  for (uint64_t i = 0; i < count; i++) {
    enum store_keyspace keyspace = random_keyspace(pair);
    char key_text[64], value_text[VALUE_BYTES_MAX];
    struct bytes key = random_key(pair, keyspace, key_text);
    bool appended = keyspace == STORE_TIMELINE || keyspace == STORE_CUSTOMER || keyspace == STORE_AUDIENCE;
    bool append = appended && next(pair, 2), erase = next(pair, 6) == 0;
    size_t size = next(pair, 2) ? next(pair, 60) : next(pair, VALUE_BYTES_MAX);
    if (append) size = next(pair, 20);
    memset(value_text, (int)('a' + next(pair, 26)), size);
    for (int j = 0; j < 2; j++) {
      struct bytes value = bytes_of(value_text, size);
      enum err err = erase    ? store_delete(txns[j], keyspace, key)
                     : append ? store_append(txns[j], keyspace, key, value)
                              : store_put(txns[j], keyspace, key, value);
      assert_int_equal(err, ERR_OK);
    }
  }
  for (int j = 0; j < 2; j++) kit_commit(txns[j]);
}

static void expect_equal(struct bytes a, struct bytes b) {
  assert_int_equal(a.size_bytes, b.size_bytes);
  if (a.size_bytes > 0) assert_memory_equal(a.data, b.data, a.size_bytes);
}

static void expect_found(struct bytes a, struct bytes b) {
  assert_int_equal(a.data == NULL, b.data == NULL);
  expect_equal(a, b);
}

static void read_keys(struct pair *pair) {
  enum { COUNT = 150 };
  enum store_keyspace keyspace = random_keyspace(pair);
  struct store_txn *txns[2] = {kit_begin(pair->disk), kit_begin(pair->memory)};
  char texts[COUNT][64];
  struct bytes keys[COUNT], values[2][COUNT];
  struct arena arena;
  arena_init(&arena, 0);
  for (int i = 0; i < COUNT; i++) keys[i] = random_key(pair, keyspace, texts[i]);
  for (int j = 0; j < 2; j++)
    assert_int_equal(store_get_many(txns[j], keyspace, keys, COUNT, &arena, values[j]), ERR_OK);
  for (int i = 0; i < COUNT; i++) expect_found(values[0][i], values[1][i]);
  for (int j = 0; j < 2; j++) assert_int_equal(store_get(txns[j], keyspace, keys[0], &arena, &values[j][0]), ERR_OK);
  expect_found(values[0][0], values[1][0]);
  for (int j = 0; j < 2; j++) store_abort(txns[j]);
  arena_release(&arena);
}

// The same steps of two cursors: forwards, backwards and by jumps.
static void walk_both(struct pair *pair, struct store_cursor *disk, struct store_cursor *memory,
                      enum store_keyspace keyspace) {
  for (int step = 0; step < 60; step++) {
    struct bytes key[2] = {{0}}, value[2] = {{0}};
    uint64_t how = next(pair, 10);
    bool found[2];
    if (how == 0) {
      char text[64];
      struct bytes to = random_key(pair, keyspace, text);
      store_cursor_seek(disk, to);
      store_cursor_seek(memory, to);
      continue;
    }
    bool back = how < 4;
    found[0] = back ? store_cursor_previous(disk, &key[0], &value[0]) : store_cursor_next(disk, &key[0], &value[0]);
    found[1] = back ? store_cursor_previous(memory, &key[1], &value[1]) : store_cursor_next(memory, &key[1], &value[1]);
    assert_int_equal(found[0], found[1]);
    if (!found[0]) continue;
    expect_equal(key[0], key[1]);
    expect_equal(value[0], value[1]);
  }
  assert_int_equal(store_cursor_error(disk), ERR_OK);
  store_cursor_close(disk);
  store_cursor_close(memory);
}

// The ends of a range inside one customer, or one question.
struct range {
  char from[8], to[40];
  size_t from_bytes, to_bytes;
};

static struct range random_range(struct pair *pair, enum store_keyspace keyspace) {
  struct range range = {.from_bytes = prefix_bytes(keyspace), .to_bytes = sizeof range.to};
  range.from[range.from_bytes - 1] = (char)next(pair, CUSTOMERS);
  memset(range.to, 0xff, sizeof range.to);
  memcpy(range.to, range.from, range.from_bytes);
  return range;
}

static void scan_customer(struct pair *pair) {
  static const enum store_keyspace keyspaces[] = {STORE_CUSTOMER, STORE_TIMELINE, STORE_PAYLOAD};
  enum store_keyspace keyspace = keyspaces[next(pair, 3)];
  struct range range = random_range(pair, keyspace);
  struct bytes from = bytes_of(range.from, range.from_bytes), to = bytes_of(range.to, range.to_bytes);
  struct store_txn *txns[2] = {kit_begin(pair->disk), kit_begin(pair->memory)};
  struct store_cursor *cursors[2];
  for (int j = 0; j < 2; j++) assert_int_equal(store_scan(txns[j], keyspace, from, to, &cursors[j]), ERR_OK);
  walk_both(pair, cursors[0], cursors[1], keyspace);
  for (int j = 0; j < 2; j++) store_abort(txns[j]);
}

static void scan_question(struct pair *pair, int at) {
  struct range range = random_range(pair, STORE_AUDIENCE);
  struct bytes from = bytes_of(range.from, range.from_bytes), to = bytes_of(range.to, range.to_bytes);
  struct store_cursor *cursors[2];
  for (int j = 0; j < 2; j++)
    assert_int_equal(store_snapshot_scan(pair->snapshots[at][j], STORE_AUDIENCE, from, to, &cursors[j]), ERR_OK);
  walk_both(pair, cursors[0], cursors[1], STORE_AUDIENCE);
}

static void open_snapshot(struct pair *pair, int at) {
  assert_int_equal(store_snapshot_open(pair->disk, &pair->snapshots[at][0]), ERR_OK);
  assert_int_equal(store_snapshot_open(pair->memory, &pair->snapshots[at][1]), ERR_OK);
}

static void close_snapshot(struct pair *pair, int at) {
  for (int j = 0; j < 2; j++) store_snapshot_close(pair->snapshots[at][j]);
}

// Everything of a keyspace as it was when the snapshot was taken, and single rows of it.
static void read_snapshot(struct pair *pair, int at) {
  enum store_keyspace keyspace = random_keyspace(pair);
  struct store_cursor *cursors[2];
  struct arena arena;
  arena_init(&arena, 0);
  for (int i = 0; i < 30; i++) {
    char text[64];
    struct bytes key = random_key(pair, keyspace, text), values[2];
    for (int j = 0; j < 2; j++)
      assert_int_equal(store_snapshot_get(pair->snapshots[at][j], keyspace, key, &arena, &values[j]), ERR_OK);
    expect_found(values[0], values[1]);
  }
  for (int j = 0; j < 2; j++)
    assert_int_equal(store_snapshot_scan(pair->snapshots[at][j], keyspace, BYTES(""), BYTES(""), &cursors[j]), ERR_OK);
  struct bytes key[2], value[2];
  while (store_cursor_next(cursors[0], &key[0], &value[0])) {
    assert_true(store_cursor_next(cursors[1], &key[1], &value[1]));
    expect_equal(key[0], key[1]);
    expect_equal(value[0], value[1]);
  }
  assert_false(store_cursor_next(cursors[1], &key[1], &value[1]));
  walk_both(pair, cursors[0], cursors[1], keyspace);
  scan_question(pair, at);
  arena_release(&arena);
}

static void compare(size_t cache_bytes) {
  struct pair pair = {.random = 20261122};
  kit_directory(pair.path);
  kit_remove(pair.path);
  struct store_options options = {.path = pair.path,
                                  .create = true,
                                  .cache_bytes = cache_bytes,
                                  .write_buffer_bytes = 8 << 20,
                                  .reserve_bytes = 1 << 20};
  struct diag diag;
  diag_init(&diag);
  if (store_open_rocksdb(&pair.disk, &options, &diag) != ERR_OK) fail_msg("%s", diag.message);
  assert_int_equal(store_open_memory(&pair.memory), ERR_OK);
  for (int i = 0; i < SNAPSHOTS; i++) open_snapshot(&pair, i);
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < 5; i++) write_both(&pair);
    read_keys(&pair);
    scan_customer(&pair);
    int at = (int)next(&pair, SNAPSHOTS);
    if (round % 8 == 0) read_snapshot(&pair, at);
    if (round % 16 == 0) {
      close_snapshot(&pair, at);
      open_snapshot(&pair, at);
    }
    if (round % 100 == 99) { // what was in memory comes back from the log
      for (int i = 0; i < SNAPSHOTS; i++) close_snapshot(&pair, i);
      store_close(pair.disk);
      options.create = false;
      if (store_open_rocksdb(&pair.disk, &options, &diag) != ERR_OK) fail_msg("%s", diag.message);
      for (int i = 0; i < SNAPSHOTS; i++) open_snapshot(&pair, i);
    }
  }
  for (int i = 0; i < SNAPSHOTS; i++) close_snapshot(&pair, i);
  store_close(pair.disk);
  store_close(pair.memory);
  kit_remove(pair.path);
}

static void both_stores_answer_the_same(void **state) {
  (void)state;
  compare(1 << 20);
}

static void with_much_memory_too(void **state) {
  (void)state;
  compare(48 << 20);
}

int main(void) {
  if (!KIT_ROCKSDB) {
    print_message("skipped: RocksDB is not built for ThreadSanitizer\n");
    return 0;
  }
  static const struct CMUnitTest tests[] = {cmocka_unit_test(both_stores_answer_the_same),
                                            cmocka_unit_test(with_much_memory_too)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
