// Packed rows: what comes back, tidying in any order of appends, rows of the old form, damage.
#include "customer_fixture.h"

#include "customer/timeline_pack.h"
#include "rule/machine.h"

enum { EVENTS_MAX = TIMELINE_PACK_EVENTS_MAX };

// How wide things are: few names and a coarse unit, or as many of everything as there are events.
struct kind {
  uint64_t names, codes, dims, currencies, amounts, spread;
  int64_t step_us;
};
static const struct kind kinds[] = {
    {1, 1, 1, 1, 1, 1, 1000000},
    {8, 2, 3, 1, 20000, 60000000, 1000},
    {16, 1, 16, 2, 200, 3000, 1000000},
    {17, 1, 17, 17, 2, 50, 1},
    {60000, 256, 60000, 30000, UINT64_MAX, UINT64_MAX / 4, 1},
    {5, 6, 2, 2, 300, UINT64_MAX / 1000000, 1000},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static uint8_t some_code(const struct kind *kind, uint64_t *random) {
  static const uint8_t codes[] = {
      RULE_AMOUNT_NONE, RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | 2, 255, RULE_AMOUNT_VALUE << RULE_AMOUNT_SHIFT, 0, 4};
  uint64_t at = fixture_random(random) % kind->codes;
  return kind->codes > 6 ? (uint8_t)at : codes[at];
}

static void make_events(const struct kind *kind, uint64_t *random, struct timeline_event *events, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint64_t id[2] = {fixture_random(random), fixture_random(random)};
    events[i] = (struct timeline_event){
        .at = {.time_us = (int64_t)(fixture_random(random) % kind->spread * (uint64_t)kind->step_us - 5000000)},
        .name = (uint32_t)(fixture_random(random) % kind->names),
        .amount_code = some_code(kind, random),
        .currency = (uint16_t)(fixture_random(random) % kind->currencies),
        .dims = {(uint32_t)(fixture_random(random) % kind->dims),
                 RULE_DIM_NONE | (uint32_t)(fixture_random(random) % kind->dims)}};
    // The dense form, and the one where only codes with amounts have some.
    if (kind->codes > 6 || events[i].amount_code < RULE_AMOUNT_NONE)
      events[i].amount = (int64_t)(fixture_random(random) % kind->amounts - kind->amounts / 3);
    memcpy(events[i].at.event, id, sizeof id);
  }
}

static int by_instant(const void *a, const void *b) {
  return identity_instant_compare(&((const struct timeline_event *)a)->at, &((const struct timeline_event *)b)->at);
}

static void assert_same(const struct timeline_event *a, const struct timeline_event *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(identity_instant_compare(&a[i].at, &b[i].at), 0);
    assert_int_equal(a[i].name, b[i].name);
    assert_true(a[i].amount == b[i].amount);
    assert_int_equal(a[i].amount_code, b[i].amount_code);
    assert_int_equal(a[i].currency, b[i].currency);
    assert_int_equal(a[i].dims[0], b[i].dims[0]);
    assert_int_equal(a[i].dims[1], b[i].dims[1]);
  }
}

// The heap's own memory, so that a read past the row is seen.
static struct bytes own_copy(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size);
  assert_non_null(copy);
  return bytes_of(memcpy(copy, data, size), size);
}

static void check_columns(struct bytes row, const struct timeline_event *events, size_t count) {
  struct arena arena;
  struct timeline_columns columns;
  arena_init(&arena, 0);
  timeline_columns_lay(arena_take(&arena, timeline_columns_bytes(count)), count, &columns);
  assert_int_equal(timeline_row_read_columns(row, &arena, &columns), ERR_OK);
  assert_int_equal(columns.count, count);
  for (size_t i = 0; i < count; i++) {
    assert_true(columns.time_us[i] == events[i].at.time_us && columns.amount[i] == events[i].amount);
    assert_int_equal(columns.name[i], events[i].name);
    assert_int_equal(columns.amount_code[i], events[i].amount_code);
    assert_int_equal(columns.channel[i], events[i].dims[1]);
  }
  arena_release(&arena);
}

static bool is_chosen(const struct rule_events_wanted *wanted, const struct timeline_event *event) {
  bool named = false;
  for (size_t i = 0; i < wanted->name_count; i++) named = named || wanted->names[i] == event->name;
  return named && event->at.time_us >= wanted->from_us && event->at.time_us < wanted->to_us;
}

