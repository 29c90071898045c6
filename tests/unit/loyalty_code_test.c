// Codes: typing errors are found, rows come back, refusals have their order, doubles go after a merge.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "loyalty/code.h"

static const char alphabet[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

// --- as they are typed ---------------------------------------------------------------------------------------

static void expect_normal(const char *typed, const char *expected) {
  char code[LOYALTY_CODE_BYTES + 1];
  assert_int_equal(loyalty_code_normalise(bytes_from_text(typed), code, NULL), ERR_OK);
  assert_string_equal(code, expected);
}

static void expect_no_code(struct bytes typed) {
  char code[LOYALTY_CODE_BYTES + 1];
  struct diag diag;
  assert_int_equal(loyalty_code_normalise(typed, code, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "bad_code");
  assert_string_equal(code, "");
}

static void test_case_spaces_and_dashes_do_not_matter(void **state) {
  (void)state;
  expect_normal("summer26", "SUMMER26");
  expect_normal(" Ab2c-9xYz -- k ", "AB2C9XYZK");
  expect_normal("10%_off.+!$&", "10%_OFF.+!$&");
  expect_normal("0123456789012345678901234567890123456789012345678901234567890123",
                "0123456789012345678901234567890123456789012345678901234567890123");
}

static void test_what_no_code_can_be(void **state) {
  (void)state;
  static const char *const wrong[] = {"",
                                      " - ",
                                      "A\tB",
                                      "A\nB",
                                      "A/B",
                                      "A\"B",
                                      "A'B",
                                      "<A>",
                                      "A\\B",
                                      "A:B",
                                      "\xCE\x91"
                                      "BC", // a Greek alpha
                                      "A\xC2\xA0"
                                      "B",
                                      "A\xE2\x80\x93"
                                      "B", // a space that does not break, an en dash
                                      "\xEF\xBC\xA1"
                                      "BC",
                                      "\xFF", // a wide A, no UTF-8
                                      "01234567890123456789012345678901234567890123456789012345678901234"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) expect_no_code(bytes_from_text(wrong[i]));
  expect_no_code(BYTES("A\0B"));
  static char spaces[100000];
  memset(spaces, ' ', sizeof spaces);
  expect_no_code(bytes_of(spaces, sizeof spaces));
}

// --- the check character -------------------------------------------------------------------------------------

static bool is_sound(const char *code, struct bytes prefix, size_t length) {
  return loyalty_code_is_sound(bytes_from_text(code), prefix, length);
}

static void every_substitution(char *code, struct bytes prefix, size_t length) {
  for (size_t i = prefix.size_bytes; code[i] != 0; i++) {
    char right = code[i];
    for (size_t j = 0; alphabet[j] != 0; j++) {
      code[i] = alphabet[j];
      assert_int_equal(is_sound(code, prefix, length), alphabet[j] == right);
    }
    code[i] = '0'; // is in no code
    assert_false(is_sound(code, prefix, length));
    code[i] = right;
  }
}

static void every_transposition(char *code, struct bytes prefix, size_t length) {
  for (size_t i = prefix.size_bytes; code[i + 1] != 0; i++) {
    char first = code[i], second = code[i + 1];
    code[i] = second;
    code[i + 1] = first;
    assert_int_equal(is_sound(code, prefix, length), first == second);
    code[i] = first;
    code[i + 1] = second;
  }
}

static void test_every_typing_error_is_found(void **state) {
  (void)state;
  static const char *const prefixes[] = {"", "NOEL", "OIL0_1"};
  static const size_t lengths[] = {1, 4, 12, 29, 30, 31, 57};
  for (size_t p = 0; p < 3; p++) {
    for (size_t l = 0; l < 7; l++) {
      for (int round = 0; round < 40; round++) {
        char code[LOYALTY_CODE_BYTES + 1];
        struct bytes prefix = bytes_from_text(prefixes[p]);
        loyalty_code_make(prefix, lengths[l], code);
        assert_int_equal(strlen(code), prefix.size_bytes + lengths[l] + 1);
        assert_true(bytes_starts_with(bytes_from_text(code), prefix));
        assert_int_equal(strspn(code + prefix.size_bytes, alphabet), lengths[l] + 1);
        assert_true(is_sound(code, prefix, lengths[l]));
        every_substitution(code, prefix, lengths[l]);
        every_transposition(code, prefix, lengths[l]);
      }
    }
  }
}

static void test_codes_of_people_are_not_judged(void **state) {
  (void)state;
  assert_true(is_sound("SUMMER26", BYTES(""), 12));
  assert_true(is_sound("NOEL2026", BYTES("NOEL"), 12));
  assert_true(is_sound("EASTER2345678", BYTES("NOEL"), 8));
  assert_true(is_sound("", BYTES(""), 12));
}

static void test_dashes_of_a_prefix_are_left_out(void **state) {
  (void)state;
  char code[LOYALTY_CODE_BYTES + 1], typed[LOYALTY_CODE_BYTES + 1];
  loyalty_code_make(BYTES("NOEL-26-"), 8, code);
  assert_int_equal(strlen(code), 6 + 8 + 1);
  assert_memory_equal(code, "NOEL26", 6);
  assert_int_equal(loyalty_code_normalise(bytes_from_text(code), typed, NULL), ERR_OK);
  assert_string_equal(typed, code);
  assert_true(is_sound(code, BYTES("NOEL-26-"), 8));
  code[7] = code[7] == 'A' ? 'B' : 'A';
  assert_false(is_sound(code, BYTES("NOEL-26-"), 8));
}

static int by_text(const void *a, const void *b) {
  return strcmp(a, b);
}

// Of 20,000 codes no two alike, and each character about as often as the others.
static void test_codes_are_random(void **state) {
  (void)state;
  enum { COUNT = 20000 };
  static char codes[COUNT][LOYALTY_CODE_BYTES + 1];
  size_t counts[256] = {0};
  for (size_t i = 0; i < COUNT; i++) {
    loyalty_code_make(bytes_of(NULL, 0), LOYALTY_CODE_LENGTH, codes[i]);
    for (size_t j = 0; codes[i][j] != 0; j++) counts[(uint8_t)codes[i][j]]++;
  }
  qsort(codes, COUNT, sizeof *codes, by_text);
  for (size_t i = 1; i < COUNT; i++) assert_true(strcmp(codes[i - 1], codes[i]) != 0);
  size_t mean = COUNT * (LOYALTY_CODE_LENGTH + 1) / 31; // 8387, with a deviation of about 90
  for (size_t j = 0; alphabet[j] != 0; j++) assert_in_range(counts[(uint8_t)alphabet[j]], mean - 700, mean + 700);
}

// --- rows ----------------------------------------------------------------------------------------------------

static const struct loyalty_span always = {INT64_MIN, INT64_MAX};

static struct bytes encoded_code(const struct loyalty_code *code, struct arena *arena) {
  struct buffer out;
  buffer_init(&out);
  loyalty_code_encode(code, &out);
  struct bytes row = arena_copy(arena, buffer_view(&out));
  buffer_release(&out);
  return row;
}

static struct bytes encoded_redemption(const struct loyalty_redemption *redemption, struct arena *arena) {
  struct buffer out;
  buffer_init(&out);
  loyalty_redemption_encode(redemption, &out);
  struct bytes row = arena_copy(arena, buffer_view(&out));
  buffer_release(&out);
  return row;
}

static struct loyalty_code full_code(void) {
  return (struct loyalty_code){.code = BYTES("CARD42"),
                               .voucher = UINT32_MAX,
                               .state = LOYALTY_CODE_CANCELLED,
                               .reason = BYTES("DUPLICATE_ON_MERGE"),
                               .customer = 17,
                               .span = {1772355600000000, INT64_MAX - 1},
                               .created_us = 1772355600000000,
                               .uses = 3,
                               .balance = 1750,
                               .value = 5000,
                               .period = -1,
                               .paid = true,
                               .flagged = true,
                               .cause = UINT64_MAX};
}

static void expect_same_code(const struct loyalty_code *a, const struct loyalty_code *b) {
  assert_true(bytes_equal(a->code, b->code) && bytes_equal(a->reason, b->reason));
  assert_int_equal(a->voucher, b->voucher);
  assert_int_equal(a->state, b->state);
  assert_true(a->customer == b->customer && a->cause == b->cause);
  assert_true(a->span.from_us == b->span.from_us && a->span.to_us == b->span.to_us);
  assert_true(a->created_us == b->created_us && a->uses == b->uses);
  assert_true(a->balance == b->balance && a->value == b->value);
  assert_int_equal(a->period, b->period);
  assert_int_equal(a->paid, b->paid);
  assert_int_equal(a->flagged, b->flagged);
}

static void expect_back(const struct loyalty_code *code, size_t most_bytes) {
  struct arena arena;
  struct loyalty_code back;
  arena_init(&arena, 0);
  struct bytes row = encoded_code(code, &arena);
  assert_in_range(row.size_bytes, 1, most_bytes);
  assert_int_equal(loyalty_code_decode(row, code->code, &arena, &back), ERR_OK);
  expect_same_code(&back, code);
  for (size_t size = 0; size < row.size_bytes; size++)
    assert_int_equal(loyalty_code_decode(bytes_of(row.data, size), code->code, &arena, &back), ERR_CORRUPT);
  uint8_t damaged[128];
  memcpy(damaged, row.data, row.size_bytes);
  damaged[row.size_bytes] = 0;
  assert_int_equal(loyalty_code_decode(bytes_of(damaged, row.size_bytes + 1), code->code, &arena, &back), ERR_CORRUPT);
  damaged[1] |= 64; // no such flag
  assert_int_equal(loyalty_code_decode(bytes_of(damaged, row.size_bytes), code->code, &arena, &back), ERR_CORRUPT);
  damaged[0] = 2; // no such format
  assert_int_equal(loyalty_code_decode(bytes_of(damaged, row.size_bytes), code->code, &arena, &back), ERR_CORRUPT);
  arena_release(&arena);
}

static void test_a_code_comes_back_from_its_row(void **state) {
  (void)state;
  struct loyalty_code code = full_code();
  expect_back(&code, 100);
  code = (struct loyalty_code){.code = BYTES("A"), .voucher = 4, .span = always, .created_us = 1772355600000000};
  expect_back(&code, 16); // as most are
  code.span.from_us = INT64_MAX;
  code.created_us = INT64_MIN;
  expect_back(&code, 40);
}

static struct loyalty_redemption full_redemption(void) {
  return (struct loyalty_redemption){.id = 99,
                                     .code = BYTES("SUMMER26"),
                                     .order = BYTES("o-1"),
                                     .identifier = BYTES("email:zoe@exemple.fr"),
                                     .voucher = 4,
                                     .customer = 17,
                                     .cents = 1000,
                                     .time_us = 1772355600000000,
                                     .recorded_us = 1772355600000009,
                                     .source = 3,
                                     .rolled_back = true,
                                     .rolled_back_us = 1772355700000000};
}

static void test_a_redemption_comes_back_from_its_row(void **state) {
  (void)state;
  struct arena arena;
  struct loyalty_redemption back, redemption = full_redemption();
  arena_init(&arena, 0);
  struct bytes row = encoded_redemption(&redemption, &arena);
  assert_int_equal(loyalty_redemption_decode(row, &arena, &back), ERR_OK);
  assert_true(bytes_equal(encoded_redemption(&back, &arena), row));
  assert_true(bytes_equal(back.identifier, redemption.identifier));
  assert_true(back.rolled_back && back.rolled_back_us == redemption.rolled_back_us && back.cents == 1000);
  for (size_t size = 0; size < row.size_bytes; size++)
    assert_int_equal(loyalty_redemption_decode(bytes_of(row.data, size), &arena, &back), ERR_CORRUPT);
  // Rows from before there were cashiers end there.
  assert_true(back.cashier.size_bytes == 0);
  redemption.cashier = BYTES("anna");
  row = encoded_redemption(&redemption, &arena);
  assert_int_equal(loyalty_redemption_decode(row, &arena, &back), ERR_OK);
  assert_true(bytes_equal(back.cashier, redemption.cashier));
  arena_release(&arena);
}

static void test_short_memory_is_told(void **state) {
  (void)state;
  struct arena rows, arena;
  struct loyalty_code code = full_code(), code_back;
  struct loyalty_redemption redemption = full_redemption(), redemption_back;
  arena_init(&rows, 0);
  struct bytes first = encoded_code(&code, &rows), second = encoded_redemption(&redemption, &rows);
  for (uint64_t allowed = 0;; allowed++) {
    arena_init(&arena, 0);
    alloc_fail_after(allowed, true);
    enum err err = loyalty_code_decode(first, code.code, &arena, &code_back);
    if (err == ERR_OK) err = loyalty_redemption_decode(second, &arena, &redemption_back);
    bool failed = alloc_fail_disarm();
    arena_release(&arena);
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    if (!failed) break;
  }
  arena_release(&rows);
}

// --- as JSON -------------------------------------------------------------------------------------------------

static void expect_json(struct buffer *out, struct json_writer *writer, const char *expected) {
  json_object_end(writer);
  buffer_append_byte(out, 0);
  assert_string_equal((const char *)out->data, expected);
  buffer_release(out);
}

static void expect_code_told(const struct loyalty_code *code, const struct loyalty_voucher *voucher, const char *json) {
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  loyalty_code_json(code, voucher, &writer);
  expect_json(&out, &writer, json);
}

static void test_codes_are_told(void **state) {
  (void)state;
  struct loyalty_voucher voucher = {.id = BYTES("GIFT"), .span = {INT64_MIN, 1774000000000000}};
  struct loyalty_code code = full_code();
  voucher.discount.kind = LOYALTY_CREDIT;
  expect_code_told(&code, &voucher,
                   "{\"code\":\"CARD42\",\"voucher\":\"GIFT\",\"state\":\"cancelled\","
                   "\"reason\":\"DUPLICATE_ON_MERGE\",\"customer\":\"c17\","
                   "\"valid_from\":\"2026-03-01T09:00:00.000Z\",\"valid_to\":\"2026-03-20T09:46:40.000Z\","
                   "\"created_at\":\"2026-03-01T09:00:00.000Z\",\"uses\":3,\"flagged\":true,\"balance\":17.50,"
                   "\"value\":50.00}");
  code = (struct loyalty_code){.code = BYTES("A"), .span = always};
  voucher = (struct loyalty_voucher){.id = BYTES("W"), .span = always};
  expect_code_told(&code, &voucher,
                   "{\"code\":\"A\",\"voucher\":\"W\",\"state\":\"active\","
                   "\"created_at\":\"1970-01-01T00:00:00.000Z\",\"uses\":0}");
}

static void test_redemptions_are_told(void **state) {
  (void)state;
  struct loyalty_redemption redemption = full_redemption();
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  loyalty_redemption_json(&redemption, &writer);
  expect_json(&out, &writer,
              "{\"id\":\"r99\",\"code\":\"SUMMER26\",\"order\":\"o-1\",\"customer\":\"c17\",\"amount\":10.00,"
              "\"time\":\"2026-03-01T09:00:00.000Z\",\"recorded_at\":\"2026-03-01T09:00:00.000009Z\","
              "\"rolled_back\":true,\"rolled_back_at\":\"2026-03-01T09:01:40.000Z\"}");
}

// --- refusals ------------------------------------------------------------------------------------------------

// Everything is wrong at once; mended one after another, each refusal is followed by the next.
static void test_refusals_have_an_order(void **state) {
  (void)state;
  struct loyalty_voucher voucher = {.uses_per_code = 1,
                                    .uses_total = 10,
                                    .uses_per_customer = 1,
                                    .span = {100, 50}, // both in the future and over
                                    .recipients = BYTES("true"),
                                    .when = BYTES("true"),
                                    .customer_needed = true,
                                    .archived = true};
  struct loyalty_code code = {.state = LOYALTY_CODE_CANCELLED, .span = always, .uses = 1, .customer = 5};
  struct loyalty_code_try attempt = {.at_us = 60, .voucher_uses = 10, .customer_uses = 1};
  voucher.discount.kind = LOYALTY_CREDIT;
#define EXPECT(word) assert_string_equal(loyalty_code_refusal(&attempt), word)
  EXPECT("CouponNotFound");
  attempt.voucher = &voucher;
  EXPECT("CouponNotFound");
  attempt.code = &code;
  EXPECT("CARD_CANCELLED");
  voucher.discount.kind = LOYALTY_AMOUNT;
  EXPECT("CouponCancelled");
  voucher.discount.kind = LOYALTY_CREDIT;
  code.state = LOYALTY_CODE_ACTIVE;
  EXPECT("CouponPartOfNotRunningCampaign");
  voucher.archived = false;
  EXPECT("CouponStartDateInFuture");
  voucher.span.from_us = 0;
  EXPECT("CouponExpired");
  voucher.span.to_us = INT64_MAX;
  EXPECT("quantity_exceeded");
  code.uses = 0;
  EXPECT("quantity_exceeded"); // of all codes of the voucher
  attempt.voucher_uses = 9;
  EXPECT("ProfileRequired");
  attempt.customer = 6;
  EXPECT("CouponRecipientDoesNotMatch"); // it is another's
  attempt.customer = 5;
  EXPECT("CouponRecipientDoesNotMatch"); // she is none of those it is for
  attempt.recipient = true;
  EXPECT("CouponLimitReached");
  attempt.customer_uses = 0;
  EXPECT("CouponRejectedByCondition");
  attempt.condition = true;
  EXPECT("no_balance");
  code.balance = 1;
  assert_null(loyalty_code_refusal(&attempt));
#undef EXPECT
}

static const char *refusal_at(struct loyalty_span voucher_span, struct loyalty_span code_span, int64_t at_us) {
  struct loyalty_voucher voucher = {.span = voucher_span};
  struct loyalty_code code = {.span = code_span};
  struct loyalty_code_try attempt = {.voucher = &voucher, .code = &code, .at_us = at_us};
  const char *refusal = loyalty_code_refusal(&attempt);
  return refusal == NULL ? "" : refusal;
}

static void test_ends_of_validity(void **state) {
  (void)state;
  struct loyalty_span narrow = {10, 20};
  assert_string_equal(refusal_at(narrow, always, 9), "CouponStartDateInFuture");
  assert_string_equal(refusal_at(narrow, always, 10), "");
  assert_string_equal(refusal_at(narrow, always, 19), "");
  assert_string_equal(refusal_at(narrow, always, 20), "CouponExpired");
  assert_string_equal(refusal_at(always, narrow, 9), "CouponStartDateInFuture");
  assert_string_equal(refusal_at(always, narrow, 10), "");
  assert_string_equal(refusal_at(always, narrow, 20), "CouponExpired");
  assert_string_equal(refusal_at(always, always, INT64_MIN), "");
}

// Each of these asks who the customer is.
static void test_when_a_profile_is_required(void **state) {
  (void)state;
  struct loyalty_voucher voucher = {.span = always};
  struct loyalty_code code = {.span = always};
  struct loyalty_code_try attempt = {.voucher = &voucher, .code = &code};
  assert_null(loyalty_code_refusal(&attempt));
  voucher.customer_needed = true;
  assert_string_equal(loyalty_code_refusal(&attempt), "ProfileRequired");
  voucher = (struct loyalty_voucher){.span = always, .uses_per_customer = 1};
  assert_string_equal(loyalty_code_refusal(&attempt), "ProfileRequired");
  voucher = (struct loyalty_voucher){.span = always, .recipients = BYTES("true")};
  assert_string_equal(loyalty_code_refusal(&attempt), "ProfileRequired");
  voucher = (struct loyalty_voucher){.span = always};
  code.customer = 5;
  assert_string_equal(loyalty_code_refusal(&attempt), "CouponRecipientDoesNotMatch");
}

// Ten codes and ten uses: the tenth works.
static void test_the_last_use_works(void **state) {
  (void)state;
  struct loyalty_voucher voucher = {.span = always, .uses_per_code = 1, .uses_total = 10};
  struct loyalty_code code = {.span = always};
  struct loyalty_code_try attempt = {.voucher = &voucher, .code = &code, .voucher_uses = 9};
  assert_null(loyalty_code_refusal(&attempt));
  attempt.voucher_uses = 10;
  assert_string_equal(loyalty_code_refusal(&attempt), "quantity_exceeded");
}

// --- doubles after a merge -----------------------------------------------------------------------------------

enum { CODES_MAX = 6 };

struct merged {
  struct loyalty_voucher voucher;
  struct loyalty_code codes[CODES_MAX];
  const struct loyalty_voucher *vouchers[CODES_MAX];
  size_t count;
};

static struct loyalty_code *hold(struct merged *merged, const char *name) {
  struct loyalty_code *code = &merged->codes[merged->count];
  *code = (struct loyalty_code){.code = bytes_from_text(name), .voucher = merged->voucher.number, .span = always};
  merged->vouchers[merged->count++] = &merged->voucher;
  return code;
}

// `expected`: of each code - for stays, x for goes.
static void expect_doubles(const struct merged *merged, const char *expected) {
  bool cancelled[CODES_MAX];
  loyalty_codes_deduplicate(merged->codes, merged->vouchers, merged->count, cancelled);
  assert_int_equal(strlen(expected), merged->count);
  for (size_t i = 0; i < merged->count; i++) assert_int_equal(cancelled[i], expected[i] == 'x');
}

static struct merged entitled(enum loyalty_entitlement entitlement) {
  return (struct merged){.voucher = {.number = 4, .entitlement = entitlement}};
}

static void test_one_welcome_stays(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_ONCE);
  hold(&merged, "B")->created_us = 2;
  hold(&merged, "A")->created_us = 1;
  expect_doubles(&merged, "x-");
  merged.codes[0].created_us = 1;
  expect_doubles(&merged, "x-"); // alike: by the text
  merged.codes[1].span.to_us = 1000;
  expect_doubles(&merged, "-x"); // the one that can be used longer
  merged.voucher.entitlement = LOYALTY_ENTITLED_EACH;
  expect_doubles(&merged, "--");
}

static void test_a_used_one_leaves_none(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_ONCE);
  hold(&merged, "A")->uses = 1;
  hold(&merged, "B");
  hold(&merged, "C");
  expect_doubles(&merged, "-xx");
  merged.codes[0].state = LOYALTY_CODE_CANCELLED; // used all the same
  expect_doubles(&merged, "-xx");
  merged.codes[0].uses = 0;
  expect_doubles(&merged, "--x");
  merged.codes[0].balance = 1;
  merged.codes[0].value = 2; // a card that was begun
  expect_doubles(&merged, "-xx");
}

