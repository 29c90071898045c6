// Who may do it, how often and how much: limits of members, cashiers and staff, staff who earn nothing, and one's own
// card. Through the engine, with the clock held; whatever is refused leaves nothing behind, and the books agree.
#include "engine_member_kit.h"

#define CURRENCY                                                                                                       \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"offline\":{\"lateness\":\"7 days\"},"            \
  "\"currencies\":[{\"id\":\"points\",\"worth\":\"0.01\"},{\"id\":\"credit\",\"scale\":2}]"
#define RULES "\"rules\":[{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"}]}"
#define STAFF "\"staff\":{\"who\":\"traits.employee = \\\"yes\\\"\""

static void open_with(struct kit *kit, const char *settings) {
  char json[2048];
  kit_open(kit);
  kit->check_each = false;
  snprintf(json, sizeof json, CURRENCY ",%s," RULES, settings);
  member_put(kit, ENGINE_PROGRAMME, json);
}

static void books(struct kit *kit, const char *where) {
  snprintf(kit->where, sizeof kit->where, "%s", where);
  kit_check(kit);
  member_verify(kit);
}

static void later(struct kit *kit, int64_t by_us) {
  clock_hold(&kit->clock, clock_now_us(&kit->clock) + by_us);
}

// "" when it was done.
static void ask(struct kit *kit, member_call_fn *call, const char *json, const char *code) {
  char got[DIAG_CODE_BYTES];
  char *reply = member_call(kit, call, "till", json, got);
  if (strcmp(got, code) != 0) fail_msg("%s: %s instead of %s", json, got, code);
  free(reply);
  books(kit, json);
}

static void buy(struct kit *kit, const char *customer, const char *id, const char *price, const char *more,
                const char *code) {
  char json[512];
  snprintf(json, sizeof json,
           "{\"customer\":\"%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"line_id\":\"1\",\"sku\":\"A\","
           "\"price\":%s}]}%s}",
           customer, id, price, more);
  ask(kit, engine_order, json, code);
}

static void points(struct kit *kit, member_call_fn *call, const char *amount, const char *more, const char *code) {
  char json[256];
  snprintf(json, sizeof json, "{\"customer\":\"user_id:zoe\",\"amount\":%s,\"reason\":\"a test\"%s}", amount, more);
  ask(kit, call, json, code);
}

static void give_back(struct kit *kit, const char *id) {
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  enum err err = engine_order_cancel(kit->engine, &caller, bytes_from_text(id), &answer.writer, &commit, &answer.diag);
  if (err != ERR_OK) fail_msg("%s: %s", id, answer.diag.message);
  buffer_release(&answer.out);
  books(kit, id);
}

static void has_active(struct kit *kit, const char *customer, int amount) {
  char text[64];
  snprintf(text, sizeof text, "\"active\":%d,", amount);
  member_has(kit, customer, text);
}

// A customer whom somebody knows.
static void meet(struct kit *kit, const char *identifiers) {
  char line[128];
  snprintf(line, sizeof line, "event %s", identifiers);
  kit_line(kit, line);
}

#define ANNA ",\"cashier\":\"anna\""
#define BEN ",\"cashier\":\"ben\""

// --- members -----------------------------------------------------------------------------------------------------

static void a_member_earns_so_often_a_day(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"member\",\"what\":\"earn\",\"per\":\"day\",\"count\":2,\"points\":100}]");
  buy(&kit, "user_id:zoe", "o1", "40", "", "");
  buy(&kit, "user_id:zoe", "o2", "61", "", "MEMBER_LIMIT_REACHED"); // 101 points
  buy(&kit, "user_id:zoe", "o2", "60", "", "");
  buy(&kit, "user_id:zoe", "o3", "0.5", "", ""); // earns nothing, and counts as nothing
  buy(&kit, "user_id:zoe", "o4", "1", "", "MEMBER_LIMIT_REACHED");
  buy(&kit, "user_id:jo", "p1", "100", "", "");
  give_back(&kit, "o2");
  buy(&kit, "user_id:zoe", "o5", "60", "", "");
  has_active(&kit, "user_id:zoe", 100);
  later(&kit, CLOCK_DAY_US);
  buy(&kit, "user_id:zoe", "o6", "100", "", "");
  has_active(&kit, "user_id:zoe", 200);
  kit_close(&kit);
}

