// parser_events: aggregates, windows and sequences.
//
// What begins an aggregate is an expression or already the events: a text is the events unless an operator, `of` or a
// comma follows it, and `this` is behind `of` and in what takes no value (elsewhere it begins a path). The order of
// what can follow an event's name is fixed; what comes twice or in another order is refused with what is meant.
#include <stdio.h>

#include "base/nearest.h"
#include "rule/parser.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const event_words[] = {"where", "in", "since", "before", "between", "and", "or"};
static const char *const step_words[] = {"then",   "where",   "within", "in",  "since",
                                         "before", "between", "by",     "and", "or"};
static const char an_event[] = "the name of an event in quotes";

bool parser_is_aggregator(struct bytes word) {
  enum rule_aggregator aggregator;
  return rule_aggregator_find(word, &aggregator);
}

static bool at_window(const struct parser *parser) {
  return parser_at_word(parser, "in") || parser_at_word(parser, "since") || parser_at_word(parser, "before") ||
         parser_at_word(parser, "between");
}

bool parser_at_events_word(const struct parser *parser) {
  return parser_at_word(parser, "where") || parser_at_word(parser, "of") || at_window(parser);
}

bool parser_no_aggregator(struct parser *parser, struct rule_token name) {
  const char *aggregators[RULE_AGGREGATOR_COUNT];
  for (int i = 0; i < RULE_AGGREGATOR_COUNT; i++) aggregators[i] = rule_aggregator_name((enum rule_aggregator)i);
  const char *nearest = nearest_slip(name.text, aggregators, COUNT(aggregators));
  if (nearest == NULL)
    return parser_refuse(parser, name.place, ERR_INVALID, "unknown_word",
                         "`%.*s` takes values, not events; what gathers events is count, exists, sum, avg, min, max, "
                         "first, last, distinct, most_frequent or list",
                         (int)(name.text.size_bytes < 64 ? name.text.size_bytes : 64), (const char *)name.text.data);
  snprintf(parser->diag->nearest, sizeof parser->diag->nearest, "%s", nearest);
  return parser_refuse(parser, name.place, ERR_INVALID, "unknown_word", "`%.*s` gathers no events; did you mean `%s`?",
                       BYTES_ARG(name.text), nearest);
}

static bool misplaced(struct parser *parser, const char *why) {
  return parser_refuse(parser, parser->token.place, ERR_INVALID, "misplaced", "%s", why);
}

static bool repeated(struct parser *parser, const char *why) {
  return parser_refuse(parser, parser->token.place, ERR_INVALID, "repeated", "%s", why);
}

// --- windows -------------------------------------------------------------------------------------------------

// `by day`, and in a sequence not `by day.x`.
static bool at_by_day(const struct parser *parser) {
  struct rule_lexer ahead = parser->lexer;
  if (!parser_at_word(parser, "by")) return false;
  struct rule_token word = rule_lexer_next(&ahead), next = rule_lexer_next(&ahead);
  return word.kind == RULE_TOKEN_NAME && bytes_equal(word.text, BYTES("day")) &&
         !(next.kind == RULE_TOKEN_SYMBOL && bytes_equal(next.text, BYTES(".")));
}

static bool read_in(struct parser *parser, struct rule_window *window) {
  static const char *const words[] = {"last", "previous"};
  parser_take_word(parser, "in");
  if (parser_take_word(parser, "last"))
    window->kind = RULE_WINDOW_LAST;
  else if (parser_take_word(parser, "previous"))
    window->kind = RULE_WINDOW_PREVIOUS;
  else
    return parser_expected(parser, "a window such as `in last 90 days`", words, COUNT(words));
  if (!parser_duration(parser, 1, "a number of units, as in `in last 90 days`", &window->length)) return false;
  if (!at_by_day(parser)) return true;
  if (window->kind == RULE_WINDOW_PREVIOUS)
    return misplaced(parser, "`in previous` counts whole units already: `by day` belongs to `in last 7 days by day`");
  window->kind = RULE_WINDOW_LAST_DAYS;
  parser_advance(parser);
  parser_advance(parser);
  return parser->err == ERR_OK;
}

