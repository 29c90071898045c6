// device.c: devices are owned by intervals of event time; they join nobody.
//
// An anonymous event belongs to whoever owns its first device at its own time, else to the device's own customer. When
// a sign-in changes who owns an interval, the anonymous events in it move. A device that too many people share is owned
// by nobody: its anonymous events live on its own customer. Which events are where is a function of the set of sign-ins
// alone, so the order of arrival does not matter.
#include <string.h>

#include "engine/parts.h"

// --- moving anonymous events ---------------------------------------------------------------------------------

struct mover {
  const struct work_target *device;
  uint64_t to; // take the events that this customer owns
};

static bool is_anonymous_on(const struct timeline_item *item, struct identifier device) {
  const struct timeline_payload *payload = &item->payload;
  return payload->identifier_count > 0 && identifier_equal(payload->identifiers[0], device);
}

static uint64_t owner_at(const struct identity_device *device, const struct identity_instant *at) {
  int run = identity_device_owner(device, at);
  return run < 0 ? device->own : device->runs[run].customer;
}

static bool pick_owned(void *context, const struct timeline_item *item) {
  const struct mover *mover = context;
  return is_anonymous_on(item, mover->device->identifier) &&
         owner_at(mover->device->device, &item->event.at) == mover->to;
}

// The events of `range` that are `to`'s now. When some that gave traits change hands, both records are folded again.
static enum err move_owned(struct work *work, struct work_target *device, struct work_customer *from,
                           struct work_customer *to, const struct timeline_choice *range) {
  struct mover mover = {device, to->record.id};
  struct timeline_choice choice = *range;
  uint64_t moved = 0;
  if (from == to || timeline_count(&from->head) == 0) return ERR_OK;
  choice.pick = pick_owned;
  choice.context = &mover;
  enum err err = sort_move(work, device, from, to, &choice, &moved);
  if (err != ERR_OK || moved == 0) return err;
  from->head_dirty = to->head_dirty = true;
  err = fold_again(work, from);
  return err == ERR_OK ? fold_again(work, to) : err;
}

// The device's own customer, made when it has none.
static enum err own_customer(struct work *work, struct work_target *device, uint32_t source, int64_t received_us,
                             struct work_customer **out) {
  if (device->device->own != 0) {
    *out = work_customer(work, device->device->own);
    return *out == NULL ? ERR_CONFLICT : ERR_OK;
  }
  uint64_t sequence;
  size_t index;
  enum err err = work_customer_new(work, out);
  if (err == ERR_OK) err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
  if (err != ERR_OK) return err;
  struct customer_identifier added = {.member = {device->identifier, received_us},
                                      .founded = (*out)->record.id,
                                      .sequence = sequence,
                                      .source = source};
  if (customer_add_identifier(&(*out)->record, work->arena, &added, &index) != ERR_OK)
    return diag_no_memory(work->diag);
  device->device->own = (*out)->record.id;
  device->dirty = true;
  work_touch(*out, received_us);
  return ERR_OK;
}

// Everybody who owns or owned the device must be at hand.
static bool hold_owners(struct work *work, const struct identity_device *device) {
  bool all = device->own == 0 || work_customer(work, device->own) != NULL;
  for (size_t i = 0; i < device->run_count; i++)
    if (work_customer(work, device->runs[i].customer) == NULL) all = false;
  return all;
}

static enum err rehome_from(struct work *work, struct work_target *device, uint64_t from_id) {
  static const struct timeline_choice everything;
  const struct identity_device *owners = device->device;
  struct work_customer *from = work_customer(work, from_id);
  enum err err = from == NULL ? ERR_CONFLICT : ERR_OK;
  if (err == ERR_OK && owners->own != 0)
    err = move_owned(work, device, from, work_customer(work, owners->own), &everything);
  for (size_t i = 0; err == ERR_OK && i < owners->run_count; i++)
    err = move_owned(work, device, from, work_customer(work, owners->runs[i].customer), &everything);
  return err;
}

enum err device_rehome(struct work *work, struct work_target *device) {
  const struct identity_device *owners = device->device;
  struct work_customer *own = NULL;
  if (!hold_owners(work, owners)) return ERR_CONFLICT;
  enum err err = ERR_OK;
  if (owners->shared) err = own_customer(work, device, 0, work->now_us, &own);
  if (err == ERR_OK && owners->own != 0) err = rehome_from(work, device, owners->own);
  for (size_t i = 0; err == ERR_OK && i < owners->run_count; i++)
    err = rehome_from(work, device, owners->runs[i].customer);
  return err;
}

// --- signing in ----------------------------------------------------------------------------------------------

// A sign-in is an event that carried the device and a person.
static bool is_sign_in(const struct timeline_item *item, const struct work *work, struct identifier device) {
  const struct timeline_payload *payload = &item->payload;
  bool person = false, carried = false;
  for (size_t i = 0; i < payload->identifier_count; i++) {
    const struct identity_type *type = identity_type_by_id(work->rules, payload->identifiers[i].type);
    if (type != NULL && type->class == IDENTITY_PERSON) person = true;
    if (identifier_equal(payload->identifiers[i], device)) carried = true;
  }
  return person && carried;
}

