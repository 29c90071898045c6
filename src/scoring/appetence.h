// appetence: how likely a customer is to buy in a range of products within some days, from what she looked at and what
// she bought.
//
// Layer 5. Pure and deterministic. A customer is her signals up to a day, the cut-off, made into features whose weight
// halves with time; the label is whether she bought in the range in the horizon behind the cut-off. A logistic
// regression learns from cut-offs of the past, is calibrated on customers that it has not seen, and assessed on yet
// others. docs/methods.md has the definitions. Threads: one.
#pragma once

#include "base/json_writer.h"
#include "scoring/logistic.h"

enum appetence_kind {
  APPETENCE_VIEW,
  APPETENCE_ADD,      // to the cart or a wish list
  APPETENCE_SEARCH,   // which names the range
  APPETENCE_CLICK,    // in an e-mail
  APPETENCE_PURCHASE, // each range of an order once
};

struct appetence_signal {
  int64_t time_us;
  enum appetence_kind kind;
  bool in_range;
};

enum { APPETENCE_FEATURES = 12 };

// "range_views", …: of reports and stored models.
const char *appetence_feature_name(size_t feature);

// What is known of her before `cut_us`; `signals` in any order. False when nothing is: she is nobody yet.
bool appetence_features(const struct appetence_signal *signals, size_t count, int64_t cut_us,
                        double features[APPETENCE_FEATURES]);

// Whether she bought in the range in [from, to).
bool appetence_bought(const struct appetence_signal *signals, size_t count, int64_t from_us, int64_t to_us);

// Customers are told apart by a hash: groups 0 to 5 are learned from, 6 and 7 calibrate, 8 and 9 test.
enum { APPETENCE_GROUPS = 10, APPETENCE_LEARN = 6, APPETENCE_CALIBRATE = 8 };

struct appetence_rows {
  size_t columns;   // features of a row, at most LOGISTIC_COLUMNS_MAX
  double *features; // row after row
  uint8_t *labels, *groups;
  size_t count;
};

struct appetence_model {
  struct logistic logistic;
  struct logistic_quality quality; // on the test rows
  uint64_t learned, calibrated, tested;
  bool is_calibrated; // there were enough of both labels
};

// Puts the rows in order of their groups on the way. ERR_INVALID code "no_rows"; ERR_STOPPED; ERR_NO_MEMORY.
enum err appetence_learn(struct appetence_rows *rows, logistic_go_on_fn *go_on, void *context,
                         struct appetence_model *model, struct diag *diag);

// Members "model" and "quality" into an open object; names[i] is what feature i is called.
void appetence_write(const struct appetence_model *model, const char *const *names, struct json_writer *writer);
// Those of appetence_features.
extern const char *const APPETENCE_NAMES[APPETENCE_FEATURES];
