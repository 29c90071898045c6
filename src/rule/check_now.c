// check_now: where `now` may stand: T < now, T > now - 30 days, and the same turned around.
//
// There alone it is known when the answer changes: at T plus the duration. Everything else is refused on the way down,
// before its operands are looked at, by the largest form that is recognised, so that the message can say how the same
// thing is written.
#include <stdio.h>

#include "rule/checker.h"

enum { SHOWN_BYTES = 60 };

static bool is_now(const struct rule_node *node) {
  return node->kind == RULE_NODE_NOW;
}

static bool is_sum(const struct rule_node *node) {
  return node->kind == RULE_NODE_BINARY && (node->op == RULE_ADD || node->op == RULE_SUBTRACT);
}

bool check_is_moment(const struct rule_node *node) {
  return is_now(node) || (is_sum(node) && is_now(node->left) && node->right->kind == RULE_NODE_DURATION);
}

bool check_is_ordering(const struct rule_node *node) {
  return node->kind == RULE_NODE_BINARY && node->op >= RULE_LESS && node->op <= RULE_GREATER_EQUAL;
}

// now - T or T - now.
static bool is_difference(const struct rule_node *node) {
  return is_sum(node) && node->op == RULE_SUBTRACT && is_now(node->left) != is_now(node->right) &&
         !check_is_moment(node);
}

// --- allowed -------------------------------------------------------------------------------------------------

static void type_moment(struct rule_node *node) {
  node->types = CHECK_BIT(TIME);
  if (is_now(node)) return;
  node->types |= CHECK_BIT(NULL); // out of range
  node->left->types = CHECK_BIT(TIME);
  node->right->types = node->right->duration.unit >= RULE_MONTH ? CHECK_BIT(CALENDAR) : CHECK_BIT(DURATION);
}

// --- refused -------------------------------------------------------------------------------------------------

static bool refuse_now(struct checker *checker, const struct rule_node *node, const char *write) {
  return check_refuse(checker, node->place, "wrong_now",
                      "`now` stands only beside < <= > or >=, alone or with a duration: write %s", write);
}

static const char *op_text(enum rule_op op) {
  return op == RULE_LESS ? "<" : op == RULE_LESS_EQUAL ? "<=" : op == RULE_GREATER ? ">" : ">=";
}

// The length that a difference is compared with: as it is written, a bare number as days.
static void write_length(const struct rule_node *node, char out[RULE_WORD_BYTES]) {
  char number[RULE_WORD_BYTES];
  bool whole =
      (node->kind == RULE_NODE_DURATION || node->kind == RULE_NODE_NUMBER) && check_print(node, SHOWN_BYTES, number);
  if (!whole)
    snprintf(out, RULE_WORD_BYTES, "30 days");
  else
    snprintf(out, RULE_WORD_BYTES, "%.*s%s", SHOWN_BYTES, number, node->kind == RULE_NODE_NUMBER ? " days" : "");
}

// difference op length: now - T < D is T > now - D, and T - now < D is T < now + D.
static bool refuse_difference(struct checker *checker, const struct rule_node *node, const struct rule_node *difference,
                              enum rule_op op, const struct rule_node *length) {
  char time[RULE_WORD_BYTES], words[RULE_WORD_BYTES], write[RULE_WORD_BYTES * 3];
  bool since = is_now(difference->left);
  check_print(since ? difference->right : difference->left, SHOWN_BYTES, time);
  write_length(length, words);
  snprintf(write, sizeof write, "%s %s now %s %s", time, op_text(since ? rule_op_mirror(op) : op), since ? "-" : "+",
           words);
  return refuse_now(checker, node, write);
}

// `T op now` with what was found as T, for all that nothing better is known for.
static bool refuse_with(struct checker *checker, const struct rule_node *node, const struct rule_node *time) {
  char shown[RULE_WORD_BYTES] = "last(time of \"Order Completed\")", write[RULE_WORD_BYTES * 2];
  bool literal = time == NULL || time->kind <= RULE_NODE_DURATION || check_is_moment(time) || is_difference(time);
  if (!literal) check_print(time, SHOWN_BYTES, shown);
  snprintf(write, sizeof write, "%s > now - 30 days", shown);
  return refuse_now(checker, node, write);
}

