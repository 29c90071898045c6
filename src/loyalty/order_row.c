// order_row: an order as one row, which is written anew with every return.
//
// What reading accepts is sound: what was taken off a line, given back or restored is never more than there was, and
// all sums fit 64 bits, so that whoever computes with a row that was read needs no check of his own.
#include "loyalty/order_private.h"

#include "loyalty/basket_row.h"

enum {
  FORMAT = 1,
  // The least that an item takes, to bound counts by the row.
  LINE_BYTES = 6,
  TENDER_BYTES = 10,
  PART_BYTES = 4,
  POSTED_BYTES = 5,
  LOT_BYTES = 12,
  USED_BYTES = 8,
  RETURN_BYTES = 5,
};

// --- writing -------------------------------------------------------------------------------------------------

static void put_lines(const struct loyalty_order *order, struct buffer *out) {
  row_put(out, order->line_count);
  for (size_t i = 0; i < order->line_count; i++) {
    const struct loyalty_order_line *line = &order->lines[i];
    row_put_bytes(out, line->id);
    row_put_bytes(out, line->sku);
    row_put(out, (uint64_t)line->quantity);
    row_put(out, (uint64_t)line->amount);
    row_put(out, (uint64_t)line->discount);
    row_put(out, (uint64_t)line->returned);
  }
}

static void put_parts(const struct loyalty_order *order, const struct loyalty_tender *tender, struct buffer *out) {
  row_put(out, tender->part_count);
  for (size_t i = 0; i < tender->part_count; i++) {
    const struct loyalty_part *part = &tender->parts[i];
    row_put(out, part->lot);
    row_put(out, (uint64_t)part->amount);
    row_put_instant(out, order->time_us, part->active_us);
    row_put_instant(out, order->time_us, part->expires_us);
  }
}

static void put_tenders(const struct loyalty_order *order, struct buffer *out) {
  row_put(out, order->tender_count);
  for (size_t i = 0; i < order->tender_count; i++) {
    const struct loyalty_tender *tender = &order->tenders[i];
    row_put(out, (uint64_t)tender->kind);
    row_put(out, tender->programme);
    row_put(out, tender->currency);
    row_put_bytes(out, tender->code);
    row_put(out, (uint64_t)tender->amount);
    row_put(out, (uint64_t)tender->cents);
    row_put(out, (uint64_t)tender->restored);
    row_put(out, (uint64_t)tender->restored_amount);
    row_put(out, tender->redemption);
    put_parts(order, tender, out);
  }
}

static void put_lot(const struct loyalty_order *order, const struct loyalty_lot *lot, struct buffer *out) {
  row_put(out, lot->id);
  row_put(out, lot->currency);
  row_put_instant(out, order->time_us, lot->earned_us);
  row_put_instant(out, order->time_us, lot->active_us);
  row_put_instant(out, order->time_us, lot->expires_us);
  row_put(out, (uint64_t)lot->amount);
  row_put(out, (uint64_t)lot->pending);
  row_put(out, (uint64_t)lot->active);
  row_put(out, (uint64_t)lot->held);
  row_put(out, lot->origin);
  row_put(out, lot->rule.campaign);
  row_put(out, lot->rule.rule);
}

static void put_posted(const struct loyalty_order *order, struct buffer *out) {
  row_put(out, order->posted_count);
  for (size_t i = 0; i < order->posted_count; i++) {
    const struct loyalty_posted *posted = &order->posted[i];
    row_put(out, posted->programme);
    row_put(out, posted->currency);
    row_put(out, (uint64_t)posted->amount);
    row_put(out, (uint64_t)posted->taken_back);
    row_put(out, posted->lot_count);
    for (size_t j = 0; j < posted->lot_count; j++) put_lot(order, &posted->lots[j], out);
  }
}

