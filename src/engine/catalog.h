// catalog: the names a workspace knows, for whoever checks an expression.
#pragma once

#include "engine/internal.h"
#include "rule/check.h"
#include "segment/set.h"

// An event, trait or property is known when the dictionary has its name; segments, attributes and scores when a version
// of them is being built or live. It holds the definitions in force when it was opened, and with them the names it
// gives out.
struct catalog {
  struct rule_catalog names; // what struct rule_check wants; its context is this
  struct engine *engine;
  const struct segment_set *set; // NULL: there never was a definition
};

// The engine must outlive it, and it must stay where it is.
void catalog_open(struct catalog *catalog, struct engine *engine);
void catalog_close(struct catalog *catalog);
