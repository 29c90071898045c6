// value_parse: JSON text to packed values, over the token offsets of value_index.
//
// One pass. simdjson finds where tokens begin and that every text is closed UTF-8; this file walks the offsets,
// holds the text against the grammar and writes packed bytes at once. When simdjson refuses a text, index_slowly
// finds the same offsets, each text is then checked on its own (`checks_texts`), and the walk meets the fault where
// it is: so faults are reported exactly and the items of a batch around it can still be read.
// Invariants:
//   1. A token's bytes lie in [tokens[n], tokens[n + 1]); nothing is read outside of it.
//   2. `seen` is a stack: the names of the open objects, each object's own contiguous at its end; so duplicates are
//      found once per object, in linear time, by stamping ids.
//   3. On a fault the output is cut back to where the value began.
#include "base/alloc.h"
#include "base/limits.h"
#include "value/value_index.h"
#include "value/value_pack.h"

enum { SEEN_FIRST = 256 };

// A member's name: its id, or 0 and where its inline bytes lie in the output.
struct seen_name {
  uint32_t id;
  uint32_t size_bytes;
  size_t offset;
};

struct value_parser {
  struct value_index *index;
  uint32_t *slow_tokens;
  size_t slow_capacity;
  struct seen_name *seen;
  size_t seen_count, seen_capacity;
  uint32_t stamp;
  uint32_t stamps[LIMIT_NAMES + 1]; // by id: the stamp of the last object that had it
  struct buffer name;               // a name with its escapes undone
  struct buffer item;               // the packed item of a batch
  struct buffer brackets;           // open brackets while a faulty item is stepped over
  // The text being read.
  const uint8_t *json;
  size_t json_bytes;
  const uint32_t *tokens;
  size_t token_count, at;
  size_t first_offset; // of the document or item that offsets are told from
  size_t backslash;    // offset of the first backslash at or after the last text looked at
  bool checks_texts;
  bool adds_no_names;
  struct names *names;
  struct buffer *out;
  struct diag *diag;
};

enum err value_parser_open(struct value_parser **out) {
  struct value_parser *parser = alloc_zero(1, sizeof *parser);
  if (parser == NULL) return ERR_NO_MEMORY;
  parser->index = value_index_open();
  if (parser->index == NULL) {
    alloc_free(parser);
    return ERR_NO_MEMORY;
  }
  *out = parser;
  return ERR_OK;
}

void value_parser_close(struct value_parser *parser) {
  if (parser == NULL) return;
  value_index_close(parser->index);
  buffer_release(&parser->name);
  buffer_release(&parser->item);
  buffer_release(&parser->brackets);
  alloc_free(parser->slow_tokens);
  alloc_free(parser->seen);
  alloc_free(parser);
}

// buffer_reserve with its usual answer in line.
static inline bool room(struct buffer *out, size_t extra_bytes) {
  return extra_bytes <= out->capacity_bytes - out->size_bytes || buffer_reserve(out, extra_bytes);
}

// --- tokens --------------------------------------------------------------------------------------------------

