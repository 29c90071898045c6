// Reports over a workspace whose every figure is known: sales of a period beside the one before; the list of kinds;
// options that are refused, each with its code and words; the same bytes in any number of threads; and all of it with
// the n-th allocation failing.
#include "engine_report_kit.h"

static struct kit kit;

// March and February 2026, days of Paris. zoe is new in March, bob bought before, ann only in February, a visitor
// without a name buys on the web. t: 59 days are up to 2026-03-01.
static const char *const lines[] = {
    "message track t=864000 user_id:bob name=Order+Completed {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"B0\",\"total\":10}}",
    // 2026-02-10
    "message track t=3456000 user_id:ann name=Order+Completed {\"context\":{\"channel\":\"web\"},\"properties\":"
    "{\"order_id\":\"A1\",\"total\":40.00,\"products\":[{\"category\":\"Cases\",\"price\":20,\"quantity\":2}]}}",
    // 2026-02-20
    "message track t=4320000 user_id:bob name=Order+Completed {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"B1\",\"total\":60.00,\"store\":\"Lyon\",\"products\":[{\"category\":\"Phones\",\"price\":60}]}}",
    // 2026-02-28 23:30 in Paris is February, 2026-03-01 00:30 is March
    "message track t=5092200 user_id:ann name=Order+Completed {\"context\":{\"channel\":\"web\"},\"properties\":"
    "{\"order_id\":\"A2\",\"total\":100.00}}",
    "message track t=5095800 user_id:zoe name=Order+Completed {\"context\":{\"channel\":\"web\"},\"properties\":"
    "{\"order_id\":\"Z1\",\"total\":30.00,\"products\":[{\"category\":\"Cases\",\"price\":10,\"quantity\":1},"
    "{\"category\":\"Cases\",\"price\":20,\"quantity\":1}]}}",
    // 2026-03-10
    "message track t=5875200 user_id:zoe name=Order+Completed {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"Z2\",\"total\":170.05,\"store\":\"Lyon\",\"products\":[{\"category\":\"Phones\",\"price\":170.05}]"
    "}}",
    "message track t=5875300 user_id:bob name=Order+Completed {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"B2\",\"total\":99.95,\"store\":\"=cmd|' /c calc'!A0\",\"products\":[{\"category\":\"Phones\","
    "\"price\":99.95}]}}",
    "message track t=5875300 anonymous_id:v1 name=Order+Completed {\"context\":{\"channel\":\"web\"},\"properties\":"
    "{\"order_id\":\"V1\",\"total\":100.00}}",
    "message track t=5961600 user_id:zoe name=Order+Refunded {\"context\":{\"channel\":\"store\"},\"properties\":"
    "{\"order_id\":\"Z2\",\"total\":20.00,\"store\":\"Lyon\",\"products\":[{\"category\":\"Phones\",\"price\":20}]}}",
    // Mails of March: zoe is sent c1 twice, opens it, clicks, and clicks in c2 on the 10th; bob clicks a week before he
    // buys, to the second.
    "message track t=5800000 user_id:zoe name=Email+Delivered {\"properties\":{\"campaign\":\"c1\"}}",
    "message track t=5800100 user_id:zoe name=Email+Sent {\"properties\":{\"campaign_name\":\"c1\"}}",
    "message track t=5800200 user_id:zoe name=Email+Opened {\"properties\":{\"campaign_id\":\"c1\"}}",
    "message track t=5800300 user_id:zoe name=Email+Clicked {\"properties\":{\"campaign\":\"c1\"}}",
    "message track t=5873000 user_id:zoe name=Email+Link+Clicked {\"context\":{\"campaign\":{\"name\":\"c2\"}}}",
    "message track t=5270400 user_id:bob name=Email+Delivered {\"properties\":{\"campaign\":\"c1\"}}",
    "message track t=5270500 user_id:bob name=Email+Clicked {\"properties\":{\"campaign\":\"c1\"}}",
    // 2026-04-01 00:00 in Paris
    "message track t=7768800 user_id:zoe name=Order+Completed {\"properties\":{\"order_id\":\"Z3\",\"total\":1000}}",
};

static int set_up(void **state) {
  struct engine_commit commit = {0};
  struct diag diag;
  read_set_up(state, &kit, NULL, 0);
  assert_int_equal(engine_zone_put(kit.engine, BYTES("Europe/Paris"), BYTES("ann"), &commit, &diag), ERR_OK);
  read_lines(&kit, lines, sizeof lines / sizeof *lines);
  return 0;
}

