// Documents of programmes: what is taken, with its defaults; what is refused, where and in which words; that what was
// told can be put back and what was stored comes back; numbers over versions; hostile documents; short memory.
#include "loyalty_document_kit.h"

static const char FULL[] =
    "{\"id\":\"club\",\"name\":\"The club\",\"description\":\"D\\u00e9j\\u00e0\",\"timezone\":\"Europe/Paris\","
    "\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\",\"name\":\"Points\",\"pending\":{\"after\":\"14 days\"},"
    "\"validity\":{\"after\":\"12 months\"},\"returns\":\"unlimited\",\"worth\":\"0.01\",\"breakage\":0.2},"
    "{\"id\":\"credit\",\"scale\":2,\"pending\":{\"on_event\":\"Order Delivered\"},"
    "\"validity\":{\"after\":\"1 year\",\"end_of\":\"year\"},\"worth\":1},"
    "{\"id\":\"stars\",\"validity\":{\"after\":\"6 months\",\"sliding\":true}},"
    "{\"id\":\"month\",\"validity\":{\"end_of\":\"month\"},\"returns\":\"only_pending\"}],"
    "\"tiers\":{\"currency\":\"points\",\"qualifying\":\"active_balance\",\"window\":\"calendar_year\","
    "\"grace\":\"30 days\",\"downgrade\":\"one\",\"after_return\":\"no_revert\",\"notice\":\"2 weeks\","
    "\"levels\":[{\"id\":\"standard\",\"from\":0},{\"id\":\"vip\",\"name\":\"VIP\",\"from\":1500,\"gift\":\"VIP\","
    "\"benefits\":\"Free coffee\"}]},"
    "\"rules\":[{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"},"
    "{\"id\":\"opened\",\"on\":\"Email Opened\",\"when\":\"campaign != 'x' and traits.newsletter = true\","
    "\"earn\":\"1\",\"once_by\":\"email_id\",\"withdrawn_by\":\"Email Recalled\",\"from\":\"2026-05-01\","
    "\"to\":\"2026-05-31\",\"caps\":[{\"most\":5,\"per\":\"day\"},{\"most\":1000,\"scope\":\"everybody\","
    "\"over\":\"reject\"}]},"
    "{\"id\":\"rings\",\"on\":\"Order Completed\",\"lines\":\"category = 'Rings'\",\"earn\":\"floor(price * "
    "quantity)\","
    "\"currency\":\"credit\",\"caps\":[{\"most\":\"2.50\",\"scope\":\"line\"}]},"
    "{\"id\":\"ten\",\"on\":\"Order Completed\",\"discount\":{\"percent\":12.5,\"most\":\"50.00\","
    "\"lines\":\"price > 10\"}},"
    "{\"id\":\"gift\",\"on\":\"Survey Answered\",\"give\":\"THANKS\"}],"
    "\"rewards\":[{\"id\":\"mug\",\"voucher\":\"MUG\",\"cost\":300,\"automatic\":true},"
    "{\"id\":\"ten\",\"name\":\"10 EUR\",\"voucher\":\"TEN\",\"currency\":\"credit\",\"cost\":\"10\"}],"
    "\"referral\":{\"friend\":\"FRIEND\",\"minimum\":\"50.00\",\"reward\":500},"
    "\"staff\":{\"who\":\"traits.employee = true\",\"earn\":\"nothing\",\"own_card\":\"allow\"},"
    "\"limits\":[{\"of\":\"member\",\"what\":\"earn\",\"per\":\"hour\",\"count\":5,\"points\":100},"
    "{\"of\":\"staff\",\"what\":\"burn\",\"per\":\"year\",\"currency\":\"credit\",\"points\":\"12.50\"},"
    "{\"of\":\"cashier\",\"what\":\"redeem\",\"per\":\"day\",\"count\":30}],"
    "\"stacking\":{\"base\":\"initial\",\"order\":\"highest_discount\",\"over_basket\":\"force\",\"codes\":\"partial\"}"
    ","
    "\"offline\":{\"mode\":\"floor_limit\",\"floor\":\"20.00\",\"lateness\":\"3 days\"},"
    "\"expiry_notice\":\"30 days\",\"promotions_on_return\":\"reevaluate\",\"mixed_tender_return\":\"tender_first\","
    "\"vouchers_on_merge\":\"keep_all\",\"approval_above\":10000,\"approval_expires\":\"2 days\",\"archived\":true}";

