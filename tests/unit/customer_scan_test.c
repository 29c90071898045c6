// Walks over all customers: who comes, in what order, with which events; redirects, pending rows, ranges, threads.
#include "customer_people.h"

#include <pthread.h>

#include "customer/scan.h"
#include "customer/timeline_row.h"
#include "store/store_wrap.h"

static void add_redirect(struct crowd *crowd, uint64_t id, uint64_t to) {
  add_person(crowd, id)->merged_into = to;
  people_write(&crowd->people, crowd->persons[id], 0);
}

// Customers without events (every fifth), redirects, gaps, long timelines; pending rows under the id of one that went
// (before and after the owner's own), under one that was never a customer's, of one who has no rows of her own.
static void open_crowd(struct crowd *crowd, bool on_disk) {
  *crowd = (struct crowd){0};
  people_open(&crowd->people, on_disk);
  for (uint64_t id = 1; id < 100; id++) {
    if (id % 7 == 0) continue;
    struct person *person = add_person(crowd, id);
    size_t count = id % 5 == 0 ? 0 : id == 33 ? 900 : 1 + id % 40;
    if (id == 50) memcpy(person->parts, (uint64_t[]){20, 110}, sizeof person->parts), person->part_count = 2;
    if (id == 96) person->parts[person->part_count++] = 21;
    if (id == 20 || id == 61) {
      person->merged_into = 50;
      people_write(&crowd->people, person, 0);
      continue;
    }
    people_write(&crowd->people, person, id == 50 ? 30 : count);
  }
  add_redirect(crowd, 118, 3);
  // The only events of 103 are pending.
  struct person *moved = add_person(crowd, 103), *away = add_person(crowd, 104);
  struct store_txn *txn;
  struct store_mark mark;
  struct arena arena;
  arena_init(&arena, 0);
  away->merged_into = 103;
  moved->parts[moved->part_count++] = 104;
  assert_int_equal(store_begin(crowd->people.fixture.store, &txn), ERR_OK);
  people_add(&crowd->people, txn, moved, 104, 25, &arena);
  people_put_record(&crowd->people, txn, moved, &arena);
  people_put_record(&crowd->people, txn, away, &arena);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  qsort(moved->events, moved->count, sizeof *moved->events, people_by_instant);
  arena_release(&arena);
  assert_int_equal(store_snapshot_open(crowd->people.fixture.store, &crowd->snapshot), ERR_OK);
}

static bool is_expected(const struct crowd *crowd, const struct scan_options *options, uint64_t id) {
  const struct person *person = crowd->persons[id];
  if (person == NULL || person->merged_into != 0) return false;
  if (id < options->from || (options->to != 0 && id >= options->to)) return false;
  return options->records || !options->events || person->count > 0;
}

// A few of her messages; asked before the columns when `early` says so, which is not how a run asks but may be.
static void check_messages(const struct crowd *crowd, struct facts *facts, const struct person *person) {
  for (size_t i = 0; i < person->count; i += 1 + person->count / 3)
    people_check_message(&crowd->people, facts, i, &person->events[i]);
}

static void check_scan(struct crowd *crowd, struct scan_options options, bool messages) {
  struct scan *scan;
  struct facts *facts;
  options.snapshot = crowd->snapshot;
  assert_int_equal(scan_open(&scan, &options), ERR_OK);
  for (uint64_t id = 0; id < CROWD_IDS; id++) {
    if (!is_expected(crowd, &options, id)) continue;
    const struct person *person = crowd->persons[id];
    assert_int_equal(scan_next(scan, &facts), ERR_OK);
    assert_int_equal(facts->id, id);
    assert_true((facts->record != NULL) == (options.records || !options.events));
    if (options.events || messages) people_check_columns(facts, person);
    if (messages) check_messages(crowd, facts, person);
    if (messages) people_check_columns(facts, person); // as before
    if (options.records || messages) people_check_trait(&crowd->people, facts, person);
  }
  assert_int_equal(scan_next(scan, &facts), ERR_NOT_FOUND);
  assert_int_equal(scan_next(scan, &facts), ERR_NOT_FOUND);
  scan_close(scan);
}

