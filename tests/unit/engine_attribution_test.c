// Attribution of a workspace: journeys whose every figure is known; a file of the paths it gives has the same credit to
// the last bit; any number of threads gives the same bytes; groups, costs and settings; and all of it with the n-th
// allocation failing.
#include "engine_report_kit.h"

#include "attribution/comparison.h"
#include "attribution/paths_csv.h"
#include "engine/attribution.h"
#include "engine/attribution_orders.h"

enum { CROWD = 400, DAY = 86400 };

static struct kit kit;

// From 2026-01-01 on. ann comes by search and by mail and buys twice; bob visits the store and buys there; eve never
// buys; sam buys out of the blue.
static const char *const lines[] = {
    "message page t=100000 user_id:ann name=Page+Viewed {\"context\":{\"page\":{\"url\":\"https://shop.fr/?gclid=1\","
    "\"referrer\":\"https://www.google.fr/"
    "\"},\"campaign\":{\"name\":\"winter\",\"source\":\"google\",\"medium\":\"cpc\","
    "\"content\":\"blue\"}}}",
    "message page t=100060 user_id:ann name=Page+Viewed {\"context\":{\"page\":{\"url\":\"https://shop.fr/phones\","
    "\"referrer\":\"https://shop.fr/?gclid=1\"}}}",
    "message track t=200000 user_id:ann name=Email+Clicked {}",
    "message track t=300000 user_id:ann name=Order+Completed {\"properties\":{\"total\":100.10,\"store\":\"web\","
    "\"products\":[{\"category\":\"Phones\",\"price\":90.10,\"quantity\":1},{\"category\":\"Cases\",\"price\":5,"
    "\"quantity\":2}]}}",
    "message page t=400000 user_id:ann name=Page+Viewed {\"context\":{\"page\":{\"url\":\"https://shop.fr/\","
    "\"referrer\":\"\"}}}",
    "message track t=486400 user_id:ann name=Order+Completed {\"properties\":{\"total\":50,\"store\":\"Lyon\","
    "\"products\":[{\"category\":\"Cases\",\"price\":50}]}}",
    "message track t=100000 user_id:bob name=Store+Visited {}",
    "message track t=100500 user_id:bob name=Order+Completed {\"properties\":{\"total\":20,\"store\":\"Lyon\"}}",
    "message track t=150000 user_id:eve name=Email+Clicked {}",
    "message track t=200000 user_id:sam name=Order+Completed {\"properties\":{\"total\":7}}",
};

static int open_shop(void **state) {
  return read_set_up(state, &kit, lines, sizeof lines / sizeof *lines);
}

// --- asking ----------------------------------------------------------------------------------------------------

static struct asked attribution(const char *options, unsigned threads) {
  return (struct asked){.kind = "attribution", .options = options, .threads = threads};
}

static void table_of(const char *options, unsigned threads, const char *table, struct buffer *out) {
  struct asked asked = attribution(options, threads);
  struct diag diag;
  asked.table = table;
  buffer_init(out);
  if (asked_write(&kit, &asked, out, &diag) != ERR_OK) fail_msg("%s: %s: %s", diag.code, diag.field, diag.message);
  buffer_append_byte(out, '\0');
}

static void expect(const char *options, const char *table, const char *wanted) {
  struct buffer out;
  table_of(options, 2, table, &out);
  assert_string_equal((const char *)out.data, wanted);
  buffer_release(&out);
}

#define JANUARY "\"from\":\"2026-01-01\",\"to\":\"2026-01-31\""

// --- known figures ---------------------------------------------------------------------------------------------

