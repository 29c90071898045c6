// Kill -9 at any instant loses no acknowledged event and applies none twice.
//
// A child applies events with four threads, moves what merges leave, and tells their numbers through a pipe once they
// are durable. It is killed at a random time; then the workspace opens, every invariant holds, every number that was
// told is on one timeline once, and no other number is there twice. The same directory goes through several kills.
// RAPPORT_TEST_LONG=1 makes it a hundred.
#include "engine_events.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum {
  WRITERS = 4,
  KILLS_OF_A_DIRECTORY = 5,
  KILLS_LONG = 100,
  NUMBERS_MAX = 1 << 20,
  PEOPLE = 60,
  BATCH_MAX = 12,
  MERGE_EVENTS = 20, // moved at once; the rest of a merge is left to the job
  PAGE = 1000,
  START_MS_MAX = 20000,
};

struct child {
  struct engine *engine;
  struct events events;
  int pipe;
  _Atomic uint32_t next_number;
};

struct writer {
  struct child *child;
  unsigned seed;
  pthread_t thread;
};

static unsigned roll(unsigned *seed, unsigned below) {
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % below;
}

// --- the child -----------------------------------------------------------------------------------------------

// What goes wrong in the child must not look like a kill.
static void must(bool right) {
  if (!right) _exit(3);
}

// {"messageId":"k7"}: the page of events shows it.
static struct value pack_message(struct child *child, const struct events_one *one, struct buffer *packed) {
  struct value_builder builder;
  buffer_clear(packed);
  value_builder_init(&builder, packed, engine_names(child->engine));
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("messageId"));
  value_put_text(&builder, one->event.message_id);
  value_document_end(&builder);
  must(value_builder_finish(&builder) == ERR_OK);
  return (struct value){buffer_view(packed)};
}

static void make_event(struct child *child, struct events_one *one, uint32_t number, unsigned *seed) {
  static const char *const types[] = {"user_id", "loyalty_card", "email"};
  unsigned person = roll(seed, PEOPLE), form = roll(seed, 4);
  char id[EVENTS_TEXT_BYTES];
  snprintf(id, sizeof id, "k%u", number);
  events_make(&child->events, one, id, (int64_t)roll(seed, 1000000));
  if (form < 3) events_add(&child->events, one, types[form], person);
  if (form == 1) events_add(&child->events, one, "user_id", person);
  if (form >= 2) events_add(&child->events, one, "anonymous_id", person / 2);
}

static void apply_some(struct child *child, unsigned *seed) {
  static _Thread_local struct events_one made[BATCH_MAX];
  static _Thread_local struct buffer packed[BATCH_MAX];
  struct engine_event events[BATCH_MAX];
  struct engine_result results[BATCH_MAX];
  uint32_t numbers[BATCH_MAX];
  struct store_mark mark;
  struct diag diag;
  size_t done, count = 1 + roll(seed, BATCH_MAX);
  for (size_t i = 0; i < count; i++) {
    numbers[i] = atomic_fetch_add(&child->next_number, 1);
    must(numbers[i] < NUMBERS_MAX);
    make_event(child, &made[i], numbers[i], seed);
    events[i] = made[i].event;
    events[i].message = pack_message(child, &made[i], &packed[i]);
  }
  must(engine_apply(child->engine, events, count, results, &done, &mark, &diag) == ERR_OK);
  must(store_wait(engine_store(child->engine), mark, &diag) == ERR_OK);
  must(write(child->pipe, numbers, count * sizeof *numbers) == (ssize_t)(count * sizeof *numbers));
}

static void split_somebody(struct child *child, unsigned *seed) {
  unsigned person = roll(seed, PEOPLE);
  struct engine_split split = {0};
  struct json_writer writer;
  struct engine_commit commit = {0};
  struct buffer out;
  struct diag diag;
  char a[64], b[64];
  events_reference("user_id", person, a);
  events_reference("loyalty_card", person, b);
  split.apart[0] = bytes_from_text(a);
  split.apart[1] = bytes_from_text(b);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  uint64_t customer = events_customer(child->engine, a);
  if (customer != 0 && engine_split_customer(child->engine, customer, &split, &writer, &commit, &diag) == ERR_OK)
    engine_allow_link(child->engine, split.apart[0], split.apart[1], &commit, &diag);
  buffer_release(&out);
}

static void *write_for_ever(void *argument) {
  struct writer *writer = argument;
  while (writer->child->pipe >= 0) {
    apply_some(writer->child, &writer->seed);
    if (roll(&writer->seed, 20) == 0) split_somebody(writer->child, &writer->seed);
  }
  return NULL;
}

// The job that moves what merges leave, at its own pace.
static void tick(struct child *child) {
  struct diag diag;
  bool idle;
  must(engine_tick(child->engine, &idle, &diag) == ERR_OK);
  usleep(200);
}

static void run_child(const char *path, int pipe, uint32_t first_number) {
  static struct clock clock;
  struct child child = {.pipe = pipe, .next_number = first_number};
  struct writer writers[WRITERS];
  clock_init(&clock);
  events_merge_events = MERGE_EVENTS;
  child.engine = events_open_engine(events_open_disk(path, false), &clock);
  events_init(&child.events, child.engine);
  for (unsigned i = 0; i < WRITERS; i++) {
    writers[i] = (struct writer){.child = &child, .seed = first_number + i};
    must(pthread_create(&writers[i].thread, NULL, write_for_ever, &writers[i]) == 0);
  }
  for (;;) tick(&child);
}

// --- the parent ----------------------------------------------------------------------------------------------

struct trial {
  char path[256];
  uint8_t *told, *there; // by number
  uint32_t next_number, told_count;
  unsigned seed;
};

