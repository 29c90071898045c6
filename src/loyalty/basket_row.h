// basket_row: how the rows of orders, codes and redemptions are put together.
//
// Layer 5, private to loyalty/. A row begins with its format. Numbers are varints, signed ones through zigzag; a text
// is its size and its bytes; instants count from one that the row has in full, so that equal ones are one byte.
#pragma once

#include "base/varint.h"

static inline void row_put(struct buffer *out, uint64_t number) {
  if (!buffer_reserve(out, VARINT_BYTES_MAX)) return;
  out->size_bytes = (size_t)(varint_put(out->data + out->size_bytes, number) - out->data);
}

static inline void row_put_signed(struct buffer *out, int64_t number) {
  row_put(out, varint_zigzag(number));
}

static inline void row_put_bytes(struct buffer *out, struct bytes bytes) {
  row_put(out, bytes.size_bytes);
  buffer_append_bytes(out, bytes);
}

// From `base_us`; the difference wraps, so that the ends of time fit.
static inline void row_put_instant(struct buffer *out, int64_t base_us, int64_t time_us) {
  row_put_signed(out, (int64_t)((uint64_t)time_us - (uint64_t)base_us));
}

static inline int64_t row_read_instant(struct varint_reader *reader, int64_t base_us) {
  return (int64_t)((uint64_t)varint_read_signed(reader) + (uint64_t)base_us);
}

// An amount that is not below zero.
static inline int64_t row_read_amount(struct varint_reader *reader, int64_t most) {
  return (int64_t)varint_read_up_to(reader, (uint64_t)most);
}

static inline uint32_t row_read_u32(struct varint_reader *reader) {
  return (uint32_t)varint_read_up_to(reader, UINT32_MAX);
}

// The number of items that follow, each of at least `item_bytes`: bounded by the row before memory is taken for them.
static inline size_t row_read_count(struct varint_reader *reader, size_t item_bytes) {
  return (size_t)varint_read_up_to(reader, varint_rest_bytes(reader) / item_bytes);
}
