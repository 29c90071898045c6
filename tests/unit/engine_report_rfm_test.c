// RFM of a workspace whose every customer is known: the report of segments and that of moves against a book filled by
// hand with the same orders, summaries as files have them, options that are refused, and the same bytes in any number
// of threads.
#include "engine_live_kit.h"
#include "engine_report_kit.h"

#include "engine/scores.h"
#include "scoring/rfm.h"

enum { CUSTOMERS = 60, DAY_S = 86400, TODAY = 300, AT_DAY = 20454 + TODAY - 1 }; // 20454: 2026-01-01

static struct kit kit;
static struct rfm_book book;

static const char *const ranges[] = {"Phones", "Cases", "Bags"};

// Orders are put in the workspace and in the book: each range of an order is a row of its own, as in a file of lines.
static void one_order(int customer, int number, int day) {
  char line[512], id[24];
  int range = (customer + number) % 3, price = 10 + (customer * 7 + number * 13) % 90;
  snprintf(id, sizeof id, "o%d-%d", customer, number);
  snprintf(line, sizeof line,
           "message track t=%d user_id:u%02d name=Order+Completed {\"properties\":{\"order_id\":\"%s\",\"total\":%d.25,"
           "\"products\":[{\"category\":\"%s\",\"price\":%d},{\"category\":\"%s\",\"price\":0.25}]}}",
           (day - 20454) * DAY_S + 3600, customer, id, price, ranges[range], price, ranges[range]);
  read_line(&kit, line);
  char name[16];
  struct diag diag;
  snprintf(name, sizeof name, "c%d", customer + 1);
  struct rfm_order order = {.customer = bytes_from_text(name),
                            .range = bytes_from_text(ranges[range]),
                            .id = bytes_from_text(id),
                            .day = day};
  order.amount = (struct decimal){.coefficient = (decimal_coefficient)(price * 100 + 25), .exponent = -2};
  assert_int_equal(rfm_book_add(&book, &order, &diag), ERR_OK);
}

static int set_up(void **state) {
  (void)state;
  read_open(&kit);
  rfm_book_init(&book, AT_DAY);
  for (int customer = 0; customer < CUSTOMERS; customer++)
    for (int number = 0; number <= customer % 5; number++)
      one_order(customer, number, AT_DAY - (customer * 11 + number * 29) % 280);
  return 0;
}

// The walk then reads copies of the orders.
static int set_up_projected(void **state) {
  kit_projection_quiet_us = 1;
  set_up(state);
  kit_projection_quiet_us = 0;
  live_settle(&kit);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  rfm_book_release(&book);
  kit_close(&kit);
  return 0;
}

// --- asking --------------------------------------------------------------------------------------------------

// Freed by the caller.
static char *told(const char *kind, const char *options) {
  return asked_text(&kit, &(struct asked){.kind = kind, .options = options, .threads = 2});
}

static void refused(const char *kind, const char *options, const char *code) {
  struct diag diag;
  asked_refused(&kit, &(struct asked){.kind = kind, .options = options}, code, &diag);
}

#define AT "\"at\":\"2026-10-27\"" // AT_DAY

// --- against the book ------------------------------------------------------------------------------------------

static size_t segment_in_book(const struct rfm_thresholds *bounds, const struct rfm_summary *summary) {
  struct rfm_segments segments;
  rfm_segments_default(&segments);
  return rfm_segment_of(&segments, rfm_scores_of(summary, bounds), bounds->bins);
}

static void test_segments(void **state) {
  (void)state;
  struct rfm_thresholds bounds;
  struct rfm_segments segments;
  struct diag diag;
  unsigned customers[RFM_SEGMENTS_MAX + 1] = {0};
  rfm_segments_default(&segments);
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 5, book.totals, book.customers.count, &bounds, &diag), ERR_OK);
  for (size_t i = 0; i < book.customers.count; i++) customers[segment_in_book(&bounds, &book.totals[i])]++;
  char *text = told("rfm", "{" AT "}");
  for (size_t i = 0; i <= segments.count; i++) {
    char expected[96];
    snprintf(expected, sizeof expected, "{\"segment\":\"%s\",\"customers\":%u,", rfm_segment_name(&segments, i),
             customers[i]);
    if (strstr(text, expected) == NULL) fail_msg("no %s in %s", expected, text);
  }
  assert_int_equal(live_count(text, "\"range\":\"Bags\",\"recency\":"), 1); // its thresholds
  free(text);
}

