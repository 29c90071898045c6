// The contract of value/decimal.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "value/decimal.h"

static struct decimal number(const char *text) {
  struct decimal number;
  struct diag diag;
  if (decimal_parse(bytes_from_text(text), &number, &diag) != ERR_OK) fail_msg("%s: %s", text, diag.message);
  return number;
}

static void assert_becomes(const char *text, const char *expected) {
  char written[DECIMAL_TEXT_BYTES];
  size_t size = decimal_format(number(text), written);
  assert_int_equal(size, strlen(written));
  assert_true(size < DECIMAL_TEXT_BYTES);
  assert_string_equal(written, expected);
}

static void plain_numbers_keep_every_digit(void **state) {
  (void)state;
  static const char *const same[] = {"0",
                                     "-0",
                                     "1",
                                     "-1",
                                     "27.50",
                                     "0.00",
                                     "-0.0",
                                     "0.000001",
                                     "0.0000012",
                                     "100",
                                     "9223372036854775807",
                                     "-9223372036854775808",
                                     "18446744073709551616",
                                     "999999999999999999",
                                     "1000000000000000000",
                                     "9999999999999999999999999999999999",
                                     "-9999999999999999999999999999999999",
                                     "0.000001234567890123456789012345678901234",
                                     "1234567890.123456789012345678901234",
                                     "1000000000000000000000000000000000",
                                     "100000000000000000000.5"};
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) assert_becomes(same[i], same[i]);
}

// The examples of the General Decimal Arithmetic specification, to-scientific-string.
static void exponents_follow_to_scientific_string(void **state) {
  (void)state;
  assert_becomes("123E0", "123");
  assert_becomes("123e1", "1.23E+3");
  assert_becomes("123E+3", "1.23E+5");
  assert_becomes("123E-1", "12.3");
  assert_becomes("123E-5", "0.00123");
  assert_becomes("123E-10", "1.23E-8");
  assert_becomes("-123E-12", "-1.23E-10");
  assert_becomes("0E0", "0");
  assert_becomes("0E-2", "0.00");
  assert_becomes("0E+2", "0E+2");
  assert_becomes("-0E+2", "-0E+2");
  assert_becomes("5E-6", "0.000005");
  assert_becomes("50E-7", "0.0000050");
  assert_becomes("5E-7", "5E-7");
  assert_becomes("0E-6", "0.000000");
  assert_becomes("0E-7", "0E-7");
  assert_becomes("1e5", "1E+5");
  assert_becomes("1.5e3", "1.5E+3");
  assert_becomes("15e2", "1.5E+3");
  assert_becomes("1.50e3", "1.50E+3");
  assert_becomes("1E-6176", "1E-6176");
  assert_becomes("1E6111", "1E+6111");
  assert_becomes("-9999999999999999999999999999999999E-6176", "-9.999999999999999999999999999999999E-6143");
}

static void refuses(const char *text, enum err err, const char *code) {
  struct decimal untouched = {.coefficient = 7, .exponent = 7};
  struct diag diag;
  diag_init(&diag);
  if (decimal_parse(bytes_from_text(text), &untouched, &diag) != err) fail_msg("accepted: %s", text);
  assert_string_equal(diag.code, code);
  assert_true(untouched.coefficient == 7);
  assert_int_equal(decimal_parse(bytes_from_text(text), &untouched, NULL), err);
}

static void refuses_what_json_refuses(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",    "-",        "+1",        "01", "-01", "00",  ".5",    "1.",    "1.e5", "1e",    "1e+", "1E-", "0x10",
      "NaN", "Infinity", "-Infinity", "1 ", " 1",  "1,0", "1.2.3", "1e5.0", "--1",  "1_000", "1a",  "e5",  "1\xc2\xa0"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) refuses(bad[i], ERR_INVALID, "invalid_number");
}

static void limits_are_exact(void **state) {
  (void)state;
  number("1234567890123456789012345678901234");
  refuses("12345678901234567890123456789012345", ERR_LIMIT, "number_too_long");
  number("0.0001234567890123456789012345678901234");
  refuses("1.0000000000000000000000000000000000", ERR_LIMIT, "number_too_long");
  number("1.000000000000000000000000000000000");
  number("0.00000000000000000000000000000000000000000000001");
  refuses("1E-6177", ERR_LIMIT, "number_out_of_range");
  refuses("1E6112", ERR_LIMIT, "number_out_of_range");
  refuses("0.1E-6176", ERR_LIMIT, "number_out_of_range");
  number("1.0E6112");
  refuses("0E99999999999999999999999999", ERR_LIMIT, "number_out_of_range");
  refuses("1E-99999999999999999999999999", ERR_LIMIT, "number_out_of_range");
}

