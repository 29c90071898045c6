// The contract of store.h, told once and held by every kind of store.
#include "store_test_kit.h"

#include "base/limits.h"

struct fixture {
  enum kit_kind kind;
  char path[256];
  struct store *store;
};

static const enum kit_kind kinds[] = {KIT_KIND_MEMORY, KIT_KIND_ROCKSDB, KIT_KIND_TRACE, KIT_KIND_FAULT};

static int open_kind(void **state, enum kit_kind kind) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  fixture->kind = kind;
  kit_directory(fixture->path);
  fixture->store = kit_open(kind, fixture->path);
  *state = fixture;
  return 0;
}

static int open_memory(void **state) {
  return open_kind(state, kinds[0]);
}
static int open_rocksdb(void **state) {
  return open_kind(state, kinds[1]);
}
static int open_trace(void **state) {
  return open_kind(state, kinds[2]);
}
static int open_fault(void **state) {
  return open_kind(state, kinds[3]);
}

static int close_kind(void **state) {
  struct fixture *fixture = *state;
  store_close(fixture->store);
  kit_remove(fixture->path);
  free(fixture);
  return 0;
}

static struct store *store_of(void **state) {
  return ((struct fixture *)*state)->store;
}

static void commits_become_visible_and_aborts_do_not(void **state) {
  struct store *store = store_of(state);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_put(txn, STORE_META, kit_text("a"), kit_text("1")), ERR_OK);
  kit_expect_stored(store, STORE_META, "a", NULL);
  kit_commit(txn);
  kit_expect_stored(store, STORE_META, "a", "1");
  kit_expect_stored(store, STORE_DOCUMENT, "a", NULL); // keyspaces are apart
  txn = kit_begin(store);
  assert_int_equal(store_put(txn, STORE_META, kit_text("a"), kit_text("2")), ERR_OK);
  store_abort(txn);
  kit_expect_stored(store, STORE_META, "a", "1");
}

static void an_empty_value_is_not_a_missing_one(void **state) {
  struct store *store = store_of(state);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_put(txn, STORE_MESSAGE, kit_text("m"), (struct bytes){0}), ERR_OK);
  kit_expect_in(txn, STORE_MESSAGE, "m", "");
  kit_commit(txn);
  kit_expect_stored(store, STORE_MESSAGE, "m", "");
}

// Each step is one letter: p put "p", q put "q", d delete, a append "a", b append "b".
static void apply_steps(struct store_txn *txn, const char *steps) {
  struct bytes key = BYTES("customerX");
  for (const char *step = steps; *step; step++) {
    struct bytes value = bytes_of(step, 1);
    enum err err = *step == 'd'   ? store_delete(txn, STORE_TIMELINE, key)
                   : *step >= 'p' ? store_put(txn, STORE_TIMELINE, key, value)
                                  : store_append(txn, STORE_TIMELINE, key, value);
    assert_int_equal(err, ERR_OK);
  }
}

static void own_writes_are_read_in_every_combination(void **state) {
  static const struct {
    const char *before, *steps, *after;
  } cases[] = {
      {NULL, "p", "p"},       {NULL, "pq", "q"},  {NULL, "d", NULL},   {NULL, "a", "a"},   {NULL, "ab", "ab"},
      {"x", "p", "p"},        {"x", "d", NULL},   {"x", "a", "xa"},    {"x", "ab", "xab"}, {"x", "pab", "pab"},
      {"x", "da", "a"},       {"x", "ad", NULL},  {"x", "ap", "p"},    {"x", "dpa", "pa"}, {"x", "dd", NULL},
      {"x", "abba", "xabba"}, {"x", "dab", "ab"}, {"x", "adab", "ab"}, {"", "a", "a"},     {"x", "pdq", "q"},
  };
  struct store *store = store_of(state);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct store_txn *txn = kit_begin(store);
    apply_steps(txn, "d");
    if (cases[i].before) {
      assert_int_equal(store_put(txn, STORE_TIMELINE, BYTES("customerX"), kit_text(cases[i].before)), ERR_OK);
    }
    kit_commit(txn);
    txn = kit_begin(store);
    apply_steps(txn, cases[i].steps);
    kit_expect_in(txn, STORE_TIMELINE, "customerX", cases[i].after);
    kit_commit(txn);
    kit_expect_stored(store, STORE_TIMELINE, "customerX", cases[i].after);
  }
}

