// check_complain: the words of what is refused and of what is warned of.
//
// Nodes are shown as the printer writes them. When there is no memory to print one, it is shown as dots: a message is
// no reason to fail.
#include <stdio.h>
#include <string.h>

#include "rule/checker.h"
#include "rule/complain.h"

bool check_refuse(struct checker *checker, struct rule_place place, const char *code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain(checker->diag, place, code, format, arguments);
  va_end(arguments);
  checker->err = ERR_INVALID;
  return false;
}

bool check_no_memory(struct checker *checker, struct rule_place place) {
  check_refuse(checker, place, "no_memory", "the server is out of memory; try again later");
  checker->err = ERR_NO_MEMORY;
  return false;
}

static bool is_said(const struct rule_check *check, const struct rule_diag *warning) {
  for (size_t i = 0; i < check->warning_count; i++)
    if (check->warnings[i].place.offset == warning->place.offset && strcmp(check->warnings[i].code, warning->code) == 0)
      return true;
  return false;
}

void check_warn(struct checker *checker, struct rule_diag *warning, struct rule_place place, const char *code,
                const char *format, ...) {
  struct rule_check *check = checker->check;
  va_list arguments;
  va_start(arguments, format);
  complain(warning, place, code, format, arguments);
  va_end(arguments);
  warning->field[0] = 0;
  if (is_said(check, warning)) return;
  size_t at = check->warning_count;
  while (at > 0 && check->warnings[at - 1].place.offset > place.offset) at--;
  if (at == RULE_WARNINGS_MAX) return;
  if (check->warning_count < RULE_WARNINGS_MAX) check->warning_count++;
  memmove(&check->warnings[at + 1], &check->warnings[at], (check->warning_count - at - 1) * sizeof check->warnings[0]);
  check->warnings[at] = *warning;
}

bool check_print(const struct rule_node *node, size_t most_bytes, char out[RULE_WORD_BYTES]) {
  struct buffer printed;
  buffer_init(&printed);
  rule_print(node, &printed);
  bool whole = !printed.failed && printed.size_bytes <= most_bytes;
  complain_cut(printed.failed ? BYTES("...") : buffer_view(&printed), most_bytes, out);
  buffer_release(&printed);
  return whole;
}

void check_describe(rule_types types, char out[RULE_WORD_BYTES]) {
  static const char *const phrases[RULE_TYPE_COUNT] = {
      [RULE_TYPE_NULL] = "null",
      [RULE_TYPE_BOOL] = "true or false",
      [RULE_TYPE_NUMBER] = "a number",
      [RULE_TYPE_TEXT] = "a text",
      [RULE_TYPE_TIME] = "a time",
      [RULE_TYPE_DURATION] = "a duration",
      [RULE_TYPE_CALENDAR] = "a calendar duration",
      [RULE_TYPE_LIST] = "a list",
      [RULE_TYPE_DOCUMENT] = "a document",
  };
  const rule_types any = RULE_TYPES_STORED & ~CHECK_BIT(NULL), lengths = CHECK_BIT(DURATION) | CHECK_BIT(CALENDAR);
  rule_types left = check_without_null(types) == 0 ? types : check_without_null(types);
  size_t length = 0;
  snprintf(out, RULE_WORD_BYTES, "a value");
  if ((left & any) == any) return;
  if ((left & lengths) == lengths) left = (rule_types)(left & ~CHECK_BIT(CALENDAR)); // "a duration" says both
  for (unsigned i = 0; i < RULE_TYPE_COUNT; i++) {
    if (!(left & 1u << i)) continue;
    left = (rule_types)(left & ~(1u << i));
    const char *join = length == 0 ? "" : left == 0 ? " or " : ", ";
    int more = snprintf(out + length, RULE_WORD_BYTES - length, "%s%s", join, phrases[i]);
    if (more < 0 || length + (size_t)more >= RULE_WORD_BYTES) return;
    length += (size_t)more;
  }
}

bool check_refuse_type(struct checker *checker, const struct rule_node *node, const char *expected, const char *hint) {
  struct rule_diag *diag = checker->diag;
  char what[RULE_WORD_BYTES];
  check_print(node, COMPLAIN_FOUND_BYTES, diag->found);
  check_describe(node->types, what);
  snprintf(diag->expected, sizeof diag->expected, "%s", expected);
  return check_refuse(checker, node->place, "wrong_type", "expected %s, found `%s`, which is %s%s", expected,
                      diag->found, what, hint);
}

void check_warn_null(struct checker *checker, const struct rule_node *node, bool compared) {
  struct rule_diag warning = {0};
  check_print(node, COMPLAIN_FOUND_BYTES, warning.found);
  if (compared)
    check_warn(checker, &warning, node->place, "never_true",
               "a comparison with null is never true: write `is null` or `is not null`");
  else
    check_warn(checker, &warning, node->place, "never_true",
               "`%s` is always null here: it counts as false or gives null", warning.found);
}

bool check_wanted(struct checker *checker, const struct rule_node *node, rule_types types) {
  char expected[RULE_WORD_BYTES];
  if (node->types & types) return true;
  if (node->types == CHECK_BIT(NULL)) {
    check_warn_null(checker, node, false);
    return true;
  }
  bool time = types == (CHECK_BIT(TIME) | CHECK_BIT(TEXT)); // a text only because it may read as one
  check_describe(time ? CHECK_BIT(TIME) : types, expected);
  return check_refuse_type(checker, node, expected, "");
}

bool check_condition(struct checker *checker, const struct rule_node *node) {
  char hint[RULE_WORD_BYTES * 2], found[RULE_WORD_BYTES];
  if (node->types & CHECK_BIT(BOOL)) return true;
  if (node->types == CHECK_BIT(NULL)) {
    check_warn_null(checker, node, false);
    return true;
  }
  const char *shown = check_print(node, COMPLAIN_FOUND_BYTES, found) ? found : "...";
  if (node->kind <= RULE_NODE_DURATION)
    hint[0] = '\0'; // a literal is a slip of another kind
  else if (node->types & CHECK_BIT(NUMBER))
    snprintf(hint, sizeof hint, "; compare it, as in %s > 0", shown);
  else if (node->types & CHECK_BIT(TIME))
    snprintf(hint, sizeof hint, "; compare it, as in %s > now - 30 days", shown);
  else if (node->types & CHECK_BIT(TEXT))
    snprintf(hint, sizeof hint, "; compare it, as in %s = \"...\"", shown);
  return check_refuse_type(checker, node, "a condition, true or false", hint);
}
