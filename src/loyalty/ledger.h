// ledger: what a member has, and every movement that made it so.
//
// Layer 5. Pure: a wallet in memory, a programme, the time as an argument; who calls holds the member's lock and writes
// the wallet's row and the postings in one commit. Double entry: an entry moves an amount from one account to another,
// both of one member and currency, so that all accounts of a currency always add up to nothing. A posting is what one
// decision moved; it is never changed: what was wrong is answered by another one.
//
// Amounts that are earned lie in lots. A lot has a day from which it can be spent and one after which it cannot; who
// spends takes from the lot that expires soonest, then the oldest; undated ones last. Every entry names its lot, so
// that what was taken can be put back where it came from.
//
// Time. Whatever fell due is worked off before anything else is done (loyalty_advance), at the instants at which it
// fell due; what falls due at one instant in this order: holds that ran out, pending to active, automatic rewards,
// tiers, expiry, tiers. So an answer never depends on when a job ran.
// Memory: wallets and what is made of them live in the ledger's arena. Refusals are ERR_DENIED with the code of the
// list in docs/loyalty.md; nothing has changed then.
#pragma once

#include "loyalty/programme.h"

enum loyalty_account {
  // The member's: never below zero, but for DEBT, which is what she owes, as a number below zero.
  LOYALTY_PENDING,
  LOYALTY_ACTIVE,
  LOYALTY_HELD,
  LOYALTY_DEBT,
  // The programme's side.
  LOYALTY_ISSUED, // earned: below zero
  LOYALTY_SPENT,
  LOYALTY_EXPIRED,
  LOYALTY_RETURNED,    // taken back with goods
  LOYALTY_ADJUSTED,    // by a person, either way
  LOYALTY_TRANSFERRED, // to or from another member
  LOYALTY_ERASED,
  LOYALTY_ACCOUNT_COUNT
};
const char *loyalty_account_name(enum loyalty_account account); // "active"

enum loyalty_posting_kind {
  LOYALTY_EARN,     // ISSUED -> PENDING or ACTIVE
  LOYALTY_ACTIVATE, // PENDING -> ACTIVE
  LOYALTY_REPAY,    // ACTIVE -> DEBT
  LOYALTY_SPEND,    // ACTIVE -> SPENT
  LOYALTY_HOLD,     // ACTIVE -> HELD
  LOYALTY_CAPTURE,  // HELD -> SPENT, the rest HELD -> ACTIVE
  LOYALTY_RELEASE,  // HELD -> ACTIVE: void, or the hold ran out
  LOYALTY_EXPIRE,   // ACTIVE -> EXPIRED
  LOYALTY_RETURN,   // PENDING or ACTIVE or DEBT -> RETURNED; RETURNED -> RETURNED, which moves nothing: so much of this
                    // lot comes back that it has no longer, or keeps
  LOYALTY_ROLL_BACK, // SPENT -> ACTIVE: a burn undone; RETURNED -> …: a return undone
  LOYALTY_ADJUST,
  LOYALTY_TRANSFER,
  LOYALTY_IMPORT, // a balance brought from another system: ISSUED -> ACTIVE
  LOYALTY_ERASE,
  LOYALTY_POSTING_KIND_COUNT
};
const char *loyalty_posting_kind_name(enum loyalty_posting_kind kind); // "earn"

// Which rule: of a campaign, or (campaign 0) of the programme itself. rule 0: none.
struct loyalty_rule_ref {
  uint32_t campaign, rule;
};
// As a campaign: it was brought from another programme, and `rule` is the dictionary number of that one's name.
#define LOYALTY_EXTERNAL UINT32_MAX
// As a rule of no campaign: what a new member was given (programme.h: enrolment).
#define LOYALTY_WELCOME UINT32_MAX

struct loyalty_entry {
  uint8_t currency;
  enum loyalty_account from, to;
  int64_t amount; // > 0
  uint64_t lot;   // 0: none (DEBT)
  struct loyalty_rule_ref rule;
  bool instead; // of RETURN: taken from this lot though another was given for what comes back
};

struct loyalty_posting {
  uint64_t id; // ascends in the order of commits
  uint32_t programme;
  enum loyalty_posting_kind kind;
  struct bytes reference;      // the order, return, hold… as others name it; may be empty
  struct bytes author, reason; // of a person; may be empty
  uint64_t origin;             // the customer it was booked on first
  struct bytes identifier;     // by which she was named, "loyalty_card:123"; a split goes by it; may be empty
  int64_t effective_us, recorded_us;
  const struct loyalty_entry *entries;
  size_t entry_count;
};

struct loyalty_lot {
  uint64_t id; // of the posting that made it, and a low byte that counts within: posting << 8 | n
  uint8_t currency;
  int64_t earned_us, active_us, expires_us; // INT64_MAX: by an event; never
  int64_t amount;                           // at first
  int64_t pending, active, held;            // of it now
  uint64_t origin;                          // the customer it was earned by
  struct loyalty_rule_ref rule;
};

