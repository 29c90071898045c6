// Rows in a fixed piece of memory: what is found is what was written last, at every length and after any number of
// rounds through the memory; what was overwritten is gone.
#include "store_test_kit.h"

#include "base/alloc.h"
#include "store/store_ring.h"

enum { RING_BYTES = 96 * 1024, LONGEST = STORE_RING_ROW_BYTES_MAX };

struct fixture {
  struct store_ring ring;
  struct arena arena;
  void *memory;
  char text[LONGEST + 1];
  uint64_t random;
};

static int set_up(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  arena_init(&fixture->arena, 0);
  fixture->memory = aligned_alloc(64, RING_BYTES);
  memset(fixture->memory, 0, RING_BYTES);
  store_ring_init(&fixture->ring, fixture->memory, RING_BYTES);
  for (size_t i = 0; i < sizeof fixture->text; i++) fixture->text[i] = (char)('a' + i * 7 % 26);
  *state = fixture;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *fixture = *state;
  arena_release(&fixture->arena);
  free(fixture->memory);
  free(fixture);
  return 0;
}

static struct store_ring_name name_of(uint64_t key) {
  uint64_t mixed = (key + 1) * 0x9e3779b97f4a7c15u;
  return (struct store_ring_name){mixed | 1, (uint32_t)(mixed >> 32)};
}

static struct bytes find(struct fixture *fixture, uint64_t key) {
  struct bytes value;
  assert_int_equal(store_ring_find(&fixture->ring, name_of(key), &fixture->arena, &value), ERR_OK);
  return value;
}

static void expect(struct fixture *fixture, uint64_t key, const char *data, size_t size) {
  struct bytes found = find(fixture, key);
  assert_non_null(found.data);
  assert_int_equal(found.size_bytes, size);
  if (size > 0) assert_memory_equal(found.data, data, size);
}

static void put(struct fixture *fixture, uint64_t key, size_t size) {
  store_ring_put(&fixture->ring, name_of(key), bytes_of(fixture->text, size));
}

// Other rows, until all there was is overwritten; what is read on the way stays.
static void fill(struct fixture *fixture, uint64_t keep) {
  for (uint64_t i = 0; i < 200; i++) {
    put(fixture, 1000000 + i, 1000);
    if (keep) find(fixture, keep);
    arena_clear(&fixture->arena);
  }
}

static void rows_of_every_length(void **state) {
  struct fixture *fixture = *state;
  static const size_t sizes[] = {0, 1, 7, 8, 48, 49, 1000, LONGEST - 1, LONGEST};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    put(fixture, i, sizes[i]);
    expect(fixture, i, fixture->text, sizes[i]);
  }
  for (size_t from = 0; from <= 300; from++) { // grows and shrinks in its place, and out of it
    put(fixture, 77, from);
    expect(fixture, 77, fixture->text, from);
    put(fixture, 77, 300 - from);
    expect(fixture, 77, fixture->text, 300 - from);
  }
  put(fixture, 8, LONGEST + 1);
  assert_null(find(fixture, 8).data); // not the former one either
  store_ring_drop(&fixture->ring, name_of(7));
  assert_null(find(fixture, 7).data);
  store_ring_drop(&fixture->ring, name_of(7));
  store_ring_clear(&fixture->ring);
  assert_null(find(fixture, 77).data);
  put(fixture, 77, 10);
  expect(fixture, 77, fixture->text, 10);
}

static void what_is_appended_makes_it_longer(void **state) {
  struct fixture *fixture = *state;
  store_ring_append(&fixture->ring, name_of(1), kit_text("nothing to append to"));
  assert_null(find(fixture, 1).data);
  put(fixture, 1, 0);
  size_t size = 0;
  for (size_t more = 0; size + more <= LONGEST; more = (more + 13) % 150) {
    store_ring_append(&fixture->ring, name_of(1), bytes_of(fixture->text + size, more));
    size += more;
    expect(fixture, 1, fixture->text, size);
    put(fixture, 2 + size % 5, size % 900); // neighbours
    arena_clear(&fixture->arena);
  }
  store_ring_append(&fixture->ring, name_of(1), bytes_of(fixture->text + size, LONGEST - size));
  expect(fixture, 1, fixture->text, LONGEST);
  store_ring_append(&fixture->ring, name_of(1), kit_text(""));
  expect(fixture, 1, fixture->text, LONGEST);
  store_ring_append(&fixture->ring, name_of(1), kit_text("x"));
  assert_null(find(fixture, 1).data);
}

