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
// earned once; "n" kind, reference: the reply to what was named so; "v" code: a code that is hers, and (a varint; none:
// herself) whose it was before merges; "r" programme: who referred her; "w" code: what a
// reward cost her. VOUCHER rows: a code; a code, 0, redemption: a
// redemption. COUNTER rows: "b" campaign, kind: a budget; "u" voucher: uses of all its codes; "m" voucher: money of all
// of them; "l" programme, limit, cashier: what she did in a period. ORDERS rows: an order's id: the customers that have
// an order of this id.
#pragma once

#include "base/varint.h"
#include "engine/due.h"
#include "engine/members.h"
#include "engine/work.h"
#include "loyalty/set.h"

#define LOYALTY_SOURCE "loyalty" // the source of the events that the engine writes
// Why the engine cancels or takes back when two customers become one.
#define LOYALTY_DUPLICATE "DUPLICATE_ON_MERGE"
#define LOYALTY_DOUBLE "DOUBLE_POSTING"
#define LOYALTY_ERASED "ERASED"

struct loyalty {
  pthread_mutex_t lock;          // of `set` and `then`
  const struct loyalty_set *set; // in force; NULL: there never was a document
  // The documents of a time that is over, from one instant to another, as they were last asked for; NULL: none.
  const struct loyalty_set *then;
  int64_t then_from_us, then_to_us;
  pthread_mutex_t changing; // one change of documents at a time
  pthread_mutex_t ticking;  // one look at what is due at a time
  struct due_walk walk;     // its
  _Atomic uint64_t timers;  // worked off since the engine was opened
  _Atomic unsigned batches; // transactions that did it
  uint32_t source;          // of the events the engine writes; 0: there is none yet
};

enum err loyalty_open(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag);
void loyalty_close(struct engine *engine);
// The documents in force, held; NULL: there never was one. loyalty_set_close gives them back.
const struct loyalty_set *loyalty_hold(struct engine *engine);

struct loyalty_pin;

// --- reading (loyalty_read.c) --------------------------------------------------------------------------------

// What a customer has at that time, whatever the timers have done, in the arena; nothing is written.
enum err loyalty_wallets_at(struct store_snapshot *snapshot, const struct loyalty_set *set, uint64_t customer,
                            int64_t now_us, struct arena *arena, struct loyalty_wallet **wallets, size_t *count);

// --- documents (loyalty_documents.c) -------------------------------------------------------------------------

void loyalty_document_key(struct key *key, enum loyalty_kind kind, uint32_t number, uint32_t version);

// The documents in force with others in the place of those of their ids, or beside them; not stored. *set is held by
// the caller. `documents` by enum loyalty_kind: lists, or absent. Refused as engine_loyalty_put refuses them.
enum err loyalty_set_as_if(struct engine *engine, const struct value documents[LOYALTY_KIND_VOUCHER + 1],
                           const struct loyalty_set **set, struct rule_diag *refusal, struct diag *diag);

// The documents as they were in force when what has these pins was booked; *set is held by the caller.
enum err loyalty_set_of_then(struct engine *engine, int64_t at_us, const struct loyalty_pin *pins, size_t pin_count,
                             const struct loyalty_set **set, struct diag *diag);

// --- members (loyalty_member.c) ------------------------------------------------------------------------------

struct loyalty_member;

// Her ledger in a programme, worked up to now. `join`: she becomes a member if she is none; else *ledger is NULL then.
// It stays the transaction's. ERR_CONFLICT: her record has to be read, begin again.
enum err loyalty_ledger_open(struct work *work, struct work_customer *customer, uint32_t programme, bool join,
                             struct loyalty_ledger **ledger);
// The same for whoever is no member and does not become one: what she uses is counted.
enum err loyalty_ledger_of_guest(struct work *work, struct work_customer *customer, uint32_t programme,
                                 struct loyalty_ledger **ledger);
// All her ledgers, worked up to now.
enum err loyalty_advance_all(struct work *work, struct work_customer *customer);
// Her wallets as they are in this transaction.
enum err loyalty_wallets(struct work *work, struct work_customer *customer, struct loyalty_wallet **wallets,
                         size_t *count);

