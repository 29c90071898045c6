// json_writer: runs of plain bytes are copied whole; only what must be escaped is looked at singly.
//
// Invariant: between calls the buffer holds a prefix of one JSON text; a comma is written before an item, never
// after one, so that no end has to take it back.
#include "base/json_writer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/real.h"

enum { NUMBER_TEXT_BYTES = 20 };

void json_writer_init(struct json_writer *writer, struct buffer *out) {
  *writer = (struct json_writer){.out = out};
}

// The comma before an item, unless it is the value of a name.
static void begin_item(struct json_writer *writer) {
  if (writer->after_name) {
    writer->after_name = false;
    return;
  }
  if (writer->has_items[writer->depth]) buffer_append_byte(writer->out, ',');
  writer->has_items[writer->depth] = true;
}

static void begin_container(struct json_writer *writer, uint8_t bracket) {
  begin_item(writer);
  buffer_append_byte(writer->out, bracket);
  assert(writer->depth + 1 < JSON_WRITER_DEPTH_MAX);
  writer->has_items[++writer->depth] = false;
}

static void end_container(struct json_writer *writer, uint8_t bracket) {
  assert(writer->depth > 0 && !writer->after_name);
  writer->depth--;
  buffer_append_byte(writer->out, bracket);
}

void json_object_begin(struct json_writer *writer) {
  begin_container(writer, '{');
}
void json_object_end(struct json_writer *writer) {
  end_container(writer, '}');
}
void json_array_begin(struct json_writer *writer) {
  begin_container(writer, '[');
}
void json_array_end(struct json_writer *writer) {
  end_container(writer, ']');
}

