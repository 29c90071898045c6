// resolve.c: whose an event is.
//
// Identifiers are taken in order of rank. The first that belongs to a customer is the anchor; each other one joins when
// the union keeps every limit and guard, else it alone is refused, with its reason. Two refinements, both so that a
// weak identifier never swallows a strong one:
//   - When identifiers of higher rank than the first known one are new, they count as a person of their own (with the
//     event's names): if that person and the known customer may not be one, the new ones found a customer and the known
//     identifier is what is refused. A new user id behind a family's phone is a new person.
//   - A shared identifier anchors nothing.
// Devices never join people: a person's event with a device is a sign-in (device.c), an event with only devices goes to
// whoever owns the first of them at the event's time.
#include <string.h>

#include "engine/work.h"

enum err resolve_side(struct work *work, const struct work_customer *customer, struct identity_side *side) {
  const struct customer *record = &customer->record;
  struct identity_member *members = arena_take(work->arena, (record->identifier_count + 1) * sizeof *members);
  struct identity_cannot *cannots = arena_take(work->arena, (record->cannot_count + 1) * sizeof *cannots);
  if (members == NULL || cannots == NULL) return diag_no_memory(work->diag);
  for (size_t i = 0; i < record->identifier_count; i++) members[i] = record->identifiers[i].member;
  for (size_t i = 0; i < record->cannot_count; i++) cannots[i] = record->cannots[i].pair;
  *side = (struct identity_side){members, record->identifier_count, cannots, record->cannot_count, BYTES(""), 0};
  return fold_names_of_record(work, record, &side->given_name, &side->birth_date);
}

// A side whose names are the event's where the record has none: what the event says of the person it names.
static enum err side_of_event(struct work *work, const struct work_event *event, const struct work_customer *customer,
                              struct identity_side *side) {
  enum err err = resolve_side(work, customer, side);
  if (side->given_name.size_bytes == 0) side->given_name = event->given_name;
  if (side->birth_date == 0) side->birth_date = event->birth_date;
  return err;
}

enum err resolve_link(struct work *work, const struct work_event *event, struct work_customer *customer, size_t a,
                      size_t b, const char *rule) {
  if (a == b || customer_has_edge(&customer->record, a, b)) return ERR_OK;
  uint64_t sequence;
  enum err err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  const struct customer_identifier *identifiers = customer->record.identifiers;
  struct engine_edge_row row = {.a = identifiers[a].member.identifier,
                                .b = identifiers[b].member.identifier,
                                .rule = rule,
                                .state = "active",
                                .source = event->event->source,
                                .message_id = event->event->message_id,
                                .time_us = event->event->time_us,
                                .received_us = event->event->received_us};
  err = customer_add_edge(&customer->record, work->arena, a, b, sequence);
  if (err != ERR_OK) return diag_no_memory(work->diag);
  work_touch(customer, event->event->received_us);
  work->delta.edges++;
  return engine_edge_put(work->engine, work->txn, customer->record.id, ENGINE_EDGE_LINK, sequence, &row, work->arena);
}

// One row a refused pair, so that a till that repeats it for years keeps one line: its number is a hash of the pair,
// and the row tells the newest refusal.
uint64_t resolve_pair_number(const struct engine *engine, struct identifier a, struct identifier b) {
  uint8_t hash_a[32], hash_b[32];
  uint64_t parts[2];
  engine_identifier_hash(engine, a, hash_a);
  engine_identifier_hash(engine, b, hash_b);
  memcpy(&parts[0], hash_a, sizeof parts[0]);
  memcpy(&parts[1], hash_b, sizeof parts[1]);
  return parts[0] ^ (parts[1] * 3);
}

