// Scores on the record: an order changes them in its commit, a midnight of the workspace's zone at that midnight; what
// asks for them enters and leaves with them. Definitions that are refused, referred to, refreshed, archived. And a
// model: after random histories with merges, splits, erasures and a clock that moves, each customer's scores are those
// of a summary that a naive walk over her events makes.
#include "engine_live_kit.h"
#include "engine_read_fixture.h"

#include "base/alloc.h"
#include "engine/query.h"
#include "engine/report.h"
#include "engine/scores.h"
#include "scoring/rfm.h"

static struct kit kit;

static int set_up(void **state) {
  return read_set_up(state, &kit, NULL, 0);
}

// --- scores --------------------------------------------------------------------------------------------------

static char *put_raw(const char *json, struct diag *diag) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct buffer packed;
  buffer_init(&packed);
  live_ask(&answer);
  assert_int_equal(value_parse_json(kit.parser, bytes_from_text(json), engine_names(kit.engine), &packed, diag),
                   ERR_OK);
  enum err err = engine_score_put(kit.engine, (struct value){buffer_view(&packed)}, BYTES("ann"), NULL, NULL,
                                  &answer.writer, &commit, &answer.diag);
  *diag = answer.diag;
  buffer_release(&packed);
  if (err == ERR_OK) return live_told(&kit, &answer, err);
  buffer_release(&answer.out);
  return NULL;
}

static void put(const char *json) {
  struct diag diag;
  char *text = put_raw(json, &diag);
  if (text == NULL) fail_msg("%s: %s: %s %s", json, diag.code, diag.message, diag.field);
  free(text);
  live_settle(&kit);
}

static void refused(const char *json, const char *code, const char *field) {
  struct diag diag;
  char *text = put_raw(json, &diag);
  bool taken = text != NULL;
  free(text);
  if (taken) fail_msg("taken: %s", json);
  if (strcmp(diag.code, code) != 0 || strcmp(diag.field, field) != 0)
    fail_msg("%s: %s: %s: %s", json, diag.code, diag.field, diag.message);
}

static char *score(const char *id) {
  struct live_answer answer;
  live_ask(&answer);
  return live_told(&kit, &answer, engine_score_json(kit.engine, bytes_from_text(id), &answer.writer, &answer.diag));
}

static char *refresh(const char *id) {
  struct engine_commit commit = {0};
  struct live_answer answer;
  live_ask(&answer);
  enum err err =
      engine_score_refresh(kit.engine, bytes_from_text(id), NULL, NULL, &answer.writer, &commit, &answer.diag);
  return live_told(&kit, &answer, err);
}

// An order of lines "RANGE PRICE", at `at_s`.
static void order(const char *who, int64_t at_s, const char *id, const char *total, const char *items) {
  char line[1024];
  snprintf(line, sizeof line,
           "message track t=%lld %s name=Order+Completed {\"properties\":{\"order_id\":\"%s\",\"total\":%s,"
           "\"products\":[%s]}}",
           (long long)at_s, who, id, total, items);
  snprintf(kit.where, sizeof kit.where, "order %s", id);
  read_line(&kit, line);
}

static void go_to(int64_t at_s) {
  clock_hold(&kit.clock, KIT_EPOCH_US + at_s * CLOCK_SECOND_US);
  live_settle(&kit);
  kit_check(&kit);
}

enum { DAY_S = 86400, TODAY_S = 300 * DAY_S }; // of the kit's clock, a midnight in UTC

#define FIXED                                                                                                          \
  "{\"id\":\"rfm\",\"method\":\"fixed\",\"bins\":3,\"ranges\":[\"Phones\",\"Cases\"],\"thresholds\":{"                 \
  "\"global\":{\"recency\":[10,30],\"frequency\":[2,3],\"monetary\":[100,500]},"                                       \
  "\"ranges\":{\"Phones\":{\"recency\":[20,40],\"frequency\":[2,3],\"monetary\":[100,500]},"                           \
  "\"Cases\":{\"recency\":[5,9],\"frequency\":[2,4],\"monetary\":[10,20]}}}}"

// --- orders and midnights ------------------------------------------------------------------------------------