static bool is_space(uint8_t byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool is_operator(uint8_t byte) {
  return byte == '{' || byte == '}' || byte == '[' || byte == ']' || byte == ':' || byte == ',';
}

// The offset of the quote that ends the text begun at `from`, or `size_bytes`.
static size_t find_closing_quote(const uint8_t *json, size_t size_bytes, size_t from) {
  for (size_t at = from + 1; at < size_bytes; at++) {
    if (json[at] == '"') return at;
    if (json[at] == '\\') at++;
  }
  return size_bytes;
}

// The offsets simdjson would have found. ERR_INVALID when a text is not closed.
static enum err index_slowly(struct value_parser *parser, struct bytes json) {
  if (parser->slow_capacity < json.size_bytes + 1) {
    size_t capacity = json.size_bytes * 2 + 64;
    uint32_t *tokens = alloc_resize(parser->slow_tokens, capacity * sizeof *tokens);
    if (tokens == NULL) return ERR_NO_MEMORY;
    parser->slow_tokens = tokens;
    parser->slow_capacity = capacity;
  }
  size_t count = 0, at = 0;
  enum err err = ERR_OK;
  while (at < json.size_bytes) {
    uint8_t byte = json.data[at];
    if (!is_space(byte)) parser->slow_tokens[count++] = (uint32_t)at;
    if (byte == '"') {
      at = find_closing_quote(json.data, json.size_bytes, at);
      if (at == json.size_bytes) err = ERR_INVALID;
    } else if (!is_space(byte) && !is_operator(byte)) {
      while (at + 1 < json.size_bytes && !is_space(json.data[at + 1]) && !is_operator(json.data[at + 1])) at++;
    }
    at++;
  }
  parser->slow_tokens[count] = (uint32_t)json.size_bytes;
  parser->tokens = parser->slow_tokens;
  parser->token_count = count;
  return err;
}

static enum err invalid_json(struct value_parser *parser, size_t offset, const char *found) {
  return diag_set(parser->diag, ERR_INVALID, "invalid_json", "not valid JSON: %s (at byte %zu)", found,
                  offset - parser->first_offset);
}

static size_t find_backslash(const struct value_parser *parser, size_t from) {
  const uint8_t *found = memchr(parser->json + from, '\\', parser->json_bytes - from);
  return found == NULL ? parser->json_bytes : (size_t)(found - parser->json);
}

// Finds the tokens of `json` and readies the parser to walk them.
static enum err begin_text(struct value_parser *parser, struct bytes json, struct names *names, struct buffer *out,
                           struct diag *diag) {
  parser->json = json.data;
  parser->names = names;
  parser->out = out;
  parser->diag = diag;
  parser->at = parser->first_offset = parser->seen_count = 0;
  parser->json_bytes = json.size_bytes;
  if (json.size_bytes == 0) return invalid_json(parser, 0, "the text is empty");
  if (json.size_bytes >= UINT32_MAX)
    return diag_set(diag, ERR_LIMIT, "too_large", "a JSON text may have at most %u bytes", UINT32_MAX - 1);
  enum value_index_result result =
      value_index_run(parser->index, json.data, json.size_bytes, &parser->tokens, &parser->token_count);
  if (result == VALUE_INDEX_NO_MEMORY) return diag_no_memory(diag);
  parser->backslash = find_backslash(parser, 0);
  parser->checks_texts = result == VALUE_INDEX_FAULT;
  if (!parser->checks_texts) return ERR_OK;
  enum err err = index_slowly(parser, json);
  if (err == ERR_NO_MEMORY) return diag_no_memory(diag);
  if (err != ERR_OK) return invalid_json(parser, json.size_bytes, "a text is not closed");
  return ERR_OK;
}

// The first byte of the next token, or 0 at the end. (A 0 byte in the text is no token of JSON either.)
static inline uint8_t peek(const struct value_parser *parser) {
  return parser->at < parser->token_count ? parser->json[parser->tokens[parser->at]] : 0;
}

static size_t offset_of(const struct value_parser *parser) {
  return parser->tokens[parser->at];
}

// The bytes of token `n` without the white space that follows it.
static inline struct bytes token_text(const struct value_parser *parser, size_t n) {
  size_t from = parser->tokens[n], to = parser->tokens[n + 1];
  while (to > from + 1 && is_space(parser->json[to - 1])) to--;
  return bytes_of(parser->json + from, to - from);
}

// --- texts ---------------------------------------------------------------------------------------------------

static enum err invalid_utf8(struct value_parser *parser, size_t offset, const char *found) {
  return diag_set(parser->diag, ERR_INVALID, "invalid_utf8", "%s (at byte %zu)", found, offset - parser->first_offset);
}

// What simdjson checks for all texts at once, for one.
static enum err check_text(struct value_parser *parser, struct bytes raw) {
  size_t offset = (size_t)(raw.data - parser->json);
  for (size_t i = 0; i < raw.size_bytes; i++)
    if (raw.data[i] < 0x20) return invalid_json(parser, offset + i, "a control character stands in a text");
  if (!bytes_is_utf8(raw)) return invalid_utf8(parser, offset, "a text is not UTF-8");
  return ERR_OK;
}

static int hex_value(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  byte |= 0x20;
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// The number of \uXXXX at `at`, or -1.
static int read_unicode_escape(const uint8_t *at, const uint8_t *end) {
  if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
  int number = 0;
  for (int i = 2; i < 6; i++) {
    int digit = hex_value(at[i]);
    if (digit < 0) return -1;
    number = number << 4 | digit;
  }
  return number;
}

static void append_code_point(struct buffer *out, uint32_t code) {
  uint8_t bytes[4];
  size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = size - 1; i > 0; i--) {
    bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    code >>= 6;
  }
  bytes[0] = (uint8_t)(leads[size] | code);
  buffer_append(out, bytes, size);
}

// Appends what the \u escape at *at stands for, a pair of surrogates being one character.
static enum err take_unicode_escape(struct value_parser *parser, const uint8_t **at, const uint8_t *end,
                                    struct buffer *out) {
  size_t offset = (size_t)(*at - parser->json);
  int code = read_unicode_escape(*at, end);
  if (code < 0) return invalid_json(parser, offset, "\\u needs four hexadecimal digits");
  *at += 6;
  if (code >= 0xdc00 && code <= 0xdfff) return invalid_utf8(parser, offset, "a low surrogate stands alone");
  if (code >= 0xd800 && code <= 0xdbff) {
    int low = read_unicode_escape(*at, end);
    if (low < 0xdc00 || low > 0xdfff) return invalid_utf8(parser, offset, "a high surrogate stands alone");
    *at += 6;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_code_point(out, (uint32_t)code);
  return ERR_OK;
}

// Appends `raw`, the inside of a JSON text, with its escapes undone.
static enum err unescape(struct value_parser *parser, struct bytes raw, struct buffer *out) {
  static const uint8_t plain[256] = {
      ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
  const uint8_t *at = raw.data, *end = raw.data + raw.size_bytes;
  while (at < end) {
    const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
    size_t run = (size_t)((escape == NULL ? end : escape) - at);
    buffer_append(out, at, run);
    at += run;
    if (escape == NULL) break;
    // A backslash is never the last byte: it would have escaped the closing quote.
    if (at[1] == 'u') {
      enum err err = take_unicode_escape(parser, &at, end, out);
      if (err != ERR_OK) return err;
    } else if (plain[at[1]] != 0) {
      buffer_append_byte(out, plain[at[1]]);
      at += 2;
    } else {
      return invalid_json(parser, (size_t)(at - parser->json), "an unknown escape");
    }
  }
  return out->failed ? diag_no_memory(parser->diag) : ERR_OK;
}

// The inside of the text token that comes next, still escaped.
static inline enum err take_raw_text(struct value_parser *parser, struct bytes *raw) {
  struct bytes token = token_text(parser, parser->at++);
  size_t size = token.size_bytes;
  if (size < 2 || token.data[size - 1] != '"')
    return invalid_json(parser, (size_t)(token.data - parser->json), "a text is not closed");
  *raw = bytes_of(token.data + 1, size - 2);
  return parser->checks_texts ? check_text(parser, *raw) : ERR_OK;
}

// Looks for backslashes once over the whole of the text: most texts have none, and a search per text costs more than
// all the rest of reading it. Texts are looked at in order (again only when an item is, see take_outer_member).
static bool has_escape(struct value_parser *parser, struct bytes raw) {
  size_t from = (size_t)(raw.data - parser->json);
  if (parser->backslash < from) parser->backslash = find_backslash(parser, from);
  return parser->backslash < from + raw.size_bytes;
}

static enum err parse_escaped_text(struct value_parser *parser, struct bytes raw) {
  struct buffer *undone = &parser->name;
  buffer_clear(undone);
  enum err err = unescape(parser, raw, undone);
  if (err != ERR_OK) return err;
  uint8_t head[1 + PACK_VARINT_BYTES] = {PACK_TEXT};
  buffer_append(parser->out, head, (size_t)(pack_varint(head + 1, undone->size_bytes) - head));
  buffer_append_bytes(parser->out, buffer_view(undone));
  return parser->out->failed ? diag_no_memory(parser->diag) : ERR_OK;
}

static enum err parse_text(struct value_parser *parser) {
  struct bytes raw;
  enum err err = take_raw_text(parser, &raw);
  if (err != ERR_OK) return err;
  if (has_escape(parser, raw)) return parse_escaped_text(parser, raw);
  struct buffer *out = parser->out;
  if (!room(out, raw.size_bytes + 1 + PACK_VARINT_BYTES)) return diag_no_memory(parser->diag);
  uint8_t *at = out->data + out->size_bytes;
  *at++ = PACK_TEXT;
  at = pack_varint(at, raw.size_bytes);
  memcpy(at, raw.data, raw.size_bytes);
  out->size_bytes = (size_t)(at - out->data) + raw.size_bytes;
  return ERR_OK;
}

// --- scalars -------------------------------------------------------------------------------------------------

static enum err parse_number(struct value_parser *parser) {
  struct bytes text = token_text(parser, parser->at++);
  struct decimal number;
  enum err err = decimal_parse(text, &number, parser->diag);
  if (err != ERR_OK) return err;
  struct buffer *out = parser->out;
  if (!room(out, PACK_NUMBER_BYTES)) return diag_no_memory(parser->diag);
  uint8_t *at = out->data + out->size_bytes;
  out->size_bytes = (size_t)(pack_number(at, number) - out->data);
  return ERR_OK;
}

static enum err parse_literal(struct value_parser *parser, struct bytes word, enum pack_tag tag) {
  size_t offset = offset_of(parser);
  if (!bytes_equal(token_text(parser, parser->at++), word))
    return invalid_json(parser, offset, "a word that is not true, false or null");
  buffer_append_byte(parser->out, (uint8_t)tag);
  return parser->out->failed ? diag_no_memory(parser->diag) : ERR_OK;
}

// A token that begins no JSON value: what people write instead of a number is told as such.
static enum err unknown_token(struct value_parser *parser) {
  uint8_t byte = peek(parser);
  bool meant_number = byte == '+' || byte == '.' || byte == 'N' || byte == 'I';
  if (meant_number) return parse_number(parser);
  const char *found = byte == 0 ? "the text ends early" : "a value is missing or unknown";
  return invalid_json(parser, offset_of(parser), found);
}

// --- names ---------------------------------------------------------------------------------------------------

static bool grow_seen(struct value_parser *parser) {
  size_t capacity = parser->seen_capacity == 0 ? SEEN_FIRST : parser->seen_capacity * 2;
  struct seen_name *seen = alloc_resize(parser->seen, capacity * sizeof *seen);
  if (seen == NULL) return false;
  parser->seen = seen;
  parser->seen_capacity = capacity;
  return true;
}

static enum err remember_name(struct value_parser *parser, uint32_t id, struct bytes name, size_t offset) {
  if (parser->seen_count == parser->seen_capacity && !grow_seen(parser)) return diag_no_memory(parser->diag);
  parser->seen[parser->seen_count++] = (struct seen_name){id, (uint32_t)name.size_bytes, offset};
  return ERR_OK;
}

// Takes the name that comes next and its colon. *name is valid until the next name or escaped text.
static enum err take_name(struct value_parser *parser, struct bytes *name) {
  size_t offset = offset_of(parser);
  if (peek(parser) != '"') return invalid_json(parser, offset, "a member's name is missing");
  enum err err = take_raw_text(parser, name);
  if (err != ERR_OK) return err;
  if (has_escape(parser, *name)) {
    buffer_clear(&parser->name);
    err = unescape(parser, *name, &parser->name);
    if (err != ERR_OK) return err;
    *name = buffer_view(&parser->name);
  }
  if (name->size_bytes > LIMIT_NAME_BYTES)
    return diag_set(parser->diag, ERR_LIMIT, "name_too_long",
                    "a name may have at most %d bytes, this one has %zu (at byte %zu)", LIMIT_NAME_BYTES,
                    name->size_bytes, offset - parser->first_offset);
  if (peek(parser) != ':') return invalid_json(parser, offset_of(parser), "a colon is missing");
  parser->at++;
  return ERR_OK;
}

static enum err pack_name(struct value_parser *parser, struct bytes name) {
  uint32_t id = parser->adds_no_names ? names_find(parser->names, name) : 0;
  enum err err = parser->adds_no_names ? ERR_OK : names_intern(parser->names, name, &id, parser->diag);
  if (err != ERR_OK) return err;
  struct buffer *out = parser->out;
  if (!room(out, name.size_bytes + PACK_VARINT_BYTES)) return diag_no_memory(parser->diag);
  uint8_t *at = out->data + out->size_bytes;
  at = pack_varint(at, id != 0 ? (uint64_t)id << 1 : (uint64_t)name.size_bytes << 1 | 1);
  size_t offset = (size_t)(at - out->data);
  if (id == 0) {
    if (name.size_bytes > 0) memcpy(at, name.data, name.size_bytes);
    at += name.size_bytes;
  }
  out->size_bytes = (size_t)(at - out->data);
  return remember_name(parser, id, name, offset);
}

static enum err duplicate_key(struct value_parser *parser, struct bytes name) {
  return diag_set(parser->diag, ERR_INVALID, "duplicate_key", "the name \"%.*s\" stands twice in one object",
                  BYTES_ARG(name));
}

static struct bytes seen_text(const struct value_parser *parser, const struct seen_name *seen) {
  return bytes_of(parser->out->data + seen->offset, seen->size_bytes);
}

// Duplicates among the `count` inline names of one object, by a hash set of their places in `seen` (plus 1).
static enum err check_inline_names(struct value_parser *parser, size_t first, size_t count) {
  size_t mask = 15;
  while (mask < 2 * count) mask = mask * 2 + 1;
  uint32_t *slots = alloc_zero(mask + 1, sizeof *slots);
  if (slots == NULL) return diag_no_memory(parser->diag);
  enum err err = ERR_OK;
  for (size_t i = first; i < parser->seen_count && err == ERR_OK; i++) {
    if (parser->seen[i].id != 0) continue;
    struct bytes name = seen_text(parser, &parser->seen[i]);
    size_t slot = names_hash(parser->names, name) & mask;
    while (slots[slot] != 0 && err == ERR_OK) {
      if (bytes_equal(seen_text(parser, &parser->seen[slots[slot] - 1]), name)) err = duplicate_key(parser, name);
      slot = (slot + 1) & mask;
    }
    slots[slot] = (uint32_t)i + 1;
  }
  alloc_free(slots);
  return err;
}

// Ends an object: no name of seen[first ..] may stand twice. Takes them off the stack.
static enum err check_names(struct value_parser *parser, size_t first) {
  if (++parser->stamp == 0) {
    memset(parser->stamps, 0, sizeof parser->stamps);
    parser->stamp = 1;
  }
  size_t inline_count = 0;
  for (size_t i = first; i < parser->seen_count; i++) {
    uint32_t id = parser->seen[i].id;
    if (id == 0) {
      inline_count++;
    } else if (parser->stamps[id] == parser->stamp) {
      return duplicate_key(parser, names_text(parser->names, id));
    } else {
      parser->stamps[id] = parser->stamp;
    }
  }
  enum err err = inline_count > 1 ? check_inline_names(parser, first, inline_count) : ERR_OK;
  parser->seen_count = first;
  return err;
}

// --- containers ----------------------------------------------------------------------------------------------

static enum err parse_value(struct value_parser *parser, int depth);

// A fault of the text belongs to a place in it; a failure of memory or of the dictionary belongs to the call.
static bool is_fault_of_text(enum err err) {
  return err == ERR_INVALID || err == ERR_LIMIT;
}

// Writes a container's head. *size_offset is where its size goes when it ends.
static enum err begin_container(struct value_parser *parser, enum pack_tag tag, int depth, size_t *size_offset) {
  if (depth >= LIMIT_JSON_DEPTH)
    return diag_set(parser->diag, ERR_LIMIT, "too_deep", "objects and arrays may be nested %d deep (at byte %zu)",
                    LIMIT_JSON_DEPTH, offset_of(parser) - parser->first_offset);
  parser->at++;
  struct buffer *out = parser->out;
  if (!room(out, PACK_HEAD_BYTES)) return diag_no_memory(parser->diag);
  out->data[out->size_bytes] = (uint8_t)tag;
  *size_offset = out->size_bytes + 1;
  out->size_bytes += PACK_HEAD_BYTES;
  return ERR_OK;
}

static void end_container(struct value_parser *parser, size_t size_offset) {
  struct buffer *out = parser->out;
  pack_size32(out->data + size_offset, (uint32_t)(out->size_bytes - size_offset - 4));
}

// Takes the comma or the closing bracket after an item. *more tells which.
static inline enum err take_separator(struct value_parser *parser, uint8_t closing, bool *more) {
  uint8_t byte = peek(parser);
  if (byte != ',' && byte != closing) {
    const char *found = closing == '}' ? "a comma or } is missing" : "a comma or ] is missing";
    return invalid_json(parser, offset_of(parser), found);
  }
  parser->at++;
  *more = byte == ',';
  return ERR_OK;
}

static enum err too_many_members(struct value_parser *parser) {
  return diag_set(parser->diag, ERR_LIMIT, "too_many_members", "an object or array may have at most %d members",
                  LIMIT_JSON_MEMBERS);
}

static enum err parse_list(struct value_parser *parser, int depth) {
  size_t size_offset, count = 0;
  enum err err = begin_container(parser, PACK_LIST, depth, &size_offset);
  if (err != ERR_OK) return err;
  bool more = peek(parser) != ']';
  if (!more) parser->at++;
  while (more) {
    if (++count > LIMIT_JSON_MEMBERS) return too_many_members(parser);
    err = parse_value(parser, depth + 1);
    if (is_fault_of_text(err)) diag_in_field(parser->diag, "[%zu]", count - 1);
    if (err != ERR_OK) return err;
    err = take_separator(parser, ']', &more);
    if (err != ERR_OK) return err;
  }
  end_container(parser, size_offset);
  return ERR_OK;
}

static enum err parse_member(struct value_parser *parser, int depth) {
  struct bytes name;
  enum err err = take_name(parser, &name);
  if (err == ERR_OK) err = pack_name(parser, name);
  if (err != ERR_OK) return err;
  size_t own = parser->seen_count - 1;
  err = parse_value(parser, depth + 1);
  if (is_fault_of_text(err) && parser->seen[own].id != 0)
    diag_in_field(parser->diag, "%.*s", BYTES_ARG(names_text(parser->names, parser->seen[own].id)));
  return err;
}

static enum err parse_document(struct value_parser *parser, int depth) {
  size_t size_offset, first = parser->seen_count;
  enum err err = begin_container(parser, PACK_DOCUMENT, depth, &size_offset);
  if (err != ERR_OK) return err;
  bool more = peek(parser) != '}';
  if (!more) parser->at++;
  while (more) {
    if (parser->seen_count - first >= LIMIT_JSON_MEMBERS) return too_many_members(parser);
    err = parse_member(parser, depth);
    if (err == ERR_OK) err = take_separator(parser, '}', &more);
    if (err != ERR_OK) return err;
  }
  end_container(parser, size_offset);
  return check_names(parser, first);
}

// Recursion is bounded by LIMIT_JSON_DEPTH.
static enum err parse_value(struct value_parser *parser, int depth) {
  switch (peek(parser)) {
  case '{':
    return parse_document(parser, depth);
  case '[':
    return parse_list(parser, depth);
  case '"':
    return parse_text(parser);
  case 't':
    return parse_literal(parser, BYTES("true"), PACK_TRUE);
  case 'f':
    return parse_literal(parser, BYTES("false"), PACK_FALSE);
  case 'n':
    return parse_literal(parser, BYTES("null"), PACK_NULL);
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9':
    return parse_number(parser);
  default:
    return unknown_token(parser);
  }
}

static enum err expect_end(struct value_parser *parser) {
  if (parser->at == parser->token_count) return ERR_OK;
  return invalid_json(parser, offset_of(parser), "something follows the value");
}

// Ends a call: on failure the output is as long as it was.
static enum err finish(struct buffer *out, size_t size_before, enum err err) {
  if (err != ERR_OK) {
    out->size_bytes = size_before;
    out->failed = false;
  }
  return err;
}

void value_parser_add_no_names(struct value_parser *parser) {
  parser->adds_no_names = true;
}

enum err value_parse_json(struct value_parser *parser, struct bytes json, struct names *names, struct buffer *out,
                          struct diag *diag) {
  if (out->failed) return diag_no_memory(diag);
  size_t size_before = out->size_bytes;
  enum err err = begin_text(parser, json, names, out, diag);
  if (err == ERR_OK) err = parse_value(parser, 0);
  if (err == ERR_OK) err = expect_end(parser);
  return finish(out, size_before, err);
}

// --- batches -------------------------------------------------------------------------------------------------

struct batch {
  struct bytes list_name;
  size_t items_max;
  value_item_fn *item;
  void *context;
  bool met; // the list was there
};

// Moves past the item that begins at token `from`. False when its brackets do not match, and so where it ends is
// not known.
static bool skip_item(struct value_parser *parser, size_t from) {
  struct buffer *open = &parser->brackets;
  buffer_clear(open);
  parser->at = from;
  do {
    uint8_t byte = peek(parser);
    if (byte == 0 && parser->at >= parser->token_count) return false;
    if (byte == '{' || byte == '[') {
      buffer_append_byte(open, byte == '{' ? '}' : ']');
    } else if (byte == '}' || byte == ']') {
      if (open->size_bytes == 0 || open->data[--open->size_bytes] != byte) return false;
    } else if (open->size_bytes == 0 && (byte == ',' || byte == ':')) {
      return false;
    }
    parser->at++;
    if (open->failed) return false;
  } while (open->size_bytes > 0);
  return peek(parser) == ',' || peek(parser) == ']';
}

// From the first byte of token `from` to the last of the token before the present one.
static struct bytes item_text(const struct value_parser *parser, size_t from) {
  struct bytes last = token_text(parser, parser->at - 1);
  const uint8_t *first = parser->json + parser->tokens[from];
  return bytes_of(first, (size_t)(last.data + last.size_bytes - first));
}

// Reads the item that comes next into `item`, told from its own first byte. Its fault goes to `fault`.
static enum err parse_item(struct value_parser *parser, struct diag *fault) {
  struct diag *outer = parser->diag;
  size_t seen_before = parser->seen_count;
  buffer_clear(&parser->item);
  parser->out = &parser->item;
  parser->diag = fault;
  parser->first_offset = offset_of(parser);
  enum err err = parse_value(parser, 0);
  parser->diag = outer;
  parser->first_offset = 0;
  parser->seen_count = seen_before;
  return err;
}

// A fault that cannot be kept to its item: the whole call has it.
static enum err fail_call(struct value_parser *parser, const struct batch *batch, size_t index, enum err err,
                          const struct diag *fault) {
  if (parser->diag != NULL) *parser->diag = *fault;
  if (is_fault_of_text(err)) diag_in_field(parser->diag, "%.*s[%zu]", BYTES_ARG(batch->list_name), index);
  return err;
}

static enum err take_item(struct value_parser *parser, const struct batch *batch, size_t index, struct diag *fault) {
  size_t from = parser->at;
  enum err err = parse_item(parser, fault);
  if (err == ERR_OK) {
    if (peek(parser) != ',' && peek(parser) != ']')
      return invalid_json(parser, offset_of(parser), "a comma or ] is missing");
    struct value item = {buffer_view(&parser->item)};
    return batch->item(batch->context, index, item, item_text(parser, from), NULL);
  }
  if (!is_fault_of_text(err)) return fail_call(parser, batch, index, err, fault);
  bool skipped = skip_item(parser, from);
  if (parser->brackets.failed) return diag_no_memory(parser->diag);
  if (!skipped) return fail_call(parser, batch, index, err, fault);
  return batch->item(batch->context, index, (struct value){0}, item_text(parser, from), fault);
}

static enum err take_items(struct value_parser *parser, struct batch *batch) {
  struct buffer *out = parser->out;
  struct diag fault;
  size_t count = 0;
  enum err err = ERR_OK;
  diag_init(&fault);
  parser->at++;
  bool more = peek(parser) != ']';
  if (!more) parser->at++;
  while (more && err == ERR_OK) {
    if (count >= batch->items_max)
      return diag_set(parser->diag, ERR_LIMIT, "too_many_items", "\"%.*s\" may have at most %zu items",
                      BYTES_ARG(batch->list_name), batch->items_max);
    err = take_item(parser, batch, count++, &fault);
    parser->out = out;
    if (err == ERR_OK) err = take_separator(parser, ']', &more);
  }
  return err;
}

// A member of the outer document: the list goes item by item to the caller, all else into `out`. A member of the
// list's name that is no array is kept for the caller to refuse.
static enum err take_outer_member(struct value_parser *parser, struct batch *batch) {
  size_t from = parser->at;
  struct bytes name;
  enum err err = take_name(parser, &name);
  if (err != ERR_OK) return err;
  bool is_list = bytes_equal(name, batch->list_name);
  if (is_list && batch->met) return duplicate_key(parser, batch->list_name);
  batch->met |= is_list;
  if (is_list && peek(parser) == '[') return take_items(parser, batch);
  parser->at = from;
  return parse_member(parser, 0);
}

static enum err parse_outer(struct value_parser *parser, struct batch *batch) {
  size_t size_offset = 0, first = parser->seen_count;
  if (peek(parser) != '{')
    return diag_set(parser->diag, ERR_INVALID, "not_an_object", "the body must be a JSON object");
  enum err err = begin_container(parser, PACK_DOCUMENT, 0, &size_offset);
  if (err != ERR_OK) return err;
  bool more = peek(parser) != '}';
  if (!more) parser->at++;
  while (more) {
    if (parser->seen_count - first >= LIMIT_JSON_MEMBERS) return too_many_members(parser);
    err = take_outer_member(parser, batch);
    if (err == ERR_OK) err = take_separator(parser, '}', &more);
    if (err != ERR_OK) return err;
  }
  end_container(parser, size_offset);
  err = check_names(parser, first);
  return err == ERR_OK ? expect_end(parser) : err;
}

enum err value_parse_batch(struct value_parser *parser, struct bytes json, struct bytes list_name, size_t items_max,
                           struct names *names, struct buffer *out, value_item_fn *item, void *context,
                           struct diag *diag) {
  if (out->failed) return diag_no_memory(diag);
  struct batch batch = {.list_name = list_name, .items_max = items_max, .item = item, .context = context};
  size_t size_before = out->size_bytes;
  enum err err = begin_text(parser, json, names, out, diag);
  if (err == ERR_OK) err = parse_outer(parser, &batch);
  return finish(out, size_before, err);
}
