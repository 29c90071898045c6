// The compiler and the machine by themselves: every instruction, both sides of every boundary, limits, memory, and that
// what columns decide is what decimals decide. Hundreds of answers are in rule_answers_test.c.
#include "rule_trial.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json_writer.h"
#include "rule/program_private.h"

#define NOW "\"now\":\"2026-03-30T10:00:00Z\",\"zone\":\"UTC\""

struct world {
  struct sample sample;
  struct sample_view view;
  struct trial trial;
};

static void open_world(struct world *world, const char *customer, const char *expression) {
  struct rule_diag diag;
  char problem[256];
  sample_init(&world->sample);
  if (sample_read(&world->sample, bytes_from_text(customer), problem) != SAMPLE_READ) fail_msg("%s", problem);
  if (trial_parse(&world->trial, bytes_from_text(expression), &world->sample, &diag) != ERR_OK)
    fail_msg("%s", diag.message);
  trial_compile(&world->trial, &world->sample);
  sample_view_init(&world->view, &world->sample, SAMPLE_HOT);
}

static void close_world(struct world *world) {
  sample_view_release(&world->view);
  trial_release(&world->trial);
  sample_release(&world->sample);
}

static struct rule_answer ask(struct world *world, int64_t now_us, bool want_until) {
  struct rule_answer answer;
  const char *problem = trial_run(&world->trial, &world->view, now_us, want_until, &answer);
  if (problem != NULL) fail_msg("%s", problem);
  return answer;
}

// The value as JSON, "unknown" or "refused".
static void expect(const char *customer, const char *expression, const char *expected) {
  struct world world;
  struct buffer out;
  struct json_writer writer;
  open_world(&world, customer, expression);
  struct rule_answer answer = ask(&world, world.sample.now_us, true);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (answer.status == RULE_UNKNOWN)
    buffer_append_text(&out, "unknown");
  else
    rule_value_to_json(&writer, &answer.value, world.sample.names);
  buffer_append_byte(&out, 0);
  if (strcmp((const char *)out.data, expected) != 0)
    fail_msg("%s: expected %s, got %s", expression, expected, (const char *)out.data);
  buffer_release(&out);
  close_world(&world);
}

// --- instructions --------------------------------------------------------------------------------------------

#define IN_HAND                                                                                                        \
  "\"this\":[\"Order\",\"2026-03-30T09:59:00Z\",{\"total\":80.75,\"list\":[1,2.5,\"x\",null]},{\"channel\":\"store\"}" \
  "]"

static const char shop[] =
    "{" NOW ",\"traits\":{\"n\":5,\"s\":\"abc\",\"o\":{\"p\":[1,2.50]},\"t\":\"2026-01-31\"},"
    "\"attributes\":{\"x\":7},\"segments\":{\"vip\":true},\"score\":{\"rfm\":{\"f\":4}},\"events\":["
    "[\"Order\",\"2026-03-01T09:00:00Z\",{\"total\":50.00,\"sku\":\"A1\",\"list\":[1,2]},{\"channel\":\"store\"}],"
    "[\"Order\",\"2026-03-02T09:00:00Z\",{\"total\":20,\"sku\":\"B2\",\"list\":[3]},{\"channel\":\"web\"}],"
    "[\"Gone\",\"2026-03-03T09:00:00Z\",{\"sku\":\"B2\"}]]," IN_HAND "}";

static const char line_in_hand[] = "{" NOW "," IN_HAND ",\"item\":{\"price\":19.90}}",
                  text_in_hand[] = "{" NOW "," IN_HAND ",\"item\":\"x\"}",
                  nothing_in_hand[] = "{" NOW ",\"this\":null,\"item\":null}";

static const struct {
  const char *customer, *expression, *answer;
} subjects[] = {
    {shop, "floor(total) * if(traits.n = 5, 2, 1)", "160"},
    {shop, "time", "\"2026-03-30T09:59:00Z\""},
    {shop, "context.channel = \"store\" and properties.total > 80", "true"},
    {shop, "total + sum(total of \"Order\")", "150.75"},
    {shop, "sum(item of this.list)", "3.5"},
    {shop, "count(this.list where item = \"x\" and time > 2026-03-30 and properties.total > 80) >= 1", "true"},
    {shop, "first(total of this where total > 1000)", "null"},
    {shop, "price", "null"},
    {line_in_hand, "price > 19 and properties.total > 80 and total is null", "true"},
    {line_in_hand, "item is null", "true"},
    {text_in_hand, "item", "\"x\""},
    {text_in_hand, "count(this.list where item = 1) + length(item)", "2"}, // the walk leaves the item in hand alone
    {nothing_in_hand, "time is null and item is null and context.channel is null and count(this) = 0", "true"},
};

