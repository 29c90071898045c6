// segments_read.c: answers about segments: who is in them, how many, what changed.
//
// Counts come from the audiences, which are exact as of the last commit. Whoever is told of by name is looked at as of
// now: a membership past its valid-until is evaluated on the spot, so that a timer that is late changes nothing.
#include "engine/segments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/read.h"
#include "segment/audience.h"

// --- a customer as of now ------------------------------------------------------------------------------------

// Everything to evaluate customers of a snapshot with. The set is held: live_release after it.
struct reader {
  struct engine *engine;
  struct engine_view *view;
  struct store_snapshot *snapshot;
  struct customer_sources sources;
  struct rule_machine *machine;
  struct facts facts;
  struct membership membership;
  struct segment_evaluation evaluation;
  struct arena arena;
};

static enum err reader_open(struct reader *reader, struct engine *engine, struct store_snapshot *snapshot) {
  *reader = (struct reader){.engine = engine, .snapshot = snapshot, .sources = engine_sources(engine)};
  arena_init(&reader->arena, 0);
  reader->machine = live_take_machine(engine);
  return reader->machine == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static void reader_close(struct reader *reader) {
  if (reader->machine != NULL) live_give_machine(reader->engine, reader->machine);
  arena_release(&reader->arena);
}

static enum err reader_read(struct reader *reader, uint64_t customer) {
  struct key key;
  struct bytes row;
  arena_clear(&reader->arena);
  customer_key(customer, CUSTOMER_ROW_MEMBERSHIP, &key);
  enum err err = store_snapshot_get(reader->snapshot, STORE_CUSTOMER, key_view(&key), &reader->arena, &row);
  if (err == ERR_OK) err = membership_decode(row, &reader->arena, &reader->membership);
  if (err != ERR_OK) return err;
  facts_init(&reader->facts, (struct timeline_reader){.snapshot = reader->snapshot}, &reader->arena, &reader->sources);
  facts_reset(&reader->facts, customer, NULL, NULL);
  reader->evaluation = (struct segment_evaluation){.set = reader->engine->live->table->set,
                                                   .machine = reader->machine,
                                                   .facts = &reader->facts,
                                                   .arena = &reader->arena,
                                                   .membership = &reader->membership,
                                                   .now_us = clock_now_us(reader->engine->clock)};
  return ERR_OK;
}

// --- one segment ---------------------------------------------------------------------------------------------

static enum err write_excluded(struct store_snapshot *snapshot, const struct segment_definition *segment,
                               struct json_writer *writer) {
  enum err err = ERR_OK;
  json_name(writer, "excluded");
  json_array_begin(writer);
  for (uint32_t i = 0; err == ERR_OK && i < segment->exclusion_count; i++) {
    uint64_t removed = 0;
    err = audience_stored_count(snapshot, segment->question, i + 1, &removed);
    json_object_begin(writer);
    json_member_bytes(writer, "name", segment->exclusions[i].name);
    json_member_u64(writer, "removed", removed);
    json_object_end(writer);
  }
  json_array_end(writer);
  return err;
}

static void write_share(struct json_writer *writer, uint64_t members, uint64_t customers) {
  char text[32];
  snprintf(text, sizeof text, "%.4f", customers == 0 ? 0.0 : (double)members / (double)customers);
  json_name(writer, "share");
  json_raw(writer, bytes_from_text(text));
}

static enum err write_counts(struct engine *engine, struct store_snapshot *snapshot,
                             const struct segment_definition *segment, struct json_writer *writer) {
  struct engine_counts counts;
  uint64_t members, done, total;
  if (segment->kind == SEGMENT_ATTRIBUTE) return ERR_OK;
  enum err err = engine_get_counts(engine, &counts);
  if (err == ERR_OK) err = audience_stored_count(snapshot, segment->question, 0, &members);
  if (err != ERR_OK) return err;
  json_member_u64(writer, "members", members);
  write_share(writer, members, counts.customers);
  err = write_excluded(snapshot, segment, writer);
  if (err != ERR_OK || segment->status != SEGMENT_BUILDING) return err;
  if (!live_build_progress(engine, segment->question, &done, &total)) done = total = 0;
  json_name(writer, "progress");
  json_object_begin(writer);
  json_member_u64(writer, "done", done < total ? done : total);
  json_member_u64(writer, "total", total);
  json_object_end(writer);
  return ERR_OK;
}

static enum err write_segment(struct engine *engine, struct store_snapshot *snapshot,
                              const struct segment_definition *segment, struct json_writer *writer) {
  json_object_begin(writer);
  segment_definition_json(segment, writer);
  enum err err = write_counts(engine, snapshot, segment, writer);
  json_object_end(writer);
  return err;
}

// What the answers below are told from: a snapshot, and the table, which stays as it is meanwhile.
typedef enum err tell_fn(struct engine *engine, struct store_snapshot *snapshot, void *context,
                         struct json_writer *writer, struct diag *diag);
static enum err tell(struct engine *engine, tell_fn *fn, void *context, struct json_writer *writer, struct diag *diag) {
  struct store_snapshot *snapshot;
  if (diag != NULL) diag_init(diag);
  live_hold(engine);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err == ERR_OK) {
    err = fn(engine, snapshot, context, writer, diag);
    store_snapshot_close(snapshot);
  }
  live_release(engine);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

static enum err tell_one(struct engine *engine, struct store_snapshot *snapshot, void *context,
                         struct json_writer *writer, struct diag *diag) {
  const struct bytes *id = context;
  const struct segment_definition *segment = segments_find(engine, *id);
  return segment == NULL ? segments_no_such(engine, *id, diag) : write_segment(engine, snapshot, segment, writer);
}

enum err engine_segment_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag) {
  return tell(engine, tell_one, &id, writer, diag);
}

