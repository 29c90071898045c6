// bytes: a borrowed run of bytes, and the growing buffer that makes them.
//
// Layer 0. `struct bytes` never owns: it is a view that lives as long as what it points into. Text is UTF-8
// and not NUL-terminated. `struct buffer` owns its memory between buffer_init and buffer_release.
// Threads: no sharing without the caller's own lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bytes {
  const uint8_t *data; // may be NULL only when size is 0
  size_t size_bytes;
};

// A view of a string literal; its length is computed at compile time.
#define BYTES(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

// The same for a static initialiser, where a compound literal is not allowed.
#define BYTES_INIT(literal)                                                                                            \
  { (const uint8_t *)(literal), sizeof(literal) - 1 }

// printf helpers: printf("%.*s", BYTES_ARG(text)).
#define BYTES_ARG(view) (int)(view).size_bytes, (const char *)(view).data

// A view of a NUL-terminated string (NULL gives the empty view).
struct bytes bytes_from_text(const char *text);

// A view of `size_bytes` bytes at `data`.
static inline struct bytes bytes_of(const void *data, size_t size_bytes) {
  struct bytes view = {(const uint8_t *)data, size_bytes}; // no compound literal: C++ reads this header too
  return view;
}

// True when both hold the same bytes.
bool bytes_equal(struct bytes a, struct bytes b);

// memcmp order, the shorter first among equals: negative, 0 or positive.
int bytes_compare(struct bytes a, struct bytes b);

// True when `text` begins with `prefix`.
bool bytes_starts_with(struct bytes text, struct bytes prefix);

// ASCII-only, case-blind equality (HTTP header names, schemes).
bool bytes_equal_ascii_case(struct bytes a, struct bytes b);

// `text` without leading and trailing ASCII white space.
struct bytes bytes_trim(struct bytes text);

// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
bool bytes_is_utf8(struct bytes text);

// Parses the whole of `text` as an unsigned decimal number. ERR_INVALID on anything else or on overflow.
enum err bytes_to_u64(struct bytes text, uint64_t *number);

// Writes `in` as lower-case hexadecimal to `out`, which has room for 2 * size + 1 bytes (NUL added).
void bytes_to_hex(struct bytes in, char *out);

// Reads exactly `size_bytes` bytes from hexadecimal `text`. ERR_INVALID when the length or a digit is wrong.
enum err bytes_from_hex(struct bytes text, uint8_t *out, size_t size_bytes);

struct buffer {
  uint8_t *data;
  size_t size_bytes;
  size_t capacity_bytes;
  bool failed; // an append ran out of memory: the content is short; checked once, at the end
};

void buffer_init(struct buffer *buffer);
void buffer_release(struct buffer *buffer);

// Forgets the content and the failure, keeps the memory.
void buffer_clear(struct buffer *buffer);

// Makes room for `extra_bytes` more. False (and `failed`) when memory is short.
bool buffer_reserve(struct buffer *buffer, size_t extra_bytes);

// Appends; on short memory sets `failed` and does nothing, so that a run of appends is checked once.
void buffer_append(struct buffer *buffer, const void *data, size_t size_bytes);
void buffer_append_bytes(struct buffer *buffer, struct bytes view);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, uint8_t byte);
void buffer_append_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A view of the content. Valid until the next append or release.
static inline struct bytes buffer_view(const struct buffer *buffer) {
  return bytes_of(buffer->data, buffer->size_bytes);
}
