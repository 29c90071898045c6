// timeline_row: chunks, heads and payloads as bytes.
//
// A flat segment's columns have fixed widths, so that an append needs no knowledge of what stands before it. A head is
// varints: its times are near each other and its counts are small.
//   head     count, chunk count, chunks: flags, bound (time, event id) unless first, count, first time, length in time,
//            name count, names with their counts
//   payload  flags, source, received, sequence, identifier count, identifiers (type, value), excluded count, excluded
//            names, packed message
#include "customer/timeline_row.h"

#include <assert.h>
#include <stdlib.h>

#include "base/little.h"
#include "base/varint.h"
#include "customer/timeline_pack.h"

enum { CHUNK_FIRST = 1 };
enum { PACK_EVENTS_MIN = 2 }; // one event takes more packed than as a segment of its own
enum { CHUNK_BYTES_MIN = 6, CHUNK_BYTES_MAX = 6 * VARINT_BYTES_MAX + IDENTITY_EVENT_ID_BYTES };
enum { NAME_BYTES_MIN = 2, NAME_BYTES_MAX = 2 * VARINT_BYTES_MAX };
enum { PAYLOAD_HEAD_BYTES_MAX = 5 * VARINT_BYTES_MAX, IDENTIFIER_BYTES_MIN = 2, IDENTIFIER_BYTES_MAX = 20 };

// --- keys ----------------------------------------------------------------------------------------------------

void timeline_row_key(uint64_t customer, const struct identity_instant *instant, struct key *key) {
  key_init(key);
  key_put_u64(key, customer);
  key_put_i64(key, instant->time_us);
  key_put_raw(key, bytes_of(instant->event, IDENTITY_EVENT_ID_BYTES));
}

bool timeline_row_key_read(struct bytes key, struct identity_instant *instant) {
  if (key.size_bytes != TIMELINE_ROW_KEY_BYTES) return false;
  instant->time_us = key_read_i64(key.data + 8);
  memcpy(instant->event, key.data + 16, IDENTITY_EVENT_ID_BYTES);
  return true;
}

void timeline_row_range(uint64_t customer, struct key *from, struct key *to) {
  key_init(from);
  key_put_u64(from, customer);
  *to = *from;
  for (int i = 0; i < TIMELINE_ROW_KEY_BYTES; i++) key_put_u8(to, UINT8_MAX);
}

void timeline_row_chunk_key(uint64_t customer, const struct timeline_chunk *chunk, struct key *key) {
  static const uint8_t zero[8 + IDENTITY_EVENT_ID_BYTES];
  if (!chunk->first) {
    timeline_row_key(customer, &chunk->bound, key);
    return;
  }
  key_init(key);
  key_put_u64(key, customer);
  key_put_raw(key, bytes_of(zero, sizeof zero));
}

// --- segments ------------------------------------------------------------------------------------------------

size_t timeline_row_segment_bytes(size_t count) {
  return TIMELINE_ROW_SEGMENT_BYTES + count * TIMELINE_ROW_EVENT_BYTES;
}

void timeline_row_put_segment(const struct timeline_event *events, size_t count, uint8_t *out) {
  uint8_t *at = little_put(out, count, 2);
  for (size_t i = 0; i < count; i++) at = little_put(at, (uint64_t)events[i].at.time_us, 8);
  for (size_t i = 0; i < count; i++, at += IDENTITY_EVENT_ID_BYTES)
    memcpy(at, events[i].at.event, IDENTITY_EVENT_ID_BYTES);
  for (size_t i = 0; i < count; i++) at = little_put(at, events[i].name, 4);
  for (size_t i = 0; i < count; i++) at = little_put(at, (uint64_t)events[i].amount, 8);
  for (size_t i = 0; i < count; i++) *at++ = events[i].amount_code;
  for (size_t i = 0; i < count; i++) at = little_put(at, events[i].currency, 2);
  for (size_t i = 0; i < count; i++) at = little_put(at, events[i].dims[0], 4);
  for (size_t i = 0; i < count; i++) at = little_put(at, events[i].dims[1], 4);
}

static void read_segment(const uint8_t *at, size_t count, struct timeline_event *events) {
  const uint8_t *ids = at + 8 * count, *names = ids + IDENTITY_EVENT_ID_BYTES * count, *amounts = names + 4 * count;
  const uint8_t *scales = amounts + 8 * count, *currencies = scales + count, *dims = currencies + 2 * count;
  for (size_t i = 0; i < count; i++) {
    struct timeline_event *event = &events[i];
    event->at.time_us = (int64_t)little_read_64(at + 8 * i);
    memcpy(event->at.event, ids + IDENTITY_EVENT_ID_BYTES * i, IDENTITY_EVENT_ID_BYTES);
    event->name = little_read_32(names + 4 * i);
    event->amount = (int64_t)little_read_64(amounts + 8 * i);
    event->amount_code = scales[i];
    event->currency = little_read_16(currencies + 2 * i);
    event->dims[0] = little_read_32(dims + 4 * i);
    event->dims[1] = little_read_32(dims + 4 * (count + i));
  }
}

