// split.c: a customer is parted, and each part is again what it was.
//
// Edges are disabled; the person identifiers that are still connected stay together. A device goes with every part that
// signed in on it (it never joined them), or stands alone when nobody is left who did. Each part keeps the lowest
// customer id that one of its identifiers founded, the other ids founded in it lead to it; a part that founded none
// gets a new id. Events go by the identifiers they carried: the highest-ranked person's, else whoever owns the device
// at that time. Traits are folded again from each part's own events. Between the ends of every edge that parted
// customers stands a cannot-link until it is lifted (engine_allow_link). What earlier merges left to be moved is moved
// first (moves.c): a part may be an id whose rows are pending.
#include <stdio.h>
#include <string.h>

#include "engine/loyalty.h"
#include "engine/parts.h"

enum { PARTS_MAX = 32, NO_PART = 0xffff };

struct split_request {
  const struct engine_split *split;
  uint64_t customer;
  struct json_writer *writer;
  bool unsettled; // rows of the customer lie under other ids yet
};

// A customer being parted.
struct parting {
  struct work *work;
  struct work_customer *whole;
  struct customer before; // the record as it was
  bool *cut;              // by edge: disabled now
  uint16_t *part;         // by identifier: its part; of a device the first one
  bool *rehome;           // by identifier: a device whose sharing changed
  size_t part_count;
  struct work_customer *customers[PARTS_MAX];
  uint64_t moved;
};

// Of a type that the rules no longer know the row tells; this transaction holds it.
static bool is_device(struct work *work, struct identifier identifier) {
  const struct identity_type *type = identity_type_by_id(work->rules, identifier.type);
  if (type != NULL) return type->class == IDENTITY_DEVICE;
  const struct work_target *target = work_target(work, identifier);
  return target != NULL && target->device != NULL;
}

static struct identifier identifier_at(const struct customer *record, size_t index) {
  return record->identifiers[index].member.identifier;
}

// --- which edges go ------------------------------------------------------------------------------------------

// `member` is where the request names it.
static enum err find_named(struct work *work, const struct customer *record, const char *member, struct bytes text,
                           size_t *index) {
  struct identifier identifier;
  int found = -1;
  enum err err = parts_identifier(work->engine, text, work->arena, &identifier, work->diag);
  if (err == ERR_OK) found = customer_find_identifier(record, identifier);
  if (err == ERR_OK && found < 0)
    err = diag_set(work->diag, ERR_NOT_FOUND, "not_connected",
                   "this customer has no such identifier; `rapport identity` shows those there are");
  if (err == ERR_INVALID || err == ERR_NOT_FOUND) diag_in_field(work->diag, "%s", member);
  if (err == ERR_OK) *index = (size_t)found;
  return err;
}

static enum err cut_edge(struct parting *parting, uint64_t sequence) {
  for (size_t i = 0; i < parting->before.edge_count; i++)
    if (parting->before.edges[i].sequence == sequence) {
      parting->cut[i] = true;
      return ERR_OK;
    }
  diag_set(parting->work->diag, ERR_NOT_FOUND, "no_edge",
           "this customer has no active edge e%llu; `rapport identity` shows those there are",
           (unsigned long long)sequence);
  diag_in_field(parting->work->diag, "edge");
  return ERR_NOT_FOUND;
}

static enum err cut_identifier(struct parting *parting, struct bytes text) {
  size_t index = 0;
  enum err err = find_named(parting->work, &parting->before, "identifier", text, &index);
  for (size_t i = 0; err == ERR_OK && i < parting->before.edge_count; i++)
    if (parting->before.edges[i].a == index || parting->before.edges[i].b == index) parting->cut[i] = true;
  return err;
}

