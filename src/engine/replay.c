// replay.c: the same decisions, other rules.
//
// Nodes are identifiers: a person's stands for itself wherever it is listed, a device's for itself within one customer,
// because devices join nobody. Components are lists of nodes; joining relabels the shorter list. Invariants:
//   1. node.component is the index of the component's first node, whose `size` and names are the component's.
//   2. A node the rules do not know or block is dead: in no decision, and no customer by itself.
//   3. A node that is listed by no record of today (it was refused everywhere) makes no customer by itself.
#include "engine/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/work.h"

static const uint32_t NONE = UINT32_MAX;

struct node {
  struct identifier identifier;
  int64_t seen_us;
  uint32_t owner; // the customer (position in the group) a device's node belongs to; NONE for a person's
  bool dead, device, shared;
  uint32_t component, next; // the list of its component; NONE ends it
  uint32_t last, size;      // of a component's first node
  struct bytes given_name;
  int birth_date;
};

struct decision {
  int64_t at_us; // receipt; never falls along the accepted pairs, so that refusals find their place among them
  uint64_t number;
  uint32_t a, b;
  bool refused, alias;
};

struct listing { // this customer's record of today lists that node
  uint32_t customer, node;
};

struct parted {
  uint32_t own;
  struct identity_cannot pair;
};

struct replay {
  struct engine_view *view;
  const struct identity_rules *rules;
  struct arena *arena;
  struct node *nodes;
  size_t node_count, node_capacity;
  uint32_t *slots; // node index + 1, by identifier
  size_t slot_count;
  struct decision *decisions;
  size_t decision_count, decision_capacity;
  struct listing *listings;
  size_t listing_count, listing_capacity;
  struct parted *parted;
  size_t parted_count, parted_capacity;
  uint32_t customer; // being read, by position
  uint64_t customers_read;
  struct customer *record;
  struct diag *diag;
};

// --- growing arrays ------------------------------------------------------------------------------------------

// Room for one more item of an arena's array. NULL when memory is short; the old array is left to the arena.
static void *with_room(struct arena *arena, void *items, size_t count, size_t *capacity, size_t item_bytes) {
  if (count < *capacity) return items;
  size_t wanted = *capacity * 2 + 64;
  void *grown = arena_take(arena, wanted * item_bytes);
  if (grown == NULL) return NULL;
  if (count > 0) memcpy(grown, items, count * item_bytes);
  *capacity = wanted;
  return grown;
}

// --- nodes ---------------------------------------------------------------------------------------------------

static size_t slot_of(const struct replay *replay, struct identifier identifier, uint32_t owner) {
  uint64_t hash = names_hash(replay->view->engine->names, identifier.value);
  return (size_t)(hash ^ ((uint64_t)identifier.type * 0x9e3779b97f4a7c15u) ^ ((uint64_t)owner << 17)) &
         (replay->slot_count - 1);
}

static uint32_t find_node(const struct replay *replay, struct identifier identifier, uint32_t owner) {
  if (replay->slot_count == 0) return NONE;
  for (size_t i = slot_of(replay, identifier, owner); replay->slots[i] != 0; i = (i + 1) & (replay->slot_count - 1)) {
    const struct node *node = &replay->nodes[replay->slots[i] - 1];
    if (node->owner == owner && identifier_equal(node->identifier, identifier)) return replay->slots[i] - 1;
  }
  return NONE;
}

static void set_slot(struct replay *replay, uint32_t index) {
  const struct node *node = &replay->nodes[index];
  size_t i = slot_of(replay, node->identifier, node->owner);
  while (replay->slots[i] != 0) i = (i + 1) & (replay->slot_count - 1);
  replay->slots[i] = index + 1;
}

// At most half of the slots are taken.
static enum err grow_slots(struct replay *replay) {
  if ((replay->node_count + 1) * 2 <= replay->slot_count) return ERR_OK;
  size_t wanted = replay->slot_count == 0 ? 64 : replay->slot_count * 2;
  uint32_t *slots = arena_take_zero(replay->arena, wanted, sizeof *slots);
  if (slots == NULL) return ERR_NO_MEMORY;
  replay->slots = slots;
  replay->slot_count = wanted;
  for (uint32_t i = 0; i < replay->node_count; i++) set_slot(replay, i);
  return ERR_OK;
}

