// rule_parse: expressions to trees, trees to text, and what is said of texts that are none.
//
// tests/golden/rule/parse.txt: an expression, and below it its canonical text. parse_errors.txt: an expression, and
// below it the code, line:column and message. A pilcrow stands for a new line; `#` begins a remark.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "rule/parse.h"

enum { LINE_BYTES = 4096 };

typedef void row_fn(const char *expression, const char *expected, int line);

static bool read_line(FILE *file, char *line, int *number) {
  do {
    if (fgets(line, LINE_BYTES, file) == NULL) return false;
    line[strcspn(line, "\n")] = '\0';
    ++*number;
  } while (line[0] == '#' || line[0] == '\0');
  for (char *mark; (mark = strstr(line, "\xc2\xb6")) != NULL;) {
    *mark = '\n';
    memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
  }
  return true;
}

static void for_rows(const char *name, int least, row_fn *check) {
  char path[LINE_BYTES], expression[LINE_BYTES], expected[LINE_BYTES];
  const char *slash = strrchr(__FILE__, '/');
  int line = 0, rows = 0;
  snprintf(path, sizeof path, "%.*s/../golden/rule/%s", slash == NULL ? 1 : (int)(slash - __FILE__),
           slash == NULL ? "." : __FILE__, name);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail_msg("cannot read %s", path);
  for (; read_line(file, expression, &line); rows++) {
    assert_true(read_line(file, expected, &line));
    check(expression, expected, line);
  }
  fclose(file);
  assert_true(rows >= least);
}

static enum err parse(const char *text, struct arena *arena, struct rule_node **tree, struct rule_diag *diag) {
  return rule_parse(bytes_from_text(text), arena, tree, diag);
}

// --- whether two trees are the same --------------------------------------------------------------------------

static bool same(const struct rule_node *a, const struct rule_node *b);

static bool same_duration(struct rule_duration a, struct rule_duration b) {
  return a.count == b.count && a.unit == b.unit;
}

static bool same_names(const struct bytes *a, uint32_t a_count, const struct bytes *b, uint32_t b_count) {
  if (a_count != b_count) return false;
  for (uint32_t i = 0; i < a_count; i++)
    if (!bytes_equal(a[i], b[i])) return false;
  return true;
}

static bool same_events(const struct rule_events *a, const struct rule_events *b) {
  if (a == NULL || b == NULL) return a == b;
  return bytes_equal(a->name, b->name) && same_names(a->items, a->item_count, b->items, b->item_count) &&
         same(a->where, b->where) && a->window.kind == b->window.kind &&
         same_duration(a->window.length, b->window.length) && same(a->window.from, b->window.from) &&
         same(a->window.to, b->window.to);
}

static bool same_children(const struct rule_node *a, const struct rule_node *b) {
  if (a->item_count != b->item_count || a->step_count != b->step_count) return false;
  for (uint32_t i = 0; i < a->item_count; i++)
    if (!same(a->items[i], b->items[i])) return false;
  for (uint32_t i = 0; i < a->step_count; i++) {
    const struct rule_step *x = &a->steps[i], *y = &b->steps[i];
    if (x->negated != y->negated || x->has_within != y->has_within || !same_duration(x->within, y->within) ||
        !same_events(&x->events, &y->events))
      return false;
  }
  return same(a->left, b->left) && same(a->right, b->right) && same_events(a->events, b->events);
}

static bool same(const struct rule_node *a, const struct rule_node *b) {
  if (a == NULL || b == NULL) return a == b;
  return a->kind == b->kind && a->op == b->op && a->negated == b->negated && a->boolean == b->boolean &&
         a->has_offset == b->has_offset && bytes_equal(a->text, b->text) &&
         a->number.coefficient == b->number.coefficient && a->number.exponent == b->number.exponent &&
         a->time_us == b->time_us && same_duration(a->duration, b->duration) &&
         same_names(a->names, a->name_count, b->names, b->name_count) && same_children(a, b);
}

// Prints `tree`, parses that, and compares trees and texts.
static void check_stable(const struct rule_node *tree, struct buffer *printed) {
  struct arena arena;
  struct rule_node *again = NULL;
  struct rule_diag diag;
  struct buffer second;
  arena_init(&arena, 0);
  buffer_init(&second);
  rule_print(tree, printed);
  if (rule_parse(buffer_view(printed), &arena, &again, &diag) != ERR_OK)
    fail_msg("%.*s: %s", BYTES_ARG(buffer_view(printed)), diag.message);
  rule_print(again, &second);
  if (!same(tree, again) || !bytes_equal(buffer_view(printed), buffer_view(&second)))
    fail_msg("%.*s is read as %.*s", BYTES_ARG(buffer_view(printed)), BYTES_ARG(buffer_view(&second)));
  buffer_release(&second);
  arena_release(&arena);
}

