// machine_sequence: one pass over the events, with a small state for each key.
//
// For each step the state keeps the latest event that ends a match of the steps so far, and where that match began.
// The latest is enough: what a later step asks of the one before (strictly earlier, within D, no X in between) holds
// for a later event whenever it holds for an earlier one, and by induction the match that ends latest also began
// latest. So the match that stays longest in the window is the one that is kept.
// Events at one instant never follow each other: they are noted, and settled together when the next instant of the key
// is met, against the state before them. Invariants:
// 1. `alive` has bit j while steps[j] is a match that no X has ended.
// 2. Of matches that wait for `then not X within D` the one that is due first is kept: an X that comes in time for it
//    comes in time for all. The next one after it is confirmed counts again.
// 3. On the calendar what came later may reach less far, where clocks are set back: `reach_us` is the farthest that the
//    next step may be from any match of these steps.
#include "rule/machine_private.h"

#include <stddef.h>

#include "rule/duration.h"

struct match {
  int64_t last_us, first_us;
  int64_t reach_us, reach_first_us; // only when the next step is within months
};

// All zero: nothing has happened.
struct track {
  int64_t group_us; // the instant of what is noted
  uint32_t noted;   // bit j: an event of positive step j; bit 16 + j: one that must not follow it
  uint32_t alive;
  bool waits, confirmed; // for the end of `within`; a match with its end
  int64_t due_us, due_first_us, confirmed_first_us;
  struct match steps[RULE_STEPS_MAX]; // of a key: only as many as there are positive steps
};

enum { NOT_SHIFT = RULE_STEPS_MAX };

// The pass.
struct watch {
  struct rule_machine *machine;
  const struct rule_sequence *sequence;
  struct rule_value *stack;
  bool wants_latest; // the match that began latest says until when; else any match ends the pass
  bool found;
  uint32_t nots, trailing; // what must not happen, and of it what must not follow: of these the window is not asked
  int64_t earliest_due_us; // of those that wait at now
  uint32_t names[RULE_STEPS_MAX], notes[RULE_STEPS_MAX]; // of each step
  bool tests[RULE_STEPS_MAX];                            // it has a condition
  struct track track;                                    // without a key
  struct machine_set keys;
};

// --- one state -----------------------------------------------------------------------------------------------

static int64_t plus(const struct watch *watch, int64_t time_us, struct rule_duration duration) {
  int64_t out;
  return rule_time_add(watch->machine->program->zone, time_us, duration, &out) == ERR_OK ? out : INT64_MAX;
}

// Whether `step` may follow `before` at `time_us`, and when that match began.
static bool follows(const struct watch *watch, uint32_t step, const struct match *before, int64_t time_us,
                    int64_t *first_us) {
  const struct rule_sequence *sequence = watch->sequence;
  *first_us = before->first_us;
  if (sequence->within[step].count == 0) return true;
  if (sequence->within_us[step] >= 0) return time_us - before->last_us <= sequence->within_us[step];
  if (time_us <= plus(watch, before->last_us, sequence->within[step])) return true;
  *first_us = before->reach_first_us;
  return time_us <= before->reach_us;
}

// The match of the steps up to `step` that ends now takes the place of the one before.
static void install(const struct watch *watch, struct track *track, uint32_t step, int64_t first_us) {
  const struct rule_sequence *sequence = watch->sequence;
  struct match *match = &track->steps[step];
  bool alive = (track->alive >> step & 1) != 0;
  uint32_t next = step + 1;
  track->alive |= 1u << step;
  match->last_us = track->group_us;
  match->first_us = first_us;
  if (next == sequence->positive_count || sequence->within[next].count == 0 || sequence->within_us[next] >= 0) return;
  int64_t reach_us = plus(watch, match->last_us, sequence->within[next]);
  if (alive && match->reach_us > reach_us) return;
  match->reach_us = reach_us;
  match->reach_first_us = first_us;
}

static void confirm(struct watch *watch, struct track *track, int64_t first_us) {
  track->confirmed = true;
  track->confirmed_first_us = first_us;
  watch->found = true;
}

// A match of all positive steps.
static void complete(struct watch *watch, struct track *track, const struct match *match) {
  const struct rule_sequence *sequence = watch->sequence;
  if (!sequence->has_trailing) {
    confirm(watch, track, match->first_us);
  } else if (sequence->trailing.count != 0) {
    int64_t due_us = plus(watch, match->last_us, sequence->trailing);
    if (track->waits && track->due_us <= due_us) return;
    track->waits = true;
    track->due_us = due_us;
    track->due_first_us = match->first_us;
  }
}

