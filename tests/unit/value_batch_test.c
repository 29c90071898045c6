// value_parse_batch (value/value.h): one bad item is that item's alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "value/value.h"

static struct names *names;
static struct value_parser *parser;
static struct buffer packed;
static struct buffer told; // what the items were, as text: "0:json|1!code|"

static int begin(void **state) {
  (void)state;
  buffer_init(&packed);
  buffer_init(&told);
  return names_open(&names, NULL, NULL) != ERR_OK || value_parser_open(&parser) != ERR_OK;
}

static int end(void **state) {
  (void)state;
  value_parser_close(parser);
  names_close(names);
  buffer_release(&packed);
  buffer_release(&told);
  return 0;
}

// Tells index, the text's size, and the value as JSON or the code and field of the fault.
static enum err tell(void *context, size_t index, struct value item, struct bytes text, const struct diag *fault) {
  struct json_writer writer;
  (void)context;
  buffer_append_format(&told, "%zu/%zu", index, text.size_bytes);
  if (fault != NULL) {
    assert_true(value_is_absent(item));
    buffer_append_format(&told, "!%s(%s)", fault->code, fault->field);
  } else {
    assert_int_equal(value_check(item.packed, names, NULL), ERR_OK);
    buffer_append_byte(&told, ':');
    json_writer_init(&writer, &told);
    value_to_json(&writer, item, names);
  }
  buffer_append_byte(&told, '|');
  return told.failed ? ERR_NO_MEMORY : ERR_OK;
}

static enum err read_batch(struct bytes json, size_t items_max, struct diag *diag) {
  buffer_clear(&packed);
  buffer_clear(&told);
  return value_parse_batch(parser, json, BYTES("batch"), items_max, names, &packed, tell, NULL, diag);
}

// Items, then the rest of the document, as text.
static void assert_read(struct bytes json, const char *items, const char *rest) {
  struct diag diag;
  struct json_writer writer;
  diag_init(&diag);
  if (read_batch(json, 100, &diag) != ERR_OK) fail_msg("%.*s: %s", BYTES_ARG(json), diag.message);
  assert_int_equal(value_check(buffer_view(&packed), names, NULL), ERR_OK);
  buffer_append_byte(&told, 0);
  assert_string_equal((char *)told.data, items);
  buffer_clear(&told);
  json_writer_init(&writer, &told);
  value_to_json(&writer, (struct value){buffer_view(&packed)}, names);
  buffer_append_byte(&told, 0);
  assert_string_equal((char *)told.data, rest);
}

static void assert_refused(struct bytes json, const char *code, const char *field) {
  struct diag diag;
  diag_init(&diag);
  if (read_batch(json, 100, &diag) == ERR_OK) fail_msg("accepted: %.*s", BYTES_ARG(json));
  assert_string_equal(diag.code, code);
  assert_string_equal(diag.field, field);
  assert_int_equal(packed.size_bytes, 0);
  assert_int_not_equal(read_batch(json, 100, NULL), ERR_OK);
}

static void items_and_the_rest_part(void **state) {
  (void)state;
  assert_read(BYTES("{\"a\":1,\"batch\":[{\"x\":1.50}, 7 ,\"t\" ,[null] ],\"b\":{\"batch\":[1]}}"),
              "0/10:{\"x\":1.50}|1/1:7|2/3:\"t\"|3/6:[null]|", "{\"a\":1,\"b\":{\"batch\":[1]}}");
  assert_read(BYTES("{\"batch\":[]}"), "", "{}");
  assert_read(BYTES("{}"), "", "{}");
  assert_read(BYTES("{\"a\":2}"), "", "{\"a\":2}");
  assert_read(BYTES("{\"b\\u0061tch\":[1]}"), "0/1:1|", "{}");
}

static void a_list_that_is_none_is_left_to_the_caller(void **state) {
  (void)state;
  assert_read(BYTES("{\"batch\":{\"x\":1}}"), "", "{\"batch\":{\"x\":1}}");
  assert_read(BYTES("{\"batch\":null}"), "", "{\"batch\":null}");
}

