// rfm: how recently, how often and for how much a customer bought, each as a score, and the segment they make.
//
// Layer 5. Pure: no I/O, no globals. What a customer did is a summary; where one score ends and the next begins is a
// value of its own, the thresholds. A customer's scores are a function of her summary and the thresholds, so they
// can be made once for everybody and asked for one customer at a time. docs/methods.md has the definitions.
//
//   summaries --rfm_thresholds_find--> thresholds          every so often, over all customers
//   summary + thresholds --rfm_scores_of--> scores         whenever she is looked at
//   scores + segments --rfm_segment_of--> segment
//
// Orders count by the day that is written in the file; an order of the analysis day is 0 days old. Amounts are exact
// decimals and their sums are exact as long as 34 digits hold them; a threshold is a double, and an amount is compared
// with it as the double that is nearest to it, as R does. Threads: pure functions, and one book, one thread.
#pragma once

#include <stdint.h>

#include "base/diag.h"
#include "base/json_writer.h"
#include "scoring/roster.h"
#include "value/decimal.h"
#include "value/value.h"

enum {
  RFM_BINS = 5,
  RFM_BINS_MIN = 2,
  RFM_BINS_MAX = 10,
  RFM_SEGMENTS_MAX = 64,
  RFM_NAME_BYTES = 64,
  RFM_RANGES_MAX = 1000,
};

struct rfm_summary {
  int64_t recency_days; // from the last order to the analysis day
  uint64_t orders;      // how many; 0: no customer of this
  struct decimal amount;
};

// --- thresholds ----------------------------------------------------------------------------------------------

enum rfm_method {
  RFM_QUANTILE, // as R's package rfm: quantiles of type 7, plus 1
  RFM_NTILE,    // groups of equal size; equals stay together
  RFM_FIXED,    // given by a person
};

// "quantile", "ntile", "fixed". Static storage.
const char *rfm_method_name(enum rfm_method method);

enum rfm_measure { RFM_RECENCY, RFM_FREQUENCY, RFM_MONETARY, RFM_MEASURES };

// A value's bin is 1 and the number of bounds that it reaches: bin i holds lower <= value < upper, the first and the
// last are open. Frequency and amount score their bin; of recency the first bin, the most recent, scores highest.
struct rfm_thresholds {
  unsigned bins;
  double bounds[RFM_MEASURES][RFM_BINS_MAX - 1]; // ascending, equal ones allowed: the bins between them are empty
};

// Thresholds of `count` summaries, those with orders. ERR_INVALID codes "bad_bins", "no_customers", "bad_method" (fixed
// ones are not found); ERR_NO_MEMORY.
enum err rfm_thresholds_find(enum rfm_method method, unsigned bins, const struct rfm_summary *summaries, size_t count,
                             struct rfm_thresholds *thresholds, struct diag *diag);

// The bounds of one measure, bins - 1 of them, of `count` values (at least 1), which are sorted by it. Not of
// RFM_FIXED.
void rfm_bounds_find(enum rfm_method method, unsigned bins, double *values, size_t count, double *bounds);

struct rfm_scores {
  unsigned recency, frequency, monetary; // 1..bins
};

struct rfm_scores rfm_scores_of(const struct rfm_summary *summary, const struct rfm_thresholds *thresholds);

// 100 R + 10 F + M, as R's package; with ten bins 10 10 10 is 1110.
unsigned rfm_number(struct rfm_scores scores);
// The scores that a number is of: each is 1 to 10, so that there are no two ways to read one.
struct rfm_scores rfm_scores_of_number(unsigned number);

// {"bins":5,"recency":[115,181,297.4,482],"frequency":[4,5,6,8],"monetary":[255.8,382,506.4,666]}
void rfm_thresholds_write(struct json_writer *writer, const struct rfm_thresholds *thresholds);
// Reads the same; each list has one number less than there are bins, ascending. `bins` may be left out. ERR_INVALID
// "bad_thresholds" with the member at fault.
enum err rfm_thresholds_read(struct value document, const struct names *names, struct rfm_thresholds *thresholds,
                             struct diag *diag);

