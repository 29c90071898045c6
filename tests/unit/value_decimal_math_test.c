// The arithmetic of value/decimal.h.
//
// tests/golden/value/decimal_math.txt holds the answers, `operation a b = result` a line, where "limit" and "invalid"
// are ERR_LIMIT and ERR_INVALID. It was made by Python's decimal module (libmpdec, another implementation of the same
// standard) with decimal_math.py beside it. A result must agree digit for digit: coefficient, exponent and sign.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "value/decimal.h"

enum { LINE_BYTES = 256, PATH_BYTES = 1024, ROWS_AT_LEAST = 3000, RANDOM_ROUNDS = 200000 };

typedef enum err pair_fn(struct decimal a, struct decimal b, struct decimal *out);
typedef struct decimal single_fn(struct decimal number);

static const struct {
  const char *name;
  pair_fn *pair;
  single_fn *single;
} operations[] = {
    {"add", decimal_add, NULL},       {"subtract", decimal_subtract, NULL},
    {"divide", decimal_divide, NULL}, {"multiply", decimal_multiply, NULL},
    {"negate", NULL, decimal_negate}, {"remainder", decimal_remainder, NULL},
    {"abs", NULL, decimal_abs},       {"floor", NULL, decimal_floor},
    {"ceil", NULL, decimal_ceil},     {"round", NULL, NULL},
};

static struct decimal number(const char *text) {
  struct decimal number;
  if (decimal_parse(bytes_from_text(text), &number, NULL) != ERR_OK) fail_msg("not a number: %s", text);
  return number;
}

static void assert_same(struct decimal a, struct decimal b) {
  assert_true(a.coefficient == b.coefficient);
  assert_int_equal(a.exponent, b.exponent);
  assert_int_equal(a.negative, b.negative);
}

// What `name` makes of its operands, as the table writes it.
static void compute(const char *name, const char *a, const char *b, char *answer) {
  size_t i = 0;
  while (strcmp(operations[i].name, name) != 0)
    if (++i == sizeof operations / sizeof operations[0]) fail_msg("unknown operation: %s", name);
  struct decimal untouched = {.coefficient = 77, .exponent = 7, .negative = true}, out = untouched;
  enum err err = ERR_OK;
  if (operations[i].pair)
    err = operations[i].pair(number(a), number(b), &out);
  else if (operations[i].single)
    out = operations[i].single(number(a));
  else
    err = decimal_round(number(a), atoi(b), &out);
  if (err == ERR_OK) {
    decimal_format(out, answer);
    assert_same(number(answer), out); // within its bounds
    return;
  }
  assert_same(out, untouched);
  assert_true(err == ERR_LIMIT || err == ERR_INVALID);
  strcpy(answer, err == ERR_LIMIT ? "limit" : "invalid");
}

static void check_row(char *line, int row) {
  char *words[6] = {NULL};
  int count = 0;
  for (char *word = strtok(line, " \n"); word && count < 6; word = strtok(NULL, " \n")) words[count++] = word;
  if ((count != 4 && count != 5) || strcmp(words[count - 2], "=") != 0) fail_msg("line %d is not a row", row);
  const char *b = count == 5 ? words[2] : "", *expected = words[count - 1];
  char answer[DECIMAL_TEXT_BYTES];
  compute(words[0], words[1], b, answer);
  if (strcmp(answer, expected) != 0)
    fail_msg("line %d: %s %s %s = %s, not %s", row, words[0], words[1], b, expected, answer);
}

static void agrees_with_the_table(void **state) {
  (void)state;
  char path[PATH_BYTES], line[LINE_BYTES];
  const char *slash = strrchr(__FILE__, '/');
  assert_non_null(slash);
  snprintf(path, sizeof path, "%.*s/../golden/value/decimal_math.txt", (int)(slash - __FILE__), __FILE__);
  FILE *table = fopen(path, "r");
  if (!table) fail_msg("cannot open %s", path);
  int rows = 0;
  while (fgets(line, sizeof line, table)) check_row(line, ++rows);
  fclose(table);
  assert_true(rows >= ROWS_AT_LEAST);
}

static void a_remainder_of_a_huge_quotient_is_exact(void **state) {
  (void)state;
  struct decimal rest;
  // 10^6 is 1 modulo 7, and 12287 is 6 * 2047 + 5: 10^5 modulo 7 is 5.
  assert_int_equal(decimal_remainder(number("1E6111"), number("7E-6176"), &rest), ERR_OK);
  assert_same(rest, number("5E-6176"));
  assert_int_equal(decimal_remainder(number("-1E6111"), number("7E-6176"), &rest), ERR_OK);
  assert_same(rest, number("-5E-6176"));
}

static void rounding_takes_any_count_of_digits(void **state) {
  (void)state;
  struct decimal out;
  assert_int_equal(decimal_round(number("-1.5"), INT32_MIN, &out), ERR_OK);
  assert_same(out, number("-0E6111"));
  assert_int_equal(decimal_round(number("-1.5"), INT32_MAX, &out), ERR_OK);
  assert_same(out, number("-1.5"));
}

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

// Of any count of digits; exponents within `spread` of each other.
static struct decimal random_number(uint64_t *seed, unsigned spread) {
  decimal_coefficient coefficient = (decimal_coefficient)next_random(seed) << 64 | next_random(seed);
  coefficient %= decimal_power((int)(next_random(seed) % 34) + 1);
  int exponent = (int)(next_random(seed) % spread) - (int)(spread / 2);
  return (struct decimal){coefficient, (int16_t)exponent, next_random(seed) % 2 == 0};
}

