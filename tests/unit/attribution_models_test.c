// The models that look at paths alone, Shapley and Shao: the cases of cases.json, the published table of PathData, and
// what must hold whatever the paths are.
#include "attribution_kit.h"

#include "attribution/comparison.h"
#include "attribution/pairs.h"
#include "attribution/shapley.h"
#include "base/real.h"
#include "cli/print.h"

// --- cases.json ----------------------------------------------------------------------------------------------

static struct print_document cases;
static bool has_cases;

static int read_cases(void **state) {
  (void)state;
  struct buffer text;
  has_cases = kit_shared("small_cases/cases.json", &text);
  if (has_cases) assert_int_equal(print_document_init(&cases, buffer_view(&text), NULL), ERR_OK);
  buffer_release(&text);
  return 0;
}

static int release_cases(void **state) {
  (void)state;
  if (has_cases) print_document_release(&cases);
  return 0;
}

static struct value find(const char *path) {
  struct value found = value_path(cases.root, cases.names, path);
  if (value_is_absent(found)) fail_msg("cases.json has no %s", path);
  return found;
}

static double number_of(struct value value) {
  struct buffer text;
  struct json_writer writer;
  double number = NAN;
  buffer_init(&text);
  json_writer_init(&writer, &text);
  value_to_json(&writer, value, cases.names);
  assert_int_equal(real_read(buffer_view(&text), &number), ERR_OK);
  buffer_release(&text);
  return number;
}

static struct bytes text_of(struct value value) {
  struct bytes text = {NULL, 0};
  assert_true(value_as_text(value, &text));
  return text;
}

static void add_text(struct paths *paths, struct bytes path, const struct paths_figures *figures) {
  struct paths_text text;
  paths_text_init(&text, BYTES(" > "));
  assert_int_equal(paths_text_read(&text, path, paths, NULL), ERR_OK);
  assert_int_equal(paths_add(paths, text.steps, text.count, figures, NULL), ERR_OK);
  paths_text_release(&text);
}

// Rows of [path, conversions, nulls].
static void read_rows(struct value rows, struct paths *paths) {
  paths_init(paths);
  for (struct value_iter row = value_iterate(rows); value_next(&row);) {
    struct value_iter cell = value_iterate(row.item);
    assert_true(value_next(&cell));
    struct bytes path = text_of(cell.item);
    assert_true(value_next(&cell));
    struct paths_figures figures = {.conversions = (uint64_t)number_of(cell.item)};
    figures.value = 10 * (double)figures.conversions;
    if (value_next(&cell)) figures.nulls = (uint64_t)number_of(cell.item);
    add_text(paths, path, &figures);
  }
  paths->has_nulls = paths->has_value = true;
}

// Every channel that is named has its number.
static void expect_numbers(const struct paths *paths, struct value wanted, const double *numbers, double within) {
  size_t count = 0;
  for (struct value_iter member = value_iterate(wanted); value_next(&member); count++) {
    int64_t channel = paths_channel_find(paths, value_iter_name(&member, cases.names));
    assert_true(channel >= 0);
    kit_near(numbers[channel], number_of(member.item), within);
  }
  assert_true(count > 0);
}

static void run(const struct paths *paths, unsigned models, struct comparison_options *options,
                struct comparison *comparison) {
  struct diag diag;
  diag_init(&diag);
  options->models = models;
  options->markov = (struct markov_options){.order = 1, .threads = 1};
  comparison_init(comparison);
  if (comparison_run(paths, options, comparison, &diag) != ERR_OK) fail_msg("%s", diag.message);
}

// One model on the rows of a case.
static void expect_case(const char *rows, unsigned model, const char *wanted, double first_weight, double within) {
  struct paths paths;
  struct comparison_options options;
  struct comparison comparison;
  read_rows(find(rows), &paths);
  heuristics_defaults(&options.heuristics);
  options.heuristics.first_weight = first_weight;
  if (first_weight != 0.4) options.heuristics.last_weight = 1 - first_weight;
  run(&paths, 1u << model, &options, &comparison);
  expect_numbers(&paths, find(wanted), comparison.conversions[model], within);
  comparison_release(&comparison);
  paths_release(&paths);
}

