// rebuild: a wallet made anew from those of the postings that are hers.
//
// Two passes: which postings and entries are hers, then their sum (fold.c) with what qualified. Dates of lots are those
// that the wallet before had; of lots that are gone only the day on which they became active matters still, for returns
// that lowered it, and that follows from the posting and the programme.
#include "loyalty/ledger_private.h"

#include <stdlib.h>
#include <string.h>

struct rebuild {
  struct loyalty_ledger *ledger;
  struct loyalty_wallet whole;       // as it came
  const struct loyalty_posting *all; // ascending by id
  size_t all_count;
  uint64_t *ids; // of the postings that belong, ascending
  size_t id_count;
  struct loyalty_posting *mine;
  size_t mine_count;
};

// --- which ---------------------------------------------------------------------------------------------------

static int compare_ids(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

static bool has_id(const struct rebuild *work, uint64_t id) {
  return work->id_count > 0 && bsearch(&id, work->ids, work->id_count, sizeof id, compare_ids) != NULL;
}

static int compare_postings(const void *a, const void *b) {
  uint64_t left = ((const struct loyalty_posting *)a)->id, right = ((const struct loyalty_posting *)b)->id;
  return left < right ? -1 : left > right;
}

static bool has_lot(const struct loyalty_posting *posting, uint64_t lot) {
  for (size_t i = 0; i < posting->entry_count; i++)
    if (posting->entries[i].lot == lot) return true;
  return false;
}

// The posting that a lot goes with: the one that made it. A lot that was another's before (she got back what had been
// paid from it) goes with the first that moved it.
static uint64_t maker_of(const struct rebuild *work, uint64_t lot) {
  struct loyalty_posting made = {.id = lot >> 8};
  if (bsearch(&made, work->all, work->all_count, sizeof made, compare_postings) != NULL) return made.id;
  for (size_t i = 0; i < work->all_count; i++)
    if (has_lot(&work->all[i], lot)) return work->all[i].id;
  return made.id;
}

static bool entry_belongs(const struct rebuild *work, const struct loyalty_posting *posting,
                          const struct loyalty_entry *entry) {
  return has_id(work, entry->lot != 0 ? maker_of(work, entry->lot) : posting->id);
}

static enum err add_mine(struct rebuild *work, const struct loyalty_posting *posting) {
  size_t kept = 0;
  for (size_t i = 0; i < posting->entry_count; i++) kept += entry_belongs(work, posting, &posting->entries[i]);
  if (kept == 0) return ERR_OK;
  struct loyalty_posting *mine = &work->mine[work->mine_count++];
  *mine = *posting;
  if (kept == posting->entry_count) return ERR_OK;
  struct loyalty_entry *entries = arena_take(work->ledger->arena, kept * sizeof *entries);
  if (entries == NULL) return ERR_NO_MEMORY;
  mine->entries = entries;
  mine->entry_count = 0;
  for (size_t i = 0; i < posting->entry_count; i++)
    if (entry_belongs(work, posting, &posting->entries[i])) entries[mine->entry_count++] = posting->entries[i];
  return ERR_OK;
}

static enum err choose(struct rebuild *work, const struct loyalty_posting *postings, size_t count,
                       loyalty_belongs_fn *belongs, void *context) {
  struct arena *arena = work->ledger->arena;
  work->ids = arena_take(arena, (count + 1) * sizeof *work->ids);
  work->mine = arena_take(arena, (count + 1) * sizeof *work->mine);
  if (work->ids == NULL || work->mine == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++)
    if (belongs(context, &postings[i])) work->ids[work->id_count++] = postings[i].id;
  if (work->id_count > 1) qsort(work->ids, work->id_count, sizeof *work->ids, compare_ids);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = add_mine(work, &postings[i]);
  return err;
}

// --- lots ----------------------------------------------------------------------------------------------------

// The dates of a lot that the wallet before had no longer, as the programme gives them now.
static void compute_dates(const struct rebuild *work, const struct loyalty_posting *posting, struct loyalty_lot *lot) {
  const struct loyalty_currency *currency = ledger_currency(work->ledger->programme, lot->currency);
  const struct rule_zone *zone = work->ledger->zone;
  lot->active_us = posting->effective_us > lot->earned_us ? posting->effective_us : lot->earned_us;
  lot->expires_us = INT64_MAX;
  if (currency == NULL || posting->kind == LOYALTY_IMPORT || posting->kind == LOYALTY_TRANSFER) return;
  if (posting->kind == LOYALTY_EARN && loyalty_activation(currency, zone, lot->earned_us, &lot->active_us) != ERR_OK)
    lot->active_us = INT64_MAX;
  if (lot->active_us == INT64_MAX || loyalty_expiry(currency, zone, lot->active_us, &lot->expires_us) != ERR_OK)
    lot->expires_us = INT64_MAX;
}

static void date_lot(const struct rebuild *work, const struct loyalty_posting *posting, struct loyalty_lot *lot) {
  const struct loyalty_lot *before = ledger_lot_find(&work->whole, lot->id);
  if (before == NULL) {
    compute_dates(work, posting, lot);
    return;
  }
  struct loyalty_lot dated = *before;
  dated.pending = lot->pending;
  dated.active = lot->active;
  dated.held = lot->held;
  *lot = dated;
}

// What the entry counts for her level, after it was folded.
static int64_t qualifies(const struct loyalty_posting *posting, const struct loyalty_entry *entry) {
  bool gives = posting->kind == LOYALTY_EARN || posting->kind == LOYALTY_IMPORT || posting->kind == LOYALTY_ADJUST ||
               posting->kind == LOYALTY_ACTIVATE;
  if (gives && entry->to == LOYALTY_ACTIVE) return entry->amount;
  if (posting->kind != LOYALTY_RETURN || entry->instead) return 0;
  return entry->from == LOYALTY_ACTIVE || entry->from == LOYALTY_RETURNED ? -entry->amount : 0;
}

static enum err add_entry(struct rebuild *work, const struct loyalty_posting *posting,
                          const struct loyalty_entry *entry) {
  struct loyalty_lot *lot = ledger_lot_find(work->ledger->wallet, entry->lot);
  if (lot == NULL) return ERR_OK;
  if (maker_of(work, lot->id) == posting->id || posting->kind == LOYALTY_ACTIVATE) date_lot(work, posting, lot);
  if (lot->active_us > posting->recorded_us) return ERR_OK; // it was never active, so no day counted it
  return ledger_qualify(work->ledger, lot->currency, lot->active_us, qualifies(posting, entry));
}

// Notes, less what was taken instead, less debt.
static enum err add_uncollected(struct rebuild *work, const struct loyalty_posting *posting) {
  const struct loyalty_entry *entries = posting->entries;
  uint8_t number = entries[0].currency;
  const struct loyalty_currency *currency = ledger_currency(work->ledger->programme, number);
  struct loyalty_balance *balance = ledger_balance_find(work->ledger->wallet, number);
  int64_t rest = 0;
  if (posting->kind != LOYALTY_RETURN || currency == NULL || currency->returns != LOYALTY_WITHIN_BALANCE) return ERR_OK;
  for (size_t i = 0; i < posting->entry_count; i++) {
    bool moves_nothing = entries[i].from == LOYALTY_RETURNED;
    bool is_note = moves_nothing && !entries[i].instead;
    bool is_paid = (!moves_nothing && entries[i].instead) || entries[i].from == LOYALTY_DEBT;
    int64_t change = is_note ? entries[i].amount : is_paid ? -entries[i].amount : 0;
    if (__builtin_add_overflow(rest, change, &rest)) return ledger_overflow(work->ledger);
  }
  if (rest > 0 && __builtin_add_overflow(balance->uncollected, rest, &balance->uncollected))
    return ledger_overflow(work->ledger);
  return ERR_OK;
}

static enum err add_posting(struct rebuild *work, const struct loyalty_posting *posting) {
  struct loyalty_ledger *ledger = work->ledger;
  const char *breach;
  enum err err = ledger_fold(ledger->wallet, ledger->arena, posting, &breach);
  if (err == ERR_OK && breach != NULL) return diag_set(ledger->diag, ERR_CORRUPT, "corrupt", "%s", breach);
  for (size_t i = 0; err == ERR_OK && i < posting->entry_count; i++)
    err = add_entry(work, posting, &posting->entries[i]);
  return err == ERR_OK ? add_uncollected(work, posting) : err;
}

// --- the rest ------------------------------------------------------------------------------------------------

// A hold keeps the parts that are of her lots.
static enum err add_hold(struct rebuild *work, const struct loyalty_hold *hold) {
  struct loyalty_hold mine = *hold;
  struct loyalty_part *parts = arena_take(work->ledger->arena, (hold->part_count + 1) * sizeof *parts);
  if (parts == NULL) return ERR_NO_MEMORY;
  mine.amount = 0;
  mine.part_count = 0;
  for (size_t i = 0; i < hold->part_count; i++) {
    if (!has_id(work, maker_of(work, hold->parts[i].lot))) continue;
    parts[mine.part_count++] = hold->parts[i];
    mine.amount += hold->parts[i].amount;
  }
  mine.parts = parts;
  return mine.part_count > 0 ? ledger_hold_add(work->ledger, &mine) : ERR_OK;
}

static void set_level(struct loyalty_ledger *ledger, const struct loyalty_wallet *whole) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  struct loyalty_wallet *wallet = ledger->wallet;
  if (wallet->level == 0) return;
  size_t index = ledger_level_for(tiers, loyalty_qualifying_now(wallet, ledger->programme));
  wallet->level = tiers->levels[index].number;
  wallet->level_since_us = wallet->level == whole->level ? whole->level_since_us : wallet->advanced_us;
}

