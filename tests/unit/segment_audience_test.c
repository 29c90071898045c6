// Audiences against plain arrays: rows in every form and any grouping of folds, damage, sets in memory, and the blocks
// of questions in both stores. The library that gave the form of the rows its name reads ours, and we read its.
#include "store_test_kit.h"

#include <roaring/roaring.h>

#include "base/alloc.h"
#include "segment/audience.h"

enum {
  IDS = AUDIENCE_BLOCK_IDS,
  QUESTIONS = 6,
  PEOPLE = 40,
  CHANGES = 3000,
  WRITTEN_BYTES_MAX = 5 + 16 + IDS / 8,
};

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

// --- rows ----------------------------------------------------------------------------------------------------

static void append_change(struct buffer *row, uint16_t id, bool in) {
  const uint8_t piece[] = {in ? '+' : '-', (uint8_t)id, (uint8_t)(id >> 8)};
  buffer_append(row, piece, sizeof piece);
}

// Folds the whole of `row` into itself.
static void fold(struct buffer *row) {
  struct buffer folded;
  buffer_init(&folded);
  assert_int_equal(audience_fold(buffer_view(row), &folded), ERR_OK);
  assert_true(folded.size_bytes <= WRITTEN_BYTES_MAX);
  buffer_release(row);
  *row = folded;
}

// What the library finds in a folded row; NULL when the row has nothing.
static roaring_bitmap_t *read_by_library(const struct buffer *row) {
  if (row->size_bytes == 0) return roaring_bitmap_create();
  assert_true(row->size_bytes > 5 && row->data[0] == 'R');
  size_t size = row->data[1] | (size_t)row->data[2] << 8 | (size_t)row->data[3] << 16;
  assert_int_equal(size, row->size_bytes - 5);
  const char *bitmap = (const char *)row->data + 5;
  assert_int_equal(roaring_bitmap_portable_deserialize_size(bitmap, size), size);
  roaring_bitmap_t *found = roaring_bitmap_portable_deserialize_safe(bitmap, size);
  assert_non_null(found);
  return found;
}

static void write_by_library(struct buffer *row, const roaring_bitmap_t *bitmap) {
  size_t size = roaring_bitmap_portable_size_in_bytes(bitmap);
  const uint8_t head[] = {'R', (uint8_t)size, (uint8_t)(size >> 8), 0, 0};
  buffer_append(row, head, sizeof head);
  assert_true(buffer_reserve(row, size));
  row->size_bytes += roaring_bitmap_portable_serialize(bitmap, (char *)row->data + row->size_bytes);
}

static void expect_row(const struct buffer *folded, const bool *expected) {
  roaring_bitmap_t *found = read_by_library(folded);
  size_t count = 0;
  for (uint32_t id = 0; id < IDS; id++) {
    count += expected[id];
    if (roaring_bitmap_contains(found, id) != expected[id]) fail_msg("id %u", (unsigned)id);
  }
  assert_int_equal(roaring_bitmap_get_cardinality(found), count);
  roaring_bitmap_free(found);
}

static void row_of(struct buffer *row, const bool *in) {
  buffer_init(row);
  for (uint32_t id = 0; id < IDS; id++)
    if (in[id]) append_change(row, (uint16_t)id, true);
  fold(row);
}

// We to the library, and it to us: with runs and without. (It makes the bitmap anew: Debian's version writes past its
// memory when it turns a run that ends with 65,535 into another form.)
static void expect_round_trip(const bool *in) {
  struct buffer row, other;
  row_of(&row, in);
  expect_row(&row, in);
  roaring_bitmap_t *bitmap = roaring_bitmap_create();
  for (uint32_t id = 0; id < IDS; id++)
    if (in[id]) roaring_bitmap_add(bitmap, id);
  for (int form = 0; form < 2 && !roaring_bitmap_is_empty(bitmap); form++) {
    if (form == 1) roaring_bitmap_run_optimize(bitmap);
    buffer_init(&other);
    write_by_library(&other, bitmap);
    fold(&other);
    assert_true(bytes_equal(buffer_view(&row), buffer_view(&other))); // one set, one form
    buffer_release(&other);
  }
  roaring_bitmap_free(bitmap);
  buffer_release(&row);
}

