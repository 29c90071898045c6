// How often customers buy and what it is worth, against published fits and predictions (CDNOW: Fader and Hardie; the
// donations of Fader, Hardie and Shang 2010), and against sums and simulations of the models' own stories.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "scoring/clv.h"
#include "scoring_shared.h"

enum { ROWS_MAX = 20000 };

static struct clv_history histories[ROWS_MAX];
static struct clv_spend spends[ROWS_MAX];

static void near_to(double found, double expected, double most, int line) {
  if (fabs(found - expected) <= most) return;
  print_message("line %d: %.10g is not %.10g\n", line, found, expected);
  fail();
}
#define NEAR(found, expected, most) near_to(found, expected, most, __LINE__)

static struct clv_fit model_of(enum clv_model model, double a, double b, double c, double d) {
  return (struct clv_fit){.model = model, .parameters = {a, b, c, d}};
}

// Rows of numbers behind a header; returns how many. 0 and a skip where there is no file.
static size_t read_rows(const char *name, double rows[][5], int columns) {
  char path[1024], line[256];
  size_t count = 0;
  if (!shared_path(name, path, sizeof path)) return 0;
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof line, file));
  while (count < ROWS_MAX && fgets(line, sizeof line, file) != NULL) {
    char *at = line;
    for (int i = 0; i < columns; i++, at += *at == ',') rows[count][i] = strtod(at, &at);
    count++;
  }
  fclose(file);
  return count;
}

static double rows[ROWS_MAX][5];

static size_t read_cdnow(void) {
  size_t count = read_rows("cdnow/cdnow_customers_summary.csv", rows, 4);
  for (size_t i = 0; i < count; i++) histories[i] = (struct clv_history){rows[i][1], rows[i][2], rows[i][3], 1};
  return count;
}

// --- published fits ------------------------------------------------------------------------------------------

static void bgnbd_of_cdnow(void **state) {
  (void)state;
  struct clv_fit fit;
  size_t count = read_cdnow();
  if (count == 0) skip();
  assert_int_equal(clv_fit(CLV_BGNBD, histories, count, &fit, NULL), ERR_OK);
  assert_int_equal(fit.outcome, CLV_CONVERGED);
  assert_int_equal(fit.agreeing, fit.starts);
  NEAR(fit.parameters[0], 0.243, 1e-3);
  NEAR(fit.parameters[1], 4.414, 1e-3);
  NEAR(fit.parameters[2], 0.793, 1e-3);
  NEAR(fit.parameters[3], 2.426, 1e-3);
  assert_true(fit.log_likelihood >= -9582.43);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += clv_log_likelihood(&fit, &histories[i]);
  NEAR(sum, fit.log_likelihood, 1e-6);
  // Hardie's sheet: orders of a new customer by then.
  static const double times[][2] = {{0.1429, 0.0078},  {1, 0.0532},  {3, 0.1506},
                                    {31.8571, 1.0405}, {32, 1.0437}, {78, 1.8576}};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++)
    NEAR(clv_orders_of_new(&fit, times[i][0]), times[i][1], 5e-4);
}

static void others_of_cdnow(void **state) {
  (void)state;
  struct clv_fit fit;
  size_t count = read_cdnow();
  if (count == 0) skip();
  assert_int_equal(clv_fit(CLV_PARETO_NBD, histories, count, &fit, NULL), ERR_OK);
  static const double pareto[] = {0.553, 10.578, 0.606, 11.669}, modified[] = {0.525, 6.183, 0.891, 1.614};
  for (int i = 0; i < CLV_PARAMETERS; i++) NEAR(fit.parameters[i], pareto[i], 2e-3);
  assert_int_equal(fit.outcome, CLV_CONVERGED);
  assert_int_equal(clv_fit(CLV_MBGNBD, histories, count, &fit, NULL), ERR_OK);
  for (int i = 0; i < CLV_PARAMETERS; i++) NEAR(fit.parameters[i], modified[i], 1e-3);
  assert_int_equal(fit.outcome, CLV_CONVERGED);
}

