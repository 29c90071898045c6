// The ledger by scenarios with exact numbers: pending periods, validity, order of spending, holds, returns, tiers, what
// falls due at one instant, late sales, refusals that change nothing.
#include "base/alloc.h"
#include "loyalty_ledger_kit.h"

#define PARIS "Europe/Paris"

static void expect_refused(struct kit *kit, enum err err, const char *code) {
  assert_int_equal(err, ERR_DENIED);
  assert_string_equal(kit->diag.code, code);
}

// --- earning, pending, expiry --------------------------------------------------------------------------------

static void test_pending_days_keep_the_wall_clock(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].pending = LOYALTY_PENDING_AFTER;
  kit.currencies[0].pending_after = (struct rule_duration){14, RULE_DAY};
  kit_now(&kit, "2026-03-01T10:00:00+01:00");
  kit_earn(&kit, 120);
  kit_now(&kit, "2026-03-14T23:59:00+01:00");
  expect_refused(&kit, kit_spend(&kit, 50), "INSUFFICIENT_POINTS");
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_PENDING), 120);
  assert_int_equal(loyalty_due_us(&kit.wallet, &kit.programme, kit.zone), kit_at("2026-03-15T10:00:00+01:00"));
  kit_now(&kit, "2026-03-15T10:00:00+01:00");
  assert_int_equal(kit_spend(&kit, 50), ERR_OK);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 70);
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_ACTIVATED), 1);
  kit_release(&kit);
}

static void test_validity_starts_at_activation(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].pending = LOYALTY_PENDING_AFTER;
  kit.currencies[0].pending_after = (struct rule_duration){14, RULE_DAY};
  kit.currencies[0].validity = LOYALTY_VALID_AFTER;
  kit.currencies[0].validity_length = (struct rule_duration){12, RULE_MONTH};
  kit_now(&kit, "2026-01-31T12:00:00+01:00");
  uint64_t lot = kit_earn(&kit, 10);
  assert_int_equal(kit_lot(&kit, lot)->active_us, kit_at("2026-02-14T12:00:00+01:00"));
  assert_int_equal(kit_lot(&kit, lot)->expires_us, kit_at("2027-02-15T00:00:00+01:00"));
  kit_now(&kit, "2027-02-14T23:59:59+01:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 10);
  kit_now(&kit, "2027-02-15T00:00:00+01:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 10);
  kit_release(&kit);
}

static void test_an_event_makes_lots_active(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].pending = LOYALTY_PENDING_ON_EVENT;
  kit.currencies[0].pending_event = BYTES("delivered");
  kit.currencies[0].validity = LOYALTY_VALID_AFTER;
  kit.currencies[0].validity_length = (struct rule_duration){1, RULE_MONTH};
  kit_now(&kit, "2026-01-10T12:00:00+01:00");
  uint64_t lots[] = {kit_earn(&kit, 10), 999 << 8};
  kit_now(&kit, "2026-05-01T12:00:00+02:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_PENDING), 10);
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_release_lots(&kit.ledger, &cause, &lots[1], 1), ERR_OK);
  assert_int_equal(kit.ledger.posting_count, 1); // an unknown lot: nothing
  assert_int_equal(loyalty_release_lots(&kit.ledger, &cause, lots, 2), ERR_OK);
  assert_int_equal(loyalty_release_lots(&kit.ledger, &cause, lots, 2), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(kit.ledger.posting_count, 2);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 10);
  assert_int_equal(kit_lot(&kit, lots[0])->expires_us, kit_at("2026-06-02T00:00:00+02:00"));
  kit_release(&kit);
}

