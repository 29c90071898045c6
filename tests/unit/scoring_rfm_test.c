// Recency, frequency and amount: thresholds, scores, segments, books of orders.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "scoring/rfm.h"

static struct decimal money(const char *text) {
  struct decimal number = {0};
  assert_int_equal(decimal_parse(bytes_from_text(text), &number, NULL), ERR_OK);
  return number;
}

static struct rfm_summary summary_of(int64_t days, uint64_t orders, const char *amount) {
  return (struct rfm_summary){days, orders, money(amount)};
}

static struct names *names;
static struct buffer packed;

static int open_names(void **state) {
  (void)state;
  buffer_init(&packed);
  return names_open(&names, NULL, NULL) == ERR_OK ? 0 : -1;
}

static int close_names(void **state) {
  (void)state;
  buffer_release(&packed);
  names_close(names);
  return 0;
}

static struct value parsed(const char *json) {
  struct value_parser *parser;
  buffer_clear(&packed);
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  assert_int_equal(value_parse_json(parser, bytes_from_text(json), names, &packed, NULL), ERR_OK);
  value_parser_close(parser);
  return (struct value){buffer_view(&packed)};
}

// --- thresholds ----------------------------------------------------------------------------------------------

// R: quantile(c(1, 2, 3, 4, 5, 6, 7, 8, 10, 20), c(.2, .4, .6, .8)) is 2.8, 4.6, 6.4, 8.4; the package adds 1.
static void quantiles_are_those_of_r(void **state) {
  (void)state;
  static const int days[] = {20, 1, 3, 2, 10, 8, 7, 4, 6, 5};
  static const double bounds[] = {3.8, 5.6, 7.4, 9.4};
  struct rfm_summary summaries[10];
  struct rfm_thresholds thresholds;
  for (size_t i = 0; i < 10; i++) summaries[i] = summary_of(days[i], (uint64_t)days[i], "1.5");
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 5, summaries, 10, &thresholds, NULL), ERR_OK);
  for (int i = 0; i < 4; i++) {
    assert_true(fabs(thresholds.bounds[RFM_RECENCY][i] - bounds[i]) < 1e-12);
    assert_true(fabs(thresholds.bounds[RFM_FREQUENCY][i] - bounds[i]) < 1e-12);
    assert_true(thresholds.bounds[RFM_MONETARY][i] == 2.5); // all equal: nobody reaches it
  }
  struct rfm_scores scores = rfm_scores_of(&summaries[0], &thresholds);
  assert_int_equal(scores.recency, 1);
  assert_int_equal(scores.frequency, 5);
  assert_int_equal(scores.monetary, 1);
  assert_int_equal(rfm_number(scores), 151);
}

static void a_bound_belongs_to_the_bin_above(void **state) {
  (void)state;
  struct rfm_thresholds thresholds = {5, {{115, 181, 297.4, 482}, {4, 5, 6, 8}, {255.8, 382, 506.4, 666}}};
  static const struct {
    int64_t days;
    uint64_t orders;
    const char *amount;
    unsigned number;
  } cases[] = {{114, 8, "666", 555},      {115, 7, "665.99", 444}, {181, 6, "506.40", 344},
               {297, 5, "506.3999", 333}, {298, 4, "382.00", 223}, {481, 3, "381.999", 212},
               {482, 1, "-5", 111},       {0, 0, "0", 511},        {100000, 1000000, "255.8", 152}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct rfm_summary summary = summary_of(cases[i].days, cases[i].orders, cases[i].amount);
    assert_int_equal(rfm_number(rfm_scores_of(&summary, &thresholds)), cases[i].number);
  }
}

// Ten customers in five groups of two; equals stay together, in the lower group.
static void ntile_makes_equal_groups(void **state) {
  (void)state;
  struct rfm_summary summaries[10];
  struct rfm_thresholds thresholds;
  for (size_t i = 0; i < 10; i++) summaries[i] = summary_of((int64_t)i, i < 5 ? 1 : i, "7");
  assert_int_equal(rfm_thresholds_find(RFM_NTILE, 5, summaries, 10, &thresholds, NULL), ERR_OK);
  static const double days[] = {2, 4, 6, 8}, orders[] = {5, 5, 6, 8};
  for (int i = 0; i < 4; i++) {
    assert_true(thresholds.bounds[RFM_RECENCY][i] == days[i]);
    assert_true(thresholds.bounds[RFM_FREQUENCY][i] == orders[i]);
  }
  struct rfm_scores once = rfm_scores_of(&summaries[0], &thresholds);
  assert_int_equal(once.frequency, 1);
  assert_int_equal(once.monetary, 1);
  assert_int_equal(once.recency, 5);
}

