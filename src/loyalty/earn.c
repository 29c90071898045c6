// earn: what brings amounts: earnings, balances from elsewhere, a person's corrections.
//
// Every one makes one lot. What is active at once counts for tiers and pays debt in the same operation, so that nobody
// sees the amount before its debt is paid.
#include "loyalty/ledger_private.h"

static enum err check_amount(struct loyalty_ledger *ledger, uint8_t currency, int64_t amount) {
  if (amount <= 0) return ledger_bad_amount(ledger);
  if (ledger_currency(ledger->programme, currency) == NULL)
    return diag_set(ledger->diag, ERR_INVALID, "unknown_currency", "the programme has no such currency");
  return ERR_OK;
}

static enum err tell_of_lot(struct loyalty_ledger *ledger, const struct ledger_draft *draft,
                            const struct loyalty_lot *lot) {
  bool adjusted = draft->posting.kind == LOYALTY_ADJUST;
  return ledger_tell_of(ledger, draft, adjusted ? LOYALTY_NEWS_ADJUSTED : LOYALTY_NEWS_EARNED, lot->currency,
                        lot->rule);
}

// `lot` with its dates; the rest is filled in here.
static enum err add_lot(struct loyalty_ledger *ledger, enum loyalty_posting_kind kind,
                        const struct loyalty_cause *cause, enum loyalty_account from, struct loyalty_lot lot,
                        uint64_t *id) {
  struct ledger_draft draft;
  struct loyalty_lot *placed;
  bool pending = lot.active_us > ledger->now_us;
  enum err err = ledger_draft(ledger, kind, cause, cause->effective_us, &draft);
  if (err != ERR_OK) return err;
  lot.id = draft.posting.id << 8;
  lot.earned_us = cause->effective_us;
  lot.origin = ledger->customer;
  lot.rule = cause->rule;
  err = ledger_lot_add(ledger->wallet, ledger->arena, &lot, &placed);
  struct loyalty_entry entry = {.currency = lot.currency,
                                .from = from,
                                .to = pending ? LOYALTY_PENDING : LOYALTY_ACTIVE,
                                .amount = lot.amount,
                                .rule = cause->rule};
  if (err == ERR_OK) err = ledger_entry(ledger, &draft, placed, entry);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  if (err == ERR_OK) err = tell_of_lot(ledger, &draft, &lot);
  if (err == ERR_OK && !pending) err = ledger_qualify(ledger, lot.currency, lot.active_us, lot.amount);
  // What comes after its last day pays what was spent of it before that day.
  bool past = lot.expires_us <= ledger->now_us;
  if (err == ERR_OK && !pending) err = ledger_repay(ledger, lot.currency, past ? lot.expires_us - 1 : ledger->now_us);
  if (id != NULL) *id = lot.id;
  return err;
}

static enum err out_of_calendar(struct loyalty_ledger *ledger, enum err err) {
  return diag_set(ledger->diag, err, "bad_date", "the dates of the amount are beyond the calendar");
}

// When an amount of `effective_us` is active, and until when. Of ON_EVENT: not known yet.
static enum err dates_of(struct loyalty_ledger *ledger, uint8_t number, int64_t effective_us, struct loyalty_lot *lot) {
  const struct loyalty_currency *currency = ledger_currency(ledger->programme, number);
  enum err err = loyalty_activation(currency, ledger->zone, effective_us, &lot->active_us);
  lot->expires_us = INT64_MAX;
  if (err == ERR_OK && lot->active_us != INT64_MAX)
    err = loyalty_expiry(currency, ledger->zone, lot->active_us, &lot->expires_us);
  return err == ERR_OK ? ERR_OK : out_of_calendar(ledger, err);
}

enum err loyalty_earn(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                      int64_t amount, uint64_t *lot) {
  struct ledger_mark mark;
  struct loyalty_lot earned = {.currency = currency, .amount = amount};
  enum err err = check_amount(ledger, currency, amount);
  if (err == ERR_OK) err = dates_of(ledger, currency, cause->effective_us, &earned);
  if (err == ERR_OK) err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = add_lot(ledger, LOYALTY_EARN, cause, LOYALTY_ISSUED, earned, lot);
  if (err == ERR_OK) err = ledger_slide(ledger, currency, ledger->now_us);
  return ledger_end(ledger, &mark, err);
}

enum err loyalty_import(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                        int64_t amount, int64_t active_us, int64_t expires_us, uint64_t *lot) {
  struct ledger_mark mark;
  struct loyalty_lot brought = {
      .currency = currency, .amount = amount, .active_us = active_us, .expires_us = expires_us};
  enum err err = check_amount(ledger, currency, amount);
  if (err == ERR_OK) err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  return ledger_end(ledger, &mark, add_lot(ledger, LOYALTY_IMPORT, cause, LOYALTY_ISSUED, brought, lot));
}