static void test_soonest_expiry_is_spent_first(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_now(&kit, "2026-02-01T00:00:00Z");
  uint64_t first = kit_import(&kit, 100, "2026-07-01T00:00:00+02:00");
  uint64_t second = kit_import(&kit, 50, "2026-05-01T00:00:00+02:00");
  uint64_t third = kit_import(&kit, 200, NULL);
  assert_int_equal(kit_spend(&kit, 120), ERR_OK);
  assert_null(kit_lot(&kit, second));
  assert_int_equal(kit_lot(&kit, first)->active, 30);
  assert_int_equal(kit_lot(&kit, third)->active, 200);
  kit_now(&kit, "2026-06-30T23:59:59+02:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 230);
  kit_now(&kit, "2026-07-01T00:00:00+02:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 30);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 200);
  kit_release(&kit);
}

static void test_what_was_spent_does_not_expire(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_now(&kit, "2026-02-01T00:00:00Z");
  kit_import(&kit, 100, "2026-07-01T00:00:00+02:00");
  kit_now(&kit, "2026-06-01T10:00:00+02:00");
  assert_int_equal(kit_spend(&kit, 100), ERR_OK);
  kit_now(&kit, "2026-06-10T10:00:00+02:00");
  kit_import(&kit, 40, "2027-01-01T00:00:00+01:00");
  kit_now(&kit, "2026-07-01T10:00:00+02:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 40);
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 0);
  kit_release(&kit);
}

static void test_a_late_sale_counts_when_it_was(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_rule_ref rule = {.campaign = 3, .rule = 1};
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_now(&kit, "2026-06-02T09:00:00+02:00");
  struct loyalty_cause cause = {.rule = rule, .effective_us = kit_at("2026-05-31T22:10:00+02:00")};
  assert_int_equal(loyalty_count(&kit.ledger, rule, 0, 0, LOYALTY_MONTH, kit.ledger.now_us, 5), ERR_OK);
  assert_int_equal(loyalty_count(&kit.ledger, rule, 0, 0, LOYALTY_MONTH, cause.effective_us, 80), ERR_OK);
  assert_int_equal(loyalty_earn(&kit.ledger, &cause, KIT_POINTS, 80, NULL), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(kit.ledger.postings[0].effective_us, cause.effective_us);
  assert_int_equal(kit.ledger.postings[0].recorded_us, kit.ledger.now_us);
  assert_int_equal(loyalty_cap_room(&kit.wallet, kit.zone, rule, 0, LOYALTY_MONTH, 100, cause.effective_us), 20);
  assert_int_equal(loyalty_cap_room(&kit.wallet, kit.zone, rule, 0, LOYALTY_MONTH, 100, kit.ledger.now_us), 95);
  kit_release(&kit);
}

static void test_sliding_moves_every_dated_lot(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].validity = LOYALTY_VALID_SLIDING;
  kit.currencies[0].validity_length = (struct rule_duration){30, RULE_DAY};
  kit_now(&kit, "2026-02-01T10:00:00+01:00");
  uint64_t lot = kit_earn(&kit, 100);
  uint64_t undated = kit_import(&kit, 5, NULL);
  assert_int_equal(kit_lot(&kit, lot)->expires_us, kit_at("2026-03-04T00:00:00+01:00"));
  kit_now(&kit, "2026-03-03T10:00:00+01:00");
  assert_int_equal(kit_spend(&kit, 10), ERR_OK);
  assert_int_equal(kit_lot(&kit, lot)->expires_us, kit_at("2026-04-03T00:00:00+02:00"));
  assert_int_equal(kit_lot(&kit, undated)->expires_us, INT64_MAX);
  kit_now(&kit, "2026-04-03T00:00:00+02:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 90);
  kit_release(&kit);
}

// --- returns -------------------------------------------------------------------------------------------------

static void return_after_spending(enum loyalty_return_policy policy, int64_t balance, int64_t uncollected,
                                  int64_t then) {
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].returns = policy;
  uint64_t id = kit_earn(&kit, 50);
  struct loyalty_lot lot = *kit_lot(&kit, id);
  assert_int_equal(kit_spend(&kit, 30), ERR_OK);
  kit_take_back(&kit, 50, &lot, 1, policy == LOYALTY_ONLY_PENDING ? 50 : uncollected);
  assert_int_equal(kit_balance(&kit), balance);
  assert_int_equal(kit.wallet.balances[0].uncollected, uncollected);
  kit_earn(&kit, 100);
  assert_int_equal(kit_balance(&kit), then);
  if (policy == LOYALTY_UNLIMITED) assert_int_equal(kit_amount(&kit, LOYALTY_DEBT), 0);
  kit_release(&kit);
}

static void test_a_return_after_spending(void **state) {
  (void)state;
  return_after_spending(LOYALTY_ONLY_PENDING, 20, 0, 120);
  return_after_spending(LOYALTY_WITHIN_BALANCE, 0, 30, 100);
  return_after_spending(LOYALTY_UNLIMITED, -30, 0, 70);
}

static void test_a_return_takes_from_others_in_order_of_spending(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].returns = LOYALTY_WITHIN_BALANCE;
  uint64_t late = kit_import(&kit, 40, "2026-12-01T00:00:00Z");
  uint64_t soon = kit_import(&kit, 40, "2026-11-01T00:00:00Z");
  struct loyalty_lot lot = *kit_lot(&kit, soon);
  assert_int_equal(kit_spend(&kit, 30), ERR_OK);
  kit_take_back(&kit, 35, &lot, 1, 0);
  assert_null(kit_lot(&kit, soon));
  assert_int_equal(kit_lot(&kit, late)->active, 15);
  kit_release(&kit);
}

static void test_pending_lots_are_cancelled_first(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.currencies[0].returns = LOYALTY_ONLY_PENDING;
  kit.currencies[0].pending = LOYALTY_PENDING_AFTER;
  kit.currencies[0].pending_after = (struct rule_duration){14, RULE_DAY};
  struct loyalty_lot lots[2] = {*kit_lot(&kit, kit_earn(&kit, 30)), {.amount = 0}};
  lots[1] = *kit_lot(&kit, kit_earn(&kit, 20));
  kit_take_back(&kit, 40, lots, 2, 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_PENDING), 10);
  assert_int_equal(kit_amount(&kit, LOYALTY_RETURNED), 40);
  kit_release(&kit);
}

// --- holds ---------------------------------------------------------------------------------------------------

static uint64_t hold(struct kit *kit, int64_t amount, int64_t for_s) {
  struct loyalty_cause cause = kit_cause(kit);
  uint64_t id;
  int64_t expires_us = kit->ledger.now_us + for_s * CLOCK_SECOND_US;
  assert_int_equal(loyalty_hold_open(&kit->ledger, &cause, KIT_POINTS, amount, expires_us, &id), ERR_OK);
  kit_settle(kit);
  return id;
}

static enum err capture(struct kit *kit, uint64_t id, int64_t amount) {
  struct loyalty_cause cause = kit_cause(kit);
  enum err err = loyalty_hold_capture(&kit->ledger, &cause, id, amount, NULL, NULL);
  kit_check(kit);
  return err;
}

