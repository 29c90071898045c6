// loyalty_ledger_reference: what a member has, told in the simplest way there is.
//
// It knows no accounts, no postings and no due list: one record a lot with a state for each amount, one record for
// everything that was counted against a cap, and whoever moves the clock looks at everything hour by hour. Qualifying
// amounts are counted from what was given. Of the product it asks only dates: when a lot becomes active and expires.
#pragma once

#include "loyalty_ledger_kit.h"

enum { LOTS_MAX = 600, HOLDS_MAX = 160, GAINS_MAX = 1200, USES_MAX = 1200 };
enum { RULES = 2, CAPS = 2 };

struct model_lot {
  uint64_t id;
  uint32_t rule; // 0: none
  bool external; // brought from another programme
  int64_t earned_us, active_us, expires_us;
  int64_t given, pending, active, held;
};
struct model_hold {
  uint64_t id;
  int64_t expires_us;
  int64_t of_lot[LOTS_MAX];
};
struct model_gain { // an amount that counts, from the day on which its lot became active
  int32_t day;
  int64_t amount;
};
struct model_use { // so much of a cap, at that time
  uint32_t rule;
  uint8_t cap;
  int64_t at_us, amount;
};
struct model {
  const struct loyalty_programme *programme;
  const struct rule_zone *zone;
  int64_t joined_us, now_us;
  struct model_lot lots[LOTS_MAX];
  size_t lot_count;
  struct model_hold holds[HOLDS_MAX];
  size_t hold_count;
  struct model_gain gains[GAINS_MAX];
  size_t gain_count;
  struct model_use uses[USES_MAX];
  size_t use_count;
  int64_t debt, spent, expired, uncollected;
  size_t rewards; // given
  size_t level;
  int64_t below_us;
};

static inline int64_t wall(const struct rule_zone *zone, int64_t time_us) {
  return time_us + rule_zone_offset(zone, time_us) * (int64_t)CLOCK_SECOND_US;
}

static inline int32_t day_of(const struct rule_zone *zone, int64_t time_us) {
  return (int32_t)(wall(zone, time_us) / CLOCK_DAY_US);
}

// Does a day's gain still count? By local dates, not by instants.
static inline bool counts(const struct model *model, int32_t day) {
  const struct loyalty_tiers *tiers = &model->programme->tiers;
  struct rule_civil then, now, joined;
  rule_time_civil(model->zone, day * CLOCK_DAY_US + CLOCK_DAY_US / 2, &then);
  rule_time_civil(model->zone, model->now_us, &now);
  rule_time_civil(model->zone, model->joined_us, &joined);
  int today = now.month * 100 + now.day, thatday = then.month * 100 + then.day;
  int joinday = joined.month * 100 + joined.day;
  if (tiers->window == LOYALTY_WINDOW_CALENDAR) return then.year == now.year;
  if (tiers->window == LOYALTY_WINDOW_ANNIVERSARY)
    return then.year - (thatday < joinday) == now.year - (today < joinday);
  if (tiers->window_length.unit == RULE_DAY)
    return day_of(model->zone, model->now_us) - day < tiers->window_length.count;
  return now.year == then.year || (now.year == then.year + 1 && today < thatday);
}

static inline int64_t total(const struct model *model, int which) {
  int64_t sum = 0;
  for (size_t i = 0; i < model->lot_count; i++)
    sum += which == 0 ? model->lots[i].pending : which == 1 ? model->lots[i].active : model->lots[i].held;
  return sum;
}

static inline int64_t qualifying(const struct model *model) {
  int64_t sum = 0;
  if (model->programme->tiers.qualifying == LOYALTY_ACTIVE_BALANCE) return total(model, 1);
  for (size_t i = 0; i < model->gain_count; i++) sum += model->gains[i].amount;
  return sum;
}

static inline size_t deserved(const struct model *model) {
  int64_t amount = qualifying(model);
  size_t level = 0;
  for (size_t i = 0; i < model->programme->tiers.level_count; i++)
    if (model->programme->tiers.levels[i].from <= amount) level = i;
  return level;
}

static inline struct model_lot *next_to_spend(struct model *model, int64_t at_us, bool external) {
  struct model_lot *best = NULL;
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->active == 0 || lot->expires_us <= at_us || (external && !lot->external)) continue;
    if (best == NULL || lot->expires_us < best->expires_us ||
        (lot->expires_us == best->expires_us && lot->earned_us < best->earned_us))
      best = lot;
    if (lot->expires_us == best->expires_us && lot->earned_us == best->earned_us && lot->id < best->id) best = lot;
  }
  return best;
}