struct loyalty_part { // of a hold or a spending: so much of this lot
  uint64_t lot;
  int64_t amount;
  int64_t active_us, expires_us; // the lot's, who may be gone when it is put back
};

struct loyalty_hold { // that is open
  uint64_t id;
  uint8_t currency;
  int64_t amount, created_us, expires_us;
  const struct loyalty_part *parts;
  size_t part_count;
};

struct loyalty_day { // qualifying amounts of a local day
  int32_t day;       // since 1970
  int64_t amount;
};

struct loyalty_counter { // of a cap of a rule, or of a voucher's uses by this member
  struct loyalty_rule_ref rule;
  uint32_t voucher;  // 0: of the rule
  uint8_t cap;       // index into the rule's caps; LOYALTY_BUDGET: the campaign's member_points
  int32_t start_day; // loyalty_period_start of what it counts; older ones are forgotten
  int64_t used;
};
enum { LOYALTY_BUDGET = 255 };
// As a campaign: of a limit of the programme, `rule` is its number (loyalty_limit_number) and `cap` one of the two.
#define LOYALTY_LIMITS (UINT32_MAX - 1)
enum { LOYALTY_LIMIT_COUNT, LOYALTY_LIMIT_POINTS };

struct loyalty_balance {
  uint8_t currency;
  int64_t accounts[LOYALTY_ACCOUNT_COUNT];
  int64_t uncollected; // of returns, by the policy within_balance
  int64_t withheld;    // put back when automatic rewards were cancelled: no such reward takes it again
};

// One member in one programme. Arrays ascend: balances by currency, lots by id, holds by id, days by day.
struct loyalty_wallet {
  uint32_t programme; // number
  int64_t joined_us;
  int64_t advanced_us; // everything due up to here was done
  struct loyalty_balance *balances;
  size_t balance_count;
  struct loyalty_lot *lots; // with something pending, active or held
  size_t lot_count, lot_capacity;
  struct loyalty_hold *holds;
  size_t hold_count, hold_capacity;
  uint8_t level; // number; 0: the programme has no tiers
  int64_t level_since_us;
  int64_t below_since_us; // INT64_MAX: she has what her level asks for
  struct loyalty_day *days;
  size_t day_count, day_capacity;
  struct loyalty_counter *counters;
  size_t counter_count, counter_capacity;
  int64_t expiry_noticed_us;    // expiries up to here were announced
  int64_t downgrade_noticed_us; // the same of the day she moves down
  bool blocked;
  bool guest; // she is no member: it counts what she uses, and holds no points
};

// What happened, for her timeline, the change feed and whoever gives vouchers.
enum loyalty_news_kind {
  LOYALTY_NEWS_EARNED, // amount, currency, rule
  LOYALTY_NEWS_ACTIVATED,
  LOYALTY_NEWS_SPENT,
  LOYALTY_NEWS_EXPIRED,
  LOYALTY_NEWS_RETURNED,
  LOYALTY_NEWS_ADJUSTED,
  LOYALTY_NEWS_EXPIRY_SOON,    // amount, at: the day
  LOYALTY_NEWS_UPGRADED,       // level, before
  LOYALTY_NEWS_DOWNGRADED,     // level, before
  LOYALTY_NEWS_DOWNGRADE_SOON, // level it would be, at: when
  LOYALTY_NEWS_REWARD,         // rewards[index] was paid for: its voucher is to be given
};
struct loyalty_news {
  enum loyalty_news_kind kind;
  uint32_t programme;
  uint8_t currency, level, before;
  bool by_return; // a level changed because of a return
  int64_t amount;
  int64_t at_us; // when it became so; of the two that look ahead, when it will be
  uint64_t posting;
  uint32_t reward; // number
  struct loyalty_rule_ref rule;
  const struct loyalty_part *parts; // of REWARD: what paid for it
  size_t part_count;
};

// One transaction's work on one wallet.
struct loyalty_ledger {
  const struct loyalty_programme *programme;
  const struct rule_zone *zone;
  struct loyalty_wallet *wallet;
  struct arena *arena;
  uint64_t customer;
  int64_t now_us;                                   // when it is recorded
  enum err (*next_id)(void *context, uint64_t *id); // of postings and holds; ascending
  void *context;
  struct diag *diag;
  struct loyalty_posting *postings; // out, in order
  size_t posting_count, posting_capacity;
  struct loyalty_news *news; // out, in order
  size_t news_count, news_capacity;
};

// Who or what causes a movement.
struct loyalty_cause {
  struct bytes reference, identifier, author, reason;
  struct loyalty_rule_ref rule;
  int64_t effective_us; // when it happened; at most the ledger's now
};

