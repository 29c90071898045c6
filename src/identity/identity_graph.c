// identity_graph: which identifiers hang together, and what must go to part two of them.
//
// A forest in one array: parent[i] <= i, a root is its own parent, and a union keeps the lower root. So the root of a
// component is its lowest index, which is what the header promises, whatever the order of the edges.
#include <assert.h>

#include "identity/identity.h"

static uint16_t root_of(uint16_t *parent, uint16_t index) {
  while (parent[index] != index) {
    parent[index] = parent[parent[index]];
    index = parent[index];
  }
  return index;
}

static void start_apart(uint16_t *parent, size_t count) {
  assert(count <= UINT16_MAX);
  for (size_t i = 0; i < count; i++) parent[i] = (uint16_t)i;
}

static void unite(uint16_t *parent, uint16_t a, uint16_t b) {
  uint16_t root_a = root_of(parent, a), root_b = root_of(parent, b);
  if (root_a < root_b) {
    parent[root_b] = root_a;
  } else {
    parent[root_a] = root_b;
  }
}

void identity_components(size_t count, const struct identity_edge *edges, size_t edge_count, uint16_t *component) {
  start_apart(component, count);
  for (size_t i = 0; i < edge_count; i++) {
    assert(edges[i].a < count && edges[i].b < count);
    unite(component, edges[i].a, edges[i].b);
  }
  for (size_t i = 0; i < count; i++) component[i] = root_of(component, (uint16_t)i);
}

// True when the edge would bring the sides of a and b together.
static bool connects(uint16_t *parent, const struct identity_edge *edge, uint16_t a, uint16_t b) {
  uint16_t left = root_of(parent, edge->a), right = root_of(parent, edge->b);
  uint16_t root_a = root_of(parent, a), root_b = root_of(parent, b);
  return (left == root_a && right == root_b) || (left == root_b && right == root_a);
}

size_t identity_cut(size_t count, const struct identity_edge *edges, size_t edge_count, uint16_t a, uint16_t b,
                    uint16_t *scratch, size_t *cut) {
  assert(a < count && b < count);
  if (a == b) return 0;
  size_t cut_count = 0;
  start_apart(scratch, count);
  for (size_t i = 0; i < edge_count; i++) {
    assert(edges[i].a < count && edges[i].b < count);
    if (connects(scratch, &edges[i], a, b)) {
      cut[cut_count++] = i;
    } else {
      unite(scratch, edges[i].a, edges[i].b);
    }
  }
  return cut_count;
}

// What the search knows of one identifier: how far from the start it is, and over which edge it was reached.
struct reached {
  bool yes;
  size_t distance, edge;
};

// Reaches everything one step further than `distance`. False when there is nothing more.
static bool widen(struct reached *reached, size_t distance, const struct identity_edge *edges, size_t edge_count) {
  bool wider = false;
  for (size_t i = 0; i < edge_count; i++) {
    uint16_t from = edges[i].a, to = edges[i].b;
    if (!(reached[from].yes && reached[from].distance == distance)) {
      from = edges[i].b;
      to = edges[i].a;
    }
    if (!(reached[from].yes && reached[from].distance == distance) || reached[to].yes) continue;
    reached[to] = (struct reached){.yes = true, .distance = distance + 1, .edge = i};
    wider = true;
  }
  return wider;
}

size_t identity_path(size_t count, const struct identity_edge *edges, size_t edge_count, uint16_t a, uint16_t b,
                     struct arena *arena, size_t *path) {
  assert(a < count && b < count);
  struct reached *reached = arena_take_zero(arena, count, sizeof *reached);
  if (reached == NULL) return IDENTITY_PATH_NO_MEMORY;
  reached[a].yes = true;
  for (size_t distance = 0; !reached[b].yes && widen(reached, distance, edges, edge_count);) distance++;
  if (!reached[b].yes) return 0;
  size_t length = reached[b].distance;
  for (uint16_t at = b; reached[at].distance > 0;) {
    const struct identity_edge *edge = &edges[reached[at].edge];
    path[reached[at].distance - 1] = reached[at].edge;
    at = edge->a == at ? edge->b : edge->a;
  }
  return length;
}
