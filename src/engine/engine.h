// engine: applies events, one transaction at a time, and answers questions about customers.
//
// Layer 6. The only writer of customers. engine_apply takes cleaned events in order, drops repeats, resolves who each
// is, writes record, timeline, identifiers and edges in one commit a slice, and says what became of each event.
// Everything a person or a program can ask is here once, so that HTTP and the command line give the same document.
//
// Memory: an engine owns its rules, sources and keys in memory; results live where the caller says. Answers are written
// as JSON through a json_writer. Errors: enum err with a diag whose code is the API's.
// Threads: every call is safe from any thread. Durability: writing calls give a store_mark, changes by hand in their
// struct engine_commit, which also lets the caller's reply ride in the same commit; tell nobody before
// store_wait or store_notify on it. Reading calls: take store_mark_now(store) after the read and wait for it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "identity/identity.h"
#include "quality/quality.h"
#include "rule/parse.h"
#include "store/store.h"
#include "value/value.h"

struct engine;

struct engine_options {
  struct store *store;       // stays the caller's, who closes it after the engine
  const struct clock *clock; // the same
  uint32_t message_days;     // how long message ids are remembered for deduplication (0: 30)
  uint32_t merge_events;     // how many events a merge moves at once (0: LIMIT_MERGE_EVENTS); tests lower it
  // Projections are built of customers of whom little has changed for so long (0: 60 s); tests lower it.
  int64_t projection_quiet_us;
  bool read_only; // a command that looks at a workspace: no counters are reserved
};

// Makes what a new workspace needs: secret hash key, dictionary, default identity rules, own sources. Once, after the
// store was created.
enum err engine_create_workspace(struct store *store, const struct clock *clock, struct diag *diag);

enum err engine_open(struct engine **opened, const struct engine_options *options, struct diag *diag);
void engine_close(struct engine *engine);

struct names *engine_names(struct engine *engine);
struct store *engine_store(struct engine *engine);
const struct clock *engine_clock(struct engine *engine);

// The rules in force. Valid until engine_close, also after they were replaced.
const struct identity_rules *engine_rules(struct engine *engine);

// --- what is committed with a change (engine/commit.c) ---------------------------------------------------------

// A change by hand is one transaction, and so is the reply to whoever asked for it. `ride`, when there is one, runs in
// the transaction when all is decided, with every result of the call but the mark set; what it writes is committed with
// the change, or not at all. It runs again when the transaction does, and its failure aborts the change. It takes no
// locks: `lock`, a key of class IDEMPOTENCY, is locked with the transaction's first ones (empty: none).
typedef enum err engine_ride_fn(struct store_txn *txn, void *context, struct diag *diag);
struct audit_entry;
struct engine_commit {
  engine_ride_fn *ride; // NULL: none
  void *context;
  struct bytes lock;
  struct bytes author;             // who makes the change, for the audit; empty: nobody does it by hand
  const struct audit_entry *entry; // private: what the audit says of the change
  struct store_mark mark;          // out
};

// --- the workspace's time zone (engine/zone.c) -----------------------------------------------------------------

// The zone in force: UTC until somebody chose another. Valid until engine_close, also after it was replaced.
struct rule_zone;
const struct rule_zone *engine_zone(struct engine *engine);
// Puts the IANA zone `name` in force, "Europe/Paris". ERR_INVALID code "bad_timezone" with the nearest one;
// ERR_NOT_FOUND code "no_timezones" on a machine without zone files.
enum err engine_zone_put(struct engine *engine, struct bytes name, struct bytes author, struct engine_commit *commit,
                         struct diag *diag);
// {"timezone"}
void engine_workspace_json(struct engine *engine, struct json_writer *writer);

// --- sources and keys (engine/access.c) ----------------------------------------------------------------------

enum engine_source_kind {
  ENGINE_SOURCE_BROWSER,
  ENGINE_SOURCE_SERVER,
  ENGINE_SOURCE_TILL,
  ENGINE_SOURCE_FILE,
  ENGINE_SOURCE_PERSON
};

