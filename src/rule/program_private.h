// program_private: what a program is made of; for compile*, machine* and program_print only.
//
// Layer 2, inside rule/. Everything lies in the program's arena and is read-only once it is compiled.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "rule/machine.h"

enum rule_opcode {
#define OPCODE(name, takes, gives, argument, what) RULE_CODE_##name,
#include "rule/opcodes.def"
#undef OPCODE
  RULE_CODE_COUNT
};

// One instruction.
struct rule_code {
  uint8_t opcode;
  uint8_t small;
  uint32_t arg;
};

#define RULE_NONE UINT32_MAX // in the place of an index

enum rule_root {
  RULE_ROOT_MESSAGE,  // a property of the event has the name `properties` in front
  RULE_ROOT_ITEM,     // of a list in it, or in the event in hand
  RULE_ROOT_CUSTOMER, // TRAIT, ATTRIBUTE, MEMBER
  RULE_ROOT_SUBJECT,  // as MESSAGE, of the event in hand
  RULE_ROOT_SUBJECT_ITEM,
};

struct rule_path {
  enum rule_root root;
  uint32_t slot;       // TRAIT: index into needs.traits; RULE_NONE: the dictionary has no such name.
                       // ATTRIBUTE: the constant that is its name
  const uint32_t *ids; // of the members to follow; 0 matches nothing
  const struct bytes *names;
  uint32_t count;
};

// Literals of `in`.
struct rule_literals {
  uint32_t first, count; // constants
};

// `context.channel` beside literal texts.
struct rule_channels {
  const uint32_t *ids; // 0: the dictionary had no such name when the program was made
  const struct bytes *texts;
  uint32_t count;
  bool negated;
  bool unknown;  // some text has no id yet: what a cell says is not enough to deny it
  uint32_t path; // of context.channel
};

// Whether a hot amount satisfies all comparisons of a `where`, and what it adds to a sum: by its scale, and two more
// for cells without the property and for those that do not know. An empty range has lo > hi.
enum { RULE_SCALES = 32, RULE_CELL_NULL = RULE_SCALES, RULE_CELL_ASK, RULE_CELLS };
struct rule_cells {
  enum rule_amount amount;
  const struct decimal *bounds; // what the ranges are made of: for messages
  const enum rule_op *ops;
  uint32_t bound_count;
  uint32_t path; // of the property
  int64_t lo[RULE_CELLS], hi[RULE_CELLS];
};
// Which cell an amount_code stands for, when a rule wants the amount of a kind: [kind - 1][amount_code].
extern const uint8_t rule_cell_of[RULE_AMOUNT_PRICE][256];

// The part of a `where` that columns alone decide, all of it joined by `and`. What is left is code.
struct rule_where {
  int64_t from_us, to_us;         // time in [from, to)
  const struct rule_cells *cells; // NULL: any amount
  uint32_t channels;              // index; RULE_NONE: any channel
  uint32_t code;                  // entry; RULE_NONE: nothing is left
};

struct rule_span {
  enum rule_window_kind kind;
  bool moves;   // with now: LAST, LAST_DAYS, PREVIOUS
  uint8_t slot; // of a window that moves: where a machine keeps what it means at a now; a hash of kind and length
  struct rule_duration length;
  int64_t from_us, to_us; // SINCE, BEFORE, BETWEEN: [from, to)
};

enum rule_gathered {
  RULE_GATHER_NOTHING, // count, exists
  RULE_GATHER_AMOUNT,  // `value` is its path
  RULE_GATHER_TIME,
  RULE_GATHER_CODE,
};

struct rule_gather {
  enum rule_aggregator aggregator;
  bool subject;    // of the event in hand alone, by no column and through no window
  uint32_t name;   // id; 0: there is no such event
  uint32_t window; // RULE_NONE: of `subject`
  struct rule_where where;
  uint32_t items; // path; RULE_NONE: whole events
  enum rule_gathered gathered;
  enum rule_amount amount; // GATHER_AMOUNT
  uint32_t value;          // GATHER_CODE: entry; GATHER_AMOUNT: path
  bool tested;             // COUNT: the value is whether count >= at_least, or not
  bool test_negated;
  int64_t at_least;
  struct bytes name_text;
};

struct rule_sequence_step {
  uint32_t name;
  bool negated;
  uint8_t index; // POSITIVE: which of them; negated: the positive step before it
  struct rule_where where;
  struct bytes name_text;
};

// A sequence that the columns of names and times decide: no conditions, no key, exact `within`, and at most one `not`
// between two steps. By positive step; RULE_NONE is no name.
enum { RULE_FUNNEL_STEPS = 4 };
struct rule_funnel {
  uint32_t steps; // 0: it is no such sequence
  bool has_nots;
  uint32_t names[RULE_FUNNEL_STEPS];
  uint32_t nots[RULE_FUNNEL_STEPS]; // what must not follow it
  int64_t within_us[RULE_FUNNEL_STEPS];
};

struct rule_sequence {
  uint32_t window;
  uint32_t key; // path; RULE_NONE: none
  const struct rule_sequence_step *steps;
  uint32_t step_count;
  uint32_t positive_count;
  struct rule_duration within[RULE_STEPS_MAX]; // of the positive steps; count 0: none
  int64_t within_us[RULE_STEPS_MAX];           // the same when it is exact; -1: it is not
  bool has_trailing;                           // the last steps are `then not`
  struct rule_duration trailing;               // their `within`; count 0: none
  struct rule_funnel funnel;
};

// The arrays belong to the arena; `patterns` are closed one by one. What every run touches comes first, in two lines of
// cache (rule_program_fetch).
struct rule_program {
  uint64_t serial; // no two programs of a process have the same: a machine knows again whose windows it keeps
  struct rule_code *code;
  struct rule_span *spans;
  struct rule_gather *gathers;
  uint64_t zone_serial;
  uint32_t span_count;
  uint32_t stack_depth; // most values on the stack, a part inside the main one included
  uint32_t sequence_count, code_count;
  bool newest_only; // rule_events_wanted
  struct rule_value *constants;
  struct rule_path *paths;
  const struct rule_zone *zone;
  struct rule_needs needs;
  struct rule_sequence *sequences;
  struct rule_literals *literals;
  struct rule_channels *channels;
  struct rule_duration *shifts; // of T beside now; count 0: none
  pcre2_code **patterns;
  pcre2_general_context *pattern_memory;
  uint32_t constant_count, path_count, literals_count, channels_count, shift_count, gather_count, pattern_count;
  struct arena arena;
};

// PCRE2 takes its memory where everything else does. NULL: there is none.
pcre2_general_context *rule_pattern_memory(void);

const char *rule_opcode_name(enum rule_opcode opcode);
