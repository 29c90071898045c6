// parts: what splitting, joining again and erasing share.
#pragma once

#include "engine/work.h"

// "email:Zoe@Exemple.fr" as a person writes it, cleaned as an event's identifier is. The value lives in `arena`.
// ERR_INVALID code "bad_reference".
enum err parts_identifier(struct engine *engine, struct bytes text, struct arena *arena, struct identifier *identifier,
                          struct diag *diag);

// The identifier of highest rank that leads to this customer alone, in `arena`: what is bound to it is hers, also
// through later splits. ERR_INVALID code "no_identifier".
enum err parts_anchor(struct engine *engine, uint64_t customer, struct arena *arena, struct identifier *identifier,
                      struct diag *diag);

// ERR_NOT_FOUND code "no_customer" when the customer is not there or has become another one.
enum err parts_check_live(struct work *work, const struct work_customer *customer);

// Writes a redirect row: `id` leads to `to`.
enum err merge_redirect(struct work *work, uint64_t id, uint64_t to);

// moves.c: the events and refusals of a loser become the survivor's: now when they are few, else they are pending. The
// survivor has absorbed the loser's record.
enum err moves_hand_over(struct work *work, struct work_customer *survivor, struct work_customer *loser,
                         uint64_t loser_id);

// Notes that a customer has something pending, for the job.
enum err moves_note(struct work *work, uint64_t customer);

// Moves all that is pending of a customer, in as many transactions as that takes. Others may add to it meanwhile: who
// then finds her unsettled begins again, SETTLE_TRIES_MAX times.
enum { SETTLE_TRIES_MAX = 16 };
enum err moves_settle(struct engine *engine, uint64_t customer, struct diag *diag);

// One step for one of the customers who have something pending. *more: there was one.
enum err moves_tick(struct engine *engine, bool *more, struct diag *diag);

// sort.c: moves what is chosen of the anonymous events of a device from one customer to another, whole parts when they
// were prepared. ERR_CONFLICT when they are too many for this transaction: it prepares them and runs again.
enum err sort_move(struct work *work, const struct work_target *device, struct work_customer *from,
                   struct work_customer *to, const struct timeline_choice *choice, uint64_t *moved);
// Does a transaction that ended with ERR_CONFLICT ask for events to be sorted? Then sort_run before the next attempt.
bool sort_wanted(const struct sorting *sorting);
enum err sort_run(struct engine *engine, struct sorting *sorting, struct diag *diag);

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

// A row of a refusal of hers, from *place on (0: under her own id; then those that are pending); no row: data NULL.
// *place moves on behind it.
enum err parts_find_refusal(struct work *work, const struct customer *record, uint64_t number, size_t *place,
                            struct key *key, struct bytes *row);

// A refusal of the customer, pending or not, gets another reason; one that is gone gets none.
enum err parts_restate(struct work *work, uint64_t customer, uint64_t number, const char *reason, uint64_t rules);

// split.c: cuts those of the cause's edges that the customer has, without cannot-links. A customer that is gone has
// none. ERR_BUSY with *unsettled when rows of hers are pending: moves_settle, then again.
enum err split_by_rules(struct work *work, uint64_t customer, const struct parts_cause *cause, bool *unsettled);

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
