// The golden answers, tests/golden/rule/answers/*.txt (its README.md has the form): every case by the reference and by
// the machine, which is given the customer once with columns that say all they can, once with none. What the machine
// says will stay must be so one microsecond before the end.
#include "rule_trial.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { LINE_BYTES = 16384, PATH_BYTES = 1024, FILES_MAX = 64, CASES_LEAST = 450 };

struct row {
  const char *file;
  int line;
  char expression[LINE_BYTES], customer[LINE_BYTES], answer[LINE_BYTES];
};

static int failures;

static void complain(const struct row *row, const char *what, const char *got) {
  failures++;
  fprintf(stderr, "%s:%d: %s\n  %s\n  %s\n  expected %s\n  got      %s\n", row->file, row->line, what, row->expression,
          row->customer, row->answer, got);
}

// --- what is expected ----------------------------------------------------------------------------------------

struct expected {
  bool unknown, has_until;
  int64_t until_us;
  struct bytes json;
};

static bool read_expected(const struct row *row, const struct rule_zone *zone, struct expected *expected) {
  const char *text = row->answer, *until = NULL;
  for (const char *at = text; (at = strstr(at, " until ")) != NULL; at++) until = at;
  if (until != NULL && strchr(until, '"') != NULL) until = NULL; // it stands inside a text
  *expected = (struct expected){.unknown = strcmp(text, "unknown") == 0,
                                .has_until = until != NULL,
                                .until_us = INT64_MAX,
                                .json = bytes_of(text, until == NULL ? strlen(text) : (size_t)(until - text))};
  if (until == NULL || strcmp(until, " until never") == 0) return true;
  return sample_time(zone, bytes_from_text(until + strlen(" until ")), &expected->until_us);
}

// Whether two JSON texts say the same, numbers by value.
static bool same_json(struct sample *sample, struct bytes a, struct bytes b) {
  struct buffer out[2];
  struct bytes texts[] = {a, b};
  bool good = true;
  for (size_t i = 0; i < 2; i++) {
    struct diag diag;
    buffer_init(&out[i]);
    good = value_parse_json(sample->parser, texts[i], sample->names, &out[i], &diag) == ERR_OK && good;
  }
  good = good && value_equal((struct value){buffer_view(&out[0])}, (struct value){buffer_view(&out[1])});
  buffer_release(&out[0]);
  buffer_release(&out[1]);
  return good;
}

// --- one case ------------------------------------------------------------------------------------------------

static void check_value(const struct row *row, struct sample *sample, const struct expected *expected,
                        enum rule_status status, struct buffer *json, const char *who) {
  if (status == RULE_UNKNOWN) buffer_clear(json);
  if (status == RULE_UNKNOWN) buffer_append_text(json, "unknown");
  bool good = (status == RULE_UNKNOWN) == expected->unknown &&
              (expected->unknown || same_json(sample, buffer_view(json), expected->json));
  buffer_append_byte(json, 0);
  if (!good) complain(row, who, (const char *)json->data);
  buffer_release(json);
}

static void check_reference(const struct row *row, struct trial *trial, struct sample *sample,
                            const struct expected *expected) {
  struct buffer json;
  buffer_init(&json);
  struct reference_answer answer = rule_reference_run(trial->tree, sample, sample->now_us, &trial->arena);
  rule_reference_print(&answer.value, sample->names, &json);
  check_value(row, sample, expected, answer.status, &json, "the reference");
}

static bool agrees(const struct reference_answer *reference, const struct rule_answer *answer) {
  return answer->status == reference->status &&
         (answer->status == RULE_UNKNOWN || rule_reference_same(&answer->value, &reference->value));
}

// The value one microsecond before it ends, by both.
static void check_last_moment(const struct row *row, struct trial *trial, struct sample_view *view, int64_t until_us) {
  struct reference_answer first = rule_reference_run(trial->tree, view->sample, view->sample->now_us, &trial->arena);
  struct reference_answer last = rule_reference_run(trial->tree, view->sample, until_us - 1, &trial->arena);
  struct rule_answer answer;
  char time[CLOCK_TEXT_BYTES];
  if (until_us == INT64_MAX) return;
  if (last.status != first.status || !rule_reference_same(&first.value, &last.value))
    complain(row, "by the reference it changes before it ends", trial_time(until_us, time));
  const char *problem = trial_run(trial, view, until_us - 1, true, &answer);
  if (problem != NULL) complain(row, "before its end", problem);
  if (problem == NULL && !agrees(&last, &answer))
    complain(row, "by the machine it changes before it ends", trial_time(until_us, time));
}

