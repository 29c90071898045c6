// The contracts of base/bytes.h, base/err.h and base/diag.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/diag.h"

static void compare_orders_like_memcmp(void **state) {
  (void)state;
  assert_true(bytes_compare(BYTES("ab"), BYTES("abc")) < 0);
  assert_true(bytes_compare(BYTES("b"), BYTES("abc")) > 0);
  assert_int_equal(bytes_compare(BYTES("abc"), BYTES("abc")), 0);
  assert_int_equal(bytes_compare((struct bytes){NULL, 0}, BYTES("")), 0);
  assert_true(bytes_equal((struct bytes){NULL, 0}, BYTES("")));
  assert_false(bytes_equal(BYTES("a"), BYTES("b")));
  assert_true(bytes_starts_with(BYTES("batch[1]"), BYTES("batch")));
  assert_false(bytes_starts_with(BYTES("bat"), BYTES("batch")));
  assert_true(bytes_equal_ascii_case(BYTES("Content-Type"), BYTES("content-TYPE")));
  assert_false(bytes_equal_ascii_case(BYTES("\xc3\x89"), BYTES("\xc3\xa9")));
}

static void trim_takes_white_space_only(void **state) {
  (void)state;
  assert_true(bytes_equal(bytes_trim(BYTES(" \t a b\r\n")), BYTES("a b")));
  assert_int_equal(bytes_trim(BYTES(" \t ")).size_bytes, 0);
  assert_int_equal(bytes_trim((struct bytes){NULL, 0}).size_bytes, 0);
}

static void utf8_follows_table_3_7(void **state) {
  (void)state;
  static const char *const good[] = {"",
                                     "plain ascii, longer than a word",
                                     "\xc2\x80",
                                     "\xdf\xbf",
                                     "\xe0\xa0\x80",
                                     "\xed\x9f\xbf",
                                     "\xee\x80\x80",
                                     "\xf0\x90\x80\x80",
                                     "\xf4\x8f\xbf\xbf",
                                     "12345678\xc3\xa9"};
  static const char *const bad[] = {"\x80",         "\xc0\xaf",     "\xc1\xbf",         "\xc3",
                                    "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80", "\xff",         "1234567\xc3",      "12345678\xe2\x82"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) assert_true(bytes_is_utf8(bytes_from_text(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(bytes_is_utf8(bytes_from_text(bad[i])));
}

static void numbers_and_hexadecimal(void **state) {
  (void)state;
  uint64_t number = 7;
  assert_int_equal(bytes_to_u64(BYTES("18446744073709551615"), &number), ERR_OK);
  assert_true(number == UINT64_MAX);
  assert_int_equal(bytes_to_u64(BYTES("18446744073709551616"), &number), ERR_INVALID);
  assert_int_equal(bytes_to_u64(BYTES(""), &number), ERR_INVALID);
  assert_int_equal(bytes_to_u64(BYTES("-1"), &number), ERR_INVALID);
  assert_int_equal(bytes_to_u64(BYTES("1 "), &number), ERR_INVALID);
  char text[9];
  bytes_to_hex(bytes_of("\x00\x7f\xab\xff", 4), text);
  assert_string_equal(text, "007fabff");
  uint8_t back[4];
  assert_int_equal(bytes_from_hex(BYTES("007FabFF"), back, 4), ERR_OK);
  assert_memory_equal(back, "\x00\x7f\xab\xff", 4);
  assert_int_equal(bytes_from_hex(BYTES("007fabf"), back, 4), ERR_INVALID);
  assert_int_equal(bytes_from_hex(BYTES("007fabfg"), back, 4), ERR_INVALID);
  assert_int_equal(bytes_from_hex(BYTES("007fab"), back, 4), ERR_INVALID);
}

static void buffer_grows_and_keeps_its_content(void **state) {
  (void)state;
  struct buffer buffer;
  buffer_init(&buffer);
  for (int i = 0; i < 1000; i++) buffer_append_format(&buffer, "%d,", i);
  buffer_append_bytes(&buffer, (struct bytes){NULL, 0});
  buffer_append_byte(&buffer, '!');
  assert_false(buffer.failed);
  assert_int_equal(buffer.size_bytes, 10 * 2 + 90 * 3 + 900 * 4 + 1);
  assert_memory_equal(buffer.data, "0,1,2,3,", 8);
  assert_int_equal(buffer.data[buffer.size_bytes - 1], '!');
  buffer_release(&buffer);
}

static void buffer_failure_is_sticky_until_cleared(void **state) {
  (void)state;
  struct buffer buffer;
  buffer_init(&buffer);
  alloc_fail_after(0, false);
  buffer_append_text(&buffer, "lost");
  assert_true(alloc_fail_disarm());
  buffer_append_text(&buffer, "also not written");
  assert_true(buffer.failed);
  assert_int_equal(buffer.size_bytes, 0);
  buffer_clear(&buffer);
  buffer_append_text(&buffer, "kept");
  assert_false(buffer.failed);
  assert_false(buffer_reserve(&buffer, SIZE_MAX - 2));
  assert_true(bytes_equal(buffer_view(&buffer), BYTES("kept")));
  buffer_release(&buffer);
}

static void every_code_has_a_word(void **state) {
  (void)state;
  assert_string_equal(err_name(ERR_OK), "ok");
  assert_string_equal(err_name(ERR_NO_MEMORY), "no_memory");
  assert_string_equal(err_name(ERR_FULL), "full");
  assert_string_equal(err_name(ERR_UNSUPPORTED), "unsupported");
  assert_string_equal(err_name((enum err) - 99), "unknown");
  assert_string_equal(err_name((enum err)1), "unknown");
}

static void diag_builds_a_path_from_inside_out(void **state) {
  (void)state;
  struct diag diag;
  diag_init(&diag);
  assert_int_equal(diag_set(&diag, ERR_LIMIT, "too_large", "%d bytes", 12), ERR_LIMIT);
  assert_string_equal(diag.code, "too_large");
  assert_string_equal(diag.message, "12 bytes");
  diag_in_field(&diag, "[%d]", 2);
  diag_in_field(&diag, "products");
  diag_in_field(&diag, "properties");
  diag_in_field(&diag, "batch[%d]", 3);
  assert_string_equal(diag.field, "batch[3].properties.products[2]");
  for (int i = 0; i < 100; i++) diag_in_field(&diag, "deeper");
  assert_int_equal(strlen(diag.field), DIAG_FIELD_BYTES - 1);
  assert_int_equal(diag_no_memory(&diag), ERR_NO_MEMORY);
  assert_string_equal(diag.field, "");
  assert_int_equal(diag_set(NULL, ERR_IO, "io", "nobody listens"), ERR_IO);
  diag_in_field(NULL, "x");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compare_orders_like_memcmp),
      cmocka_unit_test(trim_takes_white_space_only),
      cmocka_unit_test(utf8_follows_table_3_7),
      cmocka_unit_test(numbers_and_hexadecimal),
      cmocka_unit_test(buffer_grows_and_keeps_its_content),
      cmocka_unit_test(buffer_failure_is_sticky_until_cleared),
      cmocka_unit_test(every_code_has_a_word),
      cmocka_unit_test(diag_builds_a_path_from_inside_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
