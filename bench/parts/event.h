// event: the requests of a benchmark, made once and then only filled in.
//
// A body is laid out at the start with every event in its place; what differs from one request to the next (who, when,
// which message, amounts) stands in slots of fixed width. Filling it again writes those few bytes, so the generator
// leaves the processor to the server. Memory: a body owns its text between body_init and body_release.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum body_kind {
  BODY_BATCH,  // {"batch":[…],"sentAt":…}
  BODY_SINGLE, // one track message
  BODY_LINES,  // NDJSON
};

// What the events of a body are.
enum body_mix {
  MIX_SHOP,    // one identify in ten, two orders, seven views, about 600 bytes each
  MIX_HISTORY, // of one customer after the other five: who she is, then what customers of five sorts do
  MIX_RETAIL,  // views, carts, mails, visits, orders, an identify: twenty events
  MIX_OFFER,   // "Offer Opened" alone
  MIX_ORDER,   // "Order Completed" alone, each with an id of its own
};

struct body_slot {
  uint32_t offset;
  uint8_t kind;
  uint8_t width;
  bool first; // of its event: a customer and a message id are drawn
};

struct body {
  enum body_kind kind;
  char *text;
  size_t size_bytes;
  size_t event_count;
  struct body_slot *slots;
  size_t slot_count;
};

// Where the random choices come from, and what has been sent so far.
struct population {
  uint64_t random;
  uint64_t customers;
  uint64_t messages; // the number of the next message: no two are the same in one run
  uint64_t in_turn;  // not 0: so many events of one customer, then of the next
  uint64_t visitors; // not 0: so many customers are there at a time, each for about five events, then another comes
  int64_t spread_us; // not 0: an event happened up to so long before the time it is given
};

// Lays out `event_count` events, the first of them event `first` of the mix. False when memory is short.
bool body_init(struct body *body, enum body_kind kind, enum body_mix mix, size_t first, size_t event_count);
void body_release(struct body *body);

// Writes other customers, messages and amounts into the slots. The events happened around `time_us`, a microsecond of
// the Unix era; `step_us` lies between one and the next. The request is sent at `sent_us`.
void body_fill(struct body *body, struct population *population, int64_t time_us, int64_t step_us, int64_t sent_us);
