// feed_row.c: rows of the feed, written and read.
#include "engine/feed_row.h"

#include "segment/definition.h"

enum { FORMAT = 2, FORMAT_LOYALTY = 3, CHANGE_BYTES_MAX = 3 * VARINT_BYTES_MAX, ROW_KEY_BYTES = 1 + sizeof(uint64_t) };
enum { ENTERED = 1, BACKFILL = 2, SAME = 4, NOW = 8, FLAG_BITS = 4 };

void feed_row_key(struct key *key, uint64_t first) {
  key_init(key);
  key_put_u8(key, 'a');
  key_put_u64(key, first);
}

void feed_segment_key(struct key *key, struct bytes id, uint64_t block) {
  key_init(key);
  key_put_u8(key, 's');
  key_put_text(key, id);
  key_put_u64(key, block);
}

static uint8_t *put_change(uint8_t *at, const struct live_change *change, uint64_t before, int64_t recorded_us) {
  uint64_t head = change->segment == NULL ? 0 : (uint64_t)change->segment->question << FLAG_BITS;
  if (change->entered) head |= ENTERED;
  if (change->backfill) head |= BACKFILL;
  if (change->customer == before) head |= SAME;
  if (change->at_us == recorded_us) head |= NOW;
  at = varint_put(at, head);
  if (change->customer != before) at = varint_put_signed(at, (int64_t)(change->customer - before));
  if (change->at_us != recorded_us)
    at = varint_put_signed(at, (int64_t)((uint64_t)recorded_us - (uint64_t)change->at_us));
  return at;
}

void feed_row_encode(const struct live_change *changes, size_t count, int64_t recorded_us, struct buffer *out) {
  uint64_t customer = 0;
  bool loyalty = false;
  for (size_t i = 0; i < count && !loyalty; i++) loyalty = changes[i].segment == NULL;
  if (!buffer_reserve(out, (count + 1) * CHANGE_BYTES_MAX)) return;
  uint8_t *at = out->data + out->size_bytes;
  at = varint_put(at, loyalty ? FORMAT_LOYALTY : FORMAT);
  at = varint_put(at, count);
  at = varint_put_signed(at, recorded_us);
  out->size_bytes = (size_t)(at - out->data);
  for (size_t i = 0; i < count; i++) {
    if (loyalty && !buffer_reserve(out, (count + 1) * CHANGE_BYTES_MAX)) return; // codes took some
    at = put_change(out->data + out->size_bytes, &changes[i], customer, recorded_us);
    out->size_bytes = (size_t)(at - out->data);
    if (changes[i].segment == NULL) feed_loyalty_encode(changes[i].loyalty, out);
    customer = changes[i].customer;
  }
}

enum err feed_row_open(struct feed_row *row, struct bytes key, struct bytes value) {
  *row = (struct feed_row){.reader = varint_reader_of(value)};
  if (key.size_bytes != ROW_KEY_BYTES) return ERR_CORRUPT;
  uint64_t format = varint_read(&row->reader);
  if (format != FORMAT && format != FORMAT_LOYALTY) return ERR_CORRUPT;
  row->first = key_read_u64(key.data + 1);
  row->count = (size_t)varint_read_up_to(&row->reader, FEED_ROW_CHANGES);
  row->recorded_us = varint_read_signed(&row->reader);
  return row->reader.failed || row->count == 0 ? ERR_CORRUPT : ERR_OK;
}

enum err feed_row_next(struct feed_row *row, struct feed_change *change) {
  if (row->read == row->count) return varint_rest_bytes(&row->reader) == 0 ? ERR_NOT_FOUND : ERR_CORRUPT;
  uint64_t head = varint_read(&row->reader), late_us = 0;
  if ((head & SAME) == 0) row->customer += (uint64_t)varint_read_signed(&row->reader);
  if ((head & NOW) == 0) late_us = (uint64_t)varint_read_signed(&row->reader);
  if (row->reader.failed || head >> FLAG_BITS > UINT32_MAX) return ERR_CORRUPT;
  *change = (struct feed_change){.number = row->first + row->read++,
                                 .customer = row->customer,
                                 .question = (uint32_t)(head >> FLAG_BITS),
                                 .entered = (head & ENTERED) != 0,
                                 .backfill = (head & BACKFILL) != 0,
                                 .at_us = (int64_t)((uint64_t)row->recorded_us - late_us)};
  return change->question == 0 ? feed_loyalty_decode(&row->reader, &change->loyalty) : ERR_OK;
}
