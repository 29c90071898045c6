// set_private: what a set is made of. Private to segment/.
//
// A question's position is its place in the order of evaluation; everything in a set is known by position. Arrays live
// in the set's arena. Programs are held one by one, because sets share them.
#pragma once

#include <stdatomic.h>

#include "segment/set.h"

enum { SEGMENT_NOWHERE = UINT16_MAX }; // no position; SEGMENT_QUESTIONS_MAX is far below

struct segment_program {
  _Atomic uint32_t holders;    // the sets it is in; the last one closes it
  struct rule_program *rule;   // or
  struct segment_score *score; // of a score's include
};

struct segment_question {
  struct segment_definition definition;
  struct segment_program *include;     // NULL of a list
  struct segment_program **exclusions; // as many as the definition has
  struct segment_program *limit;       // NULL without limit_by
  bool reads_record;                   // its programs, or those of a question that depends on it, ask for traits
};

// What an evaluation needs of each question that it asks, side by side: a question with its definition is five lines of
// cache, of these four are one.
struct segment_turn {
  const struct rule_program *include; // NULL: of a list, or of a score
  uint32_t question;
  uint8_t kind;  // enum segment_kind
  bool excludes; // it has exclusions
};

// For each of `count` rows some positions, ascending: positions[first[row] .. first[row + 1]).
struct segment_lists {
  uint32_t *first;
  uint16_t *positions;
};

// Positions by the dictionary id of a name: open addressing over a power of two, name 0 is a free slot.
struct segment_name_slot {
  uint32_t name, first, count;
  bool reads_record;
};
struct segment_name_index {
  uint32_t mask;
  struct segment_name_slot *slots; // NULL: no names
  uint16_t *positions;
};

struct segment_lookup_use {
  enum rule_function function;
  struct bytes name; // no bytes: any
  uint16_t position;
};

struct segment_number_slot {
  uint32_t question; // 0: free
  uint16_t position;
};

struct segment_set {
  _Atomic uint32_t holders;
  struct arena arena;
  struct names *names;
  const struct rule_zone *zone;
  size_t count;
  struct segment_question *questions;  // by position
  struct segment_turn *turns;          // by position
  bool reads_record;                   // some question does
  struct segment_number_slot *numbers; // open addressing by the question's number
  uint32_t numbers_mask;
  uint16_t *direct; // by the question's number, below direct_count: numbers are mostly dense
  uint32_t direct_count;
  uint16_t *live; // open addressing by id: position + 1 of the live version; 0 free
  uint32_t live_mask;
  struct segment_lists references, dependents; // by position: to versions of others; and back
  struct segment_name_index events, traits;
  struct segment_lookup_use *lookups; // consent, tier, points; by position
  size_t lookup_count;
  uint16_t *fresh; // positions, ascending
  size_t fresh_count;
  bool fresh_reads_record;
};

// One reference: the question at `from` asks for what the question at `to` says. While a set is being made both
// are places among the questions sorted by id.
struct segment_reference {
  uint16_t from, to;
};

// Puts the questions, sorted by id and version, into an order in which what one refers to comes before it, and fills
// `references` and `dependents`. Codes unknown_segment, unknown_attribute, cycle, wrong_arguments.
enum err segment_set_order(struct segment_set *set, struct diag *diag);

// Fills everything else that is asked by name or number; `questions` is in its order.
enum err segment_set_index(struct segment_set *set, struct diag *diag);

// Fills `fresh`.
enum err segment_set_find_fresh(struct segment_set *set, struct diag *diag);

// SEGMENT_NOWHERE: not in the set. Each entry of a membership asks for its position with each event.
uint16_t segment_set_search(const struct segment_set *set, uint32_t question);
static inline uint16_t segment_set_position(const struct segment_set *set, uint32_t question) {
  return question < set->direct_count ? set->direct[question] : segment_set_search(set, question);
}
uint16_t segment_set_live_position(const struct segment_set *set, struct bytes id);
// Does a question of this kind say what is asked by that function?
bool segment_kind_answers(enum segment_kind kind, enum rule_function function);
bool segment_lookup_matches(const struct segment_lookup_use *use, const struct rule_need_lookup *lookup);
const struct segment_name_slot *segment_name_find(const struct segment_name_index *index, uint32_t name); // NULL: none
