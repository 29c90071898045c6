// compile_order: which operands of `and` are asked first.
//
// They say the same in any order, but the first that is false spares the rest. An operand that is settled (traits and
// literals alone: no events, clock or lookup) costs a search in the record and is good for ever, so it goes first:
// where it is false no pass over events is made, and the answer has no end of its own, hence no timer and no entry.
// With a thousand segments of which three in ten also ask for a trait that took away a quarter of all work for an
// event (33.0 to 25.0 us). Otherwise the order of the text is kept; of `or` always, where a trait that is true would
// have to be common to pay.
// The one thing that could become another is whether the answer is known at all. So nothing is moved past a lookup or
// a pattern. Past events it is: where a limit is met in them, more is known than before.
#include "rule/compile_private.h"

#include <string.h>

enum {
  OPEN = 1,   // it looks at events or at the clock, or is of unknown cost
  UNSURE = 2, // it may be unknown
};

static unsigned look_at(const struct rule_node *node, bool in_events);

static unsigned look_at_path(const struct rule_node *node, bool in_events) {
  if (bytes_equal(node->names[0], BYTES("traits"))) return 0;
  return bytes_equal(node->names[0], BYTES("attributes")) || !in_events ? OPEN | UNSURE : OPEN;
}

static unsigned look_at_call(const struct rule_node *node, bool in_events) {
  unsigned found = rule_function_info(rule_function_find(node->text))->lookup ? OPEN | UNSURE : OPEN;
  for (uint32_t i = 0; i < node->item_count; i++) found |= look_at(node->items[i], in_events);
  return found;
}

static unsigned look_at_events(const struct rule_node *node) {
  unsigned found = OPEN;
  if (node->left != NULL) found |= look_at(node->left, true);
  if (node->events != NULL && node->events->where != NULL) found |= look_at(node->events->where, true);
  for (uint32_t i = 0; i < node->step_count; i++)
    if (node->steps[i].events.where != NULL) found |= look_at(node->steps[i].events.where, true);
  return found;
}

// Down the left side in a loop: a chain is as long as a tree has nodes.
static unsigned look_at(const struct rule_node *node, bool in_events) {
  unsigned found = 0;
  for (; node != NULL; node = node->left) {
    switch (node->kind) {
    case RULE_NODE_PATH:
      return found | look_at_path(node, in_events);
    case RULE_NODE_CALL:
      return found | look_at_call(node, in_events);
    case RULE_NODE_AGGREGATE:
    case RULE_NODE_SEQUENCE:
      return found | look_at_events(node);
    case RULE_NODE_NOW:
      return found | OPEN;
    case RULE_NODE_MATCHES:
      found |= OPEN | UNSURE;
      break;
    case RULE_NODE_IN:
      for (uint32_t i = 0; i < node->item_count; i++) found |= look_at(node->items[i], in_events);
      break;
    default:
      break;
    }
    if (node->kind == RULE_NODE_BINARY) found |= look_at(node->right, in_events);
  }
  return found;
}

void compile_order(struct compiler *compiler, const struct rule_node **operands, uint32_t count) {
  uint32_t settled = 0, open = 0;
  unsigned all = 0;
  if (compiler->in_events) return; // columns go first there: compile_where
  for (uint32_t i = 0; i < count; i++) all |= look_at(operands[i], false);
  const struct rule_node **later = all == OPEN ? arena_take_zero(compiler->arena, count, sizeof *later) : NULL;
  if (later == NULL) return; // without memory in the order of the text
  for (uint32_t i = 0; i < count; i++)
    *(look_at(operands[i], false) == 0 ? &operands[settled++] : &later[open++]) = operands[i];
  memcpy(operands + settled, later, open * sizeof *later);
}
