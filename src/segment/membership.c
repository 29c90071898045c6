// membership: a row that is read with every event of its customer, so it is read and written in one pass each.
//
// Invariants: 1. entries ascend by question, each once; 2. an entry that is written says something, and so does the
// membership, so that equal memberships are equal bytes; in memory an entry may have come to say nothing (it was
// changed in place), and writing leaves it out.
#include "segment/membership.h"

#include <assert.h>
#include <string.h>

#include "base/varint.h"

enum {
  FORMAT = 1,
  FLAG_MEMBER = 1,
  FLAG_UNKNOWN = 2,
  FLAG_VALID_UNTIL = 4,
  FLAG_EXCLUDED = 8,
  FLAG_VALUE = 16,
  FLAGS = FLAG_MEMBER | FLAG_UNKNOWN | FLAG_VALID_UNTIL | FLAG_EXCLUDED | FLAG_VALUE,
  ENTRY_BYTES_MIN = 2,  // difference, flags
  ENTRY_BYTES_MAX = 44, // without the value's own bytes: 5 + 1 + 2 * 11 + 3 + 10, rounded up
  HEAD_BYTES_MAX = 1 + 2 * VARINT_BYTES_MAX,
  FIRST_CAPACITY = 8,
  INSTANT_SLOT_BITS = 10,
  INSTANTS_MAX = (1 << INSTANT_SLOT_BITS) / 2 - 1, // that can be named
};

// The instants that a row has in full. `last` is not among those kept when they are too many.
struct instants {
  uint64_t last;
  size_t count;
  uint64_t kept[INSTANTS_MAX];
};

// The same while writing: where an instant is kept, open addressing, + 1.
struct instants_written {
  struct instants instants;
  uint16_t slots[1 << INSTANT_SLOT_BITS];
};

static bool has_value(const struct membership_entry *entry) {
  return !value_is_absent(entry->value) && value_type(entry->value) != VALUE_NULL;
}

// 0: it says nothing.
static inline uint8_t flags_of(const struct membership_entry *entry) {
  unsigned flags = entry->member ? FLAG_MEMBER : 0;
  if (entry->unknown) flags |= FLAG_UNKNOWN;
  if (entry->valid_until_us != MEMBERSHIP_FOREVER) flags |= FLAG_VALID_UNTIL;
  if (entry->excluded != 0) flags |= FLAG_EXCLUDED;
  if (has_value(entry)) flags |= FLAG_VALUE;
  return (uint8_t)flags;
}

// --- reading -------------------------------------------------------------------------------------------------

// Most numbers of a row are of one byte.
__attribute__((always_inline)) static inline uint64_t read_small(struct varint_reader *reader, uint64_t most) {
  if (reader->at < reader->end && *reader->at < 0x80 && *reader->at <= most) return *reader->at++;
  return varint_read_up_to(reader, most);
}

__attribute__((always_inline)) static inline int64_t read_instant(struct varint_reader *reader,
                                                                  struct instants *instants) {
  uint64_t place = read_small(reader, instants->count);
  if (place > 0) return (int64_t)instants->kept[place - 1];
  instants->last += (uint64_t)varint_unzigzag(varint_read_wide(reader));
  if (instants->count < INSTANTS_MAX) instants->kept[instants->count++] = instants->last;
  return (int64_t)instants->last;
}

// A piece that its flag announces is never the one that goes without saying. A value's bytes are not looked at.
static bool read_rare(struct varint_reader *reader, uint8_t flags, struct membership_entry *entry) {
  if (flags & FLAG_EXCLUDED) entry->excluded = (uint16_t)varint_read_up_to(reader, UINT16_MAX);
  if (flags & FLAG_VALUE) entry->value.packed = varint_read_bytes(reader);
  return !((flags & FLAG_EXCLUDED) && entry->excluded == 0) &&
         !((flags & FLAG_VALUE) && entry->value.packed.size_bytes == 0);
}

