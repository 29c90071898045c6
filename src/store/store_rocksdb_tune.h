// store_rocksdb_tune: every option of RocksDB, from the memory it may use and the class of each keyspace.
//
// Layer 2, private to this folder.
#pragma once

#include <rocksdb/c.h>
#include <stdatomic.h>

#include "store/store.h"

enum { STORE_FAMILY_COUNT = STORE_KEYSPACE_COUNT + 1 }; // keyspace k is family k + 1; RocksDB insists on "default"

struct store_tidy_slot {
  _Atomic(store_tidy_fn *) tidy; // NULL: none
};

struct store_rocksdb_tune {
  rocksdb_cache_t *cache;
  rocksdb_options_t *families[STORE_FAMILY_COUNT];
  const char *names[STORE_FAMILY_COUNT];
  uint64_t log_limit_bytes;      // RocksDB flushes so that its log stays about this
  uint64_t memtable_limit_bytes; // all memtables together
  struct store_tidy_slot tidy[STORE_KEYSPACE_COUNT];
};

// `env` is used, and `tune` stays where it is, as long as a database is open with these options.
void store_rocksdb_tune_init(struct store_rocksdb_tune *tune, const struct store_options *options, rocksdb_env_t *env);
void store_rocksdb_tune_release(struct store_rocksdb_tune *tune);

// How the cache is divided: single rows (store_rows.h), and RocksDB's blocks.
struct store_rocksdb_memory {
  size_t short_rows_bytes, long_rows_bytes, blocks_bytes;
};
struct store_rocksdb_memory store_rocksdb_memory(const struct store_options *options);