static void test_an_order_counts_in_its_commit(void **state) {
  (void)state;
  put(FIXED);
  live_put(&kit, "{\"id\":\"often\",\"include\":\"score(\\\"rfm\\\").f >= 2\"}");
  live_put(&kit, "{\"id\":\"cases\",\"include\":\"score(\\\"rfm\\\",\\\"Cases\\\").f >= 2\"}");
  live_put(&kit, "{\"id\":\"name\",\"kind\":\"attribute\",\"expression\":\"score(\\\"rfm\\\").segment\"}");
  live_settle(&kit);
  order("user_id:u1", TODAY_S - 50 * DAY_S, "A", "120", "{\"category\":\"Phones\",\"price\":110}");
  live_contains(live_customer(&kit, "user_id:u1"),
                "\"scores\":{\"rfm\":{\"all\":{\"r\":1,\"f\":1,\"m\":2,\"number\":112,");
  live_contains(live_customer(&kit, "user_id:u1"), "\"Phones\":{\"r\":1,\"f\":1,\"m\":2,\"number\":112,");
  live_out(&kit, "user_id:u1", "often");
  // Two lines of one range are one order of it; what has none counts in all.
  order("user_id:u1", TODAY_S - 3 * DAY_S, "B", "400",
        "{\"category\":\"Cases\",\"price\":8},{\"category\":\"Cases\",\"price\":3,\"quantity\":2},{\"price\":1}");
  live_in(&kit, "user_id:u1", "often");
  live_out(&kit, "user_id:u1", "cases");
  live_contains(live_customer(&kit, "user_id:u1"), "\"all\":{\"r\":3,\"f\":2,\"m\":3,\"number\":323,");
  live_contains(live_customer(&kit, "user_id:u1"), "\"Cases\":{\"r\":3,\"f\":1,\"m\":2,\"number\":312,");
  order("user_id:u1", TODAY_S - 2 * DAY_S, "C", "5", "{\"category\":\"Cases\",\"price\":5}");
  live_in(&kit, "user_id:u1", "cases");
  live_contains(live_customer(&kit, "user_id:u1"), "\"attributes\":{\"name\":\"");
  // The same order again, and one that came back, change nothing.
  order("user_id:u1", TODAY_S - DAY_S, "C", "5", "{\"category\":\"Cases\",\"price\":5}");
  live_contains(live_customer(&kit, "user_id:u1"), "\"all\":{\"r\":3,\"f\":3,\"m\":3,\"number\":333,");
  kit_check(&kit);
}

static void test_recency_falls_at_local_midnight(void **state) {
  (void)state;
  struct engine_commit commit = {0};
  struct diag diag;
  diag_init(&diag);
  enum err err = engine_zone_put(kit.engine, BYTES("Europe/Paris"), BYTES("ann"), &commit, &diag);
  if (err == ERR_NOT_FOUND) {
    print_message("no zone files: skipped\n");
    return;
  }
  assert_int_equal(err, ERR_OK);
  put(FIXED);
  live_put(&kit, "{\"id\":\"fresh\",\"include\":\"score(\\\"rfm\\\").r = 3\"}");
  live_put(&kit, "{\"id\":\"old\",\"include\":\"score(\\\"rfm\\\").r = 1\"}");
  live_settle(&kit);
  // 2026-10-28: Paris is an hour ahead of UTC. 23:30 UTC is half past midnight of the next day there.
  order("user_id:u1", TODAY_S - DAY_S / 48, "A", "120", "{\"category\":\"Phones\",\"price\":110}");
  live_in(&kit, "user_id:u1", "fresh");
  go_to(TODAY_S + 10 * DAY_S - 3600 - 1);
  live_in(&kit, "user_id:u1", "fresh");
  go_to(TODAY_S + 10 * DAY_S - 3600); // ten midnights of Paris later
  live_out(&kit, "user_id:u1", "fresh");
  live_contains(live_customer(&kit, "user_id:u1"), "\"Phones\":{\"r\":3,");
  go_to(TODAY_S + 20 * DAY_S - 3600);
  live_contains(live_customer(&kit, "user_id:u1"), "\"Phones\":{\"r\":2,");
  live_out(&kit, "user_id:u1", "old");
  go_to(TODAY_S + 30 * DAY_S - 3600 - 1);
  live_out(&kit, "user_id:u1", "old");
  go_to(TODAY_S + 30 * DAY_S - 3600);
  live_in(&kit, "user_id:u1", "old");
  // The feed tells when: each change at its own midnight.
  char *changes = live_changes(&kit, "old", "", 10);
  live_contains(changes, "\"change\":\"entered\",\"at\":\"2026-11-26T23:00:00.000Z\"");
}

