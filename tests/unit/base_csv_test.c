// The contract of base/csv.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/csv.h"

static struct bytes text(const char *of) {
  return bytes_from_text(of);
}

static void finds_the_delimiter(void **state) {
  (void)state;
  assert_int_equal(csv_delimiter(text("a,b,c\n")), ',');
  assert_int_equal(csv_delimiter(text("path;total_conversions;\"a,b,c,d\"\n")), ';');
  assert_int_equal(csv_delimiter(text("a\tb\n")), '\t');
  assert_int_equal(csv_delimiter(text("alone\n")), ',');
}

static void measures_records(void **state) {
  (void)state;
  assert_int_equal(csv_size(text("a,b\nc,d\n"), ',', false), 4);
  assert_int_equal(csv_size(text("\"a\nb\",c\nd\n"), ',', false), 8);
  assert_int_equal(csv_size(text("a,b"), ',', false), 0);
  assert_int_equal(csv_size(text("a,b"), ',', true), 3);
  assert_int_equal(csv_size(text("\"open\nx\n"), ',', true), 6); // a quote that never closes is none
}

static void splits_and_unquotes(void **state) {
  struct bytes fields[CSV_COLUMNS];
  struct arena arena;
  size_t count;
  (void)state;
  arena_init(&arena, 0);
  assert_int_equal(csv_fields(text("a,\"say \"\"yes\"\", now\",,12\" pipe\r\n"), ',', &arena, fields, &count, NULL),
                   ERR_OK);
  assert_int_equal(count, 4);
  assert_true(bytes_equal(fields[0], text("a")) && bytes_equal(fields[1], text("say \"yes\", now")));
  assert_true(fields[2].size_bytes == 0 && bytes_equal(fields[3], text("12\" pipe")));
  assert_int_equal(csv_fields(text("\"a\"b,c\n"), ',', &arena, fields, &count, NULL), ERR_INVALID);
  arena_release(&arena);
}

static void cells_come_back_and_formulas_do_not(void **state) {
  static const struct {
    const char *text, *cell;
  } cells[] = {
      {"plain", "plain"},
      {"", ""},
      {"a,b", "\"a,b\""},
      {"say \"yes\"", "\"say \"\"yes\"\"\""},
      {" led", "\" led\""},
      {"two\nlines", "\"two\nlines\""},
      {"=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"},
      {"=1,2", "\"'=1,2\""},
      {"@sum(a1)", "'@sum(a1)"},
      {"+1+cmd", "'+1+cmd"},
      {"-", "-"},
      {"--1", "'--1"},
      {"-(1)", "'-(1)"},
      {"-12.50", "-12.50"},
      {"+33 6 12 34 56 78", "+33 6 12 34 56 78"},
      {"1=1", "1=1"},
  };
  struct buffer out;
  (void)state;
  buffer_init(&out);
  for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
    buffer_clear(&out);
    csv_put_cell(&out, text(cells[i].text));
    if (!bytes_equal(buffer_view(&out), text(cells[i].cell)))
      fail_msg("%s gives %.*s", cells[i].text, BYTES_ARG(buffer_view(&out)));
  }
  buffer_release(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_delimiter),
      cmocka_unit_test(measures_records),
      cmocka_unit_test(splits_and_unquotes),
      cmocka_unit_test(cells_come_back_and_formulas_do_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
