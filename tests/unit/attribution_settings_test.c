// The settings of attribution: the default's channels page by page, documents over it, and every mistake in words.
#include "attribution_kit.h"

#include "attribution/settings.h"

static struct names *names;
static struct value_parser *parser;

static int set_up(void **state) {
  (void)state;
  assert_int_equal(names_open(&names, NULL, NULL), ERR_OK);
  assert_int_equal(value_parser_open(&parser), ERR_OK);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  value_parser_close(parser);
  names_close(names);
  return 0;
}

static struct value parse(const char *json, struct buffer *packed) {
  struct diag diag;
  buffer_init(packed);
  if (value_parse_json(parser, bytes_from_text(json), names, packed, &diag) != ERR_OK) fail_msg("%s", diag.message);
  return (struct value){buffer_view(packed)};
}

// What a dictionary has not no expression over it ever finds.
static void learn_names(void) {
  struct buffer packed;
  parse("{\"context\":{\"campaign\":{\"source\":0,\"medium\":0,\"name\":0},\"page\":{\"url\":0,\"referrer\":0}}}",
        &packed);
  buffer_release(&packed);
}

static enum err open_over_default(const char *json, struct attribution_settings **settings, struct diag *diag) {
  struct buffer base, given, text;
  buffer_init(&text);
  attribution_settings_default(&text);
  buffer_append_byte(&text, '\0');
  struct value under = parse((const char *)text.data, &base);
  struct value over = {0};
  buffer_init(&given);
  if (json != NULL) over = parse(json, &given);
  struct rule_zone *zone;
  assert_int_equal(rule_zone_open_utc(&zone), ERR_OK);
  const struct attribution_settings_with with = {.names = names, .dictionary = names, .zone = zone};
  enum err err = attribution_settings_open(settings, over, under, &with, diag);
  rule_zone_close(zone);
  buffer_release(&base);
  buffer_release(&given);
  buffer_release(&text);
  return err;
}

// --- channels of the default -----------------------------------------------------------------------------------

static bool is_true(const struct rule_program *program, struct value message) {
  struct rule_machine *machine;
  struct rule_answer answer;
  const struct rule_customer customer = {.subject = message};
  if (program == NULL) return true;
  assert_int_equal(rule_machine_open(&machine, NULL), ERR_OK);
  assert_int_equal(rule_run(machine, program, &customer, 0, false, &answer), ERR_OK);
  bool truth = rule_is_true(&answer);
  rule_machine_close(machine);
  return truth;
}

static const char *channel_of(const struct attribution_settings *settings, const char *event, const char *json) {
  struct buffer packed;
  struct value message = parse(json, &packed);
  const char *found = NULL;
  for (size_t i = 0; i < settings->touchpoints.count; i++)
    if (bytes_equal(settings->touchpoints.items[i].event, bytes_from_text(event)) &&
        is_true(settings->touchpoints.items[i].when.program, message))
      found = "other";
  for (size_t i = 0; found != NULL && i < settings->channel_count; i++) {
    const struct attribution_channel *rule = &settings->channels[i];
    if (rule->event.size_bytes > 0 && !bytes_equal(rule->event, bytes_from_text(event))) continue;
    if (!is_true(rule->when.program, message)) continue;
    found = (const char *)rule->channel.data; // copies in the arena end with a NUL
    break;
  }
  buffer_release(&packed);
  return found != NULL ? found : "no touch";
}

#define PAGE(members) "{\"context\":{\"page\":{\"url\":\"https://www.shop.fr/x" members "}}"
#define FROM(referrer) PAGE("\",\"referrer\":\"" referrer "\"}")
#define CAMPAIGN(source, medium)                                                                                       \
  "{\"context\":{\"campaign\":{\"source\":\"" source "\",\"medium\":\"" medium "\"},\"page\":{\"url\":"                \
  "\"https://shop.fr/\",\"referrer\":\"\"}}}"