static bool read_between(struct parser *parser, struct rule_window *window) {
  static const char *const words[] = {"and"};
  window->kind = RULE_WINDOW_BETWEEN;
  parser_take_word(parser, "between");
  window->from = parser_moment(parser, "a date such as 2026-01-31");
  if (window->from == NULL) return false;
  if (!parser_take_word(parser, "and")) return parser_expected(parser, "`and` and a second date", words, 1);
  window->to = parser_moment(parser, "a second date such as 2026-01-31");
  return window->to != NULL;
}

static bool read_side(struct parser *parser, struct rule_window *window) {
  bool since = parser_at_word(parser, "since");
  parser_advance(parser);
  struct rule_node *moment = parser_moment(parser, "a date such as 2026-01-31 or a time");
  window->kind = since ? RULE_WINDOW_SINCE : RULE_WINDOW_BEFORE;
  *(since ? &window->from : &window->to) = moment;
  return moment != NULL;
}

// The window, when there is one.
static bool read_window(struct parser *parser, struct rule_window *window) {
  if (!at_window(parser)) return parser->err == ERR_OK;
  window->place = parser->token.place;
  bool read = parser_at_word(parser, "in")        ? read_in(parser, window)
              : parser_at_word(parser, "between") ? read_between(parser, window)
                                                  : read_side(parser, window);
  if (!read) return false;
  window->place.length = parser->end - window->place.offset;
  if (at_window(parser)) return repeated(parser, "there is one window; for two dates write `between a and b`");
  if (parser_at_word(parser, "where")) return misplaced(parser, "`where` comes before the window");
  if (parser_at_word(parser, "and") || parser_at_word(parser, "or"))
    return misplaced(parser, "conditions come before the window: \"Event\" where a and b in last 90 days");
  return true;
}

// --- events --------------------------------------------------------------------------------------------------

static bool read_where(struct parser *parser, struct rule_events *events) {
  if (!parser_take_word(parser, "where")) return parser->err == ERR_OK;
  events->where = parser_expression(parser);
  if (events->where == NULL) return false;
  if (parser_at_word(parser, "where")) return repeated(parser, "there is one `where`: join its conditions with `and`");
  return true;
}

static bool read_events(struct parser *parser, struct rule_events *events) {
  events->place = parser->token.place;
  events->subject = parser_take_word(parser, "this");
  if (!events->subject && parser->token.kind != RULE_TOKEN_TEXT) return parser_expected(parser, an_event, NULL, 0);
  if (!events->subject && !parser_name_text(parser, &events->name)) return false;
  while (parser_take(parser, "."))
    if (!parser_path_part(parser, &events->items, &events->item_count, "the name of a list in the event")) return false;
  if (!read_where(parser, events) || !read_window(parser, &events->window)) return false;
  events->place.length = parser->end - events->place.offset;
  return parser->err == ERR_OK;
}

// --- aggregates ----------------------------------------------------------------------------------------------

// Whether the text at the next token is the events, and not the beginning of an expression.
static bool at_events(const struct parser *parser) {
  static const char *const operators[] = {"of",     "+",    "-",       "*",  "/",   "%",   "=",
                                          "!=",     "<",    "<=",      ">",  ">=",  ",",   "contains",
                                          "starts", "ends", "matches", "is", "not", "and", "or"};
  struct rule_lexer ahead = parser->lexer;
  struct rule_token next = rule_lexer_next(&ahead);
  if (parser->token.kind != RULE_TOKEN_TEXT) return false;
  if (next.kind != RULE_TOKEN_SYMBOL && next.kind != RULE_TOKEN_NAME) return true;
  for (size_t i = 0; i < COUNT(operators); i++)
    if (bytes_equal(next.text, bytes_from_text(operators[i]))) return false;
  if (!bytes_equal(next.text, BYTES("in"))) return true;
  next = rule_lexer_next(&ahead);
  return !bytes_equal(next.text, BYTES("("));
}

