// machine_set: a hash table of values that are told apart by `=`.
//
// Numbers are hashed by value, documents without regard to the order of their members, texts with SipHash under a key
// of this machine: nobody outside can choose values that collide. Memory is the run's; what a larger table leaves
// behind is given back with it, and is never more than the table itself.
#include "rule/machine_private.h"

#include <sodium.h>

_Static_assert(crypto_shorthash_KEYBYTES == 16, "the key of a machine");

enum { SET_LEAST = 16 };

static uint64_t hash_bytes(const struct rule_machine *machine, const void *data, size_t size_bytes) {
  uint64_t hash;
  crypto_shorthash((unsigned char *)&hash, data, size_bytes, machine->hash_key);
  return hash;
}

static uint64_t hash_parts(const struct rule_machine *machine, uint64_t kind, uint64_t a, uint64_t b) {
  uint64_t parts[3] = {kind, a, b};
  return hash_bytes(machine, parts, sizeof parts);
}

// 2.50 and 2.5 are one number: without zeros at the end.
static uint64_t hash_number(const struct rule_machine *machine, struct decimal number) {
  int64_t exponent = number.exponent;
  if (number.coefficient == 0) return hash_parts(machine, RULE_TYPE_NUMBER, 0, 0);
  while (number.coefficient % 10 == 0) {
    number.coefficient /= 10;
    exponent++;
  }
  uint64_t high = (uint64_t)(number.coefficient >> 64) ^ (uint64_t)exponent << 48 ^ (uint64_t)number.negative << 47;
  return hash_parts(machine, RULE_TYPE_NUMBER, (uint64_t)number.coefficient, high);
}

static uint64_t hash_value(const struct rule_machine *machine, const struct rule_value *value);

// Depth is bounded by VALUE_DEPTH_MAX.
static uint64_t hash_container(const struct rule_machine *machine, struct value container) {
  uint64_t sum = 0, place = 0;
  struct value_iter iter = value_iterate(container);
  while (value_next(&iter)) {
    struct rule_value item = rule_value_of(iter.item);
    uint64_t hash = hash_value(machine, &item);
    uint64_t name = ++place;
    if (iter.is_document)
      name = iter.name_id != 0 ? iter.name_id
                               : hash_bytes(machine, iter.inline_name.data, iter.inline_name.size_bytes) | 1ull << 63;
    sum += hash_parts(machine, iter.is_document, name, hash);
  }
  return sum;
}

static uint64_t hash_value(const struct rule_machine *machine, const struct rule_value *value) {
  switch (value->type) {
  case RULE_TYPE_BOOL:
    return hash_parts(machine, RULE_TYPE_BOOL, value->boolean, 0);
  case RULE_TYPE_NUMBER:
    return hash_number(machine, value->number);
  case RULE_TYPE_TEXT:
    return hash_bytes(machine, value->text.data, value->text.size_bytes);
  case RULE_TYPE_TIME:
  case RULE_TYPE_DURATION:
    return hash_parts(machine, value->type, (uint64_t)value->time_us, 0);
  case RULE_TYPE_LIST:
  case RULE_TYPE_DOCUMENT:
    return hash_parts(machine, value->type, hash_container(machine, value->packed), 0);
  default:
    return 0;
  }
}

static void *larger_copy(struct rule_machine *machine, const void *items, uint32_t count, uint32_t capacity,
                         size_t size_bytes) {
  void *copy = machine_take(machine, (size_t)capacity * size_bytes + 1);
  if (copy != NULL && count > 0) memcpy(copy, items, (size_t)count * size_bytes);
  return copy;
}

static bool grow(struct rule_machine *machine, struct machine_set *set) {
  uint32_t capacity = set->capacity == 0 ? SET_LEAST : set->capacity * 2, mask = capacity * 2 - 1;
  struct rule_value *values = larger_copy(machine, set->values, set->count, capacity, sizeof *values);
  uint64_t *hashes = values == NULL ? NULL : larger_copy(machine, set->hashes, set->count, capacity, sizeof *hashes);
  uint8_t *extras = hashes == NULL ? NULL : larger_copy(machine, set->extras, set->count, capacity, set->extra_bytes);
  uint32_t *slots = extras == NULL ? NULL : machine_take(machine, ((size_t)mask + 1) * sizeof *slots);
  if (slots == NULL) return false;
  memset(slots, 0, ((size_t)mask + 1) * sizeof *slots);
  for (uint32_t i = 0; i < set->count; i++) {
    uint32_t slot = (uint32_t)hashes[i] & mask;
    while (slots[slot] != 0) slot = (slot + 1) & mask;
    slots[slot] = i + 1;
  }
  *set = (struct machine_set){set->extra_bytes, set->count, capacity, slots, mask, values, hashes, extras};
  return true;
}

bool machine_set_add(struct rule_machine *machine, struct machine_set *set, const struct rule_value *value,
                     void **extra) {
  if (!machine_count_value(machine, value)) return false;
  if (set->count == set->capacity && !grow(machine, set)) return false;
  uint64_t hash = hash_value(machine, value);
  uint32_t slot = (uint32_t)hash & set->slot_mask;
  for (; set->slots[slot] != 0; slot = (slot + 1) & set->slot_mask) {
    uint32_t index = set->slots[slot] - 1;
    if (set->hashes[index] != hash || !machine_equal(machine, &set->values[index], value)) continue;
    *extra = set->extras + (size_t)index * set->extra_bytes;
    return true;
  }
  uint32_t index = set->count++;
  set->slots[slot] = index + 1;
  set->values[index] = *value;
  set->hashes[index] = hash;
  *extra = set->extras + (size_t)index * set->extra_bytes;
  memset(*extra, 0, set->extra_bytes);
  return true;
}
