// loyalty_simulate.c: a simulation asked for, and the walk over the members it concerns.
//
// First the members are found who have an order of the period (rows "o" of LEDGER), then each is simulated on both
// sides, one after the other, in order of their ids: of one workspace and one request always the same report. Members
// are worked at one by one under their own lock, so that tills go on meanwhile; what is booked while it runs may or may
// not be in it.
#include "engine/loyalty_simulate.h"

#include <string.h>

#include "engine/loyalty_request.h"
#include "engine/query_private.h"
#include "rule/literal.h"

struct ids {
  uint64_t *items;
  size_t count, capacity;
};

// --- the request ---------------------------------------------------------------------------------------------

static enum err bad(const char *name, const char *code, const char *expected, struct diag *diag) {
  diag_set(diag, ERR_INVALID, code, "the member \"%s\" must be %s", name, expected);
  diag_in_field(diag, "%s", name);
  return ERR_INVALID;
}

static enum err read_instant(struct member_call *call, const char *name, const struct rule_zone *zone, int64_t *time_us,
                             struct diag *diag) {
  struct rule_problem problem;
  struct bytes text;
  bool has_offset;
  enum err err = member_call_text(call, name, true, &text, diag);
  if (err != ERR_OK) return err;
  err = rule_literal_time(text, time_us, &has_offset, &problem);
  if (err == ERR_OK && !has_offset) err = rule_time_from_wall(zone, *time_us, time_us);
  return err == ERR_OK ? ERR_OK : bad(name, "bad_date", "a date or a time, such as 2026-05-31", diag);
}

static enum err read_period(struct member_call *call, struct engine_simulation *simulation, struct diag *diag) {
  const struct loyalty_set *set = simulation->sides[SIDE_WOULD_BE].set;
  const struct rule_zone *zone = loyalty_set_zone(set, loyalty_set_programme_at(set, 0)->number);
  enum err err = read_instant(call, "from", zone, &simulation->from_us, diag);
  if (err == ERR_OK) err = read_instant(call, "to", zone, &simulation->to_us, diag);
  if (err != ERR_OK || simulation->from_us < simulation->to_us) return err;
  return bad("to", "bad_period", "later than \"from\"", diag);
}

static enum err read_documents(struct member_call *call, struct engine_simulation *simulation,
                               struct rule_diag *refusal, struct diag *diag) {
  static const char *const names[] = {"programmes", "campaigns", "vouchers"};
  struct value documents[LOYALTY_KIND_VOUCHER + 1];
  for (int i = 0; i <= LOYALTY_KIND_VOUCHER; i++) {
    documents[i] = value_member(call->request, call->engine->names, bytes_from_text(names[i]));
    if (!value_is_absent(documents[i]) && value_type(documents[i]) != VALUE_LIST)
      return bad(names[i], "wrong_type", "a list of documents", diag);
  }
  enum err err = loyalty_set_as_if(call->engine, documents, &simulation->sides[SIDE_WOULD_BE].set, refusal, diag);
  if (err != ERR_OK) return err;
  simulation->sides[SIDE_AS_IS].set = loyalty_hold(call->engine);
  if (simulation->sides[SIDE_AS_IS].set != NULL) return ERR_OK;
  return diag_set(diag, ERR_NOT_FOUND, "no_programme", "this workspace has no loyalty programme yet");
}

// Refused now, not when the job runs.
static enum err check_where(struct engine_simulation *simulation, struct rule_diag *refusal, struct diag *diag) {
  const struct engine_query_options options = {.text = simulation->where};
  struct engine_query *query;
  struct engine_view *view;
  if (simulation->where.size_bytes == 0) return ERR_OK;
  enum err err = engine_view_open(simulation->engine, &view);
  if (err != ERR_OK) return engine_explain_failure(err, diag);
  err = engine_query_open(view, &options, &query, refusal, diag);
  if (err == ERR_OK) engine_query_close(query);
  if (err == ERR_INVALID) diag_in_field(diag, "where");
  engine_view_close(view);
  return err;
}

static enum err read_where(struct member_call *call, struct engine_simulation *simulation, struct rule_diag *refusal,
                           struct diag *diag) {
  struct value member = value_member(call->request, call->engine->names, BYTES("where"));
  struct bytes text = BYTES("");
  if (value_is_absent(member) || value_type(member) == VALUE_NULL) return ERR_OK;
  if (!value_as_text(member, &text)) return bad("where", "wrong_type", "an expression", diag);
  if (text.size_bytes == 0) return ERR_OK;
  simulation->where = arena_copy(&simulation->arena, text);
  return simulation->where.data == NULL ? diag_no_memory(diag) : check_where(simulation, refusal, diag);
}