// Where events come from. Ids are dense from 1; 1 is "import", 2 is "correction" (a person), 3 is "api"; the rest are
// made by engine_source_put. Views are valid until engine_close.
struct engine_source {
  uint32_t id;
  struct bytes name; // "web shop"
  enum engine_source_kind kind;
  struct bytes region;       // default phone region, "FR"; may be empty
  struct bytes user_id_type; // identifier type for its userId; "user_id" by default
  int priority;              // for ties between traits; higher wins; 0 by default
};
const struct engine_source *engine_source(struct engine *engine, uint32_t id); // NULL when unknown
const struct engine_source *engine_source_find(struct engine *engine, struct bytes name);

// Creates or changes the source called `name`. NULL or empty fields keep what is there (or the default).
enum err engine_source_put(struct engine *engine, const struct engine_source *wanted, uint32_t *id,
                           struct engine_commit *commit, struct diag *diag);
enum err engine_sources_json(struct engine *engine, struct json_writer *writer);

// Keys. A write key ("wk_…") belongs to a source and can only collect; it is public in browsers. A secret key ("sk_…")
// has scopes. Only a BLAKE2b hash of the 256-bit random secret is stored; it is compared in constant time.
enum engine_scope {
  ENGINE_SCOPE_COLLECT = 1, // send events
  ENGINE_SCOPE_READ = 2,    // look at customers, schema, statistics
  ENGINE_SCOPE_WRITE = 4,   // correct, split, resend, change rules and sources
  ENGINE_SCOPE_ERASE = 8,   // erase and export a person
  ENGINE_SCOPE_ADMIN = 16,  // keys, backups, checks
  ENGINE_SCOPE_TILL = 32,   // book orders and returns, spend points and codes, look a member up
};
enum { ENGINE_KEY_TEXT_BYTES = 96 };
struct engine_key {
  uint64_t id;
  bool secret;     // sk_ or wk_
  uint32_t scopes; // bits of enum engine_scope
  uint32_t source; // events sent with this key come from it
  struct bytes name;
};
// Makes a key and writes its text, shown this once, to `text` (ENGINE_KEY_TEXT_BYTES).
enum err engine_key_create(struct engine *engine, const struct engine_key *wanted, char *text, uint64_t *id,
                           struct engine_commit *commit, struct diag *diag);
// Who a key's text is. ERR_DENIED code "bad_key" (unknown or revoked; the same words for both). Never logs the text.
// The name is a view that lives as long as the engine.
enum err engine_key_check(struct engine *engine, struct bytes text, struct engine_key *key, struct diag *diag);
enum err engine_key_revoke(struct engine *engine, uint64_t id, struct engine_commit *commit, struct diag *diag);
enum err engine_keys_json(struct engine *engine, struct json_writer *writer); // never the secrets
// Reads "read,write" or "all" into bits. ERR_INVALID names the unknown scope.
enum err engine_scopes_parse(struct bytes text, uint32_t *bits, struct diag *diag);

// --- applying events (engine/apply.c) ------------------------------------------------------------------------

enum engine_event_type {
  ENGINE_IDENTIFY,
  ENGINE_TRACK,
  ENGINE_PAGE,
  ENGINE_SCREEN,
  ENGINE_GROUP,
  ENGINE_ALIAS,
  ENGINE_CORRECTION
};

// An identifier as a message carried it: normalised, or with the reason why it could not be.
struct engine_identifier {
  struct identifier identifier; // of the raw value when `reason` is not IDENTITY_OK
  enum identity_reason reason;  // IDENTITY_OK, or IDENTITY_MALFORMED from cleaning
};

// The value of an identifier as events carry it and people ask for it: cleaned by its type's form (clean.c). A national
// phone number is read in `region`. As the functions of quality.h.
enum err engine_clean(enum identity_form form, struct quality_phones *phones, struct bytes raw, struct bytes region,
                      struct arena *arena, struct bytes *out, enum quality_reason *reason);

