// Expressions over a workspace: counts at several instants and in any number of threads, lists in pages, refusals with
// their place, explanations, the time zone; and all of it with the n-th allocation failing.
#include "engine_live_kit.h"
#include "engine_read_fixture.h"

#include "base/alloc.h"
#include "engine/query.h"
#include "rule/zone.h"

enum { DAY = 24 * 3600, CROWD = 3000 };

static struct kit kit;

// u1 and u2 order, u3 does not; cy has no event of his own: the one that named him belongs to u3.
static const char *const lines[] = {
    "message identify t=10 user_id:u1 email:zoe@x.org {\"traits\":{\"firstName\":\"Zoé, "
    "\\\"la\\\"\",\"country\":\"FR\"}}",
    "message track t=86400 user_id:u1 name=Order+Completed "
    "{\"properties\":{\"total\":27.50,\"items\":[{\"sku\":\"a\"}]}}",
    "message track t=172800 user_id:u1 name=Order+Completed {\"properties\":{\"total\":30}}",
    "message identify t=20 user_id:u2 email:bob@x.org {\"traits\":{\"firstName\":\"Bob\",\"country\":\"BE\"}}",
    "message track t=864000 user_id:u2 email:new@x.org name=Order+Completed {\"properties\":{\"total\":99.99}}",
    "message track t=40 user_id:u3 email:cy@x.org {}",
    "split user_id:u3 email:cy@x.org",
};

static int set_up(void **state) {
  return read_set_up(state, &kit, lines, sizeof lines / sizeof *lines);
}

// --- asking --------------------------------------------------------------------------------------------------

struct asked {
  struct engine_view *view;
  struct engine_query *query;
  struct rule_diag refusal;
  struct diag diag;
};

static enum err ask(struct asked *asked, const struct engine_query_options *options) {
  *asked = (struct asked){.view = NULL};
  diag_init(&asked->diag);
  enum err err = engine_view_open(kit.engine, &asked->view);
  if (err == ERR_OK) err = engine_query_open(asked->view, options, &asked->query, &asked->refusal, &asked->diag);
  return err;
}

static void stop_asking(struct asked *asked) {
  engine_query_close(asked->query);
  engine_view_close(asked->view);
}

static struct engine_query_options as_of(const char *text, int64_t at_s) {
  return (struct engine_query_options){
      .text = bytes_from_text(text), .has_at = at_s >= 0, .at_us = KIT_EPOCH_US + at_s * CLOCK_SECOND_US};
}

static struct engine_query_count count_of(const struct engine_query_options *options) {
  struct engine_query_count count;
  struct asked asked;
  if (ask(&asked, options) != ERR_OK) fail_msg("%s", asked.diag.message);
  assert_int_equal(engine_query_count(asked.query, NULL, NULL, &count, &asked.diag), ERR_OK);
  stop_asking(&asked);
  return count;
}

static enum err append(void *context, struct bytes text, struct diag *diag) {
  struct buffer *out = context;
  buffer_append_bytes(out, text);
  return out->failed ? diag_no_memory(diag) : ERR_OK;
}

static enum err list_into(struct asked *asked, const char *fields, struct engine_query_list *list, struct buffer *out) {
  struct bytes rest = bytes_from_text(fields), field;
  enum err err = ERR_OK;
  list->write = append;
  list->context = out;
  while (err == ERR_OK && engine_query_next_field(&rest, &field))
    err = engine_query_add_field(asked->query, field, &asked->refusal, &asked->diag);
  return err == ERR_OK ? engine_query_list(asked->query, list, &asked->diag) : err;
}

static void expect_list(const char *text, const char *fields, struct engine_query_list list, const char *expected) {
  struct engine_query_options options = as_of(text, -1);
  struct buffer out;
  struct asked asked;
  buffer_init(&out);
  if (ask(&asked, &options) != ERR_OK) fail_msg("%s", asked.diag.message);
  if (list_into(&asked, fields, &list, &out) != ERR_OK) fail_msg("%s", asked.diag.message);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data, expected);
  buffer_release(&out);
  stop_asking(&asked);
}

// --- counts --------------------------------------------------------------------------------------------------