static bool in[IDS];

static void fill(uint32_t from, uint32_t to, uint32_t step) {
  for (uint32_t id = from; id < to; id += step) in[id] = true;
}

static void test_rows_in_every_form(void **state) {
  (void)state;
  static const uint32_t steps[] = {1, 2, 3, 15, 16, 17, 1000, IDS - 1, IDS};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    memset(in, 0, sizeof in);
    fill(0, IDS, steps[i]);
    expect_round_trip(in);
  }
  memset(in, 0, sizeof in);
  expect_round_trip(in);
  fill(63, 65, 1);
  fill(127, 128, 1);
  fill(4096, 20000, 1);
  fill(IDS - 3, IDS, 1);
  expect_round_trip(in);
  memset(in, 0, sizeof in);
  fill(0, 2 * 4096, 2); // the largest array
  expect_round_trip(in);
  in[IDS - 1] = true; // the smallest of bits
  expect_round_trip(in);
}

static void test_rows_as_bytes(void **state) {
  (void)state;
  static const uint8_t array[] = {'R', 22, 0, 0,  0, 0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0,
                                  0,   2,  0, 16, 0, 0,    0,    3, 0, 1, 2, 9, 2};
  static const uint8_t runs[] = {'R', 19, 0, 0, 0, 0x3b, 0x30, 0, 0, 1, 0, 0, 99, 2, 2, 0, 1, 0, 99, 0, 0, 2, 0xff, 1};
  struct buffer row;
  buffer_init(&row);
  append_change(&row, 0x201, true);
  append_change(&row, 3, true);
  append_change(&row, 0x209, true);
  fold(&row);
  assert_int_equal(row.size_bytes, sizeof array);
  assert_memory_equal(row.data, array, sizeof array);
  buffer_clear(&row);
  for (uint16_t id = 1; id < 1024; id++)
    if (id <= 100 || id >= 512) append_change(&row, id, true);
  fold(&row);
  assert_int_equal(row.size_bytes, sizeof runs);
  assert_memory_equal(row.data, runs, sizeof runs);
  buffer_release(&row);
}

static void test_the_later_piece_counts(void **state) {
  (void)state;
  struct buffer row, other;
  memset(in, 0, sizeof in);
  in[5] = in[7] = true;
  row_of(&other, in);
  buffer_init(&row);
  append_change(&row, 9, true);                   // void: before an 'R'
  buffer_append_bytes(&row, buffer_view(&other)); // 5, 7
  append_change(&row, 5, false);                  //
  append_change(&row, 5, false);                  // again
  append_change(&row, 11, false);                 // who was not in
  append_change(&row, 12, true);                  //
  append_change(&row, 12, true);                  // again
  append_change(&row, 13, true);                  //
  append_change(&row, 13, false);                 //
  fold(&row);
  in[5] = false;
  in[12] = true;
  expect_row(&row, in);
  buffer_release(&row);
  buffer_release(&other);
}

// The same changes, folded after each run of a random length, after each, and once at the end.
static void test_folding_in_any_grouping(void **state) {
  (void)state;
  uint64_t seed = 88172645463325252;
  for (int round = 0; round < 40; round++) {
    struct buffer at_once, each, now_and_then;
    uint32_t spread = round % 2 == 0 ? 300 : IDS;
    int changes = round < 4 ? 12000 : 300;
    buffer_init(&at_once);
    buffer_init(&each);
    buffer_init(&now_and_then);
    memset(in, 0, sizeof in);
    for (int i = 0; i < changes; i++) {
      uint64_t random = next_random(&seed);
      uint16_t id = (uint16_t)((random >> 8) % spread);
      in[id] = (random >> 40) % 3 != 0;
      append_change(&at_once, id, in[id]);
      append_change(&now_and_then, id, in[id]);
      append_change(&each, id, in[id]);
      if (changes <= 300) fold(&each);
      if ((random >> 44) % 64 == 0) fold(&now_and_then);
    }
    fold(&at_once);
    fold(&each);
    fold(&now_and_then);
    expect_row(&at_once, in);
    assert_true(bytes_equal(buffer_view(&at_once), buffer_view(&each)));
    assert_true(bytes_equal(buffer_view(&at_once), buffer_view(&now_and_then)));
    buffer_release(&at_once);
    buffer_release(&each);
    buffer_release(&now_and_then);
  }
}

