// Reading when memory is short: every question, with its n-th allocation failing, says so, leaks nothing, and gives the
// same answer as before once there is memory again. And what only code can check: statistics, many events, paging.
#include "engine_read_fixture.h"

#include "base/alloc.h"

static struct kit kit;

static int set_up(void **state) {
  static const char *const lines[] = {
      "source till region=FR",
      "message identify t=1 user_id:u1 email:zoe@x.org {\"traits\":{\"firstName\":\"Zoé\",\"age\":31}}",
      "message track t=2 user_id:u1 anonymous_id:d1 name=Order+Completed {\"properties\":{\"total\":27.50}}",
      "message identify t=3 user_id:u2 email:bob@x.org {\"traits\":{\"firstName\":\"Bob\"}}",
      "message track t=4 user_id:u2 email:zoe@x.org {}",
      "message track t=5 email:zoe@x.org phone:+33612345678 {}",
      "message track t=6 user_id:u3 email:cy@x.org {}",
      "split user_id:u3 email:cy@x.org",
  };
  return read_set_up(state, &kit, lines, sizeof lines / sizeof *lines);
}

// One try with `allowed` allocations. True when it went through.
static bool ask_short(const char *question, uint64_t allowed, const char *expected) {
  char line[256], *words[KIT_WORDS_MAX], *json;
  struct engine_view *view = NULL;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  snprintf(line, sizeof line, "%s", question);
  size_t count = read_words(line, words, &json);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  diag_init(&diag);
  alloc_fail_after(allowed, false);
  enum err err = engine_view_open(kit.engine, &view);
  if (err == ERR_OK) err = read_ask(view, words, count, &writer, &diag);
  engine_view_close(view);
  bool failed = alloc_fail_disarm();
  assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
  if (!failed) assert_int_equal(err, ERR_OK);
  if (err == ERR_OK) {
    buffer_append_byte(&out, 0);
    assert_string_equal((const char *)out.data, expected);
  }
  buffer_release(&out);
  return !failed;
}

static void test_every_question_survives_short_memory(void **state) {
  static const char *const questions[] = {
      "find email:ZOE@x.org",
      "find phone:0612345678",
      "customer c1",
      "events c1 limit=2",
      "identity c1",
      "export c1",
      "search 10 zoe",
      "search 10 u1",
      "explain user_id:u1 email:zoe@x.org",
      "explain user_id:u1 user_id:u2",
      "explain user_id:u3 email:cy@x.org",
      "schema 10",
  };
  (void)state;
  for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
    char *expected = read_answer(&kit, questions[i]);
    assert_int_not_equal(expected[0], '!');
    uint64_t allowed = 0;
    while (!ask_short(questions[i], allowed, expected)) assert_true(++allowed < 100000);
    free(expected);
  }
}

static void test_rules_survive_short_memory(void **state) {
  struct buffer packed;
  bool through = false;
  (void)state;
  buffer_init(&packed);
  assert_int_equal(value_parse_json(kit.parser, BYTES("{\"types\":{\"user_id\":{\"limit\":2}}}"),
                                    engine_names(kit.engine), &packed, NULL),
                   ERR_OK);
  struct value rules = {buffer_view(&packed)};
  for (uint64_t allowed = 0; !through; allowed++) {
    struct json_writer writer;
    struct buffer out;
    struct diag diag;
    buffer_init(&out);
    json_writer_init(&writer, &out);
    alloc_fail_after(allowed, false);
    enum err err = engine_rules_try(kit.engine, rules, &writer, &diag);
    through = !alloc_fail_disarm();
    assert_int_equal(err, through ? ERR_OK : ERR_NO_MEMORY);
    buffer_append_byte(&out, 0);
    if (through)
      assert_string_equal((const char *)out.data,
                          "{\"customers_now\":4,\"customers_then\":3,\"would_merge\":2,\"would_part\":0}");
    buffer_release(&out);
  }
  buffer_release(&packed);
}

