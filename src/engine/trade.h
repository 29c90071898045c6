// trade: which events are orders, and what reports and scores ask of one: when, how much, in which store, of which
// product ranges.
//
// Layer 6. A document of the workspace (GET, PUT /v1/reports/settings), with a default that fits the Segment protocol's
// events. Each property is an expression over the event (of the lines: over the line), most often a path as "total",
// "context.channel"; members that are left out have these defaults, and null stands for none where there may be none.
//   {"order":"Order Completed","amount":"coalesce(total, revenue, value)","order_id":"order_id",
//    "returned":"Order Refunded","returned_amount":"coalesce(total, revenue, value)",
//    "channel":"context.channel","store":"store","store_channels":["store"],
//    "items":"products","range":"category","sku":"coalesce(sku, product_id)","quantity":"quantity",
//    "item_amount":"price * coalesce(quantity, 1)"}
// An order is in a store when its channel is one of store_channels; with null, when it names a store.
// Memory: a trade owns its programs; what is read of an order lives in the arena given. Threads: many may read orders
// by one trade at once.
#pragma once

#include "engine/walk.h"
#include "report/report.h"
#include "value/decimal.h"

struct trade_item {
  struct bytes range, sku; // empty: none
  struct decimal amount;   // of the line; what has none is 0
  int64_t quantity;        // pieces; a line without a whole number of them counts as one
};

struct trade_order {
  int64_t time_us;
  bool returned;               // goods came back: `amount` is what was paid back
  struct decimal amount;       // what has none is 0
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

// The name of the event that is an order; 0: the workspace has never seen one.
uint32_t trade_order_name(const struct trade *trade);

// Adds the fact "orders" to a report: which events are orders and returns.
void trade_fact(const struct trade *trade, struct report *report);

// The customer's orders (and returns) of [from_us, to_us), ascending by time; of orders in it with one id the first
// counts. `items`: their lines are wanted too.
enum err trade_orders(const struct trade *trade, struct facts *facts, int64_t from_us, int64_t to_us, bool items,
                      struct arena *arena, const struct trade_order **orders, size_t *count, struct diag *diag);

// Which of ids (empty: none) came before, by index; NULL: none did. Memory of *repeats: the arena.
enum err trade_repeats(const struct bytes *ids, size_t count, struct arena *arena, bool **repeats);

// An amount as reports add it up: in hundredths, a half to the even one. False: it is 10^13 or more and no amount of
// money but a mistake; *cents is 0 then.
bool trade_cents(struct decimal amount, int64_t *cents);

// The document of the workspace with its defaults, and "version" (0: nobody has put one), "changed_at", "author".
enum err trade_json(struct engine_view *view, struct json_writer *writer, struct diag *diag);
// A new one; what trade_json has told may come back unchanged. Writes the same, and "warnings". ERR_INVALID with the
// member in words; `refusal` (may be NULL) has the place of what is wrong with an expression.
enum err trade_put(struct engine *engine, struct value document, struct bytes author, struct json_writer *writer,
                   struct engine_commit *commit, struct rule_diag *refusal, struct diag *diag);
