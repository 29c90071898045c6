// Merges of long timelines: the merge's commit moves at most LIMIT_MERGE_EVENTS events, the rest lies under the old id
// until the job has moved it. Whatever is asked meanwhile is answered as if it were done.
#include "engine_events.h"
#include "engine_read_fixture.h"

enum { MANY = LIMIT_MERGE_EVENTS + 300, SOME = 40 };

// `count` events of one identifier, one a minute from `start_s` on, each 50th with a trait; ids "<prefix><i>".
static void send_many(struct kit *kit, const char *reference, const char *prefix, int start_s, int count) {
  bool each = kit->check_each;
  kit->check_each = false;
  for (int i = 0; i < count; i++)
    kit_do(kit, "event t=%d id=%s%d %s%s", start_s + 60 * i, prefix, i, reference,
           i % 50 == 49 ? i % 100 == 99 ? " trait.city=Lyon" : " trait.city=Nice" : "");
  kit->check_each = each;
  kit_check(kit);
}

// Two people with times that interleave: u1 came first, k1 has the long timeline.
static void open_two(struct kit *kit) {
  read_open(kit); // event ids and their order are the same in every run
  kit->check_each = true;
  send_many(kit, "user_id:u1", "u", 30, SOME);
  send_many(kit, "loyalty_card:k1", "k", 0, MANY);
}

static void merge_two(struct kit *kit) {
  kit_do(kit, "event t=500 id=both user_id:u1 loyalty_card:k1");
}

static char *text_of(struct buffer *out) {
  buffer_append_byte(out, 0);
  char *text = strdup((const char *)out->data);
  buffer_release(out);
  return text;
}

// Everything held about her: record, identity, all events.
static char *exported(struct kit *kit, const char *reference) {
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  uint64_t customer = kit_customer(kit, reference);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  if (engine_export_json(view, customer, &writer, &diag) != ERR_OK) kit_fail(kit, diag.message);
  engine_view_close(view);
  return text_of(&out);
}

// The newest events, page by page.
static char *listed(struct kit *kit, const char *reference) {
  struct engine_events_query query = {.name = BYTES("Viewed"), .limit = 700};
  char cursor[128] = "";
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  uint64_t customer = kit_customer(kit, reference);
  buffer_init(&out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  for (bool more = true; more;) {
    size_t before = out.size_bytes;
    query.after = bytes_from_text(cursor);
    json_writer_init(&writer, &out);
    assert_int_equal(engine_events_json(view, customer, &query, &writer, &diag), ERR_OK);
    buffer_append_byte(&out, 0);
    const char *next = strstr((const char *)out.data + before, "\"next\":\"");
    more = next != NULL;
    if (more) snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(next + 8, "\""), next + 8);
    out.size_bytes--;
  }
  engine_view_close(view);
  return text_of(&out);
}

static void expect_text(const struct kit *kit, char *is, const char *was) {
  size_t same = 0;
  while (is[same] != '\0' && is[same] == was[same]) same++;
  if (is[same] != was[same])
    fail_msg("%s:\n...%.200s\nwas\n...%.200s", kit->where, is + (same < 100 ? 0 : same - 100),
             was + (same < 100 ? 0 : same - 100));
  free(is);
}

static uint64_t moving(struct kit *kit) {
  struct engine_loads loads;
  assert_int_equal(engine_get_loads(kit->engine, &loads), ERR_OK);
  return loads.moving;
}

// Calls `each` after every step, until nothing is left to move.
static int settle(struct kit *kit, void (*each)(struct kit *kit, void *context), void *context) {
  int steps = 0;
  while (moving(kit) > 0) {
    kit_step(kit);
    steps++;
    snprintf(kit->where, sizeof kit->where, "after step %d", steps);
    kit_check(kit);
    if (each != NULL) each(kit, context);
  }
  return steps;
}

// --- reading -------------------------------------------------------------------------------------------------

struct texts {
  char *exported, *listed;
};

static void expect_texts(struct kit *kit, void *context) {
  const struct texts *texts = context;
  expect_text(kit, exported(kit, "user_id:u1"), texts->exported);
  expect_text(kit, listed(kit, "loyalty_card:k1"), texts->listed);
}

