// catalog.c: see catalog.h. The dictionary does not say what a name was used for, so a property's name counts as a
// known event; what matters is that a name nobody ever sent is told, with the nearest that somebody did.
#include "engine/catalog.h"

#include "engine/live.h"

static bool is_in_set(enum rule_name_kind kind) {
  return kind == RULE_NAME_SEGMENT || kind == RULE_NAME_ATTRIBUTE;
}

// One after another from *place on, of segments or of attributes; NULL at the end.
static const struct segment_definition *next_definition(const struct catalog *catalog, enum rule_name_kind kind,
                                                        size_t *place) {
  while (catalog->set != NULL && *place < segment_set_count(catalog->set)) {
    const struct segment_definition *definition = segment_set_at(catalog->set, (*place)++);
    if ((definition->kind == SEGMENT_ATTRIBUTE) == (kind == RULE_NAME_ATTRIBUTE)) return definition;
  }
  return NULL;
}

static bool known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  const struct catalog *catalog = context;
  const struct segment_definition *definition;
  size_t place = 0;
  (void)of;
  if (!is_in_set(kind)) return names_find(catalog->engine->names, name) != 0;
  while ((definition = next_definition(catalog, kind, &place)) != NULL)
    if (bytes_equal(definition->id, name)) return true;
  return false;
}

static bool next(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  const struct catalog *catalog = context;
  (void)of;
  if (!is_in_set(kind)) {
    if (*place >= names_count(catalog->engine->names)) return false;
    *name = names_text(catalog->engine->names, (uint32_t)(++*place));
    return true;
  }
  const struct segment_definition *definition = next_definition(catalog, kind, place);
  if (definition != NULL) *name = definition->id;
  return definition != NULL;
}

void catalog_open(struct catalog *catalog, struct engine *engine) {
  *catalog = (struct catalog){{catalog, known, next}, engine, live_set(engine)};
}

void catalog_close(struct catalog *catalog) {
  if (catalog->set != NULL) segment_set_close(catalog->set);
}
