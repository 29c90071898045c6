// code_row: codes and redemptions as they are stored.
//
// Codes are made by the million and most are never used: what goes without saying (no owner, no dates of its own, no
// balance) is a bit that is not set.
#include "loyalty/code.h"

#include "loyalty/basket_row.h"

enum {
  FORMAT = 1,
  FLAG_CANCELLED = 1,
  FLAG_PAID = 2,
  FLAG_FLAGGED = 4,
  FLAG_FROM = 8,
  FLAG_TO = 16,
  FLAG_CARD = 32, // a balance or a value
  FLAGS = 63,
};

static unsigned flags_of(const struct loyalty_code *code) {
  unsigned flags = code->state == LOYALTY_CODE_CANCELLED ? FLAG_CANCELLED : 0;
  if (code->paid) flags |= FLAG_PAID;
  if (code->flagged) flags |= FLAG_FLAGGED;
  if (code->span.from_us != INT64_MIN) flags |= FLAG_FROM;
  if (code->span.to_us != INT64_MAX) flags |= FLAG_TO;
  if (code->balance != 0 || code->value != 0) flags |= FLAG_CARD;
  return flags;
}

void loyalty_code_encode(const struct loyalty_code *code, struct buffer *out) {
  unsigned flags = flags_of(code);
  buffer_append_byte(out, FORMAT);
  buffer_append_byte(out, (uint8_t)flags);
  row_put(out, code->voucher);
  row_put_signed(out, code->created_us);
  row_put(out, code->customer);
  row_put(out, (uint64_t)code->uses);
  row_put_signed(out, code->period);
  row_put(out, code->cause);
  if (flags & FLAG_CANCELLED) row_put_bytes(out, code->reason);
  if (flags & FLAG_FROM) row_put_instant(out, code->created_us, code->span.from_us);
  if (flags & FLAG_TO) row_put_instant(out, code->created_us, code->span.to_us);
  if (flags & FLAG_CARD) row_put(out, (uint64_t)code->balance);
  if (flags & FLAG_CARD) row_put(out, (uint64_t)code->value);
}

static int32_t read_period(struct varint_reader *reader) {
  int64_t period = varint_read_signed(reader);
  if (period < INT32_MIN || period > INT32_MAX) period = (int64_t)varint_fail(reader);
  return (int32_t)period;
}

// What a flag announces is never what goes without saying.
static bool says_too_much(const struct loyalty_code *code, unsigned flags) {
  return ((flags & FLAG_FROM) && code->span.from_us == INT64_MIN) ||
         ((flags & FLAG_TO) && code->span.to_us == INT64_MAX) ||
         ((flags & FLAG_CARD) && code->balance == 0 && code->value == 0);
}

static struct bytes keep(struct arena *arena, struct bytes view) {
  return view.size_bytes == 0 ? bytes_of(NULL, 0) : arena_copy(arena, view);
}

static bool was_kept(struct bytes copy, struct bytes view) {
  return view.size_bytes == 0 || copy.data != NULL;
}

enum err loyalty_code_decode(struct bytes row, struct bytes code, struct arena *arena, struct loyalty_code *out) {
  struct varint_reader reader = varint_reader_of(row);
  struct bytes reason = {NULL, 0};
  *out = (struct loyalty_code){.span = {INT64_MIN, INT64_MAX}};
  if (varint_read_byte(&reader) != FORMAT) return ERR_CORRUPT;
  unsigned flags = varint_read_byte(&reader);
  out->voucher = row_read_u32(&reader);
  out->created_us = varint_read_signed(&reader);
  out->customer = varint_read(&reader);
  out->uses = row_read_amount(&reader, INT64_MAX);
  out->period = read_period(&reader);
  out->cause = varint_read(&reader);
  if (flags & FLAG_CANCELLED) reason = varint_read_bytes(&reader);
  if (flags & FLAG_FROM) out->span.from_us = row_read_instant(&reader, out->created_us);
  if (flags & FLAG_TO) out->span.to_us = row_read_instant(&reader, out->created_us);
  if (flags & FLAG_CARD) out->balance = row_read_amount(&reader, INT64_MAX);
  if (flags & FLAG_CARD) out->value = row_read_amount(&reader, INT64_MAX);
  out->state = flags & FLAG_CANCELLED ? LOYALTY_CODE_CANCELLED : LOYALTY_CODE_ACTIVE;
  out->paid = (flags & FLAG_PAID) != 0;
  out->flagged = (flags & FLAG_FLAGGED) != 0;
  if (reader.failed || varint_rest_bytes(&reader) > 0 || flags > FLAGS || says_too_much(out, flags)) return ERR_CORRUPT;
  out->code = keep(arena, code);
  out->reason = keep(arena, reason);
  return was_kept(out->code, code) && was_kept(out->reason, reason) ? ERR_OK : ERR_NO_MEMORY;
}

// --- redemptions ---------------------------------------------------------------------------------------------

void loyalty_redemption_encode(const struct loyalty_redemption *redemption, struct buffer *out) {
  buffer_append_byte(out, FORMAT);
  row_put(out, redemption->id);
  row_put_bytes(out, redemption->code);
  row_put_bytes(out, redemption->order);
  row_put_bytes(out, redemption->identifier);
  row_put(out, redemption->voucher);
  row_put(out, redemption->customer);
  row_put(out, (uint64_t)redemption->cents);
  row_put_signed(out, redemption->time_us);
  row_put_instant(out, redemption->time_us, redemption->recorded_us);
  row_put(out, redemption->source);
  row_put(out, redemption->rolled_back);
  if (redemption->rolled_back) row_put_instant(out, redemption->time_us, redemption->rolled_back_us);
  if (redemption->cashier.size_bytes > 0) row_put_bytes(out, redemption->cashier); // older rows end before it
}

enum err loyalty_redemption_decode(struct bytes row, struct arena *arena, struct loyalty_redemption *out) {
  struct varint_reader reader = varint_reader_of(row);
  *out = (struct loyalty_redemption){0};
  if (varint_read_byte(&reader) != FORMAT) return ERR_CORRUPT;
  out->id = varint_read(&reader);
  struct bytes code = varint_read_bytes(&reader), order = varint_read_bytes(&reader);
  struct bytes identifier = varint_read_bytes(&reader);
  out->voucher = row_read_u32(&reader);
  out->customer = varint_read(&reader);
  out->cents = row_read_amount(&reader, INT64_MAX);
  out->time_us = varint_read_signed(&reader);
  out->recorded_us = row_read_instant(&reader, out->time_us);
  out->source = row_read_u32(&reader);
  out->rolled_back = varint_read_up_to(&reader, 1) == 1;
  if (out->rolled_back) out->rolled_back_us = row_read_instant(&reader, out->time_us);
  struct bytes cashier = {NULL, 0};
  bool named = !reader.failed && varint_rest_bytes(&reader) > 0;
  if (named) cashier = varint_read_bytes(&reader);
  if (reader.failed || varint_rest_bytes(&reader) > 0 || (named && cashier.size_bytes == 0)) return ERR_CORRUPT;
  out->code = keep(arena, code);
  out->order = keep(arena, order);
  out->identifier = keep(arena, identifier);
  out->cashier = keep(arena, cashier);
  bool kept = was_kept(out->code, code) && was_kept(out->order, order) && was_kept(out->identifier, identifier);
  return kept && was_kept(out->cashier, cashier) ? ERR_OK : ERR_NO_MEMORY;
}
