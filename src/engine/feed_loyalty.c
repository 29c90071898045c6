// feed_loyalty.c: changes of points, tiers and vouchers: noted, put into rows of the feed, and told.
//
// A change of points is a posting and a currency of it, in the order in which the ledger was written; what follows from
// it (a tier, a voucher) is noted after it. Within a row such a change has the question 0, which no segment has. Behind
// what every change has: varints kind, change, programme, currency, level, level before, amount (signed), posting, size
// of the code, and the code. A name that a document gives (currency, tier) is looked up when it is told: numbers stay.
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/feed_row.h"
#include "engine/loyalty.h"

static const char *const POINTS[] = {"earned",   "activated",   "repaid",   "spent",    "held",
                                     "spent",    "released",    "expired",  "returned", "rolled_back",
                                     "adjusted", "transferred", "imported", "erased",   "expiry_soon"};
static const char *const TIERS[] = {"upgraded", "downgraded", "downgrade_soon"};
static const char *const VOUCHERS[] = {"issued", "redeemed", "rolled_back", "cancelled", "restored"};
static const char *const VOUCHER_EVENTS[] = {"Voucher Issued", "Voucher Redeemed", "Voucher Rolled Back",
                                             "Voucher Cancelled", "Voucher Restored"};
enum { EXPIRY_SOON = LOYALTY_POSTING_KIND_COUNT };
#define COUNT(array) (sizeof(array) / sizeof *(array))
static_assert(COUNT(POINTS) == LOYALTY_POSTING_KIND_COUNT + 1, "a word for each kind of posting");

// --- noting --------------------------------------------------------------------------------------------------

static enum err note(struct work *work, uint64_t customer, int64_t at_us, const struct feed_loyalty *change) {
  struct feed_loyalty *kept = arena_take(work->arena, sizeof *kept);
  if (kept == NULL) return diag_no_memory(work->diag);
  *kept = *change;
  struct live_change noted = {.customer = customer, .loyalty = kept, .at_us = at_us};
  return feed_note(work, &noted);
}

// What of a posting moved in a currency: below zero, of those that go either way, when she has less.
static int64_t moved(const struct loyalty_posting *posting, uint8_t currency) {
  int64_t amount = 0;
  bool either = posting->kind == LOYALTY_ADJUST || posting->kind == LOYALTY_TRANSFER;
  for (size_t i = 0; i < posting->entry_count; i++) {
    const struct loyalty_entry *entry = &posting->entries[i];
    if (entry->currency != currency || entry->from == entry->to) continue;
    if (posting->kind == LOYALTY_CAPTURE && entry->to != LOYALTY_SPENT) continue;
    amount += either && entry->from <= LOYALTY_DEBT ? -entry->amount : entry->amount;
  }
  return amount;
}

enum err feed_note_posting(struct work *work, uint64_t customer, const struct loyalty_posting *posting) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < posting->entry_count; i++) {
    uint8_t currency = posting->entries[i].currency;
    bool told = false;
    for (size_t j = 0; j < i; j++) told |= posting->entries[j].currency == currency;
    struct feed_loyalty change = {.kind = FEED_POINTS,
                                  .change = (uint8_t)posting->kind,
                                  .programme = posting->programme,
                                  .currency = currency,
                                  .amount = moved(posting, currency),
                                  .posting = posting->id};
    if (!told && change.amount != 0) err = note(work, customer, posting->effective_us, &change);
  }
  return err;
}

enum err feed_note_news(struct work *work, uint64_t customer, uint32_t programme, const struct loyalty_news *news) {
  struct feed_loyalty change = {.programme = programme, .posting = news->posting};
  if (news->kind == LOYALTY_NEWS_EXPIRY_SOON) {
    change.kind = FEED_POINTS;
    change.change = EXPIRY_SOON;
    change.currency = news->currency;
    change.amount = news->amount;
  } else if (news->kind >= LOYALTY_NEWS_UPGRADED && news->kind <= LOYALTY_NEWS_DOWNGRADE_SOON) {
    change.kind = FEED_TIER;
    change.change = (uint8_t)(news->kind - LOYALTY_NEWS_UPGRADED);
    change.level = news->level;
    change.before = news->before;
  } else {
    return ERR_OK; // its posting says it
  }
  return note(work, customer, news->at_us, &change);
}