static void test_an_empty_block_is_nothing(void **state) {
  (void)state;
  struct buffer row;
  buffer_init(&row);
  fold(&row);
  assert_int_equal(row.size_bytes, 0);
  append_change(&row, 5, true);
  fold(&row);
  append_change(&row, 5, false);
  fold(&row);
  assert_int_equal(row.size_bytes, 0);
  buffer_release(&row);
}

// --- damage --------------------------------------------------------------------------------------------------

// In memory of its own size, so that a read past the end is seen.
static enum err fold_exactly(struct bytes row, struct buffer *out) {
  uint8_t *exact = malloc(row.size_bytes);
  assert_non_null(exact);
  memcpy(exact, row.data, row.size_bytes);
  enum err err = audience_fold(bytes_of(exact, row.size_bytes), out);
  free(exact);
  return err;
}

static void expect_damaged(struct bytes row) {
  struct buffer out;
  buffer_init(&out);
  buffer_append_text(&out, "before");
  assert_int_equal(fold_exactly(row, &out), ERR_CORRUPT);
  assert_true(bytes_equal(buffer_view(&out), BYTES("before")));
  buffer_release(&out);
}

#define ARRAY_HEAD "\x3a\x30\0\0\x01\0\0\0\0\0"
#define OFFSET "\x10\0\0\0"
#define RUNS_HEAD "\x3b\x30\0\0\x01\0\0"