// By id: the least one that is greater than the one before.
static const struct segment_definition *next_by_id(const struct engine *engine, const struct segment_definition *last) {
  const struct live_table *table = engine->live->table;
  const struct segment_definition *least = NULL;
  for (size_t i = 0; i < table->count; i++) {
    const struct segment_definition *one = &table->definitions[i];
    if (last != NULL && bytes_compare(one->id, last->id) <= 0) continue;
    if (least == NULL || bytes_compare(one->id, least->id) < 0) least = one;
  }
  return least == NULL ? NULL : segments_find(engine, least->id);
}

static enum err tell_all(struct engine *engine, struct store_snapshot *snapshot, void *context,
                         struct json_writer *writer, struct diag *diag) {
  enum err err = ERR_OK;
  (void)context;
  (void)diag;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (const struct segment_definition *one = next_by_id(engine, NULL); err == ERR_OK && one != NULL;
       one = next_by_id(engine, one))
    err = write_segment(engine, snapshot, one, writer);
  json_array_end(writer);
  json_object_end(writer);
  return err;
}

enum err engine_segments_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  return tell(engine, tell_all, NULL, writer, diag);
}

// --- members -------------------------------------------------------------------------------------------------

struct members {
  struct bytes id;
  uint64_t from;
  size_t limit;
};

static void write_variant(struct json_writer *writer, const struct segment_definition *segment, uint64_t customer) {
  if (segment->variant_count == 0 && segment->control == 0) return;
  int variant = segment_variant_of(segment, customer);
  if (variant < 0)
    json_member_text(writer, "variant", "control");
  else if (variant < (int)segment->variant_count)
    json_member_bytes(writer, "variant", segment->variants[variant].name);
}

static enum err write_member(struct reader *reader, const struct segment_definition *segment, uint64_t customer,
                             struct json_writer *writer, size_t *written) {
  char id[CUSTOMER_ID_TEXT_BYTES];
  struct membership_entry entry;
  enum err err = reader_read(reader, customer);
  if (err == ERR_OK) err = segment_answer(&reader->evaluation, segment->question, &entry);
  if (err != ERR_OK || !entry.member) return err;
  customer_id_format(customer, id);
  json_object_begin(writer);
  json_member_text(writer, "id", id);
  json_member_time(writer, "since", entry.since_us);
  write_variant(writer, segment, customer);
  json_object_end(writer);
  (*written)++;
  return ERR_OK;
}

