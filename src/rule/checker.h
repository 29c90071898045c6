// checker: what the parts of the checker share.
//
// Layer 2, inside rule/. A function that returns bool returns false when something is wrong; then the diag is filled
// and the check ends. A child's types are known when its parent is looked at.
#pragma once

#include "rule/check.h"

struct checker {
  struct rule_check *check;
  struct rule_diag *diag; // never NULL
  enum err err;
  const struct rule_events *events; // inside `where` and before `of`; NULL outside: paths are the subject's
  struct rule_events subject;       // as if the whole stood in its `where`
  // Nodes on the way down along `left` that wait for their operand; calls share it as a stack. No node is on it twice.
  struct rule_node *waiting[RULE_NODES_MAX];
  uint32_t waiting_count;
};

#define CHECK_BIT(name) (rule_types)(1u << RULE_TYPE_##name)

static inline rule_types check_without_null(rule_types types) {
  return (rule_types)(types & ~CHECK_BIT(NULL));
}

// --- the walk (check.c) --------------------------------------------------------------------------------------

bool check_node(struct checker *checker, struct rule_node *node);
// The same where paths are of `events`.
bool check_node_of(struct checker *checker, const struct rule_events *events, struct rule_node *node);

// --- what is said (check_complain.c) -------------------------------------------------------------------------

// The words `expected`, `found` and `nearest` of checker->diag are set before. Returns false.
bool check_refuse(struct checker *checker, struct rule_place place, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool check_no_memory(struct checker *checker, struct rule_place place);
// `warning` has its other words already, and is copied. A second one with the code at the place is dropped.
void check_warn(struct checker *checker, struct rule_diag *warning, struct rule_place place, const char *code,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
// The node as it is printed, cut after `most_bytes`. True when it is whole.
bool check_print(const struct rule_node *node, size_t most_bytes, char out[RULE_WORD_BYTES]);
// "a number or a text". Null is named only when it is all.
void check_describe(rule_types types, char out[RULE_WORD_BYTES]);
// wrong_type at the node: expected ..., found `x`, which is a text; then `hint`.
bool check_refuse_type(struct checker *checker, const struct rule_node *node, const char *expected, const char *hint);
// A node that is always null stands where null has no answer; `compared`: on a side of a comparison.
void check_warn_null(struct checker *checker, const struct rule_node *node, bool compared);
// `types` are wanted of the node.
bool check_wanted(struct checker *checker, const struct rule_node *node, rule_types types);
// True or false is wanted of the node.
bool check_condition(struct checker *checker, const struct rule_node *node);

// --- operators and calls (check_types.c, check_call.c) --------------------------------------------------------

// Each types its node.
bool check_binary(struct checker *checker, struct rule_node *node);
bool check_in(struct checker *checker, struct rule_node *node);
bool check_matches(struct checker *checker, struct rule_node *node);
bool check_is_null(struct checker *checker, struct rule_node *node);
// A text that stands where a time is wanted reads as one.
bool check_time_text(struct checker *checker, const struct rule_node *node);
// Before its arguments are looked at, and after.
bool check_call_head(struct checker *checker, struct rule_node *node);
bool check_call(struct checker *checker, struct rule_node *node);

// --- now (check_now.c) ---------------------------------------------------------------------------------------

bool check_is_ordering(const struct rule_node *node); // < <= > >=
// `now`, or `now` and a duration: allowed on one side of an ordering. check_now has typed it, and nobody looks inside.
bool check_is_moment(const struct rule_node *node);
// Before the operands of any node are looked at: refuses `now` where it must not stand, with what to write instead.
bool check_now(struct checker *checker, struct rule_node *node);

// --- names (check_names.c) -----------------------------------------------------------------------------------

bool check_path(struct checker *checker, struct rule_node *node);
// `this` stands for an event in hand.
bool check_this(struct checker *checker, const struct rule_events *events);
void check_event_name(struct checker *checker, const struct rule_events *events);
// A path that begins in an event's properties: is its first part known?
void check_property(struct checker *checker, const struct rule_events *events, const struct bytes *names,
                    uint32_t count, struct rule_place place);
bool check_segment(struct checker *checker, const struct rule_node *name);
// `range` may be NULL.
bool check_score(struct checker *checker, const struct rule_node *name, const struct rule_node *range);

// --- events (check_events.c) ---------------------------------------------------------------------------------

bool check_aggregate(struct checker *checker, struct rule_node *node);
bool check_sequence(struct checker *checker, struct rule_node *node);

// --- what null does (check_null.c) ---------------------------------------------------------------------------

// Warns of `not`, `!=` and `not in` over what can be null, in a tree that was checked.
void check_nulls(struct checker *checker, const struct rule_node *tree);