static void test_a_birthday_is_once_a_year(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_YEAR);
  hold(&merged, "A")->period = 2025;
  hold(&merged, "B")->period = 2026;
  hold(&merged, "C")->period = 2026;
  expect_doubles(&merged, "--x");
  merged.codes[0].uses = 1;
  expect_doubles(&merged, "--x");
  merged.codes[1].uses = 1;
  expect_doubles(&merged, "--x");
}

static void test_what_was_paid_for_stays(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_ONCE);
  hold(&merged, "A")->paid = true;
  hold(&merged, "B")->paid = true;
  hold(&merged, "C");
  hold(&merged, "D");
  expect_doubles(&merged, "---x");
  merged.codes[0].uses = 1; // and does not count
  expect_doubles(&merged, "---x");
}

static void test_as_many_as_the_limit_stay(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_ONCE);
  merged.voucher.uses_per_customer = 2;
  hold(&merged, "A");
  hold(&merged, "B");
  hold(&merged, "C");
  expect_doubles(&merged, "--x");
  merged.codes[0].uses = 1;
  expect_doubles(&merged, "--x");
  merged.codes[1].uses = 1;
  expect_doubles(&merged, "--x");
  merged.codes[1].uses = 0;
  merged.codes[0].uses = 2;
  expect_doubles(&merged, "-xx");
}

