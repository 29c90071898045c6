// Sets of programmes, campaigns and vouchers: copies, shared programs, and which rules an event may concern. The index
// is held against brute force over random rules and events: it may find too many rules, never too few.
#include "loyalty_set_kit.h"

// --- documents -----------------------------------------------------------------------------------------------

static void test_documents_are_copies(void **state) {
  struct shop *shop = *state;
  struct arena arena;
  union kit_document document;
  arena_init(&arena, 0);
  const char *json = "{" KIT_CLUB ",\"rules\":[{\"id\":\"base\",\"on\":\"Order Completed\",\"earn\":\"total\"}]}";
  assert_int_equal(kit_try(shop->kit, LOYALTY_KIND_PROGRAMME, json, NULL, &document), ERR_OK);
  assert_int_equal(
      kit_read_value(shop->kit, LOYALTY_KIND_PROGRAMME, kit_pack_json(shop->kit, json), NULL, &arena, &document),
      ERR_OK);
  shop->programmes[shop->programme_count++] = document.programme;
  shop->programmes[0].number = SHOP_CLUB;
  shop_open(shop);
  arena_release(&arena);
  const struct loyalty_live_rule *rule = shop_rule(shop, 0, 1);
  assert_non_null(rule);
  assert_bytes(rule->rule->id, "base");
  assert_bytes(rule->rule->earn, "total");
  assert_bytes(rule->programme->currencies[1].id, "credit");
  assert_null(rule->campaign);
  assert_non_null(rule->earn);
  assert_null(rule->when);
}

static void test_documents_by_number_and_id(void **state) {
  struct shop *shop = *state;
  shop_programme(shop, ",\"rules\":[{\"id\":\"base\",\"on\":\"Order Completed\",\"earn\":\"total\"}]");
  shop_programme(shop, "")->id = BYTES("other");
  shop->programmes[1].archived = true;
  shop_campaign(shop, "may", ",\"rules\":[{\"id\":\"twice\",\"on\":\"Order Completed\",\"earn\":\"total\"}]");
  shop_campaign(shop, "april", "")->number = 9;
  shop_campaign(shop, "june", "")->number = 5;
  shop_voucher(shop, "TEN", ",\"discount\":{\"percent\":10,\"lines\":\"sku = 'A1'\"},\"when\":\"total > 5\"");
  shop_voucher(shop, "ALL", ",\"discount\":{\"percent\":20},\"recipients\":\"traits.country = 'FR'\"");
  shop_open(shop);
  assert_int_equal(loyalty_set_programmes(shop->set), 2);
  assert_int_equal(loyalty_set_programme(shop->set, SHOP_CLUB + 1)->number, SHOP_CLUB + 1);
  assert_true(loyalty_set_programme_find(shop->set, BYTES("other"))->archived);
  assert_null(loyalty_set_programme(shop->set, 77));
  assert_null(loyalty_set_programme_at(shop->set, 2));
  assert_null(loyalty_set_programme_find(shop->set, BYTES("nobody")));
  assert_string_equal(rule_zone_name(loyalty_set_zone(shop->set, SHOP_CLUB)), "Europe/Paris");
  assert_null(loyalty_set_zone(shop->set, 77));
  assert_int_equal(loyalty_set_campaigns(shop->set), 3);
  assert_bytes(loyalty_set_campaign_at(shop->set, 1)->id, "june");
  assert_bytes(loyalty_set_campaign(shop->set, 9)->id, "april");
  assert_int_equal(loyalty_set_campaign_find(shop->set, BYTES("june"))->number, 5);
  assert_int_equal(loyalty_set_vouchers(shop->set), 2);
  assert_bytes(loyalty_set_voucher_at(shop->set, 0)->id, "TEN");
  assert_bytes(loyalty_set_voucher(shop->set, 2)->id, "ALL");
  assert_int_equal(loyalty_set_voucher_find(shop->set, BYTES("ALL"))->number, 2);
  assert_non_null(loyalty_set_condition(shop->set, 1));
  assert_non_null(loyalty_set_voucher_lines(shop->set, 1));
  assert_null(loyalty_set_recipients(shop->set, 1));
  assert_non_null(loyalty_set_recipients(shop->set, 2));
  assert_null(loyalty_set_condition(shop->set, 2));
  assert_null(loyalty_set_condition(shop->set, 99));
  assert_bytes(shop_rule(shop, 1, 1)->rule->id, "twice");
  assert_bytes(shop_rule(shop, 1, 1)->campaign->id, "may");
  assert_null(shop_rule(shop, 1, 2));
  assert_null(shop_rule(shop, 7, 1));
  assert_null(loyalty_set_rule(shop->set, 77, (struct loyalty_rule_ref){0, 1}));
}

