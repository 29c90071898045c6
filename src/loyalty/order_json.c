// order_json: an order as people and programs read it.
//
// Money has two digits after the point, quantities as many of three as they need, amounts of a currency those of its
// scale. Programmes and currencies are told by their ids; a number is told only of one that no document has.
#include "loyalty/order_private.h"

#include "loyalty/money_json.h"
#include "loyalty/set.h"

static void put_quantity(struct json_writer *writer, const char *name, int64_t quantity) {
  char text[32];
  int digits = 3, rest = (int)(quantity % LOYALTY_QUANTITY_UNIT);
  json_name(writer, name);
  if (rest == 0) {
    json_i64(writer, quantity / LOYALTY_QUANTITY_UNIT);
    return;
  }
  for (; rest % 10 == 0; digits--) rest /= 10;
  snprintf(text, sizeof text, "%" PRId64 ".%0*d", quantity / LOYALTY_QUANTITY_UNIT, digits, rest);
  json_raw(writer, bytes_from_text(text));
}

static void put_lines(const struct loyalty_order *order, struct json_writer *writer) {
  json_name(writer, "lines");
  json_array_begin(writer);
  for (size_t i = 0; i < order->line_count; i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    json_object_begin(writer);
    json_member_bytes(writer, "line_id", line->id);
    if (line->sku.size_bytes > 0) json_member_bytes(writer, "sku", line->sku);
    put_quantity(writer, "quantity", line->quantity);
    money_json(writer, "amount", line->amount);
    money_json(writer, "discount", line->discount);
    put_quantity(writer, "returned", line->returned);
    json_object_end(writer);
  }
  json_array_end(writer);
}

// Returns the digits after the point of its amounts.
static int put_currency(const struct loyalty_set *set, uint32_t programme, uint8_t currency,
                        struct json_writer *writer) {
  const struct loyalty_programme *found = set == NULL ? NULL : loyalty_set_programme(set, programme);
  const struct loyalty_currency *known = found == NULL ? NULL : loyalty_currency_at(found, currency);
  if (found != NULL)
    json_member_bytes(writer, "programme", found->id);
  else
    json_member_u64(writer, "programme", programme);
  if (known != NULL)
    json_member_bytes(writer, "currency", known->id);
  else
    json_member_u64(writer, "currency", currency);
  return known == NULL ? 0 : known->scale;
}

static void put_tenders(const struct loyalty_order *order, const struct loyalty_set *set, struct json_writer *writer) {
  json_name(writer, "tenders");
  json_array_begin(writer);
  for (size_t i = 0; i < order->tender_count; i++) {
    const struct loyalty_tender *tender = &order->tenders[i];
    json_object_begin(writer);
    if (tender->kind == LOYALTY_TENDER_CARD) {
      json_member_text(writer, "kind", "card");
      json_member_bytes(writer, "code", tender->code);
    } else {
      json_member_text(writer, "kind", "points");
      int scale = put_currency(set, tender->programme, tender->currency, writer);
      json_member_scaled(writer, "points", tender->amount, scale);
      json_member_scaled(writer, "points_restored", tender->restored_amount, scale);
    }
    money_json(writer, "amount", tender->cents);
    money_json(writer, "restored", tender->restored);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void put_earned(const struct loyalty_order *order, const struct loyalty_set *set, struct json_writer *writer) {
  json_name(writer, "earned");
  json_array_begin(writer);
  for (size_t i = 0; i < order->posted_count; i++) {
    const struct loyalty_posted *posted = &order->posted[i];
    json_object_begin(writer);
    int scale = put_currency(set, posted->programme, posted->currency, writer);
    json_member_scaled(writer, "amount", posted->amount, scale);
    json_member_scaled(writer, "taken_back", posted->taken_back, scale);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void put_used(const struct loyalty_order *order, struct json_writer *writer) {
  json_name(writer, "discounts");
  json_array_begin(writer);
  for (size_t i = 0; i < order->used_count; i++) {
    const struct loyalty_used *used = &order->used[i];
    json_object_begin(writer);
    if (used->code.size_bytes > 0) json_member_bytes(writer, "code", used->code);
    money_json(writer, "amount", used->cents);
    money_json(writer, "shipping", used->shipping_cents);
    if (used->redemption > 0) id_json(writer, "redemption", 'r', used->redemption);
    json_member_bool(writer, "rolled_back", used->rolled_back);
    json_object_end(writer);
  }
  json_array_end(writer);
}

static void put_returns(const struct loyalty_order *order, struct json_writer *writer) {
  json_name(writer, "returns");
  json_array_begin(writer);
  for (size_t i = 0; i < order->return_count; i++) {
    const struct loyalty_return *given = &order->returns[i];
    json_object_begin(writer);
    json_member_bytes(writer, "id", given->id);
    json_member_time(writer, "time", given->time_us);
    money_json(writer, "amount", given->cents);
    json_member_i64(writer, "points", given->points);
    json_name(writer, "lines");
    json_array_begin(writer);
    for (size_t j = 0; j < order->line_count; j++) {
      if (given->quantities[j] == 0) continue;
      json_object_begin(writer);
      json_member_bytes(writer, "line_id", order->lines[j].id);
      put_quantity(writer, "quantity", given->quantities[j]);
      json_object_end(writer);
    }
    json_array_end(writer);
    json_object_end(writer);
  }
  json_array_end(writer);
}

void loyalty_order_json(const struct loyalty_order *order, const struct loyalty_set *set, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bytes(writer, "order_id", order->id);
  json_member_text(writer, "state", order->state == LOYALTY_ORDER_CANCELLED ? "cancelled" : "placed");
  id_json(writer, "customer", 'c', order->origin);
  if (order->cashier.size_bytes > 0) json_member_bytes(writer, "cashier", order->cashier);
  json_member_time(writer, "time", order->time_us);
  json_member_time(writer, "recorded_at", order->recorded_us);
  money_json(writer, "amount", order_price(order));
  money_json(writer, "paid", loyalty_order_paid(order));
  money_json(writer, "remaining", loyalty_order_remaining(order));
  money_json(writer, "shipping", order->shipping);
  money_json(writer, "shipping_discount", order->shipping_discount);
  money_json(writer, "tax", order->tax);
  put_lines(order, writer);
  put_tenders(order, set, writer);
  put_earned(order, set, writer);
  put_used(order, writer);
  put_returns(order, writer);
}
