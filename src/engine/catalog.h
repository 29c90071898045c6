// catalog: the names a workspace knows, for whoever checks an expression.
#pragma once

#include "engine/internal.h"
#include "rule/check.h"

// What `catalog` of struct rule_check wants. An event, trait or property is known when the dictionary has its name;
// segments and attributes when a version of them is being built or live. The engine must outlive it.
struct rule_catalog engine_catalog(struct engine *engine);
