// Failures, one after the other: the n-th call of the store, the n-th allocation, the sync of the log.
#include "store_test_kit.h"

#include "base/alloc.h"

static enum err write_pair(struct store_txn *txn, void *context, struct diag *diag) {
  const char *value = context;
  (void)diag;
  enum err err = store_put(txn, STORE_META, BYTES("left"), kit_text(value));
  return err == ERR_OK ? store_put(txn, STORE_DOCUMENT, BYTES("right"), kit_text(value)) : err;
}

// Everything a user of the store does, once; ends at the first failure and closes all it opened.
static enum err read_range(struct store_txn *txn) {
  struct store_cursor *cursor = NULL;
  struct bytes key;
  struct bytes value;
  enum err err = store_scan(txn, STORE_TIMELINE, BYTES("customerA"), BYTES("customerAz"), &cursor);
  if (err != ERR_OK) return err;
  while (store_cursor_next(cursor, &key, &value)) assert_true(key.size_bytes > 8);
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

static enum err read_things(struct store_txn *txn, void *context, struct diag *diag) {
  struct bytes keys[2] = {BYTES("left"), BYTES("none")};
  struct bytes values[2];
  struct arena *arena = context;
  (void)diag;
  enum err err = store_lock_many(txn, STORE_LOCK_CUSTOMER, keys, 2);
  if (err == ERR_OK) err = store_append(txn, STORE_TIMELINE, BYTES("customerA2"), BYTES("x"));
  if (err == ERR_OK) err = store_get(txn, STORE_META, keys[0], arena, values);
  if (err == ERR_OK) err = store_get_many(txn, STORE_META, keys, 2, arena, values);
  return err == ERR_OK ? read_range(txn) : err;
}

static enum err read_snapshot(struct store *store, struct arena *arena) {
  struct store_snapshot *snapshot = NULL;
  struct bytes value;
  enum err err = store_snapshot_open(store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_get(snapshot, STORE_META, BYTES("left"), arena, &value);
  store_snapshot_close(snapshot);
  return err;
}

static enum err workload(struct store *store, const char *value) {
  struct store_mark mark;
  struct arena arena;
  char copy[16];
  arena_init(&arena, 0);
  snprintf(copy, sizeof copy, "%s", value);
  enum err err = store_run(store, write_pair, copy, &mark, NULL);
  if (err == ERR_OK) err = store_run(store, read_things, &arena, &mark, NULL);
  if (err == ERR_OK) err = read_snapshot(store, &arena);
  if (err == ERR_OK) err = store_wait(store, mark, NULL);
  arena_release(&arena);
  return err;
}

// Both halves of write_pair hold the same.
static void expect_whole(struct store *store) {
  struct arena arena;
  struct bytes left;
  struct bytes right;
  struct store_txn *txn = kit_begin(store);
  arena_init(&arena, 0);
  assert_int_equal(store_get(txn, STORE_META, BYTES("left"), &arena, &left), ERR_OK);
  assert_int_equal(store_get(txn, STORE_DOCUMENT, BYTES("right"), &arena, &right), ERR_OK);
  assert_int_equal(left.data == NULL, right.data == NULL);
  assert_true(bytes_equal(left, right));
  store_abort(txn);
  arena_release(&arena);
}

static struct store *open_fault(void) {
  return kit_open(KIT_KIND_FAULT, NULL);
}

static void each_call_fails_in_turn(void **state) {
  (void)state;
  int failures = 0;
  for (uint64_t allowed = 0;; allowed++) {
    struct store *store = open_fault();
    char value[16];
    snprintf(value, sizeof value, "%llu", (unsigned long long)allowed);
    kit_put(store, STORE_TIMELINE, "customerA1", "v");
    store_fault_after(store, allowed, ERR_IO, false);
    enum err err = workload(store, value);
    bool delivered = store_fault_disarm(store);
    assert_int_equal(err, delivered ? ERR_IO : ERR_OK);
    expect_whole(store);
    store_close(store);
    if (!delivered) break;
    failures++;
  }
  assert_int_equal(failures, 8); // commit, get, get_many, scan, commit, snapshot, get, sync
}

static void a_conflict_of_the_commit_runs_again(void **state) {
  (void)state;
  struct store *store = open_fault();
  struct store_mark mark;
  char value[] = "again";
  store_fault_after(store, 0, ERR_CONFLICT, false);
  assert_int_equal(store_run(store, write_pair, value, &mark, NULL), ERR_OK);
  assert_true(store_fault_disarm(store));
  kit_expect_stored(store, STORE_META, "left", "again");
  store_close(store);
}

static void a_full_disk_changes_nothing(void **state) {
  (void)state;
  struct store *store = open_fault();
  struct store_mark mark;
  struct diag diag;
  char value[] = "refused";
  diag_init(&diag);
  store_fault_after(store, 0, ERR_FULL, true);
  assert_int_equal(store_run(store, write_pair, value, &mark, &diag), ERR_FULL);
  assert_string_equal(diag.code, "disk_full");
  assert_true(store_fault_disarm(store));
  kit_expect_stored(store, STORE_META, "left", NULL);
  assert_int_equal(store_run(store, write_pair, value, &mark, &diag), ERR_OK);
  expect_whole(store);
  store_close(store);
}

static void note_err(void *context, enum err err) {
  *(volatile int *)context = (int)err;
}

static void after_a_failed_sync_nothing_is_promised(void **state) {
  (void)state;
  struct store *store = open_fault();
  struct store_stats stats;
  struct store_mark durable;
  struct store_mark mark;
  struct diag diag;
  int told = 1;
  char value[] = "x";
  diag_init(&diag);
  assert_int_equal(store_run(store, write_pair, value, &durable, NULL), ERR_OK);
  assert_int_equal(store_wait(store, durable, NULL), ERR_OK);
  assert_int_equal(store_run(store, write_pair, value, &mark, NULL), ERR_OK);
  store_fault_after(store, 0, ERR_IO, false);
  assert_int_equal(store_wait(store, mark, &diag), ERR_IO);
  assert_true(store_fault_disarm(store));
  assert_string_equal(diag.code, "log_failed");
  store_notify(store, mark, note_err, &told);
  assert_int_equal(told, ERR_IO);
  assert_int_equal(store_wait(store, durable, NULL), ERR_OK); // that was kept
  assert_int_equal(store_wait(store, store_mark_now(store), NULL), ERR_IO);
  assert_int_equal(store_run(store, write_pair, value, &mark, &diag), ERR_IO);
  assert_string_equal(diag.code, "log_failed");
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_false(stats.writable);
  kit_expect_stored(store, STORE_META, "left", "x"); // reads go on
  store_close(store);
}

struct reading {
  struct store *store;
  int runs;
  struct store_mark lost;
};

// Between what it reads and its commit the log fails and is replaced: the first time.
static enum err write_what_was_read(struct store_txn *txn, void *context, struct diag *diag) {
  struct reading *reading = context;
  struct store *store = reading->store;
  struct store_stats stats;
  (void)diag;
  enum err err = store_put(txn, STORE_META, BYTES("derived"), BYTES("x"));
  if (err != ERR_OK || reading->runs++ > 0) return err;
  uint32_t before = store_generation(store);
  store_fault_after(store, 0, ERR_IO, false);
  assert_int_equal(store_wait(store, reading->lost, NULL), ERR_IO);
  assert_true(store_fault_disarm(store));
  store_fault_heal(store);
  while (store_generation(store) == before) usleep(1000);
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_true(stats.writable);
  return ERR_OK;
}

static void what_was_read_before_a_loss_is_not_written_after_it(void **state) {
  (void)state;
  struct store *store = open_fault();
  struct reading reading = {.store = store};
  struct store_mark mark;
  char value[] = "x";
  assert_int_equal(store_run(store, write_pair, value, &reading.lost, NULL), ERR_OK);
  assert_int_equal(store_run(store, write_what_was_read, &reading, &mark, NULL), ERR_OK);
  assert_int_equal(reading.runs, 2);
  assert_int_equal(store_wait(store, mark, NULL), ERR_OK);
  kit_expect_stored(store, STORE_META, "derived", "x");
  store_close(store);
}

static void each_allocation_fails_in_turn(void **state) {
  (void)state;
  int failures = 0;
  for (uint64_t allowed = 0;; allowed++) {
    struct store *store = kit_open(KIT_KIND_TRACE, NULL);
    char value[16];
    snprintf(value, sizeof value, "%llu", (unsigned long long)allowed);
    kit_put(store, STORE_TIMELINE, "customerA1", "v");
    alloc_fail_after(allowed, false);
    enum err err = workload(store, value);
    bool delivered = alloc_fail_disarm();
    assert_true(err == ERR_OK || (delivered && err == ERR_NO_MEMORY));
    expect_whole(store);
    store_close(store);
    if (!delivered) break;
    failures++;
  }
  assert_true(failures > 10);
}

static void opening_without_memory_leaves_nothing(void **state) {
  (void)state;
  bool delivered = true;
  for (uint64_t allowed = 0; delivered; allowed++) {
    struct store *store = NULL;
    alloc_fail_after(allowed, true);
    enum err err = store_open_memory(&store);
    if (err == ERR_OK) err = store_open_trace(&store, store);
    if (err == ERR_OK) err = store_open_fault(&store, store);
    delivered = alloc_fail_disarm();
    assert_int_equal(err, delivered ? ERR_NO_MEMORY : ERR_OK);
    if (err == ERR_OK) store_close(store);
  }
}

static void a_write_without_memory_fails_the_commit(void **state) {
  (void)state;
  struct store *store = kit_open(KIT_KIND_MEMORY, NULL);
  struct store_mark mark;
  struct store_txn *txn = kit_begin(store);
  static uint8_t large[3 << 20];
  assert_int_equal(store_put(txn, STORE_META, BYTES("a"), BYTES("1")), ERR_OK);
  alloc_fail_after(0, true);
  assert_int_equal(store_put(txn, STORE_META, BYTES("b"), bytes_of(large, sizeof large)), ERR_NO_MEMORY);
  assert_true(alloc_fail_disarm());
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_NO_MEMORY); // though nobody looked at the write's own answer
  kit_expect_stored(store, STORE_META, "a", NULL);
  kit_put(store, STORE_META, "a", "2"); // the transaction's memory is reused
  kit_expect_stored(store, STORE_META, "a", "2");
  store_close(store);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_call_fails_in_turn),
      cmocka_unit_test(a_conflict_of_the_commit_runs_again),
      cmocka_unit_test(a_full_disk_changes_nothing),
      cmocka_unit_test(after_a_failed_sync_nothing_is_promised),
      cmocka_unit_test(what_was_read_before_a_loss_is_not_written_after_it),
      cmocka_unit_test(each_allocation_fails_in_turn),
      cmocka_unit_test(opening_without_memory_leaves_nothing),
      cmocka_unit_test(a_write_without_memory_fails_the_commit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
