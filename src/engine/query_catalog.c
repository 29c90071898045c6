// query_catalog.c: what an expression may name: traits, events, properties, segments, attributes.
//
// The dictionary has every name that ever came in, of traits, events and properties alike: a name that is not in it was
// never seen as any of them, which is what a warning needs. Which of the three it was would take a read of samples.
#include "engine/query_private.h"

static bool is_stored(enum rule_name_kind kind) {
  return kind == RULE_NAME_TRAIT || kind == RULE_NAME_EVENT || kind == RULE_NAME_PROPERTY;
}

// A full dictionary knows less than there is, and then nothing is unknown.
static bool is_known(void *context, enum rule_name_kind kind, struct bytes of, struct bytes name) {
  struct engine *engine = context;
  (void)of;
  if (!is_stored(kind)) return false;
  return names_find(engine->names, name) != 0 || names_count(engine->names) >= LIMIT_NAMES;
}

static bool next_name(void *context, enum rule_name_kind kind, struct bytes of, size_t *place, struct bytes *name) {
  struct engine *engine = context;
  (void)of;
  if (!is_stored(kind) || *place >= names_count(engine->names)) return false;
  *name = names_text(engine->names, (uint32_t)++ * place);
  return true;
}

struct rule_catalog query_catalog(struct engine *engine) {
  return (struct rule_catalog){engine, is_known, next_name};
}
