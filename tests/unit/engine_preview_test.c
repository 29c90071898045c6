// Previews: counts, exclusions, samples and distributions against what the people are known to be, in any number of
// threads and by estimate; refusals with their place; and all of it with the n-th allocation failing.
#include "engine_live_kit.h"
#include "engine_read_fixture.h"

#include "base/alloc.h"
#include "engine/preview.h"

// More than PREVIEW_VALUES_MAX, so that a trait with a value for each of them does not fit its table.
enum { PEOPLE = 1300, GROUPS = 5, MERGED = 7 };

static struct kit kit;

// u0 … : everybody has a number of their own and, but for every tenth, a group; u0, u5, u10 … have ordered. The last
// few are two customers each that were merged.
static void add_people(void) {
  for (int i = 0; i < PEOPLE; i++) {
    char line[512];
    if (i % 10 == 9)
      snprintf(line, sizeof line, "message identify t=%d user_id:u%d {\"traits\":{\"number\":%d}}", i, i, i);
    else
      snprintf(line, sizeof line, "message identify t=%d user_id:u%d {\"traits\":{\"number\":%d,\"group\":\"g%d\"}}", i,
               i, i, i % GROUPS);
    read_line(&kit, line);
    if (i % GROUPS != 0) continue;
    snprintf(line, sizeof line, "message track t=%d user_id:u%d name=Order {\"properties\":{\"total\":5}}", 5000 + i,
             i);
    read_line(&kit, line);
  }
  for (int i = PEOPLE - MERGED; i < PEOPLE; i++) {
    char line[512];
    snprintf(line, sizeof line, "message identify t=9000 loyalty_card:card%d {\"traits\":{\"number\":%d}}", i, i);
    read_line(&kit, line);
    snprintf(line, sizeof line, "message identify t=9001 user_id:u%d loyalty_card:card%d {}", i, i);
    read_line(&kit, line);
  }
}

static int set_up(void **state) {
  (void)state;
  read_open(&kit);
  return 0;
}

