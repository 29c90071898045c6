// apply.c: events in, one commit a slice.
//
// A slice is the longest run of events that one transaction can take: at most SLICE_EVENTS events, and at most
// LIMIT_TXN_CUSTOMERS customers (when there turn out to be more, the slice is halved). Rounds of a slice: deduplication
// keys, identifiers, customers, and history only for late sign-ins and merges; then one write. Invariants: an event is
// on the timeline if and only if its deduplication key was written with it; decisions are numbered under the locks, so
// that two that concern one customer are numbered in the order of their commits. The key of a message that was set
// aside says so: the same message is not kept twice, but one that can be taken now (corrected, or under other rules)
// is.
#include <assert.h>
#include <string.h>

#include "engine/live.h"
#include "engine/loyalty.h"
#include "engine/read.h"
#include "engine/work.h"

// What one event may ask too much of. In a slice of its own it is set aside with that reason: the queue goes on.
struct limit {
  const char *code, *words;
};
static const struct limit LIMITS[] = {
    {"too_many_customers",
     "the identifiers and devices of this event belong to more people than one event may concern; send it again with "
     "fewer of them"},
    {"overflow",
     "what this event would give makes a balance, or a count of it, larger than 2^63 - 1; correct what it says, or the "
     "rule that earns so much, and send it again"},
    {"too_many", "this event concerns more rules with budgets, or orders, than one transaction may lock"},
    {"over_limit", "this event asks for more than a limit of docs/collect.md allows"}, // of any other code
};

static const struct limit *limit_of(const struct diag *diag) {
  size_t i = 0, last = sizeof LIMITS / sizeof *LIMITS - 1;
  while (i < last && strcmp(LIMITS[i].code, diag->code) != 0) i++;
  return &LIMITS[i];
}

enum { SLICE_EVENTS = LIMIT_TXN_CUSTOMERS, SLICE_IDENTIFIERS = SLICE_EVENTS * (LIMIT_EVENT_IDENTIFIERS + 2) };

struct slice {
  const struct engine_event *events;
  size_t count;
  struct engine_result *results;
  uint8_t (*ids)[IDENTITY_EVENT_ID_BYTES];
  struct bytes *message_keys, *message_rows;
  struct identifier *identifiers; // all that the events carry, to be locked
  size_t identifier_count;
  const struct limit *passed;            // its one event is set aside, for this; NULL: it is taken
  bool alone;                            // its one event is taken, or nothing is written
  struct json_writer *writer;            // of one alone: gets the record; NULL: nobody asks for it
  const struct loyalty_request *request; // of one alone that is a basket; NULL: it is none
  bool dry_run;                          // nothing of it is written
  const struct engine_commit *commit;
};

// --- classifying what an event carries -----------------------------------------------------------------------

static void add_identifier(struct work_event *event, const struct identity_type *type, struct identifier identifier) {
  if (type->class == IDENTITY_DEVICE)
    event->devices[event->device_count++] = identifier;
  else
    event->persons[event->person_count++] = identifier;
}

// Leaves out what names nobody. A blocked value is no trait either.
static void classify(struct work *work, struct work_event *event) {
  for (size_t i = 0; i < event->event->identifier_count; i++) {
    const struct engine_identifier *carried = &event->event->identifiers[i];
    const struct identity_type *type = identity_type_by_id(work->rules, carried->identifier.type);
    if (type == NULL) continue;
    event->reasons[i] = carried->reason;
    if (carried->reason != IDENTITY_OK) continue;
    if (identity_is_blocked(work->rules, type, carried->identifier.value)) {
      event->reasons[i] = IDENTITY_BLOCKED;
      event->excluded_traits[event->excluded_count++] = carried->identifier.type;
      continue;
    }
    add_identifier(event, type, carried->identifier);
  }
  identity_sort(work->rules, event->persons, event->person_count);
  identity_sort(work->rules, event->devices, event->device_count);
}