static void appends_keep_their_order_over_many_commits(void **state) {
  struct store *store = store_of(state);
  char expected[301] = "";
  for (int i = 0; i < 100; i++) {
    char part[4];
    snprintf(part, sizeof part, "%03d", i);
    strcat(expected, part);
    struct store_txn *txn = kit_begin(store);
    assert_int_equal(store_append(txn, STORE_TIMELINE, BYTES("customer1"), bytes_of(part, 3)), ERR_OK);
    kit_commit(txn);
    // half of the rows go to files, so that appends are joined there too
    if (i % 30 == 29) store_compact(store, STORE_TIMELINE, (struct bytes){0}, (struct bytes){0}, NULL);
  }
  kit_expect_stored(store, STORE_TIMELINE, "customer1", expected);
}

static void get_many_answers_each_key_in_place(void **state) {
  struct store *store = store_of(state);
  enum { KEYS = 200 };
  char names[KEYS][8];
  struct bytes keys[KEYS];
  struct bytes values[KEYS];
  struct arena arena;
  arena_init(&arena, 0);
  struct store_txn *txn = kit_begin(store);
  for (int i = 0; i < KEYS; i++) {
    snprintf(names[i], sizeof names[i], "%d", (i * 7919) % KEYS);
    keys[i] = kit_text(names[i]);
    if (i % 3 == 0) assert_int_equal(store_put(txn, STORE_IDENTIFIER, keys[i], keys[i]), ERR_OK);
  }
  kit_commit(txn);
  for (int round = 0; round < 2; round++) {
    txn = kit_begin(store);
    if (round == 1) assert_int_equal(store_put(txn, STORE_IDENTIFIER, keys[1], kit_text("own")), ERR_OK);
    if (round == 1) assert_int_equal(store_delete(txn, STORE_IDENTIFIER, keys[3]), ERR_OK);
    assert_int_equal(store_get_many(txn, STORE_IDENTIFIER, keys, KEYS, &arena, values), ERR_OK);
    for (int i = 0; i < KEYS; i++) {
      const char *expected = i % 3 == 0 ? names[i] : NULL;
      if (round == 1 && i == 1) expected = "own";
      if (round == 1 && i == 3) expected = NULL;
      kit_expect(values[i], expected);
    }
    assert_int_equal(store_get_many(txn, STORE_IDENTIFIER, keys, 0, &arena, values), ERR_OK);
    store_abort(txn);
  }
  arena_release(&arena);
}

static void many_writes_of_one_transaction_are_all_found(void **state) {
  struct store *store = store_of(state);
  struct store_txn *txn = kit_begin(store);
  char key[16];
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "k%d", i);
    assert_int_equal(store_put(txn, STORE_SEARCH, kit_text(key), kit_text(key)), ERR_OK);
  }
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "k%d", i);
    kit_expect_in(txn, STORE_SEARCH, key, key);
  }
  kit_commit(txn);
  kit_expect_stored(store, STORE_SEARCH, "k999", "k999");
}

static void put_rows(struct store *store) {
  static const char *const names[] = {"customerA1", "customerB1", "customerB2",
                                      "customerB4", "customerB6", "customerC1"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) kit_put(store, STORE_TIMELINE, names[i], "v");
}

static struct store_cursor *scan_b(struct store_txn *txn) {
  struct store_cursor *cursor = NULL;
  assert_int_equal(store_scan(txn, STORE_TIMELINE, BYTES("customerB"), BYTES("customerBz"), &cursor), ERR_OK);
  return cursor;
}