static void check_machine(const struct row *row, struct trial *trial, struct sample *sample,
                          const struct expected *expected, enum sample_manner manner) {
  const char *who = manner == SAMPLE_HOT ? "the machine, with columns" : "the machine, with messages";
  struct reference_answer reference = rule_reference_run(trial->tree, sample, sample->now_us, &trial->arena);
  struct sample_view view;
  struct rule_answer answer;
  struct buffer json;
  struct json_writer writer;
  char time[CLOCK_TEXT_BYTES];
  sample_view_init(&view, sample, manner);
  const char *problem = trial_run(trial, &view, sample->now_us, true, &answer);
  if (problem != NULL) {
    complain(row, who, problem);
  } else {
    buffer_init(&json);
    json_writer_init(&writer, &json);
    rule_value_to_json(&writer, &answer.value, sample->names);
    check_value(row, sample, expected, answer.status, &json, who);
    if (!agrees(&reference, &answer)) complain(row, who, "not what the reference says");
    if (expected->has_until && answer.valid_until_us != expected->until_us)
      complain(row, "until", trial_time(answer.valid_until_us, time));
    int64_t until_us = answer.valid_until_us;
    problem = trial_run(trial, &view, sample->now_us, false, &answer);
    if (problem != NULL) complain(row, "without until", problem);
    if (problem == NULL && !agrees(&reference, &answer)) complain(row, who, "another value when no until is wanted");
    check_last_moment(row, trial, &view, until_us);
  }
  sample_view_release(&view);
}

static void check_refusal(const struct row *row, const struct rule_diag *diag) {
  char found[LINE_BYTES];
  const char *words = strstr(diag->message, ": ");
  snprintf(found, sizeof found, "error %s %u:%u %s", diag->code, diag->place.line, diag->place.column,
           words == NULL ? diag->message : words + 2);
  if (strcmp(found, row->answer) != 0) complain(row, "the refusal", found);
}

// False when the case needs a time zone that this machine does not have.
static bool check_row(const struct row *row) {
  struct trial trial;
  struct sample sample;
  struct rule_diag diag;
  struct expected expected;
  char problem[256];
  bool wrong = strncmp(row->answer, "error ", 6) == 0;
  sample_init(&sample);
  enum sample_read read = sample_read(&sample, bytes_from_text(row->customer), problem);
  bool refused = trial_parse(&trial, bytes_from_text(row->expression), &sample, &diag) != ERR_OK;
  if (wrong != refused)
    complain(row, wrong ? "it is not refused" : "it is refused", refused ? diag.message : "");
  else if (refused)
    check_refusal(row, &diag);
  else if (read == SAMPLE_WRONG || !read_expected(row, sample.zone, &expected))
    complain(row, "the case itself is wrong", problem);
  else if (read == SAMPLE_READ) {
    check_reference(row, &trial, &sample, &expected);
    trial_compile(&trial, &sample);
    check_machine(row, &trial, &sample, &expected, SAMPLE_HOT);
    check_machine(row, &trial, &sample, &expected, SAMPLE_COLD);
  }
  sample_release(&sample);
  trial_release(&trial);
  return read != SAMPLE_NO_ZONE;
}

// --- the files -----------------------------------------------------------------------------------------------

static bool read_line(FILE *file, char line[LINE_BYTES], int *number) {
  do {
    if (fgets(line, LINE_BYTES, file) == NULL) return false;
    assert_true(strlen(line) < LINE_BYTES - 1);
    line[strcspn(line, "\n")] = '\0';
    ++*number;
  } while (line[0] == '#' || line[0] == '\0');
  return true;
}

static int check_file(const char *folder, const char *name) {
  char path[2 * PATH_BYTES];
  struct row *row = alloc_get(sizeof *row);
  int line = 0, rows = 0;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  assert_true(file != NULL && row != NULL);
  row->file = name;
  while (read_line(file, row->expression, &line)) {
    row->line = line;
    if (!read_line(file, row->customer, &line) || !read_line(file, row->answer, &line))
      fail_msg("%s: the last case has less than three lines", name);
    rows += check_row(row);
  }
  fclose(file);
  alloc_free(row);
  return rows;
}

static int by_name(const void *a, const void *b) {
  return strcmp(a, b);
}

