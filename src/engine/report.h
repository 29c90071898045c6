// report: what a workspace can tell as a report (report/report.h), each kind a line of reports.def.
//
// Layer 6, beside query.h. A report is computed from the snapshot of its view in several threads, and is the same bytes
// whatever their number: ranges of customers do not depend on it, and their sums are added in order of ranges.
#pragma once

#include "engine/query.h"
#include "report/report.h"

struct engine_report_request {
  struct value options;               // a packed document of what was asked for; absent: all defaults
  unsigned threads;                   // 0: online cores, at most QUERY_THREADS_MAX
  engine_query_progress_fn *progress; // NULL: nobody looks on
  void *context;
};

// Makes the report of this kind ("sales"). ERR_NOT_FOUND code "no_such_report" with the nearest; ERR_INVALID with the
// member of the options in words ("unknown_member", "wrong_type", "out_of_range", codes of wrong expressions);
// ERR_STOPPED when `progress` said so. `refusal` as in engine_query_open.
enum err engine_report(struct engine_view *view, struct bytes kind, const struct engine_report_request *request,
                       struct report **report, struct rule_diag *refusal, struct diag *diag);

// {"reports":[{"id","title","description","options":[{"name","description","default"}]}]}
void engine_reports_json(struct json_writer *writer);

// --- for those who make one ----------------------------------------------------------------------------------

// A kind's own function: fills the open report.
typedef enum err engine_report_fn(struct engine_view *view, const struct engine_report_request *request,
                                  struct report *report, struct rule_diag *refusal, struct diag *diag);

// The period that "from" and "to" of the options name: dates (the day of "to" is in it) or times, in the workspace's
// time zone; without them the last `default_days` whole local days. Also "previous": the period of the same length
// before it. Adds the facts "period" and "time_zone" to the report.
struct engine_report_period {
  int64_t from_us, to_us; // [from, to)
  int64_t previous_us;    // [previous, from)
};
enum err engine_report_period(struct engine_view *view, struct value options, unsigned default_days,
                              struct report *report, struct engine_report_period *period, struct diag *diag);