static void few_customers_and_odd_bins(void **state) {
  (void)state;
  struct rfm_thresholds thresholds;
  struct diag diag;
  struct rfm_summary some[] = {{3, 1, money("10")}, {5, 0, money("0")}, {9, 2, money("99999999999999999999.99")}};
  diag_init(&diag);
  for (unsigned bins = RFM_BINS_MIN; bins <= RFM_BINS_MAX; bins++)
    for (int method = RFM_QUANTILE; method <= RFM_NTILE; method++)
      for (size_t count = 1; count <= 3; count++) {
        assert_int_equal(rfm_thresholds_find((enum rfm_method)method, bins, some, count, &thresholds, NULL), ERR_OK);
        for (unsigned i = 1; i + 1 < bins; i++)
          assert_true(thresholds.bounds[RFM_MONETARY][i] >= thresholds.bounds[RFM_MONETARY][i - 1]);
        struct rfm_scores scores = rfm_scores_of(&some[0], &thresholds);
        assert_in_range(scores.recency, 1, bins);
        assert_in_range(scores.monetary, 1, bins);
      }
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 5, some, 0, &thresholds, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "no_customers");
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 5, &some[1], 1, &thresholds, &diag), ERR_INVALID);
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 11, some, 3, &thresholds, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "bad_bins");
  assert_int_equal(rfm_thresholds_find(RFM_FIXED, 5, some, 3, &thresholds, &diag), ERR_INVALID);
}

static void thresholds_are_a_document(void **state) {
  (void)state;
  struct rfm_thresholds out = {4, {{0.1 + 0.2, 5, 5}, {1, 2, 3}, {-4, 0, 1e15 + 0.3}}}, in;
  struct buffer text;
  struct json_writer writer;
  struct diag diag;
  buffer_init(&text);
  json_writer_init(&writer, &text);
  rfm_thresholds_write(&writer, &out);
  buffer_append_byte(&text, '\0');
  assert_int_equal(rfm_thresholds_read(parsed((char *)text.data), names, &in, NULL), ERR_OK);
  assert_int_equal(in.bins, 4);
  assert_memory_equal(in.bounds, out.bounds, sizeof in.bounds);
  buffer_release(&text);
  static const char *const wrong[] = {"[]",
                                      "{}",
                                      "{\"recency\":[1],\"frequency\":[1],\"monetary\":[1,2]}",
                                      "{\"recency\":[1,2],\"frequency\":[1,2],\"monetary\":[2,1]}",
                                      "{\"recency\":[1,2],\"frequency\":[1,\"2\"],\"monetary\":[2,1]}",
                                      "{\"bins\":3,\"recency\":[1],\"frequency\":[1],\"monetary\":[1]}",
                                      "{\"bins\":1,\"recency\":[],\"frequency\":[],\"monetary\":[]}",
                                      "{\"bins\":99999999999,\"recency\":[],\"frequency\":[],\"monetary\":[]}",
                                      "{\"recency\":[1e999],\"frequency\":[1],\"monetary\":[1]}"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    diag_init(&diag);
    assert_int_equal(rfm_thresholds_read(parsed(wrong[i]), names, &in, &diag), ERR_INVALID);
    assert_true(diag.message[0] != '\0');
  }
}

static void amounts_become_the_nearest_doubles(void **state) {
  (void)state;
  assert_true(rfm_double(money("-12.345")) == -12.345);
  assert_true(rfm_double(money("0.1")) == 0.1);
  assert_true(rfm_double(money("99999999999999999999.99")) == 99999999999999999999.99);
}

// --- segments ------------------------------------------------------------------------------------------------

static const char *name_of(const struct rfm_segments *segments, unsigned r, unsigned f, unsigned m) {
  return rfm_segment_name(segments, rfm_segment_of(segments, (struct rfm_scores){r, f, m}, segments->bins));
}

static void the_first_segment_that_matches(void **state) {
  (void)state;
  struct rfm_segments segments;
  rfm_segments_default(&segments);
  assert_string_equal(name_of(&segments, 5, 5, 5), "Champions");
  assert_string_equal(name_of(&segments, 4, 5, 5), "Potential Loyalist");
  assert_string_equal(name_of(&segments, 3, 3, 3), "Potential Loyalist"); // a Loyal Customer too
  assert_string_equal(name_of(&segments, 2, 3, 3), "Loyal Customers");
  assert_string_equal(name_of(&segments, 4, 1, 4), "Promising");
  assert_string_equal(name_of(&segments, 5, 2, 1), "New Customers");
  assert_string_equal(name_of(&segments, 1, 3, 5), "Can't Lose Them");
  assert_string_equal(name_of(&segments, 1, 5, 5), "At Risk");
  assert_string_equal(name_of(&segments, 1, 3, 3), "Need Attention");
  assert_string_equal(name_of(&segments, 2, 1, 1), "About To Sleep");
  assert_string_equal(name_of(&segments, 1, 1, 1), "Lost");
  assert_string_equal(name_of(&segments, 2, 1, 5), "Others");
  // Ten bins fall on five in pairs.
  assert_int_equal(rfm_segment_of(&segments, (struct rfm_scores){9, 10, 9}, 10), 0);
  assert_int_not_equal(rfm_segment_of(&segments, (struct rfm_scores){8, 10, 9}, 10), 0);
}