static void what_is_overwritten_is_gone(void **state) {
  struct fixture *fixture = *state;
  put(fixture, 1, 500);
  put(fixture, 2, 500);
  fill(fixture, 2);
  assert_null(find(fixture, 1).data);
  expect(fixture, 2, fixture->text, 500); // it was read now and then
  store_ring_append(&fixture->ring, name_of(1), kit_text("too late"));
  assert_null(find(fixture, 1).data);
  store_ring_drop(&fixture->ring, name_of(1));
  put(fixture, 1, 20);
  expect(fixture, 1, fixture->text, 20);
  fill(fixture, 0);
  put(fixture, 1, 10); // shorter than the room it once had, which is not its own any more
  expect(fixture, 1, fixture->text, 10);
  expect(fixture, 1000199, fixture->text, 1000);
}

static void want_of_memory_is_told(void **state) {
  struct fixture *fixture = *state;
  struct bytes value;
  put(fixture, 1, 5000);
  alloc_fail_after(0, true);
  assert_int_equal(store_ring_find(&fixture->ring, name_of(1), &fixture->arena, &value), ERR_NO_MEMORY);
  assert_true(alloc_fail_disarm());
  assert_null(value.data);
  expect(fixture, 1, fixture->text, 5000);
}

static uint64_t next(struct fixture *fixture, uint64_t below) {
  fixture->random = fixture->random * 6364136223846793005u + 1442695040888963407u;
  return (fixture->random >> 33) % below;
}

enum { MODEL_KEYS = 300, MODEL_BYTES = 2600 };

struct model {
  char bytes[MODEL_KEYS][MODEL_BYTES];
  size_t sizes[MODEL_KEYS];
  bool there[MODEL_KEYS]; // else nothing may be found
};

static void change(struct fixture *fixture, struct model *model, size_t key) {
  uint64_t how = next(fixture, 16);
  size_t size = next(fixture, 4) ? next(fixture, 120) : next(fixture, 1500);
  char *row = model->bytes[key];
  if (how == 0) {
    store_ring_drop(&fixture->ring, name_of(key));
    model->there[key] = false;
  } else if (how < 8 && model->sizes[key] + size < MODEL_BYTES) {
    memset(row + model->sizes[key], (int)('a' + next(fixture, 26)), size);
    store_ring_append(&fixture->ring, name_of(key), bytes_of(row + model->sizes[key], size));
    model->sizes[key] += size;
  } else {
    memset(row, (int)('a' + next(fixture, 26)), size);
    store_ring_put(&fixture->ring, name_of(key), bytes_of(row, size));
    model->sizes[key] = size;
    model->there[key] = true;
  }
}

static void it_does_as_a_model_does(void **state) {
  struct fixture *fixture = *state;
  struct model *model = calloc(1, sizeof *model);
  size_t found_count = 0, asked_count = 0;
  for (size_t step = 0; step < 200000; step++) {
    size_t key = next(fixture, next(fixture, 2) ? 30 : MODEL_KEYS);
    if (next(fixture, 2)) {
      change(fixture, model, key);
      continue;
    }
    struct bytes found = find(fixture, key);
    asked_count += model->there[key];
    if (found.data) {
      found_count++;
      assert_true(model->there[key]);
      assert_int_equal(found.size_bytes, model->sizes[key]);
      if (found.size_bytes > 0) assert_memory_equal(found.data, model->bytes[key], found.size_bytes);
    }
    arena_clear(&fixture->arena);
  }
  assert_true(fixture->ring.head > 100 * (uint64_t)RING_BYTES); // it went round and round
  assert_in_range(found_count, asked_count / 2, asked_count - 1);
  free(model);
}

static void a_small_one_works_too(void **state) {
  struct fixture *fixture = *state;
  memset(fixture->memory, 0, STORE_RING_BYTES_MIN);
  store_ring_init(&fixture->ring, fixture->memory, STORE_RING_BYTES_MIN);
  for (uint64_t key = 0; key < 1000; key++) {
    put(fixture, key, key % 100);
    expect(fixture, key, fixture->text, key % 100);
    arena_clear(&fixture->arena);
  }
  put(fixture, 1, STORE_RING_BYTES_MIN / 8); // an eighth less the index
  assert_null(find(fixture, 1).data);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(rows_of_every_length, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_appended_makes_it_longer, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_overwritten_is_gone, set_up, tear_down),
      cmocka_unit_test_setup_teardown(want_of_memory_is_told, set_up, tear_down),
      cmocka_unit_test_setup_teardown(it_does_as_a_model_does, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_small_one_works_too, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
