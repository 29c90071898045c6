// Rewards that are given by themselves, and vouchers that documents name before they are there: through the engine.
// After every order engine_check, and so engine_loyalty_verify, finds nothing.
#include "engine_member_kit.h"

#define CLUB                                                                                                           \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\","               \
  "\"validity\":{\"after\":\"12 months\"}}],\"rewards\":[{\"id\":\"ten\",\"voucher\":\"TEN\",\"cost\":100,"            \
  "\"automatic\":true}],"
#define PURCHASE "{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"}"
#define TEN "{\"id\":\"TEN\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"}}"
#define ZOE "user_id:zoe"

// An order of one line; the reply is freed by the caller.
static char *order(struct kit *kit, member_call_fn *call, const char *id, int price, const char *more) {
  char json[256];
  snprintf(json, sizeof json,
           "{\"customer\":\"" ZOE "\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"line_id\":\"1\",\"sku\":\"A\","
           "\"price\":%d}]}%s}",
           id, price, more);
  char *reply = member_call(kit, call, "till", json, NULL);
  snprintf(kit->where, sizeof kit->where, "%s", id);
  kit_check(kit);
  member_verify(kit);
  return reply;
}

static void buy(struct kit *kit, const char *id, int price) {
  free(order(kit, engine_order, id, price, ""));
}

static void has_active(struct kit *kit, int points) {
  char text[64];
  snprintf(text, sizeof text, "\"active\":%d,", points);
  member_has(kit, ZOE, text);
}

// How many codes she has in this state.
static size_t codes(struct kit *kit, const char *state) {
  char text[64], *json = member_json(kit, ZOE);
  char *vouchers = member_part(json, "vouchers");
  snprintf(text, sizeof text, "\"state\":\"%s\"", state);
  size_t count = live_count(vouchers, text);
  free(vouchers);
  free(json);
  return count;
}

// Her first code that is active.
static void first_code(struct kit *kit, char code[64]) {
  char *json = member_json(kit, ZOE), *vouchers = member_part(json, "vouchers");
  const char *at = strstr(vouchers, "\"code\":\"");
  assert_non_null(at);
  snprintf(code, 64, "%.*s", (int)strcspn(at + 8, "\""), at + 8);
  free(vouchers);
  free(json);
}

static char *cancel(struct kit *kit, const char *code) {
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  enum err err = engine_code_cancel(kit->engine, &caller, bytes_from_text(code), BYTES("not wanted"), &answer.writer,
                                    &commit, &answer.diag);
  if (err == ERR_OK) return live_told(kit, &answer, err);
  buffer_release(&answer.out);
  return NULL;
}

// What was put back no reward takes by itself, until it was spent; what comes beside it counts as ever.
static void a_cancelled_reward_is_paid_back_once(void **state) {
  char code[64];
  struct kit kit;
  (void)state;
  kit_open(&kit);
  kit.check_each = false;
  member_put(&kit, ENGINE_PROGRAMME, CLUB "\"rules\":[" PURCHASE "]}");
  member_put(&kit, ENGINE_VOUCHER, TEN);
  buy(&kit, "o1", 40);
  char *json = member_json(&kit, ZOE), *first = member_part(json, "lots");
  const char *lot = strstr(first, "\"earned_at\"");
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 30 * CLOCK_DAY_US);
  buy(&kit, "o2", 80);
  has_active(&kit, 20);
  assert_int_equal(codes(&kit, "active"), 1);
  first_code(&kit, code);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 30 * CLOCK_DAY_US);
  live_contains(cancel(&kit, code), "\"points\":100");
  has_active(&kit, 120);
  char dates[128];
  snprintf(dates, sizeof dates, "%.*s", (int)strcspn(strstr(lot, "\"expires_on\""), "}"),
           strstr(lot, "\"expires_on\""));
  member_has(&kit, ZOE, dates); // of the lot that was used up
  free(cancel(&kit, code));
  member_tick(&kit);
  has_active(&kit, 120);
  assert_int_equal(codes(&kit, "active"), 0);
  buy(&kit, "o3", 70);
  has_active(&kit, 190);
  buy(&kit, "o4", 10);
  has_active(&kit, 100);
  assert_int_equal(codes(&kit, "active"), 1);
  free(member_call(&kit, engine_points_burn, "till", "{\"customer\":\"" ZOE "\",\"amount\":100}", NULL));
  buy(&kit, "o5", 100);
  has_active(&kit, 0);
  assert_int_equal(codes(&kit, "active"), 2);
  free(first);
  free(json);
  kit_close(&kit);
}

