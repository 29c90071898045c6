// timeline_row: rows of the timeline as bytes. Private to customer/.
//
// A chunk row is segments one after another. A flat one is a count and then the columns, each without padding; the
// packed form is timeline_pack.h. Readers take both.
#pragma once

#include "base/limits.h"
#include "customer/timeline.h"
#include "value/key.h"

enum {
  TIMELINE_ROW_EVENT_BYTES = 8 + IDENTITY_EVENT_ID_BYTES + 4 + 8 + 1 + 2 + 4 + 4,
  TIMELINE_ROW_SEGMENT_BYTES = 2,
  TIMELINE_ROW_KEY_BYTES = 8 + 8 + IDENTITY_EVENT_ID_BYTES,
};

// The TIMELINE key of a chunk, and the PAYLOAD key of an event: the same form.
void timeline_row_key(uint64_t customer, const struct identity_instant *instant, struct key *key);
// Reads the instant of such a key. False when it is none.
bool timeline_row_key_read(struct bytes key, struct identity_instant *instant);
// The ends of everything a customer has in TIMELINE or PAYLOAD.
void timeline_row_range(uint64_t customer, struct key *from, struct key *to);

// The bound of a chunk as its key has it: all zero for the first.
void timeline_row_chunk_key(uint64_t customer, const struct timeline_chunk *chunk, struct key *key);

// Writes one flat segment of `count` events at `out`, which has room for timeline_row_segment_bytes(count).
size_t timeline_row_segment_bytes(size_t count);
void timeline_row_put_segment(const struct timeline_event *events, size_t count, uint8_t *out);

// Writes a whole row of events that are sorted and without repeats, in its shortest form; returns the end. `out` has
// room for timeline_row_bytes_max(count). Up to TIMELINE_PACK_EVENTS_MAX events.
size_t timeline_row_bytes_max(size_t count);
uint8_t *timeline_row_put(const struct timeline_event *events, size_t count, uint8_t *out);

// Reads a chunk row into the arena: sorted, repeats of an instant dropped. ERR_CORRUPT, ERR_NO_MEMORY.
enum err timeline_row_read_chunk(struct bytes row, struct arena *arena, struct timeline_event **events, size_t *count);

// Events as columns, for rule/: what struct rule_columns has. The arrays have room for `capacity`.
struct timeline_columns {
  size_t count, capacity;
  int64_t *time_us, *amount;
  uint32_t *name, *channel;
  uint8_t *amount_code;
};
// Lays the arrays into `memory`, which has timeline_columns_bytes(capacity) bytes and is aligned for any type.
size_t timeline_columns_bytes(size_t capacity);
void timeline_columns_lay(void *memory, size_t capacity, struct timeline_columns *columns);
// Copies the events of one into another, which has room for them.
void timeline_columns_copy(const struct timeline_columns *from, struct timeline_columns *to);
void timeline_columns_put(struct timeline_columns *columns, const struct timeline_event *event);

// At most so many events are in the row. ERR_CORRUPT.
enum err timeline_row_count(struct bytes row, size_t *count);
// Appends a chunk row's events, in order, to columns that have room for them.
enum err timeline_row_read_columns(struct bytes row, struct arena *scratch, struct timeline_columns *columns);

// The bytes a payload needs at most, and its writing; returns the end.
size_t timeline_row_payload_bytes_max(const struct timeline_payload *payload);
uint8_t *timeline_row_put_payload(const struct timeline_payload *payload, uint8_t *out);
