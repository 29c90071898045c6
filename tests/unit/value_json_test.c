// JSON in and out (value/value.h): what is read comes back to the digit, and every refusal has its code.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <glob.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "value/value.h"

static struct names *names;
static struct value_parser *parser;
static struct buffer packed;
static struct buffer text;

static int begin(void **state) {
  (void)state;
  buffer_init(&packed);
  buffer_init(&text);
  return names_open(&names, NULL, NULL) != ERR_OK || value_parser_open(&parser) != ERR_OK;
}

static int end(void **state) {
  (void)state;
  value_parser_close(parser);
  names_close(names);
  buffer_release(&packed);
  buffer_release(&text);
  return 0;
}

// Reads `json` and writes it again. The result is in `text`.
static void round_trip(struct bytes json) {
  struct diag diag;
  struct json_writer writer;
  diag_init(&diag);
  buffer_clear(&packed);
  buffer_clear(&text);
  if (value_parse_json(parser, json, names, &packed, &diag) != ERR_OK)
    fail_msg("%.*s: %s", BYTES_ARG(json), diag.message);
  assert_int_equal(value_check(buffer_view(&packed), names, &diag), ERR_OK);
  json_writer_init(&writer, &text);
  value_to_json(&writer, (struct value){buffer_view(&packed)}, names);
}

static void assert_becomes(struct bytes json, struct bytes expected) {
  round_trip(json);
  if (!bytes_equal(buffer_view(&text), expected))
    fail_msg("%.*s, expected %.*s", BYTES_ARG(buffer_view(&text)), BYTES_ARG(expected));
}

// A refusal says the same with and without simdjson's blessing, leaves the output alone, and needs no diag.
static void assert_refused(struct bytes json, const char *code) {
  struct diag diag;
  diag_init(&diag);
  buffer_clear(&packed);
  buffer_append_text(&packed, "before");
  enum err err = value_parse_json(parser, json, names, &packed, &diag);
  if (err == ERR_OK) fail_msg("accepted: %.*s", BYTES_ARG(json));
  if (strcmp(diag.code, code) != 0)
    fail_msg("%.*s: %s (%s), expected %s", BYTES_ARG(json), diag.code, diag.message, code);
  assert_int_equal(diag.err, err);
  assert_true(bytes_equal(buffer_view(&packed), BYTES("before")));
  assert_int_equal(value_parse_json(parser, json, names, &packed, NULL), err);
}

static void documents_come_back_to_the_digit(void **state) {
  (void)state;
  static const char *const same[] = {
      "null",
      "true",
      "false",
      "0",
      "-0",
      "27.50",
      "-9223372036854775808",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775809",
      "1.000000000000000000000000000000000",
      "1E+5",
      "\"\"",
      "\"text\"",
      "[]",
      "{}",
      "[[],{},[[]]]",
      "{\"\":\"\"}",
      "{\"b\":1,\"a\":2,\"c\":{\"b\":3}}",
      "[1,-1,63,64,-64,-65,0.1,10.0,\"x\",null,true]",
      "\"caf\xc3\xa9 \xf0\x9f\x98\x80 \x7f\"",
      ("{\"type\":\"track\",\"properties\":{\"total\":127.50,\"products\":[{\"sku\":\"A\",\"price\":19.00},{\"sku\":"
       "\"B\"}]}}"),
  };
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
    assert_becomes(bytes_from_text(same[i]), bytes_from_text(same[i]));
}

