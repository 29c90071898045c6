// The closed list of refusals: each once, with a sentence, in the order in which it is looked for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "loyalty/code.h"

static size_t place_of(const char *code) {
  size_t count;
  const struct loyalty_refusal *refusals = loyalty_refusals(&count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(refusals[i].code, code) == 0) return i;
  fail_msg("%s is not in the list", code);
  return count;
}

static void test_each_is_there_once_with_a_sentence(void **state) {
  (void)state;
  size_t count;
  const struct loyalty_refusal *refusals = loyalty_refusals(&count);
  assert_true(count > 40);
  for (size_t i = 0; i < count; i++) {
    const char *words = refusals[i].words;
    assert_int_equal(place_of(refusals[i].code), i);
    assert_true(strlen(refusals[i].code) < DIAG_CODE_BYTES);
    assert_true(isupper((unsigned char)words[0]) && words[strlen(words) - 1] == '.');
    assert_ptr_equal(loyalty_refusal_words(refusals[i].code), words);
  }
  assert_null(loyalty_refusal_words("couponexpired"));
  assert_null(loyalty_refusal_words(""));
}

static void expect_order(const char *const *codes, size_t count) {
  for (size_t i = 1; i < count; i++) assert_true(place_of(codes[i - 1]) < place_of(codes[i]));
}

static void test_the_order_is_that_of_the_checks(void **state) {
  (void)state;
  static const char *const codes[] = {"CouponNotFound",
                                      "CARD_CANCELLED",
                                      "CouponCancelled",
                                      "CouponPartOfNotRunningCampaign",
                                      "CouponStartDateInFuture",
                                      "CouponExpired",
                                      "quantity_exceeded",
                                      "ProfileRequired",
                                      "CouponRecipientDoesNotMatch",
                                      "CouponLimitReached",
                                      "CouponRejectedByCondition",
                                      "no_balance"};
  static const char *const offers[] = {"minimum_not_reached", "group_taken",      "exclusive",    "product_missing",
                                       "over_basket",         "BUDGET_EXHAUSTED", "not_all_valid"};
  expect_order(codes, sizeof codes / sizeof *codes);
  expect_order(offers, sizeof offers / sizeof *offers);
}

static void test_the_words_of_the_field_are_there(void **state) {
  (void)state;
  static const char *const words[] = {"INSUFFICIENT_POINTS",
                                      "HOLD_EXPIRED",
                                      "ALREADY_CAPTURED",
                                      "ALREADY_VOIDED",
                                      "CAPTURE_EXCEEDS_HOLD",
                                      "unknown_hold",
                                      "RETURN_EXCEEDS_SOLD",
                                      "ORDER_CANCELLED",
                                      "TOO_LATE",
                                      "CAMPAIGN_LIMIT_REACHED",
                                      "REDEMPTION_CONFLICT",
                                      "ReferralRecipientIdSameAsAdvocate",
                                      "ReferralCustomerAlreadyReferred"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) assert_non_null(loyalty_refusal_words(words[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_is_there_once_with_a_sentence),
      cmocka_unit_test(test_the_order_is_that_of_the_checks),
      cmocka_unit_test(test_the_words_of_the_field_are_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
