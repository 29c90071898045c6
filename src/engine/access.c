// access.c: sources and keys.
//
// Both are few and asked for with every request, so they live in memory and are written through. DOCUMENT rows:
// "source\0<id>" and "key\0<id>", each a packed document. A key's text is "wk_<id>_<64 hex digits>" (or sk_): 256
// random bits, of which only a BLAKE2b-256 hash is kept; a random key of that length needs no slow hash. Source slots
// that were replaced stay readable until close, because views of them are given out without a lock.
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "engine/audit.h"
#include "engine/open.h"

enum { SECRET_BYTES = 32, HASH_BYTES = 32 };

static const struct {
  const char *name;
  enum engine_source_kind kind;
} kinds[] = {{"browser", ENGINE_SOURCE_BROWSER},
             {"server", ENGINE_SOURCE_SERVER},
             {"till", ENGINE_SOURCE_TILL},
             {"file", ENGINE_SOURCE_FILE},
             {"person", ENGINE_SOURCE_PERSON}};

static const struct {
  const char *name;
  uint32_t bit;
} scopes[] = {{"collect", ENGINE_SCOPE_COLLECT}, {"read", ENGINE_SCOPE_READ},   {"write", ENGINE_SCOPE_WRITE},
              {"erase", ENGINE_SCOPE_ERASE},     {"admin", ENGINE_SCOPE_ADMIN}, {"till", ENGINE_SCOPE_TILL}};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds, SCOPE_COUNT = sizeof scopes / sizeof *scopes };

// --- documents -----------------------------------------------------------------------------------------------

struct document_put {
  struct key key;
  struct buffer buffer;
};

static enum err put_document(struct store_txn *txn, void *context, struct diag *diag) {
  const struct document_put *put = context;
  (void)diag;
  return store_put(txn, STORE_DOCUMENT, key_view(&put->key), buffer_view(&put->buffer));
}

static enum err store_document(struct engine *engine, struct document_put *put, struct value_builder *builder,
                               struct audit_entry *entry, struct engine_commit *commit, struct diag *diag) {
  value_document_end(builder);
  enum err err = value_builder_finish(builder);
  entry->author = commit->author;
  if (err == ERR_OK) err = audit_run(engine, put_document, put, entry, commit, diag);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  buffer_release(&put->buffer);
  return err;
}

static void document_begin(struct engine *engine, struct document_put *put, struct value_builder *builder,
                           const char *name, uint64_t id) {
  engine_number_key(&put->key, name, id);
  buffer_init(&put->buffer);
  value_builder_init(builder, &put->buffer, engine->names);
  value_document_begin(builder);
}

// --- sources -------------------------------------------------------------------------------------------------

const struct engine_source *engine_source(struct engine *engine, uint32_t id) {
  if (id == 0 || id > atomic_load(&engine->source_count)) return NULL;
  const struct engine_source_slot *slot = atomic_load(&engine->sources[id - 1]);
  return slot == NULL ? NULL : &slot->source;
}

const struct engine_source *engine_source_find(struct engine *engine, struct bytes name) {
  uint32_t count = atomic_load(&engine->source_count);
  for (uint32_t id = 1; id <= count; id++) {
    const struct engine_source *source = engine_source(engine, id);
    if (source != NULL && bytes_equal(source->name, name)) return source;
  }
  return NULL;
}

static uint8_t *copy_part(uint8_t *to, struct bytes from, struct bytes *view) {
  if (from.size_bytes > 0) memcpy(to, from.data, from.size_bytes);
  *view = bytes_of(to, from.size_bytes);
  return to + from.size_bytes;
}

// A description of its own. The texts follow the slot in its memory.
static struct engine_source_slot *make_source(const struct engine_source *source) {
  size_t text_bytes = source->name.size_bytes + source->region.size_bytes + source->user_id_type.size_bytes;
  struct engine_source_slot *slot = alloc_zero(1, sizeof *slot + text_bytes);
  if (slot == NULL) return NULL;
  uint8_t *text = (uint8_t *)(slot + 1);
  slot->source = *source;
  text = copy_part(text, source->name, &slot->source.name);
  text = copy_part(text, source->region, &slot->source.region);
  copy_part(text, source->user_id_type, &slot->source.user_id_type);
  return slot;
}

// Puts a description into the table.
static void set_source(struct engine *engine, struct engine_source_slot *slot) {
  uint32_t id = slot->source.id;
  slot->older = atomic_load(&engine->sources[id - 1]);
  atomic_store(&engine->sources[id - 1], slot);
  if (id > atomic_load(&engine->source_count)) atomic_store(&engine->source_count, id);
}