static void settle_waiting(struct watch *watch, struct track *track, uint32_t noted) {
  if (track->due_us < track->group_us) {
    confirm(watch, track, track->due_first_us);
    track->waits = false;
  } else if ((noted >> (NOT_SHIFT + watch->sequence->positive_count - 1) & 1) != 0) {
    track->waits = false;
  }
}

// From the last step to the first, so that each sees the state before this instant.
static void settle(struct watch *watch, struct track *track) {
  uint32_t noted = track->noted, last = watch->sequence->positive_count - 1;
  track->noted = 0;
  if (track->waits) settle_waiting(watch, track, noted);
  for (uint32_t j = last + 1; j-- > 0;) {
    uint32_t bit = 1u << j;
    int64_t first_us = track->group_us;
    bool is = (noted & bit) != 0;
    if (is && j > 0)
      is = (track->alive & bit >> 1) != 0 && follows(watch, j, &track->steps[j - 1], track->group_us, &first_us);
    if (is)
      install(watch, track, j, first_us);
    else if ((noted & bit << NOT_SHIFT) != 0)
      track->alive &= ~bit;
    if (is && j == last) complete(watch, track, &track->steps[j]);
  }
}

static void note(struct watch *watch, struct track *track, int64_t time_us, uint32_t notes) {
  if (track->noted != 0 && track->group_us != time_us) settle(watch, track);
  track->group_us = time_us;
  track->noted |= notes;
}

// --- one event -----------------------------------------------------------------------------------------------

// Which steps of `steps` (bits) it is.
static bool notes_of(struct watch *watch, size_t event, uint32_t steps, uint32_t *notes) {
  *notes = 0;
  for (; steps != 0; steps &= steps - 1) {
    uint32_t step = (uint32_t)__builtin_ctz(steps);
    bool holds = true;
    if (watch->tests[step] &&
        !machine_where(watch->machine, &watch->sequence->steps[step].where, event, watch->stack, &holds))
      return false;
    if (holds) *notes |= watch->notes[step];
  }
  return true;
}

static size_t track_bytes(const struct rule_sequence *sequence) {
  size_t used = offsetof(struct track, steps) + sequence->positive_count * sizeof(struct match);
  return (used + 15) / 16 * 16;
}

// The state of the event's key. NULL: it has no key (then nothing is wrong), or the run was stopped.
static struct track *track_of(struct watch *watch, size_t event) {
  struct rule_machine *machine = watch->machine;
  struct rule_value key;
  void *extra;
  if (watch->sequence->key == RULE_NONE) return &watch->track;
  machine->event = event;
  if (!machine_property(machine, &machine->program->paths[watch->sequence->key], &key)) return NULL;
  if (key.type == RULE_TYPE_NULL) return NULL;
  return machine_set_add(machine, &watch->keys, &key, &extra) ? extra : NULL;
}

static bool look_at(struct watch *watch, size_t event, uint32_t steps) {
  uint32_t notes;
  if (!notes_of(watch, event, steps, &notes)) return false;
  if (notes == 0) return true;
  struct track *track = track_of(watch, event);
  if (track != NULL) note(watch, track, watch->machine->columns.time_us[event], notes);
  return track != NULL || watch->machine->stop == MACHINE_GOES_ON;
}

// `steps`: those that may be seen there.
static bool pass(struct watch *watch, struct machine_range range, uint32_t steps) {
  const uint32_t *names = watch->machine->columns.name;
  uint32_t count = watch->sequence->step_count;
  for (size_t i = range.from; i < range.to; i++) {
    uint32_t is = 0, name = names[i];
    for (uint32_t k = 0; k < count; k++) is |= (uint32_t)(name == watch->names[k]) << k;
    is &= steps;
    if (range.ragged && machine_has_left(watch->machine, watch->sequence->window, i)) is &= watch->nots;
    if (is == 0) continue;
    if (!look_at(watch, i, is)) return false;
    if (watch->found && !watch->wants_latest) return true;
  }
  return true;
}

// --- the answer ----------------------------------------------------------------------------------------------

// Whether the state holds a match at now, and when the best of it began.
static bool is_match(struct watch *watch, struct track *track, int64_t *first_us) {
  const struct rule_sequence *sequence = watch->sequence;
  uint32_t last = sequence->positive_count - 1;
  if (track->noted != 0) settle(watch, track);
  if (track->waits && track->due_us <= watch->machine->now_us) {
    confirm(watch, track, track->due_first_us);
    track->waits = false;
  }
  *first_us = track->confirmed_first_us;
  if (track->confirmed) return true;
  if (track->waits && track->due_us < watch->earliest_due_us) watch->earliest_due_us = track->due_us;
  if (!sequence->has_trailing || sequence->trailing.count != 0) return false;
  *first_us = track->steps[last].first_us;
  return (track->alive >> last & 1) != 0;
}

