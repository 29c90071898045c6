// spend: what takes amounts out of lots and puts them back: spending, its undoing, transfers, erasure, debt.
//
// Order of spending: the lot that expires soonest, then the one earned first, then the lower id; undated ones come last
// because INT64_MAX is their date. What has passed its date is no longer spent, whether or not it was worked off yet.
#include "loyalty/ledger_private.h"

#include <stdlib.h>
#include <string.h>

enum { LOTS_OF_A_POSTING = 256 };

static bool is_usable(const struct loyalty_lot *lot, uint8_t currency, int64_t at_us) {
  return lot->currency == currency && lot->active > 0 && lot->expires_us > at_us;
}

static int compare_lots(const void *a, const void *b) {
  const struct loyalty_lot *left = *(const struct loyalty_lot *const *)a,
                           *right = *(const struct loyalty_lot *const *)b;
  if (left->expires_us != right->expires_us) return left->expires_us < right->expires_us ? -1 : 1;
  if (left->earned_us != right->earned_us) return left->earned_us < right->earned_us ? -1 : 1;
  return left->id < right->id ? -1 : left->id > right->id;
}

int64_t ledger_usable_amount(const struct loyalty_wallet *wallet, uint8_t currency, int64_t at_us) {
  int64_t total = 0;
  for (size_t i = 0; i < wallet->lot_count; i++)
    if (is_usable(&wallet->lots[i], currency, at_us) && __builtin_add_overflow(total, wallet->lots[i].active, &total))
      return INT64_MAX;
  return total;
}

enum err ledger_usable(struct loyalty_ledger *ledger, uint8_t currency, int64_t at_us, struct loyalty_lot ***lots,
                       size_t *count, int64_t *total) {
  struct loyalty_wallet *wallet = ledger->wallet;
  *count = 0;
  *total = ledger_usable_amount(wallet, currency, at_us);
  *lots = arena_take(ledger->arena, (wallet->lot_count + 1) * sizeof **lots);
  if (*lots == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < wallet->lot_count; i++)
    if (is_usable(&wallet->lots[i], currency, at_us)) (*lots)[(*count)++] = &wallet->lots[i];
  if (*count > 1) qsort(*lots, *count, sizeof **lots, compare_lots);
  return ERR_OK;
}

// Takes `amount`, which they have, in their order.
static enum err take_from(struct loyalty_ledger *ledger, struct ledger_draft *draft, struct loyalty_lot **lots,
                          int64_t amount, enum loyalty_account to, struct loyalty_part *parts, size_t *part_count) {
  *part_count = 0;
  for (size_t i = 0; amount > 0; i++) {
    struct loyalty_lot *lot = lots[i];
    int64_t part = lot->active < amount ? lot->active : amount;
    struct loyalty_entry entry = {
        .currency = lot->currency, .from = LOYALTY_ACTIVE, .to = to, .amount = part, .rule = lot->rule};
    enum err err = ledger_entry(ledger, draft, lot, entry);
    if (err != ERR_OK) return err;
    parts[(*part_count)++] = (struct loyalty_part){lot->id, part, lot->active_us, lot->expires_us};
    amount -= part;
  }
  return ERR_OK;
}

enum err ledger_take(struct loyalty_ledger *ledger, struct ledger_draft *draft, uint8_t currency, int64_t amount,
                     int64_t at_us, enum loyalty_account to, const struct loyalty_part **parts, size_t *part_count) {
  struct loyalty_lot **lots;
  size_t count, taken;
  int64_t total;
  enum err err = ledger_usable(ledger, currency, at_us, &lots, &count, &total);
  if (err != ERR_OK) return err;
  if (total < amount) return ledger_refuse(ledger, "INSUFFICIENT_POINTS");
  struct loyalty_part *room = arena_take(ledger->arena, (count + 1) * sizeof *room);
  if (room == NULL) return ERR_NO_MEMORY;
  err = take_from(ledger, draft, lots, amount, to, room, &taken);
  if (parts != NULL) *parts = room;
  if (part_count != NULL) *part_count = taken;
  return err;
}