static void test_damaged_rows(void **state) {
  (void)state;
  static const struct bytes rows[] = {
      BYTES_INIT("x"),
      BYTES_INIT("+\x01"),
      BYTES_INIT("-"),
      BYTES_INIT("+\x01\x02R"),
      BYTES_INIT("R\0\0\0\0"),                                                    // no bitmap
      BYTES_INIT("R\xff\xff\xff\xff"),                                            // past the end
      BYTES_INIT("R\x08\0\0\0\x3a\x30\0\0\0\0\0\0"),                              // no container
      BYTES_INIT("R\x12\0\0\0\x3a\x30\0\0\x02\0\0\0\0\0\0\0" OFFSET "\x03\0"),    // says two
      BYTES_INIT("R\x12\0\0\0\x3a\x30\0\0\x01\0\0\0\x01\0\0\0" OFFSET "\x03\0"),  // of another block
      BYTES_INIT("R\x12\0\0\0" ARRAY_HEAD "\0\0\x11\0\0\0\x03\0"),                // offset
      BYTES_INIT("R\x14\0\0\0" ARRAY_HEAD "\x01\0" OFFSET "\x04\0\x03\0"),        // descending
      BYTES_INIT("R\x14\0\0\0" ARRAY_HEAD "\x01\0" OFFSET "\x03\0\x03\0"),        // twice
      BYTES_INIT("R\x14\0\0\0" ARRAY_HEAD "\x02\0" OFFSET "\x03\0\x04\0"),        // one missing
      BYTES_INIT("R\x14\0\0\0" ARRAY_HEAD "\0\0" OFFSET "\x03\0\x04\0"),          // one too many
      BYTES_INIT("R\x12\0\0\0" ARRAY_HEAD "\xff\xff" OFFSET "\x03\0"),            // bits that are not there
      BYTES_INIT("R\x12\0\0\0\x3c\x30\0\0\x01\0\0\0\0\0\0\0" OFFSET "\x03\0"),    // another cookie
      BYTES_INIT("R\x0f\0\0\0\x3b\x30\x01\0\x01\0\0\x03\0\x01\0\0\0\x03\0"),      // two containers of runs
      BYTES_INIT("R\x0f\0\0\0\x3b\x30\0\0\0\0\0\x03\0\x01\0\0\0\x03\0"),          // whose flag is not set
      BYTES_INIT("R\x0f\0\0\0" RUNS_HEAD "\x04\0\x01\0\0\0\x03\0"),               // count
      BYTES_INIT("R\x0f\0\0\0" RUNS_HEAD "\x03\0\x02\0\0\0\x03\0"),               // a run is missing
      BYTES_INIT("R\x0f\0\0\0" RUNS_HEAD "\x03\0\x01\0\xfe\xff\x03\0"),           // past the block
      BYTES_INIT("R\x13\0\0\0" RUNS_HEAD "\x05\0\x02\0\0\0\x03\0\x02\0\x01\0"),   // overlap
      BYTES_INIT("R\x13\0\0\0" RUNS_HEAD "\x05\0\x02\0\x09\0\x03\0\x02\0\x01\0"), // descending
      BYTES_INIT("R\x0b\0\0\0" RUNS_HEAD "\0\0\0\0"),                             // no run
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect_damaged(rows[i]);
}

static void test_bits_are_counted(void **state) {
  (void)state;
  struct buffer row;
  memset(in, 0, sizeof in);
  fill(0, IDS, 3);
  row_of(&row, in);
  assert_int_equal(row.size_bytes, WRITTEN_BYTES_MAX);
  row.data[100] ^= 1;
  expect_damaged(buffer_view(&row));
  buffer_release(&row);
}

// A prefix either ends where a piece does or is damaged; a flipped bit is found or gives another set.
static void test_cut_and_flipped_rows(void **state) {
  (void)state;
  for (uint32_t step = 1; step < 40; step += 6) {
    struct buffer row, out;
    memset(in, 0, sizeof in);
    fill(10, 2000, step);
    row_of(&row, in);
    buffer_init(&out);
    for (size_t size = 1; size < row.size_bytes; size++) expect_damaged(bytes_of(row.data, size));
    for (size_t bit = 0; bit < row.size_bytes * 8; bit++) {
      row.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
      buffer_clear(&out);
      if (fold_exactly(buffer_view(&row), &out) == ERR_OK) roaring_bitmap_free(read_by_library(&out));
      row.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_release(&row);
    buffer_release(&out);
  }
}

// --- sets in memory ------------------------------------------------------------------------------------------

// People of several blocks; the last has the last id that has a place.
static uint64_t person(size_t i) {
  static const uint64_t bases[] = {0, 65530, 5 * IDS + 63, 77 * IDS, UINT32_MAX - PEOPLE + 1};
  return bases[i % 5] + (i % 5 == 4 ? i : i / 5);
}

static struct audience *open_audience(void) {
  struct audience *audience = NULL;
  assert_int_equal(audience_open(&audience), ERR_OK);
  return audience;
}

static struct audience *audience_of(uint64_t people) {
  struct audience *audience = open_audience();
  for (size_t i = 0; i < PEOPLE; i++)
    if (people >> i & 1) assert_int_equal(audience_add(audience, person(i)), ERR_OK);
  return audience;
}

static void expect_people(const struct audience *audience, uint64_t people) {
  uint64_t ids[PEOPLE + 1], last = 0;
  assert_int_equal(audience_count(audience), __builtin_popcountll(people));
  for (size_t i = 0; i < PEOPLE; i++) assert_int_equal(audience_has(audience, person(i)), people >> i & 1);
  size_t count = audience_list(audience, 0, ids, PEOPLE + 1);
  assert_int_equal(count, __builtin_popcountll(people));
  for (size_t i = 0; i < count; i++) {
    assert_true(audience_has(audience, ids[i]) && (i == 0 || ids[i] > last));
    last = ids[i];
  }
  // In pages of three, each from where the one before ended.
  uint64_t page[3], from = 0;
  for (size_t i = 0; i < count;) {
    size_t part = audience_list(audience, from, page, 3);
    assert_int_equal(part, count - i < 3 ? count - i : 3);
    for (size_t j = 0; j < part; j++) assert_true(page[j] == ids[i++]);
    from = page[part - 1] + 1;
  }
  assert_int_equal(audience_list(audience, last + 1, page, 3), 0);
}

static void expect_both(uint64_t a, uint64_t b) {
  struct audience *first = audience_of(a), *second = audience_of(b);
  assert_int_equal(audience_and_count(first, second), __builtin_popcountll(a & b));
  audience_and(first, second);
  expect_people(first, a & b);
  expect_people(second, b);
  audience_close(first);
  audience_close(second);
}

static void test_sets(void **state) {
  (void)state;
  uint64_t seed = 1234567, all = (UINT64_C(1) << PEOPLE) - 1;
  expect_both(0, 0);
  expect_both(0, all);
  expect_both(all, 0);
  for (int round = 0; round < 100; round++) {
    uint64_t a = next_random(&seed) & all, b = next_random(&seed) & all;
    for (int thinned = 0; round % 3 == 0 && thinned < 2; thinned++) b &= next_random(&seed);
    if (round % 4 == 0) a &= 0x0101010101; // one block alone
    expect_both(a, b);
  }
}

static void test_a_set_with_itself(void **state) {
  (void)state;
  struct audience *audience = audience_of(0x1234567);
  audience_and(audience, audience);
  expect_people(audience, 0x1234567);
  audience_close(audience);
  audience_close(NULL);
}

static void test_ids_without_a_place(void **state) {
  (void)state;
  struct audience *audience = open_audience();
  uint64_t id;
  assert_int_equal(audience_add(audience, (uint64_t)UINT32_MAX + 1), ERR_LIMIT);
  assert_int_equal(audience_add(audience, UINT64_MAX), ERR_LIMIT);
  assert_int_equal(audience_add(audience, UINT32_MAX), ERR_OK);
  assert_false(audience_has(audience, (uint64_t)UINT32_MAX + 1));
  assert_false(audience_has(audience, UINT64_MAX));
  assert_int_equal(audience_list(audience, UINT64_MAX, &id, 1), 0);
  assert_int_equal(audience_list(audience, UINT32_MAX, &id, 1), 1);
  assert_true(id == UINT32_MAX);
  assert_int_equal(audience_list(audience, 0, &id, 0), 0);
  audience_close(audience);
}

static void test_sets_in_short_memory(void **state) {
  (void)state;
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    struct audience *a = audience_of(0xff), *b = NULL;
    alloc_fail_after(allowed, false);
    enum err added = audience_add(a, 1000 * (uint64_t)IDS);
    enum err opened = added == ERR_OK ? audience_open(&b) : ERR_OK;
    failed = alloc_fail_disarm();
    assert_int_equal(added == ERR_NO_MEMORY || opened == ERR_NO_MEMORY, failed);
    assert_int_equal(audience_has(a, 1000 * (uint64_t)IDS), added == ERR_OK);
    if (added != ERR_OK) expect_people(a, 0xff);
    audience_close(a);
    audience_close(b);
  }
}

static void test_folding_in_short_memory(void **state) {
  (void)state;
  struct buffer row, out;
  memset(in, 0, sizeof in);
  fill(0, IDS, 3);
  row_of(&row, in);
  buffer_init(&out);
  alloc_fail_after(0, false);
  assert_int_equal(audience_fold(buffer_view(&row), &out), ERR_NO_MEMORY);
  assert_true(alloc_fail_disarm());
  assert_int_equal(out.size_bytes, 0);
  buffer_release(&out);
  buffer_release(&row);
}

// --- in the store --------------------------------------------------------------------------------------------

struct bench {
  struct store *store;
  char path[256];
  uint64_t model[2][QUESTIONS]; // by side and question: people
};

static void open_bench(struct bench *bench, enum kit_kind kind) {
  memset(bench, 0, sizeof *bench);
  kit_directory(bench->path);
  bench->store = kit_open(kind, bench->path);
}

static void close_bench(struct bench *bench) {
  store_close(bench->store);
  kit_remove(bench->path);
}

// Numbers that are prefixes of one another as text, and the ends of the range.
static uint32_t question_of(size_t i) {
  static const uint32_t questions[QUESTIONS] = {1, 2, 256, 257, 0x01000000, UINT32_MAX};
  return questions[i];
}

static uint32_t side_of(size_t side) {
  return side == 0 ? 0 : 16;
}

static void change(struct bench *bench, struct store_txn *txn, uint64_t random) {
  size_t side = random >> 8 & 1, question = (random >> 9) % QUESTIONS, i = (random >> 20) % PEOPLE;
  uint64_t bit = UINT64_C(1) << i, *people = &bench->model[side][question];
  bool enters = question == 5 ? false : (random >> 40) % 3 != 0; // of the last one everybody is out
  *people = enters ? *people | bit : *people & ~bit;
  assert_int_equal(audience_change(txn, question_of(question), side_of(side), person(i), enters), ERR_OK);
}

static void expect_stored(struct bench *bench, struct store_snapshot *snapshot) {
  for (size_t side = 0; side < 2; side++) {
    for (size_t i = 0; i < QUESTIONS; i++) {
      struct audience *audience;
      uint64_t count, people = bench->model[side][i];
      assert_int_equal(audience_read(&audience, snapshot, question_of(i), side_of(side)), ERR_OK);
      expect_people(audience, people);
      audience_close(audience);
      assert_int_equal(audience_stored_count(snapshot, question_of(i), side_of(side), &count), ERR_OK);
      assert_int_equal(count, __builtin_popcountll(people));
    }
  }
}

static void expect_overlap(struct bench *bench, struct store_snapshot *snapshot) {
  uint32_t questions[QUESTIONS + 2];
  uint64_t people[QUESTIONS + 2], cells[(QUESTIONS + 2) * (QUESTIONS + 2)];
  for (size_t i = 0; i < QUESTIONS; i++) {
    questions[i] = question_of(QUESTIONS - 1 - i);
    people[i] = bench->model[0][QUESTIONS - 1 - i];
  }
  questions[QUESTIONS] = questions[1]; // asked twice
  people[QUESTIONS] = people[1];
  questions[QUESTIONS + 1] = 99; // of which nothing is stored
  people[QUESTIONS + 1] = 0;
  assert_int_equal(audience_overlap(snapshot, questions, QUESTIONS + 2, cells), ERR_OK);
  for (size_t i = 0; i < QUESTIONS + 2; i++)
    for (size_t j = 0; j < QUESTIONS + 2; j++)
      assert_int_equal(cells[i * (QUESTIONS + 2) + j], __builtin_popcountll(people[i] & people[j]));
}

static void expect_union(struct bench *bench, struct store_snapshot *snapshot) {
  uint64_t any_people = 0, all_people = UINT64_MAX, any, all;
  uint32_t questions[QUESTIONS];
  for (size_t i = 0; i < QUESTIONS - 1; i++) {
    questions[i] = question_of(i);
    any_people |= bench->model[0][i];
    all_people &= bench->model[0][i];
    assert_int_equal(audience_union_count(snapshot, questions, i + 1, &any, &all), ERR_OK);
    assert_int_equal(any, __builtin_popcountll(any_people));
    assert_int_equal(all, __builtin_popcountll(all_people));
  }
  questions[0] = 99;
  assert_int_equal(audience_union_count(snapshot, questions, 2, &any, &all), ERR_OK);
  assert_int_equal(any, __builtin_popcountll(bench->model[0][1]));
  assert_int_equal(all, 0);
  assert_int_equal(audience_union_count(snapshot, questions, 0, &any, &all), ERR_OK);
  assert_true(any == 0 && all == 0);
  assert_int_equal(audience_overlap(snapshot, questions, 0, NULL), ERR_OK);
}

static void expect_all(struct bench *bench) {
  struct store_snapshot *snapshot;
  assert_int_equal(store_snapshot_open(bench->store, &snapshot), ERR_OK);
  expect_stored(bench, snapshot);
  expect_overlap(bench, snapshot);
  expect_union(bench, snapshot);
  store_snapshot_close(snapshot);
}

// What a store does that tidies a row: it is replaced by its folded form.
static void tidy(struct bench *bench) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  struct store_txn *txn = kit_begin(bench->store);
  assert_int_equal(store_snapshot_open(bench->store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_AUDIENCE, BYTES(""), BYTES(""), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) {
    struct buffer folded;
    buffer_init(&folded);
    assert_int_equal(audience_fold(row, &folded), ERR_OK);
    assert_int_equal(store_put(txn, STORE_AUDIENCE, key, buffer_view(&folded)), ERR_OK);
    buffer_release(&folded);
  }
  assert_int_equal(store_cursor_error(cursor), ERR_OK);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  kit_commit(txn);
}

static void run_store(enum kit_kind kind) {
  struct bench bench;
  uint64_t seed = 42;
  open_bench(&bench, kind);
  store_set_tidy(bench.store, STORE_AUDIENCE, audience_tidy);
  expect_all(&bench);
  for (int i = 0; i < CHANGES;) {
    struct store_txn *txn = kit_begin(bench.store);
    for (int j = 0; j < 1 + i % 50; j++, i++) change(&bench, txn, next_random(&seed));
    kit_commit(txn);
    if (i % 7 == 0) tidy(&bench);
    if (i % 5 == 0) assert_int_equal(store_compact(bench.store, STORE_AUDIENCE, BYTES(""), BYTES(""), NULL), ERR_OK);
    if (i % 3 == 0) expect_all(&bench);
  }
  expect_all(&bench);
  if (kind == KIT_KIND_ROCKSDB) {
    store_close(bench.store);
    bench.store = kit_open_rocksdb(bench.path, false);
    expect_all(&bench);
  }
  close_bench(&bench);
}

static void test_in_the_memory_store(void **state) {
  (void)state;
  run_store(KIT_KIND_MEMORY);
}

static void test_in_rocksdb(void **state) {
  (void)state;
  if (!KIT_ROCKSDB) skip();
  run_store(KIT_KIND_ROCKSDB);
}

static void test_a_snapshot_stays_as_it_was(void **state) {
  (void)state;
  struct bench bench;
  struct store_snapshot *snapshot;
  uint64_t seed = 7;
  open_bench(&bench, KIT_KIND_MEMORY);
  struct store_txn *txn = kit_begin(bench.store);
  for (int i = 0; i < 200; i++) change(&bench, txn, next_random(&seed));
  kit_commit(txn);
  struct bench then = bench;
  assert_int_equal(store_snapshot_open(bench.store, &snapshot), ERR_OK);
  txn = kit_begin(bench.store);
  for (int i = 0; i < 200; i++) change(&bench, txn, next_random(&seed));
  kit_commit(txn);
  expect_stored(&then, snapshot);
  store_snapshot_close(snapshot);
  expect_all(&bench);
  close_bench(&bench);
}

static void test_a_change_without_a_place(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, KIT_KIND_MEMORY);
  struct store_txn *txn = kit_begin(bench.store);
  assert_int_equal(audience_change(txn, 1, 0, (uint64_t)UINT32_MAX + 1, true), ERR_LIMIT);
  kit_commit(txn);
  expect_all(&bench);
  close_bench(&bench);
}

