// wallet_row: all wallets of one member, in a row that is read with every event of hers, so in one pass.
//
// docs/formats/loyalty.md says what is where. Invariants: 1. equal wallets are equal bytes: what says nothing is not
// written (balances of nothing, lots of nothing), and every piece has one form, which the reader insists on but for
// numbers that are longer than they need be; 2. a row that is read is sound in itself: lots ascend, their sums are
// their balances', the parts of holds are what lots hold. So the ledger may take it for granted. Instants are kept as
// distances from one near by, modulo 2^64.
#include <assert.h>

#include "base/varint.h"
#include "loyalty/ledger_private.h"

enum {
  FORMAT = 1,
  WALLET_BLOCKED = 1,
  WALLET_BELOW = 2,
  WALLET_EXPIRY_NOTICED = 4,
  WALLET_DOWNGRADE_NOTICED = 8,
  WALLET_GUEST = 16,
  WALLET_FLAGS = 31,
  LOT_ACTIVE_EARNED = 1, // active when earned
  LOT_ACTIVE_NEVER = 2,  // by an event
  LOT_EXPIRES_NEVER = 4,
  LOT_PENDING = 8,
  LOT_ACTIVE = 16,
  LOT_HELD = 32,
  LOT_RULE = 64,
  LOT_WHOLE = 128, // nothing of it is gone
  LOT_PARTS = LOT_PENDING | LOT_ACTIVE | LOT_HELD,
  PART_EXPIRES_NEVER = 1,
  BALANCE_UNCOLLECTED = 1 << LOYALTY_ACCOUNT_COUNT,
  BALANCE_WITHHELD = 2 * BALANCE_UNCOLLECTED,
  BALANCE_MASKS = 2 * BALANCE_WITHHELD - 1,
  // The least and the most bytes of a piece.
  WALLET_BYTES_MIN = 11,
  WALLET_BYTES_MAX = 128,
  BALANCE_BYTES_MIN = 3,
  BALANCE_BYTES_MAX = 2 + 2 + (LOYALTY_ACCOUNT_COUNT + 2) * VARINT_BYTES_MAX,
  LOT_BYTES_MIN = 6,
  LOT_BYTES_MAX = 3 + 9 * VARINT_BYTES_MAX + 2 * 5,
  HOLD_BYTES_MIN = 9,
  HOLD_BYTES_MAX = 2 + 4 * VARINT_BYTES_MAX,
  PART_BYTES_MIN = 4,
  PART_BYTES_MAX = 1 + 4 * VARINT_BYTES_MAX,
  DAY_BYTES_MIN = 2,
  DAY_BYTES_MAX = 2 * VARINT_BYTES_MAX,
  COUNTER_BYTES_MIN = 6,
  COUNTER_BYTES_MAX = 1 + 5 * VARINT_BYTES_MAX,
};

static uint8_t *put_from(uint8_t *at, int64_t instant_us, int64_t base_us) {
  return varint_put_signed(at, (int64_t)((uint64_t)instant_us - (uint64_t)base_us));
}

static int64_t read_from(struct varint_reader *reader, int64_t base_us) {
  return (int64_t)((uint64_t)varint_read_signed(reader) + (uint64_t)base_us);
}

// An amount above 0.
static int64_t read_amount(struct varint_reader *reader) {
  int64_t amount = (int64_t)varint_read_up_to(reader, INT64_MAX);
  if (amount == 0) varint_fail(reader);
  return amount;
}

// How many pieces come, of at least `least_bytes` each: bounded by the row before memory is taken for them.
static size_t read_count(struct varint_reader *reader, size_t least_bytes) {
  uint64_t count = varint_read(reader);
  return count <= varint_rest_bytes(reader) / least_bytes ? (size_t)count : (size_t)varint_fail(reader);
}

static bool take(struct arena *arena, size_t count, size_t item_bytes, void **items) {
  *items = count == 0 ? NULL : arena_take(arena, count * item_bytes);
  return count == 0 || *items != NULL;
}

// --- balances ------------------------------------------------------------------------------------------------

