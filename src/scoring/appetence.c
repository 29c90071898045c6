// appetence: features are logarithms of sums of halving weights, so that a hundred views are not a hundred times one.
//
// Rows of one set stand together: a stable pass over the groups keeps the order of the rows within each.
#include "scoring/appetence.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum feature {
  RANGE_VIEWS,
  RANGE_ADDS,
  RANGE_SEARCHES,
  OTHER_VIEWS,
  OTHER_ADDS,
  CLICKS,
  RANGE_ORDERS,
  RANGE_LAST_ORDER,
  RANGE_LAST_ORDER_YEAR,
  OTHER_ORDERS,
  OTHER_LAST_ORDER,
  KNOWN_FOR,
};

const char *const APPETENCE_NAMES[APPETENCE_FEATURES] = {
    [RANGE_VIEWS] = "range_views",
    [RANGE_ADDS] = "range_adds",
    [RANGE_SEARCHES] = "range_searches",
    [OTHER_VIEWS] = "other_views",
    [OTHER_ADDS] = "other_adds",
    [CLICKS] = "email_clicks",
    [RANGE_ORDERS] = "range_orders",
    [RANGE_LAST_ORDER] = "range_last_order_30_days",
    [RANGE_LAST_ORDER_YEAR] = "range_last_order_365_days",
    [OTHER_ORDERS] = "other_orders",
    [OTHER_LAST_ORDER] = "other_last_order_30_days",
    [KNOWN_FOR] = "known_for",
};

static const double DAY_US = 86400e6;
static const double ONLINE_HALF_LIFE = 14, LAST_HALF_LIFE = 30, YEAR_HALF_LIFE = 365; // days
static const double PENALTY = 1;
static const double FEW = 10; // of one label: too few to calibrate by

const char *appetence_feature_name(size_t feature) {
  return APPETENCE_NAMES[feature];
}

static enum feature counted_as(const struct appetence_signal *signal) {
  switch (signal->kind) {
  case APPETENCE_VIEW:
    return signal->in_range ? RANGE_VIEWS : OTHER_VIEWS;
  case APPETENCE_ADD:
    return signal->in_range ? RANGE_ADDS : OTHER_ADDS;
  case APPETENCE_SEARCH:
    return RANGE_SEARCHES;
  case APPETENCE_CLICK:
    return CLICKS;
  case APPETENCE_PURCHASE:
    break;
  }
  return signal->in_range ? RANGE_ORDERS : OTHER_ORDERS;
}

bool appetence_features(const struct appetence_signal *signals, size_t count, int64_t cut_us,
                        double features[APPETENCE_FEATURES]) {
  double first = -1, last_in = INFINITY, last_out = INFINITY; // days before the cut-off
  memset(features, 0, APPETENCE_FEATURES * sizeof *features);
  for (size_t i = 0; i < count; i++) {
    const struct appetence_signal *signal = &signals[i];
    if (signal->time_us >= cut_us || (signal->kind == APPETENCE_SEARCH && !signal->in_range)) continue;
    double days = ((double)cut_us - (double)signal->time_us) / DAY_US;
    bool purchase = signal->kind == APPETENCE_PURCHASE;
    features[counted_as(signal)] += purchase ? 1 : exp2(-days / ONLINE_HALF_LIFE);
    first = fmax(first, days);
    if (purchase && signal->in_range) last_in = fmin(last_in, days);
    if (purchase && !signal->in_range) last_out = fmin(last_out, days);
  }
  if (first < 0) return false;
  for (size_t i = 0; i < APPETENCE_FEATURES; i++) features[i] = log1p(features[i]);
  features[RANGE_LAST_ORDER] = exp2(-last_in / LAST_HALF_LIFE);
  features[RANGE_LAST_ORDER_YEAR] = exp2(-last_in / YEAR_HALF_LIFE);
  features[OTHER_LAST_ORDER] = exp2(-last_out / LAST_HALF_LIFE);
  features[KNOWN_FOR] = log1p(first);
  return true;
}

bool appetence_bought(const struct appetence_signal *signals, size_t count, int64_t from_us, int64_t to_us) {
  for (size_t i = 0; i < count; i++)
    if (signals[i].kind == APPETENCE_PURCHASE && signals[i].in_range && signals[i].time_us >= from_us &&
        signals[i].time_us < to_us)
      return true;
  return false;
}

// --- learning ------------------------------------------------------------------------------------------------

static unsigned set_of(uint8_t group) {
  return group < APPETENCE_LEARN ? 0 : group < APPETENCE_CALIBRATE ? 1 : 2;
}