// Whether changes are appended one by one or together, over blocks and with people who come twice, is the same.
static void test_many_changes_are_as_each_alone(void **state) {
  (void)state;
  static struct audience_move moves[3000];
  enum { COUNT = sizeof moves / sizeof *moves };
  struct bench bench;
  struct store_snapshot *snapshot;
  struct audience *alone, *together;
  uint64_t seed = 5;
  open_bench(&bench, KIT_KIND_MEMORY);
  for (size_t i = 0; i < COUNT; i++) // neighbours for a while, then elsewhere
    moves[i] = (struct audience_move){(i / 150 % 4) * IDS + next_random(&seed) % 500, next_random(&seed) % 3 != 0};
  struct store_txn *txn = kit_begin(bench.store);
  for (size_t i = 0; i < COUNT; i++)
    assert_int_equal(audience_change(txn, 1, 2, moves[i].customer, moves[i].in), ERR_OK);
  assert_int_equal(audience_change_many(txn, 2, 2, moves, COUNT), ERR_OK);
  assert_int_equal(audience_change_many(txn, 3, 2, moves, 0), ERR_OK);
  kit_commit(txn);
  assert_int_equal(store_snapshot_open(bench.store, &snapshot), ERR_OK);
  assert_int_equal(audience_read(&alone, snapshot, 1, 2), ERR_OK);
  assert_int_equal(audience_read(&together, snapshot, 2, 2), ERR_OK);
  assert_true(audience_count(alone) > 500);
  assert_int_equal(audience_count(alone), audience_count(together));
  assert_int_equal(audience_and_count(alone, together), audience_count(alone));
  audience_close(alone);
  audience_close(together);
  store_snapshot_close(snapshot);
  close_bench(&bench);
}