static unsigned mask_of(const struct loyalty_balance *balance) {
  unsigned mask = balance->uncollected != 0 ? BALANCE_UNCOLLECTED : 0;
  if (balance->withheld != 0) mask |= BALANCE_WITHHELD;
  for (unsigned i = 0; i < LOYALTY_ACCOUNT_COUNT; i++) mask |= (unsigned)(balance->accounts[i] != 0) << i;
  return mask;
}

static uint8_t *put_balances(uint8_t *at, const struct loyalty_wallet *wallet) {
  size_t count = 0;
  for (size_t i = 0; i < wallet->balance_count; i++) count += mask_of(&wallet->balances[i]) != 0;
  at = varint_put(at, count);
  for (size_t i = 0; i < wallet->balance_count; i++) {
    const struct loyalty_balance *balance = &wallet->balances[i];
    unsigned mask = mask_of(balance);
    if (mask == 0) continue;
    *at++ = balance->currency;
    at = varint_put(at, mask);
    for (unsigned k = 0; k < LOYALTY_ACCOUNT_COUNT; k++)
      if (mask & 1u << k) at = varint_put_signed(at, balance->accounts[k]);
    if (mask & BALANCE_UNCOLLECTED) at = varint_put_signed(at, balance->uncollected);
    if (mask & BALANCE_WITHHELD) at = varint_put_signed(at, balance->withheld);
  }
  return at;
}

static bool read_balance(struct varint_reader *reader, struct loyalty_balance *balance) {
  *balance = (struct loyalty_balance){.currency = varint_read_byte(reader)};
  unsigned mask = (unsigned)varint_read_up_to(reader, BALANCE_MASKS);
  uint64_t sum = 0;
  for (unsigned i = 0; i < LOYALTY_ACCOUNT_COUNT; i++) {
    if ((mask & 1u << i) == 0) continue;
    balance->accounts[i] = varint_read_signed(reader);
    if (balance->accounts[i] == 0 || balance->accounts[i] == INT64_MIN) return false; // no account goes so low
    sum += (uint64_t)balance->accounts[i];
  }
  if (mask & BALANCE_UNCOLLECTED) balance->uncollected = varint_read_signed(reader);
  if (mask & BALANCE_WITHHELD) balance->withheld = varint_read_signed(reader);
  if (((mask & BALANCE_WITHHELD) == 0) != (balance->withheld == 0) || balance->withheld < 0) return false;
  return !reader->failed && mask != 0 && sum == 0 && ((mask & BALANCE_UNCOLLECTED) == 0) == (balance->uncollected == 0);
}

static enum err read_balances(struct varint_reader *reader, struct arena *arena, struct loyalty_wallet *wallet) {
  size_t count = read_count(reader, BALANCE_BYTES_MIN);
  void *items;
  if (!take(arena, count, sizeof *wallet->balances, &items)) return ERR_NO_MEMORY;
  wallet->balances = items;
  wallet->balance_count = count;
  for (size_t i = 0; i < count; i++) {
    if (!read_balance(reader, &wallet->balances[i])) return ERR_CORRUPT;
    if (i > 0 && wallet->balances[i].currency <= wallet->balances[i - 1].currency) return ERR_CORRUPT;
  }
  return ERR_OK;
}

// --- lots ----------------------------------------------------------------------------------------------------

static unsigned flags_of(const struct loyalty_lot *lot) {
  unsigned flags = lot->active_us == lot->earned_us ? LOT_ACTIVE_EARNED : 0;
  if (flags == 0 && lot->active_us == INT64_MAX) flags |= LOT_ACTIVE_NEVER;
  if (lot->expires_us == INT64_MAX) flags |= LOT_EXPIRES_NEVER;
  if (lot->pending != 0) flags |= LOT_PENDING;
  if (lot->active != 0) flags |= LOT_ACTIVE;
  if (lot->held != 0) flags |= LOT_HELD;
  if (lot->rule.campaign != 0 || lot->rule.rule != 0) flags |= LOT_RULE;
  if (lot->amount == lot->pending + lot->active + lot->held) flags |= LOT_WHOLE;
  return flags;
}

