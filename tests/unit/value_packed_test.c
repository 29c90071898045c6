// Building, reading, comparing and checking packed values (value/value.h).
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
static struct buffer out;
static struct value_builder builder;

static int begin(void **state) {
  (void)state;
  buffer_init(&out);
  if (names_open(&names, NULL, NULL) != ERR_OK) return 1;
  value_builder_init(&builder, &out, names);
  return value_parser_open(&parser) != ERR_OK;
}

static int end(void **state) {
  (void)state;
  value_parser_close(parser);
  names_close(names);
  buffer_release(&out);
  return 0;
}

static struct value built(void) {
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  assert_int_equal(value_check(buffer_view(&out), names, NULL), ERR_OK);
  return (struct value){buffer_view(&out)};
}

// Appends the packed form of `json` to `into`.
static void parse(struct buffer *into, const char *json) {
  if (value_parse_json(parser, bytes_from_text(json), names, into, NULL) != ERR_OK) fail_msg("refused: %s", json);
}

static void build_sample(void) {
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("flag"));
  value_put_bool(&builder, true);
  value_put_name(&builder, BYTES("list"));
  value_list_begin(&builder);
  value_put_i64(&builder, INT64_MIN);
  value_put_null(&builder);
  value_put_text(&builder, (struct bytes){NULL, 0});
  value_list_end(&builder);
  value_put_name(&builder, BYTES("inner"));
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("deep"));
  value_put_number(&builder, (struct decimal){250, -2, true});
  value_document_end(&builder);
  value_put_name(&builder, BYTES("text"));
  value_put_text(&builder, BYTES("caf\xc3\xa9"));
  value_put_name(&builder, BYTES("none"));
  value_put_value(&builder, (struct value){0});
  value_document_end(&builder);
}

static void what_is_built_is_read(void **state) {
  (void)state;
  build_sample();
  struct value document = built(), item;
  bool flag = false;
  struct decimal number;
  struct bytes text;
  assert_int_equal(value_type(document), VALUE_DOCUMENT);
  assert_true(value_as_bool(value_member(document, names, BYTES("flag")), &flag));
  assert_true(flag);
  assert_true(value_as_number(value_path(document, names, "inner.deep"), &number));
  assert_true(number.coefficient == 250 && number.exponent == -2 && number.negative);
  assert_true(value_as_text(value_member_id(document, names_find(names, BYTES("text"))), &text));
  assert_true(bytes_equal(text, BYTES("caf\xc3\xa9")));
  item = value_member(document, names, BYTES("none"));
  assert_false(value_is_absent(item));
  assert_int_equal(value_type(item), VALUE_NULL);
  assert_true(value_is_absent(value_member(document, names, BYTES("deep"))));
  assert_true(value_is_absent(value_member(document, names, BYTES("missing"))));
  assert_true(value_is_absent(value_member_id(document, 0)));
  assert_true(value_is_absent(value_path(document, names, "inner.deep.deeper")));
  assert_true(value_is_absent(value_path(document, names, "inner..deep")));
  assert_true(value_is_absent(value_member_id((struct value){0}, 1)));
  assert_true(value_is_absent(value_member_id(item, 1)));
}

static void a_type_that_does_not_fit_leaves_the_answer_alone(void **state) {
  (void)state;
  value_put_text(&builder, BYTES("1"));
  struct value value = built();
  bool flag = true;
  struct decimal number = {7, 0, false};
  struct bytes text = BYTES("kept");
  assert_false(value_as_bool(value, &flag));
  assert_false(value_as_number(value, &number));
  assert_false(value_as_text((struct value){0}, &text));
  assert_true(flag && number.coefficient == 7 && text.size_bytes == 4);
  assert_int_equal(value_type((struct value){0}), VALUE_NULL);
}

static void iteration_keeps_the_order(void **state) {
  (void)state;
  static const char *const order[] = {"flag", "list", "inner", "text", "none"};
  build_sample();
  struct value_iter iter = value_iterate(built());
  for (size_t i = 0; i < 5; i++) {
    assert_true(value_next(&iter));
    assert_true(bytes_equal(value_iter_name(&iter, names), bytes_from_text(order[i])));
  }
  assert_false(value_next(&iter));
  assert_false(value_next(&iter));
  struct value_iter over_nothing = value_iterate((struct value){0});
  assert_false(value_next(&over_nothing));
}

