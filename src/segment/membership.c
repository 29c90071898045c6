// membership: a row that is read with every event of its customer, so it is read and written in one pass each.
//
// A piece is put into the entries as they stand: what was there is overwritten, what is new is moved in from the end,
// so that nothing is moved twice. Invariants: 1. entries ascend by question, each once; 2. an entry that a base has
// says something, and so does the membership, so that equal memberships are equal bases; in memory an entry may have
// come to say nothing (it was changed in place), and writing leaves it out.
#include "segment/membership.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/varint.h"

enum {
  FORMAT = 1,
  PIECE = 2,
  PIECE_TIMER = 3,
  FLAG_MEMBER = 1,
  FLAG_UNKNOWN = 2,
  FLAG_VALID_UNTIL = 4,
  FLAG_EXCLUDED = 8,
  FLAG_VALUE = 16,
  FLAGS = FLAG_MEMBER | FLAG_UNKNOWN | FLAG_VALID_UNTIL | FLAG_EXCLUDED | FLAG_VALUE,
  SPARE_PART = 8,       // of the entries, for what pieces add
  ENTRY_BYTES_MIN = 2,  // difference, flags
  ENTRY_BYTES_MAX = 44, // without the value's own bytes: 5 + 1 + 2 * 11 + 3 + 10, rounded up
  HEAD_BYTES_MAX = 1 + 2 * VARINT_BYTES_MAX,
  FIRST_CAPACITY = 8,
  PIECES_BASE_BYTES_MIN = 128, // a shorter row is rewritten at less cost than one with pieces is read
  PIECES_PART = 2,             // of the base that they may have
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

// --- entries -------------------------------------------------------------------------------------------------

// The index of the first entry at or after `question`.
static size_t lower_bound(const struct membership_entry *entries, size_t count, uint32_t question) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (entries[middle].question < question) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

struct membership_entry *membership_find(const struct membership *membership, uint32_t question) {
  size_t i = lower_bound(membership->entries, membership->count, question);
  return i < membership->count && membership->entries[i].question == question ? &membership->entries[i] : NULL;
}

// Room for so many more.
static enum err grow(struct membership *membership, struct arena *arena, size_t more) {
  if (more <= membership->capacity - membership->count) return ERR_OK;
  size_t capacity = 2 * membership->capacity + FIRST_CAPACITY + more;
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
  membership_note(membership, entry->question);
  size_t i = lower_bound(membership->entries, membership->count, entry->question);
  bool found = i < membership->count && membership->entries[i].question == entry->question;
  if (flags_of(entry) == 0) {
    if (found) take_out(membership, i);
    return ERR_OK;
  }
  if (!found) {
    struct membership_entry inserted = *entry; // may be one of those that move
    enum err err = grow(membership, arena, 1);
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

// What its flag announces is never what goes without saying. A value's bytes are not looked at.
static bool read_rare(struct varint_reader *reader, uint8_t flags, struct membership_entry *entry) {
  if (flags & FLAG_EXCLUDED) entry->excluded = (uint16_t)varint_read_up_to(reader, UINT16_MAX);
  if (flags & FLAG_VALUE) entry->value.packed = varint_read_bytes(reader);
  return !((flags & FLAG_EXCLUDED) && entry->excluded == 0) &&
         !((flags & FLAG_VALUE) && entry->value.packed.size_bytes == 0);
}

// Inlined with all it calls, so that the reader stays in registers: of 300 entries every instruction counts, and this
// with varint_read_wide made 22,000 of the 45,000 for a row.
__attribute__((always_inline)) static inline bool read_entry(struct varint_reader *reader, struct instants *instants,
                                                             bool piece, uint32_t before,
                                                             struct membership_entry *entry) {
  uint64_t step = read_small(reader, UINT32_MAX - before);
  uint8_t flags = varint_read_byte(reader);
  if (step == 0 || (flags == 0 && !piece) || (flags & ~FLAGS) != 0) return false;
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

// The timer's time, + 1.
static bool take_timer(uint64_t timer, struct membership *membership) {
  membership->timer_us = timer > 0 ? varint_unzigzag(timer - 1) : MEMBERSHIP_FOREVER;
  return timer == 0 || membership->timer_us != MEMBERSHIP_FOREVER;
}

// How many entries follow: bounded by the row before memory is taken for them.
static bool read_count(struct varint_reader *reader, size_t *count) {
  uint64_t read = varint_read(reader);
  *count = (size_t)read;
  return !reader->failed && read <= varint_rest_bytes(reader) / ENTRY_BYTES_MIN;
}

// `piece`: an entry may say nothing.
static bool read_entries(struct varint_reader *reader, bool piece, struct membership_entry *entries, size_t count) {
  struct varint_reader here = *reader;
  struct instants instants;
  uint32_t before = 0;
  instants.last = 0;
  instants.count = 0;
  for (size_t i = 0; i < count; i++) {
    if (!read_entry(&here, &instants, piece, before, &entries[i])) return false;
    before = entries[i].question;
  }
  *reader = here;
  return true;
}

static enum err read_base(struct varint_reader *reader, struct arena *arena, struct membership *membership) {
  size_t count;
  uint8_t format = varint_read_byte(reader);
  uint64_t timer = varint_read(reader);
  if (format != FORMAT || !read_count(reader, &count) || !take_timer(timer, membership)) return ERR_CORRUPT;
  if (timer == 0 && count == 0) return ERR_CORRUPT;
  size_t capacity = count + count / SPARE_PART + FIRST_CAPACITY;
  membership->entries = arena_take(arena, capacity * sizeof *membership->entries);
  if (membership->entries == NULL) return ERR_NO_MEMORY;
  if (!read_entries(reader, false, membership->entries, count)) return ERR_CORRUPT;
  membership->count = count;
  membership->capacity = capacity;
  return ERR_OK;
}

// --- pieces --------------------------------------------------------------------------------------------------

// Overwrites what is there. What is new is left, in order, at the front of `entries`; how much that is.
static size_t overwrite(struct membership *membership, struct membership_entry *entries, size_t count, bool *gone) {
  size_t added = 0;
  for (size_t i = 0; i < count; i++) {
    bool says_something = flags_of(&entries[i]) != 0;
    struct membership_entry *there = membership_find(membership, entries[i].question);
    if (there != NULL) {
      *there = entries[i];
      *gone |= !says_something;
    } else if (says_something) {
      entries[added++] = entries[i];
    }
  }
  return added;
}

static void take_out_all(struct membership *membership) {
  size_t kept = 0;
  for (size_t i = 0; i < membership->count; i++)
    if (flags_of(&membership->entries[i]) != 0) membership->entries[kept++] = membership->entries[i];
  membership->count = kept;
}

// From the end, each entry once; there is room.
static void move_in(struct membership *membership, const struct membership_entry *added, size_t count) {
  size_t end = membership->count;
  struct membership_entry *entries = membership->entries;
  membership->count += count;
  for (size_t left = count; left > 0; left--) {
    size_t at = lower_bound(entries, end, added[left - 1].question);
    memmove(entries + at + left, entries + at, (end - at) * sizeof *entries);
    entries[at + left - 1] = added[left - 1];
    end = at;
  }
}

static enum err read_piece(struct varint_reader *reader, struct arena *arena, struct membership *membership) {
  size_t count;
  uint8_t format = varint_read_byte(reader);
  bool gone = false;
  if (format != PIECE && format != PIECE_TIMER) return ERR_CORRUPT;
  if (format == PIECE_TIMER && !take_timer(varint_read(reader), membership)) return ERR_CORRUPT;
  if (!read_count(reader, &count)) return ERR_CORRUPT;
  struct membership_entry *entries = arena_take(arena, count * sizeof *entries);
  if (entries == NULL) return ERR_NO_MEMORY;
  if (!read_entries(reader, true, entries, count)) return ERR_CORRUPT;
  size_t added = overwrite(membership, entries, count, &gone);
  if (gone) take_out_all(membership);
  enum err err = grow(membership, arena, added);
  if (err == ERR_OK) move_in(membership, entries, added);
  return err;
}

// --- rows ----------------------------------------------------------------------------------------------------

static void set_empty(struct membership *membership) {
  *membership = (struct membership){.timer_us = MEMBERSHIP_FOREVER};
}

enum err membership_decode(struct bytes row, struct arena *arena, struct membership *membership) {
  struct varint_reader reader = varint_reader_of(row);
  set_empty(membership);
  if (row.size_bytes == 0) return ERR_OK;
  enum err err = read_base(&reader, arena, membership);
  membership->since.base_bytes = row.size_bytes - varint_rest_bytes(&reader);
  membership->since.pieces_bytes = varint_rest_bytes(&reader);
  while (err == ERR_OK && varint_rest_bytes(&reader) > 0) err = read_piece(&reader, arena, membership);
  if (err == ERR_OK && membership->count == 0 && membership->timer_us == MEMBERSHIP_FOREVER) err = ERR_CORRUPT;
  if (err != ERR_OK) set_empty(membership);
  membership->since.timer_us = membership->timer_us;
  return err;
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

static uint8_t *put_entries(uint8_t *at, const struct membership *membership, bool piece, size_t *count) {
  struct instants_written written;
  uint32_t before = 0;
  written.instants.last = 0;
  written.instants.count = 0;
  memset(written.slots, 0, sizeof written.slots);
  *count = 0;
  for (size_t i = 0; i < membership->count; i++) {
    const struct membership_entry *entry = &membership->entries[i];
    uint8_t flags = flags_of(entry);
    if (flags == 0 && !piece) continue;
    at = put_entry(at, &written, before, entry, flags);
    before = entry->question;
    ++*count;
  }
  return at;
}

static uint8_t *put_timer(uint8_t *at, int64_t timer_us) {
  return varint_put(at, timer_us != MEMBERSHIP_FOREVER ? varint_zigzag(timer_us) + 1 : 0);
}

// The entries first, behind room for the head, which says how many they are.
void membership_encode(const struct membership *membership, struct buffer *out) {
  bool armed = membership->timer_us != MEMBERSHIP_FOREVER;
  assert(membership->timer_us != INT64_MIN); // no instant: it has no place in the row
  if ((membership->count == 0 && !armed) || !buffer_reserve(out, measure(membership))) return;
  uint8_t *at = out->data + out->size_bytes, *entries = at + HEAD_BYTES_MAX;
  size_t count, entries_bytes = (size_t)(put_entries(entries, membership, false, &count) - entries);
  if (count == 0 && !armed) return;
  *at++ = FORMAT;
  at = put_timer(at, membership->timer_us);
  at = varint_put(at, count);
  memmove(at, entries, entries_bytes);
  out->size_bytes = (size_t)(at + entries_bytes - out->data);
}

// --- writing changes -----------------------------------------------------------------------------------------

static int by_number(const void *left, const void *right) {
  const uint32_t *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

// What changed, as it is now: entries by question, of which some say nothing. `entries` has room for all.
static size_t gather(struct membership *membership, struct membership_entry *entries) {
  struct membership_since *since = &membership->since;
  size_t count = 0;
  qsort(since->changed, since->count, sizeof *since->changed, by_number);
  for (size_t i = 0; i < since->count; i++) {
    if (i > 0 && since->changed[i] == since->changed[i - 1]) continue;
    const struct membership_entry *entry = membership_find(membership, since->changed[i]);
    entries[count++] =
        entry != NULL ? *entry
                      : (struct membership_entry){.question = since->changed[i], .valid_until_us = MEMBERSHIP_FOREVER};
  }
  return count;
}

static void put_piece(struct membership *membership, struct buffer *out) {
  struct membership_entry entries[MEMBERSHIP_CHANGES_MAX];
  struct membership piece = {.entries = entries, .count = gather(membership, entries)};
  bool rearmed = membership->timer_us != membership->since.timer_us;
  if (!buffer_reserve(out, measure(&piece))) return;
  uint8_t *at = out->data + out->size_bytes;
  *at++ = rearmed ? PIECE_TIMER : PIECE;
  if (rearmed) at = put_timer(at, membership->timer_us);
  at = varint_put(at, piece.count);
  at = put_entries(at, &piece, true, &(size_t){0});
  out->size_bytes = (size_t)(at - out->data);
}

static bool says_nothing(const struct membership *membership) {
  for (size_t i = 0; i < membership->count; i++)
    if (flags_of(&membership->entries[i]) != 0) return false;
  return membership->timer_us == MEMBERSHIP_FOREVER;
}

bool membership_encode_change(struct membership *membership, struct buffer *out) {
  struct membership_since *since = &membership->since;
  size_t before_bytes = out->size_bytes;
  bool may = since->base_bytes >= PIECES_BASE_BYTES_MIN && since->count <= MEMBERSHIP_CHANGES_MAX;
  if (may && !says_nothing(membership)) {
    put_piece(membership, out);
    size_t piece_bytes = out->size_bytes - before_bytes;
    if (out->failed || (since->pieces_bytes + piece_bytes) * PIECES_PART <= since->base_bytes) return true;
    out->size_bytes = before_bytes;
  }
  membership_encode(membership, out);
  return false;
}

// --- when ----------------------------------------------------------------------------------------------------

int64_t membership_due_us(const struct membership *membership) {
  int64_t due_us = MEMBERSHIP_FOREVER;
  for (size_t i = 0; i < membership->count; i++)
    if (membership->entries[i].valid_until_us < due_us) due_us = membership->entries[i].valid_until_us;
  return due_us;
}
