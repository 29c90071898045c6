// Research online, purchase offline: a shop whose every figure is known, at every boundary of the window; the same
// bytes in any number of threads; and all of it with the n-th allocation failing.
#include "engine_report_kit.h"

static struct kit kit;

#define STORE "\"context\":{\"channel\":\"store\"}"
#define WEB "\"context\":{\"channel\":\"web\"}"

// Days are of 86,400 s from 2026-01-01; the period is February, the window 10 days.
static const char *const lines[] = {
    // ann looked at two phones by paid search, one of them twice, and buys one 3 days later in Lyon.
    "message page t=2678400 user_id:ann name=Page+Viewed {\"context\":{\"campaign\":{\"source\":\"google\",\"medium\":"
    "\"cpc\"}}}",
    "message track t=2678460 user_id:ann name=Product+Viewed {\"properties\":{\"sku\":\"P1\"}}",
    "message track t=2678470 user_id:ann name=Product+Viewed {\"properties\":{\"sku\":\"P2\"}}",
    "message track t=2678480 user_id:ann name=Product+Viewed {\"properties\":{\"sku\":\"P1\"}}",
    "message track t=2937680 user_id:ann name=Order+Completed {" STORE ",\"properties\":{\"order_id\":\"A1\",\"total\":"
    "300.50,\"store\":\"Lyon\",\"products\":[{\"category\":\"Phones\",\"price\":280.50,\"sku\":\"P1\"},{\"category\":"
    "\"Cases\",\"price\":10,\"quantity\":2}]}}",
    // then online, after the store
    "message track t=3024080 user_id:ann name=Order+Completed {" WEB
    ",\"properties\":{\"order_id\":\"A2\",\"total\":40}}",
    // bob looked exactly 10 days before: too early; the second time a second later
    "message track t=2678400 user_id:bob name=Product+Viewed {\"properties\":{\"sku\":\"P1\"}}",
    "message track t=3542400 user_id:bob name=Order+Completed {" STORE
    ",\"properties\":{\"order_id\":\"B1\",\"total\":100,"
    "\"store\":\"Lyon\"}}",
    "message track t=2764801 user_id:cid name=Product+Viewed {\"properties\":{\"sku\":\"P1\"}}",
    "message track t=3628800 user_id:cid name=Order+Completed {" STORE
    ",\"properties\":{\"order_id\":\"C1\",\"total\":50,"
    "\"store\":\"Paris\"}}",
    // nobody knows who it was
    "message track t=2937600 anonymous_id:v1 name=Product+Viewed {\"properties\":{\"sku\":\"P1\"}}",
    "message track t=2937680 anonymous_id:v1 name=Order+Completed {" STORE
    ",\"properties\":{\"order_id\":\"V1\",\"total\":"
    "49.50,\"store\":\"Paris\"}}",
    // dan only visited the store and bought online; his store order of January is not in the period
    "message track t=2600000 user_id:dan name=Order+Completed {" STORE
    ",\"properties\":{\"order_id\":\"D0\",\"total\":5}}",
    "message track t=2700000 user_id:dan name=Store+Visited {}",
    "message track t=2700000 user_id:dan name=Order+Completed {" WEB
    ",\"properties\":{\"order_id\":\"D1\",\"total\":60}}",
    "message track t=4000000 user_id:dan name=Order+Completed {" WEB
    ",\"properties\":{\"order_id\":\"D2\",\"total\":100}}",
    "message track t=4000001 user_id:dan name=Order+Refunded {" STORE
    ",\"properties\":{\"order_id\":\"D0\",\"total\":5}}",
};

static int set_up(void **state) {
  return read_set_up(state, &kit, lines, sizeof lines / sizeof *lines);
}

#define FEBRUARY "\"from\":\"2026-02-01\",\"to\":\"2026-02-28\",\"within_days\":10"

static void expect(const char *options, const char *table, const char *wanted) {
  char *text = asked_text(&kit, &(struct asked){.kind = "ropo", .options = options, .table = table, .threads = 2});
  assert_string_equal(text, wanted);
  free(text);
}

#define FIGURES(after)                                                                                                 \
  "orders,revenue,identified_orders,identified_revenue,identified_share," after "_orders," after "_revenue," after     \
  "_rate\n"

