// work: the identifiers and customers one transaction holds in memory while it changes them.
//
// Everything a transaction decides is decided here, on decoded records under their locks, and written once at the end
// (work_emit). Two invariants make that simple:
//   1. An IDENTIFIER row names the live customer whose record lists the identifier. Changing it needs the
//      identifier's lock and both customers'. So once its lock is held a row cannot go stale.
//   2. A device's row names only live customers (own, runs), and each of them lists the device in its record.
// A customer's head comes with its parts: the rows that lie under other ids and are hers (moves.c). Her lock covers
// them.
//
// A decision that turns out to need one more identifier or customer asks for it (work_target, work_customer give
// NULL): the body returns ERR_CONFLICT, everything is dropped, and the transaction starts again with the larger set.
#pragma once

#include "engine/internal.h"

struct work_names { // dictionary ids
  uint32_t *items;
  size_t count, capacity;
};

struct work_customer {
  struct customer record;
  struct timeline_head head;
  bool fresh;     // made by this transaction
  bool head_only; // its record was not read: work_customer does not give it out
  bool record_dirty, head_dirty;
  bool erased;                      // its rows go
  bool was_apart;                   // when it was read: a redirect, or with pending rows
  uint32_t given_up;                // the state of its block when its projection is deleted with this; 0: it is not
  bool was_heavy;                   // when it was read
  struct bytes wallet_row;          // of her wallets; empty: she has none, or there are no programmes
  struct loyalty_member *member;    // the same, decoded (loyalty_member.c); NULL: not asked for
  bool loyalty_changed;             // her points or tier may be others than before
  struct bytes membership;          // the row of what is known of her segments; empty: nothing, or no question is live
  const struct bytes *chunks;       // rows of her timeline, read with those of others (live.c)
  size_t chunk_count;               // of them; 0: they were not read
  struct work_names added, changed; // names of events that were added, of traits that changed
  bool changed_hands;               // events came from another customer, or went to one
  bool concerned;                   // some question is to be asked about her (live.c)
  bool tokens_taken;                // `tokens` holds what the search knew before this transaction
  struct bytes *tokens;
  size_t token_count;
};

struct work_target {
  struct identifier identifier;
  const struct identity_type *type; // NULL when the rules no longer know it
  bool stored;                      // there was a row
  bool dirty;
  bool gone;                       // the row is to be deleted
  struct engine_person_row person; // of a person's identifier; customer 0 and not shared: nobody's yet
  struct identity_device *device;  // of a device; NULL for a person's
  bool erased, suppressed;         // what a receipt says of it, when receipts were read
  int64_t erased_us;
};

struct work_set { // ids or identifiers asked for, kept across restarts
  uint64_t *customers;
  size_t customer_count, customer_capacity;
  struct identifier *identifiers;
  size_t identifier_count, identifier_capacity;
  uint64_t *fresh; // ids of customers made by an attempt: the next one's are the same
  size_t fresh_count, fresh_capacity;
  uint64_t *merged; // customers whose orders are locked before they become one (loyalty.h)
  size_t merged_count, merged_capacity;
};

struct sorting;
struct loyalty_set;
struct loyalty_member;
struct loyalty_counters;
struct loyalty_codes;

struct work {
  struct engine *engine;
  const struct identity_rules *rules;
  struct customer_sources sources;
  struct store_txn *txn;
  struct arena *arena;   // of this attempt
  struct buffer *buffer; // scratch for encoding
  int64_t now_us;
  struct bytes cashier; // who does it, as a till names her; empty: nobody is named
  struct work_target *targets;
  size_t target_count, target_capacity;
  struct work_customer **customers;
  size_t customer_count, customer_capacity;
  uint32_t *target_slots, *customer_slots; // open addressing, index + 1
  size_t target_slot_count, customer_slot_count;
  struct work_set *wanted;
  size_t fresh_used; // of wanted->fresh
  bool again;        // something was asked for
  bool starved;      // something was to be asked for and memory was short
  uint64_t moved;    // events and refusals that merges of this transaction moved
  bool all_at_once;  // events change hands in this transaction, however many (a split: its customers are not there yet)
  struct sorting **sorting; // what was prepared for this transaction (sort.c); NULL: nothing
  bool moves_wait;          // a merge left some to be moved later: upkeep is woken after the commit
  struct engine_counts delta;
  const struct segment_set *set;     // the live questions (live.c); NULL: there are none
  const struct loyalty_set *loyalty; // programmes, campaigns and vouchers in force; NULL: there are none
  struct loyalty_counters *counters; // that were locked (loyalty_counter.c); NULL: none
  struct loyalty_codes *codes;       // that were locked (loyalty_code.c); NULL: none
  struct live_change *changes;       // what segments say of the customers of this transaction, and did not before
  size_t change_count, change_capacity;
  struct live_rows *rows; // what live_evaluate gathers
  struct diag *diag;
};

