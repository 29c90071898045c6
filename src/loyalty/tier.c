// tier: which level she has, and since when she has less than it asks for.
//
// Up at once, to the highest level reached. Down only after `grace` below it, counted from below_since_us. Of
// EARNED_IN_WINDOW the amount falls in two ways: a window ended (days are forgotten), or a return. The first alone
// makes "below"; a return moves her down at once (revert) or not at all (no_revert): then the day that it emptied stays
// in the list with 0, so that the level is looked at when its window ends. Of ACTIVE_BALANCE every fall makes "below".
// With `one`, who is still below after a step down is looked at again after another grace; without a grace, when one
// window more has passed (of ACTIVE_BALANCE: the next local day): below_since_us then lies ahead.
#include "loyalty/ledger_private.h"

#include <assert.h>
#include <string.h>

#include "rule/duration.h"

static bool has_tiers(const struct loyalty_tiers *tiers) {
  return tiers->currency != 0 && tiers->level_count > 0;
}

static bool counts_days(const struct loyalty_tiers *tiers) {
  return has_tiers(tiers) && tiers->qualifying == LOYALTY_EARNED_IN_WINDOW;
}

// --- days ----------------------------------------------------------------------------------------------------

static size_t day_place(const struct loyalty_wallet *wallet, int32_t day) {
  size_t i = wallet->day_count;
  while (i > 0 && wallet->days[i - 1].day >= day) i--; // nearly always the last
  return i;
}

static enum err add_day(struct loyalty_ledger *ledger, size_t at, struct loyalty_day day) {
  struct loyalty_wallet *wallet = ledger->wallet;
  void *days = wallet->days;
  if (ledger_grow(ledger->arena, &days, &wallet->day_capacity, wallet->day_count, sizeof day) != ERR_OK)
    return ERR_NO_MEMORY;
  wallet->days = days;
  memmove(&wallet->days[at + 1], &wallet->days[at], (wallet->day_count - at) * sizeof day);
  wallet->days[at] = day;
  wallet->day_count++;
  return ERR_OK;
}

enum err ledger_day_add(struct loyalty_ledger *ledger, struct loyalty_day day) {
  struct loyalty_wallet *wallet = ledger->wallet;
  size_t at = day_place(wallet, day.day);
  if (at == wallet->day_count || wallet->days[at].day != day.day) return add_day(ledger, at, day);
  int64_t *counted = &wallet->days[at].amount;
  return __builtin_add_overflow(*counted, day.amount, counted) ? ledger_overflow(ledger) : ERR_OK;
}

enum err ledger_qualify(struct loyalty_ledger *ledger, uint8_t currency, int64_t active_us, int64_t amount) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  struct loyalty_wallet *wallet = ledger->wallet;
  if (amount == 0 || tiers->currency != currency || !counts_days(tiers)) return ERR_OK;
  int32_t day = ledger_day(ledger->zone, active_us);
  size_t at = day_place(wallet, day);
  bool counted = at < wallet->day_count && wallet->days[at].day == day;
  if (amount < 0) {
    if (counted) wallet->days[at].amount = wallet->days[at].amount > -amount ? wallet->days[at].amount + amount : 0;
    return ERR_OK;
  }
  // What came so late that it counts no longer.
  if (!counted && ledger_window_end(wallet, tiers, ledger->zone, day) <= wallet->advanced_us) return ERR_OK;
  return ledger_day_add(ledger, (struct loyalty_day){day, amount});
}

// True when a window ended.
static bool forget_days(struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers, const struct rule_zone *zone,
                        int64_t at_us) {
  size_t gone = 0;
  while (gone < wallet->day_count && ledger_window_end(wallet, tiers, zone, wallet->days[gone].day) <= at_us) gone++;
  if (gone == 0) return false;
  wallet->day_count -= gone;
  memmove(wallet->days, &wallet->days[gone], wallet->day_count * sizeof *wallet->days);
  return true;
}

