// loyalty_reprice.c: what a return gives and takes when promotions are computed again.
//
// What is left of the order is priced and earned on as if it had been bought alone: by the documents that were in force
// when the order was booked, over the customer as she was then (loyalty_asked.c), at the order's own time. The order
// costs that much now, and keeps those points; everything above it goes back, less what went back before. Of an order
// whose event says what was paid (a shop's own) discounts are not known: money goes back in proportion, and only the
// points are computed again.
// Every return looks at what is left alone, never at what earlier ones gave: so whatever their order, all of them come
// to what was paid, and to no points at all.
// Where what is left cannot be told (its event was erased), the return is in proportion.
#include "engine/loyalty.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_ID_BYTES = LIMIT_NAME_BYTES + 16 };

struct repricing {
  struct loyalty_kit *kit; // of then
  struct work *work;
  const struct loyalty_order *order;
  struct loyalty_returned *plan;
  struct value message; // of the order's event; absent: it is not there
  bool priced;          // here
  struct loyalty_basket basket;
  int64_t left_cents;
};

bool loyalty_order_was_priced(const struct work *work, struct bytes order, uint32_t source,
                              const uint8_t event[IDENTITY_EVENT_ID_BYTES]) {
  char text[MESSAGE_ID_BYTES];
  uint8_t id[IDENTITY_EVENT_ID_BYTES];
  int size = snprintf(text, sizeof text, "order:%.*s", BYTES_ARG(order));
  if (size < 0 || (size_t)size >= sizeof text) return false;
  engine_event_id(work->engine, source, bytes_of(text, (size_t)size), id);
  return memcmp(id, event, sizeof id) == 0;
}

// --- the order's event ---------------------------------------------------------------------------------------

static struct value member_of(const struct repricing *repricing, struct value document, const char *name) {
  if (value_is_absent(document) || value_type(document) != VALUE_DOCUMENT) return (struct value){{NULL, 0}};
  return value_member(document, repricing->work->engine->names, bytes_from_text(name));
}

static bool is_its_event(const struct repricing *repricing, const struct timeline_item *item) {
  struct bytes id;
  return value_as_text(member_of(repricing, member_of(repricing, item->payload.message, "properties"), "order_id"),
                       &id) &&
         bytes_equal(id, repricing->order->id);
}

static enum err find_event(struct repricing *repricing, const struct work_customer *customer) {
  struct work *work = repricing->work;
  const struct loyalty_order *order = repricing->order;
  struct timeline_query query = {.payloads = true,
                                 .has_from = true,
                                 .has_to = true,
                                 .from = {.time_us = order->time_us},
                                 .to = {.time_us = order->time_us + 1},
                                 .name = names_find(work->engine->names, BYTES("Order Completed"))};
  struct timeline_reader reader = {.txn = work->txn};
  struct timeline_cursor *cursor;
  struct timeline_item item;
  enum err err = timeline_open(&cursor, reader, customer->record.id, &customer->head, &query);
  if (err != ERR_OK) return err;
  while (value_is_absent(repricing->message) && (err = timeline_next(cursor, &item)) == ERR_OK) {
    if (!is_its_event(repricing, &item)) continue;
    repricing->priced = loyalty_order_was_priced(work, order->id, item.payload.source, item.event.at.event);
    repricing->message.packed = arena_copy(work->arena, item.payload.message.packed);
    if (repricing->message.packed.data == NULL) err = ERR_NO_MEMORY;
    if (err != ERR_OK) break;
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// --- without what came back ----------------------------------------------------------------------------------

static void put_others(struct value_builder *builder, const struct names *names, struct value document,
                       const char *const *without) {
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter)) {
    struct bytes name = value_iter_name(&iter, names);
    bool put = true;
    for (const char *const *word = without; *word != NULL; word++)
      put = put && !bytes_equal(name, bytes_from_text(*word));
    if (!put) continue;
    value_put_name(builder, name);
    value_put_value(builder, iter.item);
  }
}

