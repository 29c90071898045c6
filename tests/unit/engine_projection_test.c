// Counts by projections beside counts without: random histories with merges, splits, erasures, late events and
// restarts, where projections are built, noted on, given up and built again; and writers, builders and askers in
// threads.
//
// An expression that also asks for a trait is counted over the records, so `E or traits.nowhere = "x"` is E without
// projections. engine_check holds every projection against the timelines besides. RAPPORT_MODEL_ROUNDS and
// RAPPORT_MODEL_SEED as in engine_model_test.
#include "engine_kit.h"

#include "engine_events.h"
#include "rounds.h"

#include <pthread.h>
#include <stdatomic.h>

#include "customer/projection.h"
#include "engine/query.h"

enum { USERS = 9, MAILS = 4, DEVICES = 2, STEPS = 60, DEFAULT_ROUNDS = 200 };

static const char *const expressions[] = {
    "count(\"Order\") >= 2",
    "not exists(\"Viewed\" in last 30 days)",
    "sequence(\"Viewed\" then \"Order\" within 20 days)",
    "sequence(\"Viewed\" then not \"Order\")",
    "count(\"Added\") < 2 and exists(\"Order\" in last 90 days)",
    "last(time of \"Viewed\") > now - 50 days",
    "exists(\"Identified\") or exists(\"Nobody Does This\")",
    "count(\"Viewed\" where color is null) >= 1", // messages
};
enum { EXPRESSIONS = sizeof expressions / sizeof *expressions };

static struct engine_query_count count_of(struct engine_view *view, const char *text, unsigned threads) {
  struct engine_query_options options = {.text = bytes_from_text(text), .threads = threads};
  struct engine_query_count count;
  struct engine_query *query;
  struct rule_diag refusal;
  struct diag diag;
  diag_init(&diag);
  if (engine_query_open(view, &options, &query, &refusal, &diag) != ERR_OK) fail_msg("%s: %s", text, diag.message);
  if (engine_query_count(query, NULL, NULL, &count, &diag) != ERR_OK) fail_msg("%s: %s", text, diag.message);
  engine_query_close(query);
  return count;
}

// Both of one snapshot.
static void compare(struct engine *engine, const char *expression, unsigned threads, const char *where) {
  char slow[256];
  struct engine_view *view;
  snprintf(slow, sizeof slow, "(%s) or traits.nowhere = \"x\"", expression);
  assert_int_equal(engine_view_open(engine, &view), ERR_OK);
  struct engine_query_count fast = count_of(view, expression, threads), all = count_of(view, slow, threads);
  engine_view_close(view);
  if (fast.members != all.members || fast.unknown != all.unknown || fast.customers != all.customers)
    fail_msg("%s: %s: %llu of %llu with projections, %llu of %llu without", where, expression,
             (unsigned long long)fast.members, (unsigned long long)fast.customers, (unsigned long long)all.members,
             (unsigned long long)all.customers);
}

static enum err add_block(void *context, uint64_t block, const struct projection_directory *directory) {
  (void)block;
  (void)directory;
  ++*(uint64_t *)context;
  return ERR_OK;
}

static uint64_t projected_blocks(struct store *store) {
  struct store_snapshot *snapshot;
  uint64_t count = 0;
  assert_int_equal(store_snapshot_open(store, &snapshot), ERR_OK);
  assert_int_equal(projection_directories(snapshot, add_block, &count), ERR_OK);
  store_snapshot_close(snapshot);
  return count;
}

static void project(struct engine *engine) {
  struct diag diag;
  diag_init(&diag);
  if (engine_project_now(engine, &diag) != ERR_OK) fail_msg("%s", diag.message);
}

// --- random histories ----------------------------------------------------------------------------------------

static uint64_t random_state;
static unsigned roll(unsigned below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(random_state >> 33) % below;
}

