// facts_events: the events of one customer as far as facts has read them. Private to customer/.
#pragma once

#include "customer/facts.h"
#include "customer/projection.h"
#include "customer/timeline_pack.h"
#include "rule/machine.h"

struct facts_item {
  struct timeline_event event;
  uint64_t customer; // under whose id the rows lie
  uint32_t part;     // 0: the own rows
  bool has_message;
  struct value message;
};

struct facts_chunk;

// Her events of one name, out of all of them.
struct facts_named {
  uint32_t name;
  struct rule_columns columns;
  struct facts_item **items; // by index of these columns
};

enum { FACTS_NAMED_MAX = 6 };

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
  // Once all chunks are read, most runs are given the events of the name they ask for and no others: `items` are then
  // of that name.
  bool read_all;
  struct facts_item **all_items;
  size_t all_count;
  struct facts_named named[FACTS_NAMED_MAX];
  size_t named_count;
  size_t asked, ahead;        // of messages: the index asked for last, and how many were read for it; ahead 0: none yet
  struct facts_chunk *chunks; // of all parts
  size_t chunk_count;
};

// Rows of one round, views in the arena.
enum err facts_get_many(struct facts *facts, enum store_keyspace keyspace, const struct key *keys, size_t count,
                        struct bytes *rows);

// --- facts_messages.c ----------------------------------------------------------------------------------------

// The message of an item is there, and with it those of others that are likely to be asked for next.
enum err facts_messages_need(struct facts *facts, size_t index);
// True once so many messages of customers in ascending order were read that a walk over the rows pays.
bool facts_messages_walks(const struct facts *facts);
// Such a walk gives all events under the customer's own id, as items of new events.
enum err facts_messages_items(struct facts *facts, struct facts_events **events);