static void test_counts_at_instants(void **state) {
  static const struct {
    const char *text;
    int64_t at_s; // -1: now
    uint64_t members;
  } cases[] = {
      {"true", -1, 4},
      {"false", -1, 0},
      {"exists(\"Order Completed\")", -1, 2},
      {"not exists(\"Order Completed\")", -1, 2}, // u3, and cy who has no events
      {"exists(\"Order Completed\")", DAY - 1, 0},
      {"exists(\"Order Completed\")", DAY, 1},
      {"not exists(\"Order Completed\")", DAY, 3},
      {"sum(total of \"Order Completed\") > 50", 2 * DAY - 1, 0},
      {"sum(total of \"Order Completed\") > 50", 2 * DAY, 1},
      {"count(\"Order Completed\" in last 1 day) = 1", 3 * DAY - 1, 1},
      {"count(\"Order Completed\" in last 1 day) = 1", 3 * DAY, 0},
      {"traits.country = \"FR\"", -1, 1},
      {"traits.country is null", -1, 2},
      {"traits.country = \"BE\" and max(total of \"Order Completed\") > 99", -1, 1},
      {"exists(\"Order Completed\".items where sku = \"a\")", -1, 1},
      {"exists(\"Never Heard Of\")", -1, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct engine_query_options options = as_of(cases[i].text, cases[i].at_s);
    struct engine_query_count count = count_of(&options);
    if (count.members != cases[i].members) fail_msg("%s: %llu", cases[i].text, (unsigned long long)count.members);
    assert_int_equal(count.unknown, 0);
    assert_int_equal(count.customers, 4);
  }
}

static void add_crowd(void) {
  for (int i = 0; i < CROWD; i++) {
    char line[256];
    snprintf(line, sizeof line, "message track t=%d user_id:crowd%d name=Seen {\"properties\":{\"n\":%d}}", 1000 + i, i,
             i);
    read_line(&kit, line);
  }
}

struct watch {
  uint64_t calls, last, stop_after;
};

static bool look_on(void *context, uint64_t done, uint64_t total) {
  struct watch *watch = context;
  assert_true(done >= watch->last && done <= total);
  watch->last = done;
  return ++watch->calls != watch->stop_after;
}

static void test_any_number_of_threads_counts_the_same(void **state) {
  (void)state;
  kit.check_each = false;
  add_crowd();
  for (unsigned threads = 0; threads <= QUERY_THREADS_MAX + 1; threads++) {
    struct engine_query_options options = as_of("last(n of \"Seen\") % 3 = 0", -1);
    struct engine_query_count count;
    struct watch watch = {0};
    struct asked asked;
    options.threads = threads;
    assert_int_equal(ask(&asked, &options), ERR_OK);
    assert_int_equal(engine_query_count(asked.query, look_on, &watch, &count, &asked.diag), ERR_OK);
    assert_int_equal(count.members, CROWD / 3);
    assert_int_equal(count.customers, CROWD + 4);
    assert_true(watch.calls > 0);
    watch = (struct watch){.stop_after = 1};
    assert_int_equal(engine_query_count(asked.query, look_on, &watch, &count, &asked.diag), ERR_STOPPED);
    assert_string_equal(asked.diag.code, "stopped");
    stop_asking(&asked);
  }
}

static void test_what_meets_a_limit_is_unknown(void **state) {
  struct engine_query_options options = as_of("traits.email matches \"(a+)+$\"", -1);
  char line[512];
  (void)state;
  snprintf(line, sizeof line, "message identify t=50 user_id:u4 {\"traits\":{\"email\":\"%0200d!\"}}", 0);
  for (char *at = line; *at != '\0'; at++)
    if (*at == '0' && at > strstr(line, "email")) *at = 'a';
  read_line(&kit, line);
  struct engine_query_count count = count_of(&options);
  assert_int_equal(count.members, 0);
  assert_int_equal(count.unknown, 1);
}

// --- lists ---------------------------------------------------------------------------------------------------

static void test_lists(void **state) {
  (void)state;
  expect_list("true", "", (struct engine_query_list){0},
              "{\"id\":\"c1\"}\n{\"id\":\"c2\"}\n{\"id\":\"c3\"}\n{\"id\":\"c4\"}\n");
  expect_list("not exists(\"Order Completed\")", "id", (struct engine_query_list){0},
              "{\"id\":\"c3\"}\n{\"id\":\"c4\"}\n");
  expect_list("exists(\"Order Completed\")", "id,email,traits.country,spent=sum(total of \"Order Completed\")",
              (struct engine_query_list){0},
              "{\"id\":\"c1\",\"email\":\"zoe@x.org\",\"traits.country\":\"FR\",\"spent\":57.50}\n"
              "{\"id\":\"c2\",\"email\":\"new@x.org\",\"traits.country\":\"BE\",\"spent\":99.99}\n");
  expect_list(
      "exists(\"Order Completed\")",
      "name = traits.firstName, when=first(time of \"Order Completed\"),sku=list(sku of \"Order Completed\".items),"
      "none=traits.none",
      (struct engine_query_list){.format = ENGINE_QUERY_CSV},
      "name,when,sku,none\n"
      "\"Zoé, \"\"la\"\"\",2026-01-02T00:00:00Z,\"[\"\"a\"\"]\",\n"
      "Bob,2026-01-11T00:00:00Z,[],\n");
  expect_list("true", "id", (struct engine_query_list){.format = ENGINE_QUERY_ITEMS, .limit = 2},
              "{\"id\":\"c1\"},{\"id\":\"c2\"}");
  expect_list("true", "id", (struct engine_query_list){.after = 2, .limit = 2}, "{\"id\":\"c3\"}\n{\"id\":\"c4\"}\n");
}

static void test_pages_are_the_whole(void **state) {
  struct engine_query_options options = as_of("last(n of \"Seen\") % 7 = 0", -1);
  struct engine_query_list whole = {.limit = 0};
  struct buffer all, paged;
  struct asked asked;
  uint64_t rows = 0;
  (void)state;
  kit.check_each = false;
  add_crowd();
  buffer_init(&all);
  buffer_init(&paged);
  assert_int_equal(ask(&asked, &options), ERR_OK);
  assert_int_equal(list_into(&asked, "id", &whole, &all), ERR_OK);
  assert_false(whole.more);
  for (struct engine_query_list page = {.more = true, .limit = 100}; page.more;) {
    page = (struct engine_query_list){.after = page.last, .limit = 100};
    assert_int_equal(list_into(&asked, "", &page, &paged), ERR_OK);
    rows += page.rows;
  }
  assert_int_equal(rows, whole.rows);
  assert_true(bytes_equal(buffer_view(&all), buffer_view(&paged)));
  stop_asking(&asked);
  buffer_release(&all);
  buffer_release(&paged);
}

static void test_fields_are_parted_at_commas_outside(void **state) {
  static const char *const expected[] = {"id", "a=max(x of \"O, (\" where y in (1, 2))", "traits.\"b,c\"", "", "d"};
  struct bytes rest = BYTES("id, a=max(x of \"O, (\" where y in (1, 2)) ,traits.\"b,c\",,d"), field;
  (void)state;
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    assert_true(engine_query_next_field(&rest, &field));
    assert_true(bytes_equal(field, bytes_from_text(expected[i])));
  }
  assert_false(engine_query_next_field(&rest, &field));
}

