// How RocksDB is set up.
//
// Memory is bounded by numbers that do not grow with the data: one cache, of which single rows have a part, short and
// long (store_rows.h), and blocks, indexes and filters of all files the rest; one budget for the memtables of all
// keyspaces together; a limit on open files. The log limit follows from the memtables: a log is kept as long as one
// keyspace has unflushed rows in it, and at its limit all are flushed, full or not. So a low limit makes many small
// files, each of which is asked for every key: an import, whose log need not be read again soon, has twice the log of a
// server (30.6 us an event instead of 34.7).
//
// Memtables. With random keys most of the cost of a write is finding its place in a skip list (40 % of all processor
// time, measured). Keyspaces that are written at random therefore have hash tables of our own (store_memtable.h). A
// walk over all customers sorts the rows of a memtable first: some tens of milliseconds once a walk. What is small or
// walked in pages (search, aside) keeps skip lists. Hash tables rule out parallel inserts, and these gained nothing
// here; nor did the pipelined log.
#include "store/store_rocksdb_tune.h"

#include <string.h>

#include "base/alloc.h"
#include "store/store_backend.h"
#include "store/store_memtable.h"

#define MIB ((size_t)1024 * 1024)

enum {
  CACHE_MIB = 240,
  MEMTABLES_MIB = 112,
  SMALL_MEMTABLE_MIB = 4,
  BLOOM_BITS = 10, // one false positive in a hundred
  FILTER_PART_BYTES = 16 * 1024,
  CACHE_SHARD_BITS = 3, // eight: threads seldom meet in one
  OPEN_FILES = 512,
  TIMER_RUN_BYTES = 4,    // of an instant: timers of the same 71 minutes
  MESSAGE_ROW_BYTES = 64, // in a memtable
  SHORT_ROW_BYTES = 128,
  LONG_ROW_BYTES = 512,
  AUDIENCE_ROWS_BYTES = 1024, // what one key has there
  SHORT_ROWS_PERCENT = 52,    // of the cache: identifiers and heads of a million customers
  LONG_ROWS_PERCENT = 28,     // all rows of 20,000 to 30,000 customers
  LOG_PER_MEMTABLES = 3,
  LOG_PER_MEMTABLES_BULK = 6,
  RUNS = 4, // so many files lie side by side before they are merged
  RUNS_MESSAGE = 6,
  RUNS_LEVELS = 12,
  RUNS_TIMER = 24,
  RUNS_TIMER_SLOW = 40, // by itself RocksDB slows writers down at 20
  RUNS_TIMER_STOP = 56,
  RUNS_WRITTEN = 10,
  RUNS_BULK = 8,
  RUNS_BULK_EVENTS = 16, // which hardly anybody reads meanwhile
  KEEP_INFO_LOGS = 2,
  INFO_LOG_MIB = 2,
  INFO_LOG_WARN = 2,
};

// --- concatenation, and tidying
// -------------------------------------------------------------------------------------------

static char *join(const char *first, size_t first_bytes, const char *const *parts, const size_t *parts_bytes, int count,
                  size_t *joined_bytes) {
  size_t total = first_bytes;
  for (int i = 0; i < count; i++) total += parts_bytes[i];
  char *joined = alloc_get(total + 1);
  *joined_bytes = joined ? total : 0;
  if (!joined) return NULL;
  if (first_bytes > 0) memcpy(joined, first, first_bytes);
  char *end = joined + first_bytes;
  for (int i = 0; i < count; i++) {
    memcpy(end, parts[i], parts_bytes[i]);
    end += parts_bytes[i];
  }
  return joined;
}

// `state` is where the keyspace's tidy function stands. A row that cannot be tidied is as right as one that was.
static char *tidied(void *state, char *joined, unsigned char *success, size_t *joined_bytes) {
  struct store_tidy_slot *slot = state;
  store_tidy_fn *tidy = atomic_load_explicit(&slot->tidy, memory_order_relaxed);
  struct buffer shorter;
  *success = joined != NULL;
  if (!joined || !tidy) return joined;
  buffer_init(&shorter);
  if (!tidy(bytes_of(joined, *joined_bytes), &shorter)) {
    buffer_release(&shorter);
    return joined;
  }
  alloc_free(joined);
  *joined_bytes = shorter.size_bytes;
  return (char *)shorter.data;
}

