// comparison: which models, and running them. Writing is in comparison_write.c.
#include "attribution/comparison.h"

#include <stdio.h>
#include <string.h>

#include "attribution/pairs.h"
#include "attribution/shapley.h"
#include "base/alloc.h"

static const struct {
  const char *name, *column;
} models[COMPARISON_MODEL_COUNT] = {
    [HEURISTIC_FIRST] = {"first", "first_touch"},
    [HEURISTIC_LAST] = {"last", "last_touch"},
    [HEURISTIC_LAST_NON_DIRECT] = {"last_non_direct", "last_non_direct"},
    [HEURISTIC_LINEAR] = {"linear", "linear_touch"},
    [HEURISTIC_LINEAR_UNIQUE] = {"linear_unique", "linear_unique"},
    [HEURISTIC_POSITION] = {"position", "position_based"},
    [HEURISTIC_TIME_DECAY] = {"time_decay", "time_decay"},
    [HEURISTIC_W_SHAPED] = {"w_shaped", "w_shaped"},
    [HEURISTIC_LAST_PAID] = {"last_paid", "last_paid"},
    [COMPARISON_MARKOV] = {"markov", "markov"},
    [COMPARISON_SHAPLEY] = {"shapley", "shapley"},
    [COMPARISON_SHAPLEY_RATE] = {"shapley_rate", "shapley_rate"},
    [COMPARISON_SHAO] = {"shao", "shao"},
};

static const unsigned all_heuristics = (1u << HEURISTIC_COUNT) - 1;

const char *comparison_model_name(unsigned model) {
  return model < COMPARISON_MODEL_COUNT ? models[model].name : NULL;
}

const char *comparison_column_name(unsigned model) {
  return model < COMPARISON_MODEL_COUNT ? models[model].column : NULL;
}

static unsigned possible_models(const struct paths *paths, const struct heuristics_options *options) {
  unsigned possible = (1u << COMPARISON_MODEL_COUNT) - 1;
  if (options->paid == NULL) possible &= ~(1u << HEURISTIC_LAST_PAID);
  if (paths->channels.count > SHAPLEY_RATE_CHANNELS_MAX) possible &= ~(1u << COMPARISON_SHAPLEY_RATE);
  if (paths->channels.count > PAIRS_CHANNELS_MAX) possible &= ~(1u << COMPARISON_SHAO);
  return possible;
}

unsigned comparison_models_find(struct bytes word, const struct paths *paths,
                                const struct heuristics_options *options) {
  char plain[32];
  snprintf(plain, sizeof plain, "%.*s", (int)(word.size_bytes < sizeof plain ? word.size_bytes : 0),
           (const char *)word.data);
  for (char *at = plain; *at != '\0'; at++)
    if (*at == '-') *at = '_';
  if (strcmp(plain, "all") == 0) return possible_models(paths, options);
  if (strcmp(plain, "heuristics") == 0) return 1u << HEURISTIC_FIRST | 1u << HEURISTIC_LAST | 1u << HEURISTIC_LINEAR;
  for (unsigned i = 0; i < COMPARISON_MODEL_COUNT; i++)
    if (strcmp(plain, models[i].name) == 0 || strcmp(plain, models[i].column) == 0) return 1u << i;
  return 0;
}

void comparison_init(struct comparison *comparison) {
  *comparison = (struct comparison){.models = 0};
  markov_init(&comparison->markov);
  heuristics_init(&comparison->heuristics);
}

void comparison_release(struct comparison *comparison) {
  for (int i = COMPARISON_SHAPLEY; i < COMPARISON_MODEL_COUNT; i++) {
    alloc_free(comparison->conversions[i]);
    alloc_free(comparison->value[i]);
  }
  markov_release(&comparison->markov);
  heuristics_release(&comparison->heuristics);
  comparison_init(comparison);
}

static bool wants(const struct comparison *comparison, unsigned model) {
  return comparison->models >> model & 1;
}

static enum err run_shao(const struct paths *paths, double *conversions, double *value, struct diag *diag) {
  struct pairs pairs;
  pairs_init(&pairs);
  enum err err = pairs_count(paths, &pairs, diag);
  if (err == ERR_OK) err = pairs_shao(&pairs, paths, conversions, value, diag);
  pairs_release(&pairs);
  return err;
}

// One of the models that fill arrays of ours.
static enum err run_own(const struct paths *paths, unsigned model, struct comparison *comparison, struct diag *diag) {
  double *conversions = alloc_zero(paths->channels.count + 1, sizeof(double));
  double *value = alloc_zero(paths->channels.count + 1, sizeof(double));
  comparison->conversions[model] = conversions;
  comparison->value[model] = value;
  if (conversions == NULL || value == NULL) return diag_no_memory(diag);
  if (model == COMPARISON_SHAPLEY) return shapley_subset(paths, conversions, value, diag);
  if (model == COMPARISON_SHAPLEY_RATE) return shapley_rate(paths, conversions, value, diag);
  return run_shao(paths, conversions, value, diag);
}

enum err comparison_run(const struct paths *paths, const struct comparison_options *options,
                        struct comparison *comparison, struct diag *diag) {
  comparison->models = options->models;
  enum err err = ERR_OK;
  if (options->models & all_heuristics)
    err = heuristics_run(paths, options->models & all_heuristics, &options->heuristics, &comparison->heuristics, diag);
  if (err == ERR_OK && wants(comparison, COMPARISON_MARKOV))
    err = markov_run(paths, &options->markov, &comparison->markov, diag);
  for (unsigned i = 0; i < HEURISTIC_COUNT; i++) {
    comparison->conversions[i] = comparison->heuristics.of[i].conversions;
    comparison->value[i] = comparison->heuristics.of[i].value;
  }
  comparison->conversions[COMPARISON_MARKOV] = comparison->markov.conversions;
  comparison->value[COMPARISON_MARKOV] = comparison->markov.value;
  for (unsigned i = COMPARISON_SHAPLEY; i < COMPARISON_MODEL_COUNT && err == ERR_OK; i++)
    if (wants(comparison, i)) err = run_own(paths, i, comparison, diag);
  return err;
}
