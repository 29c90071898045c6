// identity: who is it. Rules, guards and verdicts over identifiers; nothing here reads or writes the store.
//
// Layer 3. An identifier is (type, normalised value); a type belongs to a person or to a device. Rules are a
// versioned document of the workspace, parsed once into an immutable `struct identity_rules`. The engine brings the
// customers, asks for a verdict, and writes what was decided. A refusal is data: `enum identity_reason`, whose order
// is the order of the checks and whose names are API codes.
// Memory: rules own theirs and are never changed after identity_rules_open. Threads: rules may be shared.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/json_writer.h"
#include "value/names.h"
#include "value/value.h"

// `type` is the dictionary id of the type's name ("email"); `value` is normalised.
struct identifier {
  uint32_t type;
  struct bytes value;
};

bool identifier_equal(struct identifier a, struct identifier b);

// The key of an identifier in the IDENTIFIER keyspace: type name, 0 byte, value. Ordered, so that a prefix of a value
// is a range (search as you type).
struct key;
void identifier_key(struct identifier identifier, const struct names *names, struct key *key);

// Reads such a key back; the value is a view into it. False when it is malformed or the type is not in the dictionary.
bool identifier_from_key(struct bytes key, const struct names *names, struct identifier *identifier);

// "email:zoe@exemple.fr" as people write it: splits at the first colon. The value is raw. False without a colon.
bool identifier_split(struct bytes text, struct bytes *type, struct bytes *value);

enum identity_class { IDENTITY_PERSON, IDENTITY_DEVICE };

// How a raw value of this type is normalised (the engine's caller does it with quality/).
enum identity_form { IDENTITY_FORM_TEXT, IDENTITY_FORM_EMAIL, IDENTITY_FORM_PHONE };

enum {
  IDENTITY_TYPES_MAX = 64,
  IDENTITY_TYPE_NAME_BYTES = 64, // a letter, then letters, digits, '_' and '-'
  IDENTITY_PATHS_MAX = 8,        // with the NULL that ends them
  IDENTITY_BLOCKED_MAX = 256,
  IDENTITY_PATTERNS_MAX = 16, // of one type
};

struct identity_type {
  uint32_t name; // dictionary id
  struct bytes text;
  enum identity_class class;
  enum identity_form form;
  int rank;       // 0 is taken first: user_id, loyalty_card, email, phone, then others by name; devices after persons
  uint32_t limit; // identifiers of this type on one customer
  int64_t window_us; // the limit counts only those first seen in the last window; 0: all
  bool shares;       // may be shared by several people: given names and birth dates are compared before a join
  const char *paths[IDENTITY_PATHS_MAX]; // where messages carry it: "userId", "traits.email"; NULL ends
};

struct identity_rules;

// The rules every workspace starts with, as the JSON a person would edit. Static storage.
struct bytes identity_rules_default(void);

// Parses a rules document. ERR_INVALID with the field, what was expected and the nearest known name; ERR_LIMIT when
// there is too much of something. `version` is kept and shown. What the document leaves out is as in the default rules,
// so an empty document (or none: null, absent) means those. A type set to null does not exist. A new type is by default
// of class person and form text, has limit 5 (a device: 20), and is looked for in traits.T, context.traits.T,
// properties.T. `blocked` of a type are PCRE2 patterns; one that would take too many steps on a value counts as a
// match, because a guard that cannot tell must not join. "priority" names person types. The document:
// {"types": {"email": {"class": "person", "form": "email", "limit": 5, "window_days": null, "shares": false,
//                      "blocked": ["^test@"], "paths": ["traits.email", "context.traits.email"]}, ...},
//  "priority": ["user_id", "loyalty_card", "email", "phone"],
//  "blocked": ["null", "undefined", ...], "blocked_repeats": 6,
//  "devices": {"people_max": 3, "window_days": 30}}
enum err identity_rules_open(struct identity_rules **rules, struct value document, uint64_t version,
                             struct names *names, struct diag *diag);