static struct rule_events *new_events(struct parser *parser) {
  struct rule_events *events = arena_take_zero(parser->arena, 1, sizeof *events);
  if (events == NULL) parser_no_memory(parser);
  return events;
}

static bool close_events(struct parser *parser, struct rule_node *node) {
  if (parser_take(parser, ")")) return true;
  if (parser_at_word(parser, "by"))
    return misplaced(parser, "`by` belongs to `in last 7 days by day`, and to a sequence");
  if (parser_at_word(parser, "then") || parser_at_word(parser, "within"))
    return misplaced(parser, "steps stand in a sequence: sequence(\"A\" then \"B\" within 7 days)");
  const char *expected = node->events->window.kind != RULE_WINDOW_NONE ? "`)`"
                         : node->events->where != NULL ? "`and`, `or`, a window such as `in last 90 days`, or `)`"
                                                       : "`where`, a window such as `in last 90 days`, or `)`";
  return parser_expected(parser, expected, event_words, COUNT(event_words));
}

// min(a, b): a call whose first argument is `first`.
static struct rule_node *finish_as_call(struct parser *parser, struct rule_node *node, struct rule_node *first) {
  node->kind = RULE_NODE_CALL;
  do {
    void *items = node->items;
    struct rule_node *item = node->item_count == 0 ? first : parser_expression(parser);
    if (item == NULL || !parser_grow(parser, &items, node->item_count, sizeof item)) return NULL;
    node->items = items;
    node->items[node->item_count++] = item;
  } while (parser_take(parser, ","));
  if (parser_take(parser, ")")) return parser_finish(parser, node);
  parser_expected(parser, "`,` or `)`", NULL, 0);
  return NULL;
}

static bool takes_no_value(const struct rule_node *node) {
  return bytes_equal(node->text, BYTES("count")) || bytes_equal(node->text, BYTES("exists"));
}

// `of`, or what is missing in its place.
static bool take_of(struct parser *parser, const struct rule_node *node) {
  static const char *const words[] = {"of"};
  if (takes_no_value(node) && parser->err == ERR_OK)
    return parser_refuse(parser, node->left->place, ERR_INVALID, "syntax",
                         "expected %s: %.*s(\"Order Completed\" where ...); what counts different values is "
                         "distinct(x of \"Order Completed\")",
                         an_event, BYTES_ARG(node->text));
  return parser_take_word(parser, "of") || parser_expected(parser, "`of` and the name of an event", words, 1);
}

static bool needs_no_value(struct parser *parser, const struct rule_node *node) {
  if (takes_no_value(node)) return true;
  return parser_refuse(parser, parser->token.place, ERR_INVALID, "syntax",
                       "expected what is gathered, and `of`: %.*s(total of \"Order Completed\")",
                       BYTES_ARG(node->text));
}

struct rule_node *parser_aggregate(struct parser *parser) {
  struct rule_node *node = parser_node(parser, RULE_NODE_AGGREGATE, parser->token.place);
  if (node == NULL || !parser_name_text(parser, &node->text)) return NULL;
  bool may_call = bytes_equal(node->text, BYTES("min")) || bytes_equal(node->text, BYTES("max"));
  parser_take(parser, "(");
  if (parser_at(parser, ")")) {
    parser_expected(parser, an_event, NULL, 0);
    return NULL;
  }
  if (at_events(parser) || (takes_no_value(node) && parser_at_word(parser, "this"))) {
    if (!needs_no_value(parser, node)) return NULL;
  } else {
    node->left = parser_expression(parser);
    if (node->left == NULL) return NULL;
    if (may_call && (parser_at(parser, ",") || parser_at(parser, ")"))) {
      struct rule_node *first = node->left;
      node->left = NULL;
      return finish_as_call(parser, node, first);
    }
    if (!take_of(parser, node)) return NULL;
  }
  node->events = new_events(parser);
  if (node->events == NULL || !read_events(parser, node->events) || !close_events(parser, node)) return NULL;
  return parser_finish(parser, node);
}

// --- sequences -----------------------------------------------------------------------------------------------