static const struct {
  const char *expression, *answer;
} cases[] = {
    {"1", "1"},
    {"traits.n", "5"},
    {"traits.o.p", "[1,2.50]"},
    {"attributes.x", "7"},
    {"count(\"Order\" where sku = \"A1\")", "1"},
    {"count(\"Order\".list where item > 1)", "2"},
    {"last(time of \"Order\")", "\"2026-03-02T09:00:00Z\""},
    {"min(time of \"Order\" where sku starts with \"A\" or time > 2026-03-02)", "\"2026-03-01T09:00:00Z\""},
    {"max(total * 2 of \"Order\")", "100.00"},
    {"count(\"Order\" where sku = \"none\" or context.channel = \"web\")", "1"},
    {"count(\"Order\" where context.channel in (\"web\", \"store\"))", "2"},
    {"count(\"Order\" where context.channel not in (\"web\", \"nowhere\"))", "1"},
    {"score(\"rfm\").f", "4"},
    {"in_segment(\"vip\")", "true"},
    {"if(traits.n > 4, \"more\", \"less\")", "\"more\""},
    {"if(traits.n > 5, \"more\", \"less\")", "\"less\""},
    {"coalesce(traits.none, traits.s, 1)", "\"abc\""},
    {"traits.n = 5 and traits.s = \"abc\" and not (traits.n = 6)", "true"},
    {"traits.n = 6 or traits.s = \"x\" or traits.n >= 5", "true"},
    {"traits.n in (1, traits.n)", "true"},
    {"traits.n not in (1, traits.n)", "false"},
    {"traits.n not in (1, traits.n + 1)", "true"},
    {"traits.none not in (1, traits.n)", "false"},
    {"traits.n in (1, 5.0)", "true"},
    {"traits.none is null", "true"},
    {"traits.n is not null", "true"},
    {"traits.s matches \"^a.c$\"", "true"},
    {"traits.n != 5", "false"},
    {"traits.n < 5 or traits.n <= 4", "false"},
    {"traits.o.p contains 2.5", "true"},
    {"traits.s starts with \"ab\" and traits.s ends with \"bc\" and traits.s contains \"b\"", "true"},
    {"traits.t > now - 90 days", "true"},
    {"now - 1 day > traits.t", "true"},
    {"-traits.n + 2 * 3 - 4 / 8 % 3", "0.5"},
    {"upper(traits.s)", "\"ABC\""},
    {"count(\"Order\") >= 2 and count(\"Order\") < 3 and 2 <= count(\"Order\") and count(\"Order\") != 0", "true"},
    {"count(\"Order\") = 0 or count(\"Order\") > 2 or count(\"Order\") <= 1", "false"},
    {"count(\"Order\") >= 0 and count(\"Nobody\") <= 0", "true"},
    {"sum(total of \"Order\")", "70.00"},
    {"avg(total of \"Order\")", "35.00"},
    {"most_frequent(sku of \"Order\")", "\"B2\""},
    {"distinct(sku of \"Order\")", "2"},
    {"list(sku of \"Order\")", "[\"A1\",\"B2\"]"},
    {"sequence(\"Order\" then \"Gone\" within 1 day)", "true"},
    {"sequence(\"Order\" then \"Gone\" within 1 day by sku)", "true"},
    {"sequence(\"Order\" where sku = \"A1\" then \"Gone\" by sku)", "false"},
    {"sequence(\"Order\" then not \"Order\" then \"Gone\")", "true"},
    {"sequence(\"Gone\" then not \"Order\")", "true"},
    {"text(3 hours)", "\"PT3H\""},
    {"2026-01-31T10:00:00.5Z - 2026-01-30T10:00:00Z", "\"P1DT0.5S\""},
};

static void mark_used(const char *customer, const char *expression, bool used[RULE_CODE_COUNT]) {
  struct world world;
  open_world(&world, customer, expression);
  for (uint32_t i = 0; i < world.trial.program->code_count; i++) used[world.trial.program->code[i].opcode] = true;
  close_world(&world);
}

