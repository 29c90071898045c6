// check: is a parsed expression one that can be run, and does it mean what was meant?
//
// Layer 2. Pure. It annotates the tree (`function`, `types` of every node: see ast.h) and refuses what could never have
// an answer: unknown functions, wrong arguments, types that never meet, `now` outside `T op now +- duration`, a window
// not longer than the last `within`, `within` on a `then not` that is not last. What may be meant is allowed with a
// warning: a name never seen here (with the nearest known one), `not`, `!=`, `not in` or an exclusion over what can be
// null.
#pragma once

#include "rule/parse.h"
#include "rule/type.h"

enum rule_name_kind {
  RULE_NAME_TRAIT,
  RULE_NAME_EVENT,
  RULE_NAME_PROPERTY, // of an event: its first part; `of` is the event's name
  RULE_NAME_SEGMENT,
  RULE_NAME_ATTRIBUTE, // computed: attributes.x
  RULE_NAME_SCORE,
  RULE_NAME_RANGE, // of products, that a score tells apart; `of` is the score's name
};

// What the workspace knows. NULL functions: everything is known.
struct rule_catalog {
  void *context;
  bool (*known)(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name);
  // One after another from *place 0 on; false at the end. For the nearest name.
  bool (*next)(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name);
};

enum {
  RULE_WARNINGS_MAX = 16,
  RULE_PATTERN_BYTES_MAX = 1024, // of what stands after `matches`
};

struct rule_check {
  const struct rule_catalog *catalog;           // NULL: everything is known
  enum rule_subject subject;                    // what is in hand when it is asked
  struct bytes subject_event;                   // its event's name; empty: of any, and no property is unknown
  bool condition;                               // true or false is wanted (segments); else any value (attributes)
  struct rule_diag warnings[RULE_WARNINGS_MAX]; // out, in the order of the text; no two at one place with one code
  size_t warning_count;                         // out; more than RULE_WARNINGS_MAX are left out
};

// Codes of refusals, beside the parser's: unknown_function, wrong_arguments (how many), wrong_type, wrong_now (the
// message has the rewrite), wrong_window (not longer than the last `within`), wrong_within, wrong_path (`traits`
// alone, or a path of an event where there is none), unknown_segment, unknown_attribute, unknown_score (these must
// exist), bad_pattern (PCRE2's words), too_long (a pattern). An aggregate inside `where` or before `of` is misplaced;
// so is `this` where no event is in hand, and its window is a wrong_window. Codes of warnings: unknown_trait,
// unknown_event, unknown_property, unknown_range, may_be_null, never_true (types that meet only as null, a window that
// ends before it begins). ERR_INVALID or ERR_NO_MEMORY with `diag` (it may be NULL); the warnings are then those that
// were found before.
enum err rule_check(struct rule_node *tree, struct rule_check *check, struct rule_diag *diag);
