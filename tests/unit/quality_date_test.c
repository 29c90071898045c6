// quality_birth_date: the golden table, and every day of four centuries in three writings.
#include "quality_golden.h"

#include "quality/quality.h"

static const char *judge(void *context, struct bytes region, struct bytes input, struct arena *arena,
                         struct bytes *out) {
  (void)context;
  (void)region;
  int date = quality_birth_date(input);
  if (date == 0) return "not_a_date";
  char *text = arena_format(arena, "%d", date);
  assert_non_null(text);
  *out = bytes_from_text(text);
  return "ok";
}

static void golden_table(void **state) {
  (void)state;
  golden_run(__FILE__, "../golden/quality/birth_date.txt", judge, NULL, 45);
}

static int date_of(const char *format, int first, int second, int third) {
  char text[32];
  snprintf(text, sizeof text, format, first, second, third);
  return quality_birth_date(bytes_from_text(text));
}

static void every_day_is_read_and_no_other(void **state) {
  (void)state;
  int days = 0;
  for (int year = 1790; year <= 2210; year++) {
    for (int month = 0; month <= 13; month++) {
      for (int day = 0; day <= 32; day++) {
        int date = date_of("%04d-%02d-%02d", year, month, day);
        assert_int_equal(date_of("%02d/%02d/%04d", day, month, year), date);
        assert_int_equal(date_of("%04d%02d%02d", year, month, day), date);
        assert_true(date == 0 || date == year * 10000 + month * 100 + day);
        days += date != 0;
      }
    }
  }
  assert_int_equal(days, 400 * 365 + 97); // one Gregorian cycle, 1800 to 2199
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_table),
      cmocka_unit_test(every_day_is_read_and_no_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