static uint8_t *put_lot(uint8_t *at, const struct loyalty_lot *lot, const struct loyalty_lot *before, unsigned flags) {
  at = varint_put(at, lot->id - before->id);
  *at++ = (uint8_t)flags;
  *at++ = lot->currency;
  at = put_from(at, lot->earned_us, before->earned_us);
  if ((flags & (LOT_ACTIVE_EARNED | LOT_ACTIVE_NEVER)) == 0) at = put_from(at, lot->active_us, lot->earned_us);
  if ((flags & LOT_EXPIRES_NEVER) == 0) at = put_from(at, lot->expires_us, lot->earned_us);
  if (flags & LOT_PENDING) at = varint_put(at, (uint64_t)lot->pending);
  if (flags & LOT_ACTIVE) at = varint_put(at, (uint64_t)lot->active);
  if (flags & LOT_HELD) at = varint_put(at, (uint64_t)lot->held);
  if ((flags & LOT_WHOLE) == 0) at = varint_put(at, (uint64_t)(lot->amount - lot->pending - lot->active - lot->held));
  at = put_from(at, (int64_t)lot->origin, (int64_t)before->origin);
  if ((flags & LOT_RULE) == 0) return at;
  return varint_put(varint_put(at, lot->rule.campaign), lot->rule.rule);
}

static uint8_t *put_lots(uint8_t *at, const struct loyalty_wallet *wallet) {
  struct loyalty_lot none = {.earned_us = wallet->joined_us};
  const struct loyalty_lot *before = &none;
  size_t count = 0;
  for (size_t i = 0; i < wallet->lot_count; i++) count += (flags_of(&wallet->lots[i]) & LOT_PARTS) != 0;
  at = varint_put(at, count);
  for (size_t i = 0; i < wallet->lot_count; i++) {
    const struct loyalty_lot *lot = &wallet->lots[i];
    unsigned flags = flags_of(lot);
    if ((flags & LOT_PARTS) == 0) continue;
    at = put_lot(at, lot, before, flags);
    before = lot;
  }
  return at;
}

// What is gone of it and what is left is what it was at first.
static bool read_amounts(struct varint_reader *reader, unsigned flags, struct loyalty_lot *lot) {
  int64_t gone = 0;
  if (flags & LOT_PENDING) lot->pending = read_amount(reader);
  if (flags & LOT_ACTIVE) lot->active = read_amount(reader);
  if (flags & LOT_HELD) lot->held = read_amount(reader);
  if ((flags & LOT_WHOLE) == 0) gone = read_amount(reader);
  return !__builtin_add_overflow(lot->pending, lot->active, &lot->amount) &&
         !__builtin_add_overflow(lot->amount, lot->held, &lot->amount) &&
         !__builtin_add_overflow(lot->amount, gone, &lot->amount);
}

// The flags must be those that the lot would be written with: so there is one form.
static bool read_lot(struct varint_reader *reader, const struct loyalty_lot *before, struct loyalty_lot *lot) {
  uint64_t step = varint_read_up_to(reader, UINT64_MAX - before->id);
  unsigned flags = varint_read_byte(reader);
  *lot = (struct loyalty_lot){.id = before->id + step, .currency = varint_read_byte(reader)};
  lot->earned_us = read_from(reader, before->earned_us);
  lot->active_us = flags & LOT_ACTIVE_EARNED  ? lot->earned_us
                   : flags & LOT_ACTIVE_NEVER ? INT64_MAX
                                              : read_from(reader, lot->earned_us);
  lot->expires_us = flags & LOT_EXPIRES_NEVER ? INT64_MAX : read_from(reader, lot->earned_us);
  if (!read_amounts(reader, flags, lot)) return false;
  lot->origin = (uint64_t)read_from(reader, (int64_t)before->origin);
  if (flags & LOT_RULE) {
    lot->rule.campaign = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
    lot->rule.rule = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  }
  return !reader->failed && step > 0 && (flags & LOT_PARTS) != 0 && flags_of(lot) == flags;
}

