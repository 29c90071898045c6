// segments.c: defining, changing and archiving segments, lists and computed attributes.
//
// Each version is a row "segment\0<question>" of DOCUMENT and never leaves it; its status changes. One change at a time
// (`changing`): what it makes of all definitions is compiled first, so that a cycle or a reference to nothing is
// refused before anything is stored; then its rows are committed, then it is put in force, which cannot fail. After a
// crash between the two, opening does the latter.
//
// META row "segments_zone" names the time zone in which the versions were computed: when the workspace has another one,
// all are computed anew.
//
// A change that asks the same (another name, other shares) keeps version, question and what was computed for it.
#include "engine/segments.h"

#include <inttypes.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/audit.h"
#include "engine/catalog.h"
#include "engine/score.h"
#include "rule/program.h"
#include "segment/audience.h"

// --- finding -------------------------------------------------------------------------------------------------

static const struct segment_definition *find_any(const struct segment_set *set, struct bytes id) {
  const struct segment_definition *found = set == NULL ? NULL : segment_set_live(set, id);
  for (size_t i = 0; found == NULL && set != NULL && i < segment_set_count(set); i++)
    if (bytes_equal(segment_set_at(set, i)->id, id)) found = segment_set_at(set, i);
  return found;
}

const struct segment_definition *segments_find(const struct segment_set *set, struct bytes id) {
  const struct segment_definition *found = find_any(set, id);
  return found == NULL || found->kind == SEGMENT_SCORE ? NULL : found;
}

const struct segment_definition *segments_find_score(const struct segment_set *set, struct bytes id) {
  const struct segment_definition *found = find_any(set, id);
  return found == NULL || found->kind != SEGMENT_SCORE ? NULL : found;
}

static struct bytes nearest_id(const struct segment_set *set, struct bytes id, bool score) {
  struct bytes nearest = {0};
  size_t least = id.size_bytes / 3 + 2; // at most one change in three letters
  for (size_t i = 0; set != NULL && i < segment_set_count(set); i++) {
    if ((segment_set_at(set, i)->kind == SEGMENT_SCORE) != score) continue;
    size_t distance = nearest_distance(id, segment_set_at(set, i)->id);
    if (distance >= least) continue;
    least = distance;
    nearest = segment_set_at(set, i)->id;
  }
  return nearest;
}

enum err segments_no_such_score(const struct segment_set *set, struct bytes id, struct diag *diag) {
  struct bytes nearest = nearest_id(set, id, true);
  int size = (int)(id.size_bytes < SEGMENT_ID_BYTES ? id.size_bytes : SEGMENT_ID_BYTES);
  if (nearest.size_bytes == 0)
    return diag_set(diag, ERR_NOT_FOUND, "no_score", "there is no score \"%.*s\"", size, id.data);
  return diag_set(diag, ERR_NOT_FOUND, "no_score", "there is no score \"%.*s\"; did you mean \"%.*s\"?", size, id.data,
                  BYTES_ARG(nearest));
}

enum err segments_no_such(const struct segment_set *set, struct bytes id, struct diag *diag) {
  struct bytes nearest = nearest_id(set, id, false);
  int size = (int)(id.size_bytes < SEGMENT_ID_BYTES ? id.size_bytes : SEGMENT_ID_BYTES);
  if (nearest.size_bytes == 0)
    return diag_set(diag, ERR_NOT_FOUND, "no_segment", "there is no segment, list or attribute \"%.*s\"", size,
                    id.data);
  return diag_set(diag, ERR_NOT_FOUND, "no_segment",
                  "there is no segment, list or attribute \"%.*s\"; did you mean \"%.*s\"?", size, id.data,
                  (int)nearest.size_bytes, nearest.data);
}

static size_t definition_count(const struct segment_set *set) {
  return set == NULL ? 0 : segment_set_count(set);
}

