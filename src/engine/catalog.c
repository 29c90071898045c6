// catalog.c: see catalog.h. The dictionary does not say what a name was used for, so a property's name counts as a
// known event; what matters is that a name nobody ever sent is told, with the nearest that somebody did.
#include "engine/catalog.h"

#include "engine/live.h"

static bool is_in_table(enum rule_name_kind kind) {
  return kind == RULE_NAME_SEGMENT || kind == RULE_NAME_ATTRIBUTE;
}

static bool has_kind(const struct segment_definition *definition, enum rule_name_kind kind) {
  return (definition->kind == SEGMENT_ATTRIBUTE) == (kind == RULE_NAME_ATTRIBUTE);
}

static bool known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  struct engine *engine = context;
  bool found = false;
  (void)of;
  if (!is_in_table(kind)) return names_find(engine->names, name) != 0;
  live_hold(engine);
  const struct live_table *table = engine->live->table;
  for (size_t i = 0; !found && i < table->count; i++)
    found = has_kind(&table->definitions[i], kind) && bytes_equal(table->definitions[i].id, name);
  live_release(engine);
  return found;
}

// The views of segments are good as long as nobody changes definitions: whoever checks one holds `changing`, or asks
// for the nearest word only.
static bool next(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  struct engine *engine = context;
  (void)of;
  if (!is_in_table(kind)) {
    if (*place >= names_count(engine->names)) return false;
    *name = names_text(engine->names, (uint32_t)++ * place);
    return true;
  }
  bool found = false;
  live_hold(engine);
  const struct live_table *table = engine->live->table;
  for (; !found && *place < table->count; ++*place) {
    found = has_kind(&table->definitions[*place], kind);
    if (found) *name = table->definitions[*place].id;
  }
  live_release(engine);
  return found;
}

struct rule_catalog engine_catalog(struct engine *engine) {
  return (struct rule_catalog){.context = engine, .known = known, .next = next};
}
