// record: a customer as one row: identifiers with their origin, edges, traits of every source, cannot-links.
//
// Layer 4. The record is a pure function of the decisions and events of its identifiers: folding them in any order
// gives the same bytes, which is what lets a split give back what was before (customer_fold_trait). Everything that an
// event that joined two customers may leave behind is derived (counts, times) and shown under `trace`, never in the
// record. Memory: a decoded customer is views into the row's bytes and arrays in the arena; both must outlive it.
// Threads: a `struct customer` belongs to one thread.
//
// Row key: customer id (8 bytes, big endian), then CUSTOMER_ROW_RECORD. A merged customer's row holds only where it
// went.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "identity/identity.h"
#include "value/key.h"
#include "value/value.h"

enum customer_row {
  CUSTOMER_ROW_RECORD = 0,
  CUSTOMER_ROW_HEAD = 1,
  CUSTOMER_ROW_MEMBERSHIP = 2,
  CUSTOMER_ROW_WALLET = 3
};

enum { CUSTOMER_ID_TEXT_BYTES = 24 };

// "c42", as people and the API write it. `out` has CUSTOMER_ID_TEXT_BYTES.
void customer_id_format(uint64_t id, char *out);
// Reads "c42". False for anything else.
bool customer_id_parse(struct bytes text, uint64_t *id);

// The key of one of the customer's rows in the CUSTOMER keyspace.
void customer_key(uint64_t id, enum customer_row row, struct key *key);

// The key of the row in DOCUMENT that a customer has while rows lie under other ids (`pending`): by it those few are
// found without reading all records.
void customer_pending_key(uint64_t id, struct key *key);

struct customer_identifier {
  struct identity_member member;
  uint64_t founded;  // the customer id that was made for this identifier, else 0. After a split a component keeps the
                     // lowest of these; the others lead to it.
  uint64_t sequence; // the decision that brought it here
  uint32_t source;   // which source named it first
};

// Two identifiers that must not meet again; `own` is one of this customer's.
struct customer_cannot {
  struct identity_cannot pair;
  uint64_t sequence;
};

// The newest value one source gave for a trait. All are kept; the winner is chosen on reading.
struct customer_trait {
  uint32_t name; // dictionary id; 0 with inline_name when the dictionary was full
  struct bytes inline_name;
  uint32_t source;
  bool correction;            // made by a person; wins over sources until a newer correction
  struct bytes author;        // of a correction
  struct identity_instant at; // event time and id
  struct value value;
};

struct customer {
  uint64_t id;
  uint64_t merged_into;                    // not 0: a redirect, everything else is empty
  int64_t updated_us;                      // received_at of the last change of the record
  struct customer_identifier *identifiers; // in order of sequence
  size_t identifier_count, identifier_capacity;
  struct identity_edge *edges; // active ones, in order of sequence; indexes into identifiers
  size_t edge_count, edge_capacity;
  struct customer_cannot *cannots;
  size_t cannot_count, cannot_capacity;
  struct customer_trait *traits; // sorted by (name, inline_name, correction, source)
  size_t trait_count, trait_capacity;
  uint64_t *pending; // ids whose events (and refusals) are this customer's and still lie under the old id; ascending
  size_t pending_count;
};

// An empty record for a new id.
void customer_init(struct customer *customer, uint64_t id);

// Reads a row. ERR_CORRUPT when it is not one; ERR_NO_MEMORY.
enum err customer_decode(struct bytes row, uint64_t id, struct arena *arena, struct customer *customer);

// Appends the row to `out`. Equal customers give equal bytes.
void customer_encode(const struct customer *customer, struct buffer *out);

// The position of an identifier, or -1.
int customer_find_identifier(const struct customer *customer, struct identifier identifier);

// Adds one, or finds it. The value is copied into the arena. *index is its position; positions after it move, in edges
// too, when its sequence is not the highest. ERR_NO_MEMORY.
enum err customer_add_identifier(struct customer *customer, struct arena *arena,
                                 const struct customer_identifier *identifier, size_t *index);

