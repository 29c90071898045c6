// Discounts: how offers stack, what is refused and why, and that nothing is ever taken off twice.
#include "loyalty_basket_kit.h"

enum { OFFERS_MAX = 8 };

struct shop {
  struct kit kit;
  struct loyalty_basket basket;
  struct loyalty_stacking stacking;
  struct loyalty_discount discounts[OFFERS_MAX];
  struct loyalty_offer offers[OFFERS_MAX];
  size_t count;
};

static void open_shop(struct shop *shop, const char *json) {
  memset(shop, 0, sizeof *shop);
  kit_open(&shop->kit);
  shop->basket = kit_basket(&shop->kit, json);
  shop->stacking.partial = true;
}

static void close_shop(struct shop *shop) {
  kit_close(&shop->kit);
}

static struct loyalty_offer *add(struct shop *shop, struct loyalty_discount discount) {
  assert_true(shop->count < OFFERS_MAX);
  struct loyalty_offer *offer = &shop->offers[shop->count];
  shop->discounts[shop->count] = discount;
  *offer = (struct loyalty_offer){
      .discount = &shop->discounts[shop->count], .is_code = true, .room_cents = INT64_MAX, .over = LOYALTY_TRIM};
  shop->count++;
  return offer;
}

static struct loyalty_offer *amount(struct shop *shop, int64_t cents) {
  return add(shop, (struct loyalty_discount){.kind = LOYALTY_AMOUNT, .cents = cents});
}

static struct loyalty_offer *percent(struct shop *shop, uint32_t hundredths) {
  return add(shop, (struct loyalty_discount){.kind = LOYALTY_PERCENT, .percent = hundredths});
}

static struct loyalty_offer *free_product(struct shop *shop, const char *sku, int64_t quantity) {
  return add(shop, (struct loyalty_discount){.kind = LOYALTY_FREE, .sku = bytes_from_text(sku), .quantity = quantity});
}

static void expect_sound(const struct shop *shop) {
  const struct loyalty_basket *basket = &shop->basket;
  int64_t discount = 0, cents = 0, shipping = 0;
  for (size_t i = 0; i < basket->line_count; i++) {
    int64_t shares = 0;
    assert_in_range(basket->lines[i].discount, 0, basket->lines[i].amount);
    for (size_t j = 0; j < shop->count; j++) {
      assert_true(shop->offers[j].shares[i] >= 0);
      assert_true(shop->offers[j].lines == NULL || shop->offers[j].lines[i] || shop->offers[j].shares[i] == 0);
      shares += shop->offers[j].shares[i];
    }
    assert_int_equal(shares, basket->lines[i].discount);
    discount += basket->lines[i].discount;
  }
  for (size_t j = 0; j < shop->count; j++) {
    const struct loyalty_offer *offer = &shop->offers[j];
    assert_true(offer->refusal == NULL || (offer->cents == 0 && offer->shipping_cents == 0));
    assert_true(offer->cents + offer->shipping_cents <= (offer->room_cents > 0 ? offer->room_cents : 0));
    cents += offer->cents;
    shipping += offer->shipping_cents;
  }
  assert_int_equal(discount, basket->discount);
  assert_int_equal(cents, basket->discount);
  assert_int_equal(shipping, basket->shipping_discount);
  assert_in_range(shipping, 0, basket->shipping);
}

static void lay_after(struct shop *shop, bool refused) {
  assert_int_equal(loyalty_discount(&shop->basket, shop->offers, shop->count, &shop->stacking, refused,
                                    &shop->kit.arena, &shop->kit.diag),
                   ERR_OK);
  expect_sound(shop);
}

static void lay(struct shop *shop) {
  lay_after(shop, false);
}

static void expect(const struct shop *shop, size_t index, int64_t cents, const char *refusal) {
  const struct loyalty_offer *offer = &shop->offers[index];
  assert_int_equal(offer->cents + offer->shipping_cents, cents);
  if (refusal == NULL && offer->refusal != NULL) fail_msg("offer %zu was refused: %s", index, offer->refusal);
  if (refusal == NULL) return;
  assert_non_null(offer->refusal);
  assert_string_equal(offer->refusal, refusal);
}

#define THREE_HUNDREDS "{\"products\":[{\"price\":100},{\"price\":100},{\"price\":100}]}"
#define THIRTY "{\"products\":[{\"price\":30}]}"

// --- arithmetic ----------------------------------------------------------------------------------------------

