// The membership row: what is written comes back, equal memberships are equal bytes, entries stay in order, damage is
// found, and short memory changes nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/varint.h"
#include "segment/membership.h"

enum { MODEL_QUESTIONS = 40, MODEL_STEPS = 4000 };

static const struct value text_ab = {BYTES_INIT("\x06\x02"
                                                "ab")};
static const struct value null_value = {BYTES_INIT("\0")};

static struct membership_entry entry_of(uint32_t question) {
  return (struct membership_entry){.question = question, .valid_until_us = MEMBERSHIP_FOREVER};
}

static struct membership_entry member_of(uint32_t question, int64_t since_us) {
  struct membership_entry entry = entry_of(question);
  entry.member = true;
  entry.since_us = since_us;
  return entry;
}

static struct membership empty(void) {
  return (struct membership){.timer_us = MEMBERSHIP_FOREVER};
}

static void set(struct membership *membership, struct arena *arena, struct membership_entry entry) {
  assert_int_equal(membership_set(membership, arena, &entry), ERR_OK);
}

static struct bytes encoded(const struct membership *membership, struct arena *arena) {
  struct buffer out;
  buffer_init(&out);
  membership_encode(membership, &out);
  assert_false(out.failed);
  struct bytes row = out.size_bytes > 0 ? arena_copy(arena, buffer_view(&out)) : bytes_of(NULL, 0);
  buffer_release(&out);
  return row;
}

static void expect_entry(const struct membership_entry *found, const struct membership_entry *expected) {
  assert_int_equal(found->question, expected->question);
  assert_int_equal(found->member, expected->member);
  assert_int_equal(found->unknown, expected->unknown);
  assert_int_equal(found->excluded, expected->excluded);
  assert_true(found->valid_until_us == expected->valid_until_us);
  if (expected->member) assert_true(found->since_us == expected->since_us);
  assert_true(bytes_equal(found->value.packed, expected->value.packed));
}

static void expect_same(const struct membership *found, const struct membership *expected) {
  assert_true(found->timer_us == expected->timer_us);
  assert_int_equal(found->count, expected->count);
  for (size_t i = 0; i < found->count; i++) expect_entry(&found->entries[i], &expected->entries[i]);
}

// Of every kind of entry one, with the instants and numbers at the ends of their ranges.
static struct membership one_of_each(struct arena *arena) {
  struct membership membership = empty();
  membership.timer_us = 1795306816500000;
  set(&membership, arena, member_of(1, 1763769600000000));
  set(&membership, arena, member_of(2, INT64_MIN));
  struct membership_entry entry = member_of(300, -1);
  entry.valid_until_us = 1795306816500000;
  entry.excluded = 0x8001;
  set(&membership, arena, entry);
  entry = entry_of(301);
  entry.unknown = true;
  set(&membership, arena, entry);
  entry = entry_of(70000);
  entry.value = text_ab;
  entry.valid_until_us = -5;
  set(&membership, arena, entry);
  entry = entry_of(UINT32_MAX);
  entry.excluded = UINT16_MAX;
  set(&membership, arena, entry);
  return membership;
}

// --- rows ----------------------------------------------------------------------------------------------------

static void test_rows_come_back(void **state) {
  (void)state;
  struct arena arena;
  struct membership back;
  arena_init(&arena, 0);
  struct membership membership = one_of_each(&arena);
  struct bytes row = encoded(&membership, &arena);
  assert_int_equal(membership_decode(row, &arena, &back), ERR_OK);
  expect_same(&back, &membership);
  assert_true(bytes_equal(encoded(&back, &arena), row));
  arena_release(&arena);
}

// Numbers that are written and read a word at a time are the same bytes as those a byte at a time, wherever they end.
static void test_wide_numbers(void **state) {
  (void)state;
  for (unsigned bits = 0; bits <= 64; bits++)
    for (int less = 0; less < 2; less++) {
      uint64_t number = (bits == 64 ? 0 : UINT64_C(1) << bits) - (uint64_t)less;
      uint8_t narrow[2 * VARINT_BYTES_MAX] = {0}, wide[2 * VARINT_BYTES_MAX] = {0};
      size_t size_bytes = (size_t)(varint_put(narrow, number) - narrow);
      assert_int_equal(varint_put_wide(wide, number) - wide, size_bytes);
      assert_memory_equal(narrow, wide, size_bytes);
      for (size_t more = 0; more <= VARINT_BYTES_MAX; more++) {
        struct varint_reader reader = varint_reader_of(bytes_of(wide, size_bytes + more));
        assert_true(varint_read_wide(&reader) == number && !reader.failed);
        assert_int_equal(varint_rest_bytes(&reader), more);
      }
      struct varint_reader cut = varint_reader_of(bytes_of(wide, size_bytes - 1));
      assert_true(varint_read_wide(&cut) == 0 && cut.failed);
    }
}

