// One customer's data as rules ask for it: windows and names, parts, messages, traits, what is read and when.
#include "customer_people.h"

#include "store/store_wrap.h"

struct bench {
  struct people people;
  struct person person;
  struct store_snapshot *snapshot;
  struct arena arena;
  struct facts facts;
};

static struct bench *open_bench(bool on_disk, size_t parts, size_t count) {
  struct bench *bench = calloc(1, sizeof *bench);
  assert_non_null(bench);
  people_open(&bench->people, on_disk);
  bench->person.id = 40;
  for (size_t i = 0; i < parts; i++) bench->person.parts[bench->person.part_count++] = 7 + 90 * i;
  people_write(&bench->people, &bench->person, count);
  arena_init(&bench->arena, 0);
  assert_int_equal(store_snapshot_open(bench->people.fixture.store, &bench->snapshot), ERR_OK);
  facts_init(&bench->facts, (struct timeline_reader){.snapshot = bench->snapshot}, &bench->arena, NULL);
  facts_reset(&bench->facts, bench->person.id, NULL, NULL);
  return bench;
}

static void close_bench(struct bench *bench) {
  store_snapshot_close(bench->snapshot);
  arena_release(&bench->arena);
  people_close(&bench->people);
  free(bench);
}

static void check_all(struct bench *bench) {
  people_check_columns(&bench->facts, &bench->person);
  for (size_t i = 0; i < bench->person.count; i += 1 + i / 8)
    people_check_message(&bench->people, &bench->facts, i, &bench->person.events[i]);
  people_check_message(&bench->people, &bench->facts, 0, &bench->person.events[0]); // kept
  people_check_trait(&bench->people, &bench->facts, &bench->person);
}

static void try_everything(bool on_disk) {
  static const size_t counts[] = {1, 37, 700};
  for (size_t parts = 0; parts <= PEOPLE_PARTS_MAX; parts++)
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
      if (parts * counts[i] > PEOPLE_EVENTS_MAX / 2) continue;
      struct bench *bench = open_bench(on_disk, parts, counts[i]);
      check_all(bench);
      arena_clear(&bench->arena);
      facts_reset(&bench->facts, bench->person.id, NULL, NULL);
      people_check_trait(&bench->people, &bench->facts, &bench->person); // the record first
      people_check_columns(&bench->facts, &bench->person);
      close_bench(bench);
    }
}

static void test_everything_in_memory(void **state) {
  (void)state;
  try_everything(false);
}
static void test_everything_on_disk(void **state) {
  (void)state;
  try_everything(true);
}

// Events that were wanted are there, in order, with their messages; others may be.
static void check_window(struct bench *bench, uint32_t name, int64_t from_us, int64_t to_us) {
  struct rule_columns columns;
  assert_int_equal(people_columns(&bench->facts, &name, 1, from_us, to_us, &columns), ERR_OK);
  size_t at = 0;
  for (size_t i = 0; i < bench->person.count; i++) {
    const struct timeline_event *event = &bench->person.events[i];
    if (event->name != name || event->at.time_us < from_us || event->at.time_us >= to_us) continue;
    while (at < columns.count && columns.time_us[at] < event->at.time_us) at++;
    while (at < columns.count && columns.time_us[at] == event->at.time_us && columns.name[at] != name) at++;
    assert_true(at < columns.count);
    people_check_event(&columns, at, event);
    if (i % 13 == 0) people_check_message(&bench->people, &bench->facts, at, event);
    at++;
  }
  for (size_t i = 1; i < columns.count; i++) assert_true(columns.time_us[i - 1] <= columns.time_us[i]);
}

static void test_windows(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 1, 700);
  check_window(bench, 3, 3900000, INT64_MAX);
  check_window(bench, 4, 3000000, 3500000);
  check_window(bench, 4, 3000000, 3500000);
  check_window(bench, 1, INT64_MIN, 500000);
  check_window(bench, 9, INT64_MIN, INT64_MAX); // nobody did
  check_window(bench, 2, INT64_MIN, INT64_MAX);
  people_check_columns(&bench->facts, &bench->person);
  for (uint32_t name = 1; name <= PEOPLE_NAMES + 2;
       name++) { // everything is read: one name's alone, and more than are kept
    check_window(bench, name, INT64_MIN, INT64_MAX);
    check_window(bench, 1 + name / 2, INT64_MIN, 2000000);
  }
  people_check_columns(&bench->facts, &bench->person);
  close_bench(bench);
}

static uint64_t reads_of(struct store *trace) {
  struct store_trace counts = store_trace_read(trace);
  store_trace_reset(trace);
  return counts.gets + counts.get_manys + counts.scans;
}

