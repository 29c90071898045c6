// advance: what falls due, instant by instant.
//
// loyalty_due_us is the one place that says when something is due, settle does all of it that is due at an instant, in
// the order of ledger.h: so the loop ends, and a second run finds nothing. Every step of settle takes away what made it
// due. Nothing is done at an instant before the one up to which the wallet was advanced.
#include "loyalty/ledger_private.h"

#include <assert.h>

static int64_t sooner(int64_t a_us, int64_t b_us) {
  return a_us < b_us ? a_us : b_us;
}

// --- when ----------------------------------------------------------------------------------------------------

static int64_t lots_due_us(const struct loyalty_wallet *wallet) {
  int64_t due_us = INT64_MAX;
  for (size_t i = 0; i < wallet->lot_count; i++) {
    const struct loyalty_lot *lot = &wallet->lots[i];
    if (lot->pending > 0) due_us = sooner(due_us, lot->active_us);
    if (lot->active > 0) due_us = sooner(due_us, lot->expires_us);
  }
  return due_us;
}

static int64_t holds_due_us(const struct loyalty_wallet *wallet) {
  int64_t due_us = INT64_MAX;
  for (size_t i = 0; i < wallet->hold_count; i++) due_us = sooner(due_us, wallet->holds[i].expires_us);
  return due_us;
}

// The next day on which something expires that was not announced; INT64_MAX: none.
static int64_t next_expiry_us(const struct loyalty_wallet *wallet) {
  int64_t expires_us = INT64_MAX;
  for (size_t i = 0; i < wallet->lot_count; i++) {
    const struct loyalty_lot *lot = &wallet->lots[i];
    if (lot->active > 0 && lot->expires_us > wallet->expiry_noticed_us)
      expires_us = sooner(expires_us, lot->expires_us);
  }
  return expires_us;
}

static int64_t expiry_notice_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                                const struct rule_zone *zone) {
  if (programme->expiry_notice.count == 0) return INT64_MAX;
  return ledger_wall_before(zone, next_expiry_us(wallet), programme->expiry_notice);
}

static int64_t downgrade_notice_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                                   const struct rule_zone *zone) {
  if (programme->tiers.notice.count == 0) return INT64_MAX;
  int64_t at_us = ledger_downgrade_us(wallet, programme, zone, NULL);
  if (at_us == wallet->downgrade_noticed_us) return INT64_MAX;
  return ledger_wall_before(zone, at_us, programme->tiers.notice);
}

// What automatic rewards leave alone is no more than she has: what she spends is of it last.
static int64_t withheld_of(const struct loyalty_wallet *wallet, uint8_t currency) {
  const struct loyalty_balance *balance = ledger_balance_find(wallet, currency);
  int64_t active = loyalty_amount(wallet, currency, LOYALTY_ACTIVE);
  if (balance == NULL) return 0;
  return balance->withheld < active ? balance->withheld : active;
}

static void settle_withheld(struct loyalty_wallet *wallet) {
  for (size_t i = 0; i < wallet->balance_count; i++)
    if (wallet->balances[i].withheld != 0)
      wallet->balances[i].withheld = withheld_of(wallet, wallet->balances[i].currency);
}

static bool can_have(const struct loyalty_wallet *wallet, const struct loyalty_reward *reward, int64_t at_us) {
  return reward->automatic && !reward->idle && reward->cost > 0 &&
         loyalty_amount(wallet, reward->currency, LOYALTY_ACTIVE) >= reward->cost &&
         ledger_usable_amount(wallet, reward->currency, at_us) - withheld_of(wallet, reward->currency) >= reward->cost;
}

// What is due whatever the time: rewards she can have, debt she can pay, a level that is not hers.
static bool is_due_at_once(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme) {
  for (size_t i = 0; i < programme->reward_count; i++)
    if (can_have(wallet, &programme->rewards[i], wallet->advanced_us)) return true;
  for (size_t i = 0; i < wallet->balance_count; i++)
    if (ledger_can_repay(wallet, wallet->balances[i].currency, wallet->advanced_us)) return true;
  return ledger_tier_is_due(wallet, programme);
}

