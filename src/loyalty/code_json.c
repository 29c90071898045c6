// code_json: codes and redemptions as people and programs read them.
#include "loyalty/code.h"

#include "loyalty/money_json.h"

// The later of two beginnings, the earlier of two ends: when the code can be used.
static struct loyalty_span span_of(const struct loyalty_code *code, const struct loyalty_voucher *voucher) {
  struct loyalty_span span = code->span;
  if (voucher->span.from_us > span.from_us) span.from_us = voucher->span.from_us;
  if (voucher->span.to_us < span.to_us) span.to_us = voucher->span.to_us;
  return span;
}

void loyalty_code_json(const struct loyalty_code *code, const struct loyalty_voucher *voucher,
                       struct json_writer *writer) {
  struct loyalty_span span = span_of(code, voucher);
  json_object_begin(writer);
  json_member_bytes(writer, "code", code->code);
  json_member_bytes(writer, "voucher", voucher->id);
  json_member_text(writer, "state", code->state == LOYALTY_CODE_CANCELLED ? "cancelled" : "active");
  if (code->reason.size_bytes > 0) json_member_bytes(writer, "reason", code->reason);
  if (code->customer != 0) id_json(writer, "customer", 'c', code->customer);
  if (span.from_us != INT64_MIN) json_member_time(writer, "valid_from", span.from_us);
  if (span.to_us != INT64_MAX) json_member_time(writer, "valid_to", span.to_us);
  json_member_time(writer, "created_at", code->created_us);
  json_member_i64(writer, "uses", code->uses);
  if (code->flagged) json_member_bool(writer, "flagged", true);
  if (voucher->discount.kind != LOYALTY_CREDIT) return;
  money_json(writer, "balance", code->balance);
  money_json(writer, "value", code->value);
}

void loyalty_redemption_json(const struct loyalty_redemption *redemption, struct json_writer *writer) {
  json_object_begin(writer);
  id_json(writer, "id", 'r', redemption->id);
  json_member_bytes(writer, "code", redemption->code);
  if (redemption->order.size_bytes > 0) json_member_bytes(writer, "order", redemption->order);
  if (redemption->customer != 0) id_json(writer, "customer", 'c', redemption->customer);
  if (redemption->cashier.size_bytes > 0) json_member_bytes(writer, "cashier", redemption->cashier);
  money_json(writer, "amount", redemption->cents);
  json_member_time(writer, "time", redemption->time_us);
  json_member_time(writer, "recorded_at", redemption->recorded_us);
  json_member_bool(writer, "rolled_back", redemption->rolled_back);
  if (redemption->rolled_back) json_member_time(writer, "rolled_back_at", redemption->rolled_back_us);
}
