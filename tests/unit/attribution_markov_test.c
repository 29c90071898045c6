// The Markov model: the published figures, a plain dense reference on real and random paths, and that nothing depends
// on the threads.
#include "attribution_kit.h"

#include "attribution/chain.h"
#include "attribution/markov.h"

static void run(const struct paths *paths, unsigned order, bool without_nulls, unsigned threads,
                struct markov *markov) {
  const struct markov_options options = {order, without_nulls, threads};
  struct diag diag;
  diag_init(&diag);
  markov_init(markov);
  if (markov_run(paths, &options, markov, &diag) != ERR_OK) fail_msg("%s", diag.message);
}

// --- published figures ---------------------------------------------------------------------------------------

static void expect_oracle(const struct markov *markov, const struct paths *paths, const char *name) {
  struct buffer text;
  if (!kit_shared(name, &text)) return;
  buffer_append_byte(&text, '\0');
  size_t lines = 0;
  char *rest = NULL;
  strtok_r((char *)text.data, "\n", &rest); // the header
  for (char *line; (line = strtok_r(NULL, "\n", &rest)) != NULL; lines++) {
    char channel[64];
    double conversions, value, removal, removal_value;
    assert_int_equal(sscanf(line, "%63[^,],%lf,%lf,%lf,%lf", channel, &conversions, &value, &removal, &removal_value),
                     5);
    size_t i = kit_channel(paths, channel);
    kit_near(markov->conversions[i], conversions, 1e-8);
    kit_near(markov->value[i], value, 1e-8);
    kit_near(markov->removal_conversion[i], removal, 1e-11);
    kit_near(markov->removal_value[i], removal_value, 1e-11);
  }
  assert_int_equal(lines, paths->channels.count);
  buffer_release(&text);
}

static void test_published_orders(void **state) {
  (void)state;
  struct buffer text;
  struct paths paths;
  struct markov markov;
  if (!kit_shared(kit_path_data, &text)) skip();
  kit_read(&paths, buffer_view(&text), 2);
  assert_int_equal(paths.rows_read, 10000);
  assert_int_equal(paths.row_count, 5408);
  for (unsigned order = 1; order <= 2; order++) {
    char name[80];
    snprintf(name, sizeof name, "channelattribution_pathdata/exact_markov_order%u_null.csv", order);
    run(&paths, order, false, 2, &markov);
    kit_near(markov.conversion, 0.2238451356, 5e-11);
    kit_near(markov.conversion, 19785.0 / (19785.0 + 68602.0), 1e-15);
    expect_oracle(&markov, &paths, name);
    markov_release(&markov);
  }
  paths_release(&paths);
  buffer_release(&text);
}

// --- against the reference -----------------------------------------------------------------------------------

static void expect_reference(const struct paths *paths, unsigned order, bool without_nulls, size_t states_max,
                             size_t channels_max, double within) {
  struct kit_reference reference;
  struct markov markov;
  double conversion, value, without, value_without;
  kit_reference_init(&reference, paths, order, without_nulls, states_max);
  kit_reference_solve(&reference, states_max, SIZE_MAX, &conversion, &value);
  run(paths, order, without_nulls, 2, &markov);
  kit_near(markov.conversion, conversion, within);
  for (size_t i = 0; i < paths->channels.count && i < channels_max; i++) {
    kit_reference_solve(&reference, states_max, i, &without, &value_without);
    kit_near(markov.removal_conversion[i], 1 - without / conversion, within);
    if (value != 0) kit_near(markov.removal_value[i], 1 - value_without / value, within);
  }
  markov_release(&markov);
  kit_reference_release(&reference);
}

