// Evaluation of one customer: what enters and leaves and when, exclusions, references, attributes, what is not known,
// and that a change costs what it concerns.
#include "segment_kit.h"

#include "base/alloc.h"

static void assert_value(struct kit *kit, uint32_t question, const char *json) {
  const struct membership_entry *entry = kit_entry(kit, question);
  struct buffer out;
  struct json_writer writer;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  value_to_json(&writer, entry == NULL ? (struct value){{NULL, 0}} : entry->value, kit->names);
  if (!bytes_equal(buffer_view(&out), bytes_from_text(json)))
    fail_msg("question %u is %.*s, not %s", (unsigned)question, BYTES_ARG(buffer_view(&out)), json);
  buffer_release(&out);
}

// --- the clock -----------------------------------------------------------------------------------------------

// A week down: every transition comes in its order, with the instant at which it became true.
static void test_catch_up(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "recent", "exists(\"A\" in last 48 hours)");
  kit_segment(kit, "silent", "exists(\"A\") and not exists(\"A\" in last 24 hours)");
  kit_segment(kit, "weekend", "weekday() >= 6");
  kit_open(kit);
  kit_evaluate(kit, 0, &(struct segment_triggers){.fresh = true});
  assert_int_equal(kit->evaluation.change_count, 0); // a Thursday
  kit_happens(kit, "A", 10, 0);
  assert_int_equal(kit->evaluation.change_count, 1);
  kit_assert_change(kit, 0, 1, SEGMENT_ENTERED, 10);
  assert_int_equal(kit_entry(kit, 1)->since_us, kit_hour(10));
  kit_passes(kit, 24 * 9);
  assert_int_equal(kit->evaluation.change_count, 5);
  kit_assert_change(kit, 0, 2, SEGMENT_ENTERED, 34);
  kit_assert_change(kit, 1, 3, SEGMENT_ENTERED, 48);
  kit_assert_change(kit, 2, 1, SEGMENT_LEFT, 58);
  kit_assert_change(kit, 3, 3, SEGMENT_LEFT, 96);
  kit_assert_change(kit, 4, 3, SEGMENT_ENTERED, 216); // a Saturday again, at this very instant
  assert_int_equal(kit_entry(kit, 2)->since_us, kit_hour(34));
  assert_null(kit_entry(kit, 1)); // it says nothing any more
  kit_passes(kit, 24 * 9);
  assert_int_equal(kit->evaluation.evaluated, 0);
  assert_false(kit->evaluation.touched);
}

// An event that came while nobody looked has its own instant; one that came late changes no past that it would have
// made.
static void test_late_events(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "recent", "exists(\"A\" in last 24 hours)");
  kit_open(kit);
  kit_happens(kit, "A", 0, 0);
  uint32_t name = kit_name(kit, "A");
  kit_event(kit, "A", 20, 0);
  kit_evaluate(kit, 30, &(struct segment_triggers){.events = &name, .event_count = 1});
  assert_int_equal(kit->evaluation.change_count, 0);
  assert_int_equal(kit_entry(kit, 1)->since_us, kit_hour(0));
  assert_int_equal(kit_entry(kit, 1)->valid_until_us, kit_hour(44));
  kit_event(kit, "A", 50, 0);
  kit_evaluate(kit, 52, &(struct segment_triggers){.events = &name, .event_count = 1});
  assert_int_equal(kit->evaluation.change_count, 2);
  kit_assert_change(kit, 0, 1, SEGMENT_LEFT, 44);
  kit_assert_change(kit, 1, 1, SEGMENT_ENTERED, 50);
}

// An event of the future is none until its time.
static void test_future_event(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "two", "count(\"A\") >= 2");
  kit_open(kit);
  uint32_t name = kit_name(kit, "A");
  kit_event(kit, "A", 0, 0);
  kit_event(kit, "A", 10, 0);
  kit_evaluate(kit, 5, &(struct segment_triggers){.events = &name, .event_count = 1});
  assert_false(kit_is_member(kit, 1));
  assert_true(kit->evaluation.touched);
  kit_passes(kit, 20);
  kit_assert_change(kit, 0, 1, SEGMENT_ENTERED, 10);
}

// More instants than one call works off: what is left is answered at now.
static void test_catch_up_is_bounded(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "often", "count(\"A\" in last 1 hour) = 1");
  kit_open(kit);
  for (int i = 0; i < SEGMENT_CATCH_UP_MAX; i++) kit_event(kit, "A", 2 * i, 0);
  kit_evaluate(kit, 0, &(struct segment_triggers){.everything = true});
  assert_true(kit_is_member(kit, 1));
  kit_passes(kit, 2 * SEGMENT_CATCH_UP_MAX + 24);
  assert_int_equal(kit->evaluation.evaluated, SEGMENT_CATCH_UP_MAX + 1);
  assert_false(kit_is_member(kit, 1));
  assert_null(kit_entry(kit, 1));
}