static void test_an_empty_set(void **state) {
  struct shop *shop = *state;
  shop_open(shop);
  struct loyalty_event order = shop_event(shop, "Order Completed", "{}");
  assert_string_equal(shop_found(shop, &order), "");
  assert_false(loyalty_set_concerns(shop->set, order.name));
  assert_null(loyalty_set_voucher(shop->set, 1));
  loyalty_set_close(NULL);
}

static void test_refusals(void **state) {
  struct shop *shop = *state;
  struct loyalty_set *set = NULL;
  shop_programme(shop, "");
  shop_campaign(shop, "may", "")->programme = 77;
  assert_int_equal(shop_try_open(shop, &set), ERR_INVALID);
  assert_string_equal(shop->diag.code, "unknown_programme");
  assert_string_equal(shop->diag.field, "may");
  shop->campaign_count = 0;
  shop_voucher(shop, "TEN", ",\"discount\":{\"percent\":10}")->programme = 77;
  assert_int_equal(shop_try_open(shop, &set), ERR_INVALID);
  assert_string_equal(shop->diag.field, "TEN");
  shop->voucher_count = 0;
  shop->programmes[0].timezone = BYTES("Europe/Atlantis");
  assert_int_equal(shop_try_open(shop, &set), ERR_INVALID);
  assert_string_equal(shop->diag.code, "bad_timezone");
  shop_forget(shop);
  struct loyalty_rule rule = {.number = 1,
                              .id = BYTES("r"),
                              .name = BYTES("r"),
                              .on = BYTES("A"),
                              .when = BYTES("a ="),
                              .earn = BYTES("1"),
                              .currency = 1,
                              .span = {INT64_MIN, INT64_MAX}};
  struct loyalty_programme *programme = shop_programme(shop, "");
  programme->rules = &rule;
  programme->rule_count = 1;
  assert_int_equal(shop_try_open(shop, &set), ERR_INVALID);
  assert_string_equal(shop->diag.field, "club.r.when");
  programme->rule_count = LOYALTY_ALL_RULES_MAX + 1;
  assert_int_equal(shop_try_open(shop, &set), ERR_LIMIT);
  assert_string_equal(shop->diag.code, "too_many");
  assert_null(set);
}

// --- programs ------------------------------------------------------------------------------------------------

static void test_programs_are_shared(void **state) {
  struct shop *shop = *state;
  static const char *const RULES[] = {
      ",\"rules\":[{\"id\":\"a\",\"on\":\"A\",\"when\":\"total > 5\",\"earn\":\"total\"},"
      "{\"id\":\"b\",\"on\":\"B\",\"when\":\"total > 5\",\"earn\":\"1\",\"lines\":\"sku = 'x'\"}]",
      ",\"rules\":[{\"id\":\"b\",\"on\":\"B\",\"when\":\"total > 6\",\"earn\":\"1\",\"lines\":\"sku = 'x'\"},"
      "{\"id\":\"a\",\"on\":\"A\",\"when\":\"total > 5\",\"earn\":\"total\"}]"};
  shop_programme(shop, RULES[0]);
  shop_open(shop);
  const struct loyalty_live_rule *a = shop_rule(shop, 0, 1), *b = shop_rule(shop, 0, 2);
  const struct rule_program *when = a->when, *earn = a->earn, *lines = b->lines, *by_line = b->earn;
  assert_ptr_equal(b->when, when);
  loyalty_set_hold(shop->set);
  const struct loyalty_set *older = shop->set;
  shop_forget(shop);
  shop_programme(shop, RULES[1]);
  shop_open(shop);
  loyalty_set_close(older);
  b = shop_rule(shop, 0, 1);
  a = shop_rule(shop, 0, 2);
  assert_ptr_equal(a->when, when);
  assert_ptr_equal(a->earn, earn);
  assert_ptr_equal(b->lines, lines);
  assert_ptr_equal(b->earn, by_line);
  assert_ptr_not_equal(b->when, when);
  struct loyalty_event event = shop_event(shop, "A", "{\"total\":5.5}");
  assert_null(shop_judge(shop, a, &event).skipped);
}

