// Segments, lists and attributes, live: with each event, by the clock, over merges, splits and erasures, while a
// version is being built. engine_check holds every membership against a fresh evaluation after each step.
#include "engine_live_kit.h"

#define DAY(n) ((n)*86400)

enum { CUSTOMER_BYTES = 32 };

static struct kit kit;

static void line(const char *text) {
  char copy[512];
  snprintf(copy, sizeof copy, "%s", text);
  kit_line(&kit, copy);
}

// Seconds since the epoch of the kit.
static int now_s(void) {
  return (int)((clock_now_us(&kit.clock) - KIT_EPOCH_US) / CLOCK_SECOND_US);
}

static void event_at(int at_s, const char *rest) {
  char text[512];
  snprintf(text, sizeof text, "event t=%d %s", at_s, rest);
  kit_line(&kit, text);
}

static int setup(void **state) {
  (void)state;
  kit_open(&kit);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

static void test_an_event_lets_in_and_the_clock_lets_out(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"active\",\"include\":\"exists(\\\"Order\\\" in last 30 days)\"}");
  live_put(&kit, "{\"id\":\"asleep\",\"include\":\"not exists(\\\"Order\\\" in last 30 days)\"}");
  live_settle(&kit);
  int start = now_s();
  event_at(start, "name=Viewed user_id:ann");
  live_out(&kit, "user_id:ann", "active");
  live_in(&kit, "user_id:ann", "asleep");
  event_at(start, "name=Order user_id:ann");
  live_in(&kit, "user_id:ann", "active");
  live_out(&kit, "user_id:ann", "asleep");
  line("days 30");                         // to the very instant at which the order leaves the window
  live_out(&kit, "user_id:ann", "active"); // the timer has not run: a reader does not trust the entry
  live_settle(&kit);
  live_out(&kit, "user_id:ann", "active");
  live_in(&kit, "user_id:ann", "asleep");
  char *changes = live_changes(&kit, "active", "", 100);
  assert_int_equal(live_count(changes, "\"change\":\"entered\""), 1);
  assert_int_equal(live_count(changes, "\"change\":\"left\""), 1);
  free(changes);
  // They stand on her timeline: Viewed, Order; into asleep, out of it, into active; out of active, into asleep.
  assert_int_equal(kit_events(&kit, "user_id:ann"), 7);
}

static void test_time_alone_is_caught_up_in_order(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"week\",\"include\":\"exists(\\\"Order\\\" in last 7 days)\"}");
  live_settle(&kit);
  live_settle(&kit); // what a segment refers to is live
  live_put(&kit,
           "{\"id\":\"month\",\"include\":\"exists(\\\"Order\\\" in last 30 days) and not in_segment(\\\"week\\\")\"}");
  live_settle(&kit);
  int start = now_s();
  event_at(start, "name=Order user_id:ann");
  live_in(&kit, "user_id:ann", "week");
  live_out(&kit, "user_id:ann", "month");
  line("days 90"); // nobody looked for three months
  live_settle(&kit);
  live_out(&kit, "user_id:ann", "week");
  live_out(&kit, "user_id:ann", "month");
  char *changes = live_changes(&kit, "month", "", 100);
  char entered[64], left[64];
  clock_format(KIT_EPOCH_US + (int64_t)(start + DAY(7)) * CLOCK_SECOND_US, entered);
  clock_format(KIT_EPOCH_US + (int64_t)(start + DAY(30)) * CLOCK_SECOND_US, left);
  assert_int_equal(live_count(changes, "\"customer\""), 2);
  if (strstr(changes, entered) == NULL || strstr(changes, left) == NULL) fail_msg("%s", changes);
  free(changes);
}

static void test_a_version_is_built_for_who_was_there(void **state) {
  (void)state;
  int start = now_s();
  event_at(start - DAY(3), "name=Order user_id:ann");
  event_at(start - DAY(40), "name=Order user_id:bob");
  event_at(start - DAY(3), "name=Viewed user_id:cleo");
  live_put(&kit, "{\"id\":\"active\",\"include\":\"exists(\\\"Order\\\" in last 30 days)\"}");
  live_contains(live_segment(&kit, "active"), "\"status\":\"building\"");
  live_settle(&kit);
  live_contains(live_segment(&kit, "active"), "\"status\":\"live\"");
  live_contains(live_segment(&kit, "active"), "\"members\":1");
  live_in(&kit, "user_id:ann", "active");
  live_out(&kit, "user_id:bob", "active");
  char *changes = live_changes(&kit, "active", "", 100);
  assert_int_equal(live_count(changes, "\"backfill\":true"), 1);
  assert_int_equal(live_count(changes, "\"backfill\":false"), 0);
  free(changes);
  assert_int_equal(kit_events(&kit, "user_id:ann"), 1); // a first population is no event
  // Changed: another version, built beside the one that answers.
  live_put(&kit, "{\"id\":\"active\",\"include\":\"exists(\\\"Order\\\" in last 60 days)\"}");
  live_in(&kit, "user_id:ann", "active");
  live_out(&kit, "user_id:bob", "active");
  event_at(start - DAY(50), "name=Order user_id:cleo"); // while it is being built
  live_settle(&kit);
  live_in(&kit, "user_id:bob", "active");
  live_in(&kit, "user_id:cleo", "active");
  live_contains(live_segment(&kit, "active"), "\"members\":3");
  live_contains(live_segment(&kit, "active"), "\"version\":2");
}

