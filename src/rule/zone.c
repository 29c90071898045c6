// A zone is one sorted table of instants at which the offset changes, and a rule that has no end is part of it.
//
// The POSIX rule of the footer repeats after 400 Gregorian years, which are whole weeks. So opening a zone writes out
// the rule's changes of 400 years after the last transition, `repeat_from_s`, and a later instant is looked up where it
// lies in those. (tzcode's localtime.c does the same.) A zone with a rule takes 13 KB; a lookup is one binary search.
//
// The bytes are hostile: every count is checked against what is left before anything is read by it.
// Invariants:
//   1. changes[].at_s ascends strictly; changes[].offset_s differs from the one before (the first from first_offset_s).
//   2. Offsets are within OFFSET_MIN_S..OFFSET_MAX_S, so a wall clock's instants lie within that of it.
//   3. When the zone repeats, the offset at repeat_from_s is the rule's, and the changes go on for more than
//      CYCLE_YEARS after it.
#include "rule/zone.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "rule/civil.h"

enum {
  HEADER_BYTES = 44,
  DAY_S = 86400,
  HOUR_S = 3600,
  OFFSET_MIN_S = -89999, // what RFC 8536 (3.2, utoff) asks writers to keep to: beyond -25 h and 26 h is no place
  OFFSET_MAX_S = 93599,
  ZONE_HOURS_MAX = 24,  // POSIX: of an offset in the footer
  RULE_HOURS_MAX = 167, // RFC 8536, 3.3.1: of a rule's time of day
  CYCLE_YEARS = 400,
  // One year before repeat_from_s, since a time of day can reach back; its own; two after the cycle, so that there is a
  // next change; and one that only tells whether the last change before it is undone at once.
  RULE_YEARS = CYCLE_YEARS + 5,
};
#define CYCLE_S ((int64_t)RULE_ERA_DAYS * DAY_S)
#define EARLIEST_S (-719528 * (int64_t)DAY_S) // 0000-01-01: where a rule begins that has no transition before it
#define LATEST_S (2932897 * (int64_t)DAY_S)   // 10000-01-01: a rule that begins later is never asked

struct change {
  int64_t at_s;
  int32_t offset_s; // from then on
};

struct rule_zone {
  uint64_t serial;
  struct change *changes;
  size_t change_count;
  int32_t first_offset_s; // before changes[0]
  bool repeats;
  int64_t repeat_from_s; // meaningful when it repeats
  char name[];
};

// --- the footer's rule ---

enum day_kind { DAY_JULIAN, DAY_ZERO_BASED, DAY_OF_WEEK };

struct rule_day {
  enum day_kind kind;
  int day;         // 1..365 without 29 February, 0..365 with it, or the weekday, 0 Sunday
  int month, week; // of DAY_OF_WEEK; week 5 is the last
  int32_t time_s;  // after local midnight; may be negative or beyond the day
};

struct rule {
  int32_t standard_s, summer_s;
  bool has_summer;
  struct rule_day start, end;
};

// What is left of the text being read.
struct cursor {
  struct bytes rest;
};

static bool take(struct cursor *cursor, char wanted) {
  if (cursor->rest.size_bytes == 0 || cursor->rest.data[0] != (uint8_t)wanted) return false;
  cursor->rest = bytes_of(cursor->rest.data + 1, cursor->rest.size_bytes - 1);
  return true;
}