// Edges to devices join no people, so only edges between persons can connect the two; when one end is a device, all
// count.
static enum err cut_apart(struct parting *parting, const struct bytes apart[2]) {
  struct work *work = parting->work;
  const struct customer *record = &parting->before;
  size_t a = 0, b = 0, count = 0;
  struct identity_edge *edges = arena_take(work->arena, (record->edge_count + 1) * sizeof *edges);
  size_t *origin = arena_take(work->arena, (record->edge_count + 1) * sizeof *origin);
  size_t *cut = arena_take(work->arena, (record->edge_count + 1) * sizeof *cut);
  uint16_t *scratch = arena_take(work->arena, (record->identifier_count + 1) * sizeof *scratch);
  if (edges == NULL || origin == NULL || cut == NULL || scratch == NULL) return diag_no_memory(work->diag);
  enum err err = find_named(work, record, "apart[0]", apart[0], &a);
  if (err == ERR_OK) err = find_named(work, record, "apart[1]", apart[1], &b);
  if (err != ERR_OK) return err;
  if (a == b) {
    diag_set(work->diag, ERR_INVALID, "not_connected", "these are one identifier; name two that are to be parted");
    diag_in_field(work->diag, "apart");
    return ERR_INVALID;
  }
  bool with_devices = is_device(work, identifier_at(record, a)) || is_device(work, identifier_at(record, b));
  for (size_t i = 0; i < record->edge_count; i++) {
    bool device = is_device(work, identifier_at(record, record->edges[i].a)) ||
                  is_device(work, identifier_at(record, record->edges[i].b));
    if (device && !with_devices) continue;
    origin[count] = i;
    edges[count++] = record->edges[i];
  }
  size_t cuts = identity_cut(record->identifier_count, edges, count, (uint16_t)a, (uint16_t)b, scratch, cut);
  for (size_t i = 0; i < cuts; i++) parting->cut[origin[cut[i]]] = true;
  return ERR_OK;
}

static enum err choose_cuts(struct parting *parting, const struct engine_split *split) {
  if (split->edge != 0) return cut_edge(parting, split->edge);
  if (split->identifier.size_bytes > 0) return cut_identifier(parting, split->identifier);
  return cut_apart(parting, split->apart);
}

// --- which identifiers stay together -------------------------------------------------------------------------

// Edges still active that join what `devices` says: persons among themselves, or a person and a device.
static size_t active_edges(const struct parting *parting, bool devices, struct identity_edge *out) {
  const struct customer *record = &parting->before;
  size_t count = 0;
  for (size_t i = 0; i < record->edge_count; i++) {
    bool device = is_device(parting->work, identifier_at(record, record->edges[i].a)) ||
                  is_device(parting->work, identifier_at(record, record->edges[i].b));
    if (!parting->cut[i] && device == devices) out[count++] = record->edges[i];
  }
  return count;
}

static enum err number_part(struct parting *parting, uint16_t *number) {
  if (parting->part_count == PARTS_MAX)
    return diag_set(parting->work->diag, ERR_LIMIT, "too_many_parts",
                    "a split makes at most %d customers; cut fewer edges", PARTS_MAX);
  *number = (uint16_t)parting->part_count++;
  return ERR_OK;
}

static enum err number_persons(struct parting *parting, const uint16_t *component) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < parting->before.identifier_count; i++) {
    if (is_device(parting->work, identifier_at(&parting->before, i))) {
      parting->part[i] = NO_PART;
      continue;
    }
    if (component[i] == i)
      err = number_part(parting, &parting->part[i]);
    else
      parting->part[i] = parting->part[component[i]];
  }
  return err;
}

// A device nobody of this customer signed in on any more: it is a part of its own, unless it has its own customer
// already.
static enum err number_alone(struct parting *parting, size_t index) {
  const struct work_target *target = work_target(parting->work, identifier_at(&parting->before, index));
  if (target != NULL && target->device != NULL && target->device->own != 0) return ERR_OK;
  return number_part(parting, &parting->part[index]);
}

// A device's first part is that of its oldest edge.
static enum err number_devices(struct parting *parting, const struct identity_edge *edges, size_t count) {
  enum err err = ERR_OK;
  for (size_t i = 0; i < count; i++) {
    bool a_is_device = is_device(parting->work, identifier_at(&parting->before, edges[i].a));
    size_t device = a_is_device ? edges[i].a : edges[i].b, person = a_is_device ? edges[i].b : edges[i].a;
    if (parting->part[device] == NO_PART) parting->part[device] = parting->part[person];
  }
  for (size_t i = 0; err == ERR_OK && i < parting->before.identifier_count; i++)
    if (parting->part[i] == NO_PART) err = number_alone(parting, i);
  return err;
}