// What is held past its date stays past it.
enum err ledger_slide(struct loyalty_ledger *ledger, uint8_t number, int64_t at_us) {
  const struct loyalty_currency *currency = ledger_currency(ledger->programme, number);
  int64_t expires_us;
  if (currency == NULL || currency->validity != LOYALTY_VALID_SLIDING) return ERR_OK;
  enum err err = loyalty_expiry(currency, ledger->zone, at_us, &expires_us);
  if (err != ERR_OK) return diag_set(ledger->diag, err, "bad_date", "the dates are beyond the calendar");
  for (size_t i = 0; i < ledger->wallet->lot_count; i++) {
    struct loyalty_lot *lot = &ledger->wallet->lots[i];
    if (lot->currency != number || lot->active + lot->held == 0 || lot->expires_us == INT64_MAX) continue;
    if (lot->expires_us > at_us && lot->expires_us < expires_us) lot->expires_us = expires_us;
  }
  return ERR_OK;
}

enum err ledger_spend(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                      int64_t amount, int64_t at_us, const struct loyalty_part **parts, size_t *part_count,
                      uint64_t *posting) {
  struct ledger_draft draft;
  enum err err = ledger_draft(ledger, LOYALTY_SPEND, cause, cause->effective_us, &draft);
  if (err == ERR_OK) err = ledger_take(ledger, &draft, currency, amount, at_us, LOYALTY_SPENT, parts, part_count);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  if (err == ERR_OK) err = ledger_tell_of(ledger, &draft, LOYALTY_NEWS_SPENT, currency, cause->rule);
  if (posting != NULL) *posting = draft.posting.id;
  return err == ERR_OK ? ledger_slide(ledger, currency, at_us) : err;
}

enum err loyalty_spend(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                       int64_t amount, const struct loyalty_part **parts, size_t *part_count) {
  struct ledger_mark mark;
  if (amount <= 0) return ledger_bad_amount(ledger);
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = ledger_spend(ledger, cause, currency, amount, ledger->now_us, parts, part_count, NULL);
  return ledger_end(ledger, &mark, err);
}

// --- undone --------------------------------------------------------------------------------------------------

// The lot of a part; when it is gone, made again with its dates. When it was earned is not known any more.
static enum err lot_again(struct loyalty_ledger *ledger, const struct loyalty_part *part, uint8_t currency,
                          int64_t amount, struct loyalty_lot **lot) {
  struct loyalty_lot again = {.id = part->lot,
                              .currency = currency,
                              .earned_us = part->active_us,
                              .active_us = part->active_us,
                              .expires_us = part->expires_us,
                              .origin = ledger->customer};
  *lot = ledger_lot_find(ledger->wallet, part->lot);
  if (*lot == NULL && ledger_lot_add(ledger->wallet, ledger->arena, &again, lot) != ERR_OK) return ERR_NO_MEMORY;
  int64_t has = (*lot)->pending + (*lot)->active + (*lot)->held;
  if ((*lot)->currency != currency || __builtin_add_overflow(has, amount, &has)) return ledger_bad_amount(ledger);
  if ((*lot)->amount < has) (*lot)->amount = has;
  return ERR_OK;
}

static enum err put_back(struct loyalty_ledger *ledger, struct ledger_draft *draft, uint8_t currency, int64_t amount,
                         const struct loyalty_part *parts, size_t part_count) {
  for (size_t i = part_count; i > 0 && amount > 0; i--) {
    const struct loyalty_part *part = &parts[i - 1];
    int64_t back = part->amount < amount ? part->amount : amount;
    struct loyalty_lot *lot;
    if (back <= 0) continue;
    enum err err = lot_again(ledger, part, currency, back, &lot);
    if (err != ERR_OK) return err;
    struct loyalty_entry entry = {
        .currency = currency, .from = LOYALTY_SPENT, .to = LOYALTY_ACTIVE, .amount = back, .rule = lot->rule};
    err = ledger_entry(ledger, draft, lot, entry);
    if (err != ERR_OK) return err;
    amount -= back;
  }
  return amount > 0 ? ledger_bad_amount(ledger) : ERR_OK;
}

