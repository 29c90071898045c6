// parser: expressions, by recursive descent, one function a level of the grammar in ast.h.
//
// Bounds: nesting is counted in `depth` where a level can contain itself (parentheses, arguments, `not`, `-`), nodes
// in parser_node, the text before anything is read. Chains of one level are read in a loop and lean to the left.
// The text is copied into the arena first, so that names and most texts of the tree are views of that copy.
#include "rule/parser.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "rule/literal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

// --- tokens --------------------------------------------------------------------------------------------------

void parser_advance(struct parser *parser) {
  if (parser->err != ERR_OK) return;
  parser->end = parser->token.place.offset + parser->token.place.length;
  parser->token = rule_lexer_next(&parser->lexer);
  if (parser->token.kind == RULE_TOKEN_BAD)
    parser_refuse(parser, parser->token.place, ERR_INVALID, parser->token.code, "%s", parser->token.message);
}

struct rule_token parser_peek(const struct parser *parser) {
  struct rule_lexer ahead = parser->lexer;
  return rule_lexer_next(&ahead);
}

bool parser_at(const struct parser *parser, const char *symbol) {
  return parser->token.kind == RULE_TOKEN_SYMBOL && bytes_equal(parser->token.text, bytes_from_text(symbol));
}

bool parser_at_word(const struct parser *parser, const char *word) {
  return parser->token.kind == RULE_TOKEN_NAME && bytes_equal(parser->token.text, bytes_from_text(word));
}

bool parser_take(struct parser *parser, const char *symbol) {
  if (!parser_at(parser, symbol)) return false;
  parser_advance(parser);
  return parser->err == ERR_OK;
}

bool parser_take_word(struct parser *parser, const char *word) {
  if (!parser_at_word(parser, word)) return false;
  parser_advance(parser);
  return parser->err == ERR_OK;
}

static bool peek_is(const struct parser *parser, const char *symbol) {
  struct rule_token next = parser_peek(parser);
  return next.kind == RULE_TOKEN_SYMBOL && bytes_equal(next.text, bytes_from_text(symbol));
}

// --- pieces --------------------------------------------------------------------------------------------------

struct rule_node *parser_node(struct parser *parser, enum rule_node_kind kind, struct rule_place from) {
  if (parser->err != ERR_OK) return NULL;
  if (++parser->nodes > RULE_NODES_MAX) {
    parser_refuse(parser, from, ERR_LIMIT, "too_large", "an expression has at most %d parts", RULE_NODES_MAX);
    return NULL;
  }
  struct rule_node *node = arena_take_zero(parser->arena, 1, sizeof *node);
  if (node == NULL) {
    parser_no_memory(parser);
    return NULL;
  }
  node->kind = kind;
  node->place = from;
  return node;
}

struct rule_node *parser_finish(const struct parser *parser, struct rule_node *node) {
  if (parser->err != ERR_OK) return NULL;
  node->place.length = parser->end - node->place.offset;
  return node;
}

bool parser_grow(struct parser *parser, void **items, uint32_t count, size_t size_bytes) {
  if (parser->err != ERR_OK) return false;
  if ((count & (count - 1)) != 0) return true; // room is taken at 0 and at each power of two
  void *more = arena_take_zero(parser->arena, count == 0 ? 1 : (size_t)count * 2, size_bytes);
  if (more == NULL) return parser_no_memory(parser);
  if (count > 0) memcpy(more, *items, count * size_bytes);
  *items = more;
  return true;
}

static bool append_node(struct parser *parser, struct rule_node *parent, struct rule_node *item) {
  void *items = parent->items;
  if (item == NULL || !parser_grow(parser, &items, parent->item_count, sizeof(struct rule_node *))) return false;
  parent->items = items;
  parent->items[parent->item_count++] = item;
  return true;
}

static bool deeper(struct parser *parser) {
  if (++parser->depth <= RULE_DEPTH_MAX) return true;
  return parser_refuse(parser, parser->token.place, ERR_LIMIT, "too_deep",
                       "parentheses, `not` and `-` are nested more than %d deep", RULE_DEPTH_MAX);
}