static enum err find_parts(struct parting *parting) {
  struct arena *arena = parting->work->arena;
  size_t identifiers = parting->before.identifier_count;
  struct identity_edge *edges = arena_take(arena, (parting->before.edge_count + 1) * sizeof *edges);
  uint16_t *component = arena_take(arena, (identifiers + 1) * sizeof *component);
  parting->part = arena_take(arena, (identifiers + 1) * sizeof *parting->part);
  parting->rehome = arena_take_zero(arena, identifiers + 1, sizeof *parting->rehome);
  if (edges == NULL || component == NULL || parting->part == NULL || parting->rehome == NULL)
    return diag_no_memory(parting->work->diag);
  size_t count = active_edges(parting, false, edges);
  identity_components(identifiers, edges, count, component);
  enum err err = number_persons(parting, component);
  count = active_edges(parting, true, edges);
  return err == ERR_OK ? number_devices(parting, edges, count) : err;
}

// Is identifier `index` in part `part`? A device is in every part that has an edge to it.
static bool in_part(const struct parting *parting, size_t index, uint16_t part) {
  const struct customer *record = &parting->before;
  if (parting->part[index] == part) return true;
  if (!is_device(parting->work, identifier_at(record, index))) return false;
  for (size_t i = 0; i < record->edge_count; i++) {
    const struct identity_edge *edge = &record->edges[i];
    if (parting->cut[i] || (edge->a != index && edge->b != index)) continue;
    if (parting->part[edge->a == index ? edge->b : edge->a] == part) return true;
  }
  return false;
}

// --- the customers of the parts ------------------------------------------------------------------------------

static uint64_t lowest_founded(const struct parting *parting, uint16_t part) {
  uint64_t lowest = 0;
  for (size_t i = 0; i < parting->before.identifier_count; i++) {
    uint64_t founded = parting->before.identifiers[i].founded;
    if (parting->part[i] == part && founded != 0 && (lowest == 0 || founded < lowest)) lowest = founded;
  }
  return lowest;
}

// Which identifier a new id is made for: a person's when there is one, because a device may be another customer's too,
// and a merge of the two keeps one founded id of each identifier.
static size_t founder_of(const struct parting *parting, uint16_t part) {
  size_t founder = parting->before.identifier_count;
  for (size_t i = parting->before.identifier_count; i-- > 0;) {
    if (parting->part[i] != part) continue;
    bool device = is_device(parting->work, identifier_at(&parting->before, i));
    bool person_known = founder < parting->before.identifier_count &&
                        !is_device(parting->work, identifier_at(&parting->before, founder));
    if (!device || !person_known) founder = i;
  }
  return founder;
}

static enum err choose_customer(struct parting *parting, uint16_t part) {
  struct work *work = parting->work;
  uint64_t id = lowest_founded(parting, part);
  if (id == 0) {
    enum err err = work_customer_new(work, &parting->customers[part]);
    size_t founder = founder_of(parting, part);
    if (err == ERR_OK && founder < parting->before.identifier_count)
      parting->before.identifiers[founder].founded = parting->customers[part]->record.id;
    return err;
  }
  parting->customers[part] = work_customer(work, id);
  if (parting->customers[part] == NULL) return ERR_CONFLICT;
  if (parting->customers[part] == parting->whole) return ERR_OK;
  customer_init(&parting->customers[part]->record, id); // it was a redirect until now
  parting->customers[part]->tokens_taken = true;
  work->delta.customers++;
  return ERR_OK;
}

// The customer an identifier is with after the split: of a device that is in no part, its own.
static uint64_t home_of(const struct parting *parting, size_t index) {
  if (parting->part[index] != NO_PART) return parting->customers[parting->part[index]]->record.id;
  return work_target(parting->work, identifier_at(&parting->before, index))->device->own;
}

