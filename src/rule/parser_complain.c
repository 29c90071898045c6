// parser_complain: the words of a refusal: where, what was expected, what was found, what was probably meant.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "rule/parser.h"

enum { FOUND_BYTES_MAX = 40 };

bool parser_refuse(struct parser *parser, struct rule_place place, enum err err, const char *code, const char *format,
                   ...) {
  if (parser->err != ERR_OK) return false;
  struct rule_diag *diag = parser->diag;
  parser->err = err;
  parser->token.kind = RULE_TOKEN_END;
  parser->token.text.size_bytes = 0;
  diag->place = place;
  snprintf(diag->code, sizeof diag->code, "%s", code);
  int length = snprintf(diag->message, sizeof diag->message, "line %u, column %u: ", place.line, place.column);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(diag->message + length, sizeof diag->message - (size_t)length, format, arguments);
  va_end(arguments);
  return false;
}

bool parser_no_memory(struct parser *parser) {
  return parser_refuse(parser, parser->token.place, ERR_NO_MEMORY, "no_memory",
                       "the server is out of memory; try again later");
}

// The token as it was written, cut between characters.
static void write_found(struct rule_token token, char out[RULE_WORD_BYTES]) {
  size_t size = token.text.size_bytes;
  const char *cut = "";
  if (size > FOUND_BYTES_MAX) {
    for (size = FOUND_BYTES_MAX; (token.text.data[size] & 0xc0) == 0x80;) size--;
    cut = "...";
  }
  snprintf(out, RULE_WORD_BYTES, "%.*s%s", (int)size, (const char *)token.text.data, cut);
}

bool parser_expected(struct parser *parser, const char *expected, const char *const *words, size_t count) {
  struct rule_token token = parser->token;
  struct rule_diag *diag = parser->diag;
  if (parser->err != ERR_OK) return false;
  snprintf(diag->expected, sizeof diag->expected, "%s", expected);
  if (token.kind == RULE_TOKEN_END)
    return parser_refuse(parser, token.place, ERR_INVALID, "unfinished", "expected %s, found the end of the text",
                         expected);
  write_found(token, diag->found);
  bool word = token.kind == RULE_TOKEN_NAME && !rule_lexer_is_reserved(token.text);
  const char *nearest = word ? nearest_slip(token.text, words, count) : NULL;
  if (nearest == NULL)
    return parser_refuse(parser, token.place, ERR_INVALID, word ? "unknown_word" : "syntax", "expected %s, found `%s`",
                         expected, diag->found);
  snprintf(diag->nearest, sizeof diag->nearest, "%s", nearest);
  return parser_refuse(parser, token.place, ERR_INVALID, "unknown_word", "expected %s, found `%s`; did you mean `%s`?",
                       expected, diag->found, nearest);
}
