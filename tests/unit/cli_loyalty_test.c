// What is typed for loyalty, and how members, receipts and codes read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/advice.h"
#include "cli/print_loyalty.h"
#include "cli/typed.h"
#include "loyalty/code.h"
#include "loyalty/image.h"

static void expect_amount(const char *text, bool either, bool good) {
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  json_object_begin(&writer);
  assert_int_equal(typed_amount_write(&writer, "amount", text, either, &diag) == ERR_OK, good);
  if (!good) assert_string_equal(diag.code, "usage");
  buffer_release(&out);
}

static void test_amounts(void **state) {
  (void)state;
  static const char *const good[] = {"1", "100", "0.5", "12.50", "999999999999999"};
  static const char *const bad[] = {"", "-1", "1e3", "01", "1.", ".5", "1.005", "1,5", " 1", "1 ", "9999999999999999",
                                    "x"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) expect_amount(good[i], false, true);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_amount(bad[i], false, false);
  expect_amount("-20", true, true);
  expect_amount("--20", true, false);
}

static void expect_lines(const char *text, const char *wanted) {
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  json_object_begin(&writer);
  enum err err = typed_lines_write(&writer, text, &diag);
  assert_int_equal(err == ERR_OK, wanted != NULL);
  if (err == ERR_OK) {
    json_object_end(&writer);
    buffer_append_byte(&out, '\0');
    assert_string_equal((char *)out.data, wanted);
  }
  buffer_release(&out);
}

static void test_lines(void **state) {
  (void)state;
  expect_lines("A1=2", "{\"lines\":[{\"sku\":\"A1\",\"quantity\":2}]}");
  expect_lines("A1, line:3=0.250", "{\"lines\":[{\"sku\":\"A1\"},{\"line_id\":\"3\",\"quantity\":0.250}]}");
  expect_lines("", NULL);
  expect_lines("A1=", NULL);
  expect_lines("A1=x", NULL);
  expect_lines("A1=1.2.3", NULL);
  expect_lines("A1=01", NULL);
  expect_lines("A1=1,,B2", NULL);
  expect_lines("line:=1", NULL);
}

static void test_verbs(void **state) {
  (void)state;
  static const struct typed_verb verbs[] = {{"show", "ID", 1, 1}, {"list", "", 0, 0}};
  struct options options;
  struct diag diag;
  size_t verb;
  options_init(&options);
  diag_init(&diag);
  options.args[0] = "show", options.args[1] = "x", options.arg_count = 2;
  assert_int_equal(typed_verb_find(&options, "loyalty x", verbs, 2, &verb, &diag), ERR_OK);
  assert_int_equal(verb, 0);
  options.arg_count = 1;
  assert_int_equal(typed_verb_find(&options, "loyalty x", verbs, 2, &verb, &diag), ERR_INVALID);
  assert_string_equal(diag.message, "usage: rapport loyalty x show ID");
  options.args[0] = "lst";
  typed_verb_find(&options, "loyalty x", verbs, 2, &verb, &diag);
  assert_non_null(strstr(diag.message, "did you mean `rapport loyalty x list`?"));
  options.args[0] = "frobnicate";
  typed_verb_find(&options, "loyalty x", verbs, 2, &verb, &diag);
  assert_non_null(strstr(diag.message, "`rapport help loyalty x`"));
  options_release(&options);
}

static void test_ids_differ(void **state) {
  (void)state;
  char a[TYPED_ID_BYTES], b[TYPED_ID_BYTES];
  typed_id_make("return-", a);
  typed_id_make("return-", b);
  assert_int_equal(strncmp(a, "return-", 7), 0);
  assert_string_not_equal(a, b);
}

static void test_advice(void **state) {
  (void)state;
  struct diag diag;
  diag_set(&diag, ERR_DENIED, "INSUFFICIENT_POINTS", "There are not enough points.");
  assert_int_equal(advice_add(ERR_DENIED, &diag), ERR_DENIED);
  assert_non_null(strstr(diag.message, "There are not enough points (INSUFFICIENT_POINTS); `rapport"));
  diag_set(&diag, ERR_DENIED, "CouponExpired", "The code has expired.");
  advice_add(ERR_DENIED, &diag);
  assert_string_equal(diag.message, "The code has expired (CouponExpired)");
  diag_set(&diag, ERR_IO, "unreachable", "cannot reach it");
  advice_add(ERR_IO, &diag);
  assert_string_equal(diag.message, "cannot reach it");
}

