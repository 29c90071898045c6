// internal: what the files of engine/ share. Nobody else includes this.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "customer/record.h"
#include "customer/timeline.h"
#include "engine/engine.h"
#include "value/key.h"

enum {
  ENGINE_SOURCES_MAX = 4096,
  ENGINE_KEYS_MAX = 65536,
  ENGINE_STRIPES = 16,       // counters are kept in stripes so that commits do not wait for one another
  ENGINE_HASH_KEY_BYTES = 32 // secret of this workspace: event ids, receipts
};

// The names the engine itself reads and writes, interned at open.
// clang-format off
#define ENGINE_NAMES(X) \
  X(user_id) X(anonymous_id) X(email) X(phone) X(loyalty_card) X(traits) X(context) X(properties) X(author) \
  X(firstName) X(first_name) X(givenName) X(given_name) X(birthday) X(birth_date) X(birthdate) X(dateOfBirth) \
  X(a) X(b) X(rule) X(source) X(message_id) X(time) X(received_at) X(state) X(reason) X(what) X(sequence) \
  X(customer) X(disabled_at) X(identifier)
// clang-format on

// A part of the counters. `busy` is held from the moment a transaction counts to the end of its commit, so that the row
// it writes tells what was committed and its own, and nothing else.
struct engine_stripe {
  pthread_mutex_t busy;
  struct engine_counts counts; // as committed; also under stripes_mutex
  _Atomic uint64_t epoch;      // of engine->counts_epoch, when the row was last known
};

// Numbers given out in blocks: a block is reserved in the store before its first number is used.
struct engine_sequence {
  const char *name; // the META row
  pthread_mutex_t mutex;
  uint64_t next, limit;
  uint64_t block;
};

struct engine_rules_list {
  struct identity_rules *rules;
  struct engine_rules_list *older;
};

struct engine_zone_list; // zone.c

struct engine_source_slot {
  struct engine_source source;
  struct engine_source_slot *older; // replaced descriptions stay readable until close
};

struct engine_key_slot {
  struct engine_key key;
  uint8_t hash[32];
  bool revoked;
  int64_t created_us;
  char *name;
};

struct live;
struct loyalty;
struct feed;
struct projections;

struct engine {
  struct store *store;
  const struct clock *clock;
  bool read_only;
  struct names *names;
  uint8_t hash_key[ENGINE_HASH_KEY_BYTES];

  _Atomic(struct engine_rules_list *) rules; // newest first
  pthread_mutex_t rules_mutex;               // one change of rules at a time

  _Atomic(struct engine_zone_list *) zones; // newest first
  pthread_mutex_t zone_mutex;               // one change of the zone at a time; of named_zones
  struct engine_zone_list *named_zones;     // that programmes asked for

  pthread_mutex_t access_mutex; // sources and keys are changed under it
  _Atomic(struct engine_source_slot *) sources[ENGINE_SOURCES_MAX];
  _Atomic uint32_t source_count;
  pthread_rwlock_t keys_lock;
  struct engine_key_slot **keys; // by id - 1
  size_t key_count, key_capacity;

  struct engine_sequence customers, decisions, parts;
  struct engine_stripe stripes[ENGINE_STRIPES];
  pthread_mutex_t stripes_mutex; // for reading sums while others commit
  _Atomic uint32_t next_stripe;
  _Atomic uint64_t counts_epoch; // a commit failed: it and others may be kept or lost, so every stripe is read again

  uint32_t message_days;
  uint64_t merge_events;           // what the merges of one transaction move, and one step after them
  _Atomic unsigned sortings;       // under way: the job waits, as it would undo them
  uint64_t moves_after;            // whose turn it was; under upkeep_mutex
  struct live *live;               // segments (live.h)
  struct loyalty *loyalty;         // programmes and members (loyalty.h)
  struct projections *projections; // copies of timelines for counts (projection.h)
  int64_t projection_quiet_us;
  struct feed *feed;    // who entered and left them (feed.h)
  engine_wake_fn *wake; // tells the caller that there is upkeep; NULL: nobody wants to know
  void *wake_context;
  engine_goes_on_fn *goes_on; // whether a walk of the upkeep may go on; NULL: always
  void *goes_on_context;
  pthread_mutex_t upkeep_mutex;                    // one tick at a time
  int64_t message_base_us;                         // nothing was received before; 0: not looked after yet
  uint8_t sweep_from[IDENTITY_EVENT_ID_BYTES + 1]; // where the sweep of deduplication keys goes on
  size_t sweep_from_bytes;                         // 0: at the beginning of a pass
  struct engine_rerun *rerun;                      // the re-run of identity rules, under upkeep_mutex; NULL: not read
  _Atomic int64_t message_floor_us; // deduplication keys received before this may have been swept; 0: none yet
  _Atomic bool has_receipts;        // someone was erased: events are looked up against the receipts

  struct {
#define X(name) uint32_t name;
    ENGINE_NAMES(X)
#undef X
    uint32_t identified; // "Identified"
    uint32_t corrected;  // "Corrected"
  } id;
};

// Ids under which events of a customer are sorted (sort.c) have this bit: no customer ever has one.
#define ENGINE_PART_BIT ((uint64_t)1 << 63)

// --- engine.c ------------------------------------------------------------------------------------------------

// The next number of a sequence. Fails only as the store does.
enum err engine_next(struct engine *engine, struct engine_sequence *sequence, uint64_t *number, struct diag *diag);

