// scan: a walk over all customers of a range of ids, in their order, each as facts for rule/.
//
// Layer 4. It reads the rows of TIMELINE one after another (and the records beside them when traits are wanted),
// without asking for the rows of one customer after those of another: a count of a million customers is a pass over
// bytes, and of those alone that are asked for where there are projections (projection.h). Customers whose rows lie in
// part under other ids (pending, see timeline.h) are read by their parts, in their turn; redirects and rows that belong
// to others are left out. Many scans of disjoint ranges run in many threads over one snapshot.
#pragma once

#include "customer/facts.h"

struct scan;

struct scan_options {
  struct store_snapshot *snapshot; // the caller's, until scan_close
  const struct customer_sources *sources;
  uint64_t from, to; // ids: [from, to); to 0: to the last
  bool records;      // `record` of each facts is there, and customers without events are among them
  bool events;       // her events will be asked for. Neither of the two: ids only
  facts_lookup_fn *lookup;
  void *lookup_context;
  // Only events of these names will be asked for (sorted; the caller's until scan_close), and customers who have none
  // may be left out: what projections have is then read there. NULL: any. Needs `events`, and no `records`.
  const uint32_t *names;
  size_t name_count;
  bool times_only; // beside `names`: of the events nothing but their times and names will be looked at
};

enum err scan_open(struct scan **scan, const struct scan_options *options);
// The next live customer; *facts is valid until the next call. ERR_NOT_FOUND at the end.
enum err scan_next(struct scan *scan, struct facts **facts);
void scan_close(struct scan *scan);

// Ids at which a workspace falls into at most `count` ranges of about equal work: ascending, the first 0. Returns how
// many there are.
enum err scan_ranges(struct store_snapshot *snapshot, size_t count, uint64_t *from, size_t *found);
