// cors: which browsers may send, and what they may read of the answer.
//
// Layer 8. Collect routes only: keys, never cookies, decide there, so echoing the origin with credentials allowed gives
// nothing away; without it a browser would refuse a beacon. Management routes carry no CORS header at all.
// Threads: a policy is constant after cors_init.
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

enum { CORS_HEADERS_BYTES = 512 };

struct cors_policy {
  const char *origins; // "*" or a list with commas; the caller's, and outlives the policy
};

void cors_init(struct cors_policy *policy, const char *origins);

// The value of Access-Control-Allow-Origin for a request with this Origin (data NULL: none): `origin` itself, "*" for a
// request without origin under the policy "*", or the empty view: send no CORS header.
struct bytes cors_allow_origin(const struct cors_policy *policy, struct bytes origin);

// The value of Access-Control-Allow-Headers: those of `asked` (the request's Access-Control-Request-Headers) that are
// known, in their order. `out` has CORS_HEADERS_BYTES; NUL-terminated, may be empty.
void cors_allow_headers(struct bytes asked, char *out);