static void assert_duration(struct rule_duration duration, int64_t count, enum rule_unit unit) {
  assert_int_equal(duration.count, count);
  assert_int_equal(duration.unit, unit);
}

static void check_currencies(const struct loyalty_programme *read) {
  const struct loyalty_currency *points = &read->currencies[0], *credit = &read->currencies[1];
  assert_int_equal(read->currency_count, 4);
  assert_int_equal(points->number, 1);
  assert_int_equal(points->pending, LOYALTY_PENDING_AFTER);
  assert_duration(points->pending_after, 14, RULE_DAY);
  assert_int_equal(points->validity, LOYALTY_VALID_AFTER);
  assert_duration(points->validity_length, 12, RULE_MONTH);
  assert_int_equal(points->returns, LOYALTY_UNLIMITED);
  assert_int_equal(points->worth_micros, 10000);
  assert_int_equal(points->breakage, 2000);
  assert_int_equal(credit->pending, LOYALTY_PENDING_ON_EVENT);
  assert_bytes(credit->pending_event, "Order Delivered");
  assert_int_equal(credit->validity, LOYALTY_VALID_END_OF_YEAR);
  assert_duration(credit->validity_length, 1, RULE_YEAR);
  assert_int_equal(credit->worth_micros, 1000000);
  assert_int_equal(credit->returns, LOYALTY_WITHIN_BALANCE);
  assert_int_equal(read->currencies[2].validity, LOYALTY_VALID_SLIDING);
  assert_int_equal(read->currencies[3].validity, LOYALTY_VALID_END_OF_MONTH);
  assert_int_equal(read->currencies[3].validity_length.count, 0);
}

static void check_tiers(const struct loyalty_tiers *tiers) {
  assert_int_equal(tiers->currency, 1);
  assert_int_equal(tiers->qualifying, LOYALTY_ACTIVE_BALANCE);
  assert_int_equal(tiers->window, LOYALTY_WINDOW_CALENDAR);
  assert_duration(tiers->grace, 30, RULE_DAY);
  assert_duration(tiers->notice, 2, RULE_WEEK);
  assert_int_equal(tiers->downgrade, LOYALTY_DOWNGRADE_ONE);
  assert_false(tiers->after_return);
  assert_int_equal(tiers->level_count, 2);
  assert_int_equal(tiers->levels[1].number, 2);
  assert_int_equal(tiers->levels[1].from, 1500);
  assert_bytes(tiers->levels[0].name, "standard");
  assert_bytes(tiers->levels[1].gift, "VIP");
  assert_bytes(tiers->levels[1].benefits, "Free coffee");
}

static void check_rules(const struct loyalty_programme *read) {
  const struct loyalty_rule *rules = read->rules;
  assert_int_equal(read->rule_count, 5);
  assert_bytes(rules[0].earn, "floor(paid)");
  assert_int_equal(rules[0].currency, 1);
  assert_int_equal(rules[0].span.from_us, INT64_MIN);
  assert_int_equal(rules[0].span.to_us, INT64_MAX);
  assert_int_equal(rules[1].span.from_us, INT64_C(1777586400000000)); // 2026-05-01T00:00+02:00
  assert_int_equal(rules[1].span.to_us, INT64_C(1780264800000000));   // 2026-06-01T00:00+02:00
  assert_bytes(rules[1].withdrawn_by, "Email Recalled");
  assert_int_equal(rules[1].cap_count, 2);
  assert_int_equal(rules[1].caps[0].period, LOYALTY_DAY);
  assert_int_equal(rules[1].caps[0].scope, LOYALTY_CAP_MEMBER);
  assert_int_equal(rules[1].caps[1].period, LOYALTY_EVER);
  assert_int_equal(rules[1].caps[1].over, LOYALTY_REJECT);
  assert_true(rules[2].by_line);
  assert_int_equal(rules[2].currency, 2);
  assert_int_equal(rules[2].caps[0].most, 250);
  assert_int_equal(rules[3].discount.kind, LOYALTY_PERCENT);
  assert_int_equal(rules[3].discount.percent, 1250);
  assert_int_equal(rules[3].discount.most_cents, 5000);
  assert_bytes(rules[4].give, "THANKS");
  assert_int_equal(rules[4].number, 5);
}