static void test_orders_leave_the_window(void **state) {
  (void)state;
  put("{\"id\":\"rfm\",\"method\":\"fixed\",\"bins\":2,\"window\":\"10 days\",\"thresholds\":{\"global\":"
      "{\"recency\":[100],\"frequency\":[2],\"monetary\":[50]}}}");
  live_put(&kit, "{\"id\":\"often\",\"include\":\"score(\\\"rfm\\\").f = 2\"}");
  live_settle(&kit);
  order("user_id:u1", TODAY_S - 8 * DAY_S, "A", "30", "");
  order("user_id:u1", TODAY_S - DAY_S, "B", "30", "");
  live_in(&kit, "user_id:u1", "often");
  order("user_id:u1", TODAY_S + DAY_S, "C", "30", ""); // of a clock that is ahead
  live_contains(live_customer(&kit, "user_id:u1"), "\"all\":{\"r\":2,\"f\":2,\"m\":2,");
  go_to(TODAY_S + 2 * DAY_S - 1);
  live_in(&kit, "user_id:u1", "often");
  go_to(TODAY_S + 9 * DAY_S - 1);
  live_in(&kit, "user_id:u1", "often");
  go_to(TODAY_S + 9 * DAY_S);
  live_out(&kit, "user_id:u1", "often");
  live_contains(live_customer(&kit, "user_id:u1"), "\"f\":1,\"m\":1,");
  go_to(TODAY_S + 11 * DAY_S);
  live_contains(live_customer(&kit, "user_id:u1"), "\"scores\":{\"rfm\":{}}");
}

// --- thresholds ----------------------------------------------------------------------------------------------

static void some_orders(int from, int to) {
  char who[32], id[16], total[16], items[96];
  for (int i = from; i < to; i++)
    for (int k = 0; k <= i % 4; k++) {
      snprintf(who, sizeof who, "user_id:u%d", i);
      snprintf(id, sizeof id, "o%d-%d", i, k);
      snprintf(total, sizeof total, "%d", 10 * i + k);
      snprintf(items, sizeof items, "{\"category\":\"%s\",\"price\":%d}", i % 3 == 0 ? "Phones" : "Cases", 10 * i + k);
      order(who, TODAY_S - (int64_t)(i * 7 + k + 1) * DAY_S, id, total, items);
    }
}

static void test_thresholds_are_found(void **state) {
  (void)state;
  put("{\"id\":\"rfm\",\"ranges\":\"auto\"}"); // nobody has bought yet
  live_contains(score("rfm"), "\"thresholds\":{\"ranges\":{}}");
  some_orders(1, 21);
  live_contains(live_customer(&kit, "user_id:u1"), "\"scores\":{\"rfm\":{}}");
  free(refresh("rfm"));
  live_settle(&kit);
  char *text = score("rfm");
  assert_non_null(strstr(text, "\"version\":2"));
  assert_non_null(strstr(text, "\"Cases\":{\"bins\":5"));
  assert_true(strstr(text, "\"Cases\"") < strstr(text, "\"Phones\":{\"bins\":5"));
  free(text);
  // By hand: recency is 7 i + 1, i of 1 to 20: type 7 at 0.2 is 8 + 7 * 3.8, and 1 more.
  live_contains(
      score("rfm"),
      "\"global\":{\"bins\":5,\"recency\":[35.60000000000001,62.20000000000001,88.80000000000001,115.40000000000002]");
  live_contains(live_customer(&kit, "user_id:u1"), "\"all\":{\"r\":5,");
  live_contains(live_customer(&kit, "user_id:u3"), "\"Phones\":{\"r\":5,\"f\":4,\"m\":1,");
  // Found again, they are the same: no new version.
  free(refresh("rfm"));
  live_contains(score("rfm"), "\"version\":2");
  live_put(&kit, "{\"id\":\"best\",\"include\":\"score(\\\"rfm\\\").r = 5\"}");
  live_settle(&kit);
  some_orders(21, 41);
  // By the clock: the first of November has come.
  go_to(TODAY_S + 4 * DAY_S);
  live_contains(score("rfm"), "\"version\":3");
  live_contains(score("rfm"), "\"status\":\"live\"");
  live_contains(score("rfm"), "\"refreshed_at\":\"2026-11-01T00:00:00.000Z\"");
  live_contains(live_segment(&kit, "best"), "\"version\":2"); // what asks for it was computed with it
  go_to(TODAY_S + 20 * DAY_S);
  live_contains(score("rfm"), "\"refreshed_at\":\"2026-11-01T00:00:00.000Z\"");
}

