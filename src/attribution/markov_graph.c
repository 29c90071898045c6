// markov_graph: the walk over all paths, counting. Weights are whole numbers that may pass 64 bits when added (a path
// of 2^62 conversions goes through many states), so they are counted in 128 bits and rounded once.
// All states are found first: when there are too many, the message says how many.
#include <string.h>

#include "attribution/markov.h"
#include "attribution/paths_hash.h"
#include "base/alloc.h"

enum { FIRST_SLOTS = 256, MATRIX_STATES = 256, MATRIX_WIDTH = MATRIX_STATES + 3 };

__extension__ typedef unsigned __int128 big;

struct edge {
  uint32_t from, to;
  big weight;
};

struct counting {
  const struct paths *paths;
  unsigned order;
  struct markov_graph *graph;
  size_t state_capacity;
  uint32_t *state_slots; // state + 1
  size_t state_slot_count;
  double *value_rest; // of graph->value
  struct edge *edges;
  size_t edge_count, edge_capacity;
  uint32_t *edge_slots; // edge + 1
  size_t edge_slot_count;
  uint32_t *places; // with few states: by origin and target, ends behind the states, the edge + 1
};

void markov_graph_init(struct markov_graph *graph) {
  *graph = (struct markov_graph){.state_count = 0};
}

void markov_graph_release(struct markov_graph *graph) {
  alloc_free(graph->keys);
  alloc_free(graph->edges);
  alloc_free(graph->value);
  markov_graph_init(graph);
}

size_t markov_channels(uint64_t key, paths_step channels[MARKOV_ORDER_MAX]) {
  size_t count = 0;
  for (int shift = 48; shift >= 0; shift -= 16) {
    unsigned channel = key >> shift & 0xffff;
    if (channel != 0) channels[count++] = (paths_step)(channel - 1);
  }
  return count;
}

// --- tables --------------------------------------------------------------------------------------------------

static bool grow(void **items, size_t *capacity, size_t count, size_t item_bytes) {
  if (count < *capacity) return true;
  size_t more = *capacity == 0 ? FIRST_SLOTS : *capacity * 2;
  void *larger = alloc_resize(*items, more * item_bytes);
  if (larger == NULL) return false;
  *items = larger;
  *capacity = more;
  return true;
}

static size_t key_slot(const struct counting *counting, uint64_t key) {
  size_t mask = counting->state_slot_count - 1, at = paths_hash_mix(key, UINT64_C(0x9e3779b97f4a7c15)) & mask;
  while (counting->state_slots[at] != 0 && counting->graph->keys[counting->state_slots[at] - 1] != key)
    at = (at + 1) & mask;
  return at;
}

static size_t edge_slot(const struct counting *counting, uint32_t from, uint32_t to) {
  size_t mask = counting->edge_slot_count - 1;
  size_t at = paths_hash_mix((uint64_t)from << 32 | to, UINT64_C(0x9e3779b97f4a7c15)) & mask;
  for (; counting->edge_slots[at] != 0; at = (at + 1) & mask) {
    const struct edge *edge = &counting->edges[counting->edge_slots[at] - 1];
    if (edge->from == from && edge->to == to) break;
  }
  return at;
}

static bool more_slots(uint32_t **slots, size_t *slot_count) {
  size_t count = *slot_count == 0 ? FIRST_SLOTS : *slot_count * 2;
  uint32_t *larger = alloc_zero(count, sizeof *larger);
  if (larger == NULL) return false;
  alloc_free(*slots);
  *slots = larger;
  *slot_count = count;
  return true;
}

static bool add_state(struct counting *counting, uint64_t key, uint32_t *state) {
  struct markov_graph *graph = counting->graph;
  if (graph->state_count * 2 >= counting->state_slot_count) {
    if (!more_slots(&counting->state_slots, &counting->state_slot_count)) return false;
    for (size_t i = 0; i < graph->state_count; i++)
      counting->state_slots[key_slot(counting, graph->keys[i])] = (uint32_t)i + 1;
  }
  size_t at = key_slot(counting, key);
  if (counting->state_slots[at] == 0) {
    void *keys = graph->keys;
    bool grown = grow(&keys, &counting->state_capacity, graph->state_count, sizeof *graph->keys);
    graph->keys = keys;
    if (!grown) return false;
    graph->keys[graph->state_count++] = key;
    counting->state_slots[at] = (uint32_t)graph->state_count;
  }
  *state = counting->state_slots[at] - 1;
  return true;
}