// --- refusals ------------------------------------------------------------------------------------------------

static void test_refusals(void **state) {
  static const struct {
    const char *text, *code;
    unsigned line, column;
  } cases[] = {
      {"cont(\"Order Completed\") > 1", "unknown_function", 1, 1}, {"true and\n  lower(3) = \"a\"", "wrong_type", 2, 9},
      {"sum(total of \"Order Completed\")", "wrong_type", 1, 1}, // no condition
      {"in_segment(\"vip\")", "unknown_segment", 1, 12},           {"1 <", "unfinished", 1, 4},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct engine_query_options options = as_of(cases[i].text, -1);
    struct asked asked;
    assert_int_equal(ask(&asked, &options), ERR_INVALID);
    assert_string_equal(asked.refusal.code, cases[i].code);
    assert_string_equal(asked.diag.code, cases[i].code);
    assert_int_equal(asked.refusal.place.line, cases[i].line);
    assert_int_equal(asked.refusal.place.column, cases[i].column);
    stop_asking(&asked);
  }
}

static void test_what_is_not_as_of_then(void **state) {
  struct engine_query_options options = as_of("traits.country = \"FR\" or traits.country = \"BE\"", DAY);
  struct asked asked;
  (void)state;
  assert_int_equal(ask(&asked, &options), ERR_OK);
  struct engine_query_notes notes = engine_query_notes(asked.query);
  assert_string_equal(notes.not_as_of, "only events are as of the time asked for; these are as of now: traits.country");
  assert_int_equal(engine_query_add_field(asked.query, BYTES("email"), NULL, &asked.diag), ERR_OK);
  notes = engine_query_notes(asked.query);
  assert_non_null(strstr(notes.not_as_of, "traits.country, email"));
  stop_asking(&asked);
  options.strict = true;
  assert_int_equal(ask(&asked, &options), ERR_INVALID);
  assert_string_equal(asked.diag.code, "not_as_of");
  assert_string_equal(asked.refusal.code, "");
  stop_asking(&asked);
  options.text = BYTES("exists(\"Order Completed\")");
  assert_int_equal(ask(&asked, &options), ERR_OK);
  assert_null(engine_query_notes(asked.query).not_as_of);
  stop_asking(&asked);
}

