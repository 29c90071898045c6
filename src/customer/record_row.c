// record_row: the record as the bytes of one row.
//
//   redirect  1, merged_into, updated
//   record    0, updated, four counts, then what follows; or 2, updated, a count of pending ids and the ids, ascending,
//             and then the same: a customer to whom rows under other ids belong
//             identifiers  type, value, seen, founded, sequence, source
//             edges        a, b, sequence
//             cannot-links own (type, value), other (type, value), sequence
//             traits       flags, name or inline name, source, author of a correction, time, event id, value
//
// Numbers are varints, times signed ones of microseconds, texts and values a size and their bytes. There is one way to
// write each record, and arrays are sorted: equal customers give equal bytes. Decoding trusts nothing: counts are held
// against the bytes that are left before memory is taken for them.
#include "base/limits.h"
#include "base/varint.h"
#include "customer/record.h"

enum { ROW_RECORD = 0, ROW_REDIRECT = 1, ROW_RECORD_PENDING = 2 };
enum { TRAIT_INLINE = 1, TRAIT_CORRECTION = 2, TRAIT_FLAGS_KNOWN = 3 };

// The least bytes of an item, which bounds the count a row can hold.
enum { IDENTIFIER_BYTES_MIN = 6, EDGE_BYTES_MIN = 3, CANNOT_BYTES_MIN = 5, TRAIT_BYTES_MIN = 20 };

// The most bytes of an item without its texts.
enum {
  HEAD_BYTES_MAX = 7 * VARINT_BYTES_MAX,
  IDENTIFIER_BYTES_MAX = 6 * VARINT_BYTES_MAX,
  EDGE_BYTES_MAX = 3 * VARINT_BYTES_MAX,
  CANNOT_BYTES_MAX = 5 * VARINT_BYTES_MAX,
  TRAIT_BYTES_MAX = 1 + 5 * VARINT_BYTES_MAX + IDENTITY_EVENT_ID_BYTES,
};

// --- ids and keys --------------------------------------------------------------------------------------------

void customer_id_format(uint64_t id, char *out) {
  char digits[CUSTOMER_ID_TEXT_BYTES];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + id % 10);
    id /= 10;
  } while (id != 0);
  *out++ = 'c';
  while (count > 0) *out++ = digits[--count];
  *out = '\0';
}

bool customer_id_parse(struct bytes text, uint64_t *id) {
  if (text.size_bytes < 2 || text.data[0] != 'c' || text.data[1] == '0') return false;
  return bytes_to_u64(bytes_of(text.data + 1, text.size_bytes - 1), id) == ERR_OK;
}

void customer_key(uint64_t id, enum customer_row row, struct key *key) {
  key_init(key);
  key_put_u64(key, id);
  key_put_u8(key, (uint8_t)row);
}

void customer_pending_key(uint64_t id, struct key *key) {
  key_init(key);
  key_put_text(key, BYTES("move"));
  key_put_u64(key, id);
}

// --- writing -------------------------------------------------------------------------------------------------

static size_t bytes_max(const struct customer *customer) {
  size_t size = HEAD_BYTES_MAX + customer->identifier_count * IDENTIFIER_BYTES_MAX +
                customer->edge_count * EDGE_BYTES_MAX + customer->cannot_count * CANNOT_BYTES_MAX +
                customer->trait_count * TRAIT_BYTES_MAX + customer->pending_count * VARINT_BYTES_MAX;
  for (size_t i = 0; i < customer->identifier_count; i++)
    size += customer->identifiers[i].member.identifier.value.size_bytes;
  for (size_t i = 0; i < customer->cannot_count; i++)
    size += customer->cannots[i].pair.own.value.size_bytes + customer->cannots[i].pair.other.value.size_bytes;
  for (size_t i = 0; i < customer->trait_count; i++) {
    const struct customer_trait *trait = &customer->traits[i];
    size += trait->inline_name.size_bytes + trait->author.size_bytes + trait->value.packed.size_bytes;
  }
  return size;
}

static uint8_t *put_identifier(uint8_t *at, struct identifier identifier) {
  return varint_put_bytes(varint_put(at, identifier.type), identifier.value);
}

static uint8_t *put_member(uint8_t *at, const struct customer_identifier *item) {
  at = put_identifier(at, item->member.identifier);
  at = varint_put_signed(at, item->member.seen_us);
  at = varint_put(at, item->founded);
  at = varint_put(at, item->sequence);
  return varint_put(at, item->source);
}