static void try_scans(bool on_disk) {
  static const uint64_t ranges[][2] = {{0, 0}, {0, 50}, {50, 51}, {51, 0}, {20, 22}, {104, 111}, {200, 0}, {7, 8}};
  struct crowd crowd;
  open_crowd(&crowd, on_disk);
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    for (unsigned kind = 0; kind < 8; kind++)
      check_scan(&crowd,
                 (struct scan_options){
                     .from = ranges[i][0], .to = ranges[i][1], .records = kind & 1, .events = (kind & 2) != 0},
                 kind & 4);
  close_crowd(&crowd);
}

static void test_scans_in_memory(void **state) {
  (void)state;
  try_scans(false);
}
static void test_scans_on_disk(void **state) {
  (void)state;
  try_scans(true);
}

// --- ranges --------------------------------------------------------------------------------------------------

static void test_ranges_cover_everybody_once(void **state) {
  (void)state;
  struct crowd crowd;
  open_crowd(&crowd, false);
  for (size_t count = 1; count < 150; count += 1 + count / 4) {
    uint64_t from[150];
    size_t found, customers = 0;
    assert_int_equal(scan_ranges(crowd.snapshot, count, from, &found), ERR_OK);
    assert_true(found >= 1 && found <= count);
    assert_int_equal(from[0], 0);
    for (size_t i = 0; i < found; i++) {
      if (i > 0) assert_true(from[i] > from[i - 1]);
      struct scan_options options = {
          .snapshot = crowd.snapshot, .from = from[i], .to = i + 1 < found ? from[i + 1] : 0, .records = true};
      check_scan(&crowd, options, false);
      for (uint64_t id = 0; id < CROWD_IDS; id++) customers += is_expected(&crowd, &options, id);
    }
    size_t all = 0;
    for (uint64_t id = 0; id < CROWD_IDS; id++) all += is_expected(&crowd, &(struct scan_options){0}, id);
    assert_int_equal(customers, all);
  }
  close_crowd(&crowd);
}

static void test_an_empty_store(void **state) {
  (void)state;
  struct crowd crowd = {0};
  uint64_t from[4];
  size_t found;
  people_open(&crowd.people, false);
  assert_int_equal(store_snapshot_open(crowd.people.fixture.store, &crowd.snapshot), ERR_OK);
  assert_int_equal(scan_ranges(crowd.snapshot, 4, from, &found), ERR_OK);
  assert_int_equal(found, 1);
  check_scan(&crowd, (struct scan_options){.events = true}, false);
  check_scan(&crowd, (struct scan_options){.records = true, .events = true}, false);
  check_scan(&crowd, (struct scan_options){0}, false);
  close_crowd(&crowd);
}

// Asks for a message of some, or for all messages of all.
static enum err ask_messages(struct facts *facts, size_t count, bool all) {
  struct value message;
  enum err err = ERR_OK;
  if (!all && count > 0 && facts->id % 16 == 0) err = facts->customer.message(facts, count - 1, &message);
  for (size_t i = 0; err == ERR_OK && all && i < count; i++) err = facts->customer.message(facts, i, &message);
  return err;
}

