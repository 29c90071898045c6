// The ledger against a simple one (loyalty_ledger_reference.h): random programmes, two members, operations and clock
// moves; some time the two turn out to be one. After every step: balances, lots, holds, caps, rewards and level are the
// same; the postings verify; rows come back; and a member who is advanced in many small steps is the same as one who is
// advanced in one. At the end she is made anew from her postings, and parted by lots.
// RAPPORT_TEST_LONG=1 makes it fifty times as many; RAPPORT_TEST_SEED says where the programmes begin.
#include "loyalty_ledger_reference.h"

#include <assert.h>
#include <stdlib.h>

enum { PROGRAMMES = 120, PROGRAMMES_LONG = 6000, STEPS = 90, MERGED_AT = 60, STEP_HOURS_MAX = 24 * 40 };
enum { LATE_HOURS = 7 * 24, EXTERNAL_RULE = 3 };

// --- chance --------------------------------------------------------------------------------------------------

static uint64_t seed, programme_number;

static uint64_t chance(uint64_t below) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (seed >> 33) % below;
}

// --- programmes and members ----------------------------------------------------------------------------------

struct player {
  struct kit kit;
  struct model model;
  size_t rewards_elsewhere; // told by the ledger of one who became her
};
static struct player players[2];
static size_t player_count;

static struct cap {
  enum loyalty_period period;
  enum loyalty_over over;
  int64_t most;
} caps[RULES][CAPS];

static void random_rewards(struct kit *kit) {
  kit->programme.reward_count = chance(KIT_REWARDS + 1);
  for (uint32_t i = 0; i < KIT_REWARDS; i++)
    kit->rewards[i] = (struct loyalty_reward){.number = i + 1,
                                              .id = BYTES("mug"),
                                              .voucher = BYTES("MUG"),
                                              .currency = KIT_POINTS,
                                              .cost = (int64_t)chance(900) + 200,
                                              .automatic = chance(3) > 0};
}

static void random_caps(void) {
  for (size_t i = 0; i < RULES; i++)
    for (size_t k = 0; k < CAPS; k++)
      caps[i][k] =
          (struct cap){(enum loyalty_period)chance(5), (enum loyalty_over)chance(2), (int64_t)chance(3000) + 1};
}

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
  tiers->after_return = chance(2);
  kit->ledger.now_us = kit->wallet.advanced_us;
  random_rewards(kit);
  random_caps();
  return true;
}

static void open_model(struct player *player, int64_t now_us) {
  struct model *model = &player->model;
  memset(model, 0, sizeof *model);
  model->programme = &player->kit.programme;
  model->zone = player->kit.zone;
  model->joined_us = player->kit.wallet.joined_us;
  model->now_us = now_us;
  model->below_us = INT64_MAX;
  player->rewards_elsewhere = 0;
}

// In the same programme since before; ids are given by one for both.
static void open_other(struct player *player, struct player *first) {
  struct kit *kit = &player->kit;
  char zone[64];
  snprintf(zone, sizeof zone, "%.*s", (int)first->kit.programme.timezone.size_bytes,
           (const char *)first->kit.programme.timezone.data);
  assert_true(kit_init(kit, zone, "2024-06-05T09:00:00Z"));
  memcpy(kit->currencies, first->kit.currencies, sizeof kit->currencies);
  memcpy(kit->levels, first->kit.levels, sizeof kit->levels);
  memcpy(kit->rewards, first->kit.rewards, sizeof kit->rewards);
  kit->programme = first->kit.programme;
  kit->programme.currencies = kit->currencies;
  kit->programme.tiers.levels = kit->levels;
  kit->programme.rewards = kit->rewards;
  loyalty_wallet_init(&kit->wallet, &kit->programme, kit->wallet.joined_us);
  kit->ledger.context = &first->kit.last_id;
  kit->ledger.customer = 43;
  kit->ledger.now_us = first->kit.ledger.now_us;
  assert_int_equal(loyalty_advance(&kit->ledger, kit->ledger.now_us), ERR_OK);
  open_model(player, kit->ledger.now_us);
}

