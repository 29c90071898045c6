// machine_funnel: sequences of whole events, in one pass without a branch that depends on the data.
//
// The state is that of machine_sequence.c: for each step the latest event that ends a match, and where that match
// began. Which event comes next nobody can predict, so each event is put to every step, and what it would have changed
// is chosen by masks. A step that has no match has ended NEVER_US ago, which no `within` reaches back to.
// When two events have the same time the answer is left to machine_sequence.c.
#include "rule/machine_private.h"

#define NEVER_US (INT64_MIN / 2)

struct funnel_state {
  int64_t last_us[RULE_FUNNEL_STEPS], first_us[RULE_FUNNEL_STEPS];
};

__attribute__((always_inline)) static inline int64_t choose(bool is, int64_t yes, int64_t no) {
  return is ? yes : no;
}

// `steps` and the flags are constants where this is called. False: two events of one time.
__attribute__((always_inline)) static inline bool pass(const struct rule_machine *machine,
                                                       const struct rule_funnel *funnel, struct machine_range range,
                                                       uint32_t steps, bool nots, bool firsts,
                                                       struct funnel_state *state) {
  const int64_t *times = machine->columns.time_us;
  const uint32_t *names = machine->columns.name;
  int64_t last_us[RULE_FUNNEL_STEPS], first_us[RULE_FUNNEL_STEPS], before_us = NEVER_US;
  bool twice = false;
  for (uint32_t j = 0; j < steps; j++) last_us[j] = first_us[j] = NEVER_US;
  for (size_t i = range.from; i < range.to; i++) {
    int64_t time_us = times[i];
    uint32_t name = names[i];
    twice |= time_us == before_us;
    before_us = time_us;
    // From the last step to the first, so that each sees the state before this event.
    for (uint32_t j = steps; j-- > 0;) {
      bool is = name == funnel->names[j];
      if (j > 0) is &= time_us - last_us[j - 1] <= funnel->within_us[j];
      if (firsts) first_us[j] = choose(is, j > 0 ? first_us[j - 1] : time_us, first_us[j]);
      int64_t kept_us = nots ? choose(name == funnel->nots[j], NEVER_US, last_us[j]) : last_us[j];
      last_us[j] = choose(is, time_us, kept_us);
    }
  }
  for (uint32_t j = 0; j < steps; j++) {
    state->last_us[j] = last_us[j];
    state->first_us[j] = first_us[j];
  }
  return !twice;
}

// Where matches began is asked only of a window that they leave.
__attribute__((always_inline)) static inline bool pass_of_kind(const struct rule_machine *machine,
                                                               const struct rule_funnel *funnel,
                                                               struct machine_range range, uint32_t steps,
                                                               bool wants_first, struct funnel_state *state) {
  if (wants_first) return pass(machine, funnel, range, steps, true, true, state);
  if (funnel->has_nots) return pass(machine, funnel, range, steps, true, false, state);
  return pass(machine, funnel, range, steps, false, false, state);
}

static bool run(const struct rule_machine *machine, const struct rule_funnel *funnel, struct machine_range range,
                bool wants_first, struct funnel_state *state) {
  switch (funnel->steps) {
  case 1:
    return pass_of_kind(machine, funnel, range, 1, wants_first, state);
  case 2:
    return pass_of_kind(machine, funnel, range, 2, wants_first, state);
  case 3:
    return pass_of_kind(machine, funnel, range, 3, wants_first, state);
  default:
    return pass_of_kind(machine, funnel, range, 4, wants_first, state);
  }
}

bool machine_funnel(const struct rule_machine *machine, const struct rule_sequence *sequence,
                    struct machine_range range, bool wants_first, bool *holds, int64_t *first_us) {
  const struct rule_funnel *funnel = &sequence->funnel;
  struct funnel_state state;
  if (funnel->steps == 0 || range.ragged || !run(machine, funnel, range, wants_first, &state)) return false;
  uint32_t last = funnel->steps - 1;
  *holds = state.last_us[last] != NEVER_US;
  *first_us = state.first_us[last];
  if (!sequence->has_trailing) return true;
  // What lies behind the window may not follow either.
  for (size_t i = range.to; *holds && i < machine->past; i++) {
    bool is = machine->columns.name[i] == funnel->nots[last];
    if (is && machine->columns.time_us[i] > state.last_us[last]) *holds = false;
  }
  return true;
}