// The version of this id with that status; the caller holds `changing`.
static const struct segment_definition *find_status(const struct engine *engine, struct bytes id,
                                                    enum segment_status status) {
  const struct segment_set *set = engine->live->set;
  for (size_t i = 0; i < definition_count(set); i++)
    if (segment_set_at(set, i)->status == status && bytes_equal(segment_set_at(set, i)->id, id))
      return segment_set_at(set, i);
  return NULL;
}

// The version that a change is made of; NULL: there is none.
static const struct segment_definition *newest_of(const struct engine *engine, struct bytes id) {
  const struct segment_definition *building = find_status(engine, id, SEGMENT_BUILDING);
  return building != NULL ? building : find_status(engine, id, SEGMENT_LIVE);
}

// Words for a failure that came without any.
static enum err explained(enum err err, struct diag *diag) {
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}

// --- rows ----------------------------------------------------------------------------------------------------

static const char ZONE_ROW[] = "segments_zone";

// The rows of one change.
struct change {
  struct engine *engine;
  struct arena *arena;
  struct segment_definition *rows;
  size_t count, capacity;
  const struct segment_set *next; // what they make, once it was tried; NULL: not yet
  struct audit_entry entry;       // without an author: nobody made it
};

// A side of the audit, which is of the set; NULL: there is none. Of a score its document with the thresholds.
static enum err segment_side(struct change *change, const struct segment_set *set,
                             const struct segment_definition *definition, struct bytes *text) {
  struct json_writer writer;
  struct buffer out;
  if (definition == NULL) return ERR_OK;
  buffer_init(&out);
  json_writer_init(&writer, &out);
  if (definition->kind == SEGMENT_SCORE) {
    scores_tell(set, definition, &writer);
  } else {
    segment_definition_json(definition, &writer);
    json_object_end(&writer);
  }
  if (!out.failed) *text = arena_copy(change->arena, buffer_view(&out));
  buffer_release(&out);
  return text->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err note(struct change *change, const char *action, struct bytes author,
                     const struct segment_definition *before, const struct segment_definition *after,
                     struct diag *diag) {
  change->entry = (struct audit_entry){.action = action, .author = author};
  change->entry.subject = after != NULL ? after->id : before->id;
  enum err err = segment_side(change, change->engine->live->set, before, &change->entry.before);
  if (err == ERR_OK) err = segment_side(change, change->next, after, &change->entry.after);
  if (err == ERR_OK) return ERR_OK;
  if (change->next != NULL) segment_set_close(change->next); // nobody will carry it out
  change->next = NULL;
  return diag_no_memory(diag);
}

static enum err put_rows(struct store_txn *txn, void *context, struct diag *diag) {
  const struct change *change = context;
  struct key zone;
  engine_text_key(&zone, ZONE_ROW);
  enum err err =
      store_put(txn, STORE_META, key_view(&zone), bytes_from_text(rule_zone_name(engine_zone(change->engine))));
  for (size_t i = 0; err == ERR_OK && i < change->count; i++) {
    struct value_builder builder;
    struct buffer row;
    struct key key;
    buffer_init(&row);
    value_builder_init(&builder, &row, change->engine->names);
    segment_definition_pack(&change->rows[i], &builder);
    err = value_builder_finish(&builder);
    live_definition_key(&key, change->rows[i].question);
    if (err == ERR_OK) err = store_put(txn, STORE_DOCUMENT, key_view(&key), buffer_view(&row));
    if (err == ERR_NO_MEMORY) diag_no_memory(diag);
    buffer_release(&row);
  }
  return err;
}

static enum err add_row(struct change *change, const struct segment_definition *definition, enum segment_status status,
                        struct diag *diag) {
  struct segment_definition *rows =
      arena_grow(change->arena, change->rows, change->count, &change->capacity, 8, sizeof *rows);
  if (rows == NULL) return diag_no_memory(diag);
  change->rows = rows;
  change->rows[change->count] = *definition;
  change->rows[change->count++].status = status;
  return ERR_OK;
}

// The highest question ever given, and the highest version of an id, archived ones included.
static enum err read_highest(struct engine *engine, struct bytes id, struct arena *arena, uint32_t *question,
                             uint32_t *version) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  live_definition_key(&from, 0);
  live_definition_key(&to, UINT32_MAX);
  *question = *version = 0;
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row)) {
    struct segment_definition definition;
    struct bytes copy = arena_copy(arena, row);
    err = copy.data == NULL ? ERR_NO_MEMORY
                            : segment_definition_unpack((struct value){copy}, engine->names, arena, &definition);
    if (err != ERR_OK) break;
    *question = definition.question;
    if (bytes_equal(definition.id, id) && definition.version > *version) *version = definition.version;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err;
}