static void a_scan_gives_the_rows_of_its_range(void **state) {
  struct store *store = store_of(state);
  put_rows(store);
  struct store_txn *txn = kit_begin(store);
  struct store_cursor *cursor = scan_b(txn);
  kit_expect_rows(cursor, false, "customerB1=v customerB2=v customerB4=v customerB6=v");
  kit_expect_rows(cursor, true, "customerB6=v customerB4=v customerB2=v customerB1=v");
  kit_expect_rows(cursor, false, "customerB1=v customerB2=v customerB4=v customerB6=v");
  store_cursor_close(cursor);
  cursor = scan_b(txn);
  kit_expect_rows(cursor, true, "customerB6=v customerB4=v customerB2=v customerB1=v");
  store_cursor_close(cursor);
  assert_int_equal(store_scan(txn, STORE_TIMELINE, BYTES("customerB2"), BYTES("customerB4"), &cursor), ERR_OK);
  kit_expect_rows(cursor, true, "customerB2=v");
  store_cursor_close(cursor);
  assert_int_equal(store_scan(txn, STORE_TIMELINE, BYTES("customerX"), BYTES("customerY"), &cursor), ERR_OK);
  kit_expect_rows(cursor, false, "");
  kit_expect_rows(cursor, true, "");
  store_cursor_close(cursor);
  store_abort(txn);
}

// Walks a cursor over B1 B2 B4 B6: > next, < previous, a digit seeks customerB<digit>, ! seeks before, ~ behind.
static void walk(struct store_cursor *cursor, const char *steps, const char *expected) {
  char seen[64] = "";
  size_t count = 0;
  for (const char *step = steps; *step; step++) {
    struct bytes key;
    struct bytes value;
    char target[] = "customerB?";
    bool found;
    target[9] = *step;
    if (*step != '>' && *step != '<') {
      store_cursor_seek(cursor, *step == '!' ? BYTES("a") : *step == '~' ? BYTES("d") : bytes_of(target, 10));
      continue;
    }
    found = *step == '>' ? store_cursor_next(cursor, &key, &value) : store_cursor_previous(cursor, &key, &value);
    seen[count++] = found ? (char)key.data[key.size_bytes - 1] : '.';
  }
  assert_string_equal(seen, expected);
}

static void a_cursor_knows_where_it_stands(void **state) {
  static const struct {
    const char *steps, *seen;
  } cases[] = {
      {">><", "121"},     {"<<>", "646"},       {"4>", "4"},          {"4<", "2"},   {"3>", "4"},   {"3<", "2"},
      {"3>>", "46"},      {"9>", "."},          {"9<", "6"},          {"!>", "1"},   {"!<", "."},   {"~<<", "64"},
      {">>>>>", "1246."}, {">>>>><", "1246.6"}, {"<<<<<>", "6421.1"}, {"0<>", ".1"}, {"9><", ".6"}, {">4>", "14"},
  };
  struct store *store = store_of(state);
  put_rows(store);
  for (int own = 0; own < 2; own++) { // with the rows in the store, then with one of them the transaction's own
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      struct store_txn *txn = kit_begin(store);
      if (own) assert_int_equal(store_put(txn, STORE_TIMELINE, BYTES("customerB4"), BYTES("w")), ERR_OK);
      struct store_cursor *cursor = scan_b(txn);
      walk(cursor, cases[i].steps, cases[i].seen);
      assert_int_equal(store_cursor_error(cursor), ERR_OK);
      store_cursor_close(cursor);
      store_abort(txn);
    }
  }
}

