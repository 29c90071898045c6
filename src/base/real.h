// real: doubles as decimal text, exactly, both ways.
//
// Layer 0. Pure. For figures that are estimates or shares; amounts of money that are booked are never doubles.
#pragma once

#include "base/bytes.h"

enum { REAL_TEXT_BYTES = 32, REAL_READ_BYTES = 1024 };

// The double that is nearest to the decimal number `text`: 12, -0.5, 1e-3. ERR_INVALID: it is none (nan, inf and
// hexadecimals are none either, nor is one of more than REAL_READ_BYTES bytes); ERR_LIMIT: no double is so large.
enum err real_read(struct bytes text, double *number);

// The whole number `text` says, as 12, 12.0 or 1.2e1. ERR_INVALID: it is no number, or no whole one, or below 0;
// ERR_LIMIT: it does not fit.
enum err real_read_count(struct bytes text, uint64_t *count);

// Writes the shortest text that reads back as the same double; whole numbers below 2^64 in digits. `number` is finite.
// Returns its size; a NUL follows.
size_t real_write(char out[REAL_TEXT_BYTES], double number);

void real_append(struct buffer *out, double number);