static void white_space_and_escapes_are_undone(void **state) {
  (void)state;
  assert_becomes(BYTES(" \n\t\r{ \"a\" : [ 1 , 2.0 ] , \"b\" : \"x\" } \n"), BYTES("{\"a\":[1,2.0],\"b\":\"x\"}"));
  assert_becomes(BYTES(" \"x\" "), BYTES("\"x\""));
  assert_becomes(BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), BYTES("\"\\\"\\\\/\\b\\f\\n\\r\\t\""));
  assert_becomes(BYTES("\"\\u00e9\\u20AC\\ud83d\\uDE00\\u007f\""),
                 BYTES("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\""));
  assert_becomes(BYTES("\"a\\u0000b\""), BYTES("\"a\\u0000b\""));
  assert_becomes(BYTES("{\"n\\u0000\":1,\"n\":2,\"\\u006eo\":3}"), BYTES("{\"n\\u0000\":1,\"n\":2,\"no\":3}"));
  assert_becomes(BYTES("[\"plain\",\"\\n\",\"plain\",\"\\\\\",\"\\\"\"]"),
                 BYTES("[\"plain\",\"\\n\",\"plain\",\"\\\\\",\"\\\"\"]"));
  assert_becomes(BYTES("{\"a\\n\":\"\\n\",\"b\":\"c\"}"), BYTES("{\"a\\n\":\"\\n\",\"b\":\"c\"}"));
  assert_becomes(BYTES("1e5"), BYTES("1E+5"));
}

static void what_is_no_json_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      " ",
      "{",
      "}",
      "[",
      "]",
      "[1",
      "[1,",
      "[1,]",
      "[,1]",
      "[1 2]",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\" 1}",
      "{\"a\":1,}",
      "{a:1}",
      "{1:1}",
      "{\"a\":1 \"b\":2}",
      "{\"a\":1]",
      "[1}",
      "[]]",
      "{} {}",
      "1,",
      "tru",
      "truee",
      "nul",
      "True",
      "'a'",
      "\"a",
      "\"a\\\"",
      "\"\\x\"",
      "\"\\u12g4\"",
      "\"\\u12\"",
      "\"\\",
      "\"a\nb\"",
      "\"a\tb\"",
      "[1]x",
      "\xef\xbb\xbf{}",
      "#",
      "//c\n1",
      "\"a\"b",
      "\"a\"\"b\"",
      "{\"a\":\"b\"c}",
      "\x01",
      "[\x01]",
      "true false",
      "{\"a\"::1}",
      ":",
      ",",
      "undefined",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_refused(bytes_from_text(bad[i]), "invalid_json");
  assert_refused(BYTES("1\0"), "invalid_number");
  assert_refused(BYTES("[]\0"), "invalid_json");
  assert_refused(BYTES("\0"), "invalid_json");
  assert_refused(BYTES("\"\0\""), "invalid_json");
}

static void bad_unicode_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"\"\xff\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"\xc0\x80\"",
                                    "{\"\xff\":1}",
                                    "\"\\ud800\"",
                                    "\"\\ud800x\"",
                                    "\"\\ud800\\n\"",
                                    "\"\\ud800\\ud800\"",
                                    "\"\\udc00\"",
                                    "\"\\udc00\\ud800\"",
                                    "{\"\\ud800\":1}",
                                    "\"\\ud83d\\u0041\"",
                                    "[1,{\"a\":\"\xe2\x82\"}]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_refused(bytes_from_text(bad[i]), "invalid_utf8");
}

static void bad_numbers_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"01",        "+1", "-",   "1.",     ".5",   "NaN",   "Infinity",
                                    "-Infinity", "1e", "0x1", "1\"a\"", "[1a]", "1\x01", "-a"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_refused(bytes_from_text(bad[i]), "invalid_number");
  assert_refused(BYTES("[12345678901234567890123456789012345]"), "number_too_long");
  assert_refused(BYTES("{\"a\":1e6112}"), "number_out_of_range");
}

static void duplicates_are_found_at_every_level(void **state) {
  (void)state;
  assert_refused(BYTES("{\"a\":1,\"a\":2}"), "duplicate_key");
  assert_refused(BYTES("{\"a\":1,\"\\u0061\":2}"), "duplicate_key");
  assert_refused(BYTES("{\"a\":{\"b\":1},\"c\":{\"b\":1,\"a\":{},\"b\":1}}"), "duplicate_key");
  assert_refused(BYTES("{\"a\":{\"a\":{\"a\":1}},\"b\":1,\"a\":2}"), "duplicate_key");
  assert_refused(BYTES("{\"\":1,\"\":2}"), "duplicate_key");
  round_trip(BYTES("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":2}}"));
}

