// The ledger against a simple one: random programmes, operations and clock moves. The reference knows no accounts, no
// postings and no due list: it has one record a lot with a state for each amount, looks at everything hour by hour, and
// counts qualifying amounts from what it gave. After every step: balances, lots and level are the same; the postings
// verify; rows come back; and a member who is advanced in many small steps is the same as one who is advanced in one.
#include "loyalty_ledger_kit.h"

enum { PROGRAMMES = 60, STEPS = 60, LOTS_MAX = 200, HOLDS_MAX = 60, GAINS_MAX = 400, STEP_HOURS_MAX = 24 * 40 };

// --- chance --------------------------------------------------------------------------------------------------

static uint64_t seed;

static uint64_t chance(uint64_t below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (seed >> 33) % below;
}

// --- the reference -------------------------------------------------------------------------------------------

struct model_lot {
  uint64_t id;
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
  int64_t debt, spent, expired, uncollected;
  size_t level;
  int64_t below_us;
};

static int64_t wall(const struct rule_zone *zone, int64_t time_us) {
  return time_us + rule_zone_offset(zone, time_us) * (int64_t)CLOCK_SECOND_US;
}

static int32_t day_of(const struct rule_zone *zone, int64_t time_us) {
  return (int32_t)(wall(zone, time_us) / CLOCK_DAY_US);
}

// Does a day's gain still count? By local dates, not by instants.
static bool counts(const struct model *model, int32_t day) {
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

static int64_t total(const struct model *model, int which) {
  int64_t sum = 0;
  for (size_t i = 0; i < model->lot_count; i++)
    sum += which == 0 ? model->lots[i].pending : which == 1 ? model->lots[i].active : model->lots[i].held;
  return sum;
}

static int64_t qualifying(const struct model *model) {
  int64_t sum = 0;
  if (model->programme->tiers.qualifying == LOYALTY_ACTIVE_BALANCE) return total(model, 1);
  for (size_t i = 0; i < model->gain_count; i++) sum += model->gains[i].amount;
  return sum;
}

static size_t deserved(const struct model *model) {
  int64_t amount = qualifying(model);
  size_t level = 0;
  for (size_t i = 0; i < model->programme->tiers.level_count; i++)
    if (model->programme->tiers.levels[i].from <= amount) level = i;
  return level;
}

static struct model_lot *next_to_spend(struct model *model) {
  struct model_lot *best = NULL;
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->active == 0 || lot->expires_us <= model->now_us) continue;
    if (best == NULL || lot->expires_us < best->expires_us ||
        (lot->expires_us == best->expires_us && lot->earned_us < best->earned_us))
      best = lot; // lots ascend by id
  }
  return best;
}

// Unit by unit would be simplest of all; this is the same in fewer rounds.
static int64_t draw(struct model *model, int64_t amount) {
  int64_t drawn = 0;
  for (struct model_lot *lot; drawn < amount && (lot = next_to_spend(model)) != NULL;) {
    int64_t part = lot->active < amount - drawn ? lot->active : amount - drawn;
    lot->active -= part;
    drawn += part;
  }
  return drawn;
}

static void pay_debt(struct model *model) {
  model->debt -= draw(model, model->debt);
}

static void gain(struct model *model, int64_t active_us, int64_t amount) {
  int32_t day = day_of(model->zone, active_us);
  if (!counts(model, day)) return;
  assert_true(model->gain_count < GAINS_MAX);
  model->gains[model->gain_count++] = (struct model_gain){day, amount};
}

static void lose(struct model *model, int64_t active_us, int64_t amount) {
  int32_t day = day_of(model->zone, active_us);
  for (size_t i = 0; i < model->gain_count; i++) {
    if (model->gains[i].day != day) continue;
    int64_t part = model->gains[i].amount < amount ? model->gains[i].amount : amount;
    model->gains[i].amount -= part;
    amount -= part;
  }
}

static void slide(struct model *model) {
  const struct loyalty_currency *currency = &model->programme->currencies[0];
  int64_t expires_us;
  if (currency->validity != LOYALTY_VALID_SLIDING) return;
  assert_int_equal(loyalty_expiry(currency, model->zone, model->now_us, &expires_us), ERR_OK);
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->active + lot->held > 0 && lot->expires_us != INT64_MAX && lot->expires_us > model->now_us)
      lot->expires_us = expires_us;
  }
}

