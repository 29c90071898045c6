// segments: what the files about definitions share.
#pragma once

#include "engine/live.h"

// Versions that were being built are complete: they are in force as live, those before them as replaced.
enum err segments_finish(struct engine *engine, const uint32_t *questions, size_t count, struct diag *diag);

// The definition in force for an id, live before building; NULL: none. The caller holds the table (live_hold).
const struct segment_definition *segments_find(const struct engine *engine, struct bytes id);
enum err segments_no_such(const struct engine *engine, struct bytes id, struct diag *diag);