static bool never(void *context) {
  ++*(unsigned *)context;
  return false;
}

// A server that stops does not wait for the walk over everybody, and the next one makes up for it.
static void test_a_stop_ends_a_refresh(void **state) {
  unsigned asked = 0;
  struct diag diag;
  bool idle = true;
  (void)state;
  some_orders(1, 21);
  put("{\"id\":\"rfm\",\"refresh\":\"daily\"}");
  char *before = score("rfm");
  clock_hold(&kit.clock, KIT_EPOCH_US + (int64_t)(TODAY_S + 2 * DAY_S) * CLOCK_SECOND_US);
  engine_set_goes_on(kit.engine, never, &asked);
  diag_init(&diag);
  for (int i = 0; i < 3; i++) assert_int_equal(engine_tick(kit.engine, &idle, &diag), ERR_OK);
  assert_true(asked > 0);
  assert_false(idle); // it is still due
  char *stopped = score("rfm");
  assert_string_equal(before, stopped);
  engine_set_goes_on(kit.engine, NULL, NULL);
  live_settle(&kit);
  char *after = score("rfm");
  assert_string_not_equal(before, after);
  free(before);
  free(stopped);
  free(after);
}

// --- definitions ---------------------------------------------------------------------------------------------

static void test_refused(void **state) {
  (void)state;
  refused("{\"name\":\"x\"}", "missing_member", "id");
  refused("{\"id\":\"1\"}", "bad_id", "id");
  refused("{\"id\":\"a\",\"kind\":\"clv\"}", "unknown_word", "kind");
  refused("{\"id\":\"a\",\"rangs\":[]}", "unknown_member", "rangs");
  refused("{\"id\":\"a\",\"ranges\":[\"A\",\"A\"]}", "repeated", "ranges[1]");
  refused("{\"id\":\"a\",\"ranges\":[\"all\"]}", "repeated", "ranges[0]");
  refused("{\"id\":\"a\",\"ranges\":7}", "wrong_type", "ranges");
  refused("{\"id\":\"a\",\"window\":\"two years\"}", "out_of_range", "window");
  refused("{\"id\":\"a\",\"window\":\"24 hours\"}", "out_of_range", "window");
  refused("{\"id\":\"a\",\"bins\":11}", "out_of_range", "bins");
  refused("{\"id\":\"a\",\"method\":\"fixd\"}", "unknown_word", "method");
  refused("{\"id\":\"a\",\"refresh\":\"hourly\"}", "unknown_word", "refresh");
  refused("{\"id\":\"a\",\"method\":\"fixed\"}", "missing_member", "thresholds");
  refused(
      "{\"id\":\"a\",\"method\":\"fixed\",\"bins\":2,\"ranges\":[\"X\"],\"thresholds\":{\"global\":{\"recency\":[1],"
      "\"frequency\":[1],\"monetary\":[1]}}}",
      "bad_thresholds", "thresholds.ranges.X");
  refused("{\"id\":\"a\",\"method\":\"fixed\",\"thresholds\":{\"global\":{\"recency\":[1],\"frequency\":[1],"
          "\"monetary\":[1]}}}",
          "bad_thresholds", "thresholds.global");
}

