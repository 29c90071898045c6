// timeline_verify: the stored timeline of one customer held against its head, row by row.
//
// A breach is told and the walk goes on: whoever repairs wants to see all of them. Words name positions and counts,
// never what a customer did.
#include <stdarg.h>
#include <stdio.h>

#include "customer/record.h"
#include "customer/timeline_row.h"

enum { BREACH_BYTES = 200 };

struct verify {
  struct store_snapshot *snapshot;
  uint64_t customer;
  const struct timeline_head *head;
  timeline_breach_fn *breach;
  void *context;
  struct arena arena; // one chunk at a time
  uint64_t events;    // read so far
};

static void tell(const struct verify *verify, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(const struct verify *verify, const char *format, ...) {
  char text[BREACH_BYTES], id[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(verify->customer, id);
  int length = snprintf(text, sizeof text, "timeline of %s: ", id);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
  va_end(arguments);
  verify->breach(verify->context, text);
}

// --- chunks --------------------------------------------------------------------------------------------------

static void verify_bounds(const struct verify *verify, uint32_t position, const struct timeline_event *events,
                          size_t count) {
  const struct timeline_chunk *chunk = &verify->head->chunks[position];
  if (chunk->first != (position == 0)) tell(verify, "chunk %u is wrongly marked as the first or not", position);
  if (count == 0) return;
  if (position > 0 && identity_instant_compare(&events[0].at, &chunk->bound) < 0)
    tell(verify, "chunk %u holds an event before its bound", position);
  if (position + 1 < verify->head->chunk_count && identity_instant_compare(&events[count - 1].at, &chunk[1].bound) >= 0)
    tell(verify, "chunk %u holds an event after its end", position);
}

static void verify_names(const struct verify *verify, uint32_t position, const struct timeline_event *events,
                         size_t count) {
  const struct timeline_chunk *chunk = &verify->head->chunks[position];
  uint64_t told = 0;
  for (uint32_t i = 0; i < chunk->name_count; i++) {
    size_t found = 0;
    for (size_t j = 0; j < count; j++) found += events[j].name == chunk->names[i].name;
    told += chunk->names[i].count;
    if (found != chunk->names[i].count)
      tell(verify, "chunk %u has %zu events of name %u, its summary says %u", position, found, chunk->names[i].name,
           chunk->names[i].count);
    if (i > 0 && chunk->names[i - 1].name >= chunk->names[i].name)
      tell(verify, "the names of chunk %u are not sorted", position);
  }
  if (told != chunk->count)
    tell(verify, "the names of chunk %u sum up to %llu of %u", position, (unsigned long long)told, chunk->count);
}

static void verify_summary(const struct verify *verify, uint32_t position, const struct timeline_event *events,
                           size_t count) {
  const struct timeline_chunk *chunk = &verify->head->chunks[position];
  if (count != chunk->count)
    tell(verify, "chunk %u has %zu events, its summary says %u", position, count, chunk->count);
  if (count == 0 || count > LIMIT_CHUNK_EVENTS)
    tell(verify, "chunk %u has %zu events, the limit is %d", position, count, LIMIT_CHUNK_EVENTS);
  if (count > 0 && (events[0].at.time_us != chunk->first_us || events[count - 1].at.time_us != chunk->last_us))
    tell(verify, "the times of chunk %u are not those of its summary", position);
  verify_names(verify, position, events, count);
}

static enum err verify_payloads(struct verify *verify, uint32_t position, const struct timeline_event *events,
                                size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct key key;
    struct bytes row;
    timeline_row_key(verify->customer, &events[i].at, &key);
    enum err err = store_snapshot_get(verify->snapshot, STORE_PAYLOAD, key_view(&key), &verify->arena, &row);
    if (err != ERR_OK) return err;
    struct timeline_payload payload;
    if (row.data == NULL) {
      tell(verify, "event %zu of chunk %u has no payload", i, position);
      continue;
    }
    err = timeline_payload_decode(row, &verify->arena, &payload);
    if (err == ERR_NO_MEMORY) return err;
    if (err != ERR_OK) tell(verify, "the payload of event %zu of chunk %u cannot be read", i, position);
  }
  return ERR_OK;
}

static enum err verify_chunk(struct verify *verify, uint32_t position) {
  struct key key;
  struct bytes row;
  struct timeline_event *events;
  size_t count;
  arena_clear(&verify->arena);
  timeline_row_chunk_key(verify->customer, &verify->head->chunks[position], &key);
  enum err err = store_snapshot_get(verify->snapshot, STORE_TIMELINE, key_view(&key), &verify->arena, &row);
  if (err != ERR_OK) return err;
  if (row.data == NULL) {
    tell(verify, "chunk %u of the head is not there", position);
    return ERR_OK;
  }
  err = timeline_row_read_chunk(row, &verify->arena, &events, &count);
  if (err == ERR_CORRUPT) {
    tell(verify, "chunk %u cannot be read", position);
    return ERR_OK;
  }
  if (err != ERR_OK) return err;
  verify->events += count;
  verify_bounds(verify, position, events, count);
  verify_summary(verify, position, events, count);
  return verify_payloads(verify, position, events, count);
}

// --- the whole -----------------------------------------------------------------------------------------------

static enum err count_rows(const struct verify *verify, enum store_keyspace keyspace, uint64_t *count) {
  struct key from, to;
  struct bytes key, value;
  struct store_cursor *cursor;
  timeline_row_range(verify->customer, &from, &to);
  *count = 0;
  enum err err = store_snapshot_scan(verify->snapshot, keyspace, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (store_cursor_next(cursor, &key, &value)) ++*count;
  err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// All rows that the head leads to were read one by one; more rows than that are strays.
static enum err verify_strays(struct verify *verify) {
  uint64_t chunks, payloads;
  enum err err = count_rows(verify, STORE_TIMELINE, &chunks);
  if (err == ERR_OK) err = count_rows(verify, STORE_PAYLOAD, &payloads);
  if (err != ERR_OK) return err;
  if (chunks != verify->head->chunk_count)
    tell(verify, "%llu chunks are stored, the head knows %u", (unsigned long long)chunks, verify->head->chunk_count);
  if (payloads != verify->events)
    tell(verify, "%llu payloads are stored for %llu events", (unsigned long long)payloads,
         (unsigned long long)verify->events);
  return ERR_OK;
}

enum err timeline_verify(struct store_snapshot *snapshot, uint64_t customer, const struct timeline_head *head,
                         timeline_breach_fn *breach, void *context) {
  struct verify verify = {
      .snapshot = snapshot, .customer = customer, .head = head, .breach = breach, .context = context};
  arena_init(&verify.arena, 0);
  enum err err = ERR_OK;
  for (uint32_t i = 0; err == ERR_OK && i < head->chunk_count; i++) err = verify_chunk(&verify, i);
  if (err == ERR_OK && verify.events != head->count)
    tell(&verify, "%llu events are stored, the head says %llu", (unsigned long long)verify.events,
         (unsigned long long)head->count);
  if (err == ERR_OK) err = verify_strays(&verify);
  arena_release(&verify.arena);
  return err;
}