static void test_the_life_of_a_hold(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_earn(&kit, 300);
  uint64_t id = hold(&kit, 120, 900);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 180);
  expect_refused(&kit, kit_spend(&kit, 181), "INSUFFICIENT_POINTS");
  expect_refused(&kit, capture(&kit, id, 121), "CAPTURE_EXCEEDS_HOLD");
  assert_int_equal(capture(&kit, id, 100), ERR_OK);
  assert_int_equal(kit_amount(&kit, LOYALTY_SPENT), 100);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 200);
  expect_refused(&kit, capture(&kit, id, 20), "unknown_hold");
  struct loyalty_cause cause = kit_cause(&kit);
  expect_refused(&kit, loyalty_hold_void(&kit.ledger, &cause, id), "unknown_hold");
  id = hold(&kit, 50, 900);
  kit.ledger.now_us += 900 * (int64_t)CLOCK_SECOND_US;
  expect_refused(&kit, capture(&kit, id, 50), "HOLD_EXPIRED");
  kit_settle(&kit);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 200);
  assert_int_equal(kit.ledger.postings[kit.ledger.posting_count - 1].kind, LOYALTY_RELEASE);
  kit_release(&kit);
}

static void test_held_points_expire_when_they_are_given_back(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_import(&kit, 100, "2026-02-01T00:00:00+01:00");
  kit_now(&kit, "2026-01-31T23:50:00+01:00");
  uint64_t id = hold(&kit, 60, 2 * KIT_HOUR_S);
  kit_now(&kit, "2026-02-01T00:30:00+01:00");
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 40);
  assert_int_equal(kit_amount(&kit, LOYALTY_HELD), 60);
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_hold_void(&kit.ledger, &cause, id), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 100);
  kit_release(&kit);
}

static void test_a_spending_is_put_back_where_it_came_from(void **state) {
  (void)state;
  struct kit kit;
  const struct loyalty_part *parts;
  size_t count;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  uint64_t soon = kit_import(&kit, 50, "2026-02-01T00:00:00Z"), late = kit_import(&kit, 100, "2026-03-01T00:00:00Z");
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_spend(&kit.ledger, &cause, KIT_POINTS, 120, &parts, &count), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(count, 2);
  assert_int_equal(loyalty_roll_back(&kit.ledger, &cause, KIT_POINTS, 80, parts, count), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(kit_lot(&kit, late)->active, 100); // the last taken first
  assert_int_equal(kit_lot(&kit, soon)->active, 10);
  kit_now(&kit, "2026-02-02T00:00:00Z");
  assert_null(kit_lot(&kit, soon));
  struct loyalty_part rest = {parts[0].lot, 40, parts[0].active_us, parts[0].expires_us};
  cause = kit_cause(&kit);
  assert_int_equal(loyalty_roll_back(&kit.ledger, &cause, KIT_POINTS, 41, &rest, 1), ERR_INVALID);
  assert_int_equal(loyalty_roll_back(&kit.ledger, &cause, KIT_POINTS, 40, &rest, 1), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 50);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 100);
  kit_release(&kit);
}

// --- tiers ---------------------------------------------------------------------------------------------------

static void test_the_boundary_of_a_tier(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW)->downgrade = LOYALTY_DOWNGRADE_FULL;
  kit_earn(&kit, 480);
  assert_int_equal(kit.wallet.level, 1);
  kit_earn(&kit, 20);
  assert_int_equal(kit.wallet.level, 2);
  assert_int_equal(kit_spend(&kit, 400), ERR_OK);
  assert_int_equal(kit.wallet.level, 2);
  kit.currencies[0].pending = LOYALTY_PENDING_AFTER;
  kit.currencies[0].pending_after = (struct rule_duration){14, RULE_DAY};
  kit_earn(&kit, 2000);
  assert_int_equal(kit.wallet.level, 2);
  assert_int_equal(loyalty_qualifying_now(&kit.wallet, &kit.programme), 500);
  kit_now(&kit, "2026-02-01T00:00:00Z");
  assert_int_equal(kit.wallet.level, 3);
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_UPGRADED), 2);
  // The first day leaves the window, then the other.
  kit_now(&kit, "2026-12-31T23:00:00Z");
  assert_int_equal(kit.wallet.level, 3);
  kit_now(&kit, "2027-01-14T23:00:00Z");
  assert_int_equal(kit.wallet.level, 1);
  kit_release(&kit);
}

static void return_under_a_tier(bool revert, uint8_t level) {
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  struct loyalty_tiers *tiers = kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW);
  tiers->after_return = revert;
  tiers->downgrade = LOYALTY_DOWNGRADE_FULL;
  kit.currencies[0].returns = LOYALTY_UNLIMITED;
  kit_earn(&kit, 1450);
  kit_now(&kit, "2026-02-01T00:00:00Z");
  struct loyalty_lot lot = *kit_lot(&kit, kit_earn(&kit, 300));
  assert_int_equal(kit.wallet.level, 3);
  kit_now(&kit, "2026-02-10T00:00:00Z");
  kit_take_back(&kit, 300, &lot, 1, 0);
  assert_int_equal(loyalty_qualifying_now(&kit.wallet, &kit.programme), 1450);
  assert_int_equal(kit.wallet.level, level);
  const struct loyalty_news *last = &kit.ledger.news[kit.ledger.news_count - 1];
  assert_int_equal(last->kind == LOYALTY_NEWS_DOWNGRADED && last->by_return, revert);
  // Without revert the level is looked at when a window ends.
  kit_now(&kit, "2026-12-31T22:59:59Z");
  assert_int_equal(kit.wallet.level, level);
  kit_now(&kit, "2027-01-01T00:00:00Z");
  assert_int_equal(kit.wallet.level, 1);
  kit_release(&kit);
}