// One event, cleaned. Everything it points to is the caller's and must outlive engine_apply.
struct engine_event {
  enum engine_event_type type;
  uint32_t name; // dictionary id of the event's name ("Order Completed", "Page Viewed", "Identified"…)
  uint32_t source;
  bool trusted; // came with a server key: an alias may exceed the limit of user_id
  bool replay;  // import, restore: people erased before are skipped
  int64_t time_us, received_us;
  struct bytes message_id; // never empty: the source made one where the message had none
  struct engine_identifier identifiers[LIMIT_EVENT_IDENTIFIERS];
  size_t identifier_count;
  struct bytes previous_id; // alias: raw previousId, cleaned as text; a known anonymous_id, else a user_id
  bool gives_traits;        // identify and correction: message.traits and message.context.traits go to the record
  struct bytes author;      // of a correction
  struct value message;     // the whole packed message, kept as the payload
  struct bytes text;        // its JSON, kept when the event is set aside; may be empty (then written from `message`)
  const char *aside_code;   // the source's reason to keep it aside instead of applying it; static storage, or NULL
  const char *aside_words;  // the same for people
  bool resent;              // it comes from what was set aside: that it was seen then makes it no repeat
  int64_t amount;           // hot columns, as in timeline_event
  uint8_t amount_code;
  uint16_t currency;
  uint32_t dims[2];
};

enum engine_outcome {
  ENGINE_APPLIED,
  ENGINE_DUPLICATE,  // this message of this source was taken before, or waits aside and would be set aside again
  ENGINE_ASIDE,      // kept aside with `code` as the reason
  ENGINE_SUPPRESSED, // of a person who was erased and must not come back
};
struct engine_result {
  enum engine_outcome outcome;
  const char *code;    // of ASIDE, and of a DUPLICATE that waits there: "no_identifier", …; static storage
  uint64_t customer;   // of APPLIED
  const char *refusal; // of APPLIED: a code of loyalty's closed list, why it is not done what the event asks for; NULL
};

// Applies events in order. Slices of it are committed one by one; on an error the results of committed slices are right
// and *done says how many events they cover: the caller may repeat the whole call, deduplication makes that harmless.
// *mark covers everything written, and everything a result tells.
enum err engine_apply(struct engine *engine, const struct engine_event *events, size_t count,
                      struct engine_result *results, size_t *done, struct store_mark *mark, struct diag *diag);

// Keeps aside what never became an event (too large, not readable, a bot, a time out of range). `code` and `message`
// say why; `text` is the JSON (cut out when longer than LIMIT_ASIDE_BYTES). `source` as in events.
enum err engine_set_aside(struct engine *engine, uint32_t source, const char *code, const char *message,
                          struct bytes text, struct store_mark *mark, struct diag *diag);

// --- what was set aside (engine/aside.c) ---------------------------------------------------------------------

// {"items":[{"id","code","message","source","received_at","event":{…}|null,"event_bytes"}],"next":cursor|null}, oldest
// first.
enum err engine_aside_json(struct engine *engine, struct bytes after, size_t limit, struct bytes code,
                           struct json_writer *writer, struct diag *diag);
// One of them, as in the list. ERR_NOT_FOUND code "no_such_event".
enum err engine_aside_item_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag);
// The JSON text, source and receipt of one, into `arena`. ERR_NOT_FOUND.
enum err engine_aside_get(struct engine *engine, struct bytes id, struct arena *arena, struct bytes *text,
                          uint32_t *source, int64_t *received_us, struct diag *diag);
enum err engine_aside_delete(struct engine *engine, struct bytes id, struct engine_commit *commit, struct diag *diag);

// --- reading (engine/read.c) ---------------------------------------------------------------------------------