static enum err scan_all(struct store_snapshot *snapshot, bool records, bool messages) {
  struct scan *scan;
  struct facts *facts;
  struct rule_columns columns;
  struct scan_options options = {.snapshot = snapshot, .records = records, .events = true};
  enum err err = scan_open(&scan, &options);
  if (err != ERR_OK) return err;
  while (err == ERR_OK) {
    err = scan_next(scan, &facts);
    if (err == ERR_OK) err = people_all_columns(facts, &columns);
    if (err == ERR_OK) err = ask_messages(facts, columns.count, messages);
  }
  scan_close(scan);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// --- messages of everybody ---------------------------------------------------------------------------------------

static bool is_erased(const struct timeline_event *event) {
  return event->at.event[0] % 8 == 0;
}

// Payloads that are gone while their events are still there, of own rows and of pending ones.
static void erase_some(struct crowd *crowd) {
  struct store_txn *txn;
  struct store_mark mark;
  store_snapshot_close(crowd->snapshot);
  assert_int_equal(store_begin(crowd->people.fixture.store, &txn), ERR_OK);
  for (size_t i = 0; i < CROWD_IDS; i++)
    for (size_t j = 0; crowd->persons[i] != NULL && j < crowd->persons[i]->count; j++) {
      const struct person *person = crowd->persons[i];
      if (!is_erased(&person->events[j])) continue;
      for (size_t part = 0; part <= person->part_count; part++) {
        struct key key;
        timeline_row_key(part == 0 ? person->id : person->parts[part - 1], &person->events[j].at, &key);
        assert_int_equal(store_delete(txn, STORE_PAYLOAD, key_view(&key)), ERR_OK);
      }
    }
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  assert_int_equal(store_snapshot_open(crowd->people.fixture.store, &crowd->snapshot), ERR_OK);
}

static void check_message_or_none(const struct crowd *crowd, struct facts *facts, size_t index,
                                  const struct timeline_event *event) {
  struct value message = {BYTES("x")};
  if (!is_erased(event)) {
    people_check_message(&crowd->people, facts, index, event);
    return;
  }
  assert_int_equal(facts->customer.message(facts, index, &message), ERR_OK);
  assert_true(value_is_absent(message));
}

// Upwards or downwards; all, or one of some.
static void check_all_messages(const struct crowd *crowd, struct facts *facts, const struct person *person,
                               size_t stride) {
  bool down = person->id % 3 == 0;
  for (size_t i = 0; i < person->count; i += stride) {
    size_t index = down ? person->count - 1 - i : i;
    check_message_or_none(crowd, facts, index, &person->events[index]);
  }
}

// What a run of one name wants, which is not all that the columns have had before.
static void check_one_name(const struct crowd *crowd, struct facts *facts, const struct person *person) {
  struct rule_columns columns;
  uint32_t name = 1 + (uint32_t)(person->id % PEOPLE_NAMES);
  size_t at = 0;
  assert_int_equal(people_columns(facts, &name, 1, 1000000, 3000000, &columns), ERR_OK);
  for (size_t i = 0; i < person->count; i++) {
    const struct timeline_event *event = &person->events[i];
    if (event->name != name || event->at.time_us < 1000000 || event->at.time_us >= 3000000) continue;
    while (at < columns.count && (columns.name[at] != name || columns.time_us[at] < event->at.time_us)) at++;
    assert_true(at < columns.count);
    check_message_or_none(crowd, facts, at++, event);
  }
}

static void check_messages_of_all(struct crowd *crowd, bool records, size_t stride) {
  struct scan *scan;
  struct facts *facts;
  struct scan_options options = {.snapshot = crowd->snapshot, .records = records, .events = true};
  assert_int_equal(scan_open(&scan, &options), ERR_OK);
  for (uint64_t id = 0; id < CROWD_IDS; id++) {
    if (!is_expected(crowd, &options, id)) continue;
    const struct person *person = crowd->persons[id];
    assert_int_equal(scan_next(scan, &facts), ERR_OK);
    if (id % 4 == 0) check_one_name(crowd, facts, person);
    people_check_columns(facts, person);
    if (id % 11 != 2) check_all_messages(crowd, facts, person, stride);
    check_one_name(crowd, facts, person);
  }
  assert_int_equal(scan_next(scan, &facts), ERR_NOT_FOUND);
  scan_close(scan);
}

static void try_messages(bool on_disk) {
  struct crowd crowd;
  open_crowd(&crowd, on_disk);
  erase_some(&crowd);
  for (size_t stride = 1; stride <= 27; stride += 13) {
    check_messages_of_all(&crowd, false, stride);
    check_messages_of_all(&crowd, true, stride);
  }
  close_crowd(&crowd);
}

static void test_messages_of_all_in_memory(void **state) {
  (void)state;
  try_messages(false);
}
static void test_messages_of_all_on_disk(void **state) {
  (void)state;
  try_messages(true);
}

static void test_a_walk_reads_messages(void **state) {
  (void)state;
  struct crowd crowd;
  struct store *trace;
  open_crowd(&crowd, false);
  store_snapshot_close(crowd.snapshot);
  assert_int_equal(store_open_trace(&trace, crowd.people.fixture.store), ERR_OK);
  crowd.people.fixture.store = trace;
  assert_int_equal(store_snapshot_open(trace, &crowd.snapshot), ERR_OK);
  size_t events = 0;
  for (size_t i = 0; i < CROWD_IDS; i++) events += crowd.persons[i] == NULL ? 0 : crowd.persons[i]->count;
  store_trace_reset(trace);
  assert_int_equal(scan_all(crowd.snapshot, false, true), ERR_OK);
  struct store_trace counts = store_trace_read(trace);
  assert_true(events > 2000 && counts.gets + counts.get_manys + counts.scans < 250);
  close_crowd(&crowd);
}

struct walker {
  struct crowd *crowd;
  uint64_t from, to;
};

static void *walk(void *context) {
  const struct walker *walker = context;
  check_scan(walker->crowd, (struct scan_options){.from = walker->from, .to = walker->to, .events = true}, true);
  return NULL;
}

static void test_threads_share_a_snapshot(void **state) {
  (void)state;
  struct crowd crowd;
  pthread_t threads[3];
  struct walker walkers[] = {{&crowd, 0, 33}, {&crowd, 33, 60}, {&crowd, 60, 0}};
  open_crowd(&crowd, true);
  for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, walk, &walkers[i]), 0);
  for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  close_crowd(&crowd);
}