// Unit by unit would be simplest of all; this is the same in fewer rounds.
static inline int64_t draw_of(struct model *model, int64_t amount, int64_t at_us, bool external) {
  int64_t drawn = 0;
  for (struct model_lot *lot; drawn < amount && (lot = next_to_spend(model, at_us, external)) != NULL;) {
    int64_t part = lot->active < amount - drawn ? lot->active : amount - drawn;
    lot->active -= part;
    drawn += part;
  }
  return drawn;
}

static inline int64_t draw(struct model *model, int64_t amount) {
  return draw_of(model, amount, model->now_us, false);
}

static inline void pay_debt(struct model *model) {
  model->debt -= draw(model, model->debt);
}

// A lot that came after its last day pays what was owed before it.
static inline void pay_debt_late(struct model *model, const struct model_lot *lot) {
  int64_t at_us = lot->expires_us <= model->now_us ? lot->expires_us - 1 : model->now_us;
  model->debt -= draw_of(model, model->debt, at_us, false);
}

static inline int64_t spendable(const struct model *model) {
  int64_t sum = 0;
  for (size_t i = 0; i < model->lot_count; i++)
    if (model->lots[i].expires_us > model->now_us) sum += model->lots[i].active;
  return sum;
}

static inline void gain(struct model *model, int64_t active_us, int64_t amount) {
  int32_t day = day_of(model->zone, active_us);
  if (!counts(model, day)) return;
  assert_true(model->gain_count < GAINS_MAX);
  model->gains[model->gain_count++] = (struct model_gain){day, amount};
}

static inline void lose(struct model *model, int64_t active_us, int64_t amount) {
  int32_t day = day_of(model->zone, active_us);
  for (size_t i = 0; i < model->gain_count; i++) {
    if (model->gains[i].day != day) continue;
    int64_t part = model->gains[i].amount < amount ? model->gains[i].amount : amount;
    model->gains[i].amount -= part;
    amount -= part;
  }
}

static inline void slide(struct model *model) {
  const struct loyalty_currency *currency = &model->programme->currencies[0];
  int64_t expires_us;
  if (currency->validity != LOYALTY_VALID_SLIDING) return;
  assert_int_equal(loyalty_expiry(currency, model->zone, model->now_us, &expires_us), ERR_OK);
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->active + lot->held == 0 || lot->expires_us == INT64_MAX || lot->expires_us <= model->now_us) continue;
    if (expires_us > lot->expires_us) lot->expires_us = expires_us; // a date from elsewhere may be later already
  }
}

static inline void look_at_level(struct model *model, bool window_ended) {
  const struct loyalty_tiers *tiers = &model->programme->tiers;
  size_t level = deserved(model);
  if (level >= model->level) {
    model->level = level;
    model->below_us = INT64_MAX;
    return;
  }
  if (tiers->downgrade == LOYALTY_DOWNGRADE_NONE) return;
  if (model->below_us == INT64_MAX && (window_ended || tiers->qualifying == LOYALTY_ACTIVE_BALANCE))
    model->below_us = model->now_us;
  if (model->below_us == INT64_MAX ||
      wall(model->zone, model->now_us) < wall(model->zone, model->below_us) + tiers->grace.count * CLOCK_DAY_US)
    return;
  bool one = tiers->downgrade == LOYALTY_DOWNGRADE_ONE;
  model->level = one ? model->level - 1 : level;
  model->below_us = model->level > level ? model->now_us : INT64_MAX;
}

// A return took so much that she does not deserve her level any more, though she did before it.
static inline void look_after_return(struct model *model, size_t before) {
  size_t level = deserved(model);
  if (!model->programme->tiers.after_return || level >= model->level || before < model->level) return;
  model->level = level;
  model->below_us = INT64_MAX;
}

static inline void end_hold(struct model *model, size_t index, int64_t captured) {
  struct model_hold *hold = &model->holds[index];
  // In order of spending as it was: soonest expiry, then oldest; expiry dates of a hold's lots keep their order.
  for (bool more = true; more;) {
    size_t best = LOTS_MAX;
    for (size_t i = 0; i < model->lot_count; i++) {
      const struct model_lot *lot = &model->lots[i];
      if (hold->of_lot[i] == 0) continue;
      if (best == LOTS_MAX || lot->expires_us < model->lots[best].expires_us ||
          (lot->expires_us == model->lots[best].expires_us && lot->earned_us < model->lots[best].earned_us))
        best = i;
      const struct model_lot *soonest = &model->lots[best];
      if (lot->expires_us == soonest->expires_us && lot->earned_us == soonest->earned_us && lot->id < soonest->id)
        best = i;
    }
    more = best != LOTS_MAX;
    if (!more) break;
    int64_t part = hold->of_lot[best], taken = part < captured ? part : captured;
    model->lots[best].held -= part;
    model->lots[best].active += part - taken;
    captured -= taken;
    model->spent += taken;
    hold->of_lot[best] = 0;
  }
  model->holds[index] = model->holds[--model->hold_count];
}

