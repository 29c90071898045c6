// facts: one customer's data as rule/ asks for it, from a transaction or a snapshot.
//
// Layer 4. Nothing is read before a run asks: the head when events are wanted, then the chunks whose summary matches
// (names and times), payloads some at a time as messages are asked for, the record when a trait is. What was read is
// kept for the next runs over the same customer, until facts_reset. Memory: the arena given, and that of walks over
// rows until facts_release. Threads: one.
#pragma once

#include "customer/record.h"
#include "customer/timeline.h"
#include "rule/machine.h"

typedef enum err facts_lookup_fn(void *context, uint64_t customer, enum rule_function function,
                                 const struct bytes *arguments, size_t count, int64_t now_us, struct rule_value *value,
                                 int64_t *until_us);

enum { FACTS_TRAITS_KEPT = 8 };

struct facts {
  struct rule_customer customer; // for rule_run
  struct timeline_reader reader;
  struct arena *arena;
  const struct customer_sources *sources; // may be NULL
  facts_lookup_fn *lookup;                // NULL: nobody knows
  void *lookup_context;
  uint64_t id;
  const struct customer *record;    // NULL until a trait is asked for, unless the caller has it
  const struct timeline_head *head; // NULL until events are asked for, unless the caller has it (with its parts)
  const struct bytes *rows;         // of the own chunks, when the caller has read them; NULL
  struct facts_events *events;      // what is read so far; private
  // Many customers come, in ascending order of their ids, from a snapshot: once many messages were asked for, rows are
  // read by walks that go along. Whoever sets it calls facts_release, before the snapshot is closed.
  bool ascending;
  uint64_t message_count; // that were read; private
  // The first traits that were asked for, as they count: a hundred questions ask for the same few. Private.
  struct {
    uint32_t name;
    struct value value;
  } traits[FACTS_TRAITS_KEPT];
  size_t trait_count;
  struct facts_walks *walks; // NULL: not yet; private
  const size_t *shown;       // where the events of facts_columns lie in what was asked for; NULL: as they are; private
};

void facts_init(struct facts *facts, struct timeline_reader reader, struct arena *arena,
                const struct customer_sources *sources);
void facts_release(struct facts *facts);

// The keys of a head's own chunks in TIMELINE, for whoever reads those of many customers in one round.
void facts_chunk_key(uint64_t id, const struct timeline_head *head, size_t chunk, struct key *key);

// The next customer. `record` and `head` may be NULL. The arena may have been emptied before.
void facts_reset(struct facts *facts, uint64_t id, const struct customer *record, const struct timeline_head *head);

// Exactly the events that are wanted, for whoever looks at them without a program; a message is asked for with
// customer.message by its index in these columns. Good until events are asked for again, by this or by a run.
enum err facts_columns(struct facts *facts, const struct rule_events_wanted *wanted, struct rule_columns *columns);