// How somebody would become a member (loyalty_enrol.c).
enum loyalty_enrolling {
  LOYALTY_BY_EVENT, // something concerns her
  LOYALTY_BY_PURCHASE,
  LOYALTY_BY_REQUEST, // she, or somebody for her, asked for it
};
// Her ledger; she becomes a member if she is none and the programme's enrolment lets her, and is given what new members
// are given. *refusal, of static storage, says why not: then *ledger is NULL; else it is NULL.
enum err loyalty_enrol(struct work *work, struct work_customer *customer, uint32_t programme,
                       enum loyalty_enrolling how, struct loyalty_ledger **ledger, const char **refusal);
// Whoever orders is a member of every programme whose members are those who did.
enum err loyalty_enrol_buyer(struct work *work, struct work_customer *customer);

// Writes now what her ledgers did so far, under the id she has yet; nothing of it is left to be written then.
enum err loyalty_flush(struct work *work, struct work_customer *customer);
// She has this wallet beside her others from now on; none of its programme before.
enum err loyalty_adopt(struct work *work, struct work_customer *customer, const struct loyalty_wallet *wallet);
// She has no wallets any more, and no timer. `id`: under which their rows lie.
enum err loyalty_leave(struct work *work, struct work_customer *customer, uint64_t id);
enum err loyalty_posting_write(struct work *work, uint64_t customer, const struct loyalty_posting *posting);

// Writes what the transaction changed of its members, timers and events included; before live_evaluate, which is told
// what changed.
enum err loyalty_emit(struct work *work);

// Her wallets as a view has them, worked up to now, in the arena (loyalty_read.c).
enum err loyalty_wallets_now(struct engine_view *view, const struct loyalty_set *set, uint64_t customer,
                             struct arena *arena, struct loyalty_wallet **wallets, size_t *count, struct diag *diag);

// A voucher was to be given that is not there: "Voucher Skipped" on her timeline says which, and `by_name` ("rule",
// "tier", "referral", "enrolment": the programme) with its id what for.
enum err loyalty_skip(struct work *work, struct work_customer *customer, const struct loyalty_programme *programme,
                      struct bytes voucher, const char *by_name, struct bytes by);
// What follows from what happened to a member: a reward's voucher, a tier's gift given or taken back (loyalty_code.c).
enum err loyalty_follow(struct work *work, struct work_customer *customer, struct loyalty_ledger *ledger,
                        const struct loyalty_news *news);

// A timer that fired is gone, whatever her row says of it.
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

// All rows of LEDGER of a customer, in their order, in the arena.
struct loyalty_row {
  struct bytes key; // whole
  char kind;
  struct bytes rest, value;
};
enum err loyalty_rows_of(struct work *work, uint64_t customer, struct loyalty_row **rows, size_t *count);

// A row of LEDGER under the customer.
void loyalty_row_key(struct key *key, uint64_t customer, char kind, struct bytes rest);
void loyalty_number_row_key(struct key *key, uint64_t customer, char kind, uint64_t number);

// --- counters (loyalty_counter.c) ----------------------------------------------------------------------------

// Numbers that members share: budgets of campaigns, uses and money of vouchers. A transaction locks all it may touch in
// one call, after its customers and codes, reads them, changes them in memory, and they are written with loyalty_emit.
enum loyalty_counter_kind {
  LOYALTY_COUNT_POINTS = 'p', // of a campaign
  LOYALTY_COUNT_CENTS = 'c',
  LOYALTY_COUNT_USES = 'u',
  LOYALTY_COUNT_VOUCHER_USES = 'U', // of a voucher's codes, all together
  LOYALTY_COUNT_VOUCHER_CENTS = 'C',
  LOYALTY_COUNT_CAP = 'k',     // of a rule's cap for everybody: `period` is the day its period began
  LOYALTY_COUNT_CASHIER = 'l', // of a programme's limit, of one cashier
};
enum { LOYALTY_CASHIER_HASH_BYTES = 16 };
struct loyalty_counter_key {
  enum loyalty_counter_kind kind;
  uint32_t number; // of the campaign or voucher; of a cap, the programme
  struct loyalty_rule_ref rule;
  uint8_t cap;
  int32_t start_day;
  uint8_t cashier[LOYALTY_CASHIER_HASH_BYTES]; // of CASHIER
};
enum err loyalty_counters_lock(struct work *work, const struct loyalty_counter_key *keys, size_t count);
// Of those that were locked; a bug otherwise (asserted).
int64_t *loyalty_counter_of(struct work *work, const struct loyalty_counter_key *key);
bool loyalty_counter_is_held(const struct work *work, const struct loyalty_counter_key *key);
enum err loyalty_counters_emit(struct work *work);

