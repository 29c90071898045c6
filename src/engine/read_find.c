// read_find.c: from what a person writes ("c42", "email:Zoe@Exemple.fr") to a customer.
//
// A value is cleaned as events' values are, or nothing would be found. The one thing an event knows and a person's
// question does not is the region of a national phone number: the number is read without one first, then in the region
// of each source, and the first reading that is known wins.
// Messages name types and reasons, never the value that was asked for.
#include <string.h>

#include "engine/read.h"

enum { PHONES_REMEMBERED = 64, TYPES_TEXT_BYTES = 256, NEAREST_DISTANCE_MAX = 2 };

// --- refusals in words ---------------------------------------------------------------------------------------

// "user_id, loyalty_card, email…", as many as fit.
static void list_types(const struct identity_rules *rules, char out[TYPES_TEXT_BYTES]) {
  size_t count, used = 0;
  const struct identity_type *types = identity_types(rules, &count);
  out[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    size_t need = types[i].text.size_bytes + 2;
    if (used + need + 4 > TYPES_TEXT_BYTES) {
      memcpy(out + used, ", …", sizeof ", …");
      return;
    }
    if (used > 0) {
      memcpy(out + used, ", ", 2);
      used += 2;
    }
    memcpy(out + used, types[i].text.data, types[i].text.size_bytes);
    used += types[i].text.size_bytes;
    out[used] = '\0';
  }
}

static struct bytes nearest_type(const struct identity_rules *rules, struct bytes name) {
  size_t count;
  const struct identity_type *types = identity_types(rules, &count);
  struct bytes nearest = BYTES("");
  int least = NEAREST_DISTANCE_MAX + 1;
  for (size_t i = 0; i < count; i++) {
    int distance = quality_distance(name, types[i].text, NEAREST_DISTANCE_MAX);
    if (distance >= least) continue;
    least = distance;
    nearest = types[i].text;
  }
  return nearest;
}

static enum err bad_reference(const struct identity_rules *rules, struct diag *diag) {
  char types[TYPES_TEXT_BYTES];
  list_types(rules, types);
  return diag_set(diag, ERR_INVALID, "bad_reference",
                  "write a customer's id (c42) or an identifier as type:value; the types are: %s", types);
}

static enum err unknown_type(const struct identity_rules *rules, struct bytes name, struct diag *diag) {
  char types[TYPES_TEXT_BYTES];
  struct bytes nearest = nearest_type(rules, name);
  list_types(rules, types);
  if (nearest.size_bytes == 0)
    return diag_set(diag, ERR_INVALID, "bad_reference", "there is no identifier type of this name; the types are: %s",
                    types);
  return diag_set(diag, ERR_INVALID, "bad_reference",
                  "there is no identifier type of this name; did you mean %.*s? The types are: %s", BYTES_ARG(nearest),
                  types);
}

static enum err bad_value(const struct identity_type *type, enum quality_reason reason, struct diag *diag) {
  return diag_set(diag, ERR_INVALID, "bad_reference", "this %.*s cannot be read: %s", BYTES_ARG(type->text),
                  quality_reason_text(reason));
}

// --- rows ----------------------------------------------------------------------------------------------------

static enum err take_device(struct bytes row, struct arena *arena, struct read_target *target) {
  struct identity_device *device = arena_take(arena, sizeof *device);
  if (device == NULL) return ERR_NO_MEMORY;
  enum err err = identity_device_decode(bytes_of(row.data + 1, row.size_bytes - 1), device);
  if (err != ERR_OK) return err;
  bool owned = !device->shared && device->run_count > 0;
  target->device = device;
  target->customer = owned ? device->runs[device->run_count - 1].customer : device->own;
  return ERR_OK;
}

static enum err take_person(struct bytes row, struct read_target *target) {
  struct engine_person_row person;
  if (!engine_person_decode(row, &person)) return ERR_CORRUPT;
  target->shared = person.shared;
  target->customer = person.shared ? 0 : person.customer;
  return ERR_OK;
}

static enum err look_up(struct engine_view *view, struct arena *arena, struct read_target *target) {
  struct key key;
  struct bytes row;
  identifier_key(target->identifier, view->engine->names, &key);
  enum err err = store_snapshot_get(view->snapshot, STORE_IDENTIFIER, key_view(&key), arena, &row);
  if (err != ERR_OK || row.data == NULL) return err;
  target->known = true;
  if (row.size_bytes > 0 && row.data[0] == ENGINE_ROW_DEVICE) return take_device(row, arena, target);
  return take_person(row, target);
}