// True when something counted until now.
static inline bool forget_gains(struct model *model) {
  bool ended = false;
  for (size_t i = 0; i < model->gain_count;) {
    if (counts(model, model->gains[i].day)) {
      i++;
      continue;
    }
    ended = true;
    model->gains[i] = model->gains[--model->gain_count];
  }
  return ended;
}

// As often as she can pay for them, in their order.
static inline void give_rewards(struct model *model) {
  for (size_t i = 0; i < model->programme->reward_count; i++) {
    const struct loyalty_reward *reward = &model->programme->rewards[i];
    while (reward->automatic && spendable(model) >= reward->cost) {
      model->spent += draw(model, reward->cost);
      model->rewards++;
      slide(model);
    }
  }
}

// All that is due at this very instant.
static inline void tick(struct model *model) {
  for (size_t i = 0; i < model->hold_count;) {
    if (model->holds[i].expires_us <= model->now_us) {
      end_hold(model, i, 0);
    } else {
      i++;
    }
  }
  pay_debt(model);
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->pending == 0 || lot->active_us > model->now_us) continue;
    gain(model, lot->active_us, lot->pending);
    lot->active += lot->pending;
    lot->pending = 0;
  }
  pay_debt(model);
  give_rewards(model);
  bool ended = forget_gains(model);
  look_at_level(model, ended);
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->expires_us > model->now_us) continue;
    model->expired += lot->active;
    lot->active = 0;
  }
  look_at_level(model, false);
}

// --- caps ----------------------------------------------------------------------------------------------------

// Are both in one day, week, month or year of the calendar?
static inline bool is_same_period(const struct model *model, enum loyalty_period period, int64_t a_us, int64_t b_us) {
  struct rule_civil a, b;
  rule_time_civil(model->zone, a_us, &a);
  rule_time_civil(model->zone, b_us, &b);
  int64_t day_a = day_of(model->zone, a_us), day_b = day_of(model->zone, b_us);
  switch (period) {
  case LOYALTY_EVER:
    return true;
  case LOYALTY_DAY:
    return day_a == day_b;
  case LOYALTY_WEEK: // 1 January 1970 was a Thursday
    return (day_a + 3) / 7 == (day_b + 3) / 7;
  case LOYALTY_MONTH:
    return a.year == b.year && a.month == b.month;
  case LOYALTY_YEAR:
    return a.year == b.year;
  }
  return false;
}

static inline int64_t used(const struct model *model, uint32_t rule, uint8_t cap, enum loyalty_period period,
                           int64_t at_us) {
  int64_t sum = 0;
  for (size_t i = 0; i < model->use_count; i++) {
    const struct model_use *use = &model->uses[i];
    if (use->rule == rule && use->cap == cap && is_same_period(model, period, use->at_us, at_us)) sum += use->amount;
  }
  return sum;
}

// --- two members ---------------------------------------------------------------------------------------------

// All that is theirs is hers.
static inline void unite(struct model *model, const struct model *from) {
  size_t first = model->lot_count;
  assert_true(first + from->lot_count <= LOTS_MAX && model->hold_count + from->hold_count <= HOLDS_MAX);
  assert_true(model->gain_count + from->gain_count <= GAINS_MAX && model->use_count + from->use_count <= USES_MAX);
  for (size_t i = 0; i < from->lot_count; i++) model->lots[model->lot_count++] = from->lots[i];
  for (size_t i = 0; i < from->gain_count; i++) model->gains[model->gain_count++] = from->gains[i];
  for (size_t i = 0; i < from->use_count; i++) model->uses[model->use_count++] = from->uses[i];
  for (size_t i = 0; i < from->hold_count; i++) {
    struct model_hold *hold = &model->holds[model->hold_count++];
    *hold = (struct model_hold){.id = from->holds[i].id, .expires_us = from->holds[i].expires_us};
    for (size_t k = 0; k < from->lot_count; k++) hold->of_lot[first + k] = from->holds[i].of_lot[k];
  }
  model->debt += from->debt;
  model->spent += from->spent;
  model->expired += from->expired;
  model->uncollected += from->uncollected;
  model->rewards += from->rewards;
  if (from->level > model->level || (from->level == model->level && from->below_us > model->below_us))
    model->below_us = from->below_us;
  if (from->level > model->level) model->level = from->level;
  if (from->joined_us < model->joined_us) model->joined_us = from->joined_us;
}