// One text over an event and over a line is two programs; so it is of two zones.
static void test_programs_are_of_their_subject(void **state) {
  struct shop *shop = *state;
  shop_programme(shop, ",\"rules\":[{\"id\":\"a\",\"on\":\"Order Completed\",\"when\":\"sku = 'x'\",\"earn\":\"1\","
                       "\"lines\":\"sku = 'x'\"}]");
  struct loyalty_programme *other =
      shop_programme(shop, ",\"rules\":[{\"id\":\"a\",\"on\":\"A\",\"when\":\"sku = 'x'\",\"earn\":\"1\"}]");
  other->id = BYTES("other");
  other->timezone = BYTES("America/New_York");
  shop_open(shop);
  const struct loyalty_live_rule *rule = shop_rule(shop, 0, 1);
  const struct loyalty_live_rule *there = loyalty_set_rule(shop->set, SHOP_CLUB + 1, (struct loyalty_rule_ref){0, 1});
  assert_ptr_not_equal(rule->when, rule->lines);
  assert_ptr_not_equal(rule->when, there->when);
  assert_ptr_not_equal(rule->earn, there->earn);
}

// --- finding -------------------------------------------------------------------------------------------------

#define ORDER_RULE(id, rest) "{\"id\":\"" id "\",\"on\":\"Order Completed\",\"earn\":\"1\"" rest "}"

static void test_rules_are_found_by_what_they_ask(void **state) {
  struct shop *shop = *state;
  shop_programme(
      shop, ",\"rules\":[" ORDER_RULE("lyon",
                                      ",\"when\":\"total > 5 and store = 'Lyon'\"") "," ORDER_RULE("any",
                                                                                                   "") "," ORDER_RULE("two", ",\"when\":\"store in ('Lyon', 'Nice')\"") "," ORDER_RULE("sku", ",\"when\":\"exists(this.products where sku = 'A1' and price > 3)\"") "," ORDER_RULE("more", ",\"when\":\"count(this.products where sku = 'A2') >= 1\"") "," ORDER_RULE("line", ",\"lines\":\"sku in ('A1', 'A2') and price > 1\"") "," ORDER_RULE("web",
                                                                                                                                                                                                                                                                                                                                                                                                                                                 ",\"when\":\"context.channel = 'web'\"") "," ORDER_RULE("five",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         ",\"when\":\"5.0 = guests\"") "," ORDER_RULE("gift",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      ",\"when\":\"gift = true\"") "," ORDER_RULE("below",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  ",\"when\":\"balance = -1\"") "," ORDER_RULE("either",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               ",\"when\":\"store = 'Lyon' or store = 'Nice'\"") "]");
  shop_campaign(shop, "may",
                ",\"rules\":[" ORDER_RULE("mine", ",\"when\":\"store = 'Lyon'\"") "," ORDER_RULE("ours", "") "]");
  shop_open(shop);
  static const char *const CASES[][2] = {
      {"{}", "any either ours "},
      {"{\"store\":\"Lyon\"}", "lyon any two either mine ours "},
      {"{\"store\":\"lyon\"}", "any either ours "},
      {"{\"store\":\"Nice\"}", "any two either ours "},
      {"{\"store\":null}", "any either ours "},
      {"{\"store\":[\"Lyon\"]}", "any either ours "},
      {"{\"guests\":5}", "any five either ours "},
      {"{\"guests\":5.000}", "any five either ours "},
      {"{\"guests\":0.5E+1}", "any five either ours "},
      {"{\"guests\":\"5\"}", "any either ours "},
      {"{\"gift\":true,\"balance\":-1.00}", "any gift below either ours "},
      {"{\"gift\":\"true\",\"balance\":1}", "any either ours "},
      {"{\"products\":[{\"sku\":\"A1\"},{\"sku\":\"A2\"},{\"sku\":\"A1\"}]}", "any sku more line either ours "},
      {"{\"products\":[{\"sku\":\"A2\"}],\"store\":\"Lyon\"}", "lyon any two more line either mine ours "},
      {"{\"products\":{\"sku\":\"A2\"}}", "any more line either ours "},
      {"{\"products\":[1,null,[]]}", "any either ours "},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct loyalty_event event = shop_event(shop, "Order Completed", CASES[i][0]);
    assert_string_equal(shop_found(shop, &event), CASES[i][1]);
  }
  struct loyalty_event event = {.name = shop_name(shop, "Order Completed"), .at_us = 0};
  assert_string_equal(shop_found(shop, &event), "any either ours ");
  event.message = shop_value(shop, "{\"context\":{\"channel\":\"web\"}}");
  assert_string_equal(shop_found(shop, &event), "any web either ours ");
  event.name = shop_name(shop, "Something Else");
  assert_string_equal(shop_found(shop, &event), "");
  event.name = 0;
  assert_string_equal(shop_found(shop, &event), "");
}

