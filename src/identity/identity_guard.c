// identity_guard: what may be joined. Each check answers one line of enum identity_reason, and they run in its order.
#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "identity/identity_rules.h"

// --- reasons -------------------------------------------------------------------------------------------------

static const struct {
  const char *name, *text;
} REASONS[IDENTITY_REASON_COUNT] = {
    [IDENTITY_OK] = {"ok", "The identifier was accepted."},
    [IDENTITY_UNKNOWN_TYPE] = {"unknown_type", "The identity rules know no identifier type of this name."},
    [IDENTITY_MALFORMED] = {"malformed", "The value cannot be read as an identifier of its type."},
    [IDENTITY_BLOCKED] = {"blocked", "The value is a placeholder that names nobody."},
    [IDENTITY_CANNOT_LINK] = {"cannot_link", "A person parted these identifiers, and that has not been lifted."},
    [IDENTITY_LIMIT] = {"limit", "The customer would have more identifiers of this type than the rules allow."},
    [IDENTITY_DIFFERENT_PERSON] = {"different_person",
                                   "The given names or the birth dates differ, so this contact detail is shared."},
    [IDENTITY_SHARED] = {"shared", "The value is known to be shared by several people and identifies none of them."},
    [IDENTITY_FULL] = {"full", "The customer would have more identifiers than one customer can hold."},
};

const char *identity_reason_name(enum identity_reason reason) {
  assert(reason < IDENTITY_REASON_COUNT);
  return REASONS[reason].name;
}

const char *identity_reason_text(enum identity_reason reason) {
  assert(reason < IDENTITY_REASON_COUNT);
  return REASONS[reason].text;
}

// --- blocked values ------------------------------------------------------------------------------------------

// The bytes of the character that begins `text`: one for a byte that begins none.
static size_t character_bytes(struct bytes text) {
  uint8_t lead = text.data[0];
  size_t size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return size <= text.size_bytes ? size : 1;
}

// True for one character and nothing else, `repeats` times or more.
static bool is_one_character(struct bytes value, uint32_t repeats) {
  if (repeats == 0 || value.size_bytes == 0) return false;
  size_t size = character_bytes(value);
  if (value.size_bytes % size != 0 || value.size_bytes / size < repeats) return false;
  return memcmp(value.data, value.data + size, value.size_bytes - size) == 0;
}

bool identity_is_blocked(const struct identity_rules *rules, const struct identity_type *type, struct bytes value) {
  for (size_t i = 0; i < rules->blocked_count; i++)
    if (bytes_equal_ascii_case(rules->blocked[i], value)) return true;
  if (is_one_character(value, rules->blocked_repeats)) return true;
  if (type == NULL) return false;
  assert(type >= rules->types && type < rules->types + rules->type_count);
  return identity_patterns_match(rules, &rules->patterns[type - rules->types], value);
}

// --- sides ---------------------------------------------------------------------------------------------------

static bool holds(const struct identity_side *side, struct identifier identifier) {
  for (size_t i = 0; i < side->member_count; i++)
    if (identifier_equal(side->members[i].identifier, identifier)) return true;
  return false;
}

// What one side has of a type, and how much of it the other side has not.
struct tally {
  size_t count, alone;
};

static struct tally tally_of(const struct identity_side *side, const struct identity_side *other,
                             const struct identity_type *type, int64_t now_us) {
  struct tally tally = {0, 0};
  for (size_t i = 0; i < side->member_count; i++) {
    const struct identity_member *member = &side->members[i];
    if (member->identifier.type != type->name) continue;
    if (type->window_us > 0 && member->seen_us <= now_us - type->window_us) continue;
    tally.count++;
    if (!holds(other, member->identifier)) tally.alone++;
  }
  return tally;
}

static bool passes_a_limit(const struct identity_rules *rules, const struct identity_side *a,
                           const struct identity_side *b, int64_t now_us) {
  for (size_t i = 0; i < rules->type_count; i++) {
    const struct identity_type *type = &rules->types[i];
    struct tally of_b = tally_of(b, a, type, now_us);
    if (of_b.alone == 0) continue;
    struct tally of_a = tally_of(a, b, type, now_us);
    if (of_a.alone > 0 && of_a.count + of_b.alone > type->limit) return true;
  }
  return false;
}

