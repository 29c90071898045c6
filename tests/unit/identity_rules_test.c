// The rules document: the default one, what may be left out, and how faults are told.
#include "identity_fixture.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "value/key.h"

static void test_default_ranks_persons_before_devices(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct identity_rules *rules = fixture_rules("{}", names);
  static const char *const expected[] = {
      "user_id",  "loyalty_card", "email",          "phone",  "facebook",  "instagram",      "line",
      "linkedin", "snapchat",     "telegram",       "tiktok", "twitter",   "wallet_address", "wechat",
      "whatsapp", "anonymous_id", "advertising_id", "cookie", "device_id",
  };
  size_t count;
  const struct identity_type *types = identity_types(rules, &count);
  assert_int_equal(count, sizeof expected / sizeof *expected);
  for (size_t i = 0; i < count; i++) {
    assert_string_equal((const char *)types[i].text.data, expected[i]);
    assert_int_equal(types[i].rank, i);
    assert_ptr_equal(identity_type_by_id(rules, types[i].name), &types[i]);
    assert_ptr_equal(identity_type_find(rules, types[i].text), &types[i]);
    assert_true(bytes_equal(names_text(names, types[i].name), types[i].text));
  }
  assert_int_equal(identity_rules_version(rules), 7);
  assert_int_equal(identity_device_people_max(rules), 3);
  assert_true(identity_device_window_us(rules) == 30 * CLOCK_DAY_US);
  assert_null(identity_type_by_id(rules, 60000));
  assert_null(identity_type_find(rules, BYTES("fax")));
  identity_rules_close(rules);
  names_close(names);
}

static void test_default_types_are_as_designed(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct identity_rules *rules;
  assert_int_equal(identity_rules_open(&rules, (struct value){{NULL, 0}}, 1, names, NULL), ERR_OK);
  const struct identity_type *user = identity_type_find(rules, BYTES("user_id"));
  assert_int_equal(user->limit, 1);
  assert_string_equal(user->paths[0], "userId");
  assert_null(user->paths[1]);
  const struct identity_type *email = identity_type_find(rules, BYTES("email"));
  assert_int_equal(email->form, IDENTITY_FORM_EMAIL);
  assert_int_equal(email->limit, 5);
  assert_false(email->shares);
  assert_string_equal(email->paths[1], "context.traits.email");
  const struct identity_type *phone = identity_type_find(rules, BYTES("phone"));
  assert_int_equal(phone->form, IDENTITY_FORM_PHONE);
  assert_true(phone->shares);
  assert_string_equal(identity_type_find(rules, BYTES("loyalty_card"))->paths[3], "properties.loyalty_card");
  assert_null(identity_type_find(rules, BYTES("whatsapp"))->paths[0]);
  const struct identity_type *anonymous = identity_type_find(rules, BYTES("anonymous_id"));
  assert_int_equal(anonymous->class, IDENTITY_DEVICE);
  assert_int_equal(anonymous->limit, 20);
  identity_rules_close(rules);
  names_close(names);
}

static void test_document_overlays_the_default(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct identity_rules *rules =
      fixture_rules("{\"types\": {\"email\": {\"limit\": 9, \"window_days\": 2}, \"pos_id\": {},"
                    " \"crm\": {\"class\": \"device\"}, \"cookie\": null, \"loyalty_card\": null},"
                    " \"devices\": {\"people_max\": 5}}",
                    names);
  const struct identity_type *email = identity_type_find(rules, BYTES("email"));
  assert_int_equal(email->limit, 9);
  assert_true(email->window_us == 2 * CLOCK_DAY_US);
  assert_int_equal(email->form, IDENTITY_FORM_EMAIL);
  const struct identity_type *till = identity_type_find(rules, BYTES("pos_id"));
  assert_int_equal(till->limit, 5);
  assert_string_equal(till->paths[0], "traits.pos_id");
  assert_string_equal(till->paths[1], "context.traits.pos_id");
  assert_string_equal(till->paths[2], "properties.pos_id");
  assert_null(till->paths[3]);
  assert_int_equal(identity_type_find(rules, BYTES("crm"))->limit, 20);
  assert_null(identity_type_find(rules, BYTES("cookie")));
  assert_int_equal(email->rank, 1); // user_id, then email: the card is gone
  assert_int_equal(identity_device_people_max(rules), 5);
  assert_true(identity_device_window_us(rules) == 30 * CLOCK_DAY_US);
  identity_rules_close(rules);
  names_close(names);
}