// What loyalty_with_paid writes is not asked of the message as it came; nor is what only looks like an ask.
static void test_what_is_not_asked(void **state) {
  struct shop *shop = *state;
  static const char *const CONDITIONS[] = {"paid = 5",
                                           "discount = 0",
                                           "total = 5",
                                           "properties.paid_lines = 1",
                                           "exists(this.products where line_id = '1')",
                                           "exists(this.products where paid = 5)",
                                           "exists(this.products where amount in (5, 6))",
                                           "count(this.products where sku = 'A1') >= 0",
                                           "count(this.products where sku = 'A1') = 0",
                                           "sum(quantity of this.products where sku = 'A1') > -1",
                                           "not store = 'Lyon'",
                                           "store != 'Lyon'",
                                           "store not in ('Lyon')",
                                           "store = country",
                                           "day = 2026-05-01",
                                           "day in ('a', 2026-05-01)",
                                           "traits.country = 'FR'",
                                           "store starts with 'L'"};
  for (size_t i = 0; i < sizeof CONDITIONS / sizeof *CONDITIONS; i++) {
    char *rules = arena_format(&shop->arena,
                               ",\"rules\":[{\"id\":\"r\",\"on\":\"Order Completed\",\"earn\":\"1\",\"when\":\"%s\"}]",
                               CONDITIONS[i]);
    shop_forget(shop);
    shop_programme(shop, rules);
    shop_open(shop);
    struct loyalty_event event = shop_event(shop, "Order Completed", "{}");
    if (strcmp(shop_found(shop, &event), "r ") != 0) fail_msg("%s", CONDITIONS[i]);
  }
}

// A rule that does something beside its lines is found without them.
static void test_lines_that_are_not_all(void **state) {
  struct shop *shop = *state;
#define LINES "\"lines\":\"sku = 'A1'\""
  shop_programme(
      shop, ",\"rules\":["
            "{\"id\":\"both\",\"on\":\"Order Completed\",\"earn\":\"1\"," LINES ",\"discount\":{\"percent\":5}},"
            "{\"id\":\"off\",\"on\":\"Order Completed\",\"discount\":{\"percent\":5," LINES "}},"
            "{\"id\":\"gift\",\"on\":\"Order Completed\",\"discount\":{\"percent\":5," LINES "},\"give\":\"V\"},"
            "{\"id\":\"earns\",\"on\":\"Order Completed\",\"earn\":\"1\",\"discount\":{\"percent\":5," LINES "}}]");
  shop_open(shop);
  struct loyalty_event event = shop_event(shop, "Order Completed", "{\"products\":[{\"sku\":\"B\"}]}");
  assert_string_equal(shop_found(shop, &event), "both gift earns ");
  event = shop_event(shop, "Order Completed", "{\"products\":[{\"sku\":\"A1\"}]}");
  assert_string_equal(shop_found(shop, &event), "both off gift earns ");
}

