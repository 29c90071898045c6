// Projections: rows there and back, damaged rows, and scans that read them beside what is to be found: any names, any
// range, with customers on a side, left out, pending, and with blocks that are not projected.
#include <endian.h>

#include "customer_people.h"

#include "customer/projection_row.h"
#include "customer/scan.h"
#include "store/store_wrap.h"

enum { IDS = CROWD_IDS, ROWS = 300, FLIPS = 40, SUBSETS = 20 };

static uint64_t seed = 7;
static uint64_t roll(uint64_t below) {
  return fixture_random(&seed) % below;
}

// --- rows ----------------------------------------------------------------------------------------------------

// Of every width, unit and size of dictionary.
static void random_row(struct projection_row *row) {
  static const int64_t units_us[] = {1, 1000, 1000000};
  uint64_t most = (uint64_t[]){1, 3, 40, 400}[roll(4)], channels = (uint64_t[]){1, 2, 16, 17, 256, 400}[roll(6)];
  uint64_t codes = (uint64_t[]){1, 2, 16, 17, 256}[roll(5)];
  uint64_t time_mask = UINT64_MAX >> 2 >> roll(62), amount_mask = UINT64_MAX >> roll(64);
  int64_t unit_us = units_us[roll(3)], base = (int64_t)roll(1000000) - 500000;
  projection_row_clear(row, 1 + (uint32_t)roll(1000));
  for (size_t i = 0; i < PROJECTION_CUSTOMERS; i++) {
    size_t count = roll(5) == 0 || i == 77 ? 1 + roll(most) : 0;
    assert_true(projection_row_reserve(row, count));
    for (size_t j = 0; j < count; j++) {
      size_t at = row->columns.count++;
      row->columns.time_us[at] = base + (int64_t)(fixture_random(&seed) & time_mask) / 1000000 * unit_us;
      row->columns.amount[at] = (int64_t)(fixture_random(&seed) & amount_mask);
      row->columns.name[at] = row->name;
      row->columns.channel[at] = (uint32_t)roll(channels) * 77;
      row->columns.amount_code[at] = (uint8_t)roll(codes);
    }
    row->from[i + 1] = (uint32_t)row->columns.count;
  }
}

static void check_row(const struct projection_row *a, const struct projection_row *b) {
  assert_int_equal(a->columns.count, b->columns.count);
  assert_memory_equal(a->from, b->from, sizeof a->from);
  for (size_t i = 0; i < a->columns.count; i++) {
    assert_true(a->columns.time_us[i] == b->columns.time_us[i] && a->columns.amount[i] == b->columns.amount[i]);
    assert_int_equal(a->columns.name[i], b->columns.name[i]);
    assert_int_equal(a->columns.channel[i], b->columns.channel[i]);
    assert_int_equal(a->columns.amount_code[i], b->columns.amount_code[i]);
  }
}

// In memory of its own size, so that a read past its end is found.
static enum err read_copy(const uint8_t *data, size_t size, struct projection_row *row) {
  uint8_t *copy = malloc(size + (size == 0));
  assert_non_null(copy);
  memcpy(copy, data, size);
  enum err err = projection_row_read(bytes_of(copy, size), 5, false, row);
  free(copy);
  return err;
}

static void test_rows_there_and_back(void **state) {
  (void)state;
  struct projection_row row, back;
  struct buffer out;
  projection_row_init(&row, 0);
  projection_row_init(&back, 0);
  buffer_init(&out);
  for (int i = 0; i < ROWS; i++) {
    random_row(&row);
    buffer_clear(&out);
    projection_row_put(&row, &out);
    assert_int_equal(projection_row_read(buffer_view(&out), row.name, false, &back), ERR_OK);
    check_row(&row, &back);
    for (size_t cut = 1; cut < 40; cut++) // too short
      assert_int_equal(read_copy(out.data, cut < out.size_bytes ? out.size_bytes - cut : 0, &back), ERR_CORRUPT);
    for (int flip = 0; flip < FLIPS; flip++) { // damaged: refused, or something of the same size
      size_t at = roll(3) == 0 ? roll(out.size_bytes) : roll(32);
      out.data[at] ^= (uint8_t)(1 + roll(255));
      enum err err = read_copy(out.data, out.size_bytes, &back);
      assert_true(err == ERR_OK || err == ERR_CORRUPT);
      if (err == ERR_OK) assert_int_equal(back.from[PROJECTION_CUSTOMERS], back.columns.count);
    }
  }
  projection_row_release(&row);
  projection_row_release(&back);
  buffer_release(&out);
}