// Inlined with all it calls, so that the reader stays in registers: of 300 entries every instruction counts, and this
// with varint_read_wide made 22,000 of the 45,000 for a row.
__attribute__((always_inline)) static inline bool read_entry(struct varint_reader *reader, struct instants *instants,
                                                             uint32_t before, struct membership_entry *entry) {
  uint64_t step = read_small(reader, UINT32_MAX - before);
  uint8_t flags = varint_read_byte(reader);
  if (step == 0 || flags == 0 || (flags & ~FLAGS) != 0) return false;
  entry->question = before + (uint32_t)step;
  entry->member = (flags & FLAG_MEMBER) != 0;
  entry->unknown = (flags & FLAG_UNKNOWN) != 0;
  entry->excluded = 0;
  entry->since_us = 0;
  entry->valid_until_us = MEMBERSHIP_FOREVER;
  entry->value = (struct value){{NULL, 0}};
  if (flags & FLAG_MEMBER) entry->since_us = read_instant(reader, instants);
  if (flags & FLAG_VALID_UNTIL) {
    entry->valid_until_us = read_instant(reader, instants);
    if (entry->valid_until_us == MEMBERSHIP_FOREVER) return false;
  }
  if (flags & (FLAG_EXCLUDED | FLAG_VALUE)) {
    struct varint_reader rest = *reader; // a copy, whose address may be known
    bool good = read_rare(&rest, flags, entry);
    *reader = rest;
    if (!good) return false;
  }
  return !reader->failed;
}

enum err membership_decode(struct bytes row, struct arena *arena, struct membership *membership) {
  *membership = (struct membership){.timer_us = MEMBERSHIP_FOREVER};
  if (row.size_bytes == 0) return ERR_OK;
  struct varint_reader reader = varint_reader_of(row);
  uint8_t format = varint_read_byte(&reader);
  uint64_t timer = varint_read(&reader), count = varint_read(&reader);
  // The count is bounded by the row before memory is taken for it.
  if (format != FORMAT || reader.failed || count > varint_rest_bytes(&reader) / ENTRY_BYTES_MIN) return ERR_CORRUPT;
  if (timer == 0 && count == 0) return ERR_CORRUPT;
  struct membership_entry *entries = arena_take(arena, (size_t)count * sizeof *entries);
  if (entries == NULL) return ERR_NO_MEMORY;
  struct instants instants;
  instants.last = 0;
  instants.count = 0;
  uint32_t before = 0;
  for (size_t i = 0; i < count; i++) {
    if (!read_entry(&reader, &instants, before, &entries[i])) return ERR_CORRUPT;
    before = entries[i].question;
  }
  if (varint_rest_bytes(&reader) > 0) return ERR_CORRUPT;
  if (timer > 0) membership->timer_us = varint_unzigzag(timer - 1);
  if (membership->timer_us == MEMBERSHIP_FOREVER && timer > 0) return ERR_CORRUPT;
  membership->entries = entries;
  membership->count = membership->capacity = (size_t)count;
  return ERR_OK;
}

// --- writing -------------------------------------------------------------------------------------------------

// Keeps it unless there is no room. Its place, or 0: it is new.
static inline size_t keep_instant(struct instants_written *written, uint64_t instant) {
  struct instants *instants = &written->instants;
  size_t slot = (size_t)(instant * UINT64_C(0x9e3779b97f4a7c15) >> (64 - INSTANT_SLOT_BITS));
  while (written->slots[slot] != 0) {
    if (instants->kept[written->slots[slot] - 1] == instant) return written->slots[slot];
    slot = (slot + 1) % (1 << INSTANT_SLOT_BITS);
  }
  if (instants->count == INSTANTS_MAX) return 0;
  instants->kept[instants->count++] = instant;
  written->slots[slot] = (uint16_t)instants->count;
  return 0;
}

__attribute__((always_inline)) static inline uint8_t *put_instant(uint8_t *at, struct instants_written *written,
                                                                  int64_t instant_us) {
  uint64_t instant = (uint64_t)instant_us;
  size_t place = keep_instant(written, instant);
  at = varint_put(at, place);
  if (place > 0) return at;
  at = varint_put_wide(at, varint_zigzag((int64_t)(instant - written->instants.last)));
  written->instants.last = instant;
  return at;
}

static inline uint8_t *put_entry(uint8_t *at, struct instants_written *written, uint32_t before,
                                 const struct membership_entry *entry, uint8_t flags) {
  at = varint_put(at, entry->question - before);
  *at++ = flags;
  if (flags & FLAG_MEMBER) at = put_instant(at, written, entry->since_us);
  if (flags & FLAG_VALID_UNTIL) at = put_instant(at, written, entry->valid_until_us);
  if (flags & FLAG_EXCLUDED) at = varint_put(at, entry->excluded);
  return flags & FLAG_VALUE ? varint_put_bytes(at, entry->value.packed) : at;
}

