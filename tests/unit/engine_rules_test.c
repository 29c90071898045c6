// Identity rules: versions, what is in force, and what other rules would make of the customers there are.
#include "engine_read_fixture.h"

static struct kit kit;

static int set_up(void **state) {
  return read_set_up(state, &kit, NULL, 0);
}

static enum err put(const char *json, struct bytes author, uint64_t *version, struct diag *diag) {
  struct engine_commit commit = {0};
  struct buffer packed;
  enum err err = engine_rules_put(kit.engine, kit_value(&kit, json, &packed), author, version, &commit, diag);
  buffer_release(&packed);
  return err;
}

// The document of a version as text; freed by the caller.
static char *document(uint64_t version) {
  struct json_writer writer;
  struct buffer out;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (engine_rules_json(kit.engine, version, &writer, NULL) != ERR_OK) buffer_clear(&out);
  buffer_append_byte(&out, 0);
  char *text = strdup((const char *)out.data);
  buffer_release(&out);
  return text;
}

static void expect_try(const char *rules, const char *expected) {
  struct json_writer writer;
  struct buffer out, packed;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (engine_rules_try(kit.engine, kit_value(&kit, rules, &packed), &writer, &diag) != ERR_OK)
    fail_msg("%s", diag.message);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data, expected);
  buffer_release(&out);
  buffer_release(&packed);
}

static void test_first_version_is_the_default(void **state) {
  (void)state;
  char *text = document(0);
  assert_int_equal(identity_rules_version(engine_rules(kit.engine)), 1);
  assert_ptr_equal(
      strstr(text, "{\"version\":1,\"changed_at\":\"2026-10-28T00:00:00.000Z\",\"author\":\"default\",\"rules\":{"),
      text);
  assert_non_null(strstr(text, "\"user_id\":{\"class\":\"person\""));
  free(text);
}

static void test_put_changes_what_is_in_force_and_keeps_the_past(void **state) {
  (void)state;
  const struct identity_rules *before = engine_rules(kit.engine);
  uint64_t version = 0;
  assert_int_equal(put("{\"types\":{\"badge\":{}}}", BYTES("ann"), &version, NULL), ERR_OK);
  assert_int_equal(version, 2);
  assert_non_null(identity_type_find(engine_rules(kit.engine), BYTES("badge")));
  assert_null(identity_type_find(before, BYTES("badge"))); // still readable
  char *second = document(2), *first = document(1), *newest = document(0);
  assert_string_equal(second, "{\"version\":2,\"changed_at\":\"2026-10-28T00:00:00.000Z\",\"author\":\"ann\",\"rules\":"
                              "{\"types\":{\"badge\":{}}}}");
  assert_string_equal(second, newest);
  assert_non_null(strstr(first, "\"author\":\"default\""));
  free(first);
  free(second);
  free(newest);
}

static void test_bad_documents_change_nothing(void **state) {
  (void)state;
  uint64_t version = 0;
  struct diag diag;
  diag_init(&diag);
  assert_int_equal(put("{\"tpyes\":{}}", BYTES("ann"), &version, &diag), ERR_INVALID);
  assert_true(diag.code[0] != '\0');
  assert_int_equal(put("{}", BYTES("\xff"), &version, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "bad_author");
  assert_int_equal(identity_rules_version(engine_rules(kit.engine)), 1);
  struct json_writer writer;
  struct buffer out;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_rules_json(kit.engine, 2, &writer, &diag), ERR_NOT_FOUND);
  assert_string_equal(diag.code, "no_rules");
  buffer_release(&out);
}

static void test_versions_outlive_the_engine(void **state) {
  (void)state;
  struct engine_options options = {.store = kit.store, .clock = &kit.clock};
  uint64_t version;
  struct diag diag;
  for (int i = 0; i < 3; i++) assert_int_equal(put("{\"types\":{\"badge\":{}}}", BYTES(""), &version, NULL), ERR_OK);
  engine_close(kit.engine);
  options.read_only = true;
  assert_int_equal(engine_open(&kit.engine, &options, &diag), ERR_OK);
  assert_int_equal(identity_rules_version(engine_rules(kit.engine)), 4);
  assert_non_null(identity_type_find(engine_rules(kit.engine), BYTES("badge")));
  assert_int_equal(put("{}", BYTES(""), &version, &diag), ERR_DENIED);
}

// --- trying --------------------------------------------------------------------------------------------------

static const char *const limited[] = {
    "message track user_id:u1 email:a@x.org {}",
    "message track user_id:u2 email:b@x.org {}",
    "message track user_id:u2 email:a@x.org {}", // refused: one user id a customer
    "message track user_id:u3 {}",
};