static void known_journeys(void **state) {
  (void)state;
  expect("{" JANUARY ",\"paths\":0}", "paths",
         "path,total_conversions,total_conversion_value,total_null\n"
         "paid search > email,1,100.1,0\n"
         "direct,1,50,0\n"
         "store,1,20,0\n"
         "email,0,0,1\n"
         ",1,7,0\n");
  expect("{" JANUARY ",\"models\":\"first,last,linear\"}", "models",
         "channel_name,first_touch_conversions,first_touch_value,last_touch_conversions,last_touch_value,"
         "linear_touch_conversions,linear_touch_value\n"
         "paid search,1,100.1,0,0,0.5,50.05\n"
         "email,0,0,1,100.1,0.5,50.05\n"
         "direct,1,50,1,50,1,50\n"
         "store,1,20,1,20,1,20\n");
  expect("{" JANUARY "}", "path_length",
         "touches,conversions,conversion_value,without_conversion\n"
         "0,1,7,0\n1,2,70,1\n2,1,100.1,0\n");
  expect("{" JANUARY "}", "time_lag",
         "days,conversions,conversion_value,share\n"
         "0,1,20,0.3333333333333333\n1,1,50,0.3333333333333333\n2,1,100.1,0.3333333333333333\n");
  expect("{" JANUARY "}", "assisted",
         "channel_name,first,last,alone,assisted,assisted_per_last\n"
         "paid search,1,0,0,1,\nemail,0,1,0,0,0\ndirect,1,1,1,0,0\nstore,1,1,1,0,0\n");
}

// A half-life of two days: the first touch is 200,000 s old, the second 100,000 s.
static void real_times(void **state) {
  (void)state;
  struct buffer out;
  table_of("{" JANUARY ",\"models\":\"time_decay\",\"settings\":{\"half_life\":\"100000 seconds\"}}", 1, "models",
           &out);
  assert_non_null(strstr((const char *)out.data, "\npaid search,0.3333333333333333"));
  buffer_release(&out);
}

static void groups(void **state) {
  (void)state;
  expect("{" JANUARY ",\"models\":\"last\",\"by\":\"store\"}", "groups",
         "group,channel_name,last_touch_conversions,last_touch_value\n"
         "(none),paid search,0,0\n(none),email,0,0\n(none),direct,0,0\n(none),store,0,0\n"
         "Lyon,paid search,0,0\nLyon,email,0,0\nLyon,direct,1,50\nLyon,store,1,20\n"
         "web,paid search,0,0\nweb,email,1,100.1\nweb,direct,0,0\nweb,store,0,0\n");
  expect("{" JANUARY ",\"models\":\"last\",\"by\":\"range\"}", "groups",
         "group,channel_name,last_touch_conversions,last_touch_value\n"
         "Cases,paid search,0,0\nCases,email,1,10\nCases,direct,1,50\nCases,store,0,0\n"
         "Phones,paid search,0,0\nPhones,email,1,90.1\nPhones,direct,0,0\nPhones,store,0,0\n");
  expect("{" JANUARY ",\"models\":\"last\",\"by\":\"customer\"}", "groups",
         "group,channel_name,last_touch_conversions,last_touch_value\n"
         "new,paid search,0,0\nnew,email,1,100.1\nnew,direct,0,0\nnew,store,1,20\n"
         "returning,paid search,0,0\nreturning,email,0,0\nreturning,direct,1,50\nreturning,store,0,0\n");
  expect("{" JANUARY ",\"models\":\"last\",\"by\":\"campaign\",\"paths\":0}", "paths",
         "path,total_conversions,total_conversion_value,total_null\n"
         "winter > (email),1,100.1,0\n(direct),1,50,0\n(store),1,20,0\n(email),0,0,1\n,1,7,0\n");
  expect("{" JANUARY ",\"models\":\"last\",\"by\":\"creative\"}", "path_length",
         "touches,conversions,conversion_value,without_conversion\n0,1,7,0\n1,2,70,1\n2,1,100.1,0\n");
}

static void costs(void **state) {
  (void)state;
  expect("{" JANUARY ",\"models\":\"linear\",\"costs\":[{\"channel\":\"email\",\"from\":\"2026-01-22\",\"to\":"
         "\"2026-02-10\",\"amount\":\"40\"},{\"channel\":\"display\",\"from\":\"2026-01-05\",\"to\":\"2026-01-05\","
         "\"amount\":9},{\"channel\":\"sms\",\"from\":\"2026-03-05\",\"to\":\"2026-03-05\",\"amount\":9}]}",
         "costs",
         "channel_name,model,cost,conversions,value,roas,cost_per_conversion,new_customers,cost_per_new_customer\n"
         "email,linear,20,0.5,50.05,2.5025,40,0.5,40\n"
         "display,linear,9,0,0,0,,0,\n");
}