// What a merge that moves all at once gives.
static void all_at_once(struct texts *texts) {
  struct kit kit;
  kit_merge_events = 2 * MANY;
  open_two(&kit);
  merge_two(&kit);
  assert_int_equal(moving(&kit), 0);
  texts->exported = exported(&kit, "user_id:u1");
  texts->listed = listed(&kit, "user_id:u1");
  kit_close(&kit);
}

static void test_reads_are_the_same(void **state) {
  struct texts at_once, texts;
  struct kit kit;
  (void)state;
  all_at_once(&at_once);
  kit_merge_events = 0;
  open_two(&kit);
  merge_two(&kit);
  assert_int_equal(moving(&kit), 1); // it was answered, and the events are where they were
  kit_do(&kit, "events user_id:u1 %d", MANY + SOME + 1);
  kit_do(&kit, "count events %d", MANY + SOME + 1);
  kit_do(&kit, "trait user_id:u1 city Lyon");
  texts = (struct texts){exported(&kit, "user_id:u1"), listed(&kit, "user_id:u1")};
  expect_text(&kit, strdup(texts.listed), at_once.listed);
  expect_text(&kit, strdup(texts.exported), at_once.exported);
  assert_int_equal(settle(&kit, expect_texts, &texts), 2);
  expect_texts(&kit, &texts);
  kit_close(&kit);
  free(texts.exported), free(texts.listed);
  free(at_once.exported), free(at_once.listed);
}

// A late event finds its place; one that came before is known by the timeline alone when its message id is forgotten.
static void test_events_during_the_move(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 0;
  open_two(&kit);
  kit_do(&kit, "days 1"); // upkeep begins to count
  kit_do(&kit, "days 90");
  merge_two(&kit);
  kit_do(&kit, "duplicate t=%d id=k7 loyalty_card:k1", 60 * 7);
  kit_do(&kit, "duplicate t=%d id=u7 user_id:u1", 30 + 60 * 7);
  kit_do(&kit, "event t=61 id=late loyalty_card:k1");
  kit_do(&kit, "step");
  kit_do(&kit, "moving 1");
  kit_do(&kit, "duplicate t=%d id=k7 loyalty_card:k1", 60 * 7);
  kit_do(&kit, "duplicate t=%d id=k%d loyalty_card:k1", 60 * (MANY - 1), MANY - 1);
  kit_do(&kit, "duplicate t=61 id=late user_id:u1");
  kit_do(&kit, "event t=%d id=later user_id:u1 trait.city=Metz", 60 * (MANY - 2) + 1);
  kit_do(&kit, "trait user_id:u1 city Lyon"); // the last of k's is newer
  settle(&kit, NULL, NULL);
  kit_do(&kit, "duplicate t=%d id=k7 loyalty_card:k1", 60 * 7);
  kit_do(&kit, "events user_id:u1 %d", MANY + SOME + 3);
  kit_close(&kit);
}

// --- what needs everything in one place ----------------------------------------------------------------------

static void split_after(int steps) {
  struct kit kit;
  kit_merge_events = 0;
  open_two(&kit);
  kit_do(&kit, "remember user_id:u1 u");
  kit_do(&kit, "remember loyalty_card:k1 k");
  char *events = listed(&kit, "loyalty_card:k1");
  kit_do(&kit, "event t=500 id=both email:a@x.org loyalty_card:k1"); // a third one joins the two and can be cut out
  kit_do(&kit, "event t=501 id=both2 email:a@x.org user_id:u1");
  assert_int_equal(moving(&kit), 1);
  for (int i = 0; i < steps; i++) kit_do(&kit, "step");
  kit_do(&kit, "part user_id:u1 email:a@x.org");
  kit_do(&kit, "different user_id:u1 loyalty_card:k1");
  kit_do(&kit, "moving 0");
  kit_do(&kit, "unchanged user_id:u1 u");
  kit_do(&kit, "unchanged loyalty_card:k1 k");
  kit_do(&kit, "events user_id:u1 %d", SOME + 1); // an event of two goes to the first of them
  kit_do(&kit, "events loyalty_card:k1 %d", MANY + 1);
  char *after = listed(&kit, "loyalty_card:k1");
  assert_true(strlen(after) > strlen(events));
  free(after), free(events);
  kit_close(&kit);
}