static void the_default_maps_channels(void **state) {
  (void)state;
  static const struct {
    const char *event, *message, *channel;
  } CASES[] = {
      {"Page Viewed", "{}", "no touch"},
      {"Page Viewed", "{\"context\":{\"page\":{\"url\":\"https://shop.fr/\"}}}", "no touch"},
      {"Page Viewed", FROM("https://shop.fr/basket"), "no touch"},
      {"Page Viewed", FROM(""), "direct"},
      {"Page Viewed", FROM("https://www.google.fr/"), "organic search"},
      {"Page Viewed", FROM("https://duckduckgo.com/"), "organic search"},
      {"Page Viewed", FROM("https://mail.google.com/mail/u/0"), "email"},
      {"Page Viewed", FROM("https://l.facebook.com/l.php"), "social"},
      {"Page Viewed", FROM("https://t.co/abc"), "social"},
      {"Page Viewed", FROM("https://blog.example.org/best-cases"), "referral"},
      {"Page Viewed", PAGE("?gclid=abc\",\"referrer\":\"https://www.google.fr/\"}"), "paid search"},
      {"Page Viewed", PAGE("?a=1&msclkid=abc\"}"), "paid search"},
      {"Page Viewed", PAGE("?fbclid=abc\"}"), "social"},
      {"Page Viewed", PAGE("?ttclid=abc\"}"), "paid social"},
      {"Page Viewed", PAGE("?dclid=abc\"}"), "display"},
      {"Page Viewed", PAGE("?xgclid=abc\",\"referrer\":\"https://shop.fr/\"}"), "no touch"},
      {"Page Viewed", CAMPAIGN("google", "cpc"), "paid search"},
      {"Page Viewed", CAMPAIGN("Google", "CPC"), "paid search"},
      {"Page Viewed", CAMPAIGN("facebook", "cpc"), "paid social"},
      {"Page Viewed", CAMPAIGN("facebook", "paid_social"), "paid social"},
      {"Page Viewed", CAMPAIGN("newsletter", "email"), "email"},
      {"Page Viewed", CAMPAIGN("june", "e-mail"), "email"},
      {"Page Viewed", CAMPAIGN("awin", "affiliate"), "affiliate"},
      {"Page Viewed", CAMPAIGN("criteo", "display"), "display"},
      {"Page Viewed", CAMPAIGN("criteo", "cpm"), "display"},
      {"Page Viewed", CAMPAIGN("criteo", "retargeting"), "other paid"},
      {"Page Viewed", CAMPAIGN("instagram", "social"), "social"},
      {"Page Viewed", CAMPAIGN("google", "organic"), "organic search"},
      {"Page Viewed", CAMPAIGN("shop", "sms"), "sms"},
      {"Page Viewed", CAMPAIGN("partner-blog", "referral"), "referral"},
      {"Page Viewed", CAMPAIGN("tv", "spot"), "other"},
      {"Email Clicked", "{}", "email"},
      {"Store Visited", "{}", "store"},
      {"Call Received", "{}", "call"},
      {"Product Viewed", FROM("https://www.google.fr/"), "no touch"},
  };
  struct attribution_settings *settings;
  struct diag diag;
  learn_names();
  if (open_over_default(NULL, &settings, &diag) != ERR_OK) fail_msg("%s: %s", diag.field, diag.message);
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    const char *got = channel_of(settings, CASES[i].event, CASES[i].message);
    if (strcmp(got, CASES[i].channel) != 0)
      fail_msg("%s %s is \"%s\", not \"%s\"", CASES[i].event, CASES[i].message, got, CASES[i].channel);
  }
  assert_int_equal(settings->lookback_us, 30 * INT64_C(86400000000));
  assert_true(settings->split && settings->nulls);
  assert_int_equal(settings->conversions.items[0].amount, RULE_AMOUNT_TOTAL);
  attribution_settings_close(settings);
}

// --- documents -------------------------------------------------------------------------------------------------

static void a_document_over_the_default(void **state) {
  (void)state;
  struct attribution_settings *settings;
  struct diag diag;
  const char *json = "{\"channels\":[{\"channel\":\"shop\",\"event\":\"Store Visited\"},{\"channel\":\"direct\"}],"
                     "\"lookback\":\"2 weeks\",\"last\":5,\"transforms\":[\"exposure\",\"first\"],"
                     "\"position\":[30,40,30],\"nulls\":false,\"version\":3,\"author\":\"Zoe\","
                     "\"costs\":[{\"channel\":\"shop\",\"from\":\"2026-01-01\",\"to\":\"2026-01-31\","
                     "\"amount\":\"310.00\"}]}";
  if (open_over_default(json, &settings, &diag) != ERR_OK) fail_msg("%s: %s", diag.field, diag.message);
  assert_int_equal(settings->name_count, 3); // and "other"
  assert_true(bytes_equal(settings->names[settings->other], BYTES("other")));
  assert_true(settings->direct[1] && !settings->direct[0]);
  assert_false(settings->paid[0] || settings->paid[1] || settings->paid[2]); // the default's are not there
  assert_int_equal(settings->lookback_us, 14 * INT64_C(86400000000));
  assert_int_equal(settings->last, 5);
  assert_int_equal(settings->transform_count, 2);
  assert_true(settings->first_weight == 0.3);
  assert_int_equal(settings->cost_count, 1);
  assert_int_equal(settings->costs[0].to_day - settings->costs[0].from_day, 30);
  assert_true(settings->costs[0].amount == 310);
  assert_false(settings->nulls);
  assert_int_equal(settings->touchpoints.count, 7); // the default's
  attribution_settings_close(settings);
}