static void settings_of_the_request(void **state) {
  (void)state;
  expect("{" JANUARY ",\"models\":\"last\",\"settings\":{\"touchpoints\":[{\"event\":\"Order Completed\"}],"
         "\"channels\":[{\"channel\":\"web\",\"when\":\"store = \\\"web\\\"\"}],\"exclude\":"
         "\"count(\\\"Store Visited\\\") > 0\"},\"paths\":0}",
         "paths",
         "path,total_conversions,total_conversion_value,total_null\n"
         "other,2,57,0\nweb,1,100.1,0\n");
}

// --- orders ----------------------------------------------------------------------------------------------------

#define ORDER_COLUMNS "time,customer_id,order_id,order_value,channel_name,conversions,value\n"

// By hand: of 4 journeys with a touch 3 convert; half of those at the mail do, 1 of the 2 comes by search. Through the
// mail go 1/2 * 1/2 of 3/4, through search 1/4 * 1/2: effects of 1/3 and 1/6.
static void orders(void **state) {
  (void)state;
  expect("{" JANUARY ",\"models\":\"markov\",\"orders\":true}", "orders",
         ORDER_COLUMNS "2026-01-02T03:55:00.000Z,c2,,20,store,1,20\n"
                       "2026-01-03T07:33:20.000Z,c4,,7,,1,7\n"
                       "2026-01-04T11:20:00.000Z,c1,,100.1,paid search,0.3333333333333333,33.36666666666666\n"
                       "2026-01-04T11:20:00.000Z,c1,,100.1,email,0.6666666666666666,66.73333333333332\n"
                       "2026-01-06T15:06:40.000Z,c1,,50,direct,1,50\n");
  expect("{" JANUARY ",\"models\":\"markov\",\"orders\":true,\"by\":\"campaign\",\"settings\":{\"order_id\":"
         "\"store\",\"exclude\":\"count(\\\"Store Visited\\\") > 0\"}}",
         "orders",
         ORDER_COLUMNS "2026-01-03T07:33:20.000Z,c4,,7,,1,7\n"
                       "2026-01-04T11:20:00.000Z,c1,web,100.1,winter,0.3333333333333333,33.36666666666666\n"
                       "2026-01-04T11:20:00.000Z,c1,web,100.1,(email),0.6666666666666666,66.73333333333332\n"
                       "2026-01-06T15:06:40.000Z,c1,Lyon,50,(direct),1,50\n");
}

static void orders_are_asked_for(void **state) {
  (void)state;
  struct asked asked = attribution("{" JANUARY "}", 1);
  struct buffer out;
  struct diag diag;
  asked.table = "orders";
  buffer_init(&out);
  assert_int_equal(asked_write(&kit, &asked, &out, &diag), ERR_NOT_FOUND);
  buffer_release(&out);
}

// Her second order comes again with the same id, with another amount and with a touch before it; a number is an id,
// too.
static void repeated_orders(void **state) {
  static const char *const again[] = {
      "message track t=490000 user_id:ann name=Order+Completed {\"properties\":{\"order_id\":17,\"total\":30}}",
      "message track t=500000 user_id:ann name=Email+Clicked {}",
      "message track t=510000 user_id:ann name=Order+Completed {\"properties\":{\"order_id\":\"17\",\"total\":31}}",
      "message track t=520000 user_id:ann name=Order+Completed {\"properties\":{\"order_id\":\"18\",\"total\":32}}",
      "message track t=530000 user_id:bob name=Order+Completed {\"properties\":{\"order_id\":\"18\",\"total\":33}}",
  };
  (void)state;
  read_lines(&kit, again, sizeof again / sizeof *again);
  expect("{" JANUARY ",\"paths\":0}", "paths",
         "path,total_conversions,total_conversion_value,total_null\n"
         "paid search > email,1,100.1,0\n"
         "direct,1,50,0\n"
         "email,1,32,1\n"
         "store,1,20,0\n"
         ",3,70,0\n");
  expect("{\"from\":\"2026-01-06\",\"to\":\"2026-01-31\",\"orders\":true}", "orders",
         ORDER_COLUMNS "2026-01-06T15:06:40.000Z,c1,,50,direct,1,50\n"
                       "2026-01-06T16:06:40.000Z,c1,17,30,,1,30\n"
                       "2026-01-07T00:26:40.000Z,c1,18,32,email,1,32\n"
                       "2026-01-07T03:13:20.000Z,c2,18,33,,1,33\n");
  expect("{" JANUARY ",\"models\":\"last\",\"settings\":{\"order_id\":null},\"paths\":0}", "path_length",
         "touches,conversions,conversion_value,without_conversion\n0,4,102,0\n1,3,101,1\n2,1,100.1,0\n");
}