static enum err write_source(struct engine *engine, const struct engine_source *source, struct audit_entry *entry,
                             struct engine_commit *commit, struct diag *diag) {
  struct document_put put;
  struct value_builder builder;
  document_begin(engine, &put, &builder, "source", source->id);
  engine_put_text(&builder, "name", source->name);
  engine_put_text(&builder, "kind", bytes_from_text(kinds[source->kind].name));
  engine_put_text(&builder, "region", source->region);
  engine_put_text(&builder, "user_id_type", source->user_id_type);
  engine_put_i64(&builder, "priority", source->priority);
  return store_document(engine, &put, &builder, entry, commit, diag);
}

static void source_json(const struct engine_source *source, struct json_writer *writer) {
  json_object_begin(writer);
  json_member_u64(writer, "id", source->id);
  json_member_bytes(writer, "name", source->name);
  json_member_text(writer, "kind", kinds[source->kind].name);
  json_member_bytes(writer, "region", source->region);
  json_member_bytes(writer, "user_id_type", source->user_id_type);
  json_member_i64(writer, "priority", source->priority);
  json_object_end(writer);
}

// What it is, and what it was.
static enum err note_source(struct engine *engine, const struct engine_source *known,
                            const struct engine_source *source, struct engine_commit *commit, struct diag *diag) {
  struct audit_entry entry = {.action = "source.put", .subject = source->name};
  struct json_writer writer;
  struct buffer before, after;
  buffer_init(&before);
  buffer_init(&after);
  json_writer_init(&writer, &before);
  if (known != NULL) source_json(known, &writer);
  json_writer_init(&writer, &after);
  source_json(source, &writer);
  entry.before = buffer_view(&before);
  entry.after = buffer_view(&after);
  enum err err =
      before.failed || after.failed ? diag_no_memory(diag) : write_source(engine, source, &entry, commit, diag);
  buffer_release(&before);
  buffer_release(&after);
  return err;
}

