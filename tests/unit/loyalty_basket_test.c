// Baskets: what is read, what is refused and where, and shares that add up.
#include "loyalty_basket_kit.h"

static void expect_line(const struct loyalty_line *line, const char *id, const char *sku, int64_t quantity,
                        int64_t amount) {
  assert_true(bytes_equal(line->id, bytes_from_text(id)));
  assert_true(bytes_equal(line->sku, bytes_from_text(sku)));
  assert_int_equal(line->quantity, quantity);
  assert_int_equal(line->amount, amount);
  assert_int_equal(line->discount, 0);
}

static void test_a_basket_is_read(void **state) {
  (void)state;
  struct kit kit;
  kit_open(&kit);
  struct loyalty_basket basket =
      kit_basket(&kit, "{\"order_id\":4711,\"currency\":\"eur\",\"shipping\":4.9,\"tax\":2,\"products\":["
                       "{\"sku\":\"A\",\"price\":33.33,\"quantity\":3},{\"product_id\":12,\"price\":1e1},"
                       "{\"line_id\":\"x\",\"sku\":\"B\",\"product_id\":\"C\",\"price\":19.99,\"quantity\":0.125}]}");
  assert_true(bytes_equal(basket.order, BYTES("4711")));
  assert_int_equal(basket.line_count, 3);
  expect_line(&basket.lines[0], "1", "A", 3000, 9999);
  expect_line(&basket.lines[1], "2", "12", 1000, 1000);
  expect_line(&basket.lines[2], "x", "B", 125, 250); // 2.49875
  assert_int_equal(basket.amount, 11249);
  assert_int_equal(basket.shipping, 490);
  assert_int_equal(basket.tax, 200);
  assert_int_equal(loyalty_basket_due(&basket), 11739);
  struct bytes sku;
  assert_true(value_as_text(value_member(basket.lines[0].value, kit.names, BYTES("sku")), &sku));
  assert_true(bytes_equal(sku, BYTES("A")));
  kit_close(&kit);
}

static void test_a_line_is_rounded_to_even_once(void **state) {
  (void)state;
  struct kit kit;
  kit_open(&kit);
  struct loyalty_basket basket =
      kit_basket(&kit, "{\"products\":[{\"price\":0.01,\"quantity\":0.5},"
                       "{\"price\":0.03,\"quantity\":0.5},{\"price\":0.01,\"quantity\":0.501},"
                       "{\"price\":0,\"quantity\":7}]}");
  assert_int_equal(basket.lines[0].amount, 0);
  assert_int_equal(basket.lines[1].amount, 2);
  assert_int_equal(basket.lines[2].amount, 1);
  assert_int_equal(basket.lines[3].amount, 0);
  kit_close(&kit);
}

static void test_an_order_without_products_is_one_line(void **state) {
  (void)state;
  struct kit kit;
  kit_open(&kit);
  struct loyalty_basket basket = kit_basket(&kit, "{\"total\":49.95,\"revenue\":40}");
  assert_int_equal(basket.line_count, 1);
  expect_line(&basket.lines[0], "1", "", 1000, 4995);
  assert_int_equal(loyalty_basket_due(&basket), 4995);
  basket = kit_basket(&kit, "{\"total\":49.95,\"shipping\":4.95,\"products\":null}");
  assert_int_equal(basket.amount, 4500);
  assert_int_equal(loyalty_basket_due(&basket), 4995);
  basket = kit_basket(&kit, "{\"revenue\":45,\"shipping\":4.95,\"products\":[]}");
  assert_int_equal(basket.amount, 4500);
  assert_int_equal(loyalty_basket_due(&basket), 4995);
  basket = kit_basket(&kit, "{\"products\":[]}");
  assert_int_equal(basket.line_count, 0);
  assert_int_equal(loyalty_basket_due(&basket), 0);
  kit_close(&kit);
}

