// timeline: the events of one customer, in order of time whatever the order of arrival.
//
// Layer 4. Two keyspaces: hot columns in chunks (TIMELINE), everything else of each event (PAYLOAD), and one summary
// row of all chunks, the head (a row of CUSTOMER beside the record, so that one read brings both). Order is (time,
// event id). A chunk holds at most LIMIT_CHUNK_EVENTS; an event is appended to its chunk unread (store_append),
// wherever the chunk stands; a full chunk is read, sorted and split at its median. An event later than all of a full
// last chunk begins a new one, with nothing read: histories that arrive in order have full chunks.
//
//   TIMELINE key  customer id, chunk bound (time i64 ordered, event id 16 bytes); the first bound is all zero bytes
//   PAYLOAD key   customer id, time, event id
//   chunk         segments, flat (columns of fixed width) or packed (timeline_pack.h)
//
// An append is a flat segment of one event; the store packs rows as it merges them (timeline_tidy). Readers sort and
// drop repeats of an instant.
// After a merge of long timelines, rows may still lie under the id of the customer that went: the parts of the head.
// Walks go through the rows of all parts in one order; new events go to the customer's own rows.
//
// The caller holds the customer's lock while writing, keeps the head in memory and writes it once at the end.
// Memory: heads and rows live in the arena given. Errors: ERR_CORRUPT when stored bytes break an invariant.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "identity/identity.h"
#include "store/store.h"
#include "value/value.h"

// The hot columns of one event.
struct timeline_event {
  struct identity_instant at;
  uint32_t name;       // dictionary id of the event's name
  int64_t amount;      // times ten to the power of its scale, in `currency`
  uint8_t amount_code; // of which property, and the scale, or why there is none: as struct rule_columns
  uint16_t currency;   // ISO 4217 letters packed 5 bits each, 0 unknown
  uint32_t dims[2];    // dictionary ids: store, channel; 0 none. The channel has RULE_DIM_* in its highest bits
};

// The rest of an event: what PAYLOAD holds. `message` is the packed document as it was collected.
struct timeline_payload {
  uint32_t source;
  int64_t received_us;
  uint64_t sequence;                    // of the commit decision; later means decided later
  uint8_t flags;                        // enum timeline_flag
  const struct identifier *identifiers; // the accepted ones it carried, highest rank first
  size_t identifier_count;
  const uint32_t *excluded; // names of traits that were not taken: another person's identifiers, blocked values
  size_t excluded_count;
  struct value message;
};
enum timeline_flag {
  TIMELINE_CORRECTION = 1, // a person's correction: traits with an author
  TIMELINE_TRAITS = 2      // its message gives traits to the record
};

struct timeline_name_count {
  uint32_t name, count;
};
struct timeline_chunk {
  struct identity_instant bound; // all zero bits for the first: minus infinity
  bool first;
  uint32_t count;
  int64_t first_us, last_us;
  struct timeline_name_count *names; // sorted by name
  uint32_t name_count, name_capacity;
};
struct timeline_part;
struct timeline_head {
  uint64_t count;                // of the customer's own rows
  struct timeline_chunk *chunks; // in order of bound
  uint32_t chunk_count, chunk_capacity;
  struct timeline_part *parts; // whoever read the head sets them; they are no part of its row
  size_t part_count;
};

// Rows that belong to this timeline and lie under another id.
struct timeline_part {
  uint64_t customer;
  struct timeline_head head; // without parts
  bool dirty;                // the head in memory is ahead of its row
};

// The events of a timeline, all parts together.
uint64_t timeline_count(const struct timeline_head *head);

// An absent row is an empty head.
enum err timeline_head_decode(struct bytes row, struct arena *arena, struct timeline_head *head);
void timeline_head_encode(const struct timeline_head *head, struct buffer *out);

// Where rows are read from: a transaction (merge, split) or a snapshot (API). Exactly one is set.
struct timeline_reader {
  struct store_txn *txn;
  struct store_snapshot *snapshot;
};

// Writes one event and its payload and updates the head in memory. `check_repeat`: the event may be there already
// (older than what deduplication remembers): its chunk is read, in each part, and *added is false when one with this
// event id is in it. `arena` gives scratch space for the rows and grows the head; what is written is copied by the
// transaction.
enum err timeline_add(struct store_txn *txn, uint64_t customer, struct timeline_head *head, struct arena *arena,
                      const struct timeline_event *event, const struct timeline_payload *payload, bool check_repeat,
                      bool *added);

// An event read back. Views live in the arena of the cursor's caller or until the next step, as said below.
struct timeline_item {
  struct timeline_event event;
  struct timeline_payload payload; // empty unless payloads were asked for
};

struct timeline_query {
  bool newest_first;
  bool payloads;         // read PAYLOAD too
  bool has_from, has_to; // from inclusive, to exclusive
  struct identity_instant from, to;
  uint32_t name; // only events of this name; 0: all
};

// Walks events in order. The cursor copies nothing up front: one chunk at a time is decoded. Views in `item` are valid
// until the next timeline_next. Chunks whose summary cannot match are not read. The payloads of a chunk come in one
// round. `head` must stay as it is until timeline_close.
struct timeline_cursor;
enum err timeline_open(struct timeline_cursor **cursor, struct timeline_reader reader, uint64_t customer,
                       const struct timeline_head *head, const struct timeline_query *query);
// ERR_NOT_FOUND at the end.
enum err timeline_next(struct timeline_cursor *cursor, struct timeline_item *item);
void timeline_close(struct timeline_cursor *cursor);

// A row of TIMELINE rewritten in its shortest form: for store_tidy. Pure. False: it is as short as it gets, or cannot
// be read, and stays as it is.
bool timeline_tidy(struct bytes row, struct buffer *out);

// The stored form of a payload (the value of a PAYLOAD row), for check and export: a short head, then the message's
// packed bytes as they are. Decoded views point into `row`; the identifiers' array is in the arena.
void timeline_payload_encode(const struct timeline_payload *payload, struct buffer *out);
enum err timeline_payload_decode(struct bytes row, struct arena *arena, struct timeline_payload *payload);
// The message alone, a view into `row`.
enum err timeline_payload_message(struct bytes row, struct value *message);

// Which events to move. `pick` is asked once an event, with its payload; the item is valid during the call.
typedef bool timeline_pick_fn(void *context, const struct timeline_item *item);
struct timeline_choice {
  timeline_pick_fn *pick; // NULL: every event
  void *context;
  bool has_from, has_to; // as in a query: chunks outside are not read
  struct identity_instant from, to;
  uint64_t events_max; // 0: no bound; else the oldest of those chosen
};

// Moves the chosen events (NULL: all) from one customer, all parts, to the own rows of another. Both heads are updated
// in memory; chunks left empty are deleted, chunks that lose events are rewritten. `moved` counts.
enum err timeline_move(struct store_txn *txn, uint64_t from, struct timeline_head *from_head, uint64_t to,
                       struct timeline_head *to_head, struct arena *arena, const struct timeline_choice *choice,
                       uint64_t *moved);

// Deletes every row of the timeline and its payloads, all parts (erasure); the head becomes empty.
enum err timeline_erase(struct store_txn *txn, uint64_t customer, struct timeline_head *head);

// Verifies that chunks, payloads and head of the rows under `customer` agree: each breach is told in words.
typedef void timeline_breach_fn(void *context, const char *what);
enum err timeline_verify(struct store_snapshot *snapshot, uint64_t customer, const struct timeline_head *head,
                         timeline_breach_fn *breach, void *context);