static void test_cases_of_heuristics(void **state) {
  (void)state;
  if (!has_cases) skip();
  expect_case("mta_journeys.rows", HEURISTIC_FIRST, "mta_journeys.published.first_touch", 0.4, 1e-12);
  expect_case("mta_journeys.rows", HEURISTIC_LAST, "mta_journeys.published.last_touch", 0.4, 1e-12);
  expect_case("mta_journeys.rows", HEURISTIC_LINEAR_UNIQUE, "mta_journeys.published.linear_unique", 0.4, 1e-12);
  expect_case("mta_journeys.rows", COMPARISON_SHAPLEY, "mta_journeys.published.linear_unique", 0.4, 1e-12);
  expect_case("mta_journeys.rows", HEURISTIC_POSITION, "mta_journeys.published.position_40_40", 0.4, 1e-12);
  expect_case("mta_position_two_touch.rows", HEURISTIC_POSITION, "mta_position_two_touch.published.40/40", 0.4, 1e-12);
  expect_case("mta_position_two_touch.rows", HEURISTIC_POSITION, "mta_position_two_touch.published.30/70", 0.3, 1e-12);
  expect_case("mta_linear_repeat.rows", HEURISTIC_LINEAR, "mta_linear_repeat.published.linear_per_touch", 0.4, 1e-12);
  expect_case("mta_shao_single.rows", COMPARISON_SHAO, "mta_shao_single.published", 0.4, 1e-12);
}

static void test_cases_of_shapley(void **state) {
  (void)state;
  if (!has_cases) skip();
  size_t count = 0;
  for (struct value_iter one = value_iterate(find("mta_shapley")); value_next(&one); count++) {
    struct paths paths;
    double conversions[8] = {0}, value[8] = {0};
    read_rows(value_member(one.item, cases.names, BYTES("rows")), &paths);
    assert_int_equal(shapley_subset(&paths, conversions, value, NULL), ERR_OK);
    expect_numbers(&paths, value_member(one.item, cases.names, BYTES("published")), conversions, 1e-12);
    paths_release(&paths);
  }
  assert_int_equal(count, 3);
}

static void test_cases_of_markov(void **state) {
  (void)state;
  static const char *const names[] = {"markov_c1c2c3", "markov_google_mailing", "markov_loops"};
  if (!has_cases) skip();
  for (size_t i = 0; i < 3; i++) {
    char path[80];
    struct paths paths;
    struct comparison_options options;
    struct comparison comparison;
    snprintf(path, sizeof path, "%s.rows", names[i]);
    read_rows(find(path), &paths);
    heuristics_defaults(&options.heuristics);
    run(&paths, 1u << COMPARISON_MARKOV, &options, &comparison);
    snprintf(path, sizeof path, "%s.computed_exact.p_conv", names[i]);
    kit_near(comparison.markov.conversion, number_of(find(path)), 1e-12);
    snprintf(path, sizeof path, "%s.computed_exact.removal", names[i]);
    expect_numbers(&paths, find(path), comparison.markov.removal_conversion, 1e-11);
    snprintf(path, sizeof path, "%s.computed_exact.conversions", names[i]);
    expect_numbers(&paths, find(path), comparison.markov.conversions, 1e-11);
    comparison_release(&comparison);
    paths_release(&paths);
  }
}

static void expect_transition(struct bytes csv, const char *from, const char *to, double wanted) {
  char begin[160];
  double got = NAN;
  snprintf(begin, sizeof begin, "\n%.70s,%.70s,", from, to);
  const char *found = strstr((const char *)csv.data, begin);
  if (found == NULL) fail_msg("there is no transition %s", begin);
  assert_int_equal(sscanf(found + strlen(begin), "%lf", &got), 1);
  kit_near(got, wanted, 1e-12);
}