typedef void view_fn(const struct print_document *document, struct buffer *out);

static void expect(const char *json, view_fn *view, const char *wanted) {
  struct print_document document;
  struct buffer out;
  buffer_init(&out);
  assert_int_equal(print_document_init(&document, bytes_from_text(json), NULL), ERR_OK);
  view(&document, &out);
  buffer_append_byte(&out, '\0');
  assert_string_equal((char *)out.data, wanted);
  print_document_release(&document);
  buffer_release(&out);
}

static void test_member(void **state) {
  (void)state;
  expect("{\"customer\":\"c42\",\"programmes\":[],\"vouchers\":[]}", print_loyalty_member,
         "c42 is in no programme yet: a first order makes a member\n");
  expect(
      "{\"customer\":\"c42\",\"programmes\":[{\"programme\":\"club\",\"balances\":[{\"currency\":\"points\","
      "\"active\":150,\"pending\":20,\"held\":0,\"debt\":0,\"available\":150,\"spent\":7,\"expired\":0}],\"tier\":"
      "{\"level\":\"premium\",\"since\":\"2026-01-02T00:00:00Z\",\"qualifying\":510,\"next\":\"vip\",\"missing\":990},"
      "\"lots\":[{\"id\":\"l1\",\"currency\":\"points\",\"amount\":50,\"left\":50,\"pending\":0,\"held\":0,"
      "\"earned_at\":\"2026-01-02T00:00:00Z\"},{\"id\":\"l2\",\"currency\":\"points\",\"amount\":100,\"left\":100,"
      "\"pending\":0,\"held\":0,\"earned_at\":\"2026-02-03T00:00:00Z\",\"expires_on\":\"2027-02-03\"},{\"id\":\"l3\","
      "\"currency\":\"points\",\"amount\":9,\"left\":0,\"pending\":0,\"held\":0,\"earned_at\":"
      "\"2026-02-03T00:00:00Z\"}],\"holds\":[]}],\"vouchers\":[{\"code\":\"WELCOME-AB\",\"voucher\":\"WELCOME\","
      "\"state\":\"active\",\"valid_to\":\"2026-12-31T23:00:00Z\",\"uses\":0},{\"code\":\"GIFT-AB\",\"voucher\":"
      "\"GIFT50\",\"state\":\"cancelled\",\"reason\":\"LOST\",\"uses\":1,\"balance\":17.5,\"value\":50}]}",
      print_loyalty_member,
      "c42\n\nProgramme club\n"
      "  points        150 available, 20 pending, 7 spent so far\n"
      "  tier          premium since 2026-01-02, 510 counted; 990 more for vip\n"
      "\nThe next to expire first\n"
      "  100           points until 2027-02-03, earned 2026-02-03\n"
      "  50            points for ever, earned 2026-01-02\n"
      "\nVouchers\n"
      "  WELCOME-AB              WELCOME         active, until 2026-12-31\n"
      "  GIFT-AB                 GIFT50          cancelled: LOST, 17.50 left\n");
}

static void test_receipt(void **state) {
  (void)state;
  expect(
      "{\"booked\":true,\"request\":{\"cart\":{\"products\":[{\"sku\":\"A1\",\"name\":\"Silver "
      "ring\",\"quantity\":2,\"price\":49.9},"
      "{\"line_id\":\"x\",\"product_id\":\"B2\",\"price\":\"5\"}]}},\"reply\":{\"replayed\":true,\"reply\":{"
      "\"customer\":\"c42\",\"order\":\"T-1\",\"effects\":[{\"type\":\"discount\",\"rule\":\"may\",\"campaign\":"
      "\"spring\",\"amount\":10.48,\"lines\":[{\"line_id\":\"1\",\"amount\":9.98},{\"line_id\":\"x\",\"amount\":0.5}]},"
      "{\"type\":\"voucher\",\"rule\":\"gift\",\"code\":\"MUG-1\"}],\"rejected\":[],\"totals\":{\"amount\":104.8,"
      "\"discount\":10.48,\"shipping\":4.9,\"to_pay\":99.22},\"missing\":[]}}}",
      print_loyalty_receipt,
      "Order T-1 of c42, taken before: this is what was said then\n"
      "                                                    price        off     amount\n"
      "  2     A1 Silver ring                              49.90      -9.98      89.82\n"
      "  1     B2                                           5.00      -0.50       4.50\n"
      "Goods           104.80\n"
      "Taken off       -10.48  may of spring\n"
      "Shipping          4.90\n"
      "To pay           99.22\n"
      "Voucher                 MUG-1 for gift\n");
}

