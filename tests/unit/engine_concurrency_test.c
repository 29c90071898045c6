// Eight threads apply the same events in different orders and batches, while people are parted and erased, and computed
// attributes are defined, changed and archived; at the end each is what a fresh evaluation gives (engine_check).
//
// Three kinds of people. JOINED ones only get events: whatever the order, each ends as one customer with all her
// identifiers. PARTED ones are split at random meanwhile, ERASED ones go and come back. Every message is sent by two
// threads and taken once: the events that are there and those that receipts count are as many as there were messages.
#include "engine_events.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
  THREADS = 8,
  JOINED = 40,
  PARTED = 12,
  ERASED = 8,
  PEOPLE = JOINED + PARTED + ERASED,
  MESSAGES = 3000,
  BATCH_MAX = 90, // more than one slice
  MAILS = 4,
  CARDS = 3,
};

struct world {
  struct clock clock;
  struct store *store;
  struct engine *engine;
  struct events events;
  struct events_one *messages;
  _Atomic unsigned taken[MESSAGES]; // how often a message was applied
  _Atomic uint64_t erased_events;
  _Atomic unsigned splits, erasures, running;
  char path[256];
};

struct worker {
  struct world *world;
  unsigned index, seed;
  pthread_t thread;
};

static unsigned roll(unsigned *seed, unsigned below) {
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % below;
}

// --- messages ------------------------------------------------------------------------------------------------

// The identifiers of a person, by number: user id, cards, mails.
enum { KINDS = 1 + CARDS + MAILS };

static const char *kind_type(unsigned kind) {
  return kind == 0 ? "user_id" : kind <= CARDS ? "loyalty_card" : "email";
}

static void add_kind(struct world *world, struct events_one *one, unsigned person, unsigned kind) {
  events_add(&world->events, one, kind_type(kind), person * 10 + kind);
}

static void person_reference(unsigned person, unsigned kind, char out[64]) {
  events_reference(kind_type(kind), person * 10 + kind, out);
}

// The first messages connect each person's identifiers in a chain; the others name one or two and perhaps a device,
// some of which people share.
static void make_message(struct world *world, unsigned number, unsigned *seed) {
  struct events_one *one = &world->messages[number];
  unsigned chain = number % (KINDS - 1), person = number / (KINDS - 1) % PEOPLE;
  char id[EVENTS_TEXT_BYTES];
  snprintf(id, sizeof id, "m%u", number);
  events_make(&world->events, one, id, (int64_t)roll(seed, 100000));
  if (number >= PEOPLE * (KINDS - 1)) {
    person = roll(seed, PEOPLE);
    chain = roll(seed, KINDS - 1);
  }
  unsigned form = number < PEOPLE * (KINDS - 1) ? 0 : roll(seed, 4);
  if (form < 3) add_kind(world, one, person, chain);
  if (form == 0) add_kind(world, one, person, chain + 1);
  if (form >= 2) events_add(&world->events, one, "anonymous_id", person / 2); // two people, one device
}

static void make_messages(struct world *world) {
  unsigned seed = 1;
  world->messages = calloc(MESSAGES, sizeof *world->messages);
  assert_non_null(world->messages);
  for (unsigned i = 0; i < MESSAGES; i++) make_message(world, i, &seed);
}

// --- threads -------------------------------------------------------------------------------------------------

static void apply_batch(struct world *world, const unsigned *numbers, size_t count) {
  struct engine_event events[BATCH_MAX];
  struct engine_result results[BATCH_MAX];
  struct store_mark mark;
  struct diag diag;
  size_t done;
  diag_init(&diag);
  for (size_t i = 0; i < count; i++) events[i] = world->messages[numbers[i]].event;
  if (engine_apply(world->engine, events, count, results, &done, &mark, &diag) != ERR_OK)
    fail_msg("%s: %s", diag.code, diag.message);
  assert_int_equal(done, count);
  for (size_t i = 0; i < count; i++) {
    if (results[i].outcome == ENGINE_APPLIED) atomic_fetch_add(&world->taken[numbers[i]], 1);
    assert_true(results[i].outcome == ENGINE_APPLIED || results[i].outcome == ENGINE_DUPLICATE);
  }
}