// What a transaction starts from.
struct work_plan {
  const struct bytes *message_keys; // locked first, in class IDEMPOTENCY
  size_t message_count;
  const struct identifier *identifiers;
  size_t identifier_count;
  const uint64_t *customers;
  size_t customer_count;
  bool no_customers;                  // identifiers are locked and read, their customers are not
  const struct engine_commit *commit; // what rides, and its lock; NULL: nothing does
  bool dry_run;                       // nothing is written: the body alone says what would be
  const struct live_request *live;    // what is asked of `customers` beside what events ask for; NULL: nothing
  // Tells of each customer that the identifiers lead to whether its record will be needed, by head_only. NULL: all are.
  void (*choose_records)(struct work *work, void *context);
};

// Runs `body` with everything of the plan locked and read; then writes what it changed and commits. Starts again when
// the body asked for more. ERR_LIMIT code "too_many_customers" when the plan needs more than LIMIT_TXN_CUSTOMERS.
typedef enum err work_body_fn(struct work *work, void *context);
enum err work_run(struct engine *engine, const struct work_plan *plan, work_body_fn *body, void *context,
                  struct store_mark *mark, struct diag *diag);

// The identifier's row, locked. NULL when this transaction does not hold it: return ERR_CONFLICT (or memory is short).
struct work_target *work_target(struct work *work, struct identifier identifier);

// The identifier's row if this transaction holds it; asks for nothing.
struct work_target *work_held_target(const struct work *work, struct identifier identifier);

// True when every identifier of the record is locked here. All that are not are asked for at once: return ERR_CONFLICT.
bool work_hold_identifiers(struct work *work, const struct customer *record);

// The customer, locked. NULL as above.
struct work_customer *work_customer(struct work *work, uint64_t id);

// The customer if this transaction holds it; asks for nothing. Its record may not have been read.
struct work_customer *work_held_customer(const struct work *work, uint64_t id);

// These two will be one: loyalty_prepare of the next attempt locks what both have. Return ERR_CONFLICT.
void work_want_merge(struct work *work, uint64_t a, uint64_t b);

// A new customer of this transaction, in *out.
enum err work_customer_new(struct work *work, struct work_customer **out);

// Remembers what the search knows of a customer; call before changing names, or merging, parting, erasing.
enum err work_take_tokens(struct work *work, struct work_customer *customer);

// Notes what live segments look at: an event was added, a trait changed.
enum err work_note(struct work *work, struct work_names *names, uint32_t name);

// Marks the record changed by an event received then.
void work_touch(struct work_customer *customer, int64_t received_us);

// --- apply.c: one event alone -------------------------------------------------------------------------------

// Applies one event in a transaction of its own, or changes nothing: ERR_DENIED code "suppressed" when the event would
// not be taken. `writer` (may be NULL) gets the record as it is then, into an empty buffer.
enum err apply_alone(struct engine *engine, const struct engine_event *event, struct json_writer *writer,
                     struct engine_commit *commit, struct diag *diag);

// Applies the event of a basket in a transaction of its own (loyalty.h), or only says what it would do.
struct loyalty_request;
enum err apply_basket(struct engine *engine, const struct engine_event *event, const struct loyalty_request *request,
                      bool dry_run, struct engine_commit *commit, struct diag *diag);
// The same of members that are brought (loyalty_request.bring), at most LIMIT_TXN_CUSTOMERS of them in one transaction.
enum err apply_members(struct engine *engine, const struct engine_event *events, size_t count,
                       const struct loyalty_request *request, bool dry_run, struct engine_result *results,
                       struct store_mark *mark, struct diag *diag);

// --- resolve.c: who is it -----------------------------------------------------------------------------------

enum { WORK_IDENTIFIERS_MAX = LIMIT_EVENT_IDENTIFIERS + 1 }; // an alias adds one

