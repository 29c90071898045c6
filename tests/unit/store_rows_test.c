// Rows kept in memory: what comes back is what was written last, and never what was overtaken.
#include "store_test_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "store/store_rows.h"

enum { MIB = 1 << 20 };

struct fixture {
  struct store_rows *rows;
  struct arena arena;
};

static int set_up(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  arena_init(&fixture->arena, 0);
  assert_int_equal(store_rows_open(&fixture->rows, MIB, 8 * MIB), ERR_OK);
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

static struct bytes find_in(struct fixture *fixture, enum store_keyspace keyspace, const char *key,
                            struct store_rows_place *place) {
  struct bytes text = kit_text(key), value;
  struct store_rows_place unused;
  assert_int_equal(store_rows_find(fixture->rows, keyspace, &text, 1, &fixture->arena, &value, place ? place : &unused),
                   ERR_OK);
  return value;
}

static struct bytes find(struct fixture *fixture, const char *key, struct store_rows_place *place) {
  return find_in(fixture, STORE_IDENTIFIER, key, place);
}

// What stands for the database is changed in between, when there is something.
static void commit_in(struct store_rows *rows, enum store_keyspace keyspace, enum store_write_kind kind,
                      const char *key, const char *value, bool known, void (*database)(void *context), void *context) {
  struct store_write write = {.key = (const uint8_t *)key,
                              .key_bytes = (uint32_t)strlen(key),
                              .value = (uint8_t *)(uintptr_t)value,
                              .value_bytes = (uint32_t)strlen(value),
                              .keyspace = (uint8_t)keyspace,
                              .kind = (uint8_t)kind};
  struct store_batch batch = {.first = &write, .count = 1};
  store_rows_begin(rows, &batch);
  if (database) database(context);
  store_rows_write(rows, &batch, known);
}

static void write_in(struct store_rows *rows, enum store_keyspace keyspace, enum store_write_kind kind, const char *key,
                     const char *value, bool known) {
  commit_in(rows, keyspace, kind, key, value, known, NULL, NULL);
}

static void write_row(struct store_rows *rows, enum store_write_kind kind, const char *key, const char *value,
                      bool known) {
  write_in(rows, STORE_IDENTIFIER, kind, key, value, known);
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
  write_row(rows, STORE_WRITE_DELETE, "a", "", true);
  kit_expect(find(fixture, "a", NULL), NULL);
}

static const char *of_length(char *out, size_t length) {
  for (size_t i = 0; i < length; i++) out[i] = (char)('a' + i * 7 % 26);
  out[length] = 0;
  return out;
}

static void rows_of_any_length_take_each_others_place(void **state) {
  struct fixture *fixture = *state;
  static const size_t lengths[] = {1, 15, 16, 17, 47, 48, 49, 50, 100};
  enum { COUNT = sizeof lengths / sizeof lengths[0] };
  char text[128];
  for (size_t i = 0; i < COUNT * COUNT; i++) {
    write_in(fixture->rows, STORE_CUSTOMER, STORE_WRITE_PUT, "a", of_length(text, lengths[i / COUNT]), true);
    kit_expect(find_in(fixture, STORE_CUSTOMER, "a", NULL), text);
    write_in(fixture->rows, STORE_CUSTOMER, STORE_WRITE_PUT, "a", of_length(text, lengths[i % COUNT]), true);
    kit_expect(find_in(fixture, STORE_CUSTOMER, "a", NULL), text);
    kit_expect(find(fixture, "a", NULL), NULL); // another keyspace's
    write_in(fixture->rows, STORE_CUSTOMER, i % 2 ? STORE_WRITE_DELETE : STORE_WRITE_PUT, "a", text, i % 2);
    kit_expect(find_in(fixture, STORE_CUSTOMER, "a", NULL), NULL); // deleted, or a failed commit
  }
}

static void what_is_appended_is_kept_with_its_row(void **state) {
  struct fixture *fixture = *state;
  struct store_rows *rows = fixture->rows;
  struct store_rows_place place;
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", "nobody knows what stands before", true);
  kit_expect(find_in(fixture, STORE_TIMELINE, "t", &place), NULL);
  store_rows_keep(rows, STORE_TIMELINE, &place, kit_text("one"));
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " two", true);
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " three", true);
  kit_expect(find_in(fixture, STORE_TIMELINE, "t", NULL), "one two three");
  write_in(rows, STORE_TIMELINE, STORE_WRITE_PUT, "t", "four", true);
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " five", true);
  kit_expect(find_in(fixture, STORE_TIMELINE, "t", NULL), "four five");
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " perhaps", false);
  kit_expect(find_in(fixture, STORE_TIMELINE, "t", &place), NULL);
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " six", true); // between the look and the keeping
  store_rows_keep(rows, STORE_TIMELINE, &place, kit_text("four five"));
  kit_expect(find_in(fixture, STORE_TIMELINE, "t", &place), NULL);
  store_rows_keep(rows, STORE_TIMELINE, &place, kit_text("four five six"));
  store_rows_clear(rows);
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " seven", true);
  kit_expect(find_in(fixture, STORE_TIMELINE, "t", NULL), NULL);
}

