// The workspace: schema, figures, sources and keys.
#include <stdio.h>

#include "api/handlers.h"
#include "api/server.h"

enum { DEFAULT_SAMPLE = 1000, SAMPLE_MAX = 100000 };

enum err workspace_schema(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_view *view;
  uint64_t sample;
  (void)worker;
  enum err err = request_number(request, "sample", DEFAULT_SAMPLE, 1, SAMPLE_MAX, &sample, diag);
  if (err) return err;
  err = engine_view_open(request->api->engine, &view);
  if (err) return err;
  struct json_writer writer = request_answer(request, 200);
  err = engine_schema_json(view, (size_t)sample, &writer, diag);
  engine_view_close(view);
  return err;
}

enum err workspace_get(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  engine_workspace_json(request->api->engine, &writer);
  return ERR_OK;
}

static void answer_timezone(struct request *request, const void *results) {
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_bytes(&writer, "timezone", *(const struct bytes *)results);
  json_object_end(&writer);
}

enum err workspace_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes zone, author;
  struct value document;
  enum err err = request_body(request, worker, "timezone author", &document, diag);
  if (!err) err = request_member_text(request, document, "timezone", &zone, diag);
  if (!err) err = request_author(request, document, &author, diag);
  if (err) return err;
  err = engine_zone_put(request->api->engine, zone, author, request_commit(request, 200, answer_timezone, &zone), diag);
  if (err == ERR_INVALID) diag_in_field(diag, "timezone");
  return err;
}

enum err workspace_stats(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker;
  struct json_writer writer = request_answer(request, 200);
  return engine_stats_json(request->api->engine, &writer, diag);
}

// --- sources -------------------------------------------------------------------------------------------------

static const char *const kind_names[] = {[ENGINE_SOURCE_BROWSER] = "browser",
                                         [ENGINE_SOURCE_SERVER] = "server",
                                         [ENGINE_SOURCE_TILL] = "till",
                                         [ENGINE_SOURCE_FILE] = "file",
                                         [ENGINE_SOURCE_PERSON] = "person"};
enum { KIND_COUNT = sizeof kind_names / sizeof *kind_names };

enum err workspace_sources(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  return engine_sources_json(request->api->engine, &writer);
}

static enum err read_kind(struct bytes text, enum engine_source_kind *kind, struct diag *diag) {
  for (int i = 0; i < KIND_COUNT && text.data; i++) {
    if (!bytes_equal(text, bytes_from_text(kind_names[i]))) continue;
    *kind = (enum engine_source_kind)i;
    return ERR_OK;
  }
  return text.data ? request_bad_member("kind", "one of browser, server, till, file, person", diag) : ERR_OK;
}

static enum err read_priority(struct value member, int *priority, struct diag *diag) {
  struct decimal number;
  int64_t whole;
  if (value_is_absent(member)) return ERR_OK;
  if (value_as_number(member, &number) && decimal_to_scaled_i64(number, 0, &whole) == ERR_OK && whole >= -1000 &&
      whole <= 1000) {
    *priority = (int)whole;
    return ERR_OK;
  }
  return request_bad_member("priority", "a whole number from -1000 to 1000", diag);
}

// Members that are not given keep what the source has.
static enum err read_source(struct request *request, struct value document, struct engine_source *wanted,
                            struct diag *diag) {
  struct engine *engine = request->api->engine;
  struct bytes name, kind, region, type;
  enum err err = request_member_text(request, document, "name", &name, diag);
  if (!err) err = request_member_text(request, document, "kind", &kind, diag);
  if (!err) err = request_member_text(request, document, "region", &region, diag);
  if (!err) err = request_member_text(request, document, "user_id_type", &type, diag);
  if (err) return err;
  if (name.size_bytes == 0) return request_bad_member("name", "a text of 1 to 256 bytes", diag);
  const struct engine_source *present = engine_source_find(engine, name);
  *wanted = present ? *present : (struct engine_source){.kind = ENGINE_SOURCE_SERVER, .user_id_type = BYTES("user_id")};
  wanted->name = name;
  if (region.size_bytes) wanted->region = region;
  if (type.size_bytes) wanted->user_id_type = type;
  err = read_kind(kind, &wanted->kind, diag);
  if (err) return err;
  return read_priority(value_member(document, engine_names(engine), BYTES("priority")), &wanted->priority, diag);
}

static void answer_source(struct request *request, const void *results) {
  const struct engine_source *source = results;
  struct json_writer writer = request_answer(request, 200);
  json_object_begin(&writer);
  json_member_u64(&writer, "id", source->id);
  json_member_bytes(&writer, "name", source->name);
  json_member_text(&writer, "kind", kind_names[source->kind]);
  json_member_bytes(&writer, "region", source->region);
  json_member_bytes(&writer, "user_id_type", source->user_id_type);
  json_member_i64(&writer, "priority", source->priority);
  json_object_end(&writer);
}

enum err workspace_source_put(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine_source wanted;
  struct value document;
  enum err err = request_body(request, worker, "name kind region user_id_type priority id", &document, diag);
  if (!err) err = read_source(request, document, &wanted, diag);
  if (err) return err;
  return engine_source_put(request->api->engine, &wanted, &wanted.id,
                           request_commit(request, 200, answer_source, &wanted), diag);
}

