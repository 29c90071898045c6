// bench_clv: how long BG/NBD and Gamma-Gamma take to fit to a million customers, and what they find again.
//
// Customers live by the models' own story: a rate from a gamma distribution, a chance to leave from a beta, orders
// until they leave or the year ends, an average order from the inverse of another gamma. First orders spread over the
// first half of a year and a half, by the day. What is fitted should be what they were drawn from.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "parts/options.h"
#include "scoring/clv.h"

enum { DAYS = 546, WEEK_DAYS = 7 };

// What they are drawn from.
static const double rate_shape = 0.8, rate_scale = 6, leave_a = 0.9, leave_b = 3.2;
static const double spend_p = 6, spend_q = 4, spend_v = 45;

static uint64_t random_state = 88172645463325252u;

static double random_share(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

static double random_normal(void) {
  return sqrt(-2 * log(random_share())) * cos(6.283185307179586 * random_share());
}

// Marsaglia and Tsang 2000; below 1 through the next shape.
static double random_gamma(double shape) {
  if (shape < 1) return random_gamma(shape + 1) * pow(random_share(), 1 / shape);
  double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = random_normal(), v = pow(1 + c * x, 3);
    if (v > 0 && log(random_share()) < x * x / 2 + d - d * v + d * log(v)) return d * v;
  }
}

static void draw(struct clv_history *history, struct clv_spend *spend) {
  double rate = random_gamma(rate_shape) / rate_scale, a = random_gamma(leave_a), b = random_gamma(leave_b);
  double leave = a / (a + b), first = floor(random_share() * DAYS / 2), days = DAYS - first, at = 0;
  *history = (struct clv_history){.age = days / WEEK_DAYS, .weight = 1};
  for (;;) {
    at -= log(random_share()) / rate * WEEK_DAYS;
    // Orders are known by their day, and those of one day are one.
    if (at >= days) break;
    double week = fmin(ceil(at), days) / WEEK_DAYS;
    history->frequency += week > history->recency;
    history->recency = week;
    if (random_share() < leave) break;
  }
  double mean = random_gamma(spend_q) / spend_v; // the rate of an order's gamma
  *spend = (struct clv_spend){.frequency = history->frequency, .weight = 1};
  if (history->frequency > 0)
    spend->mean = round(100 * random_gamma(spend_p * history->frequency) / mean / history->frequency) / 100;
}

static double seconds_since(int64_t start_us) {
  return (double)(clock_monotonic_us() - start_us) / CLOCK_SECOND_US;
}

int main(int count, char **arguments) {
  uint64_t customers = 1000000;
  const struct options_row rows[] = {{.name = "--customers",
                                      .value = "N",
                                      .help = "how many are drawn (1000000)",
                                      .number = &customers,
                                      .most = 100000000}};
  options_take(rows, OPTIONS_COUNT(rows), count, arguments);
  struct clv_history *histories = alloc_zero(customers, sizeof *histories);
  struct clv_spend *spends = alloc_zero(customers, sizeof *spends), spend;
  struct clv_fit fit;
  struct clv_spend_fit spend_fit;
  size_t repeats = 0;
  if (histories == NULL || spends == NULL) return 1;
  for (size_t i = 0; i < customers; i++) {
    draw(&histories[i], &spend);
    if (spend.mean > 0) spends[repeats++] = spend;
  }
  int64_t start_us = clock_monotonic_us();
  if (clv_fit(CLV_BGNBD, histories, customers, &fit, NULL) != ERR_OK) return 1;
  printf(
      "bgnbd        %.2f s: r %.4f (%.1f)  alpha %.4f (%.1f)  a %.4f (%.1f)  b %.4f (%.1f); %zu different, %d steps\n",
      seconds_since(start_us), fit.parameters[0], rate_shape, fit.parameters[1], rate_scale, fit.parameters[2], leave_a,
      fit.parameters[3], leave_b, fit.groups, fit.steps);
  start_us = clock_monotonic_us();
  if (clv_spend_fit(spends, repeats, &spend_fit, NULL) != ERR_OK) return 1;
  printf("gamma_gamma  %.2f s: p %.4f (%.1f)  q %.4f (%.1f)  v %.4f (%.1f); %zu different, %d steps\n",
         seconds_since(start_us), spend_fit.p, spend_p, spend_fit.q, spend_q, spend_fit.v, spend_v, spend_fit.groups,
         spend_fit.steps);
  start_us = clock_monotonic_us();
  double orders = 0, alive = 0;
  for (size_t i = 0; i < customers; i++) {
    alive += clv_alive(&fit, &histories[i]);
    orders += clv_orders(&fit, &histories[i], 39);
  }
  printf("predictions  %.2f s: %.0f of %llu still there, %.0f orders in 39 weeks\n", seconds_since(start_us), alive,
         (unsigned long long)customers, orders);
  alloc_free(histories);
  alloc_free(spends);
  return 0;
}