static void look_at_level(struct model *model, bool window_ended) {
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

static void end_hold(struct model *model, size_t index, int64_t captured) {
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

// All that is due at this very instant.
static void tick(struct model *model) {
  bool ended = false;
  for (size_t i = 0; i < model->hold_count;) {
    if (model->holds[i].expires_us <= model->now_us) {
      end_hold(model, i, 0);
    } else {
      i++;
    }
  }
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->pending == 0 || lot->active_us > model->now_us) continue;
    gain(model, lot->active_us, lot->pending);
    lot->active += lot->pending;
    lot->pending = 0;
  }
  pay_debt(model);
  for (size_t i = 0; i < model->gain_count;) {
    if (counts(model, model->gains[i].day)) {
      i++;
      continue;
    }
    ended = true;
    model->gains[i] = model->gains[--model->gain_count];
  }
  look_at_level(model, ended);
  for (size_t i = 0; i < model->lot_count; i++) {
    struct model_lot *lot = &model->lots[i];
    if (lot->expires_us > model->now_us) continue;
    model->expired += lot->active;
    lot->active = 0;
  }
  look_at_level(model, false);
}

// --- programmes ----------------------------------------------------------------------------------------------

// One level down at a time always comes with a grace, so that the reference stays simple.
static bool random_programme(struct kit *kit) {
  static const char *const ZONES[] = {"Europe/Paris", "America/New_York", "UTC", "Asia/Kolkata"};
  if (!kit_init(kit, ZONES[chance(3)], "2025-02-10T15:00:00Z")) return false;
  struct loyalty_currency *currency = &kit->currencies[0];
  currency->returns = (enum loyalty_return_policy)chance(3);
  currency->pending = (enum loyalty_pending_kind)chance(3);
  currency->pending_after = (struct rule_duration){(int64_t)chance(20) + 1, chance(2) ? RULE_DAY : RULE_HOUR};
  currency->validity = (enum loyalty_validity_kind)chance(5);
  currency->validity_length = (struct rule_duration){(int64_t)chance(3) + 1, RULE_MONTH};
  struct loyalty_tiers *tiers = kit_tiers(kit, (enum loyalty_qualifying)chance(2));
  tiers->window = (enum loyalty_window_kind)chance(3);
  if (chance(2)) tiers->window_length = (struct rule_duration){(int64_t)chance(60) + 1, RULE_DAY};
  tiers->downgrade = (enum loyalty_downgrade)chance(3);
  bool grace = tiers->downgrade == LOYALTY_DOWNGRADE_ONE || chance(2);
  tiers->grace = (struct rule_duration){grace ? (int64_t)chance(30) + 1 : 0, RULE_DAY};
  tiers->notice = (struct rule_duration){(int64_t)chance(40), RULE_DAY};
  kit->programme.expiry_notice = (struct rule_duration){(int64_t)chance(20), RULE_DAY};
  kit->ledger.now_us = kit->wallet.advanced_us;
  return true;
}

// --- comparing -----------------------------------------------------------------------------------------------

static void compare(struct kit *kit, const struct model *model) {
  size_t open = 0;
  assert_int_equal(kit_amount(kit, LOYALTY_PENDING), total(model, 0));
  assert_int_equal(kit_amount(kit, LOYALTY_ACTIVE), total(model, 1));
  assert_int_equal(kit_amount(kit, LOYALTY_HELD), total(model, 2));
  assert_int_equal(-kit_amount(kit, LOYALTY_DEBT), model->debt);
  assert_int_equal(kit_amount(kit, LOYALTY_SPENT), model->spent);
  assert_int_equal(kit_amount(kit, LOYALTY_EXPIRED), model->expired);
  assert_int_equal(kit->wallet.level, model->level + 1);
  assert_int_equal(loyalty_qualifying_now(&kit->wallet, &kit->programme), qualifying(model));
  for (size_t i = 0; i < model->lot_count; i++) {
    const struct model_lot *expected = &model->lots[i];
    if (expected->pending + expected->active + expected->held == 0) continue;
    const struct loyalty_lot *lot = kit_lot(kit, expected->id);
    open++;
    assert_non_null(lot);
    assert_true(lot->pending == expected->pending && lot->active == expected->active && lot->held == expected->held);
    assert_true(lot->active_us == expected->active_us && lot->expires_us == expected->expires_us);
  }
  assert_int_equal(kit->wallet.lot_count, open);
  assert_int_equal(kit->wallet.hold_count, model->hold_count);
  kit_check(kit);
}