static void test_another_name_builds_nothing(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"active\",\"include\":\"exists(\\\"Order\\\")\"}");
  live_settle(&kit);
  event_at(now_s(), "name=Order user_id:ann");
  live_put(&kit, "{\"id\":\"active\",\"name\":\"Active ones\",\"include\":\"exists(\\\"Order\\\")\"}");
  live_contains(live_segment(&kit, "active"), "\"status\":\"live\"");
  live_contains(live_segment(&kit, "active"), "\"members\":1");
}

static void test_what_was_got_is_put_back(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"reach\",\"include\":\"exists(\\\"Order\\\")\",\"exclude\":[{\"name\":\"x\",\"when\":"
                 "\"exists(\\\"Ticket\\\")\"}]}");
  live_settle(&kit);
  char *text = live_segment(&kit, "reach");
  live_put(&kit, text);
  free(text);
  live_refused(&kit,
               "{\"id\":\"x\",\"include\":\"exists(\\\"Order\\\")\",\"excluded\":[{\"name\":\"x\",\"when\":"
               "\"exists(\\\"Ticket\\\")\"}]}",
               "unknown_member"); // "exclude" was meant
  live_contains(live_segment(&kit, "reach"), "\"version\":1");
}

static void test_exclusions_are_counted(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"reach\",\"include\":\"exists(\\\"Order\\\")\",\"exclude\":[{\"name\":\"complaint\","
                 "\"when\":\"exists(\\\"Ticket\\\")\"},{\"name\":\"lyon\",\"when\":\"traits.city = \\\"Lyon\\\"\"}]}");
  live_settle(&kit);
  event_at(now_s(), "name=Order user_id:ann");
  event_at(now_s(), "name=Order user_id:bob");
  event_at(now_s(), "name=Order user_id:cleo");
  event_at(now_s(), "name=Ticket user_id:bob");
  line("event user_id:bob trait.city=Lyon");
  line("event user_id:cleo trait.city=Nice");
  live_contains(live_segment(&kit, "reach"), "\"members\":2");
  live_contains(live_segment(&kit, "reach"), "{\"name\":\"complaint\",\"removed\":1}");
  live_contains(live_segment(&kit, "reach"), "{\"name\":\"lyon\",\"removed\":1}");
  line("event user_id:bob trait.city=Nice");
  live_contains(live_segment(&kit, "reach"), "{\"name\":\"lyon\",\"removed\":0}");
  live_out(&kit, "user_id:bob", "reach");
}

static void test_attributes_feed_segments(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"orders\",\"kind\":\"attribute\",\"expression\":\"count(\\\"Order\\\")\"}");
  live_settle(&kit);
  live_put(&kit, "{\"id\":\"loyal\",\"include\":\"attributes.orders >= 2\"}");
  live_settle(&kit);
  event_at(now_s(), "name=Order user_id:ann");
  live_out(&kit, "user_id:ann", "loyal");
  event_at(now_s() + 1, "name=Order user_id:ann");
  line("days 1");
  live_settle(&kit);
  live_in(&kit, "user_id:ann", "loyal");
  live_contains(live_customer(&kit, "user_id:ann"), "\"attributes\":{\"orders\":2}");
}

static void test_merge_split_and_erasure(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"two\",\"include\":\"count(\\\"Order\\\") >= 2\"}");
  live_put(&kit, "{\"id\":\"one\",\"include\":\"count(\\\"Order\\\") = 1\"}");
  live_settle(&kit);
  event_at(100, "name=Order user_id:ann");
  event_at(200, "name=Order email:ann@x.org");
  live_in(&kit, "user_id:ann", "one");
  live_in(&kit, "email:ann@x.org", "one");
  event_at(300, "name=Viewed user_id:ann email:ann@x.org");
  live_in(&kit, "user_id:ann", "two");
  live_out(&kit, "user_id:ann", "one");
  live_contains(live_members(&kit, "one"), "\"items\":[]");
  line("split user_id:ann email:ann@x.org");
  live_in(&kit, "user_id:ann", "one");
  live_in(&kit, "email:ann@x.org", "one");
  live_contains(live_members(&kit, "two"), "\"items\":[]");
  line("erase user_id:ann");
  live_contains(live_segment(&kit, "one"), "\"members\":1");
}

