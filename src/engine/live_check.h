// live_check: the part of `rapport check` that looks after segments.
#pragma once

#include "engine/internal.h"

// Tells each breach in words and goes on. Fails only as reading does.
typedef void live_breach_fn(void *context, const char *words);
enum err live_check(struct engine *engine, struct store_snapshot *snapshot, live_breach_fn *breach, void *context);
