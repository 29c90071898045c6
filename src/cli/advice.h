// advice: what to do about a refusal of the loyalty engine.
//
// Layer 8. Pure.
#pragma once

#include "base/diag.h"

// Adds the code of a refusal to its words, and what helps where something does. Returns `err`.
enum err advice_add(enum err err, struct diag *diag);
// The code alone.
enum err advice_add_code(enum err err, struct diag *diag);
// What helps, NULL when nothing special does.
const char *advice_for(const char *code);