int64_t loyalty_due_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                       const struct rule_zone *zone) {
  if (is_due_at_once(wallet, programme)) return wallet->advanced_us;
  int64_t due_us = sooner(lots_due_us(wallet), holds_due_us(wallet));
  due_us = sooner(due_us, ledger_tier_due_us(wallet, programme, zone));
  due_us = sooner(due_us, expiry_notice_us(wallet, programme, zone));
  due_us = sooner(due_us, downgrade_notice_us(wallet, programme, zone));
  return due_us < wallet->advanced_us ? wallet->advanced_us : due_us;
}

// --- what ----------------------------------------------------------------------------------------------------

static enum err end_holds(struct loyalty_ledger *ledger, int64_t at_us) {
  for (size_t i = 0; i < ledger->wallet->hold_count;) {
    if (ledger->wallet->holds[i].expires_us > at_us) {
      i++;
      continue;
    }
    enum err err = ledger_hold_release(ledger, NULL, i, at_us);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

static enum err activate(struct loyalty_ledger *ledger, int64_t at_us) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < ledger->wallet->balance_count; i++)
    err = ledger_activate(ledger, NULL, ledger->wallet->balances[i].currency, at_us, at_us);
  for (size_t i = 0; err == ERR_OK && i < ledger->wallet->balance_count; i++)
    err = ledger_repay(ledger, ledger->wallet->balances[i].currency, at_us);
  return err;
}

static enum err give_reward(struct loyalty_ledger *ledger, const struct loyalty_reward *reward, int64_t at_us) {
  struct loyalty_cause cause = {.reference = reward->id, .effective_us = at_us};
  struct loyalty_news news = {.kind = LOYALTY_NEWS_REWARD,
                              .currency = reward->currency,
                              .amount = reward->cost,
                              .at_us = at_us,
                              .reward = reward->number};
  enum err err =
      ledger_spend(ledger, &cause, reward->currency, reward->cost, at_us, &news.parts, &news.part_count, &news.posting);
  return err == ERR_OK ? ledger_tell(ledger, news) : err;
}

static enum err give_rewards(struct loyalty_ledger *ledger, int64_t at_us, size_t *given) {
  const struct loyalty_programme *programme = ledger->programme;
  for (size_t i = 0; i < programme->reward_count; i++)
    while (*given < LOYALTY_REWARDS_AT_ONCE && can_have(ledger->wallet, &programme->rewards[i], at_us)) {
      enum err err = give_reward(ledger, &programme->rewards[i], at_us);
      if (err != ERR_OK) return err;
      ++*given;
    }
  return ERR_OK;
}

static bool is_over(const struct loyalty_lot *lot, uint8_t currency, int64_t at_us) {
  return lot->currency == currency && lot->active > 0 && lot->expires_us <= at_us;
}

static enum err expire_currency(struct loyalty_ledger *ledger, uint8_t currency, int64_t at_us) {
  struct loyalty_wallet *wallet = ledger->wallet;
  struct ledger_draft draft;
  size_t i = 0;
  while (i < wallet->lot_count && !is_over(&wallet->lots[i], currency, at_us)) i++;
  if (i == wallet->lot_count) return ERR_OK;
  enum err err = ledger_draft(ledger, LOYALTY_EXPIRE, NULL, at_us, &draft);
  for (; err == ERR_OK && i < wallet->lot_count; i++) {
    struct loyalty_lot *lot = &wallet->lots[i];
    struct loyalty_entry entry = {
        .currency = currency, .from = LOYALTY_ACTIVE, .to = LOYALTY_EXPIRED, .amount = lot->active, .rule = lot->rule};
    if (is_over(lot, currency, at_us)) err = ledger_entry(ledger, &draft, lot, entry);
  }
  if (err == ERR_OK) err = ledger_post(ledger, &draft);
  struct loyalty_rule_ref none = {0, 0};
  return err == ERR_OK ? ledger_tell_of(ledger, &draft, LOYALTY_NEWS_EXPIRED, currency, none) : err;
}