static void compares_by_value(void **state) {
  (void)state;
  static const char *const ascending[] = {"-9999999999999999999999999999999999E6111",
                                          "-1E+10",
                                          "-9999999999.9",
                                          "-2.51",
                                          "-2.5",
                                          "-1E-6176",
                                          "0",
                                          "1E-6176",
                                          "2.5",
                                          "2.500000000000000000000000000000001",
                                          "2.51",
                                          "9999999999.9",
                                          "1E+10",
                                          "9999999999999999999999999999999999",
                                          "1E34",
                                          "9999999999999999999999999999999999E6110",
                                          "9999999999999999999999999999999999E6111"};
  size_t count = sizeof ascending / sizeof ascending[0];
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j < count; j++) {
      int order = decimal_compare(number(ascending[i]), number(ascending[j]));
      int expected = (i > j) - (i < j);
      if ((order > 0) - (order < 0) != expected) fail_msg("%s against %s: %d", ascending[i], ascending[j], order);
    }
  static const char *const equal[][2] = {{"2.50", "2.5"},
                                         {"-0", "0"},
                                         {"0E6111", "0E-6176"},
                                         {"1E5", "100000"},
                                         {"1000000000000000000000000000000000E-6176", "1E-6143"}};
  for (size_t i = 0; i < sizeof equal / sizeof equal[0]; i++)
    assert_int_equal(decimal_compare(number(equal[i][0]), number(equal[i][1])), 0);
}

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

// Against 128-bit integers: mantissas below 10^15, exponents 0 to -18, both sides scaled to 10^-18.
static void comparison_agrees_with_wide_integers(void **state) {
  (void)state;
  __extension__ typedef __int128 wide;
  uint64_t seed = 88172645463325252u;
  for (int i = 0; i < 200000; i++) {
    struct decimal side[2];
    wide scaled[2];
    for (int s = 0; s < 2; s++) {
      uint64_t spread = next_random(&seed) % 15 + 1, modulus = 1;
      while (spread-- > 0) modulus *= 10;
      uint64_t mantissa = next_random(&seed) % modulus;
      int shift = (int)(next_random(&seed) % 19);
      bool negative = next_random(&seed) % 2 == 0;
      side[s] = (struct decimal){mantissa, (int16_t)-shift, negative};
      scaled[s] = negative ? -(wide)mantissa : (wide)mantissa;
      for (int step = shift; step < 18; step++) scaled[s] *= 10;
    }
    int order = decimal_compare(side[0], side[1]);
    assert_int_equal((order > 0) - (order < 0), (scaled[0] > scaled[1]) - (scaled[0] < scaled[1]));
  }
}

static void random_numbers_come_back_whole(void **state) {
  (void)state;
  uint64_t seed = 42;
  for (int i = 0; i < 100000; i++) {
    decimal_coefficient coefficient =
        (decimal_coefficient)next_random(&seed) * next_random(&seed) >> (next_random(&seed) % 127);
    while (coefficient >= (decimal_coefficient)10000000000000000000u * 1000000000000000u) coefficient /= 10;
    int exponent = (int)(next_random(&seed) % (6111 + 6176 + 1)) - 6176;
    if (i % 2 == 0) exponent = (int)(next_random(&seed) % 60) - 40;
    struct decimal before = {coefficient, (int16_t)exponent, next_random(&seed) % 2 == 0};
    char text[DECIMAL_TEXT_BYTES];
    decimal_format(before, text);
    struct decimal after = number(text);
    assert_true(after.coefficient == before.coefficient);
    assert_int_equal(after.exponent, before.exponent);
    assert_int_equal(after.negative, before.negative);
  }
}

static void assert_scales(const char *text, int scale, int64_t expected) {
  int64_t scaled = 1;
  assert_int_equal(decimal_to_scaled_i64(number(text), scale, &scaled), ERR_OK);
  assert_int_equal(scaled, expected);
}

static void scales_to_whole_units(void **state) {
  (void)state;
  assert_scales("27.5", 2, 2750);
  assert_scales("27.500", 2, 2750);
  assert_scales("-0.01", 2, -1);
  assert_scales("0E-6176", 2, 0);
  assert_scales("0E6111", 2, 0);
  assert_scales("1E+3", 2, 100000);
  assert_scales("92233720368547758.07", 2, INT64_MAX);
  assert_scales("-92233720368547758.08", 2, INT64_MIN);
  assert_scales("-9223372036854775808", 0, INT64_MIN);
  assert_scales("1.000000000000000000000000000000000", 0, 1);
  int64_t scaled;
  assert_int_equal(decimal_to_scaled_i64(number("27.505"), 2, &scaled), ERR_INVALID);
  assert_int_equal(decimal_to_scaled_i64(number("1E-6176"), 2, &scaled), ERR_INVALID);
  assert_int_equal(decimal_to_scaled_i64(number("92233720368547758.08"), 2, &scaled), ERR_LIMIT);
  assert_int_equal(decimal_to_scaled_i64(number("-92233720368547758.09"), 2, &scaled), ERR_LIMIT);
  assert_int_equal(decimal_to_scaled_i64(number("1E6111"), 2, &scaled), ERR_LIMIT);
  assert_int_equal(decimal_compare(decimal_from_i64(INT64_MIN), number("-9223372036854775808")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(plain_numbers_keep_every_digit),
      cmocka_unit_test(exponents_follow_to_scientific_string),
      cmocka_unit_test(refuses_what_json_refuses),
      cmocka_unit_test(limits_are_exact),
      cmocka_unit_test(compares_by_value),
      cmocka_unit_test(comparison_agrees_with_wide_integers),
      cmocka_unit_test(random_numbers_come_back_whole),
      cmocka_unit_test(scales_to_whole_units),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
