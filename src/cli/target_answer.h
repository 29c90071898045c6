// target_answer: one call being answered on an engine opened here, and what was given to it.
//
// Layer 8, inside cli/target_*.c only. Memory: the call's arena. Threads: one.
#pragma once

#include "cli/target.h"
#include "value/value.h"

enum { TARGET_ROWS = 50 };

// One call being answered.
struct answer {
  struct engine *engine;
  struct engine_view *view;
  const struct target_call *call;
  struct value body; // the call's body, packed; absent when there is none
  struct json_writer *writer;
  struct engine_commit commit; // its mark is of what was written; sequence 0: nothing was
  struct arena *arena;
  struct diag *diag;
};

static inline struct bytes answer_arg(const struct answer *answer, enum target_arg name) {
  return bytes_from_text(answer->call->args[name]);
}

static inline size_t answer_number(const struct answer *answer, enum target_arg name, size_t otherwise) {
  uint64_t number;
  return bytes_to_u64(answer_arg(answer, name), &number) == ERR_OK ? (size_t)number : otherwise;
}

static inline enum err answer_find(struct answer *answer, uint64_t *customer) {
  return engine_find(answer->view, answer_arg(answer, TARGET_ARG_REF), customer, answer->diag);
}

// A text member of the body; empty when absent.
static inline struct bytes answer_text(const struct answer *answer, const char *name) {
  struct bytes text = {NULL, 0};
  value_as_text(value_member(answer->body, engine_names(answer->engine), bytes_from_text(name)), &text);
  return text;
}

// Who decided, when nobody says.
static inline struct bytes answer_author(const struct answer *answer) {
  struct bytes named = answer_text(answer, "author");
  return named.size_bytes > 0 ? named : BYTES("command line");
}

// Each call of target_ops.def.
#define OP(upper, method, path, function) enum err local_##function(struct answer *answer);
#include "cli/target_ops.def"
#undef OP
