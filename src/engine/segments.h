// segments: what the files about definitions share.
#pragma once

#include "engine/live.h"

// Versions that were being built are complete: they are in force as live, those before them as replaced.
enum err segments_finish(struct engine *engine, const uint32_t *questions, size_t count, struct diag *diag);

// The version in force of an id, live before being built; NULL: none, or a score. `set` may be NULL.
const struct segment_definition *segments_find(const struct segment_set *set, struct bytes id);
// ERR_NOT_FOUND with the nearest id.
enum err segments_no_such(const struct segment_set *set, struct bytes id, struct diag *diag);

// Puts a score: `wanted` but for what the workspace gives. `tell` writes the answer, from the definition as it will be.
// `expected`: the question that it was made of; 0: any. ERR_CONFLICT code "changed" when there is another by now.
typedef void segments_tell_fn(void *context, const struct segment_definition *definition, struct json_writer *writer);
enum err segments_put_score(struct engine *engine, struct segment_definition *wanted, uint32_t expected,
                            segments_tell_fn *tell, void *context, struct json_writer *writer,
                            struct engine_commit *commit, struct diag *diag);
// Ends a definition; `score`: it is to be one, else it must be none.
enum err segments_end(struct engine *engine, struct bytes id, bool score, segments_tell_fn *tell, void *context,
                      struct json_writer *writer, struct engine_commit *commit, struct diag *diag);
// The version of a score in force, live before being built; NULL: none.
const struct segment_definition *segments_find_score(const struct segment_set *set, struct bytes id);
enum err segments_no_such_score(const struct segment_set *set, struct bytes id, struct diag *diag);

// The members "segments", "attributes" and "scores" of a customer, into an open object.
enum err segments_write_customer(struct engine_view *view, uint64_t customer, struct json_writer *writer);

// Has all versions computed anew when the workspace's time zone is not the one in which they were.
enum err segments_follow_zone(struct engine *engine, struct diag *diag);
