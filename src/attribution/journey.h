// journey: one customer's touches and conversions in time, cut into paths.
//
// Layer 5. Pure. docs/methods.md ("Journeys") has the definitions; in short:
// - A conversion's path is what was touched in (its time - lookback, its time]: a touch just the lookback old is too
//   old, as in `in last`, and one of the same instant counts. Where journeys are split at conversions, nothing up to
//   the conversion before is in it: of two at one instant the first has the touches.
// - Touches that are in no conversion's path are journeys without conversion: the latest of them ends one, to which
//   those belong that are less than the lookback older; then the latest that is left, and so on.
// - Of all these those are told whose conversion, or last touch, lies in [from, to). Nothing from `to` on is looked at.
// - Transforms come next, in order, then the last so many touches. What they take out is gone for all models.
// Memory: what a journey points to is good until the callback returns.
#pragma once

#include "attribution/paths.h"
#include "base/arena.h"

enum { JOURNEY_TRANSFORMS_MAX = 8 };

struct journey_touch {
  int64_t time_us;
  paths_step step;  // what paths are made of
  uint16_t channel; // by the settings' numbers: of which direct ones are known
  uint32_t event;   // for the caller
};

struct journey_conversion {
  int64_t time_us;
  double value;
  uint32_t event; // for the caller
};

struct journey {
  const struct journey_touch *touches;
  size_t count;                                // may be 0 of one with a conversion
  const struct journey_conversion *conversion; // NULL: none
  size_t ordinal;                              // of the conversion among all that were given
  size_t lead, close;                          // touches: before the first lead and the first opportunity; SIZE_MAX
};

typedef enum err journey_fn(void *context, const struct journey *journey, struct diag *diag);

struct journey_options {
  int64_t lookback_us, from_us, to_us;
  bool split, nulls;
  const bool *direct; // by channel: whom the remove_if transforms take out; NULL: none
  enum paths_transform transforms[JOURNEY_TRANSFORMS_MAX];
  size_t transform_count, last; // last 0: all
};

// All ascending by time.
struct journey_events {
  const struct journey_touch *touches;
  const struct journey_conversion *conversions;
  const int64_t *leads_us, *opportunities_us;
  size_t touch_count, conversion_count, lead_count, opportunity_count;
};

// Tells the journeys: those with a conversion by time, then those without, the latest first.
enum err journey_cut(const struct journey_options *options, const struct journey_events *events, struct arena *scratch,
                     journey_fn *tell, void *context, struct diag *diag);

// The earliest time that matters to a period that begins at `from_us`: events before it change nothing.
static inline int64_t journey_begin(int64_t from_us, int64_t lookback_us) {
  int64_t begin;
  return __builtin_sub_overflow(from_us, lookback_us, &begin) ? INT64_MIN : begin;
}