static enum err read_lots(struct varint_reader *reader, struct arena *arena, struct loyalty_wallet *wallet) {
  struct loyalty_lot none = {.earned_us = wallet->joined_us};
  const struct loyalty_lot *before = &none;
  size_t count = read_count(reader, LOT_BYTES_MIN);
  void *items;
  if (!take(arena, count, sizeof *wallet->lots, &items)) return ERR_NO_MEMORY;
  wallet->lots = items;
  wallet->lot_count = wallet->lot_capacity = count;
  for (size_t i = 0; i < count; i++) {
    if (!read_lot(reader, before, &wallet->lots[i])) return ERR_CORRUPT;
    before = &wallet->lots[i];
  }
  return ERR_OK;
}

// What lots have of an account is what the account has: subtracting all of it leaves 0, modulo 2^64.
static bool sums_are_right(const struct loyalty_wallet *wallet) {
  uint64_t pending = 0, active = 0, held = 0;
  for (size_t i = 0; i < wallet->balance_count; i++) {
    const struct loyalty_balance *balance = &wallet->balances[i];
    pending = (uint64_t)balance->accounts[LOYALTY_PENDING];
    active = (uint64_t)balance->accounts[LOYALTY_ACTIVE];
    held = (uint64_t)balance->accounts[LOYALTY_HELD];
    if (pending > INT64_MAX || active > INT64_MAX || held > INT64_MAX) return false;
    for (size_t k = 0; k < wallet->lot_count; k++) {
      const struct loyalty_lot *lot = &wallet->lots[k];
      if (lot->currency != balance->currency) continue;
      if ((uint64_t)lot->pending > pending || (uint64_t)lot->active > active || (uint64_t)lot->held > held)
        return false;
      pending -= (uint64_t)lot->pending;
      active -= (uint64_t)lot->active;
      held -= (uint64_t)lot->held;
    }
    if (pending != 0 || active != 0 || held != 0) return false;
  }
  for (size_t k = 0; k < wallet->lot_count; k++)
    if (ledger_balance_find(wallet, wallet->lots[k].currency) == NULL) return false;
  return true;
}

// --- holds ---------------------------------------------------------------------------------------------------

static uint8_t *put_part(uint8_t *at, const struct loyalty_part *part, int64_t created_us) {
  bool never = part->expires_us == INT64_MAX;
  *at++ = never ? PART_EXPIRES_NEVER : 0;
  at = varint_put(at, part->lot);
  at = varint_put(at, (uint64_t)part->amount);
  at = put_from(at, part->active_us, created_us);
  return never ? at : put_from(at, part->expires_us, created_us);
}

static uint8_t *put_holds(uint8_t *at, const struct loyalty_wallet *wallet) {
  uint64_t before = 0;
  at = varint_put(at, wallet->hold_count);
  for (size_t i = 0; i < wallet->hold_count; i++) {
    const struct loyalty_hold *hold = &wallet->holds[i];
    at = varint_put(at, hold->id - before);
    before = hold->id;
    *at++ = hold->currency;
    at = put_from(at, hold->created_us, wallet->joined_us);
    at = put_from(at, hold->expires_us, hold->created_us);
    at = varint_put(at, hold->part_count);
    for (size_t k = 0; k < hold->part_count; k++) at = put_part(at, &hold->parts[k], hold->created_us);
  }
  return at;
}

static bool read_part(struct varint_reader *reader, const struct loyalty_hold *hold, struct loyalty_part *part) {
  uint8_t flags = varint_read_byte(reader);
  part->lot = varint_read(reader);
  part->amount = read_amount(reader);
  part->active_us = read_from(reader, hold->created_us);
  part->expires_us = flags & PART_EXPIRES_NEVER ? INT64_MAX : read_from(reader, hold->created_us);
  return !reader->failed && flags <= PART_EXPIRES_NEVER && (flags != 0) == (part->expires_us == INT64_MAX);
}

