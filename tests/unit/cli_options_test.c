// Flags as people type them, and every way to type them wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

enum { WORDS_MAX = 8 };

static const enum option allowed[] = {OPTION_DATA,      OPTION_LISTEN,     OPTION_CACHE_SIZE, OPTION_STOP_TIMEOUT,
                                      OPTION_LOG_LEVEL, OPTION_TEST_CLOCK, OPTION_URL,        OPTION_LIMIT,
                                      OPTION_JSON,      OPTION_SET,        OPTION_HELP};

// `line` is split at spaces.
static enum err read_line(struct options *options, const char *line, char *copy, size_t copy_bytes, struct diag *diag) {
  char *words[WORDS_MAX];
  int count = 0;
  char *rest = NULL;
  assert_true(strlen(line) < copy_bytes);
  strcpy(copy, line);
  diag_init(diag);
  options_init(options);
  for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) words[count++] = word;
  struct option_set set = {{0}};
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) option_set_add(&set, allowed[i]);
  return options_read_args(options, count, words, &set, diag);
}

static void test_sets_of_every_option(void **state) {
  (void)state;
  struct option_set set = {{0}};
  for (int i = 0; i < OPTION_COUNT; i += 2) option_set_add(&set, (enum option)i);
  for (int i = 0; i < OPTION_COUNT; i++) assert_int_equal(option_set_has(&set, i), i % 2 == 0);
}