enum err loyalty_roll_back(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                           int64_t amount, const struct loyalty_part *parts, size_t part_count) {
  struct ledger_mark mark;
  struct ledger_draft draft;
  if (amount <= 0) return ledger_bad_amount(ledger);
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = ledger_draft(ledger, LOYALTY_ROLL_BACK, cause, cause->effective_us, &draft);
  if (err == ERR_OK) err = put_back(ledger, &draft, currency, amount, parts, part_count);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  if (err == ERR_OK) err = ledger_repay(ledger, currency, ledger->now_us);
  return ledger_end(ledger, &mark, err);
}

enum err loyalty_withhold(struct loyalty_ledger *ledger, uint8_t currency, int64_t amount) {
  struct loyalty_balance *balance = ledger_balance_find(ledger->wallet, currency);
  if (balance == NULL || amount <= 0) return ledger_bad_amount(ledger);
  return __builtin_add_overflow(balance->withheld, amount, &balance->withheld) ? ledger_overflow(ledger) : ERR_OK;
}

// --- debt ----------------------------------------------------------------------------------------------------

bool ledger_can_repay(const struct loyalty_wallet *wallet, uint8_t currency, int64_t at_us) {
  return loyalty_amount(wallet, currency, LOYALTY_DEBT) < 0 && ledger_usable_amount(wallet, currency, at_us) > 0;
}

enum err ledger_repay(struct loyalty_ledger *ledger, uint8_t currency, int64_t at_us) {
  int64_t debt = loyalty_amount(ledger->wallet, currency, LOYALTY_DEBT);
  if (debt >= 0) return ERR_OK;
  int64_t has = ledger_usable_amount(ledger->wallet, currency, at_us), amount = has < -debt ? has : -debt;
  struct ledger_draft draft;
  if (amount == 0) return ERR_OK;
  enum err err = ledger_draft(ledger, LOYALTY_REPAY, NULL, at_us, &draft);
  if (err == ERR_OK) err = ledger_take(ledger, &draft, currency, amount, at_us, LOYALTY_DEBT, NULL, NULL);
  return err == ERR_OK ? ledger_post(ledger, &draft) : err;
}

// --- what another programme did ------------------------------------------------------------------------------

static bool is_of(const struct loyalty_lot *lot, struct loyalty_rule_ref rule) {
  return lot->rule.campaign == rule.campaign && lot->rule.rule == rule.rule;
}

// Those of the rule come first; among themselves both kinds keep their order.
static enum err own_first(struct loyalty_ledger *ledger, struct loyalty_lot **lots, size_t count,
                          struct loyalty_rule_ref rule) {
  struct loyalty_lot **sorted = arena_take(ledger->arena, (count + 1) * sizeof(struct loyalty_lot *));
  size_t placed = 0;
  if (sorted == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++)
    if (is_of(lots[i], rule)) sorted[placed++] = lots[i];
  for (size_t i = 0; i < count; i++)
    if (!is_of(lots[i], rule)) sorted[placed++] = lots[i];
  memcpy(lots, sorted, count * sizeof(struct loyalty_lot *));
  return ERR_OK;
}

static enum err take_or_owe(struct loyalty_ledger *ledger, struct ledger_draft *draft, struct loyalty_rule_ref rule,
                            uint8_t currency, int64_t amount, enum loyalty_account to) {
  struct loyalty_lot **lots;
  size_t count, taken;
  int64_t total;
  enum err err = ledger_usable(ledger, currency, ledger->now_us, &lots, &count, &total);
  if (err == ERR_OK) err = own_first(ledger, lots, count, rule);
  if (err != ERR_OK) return err;
  int64_t there = total < amount ? total : amount;
  struct loyalty_part *parts = arena_take(ledger->arena, (count + 1) * sizeof *parts);
  if (parts == NULL) return ERR_NO_MEMORY;
  err = take_from(ledger, draft, lots, there, to, parts, &taken);
  struct loyalty_entry owed = {
      .currency = currency, .from = LOYALTY_DEBT, .to = to, .amount = amount - there, .rule = rule};
  return err == ERR_OK && owed.amount > 0 ? ledger_entry(ledger, draft, NULL, owed) : err;
}