// Every other id that was founded in a part leads to the part's customer.
static enum err redirect_founded(struct parting *parting) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < parting->before.identifier_count; i++) {
    uint64_t founded = parting->before.identifiers[i].founded, to = home_of(parting, i);
    if (founded != 0 && founded != to) err = merge_redirect(parting->work, founded, to);
  }
  return err;
}

static enum err fill_record(struct parting *parting, uint16_t part) {
  struct work_customer *customer = parting->customers[part];
  const struct customer *before = &parting->before;
  struct customer whole = *before;
  uint16_t *membership = arena_take(parting->work->arena, (before->identifier_count + 1) * sizeof *membership);
  struct identity_edge *edges = arena_take(parting->work->arena, (before->edge_count + 1) * sizeof *edges);
  if (membership == NULL || edges == NULL) return diag_no_memory(parting->work->diag);
  for (size_t i = 0; i < before->identifier_count; i++) membership[i] = in_part(parting, i, part) ? part : NO_PART;
  whole.edges = edges;
  whole.edge_count = 0;
  for (size_t i = 0; i < before->edge_count; i++)
    if (!parting->cut[i]) edges[whole.edge_count++] = before->edges[i];
  uint64_t id = customer->record.id;
  enum err err = customer_copy_part(&customer->record, &whole, membership, part, parting->work->arena);
  if (err != ERR_OK) return diag_no_memory(parting->work->diag);
  customer->record.id = id;
  for (size_t i = 0; i < customer->record.identifier_count; i++) {
    // A device that several parts share was founded by one of them only.
    int whole_index = customer_find_identifier(before, identifier_at(&customer->record, i));
    if (parting->part[whole_index] != part) customer->record.identifiers[i].founded = 0;
  }
  work_touch(customer, parting->work->now_us);
  return ERR_OK;
}

// --- rows that lead to them ----------------------------------------------------------------------------------

// The runs of the parted customer become runs of whichever part signed in, event by event.
static void push_run(struct identity_device *device, const struct identity_run *run) {
  if (device->overflow) return;
  if (device->run_count > 0 && device->runs[device->run_count - 1].customer == run->customer) return;
  if (device->run_count < IDENTITY_RUNS_MAX) {
    device->runs[device->run_count++] = *run;
    return;
  }
  device->overflow = device->shared = true; // as when the sign-ins came one by one
  device->run_count = 0;
}

static bool is_nobody(const struct work *work, struct identifier identifier) {
  const struct identity_type *type = identity_type_by_id(work->rules, identifier.type);
  return type != NULL && identity_is_blocked(work->rules, type, identifier.value);
}

// Whose an event is: the highest-ranked person's that it named; a value that is blocked by now only when there is no
// other.
static bool first_person(const struct parting *parting, const struct timeline_payload *payload,
                         struct identifier *person, uint16_t *part) {
  int first = -1;
  for (size_t i = 0; i < payload->identifier_count; i++) {
    if (is_device(parting->work, payload->identifiers[i])) continue;
    int index = customer_find_identifier(&parting->before, payload->identifiers[i]);
    if (index < 0) continue;
    bool nobody = is_nobody(parting->work, payload->identifiers[i]);
    if (first < 0 || !nobody) first = index;
    if (!nobody) break;
  }
  if (first < 0) return false;
  *person = identifier_at(&parting->before, (size_t)first);
  *part = parting->part[first];
  return true;
}

static bool carries(const struct timeline_payload *payload, struct identifier device) {
  for (size_t i = 0; i < payload->identifier_count; i++)
    if (identifier_equal(payload->identifiers[i], device)) return true;
  return false;
}

// The sign-in was noted under a value that is blocked by now: the device stays with it.
static bool blocked_sign_in(const struct parting *parting, const struct timeline_payload *payload, size_t device,
                            struct identifier *person, uint16_t *part) {
  for (size_t i = 0; i < payload->identifier_count; i++) {
    int index = customer_find_identifier(&parting->before, payload->identifiers[i]);
    if (index < 0 || (size_t)index == device || !is_nobody(parting->work, payload->identifiers[i])) continue;
    if (is_device(parting->work, payload->identifiers[i])) continue;
    if (!in_part(parting, device, parting->part[index])) continue;
    *person = identifier_at(&parting->before, (size_t)index);
    *part = parting->part[index];
    return true;
  }
  return false;
}