void identity_rules_close(struct identity_rules *rules);
uint64_t identity_rules_version(const struct identity_rules *rules);

// The types in order of rank.
const struct identity_type *identity_types(const struct identity_rules *rules, size_t *count);
const struct identity_type *identity_type_find(const struct identity_rules *rules, struct bytes name);
const struct identity_type *identity_type_by_id(const struct identity_rules *rules, uint32_t name);

uint32_t identity_device_people_max(const struct identity_rules *rules);
int64_t identity_device_window_us(const struct identity_rules *rules);

// Sorts identifiers as resolution takes them: rank of the type, then value. Unknown types last.
void identity_sort(const struct identity_rules *rules, struct identifier *identifiers, size_t count);

// --- verdicts ------------------------------------------------------------------------------------------------

enum identity_reason {
  IDENTITY_OK,
  IDENTITY_UNKNOWN_TYPE,     // no such type in the rules
  IDENTITY_MALFORMED,        // quality/ could not read it (bad e-mail, bad phone…)
  IDENTITY_BLOCKED,          // a value that names nobody: "undefined", "0", "aaaaaaa"
  IDENTITY_CANNOT_LINK,      // a person parted them, and that has not been lifted
  IDENTITY_DIFFERENT_PERSON, // a shared phone or mailbox: given names or birth dates differ
  IDENTITY_LIMIT,            // the union would hold more of a type than its limit
  IDENTITY_SHARED,           // this value is known to be shared and identifies nobody
  IDENTITY_FULL,             // LIMIT_CUSTOMER_IDENTIFIERS
  IDENTITY_REASON_COUNT
};
const char *identity_reason_name(enum identity_reason reason); // "cannot_link"
const char *identity_reason_text(enum identity_reason reason); // one sentence for a person

// True for values that identify nobody: the list (compared without case), one character repeated, the type's patterns.
bool identity_is_blocked(const struct identity_rules *rules, const struct identity_type *type, struct bytes value);

// One side of a question: what a customer's record says that guards look at.
struct identity_member {
  struct identifier identifier;
  int64_t seen_us; // when it was first accepted
};
struct identity_cannot {
  struct identifier own;
  struct identifier other;
};
struct identity_side {
  const struct identity_member *members;
  size_t member_count;
  const struct identity_cannot *cannots;
  size_t cannot_count;
  struct bytes given_name; // folded; empty when unknown
  int birth_date;          // yyyymmdd; 0 when unknown
};

// May `identifier`, which belongs to nobody yet, be added to this customer? `ignore_limit` is for an explicit alias by
// a trusted source. (A guard that looks at a window counts by `seen_us` in (now - window, now].)
enum identity_reason identity_may_attach(const struct identity_rules *rules, const struct identity_side *side,
                                         struct identifier identifier, int64_t now_us, bool ignore_limit);

// May two customers become one because of `via` (which belongs to b)? When via's type may be shared and both sides hold
// another person identifier, given names and birth dates must not differ (missing is no difference):
// IDENTITY_DIFFERENT_PERSON then means "mark it shared". An identifier on both sides (a shared device) counts once. A
// limit that one side passed before (by an explicit alias) stands in the way only of joins that bring more of that
// type.
enum identity_reason identity_may_join(const struct identity_rules *rules, const struct identity_side *a,
                                       const struct identity_side *b, struct identifier via, int64_t now_us,
                                       bool ignore_limit);

// --- edges and components ------------------------------------------------------------------------------------

// An accepted pair, by index into a customer's identifiers.
struct identity_edge {
  uint16_t a, b;
  uint64_t sequence; // the decision's place in the order of all decisions; the edge's id
};

// Connected components of `count` identifiers under `edges`: component[i] is the lowest index in i's component.
void identity_components(size_t count, const struct identity_edge *edges, size_t edge_count, uint16_t *component);