static void test_static_lists(void **state) {
  (void)state;
  const struct bytes references[] = {BYTES_INIT("user_id:ann"), BYTES_INIT("email:ann@x.org"),
                                     BYTES_INIT("user_id:no")};
  live_put(&kit, "{\"id\":\"guests\",\"kind\":\"list\"}");
  live_settle(&kit);
  event_at(100, "name=Order user_id:ann");
  event_at(200, "name=Order email:ann@x.org");
  live_contains(live_list(&kit, "guests", references, 3, true), "{\"not_found\":[\"user_id:no\"],\"customers\":2}");
  live_in(&kit, "user_id:ann", "guests");
  event_at(300, "name=Viewed user_id:ann email:ann@x.org"); // one of the two goes, the other stays on the list
  live_contains(live_segment(&kit, "guests"), "\"members\":1");
  live_contains(live_list(&kit, "guests", references, 1, false), "\"customers\":1");
  live_contains(live_segment(&kit, "guests"), "\"members\":0");
}

static void test_a_customer_on_a_list_who_merges_stays_on_it(void **state) {
  (void)state;
  const struct bytes younger = BYTES("email:ann@x.org");
  live_put(&kit, "{\"id\":\"guests\",\"kind\":\"list\"}");
  live_settle(&kit);
  event_at(100, "name=Order user_id:ann");
  event_at(200, "name=Order email:ann@x.org");
  free(live_list(&kit, "guests", &younger, 1, true));
  live_out(&kit, "user_id:ann", "guests");
  event_at(300, "name=Viewed user_id:ann email:ann@x.org");
  live_in(&kit, "user_id:ann", "guests");
}

static void test_limited_audiences_are_drawn(void **state) {
  (void)state;
  live_put(
      &kit,
      "{\"id\":\"best\",\"include\":\"exists(\\\"Order\\\")\",\"limit\":{\"top\":2,\"by\":\"count(\\\"Order\\\")\"}}");
  live_put(&kit, "{\"id\":\"some\",\"include\":\"exists(\\\"Order\\\")\",\"limit\":{\"random\":3}}");
  live_settle(&kit);
  for (int user = 0; user < 5; user++)
    for (int order = 0; order <= user; order++) {
      char text[64];
      snprintf(text, sizeof text, "name=Order user_id:u%d", user);
      event_at(100 * user + order, text);
    }
  char *members = live_members(&kit, "best"), *some = live_members(&kit, "some"), id[CUSTOMER_BYTES];
  assert_int_equal(live_count(members, "\"since\""), 2);
  for (int user = 3; user < 5; user++) {
    char reference[32];
    snprintf(reference, sizeof reference, "user_id:u%d", user);
    snprintf(id, sizeof id, "\"c%llu\"", (unsigned long long)kit_customer(&kit, reference));
    if (strstr(members, id) == NULL) fail_msg("%s is not among the best: %s", id, members);
  }
  assert_int_equal(live_count(some, "\"since\""), 3);
  free(members);
  free(some);
  live_contains(live_segment(&kit, "best"), "\"eligible\":5,\"members\":2");
  live_refused(&kit, "{\"id\":\"x\",\"include\":\"in_segment(\\\"best\\\")\"}", "limited");
}

static void test_refusals(void **state) {
  (void)state;
  live_refused(&kit, "{\"id\":\"x\",\"include\":\"count(\\\"Order\\\" in lst 3 days) > 1\"}", "unknown_word");
  live_refused(&kit, "{\"id\":\"x\",\"include\":\"in_segment(\\\"nobody\\\")\"}", "unknown_segment");
  live_refused(&kit, "{\"id\":\"x\",\"include\":\"exists(\\\"Segment Entered\\\")\"}", "segment_event");
  live_put(&kit, "{\"id\":\"a\",\"include\":\"exists(\\\"Order\\\")\"}");
  live_settle(&kit);
  live_put(&kit, "{\"id\":\"b\",\"include\":\"in_segment(\\\"a\\\")\"}");
  live_settle(&kit);
  live_refused(&kit, "{\"id\":\"a\",\"include\":\"in_segment(\\\"b\\\")\"}", "cycle");
  struct json_writer writer;
  struct buffer out;
  struct engine_commit commit = {0};
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_segment_archive(kit.engine, BYTES("a"), &writer, &commit, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "in_use");
  assert_int_equal(engine_segment_archive(kit.engine, BYTES("c"), &writer, &commit, &diag), ERR_NOT_FOUND);
  buffer_release(&out);
}