// A million and one orders of three channels, one of them twice.
static void too_many_orders(void **state) {
  (void)state;
  const paths_step steps[] = {0, 1, 0, 2};
  struct paths_figures figures = {.conversions = REPORT_ROWS_MAX / 3};
  struct paths paths;
  struct diag diag;
  paths_step number;
  paths_init(&paths);
  diag_init(&diag);
  for (size_t i = 0; i < 3; i++) {
    static const char *const NAMES[] = {"a", "b", "c"};
    assert_int_equal(paths_channel(&paths, bytes_from_text(NAMES[i]), &number, &diag), ERR_OK);
  }
  assert_int_equal(paths_add(&paths, steps, 4, &figures, &diag), ERR_OK);
  figures.conversions = 1;
  assert_int_equal(paths_add(&paths, NULL, 0, &figures, &diag), ERR_OK);
  assert_int_equal(attribution_orders_fit(&paths, 60, &diag), ERR_OK);
  assert_int_equal(paths_add(&paths, NULL, 0, &figures, &diag), ERR_OK);
  assert_int_equal(attribution_orders_fit(&paths, 60, &diag), ERR_LIMIT);
  assert_string_equal(diag.code, "too_large");
  assert_string_equal(diag.field, "orders");
  assert_non_null(strstr(diag.message, "would have 1000001 rows"));
  assert_non_null(strstr(diag.message, "about 59 of its 60 days"));
  paths_release(&paths);
}

static void refuse(const char *options, const char *field, const char *code) {
  const struct asked asked = attribution(options, 1);
  struct diag diag;
  asked_refused(&kit, &asked, code, &diag);
  assert_string_equal(diag.field, field);
}

static void refused(void **state) {
  (void)state;
  refuse("{\"models\":\"lst\"}", "models", "unknown_word");
  refuse("{\"models\":7}", "models", "wrong_type");
  refuse("{\"order\":5}", "order", "out_of_range");
  refuse("{\"by\":\"stores\"}", "by", "unknown_word");
  refuse("{\"by\":\"segment\"}", "by", "unknown_word");
  refuse("{\"by\":\"segment:nobody\"}", "by", "unknown_segment");
  refuse("{\"paths\":-1}", "paths", "out_of_range");
  refuse("{\"model\":\"last\"}", "model", "unknown_member");
  refuse("{\"orders\":1}", "orders", "wrong_type");
  refuse("{\"orders\":true,\"models\":\"last,shapley\"}", "orders", "missing_member");
  refuse("{\"settings\":{\"lookback\":\"soon\"}}", "lookback", "bad_duration");
  refuse("{\"by\":\"campaign\",\"models\":\"last_paid\"}", "models", "unknown_word");
}

// --- the stored settings ---------------------------------------------------------------------------------------

static void settings_text(uint64_t version, struct buffer *out) {
  struct engine_view *view;
  struct json_writer writer;
  struct diag diag;
  buffer_init(out);
  json_writer_init(&writer, out);
  assert_int_equal(engine_view_open(kit.engine, &view), ERR_OK);
  assert_int_equal(engine_attribution_settings_json(view, version, &writer, &diag), ERR_OK);
  engine_view_close(view);
  buffer_append_byte(out, '\0');
}

static enum err put(const char *json, struct buffer *told, struct rule_diag *refusal, struct diag *diag) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer packed;
  buffer_init(&packed);
  buffer_init(told);
  json_writer_init(&writer, told);
  enum err err = value_parse_json(kit.parser, bytes_from_text(json), engine_names(kit.engine), &packed, diag);
  if (err == ERR_OK)
    err = engine_attribution_settings_put(kit.engine, (struct value){buffer_view(&packed)}, BYTES("ann"), &writer,
                                          &commit, refusal, diag);
  buffer_append_byte(told, '\0');
  buffer_release(&packed);
  return err;
}