// --- comparing -----------------------------------------------------------------------------------------------

static void compare_caps(const struct kit *kit, const struct model *model) {
  int64_t at_us = model->now_us - (int64_t)chance(LATE_HOURS) * CLOCK_HOUR_US;
  for (uint32_t rule = 1; rule <= RULES; rule++)
    for (uint8_t i = 0; i < CAPS; i++) {
      const struct cap *cap = &caps[rule - 1][i];
      int64_t left = cap->most - used(model, rule, i, cap->period, at_us);
      struct loyalty_rule_ref ref = {0, rule};
      assert_int_equal(loyalty_cap_room(&kit->wallet, kit->zone, ref, i, cap->period, cap->most, at_us),
                       left > 0 ? left : 0);
    }
}

static void compare(struct player *player) {
  struct kit *kit = &player->kit;
  const struct model *model = &player->model;
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
  assert_int_equal(kit_told(kit, LOYALTY_NEWS_REWARD) + player->rewards_elsewhere, model->rewards);
  compare_caps(kit, model);
  kit_check(kit);
}

// --- operations ----------------------------------------------------------------------------------------------

static struct model_lot *add_lot(struct model *model, int64_t amount, int64_t earned_us) {
  assert_true(model->lot_count < LOTS_MAX);
  struct model_lot *lot = &model->lots[model->lot_count++];
  *lot = (struct model_lot){.expires_us = INT64_MAX, .given = amount, .earned_us = earned_us};
  return lot;
}

// At a whole hour, so that the reference, which looks at each, misses no instant.
static void earn_by(struct kit *kit, struct model *model, struct loyalty_cause cause, int64_t amount) {
  const struct loyalty_currency *currency = &kit->currencies[0];
  struct model_lot *lot = add_lot(model, amount, cause.effective_us);
  lot->rule = cause.rule.rule;
  assert_int_equal(loyalty_earn(&kit->ledger, &cause, KIT_POINTS, amount, &lot->id), ERR_OK);
  assert_int_equal(loyalty_activation(currency, model->zone, lot->earned_us, &lot->active_us), ERR_OK);
  if (lot->active_us != INT64_MAX)
    assert_int_equal(loyalty_expiry(currency, model->zone, lot->active_us, &lot->expires_us), ERR_OK);
  if (lot->active_us <= model->now_us) {
    lot->active = amount;
    gain(model, lot->active_us, amount);
    pay_debt_late(model, lot);
  } else {
    lot->pending = amount;
  }
  slide(model);
}

static void earn(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  if (chance(4) == 0) cause.effective_us -= (int64_t)chance(24 * 20) * CLOCK_HOUR_US;
  earn_by(kit, model, cause, (int64_t)chance(900) + 1);
}

static void count(struct kit *kit, struct model *model, uint32_t rule, int64_t at_us, int64_t amount) {
  struct loyalty_rule_ref ref = {0, rule};
  for (uint8_t i = 0; i < CAPS; i++) {
    assert_true(model->use_count < USES_MAX);
    model->uses[model->use_count++] = (struct model_use){rule, i, at_us, amount};
    assert_int_equal(loyalty_count(&kit->ledger, ref, 0, i, caps[rule - 1][i].period, at_us, amount), ERR_OK);
  }
}

// By a rule with caps: what is over them is cut, or nothing is earned.
static void earn_within_caps(struct kit *kit, struct model *model) {
  uint32_t rule = 1 + (uint32_t)chance(RULES);
  struct loyalty_cause cause = kit_cause(kit);
  int64_t amount = (int64_t)chance(900) + 1;
  cause.rule.rule = rule;
  cause.effective_us -= (int64_t)chance(LATE_HOURS) * CLOCK_HOUR_US;
  for (uint8_t i = 0; i < CAPS; i++) {
    const struct cap *cap = &caps[rule - 1][i];
    int64_t left = loyalty_cap_room(&kit->wallet, kit->zone, cause.rule, i, cap->period, cap->most, cause.effective_us);
    if (amount > left) amount = cap->over == LOYALTY_REJECT ? 0 : left;
  }
  if (amount == 0) return;
  earn_by(kit, model, cause, amount);
  count(kit, model, rule, cause.effective_us, amount);
  for (uint8_t i = 0; i < CAPS; i++)
    assert_true(used(model, rule, i, caps[rule - 1][i].period, cause.effective_us) <= caps[rule - 1][i].most);
}