static void test_shares_of_ten_euros(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THREE_HUNDREDS);
  amount(&shop, 1000);
  lay(&shop);
  assert_int_equal(shop.basket.lines[0].discount, 334);
  assert_int_equal(shop.basket.lines[1].discount, 333);
  assert_int_equal(shop.basket.lines[2].discount, 333);
  assert_int_equal(loyalty_basket_due(&shop.basket), 29000);
  close_shop(&shop);
}

static void stack(enum loyalty_base base, int64_t second, int64_t due) {
  struct shop shop;
  open_shop(&shop, "{\"products\":[{\"price\":2000}]}");
  shop.stacking.base = base;
  amount(&shop, 100);
  percent(&shop, 2000);
  amount(&shop, 8000);
  lay(&shop);
  expect(&shop, 0, 100, NULL);
  expect(&shop, 1, second, NULL);
  expect(&shop, 2, 8000, NULL);
  assert_int_equal(loyalty_basket_due(&shop.basket), due);
  close_shop(&shop);
}

static void test_the_base_of_a_stack(void **state) {
  (void)state;
  stack(LOYALTY_BASE_DISCOUNTED, 39980, 151920);
  stack(LOYALTY_BASE_INITIAL, 40000, 151900);
}

static void test_a_percentage_is_rounded_to_even(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, "{\"products\":[{\"price\":0.05},{\"price\":0.2}]}"); // 10 % of 0.25 is 0.025
  percent(&shop, 1000);
  lay(&shop);
  expect(&shop, 0, 2, NULL);
  close_shop(&shop);
  open_shop(&shop, "{\"products\":[{\"price\":0.35}]}"); // 0.035
  percent(&shop, 1000);
  lay(&shop);
  expect(&shop, 0, 4, NULL);
  close_shop(&shop);
}

static void test_a_percentage_has_a_most(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THREE_HUNDREDS);
  percent(&shop, 5000);
  shop.discounts[0].most_cents = 2500;
  lay(&shop);
  expect(&shop, 0, 2500, NULL);
  close_shop(&shop);
}

// What the second takes off a line does not fit there any more: the other line gives it.
static void test_the_initial_base_never_takes_a_line_below_zero(void **state) {
  (void)state;
  struct shop shop;
  bool first[] = {true, false};
  open_shop(&shop, "{\"products\":[{\"price\":10},{\"price\":10}]}");
  shop.stacking.base = LOYALTY_BASE_INITIAL;
  amount(&shop, 900)->lines = first;
  percent(&shop, 5000);
  lay(&shop);
  expect(&shop, 1, 1000, NULL);
  assert_int_equal(shop.offers[1].shares[0], 100);
  assert_int_equal(shop.offers[1].shares[1], 900);
  close_shop(&shop);
}

static void test_lines_it_is_not_for_give_nothing(void **state) {
  (void)state;
  struct shop shop;
  bool second[] = {false, true, false};
  open_shop(&shop, THREE_HUNDREDS);
  percent(&shop, 2000)->lines = second;
  amount(&shop, 15000)->lines = second;
  lay(&shop);
  expect(&shop, 0, 2000, NULL);
  expect(&shop, 1, 8000, NULL);
  assert_int_equal(shop.basket.lines[1].discount, 10000);
  close_shop(&shop);
}

// --- nothing below zero --------------------------------------------------------------------------------------

static void vouchers(bool force, const char *third) {
  struct shop shop;
  open_shop(&shop, THIRTY);
  shop.stacking.force = force;
  amount(&shop, 2000);
  amount(&shop, 2000);
  amount(&shop, 500);
  lay(&shop);
  expect(&shop, 0, 2000, NULL);
  expect(&shop, 1, 1000, NULL);
  expect(&shop, 2, 0, third);
  assert_int_equal(loyalty_basket_due(&shop.basket), 0);
  close_shop(&shop);
}

static void test_no_over_discount(void **state) {
  (void)state;
  vouchers(false, "over_basket");
  vouchers(true, NULL);
}

static void test_what_is_of_no_use_does_not_spoil_the_others(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THIRTY);
  shop.stacking.partial = false;
  amount(&shop, 3000);
  amount(&shop, 500);
  lay(&shop);
  expect(&shop, 0, 3000, NULL);
  expect(&shop, 1, 0, "over_basket");
  close_shop(&shop);
}

