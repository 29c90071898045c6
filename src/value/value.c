// value: reading packed bytes in place.
//
// Two kinds of reader. The trusting ones (value_pack.h) follow sizes without looking at the end, because bytes were
// made by the builder or passed value_check. The checking one below believes nothing: it is the only door for bytes
// from outside, and what it lets through the others can walk without reading past the end.
#include "value/value.h"

#include "value/value_pack.h"

enum value_type value_type(struct value value) {
  static const uint8_t types[PACK_TAG_COUNT] = {
      [PACK_NULL] = VALUE_NULL,      [PACK_FALSE] = VALUE_BOOL,     [PACK_TRUE] = VALUE_BOOL,
      [PACK_INTEGER] = VALUE_NUMBER, [PACK_DECIMAL] = VALUE_NUMBER, [PACK_DECIMAL_NEGATIVE] = VALUE_NUMBER,
      [PACK_TEXT] = VALUE_TEXT,      [PACK_LIST] = VALUE_LIST,      [PACK_DOCUMENT] = VALUE_DOCUMENT,
  };
  return value_is_absent(value) ? VALUE_NULL : (enum value_type)types[value.packed.data[0]];
}

bool value_as_bool(struct value value, bool *out) {
  if (value_type(value) != VALUE_BOOL) return false;
  *out = value.packed.data[0] == PACK_TRUE;
  return true;
}

bool value_as_number(struct value value, struct decimal *out) {
  if (value_type(value) != VALUE_NUMBER) return false;
  const uint8_t *at = value.packed.data;
  uint8_t tag = *at++;
  uint64_t code;
  at = pack_read_varint(at, &code);
  if (tag == PACK_INTEGER) {
    *out = decimal_from_i64(pack_unzigzag(code));
    return true;
  }
  out->exponent = (int16_t)pack_unzigzag(code);
  out->negative = tag == PACK_DECIMAL_NEGATIVE;
  pack_read_varint_wide(at, &out->coefficient);
  return true;
}

bool value_as_text(struct value value, struct bytes *out) {
  if (value_type(value) != VALUE_TEXT) return false;
  uint64_t size;
  const uint8_t *at = pack_read_varint(value.packed.data + 1, &size);
  *out = bytes_of(at, size);
  return true;
}

struct value_iter value_iterate(struct value container) {
  enum value_type type = value_type(container);
  if (type != VALUE_LIST && type != VALUE_DOCUMENT) return (struct value_iter){0};
  const uint8_t *data = container.packed.data;
  return (struct value_iter){.rest = bytes_of(data + PACK_HEAD_BYTES, pack_read_size32(data + 1)),
                             .is_document = type == VALUE_DOCUMENT};
}

bool value_next(struct value_iter *iter) {
  if (iter->rest.size_bytes == 0) return false;
  const uint8_t *at = iter->rest.data, *end = at + iter->rest.size_bytes;
  if (iter->is_document) {
    uint64_t key;
    at = pack_read_varint(at, &key);
    bool is_inline = (key & 1) != 0;
    iter->name_id = is_inline ? 0 : (uint32_t)(key >> 1);
    iter->inline_name = is_inline ? bytes_of(at, key >> 1) : (struct bytes){NULL, 0};
    at += iter->inline_name.size_bytes;
  }
  const uint8_t *next = pack_skip(at);
  iter->item.packed = bytes_of(at, (size_t)(next - at));
  iter->rest = bytes_of(next, (size_t)(end - next));
  return true;
}

struct bytes value_iter_name(const struct value_iter *iter, const struct names *names) {
  return iter->name_id != 0 ? names_text(names, iter->name_id) : iter->inline_name;
}

static struct value inline_member(struct value document, struct bytes name) {
  struct value_iter iter = value_iterate(document);
  while (value_next(&iter))
    if (iter.is_document && iter.name_id == 0 && bytes_equal(iter.inline_name, name)) return iter.item;
  return (struct value){0};
}

struct value value_member(struct value document, const struct names *names, struct bytes name) {
  uint32_t id = names_find(names, name);
  return id != 0 ? value_member_id(document, id) : inline_member(document, name);
}