static void a_scan_sees_the_transactions_own_writes(void **state) {
  struct store *store = store_of(state);
  put_rows(store);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_put(txn, STORE_TIMELINE, BYTES("customerB0"), BYTES("new")), ERR_OK);
  assert_int_equal(store_put(txn, STORE_TIMELINE, BYTES("customerB2"), BYTES("put")), ERR_OK);
  assert_int_equal(store_append(txn, STORE_TIMELINE, BYTES("customerB4"), BYTES("+")), ERR_OK);
  assert_int_equal(store_append(txn, STORE_TIMELINE, BYTES("customerB5"), BYTES("+")), ERR_OK);
  assert_int_equal(store_delete(txn, STORE_TIMELINE, BYTES("customerB6")), ERR_OK);
  assert_int_equal(store_delete(txn, STORE_TIMELINE, BYTES("customerB7")), ERR_OK);
  assert_int_equal(store_put(txn, STORE_PAYLOAD, BYTES("customerB1"), BYTES("elsewhere")), ERR_OK);
  assert_int_equal(store_put(txn, STORE_TIMELINE, BYTES("customerC0"), BYTES("outside")), ERR_OK);
  struct store_cursor *cursor = scan_b(txn);
  kit_expect_rows(cursor, false, "customerB0=new customerB1=v customerB2=put customerB4=v+ customerB5=+");
  kit_expect_rows(cursor, true, "customerB5=+ customerB4=v+ customerB2=put customerB1=v customerB0=new");
  store_cursor_close(cursor);
  kit_commit(txn);
  txn = kit_begin(store);
  cursor = scan_b(txn);
  kit_expect_rows(cursor, false, "customerB0=new customerB1=v customerB2=put customerB4=v+ customerB5=+");
  store_cursor_close(cursor);
  store_abort(txn);
}

static void a_snapshot_stands_still(void **state) {
  struct store *store = store_of(state);
  struct store_snapshot *snapshot = NULL;
  struct store_cursor *cursor = NULL;
  struct arena arena;
  struct bytes values[2];
  struct bytes keys[2] = {BYTES("customerB2"), BYTES("customerB3")};
  arena_init(&arena, 0);
  put_rows(store);
  assert_int_equal(store_snapshot_open(store, &snapshot), ERR_OK);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_append(txn, STORE_TIMELINE, BYTES("customerB2"), BYTES("changed")), ERR_OK);
  assert_int_equal(store_put(txn, STORE_TIMELINE, BYTES("customerB3"), BYTES("new")), ERR_OK);
  assert_int_equal(store_delete(txn, STORE_TIMELINE, BYTES("customerA1")), ERR_OK);
  kit_commit(txn);
  kit_put(store, STORE_TIMELINE, "customerB2", "again");
  assert_int_equal(store_snapshot_get(snapshot, STORE_TIMELINE, keys[0], &arena, values), ERR_OK);
  kit_expect(values[0], "v");
  assert_int_equal(store_snapshot_get_many(snapshot, STORE_TIMELINE, keys, 2, &arena, values), ERR_OK);
  kit_expect(values[0], "v");
  kit_expect(values[1], NULL);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_TIMELINE, BYTES(""), BYTES(""), &cursor), ERR_OK);
  kit_expect_rows(cursor, false, "customerA1=v customerB1=v customerB2=v customerB4=v customerB6=v customerC1=v");
  kit_expect_rows(cursor, true, "customerC1=v customerB6=v customerB4=v customerB2=v customerB1=v customerA1=v");
  store_cursor_close(cursor);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_TIMELINE, BYTES("customerB4"), BYTES(""), &cursor), ERR_OK);
  kit_expect_rows(cursor, true, "customerC1=v customerB6=v customerB4=v");
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  arena_release(&arena);
  kit_expect_stored(store, STORE_TIMELINE, "customerB2", "again");
  kit_expect_stored(store, STORE_TIMELINE, "customerA1", NULL);
}

static void locks_are_taken_and_given_back(void **state) {
  struct store *store = store_of(state);
  struct bytes keys[3] = {BYTES("x"), BYTES("y"), BYTES("x")}; // one twice
  for (int i = 0; i < 3; i++) {
    struct store_txn *txn = kit_begin(store);
    assert_int_equal(store_lock_many(txn, STORE_LOCK_IDENTIFIER, keys, 3), ERR_OK);
    assert_int_equal(store_lock_many(txn, STORE_LOCK_CUSTOMER, keys, 2), ERR_OK);
    store_unlock_all(txn);
    assert_int_equal(store_lock_many(txn, STORE_LOCK_IDENTIFIER, keys, 3), ERR_OK);
    if (i == 1)
      store_abort(txn);
    else
      kit_commit(txn);
  }
}

