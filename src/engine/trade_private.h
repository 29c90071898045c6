// trade_private: what the files of a trade share.
#pragma once

#include <pthread.h>

#include "engine/trade.h"
#include "rule/check.h"
#include "rule/machine.h"

enum trade_property_id {
  TRADE_AMOUNT,
  TRADE_ORDER_ID,
  TRADE_RETURNED_AMOUNT,
  TRADE_CHANNEL,
  TRADE_STORE,
  TRADE_ITEMS,
  TRADE_RANGE,
  TRADE_SKU,
  TRADE_QUANTITY,
  TRADE_ITEM_AMOUNT,
  TRADE_PROPERTIES,
};

enum { TRADE_PATH_MAX = 8 };

// One property: its text, and what it is read with. A path, which most are, is followed without a program.
struct trade_property {
  struct bytes text;            // no bytes: there is none
  struct rule_program *program; // NULL: a path, or none
  enum { TRADE_FROM_MESSAGE, TRADE_FROM_ITEM } root;
  uint32_t path[TRADE_PATH_MAX]; // dictionary ids
  size_t path_count;
};

struct trade {
  struct engine *engine;
  struct arena arena;
  struct bytes order, returned; // names of events; `returned` empty: there are none
  uint32_t order_name, returned_name;
  uint32_t names[2]; // that the workspace has ever seen, sorted
  size_t name_count;
  struct trade_property properties[TRADE_PROPERTIES];
  struct bytes *store_channels;
  size_t store_channel_count;
  bool by_store;     // store_channels is null
  bool hot_amounts;  // the amount is what the columns have
  bool hot_returned; // the same of what was paid back
  // Machines that nobody uses now.
  pthread_mutex_t mutex;
  struct rule_machine *machines[QUERY_THREADS_MAX];
  size_t machine_count;
};

// --- trade_document.c ----------------------------------------------------------------------------------------

// A trade by `document` (absent: the default), compiled. Warnings go to `check`, which may be NULL.
enum err trade_make(struct engine *engine, struct value document, struct rule_check *check, struct trade **trade,
                    struct rule_diag *refusal, struct diag *diag);
// The object's members, without its braces.
void trade_write(const struct trade *trade, struct json_writer *writer);