// The next sign-in of the run's person after `at` and before the run ends: it goes on from there. *found tells.
static enum err find_resumption(struct work *work, const struct work_target *device, int run,
                                const struct identity_instant *at, struct identity_instant *resumes, bool *found) {
  const struct identity_device *owners = device->device;
  struct work_customer *owner = work_customer(work, owners->runs[run].customer);
  struct timeline_query query = {.payloads = true, .has_from = true, .from = *at};
  struct timeline_cursor *cursor = NULL;
  *found = false;
  if (owner == NULL) return ERR_CONFLICT;
  if ((size_t)run + 1 < owners->run_count) {
    query.has_to = true;
    query.to = owners->runs[run + 1].start;
  }
  enum err err =
      timeline_open(&cursor, (struct timeline_reader){.txn = work->txn}, owner->record.id, &owner->head, &query);
  while (err == ERR_OK && !*found) {
    struct timeline_item item;
    err = timeline_next(cursor, &item);
    if (err != ERR_OK || identity_instant_compare(&item.event.at, at) <= 0) continue;
    *found = is_sign_in(&item, work, device->identifier);
    if (*found) *resumes = item.event.at;
  }
  timeline_close(cursor);
  return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// The customer that held the events of the changed interval before the sign-in.
static uint64_t holder_before(const struct identity_device *device, const struct identity_instant *at) {
  if (device->run_count == 0) return device->own;
  int run = identity_device_owner(device, at);
  return run < 0 ? device->own : device->runs[run].customer;
}

// The device's own customer held nothing but the device: whoever signs in first takes it over whole.
static enum err take_over(struct work *work, struct work_event *event, struct work_target *device,
                          struct work_customer *person, struct work_customer **survivor) {
  struct work_customer *own = work_customer(work, device->device->own);
  if (own == NULL) return ERR_CONFLICT;
  if (own == person) {
    device->device->own = 0;
    return ERR_OK;
  }
  enum err err = merge_customers(work, event, person, own, survivor);
  device->device->own = 0; // whichever of the two survived, it is hers now
  return err;
}

// The anonymous events whose owner the sign-in changed move to their new one.
static enum err apply_change(struct work *work, struct work_event *event, struct work_target *device,
                             struct work_customer **person, uint64_t holder, bool first, bool was_shared,
                             const struct identity_change *change) {
  if (device->device->shared != was_shared) return device_rehome(work, device);
  if (first) return device->device->own == 0 ? ERR_OK : take_over(work, event, device, *person, person);
  if (device->device->shared || holder == 0 || holder == (*person)->record.id) return ERR_OK;
  struct work_customer *from = work_customer(work, holder);
  struct timeline_choice range = {
      .has_from = !change->from_start, .has_to = !change->to_end, .from = change->from, .to = change->to};
  return from == NULL ? ERR_CONFLICT : move_owned(work, device, from, *person, &range);
}

// The device among the person's identifiers, with its edge. *reason says why not.
static enum err attach_device(struct work *work, struct work_event *event, struct work_customer *person, size_t anchor,
                              struct identifier device, enum identity_reason *reason) {
  struct identity_side side;
  int found = customer_find_identifier(&person->record, device);
  enum err err = ERR_OK;
  size_t index = found < 0 ? 0 : (size_t)found;
  *reason = IDENTITY_OK;
  if (found < 0) {
    uint64_t sequence;
    err = resolve_side(work, person, &side);
    if (err != ERR_OK) return err;
    *reason = identity_may_attach(work->rules, &side, device, work->now_us, false);
    if (*reason != IDENTITY_OK) return ERR_OK;
    err = engine_next(work->engine, &work->engine->decisions, &sequence, work->diag);
    struct customer_identifier added = {
        .member = {device, event->event->received_us}, .sequence = sequence, .source = event->event->source};
    if (err == ERR_OK) err = customer_add_identifier(&person->record, work->arena, &added, &index);
    if (err != ERR_OK) return err;
    work_touch(person, event->event->received_us);
  }
  event->accepted[event->accepted_count++] = device;
  return resolve_link(work, event, person, anchor, index, "sign_in");
}

enum err device_sign_in(struct work *work, struct work_event *event, struct work_customer **customer, size_t anchor,
                        struct identifier device_id) {
  struct work_target *device = work_target(work, device_id);
  struct work_customer *person = *customer;
  struct identifier who = person->record.identifiers[anchor].member.identifier;
  struct identity_instant resumes;
  enum identity_reason reason;
  bool resumed = false;
  if (device == NULL) return ERR_CONFLICT;
  enum err err = attach_device(work, event, person, anchor, device_id, &reason);
  if (err != ERR_OK) return err;
  if (reason != IDENTITY_OK) return resolve_refuse(work, event, person, who, device_id, reason);
  struct identity_device *owners = device->device;
  if (owners->overflow) return ERR_OK;               // shared for good
  int run = identity_device_run(owners, &event->at); // also of a shared device: who owns it must stay exact
  bool inside = run >= 0;
  if (inside && owners->runs[run].customer == person->record.id) return ERR_OK;
  if (inside) err = find_resumption(work, device, run, &event->at, &resumes, &resumed);
  if (err != ERR_OK) return err;
  bool first = owners->run_count == 0, was_shared = owners->shared;
  uint64_t holder = holder_before(owners, &event->at);
  struct identity_change change =
      identity_device_sign_in(owners, work->rules, &event->at, who, person->record.id, resumed ? &resumes : NULL);
  device->dirty = true;
  if (!change.changed && owners->shared == was_shared) return ERR_OK;
  return apply_change(work, event, device, customer, holder, first, was_shared, &change);
}

enum err device_owner(struct work *work, struct work_event *event, struct identifier device_id,
                      struct work_customer **out) {
  struct work_target *device = work_target(work, device_id);
  if (device == NULL) return ERR_CONFLICT;
  int run = identity_device_owner(device->device, &event->at);
  if (run < 0) return own_customer(work, device, event->event->source, event->event->received_us, out);
  *out = work_customer(work, device->device->runs[run].customer);
  return *out == NULL ? ERR_CONFLICT : ERR_OK;
}