static void expect_transitions(const char *rows, const char *wanted) {
  struct paths paths;
  struct buffer out;
  const struct markov_options options = {.order = 1};
  read_rows(find(rows), &paths);
  buffer_init(&out);
  assert_int_equal(comparison_write_transitions(&paths, &options, false, BYTES(" > "), false, &out, NULL), ERR_OK);
  buffer_append_byte(&out, '\0');
  for (struct value_iter member = value_iterate(find(wanted)); value_next(&member);) {
    char name[80], to[40];
    struct bytes pair = value_iter_name(&member, cases.names);
    snprintf(name, sizeof name, "%.*s", BYTES_ARG(pair));
    char *arrow = strchr(name, '>');
    *arrow = '\0';
    snprintf(to, sizeof to, "%s",
             strcmp(arrow + 1, "conv") == 0   ? "(conversion)"
             : strcmp(arrow + 1, "null") == 0 ? "(null)"
                                              : arrow + 1);
    expect_transition(buffer_view(&out), strcmp(name, "start") == 0 ? "(start)" : name, to, number_of(member.item));
  }
  buffer_release(&out);
  paths_release(&paths);
}

static void test_cases_of_transitions(void **state) {
  (void)state;
  if (!has_cases) skip();
  expect_transitions("mta_transition.rows", "mta_transition.published");
  expect_transitions("markov_google_mailing.rows", "markov_google_mailing.published_transitions");
}

static void test_cases_of_paths(void **state) {
  (void)state;
  struct paths paths, out;
  if (!has_cases) skip();
  read_rows(find("mta_degenerate_paths.rows"), &paths);
  struct value_iter name = value_iterate(find("mta_degenerate_paths.published.channels"));
  for (size_t i = 0; value_next(&name); i++) assert_true(bytes_equal(paths.channels.names[i], text_of(name.item)));
  assert_int_equal(paths.channels.count, 3);
  paths_release(&paths);
  read_rows(find("mta_loop_removal_merge.rows"), &paths);
  paths_init(&out);
  assert_int_equal(paths_transform(&paths, PATHS_EXPOSURE, NULL, 0, &out, NULL), ERR_OK);
  assert_int_equal(out.row_count, 1);
  assert_int_equal(out.rows[0].conversions, 3);
  assert_int_equal(out.rows[0].nulls, 7);
  paths_release(&paths);
  paths_release(&out);
}

// A path transformed, as text with `between`.
static void expect_path(struct bytes path, enum paths_transform transform, const char *between, struct bytes wanted) {
  struct paths in, out;
  struct buffer text;
  const struct paths_figures figures = {.conversions = 1};
  bool direct[16] = {false};
  paths_init(&in);
  paths_init(&out);
  buffer_init(&text);
  add_text(&in, path, &figures);
  int64_t channel = paths_channel_find(&in, BYTES("Direct"));
  if (channel >= 0) direct[channel] = true;
  assert_int_equal(paths_transform(&in, transform, direct, 1, &out, NULL), ERR_OK);
  if (out.row_count > 0)
    paths_text_write(&text, &out, paths_steps(&out, &out.rows[0]), out.rows[0].count, bytes_from_text(between));
  assert_true(bytes_equal(buffer_view(&text), wanted));
  buffer_release(&text);
  paths_release(&in);
  paths_release(&out);
}

static const struct {
  const char *name;
  enum paths_transform transform;
} transforms[] = {{"unique", PATHS_UNIQUE},
                  {"exposure", PATHS_EXPOSURE},
                  {"first", PATHS_FIRST},
                  {"frequency", PATHS_FREQUENCY},
                  {"remove_if_not_all(Direct)", PATHS_REMOVE_IF_NOT_ALL},
                  {"remove_if_last_and_not_all(Direct)", PATHS_REMOVE_IF_LAST_AND_NOT_ALL},
                  {"trim1", PATHS_LAST},
                  {"all", PATHS_EXPOSURE}};

