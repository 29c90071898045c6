// ast: an expression as a tree.
//
// Layer 2, inside rule/. The parser makes it, the checker annotates it, the compiler and the printer read it. Nodes
// and their texts live in the arena that was given to the parser; a tree is immutable once it is checked.
//
// Grammar (docs/expressions.md explains each construct):
//   expression = and { "or" and }
//   and        = not { "and" not }
//   not        = "not" not | comparison
//   comparison = sum [ ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "starts with" | "ends with" ) sum
//                    | "matches" text | [ "not" ] "in" "(" sum { "," sum } ")" | "is" [ "not" ] "null" ]
//   sum        = product { ( "+" | "-" ) product }
//   product    = unary { ( "*" | "/" | "%" ) unary }
//   unary      = "-" unary | postfix
//   postfix    = primary { "." ( name | text ) }    -- the primary a call, an aggregate, a sequence or in parentheses
//   primary    = number | text | date | time | duration | "true" | "false" | "null" | "now" | path
//              | "(" expression ")" | call | aggregate | sequence
//   path       = name { "." ( name | text ) }
//   duration   = number unit
//   unit       = "second" | "minute" | "hour" | "day" | "week" | "month" | "quarter" | "year", each also with "s"
//   call       = name "(" [ expression { "," expression } ] ")"
//   aggregate  = aggregator "(" [ expression "of" ] events ")"
//   events     = ( text | "this" ) [ "." path ] [ "where" expression ] [ window ]
//   window     = "in" ( "last" | "previous" ) number unit [ "by" "day" ] | "since" instant | "before" instant
//              | "between" instant "and" instant
//   instant    = date | time
//   sequence   = "sequence" "(" step "then" [ "not" ] step { "then" [ "not" ] step } [ window ] [ "by" key ] ")"
//   step       = text [ "where" expression ] [ "within" duration ]    -- the first has no "within"
//   key        = ( name | text ) { "." ( name | text ) }    -- a property called day: by "day"
// min and max of several numbers are calls, of events they are aggregates: `of` tells. After what could be a value,
// "in" begins a list when a parenthesis follows and a window otherwise.
// Words that join (and or not in is where of then within by since before between contains starts ends matches) and
// true, false, null, now begin no path; after a dot or inside quotes every word is a name: traits."first name". The
// others (last, previous, with, day, this...) are words only where the grammar has them. Words are in lower case.
// A name is letters, digits (not first), _ and $; letters outside ASCII count. `--` begins a comment that ends with its
// line. A text is in double or single quotes, ends on its line, and holds its quote doubled or after a backslash;
// \n \t \\ and \u{1F600} are understood. A date is 2026-01-31, a time 2026-01-31T10:00:00 with an optional fraction and
// offset (none: the workspace's zone). Nothing is before year 1; a second 60 is refused.
// In `where` and before `of` a path is of the event (or of its item); traits.x and every call are of the customer.
// An expression may be asked with an event in hand: `this` is that event, and a path outside of `where` and `of` is of
// it, or of an item of it (rule/check.h: `subject`).
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "rule/type.h"
#include "rule/unit.h"
#include "value/decimal.h"

enum {
  RULE_TEXT_BYTES_MAX = 16 * 1024, // of an expression
  RULE_NODES_MAX = 4096,
  RULE_DEPTH_MAX = 64, // of parentheses, `not` and `-`; a chain `a or b or c` leans to the left and may be as deep as
                       // it has nodes: walk it along `left` in a loop, or with a frame for each of RULE_NODES_MAX
  RULE_STEPS_MAX = 16, // of a sequence
  RULE_COUNT_MAX = 1000000000, // of the units in a duration
};

enum rule_node_kind {
  RULE_NODE_NULL,
  RULE_NODE_BOOL,
  RULE_NODE_NUMBER,
  RULE_NODE_TEXT,
  RULE_NODE_DATE, // a day
  RULE_NODE_TIME, // an instant, or a wall clock when it has no offset
  RULE_NODE_DURATION,
  RULE_NODE_NOW,
  RULE_NODE_PATH,      // names
  RULE_NODE_MEMBER,    // left, and the name after the dot: score("rfm").f
  RULE_NODE_CALL,      // name, items
  RULE_NODE_NOT,       // left
  RULE_NODE_NEGATE,    // left
  RULE_NODE_BINARY,    // op, left, right
  RULE_NODE_IN,        // left, items, negated
  RULE_NODE_IS_NULL,   // left, negated
  RULE_NODE_MATCHES,   // left, text
  RULE_NODE_AGGREGATE, // name, left (what is gathered; NULL for count and exists), events
  RULE_NODE_SEQUENCE,  // steps, events (its window and correlation)
};