static void put_used(const struct loyalty_order *order, struct buffer *out) {
  row_put(out, order->used_count);
  for (size_t i = 0; i < order->used_count; i++) {
    const struct loyalty_used *used = &order->used[i];
    row_put_bytes(out, used->code);
    row_put(out, used->voucher);
    row_put(out, used->rule.campaign);
    row_put(out, used->rule.rule);
    row_put(out, (uint64_t)used->cents);
    row_put(out, (uint64_t)used->shipping_cents);
    row_put(out, used->redemption);
    row_put(out, used->rolled_back);
  }
}

static void put_returns(const struct loyalty_order *order, struct buffer *out) {
  row_put(out, order->return_count);
  for (size_t i = 0; i < order->return_count; i++) {
    const struct loyalty_return *given = &order->returns[i];
    row_put_bytes(out, given->id);
    row_put_instant(out, order->time_us, given->time_us);
    row_put(out, (uint64_t)given->cents);
    row_put(out, (uint64_t)given->points);
    row_put_bytes(out, given->reply);
    for (size_t j = 0; j < order->line_count; j++) row_put(out, (uint64_t)given->quantities[j]);
  }
}

void loyalty_order_encode(const struct loyalty_order *order, struct buffer *out) {
  buffer_append_byte(out, FORMAT);
  row_put_bytes(out, order->id);
  row_put(out, order->posting);
  row_put(out, order->origin);
  row_put_bytes(out, order->identifier);
  row_put_signed(out, order->time_us);
  row_put_instant(out, order->time_us, order->recorded_us);
  row_put(out, (uint64_t)order->state);
  row_put(out, order->source);
  row_put(out, (uint64_t)order->shipping);
  row_put(out, (uint64_t)order->shipping_discount);
  row_put(out, (uint64_t)order->tax);
  put_lines(order, out);
  put_tenders(order, out);
  put_posted(order, out);
  put_used(order, out);
  put_returns(order, out);
  row_put_bytes(out, order->reply);
  // Older rows end before these two, and so do those that have neither.
  if (order->cashier.size_bytes > 0 || order->asked.size_bytes > 0) row_put_bytes(out, order->cashier);
  if (order->asked.size_bytes > 0) row_put_bytes(out, order->asked);
}

// --- reading -------------------------------------------------------------------------------------------------

struct reading {
  struct varint_reader row;
  struct arena *arena;
  struct loyalty_order *order;
  int64_t price; // of lines and shipping, as far as they were read; then what is left of it beside tenders
  bool short_of_memory;
};

// Zeroed room for the items that follow; NULL when there are none or memory is short.
static void *take_items(struct reading *reading, size_t most, size_t row_bytes, size_t item_bytes, size_t *count) {
  *count = row_read_count(&reading->row, row_bytes);
  if (*count > most) *count = (size_t)varint_fail(&reading->row);
  if (*count == 0) return NULL;
  void *items = arena_take_zero(reading->arena, *count, item_bytes);
  if (items == NULL) {
    reading->short_of_memory = true;
    *count = (size_t)varint_fail(&reading->row);
  }
  return items;
}

static void add_price(struct reading *reading, int64_t cents) {
  if (__builtin_add_overflow(reading->price, cents, &reading->price)) varint_fail(&reading->row);
}

static void read_lines(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  int64_t whole = order->shipping;
  order->lines = take_items(reading, LOYALTY_LINES_MAX, LINE_BYTES, sizeof *order->lines, &order->line_count);
  for (size_t i = 0; i < order->line_count; i++) {
    struct loyalty_order_line *line = &order->lines[i];
    line->id = varint_read_bytes(&reading->row);
    line->sku = varint_read_bytes(&reading->row);
    line->quantity = row_read_amount(&reading->row, INT64_MAX);
    line->amount = row_read_amount(&reading->row, INT64_MAX);
    line->discount = row_read_amount(&reading->row, line->amount);
    line->returned = row_read_amount(&reading->row, line->quantity);
    if (line->quantity == 0 || __builtin_add_overflow(whole, line->amount, &whole)) varint_fail(&reading->row);
    if (reading->row.failed) return;
    add_price(reading, line->amount - line->discount);
  }
}

