// Caps, budgets and levels where orders, returns and reviews meet: through the engine, with the clock held. After every
// step engine_check, and so engine_loyalty_verify, finds nothing.
#include "engine_member_kit.h"

#define CLUB                                                                                                           \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\"}],"             \
  "\"offline\":{\"lateness\":\"7 days\"},\"stacking\":{\"codes\":\"partial\"},"
#define PURCHASE "{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\""

static void open_with(struct kit *kit, const char *programme) {
  kit_open(kit);
  kit->check_each = false;
  member_put(kit, ENGINE_PROGRAMME, programme);
}

static void put_campaign(struct kit *kit, const char *id, const char *rule, const char *budget) {
  char json[512];
  snprintf(json, sizeof json,
           "{\"id\":\"%s\",\"programme\":\"club\",\"rules\":[{\"id\":\"r\",\"on\":\"Order Completed\",%s}],"
           "\"budget\":{%s}}",
           id, rule, budget);
  member_put(kit, ENGINE_CAMPAIGN, json);
}

static void books(struct kit *kit, const char *where) {
  snprintf(kit->where, sizeof kit->where, "%s", where);
  kit_check(kit);
  member_verify(kit);
}

static char *order(struct kit *kit, const char *customer, const char *id, const char *lines, const char *more,
                   char *code) {
  char json[1024];
  snprintf(json, sizeof json, "{\"customer\":\"%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[%s]}%s}", customer, id,
           lines, more);
  char *reply = member_call(kit, engine_order, "till", json, code);
  books(kit, id);
  return reply;
}

static void refused(struct kit *kit, const char *customer, const char *id, const char *lines, const char *more,
                    const char *expected) {
  char code[DIAG_CODE_BYTES];
  char *reply = order(kit, customer, id, lines, more, code);
  if (reply != NULL) fail_msg("%s: not refused: %s", id, reply);
  assert_string_equal(code, expected);
  free(reply);
}

// An order of one line that costs `price`.
static void buy(struct kit *kit, const char *customer, const char *id, const char *price) {
  char line[128];
  snprintf(line, sizeof line, "{\"line_id\":\"1\",\"sku\":\"A\",\"price\":%s}", price);
  free(order(kit, customer, id, line, "", NULL));
}

static void give_back(struct kit *kit, const char *id, const char *request) {
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit->parser, bytes_from_text(request), engine_names(kit->engine), &packed, NULL),
                   ERR_OK);
  enum err err = engine_order_return(kit->engine, &caller, bytes_from_text(id), (struct value){buffer_view(&packed)},
                                     &answer.writer, &commit, &answer.diag);
  if (err != ERR_OK) fail_msg("%s: %s", id, answer.diag.message);
  buffer_release(&packed);
  buffer_release(&answer.out);
  books(kit, id);
}

static void change_order(struct kit *kit, const char *id, bool cancel, enum err expected, const char *code) {
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  enum err err = (cancel ? engine_order_cancel : engine_order_reopen)(kit->engine, &caller, bytes_from_text(id),
                                                                      &answer.writer, &commit, &answer.diag);
  assert_int_equal(err, expected);
  if (err != ERR_OK) assert_string_equal(answer.diag.code, code);
  buffer_release(&answer.out);
  books(kit, id);
}

static void has_active(struct kit *kit, const char *customer, int points) {
  char text[64];
  snprintf(text, sizeof text, "\"active\":%d,", points);
  member_has(kit, customer, text);
}

// --- levels ------------------------------------------------------------------------------------------------------

// Scenario 34: the order that lifts a member is not yet one of the level it lifts her to.
static void rules_of_one_event_see_one_member(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB "\"tiers\":{\"levels\":[{\"id\":\"standard\",\"from\":0},{\"id\":\"vip\",\"from\":1500}]},"
                       "\"rules\":[" PURCHASE "},{\"id\":\"twice\",\"on\":\"Order Completed\",\"when\":"
                       "\"tier(\\\"club\\\") = \\\"vip\\\"\",\"earn\":\"floor(paid)\"}]}");
  buy(&kit, "user_id:zoe", "o1", "1450");
  buy(&kit, "user_id:zoe", "o2", "300");
  has_active(&kit, "user_id:zoe", 1750);
  member_has(&kit, "user_id:zoe", "\"level\":\"vip\"");
  buy(&kit, "user_id:zoe", "o3", "10");
  has_active(&kit, "user_id:zoe", 1770);
  kit_close(&kit);
}

// --- budgets -----------------------------------------------------------------------------------------------------

#define QUIET CLUB "\"rules\":[{\"id\":\"unused\",\"on\":\"Never Sent\",\"earn\":\"1\"}]}"