static void integers_have_one_form(void **state) {
  (void)state;
  struct buffer other;
  buffer_init(&other);
  static const char *const integers[] = {"0", "-1", "9223372036854775807", "-9223372036854775808"};
  for (size_t i = 0; i < 4; i++) {
    struct decimal number;
    buffer_clear(&out);
    buffer_clear(&other);
    assert_int_equal(decimal_parse(bytes_from_text(integers[i]), &number, NULL), ERR_OK);
    value_put_number(&builder, number);
    parse(&other, integers[i]);
    assert_true(bytes_equal(buffer_view(&out), buffer_view(&other)));
  }
  buffer_release(&other);
}

static void assert_equal(const char *a, const char *b, bool expected) {
  struct buffer left, right;
  buffer_init(&left);
  buffer_init(&right);
  parse(&left, a);
  parse(&right, b);
  struct value first = {buffer_view(&left)}, second = {buffer_view(&right)};
  if (value_equal(first, second) != expected || value_equal(second, first) != expected) fail_msg("%s and %s", a, b);
  buffer_release(&left);
  buffer_release(&right);
}

static void equality_is_of_values(void **state) {
  (void)state;
  assert_equal("2.50", "2.5", true);
  assert_equal("100", "1E+2", true);
  assert_equal("-0", "0", true);
  assert_equal("1", "2", false);
  assert_equal("1", "\"1\"", false);
  assert_equal("true", "false", false);
  assert_equal("\"a\"", "\"b\"", false);
  assert_equal("null", "null", true);
  assert_equal("[1,2.0]", "[1.0,2]", true);
  assert_equal("[1,2]", "[2,1]", false);
  assert_equal("[1]", "[1,2]", false);
  assert_equal("[]", "{}", false);
  assert_equal("{\"a\":1,\"b\":{\"c\":2,\"d\":3}}", "{\"b\":{\"d\":3.0,\"c\":2},\"a\":1}", true);
  assert_equal("{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3,\"b\":2,\"a\":1}", true);
  assert_equal("{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}", false);
  assert_equal("{\"a\":1}", "{\"b\":1}", false);
  assert_equal("{\"a\":1}", "{\"a\":1,\"b\":1}", false);
  parse(&out, "null");
  assert_true(value_equal((struct value){0}, (struct value){buffer_view(&out)}));
}

static void builder_tells_what_failed(void **state) {
  (void)state;
  value_document_begin(&builder);
  value_put_name(&builder, BYTES("known"));
  buffer_release(&out);
  buffer_init(&out);
  for (uint64_t allowed = 0; allowed < 3; allowed++) {
    value_builder_init(&builder, &out, names);
    alloc_fail_after(allowed, true);
    build_sample();
    assert_true(alloc_fail_disarm());
    assert_int_equal(value_builder_finish(&builder), ERR_NO_MEMORY);
    buffer_release(&out);
  }
  value_builder_init(&builder, &out, names);
  build_sample();
  built();
}

static void assert_corrupt(struct bytes packed) {
  struct diag diag;
  assert_int_equal(value_check(packed, names, &diag), ERR_CORRUPT);
  assert_string_equal(diag.code, "corrupt");
  assert_int_equal(value_check(packed, names, NULL), ERR_CORRUPT);
}