static void test_what_refers_to_a_changed_segment_is_computed_anew(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"a\",\"include\":\"count(\\\"Order\\\") >= 2\"}");
  live_settle(&kit);
  live_put(&kit, "{\"id\":\"b\",\"include\":\"not in_segment(\\\"a\\\")\"}");
  live_settle(&kit);
  event_at(100, "name=Order user_id:ann");
  live_in(&kit, "user_id:ann", "b");
  live_put(&kit, "{\"id\":\"a\",\"include\":\"count(\\\"Order\\\") >= 1\"}");
  live_settle(&kit);
  live_in(&kit, "user_id:ann", "a");
  live_out(&kit, "user_id:ann", "b");
}

static void test_a_workspace_opens_with_its_segments(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"active\",\"include\":\"exists(\\\"Order\\\" in last 30 days)\"}");
  live_settle(&kit);
  event_at(now_s(), "name=Order user_id:ann");
  live_put(&kit, "{\"id\":\"seen\",\"include\":\"exists(\\\"Order\\\")\"}"); // not built before the engine closes
  int64_t now_us = clock_now_us(&kit.clock);
  engine_close(kit.engine);
  struct engine_options options = {.store = kit.store, .clock = &kit.clock};
  struct diag diag;
  diag_init(&diag);
  clock_hold(&kit.clock, now_us + 31 * CLOCK_DAY_US);
  assert_int_equal(engine_open(&kit.engine, &options, &diag), ERR_OK);
  live_settle(&kit);
  struct engine_view *view;
  struct live_answer answer;
  struct engine_events_query query = {.name = BYTES("Segment Left"), .limit = 10};
  live_ask(&answer);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  enum err err = engine_events_json(view, kit_customer(&kit, "user_id:ann"), &query, &answer.writer, &answer.diag);
  engine_view_close(view);
  live_contains(live_told(&kit, &answer, err), "\"source\":\"segments\"");
  live_out(&kit, "user_id:ann", "active");
  live_in(&kit, "user_id:ann", "seen");
}

static void test_another_time_zone_computes_anew(void **state) {
  (void)state;
  struct engine_commit commit = {0};
  struct diag diag;
  diag_init(&diag);
  live_put(&kit, "{\"id\":\"spring\",\"include\":\"last(time of \\\"Order\\\") >= 2026-03-01\"}");
  live_settle(&kit);
  event_at(59 * 86400 - 1800, "name=Order user_id:ann"); // 23:30 UTC on 28 February is 1 March in Paris
  live_out(&kit, "user_id:ann", "spring");
  assert_int_equal(engine_zone_put(kit.engine, BYTES("Europe/Paris"), BYTES("ann"), &commit, &diag), ERR_OK);
  live_settle(&kit);
  live_in(&kit, "user_id:ann", "spring");
  live_contains(live_segment(&kit, "spring"), "\"version\":2");
}

static void test_the_feed_is_read_by_cursor(void **state) {
  (void)state;
  live_put(&kit, "{\"id\":\"active\",\"include\":\"exists(\\\"Order\\\")\"}");
  live_settle(&kit);
  for (int i = 0; i < 5; i++) {
    char text[64];
    snprintf(text, sizeof text, "name=Order user_id:u%d", i);
    event_at(100 + i, text);
  }
  char after[32] = "";
  size_t seen = 0;
  for (int page = 0; page < 4; page++) {
    char *text = live_changes(&kit, "", after, 2);
    seen += live_count(text, "\"cursor\"");
    const char *next = strstr(text, "\"next\":\"");
    assert_non_null(next);
    snprintf(after, sizeof after, "%.*s", (int)strcspn(next + 8, "\""), next + 8);
    free(text);
  }
  assert_int_equal(seen, 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_an_event_lets_in_and_the_clock_lets_out, setup, teardown),
      cmocka_unit_test_setup_teardown(test_time_alone_is_caught_up_in_order, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_version_is_built_for_who_was_there, setup, teardown),
      cmocka_unit_test_setup_teardown(test_another_name_builds_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_was_got_is_put_back, setup, teardown),
      cmocka_unit_test_setup_teardown(test_exclusions_are_counted, setup, teardown),
      cmocka_unit_test_setup_teardown(test_attributes_feed_segments, setup, teardown),
      cmocka_unit_test_setup_teardown(test_merge_split_and_erasure, setup, teardown),
      cmocka_unit_test_setup_teardown(test_static_lists, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_customer_on_a_list_who_merges_stays_on_it, setup, teardown),
      cmocka_unit_test_setup_teardown(test_limited_audiences_are_drawn, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(test_what_refers_to_a_changed_segment_is_computed_anew, setup, teardown),
      cmocka_unit_test_setup_teardown(test_a_workspace_opens_with_its_segments, setup, teardown),
      cmocka_unit_test_setup_teardown(test_another_time_zone_computes_anew, setup, teardown),
      cmocka_unit_test_setup_teardown(test_the_feed_is_read_by_cursor, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
