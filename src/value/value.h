// value: packed documents, the one form in which data is kept, moved and evaluated.
//
// Layer 1. A packed value is a run of bytes that is read in place: null, boolean, exact decimal, text, list or
// document. Members keep the order in which they came in. Names are ids of a dictionary (names.h).
//
//   null false true           one tag byte
//   integer                   tag, zigzag varint (a decimal with exponent 0 that fits 64 bits)
//   decimal                   tag (with sign), varint exponent, varint coefficient (up to 128 bits)
//   text                      tag, varint size, UTF-8 bytes
//   list                      tag, 32-bit little-endian size of the rest, items
//   document                  tag, 32-bit little-endian size of the rest, members: varint key, value;
//                             key = id << 1, or size << 1 | 1 followed by the name's bytes
//
// A packed form is canonical: a number, a size or a name has one way to be written, and value_check refuses others.
// Documents nest at most VALUE_DEPTH_MAX deep: what JSON may bring (LIMIT_JSON_DEPTH) and what wraps it.
//
// `struct value` is a view of one packed value; it owns nothing and lives as long as the bytes. Bytes from the
// disk are checked once with value_check; every other reader trusts them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/json_writer.h"
#include "value/decimal.h"
#include "value/names.h"

enum { VALUE_DEPTH_MAX = 48 };

enum value_type { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXT, VALUE_LIST, VALUE_DOCUMENT };

struct value {
  struct bytes packed; // exactly one value; size 0 means "absent", which reads as null
};

// --- reading -------------------------------------------------------------------------------------------------

enum value_type value_type(struct value value);
static inline bool value_is_absent(struct value value) {
  return value.packed.size_bytes == 0;
}

// The content when the type fits; false (and *out untouched) when it does not.
bool value_as_bool(struct value value, bool *out);
bool value_as_number(struct value value, struct decimal *out);
bool value_as_text(struct value value, struct bytes *out); // a view into the packed bytes

// A walk over the items of a list or the members of a document, in order; over anything else it is empty.
//   struct value_iter iter = value_iterate(value);
//   while (value_next(&iter)) use(iter.name_id, iter.item);
struct value_iter {
  struct bytes rest;
  bool is_document;
  uint32_t name_id;         // of this member; 0 when the name is inline
  struct bytes inline_name; // when name_id is 0
  struct value item;
};
struct value_iter value_iterate(struct value container);
bool value_next(struct value_iter *iter);

// The name of the member an iterator stands on, whichever way it is stored.
struct bytes value_iter_name(const struct value_iter *iter, const struct names *names);

// The member called `name` of a document; absent when there is none or `document` is no document.
struct value value_member(struct value document, const struct names *names, struct bytes name);

// The same by dictionary id (the fast way).
struct value value_member_id(struct value document, uint32_t name_id);

// A dotted path: "context.traits.email".
struct value value_path(struct value document, const struct names *names, const char *path);

// True when both are the same value: numbers by value, documents without regard to the order of members.
bool value_equal(struct value a, struct value b);

// Verifies bytes that came from the disk or the network: tags, sizes, UTF-8, depth, decimals in range, known
// names. ERR_CORRUPT with the offset. Reads every byte once.
enum err value_check(struct bytes packed, const struct names *names, struct diag *diag);

// --- building ------------------------------------------------------------------------------------------------

// Appends packed values to a buffer. Containers are begun and ended; memory failure is the buffer's `failed`.
struct value_builder {
  struct buffer *out;
  struct names *names;
  enum err err; // the first failure of the dictionary
  uint8_t depth;
  size_t open[JSON_WRITER_DEPTH_MAX]; // where each open container's size is to be written
};

void value_builder_init(struct value_builder *builder, struct buffer *out, struct names *names);
void value_put_null(struct value_builder *builder);
void value_put_bool(struct value_builder *builder, bool value);
void value_put_i64(struct value_builder *builder, int64_t number);
void value_put_number(struct value_builder *builder, struct decimal number);
void value_put_text(struct value_builder *builder, struct bytes text);   // must be UTF-8
void value_put_value(struct value_builder *builder, struct value value); // a copy of a packed value
void value_list_begin(struct value_builder *builder);
void value_list_end(struct value_builder *builder);
void value_document_begin(struct value_builder *builder);
void value_document_end(struct value_builder *builder);
void value_put_name(struct value_builder *builder, struct bytes name); // before each member of a document
// ERR_OK when all went well; ERR_NO_MEMORY or the dictionary's error otherwise. All containers must be closed.
enum err value_builder_finish(struct value_builder *builder);

// --- JSON ----------------------------------------------------------------------------------------------------

// Writes a packed value as JSON; what value_parser read comes back to the digit.
void value_to_json(struct json_writer *writer, struct value value, const struct names *names);

// Reads JSON text (through simdjson). One parser serves one thread and keeps its memory between documents.
struct value_parser;
enum err value_parser_open(struct value_parser **out);
void value_parser_close(struct value_parser *parser);
// From now on names that the dictionary lacks stay in the documents, as those of a full dictionary do: for questions
// to a workspace that is only looked at. Such a document is not to be stored.
void value_parser_add_no_names(struct value_parser *parser);

// Appends the packed form of the one JSON value in `json` to `out` (truncated to where it was on failure).
// Refuses, with a code of its own and the byte offset or the member's name in words:
//   invalid_json, invalid_utf8, duplicate_key, invalid_number (NaN, 01, +1), number_too_long,
//   number_out_of_range, too_deep (LIMIT_JSON_DEPTH), too_many_members (LIMIT_JSON_MEMBERS), name_too_long,
//   too_large (4 GiB).
// `json` needs no padding: nothing past its end is read, and nothing is copied.
enum err value_parse_json(struct value_parser *parser, struct bytes json, struct names *names, struct buffer *out,
                          struct diag *diag);

// Reads a batch: the JSON document in `json` may hold one member named `list_name` ("batch") that is an array;
// each of its items is packed on its own and handed to `item`, all other members are packed into `out` as a
// document without it (an absent list is fine). A fault inside one item is that item's alone when the text's
// structure allows it: `item` gets an absent value and the diag, and the rest goes on. A fault of the structure
// itself fails the whole call, before or after items were handed over: the caller must act only on ERR_OK.
// `text` is the item's own JSON text, a view into `json`; `item` and `fault` are valid during the call. Depth and byte
// offsets count from the item. Codes of the call itself, beside those above: not_an_object, too_many_items. A member of
// that name which is no array stays in `out`, for the caller to refuse.
typedef enum err value_item_fn(void *context, size_t index, struct value item, struct bytes text,
                               const struct diag *fault);
enum err value_parse_batch(struct value_parser *parser, struct bytes json, struct bytes list_name, size_t items_max,
                           struct names *names, struct buffer *out, value_item_fn *item, void *context,
                           struct diag *diag);
