// unite: two members turn out to be one.
//
// Everything is added, nothing is posted: the ids of lots and holds are the workspace's. A lot occurs twice only where
// they were parted before, and one got back what had been paid from a lot of the other: it is one lot again. Of
// two levels she keeps the higher, with the kinder of two graces; what the union qualifies for is told as an upgrade.
#include "loyalty/ledger_private.h"

static enum err add_balance(struct loyalty_ledger *ledger, const struct loyalty_balance *added) {
  struct loyalty_balance *balance;
  if (ledger_balance(ledger->wallet, ledger->arena, added->currency, &balance) != ERR_OK) return ERR_NO_MEMORY;
  for (size_t i = 0; i < LOYALTY_ACCOUNT_COUNT; i++)
    if (__builtin_add_overflow(balance->accounts[i], added->accounts[i], &balance->accounts[i]))
      return ledger_overflow(ledger);
  if (__builtin_add_overflow(balance->uncollected, added->uncollected, &balance->uncollected))
    return ledger_overflow(ledger);
  if (__builtin_add_overflow(balance->withheld, added->withheld, &balance->withheld)) return ledger_overflow(ledger);
  return ERR_OK;
}

static enum err add_lot(struct loyalty_ledger *ledger, const struct loyalty_lot *lot) {
  struct loyalty_lot *placed = ledger_lot_find(ledger->wallet, lot->id);
  if (placed == NULL) return ledger_lot_add(ledger->wallet, ledger->arena, lot, &placed);
  if (placed->currency != lot->currency || __builtin_add_overflow(placed->pending, lot->pending, &placed->pending) ||
      __builtin_add_overflow(placed->active, lot->active, &placed->active) ||
      __builtin_add_overflow(placed->held, lot->held, &placed->held))
    return ledger_overflow(ledger);
  int64_t has = placed->pending + placed->active + placed->held;
  if (placed->amount < lot->amount) placed->amount = lot->amount;
  if (placed->amount < has) placed->amount = has;
  return ERR_OK;
}

static enum err add_hold(struct loyalty_ledger *ledger, const struct loyalty_hold *hold) {
  struct loyalty_hold added = *hold;
  struct loyalty_part *parts = arena_take(ledger->arena, (hold->part_count + 1) * sizeof *parts);
  if (parts == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < hold->part_count; i++) parts[i] = hold->parts[i];
  added.parts = parts;
  return ledger_hold_add(ledger, &added);
}

static enum err add_all(struct loyalty_ledger *ledger, const struct loyalty_wallet *from) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < from->balance_count; i++) err = add_balance(ledger, &from->balances[i]);
  for (size_t i = 0; err == ERR_OK && i < from->lot_count; i++) err = add_lot(ledger, &from->lots[i]);
  for (size_t i = 0; err == ERR_OK && i < from->hold_count; i++) err = add_hold(ledger, &from->holds[i]);
  for (size_t i = 0; err == ERR_OK && i < from->day_count; i++) err = ledger_day_add(ledger, from->days[i]);
  for (size_t i = 0; err == ERR_OK && i < from->counter_count; i++)
    err = ledger_counter_add(ledger, &from->counters[i]);
  return err;
}

static int64_t later(int64_t a_us, int64_t b_us) {
  return a_us > b_us ? a_us : b_us;
}

static void unite_level(struct loyalty_wallet *wallet, const struct loyalty_wallet *from,
                        const struct loyalty_tiers *tiers) {
  size_t mine = ledger_level_index(wallet, tiers), theirs = ledger_level_index(from, tiers);
  if (mine > theirs) return;
  if (mine < theirs) {
    wallet->level = from->level;
    wallet->level_since_us = from->level_since_us;
    wallet->below_since_us = from->below_since_us;
    wallet->downgrade_noticed_us = from->downgrade_noticed_us;
    return;
  }
  if (from->level_since_us < wallet->level_since_us) wallet->level_since_us = from->level_since_us;
  wallet->below_since_us = later(wallet->below_since_us, from->below_since_us);
  wallet->downgrade_noticed_us = later(wallet->downgrade_noticed_us, from->downgrade_noticed_us);
}

enum err loyalty_unite(struct loyalty_ledger *ledger, const struct loyalty_wallet *from) {
  struct loyalty_wallet *wallet = ledger->wallet;
  struct ledger_mark mark;
  if (wallet == from || wallet->programme != from->programme)
    return diag_set(ledger->diag, ERR_INVALID, "bad_unite", "two members of one programme are united");
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  unite_level(wallet, from, &ledger->programme->tiers);
  if (wallet->guest == from->guest ? from->joined_us < wallet->joined_us : wallet->guest)
    wallet->joined_us = from->joined_us;
  wallet->guest = wallet->guest && from->guest;
  wallet->advanced_us = later(wallet->advanced_us, from->advanced_us);
  wallet->expiry_noticed_us = later(wallet->expiry_noticed_us, from->expiry_noticed_us);
  wallet->blocked = wallet->blocked || from->blocked;
  err = add_all(ledger, from);
  if (err == ERR_OK) err = ledger_tier(ledger, wallet->advanced_us);
  return ledger_end(ledger, &mark, err);
}