// --- would it hold? ------------------------------------------------------------------------------------------

static const struct segment_definition *row_of(const struct change *change, uint32_t question) {
  for (size_t i = 0; i < change->count; i++)
    if (change->rows[i].question == question) return &change->rows[i];
  return NULL;
}

static bool is_evaluated(const struct segment_definition *definition) {
  return definition->status == SEGMENT_BUILDING || definition->status == SEGMENT_LIVE;
}

// Makes the set that the change leads to, in which everything must hold.
static enum err try_change(struct change *change, struct diag *diag) {
  struct engine *engine = change->engine;
  const struct segment_set *set = engine->live->set;
  size_t count = 0;
  struct segment_definition *all = arena_take(change->arena, (definition_count(set) + change->count + 1) * sizeof *all);
  if (all == NULL) return diag_no_memory(diag);
  for (size_t i = 0; i < definition_count(set); i++)
    if (row_of(change, segment_set_at(set, i)->question) == NULL) all[count++] = *segment_set_at(set, i);
  for (size_t i = 0; i < change->count; i++)
    if (is_evaluated(&change->rows[i])) all[count++] = change->rows[i];
  if (count > SEGMENT_QUESTIONS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many", "a workspace has at most %d live segments and attributes",
                    SEGMENT_QUESTIONS_MAX);
  return live_set_make(engine, all, count, &change->next, diag);
}

// Commits the rows and puts the set in force; whatever becomes of it, the set is no longer the change's.
static enum err carry_out(struct change *change, struct engine_commit *commit, struct diag *diag) {
  struct engine *engine = change->engine;
  enum err err = change->next == NULL ? try_change(change, diag) : ERR_OK;
  if (err != ERR_OK) return err;
  err = audit_run(engine, put_rows, change, &change->entry, commit, diag);
  if (err == ERR_OK)
    live_set_put(engine, change->next);
  else
    segment_set_close(change->next);
  change->next = NULL;
  if (err == ERR_OK && engine->wake != NULL) engine->wake(engine->wake_context);
  return err;
}

// --- put -----------------------------------------------------------------------------------------------------

static bool same_questions(const struct segment_definition *a, const struct segment_definition *b) {
  if (a->kind != b->kind || !bytes_equal(a->include, b->include) || a->exclusion_count != b->exclusion_count)
    return false;
  for (size_t i = 0; i < a->exclusion_count; i++)
    if (!bytes_equal(a->exclusions[i].when, b->exclusions[i].when)) return false;
  return true;
}

static bool is_renewed(const struct change *change, struct bytes id) {
  for (size_t i = 0; i < change->count; i++)
    if (is_evaluated(&change->rows[i]) && bytes_equal(change->rows[i].id, id)) return true;
  return false;
}

// The newest version of an id gets a successor that asks the same.
static enum err renew(struct change *change, struct bytes id, uint32_t question, struct diag *diag) {
  const struct segment_definition *live = find_status(change->engine, id, SEGMENT_LIVE);
  const struct segment_definition *building = find_status(change->engine, id, SEGMENT_BUILDING);
  struct segment_definition renewed = building != NULL ? *building : *live;
  enum err err = building == NULL ? ERR_OK : add_row(change, building, SEGMENT_REPLACED, diag);
  renewed.question = question;
  renewed.version++;
  renewed.live_us = 0;
  return err == ERR_OK ? add_row(change, &renewed, SEGMENT_BUILDING, diag) : err;
}