static size_t expect_paths(struct bytes path, struct value wanted, const char *between) {
  size_t count = 0;
  for (struct value_iter member = value_iterate(wanted); value_next(&member); count++) {
    struct bytes name = value_iter_name(&member, cases.names);
    size_t i = 0;
    while (!bytes_equal(name, bytes_from_text(transforms[i].name))) i++;
    expect_path(path, transforms[i].transform, between, text_of(member.item));
  }
  return count;
}

static void test_cases_of_transforms(void **state) {
  (void)state;
  size_t count = 0;
  if (!has_cases) skip();
  struct value all = find("path_transforms");
  count += expect_paths(BYTES("D > A > B > B > C > D > C > C"),
                        value_member(all, cases.names, BYTES("fractribution_[D,A,B,B,C,D,C,C]")), ",");
  for (struct value_iter one = value_iterate(value_member(all, cases.names, BYTES("snowplow"))); value_next(&one);) {
    struct value_iter part = value_iterate(one.item);
    assert_true(value_next(&part));
    struct bytes path = text_of(part.item);
    assert_true(value_next(&part));
    count += expect_paths(path, part.item, " > ");
  }
  assert_int_equal(count, 18);
}

static void test_cases_of_nine_paths(void **state) {
  (void)state;
  struct paths paths;
  struct comparison_options options;
  struct comparison comparison;
  if (!has_cases) skip();
  paths_init(&paths);
  for (struct value_iter path = value_iterate(find("dp6_nine_paths.paths")); value_next(&path);) {
    const struct paths_figures figures = {.conversions = 1, .value = 3};
    add_text(&paths, text_of(path.item), &figures);
  }
  const bool direct[] = {true, false, false}; // A
  heuristics_defaults(&options.heuristics);
  options.heuristics.direct = options.heuristics.paid = direct;
  unsigned summing = (1u << COMPARISON_SHAO) - 1;
  run(&paths, summing, &options, &comparison);
  for (unsigned model = 0; model < COMPARISON_SHAO; model++) {
    double sum = 0;
    for (size_t i = 0; i < 3; i++) sum += comparison.value[model][i];
    kit_near(sum, number_of(find("dp6_nine_paths.published.sum_of_each_model")), 1e-12);
  }
  // Of the last touches of A those behind another one go to it: B > A, B > C > A, C > A and C > B > A.
  kit_near(comparison.value[HEURISTIC_LAST][0], 15, 1e-12);
  kit_near(comparison.value[HEURISTIC_LAST_NON_DIRECT][0], 3, 1e-12);
  comparison_release(&comparison);
  paths_release(&paths);
}

static void test_cases_of_decay(void **state) {
  (void)state;
  double ages[8], shares[8];
  size_t count = 0;
  if (!has_cases) skip();
  for (struct value_iter day = value_iterate(find("time_decay_halflife7d.touch_days")); value_next(&day);)
    ages[count++] = 38 - number_of(day.item);
  heuristics_decay(ages, count, 7, shares);
  struct value_iter wanted = value_iterate(find("time_decay_halflife7d.computed_w=2^(-(38-d)/7)"));
  for (size_t i = 0; value_next(&wanted); i++) kit_near(12000 * shares[i], number_of(wanted.item), 0.06);
  heuristics_position(count, 0.4, 0.4, shares);
  wanted = value_iterate(find("time_decay_halflife7d.published_other.position_40_20_40"));
  for (size_t i = 0; value_next(&wanted); i++) kit_near(12000 * shares[i], number_of(wanted.item), 1e-9);
}

static void test_cases_of_likelihood(void **state) {
  (void)state;
  size_t count = 0;
  if (!has_cases) skip();
  for (struct value_iter one = value_iterate(find("llr_dunning.k11_k12_k21_k22_expected")); value_next(&one); count++) {
    double n[5];
    size_t i = 0;
    for (struct value_iter cell = value_iterate(one.item); value_next(&cell);) n[i++] = number_of(cell.item);
    kit_near(pairs_log_likelihood(n[0], n[1], n[2], n[3]), n[4], n[4] * 1e-6);
  }
  assert_int_equal(count, 6);
  assert_true(pairs_root_log_likelihood(904, 21060, 1144, 283012) > 0);
  assert_true(pairs_root_log_likelihood(36, 21928, 60280, 623876) < 0);
  kit_near(pairs_root_log_likelihood(6, 7567, 1924, 2426487), 0, 1e-3);
}