static void test_full(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  kit_read(kit, LOYALTY_KIND_PROGRAMME, FULL, NULL, &document);
  const struct loyalty_programme *read = &document.programme;
  assert_bytes(read->name, "The club");
  assert_bytes(read->timezone, "Europe/Paris");
  assert_bytes(read->money, "EUR");
  check_currencies(read);
  check_tiers(&read->tiers);
  check_rules(read);
  assert_int_equal(read->reward_count, 2);
  assert_true(read->rewards[0].automatic);
  assert_int_equal(read->rewards[1].cost, 1000);
  assert_int_equal(read->referral.currency, 1);
  assert_int_equal(read->referral.reward, 500);
  assert_int_equal(read->referral.minimum_cents, 5000);
  assert_int_equal(read->stacking.order, LOYALTY_HIGHEST_DISCOUNT);
  assert_true(read->stacking.force && read->stacking.partial);
  assert_false(read->offline.earn_only);
  assert_int_equal(read->offline.floor_cents, 2000);
  assert_true(read->reevaluate_returns && read->tender_first && read->keep_all_vouchers && read->archived);
  assert_int_equal(read->approval_above, 10000);
  assert_int_equal(read->rule_numbers, 5);
}

// Of a whole one: a cent of credit pays a cent, and a point what it says.
static void test_worth(void **state) {
  struct loyalty_currency credit = {.scale = 2, .worth_micros = 1000000}, points = {.worth_micros = 15000};
  int64_t cents, amount;
  (void)state;
  assert_true(loyalty_worth_cents(&credit, 250, &cents));
  assert_int_equal(cents, 250);
  assert_true(loyalty_worth_amount(&credit, 250, &amount));
  assert_int_equal(amount, 250);
  assert_true(loyalty_worth_cents(&points, 3, &cents)); // 4.5
  assert_int_equal(cents, 4);
  assert_true(loyalty_worth_amount(&points, 4, &amount)); // 2.67
  assert_int_equal(amount, 3);
  credit.worth_micros = 900000;
  assert_true(loyalty_worth_cents(&credit, 1, &cents));
  assert_int_equal(cents, 0);
  assert_true(loyalty_worth_amount(&credit, 9, &amount));
  assert_int_equal(amount, 10);
  credit.worth_micros = 1;
  assert_false(loyalty_worth_amount(&credit, INT64_MAX, &amount));
  points.worth_micros = LOYALTY_AMOUNT_MAX;
  assert_false(loyalty_worth_cents(&points, INT64_MAX, &cents));
}

// Documents from before said what the smallest unit is worth: they pay what they paid.
static void test_worth_of_older_documents(void **state) {
  static const char stored[] = "{\"id\":\"club\",\"number\":1,\"name\":\"club\",\"timezone\":\"Europe/Paris\","
                               "\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\",\"number\":1,\"name\":\"p\","
                               "\"scale\":0,\"worth\":10000},{\"id\":\"credit\",\"number\":2,\"name\":\"c\","
                               "\"scale\":2,\"worth\":10000}%s]}";
  static const char newer[] = ",{\"id\":\"other\",\"number\":3,\"name\":\"o\",\"scale\":2,\"worth\":10000,"
                              "\"worth_of_whole\":1}";
  struct kit *kit = *state;
  struct loyalty_programme read, again;
  struct value_builder builder;
  struct buffer packed, twice;
  char json[1024];
  buffer_init(&packed);
  buffer_init(&twice);
  snprintf(json, sizeof json, stored, newer);
  assert_int_equal(value_parse_json(kit->parser, bytes_from_text(json), kit->names, &packed, NULL), ERR_OK);
  struct value value = {buffer_view(&packed)};
  assert_int_equal(loyalty_programme_unpack(value, kit->names, &kit->arena, &read), ERR_OK);
  assert_int_equal(read.currencies[0].worth_micros, 10000);
  assert_int_equal(read.currencies[1].worth_micros, 1000000);
  assert_int_equal(read.currencies[2].worth_micros, 10000);
  value_builder_init(&builder, &twice, kit->names);
  loyalty_programme_pack(&read, &builder);
  assert_int_equal(value_builder_finish(&builder), ERR_OK);
  value.packed = buffer_view(&twice);
  assert_int_equal(loyalty_programme_unpack(value, kit->names, &kit->arena, &again), ERR_OK);
  assert_int_equal(again.currencies[1].worth_micros, 1000000);
  buffer_release(&packed);
  buffer_release(&twice);
}