// Whatever refers to an id that asks something else now is computed anew, and what refers to that: they go live
// together.
static enum err renew_referrers(struct change *change, uint32_t question, struct diag *diag) {
  const struct segment_set *set = change->engine->live->set;
  enum err err = ERR_OK;
  for (size_t at = 0; at < change->count; at++) { // grows as they are found
    struct bytes id = change->rows[at].id;
    if (!is_evaluated(&change->rows[at])) continue;
    for (size_t i = 0; err == ERR_OK && i < definition_count(set); i++) {
      const struct segment_definition *one = segment_set_at(set, i);
      if (is_renewed(change, one->id) || !segment_set_refers(set, one->question, id)) continue;
      err = renew(change, one->id, ++question, diag);
    }
  }
  return err;
}

// Puts the wanted version in `change`: with the present question when it asks the same, else with a new one.
static enum err plan_put(struct change *change, struct segment_definition *wanted, struct diag *diag) {
  struct engine *engine = change->engine;
  const struct segment_definition *live = find_status(engine, wanted->id, SEGMENT_LIVE);
  const struct segment_definition *building = find_status(engine, wanted->id, SEGMENT_BUILDING);
  const struct segment_definition *newest = building != NULL ? building : live;
  uint32_t question, version;
  if (newest != NULL && newest->kind != wanted->kind)
    return diag_set(diag, ERR_INVALID, "other_kind", "\"%.*s\" is of kind %s; archive it first, or take another id",
                    (int)wanted->id.size_bytes, wanted->id.data, segment_kind_name(newest->kind));
  enum err err = read_highest(engine, wanted->id, change->arena, &question, &version);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  wanted->version = version + 1;
  wanted->created_us = clock_now_us(engine->clock);
  if (newest != NULL && same_questions(newest, wanted)) {
    wanted->question = newest->question;
    wanted->version = newest->version;
    wanted->created_us = newest->created_us;
    wanted->live_us = newest->live_us;
    return add_row(change, wanted, newest->status, diag);
  }
  wanted->question = question + 1;
  if (building != NULL) err = add_row(change, building, SEGMENT_REPLACED, diag);
  bool list = wanted->kind == SEGMENT_LIST;
  if (list) wanted->live_us = wanted->created_us;
  if (err == ERR_OK) err = add_row(change, wanted, list ? SEGMENT_LIVE : SEGMENT_BUILDING, diag);
  return err == ERR_OK && newest != NULL ? renew_referrers(change, wanted->question, diag) : err;
}

static void mistaken(const struct segment_mistake *mistake, struct rule_diag *refusal, struct diag *diag) {
  if (mistake->member.size_bytes > 0 && diag != NULL && diag->field[0] == '\0')
    diag_in_field(diag, "%.*s", (int)mistake->member.size_bytes, mistake->member.data);
  if (mistake->expression.code[0] != '\0' && refusal != NULL) *refusal = mistake->expression;
}

// What the events that segments write are made of: their source, and their names, so that no event waits for a name to
// be stored.
static enum err ensure_source(struct engine *engine, struct diag *diag) {
  static const char *const names[] = {"type", "event", "messageId", "properties", "segment", "version"};
  struct engine_source wanted = {.name = bytes_from_text(LIVE_SOURCE), .kind = ENGINE_SOURCE_SERVER, .priority = -1000};
  struct engine_commit commit = {0};
  uint32_t id;
  if (engine->live->source != 0) return ERR_OK;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    enum err err = names_intern(engine->names, bytes_from_text(names[i]), &id, diag);
    if (err != ERR_OK) return err;
  }
  enum err err = engine_source_put(engine, &wanted, &id, &commit, diag);
  if (err == ERR_OK) engine->live->source = id; // nobody reads it before a segment is live
  return err;
}

static void tell_put(void *context, const struct segment_definition *definition, struct json_writer *writer) {
  segment_definition_json(definition, writer);
  engine_warnings_json(context, writer);
  json_object_end(writer);
}