// Counters of a simulation, in memory alone: a transaction that has them (work.trial) locks and reads no others, and
// every key is held. All begin with 0.
struct loyalty_trial_counter {
  struct loyalty_counter_key key;
  int64_t before, now;
};
struct loyalty_trial_counters {
  struct loyalty_trial_counter *items; // sorted
  size_t count, capacity;
  bool failed;   // memory was short: what was counted since counts for nothing
  int64_t spare; // counts then
};
// Before an attempt: as it was when the last one was kept.
void loyalty_trial_begin(struct loyalty_trial_counters *trial);
void loyalty_trial_keep(struct loyalty_trial_counters *trial);
void loyalty_trial_release(struct loyalty_trial_counters *trial);

// --- codes (loyalty_code.c) ----------------------------------------------------------------------------------

// A code that belongs to a customer is changed under her lock, any other under its own (class CODE). Whoever works with
// codes names them all in one call, which locks those that are nobody's, reads all, and finds codes that became
// somebody's since (ERR_CONFLICT with that customer asked for).
struct loyalty_held_code {
  struct bytes text; // normalised
  struct loyalty_code code;
  bool there, dirty;
};
// `orders`: ids of orders that will be booked, whose rows of ORDERS are locked in the same call.
enum err loyalty_codes_lock(struct work *work, const struct bytes *codes, size_t count, const struct bytes *orders,
                            size_t order_count);
struct loyalty_held_code *loyalty_code_of(struct work *work, struct bytes code);
bool loyalty_order_is_locked(const struct work *work, struct bytes order); // its row of ORDERS
enum err loyalty_codes_emit(struct work *work);
// Gives a customer a new code of a voucher.
enum err loyalty_give(struct work *work, struct work_customer *customer, uint32_t voucher, uint64_t cause, bool paid,
                      struct loyalty_code *given);
// Notes that a code was used: its uses and balance, the customer's uses, the counters; a row for the redemption.
enum err loyalty_redeem(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                        struct loyalty_redemption *redemption);
// Gives back what a redemption used, by its id; one that was rolled back before, or is not there: nothing.
enum err loyalty_unredeem(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                          struct loyalty_redemption *redemption);
enum err loyalty_redemption_read(struct work *work, struct bytes code, uint64_t id,
                                 struct loyalty_redemption *redemption, bool *there);
enum err loyalty_redemption_write(struct work *work, const struct loyalty_redemption *redemption);
// All redemptions of a code whose lock is held, in the arena; what this transaction wrote of them is not among them.
enum err loyalty_redemptions_of(struct work *work, struct bytes code, struct loyalty_redemption **redemptions,
                                size_t *count);
// Writes a new code, whose text and owner are set, with the dates and worth of its voucher; dates and a worth that it
// has already stay (`span.to_us`, `value`: 0 is none).
enum err loyalty_code_add(struct work *work, const struct loyalty_voucher *voucher, struct loyalty_code *code);
// The same, and tells it (customer NULL: to nobody).
enum err loyalty_code_issue(struct work *work, struct work_customer *customer, const struct loyalty_voucher *voucher,
                            struct loyalty_code *code);
// Until when codes are good that a request gives a "valid_to" (a date means the whole day, by the programme's clock);
// an empty text: as the voucher says, and *span is all 0. ERR_INVALID code "bad_date".
enum err loyalty_code_end_read(const struct loyalty_set *set, const struct loyalty_voucher *voucher, struct bytes text,
                               struct loyalty_span *span, struct diag *diag);
// The text of a new code of a voucher, in the arena; it may be there already.
enum err loyalty_code_draw(struct work *work, const struct loyalty_voucher *voucher, struct bytes *code);
// Ends a code whatever became of it: a card is worth nothing from then on. `customer`: whose it is; NULL: nobody's.
enum err loyalty_code_void(struct work *work, struct work_customer *customer, struct loyalty_held_code *held,
                           struct bytes reason);
