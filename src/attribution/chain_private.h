// chain_private: what the parts of chain share.
//
// Layer 5.
#pragma once

#include "attribution/chain.h"

// Where the groups' results go, and what they need: of each state of the chain the probability to convert from it and
// the value that brings.
struct chain_removal {
  const struct chain *chain;
  const double *conversion, *value;
  double start_weight;
  struct chain_result *result;
  uint64_t work_max; // of one level of halves, in additions
};

// Whether a state is in one of the groups [from, to).
static inline bool chain_touches(const struct chain *chain, uint32_t state, size_t from, size_t to) {
  for (int i = 0; i < CHAIN_GROUPS; i++) {
    size_t group = chain->groups[state].of[i];
    if (group > from && group <= to) return true;
  }
  return false;
}

// --- chain_dense.c -------------------------------------------------------------------------------------------

enum { CHAIN_DENSE_MAX = 4096 };

// `count` states as a matrix. A row's own place in it holds nothing that means anything.
struct chain_dense {
  size_t count, stride;
  double *weights;                          // count rows of `stride`
  double *converted, *lost, *value, *start; // by state; after its elimination `lost` is its whole weight
  uint32_t *states;                         // of the chain
  bool owned;                               // the memory is its own
};

enum err chain_dense_init(struct chain_dense *dense, size_t count);
void chain_dense_release(struct chain_dense *dense);

// Takes out the first `count` states.
void chain_dense_eliminate(struct chain_dense *dense, size_t count);

// The part of `dense` from state `first` on, in the same memory.
struct chain_dense chain_dense_tail(const struct chain_dense *dense, size_t first);

// What follows from `states`, all of which were taken out, for each of them: to conversion[state] and value[state].
void chain_dense_resolve(const struct chain_dense *dense, double *conversion, double *value);

// The groups [from, to); the matrix holds the states that are in one of them.
enum err chain_dense_remove(const struct chain_removal *removal, const struct chain_dense *dense, size_t from,
                            size_t to);

// --- chain_sparse.c ------------------------------------------------------------------------------------------

// ERR_LIMIT: more work than `work_max`.
enum err chain_sparse_resolve(const struct chain_removal *removal, double *conversion, double *value);
enum err chain_sparse_remove(const struct chain_removal *removal, unsigned threads);

// --- chain_iterate.c -----------------------------------------------------------------------------------------

// ERR_LIMIT: too many sweeps. *work: what the removal of all groups would take, in additions.
enum err chain_iterate_resolve(const struct chain_removal *removal, double *conversion, double *value, double *work);
enum err chain_iterate_remove(const struct chain_removal *removal, unsigned threads);
