// facts_events: the events of one customer as far as facts has read them. Private to customer/.
#pragma once

#include "customer/projection.h"
#include "customer/timeline_pack.h"
#include "rule/machine.h"

struct facts_item;
struct facts_chunk;

struct facts_events {
  struct timeline_columns columns; // of what was read
  bool whole;                      // columns have all there is
  // Of a scan: the customer's only row, without ids; columns are what was chosen of it for the last request. They have
  // room for all of it.
  bool packed;
  struct timeline_pack pack;
  struct rule_events_wanted chosen;
  // Of a scan: her events of the names that the scan is for, out of a projection, as they were last asked for.
  struct projection_reader *projection; // NULL: not so
  struct rule_columns given;
  struct facts_events *all; // of a scan: with items, once a message was asked for
  bool has_parts;
  struct facts_item **items; // by index of the columns; NULL: nothing was read, or a scan has kept the columns only
  size_t item_count;
  struct facts_chunk *chunks; // of all parts
  size_t chunk_count;
};