static void test_split_during_the_move(void **state) {
  (void)state;
  for (int steps = 0; steps <= 2; steps++) split_after(steps);
}

static void expect_no_rows(struct kit *kit) {
  static const enum store_keyspace owned[] = {STORE_CUSTOMER, STORE_TIMELINE, STORE_PAYLOAD, STORE_EDGE,
                                              STORE_IDENTIFIER};
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  assert_int_equal(store_snapshot_open(kit->store, &snapshot), ERR_OK);
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
    assert_int_equal(store_snapshot_scan(snapshot, owned[i], BYTES(""), BYTES(""), &cursor), ERR_OK);
    if (store_cursor_next(cursor, &key, &row)) fail_msg("%s: %s has a row", kit->where, store_keyspace_name(owned[i]));
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
}

static void test_erasure_during_the_move(void **state) {
  (void)state;
  for (int steps = 0; steps <= 1; steps++) {
    struct kit kit;
    kit_merge_events = 0;
    open_two(&kit);
    kit_do(&kit, "event t=5 id=bad user_id:u9 loyalty_card:k1"); // joins, so that u1 is refused below
    merge_two(&kit);
    for (int i = 0; i < steps; i++) kit_do(&kit, "step");
    kit_do(&kit, "erase user_id:u9");
    if (kit_customer(&kit, "user_id:u1") != 0) kit_do(&kit, "erase user_id:u1");
    expect_no_rows(&kit);
    kit_do(&kit, "settle");
    kit_do(&kit, "moving 0");
    kit_do(&kit, "count events 0");
    kit_do(&kit, "event t=1 id=again loyalty_card:k1");
    kit_do(&kit, "events loyalty_card:k1 1");
    kit_close(&kit);
  }
}

// A survivor with something pending loses a merge: all of it is pending of the next one.
static void test_chain_of_merges(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 3;
  kit_open(&kit);
  send_many(&kit, "user_id:u1", "a", 0, 6);
  send_many(&kit, "email:b@x.org", "b", 5, 7);
  send_many(&kit, "loyalty_card:c", "c", 10, 8);
  send_many(&kit, "phone:+33612345678", "d", 15, 9);
  kit_do(&kit, "event t=700 loyalty_card:c phone:+33612345678");
  kit_do(&kit, "event t=701 email:b@x.org loyalty_card:c");
  kit_do(&kit, "step");
  kit_do(&kit, "event t=702 user_id:u1 email:b@x.org");
  kit_do(&kit, "moving 1");
  kit_do(&kit, "same user_id:u1 phone:+33612345678");
  kit_do(&kit, "events user_id:u1 33");
  assert_true(settle(&kit, NULL, NULL) > 3);
  kit_do(&kit, "events user_id:u1 33");
  kit_do(&kit, "split user_id:u1 email:b@x.org");
  kit_do(&kit, "events user_id:u1 7");
  kit_do(&kit, "events phone:+33612345678 26");
  kit_close(&kit);
}

