// The feed: rows of many changes, cursors within them, one segment's changes over many blocks, what old rows, restarts,
// failures and writers side by side do to them. Throughout, a segment's changes are those of the whole feed that name
// it.
#include "engine_live_kit.h"

#include <pthread.h>

#include "engine/feed_row.h"
#include "segment/definition.h"
#include "store/store_wrap.h"

enum { PEOPLE = 40, SEEN_MAX = 4096, CHANGES_MAX = 500 };

static struct kit kit;
static struct bytes people[PEOPLE];

static int setup(void **state) {
  static char names[PEOPLE][24];
  (void)state;
  kit_open(&kit);
  for (int i = 0; i < PEOPLE; i++) {
    char line[64];
    snprintf(names[i], sizeof names[i], "user_id:u%d", i);
    people[i] = bytes_from_text(names[i]);
    snprintf(line, sizeof line, "event t=%d user_id:u%d", i, i);
    kit_line(&kit, line);
  }
  live_put(&kit, "{\"id\":\"red\",\"kind\":\"list\"}");
  live_put(&kit, "{\"id\":\"blue\",\"kind\":\"list\"}");
  live_settle(&kit);
  kit.check_each = false;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

// Puts `count` people on a list, or takes them off.
static void change(const char *list, size_t count, bool listed) {
  free(live_list(&kit, list, people, count, listed));
}

static void reopen(void) {
  struct engine_options options = {.store = kit.store, .clock = &kit.clock};
  struct diag diag;
  diag_init(&diag);
  engine_close(kit.engine);
  kit.engine = NULL;
  if (engine_open(&kit.engine, &options, &diag) != ERR_OK) fail_msg("engine_open: %s", diag.message);
}

// --- what is seen --------------------------------------------------------------------------------------------

struct seen {
  struct {
    unsigned long cursor;
    char text[256];
  } items[SEEN_MAX];
  size_t count;
  const char *only; // of the whole feed: what names this segment
};

static enum err note(void *context, struct bytes cursor, struct bytes document) {
  struct seen *seen = context;
  char name[32];
  assert_true(seen->count < SEEN_MAX);
  snprintf(seen->items[seen->count].text, sizeof seen->items->text, "%.*s", BYTES_ARG(document));
  snprintf(name, sizeof name, "%.*s", BYTES_ARG(cursor));
  seen->items[seen->count].cursor = strtoul(name, NULL, 16);
  snprintf(name, sizeof name, "\"segment\":\"%s\"", seen->only == NULL ? "" : seen->only);
  if (seen->only == NULL || strstr(seen->items[seen->count].text, name) != NULL) seen->count++;
  return ERR_OK;
}

// Page by page, until one is not full.
static void read_all(struct seen *seen, const char *segment, const char *after, size_t limit) {
  char next[ENGINE_CURSOR_BYTES];
  struct diag diag;
  diag_init(&diag);
  snprintf(next, sizeof next, "%s", after);
  for (size_t before = SIZE_MAX; before == SIZE_MAX || seen->count == before + limit;) {
    before = seen->count;
    enum err err = engine_changes_each(kit.engine, bytes_from_text(segment), bytes_from_text(next), limit, note, seen,
                                       next, &diag);
    if (err != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  }
}

static struct seen *all_of(const char *segment, const char *after, size_t limit) {
  struct seen *seen = calloc(1, sizeof *seen);
  read_all(seen, segment, after, limit);
  return seen;
}

// What the whole feed says of one segment.
static struct seen *filtered(const char *segment, const char *after) {
  struct seen *seen = calloc(1, sizeof *seen);
  char next[ENGINE_CURSOR_BYTES];
  seen->only = segment;
  char before[ENGINE_CURSOR_BYTES] = "-";
  for (snprintf(next, sizeof next, "%s", after); strcmp(before, next) != 0;) {
    snprintf(before, sizeof before, "%s", next);
    assert_int_equal(
        engine_changes_each(kit.engine, BYTES(""), bytes_from_text(next), CHANGES_MAX, note, seen, next, NULL), ERR_OK);
  }
  return seen;
}

static void assert_segment_is_whole(const char *segment, const char *after) {
  struct seen *wanted = filtered(segment, after);
  for (size_t limit = 1; limit <= 100; limit = limit * 3 + 1) {
    struct seen *got = all_of(segment, after, limit);
    assert_int_equal(got->count, wanted->count);
    for (size_t i = 0; i < got->count; i++) assert_int_equal(got->items[i].cursor, wanted->items[i].cursor);
    free(got);
  }
  free(wanted);
}

// Rows of CHANGE that begin with this letter.
static size_t count_rows(char letter) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, value;
  size_t count = 0;
  assert_int_equal(store_snapshot_open(kit.store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_CHANGE, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &value)) count += key.data[0] == (uint8_t)letter;
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return count;
}

// --- rows ----------------------------------------------------------------------------------------------------

static void test_a_row_gives_back_what_was_put(void **state) {
  (void)state;
  static const struct segment_definition low = {.question = 1}, high = {.question = UINT32_MAX};
  const struct live_change changes[] = {
      {7, &low, NULL, true, false, 1000},
      {7, &high, NULL, false, false, 1000},
      {8, &low, NULL, true, true, 999},
      {UINT64_MAX, &low, NULL, true, false, -5},
      {1, &high, NULL, false, true, INT64_MIN + 1},
      {0, &low, NULL, true, false, INT64_MAX},
  };
  enum { COUNT = sizeof changes / sizeof *changes };
  struct feed_row row;
  struct feed_change got;
  struct buffer out;
  struct key key;
  buffer_init(&out);
  feed_row_key(&key, 41);
  feed_row_encode(changes, COUNT, 1000, &out);
  assert_int_equal(feed_row_open(&row, key_view(&key), buffer_view(&out)), ERR_OK);
  assert_int_equal(row.count, COUNT);
  assert_int_equal(row.recorded_us, 1000);
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(feed_row_next(&row, &got), ERR_OK);
    assert_int_equal(got.number, 41 + i);
    assert_int_equal(got.customer, changes[i].customer);
    assert_int_equal(got.question, changes[i].segment->question);
    assert_int_equal(got.entered, changes[i].entered);
    assert_int_equal(got.backfill, changes[i].backfill);
    assert_int_equal(got.at_us, changes[i].at_us);
  }
  assert_int_equal(feed_row_next(&row, &got), ERR_NOT_FOUND);
  for (size_t size = 0; size < out.size_bytes; size++) { // cut short anywhere
    enum err err = feed_row_open(&row, key_view(&key), bytes_of(out.data, size));
    while (err == ERR_OK) err = feed_row_next(&row, &got);
    assert_int_equal(err, ERR_CORRUPT);
  }
  buffer_append_byte(&out, 0);
  enum err err = feed_row_open(&row, key_view(&key), buffer_view(&out));
  while (err == ERR_OK) err = feed_row_next(&row, &got);
  assert_int_equal(err, ERR_CORRUPT);
  buffer_release(&out);
}