// With dates of its own, which may be over.
static void import(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  cause.effective_us -= (int64_t)chance(24 * 60) * CLOCK_HOUR_US;
  struct model_lot *lot = add_lot(model, (int64_t)chance(500) + 1, cause.effective_us);
  lot->external = chance(2);
  if (lot->external) cause.rule = (struct loyalty_rule_ref){LOYALTY_EXTERNAL, EXTERNAL_RULE};
  lot->active_us = lot->earned_us;
  if (chance(4) > 0) lot->expires_us = lot->earned_us + (int64_t)(chance(24 * 90) + 1) * CLOCK_HOUR_US;
  lot->active = lot->given;
  assert_int_equal(
      loyalty_import(&kit->ledger, &cause, KIT_POINTS, lot->given, lot->active_us, lot->expires_us, &lot->id), ERR_OK);
  gain(model, lot->active_us, lot->given);
  pay_debt_late(model, lot);
}

// What another programme spent already cannot be refused: of its own lots first, then of others, then owed.
static void follow(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  int64_t amount = (int64_t)chance(400) + 1;
  cause.rule = (struct loyalty_rule_ref){LOYALTY_EXTERNAL, EXTERNAL_RULE};
  assert_int_equal(loyalty_follow_less(&kit->ledger, &cause, KIT_POINTS, amount, LOYALTY_SPEND, NULL), ERR_OK);
  int64_t taken = draw_of(model, amount, model->now_us, true);
  taken += draw(model, amount - taken);
  model->spent += amount;
  model->debt += amount - taken;
}