static void random_event(struct kit *kit, int step) {
  static const char *const names[] = {"Order", "Viewed", "Added"};
  char text[256], who[96];
  int at_s = 300 * 86400 - (int)roll(200 * 86400), used = 0;
  unsigned kind = roll(10);
  if (kind < 8) used = snprintf(who, sizeof who, " user_id:u%u", roll(USERS));
  if (kind >= 6 && kind < 9) used += snprintf(who + used, sizeof who - (size_t)used, " email:m%u@x.org", roll(MAILS));
  if (kind == 9 || roll(4) == 0) snprintf(who + used, sizeof who - (size_t)used, " anonymous_id:d%u", roll(DEVICES));
  if (roll(6) == 0)
    snprintf(text, sizeof text, "event t=%d id=e%d%s trait.city=Lyon", at_s, step, who);
  else
    snprintf(text, sizeof text, "event t=%d id=e%d name=%s%s", at_s, step, names[roll(3)], who);
  kit_do(kit, "%s", text);
}

static void random_change(struct kit *kit) {
  char a[32], b[32], text[96];
  snprintf(a, sizeof a, "user_id:u%u", roll(USERS));
  snprintf(b, sizeof b, "email:m%u@x.org", roll(MAILS));
  uint64_t left = kit_customer(kit, a), right = kit_customer(kit, b);
  unsigned kind = roll(4);
  if (left == 0) return;
  if (kind < 2 && left != right) return;
  snprintf(text, sizeof text, kind < 2 ? "split %s %s" : kind == 2 ? "erase %s" : "correct %s city Nice", a, b);
  kit_do(kit, "%s", text);
}

static void random_work(struct kit *kit) {
  unsigned kind = roll(4);
  if (kind == 0) project(kit->engine);
  if (kind == 1) {
    clock_hold(&kit->clock, clock_now_us(&kit->clock) + CLOCK_SECOND_US);
    kit_step(kit);
  }
  if (kind == 2) kit_step(kit);
  if (kind != 3) return;
  engine_close(kit->engine);
  struct engine_options options = {.store = kit->store,
                                   .clock = &kit->clock,
                                   .merge_events = kit_merge_events,
                                   .projection_quiet_us = kit_projection_quiet_us};
  assert_int_equal(engine_open(&kit->engine, &options, NULL), ERR_OK);
}

// At the end, when all is moved and built, once more; then everything again without a single note.
static void settle(struct kit *kit) {
  while (kit_step(kit)) {
  }
  project(kit->engine);
  assert_int_equal(projected_blocks(kit->store), 1);
  for (size_t i = 0; i < EXPRESSIONS; i++) compare(kit->engine, expressions[i], 1, kit->where);
  kit_check(kit);
}

static void run_round(unsigned seed) {
  struct kit kit;
  random_state = seed * 6007u + 11;
  kit_merge_events = seed % 3 == 0 ? 2 : 0;
  kit_projection_quiet_us = seed % 2 == 0 ? 1 : 0;
  kit_open(&kit);
  for (int step = 0; step < STEPS; step++) {
    snprintf(kit.where, sizeof kit.where, "seed %u, step %d", seed, step);
    unsigned kind = roll(12);
    if (kind < 7)
      random_event(&kit, step);
    else if (kind < 9)
      random_change(&kit);
    else
      random_work(&kit);
    compare(kit.engine, expressions[roll(EXPRESSIONS)], 1, kit.where);
  }
  settle(&kit);
  kit_close(&kit);
}

static void test_rounds(void **state) {
  (void)state;
  unsigned first = rounds_first(), rounds = rounds_count(DEFAULT_ROUNDS);
  for (unsigned i = 0; i < rounds; i++) run_round(first + i);
}

// --- giving up, and quiet ------------------------------------------------------------------------------------

static void send(struct kit *kit, unsigned count) {
  char text[64];
  kit->check_each = false;
  for (unsigned i = 0; i < count; i++) {
    snprintf(text, sizeof text, "event user_id:u%u name=Order", i % USERS);
    kit_do(kit, "%s", text);
  }
}

static void test_busy_blocks_are_given_up(void **state) {
  (void)state;
  struct kit kit;
  kit_merge_events = 0;
  kit_projection_quiet_us = 0;
  kit_open(&kit);
  send(&kit, 20);
  assert_int_equal(projected_blocks(kit.store), 0);
  project(kit.engine);
  assert_int_equal(projected_blocks(kit.store), 1);
  send(&kit, 100);
  assert_int_equal(projected_blocks(kit.store), 1);
  compare(kit.engine, expressions[0], 1, "noted");
  send(&kit, 150);
  assert_int_equal(projected_blocks(kit.store), 0);
  compare(kit.engine, expressions[0], 1, "given up");
  kit_check(&kit);
  kit_step(&kit); // much has changed
  assert_int_equal(projected_blocks(kit.store), 0);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 61 * CLOCK_SECOND_US);
  kit_step(&kit);
  assert_int_equal(projected_blocks(kit.store), 1);
  kit_check(&kit);
  for (size_t i = 0; i < EXPRESSIONS; i++) compare(kit.engine, expressions[i], 1, "built again");
  kit_close(&kit);
}

