// zone.c: the workspace's time zone, in which expressions read dates and count local days.
//
// The DOCUMENT row "workspace" holds {"changed_at","author","timezone"}; without it the zone is UTC. The zone itself is
// read from the machine's TZif files when the workspace is opened: a machine without them would silently mean other
// days, so the workspace does not open there. Invariants:
//   1. A zone is in force only after its row was committed.
//   2. Zones that were replaced stay until close, because programs that were compiled with them hold them.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/nearest.h"
#include "engine/audit.h"
#include "engine/open.h"
#include "engine/segments.h"
#include "rule/zone.h"

#define ZONE_FOLDER "/usr/share/zoneinfo/"
enum { ZONE_FILE_BYTES_MAX = 256 * 1024, ZONE_NAME_BYTES_MAX = 64, ZONE_WORD_BYTES = 96 };

static const char UTC[] = "UTC", ROW[] = "workspace";

struct engine_zone_list {
  struct rule_zone *zone;
  struct engine_zone_list *older;
};

const struct rule_zone *engine_zone(struct engine *engine) {
  return atomic_load(&engine->zones)->zone;
}

static void put_in_force(struct engine *engine, struct engine_zone_list *item) {
  item->older = atomic_load(&engine->zones);
  atomic_store(&engine->zones, item);
}

static void free_item(struct engine_zone_list *item) {
  if (item == NULL) return;
  rule_zone_close(item->zone);
  alloc_free(item);
}

static void free_list(struct engine_zone_list *item) {
  while (item != NULL) {
    struct engine_zone_list *older = item->older;
    free_item(item);
    item = older;
  }
}

void close_zone(struct engine *engine) {
  free_list(atomic_load(&engine->zones));
  free_list(engine->named_zones);
  atomic_store(&engine->zones, NULL);
  engine->named_zones = NULL;
}

// --- files ---------------------------------------------------------------------------------------------------

// "Europe/Paris", "Etc/GMT+1": a name below the folder, and nothing that leads out of it.
static bool is_name(struct bytes name) {
  if (name.size_bytes == 0 || name.size_bytes > ZONE_NAME_BYTES_MAX || name.data[0] == '/') return false;
  for (size_t i = 0; i < name.size_bytes; i++) {
    uint8_t byte = name.data[i];
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (!letter && !(byte >= '0' && byte <= '9') && memchr("/_+-", byte, 4) == NULL) return false;
  }
  return true;
}

static enum err read_file(const char *path, struct buffer *file) {
  uint8_t block[4096];
  FILE *stream = fopen(path, "rbe");
  if (stream == NULL) return ERR_NOT_FOUND;
  for (size_t got; (got = fread(block, 1, sizeof block, stream)) > 0 && file->size_bytes <= ZONE_FILE_BYTES_MAX;)
    buffer_append(file, block, got);
  bool failed = ferror(stream) != 0 || file->size_bytes > ZONE_FILE_BYTES_MAX;
  fclose(stream);
  if (file->failed) return ERR_NO_MEMORY;
  return failed ? ERR_NOT_FOUND : ERR_OK;
}

enum { LIST_NAMES_MAX = 1024 };

// The line of the machine's list of zones that is nearest to `name`; empty when none is near or there is no list.
static void find_nearest(struct bytes name, char nearest[ZONE_WORD_BYTES]) {
  struct buffer file;
  struct arena arena;
  const char *names[LIST_NAMES_MAX], *found = NULL;
  size_t count = 0;
  buffer_init(&file);
  arena_init(&arena, 0);
  nearest[0] = '\0';
  if (read_file(ZONE_FOLDER "zone1970.tab", &file) == ERR_OK) {
    char *text = (char *)arena_copy(&arena, buffer_view(&file)).data, *rest = text;
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL && count < LIST_NAMES_MAX;) {
      char *column = line;
      for (int i = 0; i < 2 && column != NULL; i++) strsep(&column, "\t"); // country codes, place
      if (*line != '#' && column != NULL) names[count++] = strsep(&column, "\t");
    }
    found = nearest_slip(name, names, count);
  }
  if (found != NULL) snprintf(nearest, ZONE_WORD_BYTES, "%s", found);
  arena_release(&arena);
  buffer_release(&file);
}

static enum err no_zone(struct bytes name, struct diag *diag) {
  char nearest[ZONE_WORD_BYTES];
  struct buffer utc;
  buffer_init(&utc);
  bool has_files = read_file(ZONE_FOLDER "UTC", &utc) == ERR_OK;
  buffer_release(&utc);
  if (!has_files)
    return diag_set(diag, ERR_NOT_FOUND, "no_timezones",
                    "this machine has no time zone files in " ZONE_FOLDER ", and %.*s is needed; install the package "
                    "tzdata",
                    BYTES_ARG(name));
  find_nearest(name, nearest);
  return diag_set(diag, ERR_INVALID, "bad_timezone", "there is no time zone %.*s in " ZONE_FOLDER "%s%s%s",
                  BYTES_ARG(name), nearest[0] != '\0' ? "; did you mean " : "", nearest, nearest[0] != '\0' ? "?" : "");
}