static void test_directories_there_and_back(void **state) {
  (void)state;
  struct projection_directory directory = {.side = 1, .beside = {1, 0, 5, UINT64_C(1) << 63}}, back;
  const uint32_t names[] = {3, 9, 70000};
  struct buffer out;
  buffer_init(&out);
  projection_directory_put(&directory, names, 3, &out);
  assert_int_equal(projection_directory_read(buffer_view(&out), &back), ERR_OK);
  assert_int_equal(back.side, 1);
  assert_memory_equal(back.beside, directory.beside, sizeof back.beside);
  assert_true(projection_directory_has(&back, 70000) && !projection_directory_has(&back, 4));
  for (size_t size = 0; size < out.size_bytes; size++) {
    enum err err = projection_directory_read(bytes_of(out.data, size), &back);
    assert_true(err == ERR_CORRUPT || (err == ERR_OK && (out.size_bytes - size) % 4 == 0 && size >= 34));
  }
  buffer_release(&out);
}

static void test_keys(void **state) {
  (void)state;
  const uint64_t blocks[] = {0, 1, PROJECTION_GROUP - 1, PROJECTION_GROUP, 1234567};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    struct key key, from, to;
    uint64_t block;
    uint32_t name;
    projection_key(blocks[i], PROJECTION_SIDE(1), &key);
    projection_group_range(blocks[i], &from, &to);
    assert_true(projection_key_read(key_view(&key), &block, &name));
    assert_true(block == blocks[i] && name == PROJECTION_SIDE(1));
    assert_true(bytes_compare(key_view(&from), key_view(&key)) < 0 && bytes_compare(key_view(&key), key_view(&to)) < 0);
    key.size_bytes--;
    assert_false(projection_key_read(key_view(&key), &block, &name));
  }
}

// --- a crowd -------------------------------------------------------------------------------------------------

// In the first and the third block, and few in the second. 33 has more events than a projection takes; those of 50 are
// in parts, one of them in another block; 20 and 300 went into 50.
static void open_crowd(struct crowd *crowd, bool on_disk) {
  *crowd = (struct crowd){0};
  people_open(&crowd->people, on_disk);
  for (uint64_t id = 1; id < IDS; id++) {
    if (id % 7 == 0 || (id > 200 && id < 290) || (id > 320 && id < 510)) continue;
    struct person *person = add_person(crowd, id);
    size_t count = id % 5 == 0 ? 0 : id == 33 ? 1200 : id == 254 ? 500 : 1 + id % 12;
    if (id == 50) memcpy(person->parts, (uint64_t[]){20, 300}, sizeof person->parts), person->part_count = 2;
    if (id == 20 || id == 300) person->merged_into = 50;
    people_write(&crowd->people, person, person->merged_into != 0 ? 0 : id == 50 ? 30 : count);
  }
}

static void look(struct crowd *crowd) {
  if (crowd->snapshot != NULL) store_snapshot_close(crowd->snapshot);
  assert_int_equal(store_snapshot_open(crowd->people.fixture.store, &crowd->snapshot), ERR_OK);
}

static enum err put_row(void *context, uint64_t block, uint32_t name, struct bytes row) {
  struct key key;
  projection_key(block, name, &key);
  return store_put(context, STORE_PROJECTION, key_view(&key), row);
}