static void nest(struct buffer *out, int depth, char opening, char closing) {
  buffer_clear(out);
  for (int i = 0; i < depth; i++) {
    if (i > 0 && opening == '{') buffer_append_text(out, "\"a\":");
    buffer_append_byte(out, (uint8_t)opening);
  }
  for (int i = 0; i < depth; i++) buffer_append_byte(out, (uint8_t)closing);
}

static void depth_has_a_limit(void **state) {
  (void)state;
  struct buffer json;
  buffer_init(&json);
  nest(&json, LIMIT_JSON_DEPTH, '[', ']');
  assert_becomes(buffer_view(&json), buffer_view(&json));
  nest(&json, LIMIT_JSON_DEPTH + 1, '[', ']');
  assert_refused(buffer_view(&json), "too_deep");
  nest(&json, LIMIT_JSON_DEPTH, '{', '}');
  assert_becomes(buffer_view(&json), buffer_view(&json));
  nest(&json, LIMIT_JSON_DEPTH + 1, '{', '}');
  assert_refused(buffer_view(&json), "too_deep");
  nest(&json, 100000, '[', ']');
  assert_refused(buffer_view(&json), "too_deep");
  buffer_release(&json);
}

static void fill(struct buffer *out, int members, bool is_document) {
  buffer_clear(out);
  buffer_append_byte(out, is_document ? '{' : '[');
  for (int i = 0; i < members; i++) {
    if (i > 0) buffer_append_byte(out, ',');
    if (is_document) buffer_append_format(out, "\"member %d\":", i);
    buffer_append_format(out, "%d", i);
  }
  buffer_append_byte(out, is_document ? '}' : ']');
}

static void members_have_a_limit(void **state) {
  (void)state;
  struct buffer json;
  buffer_init(&json);
  for (int is_document = 0; is_document < 2; is_document++) {
    fill(&json, LIMIT_JSON_MEMBERS, is_document);
    assert_becomes(buffer_view(&json), buffer_view(&json));
    fill(&json, LIMIT_JSON_MEMBERS + 1, is_document);
    assert_refused(buffer_view(&json), "too_many_members");
  }
  buffer_release(&json);
}

static void names_have_a_limit(void **state) {
  (void)state;
  struct buffer json;
  char name[LIMIT_NAME_BYTES + 2];
  buffer_init(&json);
  memset(name, 'n', sizeof name);
  buffer_append_format(&json, "{\"%.*s\":1}", LIMIT_NAME_BYTES, name);
  assert_becomes(buffer_view(&json), buffer_view(&json));
  buffer_clear(&json);
  buffer_append_format(&json, "{\"%.*s\":1}", LIMIT_NAME_BYTES + 1, name);
  assert_refused(buffer_view(&json), "name_too_long");
  buffer_clear(&json);
  buffer_append_format(&json, "{\"%.*s\\u0061\":1}", LIMIT_NAME_BYTES - 1, name);
  round_trip(buffer_view(&json));
  buffer_clear(&json);
  buffer_append_format(&json, "{\"%.*s\\u00e9\":1}", LIMIT_NAME_BYTES - 1, name);
  assert_refused(buffer_view(&json), "name_too_long");
  buffer_release(&json);
}

static void a_full_dictionary_keeps_names_inline(void **state) {
  (void)state;
  struct buffer json;
  uint32_t id;
  buffer_init(&json);
  for (int i = 0; i < LIMIT_NAMES; i++) {
    char name[16];
    size_t size = (size_t)snprintf(name, sizeof name, "%d", i);
    assert_int_equal(names_intern(names, bytes_of(name, size), &id, NULL), ERR_OK);
  }
  assert_becomes(BYTES("{\"new\":1,\"7\":{\"\":2,\"new\":3},\"other\":4}"),
                 BYTES("{\"new\":1,\"7\":{\"\":2,\"new\":3},\"other\":4}"));
  struct value document = {buffer_view(&packed)};
  struct decimal number;
  assert_true(value_as_number(value_member(document, names, BYTES("other")), &number));
  assert_true(number.coefficient == 4);
  assert_true(value_as_number(value_path(document, names, "7.new"), &number));
  assert_true(number.coefficient == 3);
  assert_true(value_is_absent(value_member(document, names, BYTES("missing"))));
  assert_refused(BYTES("{\"new\":1,\"7\":2,\"new\":3}"), "duplicate_key");
  assert_refused(BYTES("{\"x\":{\"n\":1,\"\\u006e\":3}}"), "duplicate_key");
  fill(&json, LIMIT_JSON_MEMBERS, true);
  assert_becomes(buffer_view(&json), buffer_view(&json));
  buffer_release(&json);
}