static void test_priority_is_the_documents(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct identity_rules *rules = fixture_rules(
      "{\"types\": {\"pos_id\": {}}, \"priority\": [\"pos_id\", \"phone\"], \"blocked\": [], \"blocked_repeats\": 0}",
      names);
  assert_int_equal(identity_type_find(rules, BYTES("pos_id"))->rank, 0);
  assert_int_equal(identity_type_find(rules, BYTES("phone"))->rank, 1);
  assert_int_equal(identity_type_find(rules, BYTES("email"))->rank, 2);
  assert_false(identity_is_blocked(rules, NULL, BYTES("null")));
  assert_false(identity_is_blocked(rules, NULL, BYTES("0000000")));
  identity_rules_close(rules);
  names_close(names);
}

// A fault, where it is told, its code, and a part of its words.
static const struct {
  const char *json, *field, *code, *words;
} FAULTS[] = {
    {"[]", "", "wrong_type", "an object"},
    {"{\"tipes\": {}}", "tipes", "unknown_member", "\"types\""},
    {"{\"types\": []}", "types", "wrong_type", "types by name"},
    {"{\"types\": {\"email\": {\"limt\": 3}}}", "types.email.limt", "unknown_member", "\"limit\""},
    {"{\"types\": {\"email\": {\"class\": \"persn\"}}}", "types.email.class", "unknown_word", "\"person\""},
    {"{\"types\": {\"email\": {\"form\": \"mail\"}}}", "types.email.form", "unknown_word", "\"email\""},
    {"{\"types\": {\"email\": {\"form\": 3}}}", "types.email.form", "wrong_type", "a text"},
    {"{\"types\": {\"email\": {\"limit\": 0}}}", "types.email.limit", "out_of_range", "from 1 to 512"},
    {"{\"types\": {\"email\": {\"limit\": 1.5}}}", "types.email.limit", "out_of_range", "whole number"},
    {"{\"types\": {\"email\": {\"limit\": \"5\"}}}", "types.email.limit", "wrong_type", "whole number"},
    {"{\"types\": {\"email\": {\"window_days\": -1}}}", "types.email.window_days", "out_of_range", "from 1"},
    {"{\"types\": {\"email\": {\"shares\": 1}}}", "types.email.shares", "wrong_type", "true or false"},
    {"{\"types\": {\"email\": {\"blocked\": [\"^ok$\", \"(\"]}}}", "types.email.blocked[1]", "bad_pattern", "PCRE2"},
    {"{\"types\": {\"email\": {\"blocked\": [\"\"]}}}", "types.email.blocked[0]", "wrong_type", "not empty"},
    {"{\"types\": {\"email\": {\"paths\": [\"a..b\"]}}}", "types.email.paths[0]", "bad_path", "dots"},
    {"{\"types\": {\"email\": {\"paths\": [\"a.\"]}}}", "types.email.paths[0]", "bad_path", "dots"},
    {"{\"types\": {\"email\": {\"paths\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}}}", "types.email.paths",
     "too_many", "at most 7"},
    {"{\"types\": {\"e:mail\": {}}}", "types.e:mail", "bad_type_name", "a letter"},
    {"{\"types\": {\"9lives\": {}}}", "types.9lives", "bad_type_name", "a letter"},
    {"{\"priority\": [\"emial\"]}", "priority[0]", "unknown_type", "\"email\""},
    {"{\"priority\": [\"email\", \"email\"]}", "priority[1]", "repeated", "already"},
    {"{\"priority\": [\"cookie\"]}", "priority[0]", "unknown_type", "of a person"},
    {"{\"priority\": \"email\"}", "priority", "wrong_type", "a list"},
    {"{\"blocked\": [1]}", "blocked[0]", "wrong_type", "text"},
    {"{\"blocked_repeats\": 1}", "blocked_repeats", "out_of_range", "2"},
    {"{\"devices\": {\"people\": 3}}", "devices.people", "unknown_member", "\"people_max\""},
    {"{\"devices\": {\"people_max\": 64}}", "devices.people_max", "out_of_range", "from 1 to 47"},
    {"{\"devices\": {\"window_days\": null}}", "devices.window_days", "wrong_type", "days"},
};

static void test_faults_are_told_where_and_how(void **state) {
  (void)state;
  struct names *names = fixture_names();
  for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
    struct identity_rules *rules;
    struct diag diag;
    diag_init(&diag);
    enum err err = fixture_open(&rules, FAULTS[i].json, names, &diag);
    if (err == ERR_OK) fail_msg("accepted: %s", FAULTS[i].json);
    assert_int_equal(err, strcmp(FAULTS[i].code, "too_many") == 0 ? ERR_LIMIT : ERR_INVALID);
    assert_null(rules);
    assert_string_equal(diag.field, FAULTS[i].field);
    assert_string_equal(diag.code, FAULTS[i].code);
    if (strstr(diag.message, FAULTS[i].words) == NULL) fail_msg("%s: %s", FAULTS[i].json, diag.message);
  }
  names_close(names);
}