// What a shop tells by event has happened: it stands, and earns nothing.
static void an_event_is_never_refused(void **state) {
  struct kit kit;
  char lines[2][128] = {"event name=Opened user_id:zoe", "event name=Opened user_id:zoe"};
  (void)state;
  kit_open(&kit);
  kit.check_each = false;
  member_put(&kit, ENGINE_PROGRAMME,
             CURRENCY ",\"limits\":[{\"of\":\"member\",\"what\":\"earn\",\"per\":\"hour\",\"count\":1}],\"rules\":["
                      "{\"id\":\"open\",\"on\":\"Opened\",\"earn\":\"5\"},{\"id\":\"more\",\"on\":\"Opened\",\"earn\":"
                      "\"2\"}]}");
  kit_line(&kit, lines[0]);
  kit_line(&kit, lines[1]);
  books(&kit, "events");
  has_active(&kit, "user_id:zoe", 7);
  kit_close(&kit);
}

static void burning_is_counted_once(void **state) {
  char code[DIAG_CODE_BYTES], hold[80], json[128];
  struct kit kit;
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"member\",\"what\":\"burn\",\"per\":\"week\",\"points\":100}]");
  meet(&kit, "user_id:zoe");
  points(&kit, engine_points_adjust, "1000", "", "");
  points(&kit, engine_points_burn, "60", "", "");
  points(&kit, engine_points_burn, "41", "", "MEMBER_LIMIT_REACHED");
  points(&kit, engine_points_hold, "41", "", "MEMBER_LIMIT_REACHED");
  char *reply = member_call(&kit, engine_points_hold, "till", "{\"customer\":\"user_id:zoe\",\"amount\":40}", code);
  assert_non_null(reply);
  sscanf(strstr(reply, "\"hold\":\""), "\"hold\":\"%79[^\"]", hold);
  free(reply);
  snprintf(json, sizeof json, ",\"pay\":[{\"hold\":{\"id\":\"%s\"}}]", hold);
  buy(&kit, "user_id:zoe", "o1", "1", json, ""); // a hold counts when it is captured
  points(&kit, engine_points_burn, "1", "", "MEMBER_LIMIT_REACHED");
  give_back(&kit, "o1");
  points(&kit, engine_points_burn, "40", "", "");
  points(&kit, engine_points_burn, "1", "", "MEMBER_LIMIT_REACHED");
  later(&kit, 7 * CLOCK_DAY_US);
  points(&kit, engine_points_burn, "100", "", "");
  kit_close(&kit);
}

static void limits_survive_a_merge(void **state) {
  char line[] = "event user_id:zoe loyalty_card:123";
  struct kit kit;
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"member\",\"what\":\"earn\",\"per\":\"month\",\"count\":3}]");
  buy(&kit, "user_id:zoe", "o1", "10", "", "");
  buy(&kit, "loyalty_card:123", "o2", "10", "", "");
  kit_line(&kit, line);
  books(&kit, line);
  buy(&kit, "loyalty_card:123", "o3", "10", "", "");
  buy(&kit, "user_id:zoe", "o4", "10", "", "MEMBER_LIMIT_REACHED");
  has_active(&kit, "user_id:zoe", 30);
  kit_close(&kit);
}

// --- cashiers ----------------------------------------------------------------------------------------------------

static void a_cashier_is_counted_over_all_members(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"cashier\",\"what\":\"earn\",\"per\":\"hour\",\"count\":2},"
                  "{\"of\":\"cashier\",\"what\":\"adjust\",\"per\":\"day\",\"points\":50}]");
  buy(&kit, "user_id:zoe", "o1", "10", ANNA, "");
  buy(&kit, "user_id:jo", "o2", "10", ANNA, "");
  buy(&kit, "user_id:lea", "o3", "10", ANNA, "CASHIER_LIMIT_REACHED");
  buy(&kit, "user_id:lea", "o3", "10", BEN, "");
  buy(&kit, "user_id:lea", "o4", "10", "", "");   // nobody is named: no cashier's limit
  buy(&kit, "user_id:zoe", "o1", "10", ANNA, ""); // the same order again is told again
  give_back(&kit, "o2");
  buy(&kit, "user_id:lea", "o5", "10", ANNA, "");
  later(&kit, CLOCK_HOUR_US);
  buy(&kit, "user_id:lea", "o6", "10", ANNA, "");
  points(&kit, engine_points_adjust, "30", ANNA, "");
  points(&kit, engine_points_adjust, "-21", ANNA, "CASHIER_LIMIT_REACHED");
  points(&kit, engine_points_adjust, "-20", ANNA, "");
  points(&kit, engine_points_adjust, "1", ANNA, "CASHIER_LIMIT_REACHED");
  points(&kit, engine_points_adjust, "1", BEN, "");
  kit_close(&kit);
}

