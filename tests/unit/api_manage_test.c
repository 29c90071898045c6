// Management over HTTP: customers, identity, what was set aside, sources, keys, Idempotency-Key, the clock of tests.
#include "api_kit.h"

static struct kit kit;

static struct kit_request get(const char *path) {
  return (struct kit_request){.path = path, .key = kit.admin_key};
}

static struct kit_request ask(const char *method, const char *path, const char *body) {
  return (struct kit_request){.method = method, .path = path, .key = kit.admin_key, .body = body};
}

// What stands between `before` and the next quotation mark of a body.
static void cut(const char *body, const char *before, char *out, size_t room) {
  const char *at = strstr(body, before);
  if (!at) fail_msg("no %s in %s", before, body);
  at += strlen(before);
  snprintf(out, room, "%.*s", (int)strcspn(at, "\","), at);
}

static void collect(const char *body) {
  kit_expect(&kit, (struct kit_request){.path = "/v1/batch", .key = kit.server_key, .body = body}, 200,
             "\"rejected\":[],\"aside\":[]");
}

static void customers_by_any_reference(void **state) {
  char id[32], path[128];
  (void)state;
  collect("{\"batch\":[{\"type\":\"identify\",\"userId\":\"42\",\"messageId\":\"c1\",\"traits\":{\"email\":"
          "\"Zoe@Exemple.fr\",\"firstName\":\"Zoé\",\"phone\":\"06 12 34 56 78\"}},"
          "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"42\",\"messageId\":\"c2\","
          "\"timestamp\":\"2026-01-02T03:04:05Z\",\"properties\":{\"total\":27.50,\"currency\":\"EUR\"}},"
          "{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"a/b 100%\",\"messageId\":\"c3\"}]}");
  struct kit_reply reply = kit_ask(&kit, get("/v1/customers/user_id:42"));
  assert_int_equal(reply.status, 200);
  cut(reply.body, "\"id\":\"", id, sizeof id);
  assert_non_null(strstr(reply.body, "\"firstName\":\"Zoé\""));
  kit_reply_release(&reply);
  snprintf(path, sizeof path, "/v1/customers/%s", id);
  kit_expect(&kit, get(path), 200, "zoe@exemple.fr");
  kit_expect(&kit, get("/v1/customers/email:ZOE%40exemple.fr"), 200, id);
  kit_expect(&kit, get("/v1/customers/email:zoe@exemple.fr"), 200, id);
  kit_expect(&kit, get("/v1/customers/phone:%2B33612345678"), 200, id);
  kit_expect(&kit, get("/v1/customers/user_id:a%2Fb%20100%25"), 200, "\"a/b 100%\"");
  kit_expect(&kit, get("/v1/customers/c999999"), 404, "\"code\":\"no_customer\"");
  kit_expect(&kit, get("/v1/customers/email:nobody@exemple.fr"), 404, "\"code\":\"no_customer\"");
  kit_expect(&kit, get("/v1/customers/shoe_size:42"), 400, "\"code\":\"bad_reference\"");
  kit_expect(&kit, (struct kit_request){.path = "/v1/customers/user_id:42"}, 401, "missing_key");
}

static void events_in_pages(void **state) {
  char path[256], next[128];
  (void)state;
  kit_expect(&kit, get("/v1/customers/user_id:42/events?name=Order+Completed"), 200, "27.50");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?from=2026-01-02&to=2026-01-03"), 200,
             "\"time\":\"2026-01-02T03:04:05.000Z\"");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?from=2026-01-03&to=2026-01-04"), 200, "{\"items\":[],");
  struct kit_reply reply = kit_ask(&kit, get("/v1/customers/user_id:42/events?limit=1"));
  assert_int_equal(reply.status, 200);
  cut(reply.body, "\"next\":\"", next, sizeof next);
  kit_reply_release(&reply);
  snprintf(path, sizeof path, "/v1/customers/user_id:42/events?limit=1&after=%s", next);
  kit_expect(&kit, get(path), 200, "2026-01-02T03:04:05.000Z");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?limit=0"), 400, "\"field\":\"limit\"");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?limit=1001"), 400, "from 1 to 1000");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?limit=1&limit=2"), 400, "duplicate_parameter");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?from=yesterday"), 400, "\"field\":\"from\"");
}