// Between two of segments.
static void test_a_row_gives_back_what_loyalty_did(void **state) {
  (void)state;
  static const struct segment_definition low = {.question = 1};
  static const struct feed_loyalty spent = {
      .kind = FEED_POINTS, .change = 3, .programme = 7, .currency = 2, .amount = -300, .posting = UINT64_MAX};
  static const struct feed_loyalty up = {.kind = FEED_TIER, .programme = UINT32_MAX, .level = 255, .before = 1};
  static const struct feed_loyalty code = {.kind = FEED_VOUCHER, .change = 4, .code = BYTES_INIT("MUG-1")};
  const struct live_change changes[] = {
      {7, &low, NULL, true, false, 1000},     {7, NULL, &spent, false, false, 1000}, {8, NULL, &up, false, false, 2000},
      {1, NULL, &code, false, false, -70000}, {1, &low, NULL, false, false, 1000},
  };
  enum { COUNT = sizeof changes / sizeof *changes };
  struct feed_row row;
  struct feed_change got;
  struct buffer out;
  struct key key;
  buffer_init(&out);
  feed_row_key(&key, 41);
  feed_row_encode(changes, COUNT, 1000, &out);
  assert_int_equal(feed_row_open(&row, key_view(&key), buffer_view(&out)), ERR_OK);
  for (size_t i = 0; i < COUNT; i++) {
    const struct feed_loyalty *put = changes[i].loyalty;
    assert_int_equal(feed_row_next(&row, &got), ERR_OK);
    assert_int_equal(got.customer, changes[i].customer);
    assert_int_equal(got.at_us, changes[i].at_us);
    assert_int_equal(got.question, put == NULL ? 1 : 0);
    if (put == NULL) continue;
    assert_int_equal(got.loyalty.kind, put->kind);
    assert_int_equal(got.loyalty.change, put->change);
    assert_int_equal(got.loyalty.programme, put->programme);
    assert_int_equal(got.loyalty.currency, put->currency);
    assert_int_equal(got.loyalty.level, put->level);
    assert_int_equal(got.loyalty.before, put->before);
    assert_int_equal(got.loyalty.amount, put->amount);
    assert_int_equal(got.loyalty.posting, put->posting);
    assert_true(bytes_equal(got.loyalty.code, put->code));
  }
  assert_int_equal(feed_row_next(&row, &got), ERR_NOT_FOUND);
  for (size_t size = 0; size < out.size_bytes; size++) { // cut short anywhere
    enum err err = feed_row_open(&row, key_view(&key), bytes_of(out.data, size));
    while (err == ERR_OK) err = feed_row_next(&row, &got);
    assert_int_equal(err, ERR_CORRUPT);
  }
  buffer_release(&out);
}

