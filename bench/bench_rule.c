// bench_rule: how long an expression takes for one customer of 37 events whose columns are in the cache.
//
// 1,024 customers with events of eight names over 400 days, three in eight of them orders with a total of 0.01 to
// 199.99 in two digits, page views most often. Every expression is run over all of them, in rounds of which the fastest
// counts: with and without until when the answer holds. Expressions given as arguments are measured instead.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "parts/options.h"
#include "rule/check.h"
#include "rule/machine.h"
#include "value/names.h"

enum { CUSTOMERS = 1024, EVENTS = 37, ROUNDS = 200 };
#define NOW_US (20000 * CLOCK_DAY_US)

static const char *const names_of_events[] = {"Page Viewed",     "Product Viewed", "Order Completed", "Product Added",
                                              "Order Completed", "Email Opened",   "Order Completed", "Page Viewed"};

struct customer {
  int64_t time_us[EVENTS], amount[EVENTS];
  uint32_t name[EVENTS], channel[EVENTS];
  uint8_t code[EVENTS];
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static int by_time(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

static void make_customer(struct customer *customer, const uint32_t *ids, const uint32_t *channels) {
  for (int i = 0; i < EVENTS; i++) customer->time_us[i] = NOW_US - (int64_t)(random_next() % (400 * 86400000000ull));
  qsort(customer->time_us, EVENTS, sizeof *customer->time_us, by_time);
  for (int i = 0; i < EVENTS; i++) {
    uint32_t id = ids[random_next() % 8];
    bool order = id == ids[2];
    customer->name[i] = id;
    customer->amount[i] = order ? (int64_t)(1 + random_next() % 19999) : 0;
    customer->code[i] = order ? RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | 2 : RULE_AMOUNT_NONE;
    customer->channel[i] = channels[random_next() % 2] | RULE_DIM_CONTEXT;
  }
}

static enum err give_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  const struct customer *customer = context;
  (void)wanted;
  *columns = (struct rule_columns){EVENTS,           customer->time_us, customer->name,
                                   customer->amount, customer->code,    customer->channel};
  return ERR_OK;
}

static enum err name_id(void *context, struct bytes name, uint32_t *id) {
  return names_intern(context, name, id, NULL);
}

static struct rule_program *compile(const char *text, const struct rule_zone *zone, struct names *names) {
  struct arena arena;
  struct rule_node *tree;
  struct rule_diag why;
  struct diag diag;
  struct rule_check check = {.catalog = NULL};
  struct rule_program *program = NULL;
  struct rule_compile with = {zone, name_id, names};
  arena_init(&arena, 0);
  if (rule_parse(bytes_from_text(text), &arena, &tree, &why) != ERR_OK || rule_check(tree, &check, &why) != ERR_OK)
    fprintf(stderr, "%s: %s\n", text, why.message);
  else if (rule_compile(tree, &with, &program, &diag) != ERR_OK)
    fprintf(stderr, "%s: %s\n", text, diag.message);
  arena_release(&arena);
  if (program == NULL) exit(1);
  return program;
}

// The fastest round, in nanoseconds a customer.
static double measure(struct rule_machine *machine, const struct rule_program *program, struct customer *customers,
                      bool want_until, int *hits) {
  double best = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    int64_t start_us = clock_monotonic_us();
    *hits = 0;
    for (int i = 0; i < CUSTOMERS; i++) {
      struct rule_customer customer = {.context = &customers[i], .columns = give_columns};
      struct rule_answer answer;
      if (rule_run(machine, program, &customer, NOW_US, want_until, &answer) != ERR_OK) exit(1);
      *hits += rule_is_true(&answer) || answer.value.type == RULE_TYPE_NUMBER;
    }
    double ns = (double)(clock_monotonic_us() - start_us) * 1000 / CUSTOMERS;
    if (ns < best) best = ns;
  }
  return best;
}

static const char *const expressions[] = {
    "count(\"Order Completed\" in last 90 days) >= 3",
    "count(\"Order Completed\" where total >= 50 in last 90 days) >= 3",
    "count(\"Order Completed\" where total >= 50)",
    "sum(total of \"Order Completed\") >= 500",
    "sum(total of \"Order Completed\" where context.channel = \"store\" in last 12 months) >= 500",
    "not exists(\"Order Completed\" in last 180 days)",
    "sequence(\"Product Viewed\" then \"Product Added\" then \"Order Completed\" within 7 days)",
    "sequence(\"Product Viewed\" then \"Product Added\" then \"Order Completed\" in last 60 days)",
    "sequence(\"Product Added\" then not \"Order Completed\")",
    "sequence(\"Product Added\" then not \"Order Completed\" within 1 day in last 3 days)",
    "last(time of \"Email Opened\") > now - 30 days",
    "max(total * 2 of \"Order Completed\") > 300",
};

int main(int count, char **arguments) {
  struct names *names;
  struct rule_zone *zone;
  struct rule_machine *machine;
  struct customer *customers = alloc_zero(CUSTOMERS, sizeof *customers);
  uint32_t ids[8], channels[2];
  struct options_words asked = {.count = 0};
  const struct options_row rows[] = {{.value = "EXPRESSION...", .help = "what is measured instead", .words = &asked}};
  options_take(rows, OPTIONS_COUNT(rows), count, arguments);
  if (customers == NULL || names_open(&names, NULL, NULL) != ERR_OK || rule_zone_open_utc(&zone) != ERR_OK ||
      rule_machine_open(&machine, NULL) != ERR_OK)
    return 1;
  for (int i = 0; i < 8; i++) names_intern(names, bytes_from_text(names_of_events[i]), &ids[i], NULL);
  names_intern(names, BYTES("store"), &channels[0], NULL);
  names_intern(names, BYTES("web"), &channels[1], NULL);
  for (int i = 0; i < CUSTOMERS; i++) make_customer(&customers[i], ids, channels);
  printf("nanoseconds a customer of %d events: value, value and until; of %d customers\n", EVENTS, CUSTOMERS);
  const char *const *chosen = asked.count > 0 ? (const char *const *)asked.items : expressions;
  size_t chosen_count = asked.count > 0 ? asked.count : sizeof expressions / sizeof expressions[0];
  for (size_t i = 0; i < chosen_count; i++) {
    int hits;
    struct rule_program *program = compile(chosen[i], zone, names);
    double value_ns = measure(machine, program, customers, false, &hits);
    double until_ns = measure(machine, program, customers, true, &hits);
    printf("%7.1f %7.1f %6d  %s\n", value_ns, until_ns, hits, chosen[i]);
    rule_program_close(program);
  }
  rule_machine_close(machine);
  rule_zone_close(zone);
  names_close(names);
  alloc_free(customers);
  return 0;
}
