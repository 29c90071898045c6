// check_types: what operators take and give.
//
// Two sets of types meet when one type is in both; a text meets a time, because it may read as one. Null is left out
// of it: what can be null is allowed, what is nothing but null is warned of, and only sets that never meet are refused.
// A calendar's duration is equal to nothing: it has no length before it is added to a time.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "base/alloc.h"
#include "rule/checker.h"
#include "rule/complain.h"
#include "rule/literal.h"

#define TIME_OR_TEXT (rule_types)(CHECK_BIT(TIME) | CHECK_BIT(TEXT))
#define ANY_DURATION (rule_types)(CHECK_BIT(DURATION) | CHECK_BIT(CALENDAR))
#define ORDERED (rule_types)(CHECK_BIT(NUMBER) | CHECK_BIT(TEXT) | CHECK_BIT(TIME) | CHECK_BIT(DURATION))
#define EQUATED (rule_types)(RULE_TYPES_ANY & ~(CHECK_BIT(NULL) | CHECK_BIT(CALENDAR)))

// --- comparisons ---------------------------------------------------------------------------------------------

static rule_types with_time_texts(rule_types types, rule_types beside) {
  bool reads = (types & CHECK_BIT(TEXT)) && (beside & CHECK_BIT(TIME));
  return reads ? (rule_types)(types | CHECK_BIT(TIME)) : types;
}

static rule_types meet(rule_types a, rule_types b) {
  return with_time_texts(a, b) & with_time_texts(b, a);
}

bool check_time_text(struct checker *checker, const struct rule_node *node) {
  struct rule_lexer lexer;
  struct rule_problem problem;
  int64_t time_us;
  bool has_offset;
  if (node->kind != RULE_NODE_TEXT) return true;
  rule_lexer_init(&lexer, node->text);
  struct rule_token token = rule_lexer_next(&lexer);
  bool shaped = token.kind == RULE_TOKEN_DATE || token.kind == RULE_TOKEN_TIME;
  if (shaped && token.text.size_bytes == node->text.size_bytes &&
      rule_literal_time(node->text, &time_us, &has_offset, &problem) == ERR_OK)
    return true;
  return check_refuse_type(checker, node, "a time such as 2026-01-31 or 2026-01-31T10:00:00Z",
                           " that reads as no time");
}

// Never the same type: what was expected beside `left`.
static bool refuse_right(struct checker *checker, const struct rule_node *left, const struct rule_node *right,
                         rule_types wanted) {
  char expected[RULE_WORD_BYTES];
  const char *hint = "";
  if ((wanted & CHECK_BIT(TEXT)) && wanted != CHECK_BIT(TEXT)) wanted |= CHECK_BIT(TIME);
  check_describe(wanted, expected);
  if (right->types == CHECK_BIT(CALENDAR) && (left->types & CHECK_BIT(DURATION)))
    hint = "; months have no fixed length: write days";
  else if (right->kind == RULE_NODE_DURATION && wanted == CHECK_BIT(NUMBER))
    hint = "; write the number without a unit";
  return check_refuse_type(checker, right, expected, hint);
}

// Both sides of a comparison of what is in `comparable`.
static bool check_meeting(struct checker *checker, const struct rule_node *left, const struct rule_node *right,
                          rule_types comparable) {
  char expected[RULE_WORD_BYTES];
  rule_types common = meet(left->types, right->types) & comparable;
  if (common == CHECK_BIT(TIME)) return check_time_text(checker, left) && check_time_text(checker, right);
  if (common != 0) return true;
  if (left->types == CHECK_BIT(NULL) || right->types == CHECK_BIT(NULL)) {
    check_warn_null(checker, right->types == CHECK_BIT(NULL) ? right : left, true);
    return true;
  }
  if ((left->types & comparable) != 0) return refuse_right(checker, left, right, left->types & comparable);
  check_describe(comparable, expected);
  return check_refuse_type(checker, left, expected, "");
}