static void answers_every_golden_case(void **state) {
  (void)state;
  char folder[PATH_BYTES], files[FILES_MAX][256];
  const char *slash = strrchr(__FILE__, '/');
  size_t file_count = 0;
  int rows = 0;
  snprintf(folder, sizeof folder, "%.*s/../golden/rule/answers", slash == NULL ? 1 : (int)(slash - __FILE__),
           slash == NULL ? "." : __FILE__);
  DIR *directory = opendir(folder);
  if (directory == NULL) fail_msg("cannot read %s", folder);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    size_t size = strlen(entry->d_name);
    if (size < 5 || strcmp(entry->d_name + size - 4, ".txt") != 0) continue;
    assert_true(file_count < FILES_MAX);
    snprintf(files[file_count++], sizeof *files, "%s", entry->d_name);
  }
  closedir(directory);
  qsort(files, file_count, sizeof *files, by_name);
  for (size_t i = 0; i < file_count; i++) rows += check_file(folder, files[i]);
  print_message("%d cases\n", rows);
  assert_int_equal(failures, 0);
  assert_true(rows >= CASES_LEAST);
}

// --- what a line cannot say ----------------------------------------------------------------------------------

enum { MANY = 1500 };

// MANY events of one second each, v their number, w one of seven; and one with MANY items.
static void read_many(struct sample *sample) {
  struct buffer json;
  char problem[256];
  buffer_init(&json);
  buffer_append_text(&json, "{\"now\":\"2026-03-30T10:00:00Z\",\"zone\":\"UTC\",\"events\":[");
  for (int i = 0; i < MANY; i++)
    buffer_append_format(&json, "[\"A\",\"2026-03-30T08:%02d:%02dZ\",{\"v\":%d,\"w\":\"%d\"}],", i / 60, i % 60, i,
                         i % 7);
  buffer_append_text(&json, "[\"B\",\"2026-03-30T09:00:00Z\",{\"list\":[");
  for (int i = 0; i < MANY; i++) buffer_append_format(&json, "%s{\"v\":%d}", i == 0 ? "" : ",", i % 100);
  buffer_append_text(&json, "]}]]}");
  sample_init(sample);
  if (sample_read(sample, buffer_view(&json), problem) != SAMPLE_READ) fail_msg("%s", problem);
  buffer_release(&json);
}

static void ask(struct trial *trial, struct sample *sample, const char *expression) {
  struct rule_diag diag;
  if (trial_parse(trial, bytes_from_text(expression), sample, &diag) != ERR_OK) fail_msg("%s", diag.message);
  trial_compile(trial, sample);
}

static void gathers_many_values(void **state) {
  (void)state;
  static const struct {
    const char *expression;
    int64_t expected;
  } cases[] = {
      {"count(\"A\")", MANY},
      {"sum(v of \"A\")", MANY * (MANY - 1) / 2},
      {"distinct(v of \"A\")", MANY},
      {"distinct(w of \"A\")", 7},
      {"length(list(v of \"A\"))", 1000},
      {"number(most_frequent(w of \"A\"))", 1}, // 0 and 1 came once more than the others; 1 came last
      {"count(\"B\".list)", MANY},
      {"distinct(v of \"B\".list)", 100},
      {"length(list(v of \"B\".list))", 1000},
  };
  struct sample sample;
  read_many(&sample);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct trial trial;
    struct sample_view view;
    struct rule_answer answer;
    ask(&trial, &sample, cases[i].expression);
    sample_view_init(&view, &sample, i % 2 ? SAMPLE_HOT : SAMPLE_COLD);
    assert_null(trial_run(&trial, &view, sample.now_us, true, &answer));
    struct reference_answer reference = rule_reference_run(trial.tree, &sample, sample.now_us, &trial.arena);
    if (!agrees(&reference, &answer)) fail_msg("%s", cases[i].expression);
    assert_int_equal(decimal_compare(answer.value.number, decimal_from_i64(cases[i].expected)), 0);
    assert_true(answer.steps >= 1);
    sample_view_release(&view);
    trial_release(&trial);
  }
  sample_release(&sample);
}

// The list keeps the newest ones, in order.
static void lists_the_newest(void **state) {
  (void)state;
  struct sample sample;
  struct trial trial;
  struct sample_view view;
  struct rule_answer answer;
  struct decimal number;
  int64_t expected = MANY - 1000;
  read_many(&sample);
  ask(&trial, &sample, "list(v of \"A\")");
  sample_view_init(&view, &sample, SAMPLE_COLD);
  assert_null(trial_run(&trial, &view, sample.now_us, true, &answer));
  assert_int_equal(answer.value.type, RULE_TYPE_LIST);
  for (struct value_iter iter = value_iterate(answer.value.packed); value_next(&iter); expected++) {
    assert_true(value_as_number(iter.item, &number));
    assert_int_equal(decimal_compare(number, decimal_from_i64(expected)), 0);
  }
  assert_int_equal(expected, MANY);
  sample_view_release(&view);
  trial_release(&trial);
  sample_release(&sample);
}