static void gamma_gamma_of_cdnow(void **state) {
  (void)state;
  struct clv_spend_fit fit;
  size_t count = read_rows("cdnow/cdnow_customers_summary_with_transactions.csv", rows, 5), used = 0;
  if (count == 0) skip();
  for (size_t i = 0; i < count; i++)
    if (rows[i][1] > 0) spends[used++] = (struct clv_spend){rows[i][1], rows[i][4], 1};
  assert_int_equal(used, 946);
  assert_int_equal(clv_spend_fit(spends, used, &fit, NULL), ERR_OK);
  NEAR(fit.p, 6.25, 1e-2);
  NEAR(fit.q, 3.74, 1e-2);
  NEAR(fit.v, 15.44, 1e-2);
  NEAR(fit.log_likelihood, -4055.92, 1e-2);
  NEAR(fit.correlation, 0.1139, 1e-4);
  assert_int_equal(fit.outcome, CLV_CONVERGED);
  static const double first[] = {24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17};
  for (size_t i = 0; i < 10; i++) NEAR(clv_spend_expected(&fit, rows[i][1], rows[i][4]), first[i], 0.1);
}

static void bgbb_of_donations(void **state) {
  (void)state;
  struct clv_fit fit;
  size_t count = read_rows("cdnow/donations.csv", rows, 4);
  if (count == 0) skip();
  for (size_t i = 0; i < count; i++)
    histories[i] = (struct clv_history){rows[i][0], rows[i][1], rows[i][2], rows[i][3]};
  assert_int_equal(clv_fit(CLV_BGBB, histories, count, &fit, NULL), ERR_OK);
  static const double published[] = {1.204, 0.75, 0.657, 2.783};
  for (int i = 0; i < CLV_PARAMETERS; i++) NEAR(fit.parameters[i], published[i], 1e-3);
  NEAR(fit.log_likelihood, -33225.6, 0.1);
  double all = 0;
  for (size_t i = 0; i < count; i++) all += histories[i].weight * clv_orders(&fit, &histories[i], 5);
  NEAR(all, 12884.2, 0.1);
}

// --- published predictions -----------------------------------------------------------------------------------

static void bgnbd_points(void **state) {
  (void)state;
  struct clv_fit fit = model_of(CLV_BGNBD, 0.243, 4.414, 0.793, 2.426);
  struct clv_history history = {2, 30.43, 38.86, 1}, once = {0, 0, 38.86, 1};
  NEAR(clv_orders(&fit, &history, 39), 1.226, 1e-3);
  NEAR(clv_probability(&fit, 2, 10), 1.07869e-07, 1e-12);
  NEAR(clv_probability(&fit, 39, 0), 0.5737864, 1e-7);
  static const double tail[] = {0.0019995214, 0.0015170236, 0.001163315,  0.0009003148, 0.0007023638,
                                0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.000222226};
  for (unsigned i = 0; i < 10; i++) NEAR(clv_probability(&fit, 30, 11 + i), tail[i], 1e-9);
  assert_true(clv_alive(&fit, &once) == 1);
}

static void pareto_points(void **state) {
  (void)state;
  struct clv_fit fit = model_of(CLV_PARETO_NBD, 0.553, 10.578, 0.606, 11.669);
  struct clv_fit of_alive = model_of(CLV_PARETO_NBD, 0.5534, 10.5802, 0.6061, 11.6562);
  struct clv_history history = {26, 30.86, 31, 1};
  NEAR(clv_orders(&fit, &history, 52), 25.46, 0.01);
  NEAR(clv_alive(&of_alive, &history), 0.9979, 1e-4);
}

static void gamma_gamma_points(void **state) {
  (void)state;
  struct clv_spend_fit fit = {.p = 6.25, .q = 3.74, .v = 15.44};
  NEAR(clv_spend_expected(&fit, 2, 22.35), 24.65, 0.1);
  NEAR(clv_spend_expected(&fit, 1, 11.77), 18.91, 0.1);
  NEAR(clv_spend_expected(&fit, 0, 0), 35.17, 0.1);
  fit.q = 0.9;
  assert_true(isnan(clv_spend_expected(&fit, 0, 0)));
}

// --- identities ----------------------------------------------------------------------------------------------