static void test_short_memory(void **state) {
  (void)state;
  struct crowd crowd;
  open_crowd(&crowd, false);
  for (int mode = 0; mode < 4; mode++) {
    enum err err = ERR_NO_MEMORY;
    for (uint64_t allowed = 0; err != ERR_OK && allowed < 20000; allowed += 1 + allowed / 30) {
      alloc_fail_after(allowed, false);
      err = scan_all(crowd.snapshot, mode & 1, mode >= 2);
      bool failed = alloc_fail_disarm();
      assert_true(err == ERR_OK || (err == ERR_NO_MEMORY && failed));
    }
    assert_int_equal(err, ERR_OK);
  }
  close_crowd(&crowd);
}

static void test_failing_reads(void **state) {
  (void)state;
  struct crowd crowd;
  open_crowd(&crowd, false);
  store_snapshot_close(crowd.snapshot);
  struct store *store;
  assert_int_equal(store_open_fault(&store, crowd.people.fixture.store), ERR_OK);
  crowd.people.fixture.store = store;
  assert_int_equal(store_snapshot_open(store, &crowd.snapshot), ERR_OK);
  for (int mode = 0; mode < 4; mode++) {
    enum err err = ERR_IO;
    for (uint64_t allowed = 0; err != ERR_OK && allowed < 20000; allowed += mode < 2 ? 1 : 1 + allowed / 30) {
      store_fault_after(store, allowed, ERR_IO, false);
      err = scan_all(crowd.snapshot, mode & 1, mode >= 2);
      bool failed = store_fault_disarm(store);
      assert_true(failed ? err == ERR_IO : err == ERR_OK);
    }
    assert_int_equal(err, ERR_OK);
  }
  close_crowd(&crowd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scans_in_memory),
      cmocka_unit_test(test_scans_on_disk),
      cmocka_unit_test(test_ranges_cover_everybody_once),
      cmocka_unit_test(test_an_empty_store),
      cmocka_unit_test(test_messages_of_all_in_memory),
      cmocka_unit_test(test_messages_of_all_on_disk),
      cmocka_unit_test(test_a_walk_reads_messages),
      cmocka_unit_test(test_threads_share_a_snapshot),
      cmocka_unit_test(test_short_memory),
      cmocka_unit_test(test_failing_reads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
