// loyalty_verify: the part of `rapport check` that looks after members.
#pragma once

#include "engine/live_check.h"

// Tells each breach in words and goes on; how many members there are in *members. Fails only as reading does, or with
// ERR_STOPPED: `progress` (NULL: nobody asks) is told every thousand rows how many were read, and false ends it.
typedef bool loyalty_check_fn(void *context, uint64_t rows);
enum err loyalty_check(struct engine *engine, struct store_snapshot *snapshot, live_breach_fn *breach,
                       loyalty_check_fn *progress, void *context, uint64_t *members);