static void test_a_return_under_a_tier(void **state) {
  (void)state;
  return_under_a_tier(true, 2);
  return_under_a_tier(false, 3);
}

static void test_grace_and_notice_before_going_down(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T12:00:00Z")) return;
  struct loyalty_tiers *tiers = kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW);
  tiers->downgrade = LOYALTY_DOWNGRADE_ONE;
  tiers->grace = (struct rule_duration){30, RULE_DAY};
  tiers->notice = (struct rule_duration){10, RULE_DAY};
  kit_earn(&kit, 2000);
  assert_int_equal(kit.wallet.level, 3);
  kit_now(&kit, "2027-01-20T22:59:59Z");
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_DOWNGRADE_SOON), 0);
  kit_now(&kit, "2027-01-20T23:00:00Z");
  kit_now(&kit, "2027-01-25T00:00:00Z");
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_DOWNGRADE_SOON), 1);
  const struct loyalty_news *soon = &kit.ledger.news[kit.ledger.news_count - 1];
  assert_int_equal(soon->level, 2);
  assert_int_equal(soon->at_us, kit_at("2027-01-30T23:00:00Z"));
  kit_now(&kit, "2027-01-30T22:59:59Z");
  assert_int_equal(kit.wallet.level, 3);
  kit_now(&kit, "2027-01-30T23:00:00Z");
  assert_int_equal(kit.wallet.level, 2);
  kit_now(&kit, "2027-02-28T22:59:59Z");
  assert_int_equal(kit.wallet.level, 2);
  kit_now(&kit, "2027-03-01T23:00:00Z");
  assert_int_equal(kit.wallet.level, 1);
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_DOWNGRADE_SOON), 2);
  assert_int_equal(loyalty_due_us(&kit.wallet, &kit.programme, kit.zone), INT64_MAX);
  kit_release(&kit);
}

static void test_calendar_and_anniversary_windows(void **state) {
  (void)state;
  static const struct {
    enum loyalty_window_kind window;
    const char *before, *end;
  } CASES[] = {{LOYALTY_WINDOW_CALENDAR, "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z"},
               {LOYALTY_WINDOW_ANNIVERSARY, "2027-02-28T22:59:59Z", "2027-02-28T23:00:00Z"}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    struct kit kit;
    if (!kit_init(&kit, PARIS, "2024-02-29T12:00:00Z")) return;
    struct loyalty_tiers *tiers = kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW);
    tiers->downgrade = LOYALTY_DOWNGRADE_FULL;
    tiers->window = CASES[i].window;
    kit_now(&kit, "2026-06-01T12:00:00Z");
    kit_earn(&kit, 600);
    kit_now(&kit, CASES[i].before);
    assert_int_equal(kit.wallet.level, 2);
    kit_now(&kit, CASES[i].end);
    assert_int_equal(kit.wallet.level, 1);
    kit_release(&kit);
  }
}

static void test_one_instant_has_its_order(void **state) {
  (void)state;
  static const enum loyalty_news_kind ORDER[] = {LOYALTY_NEWS_ACTIVATED, LOYALTY_NEWS_UPGRADED, LOYALTY_NEWS_EXPIRED,
                                                 LOYALTY_NEWS_DOWNGRADED};
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2025-01-01T00:00:00Z")) return;
  kit.levels[1].from = 150;
  kit_tiers(&kit, LOYALTY_ACTIVE_BALANCE)->downgrade = LOYALTY_DOWNGRADE_FULL;
  int64_t instant_us = kit_at("2026-01-01T00:00:00+01:00");
  kit_import(&kit, 40, NULL);
  kit_import(&kit, 80, "2026-01-01T00:00:00+01:00");
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_import(&kit.ledger, &cause, KIT_POINTS, 100, instant_us, INT64_MAX, NULL), ERR_OK);
  kit_settle(&kit);
  size_t before = kit.ledger.news_count;
  kit_now_us(&kit, instant_us + 8 * CLOCK_HOUR_US);
  assert_int_equal(kit.ledger.news_count, before + 4);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(kit.ledger.news[before + i].kind, ORDER[i]);
    assert_int_equal(kit.ledger.news[before + i].at_us, instant_us);
  }
  assert_int_equal(kit.ledger.postings[kit.ledger.posting_count - 1].effective_us, instant_us);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 140);
  kit_settle(&kit);
  assert_int_equal(kit.ledger.news_count, before + 4);
  kit_release(&kit);
}

static void test_rewards_come_by_themselves(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.rewards[0] = (struct loyalty_reward){
      .number = 5, .id = BYTES("coffee"), .currency = KIT_POINTS, .cost = 100, .automatic = true};
  kit.rewards[1] = (struct loyalty_reward){.number = 6, .id = BYTES("tea"), .currency = KIT_POINTS, .cost = 10};
  kit.programme.reward_count = 2;
  kit_earn(&kit, 250);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 50);
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_REWARD), 2);
  assert_int_equal(kit.ledger.news[kit.ledger.news_count - 1].reward, 5);
  kit_release(&kit);
}