static void test_a_range(void **state) {
  (void)state;
  struct rfm_thresholds bounds;
  struct rfm_segments segments;
  struct diag diag;
  uint32_t phones, customer, range;
  unsigned customers[RFM_SEGMENTS_MAX + 1] = {0};
  struct rfm_summary *parts = calloc(book.pairs.count, sizeof *parts);
  size_t count = 0;
  rfm_segments_default(&segments);
  assert_true(roster_find(&book.ranges, BYTES("Phones"), &phones));
  for (size_t i = 0; i < book.pairs.count; i++) {
    rfm_book_pair(&book, i, &customer, &range);
    if (range == phones) parts[count++] = book.parts[i];
  }
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 5, parts, count, &bounds, &diag), ERR_OK);
  for (size_t i = 0; i < count; i++) customers[segment_in_book(&bounds, &parts[i])]++;
  free(parts);
  char *text = told("rfm", "{" AT ",\"range\":\"Phones\"}");
  for (size_t i = 0; i <= segments.count; i++) {
    char expected[96];
    snprintf(expected, sizeof expected, "{\"segment\":\"%s\",\"customers\":%u,", rfm_segment_name(&segments, i),
             customers[i]);
    if (strstr(text, expected) == NULL) fail_msg("no %s in %s", expected, text);
  }
  free(text);
}

// What a file of the same orders gives, line by line.
static void test_summaries(void **state) {
  (void)state;
  for (int range = -1; range < 3; range++) {
    struct engine_score_asked asked = {.has_day = true, .day = AT_DAY};
    struct engine_view *view;
    struct buffer out;
    struct diag diag;
    size_t lines = 1;
    if (range >= 0) asked.range = bytes_from_text(ranges[range]);
    buffer_init(&out);
    assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
    assert_int_equal(engine_score_summaries(view, &asked, &out, &diag), ERR_OK);
    engine_view_close(view);
    buffer_append_byte(&out, 0);
    for (uint32_t i = 0; i < book.customers.count; i++) {
      char expected[128], amount[DECIMAL_TEXT_BYTES];
      uint32_t number = 0;
      if (range >= 0) assert_true(roster_find(&book.ranges, asked.range, &number));
      struct rfm_summary summary = range < 0 ? book.totals[i] : rfm_book_part(&book, i, number);
      if (summary.orders == 0) continue;
      decimal_format(summary.amount, amount);
      snprintf(expected, sizeof expected, "\n%s,%lld,%llu,%s\n", (const char *)book.customers.items[i].data,
               (long long)summary.recency_days, (unsigned long long)summary.orders, amount);
      if (strstr((const char *)out.data, expected) == NULL) fail_msg("no %s in %s", expected, (const char *)out.data);
      lines++;
    }
    assert_int_equal(live_count((const char *)out.data, "\n"), lines);
    buffer_release(&out);
  }
}

