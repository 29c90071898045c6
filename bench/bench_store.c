// What the store costs by itself.
//
//   batches    transactions of 64 events with one wait per 512
//   singles    one durable transaction of 6 writes at a time
// Both then read records of random customers for 5 s and walk all timelines.
//   overhead   the front alone, over the store in memory
//
// An event writes a message key, a customer record, an identifier, a timeline append, a payload and an edge. Figures
// go to standard output, one line.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "parts/measure.h"
#include "parts/options.h"
#include "store/store.h"

enum { EVENTS_PER_TXN = 64, TXNS_PER_BATCH = 8, THREADS_MAX = 256, WRITES_PER_EVENT = 6 };

struct bench {
  struct store *store;
  uint64_t customers;
  uint32_t events_per_txn;
  uint32_t txns_per_wait;
  int64_t until_us;
  _Atomic uint64_t events;
  _Atomic uint64_t failures;
  _Atomic uint64_t reads;
};

struct worker {
  struct bench *bench;
  uint64_t random;
  pthread_t thread;
};

static uint64_t next_random(uint64_t *random) {
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random;
}

static void put_u64(uint8_t *out, uint64_t number) {
  for (int i = 0; i < 8; i++) out[i] = (uint8_t)(number >> (56 - 8 * i));
}

// Bytes that compress about as packed events do: half of them words that repeat.
static struct bytes make_value(uint8_t *out, size_t size, uint64_t *random) {
  static const char words[] = "Order Completed store Paris channel till currency EUR category Cases brand ";
  for (size_t i = 0; i < size; i += 8) {
    uint64_t number = next_random(random);
    if (number & 1)
      memcpy(out + i, words + (number >> 8) % (sizeof words - 9), 8);
    else
      memcpy(out + i, &number, 8);
  }
  return bytes_of(out, size);
}

static enum err write_event(struct store_txn *txn, uint64_t customer, uint64_t *random) {
  uint8_t key[24];
  uint8_t message[16];
  uint8_t value[320];
  uint64_t halves[2] = {next_random(random), next_random(random)};
  put_u64(key, customer * 0x9e3779b97f4a7c15);
  put_u64(key + 8, (uint64_t)clock_monotonic_us());
  memcpy(key + 16, &halves[0], 8);
  memcpy(message, halves, sizeof message);
  enum err err = store_put(txn, STORE_MESSAGE, bytes_of(message, 16), bytes_of(key, 4));
  if (err == ERR_OK) err = store_put(txn, STORE_CUSTOMER, bytes_of(key, 8), make_value(value, 300, random));
  if (err == ERR_OK) err = store_put(txn, STORE_IDENTIFIER, bytes_of(key, 8), make_value(value, 96, random));
  if (err == ERR_OK) err = store_append(txn, STORE_TIMELINE, bytes_of(key, 8), make_value(value, 104, random));
  if (err == ERR_OK) err = store_put(txn, STORE_PAYLOAD, bytes_of(key, 24), make_value(value, 304, random));
  if (err == ERR_OK) err = store_put(txn, STORE_EDGE, bytes_of(key, 16), make_value(value, 96, random));
  return err;
}

static enum err run_txn(struct worker *worker, struct store_mark *mark) {
  struct bench *bench = worker->bench;
  uint64_t customers[EVENTS_PER_TXN];
  uint8_t ids[EVENTS_PER_TXN][8];
  struct bytes keys[EVENTS_PER_TXN];
  struct store_txn *txn;
  for (uint32_t i = 0; i < bench->events_per_txn; i++) {
    customers[i] = next_random(&worker->random) % bench->customers;
    put_u64(ids[i], customers[i]);
    keys[i] = bytes_of(ids[i], 8);
  }
  enum err err = store_begin(bench->store, &txn);
  if (err != ERR_OK) return err;
  err = store_lock_many(txn, STORE_LOCK_CUSTOMER, keys, bench->events_per_txn);
  for (uint32_t i = 0; i < bench->events_per_txn && err == ERR_OK; i++) {
    err = write_event(txn, customers[i], &worker->random);
  }
  if (err == ERR_OK) return store_commit(txn, mark, NULL);
  store_abort(txn);
  return err;
}

