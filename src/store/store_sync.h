// store_sync: one thread that makes many commits durable with one sync, and the marks that say when.
//
// Layer 2, private to this folder. A mark is the number of a sync round that begins after the write (or the read) it
// stands for. Threads: all functions but open and close are called by any thread.
#pragma once

#include "store/store_backend.h"

struct store_sync;

enum err store_sync_open(struct store_sync **sync, struct store_backend backend);

// Syncs what is not yet durable, answers everybody who waits, ends the thread.
void store_sync_close(struct store_sync *sync);

// Brackets one backend commit of a transaction that began in `generation`. begin refuses after a failed sync with
// ERR_IO, or ERR_FULL for want of room, and with ERR_CONFLICT what was worked out from reads that a loss of unsynced
// writes may have undone; end gives the mark, or ERR_IO when the write was made before and reported after such a loss.
enum err store_sync_begin(struct store_sync *sync, uint32_t generation, struct diag *diag);
enum err store_sync_end(struct store_sync *sync, uint32_t generation, enum err err, struct store_mark *mark,
                        struct diag *diag);

struct store_mark store_sync_mark(struct store_sync *sync);
enum err store_sync_wait(struct store_sync *sync, struct store_mark mark, struct diag *diag);
void store_sync_notify(struct store_sync *sync, struct store_mark mark, store_done_fn *done, void *context);

// False after a failed sync or while the backend is broken.
bool store_sync_writable(struct store_sync *sync);
uint64_t store_sync_rounds(struct store_sync *sync);
// Changes whenever unsynced writes may have been lost.
uint32_t store_sync_generation(struct store_sync *sync);