struct value value_member_id(struct value document, uint32_t name_id) {
  if (value_is_absent(document) || document.packed.data[0] != PACK_DOCUMENT || name_id == 0) return (struct value){0};
  const uint8_t *at = document.packed.data + PACK_HEAD_BYTES;
  const uint8_t *end = at + pack_read_size32(document.packed.data + 1);
  uint64_t wanted = (uint64_t)name_id << 1, key;
  while (at < end) {
    at = pack_read_varint(at, &key);
    if (key == wanted) return (struct value){bytes_of(at, (size_t)(pack_skip(at) - at))};
    if ((key & 1) != 0) at += key >> 1;
    at = pack_skip(at);
  }
  return (struct value){0};
}

struct value value_path(struct value document, const struct names *names, const char *path) {
  struct value value = document;
  while (!value_is_absent(value)) {
    const char *dot = strchr(path, '.');
    size_t size = dot == NULL ? strlen(path) : (size_t)(dot - path);
    value = value_member(value, names, bytes_of(path, size));
    if (dot == NULL) break;
    path = dot + 1;
  }
  return value;
}

static bool numbers_equal(struct value a, struct value b) {
  struct decimal left, right;
  return value_as_number(a, &left) && value_as_number(b, &right) && decimal_compare(left, right) == 0;
}

static bool lists_equal(struct value a, struct value b) {
  struct value_iter left = value_iterate(a), right = value_iterate(b);
  while (value_next(&left))
    if (!value_next(&right) || !value_equal(left.item, right.item)) return false;
  return !value_next(&right);
}

static bool same_name(const struct value_iter *a, const struct value_iter *b) {
  return a->name_id == b->name_id && (a->name_id != 0 || bytes_equal(a->inline_name, b->inline_name));
}

// Moves `iter`, a walk over `document`, to the member named as `wanted`, looking from where it stands and round.
static bool seek_name(struct value_iter *iter, struct value document, const struct value_iter *wanted) {
  while (value_next(iter))
    if (same_name(iter, wanted)) return true;
  *iter = value_iterate(document);
  while (value_next(iter))
    if (same_name(iter, wanted)) return true;
  return false;
}

static size_t member_count(struct value document) {
  struct value_iter iter = value_iterate(document);
  size_t count = 0;
  while (value_next(&iter)) count++;
  return count;
}

// Names are unique in a document, so equal counts and every member of one found in the other suffice. Linear when
// the orders agree; otherwise at most LIMIT_JSON_MEMBERS squared steps over keys.
static bool documents_equal(struct value a, struct value b) {
  if (member_count(a) != member_count(b)) return false;
  struct value_iter left = value_iterate(a), right = value_iterate(b);
  while (value_next(&left))
    if (!seek_name(&right, b, &left) || !value_equal(left.item, right.item)) return false;
  return true;
}

bool value_equal(struct value a, struct value b) {
  enum value_type type = value_type(a);
  if (type != value_type(b)) return false;
  if (bytes_equal(a.packed, b.packed)) return true;
  switch (type) {
  case VALUE_NUMBER:
    return numbers_equal(a, b);
  case VALUE_LIST:
    return lists_equal(a, b);
  case VALUE_DOCUMENT:
    return documents_equal(a, b);
  default:
    return type == VALUE_NULL; // absent and null are packed differently and mean the same
  }
}

// Unbelieved bytes. A step that finds a breach keeps where and what, and returns false.
struct checker {
  const uint8_t *first, *at, *end;
  const struct names *names;
  const char *breach;
};

static bool breach(struct checker *checker, const char *what) {
  if (checker->breach == NULL) checker->breach = what;
  return false;
}

static size_t rest_bytes(const struct checker *checker) {
  return (size_t)(checker->end - checker->at);
}

