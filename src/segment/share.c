// share: who is in which part of a segment, from a hash alone.
//
// SipHash-2-4 of (what for, customer, id of the segment) with a fixed key: the answer needs no memory, never changes
// and is the same on every machine. What is told apart by `what for` is independent: a control group that grows keeps
// those who are in it, and those outside keep their variant. The key is no secret and must never change.
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "segment/definition.h"

enum purpose { PURPOSE_CONTROL = 1, PURPOSE_VARIANT, PURPOSE_RANDOM };

static uint64_t hash_of(enum purpose purpose, struct bytes id, uint64_t customer) {
  static const uint8_t KEY[crypto_shorthash_KEYBYTES] = "rapport segments";
  _Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "a hash is one number");
  uint8_t text[1 + sizeof customer + SEGMENT_ID_BYTES] = {(uint8_t)purpose};
  size_t size = 1;
  for (int shift = 56; shift >= 0; shift -= 8) text[size++] = (uint8_t)(customer >> shift);
  assert(id.size_bytes <= SEGMENT_ID_BYTES);
  if (id.size_bytes > 0) memcpy(text + size, id.data, id.size_bytes);
  uint8_t hash[crypto_shorthash_BYTES];
  crypto_shorthash(hash, text, size + id.size_bytes, KEY);
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof hash; i++) number = number << 8 | hash[i];
  return number;
}

// Evenly over [0, SEGMENT_SHARE_UNIT).
static uint32_t place_of(enum purpose purpose, struct bytes id, uint64_t customer) {
  __extension__ typedef unsigned __int128 wide;
  return (uint32_t)(((wide)hash_of(purpose, id, customer) * SEGMENT_SHARE_UNIT) >> 64);
}

int segment_variant_of(const struct segment_definition *definition, uint64_t customer) {
  if (definition->control > 0 && place_of(PURPOSE_CONTROL, definition->id, customer) < definition->control) return -1;
  if (definition->variant_count == 0) return SEGMENT_VARIANTS_MAX;
  uint32_t place = place_of(PURPOSE_VARIANT, definition->id, customer), end = 0;
  for (size_t i = 0; i < definition->variant_count; i++) {
    end += definition->variants[i].share;
    if (place < end) return (int)i;
  }
  return SEGMENT_VARIANTS_MAX;
}

uint64_t segment_random_of(struct bytes id, uint64_t customer) {
  return hash_of(PURPOSE_RANDOM, id, customer);
}
