// What people changed by hand: each change once, with who, what, before and after, in its commit; pages; nothing
// secret; and what was written about somebody who is erased is gone.
#include "engine_member_kit.h"

#include "engine/attribution.h"
#include "engine/audit.h"
#include "engine/scores.h"
#include "engine/trade.h"

#define CLUB                                                                                                           \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"approval_above\":100,\"currencies\":["           \
  "{\"id\":\"points\"}],\"rules\":[{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"}]"

static void open_club(struct kit *kit) {
  char line[] = "event user_id:zoe";
  kit_open(kit);
  kit->check_each = false;
  member_put(kit, ENGINE_PROGRAMME, CLUB "}");
  kit_line(kit, line);
}

static char *audit(struct kit *kit, struct engine_audit_query query) {
  struct live_answer answer;
  struct engine_view *view;
  live_ask(&answer);
  if (query.limit == 0) query.limit = 100;
  assert_int_equal(engine_view_open(kit->engine, &view), ERR_OK);
  enum err err = engine_audit_json(view, &query, &answer.writer, &answer.diag);
  engine_view_close(view);
  return live_told(kit, &answer, err);
}

static char *audit_of(struct kit *kit, const char *action) {
  return audit(kit, (struct engine_audit_query){.action = bytes_from_text(action)});
}

static void adjust(struct kit *kit, const char *customer, int amount, const char *more) {
  char json[256];
  snprintf(json, sizeof json, "{\"customer\":\"%s\",\"amount\":%d,\"reason\":\"a late parcel\"%s}", customer, amount,
           more);
  free(member_call(kit, engine_points_adjust, "till", json, NULL));
}

static void buy(struct kit *kit, const char *id) {
  char json[256];
  snprintf(json, sizeof json,
           "{\"customer\":\"user_id:zoe\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"sku\":\"A\",\"price\":10}]}}",
           id);
  free(member_call(kit, engine_order, "till", json, NULL));
}

// --- what is told ------------------------------------------------------------------------------------------------

static void an_adjustment_is_told_once(void **state) {
  struct kit kit;
  (void)state;
  open_club(&kit);
  adjust(&kit, "user_id:zoe", 50, ",\"reference\":\"r1\"");
  adjust(&kit, "user_id:zoe", 50, ",\"reference\":\"r1\""); // told again, done once
  adjust(&kit, "user_id:zoe", -20, "");
  char *json = audit_of(&kit, "points.adjusted");
  assert_int_equal(live_count(json, "\"action\""), 2);
  char *newest = strstr(json, "\"before\":{\"currency\":\"points\",\"active\":50,");
  assert_non_null(newest);
  assert_non_null(strstr(newest, "\"after\":{\"currency\":\"points\",\"active\":30,"));
  assert_non_null(strstr(json, "\"author\":\"till 1\""));
  assert_non_null(strstr(json, "\"reason\":\"a late parcel\""));
  assert_non_null(strstr(json, "\"before\":{\"currency\":\"points\",\"active\":0,"));
  free(json);
  kit_close(&kit);
}

static void what_is_refused_leaves_nothing(void **state) {
  char code[DIAG_CODE_BYTES];
  struct kit kit;
  (void)state;
  open_club(&kit);
  adjust(&kit, "user_id:zoe", 50, "");
  char *taken = member_call(&kit, engine_points_adjust, "till",
                            "{\"customer\":\"user_id:zoe\",\"amount\":-60,\"reason\":\"x\"}", code);
  bool refused = taken == NULL;
  free(taken);
  assert_true(refused);
  assert_string_equal(code, "INSUFFICIENT_POINTS");
  char *json = audit_of(&kit, "points.adjusted");
  assert_int_equal(live_count(json, "\"action\""), 1);
  free(json);
  kit_close(&kit);
}

