// loyalty_ledger_kit: a member, her programme and her postings, for the tests of the ledger. After each step the wallet
// is held against its postings, and written and read again.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "loyalty/ledger.h"
#include "rule/duration.h"
#include "rule_zoneinfo.h"

enum { KIT_POINTS = 1, KIT_HOUR_S = 3600, KIT_CURRENCIES = 2, KIT_LEVELS = 3, KIT_REWARDS = 2 };

struct kit {
  struct arena arena;
  struct rule_zone *zone;
  struct loyalty_currency currencies[KIT_CURRENCIES];
  struct loyalty_level levels[KIT_LEVELS];
  struct loyalty_reward rewards[KIT_REWARDS];
  struct loyalty_programme programme;
  struct loyalty_wallet wallet;
  struct loyalty_ledger ledger;
  struct diag diag;
  uint64_t last_id;
};

static inline int64_t kit_at(const char *text) {
  int64_t time_us = 0;
  assert_int_equal(clock_parse(bytes_from_text(text), &time_us), ERR_OK);
  return time_us;
}

static inline enum err kit_next_id(void *context, uint64_t *id) {
  *id = ++*(uint64_t *)context;
  return ERR_OK;
}

static inline void kit_ledger(struct kit *kit, struct loyalty_wallet *wallet, struct loyalty_ledger *ledger,
                              uint64_t customer) {
  *ledger = (struct loyalty_ledger){.programme = &kit->programme,
                                    .zone = kit->zone,
                                    .wallet = wallet,
                                    .arena = &kit->arena,
                                    .customer = customer,
                                    .next_id = kit_next_id,
                                    .context = &kit->last_id,
                                    .diag = &kit->diag};
}

// Points that are active at once and never expire; no tiers. False: no such zone here.
static inline bool kit_init(struct kit *kit, const char *zone, const char *joined) {
  memset(kit, 0, sizeof *kit);
  kit->zone = zoneinfo_open(zone);
  if (kit->zone == NULL) return false;
  arena_init(&kit->arena, 0);
  kit->currencies[0] = (struct loyalty_currency){.number = KIT_POINTS, .id = BYTES("points")};
  kit->currencies[1] = (struct loyalty_currency){.number = 2, .id = BYTES("credit"), .scale = 2};
  kit->levels[0] = (struct loyalty_level){.number = 1, .id = BYTES("standard"), .from = 0};
  kit->levels[1] = (struct loyalty_level){.number = 2, .id = BYTES("premium"), .from = 500};
  kit->levels[2] = (struct loyalty_level){.number = 3, .id = BYTES("vip"), .from = 1500};
  kit->programme = (struct loyalty_programme){.number = 7,
                                              .id = BYTES("club"),
                                              .timezone = bytes_from_text(zone),
                                              .currencies = kit->currencies,
                                              .currency_count = KIT_CURRENCIES,
                                              .rewards = kit->rewards};
  kit->programme.tiers.levels = kit->levels;
  kit->programme.tiers.window_length = (struct rule_duration){12, RULE_MONTH};
  kit->last_id = 100;
  loyalty_wallet_init(&kit->wallet, &kit->programme, kit_at(joined));
  kit_ledger(kit, &kit->wallet, &kit->ledger, 42);
  kit->ledger.now_us = kit->wallet.joined_us;
  return true;
}

// Tiers over the points; the member begins at the lowest.
static inline struct loyalty_tiers *kit_tiers(struct kit *kit, enum loyalty_qualifying qualifying) {
  kit->programme.tiers.currency = KIT_POINTS;
  kit->programme.tiers.qualifying = qualifying;
  kit->programme.tiers.level_count = KIT_LEVELS;
  loyalty_wallet_init(&kit->wallet, &kit->programme, kit->wallet.joined_us);
  return &kit->programme.tiers;
}

static inline void kit_release(struct kit *kit) {
  arena_release(&kit->arena);
  rule_zone_close(kit->zone);
}

// --- what must always hold -----------------------------------------------------------------------------------

static inline struct bytes kit_row(struct kit *kit, const struct loyalty_wallet *wallet) {
  struct buffer out;
  buffer_init(&out);
  loyalty_wallets_encode(wallet, 1, &out);
  assert_false(out.failed);
  struct bytes row = arena_copy(&kit->arena, buffer_view(&out));
  buffer_release(&out);
  return row;
}