static void test_what_is_not_asked_is_not_read(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 0, 700);
  struct store *trace;
  uint32_t nobody = 99, name = 2;
  struct rule_columns columns;
  store_snapshot_close(bench->snapshot);
  assert_int_equal(store_open_trace(&trace, bench->people.fixture.store), ERR_OK);
  bench->people.fixture.store = trace;
  assert_int_equal(store_snapshot_open(trace, &bench->snapshot), ERR_OK);
  bench->facts.reader.snapshot = bench->snapshot;
  reads_of(trace);
  assert_int_equal(people_columns(&bench->facts, &nobody, 1, INT64_MIN, INT64_MAX, &columns), ERR_OK);
  assert_int_equal(columns.count, 0);
  assert_int_equal(reads_of(trace), 1); // record and head
  assert_int_equal(people_columns(&bench->facts, &name, 1, 3900000, INT64_MAX, &columns), ERR_OK);
  assert_true(columns.count > 0 && columns.count <= LIMIT_CHUNK_EVENTS);
  assert_int_equal(reads_of(trace), 1); // one chunk
  assert_int_equal(people_columns(&bench->facts, &name, 1, INT64_MIN, INT64_MAX, &columns), ERR_OK);
  assert_int_equal(columns.count, 700);
  assert_int_equal(reads_of(trace), 1); // the others
  people_check_columns(&bench->facts, &bench->person);
  people_check_trait(&bench->people, &bench->facts, &bench->person);
  assert_int_equal(reads_of(trace), 0);
  people_check_message(&bench->people, &bench->facts, 5, &bench->person.events[5]);
  people_check_message(&bench->people, &bench->facts, 5, &bench->person.events[5]);
  assert_int_equal(reads_of(trace), 1);
  for (size_t i = 700; i-- > 0;)
    if (bench->person.events[i].name == name)
      people_check_message(&bench->people, &bench->facts, i, &bench->person.events[i]);
  assert_true(reads_of(trace) < 10); // about a hundred messages, more and more in each round
  close_bench(bench);
}

static void test_in_a_transaction_with_the_callers_record_and_head(void **state) {
  (void)state;
  struct bench *bench = open_bench(true, 0, 300);
  struct store_txn *txn;
  struct timeline_head head;
  struct customer record;
  struct key key, lock;
  struct bytes rows[2], view;
  assert_int_equal(store_begin(bench->people.fixture.store, &txn), ERR_OK);
  key_init(&lock);
  key_put_u64(&lock, bench->person.id);
  view = key_view(&lock);
  assert_int_equal(store_lock_many(txn, STORE_LOCK_CUSTOMER, &view, 1), ERR_OK);
  for (int i = 0; i < 2; i++) {
    customer_key(bench->person.id, (enum customer_row)i, &key);
    assert_int_equal(store_get(txn, STORE_CUSTOMER, key_view(&key), &bench->arena, &rows[i]), ERR_OK);
  }
  assert_int_equal(customer_decode(rows[0], bench->person.id, &bench->arena, &record), ERR_OK);
  assert_int_equal(timeline_head_decode(rows[1], &bench->arena, &head), ERR_OK);
  struct timeline_event event = people_event(&bench->people);
  struct timeline_payload payload = {.message = people_message(&bench->people, &event, &bench->arena)};
  bool added;
  event.at.time_us = 9000000;
  assert_int_equal(timeline_add(txn, bench->person.id, &head, &bench->arena, &event, &payload, true, &added), ERR_OK);
  bench->person.events[bench->person.count++] = event; // seen before it is committed
  facts_init(&bench->facts, (struct timeline_reader){.txn = txn}, &bench->arena, NULL);
  facts_reset(&bench->facts, bench->person.id, &record, &head);
  check_all(bench);
  people_check_message(&bench->people, &bench->facts, bench->person.count - 1, &event);
  store_abort(txn);
  close_bench(bench);
}

static void test_erased_payloads_are_absent(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 0, 3);
  struct store_txn *txn;
  struct store_mark mark;
  struct key key;
  struct value message = {BYTES("x")};
  store_snapshot_close(bench->snapshot);
  key_init(&key);
  key_put_u64(&key, bench->person.id);
  key_put_i64(&key, bench->person.events[1].at.time_us);
  key_put_raw(&key, bytes_of(bench->person.events[1].at.event, IDENTITY_EVENT_ID_BYTES));
  assert_int_equal(store_begin(bench->people.fixture.store, &txn), ERR_OK);
  assert_int_equal(store_delete(txn, STORE_PAYLOAD, key_view(&key)), ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  assert_int_equal(store_snapshot_open(bench->people.fixture.store, &bench->snapshot), ERR_OK);
  bench->facts.reader.snapshot = bench->snapshot;
  people_check_columns(&bench->facts, &bench->person);
  assert_int_equal(bench->facts.customer.message(&bench->facts, 1, &message), ERR_OK);
  assert_true(value_is_absent(message));
  people_check_message(&bench->people, &bench->facts, 2, &bench->person.events[2]);
  close_bench(bench);
}

