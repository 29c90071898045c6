// segments: what the files about definitions share.
#pragma once

#include "engine/live.h"

// Versions that were being built are complete: they are in force as live, those before them as replaced.
enum err segments_finish(struct engine *engine, const uint32_t *questions, size_t count, struct diag *diag);

// The version in force of an id, live before being built; NULL: none. `set` may be NULL.
const struct segment_definition *segments_find(const struct segment_set *set, struct bytes id);
// ERR_NOT_FOUND with the nearest id.
enum err segments_no_such(const struct segment_set *set, struct bytes id, struct diag *diag);

// The members "segments" and "attributes" of a customer, into an open object.
enum err segments_write_customer(struct engine_view *view, uint64_t customer, struct json_writer *writer);

// Has all versions computed anew when the workspace's time zone is not the one in which they were.
enum err segments_follow_zone(struct engine *engine, struct diag *diag);