static enum err read_hold(struct varint_reader *reader, struct arena *arena, int64_t joined_us, uint64_t before,
                          struct loyalty_hold *hold) {
  uint64_t step = varint_read_up_to(reader, UINT64_MAX - before);
  *hold = (struct loyalty_hold){.id = before + step, .currency = varint_read_byte(reader)};
  hold->created_us = read_from(reader, joined_us);
  hold->expires_us = read_from(reader, hold->created_us);
  hold->part_count = read_count(reader, PART_BYTES_MIN);
  if (reader->failed || step == 0 || hold->part_count == 0) return ERR_CORRUPT;
  struct loyalty_part *parts = arena_take(arena, hold->part_count * sizeof *parts);
  if (parts == NULL) return ERR_NO_MEMORY;
  hold->parts = parts;
  for (size_t i = 0; i < hold->part_count; i++)
    if (!read_part(reader, hold, &parts[i]) || __builtin_add_overflow(hold->amount, parts[i].amount, &hold->amount))
      return ERR_CORRUPT;
  return ERR_OK;
}

static enum err read_holds(struct varint_reader *reader, struct arena *arena, struct loyalty_wallet *wallet) {
  size_t count = read_count(reader, HOLD_BYTES_MIN);
  void *items;
  if (!take(arena, count, sizeof *wallet->holds, &items)) return ERR_NO_MEMORY;
  wallet->holds = items;
  wallet->hold_count = wallet->hold_capacity = count;
  for (size_t i = 0; i < count; i++) {
    uint64_t before = i > 0 ? wallet->holds[i - 1].id : 0;
    enum err err = read_hold(reader, arena, wallet->joined_us, before, &wallet->holds[i]);
    if (err != ERR_OK) return err;
  }
  return ERR_OK;
}

// Takes the parts of all holds off what lots hold: nothing may be left. The lots are as they were afterwards.
static enum err check_holds(const struct loyalty_wallet *wallet, struct arena *arena) {
  bool right = true;
  if (wallet->hold_count == 0) {
    for (size_t i = 0; i < wallet->lot_count; i++) right = right && wallet->lots[i].held == 0;
    return right ? ERR_OK : ERR_CORRUPT;
  }
  int64_t *held = arena_take(arena, (wallet->lot_count + 1) * sizeof *held);
  if (held == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < wallet->lot_count; i++) held[i] = wallet->lots[i].held;
  for (size_t i = 0; i < wallet->hold_count; i++)
    for (size_t k = 0; k < wallet->holds[i].part_count; k++) {
      const struct loyalty_part *part = &wallet->holds[i].parts[k];
      const struct loyalty_lot *lot = ledger_lot_find(wallet, part->lot);
      if (lot == NULL || lot->currency != wallet->holds[i].currency) return ERR_CORRUPT;
      if (held[lot - wallet->lots] < part->amount) return ERR_CORRUPT;
      held[lot - wallet->lots] -= part->amount;
    }
  for (size_t i = 0; i < wallet->lot_count; i++) right = right && held[i] == 0;
  return right ? ERR_OK : ERR_CORRUPT;
}

// --- days and counters ---------------------------------------------------------------------------------------

static uint8_t *put_days(uint8_t *at, const struct loyalty_wallet *wallet) {
  int64_t before = 0;
  at = varint_put(at, wallet->day_count);
  for (size_t i = 0; i < wallet->day_count; i++) {
    at = put_from(at, wallet->days[i].day, before);
    at = varint_put(at, (uint64_t)wallet->days[i].amount);
    before = wallet->days[i].day;
  }
  return at;
}

static enum err read_days(struct varint_reader *reader, struct arena *arena, struct loyalty_wallet *wallet) {
  size_t count = read_count(reader, DAY_BYTES_MIN);
  int64_t before = 0;
  void *items;
  if (!take(arena, count, sizeof *wallet->days, &items)) return ERR_NO_MEMORY;
  wallet->days = items;
  wallet->day_count = wallet->day_capacity = count;
  for (size_t i = 0; i < count; i++) {
    int64_t day = read_from(reader, before), amount = (int64_t)varint_read_up_to(reader, INT64_MAX);
    if (reader->failed || day < INT32_MIN || day > INT32_MAX || (i > 0 && day <= before)) return ERR_CORRUPT;
    wallet->days[i] = (struct loyalty_day){(int32_t)day, amount};
    before = day;
  }
  return ERR_OK;
}

