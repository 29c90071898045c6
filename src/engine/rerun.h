// rerun: what the files of the re-run of identity rules share.
#pragma once

#include "engine/replay.h"

// rules.c: a type keeps the class it has, and that of its stored identifiers. ERR_INVALID code "class_changed".
enum err rules_check_classes(struct engine *engine, const struct identity_rules *rules, struct diag *diag);

// rerun_eras.c: which versions of the rules were in force for which decisions, as replay wants it. *rules points into
// `eras` and to `wanted`, which must outlive it.
struct rerun_eras {
  struct replay_era *items;
};
enum err rerun_eras_open(struct rerun_eras *eras, struct engine_view *view, const struct identity_rules *wanted,
                         struct replay_rules *rules, struct diag *diag);
void rerun_eras_close(struct rerun_eras *eras);

// rerun_apply.c: carries out a plan, a commit for each customer that is parted and each pair that is accepted. What no
// longer is there, because somebody changed it meanwhile, is left as it is. `version` goes into the history. Ends
// half-way only on an error; doing it again, or a new plan, then does the rest.
enum err rerun_apply(struct engine *engine, const struct replay_plan *plan, uint64_t version, struct diag *diag);

// rerun.c: does what is due of a re-run that somebody started, for about budget_us. The caller holds upkeep_mutex.
enum err rerun_tick(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag);
void rerun_close(struct engine *engine);
