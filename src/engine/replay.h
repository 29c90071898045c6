// replay: stored identity decisions run again under other rules, in memory, for a group of customers.
//
// A group is a set of customers that no decision connects to one outside it (ties.h), so groups can be run one by one.
// What is run again: the accepted pairs and the refused ones of each customer, in the order they were decided, with
// cannot-links kept. The outcome does not depend on what of it has been carried out already, so that a re-run that
// stopped half-way goes on to the same end. What is not run again, because the store does not keep what it would need:
//   - devices: they follow the persons who signed in on them, and count in limits;
//   - a person's split: the pairs she parted stay parted;
//   - values that could not be read (malformed);
//   - an identifier refused because it was known to be shared was noted only for the first two people.
// Names and birth dates (for shared phones) are those that the events before the decision gave. A pair accepted while
// the guard of shared values was in force for its type passed it: it is not looked at again.
// When the identifier that tied an event's others together no longer may, the others are tied to one another.
#pragma once

#include "engine/read.h"

enum { REPLAY_IDENTIFIERS_MAX = 200000 }; // of one group: about 60 MiB

struct replay_counts {
  uint64_t customers_now, customers_then; // who have an identifier of a person
  uint64_t would_merge;                   // customers of today that would be one with another one of today
  uint64_t would_part;                    // customers of today that would be several
};

// The rules to run under, and in which decisions the guard of shared values was in force.
struct replay_era { // from this decision on
  uint64_t decision;
  uint64_t shares; // a bit for each type of `rules`, in order of rank
};
struct replay_rules {
  const struct identity_rules *rules;
  const struct replay_era *eras; // in order
  size_t era_count;
};

// --- what differs from the store -----------------------------------------------------------------------------

// An accepted pair that the rules refuse.
struct replay_cut {
  uint64_t customer, number;
  enum identity_reason reason;
  struct identifier a, b;
};
// A pair to accept: a refused one, or one that stands for another (a stand-in).
struct replay_accept {
  struct identifier a, b;
  uint64_t row;             // the refusal's number in EDGE; 0: a stand-in, which has none
  uint64_t decision;        // the number it was accepted by before; 0: a new one
  uint64_t place;           // among the decisions; 0: it is not known
  uint64_t stands_for;      // of a stand-in: the decision it stands for, and
  struct identifier anchor; // who tied the two before
  const char *rule;
  bool different; // the guard of shared values found two people once
  uint32_t source;
  struct bytes message_id;
  int64_t time_us, received_us;
};
// A value that several people use, or no longer do.
struct replay_share {
  struct identifier identifier;
  bool shared;
};
struct replay_plan { // arrays live in the arena; identifiers too
  struct replay_cut *cuts;
  struct replay_accept *accepts;
  struct replay_share *shares;
  struct replay_cut *restates; // refusals that have another reason now, where sharing is one of the two
  size_t cut_count, accept_count, share_count, restate_count;
};

// Runs one group. Customers are ids of live records; with `refusals` their refusals are read too (a customer that is
// tied to nobody has none that matters). Adds the outcome to *counts; *plan says what differs (NULL: not wanted). Uses
// `arena` and leaves it to the caller to clear. ERR_LIMIT code "too_many_decisions" when the group is too large.
enum err replay_group(struct engine_view *view, const struct replay_rules *rules, const uint64_t *customers,
                      size_t count, bool refusals, struct arena *arena, struct replay_counts *counts,
                      struct replay_plan *plan, struct diag *diag);

// True for a refusal that stands under any rules: a cannot-link's, or of a value that could not be read.
bool replay_stands(const struct engine *engine, struct value document);

// replay_names.c: what events said of names, for the guard of shared values. Opaque but for who asks.
struct replay_said {
  uint64_t sequence, event; // of the event
  int64_t received_us;
  struct identity_instant at;
  bool correction;
  const struct identifier *persons;
  size_t person_count;
  struct bytes given_name;
  int birth_date;
};
// Hands over every event of a customer that gives a name or a birth date and names persons. What it points to lives in
// the arena.
typedef enum err replay_said_fn(void *context, const struct replay_said *said);
enum err replay_names(struct engine_view *view, const struct identity_rules *rules, uint64_t customer,
                      struct arena *arena, replay_said_fn *each, void *context, struct diag *diag);