void loyalty_wallet_init(struct loyalty_wallet *wallet, const struct loyalty_programme *programme, int64_t joined_us);

// Works off whatever fell due up to `until_us` (at most the ledger's now). Called before everything below, and after
// whatever may be due at once; the caller does both. What became due in the past because it came late is worked off at
// the instant up to which the wallet was advanced: time never runs back. Rewards are given at most
// LOYALTY_REWARDS_AT_ONCE times a call; when there are more, loyalty_due_us says so and the wallet stands still.
enum { LOYALTY_REWARDS_AT_ONCE = 1000 };
enum err loyalty_advance(struct loyalty_ledger *ledger, int64_t until_us);

// When there is something to work off; INT64_MAX: never.
int64_t loyalty_due_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                       const struct rule_zone *zone);

// All amounts are > 0; ERR_INVALID code "bad_amount" else, ERR_LIMIT code "overflow" when a balance would leave 64
// bits. Whatever becomes active pays her debt first. Lots that are given count for tiers on the local day on which they
// became active; what is transferred or put back does not count.

// *lot (may be NULL) is the new lot. Active at once when the currency has no pending period or it is over already.
enum err loyalty_earn(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                      int64_t amount, uint64_t *lot);
// A balance from elsewhere: a lot with dates of its own.
enum err loyalty_import(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                        int64_t amount, int64_t active_us, int64_t expires_us, uint64_t *lot);
// What another programme did already, so that it cannot be refused: takes from the lots of `cause->rule` first, then
// from others in the order of spending; what is not there becomes a debt, which the next lot pays. `kind`: SPEND,
// EXPIRE or ADJUST. *posting may be NULL.
enum err loyalty_follow_less(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                             int64_t amount, enum loyalty_posting_kind kind, uint64_t *posting);
// So much expired here that had been spent elsewhere by then: debt is paid with it. At most the debt.
enum err loyalty_expired_in_vain(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                                 int64_t amount);
// Pending lots become active now, because the event came for which they waited. Those that are not pending: nothing.
enum err loyalty_release_lots(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, const uint64_t *lots,
                              size_t count);

// ERR_DENIED code "INSUFFICIENT_POINTS". The parts, in the arena, are what loyalty_roll_back takes.
enum err loyalty_spend(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                       int64_t amount, const struct loyalty_part **parts, size_t *part_count);
// Puts back so much of what was spent, last taken first; a lot that has expired meanwhile expires at once.
enum err loyalty_roll_back(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                           int64_t amount, const struct loyalty_part *parts, size_t part_count);

// What was just put back paid for an automatic reward: none takes so much of her active balance by itself, until she
// spent it. ERR_LIMIT code "overflow".
enum err loyalty_withhold(struct loyalty_ledger *ledger, uint8_t currency, int64_t amount);

enum err loyalty_hold_open(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                           int64_t amount, int64_t expires_us, uint64_t *hold);
// `amount` 0: all. ERR_DENIED codes "HOLD_EXPIRED" (from expires_us on), "CAPTURE_EXCEEDS_HOLD", "unknown_hold": it is
// not open. The rest is released.
enum err loyalty_hold_capture(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint64_t hold,
                              int64_t amount, const struct loyalty_part **parts, size_t *part_count);
enum err loyalty_hold_void(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint64_t hold);

// Takes back `amount` of what `lots` were given for, by the currency's policy: from these lots first (pending, then
// active), then from others in the order of spending, then (unlimited) as debt. What is not taken by within_balance or
// only_pending is *uncollected. Qualifying days lose what these lots gave them.
// `expired` (NULL: nothing), by lot: so much of it has expired, and no return has been let off it yet. It is gone:
// nothing else pays for it, nobody owes it, and it is *uncollected. Out: how much this return was let off.
enum err loyalty_take_back(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                           int64_t amount, const struct loyalty_lot *lots, size_t lot_count, int64_t *expired,
                           int64_t *uncollected);
// What a posting says of that, to be added up over all of a member: what of a lot expired, less what returns were let
// off.
int64_t loyalty_posting_expired(const struct loyalty_posting *posting, uint64_t lot);

// By a person: more (a lot) or less (as spending; ERR_DENIED "INSUFFICIENT_POINTS").
enum err loyalty_adjust(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                        int64_t amount, bool more);
// From one member to another: lots keep their dates.
enum err loyalty_transfer(struct loyalty_ledger *from, struct loyalty_ledger *to, const struct loyalty_cause *cause,
                          uint8_t currency, int64_t amount);
// All that is open ends (erasure).
enum err loyalty_erase(struct loyalty_ledger *ledger, const struct loyalty_cause *cause);

// The first local day of the period that holds an instant, since 1970; of an hour the hour since then; of EVER 0.
int32_t loyalty_period_start(const struct rule_zone *zone, enum loyalty_period period, int64_t at_us);
// When the next one begins; INT64_MAX: never.
int64_t loyalty_period_end(const struct rule_zone *zone, enum loyalty_period period, int64_t at_us);

