// trade_orders.c: a customer's orders, read out of her events.
//
// Each event's message is asked for once, in order of time. Amounts come from the columns where the settings ask for
// what those hold. Which of several orders with one id counts is decided after all are read, by a sort over ids.
// A machine serves one call at a time: those at rest wait in the trade, so that nothing is made anew for each customer.
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/trade_private.h"

struct reader {
  const struct trade *trade;
  struct facts *facts;
  struct rule_machine *machine;
  struct rule_customer customer; // with the event in hand
  struct rule_columns columns;
  struct arena *arena;
  bool items;
};

static const struct decimal ZERO;
#define CENTS_MAX ((int64_t)1000000000000000)

// --- machines ------------------------------------------------------------------------------------------------

static enum err take_machine(const struct trade *trade, struct rule_machine **machine) {
  struct trade *shared = (struct trade *)trade; // what rests is no part of the settings
  *machine = NULL;
  pthread_mutex_lock(&shared->mutex);
  if (shared->machine_count > 0) *machine = shared->machines[--shared->machine_count];
  pthread_mutex_unlock(&shared->mutex);
  return *machine != NULL ? ERR_OK : rule_machine_open(machine, NULL);
}

static void put_machine(const struct trade *trade, struct rule_machine *machine) {
  struct trade *shared = (struct trade *)trade;
  pthread_mutex_lock(&shared->mutex);
  bool kept = shared->machine_count < QUERY_THREADS_MAX;
  if (kept) shared->machines[shared->machine_count++] = machine;
  pthread_mutex_unlock(&shared->mutex);
  if (!kept) rule_machine_close(machine);
}

// --- properties ----------------------------------------------------------------------------------------------

static struct value follow(const struct reader *reader, const struct trade_property *property) {
  struct value value = property->root == TRADE_FROM_ITEM ? reader->customer.subject_item : reader->customer.subject;
  for (size_t i = 0; i < property->path_count; i++) {
    if (property->path[i] == 0) return (struct value){0}; // no document has this name
    value = value_member_id(value, property->path[i]);
  }
  return value;
}

static enum err read_value(struct reader *reader, enum trade_property_id id, struct rule_value *value) {
  const struct trade_property *property = &reader->trade->properties[id];
  struct rule_answer answer;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (property->program == NULL) {
    if (property->path_count > 0) *value = rule_value_of(follow(reader, property));
    return ERR_OK;
  }
  enum err err =
      rule_run(reader->machine, property->program, &reader->customer, reader->customer.subject_time_us, false, &answer);
  if (err == ERR_OK && answer.status == RULE_KNOWN) *value = answer.value;
  return err;
}

static enum err read_number(struct reader *reader, enum trade_property_id id, struct decimal *number) {
  struct rule_value value;
  enum err err = read_value(reader, id, &value);
  *number = err == ERR_OK && value.type == RULE_TYPE_NUMBER ? value.number : ZERO;
  return err;
}