// --- asking --------------------------------------------------------------------------------------------------

static void expect_csv(const char *kind, const char *options, const char *table, const char *expected) {
  char *text = asked_text(&kit, &(struct asked){.kind = kind, .options = options, .table = table});
  assert_string_equal(text, expected);
  free(text);
}

static void expect_json(const char *kind, const char *options, const char *part) {
  char *text = asked_text(&kit, &(struct asked){.kind = kind, .options = options});
  if (strstr(text, part) == NULL) fail_msg("%s", text);
  free(text);
}

static void expect_refused(const char *kind, const char *options, const char *code, const char *field,
                           const char *words) {
  struct diag diag;
  asked_refused(&kit, &(struct asked){.kind = kind, .options = options}, code, &diag);
  assert_string_equal(diag.field, field);
  if (strstr(diag.message, words) == NULL) fail_msg("%s: %s", options, diag.message);
}

// --- sales ---------------------------------------------------------------------------------------------------

#define MARCH "{\"from\":\"2026-03-01\",\"to\":\"2026-03-31\",\"by\":\"week\"}"

static void test_sales_figures(void **state) {
  (void)state;
  expect_csv("sales", MARCH, "money",
             "figure,amount,before,change\n"
             "Revenue,400.00,200.00,1\n"
             "Returned,20.00,0.00,\n"
             "Revenue less returned,380.00,200.00,0.9\n"
             "Revenue of new customers,300.05,140.00,1.1432142857142857\n"
             "Revenue of returning customers,99.95,60.00,0.6658333333333334\n"
             "Average basket,100.00,66.67,0.5\n");
  expect_csv("sales", MARCH, "counts",
             "figure,count,before,change\n"
             "Orders,4,3,0.3333333333333333\nUnits,4,3,0.3333333333333333\nReturns,1,0,\nUnits returned,1,0,\n"
             "Customers,3,2,0.5\nNew customers,2,1,1\nReturning customers,1,1,0\n");
  expect_csv("sales", MARCH, "shares",
             "figure,share,before\n"
             "Orders of identified customers,0.75,1\nRevenue of identified customers,0.75,1\n"
             "Revenue of new customers,0.750125,0.7\n\"Returned, of the revenue\",0.05,0\n");
}

static void test_sales_by_place_and_time(void **state) {
  (void)state;
  expect_csv(
      "sales", MARCH, "channels",
      "channel,revenue,share,orders,average_basket,returned,revenue_before,change\n"
      "store,270.00,0.675,2,135.00,20.00,60.00,3.5\nweb,130.00,0.325,2,65.00,0.00,140.00,-0.07142857142857142\n");
  expect_csv("sales", MARCH, "stores",
             "store,revenue,share,orders,average_basket,returned,revenue_before,change\n"
             "Lyon,170.05,0.425125,1,170.05,20.00,60.00,1.8341666666666667\n"
             ",130.00,0.325,2,65.00,0.00,140.00,-0.07142857142857142\n"
             "'=cmd|' /c calc'!A0,99.95,0.249875,1,99.95,0.00,0.00,\n");
  expect_csv("sales", MARCH, "ranges",
             "range,revenue,share,orders,units,returned,revenue_before,change\n"
             "Phones,270.00,0.9,2,2,20.00,60.00,3.5\nCases,30.00,0.1,1,2,0.00,40.00,-0.25\n");
  expect_csv("sales", MARCH, "time",
             "first_day,revenue,share,orders,customers,returned\n"
             "2026-03-01,30.00,0.075,1,1,0.00\n2026-03-02,0.00,0,0,0,0.00\n2026-03-09,370.00,0.925,3,3,20.00\n"
             "2026-03-16,0.00,0,0,0,0.00\n2026-03-23,0.00,0,0,0,0.00\n2026-03-30,0.00,0,0,0,0.00\n");
}

