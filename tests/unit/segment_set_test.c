// Sets of questions: what is refused, the order, what an event, a trait or another change concerns, which questions a
// new customer answers, and programs shared by successive sets.
#include "segment_kit.h"

#include "base/alloc.h"

// --- references and cycles -----------------------------------------------------------------------------------

static void assert_refused(struct kit *kit, const char *code, const char *field, const char *message) {
  struct segment_set *set = NULL;
  struct diag diag;
  enum err err = kit_try_open(kit, &set, &diag);
  if (err != ERR_INVALID || strcmp(diag.code, code) != 0 || strcmp(diag.field, field) != 0 ||
      strstr(diag.message, message) == NULL)
    fail_msg("err %d, %s, %s: %s", err, diag.code, diag.field, diag.message);
  assert_null(set);
}

static void test_unknown_names(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "loyal", "count(\"A\") > 3");
  kit_attribute(kit, "spent", "sum(total of \"A\")");
  struct segment_definition *asks = kit_segment(kit, "asks", "in_segment(\"loyl\")");
  assert_refused(kit, "unknown_segment", "asks", "did you mean \"loyal\"?");
  asks->include = BYTES("in_segment(\"entirely-else\")");
  assert_refused(kit, "unknown_segment", "asks", "there is no segment \"entirely-else\"");
  asks->include = BYTES("attributes.spend > 5");
  assert_refused(kit, "unknown_attribute", "asks", "did you mean \"spent\"?");
  asks->include = BYTES("attributes.loyal > 5");
  assert_refused(kit, "unknown_attribute", "asks", "in_segment(\"loyal\")");
  asks->include = BYTES("in_segment(\"spent\")");
  assert_refused(kit, "unknown_segment", "asks", "attributes.spent");
  asks->include = BYTES("in_segment(lower(\"LOYAL\"))");
  assert_refused(kit, "wrong_arguments", "asks", "in_segment(\"vip\")");
  asks->include = BYTES("true");
  asks->limit = 5;
  asks->limit_by = BYTES("attributes.spend");
  assert_refused(kit, "unknown_attribute", "asks", "did you mean \"spent\"?");
  asks->limit_by = BYTES("attributes.spent");
  kit_open(kit);
  assert_non_null(segment_set_limit_by(kit->set, asks->question));
  assert_null(segment_set_limit_by(kit->set, 1));
}

static void test_references_to_building(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "young", "count(\"A\") > 3")->status = SEGMENT_BUILDING;
  struct segment_definition *asks = kit_segment(kit, "asks", "in_segment(\"young\")");
  assert_refused(kit, "unknown_segment", "asks", "once it is live");
  asks->status = SEGMENT_BUILDING; // these go live together
  kit_open(kit);
}

static void test_own_events(void **state) {
  struct kit *kit = *state;
  struct segment_definition *asks = kit_segment(kit, "asks", "exists(\"Segment Entered\")");
  assert_refused(kit, "segment_event", "asks", "in_segment");
  asks->include = BYTES("exists(\"A\")");
  kit_exclude(kit, asks, "exists(\"Segment Left\" in last 3 days)");
  assert_refused(kit, "segment_event", "asks", "in_segment");
}

static void test_cycles(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "apart", "count(\"A\") > 3");
  kit_segment(kit, "vip", "in_segment(\"loyal\") and in_segment(\"apart\")");
  kit_segment(kit, "loyal", "attributes.spent > 5 or in_segment(\"apart\")");
  struct segment_definition *spent = kit_attribute(kit, "spent", "if(in_segment(\"vip\"), 1, 2)");
  assert_refused(kit, "cycle", "", " -> ");
  struct diag diag;
  struct segment_set *set = NULL;
  kit_try_open(kit, &set, &diag);
  assert_non_null(strstr(diag.message, "vip -> loyal"));
  assert_non_null(strstr(diag.message, "loyal -> spent"));
  assert_non_null(strstr(diag.message, "spent -> vip"));
  assert_null(strstr(diag.message, "apart"));
  spent->include = BYTES("if(in_segment(\"apart\"), 1, 2)");
  kit_open(kit);
  spent->include = BYTES("coalesce(attributes.spent, 0)");
  assert_refused(kit, "cycle", "", "spent -> spent");
}