static void a_faulty_item_is_alone(void **state) {
  (void)state;
  assert_read(BYTES("{\"batch\":[{\"a\":1,\"a\":2},{\"b\":01},{\"c\":[1 2]},{\"d\" 1},{\"e\":tru},{\"f\":1}],\"z\":1}"),
              "0/13!duplicate_key()|1/8!invalid_number(b)|2/11!invalid_json(c)|3/7!invalid_json()|"
              "4/9!invalid_json(e)|5/7:{\"f\":1}|",
              "{\"z\":1}");
  assert_read(BYTES("{\"batch\":[1e9999,tru,\"\\ud800\",5]}"),
              "0/6!number_out_of_range()|1/3!invalid_json()|2/8!invalid_utf8()|3/1:5|", "{}");
}

static void a_bad_text_is_its_items_alone(void **state) {
  (void)state;
  assert_read(
      BYTES("{\"batch\":[{\"a\":\"\xff\"},{\"a\":\"x\ny\"},{\"\xc3\":1},{\"a\":\"ok\\n\"}],\"z\":\"\xc3\xa9\"}"),
      "0/9!invalid_utf8(a)|1/11!invalid_json(a)|2/7!invalid_utf8()|3/12:{\"a\":\"ok\\n\"}|", "{\"z\":\"\xc3\xa9\"}");
}

static void append_nested(struct buffer *out, int depth) {
  for (int i = 0; i < depth; i++) buffer_append_byte(out, '[');
  for (int i = 0; i < depth; i++) buffer_append_byte(out, ']');
}

static void limits_are_counted_from_the_item(void **state) {
  (void)state;
  struct buffer json;
  buffer_init(&json);
  buffer_append_text(&json, "{\"batch\":[");
  append_nested(&json, LIMIT_JSON_DEPTH);
  buffer_append_byte(&json, ',');
  append_nested(&json, LIMIT_JSON_DEPTH + 1);
  buffer_append_byte(&json, ',');
  append_nested(&json, 5000);
  buffer_append_text(&json, ",7]}");
  struct diag diag;
  assert_int_equal(read_batch(buffer_view(&json), 100, &diag), ERR_OK);
  buffer_append_byte(&told, 0);
  assert_non_null(strstr((char *)told.data, "0/64:[["));
  assert_non_null(strstr((char *)told.data, "|1/66!too_deep("));
  assert_non_null(strstr((char *)told.data, "|2/10000!too_deep("));
  assert_non_null(strstr((char *)told.data, "|3/1:7|"));
  buffer_release(&json);
}

static void a_faulty_structure_fails_the_call(void **state) {
  (void)state;
  assert_refused(BYTES("{\"batch\":[{\"a\":1},{\"a\":1]}"), "invalid_json", "batch[1]");
  assert_refused(BYTES("{\"batch\":[1,]}"), "invalid_json", "batch[1]");
  assert_refused(BYTES("{\"batch\":[,1]}"), "invalid_json", "batch[0]");
  assert_refused(BYTES("{\"batch\":[1 2]}"), "invalid_json", "");
  assert_refused(BYTES("{\"batch\":[1}"), "invalid_json", "");
  assert_refused(BYTES("{\"batch\":[1"), "invalid_json", "");
  assert_refused(BYTES("{\"batch\":[{\"a\":\"open}]}"), "invalid_json", "");
  assert_refused(BYTES("{\"batch\":[1]} x"), "invalid_json", "");
  assert_refused(BYTES("{\"batch\":[1],\"z\":01}"), "invalid_number", "z");
  assert_refused(BYTES("{\"batch\":[1],\"batch\":[2]}"), "duplicate_key", "");
  assert_refused(BYTES("{\"batch\":[1],\"batch\":2}"), "duplicate_key", "");
  assert_refused(BYTES("{\"batch\":1,\"batch\":[2]}"), "duplicate_key", "");
  assert_refused(BYTES("{\"z\":1,\"z\":2,\"batch\":[]}"), "duplicate_key", "");
  assert_refused(BYTES("[1]"), "not_an_object", "");
  assert_refused(BYTES(""), "invalid_json", "");
}

