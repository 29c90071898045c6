// score: what the commands of scores share, and their pictures.
//
// Layer 8.
#pragma once

#include "cli/command.h"
#include "scoring/clv_book.h"
#include "scoring/rfm.h"
#include "scoring/roster.h"

enum score_format { SCORE_CSV, SCORE_JSON, SCORE_NDJSON, SCORE_TEXT };

// What --format says; else a picture on a terminal and `otherwise` elsewhere.
enum score_format score_format_of(const struct cli *cli, enum score_format otherwise);

// One of two flags that name a file; ERR_INVALID "usage" when neither or both were given.
enum err score_one_file(const struct options *options, enum option a, enum option b, bool *is_a, struct diag *diag);

// --horizon: "39weeks", "39 weeks", "12months", "90d", "2 years", in units of so many days.
enum err score_horizon(const char *text, double unit_days, double *horizon, struct diag *diag);

// `rapport score appetence` of a file of features.
enum err score_appetence_file(struct cli *cli, struct diag *diag);

// Flushes what is written when it has become much.
enum err score_flush(struct cli *cli, struct diag *diag);

// --- pictures ------------------------------------------------------------------------------------------------

// A grid of customers, R down and F across, in shades; then segments, thresholds and moves.
struct score_rfm_picture {
  const struct rfm_segments *segments;
  const struct rfm_thresholds *thresholds;
  const struct rfm_moves *moves;             // NULL: none
  uint64_t grid[RFM_BINS_MAX][RFM_BINS_MAX]; // [recency - 1][frequency - 1]
  uint64_t customers[RFM_SEGMENTS_MAX + 1], orders[RFM_SEGMENTS_MAX + 1];
  struct decimal amounts[RFM_SEGMENTS_MAX + 1]; // by segment
  uint64_t all_customers;
  const char *title;
  bool colours;
};
void score_rfm_print(const struct score_rfm_picture *picture, struct buffer *out);

// How many customers ordered again so often, seen and expected; and of each group how often they did afterwards.
enum { SCORE_CLV_GROUPS = 8 }; // 0, 1, … 7 and more
struct score_clv_picture {
  const struct clv_fit *fit;
  const struct clv_spend_fit *spend; // NULL: none
  double customers[SCORE_CLV_GROUPS], expected[SCORE_CLV_GROUPS];
  bool has_expected, has_holdout;
  double seen_after[SCORE_CLV_GROUPS], expected_after[SCORE_CLV_GROUPS]; // sums over the group
  double orders, value, alive;                                           // sums over all
  double horizon;
  const char *unit;
};
void score_clv_print(const struct score_clv_picture *picture, struct buffer *out);

// A double with so many digits after the point, or null where it is no number.
void score_put_real(struct json_writer *writer, const char *name, double number, int digits);
