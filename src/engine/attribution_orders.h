// attribution_orders: conversions as orders: which of them are one and the same, and what each gives its channels.
//
// Layer 6, private to the files of attribution. Credit of each order is known once the model of all journeys is solved:
// a second walk (attribution_walk_orders) tells the orders then. What is kept grows with the rows of the table, of
// which there are at most REPORT_ROWS_MAX.
#pragma once

#include "attribution/markov.h"
#include "engine/attribution_hand.h"
#include "engine/attribution_walk.h"
#include "report/report.h"

// The order id of each conversion, empty where it has none. Of conversions with one id the first stays and the others
// are taken out. `told`: ids are wanted; otherwise they are read only where there is something to compare. Memory of
// *ids: the arena.
enum err attribution_orders_once(struct attribution_hand *hand, bool told, struct journey_conversion *conversions,
                                 size_t *count, struct arena *arena, struct bytes **ids);

struct attribution_order {
  int64_t time_us;
  uint64_t customer;
  size_t ordinal;  // among the customer's conversions
  struct bytes id; // empty: none
  double value;
  const paths_step *channels; // different ones, in order of their first touch
  const double *shares;       // of each; their sum is 1
  size_t count;               // 0: nothing was touched before
};

// Orders of a part of the walk, of which one thread has the hand.
struct attribution_orders_part {
  struct arena arena;
  struct attribution_order *items;
  size_t count, capacity;
};

struct attribution_orders {
  const struct paths *paths;   // of all journeys: channels by their numbers
  const struct markov *markov; // the solution of these
  struct attribution_orders_part parts[WALK_PARTS];
};

void attribution_orders_init(struct attribution_orders *orders, const struct paths *paths, const struct markov *markov);
void attribution_orders_release(struct attribution_orders *orders);

// Whether the table of these journeys' orders can be: ERR_LIMIT code "too_large", with what period of the `days` fits.
enum err attribution_orders_fit(const struct paths *paths, int64_t days, struct diag *diag);

// Keeps a journey with a conversion. `steps`: what its steps are called.
enum err attribution_orders_add(struct attribution_orders *orders, size_t part, const struct paths_names *steps,
                                uint64_t customer, const struct journey *journey, struct bytes id,
                                struct arena *scratch, struct diag *diag);

// The table "orders": by time, then by customer, then as the customer's events come.
enum err attribution_orders_write(const struct attribution_orders *orders, struct report *report, struct diag *diag);

// --- attribution_walk.c ----------------------------------------------------------------------------------------

// Adds the orders of all customers. The walk is the one that made the journeys, or one like it.
enum err attribution_walk_orders(const struct attribution_walk *walk, struct attribution_orders *orders,
                                 struct diag *diag);