static void test_a_change_takes_few_bytes(void **state) {
  (void)state;
  static struct segment_definition segments[1000];
  static struct live_change changes[256];
  struct buffer out;
  buffer_init(&out);
  for (uint32_t i = 0; i < 1000; i++) segments[i].question = i + 1;
  for (size_t i = 0; i < 256; i++) // four of each customer; every second by the clock, seconds ago
    changes[i] = (struct live_change){.customer = 1 + (i / 4 * 7919) % 1000000,
                                      .segment = &segments[i * 37 % 1000],
                                      .entered = i % 2 == 0,
                                      .at_us = KIT_EPOCH_US - (int64_t)(i % 2 * 3000000 + i % 2 * i)};
  feed_row_encode(changes, 256, KIT_EPOCH_US, &out);
  assert_true(out.size_bytes < 256 * 7);
  buffer_release(&out);
}

static void test_a_row_of_another_format_is_refused(void **state) {
  (void)state;
  struct feed_row row;
  struct key key;
  feed_row_key(&key, 1);
  assert_int_equal(feed_row_open(&row, key_view(&key), BYTES("\x01\x01\x01\x01\x01\x02\x02\x03red")), ERR_CORRUPT);
  assert_int_equal(feed_row_open(&row, key_view(&key), BYTES("\x02\x81\x20\x02")), ERR_CORRUPT); // too many changes
  assert_int_equal(feed_row_open(&row, key_view(&key), bytes_of("\x02\0\x02", 3)), ERR_CORRUPT); // none
  assert_int_equal(feed_row_open(&row, BYTES("a"), BYTES("\x02\x01\x02")), ERR_CORRUPT);
}

// --- cursors -------------------------------------------------------------------------------------------------