static void test_nothing_to_say_is_no_row(void **state) {
  (void)state;
  struct arena arena;
  struct membership back, membership = empty();
  arena_init(&arena, 0);
  assert_int_equal(encoded(&membership, &arena).size_bytes, 0);
  assert_int_equal(membership_decode(bytes_of(NULL, 0), &arena, &back), ERR_OK);
  expect_same(&back, &membership);
  assert_true(membership_due_us(&back) == MEMBERSHIP_FOREVER);
  // An entry that was changed in place is left out, too.
  set(&membership, &arena, member_of(7, 5));
  membership_find(&membership, 7)->member = false;
  assert_int_equal(encoded(&membership, &arena).size_bytes, 0);
  set(&membership, &arena, member_of(9, 5));
  assert_int_equal(membership_decode(encoded(&membership, &arena), &arena, &back), ERR_OK);
  assert_int_equal(back.count, 1);
  assert_int_equal(back.entries[0].question, 9);
  arena_release(&arena);
}

static void test_a_timer_alone_is_a_row(void **state) {
  (void)state;
  static const int64_t timers[] = {0, -1, 1, 1795306816500000, INT64_MAX - 1, INT64_MIN + 1};
  struct arena arena;
  arena_init(&arena, 0);
  for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
    struct membership back, membership = empty();
    membership.timer_us = timers[i];
    assert_int_equal(membership_decode(encoded(&membership, &arena), &arena, &back), ERR_OK);
    expect_same(&back, &membership);
  }
  arena_release(&arena);
}

static void test_the_row_as_bytes(void **state) {
  (void)state;
  struct arena arena;
  struct membership membership = empty();
  arena_init(&arena, 0);
  membership.timer_us = 1;
  set(&membership, &arena, member_of(3, 258));
  struct membership_entry entry = entry_of(5);
  entry.value = text_ab;
  set(&membership, &arena, entry);
  set(&membership, &arena, member_of(6, 256));
  entry = member_of(7, 258);
  entry.valid_until_us = 256;
  set(&membership, &arena, entry);
  static const uint8_t expected[] = {1, 3,  4, 3, 1, 0,   0x84, 4, // 258 in full
                                     2, 16, 4, 6, 2, 'a', 'b',     //
                                     1, 1,  0, 3,                  // two less, in full
                                     1, 5,  1, 2};                 // the first, the second
  struct bytes row = encoded(&membership, &arena);
  assert_int_equal(row.size_bytes, sizeof expected);
  assert_memory_equal(row.data, expected, sizeof expected);
  arena_release(&arena);
}

// --- entries -------------------------------------------------------------------------------------------------

static void test_more_instants_than_can_be_named(void **state) {
  (void)state;
  struct arena arena;
  struct membership membership = empty(), back;
  arena_init(&arena, 0);
  for (uint32_t i = 0; i < 2000; i++) {
    struct membership_entry entry = member_of(i + 1, (int64_t)(i * 7919 % 1201) - 600);
    entry.valid_until_us = (int64_t)i * i;
    set(&membership, &arena, entry);
  }
  assert_int_equal(membership_decode(encoded(&membership, &arena), &arena, &back), ERR_OK);
  expect_same(&back, &membership);
  arena_release(&arena);
}

static void test_an_entry_that_says_nothing_is_taken_out(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  struct membership membership = one_of_each(&arena);
  size_t count = membership.count;
  set(&membership, &arena, entry_of(301));
  set(&membership, &arena, entry_of(302));
  struct membership_entry entry = entry_of(70000);
  entry.value = null_value;
  set(&membership, &arena, entry);
  assert_int_equal(membership.count, count - 2);
  assert_null(membership_find(&membership, 301));
  assert_null(membership_find(&membership, 302));
  assert_null(membership_find(&membership, 70000));
  assert_non_null(membership_find(&membership, UINT32_MAX));
  arena_release(&arena);
}

