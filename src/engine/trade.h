// trade: which events are orders, and what reports and scores ask of one: when, how much, in which store, of which
// product ranges.
//
// Layer 6. A document of the workspace (GET, PUT /v1/reports/settings), with a default that fits the Segment protocol's
// events. Properties are paths as expressions write them ("total", "context.channel", "products.category").
//   {"order":"Order Completed","amount":"total","order_id":"order_id","returned":"Order
//   Refunded","returned_amount":"total",
//    "channel":"context.channel","store":"store","store_channels":["store"],
//    "items":"products","range":"category","sku":"sku","item_amount":"price * quantity"}
// Memory: a trade belongs to the arena it was read into; what is read of an order lives in the arena given.
#pragma once

#include "engine/walk.h"
#include "value/decimal.h"

struct trade_item {
  struct bytes range, sku; // empty: none
  struct decimal amount;   // of the line
  int64_t quantity;
};

struct trade_order {
  int64_t time_us;
  bool returned; // goods came back: `amount` is what was paid back
  struct decimal amount;
  struct bytes channel, store; // empty: none
  bool in_store;
  const struct trade_item *items;
  size_t item_count;
};

struct trade; // the settings, read

// As they are now, or the default. ERR_CORRUPT, ERR_NO_MEMORY.
enum err trade_open(struct engine_view *view, struct trade **trade, struct diag *diag);
void trade_close(struct trade *trade);

// The names of its events that the workspace has ever seen, sorted; for struct walk_options. At most 2.
size_t trade_names(const struct trade *trade, const uint32_t **names);

// The customer's orders (and returns) of [from_us, to_us), ascending by time; of an order that came twice by its id the
// first counts. `items`: their lines are wanted too.
enum err trade_orders(const struct trade *trade, struct facts *facts, int64_t from_us, int64_t to_us, bool items,
                      struct arena *arena, const struct trade_order **orders, size_t *count, struct diag *diag);

// The document of the workspace, and a new one. ERR_INVALID with the member in words.
enum err trade_json(struct engine_view *view, struct json_writer *writer, struct diag *diag);
enum err trade_put(struct engine *engine, struct value document, struct json_writer *writer,
                   struct engine_commit *commit, struct diag *diag);