// One segment of a row, of either form.
struct segment {
  size_t count, size_bytes;
  bool packed;
  struct timeline_pack pack;
};

// The segment at the beginning of `rest`, which is not empty.
static enum err open_segment(struct bytes rest, struct segment *segment) {
  segment->packed = timeline_pack_is(rest);
  if (segment->packed) {
    enum err err = timeline_pack_open(rest, &segment->pack);
    segment->count = segment->pack.count;
    segment->size_bytes = segment->pack.size_bytes;
    return err;
  }
  if (rest.size_bytes < TIMELINE_ROW_SEGMENT_BYTES) return ERR_CORRUPT;
  segment->count = little_read_16(rest.data);
  segment->size_bytes = timeline_row_segment_bytes(segment->count);
  return segment->count == 0 || rest.size_bytes < segment->size_bytes ? ERR_CORRUPT : ERR_OK;
}

static struct bytes after(struct bytes row, size_t size) {
  return bytes_of(row.data + size, row.size_bytes - size);
}

enum err timeline_row_count(struct bytes row, size_t *count) {
  struct segment segment;
  *count = 0;
  while (row.size_bytes > 0) {
    enum err err = open_segment(row, &segment);
    if (err != ERR_OK) return err;
    *count += segment.count;
    row = after(row, segment.size_bytes);
  }
  return ERR_OK;
}

static int by_instant(const void *a, const void *b) {
  return identity_instant_compare(&((const struct timeline_event *)a)->at, &((const struct timeline_event *)b)->at);
}

// Rows are almost always in order already: then this is one pass.
static size_t sort_events(struct timeline_event *events, size_t count) {
  bool sorted = true;
  for (size_t i = 1; i < count && sorted; i++) sorted = by_instant(&events[i - 1], &events[i]) < 0;
  if (sorted) return count;
  qsort(events, count, sizeof *events, by_instant);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || by_instant(&events[kept - 1], &events[i]) != 0) events[kept++] = events[i];
  return kept;
}

// Reads a row that timeline_row_count found whole; returns how many events are left, sorted.
static size_t read_row(struct bytes row, struct timeline_event *events) {
  struct segment segment;
  size_t count = 0;
  while (row.size_bytes > 0) {
    enum err err = open_segment(row, &segment);
    assert(err == ERR_OK);
    if (segment.packed)
      timeline_pack_events(&segment.pack, events + count);
    else
      read_segment(row.data + TIMELINE_ROW_SEGMENT_BYTES, segment.count, events + count);
    count += segment.count;
    row = after(row, segment.size_bytes);
  }
  return sort_events(events, count);
}

enum err timeline_row_read_chunk(struct bytes row, struct arena *arena, struct timeline_event **events, size_t *count) {
  enum err err = timeline_row_count(row, count);
  if (err != ERR_OK) return err;
  *events = arena_take(arena, *count * sizeof **events);
  if (*events == NULL) return ERR_NO_MEMORY;
  *count = read_row(row, *events);
  return ERR_OK;
}

// --- tidying -------------------------------------------------------------------------------------------------

size_t timeline_row_bytes_max(size_t count) {
  return timeline_pack_bytes_max(count);
}

uint8_t *timeline_row_put(const struct timeline_event *events, size_t count, uint8_t *out) {
  if (count >= PACK_EVENTS_MIN) return timeline_pack_put(events, count, out);
  timeline_row_put_segment(events, count, out);
  return out + timeline_row_segment_bytes(count);
}

bool timeline_tidy(struct bytes row, struct buffer *out) {
  struct timeline_event events[TIMELINE_PACK_EVENTS_MAX];
  size_t count;
  if (timeline_row_count(row, &count) != ERR_OK || count < PACK_EVENTS_MIN || count > TIMELINE_PACK_EVENTS_MAX)
    return false;
  count = read_row(row, events);
  if (!buffer_reserve(out, timeline_row_bytes_max(count))) return false;
  uint8_t *end = timeline_row_put(events, count, out->data + out->size_bytes);
  out->size_bytes = (size_t)(end - out->data);
  return true;
}

// --- columns -------------------------------------------------------------------------------------------------

size_t timeline_columns_bytes(size_t capacity) {
  return capacity * (2 * sizeof(int64_t) + 2 * sizeof(uint32_t) + sizeof(uint8_t));
}