static void test_values(void **state) {
  (void)state;
  static const struct {
    const char *line;
    enum option option;
    int64_t number;
  } cases[] = {
      {"--cache-size 512MiB", OPTION_CACHE_SIZE, INT64_C(512) << 20},
      {"--cache-size=2GiB", OPTION_CACHE_SIZE, INT64_C(2) << 30},
      {"--cache-size=65536", OPTION_CACHE_SIZE, 65536},
      {"--cache-size=3MB", OPTION_CACHE_SIZE, 3000000},
      {"--stop-timeout 250ms", OPTION_STOP_TIMEOUT, 250000},
      {"--stop-timeout 5m", OPTION_STOP_TIMEOUT, INT64_C(300000000)},
      {"--stop-timeout 7d", OPTION_STOP_TIMEOUT, INT64_C(7) * 86400 * 1000000},
      {"--listen 127.0.0.1:9000", OPTION_LISTEN, 9000},
      {"--listen [::1]:0", OPTION_LISTEN, 0},
      {"--listen localhost:65535", OPTION_LISTEN, 65535},
      {"--log-level warn", OPTION_LOG_LEVEL, 2},
      {"--test-clock 1970-01-02", OPTION_TEST_CLOCK, INT64_C(86400) * 1000000},
      {"--test-clock 1970-01-01T00:00:01Z", OPTION_TEST_CLOCK, 1000000},
      {"--limit 1000", OPTION_LIMIT, 1000},
      {"--json", OPTION_JSON, 1},
      {"--json=no", OPTION_JSON, 0},
      {"-h", OPTION_HELP, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct options options;
    struct diag diag;
    char copy[128];
    assert_int_equal(read_line(&options, cases[i].line, copy, sizeof copy, &diag), ERR_OK);
    assert_int_equal(options.origins[cases[i].option], OPTION_FLAG);
    assert_int_equal(options.values[cases[i].option].number, cases[i].number);
    options_release(&options);
  }
}

// Each message names the flag, what was given and what is expected.
static void test_refusals(void **state) {
  (void)state;
  static const struct {
    const char *line, *words[3];
  } cases[] = {
      {"--dat x", {"--dat", "did you mean --data"}},
      {"--lisen x", {"did you mean --listen"}},
      {"--zzzzzzzz x", {"unknown flag --zzzzzzzz", "--help"}},
      {"--edge e1", {"unknown flag --edge"}},
      {"--data", {"--data needs a value", "--data DIR"}},
      {"--data=", {"--data is \"\"", "a path"}},
      {"-d x", {"-d", "--data"}},
      {"--listen 127.0.0.1", {"--listen is \"127.0.0.1\"", "ADDR:PORT"}},
      {"--listen 127.0.0.1:65536", {"65536", "port 0 to 65535"}},
      {"--listen :80", {"--listen"}},
      {"--listen ::1:80", {"[::1]:8080"}},
      {"--listen example.org:80", {"--listen"}},
      {"--cache-size 12XB", {"--cache-size is \"12XB\"", "512MiB"}},
      {"--cache-size -1", {"--cache-size is \"-1\""}},
      {"--cache-size 99999999999GiB", {"--cache-size"}},
      {"--stop-timeout 10", {"--stop-timeout is \"10\"", "10s"}},
      {"--test-clock tomorrow", {"--test-clock is \"tomorrow\"", "2026-11-22T00:16:39Z"}},
      {"--test-clock 2026-02-30", {"--test-clock"}},
      {"--log-level loud", {"--log-level is \"loud\"", "debug|info|warn|error"}},
      {"--limit 0", {"--limit is \"0\"", "1..1000"}},
      {"--limit 1001", {"1..1000"}},
      {"--limit ten", {"a whole number"}},
      {"--url ftp://x", {"--url is \"ftp://x\"", "http://"}},
      {"--url http://", {"--url"}},
      {"--json=maybe", {"--json is \"maybe\"", "true or false"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct options options;
    struct diag diag;
    char copy[128];
    assert_int_equal(read_line(&options, cases[i].line, copy, sizeof copy, &diag), ERR_INVALID);
    assert_string_equal(diag.code, "usage");
    for (size_t j = 0; j < 3 && cases[i].words[j] != NULL; j++) {
      if (strstr(diag.message, cases[i].words[j]) == NULL) {
        fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].line, diag.message, cases[i].words[j]);
      }
    }
    options_release(&options);
  }
}

static void test_arguments(void **state) {
  (void)state;
  struct options options;
  struct diag diag;
  char copy[128];
  assert_int_equal(read_line(&options, "a --set x=1 b --set=y=2 -- --data", copy, sizeof copy, &diag), ERR_OK);
  assert_int_equal(options.arg_count, 3);
  assert_string_equal(options.args[2], "--data");
  assert_int_equal(options.set_count, 2);
  assert_string_equal(options.sets[0], "x=1");
  assert_string_equal(options.sets[1], "y=2");
  assert_null(options.values[OPTION_DATA].text);
  options_release(&options);
}

static void test_defaults_are_valid_and_shown(void **state) {
  (void)state;
  struct options options;
  options_init(&options);
  assert_int_equal(options.values[OPTION_CACHE_SIZE].number, INT64_C(240) << 20);
  assert_string_equal(options_text(&options, OPTION_LISTEN, NULL), "127.0.0.1:8080");
  assert_null(options_text(&options, OPTION_DATA, NULL));
  assert_int_equal(options_number(&options, OPTION_LIMIT, 7), 7);
  options_release(&options);
}

static void test_hosts(void **state) {
  (void)state;
  char host[PARAM_ADDRESS_BYTES];
  param_host("[::1]:80", host);
  assert_string_equal(host, "::1");
  assert_true(param_is_loopback(host));
  param_host("0.0.0.0:80", host);
  assert_string_equal(host, "0.0.0.0");
  assert_false(param_is_loopback(host));
  assert_true(param_is_loopback("127.1.2.3"));
}

static void test_nearest(void **state) {
  (void)state;
  static const char *const names[] = {"customer", "events", "search", "serve", "settings"};
  assert_string_equal(param_nearest("custmer", names, 5), "customer");
  assert_string_equal(param_nearest("cust", names, 5), "customer");
  assert_string_equal(param_nearest("sreve", names, 5), "serve");
  assert_string_equal(param_nearest("serch", names, 5), "search");
  assert_null(param_nearest("banana", names, 5));
  assert_null(param_nearest("", names, 5));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sets_of_every_option),
      cmocka_unit_test(test_values),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_defaults_are_valid_and_shown),
      cmocka_unit_test(test_hosts),
      cmocka_unit_test(test_nearest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
