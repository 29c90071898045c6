// replay.c: the same decisions, other rules.
//
// Nodes are identifiers: a person's stands for itself wherever it is listed, a device's for itself beside each person
// who signed in on it, because devices join nobody. Components are lists of nodes; joining relabels the shorter list.
// Invariants:
//   1. node.component is the index of the component's first node, whose `size` is the component's.
//   2. A node the rules block is dead: in no decision, a customer by itself. One whose type the rules do not know is
//      inert: it stays with the first that it was paired with, and joins nobody.
//   3. A node that is listed by no record of today (it was refused everywhere) makes no customer by itself.
//   4. The outcome is a function of the decisions in their order, of the cannot-links and of the events; not of which
//      pairs are edges now, nor of which customer lists what. So it is the same before, amid and after carrying it out.
#include <stdlib.h>

#include "engine/replay_group.h"

// --- names, for the guard of shared values -------------------------------------------------------------------

static enum err add_said(void *context, const struct replay_said *event) {
  struct replay *replay = context;
  struct said *all = arena_grow(replay->arena, replay->said, replay->said_count, &replay->said_capacity,
                                REPLAY_FIRST_ROOM, sizeof *all);
  if (all == NULL) return ERR_NO_MEMORY;
  replay->said = all;
  struct said *said = &all[replay->said_count];
  *said = (struct said){.event = *event, .next = REPLAY_NONE};
  said->nodes = arena_take(replay->arena, event->person_count * sizeof *said->nodes);
  if (said->nodes == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < event->person_count; i++) {
    said->nodes[i] = replay_find_node(replay, event->persons[i], REPLAY_NONE);
    if (said->nodes[i] == REPLAY_NONE) return ERR_OK; // of somebody who is not in this group: gives its names to nobody
  }
  said->next = replay->nodes[said->nodes[0]].said;
  replay->nodes[said->nodes[0]].said = (uint32_t)replay->said_count++;
  return ERR_OK;
}

// Read when the first decision asks for it: most groups never do.
static enum err read_said(struct replay *replay) {
  enum err err = ERR_OK;
  if (replay->said_read) return ERR_OK;
  replay->said_read = true;
  for (size_t i = 0; err == ERR_OK && i < replay->customer_count; i++)
    err = replay_names(replay->view, replay->rules->rules, replay->customers[i], replay->arena, add_said, replay,
                       replay->diag);
  return err;
}

// Was it said before the decision, of persons who are all of this component?
static bool counts_for(const struct replay *replay, const struct said *said, uint32_t component,
                       const struct decision *decision) {
  bool before =
      decision->place != 0 ? said->event.sequence < decision->place : said->event.received_us <= decision->received_us;
  if (decision->refused && said->event.event == decision->event) before = false;
  for (size_t i = 0; before && i < said->event.person_count; i++)
    before = replay->nodes[said->nodes[i]].component == component;
  return before;
}

static bool is_newer(const struct replay_said *a, const struct replay_said *b) {
  if (b == NULL || a->correction != b->correction) return b == NULL || a->correction;
  return identity_instant_compare(&a->at, &b->at) > 0;
}

// The newest name and birth date of a component.
static void name_side(const struct replay *replay, uint32_t component, const struct decision *decision,
                      struct identity_side *side) {
  const struct replay_said *name = NULL, *date = NULL;
  for (uint32_t node = component; node != REPLAY_NONE; node = replay->nodes[node].next)
    for (uint32_t i = replay->nodes[node].said; i != REPLAY_NONE; i = replay->said[i].next) {
      const struct replay_said *event = &replay->said[i].event;
      if (!counts_for(replay, &replay->said[i], component, decision)) continue;
      if (event->given_name.size_bytes > 0 && is_newer(event, name)) name = event;
      if (event->birth_date != 0 && is_newer(event, date)) date = event;
    }
  if (name != NULL) side->given_name = name->given_name;
  if (date != NULL) side->birth_date = date->birth_date;
}

// Where nothing was known of a side, the event that asks speaks for the person it names.
static void name_by_event(const struct replay *replay, const struct decision *decision, struct identity_side *side) {
  for (size_t i = 0; i < replay->said_count; i++) {
    const struct replay_said *event = &replay->said[i].event;
    if (event->event != decision->event) continue;
    if (side->given_name.size_bytes == 0) side->given_name = event->given_name;
    if (side->birth_date == 0) side->birth_date = event->birth_date;
    return;
  }
}