enum err feed_note_code(struct work *work, uint64_t customer, uint32_t programme, const char *event, struct bytes code,
                        int64_t at_us) {
  struct feed_loyalty change = {.kind = FEED_VOUCHER, .programme = programme, .code = code};
  while (change.change < COUNT(VOUCHERS) && strcmp(VOUCHER_EVENTS[change.change], event) != 0) change.change++;
  return change.change < COUNT(VOUCHERS) ? note(work, customer, at_us, &change) : ERR_OK;
}

// --- rows ----------------------------------------------------------------------------------------------------

enum { HEAD_BYTES_MAX = 9 * VARINT_BYTES_MAX };

void feed_loyalty_encode(const struct feed_loyalty *change, struct buffer *out) {
  uint8_t head[HEAD_BYTES_MAX], *at = varint_put(head, (uint64_t)change->kind);
  at = varint_put(at, change->change);
  at = varint_put(at, change->programme);
  at = varint_put(at, change->currency);
  at = varint_put(at, change->level);
  at = varint_put(at, change->before);
  at = varint_put_signed(at, change->amount);
  at = varint_put(at, change->posting);
  at = varint_put(at, change->code.size_bytes);
  buffer_append(out, head, (size_t)(at - head));
  if (change->code.size_bytes > 0) buffer_append_bytes(out, change->code);
}

static size_t words_of(enum feed_loyalty_kind kind) {
  return kind == FEED_POINTS ? COUNT(POINTS) : kind == FEED_TIER ? COUNT(TIERS) : COUNT(VOUCHERS);
}

enum err feed_loyalty_decode(struct varint_reader *reader, struct feed_loyalty *change) {
  *change = (struct feed_loyalty){.kind = (enum feed_loyalty_kind)varint_read_up_to(reader, FEED_VOUCHER)};
  change->change = (uint8_t)varint_read_up_to(reader, UINT8_MAX);
  change->programme = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  change->currency = (uint8_t)varint_read_up_to(reader, UINT8_MAX);
  change->level = (uint8_t)varint_read_up_to(reader, UINT8_MAX);
  change->before = (uint8_t)varint_read_up_to(reader, UINT8_MAX);
  change->amount = varint_read_signed(reader);
  change->posting = varint_read(reader);
  size_t size = (size_t)varint_read_up_to(reader, LOYALTY_CODE_BYTES);
  if (reader->failed || change->kind == 0 || change->change >= words_of(change->kind)) return ERR_CORRUPT;
  change->code = varint_read_raw(reader, size);
  return reader->failed ? ERR_CORRUPT : ERR_OK;
}

// --- telling -------------------------------------------------------------------------------------------------

static void write_tier(const struct feed_loyalty *change, const struct loyalty_programme *programme,
                       struct json_writer *writer) {
  const struct loyalty_level *level = programme == NULL ? NULL : loyalty_level_at(programme, change->level);
  const struct loyalty_level *before = programme == NULL ? NULL : loyalty_level_at(programme, change->before);
  if (level != NULL) json_member_bytes(writer, "tier", level->id);
  if (before != NULL) json_member_bytes(writer, "from", before->id);
}

static void write_points(const struct feed_loyalty *change, const struct loyalty_programme *programme,
                         struct json_writer *writer) {
  const struct loyalty_currency *currency = programme == NULL ? NULL : loyalty_currency_at(programme, change->currency);
  json_member_scaled(writer, "amount", change->amount, currency == NULL ? 0 : currency->scale);
  if (currency != NULL) json_member_bytes(writer, "currency", currency->id);
}

void feed_loyalty_json(const struct feed_loyalty *change, const struct loyalty_set *set, struct json_writer *writer) {
  static const char *const kinds[] = {[FEED_POINTS] = "points", [FEED_TIER] = "tier", [FEED_VOUCHER] = "voucher"};
  const char *const *words = change->kind == FEED_POINTS ? POINTS : change->kind == FEED_TIER ? TIERS : VOUCHERS;
  const struct loyalty_programme *programme = set == NULL ? NULL : loyalty_set_programme(set, change->programme);
  json_member_text(writer, "kind", kinds[change->kind]);
  if (programme != NULL) json_member_bytes(writer, "programme", programme->id);
  json_member_text(writer, "change", words[change->change]);
  if (change->kind == FEED_POINTS) write_points(change, programme, writer);
  if (change->kind == FEED_TIER) write_tier(change, programme, writer);
  if (change->kind == FEED_VOUCHER) json_member_bytes(writer, "code", change->code);
  if (change->posting == 0) return;
  char id[32];
  snprintf(id, sizeof id, "p%" PRIu64, change->posting);
  json_member_text(writer, "posting", id);
}