static void looking_around(void **state) {
  (void)state;
  kit_expect(&kit, get("/v1/customers?q=zo"), 200, "\"items\":[{\"id\":\"c");
  kit_expect(&kit, get("/v1/customers"), 400, "missing_parameter");
  kit_expect(&kit, get("/v1/customers/user_id:42/identity"), 200, "\"edges\":[{");
  kit_expect(&kit, get("/v1/customers/user_id:42/export"), 200, "27.50");
  kit_expect(&kit, (struct kit_request){.path = "/v1/customers/user_id:42/export", .key = kit.read_key}, 403, "erase");
  kit_expect(&kit, get("/v1/identity/explain?a=user_id:42&b=email:zoe@exemple.fr"), 200, "\"same\":true");
  kit_expect(&kit, get("/v1/identity/explain?a=user_id:42"), 400, "\"field\":\"b\"");
  kit_expect(&kit, get("/v1/schema?sample=10"), 200, "firstName");
  kit_expect(&kit, get("/v1/stats"), 200, "\"customers\":");
}

static void corrections_and_splits(void **state) {
  (void)state;
  kit_expect(
      &kit,
      ask("POST", "/v1/customers/user_id:42/corrections", "{\"traits\":{\"firstName\":\"Zoey\"},\"author\":\"Anna\"}"),
      200, "\"firstName\":\"Zoey\"");
  kit_expect(&kit, ask("POST", "/v1/customers/user_id:42/corrections", "{\"traits\":7}"), 400, "\"field\":\"traits\"");
  kit_expect(&kit, ask("POST", "/v1/customers/user_id:42/corrections", "[]"), 400, "not_an_object");
  kit_expect(&kit, ask("POST", "/v1/customers/user_id:42/split", "{}"), 400, "bad_split");
  kit_expect(&kit, ask("POST", "/v1/customers/user_id:42/split", "{\"edge\":\"x\"}"), 400, "\"field\":\"edge\"");
  kit_expect(&kit, ask("POST", "/v1/customers/user_id:42/split", "{\"apart\":[\"a\"]}"), 400, "\"field\":\"apart\"");
  kit_expect(&kit,
             ask("POST", "/v1/customers/user_id:42/split",
                 "{\"apart\":[\"user_id:42\",\"phone:+33612345678\"],\"reason\":\"a shared phone\"}"),
             200, "\"edges_disabled\":[");
  kit_expect(&kit, get("/v1/identity/explain?a=user_id:42&b=phone:%2B33612345678"), 200, "\"same\":false");
  kit_expect(&kit, ask("POST", "/v1/identity/allow", "{\"a\":\"user_id:42\",\"b\":\"phone:+33612345678\"}"), 200,
             "\"allowed\":true");
  kit_expect(&kit, ask("POST", "/v1/identity/allow", "{\"a\":\"user_id:42\"}"), 400, "\"field\":\"b\"");
}

static void rules(void **state) {
  (void)state;
  struct kit_reply reply = kit_ask(&kit, get("/v1/identity/rules"));
  assert_int_equal(reply.status, 200);
  assert_non_null(strstr(reply.body, "\"rules\":{"));
  kit_expect(&kit, ask("PUT", "/v1/identity/rules", reply.body), 200, "{\"version\":"); // what was read can be put back
  kit_reply_release(&reply);
  kit_expect(&kit, ask("PUT", "/v1/identity/rules", "{}"), 400, "\"field\":\"rules\"");
  kit_expect(&kit, ask("PUT", "/v1/identity/rules", "{\"rules\":{\"types\":7}}"), 400, "code");
  kit_expect(&kit, ask("PUT", "/v1/identity/rules?dry_run=perhaps", "{\"rules\":{}}"), 400, "\"field\":\"dry_run\"");
  kit_expect(&kit, get("/v1/identity/rules?version=99999"), 404, "code");
}