// --- order ---------------------------------------------------------------------------------------------------

static int by_place(const void *left, const void *right) {
  const struct decision *a = left, *b = right;
  if ((a->place == 0) != (b->place == 0)) return a->place == 0 ? 1 : -1;
  if (a->place != b->place) return a->place < b->place ? -1 : 1;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

static int by_time(const void *left, const void *right) {
  const struct decision *a = left, *b = right;
  if (a->at_us != b->at_us) return a->at_us < b->at_us ? -1 : 1;
  return by_place(left, right);
}

// Decisions are in the order of their places. Refusals of old have none and stand after what was received no later.
static void sort_decisions(struct replay *replay) {
  if (replay->decision_count < 2) return;
  qsort(replay->decisions, replay->decision_count, sizeof *replay->decisions, by_place);
  for (size_t i = 1; i < replay->decision_count && replay->decisions[i].place != 0; i++)
    if (replay->decisions[i].at_us < replay->decisions[i - 1].at_us)
      replay->decisions[i].at_us = replay->decisions[i - 1].at_us;
  qsort(replay->decisions, replay->decision_count, sizeof *replay->decisions, by_time);
}

// --- deciding ------------------------------------------------------------------------------------------------

static bool lists_device(const struct identity_member *members, size_t count, struct identifier device) {
  for (size_t i = 0; i < count; i++)
    if (identifier_equal(members[i].identifier, device)) return true;
  return false;
}

// A device that two of the persons signed in on is one device of the customer.
static enum err build_side(const struct replay *replay, uint32_t component, struct identity_side *side) {
  const struct node *first = &replay->nodes[component];
  struct identity_member *members = alloc_get(first->size * sizeof *members);
  struct identity_cannot *cannots = alloc_get((replay->parted_count + 1) * sizeof *cannots);
  *side = (struct identity_side){.members = members, .cannots = cannots};
  if (members == NULL || cannots == NULL) return ERR_NO_MEMORY;
  for (uint32_t i = component; i != REPLAY_NONE; i = replay->nodes[i].next) {
    const struct node *node = &replay->nodes[i];
    if (node->device && lists_device(members, side->member_count, node->identifier)) continue;
    members[side->member_count++] = (struct identity_member){node->identifier, node->seen_us};
  }
  for (size_t i = 0; i < replay->parted_count; i++)
    if (replay->nodes[replay->parted[i].own].component == component)
      cannots[side->cannot_count++] = replay->parted[i].pair;
  return ERR_OK;
}

static void free_side(struct identity_side *side) {
  alloc_free((void *)(uintptr_t)side->members);
  alloc_free((void *)(uintptr_t)side->cannots);
}

static void join(struct replay *replay, uint32_t a, uint32_t b) {
  struct node *nodes = replay->nodes;
  if (nodes[a].size < nodes[b].size) {
    uint32_t swapped = a;
    a = b;
    b = swapped;
  }
  for (uint32_t i = b; i != REPLAY_NONE; i = nodes[i].next) nodes[i].component = a;
  nodes[nodes[a].last].next = b;
  nodes[a].last = nodes[b].last;
  nodes[a].size += nodes[b].size;
}

bool replay_may_be_shared(const struct replay *replay, const struct node *node) {
  const struct identity_type *type = identity_type_by_id(replay->rules->rules, node->identifier.type);
  return type != NULL && type->shares;
}

// Was the guard of shared values in force for this type when the pair was accepted?
static bool was_guarded(const struct replay *replay, const struct node *via, const struct decision *decision) {
  size_t count, position = 0;
  const struct identity_type *types = identity_types(replay->rules->rules, &count);
  uint64_t shares = 0;
  if (decision->refused) return false;
  while (position < count && types[position].name != via->identifier.type) position++;
  for (size_t i = 0; i < replay->rules->era_count && replay->rules->eras[i].decision <= decision->number; i++)
    shares = replay->rules->eras[i].shares;
  return (shares >> position & 1) != 0;
}

static bool names_another(const struct replay *replay, uint32_t component, const struct node *via) {
  for (uint32_t i = component; i != REPLAY_NONE; i = replay->nodes[i].next) {
    const struct node *node = &replay->nodes[i];
    if (node != via && !node->device && !node->inert) return true;
  }
  return false;
}

// Gives the two sides names where the guard of shared values wants to compare them.
static enum err name_sides(struct replay *replay, const struct decision *decision, const struct node *via,
                           const struct node *other, struct identity_side *with_via, struct identity_side *without) {
  if (!replay_may_be_shared(replay, via) || was_guarded(replay, via, decision)) return ERR_OK;
  if (!names_another(replay, via->component, via) || !names_another(replay, other->component, via)) return ERR_OK;
  uint32_t via_component = via->component, other_component = other->component;
  enum err err = read_said(replay);
  if (err != ERR_OK) return err;
  name_side(replay, via_component, decision, with_via);
  name_side(replay, other_component, decision, without);
  name_by_event(replay, decision, without);
  return ERR_OK;
}

// May two components become one? `via` is what ties them, and stands in the one that is not `other`'s.
static enum err ask_guards(struct replay *replay, const struct decision *decision, const struct node *via,
                           const struct node *other, enum identity_reason *reason) {
  struct identity_side with_via = {0}, without = {0};
  enum err err = build_side(replay, via->component, &with_via);
  if (err == ERR_OK) err = build_side(replay, other->component, &without);
  if (err == ERR_OK) err = name_sides(replay, decision, via, other, &with_via, &without);
  if (err == ERR_OK)
    *reason = identity_may_join(replay->rules->rules, &without, &with_via, via->identifier, decision->at_us,
                                decision->alias && !decision->refused);
  free_side(&with_via);
  free_side(&without);
  return err;
}

// What decides without asking the guards. IDENTITY_REASON_COUNT: nothing does.
static enum identity_reason foregone(const struct replay *replay, const struct decision *decision,
                                     const struct node *via) {
  const struct node *a = &replay->nodes[decision->a], *b = &replay->nodes[decision->b];
  if (a->dead || b->dead) return IDENTITY_BLOCKED;
  if (a->component == b->component) return IDENTITY_OK;
  if (a->inert || b->inert) {
    bool first = !(a->inert && a->paired) && !(b->inert && b->paired);
    return first && !decision->refused ? IDENTITY_OK : IDENTITY_UNKNOWN_TYPE;
  }
  if (a->shared || b->shared) return IDENTITY_SHARED;
  return decision->different && replay_may_be_shared(replay, via) ? IDENTITY_DIFFERENT_PERSON : IDENTITY_REASON_COUNT;
}

static enum err decide_pair(struct replay *replay, struct decision *decision) {
  struct node *a = &replay->nodes[decision->a], *b = &replay->nodes[decision->b];
  bool via_a = replay_may_be_shared(replay, a) && !replay_may_be_shared(replay, b);
  struct node *via = via_a ? a : b;
  enum err err = ERR_OK;
  decision->verdict = foregone(replay, decision, via);
  if (decision->verdict == IDENTITY_REASON_COUNT)
    err = ask_guards(replay, decision, via, via_a ? b : a, &decision->verdict);
  if (err != ERR_OK) return err;
  if (decision->verdict == IDENTITY_OK && a->component != b->component) join(replay, a->component, b->component);
  if (decision->verdict == IDENTITY_DIFFERENT_PERSON) via->shared = true;
  if (decision->verdict == IDENTITY_OK) a->paired = b->paired = true;
  return ERR_OK;
}

// --- stand-ins -----------------------------------------------------------------------------------------------

// The pairs of an event all have its anchor. When the anchor may tie nobody, the first of the others stands in for it.
static bool lost_its_anchor(const struct replay *replay, const struct decision *decision) {
  const struct node *a = &replay->nodes[decision->a], *b = &replay->nodes[decision->b];
  if (decision->refused || decision->alias || b->dead || b->shared || b->inert) return false;
  return a->dead || a->inert || (a->shared && decision->verdict != IDENTITY_OK);
}

// Decides a pair that has no row of its own to remember that a value is shared: it shares nothing.
static enum err decide_stand_in(struct replay *replay, struct decision *pair) {
  struct node *a = &replay->nodes[pair->a], *b = &replay->nodes[pair->b];
  bool a_shared = a->shared, b_shared = b->shared;
  enum err err = decide_pair(replay, pair);
  a->shared = a_shared;
  b->shared = b_shared;
  return err;
}

static enum err want_stand_in(struct replay *replay, const struct decision *decision) {
  struct stand_in *all = arena_grow(replay->arena, replay->stand_ins, replay->stand_in_count,
                                    &replay->stand_in_capacity, REPLAY_FIRST_ROOM, sizeof *all);
  if (all == NULL) return ERR_NO_MEMORY;
  replay->stand_ins = all;
  all[replay->stand_in_count++] = (struct stand_in){replay->hub, decision->b, decision};
  return ERR_OK;
}

static enum err stand_in(struct replay *replay, const struct decision *decision) {
  if (!lost_its_anchor(replay, decision)) return ERR_OK;
  if (replay->hub == REPLAY_NONE || replay->hub_event != decision->event) {
    replay->hub = decision->b;
    replay->hub_event = decision->event;
    return ERR_OK;
  }
  struct decision pair = *decision;
  pair.a = replay->hub;
  pair.different = false;
  bool apart = replay->nodes[pair.a].component != replay->nodes[pair.b].component;
  enum err err = apart ? decide_stand_in(replay, &pair) : ERR_OK;
  return err == ERR_OK && apart && pair.verdict == IDENTITY_OK ? want_stand_in(replay, decision) : err;
}

static enum err decide(struct replay *replay, struct decision *decision) {
  struct node *a = &replay->nodes[decision->a], *b = &replay->nodes[decision->b];
  if (decision->state == IS_STAND_IN) return decision->anchor_lost ? decide_stand_in(replay, decision) : ERR_OK;
  if (decision->sign_in) {
    if (a->component != b->component) join(replay, a->component, b->component);
    return ERR_OK;
  }
  enum err err = decide_pair(replay, decision);
  return err == ERR_OK ? stand_in(replay, decision) : err;
}

// --- counting ------------------------------------------------------------------------------------------------

// Listings are in order of customers. owners[component]: the first customer found in it, + 1.
static enum err count_outcome(struct replay *replay, struct replay_counts *counts) {
  size_t customers = replay->customer_count + 1;
  uint32_t *owners = arena_take_zero(replay->arena, replay->node_count + 1, sizeof *owners);
  uint32_t *homes = arena_take_zero(replay->arena, customers, sizeof *homes); // a customer's first component, + 1
  uint8_t *merges = arena_take_zero(replay->arena, customers, 1), *parts = arena_take_zero(replay->arena, customers, 1);
  if (owners == NULL || homes == NULL || merges == NULL || parts == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < replay->listing_count; i++) {
    const struct node *node = &replay->nodes[replay->listings[i].node];
    uint32_t customer = replay->listings[i].customer;
    uint32_t *owner = &owners[node->component];
    if (*owner == 0) counts->customers_then++;
    if (*owner != 0 && *owner != customer + 1) merges[customer] = merges[*owner - 1] = 1;
    if (*owner == 0) *owner = customer + 1;
    if (homes[customer] != 0 && homes[customer] != node->component + 1) parts[customer] = 1;
    if (homes[customer] == 0) homes[customer] = node->component + 1;
  }
  counts->customers_now += replay->customers_of_persons;
  for (size_t i = 0; i < customers; i++) {
    counts->would_merge += merges[i];
    counts->would_part += parts[i];
  }
  return ERR_OK;
}

// --- a group -------------------------------------------------------------------------------------------------

enum err replay_group(struct engine_view *view, const struct replay_rules *rules, const uint64_t *customers,
                      size_t count, bool refusals, struct arena *arena, struct replay_counts *counts,
                      struct replay_plan *plan, struct diag *diag) {
  struct replay replay = {.view = view,
                          .rules = rules,
                          .arena = arena,
                          .customers = customers,
                          .customer_count = count,
                          .hub = REPLAY_NONE,
                          .diag = diag};
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    replay.customer = (uint32_t)i;
    err = replay_read(&replay, customers[i], refusals);
  }
  if (err != ERR_OK) return err;
  sort_decisions(&replay);
  for (size_t i = 0; err == ERR_OK && i < replay.decision_count; i++) err = decide(&replay, &replay.decisions[i]);
  if (err == ERR_OK) err = count_outcome(&replay, counts);
  return err == ERR_OK && plan != NULL ? replay_make_plan(&replay, plan) : err;
}
