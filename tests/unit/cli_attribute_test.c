// rapport attribute as it is typed: what it prints, what it refuses, and with which exit status.
#include "attribution_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

static char folder[64], paths_file[96], out_file[96], err_file[96];
static char out[262144], err_text[65536];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/rapport-attribute-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(paths_file, sizeof paths_file, "%s/paths.csv", folder);
  snprintf(out_file, sizeof out_file, "%s/out", folder);
  snprintf(err_file, sizeof err_file, "%s/err", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(paths_file);
  unlink(out_file);
  unlink(err_file);
  rmdir(folder);
  return 0;
}

static void write_paths(const char *text) {
  FILE *file = fopen(paths_file, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  fclose(file);
}

static void read_back(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  size_t got = fread(text, 1, size - 1, file);
  text[got] = '\0';
  fclose(file);
}

// Runs the words, with standard output and error in files; returns the exit status.
static int run(const char *flags) {
  char line[512], *words[32] = {"rapport", "attribute"}, *rest = NULL;
  int count = 2, kept[2] = {dup(1), dup(2)};
  snprintf(line, sizeof line, "%s", flags);
  for (char *word = strtok_r(line, "|", &rest); word != NULL; word = strtok_r(NULL, "|", &rest)) words[count++] = word;
  fflush(stdout);
  fflush(stderr);
  for (int i = 0; i < 2; i++) {
    int file = open(i == 0 ? out_file : err_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(file, i + 1);
    close(file);
  }
  int status = cli_main(count, words, NULL);
  fflush(stdout);
  fflush(stderr);
  for (int i = 0; i < 2; i++) {
    dup2(kept[i], i + 1);
    close(kept[i]);
  }
  read_back(out_file, out, sizeof out);
  read_back(err_file, err_text, sizeof err_text);
  return status;
}

// The words behind `--paths FILE`.
static int run_on_file(const char *flags) {
  char line[400];
  snprintf(line, sizeof line, "--paths|%s%s%s", paths_file, *flags != '\0' ? "|" : "", flags);
  return run(line);
}

static const char three[] = "path,total_conversions,total_conversion_value,total_null\n"
                            "c1 > c2 > c3,1,9,0\nc1,0,0,1\nc2 > c3,0,0,1\n";

static void test_markov_is_the_default(void **state) {
  (void)state;
  write_paths(three);
  assert_int_equal(run_on_file(""), 0);
  assert_string_equal(out, "channel_name,total_conversions,total_conversion_value,removal_effects_conversion,"
                           "removal_effects_conversion_value\nc1,0.2,1.8,0.5,0.5\nc2,0.4,3.6,1,1\nc3,0.4,3.6,1,1\n");
  assert_string_equal(err_text, "");
}

static void test_several_models(void **state) {
  (void)state;
  write_paths(three);
  assert_int_equal(run_on_file("--model|first,last|--model|markov"), 0);
  assert_string_equal(out, "channel_name,first_touch_conversions,first_touch_value,last_touch_conversions,"
                           "last_touch_value,markov_conversions,markov_value,removal_effects_conversion,"
                           "removal_effects_conversion_value\nc1,1,9,0,0,0.2,1.8,0.5,0.5\nc2,0,0,0,0,0.4,3.6,1,1\n"
                           "c3,0,0,1,9,0.4,3.6,1,1\n");
  assert_int_equal(run_on_file("--model|heuristics|--format|json"), 0);
  assert_non_null(strstr(out, "{\"rows\":3,\"paths\":3,\"conversions\":1,\"nulls\":2,\"value\":9,"));
  assert_non_null(strstr(out, "\"channels\":[{\"channel_name\":\"c1\",\"first_touch_conversions\":1,"));
}

static void test_without_null(void **state) {
  (void)state;
  write_paths(three);
  assert_int_equal(run_on_file("--without-null|--format|json"), 0);
  assert_non_null(strstr(out, "\"nulls\":false,\"conversion_probability\":1,\"solved_by\":\"elimination\",\"gap\":0"));
  write_paths("path,total_conversions\na > b,3\nb,1\n");
  assert_int_equal(run_on_file(""), 0);
  assert_string_equal(out, "channel_name,total_conversions,removal_effects_conversion\n"
                           "a,1.7142857142857142,0.75\nb,2.2857142857142856,1\n");
}

static void test_other_sheets(void **state) {
  (void)state;
  write_paths("path,total_conversions,total_null\n(null) > =b,3,1\n\"\"\"x > y\"\" > =b\",1,0\n");
  assert_int_equal(run_on_file("--transitions|names"), 0);
  assert_string_equal(out, "channel_from,channel_to,transition_probability\n(start),(null),0.8\n(start),x > y,0.2\n"
                           "(null),'=b,1\n'=b,(conversion),0.8\n'=b,(null),0.2\nx > y,'=b,1\n");
  assert_int_equal(run_on_file("--transitions|ids|--order|2"), 0);
  assert_string_equal(out, "channel_from,channel_to,transition_probability\n(start),\"1,2\",0.8\n(start),\"3,2\",0.2\n"
                           "\"1,2\",(conversion),0.75\n\"1,2\",(null),0.25\n\"3,2\",(conversion),1\n");
  assert_int_equal(run_on_file("--per-path"), 0);
  assert_non_null(strstr(out, "\"\"\"x > y\"\" > =b\",x > y,"));
  assert_int_equal(run_on_file("--affinity"), 0);
  assert_non_null(strstr(out, "\n(null),'=b,4,0\n"));
}

static void test_table(void **state) {
  (void)state;
  write_paths("path,total_conversions,total_null\na\x1b[31m > b,3,1\nb,1,0\n");
  assert_int_equal(run_on_file("--format|table"), 0);
  assert_non_null(strstr(out, "2 rows, 2 different paths, 2 channels, 4 conversions, 1 without"));
  assert_non_null(strstr(out, "█"));
  assert_null(strchr(out, '\x1b'));
  assert_int_equal(run_on_file("--format|table|--model|all"), 0);
  assert_non_null(strstr(out, "time_decay"));
}

static void test_transforms(void **state) {
  (void)state;
  write_paths("path,total_conversions\na > a > Direct,1\nDirect > Direct,2\n");
  assert_int_equal(run_on_file("--model|last|--transform|remove-if-not-all"), 0);
  assert_string_equal(out, "channel_name,last_touch_conversions\na,1\nDirect,2\n");
  assert_int_equal(run_on_file("--model|last_non_direct"), 0);
  assert_string_equal(out, "channel_name,last_non_direct_conversions\na,1\nDirect,2\n");
  assert_int_equal(run_on_file("--model|linear|--last|1"), 0);
  assert_string_equal(out, "channel_name,linear_touch_conversions\na,0\nDirect,3\n");
  assert_int_equal(run_on_file("--model|last|--transform|exposure,frequency"), 0);
  assert_string_equal(out, "channel_name,last_touch_conversions\na(1),0\nDirect(1),3\n");
}

static void expect_failure(const char *flags, int status, const char *words) {
  assert_int_equal(run_on_file(flags), status);
  if (strstr(err_text, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", err_text, words);
  assert_string_equal(out, "");
}

static void test_mistakes_in_flags(void **state) {
  (void)state;
  write_paths(three);
  expect_failure("--order|5", 2, "--order is \"5\"");
  expect_failure("--order|0", 2, "--order is \"0\"");
  expect_failure("--model|frist", 2, "did you mean first?");
  expect_failure("--model|last_paid", 2, "--paid LIST");
  expect_failure("--model|last_paid|--paid|c4", 2, "no path has a channel \"c4\"");
  expect_failure("--format|ndjson", 2, "--format is \"ndjson\"");
  expect_failure("--position-weights|40/20", 2, "three parts such as 40/20/40");
  expect_failure("--position-weights|40/40/40", 2, "add up to 100");
  expect_failure("--half-life|0", 2, "above 0");
  expect_failure("--transform|exposures", 2, "did you mean exposure?");
  expect_failure("--separator|\"", 2, "without a quote");
  assert_int_equal(run("--model|first"), 2);
  assert_non_null(strstr(err_text, "--paths FILE.csv"));
}

static void test_files_that_are_none(void **state) {
  (void)state;
  char line[200];
  snprintf(line, sizeof line, "--paths|%s/none.csv", folder);
  assert_int_equal(run(line), 1);
  assert_non_null(strstr(err_text, "No such file"));
  snprintf(line, sizeof line, "--paths|%s", folder);
  assert_int_equal(run(line), 1);
  assert_non_null(strstr(err_text, "is a directory"));
  write_paths("");
  expect_failure("", 1, "paths.csv: the file is empty");
  write_paths("path,total_conversions\na,1\nb,-2\n");
  expect_failure("", 1, "paths.csv, line 3: column total_conversions: \"-2\" is no count");
}

static void test_nothing_to_share(void **state) {
  (void)state;
  write_paths("path,total_conversions,total_null\na > b,0,3\n");
  assert_int_equal(run_on_file(""), 0);
  assert_string_equal(out, "channel_name,total_conversions,removal_effects_conversion\na,0,0\nb,0,0\n");
  assert_non_null(strstr(err_text, "no row has a conversion"));
  write_paths("path,total_conversions\n,3\na,1\n");
  assert_int_equal(run_on_file("--model|linear"), 0);
  assert_non_null(strstr(err_text, "3 conversions are on paths without a channel"));
  assert_int_equal(run_on_file("--transform|first|--model|linear"), 0);
  assert_string_equal(out, "channel_name,linear_touch_conversions\na,1\n");
  write_paths("path,total_conversions\n,3\n");
  assert_int_equal(run_on_file("--model|all"), 0);
  assert_int_equal(run_on_file("--format|table"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_markov_is_the_default),
      cmocka_unit_test(test_several_models),
      cmocka_unit_test(test_without_null),
      cmocka_unit_test(test_other_sheets),
      cmocka_unit_test(test_table),
      cmocka_unit_test(test_transforms),
      cmocka_unit_test(test_mistakes_in_flags),
      cmocka_unit_test(test_files_that_are_none),
      cmocka_unit_test(test_nothing_to_share),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