static void test_periods(void **state) {
  (void)state;
  expect_json("sales", MARCH,
              "\"period\":\"2026-03-01 to 2026-03-31\",\"time_zone\":\"Europe/Paris\","
              "\"previous\":\"2026-02-01 to 2026-02-28\"");
  expect_json("sales", "{\"from\":\"2026-03-02\",\"to\":\"2026-03-08\"}", "\"previous\":\"2026-02-23 to 2026-03-01\"");
  // An hour that is missing at the end of March is none of a period by days.
  expect_json("sales", "{\"from\":\"2026-03-26\",\"to\":\"2026-04-01\"}", "\"previous\":\"2026-03-19 to 2026-03-25\"");
  expect_json("sales", "{\"from\":\"2026-03-01T10:00:00Z\",\"to\":\"2026-03-01T12:00:00Z\"}",
              "\"period\":\"2026-03-01 11:00:00 to 2026-03-01 13:00:00\",\"time_zone\":\"Europe/Paris\","
              "\"previous\":\"2026-03-01 09:00:00 to 2026-03-01 11:00:00\"");
  // The clock stands at 300 days after the first of January, 01:00 in Paris.
  expect_json("sales", "{}", "\"period\":\"2026-09-30 to 2026-10-27\"");
  expect_json("sales", "{\"to\":\"2026-03-28\",\"by\":null}", "\"period\":\"2026-03-01 to 2026-03-28\"");
  expect_json("sales", "{\"from\":\"2026-10-28\"}", "\"period\":\"2026-10-28 to 2026-10-28 01:00:00\"");
}

static void test_what_is_refused(void **state) {
  (void)state;
  expect_refused("sale", "{}", "no_such_report", "", "did you mean \"sales\"?");
  expect_refused("sales", "{\"form\":1}", "unknown_member", "form", "did you mean \"from\"?");
  expect_refused("sales", "[]", "wrong_type", "", "an object");
  expect_refused("sales", "{\"from\":7}", "wrong_type", "from", "a text");
  expect_refused("sales", "{\"to\":\"soon\"}", "bad_time", "to", "as 2026-01-31");
  expect_refused("sales", "{\"from\":\"2026-03-02\",\"to\":\"2026-03-01\"}", "out_of_range", "from", "must be before");
  expect_refused("sales", "{\"by\":\"weak\"}", "unknown_word", "by", "did you mean \"week\"?");
  expect_refused("sales", "{\"from\":\"1900-01-01\",\"to\":\"2026-03-01\",\"by\":\"day\"}", "out_of_range", "by",
                 "by week or by month");
}

// --- base ----------------------------------------------------------------------------------------------------

#define AT_MARCH "{\"at\":\"2026-03-31\",\"days\":31,\"active_days\":31,\"months\":3}"

static void test_base_moves(void **state) {
  (void)state;
  expect_csv("base", AT_MARCH, "moves",
             "figure,customers,before,change\n"
             "Active at the beginning,2,1,1\nNew,2,1,1\nReactivated,0,0,\nLost,1,0,\nActive at the end,3,2,0.5\n"
             "Ever bought,4,2,1\nNot active any more,1,0,\n");
  // bob bought on 11 January and on 20 February.
  expect_csv("base", "{\"at\":\"2026-02-28\",\"days\":10,\"active_days\":31}", "moves",
             "figure,customers,before,change\n"
             "Active at the beginning,1,1,0\nNew,0,1,-1\nReactivated,1,0,\nLost,0,1,-1\nActive at the end,2,1,1\n"
             "Ever bought,2,2,0\nNot active any more,0,1,-1\n");
}

static void test_base_groups(void **state) {
  (void)state;
  expect_csv("base", AT_MARCH, "last_order",
             "last_order,customers,share,revenue,revenue_share\n"
             "0 to 30 days ago,3,0.75,450.00,0.7627118644067796\n31 to 90 days ago,1,0.25,140.00,0.23728813559322035\n"
             "91 to 180 days ago,0,0,0.00,0\n181 to 365 days ago,0,0,0.00,0\n366 to 730 days ago,0,0,0.00,0\n"
             "more than 730 days ago,0,0,0.00,0\n");
  expect_csv(
      "base", AT_MARCH, "orders_ever",
      "orders_ever,customers,share,revenue,revenue_share\n"
      "1,1,0.25,100.00,0.1694915254237288\n2,2,0.5,320.05,0.5424576271186441\n3,1,0.25,169.95,0.2880508474576271\n"
      "4 to 5,0,0,0.00,0\n6 to 10,0,0,0.00,0\n11 and more,0,0,0.00,0\n");
}

