// catalog.c: see catalog.h. The dictionary does not say what a name was used for, so a property's name counts as a
// known event; what matters is that a name nobody ever sent is told, with the nearest that somebody did.
#include "engine/catalog.h"

#include "engine/live.h"

static bool is_in_set(enum rule_name_kind kind) {
  return kind == RULE_NAME_SEGMENT || kind == RULE_NAME_ATTRIBUTE || kind == RULE_NAME_SCORE;
}

static bool is_of_kind(const struct segment_definition *definition, enum rule_name_kind kind) {
  if (kind == RULE_NAME_ATTRIBUTE) return definition->kind == SEGMENT_ATTRIBUTE;
  if (kind == RULE_NAME_SCORE) return definition->kind == SEGMENT_SCORE;
  return definition->kind == SEGMENT_EXPRESSION || definition->kind == SEGMENT_LIST;
}

// One after another from *place on, of one kind; NULL at the end.
static const struct segment_definition *next_definition(const struct catalog *catalog, enum rule_name_kind kind,
                                                        size_t *place) {
  while (catalog->set != NULL && *place < segment_set_count(catalog->set)) {
    const struct segment_definition *definition = segment_set_at(catalog->set, (*place)++);
    if (is_of_kind(definition, kind)) return definition;
  }
  return NULL;
}

// The ranges of the score `of`, of the version that is live, else of the one that is being computed.
static bool next_range(const struct catalog *catalog, struct bytes of, size_t *place, struct bytes *name) {
  const struct segment_definition *definition, *found = NULL;
  for (size_t i = 0; (definition = next_definition(catalog, RULE_NAME_SCORE, &i)) != NULL;)
    if (bytes_equal(definition->id, of) && (found == NULL || definition->status == SEGMENT_LIVE)) found = definition;
  if (found == NULL) return false;
  const struct segment_score *score = segment_set_score(catalog->set, found->question);
  return score->range(score, (*place)++, name);
}

static bool next(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  const struct catalog *catalog = context;
  if (kind == RULE_NAME_RANGE) return next_range(catalog, of, place, name);
  if (!is_in_set(kind)) {
    if (*place >= names_count(catalog->engine->names)) return false;
    *name = names_text(catalog->engine->names, (uint32_t)(++*place));
    return true;
  }
  const struct segment_definition *definition = next_definition(catalog, kind, place);
  if (definition != NULL) *name = definition->id;
  return definition != NULL;
}

static bool known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  const struct catalog *catalog = context;
  struct bytes one;
  if (!is_in_set(kind) && kind != RULE_NAME_RANGE) return names_find(catalog->engine->names, name) != 0;
  for (size_t place = 0; next(context, kind, of, &place, &one);)
    if (bytes_equal(one, name)) return true;
  return false;
}

void catalog_open(struct catalog *catalog, struct engine *engine) {
  *catalog = (struct catalog){{catalog, known, next}, engine, live_set(engine)};
}

void catalog_close(struct catalog *catalog) {
  if (catalog->set != NULL) segment_set_close(catalog->set);
}
