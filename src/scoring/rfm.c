// rfm: thresholds and scores.
//
// Quantiles are R's of type 7, computed with R's own operations in R's order, so that a bound that falls between two
// amounts has the same bits: probabilities k * (1 / bins), index 1 + (n - 1) p, (1 - h) x[lo] + h x[lo + 1]. The
// package rfm adds 1 to each inner bound. All-equal values so give bounds that nobody reaches, and everybody's bin is
// the first.
#include "scoring/rfm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "value/given.h"

static const char *const method_names[] = {"quantile", "ntile", "fixed"};
static const char *const measure_names[RFM_MEASURES] = {"recency", "frequency", "monetary"};

const char *rfm_method_name(enum rfm_method method) {
  return method_names[method];
}

// --- numbers -------------------------------------------------------------------------------------------------

double rfm_double(struct decimal number) {
  enum { EXACT_POWER = 22 }; // the largest power of ten that a double holds
  static const decimal_coefficient exact = (decimal_coefficient)1 << 53;
  if (number.coefficient < exact && number.exponent <= 0 && number.exponent >= -EXACT_POWER) {
    // Both operands are exact, so that the quotient is rounded once.
    double quotient = (double)number.coefficient / (double)decimal_power(-number.exponent);
    return number.negative ? -quotient : quotient;
  }
  char text[DECIMAL_TEXT_BYTES];
  decimal_format(number, text);
  return strtod(text, NULL);
}

// --- finding thresholds --------------------------------------------------------------------------------------

static double measured(const struct rfm_summary *summary, enum rfm_measure measure) {
  return measure == RFM_RECENCY     ? (double)summary->recency_days
         : measure == RFM_FREQUENCY ? (double)summary->orders
                                    : rfm_double(summary->amount);
}

static int by_number(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double quantile(const double *sorted, size_t count, double probability) {
  double index = 1 + (double)(count - 1) * probability, low = floor(index), share = index - low;
  const double *at = &sorted[(size_t)low - 1];
  if (share == 0 || (size_t)low == count || at[1] == at[0]) return at[0];
  return (1 - share) * at[0] + share * at[1];
}

// The first value of the group that begins at `start`; equals of the group before belong to that one.
static double first_of_group(const double *sorted, size_t count, size_t start) {
  size_t at = start;
  while (at < count && sorted[at] == sorted[start - 1]) at++;
  return at < count ? sorted[at] : sorted[count - 1] + 1;
}

static void find_bounds(enum rfm_method method, unsigned bins, const double *sorted, size_t count, double *bounds) {
  for (unsigned k = 1; k < bins; k++) {
    size_t rest = count % bins;
    if (method == RFM_QUANTILE)
      bounds[k - 1] = quantile(sorted, count, k * (1.0 / bins)) + 1;
    else // the first groups take the rest, one each
      bounds[k - 1] = first_of_group(sorted, count, count / bins * k + (rest < k ? rest : k));
  }
}

void rfm_bounds_find(enum rfm_method method, unsigned bins, double *values, size_t count, double *bounds) {
  qsort(values, count, sizeof *values, by_number);
  find_bounds(method, bins, values, count, bounds);
}

static enum err check_bins(unsigned bins, struct diag *diag) {
  if (bins >= RFM_BINS_MIN && bins <= RFM_BINS_MAX) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "bad_bins", "there are %d to %d bins, not %u", RFM_BINS_MIN, RFM_BINS_MAX, bins);
}

enum err rfm_thresholds_find(enum rfm_method method, unsigned bins, const struct rfm_summary *summaries, size_t count,
                             struct rfm_thresholds *thresholds, struct diag *diag) {
  enum err err = check_bins(bins, diag);
  if (err != ERR_OK) return err;
  if (method == RFM_FIXED) return diag_set(diag, ERR_INVALID, "bad_method", "fixed thresholds are given, not found");
  double *values = alloc_zero(count == 0 ? 1 : count, sizeof *values);
  if (values == NULL) return diag_no_memory(diag);
  *thresholds = (struct rfm_thresholds){.bins = bins};
  size_t used = 0;
  for (int measure = 0; measure < RFM_MEASURES; measure++) {
    used = 0;
    for (size_t i = 0; i < count; i++)
      if (summaries[i].orders > 0) values[used++] = measured(&summaries[i], (enum rfm_measure)measure);
    if (used == 0) break;
    rfm_bounds_find(method, bins, values, used, thresholds->bounds[measure]);
  }
  alloc_free(values);
  return used > 0 ? ERR_OK : diag_set(diag, ERR_INVALID, "no_customers", "there is no customer with an order");
}