static const struct {
  const char *json, *code, *field;
  enum err err;
} hostile[] = {
    {"[]", "wrong_type", "", ERR_INVALID},
    {"17", "wrong_type", "", ERR_INVALID},
    {"{}", "missing_member", "products", ERR_INVALID},
    {"{\"products\":{}}", "wrong_type", "products", ERR_INVALID},
    {"{\"products\":[1]}", "wrong_type", "products[0]", ERR_INVALID},
    {"{\"products\":[{\"sku\":\"A\"}]}", "missing_member", "products[0].price", ERR_INVALID},
    {"{\"products\":[{\"price\":1},{\"price\":-0.01}]}", "bad_amount", "products[1].price", ERR_INVALID},
    {"{\"products\":[{\"price\":0.001}]}", "bad_amount", "products[0].price", ERR_INVALID},
    {"{\"products\":[{\"price\":\"12.50\"}]}", "wrong_type", "products[0].price", ERR_INVALID},
    {"{\"products\":[{\"price\":true}]}", "wrong_type", "products[0].price", ERR_INVALID},
    {"{\"products\":[{\"price\":1e30}]}", "overflow", "products[0].price", ERR_LIMIT},
    {"{\"products\":[{\"price\":-1e30}]}", "bad_amount", "products[0].price", ERR_INVALID},
    {"{\"products\":[{\"price\":90000000000000000,\"quantity\":2}]}", "overflow", "products[0]", ERR_LIMIT},
    {"{\"products\":[{\"price\":90000000000000000},{\"price\":90000000000000000}]}", "overflow", "products[1]",
     ERR_LIMIT},
    {"{\"shipping\":90000000000000000,\"products\":[{\"price\":90000000000000000}]}", "overflow", "", ERR_LIMIT},
    {"{\"products\":[{\"price\":1,\"quantity\":0}]}", "bad_quantity", "products[0].quantity", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"quantity\":-1}]}", "bad_quantity", "products[0].quantity", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"quantity\":-1e30}]}", "bad_quantity", "products[0].quantity", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"quantity\":0.0001}]}", "bad_quantity", "products[0].quantity", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"quantity\":1e30}]}", "overflow", "products[0].quantity", ERR_LIMIT},
    {"{\"products\":[{\"price\":1,\"quantity\":\"1\"}]}", "wrong_type", "products[0].quantity", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"sku\":[]}]}", "wrong_type", "products[0].sku", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"line_id\":1.5}]}", "wrong_type", "products[0].line_id", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"line_id\":\"a\"},{\"price\":1,\"line_id\":\"a\"}]}", "duplicate_line",
     "products[1].line_id", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"line_id\":2},{\"price\":1}]}", "duplicate_line", "products[1].line_id",
     ERR_INVALID},
    {"{\"total\":-1}", "bad_amount", "total", ERR_INVALID},
    {"{\"total\":\"49.95\"}", "wrong_type", "total", ERR_INVALID},
    {"{\"total\":4,\"shipping\":5}", "bad_amount", "total", ERR_INVALID},
    {"{\"total\":1,\"shipping\":-5}", "bad_amount", "shipping", ERR_INVALID},
    {"{\"total\":1,\"tax\":0.005}", "bad_amount", "tax", ERR_INVALID},
    {"{\"total\":1,\"currency\":\"USD\"}", "currency_mismatch", "currency", ERR_INVALID},
    {"{\"products\":[{\"price\":1,\"currency\":\"eur\"},{\"price\":1,\"currency\":\"USD\"}]}", "currency_mismatch",
     "products[1].currency", ERR_INVALID},
    {"{\"total\":1,\"currency\":{}}", "wrong_type", "currency", ERR_INVALID},
    {"{\"total\":1,\"order_id\":false}", "wrong_type", "order_id", ERR_INVALID},
};

static void test_hostile_baskets_are_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    struct kit kit;
    struct loyalty_basket basket;
    kit_open(&kit);
    struct value value = kit_value(&kit, hostile[i].json);
    enum err err = loyalty_basket_read(value, kit.names, BYTES("EUR"), &kit.arena, &basket, &kit.diag);
    if (err != hostile[i].err || strcmp(kit.diag.code, hostile[i].code) != 0 ||
        strcmp(kit.diag.field, hostile[i].field) != 0)
      fail_msg("%s: %s %s", hostile[i].json, kit.diag.code, kit.diag.field);
    assert_int_equal(loyalty_basket_read(value, kit.names, BYTES("EUR"), &kit.arena, &basket, NULL), err);
    kit_close(&kit);
  }
}

static char *many_lines(size_t count) {
  struct buffer json;
  buffer_init(&json);
  buffer_append_text(&json, "{\"products\":[");
  for (size_t i = 0; i < count; i++) buffer_append_text(&json, i == 0 ? "{\"price\":1}" : ",{\"price\":1}");
  buffer_append_text(&json, "]}");
  buffer_append_byte(&json, 0);
  assert_false(json.failed);
  return (char *)json.data;
}

static void test_a_thousand_lines_and_no_more(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_basket basket;
  kit_open(&kit);
  char *json = many_lines(1000);
  basket = kit_basket(&kit, json);
  assert_int_equal(basket.amount, 100000);
  alloc_free(json);
  json = many_lines(1001);
  assert_int_equal(loyalty_basket_read(kit_value(&kit, json), kit.names, BYTES("EUR"), &kit.arena, &basket, &kit.diag),
                   ERR_LIMIT);
  kit_expect_code(&kit, "too_many");
  alloc_free(json);
  kit_close(&kit);
}

