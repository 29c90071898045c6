// chain_sparse: elimination in lists of edges, the state with the fewest new edges first.
//
// Invariants: 1. of each edge from i to j, row i has an entry and column j has one, and each knows the other's place;
// both states are still there. 2. The start's edges are one number a state. 3. A state's cost, how many come to it
// times how many it leads to, is looked up again when its turn comes, for it only says the order. What is left becomes
// a matrix when most of what can be there is there.
//
// Without its states, the removal of every group needs an elimination of its own, in which the group's states stay to
// the end: what the start leads to then is where a path first enters the group. Groups are halved: states that are in
// none of a half's groups are taken out once for all of them.
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "attribution/chain_private.h"
#include "base/alloc.h"
#include "base/arena.h"

enum { SMALL = 48, FIRST_EDGES = 4 };

struct row_edge {
  uint32_t to, place; // place: in the column
};

struct column_edge {
  uint32_t from, place; // place: in the row
};

struct node {
  struct row_edge *row;
  double *weights; // of row
  struct column_edge *column;
  uint32_t row_count, row_capacity, column_count, column_capacity;
  double converted, lost, value, start;
  uint32_t state; // of the chain
  bool gone;
};

struct graph {
  const struct chain *chain;
  struct node *nodes;
  size_t count, left;      // left: nodes that are not gone
  uint64_t work, work_max; // additions; a half has half of what its whole may take
  struct arena arena;      // rows and columns
  uint32_t *marks;         // by node: place in the row that is being added to, + 1; all 0 between
};

static void graph_release(struct graph *graph) {
  alloc_free(graph->nodes);
  alloc_free(graph->marks);
  arena_release(&graph->arena);
}

static enum err graph_init(struct graph *graph, const struct chain *chain, size_t count, uint64_t work_max) {
  *graph = (struct graph){.chain = chain, .count = count, .left = count, .work_max = work_max};
  arena_init(&graph->arena, 0);
  graph->nodes = alloc_zero(count + 1, sizeof *graph->nodes);
  graph->marks = alloc_zero(count + 1, sizeof *graph->marks);
  return graph->nodes != NULL && graph->marks != NULL ? ERR_OK : ERR_NO_MEMORY;
}

// --- edges ---------------------------------------------------------------------------------------------------

static bool row_room(struct graph *graph, struct node *node, uint32_t wanted) {
  if (wanted <= node->row_capacity) return true;
  uint32_t capacity = wanted > 2 * node->row_capacity ? wanted : 2 * node->row_capacity;
  if (capacity < FIRST_EDGES) capacity = FIRST_EDGES;
  struct row_edge *row = arena_take(&graph->arena, capacity * sizeof *row);
  double *weights = arena_take(&graph->arena, capacity * sizeof *weights);
  if (row == NULL || weights == NULL) return false;
  if (node->row_count > 0) {
    memcpy(row, node->row, node->row_count * sizeof *row);
    memcpy(weights, node->weights, node->row_count * sizeof *weights);
  }
  node->row = row;
  node->weights = weights;
  node->row_capacity = capacity;
  return true;
}

static bool column_room(struct graph *graph, struct node *node, uint32_t wanted) {
  if (wanted <= node->column_capacity) return true;
  uint32_t capacity = wanted > 2 * node->column_capacity ? wanted : 2 * node->column_capacity;
  if (capacity < FIRST_EDGES) capacity = FIRST_EDGES;
  struct column_edge *column = arena_take(&graph->arena, capacity * sizeof *column);
  if (column == NULL) return false;
  if (node->column_count > 0) memcpy(column, node->column, node->column_count * sizeof *column);
  node->column = column;
  node->column_capacity = capacity;
  return true;
}

