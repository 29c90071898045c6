// demo: the demo shop, a generator of events with all the mess of real life.
//
// Layer 8. The same options give the same bytes, on every machine: no clock, no floating point, a generator of its own.
// Events come as lines of JSON in the order in which a collector would receive them inside a block of customers
// (DEMO_BLOCK_CUSTOMERS), so that memory stays bounded whatever the number of customers.
// Memory: the line handed to the sink is the generator's until the sink returns. Threads: one generator, one thread.
#pragma once

#include "base/bytes.h"
#include "base/diag.h"

enum { DEMO_BLOCK_CUSTOMERS = 10000 };

// Who sends an event. In the order of the sources the demo workspace makes.
enum demo_source { DEMO_WEB, DEMO_LYON, DEMO_PARIS, DEMO_MAILING, DEMO_SOURCE_COUNT };

// The mess, counted as it is made.
enum demo_mess {
  DEMO_TWO_CARDS,         // customers with two loyalty cards
  DEMO_FAMILY_PHONE,      // customers who share their phone with family
  DEMO_TABLET,            // web events from the tablet that stands in a store
  DEMO_USER_ID_UNDEFINED, // web events with userId "undefined"
  DEMO_MESSY_EMAIL,       // e-mails with capitals, spaces or Gmail dots
  DEMO_NATIONAL_PHONE,    // phones written the way people do at home
  DEMO_LATE,              // till events that arrive a day or more late
  DEMO_DUPLICATE,         // events sent twice, with the same message id
  DEMO_RETURN,            // orders brought back
  DEMO_BOT,               // pages seen by a crawler
  DEMO_WRONG_CLOCK,       // tickets dated 2099
  DEMO_ANONYMOUS,         // people who never say who they are
  DEMO_MESS_COUNT
};

struct demo_options {
  uint32_t customers;
  uint32_t events_each; // about
  uint64_t seed;
  int64_t now_us; // the end of the year that is told
  bool pos_ids;   // tills name customers by their own numbers; right only where each till is a source of its own
};

struct demo_counts {
  uint64_t events;
  uint64_t mess[DEMO_MESS_COUNT];
};

// One event as a JSON object without a newline. A failure ends the generation and is passed up.
typedef enum err demo_sink_fn(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                              struct diag *diag);

enum err demo_generate(const struct demo_options *options, demo_sink_fn *sink, void *context,
                       struct demo_counts *counts, struct diag *diag);