static bool read_within(struct parser *parser, struct rule_step *step, bool first) {
  if (!parser_at_word(parser, "within")) return parser->err == ERR_OK;
  if (first) return misplaced(parser, "`within` is the time since the step before: the first step has none");
  parser_advance(parser);
  step->has_within = true;
  if (!parser_duration(parser, 1, "a duration such as `7 days`", &step->within)) return false;
  if (parser_at_word(parser, "within")) return repeated(parser, "a step has one `within`");
  if (parser_at_word(parser, "where")) return misplaced(parser, "`where` comes before `within`");
  return true;
}

static bool read_step(struct parser *parser, struct rule_node *node) {
  void *steps = node->steps;
  if (node->step_count == RULE_STEPS_MAX)
    return parser_refuse(parser, parser->token.place, ERR_LIMIT, "too_many_steps", "a sequence has at most %d steps",
                         RULE_STEPS_MAX);
  if (!parser_grow(parser, &steps, node->step_count, sizeof *node->steps)) return false;
  node->steps = steps;
  struct rule_step *step = &node->steps[node->step_count];
  bool first = node->step_count++ == 0;
  if (first && parser_at_word(parser, "not"))
    return misplaced(parser, "a sequence begins with an event that happens: `not` stands after `then`");
  step->negated = parser_take_word(parser, "not");
  if (parser_at_word(parser, "not")) return repeated(parser, "one `not` is enough: then not \"Event\"");
  step->events.place = parser->token.place;
  if (parser_at_word(parser, "this"))
    return misplaced(parser, "`this` is one event: it stands in count, sum and the like, and not in a sequence");
  if (parser->token.kind != RULE_TOKEN_TEXT) return parser_expected(parser, an_event, NULL, 0);
  if (!parser_name_text(parser, &step->events.name)) return false;
  if (parser_at(parser, ".")) return misplaced(parser, "a step is a whole event, not an item of one");
  if (!read_where(parser, &step->events) || !read_within(parser, step, first)) return false;
  step->events.place.length = parser->end - step->events.place.offset;
  return parser->err == ERR_OK;
}

static bool read_key(struct parser *parser, struct rule_node *node) {
  if (!parser_take_word(parser, "by")) return parser->err == ERR_OK;
  if (rule_lexer_is_reserved(parser->token.text))
    return parser_expected(parser, "a property such as `order_id`", NULL, 0);
  do {
    if (!parser_path_part(parser, &node->names, &node->name_count, "a property such as `order_id`")) return false;
  } while (parser_take(parser, "."));
  if (parser_at_word(parser, "by") || parser_at(parser, ","))
    return repeated(parser, "a sequence has one `by`, with one property");
  if (at_window(parser)) return misplaced(parser, "the window comes before `by`");
  return parser->err == ERR_OK;
}

static bool close_sequence(struct parser *parser, const struct rule_node *node) {
  if (parser_at_word(parser, "then")) return misplaced(parser, "steps come before the window and `by`");
  if (parser_at_word(parser, "within")) return misplaced(parser, "`within` belongs to a step: before the window");
  if (node->step_count == 1 && parser_at(parser, ")"))
    return parser_expected(parser, "`then`: a sequence has two steps or more; for one write exists(\"Event\")", NULL,
                           0);
  if (parser_take(parser, ")")) return true;
  bool plain = node->events->window.kind == RULE_WINDOW_NONE && node->name_count == 0;
  return parser_expected(parser, plain ? "`then`, `where`, `within`, a window, `by` or `)`" : "`by` or `)`", step_words,
                         COUNT(step_words));
}

struct rule_node *parser_sequence(struct parser *parser) {
  struct rule_node *node = parser_node(parser, RULE_NODE_SEQUENCE, parser->token.place);
  if (node == NULL) return NULL;
  parser_take_word(parser, "sequence");
  parser_take(parser, "(");
  node->events = new_events(parser);
  if (node->events == NULL) return NULL;
  do {
    if (!read_step(parser, node)) return NULL;
  } while (parser_take_word(parser, "then"));
  if (!read_window(parser, &node->events->window) || !read_key(parser, node) || !close_sequence(parser, node))
    return NULL;
  return parser_finish(parser, node);
}