static void test_path_data_of_every_order(void **state) {
  (void)state;
  struct buffer text;
  struct paths paths;
  if (!kit_shared(kit_path_data, &text)) skip();
  kit_read(&paths, buffer_view(&text), 1);
  for (unsigned order = 1; order <= 2; order++) {
    expect_reference(&paths, order, false, 200, 12, 1e-12);
    expect_reference(&paths, order, true, 200, 12, 1e-12);
  }
  expect_reference(&paths, 3, false, 1000, 2, 1e-11);
  expect_reference(&paths, 3, true, 1000, 1, 1e-11);
  // All states of order 4 are too many for the reference: those of some of the paths.
  paths.row_count = 400;
  expect_reference(&paths, 4, false, 1500, 2, 1e-11);
  expect_reference(&paths, 4, true, 1500, 1, 1e-11);
  paths_release(&paths);
  buffer_release(&text);
}

static void test_credit_adds_up(void **state) {
  (void)state;
  struct buffer text;
  struct paths paths;
  struct markov markov;
  if (!kit_shared(kit_path_data, &text)) skip();
  kit_read(&paths, buffer_view(&text), 1);
  for (unsigned order = 1; order <= 4; order++) {
    double conversions = 0, value = 0;
    run(&paths, order, false, 2, &markov);
    for (size_t i = 0; i < paths.channels.count; i++) conversions += markov.conversions[i], value += markov.value[i];
    kit_near(conversions, 19785, 1e-8);
    kit_near(value, 74802.97158721073, 1e-8);
    kit_near(markov.conversion, 19785.0 / 88387.0, 1e-12);
    assert_true(markov.gap <= 1e-13);
    markov_release(&markov);
  }
  paths_release(&paths);
  buffer_release(&text);
}

static void random_paths(struct paths *paths, uint64_t seed, size_t rows, unsigned channels, unsigned longest) {
  paths_init(paths);
  for (unsigned i = 0; i < channels; i++) {
    char name[16];
    paths_step channel;
    snprintf(name, sizeof name, "c%u", i);
    assert_int_equal(paths_channel(paths, bytes_from_text(name), &channel, NULL), ERR_OK);
  }
  paths_step *steps = calloc(longest, sizeof *steps);
  for (size_t i = 0; i < rows; i++) {
    size_t count = 1 + kit_random(&seed) % longest;
    for (size_t j = 0; j < count; j++) steps[j] = (paths_step)(kit_random(&seed) % channels);
    const struct paths_figures figures = {kit_random(&seed) % 4, kit_random(&seed) % 9,
                                          (double)(kit_random(&seed) % 1000) / 8, 0};
    assert_int_equal(paths_add(paths, steps, count, &figures, NULL), ERR_OK);
  }
  paths->has_value = paths->has_nulls = true;
  free(steps);
}

static void test_random_paths(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    struct paths paths;
    random_paths(&paths, seed * 7919, 2 + seed % 23, (unsigned)(1 + seed % 9), (unsigned)(1 + seed % 14));
    if (paths.conversions > 0)
      for (unsigned order = 1; order <= 4; order++) {
        expect_reference(&paths, order, false, 400, 9, 1e-11);
        expect_reference(&paths, order, true, 400, 9, 1e-11);
      }
    paths_release(&paths);
  }
}

// More states than are eliminated without a second thought, tangled and untangled.
static void test_larger_random_chains(void **state) {
  (void)state;
  static const struct {
    size_t rows;
    unsigned channels, longest, order;
  } cases[] = {{60, 300, 12, 1}, {400, 300, 9, 1}, {150, 12, 8, 2}, {200, 40, 4, 3}, {3, 30, 150, 2}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct paths paths;
    random_paths(&paths, 104729 + i, cases[i].rows, cases[i].channels, cases[i].longest);
    expect_reference(&paths, cases[i].order, false, 700, 3, 1e-11);
    paths_release(&paths);
  }
}

static void test_threads_change_no_bit(void **state) {
  (void)state;
  for (unsigned order = 1; order <= 3; order++) {
    struct paths paths;
    struct markov one, other;
    random_paths(&paths, 31, 4000, order == 1 ? 300 : 20, 7);
    run(&paths, order, false, 1, &one);
    for (unsigned threads = 2; threads <= 7; threads += 5) {
      run(&paths, order, false, threads, &other);
      size_t bytes = paths.channels.count * sizeof(double);
      assert_memory_equal(one.removal_conversion, other.removal_conversion, bytes);
      assert_memory_equal(one.removal_value, other.removal_value, bytes);
      assert_memory_equal(one.conversions, other.conversions, bytes);
      assert_memory_equal(one.value, other.value, bytes);
      markov_release(&other);
    }
    markov_release(&one);
    paths_release(&paths);
  }
}

