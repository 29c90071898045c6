// markov: the graph as a chain, its solution as credit.
#include "attribution/markov.h"

#include <assert.h>

#include "attribution/chain.h"
#include "base/alloc.h"

void markov_init(struct markov *markov) {
  *markov = (struct markov){.channel_count = 0};
}

void markov_release(struct markov *markov) {
  alloc_free(markov->removal_conversion);
  alloc_free(markov->removal_value);
  alloc_free(markov->conversions);
  alloc_free(markov->value);
  markov_init(markov);
}

// --- the chain -----------------------------------------------------------------------------------------------

// States that some weight goes through, under numbers of their own: one that only rows of weight 0 have is left out.
struct model {
  struct chain chain;
  uint32_t *number; // by state of the graph
  size_t *begin;
  uint32_t *to;
  double *weight, *ends; // ends: converted, lost, value, start
  struct chain_groups *groups;
};

static void model_release(struct model *model) {
  alloc_free(model->number);
  alloc_free(model->begin);
  alloc_free(model->to);
  alloc_free(model->weight);
  alloc_free(model->ends);
  alloc_free(model->groups);
}

static bool model_init(struct model *model, const struct markov_graph *graph) {
  size_t states = graph->state_count + 1, edges = graph->edge_count + 1;
  *model = (struct model){.number = alloc_get(states * sizeof *model->number),
                          .begin = alloc_zero(states + 1, sizeof *model->begin),
                          .to = alloc_get(edges * sizeof *model->to),
                          .weight = alloc_get(edges * sizeof *model->weight),
                          .ends = alloc_zero(4 * states, sizeof *model->ends),
                          .groups = alloc_zero(states, sizeof *model->groups)};
  return model->number != NULL && model->begin != NULL && model->to != NULL && model->weight != NULL &&
         model->ends != NULL && model->groups != NULL;
}

static size_t number_states(struct model *model, const struct markov_graph *graph) {
  size_t count = 0;
  for (size_t i = 0; i < graph->state_count; i++) model->number[i] = UINT32_MAX;
  // Every state with weight leads somewhere, and edges are in order of their origins.
  for (size_t e = 0; e < graph->edge_count; e++) {
    uint32_t from = graph->edges[e].from;
    if (from != MARKOV_START && model->number[from] == UINT32_MAX) model->number[from] = (uint32_t)count++;
  }
  return count;
}

static void fill_model(struct model *model, const struct paths *paths, const struct markov_graph *graph) {
  size_t count = number_states(model, graph), edge = 0;
  double *converted = model->ends, *lost = converted + count, *value = lost + count, *start = value + count;
  for (size_t e = 0; e < graph->edge_count; e++) {
    const struct markov_edge *one = &graph->edges[e];
    uint32_t from = one->from == MARKOV_START ? 0 : model->number[one->from];
    if (one->from == MARKOV_START) {
      start[model->number[one->to]] = one->weight;
    } else if (one->to == MARKOV_CONVERSION) {
      converted[from] = one->weight;
    } else if (one->to == MARKOV_NULL) {
      lost[from] = one->weight;
    } else {
      model->to[edge] = model->number[one->to];
      model->weight[edge++] = one->weight;
      model->begin[from + 1] = edge;
    }
  }
  for (size_t i = 0; i < count; i++)
    if (model->begin[i + 1] < model->begin[i]) model->begin[i + 1] = model->begin[i];
  for (size_t i = 0; i < graph->state_count; i++) {
    if (model->number[i] == UINT32_MAX) continue;
    paths_step channels[MARKOV_ORDER_MAX];
    size_t channel_count = markov_channels(graph->keys[i], channels);
    value[model->number[i]] = graph->value[i];
    for (size_t j = 0; j < channel_count; j++) model->groups[model->number[i]].of[j] = (uint16_t)(channels[j] + 1);
  }
  model->chain = (struct chain){count, model->begin, model->to, model->weight,         converted,
                                lost,  value,        start,     paths->channels.count, model->groups};
}

// --- credit --------------------------------------------------------------------------------------------------

