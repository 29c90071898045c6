// rule_check: what expressions are refused for, what is warned of, and what they give.
//
// tests/golden/rule/check.txt: an expression, `value: ` before one that need not be a condition; `this: `, `item: ` and
// `any: ` before it: asked with an Order Completed, an item of one, any event in hand. Below it, indented, what it
// gives and the warnings, or the refusal. A pilcrow stands for a new line; `#` begins a remark. With
// RAPPORT_GOLDEN_WRITE set to a file, the answers found are written there in the same form.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rule/check.h"

enum { LINE_BYTES = 4096, ANSWER_BYTES = 16 * 1024 };

// --- a workspace ---------------------------------------------------------------------------------------------

static const struct known {
  enum rule_name_kind kind;
  const char *of, *name;
} workspace[] = {
    {RULE_NAME_TRAIT, "", "country"},
    {RULE_NAME_TRAIT, "", "vip"},
    {RULE_NAME_TRAIT, "", "birthday"},
    {RULE_NAME_TRAIT, "", "first name"},
    {RULE_NAME_TRAIT, "", "tags"},
    {RULE_NAME_TRAIT, "", "age"},
    {RULE_NAME_EVENT, "", "Order Completed"},
    {RULE_NAME_EVENT, "", "Product Viewed"},
    {RULE_NAME_EVENT, "", "A"},
    {RULE_NAME_EVENT, "", "B"},
    {RULE_NAME_EVENT, "", "C"},
    {RULE_NAME_PROPERTY, "Order Completed", "total"},
    {RULE_NAME_PROPERTY, "Order Completed", "products"},
    {RULE_NAME_PROPERTY, "Order Completed", "store"},
    {RULE_NAME_PROPERTY, "Product Viewed", "category"},
    {RULE_NAME_PROPERTY, "A", "x"},
    {RULE_NAME_PROPERTY, "A", "id"},
    {RULE_NAME_PROPERTY, "B", "x"},
    {RULE_NAME_PROPERTY, "B", "id"},
    {RULE_NAME_PROPERTY, "C", "x"},
    {RULE_NAME_SEGMENT, "", "big spenders"},
    {RULE_NAME_ATTRIBUTE, "", "orders"},
    {RULE_NAME_SCORE, "", "rfm"},
    {RULE_NAME_RANGE, "rfm", "Phones"},
};
enum { KNOWN_COUNT = sizeof workspace / sizeof workspace[0] };

static bool known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  (void)context;
  for (size_t i = 0; i < KNOWN_COUNT; i++)
    if (workspace[i].kind == kind && bytes_equal(of, bytes_from_text(workspace[i].of)) &&
        bytes_equal(name, bytes_from_text(workspace[i].name)))
      return true;
  return false;
}

static bool next(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  (void)context;
  while (*place < KNOWN_COUNT) {
    const struct known *one = &workspace[(*place)++];
    if (one->kind != kind || !bytes_equal(of, bytes_from_text(one->of))) continue;
    *name = bytes_from_text(one->name);
    return true;
  }
  return false;
}

static const struct rule_catalog catalog = {NULL, known, next};

// --- the golden file -----------------------------------------------------------------------------------------

static bool starts(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static void read_pilcrows(char *line) {
  for (char *mark; (mark = strstr(line, "\xc2\xb6")) != NULL;) {
    *mark = '\n';
    memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
  }
}

static void append(char *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *answer, const char *format, ...) {
  size_t length = strlen(answer);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(answer + length, ANSWER_BYTES - length, format, arguments);
  va_end(arguments);
}

static void append_diag(char *answer, const char *what, const struct rule_diag *diag) {
  const char *words = strstr(diag->message, ": ");
  assert_non_null(words);
  append(answer, "  %s %s %u:%u %s\n", what, diag->code, diag->place.line, diag->place.column, words + 2);
}

static void append_types(char *answer, rule_types types) {
  append(answer, " ");
  if (types == RULE_TYPES_ANY) append(answer, " anything");
  for (int i = 0; i < RULE_TYPE_COUNT && types != RULE_TYPES_ANY; i++)
    if (types & 1 << i) append(answer, " %s", rule_type_name((enum rule_type)i));
  append(answer, "\n");
}

// What stands before the expression, which is returned.
static const char *read_marks(const char *text, struct rule_check *check) {
  static const struct {
    const char *mark, *event;
    enum rule_subject subject;
  } subjects[] = {{"this: ", "Order Completed", RULE_SUBJECT_EVENT},
                  {"item: ", "Order Completed", RULE_SUBJECT_ITEM},
                  {"any: ", "", RULE_SUBJECT_EVENT}};
  *check = (struct rule_check){.catalog = &catalog};
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    if (!starts(text, subjects[i].mark)) continue;
    check->subject = subjects[i].subject;
    check->subject_event = bytes_from_text(subjects[i].event);
    text += strlen(subjects[i].mark);
  }
  check->condition = !starts(text, "value: ");
  return check->condition ? text : text + strlen("value: ");
}

