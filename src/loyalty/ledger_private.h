// ledger_private: what the files of the ledger share.
//
// Layer 5, inside loyalty/. Every operation of ledger.h runs between ledger_mark and, when it fails, ledger_undo: so it
// may stop anywhere, and nothing has happened. Within it, a draft is the posting being made; each entry that is added
// moves its amount at once, in the balances and in the lot.
#pragma once

#include "loyalty/ledger.h"

// --- all or nothing (ledger.c) -------------------------------------------------------------------------------

struct ledger_mark {
  struct loyalty_wallet wallet;
  size_t posting_count, news_count;
};
enum err ledger_mark(struct loyalty_ledger *ledger, struct ledger_mark *mark);
// Gives `err` back; undoes when it is a failure, else takes lots out that have nothing left.
enum err ledger_end(struct loyalty_ledger *ledger, const struct ledger_mark *mark, enum err err);

// Room for one more item in an array of the arena.
enum err ledger_grow(struct arena *arena, void **items, size_t *capacity, size_t count, size_t item_bytes);

// --- postings (ledger.c) -------------------------------------------------------------------------------------

struct ledger_draft {
  struct loyalty_posting posting;
  struct loyalty_entry *entries;
  size_t capacity;
  int64_t total; // of what moved
};
// cause NULL: of the ledger itself, at `effective_us`.
enum err ledger_draft(struct loyalty_ledger *ledger, enum loyalty_posting_kind kind, const struct loyalty_cause *cause,
                      int64_t effective_us, struct ledger_draft *draft);
// `lot` is NULL for DEBT. ERR_LIMIT code "overflow".
enum err ledger_entry(struct loyalty_ledger *ledger, struct ledger_draft *draft, struct loyalty_lot *lot,
                      struct loyalty_entry entry);
// Hands the posting out; a draft without entries is forgotten.
enum err ledger_post(struct loyalty_ledger *ledger, struct ledger_draft *draft);
enum err ledger_tell(struct loyalty_ledger *ledger, struct loyalty_news news);
// The news of what a draft moved, in one currency.
enum err ledger_tell_of(struct loyalty_ledger *ledger, const struct ledger_draft *draft, enum loyalty_news_kind kind,
                        uint8_t currency, struct loyalty_rule_ref rule);
// Moves an amount of `accounts`; false: a balance would leave 64 bits.
bool ledger_shift(int64_t accounts[LOYALTY_ACCOUNT_COUNT], enum loyalty_account from, enum loyalty_account to,
                  int64_t amount);
// The part of a lot that lies in an account; NULL: the account is not a lot's.
int64_t *ledger_part_of(struct loyalty_lot *lot, enum loyalty_account account);

enum err ledger_refuse(struct loyalty_ledger *ledger, const char *code);
enum err ledger_overflow(struct loyalty_ledger *ledger);
enum err ledger_bad_amount(struct loyalty_ledger *ledger);

// --- what a wallet has (ledger.c) ----------------------------------------------------------------------------

struct loyalty_balance *ledger_balance_find(const struct loyalty_wallet *wallet, uint8_t currency);
enum err ledger_balance(struct loyalty_wallet *wallet, struct arena *arena, uint8_t currency,
                        struct loyalty_balance **balance);
struct loyalty_lot *ledger_lot_find(const struct loyalty_wallet *wallet, uint64_t id);
// A copy in its place by id; *placed stays until the next one is added.
enum err ledger_lot_add(struct loyalty_wallet *wallet, struct arena *arena, const struct loyalty_lot *lot,
                        struct loyalty_lot **placed);
const struct loyalty_currency *ledger_currency(const struct loyalty_programme *programme, uint8_t number);

// Pending lots of a currency whose day came up to `until_us` become active (earn.c).
enum err ledger_activate(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                         int64_t until_us, int64_t effective_us);

// --- spending (spend.c) --------------------------------------------------------------------------------------

// The lots of a currency that can be spent from, in order of spending; *total saturates.
enum err ledger_usable(struct loyalty_ledger *ledger, uint8_t currency, int64_t at_us, struct loyalty_lot ***lots,
                       size_t *count, int64_t *total);
