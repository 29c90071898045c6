// All customers looked at in one, two and more threads: the same parts, the same sums; events of chosen names and times
// exactly, each with its own message; a failure is that of the lowest part; whoever looks on may stop it; and all of it
// with the n-th allocation failing.
#include "engine_read_fixture.h"

#include "base/alloc.h"
#include "customer/projection.h"
#include "engine/walk.h"

enum { CROWD = 600, LONG = 700, BLOCK = 3600 };

static struct kit kit;

static int set_up(void **state) {
  (void)state;
  char line[256];
  read_open(&kit);
  for (int i = 0; i < CROWD; i++) {
    snprintf(line, sizeof line, "message track t=%d user_id:u%d name=%s {\"properties\":{\"n\":%d,\"t\":%d}}", i, i,
             i % 3 == 0 ? "Order" : "Seen", i, i);
    read_line(&kit, line);
  }
  // One whose events lie in several chunks, of three names in turn.
  for (int i = 0; i < LONG; i++) {
    static const char *const names[] = {"Seen", "Order", "Left"};
    snprintf(line, sizeof line, "message track t=%d user_id:u0 name=%s {\"properties\":{\"n\":%d,\"t\":%d}}",
             BLOCK * (i + 1), names[i % 3], i, BLOCK * (i + 1));
    read_line(&kit, line);
  }
  snprintf(line, sizeof line, "message identify t=5 user_id:quiet {\"traits\":{\"n\":1}}");
  read_line(&kit, line);
  return 0;
}

static enum err add_block(void *context, uint64_t block, const struct projection_directory *directory) {
  (void)block, (void)directory;
  ++*(size_t *)context;
  return ERR_OK;
}

// The same, where walks over chosen names read projections.
static int set_up_projected(void **state) {
  struct store_snapshot *snapshot;
  size_t blocks = 0;
  kit_projection_quiet_us = 1;
  set_up(state);
  assert_int_equal(engine_project_now(kit.engine, NULL), ERR_OK);
  assert_int_equal(store_snapshot_open(kit.store, &snapshot), ERR_OK);
  assert_int_equal(projection_directories(snapshot, add_block, &blocks), ERR_OK);
  store_snapshot_close(snapshot);
  assert_true(blocks > 0);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  kit_projection_quiet_us = 0;
  kit_close(&kit);
  return 0;
}

// --- sums ----------------------------------------------------------------------------------------------------

struct look {
  const uint32_t *names;
  size_t name_count;
  int64_t from_us, to_us;
  struct part {
    uint64_t customers, events, sum, last;
  } parts[WALK_PARTS];
  bool messages;
};

static int64_t member(struct value message, const char *path) {
  struct decimal number;
  int64_t whole = -1;
  if (value_as_number(value_path(message, engine_names(kit.engine), path), &number))
    assert_int_equal(decimal_to_scaled_i64(number, 0, &whole), ERR_OK);
  return whole;
}

static enum err look_at(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  struct look *look = state;
  struct part *mine = &look->parts[part];
  struct rule_columns columns;
  (void)diag;
  assert_true(facts->id > mine->last);
  mine->last = facts->id;
  mine->customers++;
  if (arena_take(arena, 64) == NULL) return ERR_NO_MEMORY;
  enum err err = walk_events(facts, look->names, look->name_count, look->from_us, look->to_us, &columns);
  for (size_t i = 0; err == ERR_OK && i < columns.count; i++) {
    struct value message;
    bool named = false;
    for (size_t k = 0; k < look->name_count; k++) named = named || columns.name[i] == look->names[k];
    assert_true(named && columns.time_us[i] >= look->from_us && columns.time_us[i] < look->to_us);
    assert_true(i == 0 || columns.time_us[i] >= columns.time_us[i - 1]);
    mine->events++;
    if (!look->messages) continue;
    err = facts->customer.message(facts->customer.context, i, &message);
    if (err != ERR_OK) return err;
    assert_int_equal(KIT_EPOCH_US + member(message, "properties.t") * CLOCK_SECOND_US, columns.time_us[i]);
    mine->sum += (uint64_t)member(message, "properties.n");
  }
  return err;
}