static bool check_literal(struct parser *parser, enum err err, struct rule_place place,
                          const struct rule_problem *problem) {
  if (err == ERR_OK) return true;
  if (err == ERR_NO_MEMORY) return parser_no_memory(parser);
  return parser_refuse(parser, place, err, problem->code, "%s", problem->message);
}

bool parser_text(struct parser *parser, struct bytes *text) {
  struct rule_problem problem;
  struct rule_token token = parser->token;
  if (parser->err != ERR_OK) return false;
  enum err err = rule_literal_text(token.text, parser->arena, text, &problem);
  if (!check_literal(parser, err, token.place, &problem)) return false;
  parser_advance(parser);
  return parser->err == ERR_OK;
}

bool parser_name_text(struct parser *parser, struct bytes *name) {
  struct rule_place place = parser->token.place;
  *name = parser->token.text;
  if (parser->token.kind == RULE_TOKEN_TEXT) {
    if (!parser_text(parser, name)) return false;
  } else {
    parser_advance(parser);
  }
  if (parser->err != ERR_OK) return false;
  if (name->size_bytes == 0)
    return parser_refuse(parser, place, ERR_INVALID, "empty_name", "a name has at least one letter");
  if (name->size_bytes > LIMIT_NAME_BYTES)
    return parser_refuse(parser, place, ERR_LIMIT, "too_long", "a name has at most %d bytes", LIMIT_NAME_BYTES);
  return true;
}

bool parser_path_part(struct parser *parser, struct bytes **names, uint32_t *count, const char *expected) {
  struct bytes name;
  void *items = *names;
  if (parser->token.kind != RULE_TOKEN_NAME && parser->token.kind != RULE_TOKEN_TEXT)
    return parser_expected(parser, expected, NULL, 0);
  if (!parser_name_text(parser, &name) || !parser_grow(parser, &items, *count, sizeof name)) return false;
  *names = items;
  (*names)[(*count)++] = name;
  return true;
}

// --- durations, dates and times ------------------------------------------------------------------------------

static const char *const units[] = {"seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years"};

static bool read_count(struct parser *parser, int64_t least, int64_t *count) {
  struct rule_problem problem;
  struct decimal number;
  struct rule_token token = parser->token;
  enum err err = rule_literal_number(token.text, &number, &problem);
  if (!check_literal(parser, err, token.place, &problem)) return false;
  if (decimal_to_scaled_i64(number, 0, count) != ERR_OK || *count < least || *count > RULE_COUNT_MAX)
    return parser_refuse(parser, token.place, ERR_INVALID, "bad_number",
                         "expected a whole number from %d to %d before a unit of time, found `%.*s`", (int)least,
                         RULE_COUNT_MAX, BYTES_ARG(token.text));
  parser_advance(parser);
  return parser->err == ERR_OK;
}

bool parser_duration(struct parser *parser, int64_t least, const char *expected, struct rule_duration *duration) {
  if (parser->token.kind != RULE_TOKEN_NUMBER) return parser_expected(parser, expected, NULL, 0);
  if (!read_count(parser, least, &duration->count)) return false;
  if (parser->token.kind == RULE_TOKEN_NAME && rule_unit_parse(parser->token.text, &duration->unit)) {
    parser_advance(parser);
    return parser->err == ERR_OK;
  }
  bool end = parser->token.kind == RULE_TOKEN_END;
  parser_expected(parser, "a unit of time: seconds, minutes, hours, days, weeks, months, quarters or years", units,
                  COUNT(units));
  if (!end) snprintf(parser->diag->code, sizeof parser->diag->code, "bad_unit");
  return false;
}