// In `a > now - b` either can be the time. It is b when a is a length that is written out, or b is of events.
static bool check_difference(struct checker *checker, const struct rule_node *node, const struct rule_node *difference,
                             enum rule_op op, const struct rule_node *other) {
  const struct rule_node *beside = is_now(difference->left) ? difference->right : difference->left;
  bool length = other->kind == RULE_NODE_DURATION || other->kind == RULE_NODE_NUMBER;
  if (length || beside->kind == RULE_NODE_AGGREGATE) return refuse_difference(checker, node, difference, op, other);
  return refuse_with(checker, node, other);
}

static bool check_ordering(struct checker *checker, struct rule_node *node) {
  struct rule_node *left = node->left, *right = node->right;
  if (is_difference(left)) return check_difference(checker, node, left, node->op, right);
  if (is_difference(right)) return check_difference(checker, node, right, rule_op_mirror(node->op), left);
  bool of_left = check_is_moment(left), of_right = check_is_moment(right);
  if (of_left && of_right) return refuse_with(checker, node, NULL);
  if (of_left) type_moment(left);
  if (of_right) type_moment(right);
  return true;
}

static bool check_equation(struct checker *checker, const struct rule_node *node) {
  const struct rule_node *left = node->left, *right = node->right;
  bool of_left = check_is_moment(left) || is_difference(left),
       of_right = check_is_moment(right) || is_difference(right);
  if (is_difference(left)) return refuse_with(checker, node, is_now(left->left) ? left->right : left->left);
  if (is_difference(right)) return refuse_with(checker, node, is_now(right->left) ? right->right : right->left);
  if (!of_left && !of_right) return true;
  return refuse_with(checker, node, of_left ? right : left);
}

static bool check_list(struct checker *checker, const struct rule_node *node) {
  if (check_is_moment(node->left)) return refuse_with(checker, node, NULL);
  for (uint32_t i = 0; i < node->item_count; i++)
    if (check_is_moment(node->items[i])) return refuse_with(checker, node->items[i], node->left);
  return true;
}

// A sum that stands elsewhere than beside an ordering, or has more than one duration.
static bool check_sum(struct checker *checker, const struct rule_node *node) {
  const struct rule_node *left = node->left, *right = node->right;
  if (is_now(right) && left->kind == RULE_NODE_DURATION && node->op == RULE_ADD) {
    char length[RULE_WORD_BYTES], write[RULE_WORD_BYTES * 2];
    check_print(left, SHOWN_BYTES, length);
    snprintf(write, sizeof write, "now + %s, with `now` first", length);
    return refuse_now(checker, node, write);
  }
  if (check_is_moment(left) && !is_now(left))
    return check_refuse(checker, node->place, "wrong_now", "beside `now` stands one duration: add them up");
  if (is_now(left) || is_now(right)) return refuse_with(checker, node, is_now(left) ? right : left);
  return true;
}

static bool check_argument(struct checker *checker, const struct rule_node *node) {
  for (uint32_t i = 0; i < node->item_count; i++) {
    if (!is_now(node->items[i])) continue;
    const struct rule_function_info *info = rule_function_info(node->function);
    if (info->least == 0)
      return check_refuse(checker, node->items[i]->place, "wrong_now", "without a value it is of now: write %s()",
                          info->name);
    return refuse_with(checker, node->items[i], NULL);
  }
  return true;
}

bool check_now(struct checker *checker, struct rule_node *node) {
  switch (node->kind) {
  case RULE_NODE_NOW:
    return refuse_with(checker, node, NULL);
  case RULE_NODE_CALL:
    return check_argument(checker, node);
  case RULE_NODE_IN:
    return check_list(checker, node);
  case RULE_NODE_BINARY:
    if (check_is_ordering(node)) return check_ordering(checker, node);
    if (node->op == RULE_EQUAL || node->op == RULE_UNEQUAL) return check_equation(checker, node);
    return !is_sum(node) || check_sum(checker, node);
  default:
    return true;
  }
}
