// take_back: goods came back, and with them what was given for them.
//
// From the lots that were given for them first: what is pending, then what is active. What they have no longer is noted
// by entries RETURNED -> RETURNED, which name the lot and move nothing; then the policy says who pays instead. So the
// postings alone say which day's qualifying amount a return lowered and what could not be collected: notes, less what
// was taken instead, less debt. What has expired is gone: nothing else pays for it, nobody owes it, and it is not
// collected. An entry RETURNED -> RETURNED that is taken instead, of the lot that expired, says how much of it a return
// was let off, so that no second one is.
#include "loyalty/ledger_private.h"

struct take_back {
  struct loyalty_ledger *ledger;
  struct ledger_draft draft;
  enum loyalty_return_policy policy;
  uint8_t currency;
  const struct loyalty_lot *lots;
  size_t lot_count;
  int64_t *room;    // by lot: of its amount, what was not taken yet
  int64_t *expired; // by lot; NULL
  int64_t left;     // to take
  int64_t off;      // let off
};

static enum err take_part(struct take_back *work, struct loyalty_lot *lot, enum loyalty_account from, bool instead,
                          int64_t *taken) {
  int64_t has = *ledger_part_of(lot, from);
  struct loyalty_entry entry = {.currency = work->currency,
                                .from = from,
                                .to = LOYALTY_RETURNED,
                                .amount = has < work->left ? has : work->left,
                                .rule = lot->rule,
                                .instead = instead};
  *taken = entry.amount;
  work->left -= entry.amount;
  return entry.amount > 0 ? ledger_entry(work->ledger, &work->draft, lot, entry) : ERR_OK;
}