static enum err write_members(struct reader *reader, const struct segment_definition *segment,
                              const struct audience *audience, const struct members *members,
                              struct json_writer *writer) {
  uint64_t id = members->from;
  size_t written = 0;
  enum err err = ERR_OK;
  while (err == ERR_OK && written < members->limit && audience_list(audience, id, &id, 1) == 1)
    err = write_member(reader, segment, id++, writer, &written);
  bool more = audience_list(audience, id, &id, 1) == 1;
  char text[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(id, text);
  json_array_end(writer);
  json_name(writer, "next");
  if (more)
    json_text(writer, text);
  else
    json_null(writer);
  return err;
}

static enum err tell_members(struct engine *engine, struct store_snapshot *snapshot, void *context,
                             struct json_writer *writer, struct diag *diag) {
  const struct members *members = context;
  const struct segment_definition *segment = segments_find(engine, members->id);
  struct audience *audience = NULL;
  struct reader reader;
  if (segment == NULL) return segments_no_such(engine, members->id, diag);
  if (segment->kind == SEGMENT_ATTRIBUTE)
    return diag_set(diag, ERR_INVALID, "not_a_segment", "an attribute has no members");
  enum err err = audience_read(&audience, snapshot, segment->question, 0);
  if (err != ERR_OK) return err;
  err = reader_open(&reader, engine, snapshot);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  if (err == ERR_OK) err = write_members(&reader, segment, audience, members, writer);
  if (err == ERR_OK) json_object_end(writer);
  reader_close(&reader);
  audience_close(audience);
  return err;
}

enum err engine_segment_members_json(struct engine *engine, struct bytes id, struct bytes after, size_t limit,
                                     struct json_writer *writer, struct diag *diag) {
  struct members members = {.id = id, .limit = limit};
  if (after.size_bytes > 0 && !customer_id_parse(after, &members.from))
    return diag_set(diag, ERR_INVALID, "bad_cursor", "`after` is the \"next\" of the page before");
  if (limit == 0 || limit > LIMIT_PAGE_ROWS)
    return diag_set(diag, ERR_INVALID, "bad_limit", "a page has 1 to %d rows", LIMIT_PAGE_ROWS);
  return tell(engine, tell_members, &members, writer, diag);
}

// --- several segments ----------------------------------------------------------------------------------------

enum { OVERLAP_MAX = 100 };

struct overlap {
  const struct bytes *ids;
  size_t count;
};

static enum err collect(const struct engine *engine, const struct overlap *overlap, uint32_t questions[OVERLAP_MAX],
                        struct diag *diag) {
  for (size_t i = 0; i < overlap->count; i++) {
    const struct segment_definition *segment = segments_find(engine, overlap->ids[i]);
    if (segment == NULL || segment->kind == SEGMENT_ATTRIBUTE) return segments_no_such(engine, overlap->ids[i], diag);
    questions[i] = segment->question;
  }
  return ERR_OK;
}

static void write_matrix(struct json_writer *writer, const struct overlap *overlap, const uint64_t *cells) {
  json_name(writer, "segments");
  json_array_begin(writer);
  for (size_t i = 0; i < overlap->count; i++) json_bytes(writer, overlap->ids[i]);
  json_array_end(writer);
  json_name(writer, "members");
  json_array_begin(writer);
  for (size_t i = 0; i < overlap->count; i++) json_u64(writer, cells[i * overlap->count + i]);
  json_array_end(writer);
  json_name(writer, "both");
  json_array_begin(writer);
  for (size_t i = 0; i < overlap->count; i++) {
    json_array_begin(writer);
    for (size_t j = 0; j < overlap->count; j++) json_u64(writer, cells[i * overlap->count + j]);
    json_array_end(writer);
  }
  json_array_end(writer);
}

static enum err tell_overlap(struct engine *engine, struct store_snapshot *snapshot, void *context,
                             struct json_writer *writer, struct diag *diag) {
  const struct overlap *overlap = context;
  uint32_t questions[OVERLAP_MAX];
  uint64_t any, all;
  enum err err = collect(engine, overlap, questions, diag);
  if (err != ERR_OK) return err;
  uint64_t *cells = alloc_zero(overlap->count * overlap->count, sizeof *cells);
  if (cells == NULL) return ERR_NO_MEMORY;
  err = audience_overlap(snapshot, questions, overlap->count, cells);
  if (err == ERR_OK) err = audience_union_count(snapshot, questions, overlap->count, &any, &all);
  if (err == ERR_OK) {
    json_object_begin(writer);
    write_matrix(writer, overlap, cells);
    json_member_u64(writer, "any", any);
    json_member_u64(writer, "all", all);
    json_object_end(writer);
  }
  alloc_free(cells);
  return err;
}

enum err engine_segments_overlap_json(struct engine *engine, const struct bytes *ids, size_t count,
                                      struct json_writer *writer, struct diag *diag) {
  struct overlap overlap = {ids, count};
  if (count < 2 || count > OVERLAP_MAX)
    return diag_set(diag, ERR_INVALID, "bad_segments", "name 2 to %d segments", OVERLAP_MAX);
  return tell(engine, tell_overlap, &overlap, writer, diag);
}

// --- a customer's ------------------------------------------------------------------------------------------

static void write_since(struct json_writer *writer, const struct segment_definition *segment,
                        const struct membership_entry *entry, uint64_t customer) {
  json_object_begin(writer);
  json_member_bytes(writer, "id", segment->id);
  json_member_u64(writer, "version", segment->version);
  json_member_time(writer, "since", entry->since_us);
  write_variant(writer, segment, customer);
  json_object_end(writer);
}

// One pass for the segments, one for the attributes.
static enum err write_answers(struct reader *reader, uint64_t customer, bool attributes, struct json_writer *writer) {
  const struct live_table *table = reader->engine->live->table;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < table->count; i++) {
    const struct segment_definition *segment = &table->definitions[i];
    struct membership_entry entry;
    if (segment->status != SEGMENT_LIVE || (segment->kind == SEGMENT_ATTRIBUTE) != attributes) continue;
    err = segment_answer(&reader->evaluation, segment->question, &entry);
    if (err == ERR_OK && !attributes && entry.member) write_since(writer, segment, &entry, customer);
    if (err != ERR_OK || !attributes) continue;
    json_name_bytes(writer, segment->id);
    value_to_json(writer, entry.value, reader->engine->names);
  }
  return err;
}