// --- operations ----------------------------------------------------------------------------------------------

// At a whole hour, so that the reference, which looks at each, misses no instant.
static void earn(struct kit *kit, struct model *model) {
  const struct loyalty_currency *currency = &kit->currencies[0];
  struct loyalty_cause cause = kit_cause(kit);
  struct model_lot *lot = &model->lots[model->lot_count++];
  assert_true(model->lot_count < LOTS_MAX);
  *lot = (struct model_lot){.expires_us = INT64_MAX, .given = (int64_t)chance(900) + 1};
  if (chance(4) == 0) cause.effective_us -= (int64_t)chance(24 * 20) * CLOCK_HOUR_US;
  lot->earned_us = cause.effective_us;
  assert_int_equal(loyalty_earn(&kit->ledger, &cause, KIT_POINTS, lot->given, &lot->id), ERR_OK);
  assert_int_equal(loyalty_activation(currency, model->zone, lot->earned_us, &lot->active_us), ERR_OK);
  if (lot->active_us != INT64_MAX)
    assert_int_equal(loyalty_expiry(currency, model->zone, lot->active_us, &lot->expires_us), ERR_OK);
  if (lot->active_us <= model->now_us) {
    lot->active = lot->given;
    gain(model, lot->active_us, lot->given);
    pay_debt(model);
  } else {
    lot->pending = lot->given;
  }
  slide(model);
}

static void deliver(struct kit *kit, struct model *model) {
  if (model->lot_count == 0 || kit->currencies[0].pending != LOYALTY_PENDING_ON_EVENT) return;
  struct model_lot *lot = &model->lots[chance(model->lot_count)];
  struct loyalty_cause cause = kit_cause(kit);
  assert_int_equal(loyalty_release_lots(&kit->ledger, &cause, &lot->id, 1), ERR_OK);
  if (lot->pending == 0) return;
  lot->active_us = model->now_us;
  assert_int_equal(loyalty_expiry(&kit->currencies[0], model->zone, lot->active_us, &lot->expires_us), ERR_OK);
  lot->active = lot->pending;
  lot->pending = 0;
  gain(model, lot->active_us, lot->active);
  pay_debt(model);
}

static int64_t spendable(struct model *model) {
  int64_t sum = 0;
  for (size_t i = 0; i < model->lot_count; i++)
    if (model->lots[i].expires_us > model->now_us) sum += model->lots[i].active;
  return sum;
}

static void spend(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  int64_t amount = (int64_t)chance(600) + 1;
  bool enough = spendable(model) >= amount;
  enum err err = loyalty_spend(&kit->ledger, &cause, KIT_POINTS, amount, NULL, NULL);
  assert_int_equal(err, enough ? ERR_OK : ERR_DENIED);
  if (!enough) return;
  model->spent += draw(model, amount);
  slide(model);
}

// Spent and put back at once. A lot that was gone in between was earned, from then on, when it became active.
static void spend_and_regret(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  const struct loyalty_part *parts;
  size_t count;
  int64_t amount = (int64_t)chance(300) + 1;
  if (spendable(model) < amount || kit->currencies[0].validity == LOYALTY_VALID_SLIDING) return;
  assert_int_equal(loyalty_spend(&kit->ledger, &cause, KIT_POINTS, amount, &parts, &count), ERR_OK);
  assert_int_equal(loyalty_roll_back(&kit->ledger, &cause, KIT_POINTS, amount, parts, count), ERR_OK);
  struct model spent = *model;
  draw(&spent, amount);
  for (size_t i = 0; i < model->lot_count; i++)
    if (model->lots[i].active > 0 && spent.lots[i].active + spent.lots[i].held == 0)
      model->lots[i].earned_us = model->lots[i].active_us;
}

static void hold(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  int64_t amount = (int64_t)chance(300) + 1, before[LOTS_MAX];
  if (spendable(model) < amount) return;
  assert_true(model->hold_count < HOLDS_MAX);
  struct model_hold *opened = &model->holds[model->hold_count++];
  opened->expires_us = model->now_us + ((int64_t)chance(24 * 60) + 1) * CLOCK_HOUR_US;
  assert_int_equal(loyalty_hold_open(&kit->ledger, &cause, KIT_POINTS, amount, opened->expires_us, &opened->id),
                   ERR_OK);
  for (size_t i = 0; i < model->lot_count; i++) before[i] = model->lots[i].active;
  draw(model, amount);
  for (size_t i = 0; i < LOTS_MAX; i++) {
    opened->of_lot[i] = i < model->lot_count ? before[i] - model->lots[i].active : 0;
    if (i < model->lot_count) model->lots[i].held += opened->of_lot[i];
  }
}

