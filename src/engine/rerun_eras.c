// rerun_eras.c: the versions of the rules as eras of decisions.
//
// A version says of each type whether its values may be shared; the re-run asks whether that guard was in force when a
// pair was accepted. A version that cannot be read any more is passed over.
#include "engine/rerun.h"

static uint64_t shares_of(const struct identity_rules *then, const struct identity_rules *wanted) {
  size_t count;
  const struct identity_type *types = identity_types(wanted, &count);
  uint64_t bits = 0;
  for (size_t i = 0; i < count; i++) {
    const struct identity_type *type = identity_type_by_id(then, types[i].name);
    if (type != NULL && type->shares) bits |= UINT64_C(1) << i;
  }
  return bits;
}

static enum err read_era(struct engine *engine, struct value row, const struct identity_rules *wanted,
                         struct replay_era *era) {
  struct identity_rules *then;
  struct diag ignored;
  diag_init(&ignored);
  struct value document = value_member(row, engine->names, BYTES("rules"));
  enum err err = identity_rules_open(&then, document, 1, engine->names, &ignored);
  if (err != ERR_OK) return err;
  *era = (struct replay_era){(uint64_t)engine_member_i64(engine, row, "decision"), shares_of(then, wanted)};
  identity_rules_close(then);
  return ERR_OK;
}

enum err rerun_eras_open(struct rerun_eras *eras, struct engine_view *view, const struct identity_rules *wanted,
                         struct replay_rules *rules, struct diag *diag) {
  struct engine *engine = view->engine;
  uint64_t newest = identity_rules_version(engine_rules(engine));
  struct arena arena;
  eras->items = alloc_zero((size_t)newest + 1, sizeof *eras->items);
  if (eras->items == NULL) return diag_no_memory(diag);
  *rules = (struct replay_rules){.rules = wanted, .eras = eras->items};
  arena_init(&arena, 0);
  enum err err = ERR_OK;
  for (uint64_t version = 1; err == ERR_OK && version <= newest; version++) {
    struct bytes row;
    struct key key;
    engine_number_key(&key, "rules", version);
    arena_clear(&arena);
    err = store_snapshot_get(view->snapshot, STORE_DOCUMENT, key_view(&key), &arena, &row);
    if (err != ERR_OK) break;
    err = read_era(engine, (struct value){row}, wanted, &eras->items[rules->era_count]);
    if (err == ERR_OK) rules->era_count++;
    if (err == ERR_INVALID || err == ERR_LIMIT) err = ERR_OK;
  }
  arena_release(&arena);
  return err == ERR_OK ? ERR_OK : engine_explain_failure(err, diag);
}

void rerun_eras_close(struct rerun_eras *eras) {
  alloc_free(eras->items);
  eras->items = NULL;
}
