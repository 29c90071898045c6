// What rules make of events: conditions, amounts of events and of lines, what is earned once, lines of discounts; and
// orders as rules see them.
#include "loyalty_set_kit.h"

// One rule on "Order Completed".
static const struct loyalty_live_rule *one_rule(struct shop *shop, const char *members) {
  shop_forget(shop);
  shop_programme(shop,
                 arena_format(&shop->arena, ",\"rules\":[{\"id\":\"r\",\"on\":\"Order Completed\",%s}]", members));
  shop_open(shop);
  return shop_rule(shop, 0, 1);
}

static struct loyalty_judgement judge(struct shop *shop, const char *members, const char *properties) {
  const struct loyalty_live_rule *rule = one_rule(shop, members);
  struct loyalty_event event = shop_event(shop, "Order Completed", properties);
  return shop_judge(shop, rule, &event);
}

// With a basket, and what is due paid.
static struct loyalty_judgement judge_order(struct shop *shop, const char *members, const char *properties) {
  const struct loyalty_live_rule *rule = one_rule(shop, members);
  struct loyalty_event event = shop_order(shop, properties);
  assert_int_equal(loyalty_with_paid(event.message, event.basket, loyalty_basket_due(event.basket), shop->kit->names,
                                     &shop->arena, &event.message),
                   ERR_OK);
  return shop_judge(shop, rule, &event);
}

// --- amounts -------------------------------------------------------------------------------------------------

static void test_amounts_are_rounded_down(void **state) {
  struct shop *shop = *state;
  static const struct {
    const char *members, *properties;
    int64_t amount;
    const char *skipped;
  } CASES[] = {
      {"\"earn\":\"total\"", "{\"total\":12.99}", 12, NULL},
      {"\"earn\":\"total\"", "{\"total\":12}", 12, NULL},
      {"\"earn\":\"total\"", "{\"total\":1.2E+3}", 1200, NULL},
      {"\"earn\":\"total * 0.1\"", "{\"total\":9.99}", 0, "amount_zero"},
      {"\"earn\":\"total\"", "{\"total\":0}", 0, "amount_zero"},
      {"\"earn\":\"total\"", "{\"total\":-0.0}", 0, "amount_zero"},
      {"\"earn\":\"total\"", "{\"total\":-0.01}", 0, "amount_negative"},
      {"\"earn\":\"total\"", "{}", 0, "amount_null"},
      {"\"earn\":\"total\"", "{\"total\":\"12\"}", 0, "amount_null"},
      {"\"earn\":\"total / 0\"", "{\"total\":12}", 0, "amount_null"},
      {"\"earn\":\"total\"", "{\"total\":1000000000000000}", LOYALTY_AMOUNT_MAX, NULL},
      {"\"earn\":\"total\"", "{\"total\":1000000000000001}", 0, "amount_overflow"},
      {"\"earn\":\"total\"", "{\"total\":1E+6000}", 0, "amount_overflow"},
      {"\"earn\":\"total\"", "{\"total\":1E-6000}", 0, "amount_zero"},
      {"\"earn\":\"total\",\"currency\":\"credit\"", "{\"total\":12.999}", 1299, NULL},
      {"\"earn\":\"total / 3\",\"currency\":\"credit\"", "{\"total\":1}", 33, NULL},
      {"\"earn\":\"0.001\",\"currency\":\"credit\"", "{}", 0, "amount_zero"},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct loyalty_judgement judgement = judge(shop, CASES[i].members, CASES[i].properties);
    if (judgement.amount != CASES[i].amount) fail_msg("%zu: %lld", i, (long long)judgement.amount);
    assert_string_equal(judgement.skipped == NULL ? "" : judgement.skipped,
                        CASES[i].skipped == NULL ? "" : CASES[i].skipped);
    assert_null(judgement.by_line);
    assert_null(judgement.once.data);
    assert_false(judgement.discounts);
  }
}

