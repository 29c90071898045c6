// Definitions of segments, lists and attributes: what is taken, what is refused and where, that the stored form and the
// JSON come back, and stable shares.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "segment/definition.h"

struct fixture {
  struct names *names;
  struct value_parser *parser;
  struct arena arena;
  struct buffer packed;
  struct segment_definition definition;
  struct rule_check warnings;
  struct segment_mistake mistake;
  struct diag diag;
};

static int setup(void **state) {
  struct fixture *fixture = calloc(1, sizeof *fixture);
  assert_non_null(fixture);
  assert_int_equal(names_open(&fixture->names, NULL, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&fixture->parser), ERR_OK);
  arena_init(&fixture->arena, 0);
  buffer_init(&fixture->packed);
  *state = fixture;
  return 0;
}

static int teardown(void **state) {
  struct fixture *fixture = *state;
  buffer_release(&fixture->packed);
  arena_release(&fixture->arena);
  value_parser_close(fixture->parser);
  names_close(fixture->names);
  free(fixture);
  return 0;
}

static struct value pack_json(struct fixture *fixture, const char *json) {
  buffer_clear(&fixture->packed);
  struct diag diag;
  enum err err = value_parse_json(fixture->parser, bytes_from_text(json), fixture->names, &fixture->packed, &diag);
  if (err != ERR_OK) fail_msg("%s: %s", json, diag.message);
  return (struct value){buffer_view(&fixture->packed)};
}

static enum err try_read(struct fixture *fixture, const char *json, const struct rule_catalog *catalog) {
  return segment_definition_read(pack_json(fixture, json), fixture->names, catalog, &fixture->arena,
                                 &fixture->definition, &fixture->warnings, &fixture->mistake, &fixture->diag);
}

static const struct segment_definition *read_json(struct fixture *fixture, const char *json) {
  if (try_read(fixture, json, NULL) != ERR_OK) fail_msg("%s: %s: %s", json, fixture->diag.field, fixture->diag.message);
  buffer_clear(&fixture->packed); // nothing points into the document
  buffer_append_text(&fixture->packed, "overwritten, overwritten, overwritten, overwritten, overwritten");
  return &fixture->definition;
}

static void assert_bytes(struct bytes bytes, const char *text) {
  if (!bytes_equal(bytes, bytes_from_text(text))) fail_msg("\"%.*s\" is not \"%s\"", BYTES_ARG(bytes), text);
}

// The person's members and nothing of the workspace.
static void assert_json(struct fixture *fixture, const struct segment_definition *definition, const char *json) {
  struct buffer out;
  struct json_writer writer;
  (void)fixture;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  segment_definition_json(definition, &writer);
  json_object_end(&writer);
  assert_bytes(buffer_view(&out), json);
  buffer_release(&out);
}

static const char FULL[] =
    "{\"id\":\"vip-1\",\"name\":\"Good customers\",\"description\":\"Pas facile à perdre\",\"kind\":\"segment\","
    "\"include\":\"sum(total of \\\"Order Completed\\\") > 500\","
    "\"exclude\":[{\"name\":\"complaint\",\"when\":\"exists(\\\"Ticket Opened\\\" in last 30 days)\"},"
    "{\"name\":\"staff\",\"when\":\"traits.staff = true\"}],"
    "\"limit\":{\"top\":1000,\"by\":\"attributes.value\"},\"control\":0.1,"
    "\"variants\":[{\"name\":\"a\",\"share\":0.25},{\"name\":\"b\",\"share\":0.7501}]}";

