// One report in each of its forms: what a program reads, what a person sees, what a spreadsheet opens; names that are
// formulas, control characters, what is not known; and all of it with the n-th allocation failing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "report/report.h"
#include "report_zip.h"

static const struct report_column SALES[] = {
    {"channel", "Channel", REPORT_TEXT},   {"orders", "Orders", REPORT_COUNT}, {"revenue", "Revenue", REPORT_MONEY},
    {"average", "Average", REPORT_NUMBER}, {"share", "Share", REPORT_SHARE},   {"lag", "Lag", REPORT_DAYS},
    {"first_day", "First day", REPORT_DAY}};
enum { COLUMNS = sizeof SALES / sizeof *SALES };

static void fill(struct report *report) {
  report_fact(report, "period", "Period", BYTES("From 2026-01-01 to 2026-01-31"));
  report_fact(report, "time_zone", "Time zone", BYTES("Europe/Paris"));
  report_fact(report, "orders", "Orders", BYTES("\x1b[2Jevents"));
  report_table(report, "channels", "Sales by channel", SALES, COLUMNS);
  report_text(report, BYTES("=cmd|'/c calc'!A0"));
  report_count(report, 1234567);
  report_decimal(report, 123456750, 2);
  report_number(report, 0.1);
  report_number(report, 0.755);
  report_count(report, 12);
  report_day(report, 20454);
  report_text(report, BYTES("Café \"Zoé\", 日本\x1b[31m"));
  report_count(report, 0);
  report_decimal(report, -5, 2);
  report_number(report, -12345.678);
  report_number(report, NAN);
  report_none(report);
  report_none(report);
  report_table(report, "empty", "Sales by channel", SALES, 1);
  report_note(report, "A thing is left out.");
}

static struct report *made(void) {
  struct report *report;
  struct diag diag;
  assert_int_equal(report_open(&report, "sales", "Sales"), ERR_OK);
  fill(report);
  assert_int_equal(report_failed(report, &diag), ERR_OK);
  return report;
}

static void expect(struct buffer *out, const char *expected) {
  buffer_append_byte(out, 0);
  assert_false(out->failed);
  assert_string_equal((const char *)out->data, expected);
  buffer_release(out);
}

static void test_json(void **state) {
  (void)state;
  struct report *report = made();
  struct json_writer writer;
  struct buffer out;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  report_write_json(report, &writer);
  expect(&out,
         "{\"report\":\"sales\",\"title\":\"Sales\",\"period\":\"From 2026-01-01 to 2026-01-31\","
         "\"time_zone\":\"Europe/Paris\",\"orders\":\"\\u001b[2Jevents\",\"notes\":[\"A thing is left "
         "out.\"],\"tables\":{\"channels\":["
         "{\"channel\":\"=cmd|'/c calc'!A0\",\"orders\":1234567,\"revenue\":\"1234567.50\",\"average\":0.1,"
         "\"share\":0.755,\"lag\":12,\"first_day\":\"2026-01-01\"},"
         "{\"channel\":\"Café \\\"Zoé\\\", 日本\\u001b[31m\",\"orders\":0,\"revenue\":\"-0.05\",\"average\":-12345.678,"
         "\"share\":null,\"lag\":null,\"first_day\":null}],\"empty\":[]}}");
  report_close(report);
}

static void test_csv(void **state) {
  (void)state;
  struct report *report = made();
  struct buffer out;
  struct diag diag;
  buffer_init(&out);
  assert_int_equal(report_write_csv(report, BYTES(""), &out, &diag), ERR_OK);
  expect(&out, "channel,orders,revenue,average,share,lag,first_day\n"
               "'=cmd|'/c calc'!A0,1234567,1234567.50,0.1,0.755,12,2026-01-01\n"
               "\"Café \"\"Zoé\"\", 日本\x1b[31m\",0,-0.05,-12345.678,,,\n");
  buffer_init(&out);
  assert_int_equal(report_write_csv(report, BYTES("empty"), &out, &diag), ERR_OK);
  expect(&out, "channel\n");
  assert_int_equal(report_write_csv(report, BYTES("chanels"), &out, &diag), ERR_NOT_FOUND);
  assert_string_equal(diag.code, "no_such_table");
  assert_string_equal(diag.message, "the report \"sales\" has no table \"chanels\"; did you mean \"channels\"? it has "
                                    "channels, empty");
  report_close(report);
}

