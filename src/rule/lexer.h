// lexer: the text of an expression in tokens, on demand.
//
// Layer 2, inside rule/. A lexer is three numbers over a borrowed text: a copy of it looks ahead.
#pragma once

#include "rule/ast.h"

enum rule_token_kind {
  RULE_TOKEN_END,
  RULE_TOKEN_NAME,
  RULE_TOKEN_TEXT, // with its quotes, not yet decoded
  RULE_TOKEN_NUMBER,
  RULE_TOKEN_DATE, // looks like one; not yet checked
  RULE_TOKEN_TIME,
  RULE_TOKEN_SYMBOL,
  RULE_TOKEN_BAD, // code and message say why
};

struct rule_token {
  enum rule_token_kind kind;
  struct rule_place place;
  struct bytes text; // as it was written
  const char *code, *message;
};

struct rule_lexer {
  struct bytes text; // well-formed UTF-8
  size_t at;
  uint32_t line, column; // of `at`
};

void rule_lexer_init(struct rule_lexer *lexer, struct bytes text);
struct rule_token rule_lexer_next(struct rule_lexer *lexer);

// Whether `text` would be read as one name.
bool rule_lexer_is_name(struct bytes text);
// Whether it is a word that begins no path.
bool rule_lexer_is_reserved(struct bytes text);
