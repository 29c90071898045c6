// bytes: views compared and read; the buffer that doubles.
//
// Buffer invariant: size_bytes <= capacity_bytes; once `failed` is set every append is a no-op until buffer_clear,
// so the content is always a prefix of what was meant.
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { BUFFER_FIRST_BYTES = 64 };

struct bytes bytes_from_text(const char *text) {
  return text == NULL ? (struct bytes){NULL, 0} : bytes_of(text, strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b) {
  return a.size_bytes == b.size_bytes && (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

int bytes_compare(struct bytes a, struct bytes b) {
  size_t shorter = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
  int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
  if (order != 0) return order;
  return (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}

bool bytes_starts_with(struct bytes text, struct bytes prefix) {
  return text.size_bytes >= prefix.size_bytes && bytes_equal(bytes_of(text.data, prefix.size_bytes), prefix);
}

static uint8_t ascii_lower(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

bool bytes_equal_ascii_case(struct bytes a, struct bytes b) {
  if (a.size_bytes != b.size_bytes) return false;
  for (size_t i = 0; i < a.size_bytes; i++)
    if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) return false;
  return true;
}

static bool is_space(uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct bytes bytes_trim(struct bytes text) {
  size_t from = 0, to = text.size_bytes;
  while (from < to && is_space(text.data[from])) from++;
  while (to > from && is_space(text.data[to - 1])) to--;
  return from == to ? (struct bytes){text.data, 0} : bytes_of(text.data + from, to - from);
}

// The size of the well-formed sequence at `data` (lead byte >= 0x80), or 0. The bounds of the second byte are
// those of Unicode's table 3-7: they exclude overlong forms, surrogates and what lies past U+10FFFF.
static size_t utf8_sequence(const uint8_t *data, size_t rest_bytes) {
  uint8_t lead = data[0], low = 0x80, high = 0xbf;
  size_t size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (size == 0 || size > rest_bytes) return 0;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (data[1] < low || data[1] > high) return 0;
  for (size_t i = 2; i < size; i++)
    if ((data[i] & 0xc0) != 0x80) return 0;
  return size;
}

bool bytes_is_utf8(struct bytes text) {
  size_t at = 0;
  while (at < text.size_bytes) {
    uint64_t word;
    if (text.size_bytes - at >= sizeof word) {
      memcpy(&word, text.data + at, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        at += sizeof word;
        continue;
      }
    }
    size_t size = text.data[at] < 0x80 ? 1 : utf8_sequence(text.data + at, text.size_bytes - at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

enum err bytes_to_u64(struct bytes text, uint64_t *number) {
  if (text.size_bytes == 0) return ERR_INVALID;
  uint64_t sum = 0;
  for (size_t i = 0; i < text.size_bytes; i++) {
    uint8_t digit = (uint8_t)(text.data[i] - '0');
    if (digit > 9) return ERR_INVALID;
    if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, digit, &sum)) return ERR_INVALID;
  }
  *number = sum;
  return ERR_OK;
}

void bytes_to_hex(struct bytes in, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < in.size_bytes; i++) {
    *out++ = digits[in.data[i] >> 4];
    *out++ = digits[in.data[i] & 15];
  }
  *out = '\0';
}

static int hex_digit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  byte = ascii_lower(byte);
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

enum err bytes_from_hex(struct bytes text, uint8_t *out, size_t size_bytes) {
  if (text.size_bytes % 2 != 0 || text.size_bytes / 2 != size_bytes) return ERR_INVALID;
  for (size_t i = 0; i < size_bytes; i++) {
    int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
    if (high < 0 || low < 0) return ERR_INVALID;
    out[i] = (uint8_t)(high << 4 | low);
  }
  return ERR_OK;
}

void buffer_init(struct buffer *buffer) {
  *buffer = (struct buffer){0};
}

void buffer_release(struct buffer *buffer) {
  alloc_free(buffer->data);
  buffer_init(buffer);
}

void buffer_clear(struct buffer *buffer) {
  buffer->size_bytes = 0;
  buffer->failed = false;
}

bool buffer_reserve(struct buffer *buffer, size_t extra_bytes) {
  if (buffer->failed) return false;
  if (extra_bytes <= buffer->capacity_bytes - buffer->size_bytes) return true;
  if (extra_bytes > SIZE_MAX / 4 - buffer->size_bytes) return !(buffer->failed = true);
  size_t capacity = buffer->capacity_bytes < BUFFER_FIRST_BYTES ? BUFFER_FIRST_BYTES : buffer->capacity_bytes * 2;
  while (capacity - buffer->size_bytes < extra_bytes) capacity *= 2;
  uint8_t *data = alloc_resize(buffer->data, capacity);
  if (data == NULL) return !(buffer->failed = true);
  buffer->data = data;
  buffer->capacity_bytes = capacity;
  return true;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size_bytes) {
  if (size_bytes == 0 || !buffer_reserve(buffer, size_bytes)) return;
  memcpy(buffer->data + buffer->size_bytes, data, size_bytes);
  buffer->size_bytes += size_bytes;
}

void buffer_append_bytes(struct buffer *buffer, struct bytes view) {
  buffer_append(buffer, view.data, view.size_bytes);
}

void buffer_append_text(struct buffer *buffer, const char *text) {
  buffer_append(buffer, text, strlen(text));
}

void buffer_append_byte(struct buffer *buffer, uint8_t byte) {
  if (!buffer_reserve(buffer, 1)) return;
  buffer->data[buffer->size_bytes++] = byte;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) buffer->failed = true;
  // vsnprintf writes a NUL too; it lies past the content.
  if (length >= 0 && buffer_reserve(buffer, (size_t)length + 1)) {
    vsnprintf((char *)buffer->data + buffer->size_bytes, (size_t)length + 1, format, again);
    buffer->size_bytes += (size_t)length;
  }
  va_end(again);
}
