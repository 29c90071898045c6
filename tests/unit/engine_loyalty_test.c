// Members who turn out to be one person, part again, or are erased: through the engine, with the clock held. After
// every step engine_check, and so engine_loyalty_verify, finds nothing.
#include "engine_member_kit.h"

#include "base/alloc.h"

#define CURRENCY                                                                                                       \
  "{\"id\":\"club\",\"timezone\":\"Europe/Paris\",\"money\":\"EUR\",\"currencies\":[{\"id\":\"points\","               \
  "\"validity\":{\"after\":\"12 months\"},\"worth\":\"0.01\",\"returns\":\"unlimited\"}]"
#define PROGRAMME                                                                                                      \
  CURRENCY ",\"tiers\":{\"levels\":[{\"id\":\"standard\",\"from\":0},{\"id\":\"premium\",\"from\":100}]},\"rules\":["  \
           "{\"id\":\"purchase\",\"on\":\"Order Completed\",\"earn\":\"floor(paid)\"},{\"id\":\"hello\",\"on\":"       \
           "\"Joined\",\"give\":\"WELCOME\"},{\"id\":\"survey\",\"on\":\"Answered\",\"earn\":\"5\",\"once_by\":"       \
           "\"survey\"}]}"
#define WELCOME                                                                                                        \
  "{\"id\":\"WELCOME\",\"programme\":\"club\",\"discount\":{\"amount\":\"10.00\"},\"uses\":{\"per_code\":1,"           \
  "\"per_customer\":1},\"entitlement\":{\"period\":\"once\"}}"

static void open_club(struct kit *kit) {
  kit_open(kit);
  kit->check_each = false;
  member_put(kit, ENGINE_PROGRAMME, CURRENCY "}"); // vouchers are of a programme, whose rules name them
  member_put(kit, ENGINE_VOUCHER, WELCOME);
  member_put(kit, ENGINE_PROGRAMME, PROGRAMME);
}

// An event with one property.
static void tell(struct kit *kit, const char *name, const char *identifier, const char *property, const char *text) {
  struct kit_event made;
  char json[512];
  snprintf(json, sizeof json, "{\"type\":\"track\",\"event\":\"%s\",\"properties\":{\"%s\":\"%s\"}}", name, property,
           text);
  snprintf(kit->where, sizeof kit->where, "%s of %s", name, identifier);
  memset(&made, 0, sizeof made);
  kit_parse(kit, json, &made);
  kit_name(kit, name, &made);
  made.event.type = ENGINE_TRACK;
  made.event.time_us = clock_now_us(&kit->clock);
  made.event.source = member_source(kit, "web");
  made.event.identifiers[0].identifier = kit_identifier(kit, identifier);
  made.event.identifiers[0].reason = IDENTITY_OK;
  made.event.identifier_count = 1;
  kit_apply(kit, &made.event, ENGINE_APPLIED);
  kit_event_release(&made);
  kit_check(kit);
}

static char *order(struct kit *kit, const char *source, const char *customer, const char *id, const char *price,
                   const char *more) {
  char json[1024];
  snprintf(json, sizeof json,
           "{\"customer\":\"%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"line_id\":\"1\",\"sku\":\"A\","
           "\"price\":%s,\"quantity\":1}]}%s}",
           customer, id, price, more);
  snprintf(kit->where, sizeof kit->where, "order %s of %s", id, customer);
  char *reply = member_call(kit, engine_order, source, json, NULL);
  kit_check(kit);
  return reply;
}

static void buy(struct kit *kit, const char *source, const char *customer, const char *id, const char *price) {
  free(order(kit, source, customer, id, price, ""));
}

static void points(struct kit *kit, member_call_fn *call, const char *customer, int amount, const char *code) {
  char json[256], got[DIAG_CODE_BYTES];
  snprintf(json, sizeof json, "{\"customer\":\"%s\",\"amount\":%d,\"reason\":\"a test\"}", customer, amount);
  free(member_call(kit, call, "till", json, got));
  assert_string_equal(got, code);
  kit_check(kit);
}