static bool are_tied(const struct parting *parting, size_t a, size_t b) {
  for (size_t i = 0; i < parting->before.edge_count; i++) {
    const struct identity_edge *edge = &parting->before.edges[i];
    if (!parting->cut[i] && ((edge->a == a && edge->b == b) || (edge->a == b && edge->b == a))) return true;
  }
  return false;
}

// A run names a person whose edge to the device stands, because it stands for that edge (resolve_settled). When that of
// who signed in was cut, another one of the part has one.
static struct identifier who_signed_in(const struct parting *parting, struct identifier person, size_t device,
                                       uint16_t part) {
  int index = customer_find_identifier(&parting->before, person);
  if (index >= 0 && are_tied(parting, (size_t)index, device)) return person;
  for (size_t i = 0; i < parting->before.identifier_count; i++)
    if (parting->part[i] == part && are_tied(parting, i, device)) return identifier_at(&parting->before, i);
  return person;
}

static enum err rebuild_run(struct parting *parting, const struct work_target *target, size_t run,
                            struct identity_device *rebuilt) {
  const struct identity_device *old = target->device;
  struct timeline_query query = {.payloads = true, .has_from = true, .from = old->runs[run].start};
  struct timeline_cursor *cursor = NULL;
  if (run + 1 < old->run_count) {
    query.has_to = true;
    query.to = old->runs[run + 1].start;
  }
  enum err err = timeline_open(&cursor, (struct timeline_reader){.txn = parting->work->txn}, parting->whole->record.id,
                               &parting->whole->head, &query);
  while (err == ERR_OK) {
    struct timeline_item item;
    struct identity_run made;
    uint16_t part;
    err = timeline_next(cursor, &item);
    if (err != ERR_OK || !carries(&item.payload, target->identifier) ||
        !first_person(parting, &item.payload, &made.person, &part))
      continue;
    int index = customer_find_identifier(&parting->before, target->identifier);
    if (index < 0) continue;
    bool hers = in_part(parting, (size_t)index, part);
    if (!hers && !blocked_sign_in(parting, &item.payload, (size_t)index, &made.person, &part)) continue; // it was cut
    made.person = who_signed_in(parting, made.person, (size_t)index, part);
    made.start = item.event.at;
    made.customer = parting->customers[part]->record.id;
    push_run(rebuilt, &made);
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err rebuild_device(struct parting *parting, struct work_target *target, size_t index) {
  struct identity_device *rebuilt = arena_take_zero(parting->work->arena, 1, sizeof *rebuilt);
  struct identity_device *old = target->device;
  enum err err = ERR_OK;
  if (rebuilt == NULL) return diag_no_memory(parting->work->diag);
  rebuilt->own = old->own;
  rebuilt->overflow = old->overflow;
  rebuilt->shared = old->shared;
  for (size_t run = 0; err == ERR_OK && run < old->run_count; run++) {
    if (old->runs[run].customer == parting->whole->record.id)
      err = rebuild_run(parting, target, run, rebuilt);
    else
      push_run(rebuilt, &old->runs[run]);
  }
  bool alone =
      parting->part[index] != NO_PART && parting->customers[parting->part[index]]->record.identifier_count == 1;
  if (alone && rebuilt->own == 0) rebuilt->own = home_of(parting, index);
  identity_device_normalise(rebuilt, parting->work->rules);
  parting->rehome[index] = rebuilt->shared != old->shared;
  target->device = rebuilt;
  target->dirty = true;
  return err;
}

static enum err point_identifiers(struct parting *parting) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < parting->before.identifier_count; i++) {
    struct work_target *target = work_target(parting->work, identifier_at(&parting->before, i));
    if (target == NULL) return ERR_CONFLICT;
    if (target->device != NULL) {
      err = rebuild_device(parting, target, i);
      continue;
    }
    if (target->person.customer == parting->whole->record.id) target->person.customer = home_of(parting, i);
    target->dirty = true;
  }
  return err;
}

