// fold: what postings say, added up again, independently of how it was done at the time.
#include "loyalty/ledger_private.h"

typedef unsigned long long number;

static enum err say(struct arena *arena, const char **breach, const char *what, const struct loyalty_posting *posting,
                    const struct loyalty_entry *entry) {
  *breach = arena_format(arena, "posting p%llu: %s (currency %u, %s to %s, %lld, lot l%llu)", (number)posting->id, what,
                         (unsigned)entry->currency, loyalty_account_name(entry->from), loyalty_account_name(entry->to),
                         (long long)entry->amount, (number)entry->lot);
  return *breach == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static bool is_of_lot(enum loyalty_account account) {
  return account == LOYALTY_PENDING || account == LOYALTY_ACTIVE || account == LOYALTY_HELD;
}

// NULL: it is well formed.
static const char *fault_of(const struct loyalty_entry *entry) {
  bool of_lot = is_of_lot(entry->from) || is_of_lot(entry->to);
  bool is_note = entry->from == LOYALTY_RETURNED && entry->to == LOYALTY_RETURNED;
  if (entry->amount <= 0) return "an amount is not above 0";
  if (entry->from == entry->to && !is_note) return "an amount goes where it was";
  if (of_lot && entry->lot == 0) return "a lot is missing";
  return NULL;
}

// A lot that was spent and is put back keeps what it had at first.
static enum err fold_lot(struct loyalty_wallet *wallet, struct arena *arena, const struct loyalty_posting *posting,
                         const struct loyalty_entry *entry, const char **breach) {
  struct loyalty_lot *lot = ledger_lot_find(wallet, entry->lot);
  struct loyalty_lot made = {.id = entry->lot,
                             .currency = entry->currency,
                             .earned_us = posting->effective_us,
                             .amount = entry->amount,
                             .expires_us = INT64_MAX,
                             .origin = posting->origin,
                             .rule = entry->rule};
  if (lot == NULL && ledger_lot_add(wallet, arena, &made, &lot) != ERR_OK) return ERR_NO_MEMORY;
  if (lot->currency != entry->currency) return say(arena, breach, "the lot is of another currency", posting, entry);
  int64_t *from = ledger_part_of(lot, entry->from), *to = ledger_part_of(lot, entry->to);
  if (from != NULL) *from -= entry->amount;
  if (from != NULL && *from < 0) return say(arena, breach, "the lot goes below zero", posting, entry);
  if (to != NULL && __builtin_add_overflow(*to, entry->amount, to))
    return say(arena, breach, "the lot overflows", posting, entry);
  return ERR_OK;
}

static enum err fold_entry(struct loyalty_wallet *wallet, struct arena *arena, const struct loyalty_posting *posting,
                           const struct loyalty_entry *entry, const char **breach) {
  struct loyalty_balance *balance;
  const char *fault = fault_of(entry);
  if (fault != NULL) return say(arena, breach, fault, posting, entry);
  if (ledger_balance(wallet, arena, entry->currency, &balance) != ERR_OK) return ERR_NO_MEMORY;
  if (!ledger_shift(balance->accounts, entry->from, entry->to, entry->amount))
    return say(arena, breach, "a balance overflows", posting, entry);
  return is_of_lot(entry->from) || is_of_lot(entry->to) ? fold_lot(wallet, arena, posting, entry, breach) : ERR_OK;
}

enum err ledger_fold(struct loyalty_wallet *wallet, struct arena *arena, const struct loyalty_posting *posting,
                     const char **breach) {
  enum err err = ERR_OK;
  *breach = NULL;
  for (size_t i = 0; err == ERR_OK && *breach == NULL && i < posting->entry_count; i++)
    err = fold_entry(wallet, arena, posting, &posting->entries[i], breach);
  return err;
}