// The rules join what they refused: what that merge leaves is pending like any other's, the refusals too. The rules
// part her again: first all of it is hers.
static void test_rerun_during_the_move(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 3;
  kit_open(&kit);
  send_many(&kit, "user_id:u1", "a", 0, 6);
  send_many(&kit, "user_id:u2", "b", 5, 8);
  kit_do(&kit, "event t=700 user_id:u2 phone:+33612345678 trait.firstName=Ann");
  kit_do(&kit, "event t=701 user_id:u3 phone:+33612345678 trait.firstName=Bob");
  kit_do(&kit, "event t=702 user_id:u1 email:a@x.org");
  kit_do(&kit, "event t=703 user_id:u2 email:a@x.org");
  kit_do(&kit, "rules {\"types\":{\"user_id\":{\"limit\":2}}}");
  kit_do(&kit, "rerun 2 0");
  kit_do(&kit, "moving 1");
  kit_do(&kit, "events user_id:u1 17");
  kit_do(&kit, "rules {\"types\":{\"user_id\":{\"limit\":3},\"phone\":{\"shares\":false}}}");
  kit_do(&kit, "rerun 2 0"); // by a refusal that may be pending
  kit_do(&kit, "events user_id:u3 18");
  kit_do(&kit, "rules {}");
  kit_do(&kit, "rerun 0 1");
  kit_do(&kit, "moving 0");
  kit_do(&kit, "events user_id:u1 7");
  kit_do(&kit, "events user_id:u2 10");
  kit_do(&kit, "events user_id:u3 1");
  kit_do(&kit, "rerun 0 0");
  kit_close(&kit);
}

// --- devices -------------------------------------------------------------------------------------------------

// Someone older than the tablet's customer signs in: she takes all of it over, at once.
static void test_take_over(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 0;
  kit_open(&kit);
  kit_do(&kit, "event t=1 user_id:u1 trait.firstName=Ann");
  send_many(&kit, "anonymous_id:tablet", "x", 10, MANY);
  kit_do(&kit, "event t=%d id=in anonymous_id:tablet user_id:u1", 60 * MANY + 20);
  kit_do(&kit, "moving 1");
  kit_do(&kit, "events user_id:u1 %d", MANY + 2);
  kit_do(&kit, "step");
  kit_do(&kit, "event t=%d id=after anonymous_id:tablet", 60 * MANY + 30);
  kit_do(&kit, "events user_id:u1 %d", MANY + 3);
  settle(&kit, NULL, NULL);
  kit_do(&kit, "events user_id:u1 %d", MANY + 3);
  kit_close(&kit);
}

// While her events are on their way the tablet becomes everybody's: the anonymous ones go to its own customer.
static void test_shared_during_the_move(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 3;
  kit_open(&kit);
  kit_do(&kit, "event t=1 user_id:u1");
  send_many(&kit, "anonymous_id:tablet", "x", 10, 12);
  kit_do(&kit, "event t=800 anonymous_id:tablet user_id:u1");
  kit_do(&kit, "moving 1");
  kit_do(&kit, "step");
  for (int i = 2; i <= 4; i++) kit_do(&kit, "event t=%d anonymous_id:tablet user_id:u%d", 800 + i, i);
  kit_do(&kit, "events user_id:u1 2");
  kit_do(&kit, "events anonymous_id:tablet 12");
  settle(&kit, NULL, NULL);
  kit_do(&kit, "events user_id:u1 2");
  kit_do(&kit, "events anonymous_id:tablet 12");
  kit_close(&kit);
}

// A sign-in that comes late gives nearly all of a long timeline to somebody else. It is answered when they are hers:
// the parts they were sorted into are handed over whole.
static void test_many_change_hands(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 0;
  kit_open(&kit);
  kit_do(&kit, "event t=1 user_id:u1 trait.firstName=Ann");
  send_many(&kit, "anonymous_id:tablet", "x", 10, MANY);
  send_many(&kit, "user_id:u1", "u", 40, SOME);
  kit_do(&kit, "event t=%d id=in anonymous_id:tablet user_id:u1", 60 * MANY + 20);
  kit_do(&kit, "settle");
  kit_do(&kit, "trait user_id:u1 city Lyon");
  kit_do(&kit, "event t=130 id=late anonymous_id:tablet user_id:u2"); // the first who ever signed in
  kit_do(&kit, "moving 2");
  kit_do(&kit, "events user_id:u1 %d", SOME + 2);
  kit_do(&kit, "events user_id:u2 %d", MANY + 1);
  kit_do(&kit, "no-trait user_id:u1 city");
  kit_do(&kit, "trait user_id:u2 city Lyon");
  kit_do(&kit, "settle");
  kit_do(&kit, "events user_id:u1 %d", SOME + 2);
  kit_do(&kit, "events user_id:u2 %d", MANY + 1);
  kit_do(&kit, "no-trait user_id:u1 city");
  kit_do(&kit, "trait user_id:u2 city Lyon");
  kit_close(&kit);
}