static void versions_of_settings(void **state) {
  (void)state;
  struct buffer first, told, newest, older;
  struct rule_diag refusal;
  struct diag diag;
  settings_text(0, &first);
  assert_non_null(strstr((const char *)first.data, "{\"version\":0,\"changed_at\":null,\"author\":\"default\","));
  assert_int_equal(put("{\"lookback\":\"1 day\"}", &told, &refusal, &diag), ERR_OK);
  buffer_release(&told);
  expect("{" JANUARY ",\"models\":\"last\"}", "path_length",
         "touches,conversions,conversion_value,without_conversion\n0,3,157.1,0\n1,1,20,4\n");
  if (put((const char *)first.data, &told, &refusal, &diag) != ERR_OK) fail_msg("%s: %s", diag.field, diag.message);
  settings_text(0, &newest);
  assert_non_null(strstr((const char *)newest.data, "{\"version\":2,"));
  assert_non_null(strstr((const char *)newest.data, "\"lookback\":\"30 days\""));
  settings_text(1, &older);
  assert_non_null(strstr((const char *)older.data, "\"lookback\":\"1 day\""));
  buffer_release(&told);
  assert_int_equal(put("{\"exclude\":\"in_segment(\\\"nobody\\\")\"}", &told, &refusal, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "unknown_segment");
  assert_string_equal(diag.field, "exclude");
  assert_string_equal(refusal.code, "unknown_segment");
  buffer_release(&told);
  assert_int_equal(
      put("{\"touchpoints\":[{\"event\":\"Order Completed\",\"when\":\"totl > 5\"}]}", &told, &refusal, &diag), ERR_OK);
  assert_non_null(strstr((const char *)told.data, "unknown_property"));
  buffer_release(&told);
  buffer_release(&first);
  buffer_release(&newest);
  buffer_release(&older);
}

// --- a crowd ---------------------------------------------------------------------------------------------------

static uint64_t random_state = 7;

static uint64_t random_next(uint64_t bound) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (random_state >> 33) % bound;
}

static void add_event(int customer, int64_t time) {
  static const char *const SOURCES[] = {"google", "facebook", "criteo", "awin"};
  static const char *const MEDIA[] = {"cpc", "social", "display", "affiliate"};
  char line[512];
  switch (random_next(6)) {
  case 0:
    snprintf(
        line, sizeof line,
        "message track t=%lld user_id:u%d name=Order+Completed {\"properties\":{\"total\":%d.%02d,\"store\":\"%c\"}}",
        (long long)time, customer, (int)random_next(200), (int)random_next(100), (char)('A' + random_next(3)));
    break;
  case 1:
    snprintf(line, sizeof line, "message track t=%lld user_id:u%d name=Email+Clicked {}", (long long)time, customer);
    break;
  case 2:
    snprintf(line, sizeof line,
             "message page t=%lld user_id:u%d name=Page+Viewed {\"context\":{\"page\":{\"referrer\":\"\"}}}",
             (long long)time, customer);
    break;
  default:
    snprintf(
        line, sizeof line,
        "message page t=%lld user_id:u%d name=Page+Viewed {\"context\":{\"campaign\":{\"source\":\"%s\",\"medium\":"
        "\"%s\"}}}",
        (long long)time, customer, SOURCES[random_next(4)], MEDIA[random_next(4)]);
    break;
  }
  read_line(&kit, line);
}

static int open_crowd(void **state) {
  read_set_up(state, &kit, NULL, 0);
  for (int i = 0; i < CROWD; i++) {
    int64_t time = (int64_t)random_next(20 * DAY);
    for (uint64_t events = random_next(14); events > 0; events--, time += (int64_t)random_next(4 * DAY))
      add_event(i, time);
  }
  return 0;
}

#define MODELS "first,last,last_non_direct,linear,linear_unique,position,last_paid,markov,shapley,shapley_rate,shao"