static void read_parts(struct reading *reading, struct loyalty_tender *tender) {
  struct loyalty_part *parts = take_items(reading, SIZE_MAX, PART_BYTES, sizeof *parts, &tender->part_count);
  int64_t time_us = reading->order->time_us;
  for (size_t i = 0; i < tender->part_count; i++) {
    parts[i].lot = varint_read(&reading->row);
    parts[i].amount = row_read_amount(&reading->row, INT64_MAX);
    parts[i].active_us = row_read_instant(&reading->row, time_us);
    parts[i].expires_us = row_read_instant(&reading->row, time_us);
  }
  tender->parts = parts;
}

static void read_tender(struct reading *reading, struct loyalty_tender *tender) {
  struct varint_reader *row = &reading->row;
  tender->kind = varint_read_up_to(row, 1) == 1 ? LOYALTY_TENDER_CARD : LOYALTY_TENDER_POINTS;
  tender->programme = row_read_u32(row);
  tender->currency = (uint8_t)varint_read_up_to(row, UINT8_MAX);
  tender->code = varint_read_bytes(row);
  tender->amount = row_read_amount(row, INT64_MAX);
  tender->cents = row_read_amount(row, reading->price);
  tender->restored = row_read_amount(row, tender->cents);
  tender->restored_amount = row_read_amount(row, tender->amount);
  tender->redemption = varint_read(row);
  reading->price -= tender->cents;
  read_parts(reading, tender);
}

static void read_tenders(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  order->tenders = take_items(reading, LOYALTY_TENDERS_MAX, TENDER_BYTES, sizeof *order->tenders, &order->tender_count);
  for (size_t i = 0; i < order->tender_count && !reading->row.failed; i++) read_tender(reading, &order->tenders[i]);
}

static void read_lot(struct reading *reading, struct loyalty_lot *lot) {
  struct varint_reader *row = &reading->row;
  int64_t time_us = reading->order->time_us;
  lot->id = varint_read(row);
  lot->currency = (uint8_t)varint_read_up_to(row, UINT8_MAX);
  lot->earned_us = row_read_instant(row, time_us);
  lot->active_us = row_read_instant(row, time_us);
  lot->expires_us = row_read_instant(row, time_us);
  lot->amount = row_read_amount(row, INT64_MAX);
  lot->pending = row_read_amount(row, INT64_MAX);
  lot->active = row_read_amount(row, INT64_MAX);
  lot->held = row_read_amount(row, INT64_MAX);
  lot->origin = varint_read(row);
  lot->rule.campaign = row_read_u32(row);
  lot->rule.rule = row_read_u32(row);
}

static void read_posted(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  order->posted = take_items(reading, SIZE_MAX, POSTED_BYTES, sizeof *order->posted, &order->posted_count);
  for (size_t i = 0; i < order->posted_count; i++) {
    struct loyalty_posted *posted = &order->posted[i];
    posted->programme = row_read_u32(&reading->row);
    posted->currency = (uint8_t)varint_read_up_to(&reading->row, UINT8_MAX);
    posted->amount = row_read_amount(&reading->row, INT64_MAX);
    posted->taken_back = row_read_amount(&reading->row, posted->amount);
    struct loyalty_lot *lots = take_items(reading, SIZE_MAX, LOT_BYTES, sizeof *lots, &posted->lot_count);
    for (size_t j = 0; j < posted->lot_count; j++) read_lot(reading, &lots[j]);
    posted->lots = lots;
    if (reading->row.failed) return;
  }
}

static void read_used(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  struct varint_reader *row = &reading->row;
  order->used = take_items(reading, SIZE_MAX, USED_BYTES, sizeof *order->used, &order->used_count);
  for (size_t i = 0; i < order->used_count; i++) {
    struct loyalty_used *used = &order->used[i];
    used->code = varint_read_bytes(row);
    used->voucher = row_read_u32(row);
    used->rule.campaign = row_read_u32(row);
    used->rule.rule = row_read_u32(row);
    used->cents = row_read_amount(row, INT64_MAX);
    used->shipping_cents = row_read_amount(row, INT64_MAX);
    used->redemption = varint_read(row);
    used->rolled_back = varint_read_up_to(row, 1) == 1;
  }
}

