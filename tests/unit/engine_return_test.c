// Returns with "promotions_on_return": "reevaluate", through the engine: what is left of an order costs and keeps what
// it would have, had it been bought alone by the documents of then. After every scene engine_check, and so
// engine_loyalty_verify, finds nothing.
#include "engine_member_kit.h"

#include <inttypes.h>

#define ZOE "user_id:zoe"
#define CLUB                                                                                                           \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\",\"worth\":"     \
  "\"0.01\",\"returns\":\"unlimited\"}],\"promotions_on_return\":\"reevaluate\",\"stacking\":{\"codes\":\"partial\"}"
#define PURCHASE "{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"}"
#define RULES(rules) CLUB ",\"rules\":[" PURCHASE rules "]}"
#define TEN_FROM_50                                                                                                    \
  ",{\"id\":\"ten\",\"on\":\"Order Completed\",\"when\":\"total >= 50\",\"discount\":{\"amount\":\"10.00\"}}"

static int64_t cents_after(const char *json, const char *name) {
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\"%s\":", name);
  const char *at = strstr(json, pattern);
  if (at == NULL) fail_msg("no %s in %s", name, json);
  char *end;
  int64_t cents = strtoll(at + strlen(pattern), &end, 10) * 100;
  if (*end != '.') return cents;
  return cents + (end[1] - '0') * 10 + (end[2] >= '0' && end[2] <= '9' ? end[2] - '0' : 0);
}

// Lines "1", "2", … of so many units at a price in euros each; the reply is freed by the caller.
struct item {
  int units, price;
};
static char *basket(struct kit *kit, member_call_fn *call, const char *id, const struct item *items, size_t count,
                    const char *more) {
  char json[2048], products[1536];
  size_t used = 0;
  products[0] = '\0';
  for (size_t i = 0; i < count; i++)
    if (items[i].units > 0)
      used += (size_t)snprintf(products + used, sizeof products - used,
                               "%s{\"line_id\":\"%zu\",\"sku\":\"S%zu\",\"quantity\":%d,\"price\":%d}",
                               used == 0 ? "" : ",", i + 1, i + 1, items[i].units, items[i].price);
  snprintf(json, sizeof json, "{\"customer\":\"" ZOE "\",\"cart\":{\"order_id\":\"%s\",\"products\":[%s]}%s}", id,
           products, more);
  return member_call(kit, call, "till", json, NULL);
}

static int64_t buy(struct kit *kit, const char *id, const struct item *items, size_t count, const char *more) {
  char *reply = basket(kit, engine_order, id, items, count, more);
  int64_t due = cents_after(reply, "due");
  free(reply);
  return due;
}

static enum err call_return(struct engine *engine, const struct engine_caller *caller, struct value request,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct bytes order;
  assert_true(value_as_text(value_member(request, engine_names(engine), BYTES("order")), &order));
  return engine_order_return(engine, caller, order, request, writer, commit, diag);
}

// Of one line; units 0: all that is left of the order.
static int64_t give_back(struct kit *kit, const char *order, const char *id, size_t line, int units) {
  char json[256], lines[96] = "";
  if (units > 0) snprintf(lines, sizeof lines, ",\"lines\":[{\"line_id\":\"%zu\",\"quantity\":%d}]", line, units);
  snprintf(json, sizeof json, "{\"order\":\"%s\",\"return_id\":\"%s\"%s}", order, id, lines);
  char *reply = member_call(kit, call_return, "till", json, NULL);
  int64_t cents = cents_after(strstr(reply, "\"refund\""), "amount");
  free(reply);
  return cents;
}

static int64_t points_of(struct kit *kit) {
  if (kit_customer(kit, ZOE) == 0) return 0;
  char *json = member_json(kit, ZOE);
  const char *at = strstr(json, "\"active\":");
  int64_t points = at == NULL ? 0 : strtoll(at + 9, NULL, 10);
  free(json);
  return points;
}

static void open_with(struct kit *kit, const char *programme) {
  kit_open(kit);
  kit->check_each = false;
  member_put(kit, ENGINE_PROGRAMME, programme);
}

static void code(struct kit *kit, const char *voucher, const char *text) {
  char json[128];
  snprintf(json, sizeof json, "{\"voucher\":\"%s\",\"code\":\"%s\"}", voucher, text);
  free(member_call(kit, engine_codes_make, "till", json, NULL));
}

// --- by hand -------------------------------------------------------------------------------------------------

enum { ITEMS_MAX = 3, STEPS_MAX = 4 };
struct step {
  size_t line;
  int units;
  int64_t cents, points; // given back; that she has then
};
struct scene {
  const char *name, *rules, *voucher; // the voucher's code is "CODE"; NULL: none
  struct item items[ITEMS_MAX];
  int64_t paid;
  struct step steps[STEPS_MAX];
};