struct rule_node *parser_moment(struct parser *parser, const char *expected) {
  struct rule_token token = parser->token;
  struct rule_problem problem;
  if (token.kind != RULE_TOKEN_DATE && token.kind != RULE_TOKEN_TIME) {
    parser_expected(parser, expected, NULL, 0);
    return NULL;
  }
  struct rule_node *node =
      parser_node(parser, token.kind == RULE_TOKEN_DATE ? RULE_NODE_DATE : RULE_NODE_TIME, token.place);
  if (node == NULL) return NULL;
  enum err err = rule_literal_time(token.text, &node->time_us, &node->has_offset, &problem);
  if (!check_literal(parser, err, token.place, &problem)) return NULL;
  parser_advance(parser);
  return parser_finish(parser, node);
}

// --- primaries -----------------------------------------------------------------------------------------------

static struct rule_node *parse_sum(struct parser *parser);

static struct rule_node *parse_text(struct parser *parser) {
  struct rule_node *node = parser_node(parser, RULE_NODE_TEXT, parser->token.place);
  if (node == NULL || !parser_text(parser, &node->text)) return NULL;
  return parser_finish(parser, node);
}

// A number, or with a unit behind it a duration.
static struct rule_node *parse_number(struct parser *parser) {
  struct rule_token token = parser->token, next = parser_peek(parser);
  struct rule_problem problem;
  enum rule_unit unit;
  bool is_duration = next.kind == RULE_TOKEN_NAME && rule_unit_parse(next.text, &unit);
  struct rule_node *node = parser_node(parser, is_duration ? RULE_NODE_DURATION : RULE_NODE_NUMBER, token.place);
  if (node == NULL) return NULL;
  if (is_duration) {
    if (!parser_duration(parser, 0, "a duration such as `30 days`", &node->duration)) return NULL;
    return parser_finish(parser, node);
  }
  enum err err = rule_literal_number(token.text, &node->number, &problem);
  if (!check_literal(parser, err, token.place, &problem)) return NULL;
  parser_advance(parser);
  return parser_finish(parser, node);
}

static struct rule_node *parse_constant(struct parser *parser, enum rule_node_kind kind) {
  struct rule_node *node = parser_node(parser, kind, parser->token.place);
  if (node == NULL) return NULL;
  node->boolean = parser_at_word(parser, "true");
  parser_advance(parser);
  return parser_finish(parser, node);
}

static struct rule_node *parse_path(struct parser *parser) {
  struct rule_node *node = parser_node(parser, RULE_NODE_PATH, parser->token.place);
  if (node == NULL) return NULL;
  do {
    if (!parser_path_part(parser, &node->names, &node->name_count, "a name after the dot")) return NULL;
  } while (parser_take(parser, "."));
  return parser_finish(parser, node);
}

static struct rule_node *parse_call(struct parser *parser) {
  struct rule_token name = parser->token;
  struct rule_node *node = parser_node(parser, RULE_NODE_CALL, name.place);
  if (node == NULL || !parser_name_text(parser, &node->text)) return NULL;
  parser_take(parser, "(");
  if (parser_take(parser, ")")) return parser_finish(parser, node);
  do {
    if (!append_node(parser, node, parser_expression(parser))) return NULL;
  } while (parser_take(parser, ","));
  if (parser_at_events_word(parser)) {
    parser_no_aggregator(parser, name);
    return NULL;
  }
  if (!parser_take(parser, ")")) {
    parser_expected(parser, "`,` or `)`", NULL, 0);
    return NULL;
  }
  return parser_finish(parser, node);
}

static struct rule_node *parse_group(struct parser *parser) {
  static const char *const words[] = {"and", "or", "in", "is", "not", "contains", "starts", "ends", "matches"};
  parser_take(parser, "(");
  struct rule_node *node = parser_expression(parser);
  if (node == NULL) return NULL;
  if (parser_take(parser, ")")) return node;
  if (parser_at(parser, ","))
    parser_refuse(parser, parser->token.place, ERR_INVALID, "syntax",
                  "expected `)`, found `,`: a list stands only behind `in`: x in (1, 2)");
  else
    parser_expected(parser, "an operator or `)`", words, COUNT(words));
  return NULL;
}