static void test_bad_fields(void **state) {
  static const char *const fields[] = {"nothing", "", "id", "spent=", "traits."};
  struct engine_query_options options = as_of("true", -1);
  struct asked asked;
  (void)state;
  assert_int_equal(ask(&asked, &options), ERR_OK);
  assert_int_equal(engine_query_add_field(asked.query, BYTES("id"), &asked.refusal, &asked.diag), ERR_OK);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    assert_int_equal(engine_query_add_field(asked.query, bytes_from_text(fields[i]), &asked.refusal, &asked.diag),
                     ERR_INVALID);
  assert_string_equal(asked.refusal.code, "unfinished");
  stop_asking(&asked);
}

static void test_tells_conditions_from_values(void **state) {
  static const struct {
    const char *text;
    bool condition;
  } cases[] = {{"true", true}, {"traits.vip", true}, {"null", true}, {"1 + 1", false}, {"lower(traits.x)", false}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct engine_query_options options = as_of(cases[i].text, -1);
    struct asked asked;
    options.any_value = true;
    assert_int_equal(ask(&asked, &options), ERR_OK);
    assert_int_equal(engine_query_is_condition(asked.query), cases[i].condition);
    stop_asking(&asked);
    options.any_value = false;
    assert_int_equal(ask(&asked, &options), cases[i].condition ? ERR_OK : ERR_INVALID);
    stop_asking(&asked);
  }
}

static void test_warnings_name_what_was_meant(void **state) {
  struct engine_query_options options = as_of("exists(\"Ordr Completed\")", -1);
  struct asked asked;
  (void)state;
  assert_int_equal(ask(&asked, &options), ERR_OK);
  struct engine_query_notes notes = engine_query_notes(asked.query);
  assert_int_equal(notes.warning_count, 1);
  assert_string_equal(notes.warnings[0].code, "unknown_event");
  assert_string_equal(notes.warnings[0].nearest, "Order Completed");
  stop_asking(&asked);
}

// --- explanations --------------------------------------------------------------------------------------------

static void explain(const char *text, uint64_t customer, struct buffer *out) {
  struct engine_query_options options = as_of(text, -1);
  struct json_writer writer;
  struct asked asked;
  options.any_value = true;
  json_writer_init(&writer, out);
  if (ask(&asked, &options) != ERR_OK) fail_msg("%s", asked.diag.message);
  assert_int_equal(engine_query_explain(asked.query, customer, &writer, &asked.diag), ERR_OK);
  buffer_append_byte(out, 0);
  stop_asking(&asked);
}