static void documents_are_told_whole(void **state) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_club(&kit);
  member_put(&kit, ENGINE_PROGRAMME, CLUB ",\"expiry_notice\":\"30 days\"}");
  live_ask(&answer);
  assert_int_equal(engine_loyalty_archive(kit.engine, ENGINE_PROGRAMME, BYTES("club"), BYTES("ben"), &answer.writer,
                                          &commit, &answer.diag),
                   ERR_OK);
  buffer_release(&answer.out);
  char *json = audit_of(&kit, "programme.put");
  assert_int_equal(live_count(json, "\"action\""), 2);
  assert_int_equal(live_count(json, "\"before\":null"), 1);
  assert_int_equal(live_count(json, "\"expiry_notice\":\"30 days\""), 1);
  assert_int_equal(live_count(json, "\"author\":\"ann\",\"action\""), 2);
  free(json);
  json = audit_of(&kit, "programme.archived");
  assert_int_equal(live_count(json, "\"action\""), 1);
  assert_non_null(strstr(json, "\"author\":\"ben\",\"action\""));
  assert_int_equal(live_count(json, "\"archived\":false"), 1);
  assert_int_equal(live_count(json, "\"archived\":true"), 1);
  free(json);
  kit_close(&kit);
}

static void cancel(struct kit *kit, const char *order, bool reopen) {
  struct engine_caller caller = {member_source(kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  enum err err = (reopen ? engine_order_reopen : engine_order_cancel)(kit->engine, &caller, bytes_from_text(order),
                                                                      &answer.writer, &commit, &answer.diag);
  assert_int_equal(err, ERR_OK);
  buffer_release(&answer.out);
}

static void orders_are_told_when_they_change(void **state) {
  struct kit kit;
  (void)state;
  open_club(&kit);
  buy(&kit, "o1");
  cancel(&kit, "o1", false);
  cancel(&kit, "o1", false); // is so already
  cancel(&kit, "o1", true);
  char *json = audit_of(&kit, "order.cancelled");
  assert_int_equal(live_count(json, "\"action\""), 1);
  assert_non_null(strstr(json, "\"subject\":\"o1\",\"before\":{\"state\":\"placed\",\"paid\":10.00,\"remaining\":10.00}"
                               ",\"after\":{\"state\":\"cancelled\",\"paid\":10.00,\"remaining\":0.00}"));
  free(json);
  json = audit_of(&kit, "order.reopened");
  assert_int_equal(live_count(json, "\"action\""), 1);
  free(json);
  kit_close(&kit);
}

static void codes_are_told_without_being_told(void **state) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_club(&kit);
  member_put(&kit, ENGINE_VOUCHER, "{\"id\":\"GIFT\",\"programme\":\"club\",\"discount\":{\"credit\":\"50.00\"}}");
  free(member_call(&kit, engine_codes_make, "till", "{\"voucher\":\"GIFT\",\"code\":\"SECRETGIFTX9\"}", NULL));
  struct engine_caller caller = {member_source(&kit, "till"), BYTES("ben")};
  live_ask(&answer);
  assert_int_equal(engine_code_cancel(kit.engine, &caller, BYTES("SECRETGIFTX9"), BYTES("lost"), &answer.writer,
                                      &commit, &answer.diag),
                   ERR_OK);
  buffer_release(&answer.out);
  char *json = audit(&kit, (struct engine_audit_query){0});
  assert_null(strstr(json, "SECRETGIFT"));
  assert_non_null(strstr(json, "\"action\":\"code.cancelled\",\"programme\":\"club\",\"subject\":\"…FTX9\",\"reason\":"
                               "\"lost\",\"before\":{\"voucher\":\"GIFT\",\"state\":\"active\",\"uses\":0,\"balance\":"
                               "50.00},\"after\":{\"voucher\":\"GIFT\",\"state\":\"cancelled\",\"uses\":0,\"balance\":"
                               "0.00}"));
  assert_non_null(strstr(json, "\"action\":\"codes.made\""));
  free(json);
  kit_close(&kit);
}

static void short_codes_show_less(void **state) {
  char text[AUDIT_CODE_BYTES];
  (void)state;
  struct bytes shown = audit_code(BYTES("ABC123"), text);
  assert_true(bytes_equal(shown, BYTES("…23")));
  assert_true(bytes_equal(audit_code(BYTES("A"), text), BYTES("…")));
}

// --- pages -------------------------------------------------------------------------------------------------------

static void pages_meet_without_a_gap(void **state) {
  struct kit kit;
  char after[40] = "";
  int told = 0;
  (void)state;
  open_club(&kit);
  for (int i = 1; i <= 7; i++) adjust(&kit, "user_id:zoe", i, "");
  for (bool more = true; more;) {
    struct engine_audit_query query = {.action = BYTES("points.adjusted"), .after = bytes_from_text(after), .limit = 3};
    char *json = audit(&kit, query), *next = strstr(json, "\"next\":\"");
    told += (int)live_count(json, "\"action\"");
    more = next != NULL;
    if (more) sscanf(next, "\"next\":\"%39[^\"]", after);
    free(json);
  }
  assert_int_equal(told, 7);
  kit_close(&kit);
}

static void a_wrong_cursor_is_refused(void **state) {
  struct engine_audit_query query = {.after = BYTES("p1"), .limit = 1};
  struct live_answer answer;
  struct engine_view *view;
  struct kit kit;
  (void)state;
  open_club(&kit);
  live_ask(&answer);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  assert_int_equal(engine_audit_json(view, &query, &answer.writer, &answer.diag), ERR_INVALID);
  assert_string_equal(answer.diag.code, "bad_cursor");
  engine_view_close(view);
  buffer_release(&answer.out);
  kit_close(&kit);
}

// --- a second person ---------------------------------------------------------------------------------------------

typedef enum err decide_fn(struct engine *engine, const struct engine_caller *caller, struct bytes approval,
                           struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

static void decide(struct kit *kit, decide_fn *call, const char *approval, const char *author, const char *code) {
  struct engine_caller caller = {member_source(kit, "till"), bytes_from_text(author)};
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  enum err err = call(kit->engine, &caller, bytes_from_text(approval), &answer.writer, &commit, &answer.diag);
  assert_string_equal(err == ERR_OK ? "" : answer.diag.code, code);
  buffer_release(&answer.out);
}

static void ask(struct kit *kit, const char *more, char approval[40]) {
  char json[160];
  snprintf(json, sizeof json, "{\"customer\":\"user_id:zoe\",\"amount\":500,\"reason\":\"a late parcel\"%s}", more);
  char *reply = member_call(kit, engine_points_adjust, "till", json, NULL);
  sscanf(strstr(reply, "\"approval\":\""), "\"approval\":\"%39[^\"]", approval);
  free(reply);
}

static char *approvals(struct kit *kit) {
  struct live_answer answer;
  live_ask(&answer);
  return live_told(kit, &answer, engine_approvals_json(kit->engine, &answer.writer, &answer.diag));
}

static void another_person_decides_once(void **state) {
  char first[40], again[40], second[40];
  struct kit kit;
  (void)state;
  open_club(&kit);
  ask(&kit, ",\"reference\":\"r1\"", first);
  ask(&kit, ",\"reference\":\"r1\"", again); // told again
  assert_string_equal(first, again);
  ask(&kit, "", second);
  decide(&kit, engine_approve, first, "till 1", "SAME_PERSON");
  decide(&kit, engine_approval_refuse, first, "till 1", "SAME_PERSON");
  decide(&kit, engine_approve, first, "ann", "");
  decide(&kit, engine_approve, first, "ann", "no_approval");
  decide(&kit, engine_approval_refuse, second, "ann", "");
  decide(&kit, engine_approve, second, "ben", "no_approval");
  member_has(&kit, "user_id:zoe", "\"active\":500,");
  char *json = audit_of(&kit, "points.adjusted");
  assert_non_null(strstr(json, "\"author\":\"till 1, agreed by ann\""));
  free(json);
  json = audit_of(&kit, "approval.requested");
  assert_int_equal(live_count(json, "\"action\""), 2);
  free(json);
  json = audit_of(&kit, "approval.refused");
  assert_non_null(strstr(json, "\"author\":\"ann\""));
  assert_non_null(strstr(json, "\"after\":{\"status\":\"refused\",\"currency\":\"points\",\"amount\":500}"));
  free(json);
  kit_close(&kit);
}

static void what_nobody_decides_expires(void **state) {
  char first[40], second[40];
  struct kit kit;
  (void)state;
  open_club(&kit);
  ask(&kit, "", first);
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + 7 * CLOCK_DAY_US);
  decide(&kit, engine_approve, first, "ann", "APPROVAL_EXPIRED");
  decide(&kit, engine_approval_refuse, first, "ann", "APPROVAL_EXPIRED");
  live_contains(approvals(&kit), "{\"items\":[]}");
  ask(&kit, "", second);
  decide(&kit, engine_approve, first, "ann", "no_approval"); // the next request took it away
  decide(&kit, engine_approve, second, "ann", "");
  kit_close(&kit);
}

static void nothing_waits_for_who_is_erased(void **state) {
  char approval[40], gone[] = "erase user_id:zoe";
  struct kit kit;
  (void)state;
  open_club(&kit);
  ask(&kit, "", approval);
  kit_line(&kit, gone);
  live_contains(approvals(&kit), "{\"items\":[]}");
  decide(&kit, engine_approve, approval, "ann", "no_approval");
  kit_close(&kit);
}

// --- people ------------------------------------------------------------------------------------------------------

static void what_was_changed_follows_a_merge(void **state) {
  char first[] = "event loyalty_card:123", both[] = "event user_id:zoe loyalty_card:123";
  struct kit kit;
  (void)state;
  open_club(&kit);
  kit_line(&kit, first);
  adjust(&kit, "user_id:zoe", 10, "");
  adjust(&kit, "loyalty_card:123", 20, "");
  kit_line(&kit, both);
  char *json = audit(&kit, (struct engine_audit_query){.customer = kit_customer(&kit, "user_id:zoe")});
  assert_int_equal(live_count(json, "\"points.adjusted\""), 2);
  free(json);
  kit_close(&kit);
}

static void what_people_wrote_goes_with_her(void **state) {
  char first[] = "event loyalty_card:123", both[] = "event user_id:zoe loyalty_card:123", gone[] = "erase user_id:zoe";
  struct kit kit;
  (void)state;
  open_club(&kit);
  kit_line(&kit, first);
  adjust(&kit, "user_id:zoe", 10, "");
  adjust(&kit, "loyalty_card:123", 20, "");
  kit_line(&kit, both);
  kit_line(&kit, gone);
  char *json = audit(&kit, (struct engine_audit_query){0});
  assert_int_equal(live_count(json, "\"points.adjusted\""), 2);
  assert_null(strstr(json, "a late parcel"));
  free(json);
  kit_close(&kit);
}

// --- beside loyalty ------------------------------------------------------------------------------------------------

static void put_segment(struct kit *kit, const char *json) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit->parser, bytes_from_text(json), engine_names(kit->engine), &packed, NULL),
                   ERR_OK);
  enum err err = engine_segment_put(kit->engine, (struct value){buffer_view(&packed)}, BYTES("camille"), &answer.writer,
                                    &commit, NULL, &answer.diag);
  free(live_told(kit, &answer, err));
  buffer_release(&packed);
}