// Caps. How much of `amount` a cap leaves, by what was used in the period that holds `at_us`; loyalty_count notes it.
int64_t loyalty_cap_room(const struct loyalty_wallet *wallet, const struct rule_zone *zone,
                         struct loyalty_rule_ref rule, uint8_t cap, enum loyalty_period period, int64_t most,
                         int64_t at_us);
enum err loyalty_count(struct loyalty_ledger *ledger, struct loyalty_rule_ref rule, uint32_t voucher, uint8_t cap,
                       enum loyalty_period period, int64_t at_us, int64_t amount); // may be below zero: given back
int64_t loyalty_voucher_uses(const struct loyalty_wallet *wallet, uint32_t voucher);

// Two members are one: `from`'s lots, holds, days and counters come to the ledger's wallet; the level is the higher of
// what either had and what the union qualifies for. Pure addition: no posting; `from`'s postings become hers.
enum err loyalty_unite(struct loyalty_ledger *ledger, const struct loyalty_wallet *from);
// A wallet made anew from postings. The ledger's wallet comes as it was, of both sides (a split gives each side a
// copy), for what postings do not say: dates of lots, holds, counters, when she joined. Of all of theirs, the entries
// whose lot was made by one that `belongs`, and of entries without a lot those of postings that belong. So a split
// gives each side its lots, with what was spent of them. Her level is what then qualifies; holds that took from lots of
// both sides are released first (by the caller). *mine, in the arena: the postings as they are then hers, without the
// entries of others.
typedef bool loyalty_belongs_fn(void *context, const struct loyalty_posting *posting);
enum err loyalty_rebuild(struct loyalty_ledger *ledger, const struct loyalty_posting *postings, size_t count,
                         loyalty_belongs_fn *belongs, void *context, struct loyalty_posting **mine, size_t *mine_count);

// Between two that were rebuilt: `from` paid so much of the debt of `to`, whose lots they were when it was paid.
enum err loyalty_pass_debt(struct loyalty_ledger *from, struct loyalty_ledger *to, const struct loyalty_cause *cause,
                           uint8_t currency, int64_t amount);

// Folds postings and says in words how the wallet differs from them (NULL: not at all), in the arena: balances, lots
// below zero, sums of lots, accounts that do not add up to nothing.
enum err loyalty_verify(const struct loyalty_wallet *wallet, const struct loyalty_posting *postings, size_t count,
                        struct arena *arena, const char **breach);

int64_t loyalty_amount(const struct loyalty_wallet *wallet, uint8_t currency, enum loyalty_account account);
// What qualifies for tiers now, and what the next level asks for beyond it (0: she is at the top).
int64_t loyalty_qualifying_now(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme);
int64_t loyalty_to_next_level(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                              const struct loyalty_level **next);

// --- rows (wallet_row.c, posting_row.c) ----------------------------------------------------------------------

// All wallets of one member, in one row of CUSTOMER.
void loyalty_wallets_encode(const struct loyalty_wallet *wallets, size_t count, struct buffer *out);
enum err loyalty_wallets_decode(struct bytes row, struct arena *arena, struct loyalty_wallet **wallets, size_t *count);
void loyalty_posting_encode(const struct loyalty_posting *posting, struct buffer *out);
enum err loyalty_posting_decode(struct bytes row, uint64_t id, struct arena *arena, struct loyalty_posting *posting);

// A member with the last day on which something can be used, "2026-06-30"; none when it can be for ever.
void loyalty_last_day_json(struct json_writer *writer, const char *name, int64_t expires_us,
                           const struct rule_zone *zone);
// {"id":"p17","kind":"earn","programme":"club","reference","rule","effective_at","recorded_at","author","reason",
// "entries":[{"currency","from","to","amount","lot":"l4352"}]}
void loyalty_posting_json(const struct loyalty_posting *posting, const struct loyalty_programme *programme,
                          struct json_writer *writer);
// {"programme":"club","balances":[{"currency","active","pending","held","debt","available","spent","expired"}],
// "tier":{"level","name","since","qualifying","next","missing"},"lots":[{"id","currency","amount","left","pending",
// "held","earned_at","active_at","expires_on"}],"holds":[{"id","currency","amount","expires_at"}]}
// The id of a hold, as it is told everywhere.
enum { LOYALTY_HOLD_TEXT_BYTES = 48 };
void loyalty_hold_format(uint64_t customer, uint64_t hold, char text[LOYALTY_HOLD_TEXT_BYTES]);
void loyalty_wallet_json(const struct loyalty_wallet *wallet, uint64_t customer,
                         const struct loyalty_programme *programme, const struct rule_zone *zone,
                         struct json_writer *writer);
