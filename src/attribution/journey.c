// journey: windows over an array that is sorted by time.
//
// Invariants:
//   1. A touch that an earlier conversion's path has is no part of a journey without conversion, whether journeys are
//      split or not, and whether that conversion lies in the period or before it.
//   2. Two touches without conversion on different sides of a conversion never share a journey: the earlier one is at
//      least the lookback older than the conversion, or it would be in its path.
#include "attribution/journey.h"

#include <string.h>

struct cutting {
  const struct journey_options *options;
  const struct journey_events *events;
  struct journey_touch *kept; // of the journey in hand
  bool *used;                 // by touch: a conversion's path has it
  journey_fn *tell;
  void *context;
  struct diag *diag;
};

// The first touch later than `time_us`.
static size_t first_after(const struct journey_touch *touches, size_t count, int64_t time_us) {
  size_t from = 0, to = count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (touches[middle].time_us > time_us)
      to = middle;
    else
      from = middle + 1;
  }
  return from;
}

// --- transforms ----------------------------------------------------------------------------------------------

static size_t keep_exposures(struct journey_touch *touches, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || touches[kept - 1].step != touches[i].step) touches[kept++] = touches[i];
  return kept;
}

static size_t keep_firsts(struct journey_touch *touches, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    size_t at = 0;
    while (at < kept && touches[at].step != touches[i].step) at++;
    if (at == kept) touches[kept++] = touches[i];
  }
  return kept;
}

static size_t without_direct(const struct journey_options *options, struct journey_touch *touches, size_t count,
                             bool at_end) {
  size_t kept = 0, others = 0;
  if (options->direct == NULL) return count;
  for (size_t i = 0; i < count; i++) others += !options->direct[touches[i].channel];
  if (others == 0) return count;
  if (at_end) {
    while (options->direct[touches[count - 1].channel]) count--;
    return count;
  }
  for (size_t i = 0; i < count; i++)
    if (!options->direct[touches[i].channel]) touches[kept++] = touches[i];
  return kept;
}

static size_t transformed(const struct journey_options *options, struct journey_touch *touches, size_t count) {
  for (size_t i = 0; i < options->transform_count; i++) {
    enum paths_transform transform = options->transforms[i];
    if (transform == PATHS_EXPOSURE) count = keep_exposures(touches, count);
    if (transform == PATHS_FIRST) count = keep_firsts(touches, count);
    if (transform == PATHS_REMOVE_IF_NOT_ALL) count = without_direct(options, touches, count, false);
    if (transform == PATHS_REMOVE_IF_LAST_AND_NOT_ALL) count = without_direct(options, touches, count, true);
  }
  if (options->last == 0 || count <= options->last) return count;
  memmove(touches, touches + count - options->last, options->last * sizeof *touches);
  return options->last;
}

// --- milestones ----------------------------------------------------------------------------------------------

// The last touch that is not later than the first of `times_us` in (after, until]; SIZE_MAX: there is none.
static size_t touch_before(const struct journey_touch *touches, size_t count, const int64_t *times_us,
                           size_t time_count, int64_t after_us, int64_t until_us) {
  for (size_t i = 0; i < time_count && times_us[i] <= until_us; i++) {
    if (times_us[i] <= after_us) continue;
    size_t after = first_after(touches, count, times_us[i]);
    return after == 0 ? SIZE_MAX : after - 1;
  }
  return SIZE_MAX;
}

// --- cutting -------------------------------------------------------------------------------------------------

static enum err tell_journey(struct cutting *cutting, size_t count, const struct journey_conversion *conversion,
                             size_t ordinal, int64_t after_us) {
  const struct journey_events *events = cutting->events;
  count = transformed(cutting->options, cutting->kept, count);
  struct journey journey = {cutting->kept, count, conversion, ordinal, SIZE_MAX, SIZE_MAX};
  if (conversion != NULL) {
    int64_t until_us = conversion->time_us;
    journey.lead = touch_before(cutting->kept, count, events->leads_us, events->lead_count, after_us, until_us);
    journey.close =
        touch_before(cutting->kept, count, events->opportunities_us, events->opportunity_count, after_us, until_us);
  }
  return cutting->tell(cutting->context, &journey, cutting->diag);
}

static enum err cut_conversion(struct cutting *cutting, size_t ordinal) {
  const struct journey_options *options = cutting->options;
  const struct journey_events *events = cutting->events;
  const struct journey_conversion *conversion = &events->conversions[ordinal];
  int64_t after_us = journey_begin(conversion->time_us, options->lookback_us);
  if (options->split && ordinal > 0 && conversion[-1].time_us > after_us) after_us = conversion[-1].time_us;
  size_t from = first_after(events->touches, events->touch_count, after_us);
  size_t to = first_after(events->touches, events->touch_count, conversion->time_us);
  if (to < from) to = from; // two conversions of one instant
  size_t count = to - from;
  if (count > 0) memset(cutting->used + from, true, count);
  if (conversion->time_us < options->from_us) return ERR_OK;
  if (count > 0) memcpy(cutting->kept, events->touches + from, count * sizeof *cutting->kept);
  return tell_journey(cutting, count, conversion, ordinal, after_us);
}

// The journey without conversion whose last touch is `last`; what it has is used then. To where to look for the next.
static enum err cut_null(struct cutting *cutting, size_t last) {
  const struct journey_touch *touches = cutting->events->touches;
  int64_t after_us = journey_begin(touches[last].time_us, cutting->options->lookback_us);
  size_t count = 0;
  for (size_t i = first_after(touches, last + 1, after_us); i <= last; i++) {
    if (cutting->used[i]) continue;
    cutting->used[i] = true;
    cutting->kept[count++] = touches[i];
  }
  return tell_journey(cutting, count, NULL, 0, after_us);
}

enum err journey_cut(const struct journey_options *options, const struct journey_events *events, struct arena *scratch,
                     journey_fn *tell, void *context, struct diag *diag) {
  struct cutting cutting = {options, events, NULL, NULL, tell, context, diag};
  enum err err = ERR_OK;
  cutting.kept = arena_take(scratch, (events->touch_count + 1) * sizeof *cutting.kept);
  cutting.used = arena_take_zero(scratch, events->touch_count + 1, 1);
  if (cutting.kept == NULL || cutting.used == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < events->conversion_count && err == ERR_OK; i++)
    if (events->conversions[i].time_us < options->to_us) err = cut_conversion(&cutting, i);
  if (!options->nulls) return err;
  for (size_t i = events->touch_count; i > 0 && err == ERR_OK; i--) {
    const struct journey_touch *last = &events->touches[i - 1];
    if (last->time_us < options->from_us) break;
    if (last->time_us < options->to_us && !cutting.used[i - 1]) err = cut_null(&cutting, i - 1);
  }
  return err;
}
