// What changed documents would have cost: a small shop whose numbers can be added up by hand, that nothing is left
// behind, and that documents as they are make no difference.
#include "engine_member_kit.h"

#define CLUB(points, percent, premium)                                                                                 \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\","               \
  "\"worth\":\"0.01\"}],\"tiers\":{\"levels\":[{\"id\":\"standard\",\"from\":0},{\"id\":\"premium\",\"from\":" premium \
  "}]},\"rules\":[{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)" points "\"},"                \
  "{\"id\":\"welcome\",\"on\":\"Order Completed\",\"when\":\"count(\\\"Order Completed\\\") = 1\",\"earn\":\"50\"},"   \
  "{\"id\":\"off\",\"on\":\"Order Completed\",\"when\":\"total >= 100\",\"discount\":{\"percent\":" percent "}}]}"
#define AS_IS CLUB("", "10", "150")
#define WOULD_BE CLUB(" * 2", "5", "400")
#define NOVEMBER "\"from\":\"2026-11-01\",\"to\":\"2026-12-01\""

static void at(struct kit *kit, const char *time) {
  int64_t time_us;
  assert_int_equal(clock_parse(bytes_from_text(time), &time_us), ERR_OK);
  clock_hold(&kit->clock, time_us);
}

static void order(struct kit *kit, const char *customer, const char *id, const char *price, const char *more) {
  char json[512];
  snprintf(json, sizeof json,
           "{\"customer\":\"user_id:%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"sku\":\"A\",\"price\":%s}]}%s}",
           customer, id, price, more);
  free(member_call(kit, engine_order, "till", json, NULL));
}

// A shop that tells of an order by event.
static void tell(struct kit *kit, const char *customer, const char *id, const char *total) {
  struct engine_event event = {.type = ENGINE_TRACK,
                               .source = member_source(kit, "shop"),
                               .time_us = clock_now_us(&kit->clock),
                               .received_us = clock_now_us(&kit->clock),
                               .message_id = bytes_from_text(id),
                               .identifier_count = 1,
                               .amount_code = 255};
  struct engine_result result;
  struct store_mark mark;
  struct buffer packed;
  struct diag diag;
  char json[256], reference[64];
  size_t done;
  snprintf(json, sizeof json,
           "{\"type\":\"track\",\"event\":\"Order Completed\",\"properties\":{\"order_id\":\"%s\",\"total\":%s,"
           "\"products\":[{\"sku\":\"A\",\"price\":%s}]}}",
           id, total, total);
  snprintf(reference, sizeof reference, "user_id:%s", customer);
  assert_int_equal(names_intern(engine_names(kit->engine), BYTES("Order Completed"), &event.name, &diag), ERR_OK);
  event.message = kit_value(kit, json, &packed);
  event.identifiers[0].identifier = kit_identifier(kit, reference);
  event.identifiers[0].reason = IDENTITY_OK;
  if (engine_apply(kit->engine, &event, 1, &result, &done, &mark, &diag) != ERR_OK) fail_msg("%s", diag.message);
  buffer_release(&packed);
}

static void trade(struct kit *kit) {
  char line[] = "event user_id:leo trait.city=Lyon";
  member_put(kit, ENGINE_PROGRAMME, AS_IS);
  member_put(kit, ENGINE_VOUCHER,
             "{\"id\":\"ten\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"},\"uses\":{\"per_code\":1}}");
  free(member_call(kit, engine_codes_make, "till", "{\"voucher\":\"ten\",\"code\":\"TEN\"}", NULL));
  at(kit, "2026-10-28T10:00:00Z");
  kit_line(kit, line);
  order(kit, "zoe", "T-1", "40", ""); // 40 and 50 points
  at(kit, "2026-11-02T10:00:00Z");
  order(kit, "zoe", "T-2", "100", ""); // 10.00 off, 90 points: premium
  at(kit, "2026-11-03T10:00:00Z");
  order(kit, "leo", "T-3", "30", ""); // 30 and 50
  at(kit, "2026-11-05T10:00:00Z");
  order(kit, "leo", "T-4", "200", ",\"codes\":[\"TEN\"]"); // 20.00 and 10.00 off, 170 points: premium
  at(kit, "2026-11-06T10:00:00Z");
  order(kit, "zoe", "T-5", "20", ",\"pay\":[{\"points\":{\"amount\":100}}]"); // 19
  order(kit, "leo", "T-6", "50", "");                                         // given back
  at(kit, "2026-11-07T10:00:00Z");
  tell(kit, "mia", "W-1", "120"); // 120 and 50: a shop's own price is its own
  at(kit, "2026-12-01T10:00:00Z");
  order(kit, "zoe", "T-7", "500", "");
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  free(live_told(kit, &answer,
                 engine_order_cancel(kit->engine, &caller, BYTES("T-6"), &answer.writer, &commit, &answer.diag)));
}

