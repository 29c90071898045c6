// backup: a copy of the workspace below the directory that the operator named.
//
// Layer 8. A request names a backup by one word; it becomes a directory of that name, and nothing outside the
// operator's directory can be reached. The copy is made under another name, opened to see that it is a workspace, and
// renamed when it is whole: whatever ends the process before leaves NAME.partial, which the next backup of that name
// clears away, and never NAME.
// Memory: none kept but what struct backup holds. Threads: a backup belongs to one thread at a time.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/diag.h"
#include "store/store.h"

enum { BACKUP_NAME_BYTES_MAX = 100, BACKUP_PATH_BYTES = 1024 };

struct backup {
  char path[BACKUP_PATH_BYTES];    // where it will be
  char partial[BACKUP_PATH_BYTES]; // where it is made
};

// Checks everything that can be known before: ERR_DENIED code "backups_off" without a directory (NULL), ERR_INVALID
// codes "bad_name" and "backup_exists", ERR_IO code "backup_dir" when the directory cannot be written.
enum err backup_prepare(struct backup *backup, const char *directory, struct bytes name, struct diag *diag);

// Makes it, while others write. On a failure nothing is left of it. ERR_BUSY code "backup_running" when another process
// makes one of the same name.
enum err backup_make(const struct backup *backup, struct store *store, const struct clock *clock, struct diag *diag);

// Bytes of the files of a backup, whole or not yet; 0 when it is not there.
uint64_t backup_bytes(const char *path);