// All codes of a customer, in the arena.
enum err loyalty_codes_of(struct work *work, uint64_t customer, struct loyalty_code **codes, size_t *count);
// Writes a code that belongs to a customer of this transaction; where the transaction has it in hand already, there.
enum err loyalty_code_write(struct work *work, const struct loyalty_code *code);
// "Voucher Cancelled", "Voucher Restored" on her timeline.
enum err loyalty_code_tell(struct work *work, struct work_customer *customer, const char *name,
                           const struct loyalty_code *code);
// Cancels what loyalty_codes_deduplicate finds among the codes of one customer; `restored` (NULL: none) are those that
// are active again only if they are no doubles now: they are written in any case.
enum err loyalty_codes_unite(struct work *work, struct work_customer *customer, struct loyalty_code *codes,
                             size_t count, const bool *restored);
// Ends one of hers: cancelled when it was never used, else marked.
enum err loyalty_code_end(struct work *work, struct work_customer *customer, struct loyalty_code *code,
                          struct bytes reason);

// --- many codes (loyalty_codes_job.c) ------------------------------------------------------------------------

// Does what is due of jobs that make codes, for about budget_us. The caller holds upkeep_mutex.
enum err codes_job_tick(struct engine *engine, int64_t budget_us, bool *more, struct diag *diag);

// --- events (loyalty_event.c) --------------------------------------------------------------------------------

// What the API asks of an order's event, beside what the event says.
struct loyalty_pay {
  enum loyalty_pay_kind { LOYALTY_PAY_POINTS, LOYALTY_PAY_CARD, LOYALTY_PAY_HOLD } kind;
  uint32_t programme;
  uint8_t currency;
  int64_t amount; // points; of a card cents, 0: as much as it has and is due
  struct bytes code;
  uint64_t hold; // its programme, currency and amount are looked up
};
// An open hold of hers that pays: its programme, currency and amount go to `pay`. Refused as a capture is.
enum err loyalty_hold_find(struct work *work, uint64_t customer, struct loyalty_pay *pay);
// So much of it was captured by an order.
enum err loyalty_hold_taken(struct work *work, uint64_t customer, const struct loyalty_pay *pay, int64_t amount);
// "h17-42"
bool loyalty_hold_parse(struct bytes text, uint64_t *customer, uint64_t *number);

struct loyalty_request {
  struct bytes cashier;      // who books it; empty: nobody is named
  const struct bytes *codes; // normalised
  size_t code_count;
  const struct loyalty_pay *pay;
  size_t pay_count;
  int64_t business_us;     // when the till says it was sold, if it was away; 0: it was not
  int64_t *due;            // what it comes to, in cents, is told here, and nothing else; NULL: nobody asks
  const int64_t *expected; // it has to come to this, else *differs and ERR_BUSY; NULL: it may be what it is
  bool *differs;
  bool nobody;                // the customer stands in for nobody known, for a trial
  struct value seen;          // what discounts look at instead of the event's message; absent: nothing
  bool explain;               // the reply says of every rule why it did something or nothing
  struct json_writer *writer; // gets the reply, into an empty buffer; NULL: there is none
  // Members that are brought from elsewhere: `bring` gets the customer of each event, also of one that was there
  // before (NULL: nobody's, she was erased), instead of what the event means. `references` are locked as orders are.
  const struct bytes *references;
  size_t reference_count;
  enum err (*bring)(struct work *work, struct work_customer *customer, size_t index, void *context);
  void *context;
};

// Before the events of a transaction are taken: locks the codes of the request and the counters that all may touch.
enum err loyalty_prepare(struct work *work, const struct engine_event *events, size_t count,
                         const struct loyalty_request *request);
// What the event just added to the customer's timeline does: an order is booked, given back or cancelled, rules earn,
// what was earned is withdrawn, pending amounts are released. `request` NULL: nobody asks for more. *refusal, of static
// storage: a code of the closed list when the event asks for what cannot be; it is taken all the same. NULL: none.
enum err loyalty_take_event(struct work *work, struct work_customer *customer, const struct work_event *event,
                            const struct loyalty_request *request, const char **refusal);

// Would loyalty look at an event of this name? Then it wants its customer's record.
bool loyalty_concerns_event(const struct work *work, uint32_t name);
// The order of this event was booked before: its reply again.
enum err loyalty_order_replay(struct work *work, const struct engine_event *event,
                              const struct loyalty_request *request);