static void test_an_expiry_is_announced_once(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit.programme.expiry_notice = (struct rule_duration){7, RULE_DAY};
  kit_import(&kit, 40, "2026-03-01T00:00:00+01:00");
  kit_import(&kit, 2, "2026-03-01T00:00:00+01:00");
  kit_import(&kit, 5, "2026-03-05T00:00:00+01:00");
  kit_now(&kit, "2026-02-21T23:59:59+01:00");
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_EXPIRY_SOON), 0);
  kit_now(&kit, "2026-02-22T00:00:00+01:00");
  kit_now(&kit, "2026-02-23T00:00:00+01:00");
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_EXPIRY_SOON), 1);
  assert_int_equal(kit.ledger.news[kit.ledger.news_count - 1].amount, 42);
  kit_now(&kit, "2026-04-01T00:00:00+01:00");
  assert_int_equal(kit_told(&kit, LOYALTY_NEWS_EXPIRY_SOON), 2);
  kit_release(&kit);
}

// --- refusals and other members ------------------------------------------------------------------------------

static void test_what_is_refused_changes_nothing(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_earn(&kit, 100);
  struct bytes row = kit_row(&kit, &kit.wallet);
  size_t postings = kit.ledger.posting_count, news = kit.ledger.news_count;
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_earn(&kit.ledger, &cause, KIT_POINTS, 0, NULL), ERR_INVALID);
  assert_string_equal(kit.diag.code, "bad_amount");
  assert_int_equal(loyalty_earn(&kit.ledger, &cause, 9, 1, NULL), ERR_INVALID);
  assert_string_equal(kit.diag.code, "unknown_currency");
  assert_int_equal(loyalty_earn(&kit.ledger, &cause, KIT_POINTS, INT64_MAX, NULL), ERR_LIMIT);
  assert_string_equal(kit.diag.code, "overflow");
  expect_refused(&kit, loyalty_adjust(&kit.ledger, &cause, KIT_POINTS, 101, false), "INSUFFICIENT_POINTS");
  expect_refused(&kit, loyalty_hold_open(&kit.ledger, &cause, KIT_POINTS, 101, INT64_MAX, NULL), "INSUFFICIENT_POINTS");
  assert_true(bytes_equal(kit_row(&kit, &kit.wallet), row));
  assert_int_equal(kit.ledger.posting_count, postings);
  assert_int_equal(kit.ledger.news_count, news);
  kit_release(&kit);
}

static void test_a_transfer_keeps_dates(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_wallet friend;
  struct loyalty_ledger to;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_import(&kit, 40, "2026-03-01T00:00:00+01:00");
  kit_import(&kit, 40, NULL);
  loyalty_wallet_init(&friend, &kit.programme, kit.ledger.now_us);
  kit_ledger(&kit, &friend, &to, 43);
  to.now_us = kit.ledger.now_us;
  struct loyalty_cause cause = kit_cause(&kit);
  expect_refused(&kit, loyalty_transfer(&kit.ledger, &to, &cause, KIT_POINTS, 81), "INSUFFICIENT_POINTS");
  assert_int_equal(loyalty_transfer(&kit.ledger, &to, &cause, KIT_POINTS, 50), ERR_OK);
  kit_check(&kit);
  kit_check_wallet(&kit, &friend, to.postings, to.posting_count);
  assert_int_equal(friend.lot_count, 2);
  assert_int_equal(friend.lots[0].expires_us, kit_at("2026-03-01T00:00:00+01:00"));
  assert_int_equal(friend.lots[0].amount, 40);
  assert_int_equal(friend.lots[1].amount, 10);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 30);
  kit_release(&kit);
}

static void test_erasure_ends_all(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_earn(&kit, 100);
  hold(&kit, 30, 900);
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_erase(&kit.ledger, &cause), ERR_OK);
  kit_settle(&kit);
  assert_int_equal(kit_amount(&kit, LOYALTY_ERASED), 100);
  assert_int_equal(kit.wallet.lot_count + kit.wallet.hold_count, 0);
  assert_int_equal(loyalty_erase(&kit.ledger, &cause), ERR_OK);
  assert_int_equal(kit.ledger.posting_count, 3);
  kit_release(&kit);
}

static bool is_of(void *context, const struct loyalty_posting *posting) {
  return posting->origin == *(uint64_t *)context;
}

// Two members become one and part again: each has what came from it.
static void test_united_and_parted(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_wallet store;
  struct loyalty_ledger other;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW);
  loyalty_wallet_init(&store, &kit.programme, kit.ledger.now_us);
  kit_ledger(&kit, &store, &other, 43);
  other.now_us = kit.ledger.now_us;
  kit_earn(&kit, 300);
  struct loyalty_cause cause = kit_cause(&kit);
  assert_int_equal(loyalty_earn(&other, &cause, KIT_POINTS, 200, NULL), ERR_OK);
  struct bytes web_row = kit_row(&kit, &kit.wallet), store_row = kit_row(&kit, &store);
  assert_int_equal(loyalty_unite(&kit.ledger, &store), ERR_OK);
  struct loyalty_posting all[] = {kit.ledger.postings[0], other.postings[0]};
  kit_check_wallet(&kit, &kit.wallet, all, 2);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 500);
  assert_int_equal(kit.wallet.level, 2); // neither had it
  struct loyalty_wallet whole = kit.wallet;
  struct loyalty_posting *mine;
  size_t count;
  uint64_t origin = 42;
  assert_int_equal(loyalty_rebuild(&kit.ledger, all, 2, is_of, &origin, &mine, &count), ERR_OK);
  kit_check_wallet(&kit, &kit.wallet, mine, count);
  assert_true(bytes_equal(kit_row(&kit, &kit.wallet), web_row));
  store = whole;
  origin = 43;
  assert_int_equal(loyalty_rebuild(&other, all, 2, is_of, &origin, &mine, &count), ERR_OK);
  kit_check_wallet(&kit, &store, mine, count);
  assert_true(bytes_equal(kit_row(&kit, &store), store_row));
  kit_release(&kit);
}