static void test_defaults(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  kit_read(kit, LOYALTY_KIND_PROGRAMME, "{" KIT_CLUB ",\"tiers\":{\"levels\":[{\"id\":\"a\",\"from\":0}]}}", NULL,
           &document);
  const struct loyalty_programme *read = &document.programme;
  assert_bytes(read->name, "club");
  assert_bytes(read->currencies[0].name, "points");
  assert_int_equal(read->currencies[0].pending, LOYALTY_PENDING_NONE);
  assert_int_equal(read->currencies[0].validity, LOYALTY_VALID_FOREVER);
  assert_int_equal(read->currencies[0].returns, LOYALTY_WITHIN_BALANCE);
  assert_int_equal(read->tiers.currency, 1);
  assert_int_equal(read->tiers.window, LOYALTY_WINDOW_ROLLING);
  assert_duration(read->tiers.window_length, 12, RULE_MONTH);
  assert_int_equal(read->tiers.downgrade, LOYALTY_DOWNGRADE_FULL);
  assert_true(read->tiers.after_return);
  assert_true(read->offline.earn_only);
  assert_duration(read->offline.lateness, 7, RULE_DAY);
  assert_int_equal(read->referral.currency, 0);
  kit_read(kit, LOYALTY_KIND_PROGRAMME, "{" KIT_CLUB ",\"tiers\":null,\"rules\":[],\"description\":\"\"}", NULL,
           &document);
  assert_int_equal(read->tiers.currency, 0);
}

static void test_refused(void **state) {
  kit_refusals(*state, LOYALTY_KIND_PROGRAMME, "programme", KIT_CLUB, 90);
}

static void test_place_of_expression(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  const char *json = "{" KIT_CLUB ",\"rules\":[{\"id\":\"a\",\"on\":\"A\",\"earn\":\"1 +\\n  lowr(name)\"}]}";
  assert_int_equal(kit_try(kit, LOYALTY_KIND_PROGRAMME, json, NULL, &document), ERR_INVALID);
  assert_string_equal(kit->diag.field, "rules[0].earn");
  assert_int_equal(kit->where.place.line, 2);
  assert_int_equal(kit_try(kit, LOYALTY_KIND_PROGRAMME, "{}", NULL, &document), ERR_INVALID);
  assert_int_equal(kit->where.place.line, 0);
}

static void test_round_trip(void **state) {
  struct kit *kit = *state;
  kit_round(kit, LOYALTY_KIND_PROGRAMME, FULL);
  char *told = kit_round(kit, LOYALTY_KIND_PROGRAMME, "{" KIT_CLUB "}");
  assert_string_equal(told, "{\"id\":\"club\",\"name\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\","
                            "\"currencies\":[{\"id\":\"points\",\"name\":\"points\"},{\"id\":\"credit\",\"name\":"
                            "\"credit\",\"scale\":2}],\"archived\":false}");
  told = kit_round(kit, LOYALTY_KIND_PROGRAMME, FULL);
  static const char *const PARTS[] = {
      "\"pending\":{\"after\":\"14 days\"}",
      "\"validity\":{\"after\":\"1 year\",\"end_of\":\"year\"}",
      "\"validity\":{\"after\":\"6 months\",\"sliding\":true}",
      "\"worth\":\"0.01\",\"breakage\":0.2",
      "\"window\":\"calendar_year\"",
      "\"from\":\"2026-05-01\",\"to\":\"2026-05-31\"",
      "\"caps\":[{\"most\":5,\"per\":\"day\"},{\"most\":1000,\"scope\":\"everybody\",\"over\":\"reject\"}]",
      "\"most\":\"2.50\",\"scope\":\"line\"",
      "\"discount\":{\"percent\":12.5,\"most\":\"50.00\"",
      "\"currency\":\"credit\",\"cost\":\"10.00\"",
      "\"floor\":\"20.00\"",
      "\"earn\":\"nothing\",\"own_card\":\"allow\"",
      "{\"of\":\"member\",\"what\":\"earn\",\"per\":\"hour\",\"count\":5,\"points\":100}",
      "\"per\":\"year\",\"currency\":\"credit\",\"points\":\"12.50\"",
      "{\"of\":\"cashier\",\"what\":\"redeem\",\"per\":\"day\",\"count\":30}",
      "\"approval_above\":10000",
      "\"archived\":true"};
  for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
    if (strstr(told, PARTS[i]) == NULL) fail_msg("%s is not in %s", PARTS[i], told);
}