static void test_a_commit_is_one_row_and_cursors_lie_within(void **state) {
  (void)state;
  change("red", PEOPLE, true);
  change("blue", 7, true);
  change("red", 3, false);
  assert_int_equal(count_rows('a'), 3);
  assert_int_equal(count_rows('s'), 2);
  struct seen *all = all_of("", "", 1000);
  assert_int_equal(all->count, PEOPLE + 10);
  for (size_t i = 0; i < all->count; i++) {
    char after[32];
    snprintf(after, sizeof after, "%lx", all->items[i].cursor);
    for (size_t limit = 1; limit < 50; limit += 6) {
      struct seen *rest = all_of("", after, limit);
      assert_int_equal(rest->count, all->count - i - 1);
      for (size_t k = 0; k < rest->count; k++) assert_int_equal(rest->items[k].cursor, all->items[i + 1 + k].cursor);
      free(rest);
    }
    assert_segment_is_whole("red", after);
    assert_segment_is_whole("blue", after);
  }
  assert_segment_is_whole("nothing", "");
  free(all);
}

// A row far ahead, as if much had happened in between: `gap` numbers on.
static void skip_numbers(uint64_t gap) {
  static const struct segment_definition blue = {.question = 2, .id = BYTES_INIT("blue")};
  const struct live_change one = {1, &blue, NULL, true, false, 5};
  char present[ENGINE_CURSOR_BYTES];
  struct store_txn *txn;
  struct store_mark mark;
  struct buffer row;
  struct key key;
  buffer_init(&row);
  assert_int_equal(engine_changes_present(kit.engine, present, NULL), ERR_OK);
  uint64_t number = strtoul(present, NULL, 16) + gap;
  feed_row_encode(&one, 1, clock_now_us(&kit.clock), &row);
  assert_int_equal(store_begin(kit.store, &txn), ERR_OK);
  feed_row_key(&key, number);
  assert_int_equal(store_put(txn, STORE_CHANGE, key_view(&key), buffer_view(&row)), ERR_OK);
  feed_segment_key(&key, blue.id, feed_block(number));
  assert_int_equal(store_put(txn, STORE_CHANGE, key_view(&key), BYTES("")), ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  buffer_release(&row);
  reopen();
}

static void test_one_segment_over_many_blocks(void **state) {
  (void)state;
  for (int i = 0; i < 6; i++) {
    change("blue", 5, i % 2 == 0);
    if (i % 3 == 0) change("red", 20, i == 0);
    skip_numbers(i == 2 ? FEED_BLOCK / 2 : 3 * FEED_BLOCK - 10); // rows that reach into the next block
  }
  for (int i = 0; i < 3; i++) change("red", 30, i != 1);
  assert_segment_is_whole("red", "");
  assert_segment_is_whole("blue", "");
  struct seen *red = all_of("red", "", 1000);
  assert_int_equal(red->count, 20 + 20 + 30 * 3);
  char after[32];
  for (size_t i = 0; i < red->count; i += 7) {
    snprintf(after, sizeof after, "%lx", red->items[i].cursor);
    assert_segment_is_whole("red", after);
    assert_segment_is_whole("blue", after);
  }
  free(red);
}

static void test_a_page_that_reaches_the_present_is_past_all(void **state) {
  (void)state;
  char next[ENGINE_CURSOR_BYTES], present[ENGINE_CURSOR_BYTES];
  struct seen *seen = calloc(1, sizeof *seen);
  change("red", 1, true);
  change("blue", 9, true);
  assert_int_equal(engine_changes_each(kit.engine, BYTES("red"), BYTES(""), 5, note, seen, next, NULL), ERR_OK);
  assert_int_equal(seen->count, 1);
  assert_int_equal(engine_changes_present(kit.engine, present, NULL), ERR_OK);
  assert_string_equal(next, present);
  change("red", 1, false);
  assert_int_equal(engine_changes_each(kit.engine, BYTES("red"), bytes_from_text(next), 5, note, seen, next, NULL),
                   ERR_OK);
  assert_int_equal(seen->count, 2);
  free(seen);
}

// --- restarts, versions, age ---------------------------------------------------------------------------------

static void test_a_restart_goes_on_behind_the_last_row(void **state) {
  (void)state;
  change("red", 10, true);
  reopen();
  change("red", 4, false);
  change("blue", 4, true);
  struct seen *all = all_of("", "", 7);
  assert_int_equal(all->count, 18);
  for (size_t i = 1; i < all->count; i++) assert_int_equal(all->items[i].cursor, all->items[i - 1].cursor + 1);
  assert_segment_is_whole("red", "");
  free(all);
}

static void test_versions_out_of_force_keep_their_names(void **state) {
  (void)state;
  for (int version = 1; version <= 70; version++) {
    char text[128];
    snprintf(text, sizeof text, "{\"id\":\"few\",\"include\":\"count(\\\"Viewed\\\") >= %d\"}", version % 2);
    live_put(&kit, text);
    live_settle(&kit);
  }
  struct live_answer answer;
  struct engine_commit commit = {0};
  live_ask(&answer);
  free(live_told(&kit, &answer,
                 engine_segment_archive(kit.engine, BYTES("few"), &answer.writer, &commit, &answer.diag)));
  char *page = live_changes(&kit, "few", "", 1000);
  assert_int_equal(live_count(page, "\"segment\":\"few\",\"version\":1,"), PEOPLE);
  assert_int_equal(live_count(page, "\"segment\":\"few\",\"version\":20,"), PEOPLE);
  free(page);
  assert_segment_is_whole("few", "");
}

static void refused_as_too_old(const char *segment, const char *after) {
  char next[ENGINE_CURSOR_BYTES];
  struct diag diag;
  struct seen *seen = calloc(1, sizeof *seen);
  assert_int_equal(
      engine_changes_each(kit.engine, bytes_from_text(segment), bytes_from_text(after), 2, note, seen, next, &diag),
      ERR_NOT_FOUND);
  assert_string_equal(diag.code, "cursor_too_old");
  assert_int_equal(seen->count, 0);
  free(seen);
}

static void test_old_changes_go_and_what_tells_of_them(void **state) {
  (void)state;
  change("red", 10, true);
  change("blue", 10, true);
  skip_numbers(2 * FEED_BLOCK);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 31 * CLOCK_DAY_US);
  change("red", 3, false);
  live_settle(&kit);
  assert_int_equal(count_rows('a'), 1);
  assert_int_equal(count_rows('s'), 2); // blue's of the block that is there: it says no harm
  struct seen *red = all_of("red", "", 2);
  assert_int_equal(red->count, 3);
  free(red);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 31 * CLOCK_DAY_US);
  live_settle(&kit);
  assert_int_equal(count_rows('a'), 0);
  reopen(); // numbers go on though there is no row
  change("red", 3, true);
  red = all_of("red", "", 2);
  assert_int_equal(red->count, 3);
  refused_as_too_old("red", "1");
  refused_as_too_old("", "1");
  assert_true(red->items[0].cursor > 2 * FEED_BLOCK);
  free(red);
}