// One consistent view for the calls below; cheap.
struct engine_view;
enum err engine_view_open(struct engine *engine, struct engine_view **view);
void engine_view_close(struct engine_view *view);

// The customer behind "c42" or "email:Zoe@Exemple.fr" (cleaned here; a national phone number is read in the regions of
// the sources), redirects followed; for a device the one who owns it now. ERR_INVALID code "bad_reference" with the
// known types and the nearest one; ERR_NOT_FOUND code "no_customer", or "shared_identifier" when several people use it.
enum err engine_find(struct engine_view *view, struct bytes reference, uint64_t *customer, struct diag *diag);

// The record's document (customer_to_json).
enum err engine_customer_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                              struct diag *diag);

struct engine_events_query {
  struct bytes name; // empty: all
  bool has_from, has_to;
  int64_t from_us, to_us; // [from, to)
  struct bytes after;     // cursor of the page before; empty: the newest
  size_t limit;           // 1..LIMIT_PAGE_ROWS
};
// {"items":[{"id","name","type","time","received_at","source","identifiers":[{"type","value"}],"message_id",
// "properties"|"traits","context",…the message's own members}],"next":cursor|null}, newest first. A member of the
// message that has the name of one of the engine's stands there as "sent_<name>". ERR_INVALID codes "bad_cursor",
// "bad_limit".
enum err engine_events_json(struct engine_view *view, uint64_t customer, const struct engine_events_query *query,
                            struct json_writer *writer, struct diag *diag);

// {"customer","identifiers":[…],"edges":[{"id","a","b","rule","source","message_id","time","received_at","state"}],
// "devices":[{"type","value","shared","anonymous_customer","owners":[{"from","signed_in_at","customer","identifier"}]}],
// "refused":[…],"cannot_links":[{"own","other"}],"history":[…],"truncated"}. The first owner's "from" is null: a device
// belongs to the first who signed in also before that. At most LIMIT_PAGE_ROWS rows of a kind ("truncated").
enum err engine_identity_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                              struct diag *diag);

// Why two identifiers ("type:value") or customers ("c42") are or are not one customer: {"a","b","same":bool,
// "customers":[..],"path":[edges],"refused":[…],"sentence":"…"}. One that nobody knows is no error: the sentence says
// so.
enum err engine_explain_json(struct engine_view *view, struct bytes a, struct bytes b, struct json_writer *writer,
                             struct diag *diag);

// {"items":[{"id","name","email","phone","identifiers":n,"matched"}]}: names by prefix and with one typo, identifiers
// of persons by prefix. "matched" is "id", the identifier's type, "name" or "similar_name". ERR_INVALID codes
// "query_too_short" (under 2 characters), "bad_query", "bad_limit".
enum err engine_search_json(struct engine_view *view, struct bytes query, size_t limit, struct json_writer *writer,
                            struct diag *diag);

// Everything held about a person, for an access request: record, identity, segments and attributes, all events; what
// was set aside is not included.
enum err engine_export_json(struct engine_view *view, uint64_t customer, struct json_writer *writer, struct diag *diag);

// The attribute catalogue from a sample of `sample` customers:
// {"customers","sampled","traits":[{"name","types","sources","fill_rate","examples","personal"}],
// "events":[{"name","customers","count","properties":[…]}],"truncated"}. Personal data gives no examples.
enum err engine_schema_json(struct engine_view *view, size_t sample, struct json_writer *writer, struct diag *diag);

struct engine_counts {
  uint64_t customers, events, identifiers, edges, merges, splits, set_aside, duplicates, erased;
};
// Customers with more than LIMIT_HEAVY_EVENTS events, and those of whom a merge left events to be moved.
struct engine_loads {
  uint64_t heavy, moving;
};
enum err engine_get_loads(struct engine *engine, struct engine_loads *loads);
enum err engine_get_counts(struct engine *engine, struct engine_counts *counts);
// {"customers","events","identifiers","merges","splits","set_aside","duplicates","erased","heavy","moving",
// "bytes":{…}}
enum err engine_stats_json(struct engine *engine, struct json_writer *writer, struct diag *diag);