static void check_refuses_what_the_builder_would_not_write(void **state) {
  (void)state;
  static const struct bytes bad[] = {
      BYTES_INIT(""),
      BYTES_INIT("\x09"),                                         // no such tag
      BYTES_INIT("\xff"),                                         //
      BYTES_INIT("\x00\x00"),                                     // bytes after the value
      BYTES_INIT("\x03"),                                         // integer without digits
      BYTES_INIT("\x03\x80"),                                     // varint ends early
      BYTES_INIT("\x03\x80\x00"),                                 // varint written too long
      BYTES_INIT("\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), // past 64 bits
      BYTES_INIT("\x04\x00\x05"),                                 // an integer as a decimal
      BYTES_INIT("\x05\x00\x05"),                                 //
      BYTES_INIT("\x04\xc2\x60\x01"),                             // exponent 6177, out of range
      BYTES_INIT("\x06\x02\x61"),                                 // text ends early
      BYTES_INIT("\x06\x01\xff"),                                 // not UTF-8
      BYTES_INIT("\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), // size 2^64 - 1
      BYTES_INIT("\x07\x01\x00\x00"),                             // list's size ends early
      BYTES_INIT("\x07\x02\x00\x00\x00\x00"),                     // list shorter than its size
      BYTES_INIT("\x07\x01\x00\x00\x00\x00\x00"),                 // list longer than its size
      BYTES_INIT("\x07\x02\x00\x00\x00\x06\x01\x61"),             // item past its list
      BYTES_INIT("\x08\x01\x00\x00\x00\x02"),                     // member without a value
      BYTES_INIT("\x08\x02\x00\x00\x00\x00\x00"),                 // name id 0
      BYTES_INIT("\x08\x02\x00\x00\x00\x7e\x00"),                 // unknown name
      BYTES_INIT("\x08\x02\x00\x00\x00\x05\x61\x00"),             // inline name past its document
      BYTES_INIT("\x08\x03\x00\x00\x00\x03\xff\x00"),             // inline name not UTF-8
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_corrupt(bad[i]);
  assert_int_equal(value_check(BYTES("\x05\x00\x00"), names, NULL), ERR_OK); // -0
  static const struct bytes with_inline_name = BYTES_INIT("\x08\x03\x00\x00\x00\x03n\x00");
  uint32_t id;
  assert_int_equal(value_check(with_inline_name, names, NULL), ERR_OK);
  assert_int_equal(names_intern(names, BYTES("n"), &id, NULL), ERR_OK);
  assert_corrupt(with_inline_name);
}

static void check_holds_the_limits_of_a_decimal(void **state) {
  (void)state;
  static const char *const edges[] = {"1E-6176", "9999999999999999999999999999999999E6111", "-1E6111"};
  for (size_t i = 0; i < 3; i++) {
    buffer_clear(&out);
    parse(&out, edges[i]);
    assert_int_equal(value_check(buffer_view(&out), names, NULL), ERR_OK);
  }
  static const struct decimal over[] = {{1, 6112, false}, {1, -6177, false}};
  for (size_t i = 0; i < 2; i++) {
    buffer_clear(&out);
    value_put_number(&builder, over[i]);
    assert_corrupt(buffer_view(&out));
  }
  struct decimal number;
  assert_int_equal(decimal_parse(BYTES("9999999999999999999999999999999999"), &number, NULL), ERR_OK);
  number.coefficient++;
  buffer_clear(&out);
  value_put_number(&builder, number);
  assert_corrupt(buffer_view(&out));
}

static void check_bounds_the_depth(void **state) {
  (void)state;
  for (int depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++) {
    buffer_clear(&out);
    for (int i = 0; i < depth; i++) value_list_begin(&builder);
    for (int i = 0; i < depth; i++) value_list_end(&builder);
    enum err expected = depth <= VALUE_DEPTH_MAX ? ERR_OK : ERR_CORRUPT;
    assert_int_equal(value_check(buffer_view(&out), names, NULL), expected);
  }
}

static uint64_t next_random(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

// What passes the check is read whole without a fault (AddressSanitizer watches); the rest is refused.
static void damaged_bytes_are_refused_or_read(void **state) {
  (void)state;
  struct buffer json;
  uint64_t seed = 99;
  size_t passed = 0;
  buffer_init(&json);
  parse(&out, "{\"a\":[1,2.5,-3E+7,\"text\",{\"b\":null,\"c\":[true,false,[]]}],\"d\":{\"e\":12345678901234567890}}");
  size_t size = out.size_bytes;
  for (int i = 0; i < 100000; i++) {
    size_t kept = next_random(&seed) % 4 == 0 ? next_random(&seed) % size : size;
    uint8_t *damaged = alloc_get(kept);
    assert_non_null(damaged);
    memcpy(damaged, out.data, kept);
    for (uint64_t changes = next_random(&seed) % 4; changes > 0 && kept > 0; changes--)
      damaged[next_random(&seed) % kept] = (uint8_t)(next_random(&seed) >> (next_random(&seed) % 8));
    if (value_check(bytes_of(damaged, kept), names, NULL) == ERR_OK) {
      struct value value = {bytes_of(damaged, kept)};
      struct json_writer writer;
      buffer_clear(&json);
      json_writer_init(&writer, &json);
      value_to_json(&writer, value, names);
      assert_true(value_equal(value, value));
      passed++;
    }
    alloc_free(damaged);
  }
  assert_true(passed > 1000);
  buffer_release(&json);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_is_built_is_read, begin, end),
      cmocka_unit_test_setup_teardown(a_type_that_does_not_fit_leaves_the_answer_alone, begin, end),
      cmocka_unit_test_setup_teardown(iteration_keeps_the_order, begin, end),
      cmocka_unit_test_setup_teardown(integers_have_one_form, begin, end),
      cmocka_unit_test_setup_teardown(equality_is_of_values, begin, end),
      cmocka_unit_test_setup_teardown(builder_tells_what_failed, begin, end),
      cmocka_unit_test_setup_teardown(check_refuses_what_the_builder_would_not_write, begin, end),
      cmocka_unit_test_setup_teardown(check_holds_the_limits_of_a_decimal, begin, end),
      cmocka_unit_test_setup_teardown(check_bounds_the_depth, begin, end),
      cmocka_unit_test_setup_teardown(damaged_bytes_are_refused_or_read, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