#define VOUCHER(more) "{\"id\":\"V\",\"programme\":\"club\"," more "}"

static const struct scene scenes[] = {
    {"a threshold that the rest does not reach",
     TEN_FROM_50,
     NULL,
     {{1, 40}, {1, 20}},
     5000,
     {{2, 1, 1000, 40}, {1, 1, 4000, 0}}},
    {"more is lost than comes back: nothing is given, and the next one gives less",
     TEN_FROM_50,
     NULL,
     {{1, 5}, {1, 6}, {1, 49}},
     5000,
     {{1, 1, 500, 45}, {2, 1, 0, 45}, {3, 1, 4500, 0}}},
    {"the rest still reaches it", TEN_FROM_50, NULL, {{1, 60}, {1, 20}}, 7000, {{2, 1, 2000, 50}, {1, 1, 5000, 0}}},
    {"buy three, pay two",
     ",{\"id\":\"three\",\"on\":\"Order Completed\",\"when\":\"total >= 90\",\"discount\":"
     "{\"free\":{\"sku\":\"S1\",\"quantity\":1}}}",
     NULL,
     {{3, 30}},
     6000,
     {{1, 1, 0, 60}, {1, 1, 3000, 30}, {1, 1, 3000, 0}}},
    {"a voucher of a fixed amount stays whole",
     "",
     VOUCHER("\"discount\":{\"amount\":\"10.00\"}"),
     {{3, 100}},
     29000,
     {{1, 1, 10000, 190}, {1, 1, 10000, 90}, {1, 1, 9000, 0}}},
    {"a voucher with a minimum is lost",
     "",
     VOUCHER("\"discount\":{\"amount\":\"10.00\"},\"minimum\":\"50.00\""),
     {{1, 40}, {1, 20}},
     5000,
     {{2, 1, 1000, 40}, {1, 1, 4000, 0}}},
    {"a voucher with a condition over the basket is lost",
     "",
     VOUCHER("\"discount\":{\"percent\":10},\"when\":\"total >= 100\""),
     {{1, 80}, {1, 20}},
     9000,
     {{2, 1, 1000, 80}, {1, 1, 8000, 0}}},
    {"one upon the other",
     TEN_FROM_50,
     VOUCHER("\"discount\":{\"percent\":10}"),
     {{1, 40}, {1, 20}},
     4500,
     {{2, 1, 900, 36}, {1, 1, 3600, 0}}},
    {"the threshold of points",
     ",{\"id\":\"bonus\",\"on\":\"Order Completed\",\"when\":\"total >= 50\",\"earn\":"
     "\"100\"}",
     NULL,
     {{1, 40}, {1, 20}},
     6000,
     {{2, 1, 2000, 40}, {1, 1, 4000, 0}}},
    {"a percentage, to the cent",
     ",{\"id\":\"third\",\"on\":\"Order Completed\",\"discount\":{\"percent\":33.33}}",
     NULL,
     {{1, 10}, {1, 10}, {1, 10}},
     2000,
     {{1, 1, 667, 13}, {2, 1, 666, 6}, {3, 1, 667, 0}}},
};

static void play(const struct scene *scene) {
  char programme[2048], id[16];
  struct kit kit;
  snprintf(programme, sizeof programme, "%s%s]}", CLUB ",\"rules\":[" PURCHASE, scene->rules);
  open_with(&kit, programme);
  snprintf(kit.where, sizeof kit.where, "%s", scene->name);
  if (scene->voucher != NULL) member_put(&kit, ENGINE_VOUCHER, scene->voucher);
  if (scene->voucher != NULL) code(&kit, "V", "CODE-26");
  int64_t paid = buy(&kit, "o1", scene->items, ITEMS_MAX, scene->voucher == NULL ? "" : ",\"codes\":[\"CODE-26\"]");
  if (paid != scene->paid) fail_msg("%s: paid %" PRId64, scene->name, paid);
  for (size_t i = 0; i < STEPS_MAX && scene->steps[i].units > 0; i++) {
    const struct step *step = &scene->steps[i];
    snprintf(id, sizeof id, "r%zu", i);
    int64_t cents = give_back(&kit, "o1", id, step->line, step->units), points = points_of(&kit);
    if (cents != step->cents || points != step->points)
      fail_msg("%s: return %zu gave %" PRId64 " and left %" PRId64 " points", scene->name, i + 1, cents, points);
    paid -= cents;
  }
  assert_int_equal(paid, 0);
  kit_check(&kit);
  member_verify(&kit);
  kit_close(&kit);
}