static enum err too_many(struct diag *diag) {
  return diag_set(diag, ERR_LIMIT, "too_many_decisions",
                  "refusals tie more than %d identifiers together; block the values they share, then try again",
                  REPLAY_IDENTIFIERS_MAX);
}

static enum err add_node(struct replay *replay, const struct node *node, uint32_t *index) {
  if (replay->node_count == REPLAY_IDENTIFIERS_MAX) return too_many(replay->diag);
  enum err err = grow_slots(replay);
  struct node *nodes =
      with_room(replay->arena, replay->nodes, replay->node_count, &replay->node_capacity, sizeof *nodes);
  if (err != ERR_OK || nodes == NULL) return ERR_NO_MEMORY;
  replay->nodes = nodes;
  *index = (uint32_t)replay->node_count++;
  nodes[*index] = *node;
  nodes[*index].component = nodes[*index].last = *index;
  nodes[*index].next = NONE;
  nodes[*index].size = 1;
  set_slot(replay, *index);
  return ERR_OK;
}

// The node of an identifier, made when new.
static enum err take_node(struct replay *replay, struct identifier identifier, int64_t seen_us, uint32_t *index) {
  const struct identity_type *type = identity_type_by_id(replay->rules, identifier.type);
  struct node node = {.identifier = identifier, .seen_us = seen_us, .owner = NONE};
  node.dead = type == NULL || identity_is_blocked(replay->rules, type, identifier.value);
  node.device = type != NULL && type->class == IDENTITY_DEVICE;
  if (node.device) node.owner = replay->customer;
  *index = find_node(replay, identifier, node.owner);
  if (*index == NONE) return add_node(replay, &node, index);
  if (seen_us < replay->nodes[*index].seen_us) replay->nodes[*index].seen_us = seen_us;
  return ERR_OK;
}

// --- reading a customer --------------------------------------------------------------------------------------

// The guard of shared phones wants names: read as the engine reads them.
static enum err read_names(struct replay *replay, struct bytes *given_name, int *birth_date) {
  struct work work = {
      .engine = replay->view->engine, .sources = replay->view->sources, .arena = replay->arena, .diag = replay->diag};
  return fold_names_of_record(&work, replay->record, given_name, birth_date);
}

static enum err read_listings(struct replay *replay) {
  struct bytes given_name;
  int birth_date;
  enum err err = read_names(replay, &given_name, &birth_date);
  for (size_t i = 0; err == ERR_OK && i < replay->record->identifier_count; i++) {
    const struct identity_member *member = &replay->record->identifiers[i].member;
    struct listing *listings =
        with_room(replay->arena, replay->listings, replay->listing_count, &replay->listing_capacity, sizeof *listings);
    if (listings == NULL) return ERR_NO_MEMORY;
    replay->listings = listings;
    struct listing *listing = &listings[replay->listing_count];
    *listing = (struct listing){.customer = replay->customer};
    err = take_node(replay, member->identifier, member->seen_us, &listing->node);
    if (err != ERR_OK) break;
    replay->listing_count++;
    replay->nodes[listing->node].given_name = given_name;
    replay->nodes[listing->node].birth_date = birth_date;
  }
  return err;
}

static enum err read_cannots(struct replay *replay) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < replay->record->cannot_count; i++) {
    struct parted *parted =
        with_room(replay->arena, replay->parted, replay->parted_count, &replay->parted_capacity, sizeof *parted);
    if (parted == NULL) return ERR_NO_MEMORY;
    replay->parted = parted;
    parted[replay->parted_count].pair = replay->record->cannots[i].pair;
    err = take_node(replay, parted[replay->parted_count].pair.own, INT64_MAX, &parted[replay->parted_count].own);
    if (err == ERR_OK) replay->parted_count++;
  }
  return err;
}