static void test_force_is_for_codes(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, "{\"products\":[{\"price\":0}]}");
  shop.stacking.force = true;
  amount(&shop, 500)->is_code = false;
  amount(&shop, 500);
  lay(&shop);
  expect(&shop, 0, 0, "over_basket");
  expect(&shop, 1, 0, NULL);
  close_shop(&shop);
}

static void test_all_or_nothing(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THIRTY);
  shop.stacking.partial = false;
  amount(&shop, 1000);
  amount(&shop, 500)->minimum_cents = 3001;
  percent(&shop, 1000)->is_code = false;
  lay(&shop);
  expect(&shop, 0, 0, "not_all_valid");
  expect(&shop, 1, 0, "minimum_not_reached");
  expect(&shop, 2, 300, NULL);
  close_shop(&shop);
  open_shop(&shop, THIRTY);
  shop.stacking.partial = false;
  amount(&shop, 1000);
  lay_after(&shop, true);
  expect(&shop, 0, 0, "not_all_valid");
  close_shop(&shop);
  open_shop(&shop, THIRTY);
  amount(&shop, 1000);
  lay_after(&shop, true);
  expect(&shop, 0, 1000, NULL);
  close_shop(&shop);
}

// --- order, groups, alone ------------------------------------------------------------------------------------

static void test_rules_come_before_codes(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THIRTY);
  amount(&shop, 2500);
  amount(&shop, 2000)->is_code = false;
  lay(&shop);
  expect(&shop, 0, 1000, NULL);
  expect(&shop, 1, 2000, NULL);
  close_shop(&shop);
}

static void in_order(enum loyalty_stack_order order, int64_t first, int64_t second, int64_t third) {
  struct shop shop;
  open_shop(&shop, THIRTY);
  shop.stacking.order = order;
  amount(&shop, 1000);
  percent(&shop, 5000);
  amount(&shop, 2500);
  lay(&shop);
  expect(&shop, 0, first, first == 0 ? "over_basket" : NULL);
  expect(&shop, 1, second, NULL);
  expect(&shop, 2, third, NULL);
  close_shop(&shop);
}

static void test_the_order_of_a_stack(void **state) {
  (void)state;
  in_order(LOYALTY_LIST_ORDER, 1000, 1000, 1000);
  in_order(LOYALTY_LOWEST_DISCOUNT, 1000, 1000, 1000);
  in_order(LOYALTY_HIGHEST_DISCOUNT, 250, 250, 2500);
}

static void test_one_of_a_group(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THREE_HUNDREDS);
  shop.stacking.order = LOYALTY_HIGHEST_DISCOUNT;
  amount(&shop, 1000)->group = BYTES("spring");
  amount(&shop, 3000)->group = BYTES("spring");
  amount(&shop, 2000)->group = BYTES("other");
  amount(&shop, 500);
  lay(&shop);
  expect(&shop, 0, 0, "group_taken");
  expect(&shop, 1, 3000, NULL);
  expect(&shop, 2, 2000, NULL);
  expect(&shop, 3, 500, NULL);
  close_shop(&shop);
}

// Who was refused holds no place in its group.
static void test_a_refused_one_leaves_its_group(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THREE_HUNDREDS);
  amount(&shop, 1000)->group = BYTES("spring");
  shop.offers[0].room_cents = 0;
  amount(&shop, 500)->group = BYTES("spring");
  lay(&shop);
  expect(&shop, 0, 0, "BUDGET_EXHAUSTED");
  expect(&shop, 1, 500, NULL);
  close_shop(&shop);
}

static void test_alone_among_codes(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, THREE_HUNDREDS);
  amount(&shop, 100)->is_code = false;
  amount(&shop, 1000)->exclusive = true;
  amount(&shop, 500);
  lay(&shop);
  expect(&shop, 0, 100, NULL);
  expect(&shop, 1, 1000, NULL);
  expect(&shop, 2, 0, "exclusive");
  close_shop(&shop);
  open_shop(&shop, THREE_HUNDREDS);
  amount(&shop, 500);
  amount(&shop, 1000)->exclusive = true;
  lay(&shop);
  expect(&shop, 0, 500, NULL);
  expect(&shop, 1, 0, "exclusive");
  close_shop(&shop);
}

static void test_the_minimum_is_checked_before_discounts(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, "{\"products\":[{\"price\":60}]}");
  amount(&shop, 2000);
  amount(&shop, 1000)->minimum_cents = 5000;
  amount(&shop, 1000)->minimum_cents = 6001;
  lay(&shop);
  expect(&shop, 1, 1000, NULL);
  expect(&shop, 2, 0, "minimum_not_reached");
  close_shop(&shop);
}