static void of_a_customer_long_rows_are_appended_to(void **state) {
  struct fixture *fixture = *state;
  struct store_rows *rows = fixture->rows;
  char text[128], longer[160];
  for (size_t length = 1; length < 100; length++) {
    bool is_long = length > 48; // longer ones are in a ring
    write_in(rows, STORE_CUSTOMER, STORE_WRITE_PUT, "c", of_length(text, length), true);
    write_in(rows, STORE_CUSTOMER, STORE_WRITE_APPEND, "c", "more", true);
    snprintf(longer, sizeof longer, "%smore", text);
    kit_expect(find_in(fixture, STORE_CUSTOMER, "c", NULL), is_long ? longer : NULL);
    write_in(rows, STORE_CUSTOMER, STORE_WRITE_APPEND, "c", "perhaps", false);
    kit_expect(find_in(fixture, STORE_CUSTOMER, "c", NULL), NULL);
  }
}

static void want_of_memory_leaves_nothing_behind(void **state) {
  (void)state;
  for (uint64_t allowed = 0;; allowed++) {
    struct store_rows *rows = NULL;
    alloc_fail_after(allowed, true);
    enum err err = store_rows_open(&rows, MIB, MIB);
    bool delivered = alloc_fail_disarm();
    assert_int_equal(err, delivered ? ERR_NO_MEMORY : ERR_OK);
    if (err != ERR_OK) continue;
    store_rows_close(rows);
    assert_in_range(allowed, 3, 10);
    return;
  }
}

struct overtaken {
  struct fixture *fixture;
  struct store_rows_place place;
};

// The database has the append already, the rows do not know of it yet.
static void read_between(void *context) {
  struct overtaken *overtaken = context;
  store_rows_keep(overtaken->fixture->rows, STORE_TIMELINE, &overtaken->place, kit_text("one two"));
}

static void an_append_is_not_kept_twice(void **state) {
  struct overtaken overtaken = {.fixture = *state};
  struct store_rows *rows = overtaken.fixture->rows;
  kit_expect(find_in(overtaken.fixture, STORE_TIMELINE, "t", &overtaken.place), NULL);
  commit_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " two", true, read_between, &overtaken);
  kit_expect(find_in(overtaken.fixture, STORE_TIMELINE, "t", &overtaken.place), NULL);
  store_rows_keep(rows, STORE_TIMELINE, &overtaken.place, kit_text("one two"));
  write_in(rows, STORE_TIMELINE, STORE_WRITE_APPEND, "t", " three", true);
  kit_expect(find_in(overtaken.fixture, STORE_TIMELINE, "t", NULL), "one two three");
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
  store_rows_keep(fixture->rows, STORE_IDENTIFIER, &place, kit_text("read"));
  kit_expect(find(fixture, "a", NULL), "read");
  write_row(fixture->rows, STORE_WRITE_DELETE, "a", "", true);
  kit_expect(find(fixture, "a", &place), NULL);
  write_row(fixture->rows, STORE_WRITE_PUT, "a", "newer", true); // between the look and the keeping
  store_rows_keep(fixture->rows, STORE_IDENTIFIER, &place, kit_text("older"));
  kit_expect(find(fixture, "a", &place), "newer");
  store_rows_clear(fixture->rows);
  store_rows_keep(fixture->rows, STORE_IDENTIFIER, &place, kit_text("from before"));
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
      store_rows_keep(race->rows, STORE_IDENTIFIER, &place, kit_text(text));
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

// A database of rows that are lists of ascending numbers, "5 6 7 ": the last is the version. Who writes a row holds its
// lock, as customers are locked; the lock of the database stands for the database itself.
enum { ROWS = 6, ROW_BYTES = 512, WRITERS = 2, READERS = 3, WRITES = 30000 };

struct table_row {
  pthread_mutex_t lock, database;
  char text[ROW_BYTES];
  bool there;
  uint32_t version;
  _Atomic uint32_t committed;
};

struct table_race {
  struct store_rows *rows;
  struct table_row table[ROWS];
  _Atomic int writing;
};

// Odd keys are appended to, even ones are written whole, of any length.
static enum store_keyspace keyspace_of(int key) {
  return key % 4 == 1 ? STORE_TIMELINE : STORE_CUSTOMER;
}

struct change {
  struct table_row *row;
  enum store_write_kind kind;
  const char *added;
  bool fails;
};

static void change_database(void *context) {
  const struct change *change = context;
  struct table_row *row = change->row;
  pthread_mutex_lock(&row->database);
  if (!change->fails) row->there = change->kind != STORE_WRITE_DELETE;
  if (!change->fails && change->kind != STORE_WRITE_APPEND) row->text[0] = 0;
  if (!change->fails) memcpy(row->text + strlen(row->text), change->added, strlen(change->added) + 1);
  pthread_mutex_unlock(&row->database);
}

