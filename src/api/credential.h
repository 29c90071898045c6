// credential: where a request carries its key.
//
// Layer 8. SDKs put it in five places. The first that is present counts: Authorization (Basic: the user, or the
// password when the user is empty; Bearer: the token), X-Write-Key, the parameter writeKey; the body comes last and is
// read by the caller. "id:secret" is what Jitsu's clients send: the part after the colon is tried first, then all of
// it. Memory: results live in the arena. Nothing here is ever logged.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

struct credential_input {
  struct bytes authorization, x_write_key, parameter; // data NULL: absent
};

struct credential {
  struct bytes candidates[2]; // to be checked in this order
  size_t count;               // 0: the request carries no key here
};

// ERR_INVALID code "bad_authorization" when the header is there and is neither Basic nor Bearer, or is not base64.
enum err credential_find(const struct credential_input *input, struct arena *arena, struct credential *credential,
                         struct diag *diag);

// A key as text becomes its candidates (the rule of the colon).
void credential_from_text(struct bytes text, struct credential *credential);

// Decodes base64, standard or URL-safe, padded or not. False for anything else. The result lives in the arena; data is
// NULL only when memory is short.
bool credential_base64(struct bytes text, struct arena *arena, struct bytes *out);
