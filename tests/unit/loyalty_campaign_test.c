// Documents of campaigns: what is taken, what is refused, that they come back, days in the programme's time zone,
// numbers of rules over versions.
#include "loyalty_document_kit.h"

static const char FULL[] =
    "{\"id\":\"may\",\"name\":\"Double in May\",\"programme\":\"club\",\"from\":\"2026-05-01\",\"to\":\"2026-05-31\","
    "\"rules\":[{\"id\":\"double\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\","
    "\"caps\":[{\"most\":100,\"per\":\"week\"}]},{\"id\":\"euro\",\"on\":\"Review Posted\",\"earn\":\"0.50\","
    "\"currency\":\"credit\"}],\"budget\":{\"points\":10000,\"member_points\":100,\"money\":\"1000.00\",\"uses\":500,"
    "\"over\":\"reject\"},\"archived\":true}";

static void test_full(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  kit_read(kit, LOYALTY_KIND_CAMPAIGN, FULL, NULL, &document);
  const struct loyalty_campaign *read = &document.campaign;
  assert_bytes(read->id, "may");
  assert_bytes(read->name, "Double in May");
  assert_int_equal(read->programme, 3);
  assert_int_equal(read->span.from_us, INT64_C(1777586400000000)); // 2026-05-01T00:00+02:00
  assert_int_equal(read->span.to_us, INT64_C(1780264800000000));   // 2026-06-01T00:00+02:00
  assert_int_equal(read->rule_count, 2);
  assert_int_equal(read->rules[0].currency, 1);
  assert_int_equal(read->rules[1].currency, 2);
  assert_int_equal(read->rules[1].number, 2);
  assert_int_equal(read->budget.points, 10000);
  assert_int_equal(read->budget.member_points, 100);
  assert_int_equal(read->budget.cents, 100000);
  assert_int_equal(read->budget.uses, 500);
  assert_int_equal(read->budget.over, LOYALTY_REJECT);
  assert_true(read->archived);
}

static void test_defaults(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  kit_read(kit, LOYALTY_KIND_CAMPAIGN, "{\"programme\":\"club\",\"id\":\"x\"}", NULL, &document);
  assert_bytes(document.campaign.name, "x");
  assert_int_equal(document.campaign.span.from_us, INT64_MIN);
  assert_int_equal(document.campaign.span.to_us, INT64_MAX);
  assert_int_equal(document.campaign.rule_count, 0);
  assert_int_equal(document.campaign.budget.points, 0);
  assert_int_equal(document.campaign.budget.over, LOYALTY_TRIM);
}

// A day is a whole one as an end, a time is itself; without an offset both are of the programme's wall clock.
static void test_spans(void **state) {
  static const struct {
    const char *from, *to;
    int64_t from_us, to_us;
  } CASES[] = {
      {"2026-03-29", "2026-03-29", 1774738800000000, 1774821600000000}, // 23 hours
      {"2026-10-25", "2026-10-25", 1792879200000000, 1792969200000000}, // 25 hours
      {"2026-05-31T08:00:00", "2026-05-31T20:00:00", 1780207200000000, 1780250400000000},
      {"2026-05-31T08:00:00Z", "2026-05-31T20:00:00+04:00", 1780214400000000, 1780243200000000},
      {"2026-03-29T02:30:00", "2026-03-29T04:00:00", 1774746000000000, 1774749600000000}, // a gap ends at 03:00
  };
  struct kit *kit = *state;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    union kit_document document;
    char json[256];
    snprintf(json, sizeof json, "{\"id\":\"x\",\"programme\":\"club\",\"from\":\"%s\",\"to\":\"%s\"}", CASES[i].from,
             CASES[i].to);
    kit_read(kit, LOYALTY_KIND_CAMPAIGN, json, NULL, &document);
    assert_int_equal(document.campaign.span.from_us, CASES[i].from_us);
    assert_int_equal(document.campaign.span.to_us, CASES[i].to_us);
    assert_non_null(strstr(kit_tell(kit, LOYALTY_KIND_CAMPAIGN, &document), CASES[i].to));
  }
}

static void test_numbers(void **state) {
  struct kit *kit = *state;
  union kit_document first, second, third;
  const char *without = "{\"id\":\"may\",\"programme\":\"club\"}";
  kit_read(kit, LOYALTY_KIND_CAMPAIGN, FULL, NULL, &first);
  kit_read(kit, LOYALTY_KIND_CAMPAIGN, without, &first.campaign, &second);
  assert_int_equal(second.campaign.rule_numbers, 2);
  kit_read(kit, LOYALTY_KIND_CAMPAIGN, FULL, &second.campaign, &third);
  assert_int_equal(third.campaign.rules[0].number, 3);
  kit_read(kit, LOYALTY_KIND_CAMPAIGN, FULL, &first.campaign, &third);
  assert_int_equal(third.campaign.rules[0].number, 1);
}

static void test_refused(void **state) {
  kit_refusals(*state, LOYALTY_KIND_CAMPAIGN, "campaign", "\"id\":\"may\",\"programme\":\"club\"", 25);
}

static void test_round_trip(void **state) {
  struct kit *kit = *state;
  assert_string_equal(
      kit_round(kit, LOYALTY_KIND_CAMPAIGN, FULL),
      "{\"id\":\"may\",\"name\":\"Double in May\",\"programme\":\"club\",\"from\":\"2026-05-01\",\"to\":\"2026-05-31\","
      "\"rules\":[{\"id\":\"double\",\"name\":\"double\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\","
      "\"caps\":[{\"most\":100,\"per\":\"week\"}]},{\"id\":\"euro\",\"name\":\"euro\",\"on\":\"Review Posted\","
      "\"currency\":\"credit\",\"earn\":\"0.50\"}],\"budget\":{\"points\":10000,\"member_points\":100,"
      "\"money\":\"1000.00\",\"uses\":500,\"over\":\"reject\"},\"archived\":true}");
  kit_round(kit, LOYALTY_KIND_CAMPAIGN, "{\"programme\":\"club\",\"id\":\"x\",\"budget\":{\"uses\":1}}");
}

static void test_wrong_types(void **state) {
  kit_wrong_types(*state, LOYALTY_KIND_CAMPAIGN, FULL);
}

static void test_out_of_memory(void **state) {
  kit_out_of_memory(*state, LOYALTY_KIND_CAMPAIGN, FULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_full, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_defaults, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_spans, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_numbers, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_refused, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_round_trip, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_wrong_types, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_out_of_memory, kit_setup, kit_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