static void test_changing_rules_survives_short_memory(void **state) {
  struct buffer packed;
  bool through = false;
  (void)state;
  buffer_init(&packed);
  assert_int_equal(
      value_parse_json(kit.parser, BYTES("{\"types\":{\"badge\":{}}}"), engine_names(kit.engine), &packed, NULL),
      ERR_OK);
  for (uint64_t allowed = 0; !through; allowed++) {
    struct engine_commit commit = {0};
    uint64_t version = 0;
    struct diag diag;
    alloc_fail_after(allowed, false);
    enum err err =
        engine_rules_put(kit.engine, (struct value){buffer_view(&packed)}, BYTES("ann"), &version, &commit, &diag);
    through = !alloc_fail_disarm();
    assert_int_equal(err, through ? ERR_OK : ERR_NO_MEMORY);
    assert_int_equal(identity_rules_version(engine_rules(kit.engine)), through ? 2 : 1);
  }
  buffer_release(&packed);
}

// --- pages ---------------------------------------------------------------------------------------------------

enum { MANY_EVENTS = 450, PAGE = 7 };

// The text of the member `name` behind `at`, or NULL when it is null.
static const char *cursor_of(const char *answer, char out[64]) {
  const char *next = strstr(answer, "\"next\":\"");
  if (next == NULL) return NULL;
  snprintf(out, 64, "%.48s", next + strlen("\"next\":\""));
  return out;
}

static size_t count_text(const char *text, const char *part) {
  size_t count = 0;
  for (; (text = strstr(text, part)) != NULL; text += strlen(part)) count++;
  return count;
}

static void test_pages_give_every_event_once(void **state) {
  char question[128], cursor[64], line[128];
  size_t events = 0, pages = 0;
  (void)state;
  for (int i = 0; i < MANY_EVENTS; i++) {
    snprintf(line, sizeof line, "message track t=%d user_id:many {\"properties\":{\"n\":%d}}", i * 37 % 200, i);
    read_line(&kit, line);
  }
  snprintf(question, sizeof question, "events user_id:many limit=%d", PAGE);
  for (bool more = true; more; pages++) {
    char *answer = read_answer(&kit, question);
    events += count_text(answer, "\"received_at\"");
    more = cursor_of(answer, cursor) != NULL;
    snprintf(question, sizeof question, "events user_id:many limit=%d after=%s", PAGE, cursor);
    free(answer);
  }
  assert_int_equal(events, MANY_EVENTS);
  assert_int_equal(pages, (MANY_EVENTS + PAGE - 1) / PAGE);
  char *all = read_answer(&kit, "export user_id:many");
  for (int i = 0; i < MANY_EVENTS; i++) {
    snprintf(line, sizeof line, "{\"n\":%d}", i);
    assert_int_equal(count_text(all, line), 1);
  }
  free(all);
}

static void test_statistics(void **state) {
  struct json_writer writer;
  struct buffer out;
  (void)state;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(engine_stats_json(kit.engine, &writer, NULL), ERR_OK);
  buffer_append_byte(&out, 0);
  const char *text = (const char *)out.data;
  assert_ptr_equal(strstr(text, "{\"customers\":4,\"events\":6,"), text);
  assert_non_null(strstr(text, "\"bytes\":{\"total\":"));
  assert_non_null(strstr(text, "\"timeline\":"));
  buffer_release(&out);
}

static void test_a_chain_of_merges_is_followed(void **state) {
  char line[128];
  (void)state;
  for (int i = 0; i < 20; i++) {
    snprintf(line, sizeof line, "message track loyalty_card:chain%d {}", i);
    if (i % 3 == 0) read_line(&kit, line);
  }
  uint64_t newest = kit_customer(&kit, "loyalty_card:chain18");
  for (int i = 15; i >= 12; i -= 3) {
    snprintf(line, sizeof line, "message track loyalty_card:chain%d loyalty_card:chain%d {}", i, i + 3);
    read_line(&kit, line);
  }
  snprintf(line, sizeof line, "c%llu", (unsigned long long)newest);
  assert_int_equal(kit_customer(&kit, line), kit_customer(&kit, "loyalty_card:chain12"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_every_question_survives_short_memory, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_rules_survive_short_memory, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_changing_rules_survives_short_memory, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_pages_give_every_event_once, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_statistics, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_a_chain_of_merges_is_followed, set_up, read_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