// Everything that reads question 1, as one.
static enum err read_all_ways(struct store *store) {
  static const uint32_t questions[] = {2, 1};
  struct store_snapshot *snapshot;
  struct audience *audience = NULL;
  uint64_t count, cells[4], any, all;
  enum err err = store_snapshot_open(store, &snapshot);
  if (err != ERR_OK) return err;
  err = audience_read(&audience, snapshot, 1, 0);
  assert_int_equal(audience == NULL, err != ERR_OK);
  if (err == ERR_OK) err = audience_stored_count(snapshot, 1, 0, &count);
  if (err == ERR_OK) err = audience_overlap(snapshot, questions, 2, cells);
  if (err == ERR_OK) err = audience_union_count(snapshot, questions, 2, &any, &all);
  if (err == ERR_OK) assert_true(count == 2 && cells[0] == 0 && cells[3] == 2 && any == 2 && all == 0);
  audience_close(audience);
  store_snapshot_close(snapshot);
  return err;
}

static void put_two(struct store *store) {
  struct store_txn *txn = kit_begin(store);
  assert_int_equal(audience_change(txn, 1, 0, 5, true), ERR_OK);
  assert_int_equal(audience_change(txn, 1, 0, 20 * (uint64_t)IDS, true), ERR_OK);
  kit_commit(txn);
}