static char *join_all(void *state, const char *key, size_t key_bytes, const char *existing, size_t existing_bytes,
                      const char *const *parts, const size_t *parts_bytes, int count, unsigned char *success,
                      size_t *joined_bytes) {
  (void)key;
  (void)key_bytes;
  char *joined = join(existing, existing ? existing_bytes : 0, parts, parts_bytes, count, joined_bytes);
  return tidied(state, joined, success, joined_bytes);
}

static char *join_parts(void *state, const char *key, size_t key_bytes, const char *const *parts,
                        const size_t *parts_bytes, int count, unsigned char *success, size_t *joined_bytes) {
  (void)key;
  (void)key_bytes;
  return tidied(state, join(NULL, 0, parts, parts_bytes, count, joined_bytes), success, joined_bytes);
}

static char *join_untidied(void *state, const char *key, size_t key_bytes, const char *const *parts,
                           const size_t *parts_bytes, int count, unsigned char *success, size_t *joined_bytes) {
  (void)state;
  (void)key;
  (void)key_bytes;
  char *joined = join(NULL, 0, parts, parts_bytes, count, joined_bytes);
  *success = joined != NULL;
  return joined;
}

static void free_joined(void *state, const char *value, size_t value_bytes) {
  (void)state;
  (void)value_bytes;
  alloc_free((void *)(uintptr_t)value);
}

static const char *join_name(void *state) {
  (void)state;
  return "rapport.concatenate";
}

static void no_state(void *state) {
  (void)state;
}

// --- families ------------------------------------------------------------------------------------------------

// A filter in one piece has megabytes, and every look-up of a key that is not there wants it: 10 bits for each message
// ever seen would have to stay in the cache. In parts, only those in use do. A customer's rows are there when they are
// asked for, so the last level needs no filter, and those of the others are small: they stay in one piece, which is
// found with one look less.
static void set_filters(rocksdb_block_based_table_options_t *table, enum store_key_class key_class) {
  rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
  rocksdb_block_based_options_set_whole_key_filtering(table, 1);
  rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
  rocksdb_block_based_options_set_partition_filters(table, key_class != STORE_KEY_customer);
  rocksdb_block_based_options_set_metadata_block_size(table, FILTER_PART_BYTES);
  rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1);
}

// A walk over all of TIMELINE pays about 2 us a block besides its bytes: 8 KiB instead of 32 made it take two thirds
// longer.
static size_t block_bytes(enum store_keyspace keyspace) {
  if (keyspace == STORE_TIMELINE) return 32 * 1024;
  if (keyspace == STORE_PROJECTION) return 16 * 1024;
  return store_keyspace_class(keyspace) == STORE_KEY_customer ? 8 * 1024 : 4 * 1024;
}

static void set_tables(rocksdb_options_t *family, rocksdb_cache_t *cache, enum store_keyspace keyspace) {
  enum store_key_class key_class = store_keyspace_class(keyspace);
  rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
  rocksdb_block_based_options_set_block_cache(table, cache);
  rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
  rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
  rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
  rocksdb_block_based_options_set_format_version(table, 5);
  rocksdb_block_based_options_set_block_size(table, block_bytes(keyspace));
  if (key_class != STORE_KEY_small) set_filters(table, key_class);
  rocksdb_options_set_block_based_table_factory(family, table);
  rocksdb_block_based_options_destroy(table);
}

// LZ4 everywhere, at the last level too: ZSTD saved 2 % there (measured) and reads slower. Not for message keys, which
// are random with next to no value, nor for rows of the timeline and its projections, which are packed already.
static void set_compression(rocksdb_options_t *family, enum store_keyspace keyspace) {
  bool compress = keyspace != STORE_MESSAGE && keyspace != STORE_TIMELINE && keyspace != STORE_PROJECTION;
  rocksdb_options_set_compression(family, compress ? rocksdb_lz4_compression : rocksdb_no_compression);
}

// The keyspaces with many random writes.
static bool is_hashed(enum store_keyspace keyspace) {
  return keyspace == STORE_MESSAGE || keyspace == STORE_IDENTIFIER || keyspace == STORE_PROJECTION ||
         store_keyspace_prefix_bytes(keyspace) > 0;
}