static void test_a_long_id_is_refused(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_basket basket;
  char json[512];
  kit_open(&kit);
  snprintf(json, sizeof json, "{\"total\":1,\"order_id\":\"%0257d\"}", 1);
  assert_int_equal(loyalty_basket_read(kit_value(&kit, json), kit.names, BYTES("EUR"), &kit.arena, &basket, &kit.diag),
                   ERR_LIMIT);
  kit_expect_code(&kit, "too_long");
  kit_close(&kit);
}

static void test_short_memory_is_told(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_basket basket;
  kit_open(&kit);
  struct value value = kit_value(&kit, "{\"order_id\":\"o\",\"products\":[{\"sku\":\"A\",\"price\":1},{\"price\":2}]}");
  for (uint64_t allowed = 0;; allowed++) {
    struct arena arena;
    arena_init(&arena, 0);
    alloc_fail_after(allowed, true);
    enum err err = loyalty_basket_read(value, kit.names, BYTES("EUR"), &arena, &basket, &kit.diag);
    bool failed = alloc_fail_disarm();
    arena_release(&arena);
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    if (!failed) break;
  }
  kit_close(&kit);
}

// --- shares --------------------------------------------------------------------------------------------------

static void expect_shares(int64_t amount, const int64_t *weights, const int64_t *expected, size_t count) {
  int64_t shares[8];
  loyalty_share_out(amount, weights, count, shares);
  for (size_t i = 0; i < count; i++) assert_int_equal(shares[i], expected[i]);
}

static void test_shares_by_largest_remainder(void **state) {
  (void)state;
  expect_shares(1000, (int64_t[]){10000, 10000, 10000}, (int64_t[]){334, 333, 333}, 3);
  expect_shares(2, (int64_t[]){1, 1, 1}, (int64_t[]){1, 1, 0}, 3);
  expect_shares(100, (int64_t[]){1, 2, 3}, (int64_t[]){17, 33, 50}, 3);
  expect_shares(5, (int64_t[]){0, 7, 0}, (int64_t[]){0, 5, 0}, 3);
  expect_shares(5, (int64_t[]){0, 0}, (int64_t[]){0, 0}, 2);
  expect_shares(0, (int64_t[]){3, 4}, (int64_t[]){0, 0}, 2);
  expect_shares(INT64_MAX, (int64_t[]){INT64_MAX, INT64_MAX, INT64_MAX},
                (int64_t[]){INT64_MAX / 3 + 1, INT64_MAX / 3, INT64_MAX / 3}, 3);
  loyalty_share_out(5, NULL, 0, NULL);
}

static void test_shares_add_up(void **state) {
  (void)state;
  static int64_t weights[LOYALTY_LINES_MAX], shares[LOYALTY_LINES_MAX];
  uint64_t random = 88172645463325252u;
  for (int round = 0; round < 2000; round++) {
    size_t count = (size_t)kit_below(&random, round % 100 == 0 ? LOYALTY_LINES_MAX : 12) + 1;
    int64_t most = round % 3 == 0 ? 3 : 1000000, weight_sum = 0, share_sum = 0;
    for (size_t i = 0; i < count; i++) weight_sum += weights[i] = kit_below(&random, most);
    int64_t amount = kit_below(&random, weight_sum + 1);
    loyalty_share_out(amount, weights, count, shares);
    for (size_t i = 0; i < count; i++) {
      assert_in_range(shares[i], 0, weights[i]);
      share_sum += shares[i];
      if (weight_sum == 0) continue;
      // Each share is the exact one rounded down or up.
      int64_t floor = amount * weights[i] / weight_sum;
      assert_true(shares[i] == floor || (shares[i] == floor + 1 && amount * weights[i] % weight_sum > 0));
    }
    assert_int_equal(share_sum, amount);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_basket_is_read),
      cmocka_unit_test(test_a_line_is_rounded_to_even_once),
      cmocka_unit_test(test_an_order_without_products_is_one_line),
      cmocka_unit_test(test_hostile_baskets_are_refused),
      cmocka_unit_test(test_a_thousand_lines_and_no_more),
      cmocka_unit_test(test_a_long_id_is_refused),
      cmocka_unit_test(test_short_memory_is_told),
      cmocka_unit_test(test_shares_by_largest_remainder),
      cmocka_unit_test(test_shares_add_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