// --- budgets -------------------------------------------------------------------------------------------------

static void budget(int64_t room, enum loyalty_over over, int64_t cents, const char *refusal) {
  struct shop shop;
  open_shop(&shop, "{\"products\":[{\"price\":30},{\"price\":60}]}");
  struct loyalty_offer *offer = amount(&shop, 2000);
  offer->room_cents = room;
  offer->over = over;
  lay(&shop);
  expect(&shop, 0, cents, refusal);
  close_shop(&shop);
}

static void test_a_budget_trims_or_rejects(void **state) {
  (void)state;
  budget(2000, LOYALTY_REJECT, 2000, NULL);
  budget(1999, LOYALTY_REJECT, 0, "BUDGET_EXHAUSTED");
  budget(1000, LOYALTY_TRIM, 1000, NULL);
  budget(0, LOYALTY_TRIM, 0, "BUDGET_EXHAUSTED");
  budget(-5, LOYALTY_TRIM, 0, "BUDGET_EXHAUSTED");
}

static void test_a_budget_trims_shipping(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, "{\"shipping\":4.9,\"products\":[{\"price\":30}]}");
  add(&shop, (struct loyalty_discount){.kind = LOYALTY_SHIPPING})->room_cents = 200;
  add(&shop, (struct loyalty_discount){.kind = LOYALTY_SHIPPING});
  add(&shop, (struct loyalty_discount){.kind = LOYALTY_SHIPPING});
  lay(&shop);
  expect(&shop, 0, 200, NULL);
  expect(&shop, 1, 290, NULL);
  expect(&shop, 2, 0, "over_basket");
  assert_int_equal(shop.basket.discount, 0);
  assert_int_equal(loyalty_basket_due(&shop.basket), 3000);
  close_shop(&shop);
}

// --- free products -------------------------------------------------------------------------------------------

#define CUPS                                                                                                           \
  "{\"products\":[{\"sku\":\"cup\",\"price\":9,\"quantity\":2},{\"sku\":\"cup\",\"price\":7.5,\"quantity\":2},"        \
  "{\"sku\":\"pot\",\"price\":40}]}"

static void test_the_cheapest_units_are_free(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, CUPS);
  free_product(&shop, "cup", 1);
  free_product(&shop, "cup", 2);
  free_product(&shop, "cup", 5);
  free_product(&shop, "cup", 1);
  free_product(&shop, "lid", 1);
  lay(&shop);
  expect(&shop, 0, 750, NULL);
  expect(&shop, 1, 750 + 900, NULL);
  expect(&shop, 2, 900, NULL);
  expect(&shop, 3, 0, "over_basket");
  expect(&shop, 4, 0, "product_missing");
  assert_int_equal(loyalty_basket_due(&shop.basket), 4000);
  close_shop(&shop);
}

static void test_a_free_unit_is_worth_what_is_left_of_it(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, CUPS);
  percent(&shop, 2000);
  free_product(&shop, "cup", 1);
  lay(&shop);
  expect(&shop, 1, 600, NULL);
  close_shop(&shop);
  open_shop(&shop, CUPS);
  shop.stacking.base = LOYALTY_BASE_INITIAL;
  percent(&shop, 2000);
  free_product(&shop, "cup", 1);
  lay(&shop);
  expect(&shop, 1, 750, NULL);
  close_shop(&shop);
}

static void test_a_unit_cut_short_makes_none_dearer(void **state) {
  (void)state;
  struct shop shop;
  open_shop(&shop, "{\"products\":[{\"sku\":\"cup\",\"price\":10,\"quantity\":2}]}");
  free_product(&shop, "cup", 1)->room_cents = 400;
  free_product(&shop, "cup", 1);
  lay(&shop);
  expect(&shop, 0, 400, NULL);
  expect(&shop, 1, 1000, NULL);
  close_shop(&shop);
}

// --- anything at all -----------------------------------------------------------------------------------------

