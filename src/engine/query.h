// query: an expression asked of everybody: how many, who, with which fields; and of one customer, why.
//
// Layer 6, beside engine.h. A query is parsed, checked with what the workspace knows and compiled once; it is asked of
// the snapshot of its view, as of one instant. A count runs in several threads, a list in one, in order of customer id.
// Memory: a query owns its program and its warnings, and must be closed before its view. Threads: one query, one
// thread; other threads are its own business.
#pragma once

#include "engine/engine.h"
#include "rule/check.h"
#include "rule/machine.h"

enum {
  QUERY_THREADS_MAX = 8,
  QUERY_FIELDS_MAX = 64,
  QUERY_FIELD_BYTES_MAX = 4096, // the text of one field
};

struct engine_query;

struct engine_query_options {
  struct bytes text;
  bool any_value; // a value is wanted; else true or false
  bool has_at;    // as of at_us instead of now: of the events those up to then, whenever they were received
  int64_t at_us;
  bool strict;      // what `has_at` cannot give as of then refuses the query instead of a warning
  unsigned threads; // of a count; 0: online cores, at most QUERY_THREADS_MAX
};

// A warning beside those of the check. Code: not_as_of (traits, segments and attributes are those of now).
struct engine_query_notes {
  const struct rule_diag *warnings; // of the check
  size_t warning_count;
  const char *not_as_of; // a sentence that names what is as of now; NULL: all is as of `at_us`
  int64_t at_us;         // as of which the query is asked
};

// `refusal`, which may be NULL, tells the place of what is wrong with the text; its code is empty when the text is not
// at fault. ERR_INVALID with the codes of parse.h and check.h, and "not_as_of" of a strict query.
enum err engine_query_open(struct engine_view *view, const struct engine_query_options *options,
                           struct engine_query **query, struct rule_diag *refusal, struct diag *diag);
void engine_query_close(struct engine_query *query);

struct engine_query_notes engine_query_notes(const struct engine_query *query);

// The canonical text, appended.
void engine_query_print(const struct engine_query *query, struct buffer *out);
// Whether it may be true or false, and so can be counted and listed by.
bool engine_query_is_condition(const struct engine_query *query);

// Told by the thread that asked, now and then: customers looked at, of about how many. False ends the query with
// ERR_STOPPED code "stopped".
typedef bool engine_query_progress_fn(void *context, uint64_t done, uint64_t total);

struct engine_query_count {
  uint64_t members;
  uint64_t unknown;   // of whom a limit was met: they are no members
  uint64_t customers; // looked at
};
enum err engine_query_count(struct engine_query *query, engine_query_progress_fn *progress, void *context,
                            struct engine_query_count *count, struct diag *diag);

// The same as {"count","unknown","customers","at","warnings"}.
enum err engine_query_count_json(struct engine_query *query, engine_query_progress_fn *progress, void *context,
                                 struct json_writer *writer, struct diag *diag);

// --- lists (engine/query_list.c) -----------------------------------------------------------------------------

// Columns of a list. A text is `id`, the type of an identifier (the one that came last), an expression, or NAME=EXPR;
// the name of an expression without one is its text. ERR_INVALID code "bad_field", or a refusal as above.
enum err engine_query_add_field(struct engine_query *query, struct bytes text, struct rule_diag *refusal,
                                struct diag *diag);

// Takes the next field of a list with commas between, "id,total=sum(x of \"Order\", …)": commas inside of parentheses
// and quotes are the field's. False at the end.
bool engine_query_next_field(struct bytes *rest, struct bytes *field);

enum engine_query_format { ENGINE_QUERY_NDJSON, ENGINE_QUERY_CSV, ENGINE_QUERY_ITEMS }; // ITEMS: objects with commas

// Takes a piece of the list. A failure ends it.
typedef enum err engine_query_write_fn(void *context, struct bytes text, struct diag *diag);

struct engine_query_list {
  enum engine_query_format format;
  uint64_t after; // customers with higher ids only
  uint64_t limit; // rows at most; 0: all
  engine_query_write_fn *write;
  engine_query_progress_fn *progress; // NULL: nobody looks on
  void *context;
  uint64_t rows, unknown, last; // out: how many; the id of the last row
  bool more;                    // out: the limit was met, and there is another row
};
// Without fields the list is of ids. A CSV begins with its names.
enum err engine_query_list(struct engine_query *query, struct engine_query_list *list, struct diag *diag);

// The names of the fields, as a JSON list.
void engine_query_write_fields(const struct engine_query *query, struct json_writer *writer);

// --- explanations (engine/query_explain.c) -------------------------------------------------------------------

// {"expression" (canonical),"at","tree":[{"depth","expression"}],"truncated","program","needs":{"events","traits",
// "lookups":[{"of","name"}],"payloads","time"},"warnings":[…]}, and of a `customer` (0: none) also "customer","value",
// "unknown","until","steps","faults"; then each item of "tree" has its own "value","unknown","until", and of an
// aggregate "matched", how many events or items it is over.
enum err engine_query_explain(struct engine_query *query, uint64_t customer, struct json_writer *writer,
                              struct diag *diag);

// "warnings":[{"code","message","line","column","suggestion"}] into an open object; one without a place has null
// there.
void engine_query_write_warnings(const struct engine_query *query, struct json_writer *writer);