static uint8_t *put_counters(uint8_t *at, const struct loyalty_wallet *wallet) {
  at = varint_put(at, wallet->counter_count);
  for (size_t i = 0; i < wallet->counter_count; i++) {
    const struct loyalty_counter *counter = &wallet->counters[i];
    at = varint_put(at, counter->rule.campaign);
    at = varint_put(at, counter->rule.rule);
    at = varint_put(at, counter->voucher);
    *at++ = counter->cap;
    at = varint_put_signed(at, counter->start_day);
    at = varint_put(at, (uint64_t)counter->used);
  }
  return at;
}

static bool read_counter(struct varint_reader *reader, struct loyalty_counter *counter) {
  counter->rule.campaign = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  counter->rule.rule = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  counter->voucher = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  counter->cap = varint_read_byte(reader);
  int64_t day = varint_read_signed(reader);
  counter->used = read_amount(reader);
  counter->start_day = (int32_t)day;
  return !reader->failed && day >= INT32_MIN && day <= INT32_MAX;
}

static enum err read_counters(struct varint_reader *reader, struct arena *arena, struct loyalty_wallet *wallet) {
  size_t count = read_count(reader, COUNTER_BYTES_MIN);
  void *items;
  if (!take(arena, count, sizeof *wallet->counters, &items)) return ERR_NO_MEMORY;
  wallet->counters = items;
  wallet->counter_count = wallet->counter_capacity = count;
  for (size_t i = 0; i < count; i++) {
    if (!read_counter(reader, &wallet->counters[i])) return ERR_CORRUPT;
    if (i > 0 && ledger_counter_compare(&wallet->counters[i - 1], &wallet->counters[i]) >= 0) return ERR_CORRUPT;
  }
  return ERR_OK;
}

// --- wallets -------------------------------------------------------------------------------------------------

static unsigned wallet_flags(const struct loyalty_wallet *wallet) {
  unsigned flags = wallet->blocked ? WALLET_BLOCKED : 0;
  if (wallet->guest) flags |= WALLET_GUEST;
  if (wallet->below_since_us != INT64_MAX) flags |= WALLET_BELOW;
  if (wallet->expiry_noticed_us != INT64_MIN) flags |= WALLET_EXPIRY_NOTICED;
  if (wallet->downgrade_noticed_us != INT64_MIN) flags |= WALLET_DOWNGRADE_NOTICED;
  return flags;
}

static uint8_t *put_wallet(uint8_t *at, const struct loyalty_wallet *wallet, uint32_t before) {
  unsigned flags = wallet_flags(wallet);
  at = varint_put(at, wallet->programme - before);
  *at++ = (uint8_t)flags;
  at = varint_put_signed(at, wallet->joined_us);
  at = put_from(at, wallet->advanced_us, wallet->joined_us);
  *at++ = wallet->level;
  at = put_from(at, wallet->level_since_us, wallet->joined_us);
  if (flags & WALLET_BELOW) at = put_from(at, wallet->below_since_us, wallet->joined_us);
  if (flags & WALLET_EXPIRY_NOTICED) at = put_from(at, wallet->expiry_noticed_us, wallet->joined_us);
  if (flags & WALLET_DOWNGRADE_NOTICED) at = put_from(at, wallet->downgrade_noticed_us, wallet->joined_us);
  at = put_balances(at, wallet);
  at = put_lots(at, wallet);
  at = put_holds(at, wallet);
  return put_counters(put_days(at, wallet), wallet);
}