static void test_base_cohorts(void **state) {
  (void)state;
  expect_csv("base", AT_MARCH, "cohorts",
             "month,customers,revenue,month_1,month_2,month_3,month_4,month_5,month_6,month_7,month_8,month_9,"
             "month_10,month_11,month_12\n"
             "2026-01-01,1,169.95,1,1,,,,,,,,,,\n2026-02-01,1,140.00,0,,,,,,,,,,,\n"
             "2026-03-01,2,280.05,,,,,,,,,,,,\n");
  // March has not ended.
  expect_csv("base", "{\"at\":\"2026-03-15\",\"months\":2}", "cohorts",
             "month,customers,revenue,month_1,month_2,month_3,month_4,month_5,month_6,month_7,month_8,month_9,"
             "month_10,month_11,month_12\n"
             "2026-02-01,1,140.00,,,,,,,,,,,,\n2026-03-01,2,280.05,,,,,,,,,,,,\n");
}

static void test_base_concentration(void **state) {
  (void)state;
  expect_csv("base", AT_MARCH, "concentration",
             "top,customers,revenue,share,least\n"
             "1 %,1,180.05,0.4738157894736842,180.05\n5 %,1,180.05,0.4738157894736842,180.05\n10 "
             "%,1,180.05,0.4738157894736842,180.05\n20 %,1,180.05,0.4738157894736842,180.05\n"
             "50 %,2,280.05,0.7369736842105263,100.00\n100 %,3,380.00,1,99.95\n");
  expect_json("base", AT_MARCH, "\"gini\":\"0.1405\"");
  expect_json("base", AT_MARCH, "\"at\":\"2026-03-31\",\"time_zone\":\"Europe/Paris\"");
  // Nobody has bought yet.
  expect_csv("base", "{\"at\":\"2025-12-31\"}", "concentration",
             "top,customers,revenue,share,least\n"
             "1 %,0,0.00,,\n5 %,0,0.00,,\n10 %,0,0.00,,\n20 %,0,0.00,,\n50 %,0,0.00,,\n100 %,0,0.00,,\n");
  expect_json("base", "{\"at\":\"2025-12-31\"}", "\"gini\":\"none: nobody spent anything\"");
}

static void test_base_refusals(void **state) {
  (void)state;
  expect_refused("base", "{\"days\":0}", "out_of_range", "days", "from 1 to 3660");
  expect_refused("base", "{\"days\":\"ten\"}", "wrong_type", "days", "a whole number");
  expect_refused("base", "{\"active_days\":20,\"days\":21}", "out_of_range", "days", "\"active_days\" (20)");
  expect_refused("base", "{\"months\":121}", "out_of_range", "months", "from 1 to 120");
  expect_refused("base", "{\"at\":\"0001-01-02\"}", "out_of_range", "at", "later date");
}

// --- campaigns -----------------------------------------------------------------------------------------------

#define CAMPAIGN_COLUMNS                                                                                               \
  "campaign,messages,reached,opened,open_rate,clicked,click_rate,buyers,orders,revenue,revenue_per_reached\n"

static void test_campaigns(void **state) {
  (void)state;
  expect_csv("campaigns", "{\"from\":\"2026-03-01\",\"to\":\"2026-03-31\"}", "campaigns",
             CAMPAIGN_COLUMNS "c2,0,0,0,,1,,1,1,170.05,\nc1,3,2,1,0.5,2,1,0,0,0.00,0.00\n");
  expect_csv("campaigns", "{\"from\":\"2026-03-01\",\"to\":\"2026-03-31\",\"days\":8}", "campaigns",
             CAMPAIGN_COLUMNS "c2,0,0,0,,1,,1,1,170.05,\nc1,3,2,1,0.5,2,1,1,1,99.95,49.98\n");
  // A click after the period takes the order from the one in it.
  expect_csv("campaigns", "{\"from\":\"2026-03-01\",\"to\":\"2026-03-09\",\"days\":8}", "campaigns",
             CAMPAIGN_COLUMNS "c1,3,2,1,0.5,2,1,1,1,99.95,49.98\n");
  expect_csv(
      "campaigns",
      "{\"from\":\"2026-03-01\",\"to\":\"2026-03-31\",\"campaign\":\"upper(campaign)\",\"sent\":[\"Email Sent\"],"
      "\"opened\":[],\"clicked\":[\"Never\"]}",
      "campaigns", CAMPAIGN_COLUMNS ",1,1,0,0,0,0,0,0,0.00,0.00\n");
  // A named event counts for that step and no other: an opening is a click here, and nobody has opened.
  expect_csv("campaigns", "{\"from\":\"2026-03-01\",\"to\":\"2026-03-09\",\"clicked\":[\"Email Opened\"]}", "campaigns",
             CAMPAIGN_COLUMNS "c1,3,2,0,0,1,0.5,1,1,170.05,85.02\n");
}

