// scores.c: defining, refreshing and archiving scores.
//
// A version of a score is a row of the definitions of segments (segments.c), whose `include` is the score's document
// with the thresholds that were found (score.h). Finding them takes a walk over all customers and holds no lock; what
// was changed meanwhile is noticed when they are put. Thresholds that came out the same make no new version.
//
// A score is due when the day, week or month of the workspace's time zone is another than that of its last refresh, or
// a day after one that found nobody who had bought.
#include "engine/scores.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/live.h"
#include "engine/score.h"
#include "engine/segments.h"

// --- told ----------------------------------------------------------------------------------------------------

static void tell(const struct scheme *scheme, const struct segment_definition *definition, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_bytes(writer, "id", definition->id);
  json_member_bytes(writer, "name", definition->name);
  if (definition->description.size_bytes > 0) json_member_bytes(writer, "description", definition->description);
  scheme_write(scheme, writer);
  json_member_u64(writer, "version", definition->version);
  json_member_text(writer, "status", segment_status_name(definition->status));
  json_member_time(writer, "created_at", definition->created_us);
  if (definition->live_us != 0) json_member_time(writer, "live_at", definition->live_us);
  json_member_time(writer, "refreshed_at", definition->refreshed_us);
  if (definition->author.size_bytes > 0) json_member_bytes(writer, "author", definition->author);
}

static void tell_progress(const struct engine *engine, const struct segment_definition *definition,
                          struct json_writer *writer) {
  uint64_t done = atomic_load(&engine->live->build_done), total = atomic_load(&engine->live->build_total);
  if (definition->status != SEGMENT_BUILDING) return;
  json_name(writer, "progress");
  json_object_begin(writer);
  json_member_u64(writer, "done", done < total ? done : total);
  json_member_u64(writer, "total", total);
  json_object_end(writer);
}

void scores_tell(const struct segment_set *set, const struct segment_definition *definition,
                 struct json_writer *writer) {
  tell(&score_of(segment_set_score(set, definition->question))->scheme, definition, writer);
  json_object_end(writer);
}

static void tell_stored(const struct engine *engine, const struct segment_set *set,
                        const struct segment_definition *definition, struct json_writer *writer) {
  tell(&score_of(segment_set_score(set, definition->question))->scheme, definition, writer);
  tell_progress(engine, definition, writer);
  json_object_end(writer);
}

enum err engine_score_json(struct engine *engine, struct bytes id, struct json_writer *writer, struct diag *diag) {
  const struct segment_set *set = live_set(engine);
  const struct segment_definition *definition = segments_find_score(set, id);
  enum err err = definition == NULL ? segments_no_such_score(set, id, diag) : ERR_OK;
  if (err == ERR_OK) tell_stored(engine, set, definition, writer);
  if (set != NULL) segment_set_close(set);
  return err;
}

// By id: the least one that is greater than the one before.
static const struct segment_definition *next_by_id(const struct segment_set *set,
                                                   const struct segment_definition *last) {
  const struct segment_definition *least = NULL;
  for (size_t i = 0; set != NULL && i < segment_set_count(set); i++) {
    const struct segment_definition *one = segment_set_at(set, i);
    if (one->kind != SEGMENT_SCORE || (last != NULL && bytes_compare(one->id, last->id) <= 0)) continue;
    if (least == NULL || bytes_compare(one->id, least->id) < 0) least = one;
  }
  return least == NULL ? NULL : segments_find_score(set, least->id);
}

enum err engine_scores_json(struct engine *engine, struct json_writer *writer, struct diag *diag) {
  const struct segment_set *set = live_set(engine);
  (void)diag;
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (const struct segment_definition *one = next_by_id(set, NULL); one != NULL; one = next_by_id(set, one))
    tell_stored(engine, set, one, writer);
  json_array_end(writer);
  json_object_end(writer);
  if (set != NULL) segment_set_close(set);
  return ERR_OK;
}

// --- put -----------------------------------------------------------------------------------------------------

struct putting {
  struct engine *engine;
  struct arena arena;
  struct scheme scheme;
  struct buffer document;
  uint32_t expected; // the question that is refreshed; 0: none
  engine_query_progress_fn *progress;
  void *context;
};

