// timeline_pack: packed segments written and read.
//
// An event's name and amount code are one dictionary, its kinds, as the name nearly always tells whether there is an
// amount and of which property. Indexes into a dictionary take no bytes when it has one entry, four bits when it has at
// most sixteen, else eight. Numbers of odd widths are read eight bytes at once: the event ids, sixteen bytes an event,
// lie behind all of them, so that no read passes the segment's end, whatever the indexes say.
#include "customer/timeline_pack.h"

#include <assert.h>

#include "base/little.h"
#include "customer/packing.h"
#include "rule/machine.h"

enum {
  DENSE = 0x80,
  WIDTH_BITS = 15,
  UNIT_SHIFT = 4,
  EVENT_BYTES_MAX = 3 * LITTLE_BYTES_MAX + 27 + IDENTITY_EVENT_ID_BYTES, // all dictionary entries included
};

static bool has_amount(uint8_t code) {
  return code < RULE_AMOUNT_NOTHING;
}

// --- opening -------------------------------------------------------------------------------------------------

bool timeline_pack_is(struct bytes rest) {
  return rest.size_bytes >= TIMELINE_PACK_HEAD_BYTES && little_read_16(rest.data) == 0;
}

static const uint8_t *pass(const uint8_t **at, size_t size) {
  const uint8_t *start = *at;
  *at += size;
  return start;
}

static void find_parts(const uint8_t *head, struct timeline_pack *pack) {
  const uint8_t *at = head + TIMELINE_PACK_HEAD_BYTES;
  size_t count = pack->count;
  pack->head = head;
  pack->names = pass(&at, 4 * (size_t)pack->kind_count);
  pack->codes = pass(&at, pack->kind_count);
  pack->channels = pass(&at, 4 * (size_t)pack->channel_count);
  pack->stores = pass(&at, 4 * (size_t)pack->store_count);
  pack->currencies = pass(&at, 2 * (size_t)pack->currency_count);
  pack->times = pass(&at, count * pack->time_width);
  pack->kinds = pass(&at, packing_index_bytes(pack->kind_count, count));
  pack->amounts = pass(&at, (size_t)pack->amount_count * pack->amount_width);
  pack->channel_at = pass(&at, packing_index_bytes(pack->channel_count, count));
  pack->store_at = pass(&at, packing_index_bytes(pack->store_count, count));
  pack->currency_at = pass(&at, packing_index_bytes(pack->currency_count, count));
  pack->ids = pass(&at, count * IDENTITY_EVENT_ID_BYTES);
}

static void read_head(const uint8_t *head, struct timeline_pack *pack) {
  unsigned unit = head[5] >> UNIT_SHIFT;
  *pack = (struct timeline_pack){.count = head[4],
                                 .size_bytes = little_read_16(head + 2),
                                 .unit_us = unit < PACKING_UNITS ? packing_units_us[unit] : 0,
                                 .time_width = head[5] & WIDTH_BITS,
                                 .amount_width = head[6] & WIDTH_BITS,
                                 .dense = (head[6] & DENSE) != 0,
                                 .kind_count = head[7],
                                 .channel_count = head[8],
                                 .store_count = head[9],
                                 .currency_count = head[10],
                                 .amount_count = head[11],
                                 .base_us = (int64_t)little_read_64(head + 12)};
  find_parts(head, pack);
}

enum err timeline_pack_open(struct bytes rest, struct timeline_pack *pack) {
  if (!timeline_pack_is(rest)) return ERR_CORRUPT;
  read_head(rest.data, pack);
  if (pack->count == 0 || pack->unit_us == 0 || pack->kind_count == 0 || pack->channel_count == 0 ||
      pack->store_count == 0 || pack->currency_count == 0 || pack->time_width > LITTLE_BYTES_MAX ||
      pack->amount_width > LITTLE_BYTES_MAX || pack->amount_count > pack->count || pack->size_bytes > rest.size_bytes)
    return ERR_CORRUPT;
  size_t size = (size_t)(pack->ids - pack->head) + pack->count * IDENTITY_EVENT_ID_BYTES;
  return size == pack->size_bytes ? ERR_OK : ERR_CORRUPT;
}