static bool new_edge(struct counting *counting, uint32_t from, uint32_t to) {
  void *edges = counting->edges;
  bool grown = grow(&edges, &counting->edge_capacity, counting->edge_count, sizeof *counting->edges);
  counting->edges = edges;
  if (grown) counting->edges[counting->edge_count++] = (struct edge){from, to, 0};
  return grown;
}

// Of a state, or of an end or the start, which are the highest numbers.
static size_t matrix_place(uint32_t state) {
  return state >= MARKOV_NULL ? MATRIX_STATES + (size_t)(MARKOV_START - state) : state;
}

static bool add_in_matrix(struct counting *counting, uint32_t from, uint32_t to, uint64_t more) {
  uint32_t *place = &counting->places[matrix_place(from) * MATRIX_WIDTH + matrix_place(to)];
  if (*place == 0) {
    if (!new_edge(counting, from, to)) return false;
    *place = (uint32_t)counting->edge_count;
  }
  counting->edges[*place - 1].weight += more;
  return true;
}

static bool add_edge(struct counting *counting, uint32_t from, uint32_t to, uint64_t more) {
  if (more == 0) return true;
  if (counting->places != NULL) return add_in_matrix(counting, from, to, more);
  if (counting->edge_count * 2 >= counting->edge_slot_count) {
    if (!more_slots(&counting->edge_slots, &counting->edge_slot_count)) return false;
    for (size_t i = 0; i < counting->edge_count; i++)
      counting->edge_slots[edge_slot(counting, counting->edges[i].from, counting->edges[i].to)] = (uint32_t)i + 1;
  }
  size_t at = edge_slot(counting, from, to);
  if (counting->edge_slots[at] == 0) {
    if (!new_edge(counting, from, to)) return false;
    counting->edge_slots[at] = (uint32_t)counting->edge_count;
  }
  counting->edges[counting->edge_slots[at] - 1].weight += more;
  return true;
}

// --- counting ------------------------------------------------------------------------------------------------

// The first state of a path: `order` channels, or all there are. *next: the step behind them.
static uint64_t first_key(const paths_step *steps, size_t count, unsigned order, size_t *next) {
  uint64_t key = 0;
  for (*next = 0; *next < count && *next < order; (*next)++) key = key << 16 | (uint64_t)(steps[*next] + 1);
  return key;
}

static uint64_t next_key(uint64_t key, paths_step step, unsigned order) {
  uint64_t mask = order == MARKOV_ORDER_MAX ? UINT64_MAX : (UINT64_C(1) << 16 * order) - 1;
  return (key << 16 | (uint64_t)(step + 1)) & mask;
}

// Of order 1 every channel is a state, and has its number: most files are asked for that alone.
static bool take_channels(struct counting *counting) {
  uint32_t state;
  bool added = true;
  for (size_t i = 0; i < counting->paths->channels.count && added; i++) added = add_state(counting, i + 1, &state);
  return added;
}

static bool find_states(struct counting *counting) {
  if (counting->order == 1) return take_channels(counting);
  for (size_t i = 0; i < counting->paths->row_count; i++) {
    const struct paths_row *row = &counting->paths->rows[i];
    const paths_step *steps = paths_steps(counting->paths, row);
    size_t next;
    uint32_t state;
    uint64_t key = first_key(steps, row->count, counting->order, &next);
    if (!add_state(counting, key, &state)) return false;
    for (; next < row->count; next++) {
      key = next_key(key, steps[next], counting->order);
      if (!add_state(counting, key, &state)) return false;
    }
  }
  return true;
}

// The number of a key that is known to be there.
static uint32_t state_of(const struct counting *counting, uint64_t key) {
  if (counting->order == 1) return (uint32_t)key - 1;
  return counting->state_slots[key_slot(counting, key)] - 1;
}

