// parts: what splitting, joining again and erasing share.
#pragma once

#include "engine/work.h"

// "email:Zoe@Exemple.fr" as a person writes it, cleaned as an event's identifier is. The value lives in `arena`.
// ERR_INVALID code "bad_reference".
enum err parts_identifier(struct engine *engine, struct bytes text, struct arena *arena, struct identifier *identifier,
                          struct diag *diag);

// ERR_NOT_FOUND code "no_customer" when the customer is not there or has become another one.
enum err parts_check_live(struct work *work, const struct work_customer *customer);

// Writes a redirect row: `id` leads to `to`.
enum err merge_redirect(struct work *work, uint64_t id, uint64_t to);

// Why a customer is parted: a person does it, or a version of the rules.
struct parts_cut { // an edge the rules refuse
  uint64_t number;
  const char *reason;
};
struct parts_cause {
  struct bytes author, reason; // of a person
  uint64_t rules;              // the version; 0: a person
  const struct parts_cut *cuts;
  size_t cut_count;
};
const struct parts_cut *parts_cut_of(const struct parts_cause *cause, uint64_t number); // NULL: none

// After a split: rows of EDGE go to the customer that holds their first identifier; a line of history is written to
// every part. Edges cut by a person are marked disabled, with who and why; those cut by the rules become refusals that
// remember the decision's number, so that other rules accept them again in their place.
enum err parts_move_edges(struct work *work, uint64_t whole, struct work_customer *const *customers, size_t count,
                          const struct identity_edge *edges, size_t edge_count, const bool *cut,
                          const struct parts_cause *cause);

// A refusal of the customer gets another reason; one that is gone gets none.
enum err parts_restate(struct work *work, uint64_t customer, uint64_t number, const char *reason, uint64_t rules);

// split.c: cuts those of the cause's edges that the customer has, without cannot-links. *any: there were some. A
// customer that is gone has none.
enum err split_by_rules(struct work *work, uint64_t customer, const struct parts_cause *cause, bool *any);

// Deletes all rows of a keyspace under one customer.
enum err parts_delete_range(struct work *work, enum store_keyspace keyspace, uint64_t customer);

// erase_aside.c: the values that name a person, noted before she is erased (they live in `arena`), and the deletion of
// whatever was set aside that holds one of them.
struct erase_names {
  struct bytes *values;
  size_t count;
};
enum err erase_note_names(struct engine *engine, uint64_t customer, struct arena *arena, struct erase_names *names,
                          struct diag *diag);
enum err erase_forget_asides(struct engine *engine, const struct erase_names *names, struct store_mark *mark,
                             struct diag *diag);