static void test_references(void **state) {
  (void)state;
  struct engine_commit commit = {0};
  struct live_answer answer;
  struct diag diag;
  put(FIXED);
  live_refused(&kit, "{\"id\":\"x\",\"include\":\"score(\\\"rfn\\\").f >= 2\"}", "unknown_score");
  live_refused(&kit, "{\"id\":\"x\",\"include\":\"in_segment(\\\"rfm\\\")\"}", "unknown_segment");
  live_refused(&kit, "{\"id\":\"rfm\",\"include\":\"true\"}", "other_kind");
  live_refused(&kit, "{\"id\":\"x\",\"kind\":\"score\"}", "unknown_word");
  live_put(&kit, "{\"id\":\"vip\",\"include\":\"score(\\\"rfm\\\").f >= 2\"}");
  refused("{\"id\":\"vip\"}", "other_kind", "");
  char *text = live_put_raw(&kit, "{\"id\":\"y\",\"include\":\"score(\\\"rfm\\\",\\\"Phone\\\").f >= 2\"}", &diag);
  assert_non_null(text);
  assert_non_null(strstr(text, "\"code\":\"unknown_range\""));
  assert_non_null(strstr(text, "\"suggestion\":\"Phones\""));
  free(text);
  live_settle(&kit);
  live_ask(&answer);
  assert_int_equal(engine_score_archive(kit.engine, BYTES("rfm"), &answer.writer, &commit, &answer.diag), ERR_INVALID);
  assert_string_equal(answer.diag.code, "in_use");
  buffer_clear(&answer.out);
  json_writer_init(&answer.writer, &answer.out);
  assert_int_equal(engine_segment_archive(kit.engine, BYTES("rfm"), &answer.writer, &commit, &answer.diag),
                   ERR_NOT_FOUND);
  assert_int_equal(engine_score_json(kit.engine, BYTES("rfn"), &answer.writer, &answer.diag), ERR_NOT_FOUND);
  assert_non_null(strstr(answer.diag.message, "did you mean \"rfm\"?"));
  buffer_release(&answer.out);
  live_ask(&answer);
  text = live_told(&kit, &answer, engine_segments_json(kit.engine, &answer.writer, &answer.diag));
  assert_null(strstr(text, "\"rfm\""));
  free(text);
}

static void test_archived(void **state) {
  (void)state;
  struct engine_commit commit = {0};
  struct live_answer answer;
  put(FIXED);
  order("user_id:u1", TODAY_S - DAY_S, "A", "120", "");
  live_ask(&answer);
  enum err err = engine_score_archive(kit.engine, BYTES("rfm"), &answer.writer, &commit, &answer.diag);
  live_contains(live_told(&kit, &answer, err), "\"status\":\"archived\"");
  live_contains(live_customer(&kit, "user_id:u1"), "\"scores\":{}");
  order("user_id:u1", TODAY_S - 1, "B", "120", "");
  kit_check(&kit);
}

// --- short memory ----------------------------------------------------------------------------------------------

enum deed { PUT, REFRESH, TELL, LIST, OF_CUSTOMER, SUMMARIES, COUNT_BY_IT, REPORT, MOVES, ARCHIVE, DEEDS };

static enum err of_customer(struct live_answer *answer, bool summaries) {
  struct engine_score_asked asked = {.range = BYTES("Phones")};
  struct engine_view *view;
  enum err err = engine_view_open(kit.engine, &view);
  if (err != ERR_OK) return err;
  if (summaries)
    err = engine_score_summaries(view, &asked, &answer->out, &answer->diag);
  else
    err = engine_customer_segments_json(view, 1, &answer->writer, &answer->diag);
  engine_view_close(view);
  return err;
}

static enum err count_by_it(struct live_answer *answer) {
  struct engine_query_options options = {.text = BYTES("score(\"m\",\"Phones\").f >= 1"), .threads = 1};
  struct engine_view *view;
  struct engine_query *query = NULL;
  struct engine_query_count count;
  enum err err = engine_view_open(kit.engine, &view);
  if (err != ERR_OK) return err;
  err = engine_query_open(view, &options, &query, NULL, &answer->diag);
  if (err == ERR_OK) err = engine_query_count(query, NULL, NULL, &count, &answer->diag);
  engine_query_close(query);
  engine_view_close(view);
  return err;
}

static enum err report(struct live_answer *answer, const char *kind) {
  struct engine_report_request request = {.threads = 1};
  struct engine_view *view;
  struct report *made = NULL;
  enum err err = engine_view_open(kit.engine, &view);
  if (err != ERR_OK) return err;
  err = engine_report(view, bytes_from_text(kind), &request, &made, NULL, &answer->diag);
  if (err == ERR_OK) report_write_json(made, &answer->writer);
  report_close(made);
  engine_view_close(view);
  return err;
}

