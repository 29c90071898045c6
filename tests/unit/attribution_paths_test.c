// Files of paths: what is read, what is refused and in which words, and that threads change nothing.
#include "attribution_kit.h"

#include "base/real.h"

// --- reading -------------------------------------------------------------------------------------------------

static void expect_path(const struct paths *paths, size_t row, const char *wanted) {
  struct buffer text;
  buffer_init(&text);
  assert_true(row < paths->row_count);
  paths_text_write(&text, paths, paths_steps(paths, &paths->rows[row]), paths->rows[row].count, BYTES(" > "));
  buffer_append_byte(&text, '\0');
  assert_string_equal((char *)text.data, wanted);
  buffer_release(&text);
}

// With a byte order mark, quotes, and a column that is not asked for.
static const char marked[] =
    "\xef\xbb\xbf\"total_null\",\"id\",\"path\",\"total_conversion_value\",\"total_conversions\"\n"
    "2,x,\"a > b\",1.5,3\n0,\"y,z\",b,0.25,\"1\"\n";

static void test_columns_and_delimiters(void **state) {
  (void)state;
  static const char *const files[] = {
      "path,total_conversions,total_conversion_value,total_null\na > b,3,1.5,2\nb,1,0.25,0\n",
      "path;total_conversions;total_conversion_value;total_null\na > b;3;1.5;2\nb;1;0.25;0",
      "path\ttotal_conversions\ttotal_conversion_value\ttotal_null\r\na > b\t3\t1.5\t2\r\n\r\nb\t1\t0.25\t0\r\n",
      marked,
      "path,total_conversions,total_conversion_value,total_null\na>b,3.0,15e-1,2\n >b >,1e0,.25,0\n",
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    struct paths paths;
    kit_read_text(&paths, files[i]);
    assert_int_equal(paths.row_count, 2);
    assert_int_equal(paths.channels.count, 2);
    assert_true(paths.has_value && paths.has_nulls);
    expect_path(&paths, 0, "a > b");
    assert_int_equal(paths.rows[0].conversions, 3);
    assert_int_equal(paths.rows[0].nulls, 2);
    kit_near(paths_value(&paths.rows[0]), 1.5, 0);
    assert_int_equal(paths.rows[1].conversions, 1);
    paths_release(&paths);
  }
}

static void test_columns_left_out(void **state) {
  (void)state;
  struct paths paths;
  kit_read_text(&paths, "path,total_conversions\na,2\n");
  assert_false(paths.has_value);
  assert_false(paths.has_nulls);
  assert_int_equal(paths.nulls, 0);
  paths_release(&paths);
}

static void test_equal_paths_are_one(void **state) {
  (void)state;
  struct paths paths;
  kit_read_text(&paths,
                "path,total_conversions,total_conversion_value,total_null\na > b,1,0.1,2\nb > a,1,1,1\na>b,2,0.2,3\n");
  assert_int_equal(paths.rows_read, 3);
  assert_int_equal(paths.row_count, 2);
  assert_int_equal(paths.rows[0].conversions, 3);
  assert_int_equal(paths.rows[0].nulls, 5);
  kit_near(paths_value(&paths.rows[0]), 0.3, 1e-16);
  assert_int_equal(paths.conversions, 4);
  paths_release(&paths);
}