static bool count_row(struct counting *counting, const struct paths_row *row, bool without_nulls) {
  const paths_step *steps = paths_steps(counting->paths, row);
  uint64_t nulls = without_nulls ? 0 : row->nulls, weight = row->conversions + nulls;
  size_t next;
  uint64_t key = first_key(steps, row->count, counting->order, &next);
  uint32_t state = state_of(counting, key);
  bool counted = add_edge(counting, MARKOV_START, state, weight);
  for (; next < row->count && counted; next++) {
    uint64_t then = next_key(key, steps[next], counting->order);
    if (then == key) continue;
    uint32_t to = state_of(counting, then);
    counted = add_edge(counting, state, to, weight);
    key = then;
    state = to;
  }
  counted = counted && add_edge(counting, state, MARKOV_CONVERSION, row->conversions) &&
            add_edge(counting, state, MARKOV_NULL, nulls);
  if (weight > 0) {
    paths_sum(&counting->graph->value[state], &counting->value_rest[state], row->value);
    counting->value_rest[state] += row->value_rest;
  }
  return counted;
}

// By origin, the start first; by target. Counting sort, for there may be millions.
static enum err sort_edges(struct counting *counting) {
  struct markov_graph *graph = counting->graph;
  size_t n = graph->state_count + 3;
  size_t *begin = alloc_get((n + 1) * sizeof *begin);
  uint32_t *order = alloc_get((counting->edge_count + 1) * sizeof *order);
  graph->edges = alloc_get((counting->edge_count + 1) * sizeof *graph->edges);
  enum err err = begin == NULL || order == NULL || graph->edges == NULL ? ERR_NO_MEMORY : ERR_OK;
  for (int pass = 0; pass < 2 && err == ERR_OK; pass++) {
    memset(begin, 0, (n + 1) * sizeof *begin);
    // Start is above all states; it comes first. Ends are too; they come last, conversion before null.
    for (size_t i = 0; i < counting->edge_count; i++) {
      uint32_t key = pass == 0 ? counting->edges[i].to : counting->edges[i].from + 1;
      begin[pass == 0 && key >= MARKOV_NULL ? graph->state_count + (key == MARKOV_NULL) + 1 : (size_t)key + 1]++;
    }
    for (size_t i = 0; i < n; i++) begin[i + 1] += begin[i];
    for (size_t i = 0; i < counting->edge_count; i++) {
      const struct edge *edge = &counting->edges[pass == 0 ? i : order[i]];
      uint32_t key = pass == 0 ? edge->to : edge->from + 1;
      size_t at = begin[pass == 0 && key >= MARKOV_NULL ? graph->state_count + (key == MARKOV_NULL) : key]++;
      if (pass == 0)
        order[at] = (uint32_t)i;
      else
        graph->edges[at] = (struct markov_edge){edge->from, edge->to, (double)edge->weight};
    }
  }
  graph->edge_count = counting->edge_count;
  alloc_free(begin);
  alloc_free(order);
  return err;
}

static enum err count_all(struct counting *counting, const struct markov_options *options, struct diag *diag) {
  struct markov_graph *graph = counting->graph;
  if (!find_states(counting)) return diag_no_memory(diag);
  if (graph->state_count > MARKOV_STATES_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_states",
                    "the paths have %zu states of order %u; at most %d are solved: take a smaller order",
                    graph->state_count, counting->order, MARKOV_STATES_MAX);
  graph->value = alloc_zero(graph->state_count + 1, sizeof *graph->value);
  counting->value_rest = alloc_zero(graph->state_count + 1, sizeof *counting->value_rest);
  if (graph->state_count <= MATRIX_STATES) {
    counting->places = alloc_zero((size_t)MATRIX_WIDTH * MATRIX_WIDTH, sizeof *counting->places);
    if (counting->places == NULL) return diag_no_memory(diag);
  }
  if (graph->value == NULL || counting->value_rest == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < counting->paths->row_count; i++)
    if (!count_row(counting, &counting->paths->rows[i], options->without_nulls)) return diag_no_memory(diag);
  for (size_t i = 0; i < graph->state_count; i++) graph->value[i] += counting->value_rest[i];
  return sort_edges(counting) == ERR_OK ? ERR_OK : diag_no_memory(diag);
}

enum err markov_graph_build(const struct paths *paths, const struct markov_options *options, struct markov_graph *graph,
                            struct diag *diag) {
  struct counting counting = {.paths = paths, .order = options->order, .graph = graph};
  enum err err = count_all(&counting, options, diag);
  alloc_free(counting.state_slots);
  alloc_free(counting.edge_slots);
  alloc_free(counting.edges);
  alloc_free(counting.value_rest);
  alloc_free(counting.places);
  return err;
}