static int64_t sum_of_days(const struct loyalty_wallet *wallet, size_t first) {
  int64_t sum = 0;
  for (size_t i = first; i < wallet->day_count; i++)
    if (__builtin_add_overflow(sum, wallet->days[i].amount, &sum)) return INT64_MAX;
  return sum;
}

int64_t loyalty_qualifying_now(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  if (!has_tiers(tiers)) return 0;
  return counts_days(tiers) ? sum_of_days(wallet, 0) : loyalty_amount(wallet, tiers->currency, LOYALTY_ACTIVE);
}

// --- levels --------------------------------------------------------------------------------------------------

size_t ledger_level_for(const struct loyalty_tiers *tiers, int64_t amount) {
  size_t i = tiers->level_count;
  while (i > 1 && tiers->levels[i - 1].from > amount) i--;
  return i - 1;
}

size_t ledger_level_index(const struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers) {
  for (size_t i = 0; i < tiers->level_count; i++)
    if (tiers->levels[i].number == wallet->level) return i;
  return 0;
}

int64_t loyalty_to_next_level(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                              const struct loyalty_level **next) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  *next = NULL;
  if (!has_tiers(tiers)) return 0;
  size_t above = ledger_level_index(wallet, tiers) + 1;
  if (above >= tiers->level_count) return 0;
  *next = &tiers->levels[above];
  int64_t has = loyalty_qualifying_now(wallet, programme);
  return (*next)->from > has ? (*next)->from - has : 0;
}

static enum err move(struct loyalty_ledger *ledger, size_t index, int64_t at_us, bool by_return) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  struct loyalty_wallet *wallet = ledger->wallet;
  bool up = index > ledger_level_index(wallet, tiers);
  struct loyalty_news news = {.kind = up ? LOYALTY_NEWS_UPGRADED : LOYALTY_NEWS_DOWNGRADED,
                              .currency = tiers->currency,
                              .level = tiers->levels[index].number,
                              .before = wallet->level,
                              .by_return = by_return,
                              .at_us = at_us};
  wallet->level = news.level;
  wallet->level_since_us = at_us;
  wallet->below_since_us = INT64_MAX;
  return ledger_tell(ledger, news);
}

// From when on grace counts for who is still below after a step down.
static int64_t below_again(const struct loyalty_ledger *ledger, int64_t at_us) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  int32_t today = ledger_day(ledger->zone, at_us);
  if (tiers->grace.count > 0) return at_us;
  if (!counts_days(tiers)) return ledger_day_start(ledger->zone, today + 1);
  int64_t end_us = ledger_window_end(ledger->wallet, tiers, ledger->zone, today);
  return end_us > at_us ? end_us : INT64_MAX;
}

static enum err move_down(struct loyalty_ledger *ledger, size_t index, size_t qualifies, int64_t at_us) {
  bool one = ledger->programme->tiers.downgrade == LOYALTY_DOWNGRADE_ONE;
  size_t lower = one ? index - 1 : qualifies;
  enum err err = move(ledger, lower, at_us, false);
  if (lower > qualifies) ledger->wallet->below_since_us = below_again(ledger, at_us);
  return err;
}

static int64_t down_us(const struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers,
                       const struct rule_zone *zone) {
  return ledger_wall_add(zone, wallet->below_since_us, tiers->grace);
}

enum err ledger_tier(struct loyalty_ledger *ledger, int64_t at_us) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  struct loyalty_wallet *wallet = ledger->wallet;
  if (!has_tiers(tiers)) {
    wallet->level = 0;
    return ERR_OK;
  }
  if (wallet->level == 0) { // the programme has tiers since a later version
    wallet->level = tiers->levels[0].number;
    wallet->level_since_us = at_us;
  }
  bool ended = counts_days(tiers) && forget_days(wallet, tiers, ledger->zone, at_us);
  size_t index = ledger_level_index(wallet, tiers);
  size_t qualifies = ledger_level_for(tiers, loyalty_qualifying_now(wallet, ledger->programme));
  if (qualifies > index) return move(ledger, qualifies, at_us, false);
  if (qualifies == index || tiers->downgrade == LOYALTY_DOWNGRADE_NONE) {
    wallet->below_since_us = INT64_MAX;
    return ERR_OK;
  }
  if (wallet->below_since_us == INT64_MAX && (ended || !counts_days(tiers))) wallet->below_since_us = at_us;
  if (down_us(wallet, tiers, ledger->zone) > at_us) return ERR_OK;
  return move_down(ledger, index, qualifies, at_us);
}

