// complain: the words of a diag, the same from the parser and from the checker.
//
// Layer 2, inside rule/; pure.
#pragma once

#include <stdarg.h>

#include "rule/parse.h"

enum { COMPLAIN_FOUND_BYTES = 40 }; // of what was found; the rest is cut

// Sets code, place and message, which begins with line and column. The other words are the caller's.
void complain(struct rule_diag *diag, struct rule_place place, const char *code, const char *format, va_list arguments)
    __attribute__((format(printf, 4, 0)));

// `text`, cut between characters when it has more than `most_bytes` (less than RULE_WORD_BYTES - 3).
void complain_cut(struct bytes text, size_t most_bytes, char out[RULE_WORD_BYTES]);