static void segments_are_a_document(void **state) {
  (void)state;
  struct rfm_segments out, in;
  struct buffer text;
  struct json_writer writer;
  struct diag diag;
  rfm_segments_default(&out);
  buffer_init(&text);
  json_writer_init(&writer, &text);
  rfm_segments_write(&writer, &out);
  buffer_append_byte(&text, '\0');
  assert_int_equal(rfm_segments_read(parsed((char *)text.data), names, &in, NULL), ERR_OK);
  assert_memory_equal(&in, &out, sizeof in);
  buffer_release(&text);
  static const char *const wrong[] = {
      "3",
      "{\"segments\":[]}",
      "{\"segments\":[{}]}",
      "{\"segments\":[{\"name\":\"A\",\"recency\":[0,2]}]}",
      "{\"segments\":[{\"name\":\"A\",\"recency\":[2,6]}]}",
      "{\"segments\":[{\"name\":\"A\",\"recency\":[3,2]}]}",
      "{\"segments\":[{\"name\":\"A\",\"recency\":[3]}]}",
      "{\"segments\":[{\"name\":\"A\",\"recency\":[5,5]},{\"name\":\"A\"}]}",
      "{\"segments\":[{\"name\":\"A\",\"recency\":[4,5]},{\"name\":\"B\",\"recency\":[5,5]}]}",
      "{\"segments\":[{\"name\":\"A\"}],\"others\":\"A\"}",
      "{\"bins\":11,\"segments\":[{\"name\":\"A\"}]}"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    diag_init(&diag);
    assert_int_not_equal(rfm_segments_read(parsed(wrong[i]), names, &in, &diag), ERR_OK);
    assert_true(diag.message[0] != '\0');
  }
}

// --- a book --------------------------------------------------------------------------------------------------

static void add(struct rfm_book *book, const char *customer, const char *range, const char *id, int32_t day,
                const char *amount) {
  struct rfm_order order = {bytes_from_text(customer), bytes_from_text(range), bytes_from_text(id), day, money(amount)};
  assert_int_equal(rfm_book_add(book, &order, NULL), ERR_OK);
}

// A basket set small enough to be counted by hand. Day 1000 is the analysis day.
static void ranges_have_books_of_their_own(void **state) {
  (void)state;
  struct rfm_book book;
  struct rfm_thresholds thresholds;
  uint32_t customer, range;
  rfm_book_init(&book, 1000);
  add(&book, "zoe", "Phones", "o1", 300, "899.00");
  add(&book, "zoe", "Cases", "o1", 300, "19.90"); // the same order
  add(&book, "zoe", "Cases", "o2", 990, "24.90");
  add(&book, "zoe", "Cases", "o2", 990, "24.90"); // a second line of it
  add(&book, "leo", "Phones", "o3", 995, "0.10");
  add(&book, "leo", "Phones", "o4", 400, "0.20");
  add(&book, "ana", "Cases", "o5", 1000, "-5.00");
  add(&book, "ana", "", "o6", 900, "7");
  add(&book, "tom", "Cases", "o7", 1001, "50"); // tomorrow
  assert_int_equal(book.rows, 9);
  assert_int_equal(book.late, 1);
  assert_int_equal(book.customers.count, 4);
  assert_int_equal(book.totals[0].orders, 2);
  assert_int_equal(book.totals[0].recency_days, 10);
  assert_int_equal(decimal_compare(book.totals[0].amount, money("968.70")), 0);
  assert_int_equal(decimal_compare(book.totals[1].amount, money("0.30")), 0); // not 0.30000000000000004
  assert_int_equal(book.totals[2].recency_days, 0);
  assert_int_equal(decimal_compare(book.totals[2].amount, money("2")), 0);
  assert_int_equal(book.totals[3].orders, 0);
  struct rfm_summary phones = rfm_book_part(&book, 0, 0), cases = rfm_book_part(&book, 0, 1);
  assert_int_equal(phones.orders, 1);
  assert_int_equal(phones.recency_days, 700);
  assert_int_equal(cases.orders, 2);
  assert_int_equal(decimal_compare(cases.amount, money("69.70")), 0);
  assert_int_equal(rfm_book_part(&book, 2, 0).orders, 0);
  rfm_book_pair(&book, 2, &customer, &range);
  assert_int_equal(customer, 1);
  assert_int_equal(range, 0);
  // 700 days without a phone are not long among those who buy phones; 700 without a case would be.
  struct rfm_summary buyers[] = {phones, rfm_book_part(&book, 1, 0)};
  assert_int_equal(rfm_thresholds_find(RFM_QUANTILE, 2, buyers, 2, &thresholds, NULL), ERR_OK);
  assert_true(thresholds.bounds[RFM_RECENCY][0] == (700 + 5) / 2.0 + 1);
  rfm_book_release(&book);
}

