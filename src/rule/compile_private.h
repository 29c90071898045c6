// compile_private: what the parts of the compiler share.
//
// Layer 2, inside rule/. The first failure stays in `err`; after it nothing is emitted and every index is 0, so that a
// run of calls is checked once, at the end.
#pragma once

#include "rule/program_private.h"

// A `where` and a value that are compiled once the main part is done: parts never stand inside one another.
struct compile_part {
  const struct rule_node *where, *value; // NULL: none
  struct rule_where *into_where;
  uint32_t gather; // whose value; RULE_NONE: a step's
  bool items;
  bool of_subject;
};

struct compiler {
  const struct rule_compile *with;
  struct rule_program *program;
  struct arena *arena;
  struct diag *diag;
  enum err err;
  uint32_t depth, deepest;  // of the stack, in the part being compiled
  bool in_events, in_items; // in a part
  bool of_subject;          // and that is of `this`, of which there are no columns
  struct compile_part *parts;
  uint32_t part_count;
  uint32_t *events, *traits; // ids, unsorted; traits are told apart
  uint32_t event_count, trait_count;
  struct rule_need_lookup *lookups;
  uint32_t lookup_count;
};

// --- emitting (compile.c) ------------------------------------------------------------------------------------

void compile_fail(struct compiler *compiler, enum err err, const char *code, const char *message);
// Room for one more in an array of `count` in the arena, which doubles. False: no memory.
bool compile_grow(struct compiler *compiler, void **items, uint32_t count, size_t size_bytes);
uint32_t compile_emit(struct compiler *compiler, enum rule_opcode opcode, uint8_t small, uint32_t arg);
// The jump at `place` leads to the next instruction.
void compile_land(struct compiler *compiler, uint32_t place);
uint32_t compile_constant(struct compiler *compiler, struct rule_value value);
struct bytes compile_copy(struct compiler *compiler, struct bytes text);
uint32_t compile_name(struct compiler *compiler, struct bytes name); // its id
void compile_node(struct compiler *compiler, const struct rule_node *node);
// All of `nodes` joined by AND or OR; true or false is left.
void compile_chain(struct compiler *compiler, const struct rule_node *const *nodes, uint32_t count,
                   enum rule_opcode joined);
// The operands of a chain of `op` (RULE_AND, RULE_OR) that leans to the left, in the order of the text.
const struct rule_node **compile_operands(struct compiler *compiler, const struct rule_node *node, enum rule_op op,
                                          uint32_t *count);
// Puts first, of the operands of `and`, what decides for little and for ever (compile_order.c).
void compile_order(struct compiler *compiler, const struct rule_node **operands, uint32_t count);
// A DATE or TIME as an instant. False: it lies outside the years 1 to 9999.
bool compile_instant(const struct compiler *compiler, const struct rule_node *node, int64_t *time_us);
// A literal, also behind a minus. False: it is none.
bool compile_literal(const struct compiler *compiler, const struct rule_node *node, struct rule_value *value);

// --- calls (compile_call.c) -----------------------------------------------------------------------------------

void compile_call(struct compiler *compiler, const struct rule_node *node);
void compile_member(struct compiler *compiler, const struct rule_node *node);
void compile_matches(struct compiler *compiler, const struct rule_node *node);

// --- paths (compile_paths.c) ---------------------------------------------------------------------------------

// `extra` (no bytes: none) goes in front of the names.
uint32_t compile_path(struct compiler *compiler, enum rule_root root, struct bytes extra, const struct bytes *names,
                      uint32_t count);
// A path in the event of `root`: properties, unless it begins with context or properties.
uint32_t compile_event_path(struct compiler *compiler, enum rule_root root, const struct bytes *names, uint32_t count);
void compile_path_node(struct compiler *compiler, const struct rule_node *node);
bool compile_is_time(const struct compiler *compiler, const struct rule_node *node);
bool compile_is_channel(const struct compiler *compiler, const struct rule_node *node);
// Which hot amount it is; 0: none.
enum rule_amount compile_amount(const struct compiler *compiler, const struct rule_node *node);
void compile_need_event(struct compiler *compiler, uint32_t name);
void compile_need_lookup(struct compiler *compiler, enum rule_function function, struct bytes name);
void compile_finish_needs(struct compiler *compiler);

// --- events (compile_events.c, compile_where.c) --------------------------------------------------------------

uint32_t compile_gather(struct compiler *compiler, const struct rule_node *node);
uint32_t compile_sequence(struct compiler *compiler, const struct rule_node *node);
// Finds the sequences that are funnels, once all parts are compiled.
void compile_funnels(struct compiler *compiler);
void compile_newest(struct compiler *compiler); // after the funnels
void compile_part(struct compiler *compiler, const struct compile_part *part);
// Takes the hot part out of `node`; what is left goes to `rest`.
void compile_where(struct compiler *compiler, const struct rule_node *node, struct rule_where *where);
// context.channel beside literal texts, in =, != or in. RULE_NONE: it is something else.
uint32_t compile_channels(struct compiler *compiler, const struct rule_node *node);