static void read_return(struct reading *reading, struct loyalty_return *given) {
  const struct loyalty_order *order = reading->order;
  struct varint_reader *row = &reading->row;
  given->id = varint_read_bytes(row);
  given->time_us = row_read_instant(row, order->time_us);
  given->cents = row_read_amount(row, INT64_MAX);
  given->points = row_read_amount(row, INT64_MAX);
  given->reply = varint_read_bytes(row);
  // A line is one byte at least: no memory is taken for what the row cannot hold.
  if (order->line_count > varint_rest_bytes(row)) varint_fail(row);
  if (row->failed) return;
  int64_t *quantities = arena_take_zero(reading->arena, order->line_count, sizeof *quantities);
  if (quantities == NULL) {
    reading->short_of_memory = true;
    varint_fail(row);
    return;
  }
  for (size_t i = 0; i < order->line_count; i++) quantities[i] = row_read_amount(row, order->lines[i].returned);
  given->quantities = quantities;
}

static void read_returns(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  order->returns = take_items(reading, SIZE_MAX, RETURN_BYTES, sizeof *order->returns, &order->return_count);
  for (size_t i = 0; i < order->return_count && !reading->row.failed; i++) read_return(reading, &order->returns[i]);
}

static void read_head(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  struct varint_reader *row = &reading->row;
  if (varint_read_byte(row) != FORMAT) varint_fail(row);
  order->id = varint_read_bytes(row);
  order->posting = varint_read(row);
  order->origin = varint_read(row);
  order->identifier = varint_read_bytes(row);
  order->time_us = varint_read_signed(row);
  order->recorded_us = row_read_instant(row, order->time_us);
  order->state = varint_read_up_to(row, LOYALTY_ORDER_CANCELLED) == 0 ? LOYALTY_ORDER_PLACED : LOYALTY_ORDER_CANCELLED;
  order->source = row_read_u32(row);
  order->shipping = row_read_amount(row, INT64_MAX);
  order->shipping_discount = row_read_amount(row, order->shipping);
  order->tax = row_read_amount(row, INT64_MAX);
  add_price(reading, order->shipping - order->shipping_discount);
}

// What returns gave is never more than the price, where it counts.
static void check_given(struct reading *reading) {
  int64_t left = order_price(reading->order);
  for (size_t i = 0; i < reading->order->return_count; i++) {
    if (reading->row.failed) return;
    if (reading->order->returns[i].cents > left) varint_fail(&reading->row);
    left -= reading->order->returns[i].cents;
  }
}

// One of the two is not empty.
static void read_rest(struct reading *reading) {
  struct loyalty_order *order = reading->order;
  order->cashier = varint_read_bytes(&reading->row);
  if (!reading->row.failed && varint_rest_bytes(&reading->row) > 0) {
    order->asked = varint_read_bytes(&reading->row);
    if (order->asked.size_bytes == 0) varint_fail(&reading->row);
    check_given(reading);
  }
  if (order->cashier.size_bytes == 0 && order->asked.size_bytes == 0) varint_fail(&reading->row);
}

enum err loyalty_order_decode(struct bytes row, struct arena *arena, struct loyalty_order *order) {
  struct reading reading = {.row = varint_reader_of(row), .arena = arena, .order = order};
  *order = (struct loyalty_order){0};
  read_head(&reading);
  if (!reading.row.failed) read_lines(&reading);
  if (!reading.row.failed) read_tenders(&reading);
  if (!reading.row.failed) read_posted(&reading);
  if (!reading.row.failed) read_used(&reading);
  if (!reading.row.failed) read_returns(&reading);
  order->reply = varint_read_bytes(&reading.row);
  if (!reading.row.failed && varint_rest_bytes(&reading.row) > 0) read_rest(&reading);
  if (reading.short_of_memory) return ERR_NO_MEMORY;
  return reading.row.failed || varint_rest_bytes(&reading.row) > 0 ? ERR_CORRUPT : ERR_OK;
}