static void items_have_a_limit(void **state) {
  (void)state;
  struct diag diag;
  assert_int_equal(read_batch(BYTES("{\"batch\":[1,2,3]}"), 3, &diag), ERR_OK);
  assert_int_equal(read_batch(BYTES("{\"batch\":[1,2,3]}"), 2, &diag), ERR_LIMIT);
  assert_string_equal(diag.code, "too_many_items");
}

static enum err stop(void *context, size_t index, struct value item, struct bytes text, const struct diag *fault) {
  (void)item;
  (void)text;
  (void)fault;
  ++*(size_t *)context;
  return index == 1 ? ERR_STOPPED : ERR_OK;
}

static void the_callers_failure_ends_the_call(void **state) {
  (void)state;
  size_t calls = 0;
  enum err err =
      value_parse_batch(parser, BYTES("{\"batch\":[1,2,3]}"), BYTES("batch"), 10, names, &packed, stop, &calls, NULL);
  assert_int_equal(err, ERR_STOPPED);
  assert_int_equal(calls, 2);
  assert_int_equal(packed.size_bytes, 0);
}

static enum err lose(void *context, uint32_t id, struct bytes name, struct diag *diag) {
  (void)context;
  (void)id;
  return diag_set(diag, ERR_IO, "io", "no disk for %.*s", BYTES_ARG(name));
}

// The dictionary's failure is nobody's fault in particular.
static void a_dictionary_that_fails_ends_the_call(void **state) {
  (void)state;
  struct diag diag;
  diag_init(&diag);
  names_close(names);
  assert_int_equal(names_open(&names, lose, NULL), ERR_OK);
  assert_int_equal(read_batch(BYTES("{\"batch\":[1,{\"a\":1},3]}"), 10, &diag), ERR_IO);
  assert_string_equal(diag.code, "io");
  assert_string_equal(diag.field, "");
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  bool delivered = true;
  for (uint64_t allowed = 0; delivered; allowed++) {
    struct value_parser *own = parser;
    buffer_release(&packed);
    buffer_release(&told);
    assert_int_equal(value_parser_open(&parser), ERR_OK);
    struct names *fresh = names;
    assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
    alloc_fail_after(allowed, false);
    enum err err =
        read_batch(BYTES("{\"a\":1,\"batch\":[{\"a\":\"\xff\"},{\"b\":[[[{\"c\":01}]]]},{\"d\":\"\\n\"}]}"), 10, NULL);
    delivered = alloc_fail_disarm();
    assert_int_equal(err, delivered ? ERR_NO_MEMORY : ERR_OK);
    if (err != ERR_OK) assert_int_equal(packed.size_bytes, 0);
    value_parser_close(own);
    names_close(fresh);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(items_and_the_rest_part, begin, end),
      cmocka_unit_test_setup_teardown(a_list_that_is_none_is_left_to_the_caller, begin, end),
      cmocka_unit_test_setup_teardown(a_faulty_item_is_alone, begin, end),
      cmocka_unit_test_setup_teardown(a_bad_text_is_its_items_alone, begin, end),
      cmocka_unit_test_setup_teardown(limits_are_counted_from_the_item, begin, end),
      cmocka_unit_test_setup_teardown(a_faulty_structure_fails_the_call, begin, end),
      cmocka_unit_test_setup_teardown(items_have_a_limit, begin, end),
      cmocka_unit_test_setup_teardown(the_callers_failure_ends_the_call, begin, end),
      cmocka_unit_test_setup_teardown(a_dictionary_that_fails_ends_the_call, begin, end),
      cmocka_unit_test_setup_teardown(memory_may_end_anywhere, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