static enum err write_customer(struct reader *reader, uint64_t customer, struct json_writer *writer) {
  char id[CUSTOMER_ID_TEXT_BYTES];
  enum err err = reader_read(reader, customer);
  if (err != ERR_OK) return err;
  customer_id_format(customer, id);
  json_object_begin(writer);
  json_member_text(writer, "customer", id);
  json_name(writer, "segments");
  json_array_begin(writer);
  err = write_answers(reader, customer, false, writer);
  json_array_end(writer);
  json_name(writer, "attributes");
  json_object_begin(writer);
  if (err == ERR_OK) err = write_answers(reader, customer, true, writer);
  json_object_end(writer);
  json_object_end(writer);
  return err;
}

enum err engine_customer_segments_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                                       struct diag *diag) {
  struct reader reader;
  live_hold(view->engine);
  enum err err = reader_open(&reader, view->engine, view->snapshot);
  if (err == ERR_OK) err = write_customer(&reader, customer, writer);
  reader_close(&reader);
  live_release(view->engine);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

// --- figures -------------------------------------------------------------------------------------------------

void engine_live_stats(struct engine *engine, struct engine_live_stats *stats) {
  const struct live *live = engine->live;
  live_hold(engine);
  const struct live_table *table = live->table;
  *stats = (struct engine_live_stats){.questions = table->count};
  for (size_t i = 0; i < table->count; i++) {
    uint64_t done = 0, total = 0;
    if (table->definitions[i].status != SEGMENT_BUILDING) continue;
    live_build_progress(engine, table->definitions[i].question, &done, &total);
    stats->building++;
    stats->building_done += done;
    stats->building_all += total;
  }
  live_release(engine);
  stats->evaluations = atomic_load(&live->evaluated);
  stats->transitions = atomic_load(&live->transitions);
  stats->timers = atomic_load(&live->timers);
  stats->timer_lag_us = atomic_load(&live->lag_us);
}
