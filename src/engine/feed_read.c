// feed_read.c: pages of the feed.
//
// A cursor is the number of the last change read, in hexadecimal; whoever writes one by hand reads from there on. It
// may lie within a row, and then the row is found by walking back. The changes of one segment are looked for in the
// blocks that have some: a page takes as many blocks as it needs. A page that reaches the present gives the cursor of
// the newest change of all, so that what was looked through is not looked through again.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/feed_row.h"
#include "engine/live.h"
#include "engine/loyalty.h"

enum { KNOWN_FIRST = 64 };

// What a question stands for. The definitions in force know; of others the row is read, once a page.
struct known {
  uint32_t question; // 0: a free slot
  uint32_t version;
  struct bytes id;
};

struct reading {
  struct engine *engine;
  struct store_snapshot *snapshot;
  const struct segment_set *set; // NULL: there never was one
  struct arena arena;
  struct buffer document;
  struct bytes segment;                // empty: all
  bool loyalty;                        // only of loyalty
  const struct loyalty_set *documents; // NULL: there never was one
  uint64_t from, end;                  // numbers: [from, end)
  size_t limit, told;
  uint64_t last;       // out: what to read after
  struct known *known; // by question: open addressing
  size_t known_count, slot_count;
  engine_change_fn *each;
  void *context;
};

static bool read_cursor(struct bytes text, uint64_t *number) {
  *number = 0;
  if (text.size_bytes > 16) return false;
  for (size_t i = 0; i < text.size_bytes; i++) {
    const char *digits = "0123456789abcdef";
    const char *digit = text.data[i] == 0 ? NULL : strchr(digits, text.data[i]);
    if (digit == NULL) return false;
    *number = *number << 4 | (uint64_t)(digit - digits);
  }
  return true;
}

// --- definitions ---------------------------------------------------------------------------------------------

static struct known *slot_for(struct known *slots, size_t count, uint32_t question) {
  size_t at = question % count;
  while (slots[at].question != 0 && slots[at].question != question) at = (at + 1) % count;
  return &slots[at];
}

static enum err make_room(struct reading *reading) {
  if (2 * reading->known_count < reading->slot_count) return ERR_OK;
  size_t count = reading->slot_count == 0 ? KNOWN_FIRST : 2 * reading->slot_count;
  struct known *slots = arena_take_zero(&reading->arena, count, sizeof *slots);
  if (slots == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < reading->slot_count; i++)
    if (reading->known[i].question != 0) *slot_for(slots, count, reading->known[i].question) = reading->known[i];
  reading->known = slots;
  reading->slot_count = count;
  return ERR_OK;
}

static enum err read_known(struct reading *reading, uint32_t question, struct known *known) {
  struct segment_definition definition;
  struct bytes row;
  struct key key;
  live_definition_key(&key, question);
  enum err err = store_snapshot_get(reading->snapshot, STORE_DOCUMENT, key_view(&key), &reading->arena, &row);
  if (err == ERR_OK && row.data == NULL) err = ERR_CORRUPT;
  if (err == ERR_OK)
    err = segment_definition_unpack((struct value){row}, reading->engine->names, &reading->arena, &definition);
  if (err == ERR_OK) *known = (struct known){question, definition.version, definition.id};
  return err;
}

static enum err find_known(struct reading *reading, uint32_t question, struct known *known) {
  const struct segment_definition *live = reading->set == NULL ? NULL : segment_set_question(reading->set, question);
  if (live != NULL) {
    *known = (struct known){question, live->version, live->id};
    return ERR_OK;
  }
  enum err err = question == 0 ? ERR_CORRUPT : make_room(reading);
  if (err != ERR_OK) return err;
  struct known *slot = slot_for(reading->known, reading->slot_count, question);
  if (slot->question == 0) {
    err = read_known(reading, question, slot);
    reading->known_count += err == ERR_OK;
  }
  *known = *slot;
  return err;
}

// --- telling -------------------------------------------------------------------------------------------------

