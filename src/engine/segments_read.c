// segments_read.c: answers about segments: who is in them, how many, what changed.
//
// Counts come from the audiences, which are exact as of the last commit. Whoever is told of by name is looked at as of
// now: a membership past its valid-until is evaluated on the spot, so that a timer that is late changes nothing.
#include "engine/segments.h"

#include "engine/answers.h"
#include "engine/draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/read.h"
#include "engine/score.h"
#include "segment/audience.h"

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
  uint64_t members, unknown;
  if (segment->kind == SEGMENT_ATTRIBUTE) return ERR_OK;
  enum err err = engine_get_counts(engine, &counts);
  if (err == ERR_OK) err = audience_stored_count(snapshot, segment->question, 0, &members);
  if (err != ERR_OK) return err;
  if (segment->limit > 0) json_member_u64(writer, "eligible", members);
  if (segment->limit > 0 && members > segment->limit) members = segment->limit;
  json_member_u64(writer, "members", members);
  write_share(writer, members, counts.customers);
  err = write_excluded(snapshot, segment, writer);
  if (err == ERR_OK) err = audience_stored_count(snapshot, segment->question, MEMBERSHIP_SIDE_UNKNOWN, &unknown);
  if (err != ERR_OK) return err;
  if (unknown > 0) json_member_u64(writer, "unknown", unknown); // a limit was met: they are no members
  if (segment->status != SEGMENT_BUILDING) return err;
  uint64_t done = atomic_load(&engine->live->build_done), total = atomic_load(&engine->live->build_total);
  json_name(writer, "progress");
  json_object_begin(writer);
  json_member_u64(writer, "done", done < total ? done : total);
  json_member_u64(writer, "total", total);
  json_object_end(writer);
  return ERR_OK;
}

static enum err write_segment(struct engine *engine, struct store_snapshot *snapshot,
                              const struct segment_definition *segment, struct json_writer *writer) {
  segment_definition_json(segment, writer);
  enum err err = write_counts(engine, snapshot, segment, writer);
  json_object_end(writer);
  return err;
}

// What the answers below are told from.
typedef enum err tell_fn(struct answers *answers, struct store_snapshot *snapshot, void *context,
                         struct json_writer *writer, struct diag *diag);
static enum err tell(struct engine *engine, tell_fn *fn, void *context, struct json_writer *writer, struct diag *diag) {
  struct store_snapshot *snapshot;
  struct answers *answers;
  if (diag != NULL) diag_init(diag);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = answers_open(&answers, engine, snapshot);
  if (err == ERR_OK) err = fn(answers, snapshot, context, writer, diag);
  answers_close(answers);
  store_snapshot_close(snapshot);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

struct telling {
  struct engine *engine;
  struct bytes id;
};

static enum err tell_one(struct answers *answers, struct store_snapshot *snapshot, void *context,
                         struct json_writer *writer, struct diag *diag) {
  const struct telling *telling = context;
  const struct segment_definition *segment = answers_find(answers, telling->id);
  if (segment == NULL) return segments_no_such(answers_set(answers), telling->id, diag);
  return write_segment(telling->engine, snapshot, segment, writer);
}

enum err engine_segment_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag) {
  struct telling telling = {engine, id};
  return tell(engine, tell_one, &telling, writer, diag);
}

// By id: the least one that is greater than the one before.
static const struct segment_definition *next_by_id(const struct segment_set *set,
                                                   const struct segment_definition *last) {
  const struct segment_definition *least = NULL;
  for (size_t i = 0; set != NULL && i < segment_set_count(set); i++) {
    const struct segment_definition *one = segment_set_at(set, i);
    if (one->kind == SEGMENT_SCORE || (last != NULL && bytes_compare(one->id, last->id) <= 0)) continue;
    if (least == NULL || bytes_compare(one->id, least->id) < 0) least = one;
  }
  return least == NULL ? NULL : segments_find(set, least->id);
}

static enum err tell_all(struct answers *answers, struct store_snapshot *snapshot, void *context,
                         struct json_writer *writer, struct diag *diag) {
  const struct telling *telling = context;
  const struct segment_set *set = answers_set(answers);
  enum err err = ERR_OK;
  (void)diag;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (const struct segment_definition *one = next_by_id(set, NULL); err == ERR_OK && one != NULL;
       one = next_by_id(set, one))
    err = write_segment(telling->engine, snapshot, one, writer);
  json_array_end(writer);
  json_object_end(writer);
  return err;
}