static void test_due_is_the_earliest(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  struct membership membership = one_of_each(&arena);
  assert_true(membership_due_us(&membership) == -5);
  set(&membership, &arena, entry_of(70000));
  assert_true(membership_due_us(&membership) == 1795306816500000);
  arena_release(&arena);
}

// An entry may be set from one that the membership itself holds.
static void test_set_from_within(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  struct membership membership = empty();
  for (uint32_t question = 100; question > 90; question--) {
    set(&membership, &arena, member_of(question, question));
    struct membership_entry *first = &membership.entries[0];
    assert_int_equal(membership_set(&membership, &arena, first), ERR_OK);
    assert_true(membership.entries[0].question == question && membership.entries[0].since_us == question);
  }
  assert_int_equal(membership.count, 10);
  arena_release(&arena);
}

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

static struct membership_entry random_entry(uint64_t *seed) {
  uint64_t random = next_random(seed);
  struct membership_entry entry = entry_of(1 + (uint32_t)(random % MODEL_QUESTIONS));
  if (random >> 8 & 1) entry = member_of(entry.question, (int64_t)next_random(seed));
  entry.unknown = (random >> 9 & 3) == 3;
  if (random >> 11 & 1) entry.valid_until_us = (int64_t)(next_random(seed) >> (random >> 16 & 31));
  if (random >> 12 & 1) entry.excluded = (uint16_t)(random >> 32);
  if (random >> 13 & 1) entry.value = text_ab;
  return random >> 14 & 1 ? entry : entry_of(entry.question);
}

static bool says_something(const struct membership_entry *entry) {
  return entry->member || entry->unknown || entry->excluded != 0 || entry->valid_until_us != MEMBERSHIP_FOREVER ||
         !value_is_absent(entry->value);
}

static void test_model(void **state) {
  (void)state;
  struct membership_entry model[MODEL_QUESTIONS + 1];
  struct arena arena;
  struct membership membership = empty(), back;
  uint64_t seed = 88172645463325252;
  arena_init(&arena, 0);
  for (uint32_t i = 0; i <= MODEL_QUESTIONS; i++) model[i] = entry_of(i);
  for (int step = 0; step < MODEL_STEPS; step++) {
    struct membership_entry entry = random_entry(&seed);
    set(&membership, &arena, entry);
    model[entry.question] = entry;
    assert_int_equal(membership_decode(encoded(&membership, &arena), &arena, &back), ERR_OK);
    size_t count = 0;
    int64_t due_us = MEMBERSHIP_FOREVER;
    for (uint32_t i = 1; i <= MODEL_QUESTIONS; i++) {
      struct membership_entry *found = membership_find(&back, i);
      assert_int_equal(found != NULL, says_something(&model[i]));
      if (found == NULL) continue;
      expect_entry(found, &model[i]);
      count++;
      if (model[i].valid_until_us < due_us) due_us = model[i].valid_until_us;
    }
    assert_int_equal(back.count, count);
    assert_true(membership_due_us(&back) == due_us);
    if (step % 16 == 0) membership = back;
  }
  arena_release(&arena);
}

// --- pieces --------------------------------------------------------------------------------------------------

// The row after the change: what the store would hold. Whether a piece was written.
static bool write_change(struct buffer *row, struct membership *membership) {
  struct buffer out;
  buffer_init(&out);
  bool piece = membership_encode_change(membership, &out);
  assert_false(out.failed);
  if (!piece) buffer_clear(row);
  buffer_append_bytes(row, buffer_view(&out));
  buffer_release(&out);
  return piece;
}

// Half of the questions are members since different times: a row that is long enough for pieces.
static struct membership many(struct arena *arena, uint32_t questions) {
  struct membership membership = empty();
  for (uint32_t question = 1; question <= questions; question += 2)
    set(&membership, arena, member_of(question, (int64_t)question * 1000003));
  return membership;
}