// Points become active by the clock; until the write that gives the reward she has them.
static void a_read_takes_nothing(void **state) {
  struct kit kit;
  (void)state;
  kit_open(&kit);
  kit.check_each = false;
  member_put(&kit, ENGINE_PROGRAMME,
             "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\","
             "\"pending\":{\"after\":\"1 day\"}}],\"rewards\":[{\"id\":\"ten\",\"voucher\":\"TEN\",\"cost\":100,"
             "\"automatic\":true}],\"rules\":[" PURCHASE "]}");
  member_put(&kit, ENGINE_VOUCHER, TEN);
  buy(&kit, "o1", 120);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 2 * CLOCK_DAY_US);
  has_active(&kit, 120);
  assert_int_equal(codes(&kit, "active"), 0);
  member_tick(&kit);
  has_active(&kit, 20);
  assert_int_equal(codes(&kit, "active"), 1);
  kit_close(&kit);
}

// Whoever captures a hold finds it by the id that she was told.
static void a_hold_has_one_id(void **state) {
  struct kit kit;
  char id[64];
  (void)state;
  kit_open(&kit);
  kit.check_each = false;
  member_put(&kit, ENGINE_PROGRAMME, CLUB "\"rules\":[" PURCHASE "]}");
  buy(&kit, "o1", 50);
  char *held = member_call(&kit, engine_points_hold, "till", "{\"customer\":\"" ZOE "\",\"amount\":20}", NULL);
  char *at = strstr(held, "\"hold\":\"");
  assert_non_null(at);
  snprintf(id, sizeof id, "\"holds\":[{\"id\":\"%.*s\"", (int)strcspn(at + 8, "\""), at + 8);
  member_has(&kit, ZOE, id);
  free(held);
  kit_close(&kit);
}

static enum err try_basket(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  (void)commit;
  return engine_evaluate(engine, caller, request, writer, diag);
}

#define WAITING                                                                                                        \
  CLUB "\"tiers\":{\"levels\":[{\"id\":\"standard\",\"from\":0},{\"id\":\"vip\",\"from\":100,\"gift\":\"VIP\"}]},"     \
       "\"rules\":[" PURCHASE ",{\"id\":\"thanks\",\"on\":\"Order Completed\",\"earn\":\"5\",\"give\":\"THANKS\","     \
       "\"once_by\":\"1\"}]}"

static void a_voucher_may_come_later(void **state) {
  static const char thanks[] = "{\"id\":\"THANKS\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"}}";
  struct kit kit;
  (void)state;
  kit_open(&kit);
  kit.check_each = false;
  char *told = member_put_told(&kit, ENGINE_PROGRAMME, WAITING);
  assert_int_equal(live_count(told, "\"code\":\"unknown_voucher\""), 3);
  assert_non_null(strstr(told, "\"field\":\"rewards[0].voucher\""));
  assert_non_null(strstr(told, "\"field\":\"tiers.levels[1].gift\""));
  assert_non_null(strstr(told, "rules[1].give: there is no voucher \\\"THANKS\\\" yet"));
  free(told);
  buy(&kit, "o1", 120);
  has_active(&kit, 120); // neither taken for the reward nor earned by the rule that gives
  assert_int_equal(codes(&kit, "active"), 0);
  live_contains(order(&kit, try_basket, "o2", 10, ",\"explain\":true"), "\"reason\":\"unknown_voucher\"");
  member_put(&kit, ENGINE_VOUCHER, TEN);
  live_contains(member_put_told(&kit, ENGINE_PROGRAMME, WAITING), "\"code\":\"unknown_voucher\"");
  buy(&kit, "o3", 10);
  has_active(&kit, 30);
  assert_int_equal(codes(&kit, "active"), 1);
  member_put(&kit, ENGINE_VOUCHER, thanks);
  buy(&kit, "o4", 10);
  has_active(&kit, 45);
  buy(&kit, "o5", 10); // once
  has_active(&kit, 55);
  assert_int_equal(codes(&kit, "active"), 2);
  kit_close(&kit);
}

static void a_slip_is_told(void **state) {
  struct kit kit;
  (void)state;
  kit_open(&kit);
  free(member_put_told(&kit, ENGINE_PROGRAMME, CLUB "\"rules\":[" PURCHASE "]}"));
  member_put(&kit, ENGINE_VOUCHER, TEN);
  char *told =
      member_put_told(&kit, ENGINE_PROGRAMME, CLUB "\"referral\":{\"friend\":\"TENN\"},\"rules\":[" PURCHASE "]}");
  assert_int_equal(live_count(told, "\"code\":\"unknown_voucher\""), 1);
  assert_non_null(strstr(told, "did you mean \\\"TEN\\\"?"));
  assert_non_null(strstr(told, "\"suggestion\":\"TEN\""));
  free(told);
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_cancelled_reward_is_paid_back_once),
      cmocka_unit_test(a_voucher_may_come_later),
      cmocka_unit_test(a_slip_is_told),
      cmocka_unit_test(a_read_takes_nothing),
      cmocka_unit_test(a_hold_has_one_id),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