enum err engine_simulation_open(struct engine *engine, struct value request, struct engine_simulation **simulation,
                                struct rule_diag *refusal, struct diag *diag) {
  struct engine_simulation *made = alloc_zero(1, sizeof *made);
  struct member_call call;
  if (made == NULL) return diag_no_memory(diag);
  made->engine = engine;
  arena_init(&made->arena, 0);
  member_call_open(&call, engine, NULL, request, NULL);
  enum err err = read_documents(&call, made, refusal, diag);
  if (err == ERR_OK) err = read_period(&call, made, diag);
  if (err == ERR_OK) err = read_where(&call, made, refusal, diag);
  member_call_close(&call);
  if (err == ERR_OK)
    *simulation = made;
  else
    engine_simulation_close(made);
  return err;
}

void engine_simulation_close(struct engine_simulation *simulation) {
  for (size_t i = 0; i < SIDE_COUNT; i++) {
    struct simulate_side *side = &simulation->sides[i];
    if (side->set != NULL) loyalty_set_close(side->set);
    loyalty_trial_release(&side->counters);
    tally_release(&side->total);
  }
  tally_release(&simulation->ledger);
  arena_release(&simulation->arena);
  alloc_free(simulation);
}

// --- who -----------------------------------------------------------------------------------------------------

static bool add_id(struct ids *ids, uint64_t id) {
  if (ids->count == ids->capacity) {
    size_t capacity = ids->capacity * 2 + 64;
    uint64_t *larger = alloc_resize(ids->items, capacity * sizeof *larger);
    if (larger == NULL) return false;
    ids->items = larger;
    ids->capacity = capacity;
  }
  ids->items[ids->count++] = id;
  return true;
}

static enum err is_of_period(const struct engine_simulation *simulation, struct bytes row, struct arena *arena,
                             bool *is) {
  struct loyalty_order order;
  arena_clear(arena);
  enum err err = loyalty_order_decode(row, arena, &order);
  *is = err == ERR_OK && order.time_us >= simulation->from_us && order.time_us < simulation->to_us;
  return err == ERR_CORRUPT ? ERR_OK : err; // `rapport check` names it
}

static enum err walk(const struct engine_simulation *simulation, struct store_cursor *cursor, struct arena *arena,
                     struct ids *ids) {
  struct bytes key, row;
  enum err err = ERR_OK;
  bool more = store_cursor_next(cursor, &key, &row);
  while (err == ERR_OK && more) {
    uint64_t id = key_read_u64(key.data);
    uint8_t kind = key.data[sizeof id];
    bool found = false;
    struct key next;
    if (kind == 'o') err = is_of_period(simulation, row, arena, &found);
    if (found && !add_id(ids, id)) return ERR_NO_MEMORY;
    if (kind < 'o' || kind > 'o' || found) {
      loyalty_row_key(&next, kind < 'o' ? id : id + 1, 'o', BYTES(""));
      store_cursor_seek(cursor, key_view(&next));
    }
    more = err == ERR_OK && store_cursor_next(cursor, &key, &row);
  }
  return err == ERR_OK ? store_cursor_error(cursor) : err;
}

static enum err find_members(const struct engine_simulation *simulation, struct ids *ids) {
  struct store_snapshot *snapshot;
  struct store_cursor *cursor;
  struct arena arena;
  enum err err = store_snapshot_open(simulation->engine->store, &snapshot);
  if (err != ERR_OK) return err;
  arena_init(&arena, 0);
  err = store_snapshot_scan(snapshot, STORE_LEDGER, BYTES(""), BYTES(""), &cursor);
  if (err == ERR_OK) {
    err = walk(simulation, cursor, &arena, ids);
    store_cursor_close(cursor);
  }
  arena_release(&arena);
  store_snapshot_close(snapshot);
  return err;
}

// Those of whom the condition is true stay; an answer that is not known is no.
static enum err ask_all(struct engine_query *query, struct query_asker *asker, struct ids *ids) {
  struct arena arena;
  size_t kept = 0;
  enum err err = ERR_OK;
  arena_init(&arena, 0);
  for (size_t i = 0; err == ERR_OK && i < ids->count; i++) {
    struct rule_answer answer;
    struct facts facts;
    arena_clear(&arena);
    facts_init(&facts, (struct timeline_reader){.snapshot = query->view->snapshot}, &arena, &query->view->sources);
    facts_reset(&facts, ids->items[i], NULL, NULL);
    query_asker_attach(asker, &facts);
    err = query_asker_run(asker, query->program, &facts, false, &answer);
    bool is_true =
        err == ERR_OK && answer.status == RULE_KNOWN && answer.value.type == RULE_TYPE_BOOL && answer.value.boolean;
    if (is_true) ids->items[kept++] = ids->items[i];
    facts_release(&facts);
  }
  ids->count = kept;
  arena_release(&arena);
  return err;
}

