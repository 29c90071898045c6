// The demo shop: the same options give the same bytes, every mess is there, and every line is JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/demo.h"
#include "value/value.h"

#define NOW_US INT64_C(1795305600000000) // 2026-11-22

struct sum {
  uint64_t hash, lines, from[DEMO_SOURCE_COUNT];
  int64_t last_arrival_us;
  bool sorted;
};

static enum err add_to_sum(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                           struct diag *diag) {
  struct sum *sum = context;
  (void)diag;
  for (size_t i = 0; i < line.size_bytes; i++) sum->hash = (sum->hash ^ line.data[i]) * UINT64_C(0x100000001b3);
  sum->sorted = sum->sorted && arrival_us >= sum->last_arrival_us;
  sum->last_arrival_us = arrival_us;
  sum->lines++;
  sum->from[source]++;
  return ERR_OK;
}

static struct sum run(const struct demo_options *options, struct demo_counts *counts) {
  struct sum sum = {.hash = UINT64_C(0xcbf29ce484222325), .sorted = true};
  assert_int_equal(demo_generate(options, add_to_sum, &sum, counts, NULL), ERR_OK);
  return sum;
}

static void test_same_options_same_bytes(void **state) {
  (void)state;
  struct demo_options options = {.customers = 3000, .events_each = 50, .seed = 1, .now_us = NOW_US, .pos_ids = true};
  struct demo_counts first_counts, second_counts;
  struct sum first = run(&options, &first_counts), second = run(&options, &second_counts);
  assert_true(first.hash == second.hash);
  assert_memory_equal(&first_counts, &second_counts, sizeof first_counts);
  assert_true(first.sorted);
  assert_int_equal(first.lines, first_counts.events);
  options.seed = 2;
  assert_true(run(&options, &second_counts).hash != first.hash);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_options_same_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