// Parses and checks `text` as a line of the file says.
static enum err check_text(const char *text, struct arena *arena, struct rule_node **tree, struct rule_check *check,
                           struct rule_diag *diag) {
  enum err err = rule_parse(bytes_from_text(read_marks(text, check)), arena, tree, diag);
  return err == ERR_OK ? rule_check(*tree, check, diag) : err;
}

static void answer_of(const char *line, char *answer) {
  char text[LINE_BYTES];
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_check check;
  struct rule_diag diag;
  snprintf(text, sizeof text, "%s", line);
  read_pilcrows(text);
  arena_init(&arena, 0);
  answer[0] = '\0';
  if (check_text(text, &arena, &tree, &check, &diag) == ERR_OK) {
    append_types(answer, tree->types);
    for (size_t i = 0; i < check.warning_count; i++) append_diag(answer, "warning", &check.warnings[i]);
  } else {
    if (tree == NULL) fail_msg("%s: %s", text, diag.message);
    append_diag(answer, "error", &diag);
  }
  arena_release(&arena);
}

static FILE *open_golden(void) {
  char path[LINE_BYTES];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../golden/rule/check.txt", slash == NULL ? 1 : (int)(slash - __FILE__),
           slash == NULL ? "." : __FILE__);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail_msg("cannot read %s", path);
  return file;
}

static bool is_expression(const char *line) {
  return line[0] != '#' && line[0] != ' ' && line[0] != '\n';
}

static void write_golden(const char *path) {
  char line[LINE_BYTES], answer[ANSWER_BYTES];
  FILE *in = open_golden(), *out = fopen(path, "w");
  assert_non_null(out);
  while (fgets(line, sizeof line, in) != NULL) {
    if (line[0] == ' ') continue;
    fputs(line, out);
    if (!is_expression(line)) continue;
    line[strcspn(line, "\n")] = '\0';
    answer_of(line, answer);
    fputs(answer, out);
  }
  assert_int_equal(fclose(out), 0);
  fclose(in);
}

static void compare(const char *line, const char *expected, int number) {
  char answer[ANSWER_BYTES];
  if (line[0] == '\0') return;
  answer_of(line, answer);
  if (strcmp(answer, expected) != 0)
    fail_msg("check.txt:%d: %s\nexpected\n%sfound\n%s", number, line, expected, answer);
}

static void test_golden(void **state) {
  (void)state;
  char line[LINE_BYTES], expression[LINE_BYTES] = "", expected[ANSWER_BYTES] = "";
  int number = 0, at = 0, rows = 0;
  FILE *file = open_golden();
  while (number++, fgets(line, sizeof line, file) != NULL) {
    if (line[0] == ' ') append(expected, "%s", line);
    if (!is_expression(line)) continue;
    compare(expression, expected, at);
    snprintf(expression, sizeof expression, "%.*s", (int)strcspn(line, "\n"), line);
    expected[0] = '\0';
    at = number;
    rows++;
  }
  compare(expression, expected, at);
  fclose(file);
  assert_true(rows >= 150);
}

// --- the annotated tree --------------------------------------------------------------------------------------

static void assert_typed(const struct rule_node *node);

static void assert_typed_events(const struct rule_events *events) {
  if (events == NULL) return;
  assert_typed(events->where);
  assert_typed(events->window.from);
  assert_typed(events->window.to);
}

static void assert_typed(const struct rule_node *node) {
  for (; node != NULL; node = node->left) {
    assert_int_not_equal(node->types, 0);
    assert_int_equal(node->kind == RULE_NODE_CALL, node->function != RULE_FUNCTION_NONE);
    assert_typed(node->right);
    assert_typed_events(node->events);
    for (uint32_t i = 0; i < node->item_count; i++) assert_typed(node->items[i]);
    for (uint32_t i = 0; i < node->step_count; i++) assert_typed_events(&node->steps[i].events);
  }
}

