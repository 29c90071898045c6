// varint: whole numbers in as few bytes as they need, for rows that are kept by the million.
//
// Layer 0. Seven bits a byte, low bits first, the top bit set on all but the last byte (LEB128). Signed numbers go
// through zigzag, so that small negative ones stay small. Writers put bytes where the caller has made room; a reader
// checks every step against the end and remembers the first failure, so that a run of reads is checked once.
// Threads: no sharing without the caller's own lock.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

enum { VARINT_BYTES_MAX = 10 };

// Writes at `out`, which has room for VARINT_BYTES_MAX; returns the byte after the last one written.
static inline uint8_t *varint_put(uint8_t *out, uint64_t number) {
  while (number >= 0x80) {
    *out++ = (uint8_t)(number | 0x80);
    number >>= 7;
  }
  *out++ = (uint8_t)number;
  return out;
}

static inline uint64_t varint_zigzag(int64_t number) {
  return ((uint64_t)number << 1) ^ (number < 0 ? UINT64_MAX : 0);
}
static inline int64_t varint_unzigzag(uint64_t number) {
  return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}

static inline uint8_t *varint_put_signed(uint8_t *out, int64_t number) {
  return varint_put(out, varint_zigzag(number));
}

// `raw` as it is; the caller has made room.
static inline uint8_t *varint_put_raw(uint8_t *out, struct bytes raw) {
  if (raw.size_bytes > 0) memcpy(out, raw.data, raw.size_bytes);
  return out + raw.size_bytes;
}

// A number that is mostly of several bytes, in one step instead of one a byte: its groups of seven bits are moved apart
// in a word. Writes up to 8 bytes, or as many as varint_put, where the caller has made room for VARINT_BYTES_MAX.
static inline uint8_t *varint_put_wide(uint8_t *out, uint64_t number) {
  if (number >> 56 != 0) return varint_put(out, number);
  unsigned more = (63 - (unsigned)__builtin_clzll(number | 1)) / 7; // bytes behind the first
  number = (number & UINT64_C(0x00fffffff0000000)) << 4 | (number & UINT64_C(0x000000000fffffff));
  number = (number & UINT64_C(0x0fffc0000fffc000)) << 2 | (number & UINT64_C(0x00003fff00003fff));
  number = (number & UINT64_C(0x3f803f803f803f80)) << 1 | (number & UINT64_C(0x007f007f007f007f));
  number |= ((UINT64_C(1) << 8 * more) - 1) & UINT64_C(0x8080808080808080);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  number = __builtin_bswap64(number);
#endif
  memcpy(out, &number, sizeof number);
  return out + more + 1;
}

// Its size, then `raw`.
static inline uint8_t *varint_put_bytes(uint8_t *out, struct bytes raw) {
  return varint_put_raw(varint_put(out, raw.size_bytes), raw);
}

struct varint_reader {
  const uint8_t *at, *end;
  bool failed; // a read passed the end, or a number passed 64 bits; every later read gives 0
};

static inline struct varint_reader varint_reader_of(struct bytes bytes) {
  const uint8_t *end = bytes.size_bytes == 0 ? bytes.data : bytes.data + bytes.size_bytes;
  return (struct varint_reader){.at = bytes.data, .end = end};
}

static inline size_t varint_rest_bytes(const struct varint_reader *reader) {
  return (size_t)(reader->end - reader->at);
}

static inline uint64_t varint_fail(struct varint_reader *reader) {
  reader->failed = true;
  reader->at = reader->end;
  return 0;
}

static inline uint64_t varint_read(struct varint_reader *reader) {
  uint64_t number = 0;
  for (unsigned shift = 0; shift < 70 && reader->at < reader->end; shift += 7) {
    uint8_t byte = *reader->at++;
    if (shift == 63 && byte > 1) break;
    number |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return varint_fail(reader);
}

// The same, for a number that is mostly of several bytes: those of up to 8 are taken from a word in one step.
static inline uint64_t varint_read_wide(struct varint_reader *reader) {
  uint64_t word, ends;
  if (varint_rest_bytes(reader) < sizeof word) return varint_read(reader);
  memcpy(&word, reader->at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  ends = ~word & UINT64_C(0x8080808080808080);
  if (ends == 0) return varint_read(reader);
  reader->at += (unsigned)__builtin_ctzll(ends) / 8 + 1;
  word &= (ends ^ (ends - 1)) & UINT64_C(0x7f7f7f7f7f7f7f7f); // up to the first byte that is the last one
  word = (word & UINT64_C(0x7f007f007f007f00)) >> 1 | (word & UINT64_C(0x007f007f007f007f));
  word = (word & UINT64_C(0x3fff00003fff0000)) >> 2 | (word & UINT64_C(0x00003fff00003fff));
  return (word & UINT64_C(0x0fffffff00000000)) >> 4 | (word & UINT64_C(0x000000000fffffff));
}

static inline int64_t varint_read_signed(struct varint_reader *reader) {
  return varint_unzigzag(varint_read(reader));
}

// A number of at most `most`; a larger one is a failure.
static inline uint64_t varint_read_up_to(struct varint_reader *reader, uint64_t most) {
  uint64_t number = varint_read(reader);
  return number <= most ? number : varint_fail(reader);
}

static inline uint8_t varint_read_byte(struct varint_reader *reader) {
  return reader->at < reader->end ? *reader->at++ : (uint8_t)varint_fail(reader);
}

// A view of the next `size_bytes` bytes; the empty view on failure.
static inline struct bytes varint_read_raw(struct varint_reader *reader, size_t size_bytes) {
  if (size_bytes > varint_rest_bytes(reader)) {
    varint_fail(reader);
    return (struct bytes){reader->end, 0};
  }
  struct bytes raw = {reader->at, size_bytes};
  reader->at += size_bytes;
  return raw;
}

// What varint_put_bytes wrote.
static inline struct bytes varint_read_bytes(struct varint_reader *reader) {
  return varint_read_raw(reader, (size_t)varint_read_up_to(reader, SIZE_MAX));
}