// --- small chains by hand ------------------------------------------------------------------------------------

static void test_transitions(void **state) {
  (void)state;
  struct paths paths;
  struct markov_graph graph;
  const struct markov_options options = {.order = 1};
  kit_read_text(&paths, "path,total_conversions,total_null\na > b,3,1\na > c,1,1\n");
  markov_graph_init(&graph);
  assert_int_equal(markov_graph_build(&paths, &options, &graph, NULL), ERR_OK);
  static const struct markov_edge wanted[] = {{MARKOV_START, 0, 6},      {0, 1, 4},           {0, 2, 2},
                                              {1, MARKOV_CONVERSION, 3}, {1, MARKOV_NULL, 1}, {2, MARKOV_CONVERSION, 1},
                                              {2, MARKOV_NULL, 1}};
  assert_int_equal(graph.edge_count, 7);
  for (size_t i = 0; i < 7; i++) {
    assert_int_equal(graph.edges[i].from, wanted[i].from);
    assert_int_equal(graph.edges[i].to, wanted[i].to);
    kit_near(graph.edges[i].weight, wanted[i].weight, 0);
  }
  markov_graph_release(&graph);
  paths_release(&paths);
}

// Channels are numbers: one called like an end is none.
static void test_names_mean_nothing(void **state) {
  (void)state;
  struct paths paths, plain;
  struct markov markov, expected;
  kit_read_text(&paths, "path,total_conversions,total_null\n(null) > (start),3,1\n(conversion) > (null),1,4\n");
  kit_read_text(&plain, "path,total_conversions,total_null\na > b,3,1\nc > a,1,4\n");
  run(&paths, 1, false, 1, &markov);
  run(&plain, 1, false, 1, &expected);
  assert_memory_equal(markov.removal_conversion, expected.removal_conversion, 3 * sizeof(double));
  markov_release(&markov);
  markov_release(&expected);
  paths_release(&paths);
  paths_release(&plain);
}

static void test_no_conversion(void **state) {
  (void)state;
  struct paths paths;
  struct markov markov;
  kit_read_text(&paths, "path,total_conversions,total_conversion_value,total_null\na > b,0,0,7\nb,0,0,2\n");
  run(&paths, 2, false, 1, &markov);
  kit_near(markov.conversion, 0, 0);
  kit_near(markov.conversions[0] + markov.conversions[1] + markov.value[0] + markov.removal_conversion[1], 0, 0);
  markov_release(&markov);
  paths_release(&paths);
}

// 2^62 conversions through many states: weights do not fit 64 bits, shares do.
static void test_huge_counts(void **state) {
  (void)state;
  struct paths paths;
  struct markov markov;
  kit_read_text(&paths, "path,total_conversions\na > b > a > b > a > b > a > c,4611686018427387904\nb,4294967296\n");
  run(&paths, 1, false, 1, &markov);
  kit_near(markov.conversion, 1, 1e-15);
  kit_near(markov.removal_conversion[0], 1, 1e-8);
  kit_near(markov.conversions[0] + markov.conversions[1] + markov.conversions[2], 0x1p62 + 0x1p32, 0x1p11);
  markov_release(&markov);
  paths_release(&paths);
}