static void sums_and_products_commute(void **state) {
  (void)state;
  uint64_t seed = 88172645463325252u;
  for (int i = 0; i < RANDOM_ROUNDS; i++) {
    struct decimal a = random_number(&seed, i % 2 == 0 ? 20 : 90), b = random_number(&seed, 20), ab, ba;
    assert_int_equal(decimal_add(a, b, &ab), ERR_OK);
    assert_int_equal(decimal_add(b, a, &ba), ERR_OK);
    assert_same(ab, ba);
    assert_int_equal(decimal_multiply(a, b, &ab), ERR_OK);
    assert_int_equal(decimal_multiply(b, a, &ba), ERR_OK);
    assert_same(ab, ba);
    char text[DECIMAL_TEXT_BYTES];
    decimal_format(ab, text);
    assert_same(number(text), ab);
    assert_int_equal(decimal_subtract(a, b, &ab), ERR_OK);
    assert_int_equal(decimal_subtract(b, a, &ba), ERR_OK);
    assert_true(ab.coefficient == ba.coefficient && ab.exponent == ba.exponent);
    assert_true(ab.coefficient == 0 || ab.negative != ba.negative);
  }
}

// A difference that kept the smaller exponent lost no digit.
static void adding_back_undoes_an_exact_difference(void **state) {
  (void)state;
  uint64_t seed = 42;
  int exact = 0;
  for (int i = 0; i < RANDOM_ROUNDS; i++) {
    struct decimal a = random_number(&seed, 16), b = random_number(&seed, 16), difference, back;
    assert_int_equal(decimal_subtract(a, b, &difference), ERR_OK);
    if (difference.exponent != (a.exponent < b.exponent ? a.exponent : b.exponent)) continue;
    assert_int_equal(decimal_add(difference, b, &back), ERR_OK);
    assert_int_equal(decimal_compare(back, a), 0);
    exact++;
  }
  assert_true(exact > RANDOM_ROUNDS / 2);
}

// Products of up to 34 digits are exact: dividing gives the number back, and nothing remains when that is whole.
static void dividing_undoes_an_exact_product(void **state) {
  (void)state;
  uint64_t seed = 7;
  for (int i = 0; i < RANDOM_ROUNDS; i++) {
    struct decimal a = random_number(&seed, 16), b = random_number(&seed, 16), product, back, rest;
    a.coefficient %= decimal_power(17);
    b.coefficient = b.coefficient % (decimal_power(17) - 1) + 1;
    assert_int_equal(decimal_multiply(a, b, &product), ERR_OK);
    assert_int_equal(decimal_divide(product, b, &back), ERR_OK);
    assert_same(back, a);
    if (a.exponent < 0) continue;
    assert_int_equal(decimal_remainder(product, b, &rest), ERR_OK);
    assert_true(rest.coefficient == 0 && rest.negative == product.negative);
  }
}

static void a_remainder_is_below_the_divisor(void **state) {
  (void)state;
  uint64_t seed = 99;
  for (int i = 0; i < RANDOM_ROUNDS; i++) {
    struct decimal a = random_number(&seed, 60), b = random_number(&seed, 60), rest, again;
    if (b.coefficient == 0) continue;
    assert_int_equal(decimal_remainder(a, b, &rest), ERR_OK);
    assert_int_equal(rest.negative, a.negative);
    assert_true(decimal_compare(decimal_abs(rest), decimal_abs(b)) < 0);
    assert_int_equal(decimal_remainder(rest, b, &again), ERR_OK);
    assert_same(again, rest);
  }
}

static void floor_and_ceil_enclose(void **state) {
  (void)state;
  uint64_t seed = 5;
  for (int i = 0; i < RANDOM_ROUNDS; i++) {
    struct decimal a = random_number(&seed, 80), rounded, gap;
    struct decimal low = decimal_floor(a), high = decimal_ceil(a);
    assert_true(decimal_compare(low, a) <= 0 && decimal_compare(a, high) <= 0);
    assert_int_equal(decimal_subtract(high, low, &gap), ERR_OK);
    assert_true(decimal_compare(gap, decimal_from_i64(1)) <= 0);
    assert_int_equal(decimal_round(a, 0, &rounded), ERR_OK);
    assert_true(decimal_compare(rounded, low) == 0 || decimal_compare(rounded, high) == 0);
  }
}

static void counts_digits(void **state) {
  (void)state;
  assert_int_equal(decimal_digit_count(0), 1);
  for (int power = 0; power <= 38; power++) {
    assert_int_equal(decimal_digit_count(decimal_power(power)), power + 1);
    if (power > 0) assert_int_equal(decimal_digit_count(decimal_power(power) - 1), power);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_table),
      cmocka_unit_test(a_remainder_of_a_huge_quotient_is_exact),
      cmocka_unit_test(rounding_takes_any_count_of_digits),
      cmocka_unit_test(sums_and_products_commute),
      cmocka_unit_test(adding_back_undoes_an_exact_difference),
      cmocka_unit_test(dividing_undoes_an_exact_product),
      cmocka_unit_test(a_remainder_is_below_the_divisor),
      cmocka_unit_test(floor_and_ceil_enclose),
      cmocka_unit_test(counts_digits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