// --- caps ----------------------------------------------------------------------------------------------------

static void test_caps_by_period(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_rule_ref rule = {.rule = 4};
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  int64_t first_us = kit_at("2026-10-25T02:30:00+02:00"), again_us = kit_at("2026-10-25T02:30:00+01:00");
  assert_int_equal(loyalty_cap_room(&kit.wallet, kit.zone, rule, 0, LOYALTY_DAY, 1, first_us), 1);
  assert_int_equal(loyalty_count(&kit.ledger, rule, 0, 0, LOYALTY_DAY, first_us, 1), ERR_OK);
  assert_int_equal(loyalty_cap_room(&kit.wallet, kit.zone, rule, 0, LOYALTY_DAY, 1, again_us), 0);
  assert_int_equal(loyalty_cap_room(&kit.wallet, kit.zone, rule, 0, LOYALTY_DAY, 1, again_us + CLOCK_DAY_US), 1);
  assert_int_equal(loyalty_cap_room(&kit.wallet, kit.zone, rule, 1, LOYALTY_DAY, 1, again_us), 1);
  assert_int_equal(loyalty_count(&kit.ledger, rule, 0, 0, LOYALTY_DAY, again_us, -1), ERR_OK);
  assert_int_equal(kit.wallet.counter_count, 0);
  for (int day = 0; day < 100; day++)
    assert_int_equal(loyalty_count(&kit.ledger, rule, 0, 0, LOYALTY_DAY, first_us + day * CLOCK_DAY_US, 1), ERR_OK);
  assert_in_range(kit.wallet.counter_count, 8, 10);
  struct loyalty_rule_ref none = {0, 0};
  for (int i = 0; i < 3; i++)
    assert_int_equal(loyalty_count(&kit.ledger, none, 12, 0, LOYALTY_EVER, first_us, 1), ERR_OK);
  assert_int_equal(loyalty_voucher_uses(&kit.wallet, 12), 3);
  assert_int_equal(loyalty_voucher_uses(&kit.wallet, 13), 0);
  kit_check_row(&kit, &kit.wallet);
  kit_release(&kit);
}

// --- rows, words, memory -------------------------------------------------------------------------------------

static void test_postings_come_back(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  struct loyalty_cause cause = {.reference = BYTES("order-1"),
                                .identifier = BYTES("loyalty_card:123"),
                                .author = BYTES("ann"),
                                .reason = BYTES("gift"),
                                .rule = {.campaign = 2, .rule = 3},
                                .effective_us = kit.ledger.now_us - 5};
  assert_int_equal(loyalty_earn(&kit.ledger, &cause, KIT_POINTS, 77, NULL), ERR_OK);
  struct loyalty_posting again, *posting = &kit.ledger.postings[0];
  struct buffer row;
  buffer_init(&row);
  loyalty_posting_encode(posting, &row);
  assert_int_equal(loyalty_posting_decode(buffer_view(&row), posting->id, &kit.arena, &again), ERR_OK);
  assert_true(bytes_equal(again.reference, cause.reference) && bytes_equal(again.identifier, cause.identifier));
  assert_true(bytes_equal(again.author, cause.author) && bytes_equal(again.reason, cause.reason));
  assert_true(again.effective_us == cause.effective_us && again.recorded_us == kit.ledger.now_us);
  assert_int_equal(again.entry_count, 1);
  assert_int_equal(again.entries[0].amount, 77);
  assert_int_equal(again.entries[0].lot, posting->id << 8);
  assert_int_equal(again.entries[0].rule.campaign, 2);
  for (size_t size = 0; size < row.size_bytes; size++)
    assert_int_equal(loyalty_posting_decode(bytes_of(row.data, size), posting->id, &kit.arena, &again), ERR_CORRUPT);
  buffer_release(&row);
  kit_release(&kit);
}

static void test_damaged_wallets_are_found(void **state) {
  (void)state;
  struct kit kit;
  struct loyalty_wallet *again;
  size_t count;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW);
  kit_earn(&kit, 100);
  hold(&kit, 30, 900);
  struct bytes row = kit_row(&kit, &kit.wallet);
  for (size_t size = 1; size < row.size_bytes; size++)
    assert_int_equal(loyalty_wallets_decode(bytes_of(row.data, size), &kit.arena, &again, &count), ERR_CORRUPT);
  // Whatever bit is changed: it is refused, or it is another wallet that is sound.
  for (size_t i = 0; i < row.size_bytes; i++)
    for (unsigned bit = 0; bit < 8; bit++) {
      struct bytes damaged = arena_copy(&kit.arena, row);
      ((uint8_t *)(uintptr_t)damaged.data)[i] ^= (uint8_t)(1u << bit);
      if (loyalty_wallets_decode(damaged, &kit.arena, &again, &count) != ERR_OK) continue;
      kit_check_row(&kit, again);
    }
  kit_release(&kit);
}

