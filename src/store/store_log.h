// store_log: the log files of RocksDB, which never tell it that the disk is full.
//
// Layer 2, private to this folder. This library ends the process when it touches a log file that refused a write
// before (an assertion). So RocksDB is given log files that accept every write: what the disk has no room for is kept
// in memory and written as soon as there is room. Durability is asked for here and not through RocksDB, which so
// learns nothing of a failure either.
//
// Kept are at most the commits that were under way when the disk filled: the store refuses new ones as long as
// store_log_is_waiting. Threads: every function but open and close is called by any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rocksdb/c.h>

#include "base/diag.h"

#ifdef __cplusplus
extern "C" {
#endif

struct store_log;

// For the logs of the database in the directory `path`; its other files go to the file system as they are.
enum err store_log_open(struct store_log **log, const char *path);

// After the database and the options with its environment are gone.
void store_log_close(struct store_log *log);

// What rocksdb_options_set_env takes. Stays the log's.
rocksdb_env_t *store_log_env(struct store_log *log);

// Makes all that RocksDB has written to its logs survive a crash. ERR_FULL: something waits for room, and nothing is
// lost. ERR_IO: a sync failed, so nobody knows what reached the disk; it stays so until the files are opened anew.
enum err store_log_sync(struct store_log *log);

// True while something accepted waits for room on the disk.
bool store_log_is_waiting(struct store_log *log);

#ifdef __cplusplus
}
#endif