// What nobody does by hand has no author, and what changes nothing is no change.
static void sources_and_keys_are_told(void **state) {
  struct engine_source source = {.name = BYTES("till 7"), .kind = ENGINE_SOURCE_TILL};
  struct engine_commit by_hand = {.author = BYTES("camille")}, by_itself = {0};
  char text[ENGINE_KEY_TEXT_BYTES];
  struct kit kit;
  uint64_t key;
  uint32_t id;
  (void)state;
  kit_open(&kit);
  assert_int_equal(engine_source_put(kit.engine, &source, &id, &by_itself, NULL), ERR_OK);
  source.priority = 7;
  for (int i = 0; i < 2; i++) assert_int_equal(engine_source_put(kit.engine, &source, &id, &by_hand, NULL), ERR_OK);
  char *json = audit_of(&kit, "source.put");
  assert_int_equal(live_count(json, "\"action\""), 1);
  assert_non_null(strstr(json, "\"author\":\"camille\",\"action\":\"source.put\",\"subject\":\"till 7\""));
  assert_non_null(strstr(json, "\"priority\":0},\"after\""));
  assert_non_null(strstr(json, "\"priority\":7}"));
  free(json);
  struct engine_key wanted = {.name = BYTES("page"), .scopes = ENGINE_SCOPE_COLLECT, .source = id};
  assert_int_equal(engine_key_create(kit.engine, &wanted, text, &key, &by_hand, NULL), ERR_OK);
  assert_int_equal(engine_key_revoke(kit.engine, key, &by_hand, NULL), ERR_OK);
  json = audit(&kit, (struct engine_audit_query){.subject = BYTES("page")});
  assert_int_equal(live_count(json, "\"action\""), 2);
  assert_non_null(strstr(json, "\"action\":\"key.created\",\"subject\":\"page\",\"before\":null"));
  assert_non_null(strstr(json, "\"revoked\":true"));
  assert_null(strstr(json, strrchr(text, '_') + 1));
  free(json);
  kit_close(&kit);
}

