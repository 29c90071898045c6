// ledger_json: postings and wallets as people and tills read them.
//
// Numbers become the ids of the programme's document; what the document no longer has is told by its number. Empty
// members are left out. Amounts are whole, in the currency's smallest unit.
#include "loyalty/ledger_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "rule/duration.h"

enum { NUMBER_TEXT_BYTES = 32 };

static void put_id(struct json_writer *writer, const char *name, char letter, uint64_t id) {
  char text[NUMBER_TEXT_BYTES];
  snprintf(text, sizeof text, "%c%" PRIu64, letter, id);
  json_member_text(writer, name, text);
}

static void put_currency(struct json_writer *writer, const struct loyalty_programme *programme, uint8_t number) {
  const struct loyalty_currency *currency = ledger_currency(programme, number);
  if (currency != NULL) {
    json_member_bytes(writer, "currency", currency->id);
  } else {
    json_member_u64(writer, "currency", number);
  }
}

// Of a campaign the programme knows the number alone.
static void put_rule(struct json_writer *writer, const struct loyalty_programme *programme,
                     struct loyalty_rule_ref rule) {
  if (rule.campaign == LOYALTY_EXTERNAL) return; // the reference says from where
  if (rule.campaign != 0) json_member_u64(writer, "campaign", rule.campaign);
  if (rule.rule == 0) return;
  for (size_t i = 0; rule.campaign == 0 && i < programme->rule_count; i++)
    if (programme->rules[i].number == rule.rule) {
      json_member_bytes(writer, "rule", programme->rules[i].id);
      return;
    }
  json_member_u64(writer, "rule", rule.rule);
}

static void put_text(struct json_writer *writer, const char *name, struct bytes text) {
  if (text.size_bytes > 0) json_member_bytes(writer, name, text);
}

// With the currency's digits: store credit of 1250 cents is 12.50.
static void put_amount(struct json_writer *writer, const struct loyalty_programme *programme, uint8_t number,
                       const char *name, int64_t amount) {
  const struct loyalty_currency *currency = loyalty_currency_at(programme, number);
  json_member_scaled(writer, name, amount, currency == NULL ? 0 : currency->scale);
}

static void put_entry(struct json_writer *writer, const struct loyalty_programme *programme,
                      const struct loyalty_entry *entry) {
  json_object_begin(writer);
  put_currency(writer, programme, entry->currency);
  json_member_text(writer, "from", loyalty_account_name(entry->from));
  json_member_text(writer, "to", loyalty_account_name(entry->to));
  put_amount(writer, programme, entry->currency, "amount", entry->amount);
  if (entry->lot != 0) put_id(writer, "lot", 'l', entry->lot);
  if (entry->instead) json_member_bool(writer, "instead", true);
  json_object_end(writer);
}

void loyalty_posting_json(const struct loyalty_posting *posting, const struct loyalty_programme *programme,
                          struct json_writer *writer) {
  json_object_begin(writer);
  put_id(writer, "id", 'p', posting->id);
  json_member_text(writer, "kind", loyalty_posting_kind_name(posting->kind));
  json_member_bytes(writer, "programme", programme->id);
  put_text(writer, "reference", posting->reference);
  if (posting->entry_count > 0) put_rule(writer, programme, posting->entries[0].rule);
  json_member_time(writer, "effective_at", posting->effective_us);
  json_member_time(writer, "recorded_at", posting->recorded_us);
  put_text(writer, "author", posting->author);
  put_text(writer, "reason", posting->reason);
  json_name(writer, "entries");
  json_array_begin(writer);
  for (size_t i = 0; i < posting->entry_count; i++) put_entry(writer, programme, &posting->entries[i]);
  json_array_end(writer);
  json_object_end(writer);
}

// --- wallets -------------------------------------------------------------------------------------------------

// Available is what she has, less what she owes.
static void put_balance(struct json_writer *writer, const struct loyalty_programme *programme,
                        const struct loyalty_balance *balance) {
  const int64_t *accounts = balance->accounts;
  int64_t available;
  if (__builtin_add_overflow(accounts[LOYALTY_ACTIVE], accounts[LOYALTY_DEBT], &available)) available = INT64_MAX;
  json_object_begin(writer);
  put_currency(writer, programme, balance->currency);
  put_amount(writer, programme, balance->currency, "active", accounts[LOYALTY_ACTIVE]);
  put_amount(writer, programme, balance->currency, "pending", accounts[LOYALTY_PENDING]);
  put_amount(writer, programme, balance->currency, "held", accounts[LOYALTY_HELD]);
  put_amount(writer, programme, balance->currency, "debt", accounts[LOYALTY_DEBT]);
  put_amount(writer, programme, balance->currency, "available", available);
  put_amount(writer, programme, balance->currency, "spent", accounts[LOYALTY_SPENT]);
  put_amount(writer, programme, balance->currency, "expired", accounts[LOYALTY_EXPIRED]);
  if (balance->uncollected != 0) put_amount(writer, programme, balance->currency, "uncollected", balance->uncollected);
  json_object_end(writer);
}