// --- keys ----------------------------------------------------------------------------------------------------

enum err workspace_keys(struct request *request, struct worker *worker, struct diag *diag) {
  (void)worker, (void)diag;
  struct json_writer writer = request_answer(request, 200);
  return engine_keys_json(request->api->engine, &writer);
}

static const struct {
  uint32_t scope;
  const char *name;
} scopes[] = {{ENGINE_SCOPE_COLLECT, "collect"}, {ENGINE_SCOPE_READ, "read"},   {ENGINE_SCOPE_WRITE, "write"},
              {ENGINE_SCOPE_ERASE, "erase"},     {ENGINE_SCOPE_ADMIN, "admin"}, {ENGINE_SCOPE_TILL, "till"}};

static enum err bad_scopes(struct diag *diag) {
  return request_bad_member("scopes", "a list of collect, read, write, erase, admin, or \"all\"", diag);
}

static enum err add_scopes(struct value member, uint32_t *scopes_out, struct diag *diag) {
  struct bytes text;
  uint32_t bits;
  if (!value_as_text(member, &text) || text.size_bytes == 0) return bad_scopes(diag);
  enum err err = engine_scopes_parse(text, &bits, diag);
  if (err) diag_in_field(diag, "scopes");
  if (!err) *scopes_out |= bits;
  return err;
}

// Scopes as "read,write" or as a list of such texts.
static enum err read_scopes(struct value member, uint32_t *out, struct diag *diag) {
  struct value_iter iter = value_iterate(member);
  enum err err = ERR_OK;
  *out = 0;
  if (value_is_absent(member) || value_type(member) != VALUE_LIST) return add_scopes(member, out, diag);
  while (!err && value_next(&iter)) err = add_scopes(iter.item, out, diag);
  return err || *out ? err : bad_scopes(diag);
}

static enum err read_key(struct request *request, struct value document, struct engine_key *wanted, struct diag *diag) {
  struct engine *engine = request->api->engine;
  struct bytes kind, source;
  *wanted = (struct engine_key){.scopes = ENGINE_SCOPE_COLLECT};
  enum err err = request_member_text(request, document, "kind", &kind, diag);
  if (!err) err = request_member_text(request, document, "source", &source, diag);
  if (!err) err = request_member_text(request, document, "name", &wanted->name, diag);
  if (err) return err;
  wanted->secret = bytes_equal(kind, BYTES("secret"));
  if (!wanted->secret && !bytes_equal(kind, BYTES("write")))
    return request_bad_member("kind", "\"write\" or \"secret\"", diag);
  struct value given = value_member(document, engine_names(engine), BYTES("scopes"));
  if (wanted->secret) err = read_scopes(given, &wanted->scopes, diag);
  if (!wanted->secret && !value_is_absent(given) && value_type(given) != VALUE_NULL) {
    err = request_bad_member("scopes", "left out: a write key can only collect, and \"kind\": \"secret\" has scopes",
                             diag);
  }
  if (err) return err;
  const struct engine_source *found =
      engine_source_find(engine, source.data || !wanted->secret ? source : BYTES("api"));
  if (!found) return request_bad_member("source", "the name of a source; GET /v1/sources lists those there are", diag);
  wanted->source = found->id;
  return ERR_OK;
}

struct created_key {
  struct engine_key key;
  char text[ENGINE_KEY_TEXT_BYTES];
};

static void answer_key(struct request *request, const void *results) {
  const struct created_key *created = results;
  const struct engine_key *key = &created->key;
  struct json_writer writer = request_answer(request, 201);
  json_object_begin(&writer);
  json_member_u64(&writer, "id", key->id);
  json_member_text(&writer, "key", created->text);
  json_member_text(&writer, "kind", key->secret ? "secret" : "write");
  json_member_bytes(&writer, "name", key->name);
  json_member_bytes(&writer, "source", engine_source(request->api->engine, key->source)->name);
  json_name(&writer, "scopes");
  json_array_begin(&writer);
  for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
    if (key->scopes & scopes[i].scope) json_text(&writer, scopes[i].name);
  }
  json_array_end(&writer);
  json_object_end(&writer);
}

enum err workspace_key_create(struct request *request, struct worker *worker, struct diag *diag) {
  struct engine *engine = request->api->engine;
  struct created_key created;
  struct value document;
  enum err err = request_body(request, worker, "kind name source scopes", &document, diag);
  if (!err) err = read_key(request, document, &created.key, diag);
  if (err) return err;
  return engine_key_create(engine, &created.key, created.text, &created.key.id,
                           request_commit(request, 201, answer_key, &created), diag);
}

enum err workspace_key_revoke(struct request *request, struct worker *worker, struct diag *diag) {
  uint64_t id;
  (void)worker;
  if (bytes_to_u64(request->parameters[0], &id)) {
    return diag_set(diag, ERR_NOT_FOUND, "no_key",
                    "There is no such key: a key is named by its number, as GET /v1/keys lists them.");
  }
  return engine_key_revoke(request->api->engine, id, request_commit(request, 204, NULL, NULL), diag);
}