static void segments_and_settings_are_told(void **state) {
  struct engine_commit commit = {.author = BYTES("camille")};
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_club(&kit);
  put_segment(&kit, "{\"id\":\"buyers\",\"include\":\"count(\\\"Order Completed\\\") > 0\"}");
  put_segment(&kit, "{\"id\":\"buyers\",\"include\":\"count(\\\"Order Completed\\\") > 1\"}");
  live_ask(&answer);
  free(live_told(&kit, &answer,
                 engine_segment_archive(kit.engine, BYTES("buyers"), &answer.writer, &commit, &answer.diag)));
  char *json = audit(&kit, (struct engine_audit_query){.subject = BYTES("buyers")});
  assert_int_equal(live_count(json, "\"segment.put\""), 2);
  char *second = strstr(json, "\"segment.put\"");
  assert_non_null(strstr(second, "> 0"));
  assert_true(strstr(second, "> 0") < strstr(second, "\"after\""));
  assert_non_null(strstr(json, "\"action\":\"segment.archived\""));
  free(json);
  assert_int_equal(engine_zone_put(kit.engine, BYTES("Europe/Paris"), BYTES("camille"), &commit, NULL), ERR_OK);
  json = audit_of(&kit, "workspace.put");
  assert_non_null(strstr(json, "\"before\":{\"timezone\":\"UTC\"},\"after\":{\"timezone\":\"Europe/Paris\"}"));
  free(json);
  json = audit(&kit, (struct engine_audit_query){.loyalty = true});
  assert_non_null(strstr(json, "programme.put"));
  assert_null(strstr(json, "segment."));
  assert_null(strstr(json, "workspace."));
  free(json);
  kit_close(&kit);
}

