// print_loyalty: members, baskets and codes as a person likes to read them.
//
// Layer 8. As print.h: from the JSON documents of engine/members.h alone, so that a local and a remote workspace print
// alike. Money has two digits after the point; points are in the currency's smallest unit.
#pragma once

#include "cli/print.h"

// engine_member_json: balances, tier with what is missing, lots by expiry, vouchers.
void print_loyalty_member(const struct print_document *document, struct buffer *out);
// engine_audit_json: a line for each change, then what differs.
void print_loyalty_audit(const struct print_document *document, struct buffer *out);
// engine_statement_json, a line for each entry.
void print_loyalty_statement(const struct print_document *document, struct buffer *out);

// {"request","reply","booked"?} of engine_evaluate and engine_order: a receipt, with a title when it is booked.
void print_loyalty_receipt(const struct print_document *document, struct buffer *out);
// The two parts of one. `reply` may be absent: nothing was evaluated yet.
void print_loyalty_lines(const struct print_document *document, struct value request, struct value reply,
                         struct buffer *out);
void print_loyalty_effects(const struct print_document *document, struct value reply, struct buffer *out);
// The reply proper, where it is told again of an earlier request; `replayed` may be NULL.
struct value print_loyalty_reply(const struct print_document *document, struct value reply, bool *replayed);

// What a return gave back, and took back.
void print_loyalty_return(const struct print_document *document, struct buffer *out);
// {"id"|"hold"|"customer",…,"balance"} of points, of a hold, of who joined.
void print_loyalty_points(const struct print_document *document, struct buffer *out);
// {"codes":[…]}, and one code.
void print_loyalty_codes(const struct print_document *document, struct buffer *out);
void print_loyalty_validation(const struct print_document *document, struct buffer *out);
void print_loyalty_liability(const struct print_document *document, struct buffer *out);
// The documents of one kind, a line each.
void print_loyalty_documents(const struct print_document *documents, struct buffer *out);