static int setup(void **state) {
  static struct kit kit;
  kit_open(&kit);
  kit.check_each = false;
  trade(&kit);
  *state = &kit;
  return 0;
}

static int teardown(void **state) {
  kit_close(*state);
  return 0;
}

// --- asking --------------------------------------------------------------------------------------------------

static enum err simulate(struct kit *kit, const char *request, bool (*progress)(void *, uint64_t, uint64_t),
                         struct live_answer *answer) {
  struct engine_simulation *simulation;
  struct buffer packed;
  live_ask(answer);
  enum err err =
      engine_simulation_open(kit->engine, kit_value(kit, request, &packed), &simulation, NULL, &answer->diag);
  buffer_release(&packed);
  if (err != ERR_OK) return err;
  err = engine_simulation_run(simulation, progress, kit, &answer->writer, &answer->diag);
  engine_simulation_close(simulation);
  return err;
}

static char *report(struct kit *kit, const char *request) {
  struct live_answer answer;
  return live_told(kit, &answer, simulate(kit, request, NULL, &answer));
}

static void refused(struct kit *kit, const char *request, const char *code, const char *field) {
  struct live_answer answer;
  assert_int_not_equal(simulate(kit, request, NULL, &answer), ERR_OK);
  if (strcmp(answer.diag.code, code) != 0 || strcmp(answer.diag.field, field) != 0)
    fail_msg("%s: %s (%s): %s", request, answer.diag.code, answer.diag.field, answer.diag.message);
  buffer_release(&answer.out);
}

static void has(const char *json, const char *part) {
  if (strstr(json, part) == NULL) fail_msg("no %s\nin %s", part, json);
}

// Of all that is stored but numbers given out and names.
static uint64_t fingerprint(struct kit *kit) {
  uint64_t hash = 0xcbf29ce484222325u;
  struct store_snapshot *snapshot;
  assert_int_equal(store_snapshot_open(kit->store, &snapshot), ERR_OK);
  for (int keyspace = 0; keyspace < STORE_KEYSPACE_COUNT; keyspace++) {
    struct store_cursor *cursor;
    struct bytes key, row;
    if (keyspace == STORE_META || keyspace == STORE_NAME) continue;
    assert_int_equal(store_snapshot_scan(snapshot, (enum store_keyspace)keyspace, BYTES(""), BYTES(""), &cursor),
                     ERR_OK);
    while (store_cursor_next(cursor, &key, &row)) {
      for (size_t i = 0; i < key.size_bytes; i++) hash = (hash ^ key.data[i]) * 0x100000001b3u;
      for (size_t i = 0; i < row.size_bytes; i++) hash = (hash ^ row.data[i]) * 0x100000001b3u;
    }
    store_cursor_close(cursor);
  }
  store_snapshot_close(snapshot);
  return hash;
}

// --- tests ---------------------------------------------------------------------------------------------------

static void test_exact(void **state) {
  struct kit *kit = *state;
  uint64_t before = fingerprint(kit);
  char *told = report(kit, "{\"programmes\":[" WOULD_BE "]," NOVEMBER "}");
  has(told, "\"from\":\"2026-10-31T23:00:00.000Z\",\"to\":\"2026-11-30T23:00:00.000Z\",\"orders\":5,"
            "\"members\":3,\"skipped\":0,");
  has(told, "\"programmes\":[{\"programme\":\"club\",\"currency\":\"points\",\"points\":{\"ledger\":529,\"as_is\":529,"
            "\"would_be\":988,\"difference\":459}}]");
  has(told, "\"discounts\":{\"ledger\":40.00,\"as_is\":40.00,\"would_be\":25.00,\"difference\":-15.00}");
  has(told, "\"tiers\":{\"as_is\":{\"up\":3,\"down\":0},\"would_be\":{\"up\":1,\"down\":0}}");
  has(told, "\"cost\":{\"ledger\":45.29,\"as_is\":45.29,\"would_be\":34.88,\"difference\":-10.41}");
  has(told, "{\"programme\":\"club\",\"rule\":\"purchase\",\"currency\":\"points\",\"points\":{\"as_is\":429,"
            "\"would_be\":888,\"difference\":459}");
  has(told,
      "\"rule\":\"welcome\",\"currency\":\"points\",\"points\":{\"as_is\":100,\"would_be\":100,\"difference\":0}");
  has(told, "\"rule\":\"off\"");
  has(told, "\"discounts\":{\"as_is\":30.00,\"would_be\":15.00,\"difference\":-15.00},\"vouchers\":{\"as_is\":0,"
            "\"would_be\":0,\"difference\":0},\"orders\":{\"as_is\":2,\"would_be\":2,\"difference\":0}");
  has(told, "\"as_is\":32.50,\"would_be\":24.70,\"difference\":-7.80},{");
  has(told, "\"as_is\":11.09,\"would_be\":7.28,\"difference\":-3.81},{");
  has(told, "\"as_is\":1.70,\"would_be\":2.90,\"difference\":1.20}],\"notes\":[\"");
  char *again = report(kit, "{\"programmes\":[" WOULD_BE "]," NOVEMBER "}");
  assert_string_equal(told, again);
  assert_true(fingerprint(kit) == before);
  free(again);
  free(told);
  member_verify(kit);
}