static void test_full(void **state) {
  struct fixture *fixture = *state;
  // 0.25 + 0.7501 is more than the whole.
  assert_int_equal(try_read(fixture, FULL, NULL), ERR_INVALID);
  assert_string_equal(fixture->diag.code, "too_large");
  assert_string_equal(fixture->diag.field, "variants");
  char json[1024];
  snprintf(json, sizeof json, "%s", FULL);
  memcpy(strstr(json, "0.7501"), "0.7500", 6);
  const struct segment_definition *read = read_json(fixture, json);
  assert_bytes(read->id, "vip-1");
  assert_bytes(read->name, "Good customers");
  assert_int_equal(read->kind, SEGMENT_EXPRESSION);
  assert_bytes(read->include, "sum(total of \"Order Completed\") > 500");
  assert_int_equal(read->exclusion_count, 2);
  assert_bytes(read->exclusions[1].name, "staff");
  assert_bytes(read->exclusions[1].when, "traits.staff = true");
  assert_int_equal(read->limit, 1000);
  assert_bytes(read->limit_by, "attributes.value");
  assert_int_equal(read->control, 1000);
  assert_int_equal(read->variant_count, 2);
  assert_int_equal(read->variants[0].share, 2500);
  assert_int_equal(read->variants[1].share, 7500);
  assert_int_equal(read->status, SEGMENT_BUILDING);
}

static void test_defaults(void **state) {
  struct fixture *fixture = *state;
  const struct segment_definition *read = read_json(fixture, "{\"id\":\"a\",\"include\":\"true\"}");
  assert_int_equal(read->kind, SEGMENT_EXPRESSION);
  assert_bytes(read->name, "a");
  assert_int_equal(read->variant_count, 0);
  assert_int_equal(read->limit, 0);
  read = read_json(fixture, "{\"kind\":\"list\",\"id\":\"guests\",\"control\":1}");
  assert_int_equal(read->kind, SEGMENT_LIST);
  assert_int_equal(read->control, SEGMENT_SHARE_UNIT);
  read = read_json(fixture, "{\"id\":\"v\",\"kind\":\"attribute\",\"expression\":\"count(\\\"A\\\") + 1\"}");
  assert_int_equal(read->kind, SEGMENT_ATTRIBUTE);
  assert_bytes(read->include, "count(\"A\") + 1");
  read = read_json(fixture, "{\"id\":\"r\",\"include\":\"true\",\"limit\":{\"random\":5}}");
  assert_int_equal(read->limit, 5);
  assert_int_equal(read->limit_by.size_bytes, 0);
  read = read_json(fixture, "{\"id\":\"r\",\"include\":\"true\",\"limit\":null,\"exclude\":[],\"variants\":[]}");
  assert_int_equal(read->limit, 0);
}

static void test_equal_shares(void **state) {
  struct fixture *fixture = *state;
  const struct segment_definition *read = read_json(
      fixture, "{\"id\":\"a\",\"include\":\"true\",\"variants\":[{\"name\":\"x\"},{\"name\":\"y\"},{\"name\":\"z\"}]}");
  assert_int_equal(read->variants[0].share, 3334);
  assert_int_equal(read->variants[1].share, 3333);
  assert_int_equal(read->variants[2].share, 3333);
}