static void test_as_json(void **state) {
  (void)state;
  struct kit kit;
  struct buffer out;
  struct json_writer writer;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW);
  kit.programme.currency_count = 1;
  kit_import(&kit, 100, "2026-07-01T00:00:00+02:00");
  buffer_init(&out);
  json_writer_init(&writer, &out);
  loyalty_wallet_json(&kit.wallet, 1, &kit.programme, kit.zone, &writer);
  buffer_append_byte(&out, 0);
  assert_string_equal(
      (const char *)out.data,
      "{\"programme\":\"club\",\"balances\":[{\"currency\":\"points\",\"active\":100,\"pending\":0,\"held\":0,"
      "\"debt\":0,\"available\":100,\"spent\":0,\"expired\":0}],\"tier\":{\"level\":\"standard\",\"since\":"
      "\"2026-01-01T00:00:00.000Z\",\"qualifying\":100,\"next\":\"premium\",\"missing\":400},\"lots\":[{\"id\":"
      "\"l25856\",\"currency\":\"points\",\"amount\":100,\"left\":100,\"pending\":0,\"held\":0,\"earned_at\":"
      "\"2026-01-01T00:00:00.000Z\",\"active_at\":\"2026-01-01T00:00:00.000Z\",\"expires_on\":\"2026-06-30\"}],"
      "\"holds\":[]}");
  buffer_clear(&out);
  json_writer_init(&writer, &out);
  loyalty_posting_json(&kit.ledger.postings[0], &kit.programme, &writer);
  buffer_append_byte(&out, 0);
  assert_string_equal((const char *)out.data,
                      "{\"id\":\"p101\",\"kind\":\"import\",\"programme\":\"club\",\"reference\":\"o1\","
                      "\"effective_at\":\"2026-01-01T00:00:00.000Z\",\"recorded_at\":\"2026-01-01T00:00:00.000Z\","
                      "\"entries\":[{\"currency\":\"points\",\"from\":\"issued\",\"to\":\"active\",\"amount\":100,"
                      "\"lot\":\"l25856\"}]}");
  buffer_release(&out);
  kit_release(&kit);
}

// A day of every kind of operation; the first failure ends it.
static enum err live(struct kit *kit) {
  struct loyalty_ledger *ledger = &kit->ledger;
  const struct loyalty_part *parts;
  size_t count;
  uint64_t hold_id, lot_id;
  struct loyalty_cause cause = kit_cause(kit);
  enum err err = loyalty_earn(ledger, &cause, KIT_POINTS, 600, &lot_id);
  struct loyalty_lot lot = {.id = lot_id, .amount = 600, .active_us = cause.effective_us};
  if (err == ERR_OK) err = loyalty_advance(ledger, ledger->now_us);
  if (err == ERR_OK) err = loyalty_spend(ledger, &cause, KIT_POINTS, 100, &parts, &count);
  if (err == ERR_OK) err = loyalty_roll_back(ledger, &cause, KIT_POINTS, 50, parts, count);
  if (err == ERR_OK) err = loyalty_hold_open(ledger, &cause, KIT_POINTS, 60, cause.effective_us + 9, &hold_id);
  if (err == ERR_OK) err = loyalty_hold_capture(ledger, &cause, hold_id, 10, &parts, &count);
  if (err == ERR_OK) err = loyalty_hold_open(ledger, &cause, KIT_POINTS, 60, cause.effective_us + 9, &hold_id);
  if (err == ERR_OK) err = loyalty_adjust(ledger, &cause, KIT_POINTS, 5, true);
  if (err == ERR_OK) err = loyalty_count(ledger, cause.rule, 3, 0, LOYALTY_DAY, cause.effective_us, 1);
  if (err == ERR_OK) err = loyalty_take_back(ledger, &cause, KIT_POINTS, 600, &lot, 1, NULL, NULL);
  ledger->now_us += CLOCK_DAY_US;
  return err == ERR_OK ? loyalty_advance(ledger, ledger->now_us) : err;
}

static bool live_with_memory(uint64_t allowed) {
  struct kit kit;
  const char *breach;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return false;
  kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW)->after_return = true;
  kit.currencies[0].returns = LOYALTY_UNLIMITED;
  alloc_fail_after(allowed, true);
  enum err err = live(&kit);
  bool failed = alloc_fail_disarm();
  assert_int_equal(err, failed ? ERR_NO_MEMORY : ERR_OK);
  assert_int_equal(loyalty_verify(&kit.wallet, kit.ledger.postings, kit.ledger.posting_count, &kit.arena, &breach),
                   ERR_OK);
  assert_null(breach);
  kit_release(&kit);
  return failed;
}

// An arena of little memory fails at every take in turn, which the heap does only where blocks are small.
static bool live_with_arena(size_t limit_bytes) {
  struct kit kit;
  const char *breach;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return false;
  kit_tiers(&kit, LOYALTY_EARNED_IN_WINDOW)->after_return = true;
  kit.currencies[0].returns = LOYALTY_UNLIMITED;
  kit.arena.limit_bytes = limit_bytes;
  enum err err = live(&kit);
  kit.arena.limit_bytes = 0;
  assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
  assert_int_equal(loyalty_verify(&kit.wallet, kit.ledger.postings, kit.ledger.posting_count, &kit.arena, &breach),
                   ERR_OK);
  assert_null(breach);
  kit_release(&kit);
  return err != ERR_OK;
}

static void test_short_memory_books_nothing_by_half(void **state) {
  (void)state;
  uint64_t allowed = 0;
  while (live_with_memory(allowed)) allowed++;
  size_t limit_bytes = 16;
  while (live_with_arena(limit_bytes)) limit_bytes += 48;
}

