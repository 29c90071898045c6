// rapport attribute as it is typed: what it prints, what it refuses, and with which exit status.
#include "cli_kit.h"

// Words with | between, since flags have blanks in them.
static int run(const char *flags) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "attribute|%s", flags);
  return run_split(line, "|");
}

static int run_on_file(const char *flags) {
  char line[400];
  snprintf(line, sizeof line, "--paths|paths.csv|%s", flags);
  return run(line);
}

static const char three[] = "path,total_conversions,total_conversion_value,total_null\n"
                            "c1 > c2 > c3,1,9,0\nc1,0,0,1\nc2 > c3,0,0,1\n";

static void test_markov_is_the_default(void **state) {
  (void)state;
  write_file("paths.csv", three);
  assert_int_equal(run_on_file(""), 0);
  assert_string_equal(out, "channel_name,total_conversions,total_conversion_value,removal_effects_conversion,"
                           "removal_effects_conversion_value\nc1,0.2,1.8,0.5,0.5\nc2,0.4,3.6,1,1\nc3,0.4,3.6,1,1\n");
  assert_string_equal(errors, "");
}

static void test_several_models(void **state) {
  (void)state;
  write_file("paths.csv", three);
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
  write_file("paths.csv", three);
  assert_int_equal(run_on_file("--without-null|--format|json"), 0);
  assert_non_null(strstr(out, "\"nulls\":false,\"conversion_probability\":1,\"solved_by\":\"elimination\",\"gap\":0"));
  write_file("paths.csv", "path,total_conversions\na > b,3\nb,1\n");
  assert_int_equal(run_on_file(""), 0);
  assert_string_equal(out, "channel_name,total_conversions,removal_effects_conversion\n"
                           "a,1.7142857142857142,0.75\nb,2.2857142857142856,1\n");
}

static void test_other_sheets(void **state) {
  (void)state;
  write_file("paths.csv", "path,total_conversions,total_null\n(null) > =b,3,1\n\"\"\"x > y\"\" > =b\",1,0\n");
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
  write_file("paths.csv", "path,total_conversions,total_null\na\x1b[31m > b,3,1\nb,1,0\n");
  assert_int_equal(run_on_file("--format|table"), 0);
  assert_non_null(strstr(out, "2 rows, 2 different paths, 2 channels, 4 conversions, 1 without"));
  assert_non_null(strstr(out, "█"));
  assert_null(strchr(out, '\x1b'));
  assert_int_equal(run_on_file("--format|table|--model|all"), 0);
  assert_non_null(strstr(out, "time_decay"));
}

static void test_transforms(void **state) {
  (void)state;
  write_file("paths.csv", "path,total_conversions\na > a > Direct,1\nDirect > Direct,2\n");
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
  if (strstr(errors, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", errors, words);
  assert_string_equal(out, "");
}

static void test_mistakes_in_flags(void **state) {
  (void)state;
  write_file("paths.csv", three);
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
  assert_non_null(strstr(errors, "--paths FILE.csv"));
}

static void test_files_that_are_none(void **state) {
  (void)state;
  assert_int_equal(run("--paths|none.csv"), 1);
  assert_non_null(strstr(errors, "No such file"));
  assert_int_equal(run("--paths|."), 1);
  assert_non_null(strstr(errors, "is a directory"));
  write_file("paths.csv", "");
  expect_failure("", 1, "paths.csv: the file is empty");
  write_file("paths.csv", "path,total_conversions\na,1\nb,-2\n");
  expect_failure("", 1, "paths.csv, line 3: column total_conversions: \"-2\" is no count");
}

static void test_nothing_to_share(void **state) {
  (void)state;
  write_file("paths.csv", "path,total_conversions,total_null\na > b,0,3\n");
  assert_int_equal(run_on_file(""), 0);
  assert_string_equal(out, "channel_name,total_conversions,removal_effects_conversion\na,0,0\nb,0,0\n");
  assert_non_null(strstr(errors, "no row has a conversion"));
  write_file("paths.csv", "path,total_conversions\n,3\na,1\n");
  assert_int_equal(run_on_file("--model|linear"), 0);
  assert_non_null(strstr(errors, "3 conversions are on paths without a channel"));
  assert_int_equal(run_on_file("--transform|first|--model|linear"), 0);
  assert_string_equal(out, "channel_name,linear_touch_conversions\na,1\n");
  write_file("paths.csv", "path,total_conversions\n,3\n");
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
  return cmocka_run_group_tests(tests, make_root, remove_root);
}