// --- exclusions ----------------------------------------------------------------------------------------------

static void test_exclusions(void **state) {
  struct kit *kit = *state;
  struct segment_definition *buyers = kit_segment(kit, "buyers", "exists(\"A\")");
  kit_exclude(kit, buyers, "exists(\"B\" in last 24 hours)");
  kit_exclude(kit, buyers, "exists(\"C\")");
  kit_open(kit);
  kit_happens(kit, "C", 0, 0);
  assert_int_equal(kit->evaluation.evaluated, 1); // no exclusion is asked where the include is false
  assert_null(kit_entry(kit, 1));
  kit_happens(kit, "B", 1, 0);
  kit_happens(kit, "A", 2, 0);
  assert_int_equal(kit->evaluation.evaluated, 3);
  assert_int_equal(kit->evaluation.change_count, 1);
  kit_assert_change(kit, 0, 1, SEGMENT_EXCLUDED, 2);
  assert_int_equal(kit->evaluation.changes[0].sides_before, 0);
  assert_int_equal(kit->evaluation.changes[0].sides_after, 3 << 1);
  kit_passes(kit, 30);
  assert_int_equal(kit->evaluation.change_count, 1);
  kit_assert_change(kit, 0, 1, SEGMENT_EXCLUDED, 25);
  assert_int_equal(kit_entry(kit, 1)->excluded, 2);
  assert_int_equal(kit_entry(kit, 1)->valid_until_us, MEMBERSHIP_FOREVER);
}

static void test_leaves_by_exclusion(void **state) {
  struct kit *kit = *state;
  struct segment_definition *buyers = kit_segment(kit, "buyers", "exists(\"A\" in last 48 hours)");
  kit_exclude(kit, buyers, "exists(\"B\" in last 24 hours)");
  kit_open(kit);
  kit_happens(kit, "A", 0, 0);
  kit_happens(kit, "B", 10, 0);
  kit_assert_change(kit, 0, 1, SEGMENT_LEFT, 10);
  assert_int_equal(kit->evaluation.changes[0].sides_after, 1 << 1);
  kit_passes(kit, 100);
  kit_assert_change(kit, 0, 1, SEGMENT_ENTERED, 34);
  kit_assert_change(kit, 1, 1, SEGMENT_LEFT, 48);
  assert_int_equal(kit->evaluation.change_count, 2);
}

// --- references ----------------------------------------------------------------------------------------------

static void test_references(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "outer", "not in_segment(\"inner\") and attributes.spent >= 10");
  kit_segment(kit, "inner", "exists(\"A\" in last 24 hours)");
  kit_attribute(kit, "spent", "sum(total of \"B\" in last 72 hours)");
  kit_attribute(kit, "double", "attributes.spent * 2");
  kit_open(kit);
  kit_happens(kit, "B", 0, 10);
  assert_int_equal(kit->evaluation.change_count, 3);
  assert_true(kit_is_member(kit, 1));
  assert_value(kit, 3, "10");
  assert_value(kit, 4, "20");
  assert_int_equal(kit_entry(kit, 4)->valid_until_us, kit_hour(72));
  kit_happens(kit, "A", 10, 0);
  assert_int_equal(kit->evaluation.change_count, 2);
  kit_assert_change(kit, 0, 2, SEGMENT_ENTERED, 10);
  kit_assert_change(kit, 1, 1, SEGMENT_LEFT, 10);
  // Nothing more of A changes, but inner holds longer: outer need not be asked.
  kit_happens(kit, "A", 20, 0);
  assert_int_equal(kit->evaluation.evaluated, 1);
  kit_passes(kit, 100);
  kit_assert_change(kit, 0, 2, SEGMENT_LEFT, 44);
  kit_assert_change(kit, 1, 1, SEGMENT_ENTERED, 44);
  assert_int_equal(kit->evaluation.change_count, 5);
  assert_value(kit, 3, "0");
  assert_value(kit, 4, "0");
}

