// target: the workspace a command works on, a data directory or a running server, behind one call.
//
// Layer 8. target_ops.def lists what can be asked; both implementations answer with the same JSON document, so a
// command is written once and prints alike.
// Memory: a target owns what it opened. Threads: one target, one thread.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "cli/options.h"
#include "engine/engine.h"

enum target_op {
#define OP(upper, ...) TARGET_##upper,
#include "cli/target_ops.def"
#undef OP
  TARGET_OP_COUNT
};

#define TARGET_ARGS(X)                                                                                                 \
  X(REF, ref)                                                                                                          \
  X(A, a)                                                                                                              \
  X(B, b)                                                                                                              \
  X(QUERY, q)                                                                                                          \
  X(NAME, name)                                                                                                        \
  X(FROM, from)                                                                                                        \
  X(TO, to)                                                                                                            \
  X(LIMIT, limit)                                                                                                      \
  X(AFTER, after)                                                                                                      \
  X(CODE, code)                                                                                                        \
  X(ID, id)                                                                                                            \
  X(IDS, ids)                                                                                                          \
  X(SAMPLE, sample)                                                                                                    \
  X(SUPPRESS, suppress)                                                                                                \
  X(VERSION, version)                                                                                                  \
  X(DRY_RUN, dry_run)                                                                                                  \
  X(PROGRAMME, programme)                                                                                              \
  X(CUSTOMER, customer)                                                                                                \
  X(FORMAT, format)                                                                                                    \
  X(TABLE, table)

enum target_arg {
#define X(upper, lower) TARGET_ARG_##upper,
  TARGET_ARGS(X)
#undef X
      TARGET_ARG_COUNT
};

struct target_call {
  enum target_op op;
  const char *args[TARGET_ARG_COUNT]; // NULL: not given; numbers and times as checked text
  struct bytes body;                  // JSON; empty for none
};

struct target;

// Whether --url is meant: when both it and --data are there, the one from the stronger origin; --url among equals.
bool target_is_remote(const struct options *options);

// Opens what the options name. `writes` is false for a command that only looks.
enum err target_open(struct target **target, const struct options *options, bool writes, struct diag *diag);
void target_close(struct target *target);

// Asks, and appends the answer's JSON to `out`. What a local answer tells is durable.
enum err target_call(struct target *target, const struct target_call *call, struct buffer *out, struct diag *diag);

// --- the two implementations ---------------------------------------------------------------------------------

// An open data directory, for commands that need more than target_call gives.
struct target_local {
  struct clock clock;
  struct store *store;
  struct engine *engine;
};

enum { TARGET_CREATE = 1, TARGET_READ_ONLY = 2, TARGET_BULK = 4 };

// Opens the store and the engine of --data. `flags`: TARGET_CREATE makes a new workspace.
enum err target_local_open(struct target_local *local, const struct options *options, unsigned flags,
                           struct diag *diag);
void target_local_close(struct target_local *local);
enum err target_local_call(struct target_local *local, const struct target_call *call, struct buffer *out,
                           struct diag *diag);

// JSON as a packed document under the engine's names, appended to `packed`.
enum err target_parse(struct engine *engine, struct bytes json, struct buffer *packed, struct diag *diag);
// The same of what is only asked: names that the workspace does not know are not added to it.
enum err target_parse_question(struct engine *engine, struct bytes json, struct buffer *packed, struct diag *diag);

// Holds the clock as --test-clock says.
void target_clock(struct clock *clock, const struct options *options);

struct http;
enum err target_remote_call(struct http *http, const struct target_call *call, struct buffer *out, struct diag *diag);

// Opens the connection that --url and the key name.
enum err target_remote_open(struct http **http, const struct options *options, struct diag *diag);

// The refusal in a reply, RFC 9457 or any other, as a diag.
enum err target_remote_problem(unsigned status, struct bytes body, struct diag *diag);

// The path and query of a call: "/v1/customers/email%3Aa%40b.fr/events?limit=5".
void target_path(const struct target_call *call, struct buffer *out);
