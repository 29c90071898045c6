#include "engine/reference.h"

#include <stdio.h>

#include "quality/quality.h"

static enum err bad_value(const struct identity_type *type, enum quality_reason reason, struct diag *diag) {
  return diag_set(diag, ERR_INVALID, "bad_reference", "this is not a value of %.*s: %s", BYTES_ARG(type->text),
                  quality_reason_text(reason));
}

// The known type nearest to what was written, as long as it is near.
static const struct identity_type *nearest_type(const struct identity_rules *rules, struct bytes text) {
  size_t count;
  const struct identity_type *types = identity_types(rules, &count), *nearest = NULL;
  int least = 3;
  for (size_t i = 0; i < count; i++) {
    int distance = quality_distance(types[i].text, text, least);
    if (distance >= least) continue;
    least = distance;
    nearest = &types[i];
  }
  return nearest;
}

static enum err unknown_type(const struct identity_rules *rules, struct bytes text, struct diag *diag) {
  size_t count;
  const struct identity_type *types = identity_types(rules, &count), *nearest = nearest_type(rules, text);
  char list[256];
  size_t used = 0;
  list[0] = '\0';
  for (size_t i = 0; i < count && used < sizeof list - 1; i++) {
    int wrote = snprintf(list + used, sizeof list - used, "%s%.*s", i == 0 ? "" : ", ", BYTES_ARG(types[i].text));
    used += wrote > 0 ? (size_t)wrote : 0;
  }
  if (nearest != NULL)
    return diag_set(diag, ERR_INVALID, "bad_reference",
                    "no identifier type has this name; did you mean %.*s? The types are %s", BYTES_ARG(nearest->text),
                    list);
  return diag_set(diag, ERR_INVALID, "bad_reference", "no identifier type has this name; the types are %s", list);
}

// National numbers are read in the region of the first source that makes one of them.
static enum err clean_phone(struct engine *engine, struct bytes raw, struct arena *arena, struct bytes *out,
                            enum quality_reason *reason) {
  struct quality_phones *phones;
  uint32_t count = atomic_load(&engine->source_count);
  enum err err = quality_phones_open(&phones, 0);
  if (err != ERR_OK) return err;
  err = quality_phone(phones, raw, BYTES(""), arena, out, reason);
  for (uint32_t id = 1; err == ERR_OK && *reason != QUALITY_OK && id <= count; id++) {
    const struct engine_source *source = engine_source(engine, id);
    if (source != NULL && source->region.size_bytes > 0)
      err = quality_phone(phones, raw, source->region, arena, out, reason);
  }
  quality_phones_close(phones);
  return err;
}

enum err clean_reference(struct engine *engine, struct bytes text, struct arena *arena, struct identifier *identifier,
                         struct diag *diag) {
  const struct identity_rules *rules = engine_rules(engine);
  enum quality_reason reason = QUALITY_OK;
  struct bytes type_name, raw;
  if (!identifier_split(text, &type_name, &raw))
    return diag_set(diag, ERR_INVALID, "bad_reference",
                    "write a customer as c42, or as type:value, such as email:zoe@exemple.fr");
  const struct identity_type *type = identity_type_find(rules, type_name);
  if (type == NULL) return unknown_type(rules, type_name, diag);
  identifier->type = type->name;
  enum err err;
  if (type->form == IDENTITY_FORM_EMAIL)
    err = quality_email(raw, arena, &identifier->value, &reason);
  else if (type->form == IDENTITY_FORM_PHONE)
    err = clean_phone(engine, raw, arena, &identifier->value, &reason);
  else
    err = quality_identifier(raw, arena, &identifier->value, &reason);
  if (err != ERR_OK) return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
  return reason == QUALITY_OK ? ERR_OK : bad_value(type, reason, diag);
}