// The two readings of an alias' previousId: a device that is known, else a person's user id.
static size_t alias_readings(struct engine *engine, const struct engine_event *event, struct identifier out[2]) {
  if (event->type != ENGINE_ALIAS || event->previous_id.size_bytes == 0) return 0;
  uint32_t user_id = engine->id.user_id;
  for (size_t i = 0; i < event->identifier_count; i++) {
    const struct identity_type *type = identity_type_by_id(engine_rules(engine), event->identifiers[i].identifier.type);
    if (type != NULL && type->class == IDENTITY_PERSON) user_id = event->identifiers[i].identifier.type;
  }
  out[0] = (struct identifier){engine->id.anonymous_id, event->previous_id};
  out[1] = (struct identifier){user_id, event->previous_id};
  return 2;
}

static enum err add_alias(struct work *work, struct work_event *event) {
  struct identifier readings[2];
  if (alias_readings(work->engine, event->event, readings) == 0) return ERR_OK;
  const struct work_target *device = work_target(work, readings[0]);
  if (device == NULL) return ERR_CONFLICT;
  bool known = device->stored || device->dirty; // by an earlier commit, or by an event before this one
  struct identifier chosen = known ? readings[0] : readings[1];
  const struct identity_type *type = identity_type_by_id(work->rules, chosen.type);
  if (type == NULL || identity_is_blocked(work->rules, type, chosen.value)) return ERR_OK;
  event->alias = true;
  add_identifier(event, type, chosen);
  return ERR_OK;
}

// --- one event -----------------------------------------------------------------------------------------------

static uint8_t payload_flags(const struct work_event *event) {
  uint8_t flags = (uint8_t)(event->event->type << 4);
  if (event->event->gives_traits) flags |= TIMELINE_TRAITS;
  if (event->event->type == ENGINE_CORRECTION) flags |= TIMELINE_CORRECTION;
  return flags;
}

// Its message id may be forgotten: then only her timeline, wherever it lies, knows whether the event was there before.
static bool may_be_repeat(const struct work *work, const struct engine_event *event) {
  int64_t floor_us = atomic_load(&work->engine->message_floor_us);
  return floor_us != 0 && event->time_us < floor_us + 2 * CLOCK_DAY_US;
}

static enum err append_event(struct work *work, struct work_event *event, struct work_customer *customer, bool *added) {
  const struct engine_event *from = event->event;
  struct timeline_event hot = {.at = event->at,
                               .name = from->name,
                               .amount = from->amount,
                               .amount_code = from->amount_code,
                               .currency = from->currency,
                               .dims = {from->dims[0], from->dims[1]}};
  struct timeline_payload payload = {.source = from->source,
                                     .received_us = from->received_us,
                                     .sequence = event->sequence,
                                     .flags = payload_flags(event),
                                     .identifiers = event->accepted,
                                     .identifier_count = event->accepted_count,
                                     .excluded = event->excluded_traits,
                                     .excluded_count = event->excluded_count,
                                     .message = from->message};
  bool check_repeat = may_be_repeat(work, from);
  // The record names the parts of her timeline that lie elsewhere.
  if (check_repeat && work_customer(work, customer->record.id) == NULL) return ERR_CONFLICT;
  customer->head_dirty = true;
  enum err err =
      timeline_add(work->txn, customer->record.id, &customer->head, work->arena, &hot, &payload, check_repeat, added);
  return err == ERR_OK && *added ? work_note(work, &customer->added, from->name) : err;
}

enum { MESSAGE_ASIDE_BYTES = sizeof(uint32_t) + 1 };

static enum err mark_message(struct work *work, struct bytes key, int64_t received_us, bool aside) {
  struct key row;
  key_init(&row);
  key_put_u32(&row, (uint32_t)(received_us / CLOCK_SECOND_US));
  if (aside) key_put_u8(&row, 1);
  return store_put(work->txn, STORE_MESSAGE, key, key_view(&row));
}

