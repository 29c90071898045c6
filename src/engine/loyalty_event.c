// loyalty_event.c: what an event means to loyalty.
//
// Once for each event, after it was added to its customer's timeline and before segments are evaluated. What all events
// of a transaction may touch of what members share is locked before the first of them is taken, in one call for each
// class of locks: the codes of the request, then the counters.
#include "engine/loyalty.h"

enum { COUNTERS_MAX = 4096 };

static uint32_t name_of(const struct work *work, const char *name) {
  return names_find(work->engine->names, bytes_from_text(name));
}

struct names_of_orders {
  uint32_t completed, refunded, cancelled;
};

static struct names_of_orders order_names(const struct work *work) {
  return (struct names_of_orders){name_of(work, "Order Completed"), name_of(work, "Order Refunded"),
                                  name_of(work, "Order Cancelled")};
}

static bool is_concerned(const struct work *work, uint32_t name) {
  struct names_of_orders orders = order_names(work);
  return loyalty_set_concerns(work->loyalty, name) || name == orders.completed || name == orders.refunded ||
         name == orders.cancelled;
}

bool loyalty_concerns_event(const struct work *work, uint32_t name) {
  return work->loyalty != NULL && is_concerned(work, name);
}

// --- before ----------------------------------------------------------------------------------------------------

struct texts {
  struct bytes *items;
  size_t count, capacity;
};

struct touching {
  struct work *work;
  struct loyalty_counter_key *keys;
  size_t count;
  struct texts codes, orders; // to be locked
};

static enum err touch_rules(struct touching *touching, const struct engine_event *event) {
  const struct loyalty_live_rule *const *rules;
  struct work *work = touching->work;
  size_t count;
  enum err err =
      loyalty_set_find(work->loyalty, event->name, event->message, event->time_us, work->arena, &rules, &count);
  if (err != ERR_OK) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count && touching->count < COUNTERS_MAX; i++)
    touching->count += loyalty_rule_counters(work->loyalty, rules[i], event->time_us, touching->keys + touching->count,
                                             COUNTERS_MAX - touching->count);
  err = loyalty_set_find_withdrawn(work->loyalty, event->name, work->arena, &rules, &count);
  if (err != ERR_OK) return diag_no_memory(work->diag);
  for (size_t i = 0; i < count && touching->count < COUNTERS_MAX; i++)
    touching->count += loyalty_rule_counters(work->loyalty, rules[i], event->time_us, touching->keys + touching->count,
                                             COUNTERS_MAX - touching->count);
  return ERR_OK;
}

static bool order_id_of(const struct work *work, const struct engine_event *event, struct bytes *id) {
  struct value properties = value_member_id(event->message, work->engine->id.properties);
  return value_as_text(value_member(properties, work->engine->names, BYTES("order_id")), id) && id->size_bytes > 0 &&
         id->size_bytes <= LIMIT_NAME_BYTES;
}

static enum err add_text(struct work *work, struct texts *texts, struct bytes text) {
  if (texts->count == texts->capacity) {
    size_t capacity = texts->capacity * 2 + 16;
    struct bytes *items = arena_take(work->arena, capacity * sizeof *items);
    if (items == NULL) return diag_no_memory(work->diag);
    if (texts->count > 0) memcpy(items, texts->items, texts->count * sizeof *items);
    texts->items = items;
    texts->capacity = capacity;
  }
  texts->items[texts->count++] = text;
  return ERR_OK;
}

// What an order used, of which a return may give back.
static enum err touch_used(struct touching *touching, const struct loyalty_order *order) {
  struct work *work = touching->work;
  enum err err = ERR_OK;
  size_t room = COUNTERS_MAX - touching->count;
  size_t count = loyalty_order_counters(order, work->loyalty, touching->keys + touching->count, room);
  touching->count += count < room ? count : room;
  for (size_t i = 0; err == ERR_OK && i < order->used_count; i++)
    if (order->used[i].code.size_bytes > 0) err = add_text(work, &touching->codes, order->used[i].code);
  for (size_t i = 0; err == ERR_OK && i < order->tender_count; i++)
    if (order->tenders[i].kind == LOYALTY_TENDER_CARD) err = add_text(work, &touching->codes, order->tenders[i].code);
  return err;
}

// A return frees what its order used. The row may be read before its customer is known to be locked: what an order used
// never changes.
static enum err touch_order(struct touching *touching, const struct engine_event *event) {
  struct work *work = touching->work;
  uint64_t *customers;
  struct bytes id;
  size_t count;
  if (!order_id_of(work, event, &id)) return ERR_OK;
  enum err err = loyalty_order_owners(work, id, &customers, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    struct loyalty_order *order;
    err = loyalty_order_read(work, customers[i], id, &order);
    if (err == ERR_OK && order != NULL) err = touch_used(touching, order);
  }
  return err;
}