// --- changing customers (engine/change.c) --------------------------------------------------------------------

// What to part: exactly one of the three.
struct engine_split {
  uint64_t edge;               // an edge's id
  struct bytes identifier;     // "type:value": all of its edges
  struct bytes apart[2];       // two identifiers: the newest edges that connect them
  struct bytes author, reason; // kept in the history
};
// Parts a customer. Writes {"customers":["c1","c2"],"edges_disabled":[…],"cannot_links":[…],"events_moved":n}.
// ERR_INVALID code "not_connected" when there is nothing to part.
enum err engine_split_customer(struct engine *engine, uint64_t customer, const struct engine_split *split,
                               struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// Lifts the cannot-links between two identifiers, so that later events may join them again.
enum err engine_allow_link(struct engine *engine, struct bytes a, struct bytes b, struct engine_commit *commit,
                           struct diag *diag);

// A person's correction of traits: an event of source "correction" that wins until a newer correction. Writes the
// record as it is then (customer_to_json) into an empty buffer; `writer` may be NULL. ERR_DENIED code "suppressed" for
// a person who was erased and must not come back.
enum err engine_correct(struct engine *engine, uint64_t customer, struct value traits, struct bytes author,
                        struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

// Erases a person: record, events, identifiers, search entries; writes the receipt's document {"receipt","customer",
// "erased_at","identifiers":n,"events":n,"suppressed":bool}. `suppress`: later events of these identifiers are refused
// too.
enum err engine_erase(struct engine *engine, uint64_t customer, bool suppress, struct json_writer *writer,
                      struct engine_commit *commit, struct diag *diag);

// After a restore: erases whoever is named by receipts `from` another workspace of the same origin (their keyed
// hashes).
enum err engine_apply_receipts(struct engine *engine, struct store *from, uint64_t *erased, struct diag *diag);

// --- identity rules (engine/rules.c) -------------------------------------------------------------------------

// {"version","changed_at","author","rules":{…}}; version 0 is the newest.
enum err engine_rules_json(struct engine *engine, uint64_t version, struct json_writer *writer, struct diag *diag);
// Stores a new version and puts it in force for later events. A type keeps its class: ERR_INVALID "class_changed".
enum err engine_rules_put(struct engine *engine, struct value document, struct bytes author, uint64_t *version,
                          struct engine_commit *commit, struct diag *diag);
// {"customers_now","customers_then","would_merge","would_part"}: all stored decisions run again in their order under
// `document`, over a snapshot; nothing is written. Takes about 20 microseconds a customer and memory for the largest
// group of customers that refusals tie together. ERR_LIMIT code "too_many_decisions" past its bounds (rules_try.c).
enum err engine_rules_try(struct engine *engine, struct value document, struct json_writer *writer, struct diag *diag);

// The re-run: stored decisions are run again in their order under the rules in force, and customers part and merge
// accordingly. One job at a time; where it stands is stored, so that a stop or a crash loses nothing.
// Starts it, or goes on with one that was stopped; one that runs already is left alone. It is carried out by
// engine_tick, or by engine_rerun_work. `writer`, into an empty buffer, gets what engine_rerun_json then says.
enum err engine_rerun_start(struct engine *engine, struct bytes author, struct json_writer *writer,
                            struct engine_commit *commit, struct diag *diag);
// Stops it where it stands; nothing to stop is no failure.
enum err engine_rerun_stop(struct engine *engine, struct json_writer *writer, struct engine_commit *commit,
                           struct diag *diag);
struct engine_rerun_progress {
  bool running;
  uint64_t done, total; // customers
  uint64_t changed;     // merged or parted
};
// Works at it for about budget_us.
enum err engine_rerun_work(struct engine *engine, int64_t budget_us, struct engine_rerun_progress *progress,
                           struct diag *diag);
// {"status":"never"|"running"|"stopped"|"done","version","in_force","author","started_at","ended_at","customers",
// "done","merged","parted","skipped"}: as last stored, at most half a second ago while it runs.
enum err engine_rerun_json(struct engine *engine, struct json_writer *writer, struct diag *diag);

// --- segments, lists and computed attributes (engine/segments.c) ---------------------------------------------

// Creates or changes what a document defines (segment/definition.h). The answer is the definition as it is then, with
// "warnings":[{"field","code","line","column","message","suggestion"?}]. A new version is being built at first: it
// answers when all customers were looked at (engine_tick does that). Nothing changes when the document says what is
// there. ERR_INVALID as segment_definition_read and segment_set_open; the diag names the field,
// and `refusal`, which may be NULL, the place in an expression (its code is empty when none is at fault).
enum err engine_segment_put(struct engine *engine, struct value document, struct bytes author,
                            struct json_writer *writer, struct engine_commit *commit, struct rule_diag *refusal,
                            struct diag *diag);
// The definition with "members" (of a limited audience also "eligible", how many are drawn from), "share" of all
// customers, "excluded":[{"name","removed"}], "unknown" (of so many
// customers the answer is not known, because a limit was met: they are no members), and "progress" while it is
// being built. ERR_NOT_FOUND code "no_segment" with the nearest id.
enum err engine_segment_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag);
// {"items":[…]}, by id; with counts.
enum err engine_segments_json(struct engine *engine, struct json_writer *writer, struct diag *diag);
// It answers no more, and nobody is told that customers left. ERR_INVALID code "in_use" while others refer to it.
enum err engine_segment_archive(struct engine *engine, struct bytes id, struct json_writer *writer,
                                struct engine_commit *commit, struct diag *diag);
// {"items":[{"id","since","variant"?}],"next"}: members in order of their ids, each as of now, whatever the timers have
// done. `after` is a cursor.
enum err engine_segment_members_json(struct engine *engine, struct bytes id, struct bytes after, size_t limit,
                                     struct json_writer *writer, struct diag *diag);
// Puts customers on a static list, or takes them off: {"not_found":["email:x",…],"customers":n}. `references` as for
// engine_find. ERR_INVALID code "not_a_list".
enum err engine_list_change(struct engine *engine, struct bytes id, const struct bytes *references, size_t count,
                            bool listed, struct json_writer *writer, struct store_mark *mark, struct diag *diag);
// {"segments":[ids],"members":[n],"both":[[n]],"any":n,"all":n} of 2 to 100 segments.
enum err engine_segments_overlap_json(struct engine *engine, const struct bytes *ids, size_t count,
                                      struct json_writer *writer, struct diag *diag);
// {"customer","segments":[{"id","version","since","variant"?}],"attributes":{name: value},"scores":{id: {range:
// {"r","f","m","number","segment"}}}}, as of now.
enum err engine_customer_segments_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                                       struct diag *diag);

