// Fuzz target: the rows of the ledger. The first byte chooses between the row of a member's wallets and that of a
// posting; the rest is the row.
//
// Checked: a row that is read is written and read again as itself; wallets that are read are sound, so that the ledger
// takes them for granted: a day's work on them fails cleanly or leaves a wallet that can be written and read.
#include <assert.h>

#include "base/arena.h"
#include "loyalty/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static enum err next_id(void *context, uint64_t *id) {
  *id = ++*(uint64_t *)context;
  return ERR_OK;
}

static struct bytes written(const struct loyalty_wallet *wallets, size_t count, struct arena *arena) {
  struct buffer out;
  buffer_init(&out);
  loyalty_wallets_encode(wallets, count, &out);
  assert(!out.failed);
  struct bytes row = arena_copy(arena, buffer_view(&out));
  buffer_release(&out);
  return row;
}

static void check_written(const struct loyalty_wallet *wallets, size_t count, struct arena *arena) {
  struct loyalty_wallet *again;
  size_t again_count;
  struct bytes row = written(wallets, count, arena);
  assert(loyalty_wallets_decode(row, arena, &again, &again_count) == ERR_OK && again_count == count);
  assert(bytes_equal(written(again, count, arena), row));
}

// Far enough from the ends of 64 bits, where no clock is.
static bool is_of_this_world(int64_t time_us) {
  return time_us > INT64_MIN / 4 && time_us < INT64_MAX / 4;
}

static void live(struct loyalty_wallet *wallet, struct rule_zone *zone, struct arena *arena) {
  static const struct loyalty_currency CURRENCY = {.number = 1, .returns = LOYALTY_UNLIMITED};
  const struct loyalty_programme programme = {
      .number = wallet->programme, .currencies = &CURRENCY, .currency_count = 1};
  uint64_t id = UINT64_C(1) << 50;
  struct loyalty_ledger ledger = {.programme = &programme,
                                  .zone = zone,
                                  .wallet = wallet,
                                  .arena = arena,
                                  .now_us = wallet->advanced_us,
                                  .next_id = next_id,
                                  .context = &id};
  struct loyalty_cause cause = {.effective_us = ledger.now_us};
  if (!is_of_this_world(wallet->joined_us) || !is_of_this_world(wallet->advanced_us)) return;
  if (wallet->lot_count > 0 && wallet->lots[wallet->lot_count - 1].id >= id << 8) return;
  if (loyalty_advance(&ledger, ledger.now_us) != ERR_OK) return;
  (void)loyalty_earn(&ledger, &cause, 1, 100, NULL);
  (void)loyalty_spend(&ledger, &cause, 1, 40, NULL, NULL);
  check_written(wallet, 1, arena);
}

static void try_wallets(struct bytes row, struct rule_zone *zone) {
  struct loyalty_wallet *wallets;
  size_t count;
  struct arena arena;
  arena_init(&arena, 0);
  if (loyalty_wallets_decode(row, &arena, &wallets, &count) == ERR_OK && count > 0) {
    check_written(wallets, count, &arena);
    live(&wallets[0], zone, &arena);
  }
  arena_release(&arena);
}

static void try_posting(struct bytes row) {
  struct loyalty_posting posting;
  struct buffer first, second;
  struct arena arena;
  arena_init(&arena, 0);
  buffer_init(&first);
  buffer_init(&second);
  if (loyalty_posting_decode(row, 9, &arena, &posting) == ERR_OK) {
    loyalty_posting_encode(&posting, &first);
    assert(loyalty_posting_decode(buffer_view(&first), 9, &arena, &posting) == ERR_OK);
    loyalty_posting_encode(&posting, &second);
    assert(bytes_equal(buffer_view(&first), buffer_view(&second)));
  }
  buffer_release(&first);
  buffer_release(&second);
  arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static struct rule_zone *zone;
  if (zone == NULL) assert(rule_zone_open_utc(&zone) == ERR_OK);
  if (size_bytes == 0) return 0;
  struct bytes row = bytes_of(data + 1, size_bytes - 1);
  if (data[0] % 2 == 0) {
    try_wallets(row, zone);
  } else {
    try_posting(row);
  }
  return 0;
}