// The same while the anonymous events are on their way, and once more when the tablet becomes everybody's; the job
// takes steps in between or not.
static void change_hands_during_the_move(bool steps) {
  struct kit kit;
  kit_merge_events = 4;
  kit_open(&kit);
  kit_do(&kit, "event t=1 user_id:u1");
  send_many(&kit, "anonymous_id:tablet", "x", 100, 30);
  kit_do(&kit, "event t=5000 anonymous_id:tablet user_id:u1");
  for (int i = 0; steps && i < 3; i++) kit_do(&kit, "step");
  kit_do(&kit, "event t=1000 anonymous_id:tablet user_id:u2"); // before u1, as nobody else: all until then are hers
  kit_do(&kit, "events user_id:u2 31");
  kit_do(&kit, "events user_id:u1 2");
  for (int i = 0; steps && i < 3; i++) kit_do(&kit, "step");
  kit_do(&kit, "event t=1310 anonymous_id:tablet user_id:u3"); // those from then on are u3's
  kit_do(&kit, "events user_id:u2 22");
  kit_do(&kit, "events user_id:u3 10");
  kit_do(&kit, "event t=5001 anonymous_id:tablet user_id:u4"); // one too many
  kit_do(&kit, "events anonymous_id:tablet 30");
  kit_do(&kit, "events user_id:u2 1");
  kit_do(&kit, "erase user_id:u4"); // and one less again
  kit_do(&kit, "events user_id:u2 22");
  kit_do(&kit, "events user_id:u3 10");
  kit_do(&kit, "settle");
  kit_do(&kit, "moving 0");
  kit_do(&kit, "events user_id:u2 22");
  kit_do(&kit, "events user_id:u3 10");
  kit_do(&kit, "count events 34");
  kit_close(&kit);
}

static void test_change_hands_during_the_move(void **state) {
  (void)state;
  change_hands_during_the_move(false);
  change_hands_during_the_move(true);
}

// --- refusals ------------------------------------------------------------------------------------------------

static char *identity(struct kit *kit, const char *reference) {
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  assert_int_equal(engine_identity_json(view, kit_customer(kit, reference), &writer, &diag), ERR_OK);
  engine_view_close(view);
  return text_of(&out);
}

static void expect_identity(struct kit *kit, void *context) {
  expect_text(kit, identity(kit, "user_id:u1"), context);
}

static void test_refusals_wait_too(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 2;
  kit_open(&kit);
  kit_do(&kit, "event t=1 email:a@x.org");
  kit_do(&kit, "event t=2 user_id:u1 loyalty_card:k1");
  for (int i = 2; i < 9; i++) kit_do(&kit, "event t=%d id=n%d user_id:u%d", i, i, i);
  for (int i = 2; i < 9; i++) kit_do(&kit, "event t=%d id=r%d user_id:u1 user_id:u%d", 10 + i, i, i);
  kit_do(&kit, "event t=30 email:a@x.org loyalty_card:k1");
  kit_do(&kit, "moving 1");
  char *was = identity(&kit, "user_id:u1");
  assert_non_null(strstr(was, "\"reason\":\"limit\""));
  kit_do(&kit, "step");
  kit_do(&kit, "event t=12 id=r2b user_id:u1 user_id:u2"); // refused again: one line for the pair
  free(was);
  was = identity(&kit, "user_id:u1");
  assert_true(settle(&kit, expect_identity, was) > 3);
  free(was);
  kit_close(&kit);
}

// --- the end of a process ------------------------------------------------------------------------------------

