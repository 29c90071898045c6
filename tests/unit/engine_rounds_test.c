// A batch takes at most four rounds and one write, whatever it holds: what a distributed engine is asked is counted.
//
// Numbers are reserved and names written once, before: they are no part of a batch.
#include "engine_events.h"

#include "store/store_wrap.h"

enum { BATCH = 64, ROUNDS_MAX = 4 };

struct fixture {
  struct clock clock;
  struct store *store;
  struct engine *engine;
  struct events events;
  struct events_one batch[BATCH];
  unsigned next_message;
};

static int set_up(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  struct store *inner;
  clock_init(&fixture->clock);
  assert_int_equal(store_open_memory(&inner), ERR_OK);
  assert_int_equal(store_open_trace(&fixture->store, inner), ERR_OK);
  assert_int_equal(engine_create_workspace(fixture->store, &fixture->clock, NULL), ERR_OK);
  fixture->engine = events_open_engine(fixture->store, &fixture->clock);
  events_init(&fixture->events, fixture->engine);
  *state = fixture;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *fixture = *state;
  events_release(&fixture->events);
  engine_close(fixture->engine);
  store_close(fixture->store);
  free(fixture);
  return 0;
}

// An event of `user`, with her e-mail and her device.
static void make(struct fixture *fixture, size_t index, unsigned user, bool with_device) {
  struct events_one *one = &fixture->batch[index];
  char id[EVENTS_TEXT_BYTES];
  unsigned number = fixture->next_message++;
  snprintf(id, sizeof id, "m%u", number);
  events_make(&fixture->events, one, id, number);
  events_add(&fixture->events, one, "user_id", user);
  events_add(&fixture->events, one, "email", user);
  if (with_device) events_add(&fixture->events, one, "anonymous_id", user);
}

static struct store_trace apply(struct fixture *fixture, enum engine_outcome expected) {
  struct engine_event events[BATCH];
  struct engine_result results[BATCH];
  struct store_mark mark;
  struct diag diag;
  size_t done;
  diag_init(&diag);
  for (size_t i = 0; i < BATCH; i++) events[i] = fixture->batch[i].event;
  store_trace_reset(fixture->store);
  enum err err = engine_apply(fixture->engine, events, BATCH, results, &done, &mark, &diag);
  struct store_trace trace = store_trace_read(fixture->store);
  if (err != ERR_OK) fail_msg("%s: %s", diag.code, diag.message);
  for (size_t i = 0; i < BATCH; i++) assert_int_equal(results[i].outcome, expected);
  return trace;
}

static void expect_rounds(const char *what, const struct store_trace *trace, uint64_t rounds_max) {
  uint64_t rounds = trace->gets + trace->get_manys + trace->scans;
  print_message("%s: %d rounds (%d gets, %d get_manys, %d scans), %d keys read, %d commits, %d keys written\n", what,
                (int)rounds, (int)trace->gets, (int)trace->get_manys, (int)trace->scans, (int)trace->keys_read,
                (int)trace->commits, (int)trace->keys_written);
  assert_in_range(rounds, 1, rounds_max);
  assert_in_range(trace->commits, 0, 1);
}

static void make_batch(struct fixture *fixture, unsigned first_user, unsigned users, bool with_devices) {
  for (unsigned i = 0; i < BATCH; i++) make(fixture, i, first_user + i % users, with_devices);
}

static void warm_up(struct fixture *fixture) {
  make_batch(fixture, 0, 32, true);
  apply(fixture, ENGINE_APPLIED);
}

static void test_known_customers(void **state) {
  struct fixture *fixture = *state;
  warm_up(fixture);
  make_batch(fixture, 0, 32, true);
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events of 32 known customers", &trace, ROUNDS_MAX);
}

static void define(struct fixture *fixture, const char *json) {
  struct engine_commit commit = {0};
  struct value_parser *parser;
  struct json_writer writer;
  struct buffer packed, out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&packed);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  assert_int_equal(value_parse_json(parser, bytes_from_text(json), engine_names(fixture->engine), &packed, &diag),
                   ERR_OK);
  if (engine_segment_put(fixture->engine, (struct value){buffer_view(&packed)}, BYTES("ann"), &writer, &commit, NULL,
                         &diag) != ERR_OK)
    fail_msg("%s", diag.message);
  for (bool idle = false; !idle;) assert_int_equal(engine_tick(fixture->engine, &idle, NULL), ERR_OK);
  value_parser_close(parser);
  buffer_release(&packed);
  buffer_release(&out);
}