static void adjust(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  int64_t amount = (int64_t)chance(400) + 1;
  bool more = chance(2), enough = more || spendable(model) >= amount;
  size_t postings = kit->ledger.posting_count;
  struct model_lot *lot;
  assert_int_equal(loyalty_adjust(&kit->ledger, &cause, KIT_POINTS, amount, more), enough ? ERR_OK : ERR_DENIED);
  if (!enough) return;
  if (!more) {
    draw(model, amount);
    return;
  }
  lot = add_lot(model, amount, model->now_us);
  lot->id = kit->ledger.postings[postings].id << 8;
  lot->active_us = model->now_us;
  lot->active = amount;
  assert_int_equal(loyalty_expiry(&kit->currencies[0], model->zone, lot->active_us, &lot->expires_us), ERR_OK);
  gain(model, lot->active_us, amount);
  pay_debt(model);
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

// Spent and put back at once. A lot that was gone in between was earned, from then on, when it became active, and
// nobody's: by which rule it was made its posting alone still says.
static void spend_and_regret(struct kit *kit, struct model *model) {
  struct loyalty_cause cause = kit_cause(kit);
  const struct loyalty_part *parts;
  size_t count;
  int64_t amount = (int64_t)chance(300) + 1;
  if (spendable(model) < amount || kit->currencies[0].validity == LOYALTY_VALID_SLIDING) return;
  assert_int_equal(loyalty_spend(&kit->ledger, &cause, KIT_POINTS, amount, &parts, &count), ERR_OK);
  assert_int_equal(loyalty_roll_back(&kit->ledger, &cause, KIT_POINTS, amount, parts, count), ERR_OK);
  static struct model spent;
  spent = *model;
  draw(&spent, amount);
  for (size_t i = 0; i < model->lot_count; i++)
    if (model->lots[i].active > 0 && spent.lots[i].active + spent.lots[i].held == 0) {
      model->lots[i].earned_us = model->lots[i].active_us;
      model->lots[i].external = false;
    }
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
  assert(all > 0); // a hold of nothing is not opened
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
  size_t before = deserved(model);
  assert_int_equal(loyalty_take_back(&kit->ledger, &cause, KIT_POINTS, amount, &given, 1, NULL, &uncollected), ERR_OK);
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
  look_after_return(model, before);
  if (lot->rule > 0) count(kit, model, lot->rule, lot->earned_us, -amount);
}

// To the other member: lots as they are, in the order of spending.
static void transfer(struct player *from, struct player *to) {
  struct loyalty_cause cause = kit_cause(&from->kit);
  int64_t amount = (int64_t)chance(500) + 1;
  size_t postings = to->kit.ledger.posting_count;
  bool enough = spendable(&from->model) >= amount;
  enum err err = loyalty_transfer(&from->kit.ledger, &to->kit.ledger, &cause, KIT_POINTS, amount);
  assert_int_equal(err, enough ? ERR_OK : ERR_DENIED);
  if (!enough) return;
  uint64_t id = to->kit.ledger.postings[postings].id << 8;
  while (amount > 0) { // lot by lot
    struct model_lot *lot = next_to_spend(&from->model, from->model.now_us, false);
    int64_t part = lot->active < amount ? lot->active : amount;
    struct model_lot *given = add_lot(&to->model, 0, lot->earned_us);
    lot->active -= part;
    amount -= part;
    *given = (struct model_lot){.id = id,
                                .external = lot->external,
                                .earned_us = lot->earned_us,
                                .active_us = lot->active_us,
                                .expires_us = lot->expires_us,
                                .active = part};
    id++;
  }
  pay_debt(&to->model);
}

// --- time ----------------------------------------------------------------------------------------------------

// A twin who is looked at every few hours ends as the one who is looked at once.
static void advance(struct kit *kit, struct model *model, int64_t hours) {
  int64_t step = (int64_t)chance(50) + 1;
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
  // Whoever joined later counted by years of her own until both were one; what they did not hold is not counted again.
  if (kit->programme.tiers.window == LOYALTY_WINDOW_ANNIVERSARY) {
    again.days = kit->wallet.days;
    again.day_count = kit->wallet.day_count;
  }
  assert_true(bytes_equal(kit_row(kit, &again), kit_row(kit, &kit->wallet)));
}

static bool belongs_odd(void *context, const struct loyalty_posting *posting) {
  return posting->id % 2 == *(const uint64_t *)context;
}

// Each side has its lots, with what is left of them.
static void expect_side(const struct loyalty_wallet *side, const struct model *model, uint64_t odd) {
  int64_t pending = 0, active = 0;
  for (size_t i = 0; i < model->lot_count; i++) {
    if ((model->lots[i].id >> 8) % 2 != odd) continue;
    pending += model->lots[i].pending;
    active += model->lots[i].active;
  }
  assert_int_equal(loyalty_amount(side, KIT_POINTS, LOYALTY_PENDING), pending);
  assert_int_equal(loyalty_amount(side, KIT_POINTS, LOYALTY_ACTIVE), active);
}

// Parted by lots, each side verifies against what is then hers; united again, they are the whole.
static void check_parted(struct player *player) {
  struct kit *kit = &player->kit;
  struct model *model = &player->model;
  struct loyalty_wallet sides[2];
  struct loyalty_ledger ledgers[2];
  while (kit->wallet.hold_count > 0) {
    struct loyalty_cause cause = kit_cause(kit);
    assert_int_equal(loyalty_hold_void(&kit->ledger, &cause, kit->wallet.holds[0].id), ERR_OK);
  }
  while (model->hold_count > 0) end_hold(model, 0, 0);
  kit_settle(kit);
  tick(model);
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
    expect_side(&sides[side], model, side);
  }
  size_t lots = sides[0].lot_count + sides[1].lot_count;
  assert_int_equal(loyalty_unite(&ledgers[0], &sides[1]), ERR_OK);
  kit_check_wallet(kit, &sides[0], kit->ledger.postings, kit->ledger.posting_count);
  assert_int_equal(lots, kit->wallet.lot_count);
  assert_int_equal(sides[0].lot_count, lots);
  for (size_t i = 0; i < lots; i++) assert_true(sides[0].lots[i].expires_us == kit->wallet.lots[i].expires_us);
}

