// bench_audience: how long the rows of segments take, on one core.
//
// The membership row: 100 entries as they are in a shop with 100 live segments (members with an instant, some with a
// time until which it is sure, a few attributes), read and written. Audiences: 100 questions over a million customers
// in the store in memory and in RocksDB, of which a half to a sixtieth are in; rows as they are when the store has
// tidied them, and with changes appended since. The argument is for how many seconds to repeat the first (default 1).
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "parts/measure.h"
#include "parts/options.h"
#include "segment/audience.h"
#include "segment/membership.h"
#include "value/key.h"

enum { ENTRIES = 100, QUESTIONS = 100, CUSTOMERS = 1000000, CHANGES = 2000, RUNS = 1000 };

static int64_t for_us;

static uint64_t next_random(void) {
  static uint64_t seed = 88172645463325252;
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static void report(const char *what, uint64_t runs, int64_t elapsed_us, double unit_us, const char *unit) {
  printf("%-36s %10.2f %s\n", what, (double)elapsed_us / (double)runs / unit_us, unit);
}

// Of many runs the fastest: the others met a neighbour.
static void keep_least(int64_t *least_us, int64_t from_us) {
  int64_t elapsed_us = clock_monotonic_us() - from_us;
  if (elapsed_us < *least_us) *least_us = elapsed_us;
}

// --- the membership row --------------------------------------------------------------------------------------

static void fill_membership(struct membership *membership, struct arena *arena) {
  static const uint8_t number[] = {3, 0xd0, 0x0f};
  *membership = (struct membership){.timer_us = 1795306816500000};
  for (uint32_t i = 0; i < ENTRIES; i++) {
    struct membership_entry entry = {.question = 1 + 3 * i, .valid_until_us = MEMBERSHIP_FOREVER};
    entry.member = i % 10 != 0;
    entry.since_us = entry.member ? 1763769600000000 + (int64_t)i : 0;
    if (i % 3 == 0) entry.valid_until_us = 1795306816500000 + (int64_t)i;
    if (i % 10 == 0) entry.value.packed = bytes_of(number, sizeof number);
    assert(membership_set(membership, arena, &entry) == ERR_OK);
  }
}

static void bench_membership(void) {
  struct arena arena, scratch;
  struct membership membership, back;
  struct buffer row;
  int64_t least_us = INT64_MAX;
  arena_init(&arena, 0);
  arena_init(&scratch, 0);
  buffer_init(&row);
  fill_membership(&membership, &arena);
  for (int64_t start_us = clock_monotonic_us(); clock_monotonic_us() - start_us < for_us;) {
    int64_t from_us = clock_monotonic_us();
    for (int i = 0; i < RUNS; i++) {
      buffer_clear(&row);
      membership_encode(&membership, &row);
    }
    keep_least(&least_us, from_us);
  }
  report("membership_encode, 100 entries", RUNS, least_us, 1, "us");
  least_us = INT64_MAX;
  for (int64_t start_us = clock_monotonic_us(); clock_monotonic_us() - start_us < for_us;) {
    int64_t from_us = clock_monotonic_us();
    for (int i = 0; i < RUNS; i++) {
      arena_clear(&scratch);
      assert(membership_decode(buffer_view(&row), &scratch, &back) == ERR_OK && back.count == ENTRIES);
    }
    keep_least(&least_us, from_us);
  }
  report("membership_decode, 100 entries", RUNS, least_us, 1, "us");
  printf("%-36s %10zu bytes\n", "its row", row.size_bytes);
  buffer_release(&row);
  arena_release(&arena);
  arena_release(&scratch);
}

// --- audiences -----------------------------------------------------------------------------------------------

static void put_block(struct store_txn *txn, uint32_t question, uint32_t block) {
  struct buffer changes, row;
  struct key key;
  uint32_t one_in = 2 + question % 59, first = block * AUDIENCE_BLOCK_IDS;
  buffer_init(&changes);
  buffer_init(&row);
  for (uint32_t low = 0; low < AUDIENCE_BLOCK_IDS && first + low < CUSTOMERS; low++) {
    const uint8_t piece[] = {'+', (uint8_t)low, (uint8_t)(low >> 8)};
    if (next_random() % one_in == 0) buffer_append(&changes, piece, sizeof piece);
  }
  assert(audience_fold(buffer_view(&changes), &row) == ERR_OK);
  key_init(&key);
  key_put_u32(&key, question);
  key_put_u8(&key, 0);
  key_put_u32(&key, block);
  assert(store_put(txn, STORE_AUDIENCE, key_view(&key), buffer_view(&row)) == ERR_OK);
  buffer_release(&changes);
  buffer_release(&row);
}

static void put_all(struct store *store, uint32_t *questions) {
  struct store_mark mark;
  for (uint32_t i = 0; i < QUESTIONS; i++) {
    struct store_txn *txn;
    questions[i] = i + 1;
    assert(store_begin(store, &txn) == ERR_OK);
    for (uint32_t block = 0; block * AUDIENCE_BLOCK_IDS < CUSTOMERS; block++) put_block(txn, i + 1, block);
    assert(store_commit(txn, &mark, NULL) == ERR_OK);
  }
}

static void append_all(struct store *store) {
  struct store_mark mark;
  struct store_txn *txn;
  assert(store_begin(store, &txn) == ERR_OK);
  for (uint32_t i = 0; i < QUESTIONS * CHANGES; i++) {
    uint64_t random = next_random();
    assert(audience_change(txn, i % QUESTIONS + 1, 0, (random >> 8) % CUSTOMERS, random & 1) == ERR_OK);
  }
  assert(store_commit(txn, &mark, NULL) == ERR_OK);
}

static void bench_reads(struct store *store, const uint32_t *questions) {
  static uint64_t cells[QUESTIONS * QUESTIONS];
  struct store_snapshot *snapshot;
  uint64_t count, any, all;
  assert(store_snapshot_open(store, &snapshot) == ERR_OK);
  int64_t start_us = clock_monotonic_us();
  assert(audience_overlap(snapshot, questions, QUESTIONS, cells) == ERR_OK);
  report("overlap of 100 questions", 1, clock_monotonic_us() - start_us, CLOCK_MS_US, "ms");
  start_us = clock_monotonic_us();
  assert(audience_union_count(snapshot, questions, QUESTIONS, &any, &all) == ERR_OK);
  report("union of 100 questions", 1, clock_monotonic_us() - start_us, CLOCK_MS_US, "ms");
  start_us = clock_monotonic_us();
  for (uint32_t i = 0; i < QUESTIONS; i++) {
    assert(audience_stored_count(snapshot, questions[i], 0, &count) == ERR_OK);
    assert(count == cells[i * QUESTIONS + i]);
  }
  report("count of one question", QUESTIONS, clock_monotonic_us() - start_us, CLOCK_MS_US, "ms");
  store_snapshot_close(snapshot);
}

static void bench_store(struct store *store, const char *what) {
  uint32_t questions[QUESTIONS];
  put_all(store, questions);
  printf("a million customers in %s, tidy rows\n", what);
  bench_reads(store, questions);
  append_all(store);
  printf("2,000 changes a question appended\n");
  bench_reads(store, questions);
  store_close(store);
}

static void bench_rocksdb(void) {
  char path[] = "/tmp/rapport_bench_XXXXXX";
  struct store *store;
  assert(mkdtemp(path) != NULL);
  struct store_options options = {.path = path, .create = true};
  assert(store_open_rocksdb(&store, &options, NULL) == ERR_OK);
  bench_store(store, "RocksDB");
  measure_remove(path);
}

int main(int argc, char **argv) {
  struct store *store;
  uint64_t seconds = 1;
  const struct options_row rows[] = {
      {"--seconds", "N", "how long each figure is measured (1)", .number = &seconds, .most = UINT32_MAX}};
  options_take(rows, OPTIONS_COUNT(rows), argc, argv);
  for_us = (int64_t)seconds * CLOCK_SECOND_US;
  bench_membership();
  assert(store_open_memory(&store) == ERR_OK);
  bench_store(store, "memory");
  bench_rocksdb();
  return 0;
}