static void test_time_and_archive(void **state) {
  struct shop *shop = *state;
  shop_programme(shop, ",\"rules\":[" ORDER_RULE(
                           "may", ",\"from\":\"2026-05-01\",\"to\":\"2026-05-31\"") "," ORDER_RULE("now", "") "]");
  struct loyalty_campaign *campaign = shop_campaign(
      shop, "june",
      ",\"to\":\"2026-05-20T00:00:00Z\",\"rules\":[" ORDER_RULE("early", ",\"from\":\"2026-05-10T00:00:00Z\"") "]");
  shop_open(shop);
  struct loyalty_event event = shop_event(shop, "Order Completed", "{}");
  static const struct {
    const char *at, *found;
  } CASES[] = {{"2026-04-30T21:59:59Z", "now "},           {"2026-04-30T22:00:00Z", "may now "},
               {"2026-05-09T23:59:59Z", "may now "},       {"2026-05-10T00:00:00Z", "may now early "},
               {"2026-05-19T23:59:59Z", "may now early "}, {"2026-05-20T00:00:00Z", "may now "},
               {"2026-05-31T21:59:59Z", "may now "},       {"2026-05-31T22:00:00Z", "now "}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    assert_int_equal(clock_parse(bytes_from_text(CASES[i].at), &event.at_us), ERR_OK);
    assert_string_equal(shop_found(shop, &event), CASES[i].found);
  }
  assert_int_equal(clock_parse(BYTES("2026-05-15T00:00:00Z"), &event.at_us), ERR_OK);
  campaign->archived = true;
  shop_open(shop);
  assert_string_equal(shop_found(shop, &event), "may now ");
  assert_non_null(shop_rule(shop, 1, 1));
  campaign->archived = false;
  shop->programmes[0].archived = true;
  shop_open(shop);
  assert_string_equal(shop_found(shop, &event), "");
}

static void test_what_else_an_event_concerns(void **state) {
  struct shop *shop = *state;
  const struct loyalty_live_rule *const *rules;
  size_t count;
  shop_programme(shop, ",\"rules\":[{\"id\":\"review\",\"on\":\"Reviewed\",\"earn\":\"5\",\"once_by\":\"review_id\","
                       "\"withdrawn_by\":\"Review Withdrawn\"},{\"id\":\"other\",\"on\":\"Shared\",\"earn\":\"1\","
                       "\"once_by\":\"id\",\"withdrawn_by\":\"Review Withdrawn\"}]");
  struct loyalty_currency currencies[] = {shop->programmes[0].currencies[0], shop->programmes[0].currencies[1]};
  for (size_t i = 0; i < 2; i++) {
    currencies[i].pending = LOYALTY_PENDING_ON_EVENT;
    currencies[i].pending_event = i == 0 ? BYTES("Delivered") : BYTES("Paid");
  }
  shop->programmes[0].currencies = currencies;
  shop_open(shop);
  static const char *const NAMES[] = {"Reviewed", "Review Withdrawn", "Shared",         "Delivered",
                                      "Paid",     "Order Completed",  "Order Refunded", "Order Cancelled"};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    assert_true(loyalty_set_concerns(shop->set, shop_name(shop, NAMES[i])));
  assert_false(loyalty_set_concerns(shop->set, shop_name(shop, "Page Viewed")));
  assert_false(loyalty_set_concerns(shop->set, 0));
  assert_int_equal(
      loyalty_set_find_withdrawn(shop->set, shop_name(shop, "Review Withdrawn"), &shop->arena, &rules, &count), ERR_OK);
  assert_int_equal(count, 2);
  assert_bytes(rules[0]->rule->id, "review");
  assert_bytes(rules[1]->rule->id, "other");
  assert_int_equal(loyalty_set_find_withdrawn(shop->set, shop_name(shop, "Reviewed"), &shop->arena, &rules, &count),
                   ERR_OK);
  assert_int_equal(count, 0);
  uint8_t currency = 0;
  assert_true(loyalty_set_releases(shop->set, SHOP_CLUB, shop_name(shop, "Paid"), &currency));
  assert_int_equal(currency, 2);
  assert_true(loyalty_set_releases(shop->set, SHOP_CLUB, shop_name(shop, "Paid"), &currency));
  assert_false(loyalty_set_releases(shop->set, SHOP_CLUB, shop_name(shop, "Delivered"), &currency));
  currency = 0;
  assert_false(loyalty_set_releases(shop->set, SHOP_CLUB, shop_name(shop, "Reviewed"), &currency));
  assert_false(loyalty_set_releases(shop->set, 77, shop_name(shop, "Paid"), &currency));
}

