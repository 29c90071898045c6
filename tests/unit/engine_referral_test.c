// Who brought whom, through merges, splits and erasure: the engine with the clock held. After every step engine_check
// finds nothing.
#include "engine_member_kit.h"

#include "base/alloc.h"

#define CLUB "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\"}]"
#define REFERRAL CLUB ",\"referral\":{\"friend\":\"FRIEND\",\"minimum\":\"50.00\",\"reward\":500}}"
#define FRIEND "{\"id\":\"FRIEND\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"}}"

static void open_club(struct kit *kit) {
  kit_open(kit);
  kit->check_each = false;
  member_put(kit, ENGINE_PROGRAMME, CLUB "}");
  member_put(kit, ENGINE_VOUCHER, FRIEND);
  member_put(kit, ENGINE_PROGRAMME, REFERRAL);
}

static void refer(struct kit *kit, const char *advocate, const char *friend, const char *code) {
  char json[256], got[DIAG_CODE_BYTES];
  snprintf(json, sizeof json, "{\"advocate\":\"%s\",\"friend\":\"%s\"}", advocate, friend);
  free(member_call(kit, engine_referral_make, "till", json, got));
  assert_string_equal(got, code);
  kit_check(kit);
}

static void buy(struct kit *kit, const char *customer, const char *id, const char *price) {
  char json[512];
  snprintf(json, sizeof json,
           "{\"customer\":\"%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"line_id\":\"1\",\"sku\":\"A\","
           "\"price\":%s,\"quantity\":1}]}}",
           customer, id, price);
  free(member_call(kit, engine_order, "till", json, NULL));
  kit_check(kit);
}

static void open_two(struct kit *kit) {
  open_club(kit);
  member_line(kit, "event email:lea@x.org");
  member_line(kit, "event loyalty_card:9");
  refer(kit, "email:lea@x.org", "loyalty_card:9", "");
}

static void an_advocate_who_became_another_is_rewarded(void **state) {
  struct kit kit;
  (void)state;
  open_club(&kit);
  member_line(&kit, "event loyalty_card:1");
  member_line(&kit, "event email:lea@x.org");
  member_line(&kit, "event email:zoe@x.org");
  refer(&kit, "email:lea@x.org", "email:zoe@x.org", "");
  member_line(&kit, "event email:lea@x.org loyalty_card:1");
  refer(&kit, "loyalty_card:1", "email:zoe@x.org", ""); // the same advocate
  buy(&kit, "email:zoe@x.org", "Z1", "50.00");
  member_has(&kit, "loyalty_card:1", "\"active\":500");
  member_has(&kit, "email:zoe@x.org", "\"state\":\"REWARDED\"");
  kit_close(&kit);
}

static void who_refers_herself_gets_nothing(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_line(&kit, "event email:lea@x.org loyalty_card:9"); // while it is pending
  member_has(&kit, "email:lea@x.org", "\"state\":\"REVERSED\"");
  buy(&kit, "email:lea@x.org", "Z1", "60.00");
  char *json = member_json(&kit, "email:lea@x.org");
  assert_null(strstr(json, "\"active\":500"));
  free(json);
  refer(&kit, "email:lea@x.org", "loyalty_card:9", "ReferralRecipientIdSameAsAdvocate");
  kit_close(&kit);
}

// The referral goes with the identifier under which she was referred.
static void a_split_takes_the_referral_along(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_line(&kit, "event email:zoe@x.org");
  member_line(&kit, "event email:zoe@x.org loyalty_card:9");
  member_has(&kit, "email:zoe@x.org", "\"state\":\"PENDING\"");
  member_line(&kit, "split email:zoe@x.org loyalty_card:9");
  member_has(&kit, "loyalty_card:9", "\"state\":\"PENDING\"");
  char *json = member_json(&kit, "email:zoe@x.org");
  assert_null(strstr(json, "PENDING"));
  free(json);
  buy(&kit, "loyalty_card:9", "Z1", "60.00");
  member_has(&kit, "email:lea@x.org", "\"active\":500");
  kit_close(&kit);
}

// Of two that were referred and are one, the one who bought stays.
static void two_friends_who_are_one(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_line(&kit, "event email:eva@x.org");
  member_line(&kit, "event email:zoe@x.org");
  refer(&kit, "email:eva@x.org", "email:zoe@x.org", "");
  buy(&kit, "email:zoe@x.org", "Z1", "60.00");
  member_line(&kit, "event email:zoe@x.org loyalty_card:9");
  buy(&kit, "loyalty_card:9", "Z2", "60.00");
  member_has(&kit, "email:eva@x.org", "\"active\":500");
  char *json = member_json(&kit, "email:lea@x.org");
  assert_null(strstr(json, "\"active\":500"));
  free(json);
  kit_close(&kit);
}

static void an_erased_advocate_gets_nothing(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_line(&kit, "erase email:lea@x.org");
  buy(&kit, "loyalty_card:9", "Z1", "60.00");
  member_has(&kit, "loyalty_card:9", "\"state\":\"PENDING\"");
  kit_close(&kit);
}

// The n-th allocation fails, until none does: the order and the reward are there together, or not at all.
static void short_memory_gives_both_or_none(void **state) {
  static const char json[] = "{\"customer\":\"loyalty_card:9\",\"cart\":{\"order_id\":\"Z1\",\"products\":"
                             "[{\"sku\":\"A\",\"price\":60,\"quantity\":1}]}}";
  struct kit kit;
  struct buffer packed;
  (void)state;
  open_two(&kit);
  struct value request = kit_value(&kit, json, &packed);
  struct engine_caller caller = {member_source(&kit, "till"), BYTES("till 1")};
  enum err err = ERR_NO_MEMORY;
  for (uint64_t n = 0; err != ERR_OK; n++) {
    struct engine_commit commit = {0};
    struct live_answer answer;
    live_ask(&answer);
    alloc_fail_after(n, false);
    err = engine_order(kit.engine, &caller, request, &answer.writer, &commit, &answer.diag);
    bool fired = alloc_fail_disarm();
    if (err != ERR_OK && (err != ERR_NO_MEMORY || !fired)) fail_msg("%s: %s", answer.diag.code, answer.diag.message);
    buffer_release(&answer.out);
    char *told = member_json(&kit, "email:lea@x.org");
    if (err != ERR_OK) assert_null(strstr(told, "\"active\":500"));
    free(told);
  }
  buffer_release(&packed);
  kit_check(&kit);
  member_has(&kit, "email:lea@x.org", "\"active\":500");
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_advocate_who_became_another_is_rewarded),
      cmocka_unit_test(who_refers_herself_gets_nothing),
      cmocka_unit_test(a_split_takes_the_referral_along),
      cmocka_unit_test(two_friends_who_are_one),
      cmocka_unit_test(an_erased_advocate_gets_nothing),
      cmocka_unit_test(short_memory_gives_both_or_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
