// The contracts of value/names.h and value/key.h. Also run under ThreadSanitizer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "value/key.h"
#include "value/names.h"

static struct bytes numbered(char *text, size_t size, uint32_t number) {
  return bytes_of(text, (size_t)snprintf(text, size, "name %u", number));
}

static void ids_are_dense_and_stable(void **state) {
  (void)state;
  struct names *names;
  uint32_t id;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  assert_int_equal(names_find(names, BYTES("a")), 0);
  assert_int_equal(names_intern(names, BYTES("a"), &id, NULL), ERR_OK);
  assert_int_equal(id, 1);
  assert_int_equal(names_intern(names, (struct bytes){NULL, 0}, &id, NULL), ERR_OK);
  assert_int_equal(id, 2);
  assert_int_equal(names_intern(names, BYTES("nul\0inside"), &id, NULL), ERR_OK);
  assert_int_equal(names_intern(names, BYTES("nul"), &id, NULL), ERR_OK);
  assert_int_equal(id, 4);
  assert_int_equal(names_find(names, BYTES("nul\0inside")), 3);
  assert_int_equal(names_find(names, BYTES("")), 2);
  assert_true(bytes_equal(names_text(names, 3), BYTES("nul\0inside")));
  assert_non_null(names_text(names, 2).data);
  assert_null(names_text(names, 5).data);
  assert_null(names_text(names, 0).data);
  assert_null(names_text(names, UINT32_MAX).data);
  assert_int_equal(names_count(names), 4);
  names_close(names);
}

static void names_of_every_length_are_told_apart(void **state) {
  (void)state;
  struct names *names;
  char text[80];
  uint32_t id;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  memset(text, 'x', sizeof text);
  for (size_t size = 0; size < sizeof text; size++) {
    assert_int_equal(names_intern(names, bytes_of(text, size), &id, NULL), ERR_OK);
    assert_int_equal(id, size * (size + 1) / 2 + 1);
    for (size_t at = 0; at < size; at++) {
      text[at] = 'y';
      assert_int_equal(names_find(names, bytes_of(text, size)), 0);
      assert_int_equal(names_intern(names, bytes_of(text, size), &id, NULL), ERR_OK);
      assert_int_not_equal(id, 0);
      text[at] = 'x';
    }
  }
  names_close(names);
}

static void a_full_dictionary_gives_0(void **state) {
  (void)state;
  struct names *names;
  char text[32];
  uint32_t id;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  for (uint32_t i = 1; i <= LIMIT_NAMES; i++) {
    assert_int_equal(names_intern(names, numbered(text, sizeof text, i), &id, NULL), ERR_OK);
    assert_int_equal(id, i);
  }
  assert_int_equal(names_intern(names, BYTES("one more"), &id, NULL), ERR_OK);
  assert_int_equal(id, 0);
  assert_int_equal(names_intern(names, BYTES("name 65536"), &id, NULL), ERR_OK);
  assert_int_equal(id, LIMIT_NAMES);
  assert_int_equal(names_count(names), LIMIT_NAMES);
  for (uint32_t i = 1; i <= LIMIT_NAMES; i++) assert_int_equal(names_find(names, numbered(text, sizeof text, i)), i);
  names_close(names);
}

static void loading_refuses_repetition(void **state) {
  (void)state;
  struct names *names;
  uint32_t id;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  assert_int_equal(names_load(names, 2, BYTES("b")), ERR_OK);
  assert_int_equal(names_load(names, 1, BYTES("a")), ERR_OK);
  assert_int_equal(names_load(names, 2, BYTES("c")), ERR_CORRUPT);
  assert_int_equal(names_load(names, 3, BYTES("a")), ERR_CORRUPT);
  assert_int_equal(names_load(names, 0, BYTES("z")), ERR_CORRUPT);
  assert_int_equal(names_load(names, LIMIT_NAMES + 1, BYTES("z")), ERR_CORRUPT);
  assert_int_equal(names_intern(names, BYTES("c"), &id, NULL), ERR_OK);
  assert_int_equal(id, 3);
  names_close(names);
}

static uint32_t persisted;

static enum err persist(void *context, uint32_t id, struct bytes name, struct diag *diag) {
  if (*(bool *)context) return diag_set(diag, ERR_IO, "io", "no disk for %.*s", BYTES_ARG(name));
  persisted = id;
  return ERR_OK;
}

static void a_name_that_is_not_kept_stays_unknown(void **state) {
  (void)state;
  struct names *names;
  struct diag diag;
  bool broken = true;
  uint32_t id;
  assert_int_equal(names_open(&names, persist, &broken), ERR_OK);
  assert_int_equal(names_intern(names, BYTES("a"), &id, &diag), ERR_IO);
  assert_string_equal(diag.code, "io");
  assert_int_equal(names_find(names, BYTES("a")), 0);
  assert_int_equal(names_count(names), 0);
  broken = false;
  assert_int_equal(names_intern(names, BYTES("a"), &id, &diag), ERR_OK);
  assert_int_equal(id, 1);
  assert_int_equal(persisted, 1);
  names_close(names);
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  bool delivered = true;
  for (uint64_t allowed = 0; delivered; allowed++) {
    struct names *names = NULL;
    char text[32];
    uint32_t id;
    alloc_fail_after(allowed, false);
    enum err err = names_open(&names, NULL, NULL);
    assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
    for (uint32_t i = 1; i <= 300 && names != NULL; i++) {
      err = names_intern(names, numbered(text, sizeof text, i), &id, NULL);
      assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
      if (err == ERR_OK) assert_int_equal(names_find(names, numbered(text, sizeof text, i)), id);
    }
    delivered = alloc_fail_disarm();
    assert_int_equal(names == NULL, allowed < 2);
    names_close(names);
  }
}