static void a_refusal_names_the_place(void **state) {
  (void)state;
  struct diag diag;
  diag_init(&diag);
  buffer_clear(&packed);
  assert_int_equal(value_parse_json(parser, BYTES("{\"a\":[1,{\"b\":01}]}"), names, &packed, &diag), ERR_INVALID);
  assert_string_equal(diag.field, "a[1].b");
  assert_int_equal(value_parse_json(parser, BYTES("[1,2 3]"), names, &packed, &diag), ERR_INVALID);
  assert_non_null(strstr(diag.message, "at byte 5"));
  assert_int_equal(value_parse_json(parser, BYTES("{\"x\":1,\"twice\":1,\"twice\":2}"), names, &packed, &diag),
                   ERR_INVALID);
  assert_non_null(strstr(diag.message, "\"twice\""));
}

static void values_are_appended(void **state) {
  (void)state;
  buffer_clear(&packed);
  assert_int_equal(value_parse_json(parser, BYTES("[1]"), names, &packed, NULL), ERR_OK);
  size_t first = packed.size_bytes;
  assert_int_equal(value_parse_json(parser, BYTES("{\"a\":{}}"), names, &packed, NULL), ERR_OK);
  struct bytes second = bytes_of(packed.data + first, packed.size_bytes - first);
  assert_int_equal(value_check(bytes_of(packed.data, first), names, NULL), ERR_OK);
  assert_int_equal(value_check(second, names, NULL), ERR_OK);
  assert_int_equal(value_type(value_path((struct value){second}, names, "a")), VALUE_DOCUMENT);
}

// Texts that straddle simdjson's blocks, read from memory that ends where the text does.
static void no_byte_past_the_end_is_read(void **state) {
  (void)state;
  for (size_t size = 2; size < 300; size++) {
    uint8_t *exact = alloc_get(size);
    assert_non_null(exact);
    memset(exact, 'x', size);
    exact[0] = exact[size - 1] = '"';
    round_trip(bytes_of(exact, size));
    assert_true(bytes_equal(buffer_view(&text), bytes_of(exact, size)));
    memset(exact, '7', size);
    assert_int_equal(value_parse_json(parser, bytes_of(exact, size), names, &packed, NULL),
                     size > LIMIT_DECIMAL_DIGITS ? ERR_LIMIT : ERR_OK);
    exact[size - 1] = '\\';
    exact[0] = '"';
    assert_refused(bytes_of(exact, size), "invalid_json");
    alloc_free(exact);
  }
}

static void read_file(const char *path, struct buffer *content) {
  uint8_t chunk[4096];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  buffer_clear(content);
  for (size_t size; (size = fread(chunk, 1, sizeof chunk, file)) > 0;) buffer_append(content, chunk, size);
  fclose(file);
}

