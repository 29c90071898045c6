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

// An option; absent also when it is null.
struct value engine_report_option(struct engine_view *view, struct value options, const char *name);
// An option that is one of these words: its position, `fallback` when it is left out. ERR_INVALID "unknown_word".
enum err engine_report_word(struct engine_view *view, struct value options, const char *name, const char *const *words,
                            size_t count, size_t fallback, size_t *position, struct diag *diag);
// A date (its beginning in the workspace's time zone, with `end` its end) or a time, in a text. *is_date may be NULL.
enum err engine_report_instant(struct engine_view *view, struct value option, const char *name, bool end,
                               int64_t *time_us, bool *is_date, struct diag *diag);
// The instant of an option "at": of a date its end; `fallback_us` when it is left out. Adds the facts "at" and
// "time_zone" to the report.
enum err engine_report_at(struct engine_view *view, struct value options, int64_t fallback_us, struct report *report,
                          int64_t *at_us, struct diag *diag);

// The period that "from" and "to" of the options name: dates (the day of "to" is in it) or times, in the workspace's
// time zone. Without "to" it ends with yesterday; without "from" it has `default_days` whole local days. "previous":
// the period of the same length before it; before whole calendar months as many of them, before whole days as many.
// Adds the facts "period" and "time_zone" to the report.
struct engine_report_period {
  int64_t from_us, to_us; // [from, to)
  int64_t previous_us;    // [previous, from)
};
enum err engine_report_period(struct engine_view *view, struct value options, unsigned default_days,
                              struct report *report, struct engine_report_period *period, struct diag *diag);
// Adds the fact "previous", of a report that sets the period beside the one before it.
void engine_report_previous(struct engine_view *view, const struct engine_report_period *period, struct report *report);
// "2026-01-31", or with a time of day where `time_us` is not the beginning of one: as the workspace's clocks show it.
enum { ENGINE_REPORT_TIME_BYTES = 32 };
void engine_report_time(struct engine_view *view, int64_t time_us, char out[ENGINE_REPORT_TIME_BYTES]);

// engine_report_<id> of each kind.
#define REPORT(id, title, description) engine_report_fn engine_report_##id;
#define REPORT_OPTION(id, name, description, otherwise)
#include "engine/reports.def"
#undef REPORT
#undef REPORT_OPTION