static enum err choose(const struct engine_simulation *simulation, struct ids *ids, struct diag *diag) {
  const struct engine_query_options options = {.text = simulation->where};
  struct query_asker *asker = NULL;
  struct engine_query *query = NULL;
  struct engine_view *view;
  if (simulation->where.size_bytes == 0) return ERR_OK;
  enum err err = engine_view_open(simulation->engine, &view);
  if (err != ERR_OK) return err;
  err = engine_query_open(view, &options, &query, NULL, diag);
  if (err == ERR_OK) err = query_asker_open(query, &asker);
  if (err == ERR_OK) err = ask_all(query, asker, ids);
  query_asker_close(asker);
  if (query != NULL) engine_query_close(query);
  engine_view_close(view);
  return err;
}

// --- all of them ---------------------------------------------------------------------------------------------

static int64_t distance(const struct simulate_largest *one) {
  int64_t difference = one->micros[SIDE_WOULD_BE] - one->micros[SIDE_AS_IS];
  return difference < 0 ? -difference : difference;
}

// Costs are never below zero, so that their difference is a number. Of equal ones the older member comes first.
static void note_largest(struct engine_simulation *simulation, const struct simulate_largest *one) {
  size_t at = simulation->largest_count;
  if (distance(one) == 0) return;
  while (at > 0 && distance(&simulation->largest[at - 1]) < distance(one)) at--;
  if (at == LARGEST) return;
  if (simulation->largest_count < LARGEST) simulation->largest_count++;
  for (size_t i = simulation->largest_count - 1; i > at; i--) simulation->largest[i] = simulation->largest[i - 1];
  simulation->largest[at] = *one;
}

// One whom the rules of booking refuse, or whose rows cannot be read, is left out and counted.
static bool is_left_out(enum err err) {
  return err == ERR_LIMIT || err == ERR_INVALID || err == ERR_DENIED || err == ERR_CORRUPT;
}

static enum err add_member(struct engine_simulation *simulation, uint64_t customer, const struct tally *tallies,
                           const struct tally *ledger) {
  struct simulate_largest one = {.customer = customer};
  enum err err = tally_add(&simulation->ledger, ledger);
  for (size_t i = 0; err == ERR_OK && i < SIDE_COUNT; i++) {
    err = tally_add(&simulation->sides[i].total, &tallies[i]);
    if (err == ERR_OK) err = tally_cost(&tallies[i], simulation->sides[i].set, &one.micros[i]);
  }
  if (err != ERR_OK) return err;
  simulation->members += tallies[SIDE_AS_IS].orders > 0;
  note_largest(simulation, &one);
  return ERR_OK;
}

static enum err run_member(struct engine_simulation *simulation, uint64_t customer, struct tally *tallies,
                           struct tally *ledger, struct diag *diag) {
  struct diag own;
  enum err err = ERR_OK;
  diag_init(&own);
  for (size_t i = 0; err == ERR_OK && i < SIDE_COUNT; i++)
    err = simulate_member(simulation, &simulation->sides[i], customer, &tallies[i], i == SIDE_AS_IS ? ledger : NULL,
                          &own);
  if (is_left_out(err)) {
    simulation->skipped++;
    return ERR_OK;
  }
  if (err != ERR_OK) {
    *diag = own;
    return err;
  }
  err = add_member(simulation, customer, tallies, ledger);
  if (err == ERR_LIMIT) return diag_set(diag, err, "overflow", "a sum of the simulation leaves 64 bits");
  return err == ERR_NO_MEMORY ? diag_no_memory(diag) : err;
}

enum err engine_simulation_run(struct engine_simulation *simulation,
                               bool (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                               struct json_writer *writer, struct diag *diag) {
  struct tally tallies[SIDE_COUNT] = {{0}}, ledger = {0};
  struct ids ids = {0};
  enum err err = find_members(simulation, &ids);
  if (err == ERR_OK) err = choose(simulation, &ids, diag);
  for (size_t i = 0; err == ERR_OK && i < ids.count; i++) {
    if (progress != NULL && !progress(context, i, ids.count))
      err = diag_set(diag, ERR_STOPPED, "stopped", "the simulation was stopped; nothing of it is left");
    else
      err = run_member(simulation, ids.items[i], tallies, &ledger, diag);
  }
  if (err == ERR_OK && progress != NULL) progress(context, ids.count, ids.count);
  for (size_t i = 0; i < SIDE_COUNT; i++) tally_release(&tallies[i]);
  tally_release(&ledger);
  alloc_free(ids.items);
  if (err == ERR_OK) err = simulate_json(simulation, writer, diag);
  return err == ERR_OK || (diag != NULL && diag->err == err) ? err : engine_explain_failure(err, diag);
}