static void *run_worker(void *argument) {
  struct worker *worker = argument;
  struct bench *bench = worker->bench;
  while (clock_monotonic_us() < bench->until_us) {
    struct store_mark mark = {0};
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < bench->txns_per_wait && err == ERR_OK; i++) err = run_txn(worker, &mark);
    if (err == ERR_OK) err = store_wait(bench->store, mark, NULL);
    if (err != ERR_OK)
      atomic_fetch_add(&bench->failures, 1);
    else
      atomic_fetch_add(&bench->events, bench->events_per_txn * bench->txns_per_wait);
  }
  return NULL;
}

// Reads records of random customers, EVENTS_PER_TXN a call, until the time is over.
static void *read_worker(void *argument) {
  struct worker *worker = argument;
  struct bench *bench = worker->bench;
  struct arena arena;
  arena_init(&arena, 0);
  while (clock_monotonic_us() < bench->until_us) {
    uint8_t ids[EVENTS_PER_TXN][8];
    struct bytes keys[EVENTS_PER_TXN];
    struct bytes values[EVENTS_PER_TXN];
    struct store_txn *txn;
    for (int i = 0; i < EVENTS_PER_TXN; i++) {
      put_u64(ids[i], next_random(&worker->random) % bench->customers * 0x9e3779b97f4a7c15);
      keys[i] = bytes_of(ids[i], 8);
    }
    enum err err = store_begin(bench->store, &txn);
    if (err != ERR_OK) break;
    err = store_get_many(txn, STORE_CUSTOMER, keys, EVENTS_PER_TXN, &arena, values);
    if (err == ERR_OK) err = store_get_many(txn, STORE_TIMELINE, keys, EVENTS_PER_TXN, &arena, values);
    store_abort(txn);
    if (err != ERR_OK) atomic_fetch_add(&bench->failures, 1);
    atomic_fetch_add(&bench->reads, 2 * EVENTS_PER_TXN);
    arena_clear(&arena);
  }
  arena_release(&arena);
  return NULL;
}

// Walks all timelines in key order.
static void scan_all(struct bench *bench) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key;
  struct bytes value;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  int64_t start_us = clock_monotonic_us();
  if (store_snapshot_open(bench->store, &snapshot) != ERR_OK) return;
  if (store_snapshot_scan(snapshot, STORE_TIMELINE, BYTES(""), BYTES(""), &cursor) == ERR_OK) {
    for (; store_cursor_next(cursor, &key, &value); rows++) bytes += key.size_bytes + value.size_bytes;
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  double seconds = (double)(clock_monotonic_us() - start_us) / 1e6;
  printf("scan: rows=%llu rows/s=%.0f mib/s=%.0f\n", (unsigned long long)rows, (double)rows / seconds,
         (double)bytes / 1048576 / seconds);
}

static double peak_mib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

static void report(struct bench *bench, const char *mode, double seconds) {
  struct store_stats stats;
  uint64_t bytes = 0;
  store_get_stats(bench->store, &stats);
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) bytes += stats.bytes[i];
  double events = (double)atomic_load(&bench->events);
  printf("%s: events/s=%.0f writes/s=%.0f commits/s=%.0f syncs/s=%.0f failures=%llu cpu=%.1fs/%.1fs rss_peak_mib=%.0f "
         "files_mib=%.0f log_mib=%.0f events=%.0f\n",
         mode, events / seconds, events * WRITES_PER_EVENT / seconds, (double)stats.commits / seconds,
         (double)stats.syncs / seconds, (unsigned long long)atomic_load(&bench->failures), measure_cpu_own_s(), seconds,
         peak_mib(), (double)bytes / 1048576, (double)stats.log_bytes / 1048576, events);
}

