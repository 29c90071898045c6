// appetence: who of a workspace is how likely to buy in a range of products, learned from the workspace itself.
//
// Layer 6, beside query.h. One walk over a snapshot gathers what customers did up to cut-offs of the past and up to
// now; scoring/appetence.h learns from the former and scores the latter. The same data gives the same bytes, whatever
// the number of threads. Which events are orders, and what their ranges are, is trade.h's; of the others:
//   views     Product Viewed, Product Clicked, Product List Viewed    properties.category names the range
//   adds      Product Added, Product Added to Wishlist                the same
//   searches  Products Searched                                       the range's name stands in properties.query
//   clicks    Email Clicked, Email Link Clicked
// Memory: the caller's, from engine_appetence_open to engine_appetence_close.
#pragma once

#include "engine/worth.h"
#include "scoring/appetence.h"

enum { APPETENCE_CUTS = 3, APPETENCE_DECILES = 10, APPETENCE_ROWS_MAX = 500000, APPETENCE_RANGE_BYTES = 256 };

struct appetence_customer {
  uint64_t id;
  double probability;
  uint32_t orders; // in the range, so far
  uint8_t decile;  // 1: the tenth of customers with the highest probabilities; equal ones in order of their ids
};

struct appetence {
  char range[APPETENCE_RANGE_BYTES + 1];
  struct appetence_model model;
  uint64_t version; // of a model that the workspace keeps; 0: learned just now
  int64_t at_us, horizon_us;
  uint64_t buyers;                      // who ever bought in the range
  struct appetence_customer *customers; // in order of their ids; who did nothing that counts is not among them
  size_t count;
};

// Learns at the beginning of today less once, twice and three times the horizon, and scores as of now. ERR_NOT_FOUND
// code "no_range" when nobody ever bought in the range, with those that there are; ERR_INVALID code "bad_range",
// "too_young" (nothing is known from before the last cut-off); ERR_STOPPED.
enum err engine_appetence_open(struct engine_view *view, struct bytes range, int64_t horizon_us,
                               const struct worth_how *how, struct appetence **appetence, struct diag *diag);
void engine_appetence_close(struct appetence *appetence);

// --- models that are kept (engine/appetence_model.c) ---------------------------------------------------------

// A model is a document of the workspace: {"range","horizon_days","at","customers","buyers","model":{"intercept",
// "features":[{"name","mean","scale","coefficient"}],"calibration_intercept","calibration_slope"},"quality":{"learned",
// "calibrated","tested","bought","auc","log_loss","base_log_loss","brier","reliability":[{"customers","expected",
// "bought"}]}}. Versions are dense from 1, over all ranges; what was learned is never changed.

// Its members, into an open object.
void engine_appetence_write(const struct appetence *appetence, struct json_writer *writer);

// Learns and keeps: the document with "version", "learned_at", "author". Errors of engine_appetence_open.
enum err engine_appetence_put(struct engine *engine, struct bytes range, int64_t horizon_us,
                              const struct worth_how *how, struct bytes author, struct json_writer *writer,
                              struct engine_commit *commit, struct diag *diag);

// {"items":[documents]}: the newest 100, the newest first.
enum err engine_appetence_models_json(struct engine_view *view, struct json_writer *writer, struct diag *diag);

// Scores as of now by a version that is kept; learns nothing. ERR_NOT_FOUND code "no_version"; ERR_INVALID code
// "other_features" when it was learned by a program with others.
enum err engine_appetence_recall(struct engine_view *view, uint64_t version, const struct worth_how *how,
                                 struct appetence **appetence, struct diag *diag);

// Of the two above: a model and its range are there, customers are to be scored.
enum err appetence_score(struct engine_view *view, const struct worth_how *how, struct appetence *appetence,
                         struct diag *diag);
