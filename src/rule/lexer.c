// lexer: one token at a time, by its first character.
//
// Invariants: `at` is on a character boundary and never past the end; every token but END is at least one byte long,
// so that reading ends. What people write out of habit from other languages (== && || <> !) is refused with the word
// that is meant, rather than as a strange character.
#include "rule/lexer.h"

#include <string.h>

static bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

// The byte `ahead` of the lexer, 0 past the end.
static uint8_t peek(const struct rule_lexer *lexer, size_t ahead) {
  return ahead < lexer->text.size_bytes - lexer->at ? lexer->text.data[lexer->at + ahead] : 0;
}

// The character at data[0], which begins a well-formed one; its size in *size.
static uint32_t decode(const uint8_t *data, size_t *size) {
  static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  *size = data[0] < 0x80 ? 1 : data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;
  uint32_t code = data[0] & masks[*size];
  for (size_t i = 1; i < *size; i++) code = code << 6 | (data[i] & 0x3f);
  return code;
}

// Outside ASCII all but blanks, typographic marks and controls may stand in a name.
static bool is_name_code(uint32_t code, bool first) {
  if (code < 0x80) {
    uint32_t lower = code | 0x20;
    return (lower >= 'a' && lower <= 'z') || code == '_' || code == '$' || (!first && code >= '0' && code <= '9');
  }
  return code > 0xbf && code != 0xd7 && code != 0xf7 && !(code >= 0x2000 && code <= 0x206f) &&
         !(code >= 0x3000 && code <= 0x303f) && code != 0xfeff && code < 0xe0000;
}

// The size of the name at the beginning of `text`; 0: none.
static size_t name_size(struct bytes text) {
  size_t at = 0;
  while (at < text.size_bytes) {
    size_t size = 0;
    if (!is_name_code(decode(text.data + at, &size), at == 0)) break;
    at += size;
  }
  return at;
}

bool rule_lexer_is_name(struct bytes text) {
  return text.size_bytes > 0 && name_size(text) == text.size_bytes;
}

bool rule_lexer_is_reserved(struct bytes text) {
  static const char *const words[] = {"and",   "or",     "not",     "in",       "is",     "null",   "true",
                                      "false", "now",    "where",   "of",       "then",   "within", "by",
                                      "since", "before", "between", "contains", "starts", "ends",   "matches"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (bytes_equal(text, bytes_from_text(words[i]))) return true;
  return false;
}

void rule_lexer_init(struct rule_lexer *lexer, struct bytes text) {
  *lexer = (struct rule_lexer){.text = text, .line = 1, .column = 1};
}

static void skip(struct rule_lexer *lexer, size_t size) {
  for (; size > 0; size--) {
    uint8_t byte = lexer->text.data[lexer->at++];
    if (byte == '\n') {
      lexer->line++;
      lexer->column = 1;
    } else if ((byte & 0xc0) != 0x80) {
      lexer->column++;
    }
  }
}

static void skip_blanks(struct rule_lexer *lexer) {
  while (lexer->at < lexer->text.size_bytes) {
    uint8_t byte = peek(lexer, 0);
    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
      skip(lexer, 1);
    } else if (byte == '-' && peek(lexer, 1) == '-') {
      while (lexer->at < lexer->text.size_bytes && peek(lexer, 0) != '\n') skip(lexer, 1);
    } else {
      return;
    }
  }
}

static struct rule_token take(struct rule_lexer *lexer, enum rule_token_kind kind, size_t size) {
  struct rule_token token = {.kind = kind, .text = bytes_of(lexer->text.data + lexer->at, size)};
  token.place = (struct rule_place){lexer->line, lexer->column, (uint32_t)lexer->at, (uint32_t)size};
  skip(lexer, size);
  return token;
}

static struct rule_token take_bad(struct rule_lexer *lexer, size_t size, const char *code, const char *message) {
  struct rule_token token = take(lexer, RULE_TOKEN_BAD, size);
  token.code = code;
  token.message = message;
  return token;
}

static size_t digits(const struct rule_lexer *lexer, size_t at) {
  size_t count = 0;
  while (is_digit(peek(lexer, at + count))) count++;
  return count;
}

// The size of what looks like a date, 0: none. One digit for the month or day is taken along, to be refused in words.
static size_t date_size(const struct rule_lexer *lexer) {
  if (digits(lexer, 0) != 4 || peek(lexer, 4) != '-') return 0;
  size_t month = digits(lexer, 5);
  if (month == 0 || month > 2 || peek(lexer, 5 + month) != '-') return 0;
  size_t day = digits(lexer, 6 + month);
  return day == 0 || day > 2 ? 0 : 6 + month + day;
}

// The end of the time of day whose T is at `at`.
static size_t time_end(const struct rule_lexer *lexer, size_t at) {
  at++;
  while (is_digit(peek(lexer, at)) || peek(lexer, at) == ':') at++;
  if (peek(lexer, at) == '.' && is_digit(peek(lexer, at + 1))) at += 1 + digits(lexer, at + 1);
  uint8_t sign = peek(lexer, at);
  if (sign == 'Z' || sign == 'z') return at + 1;
  if ((sign == '+' || sign == '-') && is_digit(peek(lexer, at + 1))) {
    at++;
    while (is_digit(peek(lexer, at)) || (peek(lexer, at) == ':' && is_digit(peek(lexer, at + 1)))) at++;
  }
  return at;
}