// A line keeps the id that returns know it by, whatever its number is now.
static void put_line(const struct repricing *repricing, struct value_builder *builder, size_t index,
                     struct value product) {
  static const char *const WITHOUT[] = {"line_id", "quantity", NULL};
  const struct loyalty_order_line *line = &repricing->order->lines[index];
  int64_t left = line->quantity - line->returned - repricing->plan->quantities[index];
  struct decimal quantity = decimal_from_i64(left);
  quantity.exponent = -3;
  value_document_begin(builder);
  put_others(builder, repricing->work->engine->names, product, WITHOUT);
  value_put_name(builder, BYTES("line_id"));
  value_put_text(builder, line->id);
  value_put_name(builder, BYTES("quantity"));
  value_put_number(builder, quantity);
  value_document_end(builder);
}

// False: they are not the lines of the order.
static bool put_products(const struct repricing *repricing, struct value_builder *builder, struct value products) {
  const struct loyalty_order *order = repricing->order;
  struct value_iter iter = value_iterate(products);
  size_t index = 0;
  bool fits = true;
  value_put_name(builder, BYTES("products"));
  value_list_begin(builder);
  for (; value_next(&iter); index++) {
    fits = fits && index < order->line_count && value_type(iter.item) == VALUE_DOCUMENT;
    if (!fits) break;
    const struct loyalty_order_line *line = &order->lines[index];
    if (line->returned + repricing->plan->quantities[index] < line->quantity)
      put_line(repricing, builder, index, iter.item);
  }
  value_list_end(builder);
  return fits && index == order->line_count;
}

static bool has_products(struct value products) {
  struct value_iter iter;
  if (value_is_absent(products) || value_type(products) != VALUE_LIST) return false;
  iter = value_iterate(products);
  return value_next(&iter);
}

// The event's message with the products that are left. *fits false: it cannot be made.
static enum err make_message(struct repricing *repricing, struct value *made, bool *fits) {
  static const char *const WITHOUT[] = {"products", NULL}, *const OTHERS[] = {"properties", NULL};
  struct work *work = repricing->work;
  struct value properties = member_of(repricing, repricing->message, "properties");
  struct value products = member_of(repricing, properties, "products");
  struct value_builder builder;
  struct buffer packed;
  *made = repricing->message;
  *fits = true;
  if (!has_products(products)) return ERR_OK;
  buffer_init(&packed);
  value_builder_init(&builder, &packed, work->engine->names);
  value_document_begin(&builder);
  put_others(&builder, work->engine->names, repricing->message, OTHERS);
  value_put_name(&builder, BYTES("properties"));
  value_document_begin(&builder);
  put_others(&builder, work->engine->names, properties, WITHOUT);
  *fits = put_products(repricing, &builder, products);
  value_document_end(&builder);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) made->packed = arena_copy(work->arena, buffer_view(&packed));
  if (err == ERR_OK && made->packed.data == NULL) err = ERR_NO_MEMORY;
  buffer_release(&packed);
  return err;
}

// --- priced and earned on again ------------------------------------------------------------------------------

// Discounts see what it comes to before them, as when it was booked.
static enum err price(struct repricing *repricing, struct loyalty_event *event) {
  struct loyalty_basket *basket = &repricing->basket;
  if (!repricing->priced) return ERR_OK;
  for (size_t i = 0; i < basket->line_count; i++) basket->lines[i].discount = 0;
  basket->discount = basket->shipping_discount = 0;
  struct value whole = event->message;
  enum err err = loyalty_with_total(repricing->work, whole, loyalty_basket_due(basket), &event->message);
  if (err == ERR_OK) err = loyalty_order_price_again(repricing->kit, repricing->order, event, basket);
  event->message = whole;
  return err;
}