static enum err expire(struct loyalty_ledger *ledger, int64_t at_us) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < ledger->wallet->balance_count; i++)
    err = expire_currency(ledger, ledger->wallet->balances[i].currency, at_us);
  return err;
}

// --- announced -----------------------------------------------------------------------------------------------

static enum err announce_expiry(struct loyalty_ledger *ledger, int64_t expires_us) {
  struct loyalty_wallet *wallet = ledger->wallet;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < wallet->balance_count; i++) {
    struct loyalty_news news = {
        .kind = LOYALTY_NEWS_EXPIRY_SOON, .currency = wallet->balances[i].currency, .at_us = expires_us};
    for (size_t k = 0; k < wallet->lot_count; k++) // of one account, so the sum is no larger than it
      if (wallet->lots[k].currency == news.currency && wallet->lots[k].expires_us == expires_us)
        news.amount += wallet->lots[k].active;
    if (news.amount > 0) err = ledger_tell(ledger, news);
  }
  wallet->expiry_noticed_us = expires_us;
  return err;
}

static enum err announce_downgrade(struct loyalty_ledger *ledger, int64_t at_us) {
  struct loyalty_wallet *wallet = ledger->wallet;
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  size_t level = 0;
  if (downgrade_notice_us(wallet, ledger->programme, ledger->zone) > at_us) return ERR_OK;
  int64_t down_us = ledger_downgrade_us(wallet, ledger->programme, ledger->zone, &level);
  wallet->downgrade_noticed_us = down_us;
  return ledger_tell(ledger, (struct loyalty_news){.kind = LOYALTY_NEWS_DOWNGRADE_SOON,
                                                   .currency = tiers->currency,
                                                   .level = tiers->levels[level].number,
                                                   .before = wallet->level,
                                                   .at_us = down_us});
}

static enum err announce(struct loyalty_ledger *ledger, int64_t at_us) {
  enum err err = ERR_OK;
  while (err == ERR_OK && expiry_notice_us(ledger->wallet, ledger->programme, ledger->zone) <= at_us)
    err = announce_expiry(ledger, next_expiry_us(ledger->wallet));
  return err == ERR_OK ? announce_downgrade(ledger, at_us) : err;
}

// --- the loop ------------------------------------------------------------------------------------------------

static enum err settle(struct loyalty_ledger *ledger, int64_t at_us, size_t *given) {
  enum err err = end_holds(ledger, at_us);
  if (err == ERR_OK) err = activate(ledger, at_us);
  if (err == ERR_OK) err = give_rewards(ledger, at_us, given);
  if (err == ERR_OK) err = ledger_tier(ledger, at_us);
  if (err == ERR_OK) err = expire(ledger, at_us);
  if (err == ERR_OK) err = ledger_tier(ledger, at_us);
  if (err == ERR_OK) err = announce(ledger, at_us);
  settle_withheld(ledger->wallet);
  ledger->wallet->advanced_us = at_us;
  return err;
}

enum err loyalty_advance(struct loyalty_ledger *ledger, int64_t until_us) {
  struct loyalty_wallet *wallet = ledger->wallet;
  struct ledger_mark mark;
  size_t given = 0;
  assert(until_us <= ledger->now_us);
  settle_withheld(wallet);
  int64_t due_us = loyalty_due_us(wallet, ledger->programme, ledger->zone);
  if (due_us > until_us) { // nearly always
    if (wallet->advanced_us < until_us) wallet->advanced_us = until_us;
    return ERR_OK;
  }
  enum err err = ledger_mark(ledger, &mark);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && due_us <= until_us && given < LOYALTY_REWARDS_AT_ONCE) {
    err = settle(ledger, due_us, &given);
    due_us = loyalty_due_us(wallet, ledger->programme, ledger->zone);
  }
  if (due_us > until_us && wallet->advanced_us < until_us) wallet->advanced_us = until_us;
  return ledger_end(ledger, &mark, err);
}