static void test_moves(void **state) {
  (void)state;
  struct rfm_thresholds bounds;
  struct rfm_segments segments;
  struct diag diag;
  static struct rfm_moves moves;
  static struct rfm_book before;
  rfm_segments_default(&segments);
  rfm_moves_init(&moves, &segments);
  rfm_book_init(&before, AT_DAY - 60);
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 5, book.totals, book.customers.count, &bounds, &diag), ERR_OK);
  for (int customer = 0; customer < CUSTOMERS; customer++)
    for (int number = 0; number <= customer % 5; number++) {
      char name[16];
      int price = 10 + (customer * 7 + number * 13) % 90;
      snprintf(name, sizeof name, "c%d", customer + 1);
      struct rfm_order order = {.customer = bytes_from_text(name), .day = AT_DAY - (customer * 11 + number * 29) % 280};
      order.amount = (struct decimal){.coefficient = (decimal_coefficient)(price * 100 + 25), .exponent = -2};
      assert_int_equal(rfm_book_add(&before, &order, &diag), ERR_OK);
    }
  for (uint32_t i = 0; i < book.customers.count; i++) {
    size_t from = segments.count + 1;
    if (before.totals[i].orders > 0) from = segment_in_book(&bounds, &before.totals[i]);
    rfm_moves_add(&moves, from, segment_in_book(&bounds, &book.totals[i]));
  }
  rfm_book_release(&before);
  char *text = told("rfm_moves", "{" AT ",\"since\":\"2026-08-28\"}");
  size_t rows = 0;
  for (size_t i = 0; i < moves.size * moves.size; i++) {
    char expected[160];
    size_t from = i / moves.size, to = i % moves.size;
    if (moves.counts[i] == 0) continue;
    snprintf(expected, sizeof expected, "{\"from\":\"%s\",\"to\":\"%s\",\"customers\":%llu,",
             from == segments.count + 1 ? "No order" : rfm_segment_name(&segments, from),
             rfm_segment_name(&segments, to), (unsigned long long)moves.counts[i]);
    if (strstr(text, expected) == NULL) fail_msg("no %s in %s", expected, text);
    rows++;
  }
  assert_int_equal(live_count(text, "{\"from\":"), rows);
  free(text);
}

// --- a score's own -----------------------------------------------------------------------------------------------

static void put_score(const char *json) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  struct diag diag;
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit.parser, bytes_from_text(json), engine_names(kit.engine), &packed, &diag),
                   ERR_OK);
  enum err err = engine_score_put(kit.engine, (struct value){buffer_view(&packed)}, BYTES("ann"), NULL, NULL,
                                  &answer.writer, &commit, &answer.diag);
  free(live_told(&kit, &answer, err));
  buffer_release(&packed);
  live_settle(&kit);
}

static void test_by_a_score(void **state) {
  (void)state;
  put_score("{\"id\":\"two\",\"bins\":2,\"method\":\"fixed\",\"thresholds\":{\"global\":{\"recency\":[100],"
            "\"frequency\":[3],\"monetary\":[1]}}}");
  char *text = told("rfm", "{" AT "}");
  assert_non_null(strstr(text, "\"score\":\"two, version 1\""));
  unsigned matrix[2][2] = {{0}};
  for (size_t i = 0; i < book.customers.count; i++)
    matrix[book.totals[i].recency_days < 100][book.totals[i].orders >= 3]++;
  char expected[128];
  snprintf(expected, sizeof expected, "[{\"recency\":2,\"f1\":%u,\"f2\":%u},{\"recency\":1,\"f1\":%u,\"f2\":%u}]",
           matrix[1][0], matrix[1][1], matrix[0][0], matrix[0][1]);
  if (strstr(text, expected) == NULL) fail_msg("no %s in %s", expected, text);
  free(text);
  refused("rfm", "{\"score\":\"tow\"}", "no_score");
  refused("rfm", "{\"score\":\"two\",\"range\":\"Phones\"}", "no_range");
  refused("rfm_moves", "{" AT ",\"since\":\"2026-10-28\"}", "out_of_range");
  refused("rfm", "{\"since\":\"2026-10-28\"}", "unknown_member");
}

static void test_threads(void **state) {
  (void)state;
  static const char *const kinds[] = {"rfm", "rfm_moves"};
  for (size_t i = 0; i < 2; i++) asked_in_threads(&kit, &(struct asked){.kind = kinds[i], .options = "{" AT "}"});
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define PROJECTED(name) cmocka_unit_test_setup_teardown(name, set_up_projected, tear_down)
  const struct CMUnitTest tests[] = {PROJECTED(test_segments), PROJECTED(test_summaries), TEST(test_segments),
                                     TEST(test_a_range),       TEST(test_summaries),      TEST(test_moves),
                                     TEST(test_by_a_score),    TEST(test_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