static void test_campaigns_refusals(void **state) {
  (void)state;
  expect_refused("campaigns", "{\"days\":0}", "out_of_range", "days", "from 1 to 366");
  expect_refused("campaigns", "{\"sent\":\"Email Sent\"}", "wrong_type", "sent", "a list");
  expect_refused("campaigns", "{\"opened\":[1]}", "wrong_type", "opened", "a text");
  expect_refused("campaigns", "{\"clicked\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}", "too_many",
                 "clicked", "at most 8");
  expect_refused("campaigns", "{\"clicked\":[\"Email Sent\"],\"sent\":[\"Email Sent\"]}", "repeated", "clicked",
                 "earlier step");
  expect_refused("campaigns", "{\"campaign\":\"campaign +\"}", "unfinished", "campaign", "");
  expect_refused("campaigns", "{\"campaign\":\"count(\\\"Email Sent\\\")\"}", "wrong_path", "campaign", "itself");
}

// --- all kinds -----------------------------------------------------------------------------------------------

static const struct {
  const char *kind, *options;
} EACH[] = {{"sales", MARCH}, {"base", AT_MARCH}, {"campaigns", "{\"from\":\"2026-03-01\",\"to\":\"2026-03-31\"}"}};
enum { EACH_COUNT = sizeof EACH / sizeof *EACH };

static void test_the_list(void **state) {
  (void)state;
  struct json_writer writer;
  struct buffer out;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  engine_reports_json(&writer);
  buffer_append_byte(&out, 0);
  const char *list = (const char *)out.data;
  assert_non_null(strstr(list, "{\"reports\":[{\"id\":\"sales\",\"title\":\"Sales\",\"description\":"));
  assert_non_null(strstr(list, "{\"name\":\"by\",\"description\":"));
  buffer_release(&out);
}

static void add_crowd(void) {
  kit.check_each = false;
  for (int i = 0; i < 600; i++) {
    char line[320];
    snprintf(line, sizeof line,
             "message track t=%d user_id:crowd%d name=Order+Completed {\"context\":{\"channel\":\"c%d\"},"
             "\"properties\":{\"total\":%d.%02d,\"products\":[{\"category\":\"r%d\",\"price\":%d}]}}",
             5100000 + i * 3000, i % 350, i % 7, i, i % 100, i % 11, i);
    read_line(&kit, line);
  }
}

static void test_any_number_of_threads_gives_the_same_bytes(void **state) {
  (void)state;
  static const unsigned threads[] = {1, 2, 7, 2};
  struct buffer firsts[EACH_COUNT];
  add_crowd();
  for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
    if (t == 3) assert_int_equal(engine_project_now(kit.engine, NULL), ERR_OK); // copies by name are read from now on
    for (size_t i = 0; i < EACH_COUNT; i++) {
      const struct asked asked = {.kind = EACH[i].kind, .options = EACH[i].options, .threads = threads[t]};
      struct buffer out;
      struct diag diag;
      buffer_init(&out);
      assert_int_equal(asked_write(&kit, &asked, &out, &diag), ERR_OK);
      if (t == 0) {
        firsts[i] = out;
        continue;
      }
      assert_int_equal(out.size_bytes, firsts[i].size_bytes);
      assert_memory_equal(out.data, firsts[i].data, out.size_bytes);
      buffer_release(&out);
    }
  }
  for (size_t i = 0; i < EACH_COUNT; i++) buffer_release(&firsts[i]);
}

static void test_whoever_looks_on_may_stop_it(void **state) {
  (void)state;
  for (size_t i = 0; i < EACH_COUNT; i++)
    asked_stopped(&kit, &(struct asked){.kind = EACH[i].kind, .options = EACH[i].options});
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  for (size_t i = 0; i < EACH_COUNT; i++)
    asked_short_of_memory(&kit, &(struct asked){.kind = EACH[i].kind, .options = EACH[i].options}, 32);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_sales_figures, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_sales_by_place_and_time, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_periods, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_base_moves, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_base_groups, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_base_cohorts, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_base_concentration, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_base_refusals, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_campaigns, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_campaigns_refusals, set_up, read_tear_down),
      cmocka_unit_test(test_the_list),
      cmocka_unit_test_setup_teardown(test_any_number_of_threads_gives_the_same_bytes, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_whoever_looks_on_may_stop_it, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_every_allocation_may_fail, set_up, read_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
