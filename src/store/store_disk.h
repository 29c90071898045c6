// store_disk: the data directory around the database, and the watch on its free space.
//
// Layer 2, private to this folder. A workspace is DIR/FORMAT ("rapport 3") and DIR/db. FORMAT is written last: a
// directory without it holds no workspace, whatever else an interrupted creation left there.
#pragma once

#include <stdatomic.h>

#include "store/store.h"

enum { STORE_FORMAT_VERSION = 3, STORE_PATH_BYTES = 1024 };

// Makes the directory `path` (its parent must exist; an existing one is fine) for a workspace that is not there yet.
// ERR_BUSY, code "exists", when there is one.
enum err store_disk_create(const char *path, struct diag *diag);

// ERR_NOT_FOUND "no_workspace", ERR_UNSUPPORTED "format_too_new", ERR_CORRUPT "format_unreadable". *older: it says a
// format before this one. Each can be read, and is written in the present one from then on.
enum err store_disk_check(const char *path, bool *older, struct diag *diag);

// Declares the workspace complete and of the present format: writes FORMAT and syncs the directory.
enum err store_disk_finish(const char *path, struct diag *diag);

// "DIR/name" into `out`; ERR_LIMIT when it does not fit.
enum err store_disk_path(char out[STORE_PATH_BYTES], const char *path, const char *name, struct diag *diag);

// Bytes of the files in the directory `path` whose name ends in `suffix`.
uint64_t store_disk_bytes(const char *path, const char *suffix);

// Free space, looked at every 100 ms at most, less what was written since.
struct store_space {
  char path[STORE_PATH_BYTES];
  uint64_t reserve_bytes;
  _Atomic int64_t looked_us; // monotonic
  _Atomic uint64_t free_bytes;
  _Atomic uint64_t written_bytes; // since the look
};

// Counts `bytes` as written, or refuses with ERR_FULL "disk_full" when less than the reserve would be left.
enum err store_space_take(struct store_space *space, uint64_t bytes, struct diag *diag);

// Free bytes by a fresh look.
uint64_t store_space_free(struct store_space *space);

// True when a fresh look finds the reserve free.
bool store_space_is_enough(struct store_space *space);

// The refusal in words, from a fresh look; returns ERR_FULL.
enum err store_space_diag(struct store_space *space, uint64_t bytes, struct diag *diag);