// Shares `total` in proportion to the effects.
static void share_out(const double *effects, size_t count, double total, double *credit) {
  double sum = 0, rest = 0;
  for (size_t i = 0; i < count; i++) paths_sum(&sum, &rest, effects[i]);
  sum += rest;
  for (size_t i = 0; i < count; i++) credit[i] = sum != 0 ? effects[i] / sum * total : 0;
}

static void divide(double *numbers, size_t count, double by) {
  for (size_t i = 0; i < count; i++) numbers[i] = by != 0 ? numbers[i] / by : 0;
}

// What the rows with a step brought.
static void find_totals(const struct paths *paths, double *conversions, double *value) {
  double rest = 0;
  *conversions = (double)(paths->conversions - paths->empty.conversions);
  *value = 0;
  for (size_t i = 0; i < paths->row_count; i++) {
    paths_sum(value, &rest, paths->rows[i].value);
    rest += paths->rows[i].value_rest;
  }
  *value += rest;
}

static enum err solve(const struct paths *paths, const struct markov_options *options, const struct markov_graph *graph,
                      struct markov *markov, struct diag *diag) {
  struct model model;
  struct chain_result result = {.through_conversion = markov->removal_conversion,
                                .through_value = markov->removal_value};
  enum err err = model_init(&model, graph) ? ERR_OK : diag_no_memory(diag);
  if (err == ERR_OK) {
    fill_model(&model, paths, graph);
    err = chain_solve(&model.chain, options->threads, &result, diag);
  }
  model_release(&model);
  if (err != ERR_OK) return err;
  divide(markov->removal_conversion, markov->channel_count, result.conversion);
  divide(markov->removal_value, markov->channel_count, result.value);
  markov->conversion = result.conversion;
  markov->iterated = result.iterated;
  markov->gap = result.gap;
  return ERR_OK;
}

enum err markov_solve(const struct paths *paths, const struct markov_options *options, const struct markov_graph *graph,
                      struct markov *markov, struct diag *diag) {
  size_t count = paths->channels.count;
  double conversions, value;
  markov->channel_count = count;
  markov->state_count = graph->state_count;
  markov->edge_count = graph->edge_count;
  markov->removal_conversion = alloc_zero(count + 1, sizeof(double));
  markov->removal_value = alloc_zero(count + 1, sizeof(double));
  markov->conversions = alloc_zero(count + 1, sizeof(double));
  markov->value = alloc_zero(count + 1, sizeof(double));
  if (markov->removal_conversion == NULL || markov->removal_value == NULL || markov->conversions == NULL ||
      markov->value == NULL)
    return diag_no_memory(diag);
  find_totals(paths, &conversions, &value);
  if (conversions == 0) return ERR_OK;
  enum err err = solve(paths, options, graph, markov, diag);
  if (err != ERR_OK) return err;
  share_out(markov->removal_conversion, count, conversions, markov->conversions);
  share_out(markov->removal_value, count, value, markov->value);
  return ERR_OK;
}

enum err markov_run(const struct paths *paths, const struct markov_options *options, struct markov *markov,
                    struct diag *diag) {
  struct markov_graph graph;
  assert(options->order >= 1 && options->order <= MARKOV_ORDER_MAX);
  markov_graph_init(&graph);
  enum err err = markov_graph_build(paths, options, &graph, diag);
  if (err == ERR_OK) err = markov_solve(paths, options, &graph, markov, diag);
  markov_graph_release(&graph);
  return err;
}

size_t markov_path_shares(const struct markov *markov, const paths_step *steps, size_t count, paths_step *channels,
                          double *shares) {
  size_t distinct = 0;
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    size_t j = 0;
    while (j < distinct && channels[j] != steps[i]) j++;
    if (j < distinct) continue;
    channels[distinct] = steps[i];
    shares[distinct] = markov->removal_conversion[steps[i]];
    sum += shares[distinct++];
  }
  for (size_t j = 0; j < distinct; j++) shares[j] = sum > 0 ? shares[j] / sum : 1 / (double)distinct;
  return distinct;
}