static void test_nobody_and_nothing(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 0, 0);
  struct rule_columns columns;
  struct value value = {BYTES("x")};
  people_check_columns(&bench->facts, &bench->person);
  people_check_trait(&bench->people, &bench->facts, &bench->person);
  facts_reset(&bench->facts, 12345, NULL, NULL);
  assert_int_equal(people_all_columns(&bench->facts, &columns), ERR_OK);
  assert_int_equal(columns.count, 0);
  assert_int_equal(bench->facts.customer.trait(&bench->facts, bench->people.city, &value), ERR_OK);
  assert_true(value_is_absent(value));
  close_bench(bench);
}

static enum err answer(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                       size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  assert_int_equal(function, RULE_FUNCTION_in_segment);
  assert_int_equal(count, 1);
  assert_true(bytes_equal(arguments[0], BYTES("vip")));
  *value = (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = customer == 40};
  *until_us = now_us + *(int *)context;
  return ERR_OK;
}

static void test_lookups_are_passed_on(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 0, 1);
  struct rule_value value = {.type = RULE_TYPE_BOOL};
  struct bytes arguments[] = {BYTES("vip")};
  int64_t until_us = INT64_MAX;
  int later = 50;
  const struct rule_customer *customer = &bench->facts.customer;
  assert_int_equal(customer->lookup(customer->context, RULE_FUNCTION_in_segment, arguments, 1, 1000, &value, &until_us),
                   ERR_OK);
  assert_int_equal(value.type, RULE_TYPE_NULL);
  assert_true(until_us == INT64_MAX);
  bench->facts.lookup = answer;
  bench->facts.lookup_context = &later;
  assert_int_equal(customer->lookup(customer->context, RULE_FUNCTION_in_segment, arguments, 1, 1000, &value, &until_us),
                   ERR_OK);
  assert_true(value.type == RULE_TYPE_BOOL && value.boolean && until_us == 1050);
  close_bench(bench);
}

static enum err ask_everything(struct bench *bench) {
  struct rule_columns columns;
  struct value value;
  arena_clear(&bench->arena);
  facts_reset(&bench->facts, bench->person.id, NULL, NULL);
  enum err err = people_all_columns(&bench->facts, &columns);
  if (err == ERR_OK) err = bench->facts.customer.message(&bench->facts, 0, &value);
  return err == ERR_OK ? bench->facts.customer.trait(&bench->facts, bench->people.city, &value) : err;
}

static void test_short_memory(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 2, 30);
  enum err err = ERR_NO_MEMORY;
  for (uint64_t allowed = 0; err != ERR_OK && allowed < 5000; allowed++) {
    arena_release(&bench->arena);
    alloc_fail_after(allowed, false);
    err = ask_everything(bench);
    bool failed = alloc_fail_disarm();
    assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && failed));
  }
  assert_int_equal(err, ERR_OK);
  facts_reset(&bench->facts, bench->person.id, NULL, NULL);
  check_all(bench);
  close_bench(bench);
}

static void test_failing_reads(void **state) {
  (void)state;
  struct bench *bench = open_bench(false, 2, 30);
  enum err err = ERR_IO;
  store_snapshot_close(bench->snapshot);
  assert_int_equal(store_open_fault(&bench->people.fixture.store, bench->people.fixture.store), ERR_OK);
  assert_int_equal(store_snapshot_open(bench->people.fixture.store, &bench->snapshot), ERR_OK);
  bench->facts.reader.snapshot = bench->snapshot;
  for (uint64_t allowed = 0; err != ERR_OK && allowed < 100; allowed++) {
    store_fault_after(bench->people.fixture.store, allowed, ERR_IO, false);
    err = ask_everything(bench);
    bool failed = store_fault_disarm(bench->people.fixture.store);
    assert_true(failed ? err == ERR_IO : err == ERR_OK);
  }
  assert_int_equal(err, ERR_OK);
  close_bench(bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_everything_in_memory),
      cmocka_unit_test(test_everything_on_disk),
      cmocka_unit_test(test_windows),
      cmocka_unit_test(test_what_is_not_asked_is_not_read),
      cmocka_unit_test(test_in_a_transaction_with_the_callers_record_and_head),
      cmocka_unit_test(test_erased_payloads_are_absent),
      cmocka_unit_test(test_nobody_and_nothing),
      cmocka_unit_test(test_lookups_are_passed_on),
      cmocka_unit_test(test_short_memory),
      cmocka_unit_test(test_failing_reads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
