// utf8proc without its allocating calls: text is decomposed into the caller's scratch, changed there code point by
// code point, and composed and encoded in place.
//
// Letters are made lower case while decomposed: then İ is I and a dot above, its lower case needs no rule of its own,
// and composing last makes the result NFC whatever the mapping did.
#include "quality/quality_unicode.h"

#include <assert.h>
#include <utf8proc.h>

// The code point that ends right before `end`; its size by *size_bytes. Malformed bytes stand for themselves.
static int32_t last_code(struct bytes text, size_t *size_bytes) {
  size_t start = text.size_bytes - 1;
  while (start > 0 && text.size_bytes - start < 4 && (text.data[start] & 0xc0) == 0x80) start--;
  int32_t code = -1;
  utf8proc_ssize_t size = utf8proc_iterate(text.data + start, (utf8proc_ssize_t)(text.size_bytes - start), &code);
  bool whole = size > 0 && (size_t)size == text.size_bytes - start;
  *size_bytes = whole ? (size_t)size : 1;
  return whole ? code : -1;
}

static bool is_space(int32_t code) {
  if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
  utf8proc_category_t category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

struct bytes quality_unicode_trim(struct bytes text) {
  while (text.size_bytes > 0) {
    int32_t code = text.data[0];
    utf8proc_ssize_t size = 1;
    if (code >= 0x80) size = utf8proc_iterate(text.data, (utf8proc_ssize_t)text.size_bytes, &code);
    if (size <= 0 || !is_space(code)) break;
    text = bytes_of(text.data + size, text.size_bytes - (size_t)size);
  }
  while (text.size_bytes > 0) {
    size_t size = 1;
    int32_t code = text.data[text.size_bytes - 1];
    if (code >= 0x80) code = last_code(text, &size);
    if (code < 0 || !is_space(code)) break;
    text.size_bytes -= size;
  }
  return text;
}

bool quality_unicode_is_ascii(struct bytes text) {
  uint8_t all = 0;
  for (size_t i = 0; i < text.size_bytes; i++) all |= text.data[i];
  return all < 0x80;
}

bool quality_unicode_has_control(struct bytes text) {
  for (size_t at = 0; at < text.size_bytes;) {
    int32_t code = text.data[at];
    if (code < 0x80) {
      if (code < 0x20 || code == 0x7f) return true;
      at++;
      continue;
    }
    utf8proc_ssize_t size = utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size_bytes - at), &code);
    assert(size > 0);
    utf8proc_category_t category = utf8proc_category(code);
    if (category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF) return true;
    at += (size_t)size;
  }
  return false;
}

struct bytes quality_unicode_compose(struct bytes text, bool lower, struct quality_scratch *scratch) {
  assert(text.size_bytes <= QUALITY_RAW_BYTES_MAX);
  utf8proc_ssize_t count = utf8proc_decompose(text.data, (utf8proc_ssize_t)text.size_bytes, scratch->codes,
                                              QUALITY_SCRATCH_CODES - 1, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
  assert(count >= 0 && count < QUALITY_SCRATCH_CODES);
  if (lower) {
    for (utf8proc_ssize_t i = 0; i < count; i++) scratch->codes[i] = utf8proc_tolower(scratch->codes[i]);
  }
  utf8proc_ssize_t size = utf8proc_reencode(scratch->codes, count, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  assert(size >= 0);
  return bytes_of(scratch->codes, (size_t)size);
}
