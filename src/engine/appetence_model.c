// appetence_model.c: models that a workspace keeps: what was learned, when, by whom, and how good it was.
//
// DOCUMENT rows "appetence\0<version>" hold {"learned_at","author","model":{…}}; versions are dense from 1. Doubles are
// kept as the shortest decimal that reads back as the same double, so a model that is recalled says what it said.
// Learning takes a walk: only the number is taken under rules_mutex, and two that learn at once get two versions. The
// audit has each, as "appetence.learned" of its range: nothing before, the document after.
#include <math.h>
#include <string.h>

#include "base/real.h"
#include "engine/appetence.h"
#include "engine/audit.h"
#include "engine/read.h"
#include "scoring/rfm.h"

static const char ROWS[] = "appetence";

enum { LISTED = 100 };

static const double DAY_US = 86400e6;

// --- telling it ----------------------------------------------------------------------------------------------

void engine_appetence_write(const struct appetence *appetence, struct json_writer *writer) {
  json_member_text(writer, "range", appetence->range);
  char days[REAL_TEXT_BYTES];
  real_write(days, (double)appetence->horizon_us / DAY_US);
  json_name(writer, "horizon_days");
  json_raw(writer, bytes_from_text(days));
  json_member_time(writer, "at", appetence->at_us);
  json_member_u64(writer, "customers", appetence->count);
  json_member_u64(writer, "buyers", appetence->buyers);
  if (appetence->version > 0) json_member_u64(writer, "version", appetence->version);
  appetence_write(&appetence->model, APPETENCE_NAMES, writer);
}

// --- keeping it ----------------------------------------------------------------------------------------------

struct keeping {
  struct engine *engine;
  struct appetence *appetence;
  uint64_t version;
  struct buffer row;
  struct bytes author;
  const char *now;
};

static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  struct keeping *keeping = context;
  struct key key;
  (void)diag;
  engine_number_key(&key, ROWS, keeping->version);
  return store_put(txn, STORE_DOCUMENT, key_view(&key), buffer_view(&keeping->row));
}

static void write_document(const struct appetence *appetence, struct buffer *json) {
  struct json_writer writer;
  json_writer_init(&writer, json);
  json_object_begin(&writer);
  engine_appetence_write(appetence, &writer);
  json_object_end(&writer);
}

static enum err pack(struct keeping *keeping, const struct buffer *json, struct diag *diag) {
  struct value_parser *parser = NULL;
  struct value_builder builder;
  struct buffer model;
  buffer_init(&model);
  enum err err = json->failed ? ERR_NO_MEMORY : value_parser_open(&parser);
  if (err == ERR_OK) err = value_parse_json(parser, buffer_view(json), keeping->engine->names, &model, diag);
  value_builder_init(&builder, &keeping->row, keeping->engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "learned_at", bytes_from_text(keeping->now));
  engine_put_text(&builder, "author", keeping->author);
  value_put_name(&builder, BYTES("model"));
  if (err == ERR_OK) value_put_value(&builder, (struct value){buffer_view(&model)});
  if (err != ERR_OK) value_put_null(&builder);
  value_document_end(&builder);
  if (err == ERR_OK) err = value_builder_finish(&builder);
  if (parser != NULL) value_parser_close(parser);
  buffer_release(&model);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

// Walks over the versions, the newest first, as long as `each` says so.
typedef bool each_fn(void *context, uint64_t version, struct value row);
static enum err walk_versions(struct engine *engine, struct store_snapshot *snapshot, uint64_t from_version,
                              uint64_t to_version, each_fn *each, void *context, struct diag *diag) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  engine_number_key(&from, ROWS, from_version);
  engine_number_key(&to, ROWS, to_version);
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  bool goes_on = true;
  while (goes_on && err == ERR_OK && store_cursor_previous(cursor, &key, &row)) {
    err = value_check(row, engine->names, diag);
    if (err == ERR_OK)
      goes_on = each(context, key_read_u64(key.data + key.size_bytes - sizeof(uint64_t)), (struct value){row});
  }
  if (err == ERR_OK) err = engine_explain_failure(store_cursor_error(cursor), diag);
  store_cursor_close(cursor);
  return err;
}

static bool take_version(void *context, uint64_t version, struct value row) {
  (void)row;
  *(uint64_t *)context = version;
  return false;
}

static void tell_kept(const struct keeping *keeping, struct json_writer *writer) {
  json_object_begin(writer);
  engine_appetence_write(keeping->appetence, writer);
  json_member_text(writer, "learned_at", keeping->now);
  json_member_bytes(writer, "author", keeping->author);
  json_object_end(writer);
}