static void events_set_aside_are_corrected_and_sent_again(void **state) {
  char id[128], path[256];
  (void)state;
  kit_expect(&kit,
             (struct kit_request){.path = "/v1/batch",
                                  .key = kit.server_key,
                                  .body = "{\"batch\":[{\"type\":\"dance\",\"userId\":\"42\",\"messageId\":\"x1\"}]}"},
             200, "unknown_type");
  struct kit_reply reply = kit_ask(&kit, get("/v1/aside?code=unknown_type"));
  assert_int_equal(reply.status, 200);
  cut(reply.body, "\"id\":\"", id, sizeof id);
  kit_reply_release(&reply);
  snprintf(path, sizeof path, "/v1/aside/%s", id);
  kit_expect(&kit, get(path), 200, "\"event\":{\"type\":\"dance\"");
  snprintf(path, sizeof path, "/v1/aside/%s/resend", id);
  kit_expect(&kit, ask("POST", path, ""), 422, "still_refused");
  kit_expect(&kit, ask("POST", path, "{\"type\":"), 400, "invalid_json");
  kit_expect(&kit,
             ask("POST", path, "{\"type\":\"track\",\"event\":\"Danced\",\"userId\":\"42\",\"messageId\":\"x1\"}"), 200,
             "\"outcome\":\"taken\"");
  kit_expect(&kit, ask("POST", path, ""), 404, "code");
  kit_expect(&kit, get("/v1/customers/user_id:42/events?name=Danced"), 200, "\"source\":\"shop\"");
  kit_expect(&kit, get("/v1/aside/zz"), 404, "code");
  kit_expect(&kit,
             (struct kit_request){.path = "/v1/batch",
                                  .key = kit.server_key,
                                  .body = "{\"batch\":[{\"type\":\"dance\",\"userId\":\"42\",\"messageId\":\"x2\"}]}"},
             200, "unknown_type");
  reply = kit_ask(&kit, get("/v1/aside?limit=1"));
  cut(reply.body, "\"id\":\"", id, sizeof id);
  kit_reply_release(&reply);
  snprintf(path, sizeof path, "/v1/aside/%s", id);
  kit_expect(&kit, ask("DELETE", path, NULL), 204, NULL);
  kit_expect(&kit, ask("DELETE", path, NULL), 404, "code");
}

static void sources_and_keys(void **state) {
  char key[ENGINE_KEY_TEXT_BYTES], id[32], path[64];
  (void)state;
  kit_expect(&kit, ask("POST", "/v1/sources", "{\"name\":\"till\",\"kind\":\"till\",\"priority\":3}"), 200,
             "\"kind\":\"till\"");
  kit_expect(&kit, ask("PUT", "/v1/sources", "{\"name\":\"till\",\"region\":\"BE\"}"), 200, "\"priority\":3");
  kit_expect(&kit, ask("PUT", "/v1/sources", "{\"name\":\"till\",\"kind\":\"cart\"}"), 400, "\"field\":\"kind\"");
  kit_expect(&kit, ask("PUT", "/v1/sources", "{}"), 400, "\"field\":\"name\"");
  kit_expect(&kit, get("/v1/sources"), 200, "\"name\":\"till\"");

  struct kit_reply reply = kit_ask(&kit, ask("POST", "/v1/keys", "{\"kind\":\"write\",\"source\":\"till\"}"));
  assert_int_equal(reply.status, 201);
  cut(reply.body, "\"key\":\"", key, sizeof key);
  cut(reply.body, "\"id\":", id, sizeof id);
  kit_reply_release(&reply);
  struct kit_request event = {.path = "/v1/track",
                              .key = key,
                              .body = "{\"type\":\"track\",\"event\":\"Sold\",\"userId\":\"42\",\"messageId\":\"t1\"}"};
  kit_expect(&kit, event, 200, "\"taken\":1");
  kit_expect(&kit, get("/v1/keys"), 200, "\"source\":\"till\"");
  snprintf(path, sizeof path, "/v1/keys/%s", id);
  kit_expect(&kit, ask("DELETE", path, NULL), 204, NULL);
  kit_expect(&kit, event, 401, "bad_key");
  kit_expect(&kit, ask("DELETE", "/v1/keys/none", NULL), 404, "no_key");
  kit_expect(&kit, ask("POST", "/v1/keys", "{\"kind\":\"secret\",\"scopes\":[\"read\",\"write\"],\"name\":\"desk\"}"),
             201, "\"scopes\":[\"read\",\"write\"]");
  kit_expect(&kit, ask("POST", "/v1/keys", "{\"kind\":\"secret\",\"scopes\":[\"fly\"]}"), 400, "fly");
  kit_expect(&kit, ask("POST", "/v1/keys", "{\"kind\":\"secret\"}"), 400, "\"field\":\"scopes\"");
  kit_expect(&kit, ask("POST", "/v1/keys", "{\"kind\":\"write\",\"source\":\"nowhere\"}"), 400, "\"field\":\"source\"");
}