enum err loyalty_follow_less(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                             int64_t amount, enum loyalty_posting_kind kind, uint64_t *posting) {
  bool spent = kind == LOYALTY_SPEND, expired = kind == LOYALTY_EXPIRE;
  enum loyalty_news_kind news = spent ? LOYALTY_NEWS_SPENT : expired ? LOYALTY_NEWS_EXPIRED : LOYALTY_NEWS_ADJUSTED;
  struct ledger_draft draft;
  struct ledger_mark mark;
  if (amount <= 0 || ledger_currency(ledger->programme, currency) == NULL) return ledger_bad_amount(ledger);
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = ledger_draft(ledger, kind, cause, cause->effective_us, &draft);
  if (err == ERR_OK)
    err = take_or_owe(ledger, &draft, cause->rule, currency, amount,
                      spent     ? LOYALTY_SPENT
                      : expired ? LOYALTY_EXPIRED
                                : LOYALTY_ADJUSTED);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  if (!spent && !expired) draft.total = -draft.total; // the news says which way
  if (err == ERR_OK) err = ledger_tell_of(ledger, &draft, news, currency, cause->rule);
  if (posting != NULL) *posting = draft.posting.id;
  return ledger_end(ledger, &mark, err);
}

enum err loyalty_expired_in_vain(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                                 int64_t amount) {
  int64_t debt = -loyalty_amount(ledger->wallet, currency, LOYALTY_DEBT);
  struct loyalty_entry entry = {.currency = currency,
                                .from = LOYALTY_EXPIRED,
                                .to = LOYALTY_DEBT,
                                .amount = amount < debt ? amount : debt,
                                .rule = cause->rule};
  struct ledger_draft draft;
  struct ledger_mark mark;
  if (entry.amount <= 0) return ERR_OK;
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = ledger_draft(ledger, LOYALTY_REPAY, cause, cause->effective_us, &draft);
  if (err == ERR_OK) err = ledger_entry(ledger, &draft, NULL, entry);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  return ledger_end(ledger, &mark, err);
}

// --- to another member ---------------------------------------------------------------------------------------

// One posting of lots that are those of `parts`, dates and all.
static enum err receive(struct loyalty_ledger *from, struct loyalty_ledger *to, const struct loyalty_cause *cause,
                        uint8_t currency, const struct loyalty_part *parts, size_t count) {
  struct ledger_draft draft;
  enum err err = ledger_draft(to, LOYALTY_TRANSFER, cause, cause->effective_us, &draft);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    const struct loyalty_lot *given = ledger_lot_find(from->wallet, parts[i].lot);
    struct loyalty_lot lot = *given, *placed;
    lot.id = draft.posting.id << 8 | i;
    lot.amount = parts[i].amount;
    lot.pending = lot.active = lot.held = 0;
    lot.origin = to->customer;
    err = ledger_lot_add(to->wallet, to->arena, &lot, &placed);
    struct loyalty_entry entry = {.currency = currency,
                                  .from = LOYALTY_TRANSFERRED,
                                  .to = LOYALTY_ACTIVE,
                                  .amount = lot.amount,
                                  .rule = lot.rule};
    if (err == ERR_OK) err = ledger_entry(to, &draft, placed, entry);
  }
  return err == ERR_OK ? ledger_post(to, &draft) : err;
}