// Every currency of the programme, also those she never had anything of.
static void put_balances(struct json_writer *writer, const struct loyalty_wallet *wallet,
                         const struct loyalty_programme *programme) {
  json_name(writer, "balances");
  json_array_begin(writer);
  for (size_t i = 0; i < programme->currency_count; i++) {
    struct loyalty_balance none = {.currency = programme->currencies[i].number};
    const struct loyalty_balance *balance = ledger_balance_find(wallet, none.currency);
    put_balance(writer, programme, balance == NULL ? &none : balance);
  }
  json_array_end(writer);
}

static void put_tier(struct json_writer *writer, const struct loyalty_wallet *wallet,
                     const struct loyalty_programme *programme) {
  const struct loyalty_tiers *tiers = &programme->tiers;
  const struct loyalty_level *next;
  if (wallet->level == 0 || tiers->level_count == 0) return;
  const struct loyalty_level *level = &tiers->levels[ledger_level_index(wallet, tiers)];
  int64_t missing = loyalty_to_next_level(wallet, programme, &next);
  json_name(writer, "tier");
  json_object_begin(writer);
  json_member_bytes(writer, "level", level->id);
  put_text(writer, "name", level->name);
  json_member_time(writer, "since", wallet->level_since_us);
  put_amount(writer, programme, tiers->currency, "qualifying", loyalty_qualifying_now(wallet, programme));
  if (next != NULL) {
    json_member_bytes(writer, "next", next->id);
    put_amount(writer, programme, tiers->currency, "missing", missing);
  }
  json_object_end(writer);
}

// The last local day on which it can be spent.
void loyalty_last_day_json(struct json_writer *writer, const char *name, int64_t expires_us,
                           const struct rule_zone *zone) {
  struct rule_civil civil;
  char text[64];
  if (expires_us == INT64_MAX) return;
  rule_time_civil(zone, expires_us - 1, &civil);
  snprintf(text, sizeof text, "%04d-%02d-%02d", civil.year, civil.month, civil.day);
  json_member_text(writer, name, text);
}

static void put_lot(struct json_writer *writer, const struct loyalty_programme *programme, const struct rule_zone *zone,
                    const struct loyalty_lot *lot) {
  json_object_begin(writer);
  put_id(writer, "id", 'l', lot->id);
  put_currency(writer, programme, lot->currency);
  put_amount(writer, programme, lot->currency, "amount", lot->amount);
  put_amount(writer, programme, lot->currency, "left", lot->pending + lot->active + lot->held);
  put_amount(writer, programme, lot->currency, "pending", lot->pending);
  put_amount(writer, programme, lot->currency, "held", lot->held);
  json_member_time(writer, "earned_at", lot->earned_us);
  if (lot->active_us != INT64_MAX) json_member_time(writer, "active_at", lot->active_us);
  loyalty_last_day_json(writer, "expires_on", lot->expires_us, zone);
  json_object_end(writer);
}

// "h17-42", as whoever captures it names it.
static void put_hold(struct json_writer *writer, const struct loyalty_programme *programme, uint64_t customer,
                     const struct loyalty_hold *hold) {
  char id[LOYALTY_HOLD_TEXT_BYTES];
  json_object_begin(writer);
  loyalty_hold_format(customer, hold->id, id);
  json_member_text(writer, "id", id);
  put_currency(writer, programme, hold->currency);
  put_amount(writer, programme, hold->currency, "amount", hold->amount);
  json_member_time(writer, "expires_at", hold->expires_us);
  json_object_end(writer);
}

void loyalty_hold_format(uint64_t customer, uint64_t hold, char text[LOYALTY_HOLD_TEXT_BYTES]) {
  snprintf(text, LOYALTY_HOLD_TEXT_BYTES, "h%" PRIu64 "-%" PRIu64, customer, hold);
}

void loyalty_wallet_json(const struct loyalty_wallet *wallet, uint64_t customer,
                         const struct loyalty_programme *programme, const struct rule_zone *zone,
                         struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bytes(writer, "programme", programme->id);
  put_balances(writer, wallet, programme);
  put_tier(writer, wallet, programme);
  json_name(writer, "lots");
  json_array_begin(writer);
  for (size_t i = 0; i < wallet->lot_count; i++) put_lot(writer, programme, zone, &wallet->lots[i]);
  json_array_end(writer);
  json_name(writer, "holds");
  json_array_begin(writer);
  for (size_t i = 0; i < wallet->hold_count; i++) put_hold(writer, programme, customer, &wallet->holds[i]);
  json_array_end(writer);
  json_object_end(writer);
}