static void answers_with_every_instruction(void **state) {
  bool used[RULE_CODE_COUNT] = {false};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    expect(shop, cases[i].expression, cases[i].answer);
    mark_used(shop, cases[i].expression, used);
  }
  for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
    expect(subjects[i].customer, subjects[i].expression, subjects[i].answer);
    mark_used(subjects[i].customer, subjects[i].expression, used);
  }
  for (int i = 0; i < RULE_CODE_COUNT; i++)
    if (!used[i]) fail_msg("no case has the instruction %s", rule_opcode_name((enum rule_opcode)i));
}

static void runs_chains_as_long_as_a_tree_may_be(void **state) {
  struct buffer text;
  (void)state;
  buffer_init(&text);
  buffer_append_text(&text, "null");
  for (int i = 0; i < 1500; i++) buffer_append_text(&text, " or null");
  buffer_append_text(&text, " or true");
  buffer_append_byte(&text, 0);
  expect("{" NOW "}", (const char *)text.data, "true");
  buffer_clear(&text);
  buffer_append_text(&text, "1");
  for (int i = 0; i < 2000; i++) buffer_append_text(&text, "+1");
  buffer_append_byte(&text, 0);
  expect("{" NOW "}", (const char *)text.data, "2001");
  buffer_release(&text);
}

static void keeps_arrays_that_grow_inside_one_another(void **state) {
  (void)state;
  expect(shop, "if(if(traits.n in (1, 2), 1, 3) in (3, 4), traits.s matches \"b\", false)", "true");
  expect(shop, "if(if(traits.s matches \"x\", \"x\", \"b\") matches \"b\", 1, 2)", "1");
  expect(shop, "if(traits.t < now, traits.t, traits.t) > now - 1 year", "true");
}

// --- boundaries ----------------------------------------------------------------------------------------------

struct boundary {
  const char *zone, *expression, *event, *at;
  bool before, after; // at one microsecond before `at`; at it, and one microsecond later
};