enum { THREADS = 4, THREAD_NAMES = 3000 };

static void *intern_all(void *argument) {
  struct names *names = argument;
  static _Atomic uint32_t thread_count;
  uint32_t offset = thread_count++ * 700;
  uintptr_t wrong = 0;
  for (uint32_t i = 0; i < THREAD_NAMES; i++) {
    char text[32];
    uint32_t id = 0;
    struct bytes name = numbered(text, sizeof text, (i + offset) % THREAD_NAMES);
    wrong += names_intern(names, name, &id, NULL) != ERR_OK || id == 0;
    wrong += !bytes_equal(names_text(names, id), name) || names_find(names, name) != id;
  }
  return (void *)wrong;
}

static void threads_agree(void **state) {
  (void)state;
  struct names *names;
  pthread_t threads[THREADS];
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, intern_all, names), 0);
  for (int i = 0; i < THREADS; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    assert_null(wrong);
  }
  assert_int_equal(names_count(names), THREAD_NAMES);
  names_close(names);
}

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

static int sign(int number) {
  return (number > 0) - (number < 0);
}

static void keys_sort_as_what_they_say(void **state) {
  (void)state;
  uint64_t seed = 7;
  for (int i = 0; i < 100000; i++) {
    int64_t a = (int64_t)next_random(&seed) >> (next_random(&seed) % 64);
    int64_t b = i % 10 == 0 ? a : (int64_t)next_random(&seed) >> (next_random(&seed) % 64);
    struct key key_a, key_b;
    key_init(&key_a);
    key_init(&key_b);
    key_put_i64(&key_a, a);
    key_put_i64(&key_b, b);
    assert_int_equal(sign(bytes_compare(key_view(&key_a), key_view(&key_b))), (a > b) - (a < b));
    assert_int_equal(key_read_i64(key_a.data), a);
    key_init(&key_a);
    key_init(&key_b);
    key_put_u64(&key_a, (uint64_t)a);
    key_put_u64(&key_b, (uint64_t)b);
    assert_int_equal(sign(bytes_compare(key_view(&key_a), key_view(&key_b))),
                     ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b));
    assert_true(key_read_u64(key_a.data) == (uint64_t)a);
  }
}

static void text_parts_sort_before_what_follows(void **state) {
  (void)state;
  uint64_t seed = 11;
  for (int i = 0; i < 100000; i++) {
    uint8_t text[2][4];
    size_t size[2];
    struct key key[2];
    for (int s = 0; s < 2; s++) {
      size[s] = next_random(&seed) % 5;
      for (size_t j = 0; j < 4; j++)
        text[s][j] = (uint8_t)(next_random(&seed) % 3 == 0 ? 255 : 1 + next_random(&seed) % 2);
      key_init(&key[s]);
      key_put_text(&key[s], bytes_of(text[s], size[s]));
      key_put_u32(&key[s], (uint32_t)next_random(&seed));
    }
    int order = bytes_compare(bytes_of(text[0], size[0]), bytes_of(text[1], size[1]));
    if (order != 0) assert_int_equal(sign(bytes_compare(key_view(&key[0]), key_view(&key[1]))), sign(order));
    assert_int_equal(key_read_u32(key[0].data + size[0] + 1), key_read_u32(key[0].data + key[0].size_bytes - 4));
  }
}

static void range_end_is_the_first_key_after(void **state) {
  (void)state;
  struct key key;
  key_init(&key);
  key_put_raw(&key, BYTES("ab\xff\xff"));
  assert_true(key_to_range_end(&key));
  assert_true(bytes_equal(key_view(&key), BYTES("ac")));
  key_init(&key);
  key_put_u8(&key, 0xff);
  key_put_u32(&key, UINT32_MAX);
  assert_false(key_to_range_end(&key));
  key_init(&key);
  assert_false(key_to_range_end(&key));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_are_dense_and_stable),
      cmocka_unit_test(names_of_every_length_are_told_apart),
      cmocka_unit_test(a_full_dictionary_gives_0),
      cmocka_unit_test(loading_refuses_repetition),
      cmocka_unit_test(a_name_that_is_not_kept_stays_unknown),
      cmocka_unit_test(memory_may_end_anywhere),
      cmocka_unit_test(threads_agree),
      cmocka_unit_test(keys_sort_as_what_they_say),
      cmocka_unit_test(text_parts_sort_before_what_follows),
      cmocka_unit_test(range_end_is_the_first_key_after),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