// The side that is not `now` is a time.
static bool check_beside_now(struct checker *checker, const struct rule_node *node) {
  const struct rule_node *side = check_is_moment(node->left) ? node->right : node->left;
  return check_wanted(checker, side, TIME_OR_TEXT) && check_time_text(checker, side);
}

static bool check_contains(struct checker *checker, const struct rule_node *node) {
  const rule_types holders = CHECK_BIT(TEXT) | CHECK_BIT(LIST);
  if (!check_wanted(checker, node->left, holders)) return false;
  rule_types wanted = node->left->types & CHECK_BIT(LIST) ? EQUATED : CHECK_BIT(TEXT);
  return check_wanted(checker, node->right, wanted);
}

// --- arithmetic ----------------------------------------------------------------------------------------------

// What the operator gives of two sets, null aside; 0: nothing but null.
static rule_types computed(enum rule_op op, rule_types a, rule_types b) {
  rule_types types = a & b & CHECK_BIT(NUMBER);
  if (op != RULE_ADD && op != RULE_SUBTRACT) return types;
  if ((a & TIME_OR_TEXT) && (b & ANY_DURATION)) types |= CHECK_BIT(TIME);
  if (op == RULE_ADD && (a & ANY_DURATION) && (b & TIME_OR_TEXT)) types |= CHECK_BIT(TIME);
  if (a & b & CHECK_BIT(DURATION)) types |= CHECK_BIT(DURATION);
  bool times = ((a & CHECK_BIT(TIME)) && (b & TIME_OR_TEXT)) || ((a & TIME_OR_TEXT) && (b & CHECK_BIT(TIME)));
  if (op == RULE_SUBTRACT && times) types |= CHECK_BIT(DURATION);
  return types;
}

// Every type that gives something on the right of `left`; a text does only as a time.
static rule_types fitting(enum rule_op op, rule_types left) {
  rule_types types = 0;
  for (unsigned i = 0; i < RULE_TYPE_COUNT; i++)
    if (i != RULE_TYPE_TEXT && computed(op, left, (rule_types)(1u << i)) != 0) types |= (rule_types)(1u << i);
  return types;
}

static bool refuse_operands(struct checker *checker, const struct rule_node *node) {
  char expected[RULE_WORD_BYTES];
  const struct rule_node *left = node->left, *right = node->right;
  rule_types beside_left = fitting(node->op, left->types);
  bool joins = node->op == RULE_ADD && (left->types == CHECK_BIT(TEXT) || right->types == CHECK_BIT(TEXT));
  const char *hint = joins ? "; `+` adds numbers, and durations to times: texts are not joined" : "";
  if (beside_left != 0) {
    check_describe(beside_left, expected);
    return check_refuse_type(checker, right, expected, hint);
  }
  bool sum = node->op == RULE_ADD || node->op == RULE_SUBTRACT;
  return check_refuse_type(checker, left, sum ? "a number, a time or a duration" : "a number", hint);
}

static bool check_arithmetic(struct checker *checker, struct rule_node *node) {
  struct rule_node *left = node->left, *right = node->right;
  rule_types types = computed(node->op, left->types, right->types);
  node->types = types | CHECK_BIT(NULL); // out of range, and a division by zero
  if (left->types == CHECK_BIT(NULL) || right->types == CHECK_BIT(NULL)) {
    check_warn_null(checker, left->types == CHECK_BIT(NULL) ? left : right, false);
    return true;
  }
  if (types == 0) return refuse_operands(checker, node);
  if (types == CHECK_BIT(TIME) || types == CHECK_BIT(DURATION))
    return check_time_text(checker, left) && check_time_text(checker, right);
  return true;
}

// --- operators -----------------------------------------------------------------------------------------------

