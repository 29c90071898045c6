// replay: stored identity decisions run again under other rules, in memory, for a group of customers.
//
// A group is a set of customers that no decision connects to one outside it, so groups can be run one by one. What is
// run again: the accepted pairs and the refused ones of each customer, in the order they were decided, with
// cannot-links kept. Where the store does not keep what an event said, the record of today speaks for it:
//   - names and birth dates (for shared phones) are those of the customer of today;
//   - a pair accepted as an alias may pass a limit again;
//   - devices are taken per customer; whether a device is shared is not run again;
//   - an identifier refused because it was known to be shared was noted only for the first two people.
#pragma once

#include "engine/read.h"

enum { REPLAY_IDENTIFIERS_MAX = 200000 }; // of one group: about 40 MiB

struct replay_counts {
  uint64_t customers_now, customers_then;
  uint64_t would_merge; // customers of today that would be one with another one of today
  uint64_t would_part;  // customers of today that would be several
};

// Adds the outcome of one group to the counts. Customers are ids of live records; with several, their refusals are read
// too (a customer alone has none that matters). Uses `arena` and leaves it to the caller to clear. ERR_LIMIT code
// "too_many_decisions" when the group is too large.
enum err replay_group(struct engine_view *view, const struct identity_rules *rules, const uint64_t *customers,
                      size_t count, struct arena *arena, struct replay_counts *counts, struct diag *diag);