static void test_explains_value_by_value(void **state) {
  static const char *const parts[] = {
      "\"customer\":\"c1\",\"value\":true,\"unknown\":false,\"until\":\"2026-12-28T00:00:00.000Z\"",
      " in last 360 days)\",\"value\":57.50,\"unknown\":false,\"until\":\"2026-12-28T00:00:00.000Z\",\"matched\":2}",
      "{\"depth\":1,\"expression\":\"traits.country = \\\"FR\\\"\",\"value\":true",
      "{\"depth\":2,\"expression\":\"traits.country\",\"value\":\"FR\"",
      "\"needs\":{\"events\":[\"Order Completed\"],\"traits\":[\"country\"]",
  };
  struct buffer out;
  (void)state;
  buffer_init(&out);
  explain("traits.country = \"FR\" and sum(total of \"Order Completed\" in last 360 days) > 50 and "
          "last(time of \"Order Completed\") > now - 400 days",
          1, &out);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (strstr((const char *)out.data, parts[i]) == NULL) fail_msg("no %s in %s", parts[i], (const char *)out.data);
  }
  buffer_clear(&out);
  explain("1 + count(\"Order Completed\")", 0, &out);
  assert_null(strstr((const char *)out.data, "\"value\""));
  assert_non_null(strstr((const char *)out.data, "\"program\":\"0000"));
  buffer_release(&out);
}

static void test_explains_long_chains(void **state) {
  char text[RULE_TEXT_BYTES_MAX];
  struct buffer out;
  (void)state;
  size_t used = (size_t)snprintf(text, sizeof text, "true");
  while (used < 8000) used += (size_t)snprintf(text + used, sizeof text - used, " or 1 = 2");
  buffer_init(&out);
  explain(text, 1, &out);
  assert_non_null(strstr((const char *)out.data, "\"truncated\":true"));
  buffer_release(&out);
}

// --- segments and attributes ---------------------------------------------------------------------------------

static void test_asks_segments_and_attributes(void **state) {
  static const struct {
    const char *text;
    uint64_t members;
  } cases[] = {
      {"in_segment(\"buyers\")", 2},
      {"not in_segment(\"buyers\")", 2},
      {"in_segment(\"buyers\") and attributes.spent > 60", 1},
      {"attributes.spent = 57.50 and not exists(\"Order Completed\" in last 1 day)", 1},
      {"attributes.favourite = \"FR!\" and attributes.spent > 50", 1}, // two texts of one run
  };
  struct engine_query_options options = as_of("in_segment(\"buyers\") or attributes.spent > 1", DAY);
  struct asked asked;
  (void)state;
  live_put(&kit, "{\"id\":\"buyers\",\"include\":\"exists(\\\"Order Completed\\\")\"}");
  live_put(&kit, "{\"id\":\"spent\",\"kind\":\"attribute\",\"expression\":\"sum(total of \\\"Order Completed\\\")\"}");
  live_put(&kit,
           "{\"id\":\"favourite\",\"kind\":\"attribute\",\"expression\":\"if(traits.country = \\\"FR\\\", \\\"FR!\\\", "
           "\\\"-\\\")\"}");
  live_settle(&kit);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct engine_query_options now = as_of(cases[i].text, -1);
    struct engine_query_count count = count_of(&now);
    if (count.members != cases[i].members) fail_msg("%s: %llu", cases[i].text, (unsigned long long)count.members);
  }
  expect_list("in_segment(\"buyers\")", "id,attributes.spent,attributes.favourite", (struct engine_query_list){0},
              "{\"id\":\"c1\",\"attributes.spent\":57.50,\"attributes.favourite\":\"FR!\"}\n"
              "{\"id\":\"c2\",\"attributes.spent\":99.99,\"attributes.favourite\":\"-\"}\n");
  assert_int_equal(ask(&asked, &options), ERR_OK);
  assert_non_null(strstr(engine_query_notes(asked.query).not_as_of, "in_segment(\"buyers\")"));
  assert_non_null(strstr(engine_query_notes(asked.query).not_as_of, "attributes.spent"));
  stop_asking(&asked);
}

// --- the time zone -------------------------------------------------------------------------------------------

static enum err put_zone(const char *name, struct diag *diag) {
  struct engine_commit commit = {0};
  diag_init(diag);
  return engine_zone_put(kit.engine, bytes_from_text(name), BYTES("ana"), &commit, diag);
}

