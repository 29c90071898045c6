// reference: "email:Zoe@Exemple.fr" as a person writes it, cleaned as an event's identifier is.
#pragma once

#include "engine/internal.h"

// Splits, finds the type and normalises the value by its form; a phone without country is read in the regions of the
// workspace's sources, in order. The value lives in `arena`. ERR_INVALID code "bad_reference" names what was expected
// (the known types, the nearest one, or why the value is not one of them).
enum err clean_reference(struct engine *engine, struct bytes text, struct arena *arena, struct identifier *identifier,
                         struct diag *diag);