// The paths as a file, read by the file mode, give the same bytes.
static void as_a_file_of_the_paths(void **state) {
  (void)state;
  for (unsigned order = 1; order <= 3; order++) {
    struct buffer csv, models, wanted;
    struct paths paths;
    struct comparison comparison;
    struct comparison_options what = {.markov = {.order = order}};
    const struct paths_csv_options how = {.threads = 1};
    struct diag diag;
    char options[256];
    bool direct[PATHS_CHANNELS_MAX] = {false}, paid[PATHS_CHANNELS_MAX] = {false};
    snprintf(options, sizeof options, "{" JANUARY ",\"paths\":0,\"order\":%u,\"models\":\"" MODELS "\"}", order);
    table_of(options, 3, "paths", &csv);
    table_of(options, 2, "models", &models);
    paths_init(&paths);
    assert_int_equal(paths_csv_read(bytes_of(csv.data, csv.size_bytes - 1), &how, &paths, &diag), ERR_OK);
    assert_true(paths.conversions > 100 && paths.nulls > 100 && paths.row_count > 100);
    heuristics_defaults(&what.heuristics);
    static const char *const PAID[] = {"paid search", "paid social", "display", "affiliate", "other paid"};
    direct[paths_channel_find(&paths, BYTES("direct"))] = true;
    for (size_t i = 0; i < sizeof PAID / sizeof *PAID; i++) {
      int64_t channel = paths_channel_find(&paths, bytes_from_text(PAID[i]));
      if (channel >= 0) paid[channel] = true;
    }
    what.heuristics.direct = direct;
    what.heuristics.paid = paid;
    const char *word = MODELS;
    for (size_t size; *word != '\0'; word += size + (word[size] == ',')) {
      size = strcspn(word, ",");
      what.models |= comparison_models_find(bytes_of(word, size), &paths, &what.heuristics);
    }
    comparison_init(&comparison);
    assert_int_equal(comparison_run(&paths, &what, &comparison, &diag), ERR_OK);
    buffer_init(&wanted);
    comparison_write_csv(&comparison, &paths, &wanted);
    buffer_append_byte(&wanted, '\0');
    assert_string_equal((const char *)models.data, (const char *)wanted.data);
    comparison_release(&comparison);
    paths_release(&paths);
    buffer_release(&csv);
    buffer_release(&models);
    buffer_release(&wanted);
  }
}

static void any_number_of_threads(void **state) {
  (void)state;
  static const char *const OPTIONS[] = {"{" JANUARY ",\"models\":\"all\"}", "{" JANUARY ",\"by\":\"store\"}",
                                        "{" JANUARY ",\"by\":\"campaign\",\"models\":\"time_decay,markov\"}",
                                        "{" JANUARY ",\"orders\":true,\"order\":2}"};
  for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
    const struct asked asked = attribution(OPTIONS[i], 1);
    asked_in_threads(&kit, &asked);
  }
}

// What the text up to the next comma or line's end is, and what comes behind it.
static const char *next_field(const char *text, char *field, size_t size) {
  size_t length = strcspn(text, ",\n");
  assert_true(length < size);
  memcpy(field, text, length);
  field[length] = '\0';
  return text + length + 1;
}

enum { CHANNELS = 64 };

struct channel_sums {
  char names[CHANNELS][64];
  double conversions[CHANNELS], value[CHANNELS];
  size_t count;
};

static size_t channel_at(struct channel_sums *sums, const char *name) {
  size_t at = 0;
  while (at < sums->count && strcmp(sums->names[at], name) != 0) at++;
  assert_true(at < CHANNELS);
  if (at == sums->count) snprintf(sums->names[sums->count++], sizeof sums->names[0], "%s", name);
  return at;
}

static bool near(double a, double b) {
  double gap = a > b ? a - b : b - a, size = b > 0 ? b : -b;
  return gap <= 1e-11 * (size + 1);
}

// Of each order shares add up to 1 and to its value; orders come by time and customer. Returns how many there are.
static size_t add_orders(const char *csv, struct channel_sums *sums) {
  char field[7][64], time[64] = "", customer[64] = "";
  double conversions = 1, value = 0, whole = 0;
  size_t orders = 0;
  assert_memory_equal(csv, ORDER_COLUMNS, strlen(ORDER_COLUMNS));
  for (csv += strlen(ORDER_COLUMNS); *csv != '\0';) {
    for (size_t i = 0; i < 7; i++) csv = next_field(csv, field[i], sizeof field[i]);
    int order = strcmp(field[0], time);
    assert_true(order >= 0);
    if (order > 0 || strcmp(field[1], customer) != 0 || near(conversions, 1)) {
      assert_true(near(conversions, 1) && near(value, whole));
      if (order == 0 && strcmp(field[1], customer) != 0)
        assert_true(strtol(customer + 1, NULL, 10) < strtol(field[1] + 1, NULL, 10));
      conversions = value = 0;
      orders++;
    }
    snprintf(time, sizeof time, "%s", field[0]);
    snprintf(customer, sizeof customer, "%s", field[1]);
    whole = strtod(field[3], NULL);
    conversions += strtod(field[5], NULL);
    value += strtod(field[6], NULL);
    size_t at = channel_at(sums, field[4]);
    sums->conversions[at] += strtod(field[5], NULL);
    sums->value[at] += strtod(field[6], NULL);
  }
  assert_true(near(conversions, 1) && near(value, whole));
  return orders;
}

