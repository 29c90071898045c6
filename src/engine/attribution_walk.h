// attribution_walk: the journeys of all customers, added up.
//
// Layer 6, private to the files of attribution. What is kept grows with the paths that differ, not with the customers.
#pragma once

#include "attribution/journey.h"
#include "attribution/settings.h"
#include "engine/walk.h"

enum { ATTRIBUTION_GROUPS_MAX = 1000, ATTRIBUTION_ROWS_MAX = 20000000 };

enum attribution_by {
  ATTRIBUTION_BY_CHANNEL,
  // Steps are these instead of channels:
  ATTRIBUTION_BY_CAMPAIGN,
  ATTRIBUTION_BY_CREATIVE,
  // Journeys fall into groups:
  ATTRIBUTION_BY_STORE,
  ATTRIBUTION_BY_RANGE,
  ATTRIBUTION_BY_CUSTOMER, // new, returning
  ATTRIBUTION_BY_SEGMENT,
  ATTRIBUTION_BY_COUNT
};

struct attribution_walk {
  struct engine_view *view;
  const struct attribution_settings *settings;
  int64_t from_us, to_us; // [from, to)
  enum attribution_by by;
  struct rule_program *segment; // of BY_SEGMENT: whether she is in it
  bool fresh;                   // journeys of new customers are wanted apart
  unsigned threads;
  engine_query_progress_fn *progress;
  void *context;
};

// A sum with twice the digits of a double (paths_sum).
struct attribution_sum {
  double sum, rest;
};

// What models give that look at real times, by step.
struct attribution_timed {
  struct attribution_sum decay_conversions, decay_value, w_conversions, w_value;
};

// Journeys that belong together. The steps of all pools of one walk have the same numbers.
struct attribution_pool {
  struct paths paths;
  struct attribution_timed *timed;
  size_t timed_capacity;
};

struct attribution_lag {
  uint64_t conversions;
  struct attribution_sum value;
};

struct attribution_journeys {
  struct attribution_pool all, fresh;
  struct attribution_pool *groups;
  struct bytes *group_names; // sorted, in `arena`
  size_t group_count;
  struct attribution_lag *lags; // by whole days from the first touch to the conversion
  size_t lag_count;
  uint64_t customers, touches; // that were looked at; of customers with a journey
  struct arena arena;
};

// Paths come in an order of their own: most conversions first, then most value, then by their text; channels are
// numbered as they appear, and values are what a file of these paths would say. The same data gives the same bytes.
enum err attribution_walk(const struct attribution_walk *walk, struct attribution_journeys *journeys,
                          struct diag *diag);
void attribution_journeys_release(struct attribution_journeys *journeys);