bool check_binary(struct checker *checker, struct rule_node *node) {
  struct rule_node *left = node->left, *right = node->right;
  node->types = CHECK_BIT(BOOL);
  switch (node->op) {
  case RULE_OR:
  case RULE_AND:
    return check_condition(checker, left) && check_condition(checker, right);
  case RULE_EQUAL:
  case RULE_UNEQUAL:
    return check_meeting(checker, left, right, EQUATED);
  case RULE_LESS:
  case RULE_LESS_EQUAL:
  case RULE_GREATER:
  case RULE_GREATER_EQUAL:
    if (check_is_moment(left) || check_is_moment(right)) return check_beside_now(checker, node);
    return check_meeting(checker, left, right, ORDERED);
  case RULE_CONTAINS:
    return check_contains(checker, node);
  case RULE_STARTS_WITH:
  case RULE_ENDS_WITH:
    return check_wanted(checker, left, CHECK_BIT(TEXT)) && check_wanted(checker, right, CHECK_BIT(TEXT));
  default:
    return check_arithmetic(checker, node);
  }
}

bool check_in(struct checker *checker, struct rule_node *node) {
  node->types = CHECK_BIT(BOOL);
  for (uint32_t i = 0; i < node->item_count; i++)
    if (!check_meeting(checker, node->left, node->items[i], EQUATED)) return false;
  return true;
}

bool check_is_null(struct checker *checker, struct rule_node *node) {
  struct rule_diag warning = {0};
  node->types = CHECK_BIT(BOOL);
  if (node->negated || (node->left->types & CHECK_BIT(NULL))) return true;
  check_print(node->left, COMPLAIN_FOUND_BYTES, warning.found);
  check_warn(checker, &warning, node->place, "never_true", "`%s` is never null", warning.found);
  return true;
}

// --- patterns ------------------------------------------------------------------------------------------------

static void *get_block(size_t size_bytes, void *context) {
  (void)context;
  return alloc_get(size_bytes);
}

static void free_block(void *block, void *context) {
  (void)context;
  alloc_free(block);
}

// PCRE2's number of what is wrong, 0 when nothing is; it is compiled for that alone.
static int try_pattern(struct bytes pattern, size_t *at) {
  int error = PCRE2_ERROR_NOMEMORY;
  pcre2_general_context *memory = pcre2_general_context_create(get_block, free_block, NULL);
  pcre2_compile_context *context = memory == NULL ? NULL : pcre2_compile_context_create(memory);
  if (context != NULL) {
    const uint8_t *text = pattern.size_bytes == 0 ? (const uint8_t *)"" : pattern.data;
    pcre2_code *code = pcre2_compile(text, pattern.size_bytes, PCRE2_UTF, &error, at, context);
    if (code != NULL) error = 0;
    pcre2_code_free(code);
  }
  pcre2_compile_context_free(context);
  pcre2_general_context_free(memory);
  return error;
}

bool check_matches(struct checker *checker, struct rule_node *node) {
  enum { ERROR_NO_MEMORY = 121 }; // of the compiler; PCRE2 has no name for it
  uint8_t words[RULE_WORD_BYTES];
  size_t at = 0;
  node->types = CHECK_BIT(BOOL);
  if (!check_wanted(checker, node->left, CHECK_BIT(TEXT))) return false;
  if (node->text.size_bytes > RULE_PATTERN_BYTES_MAX)
    return check_refuse(checker, node->place, "too_long", "a pattern has at most %d bytes", RULE_PATTERN_BYTES_MAX);
  int error = try_pattern(node->text, &at);
  if (error == 0) return true;
  if (error == PCRE2_ERROR_NOMEMORY || error == ERROR_NO_MEMORY) return check_no_memory(checker, node->place);
  if (pcre2_get_error_message(error, words, sizeof words) < 0) words[0] = '\0';
  return check_refuse(checker, node->place, "bad_pattern", "the pattern is wrong at its byte %zu: %s", at + 1,
                      (const char *)words);
}
