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

enum { APPETENCE_CUTS = 3, APPETENCE_DECILES = 10, APPETENCE_ROWS_MAX = 500000 };

struct appetence_customer {
  uint64_t id;
  double probability;
  uint32_t orders; // in the range, so far
  uint8_t decile;  // 1: the tenth of customers with the highest probabilities; equal ones in order of their ids
};

struct appetence {
  struct appetence_model model;
  int64_t at_us, horizon_us;
  uint64_t buyers;                      // who ever bought in the range
  struct appetence_customer *customers; // in order of their ids; who did nothing that counts is not among them
  size_t count;
};

// Learns at now less once, twice and three times the horizon, and scores as of now. ERR_NOT_FOUND code "no_range" when
// nobody ever bought in the range, with those that there are; ERR_INVALID code "bad_range", "too_young" (nothing is
// known from before the last cut-off); ERR_STOPPED.
enum err engine_appetence_open(struct engine_view *view, struct bytes range, int64_t horizon_us,
                               const struct worth_how *how, struct appetence **appetence, struct diag *diag);
void engine_appetence_close(struct appetence *appetence);
