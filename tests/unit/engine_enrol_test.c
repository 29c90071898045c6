// Who becomes a member of a programme, and what a new member is given: through the engine, with the clock held. After
// every scene engine_check, and so engine_loyalty_verify, finds nothing.
#include "engine_member_kit.h"

#define ZOE "email:zoe@x.org"
#define CARD "loyalty_card:123"
#define CLUB(id, enrolment)                                                                                            \
  "{\"id\":\"" id "\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\"}],"           \
  "\"rules\":[{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"},{\"id\":\"opened\",\"on\":"    \
  "\"Email Opened\",\"earn\":\"1\",\"once_by\":\"email_id\"}]" enrolment "}"
#define GIFT                                                                                                           \
  "{\"id\":\"GIFT\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},\"entitlement\":{\"period\":\"once\"}}"
#define WELCOME "\"welcome\":50,\"gift\":\"GIFT\""

static void open_with(struct kit *kit, const char *programme) {
  kit_open(kit);
  kit->check_each = false;
  member_put(kit, ENGINE_PROGRAMME, CLUB("club", ""));
  member_put(kit, ENGINE_VOUCHER, GIFT);
  member_put(kit, ENGINE_PROGRAMME, programme);
}

static void close_checked(struct kit *kit) {
  kit_check(kit);
  member_verify(kit);
  kit_close(kit);
}

static char *buy(struct kit *kit, const char *customer, const char *id, const char *more) {
  char json[256];
  snprintf(json, sizeof json,
           "{\"customer\":\"%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"sku\":\"A\",\"price\":20}]}%s}",
           customer, id, more);
  return member_call(kit, engine_order, "till", json, NULL);
}

static void opens(struct kit *kit, const char *customer, const char *email) {
  struct kit_event made;
  char json[256];
  snprintf(json, sizeof json, "{\"type\":\"track\",\"event\":\"Email Opened\",\"properties\":{\"email_id\":\"%s\"}}",
           email);
  memset(&made, 0, sizeof made);
  kit_parse(kit, json, &made);
  kit_name(kit, "Email Opened", &made);
  made.event.type = ENGINE_TRACK;
  made.event.time_us = clock_now_us(&kit->clock);
  made.event.source = member_source(kit, "web");
  made.event.identifiers[0].identifier = kit_identifier(kit, customer);
  made.event.identifiers[0].reason = IDENTITY_OK;
  made.event.identifier_count = 1;
  kit_apply(kit, &made.event, ENGINE_APPLIED);
  kit_event_release(&made);
}

static void refused(struct kit *kit, member_call_fn *call, const char *json, const char *code) {
  char said[DIAG_CODE_BYTES];
  char *reply = member_call(kit, call, "till", json, said);
  bool taken = reply != NULL;
  free(reply);
  if (taken) fail_msg("%s was taken", json);
  assert_string_equal(said, code);
}

static void joins(struct kit *kit, const char *customer) {
  char json[128];
  snprintf(json, sizeof json, "{\"customer\":\"%s\",\"programme\":\"club\"}", customer);
  free(member_call(kit, engine_member_join, "till", json, NULL));
}

static const char *const NOBODY = "\"programmes\":[]";

static void whoever_asks(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB("club", ",\"enrolment\":{\"who\":\"explicit\"," WELCOME "}"));
  live_contains(buy(&kit, ZOE, "o1", ""), "\"reason\":\"NOT_A_MEMBER\"");
  opens(&kit, ZOE, "e1");
  member_has(&kit, ZOE, NOBODY);
  refused(&kit, engine_points_adjust, "{\"customer\":\"" ZOE "\",\"amount\":5,\"reason\":\"x\"}", "NOT_A_MEMBER");
  joins(&kit, ZOE);
  member_has(&kit, ZOE, "\"active\":50");
  member_has(&kit, ZOE, "\"voucher\":\"GIFT\"");
  joins(&kit, ZOE); // once
  member_has(&kit, ZOE, "\"active\":50");
  free(buy(&kit, ZOE, "o2", ""));
  member_has(&kit, ZOE, "\"active\":70");
  close_checked(&kit);
}