// The text of the n-th voucher of a member.
static void code_of(struct kit *kit, const char *reference, char out[80]) {
  char *json = member_json(kit, reference), *vouchers = member_part(json, "vouchers");
  const char *at = strstr(vouchers, "\"code\":\"");
  if (at == NULL) fail_msg("%s has no voucher: %s", reference, json);
  sscanf(at, "\"code\":\"%79[^\"]", out);
  free(vouchers);
  free(json);
}

// --- one person with two accounts ------------------------------------------------------------------------------

// Scenario 36.
static void open_two(struct kit *kit) {
  open_club(kit);
  member_line(kit, "event name=Joined email:zoe@x.org");
  member_line(kit, "event name=Joined loyalty_card:123");
  buy(kit, "web", "email:zoe@x.org", "W1", "120.00");
  clock_hold(&kit->clock, clock_now_us(&kit->clock) + CLOCK_DAY_US);
  buy(kit, "till", "loyalty_card:123", "S1", "80.00");
  member_has(kit, "email:zoe@x.org", "\"level\":\"premium\"");
  member_has(kit, "loyalty_card:123", "\"level\":\"standard\"");
}

static void two_welcome_vouchers(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  member_line(&kit, "same email:zoe@x.org loyalty_card:123");
  char *json = member_json(&kit, "loyalty_card:123");
  assert_non_null(strstr(json, "\"active\":200"));
  assert_non_null(strstr(json, "\"level\":\"premium\""));
  assert_int_equal(live_count(json, "\"state\":\"active\""), 1);
  assert_int_equal(live_count(json, "\"reason\":\"DUPLICATE_ON_MERGE\""), 1);
  assert_non_null(strstr(json, "\"expires_on\":\"2027-10-28\""));
  assert_non_null(strstr(json, "\"expires_on\":\"2027-10-29\""));
  assert_int_equal(member_verify(&kit), 1);
  member_line(&kit, "event email:zoe@x.org loyalty_card:123"); // again: nothing
  char *again = member_json(&kit, "email:zoe@x.org");
  assert_string_equal(json, again);
  free(json);
  free(again);
  kit_close(&kit);
}

static void a_used_one_leaves_none(void **state) {
  char code[80], more[128];
  struct kit kit;
  (void)state;
  open_two(&kit);
  code_of(&kit, "loyalty_card:123", code);
  snprintf(more, sizeof more, ",\"codes\":[\"%s\"]", code);
  free(order(&kit, "till", "loyalty_card:123", "S2", "30.00", more));
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  char *json = member_json(&kit, "loyalty_card:123");
  assert_non_null(strstr(json, "\"active\":220"));
  assert_int_equal(live_count(json, "\"reason\":\"DUPLICATE_ON_MERGE\""), 1);
  free(json);
  member_line(&kit, "split email:zoe@x.org loyalty_card:123");
  json = member_json(&kit, "email:zoe@x.org");
  assert_int_equal(live_count(json, "\"state\":\"active\""), 1); // hers was never used
  free(json);
  kit_close(&kit);
}

static void expect_parts(struct kit *kit, const char *reference, const char *before) {
  static const char *const names[] = {"balances", "lots", "vouchers"};
  char *now = member_json(kit, reference);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char *was = member_part(before, names[i]), *is = member_part(now, names[i]);
    assert_string_equal(is, was);
    free(was);
    free(is);
  }
  free(now);
}