// An event as resolution sees it: identifiers in order of rank, split by class, unusable ones told apart.
struct work_event {
  const struct engine_event *event;
  struct identity_instant at;
  uint64_t sequence;
  struct identifier persons[WORK_IDENTIFIERS_MAX], devices[WORK_IDENTIFIERS_MAX];
  size_t person_count, device_count;
  struct bytes given_name; // folded, from the event's own traits
  int birth_date;
  struct identifier accepted[WORK_IDENTIFIERS_MAX]; // what ties the event to its customer
  size_t accepted_count;
  uint32_t excluded_traits[WORK_IDENTIFIERS_MAX]; // types of identifiers that are blocked or another person's: a trait
                                                  // of that name is not taken
  size_t excluded_count;
  enum identity_reason reasons[LIMIT_EVENT_IDENTIFIERS]; // why what it carried cannot be used; IDENTITY_OK: it can
  bool waits;     // it was set aside before, and this is not how it is sent again
  uint64_t rules; // a re-run of this version of the rules, and no event; else 0
  bool alias;     // persons[0] and persons[1] are to become one; trusted: whatever the limit
};

// The customer of an event that changes nobody's identity: one person identifier that leads to a customer, and devices
// on which this identifier is signed in at the event's time; or no person (type 0), and the first device, by rank, is
// somebody's then. 0 for any other event. The rows of identifiers alone tell that, and it is so of most events: for
// them no record need be read.
uint64_t resolve_settled(const struct work *work, struct identifier person, const struct identifier *devices,
                         size_t device_count, const struct identity_instant *at);

// Decides whose the event is. *out is NULL when nothing usable names anybody.
enum err resolve_event(struct work *work, struct work_event *event, struct work_customer **out);

// What guards look at in a customer. Arrays live in the arena.
enum err resolve_side(struct work *work, const struct work_customer *customer, struct identity_side *side);

// Records an accepted pair in the record and in EDGE, when it is not there yet.
enum err resolve_link(struct work *work, const struct work_event *event, struct work_customer *customer, size_t a,
                      size_t b, const char *rule);

// The number of a refused pair: a hash of both.
uint64_t resolve_pair_number(const struct engine *engine, struct identifier a, struct identifier b);

// Records that an identifier was refused.
enum err resolve_refuse(struct work *work, struct work_event *event, struct work_customer *customer,
                        struct identifier anchor, struct identifier refused, enum identity_reason reason);

// --- device.c: who owns a device ----------------------------------------------------------------------------

// A person's event carried this device: an edge, a run, and the anonymous events that change hands. *customer may
// become another one: taking over the device's own customer is a merge.
enum err device_sign_in(struct work *work, struct work_event *event, struct work_customer **customer, size_t anchor,
                        struct identifier device_id);

// Whose an anonymous event with this device is; makes the device's own customer when nobody owns it.
enum err device_owner(struct work *work, struct work_event *event, struct identifier device,
                      struct work_customer **out);

// Gives every anonymous event of the device to whoever owns it now (after it became shared, or no longer is).
enum err device_rehome(struct work *work, struct work_target *device);

// --- merge.c: two customers become one ----------------------------------------------------------------------

// Joins two customers; the older id survives and is *survivor. Moves events, edges, history; redirects the other id.
enum err merge_customers(struct work *work, const struct work_event *event, struct work_customer *a,
                         struct work_customer *b, struct work_customer **survivor);

// --- fold.c: traits from events -----------------------------------------------------------------------------

// Folds the traits a message gives into the record, leaving out the named ones.
enum err fold_message(struct work *work, struct work_customer *customer, struct value message, uint32_t source,
                      bool correction, const struct identity_instant *at, const uint32_t *excluded,
                      size_t excluded_count);

// Forgets all traits and folds the customer's events again (after a split or when events changed hands).
enum err fold_again(struct work *work, struct work_customer *customer);

// Given name (folded) and birth date among the traits of a message.
enum err fold_names_of_message(struct work *work, struct value message, struct bytes *given_name, int *birth_date);
// The same among a record's winning traits.
enum err fold_names_of_record(struct work *work, const struct customer *record, struct bytes *given_name,
                              int *birth_date);

// --- aside.c and receipts.c ---------------------------------------------------------------------------------

// Keeps an event aside within a transaction. `text` empty: written from `message`.
enum err aside_put(struct work *work, uint32_t source, const char *code, const char *message, struct bytes text,
                   struct value packed, int64_t received_us);

// Looks up every identifier this transaction holds against the receipts, in one round.
enum err receipts_read(struct work *work);

// Was the person behind this identifier erased, so that this event may not bring her back? After receipts_read.
bool receipt_refuses(struct work *work, struct identifier identifier, const struct engine_event *event);