static void test_return(void **state) {
  (void)state;
  expect("{\"order\":\"T-1\",\"return_id\":\"R-1\",\"refund\":{\"amount\":50,\"money\":45,\"tenders\":[{\"card\":"
         "\"G\",\"amount\":0},{\"points\":500,\"amount\":5}]},\"points\":[{\"programme\":\"club\",\"currency\":"
         "\"points\",\"taken_back\":20,\"uncollected\":30}]}",
         print_loyalty_return,
         "Return R-1 of order T-1\n"
         "Refund           50.00\n"
         "Given back        5.00  as 500 points\n"
         "In money         45.00\n"
         "Taken back          20  points; 30 were spent already and could not be\n");
}

static void test_points_and_codes(void **state) {
  (void)state;
  expect("{\"hold\":\"h42-7\",\"status\":\"held\",\"amount\":120,\"expires_at\":\"2026-11-22T09:15:00.000Z\","
         "\"balance\":{\"balances\":[{\"currency\":\"points\",\"available\":180,\"held\":120}]}}",
         print_loyalty_points, "h42-7 held 120 until 2026-11-22 09:15 UTC\n  points        180 available, 120 held\n");
  expect("{\"approval\":\"a7\",\"status\":\"waiting\"}", print_loyalty_points, "waits for a second person, as a7\n");
  expect("{\"codes\":[\"A\",{\"code\":\"B\"}]}", print_loyalty_codes, "A\nB\n");
  expect("{\"valid\":true,\"code\":\"A\"}", print_loyalty_validation, "good\n");
  expect("{\"valid\":false,\"reason\":\"CouponExpired\",\"message\":\"The code has expired.\"}",
         print_loyalty_validation, "not good: The code has expired. (CouponExpired)\n");
}

static void test_hostile_text_steers_nothing(void **state) {
  (void)state;
  expect("{\"codes\":[\"A\\u001b[31mB\"]}", print_loyalty_codes, "A?[31mB\n");
}

static void test_blocks(void **state) {
  (void)state;
  struct buffer plain, coloured;
  size_t lines = 0;
  buffer_init(&plain);
  buffer_init(&coloured);
  assert_int_equal(loyalty_image_blocks(BYTES("WELCOME26"), false, &plain, NULL), ERR_OK);
  assert_int_equal(loyalty_image_blocks(BYTES("WELCOME26"), true, &coloured, NULL), ERR_OK);
  for (size_t i = 0; i < plain.size_bytes; i++) lines += plain.data[i] == '\n';
  assert_int_equal(lines, 13); // 21 modules and 4 of the quiet zone, two rows a line
  assert_true(coloured.size_bytes > plain.size_bytes);
  assert_int_equal(loyalty_image_blocks(BYTES(""), false, &plain, NULL), ERR_INVALID);
  assert_int_equal(loyalty_image_blocks(BYTES("\x1b"), false, &plain, NULL), ERR_INVALID);
  buffer_release(&plain);
  buffer_release(&coloured);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_amounts),
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_verbs),
      cmocka_unit_test(test_ids_differ),
      cmocka_unit_test(test_advice),
      cmocka_unit_test(test_member),
      cmocka_unit_test(test_receipt),
      cmocka_unit_test(test_return),
      cmocka_unit_test(test_points_and_codes),
      cmocka_unit_test(test_hostile_text_steers_nothing),
      cmocka_unit_test(test_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