// --- PathData ------------------------------------------------------------------------------------------------

static void test_published_heuristics(void **state) {
  (void)state;
  struct buffer text, table;
  struct paths paths;
  struct comparison_options options;
  struct comparison comparison;
  if (!kit_shared(kit_path_data, &text)) skip();
  if (!kit_shared("channelattribution_pathdata/ref_heuristic_models.csv", &table)) skip();
  kit_read(&paths, buffer_view(&text), 2);
  heuristics_defaults(&options.heuristics);
  run(&paths, 1u << HEURISTIC_FIRST | 1u << HEURISTIC_LAST | 1u << HEURISTIC_LINEAR, &options, &comparison);
  buffer_append_byte(&table, '\0');
  char *rest = NULL;
  size_t lines = 0;
  strtok_r((char *)table.data, "\n", &rest);
  for (char *line; (line = strtok_r(NULL, "\n", &rest)) != NULL; lines++) {
    char name[64];
    double wanted[6];
    assert_int_equal(sscanf(line, "\"%63[^\"]\",%lf,%lf,%lf,%lf,%lf,%lf", name, &wanted[0], &wanted[1], &wanted[2],
                            &wanted[3], &wanted[4], &wanted[5]),
                     7);
    size_t i = kit_channel(&paths, name);
    static const enum heuristic models[] = {HEURISTIC_FIRST, HEURISTIC_LAST, HEURISTIC_LINEAR};
    for (size_t model = 0; model < 3; model++) {
      kit_near(comparison.conversions[models[model]][i], wanted[2 * model], 1e-6);
      kit_near(comparison.value[models[model]][i], wanted[2 * model + 1], 1e-6);
    }
  }
  assert_int_equal(lines, 12);
  comparison_release(&comparison);
  paths_release(&paths);
  buffer_release(&text);
  buffer_release(&table);
}

static void test_subset_shapley_is_linear_unique(void **state) {
  (void)state;
  struct buffer text;
  struct paths paths;
  struct comparison_options options;
  struct comparison comparison;
  if (!kit_shared(kit_path_data, &text)) skip();
  kit_read(&paths, buffer_view(&text), 1);
  heuristics_defaults(&options.heuristics);
  run(&paths, 1u << HEURISTIC_LINEAR_UNIQUE | 1u << COMPARISON_SHAPLEY | 1u << COMPARISON_SHAPLEY_RATE, &options,
      &comparison);
  double rate = 0;
  for (size_t i = 0; i < paths.channels.count; i++) {
    kit_near(comparison.conversions[COMPARISON_SHAPLEY][i], comparison.conversions[HEURISTIC_LINEAR_UNIQUE][i], 1e-9);
    kit_near(comparison.value[COMPARISON_SHAPLEY][i], comparison.value[HEURISTIC_LINEAR_UNIQUE][i], 1e-9);
    rate += comparison.conversions[COMPARISON_SHAPLEY_RATE][i];
  }
  kit_near(rate, 19785, 1e-7);
  comparison_release(&comparison);
  paths_release(&paths);
  buffer_release(&text);
}

// --- by hand -------------------------------------------------------------------------------------------------