// True when somebody erased may not come back: a replay of what was before, or anything when suppressed.
static bool is_suppressed(struct work *work, const struct work_event *event) {
  for (size_t i = 0; i < event->person_count + event->device_count; i++) {
    struct identifier identifier =
        i < event->person_count ? event->persons[i] : event->devices[i - event->person_count];
    if (receipt_refuses(work, identifier, event->event)) return true;
  }
  return false;
}

static enum err set_aside(struct work *work, const struct work_event *event, struct engine_result *result,
                          const char *code, const char *message) {
  const struct engine_event *from = event->event;
  result->outcome = event->waits ? ENGINE_DUPLICATE : ENGINE_ASIDE;
  result->code = code;
  work->delta.duplicates += event->waits;
  if (event->waits) return ERR_OK;
  work->delta.set_aside++;
  return aside_put(work, from->source, code, message, from->text, from->message, from->received_us);
}

static enum err set_nobody_aside(struct work *work, const struct work_event *event, struct engine_result *result) {
  return set_aside(work, event, result, "no_identifier",
                   "every identifier of this event is blocked or unreadable, so it names nobody; correct one and "
                   "send it again");
}

// What could not be used is told where the customer's identity is shown.
static enum err refuse_unusable(struct work *work, struct work_event *event, struct work_customer *customer) {
  enum err err = ERR_OK;
  for (size_t i = 0; err == ERR_OK && i < event->event->identifier_count; i++)
    if (event->reasons[i] != IDENTITY_OK)
      err = resolve_refuse(work, event, customer, event->accepted[0], event->event->identifiers[i].identifier,
                           event->reasons[i]);
  return err;
}

static enum err take_event(struct work *work, struct work_event *event, struct engine_result *result) {
  struct work_customer *customer;
  bool added = false;
  enum err err = resolve_event(work, event, &customer);
  if (err != ERR_OK) return err;
  if (customer == NULL) return set_nobody_aside(work, event, result);
  err = engine_next(work->engine, &work->engine->decisions, &event->sequence, work->diag);
  if (err == ERR_OK) err = append_event(work, event, customer, &added);
  if (err != ERR_OK) return err;
  result->customer = customer->record.id;
  result->outcome = added ? ENGINE_APPLIED : ENGINE_DUPLICATE;
  if (!added) work->delta.duplicates++;
  if (!added) return ERR_OK;
  work->delta.events++;
  err = refuse_unusable(work, event, customer);
  if (err != ERR_OK || !event->event->gives_traits) return err;
  work_touch(customer, event->event->received_us);
  return fold_message(work, customer, event->event->message, event->event->source,
                      event->event->type == ENGINE_CORRECTION, &event->at, event->excluded_traits,
                      event->excluded_count);
}

// A member who is brought: `customer` 0 when her event was there before; then an identifier leads to her.
static enum err bring(struct work *work, const struct slice *slice, size_t index, uint64_t customer) {
  const struct engine_event *event = &slice->events[index];
  for (size_t i = 0; customer == 0 && i < event->identifier_count; i++) {
    const struct work_target *target = work_target(work, event->identifiers[i].identifier);
    if (target == NULL) return ERR_CONFLICT;
    if (target->device == NULL && !target->person.shared) customer = target->person.customer;
  }
  struct work_customer *found = customer == 0 ? NULL : work_customer(work, customer);
  if (customer != 0 && found == NULL) return ERR_CONFLICT;
  slice->results[index].customer = customer;
  return slice->request->bring(work, found, index, slice->request->context);
}