// The newer version of `a` refers to `b`, and the newer one of `b` to `a`: neither may go live first.
static void test_cycle_of_versions(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "a", "true");
  kit_segment(kit, "b", "true");
  struct segment_definition *newer = kit_segment(kit, "a", "in_segment(\"b\")");
  newer->version = 2;
  newer->status = SEGMENT_BUILDING;
  kit_open(kit);
  newer = kit_segment(kit, "b", "in_segment(\"a\")");
  newer->version = 2;
  newer->status = SEGMENT_BUILDING;
  assert_refused(kit, "cycle", "", "->");
}

static void test_repeated(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "a", "true");
  struct segment_definition *again = kit_segment(kit, "a", "true");
  assert_refused(kit, "repeated", "", "two versions");
  again->id = BYTES("b");
  again->question = 1;
  assert_refused(kit, "repeated", "", "question 1");
}

// Chains of any shape: what one refers to comes before it.
static void test_order(void **state) {
  struct kit *kit = *state;
  enum { COUNT = 300 };
  srand(7);
  for (int i = 0; i < COUNT; i++) {
    char id[16], text[96] = "true";
    snprintf(id, sizeof id, "s%d", (i * 7) % COUNT);
    if (i > 0)
      snprintf(text, sizeof text, "in_segment(\"s%d\") or in_segment(\"s%d\")", (rand() % i * 7) % COUNT,
               ((i - 1) * 7) % COUNT);
    kit_segment(kit, id, text);
  }
  kit_open(kit);
  assert_int_equal(segment_set_count(kit->set), COUNT);
  for (int i = 0; i < COUNT; i++)
    assert_int_equal(segment_set_at(kit->set, (size_t)i)->question, i + 1); // a chain has one order
  assert_null(segment_set_at(kit->set, COUNT));
}

static void test_found(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "a", "true")->question = 900;
  struct segment_definition *newer = kit_segment(kit, "a", "false");
  newer->version = 2;
  newer->status = SEGMENT_BUILDING;
  kit_define(kit, SEGMENT_LIST, "guests", "");
  kit_open(kit);
  assert_int_equal(segment_set_live(kit->set, BYTES("a"))->question, 900);
  assert_int_equal(segment_set_question(kit->set, 2)->version, 2);
  assert_int_equal(segment_set_live(kit->set, BYTES("guests"))->kind, SEGMENT_LIST);
  for (size_t i = 0; i < segment_set_count(kit->set); i++) {
    assert_int_equal(segment_set_kind(kit->set, i), segment_set_at(kit->set, i)->kind);
    assert_int_equal(segment_set_place(kit->set, segment_set_at(kit->set, i)->question), i);
  }
  assert_true(segment_set_place(kit->set, 1) == SIZE_MAX);
  assert_null(segment_set_live(kit->set, BYTES("b")));
  assert_null(segment_set_question(kit->set, 1));
  assert_null(segment_set_question(kit->set, 0));
  kit->definition_count = 0;
  kit_open(kit);
  assert_int_equal(segment_set_count(kit->set), 0);
  assert_null(segment_set_live(kit->set, BYTES("a")));
  kit_passes(kit, 0);
}

// --- the index -----------------------------------------------------------------------------------------------

static bool concerns(struct kit *kit, struct segment_triggers triggers, bool *reads_record) {
  return segment_set_concerns(kit->set, &triggers, reads_record);
}

