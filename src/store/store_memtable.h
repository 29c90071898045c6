// store_memtable: the tables in memory in which RocksDB keeps rows until it writes them to files.
//
// Layer 2, private to this folder.
#pragma once

#include <stddef.h>

#include <rocksdb/c.h>

#ifdef __cplusplus
extern "C" {
#endif

// Gives a column family hashed tables of `bucket_count` buckets (a power of two). `prefix_bytes` > 0: its keys begin
// with so many bytes of a customer, and the family has a prefix extractor of that length; ranges inside one customer
// are then found by hash as well.
void store_memtable_set(rocksdb_options_t *family, size_t prefix_bytes, size_t bucket_count);

// Of a column family with a skip list, whose rows are written in runs: a row goes in beside the one before it of the
// same first `prefix_bytes`, without a search from the top.
void store_memtable_follow(rocksdb_options_t *family, size_t prefix_bytes);

#ifdef __cplusplus
}
#endif
