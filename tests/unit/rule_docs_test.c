// The examples of docs/expressions.md: each block ```expression is three lines, an expression, a customer and the
// answer, in the form of tests/golden/rule/answers; the reference and the machine must give that answer. An answer
// without `until` holds for ever.
#include "rule_trial.h"

enum { LINE_BYTES = 4096, PATH_BYTES = 1024, EXAMPLES_LEAST = 40 };

struct example {
  int line;
  char expression[LINE_BYTES], customer[LINE_BYTES], answer[LINE_BYTES];
};

static int failures;

static void complain(const struct example *example, const char *what, const char *got) {
  failures++;
  print_error("docs/expressions.md:%d: %s\n  %s\n  expected %s\n  got      %s\n", example->line, what,
              example->expression, example->answer, got);
}

// The value that is expected, and until when.
static bool read_answer(const struct example *example, const struct rule_zone *zone, struct bytes *json,
                        int64_t *until_us) {
  static const char word[] = " until ";
  const char *until = strstr(example->answer, word);
  *json = bytes_of(example->answer, until == NULL ? strlen(example->answer) : (size_t)(until - example->answer));
  *until_us = INT64_MAX;
  return until == NULL || sample_time(zone, bytes_from_text(until + sizeof word - 1), until_us);
}

static bool same_json(struct sample *sample, struct bytes a, struct bytes b) {
  struct bytes texts[] = {a, b};
  struct buffer packed[2];
  bool good = true;
  for (size_t i = 0; i < 2; i++) {
    struct diag diag;
    buffer_init(&packed[i]);
    good = value_parse_json(sample->parser, texts[i], sample->names, &packed[i], &diag) == ERR_OK && good;
  }
  good = good && value_equal((struct value){buffer_view(&packed[0])}, (struct value){buffer_view(&packed[1])});
  for (size_t i = 0; i < 2; i++) buffer_release(&packed[i]);
  return good;
}

static void compare(const struct example *example, struct sample *sample, struct bytes expected, struct buffer *json,
                    const char *who) {
  bool good = same_json(sample, expected, buffer_view(json));
  buffer_append_byte(json, 0);
  if (!good) complain(example, who, (const char *)json->data);
  buffer_release(json);
}

static void ask_reference(const struct example *example, struct trial *trial, struct sample *sample,
                          struct bytes expected) {
  struct buffer json;
  struct reference_answer answer = rule_reference_run(trial->tree, sample, sample->now_us, &trial->arena);
  buffer_init(&json);
  rule_reference_print(&answer.value, sample->names, &json);
  compare(example, sample, expected, &json, "the reference");
}

static void ask_machine(const struct example *example, struct trial *trial, struct sample *sample,
                        struct bytes expected, int64_t until_us) {
  struct sample_view view;
  struct rule_answer answer;
  struct json_writer writer;
  struct buffer json;
  char time[CLOCK_TEXT_BYTES];
  sample_view_init(&view, sample, SAMPLE_HOT);
  const char *problem = trial_run(trial, &view, sample->now_us, true, &answer);
  if (problem != NULL) {
    complain(example, "the machine", problem);
  } else {
    buffer_init(&json);
    json_writer_init(&writer, &json);
    rule_value_to_json(&writer, &answer.value, sample->names);
    compare(example, sample, expected, &json, "the machine");
    if (answer.valid_until_us != until_us) complain(example, "until", trial_time(answer.valid_until_us, time));
  }
  sample_view_release(&view);
}

static void check_example(const struct example *example) {
  struct trial trial;
  struct sample sample;
  struct rule_diag diag;
  struct bytes expected;
  int64_t until_us;
  char problem[256];
  sample_init(&sample);
  enum sample_read read = sample_read(&sample, bytes_from_text(example->customer), problem);
  enum err err = trial_parse(&trial, bytes_from_text(example->expression), &sample, &diag);
  if (err != ERR_OK)
    complain(example, "it is refused", diag.message);
  else if (read == SAMPLE_WRONG || (read == SAMPLE_READ && !read_answer(example, sample.zone, &expected, &until_us)))
    complain(example, "the example itself is wrong", problem);
  else if (read == SAMPLE_READ) {
    ask_reference(example, &trial, &sample, expected);
    trial_compile(&trial, &sample);
    ask_machine(example, &trial, &sample, expected, until_us);
  }
  sample_release(&sample);
  trial_release(&trial);
}

static void read_line(FILE *page, char line[LINE_BYTES], int number) {
  if (fgets(line, LINE_BYTES, page) == NULL || strlen(line) == LINE_BYTES - 1)
    fail_msg("docs/expressions.md:%d: the example is cut off", number);
  line[strcspn(line, "\n")] = '\0';
}

static void answers_every_example(void **state) {
  char path[PATH_BYTES], line[LINE_BYTES], end[LINE_BYTES];
  const char *slash = strrchr(__FILE__, '/');
  static struct example example;
  int number = 0, examples = 0;
  (void)state;
  snprintf(path, sizeof path, "%.*s/../../docs/expressions.md", slash == NULL ? 1 : (int)(slash - __FILE__),
           slash == NULL ? "." : __FILE__);
  FILE *page = fopen(path, "r");
  if (page == NULL) fail_msg("cannot read %s", path);
  while (fgets(line, sizeof line, page) != NULL) {
    number++;
    if (strcmp(line, "```expression\n") != 0) continue;
    example.line = number + 1;
    read_line(page, example.expression, number + 1);
    read_line(page, example.customer, number + 2);
    read_line(page, example.answer, number + 3);
    read_line(page, end, number + 4);
    if (strcmp(end, "```") != 0) fail_msg("docs/expressions.md:%d: an example has three lines", number + 4);
    number += 4;
    examples++;
    check_example(&example);
  }
  fclose(page);
  print_message("%d examples\n", examples);
  assert_int_equal(failures, 0);
  assert_true(examples >= EXAMPLES_LEAST);
}

static int close_zones(void **state) {
  (void)state;
  sample_close_zones();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(answers_every_example)};
  return cmocka_run_group_tests_name("examples of docs/expressions.md", tests, NULL, close_zones);
}