static const struct boundary boundaries[] = {
    {"UTC", "exists(\"A\")", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", false, true},
    {"UTC", "exists(\"A\" in last 90 days)", "2026-03-01T10:00:00Z", "2026-05-30T10:00:00Z", true, false},
    {"UTC", "not exists(\"A\" in last 2 hours)", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z", false, true},
    {"UTC", "exists(\"A\" in last 1 month)", "2026-01-31T10:00:00Z", "2026-03-01T00:00:00Z", true, false},
    {"UTC", "exists(\"A\" in last 1 month)", "2026-02-28T10:00:00Z", "2026-03-28T10:00:00Z", true, false},
    {"UTC", "exists(\"A\" in last 2 days by day)", "2026-03-01T10:00:00Z", "2026-03-03T00:00:00Z", true, false},
    {"Europe/Paris", "exists(\"A\" in last 1 day by day)", "2026-03-28T10:00:00Z", "2026-03-28T23:00:00Z", true, false},
    {"UTC", "exists(\"A\" in previous 1 month)", "2026-02-10T10:00:00Z", "2026-03-01T00:00:00Z", false, true},
    {"UTC", "exists(\"A\" in previous 1 month)", "2026-02-10T10:00:00Z", "2026-04-01T00:00:00Z", true, false},
    {"UTC", "exists(\"A\" in previous 1 week)", "2026-03-11T10:00:00Z", "2026-03-16T00:00:00Z", false, true},
    {"UTC", "last(time of \"A\") > now - 30 days", "2026-03-01T10:00:00Z", "2026-03-31T10:00:00Z", true, false},
    {"UTC", "last(time of \"A\") >= now - 30 days", "2026-03-01T10:00:00Z", "2026-03-31T10:00:00.000001Z", true, false},
    {"UTC", "last(time of \"A\") < now - 1 month", "2026-03-01T10:00:00Z", "2026-04-01T10:00:00.000001Z", false, true},
    {"UTC", "last(time of \"A\") <= now - 1 day", "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z", false, true},
    {"UTC", "age(last(time of \"A\")) >= 18", "2008-02-29T10:00:00Z", "2026-03-01T00:00:00Z", false, true},
    {"UTC", "months_since(last(time of \"A\")) >= 1", "2026-01-31T10:00:00Z", "2026-03-01T00:00:00Z", false, true},
    {"UTC", "days_since(last(time of \"A\")) >= 2", "2026-01-31T10:00:00Z", "2026-02-02T00:00:00Z", false, true},
    {"UTC", "month() = 4", "2026-03-01T10:00:00Z", "2026-04-01T00:00:00Z", false, true},
    {"UTC", "weekday() = 1", "2026-03-01T10:00:00Z", "2026-03-02T00:00:00Z", false, true},
    {"UTC", "sequence(\"A\" then not \"B\" within 1 day)", "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z", false, true},
    {"UTC", "sequence(\"A\" then not \"B\" within 1 day in last 3 days)", "2026-03-01T10:00:00Z",
     "2026-03-04T10:00:00Z", true, false},
    {"UTC", "sequence(\"A\" then not \"B\")", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", false, true},
};

static void check_boundary(const struct boundary *boundary) {
  struct world world;
  char customer[256];
  int64_t at_us;
  snprintf(customer, sizeof customer, "{\"now\":\"2026-03-30T10:00:00Z\",\"zone\":\"%s\",\"events\":[[\"A\",\"%s\"]]}",
           boundary->zone, boundary->event);
  open_world(&world, customer, boundary->expression);
  assert_true(sample_time(world.sample.zone, bytes_from_text(boundary->at), &at_us));
  for (int64_t away_us = -1; away_us <= 1; away_us++) {
    struct rule_answer answer = ask(&world, at_us + away_us, true);
    if (rule_is_true(&answer) != (away_us < 0 ? boundary->before : boundary->after))
      fail_msg("%s: wrong %d microseconds from %s", boundary->expression, (int)away_us, boundary->at);
    if (away_us < 0) assert_true(answer.valid_until_us == at_us);
  }
  close_world(&world);
}

static void turns_at_the_microsecond(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof boundaries / sizeof boundaries[0]; i++)
    if (sample_zone(bytes_from_text(boundaries[i].zone)) != NULL) check_boundary(&boundaries[i]);
}

// The third newest order leaves on 31 March, the first one would on 5 January.
static void ends_when_the_last_one_that_matters_leaves(void **state) {
  static const char customer[] =
      "{" NOW ",\"events\":[[\"A\",\"2026-03-01T00:00:00Z\"],[\"A\",\"2026-03-02T00:00:00Z\"],"
      "[\"A\",\"2026-03-03T00:00:00Z\"],[\"A\",\"2026-03-04T00:00:00Z\"]]}";
  static const struct {
    const char *expression;
    int day; // of April at which it ends; 0: never
  } ends[] = {{"count(\"A\" in last 30 days) >= 3", 1},   {"count(\"A\" in last 31 days) > 0", 4},
              {"exists(\"A\" in last 31 days)", 4},       {"count(\"A\" in last 31 days) < 2", 3},
              {"count(\"A\" in last 31 days) >= 9", 0},   {"count(\"A\" in last 31 days)", 1},
              {"last(time of \"A\" in last 31 days)", 4}, {"sequence(\"A\" then \"A\" in last 31 days)", 3}};
  (void)state;
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    struct world world;
    int64_t first_us;
    open_world(&world, customer, ends[i].expression);
    sample_time(world.sample.zone, bytes_from_text("2026-04-01"), &first_us);
    int64_t until_us = ask(&world, world.sample.now_us, true).valid_until_us;
    int64_t expected_us = ends[i].day == 0 ? INT64_MAX : first_us + (ends[i].day - 1) * CLOCK_DAY_US;
    if (until_us != expected_us) fail_msg("%s ends at another time", ends[i].expression);
    close_world(&world);
  }
}

// --- columns -------------------------------------------------------------------------------------------------

struct cell {
  int64_t time_us, amount;
  uint32_t name, channel;
  uint8_t code;
};

static enum err give_cell(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  const struct cell *cell = context;
  (void)wanted;
  *columns = (struct rule_columns){1, &cell->time_us, &cell->name, &cell->amount, &cell->code, &cell->channel};
  return ERR_OK;
}

static enum err name_id(void *context, struct bytes name, uint32_t *id) {
  return names_intern(context, name, id, NULL);
}

static bool holds(const char *op, int order) {
  bool equal = order == 0 && (strchr(op, '=') != NULL);
  return equal || (op[0] == '<' && order < 0) || (op[0] == '>' && order > 0);
}

// Every amount, scale, comparison and literal: what the ranges say and what decimals say.
static void compares_amounts_exactly(void **state) {
  static const char *const literals[] = {"0",
                                         "50",
                                         "49.995",
                                         "-0.1",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "1E+30",
                                         "1E-30",
                                         "-9223372036854775808",
                                         "-9223372036854775809",
                                         "0.5"};
  static const int64_t amounts[] = {0, 1, -1, 5, 4999, 5000, 5001, INT64_MAX, INT64_MIN, INT64_MIN + 1, 49995};
  static const char *const ops[] = {"=", "<", "<=", ">", ">="};
  struct names *names;
  struct rule_zone *zone;
  struct rule_machine *machine;
  (void)state;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  assert_int_equal(rule_zone_open_utc(&zone), ERR_OK);
  assert_int_equal(rule_machine_open(&machine, NULL), ERR_OK);
  struct rule_compile with = {zone, name_id, names};
  for (size_t l = 0; l < sizeof literals / sizeof literals[0]; l++) {
    struct decimal literal;
    assert_int_equal(decimal_parse(bytes_from_text(literals[l]), &literal, NULL), ERR_OK);
    for (size_t o = 0; o < sizeof ops / sizeof ops[0]; o++) {
      struct trial trial;
      struct rule_diag diag;
      char text[128];
      snprintf(text, sizeof text, "exists(\"A\" where total %s %s)", ops[o], literals[l]);
      if (trial_parse(&trial, bytes_from_text(text), NULL, &diag) != ERR_OK) fail_msg("%s", diag.message);
      assert_int_equal(rule_compile(trial.tree, &with, &trial.program, NULL), ERR_OK);
      for (size_t a = 0; a < sizeof amounts / sizeof amounts[0]; a++) {
        for (int scale = 0; scale < 32; scale++) {
          struct cell cell = {0, amounts[a], names_find(names, BYTES("A")), RULE_DIM_NONE,
                              (uint8_t)(RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | scale)};
          struct rule_customer customer = {.context = &cell, .columns = give_cell};
          struct rule_answer answer;
          struct decimal amount = decimal_from_i64(amounts[a]);
          amount.exponent = (int16_t)-scale;
          assert_int_equal(rule_run(machine, trial.program, &customer, 1, false, &answer), ERR_OK);
          if (rule_is_true(&answer) != holds(ops[o], decimal_compare(amount, literal)))
            fail_msg("%s is wrong for %lld of scale %d", text, (long long)amounts[a], scale);
        }
      }
      trial_release(&trial);
    }
  }
  rule_machine_close(machine);
  rule_zone_close(zone);
  names_close(names);
}

// --- limits and memory ---------------------------------------------------------------------------------------

static enum rule_status status_within(const char *customer, const char *expression, struct rule_limits limits) {
  struct world world;
  open_world(&world, customer, expression);
  rule_machine_close(world.trial.machine);
  world.trial.machine = NULL;
  assert_int_equal(rule_machine_open(&world.trial.machine, &limits), ERR_OK);
  struct rule_answer answer = ask(&world, world.sample.now_us, true);
  if (answer.status == RULE_UNKNOWN) assert_int_equal(answer.value.type, RULE_TYPE_NULL);
  close_world(&world);
  return answer.status;
}

static void says_unknown_at_a_limit(void **state) {
  struct rule_limits plenty = RULE_LIMITS_DEFAULT, few_steps = {3, plenty.bytes}, few_bytes = {plenty.steps, 64};
  (void)state;
  assert_int_equal(status_within(shop, "count(\"Order\" where sku = \"A1\")", plenty), RULE_KNOWN);
  assert_int_equal(status_within(shop, "count(\"Order\" where sku = \"A1\")", few_steps), RULE_UNKNOWN);
  assert_int_equal(status_within(shop, "count(\"Order\") > 1", few_steps), RULE_UNKNOWN);
  assert_int_equal(status_within(shop, "distinct(sku of \"Order\")", few_bytes), RULE_UNKNOWN);
  assert_int_equal(status_within(shop, "list(sku of \"Order\")", few_bytes), RULE_UNKNOWN);
  assert_int_equal(status_within(shop, "sequence(\"Order\" then \"Gone\" by sku)", few_bytes), RULE_UNKNOWN);
  assert_int_equal(status_within("{" NOW ",\"traits\":{\"s\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}}",
                                 "traits.s matches \"^(a+)+$\"", plenty),
                   RULE_UNKNOWN);
}

static const char *const all_kinds[] = {
    "count(\"Order\" where total >= 50 and context.channel = \"store\" in last 90 days) >= 1",
    "traits.s matches \"b\" and distinct(sku of \"Order\") = 2 and upper(traits.s) = \"ABC\"",
    "sequence(\"Order\" then \"Gone\" within 1 day by sku)",
    "length(list(item of \"Order\".list)) > 1 and in_segment(\"vip\") and traits.n in (1, 5)",
    "most_frequent(sku of \"Order\") = \"B2\" and traits.t > now - 900 days",
    "distinct(item of this.list) + total > 1 and time < now and length(list(item of this.list)) = 3",
};

// What a sample gives, taken before memory is short.
struct held {
  struct rule_customer inner;
  struct rule_columns columns;
  struct value messages[8];
};

static enum err held_columns(void *context, const struct rule_events_wanted *wanted, struct rule_columns *columns) {
  (void)wanted;
  *columns = ((const struct held *)context)->columns;
  return ERR_OK;
}

static enum err held_message(void *context, size_t index, struct value *message) {
  *message = ((const struct held *)context)->messages[index];
  return ERR_OK;
}

static enum err held_trait(void *context, uint32_t name, struct value *value) {
  const struct held *held = context;
  return held->inner.trait(held->inner.context, name, value);
}

static enum err held_lookup(void *context, enum rule_function function, const struct bytes *arguments, size_t count,
                            int64_t now_us, struct rule_value *value, int64_t *until_us) {
  const struct held *held = context;
  return held->inner.lookup(held->inner.context, function, arguments, count, now_us, value, until_us);
}

static void hold(struct held *held, struct world *world) {
  const struct rule_needs *needs = rule_program_needs(world->trial.program);
  struct rule_events_wanted wanted = {
      .names = needs->events, .name_count = needs->event_count, .from_us = INT64_MIN, .to_us = INT64_MAX};
  sample_view_reset(&world->view);
  held->inner = sample_customer(&world->view);
  assert_int_equal(held->inner.columns(held->inner.context, &wanted, &held->columns), ERR_OK);
  assert_true(held->columns.count <= 8);
  for (size_t i = 0; i < held->columns.count; i++)
    assert_int_equal(held->inner.message(held->inner.context, i, &held->messages[i]), ERR_OK);
}

// Every allocation of compiling and of a first run fails once.
static void survives_short_memory(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof all_kinds / sizeof all_kinds[0]; i++) {
    struct world world;
    struct held held;
    bool failed = true;
    open_world(&world, shop, all_kinds[i]);
    hold(&held, &world);
    struct rule_customer customer = held.inner;
    customer.context = &held;
    customer.columns = held_columns;
    customer.message = held_message;
    customer.trait = held_trait;
    customer.lookup = held_lookup;
    struct rule_compile with = {world.sample.zone, sample_name_id, world.sample.names};
    for (uint64_t allowed = 0; failed; allowed++) {
      struct rule_program *program = NULL;
      struct rule_machine *machine = NULL;
      struct rule_answer answer;
      alloc_fail_after(allowed, false);
      enum err err = rule_compile(world.trial.tree, &with, &program, NULL);
      if (err == ERR_OK) err = rule_machine_open(&machine, NULL);
      if (err == ERR_OK) err = rule_run(machine, program, &customer, world.sample.now_us, true, &answer);
      failed = alloc_fail_disarm();
      // Where memory for a just-in-time compilation or a match is short PCRE2 goes on without, or the answer is
      // unknown.
      if (failed && err != ERR_OK) assert_int_equal(err, ERR_NO_MEMORY);
      if (!failed) assert_true(err == ERR_OK && rule_is_true(&answer));
      rule_machine_close(machine);
      rule_program_close(program);
      assert_true(allowed < 1000);
    }
    close_world(&world);
  }
}