static bool any_match(struct watch *watch, int64_t *first_us) {
  if (watch->sequence->key == RULE_NONE) return is_match(watch, &watch->track, first_us);
  bool any = false;
  size_t size_bytes = watch->keys.extra_bytes;
  for (uint32_t i = 0; i < watch->keys.count; i++) {
    int64_t one_us;
    // Of a track only the used steps are there; none of the others is ever touched.
    struct track *track = (struct track *)(void *)(watch->keys.extras + i * size_bytes);
    if (!is_match(watch, track, &one_us)) continue;
    if (!any || one_us > *first_us) *first_us = one_us;
    any = true;
    if (!watch->wants_latest) break;
  }
  return any;
}

// What comes later: a last step can make it true; what must not follow ends it.
static void until_future(struct watch *watch, bool holds) {
  const struct rule_sequence *sequence = watch->sequence;
  struct rule_machine *machine = watch->machine;
  bool can_end = sequence->has_trailing && sequence->trailing.count == 0;
  for (uint32_t i = 0; i < sequence->step_count; i++) {
    const struct rule_sequence_step *step = &sequence->steps[i];
    if (step->index + 1 != (uint8_t)sequence->positive_count) continue;
    if (!holds && !step->negated) machine_future(machine, step->name, sequence->window, &step->where);
    if (!holds || !can_end || !step->negated) continue;
    for (size_t k = machine->past; k < machine->columns.count; k++)
      if (machine->columns.name[k] == step->name) machine_until(machine, machine->columns.time_us[k]);
  }
}

static bool leaves(const struct rule_machine *machine, const struct rule_sequence *sequence) {
  enum rule_window_kind kind = machine->program->spans[sequence->window].kind;
  return machine->want_until && (kind == RULE_WINDOW_LAST || kind == RULE_WINDOW_LAST_DAYS);
}

static void begin(struct watch *watch) {
  const struct rule_sequence *sequence = watch->sequence;
  watch->found = false;
  watch->earliest_due_us = INT64_MAX;
  watch->nots = watch->trailing = 0;
  for (uint32_t i = 0; i < sequence->step_count; i++) {
    const struct rule_sequence_step *step = &sequence->steps[i];
    const struct rule_where *where = &step->where;
    watch->names[i] = step->name == 0 ? UINT32_MAX : step->name; // no dictionary is that large
    watch->notes[i] = 1u << (step->index + (step->negated ? NOT_SHIFT : 0));
    watch->tests[i] = where->code != RULE_NONE || where->cells != NULL || where->channels != RULE_NONE ||
                      where->from_us != INT64_MIN || where->to_us != INT64_MAX;
    if (step->negated) watch->nots |= 1u << i;
    if (step->negated && step->index + 1u == sequence->positive_count) watch->trailing |= 1u << i;
  }
  memset(&watch->track, 0, offsetof(struct track, steps));
  watch->keys = (struct machine_set){.extra_bytes = track_bytes(sequence)};
}

// The long way: with conditions, keys, events of one time.
static bool run(struct watch *watch, struct machine_range range, bool *holds, int64_t *first_us) {
  uint32_t all = (uint32_t)(((uint64_t)1 << watch->sequence->step_count) - 1);
  begin(watch);
  if (!pass(watch, range, all)) return false;
  if (watch->trailing != 0 && (!watch->found || watch->wants_latest))
    if (!pass(watch, (struct machine_range){range.to, (uint32_t)watch->machine->past, false}, watch->trailing))
      return false;
  *holds = any_match(watch, first_us);
  if (!*holds) machine_until(watch->machine, watch->earliest_due_us);
  return watch->machine->stop == MACHINE_GOES_ON;
}

bool machine_sequence(struct rule_machine *machine, const struct rule_sequence *sequence, struct rule_value *top) {
  static const struct rule_where anything = {.from_us = INT64_MIN, .to_us = INT64_MAX};
  struct watch watch;
  bool holds = false;
  int64_t first_us = 0;
  if (!machine_columns(machine)) return false;
  struct machine_range range = machine_range(machine, sequence->window, &anything);
  machine_until(machine, machine->spans[sequence->window].boundary_us);
  if (!machine_count(machine, (sequence->has_trailing ? machine->past : range.to) - range.from)) return false;
  watch.machine = machine;
  watch.sequence = sequence;
  watch.stack = top + 1;
  watch.wants_latest = leaves(machine, sequence);
  if (!machine_funnel(machine, sequence, range, watch.wants_latest, &holds, &first_us) &&
      !run(&watch, range, &holds, &first_us))
    return false;
  if (holds && watch.wants_latest) machine_until_leaves(machine, sequence->window, first_us);
  if (machine->want_until) until_future(&watch, holds);
  machine_set_bool(top, holds);
  return true;
}