static void build(struct crowd *crowd, uint64_t from, uint64_t to) {
  struct store_txn *txn;
  struct store_mark mark;
  look(crowd);
  assert_int_equal(store_begin(crowd->people.fixture.store, &txn), ERR_OK);
  struct projection_build build = {.snapshot = crowd->snapshot, .from = from, .to = to, .put = put_row, .context = txn};
  assert_int_equal(projection_build(&build), ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  look(crowd);
}

// One change of the store: an id noted on a side; a row deleted when id is IDS.
static void change(struct crowd *crowd, uint64_t block, uint32_t name, uint64_t id) {
  struct store_txn *txn;
  struct store_mark mark;
  struct key key;
  uint8_t place = (uint8_t)id;
  projection_key(block, name, &key);
  assert_int_equal(store_begin(crowd->people.fixture.store, &txn), ERR_OK);
  if (id == IDS)
    assert_int_equal(store_delete(txn, STORE_PROJECTION, key_view(&key)), ERR_OK);
  else
    assert_int_equal(store_append(txn, STORE_PROJECTION, key_view(&key), bytes_of(&place, 1)), ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  look(crowd);
}

// --- scans ---------------------------------------------------------------------------------------------------

static bool is_chosen(const uint32_t *names, size_t count, uint32_t name) {
  for (size_t i = 0; i < count; i++)
    if (names[i] == name) return true;
  return false;
}

static int by_time_and_name(const void *a, const void *b) {
  const struct timeline_event *left = a, *right = b;
  if (left->at.time_us != right->at.time_us) return left->at.time_us < right->at.time_us ? -1 : 1;
  if (left->name != right->name) return left->name < right->name ? -1 : 1;
  return identity_instant_compare(&left->at, &right->at);
}

static size_t choose(const struct person *person, const uint32_t *names, size_t count, struct timeline_event *events) {
  size_t chosen = 0;
  for (size_t i = 0; i < person->count; i++)
    if (is_chosen(names, count, person->events[i].name)) events[chosen++] = person->events[i];
  return chosen;
}

// Of events at one instant only the order within a name is promised.
static void check_columns(struct crowd *crowd, struct facts *facts, const struct person *person, const uint32_t *names,
                          size_t count) {
  static struct timeline_event expected[PEOPLE_EVENTS_MAX], given[PEOPLE_EVENTS_MAX];
  struct rule_columns columns;
  size_t chosen = choose(person, names, count, expected), at = 0;
  qsort(expected, chosen, sizeof *expected, by_time_and_name);
  assert_int_equal(people_columns(facts, names, count, INT64_MIN, INT64_MAX, &columns), ERR_OK);
  for (size_t i = 0; i < columns.count; i++) {
    if (i > 0) assert_true(columns.time_us[i - 1] <= columns.time_us[i]);
    if (!is_chosen(names, count, columns.name[i])) continue; // more may be given
    given[at] = (struct timeline_event){.at = {.time_us = columns.time_us[i]}, .name = columns.name[i]};
    memcpy(given[at++].at.event, &(uint64_t[2]){htobe64(i), 0}, IDENTITY_EVENT_ID_BYTES); // keeps the order given
  }
  assert_int_equal(at, chosen);
  qsort(given, at, sizeof *given, by_time_and_name);
  for (size_t i = 0; i < at; i++) {
    uint64_t index;
    memcpy(&index, given[i].at.event, sizeof index);
    people_check_event(&columns, be64toh(index), &expected[i]);
    if (i % 5 == 0) people_check_message(&crowd->people, facts, be64toh(index), &expected[i]);
  }
}

static void check_scan(struct crowd *crowd, const uint32_t *names, size_t count, uint64_t from, uint64_t to) {
  static struct timeline_event events[PEOPLE_EVENTS_MAX];
  struct scan_options options = {
      .snapshot = crowd->snapshot, .from = from, .to = to, .events = true, .names = names, .name_count = count};
  struct scan *scan;
  struct facts *facts;
  uint64_t next = 0;
  enum err err = scan_open(&scan, &options);
  assert_int_equal(err, ERR_OK);
  while ((err = scan_next(scan, &facts)) == ERR_OK) {
    uint64_t id = facts->id;
    assert_true(id >= from && (to == 0 || id < to) && id >= next && id < IDS && crowd->persons[id] != NULL);
    for (; next < id; next++) // those left out have nothing
      if (next >= from && crowd->persons[next] != NULL && crowd->persons[next]->merged_into == 0)
        assert_int_equal(choose(crowd->persons[next], names, count, events), 0);
    assert_int_equal(crowd->persons[id]->merged_into, 0);
    check_columns(crowd, facts, crowd->persons[id], names, count);
    next = id + 1;
  }
  assert_int_equal(err, ERR_NOT_FOUND);
  for (; next < IDS; next++)
    if (next >= from && (to == 0 || next < to) && crowd->persons[next] != NULL &&
        crowd->persons[next]->merged_into == 0)
      assert_int_equal(choose(crowd->persons[next], names, count, events), 0);
  scan_close(scan);
}

// Of each name nothing but older events than the newest up to `now_us` may be missing.
static void check_newest(struct facts *facts, const uint32_t *names, size_t count, int64_t now_us) {
  const struct rule_events_wanted every = {names, count, INT64_MIN, INT64_MAX, false, 0},
                                  newest = {names, count, INT64_MIN, INT64_MAX, true, now_us};
  struct rule_columns given;
  int64_t times[PEOPLE_EVENTS_MAX];
  uint32_t of[PEOPLE_EVENTS_MAX];
  assert_int_equal(facts->customer.columns(facts->customer.context, &every, &given), ERR_OK);
  size_t needed = 0;
  for (size_t i = 0; i < given.count; i++) {
    bool outdone = false;
    for (size_t j = i + 1; j < given.count && given.time_us[j] <= now_us; j++)
      outdone = outdone || given.name[j] == given.name[i];
    if (outdone) continue;
    times[needed] = given.time_us[i];
    of[needed++] = given.name[i];
  }
  assert_int_equal(facts->customer.columns(facts->customer.context, &newest, &given), ERR_OK);
  size_t met = 0;
  for (size_t i = 0; i < given.count && met < needed; i++)
    met += given.time_us[i] == times[met] && given.name[i] == of[met];
  assert_int_equal(met, needed);
}

// With `times_only` a scan gives the same customers, and of them the same times and names in the same order.
static void check_times(struct crowd *crowd, const uint32_t *names, size_t count) {
  struct scan_options options = {.snapshot = crowd->snapshot, .events = true, .names = names, .name_count = count};
  struct scan *whole, *times;
  struct facts *of_whole, *of_times;
  struct rule_columns all, some;
  enum err err = scan_open(&whole, &options);
  assert_int_equal(err, ERR_OK);
  options.times_only = true;
  assert_int_equal(scan_open(&times, &options), ERR_OK);
  while ((err = scan_next(whole, &of_whole)) == ERR_OK) {
    assert_int_equal(scan_next(times, &of_times), ERR_OK);
    assert_true(of_whole->id == of_times->id);
    assert_int_equal(people_columns(of_whole, names, count, INT64_MIN, INT64_MAX, &all), ERR_OK);
    assert_int_equal(people_columns(of_times, names, count, INT64_MIN, INT64_MAX, &some), ERR_OK);
    assert_int_equal(all.count, some.count);
    if (all.count == 0) continue;
    assert_memory_equal(all.time_us, some.time_us, all.count * sizeof *all.time_us);
    assert_memory_equal(all.name, some.name, all.count * sizeof *all.name);
    check_newest(of_times, names, count, some.time_us[roll((unsigned)some.count)]);
  }
  assert_int_equal(err, ERR_NOT_FOUND);
  assert_int_equal(scan_next(times, &of_times), ERR_NOT_FOUND);
  scan_close(whole);
  scan_close(times);
}

static void check_scans(struct crowd *crowd) {
  static const uint64_t ranges[][2] = {{0, 0},     {0, 50},    {50, 51},   {51, 0},
                                       {250, 260}, {256, 512}, {511, 513}, {900, 0}};
  for (int i = 0; i < SUBSETS; i++) {
    uint32_t names[PEOPLE_NAMES + 1];
    size_t count = 0;
    for (uint32_t name = 0; name <= PEOPLE_NAMES; name++) // 0: what the dictionary lacks
      if (roll(i < SUBSETS / 2 ? 4 : 2) == 0) names[count++] = name;
    size_t range = i % 3 == 0 ? 0 : roll(sizeof ranges / sizeof *ranges);
    check_scan(crowd, names, count, ranges[range][0], ranges[range][1]);
    check_times(crowd, names, count);
  }
}

static void breach(void *context, const char *what) {
  ++*(unsigned *)context;
  (void)what;
}

static unsigned verify(struct crowd *crowd, uint64_t block) {
  unsigned breaches = 0;
  assert_int_equal(projection_verify(crowd->snapshot, block, block + 1, breach, &breaches), ERR_OK);
  return breaches;
}

static void try_scans(bool on_disk) {
  struct crowd crowd;
  open_crowd(&crowd, on_disk);
  look(&crowd);
  check_scans(&crowd);
  build(&crowd, 0, 3);
  check_scans(&crowd);
  for (uint64_t block = 0; block < 3; block++) assert_int_equal(verify(&crowd, block), 0);
  for (uint64_t id = 0; id < IDS; id += 1 + roll(9))
    change(&crowd, projection_block(id), PROJECTION_SIDE(roll(2)), id % PROJECTION_CUSTOMERS);
  check_scans(&crowd);
  change(&crowd, 1, PROJECTION_DIRECTORY, IDS); // in the middle; its other rows are left
  check_scans(&crowd);
  change(&crowd, 0, PROJECTION_DIRECTORY, IDS);
  check_scans(&crowd);
  build(&crowd, 1, 2);
  check_scans(&crowd);
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

static enum err each_block(void *context, uint64_t block, const struct projection_directory *directory) {
  uint64_t *blocks = context;
  (void)directory;
  *blocks = *blocks * 10 + block + 1;
  return ERR_OK;
}

static void test_finding_what_is_wrong(void **state) {
  (void)state;
  struct crowd crowd;
  struct arena arena;
  uint64_t blocks = 0;
  uint32_t *names;
  size_t count;
  open_crowd(&crowd, false);
  build(&crowd, 0, 3);
  assert_int_equal(projection_directories(crowd.snapshot, each_block, &blocks), ERR_OK);
  assert_int_equal(blocks, 123);
  arena_init(&arena, 0);
  struct store_cursor *cursor;
  assert_int_equal(store_snapshot_scan(crowd.snapshot, STORE_PROJECTION, BYTES(""), BYTES(""), &cursor), ERR_OK);
  assert_int_equal(projection_names(cursor, 1, &arena, &names, &count), ERR_OK);
  store_cursor_close(cursor);
  assert_int_equal(count, PEOPLE_NAMES);
  for (size_t i = 0; i < count; i++) assert_int_equal(names[i], i + 1);
  arena_release(&arena);
  // An event that nobody noted.
  struct store_txn *txn;
  struct store_mark mark;
  struct timeline_event event = people_event(&crowd.people);
  struct key key;
  uint8_t row[128];
  arena_init(&arena, 0);
  timeline_row_key(8, &(struct identity_instant){.time_us = INT64_MIN}, &key);
  timeline_row_put_segment(&event, 1, row);
  assert_int_equal(store_begin(crowd.people.fixture.store, &txn), ERR_OK);
  assert_int_equal(store_append(txn, STORE_TIMELINE, key_view(&key), bytes_of(row, timeline_row_segment_bytes(1))),
                   ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  look(&crowd);
  assert_true(verify(&crowd, 0) > 0);
  assert_int_equal(verify(&crowd, 1), 0);
  change(&crowd, 0, PROJECTION_SIDE(1), 8);
  assert_int_equal(verify(&crowd, 0), 0);
  change(&crowd, 1, 3, IDS); // a row is gone
  assert_true(verify(&crowd, 1) > 0);
  arena_release(&arena);
  close_crowd(&crowd);
}

// Whatever fails on the way, nothing leaks and the next try succeeds.
static void test_short_memory(void **state) {
  (void)state;
  struct crowd crowd;
  open_crowd(&crowd, false);
  build(&crowd, 0, 3);
  const uint32_t names[] = {2, 3, 5};
  for (uint64_t allowed = 0;; allowed++) {
    struct scan_options options = {.snapshot = crowd.snapshot, .events = true, .names = names, .name_count = 3};
    struct rule_columns columns;
    struct scan *scan = NULL;
    struct facts *facts;
    alloc_fail_after(allowed, false);
    enum err err = scan_open(&scan, &options);
    while (err == ERR_OK) {
      err = scan_next(scan, &facts);
      if (err == ERR_OK) err = people_columns(facts, names, 3, INT64_MIN, INT64_MAX, &columns);
    }
    scan_close(scan);
    if (!alloc_fail_disarm()) {
      assert_int_equal(err, ERR_NOT_FOUND);
      break;
    }
    assert_int_equal(err, ERR_NO_MEMORY);
  }
  close_crowd(&crowd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_there_and_back),
      cmocka_unit_test(test_directories_there_and_back),
      cmocka_unit_test(test_keys),
      cmocka_unit_test(test_scans_in_memory),
      cmocka_unit_test(test_scans_on_disk),
      cmocka_unit_test(test_finding_what_is_wrong),
      cmocka_unit_test(test_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
