// Short rows kept in memory: what comes back is what was written last, and never what was overtaken.
#include "store_test_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/store_rows.h"

enum { MIB = 1 << 20 };

struct fixture {
  struct store_rows *rows;
  struct arena arena;
};

static int set_up(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  arena_init(&fixture->arena, 0);
  assert_int_equal(store_rows_open(&fixture->rows, MIB), ERR_OK);
  *state = fixture;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *fixture = *state;
  store_rows_close(fixture->rows);
  arena_release(&fixture->arena);
  free(fixture);
  return 0;
}

static struct bytes find(struct fixture *fixture, const char *key, struct store_rows_place *place) {
  struct bytes text = kit_text(key), value;
  struct store_rows_place unused;
  assert_int_equal(
      store_rows_find(fixture->rows, STORE_IDENTIFIER, &text, 1, &fixture->arena, &value, place ? place : &unused),
      ERR_OK);
  return value;
}

static void write_row(struct store_rows *rows, enum store_write_kind kind, const char *key, const char *value,
                      bool known) {
  struct store_write write = {.key = (const uint8_t *)key,
                              .key_bytes = (uint32_t)strlen(key),
                              .value = (uint8_t *)(uintptr_t)value,
                              .value_bytes = (uint32_t)strlen(value),
                              .keyspace = STORE_IDENTIFIER,
                              .kind = (uint8_t)kind};
  struct store_batch batch = {.first = &write, .count = 1};
  store_rows_write(rows, &batch, known);
}

static void rows_follow_what_is_written(void **state) {
  struct fixture *fixture = *state;
  struct store_rows *rows = fixture->rows;
  static const char long_value[] = "forty-eight bytes at the most: these are fewer..";
  kit_expect(find(fixture, "a", NULL), NULL);
  write_row(rows, STORE_WRITE_PUT, "a", "short", true);
  kit_expect(find(fixture, "a", NULL), "short");
  write_row(rows, STORE_WRITE_PUT, "a", long_value, true);
  kit_expect(find(fixture, "a", NULL), long_value);
  write_row(rows, STORE_WRITE_PUT, "a", "short again", true);
  kit_expect(find(fixture, "a", NULL), "short again");
  write_row(rows, STORE_WRITE_PUT, "a", "", true);
  kit_expect(find(fixture, "a", NULL), "");
  write_row(rows, STORE_WRITE_PUT, "a", "this one has more than forty-eight bytes, which is too long", true);
  kit_expect(find(fixture, "a", NULL), NULL);
  write_row(rows, STORE_WRITE_PUT, "a", "short", true);
  write_row(rows, STORE_WRITE_DELETE, "a", "", true);
  kit_expect(find(fixture, "a", NULL), NULL);
}

static void a_failed_commit_leaves_nothing(void **state) {
  struct fixture *fixture = *state;
  write_row(fixture->rows, STORE_WRITE_PUT, "a", "before", true);
  write_row(fixture->rows, STORE_WRITE_PUT, "a", "perhaps", false);
  kit_expect(find(fixture, "a", NULL), NULL);
}

static void what_was_overtaken_is_not_kept(void **state) {
  struct fixture *fixture = *state;
  struct store_rows_place place;
  kit_expect(find(fixture, "a", &place), NULL);
  store_rows_keep(fixture->rows, &place, kit_text("read"));
  kit_expect(find(fixture, "a", NULL), "read");
  write_row(fixture->rows, STORE_WRITE_DELETE, "a", "", true);
  kit_expect(find(fixture, "a", &place), NULL);
  write_row(fixture->rows, STORE_WRITE_PUT, "a", "newer", true); // between the look and the keeping
  store_rows_keep(fixture->rows, &place, kit_text("older"));
  kit_expect(find(fixture, "a", &place), "newer");
  store_rows_clear(fixture->rows);
  store_rows_keep(fixture->rows, &place, kit_text("from before"));
  kit_expect(find(fixture, "a", NULL), NULL);
}

static void memory_is_bounded_and_what_is_used_stays(void **state) {
  struct fixture *fixture = *state;
  char key[32];
  size_t found = 0;
  enum { COUNT = 200000 };
  for (int i = 0; i < COUNT; i++) {
    snprintf(key, sizeof key, "key %d", i);
    write_row(fixture->rows, STORE_WRITE_PUT, key, key, true);
    kit_expect(find(fixture, "favourite", NULL), i == 0 ? NULL : "kept");
    if (i == 0) write_row(fixture->rows, STORE_WRITE_PUT, "favourite", "kept", true);
    arena_clear(&fixture->arena);
  }
  for (int i = 0; i < COUNT; i++) {
    snprintf(key, sizeof key, "key %d", i);
    struct bytes value = find(fixture, key, NULL);
    if (!value.data) continue;
    kit_expect(value, key);
    found++;
    arena_clear(&fixture->arena);
  }
  assert_in_range(found, MIB / 4 / 64, MIB / 16); // a quarter of the memory is for rows this short
}

struct race {
  struct store_rows *rows;
  _Atomic uint32_t database; // stands for the database: written before the rows are told
  _Atomic bool stop;
};

static void *write_on(void *context) {
  struct race *race = context;
  for (uint32_t i = 1; i <= 60000; i++) {
    char value[16];
    snprintf(value, sizeof value, "%u", i);
    atomic_store(&race->database, i);
    write_row(race->rows, i % 3 == 0 ? STORE_WRITE_DELETE : STORE_WRITE_PUT, "row", value, i % 5 != 0);
  }
  atomic_store(&race->stop, true);
  return NULL;
}

static void *read_on(void *context) {
  struct race *race = context;
  uint32_t newest = 0;
  struct fixture fixture = {.rows = race->rows};
  arena_init(&fixture.arena, 0);
  while (!atomic_load(&race->stop)) {
    struct store_rows_place place;
    struct bytes value = find(&fixture, "row", &place);
    char text[16];
    if (value.data) {
      snprintf(text, sizeof text, "%.*s", BYTES_ARG(value));
      uint32_t seen = (uint32_t)strtoul(text, NULL, 10);
      assert_true(seen >= newest); // time never runs backwards
      newest = seen;
    } else {
      snprintf(text, sizeof text, "%u", atomic_load(&race->database));
      store_rows_keep(race->rows, &place, kit_text(text));
    }
    arena_clear(&fixture.arena);
  }
  arena_release(&fixture.arena);
  return NULL;
}

static void readers_never_bring_back_the_past(void **state) {
  struct fixture *fixture = *state;
  struct race race = {.rows = fixture->rows};
  pthread_t writer, readers[3];
  for (int i = 0; i < 3; i++) pthread_create(&readers[i], NULL, read_on, &race);
  pthread_create(&writer, NULL, write_on, &race);
  pthread_join(writer, NULL);
  for (int i = 0; i < 3; i++) pthread_join(readers[i], NULL);
  write_row(race.rows, STORE_WRITE_PUT, "row", "last", true);
  kit_expect(find(fixture, "row", NULL), "last");
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(rows_follow_what_is_written, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_failed_commit_leaves_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_was_overtaken_is_not_kept, set_up, tear_down),
      cmocka_unit_test_setup_teardown(memory_is_bounded_and_what_is_used_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(readers_never_bring_back_the_past, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
