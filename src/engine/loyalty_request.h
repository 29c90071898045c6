// loyalty_request: a request about one or two members: read, its customers found and locked, its reply kept.
//
// Private to engine/. Whatever a request says is read once, before the transaction; its body may run several times.
#pragma once

#include "engine/audit.h"
#include "engine/loyalty.h"

// One request, in its transaction.
struct member_call {
  struct engine *engine;
  const struct engine_caller *caller;
  struct value request; // a document; absent: none
  struct arena arena;   // of the request, not of an attempt
  struct json_writer *writer;
  uint64_t customers[2];
  size_t customer_count;
  bool dry_run;                // nothing is written; the reply says what would be
  struct bytes identifiers[2]; // by which they were named
  struct bytes cashier;        // who does it; empty: nobody is named
  // In an attempt:
  struct work *work;
  struct work_customer *members[2];
};
typedef enum err member_fn(struct member_call *call, void *context);

// Runs `body` with the customers that the members `names` of the request name ("customer", "from"…) locked. They are
// looked for again when one became another meanwhile. What the body writes to the writer is the reply.
enum err member_call_run(struct member_call *call, const char *const *names, size_t count, member_fn *body,
                         void *context, struct engine_commit *commit, struct diag *diag);
// The same of customers that are known; `call` was opened.
enum err member_call_run_ids(struct member_call *call, member_fn *body, void *context, struct engine_commit *commit,
                             struct diag *diag);
void member_call_open(struct member_call *call, struct engine *engine, const struct engine_caller *caller,
                      struct value request, struct json_writer *writer);
void member_call_close(struct member_call *call);

// Members of the request. ERR_INVALID with the field.
enum err member_call_text(struct member_call *call, const char *name, bool needed, struct bytes *text,
                          struct diag *diag);
enum err member_call_time(struct member_call *call, const char *name, int64_t fallback_us, int64_t *time_us,
                          struct diag *diag);
// "programme": the only one when it is not said. ERR_INVALID code "missing_programme" when there are several.
enum err member_call_programme(struct member_call *call, const struct loyalty_set *set,
                               const struct loyalty_programme **programme, struct diag *diag);
// "currency": the programme's first when it is not said.
enum err member_call_currency(struct member_call *call, const struct loyalty_programme *programme,
                              const struct loyalty_currency **currency, struct diag *diag);
// "amount" in the currency's smallest unit; not 0, above 0 unless `either`, and of LOYALTY_AMOUNT_MAX at most.
enum err member_call_amount(struct member_call *call, const char *name, int scale, bool either, int64_t *amount,
                            struct diag *diag);

// The reply to whoever named the same reference before: *replayed; else the body goes on, and keeps its own at the end.
// Rows "n" kind, reference of LEDGER under the first customer.
enum err member_call_replay(struct member_call *call, char kind, struct bytes reference, bool *replayed);
enum err member_call_keep(struct member_call *call, char kind, struct bytes reference);

// Notes what the caller changed of the first member (or of nobody).
struct member_change {
  const char *action;
  struct bytes programme, subject, reason, before, after; // as of struct audit_entry
};
enum err member_call_audit(struct member_call *call, const struct member_change *change);

// The customer that the member `name` names; an identifier that nobody has makes one (loyalty_join.c).
enum err member_call_find_or_make(struct member_call *call, const char *name, struct diag *diag);
// Finds the two of a referral for member_call_run_ids: the friend first. The advocate may be named by a code of hers.
enum err loyalty_referral_find(struct member_call *call, const char *friend, const char *advocate, struct diag *diag);
// In an attempt: refers the first member by the second, in the programme of this number; what became of it is added to
// the open object of the reply.
enum err loyalty_refer(struct member_call *call, uint32_t number);
