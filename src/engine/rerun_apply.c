// rerun_apply.c: a plan of replay.c becomes commits.
//
// First refusals get the reason that holds now. Then stand-ins between identifiers that are still one customer: so what
// ties them is stored before their anchor goes. Then the cuts, customer by customer; then who is shared; then the pairs
// to accept, in their order. Each step is one transaction and leaves a workspace that keeps every invariant, so that a
// stop between two is harmless.
#include <stdlib.h>

#include "engine/loyalty.h"
#include "engine/parts.h"
#include "engine/rerun.h"

enum { CUTS_MAX = 24 }; // of one commit: parts at most one customer more than that

// --- cutting -------------------------------------------------------------------------------------------------

struct cutting {
  uint64_t customer;
  struct parts_cause cause;
  bool unsettled; // rows of the customer lie under other ids yet
};

static enum err cut_body(struct work *work, void *context) {
  struct cutting *cutting = context;
  return split_by_rules(work, cutting->customer, &cutting->cause, &cutting->unsettled);
}

static int by_customer(const void *left, const void *right) {
  const struct replay_cut *a = left, *b = right;
  if (a->customer != b->customer) return a->customer < b->customer ? -1 : 1;
  return (a->number > b->number) - (a->number < b->number);
}

static enum err cut_some(struct engine *engine, const struct replay_cut *cuts, size_t count, uint64_t version,
                         struct diag *diag) {
  struct parts_cut edges[CUTS_MAX];
  struct cutting cutting = {.customer = cuts[0].customer,
                            .cause = {.rules = version, .cuts = edges, .cut_count = count}};
  struct work_plan plan = {.customers = &cutting.customer, .customer_count = 1};
  struct store_mark mark;
  for (size_t i = 0; i < count; i++)
    edges[i] = (struct parts_cut){cuts[i].number, identity_reason_name(cuts[i].reason)};
  enum err err = work_run(engine, &plan, cut_body, &cutting, &mark, diag);
  // A merge may come in between: then there is something pending again.
  for (int tries = 0; err == ERR_BUSY && cutting.unsettled && tries < SETTLE_TRIES_MAX; tries++) {
    err = moves_settle(engine, cutting.customer, diag);
    if (err == ERR_OK) err = work_run(engine, &plan, cut_body, &cutting, &mark, diag);
  }
  if (err != ERR_BUSY || !cutting.unsettled) return err;
  return diag_set(diag, ERR_CONFLICT, "conflict",
                  "customer c%llu kept changing under this re-run; it goes on from there",
                  (unsigned long long)cutting.customer);
}

static enum err cut_all(struct engine *engine, const struct replay_plan *plan, uint64_t version, struct diag *diag) {
  enum err err = ERR_OK;
  if (plan->cut_count > 1) qsort(plan->cuts, plan->cut_count, sizeof *plan->cuts, by_customer);
  for (size_t i = 0, end; err == ERR_OK && i < plan->cut_count; i = end) {
    for (end = i + 1; end < plan->cut_count && end - i < CUTS_MAX;) {
      if (plan->cuts[end].customer != plan->cuts[i].customer) break;
      end++;
    }
    err = cut_some(engine, plan->cuts + i, end - i, version, diag);
  }
  return err;
}

// --- refusals that stand for another reason -------------------------------------------------------------------

struct restating {
  const struct replay_cut *refusal;
  uint64_t version;
};

static enum err restate_body(struct work *work, void *context) {
  const struct restating *restating = context;
  const struct replay_cut *refusal = restating->refusal;
  return parts_restate(work, refusal->customer, refusal->number, identity_reason_name(refusal->reason),
                       restating->version);
}

static enum err restate_all(struct engine *engine, const struct replay_plan *plan, uint64_t version,
                            struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < plan->restate_count; i++) {
    struct restating restating = {&plan->restates[i], version};
    struct work_plan work_plan = {.customers = &plan->restates[i].customer, .customer_count = 1};
    struct store_mark mark;
    err = work_run(engine, &work_plan, restate_body, &restating, &mark, diag);
  }
  return err;
}