enum document { REPORTS, ATTRIBUTION, SCORE };

static void put_document(struct kit *kit, enum document which, const char *json, const char *author) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit->parser, bytes_from_text(json), engine_names(kit->engine), &packed, NULL),
                   ERR_OK);
  struct value document = {buffer_view(&packed)};
  struct bytes by = bytes_from_text(author);
  enum err err =
      which == REPORTS ? trade_put(kit->engine, document, by, &answer.writer, &commit, NULL, &answer.diag)
      : which == ATTRIBUTION
          ? engine_attribution_settings_put(kit->engine, document, by, &answer.writer, &commit, NULL, &answer.diag)
          : engine_score_put(kit->engine, document, by, NULL, NULL, &answer.writer, &commit, &answer.diag);
  free(live_told(kit, &answer, err));
  buffer_release(&packed);
}

// The text stands in the side of the entry, which is told before the other entries.
static void side_has(const char *entry, const char *side, const char *text) {
  const char *before = strstr(entry, "\"before\":"), *after = strstr(entry, "\"after\":");
  assert_non_null(before);
  assert_non_null(after);
  const char *end = strstr(after, "\"action\":");
  const char *from = strcmp(side, "before") == 0 ? before : after, *to = from == before ? after : end;
  const char *found = strstr(from, text);
  if (found == NULL || (to != NULL && found >= to)) fail_msg("%s is not %s in %s", text, side, entry);
}