// Scenario 29, and what a cancelled order may have again.
static void what_is_given_back_can_be_earned_again(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, QUIET);
  put_campaign(&kit, "gift", "\"earn\":\"floor(paid)\",\"caps\":[{\"most\":150,\"scope\":\"everybody\"}]",
               "\"points\":10000,\"member_points\":100");
  buy(&kit, "user_id:zoe", "o1", "60");
  buy(&kit, "user_id:zoe", "o2", "60");
  has_active(&kit, "user_id:zoe", 100);
  give_back(&kit, "o1", "{\"return_id\":\"r1\"}");
  has_active(&kit, "user_id:zoe", 40);
  buy(&kit, "user_id:zoe", "o3", "80");
  has_active(&kit, "user_id:zoe", 100);
  buy(&kit, "user_id:jo", "p1", "80"); // 50 are left of the cap for everybody
  has_active(&kit, "user_id:jo", 50);
  change_order(&kit, "o3", true, ERR_OK, "");
  has_active(&kit, "user_id:zoe", 40);
  change_order(&kit, "o3", false, ERR_OK, "");
  has_active(&kit, "user_id:zoe", 100);
  change_order(&kit, "o3", true, ERR_OK, "");
  buy(&kit, "user_id:zoe", "o4", "50");
  has_active(&kit, "user_id:zoe", 90);
  change_order(&kit, "o3", false, ERR_DENIED, "REDEMPTION_CONFLICT"); // 10 are left of hers
  has_active(&kit, "user_id:zoe", 90);
  kit_close(&kit);
}

// Two campaigns pay for one order, which comes back in parts: each gets back what it paid, and no more.
static void each_campaign_gets_its_own_back(void **state) {
  static const char lines[] = "{\"line_id\":\"1\",\"sku\":\"A\",\"price\":50},{\"line_id\":\"2\",\"sku\":\"B\","
                              "\"price\":50}";
  struct kit kit;
  (void)state;
  open_with(&kit, QUIET);
  put_campaign(&kit, "one", "\"earn\":\"floor(paid / 2)\"", "\"points\":50");
  put_campaign(&kit, "two", "\"earn\":\"floor(paid / 2)\"", "\"points\":50");
  free(order(&kit, "user_id:zoe", "o1", lines, "", NULL));
  has_active(&kit, "user_id:zoe", 100);
  give_back(&kit, "o1", "{\"return_id\":\"r1\",\"lines\":[{\"line_id\":\"1\"}]}");
  give_back(&kit, "o1", "{\"return_id\":\"r2\",\"lines\":[{\"line_id\":\"2\"}]}");
  has_active(&kit, "user_id:zoe", 0);
  buy(&kit, "user_id:jo", "o2", "400");
  has_active(&kit, "user_id:jo", 100);
  kit_close(&kit);
}

// --- caps --------------------------------------------------------------------------------------------------------

static void tell(struct kit *kit, const char *name, const char *line) {
  struct kit_event made;
  char json[256];
  snprintf(json, sizeof json, "{\"type\":\"track\",\"event\":\"%s\",\"properties\":{\"line_id\":\"%s\"}}", name, line);
  memset(&made, 0, sizeof made);
  kit_parse(kit, json, &made);
  kit_name(kit, name, &made);
  made.event.type = ENGINE_TRACK;
  made.event.time_us = clock_now_us(&kit->clock);
  made.event.source = member_source(kit, "web");
  made.event.identifiers[0].identifier = kit_identifier(kit, "user_id:zoe");
  made.event.identifiers[0].reason = IDENTITY_OK;
  made.event.identifier_count = 1;
  kit_apply(kit, &made.event, ENGINE_APPLIED);
  kit_event_release(&made);
  books(kit, line);
}

// What is withdrawn on another day gives back to the day on which it was earned: none has more than its own.
static void a_day_gets_back_what_it_counted(void **state) {
  static const char *const scopes[] = {"member", "everybody"};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct kit kit;
    char programme[512];
    snprintf(programme, sizeof programme,
             CLUB "\"rules\":[{\"id\":\"review\",\"on\":\"Review Posted\",\"earn\":\"50\",\"once_by\":\"line_id\","
                  "\"withdrawn_by\":\"Review Deleted\",\"caps\":[{\"most\":50,\"per\":\"day\",\"scope\":\"%s\"}]}]}",
             scopes[i]);
    open_with(&kit, programme);
    tell(&kit, "Review Posted", "a");
    tell(&kit, "Review Posted", "b");
    has_active(&kit, "user_id:zoe", 50);
    tell(&kit, "Review Deleted", "a");
    tell(&kit, "Review Posted", "b"); // of the same day: free again
    has_active(&kit, "user_id:zoe", 50);
    clock_hold(&kit.clock, clock_now_us(&kit.clock) + CLOCK_DAY_US);
    tell(&kit, "Review Posted", "c");
    tell(&kit, "Review Deleted", "b");
    tell(&kit, "Review Posted", "d"); // today's 50 are gone
    has_active(&kit, "user_id:zoe", 50);
    kit_close(&kit);
  }
}