static enum err make(struct rebuild *work) {
  struct loyalty_wallet *wallet = work->ledger->wallet;
  const struct loyalty_wallet *whole = &work->whole;
  enum err err = ERR_OK;
  loyalty_wallet_init(wallet, work->ledger->programme, whole->joined_us);
  wallet->advanced_us = whole->advanced_us;
  wallet->expiry_noticed_us = whole->expiry_noticed_us;
  wallet->blocked = whole->blocked;
  wallet->guest = whole->guest;
  for (size_t i = 0; err == ERR_OK && i < work->mine_count; i++) err = add_posting(work, &work->mine[i]);
  for (size_t i = 0; i < wallet->balance_count; i++) { // whose it is nobody knows; at most what she then has
    const struct loyalty_balance *balance = ledger_balance_find(whole, wallet->balances[i].currency);
    wallet->balances[i].withheld = balance == NULL ? 0 : balance->withheld;
  }
  for (size_t i = 0; err == ERR_OK && i < whole->hold_count; i++) err = add_hold(work, &whole->holds[i]);
  for (size_t i = 0; err == ERR_OK && i < whole->counter_count; i++)
    err = ledger_counter_add(work->ledger, &whole->counters[i]);
  set_level(work->ledger, whole);
  return err;
}

enum err loyalty_rebuild(struct loyalty_ledger *ledger, const struct loyalty_posting *postings, size_t count,
                         loyalty_belongs_fn *belongs, void *context, struct loyalty_posting **mine,
                         size_t *mine_count) {
  struct ledger_mark mark;
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  struct rebuild work = {.ledger = ledger, .whole = mark.wallet, .all = postings, .all_count = count};
  err = choose(&work, postings, count, belongs, context);
  if (err == ERR_OK) err = make(&work);
  *mine = work.mine;
  *mine_count = work.mine_count;
  return ledger_end(ledger, &mark, err);
}

static enum err shift_debt(struct loyalty_ledger *ledger, const struct loyalty_cause *cause,
                           struct loyalty_entry entry) {
  struct ledger_mark mark;
  struct ledger_draft draft;
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = ledger_draft(ledger, LOYALTY_TRANSFER, cause, cause->effective_us, &draft);
  if (err == ERR_OK) err = ledger_entry(ledger, &draft, NULL, entry);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  return ledger_end(ledger, &mark, err);
}

enum err loyalty_pass_debt(struct loyalty_ledger *from, struct loyalty_ledger *to, const struct loyalty_cause *cause,
                           uint8_t currency, int64_t amount) {
  struct loyalty_entry entry = {
      .currency = currency, .from = LOYALTY_DEBT, .to = LOYALTY_TRANSFERRED, .amount = amount};
  if (amount <= 0) return ledger_bad_amount(from);
  enum err err = shift_debt(from, cause, entry);
  entry.from = LOYALTY_TRANSFERRED;
  entry.to = LOYALTY_DEBT;
  return err == ERR_OK ? shift_debt(to, cause, entry) : err;
}