// --- sharing -------------------------------------------------------------------------------------------------

static enum err share_body(struct work *work, void *context) {
  const struct replay_share *share = context;
  struct work_target *target = work_target(work, share->identifier);
  if (target == NULL) return ERR_CONFLICT;
  if (target->device != NULL || target->person.customer == 0 || target->person.shared == share->shared) return ERR_OK;
  target->person.shared = share->shared;
  target->dirty = true;
  return ERR_OK;
}

static enum err share_all(struct engine *engine, const struct replay_plan *plan, struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < plan->share_count; i++) {
    struct work_plan work_plan = {.identifiers = &plan->shares[i].identifier, .identifier_count = 1};
    struct store_mark mark;
    err = work_run(engine, &work_plan, share_body, &plan->shares[i], &mark, diag);
  }
  return err;
}

// --- accepting -----------------------------------------------------------------------------------------------

struct acceptance {
  const struct replay_accept *pair;
  uint64_t version;
  bool within; // only when the two are one customer already
};

static void clear_shared(struct work_target *target) {
  if (!target->person.shared) return;
  if (target->type != NULL && target->type->shares) return;
  target->person.shared = false;
  target->dirty = true;
}

// The refusal's row, at either customer, goes, and older ones of the pair that are pending: nothing is to be in their
// way. *found is false when it is gone already: then nothing is to be done.
static enum err take_refusal(struct work *work, const struct replay_accept *pair, const struct work_customer *a,
                             const struct work_customer *b, bool *found) {
  const struct work_customer *holders[] = {a, b};
  enum err err = ERR_OK;
  *found = pair->row == 0;
  for (int i = 0; pair->row != 0 && err == ERR_OK && i < 2; i++) {
    bool there = holders[i] != NULL;
    for (size_t place = 0; err == ERR_OK && there;) {
      struct key key;
      struct bytes row;
      err = parts_find_refusal(work, &holders[i]->record, pair->row, &place, &key, &row);
      there = err == ERR_OK && row.data != NULL;
      if (there) err = store_delete(work->txn, STORE_EDGE, key_view(&key));
      *found = *found || there;
    }
  }
  return err;
}

static enum err attach(struct work *work, const struct replay_accept *pair, struct work_customer *customer,
                       struct work_target *target) {
  uint64_t sequence;
  size_t index;
  enum err err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  struct customer_identifier added = {
      .member = {target->identifier, pair->received_us}, .sequence = sequence, .source = pair->source};
  if (customer_add_identifier(&customer->record, work->arena, &added, &index) != ERR_OK)
    return diag_no_memory(work->diag);
  target->person.customer = customer->record.id;
  target->dirty = true;
  return ERR_OK;
}

// Events that named people of both gave traits to neither: now they are one, so its traits are folded again.
static enum err merge(struct work *work, uint64_t version, struct work_customer **customer,
                      struct work_customer *other) {
  struct engine_event *event = arena_take_zero(work->arena, 1, sizeof *event);
  struct work_event *why = arena_take_zero(work->arena, 1, sizeof *why);
  if (event == NULL || why == NULL) return diag_no_memory(work->diag);
  event->time_us = event->received_us = work->now_us;
  why->event = event;
  why->rules = version;
  enum err err = merge_customers(work, why, *customer, other, customer);
  return err == ERR_OK ? fold_again(work, *customer) : err;
}