static void check_choice(struct bytes row, const struct timeline_event *events, size_t count, uint64_t *random) {
  uint32_t names[] = {events[fixture_random(random) % count].name, events[fixture_random(random) % count].name};
  int64_t bounds[] = {INT64_MIN, events[fixture_random(random) % count].at.time_us,
                      events[fixture_random(random) % count].at.time_us + 1, INT64_MAX};
  struct rule_events_wanted wanted = {.names = names,
                                      .name_count = fixture_random(random) % 3,
                                      .from_us = bounds[fixture_random(random) % 4],
                                      .to_us = bounds[fixture_random(random) % 4]};
  struct arena arena;
  struct timeline_columns columns;
  struct timeline_pack pack, kept;
  arena_init(&arena, 0);
  timeline_columns_lay(arena_take(&arena, timeline_columns_bytes(count)), count, &columns);
  assert_int_equal(timeline_pack_open(row, &pack), ERR_OK);
  timeline_pack_keep(&pack, arena_take(&arena, timeline_pack_kept_bytes(&pack)), &kept);
  timeline_pack_choose(&kept, &wanted, &columns);
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (!is_chosen(&wanted, &events[i])) continue;
    assert_true(at < columns.count);
    assert_true(columns.time_us[at] == events[i].at.time_us && columns.amount[at] == events[i].amount);
    assert_int_equal(columns.name[at], events[i].name);
    assert_int_equal(columns.amount_code[at], events[i].amount_code);
    assert_int_equal(columns.channel[at], events[i].dims[1]);
    at++;
  }
  assert_int_equal(at, columns.count);
  arena_release(&arena);
}

static void test_what_is_packed_comes_back(void **state) {
  (void)state;
  uint64_t random = 5;
  for (int round = 0; round < 600; round++) {
    static struct timeline_event events[EVENTS_MAX];
    static uint8_t row[EVENTS_MAX * 96];
    struct timeline_event *back;
    struct arena arena;
    size_t count = round < EVENTS_MAX ? 1 + (size_t)round : 1 + (size_t)(fixture_random(&random) % 60), found;
    make_events(&kinds[round % KINDS], &random, events, count);
    qsort(events, count, sizeof *events, by_instant);
    size_t size = (size_t)(timeline_pack_put(events, count, row) - row);
    assert_true(size <= timeline_pack_bytes_max(count));
    struct bytes copy = own_copy(row, size);
    arena_init(&arena, 0);
    assert_int_equal(timeline_row_read_chunk(copy, &arena, &back, &found), ERR_OK);
    assert_int_equal(found, count);
    assert_same(events, back, count);
    check_columns(copy, events, count);
    for (int i = 0; i < 6; i++) check_choice(copy, events, count, &random);
    for (size_t cut = 0; cut < size && round % 40 == 0; cut++) { // too short is seen
      struct bytes shorter = own_copy(row, cut);
      assert_int_equal(timeline_row_count(shorter, &found), cut == 0 ? ERR_OK : ERR_CORRUPT);
      free((void *)(uintptr_t)shorter.data);
    }
    free((void *)(uintptr_t)copy.data);
    arena_release(&arena);
  }
}

// Segments of one event in any order, some twice, tidied now and then: always what was put in.
static void test_rows_that_grow_and_are_tidied(void **state) {
  (void)state;
  uint64_t random = 17;
  for (int round = 0; round < 60; round++) {
    static struct timeline_event events[EVENTS_MAX];
    struct buffer row, tidied;
    struct arena arena;
    struct timeline_event *back;
    size_t count = 1 + (size_t)(fixture_random(&random) % 190), found;
    buffer_init(&row);
    arena_init(&arena, 0);
    make_events(&kinds[round % KINDS], &random, events, count);
    for (size_t i = 0; i < count; i++) {
      uint8_t segment[TIMELINE_ROW_SEGMENT_BYTES + TIMELINE_ROW_EVENT_BYTES];
      timeline_row_put_segment(&events[i], 1, segment);
      for (uint64_t twice = fixture_random(&random) % 16 == 0; twice < 2; twice++)
        if (twice == 1 || row.size_bytes / sizeof segment < EVENTS_MAX / 4)
          buffer_append(&row, segment, sizeof segment);
      if (fixture_random(&random) % 5 != 0) continue;
      buffer_init(&tidied);
      if (timeline_tidy(buffer_view(&row), &tidied)) {
        assert_true(tidied.size_bytes > 0);
        buffer_release(&row);
        row = tidied;
      }
    }
    assert_int_equal(timeline_row_read_chunk(buffer_view(&row), &arena, &back, &found), ERR_OK);
    qsort(events, count, sizeof *events, by_instant);
    assert_int_equal(found, count);
    assert_same(events, back, count);
    check_columns(buffer_view(&row), events, count);
    buffer_release(&row);
    arena_release(&arena);
  }
}