static struct rule_node *parse_word(struct parser *parser) {
  struct bytes word = parser->token.text;
  if (parser_at_word(parser, "true") || parser_at_word(parser, "false")) return parse_constant(parser, RULE_NODE_BOOL);
  if (parser_at_word(parser, "null")) return parse_constant(parser, RULE_NODE_NULL);
  if (parser_at_word(parser, "now")) return parse_constant(parser, RULE_NODE_NOW);
  if (rule_lexer_is_reserved(word)) {
    parser_expected(parser, "a value", NULL, 0);
    return NULL;
  }
  if (!peek_is(parser, "(")) return parse_path(parser);
  if (bytes_equal(word, BYTES("sequence"))) return parser_sequence(parser);
  return parser_is_aggregator(word) ? parser_aggregate(parser) : parse_call(parser);
}

static struct rule_node *parse_primary(struct parser *parser) {
  switch (parser->token.kind) {
  case RULE_TOKEN_NUMBER:
    return parse_number(parser);
  case RULE_TOKEN_TEXT:
    return parse_text(parser);
  case RULE_TOKEN_DATE:
  case RULE_TOKEN_TIME:
    return parser_moment(parser, "a date");
  case RULE_TOKEN_NAME:
    return parse_word(parser);
  case RULE_TOKEN_SYMBOL:
    if (parser_at(parser, "(")) return parse_group(parser);
    break;
  default:
    break;
  }
  parser_expected(parser, "a value", NULL, 0);
  return NULL;
}

// --- operators -----------------------------------------------------------------------------------------------

static struct rule_node *parse_postfix(struct parser *parser) {
  struct rule_place from = parser->token.place;
  bool group = parser_at(parser, "(");
  struct rule_node *left = parse_primary(parser);
  while (left != NULL && parser_at(parser, ".")) {
    bool has_members = group || left->kind == RULE_NODE_CALL || left->kind == RULE_NODE_AGGREGATE ||
                       left->kind == RULE_NODE_SEQUENCE || left->kind == RULE_NODE_MEMBER;
    if (!has_members) {
      parser_expected(parser, "an operator: a literal has no members", NULL, 0);
      return NULL;
    }
    parser_advance(parser);
    struct rule_node *node = parser_node(parser, RULE_NODE_MEMBER, from);
    if (node == NULL) return NULL;
    node->left = left;
    if (parser->token.kind != RULE_TOKEN_NAME && parser->token.kind != RULE_TOKEN_TEXT) {
      parser_expected(parser, "a name after the dot", NULL, 0);
      return NULL;
    }
    if (!parser_name_text(parser, &node->text)) return NULL;
    left = parser_finish(parser, node);
  }
  return left;
}

// The operator of one operand: `-` or `not`, whose operand is of the same level.
static struct rule_node *parse_prefix(struct parser *parser, enum rule_node_kind kind,
                                      struct rule_node *(*parse)(struct parser *)) {
  struct rule_node *node = parser_node(parser, kind, parser->token.place);
  if (node == NULL || !deeper(parser)) return NULL;
  parser_advance(parser);
  node->left = parse(parser);
  parser->depth--;
  return node->left == NULL ? NULL : parser_finish(parser, node);
}

static struct rule_node *parse_unary(struct parser *parser) {
  return parser_at(parser, "-") ? parse_prefix(parser, RULE_NODE_NEGATE, parse_unary) : parse_postfix(parser);
}

struct infix {
  const char *text;
  enum rule_op op;
};

static const struct infix *find_operator(const struct parser *parser, const struct infix *table, size_t count) {
  if (parser->token.kind != RULE_TOKEN_SYMBOL && parser->token.kind != RULE_TOKEN_NAME) return NULL;
  for (size_t i = 0; i < count; i++)
    if (bytes_equal(parser->token.text, bytes_from_text(table[i].text))) return &table[i];
  return NULL;
}

static struct rule_node *make_binary(struct parser *parser, struct rule_place from, enum rule_op op,
                                     struct rule_node *left, struct rule_node *right) {
  struct rule_node *node = right == NULL ? NULL : parser_node(parser, RULE_NODE_BINARY, from);
  if (node == NULL) return NULL;
  node->op = op;
  node->left = left;
  node->right = right;
  return parser_finish(parser, node);
}