static void whoever_buys(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB("club", ",\"enrolment\":{\"who\":\"first_purchase\"," WELCOME "}"));
  opens(&kit, ZOE, "e1");
  member_has(&kit, ZOE, NOBODY);
  refused(&kit, engine_member_join, "{\"customer\":\"" ZOE "\"}", "FIRST_PURCHASE_NEEDED");
  free(buy(&kit, ZOE, "o1", ""));
  member_has(&kit, ZOE, "\"active\":70");
  opens(&kit, ZOE, "e2");
  member_has(&kit, ZOE, "\"active\":71");
  joins(&kit, ZOE);
  member_has(&kit, ZOE, "\"active\":71");
  close_checked(&kit);
}

// The clock stands on 28 October 2026.
static void old_enough(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB("club", ",\"enrolment\":{\"minimum_age\":18,\"birthday\":\"born\"}"));
  live_contains(buy(&kit, ZOE, "o1", ""), "\"reason\":\"AGE_UNKNOWN\"");
  refused(&kit, engine_member_join, "{\"customer\":\"" ZOE "\"}", "AGE_UNKNOWN");
  member_line(&kit, "event t=10 email:zoe@x.org trait.born=2008-10-29");
  live_contains(buy(&kit, ZOE, "o2", ""), "\"reason\":\"TOO_YOUNG\"");
  refused(&kit, engine_member_join, "{\"customer\":\"" ZOE "\"}", "TOO_YOUNG");
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + CLOCK_DAY_US);
  free(buy(&kit, ZOE, "o3", ""));
  member_has(&kit, ZOE, "\"active\":20");
  close_checked(&kit);
}

static void one_welcome_for_two_who_are_one(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB("club", ",\"enrolment\":{" WELCOME "}"));
  free(buy(&kit, CARD, "o1", ""));
  joins(&kit, ZOE);
  member_has(&kit, ZOE, "\"active\":50");
  member_line(&kit, "event " ZOE " " CARD);
  member_has(&kit, ZOE, "\"active\":70");
  char *json = member_json(&kit, ZOE), *vouchers = member_part(json, "vouchers");
  assert_int_equal(live_count(vouchers, "\"state\":\"active\""), 1);
  free(vouchers);
  free(json);
  close_checked(&kit);
}

// Whoever is no member uses codes as anybody, and what she used stays used.
static void a_guest_is_counted(void **state) {
  static const char use[] = ",\"codes\":[\"ONCE-26\"]";
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB("club", ",\"enrolment\":{\"who\":\"explicit\"}"));
  member_put(&kit, ENGINE_VOUCHER,
             "{\"id\":\"ONCE\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},"
             "\"uses\":{\"per_customer\":1}}");
  free(member_call(&kit, engine_codes_make, "till", "{\"voucher\":\"ONCE\",\"code\":\"ONCE-26\"}", NULL));
  live_contains(buy(&kit, ZOE, "o1", use), "\"due\":15");
  member_has(&kit, ZOE, NOBODY);
  live_contains(buy(&kit, ZOE, "o2", use), "\"reason\":\"CouponLimitReached\"");
  refused(&kit, engine_points_adjust, "{\"customer\":\"" ZOE "\",\"amount\":5,\"reason\":\"x\"}", "NOT_A_MEMBER");
  joins(&kit, ZOE);
  live_contains(buy(&kit, ZOE, "o3", use), "\"reason\":\"CouponLimitReached\"");
  member_has(&kit, ZOE, "\"active\":20");
  close_checked(&kit);
}

// Rules of two programmes have the same numbers.
static void once_in_each_programme(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB("club", ""));
  member_put(&kit, ENGINE_PROGRAMME, CLUB("other", ""));
  opens(&kit, ZOE, "e1");
  opens(&kit, ZOE, "e1");
  char *json = member_json(&kit, ZOE);
  assert_int_equal(live_count(json, "\"active\":1,"), 2);
  free(json);
  close_checked(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whoever_asks),       cmocka_unit_test(whoever_buys),
      cmocka_unit_test(old_enough),         cmocka_unit_test(one_welcome_for_two_who_are_one),
      cmocka_unit_test(a_guest_is_counted), cmocka_unit_test(once_in_each_programme),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
