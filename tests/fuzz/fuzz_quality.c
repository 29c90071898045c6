// Fuzz target: every function of quality/ on arbitrary bytes.
//
// The first byte chooses a region or none; the rest is the text. Checked: an accepted value is accepted again and stays
// byte for byte the same; a refused one is empty; a fold folds to itself; a distance is symmetric and zero to itself.
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "quality/quality.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void check_email(struct bytes text, struct arena *arena) {
  struct bytes once;
  struct bytes twice;
  enum quality_reason reason;
  assert(quality_email(text, arena, &once, &reason) == ERR_OK);
  assert((reason == QUALITY_OK) == (once.size_bytes > 0));
  assert(once.size_bytes <= 254);
  if (reason != QUALITY_OK) return;
  assert(quality_email(once, arena, &twice, &reason) == ERR_OK);
  assert(reason == QUALITY_OK && bytes_equal(once, twice));
}

static void check_identifier(struct bytes text, struct arena *arena) {
  struct bytes once;
  struct bytes twice;
  enum quality_reason reason;
  assert(quality_identifier(text, arena, &once, &reason) == ERR_OK);
  assert((reason == QUALITY_OK) == (once.size_bytes > 0));
  assert(once.size_bytes <= LIMIT_IDENTIFIER_BYTES);
  if (reason != QUALITY_OK) return;
  assert(quality_identifier(once, arena, &twice, &reason) == ERR_OK);
  assert(reason == QUALITY_OK && bytes_equal(once, twice));
}

static void check_phone(struct quality_phones *phones, struct bytes text, struct bytes region, struct arena *arena) {
  struct bytes once;
  struct bytes twice;
  enum quality_reason reason;
  assert(quality_phone(phones, text, region, arena, &once, &reason) == ERR_OK);
  assert((reason == QUALITY_OK) == (once.size_bytes > 0));
  if (reason != QUALITY_OK) return;
  assert(quality_phone(phones, once, BYTES(""), arena, &twice, &reason) == ERR_OK);
  assert(reason == QUALITY_OK && bytes_equal(once, twice));
  assert(quality_phone(phones, once, region, arena, &twice, &reason) == ERR_OK);
  assert(reason == QUALITY_OK && bytes_equal(once, twice));
}

static void check_fold(struct bytes text, struct arena *arena) {
  struct bytes once;
  struct bytes twice;
  struct bytes words[4];
  enum err err = quality_fold(text, arena, &once);
  assert(err == (bytes_is_utf8(text) ? ERR_OK : ERR_INVALID));
  if (err != ERR_OK) return;
  assert(quality_fold(once, arena, &twice) == ERR_OK && bytes_equal(once, twice));
  size_t count = quality_words(once, words, 4);
  for (size_t i = 0; i + 1 < count; i++) {
    int distance = quality_distance(words[i], words[i + 1], 3);
    assert(distance >= 0 && distance <= 4);
    assert(distance == quality_distance(words[i + 1], words[i], 3));
    assert(words[i].size_bytes > 64 || quality_distance(words[i], words[i], 0) == 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  static const struct bytes REGIONS[] = {BYTES_INIT(""),   BYTES_INIT("FR"), BYTES_INIT("US"), BYTES_INIT("IT"),
                                         BYTES_INIT("AR"), BYTES_INIT("BR"), BYTES_INIT("MX"), BYTES_INIT("zz")};
  struct arena arena;
  struct quality_phones *phones = NULL;
  if (size_bytes == 0) return 0;
  struct bytes text = bytes_of(data + 1, size_bytes - 1);
  arena_init(&arena, 0);
  assert(quality_phones_open(&phones, 16) == ERR_OK);
  check_email(text, &arena);
  check_identifier(text, &arena);
  check_phone(phones, text, REGIONS[data[0] % 8], &arena);
  check_fold(text, &arena);
  int date = quality_birth_date(text);
  assert(date == 0 || (date >= 18000101 && date <= 21991231));
  quality_distance(text, text, 2);
  quality_phones_close(phones);
  arena_release(&arena);
  return 0;
}
