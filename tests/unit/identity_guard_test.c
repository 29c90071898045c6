// Guards: which values name nobody, and which customers must stay apart.
#include "identity_fixture.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"

struct bench {
  struct names *names;
  struct identity_rules *rules;
};

static void open_bench(struct bench *bench, const char *json) {
  bench->names = fixture_names();
  bench->rules = fixture_rules(json, bench->names);
}

static void close_bench(struct bench *bench) {
  identity_rules_close(bench->rules);
  names_close(bench->names);
}

static struct identifier named(const struct bench *bench, const char *type, const char *value) {
  return (struct identifier){names_find(bench->names, bytes_from_text(type)), bytes_from_text(value)};
}

static struct identity_member member(const struct bench *bench, const char *type, const char *value, int64_t seen_us) {
  return (struct identity_member){named(bench, type, value), seen_us};
}

// --- the golden table ----------------------------------------------------------------------------------------

static struct bytes next_cell(struct bytes *line) {
  const uint8_t *bar = memchr(line->data, '|', line->size_bytes);
  size_t size = bar == NULL ? line->size_bytes : (size_t)(bar - line->data);
  struct bytes cell = bytes_trim(bytes_of(line->data, size));
  size_t used = bar == NULL ? size : size + 1;
  *line = bytes_of(line->data + used, line->size_bytes - used);
  return cell;
}

static void check_line(const struct bench *bench, struct bytes line) {
  struct bytes type_name = next_cell(&line), value = next_cell(&line), verdict = next_cell(&line);
  struct bytes why = next_cell(&line);
  assert_true(why.size_bytes > 0);
  const struct identity_type *type = identity_type_find(bench->rules, type_name);
  assert_non_null(type);
  bool expected = bytes_equal(verdict, BYTES("blocked"));
  assert_true(expected || bytes_equal(verdict, BYTES("accepted")));
  if (identity_is_blocked(bench->rules, type, value) != expected)
    fail_msg("%.*s %.*s should be %.*s", BYTES_ARG(type_name), BYTES_ARG(value), BYTES_ARG(verdict));
}

static void test_golden_table(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{}");
  char path[1024];
  const char *slash = strrchr(__FILE__, '/');
  assert_non_null(slash);
  snprintf(path, sizeof path, "%.*s/../golden/identity/guards.txt", (int)(slash - __FILE__), __FILE__);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[512];
  size_t checked = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    struct bytes text = bytes_trim(bytes_from_text(line));
    if (text.size_bytes == 0 || text.data[0] == '#') continue;
    check_line(&bench, text);
    checked++;
  }
  fclose(file);
  assert_true(checked >= 30);
  close_bench(&bench);
}