static void a_refusal_says_which_limit_and_until_when(void **state) {
  static const char order[] = "{\"customer\":\"user_id:zoe\",\"cashier\":\"anna\",\"amount\":2,\"reason\":\"x\"}";
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  struct kit kit;
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"member\",\"what\":\"burn\",\"per\":\"day\",\"count\":9},"
                  "{\"of\":\"cashier\",\"what\":\"adjust\",\"per\":\"day\",\"points\":50,\"currency\":\"points\"}]");
  meet(&kit, "user_id:zoe");
  points(&kit, engine_points_adjust, "49", ANNA, "");
  struct engine_caller caller = {member_source(&kit, "till"), BYTES("till 1")};
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit.parser, BYTES(order), engine_names(kit.engine), &packed, NULL), ERR_OK);
  assert_int_equal(engine_points_adjust(kit.engine, &caller, (struct value){buffer_view(&packed)}, &answer.writer,
                                        &commit, &answer.diag),
                   ERR_DENIED);
  assert_string_equal(answer.diag.field, "limits[1]");
  assert_non_null(strstr(answer.diag.message, "adjust: at most 50 a day, 49 so far; free again from 20"));
  buffer_release(&packed);
  buffer_release(&answer.out);
  kit_close(&kit);
}

static void codes_are_counted_where_they_are_used(void **state) {
  struct kit kit;
  char code[DIAG_CODE_BYTES], json[128], id[40];
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"cashier\",\"what\":\"redeem\",\"per\":\"day\",\"count\":2}]");
  member_put(&kit, ENGINE_VOUCHER, "{\"id\":\"TEN\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"}}");
  free(member_call(&kit, engine_codes_make, "till", "{\"voucher\":\"TEN\",\"code\":\"SHARED\"}", NULL));
  buy(&kit, "user_id:zoe", "o1", "50", ANNA ",\"codes\":[\"SHARED\"]", "");
  char *reply = member_call(&kit, engine_code_redeem, "till", "{\"code\":\"SHARED\"" ANNA "}", code);
  assert_non_null(reply);
  sscanf(strstr(reply, "\"redemption\":\""), "\"redemption\":\"%39[^\"]", id);
  free(reply);
  ask(&kit, engine_code_redeem, "{\"code\":\"SHARED\"" ANNA "}", "CASHIER_LIMIT_REACHED");
  buy(&kit, "user_id:zoe", "o2", "50", ANNA ",\"codes\":[\"SHARED\"]", "CASHIER_LIMIT_REACHED");
  buy(&kit, "user_id:zoe", "o2", "50", ANNA, "");
  struct engine_caller caller = {member_source(&kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  assert_int_equal(engine_code_roll_back(kit.engine, &caller, BYTES("SHARED"), bytes_from_text(id), &answer.writer,
                                         &commit, &answer.diag),
                   ERR_OK);
  buffer_release(&answer.out);
  snprintf(json, sizeof json, "{\"code\":\"SHARED\"%s}", ANNA);
  ask(&kit, engine_code_redeem, json, "");
  ask(&kit, engine_code_redeem, json, "CASHIER_LIMIT_REACHED");
  kit_close(&kit);
}

// A row of COUNTER for each hour does not stay for ever.
static void old_hours_are_forgotten(void **state) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  size_t rows = 0;
  struct kit kit;
  (void)state;
  open_with(&kit, "\"limits\":[{\"of\":\"cashier\",\"what\":\"adjust\",\"per\":\"hour\",\"count\":5}]");
  meet(&kit, "user_id:zoe");
  for (int i = 0; i < 12; i++) {
    points(&kit, engine_points_adjust, "1", ANNA, "");
    later(&kit, 10 * CLOCK_DAY_US);
  }
  assert_int_equal(store_snapshot_open(kit.store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_COUNTER, BYTES("l"), BYTES("m"), &cursor), ERR_OK);
  while (store_cursor_next(cursor, &key, &row)) rows++;
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  assert_int_equal(rows, 4); // of the last 35 days
  kit_close(&kit);
}