static enum err open_file(struct bytes name, struct rule_zone **zone, struct diag *diag) {
  char path[sizeof ZONE_FOLDER + ZONE_NAME_BYTES_MAX];
  struct buffer file;
  snprintf(path, sizeof path, ZONE_FOLDER "%.*s", BYTES_ARG(name));
  buffer_init(&file);
  enum err err = read_file(path, &file);
  if (err == ERR_OK) err = rule_zone_open(zone, path + sizeof ZONE_FOLDER - 1, buffer_view(&file), diag);
  buffer_release(&file);
  return err == ERR_NOT_FOUND ? no_zone(name, diag) : err;
}

static enum err make_item(struct bytes name, struct engine_zone_list **item, struct diag *diag) {
  if (!is_name(name))
    return diag_set(diag, ERR_INVALID, "bad_timezone", "a time zone is named as Europe/Paris, America/New_York or UTC");
  struct engine_zone_list *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return diag_no_memory(diag);
  bool is_utc = bytes_equal(name, bytes_from_text(UTC));
  enum err err = is_utc ? rule_zone_open_utc(&made->zone) : open_file(name, &made->zone, diag);
  if (err == ERR_OK)
    *item = made;
  else
    alloc_free(made);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

const struct rule_zone *engine_zone_named(struct engine *engine, struct bytes name) {
  pthread_mutex_lock(&engine->zone_mutex);
  struct engine_zone_list *item = engine->named_zones;
  while (item != NULL && !bytes_equal(bytes_from_text(rule_zone_name(item->zone)), name)) item = item->older;
  if (item == NULL && make_item(name, &item, NULL) == ERR_OK) {
    item->older = engine->named_zones;
    engine->named_zones = item;
  }
  pthread_mutex_unlock(&engine->zone_mutex);
  return item == NULL ? NULL : item->zone;
}

// --- the row -------------------------------------------------------------------------------------------------

enum err open_zone(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag) {
  struct engine_zone_list *item = NULL;
  struct bytes row, name = bytes_from_text(UTC);
  struct arena arena;
  struct key key;
  arena_init(&arena, 0);
  engine_text_key(&key, ROW);
  enum err err = store_snapshot_get(snapshot, STORE_DOCUMENT, key_view(&key), &arena, &row);
  if (err == ERR_OK && row.data != NULL) {
    err = value_check(row, engine->names, diag);
    if (err == ERR_OK) name = engine_member_text(engine, (struct value){row}, "timezone");
  }
  if (err == ERR_OK) err = make_item(name, &item, diag);
  if (err == ERR_OK) put_in_force(engine, item);
  arena_release(&arena);
  return err;
}

static enum err put_row(struct store_txn *txn, void *context, struct diag *diag) {
  struct key key;
  (void)diag;
  engine_text_key(&key, ROW);
  return store_put(txn, STORE_DOCUMENT, key_view(&key), buffer_view(context));
}

static enum err zone_side(const char *name, struct arena *arena, struct bytes *text) {
  struct audit_side side;
  json_member_text(audit_side_begin(&side), "timezone", name);
  return audit_side_end(&side, arena, text);
}

static enum err put_noted(struct engine *engine, struct buffer *row, struct bytes name, struct bytes author,
                          struct engine_commit *commit, struct diag *diag) {
  struct audit_entry entry = {.action = "workspace.put", .author = author, .subject = BYTES("timezone")};
  struct arena arena;
  arena_init(&arena, 0);
  struct bytes text = arena_copy(&arena, name);
  enum err err =
      text.data == NULL ? ERR_NO_MEMORY : zone_side(rule_zone_name(engine_zone(engine)), &arena, &entry.before);
  if (err == ERR_OK) err = zone_side((const char *)text.data, &arena, &entry.after);
  if (err == ERR_OK) err = audit_run(engine, put_row, row, &entry, commit, diag);
  arena_release(&arena);
  return err;
}

static enum err write_row(struct engine *engine, struct bytes name, struct bytes author, struct engine_commit *commit,
                          struct diag *diag) {
  struct value_builder builder;
  struct buffer row;
  char now[CLOCK_TEXT_BYTES];
  clock_format(clock_now_us(engine->clock), now);
  buffer_init(&row);
  value_builder_init(&builder, &row, engine->names);
  value_document_begin(&builder);
  engine_put_text(&builder, "changed_at", bytes_from_text(now));
  engine_put_text(&builder, "author", author);
  engine_put_text(&builder, "timezone", name);
  value_document_end(&builder);
  enum err err = value_builder_finish(&builder);
  if (err == ERR_OK) err = put_noted(engine, &row, name, author, commit, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  buffer_release(&row);
  return err;
}

enum err engine_zone_put(struct engine *engine, struct bytes name, struct bytes author, struct engine_commit *commit,
                         struct diag *diag) {
  struct engine_zone_list *item = NULL;
  if (engine->read_only)
    return diag_set(diag, ERR_DENIED, "read_only", "this command only looks at the workspace and cannot change it");
  enum err err = engine_check_words("author", author, LIMIT_NAME_BYTES, diag);
  if (err == ERR_OK) err = make_item(name, &item, diag);
  if (err != ERR_OK) return err;
  pthread_mutex_lock(&engine->zone_mutex);
  err = write_row(engine, name, author, commit, diag);
  if (err == ERR_OK)
    put_in_force(engine, item);
  else
    free_item(item);
  pthread_mutex_unlock(&engine->zone_mutex);
  return err == ERR_OK ? segments_follow_zone(engine, diag) : err;
}

void engine_workspace_json(struct engine *engine, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_text(writer, "timezone", rule_zone_name(engine_zone(engine)));
  json_object_end(writer);
}