// --- rules (loyalty_earn.c) ----------------------------------------------------------------------------------

// What rules made of an event, for whoever tells it.
struct loyalty_outcome {
  const struct loyalty_live_rule *rule;
  const char *refusal; // code: it earned nothing, or less (`trimmed`); NULL
  bool trimmed;
  int64_t amount; // earned
  struct loyalty_lot lot;
  struct loyalty_code given; // by the rule; `code` empty: none
};
struct loyalty_outcomes {
  struct loyalty_outcome *items;
  size_t count, capacity;
};

// An order that was booked, as these documents would book it (loyalty_simulate.h): the codes that it used are used, and
// what it paid with points and cards it pays, whatever became of them; nobody is referred.
struct loyalty_simulated {
  const struct loyalty_order *was;
  // Out:
  struct loyalty_order order;
  const struct loyalty_live_rule **rules; // by order.used; NULL: a code
  struct loyalty_outcomes outcomes;
};

// Facts of a customer for rules: memberships and attributes as they were before the event, points and tier as they are
// when they are asked for. The machine is the transaction's; loyalty_facts_close gives it back.
struct loyalty_kit {
  struct rule_machine *machine;
  struct facts facts;
  struct work *work;
  struct work_customer *customer;
  struct membership *membership;       // NULL: not read yet
  struct bytes reason;                 // of movements that nobody but the engine decides; may be empty
  bool nobody;                         // the customer stands in for nobody known
  bool asked;                          // somebody waits for the answer: what is over a limit refuses the whole
  struct loyalty_simulated *simulated; // an order that was booked is looked at again; NULL: it is not
  struct loyalty_asked *answers;       // what rules ask of the customer is noted, or known; NULL: neither
};
enum err loyalty_kit_open(struct loyalty_kit *kit, struct work *work, struct work_customer *customer);
void loyalty_kit_close(struct loyalty_kit *kit);

// What rules ask of a customer when an order is booked, so that they get the same answers when it is looked at again
// (loyalty_asked.c). A document of then: one that an instant alone would not tell.
struct loyalty_pin {
  uint8_t kind; // enum loyalty_kind
  uint32_t number, version;
};
// From here on it is noted what is asked of her traits, segments, level and points, and what she answered.
enum err loyalty_asked_keep(struct loyalty_kit *kit);
// What was noted so far, with the documents in force that are no older than now, as a row in the arena; never empty.
enum err loyalty_asked_row(const struct loyalty_kit *kit, struct bytes *row);
// A row in which nothing is noted; of static storage.
struct bytes loyalty_asked_nothing(void);
// From here on she answers as the row says; what was not asked then as she is now. What came on her timeline after
// `until_us` is not seen. Segments and levels that have to be asked are those of `in_force`. ERR_CORRUPT.
enum err loyalty_asked_again(struct loyalty_kit *kit, struct bytes row, int64_t until_us,
                             const struct loyalty_set *in_force);
enum err loyalty_asked_pins(struct work *work, struct bytes row, struct loyalty_pin **pins, size_t *count);

// Runs the rules that earn or give for an event, within their caps and budgets; all are judged before one earns.
// `reference`: the order's id, or that of the message.
enum err loyalty_earn_rules(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes reference,
                            struct bytes identifier, struct loyalty_outcomes *outcomes);
// What rules would earn for an event of an order that is looked at again, by `posted` of the order; nothing is written.
// Whatever is limited, or earned once, earns no more than it did.
enum err loyalty_earn_again(struct loyalty_kit *kit, const struct loyalty_event *event,
                            const struct loyalty_order *order, int64_t *earned);
// Takes back what rules gave that this event withdraws.
enum err loyalty_withdraw(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes reference);
// How the counters of a campaign's budget and of caps for everybody are called, for an event at that time; at most
// `room`, how many there are is returned.
size_t loyalty_rule_counters(const struct loyalty_set *set, const struct loyalty_live_rule *rule, int64_t at_us,
                             struct loyalty_counter_key *keys, size_t room);
// Counts what a rule earned at that time against its caps and its campaign's budget; below zero: gives it back to the
// periods that were charged. `ledger` NULL: she is no member any more, and only what members share is counted.
enum err loyalty_count_earned(struct work *work, struct loyalty_ledger *ledger, uint32_t programme,
                              struct loyalty_rule_ref ref, int64_t at_us, int64_t amount);
