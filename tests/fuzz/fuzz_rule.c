// Fuzz target: expressions.
//
// Checked: a text gives a tree or a refusal with a place inside it; a tree's print is parsed again and prints the same.
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "rule/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

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