static void by_hand(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) play(&scenes[i]);
}

// --- as it was then ------------------------------------------------------------------------------------------

static const struct item TWO[] = {{1, 40}, {1, 20}};

// Whatever the documents and the policy are since: also when they changed at that very instant.
static void documents_of_then(void **state) {
  struct kit kit;
  (void)state;
  for (int later = 0; later < 2; later++) {
    open_with(&kit, RULES(TEN_FROM_50));
    assert_int_equal(buy(&kit, "o1", TWO, 2, ""), 5000);
    if (later) clock_hold(&kit.clock, clock_now_us(&kit.clock) + CLOCK_DAY_US);
    member_put(&kit, ENGINE_PROGRAMME,
               RULES(",{\"id\":\"half\",\"on\":\"Order Completed\",\"discount\":{\"percent\":50}}"));
    assert_int_equal(buy(&kit, "o2", TWO, 2, ""), 3000);
    assert_int_equal(give_back(&kit, "o1", "r1", 2, 1), 1000);
    assert_int_equal(give_back(&kit, "o2", "r2", 2, 1), 1000);
    assert_int_equal(give_back(&kit, "o1", "r3", 0, 0), 4000);
    assert_int_equal(points_of(&kit), 20);
    kit_check(&kit);
    member_verify(&kit);
    kit_close(&kit);
  }
}

// A first purchase is one when it comes back, and so is a trait what it was.
static void the_customer_of_then(void **state) {
  static const struct item MORE[] = {{1, 40}, {1, 20}, {1, 40}};
  char red[] = "event t=1 user_id:zoe trait.hat=red", blue[] = "event t=2 user_id:zoe trait.hat=blue";
  struct kit kit;
  (void)state;
  open_with(&kit, RULES(",{\"id\":\"first\",\"on\":\"Order Completed\",\"when\":\"count(\\\"Order Completed\\\") = 1\","
                        "\"discount\":{\"percent\":10}},{\"id\":\"red\",\"on\":\"Order Completed\",\"when\":"
                        "\"traits.hat = \\\"red\\\"\",\"discount\":{\"percent\":50}}"));
  kit_line(&kit, red);
  assert_int_equal(buy(&kit, "o1", MORE, 3, ""), 4500);
  kit_line(&kit, blue);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + CLOCK_DAY_US);
  assert_int_equal(buy(&kit, "o2", TWO, 2, ""), 6000);
  assert_int_equal(give_back(&kit, "o1", "r1", 2, 1), 900);
  assert_int_equal(give_back(&kit, "o1", "r2", 1, 1), 1800);
  assert_int_equal(give_back(&kit, "o1", "r3", 0, 0), 1800);
  kit_check(&kit);
  kit_close(&kit);
}

static void reopened_as_it_was(void **state) {
  struct engine_caller caller;
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_with(&kit, RULES(TEN_FROM_50));
  caller = (struct engine_caller){member_source(&kit, "till"), BYTES("till 1")};
  assert_int_equal(buy(&kit, "o1", TWO, 2, ""), 5000);
  assert_int_equal(give_back(&kit, "o1", "r1", 2, 1), 1000);
  live_ask(&answer);
  free(live_told(&kit, &answer,
                 engine_order_cancel(kit.engine, &caller, BYTES("o1"), &answer.writer, &commit, &answer.diag)));
  assert_int_equal(points_of(&kit), 0);
  live_ask(&answer);
  live_contains(live_told(&kit, &answer,
                          engine_order_reopen(kit.engine, &caller, BYTES("o1"), &answer.writer, &commit, &answer.diag)),
                "\"remaining\":40");
  assert_int_equal(points_of(&kit), 40);
  assert_int_equal(give_back(&kit, "o1", "r2", 0, 0), 4000);
  kit_check(&kit);
  member_verify(&kit);
  kit_close(&kit);
}

// --- what has expired ----------------------------------------------------------------------------------------