// Would so much more stay within all of them?
bool loyalty_earned_has_room(struct work *work, const struct loyalty_ledger *ledger, struct loyalty_rule_ref rule,
                             int64_t at_us, int64_t amount);
// How much of a cap is left in the period of that time; false: it counts nothing (of a line), or is not locked here.
// `ledger` NULL: she is no member yet.
bool loyalty_cap_left(struct loyalty_kit *kit, const struct loyalty_ledger *ledger,
                      const struct loyalty_live_rule *rule, size_t cap, int64_t at_us, int64_t *left);
// How much of a campaign's budget is left for one more; INT64_MAX: it has no such limit.
int64_t loyalty_budget_room(struct work *work, const struct loyalty_campaign *campaign, enum loyalty_counter_kind kind);

// --- guarding against abuse (loyalty_guard.c) ------------------------------------------------------------------

// What limits count: an order or event that earns, points that are burned, an adjustment, a use of a code.
struct loyalty_move {
  uint32_t programme;
  enum loyalty_limit_what what;
  uint8_t currency;      // 0 of REDEEM
  struct bytes cashier;  // who does it; empty: nobody is named
  int64_t count, points; // below zero: they are given back to the period of `at_us`
  int64_t at_us;
};
// May it be done? ERR_DENIED "OWN_CARD", "MEMBER_LIMIT_REACHED", "CASHIER_LIMIT_REACHED", "STAFF_LIMIT_REACHED" with
// the limit as its field. `customer` NULL: nobody known; `ledger` NULL: she is no member.
enum err loyalty_guard(struct work *work, struct work_customer *customer, const struct loyalty_ledger *ledger,
                       const struct loyalty_move *move);
// It was done, or is given back. What is given back to a counter that is not locked stays counted.
enum err loyalty_guard_count(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_move *move);
// The cashier of the transaction (work.cashier) books a basket of hers: ERR_DENIED "OWN_CARD".
enum err loyalty_guard_basket(struct work *work, const struct work_customer *customer);
// The counters of a cashier at a time, of all programmes; at most `room`, how many there are is returned.
size_t loyalty_cashier_counters(const struct loyalty_set *set, struct bytes cashier, int64_t at_us,
                                struct loyalty_counter_key *keys, size_t room);
// Locks those of the transaction's cashier, now, and no other counters.
enum err loyalty_cashier_lock(struct work *work);
enum err loyalty_is_staff(struct work *work, struct work_customer *customer, uint32_t programme, bool *is_staff);

// --- what waits for an event (loyalty_release.c) -------------------------------------------------------------

// Does anything wait for events of this name?
bool loyalty_releases(const struct work *work, uint32_t name);
// What this order earned and waits for an event of this name (0: of any) becomes active. `writer` (may be NULL) gets an
// object for each currency of which there was something.
enum err loyalty_order_release(struct loyalty_kit *kit, const struct loyalty_order *order, uint32_t name, int64_t at_us,
                               struct json_writer *writer);
// The same by an event that names an order. She has none of this id: nothing is moved, and *refusal is "no_order".
enum err loyalty_release_event(struct loyalty_kit *kit, const struct loyalty_event *event, struct bytes id,
                               const char **refusal);

// As loyalty_take_back, of lots that were given: whatever of them has expired is let off, how much is *expired (may be
// NULL). Her rows are read only when something can have expired (loyalty_return.c).
enum err loyalty_take_back_given(struct work *work, struct loyalty_ledger *ledger, const struct loyalty_cause *cause,
                                 uint8_t currency, int64_t amount, const struct loyalty_lot *lots, size_t lot_count,
                                 int64_t *uncollected, int64_t *expired);

// --- orders (loyalty_order.c, loyalty_return.c, loyalty_reopen.c) ------------------------------------------

enum err loyalty_order_book(struct loyalty_kit *kit, const struct work_event *event,
                            const struct loyalty_event *in_hand, const struct loyalty_request *request);
// Gives back these quantities (NULL: all that is left) under a return's id; `cancel`: whatever is left, and its codes.
enum err loyalty_order_give_back(struct loyalty_kit *kit, struct loyalty_order *order, struct bytes return_id,
                                 const int64_t *quantities, int64_t time_us, bool cancel, struct json_writer *writer);