// The edges that must go so that a and b are apart, newest decisions first: taken in order of sequence, each edge that
// would connect a to b. Writes their positions in `edges` to `cut`; returns how many (0: they are apart already).
// `edges` must be sorted by sequence. Uses `scratch` (count entries).
size_t identity_cut(size_t count, const struct identity_edge *edges, size_t edge_count, uint16_t a, uint16_t b,
                    uint16_t *scratch, size_t *cut);

// The shortest path of edges from a to b: writes positions in `edges` to `path`, returns its length; 0 when there is
// none, IDENTITY_PATH_NO_MEMORY when the arena could not give the scratch space.
#define IDENTITY_PATH_NO_MEMORY SIZE_MAX
size_t identity_path(size_t count, const struct identity_edge *edges, size_t edge_count, uint16_t a, uint16_t b,
                     struct arena *arena, size_t *path);

// --- devices -------------------------------------------------------------------------------------------------

// Who owns a device, by event time. A run begins with a sign-in and lasts until the next sign-in of another person;
// before the first sign-in the device belongs to the first. Position in time is (time, event id), so that the order of
// arrival does not matter. When more than people_max different people own it within one window, it is shared and nobody
// owns it.
enum { IDENTITY_RUNS_MAX = 48, IDENTITY_EVENT_ID_BYTES = 16 }; // all owners fit into one transaction

struct identity_instant {
  int64_t time_us;
  uint8_t event[IDENTITY_EVENT_ID_BYTES];
};
int identity_instant_compare(const struct identity_instant *a, const struct identity_instant *b);

struct identity_run {
  struct identity_instant start;
  struct identifier person; // who signed in: the highest-ranked identifier of that event
  uint64_t customer;        // whose it was when last looked up; a hint, refreshed by the engine before use
};

struct identity_device {
  uint64_t own; // the customer that holds its ownerless events; 0: none
  bool shared;
  bool overflow; // changed hands more than IDENTITY_RUNS_MAX times: shared for good. The sign-in that brings it about
                 // leaves the runs as they were, so that events can be taken from their owners; they are not stored.
  size_t run_count;
  struct identity_run runs[IDENTITY_RUNS_MAX];
};

// The stored form (the value of a device's row in IDENTIFIER). Decoded views point into `bytes`.
enum err identity_device_decode(struct bytes bytes, struct identity_device *device);
void identity_device_encode(const struct identity_device *device, struct buffer *out);

// The index of the last run that starts at or before `at`, shared or not; -1 before the first. This is the run that a
// sign-in at `at` falls into.
int identity_device_run(const struct identity_device *device, const struct identity_instant *at);

// The index of the run that owns `at`, or -1 (no runs, or shared).
int identity_device_owner(const struct identity_device *device, const struct identity_instant *at);

// What a sign-in changed, so that the engine can move the anonymous events of [from, to) to their new owner. The
// interval is empty (from equals to, open on no side) when the device's row changed but no event's owner did.
struct identity_change {
  bool changed;            // the device differs from before: write its row
  bool from_start, to_end; // the interval is open on that side
  struct identity_instant from, to;
};

// Records that `person` (of `customer`) signed in at `at`. Runs' customers must be fresh: equal customers are one
// person. When `at` falls inside another person's run, that run continues after it at `resumes` (the other person's
// next sign-in after `at` inside the run, which the engine looks up), or not at all when NULL. Updates `shared` and
// `overflow`. A sign-in at an instant that starts a run already (the same event again) changes nothing.
struct identity_change identity_device_sign_in(struct identity_device *device, const struct identity_rules *rules,
                                               const struct identity_instant *at, struct identifier person,
                                               uint64_t customer, const struct identity_instant *resumes);

// Joins neighbouring runs of one customer (after a merge) and decides `shared` anew.
void identity_device_normalise(struct identity_device *device, const struct identity_rules *rules);
