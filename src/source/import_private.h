// import_private: what the parts of an import share. Private to source/.
#pragma once

#include <pthread.h>

#include "source/blocks.h"
#include "source/map.h"
#include "source/occurrences.h"
#include "source/reader.h"
#include "value/key.h"

enum { IMPORT_THREADS_MAX = 64, IMPORT_RING = 256 };

// A block between being claimed and being behind everything that is done.
struct import_slot {
  bool passed; // nothing of it has to be numbered any more
  bool done;
  uint64_t end;
  struct store_mark mark;
};

struct importing {
  struct engine *engine;
  const struct source_import *import;
  struct source_map *map; // NULL unless CSV
  uint8_t delimiter;
  enum source_format format;
  uint64_t resume_bytes; // blocks up to here were applied before

  pthread_mutex_t cutting; // held while a block is claimed; guards `input` and `blocks`
  struct source_input *input;
  struct source_blocks *blocks;

  pthread_mutex_t lock; // guards all below; taken inside `cutting`, never around it
  pthread_cond_t changed;
  struct import_slot slots[IMPORT_RING];
  uint64_t first_unpassed, first_undone; // block indexes; at most IMPORT_RING behind the newest claimed
  uint64_t done_bytes;                   // end of the blocks before first_undone
  struct store_mark done_mark;           // and what makes them durable
  unsigned running;                      // workers
  bool exhausted;                        // the file's end was claimed
  enum err err;                          // the first failure; stops everybody
  struct diag diag;
  struct source_import_result result;
  struct source_occurrences occurrences;
  int rejects_fd; // -1 until something is refused
};

// import_worker.c. A thread's body: claims blocks until there are none. `context` is a struct importing.
void *import_worker_run(void *context);

// import_progress.c: how far a file was taken, kept in the workspace. `key` is set by the first.
struct import_progress {
  struct key key;
  bool kept; // a pipe's cannot be
};
void import_progress_init(struct import_progress *progress, const struct importing *importing, struct bytes beginning,
                          struct bytes map);
// 0 when the file was never begun or was ended.
enum err import_progress_load(const struct import_progress *progress, struct engine *engine, uint64_t *bytes,
                              struct diag *diag);
enum err import_progress_save(const struct import_progress *progress, struct engine *engine, uint64_t bytes,
                              struct diag *diag);
// The file was taken to its end: the next run begins at its beginning.
enum err import_progress_end(const struct import_progress *progress, struct store *store, struct diag *diag);

// import.c: appends lines to the rejects file, which is made when the first come. Takes the lock.
enum err import_write_rejects(struct importing *importing, struct bytes lines, struct diag *diag);