static enum err carry_out(enum deed deed, struct value document, struct live_answer *answer) {
  struct engine_commit commit = {0};
  struct engine *engine = kit.engine;
  struct json_writer *writer = &answer->writer;
  struct diag *diag = &answer->diag;
  switch (deed) {
  case PUT:
    return engine_score_put(engine, document, BYTES("ann"), NULL, NULL, writer, &commit, diag);
  case REFRESH:
    return engine_score_refresh(engine, BYTES("m"), NULL, NULL, writer, &commit, diag);
  case TELL:
    return engine_score_json(engine, BYTES("m"), writer, diag);
  case LIST:
    return engine_scores_json(engine, writer, diag);
  case OF_CUSTOMER:
  case SUMMARIES:
    return of_customer(answer, deed == SUMMARIES);
  case COUNT_BY_IT:
    return count_by_it(answer);
  case REPORT:
  case MOVES:
    return report(answer, deed == REPORT ? "rfm" : "rfm_moves");
  default:
    return engine_score_archive(engine, BYTES("m"), writer, &commit, diag);
  }
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  struct buffer packed;
  struct diag diag;
  buffer_init(&packed);
  some_orders(1, 13);
  assert_int_equal(value_parse_json(kit.parser, BYTES("{\"id\":\"m\",\"ranges\":\"auto\",\"window\":\"24 months\"}"),
                                    engine_names(kit.engine), &packed, &diag),
                   ERR_OK);
  for (enum deed deed = PUT; deed < DEEDS; deed++) {
    bool failed = true;
    for (uint64_t allowed = 0; failed; allowed++) {
      struct live_answer answer;
      live_ask(&answer);
      alloc_fail_after(allowed, false);
      enum err err = carry_out(deed, (struct value){buffer_view(&packed)}, &answer);
      failed = alloc_fail_disarm();
      if (err != ERR_NO_MEMORY && err != ERR_OK)
        fail_msg("deed %d: %s: %s", (int)deed, answer.diag.code, answer.diag.message);
      assert_true(failed || err == ERR_OK);
      if (deed == ARCHIVE && err == ERR_OK) break; // it is gone
      buffer_release(&answer.out);
    }
    live_settle(&kit);
  }
  buffer_release(&packed);
}

// --- the model -----------------------------------------------------------------------------------------------

enum { USERS = 4, MAILS = 3, STEPS = 60, ROUNDS = 25, WINDOW_DAYS = 90 };

static uint64_t random_state;
static unsigned roll(unsigned below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(random_state >> 33) % below;
}

static const char *const model_ranges[] = {"all", "Phones", "Cases"};
static const struct rfm_thresholds model_bounds[] = {
    {3, {{10, 30}, {2, 3}, {100, 500}}}, {3, {{20, 40}, {2, 3}, {100, 500}}}, {3, {{5, 9}, {2, 4}, {10, 20}}}};

// What the naive walk knows of one range.
struct naive {
  struct rfm_summary summary;
  int64_t last_day;
};

static struct value member(struct value of, const char *name) {
  return value_member(of, engine_names(kit.engine), bytes_from_text(name));
}

static struct decimal number(struct value value) {
  struct decimal decimal = {0};
  value_as_number(value, &decimal);
  return decimal;
}

static void add_naively(struct naive *naive, struct decimal amount, int64_t day, bool first) {
  assert_int_equal(decimal_add(naive->summary.amount, amount, &naive->summary.amount), ERR_OK);
  naive->summary.orders += first;
  naive->last_day = day;
}

static void take_order(struct value properties, int64_t day, struct naive naive[3]) {
  add_naively(&naive[0], number(member(properties, "total")), day, true);
  for (int range = 1; range < 3; range++) {
    struct value_iter items = value_iterate(member(properties, "products"));
    for (bool first = true; value_next(&items);) {
      struct bytes category = BYTES("");
      value_as_text(member(items.item, "category"), &category);
      if (!bytes_equal(category, bytes_from_text(model_ranges[range]))) continue;
      add_naively(&naive[range], number(member(items.item, "price")), day, first);
      first = false;
    }
  }
}