static int set_up_people(void **state) {
  set_up(state);
  add_people();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

// --- asking --------------------------------------------------------------------------------------------------

static enum err ask(const char *json, unsigned threads, struct buffer *out, struct rule_diag *refusal,
                    struct diag *diag) {
  struct engine_preview *preview = NULL;
  struct engine_view *view = NULL;
  struct json_writer writer;
  struct buffer packed;
  diag_init(diag);
  refusal->code[0] = '\0';
  buffer_init(&packed);
  json_writer_init(&writer, out);
  enum err err = value_parse_json(kit.parser, bytes_from_text(json), engine_names(kit.engine), &packed, diag);
  if (err == ERR_OK) err = engine_view_open(kit.engine, &view);
  if (err == ERR_OK) err = engine_preview_open(view, (struct value){buffer_view(&packed)}, &preview, refusal, diag);
  if (err == ERR_OK) err = engine_preview_json(preview, threads, NULL, NULL, &writer, diag);
  if (err == ERR_OK && out->failed) err = ERR_NO_MEMORY;
  engine_preview_close(preview);
  if (view != NULL) engine_view_close(view);
  buffer_release(&packed);
  return err;
}

// The caller frees the text.
static char *preview_of(const char *json, unsigned threads) {
  struct rule_diag refusal;
  struct buffer out;
  struct diag diag;
  buffer_init(&out);
  if (ask(json, threads, &out, &refusal, &diag) != ERR_OK) fail_msg("%s: %s", json, diag.message);
  buffer_append_byte(&out, 0);
  char *text = strdup((const char *)out.data);
  buffer_release(&out);
  return text;
}

static void expect(const char *json, const char *const *parts, size_t count) {
  char *text = preview_of(json, 2);
  for (size_t i = 0; i < count; i++)
    if (strstr(text, parts[i]) == NULL) fail_msg("%s: no %s in %s", json, parts[i], text);
  free(text);
}
#define EXPECT(json, ...) expect(json, (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / 8)

// --- the tests -----------------------------------------------------------------------------------------------

static void test_agrees_with_what_people_are(void **state) {
  (void)state;
  EXPECT("{\"include\":\"traits.group = \\\"g0\\\" or traits.group = \\\"g1\\\"\",\"sample\":0,\"traits\":[\"group\"]}",
         "\"exact\":true", "\"customers\":1300,\"looked_at\":1300,\"members\":520,\"share\":0.4000,\"interval\":null",
         "\"excluded\":[],\"sample\":[]",
         "\"values\":[{\"value\":\"g0\",\"members\":260,\"share\":0.5000},{\"value\":\"g1\",\"members\":260,\"share\":"
         "0.5000}],"
         "\"other\":0,\"missing\":0}");
  EXPECT("{\"include\":\"not exists(\\\"Order\\\")\",\"exclude\":[{\"name\":\"no group\",\"when\":\"traits.group is "
         "null\"},"
         "{\"when\":\"traits.group = \\\"g1\\\"\"}],\"sample\":0}",
         "\"members\":650,\"share\":0.5000", "{\"name\":\"no group\",\"removed\":130}",
         "{\"name\":\"traits.group = \\\"g1\\\"\",\"removed\":260}");
  EXPECT("{\"include\":\"exists(\\\"Order\\\")\",\"sample\":0}", "\"customers\":1300", "\"members\":260");
}

static void test_values_that_do_not_fit_are_counted(void **state) {
  (void)state;
  EXPECT("{\"include\":\"true\",\"sample\":0,\"traits\":[\"number\",\"group\",\"nothing\"]}",
         "\"members\":1,\"share\":0.0008}],\"other\":1280,\"missing\":0}", "\"other\":0,\"missing\":130}",
         "{\"name\":\"nothing\",\"values\":[],\"other\":0,\"missing\":1300}");
}

// A sample depends on who the members are, and on nothing else.
static void test_threads_and_estimates_see_the_same(void **state) {
  static const char body[] = "{\"include\":\"traits.group = \\\"g2\\\"\",\"traits\":[\"group\"],\"sample\":9%s}";
  char exact[256], estimate[256];
  (void)state;
  snprintf(exact, sizeof exact, body, "");
  snprintf(estimate, sizeof estimate, body, ",\"estimate\":true,\"within_ms\":10000");
  char *one = preview_of(exact, 1), *many = preview_of(exact, 4), *estimated = preview_of(estimate, 1);
  assert_string_equal(one, many);
  assert_string_equal(one, estimated);
  assert_non_null(strstr(one, "\"members\":260"));
  free(one);
  free(many);
  free(estimated);
}

static void refused(const char *json, const char *code, const char *field, unsigned column) {
  struct rule_diag refusal;
  struct buffer out;
  struct diag diag;
  buffer_init(&out);
  assert_int_equal(ask(json, 1, &out, &refusal, &diag), ERR_INVALID);
  assert_string_equal(diag.code, code);
  assert_string_equal(diag.field, field);
  assert_int_equal(refusal.code[0] == '\0' ? 0 : refusal.place.column, column);
  buffer_release(&out);
}

static void test_refusals(void **state) {
  (void)state;
  refused("{}", "bad_member", "include", 0);
  refused("{\"include\":\"count(\"}", "unfinished", "include", 7);
  refused("{\"include\":\"true\",\"exclude\":[{\"when\":\"true\"},{\"when\":\"1 = couunt(\\\"A\\\")\"}]}",
          "unknown_function", "exclude[1].when", 5);
  refused("{\"include\":\"true\",\"exclude\":{}}", "bad_member", "exclude", 0);
  refused("{\"include\":\"true\",\"exclude\":[{\"name\":\"a\"}]}", "bad_member", "exclude", 0);
  refused("{\"include\":\"true\",\"traits\":[1]}", "bad_member", "traits", 0);
  refused("{\"include\":\"true\",\"sample\":101}", "bad_member", "sample", 0);
  refused("{\"include\":\"true\",\"sample\":1.5}", "bad_member", "sample", 0);
  refused("{\"include\":\"true\",\"estimate\":1}", "bad_member", "estimate", 0);
  refused("{\"include\":\"true\",\"within_ms\":0}", "bad_member", "within_ms", 0);
}

static bool never(void *context, uint64_t done, uint64_t total) {
  (void)context, (void)done, (void)total;
  return false;
}

static void test_can_be_stopped(void **state) {
  struct engine_preview *preview;
  struct engine_view *view;
  struct json_writer writer;
  struct rule_diag refusal;
  struct buffer packed, out;
  struct diag diag;
  (void)state;
  buffer_init(&packed);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  assert_int_equal(
      value_parse_json(kit.parser, BYTES("{\"include\":\"true\"}"), engine_names(kit.engine), &packed, &diag), ERR_OK);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  assert_int_equal(engine_preview_open(view, (struct value){buffer_view(&packed)}, &preview, &refusal, &diag), ERR_OK);
  assert_int_equal(engine_preview_json(preview, 1, never, NULL, &writer, &diag), ERR_STOPPED);
  assert_string_equal(diag.code, "stopped");
  engine_preview_close(preview);
  engine_view_close(view);
  buffer_release(&packed);
  buffer_release(&out);
}

static bool try_with(const char *json, uint64_t allowed) {
  struct rule_diag refusal;
  struct buffer out;
  struct diag diag;
  buffer_init(&out);
  alloc_fail_after(allowed, false);
  enum err err = ask(json, 1, &out, &refusal, &diag);
  bool failed = alloc_fail_disarm();
  assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
  if (!failed) assert_int_equal(err, ERR_OK);
  buffer_release(&out);
  return !failed;
}

static void test_short_memory(void **state) {
  static const char *const bodies[] = {
      "{\"include\":\"exists(\\\"Order\\\")\",\"exclude\":[{\"when\":\"traits.group = \\\"g1\\\"\"}],"
      "\"traits\":[\"number\"],\"sample\":3}",
      "{\"include\":\"traits.number >= 0\",\"traits\":[\"number\"],\"sample\":3,\"estimate\":true,\"within_ms\":10000}",
  };
  (void)state;
  for (int i = 0; i < 3; i++) {
    char line[256];
    snprintf(line, sizeof line, "message identify t=%d user_id:u%d {\"traits\":{\"number\":%d,\"group\":\"g\"}}", i, i,
             i);
    read_line(&kit, line);
    snprintf(line, sizeof line, "message track t=%d user_id:u%d name=Order {}", i, i);
    read_line(&kit, line);
  }
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    uint64_t allowed = 0;
    while (!try_with(bodies[i], allowed)) assert_true(++allowed < 100000);
    assert_true(allowed > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_agrees_with_what_people_are, set_up_people, tear_down),
      cmocka_unit_test_setup_teardown(test_values_that_do_not_fit_are_counted, set_up_people, tear_down),
      cmocka_unit_test_setup_teardown(test_threads_and_estimates_see_the_same, set_up_people, tear_down),
      cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_can_be_stopped, set_up_people, tear_down),
      cmocka_unit_test_setup_teardown(test_short_memory, set_up, tear_down),
  };
  return cmocka_run_group_tests_name("previews", tests, NULL, NULL);
}
