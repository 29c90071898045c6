// What a person sees: views of documents, indentation, and text that cannot steer a terminal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/print.h"

typedef void view_fn(const struct print_document *document, struct buffer *out);

static void render(const char *json, view_fn *view, struct buffer *out) {
  struct print_document document;
  buffer_init(out);
  assert_int_equal(print_document_init(&document, bytes_from_text(json), NULL), ERR_OK);
  view(&document, out);
  buffer_append_byte(out, '\0');
  print_document_release(&document);
}

static void expect(const char *json, view_fn *view, const char *wanted) {
  struct buffer out;
  render(json, view, &out);
  assert_string_equal((char *)out.data, wanted);
  buffer_release(&out);
}

static void expect_part(const char *json, view_fn *view, const char *wanted) {
  struct buffer out;
  render(json, view, &out);
  if (strstr((char *)out.data, wanted) == NULL) fail_msg("\"%s\" lacks \"%s\"", (char *)out.data, wanted);
  buffer_release(&out);
}

static void test_plain(void **state) {
  (void)state;
  expect("{}", print_plain, "done\n");
  expect("{\"items\":[],\"next\":null}", print_plain, "nothing found\n");
  expect("{\"customers\":3,\"bytes\":{\"log\":5}}", print_plain,
         "customers           3\nbytes\n  log                 5\n");
  expect("{\"items\":[{\"id\":\"c1\",\"name\":\"Zoé\"},{\"id\":\"c22\",\"name\":null}],\"next\":\"x\"}", print_plain,
         "  id   name\n  c1   Zoé\n  c22  -\nmore: --after x\n");
  expect("[1,2]", print_plain, "[1,2]\n");
}

static void test_control_characters_are_shown_as_marks(void **state) {
  (void)state;
  expect("{\"a\":\"x\\u001b[31m\\u0007\\u009b\\u202ey\\nz\"}", print_plain, "a                   x?[31m???y?z\n");
}

static void test_customer(void **state) {
  (void)state;
  const char *json =
      "{\"id\":\"c42\",\"identifiers\":[{\"type\":\"email\",\"value\":\"zoe@exemple.fr\",\"source\":\"web\","
      "\"first_seen_at\":\"2026-01-02T03:04:05.000Z\"}],\"traits\":{\"firstName\":\"Zoé\",\"lastName\":"
      "\"Martin\",\"points\":12.50},\"trace\":{\"events\":7,\"first_event_at\":\"2026-01-02T03:04:05.000Z\","
      "\"last_event_at\":\"2026-02-03T04:05:06.000Z\",\"traits\":{\"points\":{\"source\":\"till\",\"time\":"
      "\"2026-02-03T04:05:06.000Z\"}}}}";
  expect_part(json, print_customer, "Zoé Martin, c42\n7 events, first 2026-01-02, last 2026-02-03 04:05\n");
  expect_part(json, print_customer, "  email           zoe@exemple.fr");
  expect_part(json, print_customer, "since 2026-01-02\n");
  expect_part(json, print_customer, "12.50");
  expect_part(json, print_customer, "till          2026-02-03\n");
  expect_part("{\"id\":\"c1\"}", print_customer, "Customer without a name, c1\n");
}

static void test_events(void **state) {
  (void)state;
  expect("{\"items\":[],\"next\":null}", print_events, "  none\n");
  expect_part("{\"items\":[{\"name\":\"Order Completed\",\"time\":\"2026-02-03T04:05:06.000Z\",\"source\":\"till\","
              "\"properties\":{\"total\":12.50,\"currency\":\"EUR\"}}],\"next\":\"abc\"}",
              print_events, "  2026-02-03 04:05  Order Completed       till          12.50 EUR\n  more: --after abc\n");
}

static void test_identity(void **state) {
  (void)state;
  const char *json =
      "{\"edges\":[{\"id\":\"e3\",\"a\":\"email:a@b.fr\",\"b\":{\"type\":\"phone\",\"value\":\"+33\"},\"rule\":"
      "\"same_event\",\"source\":\"web\",\"time\":\"2026-02-03T04:05:06.000Z\",\"state\":\"disabled\"}]}";
  expect_part(json, print_identity,
              "  email:a@b.fr + phone:+33\n    edge e3, same_event, from web, 2026-02-03 04:05, disabled\n");
  expect_part("{\"refused\":[{\"id\":\"r1\",\"a\":\"email:a\",\"b\":\"phone:b\",\"reason\":\"limit\"}]}",
              print_identity, "Not joined\n  email:a + phone:b\n    edge r1, limit,");
  expect_part(
      "{\"cannot_links\":[{\"own\":{\"type\":\"a\",\"value\":\"1\"},\"other\":{\"type\":\"b\",\"value\":\"2\"}}]}",
      print_identity, "Parted\n  a:1 is not b:2\n");
  expect_part("{\"devices\":[{\"type\":\"cookie\",\"value\":\"x\",\"shared\":true,\"owners\":[{\"customer\":\"c1\","
              "\"signed_in_at\":"
              "\"2026-02-03T04:05:06.000Z\",\"identifier\":\"user_id:u\"}]}]}",
              print_identity, "  cookie:x, used by many\n    c1, signed in 2026-02-03 04:05 as user_id:u\n");
  expect_part("{\"sentence\":\"They are one.\",\"path\":[]}", print_explain, "They are one.\n");
}

static void test_pretty(void **state) {
  (void)state;
  struct buffer out;
  buffer_init(&out);
  print_pretty(BYTES("{\"a\":[1,{\"b\":\"x{,:\\\"\"}],\"c\":{},\"d\":[]}"), &out);
  buffer_append_byte(&out, '\0');
  assert_string_equal((char *)out.data, "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x{,:\\\"\"\n    }\n  ],\n"
                                        "  \"c\": {},\n  \"d\": []\n}");
  buffer_release(&out);
}

static void test_short_memory(void **state) {
  (void)state;
  bool failed = true;
  for (uint64_t n = 0; failed; n++) {
    struct print_document document;
    alloc_fail_after(n, true);
    enum err err = print_document_init(&document, BYTES("{\"a\":[{\"b\":1}]}"), NULL);
    failed = alloc_fail_disarm();
    print_document_release(&document);
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plain),        cmocka_unit_test(test_control_characters_are_shown_as_marks),
      cmocka_unit_test(test_customer),     cmocka_unit_test(test_events),
      cmocka_unit_test(test_identity),     cmocka_unit_test(test_pretty),
      cmocka_unit_test(test_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