static enum err apply_event(struct work *work, const struct slice *slice, size_t index, struct engine_result *result) {
  const struct engine_event *from = &slice->events[index];
  struct work_event event = {.event = from, .at = {.time_us = from->time_us}};
  memcpy(event.at.event, slice->ids[index], sizeof event.at.event);
  event.waits = slice->message_rows[index].data != NULL && !from->resent;
  classify(work, &event);
  enum err err = add_alias(work, &event);
  if (err == ERR_OK && is_suppressed(work, &event)) {
    result->outcome = ENGINE_SUPPRESSED;
    result->code = "suppressed";
    return ERR_OK;
  }
  if (err == ERR_OK) err = fold_names_of_message(work, from->message, &event.given_name, &event.birth_date);
  if (err == ERR_OK && from->aside_code != NULL)
    err = set_aside(work, &event, result, from->aside_code, from->aside_words);
  else if (err == ERR_OK)
    err = slice->passed != NULL ? set_aside(work, &event, result, slice->passed->code, slice->passed->words)
                                : take_event(work, &event, result);
  bool brings = slice->request != NULL && slice->request->bring != NULL;
  if (err == ERR_OK && brings && result->code == NULL) err = bring(work, slice, index, result->customer);
  if (err == ERR_OK && !brings && result->outcome == ENGINE_APPLIED)
    err =
        loyalty_take_event(work, work_held_customer(work, result->customer), &event, slice->request, &result->refusal);
  if (err != ERR_OK) return err;
  return mark_message(work, slice->message_keys[index], from->received_us, result->code != NULL);
}

// --- a slice -------------------------------------------------------------------------------------------------

// The same message twice in one slice: the second sees the first's key among the rows before it.
static bool seen_before(const struct slice *slice, size_t index) {
  if (slice->message_rows[index].data != NULL && slice->message_rows[index].size_bytes != MESSAGE_ASIDE_BYTES)
    return true;
  for (size_t i = 0; i < index; i++)
    if (memcmp(slice->ids[i], slice->ids[index], IDENTITY_EVENT_ID_BYTES) == 0) return true;
  return false;
}

// An event that is alone: its customer as she is after it.
static enum err answer_alone(struct work *work, const struct slice *slice) {
  const struct engine_result *result = &slice->results[0];
  if (result->outcome != ENGINE_APPLIED)
    return diag_set(work->diag, ERR_DENIED, "suppressed", "this person was erased and is not to come back");
  if (slice->writer == NULL) return ERR_OK;
  const struct work_customer *customer = work_customer(work, result->customer);
  if (customer == NULL) return ERR_CONFLICT;
  buffer_clear(slice->writer->out);
  json_writer_init(slice->writer, slice->writer->out);
  enum err err =
      read_write_state(work->engine, &work->sources, &customer->record, &customer->head, slice->writer, work->arena);
  return err == ERR_OK && slice->writer->out->failed ? diag_no_memory(work->diag) : err;
}

static enum err slice_body(struct work *work, void *context) {
  struct slice *slice = context;
  enum err err =
      store_get_many(work->txn, STORE_MESSAGE, slice->message_keys, slice->count, work->arena, slice->message_rows);
  if (err == ERR_OK && atomic_load(&work->engine->has_receipts)) err = receipts_read(work);
  if (err == ERR_OK && slice->passed == NULL) err = loyalty_prepare(work, slice->events, slice->count, slice->request);
  for (size_t i = 0; err == ERR_OK && i < slice->count; i++) {
    slice->results[i] = (struct engine_result){0};
    if (!seen_before(slice, i)) {
      err = apply_event(work, slice, i, &slice->results[i]);
      continue;
    }
    slice->results[i].outcome = ENGINE_DUPLICATE;
    work->delta.duplicates++;
    if (slice->request != NULL && slice->request->bring != NULL)
      err = bring(work, slice, i, 0);
    else if (slice->request != NULL)
      return loyalty_order_replay(work, &slice->events[i], slice->request);
  }
  return err == ERR_OK && slice->alone ? answer_alone(work, slice) : err;
}

