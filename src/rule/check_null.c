// check_null: what null does to `not`, `!=` and `not in`.
//
// A comparison with null is false, so `traits.country != "FR"` leaves out who has no country, and `not (traits.age >
// 18)` takes in who has no age. Both may be meant; who has not thought of it is told, with what to write. Nobody is
// told of what is never null (count, exists, sums, coalesce with an end), nor of a value that the same condition asks
// for null by itself, nor twice of the same value in one condition.
#include <stdio.h>
#include <string.h>

#include "rule/checker.h"

enum { SHOWN_BYTES = 100 }; // of a value that may be null: more than COMPLAIN_FOUND_BYTES, as it is to be copied

struct scope {
  struct checker *checker;
  const struct rule_events *events; // NULL: the customer alone
  const struct rule_node *root;     // the condition: of the whole, or after `where`
};

// --- what may be null ----------------------------------------------------------------------------------------

static const struct rule_node *nullable(const struct rule_node *node);

// Of arithmetic: the first operand that may be null.
static const struct rule_node *nullable_operand(const struct rule_node *node) {
  const struct rule_node *first = NULL, *found;
  for (; node->kind == RULE_NODE_BINARY; node = node->left) {
    if (node->op < RULE_ADD) return first;
    if ((found = nullable(node->right)) != NULL) first = found;
  }
  found = nullable(node);
  return found != NULL ? found : first;
}

static const struct rule_node *nullable_argument(const struct rule_node *node) {
  const struct rule_node *found = NULL;
  bool all = node->function == RULE_FUNCTION_coalesce;
  for (uint32_t i = node->function == RULE_FUNCTION_if; i < node->item_count; i++) {
    const struct rule_node *one = nullable(node->items[i]);
    if (all && one == NULL) return NULL;
    if (found == NULL) found = one;
  }
  return found;
}

static const struct rule_node *nullable_call(const struct rule_node *node) {
  switch (node->function) {
  case RULE_FUNCTION_in_segment: // of nobody who knows it is no: as good as false
  case RULE_FUNCTION_consent:
    return NULL;
  case RULE_FUNCTION_tier:
  case RULE_FUNCTION_points:
  case RULE_FUNCTION_score:
    return node;
  default:
    return nullable_argument(node);
  }
}

// Of what the value is null when it is: something a customer or an event may not have. Overflow and division by zero
// are not counted.
static const struct rule_node *nullable(const struct rule_node *node) {
  enum rule_aggregator aggregator;
  switch (node->kind) {
  case RULE_NODE_PATH:
    return node->types & CHECK_BIT(NULL) ? node : NULL;
  case RULE_NODE_MEMBER:
    return node;
  case RULE_NODE_AGGREGATE:
    if (!rule_aggregator_find(node->text, &aggregator) || aggregator == RULE_SUM) return NULL;
    return node->types & CHECK_BIT(NULL) ? node : NULL;
  case RULE_NODE_CALL:
    return nullable_call(node);
  case RULE_NODE_BINARY:
    return nullable_operand(node);
  case RULE_NODE_NEGATE:
    return nullable(node->left);
  default:
    return NULL;
  }
}

// --- whether it is thought of --------------------------------------------------------------------------------

static bool same_value(const struct rule_node *a, const struct rule_node *b) {
  if (a->kind != b->kind || a->name_count != b->name_count || !bytes_equal(a->text, b->text)) return false;
  for (uint32_t i = 0; i < a->name_count; i++)
    if (!bytes_equal(a->names[i], b->names[i])) return false;
  return true;
}

// `value` is asked for null somewhere among what `and`, `or` and `not` join.
static bool is_asked(const struct rule_node *node, const struct rule_node *value) {
  for (;;) {
    bool joins = node->kind == RULE_NODE_BINARY && node->op <= RULE_AND;
    if (node->kind == RULE_NODE_IS_NULL) return same_value(node->left, value);
    if (!joins && node->kind != RULE_NODE_NOT) return false;
    if (joins && is_asked(node->right, value)) return true;
    node = node->left;
  }
}

