// The contracts of base/alloc.h and base/arena.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"

static void fails_the_chosen_allocation(void **state) {
  (void)state;
  alloc_fail_after(1, false);
  void *first = alloc_get(1), *second = alloc_zero(1, 1), *third = alloc_get(1);
  assert_non_null(first);
  assert_null(second);
  assert_non_null(third);
  assert_true(alloc_fail_disarm());
  assert_false(alloc_fail_disarm());
  alloc_fail_after(0, true);
  assert_null(alloc_get(1));
  assert_null(alloc_resize(first, 100));
  assert_true(alloc_fail_disarm());
  alloc_free(first);
  alloc_free(third);
}

static void odd_sizes(void **state) {
  (void)state;
  void *empty = alloc_get(0);
  assert_non_null(empty);
  alloc_free(empty);
  assert_null(alloc_zero(SIZE_MAX / 2, 3));
  alloc_free(NULL);
}

static void arena_items_are_aligned_and_apart(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  uint8_t *items[2000];
  for (size_t i = 0; i < 2000; i++) {
    items[i] = arena_take(&arena, i % 97);
    assert_non_null(items[i]);
    assert_int_equal((uintptr_t)items[i] % 16, 0);
    memset(items[i], (int)(i & 0xff), i % 97);
  }
  uint8_t *large = arena_take_zero(&arena, 3, 1024 * 1024);
  assert_non_null(large);
  assert_int_equal(large[3 * 1024 * 1024 - 1], 0);
  for (size_t i = 0; i < 2000; i++)
    for (size_t j = 0; j < i % 97; j++) assert_int_equal(items[i][j], i & 0xff);
  arena_clear(&arena);
  assert_int_equal(arena.used_bytes, 0);
  assert_non_null(arena_take(&arena, 10));
  arena_release(&arena);
}

static void arena_lists_grow(void **state) {
  (void)state;
  struct arena arena;
  uint32_t *items = NULL;
  size_t capacity = 0, copies = 0;
  arena_init(&arena, 0);
  for (uint32_t i = 0; i < 1000; i++) {
    uint32_t *more = arena_grow(&arena, items, i, &capacity, 3, sizeof *items);
    assert_non_null(more);
    copies += more != items;
    items = more;
    items[i] = i;
  }
  for (uint32_t i = 0; i < 1000; i++) assert_int_equal(items[i], i);
  assert_int_equal(copies, 10);
  assert_int_equal(capacity, 3 << 9);
  alloc_fail_after(0, true);
  assert_ptr_equal(arena_grow(&arena, items, 1000, &capacity, 3, sizeof *items), items); // there is room
  assert_null(arena_grow(&arena, items, capacity, &capacity, 3, 1024 * 1024));
  assert_null(arena_grow(&arena, items, capacity, &capacity, 3, SIZE_MAX / 8));
  assert_true(alloc_fail_disarm());
  assert_int_equal(capacity, 3 << 9);
  arena_release(&arena);
}

static void arena_keeps_its_limit(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 100);
  assert_non_null(arena_take(&arena, 60));
  assert_null(arena_take(&arena, 41));
  assert_non_null(arena_take(&arena, 40));
  assert_null(arena_take(&arena, 1));
  arena_clear(&arena);
  assert_non_null(arena_take(&arena, 100));
  assert_null(arena_take(&arena, SIZE_MAX));
  assert_null(arena_take_zero(&arena, SIZE_MAX / 2, 3));
  arena_release(&arena);
  arena_release(&arena);
}

// Begins small, grows as others do, and begins small again.
static void arena_begins_small(void **state) {
  (void)state;
  struct arena arena;
  arena_init_small(&arena);
  for (int again = 0; again < 2; again++) {
    assert_true(arena.small);
    uint8_t *items[100];
    for (size_t i = 0; i < 100; i++) {
      items[i] = arena_take(&arena, i % 60);
      assert_non_null(items[i]);
      assert_int_equal((uintptr_t)items[i] % 16, 0);
      memset(items[i], (int)i, i % 60);
    }
    uint8_t *large = arena_take_zero(&arena, 1, 1024 * 1024);
    assert_non_null(large);
    assert_int_equal(large[1024 * 1024 - 1], 0);
    for (size_t i = 0; i < 100; i++)
      for (size_t j = 0; j < i % 60; j++) assert_int_equal(items[i][j], i);
    arena_release(&arena);
    assert_int_equal(arena.used_bytes, 0);
  }
}

static void arena_copies_and_formats(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  struct bytes copy = arena_copy(&arena, BYTES("text"));
  assert_int_equal(copy.size_bytes, 4);
  assert_string_equal((const char *)copy.data, "text");
  assert_non_null(arena_copy(&arena, (struct bytes){NULL, 0}).data);
  assert_string_equal(arena_format(&arena, "%s-%d", "a", 7), "a-7");
  alloc_fail_after(0, true);
  assert_null(arena_take(&arena, 10000));
  assert_null(arena_format(&arena, "%10000d", 7));
  assert_true(alloc_fail_disarm());
  arena_release(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fails_the_chosen_allocation),
      cmocka_unit_test(odd_sizes),
      cmocka_unit_test(arena_items_are_aligned_and_apart),
      cmocka_unit_test(arena_lists_grow),
      cmocka_unit_test(arena_keeps_its_limit),
      cmocka_unit_test(arena_begins_small),
      cmocka_unit_test(arena_copies_and_formats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