static bool read_head(struct varint_reader *reader, uint32_t before, struct loyalty_wallet *wallet) {
  uint64_t step = varint_read_up_to(reader, UINT32_MAX - before);
  uint8_t flags = varint_read_byte(reader);
  *wallet = (struct loyalty_wallet){.programme = before + (uint32_t)step,
                                    .below_since_us = INT64_MAX,
                                    .expiry_noticed_us = INT64_MIN,
                                    .downgrade_noticed_us = INT64_MIN,
                                    .blocked = (flags & WALLET_BLOCKED) != 0,
                                    .guest = (flags & WALLET_GUEST) != 0};
  wallet->joined_us = varint_read_signed(reader);
  wallet->advanced_us = read_from(reader, wallet->joined_us);
  wallet->level = varint_read_byte(reader);
  wallet->level_since_us = read_from(reader, wallet->joined_us);
  if (flags & WALLET_BELOW) wallet->below_since_us = read_from(reader, wallet->joined_us);
  if (flags & WALLET_EXPIRY_NOTICED) wallet->expiry_noticed_us = read_from(reader, wallet->joined_us);
  if (flags & WALLET_DOWNGRADE_NOTICED) wallet->downgrade_noticed_us = read_from(reader, wallet->joined_us);
  return !reader->failed && step > 0 && flags <= WALLET_FLAGS && wallet_flags(wallet) == flags;
}

static enum err read_wallet(struct varint_reader *reader, struct arena *arena, uint32_t before,
                            struct loyalty_wallet *wallet) {
  if (!read_head(reader, before, wallet)) return ERR_CORRUPT;
  enum err err = read_balances(reader, arena, wallet);
  if (err == ERR_OK) err = read_lots(reader, arena, wallet);
  if (err == ERR_OK && !sums_are_right(wallet)) err = ERR_CORRUPT;
  if (err == ERR_OK) err = read_holds(reader, arena, wallet);
  if (err == ERR_OK) err = check_holds(wallet, arena);
  if (err == ERR_OK) err = read_days(reader, arena, wallet);
  if (err == ERR_OK) err = read_counters(reader, arena, wallet);
  return err == ERR_OK && reader->failed ? ERR_CORRUPT : err;
}

static size_t room_of(const struct loyalty_wallet *wallet) {
  size_t bytes = WALLET_BYTES_MAX + wallet->balance_count * BALANCE_BYTES_MAX + wallet->lot_count * LOT_BYTES_MAX +
                 wallet->day_count * DAY_BYTES_MAX + wallet->counter_count * COUNTER_BYTES_MAX;
  for (size_t i = 0; i < wallet->hold_count; i++)
    bytes += HOLD_BYTES_MAX + wallet->holds[i].part_count * PART_BYTES_MAX;
  return bytes;
}

void loyalty_wallets_encode(const struct loyalty_wallet *wallets, size_t count, struct buffer *out) {
  size_t room = 1 + VARINT_BYTES_MAX;
  uint32_t before = 0;
  for (size_t i = 0; i < count; i++) room += room_of(&wallets[i]);
  if (count == 0 || !buffer_reserve(out, room)) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = FORMAT;
  at = varint_put(at, count);
  for (size_t i = 0; i < count; i++) {
    assert(wallets[i].programme > before); // ascending
    at = put_wallet(at, &wallets[i], before);
    before = wallets[i].programme;
  }
  out->size_bytes = (size_t)(at - out->data);
}

enum err loyalty_wallets_decode(struct bytes row, struct arena *arena, struct loyalty_wallet **wallets, size_t *count) {
  struct varint_reader reader = varint_reader_of(row);
  *wallets = NULL;
  *count = 0;
  if (row.size_bytes == 0) return ERR_OK;
  if (varint_read_byte(&reader) != FORMAT) return ERR_CORRUPT;
  size_t claimed = read_count(&reader, WALLET_BYTES_MIN);
  if (reader.failed || claimed == 0) return ERR_CORRUPT;
  struct loyalty_wallet *read = arena_take(arena, claimed * sizeof *read);
  if (read == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < claimed; i++) {
    enum err err = read_wallet(&reader, arena, i > 0 ? read[i - 1].programme : 0, &read[i]);
    if (err != ERR_OK) return err;
  }
  if (varint_rest_bytes(&reader) > 0) return ERR_CORRUPT;
  *wallets = read;
  *count = claimed;
  return ERR_OK;
}
