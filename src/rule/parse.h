// parse: the text of an expression to its tree, and back.
//
// Layer 2. Pure: no input or output, no globals. Threads: none are shared.
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "rule/ast.h"

enum { RULE_WORD_BYTES = 128 };

// The first thing that is wrong. Codes: syntax (something else was expected), unknown_word (a word was expected there,
// and not this one), unfinished (the text ends too early), unfinished_text (a quote is not closed), bad_character,
// bad_escape, bad_utf8, bad_number, bad_date, bad_unit, empty_name, repeated (where, by, a window twice), misplaced
// (right elsewhere), chained (a < b < c), too_long, too_large, too_deep, too_many_steps, no_memory.
struct rule_diag {
  char code[DIAG_CODE_BYTES];
  struct rule_place place;
  char message[DIAG_MESSAGE_BYTES]; // line 2, column 14: expected a window such as `in last 90 days`, found `lst`; ...
  char expected[RULE_WORD_BYTES];   // empty when the message says it
  char found[RULE_WORD_BYTES];
  char nearest[RULE_WORD_BYTES]; // the word that was probably meant; empty when none is near
  char field[DIAG_FIELD_BYTES];  // of a warning, the member of the document it is about; empty: it is of one text alone
};

// ERR_INVALID, ERR_LIMIT or ERR_NO_MEMORY with `diag` filled (it may be NULL). `text` may go once it has returned.
enum err rule_parse(struct bytes text, struct arena *arena, struct rule_node **tree, struct rule_diag *diag);

// Appends the canonical text, with the fewest parentheses. Parsed again it gives the same tree, as long as it is not
// longer than RULE_TEXT_BYTES_MAX: a text without blanks can grow past it. Short memory shows in `out`.
void rule_print(const struct rule_node *tree, struct buffer *out);
