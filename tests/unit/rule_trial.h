// rule_trial: an expression parsed, checked and compiled, to be asked about a sample by the reference and the machine.
#pragma once

#include "rule_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "rule/check.h"

struct trial {
  struct arena arena;
  struct rule_node *tree;
  struct rule_program *program;
  struct rule_machine *machine;
};

// With what `sample` (NULL: nothing) has in hand. ERR_INVALID with the diag when the expression is refused.
static inline enum err trial_parse(struct trial *trial, struct bytes expression, const struct sample *sample,
                                   struct rule_diag *diag) {
  struct rule_check check = {.catalog = NULL};
  if (sample != NULL) check.subject = sample->subject;
  *trial = (struct trial){0};
  arena_init(&trial->arena, 0);
  enum err err = rule_parse(expression, &trial->arena, &trial->tree, diag);
  return err == ERR_OK ? rule_check(trial->tree, &check, diag) : err;
}

static inline void trial_compile(struct trial *trial, const struct sample *sample) {
  struct rule_compile with = {sample->zone, sample_name_id, sample->names};
  struct diag diag;
  diag_init(&diag);
  if (rule_compile(trial->tree, &with, &trial->program, &diag) != ERR_OK) fail_msg("%s", diag.message);
  assert_int_equal(rule_machine_open(&trial->machine, NULL), ERR_OK);
}

static inline void trial_release(struct trial *trial) {
  if (trial->machine != NULL) rule_machine_close(trial->machine);
  if (trial->program != NULL) rule_program_close(trial->program);
  arena_release(&trial->arena);
}

// The machine's answer, good until the next one. NULL, or what it did wrong on the way.
static inline const char *trial_run(const struct trial *trial, struct sample_view *view, int64_t now_us,
                                    bool want_until, struct rule_answer *answer) {
  struct rule_customer customer = sample_customer(view);
  sample_view_reset(view);
  if (rule_run(trial->machine, trial->program, &customer, now_us, want_until, answer) != ERR_OK) return "the run fails";
  if (answer->valid_until_us <= now_us) return "the answer ends before it begins";
  if (!want_until && answer->valid_until_us != now_us + 1) return "an until that was not wanted";
  return view->wrong;
}

static inline const char *trial_time(int64_t time_us, char out[CLOCK_TEXT_BYTES]) {
  if (time_us == INT64_MAX) return "never";
  clock_format(time_us, out);
  return out;
}