static void test_refused(void **state) {
  static const struct {
    const char *json, *code, *field, *message; // a part of the message
  } CASES[] = {
      {"[]", "wrong_type", "", "an object"},
      {"{}", "missing_member", "id", "id"},
      {"{\"id\":\"a\"}", "missing_member", "include", "members"},
      {"{\"id\":\"a\",\"kind\":\"attribute\"}", "missing_member", "expression", "value"},
      {"{\"id\":\"a\",\"kind\":\"segmant\"}", "unknown_word", "kind", "\"segment\""},
      {"{\"id\":\"a\",\"kind\":1}", "wrong_type", "kind", "a text"},
      {"{\"id\":\"a\",\"inclde\":\"true\"}", "unknown_member", "inclde", "\"include\""},
      {"{\"id\":\"a\",\"kind\":\"list\",\"include\":\"true\"}", "unknown_member", "include", "\"list\""},
      {"{\"id\":\"a\",\"kind\":\"attribute\",\"variants\":[]}", "unknown_member", "variants", "\"attribute\""},
      {"{\"id\":\"\",\"include\":\"true\"}", "bad_id", "id", "letters"},
      {"{\"id\":\"1a\",\"include\":\"true\"}", "bad_id", "id", "letters"},
      {"{\"id\":\"caf\\u00e9\",\"include\":\"true\"}", "bad_id", "id", "letters"},
      {"{\"id\":\"a b\",\"include\":\"true\"}", "bad_id", "id", "letters"},
      {"{\"id\":\"a\\u0000\",\"include\":\"true\"}", "bad_id", "id", "letters"},
      {"{\"id\":7,\"include\":\"true\"}", "wrong_type", "id", "a text"},
      {"{\"id\":\"a\",\"name\":\"x\\u0000y\",\"include\":\"true\"}", "bad_text", "name", "zero"},
      {"{\"id\":\"a\",\"name\":\"\",\"include\":\"true\"}", "wrong_type", "name", "not empty"},
      {"{\"id\":\"a\",\"include\":true}", "wrong_type", "include", "text"},
      {"{\"id\":\"a\",\"include\":\"count(\\\"A\\\" in lst 3 days) > 1\"}", "unknown_word", "include", "line 1"},
      {"{\"id\":\"a\",\"include\":\"lowr(traits.a) = 'b'\"}", "unknown_function", "include", "lower"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":{}}", "wrong_type", "exclude", "list"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":[3]}", "wrong_type", "exclude[0]", "object"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":[{\"name\":\"x\"}]}", "missing_member", "exclude[0].when",
       "expression"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":[{\"when\":\"true\"}]}", "missing_member", "exclude[0].name",
       "called"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":[{\"name\":\"x\",\"when\":\"true\"},{\"name\":\"y\",\"when\":"
       "\"1 "
       "<\"}]}",
       "unfinished", "exclude[1].when", "line 1"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":[{\"name\":\"x\",\"when\":\"true\"},{\"name\":\"x\",\"when\":"
       "\"true\"}]}",
       "repeated", "exclude[1].name", "twice"},
      {"{\"id\":\"a\",\"include\":\"true\",\"exclude\":[{\"name\":\"x\",\"wen\":\"true\"}]}", "unknown_member",
       "exclude[0].wen", "\"when\""},
      {"{\"id\":\"a\",\"include\":\"true\",\"control\":1.0001}", "out_of_range", "control", "0 to 1"},
      {"{\"id\":\"a\",\"include\":\"true\",\"control\":0.00001}", "out_of_range", "control", "digits"},
      {"{\"id\":\"a\",\"include\":\"true\",\"control\":-0.1}", "out_of_range", "control", "0 to 1"},
      {"{\"id\":\"a\",\"include\":\"true\",\"control\":\"0.1\"}", "wrong_type", "control", "number"},
      {"{\"id\":\"a\",\"include\":\"true\",\"variants\":[{\"name\":\"x\",\"share\":0.1},{\"name\":\"y\"}]}",
       "missing_member", "variants[1].share", "every variant"},
      {"{\"id\":\"a\",\"include\":\"true\",\"variants\":[{\"name\":\"x\"},{\"name\":\"x\"}]}", "repeated",
       "variants[1].name", "twice"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{\"top\":5}}", "missing_member", "limit.by", "highest"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{\"top\":5,\"random\":5}}", "missing_member", "limit", "random"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{}}", "missing_member", "limit", "random"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{\"random\":5,\"by\":\"1\"}}", "unknown_member", "limit", "by"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{\"random\":0}}", "out_of_range", "limit.random", "from 1"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{\"random\":10000001}}", "out_of_range", "limit.random", "from 1"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":{\"top\":5,\"by\":\"1 +\"}}", "unfinished", "limit.by", "line 1"},
      {"{\"id\":\"a\",\"include\":\"true\",\"limit\":5}", "wrong_type", "limit", "object"},
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    enum err err = try_read(fixture, CASES[i].json, NULL);
    if (err != ERR_INVALID || strcmp(fixture->diag.code, CASES[i].code) != 0 ||
        strcmp(fixture->diag.field, CASES[i].field) != 0 || strstr(fixture->diag.message, CASES[i].message) == NULL)
      fail_msg("%s\n  err %d code %s field %s: %s", CASES[i].json, err, fixture->diag.code, fixture->diag.field,
               fixture->diag.message);
    assert_bytes(fixture->mistake.member, CASES[i].field);
    bool in_expression = strstr(CASES[i].message, "line 1") != NULL || strstr(CASES[i].message, "lower") != NULL;
    assert_int_equal(fixture->mistake.expression.place.line > 0, in_expression);
  }
}

static void test_limits(void **state) {
  struct fixture *fixture = *state;
  struct buffer json;
  buffer_init(&json);
  buffer_append_text(&json, "{\"id\":\"a\",\"include\":\"true\",\"exclude\":[");
  for (int i = 0; i <= SEGMENT_EXCLUSIONS_MAX; i++)
    buffer_append_format(&json, "%s{\"name\":\"x%d\",\"when\":\"true\"}", i == 0 ? "" : ",", i);
  buffer_append(&json, "]}", 3);
  assert_int_equal(try_read(fixture, (const char *)json.data, NULL), ERR_LIMIT);
  assert_string_equal(fixture->diag.code, "too_many");
  assert_string_equal(fixture->diag.field, "exclude");

  buffer_clear(&json);
  buffer_append_text(&json, "{\"include\":\"true\",\"id\":\"");
  for (int i = 0; i < SEGMENT_ID_BYTES; i++) buffer_append_byte(&json, 'a');
  buffer_append(&json, "\"}", 3);
  assert_int_equal(try_read(fixture, (const char *)json.data, NULL), ERR_OK);
  json.size_bytes -= 3;
  buffer_append(&json, "a\"}", 4);
  assert_int_equal(try_read(fixture, (const char *)json.data, NULL), ERR_INVALID);
  assert_string_equal(fixture->diag.code, "bad_id");

  buffer_clear(&json);
  buffer_append_text(&json, "{\"id\":\"a\",\"include\":\"true\",\"description\":\"");
  for (int i = 0; i <= SEGMENT_DESCRIPTION_BYTES; i++) buffer_append_byte(&json, 'a');
  buffer_append(&json, "\"}", 3);
  assert_int_equal(try_read(fixture, (const char *)json.data, NULL), ERR_LIMIT);
  assert_string_equal(fixture->diag.code, "too_long");
  buffer_release(&json);
}

static bool knows_none(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  (void)context, (void)of, (void)name;
  return kind != RULE_NAME_EVENT;
}

static bool lists_none(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  (void)context, (void)kind, (void)of, (void)place, (void)name;
  return false;
}

// A name never seen is a warning, and the warning of an exclusion says that it is one.
static void test_warnings(void **state) {
  struct fixture *fixture = *state;
  const struct rule_catalog catalog = {.known = knows_none, .next = lists_none};
  const char *json = "{\"id\":\"a\",\"include\":\"count(\\\"New\\\") > 1\","
                     "\"exclude\":[{\"name\":\"x\",\"when\":\"exists(\\\"Newer\\\")\"}]}";
  assert_int_equal(try_read(fixture, json, &catalog), ERR_OK);
  assert_int_equal(fixture->warnings.warning_count, 2);
  assert_string_equal(fixture->warnings.warnings[0].code, "unknown_event");
  assert_string_equal(fixture->warnings.warnings[1].code, "unknown_event");
  assert_null(strstr(fixture->warnings.warnings[0].message, "exclusion"));
  assert_non_null(strstr(fixture->warnings.warnings[1].message, "an exclusion: "));
  // Neither is wanted.
  assert_int_equal(segment_definition_read(pack_json(fixture, json), fixture->names, &catalog, &fixture->arena,
                                           &fixture->definition, NULL, &fixture->mistake, NULL),
                   ERR_OK);
}

static struct value pack(struct fixture *fixture, const struct segment_definition *definition) {
  struct value_builder builder;
  buffer_clear(&fixture->packed);
  value_builder_init(&builder, &fixture->packed, fixture->names);
  segment_definition_pack(definition, &builder);
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  struct value packed = {buffer_view(&fixture->packed)};
  assert_int_equal(value_check(packed.packed, fixture->names, NULL), ERR_OK);
  return packed;
}

// Read, packed, unpacked, told: the same document.
static void test_round_trip(void **state) {
  static const char *const CASES[] = {
      "{\"id\":\"vip\",\"name\":\"Good\",\"description\":\"x\",\"kind\":\"segment\",\"include\":\"traits.a = 1\","
      "\"exclude\":[{\"name\":\"c\",\"when\":\"traits.b = 2\"}],\"limit\":{\"top\":1000,\"by\":\"attributes.value\"},"
      "\"control\":0.1,\"variants\":[{\"name\":\"a\",\"share\":0.5},{\"name\":\"b\",\"share\":0.0001},{\"name\":\"c\","
      "\"share\":0}]",
      "{\"id\":\"r\",\"name\":\"r\",\"kind\":\"segment\",\"include\":\"true\",\"limit\":{\"random\":7},\"control\":1",
      "{\"id\":\"g\",\"name\":\"g\",\"kind\":\"list\"",
      "{\"id\":\"v\",\"name\":\"v\",\"kind\":\"attribute\",\"expression\":\"count(\\\"A\\\")\"",
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    char json[1024];
    snprintf(json, sizeof json, "%s}", CASES[i]);
    struct segment_definition given = *read_json(fixture, json), back;
    given.question = 17;
    given.version = 3;
    given.status = SEGMENT_LIVE;
    given.created_us = 1769853600000000;
    given.live_us = 1769853600250000;
    given.author = BYTES("zoe");
    struct value packed = pack(fixture, &given);
    assert_int_equal(segment_definition_unpack(packed, fixture->names, &fixture->arena, &back), ERR_OK);
    memset(fixture->packed.data, 0, fixture->packed.size_bytes);
    assert_int_equal(back.question, 17);
    snprintf(json, sizeof json,
             "%s,\"version\":3,\"status\":\"live\",\"created_at\":\"2026-01-31T10:00:00.000Z\",\"live_at\":"
             "\"2026-01-31T10:00:00.250Z\",\"author\":\"zoe\"}",
             CASES[i]);
    assert_json(fixture, &back, json);
  }
}

static void test_corrupt(void **state) {
  static const char *const CASES[] = {
      "[]",
      "{}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\"}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"include\":\"true\"}",
      "{\"id\":\"a\",\"kind\":\"x\",\"status\":\"live\",\"include\":\"true\"}",
      "{\"id\":\"a b\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\"}",
      "{\"id\":\"a\",\"kind\":\"list\",\"status\":\"live\",\"include\":\"true\"}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\",\"question\":-1}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\",\"question\":\"1\"}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\",\"exclude\":{}}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\",\"exclude\":[{\"name\":\"x\"}]}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\",\"control\":10001}",
      "{\"id\":\"a\",\"kind\":\"segment\",\"status\":\"live\",\"include\":\"true\",\"control\":1e9}",
      "{\"id\":\"a\",\"kind\":\"list\",\"status\":\"live\",\"variants\":[{\"share\":9000},{\"share\":9000}]}",
  };
  struct fixture *fixture = *state;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct segment_definition back;
    enum err err = segment_definition_unpack(pack_json(fixture, CASES[i]), fixture->names, &fixture->arena, &back);
    if (err != ERR_CORRUPT) fail_msg("%s: %d", CASES[i], err);
  }
}

// Every allocation of a reading fails in its turn.
static void test_out_of_memory(void **state) {
  struct fixture *fixture = *state;
  char json[1024];
  snprintf(json, sizeof json, "%s", FULL);
  memcpy(strstr(json, "0.7501"), "0.7500", 6);
  struct value document = pack_json(fixture, json);
  bool failed = true;
  for (uint64_t allowed = 0; failed; allowed++) {
    struct arena arena;
    arena_init(&arena, 0);
    alloc_fail_after(allowed, true);
    enum err err = segment_definition_read(document, fixture->names, NULL, &arena, &fixture->definition, NULL,
                                           &fixture->mistake, &fixture->diag);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    arena_release(&arena);
    assert_true(allowed < 1000);
  }
}

enum { CUSTOMERS = 100000 };

static void count_parts(const struct segment_definition *definition, size_t parts[SEGMENT_VARIANTS_MAX + 2]) {
  memset(parts, 0, (SEGMENT_VARIANTS_MAX + 2) * sizeof *parts);
  for (uint64_t customer = 1; customer <= CUSTOMERS; customer++) {
    int part = segment_variant_of(definition, customer);
    assert_true(part >= -1 && part <= SEGMENT_VARIANTS_MAX);
    parts[part + 1]++;
  }
}

static void assert_near(size_t found, double expected) {
  double distance = (double)found - expected * CUSTOMERS;
  if (distance < -0.01 * CUSTOMERS || distance > 0.01 * CUSTOMERS) fail_msg("%zu, expected %g", found, expected);
}

static void test_shares(void **state) {
  (void)state;
  const struct segment_variant variants[] = {{BYTES("a"), 5000}, {BYTES("b"), 2500}};
  struct segment_definition definition = {
      .id = BYTES("vip"), .control = 1000, .variants = variants, .variant_count = 2};
  size_t parts[SEGMENT_VARIANTS_MAX + 2];
  count_parts(&definition, parts);
  assert_near(parts[0], 0.1);
  assert_near(parts[1], 0.9 * 0.5);
  assert_near(parts[2], 0.9 * 0.25);
  assert_near(parts[SEGMENT_VARIANTS_MAX + 1], 0.9 * 0.25);
  // A larger control group keeps its own, and nobody else changes variant; another id says something else.
  struct segment_definition larger = definition, other = definition;
  larger.control = 2000;
  other.id = BYTES("vip2");
  size_t both = 0;
  for (uint64_t customer = 1; customer <= CUSTOMERS; customer++) {
    int before = segment_variant_of(&definition, customer), after = segment_variant_of(&larger, customer);
    assert_true(after == before || after == -1);
    both += before == -1 && segment_variant_of(&other, customer) == -1;
  }
  assert_near(both, 0.01);
  definition.control = SEGMENT_SHARE_UNIT;
  assert_int_equal(segment_variant_of(&definition, 5), -1);
  definition = (struct segment_definition){.id = BYTES("vip")};
  assert_int_equal(segment_variant_of(&definition, 5), SEGMENT_VARIANTS_MAX);
}

// What was said once must stay so for ever: these numbers are part of the stored format.
static void test_shares_are_for_ever(void **state) {
  (void)state;
  static const uint64_t EXPECTED[] = {UINT64_C(0x78c3b3e9a334e0a0), UINT64_C(0x468c89f747b2a6da)};
  assert_int_equal(segment_random_of(BYTES("vip"), 1), EXPECTED[0]);
  assert_int_equal(segment_random_of(BYTES("guests"), UINT64_C(4294967296)), EXPECTED[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_full, setup, teardown),
      cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
      cmocka_unit_test_setup_teardown(test_equal_shares, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
      cmocka_unit_test_setup_teardown(test_warnings, setup, teardown),
      cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
      cmocka_unit_test_setup_teardown(test_corrupt, setup, teardown),
      cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
      cmocka_unit_test(test_shares),
      cmocka_unit_test(test_shares_are_for_ever),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