// An order of one who becomes another; of both when the other has it too: one of the two is given back.
static enum err touch_merged_order(struct touching *touching, uint64_t customer, struct bytes id) {
  struct work *work = touching->work;
  struct loyalty_order *own = NULL, *other = NULL;
  enum err err = add_text(work, &touching->orders, id);
  for (size_t i = 0; err == ERR_OK && i < work->wanted->merged_count; i++) {
    if (work->wanted->merged[i] == customer) continue;
    err = loyalty_order_read(work, work->wanted->merged[i], id, &other);
    if (err == ERR_OK && other != NULL && own == NULL) err = loyalty_order_read(work, customer, id, &own);
    if (err == ERR_OK && other != NULL) err = touch_used(touching, other);
    if (err == ERR_OK && other != NULL && own != NULL) err = touch_used(touching, own);
  }
  return err;
}

static enum err touch_merged(struct touching *touching) {
  struct work *work = touching->work;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < work->wanted->merged_count; i++) {
    uint64_t customer = work->wanted->merged[i];
    struct loyalty_row *rows;
    size_t count;
    err = loyalty_rows_of(work, customer, &rows, &count);
    for (size_t j = 0; err == ERR_OK && j < count; j++)
      if (rows[j].kind == 'o') err = touch_merged_order(touching, customer, rows[j].rest);
  }
  return err;
}

static void touch_voucher(struct touching *touching, const struct loyalty_voucher *voucher) {
  if (voucher->uses_total > 0 && touching->count < COUNTERS_MAX)
    touching->keys[touching->count++] =
        (struct loyalty_counter_key){.kind = LOYALTY_COUNT_VOUCHER_USES, .number = voucher->number};
  if (voucher->budget_cents > 0 && touching->count < COUNTERS_MAX)
    touching->keys[touching->count++] =
        (struct loyalty_counter_key){.kind = LOYALTY_COUNT_VOUCHER_CENTS, .number = voucher->number};
}

// The codes of the request and of what is given back, and the ids of the orders that are booked.
static enum err touch_codes(struct touching *touching, const struct engine_event *events, size_t event_count,
                            const struct loyalty_request *request) {
  struct work *work = touching->work;
  uint32_t completed = name_of(work, "Order Completed");
  struct texts *codes = &touching->codes;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->code_count; i++)
    err = add_text(work, codes, request->codes[i]);
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->pay_count; i++)
    if (request->pay[i].kind == LOYALTY_PAY_CARD) err = add_text(work, codes, request->pay[i].code);
  for (size_t i = 0; err == ERR_OK && request != NULL && i < request->reference_count; i++)
    err = add_text(work, &touching->orders, request->references[i]);
  for (size_t i = 0; err == ERR_OK && i < event_count; i++) {
    struct bytes id;
    if (events[i].name == completed && order_id_of(work, &events[i], &id)) err = add_text(work, &touching->orders, id);
  }
  if (err == ERR_OK)
    err = loyalty_codes_lock(work, codes->items, codes->count, touching->orders.items, touching->orders.count);
  for (size_t i = 0; err == ERR_OK && i < codes->count; i++) {
    const struct loyalty_held_code *held = loyalty_code_of(work, codes->items[i]);
    const struct loyalty_voucher *voucher = held->there ? loyalty_set_voucher(work->loyalty, held->code.voucher) : NULL;
    if (voucher != NULL) touch_voucher(touching, voucher);
  }
  return err;
}

static enum err touch_events(struct touching *touching, const struct engine_event *events, size_t count) {
  struct work *work = touching->work;
  struct names_of_orders orders = order_names(work);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    if (!is_concerned(work, events[i].name)) continue;
    err = touch_rules(touching, &events[i]);
    bool back = events[i].name == orders.refunded || events[i].name == orders.cancelled;
    if (err == ERR_OK && back) err = touch_order(touching, &events[i]);
  }
  return err;
}

// A cashier's counters of the times of the events.
static void touch_cashier(struct touching *touching, const struct engine_event *events, size_t count) {
  const struct work *work = touching->work;
  for (size_t i = 0; i < count; i++) {
    size_t room = COUNTERS_MAX - touching->count;
    size_t more = loyalty_cashier_counters(work->loyalty, work->cashier, events[i].time_us,
                                           touching->keys + touching->count, room);
    touching->count += more < room ? more : room;
  }
}