static void end_some_hold(struct kit *kit, struct model *model) {
  if (model->hold_count == 0) return;
  struct loyalty_cause cause = kit_cause(kit);
  size_t index = chance(model->hold_count);
  int64_t all = 0, amount;
  for (size_t i = 0; i < model->lot_count; i++) all += model->holds[index].of_lot[i];
  // Of SLIDING a lot past its date stays behind the others, and the order of a hold is not that of dates any more.
  if (chance(2) || kit->currencies[0].validity == LOYALTY_VALID_SLIDING) {
    assert_int_equal(loyalty_hold_void(&kit->ledger, &cause, model->holds[index].id), ERR_OK);
    end_hold(model, index, 0);
    pay_debt(model);
    return;
  }
  amount = (int64_t)chance((uint64_t)all) + 1;
  assert_int_equal(loyalty_hold_capture(&kit->ledger, &cause, model->holds[index].id, amount, NULL, NULL), ERR_OK);
  end_hold(model, index, amount);
  pay_debt(model);
}

static void take_back(struct kit *kit, struct model *model) {
  if (model->lot_count == 0) return;
  struct loyalty_cause cause = kit_cause(kit);
  struct model_lot *lot = &model->lots[chance(model->lot_count)];
  enum loyalty_return_policy policy = kit->currencies[0].returns;
  if (lot->given == 0) return;
  struct loyalty_lot given = {.id = lot->id, .currency = KIT_POINTS, .amount = lot->given, .active_us = lot->active_us};
  int64_t amount = (int64_t)chance((uint64_t)lot->given) + 1, left = amount, uncollected;
  bool was_active = lot->active_us <= model->now_us;
  assert_int_equal(loyalty_take_back(&kit->ledger, &cause, KIT_POINTS, amount, &given, 1, &uncollected), ERR_OK);
  int64_t pending = lot->pending < left ? lot->pending : left;
  lot->pending -= pending;
  left -= pending;
  if (was_active) lose(model, lot->active_us, left);
  if (policy != LOYALTY_ONLY_PENDING) {
    int64_t own = lot->active < left ? lot->active : left;
    lot->active -= own;
    left -= own;
    left -= draw(model, left);
  }
  if (policy == LOYALTY_UNLIMITED) {
    model->debt += left;
    left = 0;
  }
  assert_int_equal(uncollected, left);
  if (policy == LOYALTY_WITHIN_BALANCE) model->uncollected += left;
  if (kit->wallet.balance_count > 0) assert_int_equal(kit->wallet.balances[0].uncollected, model->uncollected);
  lot->given = 0; // no second return of the same
}

// --- time ----------------------------------------------------------------------------------------------------

// A twin who is looked at every few hours ends as the one who is looked at once.
static void advance(struct kit *kit, struct model *model) {
  int64_t hours = (int64_t)chance(STEP_HOURS_MAX) + 1, step = (int64_t)chance(50) + 1;
  struct loyalty_wallet twin, *copies;
  struct loyalty_ledger ledger;
  size_t count, before = kit->ledger.news_count;
  assert_int_equal(loyalty_wallets_decode(kit_row(kit, &kit->wallet), &kit->arena, &copies, &count), ERR_OK);
  twin = copies[0];
  kit_ledger(kit, &twin, &ledger, 42);
  for (int64_t hour = 0; hour <= hours; hour += step) {
    ledger.now_us = model->now_us + (hour < hours ? hour : hours) * CLOCK_HOUR_US;
    assert_int_equal(loyalty_advance(&ledger, ledger.now_us), ERR_OK);
  }
  ledger.now_us = model->now_us + hours * CLOCK_HOUR_US;
  assert_int_equal(loyalty_advance(&ledger, ledger.now_us), ERR_OK);
  kit->ledger.now_us = ledger.now_us;
  assert_int_equal(loyalty_advance(&kit->ledger, kit->ledger.now_us), ERR_OK);
  assert_true(bytes_equal(kit_row(kit, &kit->wallet), kit_row(kit, &twin)));
  assert_int_equal(kit->ledger.news_count - before, ledger.news_count);
  assert_true(loyalty_due_us(&kit->wallet, &kit->programme, kit->zone) > kit->ledger.now_us);
  for (int64_t hour = 0; hour < hours; hour++) {
    model->now_us += CLOCK_HOUR_US;
    tick(model);
  }
}