// Camille puts the first document, in the place of the program's own default, and Ben the second. What the audit of
// their subject then says, newest first, is the caller's to free; *first: Camille's entry in it.
static char *two_settings(struct kit *kit, enum document which, const char *const documents[2], struct bytes subject,
                          const char **first) {
  put_document(kit, which, documents[0], "camille");
  put_document(kit, which, documents[1], "ben");
  char *json = audit(kit, (struct engine_audit_query){.subject = subject});
  assert_int_equal(live_count(json, "\"action\":\"settings.put\""), 2);
  assert_non_null(strstr(json, "\"author\":\"ben\",\"action\""));
  *first = strstr(json, "\"author\":\"camille\",\"action\"");
  assert_non_null(*first);
  side_has(*first, "before", "\"author\":\"default\"");
  return json;
}

static void settings_of_reports_are_told(void **state) {
  static const char *const documents[] = {"{\"amount\":\"total\"}", "{\"amount\":\"revenue\",\"returned\":null}"};
  const char *first;
  struct kit kit;
  (void)state;
  open_club(&kit);
  char *json = two_settings(&kit, REPORTS, documents, BYTES("reports"), &first);
  side_has(json, "before", "\"amount\":\"total\"");
  side_has(json, "before", "\"version\":1,");
  side_has(json, "after", "\"amount\":\"revenue\"");
  side_has(json, "after", "\"returned\":null");
  side_has(json, "after", "\"version\":2,");
  side_has(first, "before", "\"amount\":\"coalesce(total, revenue, value)\""); // the program's own default
  free(json);
  kit_close(&kit);
}

static void settings_of_attribution_are_told(void **state) {
  static const char *const documents[] = {"{\"lookback\":\"7 days\"}", "{\"lookback\":\"14 days\"}"};
  const char *first;
  struct kit kit;
  (void)state;
  open_club(&kit);
  char *json = two_settings(&kit, ATTRIBUTION, documents, BYTES("attribution"), &first);
  side_has(json, "before", "\"lookback\":\"7 days\"");
  side_has(json, "after", "\"lookback\":\"14 days\"");
  free(json);
  json = audit(&kit, (struct engine_audit_query){.loyalty = true});
  assert_null(strstr(json, "settings.put"));
  free(json);
  kit_close(&kit);
}

static void refresh_score(struct kit *kit, const char *author) {
  struct engine_commit commit = {.author = bytes_from_text(author)};
  struct live_answer answer;
  live_ask(&answer);
  free(live_told(kit, &answer,
                 engine_score_refresh(kit->engine, BYTES("rfm"), NULL, NULL, &answer.writer, &commit, &answer.diag)));
}