// A new edge; there is none between the two.
static bool add_edge(struct graph *graph, uint32_t from, uint32_t to, double weight) {
  struct node *head = &graph->nodes[from], *tail = &graph->nodes[to];
  if (!row_room(graph, head, head->row_count + 1) || !column_room(graph, tail, tail->column_count + 1)) return false;
  head->row[head->row_count] = (struct row_edge){to, tail->column_count};
  head->weights[head->row_count] = weight;
  tail->column[tail->column_count++] = (struct column_edge){from, head->row_count++};
  return true;
}

static void drop_from_row(struct graph *graph, struct node *node, uint32_t place) {
  uint32_t last = --node->row_count;
  if (place == last) return;
  node->row[place] = node->row[last];
  node->weights[place] = node->weights[last];
  graph->nodes[node->row[place].to].column[node->row[place].place].place = place;
}

static void drop_from_column(struct graph *graph, struct node *node, uint32_t place) {
  uint32_t last = --node->column_count;
  if (place == last) return;
  node->column[place] = node->column[last];
  graph->nodes[node->column[place].from].row[node->column[place].place].place = place;
}

// --- elimination ---------------------------------------------------------------------------------------------

static double whole_weight(const struct node *node) {
  double whole = node->converted + node->lost;
  for (uint32_t e = 0; e < node->row_count; e++) whole += node->weights[e];
  return whole;
}

// Where the edge from `i` to `j` is in i's row; UINT32_MAX: there is none. Looks through the shorter list.
static uint32_t find_edge(const struct graph *graph, uint32_t i, uint32_t j) {
  const struct node *from = &graph->nodes[i], *to = &graph->nodes[j];
  if (from->row_count <= to->column_count) {
    for (uint32_t e = 0; e < from->row_count; e++)
      if (from->row[e].to == j) return e;
    return UINT32_MAX;
  }
  for (uint32_t e = 0; e < to->column_count; e++)
    if (to->column[e].from == i) return to->column[e].place;
  return UINT32_MAX;
}

// Gives row i the share of row k.
static bool give_row(struct graph *graph, uint32_t i, uint32_t k, double share) {
  struct node *to = &graph->nodes[i];
  const struct node *from = &graph->nodes[k];
  bool marks = from->row_count * 4 > to->row_count;
  for (uint32_t e = 0; marks && e < to->row_count; e++) graph->marks[to->row[e].to] = e + 1;
  uint32_t marked = to->row_count;
  bool added = true;
  for (uint32_t e = 0; e < from->row_count && added; e++) {
    uint32_t j = from->row[e].to;
    if (j == i) continue;
    uint32_t place = marks ? graph->marks[j] - 1 : find_edge(graph, i, j);
    if (place != UINT32_MAX)
      to->weights[place] += share * from->weights[e];
    else
      added = add_edge(graph, i, j, share * from->weights[e]);
  }
  for (uint32_t e = 0; marks && e < marked; e++) graph->marks[to->row[e].to] = 0;
  graph->work += from->row_count + (marks ? marked : from->row_count);
  return added;
}

static enum err eliminate(struct graph *graph, uint32_t k) {
  struct node *node = &graph->nodes[k];
  double whole = whole_weight(node);
  assert(whole > 0);
  for (uint32_t c = 0; c < node->column_count; c++) {
    uint32_t i = node->column[c].from, place = node->column[c].place;
    struct node *to = &graph->nodes[i];
    double share = to->weights[place] / whole;
    drop_from_row(graph, to, place);
    to->converted += share * node->converted;
    to->lost += share * node->lost;
    to->value += share * node->value;
    if (!give_row(graph, i, k, share)) return ERR_NO_MEMORY;
  }
  double share = node->start / whole;
  for (uint32_t e = 0; e < node->row_count; e++) {
    struct node *to = &graph->nodes[node->row[e].to];
    to->start += share * node->weights[e];
    drop_from_column(graph, to, node->row[e].place);
  }
  graph->left--;
  node->column_count = 0;
  node->lost = whole;
  node->gone = true;
  return ERR_OK;
}