// Two of 25; of 50 points 30 are spent and 20 expire. Those are gone: only what was spent is owed, once, in whatever
// steps the goods come back, and no other points pay for it.
static void expired_points_are_no_debt(void **state) {
  static const char *const POLICIES[] = {"unlimited", "within_balance"};
  static const struct item PAIR[] = {{1, 25}, {1, 25}}, LATER[] = {{1, 7}};
  char programme[512];
  struct kit kit;
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    snprintf(programme, sizeof programme,
             "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\","
             "\"validity\":{\"after\":\"10 days\"},\"returns\":\"%s\"}],\"rules\":[" PURCHASE "]}",
             POLICIES[i]);
    open_with(&kit, programme);
    snprintf(kit.where, sizeof kit.where, "%s", POLICIES[i]);
    buy(&kit, "o1", PAIR, 2, "");
    free(member_call(&kit, engine_points_burn, "till", "{\"customer\":\"" ZOE "\",\"amount\":30}", NULL));
    clock_hold(&kit.clock, clock_now_us(&kit.clock) + 20 * CLOCK_DAY_US);
    assert_int_equal(give_back(&kit, "o1", "r1", 1, 1), 2500);
    member_has(&kit, ZOE, i == 0 ? "\"debt\":-5" : "\"uncollected\":25");
    buy(&kit, "o2", LATER, 1, ""); // of an unlimited return it pays the debt first
    assert_int_equal(points_of(&kit), i == 0 ? 2 : 7);
    assert_int_equal(give_back(&kit, "o1", "r2", 2, 1), 2500);
    member_has(&kit, ZOE, i == 0 ? "\"debt\":-23" : "\"uncollected\":43");
    assert_int_equal(points_of(&kit), 0);
    kit_check(&kit);
    member_verify(&kit);
    kit_close(&kit);
  }
}

// --- any baskets and returns ---------------------------------------------------------------------------------

static uint64_t seed = 26;

static int random_below(int bound) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (int)((seed >> 33) % (uint64_t)bound);
}

static enum err evaluate(struct engine *engine, const struct engine_caller *caller, struct value request,
                         struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  (void)commit;
  return engine_evaluate(engine, caller, request, writer, diag);
}

// What a basket of the rest alone comes to, asked of the till.
static int64_t cost_of(struct kit *kit, const struct item *left, const char *codes) {
  int units = 0;
  for (size_t i = 0; i < ITEMS_MAX; i++) units += left[i].units;
  if (units == 0) return 0;
  char *reply = basket(kit, evaluate, "rest", left, ITEMS_MAX, codes);
  int64_t due = cents_after(reply, "due");
  free(reply);
  return due;
}

static void one_order(struct kit *kit, int round) {
  static const char *const CODES[] = {"", ",\"codes\":[\"TEN-26\"]", ",\"codes\":[\"TENTH-26\",\"TEN-26\"]"};
  const char *codes = CODES[random_below(3)];
  struct item left[ITEMS_MAX];
  char order[16], id[16];
  int64_t given = 0, before = points_of(kit);
  for (size_t i = 0; i < ITEMS_MAX; i++) left[i] = (struct item){1 + random_below(4), 1 + random_below(60)};
  snprintf(order, sizeof order, "o%d", round);
  int64_t paid = buy(kit, order, left, ITEMS_MAX, codes), points = points_of(kit);
  for (int step = 0; given < paid || left[0].units + left[1].units + left[2].units > 0; step++) {
    size_t line = (size_t)random_below(ITEMS_MAX);
    if (left[line].units == 0) continue;
    int units = 1 + random_below(left[line].units);
    left[line].units -= units;
    snprintf(id, sizeof id, "r%d-%d", round, step);
    int64_t cents = give_back(kit, order, id, line + 1, units), has = points_of(kit);
    int64_t wanted = paid - cost_of(kit, left, codes);
    if (wanted < given) wanted = given;
    if (cents != wanted - given) fail_msg("order %d, step %d: %" PRId64 ", not %" PRId64, round, step, cents, wanted);
    assert_true(has <= points && has >= before);
    points = has;
    given += cents;
  }
  assert_int_equal(given, paid);
  assert_int_equal(points, before);
}

static void any_returns(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, RULES(TEN_FROM_50 ",{\"id\":\"s2\",\"on\":\"Order Completed\",\"discount\":{\"percent\":7.77,"
                                    "\"lines\":\"sku = \\\"S2\\\"\"}},{\"id\":\"big\",\"on\":\"Order Completed\","
                                    "\"when\":\"paid >= 100\",\"earn\":\"50\"}"));
  member_put(&kit, ENGINE_VOUCHER,
             "{\"id\":\"TEN\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"},\"minimum\":\"40.00\"}");
  member_put(&kit, ENGINE_VOUCHER,
             "{\"id\":\"TENTH\",\"programme\":\"club\",\"discount\":{\"percent\":10},\"when\":"
             "\"total >= 30\"}");
  code(&kit, "TEN", "TEN-26");
  code(&kit, "TENTH", "TENTH-26");
  for (int round = 0; round < 60; round++) one_order(&kit, round);
  kit_check(&kit);
  member_verify(&kit);
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_hand),
      cmocka_unit_test(documents_of_then),
      cmocka_unit_test(the_customer_of_then),
      cmocka_unit_test(reopened_as_it_was),
      cmocka_unit_test(any_returns),
      cmocka_unit_test(expired_points_are_no_debt),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