static enum err take_own(struct take_back *work, enum loyalty_account from) {
  for (size_t i = 0; i < work->lot_count; i++) {
    struct loyalty_lot *lot = ledger_lot_find(work->ledger->wallet, work->lots[i].id);
    int64_t taken;
    if (lot == NULL || lot->currency != work->currency) continue;
    int64_t active_us = lot->active_us;
    enum err err = take_part(work, lot, from, false, &taken);
    if (err != ERR_OK) return err;
    work->room[i] -= taken;
    if (from == LOYALTY_ACTIVE) err = ledger_qualify(work->ledger, work->currency, active_us, -taken);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// A lot that never became active gave no day anything.
static bool was_active(const struct take_back *work, const struct loyalty_lot *given, int64_t *active_us) {
  const struct loyalty_lot *lot = ledger_lot_find(work->ledger->wallet, given->id);
  *active_us = lot != NULL ? lot->active_us : given->active_us;
  return *active_us <= work->ledger->now_us && (lot == NULL || lot->pending == 0);
}

static enum err note(struct take_back *work, const struct loyalty_lot *given, int64_t amount) {
  struct loyalty_entry entry = {.currency = work->currency,
                                .from = LOYALTY_RETURNED,
                                .to = LOYALTY_RETURNED,
                                .amount = amount,
                                .lot = given == NULL ? 0 : given->id};
  int64_t active_us;
  if (given != NULL) entry.rule = given->rule;
  enum err err = ledger_entry(work->ledger, &work->draft, NULL, entry);
  if (err != ERR_OK || given == NULL || !was_active(work, given, &active_us)) return err;
  return ledger_qualify(work->ledger, work->currency, active_us, -amount);
}

// Says of which lots the rest was. What is more than they ever had is of none.
static enum err note_rest(struct take_back *work) {
  int64_t rest = work->left;
  for (size_t i = 0; i < work->lot_count && rest > 0; i++) {
    int64_t amount = work->room[i] < rest ? work->room[i] : rest;
    enum err err = amount > 0 ? note(work, &work->lots[i], amount) : ERR_OK;
    if (err != ERR_OK) return err;
    if (amount > 0) rest -= amount;
  }
  return rest > 0 ? note(work, NULL, rest) : ERR_OK;
}

static enum err let_off(struct take_back *work) {
  for (size_t i = 0; work->expired != NULL && i < work->lot_count; i++) {
    int64_t amount = work->expired[i] < work->room[i] ? work->expired[i] : work->room[i];
    if (amount > work->left) amount = work->left;
    work->expired[i] = amount > 0 ? amount : 0;
    if (amount <= 0) continue;
    struct loyalty_entry entry = {.currency = work->currency,
                                  .from = LOYALTY_RETURNED,
                                  .to = LOYALTY_RETURNED,
                                  .amount = amount,
                                  .lot = work->lots[i].id,
                                  .rule = work->lots[i].rule,
                                  .instead = true};
    enum err err = ledger_entry(work->ledger, &work->draft, NULL, entry);
    if (err != ERR_OK) return err;
    work->left -= amount;
    work->off += amount;
  }
  return ERR_OK;
}

int64_t loyalty_posting_expired(const struct loyalty_posting *posting, uint64_t lot) {
  int64_t amount = 0;
  for (size_t i = 0; i < posting->entry_count; i++) {
    const struct loyalty_entry *entry = &posting->entries[i];
    bool off = entry->from == LOYALTY_RETURNED && entry->instead;
    if (entry->lot == lot && entry->to == LOYALTY_EXPIRED) amount += entry->amount;
    if (entry->lot == lot && (entry->from == LOYALTY_EXPIRED || off)) amount -= entry->amount;
  }
  return amount;
}

static enum err take_others(struct take_back *work) {
  struct loyalty_lot **lots;
  size_t count;
  int64_t total, taken;
  enum err err = ledger_usable(work->ledger, work->currency, work->ledger->now_us, &lots, &count, &total);
  for (size_t i = 0; err == ERR_OK && i < count && work->left > 0; i++)
    err = take_part(work, lots[i], LOYALTY_ACTIVE, true, &taken);
  return err;
}

static enum err owe_rest(struct take_back *work) {
  struct loyalty_entry entry = {
      .currency = work->currency, .from = LOYALTY_DEBT, .to = LOYALTY_RETURNED, .amount = work->left};
  work->left = 0;
  return entry.amount > 0 ? ledger_entry(work->ledger, &work->draft, NULL, entry) : ERR_OK;
}

static enum err remember_rest(struct take_back *work) {
  struct loyalty_balance *balance;
  int64_t rest = work->left + work->off;
  if (rest == 0) return ERR_OK;
  if (ledger_balance(work->ledger->wallet, work->ledger->arena, work->currency, &balance) != ERR_OK)
    return ERR_NO_MEMORY;
  if (__builtin_add_overflow(balance->uncollected, rest, &balance->uncollected)) return ledger_overflow(work->ledger);
  return ERR_OK;
}

static enum err take_all(struct take_back *work) {
  enum err err = take_own(work, LOYALTY_PENDING);
  if (err == ERR_OK && work->policy != LOYALTY_ONLY_PENDING) err = take_own(work, LOYALTY_ACTIVE);
  if (err == ERR_OK) err = note_rest(work);
  if (err != ERR_OK || work->policy == LOYALTY_ONLY_PENDING) return err;
  err = let_off(work);
  if (err == ERR_OK) err = take_others(work);
  if (err != ERR_OK) return err;
  return work->policy == LOYALTY_UNLIMITED ? owe_rest(work) : remember_rest(work);
}

static enum err init(struct take_back *work, const struct loyalty_cause *cause) {
  work->room = arena_take(work->ledger->arena, (work->lot_count + 1) * sizeof *work->room);
  if (work->room == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < work->lot_count; i++) work->room[i] = work->lots[i].amount;
  return ledger_draft(work->ledger, LOYALTY_RETURN, cause, cause->effective_us, &work->draft);
}

enum err loyalty_take_back(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                           int64_t amount, const struct loyalty_lot *lots, size_t lot_count, int64_t *expired,
                           int64_t *uncollected) {
  const struct loyalty_currency *definition = ledger_currency(ledger->programme, currency);
  struct ledger_mark mark;
  if (amount <= 0) return ledger_bad_amount(ledger);
  struct take_back work = {.ledger = ledger,
                           .policy = definition == NULL ? LOYALTY_WITHIN_BALANCE : definition->returns,
                           .currency = currency,
                           .lots = lots,
                           .lot_count = lot_count,
                           .expired = expired,
                           .left = amount};
  int64_t before = loyalty_qualifying_now(ledger->wallet, ledger->programme);
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = init(&work, cause);
  if (err == ERR_OK) err = take_all(&work);
  if (err == ERR_OK) err = ledger_post(ledger, &work.draft);
  if (err == ERR_OK) err = ledger_tell_of(ledger, &work.draft, LOYALTY_NEWS_RETURNED, currency, cause->rule);
  if (err == ERR_OK) err = ledger_tier_returned(ledger, before);
  if (uncollected != NULL) *uncollected = err == ERR_OK ? work.left + work.off : 0;
  return ledger_end(ledger, &mark, err);
}
