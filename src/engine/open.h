// open: what engine.c calls of its own folder when a workspace opens and closes.
#pragma once

#include "engine/internal.h"

// rules.c: parses the newest stored rules, or the default ones.
enum err open_rules(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void close_rules(struct engine *engine);

// access.c: reads sources and keys into memory.
enum err open_access(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void close_access(struct engine *engine);