// --- scores --------------------------------------------------------------------------------------------------

static unsigned bin_of(double value, const struct rfm_thresholds *thresholds, enum rfm_measure measure) {
  unsigned bin = 1;
  while (bin < thresholds->bins && value >= thresholds->bounds[measure][bin - 1]) bin++;
  return bin;
}

struct rfm_scores rfm_scores_of(const struct rfm_summary *summary, const struct rfm_thresholds *thresholds) {
  unsigned bins[RFM_MEASURES];
  for (int measure = 0; measure < RFM_MEASURES; measure++)
    bins[measure] = bin_of(measured(summary, (enum rfm_measure)measure), thresholds, (enum rfm_measure)measure);
  return (struct rfm_scores){thresholds->bins + 1 - bins[RFM_RECENCY], bins[RFM_FREQUENCY], bins[RFM_MONETARY]};
}

unsigned rfm_number(struct rfm_scores scores) {
  return 100 * scores.recency + 10 * scores.frequency + scores.monetary;
}

struct rfm_scores rfm_scores_of_number(unsigned number) {
  struct rfm_scores scores;
  scores.monetary = (number - 1) % 10 + 1;
  number = (number - scores.monetary) / 10;
  scores.frequency = (number - 1) % 10 + 1;
  scores.recency = (number - scores.frequency) / 10;
  return scores;
}

// --- thresholds as a document --------------------------------------------------------------------------------

void rfm_thresholds_write(struct json_writer *writer, const struct rfm_thresholds *thresholds) {
  json_object_begin(writer);
  json_member_u64(writer, "bins", thresholds->bins);
  for (int measure = 0; measure < RFM_MEASURES; measure++) {
    json_name(writer, measure_names[measure]);
    json_array_begin(writer);
    for (unsigned i = 0; i + 1 < thresholds->bins; i++) json_real(writer, thresholds->bounds[measure][i]);
    json_array_end(writer);
  }
  json_object_end(writer);
}

static enum err read_bounds(struct value list, unsigned bins, double *bounds, struct diag *diag) {
  struct value_iter iter = value_iterate(list);
  unsigned count = 0;
  if (value_type(list) != VALUE_LIST || given_item_count(list) != bins - 1)
    return diag_set(diag, ERR_INVALID, "bad_thresholds", "expected a list of %u numbers, one less than there are bins",
                    bins - 1);
  while (value_next(&iter)) {
    struct decimal number;
    if (!value_as_number(iter.item, &number) || !isfinite(rfm_double(number)))
      return diag_set(diag, ERR_INVALID, "bad_thresholds", "bound %u is not a number", count + 1);
    bounds[count] = rfm_double(number);
    if (count > 0 && bounds[count] < bounds[count - 1])
      return diag_set(diag, ERR_INVALID, "bad_thresholds", "bound %u is below the one before it", count + 1);
    count++;
  }
  return ERR_OK;
}

enum err rfm_thresholds_read(struct value document, const struct names *names, struct rfm_thresholds *thresholds,
                             struct diag *diag) {
  struct value bins = value_member(document, names, BYTES("bins"));
  int64_t count = 0;
  *thresholds = (struct rfm_thresholds){.bins = 0};
  if (value_type(document) != VALUE_DOCUMENT)
    return diag_set(diag, ERR_INVALID, "bad_thresholds", "expected an object with recency, frequency and monetary");
  if (value_is_absent(bins)) {
    count = (int64_t)given_item_count(value_member(document, names, BYTES("recency"))) + 1;
  } else if (given_whole(bins, 0, UINT32_MAX, &count, diag) != ERR_OK) {
    diag_in_field(diag, "bins");
    return ERR_INVALID;
  }
  enum err err = check_bins(count > UINT32_MAX ? UINT32_MAX : (unsigned)count, diag);
  if (err != ERR_OK) return err;
  thresholds->bins = (unsigned)count;
  for (int measure = 0; measure < RFM_MEASURES && err == ERR_OK; measure++) {
    struct value list = value_member(document, names, bytes_from_text(measure_names[measure]));
    err = read_bounds(list, thresholds->bins, thresholds->bounds[measure], diag);
    if (err != ERR_OK) diag_in_field(diag, "%s", measure_names[measure]);
  }
  return err;
}