static void test_the_zone_is_the_workspaces(void **state) {
  static const char *const bad[] = {"", "/etc/passwd", "../../etc/passwd", "Europe/Nowhere", "Europe", "a b"};
  struct engine_options options = {.store = kit.store, .clock = &kit.clock};
  struct engine_query_options today = as_of("day(2026-01-02T23:30:00Z) = 3", -1);
  struct diag diag;
  (void)state;
  assert_string_equal(rule_zone_name(engine_zone(kit.engine)), "UTC");
  assert_int_equal(count_of(&today).members, 0);
  enum err err = put_zone("Europe/Paris", &diag);
  if (err == ERR_NOT_FOUND) {
    print_message("skipped: %s\n", diag.message);
    return;
  }
  assert_int_equal(err, ERR_OK);
  assert_int_equal(count_of(&today).members, 4);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(put_zone(bad[i], &diag), ERR_INVALID);
    assert_string_equal(diag.code, "bad_timezone");
  }
  assert_int_equal(put_zone("Europe/Pariss", &diag), ERR_INVALID);
  assert_non_null(strstr(diag.message, "did you mean Europe/Paris?"));
  engine_close(kit.engine);
  assert_int_equal(engine_open(&kit.engine, &options, &diag), ERR_OK);
  assert_string_equal(rule_zone_name(engine_zone(kit.engine)), "Europe/Paris");
  assert_int_equal(put_zone("UTC", &diag), ERR_OK);
  assert_string_equal(rule_zone_name(engine_zone(kit.engine)), "UTC");
}

// --- short memory --------------------------------------------------------------------------------------------

enum deed { COUNT, LIST, EXPLAIN, ZONE, DEED_COUNT };

static enum err carry_out(struct asked *asked, enum deed deed, struct buffer *out) {
  struct engine_query_options options = as_of("sum(total of \"Order Completed\") > 50 and traits.country = \"FR\"", -1);
  struct engine_query_list list = {.format = ENGINE_QUERY_CSV};
  struct json_writer writer;
  options.threads = 1;
  json_writer_init(&writer, out);
  if (deed == ZONE) return put_zone("Europe/Paris", &asked->diag);
  enum err err = ask(asked, &options);
  if (err != ERR_OK) return err;
  if (deed == COUNT) return engine_query_count_json(asked->query, NULL, NULL, &writer, &asked->diag);
  if (deed == LIST) return list_into(asked, "id,email,last(total of \"Order Completed\")", &list, out);
  return engine_query_explain(asked->query, 1, &writer, &asked->diag);
}

static bool try_with(enum deed deed, uint64_t allowed) {
  struct asked asked = {.view = NULL};
  struct buffer out;
  buffer_init(&out);
  alloc_fail_after(allowed, false);
  enum err err = carry_out(&asked, deed, &out);
  bool failed = alloc_fail_disarm();
  assert_true(err == ERR_OK || err == ERR_NO_MEMORY || (deed == ZONE && err == ERR_NOT_FOUND));
  if (!failed) assert_int_not_equal(err, ERR_NO_MEMORY);
  stop_asking(&asked);
  buffer_release(&out);
  return !failed;
}

static void test_short_memory(void **state) {
  (void)state;
  for (enum deed deed = COUNT; deed < DEED_COUNT; deed++) {
    uint64_t allowed = 0;
    while (!try_with(deed, allowed)) assert_true(++allowed < 100000);
    assert_true(allowed > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_counts_at_instants, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_any_number_of_threads_counts_the_same, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_what_meets_a_limit_is_unknown, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_lists, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_pages_are_the_whole, set_up, read_tear_down),
      cmocka_unit_test(test_fields_are_parted_at_commas_outside),
      cmocka_unit_test_setup_teardown(test_refusals, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_what_is_not_as_of_then, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_bad_fields, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_tells_conditions_from_values, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_warnings_name_what_was_meant, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_explains_value_by_value, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_explains_long_chains, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_asks_segments_and_attributes, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_the_zone_is_the_workspaces, set_up, read_tear_down),
      cmocka_unit_test_setup_teardown(test_short_memory, set_up, read_tear_down),
  };
  return cmocka_run_group_tests_name("expressions over a workspace", tests, NULL, NULL);
}
