// worth: what the scores of customers are made of, gathered from a workspace: orders for CLV.
//
// Layer 6, beside query.h. Everything is gathered in one walk over a snapshot, part by part, and put together in order
// of customer ids: the same data gives the same bytes, whatever the number of threads.
#pragma once

#include "engine/query.h"
#include "scoring/clv_book.h"

struct worth_how {
  unsigned threads;                   // 0: online cores, at most QUERY_THREADS_MAX
  engine_query_progress_fn *progress; // NULL: nobody looks on
  void *context;
};

// The day in the workspace's time zone, since 1970-01-01; and the first instant of a day.
int32_t worth_day(struct engine_view *view, int64_t time_us);
int32_t worth_today(struct engine_view *view);
int64_t worth_day_begin(struct engine_view *view, int32_t day);

// The orders of everybody (trade.h) as days and amounts; what came back is not taken off. Customers are numbers into
// *ids, ascending; the caller frees them with alloc_free. ERR_STOPPED, and what the store says.
enum err engine_clv_orders(struct engine_view *view, const struct worth_how *how, struct clv_book *book, uint64_t **ids,
                           size_t *count, struct diag *diag);

// The same as CSV: "customer_id,day,amount", a line an order. Appended; a failure leaves a part of it.
enum err engine_orders_csv(struct engine_view *view, const struct worth_how *how, struct buffer *out,
                           struct diag *diag);

// --- options of reports ---------------------------------------------------------------------------------------

// A text; `otherwise` when it is left out. ERR_INVALID code "missing_member" when that has no bytes.
enum err worth_text_option(struct engine_view *view, struct value options, const char *name, struct bytes otherwise,
                           struct bytes *text, struct diag *diag);
// A number, also as a text ("0.95", "95%"), in [least, most].
enum err worth_number_option(struct engine_view *view, struct value options, const char *name, double otherwise,
                             double least, double most, double *number, struct diag *diag);
// A time such as "30days", "39 weeks", "12months" or "1year", or a number of days: in days, above 0, at most a thousand
// years.
enum err worth_days_option(struct engine_view *view, struct value options, const char *name, double otherwise,
                           double *days, struct diag *diag);

// What is done for a report.
struct engine_report_request;
struct worth_how worth_how_of(const struct engine_report_request *request);

// Words for what a fit says when a workspace holds too little: names what helps. Returns `err`.
enum err engine_clv_explain(enum err err, struct diag *diag);
