// replay_read.c: nodes and decisions out of records and rows of EDGE.
//
// Every decision is read with the place it has in the order, whatever it stands as now: see docs/formats/store.md.
#include <string.h>

#include "base/limits.h"
#include "engine/replay_group.h"
#include "engine/work.h"

// --- nodes ---------------------------------------------------------------------------------------------------

static size_t slot_of(const struct replay *replay, struct identifier identifier, uint32_t owner) {
  uint64_t hash = names_hash(replay->view->engine->names, identifier.value);
  return (size_t)(hash ^ ((uint64_t)identifier.type * 0x9e3779b97f4a7c15u) ^ ((uint64_t)owner << 17)) &
         (replay->slot_count - 1);
}

uint32_t replay_find_node(const struct replay *replay, struct identifier identifier, uint32_t owner) {
  if (replay->slot_count == 0) return REPLAY_NONE;
  for (size_t i = slot_of(replay, identifier, owner); replay->slots[i] != 0; i = (i + 1) & (replay->slot_count - 1)) {
    const struct node *node = &replay->nodes[replay->slots[i] - 1];
    if (node->owner == owner && identifier_equal(node->identifier, identifier)) return replay->slots[i] - 1;
  }
  return REPLAY_NONE;
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
  struct node *nodes = arena_grow(replay->arena, replay->nodes, replay->node_count, &replay->node_capacity,
                                  REPLAY_FIRST_ROOM, sizeof *nodes);
  if (err != ERR_OK || nodes == NULL) return ERR_NO_MEMORY;
  replay->nodes = nodes;
  *index = (uint32_t)replay->node_count++;
  nodes[*index] = *node;
  nodes[*index].component = nodes[*index].last = *index;
  nodes[*index].next = REPLAY_NONE;
  nodes[*index].size = 1;
  set_slot(replay, *index);
  return ERR_OK;
}

// The node of an identifier, made when new.
static enum err take_node(struct replay *replay, struct identifier identifier, uint32_t owner, int64_t seen_us,
                          uint32_t *index) {
  const struct identity_type *type = identity_type_by_id(replay->rules->rules, identifier.type);
  struct node node = {.identifier = identifier,
                      .seen_us = seen_us,
                      .owner = owner,
                      .device = owner != REPLAY_NONE,
                      .said = REPLAY_NONE};
  node.inert = type == NULL;
  node.dead = type != NULL && identity_is_blocked(replay->rules->rules, type, identifier.value);
  *index = replay_find_node(replay, identifier, owner);
  if (*index == REPLAY_NONE) return add_node(replay, &node, index);
  if (seen_us < replay->nodes[*index].seen_us) replay->nodes[*index].seen_us = seen_us;
  return ERR_OK;
}

// --- reading a customer --------------------------------------------------------------------------------------

// A type that the rules do not know may have been one of devices: then its row says so.
static enum err tell_device(const struct replay *replay, struct identifier identifier, bool *device) {
  const struct identity_type *type = identity_type_by_id(replay->rules->rules, identifier.type);
  struct key key;
  struct bytes row;
  *device = type != NULL && type->class == IDENTITY_DEVICE;
  if (type != NULL) return ERR_OK;
  identifier_key(identifier, replay->view->engine->names, &key);
  enum err err = store_snapshot_get(replay->view->snapshot, STORE_IDENTIFIER, key_view(&key), replay->arena, &row);
  *device = err == ERR_OK && row.size_bytes > 0 && row.data[0] == ENGINE_ROW_DEVICE;
  return err;
}

static enum err add_listing(struct replay *replay, const struct identity_member *member) {
  struct listing *listings = arena_grow(replay->arena, replay->listings, replay->listing_count,
                                        &replay->listing_capacity, REPLAY_FIRST_ROOM, sizeof *listings);
  if (listings == NULL) return ERR_NO_MEMORY;
  replay->listings = listings;
  struct listing *listing = &listings[replay->listing_count];
  *listing = (struct listing){.customer = replay->customer};
  enum err err = take_node(replay, member->identifier, REPLAY_NONE, member->seen_us, &listing->node);
  if (err == ERR_OK) replay->listing_count++;
  return err;
}