// Threads i and i + 1 send the messages of i: each message is sent twice, in two orders.
static void *send_messages(void *argument) {
  struct worker *worker = argument;
  unsigned numbers[MESSAGES], count = 0;
  for (unsigned i = 0; i < MESSAGES; i++)
    if (i % THREADS == worker->index || i % THREADS == (worker->index + 1) % THREADS) numbers[count++] = i;
  for (unsigned i = count - 1; i > 0; i--) {
    unsigned j = roll(&worker->seed, i + 1), swap = numbers[i];
    numbers[i] = numbers[j];
    numbers[j] = swap;
  }
  for (unsigned at = 0; at < count;) {
    unsigned size = 1 + roll(&worker->seed, BATCH_MAX);
    if (size > count - at) size = count - at;
    apply_batch(worker->world, numbers + at, size);
    at += size;
  }
  atomic_fetch_sub(&worker->world->running, 1);
  return NULL;
}

// What people do by hand meanwhile may come too late: the customer is gone, or not connected any more.
static void expect_late_or_done(enum err err, const struct diag *diag) {
  if (err != ERR_OK && err != ERR_NOT_FOUND && err != ERR_INVALID) fail_msg("%s: %s", diag->code, diag->message);
}

static void split_somebody(struct world *world, unsigned *seed) {
  char a[64], b[64];
  unsigned person = JOINED + roll(seed, PARTED), kind = roll(seed, KINDS);
  struct engine_split split = {0};
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  struct diag diag;
  person_reference(person, kind, a);
  person_reference(person, (kind + 1) % KINDS, b);
  split.apart[0] = bytes_from_text(a);
  split.apart[1] = bytes_from_text(b);
  uint64_t customer = events_customer(world->engine, a);
  if (customer == 0) return;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  enum err err = engine_split_customer(world->engine, customer, &split, &writer, &commit, &diag);
  expect_late_or_done(err, &diag);
  if (err == ERR_OK) atomic_fetch_add(&world->splits, 1);
  buffer_release(&out);
  if (err == ERR_OK && roll(seed, 2) == 0)
    expect_late_or_done(engine_allow_link(world->engine, split.apart[0], split.apart[1], &commit, &diag), &diag);
}

static void erase_somebody(struct world *world, unsigned *seed) {
  char reference[64];
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  struct diag diag;
  person_reference(JOINED + PARTED + roll(seed, ERASED), roll(seed, KINDS), reference);
  uint64_t customer = events_customer(world->engine, reference);
  if (customer == 0) return;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  enum err err = engine_erase(world->engine, customer, false, &writer, &commit, &diag);
  expect_late_or_done(err, &diag);
  if (err == ERR_OK) {
    buffer_append_byte(&out, 0);
    const char *events = strstr((const char *)out.data, "\"events\":");
    assert_non_null(events);
    atomic_fetch_add(&world->erased_events, strtoull(events + strlen("\"events\":"), NULL, 10));
    atomic_fetch_add(&world->erasures, 1);
  }
  buffer_release(&out);
}

// Versions are built while events come.
static void define_something(struct world *world, unsigned *seed) {
  static const char *const expressions[] = {"count(\\\"Viewed\\\")", "exists(\\\"Viewed\\\" in last 3 days)",
                                            "last(time of \\\"Viewed\\\")", "count(\\\"Viewed\\\") > 3"};
  char json[256], id[8];
  struct engine_commit commit = {0};
  struct value_parser *parser;
  struct json_writer writer;
  struct buffer packed, out;
  struct diag diag;
  unsigned attribute = roll(seed, 3);
  diag_init(&diag);
  buffer_init(&packed);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  snprintf(id, sizeof id, "a%u", attribute);
  snprintf(json, sizeof json, "{\"id\":\"%s\",\"kind\":\"attribute\",\"expression\":\"%s\"}", id,
           expressions[roll(seed, sizeof expressions / sizeof *expressions)]);
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  assert_int_equal(value_parse_json(parser, bytes_from_text(json), engine_names(world->engine), &packed, &diag),
                   ERR_OK);
  if (roll(seed, 4) == 0)
    expect_late_or_done(engine_segment_archive(world->engine, bytes_from_text(id), &writer, &commit, &diag), &diag);
  else if (engine_segment_put(world->engine, (struct value){buffer_view(&packed)}, BYTES("ann"), &writer, &commit, NULL,
                              &diag) != ERR_OK)
    fail_msg("%s: %s", diag.code, diag.message);
  value_parser_close(parser);
  buffer_release(&packed);
  buffer_release(&out);
}

static void *meddle(void *argument) {
  struct worker *worker = argument;
  while (atomic_load(&worker->world->running) > 0) {
    bool idle;
    split_somebody(worker->world, &worker->seed);
    assert_int_equal(engine_tick(worker->world->engine, &idle, NULL), ERR_OK);
    if (roll(&worker->seed, 4) == 0) erase_somebody(worker->world, &worker->seed);
    if (roll(&worker->seed, 3) == 0) define_something(worker->world, &worker->seed);
    assert_int_equal(engine_timer_tick(worker->world->engine, &idle, NULL), ERR_OK);
  }
  return NULL;
}

