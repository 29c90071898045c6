// attribution_pool: journeys of a part of the walk, and how the parts become one.
//
// Layer 6, private to the files of attribution.
#pragma once

#include "engine/attribution_walk.h"

struct attribution_part {
  struct rule_machine *machine; // NULL: nobody was looked at
  struct paths steps;           // what steps are called, by their numbers in this part
  struct attribution_pool all, fresh;
  struct paths group_names; // by their numbers in this part
  struct attribution_pool *groups;
  size_t group_count, group_capacity;
  struct attribution_lag *lags;
  size_t lag_count;
  uint64_t customers, touches;
};

enum err attribution_part_open(struct attribution_part *part, const struct attribution_walk *walk, struct diag *diag);
void attribution_part_release(struct attribution_part *part);

enum err attribution_pool_add(struct attribution_pool *pool, const struct journey *journey, double value,
                              const struct attribution_settings *settings, struct diag *diag);
void attribution_pool_release(struct attribution_pool *pool);

// The pool of a group, a new one when the name is. ERR_LIMIT code "too_many_groups".
enum err attribution_group(struct attribution_part *part, struct bytes name, struct attribution_pool **pool,
                           struct diag *diag);

// Puts WALK_PARTS parts together, in their order.
enum err attribution_merge(struct attribution_part *parts, const struct attribution_walk *walk,
                           struct attribution_journeys *journeys, struct diag *diag);