static void test_names(void **state) {
  (void)state;
  static const struct {
    const char *cell, *wanted;
    size_t steps;
  } cases[] = {
      {"(null) > (start) > (conversion)", "(null) > (start) > (conversion)", 3},
      {"\"\"\"a > b\"\" > c\"", "\"a > b\" > c", 2},
      {"\"\"\"a \"\"\"\"x\"\"\"\" > b\"\"\"", "\"a \"\"x\"\" > b\"", 1},
      {"\"a \"\"x\"\" > b\"", "a \"x\" > b", 2},
      {"\"\"\"a > b\"", "\"\"\"a\" > b", 2}, // not closed: a quote like other text
      {"été > 東京", "été > 東京", 2},
      {" a  > b > > c > ", "a > b > c", 3},
      {"=cmd()", "=cmd()", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct paths paths;
    char csv[256];
    snprintf(csv, sizeof csv, "path,total_conversions\n%s,1\n", cases[i].cell);
    kit_read_text(&paths, csv);
    assert_int_equal(paths.rows[0].count, cases[i].steps);
    expect_path(&paths, 0, cases[i].wanted);
    paths_release(&paths);
  }
}

static void test_separators(void **state) {
  (void)state;
  static const char *const separators[] = {"->", " -> ", "|", "→", " ", "\t"};
  static const char *const texts[] = {"a->b", "a -> b", "a | b", "a→b", "a b", "a\tb"};
  for (size_t i = 0; i < 6; i++) {
    struct paths paths;
    struct paths_text text;
    paths_init(&paths);
    paths_text_init(&text, bytes_from_text(separators[i]));
    assert_int_equal(paths_text_read(&text, bytes_from_text(texts[i]), &paths, NULL), ERR_OK);
    assert_int_equal(text.count, 2);
    assert_int_equal(paths.channels.names[1].size_bytes, 1);
    paths_text_release(&text);
    paths_release(&paths);
  }
}

static void test_paths_without_a_step(void **state) {
  (void)state;
  struct paths paths;
  kit_read_text(&paths, "path,total_conversions,total_null\n,1,0\n > > ,2,0\na >  > b,3,0\nc,4,0\n");
  assert_int_equal(paths.row_count, 2);
  assert_int_equal(paths.channels.count, 3);
  assert_int_equal(paths.empty.conversions, 3);
  assert_int_equal(paths.conversions, 10);
  paths_release(&paths);
}

static void test_large_counts(void **state) {
  (void)state;
  struct paths paths;
  kit_read_text(&paths, "path,total_conversions\na,4294967296\nb,9223372032559808512\n");
  assert_true(paths.conversions == PATHS_WEIGHT_MAX);
  paths_release(&paths);
}

// --- refusals ------------------------------------------------------------------------------------------------

static void expect_refusal(struct bytes csv, const char *code, const char *field, const char *words) {
  struct paths paths;
  struct diag diag;
  const struct paths_csv_options options = {.threads = 2};
  diag_init(&diag);
  paths_init(&paths);
  assert_true(paths_csv_read(csv, &options, &paths, &diag) < 0);
  paths_release(&paths);
  assert_string_equal(diag.code, code);
  assert_string_equal(diag.field, field);
  if (strstr(diag.message, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", diag.message, words);
}

static void test_refusals(void **state) {
  (void)state;
  static const char *const cases[][4] = {
      {"", "empty_file", "", "expected a header such as path,total_conversions"},
      {"\n\n", "empty_file", "", "the file is empty"},
      {"path,total_conversions\n", "no_rows", "", "no row"},
      {"path,conversions\na,1\n", "no_column", "line 1", "no column \"total_conversions\""},
      {"path,total_conversion\na,1\n", "no_column", "line 1", "did you mean it by \"total_conversion\"?"},
      {"paths,total_conversions\na,1\n", "no_column", "line 1", "did you mean it by \"paths\"?"},
      {"path,path,total_conversions\na,b,1\n", "no_column", "line 1", "two columns \"path\""},
      {"path,total_conversions\na,1\nb,-1\n", "bad_number", "line 3", "column total_conversions: \"-1\" is no count"},
      {"path,total_conversions\na,1.5\n", "bad_number", "line 2", "expected a whole number"},
      {"path,total_conversions\na,\n", "bad_number", "line 2", "\"\" is no count"},
      {"path,total_conversions\na,NA\n", "bad_number", "line 2", "\"NA\" is no count"},
      {"path,total_conversions,total_null\na,1,0x1F\n", "bad_number", "line 2", "column total_null"},
      {"path,total_conversions\na,18446744073709551616\n", "too_large", "line 2", "too large"},
      {"path,total_conversions\na,9223372036854775809\n", "too_large", "line 2", "more than 9223372036854775808"},
      {"path,total_conversions\na,9223372036854775808\nb,1\n", "too_large", "line 3", "all counts together"},
      {"path,total_conversions,total_conversion_value\na,1,nan\n", "bad_number", "line 2", "\"nan\" is no number"},
      {"path,total_conversions,total_conversion_value\na,1,inf\n", "bad_number", "line 2", "such as 12.5"},
      {"path,total_conversions,total_conversion_value\na,1,1e999\n", "too_large", "line 2", "too large"},
      {"path;total_conversions;total_conversion_value\na;1;1,5\n", "bad_number", "line 2", "\"1,5\" is no number"},
      {"path,total_conversions\na,1,2\n", "bad_csv", "line 2", "3 columns where the header has 2"},
      {"path,total_conversions\n\na\n", "bad_csv", "line 3", "1 columns where the header has 2"},
      {"path,total_conversions\n\"a,1\n", "bad_csv", "line 2", "a quote is not closed"},
      {"path,total_conversions\n\"a\"b,1\n", "bad_csv", "line 2", "text follows a closing quote"},
      {"path,total_conversions\n\"a\nb\",1\nc,x\n", "bad_number", "line 4", "\"x\""},
      {"path,total_conversions\na \xff,1\n", "invalid_utf8", "line 2", "not UTF-8"},
      {"\x7f"
       "ELF\x02\x01\x01\n\x03\n",
       "no_column", "line 1", "no column \"path\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect_refusal(bytes_from_text(cases[i][0]), cases[i][1], cases[i][2], cases[i][3]);
  expect_refusal(bytes_of("\0\0\0\0\0", 5), "no_column", "line 1", "path");
}

static void test_limits(void **state) {
  (void)state;
  struct buffer text;
  buffer_init(&text);
  buffer_append_text(&text, "path,total_conversions\n");
  for (int i = 0; i <= PATHS_CHANNELS_MAX; i++) buffer_append_format(&text, "c%d,1\n", i);
  expect_refusal(buffer_view(&text), "too_many_channels", "line 65537", "more than 65535 channels");
  buffer_clear(&text);
  buffer_append_text(&text, "path,total_conversions\n");
  for (int i = 0; i <= PATHS_NAME_BYTES; i++) buffer_append_byte(&text, 'x');
  buffer_append_text(&text, ",1\n");
  expect_refusal(buffer_view(&text), "too_large", "line 2", "at most 1024");
  buffer_release(&text);
}

// --- threads -------------------------------------------------------------------------------------------------

// Several chunks, some channels only in the last, some paths in all, quotes and line ends inside fields.
static void write_large(struct buffer *text, bool quotes) {
  uint64_t random = 4711;
  buffer_append_text(text, "path,total_conversions,total_conversion_value,total_null\n");
  for (int i = 0; text->size_bytes < 13u << 20; i++) {
    size_t steps = 1 + kit_random(&random) % 6;
    if (quotes) buffer_append_byte(text, '"');
    for (size_t j = 0; j < steps; j++)
      buffer_append_format(text, "%s%schannel %u%s", j > 0 ? " > " : "", quotes && j == 2 ? "\"\"with\n > " : "",
                           (unsigned)(kit_random(&random) % (3 + (unsigned)i / 40000)), quotes && j == 2 ? "\"\"" : "");
    if (quotes) buffer_append_byte(text, '"');
    buffer_append_format(text, ",%u,%.3f,%u\n", (unsigned)(kit_random(&random) % 3),
                         (double)(kit_random(&random) % 100000) / 1000, (unsigned)(kit_random(&random) % 5));
  }
}

static void expect_same(const struct paths *a, const struct paths *b) {
  assert_int_equal(a->channels.count, b->channels.count);
  for (size_t i = 0; i < a->channels.count; i++) assert_true(bytes_equal(a->channels.names[i], b->channels.names[i]));
  assert_int_equal(a->row_count, b->row_count);
  assert_int_equal(a->rows_read, b->rows_read);
  assert_int_equal(a->step_count, b->step_count);
  assert_memory_equal(a->steps, b->steps, a->step_count * sizeof *a->steps);
  for (size_t i = 0; i < a->row_count; i++) {
    assert_int_equal(a->rows[i].conversions, b->rows[i].conversions);
    assert_int_equal(a->rows[i].nulls, b->rows[i].nulls);
    kit_near(paths_value(&a->rows[i]), paths_value(&b->rows[i]), 0);
  }
}

static void test_threads_change_nothing(void **state) {
  (void)state;
  for (int quotes = 0; quotes < 2; quotes++) {
    struct buffer text;
    struct paths one, other;
    buffer_init(&text);
    write_large(&text, quotes == 1);
    kit_read(&one, buffer_view(&text), 1);
    assert_true(one.rows_read > 100000);
    for (unsigned threads = 2; threads <= 7; threads += 5) {
      kit_read(&other, buffer_view(&text), threads);
      expect_same(&one, &other);
      paths_release(&other);
    }
    paths_release(&one);
    // A mistake in the last chunk is told with its line in the file.
    size_t lines = 1;
    for (size_t i = 0; i < text.size_bytes; i++) lines += text.data[i] == '\n';
    char line[32];
    snprintf(line, sizeof line, "line %zu", lines);
    buffer_append_text(&text, "a,1,2,x\n");
    expect_refusal(buffer_view(&text), "bad_number", line, "column total_null");
    buffer_release(&text);
  }
}

// --- transforms ----------------------------------------------------------------------------------------------

static void expect_transform(const char *path, enum paths_transform transform, size_t last, const char *wanted) {
  struct paths in, out;
  struct paths_text text;
  const struct paths_figures figures = {.conversions = 1};
  paths_init(&in);
  paths_init(&out);
  paths_text_init(&text, BYTES(" > "));
  assert_int_equal(paths_text_read(&text, bytes_from_text(path), &in, NULL), ERR_OK);
  assert_int_equal(paths_add(&in, text.steps, text.count, &figures, NULL), ERR_OK);
  bool removed[8] = {false};
  int64_t direct = paths_channel_find(&in, BYTES("Direct"));
  if (direct >= 0) removed[direct] = true;
  assert_int_equal(paths_transform(&in, transform, removed, last, &out, NULL), ERR_OK);
  expect_path(&out, 0, wanted);
  assert_int_equal(out.conversions, 1);
  paths_text_release(&text);
  paths_release(&in);
  paths_release(&out);
}

static void test_transforms(void **state) {
  (void)state;
  expect_transform("D > A > B > B > C > D > C > C", PATHS_UNIQUE, 0, "D > A > B > B > C > D > C > C");
  expect_transform("D > A > B > B > C > D > C > C", PATHS_EXPOSURE, 0, "D > A > B > C > D > C");
  expect_transform("D > A > B > B > C > D > C > C", PATHS_FIRST, 0, "D > A > B > C");
  expect_transform("D > A > B > B > C > D > C > C", PATHS_FREQUENCY, 0, "D(2) > A(1) > B(2) > C(3)");
  expect_transform("x > Direct > y > Direct", PATHS_REMOVE_IF_NOT_ALL, 0, "x > y");
  expect_transform("x > Direct > y > Direct", PATHS_REMOVE_IF_LAST_AND_NOT_ALL, 0, "x > Direct > y");
  expect_transform("Direct > Direct", PATHS_REMOVE_IF_NOT_ALL, 0, "Direct > Direct");
  expect_transform("Direct > Direct", PATHS_REMOVE_IF_LAST_AND_NOT_ALL, 0, "Direct > Direct");
  expect_transform("a > b > c", PATHS_LAST, 2, "b > c");
  expect_transform("a > b > c", PATHS_LAST, 9, "a > b > c");
}

// Paths that a transform makes equal become one.
static void test_transformed_paths_join(void **state) {
  (void)state;
  struct paths in, out;
  kit_read_text(&in, "path,total_conversions,total_null\na > a > b,1,3\na > b,2,4\n,1,1\n");
  paths_init(&out);
  assert_int_equal(paths_transform(&in, PATHS_EXPOSURE, NULL, 0, &out, NULL), ERR_OK);
  assert_int_equal(out.row_count, 1);
  assert_int_equal(out.rows[0].conversions, 3);
  assert_int_equal(out.rows[0].nulls, 7);
  assert_int_equal(out.empty.conversions, 1);
  assert_int_equal(out.rows_read, 3);
  paths_release(&in);
  paths_release(&out);
}

// --- numbers -------------------------------------------------------------------------------------------------

static void test_numbers_are_exact(void **state) {
  (void)state;
  static const char *const texts[] = {"0",
                                      "1",
                                      "-0.5",
                                      "30.7346153846154",
                                      "1e22",
                                      "1e23",
                                      "0.1",
                                      "123456789012345678901234567890",
                                      "5e-324",
                                      "1e-400",
                                      ".5",
                                      "5.",
                                      "1.7976931348623157e308",
                                      "9007199254740993",
                                      "0.30000000000000004",
                                      "+7"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    double got, back;
    char text[REAL_TEXT_BYTES];
    assert_int_equal(real_read(bytes_from_text(texts[i]), &got), ERR_OK);
    kit_near(got, strtod(texts[i], NULL), 0);
    size_t size = real_write(text, got);
    assert_int_equal(real_read(bytes_of(text, size), &back), ERR_OK);
    kit_near(back, got, 0);
  }
  static const char *const refused[] = {"", "-", ".", "e5", "1e", "0x10", "nan", "inf", "1 ", "1,5", "--1", "1e5x"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    double number;
    uint64_t count;
    assert_int_equal(real_read(bytes_from_text(refused[i]), &number), ERR_INVALID);
    assert_int_equal(real_read_count(bytes_from_text(refused[i]), &count), ERR_INVALID);
  }
}

static void test_numbers_are_short(void **state) {
  (void)state;
  static const struct {
    double number;
    const char *text;
  } cases[] = {{0.1, "0.1"}, {3164, "3164"},  {-0.0, "0"},    {0x1p63, "9223372036854775808"}, {1e-7, "1e-07"},
               {0.3, "0.3"}, {1e22, "1e+22"}, {-2.5, "-2.5"}, {1.0 / 3, "0.3333333333333333"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[REAL_TEXT_BYTES];
    assert_int_equal(real_write(text, cases[i].number), strlen(cases[i].text));
    assert_string_equal(text, cases[i].text);
  }
}

static void test_counts(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum err err;
    uint64_t count;
  } cases[] = {{"3", ERR_OK, 3},
               {"3.0", ERR_OK, 3},
               {"1e+05", ERR_OK, 100000},
               {"1.25e2", ERR_OK, 125},
               {"-0", ERR_OK, 0},
               {"0.5", ERR_INVALID, 0},
               {"1e-1", ERR_INVALID, 0},
               {"-3", ERR_INVALID, 0},
               {"1e20", ERR_LIMIT, 0},
               {"18446744073709551615", ERR_OK, UINT64_MAX},
               {"18446744073709551616", ERR_LIMIT, 0},
               {"0e99", ERR_OK, 0},
               {"30e-1", ERR_OK, 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t count = 0;
    enum err err = real_read_count(bytes_from_text(cases[i].text), &count);
    if (err != cases[i].err) fail_msg("%s: %d", cases[i].text, err);
    if (err == ERR_OK) assert_true(count == cases[i].count);
  }
}

// Each allocation fails in turn.
static void test_short_memory(void **state) {
  (void)state;
  for (uint64_t allowed = 0;; allowed++) {
    const struct paths_csv_options options = {.threads = 1};
    struct paths paths, out;
    struct diag diag;
    diag_init(&diag);
    paths_init(&paths);
    paths_init(&out);
    alloc_fail_after(allowed, false);
    enum err err =
        paths_csv_read(BYTES("path,total_conversions\n\"a > \"\"b\"\" > c\",1\nc > a,2\n"), &options, &paths, &diag);
    if (err == ERR_OK) err = paths_transform(&paths, PATHS_FREQUENCY, NULL, 0, &out, &diag);
    bool failed = alloc_fail_disarm();
    assert_true(err == (failed ? ERR_NO_MEMORY : ERR_OK));
    paths_release(&paths);
    paths_release(&out);
    if (!failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_columns_and_delimiters),
      cmocka_unit_test(test_columns_left_out),
      cmocka_unit_test(test_equal_paths_are_one),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_separators),
      cmocka_unit_test(test_paths_without_a_step),
      cmocka_unit_test(test_large_counts),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_threads_change_nothing),
      cmocka_unit_test(test_transforms),
      cmocka_unit_test(test_transformed_paths_join),
      cmocka_unit_test(test_numbers_are_exact),
      cmocka_unit_test(test_numbers_are_short),
      cmocka_unit_test(test_counts),
      cmocka_unit_test(test_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