// --- tills and baskets -------------------------------------------------------------------------------------------

// Scenario 7: a natural key is told again for ever.
static void a_booked_sale_is_never_late(void **state) {
  static const char line[] = "{\"line_id\":\"1\",\"sku\":\"A\",\"price\":40}";
  char more[128], time[CLOCK_TEXT_BYTES];
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB "\"rules\":[" PURCHASE "}]}");
  clock_format(clock_now_us(&kit.clock) - CLOCK_DAY_US, time);
  snprintf(more, sizeof more, ",\"business_time\":\"%s\"", time);
  char *first = order(&kit, "user_id:zoe", "t1", line, more, NULL);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 8 * CLOCK_DAY_US);
  char *again = order(&kit, "user_id:zoe", "t1", line, more, NULL);
  assert_non_null(strstr(again, "{\"replayed\":true"));
  assert_non_null(strstr(again, first));
  refused(&kit, "user_id:zoe", "t2", line, more, "TOO_LATE");
  has_active(&kit, "user_id:zoe", 40);
  free(first);
  free(again);
  kit_close(&kit);
}

static enum err try_basket(struct engine *engine, const struct engine_caller *caller, struct value request,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  (void)commit;
  return engine_evaluate(engine, caller, request, writer, diag);
}

static void a_late_sale_is_kept_once(void **state) {
  static const char line[] = "{\"line_id\":\"1\",\"sku\":\"A\",\"price\":40}";
  char code[DIAG_CODE_BYTES], json[256], more[128], time[CLOCK_TEXT_BYTES];
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB "\"rules\":[" PURCHASE "}]}");
  buy(&kit, "user_id:zoe", "o1", "5");
  clock_format(clock_now_us(&kit.clock) - 8 * CLOCK_DAY_US, time);
  snprintf(more, sizeof more, ",\"business_time\":\"%s\"", time);
  snprintf(json, sizeof json, "{\"customer\":\"user_id:zoe\",\"cart\":{\"order_id\":\"t1\",\"products\":[%s]}%s}", line,
           more);
  char *tried = member_call(&kit, try_basket, "till", json, code);
  assert_string_equal(code, "TOO_LATE");
  kit_count(&kit, "set_aside", 0);
  for (int i = 0; i < 3; i++) refused(&kit, "user_id:zoe", "t1", line, more, "TOO_LATE");
  kit_count(&kit, "set_aside", 1);
  refused(&kit, "user_id:zoe", "t2", line, more, "TOO_LATE");
  refused(&kit, "user_id:zoe", "t1", line, more, "TOO_LATE");
  kit_count(&kit, "set_aside", 2);
  has_active(&kit, "user_id:zoe", 5);
  free(tried);
  kit_close(&kit);
}

static void a_till_that_was_away_takes_so_much(void **state) {
  static const char line[] = "{\"line_id\":\"1\",\"sku\":\"A\",\"price\":50}";
  char more[192], time[CLOCK_TEXT_BYTES];
  struct kit kit;
  (void)state;
  open_with(&kit, "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":"
                  "\"points\",\"worth\":\"0.01\"}],\"offline\":{\"mode\":\"floor_limit\",\"floor\":\"20.00\"},"
                  "\"rules\":[" PURCHASE "}]}");
  buy(&kit, "user_id:zoe", "o1", "5000");
  clock_format(clock_now_us(&kit.clock) - CLOCK_SECOND_US, time);
  snprintf(more, sizeof more, ",\"business_time\":\"%s\",\"pay\":[{\"points\":{\"amount\":2001}}]", time);
  refused(&kit, "user_id:zoe", "t1", line, more, "OFFLINE_FLOOR_LIMIT");
  has_active(&kit, "user_id:zoe", 5000);
  snprintf(more, sizeof more, ",\"business_time\":\"%s\",\"pay\":[{\"points\":{\"amount\":2000}}]", time);
  free(order(&kit, "user_id:zoe", "t1", line, more, NULL));
  has_active(&kit, "user_id:zoe", 3030);
  kit_close(&kit);
}

// --- what an order tells -----------------------------------------------------------------------------------------