// The rate game of three channels from the definition: the average over all six orders of arrival.
static void test_rate_game(void **state) {
  (void)state;
  struct paths paths;
  double conversions[3] = {0}, value[3] = {0};
  kit_read_text(&paths, "path,total_conversions,total_null\na,4,6\na > b,6,4\nb,1,9\nc > a,2,0\nb > c > a,3,1\n");
  // By set (a = 1, b = 2, c = 4): rate of the paths with no other channel.
  const double worth[8] = {0, 4. / 10, 1. / 10, 11. / 30, 0, 6. / 12, 1. / 10, 16. / 36};
  static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  double wanted[3] = {0};
  for (int i = 0; i < 6; i++) {
    int set = 0;
    for (int j = 0; j < 3; set |= 1 << orders[i][j], j++)
      wanted[orders[i][j]] += (worth[set | 1 << orders[i][j]] - worth[set]) / 6 * 36;
  }
  assert_int_equal(shapley_rate(&paths, conversions, value, NULL), ERR_OK);
  for (int i = 0; i < 3; i++) kit_near(conversions[i], wanted[i], 1e-12);
  paths_release(&paths);
}

static void test_rate_game_is_bounded(void **state) {
  (void)state;
  struct paths paths;
  struct diag diag;
  double conversions[32] = {0}, value[32] = {0};
  diag_init(&diag);
  kit_read_text(&paths, "path,total_conversions\na>b>c>d>e>f>g>h>i>j>k>l>m>n>o>p>q>r>s>t>u,1\n");
  assert_int_equal(shapley_rate(&paths, conversions, value, &diag), ERR_LIMIT);
  assert_non_null(strstr(diag.message, "21 channels"));
  paths_release(&paths);
}

static void test_shares(void **state) {
  (void)state;
  double shares[6];
  heuristics_w(1, SIZE_MAX, SIZE_MAX, shares);
  kit_near(shares[0], 1, 1e-15);
  heuristics_w(2, SIZE_MAX, SIZE_MAX, shares);
  kit_near(shares[0], 0.5, 1e-15);
  heuristics_w(3, SIZE_MAX, SIZE_MAX, shares);
  kit_near(shares[1], 1.0 / 3, 1e-15);
  heuristics_w(6, 1, SIZE_MAX, shares);
  static const double w[] = {0.3, 0.3, 0.1 / 3, 0.1 / 3, 0.1 / 3, 0.3};
  for (int i = 0; i < 6; i++) kit_near(shares[i], w[i], 1e-15);
  heuristics_w(5, 1, 3, shares);
  kit_near(shares[3], 0.3, 1e-15);
  kit_near(shares[4], 0.05, 1e-15);
  heuristics_decay(NULL, 3, 1, shares);
  kit_near(shares[0], 1.0 / 7, 1e-15);
  kit_near(shares[2], 4.0 / 7, 1e-15);
  heuristics_position(4, 0.4, 0.4, shares);
  kit_near(shares[1], 0.1, 1e-15);
}

static void test_direct_and_paid(void **state) {
  (void)state;
  struct paths paths;
  struct comparison_options options;
  struct comparison comparison;
  kit_read_text(&paths, "path,total_conversions\nads > mail > direct,1\ndirect > direct,2\nmail > direct > direct,4\n");
  const bool paid[] = {true, false, false}, direct[] = {false, false, true};
  heuristics_defaults(&options.heuristics);
  options.heuristics.paid = paid;
  options.heuristics.direct = direct;
  run(&paths, 1u << HEURISTIC_LAST_NON_DIRECT | 1u << HEURISTIC_LAST_PAID, &options, &comparison);
  static const double non_direct[] = {0, 5, 2}, last_paid[] = {1, 0, 6};
  for (int i = 0; i < 3; i++) {
    kit_near(comparison.conversions[HEURISTIC_LAST_NON_DIRECT][i], non_direct[i], 0);
    kit_near(comparison.conversions[HEURISTIC_LAST_PAID][i], last_paid[i], 0);
  }
  comparison_release(&comparison);
  paths_release(&paths);
}