// The first request runs, the second gets its bytes, a third with another body is refused.
static void a_repeated_write_is_done_once(void **state) {
  struct kit_request create = ask("POST", "/v1/keys", "{\"kind\":\"write\",\"source\":\"shop\",\"name\":\"once\"}");
  (void)state;
  create.headers[0] = "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324";
  struct kit_reply first = kit_ask(&kit, create), second = kit_ask(&kit, create);
  assert_int_equal(first.status, 201);
  assert_int_equal(second.status, 201);
  assert_string_equal(first.body, second.body);
  assert_null(strstr(first.headers, "Idempotency-Hit"));
  assert_non_null(strstr(second.headers, "Idempotency-Hit: true"));
  kit_reply_release(&first);
  kit_reply_release(&second);
  create.body = "{\"kind\":\"write\",\"source\":\"shop\",\"name\":\"twice\"}";
  kit_expect(&kit, create, 422, "idempotency_mismatch");
  create.headers[0] = "Idempotency-Key;"; // present and empty
  kit_expect(&kit, create, 400, "bad_idempotency_key");
  struct kit_request refused = ask("POST", "/v1/keys", "{}");
  refused.headers[0] = "Idempotency-Key: refused";
  kit_expect(&kit, refused, 400, "\"field\":\"kind\"");
  struct kit_reply reply = kit_ask(&kit, refused);
  assert_int_equal(reply.status, 400); // a refusal is an answer like any other
  assert_non_null(strstr(reply.headers, "Idempotency-Hit: true"));
  assert_non_null(strstr(reply.headers, "application/problem+json"));
  kit_reply_release(&reply);
}

static void a_person_is_erased(void **state) {
  (void)state;
  kit_expect(&kit, (struct kit_request){.method = "DELETE", .path = "/v1/customers/user_id:42", .key = kit.read_key},
             403, "missing_scope");
  kit_expect(&kit, ask("DELETE", "/v1/customers/user_id:42?suppress=maybe", NULL), 400, "\"field\":\"suppress\"");
  struct kit_request erase = ask("DELETE", "/v1/customers/user_id:42?suppress=true", NULL);
  erase.headers[0] = "Idempotency-Key: erase-42";
  kit_expect(&kit, erase, 200, "\"suppressed\":true");
  kit_expect(&kit, get("/v1/customers/user_id:42"), 404, "no_customer");
  kit_expect(&kit, erase, 200, "\"suppressed\":true"); // the receipt again, and not a 404
}

static void the_clock_of_tests(void **state) {
  (void)state;
  kit_expect(&kit, get("/v1/clock"), 200, "\"held\":false");
  kit_expect(&kit, ask("POST", "/v1/clock", "{\"now\":\"2027-01-01T12:00:00Z\"}"), 200,
             "{\"now\":\"2027-01-01T12:00:00.000Z\",\"held\":true}");
  kit_expect(&kit, ask("POST", "/v1/clock", "{\"now\":\"noon\"}"), 400, "\"field\":\"now\"");
  collect("{\"batch\":[{\"type\":\"track\",\"event\":\"Later\",\"userId\":\"later\",\"messageId\":\"l1\"}]}");
  kit_expect(&kit, get("/v1/customers/user_id:later/events"), 200, "\"received_at\":\"2027-01-01T12:00:00.000Z\"");
}

static int setup(void **state) {
  (void)state;
  kit_open(&kit, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  kit_close(&kit);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(customers_by_any_reference),
      cmocka_unit_test(events_in_pages),
      cmocka_unit_test(looking_around),
      cmocka_unit_test(corrections_and_splits),
      cmocka_unit_test(rules),
      cmocka_unit_test(events_set_aside_are_corrected_and_sent_again),
      cmocka_unit_test(sources_and_keys),
      cmocka_unit_test(a_repeated_write_is_done_once),
      cmocka_unit_test(a_person_is_erased),
      cmocka_unit_test(the_clock_of_tests),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