static void test_patterns_are_bounded(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{\"types\": {\"email\": {\"blocked\": [\"^test@\", \"(?i)^ROOT@\"]},"
                     " \"trap\": {\"blocked\": [\"^(a+)+$\"]}}}");
  const struct identity_type *email = identity_type_find(bench.rules, BYTES("email"));
  assert_true(identity_is_blocked(bench.rules, email, BYTES("test@x.fr")));
  assert_true(identity_is_blocked(bench.rules, email, BYTES("root@x.fr")));
  assert_false(identity_is_blocked(bench.rules, email, BYTES("contest@x.fr")));
  assert_false(identity_is_blocked(bench.rules, email, BYTES("\xff\xfe")));
  const struct identity_type *trap = identity_type_find(bench.rules, BYTES("trap"));
  assert_false(identity_is_blocked(bench.rules, trap, BYTES("b")));
  // Exponential: given up within the limits, and what cannot be told is not joined.
  assert_true(identity_is_blocked(bench.rules, trap, BYTES("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
  close_bench(&bench);
}

// --- attaching and joining -----------------------------------------------------------------------------------

#define SIDE(list) ((struct identity_side){.members = (list), .member_count = sizeof(list) / sizeof *(list)})

static void test_attach_follows_the_order_of_checks(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{}");
  struct identity_member members[] = {member(&bench, "user_id", "1881", 10)};
  struct identity_cannot cannots[] = {{members[0].identifier, named(&bench, "email", "a@x.fr")}};
  struct identity_side side = SIDE(members);
  side.cannots = cannots;
  side.cannot_count = 1;
  struct identifier fax = {9999, BYTES("null")};
  assert_int_equal(identity_may_attach(bench.rules, &side, fax, 20, false), IDENTITY_UNKNOWN_TYPE);
  struct identifier blocked = named(&bench, "user_id", "null");
  assert_int_equal(identity_may_attach(bench.rules, &side, blocked, 20, false), IDENTITY_BLOCKED);
  struct identifier parted = named(&bench, "email", "a@x.fr");
  assert_int_equal(identity_may_attach(bench.rules, &side, parted, 20, false), IDENTITY_CANNOT_LINK);
  struct identifier second = named(&bench, "user_id", "1882");
  assert_int_equal(identity_may_attach(bench.rules, &side, second, 20, false), IDENTITY_LIMIT);
  assert_int_equal(identity_may_attach(bench.rules, &side, second, 20, true), IDENTITY_OK);
  assert_int_equal(identity_may_attach(bench.rules, &side, members[0].identifier, 20, false), IDENTITY_OK);
  struct identifier email = named(&bench, "email", "b@x.fr");
  assert_int_equal(identity_may_attach(bench.rules, &side, email, 20, false), IDENTITY_OK);
  close_bench(&bench);
}

static void test_limits_look_at_their_window(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{\"types\": {\"email\": {\"limit\": 1, \"window_days\": 1}}}");
  struct identity_member members[] = {member(&bench, "email", "a@x.fr", 0)};
  struct identity_side side = SIDE(members);
  struct identifier other = named(&bench, "email", "b@x.fr");
  assert_int_equal(identity_may_attach(bench.rules, &side, other, CLOCK_DAY_US - 1, false), IDENTITY_LIMIT);
  assert_int_equal(identity_may_attach(bench.rules, &side, other, CLOCK_DAY_US, false), IDENTITY_OK);
  close_bench(&bench);
}

static void test_a_full_customer_takes_no_more(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{\"types\": {\"email\": {\"limit\": 512}, \"pos\": {\"limit\": 512}}}");
  static struct identity_member members[LIMIT_CUSTOMER_IDENTIFIERS];
  static char values[LIMIT_CUSTOMER_IDENTIFIERS][8];
  for (int i = 0; i < LIMIT_CUSTOMER_IDENTIFIERS; i++) {
    snprintf(values[i], sizeof values[i], "n%d", i);
    members[i] = member(&bench, i % 2 == 0 ? "email" : "pos", values[i], 1);
  }
  struct identity_side full = SIDE(members), nearly = full, inside = full;
  nearly.member_count--;
  inside.member_count = 3;
  struct identifier more = named(&bench, "pos", "more");
  assert_int_equal(identity_may_attach(bench.rules, &full, more, 2, false), IDENTITY_FULL);
  assert_int_equal(identity_may_attach(bench.rules, &nearly, more, 2, false), IDENTITY_OK);
  struct identity_member others[] = {member(&bench, "cookie", "k", 1)};
  struct identity_side other = SIDE(others);
  assert_int_equal(identity_may_join(bench.rules, &full, &other, others[0].identifier, 2, false), IDENTITY_FULL);
  assert_int_equal(identity_may_join(bench.rules, &nearly, &other, others[0].identifier, 2, false), IDENTITY_OK);
  assert_int_equal(identity_may_join(bench.rules, &full, &inside, members[0].identifier, 2, false), IDENTITY_OK);
  close_bench(&bench);
}

static void test_join_keeps_limits_of_the_union(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{\"types\": {\"cookie\": {\"limit\": 2}}}");
  struct identity_member one[] = {member(&bench, "user_id", "1", 1), member(&bench, "cookie", "x", 1)};
  struct identity_member two[] = {member(&bench, "user_id", "2", 1), member(&bench, "email", "z@x.fr", 1)};
  struct identity_member three[] = {member(&bench, "email", "y@x.fr", 1), member(&bench, "cookie", "x", 1),
                                    member(&bench, "cookie", "y", 1)};
  struct identity_member four[] = {member(&bench, "email", "y@x.fr", 1), member(&bench, "cookie", "y", 1),
                                   member(&bench, "cookie", "z", 1)};
  struct identity_side a = SIDE(one), b = SIDE(two), c = SIDE(three), d = SIDE(four);
  assert_int_equal(identity_may_join(bench.rules, &a, &b, two[1].identifier, 2, false), IDENTITY_LIMIT);
  assert_int_equal(identity_may_join(bench.rules, &a, &b, two[1].identifier, 2, true), IDENTITY_OK);
  // The cookie on both sides counts once.
  assert_int_equal(identity_may_join(bench.rules, &a, &c, three[0].identifier, 2, false), IDENTITY_OK);
  assert_int_equal(identity_may_join(bench.rules, &a, &d, four[0].identifier, 2, false), IDENTITY_LIMIT);
  close_bench(&bench);
}

static void test_an_old_excess_does_not_refuse_for_ever(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{}");
  struct identity_member aliased[] = {member(&bench, "user_id", "1", 1), member(&bench, "user_id", "2", 1)};
  struct identity_member mail[] = {member(&bench, "email", "z@x.fr", 1)};
  struct identity_member third[] = {member(&bench, "user_id", "3", 1)};
  struct identity_side a = SIDE(aliased), b = SIDE(mail), c = SIDE(third);
  assert_int_equal(identity_may_join(bench.rules, &a, &b, mail[0].identifier, 2, false), IDENTITY_OK);
  assert_int_equal(identity_may_join(bench.rules, &b, &a, aliased[0].identifier, 2, false), IDENTITY_OK);
  assert_int_equal(identity_may_join(bench.rules, &a, &c, third[0].identifier, 2, false), IDENTITY_LIMIT);
  close_bench(&bench);
}

static void test_parted_customers_stay_apart_both_ways(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{}");
  struct identity_member one[] = {member(&bench, "email", "a@x.fr", 1)};
  struct identity_member two[] = {member(&bench, "email", "b@x.fr", 1), member(&bench, "phone", "+33612345678", 1)};
  struct identity_cannot cannots[] = {{one[0].identifier, two[0].identifier}};
  struct identity_side a = SIDE(one), b = SIDE(two);
  struct identifier via = two[1].identifier;
  assert_int_equal(identity_may_join(bench.rules, &a, &b, via, 2, false), IDENTITY_OK);
  a.cannots = cannots;
  a.cannot_count = 1;
  assert_int_equal(identity_may_join(bench.rules, &a, &b, via, 2, true), IDENTITY_CANNOT_LINK);
  assert_int_equal(identity_may_join(bench.rules, &b, &a, one[0].identifier, 2, true), IDENTITY_CANNOT_LINK);
  close_bench(&bench);
}

// A phone on two customers: who they are besides, and what is known of them.
static const struct {
  const char *other_a, *other_b, *name_a, *name_b;
  int birth_a, birth_b;
  enum identity_reason expected;
} PHONES[] = {
    {"user_id", "email", "zoe", "zoe", 0, 0, IDENTITY_OK},
    {"user_id", "email", "zoe", "luc", 0, 0, IDENTITY_DIFFERENT_PERSON},
    {"user_id", "email", "zoe", "", 0, 0, IDENTITY_OK},
    {"user_id", "email", "", "", 19900228, 19900228, IDENTITY_OK},
    {"user_id", "email", "", "", 19900228, 19610101, IDENTITY_DIFFERENT_PERSON},
    {"user_id", "email", "zoe", "zoe", 19900228, 19610101, IDENTITY_DIFFERENT_PERSON},
    {"user_id", "email", "zoe", "zoe", 19900228, 0, IDENTITY_OK},
    {"cookie", "email", "zoe", "luc", 0, 0, IDENTITY_OK},
    {"user_id", "cookie", "zoe", "luc", 0, 0, IDENTITY_OK},
};

static void test_a_shared_phone_melts_nobody(void **state) {
  (void)state;
  struct bench bench;
  open_bench(&bench, "{}");
  for (size_t i = 0; i < sizeof PHONES / sizeof *PHONES; i++) {
    struct identity_member one[] = {member(&bench, PHONES[i].other_a, "a", 1)};
    struct identity_member two[] = {member(&bench, PHONES[i].other_b, "b", 1),
                                    member(&bench, "phone", "+33612345678", 1)};
    struct identity_side a = SIDE(one), b = SIDE(two);
    a.given_name = bytes_from_text(PHONES[i].name_a);
    b.given_name = bytes_from_text(PHONES[i].name_b);
    a.birth_date = PHONES[i].birth_a;
    b.birth_date = PHONES[i].birth_b;
    assert_int_equal(identity_may_join(bench.rules, &a, &b, two[1].identifier, 2, false), PHONES[i].expected);
  }
  close_bench(&bench);
}

static void test_a_mailbox_joins_unless_it_may_be_shared(void **state) {
  (void)state;
  static const struct {
    const char *json;
    enum identity_reason expected;
  } cases[] = {{"{}", IDENTITY_OK}, {"{\"types\": {\"email\": {\"shares\": true}}}", IDENTITY_DIFFERENT_PERSON}};
  for (size_t i = 0; i < 2; i++) {
    struct bench bench;
    open_bench(&bench, cases[i].json);
    struct identity_member one[] = {member(&bench, "user_id", "1", 1)};
    struct identity_member two[] = {member(&bench, "loyalty_card", "9", 1), member(&bench, "email", "a@x.fr", 1)};
    struct identity_side a = SIDE(one), b = SIDE(two);
    a.given_name = BYTES("zoe");
    b.given_name = BYTES("luc");
    assert_int_equal(identity_may_join(bench.rules, &a, &b, two[1].identifier, 2, false), cases[i].expected);
    close_bench(&bench);
  }
}

static void test_reasons_have_names_and_words(void **state) {
  (void)state;
  assert_string_equal(identity_reason_name(IDENTITY_CANNOT_LINK), "cannot_link");
  assert_string_equal(identity_reason_name(IDENTITY_DIFFERENT_PERSON), "different_person");
  for (int i = 0; i < IDENTITY_REASON_COUNT; i++) {
    const char *text = identity_reason_text((enum identity_reason)i);
    assert_true(strlen(text) > 10 && text[strlen(text) - 1] == '.');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_golden_table),
      cmocka_unit_test(test_patterns_are_bounded),
      cmocka_unit_test(test_attach_follows_the_order_of_checks),
      cmocka_unit_test(test_limits_look_at_their_window),
      cmocka_unit_test(test_a_full_customer_takes_no_more),
      cmocka_unit_test(test_join_keeps_limits_of_the_union),
      cmocka_unit_test(test_an_old_excess_does_not_refuse_for_ever),
      cmocka_unit_test(test_parted_customers_stay_apart_both_ways),
      cmocka_unit_test(test_a_shared_phone_melts_nobody),
      cmocka_unit_test(test_a_mailbox_joins_unless_it_may_be_shared),
      cmocka_unit_test(test_reasons_have_names_and_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