// Something was said of the value earlier in the text of this condition. What was said later in it is taken back: a
// chain is walked from its end.
static bool is_told(const struct scope *scope, const char *found, uint32_t offset) {
  struct rule_check *check = scope->checker->check;
  const struct rule_place root = scope->root->place;
  for (size_t i = 0; i < check->warning_count; i++) {
    struct rule_diag *warning = &check->warnings[i];
    bool inside = warning->place.offset >= root.offset && warning->place.offset < root.offset + root.length;
    if (!inside || strcmp(warning->code, "may_be_null") != 0 || strcmp(warning->found, found) != 0) continue;
    if (warning->place.offset <= offset) return true;
    memmove(warning, warning + 1, (--check->warning_count - i) * sizeof *warning);
    return false;
  }
  return false;
}

// --- what is said --------------------------------------------------------------------------------------------

static const char *whose(const struct scope *scope, const struct rule_node *value) {
  bool customer = scope->events == NULL || value->kind != RULE_NODE_PATH ||
                  bytes_equal(value->names[0], BYTES("traits")) || bytes_equal(value->names[0], BYTES("attributes"));
  return customer ? "customers" : scope->events->item_count > 0 ? "items" : "events";
}

static void warn(const struct scope *scope, const struct rule_node *value, bool taken_in) {
  struct rule_diag warning = {0};
  char rewrite[RULE_WORD_BYTES * 2];
  check_print(value, SHOWN_BYTES, warning.found);
  if (is_told(scope, warning.found, value->place.offset)) return;
  snprintf(rewrite, sizeof rewrite, taken_in ? "and %s is not null" : "(... or %s is null)", warning.found);
  check_warn(scope->checker, &warning, value->place, "may_be_null",
             taken_in ? "%s without `%s` are taken in too; to leave them out, add `%s`"
                      : "%s without `%s` are left out; to take them in, write `%s`",
             whose(scope, value), warning.found, rewrite);
}

static void suspect(const struct scope *scope, const struct rule_node *node, bool taken_in) {
  const struct rule_node *value = nullable(node);
  if (value != NULL && !is_asked(scope->root, value)) warn(scope, value, taken_in);
}

// --- the walk ------------------------------------------------------------------------------------------------

static void walk(const struct scope *scope, const struct rule_node *node, bool negated);

static void walk_events(const struct scope *scope, const struct rule_events *events) {
  struct scope inner = {scope->checker, events, events->where};
  if (events->where != NULL) walk(&inner, events->where, false);
}

// What stands beside the chain along `left`. Inside values a `not` begins anew.
static void walk_parts(const struct scope *scope, const struct rule_node *node) {
  for (uint32_t i = 0; i < node->item_count; i++) walk(scope, node->items[i], false);
  for (uint32_t i = 0; i < node->step_count; i++) walk_events(scope, &node->steps[i].events);
  if (node->kind == RULE_NODE_BINARY) walk(scope, node->right, false);
  if (node->kind != RULE_NODE_AGGREGATE) return;
  struct scope inner = {scope->checker, node->events, node->left};
  if (node->left != NULL) walk(&inner, node->left, false);
  walk_events(scope, node->events);
}

// A comparison or a value in the place of a condition, `negated` by an odd number of `not`.
static void look(const struct scope *scope, const struct rule_node *node, bool negated) {
  switch (node->kind) {
  case RULE_NODE_BINARY:
    if (node->op >= RULE_ADD || !(negated || node->op == RULE_UNEQUAL)) return;
    if (node->left->types == CHECK_BIT(NULL) || node->right->types == CHECK_BIT(NULL)) return; // that was said
    suspect(scope, node->left, negated);
    suspect(scope, node->right, negated);
    return;
  case RULE_NODE_IN:
    if (negated || node->negated) suspect(scope, node->left, negated);
    return;
  case RULE_NODE_MATCHES:
    if (negated) suspect(scope, node->left, true);
    return;
  default:
    if (negated) suspect(scope, node, true);
  }
}

static void walk(const struct scope *scope, const struct rule_node *node, bool negated) {
  while (node != NULL) {
    if (node->kind == RULE_NODE_NOT) {
      negated = !negated;
    } else if (node->kind == RULE_NODE_BINARY && node->op <= RULE_AND) {
      walk(scope, node->right, negated);
    } else {
      look(scope, node, negated);
      walk_parts(scope, node);
      if (node->kind == RULE_NODE_AGGREGATE) return;
      negated = false;
    }
    node = node->left;
  }
}

void check_nulls(struct checker *checker, const struct rule_node *tree) {
  bool in_hand = checker->check->subject != RULE_SUBJECT_NONE;
  struct scope scope = {checker, in_hand ? &checker->subject : NULL, tree};
  walk(&scope, tree, false);
}