static enum err transfer(struct loyalty_ledger *from, struct loyalty_ledger *to, const struct loyalty_cause *cause,
                         uint8_t currency, int64_t amount) {
  struct ledger_draft draft;
  const struct loyalty_part *parts = NULL;
  size_t count = 0;
  enum err err = ledger_draft(from, LOYALTY_TRANSFER, cause, cause->effective_us, &draft);
  if (err == ERR_OK)
    err = ledger_take(from, &draft, currency, amount, from->now_us, LOYALTY_TRANSFERRED, &parts, &count);
  if (err == ERR_OK) err = ledger_post(from, &draft);
  for (size_t i = 0; err == ERR_OK && i < count; i += LOTS_OF_A_POSTING) {
    size_t some = count - i < LOTS_OF_A_POSTING ? count - i : LOTS_OF_A_POSTING;
    err = receive(from, to, cause, currency, &parts[i], some);
  }
  return err == ERR_OK ? ledger_repay(to, currency, to->now_us) : err;
}

enum err loyalty_transfer(struct loyalty_ledger *from, struct loyalty_ledger *to, const struct loyalty_cause *cause,
                          uint8_t currency, int64_t amount) {
  struct ledger_mark mark_from, mark_to;
  if (amount <= 0) return ledger_bad_amount(from);
  if (from->wallet == to->wallet || from->wallet->programme != to->wallet->programme)
    return diag_set(from->diag, ERR_INVALID, "bad_transfer", "a transfer is between two members of one programme");
  enum err err = ledger_mark(from, &mark_from);
  if (err == ERR_OK) err = ledger_mark(to, &mark_to);
  if (err != ERR_OK) return err;
  err = transfer(from, to, cause, currency, amount);
  ledger_end(to, &mark_to, err);
  return ledger_end(from, &mark_from, err);
}

// --- erasure -------------------------------------------------------------------------------------------------

static enum err erase_lot(struct loyalty_ledger *ledger, struct ledger_draft *draft, struct loyalty_lot *lot) {
  static const enum loyalty_account PARTS[] = {LOYALTY_PENDING, LOYALTY_ACTIVE, LOYALTY_HELD};
  for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
    struct loyalty_entry entry = {.currency = lot->currency,
                                  .from = PARTS[i],
                                  .to = LOYALTY_ERASED,
                                  .amount = *ledger_part_of(lot, PARTS[i]),
                                  .rule = lot->rule};
    enum err err = entry.amount > 0 ? ledger_entry(ledger, draft, lot, entry) : ERR_OK;
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

static enum err erase_debt(struct loyalty_ledger *ledger, struct ledger_draft *draft, uint8_t currency) {
  int64_t debt = loyalty_amount(ledger->wallet, currency, LOYALTY_DEBT);
  struct loyalty_entry entry = {.currency = currency, .from = LOYALTY_ERASED, .to = LOYALTY_DEBT, .amount = -debt};
  return debt < 0 ? ledger_entry(ledger, draft, NULL, entry) : ERR_OK;
}

static bool has_something(const struct loyalty_wallet *wallet) {
  for (size_t i = 0; i < wallet->balance_count; i++)
    if (wallet->balances[i].accounts[LOYALTY_DEBT] < 0) return true;
  return wallet->lot_count > 0;
}

enum err loyalty_erase(struct loyalty_ledger *ledger, const struct loyalty_cause *cause) {
  struct loyalty_wallet *wallet = ledger->wallet;
  struct ledger_mark mark;
  struct ledger_draft draft = {.total = 0};
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  if (has_something(wallet)) err = ledger_draft(ledger, LOYALTY_ERASE, cause, cause->effective_us, &draft);
  for (size_t i = 0; err == ERR_OK && i < wallet->lot_count; i++) err = erase_lot(ledger, &draft, &wallet->lots[i]);
  for (size_t i = 0; err == ERR_OK && i < wallet->balance_count; i++)
    err = erase_debt(ledger, &draft, wallet->balances[i].currency);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  wallet->hold_count = wallet->day_count = wallet->counter_count = 0;
  return ledger_end(ledger, &mark, err);
}
