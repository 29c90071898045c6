// projection_row: rows of PROJECTION written and read.
//
// Numbers are distances from the least one, in as few bytes as the greatest needs; times count in the coarsest unit
// that keeps them. Amounts and times are read eight bytes at once: as many zero bytes end the row. Indexes into a
// dictionary take no bytes when it has one entry, four bits when it has at most sixteen, eight when it has at most 256;
// of channels there can be more, and then they stand as they are. docs/formats/projection.md has the layout.
#include "customer/projection_row.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/little.h"
#include "customer/packing.h"

enum {
  FORMAT = 1,
  HEAD_BYTES = 32,
  TAIL_BYTES = 8,
  BYTE_ENTRIES = 256,
  GROUP_KEY_BYTES = 8,
  KEY_BYTES = GROUP_KEY_BYTES + 4 + 1,
  DIRECTORY_BYTES = 2 + PROJECTION_CUSTOMERS / 8,
  EVENTS_MAX = PROJECTION_CUSTOMERS * PROJECTION_EVENTS_MAX,
  FIRST_CAPACITY = 1024,
};

// --- keys ----------------------------------------------------------------------------------------------------

void projection_key(uint64_t block, uint32_t name, struct key *key) {
  key_init(key);
  key_put_u64(key, block / PROJECTION_GROUP);
  key_put_u32(key, name);
  key_put_u8(key, (uint8_t)(block % PROJECTION_GROUP));
}

bool projection_key_read(struct bytes key, uint64_t *block, uint32_t *name) {
  if (key.size_bytes != KEY_BYTES || key.data[KEY_BYTES - 1] >= PROJECTION_GROUP) return false;
  *block = key_read_u64(key.data) * PROJECTION_GROUP + key.data[KEY_BYTES - 1];
  *name = key_read_u32(key.data + GROUP_KEY_BYTES);
  return true;
}

void projection_group_range(uint64_t block, struct key *from, struct key *to) {
  key_init(from);
  key_put_u64(from, block / PROJECTION_GROUP);
  key_init(to);
  key_put_u64(to, block / PROJECTION_GROUP + 1);
}

// --- numbers -------------------------------------------------------------------------------------------------

// --- directories and sides -----------------------------------------------------------------------------------

enum err projection_directory_read(struct bytes row, struct projection_directory *directory) {
  if (row.size_bytes < DIRECTORY_BYTES || (row.size_bytes - DIRECTORY_BYTES) % 4 != 0) return ERR_CORRUPT;
  if (row.data[0] != FORMAT || row.data[1] > 1) return ERR_CORRUPT;
  directory->side = row.data[1];
  for (size_t i = 0; i < PROJECTION_BITS; i++) directory->beside[i] = little_read_64(row.data + 2 + 8 * i);
  directory->names = row.data + DIRECTORY_BYTES;
  directory->name_count = (row.size_bytes - DIRECTORY_BYTES) / 4;
  return ERR_OK;
}

bool projection_directory_has(const struct projection_directory *directory, uint32_t name) {
  for (size_t i = 0; i < directory->name_count; i++)
    if (little_read_32(directory->names + 4 * i) == name) return true;
  return false;
}

void projection_directory_put(const struct projection_directory *directory, const uint32_t *names, size_t count,
                              struct buffer *out) {
  if (!buffer_reserve(out, DIRECTORY_BYTES + 4 * count)) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = FORMAT;
  *at++ = directory->side;
  for (size_t i = 0; i < PROJECTION_BITS; i++) at = little_put(at, directory->beside[i], 8);
  for (size_t i = 0; i < count; i++) at = little_put(at, names[i], 4);
  out->size_bytes = (size_t)(at - out->data);
}

void projection_side_read(struct bytes row, uint64_t touched[PROJECTION_BITS]) {
  for (size_t i = 0; i < row.size_bytes; i++) touched[row.data[i] / 64] |= (uint64_t)1 << row.data[i] % 64;
}

// --- rows in memory ------------------------------------------------------------------------------------------

void projection_row_init(struct projection_row *row, uint32_t name) {
  *row = (struct projection_row){.name = name};
}

void projection_row_release(struct projection_row *row) {
  alloc_free(row->memory);
  row->memory = NULL;
}

void projection_row_clear(struct projection_row *row, uint32_t name) {
  row->name = name;
  row->columns.count = 0;
  memset(row->from, 0, sizeof row->from);
}

