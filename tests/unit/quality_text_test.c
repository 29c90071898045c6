// Identifiers, folded names, words and distance.
#include "quality_golden.h"

#include "base/alloc.h"
#include "quality/quality.h"

static const char *judge_identifier(void *context, struct bytes region, struct bytes input, struct arena *arena,
                                    struct bytes *out) {
  (void)context;
  (void)region;
  enum quality_reason reason = QUALITY_REASON_COUNT;
  assert_int_equal(quality_identifier(input, arena, out, &reason), ERR_OK);
  return quality_reason_name(reason);
}

static const char *judge_fold(void *context, struct bytes region, struct bytes input, struct arena *arena,
                              struct bytes *out) {
  (void)context;
  (void)region;
  return quality_fold(input, arena, out) == ERR_OK ? "ok" : "invalid";
}

static void identifier_table(void **state) {
  (void)state;
  golden_run(__FILE__, "../golden/quality/identifier.txt", judge_identifier, NULL, 20);
}

static void fold_table(void **state) {
  (void)state;
  golden_run(__FILE__, "../golden/quality/fold.txt", judge_fold, NULL, 40);
}

static void every_code_point_settles(void **state) {
  (void)state;
  golden_every_code_point(judge_identifier, "a", "b");
  golden_every_code_point(judge_fold, "a", "b");
}

static void words_are_views(void **state) {
  (void)state;
  struct bytes words[3];
  assert_int_equal(quality_words(BYTES(""), words, 3), 0);
  assert_int_equal(quality_words(BYTES("jean"), words, 3), 1);
  assert_true(bytes_equal(words[0], BYTES("jean")));
  assert_int_equal(quality_words(BYTES("jean de la tour"), words, 3), 3);
  assert_true(bytes_equal(words[2], BYTES("la")));
  assert_int_equal(quality_words(BYTES("jean de"), words, 0), 0);
  assert_int_equal(quality_words(BYTES(" a  b "), words, 3), 2);
  assert_true(bytes_equal(words[1], BYTES("b")));
}

struct distance_row {
  const char *a;
  const char *b;
  int most;
  int distance;
};
static const struct distance_row DISTANCES[] = {
    {"", "", 2, 0},
    {"a", "", 2, 1},
    {"jean", "jean", 0, 0},
    {"jean", "jaen", 2, 1}, // an adjacent swap
    {"jean", "jen", 2, 1},
    {"jean", "jeann", 2, 1},
    {"jean", "joan", 2, 1},
    {"jean", "joana", 2, 2},
    {"kitten", "sitting", 3, 3},
    {"kitten", "sitting", 2, 3},
    {"kitten", "sitting", 0, 1},
    {"abc", "xyz", 1, 2},
    {"ca", "abc", 5, 3}, // optimal string alignment: nothing is edited twice (unrestricted would be 2)
    {"李小龙", "李大龙", 2, 1},
    {"мария", "марья", 2, 1},
    {"ab", "ba", 0, 1},
    {"abcd", "badc", 2, 2},
};

static void distance_table(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof DISTANCES / sizeof DISTANCES[0]; i++) {
    const struct distance_row *row = &DISTANCES[i];
    struct bytes a = bytes_from_text(row->a);
    struct bytes b = bytes_from_text(row->b);
    assert_int_equal(quality_distance(a, b, row->most), row->distance);
    assert_int_equal(quality_distance(b, a, row->most), row->distance);
  }
}

static void long_words_are_different(void **state) {
  (void)state;
  char word[66];
  memset(word, 'a', sizeof word);
  assert_int_equal(quality_distance(bytes_of(word, 64), bytes_of(word, 64), 2), 0);
  assert_int_equal(quality_distance(bytes_of(word, 64), bytes_of(word, 62), 2), 2);
  assert_int_equal(quality_distance(bytes_of(word, 65), bytes_of(word, 65), 2), 3);
  assert_int_equal(quality_distance(BYTES("\xff"), BYTES("a"), 2), 3);
}

// The bounded distance against the unbounded one over all words of three letters up to five long: the early stop never
// changes an answer.
static void early_stop_changes_nothing(void **state) {
  (void)state;
  enum { WORDS = 3 + 9 + 27 + 81 };
  char words[WORDS][5];
  int count = 0;
  for (int length = 1, all = 3; length <= 4; length++, all *= 3) {
    for (int code = 0; code < all; code++, count++) {
      int rest = code;
      for (int i = 0; i < length; i++, rest /= 3) words[count][i] = (char)('a' + rest % 3);
      words[count][length] = 0;
    }
  }
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < count; j++) {
      struct bytes a = bytes_from_text(words[i]);
      struct bytes b = bytes_from_text(words[j]);
      int exact = quality_distance(a, b, 100);
      for (int most = 0; most < 4; most++) {
        assert_int_equal(quality_distance(a, b, most), exact <= most ? exact : most + 1);
      }
    }
  }
}

static void fault_loop(void **state) {
  (void)state;
  static const char *const TEXTS[] = {"Jean Dupont", "Zoé Müller"};
  for (size_t i = 0; i < 2 * sizeof TEXTS / sizeof TEXTS[0]; i++) {
    bool failed = true;
    for (uint64_t allowed = 0; failed; allowed++) {
      struct arena arena;
      struct bytes out;
      enum quality_reason reason = QUALITY_REASON_COUNT;
      struct bytes text = bytes_from_text(TEXTS[i / 2]);
      arena_init(&arena, 0);
      alloc_fail_after(allowed, false);
      enum err err = i % 2 ? quality_fold(text, &arena, &out) : quality_identifier(text, &arena, &out, &reason);
      failed = alloc_fail_disarm();
      assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
      assert_true(failed == (out.size_bytes == 0));
      arena_release(&arena);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(identifier_table),
      cmocka_unit_test(fold_table),
      cmocka_unit_test(every_code_point_settles),
      cmocka_unit_test(words_are_views),
      cmocka_unit_test(distance_table),
      cmocka_unit_test(long_words_are_different),
      cmocka_unit_test(early_stop_changes_nothing),
      cmocka_unit_test(fault_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