static void append_escape(struct buffer *out, uint8_t byte) {
  static const char hex[] = "0123456789abcdef";
  static const char letters[] = {
      ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
  if (letters[byte] != 0) {
    buffer_append(out, (const char[]){'\\', letters[byte]}, 2);
  } else {
    buffer_append(out, (const char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
  }
}

static bool must_escape(uint8_t byte) {
  return byte < 0x20 || byte == '"' || byte == '\\';
}

static void append_escaped(struct buffer *out, struct bytes text) {
  size_t from = 0;
  for (size_t at = 0; at < text.size_bytes; at++) {
    if (!must_escape(text.data[at])) continue;
    buffer_append(out, text.data + from, at - from);
    append_escape(out, text.data[at]);
    from = at + 1;
  }
  buffer_append(out, text.data + from, text.size_bytes - from);
}

// Text that is not UTF-8: each byte that begins no well-formed character becomes U+FFFD.
static void append_repaired(struct buffer *out, struct bytes text) {
  size_t at = 0;
  while (at < text.size_bytes) {
    size_t size = 1, most = text.size_bytes - at < 4 ? text.size_bytes - at : 4;
    while (size <= most && !bytes_is_utf8(bytes_of(text.data + at, size))) size++;
    if (size <= most) {
      append_escaped(out, bytes_of(text.data + at, size));
      at += size;
    } else {
      buffer_append_text(out, "\xef\xbf\xbd");
      at++;
    }
  }
}

// Neither to be escaped nor beyond ASCII: nearly all text. Eight at a time; a borrow may make a byte above one that is
// not plain look like it, never the other way round.
static bool is_plain(struct bytes text) {
  const uint64_t ones = 0x0101010101010101u, high = ones << 7;
  size_t at = 0;
  for (uint64_t word; text.size_bytes - at >= sizeof word; at += sizeof word) {
    memcpy(&word, text.data + at, sizeof word);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t found = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
    if (((found | word) & high) != 0) return false;
  }
  for (; at < text.size_bytes; at++)
    if (text.data[at] >= 0x80 || must_escape(text.data[at])) return false;
  return true;
}

static void append_plain(struct buffer *out, struct bytes text) {
  if (!buffer_reserve(out, text.size_bytes + 2)) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = '"';
  if (text.size_bytes > 0) memcpy(at, text.data, text.size_bytes);
  at[text.size_bytes] = '"';
  out->size_bytes += text.size_bytes + 2;
}

static void append_quoted(struct buffer *out, struct bytes text) {
  if (is_plain(text)) {
    append_plain(out, text);
    return;
  }
  buffer_append_byte(out, '"');
  if (bytes_is_utf8(text)) {
    append_escaped(out, text);
  } else {
    append_repaired(out, text);
  }
  buffer_append_byte(out, '"');
}

void json_name(struct json_writer *writer, const char *name) {
  json_name_bytes(writer, bytes_from_text(name));
}

void json_name_bytes(struct json_writer *writer, struct bytes name) {
  assert(writer->depth > 0 && !writer->after_name);
  begin_item(writer);
  append_quoted(writer->out, name);
  buffer_append_byte(writer->out, ':');
  writer->after_name = true;
}

void json_text(struct json_writer *writer, const char *text) {
  json_bytes(writer, bytes_from_text(text));
}

void json_bytes(struct json_writer *writer, struct bytes text) {
  begin_item(writer);
  append_quoted(writer->out, text);
}

static void append_number(struct buffer *out, uint64_t number, bool negative) {
  char digits[NUMBER_TEXT_BYTES + 1];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  if (negative) digits[--at] = '-';
  buffer_append(out, digits + at, sizeof digits - at);
}

void json_i64(struct json_writer *writer, int64_t number) {
  begin_item(writer);
  append_number(writer->out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0);
}

void json_u64(struct json_writer *writer, uint64_t number) {
  begin_item(writer);
  append_number(writer->out, number, false);
}

void json_real(struct json_writer *writer, double number) {
  char text[REAL_TEXT_BYTES];
  if (isfinite(number))
    json_raw(writer, bytes_of(text, real_write(text, number)));
  else
    json_null(writer);
}

void json_bool(struct json_writer *writer, bool value) {
  json_raw(writer, value ? BYTES("true") : BYTES("false"));
}

void json_null(struct json_writer *writer) {
  json_raw(writer, BYTES("null"));
}

void json_time(struct json_writer *writer, int64_t time_us) {
  char text[CLOCK_TEXT_BYTES];
  clock_format(time_us, text);
  json_text(writer, text);
}

void json_raw(struct json_writer *writer, struct bytes json) {
  begin_item(writer);
  buffer_append_bytes(writer->out, json);
}

void json_member_text(struct json_writer *writer, const char *name, const char *text) {
  json_name(writer, name);
  json_text(writer, text);
}

void json_member_bytes(struct json_writer *writer, const char *name, struct bytes text) {
  json_name(writer, name);
  json_bytes(writer, text);
}

void json_member_i64(struct json_writer *writer, const char *name, int64_t number) {
  json_name(writer, name);
  json_i64(writer, number);
}

void json_member_scaled(struct json_writer *writer, const char *name, int64_t number, int scale) {
  char text[NUMBER_TEXT_BYTES + 3];
  uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
  size_t at = sizeof text;
  assert(scale >= 0 && scale < NUMBER_TEXT_BYTES);
  for (int i = 0; i < scale; i++, rest /= 10) text[--at] = (char)('0' + rest % 10);
  if (scale > 0) text[--at] = '.';
  do {
    text[--at] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (number < 0) text[--at] = '-';
  json_name(writer, name);
  json_raw(writer, bytes_of(text + at, sizeof text - at));
}

void json_member_u64(struct json_writer *writer, const char *name, uint64_t number) {
  json_name(writer, name);
  json_u64(writer, number);
}

void json_member_real(struct json_writer *writer, const char *name, double number) {
  json_name(writer, name);
  json_real(writer, number);
}

void json_member_bool(struct json_writer *writer, const char *name, bool value) {
  json_name(writer, name);
  json_bool(writer, value);
}

void json_member_time(struct json_writer *writer, const char *name, int64_t time_us) {
  json_name(writer, name);
  json_time(writer, time_us);
}
