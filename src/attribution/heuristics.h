// heuristics: models that look at a path's touches alone, and share its conversions by their places.
//
// Layer 5. Pure. docs/methods.md has each formula and its source. Of every model the shares of a path's touches add up
// to 1, so a model's credits add up to the conversions of all paths with a touch.
// Threads: rows are taken in blocks that depend on the set alone and added in their order: any number of threads gives
// the same bits.
#pragma once

#include "attribution/paths.h"

enum heuristic {
  HEURISTIC_FIRST,
  HEURISTIC_LAST,
  HEURISTIC_LAST_NON_DIRECT,
  HEURISTIC_LINEAR,
  HEURISTIC_LINEAR_UNIQUE,
  HEURISTIC_POSITION,
  HEURISTIC_TIME_DECAY,
  HEURISTIC_W_SHAPED,
  HEURISTIC_LAST_PAID,
  HEURISTIC_COUNT
};

struct heuristics_options {
  const bool *direct;               // by channel: one of the direct ones; NULL: none is
  const bool *paid;                 // by channel: one of the paid ones; NULL: none is
  double first_weight, last_weight; // of position; what is left of 1 goes to the touches between
  double half_life;                 // of time decay: in so many steps a touch's weight halves; above 0
  unsigned threads;                 // 0: one
};

// 40/20/40, a half-life of 7 steps, no channel direct or paid.
void heuristics_defaults(struct heuristics_options *options);

// By channel. Memory: release frees both.
struct heuristics_credit {
  double *conversions, *value;
};

struct heuristics {
  struct heuristics_credit of[HEURISTIC_COUNT]; // of the models that were asked for
};

void heuristics_init(struct heuristics *heuristics);
void heuristics_release(struct heuristics *heuristics);

// Fills `heuristics` with the models of the bit set `wanted` (1 << HEURISTIC_FIRST …).
enum err heuristics_run(const struct paths *paths, unsigned wanted, const struct heuristics_options *options,
                        struct heuristics *heuristics, struct diag *diag);

// --- one path ------------------------------------------------------------------------------------------------

// The shares of `count` touches, at least one, whose sum is 1. For a path of steps `ages` is NULL: a touch is as old as
// it has steps behind it. With times `ages` says for each touch how long before the conversion it was, in the unit of
// the half-life.
void heuristics_decay(const double *ages, size_t count, double half_life, double *shares);

// W: 30 % for the first touch, for the one that made a lead and for the last; 10 % for the others. `lead` is the
// lead's touch, `close` the last milestone's; SIZE_MAX: not known, then the middle one and the last.
void heuristics_w(size_t count, size_t lead, size_t close, double *shares);

// Position: `first` and `last` for the ends, what is left for those between. Of two touches those parts of both.
void heuristics_position(size_t count, double first, double last, double *shares);
