// The table of commands: found by their words, every flag they take exists, help and completions tell of all of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"

static void text_of(struct buffer *out) {
  buffer_append_byte(out, '\0');
}

static void test_find(void **state) {
  (void)state;
  size_t used;
  char *two[] = {"rules", "show", "x"}, *one[] = {"customer", "c1"}, *none[] = {"rules", "shown"};
  assert_string_equal(command_find(3, two, &used)->words, "rules show");
  assert_int_equal(used, 2);
  assert_string_equal(command_find(2, one, &used)->words, "customer");
  assert_int_equal(used, 1);
  assert_null(command_find(2, none, &used));
  assert_null(command_find(1, two, &used));
}

static void test_overview_names_every_command(void **state) {
  (void)state;
  size_t count;
  struct buffer out;
  const struct command *commands = command_table(&count);
  buffer_init(&out);
  help_overview(&out);
  text_of(&out);
  for (size_t i = 0; i < count; i++) assert_non_null(strstr((char *)out.data, commands[i].words));
  buffer_release(&out);
}

// A summary has no full stop of its own (help adds it), begins with a capital and stays on a line or two.
static void test_summaries(void **state) {
  (void)state;
  size_t count;
  const struct command *commands = command_table(&count);
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(commands[i].summary);
    assert_in_range(size, 10, 100);
    assert_true(commands[i].summary[0] >= 'A' && commands[i].summary[0] <= 'Z');
    assert_true(commands[i].summary[size - 1] != '.');
    assert_true(commands[i].least <= commands[i].most);
    assert_true((commands[i].most > 0) == (commands[i].args[0] != '\0'));
  }
}

static void test_pages_name_every_flag(void **state) {
  (void)state;
  size_t count;
  const struct command *commands = command_table(&count);
  for (size_t i = 0; i < count; i++) {
    struct buffer out;
    buffer_init(&out);
    help_command(&commands[i], &out);
    text_of(&out);
    for (int j = 0; j < OPTION_COUNT; j++) {
      char flag[OPTION_NAME_BYTES];
      snprintf(flag, sizeof flag, "--%s", options_param((enum option)j)->name);
      if (options_has(commands[i].options, (enum option)j)) assert_non_null(strstr((char *)out.data, flag));
    }
    for (char *line = strtok((char *)out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
      // Examples are never broken; all else fits a terminal.
      if (strncmp(line, "  rapport", 9) != 0 && strncmp(line, "  zcat", 6) != 0) assert_in_range(strlen(line), 1, 86);
    }
    buffer_release(&out);
  }
}

// A line that begins as a request of roff is one of ours, and no backslash is taken for one.
static void test_the_manual_is_roff(void **state) {
  static const char *const requests[] = {".TH ", ".SH ", ".SS ", ".TP", ".IP", ".nf", ".fi"};
  (void)state;
  struct buffer out;
  buffer_init(&out);
  manual_page(&out);
  text_of(&out);
  for (char *line = strtok((char *)out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    bool known = line[0] != '.';
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
      known = known || strncmp(line, requests[i], strlen(requests[i])) == 0;
    if (!known || line[0] == '\'') fail_msg("%s", line);
    for (const char *at = strchr(line, '\\'); at != NULL; at = strchr(at + 2, '\\'))
      if (strchr("&e-f", at[1]) == NULL) fail_msg("%s", line);
  }
  buffer_release(&out);
}

static void test_completions(void **state) {
  (void)state;
  static const char *const shells[] = {"bash", "zsh", "fish"};
  for (size_t i = 0; i < 3; i++) {
    struct buffer out;
    buffer_init(&out);
    assert_true(completion_script(shells[i], &out));
    text_of(&out);
    assert_non_null(strstr((char *)out.data, "customer"));
    assert_non_null(strstr((char *)out.data, "log-level"));
    assert_non_null(strstr((char *)out.data, "debug info warn error"));
    buffer_release(&out);
  }
  assert_false(completion_script("cmd", NULL));
}

// --format is three flags, each of its own commands.
static void test_completion_of_a_shared_name(void **state) {
  (void)state;
  struct buffer out;
  buffer_init(&out);
  assert_true(completion_script("bash", &out));
  text_of(&out);
  assert_non_null(
      strstr((char *)out.data, "|\"score clv --format\"|\"score appetence --format\") words=\"csv json ndjson text\""));
  assert_non_null(strstr((char *)out.data, "  \"attribute \"*\" --format\") words=\"csv json table text xlsx\""));
  assert_non_null(strstr((char *)out.data, "\"loyalty codes --format\") words=\"ndjson csv\""));
  assert_null(strstr((char *)out.data, "  ) "));
  buffer_release(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_find),
      cmocka_unit_test(test_overview_names_every_command),
      cmocka_unit_test(test_summaries),
      cmocka_unit_test(test_pages_name_every_flag),
      cmocka_unit_test(test_completions),
      cmocka_unit_test(test_completion_of_a_shared_name),
      cmocka_unit_test(test_the_manual_is_roff),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