// --- against brute force -------------------------------------------------------------------------------------

static uint64_t random_state = 88172645463325252u;

static unsigned below(unsigned most) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned)(random_state % most);
}

static const char *pick(const char *const *words, unsigned count) {
  return words[below(count)];
}
#define PICK(words) pick(words, sizeof(words) / sizeof *(words))

static const char *const STORES[] = {"'Lyon'", "'Nice'", "'A1'", "1", "1.0", "10", "1E+1", "true", "null", "-0.0", "0"};
static const char *const MEMBERS[] = {"sku", "color", "price", "quantity", "item", "line_id", "tag.deep"};
static const char *const PROPERTIES[] = {"store",           "total", "gift",      "properties.store",
                                         "context.channel", "paid",  "store.name"};

static char *condition(struct shop *shop, bool of_line, unsigned depth);

static char *equation(struct shop *shop, const char *path) {
  struct arena *arena = &shop->arena;
  switch (below(6)) {
  case 0:
    return arena_format(arena, "%s in (%s, %s)", path, PICK(STORES), PICK(STORES));
  case 1:
    return arena_format(arena, "%s = %s", PICK(STORES), path);
  case 2:
    return arena_format(arena, "%s %s %s", path, below(2) ? "!=" : "not in", below(2) ? "('Lyon')" : "('Nice')");
  default:
    return arena_format(arena, "%s = %s", path, PICK(STORES));
  }
}

static char *aggregate(struct shop *shop) {
  static const char *const FORMS[] = {
      "exists(this.products where %s)",     "count(this.products where %s) >= 1",
      "count(this.products where %s) > 0",  "count(this.products where %s) = 0",
      "1 <= count(this.products where %s)", "sum(quantity of this.products where %s) >= 2",
      "not exists(this.products where %s)"};
  const char *form = PICK(FORMS), *hole = strstr(form, "%s");
  char *where = condition(shop, true, 1);
  return arena_format(&shop->arena, "%.*s%s%s", (int)(hole - form), form, where, hole + 2);
}

static char *condition(struct shop *shop, bool of_line, unsigned depth) {
  unsigned kind = below(depth == 0 ? 4 : 8);
  struct arena *arena = &shop->arena;
  if (kind >= 4) {
    char *left = condition(shop, of_line, depth - 1), *right = condition(shop, of_line, depth - 1);
    return arena_format(arena, kind == 4 ? "(%s or %s)" : kind == 5 ? "(%s and %s)" : "%s and %s", left, right);
  }
  if (of_line) return equation(shop, PICK(MEMBERS));
  if (kind == 0) return aggregate(shop);
  if (kind == 1) return arena_format(arena, "exists(this where %s)", equation(shop, PICK(PROPERTIES)));
  return equation(shop, PICK(PROPERTIES));
}

static char *random_rules(struct shop *shop, unsigned count) {
  struct arena *arena = &shop->arena;
  char *rules = arena_format(arena, ",\"rules\":[");
  for (unsigned i = 0; i < count; i++) {
    char *when = below(3) == 0 ? "true" : condition(shop, false, 3);
    char *lines = condition(shop, true, 2);
    const char *rest;
    unsigned kind = below(3);
    if (kind == 0)
      rest = arena_format(arena, "\"earn\":\"1\",\"when\":\"%s\"", when);
    else if (kind == 1)
      rest = arena_format(arena, "\"earn\":\"quantity\",\"when\":\"%s\",\"lines\":\"%s\"", when, lines);
    else
      rest = arena_format(arena, "\"discount\":{\"percent\":5,\"lines\":\"%s\"},\"when\":\"%s\"", lines, when);
    rules =
        arena_format(arena, "%s%s{\"id\":\"r%u\",\"on\":\"Order Completed\",%s}", rules, i == 0 ? "" : ",", i, rest);
  }
  return arena_format(arena, "%s]", rules);
}