// What the workspace gives is stored, told, and means nothing when it is put back.
static void test_told(void **state) {
  struct kit *kit = *state;
  union kit_document document, back;
  struct buffer stored;
  buffer_init(&stored);
  kit_read(kit, LOYALTY_KIND_PROGRAMME, "{" KIT_CLUB "}", NULL, &document);
  document.programme.number = 9;
  document.programme.version = 4;
  document.programme.created_us = INT64_C(1769853600000000);
  document.programme.author = BYTES("zoe");
  struct value packed = kit_pack(kit, LOYALTY_KIND_PROGRAMME, &document, &stored);
  assert_int_equal(kit_unpack(kit, LOYALTY_KIND_PROGRAMME, packed, &kit->arena, &back), ERR_OK);
  assert_int_equal(back.programme.number, 9);
  char *told = kit_tell(kit, LOYALTY_KIND_PROGRAMME, &back);
  assert_non_null(strstr(told, ",\"version\":4,\"created_at\":\"2026-01-31T10:00:00.000Z\",\"author\":\"zoe\","
                               "\"archived\":false}"));
  kit_read(kit, LOYALTY_KIND_PROGRAMME, told, NULL, &back);
  assert_int_equal(back.programme.version, 0);
  assert_int_equal(back.programme.author.size_bytes, 0);
  buffer_release(&stored);
}

#define CURRENCIES(list) "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[" list "]"
#define RULE(id) "{\"id\":\"" id "\",\"on\":\"A\",\"earn\":\"1\"}"
#define LEVELS(list) ",\"tiers\":{\"levels\":[" list "]}"

// A number stays with its id, and is never given to another, also when its id was gone for a version.
static void test_numbers(void **state) {
  struct kit *kit = *state;
  union kit_document first, second, third;
  kit_read(kit, LOYALTY_KIND_PROGRAMME,
           CURRENCIES("{\"id\":\"a\"},{\"id\":\"b\"}") ",\"rules\":[" RULE("x") "," RULE("y") "," RULE("z") "]" LEVELS(
               "{\"id\":\"low\",\"from\":0},{\"id\":\"high\",\"from\":9}") "}",
           NULL, &first);
  kit_read(kit, LOYALTY_KIND_PROGRAMME,
           CURRENCIES("{\"id\":\"c\"},{\"id\":\"b\"},{\"id\":\"a\"}") ",\"rules\":[" RULE("y") "]" LEVELS(
               "{\"id\":\"new\",\"from\":0},{\"id\":\"low\",\"from\":5}") "}",
           &first.programme, &second);
  assert_int_equal(second.programme.currencies[0].number, 3);
  assert_int_equal(second.programme.currencies[1].number, 2);
  assert_int_equal(second.programme.currencies[2].number, 1);
  assert_int_equal(second.programme.rules[0].number, 2);
  assert_int_equal(second.programme.rules[0].currency, 3); // the default is the first
  assert_int_equal(second.programme.tiers.levels[0].number, 3);
  assert_int_equal(second.programme.tiers.levels[1].number, 1);
  assert_int_equal(second.programme.rule_numbers, 3);
  kit_read(kit, LOYALTY_KIND_PROGRAMME,
           CURRENCIES("{\"id\":\"c\"},{\"id\":\"b\"},{\"id\":\"a\"}") ",\"rules\":[" RULE("z") "," RULE("y") "]" LEVELS(
               "{\"id\":\"high\",\"from\":0}") "}",
           &second.programme, &third);
  assert_int_equal(third.programme.rules[0].number, 4);
  assert_int_equal(third.programme.rules[1].number, 2);
  assert_int_equal(third.programme.tiers.levels[0].number, 4);
}