// A channel 100,000 times in a row is one visit; two in turn are 100,000, and elimination does not mind.
static void test_long_paths(void **state) {
  (void)state;
  enum { STEPS = 100000 };
  struct buffer text;
  struct paths paths;
  struct markov markov;
  buffer_init(&text);
  buffer_append_text(&text, "path,total_conversions,total_null\na");
  for (int i = 1; i < STEPS; i++) buffer_append_text(&text, " > a");
  buffer_append_text(&text, ",1,1\nb");
  for (int i = 1; i < STEPS; i++) buffer_append_text(&text, i % 2 ? " > c" : " > b");
  buffer_append_text(&text, ",1,0\n");
  kit_read(&paths, buffer_view(&text), 1);
  run(&paths, 1, false, 1, &markov);
  assert_int_equal(markov.state_count, 3);
  kit_near(markov.conversion, 2.0 / 3, 1e-14);
  kit_near(markov.removal_conversion[0], 0.5, 1e-14);
  kit_near(markov.removal_conversion[1], 0.5, 1e-10);
  markov_release(&markov);
  paths_release(&paths);
  buffer_release(&text);
}

static void test_too_many_states(void **state) {
  (void)state;
  struct paths paths;
  struct markov markov;
  struct diag diag;
  diag_init(&diag);
  random_paths(&paths, 5, 30000, 2000, 30);
  const struct markov_options options = {.order = 3, .threads = 1};
  markov_init(&markov);
  assert_int_equal(markov_run(&paths, &options, &markov, &diag), ERR_LIMIT);
  assert_string_equal(diag.code, "too_many_states");
  assert_non_null(strstr(diag.message, "at most 200000"));
  markov_release(&markov);
  paths_release(&paths);
}

static void test_two_thousand_channels(void **state) {
  (void)state;
  struct paths paths;
  struct markov markov;
  double sum = 0;
  random_paths(&paths, 77, 3000, 2000, 6);
  run(&paths, 1, false, 2, &markov);
  for (size_t i = 0; i < paths.channels.count; i++) sum += markov.conversions[i];
  kit_near(sum, (double)paths.conversions, 1e-8);
  assert_int_equal(markov.channel_count, 2000);
  markov_release(&markov);
  paths_release(&paths);
}

static void test_path_shares(void **state) {
  (void)state;
  double removal[] = {0.5, 0.25, 0};
  const struct markov markov = {.removal_conversion = removal, .channel_count = 3};
  const paths_step steps[] = {1, 0, 1, 2}, zeros[] = {2, 2};
  paths_step channels[4];
  double shares[4];
  assert_int_equal(markov_path_shares(&markov, steps, 4, channels, shares), 3);
  assert_int_equal(channels[0], 1);
  kit_near(shares[0], 1.0 / 3, 1e-15);
  kit_near(shares[1], 2.0 / 3, 1e-15);
  kit_near(shares[2], 0, 0);
  assert_int_equal(markov_path_shares(&markov, zeros, 2, channels, shares), 1);
  kit_near(shares[0], 1, 0);
}

// Each allocation fails in turn: no leak (under a sanitizer), no crash, and the words say so.
static void test_short_memory(void **state) {
  (void)state;
  struct paths paths;
  random_paths(&paths, 9, 60, 6, 5);
  for (uint64_t allowed = 0;; allowed++) {
    const struct markov_options options = {.order = 2, .threads = 1};
    struct markov markov;
    struct diag diag;
    diag_init(&diag);
    markov_init(&markov);
    alloc_fail_after(allowed, false);
    enum err err = markov_run(&paths, &options, &markov, &diag);
    bool failed = alloc_fail_disarm();
    assert_true(err == (failed ? ERR_NO_MEMORY : ERR_OK));
    markov_release(&markov);
    if (!failed) break;
  }
  paths_release(&paths);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_published_orders),
      cmocka_unit_test(test_path_data_of_every_order),
      cmocka_unit_test(test_credit_adds_up),
      cmocka_unit_test(test_random_paths),
      cmocka_unit_test(test_larger_random_chains),
      cmocka_unit_test(test_threads_change_no_bit),
      cmocka_unit_test(test_transitions),
      cmocka_unit_test(test_names_mean_nothing),
      cmocka_unit_test(test_no_conversion),
      cmocka_unit_test(test_huge_counts),
      cmocka_unit_test(test_long_paths),
      cmocka_unit_test(test_too_many_states),
      cmocka_unit_test(test_two_thousand_channels),
      cmocka_unit_test(test_path_shares),
      cmocka_unit_test(test_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