static void count_row(struct kit *kit, uint64_t *rows) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  *rows = 0;
  assert_int_equal(store_snapshot_open(kit->store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_PROJECTION, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) ++*rows;
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
}

static void test_nothing_stays_of_the_erased(void **state) {
  (void)state;
  struct kit kit;
  uint64_t rows;
  kit_merge_events = 0;
  kit_projection_quiet_us = INT64_MAX;
  kit_open(&kit);
  send(&kit, 20);
  kit_do(&kit, "event user_id:secret name=Alone");
  project(kit.engine);
  count_row(&kit, &rows);
  assert_int_equal(rows, 3); // the directory, Order and Alone
  kit_do(&kit, "erase user_id:secret");
  compare(kit.engine, "exists(\"Alone\")", 1, "erased");
  while (kit_step(&kit)) {
  }
  count_row(&kit, &rows);
  assert_int_equal(rows, 0);
  compare(kit.engine, expressions[0], 1, "cleared");
  project(kit.engine);
  count_row(&kit, &rows);
  assert_int_equal(rows, 2);
  kit_check(&kit);
  kit_close(&kit);
}

// --- threads -------------------------------------------------------------------------------------------------

enum { WRITERS = 4, PEOPLE = 700, MESSAGES = 1500, BATCH = 25 };

struct world {
  struct clock clock;
  struct store *store;
  struct engine *engine;
  struct events events;
  uint32_t names[3];
  _Atomic unsigned writing;
};

struct worker {
  struct world *world;
  unsigned index, seed;
  pthread_t thread;
};

static unsigned draw(unsigned *seed, unsigned below) {
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % below;
}

static void make_event(struct worker *worker, unsigned number, struct events_one *one) {
  struct world *world = worker->world;
  unsigned person = draw(&worker->seed, PEOPLE);
  char id[EVENTS_TEXT_BYTES];
  snprintf(id, sizeof id, "w%u-%u", worker->index, number);
  events_make(&world->events, one, id, (int64_t)draw(&worker->seed, 200 * 86400));
  one->event.name = world->names[draw(&worker->seed, 3)];
  events_add(&world->events, one, "user_id", person);
  if (draw(&worker->seed, 6) == 0) events_add(&world->events, one, "email", person);
  if (draw(&worker->seed, 40) == 0) events_add(&world->events, one, "loyalty_card", person / 2); // joins two
}

static void *write_events(void *argument) {
  struct worker *worker = argument;
  static _Thread_local struct events_one ones[BATCH];
  struct engine_event events[BATCH];
  struct engine_result results[BATCH];
  for (unsigned at = 0; at < MESSAGES; at += BATCH) {
    struct store_mark mark;
    struct diag diag;
    size_t done;
    diag_init(&diag);
    for (unsigned i = 0; i < BATCH; i++) {
      make_event(worker, at + i, &ones[i]);
      events[i] = ones[i].event;
    }
    if (engine_apply(worker->world->engine, events, BATCH, results, &done, &mark, &diag) != ERR_OK)
      fail_msg("%s: %s", diag.code, diag.message);
  }
  atomic_fetch_sub(&worker->world->writing, 1);
  return NULL;
}

static void erase_somebody(struct worker *worker) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer out;
  char reference[64];
  events_reference("user_id", draw(&worker->seed, PEOPLE), reference);
  uint64_t customer = events_customer(worker->world->engine, reference);
  if (customer == 0) return;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  enum err err = engine_erase(worker->world->engine, customer, false, &writer, &commit, NULL);
  assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
  buffer_release(&out);
}

static void split_somebody(struct worker *worker) {
  struct engine_commit commit = {0};
  struct engine_split split = {0};
  struct json_writer writer;
  struct buffer out;
  char card[64], reference[64];
  unsigned person = draw(&worker->seed, PEOPLE);
  events_reference("user_id", person, reference);
  events_reference("loyalty_card", person / 2, card);
  split.apart[0] = bytes_from_text(reference);
  split.apart[1] = bytes_from_text(card);
  uint64_t customer = events_customer(worker->world->engine, reference);
  if (customer == 0) return;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  enum err err = engine_split_customer(worker->world->engine, customer, &split, &writer, &commit, NULL);
  assert_true(err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_INVALID);
  buffer_release(&out);
}