static void test_too_many_types_are_refused(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct buffer json;
  buffer_init(&json);
  buffer_append_text(&json, "{\"types\": {");
  for (int i = 0; i < IDENTITY_TYPES_MAX; i++) buffer_append_format(&json, "%s\"t%d\": {}", i == 0 ? "" : ", ", i);
  buffer_append_text(&json, "}}");
  buffer_append_byte(&json, 0);
  struct identity_rules *rules;
  assert_int_equal(fixture_open(&rules, (const char *)json.data, names, NULL), ERR_LIMIT);
  buffer_release(&json);
  names_close(names);
}

static void test_short_memory_leaks_nothing(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct buffer packed;
  buffer_init(&packed);
  struct value document = fixture_value(
      "{\"types\": {\"email\": {\"blocked\": [\"^test@\", \"(a|b)+c\"]}, \"pos\": {}}, \"blocked\": [\"x\"]}", names,
      &packed);
  enum err err = ERR_NO_MEMORY;
  uint64_t allowed = 0;
  for (; err != ERR_OK && allowed < 10000; allowed++) {
    struct identity_rules *rules;
    alloc_fail_after(allowed, false);
    err = identity_rules_open(&rules, document, 1, names, NULL);
    bool failed = alloc_fail_disarm();
    assert_true(err == ERR_OK || (failed && err == ERR_NO_MEMORY));
    identity_rules_close(rules);
  }
  assert_int_equal(err, ERR_OK);
  assert_true(allowed > 3);
  buffer_release(&packed);
  names_close(names);
}

static void test_keys_come_back(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct identity_rules *rules = fixture_rules("{}", names);
  struct identifier email = {identity_type_find(rules, BYTES("email"))->name, BYTES("zoe@exemple.fr")}, back;
  struct key key;
  identifier_key(email, names, &key);
  assert_true(bytes_equal(key_view(&key), BYTES("email\0zoe@exemple.fr")));
  assert_true(identifier_from_key(key_view(&key), names, &back));
  assert_true(identifier_equal(email, back));
  assert_false(identifier_from_key(BYTES("email"), names, &back));
  assert_false(identifier_from_key(BYTES("email\0"), names, &back));
  assert_false(identifier_from_key(BYTES("fax\0001"), names, &back));
  assert_false(identifier_from_key((struct bytes){NULL, 0}, names, &back));
  identity_rules_close(rules);
  names_close(names);
}

static void test_references_split_at_the_first_colon(void **state) {
  (void)state;
  struct bytes type, value;
  assert_true(identifier_split(BYTES("wallet_address:eth:0xab"), &type, &value));
  assert_true(bytes_equal(type, BYTES("wallet_address")));
  assert_true(bytes_equal(value, BYTES("eth:0xab")));
  assert_true(identifier_split(BYTES(":"), &type, &value));
  assert_int_equal(type.size_bytes + value.size_bytes, 0);
  assert_false(identifier_split(BYTES("c42"), &type, &value));
}

static void test_sorting_takes_rank_then_value(void **state) {
  (void)state;
  struct names *names = fixture_names();
  struct identity_rules *rules = fixture_rules("{}", names);
  uint32_t user = identity_type_find(rules, BYTES("user_id"))->name;
  uint32_t email = identity_type_find(rules, BYTES("email"))->name;
  uint32_t anonymous = identity_type_find(rules, BYTES("anonymous_id"))->name;
  struct identifier all[] = {{9999, BYTES("?")}, {anonymous, BYTES("a")},  {email, BYTES("b@x.fr")},
                             {9998, BYTES("?")}, {email, BYTES("a@x.fr")}, {user, BYTES("7")}};
  const uint32_t expected[] = {user, email, email, anonymous, 9998, 9999};
  identity_sort(rules, all, 6);
  for (size_t i = 0; i < 6; i++) assert_int_equal(all[i].type, expected[i]);
  assert_true(bytes_equal(all[1].value, BYTES("a@x.fr")));
  identity_rules_close(rules);
  names_close(names);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_default_ranks_persons_before_devices), cmocka_unit_test(test_default_types_are_as_designed),
      cmocka_unit_test(test_document_overlays_the_default),        cmocka_unit_test(test_priority_is_the_documents),
      cmocka_unit_test(test_faults_are_told_where_and_how),        cmocka_unit_test(test_too_many_types_are_refused),
      cmocka_unit_test(test_short_memory_leaks_nothing),           cmocka_unit_test(test_keys_come_back),
      cmocka_unit_test(test_references_split_at_the_first_colon),  cmocka_unit_test(test_sorting_takes_rank_then_value),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
