// loyalty_simulate: what changed documents would have given for orders that were booked.
//
// Private to engine/. The request and the walk are loyalty_simulate.c, one member on one side
// loyalty_simulate_member.c, sums loyalty_simulate_tally.c, the report loyalty_simulate_json.c.
#pragma once

#include "engine/loyalty.h"
#include "engine/query.h"

// --- sums ----------------------------------------------------------------------------------------------------

struct tally_currency {
  uint32_t programme;
  uint8_t currency;
  int64_t amount;
};
struct tally_rule {
  uint32_t programme;
  struct loyalty_rule_ref ref;
  uint8_t currency; // of `amount`
  int64_t amount, cents, vouchers, orders;
};
// What orders gave, by one set of documents or as it was. Sorted by their keys. All 0 is empty.
struct tally {
  struct tally_currency *currencies;
  size_t currency_count, currency_capacity;
  struct tally_rule *rules;
  size_t rule_count, rule_capacity;
  int64_t orders, cents, vouchers, ups, downs; // cents: what was taken off
};
void tally_clear(struct tally *tally);
void tally_release(struct tally *tally);
// ERR_NO_MEMORY, ERR_LIMIT: a sum leaves 64 bits.
enum err tally_add_points(struct tally *tally, uint32_t programme, uint8_t currency, int64_t amount);
enum err tally_add_rule(struct tally *tally, const struct tally_rule *rule);
enum err tally_add(struct tally *to, const struct tally *from);
// What it costs, in millionths of money, by what a unit of each currency is worth in the set.
enum err tally_cost(const struct tally *tally, const struct loyalty_set *set, int64_t *micros);

// --- a simulation --------------------------------------------------------------------------------------------

enum { SIDE_AS_IS, SIDE_WOULD_BE, SIDE_COUNT };
struct simulate_side {
  const struct loyalty_set *set;          // held
  struct loyalty_trial_counters counters; // what members share: unused when the period begins
  struct tally total;
};

enum { LARGEST = 10 };
struct simulate_largest {
  uint64_t customer;
  int64_t micros[SIDE_COUNT];
};

struct engine_simulation {
  struct engine *engine;
  struct arena arena; // of the request
  int64_t from_us, to_us;
  struct bytes where;
  struct simulate_side sides[SIDE_COUNT];
  struct tally ledger; // as it was
  uint64_t members, skipped;
  struct simulate_largest largest[LARGEST]; // the largest difference first
  size_t largest_count;
};

// All orders of one member in the period, in order of time, by the documents of one side; nothing is written. *tally
// and *ledger (NULL: nobody asks) are what they gave and had given; without orders both stay empty.
enum err simulate_member(struct engine_simulation *simulation, struct simulate_side *side, uint64_t customer,
                         struct tally *tally, struct tally *ledger, struct diag *diag);

enum err simulate_json(const struct engine_simulation *simulation, struct json_writer *writer, struct diag *diag);