static enum err link(struct work *work, const struct acceptance *acceptance, struct work_customer *customer) {
  const struct replay_accept *pair = acceptance->pair;
  int a = customer_find_identifier(&customer->record, pair->a),
      b = customer_find_identifier(&customer->record, pair->b);
  uint64_t sequence = pair->decision; // of the edge
  if (a < 0 || b < 0) return diag_set(work->diag, ERR_CORRUPT, "corrupt", "an identifier's customer does not list it");
  struct engine_edge_row row = {.a = pair->a,
                                .b = pair->b,
                                .rule = pair->rule,
                                .state = "active",
                                .sequence = pair->decision == 0 && pair->stands_for == 0 ? pair->place : 0,
                                .source = pair->source,
                                .message_id = pair->message_id,
                                .time_us = pair->time_us,
                                .received_us = pair->received_us,
                                .rules = pair->decision == 0 ? acceptance->version : 0,
                                .different = pair->different,
                                .stands_for = pair->stands_for,
                                .anchor = pair->anchor};
  enum err err = ERR_OK;
  if (sequence == 0) err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  err = customer_add_edge(&customer->record, work->arena, (size_t)a, (size_t)b, sequence);
  if (err != ERR_OK) return diag_no_memory(work->diag);
  work_touch(customer, work->now_us);
  work->delta.edges++;
  return engine_edge_put(work->engine, work->txn, customer->record.id, ENGINE_EDGE_LINK, sequence, &row, work->arena);
}

static bool are_linked(const struct customer *record, const struct replay_accept *pair) {
  int a = customer_find_identifier(record, pair->a), b = customer_find_identifier(record, pair->b);
  return a >= 0 && b >= 0 && customer_has_edge(record, (size_t)a, (size_t)b);
}

static enum err accept_body(struct work *work, void *context) {
  const struct acceptance *acceptance = context;
  const struct replay_accept *pair = acceptance->pair;
  struct work_target *a = work_target(work, pair->a), *b = work_target(work, pair->b);
  if (a == NULL || b == NULL) return ERR_CONFLICT;
  if (a->device != NULL || b->device != NULL) return ERR_OK;
  if (a->person.customer == 0) { // the anchor may have been nobody's, and the other one somebody's
    struct work_target *swapped = a;
    a = b;
    b = swapped;
  }
  uint64_t id = a->person.customer, other_id = b->person.customer;
  if (id == 0 || (acceptance->within && id != other_id)) return ERR_OK;
  struct work_customer *customer = work_customer(work, id);
  struct work_customer *other = other_id == 0 || other_id == id ? NULL : work_customer(work, other_id);
  if (customer == NULL || (other_id != 0 && other_id != id && other == NULL)) return ERR_CONFLICT;
  if (are_linked(&customer->record, pair)) return ERR_OK;
  bool found = false;
  enum err err = loyalty_prepare(work, NULL, 0, NULL);
  if (err == ERR_OK) err = take_refusal(work, pair, customer, other, &found);
  if (err != ERR_OK || !found) return err;
  clear_shared(a);
  clear_shared(b);
  if (other != NULL) err = merge(work, acceptance->version, &customer, other);
  if (err == ERR_OK && other_id == 0) err = attach(work, pair, customer, b);
  return err == ERR_OK ? link(work, acceptance, customer) : err;
}

static enum err accept_all(struct engine *engine, const struct replay_plan *plan, uint64_t version, bool within,
                           struct diag *diag) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < plan->accept_count; i++) {
    struct acceptance acceptance = {&plan->accepts[i], version, within};
    struct identifier ends[] = {plan->accepts[i].a, plan->accepts[i].b};
    struct work_plan work_plan = {.identifiers = ends, .identifier_count = 2};
    struct store_mark mark;
    if (within && plan->accepts[i].stands_for == 0) continue;
    err = work_run(engine, &work_plan, accept_body, &acceptance, &mark, diag);
  }
  return err;
}

enum err rerun_apply(struct engine *engine, const struct replay_plan *plan, uint64_t version, struct diag *diag) {
  enum err err = restate_all(engine, plan, version, diag);
  if (err == ERR_OK) err = accept_all(engine, plan, version, true, diag);
  if (err == ERR_OK) err = cut_all(engine, plan, version, diag);
  if (err == ERR_OK) err = share_all(engine, plan, diag);
  return err == ERR_OK ? accept_all(engine, plan, version, false, diag) : err;
}