// The feed: {"items":[{"cursor","segment","version","customer","change":"entered"|"left","at","recorded_at",
// "backfill"}],"next":cursor}, in order of commits; `segment` empty: of all, and between them those of loyalty
// (engine_loyalty_changes_json). A page that is not full reaches the
// present; ask again with "next", which is then past all that was looked through. ERR_INVALID codes "bad_cursor",
// "bad_limit"; ERR_NOT_FOUND code "cursor_too_old" when changes after it are gone, which are kept for 30 days.
enum { ENGINE_CURSOR_BYTES = 20 };
enum err engine_changes_json(struct engine *engine, struct bytes segment, struct bytes after, size_t limit,
                             struct json_writer *writer, struct diag *diag);
// The same, one change at a time: its cursor and its document, valid during the call. A failure of `each` ends it.
// `next` may be what `after` is a view of.
typedef enum err engine_change_fn(void *context, struct bytes cursor, struct bytes document);
enum err engine_changes_each(struct engine *engine, struct bytes segment, struct bytes after, size_t limit,
                             engine_change_fn *each, void *context, char next[ENGINE_CURSOR_BYTES], struct diag *diag);
bool engine_change_is_loyalty(struct bytes cursor, struct bytes document);
// The same of loyalty alone: {"cursor","kind":"points"|"tier"|"voucher","programme","change":"earned"…,"amount",
// "currency" (of points),"tier","from" (of tiers),"code" (of vouchers),"posting"?,"customer","at","recorded_at"}. What
// looks ahead ("expiry_soon", "downgrade_soon") has the day it looks at as its "at".
enum err engine_loyalty_changes_json(struct engine *engine, struct bytes after, size_t limit,
                                     struct json_writer *writer, struct diag *diag);
