// check_call: functions: whether there is such a one, its arguments, and what it gives.
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "rule/checker.h"
#include "rule/complain.h"

// --- which function ------------------------------------------------------------------------------------------

static const char *nearest_function(struct bytes name) {
  const char *words[RULE_FUNCTION_COUNT + RULE_AGGREGATOR_COUNT];
  size_t count = 0;
  for (int i = RULE_FUNCTION_NONE + 1; i < RULE_FUNCTION_COUNT; i++)
    words[count++] = rule_function_info((enum rule_function)i)->name;
  for (int i = 0; i < RULE_AGGREGATOR_COUNT; i++) words[count++] = rule_aggregator_name((enum rule_aggregator)i);
  words[count++] = "sequence";
  return nearest_slip(name, words, count);
}

static bool refuse_function(struct checker *checker, const struct rule_node *node) {
  struct rule_diag *diag = checker->diag;
  const char *nearest = nearest_function(node->text);
  complain_cut(node->text, COMPLAIN_FOUND_BYTES, diag->found);
  if (nearest == NULL)
    return check_refuse(checker, node->place, "unknown_function", "there is no function `%s`", diag->found);
  snprintf(diag->nearest, sizeof diag->nearest, "%s", nearest);
  return check_refuse(checker, node->place, "unknown_function", "there is no function `%s`; did you mean `%s`?",
                      diag->found, nearest);
}

static bool refuse_count(struct checker *checker, const struct rule_node *node, const struct rule_function_info *info) {
  char wanted[RULE_WORD_BYTES];
  const char *hint = "";
  if (info->most == 0)
    return check_refuse(checker, node->place, "wrong_arguments", "%s takes no values: write %s()", info->name,
                        info->name);
  if (info->least == info->most)
    snprintf(wanted, sizeof wanted, "%u %s", info->least, info->most == 1 ? "value" : "values");
  else
    snprintf(wanted, sizeof wanted, "%u to %u values", info->least, info->most);
  if (node->function == RULE_FUNCTION_min) hint = "; of events write min(total of \"Order Completed\")";
  if (node->function == RULE_FUNCTION_max) hint = "; of events write max(total of \"Order Completed\")";
  return check_refuse(checker, node->place, "wrong_arguments", "%s takes %s, found %u%s", info->name, wanted,
                      node->item_count, hint);
}

bool check_call_head(struct checker *checker, struct rule_node *node) {
  node->function = rule_function_find(node->text);
  if (node->function == RULE_FUNCTION_NONE) return refuse_function(checker, node);
  const struct rule_function_info *info = rule_function_info(node->function);
  if (node->item_count < info->least || node->item_count > info->most) return refuse_count(checker, node, info);
  return true;
}

// --- what it takes and gives ---------------------------------------------------------------------------------

static bool check_arguments(struct checker *checker, struct rule_node *node, const struct rule_function_info *info) {
  for (uint32_t i = 0; i < node->item_count; i++) {
    const struct rule_node *item = node->items[i];
    rule_types wanted = rule_function_argument(info, i);
    if (wanted == RULE_TYPES_ANY) continue;
    if (!check_wanted(checker, item, wanted)) return false;
    if (wanted == (CHECK_BIT(TIME) | CHECK_BIT(TEXT)) && !check_time_text(checker, item)) return false;
  }
  return true;
}

// Null only when all of them can be.
static rule_types coalesced(const struct rule_node *node) {
  rule_types types = 0, null = CHECK_BIT(NULL);
  for (uint32_t i = 0; i < node->item_count; i++) {
    types |= check_without_null(node->items[i]->types);
    null &= node->items[i]->types;
  }
  return types | null;
}

// Of min and max: all numbers, all texts or all times.
static bool check_alike(struct checker *checker, struct rule_node *node, rule_types ranked) {
  char expected[RULE_WORD_BYTES];
  for (uint32_t i = 0; i < node->item_count; i++) {
    const struct rule_node *item = node->items[i];
    if (item->types == CHECK_BIT(NULL)) continue;
    if ((ranked & item->types) == 0) {
      check_describe(ranked, expected);
      return check_refuse_type(checker, item, expected, "; its values are all of one type");
    }
    ranked &= item->types;
  }
  node->types = ranked | CHECK_BIT(NULL);
  return true;
}

static bool has_null_argument(const struct rule_node *node) {
  for (uint32_t i = 0; i < node->item_count; i++)
    if (node->items[i]->types == CHECK_BIT(NULL)) return true;
  return false;
}

bool check_call(struct checker *checker, struct rule_node *node) {
  const struct rule_function_info *info = rule_function_info(node->function);
  node->types = info->result;
  switch (node->function) {
  case RULE_FUNCTION_if:
    node->types = node->items[1]->types | node->items[2]->types;
    return check_condition(checker, node->items[0]);
  case RULE_FUNCTION_coalesce:
    node->types = coalesced(node);
    return true;
  case RULE_FUNCTION_min:
  case RULE_FUNCTION_max:
    if (!check_arguments(checker, node, info)) return false;
    return has_null_argument(node) || check_alike(checker, node, rule_function_argument(info, 0));
  case RULE_FUNCTION_in_segment:
    return check_arguments(checker, node, info) && check_segment(checker, node->items[0]);
  case RULE_FUNCTION_score:
    return check_arguments(checker, node, info) &&
           check_score(checker, node->items[0], node->item_count > 1 ? node->items[1] : NULL);
  default:
    if (node->item_count == 0) node->types = check_without_null(info->result); // of now
    return check_arguments(checker, node, info);
  }
}