// --- order ---------------------------------------------------------------------------------------------------

// A heap of cost << 32 | node, the smallest first.
struct queue {
  uint64_t *items;
  size_t count;
};

static void sift_down(struct queue *queue, size_t at) {
  uint64_t item = queue->items[at];
  for (size_t child; (child = 2 * at + 1) < queue->count; at = child) {
    child += child + 1 < queue->count && queue->items[child + 1] < queue->items[child];
    if (queue->items[child] >= item) break;
    queue->items[at] = queue->items[child];
  }
  queue->items[at] = item;
}

static uint64_t cost_of(const struct graph *graph, uint32_t k) {
  uint64_t cost = (uint64_t)graph->nodes[k].row_count * graph->nodes[k].column_count;
  return cost < UINT32_MAX ? cost : UINT32_MAX;
}

// Whether a matrix of what is left is the better place to go on in: it is small, or an elimination would touch more
// than an eighth of it.
static bool is_dense(const struct graph *graph, uint64_t cost) {
  return graph->left <= SMALL || (graph->left <= CHAIN_DENSE_MAX && cost * 8 > (uint64_t)graph->left * graph->left);
}

// Takes out nodes of the queue in order until it is empty or the rest is dense. `order`: who was, if not NULL.
static enum err eliminate_queue(struct graph *graph, struct queue *queue, uint32_t *order, size_t *order_count) {
  for (size_t i = queue->count / 2; i-- > 0;) sift_down(queue, i);
  while (queue->count > 0) {
    uint32_t k = (uint32_t)queue->items[0];
    uint64_t cost = cost_of(graph, k);
    if (cost > queue->items[0] >> 32) {
      queue->items[0] = cost << 32 | k;
      sift_down(queue, 0);
      continue;
    }
    if (is_dense(graph, cost)) break;
    if (graph->work > graph->work_max) return ERR_LIMIT;
    enum err err = eliminate(graph, k);
    if (err != ERR_OK) return err;
    if (order != NULL) order[(*order_count)++] = k;
    queue->items[0] = queue->items[--queue->count];
    if (queue->count > 0) sift_down(queue, 0);
  }
  // What the matrix will take, halves of halves included; its additions go four at a time.
  uint64_t dense = queue->count > 0 ? (uint64_t)graph->left * graph->left * graph->left / 8 : 0;
  return graph->work + dense > graph->work_max ? ERR_LIMIT : ERR_OK;
}

// --- matrices ------------------------------------------------------------------------------------------------

// The nodes that are left, those of the queue first.
static enum err make_dense(const struct graph *graph, const struct queue *queue, struct chain_dense *dense) {
  enum err err = chain_dense_init(dense, graph->left);
  uint32_t *place = err == ERR_OK ? alloc_get((graph->count + 1) * sizeof *place) : NULL;
  uint32_t next = 0;
  if (err == ERR_OK && place == NULL) {
    chain_dense_release(dense);
    err = ERR_NO_MEMORY;
  }
  if (err != ERR_OK) return err;
  for (size_t i = 0; i < graph->count; i++) place[i] = UINT32_MAX;
  for (size_t i = 0; i < queue->count; i++) place[(uint32_t)queue->items[i]] = next++;
  for (size_t i = 0; i < graph->count; i++)
    if (!graph->nodes[i].gone && place[i] == UINT32_MAX) place[i] = next++;
  for (size_t i = 0; i < graph->count; i++) {
    const struct node *node = &graph->nodes[i];
    if (node->gone) continue;
    size_t at = place[i];
    dense->converted[at] = node->converted;
    dense->lost[at] = node->lost;
    dense->value[at] = node->value;
    dense->start[at] = node->start;
    dense->states[at] = node->state;
    for (uint32_t e = 0; e < node->row_count; e++)
      dense->weights[at * dense->stride + place[node->row[e].to]] = node->weights[e];
  }
  alloc_free(place);
  return ERR_OK;
}