// Over all orders a channel's shares are what groups of them have together; and all channels have together what the
// model gives them, though each for itself has another part of it.
static void orders_of_a_crowd(void **state) {
  (void)state;
  struct buffer csv, groups_csv, models;
  struct channel_sums *of_orders = alloc_zero(1, sizeof *of_orders), *of_groups = alloc_zero(1, sizeof *of_groups);
  double all = 0, modelled = 0, value = 0, modelled_value = 0;
  char field[6][64];
  assert_true(of_orders != NULL && of_groups != NULL);
  table_of("{" JANUARY ",\"models\":\"markov\",\"order\":2,\"orders\":true}", 2, "orders", &csv);
  table_of("{" JANUARY ",\"models\":\"markov\",\"order\":2,\"by\":\"store\"}", 2, "groups", &groups_csv);
  table_of("{" JANUARY ",\"models\":\"markov\",\"order\":2}", 2, "models", &models);
  assert_true(add_orders((const char *)csv.data, of_orders) > 300);
  const char *at = strchr((const char *)groups_csv.data, '\n') + 1;
  while (*at != '\0') {
    for (size_t i = 0; i < 4; i++) at = next_field(at, field[i], sizeof field[i]);
    of_groups->conversions[channel_at(of_groups, field[1])] += strtod(field[2], NULL);
    of_groups->value[channel_at(of_groups, field[1])] += strtod(field[3], NULL);
  }
  for (size_t i = 0; i < of_groups->count; i++) {
    size_t same = channel_at(of_orders, of_groups->names[i]);
    assert_true(near(of_orders->conversions[same], of_groups->conversions[i]));
    assert_true(near(of_orders->value[same], of_groups->value[i]));
    all += of_orders->conversions[same];
    value += of_orders->value[same];
  }
  at = strchr((const char *)models.data, '\n') + 1;
  while (*at != '\0') {
    for (size_t i = 0; i < 5; i++) at = next_field(at, field[i], sizeof field[i]);
    modelled += strtod(field[1], NULL);
    modelled_value += strtod(field[2], NULL);
  }
  assert_true(near(all, modelled) && near(value, modelled_value));
  alloc_free(of_orders);
  alloc_free(of_groups);
  buffer_release(&csv);
  buffer_release(&groups_csv);
  buffer_release(&models);
}

// --- short memory ----------------------------------------------------------------------------------------------

static void short_of_memory(void **state) {
  (void)state;
  static const char *const OPTIONS[] = {"{" JANUARY ",\"models\":\"all\"}", "{" JANUARY ",\"by\":\"range\"}",
                                        "{" JANUARY ",\"by\":\"campaign\",\"costs\":[]}",
                                        "{" JANUARY ",\"orders\":true,\"by\":\"creative\"}"};
  for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
    const struct asked asked = attribution(OPTIONS[i], 1);
    asked_short_of_memory(&kit, &asked, 100);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(known_journeys, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(real_times, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(groups, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(costs, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(settings_of_the_request, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(orders, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(orders_are_asked_for, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(repeated_orders, open_shop, read_tear_down),
      cmocka_unit_test(too_many_orders),
      cmocka_unit_test_setup_teardown(orders_of_a_crowd, open_crowd, read_tear_down),
      cmocka_unit_test_setup_teardown(refused, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(versions_of_settings, open_shop, read_tear_down),
      cmocka_unit_test_setup_teardown(as_a_file_of_the_paths, open_crowd, read_tear_down),
      cmocka_unit_test_setup_teardown(any_number_of_threads, open_crowd, read_tear_down),
      cmocka_unit_test_setup_teardown(short_of_memory, open_shop, read_tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