// A second run over columns takes no memory at all.
static void runs_over_columns_without_memory(void **state) {
  static const char *const hot[] = {
      "count(\"Order\" where total >= 50 in last 90 days) >= 3", "sum(total of \"Order\" in last 1 month) > 5",
      "sequence(\"Order\" then \"Gone\" within 7 days in last 60 days)", "last(time of \"Order\") > now - 30 days",
      "sequence(\"Order\" where total > 1 then not \"Gone\" within 1 day)"};
  struct names *names;
  struct rule_zone *zone;
  struct rule_machine *machine;
  (void)state;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  assert_int_equal(rule_zone_open_utc(&zone), ERR_OK);
  assert_int_equal(rule_machine_open(&machine, NULL), ERR_OK);
  struct rule_compile with = {zone, name_id, names};
  for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++) {
    struct trial trial;
    struct rule_diag diag;
    struct rule_answer answer;
    if (trial_parse(&trial, bytes_from_text(hot[i]), NULL, &diag) != ERR_OK) fail_msg("%s", diag.message);
    assert_int_equal(rule_compile(trial.tree, &with, &trial.program, NULL), ERR_OK);
    struct cell cell = {0, 5000, names_find(names, BYTES("Order")), RULE_DIM_NONE,
                        RULE_AMOUNT_TOTAL << RULE_AMOUNT_SHIFT | 2};
    struct rule_customer customer = {.context = &cell, .columns = give_cell};
    assert_int_equal(rule_run(machine, trial.program, &customer, 5, true, &answer), ERR_OK);
    alloc_fail_after(0, true);
    enum err err = rule_run(machine, trial.program, &customer, 5, true, &answer);
    assert_false(alloc_fail_disarm());
    assert_int_equal(err, ERR_OK);
    trial_release(&trial);
  }
  rule_machine_close(machine);
  rule_zone_close(zone);
  names_close(names);
}