static enum err earn(struct repricing *repricing, struct loyalty_event *event) {
  struct work *work = repricing->work;
  struct loyalty_returned *plan = repricing->plan;
  int64_t *earned = arena_take_zero(work->arena, repricing->order->posted_count + 1, sizeof *earned);
  if (earned == NULL) return ERR_NO_MEMORY;
  struct value with_total;
  enum err err = loyalty_with_total(work, event->message, repricing->left_cents, &with_total);
  if (err == ERR_OK)
    err = loyalty_with_paid(with_total, &repricing->basket, loyalty_return_paid(repricing->order, plan),
                            work->engine->names, work->arena, &event->message);
  if (err == ERR_OK) err = loyalty_earn_again(repricing->kit, event, repricing->order, earned);
  if (err == ERR_OK) loyalty_return_keep(repricing->order, earned, plan);
  return err;
}

// *fits false: the plan stays in proportion.
static enum err reprice(struct repricing *repricing, const int64_t *quantities, bool tender_first, bool *fits) {
  struct work *work = repricing->work;
  struct loyalty_basket *basket = &repricing->basket;
  struct loyalty_event event = {.name = names_find(work->engine->names, BYTES("Order Completed")),
                                .at_us = repricing->order->time_us,
                                .basket = basket};
  enum err err = make_message(repricing, &event.message, fits);
  if (err != ERR_OK || !*fits) return err;
  err = loyalty_basket_read(member_of(repricing, event.message, "properties"), work->engine->names, BYTES(""),
                            work->arena, basket, NULL);
  if (err == ERR_NO_MEMORY) return err;
  *fits = err == ERR_OK && loyalty_return_basket(repricing->order, repricing->plan, basket);
  if (!*fits) return ERR_OK;
  err = price(repricing, &event);
  repricing->left_cents = loyalty_basket_due(basket);
  if (err == ERR_OK)
    err = loyalty_return_plan(repricing->order, quantities, tender_first, &repricing->left_cents, work->arena,
                              repricing->plan, work->diag);
  return err == ERR_OK ? earn(repricing, &event) : err;
}

static enum err reprice_then(struct loyalty_kit *now, const struct loyalty_order *order, const int64_t *quantities,
                             struct loyalty_returned *plan) {
  struct work *work = now->work;
  const struct loyalty_set *in_force = work->loyalty, *then;
  struct loyalty_returned trial = *plan;
  struct loyalty_pin *pins;
  struct loyalty_kit kit;
  size_t pin_count;
  bool fits = false, tender_first = loyalty_order_is_tender_first(work, order);
  int64_t until_us = order->recorded_us > order->time_us ? order->recorded_us : order->time_us, now_us = work->now_us;
  struct repricing repricing = {.kit = &kit, .work = work, .order = order, .plan = &trial};
  enum err err = find_event(&repricing, now->customer);
  if (err == ERR_OK) err = loyalty_asked_pins(work, order->asked, &pins, &pin_count);
  if (err != ERR_OK || value_is_absent(repricing.message)) return err;
  err = loyalty_set_of_then(work->engine, order->recorded_us, pins, pin_count, &then, work->diag);
  if (err != ERR_OK) return err;
  err = loyalty_kit_open(&kit, work, now->customer);
  if (err == ERR_OK) err = loyalty_asked_again(&kit, order->asked, until_us, in_force);
  work->loyalty = then;
  work->now_us = order->recorded_us;
  if (err == ERR_OK) err = reprice(&repricing, quantities, tender_first, &fits);
  work->loyalty = in_force;
  work->now_us = now_us;
  loyalty_kit_close(&kit);
  loyalty_set_close(then);
  if (err == ERR_OK && fits) *plan = trial;
  return err;
}

enum err loyalty_order_return_plan(struct loyalty_kit *kit, const struct loyalty_order *order,
                                   const int64_t *quantities, struct loyalty_returned *plan) {
  struct work *work = kit->work;
  enum err err = loyalty_return_plan(order, quantities, loyalty_order_is_tender_first(work, order), NULL, work->arena,
                                     plan, work->diag);
  if (err != ERR_OK || order->asked.size_bytes == 0 || loyalty_return_is_last(order, plan)) return err;
  err = reprice_then(kit, order, quantities, plan);
  return err == ERR_NO_MEMORY ? diag_no_memory(work->diag) : err;
}