// A question that is being built is kept up to date. Live ones ask the live version, those being built the one being
// built.
static void test_building(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "a", "count(\"A\") >= 2");
  struct segment_definition *newer = kit_segment(kit, "a", "count(\"A\") >= 1");
  newer->version = 2;
  newer->status = SEGMENT_BUILDING;
  kit_segment(kit, "on-a", "in_segment(\"a\")");
  struct segment_definition *newer_on_a = kit_segment(kit, "on-a", "in_segment(\"a\")");
  newer_on_a->version = 2;
  newer_on_a->status = SEGMENT_BUILDING;
  kit_open(kit);
  assert_true(segment_set_refers(kit->set, 4, BYTES("a")));
  assert_false(segment_set_refers(kit->set, 1, BYTES("on-a")));
  assert_false(segment_set_refers(kit->set, 9, BYTES("a")));
  kit_happens(kit, "A", 0, 0);
  assert_true(kit_is_member(kit, 2));
  assert_false(kit_is_member(kit, 3));
  assert_true(kit_is_member(kit, 4));
  kit_happens(kit, "A", 1, 0);
  assert_true(kit_is_member(kit, 3));
}

static void test_lists(void **state) {
  struct kit *kit = *state;
  kit_define(kit, SEGMENT_LIST, "guests", "");
  kit_segment(kit, "invited", "in_segment(\"guests\") and exists(\"A\")");
  kit_open(kit);
  kit_happens(kit, "A", 0, 0);
  struct membership_entry guest = {
      .question = 1, .member = true, .since_us = kit_hour(1), .valid_until_us = MEMBERSHIP_FOREVER};
  kit->membership.entries = &guest;
  kit->membership.count = kit->membership.capacity = 1;
  uint32_t list = 1;
  kit_evaluate(kit, 1, &(struct segment_triggers){.questions = &list, .question_count = 1});
  assert_int_equal(kit->evaluation.change_count, 1);
  kit_assert_change(kit, 0, 2, SEGMENT_ENTERED, 1);
  kit_evaluate(kit, 2, &(struct segment_triggers){.everything = true});
  assert_true(kit_is_member(kit, 1));
  assert_int_equal(kit_entry(kit, 1)->since_us, kit_hour(1));
}

// --- attributes ----------------------------------------------------------------------------------------------

static void test_values(void **state) {
  struct kit *kit = *state;
  kit_attribute(kit, "sum", "sum(total of \"A\") / 4");
  kit_attribute(kit, "last", "last(time of \"A\")");
  kit_attribute(kit, "all", "list(total of \"A\")");
  kit_attribute(kit, "text", "lower(\"ABC\")");
  kit_attribute(kit, "yes", "exists(\"A\")");
  kit_attribute(kit, "since", "last(time of \"A\") - first(time of \"A\")");
  kit_segment(kit, "reads-time", "attributes.last > now - 5 hours");
  kit_open(kit);
  kit_evaluate(kit, 0, &(struct segment_triggers){.fresh = true});
  assert_value(kit, 1, "0");
  assert_value(kit, 2, "null");
  assert_null(kit_entry(kit, 2));
  assert_value(kit, 4, "\"abc\"");
  kit_happens(kit, "A", 1, 10);
  assert_value(kit, 1, "2.5");
  assert_value(kit, 2, "\"2026-01-01T01:00:00Z\"");
  assert_value(kit, 3, "[10]");
  assert_value(kit, 5, "true");
  assert_value(kit, 6, "\"PT0S\"");
  assert_true(kit_is_member(kit, 7));
  kit_happens(kit, "A", 3, 0);
  assert_value(kit, 1, "2.5");
  assert_value(kit, 6, "\"PT2H\"");
  for (size_t i = 0; i < kit->evaluation.change_count; i++) {
    assert_int_equal(kit->evaluation.changes[i].kind, SEGMENT_VALUE);
    assert_int_not_equal(kit->evaluation.changes[i].question, 1); // an equal value is no change
  }
  assert_int_equal(kit->evaluation.change_count, 3);
  kit_evaluate(kit, 4, &(struct segment_triggers){.everything = true});
  assert_int_equal(kit->evaluation.change_count, 0);
  assert_false(kit->evaluation.touched);
  kit_passes(kit, 20);
  kit_assert_change(kit, 0, 7, SEGMENT_LEFT, 8);
}

