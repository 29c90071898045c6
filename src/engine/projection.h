// projection: keeps the projections of customer/projection.h exact while customers change, and builds them.
//
// Layer 6, inside engine/. What is known of each block is in memory: whether it has a directory, whether it is being
// built, and on which side changes are noted. A transaction that changes which events are a live customer's own notes
// her on that side, in its own commit, when there is anything to note it for.
// A build chooses blocks, turns their sides, waits for every transaction begun before, takes a snapshot, and commits
// the rows built from it together with the deletion of the other side: whatever is not in the snapshot is on the new
// side. A block whose side grows long while its customers are busy is given up: the transaction that finds it so
// deletes the directory too, and once that is committed nothing is noted for this block until it is quiet.
#pragma once

#include "engine/work.h"

struct projections;

enum { PROJECTION_QUIET_US = 60000000 };

enum err projections_open(struct engine *engine, struct store_snapshot *snapshot);
void projections_close(struct engine *engine);

// Around an attempt of a transaction: leave gets what enter gave. Nobody waits in them.
unsigned projections_enter(struct engine *engine);
void projections_leave(struct engine *engine, unsigned ticket);

// Notes whom the transaction changes, as a part of it; then, within the attempt, what its commit meant.
enum err projections_note(struct work *work);
void projections_committed(struct work *work);

// Builds some of the blocks that are due. *more: there are others. Under upkeep_mutex, as is projections_forget.
enum err projections_tick(struct engine *engine, bool *more, struct diag *diag);

// Nothing of this customer, who was erased, is in a projection any more, nor on the disk.
enum err projections_forget(struct engine *engine, uint64_t customer, struct diag *diag);

// Holds all projections against the timelines.
enum err projections_check(struct store_snapshot *snapshot, void (*tell)(void *context, const char *words),
                           void *context);

// --- what the two files share ----------------------------------------------------------------------------------

enum {
  PROJECTION_STORED = 1,   // it has a directory
  PROJECTION_BUILDING = 2, // its side was turned, and it will have one
  PROJECTION_TURNED = 4,   // changes are noted on side 1
};

struct projection_slot {
  _Atomic uint32_t state;
  _Atomic uint32_t noted;   // on the present side
  _Atomic uint32_t changes; // transactions that would note something, ever; wraps around
  uint32_t seen;            // of them, when the block was last looked at; by whoever ticks
  int64_t seen_us;
};

// NULL: there is none and `make` is false, or no memory, or no customer ever has such an id.
struct projection_slot *projection_slot(struct projections *projections, uint64_t block, bool make);
// No customer is in this block or a later one.
uint64_t projections_end(const struct projections *projections);
// Waits for every attempt that is under way.
void projections_wait(struct projections *projections);
// Learns anew what is stored, after commits were lost.
enum err projections_learn(struct engine *engine, struct store_snapshot *snapshot);
bool projections_are_known(const struct engine *engine);
int64_t projections_quiet_us(const struct projections *projections);
uint64_t *projections_turn(struct projections *projections); // the block that is looked at next; by whoever ticks
