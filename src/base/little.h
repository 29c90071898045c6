// little: whole numbers as little-endian bytes, for rows whose columns have fixed widths.
//
// Layer 0. No place needs an alignment, and the machine's own byte order does not matter. Widths are in bytes, from 0
// to LITTLE_BYTES_MAX. Everything is one or two instructions where the width is known: rows are read and written by the
// million. Threads: no sharing without the caller's own lock.
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { LITTLE_BYTES_MAX = 8 };

// Each reads as many bytes as its name has bits.
static inline uint16_t little_read_16(const uint8_t *at) {
  uint16_t number;
  memcpy(&number, at, sizeof number);
  return le16toh(number);
}
static inline uint32_t little_read_32(const uint8_t *at) {
  uint32_t number;
  memcpy(&number, at, sizeof number);
  return le32toh(number);
}
static inline uint64_t little_read_64(const uint8_t *at) {
  uint64_t number;
  memcpy(&number, at, sizeof number);
  return le64toh(number);
}

// Writes the low `width` bytes at `at`, where the caller has made room; returns the byte after them.
static inline uint8_t *little_put(uint8_t *at, uint64_t number, unsigned width) {
  number = htole64(number);
  memcpy(at, &number, width);
  return at + width;
}

// The least width that keeps `number`: 0 for 0.
static inline unsigned little_width(uint64_t number) {
  unsigned width = 0;
  for (; number > 0; number >>= 8) width++;
  return width;
}

// A number of `width` bytes is little_read_64 & little_mask(width), which reads eight bytes all the same.
static inline uint64_t little_mask(unsigned width) {
  return width == LITTLE_BYTES_MAX ? UINT64_MAX : ((uint64_t)1 << (8 * width)) - 1;
}