void timeline_columns_lay(void *memory, size_t capacity, struct timeline_columns *columns) {
  *columns = (struct timeline_columns){.capacity = capacity, .time_us = memory};
  columns->amount = columns->time_us + capacity;
  columns->name = (uint32_t *)(columns->amount + capacity);
  columns->channel = columns->name + capacity;
  columns->amount_code = (uint8_t *)(columns->channel + capacity);
}

void timeline_columns_copy(const struct timeline_columns *from, struct timeline_columns *to) {
  size_t count = to->count = from->count;
  if (count == 0) return;
  memcpy(to->time_us, from->time_us, count * sizeof *to->time_us);
  memcpy(to->amount, from->amount, count * sizeof *to->amount);
  memcpy(to->name, from->name, count * sizeof *to->name);
  memcpy(to->channel, from->channel, count * sizeof *to->channel);
  memcpy(to->amount_code, from->amount_code, count * sizeof *to->amount_code);
}

void timeline_columns_put(struct timeline_columns *columns, const struct timeline_event *event) {
  size_t at = columns->count++;
  columns->time_us[at] = event->at.time_us;
  columns->name[at] = event->name;
  columns->amount[at] = event->amount;
  columns->amount_code[at] = event->amount_code;
  columns->channel[at] = event->dims[1];
}

enum err timeline_row_read_columns(struct bytes row, struct arena *scratch, struct timeline_columns *columns) {
  struct timeline_pack pack;
  if (timeline_pack_is(row)) {
    enum err err = timeline_pack_open(row, &pack);
    if (err != ERR_OK) return err;
    if (pack.size_bytes == row.size_bytes) {
      timeline_pack_columns(&pack, columns);
      return ERR_OK;
    }
  }
  struct timeline_event *events;
  size_t count;
  enum err err = timeline_row_read_chunk(row, scratch, &events, &count);
  for (size_t i = 0; err == ERR_OK && i < count; i++) timeline_columns_put(columns, &events[i]);
  return err;
}

// --- heads ---------------------------------------------------------------------------------------------------

static void encode_chunk(const struct timeline_chunk *chunk, struct buffer *out) {
  if (!buffer_reserve(out, CHUNK_BYTES_MAX + chunk->name_count * NAME_BYTES_MAX)) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = chunk->first ? CHUNK_FIRST : 0;
  if (!chunk->first) {
    at = varint_put_signed(at, chunk->bound.time_us);
    at = varint_put_raw(at, bytes_of(chunk->bound.event, IDENTITY_EVENT_ID_BYTES));
  }
  at = varint_put(at, chunk->count);
  at = varint_put_signed(at, chunk->first_us);
  at = varint_put(at, (uint64_t)chunk->last_us - (uint64_t)chunk->first_us);
  at = varint_put(at, chunk->name_count);
  for (uint32_t i = 0; i < chunk->name_count; i++)
    at = varint_put(varint_put(at, chunk->names[i].name), chunk->names[i].count);
  out->size_bytes = (size_t)(at - out->data);
}

void timeline_head_encode(const struct timeline_head *head, struct buffer *out) {
  if (!buffer_reserve(out, 2 * VARINT_BYTES_MAX)) return;
  uint8_t *at = varint_put(out->data + out->size_bytes, head->count);
  at = varint_put(at, head->chunk_count);
  out->size_bytes = (size_t)(at - out->data);
  for (uint32_t i = 0; i < head->chunk_count; i++) encode_chunk(&head->chunks[i], out);
}

static enum err decode_chunk(struct varint_reader *reader, struct arena *arena, struct timeline_chunk *chunk) {
  *chunk = (struct timeline_chunk){.first = varint_read_byte(reader) == CHUNK_FIRST};
  if (!chunk->first) {
    chunk->bound.time_us = varint_read_signed(reader);
    struct bytes event = varint_read_raw(reader, IDENTITY_EVENT_ID_BYTES);
    if (event.size_bytes == IDENTITY_EVENT_ID_BYTES) memcpy(chunk->bound.event, event.data, IDENTITY_EVENT_ID_BYTES);
  }
  chunk->count = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  chunk->first_us = varint_read_signed(reader);
  chunk->last_us = (int64_t)((uint64_t)chunk->first_us + varint_read(reader));
  chunk->name_count = (uint32_t)varint_read_up_to(reader, varint_rest_bytes(reader) / NAME_BYTES_MIN);
  if (reader->failed) return ERR_CORRUPT;
  chunk->name_capacity = chunk->name_count;
  chunk->names = arena_take(arena, chunk->name_count * sizeof *chunk->names);
  if (chunk->names == NULL) return ERR_NO_MEMORY;
  for (uint32_t i = 0; i < chunk->name_count; i++) {
    chunk->names[i].name = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
    chunk->names[i].count = (uint32_t)varint_read_up_to(reader, UINT32_MAX);
  }
  return reader->failed ? ERR_CORRUPT : ERR_OK;
}