static void commit_one(struct table_race *race, int key, uint32_t random) {
  struct table_row *row = &race->table[key];
  char name[8] = {(char)('a' + key)}, added[ROW_BYTES] = "";
  size_t length = 0, numbers = 1;
  pthread_mutex_lock(&row->lock);
  enum store_write_kind kind = random % 16 == 0 ? STORE_WRITE_DELETE : STORE_WRITE_PUT;
  if (kind == STORE_WRITE_PUT && key % 2 && row->there && strlen(row->text) < ROW_BYTES - 20) kind = STORE_WRITE_APPEND;
  if (kind == STORE_WRITE_PUT) numbers = 1 + random % 30;
  bool fails = random % 32 == 7;
  for (size_t i = 0; i < numbers && kind != STORE_WRITE_DELETE && !fails; i++)
    length += (size_t)snprintf(added + length, sizeof added - length, "%u ", ++row->version);
  struct change change = {row, kind, added, fails};
  commit_in(race->rows, keyspace_of(key), kind, name, added, !fails, change_database, &change);
  atomic_store(&row->committed, row->version);
  pthread_mutex_unlock(&row->lock);
}

static void *write_table(void *context) {
  struct table_race *race = context;
  uint32_t random = (uint32_t)(uintptr_t)&random / 16;
  char other[16], text[700];
  for (int i = 0; i < WRITES; i++) {
    random = random * 1664525u + 1013904223u;
    commit_one(race, (int)(random >> 24) % ROWS, random >> 8 & 0xffff);
    snprintf(other, sizeof other, "other %u", random >> 20); // makes the rings go round
    write_in(race->rows, STORE_CUSTOMER, STORE_WRITE_PUT, other, of_length(text, 100 + (size_t)i % 500), true);
  }
  atomic_fetch_sub(&race->writing, 1);
  return NULL;
}

// Ascending without gaps, and up to `at_least` at least. A row that was deleted has no versions.
static void expect_row(struct bytes value, uint32_t at_least) {
  char text[ROW_BYTES], *at = text;
  uint32_t last = 0;
  assert_true(value.size_bytes < sizeof text);
  memcpy(text, value.data, value.size_bytes);
  text[value.size_bytes] = 0;
  while (*at) {
    uint32_t number = (uint32_t)strtoul(at, &at, 10);
    assert_true(last == 0 || number == last + 1);
    last = number;
    assert_int_equal(*at, ' ');
    at++;
  }
  assert_true(last >= at_least);
}

static void *read_table(void *context) {
  struct table_race *race = context;
  struct fixture fixture = {.rows = race->rows};
  arena_init(&fixture.arena, 0);
  for (int key = 0; atomic_load(&race->writing) > 0; key = (key + 1) % ROWS) {
    struct table_row *row = &race->table[key];
    char name[8] = {(char)('a' + key)}, text[ROW_BYTES];
    struct store_rows_place place;
    uint32_t committed = atomic_load(&row->committed);
    struct bytes value = find_in(&fixture, keyspace_of(key), name, &place);
    if (value.data) {
      expect_row(value, committed);
    } else {
      pthread_mutex_lock(&row->database);
      bool there = row->there;
      memcpy(text, row->text, sizeof text);
      pthread_mutex_unlock(&row->database);
      if (there) store_rows_keep(race->rows, keyspace_of(key), &place, kit_text(text));
    }
    arena_clear(&fixture.arena);
  }
  arena_release(&fixture.arena);
  return NULL;
}

static void many_writers_and_readers_agree_with_the_database(void **state) {
  struct fixture *fixture = *state;
  struct table_race *race = calloc(1, sizeof *race);
  race->rows = fixture->rows;
  atomic_store(&race->writing, WRITERS);
  for (int i = 0; i < ROWS; i++) {
    pthread_mutex_init(&race->table[i].lock, NULL);
    pthread_mutex_init(&race->table[i].database, NULL);
  }
  pthread_t threads[WRITERS + READERS];
  for (int i = 0; i < WRITERS + READERS; i++)
    pthread_create(&threads[i], NULL, i < WRITERS ? write_table : read_table, race);
  for (int i = 0; i < WRITERS + READERS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < ROWS; i++) {
    char name[8] = {(char)('a' + i)};
    struct bytes value = find_in(fixture, keyspace_of(i), name, NULL);
    if (value.data) kit_expect(value, race->table[i].there ? race->table[i].text : NULL);
  }
  free(race);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(rows_follow_what_is_written, set_up, tear_down),
      cmocka_unit_test_setup_teardown(rows_of_any_length_take_each_others_place, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_appended_is_kept_with_its_row, set_up, tear_down),
      cmocka_unit_test_setup_teardown(of_a_customer_long_rows_are_appended_to, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_append_is_not_kept_twice, set_up, tear_down),
      cmocka_unit_test(want_of_memory_leaves_nothing_behind),
      cmocka_unit_test_setup_teardown(a_failed_commit_leaves_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_was_overtaken_is_not_kept, set_up, tear_down),
      cmocka_unit_test_setup_teardown(memory_is_bounded_and_what_is_used_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(readers_never_bring_back_the_past, set_up, tear_down),
      cmocka_unit_test_setup_teardown(many_writers_and_readers_agree_with_the_database, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