static void test_a_feed_of_another_format_is_not_opened(void **state) {
  (void)state;
  struct engine_options options = {.store = kit.store, .clock = &kit.clock};
  struct store_txn *txn;
  struct store_mark mark;
  struct diag diag;
  struct key key;
  diag_init(&diag);
  engine_close(kit.engine);
  kit.engine = NULL;
  feed_row_key(&key, 1);
  assert_int_equal(store_begin(kit.store, &txn), ERR_OK);
  assert_int_equal(store_put(txn, STORE_CHANGE, key_view(&key), BYTES("\x01\x01\x01\x01\x01\x02\x02\x03red")), ERR_OK);
  assert_int_equal(store_commit(txn, &mark, NULL), ERR_OK);
  assert_int_equal(engine_open(&kit.engine, &options, &diag), ERR_CORRUPT);
  kit.engine = NULL;
}

// --- failures and threads ------------------------------------------------------------------------------------

static void test_a_commit_that_fails_leaves_nothing_untold(void **state) {
  struct store *memory, *fault;
  struct live_answer answer;
  struct store_mark mark;
  (void)state;
  kit_close(&kit);
  assert_int_equal(store_open_memory(&memory), ERR_OK);
  assert_int_equal(store_open_fault(&fault, memory), ERR_OK);
  kit_open_on(&kit, fault);
  for (int i = 0; i < 3; i++) {
    char line[64];
    snprintf(line, sizeof line, "event t=%d user_id:u%d", i, i);
    kit_line(&kit, line);
  }
  kit.check_each = false;
  live_put(&kit, "{\"id\":\"red\",\"kind\":\"list\"}");
  bool failed = true;
  int failures = 0;
  for (uint64_t allowed = 0; failed; allowed++) {
    live_ask(&answer);
    store_fault_after(fault, allowed, ERR_IO, false);
    enum err err = engine_list_change(kit.engine, BYTES("red"), people, 3, true, &answer.writer, &mark, &answer.diag);
    failed = store_fault_disarm(fault);
    assert_true(failed || err == ERR_OK);
    failures += err != ERR_OK;
    buffer_release(&answer.out);
  }
  assert_true(failures > 3);
  assert_segment_is_whole("red", "");
  struct seen *red = all_of("red", "", 10);
  assert_int_equal(red->count, 3);
  free(red);
}