// The answer is written before the commit, so that what rides finds it.
static enum err run_noted(struct keeping *keeping, struct json_writer *writer, struct engine_commit *commit,
                          struct diag *diag) {
  struct audit_entry entry = {
      .action = "appetence.learned", .author = keeping->author, .subject = bytes_from_text(keeping->appetence->range)};
  struct json_writer side;
  struct buffer after;
  buffer_init(&after);
  json_writer_init(&side, &after);
  tell_kept(keeping, &side);
  tell_kept(keeping, writer);
  entry.after = buffer_view(&after);
  enum err err = after.failed || writer->out->failed ? diag_no_memory(diag) : ERR_OK;
  if (err == ERR_OK) err = audit_run(keeping->engine, put_row, keeping, &entry, commit, diag);
  buffer_release(&after);
  return err;
}

static enum err keep(struct keeping *keeping, struct json_writer *writer, struct engine_commit *commit,
                     struct diag *diag) {
  struct store_snapshot *snapshot;
  uint64_t newest = 0;
  enum err err = store_snapshot_open(keeping->engine->store, &snapshot);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = walk_versions(keeping->engine, snapshot, 0, UINT64_MAX, take_version, &newest, diag);
  store_snapshot_close(snapshot);
  keeping->version = keeping->appetence->version = newest + 1;
  return err == ERR_OK ? run_noted(keeping, writer, commit, diag) : err;
}

static enum err put_learned(struct engine *engine, struct appetence *appetence, struct bytes author,
                            struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  char now[CLOCK_TEXT_BYTES];
  struct keeping keeping = {.engine = engine, .appetence = appetence, .author = author, .now = now};
  struct buffer json;
  clock_format(appetence->at_us, now);
  buffer_init(&json);
  buffer_init(&keeping.row);
  write_document(appetence, &json);
  enum err err = pack(&keeping, &json, diag);
  if (err == ERR_OK) {
    pthread_mutex_lock(&engine->rules_mutex);
    err = keep(&keeping, writer, commit, diag);
    pthread_mutex_unlock(&engine->rules_mutex);
  }
  buffer_release(&json);
  buffer_release(&keeping.row);
  return err;
}