enum err resolve_refuse(struct work *work, struct work_event *event, struct work_customer *customer,
                        struct identifier anchor, struct identifier refused, enum identity_reason reason) {
  if (reason == IDENTITY_CANNOT_LINK) event->excluded_traits[event->excluded_count++] = refused.type;
  if (reason == IDENTITY_SHARED) return ERR_OK; // said once, when it became shared
  uint64_t sequence;
  enum err err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  struct engine_edge_row row = {.a = anchor,
                                .b = refused,
                                .state = identity_reason_name(reason),
                                .sequence = sequence,
                                .source = event->event->source,
                                .message_id = event->event->message_id,
                                .time_us = event->event->time_us,
                                .received_us = event->event->received_us};
  return engine_edge_put(work->engine, work->txn, customer->record.id, ENGINE_EDGE_REFUSED,
                         resolve_pair_number(work->engine, anchor, refused), &row, work->arena);
}

static void accept(struct work_event *event, struct identifier identifier) {
  event->accepted[event->accepted_count++] = identifier;
}

// Adds a person's identifier that belonged to nobody.
static enum err attach(struct work *work, struct work_event *event, struct work_customer *customer,
                       struct work_target *target, bool founds, size_t *index) {
  uint64_t sequence;
  enum err err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  struct customer_identifier added = {.member = {target->identifier, event->event->received_us},
                                      .founded = founds ? customer->record.id : 0,
                                      .sequence = sequence,
                                      .source = event->event->source};
  if (customer_add_identifier(&customer->record, work->arena, &added, index) != ERR_OK)
    return diag_no_memory(work->diag);
  target->person.customer = customer->record.id;
  target->dirty = true;
  work_touch(customer, event->event->received_us);
  accept(event, target->identifier);
  // It was somebody's who was erased: events that named it beside this customer's own give traits again.
  return target->erased ? fold_again(work, customer) : ERR_OK;
}

// The first identifier that leads to a customer; NULL when none does.
static struct work_target *first_known(const struct work_event *event, struct work_target *const *targets,
                                       size_t *rank) {
  for (size_t i = 0; i < event->person_count; i++) {
    if (targets[i]->person.customer == 0 || targets[i]->person.shared) continue;
    *rank = i;
    return targets[i];
  }
  return NULL;
}

// A phone or mailbox that two different people use: contact data of both, identifier of neither.
static void mark_shared(struct work_target *target) {
  target->person.shared = true;
  target->dirty = true;
}

static enum err refuse_target(struct work *work, struct work_event *event, struct work_customer *customer,
                              struct identifier anchor, struct work_target *target, enum identity_reason reason) {
  if (reason == IDENTITY_DIFFERENT_PERSON) mark_shared(target);
  return resolve_refuse(work, event, customer, anchor, target->identifier, reason);
}

// May the event's new identifiers of higher rank be the same person as the one `known` leads to?
static enum err verdict_on_newcomers(struct work *work, const struct work_event *event,
                                     struct work_target *const *targets, size_t rank, struct work_customer *customer,
                                     enum identity_reason *reason) {
  struct identity_member members[WORK_IDENTIFIERS_MAX];
  struct identity_side newcomers = {
      .members = members, .given_name = event->given_name, .birth_date = event->birth_date};
  struct identity_side known;
  for (size_t i = 0; i < rank; i++)
    if (!targets[i]->person.shared)
      members[newcomers.member_count++] = (struct identity_member){targets[i]->identifier, event->event->received_us};
  *reason = IDENTITY_OK;
  if (newcomers.member_count == 0) return ERR_OK;
  enum err err = resolve_side(work, customer, &known);
  if (err == ERR_OK)
    *reason = identity_may_join(work->rules, &newcomers, &known, targets[rank]->identifier, work->now_us,
                                event->alias && event->event->trusted);
  return err;
}

// The device's own customer, when the event's first device has one, nobody ever signed in on it, and this person may
// take it over: an anonymous visitor who identifies herself stays the customer she was.
static enum err adoptable(struct work *work, const struct work_event *event, struct work_customer **out) {
  *out = NULL;
  if (event->device_count == 0) return ERR_OK;
  const struct work_target *target = work_target(work, event->devices[0]);
  if (target == NULL) return ERR_CONFLICT;
  if (target->device->own == 0 || target->device->run_count > 0 || target->device->shared) return ERR_OK;
  struct work_customer *own = work_customer(work, target->device->own);
  if (own == NULL) return ERR_CONFLICT;
  struct identity_side side;
  enum err err = resolve_side(work, own, &side);
  if (err != ERR_OK) return err;
  if (identity_may_attach(work->rules, &side, event->persons[0], work->now_us, false) == IDENTITY_OK) *out = own;
  return ERR_OK;
}