// Stores are numbers as often as names.
static enum err read_word(struct reader *reader, enum trade_property_id id, struct bytes *word) {
  struct rule_value value;
  char text[DECIMAL_TEXT_BYTES];
  enum err err = read_value(reader, id, &value);
  *word = (struct bytes){0};
  if (err != ERR_OK || (value.type != RULE_TYPE_TEXT && value.type != RULE_TYPE_NUMBER)) return err;
  struct bytes found = value.type == RULE_TYPE_TEXT ? value.text : bytes_of(text, decimal_format(value.number, text));
  if (found.size_bytes == 0) return ERR_OK;
  *word = arena_copy(reader->arena, found);
  return word->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// --- lines ---------------------------------------------------------------------------------------------------

static enum err read_quantity(struct reader *reader, int64_t *quantity) {
  struct rule_value value;
  enum err err = read_value(reader, TRADE_QUANTITY, &value);
  *quantity = 1;
  if (err == ERR_OK && value.type == RULE_TYPE_NUMBER && decimal_to_scaled_i64(value.number, 0, quantity) != ERR_OK)
    *quantity = 1;
  return err;
}

static enum err read_item(struct reader *reader, bool returned, struct trade_item *item) {
  enum err err = read_word(reader, TRADE_RANGE, &item->range);
  if (err == ERR_OK) err = read_word(reader, TRADE_SKU, &item->sku);
  if (err == ERR_OK) err = read_quantity(reader, &item->quantity);
  if (err == ERR_OK) err = read_number(reader, TRADE_ITEM_AMOUNT, &item->amount);
  if (err != ERR_OK || !returned) return err;
  item->amount = decimal_abs(item->amount);
  if (item->quantity < 0 && item->quantity != INT64_MIN) item->quantity = -item->quantity;
  return ERR_OK;
}

static size_t count_items(struct value list) {
  struct value_iter iter = value_iterate(list);
  size_t count = 0;
  while (value_next(&iter)) count++;
  return count;
}

static enum err read_items(struct reader *reader, struct trade_order *order) {
  struct rule_value list;
  enum err err = read_value(reader, TRADE_ITEMS, &list);
  if (err != ERR_OK || list.type != RULE_TYPE_LIST) return err;
  size_t count = count_items(list.packed);
  // A list that a program has made lives until the next run.
  struct bytes kept = count == 0 ? list.packed.packed : arena_copy(reader->arena, list.packed.packed);
  struct trade_item *items = arena_take_zero(reader->arena, count + 1, sizeof *items);
  if (items == NULL || (count > 0 && kept.data == NULL)) return ERR_NO_MEMORY;
  struct value_iter iter = value_iterate((struct value){kept});
  for (size_t i = 0; err == ERR_OK && i < count && value_next(&iter); i++) {
    reader->customer.subject_item = iter.item;
    err = read_item(reader, order->returned, &items[i]);
  }
  reader->customer.subject_item = (struct value){0};
  order->items = items;
  order->item_count = count;
  return err;
}

// --- orders --------------------------------------------------------------------------------------------------

// The amount that the columns have, which is the first there is of total, revenue and value. False: look it up.
static bool hot_amount(const struct rule_columns *columns, size_t index, struct decimal *amount) {
  uint8_t code = columns->amount_code[index];
  *amount = ZERO;
  unsigned of = code >> RULE_AMOUNT_SHIFT;
  if (code == RULE_AMOUNT_NONE || code == RULE_AMOUNT_NOTHING || of == RULE_AMOUNT_PRICE) return true;
  if (of != RULE_AMOUNT_TOTAL && of != RULE_AMOUNT_REVENUE && of != RULE_AMOUNT_VALUE) return false;
  *amount = decimal_from_i64(columns->amount[index]);
  amount->exponent = (int16_t) - (code & ((1 << RULE_AMOUNT_SHIFT) - 1));
  return true;
}

static enum err read_amount(struct reader *reader, size_t index, struct trade_order *order) {
  const struct trade *trade = reader->trade;
  bool hot = order->returned ? trade->hot_returned : trade->hot_amounts;
  enum err err = ERR_OK;
  if (!hot || !hot_amount(&reader->columns, index, &order->amount))
    err = read_number(reader, order->returned ? TRADE_RETURNED_AMOUNT : TRADE_AMOUNT, &order->amount);
  if (order->returned) order->amount = decimal_abs(order->amount);
  return err;
}

static bool is_in_store(const struct trade *trade, const struct trade_order *order) {
  if (trade->by_store) return order->store.size_bytes > 0;
  for (size_t i = 0; i < trade->store_channel_count; i++)
    if (bytes_equal(trade->store_channels[i], order->channel)) return true;
  return false;
}

static enum err read_order(struct reader *reader, size_t index, struct trade_order *order, struct bytes *id) {
  struct value message = {0};
  enum err err = reader->facts->customer.message(reader->facts->customer.context, index, &message);
  if (err != ERR_OK) return err;
  *order = (struct trade_order){.time_us = reader->columns.time_us[index],
                                .returned = reader->columns.name[index] != reader->trade->order_name};
  reader->customer.subject = message;
  reader->customer.subject_time_us = order->time_us;
  err = read_amount(reader, index, order);
  if (err == ERR_OK) err = read_word(reader, TRADE_CHANNEL, &order->channel);
  if (err == ERR_OK) err = read_word(reader, TRADE_STORE, &order->store);
  if (err == ERR_OK && !order->returned) err = read_word(reader, TRADE_ORDER_ID, id);
  if (err == ERR_OK && reader->items) err = read_items(reader, order);
  order->in_store = is_in_store(reader->trade, order);
  return err;
}

// --- what came twice -----------------------------------------------------------------------------------------

struct numbered {
  struct bytes id;
  size_t index;
};

static int by_id(const void *a, const void *b) {
  const struct numbered *left = a, *right = b;
  int order = bytes_compare(left->id, right->id);
  return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

enum err trade_repeats(const struct bytes *ids, size_t count, struct arena *arena, bool **repeats) {
  size_t found = 0;
  struct numbered *numbered = arena_take(arena, (count + 1) * sizeof *numbered);
  bool *again = arena_take_zero(arena, count + 1, sizeof *again);
  *repeats = NULL;
  if (numbered == NULL || again == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++)
    if (ids[i].size_bytes > 0) numbered[found++] = (struct numbered){ids[i], i};
  if (found < 2) return ERR_OK;
  qsort(numbered, found, sizeof *numbered, by_id);
  for (size_t i = 1; i < found; i++) again[numbered[i].index] = bytes_equal(numbered[i].id, numbered[i - 1].id);
  *repeats = again;
  return ERR_OK;
}

// Returns are told apart by nothing: two parts of one order come back under its id.
static enum err drop_repeats(struct reader *reader, struct trade_order *orders, const struct bytes *ids,
                             size_t *count) {
  size_t kept = 0;
  bool *drop;
  enum err err = trade_repeats(ids, *count, reader->arena, &drop);
  if (err != ERR_OK || drop == NULL) return err;
  for (size_t i = 0; i < *count; i++)
    if (!drop[i]) orders[kept++] = orders[i];
  *count = kept;
  return ERR_OK;
}

static enum err read_orders(struct reader *reader, struct trade_order **orders, size_t *count) {
  size_t found = reader->columns.count;
  struct trade_order *read = arena_take(reader->arena, (found + 1) * sizeof *read);
  struct bytes *ids = arena_take_zero(reader->arena, found + 1, sizeof *ids);
  if (read == NULL || ids == NULL) return ERR_NO_MEMORY;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < found; i++) err = read_order(reader, i, &read[i], &ids[i]);
  if (err == ERR_OK) err = drop_repeats(reader, read, ids, &found);
  *orders = read;
  *count = found;
  return err;
}

enum err trade_orders(const struct trade *trade, struct facts *facts, int64_t from_us, int64_t to_us, bool items,
                      struct arena *arena, const struct trade_order **orders, size_t *count, struct diag *diag) {
  struct reader reader = {.trade = trade, .facts = facts, .customer = facts->customer, .arena = arena, .items = items};
  struct trade_order *read = NULL;
  *orders = NULL;
  *count = 0;
  if (trade->name_count == 0) return ERR_OK;
  enum err err = walk_events(facts, trade->names, trade->name_count, from_us, to_us, &reader.columns);
  if (err == ERR_OK && reader.columns.count == 0) return ERR_OK;
  if (err == ERR_OK) err = take_machine(trade, &reader.machine);
  if (err != ERR_OK) return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
  err = read_orders(&reader, &read, count);
  put_machine(trade, reader.machine);
  *orders = read;
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// --- money ---------------------------------------------------------------------------------------------------

bool trade_cents(struct decimal amount, int64_t *cents) {
  struct decimal rounded;
  *cents = 0;
  if (decimal_round(amount, 2, &rounded) != ERR_OK || decimal_to_scaled_i64(rounded, 2, cents) != ERR_OK) return false;
  if (*cents<CENTS_MAX && * cents> - CENTS_MAX) return true;
  *cents = 0;
  return false;
}