enum err engine_appetence_put(struct engine *engine, struct bytes range, int64_t horizon_us,
                              const struct worth_how *how, struct bytes author, struct json_writer *writer,
                              struct engine_commit *commit, struct diag *diag) {
  struct appetence *appetence = NULL;
  struct engine_view *view;
  enum err err = engine_view_open(engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = engine_appetence_open(view, range, horizon_us, how, &appetence, diag);
  engine_view_close(view);
  if (err == ERR_OK) err = put_learned(engine, appetence, author, writer, commit, diag);
  engine_appetence_close(appetence);
  return err;
}

// --- the list ------------------------------------------------------------------------------------------------

struct listing {
  const struct engine *engine;
  struct json_writer *writer;
  size_t count;
};

static bool list_version(void *context, uint64_t version, struct value row) {
  struct listing *listing = context;
  const struct names *names = listing->engine->names;
  struct value_iter iter = value_iterate(value_member(row, names, BYTES("model")));
  json_object_begin(listing->writer);
  json_member_u64(listing->writer, "version", version);
  json_member_bytes(listing->writer, "learned_at", engine_member_text(listing->engine, row, "learned_at"));
  json_member_bytes(listing->writer, "author", engine_member_text(listing->engine, row, "author"));
  while (value_next(&iter)) {
    json_name_bytes(listing->writer, value_iter_name(&iter, names));
    value_to_json(listing->writer, iter.item, names);
  }
  json_object_end(listing->writer);
  return ++listing->count < LISTED;
}

enum err engine_appetence_models_json(struct engine_view *view, struct json_writer *writer, struct diag *diag) {
  struct listing listing = {view->engine, writer, 0};
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  enum err err = walk_versions(view->engine, view->snapshot, 0, UINT64_MAX, list_version, &listing, diag);
  json_array_end(writer);
  json_object_end(writer);
  return err == ERR_OK && writer->out->failed ? diag_no_memory(diag) : err;
}

// --- recalling it --------------------------------------------------------------------------------------------

struct recalling {
  const struct names *names;
  struct appetence *appetence;
  bool found, fits;
};

static double real_of(const struct recalling *recalling, struct value document, const char *name) {
  struct decimal number;
  struct value value = value_member(document, recalling->names, bytes_from_text(name));
  return value_as_number(value, &number) ? rfm_double(number) : NAN; // none was written where there was none
}

static uint64_t count_of(const struct recalling *recalling, struct value document, const char *name) {
  struct decimal number;
  int64_t count = 0;
  if (value_as_number(value_member(document, recalling->names, bytes_from_text(name)), &number) &&
      decimal_to_scaled_i64(number, 0, &count) != ERR_OK)
    count = 0;
  return count < 0 ? 0 : (uint64_t)count;
}

static bool recall_features(const struct recalling *recalling, struct value features, struct logistic *logistic) {
  struct value_iter iter = value_iterate(features);
  struct bytes name;
  while (value_next(&iter)) {
    size_t at = logistic->columns;
    if (at == APPETENCE_FEATURES || !value_as_text(value_member(iter.item, recalling->names, BYTES("name")), &name) ||
        !bytes_equal(name, bytes_from_text(appetence_feature_name(at))))
      return false;
    logistic->mean[at] = real_of(recalling, iter.item, "mean");
    logistic->scale[at] = real_of(recalling, iter.item, "scale");
    logistic->coefficients[at] = real_of(recalling, iter.item, "coefficient");
    logistic->columns++;
  }
  return logistic->columns == APPETENCE_FEATURES;
}

static void recall_quality(const struct recalling *recalling, struct value document, struct appetence_model *model) {
  struct logistic_quality *quality = &model->quality;
  struct value_iter iter = value_iterate(value_member(document, recalling->names, BYTES("reliability")));
  model->learned = count_of(recalling, document, "learned");
  model->calibrated = count_of(recalling, document, "calibrated");
  model->tested = count_of(recalling, document, "tested");
  quality->rows = (double)model->tested;
  quality->yes = real_of(recalling, document, "bought");
  quality->auc = real_of(recalling, document, "auc");
  quality->log_loss = real_of(recalling, document, "log_loss");
  quality->base_log_loss = real_of(recalling, document, "base_log_loss");
  quality->brier = real_of(recalling, document, "brier");
  for (size_t i = 0; i < LOGISTIC_BINS && value_next(&iter); i++) {
    struct logistic_bin *bin = &quality->bins[i];
    bin->rows = real_of(recalling, iter.item, "customers");
    bin->probability = bin->rows > 0 ? real_of(recalling, iter.item, "expected") : 0;
    bin->yes = bin->rows > 0 ? bin->rows * real_of(recalling, iter.item, "bought") : 0;
  }
}

static bool recall_version(void *context, uint64_t version, struct value row) {
  struct recalling *recalling = context;
  struct appetence *appetence = recalling->appetence;
  struct logistic *logistic = &appetence->model.logistic;
  struct value document = value_member(row, recalling->names, BYTES("model")),
               model = value_member(document, recalling->names, BYTES("model"));
  struct bytes range = {0};
  recalling->found = true;
  value_as_text(value_member(document, recalling->names, BYTES("range")), &range);
  if (range.size_bytes > APPETENCE_RANGE_BYTES) return false;
  if (range.size_bytes > 0) memcpy(appetence->range, range.data, range.size_bytes);
  appetence->version = version;
  appetence->horizon_us = (int64_t)llround(real_of(recalling, document, "horizon_days") * DAY_US);
  logistic->intercept = real_of(recalling, model, "intercept");
  logistic->calibration_intercept = real_of(recalling, model, "calibration_intercept");
  logistic->calibration_slope = real_of(recalling, model, "calibration_slope");
  appetence->model.is_calibrated = logistic->calibration_slope != 1 || logistic->calibration_intercept != 0;
  recall_quality(recalling, value_member(document, recalling->names, BYTES("quality")), &appetence->model);
  recalling->fits = recall_features(recalling, value_member(model, recalling->names, BYTES("features")), logistic);
  return false;
}

enum err engine_appetence_recall(struct engine_view *view, uint64_t version, const struct worth_how *how,
                                 struct appetence **appetence, struct diag *diag) {
  struct appetence *made = alloc_zero(1, sizeof *made);
  struct recalling recalling = {view->engine->names, made, false, false};
  *appetence = NULL;
  if (made == NULL) return diag_no_memory(diag);
  enum err err = walk_versions(view->engine, view->snapshot, version, version + 1, recall_version, &recalling, diag);
  if (err == ERR_OK && !recalling.found)
    err = diag_set(diag, ERR_NOT_FOUND, "no_version", "no model has the version %llu", (unsigned long long)version);
  if (err == ERR_OK && !recalling.fits)
    err = diag_set(diag, ERR_INVALID, "other_features", "version %llu was learned from other features: learn it anew",
                   (unsigned long long)version);
  if (err == ERR_OK) err = appetence_score(view, how, made, diag);
  if (err == ERR_OK)
    *appetence = made;
  else
    engine_appetence_close(made);
  return err;
}