static bool is_letter(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

// One to three digits, within the bounds.
static bool take_number(struct cursor *cursor, int least, int most, int *number) {
  size_t size = 0;
  *number = 0;
  while (size < cursor->rest.size_bytes && is_digit(cursor->rest.data[size])) {
    if (size == 3) return false;
    *number = *number * 10 + (cursor->rest.data[size++] - '0');
  }
  cursor->rest = bytes_of(cursor->rest.data + size, cursor->rest.size_bytes - size);
  return size > 0 && *number >= least && *number <= most;
}

// "CET" or "<+0330>". The name itself is not needed.
static bool take_name(struct cursor *cursor) {
  bool quoted = take(cursor, '<');
  size_t size = 0;
  while (size < cursor->rest.size_bytes) {
    uint8_t byte = cursor->rest.data[size];
    if (!is_letter(byte) && !(quoted && (is_digit(byte) || byte == '+' || byte == '-'))) break;
    size++;
  }
  cursor->rest = bytes_of(cursor->rest.data + size, cursor->rest.size_bytes - size);
  return size >= 3 && (!quoted || take(cursor, '>'));
}

// [+-]hh[:mm[:ss]] in seconds.
static bool take_time(struct cursor *cursor, int hours_max, int32_t *seconds) {
  int hours = 0;
  int minutes = 0;
  int rest = 0;
  bool negative = take(cursor, '-');
  if (!negative) take(cursor, '+');
  if (!take_number(cursor, 0, hours_max, &hours)) return false;
  if (take(cursor, ':')) {
    if (!take_number(cursor, 0, 59, &minutes)) return false;
    if (take(cursor, ':') && !take_number(cursor, 0, 59, &rest)) return false;
  }
  *seconds = hours * HOUR_S + minutes * 60 + rest;
  if (negative) *seconds = -*seconds;
  return true;
}

static bool take_rule_day(struct cursor *cursor, struct rule_day *rule) {
  *rule = (struct rule_day){.kind = DAY_ZERO_BASED, .time_s = 2 * HOUR_S};
  bool read;
  if (take(cursor, 'J')) {
    rule->kind = DAY_JULIAN;
    read = take_number(cursor, 1, 365, &rule->day);
  } else if (take(cursor, 'M')) {
    rule->kind = DAY_OF_WEEK;
    read = take_number(cursor, 1, 12, &rule->month) && take(cursor, '.') && take_number(cursor, 1, 5, &rule->week) &&
           take(cursor, '.') && take_number(cursor, 0, 6, &rule->day);
  } else {
    read = take_number(cursor, 0, 365, &rule->day);
  }
  return read && (!take(cursor, '/') || take_time(cursor, RULE_HOURS_MAX, &rule->time_s));
}

// std offset [dst [offset] , start [/time] , end [/time]]. POSIX counts offsets to the west.
static bool read_rule(struct bytes text, struct rule *rule) {
  struct cursor cursor = {text};
  *rule = (struct rule){.has_summer = false};
  if (!take_name(&cursor) || !take_time(&cursor, ZONE_HOURS_MAX, &rule->standard_s)) return false;
  rule->standard_s = -rule->standard_s;
  if (cursor.rest.size_bytes == 0) return true;
  if (!take_name(&cursor)) return false;
  rule->has_summer = true;
  rule->summer_s = rule->standard_s + HOUR_S;
  if (!take(&cursor, ',')) {
    if (!take_time(&cursor, ZONE_HOURS_MAX, &rule->summer_s) || !take(&cursor, ',')) return false;
    rule->summer_s = -rule->summer_s;
  }
  return take_rule_day(&cursor, &rule->start) && take(&cursor, ',') && take_rule_day(&cursor, &rule->end) &&
         cursor.rest.size_bytes == 0;
}

static int64_t day_of_week_rule(const struct rule_day *rule, int64_t year) {
  int64_t first = rule_days_of_date(year, rule->month, 1);
  int day = (rule->day - rule_weekday_of_days(first) % 7 + 7) % 7 + (rule->week - 1) * 7;
  if (day >= rule_days_of_month(year, rule->month)) day -= 7;
  return first + day;
}

// The instant of `rule` in `year`, when `offset_s` is in force until then.
static int64_t rule_instant(const struct rule_day *rule, int64_t year, int32_t offset_s) {
  int64_t day = rule_days_of_date(year, 1, 1);
  if (rule->kind == DAY_JULIAN) day += rule->day - 1 + (rule->day >= 60 && rule_year_is_leap(year));
  if (rule->kind == DAY_ZERO_BASED) day += rule->day;
  if (rule->kind == DAY_OF_WEEK) day = day_of_week_rule(rule, year);
  return day * DAY_S + rule->time_s - offset_s;
}

// Writes both changes of each of RULE_YEARS years. Of two at the same instant the later counts: "summer all year" ends
// its year at the instant at which the next begins. Times of day reach beyond the day, hence the sorting, which finds
// next to nothing to do.
static void write_rule_years(const struct rule *rule, int64_t year, struct change changes[2 * RULE_YEARS]) {
  for (size_t i = 0; i < RULE_YEARS; i++, year++) {
    struct change start = {rule_instant(&rule->start, year, rule->standard_s), rule->summer_s};
    struct change end = {rule_instant(&rule->end, year, rule->summer_s), rule->standard_s};
    changes[2 * i] = start.at_s <= end.at_s ? start : end;
    changes[2 * i + 1] = start.at_s <= end.at_s ? end : start;
  }
  for (size_t i = 1; i < 2 * RULE_YEARS; i++) {
    struct change moved = changes[i];
    size_t to = i;
    for (; to > 0 && changes[to - 1].at_s > moved.at_s; to--) changes[to] = changes[to - 1];
    changes[to] = moved;
  }
}

// --- the table ---

static int32_t last_offset(const struct rule_zone *zone) {
  return zone->change_count > 0 ? zone->changes[zone->change_count - 1].offset_s : zone->first_offset_s;
}

static void add_change(struct rule_zone *zone, struct change change) {
  if (change.offset_s != last_offset(zone)) zone->changes[zone->change_count++] = change;
}

// The rule takes over at `from_s`. With a summer time the table has room for 2 * RULE_YEARS + 1 more. False when the
// rule contradicts the transition at `from_s`, if there is one there.
static bool add_rule(struct rule_zone *zone, const struct rule *rule, int64_t from_s, bool must_agree) {
  if (!rule->has_summer) {
    if (must_agree && last_offset(zone) != rule->standard_s) return false;
    add_change(zone, (struct change){from_s, rule->standard_s});
    return true;
  }
  struct change years[2 * RULE_YEARS];
  size_t next = 0;
  int32_t offset_s = rule->standard_s;
  write_rule_years(rule, rule_date_of_days(rule_floor_div(from_s, DAY_S)).year - 1, years);
  while (next < 2 * RULE_YEARS && years[next].at_s <= from_s) offset_s = years[next++].offset_s;
  if (must_agree && last_offset(zone) != offset_s) return false;
  add_change(zone, (struct change){from_s, offset_s});
  for (; next < 2 * RULE_YEARS - 2; next++) {
    if (years[next + 1].at_s != years[next].at_s) add_change(zone, years[next]);
  }
  zone->repeats = true;
  zone->repeat_from_s = from_s;
  return true;
}

// --- the file ---

struct header {
  int version;
  uint32_t utc_count, standard_count, leap_count, transition_count, type_count, text_bytes;
};

struct block {
  struct header header;
  size_t time_bytes; // 4 or 8
  const uint8_t *times, *indexes, *types;
};

static uint32_t read_u32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_time(const struct block *block, size_t index) {
  const uint8_t *at = block->times + index * block->time_bytes;
  if (block->time_bytes == 4) return (int32_t)read_u32(at);
  return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

static int32_t offset_of_type(const struct block *block, size_t type) {
  return (int32_t)read_u32(block->types + type * 6);
}

static int32_t offset_of_transition(const struct block *block, size_t index) {
  return offset_of_type(block, block->indexes[index]);
}

struct source {
  const char *name;
  struct bytes tzif;
  size_t at; // read so far
  struct diag *diag;
};

static enum err bad_zone(const struct source *source, const char *what) {
  return diag_set(source->diag, ERR_CORRUPT, "bad_zone", "time zone %s: %s, at byte %zu of %zu", source->name, what,
                  source->at, source->tzif.size_bytes);
}

static enum err read_header(struct source *source, struct header *header) {
  if (source->tzif.size_bytes - source->at < HEADER_BYTES) return bad_zone(source, "the file ends inside a header");
  const uint8_t *at = source->tzif.data + source->at;
  if (memcmp(at, "TZif", 4) != 0) return bad_zone(source, "a header does not begin with \"TZif\"");
  if (at[4] != 0 && (at[4] < '2' || at[4] > '4')) return bad_zone(source, "the version is none of 1 to 4");
  *header = (struct header){.version = at[4] == 0 ? 1 : at[4] - '0',
                            .utc_count = read_u32(at + 20),
                            .standard_count = read_u32(at + 24),
                            .leap_count = read_u32(at + 28),
                            .transition_count = read_u32(at + 32),
                            .type_count = read_u32(at + 36),
                            .text_bytes = read_u32(at + 40)};
  source->at += HEADER_BYTES;
  return ERR_OK;
}

static uint64_t block_bytes(const struct header *header, size_t time_bytes) {
  return (uint64_t)header->transition_count * (time_bytes + 1) + (uint64_t)header->type_count * 6 + header->text_bytes +
         (uint64_t)header->leap_count * (time_bytes + 4) + header->standard_count + header->utc_count;
}

static enum err skip_block(struct source *source, const struct header *header) {
  uint64_t size = block_bytes(header, 4);
  if (size > source->tzif.size_bytes - source->at) return bad_zone(source, "the file ends inside the 32-bit data");
  source->at += (size_t)size;
  return ERR_OK;
}

static enum err check_counts(const struct source *source, const struct header *header) {
  if (header->type_count == 0 || header->text_bytes == 0) return bad_zone(source, "no local time type");
  if (header->type_count > 256) return bad_zone(source, "more than 256 local time types");
  if (header->leap_count != 0) return bad_zone(source, "it counts leap seconds; take the file that does not");
  if (header->standard_count != 0 && header->standard_count != header->type_count)
    return bad_zone(source, "the count of standard indicators is not that of the types");
  if (header->utc_count != 0 && header->utc_count != header->type_count)
    return bad_zone(source, "the count of UT indicators is not that of the types");
  return ERR_OK;
}

static enum err check_types(const struct source *source, const struct block *block) {
  for (size_t i = 0; i < block->header.type_count; i++) {
    const uint8_t *type = block->types + i * 6;
    int32_t offset_s = offset_of_type(block, i);
    if (offset_s < OFFSET_MIN_S || offset_s > OFFSET_MAX_S) return bad_zone(source, "an offset beyond -25 h to 26 h");
    if (type[4] > 1) return bad_zone(source, "a summer time flag that is not 0 or 1");
    if (type[5] >= block->header.text_bytes) return bad_zone(source, "a name outside the names");
  }
  return ERR_OK;
}

static enum err check_transitions(const struct source *source, const struct block *block) {
  for (size_t i = 0; i < block->header.transition_count; i++) {
    if (block->indexes[i] >= block->header.type_count) return bad_zone(source, "a transition to no type");
    if (i > 0 && read_time(block, i) <= read_time(block, i - 1)) return bad_zone(source, "transitions out of order");
  }
  return ERR_OK;
}

// The data of the header just read. In messages `at` is where the block begins.
static enum err read_block(struct source *source, struct header header, size_t time_bytes, struct block *block) {
  uint64_t size = block_bytes(&header, time_bytes);
  if (size > source->tzif.size_bytes - source->at) return bad_zone(source, "the file ends inside the data");
  enum err err = check_counts(source, &header);
  if (err != ERR_OK) return err;
  block->header = header;
  block->time_bytes = time_bytes;
  block->times = source->tzif.data + source->at;
  block->indexes = block->times + header.transition_count * time_bytes;
  block->types = block->indexes + header.transition_count;
  if ((err = check_types(source, block)) != ERR_OK) return err;
  if ((err = check_transitions(source, block)) != ERR_OK) return err;
  source->at += (size_t)size;
  return ERR_OK;
}

// A line between two line feeds. What a later version may add behind it is not read.
static enum err read_footer(const struct source *source, struct bytes *footer) {
  struct bytes rest = bytes_of(source->tzif.data + source->at, source->tzif.size_bytes - source->at);
  if (rest.size_bytes < 2 || rest.data[0] != '\n') return bad_zone(source, "the footer is missing");
  const uint8_t *end = memchr(rest.data + 1, '\n', rest.size_bytes - 1);
  if (end == NULL) return bad_zone(source, "the footer does not end");
  *footer = bytes_of(rest.data + 1, (size_t)(end - rest.data - 1));
  return ERR_OK;
}

static enum err read_file(struct source *source, struct block *block, struct bytes *footer) {
  struct header header;
  *footer = BYTES("");
  enum err err = read_header(source, &header);
  if (err != ERR_OK) return err;
  if (header.version == 1) return read_block(source, header, 4, block);
  if ((err = skip_block(source, &header)) != ERR_OK) return err;
  if ((err = read_header(source, &header)) != ERR_OK) return err;
  if (header.version == 1) return bad_zone(source, "the second header is of version 1");
  if ((err = read_block(source, header, 8, block)) != ERR_OK) return err;
  return read_footer(source, footer);
}

static struct rule_zone *new_zone(const char *name, size_t changes_max) {
  static _Atomic uint64_t serials;
  size_t name_bytes = strlen(name) + 1;
  struct rule_zone *zone = alloc_zero(1, sizeof *zone + name_bytes);
  if (zone == NULL) return NULL;
  memcpy(zone->name, name, name_bytes);
  zone->serial = atomic_fetch_add(&serials, 1) + 1;
  if (changes_max > 0 && (zone->changes = alloc_zero(changes_max, sizeof *zone->changes)) == NULL) {
    alloc_free(zone);
    return NULL;
  }
  return zone;
}

// The transitions, then the rule. Without a transition the rule counts from the beginning.
static bool fill_zone(struct rule_zone *zone, const struct block *block, const struct rule *rule) {
  size_t count = block->header.transition_count;
  int64_t last_s = count > 0 ? read_time(block, count - 1) : INT64_MIN;
  zone->first_offset_s = offset_of_type(block, 0);
  for (size_t i = 0; i < count; i++)
    add_change(zone, (struct change){read_time(block, i), offset_of_transition(block, i)});
  if (rule == NULL || last_s >= LATEST_S) return true;
  if (!add_rule(zone, rule, last_s < EARLIEST_S ? EARLIEST_S : last_s, last_s >= EARLIEST_S)) return false;
  if (count > 0 || zone->change_count == 0 || zone->changes[0].at_s != EARLIEST_S) return true;
  zone->first_offset_s = zone->changes[0].offset_s;
  zone->change_count--;
  memmove(zone->changes, zone->changes + 1, zone->change_count * sizeof *zone->changes);
  return true;
}

enum err rule_zone_open(struct rule_zone **zone, const char *name, struct bytes tzif, struct diag *diag) {
  struct source source = {name, tzif, 0, diag};
  struct block block;
  struct bytes footer;
  struct rule rule;
  *zone = NULL;
  enum err err = read_file(&source, &block, &footer);
  if (err != ERR_OK) return err;
  bool has_rule = footer.size_bytes > 0;
  if (has_rule && !read_rule(footer, &rule)) return bad_zone(&source, "the footer is no POSIX TZ rule");
  struct rule_zone *made = new_zone(name, (size_t)block.header.transition_count + 2 * RULE_YEARS + 1);
  if (made == NULL) return diag_no_memory(diag);
  if (!fill_zone(made, &block, has_rule ? &rule : NULL)) {
    rule_zone_close(made);
    return bad_zone(&source, "the footer's rule contradicts the last transition");
  }
  *zone = made;
  return ERR_OK;
}

enum err rule_zone_open_utc(struct rule_zone **zone) {
  *zone = new_zone("UTC", 0);
  return *zone != NULL ? ERR_OK : ERR_NO_MEMORY;
}

void rule_zone_close(struct rule_zone *zone) {
  if (zone == NULL) return;
  alloc_free(zone->changes);
  alloc_free(zone);
}

uint64_t rule_zone_serial(const struct rule_zone *zone) {
  return zone->serial;
}

const char *rule_zone_name(const struct rule_zone *zone) {
  return zone->name;
}

// --- looking up ---

// How many seconds before `time_s` the table has what happens then: whole cycles, 0 within the table.
static int64_t cycles_s(const struct rule_zone *zone, int64_t time_s) {
  if (!zone->repeats || time_s < zone->repeat_from_s) return 0;
  return (time_s - zone->repeat_from_s) / CYCLE_S * CYCLE_S;
}

// How many changes are at or before `time_s`.
static size_t changes_until(const struct rule_zone *zone, int64_t time_s) {
  size_t low = 0;
  size_t high = zone->change_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (zone->changes[middle].at_s <= time_s)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

int32_t rule_zone_offset(const struct rule_zone *zone, int64_t time_us) {
  int64_t time_s = rule_floor_div(time_us, CLOCK_SECOND_US);
  size_t until = changes_until(zone, time_s - cycles_s(zone, time_s));
  return until > 0 ? zone->changes[until - 1].offset_s : zone->first_offset_s;
}

int64_t rule_zone_next_change(const struct rule_zone *zone, int64_t time_us) {
  int64_t time_s = rule_floor_div(time_us, CLOCK_SECOND_US);
  int64_t before_s = cycles_s(zone, time_s);
  size_t next = changes_until(zone, time_s - before_s);
  if (next == zone->change_count) return INT64_MAX;
  int64_t at_s = zone->changes[next].at_s;
  // A file may name instants that microseconds cannot: the far ones are never, of the early ones the next is meant.
  if (at_s > (INT64_MAX / CLOCK_SECOND_US) - before_s) return INT64_MAX;
  return (at_s + before_s) * CLOCK_SECOND_US;
}

// A wall clock is an instant of each stretch of one offset in which it lies. Those within OFFSET_MIN_S..OFFSET_MAX_S of
// it are looked at in order. When it is of none, then one change leaps over it: the clock was before it and is after.
int rule_zone_offsets_of_wall(const struct rule_zone *zone, int64_t wall_us, int32_t offsets[2], int64_t *gap_end_us) {
  const int64_t reach_us = (OFFSET_MAX_S + 1) * (int64_t)CLOCK_SECOND_US;
  int64_t from_us = wall_us > INT64_MIN + 2 * reach_us ? wall_us - reach_us : INT64_MIN;
  int64_t until_us = wall_us < INT64_MAX - 2 * reach_us ? wall_us + reach_us : INT64_MAX;
  bool leapt = false;
  int count = 0;
  while (from_us < until_us && count < 2) {
    int32_t offset_s = rule_zone_offset(zone, from_us);
    int64_t next_us = rule_zone_next_change(zone, from_us);
    int64_t time_us = 0;
    bool fits = !__builtin_sub_overflow(wall_us, offset_s * (int64_t)CLOCK_SECOND_US, &time_us);
    if (fits && time_us >= from_us && time_us < next_us) offsets[count++] = offset_s;
    if (fits && time_us >= next_us && !leapt) *gap_end_us = next_us;
    if (fits && time_us < from_us) leapt = true;
    from_us = next_us;
  }
  return count;
}