size_t timeline_pack_kept_bytes(const struct timeline_pack *pack) {
  return (size_t)(pack->ids - pack->head) + LITTLE_BYTES_MAX; // the last number is read with what lies behind it
}

void timeline_pack_keep(const struct timeline_pack *pack, uint8_t *memory, struct timeline_pack *kept) {
  memcpy(memory, pack->head, timeline_pack_kept_bytes(pack));
  *kept = *pack;
  find_parts(memory, kept);
  kept->ids = NULL;
}

// --- reading -------------------------------------------------------------------------------------------------

static void read_times(const struct timeline_pack *pack, int64_t *time_us) {
  uint64_t mask = little_mask(pack->time_width);
  const uint8_t *at = pack->times;
  for (size_t i = 0; i < pack->count; i++, at += pack->time_width)
    time_us[i] = (int64_t)((uint64_t)pack->base_us + (little_read_64(at) & mask) * (uint64_t)pack->unit_us);
}

// An index that a dictionary does not have, which only damage can bring, is the first entry.
static unsigned index_at(const uint8_t *indexes, unsigned entries, size_t i) {
  unsigned index = 0;
  if (entries > PACKING_NIBBLE_ENTRIES)
    index = indexes[i];
  else if (entries > 1)
    index = indexes[i / 2] >> (i % 2 * 4) & 15;
  return index < entries ? index : 0;
}

// A column of a dictionary of 32-bit numbers.
static void read_column(const uint8_t *dictionary, unsigned entries, const uint8_t *indexes, size_t count,
                        uint32_t *out) {
  uint32_t table[PACKING_NIBBLE_ENTRIES] = {0};
  if (entries == 1) {
    uint32_t only = little_read_32(dictionary);
    for (size_t i = 0; i < count; i++) out[i] = only;
  } else if (entries <= PACKING_NIBBLE_ENTRIES) {
    for (unsigned i = 0; i < entries; i++) table[i] = little_read_32(dictionary + 4 * i);
    for (size_t i = 0; i + 1 < count; i += 2) {
      out[i] = table[indexes[i / 2] & 15];
      out[i + 1] = table[indexes[i / 2] >> 4];
    }
    if (count % 2 == 1) out[count - 1] = table[indexes[count / 2] & 15];
  } else {
    for (size_t i = 0; i < count; i++) out[i] = little_read_32(dictionary + 4 * index_at(indexes, entries, i));
  }
}

static void read_codes(const struct timeline_pack *pack, uint8_t *out) {
  uint8_t table[PACKING_NIBBLE_ENTRIES] = {0};
  if (pack->kind_count > PACKING_NIBBLE_ENTRIES) {
    for (size_t i = 0; i < pack->count; i++) out[i] = pack->codes[index_at(pack->kinds, pack->kind_count, i)];
    return;
  }
  memcpy(table, pack->codes, pack->kind_count);
  if (pack->kind_count == 1) {
    memset(out, table[0], pack->count);
    return;
  }
  for (size_t i = 0; i + 1 < pack->count; i += 2) {
    out[i] = table[pack->kinds[i / 2] & 15];
    out[i + 1] = table[pack->kinds[i / 2] >> 4];
  }
  if (pack->count % 2 == 1) out[pack->count - 1] = table[pack->kinds[pack->count / 2] & 15];
}

static int64_t amount_at(const uint8_t *at, unsigned width) {
  unsigned unused = 8 * (LITTLE_BYTES_MAX - width);
  return width == 0 ? 0 : (int64_t)(little_read_64(at) << unused) >> unused;
}

// `codes` are those of the events.
static void read_amounts(const struct timeline_pack *pack, const uint8_t *codes, int64_t *out) {
  const uint8_t *at = pack->amounts;
  unsigned width = pack->amount_width;
  if (width == 0) {
    memset(out, 0, pack->count * sizeof *out);
    return;
  }
  for (size_t i = 0; i < pack->count; i++) {
    bool is_there = pack->dense || has_amount(codes[i]);
    out[i] = is_there ? amount_at(at, width) : 0;
    at += is_there ? width : 0;
  }
}

