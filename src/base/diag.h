// diag: what went wrong, in words for a person and in a code for a program.
//
// Layer 0. A failing function fills the `struct diag` it was given and returns the same `enum err`. `code` is
// stable and part of the API ("too_large", "invalid_utf8"); `message` says what was found, what the limit is
// and how to mend it. A diag may be NULL everywhere: then only the code is returned.
// Messages never hold a secret or a customer's data, only names of fields, limits and positions.
#pragma once

#include <stddef.h>

#include "base/err.h"

enum { DIAG_CODE_BYTES = 48, DIAG_FIELD_BYTES = 128, DIAG_MESSAGE_BYTES = 512 };

struct diag {
  enum err err;
  char code[DIAG_CODE_BYTES];
  char field[DIAG_FIELD_BYTES]; // "batch[3].timestamp"; empty when the whole input is meant
  char message[DIAG_MESSAGE_BYTES];
};

void diag_init(struct diag *diag);

// Sets all of it and returns `err`, so that a failing branch is one line. A later diag_set replaces it.
enum err diag_set(struct diag *diag, enum err err, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Names the field at fault. Appends in front when one is there already: "properties" then "batch[3]" gives
// "batch[3].properties".
void diag_in_field(struct diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The diag of a failed allocation; returns ERR_NO_MEMORY.
enum err diag_no_memory(struct diag *diag);