static enum err bad_member(const char *name, const char *code, const char *words, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "%s", words);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err check_source(struct engine *engine, const struct engine_source *source, struct diag *diag) {
  const struct identity_type *type = identity_type_find(engine_rules(engine), source->user_id_type);
  if (source->name.size_bytes == 0)
    return bad_member("name", "bad_source_name", "a source needs a name: text of 1 to 256 bytes", diag);
  enum err err = engine_check_words("name", source->name, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  bool region = source->region.size_bytes == 2 && source->region.data[0] >= 'A' && source->region.data[0] <= 'Z' &&
                source->region.data[1] >= 'A' && source->region.data[1] <= 'Z';
  if (source->region.size_bytes != 0 && !region)
    return bad_member("region", "bad_region", "a region is two capital letters of ISO 3166, such as FR", diag);
  if (type == NULL || type->class != IDENTITY_PERSON)
    return bad_member("user_id_type", "unknown_type",
                      "user_id_type must be a person's identifier type of the identity rules, such as user_id; "
                      "`rapport rules show` lists them",
                      diag);
  return ERR_OK;
}

enum err engine_source_put(struct engine *engine, const struct engine_source *wanted, uint32_t *id,
                           struct engine_commit *commit, struct diag *diag) {
  pthread_mutex_lock(&engine->access_mutex);
  const struct engine_source *known = engine_source_find(engine, wanted->name);
  struct engine_source source = *wanted;
  enum err err = ERR_OK;
  source.id = known != NULL ? known->id : atomic_load(&engine->source_count) + 1;
  if (source.region.size_bytes == 0 && known != NULL) source.region = known->region;
  if (source.user_id_type.size_bytes == 0) source.user_id_type = known != NULL ? known->user_id_type : BYTES("user_id");
  if (source.id > ENGINE_SOURCES_MAX)
    err = diag_set(diag, ERR_LIMIT, "too_many_sources", "a workspace has at most %d sources", ENGINE_SOURCES_MAX);
  if (err == ERR_OK) err = check_source(engine, &source, diag);
  // Made before the commit: after it nothing may fail.
  struct engine_source_slot *slot = err == ERR_OK ? make_source(&source) : NULL;
  if (err == ERR_OK && slot == NULL) err = ERR_NO_MEMORY;
  *id = source.id;
  if (err == ERR_OK) err = note_source(engine, known, &source, commit, diag);
  if (err == ERR_OK)
    set_source(engine, slot);
  else
    alloc_free(slot);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  pthread_mutex_unlock(&engine->access_mutex);
  return err;
}

enum err engine_sources_json(struct engine *engine, struct json_writer *writer) {
  uint32_t count = atomic_load(&engine->source_count);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (uint32_t id = 1; id <= count; id++) {
    const struct engine_source *source = engine_source(engine, id);
    if (source == NULL) continue;
    source_json(source, writer);
  }
  json_array_end(writer);
  json_object_end(writer);
  return ERR_OK;
}

static int source_priority(void *context, uint32_t id) {
  const struct engine_source *source = engine_source(context, id);
  return source == NULL ? 0 : source->priority;
}

static struct bytes source_name(void *context, uint32_t id) {
  const struct engine_source *source = engine_source(context, id);
  return source == NULL ? BYTES("") : source->name;
}

struct customer_sources engine_sources(struct engine *engine) {
  return (struct customer_sources){source_priority, source_name, engine};
}

// --- keys ----------------------------------------------------------------------------------------------------

static void free_key(struct engine_key_slot *slot) {
  if (slot == NULL) return;
  alloc_free(slot->name);
  alloc_free(slot);
}

// Makes room for the key `id`. Here and in set_key the caller holds keys_lock for writing, or nobody else runs yet.
static enum err reserve_key(struct engine *engine, uint64_t id) {
  if (id <= engine->key_capacity) return ERR_OK;
  size_t capacity = (size_t)id * 2 + 16;
  struct engine_key_slot **keys = alloc_resize(engine->keys, capacity * sizeof(struct engine_key_slot *));
  if (keys == NULL) return ERR_NO_MEMORY;
  memset(keys + engine->key_capacity, 0, (capacity - engine->key_capacity) * sizeof(struct engine_key_slot *));
  engine->keys = keys;
  engine->key_capacity = capacity;
  return ERR_OK;
}

// Puts a key into the room that is there, replacing what is there.
static void set_key(struct engine *engine, struct engine_key_slot *slot) {
  size_t index = (size_t)slot->key.id - 1;
  free_key(engine->keys[index]);
  engine->keys[index] = slot;
  if (engine->key_count < index + 1) engine->key_count = index + 1;
}

static struct engine_key_slot *make_key(const struct engine_key *key, struct bytes name) {
  struct engine_key_slot *slot = alloc_zero(1, sizeof *slot);
  if (slot == NULL) return NULL;
  slot->key = *key;
  slot->name = alloc_get(name.size_bytes + 1);
  if (slot->name == NULL) {
    alloc_free(slot);
    return NULL;
  }
  if (name.size_bytes > 0) memcpy(slot->name, name.data, name.size_bytes);
  slot->key.name = bytes_of(slot->name, name.size_bytes);
  return slot;
}

static enum err write_key(struct engine *engine, const struct engine_key_slot *slot, struct audit_entry *entry,
                          struct engine_commit *commit, struct diag *diag) {
  struct document_put put;
  struct value_builder builder;
  char hash[2 * HASH_BYTES + 1];
  bytes_to_hex(bytes_of(slot->hash, HASH_BYTES), hash);
  document_begin(engine, &put, &builder, "key", slot->key.id);
  engine_put_text(&builder, "name", slot->key.name);
  engine_put_text(&builder, "hash", bytes_from_text(hash));
  engine_put_i64(&builder, "scopes", slot->key.scopes);
  engine_put_i64(&builder, "source", slot->key.source);
  engine_put_i64(&builder, "created_us", slot->created_us);
  value_put_name(&builder, BYTES("secret"));
  value_put_bool(&builder, slot->key.secret);
  value_put_name(&builder, BYTES("revoked"));
  value_put_bool(&builder, slot->revoked);
  return store_document(engine, &put, &builder, entry, commit, diag);
}

static void key_json(struct engine *engine, const struct engine_key_slot *slot, struct json_writer *writer) {
  const struct engine_source *source = engine_source(engine, slot->key.source);
  json_object_begin(writer);
  json_member_u64(writer, "id", slot->key.id);
  json_member_text(writer, "kind", slot->key.secret ? "secret" : "write");
  json_member_bytes(writer, "name", slot->key.name);
  json_member_bytes(writer, "source", source == NULL ? BYTES("") : source->name);
  json_name(writer, "scopes");
  json_array_begin(writer);
  for (size_t i = 0; i < SCOPE_COUNT; i++)
    if ((slot->key.scopes & scopes[i].bit) != 0) json_text(writer, scopes[i].name);
  json_array_end(writer);
  json_member_time(writer, "created_at", slot->created_us);
  json_member_bool(writer, "revoked", slot->revoked);
  json_object_end(writer);
}

// `before` NULL: it is made. Its secret is in none of the two sides.
static enum err note_key(struct engine *engine, const struct engine_key_slot *before,
                         const struct engine_key_slot *after, struct engine_commit *commit, struct diag *diag) {
  struct audit_entry entry = {.action = before == NULL ? "key.created" : "key.revoked", .subject = after->key.name};
  struct json_writer writer;
  struct buffer was, is;
  buffer_init(&was);
  buffer_init(&is);
  json_writer_init(&writer, &was);
  if (before != NULL) key_json(engine, before, &writer);
  json_writer_init(&writer, &is);
  key_json(engine, after, &writer);
  entry.before = buffer_view(&was);
  entry.after = buffer_view(&is);
  enum err err = was.failed || is.failed ? diag_no_memory(diag) : write_key(engine, after, &entry, commit, diag);
  buffer_release(&was);
  buffer_release(&is);
  return err;
}

static void hash_secret(const uint8_t secret[SECRET_BYTES], uint8_t out[HASH_BYTES]) {
  crypto_generichash(out, HASH_BYTES, secret, SECRET_BYTES, NULL, 0);
}

static enum err check_wanted(struct engine *engine, const struct engine_key *wanted, struct diag *diag) {
  if (engine_source(engine, wanted->source) == NULL)
    return diag_set(diag, ERR_INVALID, "unknown_source", "a key belongs to a source; there is no source %u",
                    wanted->source);
  enum err err = engine_check_words("name", wanted->name, LIMIT_NAME_BYTES, diag);
  if (err != ERR_OK) return err;
  if (!wanted->secret && (wanted->scopes & ~(uint32_t)ENGINE_SCOPE_COLLECT) != 0)
    return diag_set(diag, ERR_INVALID, "bad_scope", "a write key can only collect; make a secret key for other scopes");
  if (engine->key_count >= ENGINE_KEYS_MAX)
    return diag_set(diag, ERR_LIMIT, "too_many_keys", "a workspace has at most %d keys, revoked ones included",
                    ENGINE_KEYS_MAX);
  return ERR_OK;
}

enum err engine_key_create(struct engine *engine, const struct engine_key *wanted, char *text, uint64_t *id,
                           struct engine_commit *commit, struct diag *diag) {
  uint8_t secret[SECRET_BYTES];
  char hex[2 * SECRET_BYTES + 1];
  pthread_mutex_lock(&engine->access_mutex);
  enum err err = check_wanted(engine, wanted, diag);
  struct engine_key_slot *slot = err == ERR_OK ? make_key(wanted, wanted->name) : NULL;
  if (err == ERR_OK && slot == NULL) err = diag_no_memory(diag);
  if (err == ERR_OK) { // before the commit: after it nothing may fail
    pthread_rwlock_wrlock(&engine->keys_lock);
    err = reserve_key(engine, engine->key_count + 1);
    pthread_rwlock_unlock(&engine->keys_lock);
    if (err != ERR_OK) diag_no_memory(diag);
  }
  if (err == ERR_OK) {
    randombytes_buf(secret, sizeof secret);
    hash_secret(secret, slot->hash);
    slot->key.id = *id = engine->key_count + 1;
    slot->created_us = clock_now_us(engine->clock);
    bytes_to_hex(bytes_of(secret, sizeof secret), hex);
    snprintf(text, ENGINE_KEY_TEXT_BYTES, "%s_%llu_%s", wanted->secret ? "sk" : "wk", (unsigned long long)*id, hex);
    err = note_key(engine, NULL, slot, commit, diag);
  }
  if (err == ERR_OK) {
    pthread_rwlock_wrlock(&engine->keys_lock);
    set_key(engine, slot);
    pthread_rwlock_unlock(&engine->keys_lock);
  }
  if (err != ERR_OK) free_key(slot);
  pthread_mutex_unlock(&engine->access_mutex);
  sodium_memzero(secret, sizeof secret);
  sodium_memzero(hex, sizeof hex);
  return err;
}

// "wk_12_<hex>" into its parts.
static bool parse_key(struct bytes text, bool *is_secret, uint64_t *id, uint8_t secret[SECRET_BYTES]) {
  *is_secret = bytes_starts_with(text, BYTES("sk_"));
  if (!*is_secret && !bytes_starts_with(text, BYTES("wk_"))) return false;
  struct bytes rest = bytes_of(text.data + 3, text.size_bytes - 3);
  const uint8_t *mark = rest.size_bytes == 0 ? NULL : memchr(rest.data, '_', rest.size_bytes);
  if (mark == NULL) return false;
  size_t digits = (size_t)(mark - rest.data);
  return bytes_to_u64(bytes_of(rest.data, digits), id) == ERR_OK &&
         bytes_from_hex(bytes_of(mark + 1, rest.size_bytes - digits - 1), secret, SECRET_BYTES) == ERR_OK;
}

enum err engine_key_check(struct engine *engine, struct bytes text, struct engine_key *key, struct diag *diag) {
  uint8_t secret[SECRET_BYTES] = {0}, hash[HASH_BYTES];
  uint64_t id = 0;
  bool is_secret = false;
  bool good = parse_key(text, &is_secret, &id, secret);
  hash_secret(secret, hash);
  pthread_rwlock_rdlock(&engine->keys_lock);
  const struct engine_key_slot *slot = good && id >= 1 && id <= engine->key_count ? engine->keys[id - 1] : NULL;
  good = slot != NULL && sodium_memcmp(hash, slot->hash, HASH_BYTES) == 0 && slot->key.secret == is_secret &&
         !slot->revoked;
  if (good) *key = slot->key;
  pthread_rwlock_unlock(&engine->keys_lock);
  sodium_memzero(secret, sizeof secret);
  if (good) return ERR_OK;
  return diag_set(diag, ERR_DENIED, "bad_key",
                  "this key is not known here; `rapport key list` shows the keys, `rapport key create` makes one");
}

enum err engine_key_revoke(struct engine *engine, uint64_t id, struct engine_commit *commit, struct diag *diag) {
  pthread_mutex_lock(&engine->access_mutex);
  struct engine_key_slot *slot = id >= 1 && id <= engine->key_count ? engine->keys[id - 1] : NULL;
  enum err err = ERR_OK;
  if (slot == NULL)
    err = diag_set(diag, ERR_NOT_FOUND, "no_key", "there is no key %llu; `rapport key list` shows those there are",
                   (unsigned long long)id);
  if (err == ERR_OK) {
    struct engine_key_slot revoked = *slot;
    revoked.revoked = true;
    err = note_key(engine, slot, &revoked, commit, diag);
  }
  if (err == ERR_OK) {
    pthread_rwlock_wrlock(&engine->keys_lock);
    slot->revoked = true;
    pthread_rwlock_unlock(&engine->keys_lock);
  }
  pthread_mutex_unlock(&engine->access_mutex);
  return err;
}

enum err engine_keys_json(struct engine *engine, struct json_writer *writer) {
  pthread_rwlock_rdlock(&engine->keys_lock);
  json_object_begin(writer);
  json_name(writer, "items");
  json_array_begin(writer);
  for (size_t i = 0; i < engine->key_count; i++)
    if (engine->keys[i] != NULL) key_json(engine, engine->keys[i], writer);
  json_array_end(writer);
  json_object_end(writer);
  pthread_rwlock_unlock(&engine->keys_lock);
  return ERR_OK;
}

enum err engine_scopes_parse(struct bytes text, uint32_t *bits, struct diag *diag) {
  *bits = 0;
  while (text.size_bytes > 0) {
    const uint8_t *comma = memchr(text.data, ',', text.size_bytes);
    size_t length = comma == NULL ? text.size_bytes : (size_t)(comma - text.data);
    struct bytes word = bytes_trim(bytes_of(text.data, length));
    uint32_t found = bytes_equal(word, BYTES("all")) ? 31 : 0;
    for (size_t i = 0; i < SCOPE_COUNT; i++)
      if (bytes_equal(word, bytes_from_text(scopes[i].name))) found = scopes[i].bit;
    if (found == 0)
      return diag_set(diag, ERR_INVALID, "unknown_scope",
                      "scopes are collect, read, write, erase, admin, or all; got %.*s",
                      (int)(word.size_bytes < 32 ? word.size_bytes : 32), (const char *)word.data);
    *bits |= found;
    size_t used = comma == NULL ? length : length + 1;
    text = bytes_of(text.data + used, text.size_bytes - used);
  }
  return ERR_OK;
}

// --- opening -------------------------------------------------------------------------------------------------

static enum err read_source(struct engine *engine, uint64_t id, struct value document) {
  struct engine_source source = {.id = (uint32_t)id,
                                 .name = engine_member_text(engine, document, "name"),
                                 .region = engine_member_text(engine, document, "region"),
                                 .user_id_type = engine_member_text(engine, document, "user_id_type"),
                                 .priority = (int)engine_member_i64(engine, document, "priority")};
  struct bytes kind = engine_member_text(engine, document, "kind");
  if (id == 0 || id > ENGINE_SOURCES_MAX) return ERR_CORRUPT;
  for (size_t i = 0; i < KIND_COUNT; i++)
    if (bytes_equal(kind, bytes_from_text(kinds[i].name))) source.kind = kinds[i].kind;
  struct engine_source_slot *slot = make_source(&source);
  if (slot == NULL) return ERR_NO_MEMORY;
  set_source(engine, slot);
  return ERR_OK;
}

static enum err read_key(struct engine *engine, uint64_t id, struct value document) {
  struct engine_key key = {.id = id,
                           .scopes = (uint32_t)engine_member_i64(engine, document, "scopes"),
                           .source = (uint32_t)engine_member_i64(engine, document, "source")};
  if (id == 0 || id > ENGINE_KEYS_MAX) return ERR_CORRUPT;
  value_as_bool(value_member(document, engine->names, BYTES("secret")), &key.secret);
  struct engine_key_slot *slot = make_key(&key, engine_member_text(engine, document, "name"));
  if (slot == NULL) return ERR_NO_MEMORY;
  value_as_bool(value_member(document, engine->names, BYTES("revoked")), &slot->revoked);
  slot->created_us = engine_member_i64(engine, document, "created_us");
  enum err err = bytes_from_hex(engine_member_text(engine, document, "hash"), slot->hash, HASH_BYTES);
  if (err == ERR_OK) err = reserve_key(engine, id);
  if (err == ERR_OK)
    set_key(engine, slot);
  else
    free_key(slot);
  return err == ERR_INVALID ? ERR_CORRUPT : err;
}

typedef enum err read_fn(struct engine *engine, uint64_t id, struct value document);

static enum err read_documents(struct engine *engine, struct store_snapshot *snapshot, const char *name,
                               read_fn *read) {
  struct store_cursor *cursor;
  struct key from, to;
  struct bytes key, row;
  engine_number_key(&from, name, 0);
  engine_number_key(&to, name, UINT64_MAX);
  enum err err = store_snapshot_scan(snapshot, STORE_DOCUMENT, key_view(&from), key_view(&to), &cursor);
  if (err != ERR_OK) return err;
  while (err == ERR_OK && store_cursor_next(cursor, &key, &row))
    err = read(engine, key_read_u64(key.data + key.size_bytes - sizeof(uint64_t)), (struct value){row});
  if (err == ERR_OK) err = store_cursor_error(cursor);
  store_cursor_close(cursor);
  return err;
}

// Sources every workspace has; written when a workspace is first opened for writing.
static enum err add_own_sources(struct engine *engine, struct diag *diag) {
  static const struct engine_source own[] = {
      {.name = BYTES_INIT("import"), .kind = ENGINE_SOURCE_FILE},
      {.name = BYTES_INIT("correction"), .kind = ENGINE_SOURCE_PERSON, .priority = 1000},
      {.name = BYTES_INIT("api"), .kind = ENGINE_SOURCE_SERVER},
  };
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < sizeof own / sizeof *own; i++) {
    struct engine_commit commit = {0};
    uint32_t id;
    err = engine_source_put(engine, &own[i], &id, &commit, diag);
    assert(err != ERR_OK || id == i + 1);
  }
  return err;
}

enum err open_access(struct engine *engine, struct store_snapshot *snapshot, struct diag *diag) {
  enum err err = read_documents(engine, snapshot, "source", read_source);
  if (err == ERR_OK) err = read_documents(engine, snapshot, "key", read_key);
  if (err == ERR_CORRUPT) diag_set(diag, err, "corrupt", "a source or a key of this workspace cannot be read");
  if (err == ERR_OK && atomic_load(&engine->source_count) == 0) err = add_own_sources(engine, diag);
  return err;
}

void close_access(struct engine *engine) {
  for (size_t i = 0; i < ENGINE_SOURCES_MAX; i++) {
    struct engine_source_slot *slot = atomic_load(&engine->sources[i]);
    while (slot != NULL) {
      struct engine_source_slot *older = slot->older;
      alloc_free(slot);
      slot = older;
    }
  }
  for (size_t i = 0; i < engine->key_count; i++) free_key(engine->keys[i]);
  alloc_free(engine->keys);
}
