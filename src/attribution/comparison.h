// comparison: several models over the same paths, side by side.
//
// Layer 5. Pure. Memory: the results belong to the comparison, between comparison_init and comparison_release.
#pragma once

#include "attribution/heuristics.h"
#include "attribution/markov.h"

// The first ones are those of enum heuristic.
enum comparison_model {
  COMPARISON_MARKOV = HEURISTIC_COUNT,
  COMPARISON_SHAPLEY,
  COMPARISON_SHAPLEY_RATE,
  COMPARISON_SHAO,
  COMPARISON_MODEL_COUNT
};

struct comparison_options {
  unsigned models; // a bit each
  struct heuristics_options heuristics;
  struct markov_options markov;
};

struct comparison {
  unsigned models;
  double *conversions[COMPARISON_MODEL_COUNT], *value[COMPARISON_MODEL_COUNT]; // by channel; NULL: not asked for
  struct markov markov;
  struct heuristics heuristics;
};

// The word for a model: "last_non_direct". NULL behind the last.
const char *comparison_model_name(unsigned model);
// What its columns begin with: "last_non_direct", "first_touch".
const char *comparison_column_name(unsigned model);

// The models that `word` names, a bit each: one, with - or _, also as its columns name it; "heuristics": first, last
// and linear; "all": every one that these paths and options allow. 0: none.
unsigned comparison_models_find(struct bytes word, const struct paths *paths, const struct heuristics_options *options);

void comparison_init(struct comparison *comparison);
void comparison_release(struct comparison *comparison);

enum err comparison_run(const struct paths *paths, const struct comparison_options *options,
                        struct comparison *comparison, struct diag *diag);

// A row a channel, in order of first appearance. Of the Markov model alone the columns are those of ChannelAttribution:
// channel_name, total_conversions, total_conversion_value, removal_effects_conversion,
// removal_effects_conversion_value; beside other models its credit is markov_conversions and markov_value. Figures of
// value are left out when the paths have none.
void comparison_write_csv(const struct comparison *comparison, const struct paths *paths, struct buffer *out);

// The same as "channels" of an object that also tells the totals and how the chain was solved.
void comparison_write_json(const struct comparison *comparison, const struct paths *paths,
                           const struct markov_options *options, struct buffer *out);

// --- of the chain itself ---------------------------------------------------------------------------------------

// channel_from, channel_to, transition_probability: by origin and target, "(start)", "(conversion)" and "(null)" for
// what is no channel. States of several channels are written as paths. With `ids` a channel is its number, from 1, in
// order of first appearance, which tells it from the words in brackets whatever its name is.
enum err comparison_write_transitions(const struct paths *paths, const struct markov_options *options, bool ids,
                                      struct bytes separator, bool json, struct buffer *out, struct diag *diag);

// path, channel_name, total_conversions, total_conversion_value: what each path that converts gives each of its
// channels, in proportion to their removal effects.
enum err comparison_write_per_path(const struct comparison *comparison, const struct paths *paths,
                                   struct bytes separator, bool json, struct buffer *out, struct diag *diag);

// channel_a, channel_b, paths_with_both, root_log_likelihood_ratio: of each two channels that are on a path together.
enum err comparison_write_affinity(const struct paths *paths, bool json, struct buffer *out, struct diag *diag);
