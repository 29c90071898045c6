// draw: the customers of a limited audience: the N highest by an expression, or N at random.
//
// Layer 6. Who is among the N depends on everybody, so it is no membership: an audience is drawn when it is read, from
// the members of the moment, and a draw is kept for a minute, so that its pages fit together.
#pragma once

#include "engine/answers.h"
#include "segment/audience.h"

enum { DRAW_KEPT_US = 60000000 };

struct draw; // the one that is kept; by the engine

enum err draw_open(struct draw **draw);
void draw_close(struct draw *draw);

// Takes away from `members` (those of the segment, which has a limit) whoever is not drawn.
enum err draw_limit(struct draw *draw, struct answers *answers, struct store_snapshot *snapshot,
                    const struct segment_definition *segment, struct audience *members);