static void test_currencies_stay(void **state) {
  struct kit *kit = *state;
  union kit_document first, second;
  kit_read(kit, LOYALTY_KIND_PROGRAMME, "{" KIT_CLUB "}", NULL, &first);
  const char *gone = CURRENCIES("{\"id\":\"points\"}") "}";
  assert_int_equal(kit_try(kit, LOYALTY_KIND_PROGRAMME, gone, &first.programme, &second), ERR_INVALID);
  assert_string_equal(kit->diag.code, "removed");
  assert_string_equal(kit->diag.field, "currencies");
  assert_non_null(strstr(kit->diag.message, "\"credit\""));
  const char *scaled = CURRENCIES("{\"id\":\"points\"},{\"id\":\"credit\",\"scale\":0}") "}";
  assert_int_equal(kit_try(kit, LOYALTY_KIND_PROGRAMME, scaled, &first.programme, &second), ERR_INVALID);
  assert_string_equal(kit->diag.code, "scale_changed");
  assert_string_equal(kit->diag.field, "currencies[1].scale");
}

// Level numbers are of one byte: the 256th is refused and none is given twice.
static void test_level_numbers_end(void **state) {
  struct kit *kit = *state;
  union kit_document document[2];
  char json[512];
  enum err err = ERR_OK;
  size_t versions = 0;
  for (; err == ERR_OK && versions < 300; versions++) {
    snprintf(json, sizeof json, "{" KIT_CLUB LEVELS("{\"id\":\"l%zu\",\"from\":0}") "}", versions);
    err = kit_try(kit, LOYALTY_KIND_PROGRAMME, json, versions == 0 ? NULL : &document[(versions + 1) % 2],
                  &document[versions % 2]);
    if (err == ERR_OK) assert_int_equal(document[versions % 2].programme.tiers.levels[0].number, versions + 1);
  }
  assert_int_equal(err, ERR_LIMIT);
  assert_string_equal(kit->diag.code, "too_many");
  assert_int_equal(versions, 256);
}

static bool knows_none(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  (void)context, (void)of, (void)name;
  return kind != RULE_NAME_TRAIT;
}

static bool lists_none(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  (void)context, (void)kind, (void)of, (void)place, (void)name;
  return false;
}

static void test_warnings(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  const struct rule_catalog rules = {.known = knows_none, .next = lists_none};
  kit->catalog.rules = &rules;
  kit_read(kit, LOYALTY_KIND_PROGRAMME,
           "{" KIT_CLUB ",\"rules\":[{\"id\":\"a\",\"on\":\"A\",\"when\":\"traits.x = 1\",\"earn\":\"1\"}]}", NULL,
           &document);
  kit->catalog.rules = NULL;
  assert_int_equal(kit->warnings.warning_count, 1);
  assert_string_equal(kit->warnings.warnings[0].code, "unknown_trait");
  assert_non_null(strstr(kit->warnings.warnings[0].message, "rules[0].when: "));
}

static void test_too_many(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  struct buffer json;
  buffer_init(&json);
  buffer_append_text(&json, "{" KIT_CLUB ",\"rules\":[");
  for (int i = 0; i <= LOYALTY_RULES_MAX; i++)
    buffer_append_format(&json, "%s{\"id\":\"r%d\",\"on\":\"A\",\"earn\":\"1\"}", i == 0 ? "" : ",", i);
  buffer_append(&json, "]}", 3);
  assert_int_equal(kit_try(kit, LOYALTY_KIND_PROGRAMME, (const char *)json.data, NULL, &document), ERR_LIMIT);
  assert_string_equal(kit->diag.code, "too_many");
  assert_string_equal(kit->diag.field, "rules");
  // Nested as deep as JSON may be, where it is not looked for.
  buffer_clear(&json);
  buffer_append_text(&json, "{" KIT_CLUB ",\"tiers\":{\"levels\":[");
  for (int i = 0; i < 25; i++) buffer_append_text(&json, "{\"id\":[");
  for (int i = 0; i < 25; i++) buffer_append_text(&json, "]}");
  buffer_append(&json, "]}}", 4);
  if (value_parse_json(kit->parser, bytes_from_text((const char *)json.data), kit->names, &kit->packed, NULL) ==
      ERR_OK) {
    assert_int_equal(kit_try(kit, LOYALTY_KIND_PROGRAMME, (const char *)json.data, NULL, &document), ERR_INVALID);
    assert_string_equal(kit->diag.field, "tiers.levels[0].id");
  }
  buffer_release(&json);
}