static uint8_t *put_trait(uint8_t *at, const struct customer_trait *trait) {
  *at++ = (uint8_t)((trait->name == 0 ? TRAIT_INLINE : 0) | (trait->correction ? TRAIT_CORRECTION : 0));
  at = trait->name == 0 ? varint_put_bytes(at, trait->inline_name) : varint_put(at, trait->name);
  at = varint_put(at, trait->source);
  if (trait->correction) at = varint_put_bytes(at, trait->author);
  at = varint_put_signed(at, trait->at.time_us);
  at = varint_put_raw(at, bytes_of(trait->at.event, IDENTITY_EVENT_ID_BYTES));
  return varint_put_bytes(at, trait->value.packed);
}

static uint8_t *put_record(uint8_t *at, const struct customer *customer) {
  at = varint_put(at, customer->identifier_count);
  at = varint_put(at, customer->edge_count);
  at = varint_put(at, customer->cannot_count);
  at = varint_put(at, customer->trait_count);
  for (size_t i = 0; i < customer->identifier_count; i++) at = put_member(at, &customer->identifiers[i]);
  for (size_t i = 0; i < customer->edge_count; i++) {
    at = varint_put(at, customer->edges[i].a);
    at = varint_put(at, customer->edges[i].b);
    at = varint_put(at, customer->edges[i].sequence);
  }
  for (size_t i = 0; i < customer->cannot_count; i++) {
    at = put_identifier(at, customer->cannots[i].pair.own);
    at = put_identifier(at, customer->cannots[i].pair.other);
    at = varint_put(at, customer->cannots[i].sequence);
  }
  for (size_t i = 0; i < customer->trait_count; i++) at = put_trait(at, &customer->traits[i]);
  return at;
}

static uint8_t *put_pending(uint8_t *at, const struct customer *customer) {
  at = varint_put(at, customer->pending_count);
  for (size_t i = 0; i < customer->pending_count; i++) at = varint_put(at, customer->pending[i]);
  return at;
}

void customer_encode(const struct customer *customer, struct buffer *out) {
  bool redirect = customer->merged_into != 0;
  if (!buffer_reserve(out, redirect ? HEAD_BYTES_MAX : bytes_max(customer))) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = redirect ? ROW_REDIRECT : customer->pending_count > 0 ? ROW_RECORD_PENDING : ROW_RECORD;
  if (redirect) at = varint_put(at, customer->merged_into);
  at = varint_put_signed(at, customer->updated_us);
  if (!redirect && customer->pending_count > 0) at = put_pending(at, customer);
  if (!redirect) at = put_record(at, customer);
  out->size_bytes = (size_t)(at - out->data);
}

// --- reading -------------------------------------------------------------------------------------------------

static size_t read_count(struct varint_reader *reader, size_t bytes_min) {
  return (size_t)varint_read_up_to(reader, varint_rest_bytes(reader) / bytes_min);
}

static struct identifier read_identifier(struct varint_reader *reader) {
  struct identifier identifier;
  identifier.type = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  identifier.value = varint_read_bytes(reader);
  return identifier;
}

static void read_members(struct varint_reader *reader, struct customer *customer) {
  for (size_t i = 0; i < customer->identifier_count && !reader->failed; i++) {
    struct customer_identifier *item = &customer->identifiers[i];
    item->member.identifier = read_identifier(reader);
    item->member.seen_us = varint_read_signed(reader);
    item->founded = varint_read(reader);
    item->sequence = varint_read(reader);
    item->source = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  }
}

static void read_edges(struct varint_reader *reader, struct customer *customer) {
  uint64_t last = customer->identifier_count == 0 ? 0 : customer->identifier_count - 1;
  if (customer->edge_count > 0 && last == 0) varint_fail(reader);
  for (size_t i = 0; i < customer->edge_count && !reader->failed; i++) {
    struct identity_edge *edge = &customer->edges[i];
    edge->a = (uint16_t)varint_read_up_to(reader, last);
    edge->b = (uint16_t)varint_read_up_to(reader, last);
    edge->sequence = varint_read(reader);
  }
}

static void read_cannots(struct varint_reader *reader, struct customer *customer) {
  for (size_t i = 0; i < customer->cannot_count && !reader->failed; i++) {
    struct customer_cannot *cannot = &customer->cannots[i];
    cannot->pair.own = read_identifier(reader);
    cannot->pair.other = read_identifier(reader);
    cannot->sequence = varint_read(reader);
  }
}