static void test_try_the_same_rules(void **state) {
  (void)state;
  expect_try("{}", "{\"customers_now\":0,\"customers_then\":0,\"would_merge\":0,\"would_part\":0}");
  read_lines(&kit, limited, 4);
  expect_try("{}", "{\"customers_now\":3,\"customers_then\":3,\"would_merge\":0,\"would_part\":0}");
}

static void test_try_a_higher_limit_merges(void **state) {
  (void)state;
  read_lines(&kit, limited, 4);
  expect_try("{\"types\":{\"user_id\":{\"limit\":2}}}",
             "{\"customers_now\":3,\"customers_then\":2,\"would_merge\":2,\"would_part\":0}");
}

static void test_try_a_lower_limit_parts(void **state) {
  (void)state;
  const char *const lines[] = {
      "message track user_id:u1 email:a@x.org {}",
      "message track user_id:u1 email:b@x.org {}",
      "message track user_id:u2 {}",
  };
  read_lines(&kit, lines, 3);
  expect_try("{\"types\":{\"email\":{\"limit\":1}}}",
             "{\"customers_now\":2,\"customers_then\":3,\"would_merge\":0,\"would_part\":1}");
}

static void test_try_blocking_a_value(void **state) {
  (void)state;
  const char *const lines[] = {
      "message track email:info@x.org loyalty_card:1 {}",
      "message track email:info@x.org loyalty_card:2 {}",
      "message track email:info@x.org {}",
      "message track email:info@y.org {}",
  };
  read_lines(&kit, lines, 4);
  expect_try("{\"types\":{\"email\":{\"blocked\":[\"^info@\"]}}}",
             "{\"customers_now\":2,\"customers_then\":4,\"would_merge\":0,\"would_part\":1}");
}

static void test_try_dropping_a_type(void **state) {
  (void)state;
  const char *const lines[] = {"message track user_id:u1 email:a@x.org phone:+33612345678 {}"};
  read_lines(&kit, lines, 1);
  expect_try("{\"types\":{\"phone\":null}}",
             "{\"customers_now\":1,\"customers_then\":1,\"would_merge\":0,\"would_part\":0}");
}

static void test_a_type_keeps_its_class(void **state) {
  (void)state;
  const char *const lines[] = {"message track t=1 loyalty_card:1 anonymous_id:tablet {}"};
  uint64_t version = 0;
  struct diag diag;
  read_lines(&kit, lines, 1);
  assert_int_equal(put("{\"types\":{\"anonymous_id\":{\"class\":\"person\"}}}", BYTES("ann"), &version, &diag),
                   ERR_INVALID);
  assert_string_equal(diag.code, "class_changed");
  assert_string_equal(diag.field, "types.anonymous_id.class");
  assert_int_equal(put("{\"types\":{\"anonymous_id\":null}}", BYTES("ann"), &version, &diag), ERR_OK);
  assert_int_equal(put("{\"types\":{\"anonymous_id\":{\"class\":\"person\"}}}", BYTES("ann"), &version, &diag),
                   ERR_INVALID); // its rows are there still
  assert_int_equal(put("{\"types\":{\"cookie\":null}}", BYTES("ann"), &version, &diag), ERR_OK);
  assert_int_equal(put("{\"types\":{\"cookie\":{\"class\":\"person\"}}}", BYTES("ann"), &version, &diag), ERR_OK);
}

static void test_try_keeps_what_a_person_parted(void **state) {
  (void)state;
  const char *const lines[] = {
      "message track user_id:u1 email:a@x.org {}",
      "split user_id:u1 email:a@x.org",
      "message track user_id:u1 email:a@x.org {}",
  };
  read_lines(&kit, lines, 3);
  expect_try("{\"types\":{\"user_id\":{\"limit\":9}}}",
             "{\"customers_now\":2,\"customers_then\":2,\"would_merge\":0,\"would_part\":0}");
}

static void test_try_refuses_a_bad_document(void **state) {
  (void)state;
  struct json_writer writer;
  struct buffer out, packed;
  struct diag diag;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_rules_try(kit.engine, kit_value(&kit, "{\"types\":7}", &packed), &writer, &diag),
                   ERR_INVALID);
  assert_int_equal(out.size_bytes, 0);
  buffer_release(&out);
  buffer_release(&packed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_first_version_is_the_default, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_put_changes_what_is_in_force_and_keeps_the_past, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_bad_documents_change_nothing, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_versions_outlive_the_engine, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_the_same_rules, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_a_higher_limit_merges, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_a_lower_limit_parts, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_blocking_a_value, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_dropping_a_type, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_a_type_keeps_its_class, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_keeps_what_a_person_parted, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_try_refuses_a_bad_document, set_up, read_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