// --- the golden files ----------------------------------------------------------------------------------------

static void check_good(const char *expression, const char *expected, int line) {
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  struct buffer printed;
  arena_init(&arena, 0);
  buffer_init(&printed);
  if (parse(expression, &arena, &tree, &diag) != ERR_OK) fail_msg("parse.txt:%d: %s", line, diag.message);
  check_stable(tree, &printed);
  buffer_append_byte(&printed, 0);
  assert_string_equal((const char *)printed.data, expected);
  buffer_release(&printed);
  arena_release(&arena);
}

static void test_good(void **state) {
  (void)state;
  for_rows("parse.txt", 150, check_good);
}

static void check_bad(const char *expression, const char *expected, int line) {
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  char found[LINE_BYTES];
  arena_init(&arena, 0);
  if (parse(expression, &arena, &tree, &diag) == ERR_OK) fail_msg("parse_errors.txt:%d: is parsed", line);
  assert_null(tree);
  const char *words = strstr(diag.message, ": ");
  assert_non_null(words);
  snprintf(found, sizeof found, "%s %u:%u %s", diag.code, diag.place.line, diag.place.column, words + 2);
  assert_string_equal(found, expected);
  arena_release(&arena);
}

static void test_bad(void **state) {
  (void)state;
  for_rows("parse_errors.txt", 80, check_bad);
}

static void check_prefixes(const char *expression, const char *expected, int line) {
  (void)expected;
  for (size_t size = 0; size < strlen(expression); size++) {
    struct arena arena;
    struct rule_node *tree = NULL;
    struct rule_diag diag;
    char *exact = size == 0 ? NULL : alloc_get(size); // exact, so that a read past the end is seen
    if (size > 0) memcpy(exact, expression, size);
    arena_init(&arena, 0);
    enum err err = rule_parse(bytes_of(exact, size), &arena, &tree, &diag);
    if ((err == ERR_OK) != (tree != NULL) || (err != ERR_OK && diag.code[0] == '\0'))
      fail_msg("parse.txt:%d: the first %zu bytes", line, size);
    if (err != ERR_OK) assert_true(diag.place.offset <= size && diag.place.line >= 1 && diag.place.column >= 1);
    arena_release(&arena);
    alloc_free(exact);
  }
}

static void test_prefixes(void **state) {
  (void)state;
  for_rows("parse.txt", 150, check_prefixes);
}

// --- random trees --------------------------------------------------------------------------------------------

struct random {
  uint32_t seed;
  struct arena arena;
};

static uint32_t pick(struct random *random, uint32_t below) {
  random->seed = random->seed * 1664525u + 1013904223u;
  return (random->seed >> 8) % below;
}

static void *take(struct random *random, size_t count, size_t size_bytes) {
  void *items = arena_take_zero(&random->arena, count, size_bytes);
  assert_non_null(items);
  return items;
}

static struct bytes a_name(struct random *random) {
  static const char *const names[] = {"total",     "first name",        "in",  "day",
                                      "a\"b\\c\n", "\xc3\xa9t\xc3\xa9", "x_1", "$y"};
  return bytes_from_text(names[pick(random, 8)]);
}

static struct bytes *some_names(struct random *random, uint32_t *count) {
  *count = 1 + pick(random, 3);
  struct bytes *names = take(random, *count, sizeof *names);
  for (uint32_t i = 0; i < *count; i++) names[i] = a_name(random);
  return names;
}

static struct rule_duration a_duration(struct random *random) {
  return (struct rule_duration){1 + pick(random, 40), (enum rule_unit)pick(random, 8)};
}

static struct rule_node *a_tree(struct random *random, uint32_t depth);

static struct rule_node *a_moment(struct random *random) {
  struct rule_node *node = take(random, 1, sizeof *node);
  node->kind = pick(random, 2) ? RULE_NODE_DATE : RULE_NODE_TIME;
  node->time_us = (int64_t)pick(random, 20000) * 86400 * 1000000;
  if (node->kind == RULE_NODE_TIME) {
    node->time_us += (int64_t)pick(random, 86400000) * (pick(random, 2) ? 1000 : 999);
    node->has_offset = pick(random, 2);
  }
  return node;
}

static struct rule_window a_window(struct random *random) {
  struct rule_window window = {.kind = (enum rule_window_kind)pick(random, 7)};
  if (window.kind >= RULE_WINDOW_LAST && window.kind <= RULE_WINDOW_PREVIOUS) window.length = a_duration(random);
  if (window.kind == RULE_WINDOW_SINCE || window.kind == RULE_WINDOW_BETWEEN) window.from = a_moment(random);
  if (window.kind == RULE_WINDOW_BEFORE || window.kind == RULE_WINDOW_BETWEEN) window.to = a_moment(random);
  return window;
}

