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
    struct option_set taken = command_options(&commands[i]);
    for (int j = 0; j < OPTION_COUNT; j++) {
      char flag[OPTION_NAME_BYTES];
      snprintf(flag, sizeof flag, "--%s", options_param((enum option)j)->name);
      if (option_set_has(&taken, j)) assert_non_null(strstr((char *)out.data, flag));
    }
    for (char *line = strtok((char *)out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
      // Examples are never broken; all else fits a terminal.
      if (strncmp(line, "  rapport", 9) != 0 && strncmp(line, "  zcat", 6) != 0) assert_in_range(strlen(line), 1, 86);
    }
    buffer_release(&out);
  }
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_find),        cmocka_unit_test(test_overview_names_every_command),
      cmocka_unit_test(test_summaries),   cmocka_unit_test(test_pages_name_every_flag),
      cmocka_unit_test(test_completions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