struct run {
  int conflicts_left;
  int calls;
  enum err err;
};

static enum err run_body(struct store_txn *txn, void *context, struct diag *diag) {
  struct run *run = context;
  run->calls++;
  enum err err = store_put(txn, STORE_META, BYTES("run"), BYTES("done"));
  if (err != ERR_OK) return err;
  if (run->conflicts_left-- > 0) return diag_set(diag, ERR_CONFLICT, "test", "again");
  return run->err;
}

static void run_repeats_conflicts_and_nothing_else(void **state) {
  struct store *store = store_of(state);
  struct store_mark mark;
  struct store_stats stats;
  struct diag diag;
  diag_init(&diag);
  struct run run = {.err = ERR_INVALID};
  assert_int_equal(store_run(store, run_body, &run, &mark, &diag), ERR_INVALID);
  assert_int_equal(run.calls, 1);
  kit_expect_stored(store, STORE_META, "run", NULL);
  run = (struct run){.conflicts_left = 3};
  assert_int_equal(store_run(store, run_body, &run, &mark, &diag), ERR_OK);
  assert_int_equal(run.calls, 4);
  kit_expect_stored(store, STORE_META, "run", "done");
  run = (struct run){.conflicts_left = 1000};
  assert_int_equal(store_run(store, run_body, &run, &mark, &diag), ERR_CONFLICT);
  assert_int_equal(run.calls, 17);
  assert_string_equal(diag.code, "conflict");
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_int_equal(stats.conflicts, 3 + 17);
}

static void note_err(void *context, enum err err) {
  *(volatile int *)context = (int)err;
}

static void marks_are_waited_for(void **state) {
  struct store *store = store_of(state);
  struct store_stats stats;
  int told = 1;
  assert_int_equal(store_wait(store, store_mark_now(store), NULL), ERR_OK);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_put(txn, STORE_META, BYTES("a"), BYTES("1")), ERR_OK);
  struct store_mark mark = kit_commit(txn);
  assert_int_equal(store_wait(store, mark, NULL), ERR_OK);
  store_notify(store, mark, note_err, &told); // durable already: called at once
  assert_int_equal(told, ERR_OK);
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_int_equal(stats.syncs, 1);
  // who only read waits for nothing, and causes no sync
  txn = kit_begin(store);
  kit_expect_in(txn, STORE_META, "a", "1");
  assert_int_equal(store_wait(store, kit_commit(txn), NULL), ERR_OK);
  assert_int_equal(store_wait(store, store_mark_now(store), NULL), ERR_OK);
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_int_equal(stats.syncs, 1);
}

static void close_tells_whoever_still_waits(void **state) {
  struct fixture *fixture = *state;
  int told = 1;
  struct store_txn *txn = kit_begin(fixture->store);
  assert_int_equal(store_put(txn, STORE_META, BYTES("a"), BYTES("1")), ERR_OK);
  store_notify(fixture->store, kit_commit(txn), note_err, &told);
  store_close(fixture->store);
  fixture->store = NULL;
  assert_int_equal(told, ERR_OK);
}

static void statistics_tell_what_is_there(void **state) {
  struct store *store = store_of(state);
  struct store_stats stats;
  put_rows(store);
  assert_int_equal(store_get_stats(store, &stats), ERR_OK);
  assert_int_equal(stats.commits, 6);
  assert_int_equal(stats.keys_estimate[STORE_TIMELINE], 6);
  assert_int_equal(stats.keys_estimate[STORE_PAYLOAD], 0);
  assert_true(stats.writable);
  assert_string_equal(store_keyspace_name(STORE_TIMELINE), "timeline");
}