static size_t number_size(const struct rule_lexer *lexer) {
  size_t size = digits(lexer, 0);
  if (peek(lexer, size) == '.' && is_digit(peek(lexer, size + 1))) size += 1 + digits(lexer, size + 1);
  if ((peek(lexer, size) | 0x20) != 'e') return size;
  size_t sign = peek(lexer, size + 1) == '+' || peek(lexer, size + 1) == '-';
  size_t exponent = digits(lexer, size + 1 + sign);
  return exponent == 0 ? size : size + 1 + sign + exponent;
}

static struct rule_token read_number(struct rule_lexer *lexer) {
  size_t size = date_size(lexer);
  enum rule_token_kind kind = RULE_TOKEN_DATE;
  if (size > 0 && (peek(lexer, size) | 0x20) == 't') {
    size = time_end(lexer, size);
    kind = RULE_TOKEN_TIME;
  } else if (size == 0) {
    size = number_size(lexer);
    kind = RULE_TOKEN_NUMBER;
  }
  struct bytes rest = bytes_of(lexer->text.data + lexer->at + size, lexer->text.size_bytes - lexer->at - size);
  size_t glued = name_size(rest);
  if (glued == 0 && peek(lexer, size) == '.' && kind == RULE_TOKEN_NUMBER)
    return take_bad(lexer, size + 1, "bad_number", "a point has digits on both sides: write 5 or 5.0");
  if (glued == 0) return take(lexer, kind, size);
  if (kind == RULE_TOKEN_NUMBER)
    return take_bad(lexer, size + glued, "bad_number", "a blank stands between a number and a word: 90 days");
  return take_bad(lexer, size + glued, "bad_date", "a date is written 2026-01-31, a time 2026-01-31T10:00:00+01:00");
}

static struct rule_token read_text(struct rule_lexer *lexer) {
  uint8_t quote = peek(lexer, 0), byte;
  size_t size = 1, left = lexer->text.size_bytes - lexer->at;
  for (; size < left && (byte = peek(lexer, size)) != '\n'; size++) {
    if (byte == quote && peek(lexer, size + 1) != quote) return take(lexer, RULE_TOKEN_TEXT, size + 1);
    if (byte == quote || (byte == '\\' && size + 1 < left && peek(lexer, size + 1) != '\n')) size++;
  }
  if (size > left) size = left;
  return take_bad(lexer, size, "unfinished_text", "the text that begins here is not closed: a quote is missing");
}

// What other languages say, and what this one says for it.
static struct rule_token read_foreign(struct rule_lexer *lexer) {
  static const struct {
    const char *text, *message;
  } table[] = {
      {"==", "write `=` to compare"},
      {"<>", "write `!=` for `is not equal`"},
      {"&&", "write `and`"},
      {"||", "write `or`"},
      {"=>", "write `>=`"},
      {"=<", "write `<=`"},
      {"!", "write `not`"},
      {"&", "write `and`"},
      {"|", "write `or`"},
      {"[", "write a list in parentheses: in (\"a\", \"b\")"},
      {"{", "only `(` and `)` group"},
      {";", "an expression is one value and needs no `;`"},
      {"#", "a comment begins with `--`"},
      {"`", "write a text in double quotes"},
      {"\xe2\x80\x9c", "write a text in straight quotes: \"...\""},
      {"\xe2\x80\x9d", "write a text in straight quotes: \"...\""},
      {"\xe2\x80\x98", "write a text in straight quotes: \"...\""},
      {"\xe2\x80\x99", "write a text in straight quotes: \"...\""},
  };
  struct bytes rest = bytes_of(lexer->text.data + lexer->at, lexer->text.size_bytes - lexer->at);
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (bytes_starts_with(rest, bytes_from_text(table[i].text)))
      return take_bad(lexer, strlen(table[i].text), "bad_character", table[i].message);
  return (struct rule_token){.kind = RULE_TOKEN_END};
}

static size_t symbol_size(const struct rule_lexer *lexer) {
  uint8_t byte = peek(lexer, 0);
  if (byte == 0) return 0;
  if ((byte == '!' || byte == '<' || byte == '>') && peek(lexer, 1) == '=') return 2;
  return strchr("(),.+-*/%=<>", byte) != NULL ? 1 : 0;
}

struct rule_token rule_lexer_next(struct rule_lexer *lexer) {
  skip_blanks(lexer);
  if (lexer->at == lexer->text.size_bytes) return take(lexer, RULE_TOKEN_END, 0);
  struct bytes rest = bytes_of(lexer->text.data + lexer->at, lexer->text.size_bytes - lexer->at);
  uint8_t byte = rest.data[0];
  if (is_digit(byte)) return read_number(lexer);
  if (byte == '"' || byte == '\'') return read_text(lexer);
  if (byte == '.' && is_digit(peek(lexer, 1)))
    return take_bad(lexer, 1 + digits(lexer, 1), "bad_number", "a point has digits on both sides: write 0.5");
  size_t size = name_size(rest);
  if (size > 0) return take(lexer, RULE_TOKEN_NAME, size);
  size = symbol_size(lexer);
  struct rule_token foreign = {.kind = RULE_TOKEN_END};
  if (size != 2) foreign = read_foreign(lexer);
  if (foreign.kind == RULE_TOKEN_BAD) return foreign;
  if (size > 0) return take(lexer, RULE_TOKEN_SYMBOL, size);
  decode(rest.data, &size);
  return take_bad(lexer, size, "bad_character", "this character means nothing outside quotes");
}