static void mistakes_in_words(void **state) {
  (void)state;
  static const struct {
    const char *json, *field, *code, *part;
  } CASES[] = {
      {"{\"touchpoint\":[]}", "touchpoint", "unknown_member", "touchpoints"},
      {"{\"touchpoints\":{}}", "touchpoints", "wrong_type", "a list"},
      {"{\"touchpoints\":[{\"evnt\":\"A\"}]}", "touchpoints[0].evnt", "unknown_member", "event"},
      {"{\"touchpoints\":[{\"when\":\"true\"}]}", "touchpoints[0].event", "missing_member", "name of the event"},
      {"{\"touchpoints\":[{\"event\":\"A\",\"value\":\"total\"}]}", "touchpoints[0].value", "unknown_member", ""},
      {"{\"conversions\":[]}", "conversions", "missing_member", "nothing to share out"},
      {"{\"conversions\":[{\"event\":\"A\",\"when\":\"total >\"}]}", "conversions[0].when", "unfinished", ""},
      {"{\"conversions\":[{\"event\":\"A\",\"when\":\"total + 1\"}]}", "conversions[0].when", "wrong_type", ""},
      {"{\"milestones\":{\"leads\":[]}}", "milestones.leads", "unknown_member", "lead"},
      {"{\"channels\":[{\"event\":\"A\"}]}", "channels[0].channel", "missing_member", ""},
      {"{\"paid\":[\"paid serch\"]}", "paid[0]", "unknown_channel", "did you mean \"paid search\"?"},
      {"{\"direct\":[7]}", "direct[0]", "wrong_type", ""},
      {"{\"lookback\":\"1 month\"}", "lookback", "bad_duration", "30 days"},
      {"{\"lookback\":\"30\"}", "lookback", "bad_duration", ""},
      {"{\"lookback\":\"0 days\"}", "lookback", "out_of_range", ""},
      {"{\"lookback\":\"9999 weeks\"}", "lookback", "out_of_range", ""},
      {"{\"half_life\":7}", "half_life", "wrong_type", ""},
      {"{\"split\":\"yes\"}", "split", "wrong_type", "true or false"},
      {"{\"transforms\":[\"frequency\"]}", "transforms[0]", "unknown_word", "exposure"},
      {"{\"last\":0}", "last", "out_of_range", ""},
      {"{\"position\":[40,20,30]}", "position", "out_of_range", "[40, 20, 40]"},
      {"{\"position\":[40,-20,80]}", "position[1]", "wrong_type", ""},
      {"{\"exclude\":\"total > 3\"}", "exclude", "wrong_path", ""},
      {"{\"ranges\":{\"items\":\"products\"}}", "ranges.range", "missing_member", ""},
      {"{\"costs\":[{\"channel\":\"nobody\"}]}", "costs[0].channel", "unknown_channel", "nobody"},
      {"{\"costs\":[{\"channel\":\"display\",\"from\":\"2026-13-01\"}]}", "costs[0].from", "bad_date", ""},
      {"{\"costs\":[{\"channel\":\"display\",\"from\":\"2026-02-01\",\"to\":\"2026-01-01\",\"amount\":1}]}", "costs[0]",
       "out_of_range", "before"},
      {"{\"costs\":[{\"channel\":\"display\",\"from\":\"2026-01-01\",\"to\":\"2026-01-01\",\"amount\":-1}]}",
       "costs[0].amount", "wrong_type", "1200.00"},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct attribution_settings *settings = NULL;
    struct diag diag;
    enum err err = open_over_default(CASES[i].json, &settings, &diag);
    if (err == ERR_OK) fail_msg("%s was taken", CASES[i].json);
    if (strcmp(diag.field, CASES[i].field) != 0 || strcmp(diag.code, CASES[i].code) != 0 ||
        strstr(diag.message, CASES[i].part) == NULL)
      fail_msg("%s: %s %s: %s", CASES[i].json, diag.field, diag.code, diag.message);
  }
}

static void told_and_read_again(void **state) {
  (void)state;
  struct attribution_settings *settings;
  struct buffer base, given, text, told;
  struct json_writer writer;
  struct diag diag;
  buffer_init(&text);
  attribution_settings_default(&text);
  buffer_append_byte(&text, '\0');
  struct value under = parse((const char *)text.data, &base);
  struct value over = parse("{\"channels\":[{\"channel\":\"direct\"}],\"last\":3}", &given);
  buffer_init(&told);
  json_writer_init(&writer, &told);
  json_object_begin(&writer);
  attribution_settings_json(&writer, over, under, names);
  json_object_end(&writer);
  buffer_append_byte(&told, '\0');
  assert_non_null(strstr((const char *)told.data, "\"direct\":[\"direct\"],\"paid\":[]"));
  if (open_over_default((const char *)told.data, &settings, &diag) != ERR_OK)
    fail_msg("%s: %s in %s", diag.field, diag.message, (const char *)told.data);
  assert_int_equal(settings->last, 3);
  attribution_settings_close(settings);
  buffer_release(&base);
  buffer_release(&given);
  buffer_release(&text);
  buffer_release(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_default_maps_channels, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_document_over_the_default, set_up, tear_down),
      cmocka_unit_test_setup_teardown(mistakes_in_words, set_up, tear_down),
      cmocka_unit_test_setup_teardown(told_and_read_again, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
