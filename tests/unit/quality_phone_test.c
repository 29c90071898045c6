// quality_phone: the golden table, Google's example numbers, the bounded memory of verdicts, running out of memory.
#include "quality_golden.h"

#include "base/alloc.h"
#include "quality/quality.h"

// What the metadata's age explains: the vectors are newer than the library's tables (NOTE.md beside them).
enum { VALIDITY_DIFFERENCES_MAX = 41, E164_DIFFERENCES_MAX = 2 };

static const char *judge(void *context, struct bytes region, struct bytes input, struct arena *arena,
                         struct bytes *out) {
  enum quality_reason reason = QUALITY_REASON_COUNT;
  assert_int_equal(quality_phone(context, input, region, arena, out, &reason), ERR_OK);
  return quality_reason_name(reason);
}

static struct quality_phones *open_phones(size_t remembered) {
  struct quality_phones *phones = NULL;
  assert_int_equal(quality_phones_open(&phones, remembered), ERR_OK);
  return phones;
}

// Without a memory, with one too small for the table, and twice with one that holds it all: the same answers.
static void golden_table(void **state) {
  (void)state;
  static const size_t REMEMBERED[] = {0, 4, 4096};
  for (size_t i = 0; i < sizeof REMEMBERED / sizeof REMEMBERED[0]; i++) {
    struct quality_phones *phones = open_phones(REMEMBERED[i]);
    for (int round = 0; round < (REMEMBERED[i] == 4096 ? 2 : 1); round++) {
      golden_run(__FILE__, "../golden/quality/phone.txt", judge, phones, 60);
    }
    quality_phones_close(phones);
  }
}

// Columns of phone-vectors.tsv.
enum {
  VECTOR_INPUT,
  VECTOR_REGION,
  VECTOR_SOURCE,
  VECTOR_VALID,
  VECTOR_POSSIBLE,
  VECTOR_TYPE,
  VECTOR_E164,
  VECTOR_COLUMNS
};

struct tally {
  int rows;
  int validity_differences;
  int e164_differences;
};

static void check_vector(struct quality_phones *phones, char *line, struct tally *tally) {
  char *columns[VECTOR_COLUMNS] = {NULL};
  struct arena arena;
  struct bytes out;
  struct bytes again;
  for (int i = 0; i < VECTOR_COLUMNS; i++) {
    columns[i] = strsep(&line, "\t");
    assert_non_null(columns[i]);
  }
  arena_init(&arena, 0);
  struct bytes region = bytes_from_text(columns[VECTOR_REGION]);
  bool valid = strcmp(judge(phones, region, bytes_from_text(columns[VECTOR_INPUT]), &arena, &out), "ok") == 0;
  tally->rows++;
  if (valid != (strcmp(columns[VECTOR_VALID], "1") == 0))
    tally->validity_differences++;
  else if (valid && !bytes_equal(out, bytes_from_text(columns[VECTOR_E164])))
    tally->e164_differences++;
  if (valid) {
    assert_string_equal(judge(phones, BYTES(""), out, &arena, &again), "ok");
    assert_true(bytes_equal(out, again));
  }
  arena_release(&arena);
}

static void google_vectors(void **state) {
  (void)state;
  char line[GOLDEN_LINE_BYTES];
  struct tally tally = {0};
  FILE *file = golden_open_shared(__FILE__, "data/phone/phone-vectors.tsv");
  if (!file) skip();
  struct quality_phones *phones = open_phones(256);
  while (fgets(line, sizeof line, file)) {
    if (line[0] != '#') check_vector(phones, line, &tally);
  }
  fclose(file);
  quality_phones_close(phones);
  print_message("%d vectors: %d differ in validity, %d in E.164\n", tally.rows, tally.validity_differences,
                tally.e164_differences);
  assert_true(tally.rows > 2000);
  assert_true(tally.validity_differences <= VALIDITY_DIFFERENCES_MAX);
  assert_true(tally.e164_differences <= E164_DIFFERENCES_MAX);
}

// More numbers than a small memory holds, over and over: it must give up slots and never mix answers up.
static void small_memory_forgets_and_stays_right(void **state) {
  (void)state;
  struct quality_phones *phones = open_phones(8);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 40; i++) {
      char text[32];
      char expected[32];
      struct arena arena;
      struct bytes out;
      arena_init(&arena, 0);
      snprintf(text, sizeof text, "06 12 34 56 %02d", i);
      snprintf(expected, sizeof expected, "+336123456%02d", i);
      assert_string_equal(judge(phones, BYTES("FR"), bytes_from_text(text), &arena, &out), "ok");
      assert_true(bytes_equal(out, bytes_from_text(expected)));
      assert_string_equal(judge(phones, BYTES(""), bytes_from_text(text), &arena, &out), "no_country");
      arena_release(&arena);
    }
  }
  quality_phones_close(phones);
}

static void memory_is_bounded(void **state) {
  (void)state;
  struct quality_phones *phones = NULL;
  assert_int_equal(quality_phones_open(&phones, (size_t)QUALITY_PHONES_MAX + 1), ERR_LIMIT);
  assert_null(phones);
  quality_phones_close(NULL);
}

static void fault_loop(void **state) {
  (void)state;
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    struct quality_phones *phones = NULL;
    struct arena arena;
    struct bytes out = bytes_of(NULL, 0);
    enum quality_reason reason = QUALITY_REASON_COUNT;
    arena_init(&arena, 0);
    alloc_fail_after(allowed, false);
    enum err err = quality_phones_open(&phones, 16);
    if (err == ERR_OK) err = quality_phone(phones, BYTES("0612345678"), BYTES("FR"), &arena, &out, &reason);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    assert_true(failed == (out.size_bytes == 0));
    quality_phones_close(phones);
    arena_release(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_table),
      cmocka_unit_test(google_vectors),
      cmocka_unit_test(small_memory_forgets_and_stays_right),
      cmocka_unit_test(memory_is_bounded),
      cmocka_unit_test(fault_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