// --- cleaning ------------------------------------------------------------------------------------------------

static bool region_is_new(struct engine *engine, uint32_t id, struct bytes region) {
  for (uint32_t i = 1; i < id; i++) {
    const struct engine_source *source = engine_source(engine, i);
    if (source != NULL && bytes_equal(source->region, region)) return false;
  }
  return true;
}

// Reads a national number in the region of each source, until a reading is known.
static enum err find_national(struct engine_view *view, struct bytes raw, struct arena *arena,
                              struct read_target *target, enum quality_reason *reason) {
  uint32_t count = atomic_load(&view->engine->source_count);
  enum err err = ERR_OK;
  for (uint32_t id = 1; err == ERR_OK && !target->known && id <= count; id++) {
    const struct engine_source *source = engine_source(view->engine, id);
    struct bytes value;
    enum quality_reason verdict;
    if (source == NULL || source->region.size_bytes == 0 || !region_is_new(view->engine, id, source->region)) continue;
    err = quality_phone(view->phones, raw, source->region, arena, &value, &verdict);
    if (err != ERR_OK || verdict != QUALITY_OK) continue;
    target->identifier.value = value;
    *reason = QUALITY_OK;
    err = look_up(view, arena, target);
  }
  return err;
}

static enum err clean(struct engine_view *view, struct bytes raw, struct arena *arena, struct read_target *target,
                      enum quality_reason *reason) {
  enum identity_form form = target->type->form;
  enum err err = ERR_OK;
  if (form == IDENTITY_FORM_PHONE && view->phones == NULL) err = quality_phones_open(&view->phones, PHONES_REMEMBERED);
  if (err != ERR_OK) return err;
  return engine_clean(form, view->phones, raw, BYTES(""), arena, &target->identifier.value, reason);
}

enum err read_target(struct engine_view *view, struct bytes reference, struct arena *arena, struct read_target *target,
                     struct diag *diag) {
  const struct identity_rules *rules = engine_rules(view->engine);
  enum quality_reason reason = QUALITY_OK;
  struct bytes name, raw;
  *target = (struct read_target){0};
  reference = bytes_trim(reference);
  if (reference.size_bytes > READ_REFERENCE_BYTES || !bytes_is_utf8(reference) ||
      !identifier_split(reference, &name, &raw))
    return bad_reference(rules, diag);
  target->type = identity_type_find(rules, bytes_trim(name));
  if (target->type == NULL) return unknown_type(rules, bytes_trim(name), diag);
  target->identifier.type = target->type->name;
  enum err err = clean(view, raw, arena, target, &reason);
  if (err == ERR_OK && reason == QUALITY_OK) err = look_up(view, arena, target);
  if (err == ERR_OK && reason == QUALITY_NO_COUNTRY) err = find_national(view, raw, arena, target, &reason);
  if (err == ERR_OK && reason != QUALITY_OK) return bad_value(target->type, reason, diag);
  if (err == ERR_CORRUPT) diag_set(diag, err, "corrupt", "a stored identifier cannot be read; run `rapport check`");
  return err == ERR_NO_MEMORY || err == ERR_IO ? engine_explain_failure(err, diag) : err;
}

static enum err find_identifier(struct engine_view *view, struct bytes reference, struct arena *arena, uint64_t *id,
                                struct diag *diag) {
  struct read_target target;
  enum err err = read_target(view, reference, arena, &target, diag);
  if (err != ERR_OK) return err;
  if (target.shared)
    return diag_set(diag, ERR_NOT_FOUND, "shared_identifier",
                    "several people use this %.*s, so it leads to none of them; look for another identifier",
                    BYTES_ARG(target.type->text));
  *id = target.customer;
  return ERR_OK;
}

enum err engine_find(struct engine_view *view, struct bytes reference, uint64_t *customer, struct diag *diag) {
  struct customer record;
  struct arena arena;
  uint64_t id = 0;
  enum err err = ERR_OK;
  arena_init(&arena, 0);
  if (!customer_id_parse(bytes_trim(reference), &id)) err = find_identifier(view, reference, &arena, &id, diag);
  if (err == ERR_OK) err = read_customer(view, id, &arena, &record, NULL, diag);
  if (err == ERR_OK) *customer = record.id;
  arena_release(&arena);
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}