// About one bucket a row.
static size_t buckets_for(enum store_keyspace keyspace, size_t bytes) {
  bool is_long = keyspace == STORE_PAYLOAD || keyspace == STORE_EDGE;
  size_t row_bytes = is_long ? LONG_ROW_BYTES : keyspace == STORE_MESSAGE ? MESSAGE_ROW_BYTES : SHORT_ROW_BYTES;
  if (keyspace == STORE_AUDIENCE) row_bytes = AUDIENCE_ROWS_BYTES;
  size_t count = 1;
  while (count * row_bytes < bytes) count *= 2;
  return count;
}

static void set_memtable(rocksdb_options_t *family, enum store_keyspace keyspace, size_t total_bytes) {
  enum store_key_class key_class = store_keyspace_class(keyspace);
  size_t bytes = keyspace == STORE_PAYLOAD ? total_bytes / 3 : total_bytes / 6;
  // Timers are walked in order all the time, so they stay in a skip list: a short one is in the processor's cache.
  bool is_short = key_class == STORE_KEY_small || keyspace == STORE_TIMER;
  if (is_short && bytes > SMALL_MEMTABLE_MIB * MIB) bytes = SMALL_MEMTABLE_MIB * MIB;
  if (bytes < MIB) bytes = MIB;
  rocksdb_options_set_write_buffer_size(family, bytes);
  rocksdb_options_set_max_write_buffer_number(family, 3);
  size_t prefix_bytes = store_keyspace_prefix_bytes(keyspace);
  if (prefix_bytes > 0)
    rocksdb_options_set_prefix_extractor(family, rocksdb_slicetransform_create_fixed_prefix(prefix_bytes));
  if (is_hashed(keyspace)) store_memtable_set(family, prefix_bytes, buckets_for(keyspace, bytes));
  // A million that fall due at one instant are taken out in their order.
  if (keyspace == STORE_TIMER) store_memtable_follow(family, TIMER_RUN_BYTES);
}

// Rows that are written once, seldom read, and looked up by filter or by whole key when they are: whole runs are merged
// instead of level by level. That rewrites them less often: 53 us an event became 47 (3 M events, 1 M customers).
static bool is_written_mostly(enum store_keyspace keyspace) {
  return keyspace == STORE_PAYLOAD || keyspace == STORE_TIMELINE || keyspace == STORE_EDGE ||
         keyspace == STORE_MESSAGE || keyspace == STORE_CHANGE || keyspace == STORE_AUDIENCE;
}

// Of whole runs the oldest are large and stay: where only four may lie side by side, each flush of 10 MB was merged at
// once into the least of them, 20 times its size. More are looked through by a read, each behind its filter. 129 us an
// event became 114 (1 M customers, 1,000 live segments). Timers are rewritten whole each time, and read only by the one
// walk that asks who is due: a million due at once, 19 flushes, are one merge instead of two.
static int runs_of(enum store_keyspace keyspace, bool bulk) {
  if (keyspace == STORE_IDENTIFIER) return RUNS; // asked of each run each time
  if (keyspace == STORE_MESSAGE) return RUNS_MESSAGE;
  if (bulk && (keyspace == STORE_PAYLOAD || keyspace == STORE_TIMELINE)) return RUNS_BULK_EVENTS;
  if (is_written_mostly(keyspace)) return RUNS_WRITTEN;
  if (keyspace == STORE_TIMER) return RUNS_TIMER;
  return bulk ? RUNS_BULK : RUNS_LEVELS;
}

static rocksdb_options_t *family_options(struct store_rocksdb_tune *tune, enum store_keyspace keyspace, bool bulk) {
  rocksdb_options_t *family = rocksdb_options_create();
  enum store_key_class key_class = store_keyspace_class(keyspace);
  set_memtable(family, keyspace, (size_t)tune->memtable_limit_bytes);
  rocksdb_options_set_target_file_size_base(family, 64 * MIB);
  rocksdb_options_set_max_bytes_for_level_base(family, 256 * MIB);
  if (is_written_mostly(keyspace))
    rocksdb_options_set_compaction_style(family, rocksdb_universal_compaction);
  else
    rocksdb_options_set_level_compaction_dynamic_level_bytes(family, 1);
  rocksdb_options_set_level0_file_num_compaction_trigger(family, runs_of(keyspace, bulk));
  if (keyspace == STORE_TIMER) {
    rocksdb_options_set_level0_slowdown_writes_trigger(family, RUNS_TIMER_SLOW);
    rocksdb_options_set_level0_stop_writes_trigger(family, RUNS_TIMER_STOP);
  }
  set_tables(family, tune->cache, keyspace);
  // What is read of a customer is there: the last level, where nearly all of it lies, needs no filter.
  rocksdb_options_set_optimize_filters_for_hits(family, key_class == STORE_KEY_customer);
  set_compression(family, keyspace);
  if (store_keyspace_is_appended(keyspace)) {
    rocksdb_mergeoperator_t *operator=
        rocksdb_mergeoperator_create(&tune->tidy[keyspace], no_state, join_all,
                                     keyspace == STORE_TIMELINE ? join_parts : join_untidied, free_joined, join_name);
    rocksdb_options_set_merge_operator(family, operator);
  }
  return family;
}