// Takes `amount` of what can be spent at `at_us` to an account. ERR_DENIED code "INSUFFICIENT_POINTS". parts may be
// NULL.
enum err ledger_take(struct loyalty_ledger *ledger, struct ledger_draft *draft, uint8_t currency, int64_t amount,
                     int64_t at_us, enum loyalty_account to, const struct loyalty_part **parts, size_t *part_count);
// As loyalty_spend, at an instant, undone by the caller; the posting's id is written to *posting (may be NULL).
enum err ledger_spend(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                      int64_t amount, int64_t at_us, const struct loyalty_part **parts, size_t *part_count,
                      uint64_t *posting);
// Pays debt from what can be spent at an instant.
enum err ledger_repay(struct loyalty_ledger *ledger, uint8_t currency, int64_t at_us);
bool ledger_can_repay(const struct loyalty_wallet *wallet, uint8_t currency, int64_t at_us);
// What can be spent; saturates.
int64_t ledger_usable_amount(const struct loyalty_wallet *wallet, uint8_t currency, int64_t at_us);
// SLIDING: something was earned or spent: moves the dates of what is active.
enum err ledger_slide(struct loyalty_ledger *ledger, uint8_t number, int64_t at_us);

// A hold, open until now, ends: nothing more is captured.
enum err ledger_hold_release(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, size_t index,
                             int64_t effective_us);

// The order of counters (cap.c).
int ledger_counter_compare(const struct loyalty_counter *a, const struct loyalty_counter *b);
// Adds to what is there of the same period.
enum err ledger_counter_add(struct loyalty_ledger *ledger, const struct loyalty_counter *counter);
// The same of days (tier.c) and of holds, which are copied (hold.c).
enum err ledger_day_add(struct loyalty_ledger *ledger, struct loyalty_day day);
enum err ledger_hold_add(struct loyalty_ledger *ledger, const struct loyalty_hold *hold);

// --- time and tiers (window.c, tier.c) -----------------------------------------------------------------------

// Days and longer by the wall clock, hours exact; INT64_MAX: out of the calendar.
int64_t ledger_wall_add(const struct rule_zone *zone, int64_t time_us, struct rule_duration length);
int64_t ledger_wall_before(const struct rule_zone *zone, int64_t time_us, struct rule_duration length);
int32_t ledger_day(const struct rule_zone *zone, int64_t time_us);
int64_t ledger_day_start(const struct rule_zone *zone, int32_t day);
// When the amounts of a local day cease to count.
int64_t ledger_window_end(const struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers,
                          const struct rule_zone *zone, int32_t day);

// Notes what counts for tiers; below zero: it counts no longer. Of other currencies: nothing.
enum err ledger_qualify(struct loyalty_ledger *ledger, uint8_t currency, int64_t active_us, int64_t amount);
// Index of the level that an amount qualifies for.
size_t ledger_level_for(const struct loyalty_tiers *tiers, int64_t amount);
size_t ledger_level_index(const struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers);
// Looks at the level at an instant; days whose window ended are forgotten.
enum err ledger_tier(struct loyalty_ledger *ledger, int64_t at_us);
// After a return: moves her down at once when it took the ground from her level. `before` qualified before it.
enum err ledger_tier_returned(struct loyalty_ledger *ledger, int64_t before);
// The level has to be looked at now.
bool ledger_tier_is_due(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme);
// The next instant at which it has to be looked at.
int64_t ledger_tier_due_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                           const struct rule_zone *zone);
// When she moves down if nothing happens; INT64_MAX: never. *level may be NULL: which it will be then.
int64_t ledger_downgrade_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                            const struct rule_zone *zone, size_t *level);

// --- postings read again (fold.c) ----------------------------------------------------------------------------

// Adds what a posting moved to the balances and lots of a wallet, which keeps lots that have nothing left. *breach says
// in words, in the arena, what cannot be (NULL: nothing).
enum err ledger_fold(struct loyalty_wallet *wallet, struct arena *arena, const struct loyalty_posting *posting,
                     const char **breach);