static void an_order_tells_ids(void **state) {
  static const char line[] = "{\"line_id\":\"1\",\"sku\":\"A\",\"price\":40}";
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_with(&kit,
            "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":"
            "\"points\",\"worth\":\"0.01\"},{\"id\":\"credit\",\"scale\":2,\"worth\":\"1.00\"}],\"rules\":[" PURCHASE
            "},{\"id\":\"back\",\"on\":\"Order Completed\",\"earn\":\"2.5\",\"currency\":\"credit\"}]}");
  buy(&kit, "user_id:zoe", "o1", "50");
  free(order(&kit, "user_id:zoe", "o2", line,
             ",\"pay\":[{\"points\":{\"amount\":1.20,\"currency\":\"credit\"}},{\"points\":{\"amount\":20}}]", NULL));
  live_ask(&answer);
  enum err err = engine_order_json(kit.engine, BYTES("o2"), &answer.writer, &answer.diag);
  char *told = live_told(&kit, &answer, err);
  assert_non_null(strstr(told,
                         "\"earned\":[{\"programme\":\"club\",\"currency\":\"points\",\"amount\":38,\"taken_back\":0},"
                         "{\"programme\":\"club\",\"currency\":\"credit\",\"amount\":2.50,\"taken_back\":0.00}]"));
  assert_non_null(strstr(told, "{\"kind\":\"points\",\"programme\":\"club\",\"currency\":\"credit\",\"points\":1.20,"
                               "\"points_restored\":0.00,\"amount\":1.20,"));
  free(told);
  kit_close(&kit);
}

// --- amounts -----------------------------------------------------------------------------------------------------

enum { LOTS_OF_A_MEMBER = 256, RICH_MEMBERS = 40 };

// As many lots of the largest amount as an import may bring.
static void make_rich(struct kit *kit, const char *external, const char *customer) {
  enum { LOT_BYTES = 64 };
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct live_answer answer;
  struct store_mark mark;
  struct buffer packed, json;
  buffer_init(&json);
  buffer_init(&packed);
  live_ask(&answer);
  buffer_append_format(
      &json,
      "{\"items\":[{\"member\":{\"programme\":\"old\",\"external_id\":\"%s\",\"identifiers\":{\"user_id\":\"%s\"},"
      "\"lots\":[",
      external, customer);
  for (int i = 0; i < LOTS_OF_A_MEMBER; i++)
    buffer_append_format(&json, "%s{\"amount\":1000000000000000}", i == 0 ? "" : ",");
  buffer_append_text(&json, "]}}]}");
  assert_int_equal(value_parse_json(kit->parser, buffer_view(&json), engine_names(kit->engine), &packed, NULL), ERR_OK);
  enum err err = engine_loyalty_import(kit->engine, &caller, (struct value){buffer_view(&packed)}, &answer.writer,
                                       &mark, &answer.diag);
  live_contains(live_told(kit, &answer, err), "\"imported\":1");
  buffer_release(&packed);
  buffer_release(&json);
}

static char *liability(struct kit *kit) {
  struct live_answer answer;
  live_ask(&answer);
  enum err err = engine_liability_json(kit->engine, BYTES("club"), &answer.writer, &answer.diag);
  return live_told(kit, &answer, err);
}

static void what_is_owed_has_any_size(void **state) {
  char customer[16];
  struct kit kit;
  (void)state;
  open_with(&kit, "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":"
                  "\"points\",\"worth\":\"0.01\",\"breakage\":0.25}]}");
  for (int i = 0; i < RICH_MEMBERS; i++) {
    snprintf(customer, sizeof customer, "rich%d", i);
    make_rich(&kit, customer, customer);
  }
  char *told = liability(&kit); // more than 2^63
  assert_non_null(strstr(told, "\"active\":10240000000000000000,"));
  assert_non_null(strstr(told, "\"money\":102400000000000000.00,"));
  assert_non_null(strstr(told, "\"expected_money\":76800000000000000.00,"));
  assert_non_null(strstr(told, "\"undated\":10240000000000000000}"));
  free(told);
  kit_close(&kit);
}

