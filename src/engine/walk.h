// walk: all customers of a view, looked at in several threads, in parts that do not depend on how many there are.
//
// Layer 6, beside query.h. Customers of a part come in order of their ids, parts are disjoint and in order. Where a
// part ends depends on how the store lies: what is added up over parts is exact (whole numbers, decimals, paths_sum),
// so that the same data gives the same bytes.
#pragma once

#include "customer/scan.h"
#include "engine/query.h"

enum { WALK_PARTS = 64 };

struct walk_options {
  struct engine_view *view;
  bool records;          // `record` of each facts is there, and customers without events are among them
  const uint32_t *names; // of events that will be asked for, sorted; NULL: any
  size_t name_count;
  bool times_only;                    // beside `names`: nothing but times and names will be looked at
  unsigned threads;                   // 0: online cores, at most QUERY_THREADS_MAX
  engine_query_progress_fn *progress; // NULL: nobody looks on
  void *context;
};

// Looks at one customer (programs that run over her facts are told of segments and attributes, as of now) for part
// `part`, of which this thread has the only hand. `arena` is emptied after the call.
typedef enum err walk_customer_fn(void *state, size_t part, struct facts *facts, struct arena *arena,
                                  struct diag *diag);

// ERR_STOPPED code "stopped" when `progress` said so; otherwise the first failure, of the lowest part.
enum err walk_customers(const struct walk_options *options, walk_customer_fn *look, void *state, struct diag *diag);

// All events of these names of the customer, ascending by (time, event id): columns as rule/machine.h says. A message
// is asked for with facts->customer.message by its index. `names` sorted; from/to: [from_us, to_us). Good until events
// of this customer are asked for again: by this, by trade_orders or by a run of a program.
enum err walk_events(struct facts *facts, const uint32_t *names, size_t name_count, int64_t from_us, int64_t to_us,
                     struct rule_columns *columns);