// --- the whole chain -----------------------------------------------------------------------------------------

static enum err read_chain(struct graph *graph) {
  const struct chain *chain = graph->chain;
  for (size_t i = 0; i < chain->state_count; i++) {
    struct node *node = &graph->nodes[i];
    node->converted = chain->converted[i];
    node->lost = chain->lost[i];
    node->value = chain->value[i];
    node->start = chain->start[i];
    node->state = (uint32_t)i;
    if (!row_room(graph, node, (uint32_t)(chain->begin[i + 1] - chain->begin[i]))) return ERR_NO_MEMORY;
    for (size_t e = chain->begin[i]; e < chain->begin[i + 1]; e++)
      if (!add_edge(graph, (uint32_t)i, chain->to[e], chain->weight[e])) return ERR_NO_MEMORY;
  }
  return ERR_OK;
}

// All nodes that are in none of the groups [from, to).
static enum err fill_queue(const struct graph *graph, size_t from, size_t to, struct queue *queue) {
  queue->items = alloc_get((graph->count + 1) * sizeof *queue->items);
  queue->count = 0;
  if (queue->items == NULL) return ERR_NO_MEMORY;
  for (uint32_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].gone || (to > from && chain_touches(graph->chain, graph->nodes[i].state, from, to))) continue;
    queue->items[queue->count++] = cost_of(graph, i) << 32 | i;
  }
  return ERR_OK;
}

static void resolve_order(const struct graph *graph, const uint32_t *order, size_t count, double *conversion,
                          double *value) {
  while (count-- > 0) {
    const struct node *node = &graph->nodes[order[count]];
    double converted = node->converted, worth = node->value;
    for (uint32_t e = 0; e < node->row_count; e++) {
      converted += node->weights[e] * conversion[node->row[e].to];
      worth += node->weights[e] * value[node->row[e].to];
    }
    conversion[order[count]] = converted / node->lost;
    value[order[count]] = worth / node->lost;
  }
}

enum err chain_sparse_resolve(const struct chain_removal *removal, double *conversion, double *value) {
  const struct chain *chain = removal->chain;
  struct graph graph;
  struct queue queue = {.items = NULL};
  struct chain_dense dense = {.count = 0};
  size_t order_count = 0;
  enum err err = graph_init(&graph, chain, chain->state_count, removal->work_max);
  uint32_t *order = alloc_get((chain->state_count + 1) * sizeof *order);
  if (order == NULL) err = ERR_NO_MEMORY;
  if (err == ERR_OK) err = read_chain(&graph);
  if (err == ERR_OK) err = fill_queue(&graph, 0, 0, &queue);
  if (err == ERR_OK) err = eliminate_queue(&graph, &queue, order, &order_count);
  if (err == ERR_OK) err = make_dense(&graph, &queue, &dense);
  if (err == ERR_OK) {
    chain_dense_eliminate(&dense, dense.count);
    chain_dense_resolve(&dense, conversion, value);
    resolve_order(&graph, order, order_count, conversion, value);
  }
  chain_dense_release(&dense);
  alloc_free(queue.items);
  alloc_free(order);
  graph_release(&graph);
  return err;
}

// --- removal -------------------------------------------------------------------------------------------------

struct branch {
  const struct chain_removal *removal;
  const struct graph *graph;
  size_t from, to;
  unsigned threads;
  enum err err;
};

static void *remove_branch(void *argument);