// Are its returns paid back to points and cards first, else in proportion?
bool loyalty_order_is_tender_first(const struct work *work, const struct loyalty_order *order);
// A return of this id came before: another with it is the same, whatever lines it names.
bool loyalty_order_was_returned(const struct loyalty_order *order, struct bytes id);
// What a return of these quantities (NULL: all that is left) gives and takes: in proportion, or by what the rest would
// have cost and earned then (loyalty_reprice.c). Nothing is written.
enum err loyalty_order_return_plan(struct loyalty_kit *kit, const struct loyalty_order *order,
                                   const int64_t *quantities, struct loyalty_returned *plan);
// Lays the discounts of then over a basket that holds less than the order did: rules that apply to it, and the codes
// that the order used as far as they do. What has a budget takes off no more than it did.
enum err loyalty_order_price_again(struct loyalty_kit *kit, const struct loyalty_order *order,
                                   const struct loyalty_event *event, struct loyalty_basket *basket);
// An order that a till or a shop had priced here, by the id of its event; else a shop told of it when it was paid.
bool loyalty_order_was_priced(const struct work *work, struct bytes order, uint32_t source,
                              const uint8_t event[IDENTITY_EVENT_ID_BYTES]);
// A cancelled order is booked again as it was. ERR_DENIED code "ORDER_NOT_CANCELLED", "REDEMPTION_CONFLICT".
enum err loyalty_order_reopen(struct loyalty_kit *kit, struct loyalty_order *order, struct json_writer *writer);
// An event "Order Refunded" or "Order Cancelled". *refusal as of loyalty_take_event.
enum err loyalty_order_event(struct loyalty_kit *kit, const struct work_event *event,
                             const struct loyalty_event *in_hand, bool cancelled, const char **refusal);
// Why a code may not be used here and now; *refusal NULL: it may.
enum err loyalty_code_judge(struct loyalty_kit *kit, const struct loyalty_event *event,
                            const struct loyalty_held_code *held, const struct loyalty_voucher *voucher,
                            const char **refusal);
// The order of this id that she has; *order NULL: none.
enum err loyalty_order_read(struct work *work, uint64_t customer, struct bytes id, struct loyalty_order **order);
enum err loyalty_order_write(struct work *work, uint64_t customer, const struct loyalty_order *order);
// The customers that have an order of this id, from ORDERS.
enum err loyalty_order_owners(struct work *work, struct bytes id, uint64_t **customers, size_t *count);
// An order of one customer is another's now; its row of ORDERS is locked.
enum err loyalty_order_hand_over(struct work *work, struct bytes id, uint64_t from, uint64_t to);
// The counters and codes that giving an order back may touch.
size_t loyalty_order_counters(const struct loyalty_order *order, const struct loyalty_set *set,
                              struct loyalty_counter_key *keys, size_t room);

// --- simulating (loyalty_simulate_member.c) ------------------------------------------------------------------

// The message of an order with another "total", in the arena.
enum err loyalty_with_total(struct work *work, struct value message, int64_t cents, struct value *out);

// --- explaining (loyalty_explain.c) --------------------------------------------------------------------------

// What became of a rule's discount: taken off, or why not.
struct loyalty_look {
  const struct loyalty_live_rule *rule;
  const char *reason; // NULL: it was taken off
  int64_t cents;
};
struct loyalty_explanation {
  const struct loyalty_event *event;
  const struct loyalty_outcomes *outcomes;
  const struct loyalty_look *looks;
  size_t look_count;
};
// A member "explained": every rule for orders, and why.
enum err loyalty_explain(struct loyalty_kit *kit, const struct loyalty_explanation *explanation,
                         struct json_writer *writer);
// A refusal, or why a rule was skipped, for people.
const char *loyalty_reason_words(const char *reason);

// --- rewards (loyalty_reward.c) -----------------------------------------------------------------------------

// The posting and the lots that paid for a reward, of a row "w".
enum err loyalty_reward_lots(struct work *work, struct bytes row, uint64_t *posting, uint64_t **lots, size_t *count);
// The ledger gave an automatic reward: its voucher follows, and what paid for it is kept as of one that was bought.
enum err loyalty_reward_given(struct work *work, struct work_customer *member, const struct loyalty_ledger *ledger,
                              const struct loyalty_news *news);
