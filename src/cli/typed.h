// typed: what is typed for the loyalty commands and the till: verbs, amounts, lines of a return.
//
// Layer 8. Pure. Errors: ERR_INVALID code "usage", in words.
#pragma once

#include "base/json_writer.h"
#include "cli/options.h"

struct typed_verb {
  const char *word;   // "show"
  const char *args;   // "CODE"; empty for none
  size_t least, most; // arguments after the word
};

// Which of `count` verbs the command's first argument is, and whether as many arguments follow as it takes.
enum err typed_verb_find(const struct options *options, const char *command, const struct typed_verb *verbs,
                         size_t count, size_t *index, struct diag *diag);

// Writes an amount as typed, "100" or "12.50", as a JSON number. `either`: it may be below zero.
enum err typed_amount_write(struct json_writer *writer, const char *name, const char *text, bool either,
                            struct diag *diag);

// "A1=2,line:3": {"sku"|"line_id","quantity"} for each, as "lines". The quantity is all of it when it is not said.
enum err typed_lines_write(struct json_writer *writer, const char *text, struct diag *diag);

enum { TYPED_ID_BYTES = 48 };
// "ret-5f3a…": an id that nothing else has.
void typed_id_make(const char *prefix, char id[TYPED_ID_BYTES]);
