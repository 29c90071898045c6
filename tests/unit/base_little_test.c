// base/little: what is written is read again, of any width, at any place, low bytes first.
#include "base/little.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka.h needs the three above.
#include <cmocka.h>

static const uint64_t NUMBER = UINT64_C(0x8877665544332211);

static void the_low_bytes_are_first(void **state) {
  (void)state;
  static const uint8_t expected[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
  uint8_t bytes[LITTLE_BYTES_MAX];
  assert_ptr_equal(little_put(bytes, NUMBER, LITTLE_BYTES_MAX), bytes + sizeof bytes);
  assert_memory_equal(bytes, expected, sizeof bytes);
  assert_int_equal(little_read_16(bytes), 0x2211);
  assert_int_equal(little_read_32(bytes), 0x44332211);
  assert_int_equal(little_read_64(bytes), NUMBER);
}

static void no_place_needs_an_alignment(void **state) {
  (void)state;
  uint8_t bytes[2 * LITTLE_BYTES_MAX];
  for (size_t at = 0; at < LITTLE_BYTES_MAX; at++) {
    little_put(bytes + at, NUMBER, LITTLE_BYTES_MAX);
    assert_int_equal(little_read_16(bytes + at), 0x2211);
    assert_int_equal(little_read_32(bytes + at), 0x44332211);
    assert_int_equal(little_read_64(bytes + at), NUMBER);
  }
}

static void a_width_touches_its_own_bytes_alone(void **state) {
  (void)state;
  for (unsigned width = 0; width <= LITTLE_BYTES_MAX; width++) {
    uint8_t bytes[LITTLE_BYTES_MAX + 1];
    memset(bytes, 0xee, sizeof bytes);
    assert_ptr_equal(little_put(bytes, NUMBER, width), bytes + width);
    assert_int_equal(little_read_64(bytes) & little_mask(width), NUMBER & little_mask(width));
    for (unsigned i = width; i < sizeof bytes; i++) assert_int_equal(bytes[i], 0xee);
  }
}

static void a_width_is_the_least_that_keeps_the_number(void **state) {
  (void)state;
  assert_int_equal(little_width(0), 0);
  assert_int_equal(little_mask(0), 0);
  for (unsigned width = 1; width <= LITTLE_BYTES_MAX; width++) {
    assert_int_equal(little_width(little_mask(width)), width);
    assert_int_equal(little_width(little_mask(width - 1) + 1), width);
  }
  assert_int_equal(little_mask(LITTLE_BYTES_MAX), UINT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_low_bytes_are_first),
      cmocka_unit_test(no_place_needs_an_alignment),
      cmocka_unit_test(a_width_touches_its_own_bytes_alone),
      cmocka_unit_test(a_width_is_the_least_that_keeps_the_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