// Events come newest first, or oldest: the day of the last order is found either way, by walking them in order of time.
static void walk_naively(struct value events, struct naive naive[3]) {
  enum { EVENTS_MAX = 512 };
  static struct value items[EVENTS_MAX];
  int64_t now_us = clock_now_us(&kit.clock), time_us, before_us = INT64_MIN;
  size_t count = 0;
  struct value_iter iter = value_iterate(member(events, "items"));
  while (value_next(&iter) && count < EVENTS_MAX) items[count++] = iter.item;
  for (;;) { // the next later instant, again and again
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
      struct bytes text;
      assert_true(value_as_text(member(items[i], "time"), &text));
      assert_int_equal(clock_parse(text, &time_us), ERR_OK);
      if (time_us > before_us && time_us < next_us) next_us = time_us;
    }
    if (next_us > now_us) return;
    for (size_t i = 0; i < count; i++) {
      struct bytes text, name;
      value_as_text(member(items[i], "time"), &text);
      value_as_text(member(items[i], "name"), &name);
      clock_parse(text, &time_us);
      bool counts = time_us == next_us && bytes_equal(name, BYTES("Order Completed")) &&
                    time_us + WINDOW_DAYS * CLOCK_DAY_US > now_us;
      if (counts) take_order(member(items[i], "properties"), time_us / CLOCK_DAY_US, naive);
    }
    before_us = next_us;
  }
}

static void write_expected(const struct naive naive[3], char *out, size_t room) {
  struct rfm_segments segments;
  size_t used = (size_t)snprintf(out, room, "\"scores\":{\"rfm\":{");
  int64_t today = clock_now_us(&kit.clock) / CLOCK_DAY_US;
  const char *comma = "";
  rfm_segments_default(&segments);
  for (int range = 0; range < 3; range++) {
    struct rfm_summary summary = naive[range].summary;
    if (summary.orders == 0) continue;
    summary.recency_days = today - naive[range].last_day;
    struct rfm_scores scores = rfm_scores_of(&summary, &model_bounds[range]);
    const char *segment = rfm_segment_name(&segments, rfm_segment_of(&segments, scores, 3));
    used += (size_t)snprintf(
        out + used, room - used, "%s\"%s\":{\"r\":%u,\"f\":%u,\"m\":%u,\"number\":%u,\"segment\":\"%s\"}", comma,
        model_ranges[range], scores.recency, scores.frequency, scores.monetary, rfm_number(scores), segment);
    comma = ",";
  }
  snprintf(out + used, room - used, "}}");
}

static void compare(const char *reference) {
  struct naive naive[3] = {{{0}, 0}};
  char expected[1024];
  struct live_answer answer;
  struct engine_view *view;
  struct buffer packed;
  struct diag diag;
  uint64_t customer = kit_customer(&kit, reference);
  if (customer == 0) return;
  live_ask(&answer);
  buffer_init(&packed);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  struct engine_events_query query = {.limit = 500};
  assert_int_equal(engine_events_json(view, customer, &query, &answer.writer, &answer.diag), ERR_OK);
  engine_view_close(view);
  assert_int_equal(value_parse_json(kit.parser, buffer_view(&answer.out), engine_names(kit.engine), &packed, &diag),
                   ERR_OK);
  buffer_release(&answer.out);
  walk_naively((struct value){buffer_view(&packed)}, naive);
  buffer_release(&packed);
  write_expected(naive, expected, sizeof expected);
  char *told = live_customer(&kit, reference);
  if (strstr(told, expected) == NULL) fail_msg("%s: %s: no %s in %s", kit.where, reference, expected, told);
  free(told);
}

static void random_order(int64_t now_s, int step) {
  char who[96], id[16], items[128];
  int used = 0;
  unsigned kind = roll(10), price = 1 + roll(200);
  int64_t at_s = now_s - roll(120 * DAY_S);
  if (roll(6) == 0) at_s = now_s + roll(20 * DAY_S); // a clock that is ahead
  if (kind < 8) used = snprintf(who, sizeof who, "user_id:u%u", roll(USERS));
  if (kind >= 5) snprintf(who + used, sizeof who - (size_t)used, " email:m%u@x.org", roll(MAILS));
  snprintf(id, sizeof id, "o%d", step);
  snprintf(items, sizeof items, "{\"category\":\"%s\",\"price\":%u},{\"category\":\"%s\",\"price\":3}",
           roll(2) ? "Phones" : "Cases", price, roll(2) ? "Cases" : "Hats");
  char total[16];
  snprintf(total, sizeof total, "%u.50", price);
  order(who, at_s, id, total, items);
}