static void test_text(void **state) {
  (void)state;
  struct report *report = made();
  struct buffer out;
  buffer_init(&out);
  report_write_text(report, 0, true, &out);
  expect(&out,
         "Sales\n"
         "  Period     From 2026-01-01 to 2026-01-31\n"
         "  Time zone  Europe/Paris\n"
         "  Orders     [2Jevents\n"
         "\n"
         "Sales by channel\n"
         "  Channel                  Orders       Revenue     Average   Share  Lag  First day\n"
         "  =cmd|'/c calc'!A0     1,234,567  1,234,567.50        0.10  75.5 %   12  2026-01-01  ███████████████▏\n"
         "  Café \"Zoé\", 日本[31m          0         -0.05  -12,345.68       -    -  -\n"
         "\n"
         "Sales by channel\n"
         "  Channel\n"
         "  (none)\n"
         "\n"
         "A thing is left out.\n");
  buffer_init(&out);
  report_write_text(report, 1, false, &out);
  buffer_append_byte(&out, 0);
  assert_non_null(strstr((const char *)out.data, "2026-01-01\n  (1 more)\n"));
  buffer_release(&out);
  report_close(report);
}

// --- workbooks -----------------------------------------------------------------------------------------------

static void contains(struct bytes archive, const char *part, const char *text, bool wanted) {
  char *content = zip_part(archive, part);
  if (content == NULL) fail_msg("there is no %s", part);
  if ((strstr(content, text) != NULL) != wanted) fail_msg("%s: %s: %s", part, text, content);
  free(content);
}

static void test_xlsx(void **state) {
  (void)state;
  struct report *report = made();
  struct buffer first, again;
  struct diag diag;
  buffer_init(&first);
  buffer_init(&again);
  assert_int_equal(report_write_xlsx(report, &first, &diag), ERR_OK);
  struct bytes archive = buffer_view(&first);
  contains(archive, "xl/workbook.xml", "name=\"About\"", true);
  contains(archive, "xl/workbook.xml", "name=\"Sales by channel\"", true);
  contains(archive, "xl/workbook.xml", "name=\"Sales by channel 2\"", true);
  contains(archive, "xl/sharedStrings.xml", "<t>'=cmd|'/c calc'!A0</t>", true);
  contains(archive, "xl/sharedStrings.xml", "<t>Europe/Paris</t>", true);
  contains(archive, "xl/sharedStrings.xml", "<t>A thing is left out.</t>", true);
  contains(archive, "xl/worksheets/sheet2.xml", "<f>", false); // no formula
  contains(archive, "xl/worksheets/sheet2.xml", "<v>1234567</v>", true);
  contains(archive, "xl/worksheets/sheet2.xml", "<v>1234567.5</v>", true);
  contains(archive, "xl/worksheets/sheet2.xml", "<v>0.755", true);
  contains(archive, "xl/worksheets/sheet2.xml", "<v>46023</v>", true); // 2026-01-01
  contains(archive, "xl/styles.xml", "yyyy-mm-dd", true);
  contains(archive, "docProps/core.xml", "2026-01-01T00:00:00Z", true);
  sleep(3); // the dates in an archive are exact to two seconds
  assert_int_equal(report_write_xlsx(report, &again, &diag), ERR_OK);
  assert_int_equal(first.size_bytes, again.size_bytes);
  assert_memory_equal(first.data, again.data, first.size_bytes);
  buffer_release(&first);
  buffer_release(&again);
  report_close(report);
}

// --- bounds and failures -------------------------------------------------------------------------------------

static void test_too_much_is_said(void **state) {
  (void)state;
  struct report *report = made();
  struct diag diag;
  report_table(report, "many", "Many", SALES + 1, 1);
  for (size_t i = 0; i < REPORT_ROWS_MAX; i++) report_count(report, i);
  assert_int_equal(report_failed(report, &diag), ERR_OK);
  report_count(report, 1);
  report_text(report, BYTES("nothing is looked at any more"));
  assert_int_equal(report_failed(report, &diag), ERR_LIMIT);
  assert_string_equal(diag.code, "too_large");
  report_close(report);
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  bool fired = true;
  for (uint64_t n = 0; fired; n++) {
    struct report *report = NULL;
    struct json_writer writer;
    struct diag diag;
    struct buffer out;
    buffer_init(&out);
    json_writer_init(&writer, &out);
    alloc_fail_after(n, false);
    enum err err = report_open(&report, "sales", "Sales");
    if (err == ERR_OK) {
      fill(report);
      err = report_failed(report, &diag);
    }
    if (err == ERR_OK) {
      report_write_json(report, &writer);
      report_write_text(report, 0, true, &out);
      err = report_write_csv(report, BYTES(""), &out, &diag);
    }
    if (err == ERR_OK) err = report_write_xlsx(report, &out, &diag);
    fired = alloc_fail_disarm();
    assert_true(fired ? err == ERR_NO_MEMORY || out.failed : err == ERR_OK);
    report_close(report);
    buffer_release(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_json),
      cmocka_unit_test(test_csv),
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_xlsx),
      cmocka_unit_test(test_too_much_is_said),
      cmocka_unit_test(test_every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
