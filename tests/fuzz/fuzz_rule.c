// Fuzz target: expressions.
//
// Checked: a text gives a tree or a refusal with a place inside it; a tree's print is parsed again and prints the same;
// a tree is checked or refused, with places inside the text.
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "rule/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

// Knows names of an even length, and four to choose the nearest from.
static bool known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  (void)context, (void)kind, (void)of;
  return name.size_bytes % 2 == 0;
}

static bool next(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  static const char *const names[] = {"country", "Order Completed", "total", "vip"};
  (void)context, (void)kind, (void)of;
  if (*place == sizeof names / sizeof names[0]) return false;
  *name = bytes_from_text(names[(*place)++]);
  return true;
}

static void check(struct rule_node *tree, size_t size_bytes, bool condition) {
  static const struct rule_catalog catalog = {NULL, known, next};
  struct rule_check what = {.catalog = &catalog, .condition = condition};
  struct rule_diag diag;
  enum err err = rule_check(tree, &what, &diag);
  assert((err == ERR_OK) == (diag.code[0] == '\0'));
  if (err == ERR_OK) assert(tree->types != 0);
  if (err != ERR_OK) assert(diag.place.offset + diag.place.length <= size_bytes);
  assert(what.warning_count <= RULE_WARNINGS_MAX);
  for (size_t i = 0; i < what.warning_count; i++) {
    const struct rule_diag *warning = &what.warnings[i];
    assert(warning->code[0] != '\0' && warning->place.offset + warning->place.length <= size_bytes);
    if (i > 0) assert(warning->place.offset >= what.warnings[i - 1].place.offset);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  struct arena arena;
  struct rule_node *tree = NULL;
  struct rule_diag diag;
  struct buffer first, second;
  arena_init(&arena, 0);
  buffer_init(&first);
  buffer_init(&second);
  if (rule_parse(bytes_of(data, size_bytes), &arena, &tree, &diag) != ERR_OK) {
    assert(tree == NULL && diag.code[0] != '\0' && diag.place.offset + diag.place.length <= size_bytes);
  } else {
    rule_print(tree, &first);
    assert(!first.failed);
    check(tree, size_bytes, false);
    check(tree, size_bytes, true);
    if (first.size_bytes <= RULE_TEXT_BYTES_MAX) {
      assert(rule_parse(buffer_view(&first), &arena, &tree, &diag) == ERR_OK);
      rule_print(tree, &second);
      assert(bytes_equal(buffer_view(&first), buffer_view(&second)));
    }
  }
  buffer_release(&second);
  buffer_release(&first);
  arena_release(&arena);
  return 0;
}