// Who was below before the return stays in her grace: the return did not take her level.
enum err ledger_tier_returned(struct loyalty_ledger *ledger, int64_t before) {
  const struct loyalty_tiers *tiers = &ledger->programme->tiers;
  if (!has_tiers(tiers) || !tiers->after_return) return ERR_OK;
  size_t index = ledger_level_index(ledger->wallet, tiers);
  size_t qualifies = ledger_level_for(tiers, loyalty_qualifying_now(ledger->wallet, ledger->programme));
  if (qualifies >= index || ledger_level_for(tiers, before) < index) return ERR_OK;
  return move(ledger, qualifies, ledger->now_us, true);
}

// --- when ----------------------------------------------------------------------------------------------------

bool ledger_tier_is_due(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  if (!has_tiers(tiers)) return wallet->level != 0;
  if (wallet->level == 0) return true;
  size_t index = ledger_level_index(wallet, tiers);
  size_t qualifies = ledger_level_for(tiers, loyalty_qualifying_now(wallet, programme));
  if (qualifies > index) return true;
  if (qualifies == index || tiers->downgrade == LOYALTY_DOWNGRADE_NONE) return wallet->below_since_us != INT64_MAX;
  return !counts_days(tiers) && wallet->below_since_us == INT64_MAX;
}

int64_t ledger_tier_due_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                           const struct rule_zone *zone) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  if (!has_tiers(tiers)) return INT64_MAX;
  int64_t due_us = down_us(wallet, tiers, zone);
  if (counts_days(tiers) && wallet->day_count > 0) {
    int64_t end_us = ledger_window_end(wallet, tiers, zone, wallet->days[0].day);
    if (end_us < due_us) due_us = end_us;
  }
  return due_us;
}

// When windows that end will leave her with less than `from`.
static int64_t will_be_below_us(const struct loyalty_wallet *wallet, const struct loyalty_tiers *tiers,
                                const struct rule_zone *zone, int64_t from) {
  int64_t rest = sum_of_days(wallet, 0);
  for (size_t i = 0; i < wallet->day_count; i++) {
    rest -= wallet->days[i].amount;
    if (rest < from) return ledger_window_end(wallet, tiers, zone, wallet->days[i].day);
  }
  return INT64_MAX;
}

static size_t level_at(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                       const struct rule_zone *zone, int64_t at_us) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  size_t gone = 0;
  if (tiers->downgrade == LOYALTY_DOWNGRADE_ONE) return ledger_level_index(wallet, tiers) - 1;
  if (!counts_days(tiers)) return ledger_level_for(tiers, loyalty_qualifying_now(wallet, programme));
  while (gone < wallet->day_count && ledger_window_end(wallet, tiers, zone, wallet->days[gone].day) <= at_us) gone++;
  return ledger_level_for(tiers, sum_of_days(wallet, gone));
}

int64_t ledger_downgrade_us(const struct loyalty_wallet *wallet, const struct loyalty_programme *programme,
                            const struct rule_zone *zone, size_t *level) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  if (!has_tiers(tiers) || tiers->downgrade == LOYALTY_DOWNGRADE_NONE) return INT64_MAX;
  size_t index = ledger_level_index(wallet, tiers);
  if (index == 0) return INT64_MAX;
  int64_t below_us = wallet->below_since_us;
  if (below_us == INT64_MAX && counts_days(tiers))
    below_us = will_be_below_us(wallet, tiers, zone, tiers->levels[index].from);
  int64_t at_us = ledger_wall_add(zone, below_us, tiers->grace);
  if (at_us != INT64_MAX && level != NULL) *level = level_at(wallet, programme, zone, at_us);
  return at_us;
}