void timeline_pack_columns(const struct timeline_pack *pack, struct timeline_columns *columns) {
  size_t at = columns->count;
  read_times(pack, columns->time_us + at);
  read_column(pack->names, pack->kind_count, pack->kinds, pack->count, columns->name + at);
  read_codes(pack, columns->amount_code + at);
  read_amounts(pack, columns->amount_code + at, columns->amount + at);
  read_column(pack->channels, pack->channel_count, pack->channel_at, pack->count, columns->channel + at);
  columns->count = at + pack->count;
}

void timeline_pack_events(const struct timeline_pack *pack, struct timeline_event *events) {
  int64_t times_us[TIMELINE_PACK_EVENTS_MAX], amounts[TIMELINE_PACK_EVENTS_MAX];
  uint32_t names[TIMELINE_PACK_EVENTS_MAX], channels[TIMELINE_PACK_EVENTS_MAX];
  uint8_t codes[TIMELINE_PACK_EVENTS_MAX];
  struct timeline_columns columns = {
      .time_us = times_us, .amount = amounts, .name = names, .channel = channels, .amount_code = codes};
  timeline_pack_columns(pack, &columns);
  for (size_t i = 0; i < pack->count; i++) {
    struct timeline_event *event = &events[i];
    event->at.time_us = times_us[i];
    memcpy(event->at.event, pack->ids + i * IDENTITY_EVENT_ID_BYTES, IDENTITY_EVENT_ID_BYTES);
    event->name = names[i];
    event->amount = amounts[i];
    event->amount_code = codes[i];
    event->currency = little_read_16(pack->currencies + 2 * index_at(pack->currency_at, pack->currency_count, i));
    event->dims[0] = little_read_32(pack->stores + 4 * index_at(pack->store_at, pack->store_count, i));
    event->dims[1] = channels[i];
  }
}

// --- choosing ------------------------------------------------------------------------------------------------

static int64_t time_at(const struct timeline_pack *pack, size_t i) {
  uint64_t distance = little_read_64(pack->times + i * pack->time_width) & little_mask(pack->time_width);
  return (int64_t)((uint64_t)pack->base_us + distance * (uint64_t)pack->unit_us);
}

