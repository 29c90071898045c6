// paths_hash: eight bytes at a time, for tables that are made and thrown away. Not stored anywhere.
//
// Layer 5. A multiplication of 64 by 64 bits folded onto itself mixes every bit of its factors (as wyhash does).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t paths_hash_mix(uint64_t a, uint64_t b) {
  __extension__ unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t paths_hash(const void *data, size_t size_bytes) {
  const uint8_t *at = data;
  const uint64_t a = UINT64_C(0xa0761d6478bd642f), b = UINT64_C(0xe7037ed1a0b428db);
  uint64_t hash = size_bytes ^ b, first = 0, second = 0;
  for (; size_bytes > 16; at += 16, size_bytes -= 16) {
    memcpy(&first, at, 8);
    memcpy(&second, at + 8, 8);
    hash = paths_hash_mix(first ^ a, second ^ hash);
  }
  if (size_bytes >= 8) {
    memcpy(&first, at, 8);
    memcpy(&second, at + size_bytes - 8, 8);
  } else if (size_bytes >= 4) {
    uint32_t low, high;
    memcpy(&low, at, 4);
    memcpy(&high, at + size_bytes - 4, 4);
    first = low, second = high;
  } else if (size_bytes > 0) {
    first = (uint64_t)at[0] << 16 | (uint64_t)at[size_bytes / 2] << 8 | at[size_bytes - 1];
    second = 0;
  }
  return paths_hash_mix(first ^ a, second ^ hash);
}