static void test_tidying_shortens_and_is_stable(void **state) {
  (void)state;
  uint64_t random = 3;
  struct timeline_event events[37];
  uint8_t row[37 * 64];
  struct buffer once, twice;
  make_events(&kinds[1], &random, events, 37);
  qsort(events, 37, sizeof *events, by_instant);
  timeline_row_put_segment(events, 37, row);
  buffer_init(&once);
  buffer_init(&twice);
  assert_true(timeline_tidy(bytes_of(row, timeline_row_segment_bytes(37)), &once));
  assert_true(once.size_bytes < timeline_row_segment_bytes(37) * 6 / 10);
  assert_true(timeline_tidy(buffer_view(&once), &twice));
  assert_true(bytes_equal(buffer_view(&once), buffer_view(&twice)));
  buffer_clear(&twice);
  alloc_fail_after(0, true);
  bool tidied = timeline_tidy(buffer_view(&once), &twice) && twice.capacity_bytes < once.size_bytes;
  alloc_fail_disarm();
  assert_false(tidied);
  buffer_release(&once);
  buffer_release(&twice);
}

static void test_what_cannot_be_tidied_stays(void **state) {
  (void)state;
  struct timeline_event event = {.name = 3};
  uint8_t row[2 * 64] = {0};
  struct buffer out;
  buffer_init(&out);
  timeline_row_put_segment(&event, 1, row);
  assert_false(timeline_tidy(bytes_of(row, timeline_row_segment_bytes(1)), &out)); // as short as it gets
  assert_false(timeline_tidy(bytes_of(row, timeline_row_segment_bytes(1) + 1), &out));
  assert_false(timeline_tidy((struct bytes){NULL, 0}, &out));
  assert_int_equal(out.size_bytes, 0);
  buffer_release(&out);
}

// Any byte may be damaged: nothing is read that is not the row's.
static void test_damage_is_survived(void **state) {
  (void)state;
  uint64_t random = 23;
  static struct timeline_event events[EVENTS_MAX];
  static uint8_t row[EVENTS_MAX * 96];
  uint32_t names[] = {1, 2, 3};
  struct rule_events_wanted wanted = {.names = names, .name_count = 3, .from_us = -4000000, .to_us = 9000000};
  for (int round = 0; round < 3000; round++) {
    size_t count = 1 + (size_t)(fixture_random(&random) % 50), found;
    struct arena arena;
    struct timeline_event *back;
    struct timeline_pack pack;
    struct timeline_columns columns;
    make_events(&kinds[round % KINDS], &random, events, count);
    qsort(events, count, sizeof *events, by_instant);
    size_t size = (size_t)(timeline_pack_put(events, count, row) - row);
    size_t near = fixture_random(&random) % 2 ? 40 : size;
    for (int i = 0; i < 2; i++) row[2 + fixture_random(&random) % (near - 2)] ^= (uint8_t)fixture_random(&random);
    struct bytes copy = own_copy(row, size);
    arena_init(&arena, 0);
    enum err err = timeline_row_read_chunk(copy, &arena, &back, &found);
    assert_true(err == ERR_OK || err == ERR_CORRUPT);
    if (timeline_pack_open(copy, &pack) == ERR_OK) {
      timeline_columns_lay(arena_take(&arena, timeline_columns_bytes(pack.count)), pack.count, &columns);
      timeline_pack_choose(&pack, &wanted, &columns);
      assert_true(columns.count <= pack.count);
    }
    free((void *)(uintptr_t)copy.data);
    arena_release(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_packed_comes_back),
      cmocka_unit_test(test_rows_that_grow_and_are_tidied),
      cmocka_unit_test(test_tidying_shortens_and_is_stable),
      cmocka_unit_test(test_what_cannot_be_tidied_stays),
      cmocka_unit_test(test_damage_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