// Histories are the fourth round, read for all customers of the batch at once, and only where a segment asks for them.
static void test_live_segments(void **state) {
  struct fixture *fixture = *state;
  warm_up(fixture);
  define(fixture, "{\"id\":\"often\",\"include\":\"count(\\\"Viewed\\\") >= 4\"}");
  define(fixture, "{\"id\":\"views\",\"kind\":\"attribute\",\"expression\":\"count(\\\"Viewed\\\")\"}");
  make_batch(fixture, 0, 32, true);
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events of 32 known customers under live segments", &trace, ROUNDS_MAX);
  make_batch(fixture, 100, BATCH, true);
  trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events of 64 new customers under live segments", &trace, ROUNDS_MAX);
}

// Each event costs its deduplication key; each customer her two identifiers and the head of her timeline.
static void test_settled_events_read_no_record(void **state) {
  struct fixture *fixture = *state;
  enum { USERS = 32 };
  warm_up(fixture);
  for (unsigned i = 0; i < BATCH; i++) {
    char id[EVENTS_TEXT_BYTES];
    snprintf(id, sizeof id, "s%u", i);
    events_make(&fixture->events, &fixture->batch[i], id, 1000 + i);
    if (i % 2 == 0) events_add(&fixture->events, &fixture->batch[i], "user_id", i / 2 % USERS);
    events_add(&fixture->events, &fixture->batch[i], "anonymous_id", i / 2 % USERS);
  }
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events that change nobody's identity", &trace, ROUNDS_MAX);
  assert_int_equal(trace.keys_read, BATCH + 3 * USERS);
}

static void test_new_customers(void **state) {
  struct fixture *fixture = *state;
  warm_up(fixture);
  make_batch(fixture, 100, BATCH, true);
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events of 64 new customers", &trace, ROUNDS_MAX);
}

static void test_known_and_new_customers(void **state) {
  struct fixture *fixture = *state;
  warm_up(fixture);
  make_batch(fixture, 16, 32, false);
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events of 16 known and 16 new customers", &trace, ROUNDS_MAX);
}

static void test_anonymous_events(void **state) {
  struct fixture *fixture = *state;
  warm_up(fixture);
  for (unsigned i = 0; i < BATCH; i++) {
    char id[EVENTS_TEXT_BYTES];
    snprintf(id, sizeof id, "a%u", i);
    events_make(&fixture->events, &fixture->batch[i], id, 1000 + i);
    events_add(&fixture->events, &fixture->batch[i], "anonymous_id", i % 48); // the first 32 have an owner
  }
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 anonymous events on 48 devices", &trace, ROUNDS_MAX);
}

static void test_duplicates(void **state) {
  struct fixture *fixture = *state;
  warm_up(fixture);
  make_batch(fixture, 0, 32, true);
  apply(fixture, ENGINE_APPLIED);
  struct store_trace trace = apply(fixture, ENGINE_DUPLICATE);
  expect_rounds("64 duplicates", &trace, ROUNDS_MAX);
}

// A history that arrives in order is appended to unread, however long it is.
static void test_long_histories(void **state) {
  struct fixture *fixture = *state;
  uint64_t most = 0;
  warm_up(fixture);
  for (int i = 0; i < 40; i++) {
    make_batch(fixture, 0, 4, true);
    struct store_trace trace = apply(fixture, ENGINE_APPLIED);
    uint64_t rounds = trace.gets + trace.get_manys + trace.scans;
    if (rounds > most) most = rounds;
  }
  print_message("64 events of 4 customers with up to 640 events each: at most %d rounds\n", (int)most);
  assert_in_range(most, 1, ROUNDS_MAX);
}

// Once somebody was erased every event is looked up against the receipts.
static void test_after_an_erasure(void **state) {
  struct fixture *fixture = *state;
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  warm_up(fixture);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(
      engine_erase(fixture->engine, events_customer(fixture->engine, "user_id:u31"), true, &writer, &commit, NULL),
      ERR_OK);
  buffer_release(&out);
  make_batch(fixture, 0, 31, true);
  struct store_trace trace = apply(fixture, ENGINE_APPLIED);
  expect_rounds("64 events after an erasure", &trace, ROUNDS_MAX);
  for (unsigned i = 0; i < BATCH; i++) make(fixture, i, 31, false);
  trace = apply(fixture, ENGINE_SUPPRESSED);
  expect_rounds("64 events of somebody erased", &trace, ROUNDS_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_known_customers, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_live_segments, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_settled_events_read_no_record, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_new_customers, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_known_and_new_customers, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_anonymous_events, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_duplicates, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_long_histories, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_after_an_erasure, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("engine rounds", tests, NULL, NULL);
}