static void test_index(void **state) {
  struct kit *kit = *state;
  struct segment_definition *a = kit_segment(kit, "a", "count(\"A\") > 1");
  kit_exclude(kit, a, "exists(\"B\" where total > traits.least)");
  kit_segment(kit, "c", "exists(\"C\")");
  kit_segment(kit, "on-c", "in_segment(\"c\") and traits.age > 3");
  kit_segment(kit, "d", "exists(\"D\") and points(\"club\") > 5");
  kit_define(kit, SEGMENT_LIST, "guests", "");
  kit_open(kit);
  bool reads;
  uint32_t name = kit_name(kit, "A");
  assert_true(concerns(kit, (struct segment_triggers){.events = &name, .event_count = 1}, &reads));
  assert_true(reads); // its exclusion reads a trait
  name = kit_name(kit, "B");
  assert_true(concerns(kit, (struct segment_triggers){.events = &name, .event_count = 1}, &reads));
  name = kit_name(kit, "C");
  assert_true(concerns(kit, (struct segment_triggers){.events = &name, .event_count = 1}, &reads));
  assert_true(reads); // what depends on it reads a trait
  name = kit_name(kit, "D");
  assert_true(concerns(kit, (struct segment_triggers){.events = &name, .event_count = 1}, &reads));
  assert_false(reads);
  assert_false(concerns(kit, (struct segment_triggers){.traits = &name, .trait_count = 1}, &reads));
  name = kit_name(kit, "Other");
  assert_false(concerns(kit, (struct segment_triggers){.events = &name, .event_count = 1}, &reads));
  name = 0;
  assert_false(concerns(kit, (struct segment_triggers){.events = &name, .event_count = 1}, &reads));
  name = kit_name(kit, "age");
  assert_true(concerns(kit, (struct segment_triggers){.traits = &name, .trait_count = 1}, &reads));
  assert_true(reads);
  struct rule_need_lookup lookup = {RULE_FUNCTION_points, BYTES("club")};
  assert_true(concerns(kit, (struct segment_triggers){.lookups = &lookup, .lookup_count = 1}, &reads));
  lookup.name = BYTES("other");
  assert_false(concerns(kit, (struct segment_triggers){.lookups = &lookup, .lookup_count = 1}, &reads));
  lookup.name = BYTES("");
  assert_true(concerns(kit, (struct segment_triggers){.lookups = &lookup, .lookup_count = 1}, &reads));
  lookup.function = RULE_FUNCTION_tier;
  assert_false(concerns(kit, (struct segment_triggers){.lookups = &lookup, .lookup_count = 1}, &reads));
  uint32_t question = 5;
  assert_true(concerns(kit, (struct segment_triggers){.questions = &question, .question_count = 1}, &reads));
  question = 77;
  assert_false(concerns(kit, (struct segment_triggers){.questions = &question, .question_count = 1}, &reads));
  assert_true(concerns(kit, (struct segment_triggers){.everything = true}, &reads));
  assert_true(reads);
  assert_false(concerns(kit, (struct segment_triggers){0}, &reads));
}

static void test_fresh(void **state) {
  static const struct {
    const char *id, *text;
    bool fresh;
  } CASES[] = {
      {"never", "count(\"A\" in last 3 days) > 0", false},
      {"none", "count(\"A\") = 0", true},
      {"not", "not exists(\"A\" in last 3 days)", true},
      {"trait", "traits.a = 1", false},
      {"null", "traits.a is null", true},
      {"clock", "month() = 7", true},
      {"later", "today() >= 2026-07-01", true},
      {"points", "points(\"club\") > 3", true},
      {"over", "in_segment(\"not\") and traits.a = 1", true}, // conservative: the answer may end with the other's
      {"over-never", "in_segment(\"never\")", false},
      {"over-null", "in_segment(\"null\")", true},
      {"no", "false", false},
      {"yes", "true", true},
  };
  struct kit *kit = *state;
  size_t count = sizeof CASES / sizeof *CASES;
  for (size_t i = 0; i < count; i++) kit_segment(kit, CASES[i].id, CASES[i].text);
  kit_attribute(kit, "sum", "sum(total of \"A\")");
  kit_attribute(kit, "last", "last(time of \"A\")");
  kit_open(kit);
  bool fresh[32] = {false};
  for (size_t i = 0; i < kit->set->fresh_count; i++)
    fresh[kit->set->questions[kit->set->fresh[i]].definition.question] = true;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(CASES[i].id, "over") == 0) continue; // either is right
    if (fresh[i + 1] != CASES[i].fresh) fail_msg("%s", CASES[i].id);
  }
  assert_true(fresh[count + 1]);
  assert_false(fresh[count + 2]);
  kit_evaluate(kit, 5, &(struct segment_triggers){.fresh = true});
  assert_true(kit->evaluation.evaluated < count);
  assert_true(kit_is_member(kit, 2));
  assert_true(kit_is_member(kit, 3));
  assert_false(kit_is_member(kit, 1));
  assert_true(kit_is_member(kit, 11));
  assert_non_null(kit_entry(kit, (uint32_t)count + 1));
}

