// set_private: what a set is made of. Private to loyalty/.
//
// Arrays live in the set's arena. Programs are held one by one, because sets share them.
#pragma once

#include <stdatomic.h>

#include "loyalty/set.h"

enum {
  LOYALTY_ASKS_MAX = 8,       // that are kept of one expression; any of them would do
  LOYALTY_ASK_NAMES_MAX = 12, // of a path, that of the list included
};

// What a condition asks of the event in hand, joined with `and` to the rest of it: at this path lies one of these
// values, or (with a list) at this path of some item of it.
struct loyalty_ask {
  const uint32_t *names;  // dictionary ids from the message on: of the list, then within its items
  uint32_t list_count;    // 0: no list
  uint32_t name_count;    // all in all
  const uint64_t *values; // hashes: equal values have equal ones
  uint32_t value_count;
};

// What a program is made of, and by what it is found again.
struct loyalty_text {
  struct bytes text;
  const struct rule_zone *zone;
  enum rule_subject subject;
  bool condition;
};

struct loyalty_program {
  _Atomic uint32_t holders; // the sets it is in; the last one closes it
  struct loyalty_text text;
  struct rule_program *rule;
  const struct loyalty_ask *asks;
  size_t ask_count;
};

// Documents of one kind by number, and where each id is.
struct loyalty_shelf_id {
  struct bytes id;
  uint32_t position;
};
struct loyalty_shelf {
  char *items;
  size_t count, item_bytes, id_at;
  struct loyalty_shelf_id *ids; // ascending
};

struct loyalty_rule_programs {
  const struct loyalty_program *when, *lines, *discount_lines; // those that the index asks; NULL: there is none
};

struct loyalty_voucher_programs {
  const struct rule_program *recipients, *condition, *lines;
};

struct loyalty_programme_programs {
  const struct rule_program *staff;
};

// --- the index ---

struct loyalty_index_path {
  const uint32_t *names; // from the message or from the item on
  uint32_t name_count;
  uint32_t number; // in the whole set
};
struct loyalty_index_list {
  const uint32_t *names; // from the message on
  uint32_t name_count;   // 0: the message itself
  const struct loyalty_index_path *paths;
  uint32_t path_count;
};
// What an event of one name concerns. Its rules have places from 0 on in it.
struct loyalty_index_name {
  uint32_t name;         // 0: a free slot
  const uint32_t *rules; // positions in the set, ascending
  uint32_t rule_count;
  const uint64_t *always; // bits by place: rules that are found without being asked for
  const struct loyalty_index_list *lists;
  uint32_t list_count;
  const struct loyalty_live_rule **withdrawn;
  uint32_t withdrawn_count;
};
struct loyalty_index_slot {
  uint64_t hash;         // of a path's number and a value
  uint32_t first, count; // places; count 0: free
};
struct loyalty_index {
  struct loyalty_index_name *names; // open addressing
  uint32_t name_mask;
  struct loyalty_index_slot *slots; // open addressing; NULL: nothing is asked
  uint64_t slot_mask;
  const uint32_t *places;
};

struct loyalty_set {
  _Atomic uint32_t holders;
  struct arena arena;
  struct names *names;
  struct loyalty_program **programs; // open addressing by text
  uint64_t program_mask;
  struct loyalty_shelf programmes, campaigns, vouchers;
  const struct rule_zone **zones; // by programme
  // Of all documents, archived ones too: programmes' own first, then campaigns.
  struct loyalty_live_rule *rules;
  struct loyalty_rule_programs *rule_programs; // by rule
  struct loyalty_span *spans;                  // by rule: when it is in force; of archived ones empty
  size_t rule_count;
  uint32_t *first_rules; // by programme, then by campaign: of its rules; one more at the end
  struct loyalty_programme_programs *programme_programs;
  struct loyalty_voucher_programs *voucher_programs;
  struct loyalty_index index;
};

// The hash of a value as the language compares it: of numbers by value, whatever their digits. False: only null and
// what is never equal to a literal.
bool loyalty_value_hash(const struct names *names, struct value value, uint64_t *hash);

// What a checked tree asks; at most LOYALTY_ASKS_MAX, in the arena. False: no memory.
struct rule_node;
bool loyalty_asks_of(const struct rule_node *tree, const struct names *names, struct arena *arena,
                     struct loyalty_ask asks[LOYALTY_ASKS_MAX], size_t *count);

// Fills `index`; everything else is there.
enum err loyalty_set_index(struct loyalty_set *set, struct diag *diag);