static inline void kit_check_row(struct kit *kit, const struct loyalty_wallet *wallet) {
  struct loyalty_wallet *again;
  size_t count;
  struct bytes row = kit_row(kit, wallet);
  assert_int_equal(loyalty_wallets_decode(row, &kit->arena, &again, &count), ERR_OK);
  assert_int_equal(count, 1);
  assert_int_equal(again->lot_count, wallet->lot_count);
  assert_true(bytes_equal(kit_row(kit, again), row));
}

static inline void kit_check_wallet(struct kit *kit, const struct loyalty_wallet *wallet,
                                    const struct loyalty_posting *postings, size_t count) {
  const char *breach = NULL;
  assert_int_equal(loyalty_verify(wallet, postings, count, &kit->arena, &breach), ERR_OK);
  if (breach != NULL) fail_msg("%s", breach);
  for (size_t i = 0; i < wallet->balance_count; i++) {
    int64_t sum = 0;
    for (int k = 0; k < LOYALTY_ACCOUNT_COUNT; k++) sum += wallet->balances[i].accounts[k];
    assert_int_equal(sum, 0);
  }
  kit_check_row(kit, wallet);
}

static inline void kit_check(struct kit *kit) {
  kit_check_wallet(kit, &kit->wallet, kit->ledger.postings, kit->ledger.posting_count);
}

// --- steps ---------------------------------------------------------------------------------------------------

static inline void kit_settle(struct kit *kit) {
  assert_int_equal(loyalty_advance(&kit->ledger, kit->ledger.now_us), ERR_OK);
  kit_check(kit);
}

static inline void kit_now_us(struct kit *kit, int64_t now_us) {
  kit->ledger.now_us = now_us;
  kit_settle(kit);
}

static inline void kit_now(struct kit *kit, const char *text) {
  kit_now_us(kit, kit_at(text));
}

static inline struct loyalty_cause kit_cause(const struct kit *kit) {
  return (struct loyalty_cause){.reference = BYTES("o1"), .effective_us = kit->ledger.now_us};
}

static inline uint64_t kit_earn(struct kit *kit, int64_t amount) {
  struct loyalty_cause cause = kit_cause(kit);
  uint64_t lot;
  assert_int_equal(loyalty_earn(&kit->ledger, &cause, KIT_POINTS, amount, &lot), ERR_OK);
  kit_settle(kit);
  return lot;
}

static inline uint64_t kit_import(struct kit *kit, int64_t amount, const char *expires) {
  struct loyalty_cause cause = kit_cause(kit);
  uint64_t lot;
  int64_t expires_us = expires == NULL ? INT64_MAX : kit_at(expires);
  assert_int_equal(loyalty_import(&kit->ledger, &cause, KIT_POINTS, amount, cause.effective_us, expires_us, &lot),
                   ERR_OK);
  kit_settle(kit);
  return lot;
}

static inline enum err kit_spend(struct kit *kit, int64_t amount) {
  struct loyalty_cause cause = kit_cause(kit);
  enum err err = loyalty_spend(&kit->ledger, &cause, KIT_POINTS, amount, NULL, NULL);
  kit_settle(kit);
  return err;
}

static inline int64_t kit_amount(const struct kit *kit, enum loyalty_account account) {
  return loyalty_amount(&kit->wallet, KIT_POINTS, account);
}

// What she has, less what she owes.
static inline int64_t kit_balance(const struct kit *kit) {
  return kit_amount(kit, LOYALTY_ACTIVE) + kit_amount(kit, LOYALTY_DEBT);
}

static inline const struct loyalty_lot *kit_lot(const struct kit *kit, uint64_t id) {
  for (size_t i = 0; i < kit->wallet.lot_count; i++)
    if (kit->wallet.lots[i].id == id) return &kit->wallet.lots[i];
  return NULL;
}

static inline size_t kit_told(const struct kit *kit, enum loyalty_news_kind kind) {
  size_t count = 0;
  for (size_t i = 0; i < kit->ledger.news_count; i++) count += kit->ledger.news[i].kind == kind;
  return count;
}

static inline void kit_take_back(struct kit *kit, int64_t amount, const struct loyalty_lot *lots, size_t count,
                                 int64_t uncollected) {
  struct loyalty_cause cause = kit_cause(kit);
  int64_t left = -1;
  assert_int_equal(loyalty_take_back(&kit->ledger, &cause, KIT_POINTS, amount, lots, count, NULL, &left), ERR_OK);
  assert_int_equal(left, uncollected);
  kit_settle(kit);
}
