// admit: an expression that stands in a document, parsed and checked.
//
// Layer 2. Of several expressions of one document the warnings come to one list: those of which `member` is given say
// which they are about.
#pragma once

#include "base/diag.h"
#include "rule/check.h"

// `check` says over what it is and what is wanted; its warnings are added to `kept` (may be NULL). *types (may be
// NULL): what its value can be. On failure *where has the mistake's place, and `diag` its code and words; of short
// memory only the code. `member` NULL: the main expression.
enum err rule_admit(struct bytes text, struct rule_check *check, const char *member, struct rule_check *kept,
                    rule_types *types, struct rule_diag *where, struct diag *diag);