enum err timeline_head_decode(struct bytes row, struct arena *arena, struct timeline_head *head) {
  *head = (struct timeline_head){0};
  if (row.size_bytes == 0) return ERR_OK;
  struct varint_reader reader = varint_reader_of(row);
  head->count = varint_read(&reader);
  head->chunk_count = (uint32_t)varint_read_up_to(&reader, varint_rest_bytes(&reader) / CHUNK_BYTES_MIN);
  if (reader.failed) return ERR_CORRUPT;
  head->chunk_capacity = head->chunk_count;
  head->chunks = arena_take(arena, head->chunk_count * sizeof *head->chunks);
  if (head->chunks == NULL) return ERR_NO_MEMORY;
  for (uint32_t i = 0; i < head->chunk_count; i++) {
    enum err err = decode_chunk(&reader, arena, &head->chunks[i]);
    if (err != ERR_OK) return err;
    if (head->chunks[i].first != (i == 0)) return ERR_CORRUPT;
  }
  return varint_rest_bytes(&reader) > 0 ? ERR_CORRUPT : ERR_OK;
}

// --- payloads ------------------------------------------------------------------------------------------------

size_t timeline_row_payload_bytes_max(const struct timeline_payload *payload) {
  size_t size = PAYLOAD_HEAD_BYTES_MAX + payload->message.packed.size_bytes;
  for (size_t i = 0; i < payload->identifier_count; i++)
    size += IDENTIFIER_BYTES_MAX + payload->identifiers[i].value.size_bytes;
  return size + (payload->excluded_count + 1) * VARINT_BYTES_MAX;
}

uint8_t *timeline_row_put_payload(const struct timeline_payload *payload, uint8_t *out) {
  uint8_t *at = out;
  *at++ = payload->flags;
  at = varint_put(at, payload->source);
  at = varint_put_signed(at, payload->received_us);
  at = varint_put(at, payload->sequence);
  at = varint_put(at, payload->identifier_count);
  for (size_t i = 0; i < payload->identifier_count; i++)
    at = varint_put_bytes(varint_put(at, payload->identifiers[i].type), payload->identifiers[i].value);
  at = varint_put(at, payload->excluded_count);
  for (size_t i = 0; i < payload->excluded_count; i++) at = varint_put(at, payload->excluded[i]);
  return varint_put_raw(at, payload->message.packed);
}

void timeline_payload_encode(const struct timeline_payload *payload, struct buffer *out) {
  if (!buffer_reserve(out, timeline_row_payload_bytes_max(payload))) return;
  uint8_t *end = timeline_row_put_payload(payload, out->data + out->size_bytes);
  out->size_bytes = (size_t)(end - out->data);
}

enum err timeline_payload_decode(struct bytes row, struct arena *arena, struct timeline_payload *payload) {
  struct varint_reader reader = varint_reader_of(row);
  *payload = (struct timeline_payload){.flags = varint_read_byte(&reader)};
  payload->source = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
  payload->received_us = varint_read_signed(&reader);
  payload->sequence = varint_read(&reader);
  payload->identifier_count = (size_t)varint_read_up_to(&reader, varint_rest_bytes(&reader) / IDENTIFIER_BYTES_MIN);
  if (reader.failed) return ERR_CORRUPT;
  struct identifier *identifiers = arena_take(arena, payload->identifier_count * sizeof *identifiers);
  if (identifiers == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < payload->identifier_count; i++) {
    identifiers[i].type = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
    identifiers[i].value = varint_read_bytes(&reader);
  }
  payload->identifiers = identifiers;
  payload->excluded_count = (size_t)varint_read_up_to(&reader, varint_rest_bytes(&reader));
  if (reader.failed) return ERR_CORRUPT;
  uint32_t *excluded = arena_take(arena, payload->excluded_count * sizeof *excluded);
  if (excluded == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < payload->excluded_count; i++) excluded[i] = (uint32_t)varint_read_up_to(&reader, UINT32_MAX);
  payload->excluded = excluded;
  payload->message.packed = varint_read_raw(&reader, varint_rest_bytes(&reader));
  return reader.failed ? ERR_CORRUPT : ERR_OK;
}

enum err timeline_payload_message(struct bytes row, struct value *message) {
  struct varint_reader reader = varint_reader_of(row);
  varint_read_byte(&reader);                             // flags
  for (unsigned i = 0; i < 3; i++) varint_read(&reader); // source, received, sequence
  for (uint64_t left = varint_read(&reader); left > 0 && !reader.failed; left--) {
    varint_read(&reader); // type
    varint_read_bytes(&reader);
  }
  for (uint64_t left = varint_read(&reader); left > 0 && !reader.failed; left--) varint_read(&reader); // excluded
  message->packed = varint_read_raw(&reader, varint_rest_bytes(&reader));
  return reader.failed ? ERR_CORRUPT : ERR_OK;
}
