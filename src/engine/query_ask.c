// query_ask.c: one thread that runs programs over customers, and answers what they ask about segments and attributes.
//
// A lookup reads the customer's membership in the query's snapshot and brings it up to now, in memory alone, as every
// reader does: a timer that is late changes nothing. An answer that is not known makes the whole run unknown, as it
// does where segments are evaluated. The table of definitions is held for one lookup at a time, never for a walk:
// whoever changes a definition would wait for it, and every commit behind him.
#include "engine/query_private.h"
#include "engine/segments.h"

struct query_asker {
  struct engine_query *query;
  struct rule_machine *machine;
  struct rule_machine *inner; // of lookups: they come in the middle of a run; NULL until the first
  struct arena arena;         // of the lookups of one run
  struct facts facts;
  bool met_unknown;
};

enum err query_asker_open(struct engine_query *query, struct query_asker **asker) {
  struct query_asker *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return ERR_NO_MEMORY;
  made->query = query;
  arena_init(&made->arena, 0);
  enum err err = rule_machine_open(&made->machine, NULL);
  if (err == ERR_OK)
    *asker = made;
  else
    query_asker_close(made);
  return err;
}

void query_asker_close(struct query_asker *asker) {
  if (asker == NULL) return;
  if (asker->machine != NULL) rule_machine_close(asker->machine);
  if (asker->inner != NULL) rule_machine_close(asker->inner);
  arena_release(&asker->arena);
  alloc_free(asker);
}

// --- segments and attributes ---------------------------------------------------------------------------------

static enum err read_membership(struct query_asker *asker, uint64_t customer, struct membership *membership) {
  struct engine_view *view = asker->query->view;
  struct key key;
  struct bytes row;
  customer_key(customer, CUSTOMER_ROW_MEMBERSHIP, &key);
  enum err err = store_snapshot_get(view->snapshot, STORE_CUSTOMER, key_view(&key), &asker->arena, &row);
  return err == ERR_OK ? membership_decode(row, &asker->arena, membership) : err;
}

static enum err answer_question(struct query_asker *asker, uint64_t customer, uint32_t question,
                                struct membership_entry *entry) {
  struct engine_view *view = asker->query->view;
  struct membership membership;
  if (asker->inner == NULL) {
    enum err err = rule_machine_open(&asker->inner, NULL);
    if (err != ERR_OK) return err;
  }
  enum err err = read_membership(asker, customer, &membership);
  if (err != ERR_OK) return err;
  facts_init(&asker->facts, (struct timeline_reader){.snapshot = view->snapshot}, &asker->arena, &view->sources);
  facts_reset(&asker->facts, customer, NULL, NULL);
  struct segment_evaluation evaluation = {.set = view->engine->live->table->set,
                                          .machine = asker->inner,
                                          .facts = &asker->facts,
                                          .arena = &asker->arena,
                                          .membership = &membership,
                                          .now_us = clock_now_us(view->engine->clock)};
  return segment_answer(&evaluation, question, entry);
}

static enum err look_up(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct query_asker *asker = context;
  struct engine *engine = asker->query->view->engine;
  bool wants_value = function == RULE_FUNCTION_NONE;
  struct membership_entry entry;
  (void)count, (void)now_us;
  *value = (struct rule_value){.type = RULE_TYPE_NULL};
  if (!wants_value && function != RULE_FUNCTION_in_segment) return ERR_OK;
  live_hold(engine);
  const struct segment_definition *definition = segments_find(engine, arguments[0]);
  bool found = definition != NULL && (definition->kind == SEGMENT_ATTRIBUTE) == wants_value;
  enum err err = found ? answer_question(asker, customer, definition->question, &entry) : ERR_NOT_FOUND;
  live_release(engine);
  if (err != ERR_OK) return err == ERR_NOT_FOUND ? ERR_OK : err;
  asker->met_unknown = asker->met_unknown || entry.unknown;
  *until_us = entry.valid_until_us;
  *value =
      wants_value ? rule_value_of(entry.value) : (struct rule_value){.type = RULE_TYPE_BOOL, .boolean = entry.member};
  return ERR_OK;
}

// --- runs ----------------------------------------------------------------------------------------------------

struct scan_options query_asker_scan(struct query_asker *asker, uint64_t from, uint64_t to) {
  const struct engine_query *query = asker->query;
  return (struct scan_options){.snapshot = query->view->snapshot,
                               .sources = &query->view->sources,
                               .from = from,
                               .to = to,
                               .records = query->records,
                               .events = query->events,
                               .lookup = look_up,
                               .lookup_context = asker};
}

void query_asker_attach(struct query_asker *asker, struct facts *facts) {
  facts->lookup = look_up;
  facts->lookup_context = asker;
}

enum err query_asker_run(struct query_asker *asker, const struct rule_program *program, const struct facts *facts,
                         bool want_until, struct rule_answer *answer) {
  asker->met_unknown = false;
  arena_clear(&asker->arena);
  enum err err = rule_run(asker->machine, program, &facts->customer, asker->query->at_us, want_until, answer);
  if (err != ERR_OK || !asker->met_unknown) return err;
  answer->status = RULE_UNKNOWN;
  answer->value = (struct rule_value){.type = RULE_TYPE_NULL};
  return ERR_OK;
}