static void test_conditions(void **state) {
  struct shop *shop = *state;
  static const struct {
    const char *when, *properties, *skipped;
  } CASES[] = {
      {"total > 5", "{\"total\":6}", ""},
      {"total > 5", "{\"total\":5}", "condition_false"},
      {"total > 5", "{}", "condition_false"},
      {"traits.country = 'FR' and total > 5", "{\"total\":6}", ""},
      {"traits.country = 'DE'", "{}", "condition_false"},
      {"exists(this.products where sku = 'A1')", "{\"products\":[{\"sku\":\"A1\"}]}", ""},
      {"time > 2026-05-26", "{}", ""},
      {"time > 2026-05-28", "{}", "condition_false"},
      {"points('club') > 5", "{}", "condition_false"},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct loyalty_judgement judgement =
        judge(shop, arena_format(&shop->arena, "\"earn\":\"7\",\"when\":\"%s\"", CASES[i].when), CASES[i].properties);
    assert_string_equal(judgement.skipped == NULL ? "" : judgement.skipped, CASES[i].skipped);
    assert_int_equal(judgement.amount, judgement.skipped == NULL ? 7 : 0);
  }
  assert_true(value_is_absent(shop->facts.customer.subject)); // the event is out of her hands again
}

static void test_a_limit_of_the_machine(void **state) {
  struct shop *shop = *state;
  const struct rule_limits few = {.steps = 8, .bytes = 1024};
  rule_machine_close(shop->machine);
  assert_int_equal(rule_machine_open(&shop->machine, &few), ERR_OK);
#define TEN "{\"products\":[1,2,3,4,5,6,7,8,9,10]}"
  struct loyalty_judgement judgement = judge(shop, "\"earn\":\"1\",\"when\":\"count(this.products) > 9\"", TEN);
  assert_string_equal(judgement.skipped, "condition_unknown");
  judgement = judge(shop, "\"earn\":\"count(this.products)\"", TEN);
  assert_string_equal(judgement.skipped, "amount_unknown");
}

// --- lines ---------------------------------------------------------------------------------------------------

#define BASKET                                                                                                         \
  "{\"products\":[{\"sku\":\"A1\",\"price\":10.50,\"quantity\":2},{\"sku\":\"B\",\"price\":5.99},"                     \
  "{\"sku\":\"A1\",\"price\":0.99,\"bonus\":3}],\"shipping\":4}"

static void expect_lines(const struct loyalty_judgement *judgement, int64_t first, int64_t second, int64_t third) {
  assert_null(judgement->skipped);
  assert_int_equal(judgement->by_line[0], first);
  assert_int_equal(judgement->by_line[1], second);
  assert_int_equal(judgement->by_line[2], third);
  assert_int_equal(judgement->amount, first + second + third);
}

static void test_lines(void **state) {
  struct shop *shop = *state;
  struct loyalty_judgement judgement = judge_order(shop, "\"earn\":\"paid\",\"by_line\":true", BASKET);
  expect_lines(&judgement, 21, 5, 0);
  judgement = judge_order(shop, "\"earn\":\"paid * 2\",\"lines\":\"sku = 'A1'\"", BASKET);
  expect_lines(&judgement, 42, 0, 1);
  judgement = judge_order(shop, "\"earn\":\"amount\",\"lines\":\"line_id = '2'\",\"currency\":\"credit\"", BASKET);
  expect_lines(&judgement, 0, 599, 0);
  judgement = judge_order(shop, "\"earn\":\"bonus\",\"by_line\":true", BASKET); // two lines have none
  expect_lines(&judgement, 0, 0, 3);
  judgement = judge_order(shop, "\"earn\":\"paid - 6\",\"by_line\":true", BASKET);
  expect_lines(&judgement, 15, 0, 0);
  judgement = judge_order(shop, "\"earn\":\"properties.paid\",\"lines\":\"sku = 'B'\"", BASKET);
  expect_lines(&judgement, 0, 31, 0);
}