// --- events --------------------------------------------------------------------------------------------------

struct picker {
  const struct parting *parting;
  uint16_t part;
};

static uint64_t device_holder(const struct parting *parting, const struct timeline_item *item) {
  if (item->payload.identifier_count == 0) return 0;
  const struct work_target *target = work_target(parting->work, item->payload.identifiers[0]);
  if (target == NULL || target->device == NULL) return 0;
  int run = identity_device_owner(target->device, &item->event.at);
  return run < 0 ? target->device->own : target->device->runs[run].customer;
}

// The part that keeps what nothing tells whose it is.
static uint16_t keeper_of(const struct parting *parting) {
  for (uint16_t part = 0; part < parting->part_count; part++)
    if (parting->customers[part] == parting->whole) return part;
  return 0;
}

static bool pick_part(void *context, const struct timeline_item *item) {
  const struct picker *picker = context;
  struct identifier person;
  uint16_t part;
  if (item->payload.identifier_count == 0) return picker->part == keeper_of(picker->parting); // the engine's own
  if (first_person(picker->parting, &item->payload, &person, &part)) return part == picker->part;
  return device_holder(picker->parting, item) == picker->parting->customers[picker->part]->record.id;
}

static enum err move_events(struct parting *parting) {
  enum err err = ERR_OK;
  for (uint16_t part = 0; err == ERR_OK && part < parting->part_count; part++) {
    struct work_customer *to = parting->customers[part];
    struct picker picker = {parting, part};
    struct timeline_choice choice = {.pick = pick_part, .context = &picker};
    uint64_t moved = 0;
    if (to == parting->whole) continue;
    err = timeline_move(parting->work->txn, parting->whole->record.id, &parting->whole->head, to->record.id, &to->head,
                        parting->work->arena, &choice, &moved);
    to->head_dirty = parting->whole->head_dirty = true;
    parting->moved += moved;
  }
  for (size_t part = 0; err == ERR_OK && part < parting->part_count; part++)
    err = fold_again(parting->work, parting->customers[part]);
  return err;
}

// --- what loyalty has --------------------------------------------------------------------------------------------

static bool find_part(const struct parting *parting, struct identifier identifier, uint16_t *part) {
  int index = customer_find_identifier(&parting->before, identifier);
  if (index >= 0) *part = parting->part[index];
  return index >= 0 && *part != NO_PART;
}

// Of an id of old the part in which it was founded.
static uint16_t part_of_origin(const struct parting *parting, uint64_t origin) {
  for (size_t i = 0; origin != 0 && i < parting->before.identifier_count; i++)
    if (parting->before.identifiers[i].founded == origin && parting->part[i] != NO_PART) return parting->part[i];
  return keeper_of(parting);
}

// An identifier as an event carried it or as a person wrote it, by which events go too.
static enum err part_of(void *context, struct bytes text, uint64_t origin, uint16_t *part) {
  struct parting *parting = context;
  struct identifier identifier;
  struct diag diag;
  if (text.size_bytes > 0) {
    if (engine_identifier_read(parting->work->engine, text, &identifier) && find_part(parting, identifier, part))
      return ERR_OK;
    diag_init(&diag);
    enum err err = parts_identifier(parting->work->engine, text, parting->work->arena, &identifier, &diag);
    if (err == ERR_OK && find_part(parting, identifier, part)) return ERR_OK;
    if (err == ERR_NO_MEMORY || err == ERR_IO) return engine_explain_failure(err, parting->work->diag);
  }
  *part = part_of_origin(parting, origin);
  return ERR_OK;
}

static enum err part_members(struct parting *parting) {
  struct loyalty_parting members = {.whole = parting->whole,
                                    .parts = parting->customers,
                                    .part_count = parting->part_count,
                                    .keeper = keeper_of(parting),
                                    .part_of = part_of,
                                    .context = parting};
  return loyalty_split(parting->work, &members);
}

// --- devices -----------------------------------------------------------------------------------------------------

