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
#define DEMO_MESSES(X)                                                                                                 \
  X(TWO_CARDS, two_cards)           /* customers with two loyalty cards */                                             \
  X(FAMILY_PHONE, family_phone)     /* customers who share their phone with family */                                  \
  X(TABLET, tablet)                 /* web events from the tablet that stands in a store */                            \
  X(USER_ID_UNDEFINED, undefined)   /* web events with userId "undefined" */                                           \
  X(MESSY_EMAIL, messy_email)       /* e-mails with capitals, spaces or Gmail dots */                                  \
  X(NATIONAL_PHONE, national_phone) /* phones written the way people do at home */                                     \
  X(LATE, late)                     /* till events that arrive a day or more late */                                   \
  X(DUPLICATE, duplicate)           /* events sent twice, with the same message id */                                  \
  X(RETURN, returned)               /* orders brought back */                                                          \
  X(BOT, bot)                       /* pages seen by a crawler */                                                      \
  X(WRONG_CLOCK, wrong_clock)       /* tickets dated 2099 */                                                           \
  X(ANONYMOUS, anonymous)           /* people who never say who they are */

enum demo_mess {
#define X(upper, lower) DEMO_##upper,
  DEMO_MESSES(X)
#undef X
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

const char *demo_mess_name(enum demo_mess mess);
