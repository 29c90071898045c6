// A header that is present but unreadable is an error and does not fall through to the next place: the client meant it.
#include "api/credential.h"

#include <string.h>

static int base64_digit(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

bool credential_base64(struct bytes text, struct arena *arena, struct bytes *out) {
  *out = (struct bytes){NULL, 0};
  while (text.size_bytes && text.data[text.size_bytes - 1] == '=') text.size_bytes--;
  if (text.size_bytes % 4 == 1) return false;
  uint8_t *decoded = arena_take(arena, text.size_bytes / 4 * 3 + 3);
  if (!decoded) return true;
  uint32_t held = 0;
  unsigned bits = 0;
  size_t size = 0;
  for (size_t i = 0; i < text.size_bytes; i++) {
    int digit = base64_digit(text.data[i]);
    if (digit < 0) return false;
    held = held << 6 | (uint32_t)digit;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    decoded[size++] = (uint8_t)(held >> bits);
  }
  *out = bytes_of(decoded, size);
  return true;
}

void credential_from_text(struct bytes text, struct credential *credential) {
  text = bytes_trim(text);
  credential->count = 0;
  if (text.size_bytes == 0) return;
  const uint8_t *colon = memchr(text.data, ':', text.size_bytes);
  if (colon && colon + 1 < text.data + text.size_bytes) {
    size_t before = (size_t)(colon - text.data) + 1;
    credential->candidates[credential->count++] = bytes_of(colon + 1, text.size_bytes - before);
  }
  credential->candidates[credential->count++] = text;
}

static enum err from_basic(struct bytes encoded, struct arena *arena, struct credential *credential,
                           struct diag *diag) {
  struct bytes pair;
  if (!credential_base64(encoded, arena, &pair)) {
    return diag_set(diag, ERR_INVALID, "bad_authorization", "The Basic credentials are not base64.");
  }
  if (!pair.data) return diag_no_memory(diag);
  const uint8_t *colon = pair.size_bytes ? memchr(pair.data, ':', pair.size_bytes) : NULL;
  size_t user_size = colon ? (size_t)(colon - pair.data) : pair.size_bytes;
  struct bytes user = bytes_of(pair.data, user_size);
  struct bytes password = colon ? bytes_of(colon + 1, pair.size_bytes - user_size - 1) : BYTES("");
  struct bytes key = user.size_bytes ? user : password;
  credential->count = 0;
  if (key.size_bytes) credential->candidates[credential->count++] = key;
  return ERR_OK;
}

// Cuts "Basic " (any case) off the front. False when the scheme is another.
static bool cut_scheme(struct bytes *header, struct bytes scheme) {
  if (header->size_bytes <= scheme.size_bytes) return false;
  if (!bytes_equal_ascii_case(bytes_of(header->data, scheme.size_bytes), scheme)) return false;
  *header = bytes_trim(bytes_of(header->data + scheme.size_bytes, header->size_bytes - scheme.size_bytes));
  return true;
}

enum err credential_find(const struct credential_input *input, struct arena *arena, struct credential *credential,
                         struct diag *diag) {
  credential->count = 0;
  struct bytes header = bytes_trim(input->authorization);
  if (header.size_bytes) {
    if (cut_scheme(&header, BYTES("Basic "))) return from_basic(header, arena, credential, diag);
    if (!cut_scheme(&header, BYTES("Bearer "))) {
      return diag_set(diag, ERR_INVALID, "bad_authorization", "The Authorization header must be Basic or Bearer.");
    }
    credential->candidates[credential->count++] = header;
    return ERR_OK;
  }
  credential_from_text(input->x_write_key, credential);
  if (credential->count == 0) credential_from_text(input->parameter, credential);
  return ERR_OK;
}