// Probabilities of all counts add to 1, and their mean is the expectation.
static void probabilities_add_up(void **state) {
  (void)state;
  static const enum clv_model both[] = {CLV_BGNBD, CLV_MBGNBD};
  for (int i = 0; i < 2; i++) {
    struct clv_fit fit = model_of(both[i], 1.4, 3, 0.8, 2.5);
    double sum = 0, mean = 0;
    for (unsigned n = 0; n < 3000; n++) {
      sum += clv_probability(&fit, 30, n);
      mean += n * clv_probability(&fit, 30, n);
    }
    NEAR(sum, 1, 1e-9);
    NEAR(mean, clv_orders_of_new(&fit, 30), 1e-6);
  }
}

// What is expected from now to a later day is the same whether it is asked at once or step by step of a new customer.
static void poles_are_passed_smoothly(void **state) {
  (void)state;
  struct clv_history history = {3, 20, 30, 1};
  for (int i = 0; i <= 40; i++) {
    double a = 0.99 + i * 0.0005;
    struct clv_fit below = model_of(CLV_BGNBD, 0.6, 5, a - 1e-4, 2), at = model_of(CLV_BGNBD, 0.6, 5, a, 2);
    struct clv_fit above = model_of(CLV_BGNBD, 0.6, 5, a + 1e-4, 2);
    double middle = (clv_orders(&below, &history, 40) + clv_orders(&above, &history, 40)) / 2;
    NEAR(clv_orders(&at, &history, 40), middle, 1e-8);
  }
  for (int i = 0; i <= 40; i++) {
    double b = 0.29 + i * 0.0005; // a + b about 1
    struct clv_fit below = model_of(CLV_BGNBD, 0.6, 5, 0.7, b - 1e-4), at = model_of(CLV_BGNBD, 0.6, 5, 0.7, b);
    struct clv_fit above = model_of(CLV_BGNBD, 0.6, 5, 0.7, b + 1e-4);
    double middle = (clv_orders_of_new(&below, 40) + clv_orders_of_new(&above, 40)) / 2;
    NEAR(clv_orders_of_new(&at, 40), middle, 1e-6);
  }
  struct clv_fit one = model_of(CLV_PARETO_NBD, 0.6, 5, 1, 7), next = model_of(CLV_PARETO_NBD, 0.6, 5, 1 + 1e-9, 7);
  NEAR(clv_orders(&one, &history, 40), clv_orders(&next, &history, 40), 1e-7);
}

// The bracket of Pareto/NBD's likelihood as the integral it stands for, over the instant she left.
static void pareto_is_its_integral(void **state) {
  (void)state;
  static const double shapes[][4] = {{0.5, 10, 0.6, 12}, {2, 3, 1.5, 40}, {0.3, 80, 2.5, 4}, {1, 5, 1, 5}};
  static const struct clv_history cases[] = {{0, 0, 30, 1}, {3, 10, 31, 1}, {40, 29, 30, 1}, {300, 20, 52, 1}};
  for (size_t i = 0; i < 16; i++) {
    enum { STEPS = 20000 };
    const double *p = shapes[i / 4];
    const struct clv_history *h = &cases[i % 4];
    struct clv_fit fit = model_of(CLV_PARETO_NBD, p[0], p[1], p[2], p[3]);
    double sum = 0, width = (h->age - h->recency) / STEPS, power = p[0] + h->frequency;
    double here = -power * log(p[1] + h->age) - p[2] * log(p[3] + h->age);
    for (int j = 0; j <= STEPS; j++) {
      double y = h->recency + j * width, share = j == 0 || j == STEPS ? 1 : j % 2 == 1 ? 4 : 2;
      sum += share * exp(-power * log(p[1] + y) - (p[2] + 1) * log(p[3] + y) - here);
    }
    NEAR(clv_alive(&fit, h), 1 / (1 + p[2] * sum * width / 3), 1e-8);
  }
}

