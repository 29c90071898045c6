// pairs: which channels are found on the same paths.
//
// Layer 5. Pure. Counts conversions and nulls of the paths that have a channel, and that have two.
#pragma once

#include "attribution/paths.h"

enum { PAIRS_CHANNELS_MAX = 4096 };

struct pairs_count {
  uint64_t conversions, nulls;
};

struct pairs {
  size_t channel_count;
  struct pairs_count *of; // of two channels a <= b at pairs_place; a = b: of one
  struct pairs_count all; // of all paths with a step
};

static inline size_t pairs_place(size_t a, size_t b) {
  return a < b ? b * (b + 1) / 2 + a : a * (a + 1) / 2 + b;
}

void pairs_init(struct pairs *pairs);
void pairs_release(struct pairs *pairs);

// ERR_LIMIT code "too_many_channels": more than PAIRS_CHANNELS_MAX.
enum err pairs_count(const struct paths *paths, struct pairs *pairs, struct diag *diag);

// Dunning's log-likelihood ratio of a table of counts: both; a without b; b without a; neither (Dunning 1993, "Accurate
// methods for the statistics of surprise and coincidence"). 0: as independent events would be.
double pairs_log_likelihood(double both, double a_only, double b_only, double neither);

// Its square root, negative where the two are together less often than chance would have it.
double pairs_root_log_likelihood(double both, double a_only, double b_only, double neither);

// Of two channels, over paths that did or did not convert.
double pairs_affinity(const struct pairs *pairs, size_t a, size_t b);

// Shao and Li's probabilistic model (KDD 2011, "Data-driven multi-touch attribution models") on each converting path:
// p(i) + sum over the path's other channels j of (p(i, j) - p(i) - p(j)) / (2 (N - 1)), with the path's N channels and
// p the part of paths with these channels that converts, times the path's conversions (value). Scores: they do not add
// up to the conversions, and can be negative. `conversions` and `value` are by channel.
enum err pairs_shao(const struct pairs *pairs, const struct paths *paths, double *conversions, double *value,
                    struct diag *diag);
