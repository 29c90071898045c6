// timeline_pack: the packed form of a segment. Private to customer/.
//
// A segment that holds many events, sorted and without repeats, in as few bytes as a scan can read fast: instants as
// distances from the first in the coarsest unit that keeps them, and a small dictionary for each column that repeats
// itself. What a scan wants comes first, event ids last. docs/formats/timeline.md has the layout.
#pragma once

#include "customer/timeline_row.h"

enum {
  TIMELINE_PACK_EVENTS_MAX = 255,
  TIMELINE_PACK_HEAD_BYTES = 20,
};

// A packed segment whose parts were found: dictionaries first, then columns.
struct timeline_pack {
  size_t count, size_bytes;
  int64_t base_us, unit_us;
  unsigned time_width, amount_width; // bytes
  bool dense;                        // an amount of each event, else of those whose code says that there is one
  unsigned amount_count, kind_count, channel_count, store_count, currency_count;
  const uint8_t *head, *names, *codes, *channels, *stores, *currencies;
  const uint8_t *times, *kinds, *amounts, *channel_at, *store_at, *currency_at, *ids;
};

// True when the segment at the beginning of `rest` is a packed one.
bool timeline_pack_is(struct bytes rest);
// Finds the parts of that segment. ERR_CORRUPT.
enum err timeline_pack_open(struct bytes rest, struct timeline_pack *pack);

void timeline_pack_events(const struct timeline_pack *pack, struct timeline_event *events);
// Appends to columns, which have room.
void timeline_pack_columns(const struct timeline_pack *pack, struct timeline_columns *columns);

// Appends only events that may be wanted, by name and time.
struct rule_events_wanted;
void timeline_pack_choose(const struct timeline_pack *pack, const struct rule_events_wanted *wanted,
                          struct timeline_columns *columns);

// Everything but the event ids, copied to `memory`, which has timeline_pack_kept_bytes: the same pack as long as that
// lives, without ids.
size_t timeline_pack_kept_bytes(const struct timeline_pack *pack);
void timeline_pack_keep(const struct timeline_pack *pack, uint8_t *memory, struct timeline_pack *kept);

// Writes 1 to TIMELINE_PACK_EVENTS_MAX events, sorted and without repeats; returns the end. `out` has room for
// timeline_pack_bytes_max.
size_t timeline_pack_bytes_max(size_t count);
uint8_t *timeline_pack_put(const struct timeline_event *events, size_t count, uint8_t *out);