static void note_told(struct trial *trial, const uint8_t *bytes, size_t size) {
  for (size_t at = 0; at + sizeof(uint32_t) <= size; at += sizeof(uint32_t)) {
    uint32_t number;
    memcpy(&number, bytes + at, sizeof number);
    assert_true(number < NUMBERS_MAX);
    assert_int_equal(trial->told[number], 0);
    trial->told[number] = 1;
    trial->told_count++;
    if (number >= trial->next_number) trial->next_number = number + 1;
  }
}

// Reads what is told for `wait_ms`, kills, and reads the rest: what reached the pipe was told. The time runs from the
// fork, so that an opening is killed too, or from the first number.
static void listen_and_kill(struct trial *trial, int pipe, pid_t child, int wait_ms, bool from_fork) {
  uint8_t bytes[4096];
  size_t held = 0; // of a number that is not whole yet
  int64_t until_us = clock_monotonic_us() + (from_fork ? wait_ms : START_MS_MAX) * 1000;
  bool killed = false;
  for (;;) {
    int64_t left_ms = (until_us - clock_monotonic_us()) / 1000;
    if (!killed && left_ms <= 0) {
      kill(child, SIGKILL);
      killed = true;
    }
    struct pollfd ready = {.fd = pipe, .events = POLLIN};
    if (poll(&ready, 1, killed ? 1000 : (int)left_ms) <= 0) continue;
    ssize_t size = read(pipe, bytes + held, sizeof bytes - held);
    if (size <= 0) break;
    held += (size_t)size;
    if (!from_fork) until_us = clock_monotonic_us() + wait_ms * 1000;
    from_fork = true;
    size_t whole = held / sizeof(uint32_t) * sizeof(uint32_t);
    note_told(trial, bytes, whole);
    memmove(bytes, bytes + whole, held - whole);
    held -= whole;
  }
}

static void run_and_kill(struct trial *trial, bool early) {
  int ends[2], status;
  assert_int_equal(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(ends[0]);
    run_child(trial->path, ends[1], trial->next_number);
  }
  close(ends[1]);
  listen_and_kill(trial, ends[0], child, 1 + (int)roll(&trial->seed, 300), early);
  close(ends[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) fail_msg("the child ended by itself: %d", status);
}

static void note_page(struct trial *trial, const char *json) {
  static const char member[] = "\"message_id\":\"k";
  for (const char *at = json; (at = strstr(at, member)) != NULL; at++) {
    unsigned long number = strtoul(at + sizeof member - 1, NULL, 10);
    assert_true(number < NUMBERS_MAX);
    if (trial->there[number]++ != 0) fail_msg("k%lu is there twice", number);
    if (number >= trial->next_number) trial->next_number = (uint32_t)number + 1;
  }
}

static void note_events(void *context, struct engine_view *view, uint64_t customer) {
  struct engine_events_query query = {.limit = PAGE};
  char cursor[128] = "";
  for (bool more = true; more;) {
    struct json_writer writer;
    struct buffer out;
    struct diag diag;
    buffer_init(&out);
    json_writer_init(&writer, &out);
    query.after = bytes_from_text(cursor);
    if (engine_events_json(view, customer, &query, &writer, &diag) != ERR_OK) fail_msg("%s", diag.message);
    buffer_append_byte(&out, 0);
    note_page(context, (const char *)out.data);
    const char *next = strstr((const char *)out.data, "\"next\":\"");
    more = next != NULL;
    if (more) snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(next + 8, "\""), next + 8);
    buffer_release(&out);
  }
}

static void expect_everything(struct trial *trial) {
  struct clock clock;
  uint32_t there = 0;
  clock_init(&clock);
  struct store *store = events_open_disk(trial->path, false);
  struct engine *engine = events_open_engine(store, &clock);
  events_check(engine);
  memset(trial->there, 0, NUMBERS_MAX);
  events_each_customer(engine, note_events, trial);
  for (uint32_t i = 0; i < NUMBERS_MAX; i++) {
    if (trial->told[i] && !trial->there[i]) fail_msg("k%u was acknowledged and is lost", i);
    there += trial->there[i];
  }
  print_message("%u events told, %u there\n", trial->told_count, there);
  engine_close(engine);
  store_close(store);
}

static void open_trial(struct trial *trial) {
  struct clock clock;
  struct diag diag;
  clock_init(&clock);
  events_directory(trial->path);
  struct store *store = events_open_disk(trial->path, true);
  assert_int_equal(engine_create_workspace(store, &clock, &diag), ERR_OK);
  store_close(store);
  trial->told = calloc(NUMBERS_MAX, 1);
  trial->there = calloc(NUMBERS_MAX, 1);
  assert_true(trial->told != NULL && trial->there != NULL);
}

static void test_kills(void **state) {
  unsigned rounds = getenv("RAPPORT_TEST_LONG") == NULL ? 1 : KILLS_LONG / KILLS_OF_A_DIRECTORY;
  (void)state;
  if (!EVENTS_ROCKSDB) {
    print_message("skipped: RocksDB is not built for this sanitizer\n");
    skip();
  }
  for (unsigned round = 0; round < rounds; round++) {
    struct trial trial = {.seed = (unsigned)clock_monotonic_us()};
    open_trial(&trial);
    for (int i = 0; i < KILLS_OF_A_DIRECTORY; i++) {
      run_and_kill(&trial, i == 1);
      expect_everything(&trial);
    }
    assert_true(trial.told_count > 0);
    events_remove(trial.path);
    free(trial.told);
    free(trial.there);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
  return cmocka_run_group_tests_name("engine kill", tests, NULL, NULL);
}