// Of 500.00 in stores 450.50 are of people; 300.50 and 50.00 of that came after a look online.
static void store_sales(void **state) {
  (void)state;
  expect("{" FEBRUARY "}", "ropo", FIGURES("ropo") "4,500.00,3,450.50,0.901,2,350.50,0.7780244173140954\n");
  expect("{" FEBRUARY "}", "stores",
         "store," FIGURES("ropo") "Lyon,2,400.50,2,400.50,1,1,300.50,0.7503121098626716\n"
                                  "Paris,2,99.50,1,50.00,0.5025125628140703,1,50.00,1\n");
  expect("{" FEBRUARY "}", "ranges",
         "range," FIGURES("ropo") "Phones,1,280.50,1,280.50,1,1,280.50,1\nCases,1,20.00,1,20.00,1,1,20.00,1\n");
  expect("{" FEBRUARY "}", "channels",
         "channel,orders,revenue,share\npaid search,1,300.50,0.8573466476462197\n"
         "(none),1,50.00,0.14265335235378032\n");
  expect("{" FEBRUARY "}", "lags",
         "lag,orders,revenue,share\nunder 1 day,0,0.00,0\n1 day,0,0.00,0\n2 to 3 days,1,300.50,0.8573466476462197\n"
         "4 to 7 days,0,0.00,0\n8 to 14 days,1,50.00,0.14265335235378032\n15 to 30 days,0,0.00,0\n"
         "31 days or more,0,0.00,0\n");
  expect("{" FEBRUARY "}", "products",
         "product,orders,revenue,bought,bought_share\nP1,2,350.50,1,0.5\nP2,1,300.50,0,0\n");
}

static void the_reverse(void **state) {
  (void)state;
  expect("{" FEBRUARY "}", "reverse", FIGURES("reverse") "3,200.00,3,200.00,1,2,100.00,0.5\n");
  expect("{" FEBRUARY "}", "reverse_by", "before,orders,revenue,share\nvisit,1,60.00,0.6\npurchase,2,100.00,1\n");
  expect("{" FEBRUARY "}", "reverse_lags",
         "lag,orders,revenue,share\nunder 1 day,1,60.00,0.6\n1 day,1,40.00,0.4\n2 to 3 days,0,0.00,0\n"
         "4 to 7 days,0,0.00,0\n8 to 14 days,0,0.00,0\n15 to 30 days,0,0.00,0\n31 days or more,0,0.00,0\n");
}

static void windows_and_settings(void **state) {
  (void)state;
  expect("{\"from\":\"2026-02-01\",\"to\":\"2026-02-28\",\"within_days\":11}", "ropo",
         FIGURES("ropo") "4,500.00,3,450.50,0.901,3,450.50,1\n");
  expect("{" FEBRUARY ",\"settings\":{\"online\":[{\"event\":\"Product Viewed\",\"when\":\"sku = \\\"P2\\\"\"}]}}",
         "ropo", FIGURES("ropo") "4,500.00,3,450.50,0.901,1,300.50,0.6670366259711432\n");
  expect("{" FEBRUARY ",\"settings\":{\"exclude\":\"count(\\\"Product Viewed\\\") >= 3\"}}", "ropo",
         FIGURES("ropo") "3,199.50,2,150.00,0.7518796992481203,1,50.00,0.3333333333333333\n");
  expect("{\"from\":\"2025-02-01\",\"to\":\"2025-02-28\"}", "ropo", FIGURES("ropo") "0,0.00,0,0.00,,0,0.00,\n");
}

static void refused(void **state) {
  (void)state;
  static const char *const CASES[][2] = {{"{\"within_days\":0}", "out_of_range"},
                                         {"{\"within\":3}", "unknown_member"},
                                         {"{\"products\":\"x\"}", "wrong_type"}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct diag diag;
    asked_refused(&kit, &(struct asked){.kind = "ropo", .options = CASES[i][0]}, CASES[i][1], &diag);
    assert_int_equal(diag.err, ERR_INVALID);
  }
}

static const struct asked february = {.kind = "ropo", .options = "{" FEBRUARY "}"};

static void any_number_of_threads(void **state) {
  (void)state;
  asked_in_threads(&kit, &february);
}

static void short_of_memory(void **state) {
  (void)state;
  asked_short_of_memory(&kit, &february, 200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(store_sales, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(the_reverse, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(windows_and_settings, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(refused, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(any_number_of_threads, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(short_of_memory, set_up, read_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
