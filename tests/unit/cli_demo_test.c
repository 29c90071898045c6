// The demo shop: the same options give the same bytes, every mess is there, and every line is JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
      [DEMO_TABLET] = 464,        [DEMO_USER_ID_UNDEFINED] = 1336,
      [DEMO_MESSY_EMAIL] = 20043, [DEMO_NATIONAL_PHONE] = 4824,
      [DEMO_LATE] = 1108,         [DEMO_DUPLICATE] = 3544,
      [DEMO_RETURN] = 1284,       [DEMO_BOT] = 179,
      [DEMO_WRONG_CLOCK] = 47,    [DEMO_ANONYMOUS] = 746,
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

static double share(uint64_t part, uint64_t whole) {
  return (double)part / (double)whole;
}

// The truth that is told in demo.h is what is planted, and chance hides none of it at the usual size.
static void test_truth_is_planted(void **state) {
  (void)state;
  struct demo_options options = {.customers = 10000, .events_each = 50, .seed = 1, .now_us = NOW_US, .pos_ids = true};
  struct demo_counts counts;
  run(&options, &counts);
  const struct demo_planted *planted = &counts.planted;
  uint64_t people = 0;
  for (int i = 0; i < DEMO_LIFE_COUNT; i++) people += planted->lives[i];
  assert_in_range(share(planted->lives[DEMO_LAPSED], people) * 1000, DEMO_LAPSED_PERMILLE - 15,
                  DEMO_LAPSED_PERMILLE + 15);
  assert_in_range(share(planted->lives[DEMO_RETURNED], people) * 1000, DEMO_RETURNED_PERMILLE - 10,
                  DEMO_RETURNED_PERMILLE + 10);
  assert_in_range(share(planted->lives[DEMO_AMBASSADOR], people) * 1000, DEMO_AMBASSADOR_PERMILLE - 10,
                  DEMO_AMBASSADOR_PERMILLE + 10);
  // Purchases in stores that a search led to.
  assert_in_range(share(planted->searched_tickets, planted->tickets) * 1000, 130, 180);
  // A channel that does something sells more often than one that does less, with the others of the search in it.
  static const enum demo_channel order[] = {DEMO_EMAIL, DEMO_PAID_SEARCH, DEMO_PAID_SOCIAL, DEMO_ORGANIC_SEARCH,
                                            DEMO_DIRECT};
  for (size_t i = 0; i + 1 < sizeof order / sizeof *order; i++) {
    enum demo_channel more = order[i], less = order[i + 1];
    assert_true(demo_channel_truths[more].effect_permille > demo_channel_truths[less].effect_permille);
    assert_true(share(planted->bought_of[more], planted->searches_of[more]) >
                share(planted->bought_of[less], planted->searches_of[less]));
  }
  unsigned opens = 0, returns = 0;
  for (int i = 0; i < DEMO_CHANNEL_COUNT; i++) {
    opens += demo_channel_truths[i].opens_permille;
    returns += demo_channel_truths[i].returns_permille;
    assert_true(planted->searches_of[i] > 1000);
  }
  assert_int_equal(opens, 1000);
  assert_int_equal(returns, 1000);
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
  options = (struct demo_options){.customers = 1, .events_each = 1, .seed = 1, .now_us = NOW_US};
  assert_true(run(&options, &counts).lines > 0);
}

struct reading {
  struct value_parser *parser;
  struct names *names;
  struct buffer packed;
  uint64_t future;  // dated after now
  uint64_t tagged;  // pages a campaign led to
  uint64_t clicked; // pages with a click id
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
  struct bytes text;
  if (value_as_text(value_path(message, reading->names, "context.page.search"), &text)) {
    bool tagged = memmem(text.data, text.size_bytes, "utm_", 4) != NULL;
    reading->tagged += tagged;
    reading->clicked += memmem(text.data, text.size_bytes, "clid=", 5) != NULL;
    for (const char *const *member = (const char *const[]){"source", "medium", "name", NULL}; *member != NULL;
         member++) {
      char path[32];
      snprintf(path, sizeof path, "context.campaign.%s", *member);
      check_member(reading, message, path, tagged);
    }
  }
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
  assert_true(reading.tagged > 1000 && reading.clicked > 1000);
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
      cmocka_unit_test(test_truth_is_planted),        cmocka_unit_test(test_blocks_continue),
      cmocka_unit_test(test_every_line_is_a_message), cmocka_unit_test(test_failures_are_passed_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