bool projection_row_reserve(struct projection_row *row, size_t extra) {
  struct timeline_columns grown;
  size_t needed = row->columns.count + extra, capacity = row->columns.capacity;
  if (needed <= capacity) return true;
  if (capacity == 0) capacity = FIRST_CAPACITY;
  while (capacity < needed) capacity *= 2;
  void *memory = alloc_get(timeline_columns_bytes(capacity));
  if (memory == NULL) return false;
  timeline_columns_lay(memory, capacity, &grown);
  timeline_columns_copy(&row->columns, &grown);
  alloc_free(row->memory);
  row->memory = memory;
  row->columns = grown;
  return true;
}

// --- writing -------------------------------------------------------------------------------------------------

struct shape {
  int64_t time_us, amount; // the least ones
  uint64_t time_span, amount_span;
  unsigned unit, time_width, amount_width, count_width;
  unsigned code_count, channel_count; // channel_count 0: there are too many for a dictionary
  uint8_t codes[BYTE_ENTRIES];
  uint8_t code_at[BYTE_ENTRIES]; // index by code
  uint32_t channels[BYTE_ENTRIES];
};

static unsigned unit_of(const struct timeline_columns *columns, int64_t base_us) {
  unsigned unit = PACKING_UNITS - 1;
  for (size_t i = 0; i < columns->count && unit > 0; i++)
    while (unit > 0 && ((uint64_t)columns->time_us[i] - (uint64_t)base_us) % (uint64_t)packing_units_us[unit] != 0)
      unit--;
  return unit;
}

static void measure_numbers(const struct projection_row *row, struct shape *shape) {
  const struct timeline_columns *columns = &row->columns;
  int64_t last_us = INT64_MIN, most = INT64_MIN;
  uint32_t longest = 0;
  shape->time_us = shape->amount = INT64_MAX;
  for (size_t i = 0; i < columns->count; i++) {
    if (columns->time_us[i] < shape->time_us) shape->time_us = columns->time_us[i];
    if (columns->time_us[i] > last_us) last_us = columns->time_us[i];
    if (columns->amount[i] < shape->amount) shape->amount = columns->amount[i];
    if (columns->amount[i] > most) most = columns->amount[i];
  }
  for (size_t i = 0; i < PROJECTION_CUSTOMERS; i++)
    if (row->from[i + 1] - row->from[i] > longest) longest = row->from[i + 1] - row->from[i];
  shape->unit = unit_of(columns, shape->time_us);
  shape->time_span = ((uint64_t)last_us - (uint64_t)shape->time_us) / (uint64_t)packing_units_us[shape->unit];
  shape->amount_span = (uint64_t)most - (uint64_t)shape->amount;
  shape->time_width = little_width(shape->time_span);
  shape->amount_width = little_width(shape->amount_span);
  shape->count_width = longest > UINT8_MAX ? 2 : 1;
}

static int find_channel(const struct shape *shape, uint32_t channel) {
  for (unsigned i = 0; i < shape->channel_count; i++)
    if (shape->channels[i] == channel) return (int)i;
  return -1;
}

static void measure_dictionaries(const struct timeline_columns *columns, struct shape *shape) {
  bool known[BYTE_ENTRIES] = {false}, too_many = false;
  for (size_t i = 0; i < columns->count; i++) {
    uint8_t code = columns->amount_code[i];
    if (!known[code]) {
      shape->code_at[code] = (uint8_t)shape->code_count;
      shape->codes[shape->code_count++] = code;
    }
    known[code] = true;
    if (too_many || find_channel(shape, columns->channel[i]) >= 0) continue;
    too_many = shape->channel_count == BYTE_ENTRIES;
    if (!too_many) shape->channels[shape->channel_count++] = columns->channel[i];
  }
  if (too_many) shape->channel_count = 0;
}

static uint8_t *put_index(uint8_t *indexes, size_t entries, size_t i, unsigned index) {
  if (entries > PACKING_NIBBLE_ENTRIES)
    indexes[i] = (uint8_t)index;
  else if (entries > 1)
    indexes[i / 2] = (uint8_t)(i % 2 == 0 ? index : indexes[i / 2] | index << 4);
  return indexes;
}

static uint8_t *put_head(uint8_t *at, const struct shape *shape, size_t count) {
  *at++ = FORMAT;
  *at++ = (uint8_t)(shape->unit << 4 | shape->time_width);
  *at++ = (uint8_t)shape->amount_width;
  *at++ = (uint8_t)shape->count_width;
  at = little_put(at, shape->code_count, 2);
  at = little_put(at, shape->channel_count, 2);
  at = little_put(at, count, 4);
  at = little_put(at, 0, 4);
  at = little_put(at, (uint64_t)shape->time_us, 8);
  return little_put(at, (uint64_t)shape->amount, 8);
}

