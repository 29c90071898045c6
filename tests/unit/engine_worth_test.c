// Reports of worth: incrementality by assignment, customer value, appetence and cross-sell, each over a workspace whose
// figures are known; the same bytes in any number of threads; what is refused; and every allocation failing once.
#include "engine_live_kit.h"
#include "engine_report_kit.h"

#include <math.h>

#include "engine/appetence.h"
#include "engine/members.h"
#include "segment/definition.h"

enum { CUSTOMERS = 60, START_DAY = 300 };

static struct kit kit;

// --- asking --------------------------------------------------------------------------------------------------

// As text, the caller's to free.
static char *told(const char *kind, const char *options, const char *table) {
  return asked_text(&kit, &(struct asked){.kind = kind, .options = options, .table = table});
}

static void expect_part(const char *kind, const char *options, const char *part) {
  live_contains(told(kind, options, NULL), part);
}

static void expect_refused(const char *kind, const char *options, const char *code, const char *words) {
  struct diag diag;
  asked_refused(&kit, &(struct asked){.kind = kind, .options = options}, code, &diag);
  if (strstr(diag.message, words) == NULL) fail_msg("%s: %s", options, diag.message);
}

static void line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *format, ...) {
  char text[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  read_message(&kit, text);
}

static void event(int customer, double day, const char *name) {
  line("message track t=%.0f user_id:u%d name=%s", day * 86400, customer, name);
}

static void order(int customer, double day, int total, const char *range) {
  line("message track t=%.0f user_id:u%d name=Order+Completed "
       "{\"properties\":{\"total\":%d.50,\"products\":[{\"category\":"
       "\"%s\",\"price\":%d.50,\"quantity\":1}]}}",
       day * 86400, customer, total, range, total);
}

static int open_kit(void **state) {
  return read_set_up(state, &kit, NULL, 0);
}

// --- incrementality ------------------------------------------------------------------------------------------

static bool is_control(int customer) {
  const struct segment_definition definition = {.id = BYTES("mail"), .control = 5000};
  char reference[32];
  snprintf(reference, sizeof reference, "user_id:u%d", customer);
  return segment_variant_of(&definition, kit_customer(&kit, reference)) < 0;
}

struct side {
  int customers, buyers, orders;
  double revenue, before;
};

static void expect_sides(const char *options, const struct side *treated, const struct side *control) {
  char expected[512];
  const struct side *sides[] = {treated, control};
  size_t size = 0;
  char *text = told("incrementality", options, "groups"), *at = strchr(text, '\n') + 1;
  for (int i = 0; i < 2; i++) {
    char name[16];
    int customers, buyers, orders;
    double rate, revenue, each, before;
    if (sscanf(at, "%15[^,],%d,%d,%lf,%d,%lf,%lf,%lf", name, &customers, &buyers, &rate, &orders, &revenue, &each,
               &before) != 8)
      fail_msg("%s", text);
    size += (size_t)snprintf(expected + size, sizeof expected - size, "%d %d %d", sides[i]->customers, sides[i]->buyers,
                             sides[i]->orders);
    if (customers != sides[i]->customers || buyers != sides[i]->buyers || orders != sides[i]->orders ||
        fabs(revenue - sides[i]->revenue) > 1e-6 || fabs(before * customers - sides[i]->before) > 1e-6)
      fail_msg("%s\nexpected %s %g %g", text, expected, sides[i]->revenue, sides[i]->before);
    at = strchr(at, '\n') + 1;
  }
  free(text);
}

// All but the last ten are in the segment when it goes live on day 300, u1 leaves it at once, five more enter on day
// 310, five never do. Everybody buys on day 303 and before, who was treated once more on day 312.
static void make_campaign(void) {
  for (int i = 1; i <= CUSTOMERS; i++) {
    event(i, 100, "Hello");
    order(i, 296, i, "Cases");
    if (i <= CUSTOMERS - 10) event(i, 200, "Looked");
  }
  live_put(&kit,
           "{\"id\":\"mail\",\"include\":\"exists(\\\"Looked\\\") and not exists(\\\"Bye\\\")\",\"control\":0.5}");
  live_settle(&kit);
  kit_days(&kit, 2);
  event(1, START_DAY + 1, "Bye");
  live_settle(&kit);
  kit_days(&kit, 8);
  for (int i = 1; i <= CUSTOMERS; i++) order(i, START_DAY + 3, 100 + i, "Cases");
  for (int i = CUSTOMERS - 9; i <= CUSTOMERS - 5; i++) event(i, START_DAY + 10 - 0.001, "Looked");
  live_settle(&kit);
  kit_days(&kit, 10);
  for (int i = 1; i <= CUSTOMERS; i++)
    if (!is_control(i)) order(i, START_DAY + 12, 200, "Cases");
  line("message track t=%d user_id:u2 name=Order+Refunded {\"properties\":{\"total\":10}}", (START_DAY + 13) * 86400);
}

static void test_incrementality(void **state) {
  (void)state;
  make_campaign();
  struct side sides[2] = {{0}, {0}};
  for (int i = 1; i <= CUSTOMERS - 5; i++) {
    bool control = is_control(i), late = i > CUSTOMERS - 10;
    struct side *side = &sides[control];
    side->customers++;
    side->orders += (late ? 0 : 1) + (control ? 0 : 1);
    side->buyers += !late || !control;
    side->revenue += (late ? 0 : 100.5 + i) + (control ? 0 : 200.5) - (i == 2 ? 10 : 0);
    // As long before as after: 20 days of those from the beginning, 10 days of those who entered on day 310.
    side->before += late ? 100.5 + i : i + 0.5;
  }
  expect_sides("{\"segment\":\"mail\"}", &sides[0], &sides[1]);
  expect_part("incrementality", "{\"segment\":\"mail\",\"cost\":1000}", "\"iroas\"");
  expect_part("incrementality", "{\"segment\":\"mail\",\"cost\":\"1000\",\"confidence\":\"90%\"}",
              "\"confidence\":\"90%\"");
  expect_part("incrementality", "{\"segment\":\"mail\",\"from\":\"2026-01-01\"}",
              "when this version of the segment went live");
  // Five days of each: only what everybody did on day 303, and nothing of those who entered later.
  struct side first[2] = {{0}, {0}};
  for (int i = 1; i <= CUSTOMERS - 5; i++) {
    struct side *side = &first[is_control(i)];
    bool late = i > CUSTOMERS - 10, soon = late && !is_control(i); // day 312 is in her five days
    side->customers++;
    side->orders += !late || soon;
    side->buyers += !late || soon;
    side->revenue += late ? (soon ? 200.5 : 0) : 100.5 + i;
    side->before += late ? 0 : i + 0.5;
  }
  expect_sides("{\"segment\":\"mail\",\"days\":\"5days\"}", &first[0], &first[1]);
}

static void test_incrementality_refused(void **state) {
  (void)state;
  event(1, 100, "Looked");
  live_put(&kit, "{\"id\":\"plain\",\"include\":\"exists(\\\"Looked\\\")\"}");
  live_put(&kit, "{\"id\":\"few\",\"include\":\"exists(\\\"Looked\\\")\",\"control\":0.5}");
  live_put(&kit, "{\"id\":\"sum\",\"kind\":\"attribute\",\"expression\":\"count(\\\"Looked\\\")\"}");
  live_settle(&kit);
  kit_days(&kit, 1);
  expect_refused("incrementality", "{}", "missing_member", "needs \"segment\"");
  expect_refused("incrementality", "{\"segment\":\"plane\"}", "no_segment", "plain");
  expect_refused("incrementality", "{\"segment\":\"plain\"}", "no_control", "\"control\":0.1");
  expect_refused("incrementality", "{\"segment\":\"sum\"}", "no_control", "computed attribute");
  expect_refused("incrementality", "{\"segment\":\"few\",\"confidence\":2}", "out_of_range", "from 0.5");
  expect_refused("incrementality", "{\"segment\":\"few\",\"days\":\"soon\"}", "out_of_range", "39weeks");
  expect_refused("incrementality", "{\"segment\":\"few\",\"to\":\"2020-01-01\"}", "out_of_range", "went live");
  expect_part("incrementality", "{\"segment\":\"few\"}", "Each side needs two customers or more");
}

// --- value, appetence, cross-sell ----------------------------------------------------------------------------

static unsigned random_state = 7;

static int draw(unsigned most) {
  random_state = random_state * 1103515245u + 12345u;
  return (int)((random_state >> 16) % most);
}

// Looks at phones lead to phones; who buys phones often may have bought a case.
static void make_shop(void) {
  for (int i = 1; i <= CUSTOMERS; i++)
    for (int month = 1; month < 10; month++) {
      bool looks = draw(2) == 0;
      line("message track t=%d user_id:u%d name=Product+Viewed {\"properties\":{\"category\":\"%s\"}}",
           month * 30 * 86400, i, looks ? "Phones" : "Cases");
      if (looks && draw(4) != 0) order(i, month * 30 + 3 + draw(20), 300 + draw(300), "Phones");
      if (i % 3 == 0 && draw(2) == 0) order(i, month * 30 + 3 + draw(20), 10, "Cases");
    }
}

static void test_value(void **state) {
  (void)state;
  expect_refused("clv", "{}", "no_customers", "the settings of reports say");
  order(1, 10, 20, "Cases");
  expect_refused("clv", "{}", "no_repeats", "on two days");
  make_shop();
  char *text = told("clv", "{\"calibration_end\":\"2026-08-01\",\"horizon\":\"10weeks\"}", "deciles");
  assert_int_equal(live_count(text, "\n"), 11);
  free(text);
  expect_part("clv", "{}", "\"horizon\":\"52 weeks\"");
  expect_part("clv", "{\"customers\":1000000,\"discount\":\"10%\"}", "\"customer_id\":\"c60\"");
  expect_refused("clv", "{\"horizon\":\"-3weeks\"}", "out_of_range", "39weeks");
}

static void test_appetence(void **state) {
  (void)state;
  expect_refused("appetence", "{}", "missing_member", "needs \"range\"");
  expect_refused("appetence", "{\"range\":\"Phones\"}", "no_range", "no order says");
  make_shop();
  expect_refused("appetence", "{\"range\":\"Phone\"}", "no_range", "there are: Cases, Phones");
  expect_refused("appetence", "{\"range\":\"Phones\",\"horizon\":\"3years\"}", "too_young", "shorter");
  char *text = told("appetence", "{\"range\":\"Phones\",\"customers\":60}", "customers");
  assert_int_equal(live_count(text, "\n"), CUSTOMERS + 1);
  free(text);
  expect_part("appetence", "{\"range\":\"Phones\"}", "\"feature\":\"range_views\"");
}

// Phones: u1 often, lately and much; u2 the same and a case, too; u3 to u10 once, long ago, little.
static void test_cross_sell(void **state) {
  (void)state;
  for (int i = 1; i <= 2; i++)
    for (int day = 200; day <= 290; day += 30) order(i, day, 900, "Phones");
  for (int i = 3; i <= 10; i++) order(i, 20 + i, 100, "Phones");
  order(2, 250, 20, "Cases");
  const char *options = "{\"from\":\"Phones\",\"to\":\"Cases\",\"horizon\":\"60days\",\"score\":4}";
  live_contains(told("cross_sell", options, "summary"), "buyers,both,high,potential,expected,rate\n10,1,2,1,0.");
  live_contains(told("cross_sell", options, "customers"), "\nc1,0.");
}

static void test_cross_sell_refused(void **state) {
  (void)state;
  expect_refused("cross_sell", "{\"from\":\"Phones\"}", "missing_member", "needs \"to\"");
  expect_refused("cross_sell", "{\"from\":\"Phones\",\"to\":\"Phones\"}", "out_of_range", "the same range");
  expect_refused("cross_sell", "{\"from\":\"Phones\",\"to\":\"Cases\"}", "no_range", "report sales");
  make_shop();
  expect_refused("cross_sell", "{\"from\":\"Phones\",\"to\":\"Case\"}", "no_range", "there are: Cases, Phones");
  expect_part("cross_sell", "{\"from\":\"Phones\",\"to\":\"Cases\",\"score\":1,\"horizon\":\"3years\"}", "too young");
}

// --- all of them ---------------------------------------------------------------------------------------------

static const struct asked all[] = {
    {.kind = "incrementality", .options = "{\"segment\":\"mail\",\"cost\":5}"},
    {.kind = "clv", .options = "{\"calibration_end\":\"2026-08-01\"}"},
    {.kind = "appetence", .options = "{\"range\":\"Phones\"}"},
    {.kind = "cross_sell", .options = "{\"from\":\"Phones\",\"to\":\"Cases\",\"score\":1}"},
};
enum { ALL = sizeof all / sizeof *all };

static void make_all(void) {
  make_shop();
  make_campaign();
}

static void test_threads_and_stops(void **state) {
  (void)state;
  make_all();
  for (size_t i = 0; i < ALL; i++) {
    asked_in_threads(&kit, &all[i]);
    asked_stopped(&kit, &all[i]);
  }
}

static void test_short_memory(void **state) {
  (void)state;
  make_all();
  for (size_t i = 0; i < ALL; i++) asked_short_of_memory(&kit, &all[i], 16);
}

// Learns and keeps, then recalls.
static enum err keep_and_recall(void) {
  const struct worth_how how = {.threads = 1};
  struct engine_commit commit = {0};
  struct appetence *appetence = NULL;
  struct engine_view *view;
  struct json_writer writer;
  struct buffer out;
  struct diag diag;
  diag_init(&diag);
  buffer_init(&out);
  json_writer_init(&writer, &out);
  enum err err =
      engine_appetence_put(kit.engine, BYTES("Phones"), 30 * CLOCK_DAY_US, &how, BYTES("ann"), &writer, &commit, &diag);
  if (err == ERR_OK) err = engine_view_open(kit.engine, &view);
  if (err == ERR_OK) {
    err = engine_appetence_recall(view, 1, &how, &appetence, &diag);
    if (err == ERR_OK) assert_int_equal(appetence->version, 1);
    buffer_clear(&out);
    json_writer_init(&writer, &out);
    if (err == ERR_OK) err = engine_appetence_models_json(view, &writer, &diag);
    engine_view_close(view);
  }
  engine_appetence_close(appetence);
  buffer_release(&out);
  return err;
}

// Once for each, and whole.
static void test_kept_models_are_in_the_audit(void **state) {
  struct engine_audit_query query = {.action = BYTES("appetence.learned"), .subject = BYTES("Phones"), .limit = 10};
  struct live_answer answer;
  struct engine_view *view;
  (void)state;
  make_shop();
  assert_int_equal(keep_and_recall(), ERR_OK);
  assert_int_equal(keep_and_recall(), ERR_OK);
  live_ask(&answer);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  enum err err = engine_audit_json(view, &query, &answer.writer, &answer.diag);
  engine_view_close(view);
  char *json = live_told(&kit, &answer, err);
  assert_int_equal(live_count(json, "\"author\":\"ann\",\"action\""), 2);
  assert_int_equal(live_count(json, "\"before\":null,\"after\":{\"range\":\"Phones\",\"horizon_days\":30,"), 2);
  assert_int_equal(live_count(json, "\"version\":2,"), 1);
  free(json);
}

static void test_kept_models_with_short_memory(void **state) {
  (void)state;
  bool fired = true;
  make_shop();
  assert_int_equal(keep_and_recall(), ERR_OK);
  for (uint64_t n = 1; fired; n += 1 + n / 16) {
    alloc_fail_after(n, false);
    enum err err = keep_and_recall();
    fired = alloc_fail_disarm();
    assert_true(err == ERR_NO_MEMORY || err == ERR_OK);
  }
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, open_kit, read_tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_incrementality),
      TEST(test_incrementality_refused),
      TEST(test_value),
      TEST(test_appetence),
      TEST(test_cross_sell),
      TEST(test_cross_sell_refused),
      TEST(test_threads_and_stops),
      TEST(test_short_memory),
      TEST(test_kept_models_are_in_the_audit),
      TEST(test_kept_models_with_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
