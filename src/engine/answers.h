// answers: what segments, attributes and programmes of loyalty say of customers, as of now.
//
// For readers: one snapshot, one thread. A membership that is past its valid-until is evaluated on the spot, so that a
// timer that is late changes nothing; nothing is written. It holds the set of questions that was in force when it was
// opened, and nobody waits for it.
#pragma once

#include "engine/internal.h"
#include "segment/set.h"

struct answers;

enum err answers_open(struct answers **answers, struct engine *engine, struct store_snapshot *snapshot);
void answers_close(struct answers *answers); // may be NULL

// The questions; NULL: there never was one.
const struct segment_set *answers_set(const struct answers *answers);

const struct customer_sources *answers_sources(const struct answers *answers);
int64_t answers_now_us(const struct answers *answers); // by the engine's clock

// The entry of a question of the set, about a customer. Values live until another customer is asked about.
enum err answers_get(struct answers *answers, uint64_t customer, uint32_t question, struct membership_entry *entry);

// All entries of a customer, as they are kept: some may be past their valid-until. A question without one answers no,
// or null, for ever. Until another customer is asked about.
enum err answers_membership(struct answers *answers, uint64_t customer, const struct membership **membership);

// For facts: in_segment, attributes.x and score by id, points and tier; null for whatever else. The context is a struct
// answers.
enum err answers_lookup(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us);

// The version in force of an id, live before being built; NULL: none.
const struct segment_definition *answers_find(const struct answers *answers, struct bytes id);
