// open: what engine.c calls of its own folder when a workspace opens and closes.
#pragma once

#include "engine/internal.h"

// rules.c: parses the newest stored rules, or the default ones.
enum err open_rules(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void close_rules(struct engine *engine);

// zone.c: reads the workspace's time zone. ERR_NOT_FOUND code "no_timezones" on a machine without zone files.
enum err open_zone(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void close_zone(struct engine *engine);

// access.c: reads sources and keys into memory.
enum err open_access(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void close_access(struct engine *engine);