static struct rule_events *some_events(struct random *random, uint32_t depth) {
  struct rule_events *events = take(random, 1, sizeof *events);
  events->name = a_name(random);
  if (pick(random, 3) == 0) events->items = some_names(random, &events->item_count);
  if (pick(random, 2)) events->where = a_tree(random, depth);
  events->window = a_window(random);
  return events;
}

static void fill_items(struct random *random, struct rule_node *node, uint32_t least, uint32_t depth) {
  node->item_count = least + pick(random, 3);
  node->items = take(random, node->item_count + 1, sizeof *node->items);
  for (uint32_t i = 0; i < node->item_count; i++) node->items[i] = a_tree(random, depth);
}

static void fill_sequence(struct random *random, struct rule_node *node, uint32_t depth) {
  node->step_count = 2 + pick(random, 3);
  node->steps = take(random, node->step_count, sizeof *node->steps);
  for (uint32_t i = 0; i < node->step_count; i++) {
    struct rule_step *step = &node->steps[i];
    step->events.name = a_name(random);
    if (pick(random, 2)) step->events.where = a_tree(random, depth);
    if (i == 0) continue;
    step->negated = pick(random, 2);
    step->has_within = pick(random, 2);
    if (step->has_within) step->within = a_duration(random);
  }
  node->events = take(random, 1, sizeof *node->events);
  node->events->window = a_window(random);
  if (pick(random, 2)) node->names = some_names(random, &node->name_count);
}

static void fill(struct random *random, struct rule_node *node, uint32_t depth) {
  static const char *const gather[] = {"sum", "min", "last", "list", "distinct"};
  node->negated = (node->kind == RULE_NODE_IN || node->kind == RULE_NODE_IS_NULL) && pick(random, 2);
  switch (node->kind) {
  case RULE_NODE_BOOL:
    node->boolean = pick(random, 2);
    break;
  case RULE_NODE_NUMBER:
    node->number = decimal_from_i64(pick(random, 100000));
    node->number.exponent = (int16_t)((int)pick(random, 30) - 20);
    break;
  case RULE_NODE_DURATION:
    node->duration = a_duration(random);
    break;
  case RULE_NODE_PATH:
    node->names = some_names(random, &node->name_count);
    node->names[0] = BYTES("price");
    break;
  case RULE_NODE_CALL:
    node->text = BYTES("round");
    fill_items(random, node, 0, depth);
    break;
  case RULE_NODE_IN:
    fill_items(random, node, 1, depth);
    break;
  case RULE_NODE_BINARY:
    node->op = (enum rule_op)pick(random, RULE_REMAINDER + 1);
    node->right = a_tree(random, depth);
    break;
  case RULE_NODE_AGGREGATE:
    node->text = pick(random, 2) ? BYTES("count") : bytes_from_text(gather[pick(random, 5)]);
    node->left = bytes_equal(node->text, BYTES("count")) ? NULL : a_tree(random, depth);
    node->events = some_events(random, depth);
    break;
  case RULE_NODE_SEQUENCE:
    fill_sequence(random, node, depth);
    break;
  default:
    node->text = node->kind < RULE_NODE_MEMBER && node->kind != RULE_NODE_TEXT ? BYTES("") : a_name(random);
  }
}

static struct rule_node *a_tree(struct random *random, uint32_t depth) {
  enum rule_node_kind kind = (enum rule_node_kind)pick(random, depth == 0 ? RULE_NODE_MEMBER : RULE_NODE_SEQUENCE + 1);
  if (kind == RULE_NODE_DATE || kind == RULE_NODE_TIME) return a_moment(random);
  struct rule_node *node = take(random, 1, sizeof *node);
  node->kind = kind;
  bool has_left = kind == RULE_NODE_MEMBER || kind == RULE_NODE_NOT || kind == RULE_NODE_NEGATE ||
                  kind == RULE_NODE_BINARY || kind == RULE_NODE_IN || kind == RULE_NODE_IS_NULL ||
                  kind == RULE_NODE_MATCHES;
  if (has_left) node->left = a_tree(random, depth - 1);
  if (kind == RULE_NODE_NOT || kind == RULE_NODE_NEGATE || kind == RULE_NODE_IS_NULL)
    return node->negated = false, node;
  fill(random, node, depth == 0 ? 0 : depth - 1);
  return node;
}

static void test_random_trees(void **state) {
  (void)state;
  struct random random = {.seed = 20261122};
  struct buffer printed;
  arena_init(&random.arena, 0);
  buffer_init(&printed);
  for (int i = 0; i < 4000; i++) {
    buffer_clear(&printed);
    check_stable(a_tree(&random, 4), &printed);
    arena_clear(&random.arena);
  }
  buffer_release(&printed);
  arena_release(&random.arena);
}

// --- bounds --------------------------------------------------------------------------------------------------

