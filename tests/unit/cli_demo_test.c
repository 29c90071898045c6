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

// The counts of each mess at seed 1. They change only when the shop is changed on purpose.
static void test_every_mess_is_there(void **state) {
  (void)state;
  static const uint64_t golden[DEMO_MESS_COUNT] = {
      [DEMO_TWO_CARDS] = 190,     [DEMO_FAMILY_PHONE] = 501,
      [DEMO_TABLET] = 606,        [DEMO_USER_ID_UNDEFINED] = 1022,
      [DEMO_MESSY_EMAIL] = 23158, [DEMO_NATIONAL_PHONE] = 5717,
      [DEMO_LATE] = 2479,         [DEMO_DUPLICATE] = 3376,
      [DEMO_RETURN] = 4164,       [DEMO_BOT] = 170,
      [DEMO_WRONG_CLOCK] = 141,   [DEMO_ANONYMOUS] = 746,
  };
  struct demo_options options = {.customers = 10000, .events_each = 50, .seed = 1, .now_us = NOW_US, .pos_ids = true};
  struct demo_counts counts;
  struct sum sum = run(&options, &counts);
  for (int i = 0; i < DEMO_MESS_COUNT; i++) {
    assert_true(counts.mess[i] > 0);
    assert_int_equal(counts.mess[i], golden[i]);
  }
  for (int i = 0; i < DEMO_SOURCE_COUNT; i++) assert_true(sum.from[i] > 10000);
  assert_in_range(sum.lines, 400000, 650000);
}

// Many customers come in blocks; each block is in order of arrival by itself.
static void test_blocks_continue(void **state) {
  (void)state;
  struct demo_options options = {
      .customers = DEMO_BLOCK_CUSTOMERS + 500, .events_each = 4, .seed = 3, .now_us = NOW_US};
  struct demo_counts counts;
  struct sum sum = run(&options, &counts);
  assert_false(sum.sorted);
  assert_true(sum.lines > options.customers);
}

struct reading {
  struct value_parser *parser;
  struct names *names;
  struct buffer packed;
  uint64_t future; // dated after now
};

static void check_member(struct reading *reading, struct value message, const char *path, bool wanted) {
  assert_int_equal(value_type(value_path(message, reading->names, path)) == VALUE_TEXT, wanted);
}

static enum err read_line(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                          struct diag *diag) {
  struct reading *reading = context;
  struct bytes time;
  int64_t time_us;
  buffer_clear(&reading->packed);
  assert_int_equal(value_parse_json(reading->parser, line, reading->names, &reading->packed, diag), ERR_OK);
  struct value message = {buffer_view(&reading->packed)};
  check_member(reading, message, "type", true);
  assert_true(value_as_text(value_path(message, reading->names, "timestamp"), &time));
  assert_int_equal(clock_parse(time, &time_us), ERR_OK);
  assert_true(arrival_us <= NOW_US);
  reading->future += time_us > NOW_US;
  assert_true(time_us <= arrival_us || time_us > NOW_US);
  if (source == DEMO_WEB) check_member(reading, message, "anonymousId", true);
  if (source == DEMO_MAILING) check_member(reading, message, "context.traits.email", true);
  bool till = source == DEMO_LYON || source == DEMO_PARIS;
  if (till) check_member(reading, message, "context.traits.loyalty_card", true);
  if (till) check_member(reading, message, "userId", true);
  return ERR_OK;
}

static void test_every_line_is_a_message(void **state) {
  (void)state;
  struct demo_options options = {.customers = 1500, .events_each = 50, .seed = 5, .now_us = NOW_US, .pos_ids = true};
  struct demo_counts counts;
  struct reading reading = {.future = 0};
  buffer_init(&reading.packed);
  assert_int_equal(names_open(&reading.names, NULL, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&reading.parser), ERR_OK);
  assert_int_equal(demo_generate(&options, read_line, &reading, &counts, NULL), ERR_OK);
  // Some of them are sent twice.
  assert_true(reading.future >= counts.mess[DEMO_WRONG_CLOCK] && reading.future > 0);
  value_parser_close(reading.parser);
  names_close(reading.names);
  buffer_release(&reading.packed);
}

static enum err refuse(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                       struct diag *diag) {
  (void)source, (void)arrival_us, (void)line;
  ++*(int *)context;
  return diag_set(diag, ERR_IO, "io", "full");
}

static void test_failures_are_passed_up(void **state) {
  (void)state;
  struct demo_options options = {.customers = 50, .events_each = 10, .seed = 1, .now_us = NOW_US};
  struct demo_counts counts;
  int calls = 0;
  assert_int_equal(demo_generate(&options, refuse, &calls, &counts, NULL), ERR_IO);
  assert_int_equal(calls, 1);
  bool failed = true;
  for (uint64_t n = 0; failed; n++) {
    struct sum sum = {.hash = 0};
    alloc_fail_after(n, true);
    enum err err = demo_generate(&options, add_to_sum, &sum, &counts, NULL);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_options_same_bytes), cmocka_unit_test(test_every_mess_is_there),
      cmocka_unit_test(test_blocks_continue),         cmocka_unit_test(test_every_line_is_a_message),
      cmocka_unit_test(test_failures_are_passed_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