static const char *random_json(void) {
  static const char *const VALUES[] = {"\"Lyon\"", "\"Nice\"", "\"A1\"", "1",     "1.00",
                                       "10.0",     "1E1",      "true",   "null",  "0",
                                       "-0",       "[]",       "{}",     "\"1\"", "{\"name\":\"Lyon\"}"};
  return PICK(VALUES);
}

// Without products, with an empty list of them, or with some.
static struct loyalty_event random_order(struct shop *shop) {
  static const char *const SKUS[] = {"\"A1\"", "\"Lyon\"", "\"Nice\"", "1"};
  struct arena *arena = &shop->arena;
  const char *products = "";
  unsigned count = below(4);
  bool listed = count > 0 || below(2) == 0;
  for (unsigned i = 0; i < count; i++)
    products =
        arena_format(arena, "%s%s{\"price\":%u,\"quantity\":%u,\"sku\":%s,\"color\":%s,\"tag\":{\"deep\":%s}}",
                     products, i == 0 ? "" : ",", below(3), 1 + below(3), PICK(SKUS), random_json(), random_json());
  if (listed) products = arena_format(arena, ",\"products\":[%s]", products);
  return shop_order(shop, arena_format(arena, "{\"store\":%s,\"total\":%u.0,\"gift\":%s,\"paid\":%s%s}", random_json(),
                                       below(3), random_json(), random_json(), products));
}

static bool is_among(const struct loyalty_live_rule *const *rules, size_t count, const struct loyalty_live_rule *rule) {
  for (size_t i = 0; i < count; i++)
    if (rules[i] == rule) return true;
  return false;
}

// Both with the message as it came and as rules see it: what applies with the second is found with either.
static void compare(struct shop *shop, uint32_t rule_count, size_t *found_count) {
  const struct loyalty_live_rule *const *sent, *const *seen;
  size_t sent_count, seen_count;
  struct loyalty_event event = random_order(shop);
  struct value message = event.message;
  assert_int_equal(loyalty_with_paid(message, event.basket, loyalty_basket_due(event.basket), shop->kit->names,
                                     &shop->arena, &event.message),
                   ERR_OK);
  loyalty_set_find(shop->set, event.name, message, event.at_us, &shop->arena, &sent, &sent_count);
  loyalty_set_find(shop->set, event.name, event.message, event.at_us, &shop->arena, &seen, &seen_count);
  for (size_t i = 1; i < seen_count; i++) assert_true(seen[i - 1]->ref.rule < seen[i]->ref.rule);
  for (uint32_t i = 1; i <= rule_count; i++) {
    const struct loyalty_live_rule *rule = shop_rule(shop, 0, i);
    struct loyalty_judgement judgement = shop_judge(shop, rule, &event);
    if (judgement.skipped != NULL && !judgement.discounts) continue;
    if (!is_among(sent, sent_count, rule) || !is_among(seen, seen_count, rule))
      fail_msg("not found: when %.*s, lines %.*s", BYTES_ARG(rule->rule->when), BYTES_ARG(rule->rule->lines));
  }
  *found_count += seen_count;
}

static void test_against_brute_force(void **state) {
  struct shop *shop = *state;
  size_t found = 0, all = 0;
  for (int round = 0; round < 150; round++) {
    shop_forget(shop);
    uint32_t count = 1 + below(40);
    shop_programme(shop, random_rules(shop, count));
    shop_open(shop);
    for (int i = 0; i < 40; i++, all += count) compare(shop, count, &found);
    arena_clear(&shop->arena);
  }
  assert_true(found < all / 10 * 7); // the index does find less than everything
}

// --- thousands of rules --------------------------------------------------------------------------------------

