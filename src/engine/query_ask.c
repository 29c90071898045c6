// query_ask.c: one thread that runs programs over customers, and has answers to what they ask about segments.
//
// An answer that is not known makes the whole run unknown, as it does where segments are evaluated: null would make
// `not in_segment(…)` true.
#include "engine/answers.h"
#include "engine/query_private.h"

struct query_asker {
  struct engine_query *query;
  struct rule_machine *machine;
  struct answers *answers;
  bool met_unknown;
};

enum err query_asker_open(struct engine_query *query, struct query_asker **asker) {
  struct query_asker *made = alloc_zero(1, sizeof *made);
  if (made == NULL) return ERR_NO_MEMORY;
  made->query = query;
  enum err err = answers_open(&made->answers, query->view->engine, query->view->snapshot);
  if (err == ERR_OK) err = rule_machine_open(&made->machine, NULL);
  if (err == ERR_OK)
    *asker = made;
  else
    query_asker_close(made);
  return err;
}

void query_asker_close(struct query_asker *asker) {
  if (asker == NULL) return;
  if (asker->machine != NULL) rule_machine_close(asker->machine);
  answers_close(asker->answers);
  alloc_free(asker);
}

static enum err look_up(void *context, uint64_t customer, enum rule_function function, const struct bytes *arguments,
                        size_t count, int64_t now_us, struct rule_value *value, int64_t *until_us) {
  struct query_asker *asker = context;
  const struct segment_set *set = answers_set(asker->answers);
  bool segments = segment_is_asked(function);
  const struct segment_definition *definition = NULL;
  struct membership_entry entry;
  if (set != NULL && segments && count > 0) definition = segment_set_live(set, arguments[0]);
  if (definition != NULL) {
    enum err err = answers_get(asker->answers, customer, definition->question, &entry);
    if (err != ERR_OK) return err;
    asker->met_unknown = asker->met_unknown || entry.unknown;
  }
  return answers_lookup(asker->answers, customer, function, arguments, count, now_us, value, until_us);
}

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
  enum err err = rule_run(asker->machine, program, &facts->customer, asker->query->at_us, want_until, answer);
  if (err != ERR_OK || !asker->met_unknown) return err;
  answer->status = RULE_UNKNOWN;
  answer->value = (struct rule_value){.type = RULE_TYPE_NULL};
  return ERR_OK;
}
