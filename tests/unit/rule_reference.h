// rule_reference: what an expression means, by the plainest code there is: a walk over the tree for one instant.
//
// Windows are decided event by event, sequences by trying every choice of events; nothing is remembered, nothing is
// shared with the compiler or the machine, and there is no validity. It is slow on purpose: for small customers only.
#pragma once

#include "rule_customer.h"

#include "rule/ast.h"

struct reference_answer {
  enum rule_status status;
  struct rule_value value; // in the arena, the tree or the sample
};

// Asked with what the sample has in hand. The tree may be checked or only parsed.
struct reference_answer rule_reference_run(const struct rule_node *tree, const struct sample *sample, int64_t now_us,
                                           struct arena *arena);

// The same value, of the same type; numbers by value.
bool rule_reference_same(const struct rule_value *a, const struct rule_value *b);

// The value as JSON, times and durations as texts.
void rule_reference_print(const struct rule_value *value, const struct names *names, struct buffer *out);