static bool belongs_all(void *context, const struct loyalty_posting *posting) {
  (void)context;
  return posting->id > 0;
}

// Made anew from all postings it is the same, but for the level, which is what qualifies now.
static void check_rebuilt(struct kit *kit) {
  struct loyalty_wallet again = kit->wallet;
  struct loyalty_ledger ledger;
  struct loyalty_posting *mine;
  size_t count;
  kit_ledger(kit, &again, &ledger, 42);
  ledger.now_us = kit->ledger.now_us;
  assert_int_equal(
      loyalty_rebuild(&ledger, kit->ledger.postings, kit->ledger.posting_count, belongs_all, NULL, &mine, &count),
      ERR_OK);
  assert_int_equal(count, kit->ledger.posting_count);
  again.level = kit->wallet.level;
  again.level_since_us = kit->wallet.level_since_us;
  again.below_since_us = kit->wallet.below_since_us;
  again.downgrade_noticed_us = kit->wallet.downgrade_noticed_us;
  assert_true(bytes_equal(kit_row(kit, &again), kit_row(kit, &kit->wallet)));
}

static bool belongs_odd(void *context, const struct loyalty_posting *posting) {
  return posting->id % 2 == *(const uint64_t *)context;
}

// Parted by lots, each side verifies against what is then hers; united again, they are the whole.
static void check_parted(struct kit *kit) {
  struct loyalty_wallet sides[2];
  struct loyalty_ledger ledgers[2];
  while (kit->wallet.hold_count > 0) {
    struct loyalty_cause cause = kit_cause(kit);
    assert_int_equal(loyalty_hold_void(&kit->ledger, &cause, kit->wallet.holds[0].id), ERR_OK);
  }
  kit_settle(kit);
  for (uint64_t side = 0; side < 2; side++) {
    struct loyalty_posting *mine;
    size_t count;
    sides[side] = kit->wallet;
    kit_ledger(kit, &sides[side], &ledgers[side], side);
    ledgers[side].now_us = kit->ledger.now_us;
    assert_int_equal(loyalty_rebuild(&ledgers[side], kit->ledger.postings, kit->ledger.posting_count, belongs_odd,
                                     &side, &mine, &count),
                     ERR_OK);
    kit_check_wallet(kit, &sides[side], mine, count);
  }
  size_t lots = sides[0].lot_count + sides[1].lot_count;
  assert_int_equal(loyalty_unite(&ledgers[0], &sides[1]), ERR_OK);
  kit_check_wallet(kit, &sides[0], kit->ledger.postings, kit->ledger.posting_count);
  assert_int_equal(lots, kit->wallet.lot_count);
  assert_int_equal(sides[0].lot_count, lots);
  for (size_t i = 0; i < lots; i++) assert_true(sides[0].lots[i].expires_us == kit->wallet.lots[i].expires_us);
}

static void step(struct kit *kit, struct model *model) {
  switch (chance(12)) {
  case 0:
  case 1:
  case 2:
    earn(kit, model);
    break;
  case 3:
  case 4:
    spend(kit, model);
    break;
  case 5:
    hold(kit, model);
    break;
  case 6:
    end_some_hold(kit, model);
    break;
  case 7:
    take_back(kit, model);
    break;
  case 8:
    deliver(kit, model);
    break;
  case 9:
    spend_and_regret(kit, model);
    break;
  default:
    advance(kit, model);
    break;
  }
  tick(model);
  kit_settle(kit);
  compare(kit, model);
}

static void test_random_lives(void **state) {
  (void)state;
  static struct model model;
  for (uint64_t programme = 0; programme < PROGRAMMES; programme++) {
    struct kit kit;
    seed = programme * 7919 + 1;
    if (!random_programme(&kit)) return;
    memset(&model, 0, sizeof model);
    model.programme = &kit.programme;
    model.zone = kit.zone;
    model.joined_us = model.now_us = kit.wallet.joined_us;
    model.below_us = INT64_MAX;
    for (int i = 0; i < STEPS; i++) step(&kit, &model);
    check_rebuilt(&kit);
    check_parted(&kit);
    kit_release(&kit);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lives)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