static void test_value_too_large(void **state) {
  struct kit *kit = *state;
  struct buffer text;
  buffer_init(&text);
  buffer_append_byte(&text, '\'');
  for (int i = 0; i < 9000; i++) buffer_append_byte(&text, 'x');
  buffer_append_text(&text, "'");
  buffer_append_byte(&text, 0);
  kit_attribute(kit, "piece", (const char *)text.data);
  kit_attribute(kit, "large", "list(if(total > 0, attributes.piece, null) of \"A\")");
  kit_segment(kit, "over", "attributes.large is null");
  kit_open(kit);
  kit_evaluate(kit, 0, &(struct segment_triggers){.everything = true});
  for (int i = 0; i < 7; i++) kit_happens(kit, "A", i, 1);
  assert_false(kit_entry(kit, 2)->unknown);
  assert_true(kit_entry(kit, 2)->value.packed.size_bytes > 60000);
  kit_happens(kit, "A", 8, 1);
  assert_true(kit_entry(kit, 2)->unknown);
  assert_true(value_is_absent(kit_entry(kit, 2)->value));
  assert_true(kit_entry(kit, 3)->unknown);
  assert_false(kit_is_member(kit, 3));
  buffer_release(&text);
}

// --- what is not known ---------------------------------------------------------------------------------------

static void test_unknown(void **state) {
  struct kit *kit = *state;
  struct segment_definition *plain;
  kit_segment(kit, "costly", "count(\"A\" where total + 1 > 1 in last 48 hours) > 0");
  plain = kit_segment(kit, "plain", "traits.b = 1");
  kit_exclude(kit, plain, "in_segment(\"costly\")");
  plain = kit_segment(kit, "plain2", "traits.b = 1");
  kit_exclude(kit, plain, "in_segment(\"costly\")");
  kit_exclude(kit, plain, "traits.b = 1");
  kit_segment(kit, "not", "not in_segment(\"costly\")");
  kit_open(kit);
  kit_open_machine(kit, &(struct rule_limits){.steps = 200, .bytes = 4096});
  kit_set_trait(kit, "b", 1);
  uint32_t trait = kit_name(kit, "b");
  kit_evaluate(kit, 0, &(struct segment_triggers){.traits = &trait, .trait_count = 1});
  kit_happens(kit, "A", 0, 1);
  assert_true(kit_is_member(kit, 1));
  assert_int_equal(kit_entry(kit, 2)->excluded, 1);
  assert_false(kit_entry(kit, 2)->unknown);
  for (int i = 0; i < 1000; i++) kit_event(kit, "A", 1, 0);
  kit_happens(kit, "A", 2, 1);
  assert_true(kit_entry(kit, 1)->unknown);
  assert_false(kit_is_member(kit, 1));
  kit_assert_change(kit, 0, 1, SEGMENT_LEFT, 2);
  // Who depends on what is not known is no member, and an exclusion of it excludes.
  assert_int_equal(kit_entry(kit, 2)->excluded, 1);
  assert_true(kit_entry(kit, 2)->unknown);
  assert_int_equal(kit_entry(kit, 3)->excluded, 3);
  assert_false(kit_entry(kit, 3)->unknown); // the other exclusion is sure
  assert_true(kit_entry(kit, 4)->unknown);
  assert_false(kit_is_member(kit, 4));
}

// --- other parts, gone questions, readers --------------------------------------------------------------------

static enum err points_lookup(void *context, uint64_t customer, enum rule_function function,
                              const struct bytes *arguments, size_t count, int64_t now_us, struct rule_value *value,
                              int64_t *until_us) {
  const int64_t *points = context;
  (void)now_us;
  assert_int_equal(customer, 42);
  assert_int_equal(function, RULE_FUNCTION_points);
  assert_int_equal(count, 1);
  assert_true(bytes_equal(arguments[0], BYTES("club")));
  *value = (struct rule_value){.type = RULE_TYPE_NUMBER, .number = decimal_from_i64(*points)};
  *until_us = kit_hour(500);
  return ERR_OK;
}

static void test_earlier_lookup(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "rich", "points(\"club\") > 100 and not in_segment(\"other\")");
  kit_segment(kit, "other", "exists(\"X\")");
  kit_open(kit);
  int64_t points = 50;
  kit->facts.lookup = points_lookup;
  kit->facts.lookup_context = &points;
  struct rule_need_lookup changed = {RULE_FUNCTION_points, BYTES("club")};
  struct segment_triggers triggers = {.lookups = &changed, .lookup_count = 1};
  kit_evaluate(kit, 0, &triggers);
  assert_false(kit_is_member(kit, 1));
  points = 200;
  kit_evaluate(kit, 1, &triggers);
  assert_true(kit_is_member(kit, 1));
  assert_int_equal(kit_entry(kit, 1)->valid_until_us, kit_hour(500));
  assert_true(kit->facts.lookup == points_lookup);
  assert_ptr_equal(kit->facts.lookup_context, &points);
}