// Learned from first, then those that calibrate, then the test.
static enum err put_in_order(struct appetence_rows *rows, size_t ends[3]) {
  size_t size = rows->columns * sizeof(double), at = 0;
  double *features = alloc_zero(rows->count + 1, size);
  uint8_t *labels = alloc_zero(rows->count + 1, 1);
  if (features == NULL || labels == NULL) {
    alloc_free(features);
    alloc_free(labels);
    return ERR_NO_MEMORY;
  }
  for (unsigned set = 0; set < 3; set++) {
    for (size_t i = 0; i < rows->count; i++) {
      if (set_of(rows->groups[i]) != set) continue;
      memcpy(features + at * rows->columns, rows->features + i * rows->columns, size);
      labels[at++] = rows->labels[i];
    }
    ends[set] = at;
  }
  alloc_free(rows->features);
  alloc_free(rows->labels);
  rows->features = features;
  rows->labels = labels;
  memset(rows->groups, 0, rows->count);
  for (size_t i = ends[0]; i < rows->count; i++) rows->groups[i] = i < ends[1] ? APPETENCE_LEARN : APPETENCE_CALIBRATE;
  return ERR_OK;
}

static struct logistic_rows rows_between(const struct appetence_rows *rows, size_t from, size_t to) {
  return (struct logistic_rows){rows->features + from * rows->columns, rows->labels + from, NULL, to - from,
                                rows->columns};
}

enum err appetence_learn(struct appetence_rows *rows, logistic_go_on_fn *go_on, void *context,
                         struct appetence_model *model, struct diag *diag) {
  size_t ends[3] = {0};
  *model = (struct appetence_model){.learned = 0};
  if (rows->count == 0) return diag_set(diag, ERR_INVALID, "no_rows", "there is nobody to learn from");
  if (put_in_order(rows, ends) != ERR_OK) return diag_no_memory(diag);
  // A handful of customers may all lie in the other groups: then they are learned from, and nothing is tested.
  if (ends[0] == 0) ends[0] = ends[1] = rows->count;
  struct logistic_rows learn = rows_between(rows, 0, ends[0]), calibrate = rows_between(rows, ends[0], ends[1]),
                       test = rows_between(rows, ends[1], rows->count);
  enum err err = logistic_fit(&learn, PENALTY, go_on, context, &model->logistic, diag);
  if (err == ERR_OK && calibrate.count > 0) err = logistic_calibrate(&model->logistic, &calibrate, FEW, diag);
  if (err == ERR_OK) err = logistic_assess(&model->logistic, &test, &model->quality, diag);
  model->learned = learn.count;
  model->calibrated = calibrate.count;
  model->tested = test.count;
  model->is_calibrated = model->logistic.calibration_slope != 1 || model->logistic.calibration_intercept != 0;
  return err;
}

// --- telling it ----------------------------------------------------------------------------------------------

static void write_model(const struct logistic *logistic, const char *const *names, struct json_writer *writer) {
  json_name(writer, "model");
  json_object_begin(writer);
  json_member_real(writer, "intercept", logistic->intercept);
  json_name(writer, "features");
  json_array_begin(writer);
  for (size_t i = 0; i < logistic->columns; i++) {
    json_object_begin(writer);
    json_member_text(writer, "name", names[i]);
    json_member_real(writer, "mean", logistic->mean[i]);
    json_member_real(writer, "scale", logistic->scale[i]);
    json_member_real(writer, "coefficient", logistic->coefficients[i]);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_member_real(writer, "calibration_intercept", logistic->calibration_intercept);
  json_member_real(writer, "calibration_slope", logistic->calibration_slope);
  json_object_end(writer);
}

static void write_quality(const struct appetence_model *model, struct json_writer *writer) {
  const struct logistic_quality *quality = &model->quality;
  json_name(writer, "quality");
  json_object_begin(writer);
  json_member_u64(writer, "learned", model->learned);
  json_member_u64(writer, "calibrated", model->calibrated);
  json_member_u64(writer, "tested", model->tested);
  json_member_real(writer, "bought", quality->yes);
  json_member_real(writer, "auc", quality->auc);
  json_member_real(writer, "log_loss", quality->log_loss);
  json_member_real(writer, "base_log_loss", quality->base_log_loss);
  json_member_real(writer, "brier", quality->brier);
  json_name(writer, "reliability");
  json_array_begin(writer);
  for (size_t i = 0; i < LOGISTIC_BINS; i++) {
    json_object_begin(writer);
    json_member_real(writer, "customers", quality->bins[i].rows);
    json_member_real(writer, "expected", quality->bins[i].probability);
    json_member_real(writer, "bought", quality->bins[i].rows > 0 ? quality->bins[i].yes / quality->bins[i].rows : NAN);
    json_object_end(writer);
  }
  json_array_end(writer);
  json_object_end(writer);
}

void appetence_write(const struct appetence_model *model, const char *const *names, struct json_writer *writer) {
  write_model(&model->logistic, names, writer);
  write_quality(model, writer);
}