// True when the pair is an active edge already.
bool customer_has_edge(const struct customer *customer, size_t a, size_t b);
// Adds an edge or a cannot-link; one that is there already stays as it is. A cannot-link's values are copied.
enum err customer_add_edge(struct customer *customer, struct arena *arena, size_t a, size_t b, uint64_t sequence);
enum err customer_add_cannot(struct customer *customer, struct arena *arena, struct identity_cannot pair,
                             uint64_t sequence);

// When the customer first appeared: the first acceptance among its identifiers. 0 for none.
int64_t customer_created_us(const struct customer *customer);

// Folds one value in: kept when it is the newest of its (trait, source, correction); equal instants are decided by the
// value's bytes, then the author's, so that no order of arrival matters. What it points to is copied into the arena.
// Returns in *changed whether the record changed. ERR_LIMIT when LIMIT_CUSTOMER_TRAITS names are there already.
enum err customer_fold_trait(struct customer *customer, struct arena *arena, const struct customer_trait *trait,
                             bool *changed);

// Ranks of sources for ties: higher wins. The engine answers from its table. A NULL pointer to it means that all
// sources are equal and nameless.
struct customer_sources {
  int (*priority)(void *context, uint32_t source);
  struct bytes (*name)(void *context, uint32_t source);
  void *context;
};

// The value that counts for the trait `traits[first]` belongs to: a correction (the newest), else the newest by event
// time, then source priority, then event id. *next is the position after the last value of this trait.
const struct customer_trait *customer_trait_winner(const struct customer *customer, size_t first,
                                                   const struct customer_sources *sources, size_t *next);

// The winning value by name; absent when there is none.
struct value customer_trait_value(const struct customer *customer, const struct names *names, struct bytes name,
                                  const struct customer_sources *sources);

// The same by the name's dictionary id.
struct value customer_trait_value_of(const struct customer *customer, uint32_t name,
                                     const struct customer_sources *sources);

// Notes that rows under `id` belong to this customer, or no longer do. ERR_NO_MEMORY.
enum err customer_add_pending(struct customer *customer, struct arena *arena, uint64_t id);
void customer_drop_pending(struct customer *customer, uint64_t id);
bool customer_has_pending(const struct customer *customer, uint64_t id);

// Takes over everything of `loser` (already redirected by the caller): identifiers, edges, cannot-links, traits, and
// the ids whose rows were pending. An identifier of both keeps the lower sequence, the earlier time and the lower
// `founded` that is not 0. Trait names past LIMIT_CUSTOMER_TRAITS are left out (the events still have them). On
// ERR_NO_MEMORY the survivor is of no more use.
enum err customer_absorb(struct customer *survivor, const struct customer *loser, struct arena *arena);

// The record of one component after a split: the identifiers of `in` with component[i] == which, their edges and
// cannot-links, and the lowest `founded` among them as its id (0 when there is none). Without traits: they are folded
// again from the events, and with nothing pending. Views are shared with `in`; arrays are new, in the arena.
enum err customer_copy_part(struct customer *out, const struct customer *in, const uint16_t *component, uint16_t which,
                            struct arena *arena);

// What of the answer does not belong to the record proper.
struct customer_trace {
  uint64_t event_count;
  int64_t first_event_us, last_event_us;
  bool heavy; // more than LIMIT_HEAVY_EVENTS
};

// The public document: {"id","created_at","updated_at","identifiers":[{"type","value","first_seen_at","source"}],
// "traits":{name: value},"consents":{},"trace":{"aliases":[…],"events","heavy","first_event_at",
// "last_event_at","traits":{name:{"source","time","author"?,"others":[{"value","source","time"}]}},"cannot_links":[…]}}.
// Members of `traits` are in order of their names' text. A redirect is {"id","merged_into"}. Instants that are not
// known are null. ERR_NO_MEMORY.
enum err customer_to_json(struct json_writer *writer, const struct customer *customer,
                          const struct customer_trace *trace, const struct names *names,
                          const struct customer_sources *sources, struct arena *arena);
