// parser_complain: the words of a refusal: where, what was expected, what was found, what was probably meant.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "rule/complain.h"
#include "rule/parser.h"

bool parser_refuse(struct parser *parser, struct rule_place place, enum err err, const char *code, const char *format,
                   ...) {
  if (parser->err != ERR_OK) return false;
  struct rule_diag *diag = parser->diag;
  parser->err = err;
  parser->token.kind = RULE_TOKEN_END;
  parser->token.text.size_bytes = 0;
  va_list arguments;
  va_start(arguments, format);
  complain(diag, place, code, format, arguments);
  va_end(arguments);
  return false;
}

bool parser_no_memory(struct parser *parser) {
  return parser_refuse(parser, parser->token.place, ERR_NO_MEMORY, "no_memory",
                       "the server is out of memory; try again later");
}

bool parser_expected(struct parser *parser, const char *expected, const char *const *words, size_t count) {
  struct rule_token token = parser->token;
  struct rule_diag *diag = parser->diag;
  if (parser->err != ERR_OK) return false;
  snprintf(diag->expected, sizeof diag->expected, "%s", expected);
  if (token.kind == RULE_TOKEN_END)
    return parser_refuse(parser, token.place, ERR_INVALID, "unfinished", "expected %s, found the end of the text",
                         expected);
  complain_cut(token.text, COMPLAIN_FOUND_BYTES, diag->found);
  bool word = token.kind == RULE_TOKEN_NAME && !rule_lexer_is_reserved(token.text);
  const char *nearest = word ? nearest_slip(token.text, words, count) : NULL;
  if (nearest == NULL)
    return parser_refuse(parser, token.place, ERR_INVALID, word ? "unknown_word" : "syntax", "expected %s, found `%s`",
                         expected, diag->found);
  snprintf(diag->nearest, sizeof diag->nearest, "%s", nearest);
  return parser_refuse(parser, token.place, ERR_INVALID, "unknown_word", "expected %s, found `%s`; did you mean `%s`?",
                       expected, diag->found, nearest);
}