static void read_trait(struct varint_reader *reader, struct customer_trait *trait) {
  uint8_t flags = varint_read_byte(reader);
  if (flags > TRAIT_FLAGS_KNOWN) varint_fail(reader);
  *trait = (struct customer_trait){.correction = (flags & TRAIT_CORRECTION) != 0};
  if (flags & TRAIT_INLINE) {
    trait->inline_name = varint_read_bytes(reader);
  } else {
    trait->name = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  }
  trait->source = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  if (trait->correction) trait->author = varint_read_bytes(reader);
  trait->at.time_us = varint_read_signed(reader);
  struct bytes event = varint_read_raw(reader, IDENTITY_EVENT_ID_BYTES);
  if (event.size_bytes == IDENTITY_EVENT_ID_BYTES) memcpy(trait->at.event, event.data, IDENTITY_EVENT_ID_BYTES);
  trait->value.packed = varint_read_bytes(reader);
}

static enum err read_record(struct varint_reader *reader, struct arena *arena, struct customer *customer) {
  customer->identifier_count = read_count(reader, IDENTIFIER_BYTES_MIN);
  customer->edge_count = read_count(reader, EDGE_BYTES_MIN);
  customer->cannot_count = read_count(reader, CANNOT_BYTES_MIN);
  customer->trait_count = read_count(reader, TRAIT_BYTES_MIN);
  if (reader->failed || customer->identifier_count > UINT16_MAX) return ERR_CORRUPT;
  size_t identifier_bytes = customer->identifier_count * sizeof *customer->identifiers;
  size_t trait_bytes = customer->trait_count * sizeof *customer->traits;
  size_t cannot_bytes = customer->cannot_count * sizeof *customer->cannots;
  size_t edge_bytes = customer->edge_count * sizeof *customer->edges;
  uint8_t *block = arena_take(arena, identifier_bytes + trait_bytes + cannot_bytes + edge_bytes);
  if (block == NULL) return ERR_NO_MEMORY;
  customer->identifiers = (void *)block;
  customer->traits = (void *)(block + identifier_bytes);
  customer->cannots = (void *)(block + identifier_bytes + trait_bytes);
  customer->edges = (void *)(block + identifier_bytes + trait_bytes + cannot_bytes);
  customer->identifier_capacity = customer->identifier_count;
  customer->trait_capacity = customer->trait_count;
  customer->cannot_capacity = customer->cannot_count;
  customer->edge_capacity = customer->edge_count;
  read_members(reader, customer);
  read_edges(reader, customer);
  read_cannots(reader, customer);
  for (size_t i = 0; i < customer->trait_count && !reader->failed; i++) read_trait(reader, &customer->traits[i]);
  return ERR_OK;
}

// Ascending and more than none, so that each record has one form.
static enum err read_pending(struct varint_reader *reader, struct arena *arena, struct customer *customer) {
  customer->pending_count = read_count(reader, 1);
  if (reader->failed || customer->pending_count == 0) return ERR_CORRUPT;
  customer->pending = arena_take(arena, customer->pending_count * sizeof *customer->pending);
  if (customer->pending == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < customer->pending_count; i++) {
    customer->pending[i] = varint_read(reader);
    if (customer->pending[i] <= (i == 0 ? 0 : customer->pending[i - 1])) varint_fail(reader);
  }
  return reader->failed ? ERR_CORRUPT : ERR_OK;
}

enum err customer_decode(struct bytes row, uint64_t id, struct arena *arena, struct customer *customer) {
  struct varint_reader reader = varint_reader_of(row);
  customer_init(customer, id);
  uint8_t kind = varint_read_byte(&reader);
  if (kind > ROW_RECORD_PENDING) return ERR_CORRUPT;
  if (kind == ROW_REDIRECT) {
    customer->merged_into = varint_read(&reader);
    if (customer->merged_into == 0) return ERR_CORRUPT;
  }
  customer->updated_us = varint_read_signed(&reader);
  enum err err = kind == ROW_RECORD_PENDING ? read_pending(&reader, arena, customer) : ERR_OK;
  if (err == ERR_OK && kind != ROW_REDIRECT) err = read_record(&reader, arena, customer);
  if (err != ERR_OK) return err;
  return reader.failed || varint_rest_bytes(&reader) > 0 ? ERR_CORRUPT : ERR_OK;
}
