// The contracts of base/json_writer.h and base/log.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/json_writer.h"
#include "base/log.h"

static struct buffer out;
static struct json_writer writer;

static int begin(void **state) {
  (void)state;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  return 0;
}

static int end(void **state) {
  (void)state;
  buffer_release(&out);
  return 0;
}

static void assert_written(const char *expected) {
  buffer_append_byte(&out, 0);
  assert_false(out.failed);
  assert_string_equal((const char *)out.data, expected);
}

static void nests_with_commas_in_the_right_places(void **state) {
  (void)state;
  json_object_begin(&writer);
  json_member_text(&writer, "a", "x");
  json_name(&writer, "list");
  json_array_begin(&writer);
  json_i64(&writer, INT64_MIN);
  json_u64(&writer, UINT64_MAX);
  json_object_begin(&writer);
  json_object_end(&writer);
  json_array_begin(&writer);
  json_array_end(&writer);
  json_null(&writer);
  json_raw(&writer, BYTES("{\"raw\":1}"));
  json_array_end(&writer);
  json_member_bool(&writer, "yes", true);
  json_member_i64(&writer, "i", -7);
  json_member_u64(&writer, "u", 0);
  json_member_bytes(&writer, "b", BYTES("y"));
  json_member_time(&writer, "t", 0);
  json_name_bytes(&writer, BYTES("n\""));
  json_bool(&writer, false);
  json_object_end(&writer);
  assert_written("{\"a\":\"x\",\"list\":[-9223372036854775808,18446744073709551615,{},[],null,{\"raw\":1}],"
                 "\"yes\":true,\"i\":-7,\"u\":0,\"b\":\"y\",\"t\":\"1970-01-01T00:00:00.000Z\",\"n\\\"\":false}");
}

static void escapes_what_json_demands(void **state) {
  (void)state;
  json_bytes(&writer, BYTES("\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
  assert_written("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
}

static void keeps_a_nul(void **state) {
  (void)state;
  json_bytes(&writer, BYTES("a\0b"));
  assert_written("\"a\\u0000b\"");
}

static void repairs_what_is_not_utf8(void **state) {
  (void)state;
  json_bytes(&writer, BYTES("a\xff\xc3\xa9\"\xe2\x82"));
  assert_written("\"a\xef\xbf\xbd\xc3\xa9\\\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void empty_texts(void **state) {
  (void)state;
  json_array_begin(&writer);
  json_bytes(&writer, (struct bytes){NULL, 0});
  json_text(&writer, "");
  json_array_end(&writer);
  assert_written("[\"\",\"\"]");
}

// What log_write sent since log_begin, without the time in front.
static int ends[2];

static void log_begin(enum log_format format, enum log_level least) {
  assert_int_equal(pipe(ends), 0);
  log_open(ends[1], format, least);
}

static void assert_logged(const char *expected, size_t time_from) {
  char line[8192];
  close(ends[1]);
  ssize_t size = read(ends[0], line, sizeof line - 1);
  close(ends[0]);
  log_open(STDERR_FILENO, LOG_TEXT, LOG_INFO);
  assert_true(size >= 0);
  line[size] = '\0';
  if (expected[0] != '\0') memset(line + time_from, 'T', 23);
  assert_string_equal(line, expected);
}

static void log_lines_are_logfmt(void **state) {
  (void)state;
  log_begin(LOG_TEXT, LOG_INFO);
  log_write(LOG_INFO, "batch \"taken\"\nhere", "events=%d path=\"%s\" empty=", 3, "/a b=c");
  assert_logged("ts=TTTTTTTTTTTTTTTTTTTTTTTZ level=info msg=\"batch \\\"taken\\\"\\u000ahere\" events=3 "
                "path=\"/a b=c\" empty=\"\"\n",
                3);
}

static void log_lines_are_json(void **state) {
  (void)state;
  log_begin(LOG_JSON, LOG_DEBUG);
  log_write(LOG_ERROR, "no \xff", "events=%d code=%s share=0.5 id=007", -3, "too_large");
  assert_logged("{\"ts\":\"TTTTTTTTTTTTTTTTTTTTTTTZ\",\"level\":\"error\",\"msg\":\"no ?\",\"events\":-3,"
                "\"code\":\"too_large\",\"share\":\"0.5\",\"id\":\"007\"}\n",
                7);
}

static void log_lets_only_its_level_through(void **state) {
  (void)state;
  log_begin(LOG_TEXT, LOG_WARN);
  log_write(LOG_INFO, "quiet", NULL);
  assert_logged("", 0);
}

static void log_cuts_what_is_too_long(void **state) {
  (void)state;
  static char message[9000];
  memset(message, 'x', sizeof message - 1);
  log_begin(LOG_JSON, LOG_INFO);
  log_write(LOG_INFO, message, "kept=1");
  assert_logged("{\"ts\":\"TTTTTTTTTTTTTTTTTTTTTTTZ\",\"level\":\"info\",\"msg\":\"(message too long)\",\"kept\":1}\n",
                7);
  message[3000] = '\0';
  log_begin(LOG_JSON, LOG_INFO);
  log_write(LOG_INFO, "m", "kept=1 a=%s b=2", message);
  char expected[4096];
  snprintf(expected, sizeof expected,
           "{\"ts\":\"TTTTTTTTTTTTTTTTTTTTTTTZ\",\"level\":\"info\",\"msg\":\"m\",\"kept\":1,\"a\":\"%.*s\"}\n",
           2047 - 9, message);
  assert_logged(expected, 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(nests_with_commas_in_the_right_places, begin, end),
      cmocka_unit_test_setup_teardown(escapes_what_json_demands, begin, end),
      cmocka_unit_test_setup_teardown(keeps_a_nul, begin, end),
      cmocka_unit_test_setup_teardown(repairs_what_is_not_utf8, begin, end),
      cmocka_unit_test_setup_teardown(empty_texts, begin, end),
      cmocka_unit_test(log_lines_are_logfmt),
      cmocka_unit_test(log_lines_are_json),
      cmocka_unit_test(log_lets_only_its_level_through),
      cmocka_unit_test(log_cuts_what_is_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