static void putting_init(struct putting *putting, struct engine *engine, engine_query_progress_fn *progress,
                         void *context) {
  *putting = (struct putting){.engine = engine, .progress = progress, .context = context};
  arena_init(&putting->arena, 0);
  buffer_init(&putting->document);
}

static void putting_release(struct putting *putting) {
  buffer_release(&putting->document);
  arena_release(&putting->arena);
}

static void tell_put(void *context, const struct segment_definition *definition, struct json_writer *writer) {
  const struct putting *putting = context;
  tell(&putting->scheme, definition, writer);
  json_object_end(writer);
}

// The thresholds, by the orders there are, and the document with them.
static enum err find(struct putting *putting, int64_t now_us, struct diag *diag) {
  struct engine_view *view;
  struct trade *trade = NULL;
  struct json_writer writer;
  enum err err = engine_view_open(putting->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = score_trade_open(view, &trade, diag);
  if (err == ERR_OK && putting->scheme.method != RFM_FIXED)
    err = score_find(view, trade, now_us, putting->progress, putting->context, &putting->arena, &putting->scheme, diag);
  json_writer_init(&writer, &putting->document);
  if (err == ERR_OK) score_write_document(&putting->scheme, trade, &writer);
  if (err == ERR_OK && putting->document.failed) err = diag_no_memory(diag);
  trade_close(trade);
  engine_view_close(view);
  return err;
}

static enum err put(struct putting *putting, struct bytes author, struct json_writer *writer,
                    struct engine_commit *commit, struct diag *diag) {
  const struct scheme *scheme = &putting->scheme;
  int64_t now_us = clock_now_us(putting->engine->clock);
  enum err err = find(putting, now_us, diag);
  if (err != ERR_OK) return err;
  struct segment_definition wanted = {.id = scheme->id,
                                      .name = scheme->name,
                                      .description = scheme->description,
                                      .kind = SEGMENT_SCORE,
                                      .include = buffer_view(&putting->document),
                                      .refreshed_us = now_us,
                                      .author = author};
  return segments_put_score(putting->engine, &wanted, putting->expected, tell_put, putting, writer, commit, diag);
}

enum err engine_score_put(struct engine *engine, struct value document, struct bytes author,
                          engine_query_progress_fn *progress, void *context, struct json_writer *writer,
                          struct engine_commit *commit, struct diag *diag) {
  struct putting putting;
  putting_init(&putting, engine, progress, context);
  enum err err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err == ERR_OK) err = scheme_read(document, engine->names, &putting.arena, &putting.scheme, diag);
  if (err == ERR_OK) err = put(&putting, author, writer, commit, diag);
  putting_release(&putting);
  return err;
}

// --- refresh -------------------------------------------------------------------------------------------------

// The newest version of an id: one that is being built before the live one.
static const struct segment_definition *newest(const struct segment_set *set, struct bytes id) {
  const struct segment_definition *found = NULL;
  for (size_t i = 0; set != NULL && i < segment_set_count(set); i++) {
    const struct segment_definition *one = segment_set_at(set, i);
    if (one->kind != SEGMENT_SCORE || !bytes_equal(one->id, id)) continue;
    if (found == NULL || one->question > found->question) found = one;
  }
  return found;
}

static bool keep(struct arena *arena, struct bytes *text) {
  *text = arena_copy(arena, *text);
  return text->data != NULL;
}

// What a person had said, copied; what was found is found again.
static enum err take_definition(struct putting *putting, const struct segment_set *set,
                                const struct segment_definition *definition, struct bytes *author) {
  const struct scheme *before = &score_of(segment_set_score(set, definition->question))->scheme;
  struct scheme *scheme = &putting->scheme;
  struct arena *arena = &putting->arena;
  *scheme = *before;
  scheme->id = definition->id;
  scheme->name = definition->name;
  scheme->description = definition->description;
  *author = definition->author;
  putting->expected = definition->question;
  bool copied = keep(arena, &scheme->id) && keep(arena, &scheme->name) && keep(arena, &scheme->description) &&
                keep(arena, &scheme->window) && keep(arena, author);
  if (!copied || scheme_make_room(scheme, before->range_count, arena) != ERR_OK) return ERR_NO_MEMORY;
  for (size_t i = 0; i < before->range_count; i++) {
    scheme->ranges[i] = before->ranges[i];
    if (!keep(arena, &scheme->ranges[i])) return ERR_NO_MEMORY;
  }
  for (size_t i = 0; i <= before->range_count; i++) scheme->bounds[i] = before->bounds[i];
  return ERR_OK;
}