static void counts_many_values(void **state) {
  struct buffer customer;
  (void)state;
  buffer_init(&customer);
  buffer_append_text(&customer, "{" NOW ",\"events\":[");
  for (int i = 0; i < 3000; i++)
    buffer_append_format(&customer, "%s[\"A\",\"2026-03-01T09:00:00Z\",{\"k\":%d.%s}]", i == 0 ? "" : ",", i % 1500,
                         i < 1500 ? "0" : "00");
  buffer_append_text(&customer, "]}");
  buffer_append_byte(&customer, 0);
  expect((const char *)customer.data, "distinct(k of \"A\")", "1500");
  expect((const char *)customer.data, "most_frequent(k of \"A\")", "1499.00");
  expect((const char *)customer.data, "length(list(k of \"A\"))", "1000");
  expect((const char *)customer.data, "sequence(\"A\" then \"A\" by k)", "false");
  buffer_release(&customer);
}

// --- what a program says of itself ---------------------------------------------------------------------------

static void says_what_it_needs(void **state) {
  static const struct {
    const char *expression;
    size_t events, traits, lookups;
    bool details, payloads, time, future_only;
  } needs[] = {
      {"traits.n = 5 and traits.s = \"x\" and traits.n > 1", 0, 2, 0, false, false, false, false},
      {"exists(\"Order\" where total > 5)", 1, 0, 0, true, false, true, true},
      {"exists(\"Order\" where sku = \"A1\")", 1, 0, 0, true, true, true, true},
      {"exists(\"Order\" in last 1 day) or exists(\"Gone\")", 2, 0, 0, false, false, true, false},
      {"in_segment(\"vip\") or attributes.x = 1 or in_segment(\"vip\")", 0, 0, 2, false, false, true, false},
      {"age(traits.t) > 18", 0, 1, 0, false, false, true, false},
      {"sequence(\"Order\" then not \"Gone\" within 1 day)", 2, 0, 0, false, false, true, false},
      {"sequence(\"Order\" where revenue < 9 then \"Gone\")", 2, 0, 0, true, false, true, true},
      {"count(\"Order\" where context.channel = \"web\") > 1", 1, 0, 0, true, false, true, true},
      {"sum(total of \"Order\") > 1", 1, 0, 0, true, false, true, true},
      {"count(\"Order\" where price > 20) > 1", 1, 0, 0, true, false, true, true},
      {"max(total * 2 of \"Order\") > 1", 1, 0, 0, true, false, true, true},
      {"sequence(\"Order\" then \"Order\" by sku)", 1, 0, 0, true, true, true, true},
      {"total > 5 and exists(this.list where price > 1) and time < 2026-03-30", 0, 0, 0, false, false, false, false},
      {"total > 5 and exists(this where sku = \"A1\") or exists(\"Order\")", 1, 0, 0, false, false, true, true},
      {"time < now - 1 day and points(\"club\", \"credit\") > 1", 0, 0, 1, false, false, true, false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
    struct world world;
    open_world(&world, shop, needs[i].expression);
    const struct rule_needs *said = rule_program_needs(world.trial.program);
    assert_int_equal(said->event_count, needs[i].events);
    assert_int_equal(said->trait_count, needs[i].traits);
    assert_int_equal(said->lookup_count, needs[i].lookups);
    assert_int_equal(said->details, needs[i].details);
    assert_int_equal(said->payloads, needs[i].payloads);
    assert_int_equal(said->time, needs[i].time);
    assert_int_equal(said->future_only, needs[i].future_only);
    close_world(&world);
  }
}

static void prints_instructions_and_passes(void **state) {
  static const char expected[] =
      "0000  aggregate  #0\n"
      "0001  or  to 0004\n"
      "0002  trait  n\n"
      "0003  is_true\n"
      "0004  return\n"
      "0005  property  properties.sku\n"
      "0006  constant  \"A1\"\n"
      "0007  equal\n"
      "0008  is_true\n"
      "0009  return\n"
      "aggregate #0: count \"Order\" in last 90 days, at least 3, column amount: total >= 50, "
      "where at 0005\n"
      "passes over the events: 1; messages: read\n";
  struct world world;
  struct buffer out;
  (void)state;
  open_world(&world, shop, "count(\"Order\" where total >= 50 and sku = \"A1\" in last 90 days) >= 3 or traits.n");
  buffer_init(&out);
  rule_program_print(world.trial.program, &out);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data, expected);
  buffer_release(&out);
  close_world(&world);
}

