// markov: what a channel is worth is what would be lost without it.
//
// Layer 5. Pure. Paths are walks of a chain whose states are the last K touches (order K, 1 to 4; a path shorter than K
// is one state). A state that repeats is one. A row weighs its conversions and nulls; without nulls every path ends in
// a conversion. The removal effect of a channel is the part of all conversions (of all value) that the chain loses when
// every state with the channel in it leads nowhere; credit is shared in proportion to it. All of it exactly: chain.h.
// Threads: the result does not depend on them.
#pragma once

#include "attribution/paths.h"

enum { MARKOV_ORDER_MAX = 4, MARKOV_STATES_MAX = 200000 };

struct markov_options {
  unsigned order;     // 1 … MARKOV_ORDER_MAX
  bool without_nulls; // paths that did not convert are passed over
  unsigned threads;   // 0: one
};

// States and edges as they were observed. A state's key has its channels, each + 1, in 16 bits, the oldest on top.
struct markov_edge {
  uint32_t from, to; // MARKOV_START, MARKOV_CONVERSION, MARKOV_NULL or a state
  double weight;
};
#define MARKOV_START UINT32_MAX
#define MARKOV_CONVERSION (UINT32_MAX - 1)
#define MARKOV_NULL (UINT32_MAX - 2)

struct markov_graph {
  uint64_t *keys; // by state, in order of first appearance
  size_t state_count;
  struct markov_edge *edges; // by origin and target, the start's first, ends last; no edge weighs 0
  size_t edge_count;
  double *value; // by state: what conversions from it bring, all together
};

void markov_graph_init(struct markov_graph *graph);
void markov_graph_release(struct markov_graph *graph);

// ERR_LIMIT code "too_many_states": more than MARKOV_STATES_MAX; the message has the count.
enum err markov_graph_build(const struct paths *paths, const struct markov_options *options, struct markov_graph *graph,
                            struct diag *diag);

// The channels of a state, oldest first. Returns how many.
size_t markov_channels(uint64_t key, paths_step channels[MARKOV_ORDER_MAX]);

struct markov {
  double conversion;                          // the probability that a path converts
  double *removal_conversion, *removal_value; // by channel: removal effects, 0 … 1 (of value, where none is negative)
  double *conversions, *value;                // by channel: credit
  size_t channel_count, state_count, edge_count;
  bool iterated;
  double gap; // of the probability, relative; 0: all digits
};

void markov_init(struct markov *markov);
void markov_release(struct markov *markov);

// Without any conversion all effects and credits are 0. ERR_LIMIT as markov_graph_build, and "too_hard".
enum err markov_run(const struct paths *paths, const struct markov_options *options, struct markov *markov,
                    struct diag *diag);

// The same from a graph that was built already.
enum err markov_solve(const struct paths *paths, const struct markov_options *options, const struct markov_graph *graph,
                      struct markov *markov, struct diag *diag);

// The credit of one path's touches: shares of its distinct channels in proportion to their removal effects (evenly when
// all are 0). `channels` and `shares` have room for all channels; returns how many there are.
size_t markov_path_shares(const struct markov *markov, const paths_step *steps, size_t count, paths_step *channels,
                          double *shares);