static struct rule_node *parse_chain(struct parser *parser, const struct infix *table, size_t count,
                                     struct rule_node *(*parse)(struct parser *)) {
  struct rule_place from = parser->token.place;
  struct rule_node *left = parse(parser);
  const struct infix *found;
  while (left != NULL && (found = find_operator(parser, table, count)) != NULL) {
    parser_advance(parser);
    left = make_binary(parser, from, found->op, left, parse(parser));
  }
  return left;
}

static struct rule_node *parse_product(struct parser *parser) {
  static const struct infix table[] = {{"*", RULE_MULTIPLY}, {"/", RULE_DIVIDE}, {"%", RULE_REMAINDER}};
  return parse_chain(parser, table, COUNT(table), parse_unary);
}

static struct rule_node *parse_sum(struct parser *parser) {
  static const struct infix table[] = {{"+", RULE_ADD}, {"-", RULE_SUBTRACT}};
  return parse_chain(parser, table, COUNT(table), parse_product);
}

// --- comparisons ---------------------------------------------------------------------------------------------

static const struct infix comparisons[] = {
    {"=", RULE_EQUAL},           {"!=", RULE_UNEQUAL},         {"<", RULE_LESS},
    {"<=", RULE_LESS_EQUAL},     {">", RULE_GREATER},          {">=", RULE_GREATER_EQUAL},
    {"contains", RULE_CONTAINS}, {"starts", RULE_STARTS_WITH}, {"ends", RULE_ENDS_WITH},
};

static struct rule_node *parse_matches(struct parser *parser, struct rule_place from, struct rule_node *left) {
  parser_take_word(parser, "matches");
  if (parser->token.kind != RULE_TOKEN_TEXT) {
    parser_expected(parser, "a pattern in quotes", NULL, 0);
    return NULL;
  }
  struct rule_node *node = parser_node(parser, RULE_NODE_MATCHES, from);
  if (node == NULL || !parser_text(parser, &node->text)) return NULL;
  node->left = left;
  return parser_finish(parser, node);
}

static struct rule_node *parse_in(struct parser *parser, struct rule_place from, struct rule_node *left, bool negated) {
  struct rule_node *node = parser_node(parser, RULE_NODE_IN, from);
  if (node == NULL) return NULL;
  node->left = left;
  node->negated = negated;
  parser_take_word(parser, "in");
  if (!parser_take(parser, "(")) {
    parser_expected(parser, "a list in parentheses: in (\"a\", \"b\")", NULL, 0);
    return NULL;
  }
  do {
    if (!append_node(parser, node, parse_sum(parser))) return NULL;
  } while (parser_take(parser, ","));
  if (!parser_take(parser, ")")) {
    parser_expected(parser, "`,` or `)`", NULL, 0);
    return NULL;
  }
  return parser_finish(parser, node);
}

static struct rule_node *parse_is(struct parser *parser, struct rule_place from, struct rule_node *left) {
  static const char *const words[] = {"null", "not"};
  parser_take_word(parser, "is");
  struct rule_node *node = parser_node(parser, RULE_NODE_IS_NULL, from);
  if (node == NULL) return NULL;
  node->left = left;
  node->negated = parser_take_word(parser, "not");
  if (!parser_take_word(parser, "null")) {
    parser_expected(parser, node->negated ? "`null`" : "`null` or `not null`; `=` compares", words, COUNT(words));
    return NULL;
  }
  return parser_finish(parser, node);
}

static struct rule_node *parse_compared(struct parser *parser, struct rule_place from, struct rule_node *left,
                                        const struct infix *found) {
  static const char *const words[] = {"with"};
  parser_advance(parser);
  bool two_words = found->op == RULE_STARTS_WITH || found->op == RULE_ENDS_WITH;
  if (two_words && !parser_take_word(parser, "with")) {
    parser_expected(parser, "`with`", words, COUNT(words));
    return NULL;
  }
  return make_binary(parser, from, found->op, left, parse_sum(parser));
}