static struct loyalty_cause external_cause(const struct kit *kit) {
  struct loyalty_cause cause = kit_cause(kit);
  cause.rule = (struct loyalty_rule_ref){LOYALTY_EXTERNAL, 5};
  return cause;
}

static uint64_t bring(struct kit *kit, int64_t amount, const char *earned, const char *expires) {
  struct loyalty_cause cause = external_cause(kit);
  uint64_t lot = 0;
  cause.effective_us = kit_at(earned);
  assert_int_equal(loyalty_import(&kit->ledger, &cause, KIT_POINTS, amount, cause.effective_us,
                                  expires == NULL ? INT64_MAX : kit_at(expires), &lot),
                   ERR_OK);
  kit_settle(kit);
  kit_check(kit);
  return lot;
}

static void follow(struct kit *kit, int64_t amount, enum loyalty_posting_kind kind) {
  struct loyalty_cause cause = external_cause(kit);
  assert_int_equal(loyalty_follow_less(&kit->ledger, &cause, KIT_POINTS, amount, kind, NULL), ERR_OK);
  kit_check(kit);
}

static void test_another_programme_spends_its_own_first_and_owes_the_rest(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_now(&kit, "2026-02-01T00:00:00Z");
  uint64_t own = kit_import(&kit, 50, "2026-03-01T00:00:00Z");
  uint64_t other = bring(&kit, 100, "2026-01-15T00:00:00Z", NULL);
  follow(&kit, 60, LOYALTY_SPEND);
  assert_int_equal(kit_lot(&kit, other)->active, 40);
  assert_int_equal(kit_lot(&kit, own)->active, 50);
  follow(&kit, 120, LOYALTY_SPEND);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_DEBT), -30);
  assert_int_equal(kit_amount(&kit, LOYALTY_SPENT), 180);
  bring(&kit, 100, "2026-01-20T00:00:00Z", NULL);
  assert_int_equal(kit_amount(&kit, LOYALTY_DEBT), 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 70);
  kit_release(&kit);
}

static void test_what_comes_late_pays_what_was_spent_before_its_last_day(void **state) {
  (void)state;
  struct kit kit;
  if (!kit_init(&kit, PARIS, "2026-01-01T00:00:00Z")) return;
  kit_now(&kit, "2026-08-01T00:00:00Z");
  follow(&kit, 60, LOYALTY_SPEND);
  assert_int_equal(kit_amount(&kit, LOYALTY_DEBT), -60);
  bring(&kit, 100, "2026-01-15T00:00:00Z", "2026-07-01T00:00:00Z");
  assert_int_equal(kit_amount(&kit, LOYALTY_DEBT), 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_ACTIVE), 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 40);
  follow(&kit, 25, LOYALTY_SPEND);
  struct loyalty_cause cause = external_cause(&kit);
  assert_int_equal(loyalty_expired_in_vain(&kit.ledger, &cause, KIT_POINTS, 40), ERR_OK);
  kit_check(&kit);
  assert_int_equal(kit_amount(&kit, LOYALTY_DEBT), 0);
  assert_int_equal(kit_amount(&kit, LOYALTY_EXPIRED), 15);
  assert_int_equal(loyalty_follow_less(&kit.ledger, &cause, KIT_POINTS, 0, LOYALTY_SPEND, NULL), ERR_INVALID);
  kit_release(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pending_days_keep_the_wall_clock),
      cmocka_unit_test(test_validity_starts_at_activation),
      cmocka_unit_test(test_an_event_makes_lots_active),
      cmocka_unit_test(test_soonest_expiry_is_spent_first),
      cmocka_unit_test(test_what_was_spent_does_not_expire),
      cmocka_unit_test(test_a_late_sale_counts_when_it_was),
      cmocka_unit_test(test_sliding_moves_every_dated_lot),
      cmocka_unit_test(test_a_return_after_spending),
      cmocka_unit_test(test_a_return_takes_from_others_in_order_of_spending),
      cmocka_unit_test(test_pending_lots_are_cancelled_first),
      cmocka_unit_test(test_the_life_of_a_hold),
      cmocka_unit_test(test_held_points_expire_when_they_are_given_back),
      cmocka_unit_test(test_a_spending_is_put_back_where_it_came_from),
      cmocka_unit_test(test_the_boundary_of_a_tier),
      cmocka_unit_test(test_a_return_under_a_tier),
      cmocka_unit_test(test_grace_and_notice_before_going_down),
      cmocka_unit_test(test_calendar_and_anniversary_windows),
      cmocka_unit_test(test_one_instant_has_its_order),
      cmocka_unit_test(test_rewards_come_by_themselves),
      cmocka_unit_test(test_an_expiry_is_announced_once),
      cmocka_unit_test(test_what_is_refused_changes_nothing),
      cmocka_unit_test(test_a_transfer_keeps_dates),
      cmocka_unit_test(test_erasure_ends_all),
      cmocka_unit_test(test_united_and_parted),
      cmocka_unit_test(test_caps_by_period),
      cmocka_unit_test(test_postings_come_back),
      cmocka_unit_test(test_damaged_wallets_are_found),
      cmocka_unit_test(test_another_programme_spends_its_own_first_and_owes_the_rest),
      cmocka_unit_test(test_what_comes_late_pays_what_was_spent_before_its_last_day),
      cmocka_unit_test(test_as_json),
      cmocka_unit_test(test_short_memory_books_nothing_by_half),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