enum err engine_segments_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  struct telling telling = {.engine = engine};
  return tell(engine, tell_all, &telling, writer, diag);
}

// --- members -------------------------------------------------------------------------------------------------

struct members {
  struct engine *engine;
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

static enum err write_member(struct answers *answers, const struct segment_definition *segment, uint64_t customer,
                             struct json_writer *writer, size_t *written) {
  char id[CUSTOMER_ID_TEXT_BYTES];
  struct membership_entry entry;
  enum err err = answers_get(answers, customer, segment->question, &entry);
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

static enum err write_members(struct answers *answers, const struct segment_definition *segment,
                              const struct audience *audience, const struct members *members,
                              struct json_writer *writer) {
  uint64_t id = members->from;
  size_t written = 0;
  enum err err = ERR_OK;
  while (err == ERR_OK && written < members->limit && audience_list(audience, id, &id, 1) == 1)
    err = write_member(answers, segment, id++, writer, &written);
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

static enum err tell_members(struct answers *answers, struct store_snapshot *snapshot, void *context,
                             struct json_writer *writer, struct diag *diag) {
  const struct members *members = context;
  const struct segment_definition *segment = answers_find(answers, members->id);
  struct audience *audience = NULL;
  if (segment == NULL) return segments_no_such(answers_set(answers), members->id, diag);
  if (segment->kind == SEGMENT_ATTRIBUTE)
    return diag_set(diag, ERR_INVALID, "not_a_segment", "an attribute has no members");
  enum err err = audience_read(&audience, snapshot, segment->question, 0);
  if (err == ERR_OK && segment->limit > 0)
    err = draw_limit(members->engine->live->draw, answers, snapshot, segment, audience);
  if (err != ERR_OK) {
    audience_close(audience);
    return err;
  }
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  err = write_members(answers, segment, audience, members, writer);
  json_object_end(writer);
  audience_close(audience);
  return err;
}

enum err engine_segment_members_json(struct engine *engine, struct bytes id, struct bytes after, size_t limit,
                                     struct json_writer *writer, struct diag *diag) {
  struct members members = {.engine = engine, .id = id, .limit = limit};
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

static enum err collect(const struct segment_set *set, const struct overlap *overlap, uint32_t questions[OVERLAP_MAX],
                        struct diag *diag) {
  for (size_t i = 0; i < overlap->count; i++) {
    const struct segment_definition *segment = segments_find(set, overlap->ids[i]);
    if (segment == NULL || segment->kind == SEGMENT_ATTRIBUTE) return segments_no_such(set, overlap->ids[i], diag);
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

static enum err tell_overlap(struct answers *answers, struct store_snapshot *snapshot, void *context,
                             struct json_writer *writer, struct diag *diag) {
  const struct overlap *overlap = context;
  uint32_t questions[OVERLAP_MAX];
  uint64_t any, all;
  enum err err = collect(answers_set(answers), overlap, questions, diag);
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
  if (segment->limit > 0) json_member_bool(writer, "eligible", true); // whether she is drawn depends on the others
  write_variant(writer, segment, customer);
  json_object_end(writer);
}

enum { WORD_BITS = 64, MARK_WORDS = SEGMENT_QUESTIONS_MAX / WORD_BITS + 1 };

// The indexes of the questions of which her membership says something, bit by bit.
static enum err mark_known(struct answers *answers, uint64_t customer, uint64_t *known) {
  const struct membership *membership;
  enum err err = answers_membership(answers, customer, &membership);
  for (size_t i = 0; err == ERR_OK && i < membership->count; i++) {
    size_t at = segment_set_place(answers_set(answers), membership->entries[i].question);
    if (at / WORD_BITS < MARK_WORDS) known[at / WORD_BITS] |= UINT64_C(1) << at % WORD_BITS;
  }
  return err;
}

static enum err write_membership(struct answers *answers, uint64_t customer, const struct segment_definition *segment,
                                 struct json_writer *writer) {
  struct membership_entry entry;
  bool told = segment->kind == SEGMENT_EXPRESSION || segment->kind == SEGMENT_LIST;
  if (segment->status != SEGMENT_LIVE || !told) return ERR_OK;
  enum err err = answers_get(answers, customer, segment->question, &entry);
  if (err == ERR_OK && entry.member) write_since(writer, segment, &entry, customer);
  return err;
}

// In the order of the set. Of a thousand segments she is in a hundred: the others are not looked at one by one, which
// was a third of what reading a customer took.
static enum err write_memberships(struct answers *answers, uint64_t customer, struct json_writer *writer) {
  const struct segment_set *set = answers_set(answers);
  uint64_t known[MARK_WORDS] = {0};
  if (set == NULL) return ERR_OK;
  enum err err = mark_known(answers, customer, known);
  for (size_t word = 0; word < MARK_WORDS; word++)
    for (uint64_t bits = known[word]; err == ERR_OK && bits != 0; bits &= bits - 1)
      err = write_membership(answers, customer, segment_set_at(set, word * WORD_BITS + (size_t)__builtin_ctzll(bits)),
                             writer);
  return err;
}

static enum err write_attributes(struct answers *answers, uint64_t customer, struct json_writer *writer,
                                 const struct names *names) {
  const struct segment_set *set = answers_set(answers);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && set != NULL && i < segment_set_count(set); i++) {
    struct membership_entry entry;
    if (segment_set_kind(set, i) != SEGMENT_ATTRIBUTE) continue;
    const struct segment_definition *attribute = segment_set_at(set, i);
    if (attribute->status != SEGMENT_LIVE) continue;
    err = answers_get(answers, customer, attribute->question, &entry);
    if (err != ERR_OK) break;
    json_name_bytes(writer, attribute->id);
    value_to_json(writer, entry.value, names);
  }
  return err;
}

static enum err write_scores(struct answers *answers, uint64_t customer, struct json_writer *writer) {
  const struct segment_set *set = answers_set(answers);
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && set != NULL && i < segment_set_count(set); i++) {
    struct membership_entry entry;
    if (segment_set_kind(set, i) != SEGMENT_SCORE) continue;
    const struct segment_definition *definition = segment_set_at(set, i);
    if (definition->status != SEGMENT_LIVE) continue;
    err = answers_get(answers, customer, definition->question, &entry);
    if (err != ERR_OK) break;
    json_name_bytes(writer, definition->id);
    score_write_kept(score_of(segment_set_score(set, definition->question)), entry.value, writer);
  }
  return err;
}

enum err segments_write_customer(struct engine_view *view, uint64_t customer, struct json_writer *writer) {
  struct answers *answers;
  enum err err = answers_open(&answers, view->engine, view->snapshot);
  if (err != ERR_OK) return err;
  json_name(writer, "segments");
  json_array_begin(writer);
  err = write_memberships(answers, customer, writer);
  json_array_end(writer);
  json_name(writer, "attributes");
  json_object_begin(writer);
  if (err == ERR_OK) err = write_attributes(answers, customer, writer, view->engine->names);
  json_object_end(writer);
  json_name(writer, "scores");
  json_object_begin(writer);
  if (err == ERR_OK) err = write_scores(answers, customer, writer);
  json_object_end(writer);
  answers_close(answers);
  return err;
}

enum err engine_customer_segments_json(struct engine_view *view, uint64_t customer, struct json_writer *writer,
                                       struct diag *diag) {
  char id[CUSTOMER_ID_TEXT_BYTES];
  customer_id_format(customer, id);
  json_object_begin(writer);
  json_member_text(writer, "customer", id);
  enum err err = segments_write_customer(view, customer, writer);
  json_object_end(writer);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

// --- figures -------------------------------------------------------------------------------------------------

void engine_live_stats(struct engine *engine, struct engine_live_stats *stats) {
  const struct live *live = engine->live;
  const struct segment_set *set = live_set(engine);
  *stats = (struct engine_live_stats){.questions = set == NULL ? 0 : segment_set_count(set)};
  for (size_t i = 0; i < stats->questions; i++) stats->building += segment_set_at(set, i)->status == SEGMENT_BUILDING;
  if (set != NULL) segment_set_close(set);
  stats->building_done = atomic_load(&live->build_done);
  stats->building_all = atomic_load(&live->build_total);
  stats->evaluations = atomic_load(&live->evaluated);
  stats->transitions = atomic_load(&live->transitions);
  stats->timers = atomic_load(&live->timers);
  stats->timer_lag_us = atomic_load(&live->lag_us);
}
