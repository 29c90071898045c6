// loyalty_verify: the part of `rapport check` that looks after members.
#pragma once

#include "engine/live_check.h"

// Tells each breach in words and goes on; how many members there are in *members. Fails only as reading does.
enum err loyalty_check(struct engine *engine, struct store_snapshot *snapshot, live_breach_fn *breach, void *context,
                       uint64_t *members);