// An event that gives too much is kept with that for a reason, and those after it are taken.
static void an_event_may_give_too_much(void **state) {
  char customer[] = "zoe", external[16];
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB "\"rules\":[{\"id\":\"review\",\"on\":\"Review\",\"earn\":\"1000000000000000\"}]}");
  for (int i = 0; i < (int)(INT64_MAX / LOYALTY_AMOUNT_MAX / LOTS_OF_A_MEMBER); i++) {
    snprintf(external, sizeof external, "x%d", i);
    make_rich(&kit, external, customer);
  }
  int64_t left = INT64_MAX / LOYALTY_AMOUNT_MAX % LOTS_OF_A_MEMBER;
  for (int64_t i = 0; i < left; i++) kit_do(&kit, "event id=m%d name=Review user_id:zoe", (int)i);
  member_has(&kit, "user_id:zoe", "\"active\":9223000000000000000,");
  kit_do(&kit, "count set_aside 0");
  kit_do(&kit, "aside id=over name=Review user_id:zoe");
  kit_do(&kit, "event name=Review user_id:jo");
  kit_do(&kit, "count set_aside 1");
  member_has(&kit, "user_id:zoe", "\"active\":9223000000000000000,");
  live_ask(&answer);
  enum err err = engine_aside_json(kit.engine, BYTES(""), 10, BYTES("overflow"), &answer.writer, &answer.diag);
  live_contains(live_told(&kit, &answer, err), "\"code\":\"overflow\"");
  kit_close(&kit);
}

static void an_amount_has_a_bound(void **state) {
  static const struct {
    member_call_fn *call;
    const char *rest;
  } calls[] = {{engine_points_adjust, ",\"customer\":\"user_id:zoe\",\"reason\":\"gift\""},
               {engine_points_burn, ",\"customer\":\"user_id:zoe\""},
               {engine_points_hold, ",\"customer\":\"user_id:zoe\""},
               {engine_points_transfer, ",\"from\":\"user_id:zoe\",\"to\":\"user_id:jo\""}};
  char code[DIAG_CODE_BYTES], json[256];
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB "\"rules\":[" PURCHASE "}]}");
  buy(&kit, "user_id:zoe", "o1", "5");
  buy(&kit, "user_id:jo", "o2", "5");
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    snprintf(json, sizeof json, "{\"amount\":1000000000000001%s}", calls[i].rest);
    free(member_call(&kit, calls[i].call, "till", json, code));
    assert_string_equal(code, "bad_amount");
  }
  free(member_call(&kit, engine_points_adjust, "till",
                   "{\"amount\":-1000000000000001,\"customer\":\"user_id:zoe\",\"reason\":\"gift\"}", code));
  assert_string_equal(code, "bad_amount");
  snprintf(json, sizeof json, "{\"amount\":1000000000000000%s}", calls[0].rest);
  free(member_call(&kit, calls[0].call, "till", json, NULL));
  member_has(&kit, "user_id:zoe", "\"active\":1000000000000005,");
  kit_close(&kit);
}

// Scenario 31: who is not known has no share of what asks for a person.
static void nobody_is_not_a_customer(void **state) {
  static const char basket[] = "{\"cart\":{\"products\":[{\"sku\":\"A\",\"price\":40}]},\"codes\":[\"PERSONAL\"]}";
  struct kit kit;
  (void)state;
  open_with(&kit, CLUB "\"rules\":[" PURCHASE "}]}");
  member_put(&kit, ENGINE_VOUCHER,
             "{\"id\":\"TEN\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"},\"customer_needed\":true}");
  free(member_call(&kit, engine_codes_make, "till", "{\"voucher\":\"TEN\",\"code\":\"PERSONAL\"}", NULL));
  struct engine_caller caller = {member_source(&kit, "till"), BYTES("till 1")};
  struct live_answer answer;
  struct buffer packed;
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit.parser, BYTES(basket), engine_names(kit.engine), &packed, NULL), ERR_OK);
  enum err err =
      engine_evaluate(kit.engine, &caller, (struct value){buffer_view(&packed)}, &answer.writer, &answer.diag);
  char *reply = live_told(&kit, &answer, err);
  assert_non_null(strstr(reply, "\"reason\":\"ProfileRequired\""));
  assert_null(strstr(reply, "\"type\":\"discount\""));
  free(reply);
  buffer_release(&packed);
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rules_of_one_event_see_one_member),
      cmocka_unit_test(what_is_given_back_can_be_earned_again),
      cmocka_unit_test(each_campaign_gets_its_own_back),
      cmocka_unit_test(a_day_gets_back_what_it_counted),
      cmocka_unit_test(a_booked_sale_is_never_late),
      cmocka_unit_test(a_till_that_was_away_takes_so_much),
      cmocka_unit_test(an_order_tells_ids),
      cmocka_unit_test(what_is_owed_has_any_size),
      cmocka_unit_test(an_amount_has_a_bound),
      cmocka_unit_test(an_event_may_give_too_much),
      cmocka_unit_test(nobody_is_not_a_customer),
      cmocka_unit_test(a_late_sale_is_kept_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