// Everything stays finite and within its bounds, however far out.
static void far_out_is_finite(void **state) {
  (void)state;
  static const double sizes[] = {1e-5, 0.01, 0.7, 30, 1e5};
  static const struct clv_history cases[] = {{0, 0, 0, 1},        {0, 0, 1e6, 1},    {1, 1e-9, 1e6, 1},
                                             {5000, 100, 100, 1}, {5000, 1, 1e4, 1}, {1e6, 999, 1000, 1}};
  for (size_t model = 0; model < 3; model++)
    for (size_t i = 0; i < 625; i++)
      for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
        struct clv_fit fit =
            model_of((enum clv_model)model, sizes[i % 5], sizes[i / 5 % 5], sizes[i / 25 % 5], sizes[i / 125]);
        double alive = clv_alive(&fit, &cases[j]), orders = clv_orders(&fit, &cases[j], 52);
        assert_true(alive >= 0 && alive <= 1);
        assert_true(orders >= 0 && isfinite(orders));
        assert_true(isfinite(clv_value(&fit, &cases[j], 20, 52, 26, 0.01)));
      }
}

// Where a and b, or r and alpha, have run away, the model is a simpler one, whose answer is known.
static void runaways_become_simpler_models(void **state) {
  (void)state;
  struct clv_history history = {3, 20, 30, 1};
  for (int power = 2; power < 6; power++) {
    double size = pow(10, power);
    // Everybody leaves with the chance 0.2 after an order.
    struct clv_fit fit = model_of(CLV_BGNBD, 0.6, 5, 0.2 * size, 0.8 * size);
    double simple = -expm1(-3.6 * log1p(0.2 * 39 / 35)) / 0.2;
    NEAR(clv_orders(&fit, &history, 39) / clv_alive(&fit, &history), simple, 20 / size);
    // Everybody orders at the rate 0.1 and hardly ever leaves.
    struct clv_fit steady = model_of(CLV_BGNBD, 0.1 * size, size, 1e-6, 1);
    NEAR(clv_orders(&steady, &history, 39), 3.9, 20 / size + 1e-3);
  }
  struct clv_fit often = model_of(CLV_BGNBD, 0.6, 5, 1e-4, 3); // hardly ever leaves, 5,000 orders in 100
  struct clv_history frequent = {5000, 100, 100, 1};
  NEAR(clv_orders(&often, &frequent, 50), 5000.6 / 105 * 50, 1);
}

static void value_is_discounted(void **state) {
  (void)state;
  struct clv_fit fit = model_of(CLV_BGNBD, 0.243, 4.414, 0.793, 2.426);
  struct clv_history history = {2, 30.43, 38.86, 1};
  double plain = clv_value(&fit, &history, 10, 39, 1, 0);
  NEAR(plain, 10 * clv_orders(&fit, &history, 39), 1e-12);
  assert_true(clv_value(&fit, &history, 10, 39, 1, 0.01) < plain);
  // In one step all of it is of its end.
  NEAR(clv_value(&fit, &history, 10, 39, 39, 0.5), plain / 1.5, 1e-9);
  NEAR(clv_value(&fit, &history, 10, 39, 1, 1e-12), plain, 1e-6);
}

// --- what cannot be fitted -----------------------------------------------------------------------------------