static void test_reading_in_short_memory(void **state) {
  (void)state;
  struct bench bench;
  bool failed = true;
  open_bench(&bench, KIT_KIND_MEMORY);
  put_two(bench.store);
  for (uint64_t allowed = 0; failed; allowed++) {
    alloc_fail_after(allowed, false);
    enum err err = read_all_ways(bench.store);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    assert_true(allowed < 200);
  }
  close_bench(&bench);
}

static void test_a_store_that_fails(void **state) {
  (void)state;
  struct bench bench;
  bool failed = true;
  open_bench(&bench, KIT_KIND_FAULT);
  put_two(bench.store);
  for (uint64_t allowed = 0; failed; allowed++) {
    store_fault_after(bench.store, allowed, ERR_IO, false);
    enum err err = read_all_ways(bench.store);
    failed = store_fault_disarm(bench.store);
    assert_int_equal(err, failed ? ERR_IO : ERR_OK);
    assert_true(allowed < 200);
  }
  close_bench(&bench);
}

static void test_damage_in_the_store(void **state) {
  (void)state;
  static const struct bytes keys[] = {BYTES_INIT("\0\0\0\1\0\0\0\0\0"), BYTES_INIT("\0\0\0\1\0\0\0\0\0\0"),
                                      BYTES_INIT("\0\0\0\1\0\0\1\0\0"), BYTES_INIT("\0\0\0\1\0\xff\xff\xff\xff")};
  static const struct bytes rows[] = {BYTES_INIT("R"), BYTES_INIT("+\1\0"), BYTES_INIT("+\1\0"), BYTES_INIT("+\1\0")};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    struct bench bench;
    open_bench(&bench, KIT_KIND_MEMORY);
    struct store_txn *txn = kit_begin(bench.store);
    assert_int_equal(store_put(txn, STORE_AUDIENCE, keys[i], rows[i]), ERR_OK);
    kit_commit(txn);
    assert_int_equal(read_all_ways(bench.store), ERR_CORRUPT);
    close_bench(&bench);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_in_every_form),
      cmocka_unit_test(test_rows_as_bytes),
      cmocka_unit_test(test_the_later_piece_counts),
      cmocka_unit_test(test_folding_in_any_grouping),
      cmocka_unit_test(test_an_empty_block_is_nothing),
      cmocka_unit_test(test_damaged_rows),
      cmocka_unit_test(test_bits_are_counted),
      cmocka_unit_test(test_cut_and_flipped_rows),
      cmocka_unit_test(test_sets),
      cmocka_unit_test(test_a_set_with_itself),
      cmocka_unit_test(test_ids_without_a_place),
      cmocka_unit_test(test_sets_in_short_memory),
      cmocka_unit_test(test_folding_in_short_memory),
      cmocka_unit_test(test_in_the_memory_store),
      cmocka_unit_test(test_in_rocksdb),
      cmocka_unit_test(test_a_snapshot_stays_as_it_was),
      cmocka_unit_test(test_a_change_without_a_place),
      cmocka_unit_test(test_many_changes_are_as_each_alone),
      cmocka_unit_test(test_reading_in_short_memory),
      cmocka_unit_test(test_a_store_that_fails),
      cmocka_unit_test(test_damage_in_the_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