static void test_a_change_is_a_piece(void **state) {
  (void)state;
  struct arena arena;
  struct membership membership, back;
  struct buffer row;
  arena_init(&arena, 0);
  buffer_init(&row);
  membership = many(&arena, 100);
  assert_false(write_change(&row, &membership)); // there was no row
  size_t base_bytes = row.size_bytes;
  assert_true(bytes_equal(buffer_view(&row), encoded(&membership, &arena)));
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
  set(&membership, &arena, entry_of(3));
  set(&membership, &arena, member_of(4, 258));
  set(&membership, &arena, member_of(1, 258));
  set(&membership, &arena, member_of(1, 256));
  assert_true(write_change(&row, &membership));
  static const uint8_t first[] = {2, 3,             // the timer stays; three
                                  1, 1, 0, 0x80, 4, // 256 in full
                                  2, 0,             // 3 is no more
                                  1, 1, 0, 4};      // two later
  assert_int_equal(row.size_bytes, base_bytes + sizeof first);
  assert_memory_equal(row.data + base_bytes, first, sizeof first);
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &back), ERR_OK);
  expect_same(&back, &membership);
  back.timer_us = 1;
  assert_true(write_change(&row, &back));
  static const uint8_t second[] = {3, 3, 0};
  assert_int_equal(row.size_bytes, base_bytes + sizeof first + sizeof second);
  assert_memory_equal(row.data + base_bytes + sizeof first, second, sizeof second);
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
  expect_same(&membership, &back);
  buffer_release(&row);
  arena_release(&arena);
}

static void test_when_it_is_written_anew(void **state) {
  (void)state;
  struct arena arena;
  struct membership membership;
  struct buffer row;
  arena_init(&arena, 0);
  buffer_init(&row);
  membership = many(&arena, 20); // a short row
  assert_false(write_change(&row, &membership));
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
  set(&membership, &arena, member_of(2, 1));
  assert_false(write_change(&row, &membership));
  membership = many(&arena, 1000); // more changes than are told
  buffer_clear(&row);
  assert_false(write_change(&row, &membership));
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
  for (uint32_t i = 1; i <= MEMBERSHIP_CHANGES_MAX + 1; i++) set(&membership, &arena, member_of(i, 1));
  assert_false(write_change(&row, &membership));
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
  for (uint32_t i = 1; i <= MEMBERSHIP_CHANGES_MAX; i++) set(&membership, &arena, member_of(i, 2));
  assert_true(write_change(&row, &membership));
  assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
  membership.count = 0; // nothing is left to say
  assert_false(write_change(&row, &membership));
  assert_int_equal(row.size_bytes, 0);
  buffer_release(&row);
  arena_release(&arena);
}

static struct membership_entry random_of(uint64_t *seed, uint32_t questions) {
  struct membership_entry entry = random_entry(seed);
  entry.question = 1 + (uint32_t)(next_random(seed) % questions);
  return entry;
}

static void expect_model(const struct membership *membership, const struct membership_entry *model,
                         uint32_t questions) {
  size_t count = 0;
  for (uint32_t i = 1; i <= questions; i++) {
    struct membership_entry *found = membership_find(membership, i);
    assert_int_equal(found != NULL, says_something(&model[i]));
    if (found != NULL) expect_entry(found, &model[i]);
    count += found != NULL;
  }
  assert_int_equal(membership->count, count);
}

// Rows that grow by pieces and are written anew now and then, of a few questions and of many: each time they are read
// they say what the model says.
static void test_model_with_pieces(void **state) {
  (void)state;
  static struct membership_entry model[MODEL_QUESTIONS * 10 + 1];
  uint64_t seed = 362436069;
  size_t pieces = 0, rows = 0;
  for (uint32_t questions = 5; questions <= MODEL_QUESTIONS * 10; questions *= 2) {
    struct membership membership;
    struct buffer row;
    buffer_init(&row);
    for (uint32_t i = 0; i <= questions; i++) model[i] = entry_of(i);
    int64_t timer_us = MEMBERSHIP_FOREVER;
    for (int step = 0; step < MODEL_STEPS / 4; step++) {
      struct arena arena;
      arena_init(&arena, 0);
      assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
      assert_true(membership.timer_us == timer_us);
      expect_model(&membership, model, questions);
      if (next_random(&seed) % 4 == 0) timer_us = (int64_t)(next_random(&seed) >> 16);
      if (next_random(&seed) % 8 == 0) timer_us = MEMBERSHIP_FOREVER;
      membership.timer_us = timer_us;
      size_t changes = next_random(&seed) % (step % 50 == 0 ? 2 * MEMBERSHIP_CHANGES_MAX : 12);
      for (size_t i = 0; i < changes; i++) {
        struct membership_entry entry = random_of(&seed, questions);
        if (step < 20) entry = member_of(entry.question, step);
        set(&membership, &arena, entry);
        model[entry.question] = entry;
      }
      bool piece = write_change(&row, &membership);
      pieces += piece;
      rows += !piece;
      arena_release(&arena);
    }
    buffer_release(&row);
  }
  assert_true(pieces > 500 && rows > 500);
}

