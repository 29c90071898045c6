// key: numbers and text as bytes whose memcmp order is their own order.
//
// Layer 1. Every key of the store is made of these parts, so that a range of keys is a range of meanings.
#pragma once

#include <string.h>

#include "base/bytes.h"

enum { KEY_BYTES_MAX = 1024 };

// A key being put together on the stack. Passing KEY_BYTES_MAX is a bug (asserted): parts are limited before.
struct key {
  size_t size_bytes;
  uint8_t data[KEY_BYTES_MAX];
};

static inline struct bytes key_view(const struct key *key) {
  return (struct bytes){key->data, key->size_bytes};
}
static inline void key_init(struct key *key) {
  key->size_bytes = 0;
}
void key_put_u8(struct key *key, uint8_t number);
void key_put_u32(struct key *key, uint32_t number);    // big endian
void key_put_u64(struct key *key, uint64_t number);    // big endian
void key_put_i64(struct key *key, int64_t number);     // big endian, sign bit flipped
void key_put_raw(struct key *key, struct bytes raw);   // only as the last part, or of fixed size
void key_put_text(struct key *key, struct bytes text); // then a 0 byte; `text` must hold none

uint32_t key_read_u32(const uint8_t *data);
uint64_t key_read_u64(const uint8_t *data);
int64_t key_read_i64(const uint8_t *data);

// Makes `key` the first key after all that begin with it. False when there is none (all bytes 0xff).
bool key_to_range_end(struct key *key);
