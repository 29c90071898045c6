// identity_key: identifiers compared, sorted, and as keys of the store.
#include <assert.h>
#include <limits.h>

#include "identity/identity.h"
#include "value/key.h"

bool identifier_equal(struct identifier a, struct identifier b) {
  return a.type == b.type && bytes_equal(a.value, b.value);
}

void identifier_key(struct identifier identifier, const struct names *names, struct key *key) {
  struct bytes type = names_text(names, identifier.type);
  assert(type.size_bytes > 0);
  key_init(key);
  key_put_text(key, type);
  key_put_raw(key, identifier.value);
}

bool identifier_from_key(struct bytes key, const struct names *names, struct identifier *identifier) {
  const uint8_t *end = key.size_bytes == 0 ? NULL : memchr(key.data, 0, key.size_bytes);
  if (end == NULL) return false;
  size_t type_bytes = (size_t)(end - key.data), value_bytes = key.size_bytes - type_bytes - 1;
  uint32_t type = names_find(names, bytes_of(key.data, type_bytes));
  if (type == 0 || value_bytes == 0) return false;
  *identifier = (struct identifier){.type = type, .value = bytes_of(end + 1, value_bytes)};
  return true;
}

bool identifier_split(struct bytes text, struct bytes *type, struct bytes *value) {
  const uint8_t *colon = text.size_bytes == 0 ? NULL : memchr(text.data, ':', text.size_bytes);
  if (colon == NULL) return false;
  size_t type_bytes = (size_t)(colon - text.data);
  *type = bytes_of(text.data, type_bytes);
  *value = bytes_of(colon + 1, text.size_bytes - type_bytes - 1);
  return true;
}

static int rank_of(const struct identity_rules *rules, uint32_t type) {
  const struct identity_type *known = identity_type_by_id(rules, type);
  return known == NULL ? INT_MAX : known->rank;
}

static bool stands_after(const struct identity_rules *rules, struct identifier a, struct identifier b) {
  if (a.type == b.type) return bytes_compare(a.value, b.value) > 0;
  int rank_a = rank_of(rules, a.type), rank_b = rank_of(rules, b.type);
  return rank_a != rank_b ? rank_a > rank_b : a.type > b.type;
}

// By insertion: an event carries a handful, most often in order already.
void identity_sort(const struct identity_rules *rules, struct identifier *identifiers, size_t count) {
  for (size_t i = 1; i < count; i++) {
    struct identifier moved = identifiers[i];
    size_t at = i;
    for (; at > 0 && stands_after(rules, identifiers[at - 1], moved); at--) identifiers[at] = identifiers[at - 1];
    identifiers[at] = moved;
  }
}
