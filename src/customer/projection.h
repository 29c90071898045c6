// projection: events by name, of many customers side by side, for counts over everybody.
//
// Layer 4. A copy of what TIMELINE holds, in the order in which a count reads it. PROJECTION_CUSTOMERS neighbouring ids
// are a block. A row of PROJECTION holds the columns of all events of one name of a block's customers, in order of
// (customer, time, event id), and nothing that no column of rule/ has: an expression over one name reads a few
// hundredths of the bytes that its customers' timelines have, one row for a whole block.
//
//   PROJECTION key    group of blocks (u64), name (u32), block in its group (u8), all big endian
//   name 0            the directory: of a block without one nothing else counts
//   the two last ones who was changed since the block was built: the lowest bytes of ids, appended. There are two such
//                     rows, the sides, because a block is built anew while those who write still note on the old one;
//                     both count
//   other names       the columns (projection_row.h)
//
// What a block says of an id holds unless the id is on a side, or the directory leaves it out (`beside`); these are
// read the ordinary way. Whoever changes which events are a live customer's own puts her on a side in the same commit
// (engine/projection.c). Customers with pending rows have nothing here, nor have redirects.
// Memory: as said at each. Errors: ERR_CORRUPT when rows break an invariant. Threads: a reader belongs to one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "customer/timeline.h"
#include "rule/machine.h"
#include "store/store.h"
#include "value/key.h"

enum {
  PROJECTION_CUSTOMERS = 256,
  PROJECTION_GROUP = 64,        // blocks whose rows of one name lie together
  PROJECTION_EVENTS_MAX = 1024, // customers with more are left out
  PROJECTION_DIRECTORY = 0,     // no event has this name
  PROJECTION_BITS = PROJECTION_CUSTOMERS / 64,
};
#define PROJECTION_SIDE(side) (UINT32_MAX - (uint32_t)(side)) // 0 or 1

static inline uint64_t projection_block(uint64_t customer) {
  return customer / PROJECTION_CUSTOMERS;
}
void projection_key(uint64_t block, uint32_t name, struct key *key);
// Reads the block and the name. False when it is no such key.
bool projection_key_read(struct bytes key, uint64_t *block, uint32_t *name);
// The ends of everything of the block's group.
void projection_group_range(uint64_t block, struct key *from, struct key *to);

struct projection_directory {
  uint8_t side;                     // on which those who write noted when it was built
  uint64_t beside[PROJECTION_BITS]; // too many events to be in here
  size_t name_count;
  const uint8_t *names; // into the row
};
enum err projection_directory_read(struct bytes row, struct projection_directory *directory);
bool projection_directory_has(const struct projection_directory *directory, uint32_t name);

// --- building (projection_build.c) ---------------------------------------------------------------------------

// Takes a row; that of a directory comes after all others of its block.
typedef enum err projection_put_fn(void *context, uint64_t block, uint32_t name, struct bytes row);
struct projection_build {
  struct store_snapshot *snapshot;
  uint64_t from, to; // blocks [from, to)
  uint8_t side;      // for the directories
  projection_put_fn *put;
  void *context;
};
// Builds blocks from TIMELINE. A block without events has a directory all the same. The rows are a pure function of the
// timelines.
enum err projection_build(const struct projection_build *build);

// The names of the rows that a block has, directory and sides excepted, whatever its directory says: ascending, in the
// arena. The cursor is over all of PROJECTION.
enum err projection_names(struct store_cursor *cursor, uint64_t block, struct arena *arena, uint32_t **names,
                          size_t *count);

// Every block that has a directory, in order. A failure of `each` ends it.
typedef enum err projection_block_fn(void *context, uint64_t block, const struct projection_directory *directory);
enum err projection_directories(struct store_snapshot *snapshot, projection_block_fn *each, void *context);

// Holds those of the blocks [from, to) that have a directory against the timelines; each breach is told in words
// (projection_verify.c).
typedef void projection_breach_fn(void *context, const char *what);
enum err projection_verify(struct store_snapshot *snapshot, uint64_t from, uint64_t to, projection_breach_fn *breach,
                           void *context);

// --- reading (projection_read.c) -----------------------------------------------------------------------------

// Events of some names, block by block. `names` are sorted, at most PROJECTION_NAMES_MAX, and stay the caller's.
// `times_only`: amounts and channels are not read, and the columns have none.
enum { PROJECTION_NAMES_MAX = 64 };
struct projection_reader;
enum err projection_reader_open(struct projection_reader **reader, struct store_snapshot *snapshot,
                                const uint32_t *names, size_t count, bool times_only);
void projection_reader_close(struct projection_reader *reader);
// Goes to a block. *built false: it has no directory, read its customers the ordinary way.
enum err projection_reader_go(struct projection_reader *reader, uint64_t block, bool *built);
// The least id of the block from `from` on that has events of these names, or is to be read the ordinary way (*apart).
// UINT64_MAX: none is left.
uint64_t projection_reader_next(const struct projection_reader *reader, uint64_t from, bool *apart);
// The columns of one that has. Every name wanted is one of the reader's. Events of one instant are in order of their
// ids within a name. Valid until the next call or block. ERR_NO_MEMORY.
enum err projection_reader_columns(struct projection_reader *reader, uint64_t id,
                                   const struct rule_events_wanted *wanted, struct rule_columns *columns);
