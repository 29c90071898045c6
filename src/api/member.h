// member: what the routes of loyalty share.
//
// Layer 8. A request becomes a packed document and a caller: the source of its key, and the key's name for whatever a
// person changes.
#pragma once

#include "api/request.h"
#include "engine/members.h"

typedef enum err member_write_fn(struct engine *engine, const struct engine_caller *caller, struct value request,
                                 struct json_writer *writer, struct engine_commit *commit, struct diag *diag);

struct engine_caller member_caller(const struct request *request);

// A write with a body of the members `known`; the reply rides in its commit.
enum err member_write(struct request *request, struct worker *worker, const char *known, member_write_fn *write,
                      struct diag *diag);

// The body of a write that may go without; absent then.
enum err member_body(struct request *request, struct worker *worker, const char *known, struct value *document,
                     struct diag *diag);

// ERR_BUSY code "rate_limited": the key has asked for too many codes that are not there.
enum err member_admit_codes(struct request *request, struct diag *diag);
// Counts codes that were not there: `err` and `diag` of the call, or what its reply says. Gives `err` back.
enum err member_count_guesses(struct request *request, enum err err, const struct diag *diag);