static void test_too_long(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  struct buffer json;
  buffer_init(&json);
  for (int more = 0; more < 2; more++) {
    buffer_clear(&json);
    buffer_append_text(&json, "{" KIT_CLUB ",\"description\":\"");
    for (int i = 0; i < LOYALTY_TEXT_BYTES + more; i++) buffer_append_byte(&json, 'a');
    buffer_append(&json, "\"}", 3);
    enum err err = kit_try(kit, LOYALTY_KIND_PROGRAMME, (const char *)json.data, NULL, &document);
    assert_int_equal(err, more ? ERR_LIMIT : ERR_OK);
  }
  assert_string_equal(kit->diag.code, "too_long");
  buffer_release(&json);
}

static void test_corrupt(void **state) {
  static const char *const CASES[] = {
      "[]",
      "{}",
      "{\"id\":\"club\",\"timezone\":\"UTC\",\"money\":\"EUR\",\"currencies\":[]}",
      "{\"id\":\"cl ub\",\"timezone\":\"UTC\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"a\",\"number\":1}]}",
      "{\"id\":\"club\",\"timezone\":\"UTC\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"a\",\"number\":256}]}",
      "{\"id\":\"club\",\"timezone\":\"UTC\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"a\",\"number\":-1}]}",
      ("{\"id\":\"club\",\"timezone\":\"UTC\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"a\",\"number\":1}],"
       "\"number\":4294967296}"),
      "{\"id\":\"club\",\"timezone\":\"UTC\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"a\",\"returns\":\"x\"}]}",
  };
  struct kit *kit = *state;
  union kit_document document;
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct value packed = kit_pack_json(kit, CASES[i]);
    enum err err = kit_unpack(kit, LOYALTY_KIND_PROGRAMME, packed, &kit->arena, &document);
    if (err != ERR_CORRUPT) fail_msg("%s: %d", CASES[i], err);
  }
}

static void test_lookups(void **state) {
  struct kit *kit = *state;
  union kit_document document;
  kit_read(kit, LOYALTY_KIND_PROGRAMME, FULL, NULL, &document);
  const struct loyalty_programme *read = &document.programme;
  assert_ptr_equal(loyalty_currency_find(read, BYTES("credit")), &read->currencies[1]);
  assert_null(loyalty_currency_find(read, BYTES("Credit")));
  assert_ptr_equal(loyalty_currency_at(read, 3), &read->currencies[2]);
  assert_null(loyalty_currency_at(read, 0));
  assert_ptr_equal(loyalty_level_at(read, 2), &read->tiers.levels[1]);
  assert_null(loyalty_level_at(read, 3));
  assert_true(loyalty_id_is_good(BYTES("a-1_B")));
  assert_false(loyalty_id_is_good(BYTES("1a")));
}

static void test_wrong_types(void **state) {
  kit_wrong_types(*state, LOYALTY_KIND_PROGRAMME, FULL);
}

static void test_out_of_memory(void **state) {
  kit_out_of_memory(*state, LOYALTY_KIND_PROGRAMME, FULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_full, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_defaults, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_worth_of_older_documents, kit_setup, kit_teardown),
      cmocka_unit_test(test_worth),
      cmocka_unit_test_setup_teardown(test_refused, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_place_of_expression, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_round_trip, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_told, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_numbers, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_currencies_stay, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_level_numbers_end, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_warnings, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_too_many, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_too_long, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_corrupt, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_lookups, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_wrong_types, kit_setup, kit_teardown),
      cmocka_unit_test_setup_teardown(test_out_of_memory, kit_setup, kit_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
