// ties: which customers a refusal stands between, so that decisions can be run again group by group.
//
// A union-find over customers (and over refused identifiers that belong to nobody, by a hash). It is filled by a walk
// over the rows of EDGE, in one go or in steps; then its groups are read in order. Customers it does not hold are tied
// to nobody.
// Memory: TIES_MAX entries of 20 bytes, whatever the size of the workspace. Past it ERR_LIMIT "too_many_decisions".
#pragma once

#include "engine/read.h"

enum { TIES_MAX = 1 << 20, TIES_KEY_BYTES = 17 };

struct tie {
  uint64_t key;
  uint32_t parent;
};

struct ties {
  struct tie *items;
  size_t count, capacity;
  uint32_t *slots; // index + 1
  size_t slot_count;
};

void ties_release(struct ties *ties);

// Looks at rows of EDGE from `from` on (empty: the first), at most rows_max, and ties whoever a refusal that `rules`
// might decide otherwise stands between. *next is where to go on, empty at the end. Clears `arena` for each row.
enum err ties_scan(struct ties *ties, struct engine_view *view, const struct identity_rules *rules, struct bytes from,
                   size_t rows_max, struct key *next, struct arena *arena, struct diag *diag);

// Ties whoever the two identifiers lead to. Not after ties_sort.
enum err ties_add(struct ties *ties, struct engine_view *view, struct identifier a, struct identifier b,
                  struct arena *arena, struct diag *diag);

bool ties_hold(const struct ties *ties, uint64_t customer);

// Ends the filling: entries point straight at their group and are sorted by it. ties_hold no longer answers.
void ties_sort(struct ties *ties);

// The group that begins at *position (< ties->count), after ties_sort: its customers in order, into the arena. None of
// them when only identifiers that belong to nobody are in it. *position moves on to the next group.
enum err ties_next(const struct ties *ties, size_t *position, struct arena *arena, uint64_t **customers, size_t *count);
