// cap: what was used of caps and vouchers, by the period it was used in.
//
// A period is known by its first local day, an hour by its number; a late event is counted in the period of its own
// time, so the periods that lateness can still reach are kept: those that began at most 8 days, or the programme's
// lateness, before the latest of the same counter, and the one right before the latest. Counters ascend by rule,
// voucher, cap and start; one that is back at 0 is forgotten.
#include "loyalty/ledger_private.h"

#include <string.h>

#include "base/clock.h"
#include "rule/duration.h"

enum { KEPT_DAYS_MIN = 8 };

static const enum rule_unit UNITS[] = {[LOYALTY_DAY] = RULE_DAY,
                                       [LOYALTY_WEEK] = RULE_WEEK,
                                       [LOYALTY_MONTH] = RULE_MONTH,
                                       [LOYALTY_YEAR] = RULE_YEAR,
                                       [LOYALTY_HOUR] = RULE_HOUR};

int32_t loyalty_period_start(const struct rule_zone *zone, enum loyalty_period period, int64_t at_us) {
  int64_t start_us;
  if (period == LOYALTY_EVER || rule_time_start(zone, at_us, UNITS[period], 0, &start_us) != ERR_OK) return 0;
  return period == LOYALTY_HOUR ? (int32_t)(start_us / CLOCK_HOUR_US) : ledger_day(zone, start_us);
}

int64_t loyalty_period_end(const struct rule_zone *zone, enum loyalty_period period, int64_t at_us) {
  int64_t end_us;
  if (period == LOYALTY_EVER || rule_time_start(zone, at_us, UNITS[period], 1, &end_us) != ERR_OK) return INT64_MAX;
  return end_us;
}

static int compare_u32(uint32_t a, uint32_t b) {
  return a < b ? -1 : a > b;
}

static int compare_keys(const struct loyalty_counter *a, const struct loyalty_counter *b) {
  int order = compare_u32(a->rule.campaign, b->rule.campaign);
  if (order == 0) order = compare_u32(a->rule.rule, b->rule.rule);
  if (order == 0) order = compare_u32(a->voucher, b->voucher);
  return order != 0 ? order : compare_u32(a->cap, b->cap);
}

int ledger_counter_compare(const struct loyalty_counter *a, const struct loyalty_counter *b) {
  int order = compare_keys(a, b);
  return order != 0 ? order : (a->start_day > b->start_day) - (a->start_day < b->start_day);
}

static size_t counter_place(const struct loyalty_wallet *wallet, const struct loyalty_counter *key) {
  size_t low = 0, high = wallet->counter_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ledger_counter_compare(&wallet->counters[middle], key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool is_there(const struct loyalty_wallet *wallet, size_t at, const struct loyalty_counter *key) {
  return at < wallet->counter_count && ledger_counter_compare(&wallet->counters[at], key) == 0;
}

int64_t loyalty_cap_room(const struct loyalty_wallet *wallet, const struct rule_zone *zone,
                         struct loyalty_rule_ref rule, uint8_t cap, enum loyalty_period period, int64_t most,
                         int64_t at_us) {
  struct loyalty_counter key = {.rule = rule, .cap = cap, .start_day = loyalty_period_start(zone, period, at_us)};
  size_t at = counter_place(wallet, &key);
  int64_t used = is_there(wallet, at, &key) ? wallet->counters[at].used : 0;
  return used < most ? most - used : 0;
}

int64_t loyalty_voucher_uses(const struct loyalty_wallet *wallet, uint32_t voucher) {
  int64_t uses = 0;
  for (size_t i = 0; i < wallet->counter_count; i++)
    if (wallet->counters[i].voucher == voucher && __builtin_add_overflow(uses, wallet->counters[i].used, &uses))
      return INT64_MAX;
  return uses;
}

static void remove_counters(struct loyalty_wallet *wallet, size_t at, size_t count) {
  wallet->counter_count -= count;
  memmove(&wallet->counters[at], &wallet->counters[at + count],
          (wallet->counter_count - at) * sizeof *wallet->counters);
}

static enum err add_counter(struct loyalty_ledger *ledger, size_t at, struct loyalty_counter counter) {
  struct loyalty_wallet *wallet = ledger->wallet;
  void *counters = wallet->counters;
  if (ledger_grow(ledger->arena, &counters, &wallet->counter_capacity, wallet->counter_count, sizeof counter) != ERR_OK)
    return diag_no_memory(ledger->diag);
  wallet->counters = counters;
  memmove(&wallet->counters[at + 1], &wallet->counters[at], (wallet->counter_count - at) * sizeof counter);
  wallet->counters[at] = counter;
  wallet->counter_count++;
  return ERR_OK;
}

enum err ledger_counter_add(struct loyalty_ledger *ledger, const struct loyalty_counter *counter) {
  size_t at = counter_place(ledger->wallet, counter);
  if (!is_there(ledger->wallet, at, counter)) return add_counter(ledger, at, *counter);
  int64_t *used = &ledger->wallet->counters[at].used;
  return __builtin_add_overflow(*used, counter->used, used) ? ledger_overflow(ledger) : ERR_OK;
}

static int64_t kept_days(const struct loyalty_ledger *ledger) {
  struct rule_duration lateness = ledger->programme->offline.lateness;
  int64_t late_us = ledger_wall_before(ledger->zone, ledger->now_us, lateness);
  int64_t days = late_us == INT64_MAX ? INT32_MAX : (ledger->now_us - late_us) / CLOCK_DAY_US + 1;
  return days > KEPT_DAYS_MIN ? days : KEPT_DAYS_MIN;
}

// The latest of a counter is at `last`.
static void forget_old(struct loyalty_ledger *ledger, enum loyalty_period period, size_t last) {
  struct loyalty_wallet *wallet = ledger->wallet;
  int64_t kept_periods = kept_days(ledger) * (period == LOYALTY_HOUR ? 24 : 1);
  int64_t oldest = wallet->counters[last].start_day - kept_periods;
  size_t first = last, kept;
  while (first > 0 && compare_keys(&wallet->counters[first - 1], &wallet->counters[last]) == 0) first--;
  kept = first;
  while (kept + 1 < last && wallet->counters[kept].start_day < oldest) kept++;
  if (kept > first) remove_counters(wallet, first, kept - first);
}

enum err loyalty_count(struct loyalty_ledger *ledger, struct loyalty_rule_ref rule, uint32_t voucher, uint8_t cap,
                       enum loyalty_period period, int64_t at_us, int64_t amount) {
  struct loyalty_wallet *wallet = ledger->wallet;
  struct loyalty_counter key = {
      .rule = rule, .voucher = voucher, .cap = cap, .start_day = loyalty_period_start(ledger->zone, period, at_us)};
  size_t at = counter_place(wallet, &key);
  if (is_there(wallet, at, &key)) {
    int64_t used;
    if (__builtin_add_overflow(wallet->counters[at].used, amount, &used)) return ledger_overflow(ledger);
    wallet->counters[at].used = used;
    if (used <= 0) remove_counters(wallet, at, 1);
    return ERR_OK;
  }
  if (amount <= 0) return ERR_OK; // what is given back was forgotten
  key.used = amount;
  enum err err = add_counter(ledger, at, key);
  if (err != ERR_OK) return err;
  if (at + 1 == wallet->counter_count || compare_keys(&wallet->counters[at + 1], &key) != 0)
    forget_old(ledger, period, at);
  return ERR_OK;
}