static void run_threads(struct world *world) {
  enum { MEDDLERS = 2 };
  struct worker workers[THREADS + MEDDLERS];
  atomic_store(&world->running, THREADS);
  for (unsigned i = 0; i < THREADS + MEDDLERS; i++) {
    workers[i] = (struct worker){.world = world, .index = i, .seed = i + 7};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, i < THREADS ? send_messages : meddle, &workers[i]), 0);
  }
  for (unsigned i = 0; i < THREADS + MEDDLERS; i++) pthread_join(workers[i].thread, NULL);
}

// --- afterwards ----------------------------------------------------------------------------------------------

static void count_events(void *context, struct engine_view *view, uint64_t customer) {
  uint64_t *total = context;
  struct json_writer writer;
  struct buffer out;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_customer_json(view, customer, &writer, NULL), ERR_OK);
  buffer_append_byte(&out, 0);
  const char *events = strstr((const char *)out.data, "\"events\":");
  assert_non_null(events);
  *total += strtoull(events + strlen("\"events\":"), NULL, 10);
  buffer_release(&out);
}

static void expect_joined(struct world *world) {
  char reference[64];
  for (unsigned person = 0; person < JOINED; person++) {
    person_reference(person, 0, reference);
    uint64_t customer = events_customer(world->engine, reference);
    assert_int_not_equal(customer, 0);
    for (unsigned kind = 1; kind < KINDS; kind++) {
      person_reference(person, kind, reference);
      if (events_customer(world->engine, reference) != customer) fail_msg("%s is not with its person", reference);
    }
  }
}

static void expect_once(struct world *world) {
  struct engine_counts counts;
  uint64_t total = 0;
  for (unsigned i = 0; i < MESSAGES; i++)
    if (atomic_load(&world->taken[i]) != 1) fail_msg("m%u was taken %u times", i, atomic_load(&world->taken[i]));
  events_each_customer(world->engine, count_events, &total);
  engine_get_counts(world->engine, &counts);
  assert_int_equal(total, counts.events);
  assert_int_equal(total + atomic_load(&world->erased_events), MESSAGES);
  assert_int_equal(counts.duplicates, MESSAGES);
}

static struct world *open_world(bool on_disk) {
  struct world *world = calloc(1, sizeof *world);
  struct diag diag;
  assert_non_null(world);
  clock_init(&world->clock);
  if (on_disk) {
    events_directory(world->path);
    world->store = events_open_disk(world->path, true);
  } else {
    assert_int_equal(store_open_memory(&world->store), ERR_OK);
  }
  assert_int_equal(engine_create_workspace(world->store, &world->clock, &diag), ERR_OK);
  world->engine = events_open_engine(world->store, &world->clock);
  events_init(&world->events, world->engine);
  make_messages(world);
  return world;
}

static void reopen_engine(struct world *world) {
  engine_close(world->engine);
  world->engine = events_open_engine(world->store, &world->clock);
}

static void run_world(bool on_disk) {
  struct world *world = open_world(on_disk);
  run_threads(world);
  for (bool idle = false; !idle;) assert_int_equal(engine_tick(world->engine, &idle, NULL), ERR_OK);
  events_check(world->engine);
  expect_joined(world);
  expect_once(world);
  reopen_engine(world); // what was counted in memory is what was written
  events_check(world->engine);
  print_message("%u splits and %u erasures among %d messages\n", atomic_load(&world->splits),
                atomic_load(&world->erasures), MESSAGES);
  events_release(&world->events);
  engine_close(world->engine);
  store_close(world->store);
  if (on_disk) events_remove(world->path);
  free(world->messages);
  free(world);
}

static void test_in_memory(void **state) {
  (void)state;
  events_merge_events = 0;
  run_world(false);
}

// Merges leave nearly all they should move, sign-ins sort what changes hands, and the job undoes both.
static void test_moves_under_way(void **state) {
  (void)state;
  events_merge_events = 3;
  run_world(false);
  events_merge_events = 0;
}

static void test_on_disk(void **state) {
  (void)state;
  if (!EVENTS_ROCKSDB) {
    print_message("skipped: RocksDB is not built for this sanitizer\n");
    skip();
  }
  run_world(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_memory), cmocka_unit_test(test_moves_under_way),
                                     cmocka_unit_test(test_on_disk)};
  return cmocka_run_group_tests_name("engine concurrency", tests, NULL, NULL);
}