// The double nearest to a decimal.
double rfm_double(struct decimal number);

// --- segments ------------------------------------------------------------------------------------------------

struct rfm_segment {
  char name[RFM_NAME_BYTES + 1];
  uint8_t least[RFM_MEASURES], most[RFM_MEASURES];
};

// The first that matches wins, so an earlier one may cover part of a later one.
struct rfm_segments {
  unsigned bins; // that the ranges are of; scores of another number of bins are brought to it
  size_t count;
  struct rfm_segment items[RFM_SEGMENTS_MAX];
  char others[RFM_NAME_BYTES + 1]; // whom none matches
};

// The ten segments of R's package rfm, and Others.
void rfm_segments_default(struct rfm_segments *segments);

// {"bins":5,"segments":[{"name":"Champions","recency":[5,5],"frequency":[5,5],"monetary":[5,5]},…],"others":"Others"}
// A range that is left out is all scores. ERR_INVALID "bad_segments": a name twice or none, a range outside the bins or
// upside down, a segment of which nothing is left by those before it.
enum err rfm_segments_read(struct value document, const struct names *names, struct rfm_segments *segments,
                           struct diag *diag);
void rfm_segments_write(struct json_writer *writer, const struct rfm_segments *segments);

// The position of the segment; `segments->count` for Others.
size_t rfm_segment_of(const struct rfm_segments *segments, struct rfm_scores scores, unsigned bins);
const char *rfm_segment_name(const struct rfm_segments *segments, size_t position);

// --- a book of orders ----------------------------------------------------------------------------------------

// Orders gathered by customer, and by customer and range of products. Customers and ranges are numbered as they come.
struct rfm_book {
  int32_t at_day; // later orders are left out and counted
  struct roster customers, ranges;
  struct rfm_summary *totals; // by customer; all ranges
  size_t total_room;
  struct roster pairs; // of a customer's and a range's number
  struct rfm_summary *parts;
  size_t part_room;
  struct roster orders; // of customer, range and order id
  uint64_t rows, late, again;
};

void rfm_book_init(struct rfm_book *book, int32_t at_day);
void rfm_book_release(struct rfm_book *book);

struct rfm_order {
  struct bytes customer;
  struct bytes range; // empty: of none
  struct bytes id;    // empty: every row is an order; else rows of a customer with the same id are one
  int32_t day;        // since 1970-01-01
  struct decimal amount;
};

// ERR_INVALID code "no_customer" for an empty name, ERR_LIMIT for too many ranges or an amount past decimal's range.
enum err rfm_book_add(struct rfm_book *book, const struct rfm_order *order, struct diag *diag);

// A customer whose summary is known already. One who comes again is another one of the same name, as in R, and counted.
// One with a recency below 0 is left out and counted as late. ERR_INVALID code "no_customer".
enum err rfm_book_put(struct rfm_book *book, struct bytes customer, const struct rfm_summary *summary,
                      struct diag *diag);

// Pair `index` of book->pairs; its summary is book->parts[index].
void rfm_book_pair(const struct rfm_book *book, size_t index, uint32_t *customer, uint32_t *range);

// The summary of a customer in a range; one without orders when there is none.
struct rfm_summary rfm_book_part(const struct rfm_book *book, uint32_t customer, uint32_t range);

// --- moves ---------------------------------------------------------------------------------------------------

// How many customers were in segment i and are in segment j: counts[i * size + j], size = segments + 2; the last but
// one is Others, the last is "no customer yet".
struct rfm_moves {
  size_t size;
  uint64_t counts[(RFM_SEGMENTS_MAX + 2) * (RFM_SEGMENTS_MAX + 2)];
};
void rfm_moves_init(struct rfm_moves *moves, const struct rfm_segments *segments);
void rfm_moves_add(struct rfm_moves *moves, size_t before, size_t after);