// A person gives at once: no pending period, the validity of an amount that is active now.
static enum err adjust_more(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                            int64_t amount) {
  struct loyalty_lot given = {.currency = currency, .amount = amount, .active_us = cause->effective_us};
  enum err err =
      loyalty_expiry(ledger_currency(ledger->programme, currency), ledger->zone, given.active_us, &given.expires_us);
  if (err != ERR_OK) return out_of_calendar(ledger, err);
  return add_lot(ledger, LOYALTY_ADJUST, cause, LOYALTY_ADJUSTED, given, NULL);
}

static enum err adjust_less(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                            int64_t amount) {
  struct ledger_draft draft;
  enum err err = ledger_draft(ledger, LOYALTY_ADJUST, cause, cause->effective_us, &draft);
  if (err == ERR_OK) err = ledger_take(ledger, &draft, currency, amount, ledger->now_us, LOYALTY_ADJUSTED, NULL, NULL);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  if (err != ERR_OK) return err;
  draft.total = -draft.total; // the news says which way
  return ledger_tell_of(ledger, &draft, LOYALTY_NEWS_ADJUSTED, currency, cause->rule);
}

enum err loyalty_adjust(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                        int64_t amount, bool more) {
  struct ledger_mark mark;
  enum err err = check_amount(ledger, currency, amount);
  if (err == ERR_OK) err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  return ledger_end(ledger, &mark, (more ? adjust_more : adjust_less)(ledger, cause, currency, amount));
}

// --- pending to active ---------------------------------------------------------------------------------------

static bool is_due(const struct loyalty_lot *lot, uint8_t currency, int64_t until_us) {
  return lot->currency == currency && lot->pending > 0 && lot->active_us <= until_us;
}

static enum err activate_lots(struct loyalty_ledger *ledger, struct ledger_draft *draft, uint8_t currency,
                              int64_t until_us) {
  for (size_t i = 0; i < ledger->wallet->lot_count; i++) {
    struct loyalty_lot *lot = &ledger->wallet->lots[i];
    if (!is_due(lot, currency, until_us)) continue;
    struct loyalty_entry entry = {
        .currency = currency, .from = LOYALTY_PENDING, .to = LOYALTY_ACTIVE, .amount = lot->pending, .rule = lot->rule};
    enum err err = ledger_entry(ledger, draft, lot, entry);
    if (err == ERR_OK) err = ledger_qualify(ledger, currency, lot->active_us, entry.amount);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

enum err ledger_activate(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, uint8_t currency,
                         int64_t until_us, int64_t effective_us) {
  size_t i = 0;
  while (i < ledger->wallet->lot_count && !is_due(&ledger->wallet->lots[i], currency, until_us)) i++;
  if (i == ledger->wallet->lot_count) return ERR_OK;
  struct loyalty_rule_ref rule = ledger->wallet->lots[i].rule;
  struct ledger_draft draft;
  enum err err = ledger_draft(ledger, LOYALTY_ACTIVATE, cause, effective_us, &draft);
  if (err == ERR_OK) err = activate_lots(ledger, &draft, currency, until_us);
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  if (draft.posting.entry_count > 1) rule = (struct loyalty_rule_ref){0, 0}; // of several there is none
  if (err == ERR_OK) err = ledger_tell_of(ledger, &draft, LOYALTY_NEWS_ACTIVATED, currency, rule);
  return err == ERR_OK ? ledger_repay(ledger, currency, until_us) : err;
}

// The event came: now their dates are known.
static enum err date_lots(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, const uint64_t *lots,
                          size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct loyalty_lot *lot = ledger_lot_find(ledger->wallet, lots[i]);
    if (lot == NULL || lot->pending == 0) continue;
    lot->active_us = cause->effective_us > lot->earned_us ? cause->effective_us : lot->earned_us;
    enum err err = loyalty_expiry(ledger_currency(ledger->programme, lot->currency), ledger->zone, lot->active_us,
                                  &lot->expires_us);
    if (err != ERR_OK) return out_of_calendar(ledger, err);
  }
  return ERR_OK;
}

enum err loyalty_release_lots(struct loyalty_ledger *ledger, const struct loyalty_cause *cause, const uint64_t *lots,
                              size_t count) {
  const struct loyalty_programme *programme = ledger->programme;
  struct ledger_mark mark;
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  err = date_lots(ledger, cause, lots, count);
  for (size_t i = 0; err == ERR_OK && i < programme->currency_count; i++)
    err = ledger_activate(ledger, cause, programme->currencies[i].number, ledger->now_us, cause->effective_us);
  return ledger_end(ledger, &mark, err);
}