// Room for all of the row.
static size_t measure(const struct membership *membership) {
  size_t size_bytes = HEAD_BYTES_MAX + ENTRY_BYTES_MAX * membership->count;
  for (size_t i = 0; i < membership->count; i++) size_bytes += membership->entries[i].value.packed.size_bytes;
  return size_bytes;
}

static uint8_t *put_entries(uint8_t *at, const struct membership *membership, size_t *count) {
  struct instants_written written;
  uint32_t before = 0;
  written.instants.last = 0;
  written.instants.count = 0;
  memset(written.slots, 0, sizeof written.slots);
  *count = 0;
  for (size_t i = 0; i < membership->count; i++) {
    const struct membership_entry *entry = &membership->entries[i];
    uint8_t flags = flags_of(entry);
    if (flags == 0) continue;
    at = put_entry(at, &written, before, entry, flags);
    before = entry->question;
    ++*count;
  }
  return at;
}

// The entries first, behind room for the head, which says how many they are.
void membership_encode(const struct membership *membership, struct buffer *out) {
  bool armed = membership->timer_us != MEMBERSHIP_FOREVER;
  assert(membership->timer_us != INT64_MIN); // no instant: it has no place in the row
  if ((membership->count == 0 && !armed) || !buffer_reserve(out, measure(membership))) return;
  uint8_t *at = out->data + out->size_bytes, *entries = at + HEAD_BYTES_MAX;
  size_t count, entries_bytes = (size_t)(put_entries(entries, membership, &count) - entries);
  if (count == 0 && !armed) return;
  *at++ = FORMAT;
  at = varint_put(at, armed ? varint_zigzag(membership->timer_us) + 1 : 0);
  at = varint_put(at, count);
  memmove(at, entries, entries_bytes);
  out->size_bytes = (size_t)(at + entries_bytes - out->data);
}

// --- entries -------------------------------------------------------------------------------------------------

// The index of the first entry at or after `question`.
static size_t lower_bound(const struct membership *membership, uint32_t question) {
  size_t low = 0, high = membership->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (membership->entries[middle].question < question) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

struct membership_entry *membership_find(const struct membership *membership, uint32_t question) {
  size_t i = lower_bound(membership, question);
  return i < membership->count && membership->entries[i].question == question ? &membership->entries[i] : NULL;
}

static enum err grow(struct membership *membership, struct arena *arena) {
  if (membership->count < membership->capacity) return ERR_OK;
  size_t capacity = membership->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : membership->capacity * 2;
  struct membership_entry *entries = arena_take(arena, capacity * sizeof *entries);
  if (entries == NULL) return ERR_NO_MEMORY;
  if (membership->count > 0) memcpy(entries, membership->entries, membership->count * sizeof *entries);
  membership->entries = entries;
  membership->capacity = capacity;
  return ERR_OK;
}

static void take_out(struct membership *membership, size_t i) {
  membership->count--;
  memmove(&membership->entries[i], &membership->entries[i + 1], (membership->count - i) * sizeof *membership->entries);
}

enum err membership_set(struct membership *membership, struct arena *arena, const struct membership_entry *entry) {
  assert(entry->question > 0);
  size_t i = lower_bound(membership, entry->question);
  bool found = i < membership->count && membership->entries[i].question == entry->question;
  if (flags_of(entry) == 0) {
    if (found) take_out(membership, i);
    return ERR_OK;
  }
  if (!found) {
    struct membership_entry inserted = *entry; // may be one of those that move
    enum err err = grow(membership, arena);
    if (err != ERR_OK) return err;
    memmove(&membership->entries[i + 1], &membership->entries[i],
            (membership->count - i) * sizeof *membership->entries);
    membership->entries[i] = inserted;
    membership->count++;
    return ERR_OK;
  }
  membership->entries[i] = *entry;
  return ERR_OK;
}

int64_t membership_due_us(const struct membership *membership) {
  int64_t due_us = MEMBERSHIP_FOREVER;
  for (size_t i = 0; i < membership->count; i++)
    if (membership->entries[i].valid_until_us < due_us) due_us = membership->entries[i].valid_until_us;
  return due_us;
}