static void test_threads_change_no_bit(void **state) {
  (void)state;
  struct buffer text;
  struct paths paths;
  uint64_t random = 12345;
  buffer_init(&text);
  buffer_append_text(&text, "path,total_conversions,total_conversion_value\n");
  for (int i = 0; i < 60000; i++) {
    for (size_t steps = 1 + kit_random(&random) % 40, j = 0; j < steps; j++)
      buffer_append_format(&text, "%sc%u", j > 0 ? ">" : "", (unsigned)(kit_random(&random) % 50));
    buffer_append_format(&text, ",%u,%.2f\n", (unsigned)(kit_random(&random) % 3), (double)(i % 997) / 7);
  }
  kit_read(&paths, buffer_view(&text), 2);
  struct heuristics_options options;
  struct heuristics one, other;
  heuristics_defaults(&options);
  heuristics_init(&one);
  assert_int_equal(heuristics_run(&paths, (1u << HEURISTIC_COUNT) - 1, &options, &one, NULL), ERR_OK);
  for (options.threads = 2; options.threads <= 7; options.threads += 5) {
    heuristics_init(&other);
    assert_int_equal(heuristics_run(&paths, (1u << HEURISTIC_COUNT) - 1, &options, &other, NULL), ERR_OK);
    for (int i = 0; i < HEURISTIC_COUNT; i++) {
      assert_memory_equal(one.of[i].conversions, other.of[i].conversions, 50 * sizeof(double));
      assert_memory_equal(one.of[i].value, other.of[i].value, 50 * sizeof(double));
    }
    heuristics_release(&other);
  }
  heuristics_release(&one);
  paths_release(&paths);
  buffer_release(&text);
}

static void test_model_names(void **state) {
  (void)state;
  struct paths paths;
  struct heuristics_options options;
  paths_init(&paths);
  heuristics_defaults(&options);
  assert_int_equal(comparison_models_find(BYTES("first-touch"), &paths, &options), 1u << HEURISTIC_FIRST);
  assert_int_equal(comparison_models_find(BYTES("last_non_direct"), &paths, &options), 1u << HEURISTIC_LAST_NON_DIRECT);
  assert_int_equal(comparison_models_find(BYTES("frist"), &paths, &options), 0);
  assert_int_equal(comparison_models_find(BYTES("all"), &paths, &options) >> HEURISTIC_LAST_PAID & 1, 0);
  paths_release(&paths);
}

// Each allocation fails in turn.
static void test_short_memory(void **state) {
  (void)state;
  struct paths paths;
  kit_read_text(&paths, "path,total_conversions,total_conversion_value,total_null\na > b > a,1,2,1\nc,2,1,1\n");
  for (uint64_t allowed = 0;; allowed++) {
    struct comparison_options options = {.models = (1u << COMPARISON_MODEL_COUNT) - 1, .markov = {.order = 1}};
    struct comparison comparison;
    heuristics_defaults(&options.heuristics);
    comparison_init(&comparison);
    alloc_fail_after(allowed, false);
    enum err err = comparison_run(&paths, &options, &comparison, NULL);
    bool failed = alloc_fail_disarm();
    assert_true(err == (failed ? ERR_NO_MEMORY : ERR_OK));
    comparison_release(&comparison);
    if (!failed) break;
  }
  paths_release(&paths);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cases_of_heuristics),
      cmocka_unit_test(test_cases_of_shapley),
      cmocka_unit_test(test_cases_of_markov),
      cmocka_unit_test(test_cases_of_transitions),
      cmocka_unit_test(test_cases_of_paths),
      cmocka_unit_test(test_cases_of_transforms),
      cmocka_unit_test(test_cases_of_nine_paths),
      cmocka_unit_test(test_cases_of_decay),
      cmocka_unit_test(test_cases_of_likelihood),
      cmocka_unit_test(test_published_heuristics),
      cmocka_unit_test(test_subset_shapley_is_linear_unique),
      cmocka_unit_test(test_rate_game),
      cmocka_unit_test(test_rate_game_is_bounded),
      cmocka_unit_test(test_shares),
      cmocka_unit_test(test_direct_and_paid),
      cmocka_unit_test(test_threads_change_no_bit),
      cmocka_unit_test(test_model_names),
      cmocka_unit_test(test_short_memory),
  };
  return cmocka_run_group_tests(tests, read_cases, release_cases);
}