static enum err walk(struct look *look, bool records, unsigned threads, struct part *all, struct diag *diag) {
  struct engine_view *view;
  memset(look->parts, 0, sizeof look->parts);
  *all = (struct part){0};
  enum err err = engine_view_open(kit.engine, &view);
  if (err != ERR_OK) return err;
  const struct walk_options options = {.view = view,
                                       .records = records,
                                       .names = look->names,
                                       .name_count = look->name_count,
                                       .times_only = !look->messages,
                                       .threads = threads};
  err = walk_customers(&options, look_at, look, diag);
  engine_view_close(view);
  for (size_t i = 0; i < WALK_PARTS; i++) {
    all->customers += look->parts[i].customers;
    all->events += look->parts[i].events;
    all->sum += look->parts[i].sum;
    if (i > 0 && look->parts[i].last > 0) assert_true(look->parts[i].last > look->parts[i - 1].last);
  }
  return err;
}

static int by_id(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static void name_ids(uint32_t ids[2], const char *a, const char *b) {
  ids[0] = names_find(engine_names(kit.engine), bytes_from_text(a));
  ids[1] = names_find(engine_names(kit.engine), bytes_from_text(b));
  assert_true(ids[0] != 0 && ids[1] != 0);
  qsort(ids, 2, sizeof ids[0], by_id);
}

static void test_any_number_of_threads_sees_the_same(void **state) {
  (void)state;
  static const unsigned counts[] = {1, 2, 5, 0};
  uint32_t ids[2];
  name_ids(ids, "Seen", "Order");
  for (int records = 0; records < 2; records++) {
    struct part parts[WALK_PARTS];
    for (size_t t = 0; t < sizeof counts / sizeof *counts; t++) {
      struct look look = {.names = ids, .name_count = 2, .from_us = INT64_MIN, .to_us = INT64_MAX, .messages = true};
      struct part all;
      struct diag diag;
      assert_int_equal(walk(&look, records, counts[t], &all, &diag), ERR_OK);
      if (records) assert_int_equal(all.customers, CROWD + 1);
      assert_int_equal(all.events, CROWD + LONG / 3 * 2 + 1);
      uint64_t sum = 0;
      for (uint64_t i = 0; i < CROWD; i++) sum += i;
      for (uint64_t i = 0; i < LONG; i++) sum += i % 3 == 2 ? 0 : i;
      assert_int_equal(all.sum, sum);
      if (t == 0) memcpy(parts, look.parts, sizeof parts);
      assert_memory_equal(parts, look.parts, sizeof parts);
    }
  }
}

static void test_names_and_times_are_exact(void **state) {
  (void)state;
  uint32_t ids[2];
  struct part all;
  struct diag diag;
  name_ids(ids, "Order", "Left");
  for (int records = 0; records < 2; records++) {
    // Hours 101 to 400 of the long one: each third is seen.
    struct look look = {.names = ids,
                        .name_count = 2,
                        .from_us = KIT_EPOCH_US + 101 * (int64_t)BLOCK * CLOCK_SECOND_US,
                        .to_us = KIT_EPOCH_US + 401 * (int64_t)BLOCK * CLOCK_SECOND_US,
                        .messages = true};
    assert_int_equal(walk(&look, records, 2, &all, &diag), ERR_OK);
    assert_int_equal(all.events, 200);
    look.messages = false;
    assert_int_equal(walk(&look, records, 2, &all, &diag), ERR_OK);
    assert_int_equal(all.events, 200);
    look.name_count = 1;
    assert_int_equal(walk(&look, records, 2, &all, &diag), ERR_OK);
    assert_int_equal(all.events, 100);
  }
}

static void test_names_that_nobody_has(void **state) {
  (void)state;
  uint32_t none = 0;
  struct look look = {.names = &none, .from_us = INT64_MIN, .to_us = INT64_MAX};
  struct part all;
  struct diag diag;
  assert_int_equal(walk(&look, false, 2, &all, &diag), ERR_OK);
  assert_int_equal(all.customers, 0);
  assert_int_equal(walk(&look, true, 2, &all, &diag), ERR_OK);
  assert_int_equal(all.customers, CROWD + 1);
  assert_int_equal(all.events, 0);
}

// --- failures ------------------------------------------------------------------------------------------------

static enum err fail_in_some(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  (void)state, (void)facts, (void)arena;
  if (part < 7) return ERR_OK;
  return diag_set(diag, ERR_LIMIT, "some", "part %zu", part);
}

static void test_the_lowest_part_that_fails_is_told(void **state) {
  (void)state;
  for (unsigned threads = 1; threads < 6; threads++) {
    struct engine_view *view;
    struct diag diag;
    assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
    const struct walk_options options = {.view = view, .records = true, .threads = threads};
    assert_int_equal(walk_customers(&options, fail_in_some, NULL, &diag), ERR_LIMIT);
    assert_string_equal(diag.code, "some");
    assert_string_equal(diag.message, "part 7");
    engine_view_close(view);
  }
}

struct watch {
  uint64_t calls, last, stop_after;
};

static bool look_on(void *context, uint64_t done, uint64_t total) {
  struct watch *watch = context;
  assert_true(done >= watch->last && done <= total);
  watch->last = done;
  return ++watch->calls != watch->stop_after;
}

static enum err pass_by(void *state, size_t part, struct facts *facts, struct arena *arena, struct diag *diag) {
  (void)state, (void)part, (void)facts, (void)arena, (void)diag;
  return ERR_OK;
}

static void test_whoever_looks_on_may_stop_it(void **state) {
  (void)state;
  for (unsigned threads = 1; threads < 4; threads++) {
    struct watch watch = {0};
    struct engine_view *view;
    struct diag diag;
    assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
    struct walk_options options = {
        .view = view, .records = true, .threads = threads, .progress = look_on, .context = &watch};
    assert_int_equal(walk_customers(&options, pass_by, NULL, &diag), ERR_OK);
    assert_true(watch.calls > 0);
    watch = (struct watch){.stop_after = 1};
    assert_int_equal(walk_customers(&options, pass_by, NULL, &diag), ERR_STOPPED);
    assert_string_equal(diag.code, "stopped");
    engine_view_close(view);
  }
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  uint32_t ids[2];
  name_ids(ids, "Seen", "Order");
  enum err err = ERR_NO_MEMORY;
  struct part all;
  for (uint64_t n = 1; err != ERR_OK; n += 1 + n / 16) {
    struct look look = {.names = ids, .name_count = 2, .from_us = INT64_MIN, .to_us = INT64_MAX, .messages = true};
    struct diag diag;
    diag_init(&diag);
    alloc_fail_after(n, false);
    err = walk(&look, n % 2, 1, &all, &diag);
    bool fired = alloc_fail_disarm();
    if (fired) assert_true(err == ERR_NO_MEMORY || err == ERR_OK);
    if (!fired) break;
    err = ERR_NO_MEMORY;
  }
  assert_int_equal(all.events, CROWD + LONG / 3 * 2 + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_any_number_of_threads_sees_the_same),
      cmocka_unit_test(test_names_and_times_are_exact),
      cmocka_unit_test(test_names_that_nobody_has),
      cmocka_unit_test(test_the_lowest_part_that_fails_is_told),
      cmocka_unit_test(test_whoever_looks_on_may_stop_it),
      cmocka_unit_test(test_every_allocation_may_fail),
  };
  int failed = cmocka_run_group_tests_name("as written", tests, set_up, tear_down);
  return cmocka_run_group_tests_name("projected", tests, set_up_projected, tear_down) + failed;
}