static void test_lines_that_earn_nothing(void **state) {
  struct shop *shop = *state;
  static const struct {
    const char *members, *properties, *skipped;
  } CASES[] = {
      {"\"earn\":\"paid\",\"lines\":\"sku = 'C'\"", BASKET, "condition_false"},
      {"\"earn\":\"nothing\",\"lines\":\"sku = 'A1'\"", BASKET, "amount_null"},
      {"\"earn\":\"0 - paid\",\"lines\":\"sku = 'A1'\"", BASKET, "amount_negative"},
      {"\"earn\":\"paid * 0.001\",\"by_line\":true", BASKET, "amount_zero"},
      {"\"earn\":\"900000000000000\",\"by_line\":true", BASKET, "amount_overflow"},
      {"\"earn\":\"1\",\"by_line\":true", "{\"products\":[]}", "amount_zero"},
      {"\"earn\":\"1\",\"lines\":\"sku = 'A1'\"", "{\"products\":[]}", "condition_false"},
      {"\"earn\":\"1\",\"lines\":\"sku = 'A1'\"", "{\"total\":5}", "condition_false"},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct loyalty_judgement judgement = judge_order(shop, CASES[i].members, CASES[i].properties);
    assert_string_equal(judgement.skipped, CASES[i].skipped);
    assert_int_equal(judgement.amount, 0);
    assert_null(judgement.by_line);
  }
  // Without a basket there are no lines.
  struct loyalty_judgement judgement = judge(shop, "\"earn\":\"1\",\"lines\":\"sku = 'A1'\"", BASKET);
  assert_string_equal(judgement.skipped, "condition_false");
  // An order that was sent as one sum is one line.
  judgement = judge_order(shop, "\"earn\":\"paid\",\"by_line\":true", "{\"total\":12.50,\"shipping\":2}");
  assert_int_equal(judgement.by_line[0], 10);
}

// --- discounts -----------------------------------------------------------------------------------------------

static void test_discounts(void **state) {
  struct shop *shop = *state;
  struct loyalty_judgement judgement = judge_order(shop, "\"discount\":{\"percent\":10}", BASKET);
  assert_null(judgement.skipped);
  assert_true(judgement.discounts);
  assert_null(judgement.discount_lines);
  judgement = judge_order(shop, "\"discount\":{\"percent\":10,\"lines\":\"sku = 'A1'\"}", BASKET);
  assert_null(judgement.skipped);
  assert_true(judgement.discounts && judgement.discount_lines[0] && judgement.discount_lines[2]);
  assert_false(judgement.discount_lines[1]);
  judgement = judge_order(shop, "\"discount\":{\"percent\":10,\"lines\":\"sku = 'C'\"}", BASKET);
  assert_string_equal(judgement.skipped, "condition_false");
  assert_false(judgement.discounts);
  judgement = judge_order(shop, "\"earn\":\"3\",\"discount\":{\"percent\":10,\"lines\":\"sku = 'C'\"}", BASKET);
  assert_null(judgement.skipped);
  assert_int_equal(judgement.amount, 3);
  assert_false(judgement.discounts);
  judgement = judge_order(shop, "\"when\":\"total > 5000\",\"discount\":{\"percent\":10}", BASKET);
  assert_string_equal(judgement.skipped, "condition_false");
  assert_false(judgement.discounts);
  // Before anything is paid a rule that earns by it is offered all the same.
  const struct loyalty_live_rule *rule = one_rule(shop, "\"earn\":\"paid\",\"discount\":{\"percent\":10}");
  struct loyalty_event event = shop_order(shop, BASKET);
  judgement = shop_judge(shop, rule, &event);
  assert_string_equal(judgement.skipped, "amount_null");
  assert_true(judgement.discounts);
}

static void test_conditions_of_vouchers(void **state) {
  struct shop *shop = *state;
  bool is_true, *lines;
  shop_programme(shop, "");
  shop_voucher(shop, "V",
               ",\"discount\":{\"percent\":10,\"lines\":\"sku = 'A1'\"},\"when\":\"shipping = 4.0\","
               "\"recipients\":\"traits.country = 'FR'\"");
  shop_voucher(shop, "W", ",\"discount\":{\"percent\":10},\"when\":\"shipping = 5\"");
  shop_open(shop);
  struct loyalty_event event = shop_order(shop, BASKET);
  struct rule_machine *machine = shop->machine;
  assert_int_equal(loyalty_is_true(loyalty_set_recipients(shop->set, 1), NULL, machine, &shop->facts, 0, &is_true), 0);
  assert_true(is_true);
  assert_int_equal(loyalty_is_true(loyalty_set_condition(shop->set, 1), &event, machine, &shop->facts, 0, &is_true), 0);
  assert_true(is_true);
  assert_int_equal(loyalty_is_true(loyalty_set_condition(shop->set, 2), &event, machine, &shop->facts, 0, &is_true), 0);
  assert_false(is_true);
  assert_int_equal(loyalty_is_true(loyalty_set_recipients(shop->set, 2), NULL, machine, &shop->facts, 0, &is_true), 0);
  assert_true(is_true);
  assert_int_equal(loyalty_lines_where(loyalty_set_voucher_lines(shop->set, 1), &event, machine, &shop->facts, 0,
                                       &shop->arena, &lines),
                   ERR_OK);
  assert_true(lines[0] && !lines[1] && lines[2]);
}

