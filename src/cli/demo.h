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

// How a visit to the web shop begins.
enum demo_channel {
  DEMO_DIRECT,
  DEMO_ORGANIC_SEARCH,
  DEMO_PAID_SEARCH,
  DEMO_ORGANIC_SOCIAL,
  DEMO_PAID_SOCIAL,
  DEMO_REFERRAL,
  DEMO_EMAIL,
  DEMO_AFFILIATE,
  DEMO_DISPLAY,
  DEMO_CHANNEL_COUNT
};

// How customers go on.
enum demo_life { DEMO_STEADY, DEMO_LAPSED, DEMO_RETURNED, DEMO_AMBASSADOR, DEMO_LIFE_COUNT };

// --- the truth -----------------------------------------------------------------------------------------------
//
// What is planted, so that what reports find can be compared with it. Who looks for something to buy visits the web
// shop one to four times within some days, each time through a channel. The search ends with a purchase by the chance
//   DEMO_BUYS_PERMILLE + the effect of each channel that took part, once, whatever its place
//     (+ DEMO_AMBASSADOR_BUYS_PERMILLE for ambassadors),
// online at the end of the last visit, or, of people who use both, by DEMO_ROPO_PERMILLE in their store within
// DEMO_ROPO_DAYS days of it. So an affiliate, which comes late and does next to nothing, looks good at the last click;
// paid social, which opens, looks poor; and a direct visit adds nothing.

struct demo_channel_truth {
  const char *name;
  uint16_t opens_permille;   // of searches that no e-mail opened
  uint16_t returns_permille; // of later visits
  uint16_t effect_permille;
};
extern const struct demo_channel_truth demo_channel_truths[DEMO_CHANNEL_COUNT];

enum {
  DEMO_SEARCH_VISITS_MAX = 4,
  DEMO_RETURNS_PERMILLE = 450, // that a visit is followed by another one
  DEMO_BUYS_PERMILLE = 120,
  DEMO_AMBASSADOR_BUYS_PERMILLE = 120,
  DEMO_ROPO_PERMILLE = 500,
  DEMO_ROPO_DAYS = 7,

  // Of customers. Those who lapse are not heard of in at least the last DEMO_SILENCE_DAYS days of the year; those who
  // come back were silent as long and are there again in the last 70 days. Ambassadors do twice as much.
  DEMO_LAPSED_PERMILLE = 220,
  DEMO_RETURNED_PERMILLE = 100,
  DEMO_AMBASSADOR_PERMILLE = 80,
  DEMO_SILENCE_DAYS = 120,
};

// What came of it.
struct demo_planted {
  uint64_t lives[DEMO_LIFE_COUNT];
  uint64_t tickets;                         // sold in stores
  uint64_t searched_tickets;                // of these, at the end of a search on the web
  uint64_t searches, bought;                // of people who may buy
  uint64_t searches_of[DEMO_CHANNEL_COUNT]; // in which the channel took part
  uint64_t bought_of[DEMO_CHANNEL_COUNT];
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
  struct demo_planted planted;
};

// One event as a JSON object without a newline. A failure ends the generation and is passed up.
typedef enum err demo_sink_fn(void *context, enum demo_source source, int64_t arrival_us, struct bytes line,
                              struct diag *diag);

enum err demo_generate(const struct demo_options *options, demo_sink_fn *sink, void *context,
                       struct demo_counts *counts, struct diag *diag);