static uint8_t *put_columns(uint8_t *at, const struct shape *shape, const struct timeline_columns *columns) {
  size_t count = columns->count;
  uint64_t unit_us = (uint64_t)packing_units_us[shape->unit];
  for (size_t i = 0; i < count; i++)
    at = little_put(at, ((uint64_t)columns->time_us[i] - (uint64_t)shape->time_us) / unit_us, shape->time_width);
  for (size_t i = 0; i < count; i++)
    at = little_put(at, (uint64_t)columns->amount[i] - (uint64_t)shape->amount, shape->amount_width);
  for (size_t i = 0; i < count; i++) put_index(at, shape->code_count, i, shape->code_at[columns->amount_code[i]]);
  at += packing_index_bytes(shape->code_count, count);
  if (shape->channel_count == 0) {
    for (size_t i = 0; i < count; i++) at = little_put(at, columns->channel[i], 4);
    return at;
  }
  for (size_t i = 0; shape->channel_count > 1 && i < count; i++)
    put_index(at, shape->channel_count, i, (unsigned)find_channel(shape, columns->channel[i]));
  return at + packing_index_bytes(shape->channel_count, count);
}

static size_t bytes_of_row(const struct shape *shape, size_t count) {
  size_t channels = shape->channel_count == 0 ? 4 * count : packing_index_bytes(shape->channel_count, count);
  return HEAD_BYTES + shape->code_count + 4 * (size_t)shape->channel_count +
         PROJECTION_CUSTOMERS * (size_t)shape->count_width + count * (shape->time_width + shape->amount_width) +
         packing_index_bytes(shape->code_count, count) + channels + TAIL_BYTES;
}

void projection_row_put(const struct projection_row *row, struct buffer *out) {
  struct shape shape = {.code_count = 0};
  measure_numbers(row, &shape);
  measure_dictionaries(&row->columns, &shape);
  if (!buffer_reserve(out, bytes_of_row(&shape, row->columns.count))) return;
  uint8_t *at = put_head(out->data + out->size_bytes, &shape, row->columns.count);
  memcpy(at, shape.codes, shape.code_count);
  at += shape.code_count;
  for (unsigned i = 0; i < shape.channel_count; i++) at = little_put(at, shape.channels[i], 4);
  for (size_t i = 0; i < PROJECTION_CUSTOMERS; i++)
    at = little_put(at, row->from[i + 1] - row->from[i], shape.count_width);
  at = put_columns(at, &shape, &row->columns);
  at = little_put(at, 0, TAIL_BYTES);
  out->size_bytes = (size_t)(at - out->data);
}

// --- reading -------------------------------------------------------------------------------------------------

// A row whose parts were found.
struct parts {
  struct shape shape;
  size_t count;
  const uint8_t *codes, *channels, *counts, *times, *amounts, *code_at, *channel_at;
};

static enum err find_parts(struct bytes bytes, struct parts *parts) {
  struct shape *shape = &parts->shape;
  const uint8_t *at = bytes.data;
  if (bytes.size_bytes < HEAD_BYTES || at[0] != FORMAT) return ERR_CORRUPT;
  shape->unit = at[1] >> 4;
  shape->time_width = at[1] & 15;
  shape->amount_width = at[2];
  shape->count_width = at[3];
  shape->code_count = little_read_16(at + 4);
  shape->channel_count = little_read_16(at + 6);
  parts->count = little_read_32(at + 8);
  shape->time_us = (int64_t)little_read_64(at + 16);
  shape->amount = (int64_t)little_read_64(at + 24);
  if (shape->unit >= PACKING_UNITS || shape->time_width > LITTLE_BYTES_MAX || shape->amount_width > LITTLE_BYTES_MAX ||
      shape->count_width < 1 || shape->count_width > 2 || shape->code_count < 1 || shape->code_count > BYTE_ENTRIES ||
      shape->channel_count > BYTE_ENTRIES || parts->count == 0 || parts->count > EVENTS_MAX)
    return ERR_CORRUPT;
  if (bytes_of_row(shape, parts->count) != bytes.size_bytes) return ERR_CORRUPT;
  parts->codes = at + HEAD_BYTES;
  parts->channels = parts->codes + shape->code_count;
  parts->counts = parts->channels + 4 * (size_t)shape->channel_count;
  parts->times = parts->counts + PROJECTION_CUSTOMERS * (size_t)shape->count_width;
  parts->amounts = parts->times + parts->count * shape->time_width;
  parts->code_at = parts->amounts + parts->count * shape->amount_width;
  parts->channel_at = parts->code_at + packing_index_bytes(shape->code_count, parts->count);
  return ERR_OK;
}