enum err loyalty_prepare(struct work *work, const struct engine_event *events, size_t count,
                         const struct loyalty_request *request) {
  if (work->loyalty == NULL) return ERR_OK;
  if (request != NULL) work->cashier = request->cashier;
  struct touching touching = {.work = work};
  bool any = request != NULL || work->wanted->merged_count > 0;
  for (size_t i = 0; i < count && !any; i++) any = is_concerned(work, events[i].name);
  if (!any) return ERR_OK;
  if (request != NULL && request->writer != NULL) {
    buffer_clear(request->writer->out);
    json_writer_init(request->writer, request->writer->out);
  }
  touching.keys = arena_take(work->arena, COUNTERS_MAX * sizeof *touching.keys);
  if (touching.keys == NULL) return diag_no_memory(work->diag);
  touch_cashier(&touching, events, count);
  enum err err = touch_events(&touching, events, count);
  if (err == ERR_OK) err = touch_merged(&touching);
  if (err == ERR_OK) err = touch_codes(&touching, events, count, request);
  if (err == ERR_OK && touching.count == COUNTERS_MAX)
    return diag_set(work->diag, ERR_LIMIT, "too_many", "these events concern more than %d budgets at once",
                    COUNTERS_MAX);
  return err == ERR_OK ? loyalty_counters_lock(work, touching.keys, touching.count) : err;
}

// --- an event --------------------------------------------------------------------------------------------------

// By what a movement is called: the order that the event names, else its message.
static struct bytes reference_of(struct work *work, const struct work_event *event) {
  struct value properties = value_member_id(event->event->message, work->engine->id.properties);
  struct bytes id;
  if (value_as_text(value_member(properties, work->engine->names, BYTES("order_id")), &id) && id.size_bytes > 0)
    return id;
  return event->event->message_id;
}

static enum err read_basket(struct work *work, const struct work_event *event, struct loyalty_basket *basket) {
  struct value properties = value_member_id(event->event->message, work->engine->id.properties);
  const struct loyalty_programme *first = loyalty_set_programme_at(work->loyalty, 0);
  return loyalty_basket_read(properties, work->engine->names, first->money, work->arena, basket, work->diag);
}

static enum err take_order(struct loyalty_kit *kit, const struct work_event *event, const struct loyalty_event *in_hand,
                           const struct loyalty_request *request) {
  struct work *work = kit->work;
  struct loyalty_event with_basket = *in_hand;
  struct loyalty_basket basket;
  enum err err = read_basket(work, event, &basket);
  // What a shop tells and nobody can read earns nothing; it stands on the timeline.
  if (request == NULL && (err == ERR_INVALID || err == ERR_LIMIT)) return ERR_OK;
  if (err != ERR_OK) return err;
  with_basket.basket = &basket;
  if (request != NULL && !value_is_absent(request->seen)) with_basket.message = request->seen;
  return loyalty_order_book(kit, event, &with_basket, request);
}

// What waits for an event that names an order; of one that names none nothing does.
static enum err release(struct loyalty_kit *kit, const struct work_event *event, const struct loyalty_event *in_hand,
                        const char **refusal) {
  struct bytes id;
  if (!loyalty_releases(kit->work, in_hand->name) || !order_id_of(kit->work, event->event, &id)) return ERR_OK;
  return loyalty_release_event(kit, in_hand, id, refusal);
}

static enum err take(struct loyalty_kit *kit, const struct work_event *event, const struct loyalty_request *request,
                     const char **refusal) {
  struct work *work = kit->work;
  struct names_of_orders orders = order_names(work);
  struct loyalty_event in_hand = {
      .name = event->event->name, .at_us = event->at.time_us, .message = event->event->message};
  struct loyalty_outcomes outcomes = {0};
  struct bytes identifier =
      event->accepted_count == 0 ? BYTES("") : engine_identifier_text(work->engine, event->accepted[0], work->arena);
  enum err err = ERR_OK;
  if (in_hand.name == orders.completed) return take_order(kit, event, &in_hand, request);
  if (in_hand.name == orders.refunded || in_hand.name == orders.cancelled)
    err = loyalty_order_event(kit, event, &in_hand, in_hand.name == orders.cancelled, refusal);
  if (err == ERR_OK) err = loyalty_withdraw(kit, &in_hand, reference_of(work, event));
  if (err == ERR_OK) err = release(kit, event, &in_hand, refusal);
  if (err == ERR_OK) err = loyalty_earn_rules(kit, &in_hand, reference_of(work, event), identifier, &outcomes);
  return err;
}

enum err loyalty_take_event(struct work *work, struct work_customer *customer, const struct work_event *event,
                            const struct loyalty_request *request, const char **refusal) {
  struct loyalty_kit kit;
  *refusal = NULL;
  if (work->loyalty == NULL || loyalty_set_programmes(work->loyalty) == 0) return ERR_OK;
  if (!is_concerned(work, event->event->name)) return ERR_OK;
  enum err err = loyalty_kit_open(&kit, work, customer);
  kit.nobody = request != NULL && request->nobody;
  kit.asked = request != NULL && request->writer != NULL;
  if (err == ERR_OK) err = take(&kit, event, request, refusal);
  loyalty_kit_close(&kit);
  return err;
}