static void says_what_is_wrong(void **state) {
  (void)state;
  struct clv_fit fit;
  struct diag diag;
  diag_init(&diag);
  static const struct clv_history wrong[] = {{-1, 0, 5, 1},  {1.5, 2, 5, 1}, {1, 6, 5, 1}, {0, 2, 5, 1},
                                             {1, 1, NAN, 1}, {1, 1, 5, 0},   {1, -1, 5, 1}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(clv_fit(CLV_BGNBD, &wrong[i], 1, &fit, &diag), ERR_INVALID);
    assert_string_equal(diag.code, "bad_history");
  }
  assert_int_equal(clv_fit(CLV_BGNBD, wrong, 0, &fit, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "no_customers");
  struct clv_history once[] = {{0, 0, 5, 1}, {0, 0, 7, 1}}, twice = {3, 2.5, 6, 1};
  assert_int_equal(clv_fit(CLV_BGNBD, once, 2, &fit, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "no_repeats");
  assert_int_equal(clv_fit(CLV_BGBB, &twice, 1, &fit, &diag), ERR_INVALID);
  struct clv_spend_fit spend;
  struct clv_spend negative = {2, -3, 1};
  assert_int_equal(clv_spend_fit(&negative, 1, &spend, &diag), ERR_INVALID);
  assert_int_equal(clv_spend_fit(&negative, 0, &spend, &diag), ERR_INVALID);
}

// Everybody alike: the differences between customers that the model asks about are not there, and that is said.
static void runaways_are_told(void **state) {
  (void)state;
  struct clv_fit fit;
  struct clv_spend_fit spend;
  for (size_t i = 0; i < 50; i++) histories[i] = (struct clv_history){10, 50, 52, 1};
  assert_int_equal(clv_fit(CLV_BGNBD, histories, 50, &fit, NULL), ERR_OK);
  assert_int_equal(fit.outcome, CLV_RUNAWAY);
  assert_true(isfinite(fit.log_likelihood) && fit.runaway >= 0);
  NEAR(clv_orders(&fit, &histories[0], 52), 10, 0.5);
  for (size_t i = 0; i < 50; i++) spends[i] = (struct clv_spend){5, 20, 1};
  assert_int_equal(clv_spend_fit(spends, 50, &spend, NULL), ERR_OK);
  assert_int_equal(spend.outcome, CLV_RUNAWAY);
  NEAR(clv_spend_expected(&spend, 5, 20), 20, 0.01);
}

// Weights are what repetition is, and the order of customers changes nothing.
static void weights_and_order(void **state) {
  (void)state;
  enum { COUNT = 300 };
  struct clv_fit one, two;
  for (size_t i = 0; i < COUNT; i++) {
    double x = (double)(i * 7 % 13 % 5);
    histories[i] = (struct clv_history){x, x == 0 ? 0 : 5 + (double)(i % 20), 30 + (double)(i % 3), 1};
  }
  assert_int_equal(clv_fit(CLV_BGNBD, histories, COUNT, &one, NULL), ERR_OK);
  for (size_t i = 0; i < COUNT / 2; i++) {
    struct clv_history swapped = histories[i];
    histories[i] = histories[COUNT - 1 - i];
    histories[COUNT - 1 - i] = swapped;
  }
  assert_int_equal(clv_fit(CLV_BGNBD, histories, COUNT, &two, NULL), ERR_OK);
  assert_memory_equal(one.parameters, two.parameters, sizeof one.parameters);
  assert_true(one.log_likelihood == two.log_likelihood);
  for (size_t i = 0; i < COUNT; i++) histories[i].weight = 3;
  assert_int_equal(clv_fit(CLV_BGNBD, histories, COUNT, &two, NULL), ERR_OK);
  NEAR(two.log_likelihood, 3 * one.log_likelihood, 1e-6);
  NEAR(two.parameters[0], one.parameters[0], 1e-5);
}

static void survives_short_memory(void **state) {
  (void)state;
  struct clv_fit fit;
  struct clv_spend_fit spend;
  struct diag diag;
  for (size_t i = 0; i < 40; i++) {
    histories[i] = (struct clv_history){(double)(i % 4), i % 4 == 0 ? 0 : 3 + (double)i / 10, 20, 1};
    spends[i] = (struct clv_spend){1 + (double)(i % 4), 5 + (double)i, 1};
  }
  for (uint64_t allowed = 0;; allowed++) {
    alloc_fail_after(allowed, true);
    enum err err = clv_fit(CLV_BGNBD, histories, 40, &fit, &diag);
    if (err == ERR_OK) err = clv_spend_fit(spends, 40, &spend, &diag);
    if (!alloc_fail_disarm()) break;
    assert_int_equal(err, ERR_NO_MEMORY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bgnbd_of_cdnow),
      cmocka_unit_test(others_of_cdnow),
      cmocka_unit_test(gamma_gamma_of_cdnow),
      cmocka_unit_test(bgbb_of_donations),
      cmocka_unit_test(bgnbd_points),
      cmocka_unit_test(pareto_points),
      cmocka_unit_test(gamma_gamma_points),
      cmocka_unit_test(probabilities_add_up),
      cmocka_unit_test(poles_are_passed_smoothly),
      cmocka_unit_test(pareto_is_its_integral),
      cmocka_unit_test(far_out_is_finite),
      cmocka_unit_test(runaways_become_simpler_models),
      cmocka_unit_test(value_is_discounted),
      cmocka_unit_test(says_what_is_wrong),
      cmocka_unit_test(runaways_are_told),
      cmocka_unit_test(weights_and_order),
      cmocka_unit_test(survives_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