// --- damage --------------------------------------------------------------------------------------------------

static void expect_corrupt(struct bytes row) {
  struct arena arena;
  struct membership back;
  arena_init(&arena, 0);
  uint8_t *exact = malloc(row.size_bytes); // so that a read past the end is seen
  assert_non_null(exact);
  memcpy(exact, row.data, row.size_bytes);
  assert_int_equal(membership_decode(bytes_of(exact, row.size_bytes), &arena, &back), ERR_CORRUPT);
  assert_int_equal(back.count, 0);
  free(exact);
  arena_release(&arena);
}

static void test_damaged_rows(void **state) {
  (void)state;
  static const struct bytes rows[] = {
      BYTES_INIT("\x02\x00\x01\x01\x02"),                             // of a format to come
      BYTES_INIT("\x01\x00\x00"),                                     // says nothing
      BYTES_INIT("\x01\x00\x01\x00\x02"),                             // question 0
      BYTES_INIT("\x01\x00\x02\x01\x02\x00\x02"),                     // the same question twice
      BYTES_INIT("\x01\x00\x02\xff\xff\xff\xff\x0f\x02\x01\x02"),     // past the last question
      BYTES_INIT("\x01\x00\x01\x01\x00"),                             // an entry without flags
      BYTES_INIT("\x01\x00\x01\x01\x22"),                             // a flag that is none
      BYTES_INIT("\x01\x00\x01\x01\x08\x00"),                         // excluded by nothing
      BYTES_INIT("\x01\x00\x01\x01\x08\x80\x80\x04"),                 // more than 16 exclusions
      BYTES_INIT("\x01\x00\x01\x01\x10\x00"),                         // a value without bytes
      BYTES_INIT("\x01\x00\x01\x01\x10\x05\x00"),                     // a value past the end
      BYTES_INIT("\x01\x00\x01\x01\x02\x00"),                         // one byte too many
      BYTES_INIT("\x01\x00\x01\x01\x02\x04\x00"),                     // no piece that is known
      BYTES_INIT("\x01\x00\x01\x01\x02\x01\x00\x01\x01\x02"),         // a base behind it
      BYTES_INIT("\x02\x01\x01\x02"),                                 // a piece alone
      BYTES_INIT("\x01\x00\x01\x01\x02\x02\x01\x01\x00"),             // nothing is left to say
      BYTES_INIT("\x01\x00\x01\x01\x02\x02\x02\x01\x02"),             // more entries than bytes
      BYTES_INIT("\x01\x00\x01\x01\x02\x02\x01\x00\x02"),             // question 0 in a piece
      BYTES_INIT("\x01\x00\x01\x01\x02\x02\x01\x01\x01\x01"),         // an instant of the base in a piece
      BYTES_INIT("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), // more entries than bytes
      BYTES_INIT("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"), // a timer at "never"
      BYTES_INIT("\x01\x00\x01\x01\x04\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), // valid until "always"
      BYTES_INIT("\x01\x00\x01\x01\x04\x01"), // an instant that was not there before
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect_corrupt(rows[i]);
}

static void test_every_prefix_is_damaged(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 0);
  struct membership membership = one_of_each(&arena);
  struct bytes row = encoded(&membership, &arena);
  for (size_t size = 1; size < row.size_bytes; size++) expect_corrupt(bytes_of(row.data, size));
  arena_release(&arena);
}

// Between pieces a row may end; anywhere else it may not.
static void test_every_prefix_of_pieces_is_damaged(void **state) {
  (void)state;
  struct arena arena;
  struct membership membership, back;
  struct buffer row;
  arena_init(&arena, 0);
  buffer_init(&row);
  membership = many(&arena, 100);
  write_change(&row, &membership);
  size_t base_bytes = row.size_bytes;
  for (uint32_t i = 0; i < 3; i++) {
    assert_int_equal(membership_decode(buffer_view(&row), &arena, &membership), ERR_OK);
    membership.timer_us = 1795306816500000 + i;
    struct membership_entry entry = member_of(1 + i, 500);
    entry.value = text_ab;
    entry.valid_until_us = 1795306816500000;
    set(&membership, &arena, entry);
    set(&membership, &arena, entry_of(50 + i));
    size_t before_bytes = row.size_bytes;
    assert_true(write_change(&row, &membership));
    for (size_t size = before_bytes + 1; size < row.size_bytes; size++) expect_corrupt(bytes_of(row.data, size));
    assert_int_equal(membership_decode(bytes_of(row.data, before_bytes), &arena, &back), ERR_OK);
  }
  for (size_t size = 1; size < base_bytes; size++) expect_corrupt(bytes_of(row.data, size));
  buffer_release(&row);
  arena_release(&arena);
}

// --- short memory --------------------------------------------------------------------------------------------

static void test_short_memory(void **state) {
  (void)state;
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    struct arena arena;
    struct buffer out;
    struct membership back = empty(), membership = empty();
    enum err err = ERR_OK;
    arena_init(&arena, 0);
    buffer_init(&out);
    alloc_fail_after(allowed, false);
    for (uint32_t question = 1; question <= 2000 && err == ERR_OK; question++) {
      struct membership_entry entry = member_of(question, 1);
      size_t count = membership.count;
      err = membership_set(&membership, &arena, &entry);
      if (err != ERR_OK) assert_int_equal(membership.count, count);
    }
    if (err == ERR_OK) membership_encode(&membership, &out);
    if (err == ERR_OK && !out.failed) err = membership_decode(buffer_view(&out), &arena, &back);
    failed = alloc_fail_disarm();
    assert_int_equal(err == ERR_NO_MEMORY || out.failed, failed);
    if (!failed) expect_same(&back, &membership);
    buffer_release(&out);
    arena_release(&arena);
  }
}

static void test_short_memory_with_pieces(void **state) {
  (void)state;
  struct arena kept;
  struct membership membership;
  struct buffer row;
  bool failed = true;
  arena_init(&kept, 0);
  buffer_init(&row);
  membership = many(&kept, 1000);
  write_change(&row, &membership);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(membership_decode(buffer_view(&row), &kept, &membership), ERR_OK);
    for (uint32_t question = 2; question < 100; question += 2) set(&membership, &kept, member_of(question, i));
    assert_true(write_change(&row, &membership));
  }
  for (uint64_t allowed = 0; failed; allowed++) {
    struct arena arena;
    struct membership back;
    struct buffer out;
    arena_init(&arena, 0);
    buffer_init(&out);
    alloc_fail_after(allowed, false);
    enum err err = membership_decode(buffer_view(&row), &arena, &back);
    if (err == ERR_OK) {
      membership_note(&back, 1);
      membership_encode_change(&back, &out);
    }
    failed = alloc_fail_disarm();
    assert_int_equal(err == ERR_NO_MEMORY || out.failed, failed);
    if (err == ERR_OK) expect_same(&back, &membership);
    buffer_release(&out);
    arena_release(&arena);
  }
  buffer_release(&row);
  arena_release(&kept);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_come_back),
      cmocka_unit_test(test_wide_numbers),
      cmocka_unit_test(test_nothing_to_say_is_no_row),
      cmocka_unit_test(test_a_timer_alone_is_a_row),
      cmocka_unit_test(test_the_row_as_bytes),
      cmocka_unit_test(test_more_instants_than_can_be_named),
      cmocka_unit_test(test_an_entry_that_says_nothing_is_taken_out),
      cmocka_unit_test(test_due_is_the_earliest),
      cmocka_unit_test(test_set_from_within),
      cmocka_unit_test(test_model),
      cmocka_unit_test(test_a_change_is_a_piece),
      cmocka_unit_test(test_when_it_is_written_anew),
      cmocka_unit_test(test_model_with_pieces),
      cmocka_unit_test(test_damaged_rows),
      cmocka_unit_test(test_every_prefix_is_damaged),
      cmocka_unit_test(test_every_prefix_of_pieces_is_damaged),
      cmocka_unit_test(test_short_memory),
      cmocka_unit_test(test_short_memory_with_pieces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