static void prints_what_is_in_hand(void **state) {
  static const char expected[] =
      "0000  property  this item.price\n"
      "0001  coalesce  to 0007\n"
      "0002  property  this.context.channel\n"
      "0003  coalesce  to 0007\n"
      "0004  subject_time\n"
      "0005  coalesce  to 0007\n"
      "0006  aggregate  #0\n"
      "0007  return\n"
      "0008  property  this.properties.total\n"
      "0009  constant  50\n"
      "0010  greater\n"
      "0011  is_true\n"
      "0012  return\n"
      "0013  property  item.price\n"
      "0014  return\n"
      "aggregate #0: sum this, items this.properties.list, of the value at 0013, where at 0008\n"
      "passes over the events: 0; messages: only where a column does not know\n";
  struct world world;
  struct buffer out;
  (void)state;
  open_world(&world, line_in_hand,
             "coalesce(price, context.channel, time, sum(price of this.list where properties.total > 50))");
  buffer_init(&out);
  rule_program_print(world.trial.program, &out);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data, expected);
  buffer_release(&out);
  close_world(&world);
}

// The event in hand and each of its items is a step.
static void counts_what_is_in_hand(void **state) {
  (void)state;
  struct rule_limits enough = {7, 4096}, too_few = {6, 4096}; // 2 instructions, an event, 4 items
  assert_int_equal(status_within(shop, "count(this.list)", enough), RULE_KNOWN);
  assert_int_equal(status_within(shop, "count(this.list)", too_few), RULE_UNKNOWN);
}

