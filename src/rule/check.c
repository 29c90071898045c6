// check: the walk over a tree.
//
// A chain leans to the left and can be as deep as an expression has nodes. So the walk goes down along `left` in a
// loop, and what waits for its operand stands on a stack of its own; only operands beside the chain are called for,
// and their depth is RULE_DEPTH_MAX times the levels of the grammar.
// Going down, what is wrong with a node whatever its operands are is refused (`now`, unknown functions); going up, each
// node gets its types from those of its operands.
#include "rule/check.h"

#include <assert.h>
#include <string.h>

#include "rule/checker.h"

// --- down ----------------------------------------------------------------------------------------------------

static bool check_place(struct checker *checker, const struct rule_node *node) {
  if (checker->events == NULL) return true;
  return check_refuse(checker, node->place, "misplaced",
                      "inside `where` and before `of` stands what one event has; aggregates and sequences stand "
                      "outside, joined with `and`");
}

static bool enter(struct checker *checker, struct rule_node *node) {
  switch (node->kind) {
  case RULE_NODE_CALL:
    return check_call_head(checker, node) && check_now(checker, node);
  case RULE_NODE_AGGREGATE:
  case RULE_NODE_SEQUENCE:
    return check_place(checker, node);
  default:
    return check_now(checker, node);
  }
}

// What is looked at before the node itself; what an aggregate gathers is of another scope and does not count.
static struct rule_node *operand(const struct rule_node *node) {
  if (node->kind == RULE_NODE_AGGREGATE || node->left == NULL) return NULL;
  return check_is_ordering(node) && check_is_moment(node->left) ? NULL : node->left;
}

// --- up ------------------------------------------------------------------------------------------------------

static bool check_items(struct checker *checker, struct rule_node *node) {
  for (uint32_t i = 0; i < node->item_count; i++)
    if (!check_node(checker, node->items[i])) return false;
  return true;
}

static bool check_not(struct checker *checker, struct rule_node *node) {
  node->types = CHECK_BIT(BOOL);
  return check_condition(checker, node->left);
}

static bool check_negate(struct checker *checker, struct rule_node *node) {
  node->types = CHECK_BIT(NUMBER);
  if (node->left->types != CHECK_BIT(NUMBER)) node->types |= CHECK_BIT(NULL);
  return check_wanted(checker, node->left, CHECK_BIT(NUMBER));
}

static bool check_member(struct checker *checker, struct rule_node *node) {
  node->types = RULE_TYPES_STORED;
  return check_wanted(checker, node->left, CHECK_BIT(DOCUMENT));
}

static bool check_two(struct checker *checker, struct rule_node *node) {
  bool moment = check_is_ordering(node) && check_is_moment(node->right);
  return (moment || check_node(checker, node->right)) && check_binary(checker, node);
}

static bool leave(struct checker *checker, struct rule_node *node) {
  switch (node->kind) {
  case RULE_NODE_NULL:
    node->types = CHECK_BIT(NULL);
    return true;
  case RULE_NODE_BOOL:
    node->types = CHECK_BIT(BOOL);
    return true;
  case RULE_NODE_NUMBER:
    node->types = CHECK_BIT(NUMBER);
    return true;
  case RULE_NODE_TEXT:
    node->types = CHECK_BIT(TEXT);
    return true;
  case RULE_NODE_DATE:
  case RULE_NODE_TIME:
  case RULE_NODE_NOW:
    node->types = CHECK_BIT(TIME);
    return true;
  case RULE_NODE_DURATION:
    node->types = node->duration.unit >= RULE_MONTH ? CHECK_BIT(CALENDAR) : CHECK_BIT(DURATION);
    return true;
  case RULE_NODE_PATH:
    return check_path(checker, node);
  case RULE_NODE_MEMBER:
    return check_member(checker, node);
  case RULE_NODE_CALL:
    return check_items(checker, node) && check_call(checker, node);
  case RULE_NODE_NOT:
    return check_not(checker, node);
  case RULE_NODE_NEGATE:
    return check_negate(checker, node);
  case RULE_NODE_BINARY:
    return check_two(checker, node);
  case RULE_NODE_IN:
    return check_items(checker, node) && check_in(checker, node);
  case RULE_NODE_IS_NULL:
    return check_is_null(checker, node);
  case RULE_NODE_MATCHES:
    return check_matches(checker, node);
  case RULE_NODE_AGGREGATE:
    return check_aggregate(checker, node);
  case RULE_NODE_SEQUENCE:
    return check_sequence(checker, node);
  }
  return false;
}

bool check_node(struct checker *checker, struct rule_node *node) {
  uint32_t from = checker->waiting_count;
  for (; node != NULL; node = operand(node)) {
    if (!enter(checker, node)) return false;
    assert(checker->waiting_count < RULE_NODES_MAX);
    checker->waiting[checker->waiting_count++] = node;
  }
  while (checker->waiting_count > from)
    if (!leave(checker, checker->waiting[--checker->waiting_count])) return false;
  return true;
}

bool check_node_of(struct checker *checker, const struct rule_events *events, struct rule_node *node) {
  const struct rule_events *outside = checker->events;
  checker->events = events;
  bool right = check_node(checker, node);
  checker->events = outside;
  return right;
}

// --- the whole -----------------------------------------------------------------------------------------------

static void init(struct checker *checker, struct rule_check *check, struct rule_diag *diag) {
  checker->check = check;
  checker->diag = diag;
  checker->err = ERR_OK;
  checker->events = NULL;
  checker->subject = (struct rule_events){.subject = true, .item_count = check->subject == RULE_SUBJECT_ITEM};
  checker->waiting_count = 0;
  check->warning_count = 0;
  memset(diag, 0, sizeof *diag);
}

enum err rule_check(struct rule_node *tree, struct rule_check *check, struct rule_diag *diag) {
  struct checker checker;
  struct rule_diag unread;
  init(&checker, check, diag == NULL ? &unread : diag);
  if (!check_node(&checker, tree)) return checker.err;
  if (check->condition && !check_condition(&checker, tree)) return checker.err;
  check_nulls(&checker, tree);
  return ERR_OK;
}