static void trace_counts_rounds(void **state) {
  (void)state;
  struct store *store = kit_open(KIT_KIND_TRACE, NULL);
  struct arena arena;
  struct bytes keys[3] = {BYTES("customerB1"), BYTES("customerB2"), BYTES("customerB9")};
  struct bytes values[3];
  arena_init(&arena, 0);
  put_rows(store);
  store_trace_reset(store);
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(store_lock_many(txn, STORE_LOCK_CUSTOMER, keys, 3), ERR_OK);
  assert_int_equal(store_get_many(txn, STORE_TIMELINE, keys, 3, &arena, values), ERR_OK);
  assert_int_equal(store_put(txn, STORE_TIMELINE, keys[0], BYTES("123")), ERR_OK);
  assert_int_equal(store_get(txn, STORE_TIMELINE, keys[0], &arena, values), ERR_OK); // its own: no round
  kit_commit(txn);
  struct store_trace trace = store_trace_read(store);
  assert_int_equal(trace.locks, 1);
  assert_int_equal(trace.get_manys, 1);
  assert_int_equal(trace.gets, 0);
  assert_int_equal(trace.keys_read, 3);
  assert_int_equal(trace.bytes_read, 2);
  assert_int_equal(trace.commits, 1);
  assert_int_equal(trace.keys_written, 1);
  assert_int_equal(trace.bytes_written, 13);
  assert_int_equal(trace.scans + trace.snapshots, 0);
  arena_release(&arena);
  store_close(store);
}

#define SUITE(kind)                                                                                                    \
  static const struct CMUnitTest kind##_suite[] = {                                                                    \
      {#kind ": commits become visible", commits_become_visible_and_aborts_do_not, open_##kind, close_kind, NULL},     \
      {#kind ": empty values", an_empty_value_is_not_a_missing_one, open_##kind, close_kind, NULL},                    \
      {#kind ": own writes", own_writes_are_read_in_every_combination, open_##kind, close_kind, NULL},                 \
      {#kind ": append order", appends_keep_their_order_over_many_commits, open_##kind, close_kind, NULL},             \
      {#kind ": get_many", get_many_answers_each_key_in_place, open_##kind, close_kind, NULL},                         \
      {#kind ": many writes", many_writes_of_one_transaction_are_all_found, open_##kind, close_kind, NULL},            \
      {#kind ": scan", a_scan_gives_the_rows_of_its_range, open_##kind, close_kind, NULL},                             \
      {#kind ": cursor", a_cursor_knows_where_it_stands, open_##kind, close_kind, NULL},                               \
      {#kind ": scan own writes", a_scan_sees_the_transactions_own_writes, open_##kind, close_kind, NULL},             \
      {#kind ": snapshot", a_snapshot_stands_still, open_##kind, close_kind, NULL},                                    \
      {#kind ": locks", locks_are_taken_and_given_back, open_##kind, close_kind, NULL},                                \
      {#kind ": run", run_repeats_conflicts_and_nothing_else, open_##kind, close_kind, NULL},                          \
      {#kind ": marks", marks_are_waited_for, open_##kind, close_kind, NULL},                                          \
      {#kind ": close", close_tells_whoever_still_waits, open_##kind, close_kind, NULL},                               \
      {#kind ": statistics", statistics_tell_what_is_there, open_##kind, close_kind, NULL},                            \
  };
SUITE(memory)
SUITE(rocksdb)
SUITE(trace)
SUITE(fault)

int main(void) {
  static const struct CMUnitTest rounds_suite[] = {cmocka_unit_test(trace_counts_rounds)};
  int failed = cmocka_run_group_tests(memory_suite, NULL, NULL);
  if (KIT_ROCKSDB) failed += cmocka_run_group_tests(rocksdb_suite, NULL, NULL);
  failed += cmocka_run_group_tests(trace_suite, NULL, NULL);
  failed += cmocka_run_group_tests(fault_suite, NULL, NULL);
  return failed + cmocka_run_group_tests(rounds_suite, NULL, NULL);
}
