// value_pack: the bytes of a packed value, for those in value/ who write and walk them.
//
// Layer 1, private to value/. Everything here is inline: a packed document is written and skipped in these few
// functions. The format is described in value.h; a varint has seven bits a byte, low ones first.
#pragma once

#include <string.h>

#include "value/value.h"

enum pack_tag {
  PACK_NULL,
  PACK_FALSE,
  PACK_TRUE,
  PACK_INTEGER,
  PACK_DECIMAL,          // not negative
  PACK_DECIMAL_NEGATIVE, // negative, also -0
  PACK_TEXT,
  PACK_LIST,
  PACK_DOCUMENT,
  PACK_TAG_COUNT
};

enum {
  PACK_HEAD_BYTES = 5,    // tag and 32-bit size of a container
  PACK_VARINT_BYTES = 19, // of 128 bits
  PACK_NUMBER_BYTES = 1 + 10 + PACK_VARINT_BYTES,
};

static inline uint64_t pack_zigzag(int64_t number) {
  return (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
}
static inline int64_t pack_unzigzag(uint64_t code) {
  return (int64_t)(code >> 1 ^ (0 - (code & 1)));
}

static inline uint8_t *pack_varint(uint8_t *at, uint64_t number) {
  while (number >= 0x80) {
    *at++ = (uint8_t)(number | 0x80);
    number >>= 7;
  }
  *at++ = (uint8_t)number;
  return at;
}

static inline uint8_t *pack_varint_wide(uint8_t *at, decimal_coefficient number) {
  while (number > UINT64_MAX) {
    *at++ = (uint8_t)(number | 0x80);
    number >>= 7;
  }
  return pack_varint(at, (uint64_t)number);
}

static inline const uint8_t *pack_read_varint(const uint8_t *at, uint64_t *number) {
  uint64_t byte = *at++, sum = byte & 0x7f;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = *at++;
    sum |= (byte & 0x7f) << shift;
  }
  *number = sum;
  return at;
}

static inline const uint8_t *pack_read_varint_wide(const uint8_t *at, decimal_coefficient *number) {
  decimal_coefficient byte = *at++, sum = byte & 0x7f;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = *at++;
    sum |= (byte & 0x7f) << shift;
  }
  *number = sum;
  return at;
}

static inline const uint8_t *pack_skip_varint(const uint8_t *at) {
  while (*at++ >= 0x80) {
  }
  return at;
}

static inline void pack_size32(uint8_t *at, uint32_t size) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(size >> (8 * i));
}

static inline uint32_t pack_read_size32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// The first byte after the value at `at`. The bytes are trusted.
static inline const uint8_t *pack_skip(const uint8_t *at) {
  uint64_t size;
  switch (*at++) {
  case PACK_INTEGER:
    return pack_skip_varint(at);
  case PACK_DECIMAL:
  case PACK_DECIMAL_NEGATIVE:
    return pack_skip_varint(pack_skip_varint(at));
  case PACK_TEXT:
    at = pack_read_varint(at, &size);
    return at + size;
  case PACK_LIST:
  case PACK_DOCUMENT:
    return at + 4 + pack_read_size32(at);
  default:
    return at;
  }
}

// Writes a number to `at`, which has room for PACK_NUMBER_BYTES. Returns the first byte after it.
static inline uint8_t *pack_number(uint8_t *at, struct decimal number) {
  uint64_t most = (uint64_t)INT64_MAX + number.negative;
  bool negative_zero = number.negative && number.coefficient == 0;
  if (number.exponent == 0 && number.coefficient <= most && !negative_zero) {
    *at++ = PACK_INTEGER;
    uint64_t magnitude = (uint64_t)number.coefficient;
    return pack_varint(at, pack_zigzag((int64_t)(number.negative ? 0 - magnitude : magnitude)));
  }
  *at++ = number.negative ? PACK_DECIMAL_NEGATIVE : PACK_DECIMAL;
  at = pack_varint(at, pack_zigzag(number.exponent));
  return pack_varint_wide(at, number.coefficient);
}