// --- staff -------------------------------------------------------------------------------------------------------

// However the till names her.
static void nobody_books_on_her_own_card(void **state) {
  static const char *const hers[] = {"17", "user_id:17", "loyalty_card:123", "123"};
  struct kit kit;
  char more[64], json[160];
  (void)state;
  open_with(&kit, STAFF "}");
  meet(&kit, "user_id:17 loyalty_card:123 trait.employee=yes");
  for (size_t i = 0; i < sizeof hers / sizeof *hers; i++) {
    snprintf(more, sizeof more, ",\"cashier\":\"%s\"", hers[i]);
    buy(&kit, "loyalty_card:123", "o1", "10", more, "OWN_CARD");
    snprintf(json, sizeof json, "{\"customer\":\"user_id:17\",\"amount\":5,\"reason\":\"x\"%s}", more);
    ask(&kit, engine_points_adjust, json, "OWN_CARD");
  }
  buy(&kit, "loyalty_card:123", "o1", "10", ",\"cashier\":\"loyalty_card:17\"", ""); // another type, nobody's
  buy(&kit, "loyalty_card:123", "o2", "10", ",\"cashier\":\"18\"", "");
  has_active(&kit, "user_id:17", 20);
  kit_close(&kit);
}

static void one_may_where_the_programme_says_so(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, STAFF ",\"own_card\":\"allow\"}");
  meet(&kit, "user_id:17 trait.employee=yes");
  buy(&kit, "user_id:17", "o1", "10", ",\"cashier\":\"17\"", "");
  has_active(&kit, "user_id:17", 10);
  kit_close(&kit);
}

static void staff_earn_nothing_and_are_told(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, STAFF ",\"earn\":\"nothing\"}");
  meet(&kit, "user_id:17 trait.employee=yes");
  char *reply = member_call(&kit, engine_order, "till",
                            "{\"customer\":\"user_id:17\",\"cart\":{\"order_id\":\"o1\",\"products\":[{\"sku\":\"A\","
                            "\"price\":10}]}}",
                            NULL);
  assert_non_null(strstr(reply, "\"reason\":\"STAFF_EARNS_NOTHING\""));
  free(reply);
  has_active(&kit, "user_id:17", 0);
  buy(&kit, "user_id:zoe", "o2", "10", "", "");
  has_active(&kit, "user_id:zoe", 10);
  kit_close(&kit);
}

static void staff_have_limits_of_their_own(void **state) {
  struct kit kit;
  (void)state;
  open_with(&kit, STAFF "},\"limits\":[{\"of\":\"staff\",\"what\":\"earn\",\"per\":\"year\",\"points\":15}]");
  meet(&kit, "user_id:17 trait.employee=yes");
  buy(&kit, "user_id:17", "o1", "10", "", "");
  buy(&kit, "user_id:17", "o2", "10", "", "STAFF_LIMIT_REACHED");
  buy(&kit, "user_id:zoe", "o3", "100", "", "");
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_member_earns_so_often_a_day),
      cmocka_unit_test(an_event_is_never_refused),
      cmocka_unit_test(burning_is_counted_once),
      cmocka_unit_test(limits_survive_a_merge),
      cmocka_unit_test(a_cashier_is_counted_over_all_members),
      cmocka_unit_test(a_refusal_says_which_limit_and_until_when),
      cmocka_unit_test(codes_are_counted_where_they_are_used),
      cmocka_unit_test(old_hours_are_forgotten),
      cmocka_unit_test(nobody_books_on_her_own_card),
      cmocka_unit_test(one_may_where_the_programme_says_so),
      cmocka_unit_test(staff_earn_nothing_and_are_told),
      cmocka_unit_test(staff_have_limits_of_their_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
