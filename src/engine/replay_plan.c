// replay_plan.c: where the outcome of a replay differs from what is stored.
//
// Compared are decisions, not customers: an edge that was refused is cut, a refusal that was accepted becomes an edge.
// What is parted or joined by that follows. A pair that is an edge by another decision needs no second one.
#include <stdlib.h>

#include "engine/replay_group.h"

static uint64_t pair_of(uint32_t a, uint32_t b) {
  return a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
}

static int by_value(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

struct pairs {
  uint64_t *items;
  size_t count;
};

static bool has_pair(const struct pairs *pairs, uint32_t a, uint32_t b) {
  uint64_t pair = pair_of(a, b);
  return pairs->count > 0 && bsearch(&pair, pairs->items, pairs->count, sizeof pair, by_value) != NULL;
}

static void cut(const struct replay *replay, struct replay_plan *plan, const struct decision *decision,
                enum identity_reason reason) {
  plan->cuts[plan->cut_count++] = (struct replay_cut){.customer = decision->customer,
                                                      .number = decision->row,
                                                      .reason = reason,
                                                      .a = replay->nodes[decision->a].identifier,
                                                      .b = replay->nodes[decision->b].identifier};
}

// A refusal says of a value that several people use it, or no longer: other rules ask for that later.
static void restate(struct replay_plan *plan, const struct decision *decision) {
  bool different = decision->verdict == IDENTITY_DIFFERENT_PERSON;
  if (decision->state != IS_REFUSAL || decision->verdict == IDENTITY_OK || different == decision->says_different)
    return;
  plan->restates[plan->restate_count++] =
      (struct replay_cut){.customer = decision->customer, .number = decision->row, .reason = decision->verdict};
}

static void accept(const struct replay *replay, struct replay_plan *plan, const struct decision *decision) {
  plan->accepts[plan->accept_count++] = (struct replay_accept){.a = replay->nodes[decision->a].identifier,
                                                               .b = replay->nodes[decision->b].identifier,
                                                               .row = decision->row,
                                                               .decision = decision->refused ? 0 : decision->number,
                                                               .place = decision->place,
                                                               .rule = decision->refused ? "rules"
                                                                       : decision->alias ? "alias"
                                                                                         : "same_event",
                                                               .different = decision->different,
                                                               .source = decision->source,
                                                               .message_id = decision->message_id,
                                                               .time_us = decision->time_us,
                                                               .received_us = decision->received_us};
}

static void accept_stand_in(const struct replay *replay, struct replay_plan *plan, const struct stand_in *wanted) {
  accept(replay, plan, wanted->decision);
  struct replay_accept *accepted = &plan->accepts[plan->accept_count - 1];
  accepted->a = replay->nodes[wanted->a].identifier;
  accepted->row = accepted->decision = 0;
  accepted->stands_for = wanted->decision->number;
  accepted->anchor = replay->nodes[wanted->decision->a].identifier;
}

// Notes that an identifier is shared, or no longer, unless its row says so.
static enum err share(const struct replay *replay, struct replay_plan *plan, const struct node *node, bool shared) {
  struct engine_person_row person;
  struct key key;
  struct bytes row;
  identifier_key(node->identifier, replay->view->engine->names, &key);
  enum err err = store_snapshot_get(replay->view->snapshot, STORE_IDENTIFIER, key_view(&key), replay->arena, &row);
  if (err != ERR_OK || !engine_person_decode(row, &person) || person.customer == 0) return err;
  if (person.shared != shared) plan->shares[plan->share_count++] = (struct replay_share){node->identifier, shared};
  return ERR_OK;
}

static enum err plan_shares(const struct replay *replay, struct replay_plan *plan, const struct decision *decision) {
  const struct node *ends[] = {&replay->nodes[decision->a], &replay->nodes[decision->b]};
  enum err err = ERR_OK;
  for (int i = 0; err == ERR_OK && i < 2; i++) {
    bool asked = decision->verdict == IDENTITY_DIFFERENT_PERSON || decision->different;
    if (!asked || ends[i]->dead || ends[i]->inert) continue;
    bool known = ends[i]->shared || decision->verdict == IDENTITY_OK || !replay_may_be_shared(replay, ends[i]);
    if (known) err = share(replay, plan, ends[i], ends[i]->shared);
  }
  return err;
}

// What joins people, is an edge already and stays one.
static enum err standing_pairs(const struct replay *replay, struct pairs *pairs) {
  pairs->items = arena_take(replay->arena, (replay->decision_count + 1) * sizeof *pairs->items);
  if (pairs->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < replay->decision_count; i++) {
    const struct decision *decision = &replay->decisions[i];
    if (decision->state == IS_EDGE && !decision->sign_in && decision->verdict == IDENTITY_OK)
      pairs->items[pairs->count++] = pair_of(decision->a, decision->b);
  }
  if (pairs->count > 1) qsort(pairs->items, pairs->count, sizeof *pairs->items, by_value);
  return ERR_OK;
}

static enum err wanted_stand_ins(const struct replay *replay, struct pairs *pairs) {
  pairs->items = arena_take(replay->arena, (replay->stand_in_count + 1) * sizeof *pairs->items);
  if (pairs->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < replay->stand_in_count; i++)
    pairs->items[pairs->count++] = pair_of(replay->stand_ins[i].a, replay->stand_ins[i].b);
  if (pairs->count > 1) qsort(pairs->items, pairs->count, sizeof *pairs->items, by_value);
  return ERR_OK;
}

static void plan_stand_ins(const struct replay *replay, struct replay_plan *plan, const struct pairs *standing,
                           const struct pairs *present) {
  for (size_t i = 0; i < replay->stand_in_count; i++) {
    const struct stand_in *wanted = &replay->stand_ins[i];
    if (has_pair(standing, wanted->a, wanted->b) || has_pair(present, wanted->a, wanted->b)) continue;
    accept_stand_in(replay, plan, wanted);
  }
}

static enum err present_stand_ins(const struct replay *replay, struct pairs *pairs) {
  pairs->items = arena_take(replay->arena, (replay->decision_count + 1) * sizeof *pairs->items);
  if (pairs->items == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < replay->decision_count; i++)
    if (replay->decisions[i].state == IS_STAND_IN)
      pairs->items[pairs->count++] = pair_of(replay->decisions[i].a, replay->decisions[i].b);
  if (pairs->count > 1) qsort(pairs->items, pairs->count, sizeof *pairs->items, by_value);
  return ERR_OK;
}

enum err replay_make_plan(const struct replay *replay, struct replay_plan *plan) {
  size_t most = replay->decision_count + replay->stand_in_count + 1;
  struct pairs standing = {0}, wanted = {0}, present = {0};
  *plan = (struct replay_plan){.cuts = arena_take(replay->arena, most * sizeof *plan->cuts),
                               .accepts = arena_take(replay->arena, most * sizeof *plan->accepts),
                               .shares = arena_take(replay->arena, 2 * most * sizeof *plan->shares),
                               .restates = arena_take(replay->arena, most * sizeof *plan->restates)};
  if (plan->cuts == NULL || plan->accepts == NULL || plan->shares == NULL || plan->restates == NULL)
    return ERR_NO_MEMORY;
  enum err err = standing_pairs(replay, &standing);
  if (err == ERR_OK) err = wanted_stand_ins(replay, &wanted);
  if (err == ERR_OK) err = present_stand_ins(replay, &present);
  for (size_t i = 0; err == ERR_OK && i < replay->decision_count; i++) {
    const struct decision *decision = &replay->decisions[i];
    bool stands = has_pair(&standing, decision->a, decision->b);
    if (decision->sign_in) continue;
    if (decision->state == IS_STAND_IN) {
      bool kept =
          decision->anchor_lost ? decision->verdict == IDENTITY_OK : has_pair(&wanted, decision->a, decision->b);
      if (stands || !kept) cut(replay, plan, decision, IDENTITY_OK);
      continue;
    }
    if (decision->state == IS_EDGE && decision->verdict != IDENTITY_OK) cut(replay, plan, decision, decision->verdict);
    if (decision->state == IS_REFUSAL && decision->verdict == IDENTITY_OK && !stands) accept(replay, plan, decision);
    restate(plan, decision);
    err = plan_shares(replay, plan, decision);
  }
  if (err == ERR_OK) plan_stand_ins(replay, plan, &standing, &present);
  return err;
}
