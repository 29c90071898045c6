// Settings: file, environment and flag in rising precedence; every setting can be given and got wrong in each; the
// reference page is what the table says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/settings.h"

static char path[] = "/tmp/rapport-settings-XXXXXX";

static int make_file(void **state) {
  (void)state;
  int fd = mkstemp(path);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

static enum err read_text(struct options *options, const char *text, struct diag *diag) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  diag_init(diag);
  return settings_read_file(options, path, diag);
}

static void expect_words(const struct diag *diag, const char *first, const char *second) {
  if (strstr(diag->message, first) == NULL || strstr(diag->message, second) == NULL) {
    fail_msg("\"%s\" lacks \"%s\" or \"%s\"", diag->message, first, second);
  }
  assert_string_equal(diag->code, "usage");
}

static void test_precedence(void **state) {
  (void)state;
  struct options options;
  struct diag diag;
  char *flags[] = {"--data", "/flag"};
  char *environment[] = {"RAPPORT_DATA=/environment", "RAPPORT_LOG_LEVEL=error", "RAPPORT_LISTEN=", "HOME=/x", NULL};
  struct option_set data = {{0}};
  options_init(&options);
  option_set_add(&data, OPTION_DATA);
  assert_int_equal(options_read_args(&options, 2, flags, &data, &diag), ERR_OK);
  assert_int_equal(settings_read_environment(&options, environment, &diag), ERR_OK);
  assert_int_equal(read_text(&options, "data = /file\nlog-level = debug\nlog_format=json # as JSON\n", &diag), ERR_OK);
  assert_string_equal(options.values[OPTION_DATA].text, "/flag");
  assert_int_equal(options.values[OPTION_LOG_LEVEL].number, 3);
  assert_int_equal(options.origins[OPTION_LOG_LEVEL], OPTION_ENVIRONMENT);
  assert_string_equal(options.values[OPTION_LOG_FORMAT].text, "json");
  assert_int_equal(options.origins[OPTION_LOG_FORMAT], OPTION_FILE);
  assert_int_equal(options.lines[OPTION_LOG_FORMAT], 3);
  assert_int_equal(options.origins[OPTION_LISTEN], OPTION_DEFAULT);
  options_release(&options);
}

static void test_file_grammar(void **state) {
  (void)state;
  struct options options;
  struct diag diag;
  options_init(&options);
  assert_int_equal(read_text(&options, "# a comment\n\n  data =  /a dir#1  \r\n\tregion=DE", &diag), ERR_OK);
  assert_string_equal(options.values[OPTION_DATA].text, "/a dir#1");
  assert_string_equal(options.values[OPTION_REGION].text, "DE");
  options_release(&options);
}

static void test_file_refusals(void **state) {
  (void)state;
  static const struct {
    const char *text, *first, *second;
  } cases[] = {
      {"data = /x\nlisten-adress = x\n", "line 2: unknown setting \"listen-adress\"", ""},
      {"\nlisen = 127.0.0.1:1\n", "line 2", "did you mean listen?"},
      {"cache_siz = 1\n", "line 1", "did you mean cache-size?"},
      {"data\n", "line 1", "not of the form name = value"},
      {"= x\n", "line 1", "unknown setting"},
      {"listen = nowhere\n", "line 1: listen is \"nowhere\"", "ADDR:PORT"},
      {"log-level =\n", "line 1: log-level is \"\"", "debug|info|warn|error"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct options options;
    struct diag diag;
    options_init(&options);
    assert_int_equal(read_text(&options, cases[i].text, &diag), ERR_INVALID);
    expect_words(&diag, cases[i].first, cases[i].second);
    options_release(&options);
  }
  struct options options;
  struct diag diag;
  options_init(&options);
  assert_int_equal(settings_read_file(&options, "/nowhere/at/all", &diag), ERR_NOT_FOUND);
  expect_words(&diag, "/nowhere/at/all", "No such file");
  options_release(&options);
}

// A value that no type but free text takes.
static void test_every_setting_refuses_nonsense(void **state) {
  (void)state;
  for (int i = 0; i < OPTION_SETTING_COUNT; i++) {
    const struct param *param = options_param((enum option)i);
    bool free_text = param->type == PARAM_TEXT || param->type == PARAM_PATH || param->type == PARAM_SECRET;
    const char *nonsense = free_text ? "" : "nonsense";
    char line[256], variable[OPTION_NAME_BYTES], pair[256];
    struct options options;
    struct diag diag;
    options_init(&options);
    snprintf(line, sizeof line, "\n%s = %s\n", param->name, nonsense);
    assert_int_equal(read_text(&options, line, &diag), ERR_INVALID);
    expect_words(&diag, "line 2", param->name);
    options_release(&options);
    if (free_text) continue;
    options_init(&options);
    settings_variable((enum option)i, variable);
    snprintf(pair, sizeof pair, "%s=%s", variable, nonsense);
    char *environment[] = {pair, NULL};
    assert_int_equal(settings_read_environment(&options, environment, &diag), ERR_INVALID);
    expect_words(&diag, variable, "nonsense");
    options_release(&options);
  }
}

static void test_mistyped_variable(void **state) {
  (void)state;
  struct options options;
  struct diag diag;
  char *mistyped[] = {"RAPPORT_LOGLEVEL=info", NULL}, *foreign[] = {"RAPPORT_SHARED=/x", "RAPPORT_CONFIG=/y", NULL};
  options_init(&options);
  assert_int_equal(settings_read_environment(&options, mistyped, &diag), ERR_INVALID);
  expect_words(&diag, "RAPPORT_LOGLEVEL", "did you mean RAPPORT_LOG_LEVEL?");
  assert_int_equal(settings_read_environment(&options, foreign, &diag), ERR_OK);
  options_release(&options);
}

static void test_secrets_are_not_shown(void **state) {
  (void)state;
  struct options options;
  struct diag diag;
  struct buffer out;
  char *environment[] = {"RAPPORT_KEY=sk_very_secret", NULL};
  options_init(&options);
  buffer_init(&out);
  assert_int_equal(settings_read_environment(&options, environment, &diag), ERR_OK);
  settings_print(&options, &out);
  struct json_writer writer;
  json_writer_init(&writer, &out);
  settings_json(&options, &writer);
  buffer_append_byte(&out, '\0');
  assert_null(strstr((char *)out.data, "sk_very_secret"));
  assert_non_null(strstr((char *)out.data, "RAPPORT_KEY"));
  buffer_release(&out);
  options_release(&options);
}

// docs/settings.md beside this source tree. After a change of the table: rapport settings --markdown > docs/settings.md
static void test_page_is_up_to_date(void **state) {
  (void)state;
  char page[4096];
  const char *tests = strstr(__FILE__, "tests/unit/");
  assert_non_null(tests);
  snprintf(page, sizeof page, "%.*sdocs/settings.md", (int)(tests - __FILE__), __FILE__);
  FILE *file = fopen(page, "r");
  assert_non_null(file);
  struct buffer made, stored;
  buffer_init(&made);
  buffer_init(&stored);
  char block[4096];
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;) buffer_append(&stored, block, got);
  fclose(file);
  settings_document(&made);
  assert_true(bytes_equal(buffer_view(&made), buffer_view(&stored)));
  buffer_release(&made);
  buffer_release(&stored);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_precedence),         cmocka_unit_test(test_file_grammar),
      cmocka_unit_test(test_file_refusals),      cmocka_unit_test(test_every_setting_refuses_nonsense),
      cmocka_unit_test(test_mistyped_variable),  cmocka_unit_test(test_secrets_are_not_shown),
      cmocka_unit_test(test_page_is_up_to_date),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