static void test_reopened_between_steps(void **state) {
  char path[256];
  struct kit kit;
  (void)state;
  if (!EVENTS_ROCKSDB) {
    print_message("skipped: RocksDB is not built for this sanitizer\n");
    skip();
  }
  kit_merge_events = 100;
  events_directory(path);
  kit_open_on(&kit, events_open_disk(path, true));
  send_many(&kit, "user_id:u1", "u", 30, SOME);
  send_many(&kit, "loyalty_card:k1", "k", 0, 450);
  merge_two(&kit);
  char *was = exported(&kit, "user_id:u1");
  int steps = 0;
  while (moving(&kit) > 0) {
    kit_close(&kit);
    kit_open_existing(&kit, events_open_disk(path, false));
    snprintf(kit.where, sizeof kit.where, "opened after step %d", steps);
    kit_check(&kit);
    expect_text(&kit, exported(&kit, "loyalty_card:k1"), was);
    kit_step(&kit);
    steps++;
  }
  assert_int_equal(steps, 5);
  expect_text(&kit, exported(&kit, "user_id:u1"), was);
  free(was);
  kit_close(&kit);
  events_remove(path);
}

// --- heavy customers -----------------------------------------------------------------------------------------

static void expect_heavy(struct kit *kit, uint64_t expected) {
  struct engine_loads loads;
  assert_int_equal(engine_get_loads(kit->engine, &loads), ERR_OK);
  assert_int_equal(loads.heavy, expected);
}

static bool says_heavy(struct kit *kit, const char *reference) {
  char *json = kit_json(kit, kit_customer(kit, reference));
  bool heavy = strstr(json, "\"heavy\":true") != NULL;
  assert_true(heavy || strstr(json, "\"heavy\":false") != NULL);
  free(json);
  return heavy;
}

static void test_heavy(void **state) {
  struct kit kit;
  (void)state;
  kit_merge_events = 0;
  kit_open(&kit);
  send_many(&kit, "user_id:u1", "u", 30, 300);
  send_many(&kit, "loyalty_card:k1", "k", 0, LIMIT_HEAVY_EVENTS - 200);
  expect_heavy(&kit, 0);
  assert_false(says_heavy(&kit, "loyalty_card:k1"));
  kit_do(&kit, "event t=500 id=both user_id:u1 loyalty_card:k1");
  expect_heavy(&kit, 1);
  assert_true(says_heavy(&kit, "user_id:u1"));
  kit_do(&kit, "settle");
  expect_heavy(&kit, 1);
  kit_do(&kit, "split user_id:u1 loyalty_card:k1");
  expect_heavy(&kit, 0);
  send_many(&kit, "loyalty_card:k1", "l", 0, 300);
  expect_heavy(&kit, 1);
  kit_do(&kit, "erase loyalty_card:k1");
  expect_heavy(&kit, 0);
  kit_close(&kit);
}

// --- waking --------------------------------------------------------------------------------------------------

static void count_call(void *context) {
  ++*(int *)context;
}

static void test_the_job_is_woken(void **state) {
  struct kit kit;
  int calls = 0;
  (void)state;
  kit_merge_events = 2;
  kit_open(&kit);
  engine_set_wake(kit.engine, count_call, &calls);
  send_many(&kit, "user_id:u1", "u", 30, 5);
  send_many(&kit, "loyalty_card:k1", "k", 0, 5);
  assert_int_equal(calls, 0);
  merge_two(&kit);
  assert_int_equal(calls, 1);
  settle(&kit, NULL, NULL);
  assert_int_equal(calls, 1);
  engine_set_wake(kit.engine, NULL, NULL);
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_are_the_same),
      cmocka_unit_test(test_events_during_the_move),
      cmocka_unit_test(test_split_during_the_move),
      cmocka_unit_test(test_erasure_during_the_move),
      cmocka_unit_test(test_chain_of_merges),
      cmocka_unit_test(test_rerun_during_the_move),
      cmocka_unit_test(test_take_over),
      cmocka_unit_test(test_shared_during_the_move),
      cmocka_unit_test(test_many_change_hands),
      cmocka_unit_test(test_change_hands_during_the_move),
      cmocka_unit_test(test_refusals_wait_too),
      cmocka_unit_test(test_reopened_between_steps),
      cmocka_unit_test(test_heavy),
      cmocka_unit_test(test_the_job_is_woken),
  };
  return cmocka_run_group_tests_name("engine moves", tests, NULL, NULL);
}