// The cursor of the newest change: whoever reads after it is told of what comes. Durable once store_mark_now is.
enum err engine_changes_present(struct engine *engine, char cursor[ENGINE_CURSOR_BYTES], struct diag *diag);
// `wake` is called after each commit with changes, from any thread; it must not block.
typedef void engine_wake_fn(void *context);
void engine_set_feed_wake(struct engine *engine, engine_wake_fn *wake, void *context);

// What live evaluation has done since the engine was opened.
struct engine_live_stats {
  uint64_t questions;                   // segments, lists and attributes in force
  uint64_t building;                    // versions being built
  uint64_t building_done, building_all; // customers looked at and to be looked at for them
  uint64_t evaluations, transitions, timers;
  int64_t timer_lag_us; // how late the oldest timer of the last round was
};
void engine_live_stats(struct engine *engine, struct engine_live_stats *stats);

// Works off what fell due by the clock, oldest first; in several threads. *more: call again at once. Call it ten times
// a second.
enum err engine_timer_tick(struct engine *engine, bool *more, struct diag *diag);

// --- upkeep (engine/upkeep.c) --------------------------------------------------------------------------------

// Work that is due: old deduplication keys, unfinished jobs. Called about once a second by the server; does at most
// some tens of milliseconds of it, but for a walk over everybody that finds the thresholds of a score. *idle is true
// when nothing is left for now.
enum err engine_tick(struct engine *engine, bool *idle, struct diag *diag);

// Builds the projections (customer/projection.h) that make counts over events fast, of everybody, at once: engine_tick
// does so in time, of those of whom little changes.
enum err engine_project_now(struct engine *engine, struct diag *diag);

// `goes_on` is asked while engine_tick walks over all customers; false ends that walk, which is due again at the next
// call. NULL: it is never ended. To be set while no other thread uses the engine.
typedef bool engine_goes_on_fn(void *context);
void engine_set_goes_on(struct engine *engine, engine_goes_on_fn *goes_on, void *context);

// `wake` is called, from any thread and with no lock held, when engine_tick has work that should not wait for the next
// second. NULL: nobody wants to know. To be set while no other thread uses the engine.
void engine_set_wake(struct engine *engine, engine_wake_fn *wake, void *context);

// Verifies every invariant of the workspace; tells each breach in words and goes on. *breaches counts. It reads one
// snapshot, a customer at a time, so others may write meanwhile.
typedef void engine_breach_fn(void *context, const char *what);
enum err engine_check(struct engine *engine, engine_breach_fn *breach, void *context, uint64_t *breaches,
                      struct diag *diag);

// The same, watched: `progress` is told every thousand rows, and at the end, how many of about `total` were read (the
// store estimates the total, so that `rows` may pass it); false ends the check with ERR_STOPPED code "stopped".
struct engine_check_watch {
  engine_breach_fn *breach;
  bool (*progress)(void *context, uint64_t rows, uint64_t total);
  void *context;
};
enum err engine_check_watched(struct engine *engine, const struct engine_check_watch *watch, uint64_t *breaches,
                              struct diag *diag);