// A device that more people own now may have become shared, or no longer be: its anonymous events move for all of them.
static enum err rehome_devices(struct parting *parting) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < parting->before.identifier_count; i++)
    if (parting->rehome[i])
      err = device_rehome(parting->work, work_target(parting->work, identifier_at(&parting->before, i)));
  return err;
}

// --- the whole of it -----------------------------------------------------------------------------------------

static enum err add_cannot(struct parting *parting, size_t own, size_t other, uint64_t sequence) {
  struct identity_cannot pair = {identifier_at(&parting->before, own), identifier_at(&parting->before, other)};
  if (parting->part[own] == NO_PART) return ERR_OK; // the other side's record keeps them apart
  struct customer *record = &parting->customers[parting->part[own]]->record;
  return customer_add_cannot(record, parting->work->arena, pair, sequence);
}

// Keeps apart the two ends of every cut that parted something.
static enum err add_cannots(struct parting *parting, struct json_writer *writer) {
  enum err err = ERR_OK;
  json_name(writer, "cannot_links");
  json_array_begin(writer);
  for (size_t i = 0; err == ERR_OK && i < parting->before.edge_count; i++) {
    const struct identity_edge *edge = &parting->before.edges[i];
    if (!parting->cut[i] || parting->part[edge->a] == parting->part[edge->b]) continue;
    err = add_cannot(parting, edge->a, edge->b, edge->sequence);
    if (err == ERR_OK) err = add_cannot(parting, edge->b, edge->a, edge->sequence);
    json_array_begin(writer);
    json_bytes(writer, engine_identifier_text(parting->work->engine, identifier_at(&parting->before, edge->a),
                                              parting->work->arena));
    json_bytes(writer, engine_identifier_text(parting->work->engine, identifier_at(&parting->before, edge->b),
                                              parting->work->arena));
    json_array_end(writer);
  }
  json_array_end(writer);
  return err;
}

static void write_customers(const struct parting *parting, struct json_writer *writer) {
  char id[CUSTOMER_ID_TEXT_BYTES];
  json_name(writer, "customers");
  json_array_begin(writer);
  for (size_t part = 0; part < parting->part_count; part++) {
    customer_id_format(parting->customers[part]->record.id, id);
    json_text(writer, id);
  }
  json_array_end(writer);
  json_name(writer, "edges_disabled");
  json_array_begin(writer);
  for (size_t i = 0; i < parting->before.edge_count; i++) {
    if (!parting->cut[i]) continue;
    snprintf(id, sizeof id, "e%llu", (unsigned long long)parting->before.edges[i].sequence);
    json_text(writer, id);
  }
  json_array_end(writer);
}

static enum err carry_out(struct parting *parting, const struct parts_cause *cause) {
  enum err err = ERR_OK;
  for (uint16_t part = 0; err == ERR_OK && part < parting->part_count; part++) err = choose_customer(parting, part);
  if (err == ERR_OK) err = work_take_tokens(parting->work, parting->whole);
  for (uint16_t part = 0; err == ERR_OK && part < parting->part_count; part++) err = fill_record(parting, part);
  if (err == ERR_OK) err = redirect_founded(parting);
  if (err == ERR_OK) err = point_identifiers(parting);
  if (err == ERR_OK) err = part_members(parting);
  if (err == ERR_OK) err = move_events(parting);
  if (err == ERR_OK) err = rehome_devices(parting);
  if (err == ERR_OK)
    err = parts_move_edges(parting->work, parting->whole->record.id, parting->customers, parting->part_count,
                           parting->before.edges, parting->before.edge_count, parting->cut, cause);
  if (err == ERR_OK) parting->work->delta.splits++;
  return err;
}

static enum err part_customer(struct parting *parting, const struct split_request *request) {
  struct json_writer *writer = request->writer;
  struct parts_cause cause = {.author = request->split->author, .reason = request->split->reason};
  enum err err = carry_out(parting, &cause);
  if (err != ERR_OK) return err;
  json_object_begin(writer);
  write_customers(parting, writer);
  err = add_cannots(parting, writer);
  json_member_u64(writer, "events_moved", parting->moved);
  json_object_end(writer);
  return err;
}

