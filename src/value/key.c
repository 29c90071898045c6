// key: fixed-width parts, most significant byte first, so that memcmp compares numbers as numbers.
//
// A signed number has its sign bit flipped: the negative half then sorts before the positive one. Text ends in a 0
// byte, which sorts before every byte text may hold, so that "ab" comes before "abc" whatever part follows.
#include "value/key.h"

#include <assert.h>

static void put(struct key *key, const void *data, size_t size_bytes) {
  assert(size_bytes <= KEY_BYTES_MAX - key->size_bytes);
  if (size_bytes > 0) memcpy(key->data + key->size_bytes, data, size_bytes);
  key->size_bytes += size_bytes;
}

void key_put_u8(struct key *key, uint8_t number) {
  put(key, &number, 1);
}

void key_put_u32(struct key *key, uint32_t number) {
  uint8_t big[4];
  for (int i = 0; i < 4; i++) big[i] = (uint8_t)(number >> (24 - 8 * i));
  put(key, big, sizeof big);
}

void key_put_u64(struct key *key, uint64_t number) {
  uint8_t big[8];
  for (int i = 0; i < 8; i++) big[i] = (uint8_t)(number >> (56 - 8 * i));
  put(key, big, sizeof big);
}

void key_put_i64(struct key *key, int64_t number) {
  key_put_u64(key, (uint64_t)number ^ (uint64_t)1 << 63);
}

void key_put_raw(struct key *key, struct bytes raw) {
  put(key, raw.data, raw.size_bytes);
}

void key_put_text(struct key *key, struct bytes text) {
  assert(text.size_bytes == 0 || memchr(text.data, 0, text.size_bytes) == NULL);
  put(key, text.data, text.size_bytes);
  key_put_u8(key, 0);
}

uint32_t key_read_u32(const uint8_t *data) {
  return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

uint64_t key_read_u64(const uint8_t *data) {
  return (uint64_t)key_read_u32(data) << 32 | key_read_u32(data + 4);
}

int64_t key_read_i64(const uint8_t *data) {
  return (int64_t)(key_read_u64(data) ^ (uint64_t)1 << 63);
}

bool key_to_range_end(struct key *key) {
  while (key->size_bytes > 0 && key->data[key->size_bytes - 1] == 0xff) key->size_bytes--;
  if (key->size_bytes == 0) return false;
  key->data[key->size_bytes - 1]++;
  return true;
}