static void a_book_refuses(void **state) {
  (void)state;
  struct rfm_book book;
  struct diag diag;
  struct rfm_order nobody = {.day = 1};
  struct rfm_summary summary = summary_of(3, 2, "10.00"), tomorrow = summary_of(-1, 2, "10.00");
  diag_init(&diag);
  rfm_book_init(&book, 10);
  assert_int_equal(rfm_book_add(&book, &nobody, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "no_customer");
  assert_int_equal(rfm_book_put(&book, BYTES("zoe"), &summary, &diag), ERR_OK);
  assert_int_equal(rfm_book_put(&book, BYTES("zoe"), &summary, &diag), ERR_OK);
  assert_int_equal(book.again, 1);
  assert_int_equal(book.customers.count, 2);
  assert_int_equal(book.totals[1].orders, 2);
  assert_int_equal(rfm_book_put(&book, BYTES("leo"), &tomorrow, &diag), ERR_OK);
  assert_int_equal(book.late, 1);
  rfm_book_release(&book);
}

static void a_roster_keeps_its_numbers(void **state) {
  (void)state;
  struct roster roster;
  uint32_t number;
  roster_init(&roster);
  assert_false(roster_find(&roster, BYTES("x"), &number));
  for (int round = 0; round < 2; round++)
    for (uint32_t i = 0; i < 5000; i++) {
      char text[16];
      snprintf(text, sizeof text, "c%u", i * 7919);
      assert_int_equal(roster_number(&roster, bytes_from_text(text), &number), ERR_OK);
      assert_int_equal(number, i);
    }
  assert_int_equal(roster_number(&roster, BYTES(""), &number), ERR_OK);
  assert_int_equal(number, 5000);
  assert_true(bytes_equal(roster.items[1], BYTES("c7919")));
  roster_release(&roster);
}

static void moves_are_counted(void **state) {
  (void)state;
  struct rfm_segments segments;
  struct rfm_moves moves;
  rfm_segments_default(&segments);
  rfm_moves_init(&moves, &segments);
  rfm_moves_add(&moves, 0, 9);
  rfm_moves_add(&moves, 0, 9);
  rfm_moves_add(&moves, segments.count + 1, segments.count);
  assert_int_equal(moves.counts[9], 2);
  assert_int_equal(moves.counts[moves.size * (moves.size - 1) + segments.count], 1);
}

static void survives_short_memory(void **state) {
  (void)state;
  struct rfm_order order = {BYTES("zoe"), BYTES("Phones"), BYTES("o1"), 5, money("3")};
  for (uint64_t allowed = 0;; allowed++) {
    struct rfm_book book;
    struct rfm_thresholds thresholds;
    rfm_book_init(&book, 10);
    alloc_fail_after(allowed, true);
    enum err err = rfm_book_add(&book, &order, NULL);
    if (err == ERR_OK) err = rfm_thresholds_find(RFM_QUANTILE, 5, book.totals, 1, &thresholds, NULL);
    bool failed = alloc_fail_disarm();
    rfm_book_release(&book);
    if (!failed) break;
    assert_int_equal(err, ERR_NO_MEMORY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantiles_are_those_of_r),       cmocka_unit_test(a_bound_belongs_to_the_bin_above),
      cmocka_unit_test(ntile_makes_equal_groups),       cmocka_unit_test(few_customers_and_odd_bins),
      cmocka_unit_test(thresholds_are_a_document),      cmocka_unit_test(amounts_become_the_nearest_doubles),
      cmocka_unit_test(the_first_segment_that_matches), cmocka_unit_test(segments_are_a_document),
      cmocka_unit_test(ranges_have_books_of_their_own), cmocka_unit_test(a_book_refuses),
      cmocka_unit_test(a_roster_keeps_its_numbers),     cmocka_unit_test(moves_are_counted),
      cmocka_unit_test(survives_short_memory),
  };
  return cmocka_run_group_tests(tests, open_names, close_names);
}