// The options of the database as a whole, which also serve its unused default family.
static rocksdb_options_t *database_options(const struct store_rocksdb_tune *tune, bool create) {
  rocksdb_options_t *database = rocksdb_options_create();
  rocksdb_options_set_create_if_missing(database, create);
  rocksdb_options_set_create_missing_column_families(database, 1);
  rocksdb_options_set_write_buffer_size(database, SMALL_MEMTABLE_MIB * MIB);
  rocksdb_options_set_db_write_buffer_size(database, (size_t)tune->memtable_limit_bytes);
  rocksdb_options_set_max_total_wal_size(database, tune->log_limit_bytes);
  rocksdb_options_set_max_open_files(database, OPEN_FILES);
  rocksdb_options_set_max_background_jobs(database, 2);
  rocksdb_options_set_bytes_per_sync(database, MIB);
  rocksdb_options_set_allow_concurrent_memtable_write(database, 0);
  rocksdb_options_set_skip_stats_update_on_db_open(database, 1);
  rocksdb_options_set_stats_dump_period_sec(database, 0);
  rocksdb_options_set_stats_persist_period_sec(database, 0);
  rocksdb_options_set_info_log_level(database, INFO_LOG_WARN);
  rocksdb_options_set_keep_log_file_num(database, KEEP_INFO_LOGS);
  rocksdb_options_set_max_log_file_size(database, INFO_LOG_MIB * MIB);
  set_tables(database, tune->cache, STORE_META);
  return database;
}

// By itself the cache falls into 64 shards; one of 2.5 MiB drops what it holds for the sake of one large block.
static rocksdb_cache_t *create_cache(size_t cache_bytes) {
  rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
  rocksdb_lru_cache_options_set_capacity(options, cache_bytes);
  rocksdb_lru_cache_options_set_num_shard_bits(options, CACHE_SHARD_BITS);
  rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(options);
  rocksdb_lru_cache_options_destroy(options);
  return cache;
}

struct store_rocksdb_memory store_rocksdb_memory(const struct store_options *options) {
  size_t total = options->cache_bytes ? options->cache_bytes : CACHE_MIB * MIB;
  struct store_rocksdb_memory memory = {.short_rows_bytes = total / 100 * SHORT_ROWS_PERCENT,
                                        .long_rows_bytes = total / 100 * LONG_ROWS_PERCENT};
  memory.blocks_bytes = total - memory.short_rows_bytes - memory.long_rows_bytes;
  return memory;
}

void store_rocksdb_tune_init(struct store_rocksdb_tune *tune, const struct store_options *options, rocksdb_env_t *env) {
  tune->memtable_limit_bytes = options->write_buffer_bytes ? options->write_buffer_bytes : MEMTABLES_MIB * MIB;
  if (tune->memtable_limit_bytes < MIB) tune->memtable_limit_bytes = MIB;
  tune->log_limit_bytes = tune->memtable_limit_bytes * (options->bulk ? LOG_PER_MEMTABLES_BULK : LOG_PER_MEMTABLES);
  tune->cache = create_cache(store_rocksdb_memory(options).blocks_bytes);
  tune->names[0] = "default";
  tune->families[0] = database_options(tune, options->create);
  rocksdb_options_set_env(tune->families[0], env);
  for (int i = 0; i < STORE_KEYSPACE_COUNT; i++) {
    tune->names[i + 1] = store_keyspace_name((enum store_keyspace)i);
    tune->families[i + 1] = family_options(tune, (enum store_keyspace)i, options->bulk);
  }
}

void store_rocksdb_tune_release(struct store_rocksdb_tune *tune) {
  for (int i = 0; i < STORE_FAMILY_COUNT; i++) rocksdb_options_destroy(tune->families[i]);
  rocksdb_cache_destroy(tune->cache);
}
