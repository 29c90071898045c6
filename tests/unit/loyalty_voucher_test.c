// Documents of vouchers: what is taken, what is refused, that they come back.
#include "loyalty_document_kit.h"

static const char FULL[] =
    "{\"id\":\"WELCOME\",\"name\":\"Welcome\",\"programme\":\"club\",\"discount\":{\"percent\":15,\"most\":\"30.00\","
    "\"lines\":\"category = 'Shoes'\"},\"uses\":{\"total\":1000,\"per_code\":1,\"per_customer\":2},"
    "\"valid\":{\"from\":\"2026-01-01\",\"to\":\"2026-12-31\",\"for\":\"30 days\"},"
    "\"recipients\":\"traits.country = 'FR'\",\"when\":\"total > 20 and context.channel = 'store'\","
    "\"customer_needed\":true,\"minimum\":\"50.00\",\"group\":\"welcome\",\"exclusive\":true,"
    "\"budget\":{\"money\":\"5000.00\",\"over\":\"reject\"},\"entitlement\":{\"period\":\"once\"},"
    "\"codes\":{\"prefix\":\"WEL-\",\"length\":8},\"archived\":true}";

static void test_full(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  kit_read(kit, LOYALTY_KIND_VOUCHER, FULL, NULL, &document);
  const struct loyalty_voucher *read = &document.voucher;
  assert_int_equal(read->programme, 3);
  assert_int_equal(read->discount.kind, LOYALTY_PERCENT);
  assert_int_equal(read->discount.percent, 1500);
  assert_int_equal(read->discount.most_cents, 3000);
  assert_bytes(read->discount.lines, "category = 'Shoes'");
  assert_int_equal(read->uses_total, 1000);
  assert_int_equal(read->uses_per_code, 1);
  assert_int_equal(read->uses_per_customer, 2);
  assert_int_equal(read->span.from_us, INT64_C(1767222000000000)); // 2026-01-01T00:00+01:00
  assert_int_equal(read->span.to_us, INT64_C(1798758000000000));   // 2027-01-01T00:00+01:00
  assert_int_equal(read->valid_for.count, 30);
  assert_int_equal(read->valid_for.unit, RULE_DAY);
  assert_bytes(read->recipients, "traits.country = 'FR'");
  assert_true(read->customer_needed && read->exclusive && read->archived);
  assert_int_equal(read->minimum_cents, 5000);
  assert_bytes(read->group, "welcome");
  assert_int_equal(read->budget_cents, 500000);
  assert_int_equal(read->over, LOYALTY_REJECT);
  assert_int_equal(read->entitlement, LOYALTY_ENTITLED_ONCE);
  assert_bytes(read->prefix, "WEL-");
  assert_int_equal(read->code_length, 8);
}

static const char *const KINDS[] = {
    "{\"id\":\"a\",\"programme\":\"club\",\"discount\":{\"amount\":10}}",
    "{\"id\":\"a\",\"programme\":\"club\",\"discount\":{\"free\":{\"sku\":\"A1\"}}}",
    "{\"id\":\"a\",\"programme\":\"club\",\"discount\":{\"shipping\":true,\"percent\":null}}",
    "{\"id\":\"a\",\"programme\":\"club\",\"discount\":{\"credit\":\"50\"}}",
    "{\"id\":\"a\",\"programme\":\"club\",\"discount\":{\"percent\":100,\"shipping\":false}}",
};

static void test_kinds(void **state) {
  static const char *const TOLD[] = {"{\"amount\":\"10.00\"}", "{\"free\":{\"sku\":\"A1\",\"quantity\":1}}",
                                     "{\"shipping\":true}", "{\"credit\":\"50.00\"}", "{\"percent\":100}"};
  static const enum loyalty_discount_kind KIND[] = {LOYALTY_AMOUNT, LOYALTY_FREE, LOYALTY_SHIPPING, LOYALTY_CREDIT,
                                                    LOYALTY_PERCENT};
  struct kit *kit = *state;
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
    union kit_document document;
    char expected[256];
    kit_read(kit, LOYALTY_KIND_VOUCHER, KINDS[i], NULL, &document);
    assert_int_equal(document.voucher.discount.kind, KIND[i]);
    snprintf(expected, sizeof expected,
             "{\"id\":\"a\",\"name\":\"a\",\"programme\":\"club\",\"discount\":%s,\"archived\":false}", TOLD[i]);
    assert_string_equal(kit_round(kit, LOYALTY_KIND_VOUCHER, KINDS[i]), expected);
  }
}

static void test_refused(void **state) {
  kit_refusals(*state, LOYALTY_KIND_VOUCHER, "voucher",
               "\"id\":\"W\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"}", 40);
}

static void test_round_trip(void **state) {
  assert_string_equal(kit_round(*state, LOYALTY_KIND_VOUCHER, FULL), FULL);
}

static void test_wrong_types(void **state) {
  kit_wrong_types(*state, LOYALTY_KIND_VOUCHER, FULL);
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) kit_wrong_types(*state, LOYALTY_KIND_VOUCHER, KINDS[i]);
}

static void test_out_of_memory(void **state) {
  kit_out_of_memory(*state, LOYALTY_KIND_VOUCHER, FULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_full, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_kinds, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_refused, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_round_trip, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_wrong_types, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_out_of_memory, kit_setup, kit_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