enum rule_op {
  RULE_OR,
  RULE_AND,
  RULE_EQUAL,
  RULE_UNEQUAL,
  RULE_LESS,
  RULE_LESS_EQUAL,
  RULE_GREATER,
  RULE_GREATER_EQUAL,
  RULE_CONTAINS,
  RULE_STARTS_WITH,
  RULE_ENDS_WITH,
  RULE_ADD,
  RULE_SUBTRACT,
  RULE_MULTIPLY,
  RULE_DIVIDE,
  RULE_REMAINDER,
};

// The comparison that says the same with its sides changed over: < for >.
static inline enum rule_op rule_op_mirror(enum rule_op op) {
  switch (op) {
  case RULE_LESS:
    return RULE_GREATER;
  case RULE_LESS_EQUAL:
    return RULE_GREATER_EQUAL;
  case RULE_GREATER:
    return RULE_LESS;
  case RULE_GREATER_EQUAL:
    return RULE_LESS_EQUAL;
  default:
    return op;
  }
}

// Where something stands in the text: from 1, columns in characters.
struct rule_place {
  uint32_t line, column;
  uint32_t offset, length; // bytes
};

struct rule_node;

enum rule_window_kind {
  RULE_WINDOW_NONE,      // all events up to now
  RULE_WINDOW_LAST,      // in last N unit: time <= now < time + N unit
  RULE_WINDOW_LAST_DAYS, // in last N unit by day: whole local days
  RULE_WINDOW_PREVIOUS,  // in previous N unit: whole calendar units before this one
  RULE_WINDOW_SINCE,
  RULE_WINDOW_BEFORE,
  RULE_WINDOW_BETWEEN,
};
struct rule_window {
  enum rule_window_kind kind;
  struct rule_duration length; // LAST, LAST_DAYS, PREVIOUS
  struct rule_node *from, *to; // dates or times: SINCE from, BEFORE to, BETWEEN both
  struct rule_place place;
};

// Which events, or which items of them.
struct rule_events {
  bool subject;        // `this`: the event in hand alone; it has no name and no window
  struct bytes name;   // "Order Completed"
  struct bytes *items; // products: the path of the list within each event; NULL: the events themselves
  uint32_t item_count;
  struct rule_node *where; // NULL: all
  struct rule_window window;
  struct rule_place place;
};

// What a path outside of `where` and `of` is of, when it is not the customer's.
enum rule_subject {
  RULE_SUBJECT_NONE,  // nothing: it is refused
  RULE_SUBJECT_EVENT, // the event in hand
  RULE_SUBJECT_ITEM,  // an item of it: a line of a basket
};

struct rule_step {
  struct rule_events events; // name and where
  bool negated;              // then not
  bool has_within;
  struct rule_duration within;
};

struct rule_node {
  enum rule_node_kind kind;
  enum rule_op op;
  bool negated, boolean;
  bool has_offset; // of a TIME: time_us is an instant; else it is a wall clock counted as if it were UTC
  struct rule_place place;
  struct bytes text; // TEXT, MATCHES: the content; CALL, AGGREGATE, MEMBER: the name
  struct decimal number;
  int64_t time_us; // DATE: its first moment, as if in UTC
  struct rule_duration duration;
  struct bytes *names; // PATH: its parts, also the count of SEQUENCE's `by`
  uint32_t name_count;
  struct rule_node *left, *right;
  struct rule_node **items; // CALL, IN
  uint32_t item_count;
  struct rule_events *events; // AGGREGATE; of SEQUENCE only its window counts
  struct rule_step *steps;
  uint32_t step_count;
  enum rule_function function; // of a CALL, once it is checked
  enum rule_subject subject;   // of a PATH outside of `where` and `of`, once it is checked
  rule_types types;            // what its value can be, once it is checked
};
