// loyalty_points: a request about points: read, her ledger opened, the limits asked, the answer written.
//
// Private to engine/. Shared by the files of such requests: loyalty_points.c, loyalty_hold.c, loyalty_approval.c and
// loyalty_join.c.
#pragma once

#include "engine/loyalty_request.h"

// What a request asks for; documents by their numbers, since others may be in force when it is done.
struct points {
  uint32_t programme;
  uint8_t currency;
  int64_t amount, approval_above, approval_until_us;
  struct bytes reference, reason;
  int64_t ttl_us;
  uint64_t hold;
};

// The names of a request about one member, for member_call_run.
static const char *const POINTS_CUSTOMER[] = {"customer"};

// `either`: the amount may be below zero.
enum err points_read(struct member_call *call, struct points *points, bool either, struct diag *diag);
struct loyalty_cause points_cause(const struct member_call *call, const struct points *points);
// Her ledger; she has to be a member (`join`: she becomes one), and not blocked.
enum err points_open_ledger(struct member_call *call, int index, uint32_t programme, bool join,
                            struct loyalty_ledger **ledger);
// Limits are asked before anything moves; what counts is counted then. `points`: of one movement.
enum err points_guard(struct member_call *call, struct loyalty_ledger *ledger, enum loyalty_limit_what what,
                      uint8_t currency, int64_t points, bool counts);
// ERR_DENIED with the words of the refusal.
enum err points_refuse(struct work *work, const char *code);

void points_write_balance(struct json_writer *writer, const struct loyalty_ledger *ledger);
// The last movement and the balance.
void points_write_done(struct member_call *call, const struct loyalty_ledger *ledger);
// What she has of a currency, for the audit.
enum err points_balance_side(const struct work *work, const struct loyalty_ledger *ledger, uint8_t number,
                             struct bytes *text);
// The last movement in the audit, and what she had before and has now.
enum err points_note(struct member_call *call, const struct loyalty_ledger *ledger, const char *action,
                     const struct points *points, struct bytes before);