static enum err found_customer(struct work *work, struct work_event *event, struct work_target *first,
                               struct work_customer **out, size_t *anchor) {
  enum err err = adoptable(work, event, out);
  if (err != ERR_OK) return err;
  bool adopted = *out != NULL;
  if (!adopted) err = work_customer_new(work, out);
  if (err == ERR_OK) err = attach(work, event, *out, first, !adopted, anchor);
  return err;
}

// One more identifier of the event: linked, attached, joined or refused.
static enum err take_next(struct work *work, struct work_event *event, struct work_target *target,
                          struct identifier anchor, struct work_customer **customer) {
  const char *rule = event->alias ? "alias" : "same_event";
  bool ignore_limit = event->alias && event->event->trusted;
  if (target->person.shared) return refuse_target(work, event, *customer, anchor, target, IDENTITY_SHARED);
  struct identity_side side, other_side;
  enum identity_reason reason = IDENTITY_OK;
  enum err err = ERR_OK;
  size_t index = 0;
  if (target->person.customer == 0) {
    err = resolve_side(work, *customer, &side);
    if (err == ERR_OK) reason = identity_may_attach(work->rules, &side, target->identifier, work->now_us, ignore_limit);
    if (err == ERR_OK && reason == IDENTITY_OK) err = attach(work, event, *customer, target, false, &index);
  } else if (target->person.customer != (*customer)->record.id) {
    struct work_customer *other = work_customer(work, target->person.customer);
    if (other == NULL) return ERR_CONFLICT;
    err = side_of_event(work, event, *customer, &side);
    if (err == ERR_OK) err = resolve_side(work, other, &other_side);
    if (err == ERR_OK)
      reason = identity_may_join(work->rules, &side, &other_side, target->identifier, work->now_us, ignore_limit);
    if (err == ERR_OK && reason == IDENTITY_OK) err = merge_customers(work, event, *customer, other, customer);
    if (err == ERR_OK && reason == IDENTITY_OK) accept(event, target->identifier);
  } else {
    accept(event, target->identifier);
  }
  if (err != ERR_OK) return err;
  if (reason != IDENTITY_OK) return refuse_target(work, event, *customer, anchor, target, reason);
  int a = customer_find_identifier(&(*customer)->record, anchor);
  int b = customer_find_identifier(&(*customer)->record, target->identifier);
  if (a < 0 || b < 0) return diag_set(work->diag, ERR_CORRUPT, "corrupt", "an identifier's customer does not list it");
  return resolve_link(work, event, *customer, (size_t)a, (size_t)b, rule);
}

// Which customer the event starts from, and which identifier stands for it. *anchor_rank is the identifier's place.
static enum err choose_anchor(struct work *work, struct work_event *event, struct work_target *const *targets,
                              struct work_customer **customer, size_t *anchor_rank) {
  size_t rank = 0, index = 0;
  struct work_target *known = first_known(event, targets, &rank);
  enum identity_reason reason = IDENTITY_OK;
  if (known != NULL) {
    *customer = work_customer(work, known->person.customer);
    if (*customer == NULL) return ERR_CONFLICT;
    enum err err = verdict_on_newcomers(work, event, targets, rank, *customer, &reason);
    if (err != ERR_OK) return err;
    if (reason == IDENTITY_OK) {
      *anchor_rank = rank;
      accept(event, known->identifier);
      return ERR_OK;
    }
  }
  size_t first = 0;
  while (first < event->person_count && targets[first]->person.shared) first++;
  if (first == event->person_count) return ERR_NOT_FOUND; // only shared identifiers: they name nobody
  *anchor_rank = first;
  enum err err = found_customer(work, event, targets[first], customer, &index);
  if (err != ERR_OK || reason != IDENTITY_DIFFERENT_PERSON) return err;
  return refuse_target(work, event, *customer, targets[first]->identifier, known, reason);
}