enum err engine_score_refresh(struct engine *engine, struct bytes id, engine_query_progress_fn *progress, void *context,
                              struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct putting putting;
  struct bytes author = BYTES("");
  const struct segment_set *set = live_set(engine);
  const struct segment_definition *definition = newest(set, id);
  putting_init(&putting, engine, progress, context);
  enum err err = definition == NULL ? segments_no_such_score(set, id, diag) : ERR_OK;
  if (err == ERR_OK) err = take_definition(&putting, set, definition, &author);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  if (set != NULL) segment_set_close(set);
  if (err == ERR_OK) err = put(&putting, author, writer, commit, diag);
  putting_release(&putting);
  return err;
}

// --- by the clock --------------------------------------------------------------------------------------------

static bool is_due(struct engine *engine, const struct segment_definition *definition, const struct scheme *scheme) {
  static const enum rule_unit units[] = {
      [SCHEME_DAILY] = RULE_DAY, [SCHEME_WEEKLY] = RULE_WEEK, [SCHEME_MONTHLY] = RULE_MONTH};
  int64_t began_us;
  enum rule_unit unit = units[scheme->refresh];
  if (scheme->refresh == SCHEME_NEVER) return false;
  if (scheme->method != RFM_FIXED && scheme->bounds[0].bins == 0) unit = RULE_DAY; // nobody had bought
  int64_t now_us = clock_now_us(engine->clock);
  const struct rule_zone *zone = engine_zone(engine);
  return rule_time_start(zone, now_us, unit, 0, &began_us) == ERR_OK && definition->refreshed_us < began_us;
}

static bool find_due(struct engine *engine, struct arena *arena, const struct segment_set *set, struct bytes *id) {
  for (size_t i = 0; set != NULL && i < segment_set_count(set); i++) {
    const struct segment_definition *one = segment_set_at(set, i);
    if (one->kind != SEGMENT_SCORE || newest(set, one->id) != one) continue;
    if (!is_due(engine, one, &score_of(segment_set_score(set, one->question))->scheme)) continue;
    *id = arena_copy(arena, one->id);
    return id->data != NULL;
  }
  return false;
}

static bool goes_on(void *context, uint64_t done, uint64_t total) {
  const struct engine *engine = context;
  (void)done, (void)total;
  return engine->goes_on == NULL || engine->goes_on(engine->goes_on_context);
}

enum err scores_tick(struct engine *engine, bool *more, struct diag *diag) {
  struct engine_commit commit = {0};
  struct json_writer writer;
  struct buffer answer;
  struct arena arena;
  struct bytes id;
  enum err err = ERR_OK;
  arena_init(&arena, 0);
  const struct segment_set *set = live_set(engine);
  *more = find_due(engine, &arena, set, &id);
  if (set != NULL) segment_set_close(set);
  buffer_init(&answer);
  json_writer_init(&writer, &answer);
  if (*more) err = engine_score_refresh(engine, id, goes_on, engine, &writer, &commit, diag);
  if (err == ERR_CONFLICT || err == ERR_NOT_FOUND) err = ERR_OK; // somebody was there before: it is looked at again
  if (err == ERR_STOPPED) err = ERR_OK;                          // it stays due
  buffer_release(&answer);
  arena_release(&arena);
  return err;
}

// --- archive -------------------------------------------------------------------------------------------------

static void tell_archived(void *context, const struct segment_definition *definition, struct json_writer *writer) {
  struct engine *engine = context;
  tell_stored(engine, engine->live->set, definition, writer); // `changing` is held
}

enum err engine_score_archive(struct engine *engine, struct bytes id, struct json_writer *writer,
                              struct engine_commit *commit, struct diag *diag) {
  return segments_end(engine, id, true, tell_archived, engine, writer, commit, diag);
}