// The first event that is not before `time_us`.
static size_t first_from(const struct timeline_pack *pack, int64_t time_us) {
  size_t from = 0, to = time_us <= pack->base_us ? 0 : pack->count;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (time_at(pack, middle) < time_us) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

static bool is_wanted(const struct rule_events_wanted *wanted, uint32_t name) {
  for (size_t i = 0; i < wanted->name_count; i++)
    if (wanted->names[i] == name) return true;
  return false;
}

static void put_chosen(const struct timeline_pack *pack, size_t i, unsigned kind, unsigned amounts_before,
                       struct timeline_columns *columns) {
  size_t at = columns->count++;
  uint8_t code = pack->codes[kind];
  const uint8_t *amount = pack->amounts + amounts_before * pack->amount_width;
  columns->time_us[at] = time_at(pack, i);
  columns->name[at] = little_read_32(pack->names + 4 * kind);
  columns->amount_code[at] = code;
  columns->amount[at] = pack->dense || has_amount(code) ? amount_at(amount, pack->amount_width) : 0;
  columns->channel[at] = little_read_32(pack->channels + 4 * index_at(pack->channel_at, pack->channel_count, i));
}

// What is wanted of the kinds, and the events found.
struct choice {
  bool chosen[TIMELINE_PACK_EVENTS_MAX + 1], with_amount[TIMELINE_PACK_EVENTS_MAX + 1];
  size_t from, to, count;
  struct {
    uint8_t place, kind, amounts_before;
  } found[TIMELINE_PACK_EVENTS_MAX];
};

// `entries` is a constant of the caller where it matters: this loop is most of what a scan costs per event.
static inline void find_chosen(const struct timeline_pack *pack, unsigned entries, struct choice *choice) {
  unsigned amounts = 0;
  size_t count = 0;
  for (size_t i = 0; i < choice->to; i++) {
    unsigned kind = entries > PACKING_NIBBLE_ENTRIES ? index_at(pack->kinds, pack->kind_count, i)
                    : entries > 1                    ? pack->kinds[i / 2] >> (i % 2 * 4) & 15U
                                                     : 0;
    choice->found[count].place = (uint8_t)i;
    choice->found[count].kind = (uint8_t)kind;
    choice->found[count].amounts_before = (uint8_t)amounts;
    count += choice->chosen[kind] & (i >= choice->from);
    amounts += choice->with_amount[kind];
  }
  choice->count = count;
}

// False when no event can be wanted.
static bool prepare(const struct timeline_pack *pack, const struct rule_events_wanted *wanted, struct choice *choice) {
  bool any = false;
  if (time_at(pack, pack->count - 1) < wanted->from_us) return false;
  if (pack->kind_count <= PACKING_NIBBLE_ENTRIES) {
    memset(choice->chosen, 0, PACKING_NIBBLE_ENTRIES);
    memset(choice->with_amount, 0, PACKING_NIBBLE_ENTRIES);
  }
  for (unsigned i = 0; i < pack->kind_count; i++) {
    any |= choice->chosen[i] = is_wanted(wanted, little_read_32(pack->names + 4 * i));
    choice->with_amount[i] = pack->dense || has_amount(pack->codes[i]);
  }
  if (!any) return false;
  choice->from = first_from(pack, wanted->from_us);
  choice->to = wanted->to_us == INT64_MAX ? pack->count : first_from(pack, wanted->to_us);
  return true;
}

void timeline_pack_choose(const struct timeline_pack *pack, const struct rule_events_wanted *wanted,
                          struct timeline_columns *columns) {
  struct choice choice;
  if (!prepare(pack, wanted, &choice)) return;
  if (pack->kind_count > PACKING_NIBBLE_ENTRIES)
    find_chosen(pack, PACKING_NIBBLE_ENTRIES + 1, &choice);
  else if (pack->kind_count > 1)
    find_chosen(pack, PACKING_NIBBLE_ENTRIES, &choice);
  else
    find_chosen(pack, 1, &choice);
  for (size_t i = 0; i < choice.count; i++)
    put_chosen(pack, choice.found[i].place, choice.found[i].kind, choice.found[i].amounts_before, columns);
}

// --- writing -------------------------------------------------------------------------------------------------

// Entries in the order of their first appearance, and the index of each event.
struct dictionary {
  unsigned count;
  uint64_t entries[TIMELINE_PACK_EVENTS_MAX];
  uint8_t indexes[TIMELINE_PACK_EVENTS_MAX];
};

static void dictionary_add(struct dictionary *dictionary, size_t position, uint64_t entry) {
  unsigned i = 0;
  while (i < dictionary->count && dictionary->entries[i] != entry) i++;
  if (i == dictionary->count) dictionary->entries[dictionary->count++] = entry;
  dictionary->indexes[position] = (uint8_t)i;
}

static uint8_t *put_entries(uint8_t *at, const struct dictionary *dictionary, unsigned shift, unsigned width) {
  for (unsigned i = 0; i < dictionary->count; i++) at = little_put(at, dictionary->entries[i] >> shift, width);
  return at;
}

static uint8_t *put_indexes(uint8_t *at, const struct dictionary *dictionary, size_t count) {
  size_t size = packing_index_bytes(dictionary->count, count);
  if (dictionary->count > PACKING_NIBBLE_ENTRIES) {
    memcpy(at, dictionary->indexes, size);
  } else if (size > 0) {
    memset(at, 0, size);
    for (size_t i = 0; i < count; i++) at[i / 2] |= (uint8_t)(dictionary->indexes[i] << (i % 2 * 4));
  }
  return at + size;
}

static unsigned signed_width_of(int64_t number) {
  if (number == 0) return 0;
  uint64_t bits = number < 0 ? ~(uint64_t)number : (uint64_t)number; // and one more for the sign
  unsigned width = bits >> 63 ? LITTLE_BYTES_MAX : little_width(bits << 1);
  return width == 0 ? 1 : width;
}

static uint64_t distance_us(const struct timeline_event *events, size_t i) {
  return (uint64_t)events[i].at.time_us - (uint64_t)events[0].at.time_us;
}

static unsigned coarsest_unit(const struct timeline_event *events, size_t count) {
  unsigned unit = PACKING_UNITS - 1;
  for (size_t i = 1; i < count && unit > 0; i++)
    while (distance_us(events, i) % (uint64_t)packing_units_us[unit] != 0) unit--;
  return unit;
}

struct plan {
  struct dictionary kinds, channels, stores, currencies;
  unsigned unit, time_width, amount_width, amount_count;
  bool dense;
};

static void plan_amounts(const struct timeline_event *events, size_t count, struct plan *plan) {
  plan->amount_width = plan->amount_count = 0;
  plan->dense = false;
  for (size_t i = 0; i < count; i++) {
    unsigned width = signed_width_of(events[i].amount);
    if (width > plan->amount_width) plan->amount_width = width;
    if (has_amount(events[i].amount_code)) plan->amount_count++;
    if (!has_amount(events[i].amount_code) && events[i].amount != 0) plan->dense = true;
  }
  if (plan->dense) plan->amount_count = (unsigned)count;
}

static void make_plan(const struct timeline_event *events, size_t count, struct plan *plan) {
  plan->kinds.count = plan->channels.count = plan->stores.count = plan->currencies.count = 0;
  for (size_t i = 0; i < count; i++) {
    dictionary_add(&plan->kinds, i, (uint64_t)events[i].name << 8 | events[i].amount_code);
    dictionary_add(&plan->channels, i, events[i].dims[1]);
    dictionary_add(&plan->stores, i, events[i].dims[0]);
    dictionary_add(&plan->currencies, i, events[i].currency);
  }
  plan->unit = coarsest_unit(events, count);
  plan->time_width = little_width(distance_us(events, count - 1) / (uint64_t)packing_units_us[plan->unit]);
  plan_amounts(events, count, plan);
}

static uint8_t *put_amounts(uint8_t *at, const struct plan *plan, const struct timeline_event *events, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (plan->dense || has_amount(events[i].amount_code))
      at = little_put(at, (uint64_t)events[i].amount, plan->amount_width);
  return at;
}

static uint8_t *put_columns(uint8_t *at, const struct plan *plan, const struct timeline_event *events, size_t count) {
  uint64_t unit_us = (uint64_t)packing_units_us[plan->unit];
  for (size_t i = 0; i < count; i++) at = little_put(at, distance_us(events, i) / unit_us, plan->time_width);
  at = put_indexes(at, &plan->kinds, count);
  at = put_amounts(at, plan, events, count);
  at = put_indexes(at, &plan->channels, count);
  at = put_indexes(at, &plan->stores, count);
  at = put_indexes(at, &plan->currencies, count);
  for (size_t i = 0; i < count; i++, at += IDENTITY_EVENT_ID_BYTES)
    memcpy(at, events[i].at.event, IDENTITY_EVENT_ID_BYTES);
  return at;
}

size_t timeline_pack_bytes_max(size_t count) {
  return TIMELINE_PACK_HEAD_BYTES + count * EVENT_BYTES_MAX;
}

uint8_t *timeline_pack_put(const struct timeline_event *events, size_t count, uint8_t *out) {
  struct plan plan;
  assert(count > 0 && count <= TIMELINE_PACK_EVENTS_MAX);
  make_plan(events, count, &plan);
  uint8_t *at = out + 4;
  *at++ = (uint8_t)count;
  *at++ = (uint8_t)(plan.time_width | plan.unit << UNIT_SHIFT);
  *at++ = (uint8_t)(plan.amount_width | (plan.dense ? DENSE : 0));
  *at++ = (uint8_t)plan.kinds.count;
  *at++ = (uint8_t)plan.channels.count;
  *at++ = (uint8_t)plan.stores.count;
  *at++ = (uint8_t)plan.currencies.count;
  *at++ = (uint8_t)plan.amount_count;
  at = little_put(at, (uint64_t)events[0].at.time_us, 8);
  at = put_entries(at, &plan.kinds, 8, 4);
  at = put_entries(at, &plan.kinds, 0, 1);
  at = put_entries(at, &plan.channels, 0, 4);
  at = put_entries(at, &plan.stores, 0, 4);
  at = put_entries(at, &plan.currencies, 0, 2);
  at = put_columns(at, &plan, events, count);
  little_put(out, 0, 2);
  little_put(out + 2, (uint64_t)(at - out), 2);
  return at;
}