// A customer that lists devices only is one of anonymous events: nobody to be joined or parted.
static enum err read_listings(struct replay *replay) {
  size_t before = replay->listing_count;
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < replay->record->identifier_count; i++) {
    const struct identity_member *member = &replay->record->identifiers[i].member;
    bool device;
    err = tell_device(replay, member->identifier, &device);
    if (err == ERR_OK && !device) err = add_listing(replay, member);
  }
  if (replay->listing_count > before) replay->customers_of_persons++;
  return err;
}

// Persons' sides say it; a device's record says the same again.
static enum err read_cannots(struct replay *replay) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < replay->record->cannot_count; i++) {
    struct parted *parted = arena_grow(replay->arena, replay->parted, replay->parted_count, &replay->parted_capacity,
                                       REPLAY_FIRST_ROOM, sizeof *parted);
    if (parted == NULL) return ERR_NO_MEMORY;
    replay->parted = parted;
    bool device;
    parted[replay->parted_count].pair = replay->record->cannots[i].pair;
    err = tell_device(replay, replay->record->cannots[i].pair.own, &device);
    if (err != ERR_OK || device) continue;
    err = take_node(replay, parted[replay->parted_count].pair.own, REPLAY_NONE, INT64_MAX,
                    &parted[replay->parted_count].own);
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

// Which event it was: a name for it, and what its row said.
static enum err read_origin(struct replay *replay, struct value document, struct decision *decision) {
  struct engine *engine = replay->view->engine;
  const struct engine_source *source = engine_source_find(engine, read_text(document, engine->id.source));
  uint8_t id[IDENTITY_EVENT_ID_BYTES];
  clock_parse(read_text(document, engine->id.time), &decision->time_us);
  clock_parse(read_text(document, engine->id.received_at), &decision->received_us);
  decision->at_us = decision->received_us;
  decision->source = source == NULL ? 0 : source->id;
  decision->message_id = arena_copy(replay->arena, read_text(document, engine->id.message_id));
  if (decision->message_id.data == NULL) return ERR_NO_MEMORY;
  if (decision->message_id.size_bytes > LIMIT_MESSAGE_ID_BYTES) return ERR_OK;
  engine_event_id(engine, decision->source, decision->message_id, id);
  memcpy(&decision->event, id, sizeof decision->event);
  return ERR_OK;
}

static enum err take_ends(struct replay *replay, struct decision *decision, struct identifier a, struct identifier b) {
  enum err err = take_node(replay, a, REPLAY_NONE, decision->at_us, &decision->a);
  uint32_t owner = decision->sign_in ? decision->a : REPLAY_NONE;
  return err == ERR_OK ? take_node(replay, b, owner, decision->at_us, &decision->b) : err;
}

// A row of EDGE becomes a decision. Rows whose identifiers no longer exist in the dictionary say nothing, nor do
// refusals of devices.
static enum err add_decision(struct replay *replay, struct value document, const struct decision *like) {
  const struct engine *engine = replay->view->engine;
  struct identifier a, b;
  bool device = false;
  struct decision *decisions = arena_grow(replay->arena, replay->decisions, replay->decision_count,
                                          &replay->decision_capacity, REPLAY_FIRST_ROOM, sizeof *decisions);
  if (decisions == NULL) return ERR_NO_MEMORY;
  replay->decisions = decisions;
  struct decision *decision = &decisions[replay->decision_count];
  *decision = *like;
  enum err err = read_identifier(replay, document, engine->id.a, &a);
  if (err == ERR_OK) err = read_identifier(replay, document, engine->id.b, &b);
  if (err != ERR_OK || a.type == 0 || b.type == 0) return err;
  if (!decision->sign_in) err = tell_device(replay, b, &device);
  if (err == ERR_OK && !device && !decision->sign_in) err = tell_device(replay, a, &device);
  if (err == ERR_OK && !device) err = read_origin(replay, document, decision);
  if (err != ERR_OK || device) return err;
  decision->place = decision->number;
  if (decision->refused) decision->number = resolve_pair_number(engine, a, b);
  err = take_ends(replay, decision, a, b);
  if (err == ERR_OK) replay->decision_count++;
  return err;
}

// A stand-in takes the place of the decision it stands for.
static void read_stand_in(const struct replay *replay, struct value document, struct decision *decision) {
  const struct engine *engine = replay->view->engine;
  struct identifier anchor;
  uint64_t stands_for = (uint64_t)engine_member_i64(engine, document, "stands_for");
  if (stands_for == 0) return;
  decision->state = IS_STAND_IN;
  decision->number = stands_for;
  if (!engine_identifier_read(engine, engine_member_text(engine, document, "anchor"), &anchor)) return;
  const struct identity_type *type = identity_type_by_id(replay->rules->rules, anchor.type);
  decision->anchor_lost = type == NULL || identity_is_blocked(replay->rules->rules, type, anchor.value);
}

static enum err add_link(void *context, uint64_t number, struct value document) {
  struct replay *replay = context;
  const struct engine *engine = replay->view->engine;
  struct bytes rule = read_text(document, engine->id.rule);
  struct decision decision = {
      .number = number, .row = number, .customer = replay->customers[replay->customer], .state = IS_EDGE};
  if (!bytes_equal(read_text(document, engine->id.state), BYTES("active"))) return ERR_OK;
  decision.refused = bytes_equal(rule, BYTES("rules"));
  if (decision.refused) decision.number = (uint64_t)engine_member_i64(engine, document, "sequence");
  decision.sign_in = bytes_equal(rule, BYTES("sign_in"));
  decision.alias = bytes_equal(rule, BYTES("alias"));
  decision.different = engine_member_i64(engine, document, "different") != 0;
  read_stand_in(replay, document, &decision);
  return add_decision(replay, document, &decision);
}

static enum err add_refusal(void *context, uint64_t number, struct value document) {
  struct replay *replay = context;
  const struct engine *engine = replay->view->engine;
  struct decision decision = {
      .row = number, .customer = replay->customers[replay->customer], .state = IS_REFUSAL, .refused = true};
  if (replay_stands(engine, document)) return ERR_OK;
  struct bytes rule = read_text(document, engine->id.rule); // by which it was accepted, if it ever was
  decision.number = (uint64_t)engine_member_i64(engine, document, "sequence");
  decision.refused = rule.size_bytes == 0;
  decision.alias = bytes_equal(rule, BYTES("alias"));
  decision.says_different = bytes_equal(read_text(document, engine->id.reason),
                                        bytes_from_text(identity_reason_name(IDENTITY_DIFFERENT_PERSON)));
  decision.different = decision.says_different || engine_member_i64(engine, document, "different") != 0;
  return add_decision(replay, document, &decision);
}

// A refusal that a re-run wrote is a decision like any other, whatever its reason.
bool replay_stands(const struct engine *engine, struct value document) {
  struct bytes reason = read_text(document, engine->id.reason);
  if (bytes_equal(reason, bytes_from_text(identity_reason_name(IDENTITY_MALFORMED)))) return true;
  return bytes_equal(reason, bytes_from_text(identity_reason_name(IDENTITY_CANNOT_LINK))) &&
         engine_member_i64(engine, document, "rules") == 0;
}

enum err replay_read(struct replay *replay, uint64_t id, bool refusals) {
  struct customer *record = arena_take(replay->arena, sizeof *record);
  bool found;
  if (record == NULL) return ERR_NO_MEMORY;
  enum err err = read_customer_if_there(replay->view, id, replay->arena, record, NULL, &found);
  if (err != ERR_OK || !found || record->id != id) return err; // she may be gone, or somebody else, meanwhile
  replay->record = record;
  err = read_listings(replay);
  if (err == ERR_OK) err = read_cannots(replay);
  if (err == ERR_OK && record->edge_count > 0)
    err = read_edges(replay->view, record, ENGINE_EDGE_LINK, add_link, replay);
  if (err == ERR_OK && refusals) err = read_edges(replay->view, record, ENGINE_EDGE_REFUSED, add_refusal, replay);
  return err;
}