static void test_every_node(void **state) {
  (void)state;
  char line[LINE_BYTES];
  int right = 0;
  FILE *file = open_golden();
  while (fgets(line, sizeof line, file) != NULL) {
    struct arena arena;
    struct rule_node *tree = NULL;
    struct rule_check check;
    if (!is_expression(line)) continue;
    line[strcspn(line, "\n")] = '\0';
    read_pilcrows(line);
    arena_init(&arena, 0);
    if (check_text(line, &arena, &tree, &check, NULL) == ERR_OK) {
      assert_typed(tree);
      right++;
    }
    arena_release(&arena);
  }
  fclose(file);
  assert_true(right >= 50);
}

// --- bounds --------------------------------------------------------------------------------------------------

static struct rule_node *parse(const char *text, struct arena *arena) {
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  if (rule_parse(bytes_from_text(text), arena, &tree, &diag) != ERR_OK) fail_msg("%s", diag.message);
  return tree;
}

// A chain of `count` times `link` behind `first`.
static void check_chain(const char *first, const char *link, size_t count, enum err expected) {
  struct arena arena;
  struct rule_check check = {.catalog = NULL};
  struct buffer text;
  arena_init(&arena, 0);
  buffer_init(&text);
  buffer_append_text(&text, first);
  for (size_t i = 0; i < count; i++) buffer_append_text(&text, link);
  buffer_append_byte(&text, 0);
  assert_int_equal(rule_check(parse((const char *)text.data, &arena), &check, NULL), expected);
  buffer_release(&text);
  arena_release(&arena);
}

static void test_chains(void **state) {
  (void)state;
  check_chain("true", " or true", 2040, ERR_OK);
  check_chain("1", "+1", 2040, ERR_OK);
  check_chain("1", "+now", 2040, ERR_INVALID);
  check_chain("tier('a')", ".x", 4000, ERR_INVALID);
  check_chain("score('a')", ".x", 4000, ERR_OK);
  check_chain("not traits.x", " and not traits.x", 900, ERR_OK);
  check_chain("traits.x != 1", " and traits.x != 1", 800, ERR_OK);
}

static void test_deep(void **state) {
  (void)state;
  enum { LEVELS = RULE_DEPTH_MAX / 3 }; // of a `not`, its parentheses and a call's
  struct arena arena;
  struct rule_check check = {.condition = true};
  struct buffer text;
  arena_init(&arena, 0);
  buffer_init(&text);
  for (int i = 0; i < LEVELS; i++) buffer_append_text(&text, "true and not (1 < 2 + 3 * if(true or ");
  buffer_append_text(&text, "false");
  for (int i = 0; i < LEVELS; i++) buffer_append_text(&text, ", 1, 2))");
  buffer_append_byte(&text, 0);
  assert_int_equal(rule_check(parse((const char *)text.data, &arena), &check, NULL), ERR_OK);
  buffer_release(&text);
  arena_release(&arena);
}

// The first warnings of the text are kept, in its order, and no more than fit.
static void test_many_warnings(void **state) {
  (void)state;
  struct arena arena;
  struct rule_check check = {.catalog = &catalog, .condition = true};
  struct buffer text;
  struct rule_diag diag;
  arena_init(&arena, 0);
  buffer_init(&text);
  for (int i = 0; i < 40; i++) buffer_append_format(&text, "%straits.t%d != 1", i == 0 ? "" : " or ", i);
  buffer_append_byte(&text, 0);
  assert_int_equal(rule_check(parse((const char *)text.data, &arena), &check, &diag), ERR_OK);
  assert_int_equal(check.warning_count, RULE_WARNINGS_MAX);
  for (size_t i = 0; i < RULE_WARNINGS_MAX; i++) {
    assert_string_equal(check.warnings[i].code, i % 2 == 0 ? "unknown_trait" : "may_be_null");
    assert_int_equal(check.warnings[i].place.offset, check.warnings[i / 2 * 2].place.offset);
    if (i >= 2) assert_true(check.warnings[i].place.offset >= check.warnings[i - 1].place.offset);
  }
  buffer_release(&text);
  arena_release(&arena);
}