// A code of hers is cancelled that nobody used: what she paid for it is put back, and told in the open object.
enum err loyalty_reward_cancel(struct work *work, struct work_customer *member, const struct loyalty_code *code,
                               struct json_writer *writer);

// --- referrals (loyalty_referral.c) -------------------------------------------------------------------------

// An order of hers was booked, of so much before discounts: whoever referred her may get her reward. `again`: it was
// cancelled and is opened again. ERR_CONFLICT: the advocate was asked for.
enum err loyalty_referral_order(struct work *work, struct work_customer *friend, struct bytes order, int64_t cents,
                                int64_t at_us, bool again);
// Some or all of an order came back: the reward it earned is taken back when less is left than it has to be.
enum err loyalty_referral_return(struct work *work, struct work_customer *friend, const struct loyalty_order *order);
// Which of two rows of one programme is to stay when two become one: the one that says more, else the older one.
struct bytes loyalty_referral_unite(struct bytes mine, struct bytes theirs);
// By whom a split gives a row to its part.
enum err loyalty_referral_origin(struct work *work, struct bytes row, struct bytes *identifier, uint64_t *origin);
// After all rows are the survivor's: nobody refers herself.
enum err loyalty_referrals_merge(struct work *work, struct work_customer *survivor, uint64_t loser);
// A member "referrals" of her reply; none when nobody referred her.
enum err loyalty_referrals_json(struct engine_view *view, uint64_t customer, const struct loyalty_set *set,
                                struct json_writer *writer, struct diag *diag);

// --- who becomes whom (loyalty_merge.c, loyalty_split.c, loyalty_forget.c) ------------------------------------

// What was earned once by both of two who are one: "k" rows of one rule and value. The second earning is taken back.
enum err loyalty_once_unite(struct work *work, struct work_customer *survivor, struct bytes rest, struct bytes mine,
                            struct bytes theirs, struct bytes *united);

// What she earned once since then may be earned again.
enum err loyalty_once_forget(struct work *work, uint64_t customer, int64_t since_us);
// What was earned once by a rule and value, of which no rows are there; a merge knows it by them.
enum err loyalty_once_keep(struct work *work, uint64_t customer, uint32_t programme, struct loyalty_rule_ref rule,
                           struct bytes value, const struct loyalty_lot *lot);
// The lot of what was earned once, from its row; 0: it gave none.
enum err loyalty_once_lot(struct work *work, struct bytes row, uint64_t *lot);
// Adjustments of these customers that wait for a second person wait no longer (loyalty_approval.c).
enum err loyalty_approvals_forget(struct work *work, const uint64_t *customers, size_t count);
// What rows of LEDGER keep of a lot: currency, amount at first, number and dates, as varints. At most so many bytes.
enum { LOYALTY_LOT_ROW_BYTES = 6 * VARINT_BYTES_MAX };
uint8_t *loyalty_lot_row_put(uint8_t *at, const struct loyalty_lot *lot);
void loyalty_lot_row_read(struct varint_reader *reader, struct loyalty_lot *lot);
// A hold was released by the engine: whoever captures it is told that it was voided (loyalty_hold.c).
enum err loyalty_hold_row_void(struct work *work, uint64_t customer, uint64_t number);

// Before records and timelines are united. Whatever is the loser's becomes the survivor's; a receipt that both have is
// booked once; doubles of vouchers are cancelled. ERR_CONFLICT: orders have to be locked first (work_want_merge), begin
// again: the body has to begin with loyalty_prepare.
enum err loyalty_merge(struct work *work, struct work_customer *survivor, struct work_customer *loser);

// After the records of the parts are made, before events are moved. `part_of`: the part that has an identifier (as
// text; may be empty), else the one that an id of old leads to; `keeper`: the part that keeps what is nobody's.
struct loyalty_parting {
  struct work_customer *whole;
  struct work_customer *const *parts; // `whole` may be among them
  size_t part_count;
  uint16_t keeper;
  enum err (*part_of)(void *context, struct bytes identifier, uint64_t origin, uint16_t *part);
  void *context;
};
enum err loyalty_split(struct work *work, const struct loyalty_parting *parting);

// Before her timeline goes. What is open ends; movements and orders stay under her dead id, without what names her.
enum err loyalty_forget(struct work *work, struct work_customer *customer);
