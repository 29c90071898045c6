// loyalty: what the files of the loyalty engine share: documents in force, members in a transaction, and what rides on
// events.
//
// The documents of a workspace are a set in memory (loyalty/set.h), replaced whole; an attempt of a transaction holds
// the one it began with. A member is a customer with a wallet; all her wallets are one row beside her record, read with
// it. Her ledger is opened when something concerns her, worked up to now first, and written with everything else of
// the transaction (loyalty_emit): the row, a row of LEDGER for each posting, an event on her timeline for each thing
// that happened, and a timer for the next instant at which the clock alone changes something.
//
// LEDGER rows, under the customer: "p" posting; "h" hold; "o" order id: an order; "k" rule, hash of the value: what was
// earned once; "v" code: a code that is hers. VOUCHER rows: a code; a code, 0, redemption: a redemption. COUNTER rows:
// "b" campaign, kind: a budget; "u" voucher: uses of all its codes; "m" voucher: money of all of them. ORDERS rows: an
// order's id: the customers that have an order of this id.
#pragma once

#include "engine/work.h"
#include "loyalty/set.h"

#define LOYALTY_SOURCE "loyalty" // the source of the events that the engine writes

struct loyalty {
  pthread_mutex_t lock;          // of `set`
  const struct loyalty_set *set; // in force; NULL: there never was a document
  pthread_mutex_t changing;      // one change of documents at a time
  uint32_t source;               // of the events the engine writes; 0: there is none yet
};

enum err loyalty_open(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void loyalty_close(struct engine *engine);
// The documents in force, held; NULL: there never was one. loyalty_set_close gives them back.
const struct loyalty_set *loyalty_hold(struct engine *engine);

// --- documents (loyalty_documents.c) -------------------------------------------------------------------------

void loyalty_document_key(struct key *key, enum loyalty_kind kind, uint32_t number, uint32_t version);

// --- members (loyalty_member.c) ------------------------------------------------------------------------------

struct loyalty_member;

// Her ledger in a programme, worked up to now. `join`: she becomes a member if she is none; else *ledger is NULL then.
// It stays the transaction's. ERR_CONFLICT: her record has to be read, begin again.
enum err loyalty_ledger_open(struct work *work, struct work_customer *customer, uint32_t programme, bool join,
                             struct loyalty_ledger **ledger);
// All her ledgers, worked up to now.
enum err loyalty_advance_all(struct work *work, struct work_customer *customer);
// Her wallets as they are in this transaction.
enum err loyalty_wallets(struct work *work, struct work_customer *customer, struct loyalty_wallet **wallets,
                         size_t *count);

// Writes what the transaction changed of its members, timers and events included; before live_evaluate, which is told
// what changed.
enum err loyalty_emit(struct work *work);

// What follows from what happened to a member: a reward's voucher, a tier's gift given or taken back (loyalty_code.c).
enum err loyalty_follow(struct work *work, struct work_customer *customer, struct loyalty_ledger *ledger,
                        const struct loyalty_news *news);

// A row of DUE, and a timer that fired: it is gone, whatever her row says of it.
void loyalty_due_key(struct key *key, int64_t due_us, uint64_t customer);
enum err loyalty_take_timer(struct work *work, struct work_customer *customer, int64_t due_us);

// The row of CUSTOMER_ROW_WALLET; an absent one is no wallets. ERR_CORRUPT, ERR_NO_MEMORY.
enum err loyalty_row_decode(struct bytes row, struct arena *arena, int64_t *timer_us, struct loyalty_wallet **wallets,
                            size_t *count);

// tier("club"), points("club"), points("club", "credit") of wallets that were worked up to now.
enum err loyalty_answer(const struct loyalty_set *set, const struct loyalty_wallet *wallets, size_t wallet_count,
                        enum rule_function function, const struct bytes *arguments, size_t count,
                        struct rule_value *value, int64_t *until_us);
// The same of what the transaction has in hand.
enum err loyalty_lookup(struct work *work, struct work_customer *customer, enum rule_function function,
                        const struct bytes *arguments, size_t count, int64_t now_us, struct rule_value *value,
                        int64_t *until_us);

// An event of the engine's own on her timeline. `put` writes the members of its properties.
typedef void loyalty_tell_fn(struct value_builder *builder, void *context);
enum err loyalty_tell(struct work *work, struct work_customer *customer, const char *name, int64_t at_us,
                      loyalty_tell_fn *put, void *context);

// A row of LEDGER under the customer.
void loyalty_row_key(struct key *key, uint64_t customer, char kind, struct bytes rest);
void loyalty_number_row_key(struct key *key, uint64_t customer, char kind, uint64_t number);

// --- events (loyalty_earn.c) ---------------------------------------------------------------------------------

// What the events of a transaction may do: locks the counters they may touch, in one call, and reads them.
enum err loyalty_prepare(struct work *work, const struct engine_event *events, size_t count);
// What the event just added to the customer's timeline earns, withdraws, releases; an order is booked.
enum err loyalty_take_event(struct work *work, struct work_customer *customer, const struct work_event *event);