static bool was_parted(const struct identity_side *side, struct identifier other) {
  for (size_t i = 0; i < side->cannot_count; i++)
    if (identifier_equal(side->cannots[i].other, other)) return true;
  return false;
}

static bool were_parted(const struct identity_side *a, const struct identity_side *b) {
  for (size_t i = 0; i < a->cannot_count; i++)
    if (holds(b, a->cannots[i].other)) return true;
  for (size_t i = 0; i < b->cannot_count; i++)
    if (holds(a, b->cannots[i].other)) return true;
  return false;
}

// True when the side names a person by something else than `via`.
static bool names_a_person(const struct identity_rules *rules, const struct identity_side *side,
                           struct identifier via) {
  for (size_t i = 0; i < side->member_count; i++) {
    struct identifier identifier = side->members[i].identifier;
    const struct identity_type *type = identity_type_by_id(rules, identifier.type);
    if (type != NULL && type->class == IDENTITY_PERSON && !identifier_equal(identifier, via)) return true;
  }
  return false;
}

// What is missing is no difference.
static bool look_different(const struct identity_side *a, const struct identity_side *b) {
  bool names_differ =
      a->given_name.size_bytes > 0 && b->given_name.size_bytes > 0 && !bytes_equal(a->given_name, b->given_name);
  bool dates_differ = a->birth_date != 0 && b->birth_date != 0 && a->birth_date != b->birth_date;
  return names_differ || dates_differ;
}

static size_t union_count(const struct identity_side *a, const struct identity_side *b) {
  size_t count = a->member_count;
  if (a->member_count + b->member_count <= LIMIT_CUSTOMER_IDENTIFIERS) return count + b->member_count;
  for (size_t i = 0; i < b->member_count; i++) count += !holds(a, b->members[i].identifier);
  return count;
}

// --- verdicts ------------------------------------------------------------------------------------------------

enum identity_reason identity_may_attach(const struct identity_rules *rules, const struct identity_side *side,
                                         struct identifier identifier, int64_t now_us, bool ignore_limit) {
  const struct identity_type *type = identity_type_by_id(rules, identifier.type);
  if (type == NULL) return IDENTITY_UNKNOWN_TYPE;
  if (identity_is_blocked(rules, type, identifier.value)) return IDENTITY_BLOCKED;
  if (was_parted(side, identifier)) return IDENTITY_CANNOT_LINK;
  if (holds(side, identifier)) return IDENTITY_OK;
  const struct identity_side none = {0};
  if (!ignore_limit && tally_of(side, &none, type, now_us).count + 1 > type->limit) return IDENTITY_LIMIT;
  if (side->member_count + 1 > LIMIT_CUSTOMER_IDENTIFIERS) return IDENTITY_FULL;
  return IDENTITY_OK;
}

enum identity_reason identity_may_join(const struct identity_rules *rules, const struct identity_side *a,
                                       const struct identity_side *b, struct identifier via, int64_t now_us,
                                       bool ignore_limit) {
  const struct identity_type *type = identity_type_by_id(rules, via.type);
  if (type == NULL) return IDENTITY_UNKNOWN_TYPE;
  if (identity_is_blocked(rules, type, via.value)) return IDENTITY_BLOCKED;
  if (were_parted(a, b)) return IDENTITY_CANNOT_LINK;
  if (type->shares && names_a_person(rules, a, via) && names_a_person(rules, b, via) && look_different(a, b))
    return IDENTITY_DIFFERENT_PERSON;
  if (!ignore_limit && passes_a_limit(rules, a, b, now_us)) return IDENTITY_LIMIT;
  return union_count(a, b) > LIMIT_CUSTOMER_IDENTIFIERS ? IDENTITY_FULL : IDENTITY_OK;
}