// The identifiers, and the customers that the ids founded in them will be again.
static bool hold_everything(struct work *work, const struct customer *record) {
  bool all = work_hold_identifiers(work, record);
  for (size_t i = 0; i < record->identifier_count; i++) {
    uint64_t founded = record->identifiers[i].founded;
    if (founded != 0 && work_customer(work, founded) == NULL) all = false;
  }
  return all;
}

static enum err split_body(struct work *work, void *context) {
  struct split_request *request = context;
  struct work_customer *whole = work_customer(work, request->customer);
  if (whole == NULL) return ERR_CONFLICT;
  enum err err = parts_check_live(work, whole);
  if (err != ERR_OK) return err;
  request->unsettled = whole->head.part_count > 0;
  if (request->unsettled) return ERR_BUSY;
  work->all_at_once = true;
  if (!hold_everything(work, &whole->record)) return ERR_CONFLICT;
  struct parting parting = {.work = work, .whole = whole, .before = whole->record};
  parting.cut = arena_take_zero(work->arena, whole->record.edge_count + 1, sizeof *parting.cut);
  if (parting.cut == NULL) return diag_no_memory(work->diag);
  buffer_clear(request->writer->out);
  json_writer_init(request->writer, request->writer->out);
  err = choose_cuts(&parting, request->split);
  if (err == ERR_OK) err = find_parts(&parting);
  bool any = false;
  for (size_t i = 0; i < whole->record.edge_count; i++) any = any || parting.cut[i];
  if (err == ERR_OK && !any)
    err = diag_set(work->diag, ERR_INVALID, "not_connected", "nothing connects these; there is nothing to part");
  return err == ERR_OK ? part_customer(&parting, request) : err;
}

enum err engine_split_customer(struct engine *engine, uint64_t customer, const struct engine_split *split,
                               struct json_writer *writer, struct engine_commit *commit, struct diag *diag) {
  struct split_request request = {split, customer, writer, true};
  struct work_plan plan = {.customers = &customer, .customer_count = 1, .commit = commit};
  enum err err = engine_check_words("author", split->author, LIMIT_NAME_BYTES, diag);
  if (err == ERR_OK) err = engine_check_words("reason", split->reason, LIMIT_REASON_BYTES, diag);
  if (err != ERR_OK) return err;
  size_t before = writer->out->size_bytes;
  if (before != 0) return diag_set(diag, ERR_INVALID, "bad_writer", "a split writes into an empty buffer");
  // A merge may come in between: then there is something pending again.
  err = ERR_BUSY;
  for (int tries = 0; err == ERR_BUSY && request.unsettled && tries < SETTLE_TRIES_MAX; tries++) {
    err = moves_settle(engine, customer, diag);
    if (err == ERR_OK) err = work_run(engine, &plan, split_body, &request, &commit->mark, diag);
  }
  if (err != ERR_BUSY) return err;
  return diag_set(diag, ERR_CONFLICT, "conflict", "the customer kept changing under this split; send it again");
}

// --- by the rules --------------------------------------------------------------------------------------------

enum err split_by_rules(struct work *work, uint64_t customer, const struct parts_cause *cause, bool *unsettled) {
  struct work_customer *whole = work_customer(work, customer);
  bool any = false;
  *unsettled = false;
  if (whole == NULL) return ERR_CONFLICT;
  if (whole->record.identifier_count == 0 || whole->record.merged_into != 0) return ERR_OK;
  *unsettled = whole->head.part_count > 0;
  if (*unsettled) return ERR_BUSY;
  work->all_at_once = true;
  if (!hold_everything(work, &whole->record)) return ERR_CONFLICT;
  struct parting parting = {.work = work, .whole = whole, .before = whole->record};
  parting.cut = arena_take_zero(work->arena, whole->record.edge_count + 1, sizeof *parting.cut);
  if (parting.cut == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < whole->record.edge_count; i++)
    if (parts_cut_of(cause, whole->record.edges[i].sequence) != NULL) any = parting.cut[i] = true;
  if (!any) return ERR_OK;
  enum err err = find_parts(&parting);
  return err == ERR_OK ? carry_out(&parting, cause) : err;
}