// The first instruction of a program, which says what is asked first.
static void expect_first(const char *expression, const char *first) {
  struct world world;
  struct buffer out;
  open_world(&world, shop, expression);
  buffer_init(&out);
  rule_program_print(world.trial.program, &out);
  buffer_append_byte(&out, 0);
  if (strncmp((const char *)out.data, first, strlen(first)) != 0) fail_msg("%s:\n%s", expression, (char *)out.data);
  buffer_release(&out);
  close_world(&world);
}

static void asks_traits_before_events(void **state) {
  (void)state;
  expect_first("exists(\"Order\") and traits.n > 1", "0000  trait");
  expect_first("age(traits.n) > 1 and exists(\"Order\") and (traits.n > 1 or not traits.m)",
               "0000  trait  n\n0001  const");
  expect_first("exists(\"Order\") and traits.n > now", "0000  aggregate");
  expect_first("exists(\"Order\") or traits.n > 1", "0000  aggregate");
  // Nothing is moved past what may be unknown.
  expect_first("exists(\"Order\") and in_segment(\"a\") and traits.n > 1", "0000  aggregate");
  expect_first("exists(\"Order\" where sku matches \"a+\") and traits.n > 1", "0000  aggregate");
  expect_first("exists(\"Order\" where attributes.a = sku) and traits.n > 1", "0000  aggregate");
}

static int close_zones(void **state) {
  (void)state;
  sample_close_zones();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_with_every_instruction),
      cmocka_unit_test(runs_chains_as_long_as_a_tree_may_be),
      cmocka_unit_test(keeps_arrays_that_grow_inside_one_another),
      cmocka_unit_test(turns_at_the_microsecond),
      cmocka_unit_test(ends_when_the_last_one_that_matters_leaves),
      cmocka_unit_test(compares_amounts_exactly),
      cmocka_unit_test(says_unknown_at_a_limit),
      cmocka_unit_test(survives_short_memory),
      cmocka_unit_test(runs_over_columns_without_memory),
      cmocka_unit_test(counts_many_values),
      cmocka_unit_test(says_what_it_needs),
      cmocka_unit_test(prints_instructions_and_passes),
      cmocka_unit_test(prints_what_is_in_hand),
      cmocka_unit_test(counts_what_is_in_hand),
      cmocka_unit_test(asks_traits_before_events),
  };
  return cmocka_run_group_tests_name("rule machine", tests, NULL, close_zones);
}
