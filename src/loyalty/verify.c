// verify: does a wallet say what its postings say?
//
// The postings are folded by code of its own (fold.c), then both are compared in both directions: nothing that one has
// may be missing in the other. Then the wallet with itself: accounts add up to nothing, lots to their accounts, parts
// of holds to what lots have in HELD. The first breach is told.
#include "loyalty/ledger_private.h"

typedef unsigned long long number;
typedef long long amount;

struct verify {
  const struct loyalty_wallet *wallet;
  struct loyalty_wallet folded;
  struct arena *arena;
  const char *breach;
};

static enum err told(struct verify *work, const char *words) {
  work->breach = words;
  return words == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// --- balances ------------------------------------------------------------------------------------------------

static enum err check_accounts(struct verify *work, const struct loyalty_balance *balance) {
  const int64_t *accounts = balance->accounts;
  uint64_t sum = 0; // modulo 2^64, as every account is one of them less or more
  for (size_t i = 0; i < LOYALTY_ACCOUNT_COUNT; i++) {
    int64_t folded = loyalty_amount(&work->folded, balance->currency, (enum loyalty_account)i);
    if (accounts[i] != folded)
      return told(work,
                  arena_format(work->arena, "currency %u: %s is %lld and should be %lld", (unsigned)balance->currency,
                               loyalty_account_name((enum loyalty_account)i), (amount)accounts[i], (amount)folded));
    sum += (uint64_t)accounts[i];
  }
  if (sum != 0)
    return told(work, arena_format(work->arena, "currency %u: the accounts do not add up to nothing",
                                   (unsigned)balance->currency));
  return ERR_OK;
}

static bool has_something(const struct loyalty_balance *balance) {
  for (size_t i = 0; i < LOYALTY_ACCOUNT_COUNT; i++)
    if (balance->accounts[i] != 0) return true;
  return false;
}

static enum err check_balances(struct verify *work) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && work->breach == NULL && i < work->wallet->balance_count; i++)
    err = check_accounts(work, &work->wallet->balances[i]);
  for (size_t i = 0; err == ERR_OK && work->breach == NULL && i < work->folded.balance_count; i++) {
    const struct loyalty_balance *balance = &work->folded.balances[i];
    if (has_something(balance) && ledger_balance_find(work->wallet, balance->currency) == NULL)
      err = told(work, arena_format(work->arena, "currency %u is missing", (unsigned)balance->currency));
  }
  return err;
}

// --- lots ----------------------------------------------------------------------------------------------------

static bool same_parts(const struct loyalty_lot *a, const struct loyalty_lot *b) {
  return a->currency == b->currency && a->pending == b->pending && a->active == b->active && a->held == b->held;
}

static enum err check_lot(struct verify *work, const struct loyalty_lot *lot, uint64_t before) {
  const struct loyalty_lot *folded = ledger_lot_find(&work->folded, lot->id);
  if (lot->id <= before) return told(work, arena_format(work->arena, "lot l%llu is out of order", (number)lot->id));
  if (lot->pending < 0 || lot->active < 0 || lot->held < 0)
    return told(work, arena_format(work->arena, "lot l%llu is below zero", (number)lot->id));
  if (folded == NULL || !same_parts(folded, lot))
    return told(work,
                arena_format(work->arena,
                             "lot l%llu has %lld pending, %lld active, %lld held, and should have "
                             "%lld, %lld, %lld",
                             (number)lot->id, (amount)lot->pending, (amount)lot->active, (amount)lot->held,
                             folded == NULL ? 0 : (amount)folded->pending, folded == NULL ? 0 : (amount)folded->active,
                             folded == NULL ? 0 : (amount)folded->held));
  return ERR_OK;
}

