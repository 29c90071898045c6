// replay_group: a group of customers while its decisions are run again. Private to replay*.c.
//
// replay_read.c makes nodes and decisions of what is stored, replay.c decides, replay_plan.c compares with the store.
#pragma once

#include "engine/replay.h"

#define REPLAY_NONE UINT32_MAX

struct said { // what an event gave; listed at the node of its first person
  struct replay_said event;
  uint32_t *nodes;
  uint32_t next;
};

struct node {
  struct identifier identifier;
  int64_t seen_us;
  uint32_t owner; // of a device's node: the person beside whom it stands; REPLAY_NONE for a person's
  bool dead, inert, device, shared;
  bool paired;              // of an inert one: with the first
  uint32_t component, next; // the list of its component; REPLAY_NONE ends it
  uint32_t last, size;      // of a component's first node
  uint32_t said;            // the first of what events gave; REPLAY_NONE ends the list
};

enum row_state {
  IS_EDGE,     // it stands as an edge now
  IS_REFUSAL,  // it stands as a refusal now
  IS_STAND_IN, // an edge now, but only for want of another one's anchor
};

struct decision {
  int64_t at_us;   // receipt; never falls along those whose place is known, so that the others find theirs among them
  uint64_t number; // of a pair that was refused when it was decided: the pair's
  uint64_t place;  // among the decisions; 0: not known, as rows of refusals did not always say it
  uint32_t a, b;
  enum row_state state;
  bool refused;        // when it was decided
  bool sign_in;        // of a device: a membership, decided long ago
  bool alias;          // may pass a limit
  bool different;      // the guard of shared values found two people once
  bool says_different; // and that is the reason it stands for
  bool anchor_lost;    // of a stand-in: the rules themselves say that the anchor ties nobody
  enum identity_reason verdict;
  uint64_t customer, row, event; // where it stands; the event's id, in short
  uint32_t source;
  struct bytes message_id;
  int64_t time_us, received_us;
};

struct stand_in {
  uint32_t a, b;
  const struct decision *decision;
};

struct listing { // this customer's record of today lists that node
  uint32_t customer, node;
};

struct parted {
  uint32_t own;
  struct identity_cannot pair;
};

struct replay {
  struct engine_view *view;
  const struct replay_rules *rules;
  struct arena *arena;
  const uint64_t *customers;
  size_t customer_count;
  struct node *nodes;
  size_t node_count, node_capacity;
  uint32_t *slots; // node index + 1, by identifier
  size_t slot_count;
  struct decision *decisions;
  size_t decision_count, decision_capacity;
  struct listing *listings;
  size_t listing_count, listing_capacity;
  struct parted *parted;
  size_t parted_count, parted_capacity;
  struct said *said;
  size_t said_count, said_capacity;
  bool said_read;
  struct stand_in *stand_ins; // wanted
  size_t stand_in_count, stand_in_capacity;
  uint64_t hub_event; // the event whose tying identifier was refused last, and who ties the others instead
  uint32_t hub;
  uint32_t customer; // being read, by position
  uint64_t customers_of_persons;
  struct customer *record;
  struct diag *diag;
};

enum { REPLAY_FIRST_ROOM = 64 }; // of each list

// The node of an identifier; REPLAY_NONE when there is none. `owner` as in struct node.
uint32_t replay_find_node(const struct replay *replay, struct identifier identifier, uint32_t owner);

// Reads one of the group's customers: replay->customer says which. She may be gone meanwhile.
enum err replay_read(struct replay *replay, uint64_t id, bool refusals);

// True for a type whose values several people may use.
bool replay_may_be_shared(const struct replay *replay, const struct node *node);

// What differs from the store, after all was decided.
enum err replay_make_plan(const struct replay *replay, struct replay_plan *plan);