// Recordings of real clients, if they are there: read, written and read again, the packed bytes are the same.
static void recordings_come_back_whole(void **state) {
  (void)state;
  const char *shared = getenv("RAPPORT_SHARED");
  const char *own_name = strstr(__FILE__, "tests/unit/"); // the recordings may lie beside the source tree
  char beside[2048], pattern[4096];
  glob_t found;
  struct buffer json, again;
  assert_non_null(own_name);
  snprintf(beside, sizeof beside, "%.*s../shared", (int)(own_name - __FILE__), __FILE__);
  snprintf(pattern, sizeof pattern, "%s/sdk-captures/*/*.json", shared != NULL ? shared : beside);
  if (glob(pattern, 0, NULL, &found) != 0) {
    print_message("skipped: no recordings at %s (set RAPPORT_SHARED)\n", pattern);
    skip();
  }
  buffer_init(&json);
  buffer_init(&again);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    read_file(found.gl_pathv[i], &json);
    round_trip(buffer_view(&json));
    buffer_clear(&again);
    assert_int_equal(value_parse_json(parser, buffer_view(&text), names, &again, NULL), ERR_OK);
    assert_true(bytes_equal(buffer_view(&packed), buffer_view(&again)));
  }
  globfree(&found);
  buffer_release(&json);
  buffer_release(&again);
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  static const char json[] =
      "{\"a\":[1,2.5,\"esc\\u0061ped\"],\"long\":\"0123456789012345678901234567890123456789012345678901234567890\","
      "\"b\":{\"c\":{\"d\":null}},\"esc\\n\":true}";
  bool delivered = true;
  for (uint64_t allowed = 0; delivered; allowed++) {
    struct value_parser *own = NULL;
    struct names *fresh = NULL;
    struct buffer out;
    buffer_init(&out);
    alloc_fail_after(allowed, false);
    if (value_parser_open(&own) == ERR_OK && names_open(&fresh, NULL, NULL) == ERR_OK) {
      for (int i = 0; i < 2; i++) { // the second time works with what the first left behind
        enum err err = value_parse_json(own, BYTES(json), fresh, &out, NULL);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
        if (err != ERR_OK) assert_int_equal(out.size_bytes, 0);
        if (err != ERR_OK) assert_false(out.failed);
        if (err == ERR_OK) break;
      }
      assert_int_equal(value_check(buffer_view(&out), fresh, NULL), ERR_OK);
    }
    delivered = alloc_fail_disarm();
    value_parser_close(own);
    names_close(fresh);
    buffer_release(&out);
  }
}

static void names_that_are_not_added_stay_in_the_document(void **state) {
  struct value_parser *asking;
  struct diag diag;
  (void)state;
  uint32_t known;
  assert_int_equal(names_intern(names, BYTES("known"), &known, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&asking), ERR_OK);
  value_parser_add_no_names(asking);
  buffer_clear(&packed);
  struct bytes json = BYTES("{\"known\":1,\"never said\":{\"deeper\":2}}");
  assert_int_equal(value_parse_json(asking, json, names, &packed, &diag), ERR_OK);
  assert_int_equal(names_find(names, BYTES("never said")), 0);
  struct value document = {buffer_view(&packed)}, inner = value_member(document, names, BYTES("never said"));
  assert_int_equal(value_type(value_member(document, names, BYTES("known"))), VALUE_NUMBER);
  assert_int_equal(value_type(value_member(inner, names, BYTES("deeper"))), VALUE_NUMBER);
  struct bytes twice = BYTES("{\"unheard\":1,\"unheard\":2}");
  assert_int_equal(value_parse_json(asking, twice, names, &packed, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "duplicate_key");
  value_parser_close(asking);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(documents_come_back_to_the_digit, begin, end),
      cmocka_unit_test_setup_teardown(white_space_and_escapes_are_undone, begin, end),
      cmocka_unit_test_setup_teardown(what_is_no_json_is_refused, begin, end),
      cmocka_unit_test_setup_teardown(bad_unicode_is_refused, begin, end),
      cmocka_unit_test_setup_teardown(bad_numbers_are_refused, begin, end),
      cmocka_unit_test_setup_teardown(duplicates_are_found_at_every_level, begin, end),
      cmocka_unit_test_setup_teardown(depth_has_a_limit, begin, end),
      cmocka_unit_test_setup_teardown(members_have_a_limit, begin, end),
      cmocka_unit_test_setup_teardown(names_have_a_limit, begin, end),
      cmocka_unit_test_setup_teardown(a_full_dictionary_keeps_names_inline, begin, end),
      cmocka_unit_test_setup_teardown(names_that_are_not_added_stay_in_the_document, begin, end),
      cmocka_unit_test_setup_teardown(a_refusal_names_the_place, begin, end),
      cmocka_unit_test_setup_teardown(values_are_appended, begin, end),
      cmocka_unit_test_setup_teardown(no_byte_past_the_end_is_read, begin, end),
      cmocka_unit_test_setup_teardown(recordings_come_back_whole, begin, end),
      cmocka_unit_test_setup_teardown(memory_may_end_anywhere, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
