// posting_row: a posting as it is kept, for ever.
//
// docs/formats/loyalty.md says what is where. A posting is always written in one form. Lots are kept as
// distances from the posting's own first lot: of what it makes itself they are 0.
#include "base/varint.h"
#include "loyalty/ledger_private.h"

enum {
  FORMAT = 1,
  ENTRY_LOT = 1,
  ENTRY_RULE = 2,
  ENTRY_INSTEAD = 4,
  ENTRY_FLAGS = 7,
  ENTRY_BYTES_MIN = 4,
  ENTRY_BYTES_MAX = 3 + 2 * VARINT_BYTES_MAX + 2 * 5,
  HEAD_BYTES_MAX = 2 + 9 * VARINT_BYTES_MAX,
};
_Static_assert(LOYALTY_ACCOUNT_COUNT <= 16, "two accounts share a byte");

static uint8_t *put_entry(uint8_t *at, const struct loyalty_entry *entry, uint64_t first_lot) {
  bool has_rule = entry->rule.campaign != 0 || entry->rule.rule != 0;
  *at++ = (uint8_t)((unsigned)entry->from << 4 | (unsigned)entry->to);
  *at++ =
      (uint8_t)((entry->lot != 0 ? ENTRY_LOT : 0) | (has_rule ? ENTRY_RULE : 0) | (entry->instead ? ENTRY_INSTEAD : 0));
  *at++ = entry->currency;
  at = varint_put(at, (uint64_t)entry->amount);
  if (entry->lot != 0) at = varint_put_signed(at, (int64_t)(entry->lot - first_lot));
  return has_rule ? varint_put(varint_put(at, entry->rule.campaign), entry->rule.rule) : at;
}

void loyalty_posting_encode(const struct loyalty_posting *posting, struct buffer *out) {
  size_t texts_bytes = posting->reference.size_bytes + posting->author.size_bytes + posting->reason.size_bytes +
                       posting->identifier.size_bytes;
  if (!buffer_reserve(out, HEAD_BYTES_MAX + texts_bytes + posting->entry_count * ENTRY_BYTES_MAX)) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = FORMAT;
  *at++ = (uint8_t)posting->kind;
  at = varint_put(at, posting->programme);
  at = varint_put(at, posting->origin);
  at = varint_put_signed(at, posting->recorded_us);
  at = varint_put_signed(at, (int64_t)((uint64_t)posting->effective_us - (uint64_t)posting->recorded_us));
  at = varint_put_bytes(at, posting->reference);
  at = varint_put_bytes(at, posting->author);
  at = varint_put_bytes(at, posting->reason);
  at = varint_put_bytes(at, posting->identifier);
  at = varint_put(at, posting->entry_count);
  for (size_t i = 0; i < posting->entry_count; i++) at = put_entry(at, &posting->entries[i], posting->id << 8);
  out->size_bytes = (size_t)(at - out->data);
}

static bool read_entry(struct varint_reader *reader, uint64_t first_lot, struct loyalty_entry *entry) {
  uint8_t accounts = varint_read_byte(reader), flags = varint_read_byte(reader);
  if (accounts >> 4 >= LOYALTY_ACCOUNT_COUNT || (accounts & 15) >= LOYALTY_ACCOUNT_COUNT) return false;
  *entry = (struct loyalty_entry){.currency = varint_read_byte(reader),
                                  .from = (enum loyalty_account)(accounts >> 4),
                                  .to = (enum loyalty_account)(accounts & 15),
                                  .amount = (int64_t)varint_read_up_to(reader, INT64_MAX),
                                  .instead = (flags & ENTRY_INSTEAD) != 0};
  if (flags & ENTRY_LOT) entry->lot = first_lot + (uint64_t)varint_read_signed(reader);
  if (flags & ENTRY_RULE) {
    entry->rule.campaign = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
    entry->rule.rule = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  }
  bool has_rule = entry->rule.campaign != 0 || entry->rule.rule != 0;
  return !reader->failed && flags <= ENTRY_FLAGS && entry->amount > 0 &&
         ((flags & ENTRY_LOT) != 0) == (entry->lot != 0) && ((flags & ENTRY_RULE) != 0) == has_rule;
}

enum err loyalty_posting_decode(struct bytes row, uint64_t id, struct arena *arena, struct loyalty_posting *posting) {
  struct varint_reader reader = varint_reader_of(row);
  uint8_t format = varint_read_byte(&reader), kind = varint_read_byte(&reader);
  if (format != FORMAT || kind >= LOYALTY_POSTING_KIND_COUNT) return ERR_CORRUPT;
  *posting = (struct loyalty_posting){.id = id, .kind = (enum loyalty_posting_kind)kind};
  posting->programme = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
  posting->origin = varint_read(&reader);
  posting->recorded_us = varint_read_signed(&reader);
  posting->effective_us = (int64_t)((uint64_t)varint_read_signed(&reader) + (uint64_t)posting->recorded_us);
  posting->reference = varint_read_bytes(&reader);
  posting->author = varint_read_bytes(&reader);
  posting->reason = varint_read_bytes(&reader);
  posting->identifier = varint_read_bytes(&reader);
  uint64_t count = varint_read(&reader);
  if (reader.failed || count > varint_rest_bytes(&reader) / ENTRY_BYTES_MIN) return ERR_CORRUPT;
  struct loyalty_entry *entries = arena_take(arena, ((size_t)count + 1) * sizeof *entries);
  if (entries == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++)
    if (!read_entry(&reader, id << 8, &entries[i])) return ERR_CORRUPT;
  posting->entries = entries;
  posting->entry_count = (size_t)count;
  return varint_rest_bytes(&reader) > 0 ? ERR_CORRUPT : ERR_OK;
}
