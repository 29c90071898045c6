// given: one rule for each kind of plain value, so that every document of the product refuses the same things in the
// same words.
#include "value/given.h"

#include <string.h>

static enum err wrong_type(struct diag *diag, const char *expected) {
  return diag_set(diag, ERR_INVALID, "wrong_type", "expected %s", expected);
}

enum err given_text(struct value value, size_t most_bytes, struct bytes *text, struct diag *diag) {
  if (!value_as_text(value, text) || text->size_bytes == 0) return wrong_type(diag, "a text that is not empty");
  if (text->size_bytes > most_bytes)
    return diag_set(diag, ERR_LIMIT, "too_long", "expected at most %zu bytes, found %zu", most_bytes, text->size_bytes);
  if (memchr(text->data, 0, text->size_bytes) != NULL)
    return diag_set(diag, ERR_INVALID, "bad_text", "expected a text without a zero character");
  return ERR_OK;
}

enum err given_whole(struct value value, int64_t least, int64_t most, int64_t *number, struct diag *diag) {
  struct decimal exact;
  int64_t whole;
  if (!value_as_number(value, &exact)) return wrong_type(diag, "a whole number");
  if (decimal_to_scaled_i64(exact, 0, &whole) != ERR_OK || whole < least || whole > most)
    return diag_set(diag, ERR_INVALID, "out_of_range", "expected a whole number from %lld to %lld", (long long)least,
                    (long long)most);
  *number = whole;
  return ERR_OK;
}

enum err given_share(struct value value, int digits, uint32_t *parts, struct diag *diag) {
  struct decimal exact;
  int64_t scaled;
  if (!value_as_number(value, &exact)) return wrong_type(diag, "a number from 0 to 1");
  if (decimal_to_scaled_i64(exact, digits, &scaled) != ERR_OK || scaled < 0 ||
      scaled > (int64_t)decimal_powers_of_ten[digits])
    return diag_set(diag, ERR_INVALID, "out_of_range",
                    "expected a number from 0 to 1 with at most %d digits after the point", digits);
  *parts = (uint32_t)scaled;
  return ERR_OK;
}

static bool is_letter(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

bool given_id_is_good(struct bytes id, size_t most_bytes) {
  if (id.size_bytes == 0 || id.size_bytes > most_bytes || !is_letter(id.data[0])) return false;
  for (size_t i = 1; i < id.size_bytes; i++) {
    uint8_t byte = id.data[i];
    if (!is_letter(byte) && !(byte >= '0' && byte <= '9') && byte != '_' && byte != '-') return false;
  }
  return true;
}

bool given_word_find(struct bytes word, const char *const *words, size_t count, size_t *position) {
  for (*position = 0; *position < count; ++*position)
    if (words[*position] != NULL && bytes_equal(word, bytes_from_text(words[*position]))) return true;
  return false;
}

size_t given_item_count(struct value container) {
  size_t count = 0;
  struct value_iter iter = value_iterate(container);
  while (value_next(&iter)) count++;
  return count;
}