static void add_at_random(struct shop *shop, uint64_t *random, const bool *lines) {
  static const char *const groups[] = {"", "", "a", "b"};
  struct loyalty_discount discount = {.kind = (enum loyalty_discount_kind)kit_below(random, LOYALTY_CREDIT),
                                      .percent = (uint32_t)kit_below(random, 12000),
                                      .cents = kit_below(random, 5000),
                                      .most_cents = kit_below(random, 3) * 700,
                                      .sku = bytes_from_text(kit_below(random, 2) ? "a" : "b"),
                                      .quantity = kit_below(random, 4)};
  struct loyalty_offer *offer = add(shop, discount);
  offer->lines = kit_below(random, 3) == 0 ? lines : NULL;
  offer->minimum_cents = kit_below(random, 4) == 0 ? kit_below(random, 20000) : 0;
  offer->group = bytes_from_text(groups[kit_below(random, 4)]);
  offer->exclusive = kit_below(random, 12) == 0;
  offer->is_code = kit_below(random, 3) > 0;
  if (kit_below(random, 3) == 0) offer->room_cents = kit_below(random, 2000);
  offer->over = kit_below(random, 2) ? LOYALTY_TRIM : LOYALTY_REJECT;
}

static void test_any_stack_is_sound(void **state) {
  (void)state;
  uint64_t random = 424242424242u;
  for (int round = 0; round < 1000; round++) {
    struct shop shop;
    char json[512];
    bool lines[3];
    size_t written = (size_t)snprintf(json, sizeof json, "{\"shipping\":%d,\"products\":[", (int)kit_below(&random, 9));
    for (int i = 0; i < 3; i++) {
      lines[i] = kit_below(&random, 2) == 0;
      written += (size_t)snprintf(
          json + written, sizeof json - written, "%s{\"sku\":\"%s\",\"price\":%d.%02d,\"quantity\":%d.%d}",
          i == 0 ? "" : ",", kit_below(&random, 2) ? "a" : "b", (int)kit_below(&random, 90),
          (int)kit_below(&random, 100), (int)kit_below(&random, 3), (int)kit_below(&random, 9) + 1);
    }
    snprintf(json + written, sizeof json - written, "]}");
    open_shop(&shop, json);
    shop.stacking = (struct loyalty_stacking){.base = (enum loyalty_base)kit_below(&random, 2),
                                              .order = (enum loyalty_stack_order)kit_below(&random, 3),
                                              .force = kit_below(&random, 2) == 0,
                                              .partial = kit_below(&random, 2) == 0};
    for (int64_t i = kit_below(&random, OFFERS_MAX); i >= 0; i--) add_at_random(&shop, &random, lines);
    lay(&shop);
    assert_true(loyalty_basket_due(&shop.basket) >= 0);
    close_shop(&shop);
  }
}

static void test_short_memory_changes_nothing(void **state) {
  (void)state;
  for (uint64_t allowed = 0;; allowed++) {
    struct shop shop;
    struct arena arena;
    open_shop(&shop, THREE_HUNDREDS);
    amount(&shop, 1000);
    percent(&shop, 1000);
    arena_init(&arena, 0);
    alloc_fail_after(allowed, true);
    enum err err = loyalty_discount(&shop.basket, shop.offers, shop.count, &shop.stacking, false, &arena, NULL);
    bool failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    if (failed) assert_int_equal(shop.basket.discount, 0);
    arena_release(&arena);
    close_shop(&shop);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shares_of_ten_euros),
      cmocka_unit_test(test_the_base_of_a_stack),
      cmocka_unit_test(test_a_percentage_is_rounded_to_even),
      cmocka_unit_test(test_a_percentage_has_a_most),
      cmocka_unit_test(test_the_initial_base_never_takes_a_line_below_zero),
      cmocka_unit_test(test_lines_it_is_not_for_give_nothing),
      cmocka_unit_test(test_no_over_discount),
      cmocka_unit_test(test_what_is_of_no_use_does_not_spoil_the_others),
      cmocka_unit_test(test_force_is_for_codes),
      cmocka_unit_test(test_all_or_nothing),
      cmocka_unit_test(test_rules_come_before_codes),
      cmocka_unit_test(test_the_order_of_a_stack),
      cmocka_unit_test(test_one_of_a_group),
      cmocka_unit_test(test_a_refused_one_leaves_its_group),
      cmocka_unit_test(test_alone_among_codes),
      cmocka_unit_test(test_the_minimum_is_checked_before_discounts),
      cmocka_unit_test(test_a_budget_trims_or_rejects),
      cmocka_unit_test(test_a_budget_trims_shipping),
      cmocka_unit_test(test_the_cheapest_units_are_free),
      cmocka_unit_test(test_a_free_unit_is_worth_what_is_left_of_it),
      cmocka_unit_test(test_a_unit_cut_short_makes_none_dearer),
      cmocka_unit_test(test_any_stack_is_sound),
      cmocka_unit_test(test_short_memory_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