static void *build_and_meddle(void *argument) {
  struct worker *worker = argument;
  while (atomic_load(&worker->world->writing) > 0) {
    bool idle;
    if (draw(&worker->seed, 3) == 0) project(worker->world->engine);
    if (draw(&worker->seed, 10) == 0) erase_somebody(worker);
    if (draw(&worker->seed, 4) == 0) split_somebody(worker);
    assert_int_equal(engine_tick(worker->world->engine, &idle, NULL), ERR_OK);
  }
  return NULL;
}

static void *ask(void *argument) {
  struct worker *worker = argument;
  while (atomic_load(&worker->world->writing) > 0)
    compare(worker->world->engine, expressions[draw(&worker->seed, EXPRESSIONS)], 1 + draw(&worker->seed, 2), "thread");
  return NULL;
}

static void run_threads(struct world *world) {
  enum { OTHERS = 2 };
  struct worker workers[WRITERS + OTHERS];
  atomic_store(&world->writing, WRITERS);
  for (unsigned i = 0; i < WRITERS + OTHERS; i++) {
    void *(*run)(void *) = i < WRITERS ? write_events : i == WRITERS ? build_and_meddle : ask;
    workers[i] = (struct worker){.world = world, .index = i, .seed = i + 3};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
  }
  for (unsigned i = 0; i < WRITERS + OTHERS; i++) pthread_join(workers[i].thread, NULL);
}

static void open_engine(struct world *world, uint32_t merge_events) {
  struct engine_options options = {
      .store = world->store, .clock = &world->clock, .merge_events = merge_events, .projection_quiet_us = 1};
  assert_int_equal(engine_open(&world->engine, &options, NULL), ERR_OK);
}

static void run_world(bool on_disk, uint32_t merge_events) {
  struct world world = {.engine = NULL};
  struct diag diag;
  char path[256];
  clock_init(&world.clock);
  if (on_disk) events_directory(path);
  if (on_disk)
    world.store = events_open_disk(path, true);
  else
    assert_int_equal(store_open_memory(&world.store), ERR_OK);
  assert_int_equal(engine_create_workspace(world.store, &world.clock, &diag), ERR_OK);
  open_engine(&world, merge_events);
  events_init(&world.events, world.engine);
  world.names[0] = events_name(world.engine, "Order");
  world.names[1] = events_name(world.engine, "Viewed");
  world.names[2] = events_name(world.engine, "Added");
  run_threads(&world);
  events_check(world.engine);
  for (size_t i = 0; i < EXPRESSIONS; i++) compare(world.engine, expressions[i], 2, "afterwards");
  engine_close(world.engine);
  open_engine(&world, merge_events); // what was known of blocks is what is stored
  for (size_t i = 0; i < EXPRESSIONS; i++) compare(world.engine, expressions[i], 2, "opened again");
  for (bool idle = false; !idle;) assert_int_equal(engine_tick(world.engine, &idle, NULL), ERR_OK);
  project(world.engine);
  assert_true(projected_blocks(world.store) >= 2);
  events_check(world.engine);
  for (size_t i = 0; i < EXPRESSIONS; i++) compare(world.engine, expressions[i], 2, "settled");
  events_release(&world.events);
  engine_close(world.engine);
  store_close(world.store);
  if (on_disk) events_remove(path);
}

static void test_threads_in_memory(void **state) {
  (void)state;
  run_world(false, 0);
}
static void test_threads_with_moves_under_way(void **state) {
  (void)state;
  run_world(false, 3);
}
static void test_threads_on_disk(void **state) {
  (void)state;
  if (EVENTS_ROCKSDB) run_world(true, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rounds),
      cmocka_unit_test(test_busy_blocks_are_given_up),
      cmocka_unit_test(test_nothing_stays_of_the_erased),
      cmocka_unit_test(test_threads_in_memory),
      cmocka_unit_test(test_threads_with_moves_under_way),
      cmocka_unit_test(test_threads_on_disk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