static enum err put_locked(struct change *change, struct segment_definition *wanted, const char *action,
                           struct bytes author, segments_tell_fn *tell, void *context, struct json_writer *writer,
                           struct engine_commit *commit, struct diag *diag) {
  enum err err = ensure_source(change->engine, diag);
  if (err == ERR_OK) err = plan_put(change, wanted, diag);
  if (err == ERR_OK) err = try_change(change, diag);
  if (err != ERR_OK) return err;
  const struct segment_definition *row = row_of(change, wanted->question);
  tell(context, row, writer);
  err = note(change, action, author, newest_of(change->engine, wanted->id), row, diag);
  return err == ERR_OK ? carry_out(change, commit, diag) : err;
}

// Nobody put another version since the one that this was made of.
static enum err check_expected(const struct engine *engine, struct bytes id, uint32_t expected, struct diag *diag) {
  const struct segment_definition *newest = newest_of(engine, id);
  if (expected == 0 || (newest != NULL && newest->question == expected)) return ERR_OK;
  return diag_set(diag, ERR_CONFLICT, "changed", "\"%.*s\" was changed meanwhile; ask again", BYTES_ARG(id));
}

enum err segments_put_score(struct engine *engine, struct segment_definition *wanted, uint32_t expected,
                            segments_tell_fn *tell, void *context, struct json_writer *writer,
                            struct engine_commit *commit, struct diag *diag) {
  struct arena arena;
  struct change change = {.engine = engine, .arena = &arena};
  bool refreshes = expected != 0; // then it is another's definition, or the clock's doing
  const char *action = refreshes ? "score.refreshed" : "score.put";
  struct bytes author = refreshes ? commit->author : wanted->author;
  arena_init(&arena, 0);
  pthread_mutex_lock(&engine->live->changing);
  enum err err = check_expected(engine, wanted->id, expected, diag);
  if (err == ERR_OK) err = put_locked(&change, wanted, action, author, tell, context, writer, commit, diag);
  pthread_mutex_unlock(&engine->live->changing);
  arena_release(&arena);
  return explained(err, diag);
}

enum err engine_segment_put(struct engine *engine, struct value document, struct bytes author,
                            struct json_writer *writer, struct engine_commit *commit, struct rule_diag *refusal,
                            struct diag *diag) {
  struct catalog catalog;
  struct segment_definition wanted = {0};
  struct segment_mistake mistake = {0};
  struct arena arena;
  arena_init(&arena, 0);
  struct rule_check *check = arena_take_zero(&arena, 1, sizeof *check);
  struct change change = {.engine = engine, .arena = &arena};
  enum err err = check == NULL ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK) err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err == ERR_OK) {
    catalog_open(&catalog, engine);
    err = segment_definition_read(document, engine->names, &catalog.names, &arena, &wanted, check, &mistake, diag);
    catalog_close(&catalog);
    if (err == ERR_INVALID || err == ERR_LIMIT) mistaken(&mistake, refusal, diag);
  }
  wanted.author = author;
  if (err == ERR_OK && bytes_equal(wanted.id, BYTES("overlap"))) { // an address of its own beside those of segments
    err = diag_set(diag, ERR_INVALID, "bad_id", "\"overlap\" is not free; take another id");
    diag_in_field(diag, "id");
  }
  if (err == ERR_OK) {
    pthread_mutex_lock(&engine->live->changing);
    err = put_locked(&change, &wanted, "segment.put", author, tell_put, check, writer, commit, diag);
    pthread_mutex_unlock(&engine->live->changing);
  }
  arena_release(&arena);
  return explained(err, diag);
}

// --- archive -------------------------------------------------------------------------------------------------

// A definition that stays and refers to this id; NULL: none.
static const struct segment_definition *referrer_of(const struct change *change, struct bytes id) {
  const struct segment_set *set = change->engine->live->set;
  for (size_t i = 0; i < definition_count(set); i++) {
    uint32_t question = segment_set_at(set, i)->question;
    if (row_of(change, question) == NULL && segment_set_refers(set, question, id)) return segment_set_at(set, i);
  }
  return NULL;
}