// --- once ----------------------------------------------------------------------------------------------------

static void test_once(void **state) {
  struct shop *shop = *state;
  static const char *const CASES[][2] = {{"\"a b\"", "a b"}, {"1", "1"},        {"1.0", "1"},  {"100", "100"},
                                         {"1E+2", "100"},    {"-2.50", "-2.5"}, {"0.00", "0"}, {"-0", "0"},
                                         {"1E+40", "1E+40"}, {"\"1\"", "1"}};
  const struct loyalty_live_rule *rule = one_rule(shop, "\"earn\":\"1\",\"once_by\":\"key\"");
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    char *properties = arena_format(&shop->arena, "{\"key\":%s}", CASES[i][0]);
    struct loyalty_event event = shop_event(shop, "Order Completed", properties);
    struct loyalty_judgement judgement = shop_judge(shop, rule, &event);
    assert_null(judgement.skipped);
    assert_bytes(judgement.once, CASES[i][1]);
  }
  static const char *const NONE[] = {"{}", "{\"key\":null}", "{\"key\":true}", "{\"key\":[1]}", "{\"key\":{}}"};
  for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++) {
    struct loyalty_event event = shop_event(shop, "Order Completed", NONE[i]);
    struct loyalty_judgement judgement = shop_judge(shop, rule, &event);
    assert_string_equal(judgement.skipped, "once_null");
    assert_null(judgement.once.data);
    assert_int_equal(judgement.amount, 0);
  }
  // A withdrawal does not have what the condition asks for: the value is told all the same.
  struct loyalty_judgement judgement =
      judge(shop, "\"earn\":\"1\",\"once_by\":\"key\",\"when\":\"stars > 3\"", "{\"key\":\"k\"}");
  assert_string_equal(judgement.skipped, "condition_false");
  assert_bytes(judgement.once, "k");
}

// --- orders as rules see them --------------------------------------------------------------------------------

static void expect_message(struct shop *shop, struct value message, const char *expected) {
  struct buffer out;
  struct json_writer writer;
  assert_int_equal(value_check(message.packed, shop->kit->names, NULL), ERR_OK);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  value_to_json(&writer, message, shop->kit->names);
  if (!bytes_equal(buffer_view(&out), bytes_from_text(expected)))
    fail_msg("%.*s\n is not %s", BYTES_ARG(buffer_view(&out)), expected);
  buffer_release(&out);
}

static void test_with_paid(void **state) {
  struct shop *shop = *state;
  struct value out;
  struct loyalty_basket basket;
  struct value message = shop_value(
      shop,
      "{\"event\":\"Order Completed\",\"properties\":{\"paid\":99,\"order_id\":\"o1\",\"shipping\":5,\"products\":["
      "{\"sku\":\"A\",\"price\":10,\"amount\":1},{\"sku\":\"B\",\"price\":20.5,\"line_id\":7,\"paid\":null}]},"
      "\"context\":{\"channel\":\"web\"}}");
  struct value properties = value_member(message, shop->kit->names, BYTES("properties"));
  assert_int_equal(loyalty_basket_read(properties, shop->kit->names, BYTES("EUR"), &shop->arena, &basket, NULL), 0);
  basket.lines[1].discount = basket.discount = 50;
  basket.shipping_discount = 100;
  assert_int_equal(loyalty_with_paid(message, &basket, 3400, shop->kit->names, &shop->arena, &out), ERR_OK);
  expect_message(shop, out,
                 "{\"event\":\"Order Completed\",\"context\":{\"channel\":\"web\"},\"properties\":{\"order_id\":\"o1\","
                 "\"shipping\":5,\"paid\":34.00,\"paid_lines\":30.00,\"discount\":1.50,\"total\":34.00,\"products\":["
                 "{\"sku\":\"A\",\"price\":10,\"line_id\":\"1\",\"amount\":10.00,\"paid\":10.00},"
                 "{\"sku\":\"B\",\"price\":20.5,\"line_id\":\"7\",\"amount\":20.50,\"paid\":20.00}]}}");
  // Half of it with points: half of everything.
  assert_int_equal(loyalty_with_paid(message, &basket, 1700, shop->kit->names, &shop->arena, &out), ERR_OK);
  expect_message(shop, out,
                 "{\"event\":\"Order Completed\",\"context\":{\"channel\":\"web\"},\"properties\":{\"order_id\":\"o1\","
                 "\"shipping\":5,\"paid\":17.00,\"paid_lines\":15.00,\"discount\":1.50,\"total\":34.00,\"products\":["
                 "{\"sku\":\"A\",\"price\":10,\"line_id\":\"1\",\"amount\":10.00,\"paid\":5.00},"
                 "{\"sku\":\"B\",\"price\":20.5,\"line_id\":\"7\",\"amount\":20.50,\"paid\":10.00}]}}");
}