static void a_split_gives_back_what_was(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  points(&kit, engine_points_burn, "loyalty_card:123", 30, "");
  char *web = member_json(&kit, "email:zoe@x.org"), *store = member_json(&kit, "loyalty_card:123");
  for (int i = 0; i < 2; i++) {
    member_line(&kit, i == 0 ? "event email:zoe@x.org loyalty_card:123" : "allow email:zoe@x.org loyalty_card:123");
    if (i == 1) member_line(&kit, "event email:zoe@x.org loyalty_card:123");
    member_has(&kit, "email:zoe@x.org", "\"active\":170");
    member_line(&kit, "split email:zoe@x.org loyalty_card:123");
    member_line(&kit, "different email:zoe@x.org loyalty_card:123");
    expect_parts(&kit, "email:zoe@x.org", web);
    expect_parts(&kit, "loyalty_card:123", store);
  }
  // Orders went along.
  char json[] = "{\"return_id\":\"R\"}";
  struct engine_caller caller = {member_source(&kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  live_ask(&answer);
  assert_int_equal(engine_order_return(kit.engine, &caller, BYTES("S1"), kit_value(&kit, json, &packed), &answer.writer,
                                       &commit, &answer.diag),
                   ERR_OK);
  buffer_release(&packed);
  buffer_release(&answer.out);
  kit_check(&kit);
  member_has(&kit, "loyalty_card:123", "\"debt\":-30");
  member_has(&kit, "email:zoe@x.org", "\"active\":120");
  free(web);
  free(store);
  kit_close(&kit);
}

// Spent by the united member: from the lot that expires first, whoever earned it.
static void spent_points_stay_with_their_lots(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  points(&kit, engine_points_burn, "loyalty_card:123", 150, "");
  member_line(&kit, "split email:zoe@x.org loyalty_card:123");
  member_has(&kit, "email:zoe@x.org", "\"active\":0");
  member_has(&kit, "loyalty_card:123", "\"active\":50");
  member_line(&kit, "allow email:zoe@x.org loyalty_card:123");
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  member_has(&kit, "email:zoe@x.org", "\"active\":50");
  kit_close(&kit);
}

static void holds_of_both_sides_are_released(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  points(&kit, engine_points_hold, "loyalty_card:123", 20, "");
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  points(&kit, engine_points_hold, "email:zoe@x.org", 150, "");
  member_has(&kit, "email:zoe@x.org", "\"held\":170");
  member_line(&kit, "split email:zoe@x.org loyalty_card:123");
  member_has(&kit, "email:zoe@x.org", "\"held\":0");
  member_has(&kit, "loyalty_card:123", "\"held\":20");
  kit_close(&kit);
}

// --- one receipt, booked twice -----------------------------------------------------------------------------------

static void a_receipt_counts_once(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  buy(&kit, "till", "loyalty_card:123", "R7", "40.00");
  buy(&kit, "web", "email:zoe@x.org", "R7", "40.00");
  member_has(&kit, "email:zoe@x.org", "\"active\":160");
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  char *json = member_json(&kit, "email:zoe@x.org");
  if (strstr(json, "\"active\":240") == NULL) fail_msg("%s", json);
  free(json);
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  member_has(&kit, "email:zoe@x.org", "\"active\":240");
  kit_close(&kit);
}

static void a_receipt_of_three_counts_once(void **state) {
  struct kit kit;
  (void)state;
  open_club(&kit);
  buy(&kit, "app", "email:leo@x.org", "R7", "40.00");
  buy(&kit, "till", "loyalty_card:7", "R7", "40.00");
  buy(&kit, "web", "email:zoe@x.org", "R7", "40.00");
  member_line(&kit, "event email:zoe@x.org loyalty_card:7");
  member_has(&kit, "loyalty_card:7", "\"active\":40");
  member_line(&kit, "event email:leo@x.org loyalty_card:7");
  member_has(&kit, "loyalty_card:7", "\"active\":40");
  kit_close(&kit);
}

static void a_receipt_with_a_shared_code_counts_once(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  member_put(&kit, ENGINE_VOUCHER,
             "{\"id\":\"SUMMER\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},\"uses\":{\"total\":2}}");
  free(member_call(&kit, engine_codes_make, "web", "{\"voucher\":\"SUMMER\",\"code\":\"SUMMER26\"}", NULL));
  free(order(&kit, "till", "loyalty_card:123", "R7", "40.00", ",\"codes\":[\"SUMMER26\"]"));
  free(order(&kit, "web", "email:zoe@x.org", "R7", "40.00", ",\"codes\":[\"SUMMER26\"]"));
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  member_has(&kit, "email:zoe@x.org", "\"active\":235");
  char *reply = order(&kit, "web", "email:zoe@x.org", "R8", "40.00", ",\"codes\":[\"SUMMER26\"]"); // one use is free
  assert_non_null(strstr(reply, "\"type\":\"discount\""));
  free(reply);
  kit_close(&kit);
}

// By an event of the shop: the code is free again.
static void a_cancelled_order_frees_its_code(void **state) {
  struct kit kit;
  (void)state;
  open_club(&kit);
  member_put(&kit, ENGINE_VOUCHER,
             "{\"id\":\"SUMMER\",\"programme\":\"club\",\"discount\":{\"amount\":\"5.00\"},\"uses\":{\"total\":1}}");
  free(member_call(&kit, engine_codes_make, "web", "{\"voucher\":\"SUMMER\",\"code\":\"SUMMER26\"}", NULL));
  for (int i = 0; i < 2; i++) {
    char *reply = order(&kit, "web", "email:zoe@x.org", i == 0 ? "R1" : "R2", "40.00", ",\"codes\":[\"SUMMER26\"]");
    assert_non_null(strstr(reply, "\"type\":\"discount\""));
    free(reply);
    tell(&kit, "Order Cancelled", "email:zoe@x.org", "order_id", i == 0 ? "R1" : "R2");
  }
  member_has(&kit, "email:zoe@x.org", "\"active\":0");
  kit_close(&kit);
}

static void one_answer_earns_once(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  tell(&kit, "Answered", "email:zoe@x.org", "survey", "spring");
  tell(&kit, "Answered", "loyalty_card:123", "survey", "spring");
  tell(&kit, "Answered", "loyalty_card:123", "survey", "summer");
  member_has(&kit, "loyalty_card:123", "\"active\":90");
  member_line(&kit, "event email:zoe@x.org loyalty_card:123");
  member_has(&kit, "loyalty_card:123", "\"active\":210");
  tell(&kit, "Answered", "email:zoe@x.org", "survey", "summer");
  member_has(&kit, "email:zoe@x.org", "\"active\":210");
  kit_close(&kit);
}

// --- erased --------------------------------------------------------------------------------------------------------

static void an_erased_member_leaves_closed_books(void **state) {
  char code[80];
  struct kit kit;
  (void)state;
  open_two(&kit);
  points(&kit, engine_points_hold, "loyalty_card:123", 20, "");
  code_of(&kit, "loyalty_card:123", code);
  member_line(&kit, "erase loyalty_card:123");
  member_line(&kit, "nobody loyalty_card:123");
  assert_int_equal(member_verify(&kit), 1);
  struct live_answer answer;
  live_ask(&answer);
  live_contains(
      live_told(&kit, &answer, engine_code_json(kit.engine, bytes_from_text(code), &answer.writer, &answer.diag)),
      "\"reason\":\"ERASED\"");
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct bytes key, row;
  assert_int_equal(store_snapshot_open(kit.store, &snapshot), ERR_OK);
  assert_int_equal(store_snapshot_scan(snapshot, STORE_LEDGER, BYTES(""), BYTES(""), &cursor), ERR_OK);
  size_t postings = 0;
  while (store_cursor_next(cursor, &key, &row)) {
    postings += key.data[sizeof(uint64_t)] == 'p' && key_read_u64(key.data) == 2;
    assert_null(memmem(row.data, row.size_bytes, "loyalty_card", strlen("loyalty_card")));
  }
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  assert_true(postings >= 2); // earned, and ended
  kit_close(&kit);
}

// --- short memory --------------------------------------------------------------------------------------------------

static enum err join_two(struct kit *kit, uint64_t allowed, struct diag *diag) {
  struct engine_result result;
  struct store_mark mark;
  size_t done;
  struct kit_event made;
  memset(&made, 0, sizeof made);
  kit_parse(kit, "{\"type\":\"track\"}", &made);
  kit_name(kit, "Viewed", &made);
  made.event.type = ENGINE_TRACK;
  made.event.source = member_source(kit, "web");
  made.event.identifiers[0] = (struct engine_identifier){kit_identifier(kit, "email:zoe@x.org"), IDENTITY_OK};
  made.event.identifiers[1] = (struct engine_identifier){kit_identifier(kit, "loyalty_card:123"), IDENTITY_OK};
  made.event.identifier_count = 2;
  alloc_fail_after(allowed, false);
  enum err err = engine_apply(kit->engine, &made.event, 1, &result, &done, &mark, diag);
  kit_event_release(&made);
  return err;
}

static enum err part_two(struct kit *kit, uint64_t allowed, struct diag *diag) {
  struct engine_split split = {.apart = {BYTES("email:zoe@x.org"), BYTES("loyalty_card:123")}};
  struct engine_commit commit = {0};
  struct live_answer answer;
  uint64_t customer = kit_customer(kit, "email:zoe@x.org");
  live_ask(&answer);
  alloc_fail_after(allowed, false);
  enum err err = engine_split_customer(kit->engine, customer, &split, &answer.writer, &commit, diag);
  buffer_release(&answer.out);
  return err;
}

static enum err erase_one(struct kit *kit, uint64_t allowed, struct diag *diag) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  uint64_t customer = kit_customer(kit, "loyalty_card:123");
  live_ask(&answer);
  alloc_fail_after(allowed, false);
  enum err err = engine_erase(kit->engine, customer, false, &answer.writer, &commit, diag);
  buffer_release(&answer.out);
  return err;
}

// The n-th allocation fails, until none does.
static void until_it_passes(struct kit *kit, enum err (*step)(struct kit *kit, uint64_t allowed, struct diag *diag)) {
  enum err err = ERR_NO_MEMORY;
  for (uint64_t n = 0; err != ERR_OK; n++) {
    struct diag diag;
    diag_init(&diag);
    snprintf(kit->where, sizeof kit->where, "allocation %llu fails", (unsigned long long)n);
    err = step(kit, n, &diag);
    bool fired = alloc_fail_disarm();
    if (err != ERR_OK && (err != ERR_NO_MEMORY || !fired)) fail_msg("%s: %s: %s", kit->where, diag.code, diag.message);
    if (n % 8 == 0 || err == ERR_OK) kit_check(kit);
  }
}

static void short_memory_leaves_nothing_half_done(void **state) {
  struct kit kit;
  (void)state;
  open_two(&kit);
  buy(&kit, "till", "loyalty_card:123", "R7", "40.00");
  buy(&kit, "web", "email:zoe@x.org", "R7", "40.00");
  points(&kit, engine_points_hold, "loyalty_card:123", 20, "");
  until_it_passes(&kit, join_two);
  member_has(&kit, "email:zoe@x.org", "\"active\":220");
  until_it_passes(&kit, part_two);
  member_has(&kit, "email:zoe@x.org", "\"active\":120");
  until_it_passes(&kit, erase_one);
  assert_int_equal(member_verify(&kit), 1);
  kit_close(&kit);
}

// --- at random -------------------------------------------------------------------------------------------------------

enum { CARDS = 3, MAILS = 3, IDS = CARDS + MAILS, STEPS = 60 };

static uint64_t random_state;
static unsigned roll(unsigned below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(random_state >> 33) % below;
}

static const char *id_at(unsigned index) {
  static const char *const ids[IDS] = {"loyalty_card:100", "loyalty_card:200", "loyalty_card:300",
                                       "email:a@x.org",    "email:b@x.org",    "email:c@x.org"};
  return ids[index];
}

struct model {
  struct kit kit;
  int order;
  char last_hold[64];
};

static bool is_known(struct model *model, const char *reference) {
  return kit_customer(&model->kit, reference) != 0;
}

static void model_order(struct model *model, const char *reference) {
  char id[32], price[32];
  // Now and then a receipt that the other channel has, too.
  bool again = model->order > 0 && roll(4) == 0;
  snprintf(id, sizeof id, "o%d", again ? (int)roll((unsigned)model->order) : model->order++);
  snprintf(price, sizeof price, "%u.%02u", roll(90) + 1, roll(100));
  if (again && !is_known(model, reference)) return;
  char json[512], code[DIAG_CODE_BYTES];
  snprintf(json, sizeof json,
           "{\"customer\":\"%s\",\"cart\":{\"order_id\":\"%s\",\"products\":[{\"line_id\":\"1\",\"price\":%s}]}%s}",
           reference, id, price, roll(3) == 0 ? ",\"pay\":[{\"points\":{\"amount\":10}}]" : "");
  free(member_call(&model->kit, engine_order, roll(2) == 0 ? "web" : "till", json, code));
}

static void model_points(struct model *model, member_call_fn *call, const char *reference) {
  char json[256], code[DIAG_CODE_BYTES];
  if (!is_known(model, reference)) return;
  snprintf(json, sizeof json, "{\"customer\":\"%s\",\"amount\":%u,\"reason\":\"x\"}", reference, roll(60) + 1);
  char *reply = member_call(&model->kit, call, "till", json, code);
  const char *hold = reply == NULL ? NULL : strstr(reply, "\"hold\":\"");
  if (hold != NULL) sscanf(hold, "\"hold\":\"%63[^\"]", model->last_hold);
  free(reply);
}

static void model_return(struct model *model) {
  char id[32], json[64];
  struct engine_caller caller = {member_source(&model->kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  if (model->order == 0) return;
  snprintf(id, sizeof id, "o%u", roll((unsigned)model->order));
  snprintf(json, sizeof json, "{\"return_id\":\"r%u\"}", roll(1000));
  live_ask(&answer);
  enum err err = engine_order_return(model->kit.engine, &caller, bytes_from_text(id),
                                     kit_value(&model->kit, json, &packed), &answer.writer, &commit, &answer.diag);
  if (err != ERR_OK && err != ERR_DENIED && err != ERR_NOT_FOUND)
    fail_msg("return: %s: %s", answer.diag.code, answer.diag.message);
  buffer_release(&packed);
  buffer_release(&answer.out);
}

static void model_hold(struct model *model) {
  struct engine_caller caller = {member_source(&model->kit, "till"), BYTES("till 1")};
  struct engine_commit commit = {0};
  struct live_answer answer;
  if (model->last_hold[0] == '\0') return;
  live_ask(&answer);
  enum err err = roll(2) == 0 ? engine_hold_void(model->kit.engine, &caller, bytes_from_text(model->last_hold),
                                                 &answer.writer, &commit, &answer.diag)
                              : engine_hold_capture(model->kit.engine, &caller, bytes_from_text(model->last_hold),
                                                    (struct value){{NULL, 0}}, &answer.writer, &commit, &answer.diag);
  if (err != ERR_OK && err != ERR_DENIED && err != ERR_NOT_FOUND)
    fail_msg("hold: %s: %s", answer.diag.code, answer.diag.message);
  buffer_release(&answer.out);
}

static void expect_conserved(struct model *model, const struct member_totals *before, bool doubles) {
  struct member_totals after = member_totals(&model->kit);
  const int64_t *a = before->accounts, *b = after.accounts;
  int64_t own_before = a[LOYALTY_PENDING] + a[LOYALTY_ACTIVE] + a[LOYALTY_HELD] + a[LOYALTY_DEBT];
  int64_t own_after = b[LOYALTY_PENDING] + b[LOYALTY_ACTIVE] + b[LOYALTY_HELD] + b[LOYALTY_DEBT];
  bool same = b[LOYALTY_ISSUED] == a[LOYALTY_ISSUED] && b[LOYALTY_ADJUSTED] == a[LOYALTY_ADJUSTED];
  // When a receipt that both had is given back, so is what was spent for it, and what it earned.
  if (!doubles) same = same && b[LOYALTY_SPENT] == a[LOYALTY_SPENT] && own_before == own_after;
  for (size_t i = 0; !same && i < LOYALTY_ACCOUNT_COUNT; i++)
    print_error("%s: %lld, was %lld\n", loyalty_account_name((enum loyalty_account)i), (long long)b[i],
                (long long)a[i]);
  if (!same) kit_fail(&model->kit, "points were lost or made");
}

static void model_join(struct model *model) {
  char text[128];
  struct member_totals before;
  const char *card = id_at(roll(CARDS)), *mail = id_at(CARDS + roll(MAILS));
  member_tick(&model->kit);
  before = member_totals(&model->kit);
  snprintf(text, sizeof text, "event %s %s", card, mail);
  kit_line(&model->kit, text);
  expect_conserved(model, &before, true);
}

static void model_split(struct model *model) {
  struct member_totals before;
  struct live_answer answer;
  struct engine_commit commit = {0};
  unsigned a = roll(IDS), b = roll(IDS);
  uint64_t customer = kit_customer(&model->kit, id_at(a));
  if (a == b || customer == 0 || customer != kit_customer(&model->kit, id_at(b))) return;
  member_tick(&model->kit);
  before = member_totals(&model->kit);
  struct engine_split split = {.apart = {bytes_from_text(id_at(a)), bytes_from_text(id_at(b))}};
  live_ask(&answer);
  if (engine_split_customer(model->kit.engine, customer, &split, &answer.writer, &commit, &answer.diag) != ERR_OK)
    fail_msg("split: %s: %s", answer.diag.code, answer.diag.message);
  buffer_release(&answer.out);
  expect_conserved(model, &before, false);
  if (roll(2) == 0) return;
  struct diag diag;
  diag_init(&diag);
  // Where the cut went through others than these two, nothing stands between them.
  enum err err =
      engine_allow_link(model->kit.engine, bytes_from_text(id_at(a)), bytes_from_text(id_at(b)), &commit, &diag);
  if (err != ERR_OK && strcmp(diag.code, "no_cannot_link") != 0) fail_msg("allow: %s: %s", diag.code, diag.message);
}

static void model_clock(struct model *model) {
  int64_t days = roll(3) == 0 ? 200 : roll(30);
  clock_hold(&model->kit.clock, clock_now_us(&model->kit.clock) + days * CLOCK_DAY_US + CLOCK_HOUR_US);
  if (roll(2) == 0) member_tick(&model->kit);
}

static void model_erase(struct model *model, const char *reference) {
  if (roll(4) == 0 && is_known(model, reference)) kit_erase(&model->kit, reference, false);
}

static void model_joined(struct model *model, const char *reference) {
  char text[128];
  snprintf(text, sizeof text, "event name=Joined %s", reference);
  kit_line(&model->kit, text);
}

static void model_step(struct model *model) {
  const char *reference = id_at(roll(IDS));
  switch (roll(13)) {
  case 0:
  case 1:
  case 2:
    model_order(model, reference);
    break;
  case 3:
    model_points(model, engine_points_burn, reference);
    break;
  case 4:
    model_points(model, engine_points_hold, reference);
    break;
  case 5:
    model_hold(model);
    break;
  case 6:
    model_return(model);
    break;
  case 7:
    model_points(model, engine_points_adjust, reference);
    break;
  case 8:
    model_join(model);
    break;
  case 9:
    model_split(model);
    break;
  case 10:
    model_clock(model);
    break;
  case 11:
    model_erase(model, reference);
    break;
  default:
    model_joined(model, reference);
    break;
  }
}

static void run_model(uint64_t seed) {
  struct model model = {.order = 0};
  random_state = seed * 7919 + 1;
  open_club(&model.kit);
  for (int step = 0; step < STEPS; step++) {
    snprintf(model.kit.where, sizeof model.kit.where, "seed %llu, step %d", (unsigned long long)seed, step);
    model_step(&model);
    kit_check(&model.kit);
  }
  kit_close(&model.kit);
}

static void random_members_never_lose_a_point(void **state) {
  const char *rounds = getenv("RAPPORT_MODEL_ROUNDS"), *seed = getenv("RAPPORT_MODEL_SEED");
  uint64_t first = seed == NULL ? 1 : strtoull(seed, NULL, 10),
           count = rounds == NULL ? 12 : strtoull(rounds, NULL, 10);
  (void)state;
  for (uint64_t i = 0; i < count; i++) run_model(first + i);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_welcome_vouchers),
      cmocka_unit_test(a_used_one_leaves_none),
      cmocka_unit_test(a_split_gives_back_what_was),
      cmocka_unit_test(spent_points_stay_with_their_lots),
      cmocka_unit_test(holds_of_both_sides_are_released),
      cmocka_unit_test(a_receipt_counts_once),
      cmocka_unit_test(a_receipt_of_three_counts_once),
      cmocka_unit_test(a_receipt_with_a_shared_code_counts_once),
      cmocka_unit_test(a_cancelled_order_frees_its_code),
      cmocka_unit_test(one_answer_earns_once),
      cmocka_unit_test(an_erased_member_leaves_closed_books),
      cmocka_unit_test(short_memory_leaves_nothing_half_done),
      cmocka_unit_test(random_members_never_lose_a_point),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