static void test_ten_thousand_rules(void **state) {
  struct shop *shop = *state;
  for (unsigned document = 0; document < 50; document++) {
    char *rules = arena_format(&shop->arena, ",\"rules\":[");
    for (unsigned i = 0; i < 200; i++) {
      unsigned number = document * 200 + i;
      const char *form = number % 100 == 0 ? "total > %u"
                         : number % 2 == 0 ? "exists(this.products where sku = 'P%u')"
                                           : "store = 'S%u'";
      char when[80];
      const char *hole = strstr(form, "%u");
      snprintf(when, sizeof when, "%.*s%u%s", (int)(hole - form), form, number, hole + 2);
      rules =
          arena_format(&shop->arena, "%s%s{\"id\":\"r%u\",\"on\":\"Order Completed\",\"earn\":\"1\",\"when\":\"%s\"}",
                       rules, i == 0 ? "" : ",", number, when);
    }
    rules = arena_format(&shop->arena, "%s]", rules);
    if (document == 0)
      shop_programme(shop, rules);
    else
      shop_campaign(shop, arena_format(&shop->arena, "c%u", document), rules);
    arena_clear(&shop->arena);
  }
  shop_open(shop);
  struct loyalty_event event = shop_event(
      shop, "Order Completed",
      "{\"store\":\"S7\",\"products\":[{\"sku\":\"P8\"},{\"sku\":\"P9998\"},{\"sku\":\"P10\"},{\"sku\":\"none\"}]}");
  const struct loyalty_live_rule *const *rules;
  size_t count;
  assert_int_equal(loyalty_set_find(shop->set, event.name, event.message, event.at_us, &shop->arena, &rules, &count),
                   ERR_OK);
  assert_int_equal(count, 100 + 4);
  assert_bytes(rules[0]->rule->id, "r0");
  assert_bytes(rules[1]->rule->id, "r7");
  assert_bytes(rules[2]->rule->id, "r8");
  assert_bytes(rules[3]->rule->id, "r10");
  assert_bytes(rules[103]->rule->id, "r9998");
}

// --- short memory --------------------------------------------------------------------------------------------

static void test_every_allocation_fails(void **state) {
  struct shop *shop = *state;
  shop_programme(shop, ",\"rules\":[" ORDER_RULE("a", ",\"when\":\"store in ('x', 'y') and total > 1\"") "," ORDER_RULE(
                           "b", ",\"lines\":\"sku = 'A1'\"") "]");
  shop_campaign(shop, "may", ",\"rules\":[" ORDER_RULE("c", ",\"when\":\"exists(this.products where sku = 'q')\"") "]");
  shop_voucher(shop, "TEN", ",\"discount\":{\"percent\":10,\"lines\":\"sku = 'A1'\"}");
  shop_open(shop);
  struct loyalty_set *older = shop->set;
  for (int with_older = 0; with_older < 2; with_older++) {
    shop->set = with_older ? older : NULL;
    bool failed = true;
    for (uint64_t allowed = 0; failed; allowed++) {
      struct loyalty_set *set = NULL;
      alloc_fail_after(allowed, false);
      enum err err = shop_try_open(shop, &set);
      failed = alloc_fail_disarm();
      if (failed) assert_int_equal(err, ERR_NO_MEMORY);
      assert_true((err == ERR_OK) == (set != NULL));
      if (!failed) assert_int_equal(err, ERR_OK);
      loyalty_set_close(set);
    }
  }
  shop->set = older;
  struct loyalty_event event = shop_event(shop, "Order Completed", "{\"store\":\"x\"}");
  for (bool failed = true; failed;) {
    static uint64_t allowed;
    const struct loyalty_live_rule *const *rules;
    struct arena arena;
    size_t count;
    arena_init(&arena, 0);
    alloc_fail_after(allowed++, false);
    enum err err = loyalty_set_find(shop->set, event.name, event.message, event.at_us, &arena, &rules, &count);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    arena_release(&arena);
  }
}

#define SHOP_TEST(test) cmocka_unit_test_setup_teardown(test, shop_setup, shop_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SHOP_TEST(test_documents_are_copies),
      SHOP_TEST(test_documents_by_number_and_id),
      SHOP_TEST(test_an_empty_set),
      SHOP_TEST(test_refusals),
      SHOP_TEST(test_programs_are_shared),
      SHOP_TEST(test_programs_are_of_their_subject),
      SHOP_TEST(test_rules_are_found_by_what_they_ask),
      SHOP_TEST(test_what_is_not_asked),
      SHOP_TEST(test_lines_that_are_not_all),
      SHOP_TEST(test_time_and_archive),
      SHOP_TEST(test_what_else_an_event_concerns),
      SHOP_TEST(test_against_brute_force),
      SHOP_TEST(test_ten_thousand_rules),
      SHOP_TEST(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