// META and DOCUMENT keys: "name" or "name/part" as text.
void engine_text_key(struct key *key, const char *name);
void engine_number_key(struct key *key, const char *name, uint64_t number); // name, 0, number big endian

// 128-bit keyed hash of (source, message id): the event's id and its deduplication key.
void engine_event_id(const struct engine *engine, uint32_t source, struct bytes message_id,
                     uint8_t out[IDENTITY_EVENT_ID_BYTES]);

// 256-bit keyed hash of an identifier, for receipts.
void engine_identifier_hash(const struct engine *engine, struct identifier identifier, uint8_t out[32]);

// Adds what a transaction changed to one stripe of the counters, in that transaction, as its last step before the
// commit. engine_count_end tells how that ended; it is called in every case, by the same thread.
struct engine_count {
  struct engine_stripe *stripe; // NULL: nothing to count
  struct engine_counts after;
};
enum err engine_count(struct engine *engine, struct store_txn *txn, const struct engine_counts *delta,
                      struct engine_count *count);
void engine_count_end(struct engine *engine, const struct engine_count *count, enum err outcome);

// What the counters said when the snapshot was taken: they are written with what they count.
enum err engine_counts_at(struct store_snapshot *snapshot, struct arena *arena, struct engine_counts *counts);

// The source table as customer/ wants it.
struct customer_sources engine_sources(struct engine *engine);

// Words for a failure that came without any: short memory, or a read that the store could not do. Returns `err`.
enum err engine_explain_failure(enum err err, struct diag *diag);

// --- zone.c --------------------------------------------------------------------------------------------------

// The zone of this IANA name, valid until engine_close; NULL: this machine has none.
const struct rule_zone *engine_zone_named(struct engine *engine, struct bytes name);

// --- commit.c ------------------------------------------------------------------------------------------------

// Runs what rides, if anything does: the last of a transaction's body.
enum err engine_ride(const struct engine_commit *commit, struct store_txn *txn, struct diag *diag);

// store_run for a change: the commit's lock, the body (which takes no lock of class IDEMPOTENCY), then what rides.
enum err engine_run(struct engine *engine, store_body_fn *body, void *context, struct engine_commit *commit,
                    struct diag *diag);

// --- rows of IDENTIFIER (identifiers.c) ----------------------------------------------------------------------

// A person's identifier leads to one customer, or to none when it is shared. A device's row holds its owners.
enum { ENGINE_ROW_PERSON = 'P', ENGINE_ROW_DEVICE = 'D' };
struct engine_person_row {
  uint64_t customer; // 0 only when shared
  bool shared;
};
void engine_person_encode(const struct engine_person_row *row, uint8_t out[10]);
bool engine_person_decode(struct bytes bytes, struct engine_person_row *row);

// --- rows of EDGE (edges.c) ----------------------------------------------------------------------------------

// Key: customer id, kind, number. Values are packed documents, shown as they are.
enum engine_edge_kind { ENGINE_EDGE_LINK = 1, ENGINE_EDGE_REFUSED = 2, ENGINE_EDGE_HISTORY = 3 };
void engine_edge_key(uint64_t customer, enum engine_edge_kind kind, uint64_t number, struct key *key);

// What an edge, a refusal or a line of history says. Members that are empty or 0 are left out.
struct engine_edge_row {
  struct identifier a, b;
  const char *rule;  // "same_event", "sign_in", "alias"; of history: "merge", "split", "allow"
  const char *state; // "active", "disabled"; of a refusal the reason
  uint32_t source;
  struct bytes message_id;
  int64_t time_us, received_us;
  uint64_t customer;        // history: the other customer
  uint64_t sequence;        // of what was refused when it was decided: its place among the decisions; an edge that was
                            // none has it in its key
  bool different;           // the guard of shared values found two people once
  uint64_t rules;           // the version of the rules whose re-run brought it about
  uint64_t stands_for;      // of a stand-in: the decision, and
  struct identifier anchor; // whom it had in common
  struct bytes author, reason;
};
enum err engine_edge_put(struct engine *engine, struct store_txn *txn, uint64_t customer, enum engine_edge_kind kind,
                         uint64_t number, const struct engine_edge_row *row, struct arena *arena);

// "email:zoe@exemple.fr" in the arena; empty on short memory.
struct bytes engine_identifier_text(const struct engine *engine, struct identifier identifier, struct arena *arena);
// Reads it back without cleaning: a view into `text`.
bool engine_identifier_read(const struct engine *engine, struct bytes text, struct identifier *identifier);

// What a person writes beside a change, such as its "author": ERR_INVALID code "bad_author" when it is not text or
// longer than `most_bytes`.
enum err engine_check_words(const char *member, struct bytes words, size_t most_bytes, struct diag *diag);

// --- members of small documents (rows.c): sources, keys, what was set aside -----------------------------------

void engine_put_text(struct value_builder *builder, const char *name, struct bytes text);
void engine_put_i64(struct value_builder *builder, const char *name, int64_t number);
// The member as text, a view into the document, or as a whole number; empty or 0 when it is none.
// A member "warnings" of an object: those of a checked expression.
struct rule_check;
void engine_warnings_json(const struct rule_check *check, struct json_writer *writer);
struct bytes engine_member_text(const struct engine *engine, struct value document, const char *name);
int64_t engine_member_i64(const struct engine *engine, struct value document, const char *name);