static double run_threads(struct bench *bench, void *(*body)(void *), int64_t seconds, uint64_t threads) {
  static struct worker workers[THREADS_MAX];
  int64_t start_us = clock_monotonic_us();
  bench->until_us = start_us + seconds * CLOCK_SECOND_US;
  for (uint64_t i = 0; i < threads; i++) {
    workers[i] = (struct worker){.bench = bench, .random = (i + 1) * 0x2545f4914f6cdd1d};
    pthread_create(&workers[i].thread, NULL, body, &workers[i]);
  }
  for (uint64_t i = 0; i < threads; i++) pthread_join(workers[i].thread, NULL);
  return (double)(clock_monotonic_us() - start_us) / 1e6;
}

static void run(struct bench *bench, const char *mode, int64_t seconds, uint64_t threads) {
  report(bench, mode, run_threads(bench, run_worker, seconds, threads));
  double read_seconds = run_threads(bench, read_worker, 5, 2);
  printf("reads: keys/s=%.0f rss_peak_mib=%.0f\n", (double)atomic_load(&bench->reads) / read_seconds, peak_mib());
  scan_all(bench);
}

// Transactions of the size of a batch that are filled and aborted: overlay, locks, memory, no backend.
static void run_overhead(struct store *store) {
  enum { ROUNDS = 2000 };
  struct store_txn *txn;
  uint64_t random = 1;
  uint8_t value[200] = {0};
  int64_t start_us = clock_monotonic_us();
  for (int round = 0; round < ROUNDS; round++) {
    if (store_begin(store, &txn) != ERR_OK) return;
    for (int i = 0; i < EVENTS_PER_TXN * WRITES_PER_EVENT; i++) {
      uint64_t key = next_random(&random);
      if (store_put(txn, STORE_PAYLOAD, bytes_of(&key, 8), bytes_of(value, sizeof value)) != ERR_OK) return;
    }
    store_abort(txn);
  }
  double writes = (double)ROUNDS * EVENTS_PER_TXN * WRITES_PER_EVENT;
  printf("overhead: ns/write=%.0f\n", (double)(clock_monotonic_us() - start_us) * 1000 / writes);
}

struct options {
  const char *mode, *directory;
  uint64_t seconds, customers, threads; // threads 0: the mode's own number
  bool bulk;
};

static void run_mode(struct bench *bench, const struct options *options) {
  bool batches = strcmp(options->mode, "batches") == 0;
  uint64_t threads = options->threads > 0 ? options->threads : batches ? 2 : 64;
  bench->events_per_txn = batches ? EVENTS_PER_TXN : 1;
  bench->txns_per_wait = batches ? TXNS_PER_BATCH : 1;
  bench->customers = options->customers;
  run(bench, options->mode, (int64_t)options->seconds, threads);
}

int main(int argc, char **argv) {
  struct options options = {.mode = "batches", .seconds = 20, .customers = 1000000};
  const struct options_row rows[] = {
      {.value = "batches|singles|overhead", .help = "what is measured (batches)", .text = &options.mode},
      {"--seconds", "N", "how long is written (20)", .number = &options.seconds, .most = UINT32_MAX},
      {"--customers", "N", "1000000", .number = &options.customers},
      {"--threads", "N", "batches: 2; singles: 64", .number = &options.threads, .most = THREADS_MAX},
      {"--dir", "DIR", "a new one for the data, which stays there (one in /tmp, which goes)",
       .text = &options.directory},
      {"--bulk", .help = "the store as an import opens it: fewer, larger flushes", .flag = &options.bulk},
  };
  static struct bench bench;
  struct diag diag;
  char passing[] = "/tmp/rapport_bench_XXXXXX";
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  bool overhead = strcmp(options.mode, "overhead") == 0, passes = options.directory == NULL && !overhead;
  if (passes) options.directory = mkdtemp(passing);
  diag_init(&diag);
  struct store_options on_disk = {.path = options.directory, .create = true, .bulk = options.bulk};
  enum err err = overhead ? store_open_memory(&bench.store) : store_open_rocksdb(&bench.store, &on_disk, &diag);
  if (err != ERR_OK) {
    fprintf(stderr, "%s\n", diag.message);
    return 1;
  }
  if (overhead)
    run_overhead(bench.store);
  else
    run_mode(&bench, &options);
  store_close(bench.store);
  if (passes) measure_remove(passing);
  return 0;
}
