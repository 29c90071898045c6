// attribution_tables: what was found out about journeys, as tables of a report.
//
// Layer 6, private to the files of attribution.
#pragma once

#include "attribution/comparison.h"
#include "engine/attribution_walk.h"
#include "report/report.h"

struct attribution_tables {
  const struct attribution_settings *settings;
  const struct attribution_journeys *journeys;
  struct comparison comparison; // of all journeys
  struct comparison_options what;
  enum attribution_by by;
  size_t path_rows;         // of the table of paths; 0: all
  int32_t from_day, to_day; // the period's days, the last one included
  struct report *report;
};

enum err attribution_tables_write(struct attribution_tables *tables, struct diag *diag);

// Runs the models over `paths` as `what` says; those that look at real times take them from the pool.
enum err attribution_compare(const struct attribution_pool *pool, const struct comparison_options *what,
                             struct comparison *comparison, struct diag *diag);