// An identifier out of a row's document; type 0 when the dictionary no longer knows it.
static enum err read_identifier(struct replay *replay, struct value document, uint32_t name,
                                struct identifier *identifier) {
  identifier->type = 0;
  if (!engine_identifier_read(replay->view->engine, read_text(document, name), identifier)) return ERR_OK;
  identifier->value = arena_copy(replay->arena, identifier->value);
  return identifier->value.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// A row of EDGE becomes a decision. Rows whose identifiers no longer exist in the dictionary say nothing.
static enum err add_decision(struct replay *replay, uint64_t number, struct value document, bool refused) {
  const struct engine *engine = replay->view->engine;
  struct identifier a, b;
  struct decision *decisions = with_room(replay->arena, replay->decisions, replay->decision_count,
                                         &replay->decision_capacity, sizeof *decisions);
  if (decisions == NULL) return ERR_NO_MEMORY;
  replay->decisions = decisions;
  struct decision *decision = &decisions[replay->decision_count];
  *decision = (struct decision){.number = number, .refused = refused};
  enum err err = read_identifier(replay, document, engine->id.a, &a);
  if (err == ERR_OK) err = read_identifier(replay, document, engine->id.b, &b);
  if (err != ERR_OK || a.type == 0 || b.type == 0) return err;
  clock_parse(read_text(document, engine->id.received_at), &decision->at_us);
  decision->alias = bytes_equal(read_text(document, engine->id.rule), BYTES("alias"));
  err = take_node(replay, a, decision->at_us, &decision->a);
  if (err == ERR_OK) err = take_node(replay, b, decision->at_us, &decision->b);
  if (err == ERR_OK) replay->decision_count++;
  return err;
}

static enum err add_link(void *context, uint64_t number, struct value document) {
  struct replay *replay = context;
  if (!bytes_equal(read_text(document, replay->view->engine->id.state), BYTES("active"))) return ERR_OK;
  return add_decision(replay, number, document, false);
}

static enum err add_refusal(void *context, uint64_t number, struct value document) {
  return add_decision(context, number, document, true);
}

static enum err read_record(struct replay *replay, uint64_t id, bool refusals) {
  struct customer *record = arena_take(replay->arena, sizeof *record);
  bool found;
  if (record == NULL) return ERR_NO_MEMORY;
  enum err err = read_customer_if_there(replay->view, id, replay->arena, record, NULL, &found);
  if (err != ERR_OK || !found || record->id != id) return err; // a device's row may still name somebody who is gone
  replay->record = record;
  replay->customers_read++;
  err = read_listings(replay);
  if (err == ERR_OK) err = read_cannots(replay);
  if (err == ERR_OK && record->edge_count > 0)
    err = read_edges(replay->view, record, ENGINE_EDGE_LINK, add_link, replay);
  if (err == ERR_OK && refusals) err = read_edges(replay->view, record, ENGINE_EDGE_REFUSED, add_refusal, replay);
  return err;
}

// --- order ---------------------------------------------------------------------------------------------------

static int by_number(const void *left, const void *right) {
  const struct decision *a = left, *b = right;
  if (a->refused != b->refused) return a->refused ? 1 : -1;
  return (a->number > b->number) - (a->number < b->number);
}

static int by_time(const void *left, const void *right) {
  const struct decision *a = left, *b = right;
  if (a->at_us != b->at_us) return a->at_us < b->at_us ? -1 : 1;
  return by_number(left, right);
}

// Accepted pairs are in the order of their numbers; refusals have none (their number names the pair) and stand after
// the pairs that were received no later.
static void sort_decisions(struct replay *replay) {
  if (replay->decision_count < 2) return;
  qsort(replay->decisions, replay->decision_count, sizeof *replay->decisions, by_number);
  for (size_t i = 1; i < replay->decision_count && !replay->decisions[i].refused; i++)
    if (replay->decisions[i].at_us < replay->decisions[i - 1].at_us)
      replay->decisions[i].at_us = replay->decisions[i - 1].at_us;
  qsort(replay->decisions, replay->decision_count, sizeof *replay->decisions, by_time);
}

// --- deciding ------------------------------------------------------------------------------------------------

static enum err build_side(const struct replay *replay, uint32_t component, struct identity_side *side) {
  const struct node *first = &replay->nodes[component];
  struct identity_member *members = alloc_get(first->size * sizeof *members);
  struct identity_cannot *cannots = alloc_get((replay->parted_count + 1) * sizeof *cannots);
  *side = (struct identity_side){
      .members = members, .cannots = cannots, .given_name = first->given_name, .birth_date = first->birth_date};
  if (members == NULL || cannots == NULL) return ERR_NO_MEMORY;
  for (uint32_t i = component; i != NONE; i = replay->nodes[i].next)
    members[side->member_count++] = (struct identity_member){replay->nodes[i].identifier, replay->nodes[i].seen_us};
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
  for (uint32_t i = b; i != NONE; i = nodes[i].next) nodes[i].component = a;
  nodes[nodes[a].last].next = b;
  nodes[a].last = nodes[b].last;
  nodes[a].size += nodes[b].size;
  if (nodes[a].given_name.size_bytes == 0) nodes[a].given_name = nodes[b].given_name;
  if (nodes[a].birth_date == 0) nodes[a].birth_date = nodes[b].birth_date;
}

// Devices are attached to the first person of their customer that may have them; they join nobody.
static bool concerns_nobody(const struct replay *replay, const struct node *a, const struct node *b) {
  if (a->dead || b->dead || a->shared || b->shared || a->component == b->component) return true;
  if (a->device && b->device) return true;
  const struct node *device = a->device ? a : b->device ? b : NULL;
  return device != NULL && replay->nodes[device->component].size > 1;
}

static enum err decide(struct replay *replay, const struct decision *decision) {
  struct node *a = &replay->nodes[decision->a], *b = &replay->nodes[decision->b];
  struct identity_side side_a = {0}, side_b = {0};
  enum identity_reason reason;
  bool ignore_limit = decision->alias && !decision->refused;
  if (concerns_nobody(replay, a, b)) return ERR_OK;
  if (a->device) {
    struct node *device = a;
    a = b;
    b = device;
  }
  enum err err = build_side(replay, a->component, &side_a);
  if (err == ERR_OK) err = build_side(replay, b->component, &side_b);
  if (err == ERR_OK) {
    if (replay->nodes[b->component].size == 1 && side_b.cannot_count == 0)
      reason = identity_may_attach(replay->rules, &side_a, b->identifier, decision->at_us, ignore_limit);
    else
      reason = identity_may_join(replay->rules, &side_a, &side_b, b->identifier, decision->at_us, ignore_limit);
    if (reason == IDENTITY_OK) join(replay, a->component, b->component);
    if (reason == IDENTITY_DIFFERENT_PERSON) b->shared = true;
  }
  free_side(&side_a);
  free_side(&side_b);
  return err;
}

// --- counting ------------------------------------------------------------------------------------------------

// Listings are in order of customers. owners[component]: the first customer found in it, + 1.
static enum err count_outcome(struct replay *replay, size_t customers, struct replay_counts *counts) {
  uint32_t *owners = arena_take_zero(replay->arena, replay->node_count + 1, sizeof *owners);
  uint32_t *homes = arena_take_zero(replay->arena, customers, sizeof *homes); // a customer's first component, + 1
  uint8_t *merges = arena_take_zero(replay->arena, customers, 1), *parts = arena_take_zero(replay->arena, customers, 1);
  if (owners == NULL || homes == NULL || merges == NULL || parts == NULL) return ERR_NO_MEMORY;
  for (size_t i = 0; i < replay->listing_count; i++) {
    const struct node *node = &replay->nodes[replay->listings[i].node];
    uint32_t customer = replay->listings[i].customer;
    if (node->dead) continue;
    uint32_t *owner = &owners[node->component];
    if (*owner == 0) counts->customers_then++;
    if (*owner != 0 && *owner != customer + 1) merges[customer] = merges[*owner - 1] = 1;
    if (*owner == 0) *owner = customer + 1;
    if (homes[customer] != 0 && homes[customer] != node->component + 1) parts[customer] = 1;
    if (homes[customer] == 0) homes[customer] = node->component + 1;
  }
  counts->customers_now += replay->customers_read;
  for (size_t i = 0; i < customers; i++) {
    counts->would_merge += merges[i];
    counts->would_part += parts[i];
  }
  return ERR_OK;
}

enum err replay_group(struct engine_view *view, const struct identity_rules *rules, const uint64_t *customers,
                      size_t count, struct arena *arena, struct replay_counts *counts, struct diag *diag) {
  struct replay replay = {.view = view, .rules = rules, .arena = arena, .diag = diag};
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < count; i++) {
    replay.customer = (uint32_t)i;
    err = read_record(&replay, customers[i], count > 1);
  }
  if (err != ERR_OK) return err;
  sort_decisions(&replay);
  for (size_t i = 0; err == ERR_OK && i < replay.decision_count; i++) err = decide(&replay, &replay.decisions[i]);
  return err == ERR_OK ? count_outcome(&replay, count, counts) : err;
}