static void test_with_paid_of_little(void **state) {
  struct shop *shop = *state;
  struct value out;
  struct loyalty_event event = shop_order(shop, "{\"total\":7.05,\"shipping\":2}");
  assert_int_equal(loyalty_with_paid(event.message, event.basket, 705, shop->kit->names, &shop->arena, &out), ERR_OK);
  expect_message(shop, out,
                 "{\"properties\":{\"total\":7.05,\"shipping\":2,\"paid\":7.05,\"paid_lines\":5.05,\"discount\":0.00,"
                 "\"products\":[{\"line_id\":\"1\",\"amount\":5.05,\"paid\":5.05}]}}");
  struct loyalty_basket nothing = {.amount = 0};
  assert_int_equal(loyalty_with_paid((struct value){0}, &nothing, 0, shop->kit->names, &shop->arena, &out), ERR_OK);
  expect_message(
      shop, out,
      "{\"properties\":{\"paid\":0.00,\"paid_lines\":0.00,\"discount\":0.00,\"total\":0.00,\"products\":[]}}");
}

// --- failures ------------------------------------------------------------------------------------------------

static void test_fails_as_facts_do(void **state) {
  struct shop *shop = *state;
  struct loyalty_judgement judgement;
  bool is_true = true;
  const struct loyalty_live_rule *rule = one_rule(shop, "\"earn\":\"1\",\"when\":\"traits.country = 'FR'\"");
  struct loyalty_event event = shop_event(shop, "Order Completed", "{}");
  shop->facts_fail = ERR_IO;
  assert_int_equal(loyalty_judge(rule, &event, shop->machine, &shop->facts, 0, &shop->arena, &judgement), ERR_IO);
  assert_int_equal(loyalty_is_true(rule->when, &event, shop->machine, &shop->facts, 0, &is_true), ERR_IO);
  assert_false(is_true);
}

static void test_every_allocation_fails(void **state) {
  struct shop *shop = *state;
  const struct loyalty_live_rule *rule =
      one_rule(shop, "\"earn\":\"paid\",\"lines\":\"sku = 'A1'\",\"once_by\":\"key\",\"when\":\"shipping = 4\","
                     "\"discount\":{\"percent\":5,\"lines\":\"sku = 'A1'\"}");
  struct loyalty_event order = shop_order(shop, BASKET);
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    struct loyalty_event event = order;
    struct loyalty_judgement judgement;
    struct arena arena;
    bool *lines;
    arena_init(&arena, 0);
    alloc_fail_after(allowed, false);
    enum err err = loyalty_with_paid(order.message, order.basket, 3000, shop->kit->names, &arena, &event.message);
    if (err == ERR_OK) err = loyalty_judge(rule, &event, shop->machine, &shop->facts, SHOP_NOW_US, &arena, &judgement);
    if (err == ERR_OK)
      err = loyalty_lines_where(rule->discount_lines, &event, shop->machine, &shop->facts, 0, &arena, &lines);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    arena_release(&arena);
  }
}

#define SHOP_TEST(test) cmocka_unit_test_setup_teardown(test, shop_setup, shop_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SHOP_TEST(test_amounts_are_rounded_down),
      SHOP_TEST(test_conditions),
      SHOP_TEST(test_a_limit_of_the_machine),
      SHOP_TEST(test_lines),
      SHOP_TEST(test_lines_that_earn_nothing),
      SHOP_TEST(test_discounts),
      SHOP_TEST(test_conditions_of_vouchers),
      SHOP_TEST(test_once),
      SHOP_TEST(test_with_paid),
      SHOP_TEST(test_with_paid_of_little),
      SHOP_TEST(test_fails_as_facts_do),
      SHOP_TEST(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