// --- two who are one -----------------------------------------------------------------------------------------

static int compare_ids(const void *a, const void *b) {
  const struct loyalty_posting *left = a, *right = b;
  return left->id < right->id ? -1 : left->id > right->id;
}

static void merge_postings(struct loyalty_ledger *ledger, const struct loyalty_ledger *from) {
  size_t count = ledger->posting_count + from->posting_count;
  struct loyalty_posting *all = arena_take(ledger->arena, (count + 1) * sizeof *all);
  assert_non_null(all);
  if (ledger->posting_count > 0) memcpy(all, ledger->postings, ledger->posting_count * sizeof *all);
  if (from->posting_count > 0) memcpy(all + ledger->posting_count, from->postings, from->posting_count * sizeof *all);
  qsort(all, count, sizeof *all, compare_ids);
  ledger->postings = all;
  ledger->posting_count = ledger->posting_capacity = count;
}

static void merge(struct player *survivor, struct player *other) {
  assert_int_equal(loyalty_unite(&survivor->kit.ledger, &other->kit.wallet), ERR_OK);
  merge_postings(&survivor->kit.ledger, &other->kit.ledger);
  unite(&survivor->model, &other->model);
  survivor->rewards_elsewhere += kit_told(&other->kit, LOYALTY_NEWS_REWARD) + other->rewards_elsewhere;
  look_at_level(&survivor->model, forget_gains(&survivor->model));
}

// --- lives ---------------------------------------------------------------------------------------------------

static void pass_time(void) {
  int64_t hours = (int64_t)chance(STEP_HOURS_MAX) + 1;
  for (size_t i = 0; i < player_count; i++) advance(&players[i].kit, &players[i].model, hours);
}

static void act(struct player *player, struct player *other) {
  static void (*const acts[])(struct kit *, struct model *) = {
      earn,  earn, earn_within_caps, earn_within_caps, import,  follow,          adjust, spend,
      spend, hold, end_some_hold,    take_back,        deliver, spend_and_regret};
  size_t which = chance(sizeof acts / sizeof *acts + 4);
  if (which < sizeof acts / sizeof *acts) {
    acts[which](&player->kit, &player->model);
  } else if (other != NULL && chance(2)) {
    transfer(player, other);
  } else {
    pass_time();
  }
}

static void step(void) {
  size_t one = chance(player_count);
  act(&players[one], player_count == 2 ? &players[1 - one] : NULL);
  for (size_t i = 0; i < player_count; i++) {
    tick(&players[i].model);
    kit_settle(&players[i].kit);
    compare(&players[i]);
  }
}

static void live(void) {
  for (int i = 0; i < STEPS; i++) {
    if (i == MERGED_AT) {
      merge(&players[0], &players[1]);
      player_count = 1;
    }
    step();
  }
  check_rebuilt(&players[0].kit);
  check_parted(&players[0]);
}

static void test_random_lives(void **state) {
  const char *first = getenv("RAPPORT_TEST_SEED");
  uint64_t from = first == NULL ? 0 : strtoull(first, NULL, 10);
  uint64_t count = getenv("RAPPORT_TEST_LONG") == NULL ? PROGRAMMES : PROGRAMMES_LONG;
  (void)state;
  for (programme_number = from; programme_number < from + count; programme_number++) {
    seed = programme_number * 7919 + 1;
    if (!random_programme(&players[0].kit)) return;
    open_model(&players[0], players[0].kit.wallet.joined_us);
    open_other(&players[1], &players[0]);
    player_count = 2;
    live();
    for (size_t i = 0; i < 2; i++) kit_release(&players[i].kit);
  }
  programme_number = UINT64_MAX;
}

// Which of them failed.
static int tell_programme(void **state) {
  (void)state;
  if (programme_number != UINT64_MAX)
    print_message("RAPPORT_TEST_SEED=%llu begins with it\n", (unsigned long long)programme_number);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_random_lives, tell_programme)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