static bool check_varint_wide(struct checker *checker, decimal_coefficient *number) {
  decimal_coefficient sum = 0;
  for (unsigned shift = 0; shift < 126; shift += 7) {
    if (checker->at == checker->end) return breach(checker, "a number ends early");
    uint8_t byte = *checker->at++;
    sum |= (decimal_coefficient)(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    *number = sum;
    return byte != 0 || shift == 0 || breach(checker, "a number is written too long");
  }
  return breach(checker, "a number is too large");
}

static bool check_varint(struct checker *checker, uint64_t *number) {
  decimal_coefficient wide = 0;
  if (!check_varint_wide(checker, &wide)) return false;
  *number = (uint64_t)wide;
  return wide <= UINT64_MAX || breach(checker, "a number is too large");
}

static bool check_decimal(struct checker *checker, uint8_t tag) {
  static const uint64_t ten_17 = 100000000000000000u;
  decimal_coefficient most = (decimal_coefficient)ten_17 * ten_17 - 1, coefficient = 0;
  uint64_t code = 0;
  if (!check_varint(checker, &code) || !check_varint_wide(checker, &coefficient)) return false;
  int64_t exponent = pack_unzigzag(code);
  if (exponent < DECIMAL_EXPONENT_MIN || exponent > DECIMAL_EXPONENT_MAX || coefficient > most)
    return breach(checker, "a decimal is out of range");
  struct decimal number = {coefficient, (int16_t)exponent, tag == PACK_DECIMAL_NEGATIVE};
  uint8_t packed[PACK_NUMBER_BYTES];
  pack_number(packed, number);
  return packed[0] == tag || breach(checker, "an integer is written as a decimal");
}

static bool check_utf8(struct checker *checker, uint64_t size) {
  if (size > rest_bytes(checker)) return breach(checker, "a text ends early");
  if (!bytes_is_utf8(bytes_of(checker->at, size))) return breach(checker, "a text is not UTF-8");
  checker->at += size;
  return true;
}

static bool check_name(struct checker *checker) {
  uint64_t key = 0;
  if (!check_varint(checker, &key)) return false;
  if ((key & 1) != 0) {
    const uint8_t *name = checker->at;
    if (!check_utf8(checker, key >> 1)) return false;
    // value_member would look for its id and not find it.
    return names_find(checker->names, bytes_of(name, key >> 1)) == 0 || breach(checker, "a known name is inline");
  }
  bool known = key >> 1 <= UINT32_MAX && names_text(checker->names, (uint32_t)(key >> 1)).data != NULL;
  return known || breach(checker, "a name is unknown");
}

static bool check_value(struct checker *checker, int depth);

static bool check_container(struct checker *checker, bool is_document, int depth) {
  if (depth >= VALUE_DEPTH_MAX) return breach(checker, "containers are nested too deep");
  if (rest_bytes(checker) < 4) return breach(checker, "a container ends early");
  uint32_t size = pack_read_size32(checker->at);
  checker->at += 4;
  if (size > rest_bytes(checker)) return breach(checker, "a container ends early");
  const uint8_t *outer_end = checker->end;
  checker->end = checker->at + size;
  while (checker->at < checker->end)
    if ((is_document && !check_name(checker)) || !check_value(checker, depth + 1)) return false;
  checker->end = outer_end;
  return true;
}

static bool check_value(struct checker *checker, int depth) {
  uint64_t number = 0;
  if (checker->at == checker->end) return breach(checker, "a value is missing");
  uint8_t tag = *checker->at++;
  switch (tag) {
  case PACK_NULL:
  case PACK_FALSE:
  case PACK_TRUE:
    return true;
  case PACK_INTEGER:
    return check_varint(checker, &number);
  case PACK_DECIMAL:
  case PACK_DECIMAL_NEGATIVE:
    return check_decimal(checker, tag);
  case PACK_TEXT:
    return check_varint(checker, &number) && check_utf8(checker, number);
  case PACK_LIST:
  case PACK_DOCUMENT:
    return check_container(checker, tag == PACK_DOCUMENT, depth);
  default:
    return breach(checker, "a tag is unknown");
  }
}

enum err value_check(struct bytes packed, const struct names *names, struct diag *diag) {
  struct checker checker = {
      .first = packed.data, .at = packed.data, .end = packed.data + packed.size_bytes, .names = names};
  if (check_value(&checker, 0) && checker.at != checker.end) breach(&checker, "bytes follow the value");
  if (checker.breach == NULL) return ERR_OK;
  return diag_set(diag, ERR_CORRUPT, "corrupt", "a stored document is damaged: %s (at byte %zu of %zu)", checker.breach,
                  (size_t)(checker.at - checker.first), packed.size_bytes);
}