static enum err plan_archive(struct change *change, struct bytes id, bool score, struct diag *diag) {
  const struct segment_set *set = change->engine->live->set;
  const struct segment_definition *live = find_status(change->engine, id, SEGMENT_LIVE);
  const struct segment_definition *building = find_status(change->engine, id, SEGMENT_BUILDING);
  enum err err = ERR_OK;
  if (score && segments_find_score(set, id) == NULL) return segments_no_such_score(set, id, diag);
  if (!score && segments_find(set, id) == NULL) return segments_no_such(set, id, diag);
  if (building != NULL) err = add_row(change, building, SEGMENT_ARCHIVED, diag);
  if (err == ERR_OK && live != NULL) err = add_row(change, live, SEGMENT_ARCHIVED, diag);
  if (err != ERR_OK) return err;
  const struct segment_definition *other = referrer_of(change, id);
  if (other == NULL) return try_change(change, diag);
  return diag_set(diag, ERR_INVALID, "in_use", "\"%.*s\" refers to \"%.*s\"; change or archive it first",
                  BYTES_ARG(other->id), BYTES_ARG(id));
}

static void tell_archived(void *context, const struct segment_definition *definition, struct json_writer *writer) {
  (void)context;
  segment_definition_json(definition, writer);
  json_object_end(writer);
}

enum err engine_segment_archive(struct engine *engine, struct bytes id, struct json_writer *writer,
                                struct engine_commit *commit, struct diag *diag) {
  return segments_end(engine, id, false, tell_archived, NULL, writer, commit, diag);
}

enum err segments_end(struct engine *engine, struct bytes id, bool score, segments_tell_fn *tell, void *context,
                      struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct arena arena;
  struct change change = {.engine = engine, .arena = &arena};
  arena_init(&arena, 0);
  pthread_mutex_lock(&engine->live->changing);
  enum err err = plan_archive(&change, id, score, diag);
  if (err == ERR_OK) tell(context, &change.rows[change.count - 1], writer);
  if (err == ERR_OK)
    err =
        note(&change, score ? "score.archived" : "segment.archived", commit->author, newest_of(engine, id), NULL, diag);
  if (err == ERR_OK) err = carry_out(&change, commit, diag);
  pthread_mutex_unlock(&engine->live->changing);
  arena_release(&arena);
  return explained(err, diag);
}

// --- a build has ended ---------------------------------------------------------------------------------------

static enum err finish_one(struct change *change, uint32_t question, struct diag *diag) {
  const struct segment_set *set = change->engine->live->set;
  const struct segment_definition *built = NULL;
  for (size_t i = 0; i < definition_count(set); i++)
    if (segment_set_at(set, i)->question == question) built = segment_set_at(set, i);
  if (built == NULL || built->status != SEGMENT_BUILDING) return ERR_OK; // changed or archived meanwhile
  const struct segment_definition *before = find_status(change->engine, built->id, SEGMENT_LIVE);
  enum err err = before == NULL ? ERR_OK : add_row(change, before, SEGMENT_REPLACED, diag);
  if (err == ERR_OK) err = add_row(change, built, SEGMENT_LIVE, diag);
  if (err != ERR_OK) return err;
  change->rows[change->count - 1].live_us = clock_now_us(change->engine->clock);
  return ERR_OK;
}

enum { DROP_ROWS = 512 };

struct dropping {
  struct bytes keys[DROP_ROWS];
  size_t count;
};

static enum err delete_rows(struct store_txn *txn, void *context, struct diag *diag) {
  const struct dropping *dropping = context;
  enum err err = ERR_OK;
  (void)diag;
  for (size_t i = 0; err == ERR_OK && i < dropping->count; i++)
    err = store_delete(txn, STORE_AUDIENCE, dropping->keys[i]);
  return err;
}