static void test_gone(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "a", "exists(\"A\" in last 24 hours)");
  kit_segment(kit, "b", "exists(\"A\")");
  kit_open(kit);
  kit_happens(kit, "A", 0, 0);
  assert_int_equal(kit->membership.count, 2);
  kit->definitions[0] = kit->definitions[1];
  kit->definition_count = 1;
  kit_open(kit);
  kit_passes(kit, 100);
  assert_int_equal(kit->evaluation.change_count, 0);
  assert_true(kit->evaluation.touched);
  assert_int_equal(kit->membership.count, 1);
  assert_true(kit_is_member(kit, 2));
}

static void test_answer(void **state) {
  struct kit *kit = *state;
  kit_segment(kit, "inner", "exists(\"A\" in last 24 hours)");
  kit_segment(kit, "outer", "exists(\"A\") and not in_segment(\"inner\")");
  kit_segment(kit, "apart", "exists(\"A\" in last 24 hours)");
  kit_open(kit);
  kit_happens(kit, "A", 0, 0);
  struct membership_entry entry;
  kit->evaluation.now_us = kit_hour(23);
  kit->evaluation.evaluated = 0;
  assert_int_equal(segment_answer(&kit->evaluation, 1, &entry), ERR_OK);
  assert_true(entry.member);
  assert_int_equal(kit->evaluation.evaluated, 0);
  kit->evaluation.now_us = kit_hour(100);
  assert_int_equal(segment_answer(&kit->evaluation, 2, &entry), ERR_OK);
  assert_true(entry.member);
  assert_int_equal(entry.since_us, kit_hour(24));
  assert_int_equal(kit->evaluation.evaluated, 2); // not the one apart
  assert_true(kit_is_member(kit, 3));
  assert_int_equal(segment_answer(&kit->evaluation, 1, &entry), ERR_OK);
  assert_false(entry.member);
  assert_int_equal(segment_answer(&kit->evaluation, 3, &entry), ERR_OK);
  assert_false(entry.member);
  assert_int_equal(segment_answer(&kit->evaluation, 9, &entry), ERR_NOT_FOUND);
}

// --- cost ----------------------------------------------------------------------------------------------------

// A thousand questions, of which an event concerns twenty.
static void test_cost(void **state) {
  struct kit *kit = *state;
  for (int i = 0; i < 1000; i++) {
    char id[16], text[64];
    snprintf(id, sizeof id, "s%d", i);
    snprintf(text, sizeof text, "count(\"E%d\" in last 30 days) >= 1", i % 50);
    kit_segment(kit, id, text);
  }
  kit_open(kit);
  kit_evaluate(kit, 0, &(struct segment_triggers){.everything = true});
  assert_int_equal(kit->evaluation.evaluated, 1000);
  assert_int_equal(kit->membership.count, 0);
  kit_happens(kit, "E7", 1, 0);
  assert_int_equal(kit->evaluation.evaluated, 20);
  assert_int_equal(kit->membership.count, 20);
  kit_happens(kit, "E8", 1, 0);
  assert_int_equal(kit->evaluation.evaluated, 20);
  assert_int_equal(kit->membership.count, 40);
  kit_happens(kit, "Other", 2, 0);
  assert_int_equal(kit->evaluation.evaluated, 0);
}

static void test_out_of_memory(void **state) {
  struct kit *kit = *state;
  struct segment_definition *a = kit_segment(kit, "a", "exists(\"A\" in last 24 hours)");
  kit_exclude(kit, a, "exists(\"B\" in last 5 hours)");
  kit_segment(kit, "on-a", "not in_segment(\"a\")");
  kit_attribute(kit, "last", "last(time of \"A\")");
  kit_attribute(kit, "all", "list(total of \"A\")");
  kit_open(kit);
  kit_event(kit, "A", 0, 3);
  kit_event(kit, "B", 1, 3);
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    kit->membership.count = 0;
    kit_keep_membership(kit);
    arena_release(&kit->scratch);
    alloc_fail_after(allowed, true);
    kit->evaluation = (struct segment_evaluation){.set = kit->set,
                                                  .machine = kit->machine,
                                                  .facts = &kit->facts,
                                                  .arena = &kit->scratch,
                                                  .membership = &kit->membership,
                                                  .now_us = kit_hour(100)};
    enum err err = segment_evaluate(&kit->evaluation, &(struct segment_triggers){.everything = true});
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    assert_null(kit->facts.lookup);
    assert_true(allowed < 1000);
  }
  assert_value(kit, 4, "[3]");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_catch_up, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_late_events, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_future_event, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_catch_up_is_bounded, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_exclusions, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_leaves_by_exclusion, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_references, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_building, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_lists, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_values, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_value_too_large, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_unknown, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_earlier_lookup, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_gone, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_answer, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_cost, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_out_of_memory, kit_setup, kit_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