static enum err read_counts(const struct parts *parts, uint32_t from[PROJECTION_CUSTOMERS + 1]) {
  uint32_t sum = 0;
  for (size_t i = 0; i < PROJECTION_CUSTOMERS; i++) {
    from[i] = sum;
    sum += parts->shape.count_width == 1 ? parts->counts[i] : little_read_16(parts->counts + 2 * i);
  }
  from[PROJECTION_CUSTOMERS] = sum;
  return sum == parts->count ? ERR_OK : ERR_CORRUPT;
}

// `width` is a constant of the caller where it matters.
static inline void read_numbers(const uint8_t *at, size_t count, unsigned width, int64_t base, int64_t unit,
                                int64_t *out) {
  uint64_t mask = little_mask(width);
  for (size_t i = 0; i < count; i++)
    out[i] = (int64_t)((uint64_t)base + (little_read_64(at + i * width) & mask) * (uint64_t)unit);
}

static void read_any_numbers(const uint8_t *at, size_t count, unsigned width, int64_t base, int64_t unit,
                             int64_t *out) {
  if (width == 0) {
    for (size_t i = 0; i < count; i++) out[i] = base;
  } else if (width == 3) {
    read_numbers(at, count, 3, base, unit, out);
  } else if (width == 4) {
    for (size_t i = 0; i < count; i++)
      out[i] = (int64_t)((uint64_t)base + (uint64_t)little_read_32(at + 4 * i) * (uint64_t)unit);
  } else {
    read_numbers(at, count, width, base, unit, out);
  }
}

// An index that a dictionary does not have, which only damage can bring, is the first entry.
static unsigned index_at(const uint8_t *indexes, unsigned entries, size_t i) {
  unsigned index = entries > PACKING_NIBBLE_ENTRIES ? indexes[i] : indexes[i / 2] >> (i % 2 * 4) & 15;
  return index < entries ? index : 0;
}

static void read_codes(const struct parts *parts, uint8_t *out) {
  unsigned entries = parts->shape.code_count;
  if (entries == 1) {
    memset(out, parts->codes[0], parts->count);
    return;
  }
  for (size_t i = 0; i < parts->count; i++) out[i] = parts->codes[index_at(parts->code_at, entries, i)];
}

static void read_channels(const struct parts *parts, uint32_t *out) {
  unsigned entries = parts->shape.channel_count;
  size_t count = parts->count;
  uint32_t table[PACKING_NIBBLE_ENTRIES] = {0};
  if (entries == 0) {
    for (size_t i = 0; i < count; i++) out[i] = little_read_32(parts->channel_at + 4 * i);
  } else if (entries == 1) {
    uint32_t only = little_read_32(parts->channels);
    for (size_t i = 0; i < count; i++) out[i] = only;
  } else if (entries <= PACKING_NIBBLE_ENTRIES) {
    for (unsigned i = 0; i < PACKING_NIBBLE_ENTRIES; i++)
      table[i] = little_read_32(parts->channels + 4 * (i < entries ? i : 0));
    for (size_t i = 0; i < count; i++) out[i] = table[parts->channel_at[i / 2] >> (i % 2 * 4) & 15];
  } else {
    for (size_t i = 0; i < count; i++)
      out[i] = little_read_32(parts->channels + 4 * index_at(parts->channel_at, entries, i));
  }
}

enum err projection_row_read(struct bytes bytes, uint32_t name, bool times_only, struct projection_row *row) {
  struct parts parts;
  projection_row_clear(row, name);
  enum err err = find_parts(bytes, &parts);
  if (err == ERR_OK) err = read_counts(&parts, row->from);
  if (err != ERR_OK) return err;
  if (!projection_row_reserve(row, parts.count)) return ERR_NO_MEMORY;
  struct timeline_columns *columns = &row->columns;
  columns->count = parts.count;
  read_any_numbers(parts.times, parts.count, parts.shape.time_width, parts.shape.time_us,
                   packing_units_us[parts.shape.unit], columns->time_us);
  for (size_t i = 0; i < parts.count; i++) columns->name[i] = name;
  if (times_only) return ERR_OK;
  read_any_numbers(parts.amounts, parts.count, parts.shape.amount_width, parts.shape.amount, 1, columns->amount);
  read_codes(&parts, columns->amount_code);
  read_channels(&parts, columns->channel);
  return ERR_OK;
}
