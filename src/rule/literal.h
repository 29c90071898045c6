// literal: what texts, numbers, dates and times in an expression say.
//
// Layer 2, inside rule/. Each fills the value of `node` from a token, and in *problem what is wrong with it.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "rule/lexer.h"

struct rule_problem {
  const char *code;
  char message[160];
};

// The content of a text; a view of the token when nothing had to be decoded, else in the arena.
enum err rule_literal_text(struct bytes quoted, struct arena *arena, struct bytes *text, struct rule_problem *problem);
enum err rule_literal_number(struct bytes digits, struct decimal *number, struct rule_problem *problem);
// DATE: its first moment as if in UTC. TIME: the instant, or without offset the wall clock as if in UTC.
enum err rule_literal_time(struct bytes text, int64_t *time_us, bool *has_offset, struct rule_problem *problem);