static void *write_some(void *context) {
  const char *list = context;
  for (int i = 0; i < 60; i++) {
    struct live_answer answer;
    struct store_mark mark;
    live_ask(&answer);
    if (engine_list_change(kit.engine, bytes_from_text(list), people, (size_t)(1 + i % PEOPLE), i % 2 == 0,
                           &answer.writer, &mark, &answer.diag) != ERR_OK)
      return context;
    buffer_release(&answer.out);
  }
  return NULL;
}

static void test_two_writers_and_a_reader(void **state) {
  (void)state;
  pthread_t writers[2];
  void *failed;
  skip_numbers(FEED_BLOCK - 300); // into another block while they write
  assert_int_equal(pthread_create(&writers[0], NULL, write_some, (void *)(uintptr_t) "red"), 0);
  assert_int_equal(pthread_create(&writers[1], NULL, write_some, (void *)(uintptr_t) "blue"), 0);
  struct seen *seen = calloc(1, sizeof *seen);
  char next[ENGINE_CURSOR_BYTES] = "";
  for (int i = 0; i < 200; i++) // what is passed over while they write is never seen again
    assert_int_equal(engine_changes_each(kit.engine, BYTES("red"), bytes_from_text(next), 3, note, seen, next, NULL),
                     ERR_OK);
  for (int i = 0; i < 2; i++) {
    pthread_join(writers[i], &failed);
    assert_null(failed);
  }
  read_all(seen, "red", next, 100);
  struct seen *wanted = filtered("red", "");
  assert_true(wanted->count > 60);
  assert_int_equal(seen->count, wanted->count);
  for (size_t i = 0; i < seen->count; i++) assert_int_equal(seen->items[i].cursor, wanted->items[i].cursor);
  assert_segment_is_whole("blue", "");
  free(wanted);
  free(seen);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_row_gives_back_what_was_put),
      cmocka_unit_test(test_a_row_gives_back_what_loyalty_did),
      cmocka_unit_test(test_a_change_takes_few_bytes),
      cmocka_unit_test(test_a_row_of_another_format_is_refused),
      cmocka_unit_test_setup_teardown(test_a_commit_is_one_row_and_cursors_lie_within, setup, teardown),
      cmocka_unit_test_setup_teardown(test_one_segment_over_many_blocks, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_page_that_reaches_the_present_is_past_all, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_restart_goes_on_behind_the_last_row, setup, teardown),
      cmocka_unit_test_setup_teardown(test_versions_out_of_force_keep_their_names, setup, teardown),
      cmocka_unit_test_setup_teardown(test_old_changes_go_and_what_tells_of_them, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_feed_of_another_format_is_not_opened, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_commit_that_fails_leaves_nothing_untold, setup, teardown),
      cmocka_unit_test_setup_teardown(test_two_writers_and_a_reader, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