// A limit that is met makes the answer unknown; the next run of the same machine is as good as any.
static void limits_make_it_unknown(void **state) {
  (void)state;
  static const struct rule_limits few_steps = {100, 16 << 20}, few_bytes = {4000000, 4096};
  const struct rule_limits *limits[] = {&few_steps, &few_bytes};
  struct sample sample;
  read_many(&sample);
  for (size_t i = 0; i < 2; i++) {
    struct trial trial;
    struct sample_view view;
    struct rule_answer answer;
    ask(&trial, &sample, "exists(\"C\") or length(list(v of \"B\".list where v >= 0)) + distinct(v of \"A\") > 0");
    rule_machine_close(trial.machine);
    assert_int_equal(rule_machine_open(&trial.machine, limits[i]), ERR_OK);
    sample_view_init(&view, &sample, SAMPLE_HOT);
    for (int again = 0; again < 2; again++) {
      assert_null(trial_run(&trial, &view, sample.now_us, true, &answer));
      assert_int_equal(answer.status, RULE_UNKNOWN);
      assert_int_equal(answer.value.type, RULE_TYPE_NULL);
      assert_false(rule_is_true(&answer));
    }
    sample_view_release(&view);
    trial_release(&trial);
  }
  sample_release(&sample);
}

// Compiles and runs with the `allowed`-th allocation failing. False: none failed, and the answer was right.
static bool fails_at(struct trial *trial, struct sample *sample, const struct reference_answer *expected,
                     uint64_t allowed) {
  struct rule_compile with = {sample->zone, sample_name_id, sample->names};
  struct sample_view view;
  struct rule_answer answer;
  struct diag diag;
  sample_view_init(&view, sample, SAMPLE_COLD);
  struct rule_customer customer = sample_customer(&view);
  alloc_fail_after(allowed, false);
  enum err err = rule_compile(trial->tree, &with, &trial->program, &diag);
  if (err != ERR_OK) trial->program = NULL;
  if (err == ERR_OK) err = rule_machine_open(&trial->machine, NULL);
  if (err != ERR_OK) trial->machine = NULL;
  if (err == ERR_OK) err = rule_run(trial->machine, trial->program, &customer, sample->now_us, true, &answer);
  bool failed = alloc_fail_disarm();
  assert_true(err == ERR_OK || (failed && err == ERR_NO_MEMORY));
  if (err == ERR_OK) assert_true(agrees(expected, &answer));
  if (trial->machine != NULL) rule_machine_close(trial->machine);
  if (trial->program != NULL) rule_program_close(trial->program);
  trial->machine = NULL;
  trial->program = NULL;
  sample_view_release(&view);
  return failed;
}

static void survives_short_memory(void **state) {
  (void)state;
  static const char *const expressions[] = {
      "count(\"A\" where v in (1, 2, 3) and w matches \"^[0-9]$\" in last 1 month) > 2",
      "distinct(upper(w) of \"A\") + length(list(v of \"B\".list)) + age(\"2001-01-01\")",
      "sequence(\"A\" where v > 5 then not \"C\" then \"B\" within 1 day in last 2 days by k)",
      "most_frequent(text(v) of \"A\" where context.channel in (\"x\", \"y\") or total > 5 or v < 9)",
      "coalesce(attributes.x.y, in_segment(\"vip\"), traits.a.b, min(1, 2), if(true, \"x\", today()))",
  };
  struct sample sample;
  read_many(&sample);
  for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
    struct trial trial;
    struct rule_diag diag;
    uint64_t allowed = 0;
    if (trial_parse(&trial, bytes_from_text(expressions[i]), &sample, &diag) != ERR_OK) fail_msg("%s", diag.message);
    struct reference_answer expected = rule_reference_run(trial.tree, &sample, sample.now_us, &trial.arena);
    while (fails_at(&trial, &sample, &expected, allowed)) allowed++;
    assert_true(allowed > 2);
    trial_release(&trial);
  }
  sample_release(&sample);
}

static int close_zones(void **state) {
  (void)state;
  sample_close_zones();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_every_golden_case), cmocka_unit_test(gathers_many_values),
      cmocka_unit_test(lists_the_newest),          cmocka_unit_test(limits_make_it_unknown),
      cmocka_unit_test(survives_short_memory),
  };
  return cmocka_run_group_tests_name("rule answers", tests, NULL, close_zones);
}