static void test_definitions_are_apart(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_ONCE);
  hold(&merged, "A");
  hold(&merged, "B")->voucher = 5;
  hold(&merged, "C");
  merged.vouchers[2] = NULL; // a definition that is gone
  merged.codes[2].voucher = 6;
  expect_doubles(&merged, "---");
}

// What is left after it has no doubles any more.
static void test_doubles_go_once(void **state) {
  (void)state;
  struct merged merged = entitled(LOYALTY_ENTITLED_ONCE);
  hold(&merged, "A");
  hold(&merged, "B");
  hold(&merged, "C");
  expect_doubles(&merged, "-xx");
  merged.codes[1].state = merged.codes[2].state = LOYALTY_CODE_CANCELLED;
  expect_doubles(&merged, "---");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_case_spaces_and_dashes_do_not_matter),
      cmocka_unit_test(test_what_no_code_can_be),
      cmocka_unit_test(test_every_typing_error_is_found),
      cmocka_unit_test(test_codes_of_people_are_not_judged),
      cmocka_unit_test(test_dashes_of_a_prefix_are_left_out),
      cmocka_unit_test(test_codes_are_random),
      cmocka_unit_test(test_a_code_comes_back_from_its_row),
      cmocka_unit_test(test_a_redemption_comes_back_from_its_row),
      cmocka_unit_test(test_short_memory_is_told),
      cmocka_unit_test(test_codes_are_told),
      cmocka_unit_test(test_redemptions_are_told),
      cmocka_unit_test(test_refusals_have_an_order),
      cmocka_unit_test(test_ends_of_validity),
      cmocka_unit_test(test_when_a_profile_is_required),
      cmocka_unit_test(test_the_last_use_works),
      cmocka_unit_test(test_one_welcome_stays),
      cmocka_unit_test(test_a_used_one_leaves_none),
      cmocka_unit_test(test_a_birthday_is_once_a_year),
      cmocka_unit_test(test_what_was_paid_for_stays),
      cmocka_unit_test(test_as_many_as_the_limit_stay),
      cmocka_unit_test(test_definitions_are_apart),
      cmocka_unit_test(test_doubles_go_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