static void test_unchanged(void **state) {
  struct kit *kit = *state;
  static const char *const same[] = {"{" NOVEMBER "}", "{\"programmes\":[" AS_IS "]," NOVEMBER "}"};
  for (int i = 0; i < 2; i++) {
    char *told = report(kit, same[i]);
    has(told, "\"points\":{\"ledger\":529,\"as_is\":529,\"would_be\":529,\"difference\":0}");
    has(told, "\"cost\":{\"ledger\":45.29,\"as_is\":45.29,\"would_be\":45.29,\"difference\":0.00}");
    has(told, "\"tiers\":{\"as_is\":{\"up\":3,\"down\":0},\"would_be\":{\"up\":3,\"down\":0}}");
    has(told, "\"largest\":[],");
    free(told);
  }
}

// A campaign beside it, with a budget that ends in the middle; for some members only.
static void test_campaign(void **state) {
  struct kit *kit = *state;
#define MAY                                                                                                            \
  "\"campaigns\":[{\"id\":\"bonus\",\"programme\":\"club\",\"rules\":[{\"id\":\"more\",\"on\":\"Order Completed\","    \
  "\"earn\":\"100\"}],\"budget\":{\"points\":250}}],"
  char *told = report(kit, "{" MAY NOVEMBER "}");
  has(told, "\"campaign\":\"bonus\",\"rule\":\"more\",\"currency\":\"points\",\"points\":{\"as_is\":0,\"would_be\":250,"
            "\"difference\":250}");
  has(told, "\"would_be\":779,\"difference\":250}");
  free(told);
  told = report(kit, "{" MAY NOVEMBER ",\"where\":\"traits.city = \\\"Lyon\\\"\"}");
  has(told, "\"where\":\"traits.city = \\\"Lyon\\\"\",\"orders\":2,\"members\":1,");
  has(told, "\"points\":{\"ledger\":250,\"as_is\":250,\"would_be\":450,\"difference\":200}");
  free(told);
  told = report(kit, "{" MAY "\"from\":\"2026-01-01\",\"to\":\"2026-02-01\"}");
  has(told, "\"orders\":0,\"members\":0,\"skipped\":0,\"programmes\":[],");
  free(told);
}

static void test_refusals(void **state) {
  struct kit *kit = *state;
  refused(kit, "{\"to\":\"2026-12-01\"}", "missing_member", "from");
  refused(kit, "{\"from\":\"soon\",\"to\":\"2026-12-01\"}", "bad_date", "from");
  refused(kit, "{\"from\":\"2026-12-01\",\"to\":\"2026-12-01\"}", "bad_period", "to");
  refused(kit, "{\"programmes\":{}," NOVEMBER "}", "wrong_type", "programmes");
  refused(kit, "{\"campaigns\":[{\"id\":\"x\",\"programme\":\"nix\"}]," NOVEMBER "}", "unknown_programme", "programme");
  refused(kit, "{\"where\":\"1 +\"," NOVEMBER "}", "unfinished", "where");
}

static bool stop_at_second(void *context, uint64_t done, uint64_t total) {
  (void)context;
  assert_int_equal(total, 3);
  return done < 1;
}

static void test_stop(void **state) {
  struct kit *kit = *state;
  uint64_t before = fingerprint(kit);
  struct live_answer answer;
  assert_int_equal(simulate(kit, "{\"programmes\":[" WOULD_BE "]," NOVEMBER "}", stop_at_second, &answer), ERR_STOPPED);
  assert_string_equal(answer.diag.code, "stopped");
  assert_int_equal(answer.out.size_bytes, 0);
  buffer_release(&answer.out);
  assert_true(fingerprint(kit) == before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
      cmocka_unit_test_setup_teardown(test_unchanged, setup, teardown),
      cmocka_unit_test_setup_teardown(test_campaign, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
      cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