static enum err read_rows(struct engine *engine, uint32_t question, struct arena *arena, struct dropping *dropping) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor = NULL;
  struct bytes key, row;
  struct key from, to;
  key_init(&from);
  key_put_u32(&from, question);
  key_init(&to);
  key_put_u32(&to, question + 1);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_scan(snapshot, STORE_AUDIENCE, key_view(&from), key_view(&to), &cursor);
  for (dropping->count = 0; err == ERR_OK && dropping->count < DROP_ROWS && store_cursor_next(cursor, &key, &row);) {
    struct bytes copy = arena_copy(arena, key);
    if (copy.data == NULL) err = ERR_NO_MEMORY;
    dropping->keys[dropping->count++] = copy;
  }
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  store_snapshot_close(snapshot);
  return err;
}

// Nobody evaluates the question any more, so nobody adds to its rows. Interrupted, they stay and harm nobody.
static enum err drop_audience(struct engine *engine, uint32_t question, struct diag *diag) {
  struct dropping dropping = {.count = DROP_ROWS};
  struct store_mark mark;
  struct arena arena;
  enum err err = ERR_OK;
  arena_init(&arena, 0);
  while (err == ERR_OK && dropping.count == DROP_ROWS) {
    arena_clear(&arena);
    err = read_rows(engine, question, &arena, &dropping);
    if (err == ERR_OK && dropping.count > 0) err = store_run(engine->store, delete_rows, &dropping, &mark, diag);
  }
  arena_release(&arena);
  return explained(err, diag);
}

static enum err finish_locked(struct change *change, const uint32_t *questions, size_t count, struct diag *diag) {
  struct engine_commit commit = {0};
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) err = finish_one(change, questions[i], diag);
  if (err == ERR_OK && change->count > 0) err = carry_out(change, &commit, diag);
  for (size_t i = 0; err == ERR_OK && i < change->count; i++)
    if (change->rows[i].status == SEGMENT_REPLACED) err = drop_audience(change->engine, change->rows[i].question, diag);
  return err;
}

enum err segments_finish(struct engine *engine, const uint32_t *questions, size_t count, struct diag *diag) {
  struct arena arena;
  struct change change = {.engine = engine, .arena = &arena};
  arena_init(&arena, 0);
  pthread_mutex_lock(&engine->live->changing);
  enum err err = finish_locked(&change, questions, count, diag);
  pthread_mutex_unlock(&engine->live->changing);
  arena_release(&arena);
  return explained(err, diag);
}

// --- another time zone ---------------------------------------------------------------------------------------

static enum err read_zone(struct engine *engine, struct arena *arena, struct bytes *name) {
  struct store_snapshot *snapshot;
  struct key key;
  engine_text_key(&key, ZONE_ROW);
  enum err err = store_snapshot_open(engine->store, &snapshot);
  if (err != ERR_OK) return err;
  err = store_snapshot_get(snapshot, STORE_META, key_view(&key), arena, name);
  store_snapshot_close(snapshot);
  return err;
}

static enum err renew_all(struct change *change, struct diag *diag) {
  const struct segment_set *set = change->engine->live->set;
  uint32_t question, version;
  enum err err = read_highest(change->engine, BYTES(""), change->arena, &question, &version);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  for (size_t i = 0; err == ERR_OK && i < definition_count(set); i++) {
    const struct segment_definition *one = segment_set_at(set, i);
    if (one->kind != SEGMENT_LIST && !is_renewed(change, one->id)) err = renew(change, one->id, ++question, diag);
  }
  struct engine_commit commit = {0};
  return err == ERR_OK && change->count > 0 ? carry_out(change, &commit, diag) : err;
}

enum err segments_follow_zone(struct engine *engine, struct diag *diag) {
  struct bytes name, now = bytes_from_text(rule_zone_name(engine_zone(engine)));
  struct arena arena;
  struct change change = {.engine = engine, .arena = &arena};
  arena_init(&arena, 0);
  pthread_mutex_lock(&engine->live->changing);
  enum err err = read_zone(engine, &arena, &name);
  if (err == ERR_OK && name.data != NULL && !bytes_equal(name, now)) err = renew_all(&change, diag);
  pthread_mutex_unlock(&engine->live->changing);
  arena_release(&arena);
  return explained(err, diag);
}
