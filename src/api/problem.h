// problem: refusals and failures as RFC 9457 bodies.
//
// Layer 8. {"type":"about:blank","title","status","code","detail","field"?}: `title` is the status in words, `code` the
// stable word of a diag, `field` is left out when the whole request is meant. A refused expression gives 422 and its
// place: "line","column","length" (bytes), and "expected","found","suggestion" where there are any.
#pragma once

#include "base/bytes.h"
#include "base/diag.h"
#include "rule/parse.h"

enum { PROBLEM_UNPROCESSABLE = 422 };

// The HTTP status of a failure: by code where the code says more than the kind ("bad_key" is 401), else by kind.
int problem_status(const struct diag *diag);

// "Not Found". Static storage.
const char *problem_title(int status);

// Seconds after which a client may try again: 0 where that is no use.
unsigned problem_retry_after_s(int status);

// Appends the body. `refusal`: of an expression, else NULL.
void problem_write(struct buffer *out, int status, const struct diag *diag, const struct rule_diag *refusal);