// The nodes that are left, under new numbers.
// The branch's half of the work, for it is one of two.
static enum err copy_graph(const struct graph *from, struct graph *to) {
  enum err err = graph_init(to, from->chain, from->left, from->work_max / 2);
  uint32_t *numbers = err == ERR_OK ? alloc_get((from->count + 1) * sizeof *numbers) : NULL, next = 0;
  if (err == ERR_OK && numbers == NULL) err = ERR_NO_MEMORY;
  for (size_t i = 0; err == ERR_OK && i < from->count; i++) numbers[i] = from->nodes[i].gone ? UINT32_MAX : next++;
  for (size_t i = 0; err == ERR_OK && i < from->count; i++) {
    const struct node *node = &from->nodes[i];
    if (node->gone) continue;
    struct node *copy = &to->nodes[numbers[i]];
    copy->converted = node->converted;
    copy->lost = node->lost;
    copy->value = node->value;
    copy->start = node->start;
    copy->state = node->state;
    if (!row_room(to, copy, node->row_count) || !column_room(to, copy, node->column_count)) err = ERR_NO_MEMORY;
    for (uint32_t e = 0; err == ERR_OK && e < node->row_count; e++)
      if (!add_edge(to, numbers[i], numbers[node->row[e].to], node->weights[e])) err = ERR_NO_MEMORY;
  }
  alloc_free(numbers);
  return err;
}

static void write_group(const struct chain_removal *removal, const struct graph *graph, size_t group) {
  double conversion = 0, value = 0;
  for (size_t i = 0; i < graph->count; i++) {
    const struct node *node = &graph->nodes[i];
    if (node->gone) continue;
    conversion += node->start * removal->conversion[node->state];
    value += node->start * removal->value[node->state];
  }
  removal->result->through_conversion[group] = conversion / removal->start_weight;
  removal->result->through_value[group] = value / removal->start_weight;
}

// Both halves of the groups [from, to), of which the graph holds the states.
static enum err remove_groups(const struct chain_removal *removal, const struct graph *graph, size_t from, size_t to,
                              unsigned threads) {
  if (to - from == 1) {
    write_group(removal, graph, from);
    return ERR_OK;
  }
  size_t middle = from + (to - from) / 2;
  struct branch left = {removal, graph, from, middle, threads / 2, ERR_OK};
  struct branch right = {removal, graph, middle, to, threads - threads / 2, ERR_OK};
  pthread_t other;
  bool split = threads > 1 && pthread_create(&other, NULL, remove_branch, &left) == 0;
  if (!split) remove_branch(&left);
  remove_branch(&right);
  if (split) pthread_join(other, NULL);
  return left.err != ERR_OK ? left.err : right.err;
}

// What is left of the branch as a matrix.
static enum err go_on_dense(const struct branch *branch, const struct graph *graph, const struct queue *queue) {
  struct chain_dense dense;
  enum err err = make_dense(graph, queue, &dense);
  if (err != ERR_OK) return err;
  chain_dense_eliminate(&dense, queue->count);
  struct chain_dense rest = chain_dense_tail(&dense, queue->count);
  err = chain_dense_remove(branch->removal, &rest, branch->from, branch->to);
  chain_dense_release(&dense);
  return err;
}

static void *remove_branch(void *argument) {
  struct branch *branch = argument;
  struct graph graph;
  struct queue queue = {.items = NULL};
  enum err err = copy_graph(branch->graph, &graph);
  if (err == ERR_OK) err = fill_queue(&graph, branch->from, branch->to, &queue);
  if (err == ERR_OK) err = eliminate_queue(&graph, &queue, NULL, NULL);
  if (err == ERR_OK && queue.count > 0)
    err = go_on_dense(branch, &graph, &queue);
  else if (err == ERR_OK)
    err = remove_groups(branch->removal, &graph, branch->from, branch->to, branch->threads);
  alloc_free(queue.items);
  graph_release(&graph);
  branch->err = err;
  return NULL;
}

enum err chain_sparse_remove(const struct chain_removal *removal, unsigned threads) {
  struct graph graph;
  enum err err = graph_init(&graph, removal->chain, removal->chain->state_count, removal->work_max);
  if (err == ERR_OK) err = read_chain(&graph);
  if (err == ERR_OK) err = remove_groups(removal, &graph, 0, removal->chain->group_count, threads);
  graph_release(&graph);
  return err;
}