// Can the event be taken without its customer's record? Sees of it what resolve_settled wants to know. What it makes of
// a blocked value does not matter: it leads nowhere.
static bool needs_no_record(const struct work *work, const struct slice *slice, size_t index) {
  const struct engine_event *event = &slice->events[index];
  struct identity_instant at = {.time_us = event->time_us};
  struct identifier person = {0}, devices[WORK_IDENTIFIERS_MAX];
  size_t device_count = 0;
  memcpy(at.event, slice->ids[index], sizeof at.event);
  if (event->gives_traits || event->type == ENGINE_ALIAS || may_be_repeat(work, event)) return false;
  for (size_t i = 0; i < event->identifier_count; i++) {
    const struct identity_type *type = identity_type_by_id(work->rules, event->identifiers[i].identifier.type);
    if (type == NULL || event->identifiers[i].reason != IDENTITY_OK || (type->class == IDENTITY_PERSON && person.type))
      return false;
    if (type->class == IDENTITY_PERSON)
      person = event->identifiers[i].identifier;
    else
      devices[device_count++] = event->identifiers[i].identifier;
  }
  identity_sort(work->rules, devices, device_count);
  return resolve_settled(work, person, devices, device_count, &at) != 0;
}

static void need_record(const struct work *work, uint64_t id) {
  struct work_customer *customer = id == 0 ? NULL : work_held_customer(work, id);
  if (customer != NULL) customer->head_only = false;
}

// Every customer that any other event may concern. One that is forgotten here is asked for by the body.
static void choose_records(struct work *work, void *context) {
  const struct slice *slice = context;
  for (size_t i = 0; i < work->customer_count; i++) work->customers[i]->head_only = true;
  for (size_t i = 0; i < slice->count; i++) {
    const struct engine_event *event = &slice->events[i];
    bool concerned = live_concerns_event(work, event->name) || loyalty_concerns_event(work, event->name);
    if (!concerned && needs_no_record(work, slice, i)) continue;
    for (size_t j = 0; j < event->identifier_count; j++) {
      const struct work_target *target = work_held_target(work, event->identifiers[j].identifier);
      if (target != NULL && target->device == NULL) need_record(work, target->person.customer);
      if (target == NULL || target->device == NULL) continue;
      need_record(work, target->device->own);
      for (size_t run = 0; run < target->device->run_count; run++)
        need_record(work, target->device->runs[run].customer);
    }
  }
}

static void collect_identifiers(struct engine *engine, struct slice *slice) {
  slice->identifier_count = 0;
  for (size_t i = 0; i < slice->count; i++) {
    const struct engine_event *event = &slice->events[i];
    for (size_t j = 0; j < event->identifier_count; j++)
      if (event->identifiers[j].reason == IDENTITY_OK)
        slice->identifiers[slice->identifier_count++] = event->identifiers[j].identifier;
    slice->identifier_count += alias_readings(engine, event, &slice->identifiers[slice->identifier_count]);
  }
  assert(slice->identifier_count <= SLICE_IDENTIFIERS);
}

static enum err run_slice(struct engine *engine, struct slice *slice, struct store_mark *mark, struct diag *diag) {
  for (size_t i = 0; i < slice->count; i++) {
    engine_event_id(engine, slice->events[i].source, slice->events[i].message_id, slice->ids[i]);
    slice->message_keys[i] = bytes_of(slice->ids[i], IDENTITY_EVENT_ID_BYTES);
  }
  collect_identifiers(engine, slice);
  struct work_plan plan = {.message_keys = slice->message_keys,
                           .message_count = slice->count,
                           .identifiers = slice->identifiers,
                           .identifier_count = slice->identifier_count,
                           .no_customers = slice->passed != NULL,
                           .commit = slice->commit,
                           .dry_run = slice->dry_run,
                           .choose_records = choose_records};
  return work_run(engine, &plan, slice_body, slice, mark, diag);
}