// Thresholds that the clock finds anew are nobody's doing.
static void scores_are_told_with_their_thresholds(void **state) {
  struct engine_commit commit = {.author = BYTES("eve")};
  struct live_answer answer;
  struct kit kit;
  (void)state;
  open_club(&kit);
  put_document(&kit, SCORE,
               "{\"id\":\"rfm\",\"method\":\"fixed\",\"bins\":2,\"thresholds\":{\"global\":{\"recency\":[30],"
               "\"frequency\":[2],\"monetary\":[100]}}}",
               "camille");
  put_document(&kit, SCORE,
               "{\"id\":\"rfm\",\"method\":\"fixed\",\"bins\":2,\"thresholds\":{\"global\":{\"recency\":[60],"
               "\"frequency\":[2],\"monetary\":[100]}}}",
               "ben");
  char *json = audit_of(&kit, "score.put");
  assert_int_equal(live_count(json, "\"action\""), 2);
  assert_non_null(strstr(json, "\"author\":\"ben\",\"action\":\"score.put\",\"subject\":\"rfm\""));
  side_has(json, "before", "\"thresholds\":{\"global\":{\"bins\":2,\"recency\":[30]");
  side_has(json, "after", "\"thresholds\":{\"global\":{\"bins\":2,\"recency\":[60]");
  assert_int_equal(live_count(json, "\"before\":null"), 1);
  free(json);
  refresh_score(&kit, "");
  clock_hold(&kit.clock, clock_now_us(&kit.clock) + CLOCK_DAY_US);
  refresh_score(&kit, "dora");
  json = audit_of(&kit, "score.refreshed");
  assert_int_equal(live_count(json, "\"action\""), 1);
  assert_non_null(strstr(json, "\"author\":\"dora\",\"action\""));
  side_has(json, "after", "\"author\":\"ben\""); // whose definition it still is
  free(json);
  live_ask(&answer);
  free(live_told(&kit, &answer, engine_score_archive(kit.engine, BYTES("rfm"), &answer.writer, &commit, &answer.diag)));
  json = audit_of(&kit, "score.archived");
  assert_non_null(strstr(json, "\"author\":\"eve\",\"action\""));
  side_has(json, "before", "\"recency\":[60]");
  assert_int_equal(live_count(json, "\"after\":null"), 1);
  free(json);
  kit_close(&kit);
}

static void rules_are_told(void **state) {
  struct engine_commit commit = {0};
  struct value_parser *parser;
  struct buffer packed;
  struct kit kit;
  uint64_t version;
  (void)state;
  kit_open(&kit);
  buffer_init(&packed);
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  assert_int_equal(value_parse_json(parser, identity_rules_default(), engine_names(kit.engine), &packed, NULL), ERR_OK);
  assert_int_equal(
      engine_rules_put(kit.engine, (struct value){buffer_view(&packed)}, BYTES("camille"), &version, &commit, NULL),
      ERR_OK);
  char *json = audit_of(&kit, "rules.put"), *before = strstr(json, "\"before\":{\"version\":1,");
  assert_non_null(before);
  assert_non_null(strstr(before, "\"after\":{\"version\":2,\"rules\":{"));
  free(json);
  value_parser_close(parser);
  buffer_release(&packed);
  kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_adjustment_is_told_once),
      cmocka_unit_test(what_is_refused_leaves_nothing),
      cmocka_unit_test(documents_are_told_whole),
      cmocka_unit_test(orders_are_told_when_they_change),
      cmocka_unit_test(codes_are_told_without_being_told),
      cmocka_unit_test(short_codes_show_less),
      cmocka_unit_test(pages_meet_without_a_gap),
      cmocka_unit_test(a_wrong_cursor_is_refused),
      cmocka_unit_test(another_person_decides_once),
      cmocka_unit_test(what_nobody_decides_expires),
      cmocka_unit_test(nothing_waits_for_who_is_erased),
      cmocka_unit_test(what_was_changed_follows_a_merge),
      cmocka_unit_test(what_people_wrote_goes_with_her),
      cmocka_unit_test(sources_and_keys_are_told),
      cmocka_unit_test(segments_and_settings_are_told),
      cmocka_unit_test(rules_are_told),
      cmocka_unit_test(settings_of_reports_are_told),
      cmocka_unit_test(settings_of_attribution_are_told),
      cmocka_unit_test(scores_are_told_with_their_thresholds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
