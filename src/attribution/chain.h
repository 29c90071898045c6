// chain: an absorbing Markov chain with weights for probabilities, and what becomes of it without some of its states.
//
// Layer 5. Pure. Of state i, weight[e] goes to to[e], `converted` and `lost` to the two ends; a probability is a weight
// over the sum of its row. A state never leads to itself: staying does not change where one ends.
// Two ways to the answer, both without simulation:
// - elimination: a state is taken out by giving what comes to it to where it leads (Grassmann, Taksar and Heyman 1985).
//   Nothing is ever subtracted, so nothing cancels: every result has nearly all digits of a double, whatever the chain.
// - iteration, where elimination would fill a large graph: Gauss-Seidel from below, with what is not yet decided as a
//   bound, until the bound is below CHAIN_GAP of the result.
// Which one is taken depends on the chain alone, and so does every bit of the result, whatever the threads.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

#define CHAIN_GAP 1e-13

enum { CHAIN_GROUPS = 4 }; // that a state can be in

// The groups that a state is in, each + 1; 0: none.
struct chain_groups {
  uint16_t of[CHAIN_GROUPS];
};

struct chain {
  size_t state_count;
  const size_t *begin; // state_count + 1: edges of state i are begin[i] … begin[i + 1] - 1
  const uint32_t *to;
  const double *weight;
  const double *converted, *lost;
  const double *value; // that conversions from here bring, all together
  const double *start; // where paths begin
  size_t group_count;
  const struct chain_groups *groups; // by state
};

struct chain_result {
  double conversion; // the probability to end converted
  double value;      // the value that a path brings on average
  // By group: the part of `conversion` and of `value` that paths bring which enter a state of the group. Removing the
  // group's states takes just that away. Memory: the caller's, group_count each.
  double *through_conversion, *through_value;
  bool iterated;
  double gap; // how far conversions can be off, over `conversion`; 0 after elimination
};

// Every state has a way to an end, and some weight starts. ERR_LIMIT code "too_hard": neither way gets there within
// bounds (see chain.c); ERR_NO_MEMORY.
enum err chain_solve(const struct chain *chain, unsigned threads, struct chain_result *result, struct diag *diag);