static enum err slice_init(struct slice *slice, struct arena *arena) {
  slice->ids = arena_take(arena, SLICE_EVENTS * sizeof *slice->ids);
  slice->message_keys = arena_take(arena, SLICE_EVENTS * sizeof *slice->message_keys);
  slice->message_rows = arena_take(arena, SLICE_EVENTS * sizeof *slice->message_rows);
  slice->identifiers = arena_take(arena, SLICE_IDENTIFIERS * sizeof *slice->identifiers);
  bool ok =
      slice->ids != NULL && slice->message_keys != NULL && slice->message_rows != NULL && slice->identifiers != NULL;
  return ok ? ERR_OK : ERR_NO_MEMORY;
}

enum err engine_apply(struct engine *engine, const struct engine_event *events, size_t count,
                      struct engine_result *results, size_t *done, struct store_mark *mark, struct diag *diag) {
  struct slice slice = {0};
  struct arena arena;
  struct diag own;
  arena_init(&arena, 0);
  *done = 0;
  enum err err = slice_init(&slice, &arena);
  if (err == ERR_NO_MEMORY) diag_no_memory(diag);
  size_t length = SLICE_EVENTS;
  while (err == ERR_OK && *done < count) {
    slice.events = events + *done;
    slice.results = results + *done;
    slice.count = count - *done < length ? count - *done : length;
    diag_init(&own);
    err = run_slice(engine, &slice, mark, &own);
    if (err == ERR_LIMIT && slice.count > 1) {
      length = slice.count / 2;
      err = ERR_OK;
      continue;
    }
    if (err == ERR_LIMIT) { // else it would stand in the way of all that come after it
      slice.passed = limit_of(&own);
      err = run_slice(engine, &slice, mark, &own);
      slice.passed = NULL;
    }
    if (err != ERR_OK && diag != NULL) *diag = own;
    if (err != ERR_OK) break;
    *done += slice.count;
    length = SLICE_EVENTS;
  }
  arena_release(&arena);
  if (count == 0 || *done > 0) *mark = store_mark_now(engine->store);
  return err;
}

enum err apply_alone(struct engine *engine, const struct engine_event *event, struct json_writer *writer,
                     struct engine_commit *commit, struct diag *diag) {
  struct engine_result result;
  struct slice slice = {
      .events = event, .count = 1, .results = &result, .alone = true, .writer = writer, .commit = commit};
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = slice_init(&slice, &arena);
  err = err == ERR_OK ? run_slice(engine, &slice, &commit->mark, diag) : diag_no_memory(diag);
  arena_release(&arena);
  return err;
}

enum err apply_basket(struct engine *engine, const struct engine_event *event, const struct loyalty_request *request,
                      bool dry_run, struct engine_commit *commit, struct diag *diag) {
  struct engine_result result;
  struct slice slice = {.events = event,
                        .count = 1,
                        .results = &result,
                        .request = request,
                        .dry_run = dry_run,
                        .commit = dry_run ? NULL : commit};
  struct arena arena;
  arena_init(&arena, 0);
  enum err err = slice_init(&slice, &arena);
  err = err == ERR_OK ? run_slice(engine, &slice, &commit->mark, diag) : diag_no_memory(diag);
  arena_release(&arena);
  if (err == ERR_OK && result.outcome == ENGINE_SUPPRESSED)
    return diag_set(diag, ERR_DENIED, "suppressed", "this person was erased and is not to come back");
  if (err == ERR_OK && result.outcome == ENGINE_ASIDE)
    return diag_set(diag, ERR_INVALID, result.code, "this basket could not be given to a customer; it is kept aside");
  return err;
}

enum err apply_members(struct engine *engine, const struct engine_event *events, size_t count,
                       const struct loyalty_request *request, bool dry_run, struct engine_result *results,
                       struct store_mark *mark, struct diag *diag) {
  struct slice slice = {.events = events, .count = count, .results = results, .request = request, .dry_run = dry_run};
  struct arena arena;
  assert(count <= SLICE_EVENTS);
  arena_init(&arena, 0);
  enum err err = slice_init(&slice, &arena);
  err = err == ERR_OK ? run_slice(engine, &slice, mark, diag) : diag_no_memory(diag);
  arena_release(&arena);
  return err;
}
