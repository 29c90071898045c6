// program: an expression compiled, and what it depends on.
//
// Layer 2. Pure. A program is read-only once it is made; threads share it. It keeps copies of what it needs; only the
// zone must outlive it.
#pragma once

#include "rule/ast.h"
#include "rule/type.h"
#include "rule/zone.h"

struct rule_program;

struct rule_compile {
  const struct rule_zone *zone;
  // The dictionary id of a name of an event, a trait or a member of documents; 0 when the dictionary has none, and then
  // nothing ever matches it. names_find or names_intern behind it.
  enum err (*name_id)(void *context, struct bytes name, uint32_t *id);
  void *context;
};

// `tree` was checked, and may go when it returns. ERR_NO_MEMORY; ERR_LIMIT code "too_large" when it needs more than
// RULE_CODE_MAX instructions; ERR_INVALID for what the checker would have refused; what name_id fails with.
enum { RULE_CODE_MAX = 65535 };
enum err rule_compile(const struct rule_node *tree, const struct rule_compile *with, struct rule_program **program,
                      struct diag *diag);
void rule_program_close(struct rule_program *program);

// What is asked of a customer's data, all in all; the event in hand is given and does not count. Arrays are sorted and
// belong to the program.
struct rule_needs {
  const uint32_t *events; // dictionary ids of the names of events
  size_t event_count;
  const uint32_t *traits; // dictionary ids of traits (the first part of the path)
  size_t trait_count;
  struct rule_need_lookup {
    enum rule_function function; // RULE_FUNCTION_in_segment…; NONE: attributes.x
    struct bytes name;           // the first argument; no bytes when it is computed and not a literal
  } const *lookups;
  size_t lookup_count;
  bool details;  // of events more than when they were and what they are called: amounts, channels, payloads
  bool payloads; // messages are read. False: only that of an event whose hot amount or channel is not known
  bool time;     // the clock alone can change the answer, or what a lookup says
  bool
      future_only; // and only by events whose time is yet to come: no window that moves, no now, no calendar, no lookup
};
const struct rule_needs *rule_program_needs(const struct rule_program *program);

// Asks for the memory that a run touches first, for whoever is about to run many programs one after another: first the
// program itself, then, once that has come, what it leads to.
static inline void rule_program_fetch(const struct rule_program *program) {
  __builtin_prefetch(program);
  __builtin_prefetch((const char *)program + 64);
}
void rule_program_fetch_code(const struct rule_program *program);

// The instructions, one a line, for `explain`: "0003  compare_hot  amount >= 50". What it costs: how many passes over
// the events, which columns, whether payloads.
void rule_program_print(const struct rule_program *program, struct buffer *out);