static enum err check_sums(struct verify *work, const struct loyalty_balance *balance) {
  int64_t sums[3] = {0, 0, 0};
  for (size_t i = 0; i < work->wallet->lot_count; i++) {
    const struct loyalty_lot *lot = &work->wallet->lots[i];
    if (lot->currency != balance->currency) continue;
    if (__builtin_add_overflow(sums[0], lot->pending, &sums[0]) ||
        __builtin_add_overflow(sums[1], lot->active, &sums[1]) || __builtin_add_overflow(sums[2], lot->held, &sums[2]))
      return told(work, "the lots overflow");
  }
  if (sums[0] == balance->accounts[LOYALTY_PENDING] && sums[1] == balance->accounts[LOYALTY_ACTIVE] &&
      sums[2] == balance->accounts[LOYALTY_HELD])
    return ERR_OK;
  return told(work, arena_format(work->arena, "currency %u: the lots have %lld pending, %lld active, %lld held",
                                 (unsigned)balance->currency, (amount)sums[0], (amount)sums[1], (amount)sums[2]));
}

static enum err check_lots(struct verify *work) {
  const struct loyalty_wallet *wallet = work->wallet;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && work->breach == NULL && i < wallet->lot_count; i++)
    err = check_lot(work, &wallet->lots[i], i > 0 ? wallet->lots[i - 1].id : 0);
  for (size_t i = 0; err == ERR_OK && work->breach == NULL && i < work->folded.lot_count; i++) {
    const struct loyalty_lot *lot = &work->folded.lots[i];
    if (lot->pending + lot->active + lot->held > 0 && ledger_lot_find(wallet, lot->id) == NULL)
      err = told(work, arena_format(work->arena, "lot l%llu is missing", (number)lot->id));
  }
  for (size_t i = 0; err == ERR_OK && work->breach == NULL && i < wallet->balance_count; i++)
    err = check_sums(work, &wallet->balances[i]);
  return err;
}

// --- holds ---------------------------------------------------------------------------------------------------

// What open holds have of a lot.
static int64_t held_of(const struct loyalty_wallet *wallet, uint64_t lot) {
  int64_t held = 0;
  for (size_t i = 0; i < wallet->hold_count; i++)
    for (size_t k = 0; k < wallet->holds[i].part_count; k++)
      if (wallet->holds[i].parts[k].lot == lot && __builtin_add_overflow(held, wallet->holds[i].parts[k].amount, &held))
        return -1;
  return held;
}

static enum err check_holds(struct verify *work) {
  const struct loyalty_wallet *wallet = work->wallet;
  for (size_t i = 0; i < wallet->lot_count; i++)
    if (held_of(wallet, wallet->lots[i].id) != wallet->lots[i].held)
      return told(work, arena_format(work->arena, "lot l%llu: the holds do not add up to what is held",
                                     (number)wallet->lots[i].id));
  for (size_t i = 0; i < wallet->hold_count; i++)
    for (size_t k = 0; k < wallet->holds[i].part_count; k++)
      if (ledger_lot_find(wallet, wallet->holds[i].parts[k].lot) == NULL)
        return told(work, arena_format(work->arena, "hold %llu: its lot l%llu is missing", (number)wallet->holds[i].id,
                                       (number)wallet->holds[i].parts[k].lot));
  return ERR_OK;
}

static enum err fold_all(struct verify *work, const struct loyalty_posting *postings, size_t count) {
  uint64_t before = 0;
  for (size_t i = 0; i < count && work->breach == NULL; i++) {
    if (postings[i].id <= before || postings[i].programme != work->wallet->programme)
      return told(work, arena_format(work->arena, "posting p%llu is out of order or of another programme",
                                     (number)postings[i].id));
    before = postings[i].id;
    enum err err = ledger_fold(&work->folded, work->arena, &postings[i], &work->breach);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

enum err loyalty_verify(const struct loyalty_wallet *wallet, const struct loyalty_posting *postings, size_t count,
                        struct arena *arena, const char **breach) {
  struct verify work = {.wallet = wallet, .arena = arena};
  enum err err = fold_all(&work, postings, count);
  if (err == ERR_OK && work.breach == NULL) err = check_balances(&work);
  if (err == ERR_OK && work.breach == NULL) err = check_lots(&work);
  if (err == ERR_OK && work.breach == NULL) err = check_holds(&work);
  *breach = work.breach;
  return err;
}