static void test_long_pattern(void **state) {
  (void)state;
  struct arena arena;
  struct rule_check check = {.catalog = NULL};
  struct buffer text;
  struct rule_diag diag;
  arena_init(&arena, 0);
  buffer_init(&text);
  buffer_append_text(&text, "traits.x matches \"");
  for (int i = 0; i <= RULE_PATTERN_BYTES_MAX; i++) buffer_append_byte(&text, 'a');
  buffer_append(&text, "\"", 2);
  assert_int_equal(rule_check(parse((const char *)text.data, &arena), &check, &diag), ERR_INVALID);
  assert_string_equal(diag.code, "too_long");
  buffer_release(&text);
  arena_release(&arena);
}

// --- what else the caller may rely on ------------------------------------------------------------------------

static void test_words_of_a_refusal(void **state) {
  (void)state;
  struct arena arena;
  struct rule_check check = {.catalog = &catalog};
  struct rule_diag diag;
  arena_init(&arena, 0);
  assert_int_equal(rule_check(parse("lower(3)", &arena), &check, &diag), ERR_INVALID);
  assert_string_equal(diag.expected, "a text");
  assert_string_equal(diag.found, "3");
  assert_string_equal(diag.message, "line 1, column 7: expected a text, found `3`, which is a number");
  assert_int_equal(rule_check(parse("lowr(\"a\")", &arena), &check, &diag), ERR_INVALID);
  assert_string_equal(diag.found, "lowr");
  assert_string_equal(diag.nearest, "lower");
  assert_int_equal(rule_check(parse("traits.contry is null", &arena), &check, &diag), ERR_OK);
  assert_int_equal(check.warning_count, 1);
  assert_string_equal(check.warnings[0].nearest, "country");
  arena_release(&arena);
}

// A catalogue without functions knows everything.
static void test_no_catalog(void **state) {
  (void)state;
  static const struct rule_catalog nothing = {NULL, NULL, NULL};
  const char *text = "in_segment(\"x\") and attributes.y = 1 and traits.z = 1 and exists(\"E\" where p = 1)";
  struct arena arena;
  struct rule_check check = {.condition = true};
  arena_init(&arena, 0);
  for (int i = 0; i < 2; i++) {
    check.catalog = i == 0 ? NULL : &nothing;
    assert_int_equal(rule_check(parse(text, &arena), &check, NULL), ERR_OK);
    assert_int_equal(check.warning_count, 0);
  }
  arena_release(&arena);
}

// One that knows names and lists none has nothing to suggest.
static void test_catalog_without_list(void **state) {
  (void)state;
  static const struct rule_catalog unlisted = {NULL, known, NULL};
  struct arena arena;
  struct rule_check check = {.catalog = &unlisted};
  arena_init(&arena, 0);
  assert_int_equal(rule_check(parse("traits.contry is null", &arena), &check, NULL), ERR_OK);
  assert_int_equal(check.warning_count, 1);
  assert_string_equal(check.warnings[0].code, "unknown_trait");
  assert_string_equal(check.warnings[0].nearest, "");
  arena_release(&arena);
}

// Every allocation fails once: a pattern cannot be tried then, and words are shorter, but nothing leaks.
static void test_memory(void **state) {
  (void)state;
  static const char *const texts[] = {"traits.x matches \"^a(b|c)+$\"", "lower(3) = \"a\"",
                                      "traits.contry != \"FR\" and traits.x = null"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
      struct arena arena;
      struct rule_check check = {.catalog = &catalog};
      struct rule_diag diag;
      arena_init(&arena, 0);
      struct rule_node *tree = parse(texts[i], &arena);
      alloc_fail_after(n, true);
      enum err err = rule_check(tree, &check, &diag);
      failed = alloc_fail_disarm();
      if (i == 0) assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
      if (i == 0 && failed) assert_string_equal(diag.code, "no_memory");
      if (i == 1) assert_int_equal(err, ERR_INVALID);
      if (i == 2) assert_int_equal(err, ERR_OK);
      arena_release(&arena);
    }
  }
}

int main(void) {
  const char *write = getenv("RAPPORT_GOLDEN_WRITE");
  if (write != NULL) {
    write_golden(write);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_golden),
      cmocka_unit_test(test_every_node),
      cmocka_unit_test(test_chains),
      cmocka_unit_test(test_deep),
      cmocka_unit_test(test_many_warnings),
      cmocka_unit_test(test_long_pattern),
      cmocka_unit_test(test_words_of_a_refusal),
      cmocka_unit_test(test_no_catalog),
      cmocka_unit_test(test_catalog_without_list),
      cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