// --- successive sets -----------------------------------------------------------------------------------------

static const struct segment_question *question_of(const struct segment_set *set, uint32_t question) {
  return &set->questions[segment_set_position(set, question)];
}

static void test_reuse(void **state) {
  struct kit *kit = *state;
  struct segment_definition *a = kit_segment(kit, "a", "count(\"A\") > 1");
  kit_exclude(kit, a, "exists(\"B\")");
  struct segment_definition *b = kit_segment(kit, "b", "count(\"B\") > 1");
  kit_open(kit);
  segment_set_hold(kit->set);
  const struct segment_set *older = kit->set;
  b->include = BYTES("count(\"B\") > 2");
  kit_exclude(kit, a, "exists(\"C\")");
  kit_open(kit);
  assert_ptr_equal(question_of(older, 1)->include, question_of(kit->set, 1)->include);
  assert_ptr_equal(question_of(older, 1)->exclusions[0], question_of(kit->set, 1)->exclusions[0]);
  assert_non_null(question_of(kit->set, 1)->exclusions[1]);
  assert_ptr_not_equal(question_of(older, 2)->include, question_of(kit->set, 2)->include);
  segment_set_close(older);
  kit_event(kit, "A", 1, 0);
  kit_happens(kit, "A", 2, 0);
  assert_true(kit_is_member(kit, 1));
}

static void test_out_of_memory(void **state) {
  struct kit *kit = *state;
  struct segment_definition *a = kit_segment(kit, "a", "count(\"A\" in last 3 days) > 1 and traits.x = 1");
  kit_exclude(kit, a, "exists(\"B\") or points(\"club\") > 3");
  kit_segment(kit, "b", "in_segment(\"a\") or attributes.c > 3");
  kit_attribute(kit, "c", "sum(total of \"A\")");
  kit_define(kit, SEGMENT_LIST, "guests", "");
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    struct segment_set *set = NULL;
    struct diag diag;
    alloc_fail_after(allowed, true);
    enum err err = kit_try_open(kit, &set, &diag);
    failed = alloc_fail_disarm();
    if (err != (failed ? ERR_NO_MEMORY : ERR_OK)) fail_msg("%d after %d: %s", err, (int)allowed, diag.message);
    segment_set_close(set);
    assert_true(allowed < 10000);
  }
}

static void test_many(void **state) {
  struct kit *kit = *state;
  struct segment_definition *many = calloc(SEGMENT_QUESTIONS_MAX + 1, sizeof *many);
  assert_non_null(many);
  struct segment_compile with = {.names = kit->names, .zone = kit->zone};
  struct diag diag;
  struct segment_set *set = NULL;
  assert_int_equal(segment_set_open(&set, many, SEGMENT_QUESTIONS_MAX + 1, &with, &diag), ERR_LIMIT);
  assert_string_equal(diag.code, "too_many");
  free(many);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_unknown_names, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_references_to_building, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_own_events, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_cycles, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_cycle_of_versions, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_repeated, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_order, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_found, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_index, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_fresh, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_reuse, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_out_of_memory, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_many, kit_setup, kit_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