// `count` times `piece` between `head` and `tail`: the code it is refused with, "" when it is parsed.
static void check_repeated(const char *head, const char *piece, int count, const char *tail, const char *code) {
  struct buffer text, printed;
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  buffer_init(&text);
  buffer_init(&printed);
  arena_init(&arena, 0);
  buffer_append_text(&text, head);
  for (int i = 0; i < count; i++) buffer_append_text(&text, piece);
  buffer_append_text(&text, tail);
  enum err err = rule_parse(buffer_view(&text), &arena, &tree, &diag);
  assert_string_equal(diag.code, code);
  assert_int_equal(err == ERR_OK, code[0] == '\0');
  if (err == ERR_OK) check_stable(tree, &printed);
  arena_release(&arena);
  buffer_release(&printed);
  buffer_release(&text);
}

static void test_bounds(void **state) {
  (void)state;
  check_repeated("", "not ", RULE_DEPTH_MAX - 1, "a", "");
  check_repeated("", "not ", RULE_DEPTH_MAX, "a", "too_deep");
  check_repeated("", "- ", RULE_DEPTH_MAX - 1, "a", "");
  check_repeated("", "- ", 4000, "a", "too_deep");
  check_repeated("", "(", 10000, "a", "too_deep");
  check_repeated("", "f(", 5000, "a", "too_deep");
  check_repeated("a", " or a", 2047, "", "");
  check_repeated("a", "+a", 2048, "", "too_large");
  check_repeated("a", " ", RULE_TEXT_BYTES_MAX - 1, "", "");
  check_repeated("a", " ", RULE_TEXT_BYTES_MAX, "", "too_long");
  check_repeated("a.", "b", 256, "", "");
  check_repeated("a.", "b", 257, "", "too_long");
  check_repeated("sequence(\"A\"", " then \"B\"", RULE_STEPS_MAX - 1, ")", "");
  check_repeated("sequence(\"A\"", " then \"B\"", RULE_STEPS_MAX, ")", "too_many_steps");
  check_repeated("a = \"", "\xff", 1, "\"", "bad_utf8");
}

static void test_diag(void **state) {
  (void)state;
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  arena_init(&arena, 0);
  assert_int_equal(parse("true and\n    count(\"A\" in lst 90 days) > 1", &arena, &tree, &diag), ERR_INVALID);
  assert_string_equal(diag.message, "line 2, column 18: expected a window such as `in last 90 days`, found `lst`; did "
                                    "you mean `last`?");
  assert_string_equal(diag.nearest, "last");
  assert_string_equal(diag.found, "lst");
  assert_string_equal(diag.expected, "a window such as `in last 90 days`");
  assert_int_equal(diag.place.length, 3);
  assert_int_equal(parse("a +", &arena, &tree, NULL), ERR_INVALID);
  assert_int_equal(parse("ab + cd", &arena, &tree, &diag), ERR_OK);
  assert_int_equal(tree->place.length, 7);
  assert_int_equal(tree->right->place.column, 6);
  arena_release(&arena);
}

static void test_no_memory(void **state) {
  (void)state;
  static const char text[] =
      "f(1, 2, 3).x and sum(a.b of \"E\".items where c in (\"a\\n\", 1) since 2026-01-01) > 1 or "
      "sequence(\"A\" then not \"B\" within 7 days in last 60 days by \"day\".x)";
  bool failed = true;
  for (uint64_t n = 0; failed; n++) {
    struct arena arena;
    struct rule_node *tree = NULL;
    struct rule_diag diag;
    arena_init(&arena, 0);
    alloc_fail_after(n, false);
    enum err err = parse(text, &arena, &tree, &diag);
    failed = alloc_fail_disarm();
    assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
    assert_string_equal(diag.code, failed ? "no_memory" : "");
    assert_int_equal(tree == NULL, failed);
    arena_release(&arena);
  }
}

static void test_nearest(void **state) {
  (void)state;
  static const char *const words[] = {"last", "previous"};
  assert_string_equal(nearest_slip(BYTES("LSAT"), words, 2), "last");
  assert_string_equal(nearest_slip(BYTES("previuos"), words, 2), "previous");
  assert_null(nearest_slip(BYTES("next"), words, 2));
  assert_string_equal(nearest_word(BYTES("xyz"), words, 2), "last");
  assert_null(nearest_word(BYTES("xyz"), words, 0));
  assert_int_equal(nearest_distance(BYTES(""), BYTES("abc")), 3);
  assert_int_equal(nearest_distance(BYTES("kitten"), BYTES("sitting")), 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_good),      cmocka_unit_test(test_bad),
                                     cmocka_unit_test(test_prefixes),  cmocka_unit_test(test_random_trees),
                                     cmocka_unit_test(test_bounds),    cmocka_unit_test(test_diag),
                                     cmocka_unit_test(test_no_memory), cmocka_unit_test(test_nearest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