static struct rule_node *parse_comparison(struct parser *parser) {
  struct rule_place from = parser->token.place;
  struct rule_node *left = parse_sum(parser);
  if (left == NULL) return NULL;
  const struct infix *found = find_operator(parser, comparisons, COUNT(comparisons));
  if (found != NULL)
    left = parse_compared(parser, from, left, found);
  else if (parser_at_word(parser, "matches"))
    left = parse_matches(parser, from, left);
  else if (parser_at_word(parser, "is"))
    left = parse_is(parser, from, left);
  else if (parser_at_word(parser, "in") && peek_is(parser, "("))
    left = parse_in(parser, from, left, false);
  else if (parser_take_word(parser, "not")) {
    if (parser_at_word(parser, "in")) return parse_in(parser, from, left, true);
    parser_expected(parser, "`in` after `not`; `not` before a comparison turns it around: not (a = b)", NULL, 0);
    return NULL;
  }
  if (left != NULL && find_operator(parser, comparisons, COUNT(comparisons)) != NULL) {
    parser_refuse(parser, parser->token.place, ERR_INVALID, "chained",
                  "one comparison follows another: join them with `and`, as in a < b and b < c");
    return NULL;
  }
  return left;
}

static struct rule_node *parse_not(struct parser *parser) {
  return parser_at_word(parser, "not") ? parse_prefix(parser, RULE_NODE_NOT, parse_not) : parse_comparison(parser);
}

static struct rule_node *parse_and(struct parser *parser) {
  static const struct infix table[] = {{"and", RULE_AND}};
  return parse_chain(parser, table, COUNT(table), parse_not);
}

struct rule_node *parser_expression(struct parser *parser) {
  static const struct infix table[] = {{"or", RULE_OR}};
  if (parser->err != ERR_OK || !deeper(parser)) return NULL;
  struct rule_node *node = parse_chain(parser, table, COUNT(table), parse_and);
  parser->depth--;
  return node;
}

// --- the whole -----------------------------------------------------------------------------------------------

static bool check_end(struct parser *parser) {
  static const char *const words[] = {"and",    "or",   "in",      "is",          "not",      "contains",
                                      "starts", "ends", "matches", "starts with", "ends with"};
  if (parser->token.kind == RULE_TOKEN_END) return parser->err == ERR_OK;
  if (parser_at(parser, ")"))
    return parser_refuse(parser, parser->token.place, ERR_INVALID, "syntax", "no parenthesis is open for this `)`");
  if (parser_at_word(parser, "in"))
    return parser_expected(parser, "a list after `in`: in (\"a\", \"b\"); a window stands inside count(...)", NULL, 0);
  return parser_expected(parser, "an operator such as `and`, or the end", words, COUNT(words));
}

static bool check_text(struct parser *parser, struct bytes text) {
  struct rule_place start = {.line = 1, .column = 1};
  if (text.size_bytes > RULE_TEXT_BYTES_MAX)
    return parser_refuse(parser, start, ERR_LIMIT, "too_long", "an expression has at most %d bytes",
                         RULE_TEXT_BYTES_MAX);
  if (!bytes_is_utf8(text))
    return parser_refuse(parser, start, ERR_INVALID, "bad_utf8", "the text is not well-formed UTF-8");
  return true;
}

enum err rule_parse(struct bytes text, struct arena *arena, struct rule_node **tree, struct rule_diag *diag) {
  struct rule_diag unused = {0};
  struct parser parser = {.arena = arena, .diag = diag == NULL ? &unused : diag};
  *parser.diag = (struct rule_diag){.code = ""};
  *tree = NULL;
  if (!check_text(&parser, text)) return parser.err;
  struct bytes copy = arena_copy(arena, text);
  if (copy.data == NULL) {
    parser_no_memory(&parser);
    return parser.err;
  }
  rule_lexer_init(&parser.lexer, copy);
  parser_advance(&parser);
  struct rule_node *node = parser_expression(&parser);
  if (node == NULL || !check_end(&parser)) {
    assert(parser.err != ERR_OK);
    return parser.err;
  }
  *tree = node;
  return ERR_OK;
}
