// Components, cuts and paths, against the plainest way to find each.
#include "identity_fixture.h"

#include "base/alloc.h"

enum { NODES = 9, EDGES_MAX = 14, ROUNDS = 3000 };

static size_t random_edges(uint64_t *random, struct identity_edge *edges) {
  size_t count = fixture_random(random) % (EDGES_MAX + 1);
  for (size_t i = 0; i < count; i++)
    edges[i] = (struct identity_edge){.a = (uint16_t)(fixture_random(random) % NODES),
                                      .b = (uint16_t)(fixture_random(random) % NODES),
                                      .sequence = i + 1};
  return count;
}

// Floyd and Warshall: the number of edges between each two, SIZE_MAX / 2 when there is no way.
static void distances(const struct identity_edge *edges, size_t count, const bool *gone,
                      size_t distance[NODES][NODES]) {
  for (size_t i = 0; i < NODES; i++)
    for (size_t j = 0; j < NODES; j++) distance[i][j] = i == j ? 0 : SIZE_MAX / 2;
  for (size_t i = 0; i < count; i++)
    if (!(gone != NULL && gone[i]) && edges[i].a != edges[i].b)
      distance[edges[i].a][edges[i].b] = distance[edges[i].b][edges[i].a] = 1;
  for (size_t k = 0; k < NODES; k++)
    for (size_t i = 0; i < NODES; i++)
      for (size_t j = 0; j < NODES; j++)
        if (distance[i][k] + distance[k][j] < distance[i][j]) distance[i][j] = distance[i][k] + distance[k][j];
}

static void test_components(void **state) {
  (void)state;
  uint64_t random = 1881;
  for (int round = 0; round < ROUNDS; round++) {
    struct identity_edge edges[EDGES_MAX];
    size_t count = random_edges(&random, edges), distance[NODES][NODES];
    distances(edges, count, NULL, distance);
    uint16_t component[NODES];
    identity_components(NODES, edges, count, component);
    for (size_t i = 0; i < NODES; i++) {
      size_t lowest = 0;
      while (distance[i][lowest] >= SIZE_MAX / 2) lowest++;
      assert_int_equal(component[i], lowest);
    }
  }
}

static void check_cut(const struct identity_edge *edges, size_t count, uint16_t a, uint16_t b) {
  uint16_t scratch[NODES];
  size_t cut[EDGES_MAX], distance[NODES][NODES];
  bool gone[EDGES_MAX] = {false};
  size_t cut_count = identity_cut(NODES, edges, count, a, b, scratch, cut);
  distances(edges, count, NULL, distance);
  assert_int_equal(cut_count > 0, a != b && distance[a][b] < SIZE_MAX / 2);
  for (size_t i = 0; i < cut_count; i++) gone[cut[i]] = true;
  distances(edges, count, gone, distance);
  if (a != b) assert_true(distance[a][b] >= SIZE_MAX / 2);
  // Each cut edge is needed, and every older decision that could stay did stay.
  for (size_t i = 0; i < cut_count; i++) {
    bool some[EDGES_MAX];
    memcpy(some, gone, sizeof some);
    some[cut[i]] = false;
    for (size_t later = cut[i] + 1; later < count; later++) some[later] = true;
    distances(edges, count, some, distance);
    assert_true(distance[a][b] < SIZE_MAX / 2);
  }
}

static void test_cut(void **state) {
  (void)state;
  uint64_t random = 42;
  for (int round = 0; round < ROUNDS; round++) {
    struct identity_edge edges[EDGES_MAX];
    size_t count = random_edges(&random, edges);
    check_cut(edges, count, (uint16_t)(fixture_random(&random) % NODES), (uint16_t)(fixture_random(&random) % NODES));
  }
}

static void test_path(void **state) {
  (void)state;
  uint64_t random = 7;
  struct arena arena;
  arena_init(&arena, 0);
  for (int round = 0; round < ROUNDS; round++) {
    struct identity_edge edges[EDGES_MAX];
    size_t count = random_edges(&random, edges), distance[NODES][NODES], path[NODES];
    uint16_t a = (uint16_t)(fixture_random(&random) % NODES), b = (uint16_t)(fixture_random(&random) % NODES);
    distances(edges, count, NULL, distance);
    size_t length = identity_path(NODES, edges, count, a, b, &arena, path);
    assert_int_equal(length, distance[a][b] >= SIZE_MAX / 2 ? 0 : distance[a][b]);
    uint16_t at = a;
    for (size_t i = 0; i < length; i++) {
      const struct identity_edge *edge = &edges[path[i]];
      assert_true(edge->a == at || edge->b == at);
      at = edge->a == at ? edge->b : edge->a;
    }
    if (length > 0) assert_int_equal(at, b);
    arena_clear(&arena);
  }
  arena_release(&arena);
}

static void test_path_without_memory(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  struct identity_edge edge = {0, 1, 1};
  size_t path[2];
  alloc_fail_after(0, true);
  size_t length = identity_path(2, &edge, 1, 0, 1, &arena, path);
  alloc_fail_disarm();
  assert_true(length == IDENTITY_PATH_NO_MEMORY);
  arena_release(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_components),
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_path),
      cmocka_unit_test(test_path_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
