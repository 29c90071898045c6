// The counters after any failure: whatever commits at the same time, the rows that are stored tell at every moment what
// is stored beside them, so that a crash at that moment leaves them exact.
//
// A ledger stands behind the store. Of the commits that many threads make it refuses some, and keeps some and says that
// they failed, as a disk may; after each it adds up the rows of all stripes and the events that were ever stored.
#include "engine_events.h"

#include <pthread.h>

#include "engine/internal.h"
#include "store/store_backend.h"

enum { THREADS = 24, EVENTS_EACH = 300, REFUSED_EVERY = 3, KEPT_EVERY = 7, TRIES_MAX = 1000 };

static struct ledger {
  struct store *inner_store;
  struct store_backend inner;
  struct store_backend_ops ops;
  pthread_mutex_t mutex; // one commit at a time, so that the sums mean something
  uint64_t commits, refused, kept;
  uint64_t stripes[ENGINE_STRIPES]; // the events that each row says
  uint64_t events;                  // the deduplication keys there are
  uint64_t wrong;                   // commits after which the two differed
} ledger;

static void ledger_close(void *self) {
  (void)self;
  store_close(ledger.inner_store);
}

static void note_write(const struct store_write *write) {
  struct bytes key = store_write_key(write), name = BYTES("count");
  if (write->keyspace == STORE_MESSAGE) ledger.events++;
  if (write->keyspace != STORE_META || key.size_bytes != name.size_bytes + 1 + sizeof(uint64_t)) return;
  if (!bytes_equal(bytes_of(key.data, name.size_bytes), name)) return;
  ledger.stripes[key_read_u64(key.data + name.size_bytes + 1)] = key_read_u64(write->value + sizeof(uint64_t));
}

static enum err apply_and_compare(void *self, const struct store_batch *batch, struct diag *diag) {
  uint64_t counted = 0;
  enum err err = ledger.inner.ops->commit(self, batch, diag);
  for (const struct store_write *write = batch->first; err == ERR_OK && write != NULL; write = write->next)
    note_write(write);
  for (size_t i = 0; i < ENGINE_STRIPES; i++) counted += ledger.stripes[i];
  ledger.wrong += counted != ledger.events;
  return err;
}

static bool brings_events(const struct store_batch *batch) {
  for (const struct store_write *write = batch->first; write != NULL; write = write->next)
    if (write->keyspace == STORE_MESSAGE) return true;
  return false;
}

static enum err ledger_commit(void *self, const struct store_batch *batch, struct diag *diag) {
  enum err err = ERR_OK;
  pthread_mutex_lock(&ledger.mutex);
  uint64_t number = brings_events(batch) ? ++ledger.commits : 1;
  bool refuse = number % REFUSED_EVERY == 0, keep = !refuse && number % KEPT_EVERY == 0;
  if (!refuse) err = apply_and_compare(self, batch, diag);
  ledger.refused += refuse;
  ledger.kept += keep;
  pthread_mutex_unlock(&ledger.mutex);
  return refuse || keep ? diag_set(diag, ERR_IO, "io", "a failure was injected for a test") : err;
}

static struct store *open_ledger(void) {
  struct store *store;
  ledger = (struct ledger){.mutex = PTHREAD_MUTEX_INITIALIZER};
  assert_int_equal(store_open_memory(&ledger.inner_store), ERR_OK);
  ledger.inner = store_front_backend(ledger.inner_store);
  ledger.ops = *ledger.inner.ops;
  ledger.ops.close = ledger_close;
  ledger.ops.commit = ledger_commit;
  assert_int_equal(store_front_open(&store, (struct store_backend){&ledger.ops, ledger.inner.self}), ERR_OK);
  return store;
}

// --- threads -------------------------------------------------------------------------------------------------

struct sender {
  const struct events *events;
  unsigned index, failures;
  pthread_t thread;
};

static void send(struct sender *sender, unsigned number) {
  struct events_one one;
  struct engine_result result;
  struct store_mark mark;
  char id[EVENTS_TEXT_BYTES];
  size_t done;
  enum err err = ERR_IO;
  snprintf(id, sizeof id, "m%u-%u", sender->index, number);
  events_make(sender->events, &one, id, number);
  events_add(sender->events, &one, "user_id", sender->index);
  for (int tries = 0; err == ERR_IO && tries < TRIES_MAX; tries++)
    err = engine_apply(sender->events->engine, &one.event, 1, &result, &done, &mark, NULL);
  sender->failures += err != ERR_OK;
}

static void *send_all(void *context) {
  struct sender *sender = context;
  for (unsigned i = 0; i < EVENTS_EACH; i++) send(sender, i);
  return NULL;
}

static struct engine *open_engine(struct store *store, const struct clock *clock) {
  struct engine_options options = {.store = store, .clock = clock};
  struct engine *engine;
  assert_int_equal(engine_open(&engine, &options, NULL), ERR_OK);
  return engine;
}

static void expect_exact(struct engine *engine) {
  struct engine_counts counts;
  assert_int_equal(engine_get_counts(engine, &counts), ERR_OK);
  assert_int_equal(counts.events, THREADS * EVENTS_EACH);
  assert_int_equal(counts.customers, THREADS);
  assert_int_equal(counts.identifiers, THREADS);
}

static void test_exact_whatever_fails(void **state) {
  static struct sender senders[THREADS];
  struct store *store = open_ledger();
  struct events events;
  struct clock clock;
  (void)state;
  clock_init(&clock);
  clock_hold(&clock, EVENTS_EPOCH_US + 300 * CLOCK_DAY_US);
  assert_int_equal(engine_create_workspace(store, &clock, NULL), ERR_OK);
  struct engine *engine = open_engine(store, &clock);
  events_init(&events, engine);
  for (unsigned i = 0; i < THREADS; i++) {
    senders[i] = (struct sender){.events = &events, .index = i};
    assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(senders[i].thread, NULL);
    assert_int_equal(senders[i].failures, 0);
  }
  assert_true(ledger.refused > THREADS && ledger.kept > THREADS);
  assert_int_equal(ledger.events, THREADS * EVENTS_EACH);
  assert_int_equal(ledger.wrong, 0);
  expect_exact(engine);
  events_release(&events);
  engine_close(engine);
  engine = open_engine(store, &clock);
  expect_exact(engine);
  engine_close(engine);
  store_close(store);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact_whatever_fails)};
  return cmocka_run_group_tests_name("engine count", tests, NULL, NULL);
}