static enum err resolve_persons(struct work *work, struct work_event *event, struct work_customer **customer) {
  struct work_target *targets[WORK_IDENTIFIERS_MAX];
  for (size_t i = 0; i < event->person_count; i++) {
    targets[i] = work_target(work, event->persons[i]);
    if (targets[i] == NULL) return ERR_CONFLICT;
  }
  size_t anchor_rank = 0;
  enum err err = choose_anchor(work, event, targets, customer, &anchor_rank);
  if (err != ERR_OK) return err;
  struct identifier anchor = targets[anchor_rank]->identifier;
  for (size_t i = 0; err == ERR_OK && i < event->person_count; i++)
    if (i != anchor_rank) err = take_next(work, event, targets[i], anchor, customer);
  identity_sort(work->rules, event->accepted, event->accepted_count);
  struct identifier first = event->accepted[0]; // the event is its, also after a split; so are the sign-ins
  for (size_t i = 0; err == ERR_OK && i < event->device_count; i++) {
    int position = customer_find_identifier(&(*customer)->record, first);
    if (position < 0) return diag_set(work->diag, ERR_CORRUPT, "corrupt", "an identifier's customer does not list it");
    err = device_sign_in(work, event, customer, (size_t)position, event->devices[i]);
  }
  identity_sort(work->rules, event->accepted, event->accepted_count);
  return err;
}

static uint64_t settled_by_device(const struct work *work, struct identifier device,
                                  const struct identity_instant *at) {
  const struct work_target *target = work_held_target(work, device);
  if (target == NULL || target->device == NULL) return 0;
  int run = identity_device_owner(target->device, at);
  return run < 0 ? target->device->own : target->device->runs[run].customer;
}

uint64_t resolve_settled(const struct work *work, struct identifier person, const struct identifier *devices,
                         size_t device_count, const struct identity_instant *at) {
  if (person.type == 0) return device_count == 0 ? 0 : settled_by_device(work, devices[0], at);
  const struct work_target *target = work_held_target(work, person);
  if (target == NULL || target->device != NULL || target->person.shared) return 0;
  for (size_t i = 0; i < device_count; i++) {
    const struct work_target *device = work_held_target(work, devices[i]);
    if (device == NULL || device->device == NULL) return 0;
    int run = identity_device_run(device->device, at);
    if (run < 0 || device->device->runs[run].customer != target->person.customer ||
        !identifier_equal(device->device->runs[run].person, person))
      return 0;
  }
  return target->person.customer;
}

// Accepts what ties the event to its customer and gives her; her record may not have been read. NULL: not that easy.
static struct work_customer *settled_customer(const struct work *work, struct work_event *event) {
  struct identifier person = event->person_count == 1 ? event->persons[0] : (struct identifier){0};
  if (event->person_count > 1 || event->alias) return NULL;
  uint64_t id = resolve_settled(work, person, event->devices, event->device_count, &event->at);
  struct work_customer *customer = id == 0 ? NULL : work_held_customer(work, id);
  if (customer == NULL || (customer->head_only && event->event->gives_traits)) return NULL;
  if (person.type == 0) {
    accept(event, event->devices[0]);
    return customer;
  }
  accept(event, person);
  for (size_t i = 0; i < event->device_count; i++) accept(event, event->devices[i]);
  identity_sort(work->rules, event->accepted, event->accepted_count);
  return customer;
}

enum err resolve_event(struct work *work, struct work_event *event, struct work_customer **out) {
  *out = settled_customer(work, event);
  if (*out != NULL) return ERR_OK;
  enum err err = ERR_NOT_FOUND;
  if (event->person_count > 0) err = resolve_persons(work, event, out);
  if (err == ERR_NOT_FOUND && event->device_count > 0) {
    accept(event, event->devices[0]);
    err = device_owner(work, event, event->devices[0], out);
  }
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}