static void write_change(const struct feed_change *change, const struct known *segment, int64_t recorded_us,
                         const char *cursor, struct json_writer *writer) {
  char customer[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(change->customer, customer);
  json_object_begin(writer);
  json_member_text(writer, "cursor", cursor);
  json_member_bytes(writer, "segment", segment->id);
  json_member_u64(writer, "version", segment->version);
  json_member_text(writer, "customer", customer);
  json_member_text(writer, "change", change->entered ? "entered" : "left");
  json_member_time(writer, "at", change->at_us);
  json_member_time(writer, "recorded_at", recorded_us);
  json_member_bool(writer, "backfill", change->backfill);
  json_object_end(writer);
}

static void write_loyalty(const struct reading *reading, const struct feed_change *change, int64_t recorded_us,
                          const char *cursor, struct json_writer *writer) {
  char customer[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(change->customer, customer);
  json_object_begin(writer);
  json_member_text(writer, "cursor", cursor);
  feed_loyalty_json(&change->loyalty, reading->documents, writer);
  json_member_text(writer, "customer", customer);
  json_member_time(writer, "at", change->at_us);
  json_member_time(writer, "recorded_at", recorded_us);
  json_object_end(writer);
}

// As write_loyalty and write_change begin.
bool engine_change_is_loyalty(struct bytes cursor, struct bytes document) {
  static const char before[] = "{\"cursor\":\"", kind[] = "\",\"kind\"";
  size_t at = strlen(before) + cursor.size_bytes;
  return document.size_bytes >= at + strlen(kind) && memcmp(document.data + at, kind, strlen(kind)) == 0;
}

static enum err tell_change(struct reading *reading, const struct feed_change *change, int64_t recorded_us) {
  char cursor[ENGINE_CURSOR_BYTES];
  struct json_writer writer;
  struct known segment = {0};
  bool loyalty = change->question == 0;
  if (reading->loyalty != loyalty && (reading->loyalty || reading->segment.size_bytes > 0)) return ERR_OK;
  enum err err = loyalty ? ERR_OK : find_known(reading, change->question, &segment);
  if (err != ERR_OK) return err;
  if (reading->segment.size_bytes > 0 && !bytes_equal(reading->segment, segment.id)) return ERR_OK;
  snprintf(cursor, sizeof cursor, "%" PRIx64, change->number);
  buffer_clear(&reading->document);
  json_writer_init(&writer, &reading->document);
  if (loyalty)
    write_loyalty(reading, change, recorded_us, cursor, &writer);
  else
    write_change(change, &segment, recorded_us, cursor, &writer);
  if (reading->document.failed) return ERR_NO_MEMORY;
  reading->last = change->number;
  reading->told++;
  return reading->each(reading->context, bytes_from_text(cursor), buffer_view(&reading->document));
}

static enum err tell_row(struct reading *reading, struct bytes key, struct bytes value) {
  struct feed_change change;
  struct feed_row row;
  enum err err = feed_row_open(&row, key, value);
  while (err == ERR_OK && reading->told < reading->limit) {
    err = feed_row_next(&row, &change);
    if (err == ERR_OK && change.number >= reading->from) err = tell_change(reading, &change, row.recorded_us);
  }
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// Those of the rows whose first number is of [first, end).
static enum err tell_rows(struct reading *reading, uint64_t first, uint64_t end) {
  struct store_cursor *cursor = NULL;
  struct bytes key, value;
  struct key from, to;
  feed_row_key(&from, first);
  feed_row_key(&to, end);
  enum err err = store_snapshot_scan(reading->snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  while (err == ERR_OK && reading->told < reading->limit && store_cursor_next(cursor, &key, &value))
    err = tell_row(reading, key, value);
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// Those of one segment, or of loyalty.
static enum err tell_blocks(struct reading *reading, uint64_t first) {
  struct store_cursor *cursor = NULL;
  struct bytes key, value;
  struct key from, to;
  feed_segment_key(&from, reading->segment, feed_block(first));
  feed_segment_key(&to, reading->segment, feed_block(reading->end) + 1);
  enum err err = store_snapshot_scan(reading->snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  while (err == ERR_OK && reading->told < reading->limit && store_cursor_next(cursor, &key, &value)) {
    uint64_t begin = key_read_u64(key.data + key.size_bytes - sizeof begin) * FEED_BLOCK, end = begin + FEED_BLOCK;
    err = tell_rows(reading, begin < first ? first : begin, end < reading->end ? end : reading->end);
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// The row in which reading->from lies, or from itself when none does.
static enum err find_first(const struct reading *reading, uint64_t *first) {
  struct store_cursor *cursor = NULL;
  struct bytes key, value;
  struct key from, to;
  struct feed_row row;
  *first = reading->from;
  feed_row_key(&from, reading->from < FEED_ROW_CHANGES ? 0 : reading->from - FEED_ROW_CHANGES + 1);
  feed_row_key(&to, reading->from + 1);
  enum err err = store_snapshot_scan(reading->snapshot, STORE_CHANGE, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  if (store_cursor_previous(cursor, &key, &value)) {
    err = feed_row_open(&row, key, value);
    if (err == ERR_OK && row.first + row.count > reading->from) *first = row.first;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// All below `end` was looked through: on to the newest of it. A number of which there is no row may be given again
// after a restart, so it is no cursor.
static enum err pass_rest(struct reading *reading) {
  uint64_t last;
  enum err err = feed_last(reading->snapshot, &last);
  if (last >= reading->end) last = reading->end - 1;
  if (err == ERR_OK && last > reading->last) reading->last = last;
  return err;
}

static enum err read_page(struct reading *reading) {
  uint64_t first = 0;
  enum err err = find_first(reading, &first);
  bool some = reading->loyalty || reading->segment.size_bytes > 0;
  if (err == ERR_OK) err = some ? tell_blocks(reading, first) : tell_rows(reading, first, reading->end);
  return err == ERR_OK && reading->told < reading->limit ? pass_rest(reading) : err;
}

static enum err read_changes(struct engine *engine, struct reading *reading, struct bytes after, struct diag *diag) {
  if (!read_cursor(after, &reading->last))
    return diag_set(diag, ERR_INVALID, "bad_cursor", "this is no cursor of the feed: give back one it gave, or none");
  if (reading->limit == 0 || reading->limit > LIMIT_PAGE_ROWS)
    return diag_set(diag, ERR_INVALID, "bad_limit", "a page has 1 to %d rows", LIMIT_PAGE_ROWS);
  // Who begins without a cursor takes what there is; who left off before the oldest would miss some and not know.
  if (after.size_bytes > 0 && reading->last > 0 && reading->last < feed_floor(engine))
    return diag_set(diag, ERR_NOT_FOUND, "cursor_too_old",
                    "changes after this cursor are gone, they are kept for %d days: read the members of your segments "
                    "anew, and then the feed without a cursor",
                    FEED_DAYS);
  reading->from = reading->last + 1;
  reading->end = feed_horizon(engine); // before the snapshot: all below it are committed, or never will be
  if (reading->from == 0 || reading->from >= reading->end) return ERR_OK;
  reading->engine = engine;
  enum err err = store_snapshot_open(engine->store, &reading->snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  reading->set = live_set(engine);
  reading->documents = loyalty_hold(engine);
  arena_init(&reading->arena, 0);
  buffer_init(&reading->document);
  err = read_page(reading);
  buffer_release(&reading->document);
  arena_release(&reading->arena);
  if (reading->set != NULL) segment_set_close(reading->set);
  if (reading->documents != NULL) loyalty_set_close(reading->documents);
  store_snapshot_close(reading->snapshot);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

static enum err each_change(struct reading *reading, struct bytes after, char next[ENGINE_CURSOR_BYTES],
                            struct diag *diag) {
  enum err err = read_changes(reading->engine, reading, after, diag);
  snprintf(next, ENGINE_CURSOR_BYTES, "%" PRIx64, reading->last);
  return err;
}

enum err engine_changes_each(struct engine *engine, struct bytes segment, struct bytes after, size_t limit,
                             engine_change_fn *each, void *context, char next[ENGINE_CURSOR_BYTES], struct diag *diag) {
  struct reading reading = {.engine = engine, .segment = segment, .limit = limit, .each = each, .context = context};
  return each_change(&reading, after, next, diag);
}

static enum err append_item(void *context, struct bytes cursor, struct bytes document) {
  (void)cursor;
  json_raw(context, document);
  return ERR_OK;
}

static enum err write_page(struct reading *reading, struct bytes after, struct json_writer *writer, struct diag *diag) {
  char next[ENGINE_CURSOR_BYTES];
  reading->each = append_item;
  reading->context = writer;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  enum err err = each_change(reading, after, next, diag);
  json_array_end(writer);
  json_member_text(writer, "next", next);
  json_object_end(writer);
  return err;
}

enum err engine_changes_json(struct engine *engine, struct bytes segment, struct bytes after, size_t limit,
                             struct json_writer *writer, struct diag *diag) {
  struct reading reading = {.engine = engine, .segment = segment, .limit = limit};
  return write_page(&reading, after, writer, diag);
}

enum err engine_loyalty_changes_json(struct engine *engine, struct bytes after, size_t limit,
                                     struct json_writer *writer, struct diag *diag) {
  struct reading reading = {.engine = engine, .loyalty = true, .limit = limit};
  return write_page(&reading, after, writer, diag);
}

// The last change that is there, not the last number given: one that was given to a commit that failed is given again
// after a restart.
enum err engine_changes_present(struct engine *engine, char cursor[ENGINE_CURSOR_BYTES], struct diag *diag) {
  struct store_snapshot *snapshot;
  uint64_t last, horizon = feed_horizon(engine);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = feed_last(snapshot, &last);
  store_snapshot_close(snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  snprintf(cursor, ENGINE_CURSOR_BYTES, "%" PRIx64, last < horizon ? last : horizon - 1);
  return ERR_OK;
}