static void random_change(void) {
  char a[32], b[32], line[96];
  snprintf(a, sizeof a, "user_id:u%u", roll(USERS));
  snprintf(b, sizeof b, "email:m%u@x.org", roll(MAILS));
  uint64_t left = kit_customer(&kit, a), right = kit_customer(&kit, b);
  if (left == 0) return;
  if (left == right)
    snprintf(line, sizeof line, "split %s %s", a, b);
  else if (roll(8) == 0)
    snprintf(line, sizeof line, "erase %s", a);
  else
    return;
  read_line(&kit, line);
}

static void run_round(unsigned seed) {
  int64_t now_s = TODAY_S;
  random_state = seed * 7919u + 3;
  kit_merge_events = seed % 3 == 0 ? 2 : 0;
  read_open(&kit);
  if (seed % 2 == 0)
    put("{\"id\":\"rfm\",\"method\":\"fixed\",\"bins\":3,\"window\":\"90 days\",\"ranges\":[\"Phones\",\"Cases\"],"
        "\"thresholds\":{\"global\":{\"recency\":[10,30],\"frequency\":[2,3],\"monetary\":[100,500]},"
        "\"ranges\":{\"Phones\":{\"recency\":[20,40],\"frequency\":[2,3],\"monetary\":[100,500]},"
        "\"Cases\":{\"recency\":[5,9],\"frequency\":[2,4],\"monetary\":[10,20]}}}}");
  for (int step = 0; step < STEPS; step++) {
    snprintf(kit.where, sizeof kit.where, "seed %u, step %d", seed, step);
    if (seed % 2 == 1 && step == STEPS / 2) // it finds histories there
      put("{\"id\":\"rfm\",\"method\":\"fixed\",\"bins\":3,\"window\":\"90 days\",\"ranges\":[\"Phones\",\"Cases\"],"
          "\"thresholds\":{\"global\":{\"recency\":[10,30],\"frequency\":[2,3],\"monetary\":[100,500]},"
          "\"ranges\":{\"Phones\":{\"recency\":[20,40],\"frequency\":[2,3],\"monetary\":[100,500]},"
          "\"Cases\":{\"recency\":[5,9],\"frequency\":[2,4],\"monetary\":[10,20]}}}}");
    unsigned kind = roll(10);
    if (kind < 6)
      random_order(now_s, step);
    else if (kind < 8)
      random_change();
    else
      now_s += 1 + roll(kind == 8 ? 3 * DAY_S : 40 * DAY_S);
    clock_hold(&kit.clock, KIT_EPOCH_US + now_s * CLOCK_SECOND_US);
    if (roll(3) == 0) live_settle(&kit);
    if (seed % 2 == 1 && step < STEPS / 2) continue;
    char reference[32];
    snprintf(reference, sizeof reference, "user_id:u%u", roll(USERS));
    compare(reference); // whether the timers have run or not
  }
  live_settle(&kit);
  for (unsigned user = 0; user < USERS; user++) {
    char reference[32];
    snprintf(reference, sizeof reference, "user_id:u%u", user);
    compare(reference);
  }
  kit_check(&kit);
  kit_close(&kit);
  kit_merge_events = 0;
}

static void test_random_histories(void **state) {
  (void)state;
  for (unsigned seed = 1; seed <= ROUNDS; seed++) run_round(seed);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, read_tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_an_order_counts_in_its_commit),
      TEST(test_recency_falls_at_local_midnight),
      TEST(test_orders_leave_the_window),
      TEST(test_thresholds_are_found),
      TEST(test_a_stop_ends_a_refresh),
      TEST(test_refused),
      TEST(test_references),
      TEST(test_archived),
      TEST(test_every_allocation_may_fail),
      cmocka_unit_test(test_random_histories),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
