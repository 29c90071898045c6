// report_zip: a part of a workbook, out of its archive.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"

static inline uint32_t zip_read(const uint8_t *at, unsigned bytes) {
  uint32_t number = 0;
  for (unsigned i = bytes; i > 0; i--) number = number << 8 | at[i - 1];
  return number;
}

static inline char *zip_inflate(const uint8_t *data, uint32_t packed, uint32_t size, uint32_t method) {
  char *text = calloc(size + 1, 1);
  if (method == 0) {
    memcpy(text, data, size);
    return text;
  }
  z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = packed};
  stream.next_out = (Bytef *)text;
  stream.avail_out = size;
  assert_int_equal(inflateInit2(&stream, -MAX_WBITS), Z_OK);
  assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
  inflateEnd(&stream);
  return text;
}

// The part's text, freed by the caller; NULL when there is none of this name.
static inline char *zip_part(struct bytes archive, const char *name) {
  size_t end = archive.size_bytes;
  while (end > 22 && memcmp(archive.data + end - 22, "PK\5\6", 4) != 0) end--;
  assert_true(end > 22);
  const uint8_t *directory = archive.data + end - 22;
  const uint8_t *entry = archive.data + zip_read(directory + 16, 4);
  for (uint32_t i = zip_read(directory + 10, 2); i > 0; i--) {
    assert_memory_equal(entry, "PK\1\2", 4);
    uint32_t size = zip_read(entry + 28, 2);
    const uint8_t *local = archive.data + zip_read(entry + 42, 4);
    if (size == strlen(name) && memcmp(entry + 46, name, size) == 0)
      return zip_inflate(local + 30 + zip_read(local + 26, 2) + zip_read(local + 28, 2), zip_read(entry + 20, 4),
                         zip_read(entry + 24, 4), zip_read(entry + 10, 2));
    entry += 46 + size + zip_read(entry + 30, 2) + zip_read(entry + 32, 2);
  }
  return NULL;
}
